#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/limits.h"
#include "base/local_files.h"
#include "base/text.h"
#include "broker/broker.h"
#include "ptrace.h"
#include "sandbox/sandbox.h"
#include "snapshot/document.h"

/* Exit status of the child alone: there is no snapshot for want of memory. */
#define PTRACE_OUT_OF_MEMORY 3

enum ptrace_level { PTRACE_ERROR, PTRACE_WARNING, PTRACE_INFO };

struct ptrace_run {
	const struct ptrace_options *options;
	const char *subject; /* core file or pid: for messages */
	enum ptrace_level level;
	bool json;
	int64_t *threads; /* owned */
	int64_t fault_thread;
	enum csn_engine_variables variables;
	struct csn_privacy *privacy;        /* owned; NULL: nothing is withheld */
	struct csn_script_sources *scripts; /* owned; NULL: no modules */
	struct csn_broker *broker;          /* owned; NULL: nothing is fetched */
	struct csn_progress_line progress;
	const char *executable;          /* NULL: found from the subject */
	struct csn_engine_subject input; /* owned */
	const char *assets;
	const char **given;           /* owned list of what the command line names */
	struct csn_local_files files; /* what the child may ask for */
	char cache[CSN_MAX_PATH];
	int result_fd;     /* owned; memory that the child writes to */
	char salvage[192]; /* what ended the first try; "": nothing has yet */
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
	if (!options->source)
		return -1;
	fputs("ptrace: --source: not in this release; leave it out\n", stderr);
	return CSN_EXIT_USAGE;
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

/* What the child leaves for its parent, in front of the snapshot. The parent believes none of it:
 * it makes a file name of it and nothing else. */
struct ptrace_head {
	int64_t pid, timestamp;
	char comm[64];
};

/* <comm>.<pid>.<epoch>.btt; what would be a path or a control sequence in comm becomes "_". */
static void ptrace_default_name(const struct ptrace_run *run, const struct ptrace_head *head,
				struct csn_buf *out)
{
	const char *comm = *head->comm ? head->comm : "process";
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
	csn_buf_printf(out, ".%" PRId64 ".%" PRId64 ".%s", head->pid, head->timestamp, suffix);
}

static void ptrace_output_name(const struct ptrace_run *run, const struct ptrace_head *head,
			       struct csn_buf *out)
{
	const char *output = run->options->output;
	struct stat st;

	if (output && !(stat(output, &st) == 0 && S_ISDIR(st.st_mode)))
		csn_buf_puts(out, output);
	else
		ptrace_default_name(run, head, out);
}

/* The child's result, into the file that was asked for. */
static int ptrace_copy(const struct ptrace_run *run, const char *name, struct csn_error *err)
{
	cleanup_(csn_publish_done) struct csn_publish publish = CSN_PUBLISH_INIT;
	int rc = csn_publish_begin(&publish, AT_FDCWD, name, 0600, err);

	if (rc == 0)
		rc = csn_copy_fd(run->result_fd, publish.fd,
				 run->json ? CSN_MAX_SNAPSHOT_JSON : CSN_MAX_SNAPSHOT_FILE, NULL,
				 err);
	return rc == 0 ? csn_publish_commit(&publish, true, err) : rc;
}

/* In the parent. Returns the exit status: the child's, if all is well. */
static int ptrace_publish(const struct ptrace_run *run, int status)
{
	cleanup_(csn_buf_done) struct csn_buf name = CSN_BUF_INIT(CSN_MAX_PATH);
	struct csn_error err = CSN_ERROR_INIT;
	struct ptrace_head head;

	if (lseek(run->result_fd, 0, SEEK_SET) < 0 ||
	    csn_read_full(run->result_fd, &head, sizeof(head)) != sizeof(head)) {
		csn_fail(&err, CSN_E_FORMAT, "the analysis left nothing");
		return ptrace_fail(run->subject, &err);
	}
	head.comm[sizeof(head.comm) - 1] = '\0';
	ptrace_output_name(run, &head, &name);
	if (ptrace_copy(run, csn_buf_text(&name), &err) < 0)
		return ptrace_fail_writing(csn_buf_text(&name), &err);
	printf("%s\n", csn_buf_text(&name));
	return fflush(stdout) == 0 ? status : 2;
}

/* In the child, mostly. */
static int ptrace_leave(const struct ptrace_run *run, const struct csn_snapshot *snapshot)
{
	cleanup_(csn_buf_done) struct csn_buf json = CSN_BUF_INIT(CSN_MAX_SNAPSHOT_JSON);
	cleanup_(csn_buf_done) struct csn_buf packed = CSN_BUF_INIT(CSN_MAX_SNAPSHOT_FILE);
	const struct csn_target *target = run->input.target;
	struct ptrace_head head = { target ? target->process.pid : 0, snapshot->timestamp, "" };
	const struct csn_buf *out = run->json ? &json : &packed;
	struct csn_error err = CSN_ERROR_INIT;
	int rc;

	snprintf(head.comm, sizeof(head.comm), "%s", target ? target->process.comm : "");
	if (csn_snapshot_write_json(snapshot, &json, &err) < 0 ||
	    (!run->json && csn_btt_pack(json.data, json.size, &packed, &err) < 0))
		return ptrace_fail(run->subject, &err);
	rc = csn_write_full(run->result_fd, &head, sizeof(head));
	if (rc == 0)
		rc = csn_write_full(run->result_fd, out->data, out->size);
	if (rc == 0)
		return 0;
	csn_fail_os(&err, -rc, "cannot keep the snapshot in memory");
	return ptrace_fail(run->subject, &err);
}

static void ptrace_report(const struct ptrace_run *run, const struct csn_snapshot *snapshot,
			  const struct csn_engine_stats *stats)
{
	const struct csn_target *target = run->input.target;
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

/* opener: the child's; NULL in the parent. */
static struct csn_engine_options ptrace_engine_options(struct ptrace_run *run,
						       const struct csn_opener *opener)
{
	const struct ptrace_options *o = run->options;

	return (struct csn_engine_options){
		.executable = run->executable,
		.sysroot = o->sysroot,
		.application = o->application,
		.defaults = getenv("BACKTRACE_DEFAULTS"),
		.kv = o->kv.items,
		.n_kv = o->kv.count,
		.classifiers = o->classifiers.items,
		.n_classifiers = o->classifiers.count,
		.resources = o->resources.items,
		.n_resources = o->resources.count,
		.salvage = *run->salvage ? run->salvage : NULL,
		.opener = opener,
		.keep_answers = run->files.cache != NULL,
		.assets = run->assets,
		.threads = run->threads,
		.n_threads = o->threads.count,
		.fault_thread = run->fault_thread,
		.faulted = o->faulted,
		.security = o->security,
		.stale = o->stale_pointer,
		.variables = run->variables,
		.values = &o->values,
		.globals = o->globals,
		.load = o->load.items,
		.n_load = o->load.count,
		.depth = o->depth,
		.budget = o->budget,
		.timeout_seconds = o->timeout_seconds,
		.privacy = run->privacy,
		.scripts = run->scripts,
		.progress = csn_progress_line_sink(&run->progress),
		.fetch = run->broker ? csn_broker_fetch : NULL,
		.fetch_context = run->broker,
	};
}

/* Confined: all that was foreign is read here. */
static int ptrace_analyse(void *context, const struct csn_opener *opener, const char *absent)
{
	struct ptrace_run *run = context;
	const struct csn_engine_options options = ptrace_engine_options(run, opener);
	cleanup_(csn_snapshot_freep) struct csn_snapshot *snapshot = NULL;
	struct csn_engine_stats stats = { 0 };
	struct csn_error err = CSN_ERROR_INIT;
	int status;

	if (*absent && run->level >= PTRACE_INFO)
		fprintf(stderr, "ptrace: this kernel has no %s; the analysis does without\n",
			absent);
	status = csn_engine_read(&run->input, &err);
	if (status == 0)
		status = csn_engine_snapshot(&run->input, &options, &snapshot, &stats, &err);
	csn_progress_line_stop(&run->progress);
	if (status == -CSN_E_NOMEM)
		return PTRACE_OUT_OF_MEMORY;
	if (status < 0)
		return ptrace_fail(run->subject, &err);
	status = ptrace_leave(run, snapshot);
	if (status)
		return status;
	ptrace_report(run, snapshot, &stats);
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

static void ptrace_prepare(void *context)
{
	struct ptrace_run *run = context;

	csn_progress_line_start(&run->progress, "ptrace");
}

/* Everything that is opened before the fork, by the rights of whoever started us; nothing that a
 * stranger wrote is read here. */
static int ptrace_open(struct ptrace_run *run, const char *pid, struct csn_error *err)
{
	const struct ptrace_options *o = run->options;
	int rc = ptrace_start_broker(run, err);
	size_t n = 0;

	if (rc == 0)
		rc = csn_engine_open(pid, o->core, &run->input, err);
	if (rc < 0)
		return rc;
	run->given = calloc(o->resources.count + 3, sizeof(*run->given));
	if (!run->given)
		return csn_fail_nomem(err);
	for (size_t i = 0; i < o->resources.count; i++)
		run->given[n++] = o->resources.items[i];
	run->given[n++] = run->executable;
	run->given[n++] = o->sysroot;
	run->given[n++] = run->input.executable;
	csn_local_files_init(&run->files,
			     csn_engine_cache_folder(o->cache, run->cache, sizeof(run->cache)));
	run->files.given = run->given;
	run->files.n_given = n;
	run->assets = csn_engine_find_assets(o->resources.items, o->resources.count);
	run->result_fd = memfd_create("snapshot", MFD_CLOEXEC);
	return run->result_fd < 0 ? csn_fail_os(err, errno, "memfd_create") : 0;
}

/* Seconds that the next child has. */
static int64_t ptrace_patience(const struct ptrace_run *run)
{
	const struct ptrace_options *o = run->options;

	if (o->kill_after_seconds)
		return o->kill_after_seconds;
	if (*run->salvage)
		return CSN_MAX_SALVAGE_SECONDS;
	return CSN_MAX_SANDBOX_SECONDS +
	       (run->broker ? CSN_BROKER_ROUNDS * o->debuginfod_timeout : 0);
}

/* Runs the child once. True: *ret_status is the exit status. False: it did not come to an end of
 * its own, which run->salvage says. */
static bool ptrace_try(struct ptrace_run *run, int *ret_status)
{
	const int keep[] = { run->result_fd, csn_engine_subject_fd(&run->input),
			     csn_broker_fd(run->broker) };
	const struct csn_sandbox_options options = {
		.opener = csn_local_files_opener(&run->files),
		.run = ptrace_analyse,
		.prepare = ptrace_prepare,
		.context = run,
		.keep = keep,
		.n_keep = csn_countof(keep),
		.mapped_bytes = csn_engine_subject_bytes(&run->input),
		.seconds = ptrace_patience(run),
	};
	struct csn_error err = CSN_ERROR_INIT;
	struct csn_sandbox_end end;
	char text[96] = "ran out of memory";

	if (csn_sandbox_run(&options, &end, &err) < 0) {
		*ret_status = ptrace_fail(run->subject, &err);
		return true;
	}
	if (end.status >= 0 && end.status != PTRACE_OUT_OF_MEMORY) {
		*ret_status = end.status == 0 || end.status == 1 ? ptrace_publish(run, end.status)
								 : end.status;
		return true;
	}
	if (end.status < 0)
		csn_sandbox_describe(&end, text, sizeof(text));
	snprintf(run->salvage, sizeof(run->salvage),
		 "analysis: the confined process %s; registers and ends of stacks only", text);
	return false;
}

/* The child came to grief twice: this much needs none. */
static int ptrace_last_resort(struct ptrace_run *run)
{
	cleanup_(csn_snapshot_freep) struct csn_snapshot *snapshot = NULL;
	struct csn_engine_options options;
	struct csn_error err = CSN_ERROR_INIT;
	char *tail = strchr(run->salvage, ';');

	if (tail)
		snprintf(tail, sizeof(run->salvage) - (size_t)(tail - run->salvage),
			 ", twice; nothing of it could be read");
	options = ptrace_engine_options(run, NULL);
	if (csn_engine_blank_snapshot(&run->input, &options, &snapshot, &err) < 0)
		return ptrace_fail(run->subject, &err);
	if (run->level >= PTRACE_WARNING)
		fprintf(stderr, "ptrace: not whole: %s\n", run->salvage);
	return ptrace_leave(run, snapshot) ? 2 : ptrace_publish(run, 1);
}

/* What a killed child has left is no result. */
static bool ptrace_forget_result(const struct ptrace_run *run)
{
	return ftruncate(run->result_fd, 0) == 0 && lseek(run->result_fd, 0, SEEK_SET) == 0;
}

/* Everything; else what needs no object; else what needs no subject. Returns the exit status. */
static int ptrace_confined(struct ptrace_run *run)
{
	int status = 2;

	if (ptrace_try(run, &status))
		return status;
	if (ptrace_forget_result(run) && ptrace_try(run, &status))
		return status;
	return ptrace_forget_result(run) ? ptrace_last_resort(run) : status;
}

int ptrace_run(const struct ptrace_options *options, const char *pid, const char *executable)
{
	struct ptrace_run run = {
		.options = options,
		.subject = pid ? pid : options->core,
		.executable = executable,
		.input = CSN_ENGINE_SUBJECT_INIT,
		.files = { .folder_fd = -1 },
		.result_fd = -1,
	};
	struct csn_error err = CSN_ERROR_INIT;
	int status = ptrace_refuse(options);

	if (status < 0)
		status = ptrace_check(&run);
	if (status < 0 && csn_privacy_open(options->privacy, &run.privacy, &err) < 0)
		status = ptrace_fail("--privacy", &err);
	if (status < 0 && csn_script_options_read(&options->modules, &run.scripts, &err) < 0)
		status = ptrace_fail("--module", &err);
	if (status < 0)
		status = ptrace_open(&run, pid, &err) < 0 ? ptrace_fail(run.subject, &err)
							  : ptrace_confined(&run);
	csn_local_files_done(&run.files);
	csn_engine_subject_done(&run.input);
	csn_broker_free(run.broker);
	csn_privacy_free(run.privacy);
	csn_script_sources_free(run.scripts);
	csn_closep(&run.result_fd);
	free(run.given);
	free(run.threads);
	return status;
}
