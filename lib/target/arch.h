/* An architecture: its registers, how the kernel stores them, and what is special about three.
 *
 * Registers are numbered by their place in csn_arch.registers, which begins with the registers
 * that DWARF call-frame information can name, in DWARF order, the program counter last among them
 * (x86-64: 0 rax ... 15 r15, 16 rip). Adding an architecture is one arch_<name>.c and one line in
 * arch.c. Tables are constant; no ownership, any thread. */
#ifndef CSN_TARGET_ARCH_H
#define CSN_TARGET_ARCH_H

#include "base/span.h"
#include "base/types.h"

/* Room for every register of any architecture we know (aarch64: x0-x30, sp, pc, pstate, tpidr). */
#define CSN_N_REGISTERS 40

struct csn_registers {
	uint64_t known; /* bit n: value[n] is known */
	uint64_t value[CSN_N_REGISTERS];
};

static inline bool csn_register_known(const struct csn_registers *registers, unsigned n)
{
	return n < CSN_N_REGISTERS && (registers->known >> n & 1);
}

static inline void csn_register_set(struct csn_registers *registers, unsigned n, uint64_t value)
{
	registers->value[n] = value;
	registers->known |= 1ull << n;
}

static inline void csn_register_forget(struct csn_registers *registers, unsigned n)
{
	registers->known &= ~(1ull << n);
}

struct csn_arch_register {
	const char *name;  /* "rax" */
	int user_slot;     /* index of its word in the kernel's elf_gregset_t; -1 not there */
	bool callee_saved; /* a callee must preserve it, so CFI "same value" can be believed */
};

enum csn_access_kind { CSN_ACCESS_UNKNOWN, CSN_ACCESS_READ, CSN_ACCESS_WRITE };

/* What one instruction was about to do with memory. */
struct csn_access {
	enum csn_access_kind kind;
	csn_addr address;
	unsigned size_bytes;
};

/* What one instruction does to the stack and to where control goes; anything else is OTHER. */
enum csn_step_kind {
	CSN_STEP_OTHER,  /* dst, when it is a register, holds something new */
	CSN_STEP_PUSH,   /* src, CSN_STEP_NO_REGISTER when it is no register */
	CSN_STEP_POP,    /* dst, likewise */
	CSN_STEP_ADD,    /* dst = src + value */
	CSN_STEP_ALIGN,  /* dst &= value, a negative power of two */
	CSN_STEP_LOAD,   /* dst = word at src + value */
	CSN_STEP_STORE,  /* word at dst + value = src */
	CSN_STEP_LEAVE,  /* sp = fp; pop fp */
	CSN_STEP_RETURN, /* pops the return address, and value bytes more */
	CSN_STEP_CALL,   /* to target; comes back with the stack as it was */
	CSN_STEP_JUMP,   /* to target */
	CSN_STEP_BRANCH, /* to target or on */
	CSN_STEP_STOP,   /* nothing runs on behind it */
};

#define CSN_STEP_NO_REGISTER 0xff

struct csn_step {
	uint8_t kind;     /* enum csn_step_kind */
	uint8_t length;   /* bytes of the instruction */
	uint8_t dst, src; /* register numbers */
	int64_t value;
	csn_addr target; /* of calls, jumps and branches; 0 unknown */
	csn_addr slot;   /* the word in memory that holds the target; 0 none */
};

struct csn_arch {
	const char *name;            /* "x86_64", as uname(2) says it */
	uint16_t elf_machine;        /* EM_X86_64 */
	unsigned word_bytes;         /* 8 */
	unsigned n_registers;        /* of the table below */
	unsigned n_dwarf;            /* registers that CFI rows of ours describe: 0 .. n_dwarf-1 */
	unsigned pc, sp, fp;         /* register numbers */
	unsigned n_user_slots;       /* words in elf_gregset_t */
	unsigned prstatus_registers; /* offset of pr_reg in struct elf_prstatus */
	const struct csn_arch_register *registers;
	/* The code that a signal handler returns to, and where below it lie the interrupted
	 * registers: csn_arch_register order, offset from sp, -1 not there. */
	const uint8_t *sigreturn;
	size_t sigreturn_bytes;
	const int *sigcontext;
	/* Target of a direct call that ends right before return_address, given the 8 bytes before
	 * it; 0 when it is no direct call. */
	csn_addr (*call_target)(const uint8_t before[8], csn_addr return_address);
	/* The memory operand of the instruction at code. False for one without, or one that this
	 * does not know: no answer is better than a wrong one. */
	bool (*decode_access)(const uint8_t *code, size_t size_bytes,
			      const struct csn_registers *registers, struct csn_access *ret_access);
	/* Can an address of this value exist at all? */
	bool (*is_canonical)(csn_addr address);
	/* The length in bytes of a call instruction that ends right before a return address, given
	 * the size_bytes bytes before it; 0 when none can end there. */
	unsigned (*call_before)(const uint8_t *before, size_t size_bytes);
	/* What the ABI has the outermost frame do before it calls: clear the frame pointer. */
	const uint8_t *fp_clear;
	size_t fp_clear_bytes;
	/* Registers that a call may change (bit n), and the longest instruction. */
	uint64_t clobbered;
	size_t max_instruction_bytes;
	/* Decodes the instruction at pc, of which size_bytes are there. False when it is none, or
	 * not all of it is there. */
	bool (*decode_step)(const uint8_t *code, size_t size_bytes, csn_addr pc,
			    struct csn_step *ret_step);
};

/* NULL when unknown. */
const struct csn_arch *csn_arch_find(uint16_t elf_machine);
/* The architecture of this program. */
const struct csn_arch *csn_arch_native(void);

/* Fills registers from the words of an elf_gregset_t. Missing words leave registers unknown. */
void csn_arch_read_user(const struct csn_arch *arch, struct csn_span words,
			struct csn_registers *registers);

#endif
