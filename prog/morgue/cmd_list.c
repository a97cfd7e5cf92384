/* morgue list: finds crashes, groups and counts them. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/json_load.h"
#include "base/limits.h"
#include "list.h"
#include "morgue.h"

static unsigned terminal_width(void)
{
	struct winsize size;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col >= 40)
		return size.ws_col;
	return 80;
}

static int append_csv(const struct list_options *options, const json_t *reply)
{
	cleanup_(csn_buf_done) struct csn_buf out = CSN_BUF_INIT(CSN_MAX_HTTP_REPLY);
	cleanup_close int fd = -1;
	struct csn_error err = CSN_ERROR_INIT;
	int r;

	if (list_print_csv(&out, reply, &err) < 0)
		return morgue_fail("%s", err.text);
	fd = open(options->csv, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
	if (fd < 0)
		return morgue_fail("%s: %s", options->csv, strerror(errno));
	r = csn_write_full(fd, csn_buf_text(&out), out.size);
	return r < 0 ? morgue_fail("%s: %s", options->csv, strerror(-r)) : 0;
}

static int print_json(const json_t *reply)
{
	cleanup_(csn_buf_done) struct csn_buf out = CSN_BUF_INIT(CSN_MAX_HTTP_REPLY);
	cleanup_json json_t *json = NULL;
	cleanup_free char *text = NULL;
	struct csn_error err = CSN_ERROR_INIT;

	if (list_to_json(reply, &json, &err) < 0)
		return morgue_fail("%s", err.text);
	text = json_dumps(json, JSON_INDENT(2));
	if (!text)
		return morgue_fail("out of memory");
	csn_buf_puts(&out, text);
	csn_buf_putc(&out, '\n');
	return morgue_print(&out);
}

/* The bounds of the sparkline that the query asked for. */
static void read_bounds(const json_t *query, struct list_view *view)
{
	const json_t *terms = json_object_get(json_object_get(query, "fold"), view->column);
	size_t i;

	for (i = 0; i < json_array_size(terms); i++) {
		const json_t *term = json_array_get(terms, i);

		if (json_array_size(term) != 4)
			continue;
		view->start = json_integer_value(json_array_get(term, 2));
		view->stop = json_integer_value(json_array_get(term, 3));
	}
}

static int print_text(const struct list_options *options, const struct morgue_project *project,
		      const json_t *query, const json_t *reply, int64_t now)
{
	cleanup_(csn_buf_done) struct csn_buf out = CSN_BUF_INIT(4 * CSN_MAX_HTTP_REPLY);
	struct list_view view = {
		.universe = project->universe,
		.project = project->name,
		.age = options->age,
		.column = options->timestamp_attribute ? options->timestamp_attribute : "timestamp",
		.now = now,
		.width = terminal_width(),
		.verbose = options->verbose,
		.colors = morgue_colors_for(STDOUT_FILENO),
	};
	struct csn_error err = CSN_ERROR_INIT;

	read_bounds(query, &view);
	if (list_print(&out, reply, &view, &err) < 0)
		return morgue_fail("%s", err.text);
	return morgue_print(&out);
}

static int show_query(const json_t *query)
{
	cleanup_free char *text = json_dumps(query, JSON_INDENT(2));

	if (!text)
		return morgue_fail("out of memory");
	puts(text);
	return 0;
}

static int run_query(struct morgue *morgue, const struct list_options *options, const char *name)
{
	cleanup_(csn_buf_done) struct csn_buf url = CSN_BUF_INIT(CSN_MAX_PATH);
	cleanup_(csn_buf_done) struct csn_buf raw = CSN_BUF_INIT(CSN_MAX_HTTP_REPLY);
	cleanup_json json_t *query = NULL, *reply = NULL;
	struct morgue_project project;
	struct csn_error err = CSN_ERROR_INIT;
	int64_t now = csn_realtime_ns() / CSN_NS_PER_SECOND;
	int status;

	if (list_query_make(options, now, &query, &err) < 0)
		return morgue_fail("%s", err.text);
	if (options->query_only)
		return show_query(query);
	status = morgue_session_load(morgue);
	if (!status)
		status = morgue_project_parse(morgue, name, &project);
	if (status)
		return status;
	morgue_url(&url, morgue_session_endpoint(morgue), "/api/query",
		   (const char *const[]){ "token", morgue_session_token(morgue), "universe",
					  project.universe, "project", project.name, NULL });
	status = morgue_post_json(morgue, csn_buf_text(&url), query, &reply, &raw);
	if (status)
		return status;
	if (options->raw) {
		csn_buf_putc(&raw, '\n');
		return morgue_print(&raw);
	}
	if (options->csv)
		return append_csv(options, reply);
	return options->json ? print_json(reply) : print_text(options, &project, query, reply, now);
}

static int parse_and_run(struct morgue *morgue, struct list_options *o, int argc, char **argv)
{
	const struct csn_option options[] = {
		MORGUE_COMMON_OPTIONS(morgue),
		{ "age", 0, CSN_OPT_STRING, "AGE", "objects of the last 12h, 2w, 1y (1M)",
		  &o->age },
		{ "time", 0, CSN_OPT_STRING, "FROM[,TO]", "objects of a time: date, seconds or age",
		  &o->time },
		{ "filter", 0, CSN_OPT_LIST, "A,OP[,VALUE]", "only where it holds", &o->filters },
		{ "fingerprint", 0, CSN_OPT_STRING, "HEX", "only this group, or those beginning so",
		  &o->fingerprint },
		{ "factor", 0, CSN_OPT_STRING, "A", "one group per value of the attribute",
		  &o->factor },
		{ "select", 0, CSN_OPT_LIST, "A", "list the objects with this attribute",
		  &o->selects },
		{ "select-wildcard", 0, CSN_OPT_LIST, "KIND", "all physical, derived or virtual",
		  &o->wildcards },
		{ "sort", 0, CSN_OPT_LIST, "[-]TERM", "A, A;N (N-th fold), ;count, ;group",
		  &o->sorts },
		{ "limit", 0, CSN_OPT_U64, "N", "at most so many groups or objects", &o->limit },
		{ "offset", 0, CSN_OPT_U64, "N", "skip so many", &o->offset },
		{ "head", 0, CSN_OPT_LIST, "A", "value of the oldest object",
		  &o->folds[LIST_HEAD] },
		{ "tail", 0, CSN_OPT_LIST, "A", "value of the newest object",
		  &o->folds[LIST_TAIL] },
		{ "first", 0, CSN_OPT_LIST, "A", "value of the first to arrive",
		  &o->folds[LIST_FIRST] },
		{ "last", 0, CSN_OPT_LIST, "A", "value of the last to arrive",
		  &o->folds[LIST_LAST] },
		{ "object", 0, CSN_OPT_LIST, "A", "an object's id", &o->folds[LIST_OBJECT] },
		{ "histogram", 0, CSN_OPT_LIST, "A", "how often each value",
		  &o->folds[LIST_HISTOGRAM] },
		{ "distribution", 0, CSN_OPT_LIST, "A[,N]", "the N most frequent values",
		  &o->folds[LIST_DISTRIBUTION] },
		{ "unique", 0, CSN_OPT_LIST, "A", "how many values", &o->folds[LIST_UNIQUE] },
		{ "count", 0, CSN_OPT_LIST, "A", "how many objects have it",
		  &o->folds[LIST_COUNT] },
		{ "sum", 0, CSN_OPT_LIST, "A", "sum", &o->folds[LIST_SUM] },
		{ "mean", 0, CSN_OPT_LIST, "A", "mean", &o->folds[LIST_MEAN] },
		{ "min", 0, CSN_OPT_LIST, "A", "smallest", &o->folds[LIST_MIN] },
		{ "max", 0, CSN_OPT_LIST, "A", "largest", &o->folds[LIST_MAX] },
		{ "range", 0, CSN_OPT_LIST, "A", "smallest and largest", &o->folds[LIST_RANGE] },
		{ "bin", 0, CSN_OPT_LIST, "A[,N,LO,HI]", "counts in N equal ranges",
		  &o->folds[LIST_BIN] },
		{ "quantize", 0, CSN_OPT_LIST, "A[,N,LO,HI]", "the same",
		  &o->folds[LIST_QUANTIZE] },
		{ "quantize-uint", 0, CSN_OPT_LIST, "NAME,A,SIZE[,OFF]", "a column in steps",
		  &o->virtual_columns },
		{ "timestamp-attribute", 0, CSN_OPT_STRING, "A", "the time to go by (timestamp)",
		  &o->timestamp_attribute },
		{ "no-implicit-filters", 0, CSN_OPT_FLAG, NULL, "of any time",
		  &o->no_implicit_filters },
		{ "table", 0, CSN_OPT_STRING, "TABLE", "objects, issues, ...", &o->table },
		{ "template", 0, CSN_OPT_STRING, "NAME", "a query template of the server",
		  &o->template },
		{ "raw-query", 0, CSN_OPT_STRING, "JSON", "send this query as it is",
		  &o->raw_query },
		{ "query", 0, CSN_OPT_FLAG, NULL, "print the query, send nothing", &o->query_only },
		{ "json", 0, CSN_OPT_FLAG, NULL, "print JSON", &o->json },
		{ "raw", 0, CSN_OPT_FLAG, NULL, "print the server's reply as it came", &o->raw },
		{ "csv", 0, CSN_OPT_STRING, "FILE", "append a selection to a file", &o->csv },
		{ "verbose", 'v', CSN_OPT_FLAG, NULL, "whole names, and where the time went",
		  &o->verbose },
		{ NULL },
	};
	const struct csn_program program = {
		.name = "morgue list",
		.summary = "Finds crashes, groups and counts them.",
		.usages =
			(const char *const[]){ "morgue list [OPTION...] [UNIVERSE/]PROJECT", NULL },
		.options = options,
		.examples =
			(const char *const[]){
				"morgue list blackhole",
				"morgue list blackhole --factor=fingerprint --head=callstack "
				"--histogram=hostname",
				"morgue list blackhole --age=1w --filter=signal,equal,SIGSEGV "
				"--select=callstack",
				NULL,
			},
		.notes = "Operators: equal not-equal contains not-contains regular-expression "
			 "inverse-regular-expression\nat-least at-most greater-than less-than "
			 "is-set "
			 "is-not-set.",
	};
	int first, status = csn_options_parse(&program, argc, argv, &first);

	if (status >= 0)
		return status;
	if (argc - first != 1)
		return csn_usage_error(&program, "one project is needed");
	return run_query(morgue, o, argv[first]);
}

int morgue_list(int argc, char **argv, void *context)
{
	cleanup_(list_options_done) struct list_options options = { 0 };

	return parse_and_run(context, &options, argc, argv);
}
