/* A column as a query sees it: stored, or computed from a stored one. And its values.
 *
 * A value is a number; for a text it is the column's dictionary code, so that rows are compared,
 * grouped and counted without touching a text. Signed columns keep the int64_t's bits. */
#ifndef CSN_QUERY_COLUMN_H
#define CSN_QUERY_COLUMN_H

#include "base/json.h"
#include "query/ast.h"
#include "store/objects.h"

enum csn_column_source {
	CSN_COLUMN_STORED,
	CSN_COLUMN_QUANTIZED,
	CSN_COLUMN_TRUNCATED,
	CSN_COLUMN_FIRST_SEEN, /* first timestamp of the object's fingerprint */
};

struct csn_value {
	uint64_t bits;
	bool present;
};

/* The texts of one stored column by code, gathered while scanning. */
struct csn_column_texts {
	const char **by_code; /* freed by csn_texts_done; the texts are the reader's */
	size_t count, capacity;
};

void csn_texts_done(struct csn_column_texts *texts);
/* Notes the cell's text and gives its code; uncoded texts get a new one and are copied into the
 * arena. 0 when memory ran out. */
uint32_t csn_texts_add(struct csn_column_texts *texts, struct csn_arena *arena,
		       const struct csn_cell *cell);

struct csn_column {
	const char *name;
	const char *format;
	enum csn_column_source source;
	bool is_text, is_signed;
	enum csn_attribute_type type;
	size_t cell; /* of the scan: the column itself or what it is computed from */
	const struct csn_query_virtual *virtual_; /* for QUANTIZED and TRUNCATED */
	struct csn_column_texts *texts;           /* of the stored column, for texts */
	bool kept;                                /* values are gathered for the finisher */
	size_t slot;                              /* where */
};

/* For numbers: as signed or unsigned; for codes: their texts. Negative, zero, positive. */
int csn_value_compare(const struct csn_column *column, uint64_t a, uint64_t b);
/* As double, for means and orders across folds. */
double csn_value_double(const struct csn_column *column, uint64_t bits);
/* Number or text. */
void csn_value_write(const struct csn_column *column, uint64_t bits, struct csn_json *json);

/* (value + offset) / size * size - offset. */
uint64_t csn_quantize(const struct csn_query_virtual *column, uint64_t value);
/* Start of the hour, day, week (Monday), month, quarter or year, UTC. */
uint64_t csn_truncate_timestamp(enum csn_granularity granularity, uint64_t timestamp);

#endif
