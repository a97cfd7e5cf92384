/* What the files of the SQLite object index share.
 *
 *	index_sqlite.c   schema, transactions, objects coming in, attachments
 *	index_attrs.c    attributes of a project, dictionary codes, values to columns and back
 *	index_edit.c     set, delete, merge, declare
 *	index_ticks.c    crashes that were only counted
 *	index_reader.c   consistent views and scans
 *
 * Tables: object, dict, attr, edit, issue, attachment, project, garbage, tick, meta. The key
 * of an object is project << 40 | id, so a project is one range of the table. Its attributes are
 * one blob, pairs of variable-length integers: attribute number, then dictionary code or number. */
#ifndef CSN_STORE_INDEX_INTERNAL_H
#define CSN_STORE_INDEX_INTERNAL_H

#include <pthread.h>

#include "base/span.h"
#include "store/index.h"
#include "store/sql.h"

#define CSN_ID_BITS 40
#define CSN_ID_MAX ((1ull << CSN_ID_BITS) - 1)
/* The dictionary of fingerprints belongs to this attribute number in every project. */
#define CSN_ATTR_FINGERPRINT 1
#define CSN_ATTR_FIRST 2

static inline int64_t csn_object_key(int64_t project, uint64_t id)
{
	return (int64_t)((uint64_t)project << CSN_ID_BITS | id);
}

/* An attribute as the writer knows it. */
struct csn_index_attr {
	struct csn_attribute pub; /* texts owned by the project's arena */
	uint32_t last_code;       /* 0 before it was looked up when !code_known */
	bool code_known;
};

/* What the writer knows about a project; dropped whole on rollback. */
struct csn_index_project {
	int64_t project;
	struct csn_arena *arena;
	struct csn_index_attr *attrs;
	size_t n_attrs, capacity;
	uint32_t *table; /* open hash by name: index + 1 */
	size_t table_size;
	uint64_t next_id;
	int64_t next_attr;
	struct csn_index_project *next;
};

/* Texts lately coded by the writer, so that hot ones need no lookup. */
struct csn_code_cache_entry {
	int64_t project, attr;
	uint64_t hash;
	uint32_t code;
	char *text; /* owned */
};
#define CSN_CODE_CACHE 8192

/* Code to text of one attribute, shared by all readers; texts live until the index is closed. */
struct csn_dict {
	int64_t project, attr;
	const char **texts; /* by code; [0] unused. A grown array replaces it, the old one stays */
	uint32_t count;     /* codes loaded */
	uint32_t capacity;
	struct csn_dict *next;
};
#define CSN_DICT_BUCKETS 1024
#define CSN_IDLE_READERS 16

struct csn_index_sqlite {
	struct csn_sql writer;
	char *path;
	struct csn_index_project *projects;
	struct csn_code_cache_entry *codes; /* CSN_CODE_CACHE of them */

	pthread_mutex_t lock; /* what is below */
	struct csn_dict *dicts[CSN_DICT_BUCKETS];
	struct csn_arena *dict_arena;
	struct csn_sql idle[CSN_IDLE_READERS];
	size_t n_idle;
};

/* ---- index_attrs.c ---- */

/* The writer's record of a project, loaded at first use; borrowed until forget. */
int csn_index_project_get(struct csn_index_sqlite *index, int64_t project,
			  struct csn_index_project **ret_project, struct csn_error *err)
	csn_must_check;
void csn_index_forget(struct csn_index_sqlite *index); /* all that the writer cached */
/* NULL when the project has no such attribute. */
struct csn_index_attr *csn_index_attr_find(struct csn_index_project *project, const char *name);
/* Adds a row. origin, enabled, type... as in attribute; id is assigned unless it is set. */
int csn_index_attr_add(struct csn_index_sqlite *index, struct csn_index_project *project,
		       const struct csn_attribute *attribute, struct csn_index_attr **ret_attr,
		       struct csn_error *err) csn_must_check;
int csn_index_code(struct csn_index_sqlite *index, struct csn_index_project *project,
		   struct csn_index_attr *attr, const char *text, uint32_t *ret_code,
		   struct csn_error *err) csn_must_check;
/* The code of a text that may not be there: 0. */
int csn_index_find_code(struct csn_index_sqlite *index, int64_t project, int64_t attr,
			const char *text, uint32_t *ret_code, struct csn_error *err) csn_must_check;
/* Converts to the column's type: false when it cannot be held. Texts get codes. */
int csn_index_convert(struct csn_index_sqlite *index, struct csn_index_project *project,
		      struct csn_index_attr *attr, const struct csn_attribute_value *value,
		      bool *ret_held, uint64_t *ret_number, struct csn_error *err) csn_must_check;

/* One pair of an object's blob. */
struct csn_pair {
	uint32_t attr;
	bool set;
	uint64_t value;
};
/* Sorted by attr, without the unset ones; appended to out. */
void csn_pairs_pack(const struct csn_pair *pairs, size_t n_pairs, struct csn_buf *out);
/* Next pair; false at the end or where the blob is damaged. */
bool csn_pairs_next(struct csn_span *span, uint32_t *ret_attr, uint64_t *ret_value);

/* Columns of `attr` in the order that csn_attribute_from_row reads. */
#define CSN_ATTR_COLUMNS "id,name,type,format,description,origin,enabled,seen,sample"
int csn_attribute_from_row(struct csn_arena *arena, sqlite3_stmt *row,
			   struct csn_attribute *ret_attribute, struct csn_error *err)
	csn_must_check;

/* ---- index_edit.c ---- */

/* The ops that change what is there; index.h says what each does. */
int csn_index_set(void *state, int64_t project, uint64_t id,
		  const struct csn_attribute_value *values, size_t n_values, struct csn_error *err);
int csn_index_remove(void *state, int64_t project, uint64_t id, unsigned what, bool *ret_found,
		     struct csn_error *err);
int csn_index_merge(void *state, int64_t project, const char *into, const char *from,
		    struct csn_error *err);
int csn_index_unmerge(void *state, int64_t project, const char *fingerprint, struct csn_error *err);
int csn_index_declare(void *state, int64_t project, const struct csn_attribute *attribute,
		      struct csn_error *err);
int csn_index_undeclare(void *state, int64_t project, const char *name, struct csn_error *err);

/* ---- index_ticks.c ---- */

/* The op `tick`; index.h says what it does. */
int csn_index_tick(void *state, const struct csn_tick_batch *batch,
		   struct csn_tick_receipt *ret_receipt, struct csn_error *err);

/* ---- index_reader.c ---- */

/* The ops that read; index.h says what each does. */
int csn_index_reader_open(void *state, int64_t project, void **ret_reader, struct csn_error *err);
void csn_index_reader_close(void *reader);
const struct csn_attribute *csn_index_reader_attributes(void *reader, size_t *ret_count);
int csn_index_reader_scan(void *reader, const struct csn_scan *scan, csn_scan_row row,
			  void *context, struct csn_error *err);
int csn_index_reader_count(void *reader, uint64_t *ret_count, struct csn_error *err);
int csn_index_reader_ticks(void *reader, uint64_t *ret_count, struct csn_error *err);
int csn_index_reader_issues(void *reader, csn_issue_row row, void *context, struct csn_error *err);
int csn_index_reader_find(void *reader, const uint8_t *rxid, uint64_t id, uint64_t *ret_id,
			  struct csn_error *err);
int csn_index_reader_file(void *reader, uint64_t id, int64_t attachment_id, const char *name,
			  struct csn_object_file *ret_file, struct csn_blob_ref *ret_ref,
			  struct csn_error *err);
int csn_index_reader_attachments(void *reader, uint64_t id, struct csn_object_file **ret_files,
				 size_t *ret_count, struct csn_error *err);

#endif
