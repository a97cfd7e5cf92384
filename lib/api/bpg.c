/* Configuration objects: batches of actions on the catalog's types.
 *
 * A failed action is a result whose text says why; the batch goes on. Rights: who sees a row is
 * decided by its universe (its own, or its project's); who changes one, by the table of levels. */
#include <string.h>

#include "api/api_internal.h"
#include "base/cleanup.h"
#include "base/limits.h"

enum level { GUEST, MEMBER, ADMIN, SUPERUSER };

/* What it takes to create, change or delete; MEMBER for what is not listed. */
static const struct {
	const char *type;
	enum level level;
} write_levels[] = {
	{ "listener", SUPERUSER },
	{ "universe", SUPERUSER },
	{ "instance_retention", SUPERUSER },
	{ "limits", SUPERUSER },
	{ "resource_override", SUPERUSER },
	{ "users", ADMIN },
	{ "team", ADMIN },
	{ "team_member", ADMIN },
	{ "signup_whitelist", ADMIN },
	{ "signup_pending", ADMIN },
	{ "universe_retention", ADMIN },
};

enum mode { MODE_USER, MODE_SETUP, MODE_GRACE };

struct bpg {
	struct csn_api *api;
	struct csn_http_exchange *exchange;
	enum mode mode;
	struct csn_caller caller;
};

static enum level level_of(const struct csn_caller *caller)
{
	if (caller->user.superuser)
		return SUPERUSER;
	if (strcmp(caller->user.role, "admin") == 0)
		return ADMIN;
	return strcmp(caller->user.role, "guest") == 0 ? GUEST : MEMBER;
}

static enum level level_for(const char *type)
{
	for (size_t i = 0; i < csn_countof(write_levels); i++)
		if (strcmp(write_levels[i].type, type) == 0)
			return write_levels[i].level;
	return MEMBER;
}

static bool has_field(const struct csn_config_type *type, const char *name)
{
	for (const struct csn_field *field = type->fields; field->name; field++)
		if (strcmp(field->name, name) == 0)
			return true;
	return false;
}

/* Types that lie where the row lies that a field of theirs names. */
static const struct parent {
	const char *type, *field, *parent;
} parents[] = {
	{ "team_member", "team", "team" },
	{ "metric", "metric_group", "metric_group" },
};

static bool in_reach(struct bpg *bpg, const struct csn_config_type *type, const json_t *row);

static bool parent_in_reach(struct bpg *bpg, const struct parent *parent, const json_t *row)
{
	const struct csn_config_type *type = csn_config_type_find(parent->parent);
	cleanup_json json_t *key =
		json_pack("{s:I}", "id", csn_json_get_int(row, parent->field, 0));
	cleanup_json json_t *found = NULL;

	return csn_catalog_row(bpg->api->store, type, key, &found, NULL) == 0 &&
	       in_reach(bpg, type, found);
}

/* Whether a row (or a row to be) lies in the caller's universe. */
static bool in_reach(struct bpg *bpg, const struct csn_config_type *type, const json_t *row)
{
	const struct csn_user *user = &bpg->caller.user;
	struct csn_project project;

	if (user->superuser)
		return true;
	if (strcmp(type->name, "universe") == 0)
		return csn_json_get_int(row, "id", 0) == user->universe;
	if (has_field(type, "universe"))
		return csn_json_get_int(row, "universe", 0) == user->universe;
	if (has_field(type, "project"))
		return csn_catalog_get_project(bpg->api->store, csn_json_get_int(row, "project", 0),
					       &project, NULL) == 0 &&
		       project.universe == user->universe;
	for (size_t i = 0; i < csn_countof(parents); i++)
		if (strcmp(parents[i].type, type->name) == 0)
			return parent_in_reach(bpg, &parents[i], row);
	return strcmp(type->name, "instance_retention") != 0;
}

/* ---- schema ---- */

static json_t *schema_of(const struct csn_config_type *type)
{
	static const char *const kinds[] = { "integer", "text", "blob" };
	json_t *fields = json_object();

	for (const struct csn_field *field = type->fields; field->name; field++) {
		json_t *constraints = json_array();

		if (field->key)
			json_array_append_new(constraints, json_string("primary"));
		if (field->key && field->serial)
			json_array_append_new(constraints, json_string("autoincrement"));
		json_object_set_new(fields, field->name,
				    json_pack("{s:s,s:o}", "type", kinds[field->kind],
					      "constraints", constraints));
	}
	return fields;
}

static json_t *schema(void)
{
	json_t *all = json_object();

	for (const struct csn_config_type *type = csn_config_types(); type->name; type++)
		if (!type->internal)
			json_object_set_new(all, type->name, schema_of(type));
	return all;
}

/* ---- actions ---- */

static json_t *failed(const char *text)
{
	return json_pack("{s:s}", "text", text);
}

static json_t *failed_with(const struct csn_error *err)
{
	return json_pack("{s:s%}", "text", err->text, strlen(err->text));
}

/* Only what the client looks at: that there are rows of these types. */
static void redact(const struct csn_config_type *type, json_t *rows)
{
	static const char *const kept[] = { "listener", "universe", "users" };
	static const char *const shown[] = { "id", "uid", "type", "dns_name", "universe", "name" };
	json_t *row;
	size_t i;

	for (i = 0; i < csn_countof(kept); i++)
		if (strcmp(type->name, kept[i]) == 0)
			break;
	if (i == csn_countof(kept)) {
		json_array_clear(rows);
		return;
	}
	json_array_foreach(rows, i, row)
	{
		for (const struct csn_field *field = type->fields; field->name; field++) {
			bool keep = false;

			for (size_t k = 0; k < csn_countof(shown); k++)
				keep = keep || strcmp(shown[k], field->name) == 0;
			if (!keep)
				json_object_set_new(row, field->name,
						    field->kind == CSN_FIELD_INTEGER
							    ? json_null()
							    : json_string(""));
		}
	}
}

static json_t *run_get(struct bpg *bpg, const struct csn_config_type *type)
{
	struct csn_error err = CSN_ERROR_INIT;
	cleanup_json json_t *rows = NULL;

	if (csn_catalog_rows(bpg->api->store, type, NULL, &rows, &err) < 0)
		return failed_with(&err);
	if (bpg->mode == MODE_GRACE)
		redact(type, rows);
	for (size_t i = json_array_size(rows); bpg->mode == MODE_USER && i-- > 0;)
		if (!in_reach(bpg, type, json_array_get(rows, i)))
			json_array_remove(rows, i);
	return json_pack("{s:s,s:O}", "text", "success", "result", rows);
}

/* Set-up makes a universe and its first administrator, and names the listener; nothing else. */
static const char *check_setup(struct bpg *bpg, const char *action,
			       const struct csn_config_type *type, const json_t *object)
{
	cleanup_json json_t *rows = NULL;

	if (!csn_api_may_set_up(bpg->api, bpg->exchange))
		return "not authorised: the server is set up already; log in";
	if (strcmp(action, "modify") == 0 && strcmp(type->name, "listener") == 0)
		return NULL;
	if (strcmp(action, "create") != 0 ||
	    (strcmp(type->name, "universe") != 0 && strcmp(type->name, "users") != 0))
		return "not authorised: set up the server first (morgue setup)";
	if (csn_catalog_rows(bpg->api->store, type, NULL, &rows, NULL) < 0)
		return "the catalog cannot be read";
	if (json_array_size(rows))
		return "not authorised: there is one already";
	if (strcmp(type->name, "users") == 0 && csn_json_get_int(object, "superuser", 0) != 1)
		return "the first user must be a superuser";
	if (strcmp(type->name, "users") == 0 && !csn_json_get_string(object, "password", NULL))
		return "the first user needs a password";
	return NULL;
}

static const char *check_user(struct bpg *bpg, const char *action,
			      const struct csn_config_type *type, const json_t *key,
			      const json_t *values)
{
	enum level level = level_of(&bpg->caller);
	bool self = strcmp(type->name, "users") == 0 && strcmp(action, "modify") == 0 &&
		    csn_json_get_int(key, "uid", -1) == bpg->caller.user.uid &&
		    json_object_size(values) == 1 && json_object_get(values, "password");
	cleanup_json json_t *row = NULL;

	if (level < level_for(type->name) && !self)
		return "not authorised: your role does not allow this";
	if (level == SUPERUSER)
		return NULL;
	if (csn_json_get_int(values, "superuser", 0))
		return "not authorised: only a superuser can make superusers";
	if (strcmp(action, "create") == 0)
		return in_reach(bpg, type, values) ? NULL : "not authorised: another universe";
	if (csn_catalog_row(bpg->api->store, type, key, &row, NULL) < 0 ||
	    !in_reach(bpg, type, row))
		return "no such row";
	if (csn_json_get_int(row, "superuser", 0) && !self)
		return "not authorised: only a superuser can change a superuser";
	if (values && (json_object_update(row, (json_t *)values) < 0 || !in_reach(bpg, type, row)))
		return "not authorised: another universe";
	return NULL;
}

static json_t *run_change(struct bpg *bpg, const char *action, const struct csn_config_type *type,
			  const json_t *request)
{
	const json_t *object = json_object_get(request, "object");
	const json_t *fields = json_object_get(request, "fields");
	const json_t *key = json_object_get(request, "key");
	bool cascade = csn_json_get_bool(request, "cascade", false);
	bool create = strcmp(action, "create") == 0, modify = strcmp(action, "modify") == 0;
	struct csn_error err = CSN_ERROR_INIT;
	cleanup_json json_t *row = NULL;
	const char *refusal;
	int r;

	if (!json_is_object(key) && !create)
		key = object;
	refusal = bpg->mode == MODE_SETUP
			  ? check_setup(bpg, action, type, object)
			  : check_user(bpg, action, type, key, create ? object : fields);
	if (refusal)
		return failed(refusal);
	if (create)
		r = csn_catalog_create(bpg->api->store, type, object, &row, &err);
	else if (modify)
		r = csn_catalog_modify(bpg->api->store, type, key, fields, &err);
	else
		r = csn_catalog_delete(bpg->api->store, type, key, cascade, &err);
	if (r < 0)
		return failed_with(&err);
	csn_api_check_configured(bpg->api, bpg->exchange);
	return row ? json_pack("{s:s,s:O}", "text", "success", "result", row)
		   : json_pack("{s:s}", "text", "success");
}

static json_t *run_action(struct bpg *bpg, const json_t *request)
{
	const char *action = csn_json_get_string(request, "action", "");
	const char *name = csn_json_get_string(request, "type", "");
	const struct csn_config_type *type;

	if (strcmp(action, "schema") == 0)
		return json_pack("{s:s,s:o}", "text", "success", "result", schema());
	if (strncmp(name, "configuration/", 14) == 0)
		name += 14;
	type = csn_config_type_find(name);
	if (!type || type->internal)
		return failed("unknown type");
	if (strcmp(action, "get") == 0)
		return run_get(bpg, type);
	if (bpg->mode == MODE_GRACE)
		return failed("not authorised: log in");
	if (strcmp(action, "create") == 0 || strcmp(action, "modify") == 0 ||
	    strcmp(action, "delete") == 0)
		return run_change(bpg, action, type, request);
	return failed("unknown action");
}

/* ---- requests ---- */

/* Reads rows, and does nothing else. */
static bool only_reads(const json_t *actions)
{
	json_t *action;
	size_t i;
	bool gets = false;

	json_array_foreach((json_t *)actions, i, action)
	{
		const char *name = csn_json_get_string(action, "action", "");

		if (strcmp(name, "get") != 0 && strcmp(name, "schema") != 0)
			return false;
		gets = gets || strcmp(name, "get") == 0;
	}
	return gets;
}

/* Which of the three it is; false when the caller may nothing. */
static bool find_mode(struct bpg *bpg, const json_t *body, const json_t *actions)
{
	csn_api_identify(bpg->api, bpg->exchange, body, &bpg->caller);
	if (bpg->caller.kind == CSN_CALLER_USER) {
		bpg->mode = MODE_USER;
		return true;
	}
	if (csn_api_may_set_up(bpg->api, bpg->exchange)) {
		bpg->mode = MODE_SETUP;
		return true;
	}
	if (bpg->caller.kind == CSN_CALLER_NONE && only_reads(actions) &&
	    csn_api_take_grace(bpg->api, bpg->exchange)) {
		bpg->mode = MODE_GRACE;
		return true;
	}
	return false;
}

/* Clients index results even when the whole request failed. */
static void refuse(struct bpg *bpg, const json_t *actions)
{
	const char *text =
		csn_api_is_configured(bpg->api)
			? "not authorised: log in"
			: "not authorised: the server is not set up; setting it up takes the "
			  "one-time "
			  "secret that coronerd printed, or a client on the same machine";
	cleanup_json json_t *reply =
		json_pack("{s:{s:i,s:s},s:O,s:[]}", "error", "code", CSN_API_DENIED, "message",
			  text, "actions", actions, "results");

	for (size_t i = 0; i < json_array_size(actions); i++)
		json_array_append_new(json_object_get(reply, "results"), failed(text));
	csn_api_reply_value(bpg->exchange, 403, reply);
}

void csn_api_post_bpg(struct csn_api *api, struct csn_http_exchange *exchange)
{
	struct bpg bpg = { .api = api, .exchange = exchange };
	cleanup_json json_t *body = csn_api_body(exchange), *reply = NULL;
	json_t *actions, *action, *results;
	size_t i;

	if (!body)
		return;
	actions = json_object_get(body, "actions");
	if (!json_is_array(actions) || json_array_size(actions) > CSN_MAX_BPG_ACTIONS) {
		csn_http_reply_error(exchange, 400, CSN_API_BAD_REQUEST,
				     "`actions` must be an array of at most %u",
				     CSN_MAX_BPG_ACTIONS);
		return;
	}
	if (!find_mode(&bpg, body, actions)) {
		refuse(&bpg, actions);
		return;
	}
	reply = json_pack("{s:O,s:[]}", "actions", actions, "results");
	results = json_object_get(reply, "results");
	/* Two set-ups at once must not make two administrators. */
	if (bpg.mode == MODE_SETUP)
		pthread_mutex_lock(&api->hashing);
	json_array_foreach(actions, i, action)
		json_array_append_new(results, run_action(&bpg, action));
	if (bpg.mode == MODE_SETUP)
		pthread_mutex_unlock(&api->hashing);
	csn_api_reply_value(exchange, 200, reply);
}
