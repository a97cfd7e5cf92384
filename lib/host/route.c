#define PCRE2_CODE_UNIT_WIDTH 8
#include "host/route.h"

#include <pcre2.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/limits_host.h"

struct csn_router {
	const struct csn_coresnap_conf *conf; /* borrowed */
	pcre2_code **codes;                   /* one for each rule; NULL: matches everything */
	pcre2_match_data *match;
	pcre2_match_context *limits;
};

static int compile_rule(const struct csn_coresnap_conf *conf, const struct csn_format_rule *rule,
			pcre2_code **ret_code, struct csn_error *err)
{
	unsigned char message[160];
	PCRE2_SIZE at;
	int code;

	if (!rule->letter)
		return 0;
	*ret_code = pcre2_compile((PCRE2_SPTR)rule->pattern, PCRE2_ZERO_TERMINATED,
				  PCRE2_NEVER_BACKSLASH_C | PCRE2_DOLLAR_ENDONLY, &code, &at, NULL);
	if (*ret_code)
		return 0;
	pcre2_get_error_message(code, message, sizeof(message));
	return csn_fail(err, CSN_E_FORMAT,
			"%s:%u: the expression of project '%s' is wrong at "
			"character %zu: %s",
			conf->file ? conf->file : "coresnap.conf", rule->line, rule->project, at,
			(const char *)message);
}

int csn_router_new(const struct csn_coresnap_conf *conf, struct csn_router **ret_router,
		   struct csn_error *err)
{
	struct csn_router *router = calloc(1, sizeof(*router));
	size_t i;
	int r = 0;

	if (!router)
		return csn_fail_nomem(err);
	router->conf = conf;
	router->codes = calloc(conf->n_rules + 1, sizeof(void *));
	router->match = pcre2_match_data_create(1, NULL);
	router->limits = pcre2_match_context_create(NULL);
	if (!router->codes || !router->match || !router->limits)
		r = csn_fail_nomem(err);
	for (i = 0; r == 0 && router->codes && i < conf->n_rules; i++)
		r = compile_rule(conf, &conf->rules[i], &router->codes[i], err);
	if (r < 0) {
		csn_router_free(router);
		return r;
	}
	pcre2_set_match_limit(router->limits, CSN_MAX_ROUTE_STEPS);
	pcre2_set_depth_limit(router->limits, CSN_MAX_ROUTE_DEPTH);
	pcre2_set_heap_limit(router->limits, CSN_MAX_ROUTE_HEAP_KIB);
	*ret_router = router;
	return 0;
}

void csn_router_free(struct csn_router *router)
{
	size_t i;

	if (!router)
		return;
	for (i = 0; router->codes && i < router->conf->n_rules; i++)
		pcre2_code_free(router->codes[i]);
	free(router->codes);
	pcre2_match_data_free(router->match);
	pcre2_match_context_free(router->limits);
	free(router);
}

/* What a rule's letter stands for; never NULL. */
static const char *subject_of(const struct csn_crash *crash, char letter)
{
	const struct {
		char letter;
		const char *text;
	} rows[] = {
		{ 'e', crash->exe },       { 'f', crash->program },
		{ 'u', crash->user },      { 'h', crash->hostname },
		{ 'c', crash->container }, { 's', csn_crash_signal_name(crash) },
	};
	size_t i;

	for (i = 0; i < csn_countof(rows); i++)
		if (rows[i].letter == letter && rows[i].text)
			return rows[i].text;
	return "";
}

/* Names are bytes to us: no UTF mode, nothing to be invalid. */
static bool matches(const struct csn_router *router, size_t rule, const char *subject,
		    bool *ret_ran_away)
{
	int r = pcre2_match(router->codes[rule], (PCRE2_SPTR)subject, strlen(subject), 0, 0,
			    router->match, router->limits);

	*ret_ran_away = r == PCRE2_ERROR_MATCHLIMIT || r == PCRE2_ERROR_DEPTHLIMIT ||
			r == PCRE2_ERROR_HEAPLIMIT;
	return r >= 0;
}

const char *csn_router_find(const struct csn_router *router, const struct csn_crash *crash,
			    unsigned *ret_runaway_line)
{
	const struct csn_coresnap_conf *conf = router->conf;
	bool ran_away;
	size_t i;

	*ret_runaway_line = 0;
	for (i = 0; i < conf->n_rules; i++) {
		if (!conf->rules[i].letter ||
		    matches(router, i, subject_of(crash, conf->rules[i].letter), &ran_away))
			return conf->rules[i].project;
		if (ran_away && *ret_runaway_line == 0)
			*ret_runaway_line = conf->rules[i].line;
	}
	return NULL;
}
