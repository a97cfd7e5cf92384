/* Changes to what is there: set, delete, merge, declare. */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/limits.h"
#include "store/index_internal.h"

/* What an `edit` row is about when it is not an attribute's number. */
#define EDIT_DELETED (-1)
#define EDIT_FINGERPRINT (-2)

static int log_edit(struct csn_index_sqlite *index, int64_t key, int64_t attr, bool has_value,
		    uint64_t value, struct csn_error *err)
{
	cleanup_reset sqlite3_stmt *insert =
		csn_sql_get(&index->writer, "INSERT INTO edit(key,attr,value) VALUES(?,?,?)", err);

	if (!insert)
		return -CSN_E_OS;
	sqlite3_bind_int64(insert, 1, key);
	sqlite3_bind_int64(insert, 2, attr);
	if (has_value)
		sqlite3_bind_int64(insert, 3, (int64_t)value);
	return csn_sql_run(&index->writer, insert, err);
}

/* ---- set ---- */

/* Statement that sets one text of an issue; NULL when the name is not a column of issues. */
static const char *issue_update(const char *name)
{
	static const struct {
		const char *name, *sql;
	} table[] = {
		{ "fingerprint;issues;state",
		  "UPDATE issue SET state=?1 WHERE project=?2 AND fingerprint=?3" },
		{ "fingerprint;issues;tags",
		  "UPDATE issue SET tags=?1 WHERE project=?2 AND fingerprint=?3" },
		{ "fingerprint;issues;assignee",
		  "UPDATE issue SET assignee=?1 WHERE project=?2 AND fingerprint=?3" },
		{ "fingerprint;issues;ticket",
		  "UPDATE issue SET ticket=?1 WHERE project=?2 AND fingerprint=?3" },
	};

	for (size_t i = 0; i < csn_countof(table); i++)
		if (strcmp(table[i].name, name) == 0)
			return table[i].sql;
	return NULL;
}

static int set_issue(struct csn_index_sqlite *index, int64_t project, int64_t fingerprint,
		     const char *sql, const struct csn_attribute_value *value,
		     struct csn_error *err)
{
	cleanup_reset sqlite3_stmt *update = csn_sql_get(&index->writer, sql, err);
	bool is_state = strstr(sql, "state=") != NULL;

	if (!update)
		return -CSN_E_OS;
	sqlite3_bind_text(update, 1,
			  value->kind == CSN_CELL_TEXT ? value->text
			  : is_state                   ? "open"
						       : "",
			  -1, SQLITE_STATIC);
	sqlite3_bind_int64(update, 2, project);
	sqlite3_bind_int64(update, 3, fingerprint);
	return csn_sql_run(&index->writer, update, err);
}

static int set_pair(struct csn_index_sqlite *index, struct csn_index_project *project, int64_t key,
		    const struct csn_attribute_value *value, struct csn_pair *pairs, size_t room,
		    struct csn_error *err)
{
	const struct csn_builtin_attribute *builtin = csn_builtin_attribute_find(value->name);
	struct csn_index_attr *attr = csn_index_attr_find(project, value->name);
	struct csn_pair pair = { 0 };
	int r;

	if (builtin && builtin->column)
		return csn_fail(err, CSN_E_USAGE, "attribute %s cannot be set", value->name);
	if (!attr || !attr->pub.enabled || attr->pub.id >= (int64_t)room)
		return csn_fail(err, CSN_E_NOT_FOUND, "attribute %s does not exist", value->name);
	r = csn_index_convert(index, project, attr, value, &pair.set, &pair.value, err);
	if (r < 0)
		return r;
	if (!pair.set && value->kind != CSN_CELL_NULL)
		return csn_fail(err, CSN_E_USAGE, "attribute %s (%s) cannot hold this value",
				value->name, csn_type_name(attr->pub.type));
	pair.attr = (uint32_t)attr->pub.id;
	pairs[pair.attr] = pair;
	return log_edit(index, key, pair.attr, pair.set, pair.value, err);
}

static int write_pairs(struct csn_index_sqlite *index, int64_t key, const struct csn_pair *pairs,
		       size_t room, struct csn_error *err)
{
	cleanup_(csn_buf_done) struct csn_buf packed = CSN_BUF_INIT(CSN_MIB);
	cleanup_reset sqlite3_stmt *update =
		csn_sql_get(&index->writer, "UPDATE object SET attrs=? WHERE key=?", err);
	int r;

	if (!update)
		return -CSN_E_OS;
	csn_pairs_pack(pairs, room, &packed);
	r = csn_buf_check(&packed, "attributes", err);
	if (r < 0)
		return r;
	sqlite3_bind_blob(update, 1, csn_buf_text(&packed), (int)packed.size, SQLITE_STATIC);
	sqlite3_bind_int64(update, 2, key);
	return csn_sql_run(&index->writer, update, err);
}

/* Our own attributes may be set before any object had them. */
static int adopt_builtins(struct csn_index_sqlite *index, struct csn_index_project *project,
			  const struct csn_attribute_value *values, size_t n_values,
			  struct csn_error *err)
{
	for (size_t i = 0; i < n_values; i++) {
		const struct csn_builtin_attribute *builtin =
			csn_builtin_attribute_find(values[i].name);
		struct csn_attribute attribute;
		struct csn_index_attr *attr;
		int r;

		if (!builtin || builtin->column || csn_index_attr_find(project, values[i].name))
			continue;
		attribute = (struct csn_attribute){
			.name = builtin->name,
			.type = builtin->type,
			.format = builtin->format,
			.description = builtin->description,
			.origin = CSN_ATTRIBUTE_BUILTIN,
			.enabled = true,
		};
		r = csn_index_attr_add(index, project, &attribute, &attr, err);
		if (r < 0)
			return r;
	}
	return 0;
}

int csn_index_set(void *state, int64_t project, uint64_t id,
		  const struct csn_attribute_value *values, size_t n_values, struct csn_error *err)
{
	struct csn_index_sqlite *index = state;
	int64_t key = csn_object_key(project, id);
	cleanup_reset sqlite3_stmt *select =
		csn_sql_get(&index->writer, "SELECT attrs,fingerprint FROM object WHERE key=?",
			    err);
	cleanup_free struct csn_pair *pairs = NULL;
	struct csn_index_project *known;
	struct csn_span span;
	uint32_t attr;
	uint64_t value;
	size_t room;
	bool changed = false;
	int r;

	if (!select)
		return -CSN_E_OS;
	r = csn_index_project_get(index, project, &known, err);
	if (r == 0)
		r = adopt_builtins(index, known, values, n_values, err);
	if (r < 0)
		return r;
	sqlite3_bind_int64(select, 1, key);
	r = csn_sql_step(&index->writer, select, err);
	if (r <= 0)
		return r < 0 ? r
			     : csn_fail(err, CSN_E_NOT_FOUND, "no object %llx",
					(unsigned long long)id);
	room = (size_t)known->next_attr;
	pairs = calloc(room, sizeof(*pairs));
	if (!pairs)
		return csn_fail_nomem(err);
	span = csn_span_of(sqlite3_column_blob(select, 0), (size_t)sqlite3_column_bytes(select, 0));
	while (csn_pairs_next(&span, &attr, &value))
		if (attr < room)
			pairs[attr] = (struct csn_pair){ attr, true, value };
	for (size_t i = 0; i < n_values; i++) {
		const char *sql = issue_update(values[i].name);

		r = sql ? set_issue(index, project, sqlite3_column_int64(select, 1), sql,
				    &values[i], err)
			: set_pair(index, known, key, &values[i], pairs, room, err);
		if (r < 0)
			return r;
		changed = changed || !sql;
	}
	return changed ? write_pairs(index, key, pairs, room, err) : 0;
}

/* ---- delete ---- */

static int run_keyed(struct csn_index_sqlite *index, const char *sql, int64_t key,
		     struct csn_error *err)
{
	cleanup_reset sqlite3_stmt *statement = csn_sql_get(&index->writer, sql, err);

	if (!statement)
		return -CSN_E_OS;
	sqlite3_bind_int64(statement, 1, key);
	return csn_sql_run(&index->writer, statement, err);
}

int csn_index_remove(void *state, int64_t project, uint64_t id, unsigned what, bool *ret_found,
		     struct csn_error *err)
{
	struct csn_index_sqlite *index = state;
	int64_t key = csn_object_key(project, id);
	bool found;
	int r;

	r = run_keyed(
		index,
		"INSERT OR IGNORE INTO garbage SELECT ref FROM object WHERE key=?1 AND ref<>''"
		" UNION SELECT ref FROM attachment WHERE key=?1 AND ref<>''",
		key, err);
	if (r == 0)
		r = run_keyed(index, "DELETE FROM attachment WHERE key=?1", key, err);
	if (r == 0 && (what & CSN_DELETE_INDEX))
		r = run_keyed(index,
			      "UPDATE project SET ticks=project.ticks-o.ticks FROM object o"
			      " WHERE o.key=?1 AND project.project=o.project",
			      key, err);
	if (r == 0)
		r = run_keyed(index,
			      what & CSN_DELETE_INDEX
				      ? "DELETE FROM object WHERE key=?1"
				      : "UPDATE object SET ref='', deleted=1 WHERE key=?1",
			      key, err);
	if (r < 0)
		return r;
	found = sqlite3_changes(index->writer.db) > 0;
	*ret_found = found;
	return found ? log_edit(index, key, EDIT_DELETED, true, what, err) : 0;
}

/* ---- merge ---- */

static int set_merged(struct csn_index_sqlite *index, int64_t project, uint32_t from, uint32_t into,
		      struct csn_error *err)
{
	/* Those that were merged into `from` follow it. */
	cleanup_reset sqlite3_stmt *issues = csn_sql_get(
		&index->writer,
		"UPDATE issue SET merged=?1 WHERE project=?2 AND (fingerprint=?3 OR merged=?3)",
		err);
	cleanup_reset sqlite3_stmt *objects =
		csn_sql_get(&index->writer,
			    "UPDATE object SET fingerprint=?1 WHERE project=?2 AND fingerprint=?3",
			    err);
	sqlite3_stmt *both[] = { issues, objects };

	for (size_t i = 0; i < csn_countof(both); i++) {
		int r;

		if (!both[i])
			return -CSN_E_OS;
		sqlite3_bind_int64(both[i], 1, into);
		sqlite3_bind_int64(both[i], 2, project);
		sqlite3_bind_int64(both[i], 3, from);
		r = csn_sql_run(&index->writer, both[i], err);
		if (r < 0)
			return r;
	}
	return log_edit(index, csn_object_key(project, from), EDIT_FINGERPRINT, true, into, err);
}

/* The group that a fingerprint text stands in now. */
static int group_code(struct csn_index_sqlite *index, int64_t project, const char *fingerprint,
		      uint32_t *ret_code, struct csn_error *err)
{
	cleanup_reset sqlite3_stmt *select =
		csn_sql_get(&index->writer,
			    "SELECT merged FROM issue WHERE project=? AND fingerprint=?", err);
	uint32_t code = 0;
	int r;

	if (!select)
		return -CSN_E_OS;
	r = csn_index_find_code(index, project, CSN_ATTR_FINGERPRINT, fingerprint, &code, err);
	if (r < 0)
		return r;
	sqlite3_bind_int64(select, 1, project);
	sqlite3_bind_int64(select, 2, code);
	r = code ? csn_sql_step(&index->writer, select, err) : 0;
	if (r < 0)
		return r;
	if (r == 0)
		return csn_fail(err, CSN_E_NOT_FOUND, "no group %.64s", fingerprint);
	*ret_code =
		sqlite3_column_int64(select, 0) ? (uint32_t)sqlite3_column_int64(select, 0) : code;
	return 0;
}

int csn_index_merge(void *state, int64_t project, const char *into, const char *from,
		    struct csn_error *err)
{
	struct csn_index_sqlite *index = state;
	uint32_t into_code = 0, from_code = 0;
	int r;

	r = group_code(index, project, into, &into_code, err);
	if (r == 0)
		r = group_code(index, project, from, &from_code, err);
	if (r < 0 || into_code == from_code)
		return r;
	return set_merged(index, project, from_code, into_code, err);
}

int csn_index_unmerge(void *state, int64_t project, const char *fingerprint, struct csn_error *err)
{
	struct csn_index_sqlite *index = state;
	cleanup_reset sqlite3_stmt *objects = csn_sql_get(
		&index->writer,
		"UPDATE object SET fingerprint=original WHERE project=?1 AND fingerprint=?2", err);
	cleanup_reset sqlite3_stmt *issues =
		csn_sql_get(&index->writer,
			    "UPDATE issue SET merged=0 WHERE project=?1 AND merged=?2", err);
	sqlite3_stmt *both[] = { objects, issues };
	uint32_t group = 0;
	int r;

	r = group_code(index, project, fingerprint, &group, err);
	for (size_t i = 0; r == 0 && i < csn_countof(both); i++) {
		if (!both[i])
			return -CSN_E_OS;
		sqlite3_bind_int64(both[i], 1, project);
		sqlite3_bind_int64(both[i], 2, group);
		r = csn_sql_run(&index->writer, both[i], err);
	}
	return r < 0 ? r
		     : log_edit(index, csn_object_key(project, group), EDIT_FINGERPRINT, false, 0,
				err);
}

/* ---- attributes ---- */

static int update_attr(struct csn_index_sqlite *index, int64_t project,
		       const struct csn_attribute *attribute, struct csn_error *err)
{
	cleanup_reset sqlite3_stmt *update =
		csn_sql_get(&index->writer,
			    "UPDATE attr SET type=?,format=?,description=?,origin=?,enabled=? "
			    "WHERE project=? AND name=?",
			    err);

	if (!update)
		return -CSN_E_OS;
	sqlite3_bind_int(update, 1, (int)attribute->type);
	sqlite3_bind_text(update, 2, attribute->format, -1, SQLITE_STATIC);
	sqlite3_bind_text(update, 3, attribute->description, -1, SQLITE_STATIC);
	sqlite3_bind_int(update, 4, (int)attribute->origin);
	sqlite3_bind_int(update, 5, attribute->enabled);
	sqlite3_bind_int64(update, 6, project);
	sqlite3_bind_text(update, 7, attribute->name, -1, SQLITE_STATIC);
	return csn_sql_run(&index->writer, update, err);
}

int csn_index_declare(void *state, int64_t project, const struct csn_attribute *attribute,
		      struct csn_error *err)
{
	struct csn_index_sqlite *index = state;
	const struct csn_builtin_attribute *builtin = csn_builtin_attribute_find(attribute->name);
	struct csn_attribute declared = *attribute;
	struct csn_index_project *known;
	struct csn_index_attr *attr;
	int r;

	if (builtin)
		return csn_fail(err, CSN_E_USAGE, "attribute %s is built in", attribute->name);
	r = csn_index_project_get(index, project, &known, err);
	if (r < 0)
		return r;
	declared.id = 0;
	declared.origin = CSN_ATTRIBUTE_DECLARED;
	declared.enabled = true;
	attr = csn_index_attr_find(known, attribute->name);
	if (!attr)
		return csn_index_attr_add(index, known, &declared, &attr, err);
	if (attr->pub.seen && csn_type_is_text(attr->pub.type) != csn_type_is_text(declared.type))
		return csn_fail(err, CSN_E_USAGE, "attribute %s holds %s values already (%s)",
				attribute->name,
				csn_type_is_text(attr->pub.type) ? "text" : "number",
				csn_type_name(attr->pub.type));
	r = update_attr(index, project, &declared, err);
	csn_index_forget(index);
	return r;
}

int csn_index_undeclare(void *state, int64_t project, const char *name, struct csn_error *err)
{
	struct csn_index_sqlite *index = state;
	struct csn_index_project *known;
	struct csn_attribute attribute;
	struct csn_index_attr *attr;
	int r;

	r = csn_index_project_get(index, project, &known, err);
	if (r < 0)
		return r;
	attr = csn_index_attr_find(known, name);
	if (!attr || attr->pub.origin != CSN_ATTRIBUTE_DECLARED)
		return csn_fail(err, CSN_E_NOT_FOUND, "no declared attribute %s", name);
	attribute = attr->pub;
	attribute.origin = CSN_ATTRIBUTE_DISCOVERED;
	attribute.enabled = false;
	r = update_attr(index, project, &attribute, err);
	csn_index_forget(index);
	return r;
}
