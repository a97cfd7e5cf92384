/* Bodies: compressed ones, forms and multipart. Pure functions over foreign bytes. */
#ifndef CSN_HTTP_BODY_H
#define CSN_HTTP_BODY_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "http/exchange.h"

/* Undoes Content-Encoding gzip or deflate (both kinds); identity, "" and NULL copy. out->max is
 * the cap, and beyond 1 MiB a ratio of CSN_MAX_INFLATE_RATIO: LIMIT. UNSUPPORTED: another
 * encoding. FORMAT: damaged or cut. */
int csn_http_inflate(const char *encoding, const void *data, size_t size_bytes, struct csn_buf *out,
		     struct csn_error *err) csn_must_check;

/* a=b&c=d, percent-decoded, into pairs. Values with a NUL are cut there. */
void csn_http_parse_form(struct csn_arena *arena, const char *text, size_t length,
			 struct csn_http_pairs *pairs);

struct csn_http_part {
	const char *name, *filename, *content_type; /* in the arena; "" when absent */
	const void *data;                           /* within the body */
	size_t size_bytes;
};

/* True when the content type says multipart/form-data. */
bool csn_http_is_multipart(const char *content_type);
/* FORMAT: no boundary, or the body is cut. */
int csn_http_parse_multipart(struct csn_arena *arena, const char *content_type, const void *body,
			     size_t size_bytes, struct csn_http_part **ret_parts, size_t *ret_count,
			     struct csn_error *err) csn_must_check;

#endif
