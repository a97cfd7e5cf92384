#include "query/footer.h"

#include <stdio.h>

/* "384 us", "12 ms", "3 s": a whole number first, which is all that some clients read. */
static void format_latency(char *text, size_t size, int64_t us)
{
	if (us < 10000)
		snprintf(text, size, "%lld us", (long long)us);
	else if (us < 10000000)
		snprintf(text, size, "%lld ms", (long long)(us / 1000));
	else
		snprintf(text, size, "%lld s", (long long)(us / 1000000));
}

static void write_phase(struct csn_json *json, const char *name, int64_t time_us,
			const char *count_name, uint64_t count)
{
	csn_json_key(json, name);
	csn_json_begin_object(json);
	csn_json_member_int(json, "time", time_us);
	if (count_name)
		csn_json_member_uint(json, count_name, count);
	csn_json_end_object(json);
}

void csn_query_footer_write(const struct csn_query_context *context,
			    const struct csn_query_times *times, struct csn_json *json)
{
	char latency[32];

	format_latency(latency, sizeof(latency), times->total_us);
	csn_json_key(json, "_");
	csn_json_begin_object(json);
	csn_json_member_string(json, "user", context->user);
	csn_json_member_string(json, "universe", context->universe_name);
	csn_json_member_string(json, "project", context->project_name);
	csn_json_member_string(json, "latency", latency);
	csn_json_key(json, "runtime");
	csn_json_begin_object(json);
	write_phase(json, "filter", times->filter_us, "rows", times->rows);
	write_phase(json, "group_by", times->group_us, "groups", times->groups);
	write_phase(json, "aggregate", times->aggregate_us, NULL, 0);
	write_phase(json, "sort", times->sort_us, NULL, 0);
	if (times->has_set)
		write_phase(json, "set", times->set_us, NULL, 0);
	csn_json_member_int(json, "total_time", times->total_us);
	csn_json_end_object(json);
	csn_json_end_object(json);
}
