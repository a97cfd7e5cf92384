/* Ingest: what a sender posted becomes a submission that the store can commit.
 *
 * The document is checked and read (.btt or public JSON), grouped (group/group.h), and its
 * attributes are gathered: the document's own, those of the request, and what follows from the
 * document (callstack, classifiers, fingerprint...), later ones winning in this order. No disk, no
 * waiting: the caller gives the submission to csn_objects_submit. The HTTP layer has undone
 * Content-Encoding and taken multipart apart.
 *
 * Any thread. */
#ifndef CSN_INGEST_INGEST_H
#define CSN_INGEST_INGEST_H

#include "base/error.h"
#include "store/objects.h"

struct csn_ingest_pair {
	const char *key, *value;
};

struct csn_ingest_request {
	int64_t project;
	const char *component; /* the project's grouping component; NULL none */
	const char *format;    /* "btt", "json"; NULL or "": told by the content */
	struct csn_submission_file object;
	const struct csn_submission_file *attachments;
	size_t n_attachments;
	/* Query and form fields that are not the protocol's own: attributes. */
	const struct csn_ingest_pair *pairs;
	size_t n_pairs;
};

/* The request is borrowed for the call only; the submission copies what it keeps. FORMAT: the
 * document is broken (says how); UNSUPPORTED: a format we do not read; LIMIT: too large. */
int csn_ingest_prepare(const struct csn_ingest_request *request,
		       struct csn_submission **ret_submission, struct csn_error *err)
	csn_must_check;

/* How a stored document was grouped, as csn_group_explain writes it. */
int csn_ingest_explain(const void *document, size_t size_bytes, const char *component,
		       struct csn_buf *out, struct csn_error *err) csn_must_check;

#endif
