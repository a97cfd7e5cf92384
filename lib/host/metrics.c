#include "host/metrics.h"

#include <assert.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "spool/reserve.h"

static const struct csn_metric table[] = {
	{ CSN_COUNT_SEEN, "coresnap_crashes", NULL, NULL, NULL,
	  "Crashes that the kernel handed over." },
	{ CSN_COUNT_KEPT_FULL, "coresnap_kept", "evidence", "full", NULL,
	  "Crashes that were archived, with memory or with notes only." },
	{ CSN_COUNT_KEPT_NOTES, "coresnap_kept", "evidence", "notes", NULL, NULL },
	{ CSN_COUNT_TICKED, "coresnap_ticks", NULL, NULL, NULL,
	  "Crashes of which nothing but the count was kept." },
	{ CSN_COUNT_REFUSED_RATE, "coresnap_refused", "reason", "rate", NULL,
	  "Crashes of which less was kept than asked for." },
	{ CSN_COUNT_REFUSED_QUOTA, "coresnap_refused", "reason", "quota", NULL, NULL },
	{ CSN_COUNT_REFUSED_SPOOL, "coresnap_refused", "reason", "spool", NULL, NULL },
	{ CSN_COUNT_REFUSED_SHARE, "coresnap_refused", "reason", "share", NULL, NULL },
	{ CSN_COUNT_REFUSED_DISK_FULL, "coresnap_refused", "reason", "disk-full", NULL, NULL },
	{ CSN_COUNT_REFUSED_RLIMIT, "coresnap_refused", "reason", "rlimit", NULL, NULL },
	{ CSN_COUNT_LOST_DISK_FULL, "coresnap_lost", "reason", "disk-full", NULL,
	  "Crashes of which nothing was kept, not even the count." },
	{ CSN_COUNT_LOST_UNSEEN, "coresnap_lost", "reason", "unseen", NULL, NULL },
	{ CSN_COUNT_LOST_PRIVILEGE, "coresnap_lost", "reason", "privilege", NULL, NULL },
	{ CSN_COUNT_LOST_OTHER, "coresnap_lost", "reason", "other", NULL, NULL },
	{ CSN_COUNT_KERNEL_REFUSED, "coresnap_kernel_refused", NULL, NULL, NULL,
	  "Crashes that the kernel kept to itself: more than core_pipe_limit at once." },
	{ CSN_COUNT_ARCHIVED_BYTES, "coresnap_archived_bytes", NULL, NULL, "bytes",
	  "Cores written into the spool, as they lie on the disk." },
	{ CSN_COUNT_RESERVE_USED, "coresnap_reserve_used", NULL, NULL, NULL,
	  "Pieces of the reserve given up on a full disk." },
	{ CSN_COUNT_FALLBACK, "coresnap_fallback", NULL, NULL, NULL,
	  "Crashes that waited in /run because the spool could not be used." },
	{ CSN_COUNT_UPLOADS, "coresnap_uploads", NULL, NULL, NULL, "Tries to send a snapshot." },
	{ CSN_COUNT_SENT, "coresnap_sent", NULL, NULL, NULL,
	  "Snapshots that the server has confirmed." },
	{ CSN_COUNT_SENT_BYTES, "coresnap_sent_bytes", NULL, NULL, "bytes",
	  "Snapshots that the server has confirmed." },
	{ CSN_COUNT_FAILED_TEMPORARY, "coresnap_upload_failures", "class", "temporary", NULL,
	  "Tries to send that failed." },
	{ CSN_COUNT_FAILED_DENIED, "coresnap_upload_failures", "class", "denied", NULL, NULL },
	{ CSN_COUNT_FAILED_CONFIGURATION, "coresnap_upload_failures", "class", "configuration",
	  NULL, NULL },
	{ CSN_COUNT_FAILED_DATA, "coresnap_upload_failures", "class", "data", NULL, NULL },
	{ CSN_COUNT_FAILED_OTHER, "coresnap_upload_failures", "class", "other", NULL, NULL },
	{ CSN_COUNT_FAILED_ANALYSIS, "coresnap_analysis_failures", NULL, NULL, NULL,
	  "Analyses that failed." },
	{ CSN_COUNT_QUARANTINED, "coresnap_quarantined", NULL, NULL, NULL,
	  "Objects given up: refused for good, or five failed analyses." },
	{ CSN_COUNT_PURGED, "coresnap_purged", NULL, NULL, NULL, "Objects removed by age." },
	{ CSN_COUNT_EVICTED_SUPPRESSED, "coresnap_evicted", "class", "suppressed", NULL,
	  "Crashes evicted because the spool was over its limits." },
	{ CSN_COUNT_EVICTED_SENT, "coresnap_evicted", "class", "sent", NULL, NULL },
	{ CSN_COUNT_EVICTED_REFUSED, "coresnap_evicted", "class", "refused", NULL, NULL },
	{ CSN_COUNT_EVICTED_DUPLICATE, "coresnap_evicted", "class", "duplicate", NULL, NULL },
	{ CSN_COUNT_EVICTED_FIRST, "coresnap_evicted", "class", "first", NULL, NULL },
	{ CSN_COUNT_EVICTED_BYTES, "coresnap_evicted_bytes", NULL, NULL, "bytes",
	  "Crashes evicted because the spool was over its limits." },
	{ CSN_COUNT_RESTARTED, "coresnap_counters_restarted", NULL, NULL, NULL,
	  "Times that the counters were damaged and began again at zero." },
};

const struct csn_metric *csn_metrics_table(size_t *ret_count)
{
	*ret_count = csn_countof(table);
	return table;
}

static void begin_family(struct csn_buf *out, const char *family, const char *type,
			 const char *unit, const char *help)
{
	csn_buf_printf(out, "# TYPE %s %s\n", family, type);
	if (unit)
		csn_buf_printf(out, "# UNIT %s %s\n", family, unit);
	csn_buf_printf(out, "# HELP %s %s\n", family, help);
}

static void put_counters(const struct csn_counters *counters, struct csn_buf *out)
{
	size_t i;

	for (i = 0; i < csn_countof(table); i++) {
		const struct csn_metric *row = &table[i];
		unsigned long long figure = counters->values[row->counter];

		if (row->help)
			begin_family(out, row->family, "counter", row->unit, row->help);
		if (row->label)
			csn_buf_printf(out, "%s_total{%s=\"%s\"} %llu\n", row->family, row->label,
				       row->value, figure);
		else
			csn_buf_printf(out, "%s_total %llu\n", row->family, figure);
	}
}

static void put_held(const struct csn_counters *counters, struct csn_buf *out)
{
	static const char family[] = "coresnap_held_seconds";
	/* As OpenMetrics wants numbers to be written. */
	static const char *const ends[] = { "0.001", "0.002", "0.003", "0.005", "0.01",
					    "0.02",  "0.05",  "0.1",   "0.2",   "0.5",
					    "1.0",   "2.0",   "+Inf" };
	unsigned long long count = 0;
	uint64_t ns = counters->values[CSN_COUNT_HELD_NS];
	unsigned bucket;

	static_assert(csn_countof(ends) == CSN_HELD_BUCKETS + 1, "one end for each bucket");
	begin_family(out, family, "histogram", "seconds",
		     "How long the helper kept the kernel from letting a process go.");
	for (bucket = 0; bucket <= CSN_HELD_BUCKETS; bucket++) {
		count += counters->values[CSN_COUNT_HELD + bucket];
		csn_buf_printf(out, "%s_bucket{le=\"%s\"} %llu\n", family, ends[bucket], count);
	}
	csn_buf_printf(out, "%s_count %llu\n%s_sum %llu.%09llu\n", family, count, family,
		       (unsigned long long)(ns / CSN_NS_PER_SECOND),
		       (unsigned long long)(ns % CSN_NS_PER_SECOND));
}

static void put_stages(const struct csn_inventory *inventory, struct csn_buf *out)
{
	int stage;

	begin_family(out, "coresnap_objects", "gauge", NULL, "Objects in the spool.");
	for (stage = 0; stage < CSN_N_STAGES; stage++)
		csn_buf_printf(out, "coresnap_objects{stage=\"%s\"} %zu\n",
			       csn_stage_name((enum csn_stage)stage),
			       inventory->stages[stage].objects);
	begin_family(out, "coresnap_objects_bytes", "gauge", "bytes",
		     "Objects in the spool, as they lie on the disk.");
	for (stage = 0; stage < CSN_N_STAGES; stage++)
		csn_buf_printf(out, "coresnap_objects_bytes{stage=\"%s\"} %llu\n",
			       csn_stage_name((enum csn_stage)stage),
			       (unsigned long long)inventory->stages[stage].bytes);
	begin_family(out, "coresnap_oldest_timestamp_seconds", "gauge", "seconds",
		     "When the oldest object came; none while there is none.");
	for (stage = 0; stage < CSN_N_STAGES; stage++)
		if (inventory->stages[stage].objects)
			csn_buf_printf(out,
				       "coresnap_oldest_timestamp_seconds{stage=\"%s\"} %lld\n",
				       csn_stage_name((enum csn_stage)stage),
				       (long long)(inventory->stages[stage].oldest_ns /
						   CSN_NS_PER_SECOND));
}

static void put_gauges(const struct csn_counters *counters, const struct csn_metrics_state *state,
		       struct csn_buf *out)
{
	const struct {
		const char *family, *unit, *help;
		uint64_t value;
	} rows[] = {
		{ "coresnap_spool_bytes", "bytes",
		  "What the spool holds, copied files of the dead included.",
		  state->inventory->usage.bytes },
		{ "coresnap_spool_limit_bytes", "bytes", "spool.bytes; 0: no limit.",
		  state->limits.bytes },
		{ "coresnap_spool_limit_objects", NULL, "spool.files; 0: no limit.",
		  state->limits.files },
		{ "coresnap_reserve_bytes", "bytes", "What is left of the reserve.",
		  state->reserve_bytes },
		{ "coresnap_below_quota", NULL,
		  "1: less free space than dump.quota asks for, nothing is analysed or sent.",
		  state->below_quota },
		{ "coresnap_core_pattern_ours", NULL,
		  "0: core_pattern was changed, crashes do not come here.",
		  state->pattern_is_ours },
		{ "coresnap_counting_since_timestamp_seconds", "seconds",
		  "When the counters began at zero.",
		  (uint64_t)(counters->started_ns / CSN_NS_PER_SECOND) },
	};
	size_t i;

	for (i = 0; i < csn_countof(rows); i++) {
		begin_family(out, rows[i].family, "gauge", rows[i].unit, rows[i].help);
		csn_buf_printf(out, "%s %llu\n", rows[i].family, (unsigned long long)rows[i].value);
	}
}

void csn_metrics_format(const struct csn_counters *counters, const struct csn_metrics_state *state,
			struct csn_buf *out)
{
	put_counters(counters, out);
	put_held(counters, out);
	put_stages(state->inventory, out);
	put_gauges(counters, state, out);
	csn_buf_puts(out, "# EOF\n");
}

int csn_metrics_collect(const struct csn_host *host, bool pattern_is_ours, struct csn_buf *out,
			struct csn_error *err)
{
	cleanup_(csn_inventory_done) struct csn_inventory inventory = { 0 };
	const struct csn_quota quota = csn_host_get_quota(host);
	struct csn_counters counters = { 0 };
	struct csn_spool_space space = { 0 };
	struct csn_metrics_state state = {
		.inventory = &inventory,
		.limits = csn_host_get_limits(host),
		.pattern_is_ours = pattern_is_ours,
		.reserve_bytes =
			(uint64_t)csn_reserve_count(&host->spool) * CSN_RESERVE_PIECE_BYTES,
	};
	int r = csn_inventory_take(&host->spool, NULL, &inventory, err);
	struct csn_error ignored;

	if (r == 0)
		r = csn_spool_get_space(&host->spool, &quota, &space, err);
	if (r < 0)
		return r;
	/* Without them the state is worth telling. */
	if (csn_counters_read(&host->spool, &counters, &ignored) < 0)
		counters = (struct csn_counters){ 0 };
	state.below_quota = space.below;
	csn_metrics_format(&counters, &state, out);
	return csn_buf_check(out, "metrics", err);
}
