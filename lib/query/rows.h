/* The rows that a plan's filter lets through, as columns of values.
 *
 * One scan of the store; each row is tested against the plan's matches, and the values of the kept
 * columns are appended. Caps: bytes and seconds of base/limits.h. */
#ifndef CSN_QUERY_ROWS_H
#define CSN_QUERY_ROWS_H

#include "query/plan.h"

struct csn_rows {
	uint64_t *ids;
	uint64_t **values; /* by slot, then row */
	uint8_t **present; /* parallel */
	size_t count, capacity, n_slots;
	uint64_t visited; /* objects the filter was asked about */
};

/* stop_after: rows that are enough (0: all), newest first then. deadline_ns: monotonic. */
int csn_rows_read(struct csn_plan *plan, size_t stop_after, int64_t deadline_ns,
		  struct csn_rows *ret_rows, struct csn_error *err) csn_must_check;
void csn_rows_done(struct csn_rows *rows);

static inline struct csn_value csn_rows_value(const struct csn_rows *rows,
					      const struct csn_column *column, size_t row)
{
	return (struct csn_value){ .bits = rows->values[column->slot][row],
				   .present = rows->present[column->slot][row] != 0 };
}

#endif
