/* When to try again: exponential back-off with full jitter.
 *
 * After n failures in a row the delay is drawn evenly from [min, min(max, min * 2^n)]: hosts that
 * lost the same server do not come back at the same moment. */
#ifndef CSN_HOST_BACKOFF_H
#define CSN_HOST_BACKOFF_H

#include "base/types.h"

/* failures counts from 1; random is any evenly distributed number. All in nanoseconds. */
int64_t csn_backoff_delay_ns(int64_t min_ns, int64_t max_ns, unsigned failures, uint64_t random);

#endif
