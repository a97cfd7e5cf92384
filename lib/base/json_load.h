/* JSON in: jansson behind one loader with caps, and getters that tolerate absence.
 *
 * Kept apart from base/json.h so that the program the kernel runs as root does not link jansson. */
#ifndef CSN_BASE_JSON_LOAD_H
#define CSN_BASE_JSON_LOAD_H

#include <jansson.h>

#include "base/error.h"

static inline void csn_json_decrefp(json_t **json)
{
	json_decref(*json);
}

#define cleanup_json cleanup_(csn_json_decrefp)

/* Parses a whole document (any value, NUL in strings refused). The caller owns *ret_json
 * (json_decref). FORMAT names line and column, LIMIT is too deep or too many values. */
int csn_json_load(const char *text, size_t length, json_t **ret_json, struct csn_error *err)
	csn_must_check;

/* A member's value when it has the type, else the fallback. Borrowed. object may be NULL. */
const char *csn_json_get_string(const json_t *object, const char *name, const char *fallback);
int64_t csn_json_get_int(const json_t *object, const char *name, int64_t fallback);
bool csn_json_get_bool(const json_t *object, const char *name, bool fallback);
/* A number, or a string holding a decimal or 0x number. False when neither. */
bool csn_json_number_u64(const json_t *value, uint64_t *ret_value);

#endif
