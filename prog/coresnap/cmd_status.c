/* coresnap status: is everything at work, and if not, what to do. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/text.h"
#include "coresnap.h"
#include "host/core_pattern.h"
#include "host/counts.h"
#include "host/listing.h"
#include "host/service.h"
#include "spool/crash_socket.h"

#define LOG_TAIL (64 * CSN_KIB)
#define MAX_FAILING 20
#define MAX_OUTPUT (4 * CSN_MIB)
#define LISTENER_WAIT_MS 1000

struct failing {
	enum csn_stage stage;
	struct csn_crash crash;
};

struct report {
	pid_t daemon; /* 0: not running */
	bool has_pattern;
	struct csn_core_pattern pattern;
	bool nobody_listens; /* on the socket that core_pattern names */
	struct csn_spool_space space;
	struct status_disk disk;
	struct csn_spool_list list;
	size_t counts[CSN_N_STAGES];
	uint64_t bytes[CSN_N_STAGES];
	char last_crash[512]; /* the helper's last word; "" none */
	uint64_t n_ticks;     /* of crash loops, not at the server yet */
	struct failing failing[MAX_FAILING];
	size_t n_failing, n_failing_all;
};

static void report_done(struct report *report)
{
	size_t i;

	for (i = 0; i < report->n_failing; i++)
		csn_crash_done(&report->failing[i].crash);
	csn_spool_list_done(&report->list);
}

/* The last line of the helper's log that tells of an archived crash. */
static void read_last_crash(const struct csn_spool *spool, char *out, size_t out_size)
{
	cleanup_close int fd = openat(spool->beside_fd, "log", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	cleanup_free char *tail = malloc(LOG_TAIL + 1);
	off_t end = fd >= 0 ? lseek(fd, 0, SEEK_END) : 0;
	off_t start = end > (off_t)LOG_TAIL ? end - (off_t)LOG_TAIL : 0;
	char *line, *next;
	ssize_t n;

	out[0] = '\0';
	if (!tail || end <= 0)
		return;
	n = csn_pread_full(fd, tail, LOG_TAIL, start);
	tail[n > 0 ? n : 0] = '\0';
	for (line = tail; line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		if (strstr(line, "Crash dump archived in "))
			csn_escape_to(out, out_size, line);
	}
}

static int add_failing(struct report *report, const struct csn_spool *spool,
		       const struct csn_spool_object *object, struct csn_error *err)
{
	struct csn_crash crash;
	int r = csn_crash_load(spool, object->stage, object->uuid, &crash, err);

	if (r < 0)
		return r;
	if (crash.attempts > 0)
		report->n_failing_all++;
	if (crash.attempts > 0 && report->n_failing < MAX_FAILING)
		report->failing[report->n_failing++] = (struct failing){ object->stage, crash };
	else
		csn_crash_done(&crash);
	return 0;
}

/* False only when the kernel is sure to lose every crash: for root, who may ask. */
static bool listens(const struct csn_host *host, const struct csn_core_pattern *pattern)
{
	char helper[CSN_MAX_PATH];
	struct csn_crash_socket place;
	struct csn_error err;
	bool supervised;

	if (!csn_crash_socket_is_pattern(pattern->text) ||
	    csn_core_pattern_find_helper(&host->root, helper, sizeof(helper), &err) < 0)
		return true;
	csn_crash_socket_init(&place, helper);
	return strcmp(place.pattern, pattern->text) != 0 ||
	       csn_crash_socket_ask(&place, LISTENER_WAIT_MS, &supervised, &err) == 0 ||
	       err.code != CSN_E_NOT_FOUND;
}

static int collect(const struct csn_host *host, struct report *report, struct csn_error *err)
{
	struct csn_quota quota = csn_host_get_quota(host);
	int stage, r = csn_spool_get_space(&host->spool, &quota, &report->space, err);
	struct csn_error ignored;
	size_t i;

	for (stage = 0; r == 0 && stage < CSN_N_STAGES; stage++)
		r = csn_spool_list(&host->spool, (enum csn_stage)stage, &report->list, err);
	for (i = 0; r == 0 && i < report->list.count; i++) {
		const struct csn_spool_object *object = &report->list.items[i];

		report->counts[object->stage]++;
		report->bytes[object->stage] += object->size_bytes;
		if (object->stage != CSN_STAGE_KEPT)
			r = add_failing(report, &host->spool, object, err);
	}
	if (r == 0)
		r = status_disk_collect(host, &report->disk, err);
	report->daemon = csn_service_find_daemon(&host->spool);
	report->has_pattern = csn_core_pattern_get(&report->pattern, &ignored) == 0;
	report->nobody_listens = report->has_pattern && !listens(host, &report->pattern);
	report->n_ticks = csn_counts_waiting(&host->spool);
	read_last_crash(&host->spool, report->last_crash, sizeof(report->last_crash));
	return r;
}

static const char *pattern_word(const struct csn_host *host, const struct report *report)
{
	if (!report->has_pattern)
		return "unreadable";
	if (csn_core_pattern_is_of_root(report->pattern.text, &host->root))
		return "ours";
	if (csn_core_pattern_is_helper(report->pattern.text))
		return "of another installation";
	return "not ours";
}

static void print_failing(const struct failing *failing)
{
	char uuid[CSN_SHORT_UUID_TEXT], when[CSN_CTIME_TEXT], program[256], reason[512];
	bool given_up = failing->stage == CSN_STAGE_QUARANTINE;
	const struct csn_crash *crash = &failing->crash;

	csn_escape_to(program, sizeof(program), crash->program ? crash->program : "?");
	csn_escape_to(reason, sizeof(reason), crash->reason ? crash->reason : "");
	printf("%-14s%s/%s %s: %s exit %d: %s (attempt %u, %s%s)\n", "failing",
	       csn_stage_name(failing->stage), csn_short_uuid(crash->uuid, uuid), program,
	       crash->step, crash->exit_status, reason, crash->attempts,
	       given_up ? "given up" : "next ",
	       given_up ? "" : csn_format_ctime(crash->next_try_ns, when));
	printf("%-14s%s\n", "  next step", coresnap_next_step(crash));
}

static void print_advice(const struct csn_host *host, const struct report *report)
{
	if (!report->daemon)
		printf("%-14s%s\n", "next step",
		       "start coresnapd ('service coresnapd start'); crashes wait meanwhile");
	if (host->conf.core_pattern_manage && report->has_pattern &&
	    !csn_core_pattern_is_of_root(report->pattern.text, &host->root))
		printf("%-14s%s\n", "next step", "run 'coresnap enable' as root");
	if (report->nobody_listens)
		printf("%-14s%s\n", "next step",
		       "start coresnap-capture: nobody listens on core_pattern's socket, and every "
		       "crash is lost");
	if (report->space.below)
		printf("%-14s%s\n", "next step",
		       "free space on the spool's disk: below dump.quota nothing is archived, "
		       "analysed or sent");
}

static void print_text(const struct csn_host *host, const struct report *report)
{
	char size[32], total[32], threshold[32], shown[1024];
	int stage;
	size_t i;

	if (report->daemon)
		printf("%-14srunning (process %d)\n", "coresnapd", (int)report->daemon);
	else
		printf("%-14snot running\n", "coresnapd");
	printf("%-14s%s (%s)\n", "core_pattern",
	       csn_escape_to(shown, sizeof(shown), report->pattern.text),
	       pattern_word(host, report));
	printf("%-14s%s\n", "configuration", host->conf.file ? host->conf.file : "built in");
	printf("%-14s%s (user %u)\n", "spool", host->spool.path, (unsigned)host->spool.uid);
	for (stage = 0; stage < CSN_N_STAGES; stage++) {
		csn_format_size(size, sizeof(size), report->bytes[stage]);
		printf("%-14s%zu object%s, %s\n", csn_stage_name((enum csn_stage)stage),
		       report->counts[stage], report->counts[stage] == 1 ? "" : "s", size);
	}
	csn_format_size(size, sizeof(size), report->space.free_bytes);
	csn_format_size(total, sizeof(total), report->space.total_bytes);
	csn_format_size(threshold, sizeof(threshold), report->space.threshold_bytes);
	printf("%-14s%s free of %s; dump.quota asks for %s%s\n", "disk", size, total, threshold,
	       report->space.below ? ": BELOW QUOTA" : "");
	status_disk_print(&report->disk);
	printf("%-14s%s\n", "last crash", *report->last_crash ? report->last_crash : "none known");
	if (report->n_ticks)
		printf("%-14s%llu crash%s of loops, to be told the server\n", "counted",
		       (unsigned long long)report->n_ticks, report->n_ticks == 1 ? "" : "es");
	coresnap_print_watch(host);
	for (i = 0; i < report->n_failing; i++)
		print_failing(&report->failing[i]);
	if (report->n_failing_all > report->n_failing)
		printf("%-14s%zu more; see 'coresnap list --json'\n", "failing",
		       report->n_failing_all - report->n_failing);
	print_advice(host, report);
}

static void write_failing(struct csn_json *json, const struct report *report)
{
	size_t i;

	csn_json_key(json, "failing");
	csn_json_begin_array(json);
	for (i = 0; i < report->n_failing; i++) {
		const struct csn_crash *crash = &report->failing[i].crash;

		csn_json_begin_object(json);
		csn_json_member_string(json, "stage", csn_stage_name(report->failing[i].stage));
		csn_json_member_string(json, "uuid", crash->uuid);
		csn_json_member_string(json, "program", crash->program);
		csn_json_member_string(json, "step", crash->step);
		csn_json_member_int(json, "exit_status", crash->exit_status);
		csn_json_member_string(json, "reason", crash->reason);
		csn_json_member_uint(json, "attempts", crash->attempts);
		csn_json_member_int(json, "next_try", crash->next_try_ns / 1000000000);
		csn_json_member_string(json, "next_step", coresnap_next_step(crash));
		csn_json_end_object(json);
	}
	csn_json_end_array(json);
}

static void print_json(const struct csn_host *host, const struct report *report)
{
	cleanup_(csn_buf_done) struct csn_buf out = CSN_BUF_INIT(MAX_OUTPUT);
	struct csn_json json = csn_json_to(&out);
	int stage;

	csn_json_begin_object(&json);
	csn_json_member_bool(&json, "running", report->daemon != 0);
	csn_json_member_int(&json, "pid", report->daemon);
	csn_json_member_string(&json, "core_pattern", report->pattern.text);
	csn_json_member_string(&json, "core_pattern_state", pattern_word(host, report));
	csn_json_member_uint(&json, "core_pipe_limit", report->pattern.pipe_limit);
	csn_json_member_string(&json, "configuration", host->conf.file);
	csn_json_member_string(&json, "spool", host->spool.path);
	for (stage = 0; stage < CSN_N_STAGES; stage++) {
		csn_json_key(&json, csn_stage_name((enum csn_stage)stage));
		csn_json_begin_object(&json);
		csn_json_member_uint(&json, "objects", report->counts[stage]);
		csn_json_member_uint(&json, "bytes", report->bytes[stage]);
		csn_json_end_object(&json);
	}
	csn_json_member_uint(&json, "free_bytes", report->space.free_bytes);
	csn_json_member_uint(&json, "quota_bytes", report->space.threshold_bytes);
	csn_json_member_bool(&json, "below_quota", report->space.below);
	status_disk_write(&report->disk, &json);
	csn_json_member_string(&json, "last_crash", report->last_crash);
	csn_json_member_uint(&json, "ticks_waiting", report->n_ticks);
	csn_json_member_uint(&json, "failing_total", report->n_failing_all);
	write_failing(&json, report);
	coresnap_write_watch(&json, host);
	csn_json_end_object(&json);
	puts(csn_buf_text(&out));
}

int coresnap_show_status(int argc, char **argv, void *context)
{
	cleanup_(csn_host_done) struct csn_host host = CSN_HOST_INIT;
	cleanup_(report_done) struct report report = { 0 };
	struct csn_error err = CSN_ERROR_INIT;
	bool as_json = false;
	const struct csn_option options[] = {
		{ "json", 0, CSN_OPT_FLAG, NULL, "print a JSON object", &as_json },
		{ NULL },
	};
	const struct coresnap_syntax syntax = {
		.usage = "coresnap status [--json]",
		.summary = "Says what is at work, what fails and what to do.",
		.options = options,
		.examples = { "coresnap status", "coresnap status --json | jq .failing" },
	};
	int first, status = coresnap_parse(&syntax, argc, argv, &first);

	if (status < 0)
		status = coresnap_open(context, true, &host);
	if (status >= 0)
		return status;
	if (collect(&host, &report, &err) < 0)
		return coresnap_complain(coresnap_status_of(&err), &err, NULL);
	if (as_json)
		print_json(&host, &report);
	else
		print_text(&host, &report);
	return 0;
}
