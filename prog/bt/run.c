#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/limits.h"
#include "base/local_files.h"
#include "base/text.h"
#include "broker/broker.h"
#include "bt.h"
#include "render/stack.h"
#include "sandbox/sandbox.h"
#include "snapshot/document.h"

struct bt_run {
	const struct bt_options *options;
	const char *subject, *executable;
	bool colour;
	enum csn_engine_variables variables;
	struct csn_engine_subject input;    /* owned */
	struct csn_broker *broker;          /* owned; NULL: nothing is fetched */
	struct csn_privacy *privacy;        /* owned; NULL: nothing is withheld */
	struct csn_script_sources *scripts; /* owned; NULL: no modules */
	struct csn_progress_line progress;
	const char *given[3];         /* what the command line names */
	struct csn_local_files files; /* what the child may ask for */
	char cache[CSN_MAX_PATH];
	int snapshot_fd;   /* owned; -1: a process or core */
	int result_fd;     /* owned; memory that the child writes to */
	char salvage[192]; /* what ended the first try; "": nothing has yet */
};

/* subject: NULL when the text names it already. */
static int bt_fail(const char *subject, const struct csn_error *err)
{
	cleanup_(csn_buf_done) struct csn_buf text = CSN_BUF_INIT(CSN_MAX_LOG_LINE);

	if (subject) {
		csn_escape_text(&text, subject, strlen(subject));
		csn_buf_puts(&text, ": ");
	}
	csn_escape_text(&text, err->text, strlen(err->text));
	fprintf(stderr, "bt: %s\n", csn_buf_text(&text));
	return err->code == CSN_E_USAGE ? CSN_EXIT_USAGE : 2;
}

static bool bt_wants_colour(void)
{
	const char *term = getenv("TERM");

	return isatty(STDOUT_FILENO) && !getenv("NO_COLOR") && term && strcmp(term, "dumb") != 0;
}

/* In the child: leaves the text. Returns the exit status. */
static int bt_leave(const struct bt_run *run, const struct csn_snapshot *snapshot)
{
	const struct bt_options *options = run->options;
	const struct csn_render_options render = {
		.colour = run->colour,
		.verbose = options->verbose,
		.faulted = options->faulted,
		.no_source = options->no_source,
		.no_fold = options->verbose,
	};
	cleanup_(csn_buf_done) struct csn_buf out = CSN_BUF_INIT(CSN_MAX_SNAPSHOT_JSON);
	struct csn_error err = CSN_ERROR_INIT;
	int result = options->json ? csn_snapshot_write_json(snapshot, &out, &err)
				   : csn_render_snapshot(snapshot, &render, &out, &err);

	if (result < 0)
		return bt_fail(run->subject, &err);
	if (options->json)
		csn_buf_putc(&out, '\n');
	if (csn_write_full(run->result_fd, out.data, out.size) < 0)
		return 2;
	return csn_engine_is_partial(snapshot) ? 1 : 0;
}

/* A number is a process, even if a file has that name. */
static bool bt_is_snapshot(const char *operand)
{
	struct stat st;
	uint64_t pid;

	return !csn_parse_u64(operand, 10, &pid) && stat(operand, &st) == 0 && S_ISREG(st.st_mode);
}

/* A core without --core in front is the likeliest slip. */
static bool bt_is_elf(const char *path)
{
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	char magic[4];

	return fd >= 0 && csn_read_full(fd, magic, 4) == 4 && memcmp(magic, "\177ELF", 4) == 0;
}

/* Confined: all that is foreign is read here. */
static int bt_analyse(void *context, const struct csn_opener *opener, const char *absent)
{
	cleanup_(csn_snapshot_freep) struct csn_snapshot *snapshot = NULL;
	struct bt_run *run = context;
	const struct bt_options *options = run->options;
	const struct csn_engine_options engine = {
		.executable = run->executable,
		.sysroot = options->sysroot,
		.salvage = *run->salvage ? run->salvage : NULL,
		.opener = opener,
		.keep_answers = run->files.cache != NULL,
		.variables = run->variables,
		.values = &options->values,
		.globals = options->globals,
		.no_registers = !options->verbose && !options->json,
		.depth = options->depth,
		.privacy = run->privacy,
		.scripts = run->scripts,
		.progress = csn_progress_line_sink(&run->progress),
		.fetch = run->broker ? csn_broker_fetch : NULL,
		.fetch_context = run->broker,
	};
	struct csn_error err = CSN_ERROR_INIT;
	int result = csn_engine_read(&run->input, &err);

	(void)absent;
	if (result == 0)
		result = csn_engine_snapshot(&run->input, &engine, &snapshot, NULL, &err);
	csn_progress_line_stop(&run->progress);
	return result < 0 ? bt_fail(run->subject, &err) : bt_leave(run, snapshot);
}

/* Confined too: a snapshot comes from elsewhere. */
static int bt_read_snapshot(void *context, const struct csn_opener *opener, const char *absent)
{
	cleanup_(csn_snapshot_freep) struct csn_snapshot *snapshot = NULL;
	struct bt_run *run = context;
	struct csn_error err = CSN_ERROR_INIT;

	(void)opener;
	(void)absent;
	if (csn_snapshot_read_fd(run->snapshot_fd, run->subject, &snapshot, &err) < 0)
		return bt_fail(NULL, &err);
	return bt_leave(run, snapshot);
}

static void bt_prepare(void *context)
{
	struct bt_run *run = context;

	csn_progress_line_start(&run->progress, "bt");
}

/* What needs the rights of whoever started us, before the fork; nothing foreign is read. */
static int bt_open(struct bt_run *run, const char *operand, struct csn_error *err)
{
	const struct bt_options *options = run->options;
	const struct csn_broker_options servers = {
		.urls = options->debuginfod,
		.timeout_seconds = options->debuginfod_timeout,
		.progress = csn_progress_line_sink(&run->progress),
	};
	int rc = csn_script_options_read(&options->modules, &run->scripts, err);

	run->variables = options->verbose ? CSN_VARIABLES_ALL
			 : run->scripts   ? CSN_VARIABLES_ARGUMENTS
					  : CSN_VARIABLES_NONE;
	if (options->verbose && options->variables &&
	    !csn_engine_variables_find(options->variables, &run->variables))
		return csn_fail(err, CSN_E_USAGE,
				"bad --variables; use none, faulted, arguments or all");
	if (rc == 0)
		rc = csn_privacy_open(options->privacy, &run->privacy, err);
	if (rc == 0)
		rc = csn_broker_start(&servers, &run->broker, err);
	if (rc == 0)
		rc = csn_engine_open(operand, options->core, &run->input, err);
	if (rc < 0)
		return rc;
	run->executable = options->core ? operand : NULL;
	run->given[0] = run->executable;
	run->given[1] = options->sysroot;
	run->given[2] = run->input.executable;
	csn_local_files_init(&run->files, csn_engine_cache_folder(options->cache, run->cache,
								  sizeof(run->cache)));
	run->files.given = run->given;
	run->files.n_given = csn_countof(run->given);
	return 0;
}

/* Runs the child once: what it left is in result_fd, unless it did not end by itself. */
static int bt_try(struct bt_run *run, csn_sandbox_fn what, struct csn_sandbox_end *ret_end,
		  struct csn_error *err)
{
	const int keep[] = { run->result_fd, run->snapshot_fd, csn_broker_fd(run->broker),
			     run->snapshot_fd < 0 ? csn_engine_subject_fd(&run->input) : -1 };
	const struct csn_sandbox_options options = {
		.opener = csn_local_files_opener(&run->files),
		.run = what,
		.prepare = bt_prepare,
		.context = run,
		.keep = keep,
		.n_keep = csn_countof(keep),
		.mapped_bytes = csn_engine_subject_bytes(&run->input),
		.seconds = CSN_MAX_SANDBOX_SECONDS +
			   (run->broker ? CSN_BROKER_ROUNDS * run->options->debuginfod_timeout : 0),
	};

	if (ftruncate(run->result_fd, 0) < 0 || lseek(run->result_fd, 0, SEEK_SET) < 0)
		return csn_fail_os(err, errno, "memfd");
	return csn_sandbox_run(&options, ret_end, err);
}

/* Returns the exit status. */
static int bt_confined(struct bt_run *run, csn_sandbox_fn what)
{
	struct csn_error err = CSN_ERROR_INIT;
	struct csn_sandbox_end end = { 0 };
	char text[96];

	run->result_fd = memfd_create("text", MFD_CLOEXEC);
	if (run->result_fd < 0) {
		csn_fail_os(&err, errno, "memfd_create");
		return bt_fail(run->subject, &err);
	}
	for (int tries = 0; tries < 2; tries++) {
		if (bt_try(run, what, &end, &err) < 0)
			return bt_fail(run->subject, &err);
		if (end.status >= 0 || what == bt_read_snapshot)
			break;
		csn_sandbox_describe(&end, text, sizeof(text));
		snprintf(run->salvage, sizeof(run->salvage),
			 "analysis: the confined process %s; registers and ends of stacks only",
			 text);
	}
	if (end.status < 0) {
		csn_sandbox_describe(&end, text, sizeof(text));
		csn_fail(&err, CSN_E_OS, "the confined process that read it %s", text);
		return bt_fail(run->subject, &err);
	}
	if (lseek(run->result_fd, 0, SEEK_SET) < 0 ||
	    csn_copy_fd(run->result_fd, STDOUT_FILENO, CSN_MAX_SNAPSHOT_JSON, NULL, NULL) < 0)
		return 2;
	return end.status;
}

static int bt_go(struct bt_run *run, const char *operand)
{
	struct csn_error err = CSN_ERROR_INIT;

	if (run->options->core || !bt_is_snapshot(operand)) {
		if (bt_open(run, operand, &err) < 0)
			return bt_fail(run->subject, &err);
		return bt_confined(run, bt_analyse);
	}
	if (bt_is_elf(operand)) {
		csn_fail(&err, CSN_E_USAGE, "not a snapshot; for a core write --core before it");
		return bt_fail(operand, &err);
	}
	run->snapshot_fd = open(operand, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (run->snapshot_fd < 0) {
		csn_fail_os(&err, errno, "%s", operand);
		return bt_fail(NULL, &err);
	}
	return bt_confined(run, bt_read_snapshot);
}

int bt_run(const struct bt_options *options, const char *operand)
{
	struct bt_run run = {
		.options = options,
		.subject = options->core ? options->core : operand,
		.colour = bt_wants_colour(),
		.input = CSN_ENGINE_SUBJECT_INIT,
		.files = { .folder_fd = -1 },
		.snapshot_fd = -1,
		.result_fd = -1,
	};
	int status = bt_go(&run, operand);

	csn_local_files_done(&run.files);
	csn_engine_subject_done(&run.input);
	csn_broker_free(run.broker);
	csn_privacy_free(run.privacy);
	csn_script_sources_free(run.scripts);
	csn_closep(&run.snapshot_fd);
	csn_closep(&run.result_fd);
	return status;
}
