/* JSON in, without a tree: a cursor over a text that pulls one value after the other.
 *
 * For documents that may be large and hostile (snapshots): memory is what the caller keeps. Small
 * texts whose parts are wanted in any order are easier with base/json_load.h.
 *
 * Like a csn_span it fails stickily: after a mistake every call returns false, NULL or 0, so a
 * caller reads on and asks csn_json_reader_check once. Nesting is capped (CSN_MAX_JSON_DEPTH).
 * More tolerant than RFC 8259 in one thing: an escaped NUL or lone surrogate reads as U+FFFD.
 *
 *	csn_json_enter(&r, '{');
 *	while ((name = csn_json_next_member(&r)))
 *		if (strcmp(name, "uuid") == 0)
 *			uuid = csn_json_read_string(&r, arena);
 *		else
 *			csn_json_skip(&r);
 */
#ifndef CSN_BASE_JSON_READ_H
#define CSN_BASE_JSON_READ_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/limits.h"

struct csn_json_reader {
	const char *text; /* borrowed */
	size_t length, at;
	unsigned depth;
	char open[CSN_MAX_JSON_DEPTH]; /* '{' or '[' of each level */
	bool fresh;                    /* just entered: no comma before the next */
	struct csn_buf name;           /* the last member's name */
	struct csn_error error;
	bool failed;
};

void csn_json_reader_init(struct csn_json_reader *reader, const char *text, size_t length);
void csn_json_reader_done(struct csn_json_reader *reader);
/* 0, or FORMAT ("not JSON: line 1, column 2: ...") or LIMIT. whole: nothing but blanks may be
 * left. */
int csn_json_reader_check(struct csn_json_reader *reader, bool whole, struct csn_error *err)
	csn_must_check;

/* What the value at the cursor is: one of { [ " 0 (any number) t f n; 0 when there is none. */
char csn_json_peek(struct csn_json_reader *reader);
/* Goes into an object or an array; false (and failed) when the value is none. */
bool csn_json_enter(struct csn_json_reader *reader, char open);
/* The next member's name, valid until the next call; its value must be read or skipped. NULL at
 * the end, which is then behind the cursor. */
const char *csn_json_next_member(struct csn_json_reader *reader);
/* True when another item of the array stands at the cursor. */
bool csn_json_next_item(struct csn_json_reader *reader);

/* Any value, whole. */
void csn_json_skip(struct csn_json_reader *reader);
/* The same, giving its bytes. */
const char *csn_json_read_raw(struct csn_json_reader *reader, size_t *ret_length);
/* A string appended to out; false when the value is none. */
bool csn_json_read_text(struct csn_json_reader *reader, struct csn_buf *out);
bool csn_json_read_bool(struct csn_json_reader *reader);

enum csn_json_number_kind {
	CSN_JSON_NO_NUMBER,
	CSN_JSON_UINT,
	CSN_JSON_INT, /* negative */
	CSN_JSON_DOUBLE,
};

struct csn_json_number {
	enum csn_json_number_kind kind;
	uint64_t uint;
	int64_t int_;
	double double_;
};

struct csn_json_number csn_json_read_number(struct csn_json_reader *reader);

#endif
