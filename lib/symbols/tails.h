/* Frames that tail calls left out of a stack, rebuilt from what debug information says of calls.
 *
 * A caller's call says whom it called. When the frame below is in another function, then the callee
 * ended in a jump, perhaps to a function that did the same. All ways from one to the other are
 * looked at; what all of them have in common at either end was surely there, and is shown. A jump
 * to an unknown place makes everything uncertain: then nothing is shown. */
#ifndef CSN_SYMBOLS_TAILS_H
#define CSN_SYMBOLS_TAILS_H

#include "symbols/sources.h"

/* A frame whose counter is behind its jump, or at it when is_return is false. */
struct csn_tail_frame {
	csn_addr pc;
	bool is_return; /* as in struct csn_lookup */
};

/* One of two neighbours on a stack, looked up before. */
struct csn_tail_side {
	const struct csn_lookup *lookup;
	const struct csn_located *located;
};

struct csn_tails;

/* Keeps what it learns of functions; what it gives lives as long as it does. */
int csn_tails_new(struct csn_modules *modules, struct csn_tails **ret_tails, struct csn_error *err)
	csn_must_check;
void csn_tails_free(struct csn_tails *tails);
void csn_tails_freep(struct csn_tails **tails);

/* The frames between a caller and the frame it led to, the innermost first; mostly none. Fails only
 * for NOMEM. */
int csn_tails_find(struct csn_tails *tails, const struct csn_tail_side *caller,
		   const struct csn_tail_side *callee, const struct csn_tail_frame **ret_frames,
		   size_t *ret_count, struct csn_error *err) csn_must_check;

#endif
