/* Names that tell: the functions on a stack that say why the process gave up, those that only carry
 * a failure out, and the frame to blame.
 *
 * A name is proof only while nothing but the run time stands between it and the end. No state, any
 * thread. */
#ifndef CSN_ANALYZE_TELLERS_H
#define CSN_ANALYZE_TELLERS_H

#include "snapshot/snapshot.h"

/* What a function's presence proves. Strings are static. */
struct csn_teller {
	const char *function;   /* a name; ending in "*" everything that begins so */
	const char *classifier; /* of the contract; NULL: none fits */
	const char *words;      /* for the verdict */
};

/* The most telling one near the end of the stack; NULL none. */
const struct csn_teller *csn_teller_find(const struct csn_snapshot_thread *stack);

/* The first frame from number first on that is not mere machinery, named or not; NULL when all are.
 * explained: the failure has its name, so that any code of the run time only carried it out. */
const struct csn_snapshot_frame *csn_teller_frame_to_blame(const struct csn_snapshot_thread *stack,
							   size_t first, bool explained);

/* The frame outside of the run time that called into the one to blame; NULL when the blame lies
 * outside already. */
const struct csn_snapshot_frame *csn_teller_caller(const struct csn_snapshot_thread *stack,
						   const struct csn_snapshot_frame *frame);

/* The frame is code of the C or C++ run time. */
bool csn_frame_is_run_time(const struct csn_snapshot_frame *frame);
/* The frame is a wrapper that the C library's headers put around one of its functions. */
bool csn_frame_is_wrapper(const struct csn_snapshot_frame *frame);

#endif
