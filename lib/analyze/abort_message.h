/* The C library's last words: what it printed before it called abort().
 *
 * glibc keeps the text of a failed assertion, a smashed stack or a damaged heap in __abort_msg for
 * those who look at the core. Unlike its inner functions the variable is in the dynamic symbols, so
 * this works where the library's debug file is not installed. The text is the program's and is not
 * passed on; only what kind it is. No state, any thread. */
#ifndef CSN_ANALYZE_ABORT_MESSAGE_H
#define CSN_ANALYZE_ABORT_MESSAGE_H

#include "symbols/module.h"
#include "target/target.h"

/* One kind of last words. Strings are static. */
struct csn_abort_kind {
	const char *classifier; /* "heap-corruption" */
	const char *words;      /* "heap corruption detected" */
};

/* What kind text is; NULL for one that says nothing we know. */
const struct csn_abort_kind *csn_abort_kind_find(const char *text);

/* The same of what the target's C library left; NULL when it left nothing, or modules is NULL. */
const struct csn_abort_kind *csn_abort_kind_read(struct csn_target *target,
						 struct csn_modules *modules);

#endif
