/* Folds: many values of one column become one cell of the reply.
 *
 * A cell is kept as values until it is written, because orders and havings look into it. Objects
 * without the attribute do not count in any fold. Where nothing is left: [] (0 for count, sum and
 * unique). */
#ifndef CSN_QUERY_FOLD_H
#define CSN_QUERY_FOLD_H

#include "query/rows.h"
#include "query/tally.h"

enum csn_result_kind {
	CSN_RESULT_NONE,
	CSN_RESULT_VALUE,  /* of the column: bits */
	CSN_RESULT_COUNT,  /* a plain number: bits */
	CSN_RESULT_SIGNED, /* an int64_t: bits */
	CSN_RESULT_REAL,
	CSN_RESULT_HEX, /* an object id */
};

struct csn_result {
	enum csn_result_kind kind;
	uint64_t bits;
	double real;
};

struct csn_bin {
	uint64_t low, high; /* bits of the column */
	uint64_t count;
};

struct csn_cell_out {
	const struct csn_column *column;
	enum csn_fold_op op;
	struct csn_result results[2];
	size_t n_results;
	const struct csn_tally_entry *entries; /* histogram, distribution: ordered */
	size_t n_entries;
	uint64_t keys, tail; /* distribution */
	const struct csn_bin *bins;
	size_t n_bins;
};

/* The format of the fold's column in the reply. */
const char *csn_fold_format(enum csn_fold_op op, const struct csn_column *column);

/* Everything the folds of one query share. */
struct csn_folder {
	struct csn_arena *arena;
	const struct csn_plan *plan;
	const struct csn_rows *rows;
	struct csn_tally tally; /* scratch */
};

/* indices: the group's rows. Fills the cell. */
int csn_fold_run(struct csn_folder *folder, const struct csn_plan_fold *fold,
		 const uint32_t *indices, size_t count, struct csn_cell_out *ret_cell,
		 struct csn_error *err) csn_must_check;

/* The cell as the reply has it. */
void csn_fold_write(const struct csn_cell_out *cell, struct csn_json *json);

/* For orders: by an element of the cell; an absent one is smallest. */
int csn_fold_compare(const struct csn_cell_out *a, const struct csn_cell_out *b, size_t element);
/* The element as a value for having; kind NONE when absent. */
struct csn_result csn_fold_element(const struct csn_cell_out *cell, size_t element);

#endif
