/* A posted document, read: identity, group, and every attribute as a plain value.
 *
 * This is where the snapshot's world ends; what comes out knows nothing of frames and threads.
 * Values live in the caller's arena. Any thread. */
#ifndef CSN_INGEST_DOCUMENT_H
#define CSN_INGEST_DOCUMENT_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/hash.h"
#include "store/types.h"

struct csn_document {
	uint8_t uuid[16];   /* the document's; random when it has none */
	int64_t timestamp;  /* epoch seconds; 0 when it has none */
	const char *format; /* "btt", "json" */
	char fingerprint[CSN_SHA256_TEXT];
	const struct csn_attribute_value *given; /* the document's attributes */
	size_t n_given;
	const struct csn_attribute_value *derived; /* what follows from the rest of it */
	size_t n_derived;
};

/* format: as posted; NULL or "" tells by the content. FORMAT, UNSUPPORTED, LIMIT. */
int csn_document_read(struct csn_arena *arena, const void *data, size_t size_bytes,
		      const char *format, const char *component, struct csn_document *ret_document,
		      struct csn_error *err) csn_must_check;

/* Appends the explanation of the grouping, one JSON object. */
int csn_document_explain(const void *data, size_t size_bytes, const char *component,
			 struct csn_buf *out, struct csn_error *err) csn_must_check;

#endif
