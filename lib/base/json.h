/* JSON out: a streaming writer onto a csn_buf. (JSON in is base/json_load.h.)
 *
 * The writer puts the commas; strings that are not UTF-8 get U+FFFD for each bad byte, so the
 * output is always valid JSON. */
#ifndef CSN_BASE_JSON_H
#define CSN_BASE_JSON_H

#include "base/buf.h"
#include "base/error.h"

struct csn_json {
	struct csn_buf *out; /* borrowed */
	bool need_comma;
};

/* A writer that appends to out, which it borrows. */
struct csn_json csn_json_to(struct csn_buf *out);

/* Braces and brackets; every begin needs its end. */
void csn_json_begin_object(struct csn_json *json);
void csn_json_end_object(struct csn_json *json);
void csn_json_begin_array(struct csn_json *json);
void csn_json_end_array(struct csn_json *json);
/* A member name; the value follows. */
void csn_json_key(struct csn_json *json, const char *name);

/* Values. */
void csn_json_string(struct csn_json *json, const char *text); /* NULL writes null */
void csn_json_string_n(struct csn_json *json, const char *text, size_t length);
void csn_json_int(struct csn_json *json, int64_t value);
void csn_json_uint(struct csn_json *json, uint64_t value);
void csn_json_double(struct csn_json *json, double value); /* NaN and infinities write null */
void csn_json_bool(struct csn_json *json, bool value);
void csn_json_null(struct csn_json *json);
/* A quoted "0x..." as addresses and registers are written. */
void csn_json_address(struct csn_json *json, csn_addr value);
/* Text that is JSON already, verbatim. */
void csn_json_raw(struct csn_json *json, const char *text, size_t length);

/* Key and value at once. */
void csn_json_member_string(struct csn_json *json, const char *name, const char *text);
void csn_json_member_int(struct csn_json *json, const char *name, int64_t value);
void csn_json_member_uint(struct csn_json *json, const char *name, uint64_t value);
void csn_json_member_bool(struct csn_json *json, const char *name, bool value);
/* The text's bytes in hex, when it is not UTF-8 and would be told wrongly; else nothing. */
void csn_json_member_hex(struct csn_json *json, const char *name, const char *text);
void csn_json_member_address(struct csn_json *json, const char *name, csn_addr value);

#endif
