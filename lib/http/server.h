/* An HTTP server: one listening socket, a pool of threads, optionally TLS.
 *
 * Requests are read whole (within the handler's limit and a budget of memory shared by all
 * servers), unpacked, and given to the handler of http/exchange.h. Keep-alive, chunked bodies and
 * Expect: 100-continue are understood; responses are never compressed.
 *
 * Threads: the handler runs on the pool's threads. A deferred exchange suspends its connection and
 * costs no thread. */
#ifndef CSN_HTTP_SERVER_H
#define CSN_HTTP_SERVER_H

#include <stdatomic.h>

#include "http/exchange.h"

struct csn_http_server;

/* Bytes of bodies held at once. Zero it; shared by the servers of a program. */
struct csn_http_budget {
	atomic_ullong held;
};

struct csn_http_server_options {
	const char *address;  /* "127.0.0.1", "::1", "0.0.0.0", "::" (both families) */
	uint16_t port;        /* 0: any free one */
	unsigned role;        /* handed to the handler */
	unsigned threads;     /* 0: 8; a connection stays with its thread */
	unsigned connections; /* at once; 0: 2000 */
	unsigned backlog;     /* 0: 1024 */
	unsigned timeout_s;   /* of an idle connection; 0: 60 */
	/* Both or neither: paths of PEM files (certificate with its chain, private key). */
	const char *certificate, *key;
	struct csn_http_budget *budget;
	const struct csn_http_handler *handler; /* outlives the server */
};

/* Listens: connections queue until the server runs. OS names address and port when it cannot. */
int csn_http_server_open(const struct csn_http_server_options *options,
			 struct csn_http_server **ret_server, struct csn_error *err) csn_must_check;
/* Starts to serve. FORMAT when certificate or key cannot be used. */
int csn_http_server_run(struct csn_http_server *server, struct csn_error *err) csn_must_check;
/* The port it listens on. */
uint16_t csn_http_server_port(const struct csn_http_server *server);
/* Accepts no more, waits for deferred exchanges, closes. NULL is fine. */
void csn_http_server_stop(struct csn_http_server *server);

#endif
