/* Private to the fault: one look at it, shared by those who find out and those who say it. */
#ifndef CSN_ANALYZE_FAULT_INTERNAL_H
#define CSN_ANALYZE_FAULT_INTERNAL_H

#include "analyze/abort_message.h"
#include "analyze/fault.h"
#include "analyze/heap.h"
#include "analyze/tellers.h"

/* Addresses below this are NULL plus the offset of a member: nothing is ever mapped there. */
#define CSN_NULL_PAGE 65536u

/* Addresses below this are NULL plus the offset of a member: nothing is ever mapped there. */
#define CSN_NULL_PAGE 65536u

/* The longest expression that is part of the sentence, bytes. */
#define CSN_EXPRESSION_SHOWN 200u

/* One look at a fault, as far as it is understood. */
struct csn_fault_look {
	const struct csn_scene *scene;
	/* Of the scene, for short. */
	struct csn_snapshot *snapshot;
	struct csn_target *target;
	struct csn_modules *modules;
	const struct csn_thread *thread;
	const struct csn_snapshot_thread *stack;
	const struct csn_signal *signal;
	csn_addr pc, sp;
	bool address_known;
	csn_addr address; /* from siginfo, or from the instruction when siginfo has none */
	bool null, exec, bad_jump, noncanonical, read, write, misaligned, limit;
	bool stack_overflow;
	bool large_frame;        /* of a stack overflow: one frame did it */
	size_t recursion_period; /* frames that call each other in turn; 0 not seen */
	const struct csn_teller *teller;
	const char *exception;             /* type and text of the C++ exception; NULL unknown */
	const char *message;               /* what the program said of itself: "panic: ..."; NULL */
	struct csn_abort_words last_words; /* kind NULL: none that count */
	const char *words;                 /* what happened, where that is all; NULL */
	struct csn_heap *heap;             /* csn_fault_heap gives it */
	struct csn_arena *heap_arena;      /* owned, with the heap in it */
	bool use_after_free, heap_damaged;
	csn_addr heap_suspect; /* header of the chunk that it is about; 0 none */
	char heap_words[256];  /* what the heap says of it, for behind what happened; "" */
	bool is_division_by_zero;
	const char *expression; /* what lay at the address, was called or divided by; NULL */
	/* The pointer that led to the address, as the frame at pointer_pc names it, with its type
	 * and value; NULL unknown. */
	const char *pointer, *pointer_type;
	csn_addr pointed, pointer_pc;
	char use_words[64]; /* a limit that is near, for behind what happened; "" */
	const char *broken; /* "memcpy's destination is NULL", when the fault is about it; NULL */
	struct csn_error *err;
	int result;
};

/* Nothing but its number is known: the core has no siginfo. */
static inline bool csn_signal_is_bare(const struct csn_signal *signal)
{
	return signal->code == 0 && !signal->has_sender;
}

/* For short. */
static inline bool csn_is_own_pid(const struct csn_fault_look *look, int64_t pid)
{
	return csn_process_is(look->target, pid);
}

/* instruction.c: what the instruction at pc proves, each for one signal. Sets read, write, address,
 * exec, noncanonical, misaligned or words. */
void csn_look_at_instruction(struct csn_fault_look *look);
void csn_look_at_division(struct csn_fault_look *look);
void csn_look_at_trap(struct csn_fault_look *look);
/* A signal that the kernel sends like one of the process's own, from inside a system call. */
void csn_look_at_limits(struct csn_fault_look *look);

/* stack_overflow.c: did the stack run into what lies below it? Sets stack_overflow and what goes
 * with it. */
void csn_look_at_stack(struct csn_fault_look *look);

/* heap_fault.c: the heap of the target, made when it is first asked for; NULL none. */
struct csn_heap *csn_fault_heap(struct csn_fault_look *look);
/* What the heap knows of an abort by glibc: sets heap_words, and last_words where more is proved
 * than glibc says. */
void csn_look_at_heap_abort(struct csn_fault_look *look);
/* The same of an access that failed. Sets use_after_free, heap_damaged. */
void csn_look_at_heap_access(struct csn_fault_look *look);

/* heap_notes.c: annotates pointers of the faulting thread that lead to freed memory, or to the
 * chunk that the fault is about. */
int csn_heap_annotate(struct csn_fault_look *look) csn_must_check;
/* expression.c: sets expression, if it can be proved. */
int csn_find_expression(struct csn_fault_look *look) csn_must_check;

/* constraints.c: annotates arguments that break the contract of library functions. Sets broken. */
int csn_check_calls(struct csn_fault_look *look) csn_must_check;

/* aliases.c: annotates variables that lead to the address. */
int csn_annotate_aliases(struct csn_fault_look *look) csn_must_check;

/* verdict.c: the sentence. */
int csn_set_verdict(struct csn_fault_look *look) csn_must_check;

#endif
