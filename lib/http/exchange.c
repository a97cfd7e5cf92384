#include "http/exchange.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/json.h"
#include "base/limits.h"

struct csn_http_exchange *csn_http_exchange_new(void)
{
	struct csn_arena *arena = csn_arena_new(CSN_MAX_HTTP_EXCHANGE);
	struct csn_http_exchange *exchange =
		arena ? csn_arena_alloc(arena, sizeof(*exchange)) : NULL;

	if (!exchange) {
		csn_arena_free(arena);
		return NULL;
	}
	exchange->arena = arena;
	exchange->request.method = "GET";
	exchange->request.path = "/";
	exchange->request.body = (struct csn_buf)CSN_BUF_INIT(CSN_MAX_HTTP_BODY);
	exchange->reply.body = (struct csn_buf)CSN_BUF_INIT(CSN_MAX_HTTP_REPLY);
	return exchange;
}

void csn_http_exchange_free(struct csn_http_exchange *exchange)
{
	if (!exchange)
		return;
	csn_buf_done(&exchange->request.body);
	csn_buf_done(&exchange->reply.body);
	csn_arena_free(exchange->arena);
}

void csn_http_defer(struct csn_http_exchange *exchange)
{
	if (exchange->on_defer)
		exchange->on_defer(exchange);
}

void csn_http_finish(struct csn_http_exchange *exchange)
{
	if (exchange->on_finish)
		exchange->on_finish(exchange);
}

void csn_http_pairs_add(struct csn_arena *arena, struct csn_http_pairs *pairs, const char *name,
			const char *value)
{
	struct csn_http_pair pair, *items;

	if (pairs->count >= CSN_MAX_HTTP_PARAMETERS) {
		pairs->dropped = true;
		return;
	}
	items = csn_arena_grow(arena, pairs->items, pairs->count, &pairs->capacity, sizeof(*items));
	pair.name = csn_arena_strdup(arena, name);
	pair.value = csn_arena_strdup(arena, value ? value : "");
	if (!items || !pair.name || !pair.value) {
		pairs->dropped = true;
		return;
	}
	items[pairs->count++] = pair;
	pairs->items = items;
}

const char *csn_http_pairs_find(const struct csn_http_pairs *pairs, const char *name, bool fold)
{
	for (size_t i = 0; i < pairs->count; i++) {
		const char *other = pairs->items[i].name;

		if ((fold ? strcasecmp(other, name) : strcmp(other, name)) == 0)
			return pairs->items[i].value;
	}
	return NULL;
}

void csn_http_reply_json(struct csn_http_exchange *exchange, int status)
{
	exchange->reply.status = status;
	exchange->reply.content_type = "application/json";
}

void csn_http_reply_error(struct csn_http_exchange *exchange, int status, int code,
			  const char *format, ...)
{
	struct csn_json json = csn_json_to(&exchange->reply.body);
	char *text;
	va_list args;

	va_start(args, format);
	text = csn_arena_vsprintf(exchange->arena, format, args);
	va_end(args);
	csn_buf_clear(&exchange->reply.body);
	exchange->reply.headers.count = 0;
	csn_json_begin_object(&json);
	csn_json_key(&json, "error");
	csn_json_begin_object(&json);
	csn_json_member_int(&json, "code", code);
	csn_json_member_string(&json, "message", text);
	csn_json_end_object(&json);
	csn_json_end_object(&json);
	csn_http_reply_json(exchange, status);
}

char *csn_http_clean_path(struct csn_arena *arena, const char *path)
{
	char *clean = csn_arena_strdup(arena, path), *out = clean;

	if (!clean)
		return NULL;
	for (const char *in = path; *in; in++)
		if (*in != '/' || out == clean || out[-1] != '/')
			*out++ = *in;
	*out = '\0';
	return clean;
}
