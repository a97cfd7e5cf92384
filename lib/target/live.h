/* A live process as a target.
 *
 * Opening seizes and interrupts every thread, copies registers and stacks in one short stop, and
 * lets the process go; everything afterwards comes from that copy and, for memory that was not
 * copied, from /proc/PID/mem of the running process, which was opened before. The time it stood
 * still is reported. */
#ifndef CSN_TARGET_LIVE_H
#define CSN_TARGET_LIVE_H

#include "target/target.h"

struct csn_live_options {
	uint64_t stack_bytes; /* copied per thread above sp; 0 = a good default */
	uint64_t total_bytes; /* over all threads; 0 = a good default */
};

/* NOT_FOUND: no such process; DENIED: not allowed to trace it (the text says what to do);
 * options may be NULL. */
int csn_live_open(int64_t pid, const struct csn_live_options *options,
		  struct csn_target **ret_target, struct csn_error *err) csn_must_check;

/* The descriptor that its memory is read by; the target owns it. -1: there is none. */
int csn_live_memory_fd(const struct csn_target *target);

#endif
