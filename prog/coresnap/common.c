#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "coresnap.h"

#define EXIT_NOINPUT 66

int coresnap_complain(int status, const struct csn_error *err, const char *next_step)
{
	char shown[1024];

	fprintf(stderr, "coresnap: %s%s%s\n", csn_escape_to(shown, sizeof(shown), err->text),
		next_step ? "; " : "", next_step ? next_step : "");
	return status;
}

int coresnap_status_of(const struct csn_error *err)
{
	if (err->code == CSN_E_DENIED || err->os_errno == EACCES || err->os_errno == EPERM)
		return CSN_EXIT_DENIED;
	if (err->code == CSN_E_NOT_FOUND)
		return EXIT_NOINPUT;
	if (err->code == CSN_E_USAGE)
		return CSN_EXIT_USAGE;
	return err->code == CSN_E_FORMAT ? CSN_EXIT_CONFIG : CSN_EXIT_OS;
}

int coresnap_open(const struct coresnap *coresnap, bool spool, struct csn_host *host)
{
	struct csn_error err = CSN_ERROR_INIT;
	int status;

	if (csn_host_init(host, coresnap->root, coresnap->config, &err) < 0)
		return coresnap_complain(CSN_EXIT_CONFIG, &err, "mend it and try again");
	if (!spool || csn_host_open_spool(host, &err) == 0)
		return -1;
	status = coresnap_status_of(&err);
	if (err.code == CSN_E_NOT_FOUND)
		return coresnap_complain(CSN_EXIT_CONFIG, &err,
					 "'coresnap enable' or starting coresnapd makes the spool");
	return coresnap_complain(status, &err,
				 status == CSN_EXIT_DENIED && err.code != CSN_E_DENIED
					 ? "run it as root or as the spool's user"
					 : NULL);
}

int coresnap_parse(const struct coresnap_syntax *syntax, int argc, char **argv, int *ret_first)
{
	const char *const usages[] = { syntax->usage, NULL };
	const struct csn_program program = {
		.name = "coresnap",
		.summary = syntax->summary,
		.usages = usages,
		.options = syntax->options,
		.examples = syntax->examples,
	};
	int status = csn_options_parse(&program, argc, argv, ret_first);

	if (status < 0 && !syntax->operands && *ret_first < argc)
		return csn_usage_error(&program, "%s takes no operand: '%s'", argv[0],
				       argv[*ret_first]);
	return status;
}

/* The stage that name begins with; NULL-terminated rest in *ret_prefix. */
static bool split_stage(const char *name, enum csn_stage *ret_stage, const char **ret_prefix)
{
	int stage;

	for (stage = 0; stage < CSN_N_STAGES; stage++) {
		const char *word = csn_stage_name((enum csn_stage)stage);
		size_t length = strlen(word);

		if (strncmp(name, word, length) != 0 || name[length] != '/')
			continue;
		*ret_stage = (enum csn_stage)stage;
		*ret_prefix = name + length + 1;
		return true;
	}
	return false;
}

static int find_anywhere(const struct csn_host *host, const char *prefix,
			 struct csn_spool_object *ret_object, struct csn_error *err)
{
	static const enum csn_stage order[] = { CSN_STAGE_SENDING, CSN_STAGE_PENDING,
						CSN_STAGE_QUARANTINE, CSN_STAGE_KEPT };
	size_t i;
	int r = 0;

	for (i = 0; i < csn_countof(order); i++) {
		r = csn_spool_find(&host->spool, order[i], prefix, ret_object, err);
		if (r != -CSN_E_NOT_FOUND)
			return r;
	}
	return csn_fail(err, CSN_E_NOT_FOUND, "%s: no such object", prefix);
}

int coresnap_find(const struct csn_host *host, const char *name,
		  struct csn_spool_object *ret_object)
{
	struct csn_error err = CSN_ERROR_INIT;
	const char *prefix;
	enum csn_stage stage;
	int r;

	if (split_stage(name, &stage, &prefix))
		r = csn_spool_find(&host->spool, stage, prefix, ret_object, &err);
	else
		r = find_anywhere(host, name, ret_object, &err);
	if (r == 0)
		return -1;
	return coresnap_complain(coresnap_status_of(&err), &err, "see 'coresnap list'");
}

const char *coresnap_next_step(const struct csn_crash *crash)
{
	static const struct {
		const char *step;
		int exit_status;
		const char *text;
	} rows[] = {
		{ "coroner", CSN_EXIT_TEMPORARY,
		  "see that the server of coroner.cf can be reached; it is retried by itself" },
		{ "coroner", CSN_EXIT_DENIED,
		  "put a valid token into [token] of coroner.cf, then 'coresnap retry all'" },
		{ "coroner", CSN_EXIT_CONFIG,
		  "mend coroner.cf or the format rules of coresnap.conf, then 'coresnap retry "
		  "all'" },
		{ "coroner", CSN_EXIT_DATA,
		  "the server refuses this snapshot: look at it with hydra; 'coresnap retry' or "
		  "'coresnap purge' it" },
		{ "coroner", 127, "install backtrace-coroner or mend coroner.path" },
		{ "coroner", 0, "run the logged coroner command by hand" },
		{ "ptrace", 127, "install backtrace-ptrace or mend ptrace.path" },
		{ "ptrace", 0, "run the logged ptrace command by hand, or 'bt --core'" },
	};
	size_t i;

	for (i = 0; i < csn_countof(rows); i++)
		if (strcmp(rows[i].step, crash->step) == 0 &&
		    (rows[i].exit_status == crash->exit_status || !rows[i].exit_status))
			return rows[i].text;
	return "it waits for coresnapd";
}
