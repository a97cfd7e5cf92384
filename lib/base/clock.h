/* Clocks, in nanoseconds, and how long ago. */
#ifndef CSN_BASE_CLOCK_H
#define CSN_BASE_CLOCK_H

#include "base/types.h"

#define CSN_NS_PER_SECOND 1000000000ll
#define CSN_NS_PER_MS 1000000ll

/* CLOCK_REALTIME since the epoch, CLOCK_MONOTONIC, and CLOCK_BOOTTIME, which counts suspension. */
int64_t csn_realtime_ns(void);
int64_t csn_monotonic_ns(void);
int64_t csn_boottime_ns(void);

/* Seconds from anywhere (a file, the dead) as nanoseconds: those beyond the year 2096, before or
 * after the epoch, count as 2096, so that no difference of two overflows. */
int64_t csn_seconds_to_ns(int64_t seconds);

/* "30d", "12h", "90s", "10m", "2w", "1M" (30 days), "1y" (365 days); a bare number is seconds.
 * False when malformed or out of range. */
bool csn_parse_duration(const char *text, int64_t *ret_seconds);

#endif
