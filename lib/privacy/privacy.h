/* Privacy: what looks like a secret does not go into a snapshot.
 *
 * Rules say which names of variables and attributes, which types and which shapes of text are
 * secret; the default ones are a table (rules.c), a file may add rules and turn default ones off.
 * They are applied to a finished snapshot, whose list of what was withheld is the manifest: the
 * rule, its reason and the place, never the value. Not thread-safe. */
#ifndef CSN_PRIVACY_PRIVACY_H
#define CSN_PRIVACY_PRIVACY_H

#include "base/error.h"
#include "snapshot/snapshot.h"

struct csn_privacy;

/* With the default rules. */
int csn_privacy_new(struct csn_privacy **ret_privacy, struct csn_error *err) csn_must_check;
void csn_privacy_free(struct csn_privacy *privacy);
void csn_privacy_freep(struct csn_privacy **privacy);

/* Adds the rules of a file's text, NUL-terminated, one a line (docs/privacy.md). USAGE: the line
 * and what is wrong with it. */
int csn_privacy_load(struct csn_privacy *privacy, const char *text, struct csn_error *err)
	csn_must_check;

/* What a command line asks for: the default rules, those of the site (etc/coresnap/privacy.rules,
 * if it is there) and those of the file given, if any. "none": *ret_privacy is NULL. Errors name
 * the file. */
int csn_privacy_open(const char *given, struct csn_privacy **ret_privacy, struct csn_error *err)
	csn_must_check;

/* Withholds what the rules find in variables, attributes, annotations and raw stacks. */
int csn_privacy_apply(struct csn_privacy *privacy, struct csn_snapshot *snapshot,
		      struct csn_error *err) csn_must_check;

#endif
