/* morgue describe: the attributes that can be asked for. */
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json_load.h"
#include "base/limits.h"
#include "morgue.h"

struct describe {
	bool all, disabled, custom, json;
	const char *table;
	regex_t regex; /* of names; set when has_regex */
	bool has_regex;
};

static void describe_done(struct describe *describe)
{
	if (describe->has_regex)
		regfree(&describe->regex);
}

static bool is_custom(const json_t *row)
{
	return csn_json_get_bool(row, "custom", false);
}

static bool is_used(const json_t *row)
{
	return csn_json_get_bool(json_object_get(row, "statistics"), "used", true);
}

static bool is_disabled(const json_t *row)
{
	return strcmp(csn_json_get_string(row, "state", "enabled"), "enabled") != 0;
}

/* Enabled before disabled, built-in before custom, then by name. */
static int compare_rows(const void *a, const void *b)
{
	const json_t *left = *(json_t *const *)a, *right = *(json_t *const *)b;

	if (is_disabled(left) != is_disabled(right))
		return is_disabled(left) ? 1 : -1;
	if (is_custom(left) != is_custom(right))
		return is_custom(left) ? 1 : -1;
	return strcmp(csn_json_get_string(left, "name", ""),
		      csn_json_get_string(right, "name", ""));
}

static bool is_wanted(const struct describe *describe, const json_t *row)
{
	const char *name = csn_json_get_string(row, "name", "");

	if (describe->custom && !is_custom(row))
		return false;
	return !describe->has_regex || regexec(&describe->regex, name, 0, NULL, 0) == 0;
}

static void put_row(struct csn_buf *out, const json_t *row, int width)
{
	cleanup_(csn_buf_done) struct csn_buf name = CSN_BUF_INIT(CSN_MIB);

	morgue_put_text(&name, csn_json_get_string(row, "name", ""));
	csn_buf_printf(out, "%*s: ", width, csn_buf_text(&name));
	morgue_put_text(out, csn_json_get_string(row, "description", ""));
	if (is_disabled(row)) {
		csn_buf_puts(out, " [disabled]");
		if (csn_json_get_int(row, "seen", 0)) {
			csn_buf_puts(out, " (Seen at ");
			morgue_put_date(out, csn_json_get_int(row, "seen", 0));
			csn_buf_putc(out, ')');
		}
	} else if (!is_used(row)) {
		csn_buf_puts(out, " [unused]");
	}
	csn_buf_putc(out, '\n');
}

static int print_rows(const struct describe *describe, json_t **rows, size_t n)
{
	cleanup_(csn_buf_done) struct csn_buf out = CSN_BUF_INIT(CSN_MAX_HTTP_REPLY);
	size_t i, hidden = 0;
	int width = 0;

	for (i = 0; i < n; i++) {
		int length = (int)strlen(csn_json_get_string(rows[i], "name", ""));

		if (length > width && length <= 40)
			width = length;
	}
	for (i = 0; i < n; i++) {
		if (!is_custom(rows[i]) && !is_used(rows[i]) && !describe->all)
			hidden++;
		else
			put_row(&out, rows[i], width);
	}
	if (hidden)
		csn_buf_printf(&out, "Hiding %zu unused attributes (-a to list all).\n", hidden);
	return morgue_print(&out);
}

static int print_json(json_t **rows, size_t n)
{
	cleanup_json json_t *array = json_array();
	cleanup_free char *text = NULL;
	size_t i;

	for (i = 0; i < n; i++)
		json_array_append(array, rows[i]);
	text = json_dumps(array, JSON_INDENT(2));
	if (!text)
		return morgue_fail("out of memory");
	puts(text);
	return 0;
}

static int show(const struct describe *describe, const json_t *reply)
{
	const json_t *array = json_object_get(reply, "describe");
	size_t i, n = 0, total = json_array_size(array);
	cleanup_free json_t **rows = calloc(total + 1, sizeof(json_t *));

	if (!rows)
		return morgue_fail("out of memory");
	if (!json_is_array(array))
		return morgue_fail("the server's answer describes nothing");
	for (i = 0; i < total; i++)
		if (is_wanted(describe, json_array_get(array, i)))
			rows[n++] = json_array_get(array, i);
	qsort((void *)rows, n, sizeof(json_t *), compare_rows);
	return describe->json ? print_json(rows, n) : print_rows(describe, rows, n);
}

static int run(struct morgue *morgue, const struct describe *describe, const char *name)
{
	cleanup_(csn_buf_done) struct csn_buf url = CSN_BUF_INIT(CSN_MAX_PATH);
	cleanup_json json_t *reply = NULL;
	struct morgue_project project;
	int status = morgue_session_load(morgue);

	if (!status)
		status = morgue_project_parse(morgue, name, &project);
	if (status)
		return status;
	morgue_url(&url, morgue_session_endpoint(morgue), "/api/query",
		   (const char *const[]){
			   "token", morgue_session_token(morgue), "action", "describe", "universe",
			   project.universe, "project", project.name, "disabled",
			   describe->disabled ? "true" : "false", "table", describe->table, NULL });
	status = morgue_post_json(morgue, csn_buf_text(&url), NULL, &reply, NULL);
	return status ? status : show(describe, reply);
}

int morgue_describe(int argc, char **argv, void *context)
{
	struct morgue *morgue = context;
	cleanup_(describe_done) struct describe describe = { 0 };
	const struct csn_option options[] = {
		MORGUE_COMMON_OPTIONS(morgue),
		{ "all", 'a', CSN_OPT_FLAG, NULL, "built-in ones without values too",
		  &describe.all },
		{ "disabled", 'r', CSN_OPT_FLAG, NULL, "those seen but not declared too",
		  &describe.disabled },
		{ "custom", 'u', CSN_OPT_FLAG, NULL, "only those that users declared",
		  &describe.custom },
		{ "table", 0, CSN_OPT_STRING, "TABLE", "of another table", &describe.table },
		{ "json", 0, CSN_OPT_FLAG, NULL, "print JSON", &describe.json },
		{ NULL },
	};
	const struct csn_program program = {
		.name = "morgue describe",
		.summary = "Lists the attributes of a project; REGEX (POSIX extended) picks names.",
		.usages = (const char *const[]){ "morgue describe [OPTION...] PROJECT [REGEX]",
						 NULL },
		.options = options,
	};
	int first, status = csn_options_parse(&program, argc, argv, &first);

	if (status >= 0)
		return status;
	if (argc - first != 1 && argc - first != 2)
		return csn_usage_error(&program, "one project is needed");
	if (argc - first == 2) {
		if (regcomp(&describe.regex, argv[first + 1], REG_EXTENDED | REG_NOSUB) != 0)
			return csn_usage_error(&program, "'%s' is no regular expression",
					       argv[first + 1]);
		describe.has_regex = true;
	}
	return run(morgue, &describe, argv[first]);
}
