/* Selection: the objects themselves, their ids and values written as runs (an id and how many
 * follow it; a value and how often it stands). */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "query/finish.h"

struct selection {
	const struct csn_plan *plan;
	const struct csn_rows *rows;
	uint32_t *list; /* rows in order, paged */
	size_t count;
};

size_t csn_selection_enough(const struct csn_query *query)
{
	if (!query->select || query->n_orders > 0 || query->limit == 0 ||
	    query->offset > SIZE_MAX / 2 || query->limit > SIZE_MAX / 2)
		return 0;
	return (size_t)(query->offset + query->limit);
}

static int compare_target(const struct selection *selection, const struct csn_plan_order *order,
			  uint32_t a, uint32_t b)
{
	size_t index = order->target == CSN_TARGET_KEY ? selection->plan->group : order->index;
	const struct csn_column *column;
	struct csn_value left, right;

	if (order->target == CSN_TARGET_COUNT || index == CSN_NO_COLUMN)
		return 0;
	column = &selection->plan->columns[index];
	left = csn_rows_value(selection->rows, column, a);
	right = csn_rows_value(selection->rows, column, b);
	if (!left.present || !right.present)
		return left.present - right.present;
	return csn_value_compare(column, left.bits, right.bits);
}

static int compare_rows(const void *left, const void *right, void *context)
{
	const struct selection *selection = context;
	uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
	uint64_t id_a = selection->rows->ids[a], id_b = selection->rows->ids[b];

	for (size_t i = 0; i < selection->plan->n_orders; i++) {
		const struct csn_plan_order *order = &selection->plan->orders[i];
		int c = compare_target(selection, order, a, b);

		if (c != 0)
			return order->descending ? -c : c;
	}
	return id_a == id_b ? 0 : id_a > id_b ? -1 : 1;
}

static void take_page(struct selection *selection)
{
	const struct csn_query *query = selection->plan->query;
	size_t skip = (size_t)csn_min_u64(query->offset, selection->count);

	selection->list += skip;
	selection->count -= skip;
	if (query->limit > 0 && query->limit < selection->count)
		selection->count = (size_t)query->limit;
}

/* ---- out ---- */

static void write_columns(const struct csn_plan *plan, struct csn_json *json)
{
	csn_json_key(json, "columns");
	csn_json_begin_array(json);
	for (size_t i = 0; i < plan->n_selects; i++) {
		const struct csn_column *column = &plan->columns[plan->selects[i]];

		csn_json_begin_array(json);
		csn_json_string(json, column->name);
		csn_json_string(json, column->format);
		csn_json_end_array(json);
	}
	csn_json_end_array(json);
}

static void write_ids(const struct selection *selection, struct csn_json *json)
{
	const uint64_t *ids = selection->rows->ids;
	size_t next;

	csn_json_begin_array(json);
	for (size_t i = 0; i < selection->count; i = next) {
		uint64_t first = ids[selection->list[i]];

		for (next = i + 1; next < selection->count; next++)
			if (ids[selection->list[next]] != first + (next - i))
				break;
		csn_json_begin_array(json);
		csn_json_uint(json, first);
		if (next - i > 1)
			csn_json_uint(json, next - i - 1);
		csn_json_end_array(json);
	}
	csn_json_end_array(json);
}

/* Clients parse every callstack as JSON and trip over null: absent is a stack without frames. */
static void write_absent(const struct csn_column *column, struct csn_json *json)
{
	csn_json_string(json, strcmp(column->format, "callstack") == 0 ? "{\"frame\":[]}" : NULL);
}

static void write_runs(const struct selection *selection, const struct csn_column *column,
		       struct csn_json *json)
{
	size_t next;

	for (size_t i = 0; i < selection->count; i = next) {
		struct csn_value value =
			csn_rows_value(selection->rows, column, selection->list[i]);

		for (next = i + 1; next < selection->count; next++) {
			struct csn_value other =
				csn_rows_value(selection->rows, column, selection->list[next]);

			if (other.present != value.present ||
			    (value.present && other.bits != value.bits))
				break;
		}
		csn_json_begin_array(json);
		if (value.present)
			csn_value_write(column, value.bits, json);
		else
			write_absent(column, json);
		csn_json_uint(json, next - i);
		csn_json_end_array(json);
	}
}

/* The groups of a paged, ordered list; ungrouped it is one group. */
static int split(const struct selection *selection, struct csn_rows *paged,
		 struct csn_groups *ret_groups, struct csn_error *err)
{
	/* csn_groups_make only looks at the group's column: hand it that one in page order. */
	const struct csn_plan *plan = selection->plan;
	struct csn_arena *arena = plan->arena;
	size_t slot;

	*paged = (struct csn_rows){ .count = selection->count, .n_slots = plan->n_slots };
	if (plan->group == CSN_NO_COLUMN)
		return csn_groups_make(arena, plan, paged, ret_groups, err);
	slot = plan->columns[plan->group].slot;
	paged->values = csn_arena_array(arena, plan->n_slots + 1, sizeof(*paged->values));
	paged->present = csn_arena_array(arena, plan->n_slots + 1, sizeof(*paged->present));
	if (!paged->values || !paged->present)
		return csn_fail_nomem(err);
	paged->values[slot] = csn_arena_array(arena, selection->count + 1, sizeof(uint64_t));
	paged->present[slot] = csn_arena_alloc(arena, selection->count + 1);
	if (!paged->values[slot] || !paged->present[slot])
		return csn_fail(err, CSN_E_LIMIT, "the reply is too large; use a limit");
	for (size_t i = 0; i < selection->count; i++) {
		uint32_t row = selection->list[i];

		paged->values[slot][i] = selection->rows->values[slot][row];
		paged->present[slot][i] = selection->rows->present[slot][row];
	}
	return csn_groups_make(arena, plan, paged, ret_groups, err);
}

static int write_body(struct selection *selection, struct csn_query_times *times,
		      struct csn_json *json, struct csn_error *err)
{
	const struct csn_plan *plan = selection->plan;
	struct csn_rows paged;
	struct csn_groups groups = { 0 };
	uint32_t *page = selection->list;
	int r = split(selection, &paged, &groups, err);

	if (r < 0 || !groups.rows)
		return r;
	times->groups = groups.count;
	for (size_t i = 0; i < selection->count; i++)
		groups.rows[i] = page[groups.rows[i]];
	write_columns(plan, json);
	csn_json_key(json, "objects");
	csn_json_begin_array(json);
	for (size_t g = 0; g < groups.count; g++) {
		struct selection part = *selection;

		part.list = groups.rows + groups.start[g];
		part.count = groups.start[g + 1] - groups.start[g];
		csn_json_begin_array(json);
		csn_group_key_write(plan, &groups, g, json);
		write_ids(&part, json);
		csn_json_end_array(json);
	}
	if (groups.count == 0)
		csn_json_raw(json, "[\"*\",[]]", strlen("[\"*\",[]]"));
	csn_json_end_array(json);
	csn_json_key(json, "values");
	csn_json_begin_array(json);
	for (size_t g = 0; g < groups.count; g++) {
		struct selection part = *selection;

		part.list = groups.rows + groups.start[g];
		part.count = groups.start[g + 1] - groups.start[g];
		for (size_t i = 0; i < plan->n_selects; i++) {
			csn_json_begin_array(json);
			csn_group_key_write(plan, &groups, g, json);
			write_runs(&part, &plan->columns[plan->selects[i]], json);
			csn_json_end_array(json);
		}
	}
	csn_json_end_array(json);
	return 0;
}

int csn_selection_write(const struct csn_plan *plan, const struct csn_rows *rows,
			struct csn_query_times *times, struct csn_json *json, struct csn_error *err)
{
	struct selection selection = { .plan = plan, .rows = rows, .count = rows->count };
	int64_t start = csn_monotonic_ns(), sorted;
	int r;

	selection.list = csn_arena_array(plan->arena, rows->count + 1, sizeof(*selection.list));
	if (!selection.list)
		return csn_fail(err, CSN_E_LIMIT, "too many objects; filter or use a limit");
	for (size_t i = 0; i < rows->count; i++)
		selection.list[i] = (uint32_t)i;
	if (selection.count > 1)
		qsort_r(selection.list, selection.count, sizeof(*selection.list), compare_rows,
			&selection);
	take_page(&selection);
	sorted = csn_monotonic_ns();
	times->sort_us = (sorted - start) / 1000;
	r = write_body(&selection, times, json, err);
	times->aggregate_us = (csn_monotonic_ns() - sorted) / 1000;
	return r;
}
