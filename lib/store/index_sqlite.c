/* The embedded object index: schema, transactions, objects coming in. */
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/limits.h"
#include "store/index_internal.h"

/* Each step brings the schema from its number to the next. Never edit one that was released. */
static const char *const migrations[] = {
	"CREATE TABLE meta(name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;"
	"CREATE TABLE project(project INTEGER PRIMARY KEY, next_id INTEGER NOT NULL);"
	"CREATE TABLE object(key INTEGER PRIMARY KEY, project INTEGER NOT NULL,"
	" uuid BLOB NOT NULL, rxid BLOB NOT NULL, timestamp INTEGER NOT NULL,"
	" received INTEGER NOT NULL, fingerprint INTEGER NOT NULL, original INTEGER NOT NULL,"
	" size INTEGER NOT NULL, format TEXT NOT NULL, content_type TEXT NOT NULL,"
	" ref TEXT NOT NULL, deleted INTEGER NOT NULL DEFAULT 0, attrs BLOB NOT NULL);"
	"CREATE UNIQUE INDEX object_uuid ON object(project, uuid);"
	"CREATE UNIQUE INDEX object_rxid ON object(project, rxid);"
	"CREATE INDEX object_timestamp ON object(project, timestamp);"
	"CREATE TABLE attr(project INTEGER NOT NULL, id INTEGER NOT NULL, name TEXT NOT NULL,"
	" type INTEGER NOT NULL, format TEXT NOT NULL, description TEXT NOT NULL,"
	" origin INTEGER NOT NULL, enabled INTEGER NOT NULL, seen INTEGER NOT NULL,"
	" sample TEXT NOT NULL, PRIMARY KEY(project, id)) WITHOUT ROWID;"
	"CREATE UNIQUE INDEX attr_name ON attr(project, name);"
	"CREATE TABLE dict(project INTEGER NOT NULL, attr INTEGER NOT NULL, code INTEGER NOT NULL,"
	" hash INTEGER NOT NULL, text TEXT NOT NULL, PRIMARY KEY(project, attr, code))"
	" WITHOUT ROWID;"
	"CREATE INDEX dict_hash ON dict(project, attr, hash);"
	"CREATE TABLE edit(seq INTEGER PRIMARY KEY AUTOINCREMENT, key INTEGER NOT NULL,"
	" attr INTEGER NOT NULL, value INTEGER);"
	"CREATE TABLE issue(project INTEGER NOT NULL, fingerprint INTEGER NOT NULL,"
	" state TEXT NOT NULL DEFAULT 'open', tags TEXT NOT NULL DEFAULT '',"
	" assignee TEXT NOT NULL DEFAULT '', ticket TEXT NOT NULL DEFAULT '',"
	" merged INTEGER NOT NULL DEFAULT 0, first_id INTEGER NOT NULL,"
	" created INTEGER NOT NULL, PRIMARY KEY(project, fingerprint)) WITHOUT ROWID;"
	"CREATE TABLE attachment(key INTEGER NOT NULL, id INTEGER NOT NULL, name TEXT NOT NULL,"
	" content_type TEXT NOT NULL, size INTEGER NOT NULL, ref TEXT NOT NULL,"
	" PRIMARY KEY(key, id)) WITHOUT ROWID;"
	"CREATE TABLE garbage(ref TEXT PRIMARY KEY) WITHOUT ROWID;",
	"ALTER TABLE object ADD COLUMN ticks INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE project ADD COLUMN ticks INTEGER NOT NULL DEFAULT 0;"
	"CREATE TABLE tick(project INTEGER NOT NULL, batch BLOB NOT NULL, key INTEGER NOT NULL,"
	" count INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,"
	" hostname TEXT NOT NULL, received INTEGER NOT NULL, PRIMARY KEY(project, batch))"
	" WITHOUT ROWID;",
};

static int migrate(struct csn_sql *sql, struct csn_error *err)
{
	sqlite3_stmt *statement = csn_sql_get(sql, "PRAGMA user_version", err);
	int r, version;
	char text[64];

	if (!statement)
		return -CSN_E_OS;
	r = csn_sql_step(sql, statement, err);
	if (r < 0)
		return r;
	version = sqlite3_column_int(statement, 0);
	sqlite3_reset(statement);
	if (version > (int)csn_countof(migrations))
		return csn_fail(err, CSN_E_UNSUPPORTED,
				"made by a newer coronerd (schema %d, this one knows %zu)", version,
				csn_countof(migrations));
	for (; version < (int)csn_countof(migrations); version++) {
		snprintf(text, sizeof(text), "PRAGMA user_version=%d; COMMIT", version + 1);
		r = csn_sql_exec(sql, "BEGIN IMMEDIATE", err);
		if (r == 0)
			r = csn_sql_exec(sql, migrations[version], err);
		if (r == 0)
			r = csn_sql_exec(sql, text, err);
		if (r < 0)
			return csn_wrap(err, "schema step %d", version);
	}
	return 0;
}

static int index_begin(void *state, struct csn_error *err)
{
	struct csn_index_sqlite *index = state;

	return csn_sql_exec(&index->writer, "BEGIN IMMEDIATE", err);
}

static int index_commit(void *state, struct csn_error *err)
{
	struct csn_index_sqlite *index = state;

	return csn_sql_exec(&index->writer, "COMMIT", err);
}

static void index_rollback(void *state)
{
	struct csn_index_sqlite *index = state;

	/* SQLite may have rolled back by itself (disk full): then this fails and does not matter.
	 */
	if (csn_sql_exec(&index->writer, "ROLLBACK", NULL) < 0)
		sqlite3_errcode(index->writer.db);
	csn_index_forget(index);
}

static int write_position(void *state, const char *position, struct csn_error *err)
{
	struct csn_index_sqlite *index = state;
	cleanup_reset sqlite3_stmt *update =
		csn_sql_get(&index->writer,
			    "INSERT OR REPLACE INTO meta(name,value) VALUES('blobs',?)", err);

	if (!update)
		return -CSN_E_OS;
	sqlite3_bind_text(update, 1, position, -1, SQLITE_STATIC);
	return csn_sql_run(&index->writer, update, err);
}

static int read_position(void *state, struct csn_blob_ref *ret_position, struct csn_error *err)
{
	struct csn_index_sqlite *index = state;
	cleanup_reset sqlite3_stmt *select =
		csn_sql_get(&index->writer, "SELECT value FROM meta WHERE name='blobs'", err);
	int r;

	if (!select)
		return -CSN_E_OS;
	r = csn_sql_step(&index->writer, select, err);
	if (r < 0)
		return r;
	snprintf(ret_position->text, sizeof(ret_position->text), "%s",
		 r > 0 ? csn_sql_text(select, 0) : "");
	return 0;
}

/* ---- objects coming in ---- */

static int find_uuid(void *state, int64_t project, const uint8_t uuid[16],
		     struct csn_receipt *ret_receipt, struct csn_error *err)
{
	struct csn_index_sqlite *index = state;
	cleanup_reset sqlite3_stmt *select = csn_sql_get(
		&index->writer,
		"SELECT o.key, o.rxid, d.text, i.first_id FROM object o JOIN dict d"
		" ON d.project=o.project AND d.attr=1 AND d.code=o.fingerprint LEFT JOIN issue i"
		" ON i.project=o.project AND i.fingerprint=o.original"
		" WHERE o.project=? AND o.uuid=?",
		err);
	struct csn_receipt receipt = { .duplicate = true };
	int r;

	if (!select)
		return -CSN_E_OS;
	sqlite3_bind_int64(select, 1, project);
	sqlite3_bind_blob(select, 2, uuid, 16, SQLITE_STATIC);
	r = csn_sql_step(&index->writer, select, err);
	if (r < 0)
		return r;
	if (r == 0)
		return -CSN_E_NOT_FOUND;
	receipt.id = (uint64_t)sqlite3_column_int64(select, 0) & CSN_ID_MAX;
	receipt.unique = (uint64_t)sqlite3_column_int64(select, 3) == receipt.id;
	if (sqlite3_column_bytes(select, 1) == 16)
		csn_uuid_format(sqlite3_column_blob(select, 1), receipt.rxid);
	snprintf(receipt.fingerprint, sizeof(receipt.fingerprint), "%s", csn_sql_text(select, 2));
	*ret_receipt = receipt;
	return 0;
}

static void sample_of(const struct csn_attribute_value *value, char *out, size_t out_size)
{
	if (value->kind == CSN_CELL_TEXT)
		snprintf(out, out_size, "%s", value->text);
	else if (value->negative)
		snprintf(out, out_size, "%lld", (long long)value->number);
	else
		snprintf(out, out_size, "%llu", (unsigned long long)value->number);
	/* Cut in the middle of a character: take the rest of it away too. */
	for (size_t n = strlen(out); n == out_size - 1 && n && (out[n - 1] & 0x80); n--)
		out[n - 1] = '\0';
}

/* An attribute that this project has not seen before. ret NULL: no more are taken. */
static int discover(struct csn_index_sqlite *index, struct csn_index_project *project,
		    const struct csn_attribute_value *value, int64_t now,
		    struct csn_index_attr **ret_attr, struct csn_error *err)
{
	const struct csn_builtin_attribute *builtin = csn_builtin_attribute_find(value->name);
	struct csn_attribute attribute = {
		.name = value->name,
		.type = value->kind == CSN_CELL_TEXT ? CSN_TYPE_DICTIONARY
			: value->negative            ? CSN_TYPE_INT64
						     : CSN_TYPE_UINT64,
		.format = "none",
		.description = "",
		.origin = CSN_ATTRIBUTE_DISCOVERED,
		.seen = now,
	};
	char sample[128];

	*ret_attr = NULL;
	if (project->n_attrs >= CSN_MAX_PROJECT_ATTRIBUTES && !builtin)
		return 0;
	if (builtin) {
		attribute.type = builtin->type;
		attribute.format = builtin->format;
		attribute.description = builtin->description;
		attribute.origin = CSN_ATTRIBUTE_BUILTIN;
		attribute.enabled = true;
	}
	sample_of(value, sample, sizeof(sample));
	attribute.sample = sample;
	return csn_index_attr_add(index, project, &attribute, ret_attr, err);
}

/* When an attribute was last seen is kept to the minute: most objects change no row of `attr`. */
static int touch(struct csn_index_sqlite *index, struct csn_index_project *project,
		 struct csn_index_attr *attr, const struct csn_attribute_value *value, int64_t now,
		 struct csn_error *err)
{
	cleanup_reset sqlite3_stmt *update = NULL;
	char sample[128];

	if (attr->pub.seen + 60 > now)
		return 0;
	update = csn_sql_get(&index->writer,
			     "UPDATE attr SET seen=?, sample=? WHERE project=? AND id=?", err);
	if (!update)
		return -CSN_E_OS;
	sample_of(value, sample, sizeof(sample));
	attr->pub.seen = now;
	sqlite3_bind_int64(update, 1, now);
	sqlite3_bind_text(update, 2, sample, -1, SQLITE_STATIC);
	sqlite3_bind_int64(update, 3, project->project);
	sqlite3_bind_int64(update, 4, attr->pub.id);
	return csn_sql_run(&index->writer, update, err);
}

/* Columns of every object are no attributes (of these only fingerprint has a row in `attr`). */
static bool is_column(const struct csn_index_attr *attr, const char *name)
{
	const struct csn_builtin_attribute *builtin;

	if (attr)
		return attr->pub.id == CSN_ATTR_FINGERPRINT;
	builtin = csn_builtin_attribute_find(name);
	return builtin && builtin->column;
}

static int pairs_of(struct csn_index_sqlite *index, struct csn_index_project *project,
		    const struct csn_submission *submission, int64_t now, struct csn_buf *out,
		    struct csn_error *err)
{
	cleanup_free struct csn_pair *pairs = NULL;
	size_t room = (size_t)project->next_attr + submission->n_attributes;
	int r;

	pairs = calloc(room, sizeof(*pairs));
	if (!pairs)
		return csn_fail_nomem(err);
	for (size_t i = 0; i < submission->n_attributes; i++) {
		const struct csn_attribute_value *value = &submission->attributes[i];
		struct csn_index_attr *attr = csn_index_attr_find(project, value->name);
		struct csn_pair pair = { 0 };

		if (value->kind == CSN_CELL_NULL || is_column(attr, value->name))
			continue;
		r = attr ? touch(index, project, attr, value, now, err)
			 : discover(index, project, value, now, &attr, err);
		if (r == 0 && attr)
			r = csn_index_convert(index, project, attr, value, &pair.set, &pair.value,
					      err);
		if (r < 0)
			return r;
		if (!attr || attr->pub.id >= (int64_t)room)
			continue;
		pair.attr = (uint32_t)attr->pub.id;
		pairs[pair.attr] = pair;
	}
	csn_pairs_pack(pairs, room, out);
	return csn_buf_check(out, "attributes", err);
}

static int fingerprint_code(struct csn_index_sqlite *index, struct csn_index_project *project,
			    const char *fingerprint, uint32_t *ret_code, struct csn_error *err)
{
	struct csn_index_attr *attr = csn_index_attr_find(project, "fingerprint");
	int r;

	if (!attr) {
		const struct csn_attribute attribute = {
			.id = CSN_ATTR_FINGERPRINT,
			.name = "fingerprint",
			.type = CSN_TYPE_DICTIONARY,
			.format = "sha256",
			.description = "",
			.origin = CSN_ATTRIBUTE_BUILTIN,
			.enabled = true,
		};

		r = csn_index_attr_add(index, project, &attribute, &attr, err);
		if (r < 0)
			return r;
	}
	return csn_index_code(index, project, attr, fingerprint, ret_code, err);
}

/* The group that a fingerprint belongs to; makes its issue when it is new. */
static int join_issue(struct csn_index_sqlite *index, int64_t project, uint32_t original,
		      uint64_t id, int64_t now, uint32_t *ret_fingerprint, bool *ret_unique,
		      struct csn_error *err)
{
	cleanup_reset sqlite3_stmt *select =
		csn_sql_get(&index->writer,
			    "SELECT merged FROM issue WHERE project=? AND fingerprint=?", err);
	cleanup_reset sqlite3_stmt *insert = csn_sql_get(
		&index->writer,
		"INSERT INTO issue(project,fingerprint,first_id,created) VALUES(?,?,?,?)", err);
	int64_t merged;
	int r;

	if (!select || !insert)
		return -CSN_E_OS;
	sqlite3_bind_int64(select, 1, project);
	sqlite3_bind_int64(select, 2, original);
	r = csn_sql_step(&index->writer, select, err);
	if (r < 0)
		return r;
	*ret_unique = r == 0;
	*ret_fingerprint = original;
	if (r > 0) {
		merged = sqlite3_column_int64(select, 0);
		if (merged)
			*ret_fingerprint = (uint32_t)merged;
		return 0;
	}
	sqlite3_bind_int64(insert, 1, project);
	sqlite3_bind_int64(insert, 2, original);
	sqlite3_bind_int64(insert, 3, (int64_t)id);
	sqlite3_bind_int64(insert, 4, now);
	return csn_sql_run(&index->writer, insert, err);
}

static int take_id(struct csn_index_sqlite *index, struct csn_index_project *project,
		   uint64_t *ret_id, struct csn_error *err)
{
	cleanup_reset sqlite3_stmt *update =
		csn_sql_get(&index->writer,
			    "INSERT INTO project(project,next_id) VALUES(?,?)"
			    " ON CONFLICT(project) DO UPDATE SET next_id=excluded.next_id",
			    err);

	if (!update)
		return -CSN_E_OS;
	if (project->next_id > CSN_ID_MAX)
		return csn_fail(err, CSN_E_LIMIT, "the project is out of object ids");
	*ret_id = project->next_id++;
	sqlite3_bind_int64(update, 1, project->project);
	sqlite3_bind_int64(update, 2, (int64_t)project->next_id);
	return csn_sql_run(&index->writer, update, err);
}

struct row {
	uint64_t id;
	uint8_t rxid[16];
	int64_t now;
	uint32_t fingerprint, original;
	struct csn_buf attrs;
};

static int insert_row(struct csn_index_sqlite *index, const struct csn_submission *submission,
		      const struct row *row, const struct csn_blob_ref *ref, struct csn_error *err)
{
	cleanup_reset sqlite3_stmt *insert = csn_sql_get(
		&index->writer,
		"INSERT INTO object(key,project,uuid,rxid,timestamp,received,fingerprint,original,"
		"size,format,content_type,ref,attrs) VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?)",
		err);

	if (!insert)
		return -CSN_E_OS;
	sqlite3_bind_int64(insert, 1, csn_object_key(submission->project, row->id));
	sqlite3_bind_int64(insert, 2, submission->project);
	sqlite3_bind_blob(insert, 3, submission->uuid, 16, SQLITE_STATIC);
	sqlite3_bind_blob(insert, 4, row->rxid, 16, SQLITE_STATIC);
	sqlite3_bind_int64(insert, 5, submission->timestamp);
	sqlite3_bind_int64(insert, 6, row->now);
	sqlite3_bind_int64(insert, 7, row->fingerprint);
	sqlite3_bind_int64(insert, 8, row->original);
	sqlite3_bind_int64(insert, 9, (int64_t)submission->object.size_bytes);
	sqlite3_bind_text(insert, 10, submission->format ? submission->format : "", -1,
			  SQLITE_STATIC);
	sqlite3_bind_text(insert, 11,
			  submission->object.content_type ? submission->object.content_type : "",
			  -1, SQLITE_STATIC);
	sqlite3_bind_text(insert, 12, ref->text, -1, SQLITE_STATIC);
	sqlite3_bind_blob(insert, 13, csn_buf_text(&row->attrs), (int)row->attrs.size,
			  SQLITE_STATIC);
	return csn_sql_run(&index->writer, insert, err);
}

static int index_attach(void *state, int64_t project, uint64_t id,
			const struct csn_submission_file *file, const struct csn_blob_ref *ref,
			int64_t *ret_attachment_id, struct csn_error *err)
{
	struct csn_index_sqlite *index = state;
	cleanup_reset sqlite3_stmt *insert = csn_sql_get(
		&index->writer,
		"INSERT INTO attachment(key,id,name,content_type,size,ref) SELECT ?1,"
		"coalesce((SELECT max(id) FROM attachment WHERE key=?1),0)+1,?2,?3,?4,?5 "
		"WHERE EXISTS (SELECT 1 FROM object WHERE key=?1) RETURNING id",
		err);
	int r;

	if (!insert)
		return -CSN_E_OS;
	sqlite3_bind_int64(insert, 1, csn_object_key(project, id));
	sqlite3_bind_text(insert, 2, file->name, -1, SQLITE_STATIC);
	sqlite3_bind_text(insert, 3,
			  file->content_type && *file->content_type ? file->content_type
								    : "application/octet-stream",
			  -1, SQLITE_STATIC);
	sqlite3_bind_int64(insert, 4, (int64_t)file->size_bytes);
	sqlite3_bind_text(insert, 5, ref->text, -1, SQLITE_STATIC);
	r = csn_sql_step(&index->writer, insert, err);
	if (r < 0)
		return r;
	if (r == 0)
		return csn_fail(err, CSN_E_NOT_FOUND, "no object %llx", (unsigned long long)id);
	*ret_attachment_id = sqlite3_column_int64(insert, 0);
	return 0;
}

static int index_add(void *state, const struct csn_submission *submission,
		     const struct csn_blob_ref *files, struct csn_receipt *ret_receipt,
		     struct csn_error *err)
{
	struct csn_index_sqlite *index = state;
	struct csn_index_project *project;
	struct csn_receipt receipt = { 0 };
	cleanup_(csn_buf_done) struct csn_buf attrs = CSN_BUF_INIT(CSN_MIB);
	struct row row = { .now = csn_realtime_ns() / CSN_NS_PER_SECOND };
	int64_t attachment;
	int r;

	r = csn_index_project_get(index, submission->project, &project, err);
	if (r == 0)
		r = fingerprint_code(index, project, submission->fingerprint, &row.original, err);
	if (r == 0)
		r = take_id(index, project, &row.id, err);
	if (r == 0)
		r = join_issue(index, submission->project, row.original, row.id, row.now,
			       &row.fingerprint, &receipt.unique, err);
	if (r == 0)
		r = pairs_of(index, project, submission, row.now, &attrs, err);
	if (r < 0)
		return r;
	csn_random_bytes(row.rxid, sizeof(row.rxid));
	row.rxid[6] = (row.rxid[6] & 0x0f) | 0x40;
	row.rxid[8] = (row.rxid[8] & 0x3f) | 0x80;
	row.attrs = attrs;
	r = insert_row(index, submission, &row, &files[0], err);
	for (size_t i = 0; r == 0 && i < submission->n_attachments; i++)
		r = index_attach(index, submission->project, row.id, &submission->attachments[i],
				 &files[i + 1], &attachment, err);
	if (r < 0)
		return r;
	receipt.id = row.id;
	csn_uuid_format(row.rxid, receipt.rxid);
	snprintf(receipt.fingerprint, sizeof(receipt.fingerprint), "%s", submission->fingerprint);
	if (row.fingerprint != row.original)
		r = find_uuid(index, submission->project, submission->uuid, &receipt, err);
	receipt.duplicate = false;
	if (r == 0)
		*ret_receipt = receipt;
	return r;
}

static int index_detach(void *state, int64_t project, uint64_t id, int64_t attachment_id,
			const char *name, struct csn_error *err)
{
	struct csn_index_sqlite *index = state;
	cleanup_reset sqlite3_stmt *garbage = csn_sql_get(
		&index->writer,
		"INSERT OR IGNORE INTO garbage SELECT ref FROM attachment WHERE key=?1 AND "
		"(id=?2 OR (?2=0 AND name=?3))",
		err);
	cleanup_reset sqlite3_stmt *delete =
		csn_sql_get(&index->writer,
			    "DELETE FROM attachment WHERE key=?1 AND (id=?2 OR (?2=0 AND name=?3))",
			    err);
	sqlite3_stmt *both[] = { garbage, delete };

	for (size_t i = 0; i < csn_countof(both); i++) {
		int r;

		if (!both[i])
			return -CSN_E_OS;
		sqlite3_bind_int64(both[i], 1, csn_object_key(project, id));
		sqlite3_bind_int64(both[i], 2, attachment_id);
		sqlite3_bind_text(both[i], 3, name ? name : "", -1, SQLITE_STATIC);
		r = csn_sql_run(&index->writer, both[i], err);
		if (r < 0)
			return r;
	}
	if (sqlite3_changes(index->writer.db) == 0)
		return csn_fail(err, CSN_E_NOT_FOUND, "no such attachment");
	return 0;
}

static int list_garbage(void *state, struct csn_blob_ref *refs, size_t max, size_t *ret_count,
			struct csn_error *err)
{
	struct csn_index_sqlite *index = state;
	cleanup_reset sqlite3_stmt *select =
		csn_sql_get(&index->writer, "SELECT ref FROM garbage ORDER BY ref LIMIT ?", err);
	size_t n = 0;
	int r;

	if (!select)
		return -CSN_E_OS;
	sqlite3_bind_int64(select, 1, (int64_t)max);
	while ((r = csn_sql_step(&index->writer, select, err)) > 0)
		if (n < max)
			snprintf(refs[n++].text, sizeof(refs->text), "%s", csn_sql_text(select, 0));
	if (r == 0)
		*ret_count = n;
	return r;
}

static int forget_garbage(void *state, const struct csn_blob_ref *refs, size_t n_refs,
			  struct csn_error *err)
{
	struct csn_index_sqlite *index = state;
	cleanup_reset sqlite3_stmt *delete =
		csn_sql_get(&index->writer, "DELETE FROM garbage WHERE ref=?", err);
	int r = 0;

	if (!delete)
		return -CSN_E_OS;
	for (size_t i = 0; r == 0 && i < n_refs; i++) {
		sqlite3_bind_text(delete, 1, refs[i].text, -1, SQLITE_STATIC);
		r = csn_sql_run(&index->writer, delete, err);
	}
	/* The rows' pages go back to the file system, a few at a time. */
	return r < 0 ? r : csn_sql_exec(&index->writer, "PRAGMA incremental_vacuum(2000)", err);
}

static void index_close(void *state)
{
	struct csn_index_sqlite *index = state;

	if (index->codes)
		csn_index_forget(index);
	free(index->codes);
	/* The writer last: the last connection folds the log into the database, if it may write. */
	for (size_t i = 0; i < index->n_idle; i++)
		csn_sql_close(&index->idle[i]);
	csn_sql_close(&index->writer);
	csn_arena_free(index->dict_arena);
	pthread_mutex_destroy(&index->lock);
	free(index->path);
	free(index);
}

static const struct csn_index_ops sqlite_ops = {
	.name = "sqlite",
	.close = index_close,
	.begin = index_begin,
	.commit = index_commit,
	.rollback = index_rollback,
	.write_position = write_position,
	.read_position = read_position,
	.find_uuid = find_uuid,
	.add = index_add,
	.tick = csn_index_tick,
	.attach = index_attach,
	.detach = index_detach,
	.set = csn_index_set,
	.remove = csn_index_remove,
	.merge = csn_index_merge,
	.unmerge = csn_index_unmerge,
	.declare = csn_index_declare,
	.undeclare = csn_index_undeclare,
	.list_garbage = list_garbage,
	.forget_garbage = forget_garbage,
	.reader_open = csn_index_reader_open,
	.reader_close = csn_index_reader_close,
	.attributes = csn_index_reader_attributes,
	.scan = csn_index_reader_scan,
	.count = csn_index_reader_count,
	.ticks = csn_index_reader_ticks,
	.issues = csn_index_reader_issues,
	.find = csn_index_reader_find,
	.file = csn_index_reader_file,
	.attachments = csn_index_reader_attachments,
};

int csn_index_open_sqlite(const char *path, struct csn_index *ret_index, struct csn_error *err)
{
	struct csn_index_sqlite *index = calloc(1, sizeof(*index));
	int r;

	if (!index)
		return csn_fail_nomem(err);
	pthread_mutex_init(&index->lock, NULL);
	index->path = strdup(path);
	index->codes = calloc(CSN_CODE_CACHE, sizeof(*index->codes));
	index->dict_arena = csn_arena_new(CSN_MAX_DICTIONARY_BYTES);
	if (!index->path || !index->codes || !index->dict_arena) {
		index_close(index);
		return csn_fail_nomem(err);
	}
	r = csn_sql_open(&index->writer, path, false, err);
	if (r == 0)
		r = migrate(&index->writer, err);
	if (r < 0) {
		index_close(index);
		return csn_wrap(err, "%s", path);
	}
	ret_index->ops = &sqlite_ops;
	ret_index->state = index;
	return 0;
}
