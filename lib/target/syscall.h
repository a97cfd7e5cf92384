/* The system call that a thread is in, as its registers tell it.
 *
 * Registers keep the arguments of a call that was interrupted, so a thread that sleeps can be asked
 * what it sleeps for. No state, any thread. */
#ifndef CSN_TARGET_SYSCALL_H
#define CSN_TARGET_SYSCALL_H

#include "target/arch.h"

/* Calls that somebody asks for. */
enum csn_syscall_kind {
	CSN_SYSCALL_OTHER,
	CSN_SYSCALL_FUTEX,
	CSN_SYSCALL_KILL,    /* kill, tkill, tgkill */
	CSN_SYSCALL_RESTART, /* one that was interrupted once goes on; its arguments are those of
				the first time */
};

struct csn_syscall {
	enum csn_syscall_kind kind;
	/* It has not come to its end: it was interrupted, or a debugger looked at it. On machines
	 * that do not tell, true. */
	bool unfinished;
	uint64_t arguments[4];
};

/* False when the thread is in none, or nobody knows. On machines whose calls keep no number of
 * their own (AArch64), this says what the call would be if the instruction at pc were one. */
bool csn_syscall_read(const struct csn_arch *arch, const struct csn_registers *registers,
		      struct csn_syscall *ret_call) csn_must_check;

/* Waiting at a futex: the word, what the thread saw there, and the operation without its flags. */
struct csn_futex_wait {
	csn_addr word;
	uint32_t operation; /* FUTEX_WAIT, FUTEX_WAIT_BITSET, FUTEX_LOCK_PI, ... */
	uint32_t seen;
	bool is_private; /* not shared with other processes */
	bool is_timed;   /* it ends by itself */
};

/* False when the call is no wait at a futex. A restarted call is taken for one when its arguments
 * look like it. */
bool csn_futex_wait_of(const struct csn_syscall *call, struct csn_futex_wait *ret_wait)
	csn_must_check;

#endif
