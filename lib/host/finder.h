/* The finder: takes cores that others write (watch.path) into the spool.
 *
 * For where core_pattern cannot be ours: it names a file, /proc/sys is read-only, the system is
 * another. A file is taken when its writer closed it, or when it stopped growing; all folders are
 * looked through at the start and every ten minutes, so that no event needs to be relied on. What
 * is no core, or breaks a rule (host/finder_files.h), stays where it is, is named in the log and in
 * `coresnap status`, and is looked at again when it changes or with the next look through all.
 *
 * A core that was taken is in pending/ for good, synced, before the original is removed; with
 * watch.keep it stays, and <beside>/watched remembers it. Its name in the spool follows from the
 * file, so that a kill between the two makes no second crash of it. */
#ifndef CSN_HOST_FINDER_H
#define CSN_HOST_FINDER_H

#include <jansson.h>

#include "base/error.h"
#include "host/host.h"

struct csn_finder;

/* Begins, with the rights that the process has now; to be called before the daemon gives up root
 * (for spool's owner). *ret_finder is NULL without watch.path. It knows the folders of this
 * configuration until it is freed. */
int csn_finder_new(const struct csn_host *host, struct csn_finder **ret_finder,
		   struct csn_error *err) csn_must_check;
void csn_finder_free(struct csn_finder *finder);

/* What the daemon last said of it, for `coresnap status` (docs/formats/spool.md, "watch"); NULL
 * when it said nothing. The caller owns it. */
json_t *csn_finder_load_report(const struct csn_spool *spool);

#endif
