/* coresnap list: sending first, then pending, then quarantine, oldest first; a line with the sums.
 */
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/limits.h"
#include "coresnap.h"
#include "host/listing.h"
#include "host/quarantine.h"

#define MAX_OUTPUT (256 * CSN_MIB)

struct totals {
	size_t count;
	uint64_t bytes;
};

static void write_json(struct csn_json *json, const struct csn_spool_object *object, bool has_core,
		       bool is_snapshot, const struct csn_crash *crash)
{
	csn_json_begin_object(json);
	csn_json_member_string(json, "stage", csn_stage_name(object->stage));
	csn_json_member_string(json, "uuid", object->uuid);
	csn_json_member_bool(json, "core", has_core);
	csn_json_member_bool(json, "snapshot", is_snapshot);
	csn_json_member_bool(json, "assets", object->has_assets);
	csn_json_member_string(json, "program", crash->program);
	csn_json_member_string(json, "exe", crash->exe);
	csn_json_member_int(json, "time", object->mtime_ns / CSN_NS_PER_SECOND);
	csn_json_member_uint(json, "size", object->size_bytes);
	csn_json_member_uint(json, "attempts", crash->attempts);
	if (crash->attempts) {
		csn_json_member_string(json, "step", crash->step);
		csn_json_member_int(json, "exit_status", crash->exit_status);
		csn_json_member_string(json, "reason", crash->reason);
		csn_json_member_int(json, "next_try", crash->next_try_ns / CSN_NS_PER_SECOND);
	}
	csn_json_end_object(json);
}

static int add_object(const struct csn_host *host, const struct csn_spool_object *object,
		      struct csn_buf *text, struct csn_json *json, struct csn_error *err)
{
	const struct csn_spool *spool = &host->spool;
	enum csn_stage stage = object->stage == CSN_STAGE_QUARANTINE
				       ? csn_quarantine_origin(spool, object->uuid)
				       : object->stage;
	bool is_snapshot = stage == CSN_STAGE_SENDING;
	bool has_core = !is_snapshot || csn_spool_has(spool, CSN_STAGE_PENDING, object->uuid);
	struct csn_crash crash;
	int r = csn_crash_load(spool, object->stage, object->uuid, &crash, err);

	if (r < 0)
		return r;
	if (text)
		csn_listing_object(text, object, has_core, is_snapshot, crash.program);
	else
		write_json(json, object, has_core, is_snapshot, &crash);
	csn_crash_done(&crash);
	return 0;
}

/* Lists all; with a snapshot beside it, a core is spent and not listed itself. */
static int list_objects(const struct csn_host *host, const struct csn_spool_list *list,
			struct totals totals[CSN_N_STAGES], struct csn_buf *text,
			struct csn_json *json, struct csn_error *err)
{
	size_t i;
	int r;

	for (i = 0; i < list->count; i++) {
		const struct csn_spool_object *object = &list->items[i];

		if (object->stage == CSN_STAGE_PENDING &&
		    csn_spool_has(&host->spool, CSN_STAGE_SENDING, object->uuid))
			continue;
		r = add_object(host, object, text, json, err);
		if (r < 0)
			return r;
		totals[object->stage].count++;
		totals[object->stage].bytes += object->size_bytes;
	}
	return 0;
}

static int print_list(const struct csn_host *host, bool as_json, struct csn_error *err)
{
	cleanup_(csn_spool_list_done) struct csn_spool_list list = { 0 };
	cleanup_(csn_buf_done) struct csn_buf out = CSN_BUF_INIT(MAX_OUTPUT);
	struct csn_json json = csn_json_to(&out);
	struct totals totals[CSN_N_STAGES] = { 0 };
	int r = csn_spool_list(&host->spool, CSN_STAGE_SENDING, &list, err);

	if (r == 0)
		r = csn_spool_list(&host->spool, CSN_STAGE_PENDING, &list, err);
	if (r == 0)
		r = csn_spool_list(&host->spool, CSN_STAGE_QUARANTINE, &list, err);
	if (r < 0)
		return r;
	if (as_json)
		csn_json_begin_array(&json);
	r = list_objects(host, &list, totals, as_json ? NULL : &out, &json, err);
	if (r < 0)
		return r;
	if (as_json) {
		csn_json_end_array(&json);
		csn_buf_putc(&out, '\n');
	} else {
		csn_listing_footer(&out, totals[CSN_STAGE_PENDING].count,
				   totals[CSN_STAGE_PENDING].bytes, totals[CSN_STAGE_SENDING].count,
				   totals[CSN_STAGE_SENDING].bytes,
				   totals[CSN_STAGE_QUARANTINE].count,
				   totals[CSN_STAGE_QUARANTINE].bytes);
	}
	r = csn_buf_check(&out, "the list", err);
	if (r == 0)
		fwrite(out.data, 1, out.size, stdout);
	return r;
}

int coresnap_list(int argc, char **argv, void *context)
{
	cleanup_(csn_host_done) struct csn_host host = CSN_HOST_INIT;
	struct csn_error err = CSN_ERROR_INIT;
	bool as_json = false;
	const struct csn_option options[] = {
		{ "json", 0, CSN_OPT_FLAG, NULL, "print a JSON array", &as_json },
		{ NULL },
	};
	const struct coresnap_syntax syntax = {
		.usage = "coresnap list [--json]",
		.summary = "Lists the crashes that are not done.",
		.options = options,
		.examples = { "coresnap list", "coresnap list --json | jq -r .[].uuid" },
	};
	int first, status = coresnap_parse(&syntax, argc, argv, &first);

	if (status < 0)
		status = coresnap_open(context, true, &host);
	if (status >= 0)
		return status;
	if (print_list(&host, as_json, &err) < 0)
		return coresnap_complain(coresnap_status_of(&err), &err, NULL);
	return 0;
}
