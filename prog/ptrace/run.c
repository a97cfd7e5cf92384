#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/limits.h"
#include "base/text.h"
#include "broker/broker.h"
#include "ptrace.h"
#include "snapshot/document.h"

enum ptrace_level { PTRACE_ERROR, PTRACE_WARNING, PTRACE_INFO };

struct ptrace_run {
	const struct ptrace_options *options;
	const char *subject; /* core file or pid: for messages */
	enum ptrace_level level;
	bool json;
	int64_t *threads; /* owned */
	int64_t fault_thread;
	enum csn_engine_variables variables;
	struct csn_privacy *privacy; /* owned; NULL: nothing is withheld */
	struct csn_broker *broker;   /* owned; NULL: nothing is fetched */
	struct csn_progress_line progress;
};

static int ptrace_fail(const char *subject, const struct csn_error *err)
{
	cleanup_(csn_buf_done) struct csn_buf text = CSN_BUF_INIT(CSN_MAX_LOG_LINE);

	csn_escape_text(&text, subject, strlen(subject));
	csn_buf_puts(&text, ": ");
	csn_escape_text(&text, err->text, strlen(err->text));
	fprintf(stderr, "ptrace: %s\n", csn_buf_text(&text));
	return err->code == CSN_E_USAGE ? CSN_EXIT_USAGE : 2;
}

/* The file is named once, with what went wrong and what to do. */
static int ptrace_fail_writing(const char *path, const struct csn_error *err)
{
	struct csn_error told = *err;

	if (err->code == CSN_E_OS)
		csn_fail(&told, CSN_E_OS, "%s; make room, or name another place with -o",
			 strerror(err->os_errno));
	return ptrace_fail(path, &told);
}

static int ptrace_usage(const char *what, const char *value, const char *next)
{
	char shown[128];

	fprintf(stderr, "ptrace: %s %s; %s\n", what, csn_escape_to(shown, sizeof(shown), value),
		next);
	return CSN_EXIT_USAGE;
}

static bool ptrace_parse_tid(const char *text, int64_t *ret_tid)
{
	return csn_parse_i64(text, ret_tid) && *ret_tid > 0;
}

static int ptrace_refuse(const struct ptrace_options *options)
{
	const struct {
		bool given;
		const char *name;
	} later[] = {
		{ options->globals != NULL, "--globals" },
		{ options->stale_pointer, "--stale-pointer" },
		{ options->security, "--security" },
		{ options->source, "--source" },
	};

	for (size_t i = 0; i < csn_countof(later); i++) {
		if (!later[i].given)
			continue;
		fprintf(stderr, "ptrace: %s: not in this release; leave it out\n", later[i].name);
		return CSN_EXIT_USAGE;
	}
	return -1;
}

/* -1 to go on, or the exit status. */
static int ptrace_check(struct ptrace_run *run)
{
	static const char *const levels[] = { "ERROR", "WARNING", "INFO" };
	const struct ptrace_options *o = run->options;
	size_t level = PTRACE_WARNING;

	for (level = 0; o->log_level && level < csn_countof(levels); level++)
		if (strcasecmp(levels[level], o->log_level) == 0)
			break;
	if (level == csn_countof(levels))
		return ptrace_usage("bad -L", o->log_level, "use ERROR, WARNING or INFO");
	run->level = o->log_level ? (enum ptrace_level)level : PTRACE_WARNING;
	run->json = strcmp(o->format, "json") == 0;
	if (!run->json && strcmp(o->format, "btt") != 0)
		return ptrace_usage("bad --format", o->format, "use btt or json");
	run->threads = calloc(o->threads.count + 1, sizeof(*run->threads));
	if (!run->threads)
		return 2;
	for (size_t i = 0; i < o->threads.count; i++)
		if (!ptrace_parse_tid(o->threads.items[i], &run->threads[i]))
			return ptrace_usage("bad --thread", o->threads.items[i],
					    "give a thread id");
	run->variables = o->faulted ? CSN_VARIABLES_FAULTED : CSN_VARIABLES_ARGUMENTS;
	if (o->variables && !csn_engine_variables_find(o->variables, &run->variables))
		return ptrace_usage("bad --variables", o->variables,
				    "use none, faulted, arguments or all");
	if (o->fault_thread && !ptrace_parse_tid(o->fault_thread, &run->fault_thread))
		return ptrace_usage("bad --fault-thread", o->fault_thread, "give a thread id");
	return -1;
}

/* <comm>.<pid>.<epoch>.btt; what would be a path or a control sequence in comm becomes "_". */
static void ptrace_default_name(const struct ptrace_run *run, const struct csn_target *target,
				const struct csn_snapshot *snapshot, struct csn_buf *out)
{
	const char *comm = *target->process.comm ? target->process.comm : "process";
	const char *suffix = run->json ? "json" : "btt";
	struct stat st;

	if (run->options->prefix) {
		csn_buf_puts(out, run->options->prefix);
	} else {
		if (run->options->output && stat(run->options->output, &st) == 0 &&
		    S_ISDIR(st.st_mode))
			csn_buf_printf(out, "%s/", run->options->output);
		for (const char *at = comm; *at; at++)
			csn_buf_putc(out, (unsigned char)*at <= ' ' || *at == '/' || *at == 0x7f ||
							  *at < 0
						  ? '_'
						  : *at);
	}
	csn_buf_printf(out, ".%" PRId64 ".%" PRId64 ".%s", target->process.pid, snapshot->timestamp,
		       suffix);
}

static void ptrace_output_name(const struct ptrace_run *run, const struct csn_target *target,
			       const struct csn_snapshot *snapshot, struct csn_buf *out)
{
	const char *output = run->options->output;
	struct stat st;

	if (output && !(stat(output, &st) == 0 && S_ISDIR(st.st_mode)))
		csn_buf_puts(out, output);
	else
		ptrace_default_name(run, target, snapshot, out);
}

static int ptrace_write(const struct ptrace_run *run, const struct csn_target *target,
			const struct csn_snapshot *snapshot)
{
	cleanup_(csn_buf_done) struct csn_buf name = CSN_BUF_INIT(CSN_MAX_PATH);
	cleanup_(csn_buf_done) struct csn_buf json = CSN_BUF_INIT(CSN_MAX_SNAPSHOT_JSON);
	cleanup_(csn_buf_done) struct csn_buf packed = CSN_BUF_INIT(CSN_MAX_SNAPSHOT_FILE);
	struct csn_error err = CSN_ERROR_INIT;
	const struct csn_buf *out = run->json ? &json : &packed;

	ptrace_output_name(run, target, snapshot, &name);
	if (csn_snapshot_write_json(snapshot, &json, &err) < 0 ||
	    (!run->json && csn_btt_pack(json.data, json.size, &packed, &err) < 0))
		return ptrace_fail(run->subject, &err);
	if (csn_write_file(AT_FDCWD, csn_buf_text(&name), out->data, out->size, 0600, &err) < 0)
		return ptrace_fail_writing(csn_buf_text(&name), &err);
	printf("%s\n", csn_buf_text(&name));
	return fflush(stdout) == 0 ? 0 : 2;
}

static void ptrace_report(const struct ptrace_run *run, const struct csn_target *target,
			  const struct csn_snapshot *snapshot, const struct csn_engine_stats *stats)
{
	char shown[512];

	for (size_t i = 0; run->level >= PTRACE_WARNING && i < snapshot->n_truncated; i++)
		fprintf(stderr, "ptrace: not whole: %s\n",
			csn_escape_to(shown, sizeof(shown), snapshot->truncated[i]));
	for (size_t i = 0; run->level >= PTRACE_WARNING && i < snapshot->n_annotations; i++)
		if (strcmp(snapshot->annotations[i].name, "warning") == 0)
			fprintf(stderr, "ptrace: warning: %s\n",
				csn_escape_to(shown, sizeof(shown), snapshot->annotations[i].text));
	if (run->level < PTRACE_INFO)
		return;
	if (target->live)
		fprintf(stderr, "ptrace: the process stood still for %" PRIu64 " us\n",
			target->stopped_ns / 1000);
	fprintf(stderr,
		"ptrace: %zu threads, %zu frames at %zu addresses; modules %" PRIu64
		" us, unwinding %" PRIu64 " us, names %" PRIu64 " us, variables %" PRIu64
		" us, analysis %" PRIu64 " us\n",
		snapshot->n_threads, stats->n_frames, stats->n_addresses, stats->modules_ns / 1000,
		stats->unwind_ns / 1000, stats->names_ns / 1000, stats->variables_ns / 1000,
		stats->analyze_ns / 1000);
}

static int ptrace_snapshot(struct ptrace_run *run, struct csn_target *target,
			   const char *executable)
{
	const struct ptrace_options *o = run->options;
	char cache[CSN_MAX_PATH];
	const struct csn_engine_options options = {
		.executable = executable,
		.sysroot = o->sysroot,
		.application = o->application,
		.defaults = getenv("BACKTRACE_DEFAULTS"),
		.kv = o->kv.items,
		.n_kv = o->kv.count,
		.classifiers = o->classifiers.items,
		.n_classifiers = o->classifiers.count,
		.resources = o->resources.items,
		.n_resources = o->resources.count,
		.cache = csn_engine_cache_folder(o->cache, cache, sizeof(cache)),
		.threads = run->threads,
		.n_threads = o->threads.count,
		.fault_thread = run->fault_thread,
		.faulted = o->faulted,
		.variables = run->variables,
		.values = &o->values,
		.load = o->load.items,
		.n_load = o->load.count,
		.depth = o->depth,
		.budget = o->budget,
		.timeout_seconds = o->timeout_seconds,
		.privacy = run->privacy,
		.progress = csn_progress_line_sink(&run->progress),
		.fetch = run->broker ? csn_broker_fetch : NULL,
		.fetch_context = run->broker,
	};
	cleanup_(csn_snapshot_freep) struct csn_snapshot *snapshot = NULL;
	struct csn_engine_stats stats = { 0 };
	struct csn_error err = CSN_ERROR_INIT;
	int status;

	csn_progress_line_start(&run->progress, "ptrace");
	status = csn_engine_snapshot(target, &options, &snapshot, &stats, &err);
	csn_progress_line_stop(&run->progress);
	if (status < 0)
		return ptrace_fail(run->subject, &err);
	status = ptrace_write(run, target, snapshot);
	if (status)
		return status;
	ptrace_report(run, target, snapshot, &stats);
	return csn_engine_is_partial(snapshot) ? 1 : 0;
}

static int ptrace_start_broker(struct ptrace_run *run, struct csn_error *err)
{
	const struct csn_broker_options servers = {
		.urls = run->options->debuginfod,
		.timeout_seconds = run->options->debuginfod_timeout,
		.progress = csn_progress_line_sink(&run->progress),
	};

	return csn_broker_start(&servers, &run->broker, err);
}

int ptrace_run(const struct ptrace_options *options, const char *pid, const char *executable)
{
	cleanup_(csn_target_freep) struct csn_target *target = NULL;
	struct ptrace_run run = { .options = options, .subject = pid ? pid : options->core };
	struct csn_error err = CSN_ERROR_INIT;
	int status = ptrace_refuse(options);

	if (status < 0)
		status = ptrace_check(&run);
	if (status < 0) {
		if (csn_privacy_open(options->privacy, &run.privacy, &err) < 0)
			status = ptrace_fail("--privacy", &err);
		else if (ptrace_start_broker(&run, &err) < 0 ||
			 csn_engine_open(pid, options->core, &target, &err) < 0)
			status = ptrace_fail(run.subject, &err);
		else
			status = ptrace_snapshot(&run, target, executable);
	}
	csn_broker_free(run.broker);
	csn_privacy_free(run.privacy);
	free(run.threads);
	return status;
}
