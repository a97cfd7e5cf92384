/* The crash-loop ladder: how much of a crash is worth keeping when one program dies over and over.
 *
 * A table of fixed size, mapped from <beside>/rate and shared by all helpers that run at the same
 * time, counts per key (executable and container) in windows: the first rate_full.count crashes of
 * a window are taken whole, the next rate_notes.count as notes only, the rest are ticks. It never
 * says less than a tick, and a missing, torn or locked table says "full": the ladder protects the
 * host, it must never be the reason a crash is lost. */
#ifndef CSN_SPOOL_RATE_H
#define CSN_SPOOL_RATE_H

#include "base/error.h"
#include "base/types.h"
#include "spool/spool.h"

enum csn_rate_step { CSN_RATE_FULL, CSN_RATE_NOTES, CSN_RATE_TICK };

/* The key of a crash: the executable (device, inode, modification time) and its cgroup. */
uint64_t csn_rate_key(uint64_t device, uint64_t inode, int64_t mtime_ns, uint64_t cgroup);

/* Counts one crash of key at now_ns (CLOCK_REALTIME) and says what to take. Never blocks longer
 * than 100 ms. ret_ticks may be NULL; it receives how many ticks this window has counted. */
enum csn_rate_step csn_rate_take(const struct csn_spool *spool, const struct csn_policy *policy,
				 uint64_t key, int64_t now_ns, uint64_t *ret_ticks);

#endif
