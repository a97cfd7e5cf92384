/* The HTTP client: one request at a time, over libcurl.
 *
 * What it does: GET and POST, a body from memory or streamed from a file, a reply into memory or
 * into a descriptor, both capped; TLS with verification unless told otherwise; time limits;
 * Retry-After. What it does not: follow redirects (a token must not travel to where a reply
 * points), keep cookies, read netrc, retry.
 *
 * Two kinds of failure are kept apart. No reply at all (name, connection, TLS, time-out, reply
 * over the cap) is an error of the call: TIMEOUT, DENIED for a certificate that does not verify,
 * USAGE for a URL that is none, LIMIT, else OS. A reply of any status is success of the call: look
 * at reply.status.
 *
 * A client is used by one thread; it keeps the connection between requests. */
#ifndef CSN_HTTP_CLIENT_H
#define CSN_HTTP_CLIENT_H

#include "base/buf.h"
#include "base/error.h"
#include "base/types.h"

struct csn_http_options {
	bool no_verify_peer, no_verify_host;
	const char *ca_file;     /* PEM; NULL the system's */
	const char *user_agent;  /* NULL: "coresnap" */
	uint32_t connect_ms;     /* 0: 10 s */
	uint32_t timeout_ms;     /* for the whole request; 0: none, but see stall_ms */
	uint32_t stall_ms;       /* ends a transfer that moves nothing for so long; 0: 30 s */
	uint64_t max_reply_size; /* 0: CSN_MAX_HTTP_REPLY */
};

struct csn_http_client;

/* Strings of options are copied. Free with csn_http_client_free. */
int csn_http_client_new(const struct csn_http_options *options, struct csn_http_client **ret_client,
			struct csn_error *err) csn_must_check;
void csn_http_client_free(struct csn_http_client *client);
void csn_http_client_freep(struct csn_http_client **client);

struct csn_http_call {
	const char *url;
	bool post;                  /* else GET */
	const void *body;           /* POST: bytes in memory, or */
	size_t body_size;           /* */
	int body_fd;                /* a file read from its start; -1 none */
	const char *content_type;   /* NULL sends none */
	const char *const *headers; /* "Name: value", NULL-terminated; may be NULL */
	int save_fd;                /* the body of a 200 goes here instead of reply.body; -1 none */
};

#define CSN_HTTP_CALL_INIT \
	{ \
		.body_fd = -1, .save_fd = -1 \
	}

struct csn_http_reply {
	int status;
	int64_t retry_after_s;      /* from when the reply came; -1 when not given */
	int64_t date_s;             /* the server's clock, seconds since the epoch; -1 not told */
	char content_type[128];     /* "" when absent */
	char disposition_name[256]; /* filename= of Content-Disposition, as sent; "" when absent */
	uint64_t body_size;         /* received, wherever it went */
	struct csn_buf body;
};

/* *reply is written whole on success (free with csn_http_reply_done); on failure it is empty. */
int csn_http_run(struct csn_http_client *client, const struct csn_http_call *call,
		 struct csn_http_reply *reply, struct csn_error *err) csn_must_check;
void csn_http_reply_done(struct csn_http_reply *reply);

/* Appends text percent-encoded for a query or a form (all but RFC 3986 unreserved). */
void csn_http_encode(struct csn_buf *out, const char *text);

#endif
