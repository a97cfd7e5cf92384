/* A place in the program, as a verdict names it. No state, any thread. */
#ifndef CSN_ANALYZE_PLACE_H
#define CSN_ANALYZE_PLACE_H

#include "snapshot/snapshot.h"
#include "target/target.h"

/* "session_close (net.c:214)", "session_close (net)" without lines, "vim.basic+0x1234" without
 * names. Text in the arena; NULL when out of memory. */
const char *csn_place_describe(struct csn_arena *arena, const struct csn_target *target,
			       const struct csn_snapshot_frame *frame);

#endif
