/* The part of coresnap status about the spool's disk: limits, refusals, evictions, the reserve. */
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "coresnap.h"
#include "host/inventory.h"
#include "host/metrics.h"
#include "spool/fallback.h"
#include "spool/reserve.h"

/* Nobody but root can see it. */
static size_t count_waiting(const struct csn_host *host)
{
	cleanup_(csn_fallback_close) struct csn_fallback place = CSN_FALLBACK_INIT;
	struct csn_error ignored;

	return csn_fallback_open(host->conf.archive_path, false, &place, &ignored) < 0
		       ? 0
		       : csn_fallback_count(&place);
}

int status_disk_collect(const struct csn_host *host, struct status_disk *disk,
			struct csn_error *err)
{
	cleanup_(csn_inventory_done) struct csn_inventory inventory = { 0 };
	int r = csn_inventory_take(&host->spool, NULL, &inventory, err);

	if (r < 0)
		return r;
	disk->usage = inventory.usage;
	disk->limits = csn_host_get_limits(host);
	disk->waiting = count_waiting(host);
	disk->reserve = csn_reserve_count(&host->spool);
	disk->counted =
		csn_counters_read(&host->spool, &disk->counters, &disk->counters_error) == 0;
	return 0;
}

/* The figures of one family that are not zero, in one line: "3 quota, 1 disk-full". */
static void print_family(const struct status_disk *disk, const char *word, const char *family)
{
	size_t count, i;
	const struct csn_metric *rows = csn_metrics_table(&count);
	const char *separator = "";

	for (i = 0; i < count; i++) {
		uint64_t figure = disk->counters.values[rows[i].counter];

		if (strcmp(rows[i].family, family) != 0 || figure == 0)
			continue;
		if (!*separator)
			printf("%-14s", word);
		printf("%s%llu %s", separator, (unsigned long long)figure, rows[i].value);
		separator = ", ";
	}
	if (*separator)
		putchar('\n');
}

static void print_counters(const struct status_disk *disk)
{
	static const struct {
		const char *word, *family;
	} families[] = {
		{ "refused", "coresnap_refused" },
		{ "lost", "coresnap_lost" },
		{ "evicted", "coresnap_evicted" },
		{ "not sent", "coresnap_upload_failures" },
	};
	const uint64_t *values = disk->counters.values;
	size_t i;

	printf("%-14s%llu: %llu whole, %llu notes, %llu only counted\n", "crashes",
	       (unsigned long long)values[CSN_COUNT_SEEN],
	       (unsigned long long)values[CSN_COUNT_KEPT_FULL],
	       (unsigned long long)values[CSN_COUNT_KEPT_NOTES],
	       (unsigned long long)values[CSN_COUNT_TICKED]);
	for (i = 0; i < csn_countof(families); i++)
		print_family(disk, families[i].word, families[i].family);
	if (values[CSN_COUNT_FALLBACK])
		printf("%-14s%llu crashes waited in /run: the spool could not be used\n",
		       "fallback", (unsigned long long)values[CSN_COUNT_FALLBACK]);
	if (values[CSN_COUNT_RESTARTED])
		printf("%-14sthey were damaged and began again at zero %llu times\n", "counters",
		       (unsigned long long)values[CSN_COUNT_RESTARTED]);
}

void status_disk_print(const struct status_disk *disk)
{
	char used[32], bytes[32], files[32], shown[512];
	const struct csn_spool_limits *limits = &disk->limits;

	csn_format_size(used, sizeof(used), disk->usage.bytes);
	csn_format_size(bytes, sizeof(bytes), limits->bytes);
	snprintf(files, sizeof(files), "%u", limits->files);
	printf("%-14s%s of %s, %u objects of %s%s\n", "limits", used,
	       limits->bytes ? bytes : "any number", disk->usage.files,
	       limits->files ? files : "any number",
	       csn_usage_is_over(&disk->usage, limits)
		       ? ": FULL, crashes keep notes or a count only"
		       : "");
	csn_format_size(used, sizeof(used), (uint64_t)disk->reserve * CSN_RESERVE_PIECE_BYTES);
	csn_format_size(bytes, sizeof(bytes), CSN_RESERVE_PIECES * CSN_RESERVE_PIECE_BYTES);
	printf("%-14s%s of %s\n", "reserve", used, bytes);
	if (disk->waiting)
		printf("%-14s%zu crash%s in /run: the spool could not be used; run 'coresnap "
		       "enable'\n",
		       "waiting", disk->waiting, disk->waiting == 1 ? "" : "es");
	if (disk->counted)
		print_counters(disk);
	else
		printf("%-14s%s\n", "crashes",
		       csn_escape_to(shown, sizeof(shown), disk->counters_error.text));
}

/* Members are named as the metrics are, without the program's name: {"refused": {"quota": 1}}. */
static void write_counters(const struct status_disk *disk, struct csn_json *json)
{
	size_t count, i;
	const struct csn_metric *rows = csn_metrics_table(&count);

	for (i = 0; i < count; i++) {
		const struct csn_metric *row = &rows[i];
		const char *name = row->family + strlen("coresnap_");
		bool last = i + 1 == count || rows[i + 1].help;

		if (!row->label) {
			csn_json_member_uint(json, name, disk->counters.values[row->counter]);
			continue;
		}
		if (row->help) {
			csn_json_key(json, name);
			csn_json_begin_object(json);
		}
		csn_json_member_uint(json, row->value, disk->counters.values[row->counter]);
		if (last)
			csn_json_end_object(json);
	}
}

void status_disk_write(const struct status_disk *disk, struct csn_json *json)
{
	csn_json_member_uint(json, "spool_bytes", disk->usage.bytes);
	csn_json_member_uint(json, "spool_objects", disk->usage.files);
	csn_json_member_uint(json, "spool_limit_bytes", disk->limits.bytes);
	csn_json_member_uint(json, "spool_limit_objects", disk->limits.files);
	csn_json_member_uint(json, "spool_share_percent", disk->limits.share_percent);
	csn_json_member_bool(json, "over_limits", csn_usage_is_over(&disk->usage, &disk->limits));
	csn_json_member_uint(json, "reserve_bytes",
			     (uint64_t)disk->reserve * CSN_RESERVE_PIECE_BYTES);
	csn_json_member_uint(json, "waiting_in_run", disk->waiting);
	csn_json_key(json, "counters");
	csn_json_begin_object(json);
	if (disk->counted)
		write_counters(disk, json);
	csn_json_end_object(json);
}
