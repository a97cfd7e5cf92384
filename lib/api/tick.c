/* Ticks: a host says how often a program of which it stored a crash died since. */
#include <string.h>

#include "api/api_internal.h"
#include "base/cleanup.h"
#include "base/limits_host.h"

static int read_batch(const json_t *body, struct csn_tick_batch *batch, struct csn_error *err)
{
	int64_t count = csn_json_get_int(body, "count", 0);

	batch->first = csn_json_get_int(body, "first", 0);
	batch->last = csn_json_get_int(body, "last", 0);
	batch->hostname = csn_json_get_string(body, "hostname", "");
	batch->count = (uint64_t)count;
	if (!csn_uuid_parse(csn_json_get_string(body, "batch", ""), batch->batch))
		return csn_fail(err, CSN_E_FORMAT, "batch is no uuid");
	if (!csn_uuid_parse(csn_json_get_string(body, "object", ""), batch->object))
		return csn_fail(err, CSN_E_FORMAT, "object is no uuid");
	if (count < 1 || count > CSN_MAX_TICK_COUNT)
		return csn_fail(err, CSN_E_FORMAT, "count is not from 1 to %lld",
				CSN_MAX_TICK_COUNT);
	if (strlen(batch->hostname) > 255)
		return csn_fail(err, CSN_E_FORMAT, "hostname is longer than 255 bytes");
	return 0;
}

void csn_api_post_tick(struct csn_api *api, struct csn_http_exchange *exchange)
{
	cleanup_json json_t *body = csn_api_body(exchange);
	struct csn_tick_batch batch = { .project = csn_api_admitted(exchange)->id };
	struct csn_json json = csn_json_to(&exchange->reply.body);
	struct csn_tick_receipt receipt = { 0 };
	struct csn_error err = CSN_ERROR_INIT;
	char id[32];
	int r;

	if (!body)
		return;
	r = read_batch(body, &batch, &err);
	if (r == 0)
		r = csn_objects_tick(api->store, &batch, &receipt, &err);
	if (r == -CSN_E_NOT_FOUND || r == -CSN_E_FORMAT)
		csn_api_reply_failure(exchange, &err);
	else if (r < 0)
		csn_api_reply_not_kept(exchange, &err);
	if (r < 0)
		return;
	snprintf(id, sizeof(id), "%llx", (unsigned long long)receipt.id);
	csn_json_begin_object(&json);
	csn_json_member_string(&json, "response", "ok");
	csn_json_member_string(&json, "object", id);
	csn_json_member_uint(&json, "count", batch.count);
	csn_json_member_bool(&json, "duplicate", receipt.duplicate);
	csn_json_end_object(&json);
	csn_http_reply_json(exchange, 200);
}
