/* coresnap show: everything known of one crash. */
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/text.h"
#include "coresnap.h"
#include "host/listing.h"

struct row {
	const char *name, *value;
};

static void print_row(const char *name, const char *value)
{
	cleanup_(csn_buf_done) struct csn_buf shown = CSN_BUF_INIT(CSN_MAX_STATE_FILE * 4);

	if (!value || !*value)
		return;
	csn_escape_text(&shown, value, strlen(value));
	printf("%-12s %s\n", name, csn_buf_text(&shown));
}

static void print_text(const struct row *rows, const struct csn_crash *crash)
{
	char when[CSN_CTIME_TEXT];

	for (; rows->name; rows++)
		print_row(rows->name, rows->value);
	if (!crash->attempts)
		return;
	printf("%-12s %s exit %d, attempt %u\n", "failed", crash->step, crash->exit_status,
	       crash->attempts);
	print_row("reason", crash->reason);
	print_row("next try", csn_format_ctime(crash->next_try_ns, when));
	print_row("next step", coresnap_next_step(crash));
}

static void print_json(const struct row *rows, const struct csn_crash *crash)
{
	cleanup_(csn_buf_done) struct csn_buf out = CSN_BUF_INIT(CSN_MAX_STATE_FILE * 8);
	struct csn_json json = csn_json_to(&out);

	csn_json_begin_object(&json);
	for (; rows->name; rows++)
		if (rows->value)
			csn_json_member_string(&json, rows->name, rows->value);
	csn_json_member_uint(&json, "attempts", crash->attempts);
	if (crash->attempts) {
		csn_json_member_string(&json, "step", crash->step);
		csn_json_member_int(&json, "exit_status", crash->exit_status);
		csn_json_member_string(&json, "reason", crash->reason);
		csn_json_member_string(&json, "next_step", coresnap_next_step(crash));
	}
	csn_json_end_object(&json);
	puts(csn_buf_text(&out));
}

static int show_object(const struct csn_host *host, const struct csn_spool_object *object,
		       bool as_json)
{
	char path[CSN_MAX_PATH], assets[CSN_MAX_PATH], size[32], when[CSN_CTIME_TEXT];
	struct csn_error err = CSN_ERROR_INIT;
	unsigned runaway_line;
	struct csn_crash crash;

	if (csn_crash_load(&host->spool, object->stage, object->uuid, &crash, &err) < 0)
		return coresnap_complain(coresnap_status_of(&err), &err, NULL);
	csn_format_size(size, sizeof(size), object->size_bytes);
	csn_spool_path(&host->spool, csn_stage_name(object->stage), object->uuid, path,
		       sizeof(path));
	csn_spool_path(&host->spool, "assets", object->uuid, assets, sizeof(assets));
	const struct row rows[] = {
		{ "uuid", object->uuid },
		{ "stage", csn_stage_name(object->stage) },
		{ "file", path },
		{ "size", size },
		{ "assets", object->has_assets ? assets : NULL },
		{ "time",
		  csn_format_ctime(crash.time_ns ? crash.time_ns : object->mtime_ns, when) },
		{ "program", crash.program },
		{ "exe", crash.exe },
		{ "signal", csn_crash_signal_name(&crash) },
		{ "hostname", crash.hostname },
		{ "user", crash.user },
		{ "container", crash.container },
		{ "project", csn_router_find(host->router, &crash, &runaway_line) },
		{ NULL, NULL },
	};

	if (as_json)
		print_json(rows, &crash);
	else
		print_text(rows, &crash);
	csn_crash_done(&crash);
	return 0;
}

int coresnap_show(int argc, char **argv, void *context)
{
	cleanup_(csn_host_done) struct csn_host host = CSN_HOST_INIT;
	struct csn_error err = CSN_ERROR_INIT;
	struct csn_spool_object object;
	bool as_json = false;
	const struct csn_option options[] = {
		{ "json", 0, CSN_OPT_FLAG, NULL, "print a JSON object", &as_json },
		{ NULL },
	};
	const struct coresnap_syntax syntax = {
		.usage = "coresnap show [--json] [STAGE/]UUID",
		.summary = "Prints everything known of one crash.",
		.options = options,
		.operands = true,
		.examples = { "coresnap show 84605573", "coresnap show --json sending/3d22c19c" },
	};
	int first, status = coresnap_parse(&syntax, argc, argv, &first);

	if (status >= 0)
		return status;
	if (argc - first != 1) {
		csn_fail(&err, CSN_E_USAGE, "show: give one object");
		return coresnap_complain(CSN_EXIT_USAGE, &err, "see 'coresnap list'");
	}
	status = coresnap_open(context, true, &host);
	if (status < 0)
		status = coresnap_find(&host, argv[first], &object);
	return status < 0 ? show_object(&host, &object, as_json) : status;
}
