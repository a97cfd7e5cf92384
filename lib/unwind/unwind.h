/* The unwinder: from a thread's registers to the frames of its callers.
 *
 * Call-frame information first; where a module has none, what the code did to the stack since its
 * function began, then the frame pointer, each candidate checked by the call instruction before
 * the return address; last a guess from the words on the stack, which says so. Every frame says
 * how it was found and every walk says why it ended; garbage is cut off.
 *
 *	csn_unwind_begin(&cursor, unwinder, &thread->registers);
 *	do use(&cursor); while (csn_unwind_next(&cursor));
 *
 * Rules are cached per distinct program counter in the unwinder, which serves all threads of one
 * target. Not thread-safe. Names and lines are not its business. */
#ifndef CSN_UNWIND_UNWIND_H
#define CSN_UNWIND_UNWIND_H

#include "base/error.h"
#include "symbols/module.h"
#include "target/target.h"

enum csn_unwind_how {
	CSN_HOW_REGISTERS, /* innermost frame: the thread's own registers */
	CSN_HOW_CFI,
	CSN_HOW_FP,   /* through the frame pointer */
	CSN_HOW_EMUL, /* by what the instructions before did to the stack */
	CSN_HOW_SCAN, /* the next word on the stack that a call may have pushed: a guess */
};

enum csn_unwind_end {
	CSN_UNWIND_GOING,
	CSN_UNWIND_OUTERMOST,   /* call-frame information says so, or the return address is 0 */
	CSN_UNWIND_NO_CFI,      /* none for the code, and nothing else convinces */
	CSN_UNWIND_BROKEN_CFI,  /* it is there and cannot be executed */
	CSN_UNWIND_MEMORY,      /* end_addr is not in the dump or not mapped */
	CSN_UNWIND_BAD_RETURN,  /* end_addr, the return address, is no code */
	CSN_UNWIND_NO_PROGRESS, /* the stack pointer does not move on */
	CSN_UNWIND_LIMIT,       /* max_frames */
	CSN_UNWIND_SWITCHED,    /* the program had moved to this stack from another one */
};

struct csn_unwinder;

struct csn_unwind_cursor {
	struct csn_unwinder *unwinder;
	size_t level; /* 0 innermost */
	csn_addr pc;
	bool exact;        /* pc is that of the next instruction, not a return address */
	bool signal_frame; /* this frame is a signal trampoline */
	bool first;        /* the stack was begun here by hand; there is no caller */
	bool injected;     /* a signal handler had this called; the caller's pc may be exact */
	bool switched;     /* the caller is on another stack */
	bool gave_up;      /* a callee had left the caller's stack to other threads */
	enum csn_unwind_how how;
	struct csn_module *module; /* of pc; NULL none */
	struct csn_registers registers;

	size_t max_frames;
	enum csn_unwind_end end;
	csn_addr end_addr;
};

/* Borrows both. */
int csn_unwinder_new(struct csn_target *target, struct csn_modules *modules,
		     struct csn_unwinder **ret_unwinder, struct csn_error *err) csn_must_check;
void csn_unwinder_free(struct csn_unwinder *unwinder);
void csn_unwinder_freep(struct csn_unwinder **unwinder);

/* The cursor stands on the innermost frame. */
void csn_unwind_begin(struct csn_unwind_cursor *cursor, struct csn_unwinder *unwinder,
		      const struct csn_registers *registers);
/* Moves to the caller. False when the walk has ended; cursor->end says why. */
bool csn_unwind_next(struct csn_unwind_cursor *cursor);

/* Does the code at start lead to pc, which is a return address or that of the next instruction,
 * without a call? False also when that is not to be seen. */
bool csn_unwind_leads(struct csn_unwinder *unwinder, csn_addr start, csn_addr pc, bool is_return);

/* One phrase: "outermost frame", "no unwind information for libfoo.so+0x1234". Returns out. */
const char *csn_unwind_describe_end(const struct csn_unwind_cursor *cursor, char *out,
				    size_t out_size);

#endif
