/* What a store holds, as plain values: attribute types, cells, attributes.
 *
 * No functions here touch a disk. Texts are borrowed; who owns them is said where they come from.
 */
#ifndef CSN_STORE_TYPES_H
#define CSN_STORE_TYPES_H

#include "base/error.h"
#include "base/types.h"

/* The product's attribute types and one of ours (int64, for numbers below zero). Every type is
 * held either as a number or as a text. */
enum csn_attribute_type {
	CSN_TYPE_BITMAP, /* 0 or 1 */
	CSN_TYPE_UINT8,
	CSN_TYPE_UINT16,
	CSN_TYPE_UINT32,
	CSN_TYPE_UINT64,
	CSN_TYPE_INT64,
	CSN_TYPE_UINT128,    /* text: hex digits */
	CSN_TYPE_UUID,       /* text, with dashes */
	CSN_TYPE_DICTIONARY, /* text */
};

static inline bool csn_type_is_text(enum csn_attribute_type type)
{
	return type >= CSN_TYPE_UINT128;
}

static inline bool csn_type_is_signed(enum csn_attribute_type type)
{
	return type == CSN_TYPE_INT64;
}

/* "uint64"; find: false when there is no such type. */
const char *csn_type_name(enum csn_attribute_type type);
bool csn_type_find(const char *name, enum csn_attribute_type *ret_type);

enum csn_cell_kind {
	CSN_CELL_NULL,
	CSN_CELL_NUMBER,
	CSN_CELL_TEXT,
};

/* One value of one object. A number of a signed column is its int64_t in two's complement. Every
 * text has a code: within one column of one project, equal codes mean equal texts, and codes are
 * small (1, 2, 3...), so that a filter on texts can be decided once per code. Code 0: not coded,
 * compare the text (_rxid only). */
struct csn_cell {
	enum csn_cell_kind kind;
	uint32_t code;
	uint64_t number;
	const char *text; /* valid until the reader is closed; _rxid: until the callback returns */
};

/* Where an attribute's definition comes from. */
enum csn_attribute_origin {
	CSN_ATTRIBUTE_DISCOVERED, /* seen in a submission: disabled until declared */
	CSN_ATTRIBUTE_BUILTIN,  /* our own snapshots define it, or it is a column of every object */
	CSN_ATTRIBUTE_DECLARED, /* created by a user */
};

struct csn_attribute {
	int64_t id; /* 0 for a column of every object (timestamp, _tx...) */
	const char *name;
	enum csn_attribute_type type;
	const char *format; /* "none", "unix_timestamp", "callstack"... */
	const char *description;
	enum csn_attribute_origin origin;
	bool enabled;       /* may be filtered, grouped and selected */
	bool writable;      /* `set` may change it */
	int64_t seen;       /* last time a submission had it, epoch seconds; 0 never */
	const char *sample; /* a value seen, as text; "" when none */
};

/* A value on its way in, as a sender wrote it; the store converts it to the column's type. */
struct csn_attribute_value {
	const char *name;
	enum csn_cell_kind kind;
	bool negative; /* number is an int64_t below zero */
	uint64_t number;
	const char *text;
};

/* The definition that every project starts from; in static memory. */
struct csn_builtin_attribute {
	const char *name, *format, *description;
	enum csn_attribute_type type;
	bool column; /* of every object: not stored as an attribute */
};

/* NULL when the name is not ours. */
const struct csn_builtin_attribute *csn_builtin_attribute_find(const char *name);
/* All of them; ret_count is their number. */
const struct csn_builtin_attribute *csn_builtin_attributes(size_t *ret_count);

#endif
