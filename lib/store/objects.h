/* Objects: how they come in, how they are read, edited and deleted.
 *
 * Coming in: a struct csn_submission is made whole in memory (room ingest does that), then given
 * to the committer thread, which writes a group of them with one sync of the blobs and one commit
 * of the index, and calls each one's `done` afterwards. Nothing is ever reported before it is
 * durable. A uuid is unique per project: a repeated one is answered with the first object.
 *
 * Reading: a csn_reader is one consistent view of a project (what is committed later does not
 * show). Readers are cheap, one per request, used by one thread; any number at once.
 *
 * Threads: all functions may be called from any thread. */
#ifndef CSN_STORE_OBJECTS_H
#define CSN_STORE_OBJECTS_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/hash.h"
#include "base/uuid.h"
#include "store/types.h"

struct csn_store;

/* ---- in ---- */

struct csn_submission_file {
	const char *name; /* plain file name; "" for the object itself */
	const char *content_type;
	const void *data;
	size_t size_bytes;
};

struct csn_submission {
	struct csn_arena *arena; /* owns everything below and this struct; freed by _free */
	struct csn_buf body;     /* optional: owns the bytes that `object` points to */
	int64_t project;
	uint8_t uuid[16];   /* from the document; random when it has none */
	int64_t timestamp;  /* of the crash, epoch seconds */
	const char *format; /* "btt", "json"...: how object.data is to be understood */
	char fingerprint[CSN_SHA256_TEXT]; /* as computed or given; 64 hex digits */
	struct csn_submission_file object; /* the document as received */
	const struct csn_submission_file *attachments;
	size_t n_attachments;
	const struct csn_attribute_value *attributes; /* last one wins; columns are ignored */
	size_t n_attributes;
};

/* A zeroed submission in an arena of its own, with a random uuid. NULL when out of memory. */
struct csn_submission *csn_submission_new(size_t max_bytes);
void csn_submission_free(struct csn_submission *submission);
void csn_submission_freep(struct csn_submission **submission);

struct csn_receipt {
	uint64_t id; /* within the project; users see it in hex */
	char rxid[CSN_UUID_TEXT];
	char fingerprint[CSN_SHA256_TEXT]; /* after merges */
	bool duplicate; /* the uuid was there already: this is the first object */
	bool unique;    /* the first object of its fingerprint */
};

/* Called by the committer thread after the commit; err is NULL on success. LIMIT: the disk is
 * full or the queue is; OS: the disk failed. Nothing was kept then. Must be quick. */
typedef void (*csn_submit_done)(void *context, const struct csn_receipt *receipt,
				const struct csn_error *err);

/* Takes the submission over in any case. When it cannot be queued, fails and never calls done. */
int csn_objects_submit(struct csn_store *store, struct csn_submission *submission,
		       csn_submit_done done, void *context, struct csn_error *err) csn_must_check;
/* Waits for the commit. */
int csn_objects_submit_wait(struct csn_store *store, struct csn_submission *submission,
			    struct csn_receipt *ret_receipt, struct csn_error *err) csn_must_check;

/* Crashes of a loop that a host only counted: no objects, but part of their group's count. */
struct csn_tick_batch {
	int64_t project;
	uint8_t batch[16];  /* uuid: the same batch sent again adds nothing */
	uint8_t object[16]; /* uuid of the document of the last crash that was stored */
	uint64_t count;
	int64_t first, last; /* epoch seconds */
	const char *hostname;
};

struct csn_tick_receipt {
	uint64_t id;    /* of the object */
	bool duplicate; /* the batch was there already */
};

/* Adds a batch to its object, durably. NOT_FOUND: the project has no object with that uuid (yet).
 */
int csn_objects_tick(struct csn_store *store, const struct csn_tick_batch *batch,
		     struct csn_tick_receipt *ret_receipt, struct csn_error *err) csn_must_check;

/* ---- out ---- */

struct csn_reader;

/* A consistent view of one project: later commits do not show. Of one thread. */
int csn_reader_open(struct csn_store *store, int64_t project, struct csn_reader **ret_reader,
		    struct csn_error *err) csn_must_check;
void csn_reader_close(struct csn_reader *reader);
void csn_reader_closep(struct csn_reader **reader);

/* Every attribute of the project, columns of every object first. Borrowed from the reader. */
const struct csn_attribute *csn_reader_attributes(struct csn_reader *reader, size_t *ret_count);
/* NULL when the project has no such attribute. Borrowed from the reader. Columns of every object:
 * timestamp, fingerprint, fingerprint;original, _tx, object (the id too), _rxid, _deleted,
 * object.size, object.ticks, _received, fingerprint;issues;state, fingerprint;issues;tags,
 * fingerprint;issues;assignee, fingerprint;issues;ticket. */
const struct csn_attribute *csn_reader_find_attribute(struct csn_reader *reader, const char *name);

struct csn_scan {
	const struct csn_attribute *const *columns; /* from this reader */
	size_t n_columns;
	int64_t timestamp_from,
		timestamp_to;    /* [from, to); both 0: all. A bound, exactly applied */
	uint64_t id_from, id_to; /* [from, to); both 0: all */
	bool newest_first;       /* by id, descending; else ascending */
};

/* cells[i] belongs to columns[i]. Return true to go on, false to stop (not an error). */
typedef bool (*csn_scan_row)(void *context, uint64_t id, const struct csn_cell *cells);

/* Calls row for every object of the scan. A cell's text lives until row returns. */
int csn_reader_scan(struct csn_reader *reader, const struct csn_scan *scan, csn_scan_row row,
		    void *context, struct csn_error *err) csn_must_check;

/* Objects in the project. */
int csn_reader_count(struct csn_reader *reader, uint64_t *ret_count, struct csn_error *err)
	csn_must_check;
/* Ticks of all its objects together. */
int csn_reader_ticks(struct csn_reader *reader, uint64_t *ret_count, struct csn_error *err)
	csn_must_check;

/* An issue: what people wrote about one fingerprint. Texts borrowed from the reader. */
struct csn_issue {
	const char *fingerprint;
	const char *state;                    /* "open", "resolved", "muted", "in_progress" */
	const char *tags, *assignee, *ticket; /* "" when none */
	const char *merged_into;              /* "" or a fingerprint */
	uint64_t first_id;
	int64_t created; /* epoch seconds */
};
typedef bool (*csn_issue_row)(void *context, const struct csn_issue *issue);
int csn_reader_issues(struct csn_reader *reader, csn_issue_row row, void *context,
		      struct csn_error *err) csn_must_check;

/* ---- one object and its files ---- */

/* id of a receipt id (uuid text) or of hex digits; NOT_FOUND when there is no such object. */
int csn_objects_find(struct csn_store *store, int64_t project, const char *text, uint64_t *ret_id,
		     struct csn_error *err) csn_must_check;

struct csn_object_file {
	int64_t id; /* of an attachment; 0 the object itself */
	char name[256];
	char content_type[128];
	uint64_t size_bytes;
};

/* The object's document. NOT_FOUND when there is none (never, or deleted). */
int csn_objects_read(struct csn_store *store, int64_t project, uint64_t id, struct csn_buf *out,
		     struct csn_object_file *ret_file, struct csn_error *err) csn_must_check;
/* attachment_id 0: by name. */
int csn_objects_read_attachment(struct csn_store *store, int64_t project, uint64_t id,
				int64_t attachment_id, const char *name, struct csn_buf *out,
				struct csn_object_file *ret_file, struct csn_error *err)
	csn_must_check;
/* *ret_files is freed with free(). */
int csn_objects_attachments(struct csn_store *store, int64_t project, uint64_t id,
			    struct csn_object_file **ret_files, size_t *ret_count,
			    struct csn_error *err) csn_must_check;
int csn_objects_attach(struct csn_store *store, int64_t project, uint64_t id,
		       const struct csn_submission_file *file, int64_t *ret_attachment_id,
		       struct csn_error *err) csn_must_check;
int csn_objects_detach(struct csn_store *store, int64_t project, uint64_t id, int64_t attachment_id,
		       const char *name, struct csn_error *err) csn_must_check;

/* ---- changes; each is one durable transaction ---- */

/* value.kind NULL clears. Attribute names must exist and be writable, or be an issue's column
 * (which changes the issue of each object). */
int csn_objects_set(struct csn_store *store, int64_t project, const uint64_t *ids, size_t n_ids,
		    const struct csn_attribute_value *values, size_t n_values,
		    struct csn_error *err) csn_must_check;

#define CSN_DELETE_PHYSICAL 1u /* document and attachments; the row stays, _deleted = 1 */
#define CSN_DELETE_INDEX 2u    /* the row */
/* what: CSN_DELETE_ flags. Ids that are not there are passed over and not counted. */
int csn_objects_delete(struct csn_store *store, int64_t project, const uint64_t *ids, size_t n_ids,
		       unsigned what, uint64_t *ret_deleted, struct csn_error *err) csn_must_check;

/* Later fingerprints join the first, for the objects there and those to come. */
int csn_objects_merge(struct csn_store *store, int64_t project, const char *const *fingerprints,
		      size_t n_fingerprints, struct csn_error *err) csn_must_check;
/* Everything that was merged into these, or these were merged into, stands alone again. */
int csn_objects_unmerge(struct csn_store *store, int64_t project, const char *const *fingerprints,
			size_t n_fingerprints, struct csn_error *err) csn_must_check;

/* Declares (creates or enables) an attribute, or forgets a declared one (its values stay hidden).
 * type cannot change between number and text while values exist: USAGE. */
int csn_objects_declare(struct csn_store *store, int64_t project,
			const struct csn_attribute *attribute, struct csn_error *err)
	csn_must_check;
int csn_objects_undeclare(struct csn_store *store, int64_t project, const char *name,
			  struct csn_error *err) csn_must_check;

#endif
