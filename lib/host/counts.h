/* Counts: what ticks (spool/ticks.h) add up to, until the server has it.
 *
 *	<beside>/ticks/<object>.sum   not sent yet; more may be added
 *	<beside>/ticks/<object>.out   being sent: it does not change any more
 *
 * One JSON object each (docs/formats/spool.md), published whole. Killed at any instruction nothing
 * is lost or counted twice: a sum names the last file of ticks that it holds, that file goes only
 * when all sums are on disk, and nothing is sent while such a file is there; what is sent has a
 * uuid by which the server knows it. Ticks of programs of which no crash was ever stored are summed
 * up under the uuid of zeroes and stay on the host.
 *
 * One process at a time (the daemon). */
#ifndef CSN_HOST_COUNTS_H
#define CSN_HOST_COUNTS_H

#include "base/error.h"
#include "base/uuid.h"
#include "spool/spool.h"

struct csn_count {
	char object[CSN_UUID_TEXT];
	char batch[CSN_UUID_TEXT];
	char fold[CSN_UUID_TEXT]; /* the last file of ticks that it holds */
	uint64_t count;
	int64_t first_s, last_s; /* since the epoch */
	char hostname[256];
	char exe[256]; /* its end when it is long; "" unknown */
	int signal;
	uint32_t uid;
};

/* Called for each sum that grew: by what is in added, whose count is not the sum's. */
typedef void (*csn_counts_grew)(void *context, const struct csn_count *added);

/* Adds up all ticks there are. ret_skipped: bytes that were none. LIMIT: a helper is writing, try
 * again later. */
int csn_counts_fold(const struct csn_spool *spool, csn_counts_grew grew, void *context,
		    uint64_t *ret_skipped, struct csn_error *err) csn_must_check;
/* The first count behind `after` ("" for the first) that may be sent: it has a file of its own now,
 * whose name below ticks/ is <object>.out. Those of objects that wait in the spool are passed over.
 * NOT_FOUND when there is none. */
int csn_counts_next(const struct csn_spool *spool, const char *after, struct csn_count *ret_count,
		    struct csn_error *err) csn_must_check;
/* The server has it. */
int csn_counts_sent(const struct csn_spool *spool, const char *object, struct csn_error *err)
	csn_must_check;
/* Ticks waiting for an object. */
bool csn_counts_wait_for(const struct csn_spool *spool, const char *object);
/* Sum of all that wait on this host: added up, and not. */
uint64_t csn_counts_waiting(const struct csn_spool *spool);
/* Removes what did not change since limit_ns (since the epoch); gone is called for each. */
void csn_counts_purge(const struct csn_spool *spool, int64_t limit_ns, csn_counts_grew gone,
		      void *context);

#endif
