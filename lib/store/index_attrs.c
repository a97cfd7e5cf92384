/* The writer's view of a project's attributes, and the coding of values. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/limits.h"
#include "base/text.h"
#include "store/index_internal.h"

/* ---- pairs ---- */

static void put_varint(struct csn_buf *out, uint64_t value)
{
	while (value >= 0x80) {
		csn_buf_putc(out, (char)(value | 0x80));
		value >>= 7;
	}
	csn_buf_putc(out, (char)value);
}

void csn_pairs_pack(const struct csn_pair *pairs, size_t n_pairs, struct csn_buf *out)
{
	for (size_t i = 0; i < n_pairs; i++) {
		if (!pairs[i].set)
			continue;
		put_varint(out, pairs[i].attr);
		put_varint(out, pairs[i].value);
	}
}

bool csn_pairs_next(struct csn_span *span, uint32_t *ret_attr, uint64_t *ret_value)
{
	if (csn_span_left(span) == 0)
		return false;
	*ret_attr = (uint32_t)csn_span_uleb(span);
	*ret_value = csn_span_uleb(span);
	return csn_span_ok(span);
}

/* ---- attributes ---- */

int csn_attribute_from_row(struct csn_arena *arena, sqlite3_stmt *row,
			   struct csn_attribute *ret_attribute, struct csn_error *err)
{
	struct csn_attribute attribute = {
		.id = sqlite3_column_int64(row, 0),
		.name = csn_arena_strdup(arena, csn_sql_text(row, 1)),
		.type = (enum csn_attribute_type)sqlite3_column_int(row, 2),
		.format = csn_arena_strdup(arena, csn_sql_text(row, 3)),
		.description = csn_arena_strdup(arena, csn_sql_text(row, 4)),
		.origin = (enum csn_attribute_origin)sqlite3_column_int(row, 5),
		.enabled = sqlite3_column_int(row, 6),
		.writable = true,
		.seen = sqlite3_column_int64(row, 7),
		.sample = csn_arena_strdup(arena, csn_sql_text(row, 8)),
	};

	if (!attribute.name || !attribute.format || !attribute.description || !attribute.sample)
		return csn_fail_nomem(err);
	*ret_attribute = attribute;
	return 0;
}

static void table_insert(struct csn_index_project *project, size_t place)
{
	const char *name = project->attrs[place].pub.name;
	size_t at = csn_hash_bytes(name, strlen(name)) & (project->table_size - 1);

	while (project->table[at])
		at = (at + 1) & (project->table_size - 1);
	project->table[at] = (uint32_t)place + 1;
}

static int attr_append(struct csn_index_project *project, const struct csn_attribute *attribute,
		       struct csn_index_attr **ret_attr, struct csn_error *err)
{
	struct csn_index_attr *attrs =
		csn_arena_grow(project->arena, project->attrs, project->n_attrs, &project->capacity,
			       sizeof(*attrs));

	if (!attrs || !attribute->name)
		return csn_fail_nomem(err);
	project->attrs = attrs;
	attrs[project->n_attrs] = (struct csn_index_attr){ .pub = *attribute };
	if (project->n_attrs * 2 >= project->table_size) {
		project->table_size = project->table_size ? project->table_size * 2 : 256;
		project->table = csn_arena_array(project->arena, project->table_size,
						 sizeof(*project->table));
		if (!project->table)
			return csn_fail_nomem(err);
		for (size_t i = 0; i < project->n_attrs; i++)
			table_insert(project, i);
	}
	table_insert(project, project->n_attrs);
	*ret_attr = &attrs[project->n_attrs++];
	return 0;
}

struct csn_index_attr *csn_index_attr_find(struct csn_index_project *project, const char *name)
{
	size_t at;

	if (!project->table_size)
		return NULL;
	at = csn_hash_bytes(name, strlen(name)) & (project->table_size - 1);
	while (project->table[at]) {
		struct csn_index_attr *attr = &project->attrs[project->table[at] - 1];

		if (strcmp(attr->pub.name, name) == 0)
			return attr;
		at = (at + 1) & (project->table_size - 1);
	}
	return NULL;
}

int csn_index_attr_add(struct csn_index_sqlite *index, struct csn_index_project *project,
		       const struct csn_attribute *attribute, struct csn_index_attr **ret_attr,
		       struct csn_error *err)
{
	struct csn_attribute copy = *attribute;
	cleanup_reset sqlite3_stmt *insert =
		csn_sql_get(&index->writer,
			    "INSERT INTO attr(project," CSN_ATTR_COLUMNS
			    ") VALUES(?,?,?,?,?,?,?,?,?,?)",
			    err);
	int r;

	if (!insert)
		return -CSN_E_OS;
	if (copy.id == 0)
		copy.id = project->next_attr++;
	copy.name = csn_arena_strdup(project->arena, attribute->name);
	copy.format = csn_arena_strdup(project->arena, attribute->format);
	copy.description = csn_arena_strdup(project->arena, attribute->description);
	copy.sample = csn_arena_strdup(project->arena, attribute->sample ? attribute->sample : "");
	if (!copy.name || !copy.format || !copy.description || !copy.sample)
		return csn_fail_nomem(err);
	sqlite3_bind_int64(insert, 1, project->project);
	sqlite3_bind_int64(insert, 2, copy.id);
	sqlite3_bind_text(insert, 3, copy.name, -1, SQLITE_STATIC);
	sqlite3_bind_int(insert, 4, (int)copy.type);
	sqlite3_bind_text(insert, 5, copy.format, -1, SQLITE_STATIC);
	sqlite3_bind_text(insert, 6, copy.description, -1, SQLITE_STATIC);
	sqlite3_bind_int(insert, 7, (int)copy.origin);
	sqlite3_bind_int(insert, 8, copy.enabled);
	sqlite3_bind_int64(insert, 9, copy.seen);
	sqlite3_bind_text(insert, 10, copy.sample, -1, SQLITE_STATIC);
	r = csn_sql_run(&index->writer, insert, err);
	return r < 0 ? r : attr_append(project, &copy, ret_attr, err);
}

static int load_attrs(struct csn_index_sqlite *index, struct csn_index_project *project,
		      struct csn_error *err)
{
	cleanup_reset sqlite3_stmt *select =
		csn_sql_get(&index->writer,
			    "SELECT " CSN_ATTR_COLUMNS " FROM attr WHERE project=? ORDER BY id",
			    err);
	struct csn_attribute attribute = { 0 };
	struct csn_index_attr *attr;
	int r;

	if (!select)
		return -CSN_E_OS;
	sqlite3_bind_int64(select, 1, project->project);
	while ((r = csn_sql_step(&index->writer, select, err)) > 0) {
		r = csn_attribute_from_row(project->arena, select, &attribute, err);
		if (r == 0)
			r = attr_append(project, &attribute, &attr, err);
		if (r < 0)
			return r;
		if (attribute.id >= project->next_attr)
			project->next_attr = attribute.id + 1;
	}
	return r;
}

static int load_next_id(struct csn_index_sqlite *index, struct csn_index_project *project,
			struct csn_error *err)
{
	cleanup_reset sqlite3_stmt *select =
		csn_sql_get(&index->writer, "SELECT next_id FROM project WHERE project=?", err);
	int r;

	if (!select)
		return -CSN_E_OS;
	sqlite3_bind_int64(select, 1, project->project);
	r = csn_sql_step(&index->writer, select, err);
	project->next_id = r > 0 ? (uint64_t)sqlite3_column_int64(select, 0) : 1;
	return r < 0 ? r : 0;
}

static void project_free(struct csn_index_project *project)
{
	csn_arena_free(project->arena);
	free(project);
}

int csn_index_project_get(struct csn_index_sqlite *index, int64_t project,
			  struct csn_index_project **ret_project, struct csn_error *err)
{
	struct csn_index_project *known = index->projects;
	int r;

	while (known && known->project != project)
		known = known->next;
	if (known) {
		*ret_project = known;
		return 0;
	}
	known = calloc(1, sizeof(*known));
	if (known)
		known->arena = csn_arena_new(CSN_MAX_INDEX_ATTRIBUTES_BYTES);
	if (!known || !known->arena) {
		free(known);
		return csn_fail_nomem(err);
	}
	known->project = project;
	known->next_attr = CSN_ATTR_FIRST;
	r = load_attrs(index, known, err);
	if (r == 0)
		r = load_next_id(index, known, err);
	if (r < 0) {
		project_free(known);
		return r;
	}
	known->next = index->projects;
	index->projects = known;
	*ret_project = known;
	return 0;
}

void csn_index_forget(struct csn_index_sqlite *index)
{
	while (index->projects) {
		struct csn_index_project *next = index->projects->next;

		project_free(index->projects);
		index->projects = next;
	}
	for (size_t i = 0; i < CSN_CODE_CACHE; i++) {
		free(index->codes[i].text);
		index->codes[i] = (struct csn_code_cache_entry){ 0 };
	}
}

/* ---- codes ---- */

int csn_index_find_code(struct csn_index_sqlite *index, int64_t project, int64_t attr,
			const char *text, uint32_t *ret_code, struct csn_error *err)
{
	uint64_t hash = csn_hash_bytes(text, strlen(text));
	cleanup_reset sqlite3_stmt *select = csn_sql_get(
		&index->writer,
		"SELECT code FROM dict WHERE project=?1 AND attr=?2 AND hash=?3 AND text=?4", err);
	int r;

	if (!select)
		return -CSN_E_OS;
	sqlite3_bind_int64(select, 1, project);
	sqlite3_bind_int64(select, 2, attr);
	sqlite3_bind_int64(select, 3, (int64_t)hash);
	sqlite3_bind_text(select, 4, text, -1, SQLITE_STATIC);
	r = csn_sql_step(&index->writer, select, err);
	if (r < 0)
		return r;
	*ret_code = r > 0 ? (uint32_t)sqlite3_column_int64(select, 0) : 0;
	return 0;
}

static int last_code(struct csn_index_sqlite *index, int64_t project, struct csn_index_attr *attr,
		     struct csn_error *err)
{
	cleanup_reset sqlite3_stmt *select = csn_sql_get(
		&index->writer,
		"SELECT code FROM dict WHERE project=? AND attr=? ORDER BY code DESC LIMIT 1", err);
	int r;

	if (!select)
		return -CSN_E_OS;
	sqlite3_bind_int64(select, 1, project);
	sqlite3_bind_int64(select, 2, attr->pub.id);
	r = csn_sql_step(&index->writer, select, err);
	if (r < 0)
		return r;
	attr->last_code = r > 0 ? (uint32_t)sqlite3_column_int64(select, 0) : 0;
	attr->code_known = true;
	return 0;
}

static int add_code(struct csn_index_sqlite *index, int64_t project, struct csn_index_attr *attr,
		    const char *text, uint64_t hash, uint32_t *ret_code, struct csn_error *err)
{
	cleanup_reset sqlite3_stmt *insert =
		csn_sql_get(&index->writer,
			    "INSERT INTO dict(project,attr,code,hash,text) VALUES(?,?,?,?,?)", err);
	int r;

	if (!insert)
		return -CSN_E_OS;
	if (!attr->code_known) {
		r = last_code(index, project, attr, err);
		if (r < 0)
			return r;
	}
	sqlite3_bind_int64(insert, 1, project);
	sqlite3_bind_int64(insert, 2, attr->pub.id);
	sqlite3_bind_int64(insert, 3, ++attr->last_code);
	sqlite3_bind_int64(insert, 4, (int64_t)hash);
	sqlite3_bind_text(insert, 5, text, -1, SQLITE_STATIC);
	*ret_code = attr->last_code;
	return csn_sql_run(&index->writer, insert, err);
}

int csn_index_code(struct csn_index_sqlite *index, struct csn_index_project *project,
		   struct csn_index_attr *attr, const char *text, uint32_t *ret_code,
		   struct csn_error *err)
{
	uint64_t hash = csn_hash_bytes(text, strlen(text));
	struct csn_code_cache_entry *entry =
		&index->codes[(hash ^ (uint64_t)attr->pub.id * 0x9e3779b97f4a7c15ull ^
			       (uint64_t)project->project) %
			      CSN_CODE_CACHE];
	uint32_t code;
	int r;

	if (entry->text && entry->hash == hash && entry->attr == attr->pub.id &&
	    entry->project == project->project && strcmp(entry->text, text) == 0) {
		*ret_code = entry->code;
		return 0;
	}
	r = csn_index_find_code(index, project->project, attr->pub.id, text, &code, err);
	if (r == 0 && code == 0)
		r = add_code(index, project->project, attr, text, hash, &code, err);
	if (r < 0)
		return r;
	free(entry->text);
	*entry = (struct csn_code_cache_entry){
		.project = project->project,
		.attr = attr->pub.id,
		.hash = hash,
		.code = code,
		.text = strdup(text),
	};
	*ret_code = code;
	return 0;
}

/* ---- values ---- */

static bool number_from_text(const char *text, bool is_signed, uint64_t *ret_number)
{
	int64_t value;

	if (strcasecmp(text, "true") == 0 || strcasecmp(text, "false") == 0) {
		*ret_number = tolower((unsigned char)text[0]) == 't';
		return true;
	}
	if (csn_parse_u64(text, 0, ret_number))
		return true;
	if (!is_signed || !csn_parse_i64(text, &value))
		return false;
	*ret_number = (uint64_t)value;
	return true;
}

static bool number_fits(enum csn_attribute_type type, bool negative, uint64_t number)
{
	static const uint64_t max[] = {
		[CSN_TYPE_BITMAP] = 1,          [CSN_TYPE_UINT8] = UINT8_MAX,
		[CSN_TYPE_UINT16] = UINT16_MAX, [CSN_TYPE_UINT32] = UINT32_MAX,
		[CSN_TYPE_UINT64] = UINT64_MAX, [CSN_TYPE_INT64] = UINT64_MAX,
	};

	if (negative)
		return type == CSN_TYPE_INT64;
	return number <= max[type];
}

/* A number seen below zero for the first time makes a discovered column signed: the bits of the
 * values already there mean the same. */
static int make_signed(struct csn_index_sqlite *index, int64_t project, struct csn_index_attr *attr,
		       struct csn_error *err)
{
	cleanup_reset sqlite3_stmt *update =
		csn_sql_get(&index->writer, "UPDATE attr SET type=? WHERE project=? AND id=?", err);

	if (!update)
		return -CSN_E_OS;
	sqlite3_bind_int(update, 1, CSN_TYPE_INT64);
	sqlite3_bind_int64(update, 2, project);
	sqlite3_bind_int64(update, 3, attr->pub.id);
	attr->pub.type = CSN_TYPE_INT64;
	return csn_sql_run(&index->writer, update, err);
}

static int convert_text(struct csn_index_sqlite *index, struct csn_index_project *project,
			struct csn_index_attr *attr, const char *text, uint64_t *ret_number,
			struct csn_error *err)
{
	cleanup_free char *cut = NULL;
	uint32_t code = 0;
	int r;

	if (strlen(text) > CSN_MAX_ATTRIBUTE_TEXT) {
		size_t length = CSN_MAX_ATTRIBUTE_TEXT;

		while (length && ((unsigned char)text[length] & 0xc0) == 0x80)
			length--;
		cut = strndup(text, length);
		if (!cut)
			return csn_fail_nomem(err);
		text = cut;
	}
	r = csn_index_code(index, project, attr, text, &code, err);
	*ret_number = code;
	return r;
}

int csn_index_convert(struct csn_index_sqlite *index, struct csn_index_project *project,
		      struct csn_index_attr *attr, const struct csn_attribute_value *value,
		      bool *ret_held, uint64_t *ret_number, struct csn_error *err)
{
	uint64_t number = value->number;
	bool is_signed = csn_type_is_signed(attr->pub.type);
	char text[32];
	int r;

	*ret_held = value->kind != CSN_CELL_NULL;
	if (value->kind == CSN_CELL_NULL)
		return 0;
	if (csn_type_is_text(attr->pub.type)) {
		if (value->kind == CSN_CELL_TEXT)
			return convert_text(index, project, attr, value->text, ret_number, err);
		if (value->negative)
			snprintf(text, sizeof(text), "%lld", (long long)value->number);
		else
			snprintf(text, sizeof(text), "%llu", (unsigned long long)value->number);
		return convert_text(index, project, attr, text, ret_number, err);
	}
	if (value->negative && !is_signed && attr->pub.type == CSN_TYPE_UINT64 &&
	    attr->pub.origin == CSN_ATTRIBUTE_DISCOVERED) {
		r = make_signed(index, project->project, attr, err);
		if (r < 0)
			return r;
	}
	if (value->kind == CSN_CELL_TEXT)
		*ret_held = number_from_text(value->text, is_signed, &number) &&
			    number_fits(attr->pub.type, false, number);
	else
		*ret_held = number_fits(attr->pub.type, value->negative, number);
	*ret_number = number;
	return 0;
}
