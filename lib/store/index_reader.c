/* Consistent views of a project: attributes, scans, issues, single objects.
 *
 * A reader is a read transaction on a connection of its own, taken from a short list of idle ones.
 * Dictionaries are loaded as far as the view needs them, once for all readers: codes never change
 * their text, so what one reader loads serves every later one. */
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/cleanup.h"
#include "base/hash.h"
#include "base/limits.h"
#include "store/index_internal.h"

enum source {
	FROM_PAIRS,
	FROM_NOTHING, /* a built-in attribute that no object has */
	FROM_TIMESTAMP,
	FROM_RECEIVED,
	FROM_FINGERPRINT,
	FROM_ORIGINAL,
	FROM_SIZE,
	FROM_DELETED,
	FROM_TICKS,
	FROM_ID,
	FROM_RXID,
	FROM_STATE, /* these four: the issue of the fingerprint, in this order */
	FROM_TAGS,
	FROM_ASSIGNEE,
	FROM_TICKET,
};

static const struct {
	const char *name;
	enum source source;
} column_sources[] = {
	{ "timestamp", FROM_TIMESTAMP },
	{ "_received", FROM_RECEIVED },
	{ "fingerprint", FROM_FINGERPRINT },
	{ "fingerprint;original", FROM_ORIGINAL },
	{ "object.size", FROM_SIZE },
	{ "object.ticks", FROM_TICKS },
	{ "_deleted", FROM_DELETED },
	{ "_tx", FROM_ID },
	{ "object", FROM_ID },
	{ "_rxid", FROM_RXID },
	{ "fingerprint;issues;state", FROM_STATE },
	{ "fingerprint;issues;tags", FROM_TAGS },
	{ "fingerprint;issues;assignee", FROM_ASSIGNEE },
	{ "fingerprint;issues;ticket", FROM_TICKET },
};

struct issue_cells {
	struct csn_cell cells[4]; /* state, tags, assignee, ticket */
};

struct reader {
	struct csn_index_sqlite *index;
	int64_t project;
	struct csn_sql sql;
	struct csn_arena *arena;
	struct csn_attribute *attributes;
	size_t n_attributes;
	struct issue_cells *issues; /* by fingerprint code; NULL until needed */
	size_t n_issues;
};

/* ---- opening ---- */

static int take_connection(struct csn_index_sqlite *index, struct csn_sql *sql,
			   struct csn_error *err)
{
	pthread_mutex_lock(&index->lock);
	if (index->n_idle) {
		*sql = index->idle[--index->n_idle];
		pthread_mutex_unlock(&index->lock);
		return 0;
	}
	pthread_mutex_unlock(&index->lock);
	return csn_sql_open(sql, index->path, true, err);
}

static bool add_attribute(struct reader *reader, size_t *capacity,
			  const struct csn_attribute *attribute)
{
	struct csn_attribute *grown =
		csn_arena_grow(reader->arena, reader->attributes, reader->n_attributes, capacity,
			       sizeof(*grown));

	if (!grown)
		return false;
	reader->attributes = grown;
	grown[reader->n_attributes++] = *attribute;
	return true;
}

static const struct csn_attribute *find_attribute(const struct reader *reader, const char *name)
{
	for (size_t i = 0; i < reader->n_attributes; i++)
		if (strcmp(reader->attributes[i].name, name) == 0)
			return &reader->attributes[i];
	return NULL;
}

static struct csn_attribute from_builtin(const struct csn_builtin_attribute *builtin)
{
	return (struct csn_attribute){
		.id = builtin->column ? 0 : -1,
		.name = builtin->name,
		.type = builtin->type,
		.format = builtin->format,
		.description = builtin->description,
		.origin = CSN_ATTRIBUTE_BUILTIN,
		.enabled = true,
		.writable = !builtin->column || strstr(builtin->name, ";issues;"),
		.sample = "",
	};
}

static int load_attributes(struct reader *reader, struct csn_error *err)
{
	cleanup_reset sqlite3_stmt *select =
		csn_sql_get(&reader->sql,
			    "SELECT " CSN_ATTR_COLUMNS " FROM attr WHERE project=? AND id>1"
			    " ORDER BY id",
			    err);
	size_t capacity = 0, n_builtins;
	const struct csn_builtin_attribute *builtins = csn_builtin_attributes(&n_builtins);
	struct csn_attribute attribute;
	int r;

	if (!select)
		return -CSN_E_OS;
	for (size_t i = 0; i < n_builtins; i++) {
		attribute = from_builtin(&builtins[i]);
		if (builtins[i].column && !add_attribute(reader, &capacity, &attribute))
			return csn_fail_nomem(err);
	}
	sqlite3_bind_int64(select, 1, reader->project);
	while ((r = csn_sql_step(&reader->sql, select, err)) > 0) {
		r = csn_attribute_from_row(reader->arena, select, &attribute, err);
		if (r < 0)
			return r;
		if (!add_attribute(reader, &capacity, &attribute))
			return csn_fail_nomem(err);
	}
	for (size_t i = 0; r == 0 && i < n_builtins; i++) {
		attribute = from_builtin(&builtins[i]);
		if (!find_attribute(reader, attribute.name) &&
		    !add_attribute(reader, &capacity, &attribute))
			return csn_fail_nomem(err);
	}
	return r;
}

void csn_index_reader_close(void *state)
{
	struct reader *reader = state;
	struct csn_index_sqlite *index = reader->index;

	if (reader->sql.db && csn_sql_exec(&reader->sql, "ROLLBACK", NULL) == 0) {
		pthread_mutex_lock(&index->lock);
		if (index->n_idle < CSN_IDLE_READERS) {
			index->idle[index->n_idle++] = reader->sql;
			reader->sql.db = NULL;
		}
		pthread_mutex_unlock(&index->lock);
	}
	if (reader->sql.db)
		csn_sql_close(&reader->sql);
	csn_arena_free(reader->arena);
	free(reader);
}

int csn_index_reader_open(void *state, int64_t project, void **ret_reader, struct csn_error *err)
{
	struct csn_index_sqlite *index = state;
	struct reader *reader = calloc(1, sizeof(*reader));
	int r;

	if (!reader)
		return csn_fail_nomem(err);
	reader->index = index;
	reader->project = project;
	reader->arena = csn_arena_new(CSN_MAX_READER_BYTES);
	r = reader->arena ? take_connection(index, &reader->sql, err) : csn_fail_nomem(err);
	if (r == 0)
		r = csn_sql_exec(&reader->sql, "BEGIN", err);
	if (r == 0)
		r = load_attributes(reader, err);
	if (r < 0) {
		csn_index_reader_close(reader);
		return r;
	}
	*ret_reader = reader;
	return 0;
}

const struct csn_attribute *csn_index_reader_attributes(void *state, size_t *ret_count)
{
	struct reader *reader = state;

	*ret_count = reader->n_attributes;
	return reader->attributes;
}

/* ---- dictionaries ---- */

struct dict_view {
	const char **texts;
	uint32_t count;
};

static struct csn_dict *dict_find(struct csn_index_sqlite *index, int64_t project, int64_t attr)
{
	uint64_t bucket =
		((uint64_t)project * 0x9e3779b97f4a7c15ull + (uint64_t)attr) % CSN_DICT_BUCKETS;
	struct csn_dict *dict = index->dicts[bucket];

	while (dict && (dict->project != project || dict->attr != attr))
		dict = dict->next;
	if (dict)
		return dict;
	dict = csn_arena_alloc(index->dict_arena, sizeof(*dict));
	if (!dict)
		return NULL;
	dict->project = project;
	dict->attr = attr;
	dict->next = index->dicts[bucket];
	index->dicts[bucket] = dict;
	return dict;
}

static bool dict_append(struct csn_index_sqlite *index, struct csn_dict *dict, uint32_t code,
			const char *text)
{
	if (code >= dict->capacity) {
		uint32_t capacity = dict->capacity ? dict->capacity : 64;
		const char **grown;

		while (capacity <= code)
			capacity *= 2;
		grown = csn_arena_array(index->dict_arena, capacity, sizeof(*grown));
		if (!grown)
			return false;
		if (dict->texts)
			memcpy(grown, dict->texts, (dict->count + 1) * sizeof(*grown));
		dict->texts = grown;
		dict->capacity = capacity;
	}
	dict->texts[code] = csn_arena_strdup(index->dict_arena, text);
	if (!dict->texts[code])
		return false;
	dict->count = code;
	return true;
}

static int dict_load(struct reader *reader, struct csn_dict *dict, struct csn_error *err)
{
	cleanup_reset sqlite3_stmt *select = csn_sql_get(
		&reader->sql,
		"SELECT code,text FROM dict WHERE project=? AND attr=? AND code>? ORDER BY code",
		err);
	int r;

	if (!select)
		return -CSN_E_OS;
	sqlite3_bind_int64(select, 1, dict->project);
	sqlite3_bind_int64(select, 2, dict->attr);
	sqlite3_bind_int64(select, 3, dict->count);
	while ((r = csn_sql_step(&reader->sql, select, err)) > 0)
		if (!dict_append(reader->index, dict, (uint32_t)sqlite3_column_int64(select, 0),
				 csn_sql_text(select, 1)))
			return csn_fail(err, CSN_E_LIMIT, "dictionaries are too large");
	return r;
}

/* All texts of an attribute that this view can meet. */
static int dict_view(struct reader *reader, int64_t attr, struct dict_view *ret_view,
		     struct csn_error *err)
{
	struct csn_index_sqlite *index = reader->index;
	struct csn_dict *dict;
	int r;

	pthread_mutex_lock(&index->lock);
	dict = dict_find(index, reader->project, attr);
	r = dict ? dict_load(reader, dict, err) : csn_fail_nomem(err);
	if (dict && r == 0)
		*ret_view = (struct dict_view){ dict->texts, dict->count };
	pthread_mutex_unlock(&index->lock);
	return r;
}

static struct csn_cell text_cell(const struct dict_view *view, uint64_t code)
{
	if (code == 0 || code > view->count || !view->texts[code])
		return (struct csn_cell){ .kind = CSN_CELL_NULL };
	return (struct csn_cell){
		.kind = CSN_CELL_TEXT,
		.code = (uint32_t)code,
		.text = view->texts[code],
	};
}

/* ---- issues ---- */

static int each_issue(struct reader *reader, csn_issue_row row, void *context,
		      struct csn_error *err)
{
	cleanup_reset sqlite3_stmt *select = csn_sql_get(
		&reader->sql,
		"SELECT fingerprint,state,tags,assignee,ticket,merged,first_id,created FROM issue"
		" WHERE project=? ORDER BY fingerprint",
		err);
	struct dict_view prints = { 0 };
	int r;

	if (!select)
		return -CSN_E_OS;
	r = dict_view(reader, CSN_ATTR_FINGERPRINT, &prints, err);
	if (r < 0)
		return r;
	sqlite3_bind_int64(select, 1, reader->project);
	while ((r = csn_sql_step(&reader->sql, select, err)) > 0) {
		struct csn_cell print =
			text_cell(&prints, (uint64_t)sqlite3_column_int64(select, 0));
		struct csn_cell merged =
			text_cell(&prints, (uint64_t)sqlite3_column_int64(select, 5));
		struct csn_issue issue = {
			.fingerprint = print.text ? print.text : "",
			.state = csn_arena_strdup(reader->arena, csn_sql_text(select, 1)),
			.tags = csn_arena_strdup(reader->arena, csn_sql_text(select, 2)),
			.assignee = csn_arena_strdup(reader->arena, csn_sql_text(select, 3)),
			.ticket = csn_arena_strdup(reader->arena, csn_sql_text(select, 4)),
			.merged_into = merged.text ? merged.text : "",
			.first_id = (uint64_t)sqlite3_column_int64(select, 6),
			.created = sqlite3_column_int64(select, 7),
		};

		if (!issue.state || !issue.tags || !issue.assignee || !issue.ticket)
			return csn_fail_nomem(err);
		if (!row(context, &issue))
			return 0;
	}
	return r;
}

int csn_index_reader_issues(void *state, csn_issue_row row, void *context, struct csn_error *err)
{
	return each_issue(state, row, context, err);
}

/* Gives the texts of issues codes of their own, valid within this reader. */
struct interning {
	struct reader *reader;
	const char **texts; /* open hash */
	uint32_t *codes;
	size_t size, n;
};

static struct csn_cell intern(struct interning *interning, const char *text)
{
	struct csn_cell cell = { .kind = CSN_CELL_TEXT, .text = text };
	size_t at;

	if (!*text)
		return (struct csn_cell){ .kind = CSN_CELL_NULL };
	at = csn_hash_bytes(text, strlen(text)) & (interning->size - 1);
	while (interning->texts[at] && strcmp(interning->texts[at], text) != 0)
		at = (at + 1) & (interning->size - 1);
	if (!interning->texts[at]) {
		interning->texts[at] = text;
		interning->codes[at] = (uint32_t)++interning->n;
	}
	cell.text = interning->texts[at];
	cell.code = interning->codes[at];
	return cell;
}

static int load_issue_row(struct reader *reader, struct interning *interning, sqlite3_stmt *row,
			  struct csn_error *err)
{
	uint64_t code = (uint64_t)sqlite3_column_int64(row, 0);

	if (code >= reader->n_issues)
		return 0;
	for (int i = 0; i < 4; i++) {
		char *text = csn_arena_strdup(reader->arena, csn_sql_text(row, i + 1));

		if (!text)
			return csn_fail_nomem(err);
		reader->issues[code].cells[i] = intern(interning, text);
	}
	return 0;
}

static int load_issues(struct reader *reader, size_t n_codes, struct csn_error *err)
{
	cleanup_reset sqlite3_stmt *select = csn_sql_get(
		&reader->sql,
		"SELECT fingerprint,state,tags,assignee,ticket FROM issue WHERE project=?", err);
	struct interning interning = { .reader = reader, .size = 64 };
	int r = 0;

	if (!select)
		return -CSN_E_OS;
	while (interning.size < n_codes * 8)
		interning.size *= 2;
	reader->n_issues = n_codes + 1;
	reader->issues = csn_arena_array(reader->arena, reader->n_issues, sizeof(*reader->issues));
	interning.texts = csn_arena_array(reader->arena, interning.size, sizeof(*interning.texts));
	interning.codes = csn_arena_array(reader->arena, interning.size, sizeof(*interning.codes));
	if (!reader->issues || !interning.texts || !interning.codes)
		return csn_fail_nomem(err);
	sqlite3_bind_int64(select, 1, reader->project);
	while (r >= 0 && (r = csn_sql_step(&reader->sql, select, err)) > 0)
		r = load_issue_row(reader, &interning, select, err);
	return r;
}

/* ---- scans ---- */

struct scan {
	struct reader *reader;
	const struct csn_scan *what;
	enum source *sources;
	struct dict_view *views; /* by column */
	struct csn_cell *cells;
	int32_t *first; /* by attribute number: column + 1, then `next` by column */
	int32_t *next;
	size_t n_first;
	size_t n_wanted; /* distinct attributes among the pairs */
	struct dict_view prints;
	char rxid[CSN_UUID_TEXT];
};

static enum source source_of(const struct csn_attribute *attribute)
{
	if (attribute->id > 0)
		return FROM_PAIRS;
	for (size_t i = 0; i < csn_countof(column_sources); i++)
		if (strcmp(column_sources[i].name, attribute->name) == 0)
			return column_sources[i].source;
	return FROM_NOTHING;
}

static int prepare_column(struct scan *scan, size_t column, struct csn_error *err)
{
	const struct csn_attribute *attribute = scan->what->columns[column];
	enum source source = source_of(attribute);
	int r = 0;

	scan->sources[column] = source;
	if (source == FROM_PAIRS) {
		scan->next[column] = scan->first[attribute->id];
		scan->n_wanted += scan->first[attribute->id] == 0;
		scan->first[attribute->id] = (int32_t)column + 1;
		if (csn_type_is_text(attribute->type))
			r = dict_view(scan->reader, attribute->id, &scan->views[column], err);
	}
	if (source >= FROM_STATE && !scan->reader->issues)
		r = load_issues(scan->reader, scan->prints.count, err);
	return r;
}

static int prepare(struct scan *scan, struct csn_error *err)
{
	struct csn_arena *arena = scan->reader->arena;
	size_t n = scan->what->n_columns;
	int64_t last = 0;
	int r;

	for (size_t i = 0; i < scan->reader->n_attributes; i++)
		if (scan->reader->attributes[i].id > last)
			last = scan->reader->attributes[i].id;
	scan->n_first = (size_t)last + 1;
	scan->sources = csn_arena_array(arena, n + 1, sizeof(*scan->sources));
	scan->views = csn_arena_array(arena, n + 1, sizeof(*scan->views));
	scan->cells = csn_arena_array(arena, n + 1, sizeof(*scan->cells));
	scan->first = csn_arena_array(arena, scan->n_first, sizeof(*scan->first));
	scan->next = csn_arena_array(arena, n + 1, sizeof(*scan->next));
	if (!scan->sources || !scan->views || !scan->cells || !scan->first || !scan->next)
		return csn_fail_nomem(err);
	r = dict_view(scan->reader, CSN_ATTR_FINGERPRINT, &scan->prints, err);
	for (size_t i = 0; r == 0 && i < n; i++)
		r = prepare_column(scan, i, err);
	return r;
}

static void cells_from_pairs(struct scan *scan, sqlite3_stmt *row)
{
	struct csn_span span =
		csn_span_of(sqlite3_column_blob(row, 1), (size_t)sqlite3_column_bytes(row, 1));
	size_t left = scan->n_wanted;
	uint32_t attr;
	uint64_t value;

	/* An attribute stands once in a row: past the last wanted one there is nothing to see. */
	while (left > 0 && csn_pairs_next(&span, &attr, &value)) {
		int32_t column = attr < scan->n_first ? scan->first[attr] : 0;

		left -= column != 0;
		for (; column; column = scan->next[column - 1]) {
			struct csn_cell *cell = &scan->cells[column - 1];

			if (csn_type_is_text(scan->what->columns[column - 1]->type))
				*cell = text_cell(&scan->views[column - 1], value);
			else
				*cell = (struct csn_cell){ .kind = CSN_CELL_NUMBER,
							   .number = value };
		}
	}
}

static struct csn_cell number_cell(int64_t number)
{
	return (struct csn_cell){ .kind = CSN_CELL_NUMBER, .number = (uint64_t)number };
}

/* Columns of the row: key, attrs, timestamp, received, fingerprint, original, size, deleted,
 * rxid, ticks. */
static struct csn_cell cell_of(struct scan *scan, enum source source, sqlite3_stmt *row)
{
	uint64_t fingerprint = (uint64_t)sqlite3_column_int64(row, 4);

	switch (source) {
	case FROM_TIMESTAMP:
		return number_cell(sqlite3_column_int64(row, 2));
	case FROM_RECEIVED:
		return number_cell(sqlite3_column_int64(row, 3));
	case FROM_FINGERPRINT:
		return text_cell(&scan->prints, fingerprint);
	case FROM_ORIGINAL:
		return text_cell(&scan->prints, (uint64_t)sqlite3_column_int64(row, 5));
	case FROM_SIZE:
		return number_cell(sqlite3_column_int64(row, 6));
	case FROM_DELETED:
		return number_cell(sqlite3_column_int64(row, 7));
	case FROM_TICKS:
		return number_cell(sqlite3_column_int64(row, 9));
	case FROM_ID:
		return number_cell((int64_t)((uint64_t)sqlite3_column_int64(row, 0) & CSN_ID_MAX));
	case FROM_RXID:
		if (sqlite3_column_bytes(row, 8) == 16)
			csn_uuid_format(sqlite3_column_blob(row, 8), scan->rxid);
		return (struct csn_cell){ .kind = CSN_CELL_TEXT, .text = scan->rxid };
	case FROM_STATE:
	case FROM_TAGS:
	case FROM_ASSIGNEE:
	case FROM_TICKET:
		if (fingerprint < scan->reader->n_issues)
			return scan->reader->issues[fingerprint].cells[source - FROM_STATE];
		break;
	case FROM_PAIRS:
	case FROM_NOTHING:
		break;
	}
	return (struct csn_cell){ .kind = CSN_CELL_NULL };
}

#define SCAN_COLUMNS \
	"SELECT key,attrs,timestamp,received,fingerprint,original,size,deleted,rxid,ticks FROM " \
	"object "
#define SCAN_RANGE "WHERE key>=?1 AND key<?2 AND timestamp>=?3 AND timestamp<?4 "

static sqlite3_stmt *scan_statement(struct scan *scan, struct csn_error *err)
{
	const struct csn_scan *what = scan->what;
	bool all_ids = what->id_from == 0 && what->id_to == 0;
	bool all_times = what->timestamp_from == 0 && what->timestamp_to == 0;
	uint64_t to = all_ids || what->id_to > CSN_ID_MAX ? CSN_ID_MAX : what->id_to;
	const char *text = what->newest_first ? SCAN_COLUMNS SCAN_RANGE "ORDER BY key DESC"
					      : SCAN_COLUMNS SCAN_RANGE "ORDER BY key";
	sqlite3_stmt *statement = NULL;

	/* Not from the kept ones: scans of one reader may nest. */
	if (sqlite3_prepare_v2(scan->reader->sql.db, text, -1, &statement, NULL) != SQLITE_OK) {
		csn_sql_fail(&scan->reader->sql, err, "scan");
		return NULL;
	}
	sqlite3_bind_int64(statement, 1, csn_object_key(scan->reader->project, what->id_from));
	sqlite3_bind_int64(statement, 2, csn_object_key(scan->reader->project, to));
	sqlite3_bind_int64(statement, 3, all_times ? INT64_MIN : what->timestamp_from);
	sqlite3_bind_int64(statement, 4, all_times ? INT64_MAX : what->timestamp_to);
	return statement;
}

int csn_index_reader_scan(void *state, const struct csn_scan *what, csn_scan_row row, void *context,
			  struct csn_error *err)
{
	struct scan scan = { .reader = state, .what = what };
	cleanup_finalize sqlite3_stmt *statement = NULL;
	int r;

	r = prepare(&scan, err);
	if (r < 0)
		return r;
	statement = scan_statement(&scan, err);
	if (!statement)
		return -CSN_E_OS;
	while ((r = csn_sql_step(&scan.reader->sql, statement, err)) > 0) {
		for (size_t i = 0; i < what->n_columns; i++)
			scan.cells[i] = cell_of(&scan, scan.sources[i], statement);
		cells_from_pairs(&scan, statement);
		if (!row(context, (uint64_t)sqlite3_column_int64(statement, 0) & CSN_ID_MAX,
			 scan.cells))
			return 0;
	}
	return r;
}

int csn_index_reader_ticks(void *state, uint64_t *ret_count, struct csn_error *err)
{
	struct reader *reader = state;
	cleanup_reset sqlite3_stmt *select =
		csn_sql_get(&reader->sql, "SELECT ticks FROM project WHERE project=?", err);
	int r;

	if (!select)
		return -CSN_E_OS;
	sqlite3_bind_int64(select, 1, reader->project);
	r = csn_sql_step(&reader->sql, select, err);
	if (r < 0)
		return r;
	*ret_count = r > 0 ? (uint64_t)sqlite3_column_int64(select, 0) : 0;
	return 0;
}

int csn_index_reader_count(void *state, uint64_t *ret_count, struct csn_error *err)
{
	struct reader *reader = state;
	cleanup_reset sqlite3_stmt *select =
		csn_sql_get(&reader->sql, "SELECT count(*) FROM object WHERE key>=? AND key<?",
			    err);
	int r;

	if (!select)
		return -CSN_E_OS;
	sqlite3_bind_int64(select, 1, csn_object_key(reader->project, 0));
	sqlite3_bind_int64(select, 2, csn_object_key(reader->project, CSN_ID_MAX));
	r = csn_sql_step(&reader->sql, select, err);
	if (r < 0)
		return r;
	*ret_count = (uint64_t)sqlite3_column_int64(select, 0);
	return 0;
}

/* ---- single objects ---- */

int csn_index_reader_find(void *state, const uint8_t *rxid, uint64_t id, uint64_t *ret_id,
			  struct csn_error *err)
{
	struct reader *reader = state;
	cleanup_reset sqlite3_stmt *by_rxid =
		csn_sql_get(&reader->sql, "SELECT key FROM object WHERE project=? AND rxid=?", err);
	cleanup_reset sqlite3_stmt *by_key =
		csn_sql_get(&reader->sql, "SELECT key FROM object WHERE key=?", err);
	sqlite3_stmt *select = rxid ? by_rxid : by_key;
	int r;

	if (!by_rxid || !by_key)
		return -CSN_E_OS;
	sqlite3_bind_int64(select, 1, rxid ? reader->project : csn_object_key(reader->project, id));
	if (rxid)
		sqlite3_bind_blob(select, 2, rxid, 16, SQLITE_STATIC);
	r = id > CSN_ID_MAX ? 0 : csn_sql_step(&reader->sql, select, err);
	if (r < 0)
		return r;
	if (r == 0)
		return csn_fail(err, CSN_E_NOT_FOUND, "no such object");
	*ret_id = (uint64_t)sqlite3_column_int64(select, 0) & CSN_ID_MAX;
	return 0;
}

static void file_from_row(sqlite3_stmt *row, struct csn_object_file *file, struct csn_blob_ref *ref)
{
	file->id = sqlite3_column_int64(row, 0);
	snprintf(file->name, sizeof(file->name), "%s", csn_sql_text(row, 1));
	snprintf(file->content_type, sizeof(file->content_type), "%s", csn_sql_text(row, 2));
	file->size_bytes = (uint64_t)sqlite3_column_int64(row, 3);
	if (ref)
		snprintf(ref->text, sizeof(ref->text), "%s", csn_sql_text(row, 4));
}

int csn_index_reader_file(void *state, uint64_t id, int64_t attachment_id, const char *name,
			  struct csn_object_file *ret_file, struct csn_blob_ref *ret_ref,
			  struct csn_error *err)
{
	struct reader *reader = state;
	bool attachment = attachment_id || name;
	cleanup_reset sqlite3_stmt *object =
		csn_sql_get(&reader->sql,
			    "SELECT 0,format,content_type,size,ref FROM object WHERE key=?", err);
	cleanup_reset sqlite3_stmt *attached =
		csn_sql_get(&reader->sql,
			    "SELECT id,name,content_type,size,ref FROM attachment WHERE key=?1 AND"
			    " (id=?2 OR (?2=0 AND name=?3)) ORDER BY id DESC LIMIT 1",
			    err);
	sqlite3_stmt *select = attachment ? attached : object;
	int r;

	if (!object || !attached)
		return -CSN_E_OS;
	sqlite3_bind_int64(select, 1, csn_object_key(reader->project, id & CSN_ID_MAX));
	if (attachment) {
		sqlite3_bind_int64(select, 2, attachment_id);
		sqlite3_bind_text(select, 3, name ? name : "", -1, SQLITE_STATIC);
	}
	r = id > CSN_ID_MAX ? 0 : csn_sql_step(&reader->sql, select, err);
	if (r < 0)
		return r;
	if (r == 0)
		return csn_fail(err, CSN_E_NOT_FOUND,
				attachment ? "no such attachment" : "no such object");
	if (!*csn_sql_text(select, 4))
		return csn_fail(err, CSN_E_NOT_FOUND, "the document was deleted");
	file_from_row(select, ret_file, ret_ref);
	return 0;
}

int csn_index_reader_attachments(void *state, uint64_t id, struct csn_object_file **ret_files,
				 size_t *ret_count, struct csn_error *err)
{
	struct reader *reader = state;
	cleanup_reset sqlite3_stmt *select = csn_sql_get(
		&reader->sql,
		"SELECT id,name,content_type,size FROM attachment WHERE key=? ORDER BY id", err);
	cleanup_free struct csn_object_file *files = NULL;
	size_t n = 0, capacity = 0;
	int r;

	if (!select)
		return -CSN_E_OS;
	sqlite3_bind_int64(select, 1, csn_object_key(reader->project, id & CSN_ID_MAX));
	while ((r = csn_sql_step(&reader->sql, select, err)) > 0) {
		if (n == capacity) {
			struct csn_object_file *grown;

			capacity = capacity ? capacity * 2 : 8;
			grown = reallocarray(files, capacity, sizeof(*files));
			if (!grown)
				return csn_fail_nomem(err);
			files = grown;
		}
		file_from_row(select, &files[n++], NULL);
	}
	if (r < 0)
		return r;
	*ret_files = csn_take(files);
	*ret_count = n;
	return 0;
}
