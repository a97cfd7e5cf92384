/* quarantine/: what is not tried again by itself.
 *
 * An object comes here when the failure is its own and final. Its state file says why. */
#ifndef CSN_HOST_QUARANTINE_H
#define CSN_HOST_QUARANTINE_H

#include "base/error.h"
#include "host/crash.h"
#include "spool/spool.h"

/* Where the object came from: PENDING for a core, SENDING for everything else. */
enum csn_stage csn_quarantine_origin(const struct csn_spool *spool, const char *uuid);
/* Puts it back there, with its failures forgotten. NOT_FOUND when it is not in quarantine, DENIED
 * when its place is taken. */
int csn_quarantine_release(const struct csn_spool *spool, const char *uuid,
			   enum csn_stage *ret_stage, struct csn_error *err) csn_must_check;

#endif
