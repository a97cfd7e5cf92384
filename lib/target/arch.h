/* An architecture: its registers, how the kernel stores them, what its instructions do to the
 * stack, and what is special about a few registers.
 *
 * Registers are numbered by their place in csn_arch.registers, which begins with the registers
 * that DWARF call-frame information can name, in DWARF order, the program counter last among them
 * (x86-64: 0 rax ... 15 r15, 16 rip). Adding an architecture is its arch_<name>*.c and one line in
 * arch.c. Tables are constant; no ownership, any thread. */
#ifndef CSN_TARGET_ARCH_H
#define CSN_TARGET_ARCH_H

#include "base/span.h"
#include "base/types.h"

/* Room for every register of any architecture we know (aarch64: x0-x30, sp, pc, pstate). */
#define CSN_N_REGISTERS 40
/* The number of no register. */
#define CSN_NO_REGISTER 0xff

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
	bool must_align; /* faults when address is no multiple of size_bytes */
};

/* What a division divides by. */
struct csn_divisor {
	bool in_memory;
	csn_addr address; /* in memory */
	uint64_t value;   /* in a register: size_bytes of it */
	unsigned size_bytes;
};

/* What one instruction does to the stack and to where control goes; anything else is OTHER. */
enum csn_step_kind {
	CSN_STEP_OTHER,  /* dst and second, when they are registers, hold something new */
	CSN_STEP_PUSH,   /* src, CSN_NO_REGISTER when it is no register */
	CSN_STEP_POP,    /* dst, likewise */
	CSN_STEP_ADD,    /* dst = src + value */
	CSN_STEP_SET,    /* dst = value */
	CSN_STEP_SUM,    /* dst = src + value times second; value is 1 or -1 */
	CSN_STEP_ALIGN,  /* dst = src & value, a negative power of two */
	CSN_STEP_LOAD,   /* dst = word at src + value, second = the word behind it */
	CSN_STEP_STORE,  /* word at dst + value = src, the word behind it = second */
	CSN_STEP_LEAVE,  /* sp = fp; pop fp */
	CSN_STEP_RETURN, /* to where the caller's call said, popping value bytes beyond that */
	CSN_STEP_CALL,   /* to target or register src; comes back with the stack as it was */
	CSN_STEP_JUMP,   /* to target or register src */
	CSN_STEP_BRANCH, /* to target or on */
	CSN_STEP_STOP,   /* nothing runs on behind it */
};

struct csn_step {
	uint8_t kind;             /* enum csn_step_kind */
	uint8_t length;           /* bytes of the instruction */
	uint8_t dst, src, second; /* register numbers */
	int64_t value;
	int32_t moves;   /* LOAD, STORE: added to the base register behind the access */
	csn_addr target; /* of calls, jumps and branches; 0 unknown */
	csn_addr slot;   /* the word in memory that holds the target; 0 none */
};

/* Where one instruction gets a value from and where it leaves it, as far as that can be said in one
 * line; all others are NONE. */
enum csn_flow_kind {
	CSN_FLOW_NONE,
	CSN_FLOW_COPY,     /* into = source: size_bytes of it, extended; 0 all */
	CSN_FLOW_LOAD,     /* into = size_bytes at the operand, extended */
	CSN_FLOW_STORE,    /* size_bytes at the operand = source, or a constant */
	CSN_FLOW_ADDRESS,  /* into = the operand's address */
	CSN_FLOW_CONSTANT, /* into = value */
};

struct csn_flow {
	uint8_t kind; /* enum csn_flow_kind */
	bool is_signed;
	uint8_t size_bytes;   /* of what is moved, called through or divided by */
	uint8_t into, source; /* register numbers; source also of calls, jumps and divisors */
	/* The memory operand, also of instructions of other kinds: base + scale times index +
	 * displacement. */
	bool has_operand;
	uint8_t base, index, scale;
	int64_t displacement;
	uint64_t value;
	uint64_t changed; /* bit n: register n may hold something new, into and all others */
};

/* The code that a signal handler returns to, and where above the stack pointer lie the interrupted
 * registers: in the order of csn_arch.registers, bytes from sp, -1 not there. */
struct csn_trampoline {
	const uint8_t *code;
	size_t size_bytes;
	const int *registers;
};

#define CSN_VECTOR_BYTES 16ul

struct csn_arch {
	const char *name;     /* "x86_64", as uname(2) says it */
	uint16_t elf_machine; /* EM_X86_64 */
	unsigned word_bytes;  /* 8 */
	unsigned n_registers; /* of the table below */
	unsigned n_dwarf;     /* registers that CFI rows of ours describe: 0 .. n_dwarf-1 */
	unsigned pc, sp, fp;  /* register numbers */
	unsigned lr; /* where a call leaves the return address; CSN_NO_REGISTER: it pushes it */
	unsigned return_column; /* the return address in call-frame information: pc or lr */
	const struct csn_arch_register *registers;

	/* What the kernel writes: elf_gregset_t, struct elf_prstatus, struct elf_prpsinfo. */
	unsigned n_user_slots;       /* words in elf_gregset_t */
	unsigned prstatus_pid;       /* offset of pr_pid */
	unsigned prstatus_registers; /* offset of pr_reg */
	/* Vector registers: DWARF's number of the first, how many, and where in NT_FPREGSET they
	 * are, CSN_VECTOR_BYTES each. */
	unsigned first_vector, n_vectors, fpregs_vectors;
	unsigned psinfo_ids;       /* offset of pr_uid, which pr_gid and the process ids follow */
	unsigned psinfo_uid_bytes; /* of pr_uid, and of pr_gid */
	const struct csn_trampoline *trampolines;
	unsigned n_trampolines;

	/* Bits of an address that the processor may fill with a signature; 0 none. */
	uint64_t signature_bits;
	/* Can an address of this value exist at all? */
	bool (*is_canonical)(csn_addr address);
	/* The memory operand of the instruction at code. False for one without, or one that this
	 * does not know: no answer is better than a wrong one. */
	bool (*decode_access)(const uint8_t *code, size_t size_bytes,
			      const struct csn_registers *registers, struct csn_access *ret_access);
	/* The divisor of the integer division at code; false when it is none. NULL: divisions do
	 * not fault. */
	bool (*decode_divisor)(const uint8_t *code, size_t size_bytes,
			       const struct csn_registers *registers,
			       struct csn_divisor *ret_divisor);

	/* Where the instruction at pc gets values from. Of calls it does not say what they change.
	 * False when it is none. NULL: not known for this architecture. */
	bool (*decode_flow)(const uint8_t *code, size_t size_bytes, csn_addr pc,
			    struct csn_flow *ret_flow);
	/* Decodes the instruction at pc, of which size_bytes are there. False when it is none, or
	 * not all of it is there. */
	bool (*decode_step)(const uint8_t *code, size_t size_bytes, csn_addr pc,
			    struct csn_step *ret_step);
	size_t max_instruction_bytes;
	/* Target of a direct call that ends right before return_address, given the 8 bytes before
	 * it; 0 when it is no direct call. */
	csn_addr (*call_target)(const uint8_t before[8], csn_addr return_address);
	/* The length in bytes of a call instruction that ends right before a return address, given
	 * the size_bytes bytes before it; 0 when none can end there. */
	unsigned (*call_before)(const uint8_t *before, size_t size_bytes);
	/* Does an instruction end at code + at behind which nothing runs on: return, jump, trap? */
	bool (*ends_before)(const uint8_t *code, size_t at);
	/* Nothing but what fills the space between functions. */
	bool (*is_padding)(const uint8_t *code, size_t size_bytes);
	unsigned function_align; /* bytes; compilers begin functions at multiples of it */
	/* Registers that a call may change (bit n). */
	uint64_t clobbered;
	/* Registers of a call's first arguments that are numbers or addresses. NULL: not known. */
	const uint8_t *arguments;
	unsigned n_arguments;
	/* Code that has no other way to learn its address calls helpers that load it from the stack
	 * and change nothing else. */
	bool calls_pc_helpers;
	/* What the ABI has the outermost frame do before it calls: clear the frame pointer, at most
	 * fp_clear_reach bytes before the return address. */
	const uint8_t *fp_clear;
	size_t fp_clear_bytes, fp_clear_reach;
};

/* By the ELF header's machine and class; NULL when unknown. */
const struct csn_arch *csn_arch_find(uint16_t elf_machine, bool is_64);
/* The architecture of this program; NULL when unknown. */
const struct csn_arch *csn_arch_native(void);
/* Of a process of this machine whose registers (elf_gregset_t) are size_bytes long: 32-bit programs
 * have other ones. NULL when unknown. */
const struct csn_arch *csn_arch_of_registers(size_t size_bytes);

/* Calls leave the return address in a register, not on the stack. */
static inline bool csn_arch_has_link(const struct csn_arch *arch)
{
	return arch->lr != CSN_NO_REGISTER;
}

/* Fills registers from the words of an elf_gregset_t. Missing words leave registers unknown. */
void csn_arch_read_user(const struct csn_arch *arch, struct csn_span words,
			struct csn_registers *registers);

/* A register by its name; false when there is none, or it is not known. */
bool csn_register_find(const struct csn_arch *arch, const struct csn_registers *registers,
		       const char *name, uint64_t *ret_value) csn_must_check;

#endif
