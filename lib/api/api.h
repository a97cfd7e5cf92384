/* The server's HTTP interface: routes, who may do what, and the shapes of replies
 * (docs/formats/http-api.yaml). Nothing here knows a socket: it handles csn_http_exchanges, so the
 * tests drive it without one.
 *
 * Handlers do no disk writes for submissions: the exchange is deferred and the store's committer
 * finishes it. Threads: handle from any number at once; free when none is left. */
#ifndef CSN_API_API_H
#define CSN_API_API_H

#include "base/error.h"
#include "http/exchange.h"

struct csn_store;
struct csn_api;

/* What a listener serves (csn_http_request.role). */
#define CSN_ROLE_CONSOLE 1u /* console and all of /api */
#define CSN_ROLE_READ 2u    /* queries, objects */
#define CSN_ROLE_POST 4u    /* submissions */
#define CSN_ROLE_CONTROL 8u /* health */
#define CSN_ROLE_ALL 15u

/* A listener that takes submissions and is up. */
struct csn_api_endpoint {
	bool tls;
	uint16_t port;
};

struct csn_api_options {
	struct csn_store *store;  /* borrowed */
	const char *setup_secret; /* 64 hex digits; NULL when the server is set up already */
	/* Called once, by whatever thread made the administrator: the secret is used up. */
	void (*on_configured)(void *context);
	void *context;
};

/* The API over a store that must outlive it. Writes what a fresh catalog needs. */
int csn_api_new(const struct csn_api_options *options, struct csn_api **ret_api,
		struct csn_error *err) csn_must_check;
void csn_api_free(struct csn_api *api);

/* Before the first request: what `login` tells clients. */
void csn_api_set_endpoints(struct csn_api *api, const struct csn_api_endpoint *endpoints,
			   size_t n_endpoints);

/* What a csn_http_server calls; context borrows the api, which must outlive the server. */
struct csn_http_handler csn_api_handler(struct csn_api *api);

#endif
