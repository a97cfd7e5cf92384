/* siginfo_t as the kernel lays it out on 64-bit machines, from a note or from ptrace. */
#ifndef CSN_TARGET_SIGINFO_H
#define CSN_TARGET_SIGINFO_H

#include "target/target.h"

/* False when the bytes are too few. */
bool csn_signal_read(struct csn_span bytes, struct csn_signal *ret_signal) csn_must_check;

#endif
