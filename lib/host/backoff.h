/* When to try again: exponential back-off with full jitter.
 *
 * After n failures in a row the delay is drawn evenly from [min, min(max, min * 2^n)]: hosts that
 * lost the same server do not come back at the same moment. */
#ifndef CSN_HOST_BACKOFF_H
#define CSN_HOST_BACKOFF_H

#include "base/types.h"

/* failures counts from 1; random is any evenly distributed number. All in nanoseconds. */
int64_t csn_backoff_delay_ns(int64_t min_ns, int64_t max_ns, unsigned failures, uint64_t random);

/* What a server asked for: the seconds of "(Retry-After: N)" at the end of coroner's last line, at
 * most CSN_MAX_RETRY_AFTER_SECONDS; -1 when it says nothing of the kind. */
int64_t csn_backoff_read_retry_after(const char *line);
/* The delay with it: never earlier than asked for, and up to a tenth later, lest all hosts that
 * were told the same come back at once. */
int64_t csn_backoff_obey_ns(int64_t delay_ns, int64_t retry_after_s, uint64_t random);

#endif
