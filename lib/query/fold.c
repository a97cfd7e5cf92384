#include "query/fold.h"

#include <stdlib.h>
#include <string.h>

#include "base/limits.h"

#define DEFAULT_BINS 32
#define DEFAULT_DISTRIBUTION 3

/* Wide enough for any sum of a cap's worth of rows. */
__extension__ typedef __int128 wide;

/* One fold at work: the values of one column in one group. */
struct work {
	struct csn_folder *folder;
	const struct csn_plan_fold *fold;
	const struct csn_column *column;
	const uint32_t *indices;
	size_t count;
	struct csn_cell_out *cell;
};

static int full(struct csn_error *err)
{
	return csn_fail(err, CSN_E_LIMIT, "the reply is too large; use a limit");
}

static struct csn_value value_at(const struct work *work, size_t i)
{
	return csn_rows_value(work->folder->rows, work->column, work->indices[i]);
}

static void add_result(struct work *work, enum csn_result_kind kind, uint64_t bits)
{
	work->cell->results[work->cell->n_results++] =
		(struct csn_result){ .kind = kind, .bits = bits };
}

/* ---- one value ---- */

/* Is row a before row b? head and tail go by the time of the crash, first and last by arrival. */
static bool before(const struct work *work, uint32_t a, uint32_t b, bool by_time)
{
	const struct csn_rows *rows = work->folder->rows;
	const struct csn_plan *plan = work->folder->plan;
	const struct csn_column *timestamp = &plan->columns[plan->timestamp];
	uint64_t time_a = rows->values[timestamp->slot][a];
	uint64_t time_b = rows->values[timestamp->slot][b];

	if (by_time && time_a != time_b)
		return time_a < time_b;
	return rows->ids[a] < rows->ids[b];
}

static int fold_edge(struct work *work, struct csn_error *err)
{
	enum csn_fold_op op = work->fold->fold->op;
	bool by_time = op == CSN_FOLD_HEAD || op == CSN_FOLD_TAIL;
	bool want_first = op == CSN_FOLD_HEAD || op == CSN_FOLD_FIRST;
	uint32_t best = UINT32_MAX;

	(void)err;
	for (size_t i = 0; i < work->count; i++) {
		uint32_t row = work->indices[i];

		if (value_at(work, i).present &&
		    (best == UINT32_MAX || before(work, row, best, by_time) == want_first))
			best = row;
	}
	if (best == UINT32_MAX)
		return 0;
	if (op == CSN_FOLD_OBJECT)
		add_result(work, CSN_RESULT_HEX, work->folder->rows->ids[best]);
	else
		add_result(work, CSN_RESULT_VALUE,
			   csn_rows_value(work->folder->rows, work->column, best).bits);
	return 0;
}

static int fold_extremes(struct work *work, struct csn_error *err)
{
	enum csn_fold_op op = work->fold->fold->op;
	uint64_t low = 0, high = 0;
	bool any = false;

	(void)err;
	for (size_t i = 0; i < work->count; i++) {
		struct csn_value value = value_at(work, i);

		if (!value.present)
			continue;
		if (!any || csn_value_compare(work->column, value.bits, low) < 0)
			low = value.bits;
		if (!any || csn_value_compare(work->column, value.bits, high) > 0)
			high = value.bits;
		any = true;
	}
	if (any && op != CSN_FOLD_MAX)
		add_result(work, CSN_RESULT_VALUE, low);
	if (any && op != CSN_FOLD_MIN)
		add_result(work, CSN_RESULT_VALUE, high);
	return 0;
}

static int fold_sum(struct work *work, struct csn_error *err)
{
	wide sum = 0;
	size_t present = 0;
	struct csn_result *result;

	(void)err;
	for (size_t i = 0; i < work->count; i++) {
		struct csn_value value = value_at(work, i);

		if (!value.present)
			continue;
		sum += work->column->is_signed ? (wide)(int64_t)value.bits : (wide)value.bits;
		present++;
	}
	if (work->fold->fold->op == CSN_FOLD_MEAN) {
		if (present == 0)
			return 0;
		add_result(work, CSN_RESULT_REAL, 0);
		work->cell->results[0].real = (double)sum / (double)present;
		return 0;
	}
	/* A sum past 64 bits is still worth its first fifteen digits. */
	add_result(work, CSN_RESULT_COUNT, (uint64_t)sum);
	result = &work->cell->results[0];
	if (sum < 0 && sum >= INT64_MIN)
		result->kind = CSN_RESULT_SIGNED;
	else if (sum < 0 || sum > (wide)UINT64_MAX)
		*result = (struct csn_result){ .kind = CSN_RESULT_REAL, .real = (double)sum };
	return 0;
}

static int fold_count(struct work *work, struct csn_error *err)
{
	uint64_t present = 0;

	(void)err;
	for (size_t i = 0; i < work->count; i++)
		present += value_at(work, i).present;
	add_result(work, CSN_RESULT_COUNT, present);
	return 0;
}

/* ---- distinct values ---- */

static int compare_entries(const void *a, const void *b, void *context)
{
	const struct csn_tally_entry *left = a, *right = b;

	if (left->count != right->count)
		return left->count > right->count ? -1 : 1;
	return csn_value_compare(context, left->key, right->key);
}

/* Counts every distinct value; entries stay in the scratch tally. */
static int tally_values(struct work *work, struct csn_error *err)
{
	struct csn_tally *tally = &work->folder->tally;

	csn_tally_clear(tally);
	for (size_t i = 0; i < work->count; i++) {
		struct csn_value value = value_at(work, i);
		size_t at;

		if (!value.present)
			continue;
		at = csn_tally_index(tally, value.bits);
		if (at == SIZE_MAX)
			return csn_fail_nomem(err);
		tally->entries[at].count++;
	}
	return 0;
}

static int fold_unique(struct work *work, struct csn_error *err)
{
	int r = tally_values(work, err);

	if (r < 0)
		return r;
	add_result(work, CSN_RESULT_COUNT, work->folder->tally.n_entries);
	return 0;
}

static int fold_histogram(struct work *work, struct csn_error *err)
{
	const struct csn_query_fold *fold = work->fold->fold;
	struct csn_tally *tally = &work->folder->tally;
	struct csn_cell_out *cell = work->cell;
	struct csn_tally_entry *entries;
	size_t shown;
	int r = tally_values(work, err);

	if (r < 0)
		return r;
	entries = csn_arena_array(work->folder->arena, tally->n_entries + 1, sizeof(*entries));
	if (!entries)
		return full(err);
	for (size_t i = 0; i < tally->n_entries; i++)
		entries[i] = tally->entries[i];
	if (tally->n_entries > 1)
		qsort_r(entries, tally->n_entries, sizeof(*entries), compare_entries,
			(void *)work->column);
	shown = fold->op == CSN_FOLD_DISTRIBUTION ? DEFAULT_DISTRIBUTION : tally->n_entries;
	if (fold->n_args > 0 && fold->args[0] > 0)
		shown = (size_t)fold->args[0];
	if (shown > tally->n_entries)
		shown = tally->n_entries;
	cell->entries = entries;
	cell->n_entries = shown;
	cell->keys = tally->n_entries;
	for (size_t i = shown; i < tally->n_entries; i++)
		cell->tail += entries[i].count;
	return 0;
}

/* ---- bins ---- */

static wide wide_of(const struct csn_column *column, uint64_t bits)
{
	return column->is_signed ? (wide)(int64_t)bits : (wide)bits;
}

/* Without bounds in the query: those of all the rows, so that groups can be compared. */
static bool bounds_of_rows(const struct work *work, wide *low, wide *high)
{
	const struct csn_rows *rows = work->folder->rows;
	bool any = false;

	for (size_t row = 0; row < rows->count; row++) {
		struct csn_value value = csn_rows_value(rows, work->column, row);
		wide number = wide_of(work->column, value.bits);

		if (!value.present)
			continue;
		if (!any || number < *low)
			*low = number;
		if (!any || number > *high)
			*high = number;
		any = true;
	}
	return any;
}

static wide edge(wide low, wide span, size_t i, size_t n)
{
	return low + span * (wide)i / (wide)n;
}

static int fold_bin(struct work *work, struct csn_error *err)
{
	const struct csn_query_fold *fold = work->fold->fold;
	size_t n = fold->n_args > 0 ? (size_t)fold->args[0] : DEFAULT_BINS;
	wide low = 0, high = 0, span;
	struct csn_bin *bins;

	if (fold->n_args > 0 && (fold->args[0] < 1 || fold->args[0] > CSN_MAX_QUERY_BINS))
		return csn_fail(err, CSN_E_USAGE, "bin(%.64s): 1 to %d bins", fold->attribute,
				CSN_MAX_QUERY_BINS);
	if (fold->n_args == CSN_FOLD_ARGS) {
		low = fold->args[1];
		high = fold->args[2];
	} else if (!bounds_of_rows(work, &low, &high)) {
		return 0;
	}
	if (!work->column->is_signed && low < 0)
		low = 0;
	/* No bin is empty by construction; all of a range that is none is one bin. */
	span = high > low ? high - low : 0;
	if ((wide)n > span)
		n = span > 0 ? (size_t)span : 1;
	bins = csn_arena_array(work->folder->arena, n, sizeof(*bins));
	if (!bins)
		return full(err);
	for (size_t i = 0; i < n; i++)
		bins[i] = (struct csn_bin){ .low = (uint64_t)edge(low, span, i, n),
					    .high = (uint64_t)edge(low, span, i + 1, n) };
	for (size_t i = 0; i < work->count; i++) {
		struct csn_value value = value_at(work, i);
		wide number = wide_of(work->column, value.bits);
		size_t at;

		/* The upper end belongs to the last bin. */
		if (!value.present || number < low || number > high)
			continue;
		at = span > 0 ? (size_t)((number - low) * (wide)n / span) : 0;
		if (at >= n)
			at = n - 1;
		/* Edges are rounded down, so the guess may be one off. */
		while (at > 0 && number < edge(low, span, at, n))
			at--;
		while (at + 1 < n && number >= edge(low, span, at + 1, n))
			at++;
		bins[at].count++;
	}
	work->cell->bins = bins;
	work->cell->n_bins = n;
	return 0;
}

/* ---- the table ---- */

static const struct {
	int (*run)(struct work *work, struct csn_error *err);
	bool keeps_format; /* the result is a value of the column */
} folds[CSN_FOLD_OP_COUNT] = {
	[CSN_FOLD_HEAD] = { fold_edge, true },
	[CSN_FOLD_TAIL] = { fold_edge, true },
	[CSN_FOLD_FIRST] = { fold_edge, true },
	[CSN_FOLD_LAST] = { fold_edge, true },
	[CSN_FOLD_OBJECT] = { fold_edge, false },
	[CSN_FOLD_HISTOGRAM] = { fold_histogram, true },
	[CSN_FOLD_DISTRIBUTION] = { fold_histogram, true },
	[CSN_FOLD_UNIQUE] = { fold_unique, false },
	[CSN_FOLD_MEAN] = { fold_sum, true },
	[CSN_FOLD_MIN] = { fold_extremes, true },
	[CSN_FOLD_MAX] = { fold_extremes, true },
	[CSN_FOLD_SUM] = { fold_sum, true },
	[CSN_FOLD_BIN] = { fold_bin, true },
	[CSN_FOLD_RANGE] = { fold_extremes, true },
	[CSN_FOLD_COUNT] = { fold_count, false },
};

const char *csn_fold_format(enum csn_fold_op op, const struct csn_column *column)
{
	return folds[op].keeps_format ? column->format : "none";
}

int csn_fold_run(struct csn_folder *folder, const struct csn_plan_fold *fold,
		 const uint32_t *indices, size_t count, struct csn_cell_out *ret_cell,
		 struct csn_error *err)
{
	struct csn_cell_out cell = { .op = fold->fold->op };
	struct work work = {
		.folder = folder,
		.fold = fold,
		.column = &folder->plan->columns[fold->column],
		.indices = indices,
		.count = count,
		.cell = &cell,
	};
	int r;

	cell.column = work.column;
	r = folds[fold->fold->op].run(&work, err);
	if (r < 0)
		return r;
	*ret_cell = cell;
	return 0;
}

/* ---- out ---- */

static void write_result(const struct csn_cell_out *cell, const struct csn_result *result,
			 struct csn_json *json)
{
	char hex[17];

	switch (result->kind) {
	case CSN_RESULT_VALUE:
		csn_value_write(cell->column, result->bits, json);
		break;
	case CSN_RESULT_COUNT:
		csn_json_uint(json, result->bits);
		break;
	case CSN_RESULT_SIGNED:
		csn_json_int(json, (int64_t)result->bits);
		break;
	case CSN_RESULT_REAL:
		csn_json_double(json, result->real);
		break;
	case CSN_RESULT_HEX:
		snprintf(hex, sizeof(hex), "%llx", (unsigned long long)result->bits);
		csn_json_string(json, hex);
		break;
	default:
		csn_json_null(json);
	}
}

static void write_entries(const struct csn_cell_out *cell, struct csn_json *json)
{
	csn_json_begin_array(json);
	for (size_t i = 0; i < cell->n_entries; i++) {
		csn_json_begin_array(json);
		csn_value_write(cell->column, cell->entries[i].key, json);
		csn_json_uint(json, cell->entries[i].count);
		csn_json_end_array(json);
	}
	csn_json_end_array(json);
}

static void write_distribution(const struct csn_cell_out *cell, struct csn_json *json)
{
	csn_json_begin_array(json);
	csn_json_begin_object(json);
	csn_json_member_uint(json, "keys", cell->keys);
	csn_json_member_uint(json, "tail", cell->tail);
	csn_json_key(json, "vals");
	write_entries(cell, json);
	csn_json_end_object(json);
	csn_json_end_array(json);
}

static void write_bins(const struct csn_cell_out *cell, struct csn_json *json)
{
	csn_json_begin_array(json);
	for (size_t i = 0; i < cell->n_bins; i++) {
		csn_json_begin_array(json);
		csn_value_write(cell->column, cell->bins[i].low, json);
		csn_value_write(cell->column, cell->bins[i].high, json);
		csn_json_uint(json, cell->bins[i].count);
		csn_json_end_array(json);
	}
	csn_json_end_array(json);
}

void csn_fold_write(const struct csn_cell_out *cell, struct csn_json *json)
{
	if (cell->op == CSN_FOLD_HISTOGRAM) {
		write_entries(cell, json);
		return;
	}
	if (cell->op == CSN_FOLD_DISTRIBUTION) {
		write_distribution(cell, json);
		return;
	}
	if (cell->op == CSN_FOLD_BIN) {
		write_bins(cell, json);
		return;
	}
	csn_json_begin_array(json);
	for (size_t i = 0; i < cell->n_results; i++)
		write_result(cell, &cell->results[i], json);
	csn_json_end_array(json);
}

/* ---- looking into a cell ---- */

struct csn_result csn_fold_element(const struct csn_cell_out *cell, size_t element)
{
	struct csn_result none = { .kind = CSN_RESULT_NONE };

	/* Of a list its length: that is what one sorts lists by. */
	if (cell->op == CSN_FOLD_HISTOGRAM || cell->op == CSN_FOLD_DISTRIBUTION)
		return (struct csn_result){ .kind = CSN_RESULT_COUNT, .bits = cell->keys };
	if (cell->op == CSN_FOLD_BIN)
		return (struct csn_result){ .kind = CSN_RESULT_COUNT, .bits = cell->n_bins };
	return element < cell->n_results ? cell->results[element] : none;
}

int csn_fold_compare(const struct csn_cell_out *a, const struct csn_cell_out *b, size_t element)
{
	struct csn_result left = csn_fold_element(a, element), right = csn_fold_element(b, element);
	double x, y;

	if (left.kind == CSN_RESULT_NONE || right.kind == CSN_RESULT_NONE)
		return (left.kind != CSN_RESULT_NONE) - (right.kind != CSN_RESULT_NONE);
	if (left.kind == CSN_RESULT_VALUE)
		return csn_value_compare(a->column, left.bits, right.bits);
	if (left.kind == right.kind && left.kind != CSN_RESULT_REAL &&
	    left.kind != CSN_RESULT_SIGNED)
		return (left.bits > right.bits) - (left.bits < right.bits);
	x = left.kind == CSN_RESULT_REAL     ? left.real
	    : left.kind == CSN_RESULT_SIGNED ? (double)(int64_t)left.bits
					     : (double)left.bits;
	y = right.kind == CSN_RESULT_REAL     ? right.real
	    : right.kind == CSN_RESULT_SIGNED ? (double)(int64_t)right.bits
					      : (double)right.bits;
	return (x > y) - (x < y);
}
