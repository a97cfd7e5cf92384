/* What the files of this room share.
 *
 *	api.c      the route table, dispatch
 *	auth.c     who is calling, and the login throttle
 *	setup.c    first run: who may configure a fresh server
 *	session.c  is_configured, login, logout, config, health
 *	bpg.c      configuration objects
 *	objects.c  query, get, list, delete
 *	submit.c   submissions and attachments
 *	tick.c     crashes that a host only counted */
#ifndef CSN_API_API_INTERNAL_H
#define CSN_API_API_INTERNAL_H

#include <pthread.h>

#include "api/api.h"
#include "base/json.h"
#include "base/json_load.h"
#include "store/accounts.h"
#include "store/store.h"

/* Codes in error replies. Clients look at the status; bpg clients know 5. */
enum csn_api_code {
	CSN_API_INTERNAL = 1,
	CSN_API_NOT_FOUND = 3,
	CSN_API_BAD_REQUEST = 4,
	CSN_API_DENIED = 5,
	CSN_API_BAD_TOKEN = 6,
	CSN_API_LIMIT = 7,
};

#define CSN_API_ENDPOINTS 8
#define CSN_API_THROTTLE_SLOTS 512
/* More logins at once are turned away: they hold threads that others need. */
#define CSN_API_LOGINS 4

struct csn_api_throttle_slot {
	uint64_t who; /* hash of a peer or a user name */
	unsigned failures;
	int64_t last_ns;  /* of the last failure */
	int64_t until_ns; /* no attempt before */
};

struct csn_api {
	struct csn_api_options options;
	struct csn_store *store;
	struct csn_api_endpoint endpoints[CSN_API_ENDPOINTS];
	size_t n_endpoints;

	pthread_mutex_t lock; /* all below */
	bool configured;
	char setup_secret[CSN_TOKEN_TEXT]; /* "" when used up */
	char grace_peer[64];               /* may make one redacted read */
	int64_t grace_until_ns;
	struct csn_api_throttle_slot throttle[CSN_API_THROTTLE_SLOTS];
	unsigned n_hashing;      /* logins at work or waiting for their turn */
	pthread_mutex_t hashing; /* one Argon2id at a time: each takes 64 MiB */
};

/* ---- callers ---- */

enum csn_caller_kind { CSN_CALLER_NONE, CSN_CALLER_USER, CSN_CALLER_TOKEN };

struct csn_caller {
	enum csn_caller_kind kind;
	struct csn_user user;
	struct csn_api_token token;
	char text[CSN_TOKEN_TEXT]; /* the token as given */
	bool given;                /* a token was given, right or wrong */
};

/* From the query, X-Coroner-Token, or the member `token` of body (which may be NULL). */
void csn_api_identify(struct csn_api *api, const struct csn_http_exchange *exchange,
		      const json_t *body, struct csn_caller *ret_caller);
/* False after replying 401 or 403. need: capabilities that a token must have; 0: users only. */
bool csn_api_require(struct csn_http_exchange *exchange, const struct csn_caller *caller,
		     unsigned need);
/* The project meant by the request and allowed to the caller; names may be NULL. False after a
 * reply with that status. */
bool csn_api_project(struct csn_api *api, struct csn_http_exchange *exchange,
		     const struct csn_caller *caller, const char *universe, const char *name,
		     int status, struct csn_project *ret_project);
/* May change objects and configuration at all. */
bool csn_api_may_write(const struct csn_caller *caller);

/* Seconds until the next attempt is allowed; 0 now. */
int csn_api_throttled(struct csn_api *api, const char *peer, const char *username);
void csn_api_throttle_note(struct csn_api *api, const char *peer, const char *username, bool ok);

/* ---- first run ---- */

/* There is an administrator; known without asking the catalog. */
bool csn_api_is_configured(struct csn_api *api);
/* The caller may set the server up (contracts 6). */
bool csn_api_may_set_up(struct csn_api *api, const struct csn_http_exchange *exchange);
/* After a change of configuration: when there is an administrator now, set-up is over. */
void csn_api_check_configured(struct csn_api *api, const struct csn_http_exchange *exchange);
/* Uses up the one redacted read after set-up; false when the caller has none. */
bool csn_api_take_grace(struct csn_api *api, const struct csn_http_exchange *exchange);
/* A fresh catalog gets its listener row. */
int csn_api_seed(struct csn_store *store, struct csn_error *err) csn_must_check;

/* ---- replies ---- */

/* Status by the error's code: 400, 403, 404, 413, 500, 503, 507. */
void csn_api_reply_failure(struct csn_http_exchange *exchange, const struct csn_error *err);
/* What the store could not keep is worth sending again: 507 when the disk is full, else 503. */
void csn_api_reply_not_kept(struct csn_http_exchange *exchange, const struct csn_error *err);
/* The body as a JSON object; NULL after replying 400. The caller owns it. */
json_t *csn_api_body(struct csn_http_exchange *exchange);
/* "_":{"user":...,"latency":"N us","runtime":{"total_time":N}} */
void csn_api_write_envelope(struct csn_json *json, const struct csn_caller *caller,
			    const struct csn_project *project, int64_t started_ns);
/* A jansson value as the reply. */
void csn_api_reply_value(struct csn_http_exchange *exchange, int status, const json_t *value);

/* ---- handlers, by file ---- */

typedef void (*csn_api_handle_fn)(struct csn_api *api, struct csn_http_exchange *exchange);

/* Each answers one row of the route table, or defers and answers later. See http-api.yaml. */
void csn_api_get_is_configured(struct csn_api *api, struct csn_http_exchange *exchange);
void csn_api_post_login(struct csn_api *api, struct csn_http_exchange *exchange);
void csn_api_get_logout(struct csn_api *api, struct csn_http_exchange *exchange);
void csn_api_get_config(struct csn_api *api, struct csn_http_exchange *exchange);
void csn_api_get_health(struct csn_api *api, struct csn_http_exchange *exchange);
void csn_api_post_bpg(struct csn_api *api, struct csn_http_exchange *exchange);
void csn_api_post_query(struct csn_api *api, struct csn_http_exchange *exchange);
void csn_api_get_object(struct csn_api *api, struct csn_http_exchange *exchange);
void csn_api_get_list(struct csn_api *api, struct csn_http_exchange *exchange);
void csn_api_post_delete(struct csn_api *api, struct csn_http_exchange *exchange);
void csn_api_post_submission(struct csn_api *api, struct csn_http_exchange *exchange);
/* Checks token and project before the body is read; a refusal is in the reply. */
void csn_api_admit_submission(struct csn_api *api, struct csn_http_exchange *exchange);
/* The project of a request that was admitted. */
const struct csn_project *csn_api_admitted(const struct csn_http_exchange *exchange);
void csn_api_post_tick(struct csn_api *api, struct csn_http_exchange *exchange);

#endif
