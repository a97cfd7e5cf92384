/* One request and its reply, apart from any socket: what handlers see, and what tests fill in.
 *
 * A handler reads the request, fills the reply and returns. When the answer must wait for another
 * thread it calls csn_http_defer, returns without a reply, and that thread fills the reply and
 * calls csn_http_finish as its last touch of the exchange. Everything hangs on the exchange's
 * arena and dies with it. */
#ifndef CSN_HTTP_EXCHANGE_H
#define CSN_HTTP_EXCHANGE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"

struct csn_http_pair {
	const char *name, *value; /* value is never NULL */
};

struct csn_http_pairs {
	struct csn_http_pair *items;
	size_t count, capacity;
	bool dropped; /* there were more */
};

struct csn_http_request {
	const char *method; /* "GET" */
	const char *path;   /* decoded, runs of slashes made one */
	struct csn_http_pairs headers, query;
	struct csn_buf body; /* whole, Content-Encoding undone */
	char peer[64];       /* address as text, without port */
	bool peer_is_loopback, local_is_loopback;
	bool tls;
	unsigned role; /* of the listener that it came in by; the program's own bits */
};

struct csn_http_answer {
	int status; /* 0 until there is a reply */
	const char *content_type;
	struct csn_http_pairs headers; /* further ones */
	struct csn_buf body;
};

struct csn_http_exchange {
	struct csn_arena *arena;
	struct csn_http_request request;
	struct csn_http_answer reply;
	/* Of whoever carries the exchange (server or test); both may be NULL. */
	void (*on_defer)(struct csn_http_exchange *exchange);
	void (*on_finish)(struct csn_http_exchange *exchange);
	void *carrier;
	/* Of whoever handles it, between admit and handle. */
	const void *handler_data, *handler_more;
};

/* What answers the requests of a server. Called from several threads at once. */
struct csn_http_handler {
	void *context;
	/* The headers are there, the body is not: returns how many bytes of body (after
	 * decompression) are taken. A reply filled here refuses the request at once. */
	uint64_t (*admit)(void *context, struct csn_http_exchange *exchange);
	void (*handle)(void *context, struct csn_http_exchange *exchange);
};

/* NULL when out of memory. The arena bounds what headers, pairs and handlers may take. */
struct csn_http_exchange *csn_http_exchange_new(void);
void csn_http_exchange_free(struct csn_http_exchange *exchange);

/* Of a handler: the reply comes later, from any thread, by finish. */
void csn_http_defer(struct csn_http_exchange *exchange);
void csn_http_finish(struct csn_http_exchange *exchange);

/* Copies both; more than CSN_MAX_HTTP_PARAMETERS are dropped, which pairs->dropped tells. */
void csn_http_pairs_add(struct csn_arena *arena, struct csn_http_pairs *pairs, const char *name,
			const char *value);
/* First value of that name, NULL when absent. fold: without regard to case (headers). */
const char *csn_http_pairs_find(const struct csn_http_pairs *pairs, const char *name, bool fold);

static inline const char *csn_http_header(const struct csn_http_exchange *exchange,
					  const char *name)
{
	return csn_http_pairs_find(&exchange->request.headers, name, true);
}

static inline const char *csn_http_query(const struct csn_http_exchange *exchange, const char *name)
{
	return csn_http_pairs_find(&exchange->request.query, name, false);
}

/* {"error":{"code":CODE,"message":TEXT}}, in place of whatever the reply held. */
void csn_http_reply_error(struct csn_http_exchange *exchange, int status, int code,
			  const char *format, ...) csn_printf(4, 5);
/* A JSON reply of which the body is filled already. */
void csn_http_reply_json(struct csn_http_exchange *exchange, int status);

/* Path as sent (decoded) with runs of slashes made one; in the arena. */
char *csn_http_clean_path(struct csn_arena *arena, const char *path);

#endif
