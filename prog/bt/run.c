#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/limits.h"
#include "base/text.h"
#include "broker/broker.h"
#include "bt.h"
#include "render/stack.h"
#include "snapshot/document.h"

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

static int bt_print(const struct bt_options *options, const struct csn_snapshot *snapshot,
		    const char *subject)
{
	const struct csn_render_options render = {
		.colour = bt_wants_colour(),
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
		return bt_fail(subject, &err);
	if (options->json)
		csn_buf_putc(&out, '\n');
	if (csn_write_full(STDOUT_FILENO, out.data, out.size) < 0)
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

static int bt_analyse(const struct bt_options *options, const char *operand,
		      struct csn_snapshot **ret_snapshot, struct csn_error *err)
{
	cleanup_(csn_target_freep) struct csn_target *target = NULL;
	cleanup_(csn_broker_freep) struct csn_broker *broker = NULL;
	cleanup_(csn_privacy_freep) struct csn_privacy *privacy = NULL;
	struct csn_progress_line progress;
	char cache[CSN_MAX_PATH];
	struct csn_engine_options engine = {
		.executable = options->core ? operand : NULL,
		.sysroot = options->sysroot,
		.cache = csn_engine_cache_folder(options->cache, cache, sizeof(cache)),
		.variables = options->verbose ? CSN_VARIABLES_ALL : CSN_VARIABLES_NONE,
		.values = &options->values,
		.no_registers = !options->verbose && !options->json,
		.depth = options->depth,
		.progress = csn_progress_line_sink(&progress),
	};
	const struct csn_broker_options servers = {
		.urls = options->debuginfod,
		.timeout_seconds = options->debuginfod_timeout,
		.progress = engine.progress,
	};
	int result;

	if (options->verbose && options->variables &&
	    !csn_engine_variables_find(options->variables, &engine.variables))
		return csn_fail(err, CSN_E_USAGE,
				"bad --variables; use none, faulted, arguments or all");
	result = csn_privacy_open(options->privacy, &privacy, err);

	engine.privacy = privacy;
	if (result == 0)
		result = csn_broker_start(&servers, &broker, err);
	if (broker) {
		engine.fetch = csn_broker_fetch;
		engine.fetch_context = broker;
	}
	csn_progress_line_start(&progress, "bt");
	if (result == 0)
		result = csn_engine_open(operand, options->core, &target, err);
	if (result == 0)
		result = csn_engine_snapshot(target, &engine, ret_snapshot, NULL, err);
	csn_progress_line_stop(&progress);
	return result;
}

int bt_run(const struct bt_options *options, const char *operand)
{
	cleanup_(csn_snapshot_freep) struct csn_snapshot *snapshot = NULL;
	const char *subject = options->core ? options->core : operand;
	struct csn_error err = CSN_ERROR_INIT;
	int result;

	if (!options->core && bt_is_snapshot(operand)) {
		if (bt_is_elf(operand)) {
			csn_fail(&err, CSN_E_USAGE,
				 "not a snapshot; for a core write --core "
				 "before it");
			return bt_fail(operand, &err);
		}
		result = csn_snapshot_read_file(operand, &snapshot, &err);
		subject = NULL;
	} else {
		result = bt_analyse(options, operand, &snapshot, &err);
	}
	if (result < 0)
		return bt_fail(subject, &err);
	return bt_print(options, snapshot, subject);
}
