/* What the files of this room share: rules.c is the table of default rules, match.c tries rules,
 * load.c reads files of rules, redact.c walks a snapshot. */
#ifndef CSN_PRIVACY_PRIVACY_INTERNAL_H
#define CSN_PRIVACY_PRIVACY_INTERNAL_H

#include "base/buf.h"
#include "privacy/privacy.h"

enum csn_privacy_kind {
	CSN_PRIVACY_NAME,  /* of a variable, a member or an attribute */
	CSN_PRIVACY_TYPE,  /* of a variable, as it is written */
	CSN_PRIVACY_TEXT,  /* a shape within any text */
	CSN_PRIVACY_ALLOW, /* names that no rule about names withholds */
};

/* A rule as it is written down. */
struct csn_privacy_rule {
	enum csn_privacy_kind kind;
	const char *name;
	const char *pattern; /* PCRE2; only what \K or the whole match covers is withheld */
	const char *why;
	const char *needs; /* a text without this (in any case) cannot match; NULL: not known */
	bool texts_only;   /* of names: numbers are nobody's secret */
	bool luhn;         /* of texts: the digits must be those of a payment card */
};

extern const struct csn_privacy_rule csn_default_rules[];
extern const size_t csn_n_default_rules;

struct csn_compiled_rule;

/* Copies the rule. USAGE: the pattern is none. */
int csn_privacy_add(struct csn_privacy *privacy, const struct csn_privacy_rule *rule,
		    struct csn_error *err) csn_must_check;
/* Turns a rule off; false: there is none of that name. */
bool csn_privacy_disable(struct csn_privacy *privacy, const char *name);

/* The rule by which a name or a type is secret; NULL none. Either may be NULL. */
const struct csn_privacy_rule *csn_privacy_find(struct csn_privacy *privacy, const char *name,
						const char *type);
/* Is this a name that no rule about names is for? */
bool csn_privacy_allows(struct csn_privacy *privacy, const char *name);

/* What of a text is secret: the next such part at or behind from. False: nothing more. */
bool csn_privacy_search(struct csn_privacy *privacy, const char *text, size_t length, size_t from,
			size_t *ret_start, size_t *ret_end,
			const struct csn_privacy_rule **ret_rule);

#endif
