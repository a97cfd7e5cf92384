/* What `coresnap status` says of watch.path. */
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json_load.h"
#include "base/text.h"
#include "coresnap.h"
#include "host/finder.h"

#define MAX_SHOWN 1024

static void print_row(const char *word, const json_t *row, const char *name)
{
	char shown[MAX_SHOWN], problem[MAX_SHOWN];
	const char *why = csn_json_get_string(row, "problem", NULL);

	printf("%-14s%s%s%s\n", word,
	       csn_escape_to(shown, sizeof(shown), csn_json_get_string(row, name, "?")),
	       why ? ": " : "", why ? csn_escape_to(problem, sizeof(problem), why) : "");
}

void coresnap_print_watch(const struct csn_host *host)
{
	cleanup_json json_t *report = csn_finder_load_report(&host->spool);
	const json_t *folders = json_object_get(report, "folders"),
		     *refused = json_object_get(report, "refused");
	long long more = csn_json_get_int(report, "refused_total", 0);
	size_t i;

	for (i = 0; i < json_array_size(folders); i++)
		print_row("watch", json_array_get(folders, i), "path");
	for (i = 0; i < json_array_size(refused); i++)
		print_row("not taken", json_array_get(refused, i), "file");
	if (more > (long long)i)
		printf("%-14s%lld more\n", "not taken", more - (long long)i);
}

void coresnap_write_watch(struct csn_json *json, const struct csn_host *host)
{
	cleanup_json json_t *report = csn_finder_load_report(&host->spool);
	cleanup_free char *text = report ? json_dumps(report, JSON_COMPACT) : NULL;

	if (!text)
		return;
	csn_json_key(json, "watch");
	csn_json_raw(json, text, strlen(text));
}
