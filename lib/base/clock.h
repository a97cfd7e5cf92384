/* Clocks, in nanoseconds, and how long ago. */
#ifndef CSN_BASE_CLOCK_H
#define CSN_BASE_CLOCK_H

#include "base/types.h"

#define CSN_NS_PER_SECOND 1000000000ll
#define CSN_NS_PER_MS 1000000ll

/* CLOCK_REALTIME since the epoch, and CLOCK_MONOTONIC. */
int64_t csn_realtime_ns(void);
int64_t csn_monotonic_ns(void);

/* "30d", "12h", "90s", "10m", "2w", "1M" (30 days), "1y" (365 days); a bare number is seconds.
 * False when malformed or out of range. */
bool csn_parse_duration(const char *text, int64_t *ret_seconds);

#endif
