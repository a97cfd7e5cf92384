/* Fill patterns: what allocators, debuggers and compilers write over memory that must not be used.
 *
 * A pointer made of one was read from such memory. No state, any thread. */
#ifndef CSN_ANALYZE_POISON_H
#define CSN_ANALYZE_POISON_H

#include "base/types.h"

/* A pattern. Strings are static. */
struct csn_poison {
	uint64_t pattern;    /* of 8 bytes */
	const char *meaning; /* who writes it, where */
};

/* How far a member lies from the pointer at most, for a pattern to be recognised. */
#define CSN_POISON_REACH 4096u

/* The pattern that an address was made of, with an offset; its lower half counts too, for what was
 * read as 4 bytes. *ret_start: the pointer. NULL none. */
const struct csn_poison *csn_poison_find(csn_addr address, csn_addr *ret_start);

#endif
