#include "ingest/ingest.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/limits.h"
#include "ingest/document.h"

/* Room for the values, besides the bytes that are counted exactly. */
#define ARENA_SLACK (64 * CSN_MIB)

static int full(struct csn_error *err)
{
	return csn_fail(err, CSN_E_LIMIT, "the submission is too large");
}

static size_t arena_size(const struct csn_ingest_request *request)
{
	size_t size_bytes = ARENA_SLACK;

	for (size_t i = 0; i < request->n_attachments; i++)
		size_bytes += request->attachments[i].size_bytes + CSN_KIB;
	return size_bytes;
}

static int copy_object(struct csn_submission *submission, const struct csn_ingest_request *request,
		       struct csn_error *err)
{
	struct csn_submission_file *object = &submission->object;

	submission->body = (struct csn_buf)CSN_BUF_INIT(request->object.size_bytes + 1);
	csn_buf_append(&submission->body, request->object.data, request->object.size_bytes);
	if (csn_buf_check(&submission->body, "document", err) < 0)
		return full(err);
	object->data = submission->body.data;
	object->size_bytes = submission->body.size;
	object->name = "";
	object->content_type = strcmp(submission->format, "json") == 0 ? "application/json"
								       : "application/octet-stream";
	return 0;
}

static int copy_attachments(struct csn_submission *submission,
			    const struct csn_ingest_request *request, struct csn_error *err)
{
	struct csn_arena *arena = submission->arena;
	struct csn_submission_file *files =
		csn_arena_array(arena, request->n_attachments + 1, sizeof(*files));

	if (!files)
		return full(err);
	for (size_t i = 0; i < request->n_attachments; i++) {
		const struct csn_submission_file *from = &request->attachments[i];
		const char *type = from->content_type && *from->content_type
					   ? from->content_type
					   : "application/octet-stream";

		files[i].name = csn_arena_strdup(arena, from->name ? from->name : "attachment");
		files[i].content_type = csn_arena_strdup(arena, type);
		files[i].size_bytes = from->size_bytes;
		/* One byte more, so that an empty attachment is no null pointer. */
		files[i].data = csn_arena_alloc(arena, from->size_bytes + 1);
		if (!files[i].name || !files[i].content_type || !files[i].data)
			return full(err);
		if (from->size_bytes > 0)
			memcpy((void *)files[i].data, from->data, from->size_bytes);
	}
	submission->attachments = files;
	submission->n_attachments = request->n_attachments;
	return 0;
}

/* ---- attributes ---- */

/* What a request may not set: what the server computes. */
static bool is_refused(const char *name)
{
	static const char *const prefixes[] = { "_", "callstack", "fingerprint", "timestamp",
						"object" };

	for (size_t i = 0; i < csn_countof(prefixes); i++)
		if (strncmp(name, prefixes[i], strlen(prefixes[i])) == 0)
			return true;
	return *name == '\0';
}

static int check_pair(const struct csn_ingest_pair *pair, struct csn_error *err)
{
	if (strlen(pair->key) + strlen(pair->value) <= CSN_MAX_KV_BYTES)
		return 0;
	return csn_fail(err, CSN_E_LIMIT, "attribute '%.64s' is longer than %llu bytes", pair->key,
			CSN_MAX_KV_BYTES);
}

static int gather_attributes(struct csn_submission *submission,
			     const struct csn_ingest_request *request,
			     const struct csn_document *document, struct csn_error *err)
{
	struct csn_arena *arena = submission->arena;
	size_t max = document->n_given + request->n_pairs + document->n_derived, n = 0;
	struct csn_attribute_value *values = csn_arena_array(arena, max + 1, sizeof(*values));

	if (!values)
		return full(err);
	if (request->n_pairs > CSN_MAX_KV_PAIRS)
		return csn_fail(err, CSN_E_LIMIT, "more than %d attributes in the request",
				CSN_MAX_KV_PAIRS);
	for (size_t i = 0; i < document->n_given; i++)
		values[n++] = document->given[i];
	for (size_t i = 0; i < request->n_pairs; i++) {
		const struct csn_ingest_pair *pair = &request->pairs[i];
		struct csn_attribute_value *value = &values[n];
		int r = check_pair(pair, err);

		if (r < 0)
			return r;
		if (is_refused(pair->key))
			continue;
		value->kind = CSN_CELL_TEXT;
		value->name = csn_arena_strdup(arena, pair->key);
		value->text = csn_arena_strdup(arena, pair->value);
		if (!value->name || !value->text)
			return full(err);
		n++;
	}
	for (size_t i = 0; i < document->n_derived; i++)
		values[n++] = document->derived[i];
	submission->attributes = values;
	submission->n_attributes = n;
	return 0;
}

int csn_ingest_prepare(const struct csn_ingest_request *request,
		       struct csn_submission **ret_submission, struct csn_error *err)
{
	cleanup_(csn_submission_freep) struct csn_submission *submission =
		csn_submission_new(arena_size(request));
	struct csn_document document;
	int r;

	if (!submission)
		return csn_fail_nomem(err);
	r = csn_document_read(submission->arena, request->object.data, request->object.size_bytes,
			      request->format, request->component, &document, err);
	if (r < 0)
		return r;
	submission->project = request->project;
	submission->format = document.format;
	memcpy(submission->uuid, document.uuid, sizeof(submission->uuid));
	memcpy(submission->fingerprint, document.fingerprint, sizeof(submission->fingerprint));
	submission->timestamp =
		document.timestamp > 0 ? document.timestamp : csn_realtime_ns() / CSN_NS_PER_SECOND;
	r = gather_attributes(submission, request, &document, err);
	if (r < 0)
		return r;
	r = copy_attachments(submission, request, err);
	if (r < 0)
		return r;
	r = copy_object(submission, request, err);
	if (r < 0)
		return r;
	*ret_submission = csn_take(submission);
	return 0;
}

int csn_ingest_explain(const void *document, size_t size_bytes, const char *component,
		       struct csn_buf *out, struct csn_error *err)
{
	return csn_document_explain(document, size_bytes, component, out, err);
}
