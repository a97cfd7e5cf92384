#include "api/api.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/api_internal.h"
#include "base/clock.h"
#include "base/limits.h"

/* A path of NULL: /<universe>/<token>/<format>. */
static const struct route {
	const char *method, *path;
	unsigned roles;
	uint64_t max_body;
	csn_api_handle_fn handle;
	csn_api_handle_fn admit;
} routes[] = {
	{ "GET", "/health", CSN_ROLE_ALL, 0, csn_api_get_health, NULL },
	{ "GET", "/api/is_configured", CSN_ROLE_CONSOLE | CSN_ROLE_READ, 0,
	  csn_api_get_is_configured, NULL },
	{ "POST", "/api/login", CSN_ROLE_CONSOLE | CSN_ROLE_READ, 64 * CSN_KIB, csn_api_post_login,
	  NULL },
	{ "GET", "/api/logout", CSN_ROLE_CONSOLE | CSN_ROLE_READ, 0, csn_api_get_logout, NULL },
	{ "POST", "/api/logout", CSN_ROLE_CONSOLE | CSN_ROLE_READ, 64 * CSN_KIB, csn_api_get_logout,
	  NULL },
	{ "GET", "/api/config", CSN_ROLE_CONSOLE | CSN_ROLE_READ, 0, csn_api_get_config, NULL },
	{ "POST", "/api/bpg", CSN_ROLE_CONSOLE, CSN_MAX_HTTP_JSON, csn_api_post_bpg, NULL },
	{ "POST", "/api/query", CSN_ROLE_CONSOLE | CSN_ROLE_READ, CSN_MAX_HTTP_JSON,
	  csn_api_post_query, NULL },
	{ "GET", "/api/get", CSN_ROLE_CONSOLE | CSN_ROLE_READ, 0, csn_api_get_object, NULL },
	{ "GET", "/api/list", CSN_ROLE_CONSOLE | CSN_ROLE_READ, 0, csn_api_get_list, NULL },
	{ "POST", "/api/delete", CSN_ROLE_CONSOLE, CSN_MAX_HTTP_JSON, csn_api_post_delete, NULL },
	{ "POST", "/api/post", CSN_ROLE_CONSOLE | CSN_ROLE_POST, CSN_MAX_HTTP_BODY,
	  csn_api_post_submission, csn_api_admit_submission },
	{ "POST", "/api/tick", CSN_ROLE_CONSOLE | CSN_ROLE_POST, 64 * CSN_KIB, csn_api_post_tick,
	  csn_api_admit_submission },
	{ "POST", "/post", CSN_ROLE_CONSOLE | CSN_ROLE_POST, CSN_MAX_HTTP_BODY,
	  csn_api_post_submission, csn_api_admit_submission },
	{ "POST", NULL, CSN_ROLE_CONSOLE | CSN_ROLE_POST, CSN_MAX_HTTP_BODY,
	  csn_api_post_submission, csn_api_admit_submission },
};

/* Three parts, none empty, not below /api. */
static bool is_token_path(const char *path)
{
	unsigned slashes = 0;

	if (strncmp(path, "/api/", 5) == 0)
		return false;
	for (const char *c = path; *c; c++) {
		if (*c != '/')
			continue;
		slashes++;
		if (!c[1])
			return false;
	}
	return slashes == 3;
}

/* "GET, HEAD, POST", as the header Allow has it (RFC 9110 10.2.1). */
static void allow(char *list, size_t size, const char *method)
{
	size_t used = strlen(list);

	snprintf(list + used, size - used, "%s%s", used ? ", " : "",
		 strcmp(method, "GET") == 0 ? "GET, HEAD" : method);
}

static const struct route *find_route(struct csn_http_exchange *exchange)
{
	const struct csn_http_request *request = &exchange->request;
	const char *method = strcmp(request->method, "HEAD") == 0 ? "GET" : request->method;
	char allowed[64] = "";

	for (size_t i = 0; i < csn_countof(routes); i++) {
		const struct route *route = &routes[i];

		if (route->path ? strcmp(route->path, request->path) != 0
				: !is_token_path(request->path))
			continue;
		if (!(route->roles & request->role))
			continue;
		if (strcmp(route->method, method) == 0)
			return route;
		allow(allowed, sizeof(allowed), route->method);
	}
	if (!*allowed) {
		csn_http_reply_error(exchange, 404, CSN_API_NOT_FOUND, "there is no %s here",
				     request->path);
		return NULL;
	}
	csn_http_reply_error(exchange, 405, CSN_API_BAD_REQUEST, "%s is not for %s; use %s",
			     request->path, request->method, allowed);
	csn_http_pairs_add(exchange->arena, &exchange->reply.headers, "Allow", allowed);
	return NULL;
}

static uint64_t api_admit(void *context, struct csn_http_exchange *exchange)
{
	const struct route *route = find_route(exchange);

	exchange->handler_data = route;
	if (!route)
		return 0;
	csn_http_pairs_add(exchange->arena, &exchange->reply.headers, "Cache-Control", "no-store");
	csn_http_pairs_add(exchange->arena, &exchange->reply.headers, "X-Content-Type-Options",
			   "nosniff");
	if (route->admit)
		route->admit(context, exchange);
	return route->max_body;
}

static void api_handle(void *context, struct csn_http_exchange *exchange)
{
	const struct route *route = exchange->handler_data;

	route->handle(context, exchange);
}

struct csn_http_handler csn_api_handler(struct csn_api *api)
{
	return (struct csn_http_handler){ api, api_admit, api_handle };
}

int csn_api_new(const struct csn_api_options *options, struct csn_api **ret_api,
		struct csn_error *err)
{
	struct csn_api *api = calloc(1, sizeof(*api));
	int r;

	if (!api)
		return csn_fail_nomem(err);
	api->options = *options;
	api->store = options->store;
	snprintf(api->setup_secret, sizeof(api->setup_secret), "%s",
		 options->setup_secret ? options->setup_secret : "");
	pthread_mutex_init(&api->lock, NULL);
	pthread_mutex_init(&api->hashing, NULL);
	r = csn_api_seed(api->store, err);
	if (r == 0)
		r = csn_accounts_configured(api->store, &api->configured, err);
	if (r < 0) {
		csn_api_free(api);
		return r;
	}
	*ret_api = api;
	return 0;
}

void csn_api_free(struct csn_api *api)
{
	if (!api)
		return;
	pthread_mutex_destroy(&api->hashing);
	pthread_mutex_destroy(&api->lock);
	explicit_bzero(api->setup_secret, sizeof(api->setup_secret));
	free(api);
}

void csn_api_set_endpoints(struct csn_api *api, const struct csn_api_endpoint *endpoints,
			   size_t n_endpoints)
{
	api->n_endpoints = csn_min_u64(n_endpoints, CSN_API_ENDPOINTS);
	memcpy(api->endpoints, endpoints, api->n_endpoints * sizeof(*endpoints));
}

/* ---- replies ---- */

static const struct {
	enum csn_code code;
	int status;
	enum csn_api_code api;
} failures[] = {
	{ CSN_E_FORMAT, 400, CSN_API_BAD_REQUEST },
	{ CSN_E_USAGE, 400, CSN_API_BAD_REQUEST },
	{ CSN_E_UNSUPPORTED, 400, CSN_API_BAD_REQUEST },
	{ CSN_E_NOT_FOUND, 404, CSN_API_NOT_FOUND },
	{ CSN_E_DENIED, 403, CSN_API_DENIED },
	{ CSN_E_LIMIT, 413, CSN_API_LIMIT },
	{ CSN_E_TIMEOUT, 503, CSN_API_LIMIT },
	{ CSN_E_NOMEM, 503, CSN_API_LIMIT },
};

void csn_api_reply_failure(struct csn_http_exchange *exchange, const struct csn_error *err)
{
	for (size_t i = 0; i < csn_countof(failures); i++) {
		if (failures[i].code == err->code) {
			csn_http_reply_error(exchange, failures[i].status, failures[i].api, "%s",
					     err->text);
			return;
		}
	}
	csn_http_reply_error(exchange, 500, CSN_API_INTERNAL, "%s", err->text);
}

json_t *csn_api_body(struct csn_http_exchange *exchange)
{
	const struct csn_buf *body = &exchange->request.body;
	struct csn_error err = CSN_ERROR_INIT;
	json_t *value = NULL;

	if (csn_json_load(csn_buf_text(body), body->size, &value, &err) < 0 ||
	    !json_is_object(value)) {
		json_decref(value);
		csn_http_reply_error(exchange, 400, CSN_API_BAD_REQUEST,
				     "the body is not a JSON object%s%s", err.code ? ": " : "",
				     err.text);
		return NULL;
	}
	return value;
}

void csn_api_write_envelope(struct csn_json *json, const struct csn_caller *caller,
			    const struct csn_project *project, int64_t started_ns)
{
	int64_t us = (csn_monotonic_ns() - started_ns) / 1000;
	char latency[32];

	snprintf(latency, sizeof(latency), "%lld us", (long long)us);
	csn_json_key(json, "_");
	csn_json_begin_object(json);
	csn_json_member_string(json, "user",
			       caller->kind == CSN_CALLER_USER ? caller->user.username : "");
	csn_json_member_string(json, "universe", project->universe_name);
	csn_json_member_string(json, "project", project->name);
	csn_json_member_string(json, "latency", latency);
	csn_json_key(json, "runtime");
	csn_json_begin_object(json);
	csn_json_member_int(json, "total_time", us);
	csn_json_end_object(json);
	csn_json_end_object(json);
}

static int append_text(const char *text, size_t length, void *context)
{
	csn_buf_append(context, text, length);
	return 0;
}

void csn_api_reply_value(struct csn_http_exchange *exchange, int status, const json_t *value)
{
	csn_buf_clear(&exchange->reply.body);
	if (!value || json_dump_callback(value, append_text, &exchange->reply.body,
					 JSON_COMPACT | JSON_ENCODE_ANY) < 0) {
		csn_http_reply_error(exchange, 500, CSN_API_INTERNAL, "out of memory");
		return;
	}
	csn_http_reply_json(exchange, status);
}
