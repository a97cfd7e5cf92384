#include "query/rows.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/limits.h"
#include "query/tally.h"

#define ROWS_PER_LOOK_AT_THE_CLOCK 4096

/* What the callbacks of one scan share. */
struct reading {
	struct csn_plan *plan;
	struct csn_rows *rows;
	struct csn_tally *first_seen; /* code of the fingerprint -> first timestamp */
	size_t stop_after;
	int64_t deadline_ns;
	struct csn_error *err;
	int r;
};

static bool stop(struct reading *reading, int r)
{
	reading->r = r;
	return false;
}

static int check_clock(uint64_t visited, int64_t deadline_ns, struct csn_error *err)
{
	if (visited % ROWS_PER_LOOK_AT_THE_CLOCK != 0 || csn_monotonic_ns() < deadline_ns)
		return 0;
	return csn_fail(err, CSN_E_TIMEOUT,
			"the query takes longer than %d seconds; narrow the time or the filter",
			CSN_MAX_QUERY_SECONDS);
}

void csn_rows_done(struct csn_rows *rows)
{
	for (size_t i = 0; i < rows->n_slots; i++) {
		free(rows->values[i]);
		free(rows->present[i]);
	}
	free(rows->values);
	free(rows->present);
	free(rows->ids);
	*rows = (struct csn_rows){ 0 };
}

static bool resize(void *slot, size_t count, size_t size_bytes)
{
	void **place = slot, *moved = realloc(*place, count * size_bytes);

	if (moved)
		*place = moved;
	return moved != NULL;
}

static int grow(struct csn_rows *rows, struct csn_error *err)
{
	size_t capacity = rows->capacity ? rows->capacity * 2 : 1024;
	size_t row_bytes = sizeof(uint64_t) + rows->n_slots * (sizeof(uint64_t) + 1);
	bool ok = true;

	if (capacity * row_bytes > CSN_MAX_QUERY_ROWS_BYTES)
		return csn_fail(err, CSN_E_LIMIT,
				"%zu objects match, too many to hold at once; narrow the time or "
				"the filter",
				rows->count);
	ok = resize(&rows->ids, capacity, sizeof(*rows->ids));
	for (size_t i = 0; ok && i < rows->n_slots; i++)
		ok = resize(&rows->values[i], capacity, sizeof(**rows->values)) &&
		     resize(&rows->present[i], capacity, sizeof(**rows->present));
	if (!ok)
		return csn_fail_nomem(err);
	rows->capacity = capacity;
	return 0;
}

/* ---- values ---- */

static struct csn_value first_seen_of(const struct reading *reading, const struct csn_cell *cell)
{
	size_t at;

	if (cell->kind != CSN_CELL_TEXT)
		return (struct csn_value){ .present = false };
	at = csn_tally_index(reading->first_seen, cell->code);
	if (at == SIZE_MAX)
		return (struct csn_value){ .present = false };
	return (struct csn_value){ .bits = reading->first_seen->entries[at].count,
				   .present = true };
}

static struct csn_value value_of(const struct reading *reading, const struct csn_column *column,
				 const struct csn_cell *cell)
{
	struct csn_value value = { .bits = cell->number, .present = cell->kind != CSN_CELL_NULL };

	switch (column->source) {
	case CSN_COLUMN_FIRST_SEEN:
		return first_seen_of(reading, cell);
	case CSN_COLUMN_QUANTIZED:
		value.bits = csn_quantize(column->virtual_, value.bits);
		return value;
	case CSN_COLUMN_TRUNCATED:
		value.bits = csn_truncate_timestamp(column->virtual_->granularity, value.bits);
		return value;
	default:
		if (cell->kind == CSN_CELL_TEXT)
			value.bits = cell->code;
		return value;
	}
}

static int append(struct reading *reading, uint64_t id, const struct csn_cell *cells)
{
	struct csn_rows *rows = reading->rows;
	struct csn_plan *plan = reading->plan;

	if (rows->count == rows->capacity) {
		int r = grow(rows, reading->err);

		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < plan->n_columns; i++) {
		const struct csn_column *column = &plan->columns[i];
		const struct csn_cell *cell = &cells[column->cell];
		struct csn_value value;

		if (!column->kept)
			continue;
		value = value_of(reading, column, cell);
		if (column->is_text && value.present) {
			value.bits = csn_texts_add(column->texts, plan->arena, cell);
			if (value.bits == 0)
				return csn_fail(reading->err, CSN_E_LIMIT,
						"the texts of '%.64s' are too many", column->name);
		}
		rows->values[column->slot][rows->count] = value.bits;
		rows->present[column->slot][rows->count] = value.present;
	}
	rows->ids[rows->count++] = id;
	return 0;
}

static bool take_row(void *context, uint64_t id, const struct csn_cell *cells)
{
	struct reading *reading = context;
	const struct csn_plan *plan = reading->plan;
	int r = check_clock(++reading->rows->visited, reading->deadline_ns, reading->err);

	if (r < 0)
		return stop(reading, r);
	for (size_t i = 0; i < plan->n_matches; i++) {
		const struct csn_column *column = csn_match_column(plan->matches[i]);
		const struct csn_cell *cell = &cells[column->cell];

		r = csn_match_test(plan->matches[i], value_of(reading, column, cell), cell->text,
				   reading->err);
		if (r < 0)
			return stop(reading, r);
		if (r == 0)
			return true;
	}
	r = append(reading, id, cells);
	if (r < 0)
		return stop(reading, r);
	return reading->rows->count != reading->stop_after;
}

/* ---- first_seen ---- */

static bool take_first(void *context, uint64_t id, const struct csn_cell *cells)
{
	struct reading *reading = context;
	size_t at;
	int r = check_clock(id, reading->deadline_ns, reading->err);

	if (r < 0)
		return stop(reading, r);
	if (cells[0].kind != CSN_CELL_TEXT || cells[1].kind != CSN_CELL_NUMBER)
		return true;
	at = csn_tally_index(reading->first_seen, cells[0].code);
	if (at == SIZE_MAX)
		return stop(reading, csn_fail_nomem(reading->err));
	/* Counts start at 0, which is no time of a crash. */
	if (reading->first_seen->entries[at].count == 0 ||
	    cells[1].number < reading->first_seen->entries[at].count)
		reading->first_seen->entries[at].count = cells[1].number;
	return true;
}

static int read_first_seen(struct reading *reading)
{
	struct csn_reader *reader = reading->plan->reader;
	const struct csn_attribute *columns[] = { csn_reader_find_attribute(reader, "fingerprint"),
						  csn_reader_find_attribute(reader, "timestamp") };
	struct csn_scan scan = { .columns = columns, .n_columns = csn_countof(columns) };
	bool used = false;
	int r;

	for (size_t i = 0; i < reading->plan->n_columns; i++)
		used |= reading->plan->columns[i].source == CSN_COLUMN_FIRST_SEEN;
	if (!used || !columns[0] || !columns[1])
		return 0;
	r = csn_reader_scan(reader, &scan, take_first, reading, reading->err);
	return r < 0 ? r : reading->r;
}

static int run_scan(struct reading *reading)
{
	struct csn_plan *plan = reading->plan;
	struct csn_scan scan = plan->scan;
	int r;

	scan.columns = plan->cells;
	scan.n_columns = plan->n_cells;
	scan.newest_first = reading->stop_after != 0;
	r = read_first_seen(reading);
	if (r < 0)
		return r;
	r = csn_reader_scan(plan->reader, &scan, take_row, reading, reading->err);
	return r < 0 ? r : reading->r;
}

int csn_rows_read(struct csn_plan *plan, size_t stop_after, int64_t deadline_ns,
		  struct csn_rows *ret_rows, struct csn_error *err)
{
	struct csn_tally first_seen = { 0 };
	struct csn_rows rows = { .n_slots = plan->n_slots };
	struct reading reading = { .plan = plan,
				   .rows = &rows,
				   .first_seen = &first_seen,
				   .stop_after = stop_after,
				   .deadline_ns = deadline_ns,
				   .err = err };
	int r = 0;

	rows.values = calloc(rows.n_slots + 1, sizeof(*rows.values));
	rows.present = calloc(rows.n_slots + 1, sizeof(*rows.present));
	if (!rows.values || !rows.present) {
		free(rows.values);
		free(rows.present);
		return csn_fail_nomem(err);
	}
	if (!plan->nothing)
		r = run_scan(&reading);
	csn_tally_done(&first_seen);
	if (r < 0) {
		csn_rows_done(&rows);
		return r;
	}
	*ret_rows = rows;
	return 0;
}
