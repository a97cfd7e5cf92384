/* What the finder tells: lines of the log, and <beside>/watch for `coresnap status`. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/json.h"
#include "base/json_load.h"
#include "base/text.h"
#include "host/finder_internal.h"

#define REPORT_FILE "watch"

/* Whoever fills a folder with rubbish does not fill the log. */
void finder_say(struct csn_finder *finder, int level, const char *format, ...)
{
	cleanup_(csn_buf_done) struct csn_buf text = CSN_BUF_INIT(CSN_MAX_LOG_LINE);
	va_list args;

	if (finder->lines_left == 0)
		return;
	va_start(args, format);
	csn_buf_vprintf(&text, format, args);
	va_end(args);
	csn_host_say(finder->host, level, "watch: %s", csn_buf_text(&text));
	if (--finder->lines_left == 0)
		csn_host_say(
			finder->host, LOG_WARNING,
			"watch: no more lines of this kind for a while; see 'coresnap status'");
}

void finder_refuse(struct csn_finder *finder, struct finder_file *file, int level,
		   const char *problem)
{
	cleanup_free char *path = finder_path_of(finder, file);
	bool is_new = !file->problem || strcmp(file->problem, problem) != 0;

	if (!is_new)
		return;
	free(file->problem);
	file->problem = strdup(problem);
	finder->report_due = true;
	finder_say(finder, level, "%s stays: %s", path ? path : file->name, problem);
}

void finder_set_folder_problem(struct csn_finder *finder, unsigned folder, const char *problem)
{
	struct finder_folder *place = &finder->folders[folder];

	if (!problem ? !place->problem : place->problem && strcmp(place->problem, problem) == 0)
		return;
	free(place->problem);
	place->problem = problem ? strdup(problem) : NULL;
	finder->report_due = true;
	if (problem)
		csn_host_say(finder->host, LOG_ERR, "watch: %s: %s", place->path, problem);
	else
		csn_host_say(finder->host, LOG_INFO, "watch: %s: cores there are taken",
			     place->path);
}

static void put_folders(struct csn_json *json, const struct csn_finder *finder)
{
	unsigned i;

	csn_json_key(json, "folders");
	csn_json_begin_array(json);
	for (i = 0; i < finder->n_folders; i++) {
		csn_json_begin_object(json);
		csn_json_member_string(json, "path", finder->folders[i].path);
		csn_json_member_string(json, "problem", finder->folders[i].problem);
		csn_json_end_object(json);
	}
	csn_json_end_array(json);
}

static void put_files(struct csn_json *json, const struct csn_finder *finder)
{
	size_t i, count = 0;

	csn_json_key(json, "refused");
	csn_json_begin_array(json);
	for (i = 0; i < finder->n_files; i++) {
		const struct finder_file *file = &finder->files[i];
		cleanup_free char *path = NULL;

		if (!file->problem || ++count > CSN_MAX_FINDER_TOLD)
			continue;
		path = finder_path_of(finder, file);
		csn_json_begin_object(json);
		csn_json_member_string(json, "file", path);
		csn_json_member_string(json, "problem", file->problem);
		csn_json_end_object(json);
	}
	csn_json_end_array(json);
	csn_json_member_uint(json, "refused_total", count);
}

void finder_report(struct csn_finder *finder)
{
	cleanup_(csn_buf_done) struct csn_buf out = CSN_BUF_INIT(CSN_MAX_FINDER_REPORT);
	struct csn_json json = csn_json_to(&out);
	struct csn_error err = CSN_ERROR_INIT;

	if (!finder->report_due)
		return;
	finder->report_due = false;
	csn_json_begin_object(&json);
	put_folders(&json, finder);
	put_files(&json, finder);
	csn_json_member_uint(&json, "taken", finder->n_taken);
	csn_json_end_object(&json);
	if (csn_buf_check(&out, REPORT_FILE, &err) < 0 ||
	    csn_write_file(finder->host->spool.beside_fd, REPORT_FILE, out.data, out.size, 0600,
			   &err) < 0)
		csn_host_say(finder->host, LOG_WARNING, "watch: %s", err.text);
}

json_t *csn_finder_load_report(const struct csn_spool *spool)
{
	cleanup_(csn_buf_done) struct csn_buf text = CSN_BUF_INIT(CSN_MAX_FINDER_REPORT);
	cleanup_json json_t *report = NULL;

	if (csn_read_file(spool->beside_fd, REPORT_FILE, &text, NULL) < 0 ||
	    csn_json_load(csn_buf_text(&text), text.size, &report, NULL) < 0 ||
	    !json_is_object(report))
		return NULL;
	return csn_take(report);
}
