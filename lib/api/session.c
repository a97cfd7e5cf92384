#include <string.h>

#include "api/api_internal.h"
#include "base/cleanup.h"
#include "base/version.h"
#include "http/body.h"

#define SESSION_LIFETIME_S (30ll * 86400)

void csn_api_get_is_configured(struct csn_api *api, struct csn_http_exchange *exchange)
{
	csn_buf_puts(&exchange->reply.body, csn_api_is_configured(api) ? "1" : "0");
	exchange->reply.status = 200;
	exchange->reply.content_type = "text/plain";
}

void csn_api_get_health(struct csn_api *api, struct csn_http_exchange *exchange)
{
	struct csn_json json = csn_json_to(&exchange->reply.body);

	csn_json_begin_object(&json);
	csn_json_member_string(&json, "status", "ok");
	csn_json_member_string(&json, "version", CSN_VERSION);
	csn_json_member_bool(&json, "configured", csn_api_is_configured(api));
	csn_json_end_object(&json);
	csn_http_reply_json(exchange, 200);
}

static void write_endpoints(struct csn_api *api, struct csn_json *json)
{
	csn_json_key(json, "endpoints");
	csn_json_begin_object(json);
	csn_json_key(json, "post");
	csn_json_begin_array(json);
	for (size_t i = 0; i < api->n_endpoints; i++) {
		csn_json_begin_object(json);
		csn_json_member_string(json, "protocol", api->endpoints[i].tls ? "https" : "http");
		csn_json_member_uint(json, "port", api->endpoints[i].port);
		csn_json_end_object(json);
	}
	csn_json_end_array(json);
	csn_json_end_object(json);
	csn_json_key(json, "services");
	csn_json_begin_array(json);
	csn_json_end_array(json);
}

static void write_universe(struct csn_json *json, int64_t id)
{
	csn_json_begin_object(json);
	csn_json_member_int(json, "id", id);
	csn_json_end_object(json);
}

/* The caller's own comes first: clients take the first one when none is named. */
static void write_universes(struct csn_api *api, struct csn_json *json, const struct csn_user *user)
{
	cleanup_json json_t *rows = NULL;
	json_t *row;
	size_t i;

	csn_json_key(json, "universes");
	csn_json_begin_object(json);
	csn_json_key(json, user->universe_name);
	write_universe(json, user->universe);
	if (user->superuser && csn_catalog_rows(api->store, csn_config_type_find("universe"), NULL,
						&rows, NULL) == 0) {
		json_array_foreach(rows, i, row)
		{
			if (csn_json_get_int(row, "id", 0) == user->universe)
				continue;
			csn_json_key(json, csn_json_get_string(row, "name", ""));
			write_universe(json, csn_json_get_int(row, "id", 0));
		}
	}
	csn_json_end_object(json);
}

static void write_user(struct csn_api *api, struct csn_json *json, const struct csn_user *user)
{
	csn_json_member_int(json, "uid", user->uid);
	csn_json_key(json, "user");
	csn_json_begin_object(json);
	csn_json_member_int(json, "uid", user->uid);
	csn_json_member_string(json, "username", user->username);
	csn_json_member_string(json, "role", user->role);
	csn_json_member_bool(json, "superuser", user->superuser);
	csn_json_end_object(json);
	csn_json_key(json, "universe");
	csn_json_begin_object(json);
	csn_json_member_int(json, "id", user->universe);
	csn_json_member_string(json, "name", user->universe_name);
	csn_json_end_object(json);
	write_universes(api, json, user);
}

/* Refusals of logins go with status 200: the public client shows the text only then. */
static void refuse_login(struct csn_http_exchange *exchange, const char *text)
{
	csn_http_reply_error(exchange, 200, CSN_API_DENIED, "%s", text);
}

static void reply_login(struct csn_api *api, struct csn_http_exchange *exchange, const char *token,
			const struct csn_user *user)
{
	struct csn_json json = csn_json_to(&exchange->reply.body);

	csn_json_begin_object(&json);
	csn_json_member_string(&json, "token", token);
	write_user(api, &json, user);
	write_endpoints(api, &json);
	csn_json_end_object(&json);
	csn_http_reply_json(exchange, 200);
}

static bool enter_hashing(struct csn_api *api)
{
	bool may;

	pthread_mutex_lock(&api->lock);
	may = api->n_hashing < CSN_API_LOGINS;
	api->n_hashing += may;
	pthread_mutex_unlock(&api->lock);
	if (may)
		pthread_mutex_lock(&api->hashing);
	return may;
}

static void leave_hashing(struct csn_api *api)
{
	pthread_mutex_unlock(&api->hashing);
	pthread_mutex_lock(&api->lock);
	api->n_hashing--;
	pthread_mutex_unlock(&api->lock);
}

static void login_by_password(struct csn_api *api, struct csn_http_exchange *exchange,
			      const char *username, const char *password)
{
	struct csn_error err = CSN_ERROR_INIT;
	struct csn_user user;
	char token[CSN_TOKEN_TEXT], text[128];
	int r, wait_s = csn_api_throttled(api, exchange->request.peer, username);

	if (wait_s) {
		snprintf(text, sizeof(text), "too many failed attempts; try again in %d seconds",
			 wait_s);
		refuse_login(exchange, text);
		return;
	}
	if (!enter_hashing(api)) {
		refuse_login(exchange, "too many logins at once; try again");
		return;
	}
	r = csn_accounts_login(api->store, username, password, &user, &err);
	leave_hashing(api);
	if (r == 0 || r == -CSN_E_DENIED)
		csn_api_throttle_note(api, exchange->request.peer, username, r == 0);
	if (r == 0)
		r = csn_session_open(api->store, user.uid, SESSION_LIFETIME_S, token, &err);
	if (r < 0)
		refuse_login(exchange, err.text);
	else
		reply_login(api, exchange, token, &user);
}

void csn_api_post_login(struct csn_api *api, struct csn_http_exchange *exchange)
{
	const struct csn_buf *body = &exchange->request.body;
	const char *type = csn_http_header(exchange, "Content-Type");
	const char *username, *password, *token;
	cleanup_json json_t *object = NULL;
	struct csn_http_pairs form = { 0 };
	struct csn_user user;

	if (type && strncmp(type, "application/json", 16) == 0) {
		object = csn_api_body(exchange);
		if (!object)
			return;
		username = csn_json_get_string(object, "username", NULL);
		password = csn_json_get_string(object, "password", NULL);
		token = csn_json_get_string(object, "token", NULL);
	} else {
		csn_http_parse_form(exchange->arena, csn_buf_text(body), body->size, &form);
		username = csn_http_pairs_find(&form, "username", false);
		password = csn_http_pairs_find(&form, "password", false);
		token = csn_http_pairs_find(&form, "token", false);
	}
	if (token && csn_session_find(api->store, token, &user, NULL) == 0)
		reply_login(api, exchange, token, &user);
	else if (token)
		refuse_login(exchange, "invalid token");
	else if (!username || !password)
		refuse_login(exchange, "username and password are needed");
	else
		login_by_password(api, exchange, username, password);
}

void csn_api_get_logout(struct csn_api *api, struct csn_http_exchange *exchange)
{
	struct csn_error err = CSN_ERROR_INIT;
	struct csn_caller caller;

	csn_api_identify(api, exchange, NULL, &caller);
	if (csn_session_end(api->store, caller.text, &err) < 0) {
		csn_api_reply_failure(exchange, &err);
		return;
	}
	csn_buf_puts(&exchange->reply.body, "{\"response\":\"ok\"}");
	csn_http_reply_json(exchange, 200);
}

void csn_api_get_config(struct csn_api *api, struct csn_http_exchange *exchange)
{
	struct csn_json json = csn_json_to(&exchange->reply.body);
	struct csn_caller caller;

	csn_api_identify(api, exchange, NULL, &caller);
	if (!csn_api_require(exchange, &caller, 0))
		return;
	csn_json_begin_object(&json);
	write_user(api, &json, &caller.user);
	write_endpoints(api, &json);
	csn_json_end_object(&json);
	csn_http_reply_json(exchange, 200);
}
