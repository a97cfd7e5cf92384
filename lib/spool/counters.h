/* What was counted on this host, and how much its spool holds: <beside>/counters.
 *
 * One record of 4,096 bytes with a CRC-32, read and written whole under a lock (OFD) by helpers and
 * the daemon; figures outlive both. A record that is missing or damaged starts again at zero, and
 * counts that too. It is never a reason to lose a crash: who cannot have the lock within a second,
 * when nobody is held any more, or the file at all, goes on uncounted. Nothing is synced: a power
 * cut may lose the last seconds.
 *
 * The usage is what helpers added since the daemon last looked at the spool itself. */
#ifndef CSN_SPOOL_COUNTERS_H
#define CSN_SPOOL_COUNTERS_H

#include "base/error.h"
#include "base/types.h"
#include "spool/spool.h"
#include "spool/usage.h"

/* Upper ends of the held-time histogram, besides the one that has none. */
#define CSN_HELD_BUCKETS 12u

/* In the order of the record: new ones go to the end, none is ever taken out. */
enum csn_counter {
	CSN_COUNT_SEEN,
	CSN_COUNT_KEPT_FULL,
	CSN_COUNT_KEPT_NOTES,
	CSN_COUNT_TICKED,
	CSN_COUNT_REFUSED_RATE, /* of these, evidence that was asked for was not taken */
	CSN_COUNT_REFUSED_QUOTA,
	CSN_COUNT_REFUSED_SPOOL,
	CSN_COUNT_REFUSED_SHARE,
	CSN_COUNT_REFUSED_DISK_FULL,
	CSN_COUNT_REFUSED_RLIMIT,
	CSN_COUNT_LOST_DISK_FULL,
	CSN_COUNT_LOST_UNSEEN, /* not even the headers came */
	CSN_COUNT_LOST_PRIVILEGE,
	CSN_COUNT_LOST_OTHER,
	CSN_COUNT_KERNEL_REFUSED, /* more than core_pipe_limit at once */
	CSN_COUNT_HELD,           /* CSN_HELD_BUCKETS + 1 of them */
	CSN_COUNT_HELD_LAST = CSN_COUNT_HELD + CSN_HELD_BUCKETS,
	CSN_COUNT_HELD_NS,
	CSN_COUNT_ARCHIVED_BYTES,
	CSN_COUNT_RESERVE_USED, /* pieces of the reserve given up */
	CSN_COUNT_FALLBACK,     /* objects that came by /run */
	CSN_COUNT_UPLOADS,      /* tries */
	CSN_COUNT_SENT,
	CSN_COUNT_SENT_BYTES,
	CSN_COUNT_FAILED_TEMPORARY,
	CSN_COUNT_FAILED_DENIED,
	CSN_COUNT_FAILED_CONFIGURATION,
	CSN_COUNT_FAILED_DATA,
	CSN_COUNT_FAILED_OTHER,
	CSN_COUNT_FAILED_ANALYSIS,
	CSN_COUNT_QUARANTINED,
	CSN_COUNT_PURGED,
	CSN_COUNT_EVICTED_SUPPRESSED,
	CSN_COUNT_EVICTED_SENT,
	CSN_COUNT_EVICTED_REFUSED,
	CSN_COUNT_EVICTED_DUPLICATE,
	CSN_COUNT_EVICTED_FIRST,
	CSN_COUNT_EVICTED_BYTES,
	CSN_COUNT_RESTARTED, /* times that the record was damaged */
	CSN_N_COUNTERS,
};

struct csn_counters {
	int64_t started_ns; /* since the epoch: when the record began at zero */
	uint64_t values[CSN_N_COUNTERS];
	struct csn_usage usage;
};

/* What one program has to add. */
struct csn_counting {
	uint64_t add[CSN_N_COUNTERS];
	bool stored; /* an object of this size and user came into the spool */
	uint64_t stored_bytes;
	uint32_t stored_uid;
};

/* NOT_FOUND when nothing was counted yet, FORMAT when damaged, DENIED when it is no plain file of
 * the spool's user. Takes no lock: for who cannot wait. */
int csn_counters_read(const struct csn_spool *spool, struct csn_counters *ret_counters,
		      struct csn_error *err) csn_must_check;
/* Adds. ret_restarted: the record was damaged and began at zero. */
int csn_counters_add(const struct csn_spool *spool, const struct csn_counting *count,
		     bool *ret_restarted, struct csn_error *err) csn_must_check;
/* Replaces the usage by what was found in the spool. */
int csn_counters_set_usage(const struct csn_spool *spool, const struct csn_usage *usage,
			   struct csn_error *err) csn_must_check;

/* Counts one process held for so long. */
void csn_count_held(struct csn_counting *count, int64_t held_ns);
/* Upper end of a bucket, nanoseconds. */
int64_t csn_held_bucket_ns(unsigned bucket);

#endif
