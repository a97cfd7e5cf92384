/* siginfo_t as the kernel lays it out for programs of 32 and of 64 bits, from a note or from
 * ptrace. */
#ifndef CSN_TARGET_SIGINFO_H
#define CSN_TARGET_SIGINFO_H

#include "target/target.h"

/* word_bytes is 4 or 8. False when the bytes are too few. */
bool csn_signal_read(struct csn_span bytes, unsigned word_bytes, struct csn_signal *ret_signal)
	csn_must_check;

#endif
