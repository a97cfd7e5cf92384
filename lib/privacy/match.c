/* Trying rules. Patterns and texts may be hostile to each other: matching has limits of work, and
 * what reaches one counts as no match of that rule. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/cleanup.h"
#include "base/hash.h"
#include "base/limits.h"
#include "privacy/privacy_internal.h"

#define CSN_KNOWN_NAMES 1024u

struct csn_compiled_rule {
	struct csn_privacy_rule rule;
	pcre2_code *code; /* owned; NULL: turned off */
};

/* Names repeat in every frame: what was found out of each is kept for a while. */
struct csn_known_name {
	uint64_t hash; /* of name and type; 0: empty */
	const struct csn_privacy_rule *rule;
};

struct csn_privacy {
	struct csn_arena *arena; /* owned: texts of rules */
	struct csn_compiled_rule rules[CSN_MAX_PRIVACY_RULES];
	size_t n_rules;
	pcre2_match_data *match_data;
	pcre2_match_context *match_context;
	struct csn_known_name known[CSN_KNOWN_NAMES];
};

void csn_privacy_free(struct csn_privacy *privacy)
{
	if (!privacy)
		return;
	for (size_t i = 0; i < privacy->n_rules; i++)
		pcre2_code_free(privacy->rules[i].code);
	pcre2_match_data_free(privacy->match_data);
	pcre2_match_context_free(privacy->match_context);
	csn_arena_free(privacy->arena);
	free(privacy);
}

void csn_privacy_freep(struct csn_privacy **privacy)
{
	csn_privacy_free(*privacy);
}

static const char *keep(struct csn_privacy *privacy, const char *text)
{
	return text ? csn_arena_strdup(privacy->arena, text) : "";
}

int csn_privacy_add(struct csn_privacy *privacy, const struct csn_privacy_rule *rule,
		    struct csn_error *err)
{
	struct csn_compiled_rule *compiled = &privacy->rules[privacy->n_rules];
	unsigned char message[128];
	PCRE2_SIZE offset;
	int number;

	if (privacy->n_rules == CSN_MAX_PRIVACY_RULES)
		return csn_fail(err, CSN_E_USAGE, "more than %u rules", CSN_MAX_PRIVACY_RULES);
	compiled->rule = *rule;
	compiled->rule.name = keep(privacy, rule->name);
	compiled->rule.pattern = keep(privacy, rule->pattern);
	compiled->rule.why = keep(privacy, rule->why);
	if (!compiled->rule.name || !compiled->rule.pattern || !compiled->rule.why)
		return csn_fail_nomem(err);
	compiled->code = pcre2_compile((PCRE2_SPTR)rule->pattern, PCRE2_ZERO_TERMINATED,
				       PCRE2_NEVER_UTF, &number, &offset, NULL);
	if (!compiled->code) {
		pcre2_get_error_message(number, message, sizeof(message));
		return csn_fail(err, CSN_E_USAGE, "%s: bad pattern at character %zu: %s",
				rule->name, (size_t)offset + 1, (const char *)message);
	}
	privacy->n_rules++;
	memset(privacy->known, 0, sizeof(privacy->known));
	return 0;
}

bool csn_privacy_disable(struct csn_privacy *privacy, const char *name)
{
	bool found = false;

	for (size_t i = 0; i < privacy->n_rules; i++) {
		if (strcmp(privacy->rules[i].rule.name, name) != 0)
			continue;
		pcre2_code_free(privacy->rules[i].code);
		privacy->rules[i].code = NULL;
		found = true;
	}
	return found;
}

int csn_privacy_new(struct csn_privacy **ret_privacy, struct csn_error *err)
{
	cleanup_(csn_privacy_freep) struct csn_privacy *privacy = calloc(1, sizeof(*privacy));
	int result = 0;

	if (!privacy)
		return csn_fail_nomem(err);
	privacy->arena = csn_arena_new(CSN_MIB);
	privacy->match_data = pcre2_match_data_create(1, NULL);
	privacy->match_context = pcre2_match_context_create(NULL);
	if (!privacy->arena || !privacy->match_data || !privacy->match_context)
		return csn_fail_nomem(err);
	pcre2_set_match_limit(privacy->match_context, CSN_MAX_PRIVACY_STEPS);
	pcre2_set_depth_limit(privacy->match_context, CSN_MAX_PRIVACY_STEPS);
	for (size_t i = 0; i < csn_n_default_rules && result == 0; i++)
		result = csn_privacy_add(privacy, &csn_default_rules[i], err);
	if (result == 0)
		*ret_privacy = csn_take(privacy);
	return result;
}

static bool match(struct csn_privacy *privacy, const struct csn_compiled_rule *compiled,
		  const char *text, size_t length, size_t from)
{
	return compiled->code && pcre2_match(compiled->code, (PCRE2_SPTR)text, length, from, 0,
					     privacy->match_data, privacy->match_context) >= 0;
}

static bool any_matches(struct csn_privacy *privacy, enum csn_privacy_kind kind, const char *text,
			const struct csn_privacy_rule **ret_rule)
{
	for (size_t i = 0; i < privacy->n_rules; i++) {
		if (privacy->rules[i].rule.kind != kind ||
		    !match(privacy, &privacy->rules[i], text, strlen(text), 0))
			continue;
		*ret_rule = &privacy->rules[i].rule;
		return true;
	}
	return false;
}

bool csn_privacy_allows(struct csn_privacy *privacy, const char *name)
{
	const struct csn_privacy_rule *rule;

	return any_matches(privacy, CSN_PRIVACY_ALLOW, name, &rule);
}

static const struct csn_privacy_rule *find_afresh(struct csn_privacy *privacy, const char *name,
						  const char *type)
{
	const struct csn_privacy_rule *rule = NULL;

	if (*name && any_matches(privacy, CSN_PRIVACY_NAME, name, &rule) &&
	    !csn_privacy_allows(privacy, name))
		return rule;
	rule = NULL;
	if (*type)
		(void)any_matches(privacy, CSN_PRIVACY_TYPE, type, &rule);
	return rule;
}

const struct csn_privacy_rule *csn_privacy_find(struct csn_privacy *privacy, const char *name,
						const char *type)
{
	struct csn_known_name *known;
	uint64_t hash;

	name = name ? name : "";
	type = type ? type : "";
	hash = (csn_hash_bytes(name, strlen(name)) * 31 + csn_hash_bytes(type, strlen(type))) | 1;
	known = &privacy->known[(hash >> 8) % CSN_KNOWN_NAMES];
	if (known->hash != hash)
		*known = (struct csn_known_name){ hash, find_afresh(privacy, name, type) };
	return known->rule;
}

/* ISO/IEC 7812-1, annex B: the check digit of payment cards. */
static bool is_luhn(const char *text, size_t length)
{
	unsigned sum = 0, n = 0;

	for (size_t i = length; i-- > 0;) {
		unsigned digit = (unsigned)text[i] - '0';

		if (digit > 9)
			continue;
		if (n++ % 2)
			digit = digit * 2 > 9 ? digit * 2 - 9 : digit * 2;
		sum += digit;
	}
	return n >= 13 && n <= 19 && sum % 10 == 0;
}

/* Most texts have nothing that a rule needs. */
static bool may_match(const struct csn_privacy_rule *rule, const char *text)
{
	return !rule->needs || strcasestr(text, rule->needs);
}

bool csn_privacy_search(struct csn_privacy *privacy, const char *text, size_t length, size_t from,
			size_t *ret_start, size_t *ret_end,
			const struct csn_privacy_rule **ret_rule)
{
	const PCRE2_SIZE *ends = pcre2_get_ovector_pointer(privacy->match_data);
	bool found = false;

	for (size_t i = 0; i < privacy->n_rules; i++) {
		const struct csn_privacy_rule *rule = &privacy->rules[i].rule;
		size_t at = from;

		if (rule->kind != CSN_PRIVACY_TEXT || !may_match(rule, text))
			continue;
		while (match(privacy, &privacy->rules[i], text, length, at) && ends[1] > ends[0]) {
			if (rule->luhn && !is_luhn(text + ends[0], ends[1] - ends[0])) {
				at = ends[1];
				continue;
			}
			if (found && ends[0] >= *ret_start)
				break;
			found = true;
			*ret_start = ends[0];
			*ret_end = ends[1];
			*ret_rule = rule;
			break;
		}
	}
	return found;
}
