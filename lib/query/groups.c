#include <string.h>

#include "base/limits.h"
#include "query/finish.h"
#include "query/tally.h"

static int full(struct csn_error *err)
{
	return csn_fail(err, CSN_E_LIMIT, "the query has too many groups; filter or use a limit");
}

/* Group of each row into of_row; the absent have a group of their own. */
static int number_rows(const struct csn_plan *plan, const struct csn_rows *rows,
		       struct csn_tally *tally, uint32_t *of_row, size_t *ret_absent,
		       struct csn_error *err)
{
	const struct csn_column *column =
		plan->group == CSN_NO_COLUMN ? NULL : &plan->columns[plan->group];
	size_t absent = SIZE_MAX, extra = 0;

	for (size_t row = 0; row < rows->count; row++) {
		struct csn_value value = { .present = false };
		size_t at;

		if (column)
			value = csn_rows_value(rows, column, row);
		if (!value.present) {
			if (absent == SIZE_MAX) {
				absent = tally->n_entries;
				extra = 1;
			}
			of_row[row] = (uint32_t)absent;
			continue;
		}
		at = csn_tally_index(tally, value.bits);
		if (at == SIZE_MAX)
			return csn_fail_nomem(err);
		/* Groups met after the absent one are numbered past it. */
		of_row[row] = (uint32_t)(at + (at >= absent ? extra : 0));
	}
	if (tally->n_entries + extra > CSN_MAX_QUERY_GROUPS)
		return full(err);
	*ret_absent = absent;
	return 0;
}

/* Counting sort: rows of one group together, in their order. */
static void sort_rows(struct csn_groups *groups, const uint32_t *of_row, size_t n_rows,
		      uint32_t *next)
{
	for (size_t row = 0; row < n_rows; row++)
		groups->start[of_row[row] + 1]++;
	for (size_t g = 0; g < groups->count; g++) {
		groups->start[g + 1] += groups->start[g];
		next[g] = groups->start[g];
	}
	for (size_t row = 0; row < n_rows; row++)
		groups->rows[next[of_row[row]]++] = (uint32_t)row;
}

int csn_groups_make(struct csn_arena *arena, const struct csn_plan *plan,
		    const struct csn_rows *rows, struct csn_groups *ret_groups,
		    struct csn_error *err)
{
	struct csn_groups groups = { 0 };
	struct csn_tally tally = { 0 };
	uint32_t *of_row = csn_arena_array(arena, rows->count + 1, sizeof(*of_row)), *next;
	size_t absent = SIZE_MAX;
	int r = of_row ? number_rows(plan, rows, &tally, of_row, &absent, err) : full(err);

	if (r < 0 || !of_row) {
		csn_tally_done(&tally);
		return r;
	}
	groups.count = tally.n_entries + (absent != SIZE_MAX);
	groups.keys = csn_arena_array(arena, groups.count + 1, sizeof(*groups.keys));
	groups.present = csn_arena_array(arena, groups.count + 1, sizeof(*groups.present));
	groups.start = csn_arena_array(arena, groups.count + 1, sizeof(*groups.start));
	groups.rows = csn_arena_array(arena, rows->count + 1, sizeof(*groups.rows));
	next = csn_arena_array(arena, groups.count + 1, sizeof(*next));
	if (!groups.keys || !groups.present || !groups.start || !groups.rows || !next) {
		csn_tally_done(&tally);
		return full(err);
	}
	for (size_t i = 0; i < tally.n_entries; i++) {
		size_t g = i + (i >= absent);

		groups.keys[g] = tally.entries[i].key;
		groups.present[g] = true;
	}
	csn_tally_done(&tally);
	sort_rows(&groups, of_row, rows->count, next);
	*ret_groups = groups;
	return 0;
}

void csn_group_key_write(const struct csn_plan *plan, const struct csn_groups *groups, size_t group,
			 struct csn_json *json)
{
	if (plan->group == CSN_NO_COLUMN || !groups->present[group])
		csn_json_string(json, "*");
	else
		csn_value_write(&plan->columns[plan->group], groups->keys[group], json);
}

int csn_group_key_compare(const struct csn_plan *plan, const struct csn_groups *groups, size_t a,
			  size_t b)
{
	if (!groups->present[a] || !groups->present[b])
		return groups->present[a] - groups->present[b];
	return csn_value_compare(&plan->columns[plan->group], groups->keys[a], groups->keys[b]);
}
