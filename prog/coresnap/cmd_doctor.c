/* coresnap doctor: one line for each finding, below it the command that mends it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/text.h"
#include "coresnap.h"
#include "doctor/doctor.h"

#define N_LEVELS 3
#define FOUND_SOMETHING 1

struct report {
	bool as_json, colour;
	size_t counts[N_LEVELS];
	struct csn_buf out; /* JSON: printed whole at the end */
	struct csn_json json;
	struct csn_progress_line line;
};

static void print_text(const struct report *report, const struct csn_doctor_finding *finding)
{
	static const char *const colours[N_LEVELS] = { "\033[32m", "\033[33m", "\033[31m" };
	cleanup_(csn_buf_done) struct csn_buf shown = CSN_BUF_INIT(CSN_MIB);

	csn_escape_text(&shown, finding->text, strlen(finding->text));
	printf("%s%-8s%s %-14s %s\n", report->colour ? colours[finding->level] : "",
	       csn_doctor_level_name(finding->level), report->colour ? "\033[0m" : "",
	       finding->check, csn_buf_text(&shown));
	/* The words of a command are quoted already, so that it can be pasted. */
	if (finding->mend)
		printf("         %s\n", finding->mend);
	fflush(stdout);
}

static void on_finding(void *context, const struct csn_doctor_finding *finding)
{
	struct report *report = context;

	report->counts[finding->level]++;
	if (!report->as_json) {
		csn_progress_line_stop(&report->line);
		print_text(report, finding);
		csn_progress_line_start(&report->line, "coresnap");
		return;
	}
	csn_json_begin_object(&report->json);
	csn_json_member_string(&report->json, "check", finding->check);
	csn_json_member_string(&report->json, "level", csn_doctor_level_name(finding->level));
	csn_json_member_string(&report->json, "text", finding->text);
	csn_json_member_string(&report->json, "mend", finding->mend);
	csn_json_end_object(&report->json);
}

static int finish(struct report *report, enum csn_doctor_level worst)
{
	size_t n_problems = report->counts[CSN_DOCTOR_PROBLEM],
	       n_warnings = report->counts[CSN_DOCTOR_WARNING];
	struct csn_error err = CSN_ERROR_INIT;

	if (report->as_json) {
		csn_json_end_array(&report->json);
		if (csn_buf_check(&report->out, "the report", &err) < 0)
			return coresnap_complain(CSN_EXIT_OS, &err, NULL);
		puts(csn_buf_text(&report->out));
	} else if (worst == CSN_DOCTOR_OK) {
		printf("all is well\n");
	} else {
		printf("%zu problem%s, %zu warning%s; the command below each mends it (as root)\n",
		       n_problems, n_problems == 1 ? "" : "s", n_warnings,
		       n_warnings == 1 ? "" : "s");
	}
	return worst == CSN_DOCTOR_OK ? 0 : FOUND_SOMETHING;
}

static int examine(const struct csn_doctor_options *options, struct report *report)
{
	struct csn_error err = CSN_ERROR_INIT;
	enum csn_doctor_level worst;
	int r;

	report->colour = isatty(STDOUT_FILENO) && !getenv("NO_COLOR");
	report->json = csn_json_to(&report->out);
	if (report->as_json)
		csn_json_begin_array(&report->json);
	csn_progress_line_start(&report->line, "coresnap");
	r = csn_doctor_run(options, &worst, &err);
	csn_progress_line_stop(&report->line);
	if (r < 0)
		return coresnap_complain(coresnap_status_of(&err), &err, NULL);
	return finish(report, worst);
}

int coresnap_doctor(int argc, char **argv, void *context)
{
	const struct coresnap *coresnap = context;
	struct report report = { .out = CSN_BUF_INIT(4 * CSN_MIB) };
	struct csn_doctor_options doctor = {
		.root = coresnap->root,
		.config = coresnap->config,
		.found = on_finding,
		.context = &report,
		.progress = csn_progress_line_sink(&report.line),
	};
	struct csn_error err = CSN_ERROR_INIT;
	uint64_t pid = 0;
	const struct csn_option options[] = {
		{ "pid", 0, CSN_OPT_U64, "PID", "look at this process's limits and rights too",
		  &pid },
		{ "user", 0, CSN_OPT_STRING, "NAME", "look at the limits of what this user starts",
		  &doctor.user },
		{ "crash", 0, CSN_OPT_FLAG, NULL,
		  "crash a small process and follow it to the server (at most one a minute)",
		  &doctor.crash },
		{ "json", 0, CSN_OPT_FLAG, NULL, "print a JSON array", &report.as_json },
		{ NULL },
	};
	const struct coresnap_syntax syntax = {
		.usage = "coresnap doctor [--pid=PID] [--user=NAME] [--crash] [--json]",
		.summary = "Checks all that a crash needs on its way; below each finding stands "
			   "the command that mends it.",
		.options = options,
		.examples = { "sudo coresnap doctor --crash", "coresnap doctor --pid 1234",
			      "coresnap doctor --json | jq '.[] | select(.level != \"ok\")'" },
	};
	int first, status = coresnap_parse(&syntax, argc, argv, &first);

	if (status >= 0)
		return status;
	if (pid > INT32_MAX) {
		csn_fail(&err, CSN_E_USAGE, "doctor: --pid: no process has so high a number");
		return coresnap_complain(CSN_EXIT_USAGE, &err, NULL);
	}
	doctor.pid = (pid_t)pid;
	status = examine(&doctor, &report);
	csn_buf_done(&report.out);
	return status;
}
