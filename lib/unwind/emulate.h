/* Emulation of frames: what the code between a function's start and a counter in it has done to the
 * stack, for code that carries no unwind information.
 *
 * The emulator follows branches from the start until it meets the counter, and keeps for every
 * register whether it still has its value of the start, or lies at a known distance from the
 * canonical frame address (the stack pointer before the call), and where on the stack values of the
 * start were saved. It reads code through the target and never its data, but for the slots of
 * jumps. The result holds no target values: it may be cached per counter. Private to the unwinder;
 * not thread-safe. */
#ifndef CSN_UNWIND_EMULATE_H
#define CSN_UNWIND_EMULATE_H

#include "base/error.h"
#include "target/target.h"

#define CSN_EMUL_REGISTERS 33
#define CSN_EMUL_SLOTS 16

enum csn_emul_kind {
	CSN_EMUL_UNKNOWN,
	CSN_EMUL_ENTRY,   /* what register reg had at the start */
	CSN_EMUL_CFA,     /* canonical frame address + offset */
	CSN_EMUL_ALIGNED, /* stack pointer after it was aligned + offset */
	CSN_EMUL_NUMBER,  /* offset itself */
};

struct csn_emul_value {
	uint8_t kind; /* enum csn_emul_kind */
	uint8_t reg;
	int32_t offset;
};

/* A word on the stack that holds something of interest. */
struct csn_emul_slot {
	struct csn_emul_value place; /* CFA or ALIGNED */
	struct csn_emul_value value; /* never UNKNOWN */
};

struct csn_emul_state {
	struct csn_emul_value registers[CSN_EMUL_REGISTERS];
	struct csn_emul_slot slots[CSN_EMUL_SLOTS];
	uint8_t n_slots;
};

struct csn_emulator;

/* For code of the target, which must outlive it. */
int csn_emulator_new(struct csn_target *target, struct csn_emulator **ret_emulator,
		     struct csn_error *err) csn_must_check;
void csn_emulator_free(struct csn_emulator *emulator);

enum {
	CSN_EMUL_EXACT = 1, /* pc is that of the next instruction, not a return address */
	CSN_EMUL_GUESS = 2, /* where no way leads to pc: try what a jump table may lead to */
};

/* The state right before the instruction at pc (EXACT), or before the call that returns to pc.
 * False when no way from start leads there. */
bool csn_emulate(struct csn_emulator *emulator, csn_addr start, csn_addr pc, unsigned flags,
		 struct csn_emul_state *ret_state) csn_must_check;

/* Instead of the address of a return address: it is still in the link register. */
#define CSN_EMUL_IN_REGISTER UINT64_MAX

/* The caller's registers: pc, sp, and what is saved or untouched of the others. False when the
 * frame address or the return address cannot be known from registers, or words cannot be read.
 * ret_slot is where the return address lies. */
bool csn_emul_apply(const struct csn_emul_state *state, struct csn_target *target,
		    const struct csn_registers *registers, struct csn_registers *ret_caller,
		    csn_addr *ret_slot) csn_must_check;

#endif
