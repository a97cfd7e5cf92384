/* Purging the spool by age, for the daemon and for `coresnap purge`. */
#ifndef CSN_HOST_PURGE_H
#define CSN_HOST_PURGE_H

#include "base/error.h"
#include "host/host.h"

/* Removes objects of every stage that are, at now_ns since the epoch, older than age_seconds, with
 * their assets, and orphaned assets. ret_oldest_ns: modification time of the oldest object left, 0
 * when none is. */
int csn_purge(const struct csn_host *host, int64_t now_ns, int64_t age_seconds, size_t *ret_count,
	      int64_t *ret_oldest_ns, struct csn_error *err) csn_must_check;
/* Removes one object with what belongs to it; DENIED while it is being processed. */
int csn_purge_object(const struct csn_host *host, const struct csn_spool_object *object,
		     struct csn_error *err) csn_must_check;

#endif
