/* The canary: a small process of our own that crashes, followed by its uuid through the spool to
 * the server. What nothing else proves, this does: the kernel took the line in core_pattern for
 * what it says, ran the helper, and the rest did its work. At most one a minute for each spool. */
#ifndef CSN_DOCTOR_CANARY_H
#define CSN_DOCTOR_CANARY_H

#include <sys/types.h>

#include "base/error.h"
#include "base/progress.h"
#include "base/types.h"
#include "base/uuid.h"
#include "spool/spool.h"

/* How far it came. */
enum csn_canary_step {
	CSN_CANARY_BORN,     /* it did not even die of its signal */
	CSN_CANARY_DEAD,     /* the kernel ran no helper, or that left nothing */
	CSN_CANARY_ARCHIVED, /* its core is in pending/ */
	CSN_CANARY_ANALYSED, /* its snapshot is in sending/ */
	CSN_CANARY_SENT,     /* both are gone: the server has confirmed it */
	CSN_CANARY_STEPS,
};

struct csn_canary {
	enum csn_canary_step step;
	bool was_dumped; /* the wait status said so */
	pid_t pid;
	char uuid[CSN_UUID_TEXT]; /* from ARCHIVED on */
	/* Milliseconds from the crash until each step was seen; those reached only. */
	int64_t reached_ms[CSN_CANARY_STEPS];
};

/* Crashes it and waits until it came as far as `until`, or until a step took longer than its time.
 * LIMIT when the last canary of this spool is younger than a minute, OS when there could be none;
 * that it got stuck is no error. */
int csn_canary_run(const struct csn_spool *spool, enum csn_canary_step until,
		   const struct csn_progress_sink *progress, struct csn_canary *ret_canary,
		   struct csn_error *err) csn_must_check;

#endif
