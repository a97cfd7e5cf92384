/* The types' own rules, above the catalog's ops record.
 *
 * Each rule is a row in one of two tables: what must be unique, and which types need more than a
 * row (a password hashed, a token made, an attribute declared, dependants deleted). */
#include "store/catalog.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/hash.h"
#include "base/limits.h"
#include "base/uuid.h"
#include "store/accounts.h"
#include "store/objects.h"
#include "store/store_internal.h"

static int select_rows(struct csn_store *store, const struct csn_config_type *type,
		       const json_t *where, json_t **ret_rows, struct csn_error *err)
{
	return store->catalog.ops->select(store->catalog.state, type, where, ret_rows, err);
}

/* ---- rows out ---- */

static int attribute_rows(struct csn_store *store, const json_t *where, json_t **ret_rows,
			  struct csn_error *err)
{
	cleanup_json json_t *projects = NULL, *rows = json_array();
	const struct csn_config_type *type = csn_config_type_find("project");
	json_t *project;
	size_t i;
	int r = csn_catalog_rows(store, type, NULL, &projects, err);

	if (r < 0)
		return r;
	json_array_foreach(projects, i, project)
	{
		cleanup_(csn_reader_closep) struct csn_reader *reader = NULL;
		int64_t pid = csn_json_get_int(project, "pid", 0);
		const struct csn_attribute *attributes;
		const char *name;
		size_t n;

		if (csn_json_get_int(where, "project", pid) != pid)
			continue;
		name = csn_json_get_string(where, "name", NULL);
		r = csn_reader_open(store, pid, &reader, err);
		if (r < 0)
			return r;
		attributes = csn_reader_attributes(reader, &n);
		for (size_t k = 0; k < n; k++)
			if (attributes[k].origin == CSN_ATTRIBUTE_DECLARED &&
			    (!name || strcmp(name, attributes[k].name) == 0))
				json_array_append_new(
					rows, json_pack("{s:I,s:s,s:s,s:s,s:s}", "project",
							(json_int_t)pid, "name", attributes[k].name,
							"type", csn_type_name(attributes[k].type),
							"description", attributes[k].description,
							"format", attributes[k].format));
	}
	*ret_rows = csn_take(rows);
	return 0;
}

int csn_catalog_rows(struct csn_store *store, const struct csn_config_type *type,
		     const json_t *where, json_t **ret_rows, struct csn_error *err)
{
	cleanup_json json_t *rows = NULL;
	json_t *row;
	size_t i;
	int r;

	if (strcmp(type->name, "attribute") == 0)
		return attribute_rows(store, where, ret_rows, err);
	r = select_rows(store, type, where, &rows, err);
	if (r < 0)
		return r;
	for (i = json_array_size(rows); i-- > 0;) {
		row = json_array_get(rows, i);
		if (csn_json_get_int(row, "deleted", 0)) {
			json_array_remove(rows, i);
			continue;
		}
		for (const struct csn_field *field = type->fields; field->name; field++)
			if (field->secret)
				json_object_set_new(row, field->name, json_null());
	}
	*ret_rows = csn_take(rows);
	return 0;
}

/* ---- rules ---- */

static const struct {
	const char *type, *field, *within; /* within: NULL the whole catalog */
} unique_rules[] = {
	{ "universe", "name", NULL },
	{ "users", "username", NULL },
	{ "project", "name", "universe" },
	{ "team", "name", "universe" },
};

/* A name as it appears in paths, configuration files and lists. */
static bool is_name(const char *name)
{
	size_t length = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				     "0123456789_.-");

	return length > 0 && length < CSN_NAME_MAX && !name[length] && name[0] != '.' &&
	       name[0] != '-';
}

static bool is_same_row(const struct csn_config_type *type, const json_t *a, const json_t *b)
{
	for (const struct csn_field *field = type->fields; field->name; field++)
		if (field->key &&
		    !json_equal(json_object_get(a, field->name), json_object_get(b, field->name)))
			return false;
	return true;
}

/* object: the row as it is to be; before: as it was, NULL when it is new. */
static int check_unique(struct csn_store *store, const struct csn_config_type *type,
			const json_t *object, const json_t *before, struct csn_error *err)
{
	for (size_t i = 0; i < csn_countof(unique_rules); i++) {
		cleanup_json json_t *where = json_object(), *rows = NULL;
		const char *within = unique_rules[i].within;
		const char *name = csn_json_get_string(object, unique_rules[i].field, NULL);
		int r;

		if (strcmp(unique_rules[i].type, type->name) != 0)
			continue;
		if (!name || !is_name(name))
			return csn_fail(err, CSN_E_USAGE,
					"%s must be letters, digits, '_', '-' or '.'",
					unique_rules[i].field);
		json_object_set_new(where, unique_rules[i].field, json_string(name));
		if (within)
			json_object_set(where, within, json_object_get(object, within));
		r = csn_catalog_rows(store, type, where, &rows, err);
		if (r < 0)
			return r;
		if (json_array_size(rows) &&
		    !(before && is_same_row(type, json_array_get(rows, 0), before)))
			return csn_fail(err, CSN_E_USAGE, "there is a %s called %s already",
					type->name, name);
	}
	return 0;
}

/* The password arrives as hexadecimal digits of its text. */
static int hash_password(json_t *object, struct csn_error *err)
{
	const char *hex = csn_json_get_string(object, "password", NULL);
	cleanup_free char *hash = NULL;
	char password[256];
	size_t n = hex ? strlen(hex) / 2 : 0;
	int r;

	if (!hex)
		return 0;
	if (n == 0 || n >= sizeof(password) || !csn_hex_parse(hex, password, n) ||
	    memchr(password, '\0', n))
		return csn_fail(err, CSN_E_USAGE, "password must be hexadecimal, 1 to 255 bytes");
	password[n] = '\0';
	r = csn_password_hash(password, &hash, err);
	explicit_bzero(password, sizeof(password));
	if (r == 0)
		json_object_set_new(object, "password", json_string(hash));
	return r;
}

static int check_universe(struct csn_store *store, const json_t *object, struct csn_error *err)
{
	cleanup_json json_t *where = json_object(), *rows = NULL;
	json_t *universe = json_object_get(object, "universe");
	int r;

	json_object_set(where, "id", universe);
	r = csn_catalog_rows(store, csn_config_type_find("universe"), where, &rows, err);
	if (r == 0 && (!json_is_integer(universe) || !json_array_size(rows)))
		return csn_fail(err, CSN_E_USAGE, "that universe does not exist");
	return r;
}

/* Rules of a user's row as it is to be. */
static int check_user(struct csn_store *store, const json_t *object, struct csn_error *err)
{
	const char *role = csn_json_get_string(object, "role", "");

	if (strcmp(role, "admin") != 0 && strcmp(role, "member") != 0 && strcmp(role, "guest") != 0)
		return csn_fail(err, CSN_E_USAGE, "role must be admin, member or guest");
	return check_universe(store, object, err);
}

static int before_user(struct csn_store *store, json_t *object, struct csn_error *err)
{
	const char *role = csn_json_get_string(object, "role", NULL);
	int r;

	if (!csn_json_get_string(object, "email", NULL))
		json_object_set_new(object, "email", json_string(""));
	if (!csn_json_get_string(object, "method", NULL))
		json_object_set_new(object, "method", json_string("password"));
	if (!role)
		json_object_set_new(object, "role",
				    json_string(csn_json_get_int(object, "superuser", 0)
							? "admin"
							: "member"));
	r = check_user(store, object, err);
	return r < 0 ? r : hash_password(object, err);
}

static int before_project(struct csn_store *store, json_t *object, struct csn_error *err)
{
	json_object_set_new(object, "deleted", json_integer(0));
	return check_universe(store, object, err);
}

static int before_token(struct csn_store *store, json_t *object, struct csn_error *err)
{
	struct csn_project project;
	cleanup_json json_t *row = NULL, *made = NULL;
	char token[CSN_TOKEN_TEXT], key[CSN_TOKEN_TEXT], hash[CSN_SHA256_TEXT];
	int r;

	r = csn_catalog_get_project(store, csn_json_get_int(object, "project", 0), &project, err);
	if (r < 0)
		return csn_fail(err, CSN_E_USAGE, "the token's project does not exist");
	csn_token_make(token);
	if (!csn_token_key(token, key))
		return csn_fail(err, CSN_E_FORMAT, "token");
	csn_sha256_hex(token, strlen(token), hash);
	row = json_pack("{s:s,s:s,s:s}", "id", key, "hash", hash, "kind", "token");
	r = store->catalog.ops->insert(store->catalog.state, csn_config_type_find("token_hash"),
				       row, &made, err);
	json_object_set_new(object, "id", json_string(key));
	json_object_set_new(object, "__token", json_string(token));
	return r;
}

static void after_token(const json_t *object, json_t *row)
{
	json_object_set(row, "id", json_object_get(object, "__token"));
}

static void after_team(const json_t *object, json_t *row)
{
	(void)object;
	json_object_set(row, "tid", json_object_get(row, "id"));
}

static const struct {
	const char *type;
	int (*before)(struct csn_store *store, json_t *object, struct csn_error *err);
	void (*after)(const json_t *object, json_t *row);
} create_rules[] = {
	{ "users", before_user, NULL },
	{ "project", before_project, NULL },
	{ "api_token", before_token, after_token },
	{ "token", before_token, after_token },
	{ "team", NULL, after_team },
};

static int declare_attribute(struct csn_store *store, const json_t *object, json_t **ret_row,
			     struct csn_error *err)
{
	struct csn_attribute attribute = {
		.name = csn_json_get_string(object, "name", ""),
		.format = csn_json_get_string(object, "format", "none"),
		.description = csn_json_get_string(object, "description", ""),
	};
	const char *type = csn_json_get_string(object, "type", "dictionary");
	struct csn_project project = { 0 };
	int r;

	if (!*attribute.name || strlen(attribute.name) >= CSN_NAME_MAX)
		return csn_fail(err, CSN_E_USAGE, "an attribute needs a name");
	if (!csn_type_find(type, &attribute.type))
		return csn_fail(err, CSN_E_USAGE, "unknown attribute type %.40s", type);
	r = csn_catalog_get_project(store, csn_json_get_int(object, "project", 0), &project, err);
	if (r == 0)
		r = csn_objects_declare(store, project.id, &attribute, err);
	if (r < 0)
		return r;
	*ret_row = json_pack("{s:I,s:s,s:s,s:s,s:s}", "project", (json_int_t)project.id, "name",
			     attribute.name, "type", type, "description", attribute.description,
			     "format", attribute.format);
	return *ret_row ? 0 : csn_fail_nomem(err);
}

/* ---- create ---- */

static int create_locked(struct csn_store *store, const struct csn_config_type *type,
			 json_t *object, json_t **ret_row, struct csn_error *err)
{
	cleanup_json json_t *row = NULL;
	int r = check_unique(store, type, object, NULL, err);

	for (size_t i = 0; r == 0 && i < csn_countof(create_rules); i++)
		if (strcmp(create_rules[i].type, type->name) == 0 && create_rules[i].before)
			r = create_rules[i].before(store, object, err);
	if (r == 0)
		r = store->catalog.ops->insert(store->catalog.state, type, object, &row, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < csn_countof(create_rules); i++)
		if (strcmp(create_rules[i].type, type->name) == 0 && create_rules[i].after)
			create_rules[i].after(object, row);
	if (strcmp(type->name, "team") == 0) {
		cleanup_json json_t *key = json_pack("{s:O}", "id", json_object_get(row, "id"));
		cleanup_json json_t *fields = json_pack("{s:O}", "tid", json_object_get(row, "id"));

		r = store->catalog.ops->update(store->catalog.state, type, key, fields, err);
	}
	for (const struct csn_field *field = type->fields; field->name; field++)
		if (field->secret)
			json_object_set_new(row, field->name, json_null());
	if (r == 0)
		*ret_row = csn_take(row);
	return r;
}

static int end(struct csn_store *store, int r, struct csn_error *err)
{
	if (r < 0) {
		store->catalog.ops->rollback(store->catalog.state);
		return r;
	}
	return store->catalog.ops->commit(store->catalog.state, err);
}

int csn_catalog_create(struct csn_store *store, const struct csn_config_type *type,
		       const json_t *object, json_t **ret_row, struct csn_error *err)
{
	cleanup_json json_t *copy = NULL, *row = NULL;
	int r;

	if (!json_is_object(object))
		return csn_fail(err, CSN_E_USAGE, "no object given for %s", type->name);
	if (strcmp(type->name, "attribute") == 0)
		return declare_attribute(store, object, ret_row, err);
	copy = json_copy((json_t *)object);
	if (!copy)
		return csn_fail_nomem(err);
	r = store->catalog.ops->begin(store->catalog.state, err);
	if (r < 0)
		return r;
	r = end(store, create_locked(store, type, copy, &row, err), err);
	if (r == 0)
		*ret_row = csn_take(row);
	return r;
}

/* ---- modify, delete ---- */

/* Just the fields of the key; USAGE unless all are there. */
static int whole_key(const struct csn_config_type *type, const json_t *key, json_t **ret_where,
		     struct csn_error *err)
{
	cleanup_json json_t *where = json_object();

	for (const struct csn_field *field = type->fields; field->name; field++) {
		json_t *value = json_object_get(key, field->name);

		if (!field->key)
			continue;
		if (!value || json_is_null(value))
			return csn_fail(err, CSN_E_USAGE, "the key of a %s needs %s", type->name,
					field->name);
		if (json_object_set(where, field->name, value) < 0)
			return csn_fail_nomem(err);
	}
	*ret_where = csn_take(where);
	return 0;
}

int csn_catalog_row(struct csn_store *store, const struct csn_config_type *type, const json_t *key,
		    json_t **ret_row, struct csn_error *err)
{
	cleanup_json json_t *where = NULL, *rows = NULL;
	char token_key[CSN_TOKEN_TEXT];
	int r = whole_key(type, key, &where, err);

	if (r == 0)
		r = csn_catalog_rows(store, type, where, &rows, err);
	if (r < 0)
		return r;
	/* Lists show a token's key; who has just made one may also name it by its value. */
	if (!json_array_size(rows) && strstr(type->name, "token") &&
	    csn_token_key(csn_json_get_string(where, "id", ""), token_key)) {
		json_object_set_new(where, "id", json_string(token_key));
		json_decref(csn_take(rows));
		r = csn_catalog_rows(store, type, where, &rows, err);
	}
	if (r == 0 && json_array_size(rows) != 1)
		return csn_fail(err, CSN_E_NOT_FOUND, "no such %s", type->name);
	if (r == 0)
		*ret_row = json_incref(json_array_get(rows, 0));
	return r;
}

/* With none left, the server would count as not set up, and open to whoever comes first. */
static int check_superusers(struct csn_store *store, bool before, struct csn_error *err)
{
	bool after = true;
	int r = before ? csn_accounts_configured(store, &after, err) : 0;

	return r < 0 || after ? r
			      : csn_fail(err, CSN_E_USAGE,
					 "this is the last superuser; make another one first");
}

static int check_change(struct csn_store *store, const struct csn_config_type *type,
			const json_t *row, const json_t *fields, struct csn_error *err)
{
	cleanup_json json_t *merged = json_copy((json_t *)row);
	int r;

	if (!merged || json_object_update(merged, (json_t *)fields) < 0)
		return csn_fail_nomem(err);
	r = check_unique(store, type, merged, row, err);
	if (r == 0 && strcmp(type->name, "users") == 0)
		r = check_user(store, merged, err);
	if (r == 0 && strcmp(type->name, "project") == 0)
		r = check_universe(store, merged, err);
	return r;
}

static int modify_locked(struct csn_store *store, const struct csn_config_type *type,
			 const json_t *key, const json_t *fields, struct csn_error *err)
{
	bool users = strcmp(type->name, "users") == 0, superuser;
	cleanup_json json_t *row = NULL, *where = NULL, *uid = NULL;
	int r = csn_accounts_configured(store, &superuser, err);

	if (r == 0)
		r = csn_catalog_row(store, type, key, &row, err);
	if (r == 0)
		r = whole_key(type, row, &where, err);
	if (r == 0)
		r = check_change(store, type, row, fields, err);
	if (r == 0)
		r = store->catalog.ops->update(store->catalog.state, type, where, fields, err);
	if (r < 0 || !users)
		return r;
	/* Whoever knew the old password is out. */
	if (json_object_get(fields, "password")) {
		uid = json_pack("{s:O}", "uid", json_object_get(where, "uid"));
		r = store->catalog.ops->remove(store->catalog.state,
					       csn_config_type_find("session"), uid, err);
		r = r == -CSN_E_NOT_FOUND ? 0 : r;
	}
	return r < 0 ? r : check_superusers(store, superuser, err);
}

int csn_catalog_modify(struct csn_store *store, const struct csn_config_type *type,
		       const json_t *key, const json_t *fields, struct csn_error *err)
{
	cleanup_json json_t *copy = NULL, *merged = NULL, *made = NULL;
	int r = 0;

	if (!json_is_object(fields))
		return csn_fail(err, CSN_E_USAGE, "no fields given for %s", type->name);
	if (strcmp(type->name, "attribute") == 0) {
		merged = json_copy((json_t *)fields);
		json_object_update(merged, (json_t *)key);
		return declare_attribute(store, merged, &made, err);
	}
	copy = json_copy((json_t *)fields);
	if (!copy)
		return csn_fail_nomem(err);
	for (const struct csn_field *field = type->fields; field->name; field++)
		if (field->key || field->serial)
			json_object_del(copy, field->name);
	if (strcmp(type->name, "users") == 0)
		r = hash_password(copy, err);
	if (r == 0)
		r = store->catalog.ops->begin(store->catalog.state, err);
	return r < 0 ? r : end(store, modify_locked(store, type, key, copy, err), err);
}

/* What goes with a deleted row; owns: refused unless cascade. */
static const struct {
	const char *type, *key, *dependant, *field;
	bool owns;
} dependants[] = {
	{ "users", "uid", "session", "uid", false },
	{ "users", "uid", "team_member", "user", false },
	{ "users", "uid", "project_member_user", "user", false },
	{ "users", "uid", "project", "owner", true },
	{ "users", "uid", "api_token", "owner", true },
	{ "team", "id", "team_member", "team", false },
	{ "team", "id", "project_member_team", "team", false },
	{ "project", "pid", "api_token", "project", false },
	{ "project", "pid", "token", "project", false },
	{ "universe", "id", "project", "universe", true },
	{ "universe", "id", "users", "universe", true },
	{ "api_token", "id", "token_hash", "id", false },
	{ "token", "id", "token_hash", "id", false },
};

static int delete_dependants(struct csn_store *store, const struct csn_config_type *type,
			     const json_t *key, bool cascade, struct csn_error *err)
{
	for (size_t i = 0; i < csn_countof(dependants); i++) {
		const struct csn_config_type *other = csn_config_type_find(dependants[i].dependant);
		cleanup_json json_t *where = json_object(), *rows = NULL;
		json_t *value = json_object_get(key, dependants[i].key);
		int r;

		if (strcmp(dependants[i].type, type->name) != 0 || !value)
			continue;
		json_object_set(where, dependants[i].field, value);
		r = csn_catalog_rows(store, other, where, &rows, err);
		if (r < 0)
			return r;
		if (!json_array_size(rows))
			continue;
		if (dependants[i].owns && !cascade)
			return csn_fail(err, CSN_E_USAGE, "this %s still has a %s; delete it first",
					type->name, other->name);
		r = store->catalog.ops->remove(store->catalog.state, other, where, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int delete_locked(struct csn_store *store, const struct csn_config_type *type,
			 const json_t *key, bool cascade, struct csn_error *err)
{
	cleanup_json json_t *row = NULL, *where = NULL, *fields = NULL;
	bool superuser;
	int r = csn_accounts_configured(store, &superuser, err);

	if (r == 0)
		r = csn_catalog_row(store, type, key, &row, err);
	if (r == 0)
		r = whole_key(type, row, &where, err);
	if (r == 0)
		r = delete_dependants(store, type, where, cascade, err);
	if (r < 0)
		return r;
	/* A project's number is in every object's key: it is hidden, never used again. */
	if (strcmp(type->name, "project") == 0) {
		fields = json_pack("{s:i}", "deleted", 1);
		return store->catalog.ops->update(store->catalog.state, type, where, fields, err);
	}
	r = store->catalog.ops->remove(store->catalog.state, type, where, err);
	return r < 0 ? r : check_superusers(store, superuser, err);
}

int csn_catalog_delete(struct csn_store *store, const struct csn_config_type *type,
		       const json_t *key, bool cascade, struct csn_error *err)
{
	int r;

	if (strcmp(type->name, "attribute") == 0)
		return csn_objects_undeclare(store, csn_json_get_int(key, "project", 0),
					     csn_json_get_string(key, "name", ""), err);
	r = store->catalog.ops->begin(store->catalog.state, err);
	return r < 0 ? r : end(store, delete_locked(store, type, key, cascade, err), err);
}

/* ---- names ---- */

static int universe_name(struct csn_store *store, int64_t id, char out[CSN_NAME_MAX],
			 struct csn_error *err)
{
	cleanup_json json_t *where = json_pack("{s:I}", "id", (json_int_t)id), *rows = NULL;
	int r = select_rows(store, csn_config_type_find("universe"), where, &rows, err);

	if (r < 0)
		return r;
	snprintf(out, CSN_NAME_MAX, "%s", csn_json_get_string(json_array_get(rows, 0), "name", ""));
	return 0;
}

static int project_from_row(struct csn_store *store, const json_t *row,
			    struct csn_project *ret_project, struct csn_error *err)
{
	struct csn_project project = {
		.id = csn_json_get_int(row, "pid", 0),
		.universe = csn_json_get_int(row, "universe", 0),
	};
	int r = universe_name(store, project.universe, project.universe_name, err);

	snprintf(project.name, sizeof(project.name), "%s", csn_json_get_string(row, "name", ""));
	if (r == 0)
		*ret_project = project;
	return r;
}

int csn_catalog_get_project(struct csn_store *store, int64_t pid, struct csn_project *ret_project,
			    struct csn_error *err)
{
	cleanup_json json_t *where = json_pack("{s:I}", "pid", (json_int_t)pid), *rows = NULL;
	int r = csn_catalog_rows(store, csn_config_type_find("project"), where, &rows, err);

	if (r < 0)
		return r;
	if (!json_array_size(rows))
		return csn_fail(err, CSN_E_NOT_FOUND, "no such project");
	return project_from_row(store, json_array_get(rows, 0), ret_project, err);
}

int csn_catalog_find_project(struct csn_store *store, const char *universe, const char *name,
			     struct csn_project *ret_project, struct csn_error *err)
{
	cleanup_json json_t *where = json_pack("{s:s}", "name", name), *rows = NULL;
	struct csn_project project, found;
	size_t n_found = 0, i;
	json_t *row;
	int r;

	if (!where)
		return csn_fail(err, CSN_E_NOT_FOUND, "no such project");
	r = csn_catalog_rows(store, csn_config_type_find("project"), where, &rows, err);
	if (r < 0)
		return r;
	json_array_foreach(rows, i, row)
	{
		r = project_from_row(store, row, &project, err);
		if (r < 0)
			return r;
		if (universe && *universe && strcmp(universe, project.universe_name) != 0)
			continue;
		found = project;
		n_found++;
	}
	if (n_found != 1)
		return csn_fail(err, CSN_E_NOT_FOUND,
				n_found ? "project %.100s is in several universes; name one"
					: "there is no project %.100s",
				name);
	*ret_project = found;
	return 0;
}
