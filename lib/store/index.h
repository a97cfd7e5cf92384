/* The object index: rows of typed attributes, issues, attachments; the second ops record.
 *
 * The store calls the writing half from one thread at a time, always between begin and commit or
 * rollback. Readers are opened from any thread. */
#ifndef CSN_STORE_INDEX_H
#define CSN_STORE_INDEX_H

#include "store/blobs.h"
#include "store/objects.h"

struct csn_index_ops {
	const char *name;
	void (*close)(void *state);

	/* ---- writing ---- */
	int (*begin)(void *state, struct csn_error *err);
	int (*commit)(void *state, struct csn_error *err);
	void (*rollback)(void *state);
	/* A position of the blobs, kept with the rows that name them. read: "" when none yet. */
	int (*write_position)(void *state, const char *position, struct csn_error *err);
	int (*read_position)(void *state, struct csn_blob_ref *ret_position, struct csn_error *err);
	/* NOT_FOUND when the project has no object with this uuid. */
	int (*find_uuid)(void *state, int64_t project, const uint8_t uuid[16],
			 struct csn_receipt *ret_receipt, struct csn_error *err);
	/* files[0] is the object's document, then the attachments. */
	int (*add)(void *state, const struct csn_submission *submission,
		   const struct csn_blob_ref *files, struct csn_receipt *ret_receipt,
		   struct csn_error *err);
	/* Adds a batch to its object, once. NOT_FOUND without one. */
	int (*tick)(void *state, const struct csn_tick_batch *batch,
		    struct csn_tick_receipt *ret_receipt, struct csn_error *err);
	int (*attach)(void *state, int64_t project, uint64_t id,
		      const struct csn_submission_file *file, const struct csn_blob_ref *ref,
		      int64_t *ret_attachment_id, struct csn_error *err);
	int (*detach)(void *state, int64_t project, uint64_t id, int64_t attachment_id,
		      const char *name, struct csn_error *err);
	int (*set)(void *state, int64_t project, uint64_t id,
		   const struct csn_attribute_value *values, size_t n_values,
		   struct csn_error *err);
	/* True in *ret_found when there was something to delete. Refs go to the garbage list. */
	int (*remove)(void *state, int64_t project, uint64_t id, unsigned what, bool *ret_found,
		      struct csn_error *err);
	int (*merge)(void *state, int64_t project, const char *into, const char *from,
		     struct csn_error *err);
	int (*unmerge)(void *state, int64_t project, const char *fingerprint,
		       struct csn_error *err);
	int (*declare)(void *state, int64_t project, const struct csn_attribute *attribute,
		       struct csn_error *err);
	int (*undeclare)(void *state, int64_t project, const char *name, struct csn_error *err);
	/* References of blobs that no row names any more: listed, dropped by the store, forgotten.
	 */
	int (*list_garbage)(void *state, struct csn_blob_ref *refs, size_t max, size_t *ret_count,
			    struct csn_error *err);
	int (*forget_garbage)(void *state, const struct csn_blob_ref *refs, size_t n_refs,
			      struct csn_error *err);

	/* ---- reading ---- */
	int (*reader_open)(void *state, int64_t project, void **ret_reader, struct csn_error *err);
	void (*reader_close)(void *reader);
	const struct csn_attribute *(*attributes)(void *reader, size_t *ret_count);
	int (*scan)(void *reader, const struct csn_scan *scan, csn_scan_row row, void *context,
		    struct csn_error *err);
	int (*count)(void *reader, uint64_t *ret_count, struct csn_error *err);
	/* Of all objects together. */
	int (*ticks)(void *reader, uint64_t *ret_count, struct csn_error *err);
	int (*issues)(void *reader, csn_issue_row row, void *context, struct csn_error *err);
	int (*find)(void *reader, const uint8_t *rxid, uint64_t id, uint64_t *ret_id,
		    struct csn_error *err);
	/* attachment_id 0 and name NULL: the object itself. */
	int (*file)(void *reader, uint64_t id, int64_t attachment_id, const char *name,
		    struct csn_object_file *ret_file, struct csn_blob_ref *ret_ref,
		    struct csn_error *err);
	int (*attachments)(void *reader, uint64_t id, struct csn_object_file **ret_files,
			   size_t *ret_count, struct csn_error *err);
};

struct csn_index {
	const struct csn_index_ops *ops;
	void *state;
};

/* Opens or makes the file and brings its schema forward. UNSUPPORTED when a newer version wrote it.
 */
int csn_index_open_sqlite(const char *path, struct csn_index *ret_index, struct csn_error *err)
	csn_must_check;

#endif
