#include "store/objects.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/text.h"
#include "store/store_internal.h"

/* ---- in ---- */

struct csn_submission *csn_submission_new(size_t max_bytes)
{
	struct csn_arena *arena = csn_arena_new(max_bytes);
	struct csn_submission *submission =
		arena ? csn_arena_alloc(arena, sizeof(*submission)) : NULL;

	if (!submission) {
		csn_arena_free(arena);
		return NULL;
	}
	submission->arena = arena;
	csn_random_bytes(submission->uuid, sizeof(submission->uuid));
	submission->timestamp = csn_realtime_ns() / CSN_NS_PER_SECOND;
	return submission;
}

void csn_submission_free(struct csn_submission *submission)
{
	if (!submission)
		return;
	csn_buf_done(&submission->body);
	csn_arena_free(submission->arena);
}

void csn_submission_freep(struct csn_submission **submission)
{
	csn_submission_free(*submission);
}

int csn_objects_submit(struct csn_store *store, struct csn_submission *submission,
		       csn_submit_done done, void *context, struct csn_error *err)
{
	if (strlen(submission->fingerprint) != CSN_SHA256_TEXT - 1) {
		csn_submission_free(submission);
		return csn_fail(err, CSN_E_USAGE, "a submission without fingerprint");
	}
	return csn_committer_add(store->committer, submission, done, context, err);
}

struct waiting {
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool done, failed;
	struct csn_receipt receipt;
	struct csn_error err;
};

static void wake_waiting(void *context, const struct csn_receipt *receipt,
			 const struct csn_error *err)
{
	struct waiting *waiting = context;

	pthread_mutex_lock(&waiting->lock);
	waiting->done = true;
	waiting->failed = err != NULL;
	if (err)
		waiting->err = *err;
	else
		waiting->receipt = *receipt;
	pthread_cond_signal(&waiting->wake);
	pthread_mutex_unlock(&waiting->lock);
}

int csn_objects_submit_wait(struct csn_store *store, struct csn_submission *submission,
			    struct csn_receipt *ret_receipt, struct csn_error *err)
{
	struct waiting waiting = { .done = false };
	int r;

	pthread_mutex_init(&waiting.lock, NULL);
	pthread_cond_init(&waiting.wake, NULL);
	r = csn_objects_submit(store, submission, wake_waiting, &waiting, err);
	pthread_mutex_lock(&waiting.lock);
	while (r == 0 && !waiting.done)
		pthread_cond_wait(&waiting.wake, &waiting.lock);
	pthread_mutex_unlock(&waiting.lock);
	pthread_cond_destroy(&waiting.wake);
	pthread_mutex_destroy(&waiting.lock);
	if (r < 0)
		return r;
	if (waiting.failed) {
		if (err)
			*err = waiting.err;
		return -(int)waiting.err.code;
	}
	*ret_receipt = waiting.receipt;
	return 0;
}

/* ---- out ---- */

struct csn_reader {
	const struct csn_index_ops *ops;
	void *state;
};

int csn_reader_open(struct csn_store *store, int64_t project, struct csn_reader **ret_reader,
		    struct csn_error *err)
{
	struct csn_reader *reader = calloc(1, sizeof(*reader));
	int r;

	if (!reader)
		return csn_fail_nomem(err);
	reader->ops = store->index.ops;
	r = reader->ops->reader_open(store->index.state, project, &reader->state, err);
	if (r < 0) {
		free(reader);
		return r;
	}
	*ret_reader = reader;
	return 0;
}

void csn_reader_close(struct csn_reader *reader)
{
	if (!reader)
		return;
	reader->ops->reader_close(reader->state);
	free(reader);
}

void csn_reader_closep(struct csn_reader **reader)
{
	csn_reader_close(*reader);
}

const struct csn_attribute *csn_reader_attributes(struct csn_reader *reader, size_t *ret_count)
{
	return reader->ops->attributes(reader->state, ret_count);
}

const struct csn_attribute *csn_reader_find_attribute(struct csn_reader *reader, const char *name)
{
	size_t n;
	const struct csn_attribute *all = csn_reader_attributes(reader, &n);

	for (size_t i = 0; i < n; i++)
		if (strcmp(all[i].name, name) == 0)
			return &all[i];
	return NULL;
}

int csn_reader_scan(struct csn_reader *reader, const struct csn_scan *scan, csn_scan_row row,
		    void *context, struct csn_error *err)
{
	return reader->ops->scan(reader->state, scan, row, context, err);
}

int csn_reader_count(struct csn_reader *reader, uint64_t *ret_count, struct csn_error *err)
{
	return reader->ops->count(reader->state, ret_count, err);
}

int csn_reader_ticks(struct csn_reader *reader, uint64_t *ret_count, struct csn_error *err)
{
	return reader->ops->ticks(reader->state, ret_count, err);
}

int csn_reader_issues(struct csn_reader *reader, csn_issue_row row, void *context,
		      struct csn_error *err)
{
	return reader->ops->issues(reader->state, row, context, err);
}

/* ---- one object ---- */

int csn_objects_find(struct csn_store *store, int64_t project, const char *text, uint64_t *ret_id,
		     struct csn_error *err)
{
	cleanup_(csn_reader_closep) struct csn_reader *reader = NULL;
	uint8_t rxid[16];
	uint64_t id = 0;
	bool by_rxid = csn_uuid_parse(text, rxid);
	int r;

	if (!by_rxid && !csn_parse_u64(text, 16, &id))
		return csn_fail(err, CSN_E_NOT_FOUND, "no such object");
	r = csn_reader_open(store, project, &reader, err);
	if (r < 0 || !reader)
		return r;
	return reader->ops->find(reader->state, by_rxid ? rxid : NULL, id, ret_id, err);
}

static int read_file(struct csn_store *store, int64_t project, uint64_t id, int64_t attachment_id,
		     const char *name, struct csn_buf *out, struct csn_object_file *ret_file,
		     struct csn_error *err)
{
	cleanup_(csn_reader_closep) struct csn_reader *reader = NULL;
	struct csn_blob_ref ref;
	int r;

	r = csn_reader_open(store, project, &reader, err);
	if (r == 0 && reader)
		r = reader->ops->file(reader->state, id, attachment_id, name, ret_file, &ref, err);
	if (r == 0)
		r = store->blobs.ops->get(store->blobs.state, &ref, out, err);
	return r;
}

int csn_objects_read(struct csn_store *store, int64_t project, uint64_t id, struct csn_buf *out,
		     struct csn_object_file *ret_file, struct csn_error *err)
{
	return read_file(store, project, id, 0, NULL, out, ret_file, err);
}

int csn_objects_read_attachment(struct csn_store *store, int64_t project, uint64_t id,
				int64_t attachment_id, const char *name, struct csn_buf *out,
				struct csn_object_file *ret_file, struct csn_error *err)
{
	return read_file(store, project, id, attachment_id, name ? name : "", out, ret_file, err);
}

int csn_objects_attachments(struct csn_store *store, int64_t project, uint64_t id,
			    struct csn_object_file **ret_files, size_t *ret_count,
			    struct csn_error *err)
{
	cleanup_(csn_reader_closep) struct csn_reader *reader = NULL;
	int r;

	r = csn_reader_open(store, project, &reader, err);
	if (r < 0 || !reader)
		return r;
	return reader->ops->attachments(reader->state, id, ret_files, ret_count, err);
}

/* ---- changes ---- */

static void unlock_writer(struct csn_store **store)
{
	pthread_mutex_unlock(&(*store)->writer);
}

/* Locks the writer until the scope ends. */
#define WRITING(store) \
	__attribute__((cleanup(unlock_writer))) csn_unused \
	struct csn_store *locked_store = (store); \
	pthread_mutex_lock(&(store)->writer)

static int end(struct csn_store *store, int r, struct csn_error *err)
{
	if (r < 0) {
		csn_store_rollback(store);
		return r;
	}
	return csn_store_commit(store, err);
}

int csn_objects_tick(struct csn_store *store, const struct csn_tick_batch *batch,
		     struct csn_tick_receipt *ret_receipt, struct csn_error *err)
{
	int r;

	WRITING(store);
	r = csn_store_begin(store, err);
	if (r < 0)
		return r;
	r = store->index.ops->tick(store->index.state, batch, ret_receipt, err);
	return end(store, r, err);
}

int csn_objects_attach(struct csn_store *store, int64_t project, uint64_t id,
		       const struct csn_submission_file *file, int64_t *ret_attachment_id,
		       struct csn_error *err)
{
	static const uint8_t no_uuid[16];
	struct csn_blob_ref ref;
	int r;

	WRITING(store);
	r = csn_store_begin(store, err);
	if (r < 0)
		return r;
	r = store->blobs.ops->put(store->blobs.state, no_uuid, file->data, file->size_bytes, &ref,
				  err);
	if (r == 0)
		r = store->index.ops->attach(store->index.state, project, id, file, &ref,
					     ret_attachment_id, err);
	return end(store, r, err);
}

int csn_objects_detach(struct csn_store *store, int64_t project, uint64_t id, int64_t attachment_id,
		       const char *name, struct csn_error *err)
{
	int r;

	WRITING(store);
	r = csn_store_begin(store, err);
	if (r < 0)
		return r;
	r = store->index.ops->detach(store->index.state, project, id, attachment_id, name, err);
	r = end(store, r, err);
	return r < 0 ? r : csn_store_collect(store, err);
}

int csn_objects_set(struct csn_store *store, int64_t project, const uint64_t *ids, size_t n_ids,
		    const struct csn_attribute_value *values, size_t n_values,
		    struct csn_error *err)
{
	int r;

	WRITING(store);
	r = csn_store_begin(store, err);
	if (r < 0)
		return r;
	for (size_t i = 0; r == 0 && i < n_ids; i++)
		r = store->index.ops->set(store->index.state, project, ids[i], values, n_values,
					  err);
	return end(store, r, err);
}

int csn_objects_delete(struct csn_store *store, int64_t project, const uint64_t *ids, size_t n_ids,
		       unsigned what, uint64_t *ret_deleted, struct csn_error *err)
{
	uint64_t deleted = 0;
	int r;

	WRITING(store);
	r = csn_store_begin(store, err);
	if (r < 0)
		return r;
	for (size_t i = 0; r == 0 && i < n_ids; i++) {
		bool found = false;

		r = store->index.ops->remove(store->index.state, project, ids[i], what, &found,
					     err);
		deleted += found;
	}
	r = end(store, r, err);
	if (r < 0)
		return r;
	*ret_deleted = deleted;
	return csn_store_collect(store, err);
}

int csn_objects_merge(struct csn_store *store, int64_t project, const char *const *fingerprints,
		      size_t n_fingerprints, struct csn_error *err)
{
	int r;

	WRITING(store);
	r = csn_store_begin(store, err);
	if (r < 0)
		return r;
	for (size_t i = 1; r == 0 && i < n_fingerprints; i++)
		r = store->index.ops->merge(store->index.state, project, fingerprints[0],
					    fingerprints[i], err);
	return end(store, r, err);
}

int csn_objects_unmerge(struct csn_store *store, int64_t project, const char *const *fingerprints,
			size_t n_fingerprints, struct csn_error *err)
{
	int r;

	WRITING(store);
	r = csn_store_begin(store, err);
	if (r < 0)
		return r;
	for (size_t i = 0; r == 0 && i < n_fingerprints; i++)
		r = store->index.ops->unmerge(store->index.state, project, fingerprints[i], err);
	return end(store, r, err);
}

int csn_objects_declare(struct csn_store *store, int64_t project,
			const struct csn_attribute *attribute, struct csn_error *err)
{
	int r;

	WRITING(store);
	r = csn_store_begin(store, err);
	if (r < 0)
		return r;
	r = store->index.ops->declare(store->index.state, project, attribute, err);
	return end(store, r, err);
}

int csn_objects_undeclare(struct csn_store *store, int64_t project, const char *name,
			  struct csn_error *err)
{
	int r;

	WRITING(store);
	r = csn_store_begin(store, err);
	if (r < 0)
		return r;
	r = store->index.ops->undeclare(store->index.state, project, name, err);
	return end(store, r, err);
}
