/* The C library's last words: what it printed before it called abort().
 *
 * glibc keeps the text of a failed assertion, a smashed stack or a damaged heap in __abort_msg for
 * those who look at the core. Unlike its inner functions the variable is in the dynamic symbols, so
 * this works where the library's debug file is not installed. Of the text only what the program's
 * author or the library wrote is passed on: the expression that failed, the fixed message of the
 * heap. No state, any thread. */
#ifndef CSN_ANALYZE_ABORT_MESSAGE_H
#define CSN_ANALYZE_ABORT_MESSAGE_H

#include "symbols/module.h"
#include "target/target.h"

/* One kind of last words. Strings are static. */
struct csn_abort_kind {
	const char *classifier; /* "double-free" */
	const char *family;     /* the classifier that names on the stack can prove of it */
	const char *words;      /* "double free" */
};

/* Last words as the verdict says them. */
struct csn_abort_words {
	const struct csn_abort_kind *kind; /* NULL: nothing that we know */
	char text[200]; /* "double free (\"free(): double free detected in tcache 2\")" */
	char where[64]; /* "net.c:214", of assertions; "" unknown */
};

/* What kind text is; NULL for one that says nothing we know. */
const struct csn_abort_kind *csn_abort_kind_find(const char *text);

/* The words for a text that a C library left. */
void csn_abort_words_parse(const char *text, struct csn_abort_words *ret_words);

/* Puts words that classify as another of their family, of which more is known than the library
 * says: "heap-corruption" becomes "double-free". The quoted message stays. */
void csn_abort_words_settle(struct csn_abort_words *words, const char *classifier);

/* The same of what the target's C library left; false when it left nothing we know, or modules is
 * NULL. */
bool csn_abort_words_read(struct csn_target *target, struct csn_modules *modules,
			  struct csn_abort_words *ret_words) csn_must_check;

#endif
