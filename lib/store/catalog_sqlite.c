/* The catalog in SQLite: a table for each configured type, made from the table of types.
 *
 * Opening adds the tables and columns that are missing, so a newer server opens an older catalog;
 * a catalog with a higher format number than ours is refused. One connection under one recursive
 * lock, held from begin to commit. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/limits.h"
#include "store/catalog.h"
#include "store/sql.h"

#define FORMAT_NUMBER 1

struct catalog {
	struct csn_sql sql;
	pthread_mutex_t lock;
};

static void unlockp(struct catalog **catalog)
{
	pthread_mutex_unlock(&(*catalog)->lock);
}

#define LOCKED(state) \
	__attribute__((cleanup(unlockp))) struct catalog *catalog = (state); \
	pthread_mutex_lock(&catalog->lock)

static const struct csn_field *field_of(const struct csn_config_type *type, const char *name)
{
	for (const struct csn_field *field = type->fields; field->name; field++)
		if (strcmp(field->name, name) == 0)
			return field;
	return NULL;
}

/* ---- opening ---- */

static const char *sql_kind(const struct csn_field *field)
{
	return field->kind == CSN_FIELD_INTEGER ? "INTEGER" : "TEXT";
}

static int make_table(struct csn_sql *sql, const struct csn_config_type *type,
		      struct csn_error *err)
{
	cleanup_(csn_buf_done) struct csn_buf text = CSN_BUF_INIT(CSN_MAX_CONFIG_FILE);
	bool first = true;

	csn_buf_printf(&text, "CREATE TABLE IF NOT EXISTS \"cfg_%s\"(", type->name);
	for (const struct csn_field *field = type->fields; field->name; field++)
		csn_buf_printf(&text, "\"%s\" %s%s,", field->name, sql_kind(field),
			       field->key ? " NOT NULL" : "");
	csn_buf_puts(&text, "PRIMARY KEY(");
	for (const struct csn_field *field = type->fields; field->name; field++) {
		if (!field->key)
			continue;
		csn_buf_printf(&text, "%s\"%s\"", first ? "" : ",", field->name);
		first = false;
	}
	csn_buf_puts(&text, "))");
	return csn_sql_exec(sql, csn_buf_text(&text), err);
}

static int add_columns(struct csn_sql *sql, const struct csn_config_type *type,
		       struct csn_error *err)
{
	char text[256];
	int r = 0;

	for (const struct csn_field *field = type->fields; r == 0 && field->name; field++) {
		char table[64];

		snprintf(table, sizeof(table), "cfg_%s", type->name);
		if (sqlite3_table_column_metadata(sql->db, NULL, table, field->name, NULL, NULL,
						  NULL, NULL, NULL) == SQLITE_OK)
			continue;
		snprintf(text, sizeof(text), "ALTER TABLE \"%s\" ADD COLUMN \"%s\" %s", table,
			 field->name, sql_kind(field));
		r = csn_sql_exec(sql, text, err);
	}
	return r;
}

static int check_format(struct csn_sql *sql, struct csn_error *err)
{
	cleanup_reset sqlite3_stmt *select = csn_sql_get(sql, "PRAGMA user_version", err);
	int r;

	if (!select)
		return -CSN_E_OS;
	r = csn_sql_step(sql, select, err);
	if (r < 0)
		return r;
	if (sqlite3_column_int(select, 0) > FORMAT_NUMBER)
		return csn_fail(err, CSN_E_UNSUPPORTED, "made by a newer coronerd (format %d)",
				sqlite3_column_int(select, 0));
	return 0;
}

static int make_schema(struct csn_sql *sql, struct csn_error *err)
{
	int r = check_format(sql, err);

	if (r == 0)
		r = csn_sql_exec(sql,
				 "BEGIN IMMEDIATE; CREATE TABLE IF NOT EXISTS serial("
				 "type TEXT PRIMARY KEY, next INTEGER NOT NULL) WITHOUT ROWID",
				 err);
	for (const struct csn_config_type *type = csn_config_types(); r == 0 && type->name;
	     type++) {
		r = make_table(sql, type, err);
		if (r == 0)
			r = add_columns(sql, type, err);
	}
	if (r == 0)
		r = csn_sql_exec(sql, "PRAGMA user_version=1; COMMIT", err);
	return r;
}

/* ---- values ---- */

static int bind_json(sqlite3_stmt *statement, int place, const struct csn_field *field,
		     const json_t *value, struct csn_error *err)
{
	if (!value || json_is_null(value)) {
		sqlite3_bind_null(statement, place);
		return 0;
	}
	if (field->kind == CSN_FIELD_INTEGER) {
		if (!json_is_integer(value) && !json_is_boolean(value))
			return csn_fail(err, CSN_E_USAGE, "%s must be an integer", field->name);
		sqlite3_bind_int64(statement, place,
				   json_is_boolean(value) ? json_is_true(value)
							  : json_integer_value(value));
		return 0;
	}
	if (!json_is_string(value))
		return csn_fail(err, CSN_E_USAGE, "%s must be a string", field->name);
	sqlite3_bind_text(statement, place, json_string_value(value),
			  (int)json_string_length(value), SQLITE_TRANSIENT);
	return 0;
}

static json_t *json_of_row(const struct csn_config_type *type, sqlite3_stmt *row)
{
	json_t *object = json_object();
	int place = 0;

	for (const struct csn_field *field = type->fields; object && field->name;
	     field++, place++) {
		json_t *value = json_null();

		if (sqlite3_column_type(row, place) == SQLITE_INTEGER)
			value = json_integer(sqlite3_column_int64(row, place));
		else if (sqlite3_column_type(row, place) == SQLITE_TEXT)
			value = json_string(csn_sql_text(row, place));
		if (json_object_set_new(object, field->name, value) < 0) {
			json_decref(object);
			return NULL;
		}
	}
	return object;
}

static void add_columns_of(struct csn_buf *text, const struct csn_config_type *type)
{
	for (const struct csn_field *field = type->fields; field->name; field++)
		csn_buf_printf(text, "%s\"%s\"", field == type->fields ? "" : ",", field->name);
}

/* Appends "a=? AND b=?" for the members of where, or nothing. USAGE for an unknown field. */
static int add_where(struct csn_buf *text, const struct csn_config_type *type, const json_t *where,
		     struct csn_error *err)
{
	const char *name, *word = " WHERE ";
	json_t *value;

	json_object_foreach((json_t *)where, name, value)
	{
		if (!field_of(type, name))
			return csn_fail(err, CSN_E_USAGE, "%s has no field %s", type->name, name);
		csn_buf_printf(text, "%s\"%s\" IS ?", word, name);
		word = " AND ";
	}
	return 0;
}

static int bind_where(sqlite3_stmt *statement, int first, const struct csn_config_type *type,
		      const json_t *where, struct csn_error *err)
{
	const char *name;
	json_t *value;
	int r = 0;

	json_object_foreach((json_t *)where, name, value)
	{
		if (r == 0)
			r = bind_json(statement, first++, field_of(type, name), value, err);
	}
	return r;
}

static sqlite3_stmt *prepare(struct csn_sql *sql, const struct csn_buf *text, struct csn_error *err)
{
	sqlite3_stmt *statement = NULL;

	if (csn_buf_check(text, "statement", err) < 0)
		return NULL;
	if (sqlite3_prepare_v2(sql->db, csn_buf_text(text), -1, &statement, NULL) != SQLITE_OK) {
		csn_sql_fail(sql, err, "catalog");
		return NULL;
	}
	return statement;
}

/* Steps without returning rows; a taken key is the user's mistake, not ours. */
static int run(struct csn_sql *sql, sqlite3_stmt *statement, const struct csn_config_type *type,
	       struct csn_error *err)
{
	int r = sqlite3_step(statement);

	if (r == SQLITE_DONE)
		return 0;
	if (r == SQLITE_CONSTRAINT)
		return csn_fail(err, CSN_E_USAGE, "such a %s exists already, or its key is empty",
				type->name);
	return csn_sql_fail(sql, err, "catalog");
}

/* ---- ops ---- */

static int catalog_begin(void *state, struct csn_error *err)
{
	struct catalog *catalog = state;
	int r;

	pthread_mutex_lock(&catalog->lock);
	r = csn_sql_exec(&catalog->sql, "BEGIN IMMEDIATE", err);
	if (r < 0)
		pthread_mutex_unlock(&catalog->lock);
	return r;
}

static void catalog_rollback(void *state)
{
	struct catalog *catalog = state;

	if (!sqlite3_get_autocommit(catalog->sql.db) &&
	    csn_sql_exec(&catalog->sql, "ROLLBACK", NULL) < 0)
		sqlite3_errcode(catalog->sql.db);
	pthread_mutex_unlock(&catalog->lock);
}

static int catalog_commit(void *state, struct csn_error *err)
{
	struct catalog *catalog = state;
	int r = csn_sql_exec(&catalog->sql, "COMMIT", err);

	if (r < 0)
		catalog_rollback(state);
	else
		pthread_mutex_unlock(&catalog->lock);
	return r;
}

static int catalog_select(void *state, const struct csn_config_type *type, const json_t *where,
			  json_t **ret_rows, struct csn_error *err)
{
	LOCKED(state);
	cleanup_(csn_buf_done) struct csn_buf text = CSN_BUF_INIT(CSN_MAX_CONFIG_FILE);
	cleanup_finalize sqlite3_stmt *statement = NULL;
	cleanup_json json_t *rows = json_array();
	int r;

	csn_buf_puts(&text, "SELECT ");
	add_columns_of(&text, type);
	csn_buf_printf(&text, " FROM \"cfg_%s\"", type->name);
	r = add_where(&text, type, where, err);
	if (r < 0)
		return r;
	csn_buf_puts(&text, " ORDER BY rowid");
	statement = prepare(&catalog->sql, &text, err);
	if (!statement)
		return -CSN_E_OS;
	r = bind_where(statement, 1, type, where, err);
	if (r < 0)
		return r;
	while ((r = csn_sql_step(&catalog->sql, statement, err)) > 0)
		if (json_array_append_new(rows, json_of_row(type, statement)) < 0)
			return csn_fail_nomem(err);
	if (r == 0)
		*ret_rows = csn_take(rows);
	return r;
}

static int next_serial(struct csn_sql *sql, const struct csn_config_type *type, int64_t *ret_value,
		       struct csn_error *err)
{
	cleanup_reset sqlite3_stmt *upsert =
		csn_sql_get(sql,
			    "INSERT INTO serial(type,next) VALUES(?,2) ON CONFLICT(type) DO UPDATE"
			    " SET next=next+1 RETURNING next-1",
			    err);
	int r;

	if (!upsert)
		return -CSN_E_OS;
	sqlite3_bind_text(upsert, 1, type->name, -1, SQLITE_STATIC);
	r = csn_sql_step(sql, upsert, err);
	if (r < 0)
		return r;
	*ret_value = sqlite3_column_int64(upsert, 0);
	while (r > 0)
		r = csn_sql_step(sql, upsert, err);
	return r;
}

static int insert_values(struct csn_sql *sql, const struct csn_config_type *type, const json_t *row,
			 sqlite3_stmt *statement, struct csn_error *err)
{
	int place = 1, r;

	for (const struct csn_field *field = type->fields; field->name; field++, place++) {
		int64_t serial;

		if (!field->serial) {
			r = bind_json(statement, place, field, json_object_get(row, field->name),
				      err);
			if (r < 0)
				return r;
			continue;
		}
		r = next_serial(sql, type, &serial, err);
		if (r < 0)
			return r;
		sqlite3_bind_int64(statement, place, serial);
	}
	return 0;
}

static int catalog_insert(void *state, const struct csn_config_type *type, const json_t *row,
			  json_t **ret_row, struct csn_error *err)
{
	LOCKED(state);
	cleanup_(csn_buf_done) struct csn_buf text = CSN_BUF_INIT(CSN_MAX_CONFIG_FILE);
	cleanup_finalize sqlite3_stmt *statement = NULL;
	const char *name;
	json_t *value, *made;
	int r;

	json_object_foreach((json_t *)row, name,
			    value) if (!field_of(type, name) &&
				       strncmp(name, "__", 2) !=
					       0) return csn_fail(err, CSN_E_USAGE,
								  "%s has no field %s", type->name,
								  name);
	csn_buf_printf(&text, "INSERT INTO \"cfg_%s\"(", type->name);
	add_columns_of(&text, type);
	csn_buf_puts(&text, ") VALUES(");
	for (const struct csn_field *field = type->fields; field->name; field++)
		csn_buf_puts(&text, field == type->fields ? "?" : ",?");
	csn_buf_puts(&text, ") RETURNING ");
	add_columns_of(&text, type);
	statement = prepare(&catalog->sql, &text, err);
	if (!statement)
		return -CSN_E_OS;
	r = insert_values(&catalog->sql, type, row, statement, err);
	if (r < 0)
		return r;
	if (sqlite3_step(statement) != SQLITE_ROW)
		return run(&catalog->sql, statement, type, err);
	made = json_of_row(type, statement);
	if (!made)
		return csn_fail_nomem(err);
	r = run(&catalog->sql, statement, type, err);
	if (r == 0 && ret_row)
		*ret_row = made;
	else
		json_decref(made);
	return r;
}

static int need_key(const struct csn_config_type *type, const json_t *key, struct csn_error *err)
{
	if (json_object_size(key) == 0)
		return csn_fail(err, CSN_E_USAGE, "no key given for %s", type->name);
	return 0;
}

static int catalog_update(void *state, const struct csn_config_type *type, const json_t *key,
			  const json_t *fields, struct csn_error *err)
{
	LOCKED(state);
	cleanup_(csn_buf_done) struct csn_buf text = CSN_BUF_INIT(CSN_MAX_CONFIG_FILE);
	cleanup_finalize sqlite3_stmt *statement = NULL;
	const char *name, *comma = "";
	json_t *value;
	int r, place = 1;

	csn_buf_printf(&text, "UPDATE \"cfg_%s\" SET ", type->name);
	json_object_foreach((json_t *)fields, name, value)
	{
		if (!field_of(type, name))
			return csn_fail(err, CSN_E_USAGE, "%s has no field %s", type->name, name);
		csn_buf_printf(&text, "%s\"%s\"=?", comma, name);
		comma = ",";
	}
	if (!*comma)
		return 0;
	r = need_key(type, key, err);
	if (r == 0)
		r = add_where(&text, type, key, err);
	if (r < 0)
		return r;
	statement = prepare(&catalog->sql, &text, err);
	if (!statement)
		return -CSN_E_OS;
	json_object_foreach((json_t *)fields, name, value)
	{
		r = bind_json(statement, place++, field_of(type, name), value, err);
		if (r < 0)
			return r;
	}
	r = bind_where(statement, place, type, key, err);
	if (r == 0)
		r = run(&catalog->sql, statement, type, err);
	if (r == 0 && sqlite3_changes(catalog->sql.db) == 0)
		return csn_fail(err, CSN_E_NOT_FOUND, "no such %s", type->name);
	return r;
}

static int catalog_remove(void *state, const struct csn_config_type *type, const json_t *key,
			  struct csn_error *err)
{
	LOCKED(state);
	cleanup_(csn_buf_done) struct csn_buf text = CSN_BUF_INIT(CSN_MAX_CONFIG_FILE);
	cleanup_finalize sqlite3_stmt *statement = NULL;
	int r;

	csn_buf_printf(&text, "DELETE FROM \"cfg_%s\"", type->name);
	r = need_key(type, key, err);
	if (r == 0)
		r = add_where(&text, type, key, err);
	if (r < 0)
		return r;
	statement = prepare(&catalog->sql, &text, err);
	if (!statement)
		return -CSN_E_OS;
	r = bind_where(statement, 1, type, key, err);
	if (r == 0)
		r = run(&catalog->sql, statement, type, err);
	if (r == 0 && sqlite3_changes(catalog->sql.db) == 0)
		return csn_fail(err, CSN_E_NOT_FOUND, "no such %s", type->name);
	return r;
}

static void catalog_close(void *state)
{
	struct catalog *catalog = state;

	csn_sql_close(&catalog->sql);
	pthread_mutex_destroy(&catalog->lock);
	free(catalog);
}

static const struct csn_catalog_ops sqlite_ops = {
	.name = "sqlite",
	.close = catalog_close,
	.begin = catalog_begin,
	.commit = catalog_commit,
	.rollback = catalog_rollback,
	.select = catalog_select,
	.insert = catalog_insert,
	.update = catalog_update,
	.remove = catalog_remove,
};

int csn_catalog_open_sqlite(const char *path, struct csn_catalog *ret_catalog,
			    struct csn_error *err)
{
	struct catalog *catalog = calloc(1, sizeof(*catalog));
	pthread_mutexattr_t attr;
	int r;

	if (!catalog)
		return csn_fail_nomem(err);
	pthread_mutexattr_init(&attr);
	pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE);
	pthread_mutex_init(&catalog->lock, &attr);
	pthread_mutexattr_destroy(&attr);
	r = csn_sql_open(&catalog->sql, path, false, err);
	if (r == 0)
		r = make_schema(&catalog->sql, err);
	if (r < 0) {
		catalog_close(catalog);
		return csn_wrap(err, "%s", path);
	}
	ret_catalog->ops = &sqlite_ops;
	ret_catalog->state = catalog;
	return 0;
}
