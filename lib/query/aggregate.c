/* Aggregation. The page of groups is chosen first, and only its groups are folded; all of them
 * only for those folds that an order or a having looks into. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "query/finish.h"
#include "query/fold.h"

struct group {
	size_t index;               /* in groups */
	uint64_t count;             /* of crashes: each row, and the ticks of its object */
	struct csn_cell_out *cells; /* by fold; NULL before the first; there when column is set */
};

struct aggregate {
	const struct csn_plan *plan;
	struct csn_folder folder;
	struct csn_groups groups;
	struct group *list;
	size_t n_list;
};

static int full(struct csn_error *err)
{
	return csn_fail(err, CSN_E_LIMIT, "the query has too many groups; filter or use a limit");
}

static int fold_group(struct aggregate *aggregate, struct group *group, size_t fold,
		      struct csn_error *err)
{
	const struct csn_groups *groups = &aggregate->groups;
	uint32_t start = groups->start[group->index], end = groups->start[group->index + 1];

	if (!group->cells)
		group->cells = csn_arena_array(aggregate->folder.arena, aggregate->plan->n_folds,
					       sizeof(*group->cells));
	if (!group->cells)
		return full(err);
	if (group->cells[fold].column)
		return 0;
	return csn_fold_run(&aggregate->folder, &aggregate->plan->folds[fold], groups->rows + start,
			    end - start, &group->cells[fold], err);
}

/* The cells that orders or havings look into, for every group. */
static int fold_targets(struct aggregate *aggregate, const struct csn_plan_order *orders,
			size_t n_orders, struct csn_error *err)
{
	for (size_t i = 0; i < n_orders; i++) {
		if (orders[i].target != CSN_TARGET_FOLD)
			continue;
		for (size_t g = 0; g < aggregate->n_list; g++) {
			int r = fold_group(aggregate, &aggregate->list[g], orders[i].index, err);

			if (r < 0)
				return r;
		}
	}
	return 0;
}

/* ---- having ---- */

static bool holds(const struct csn_query_having *having, int order)
{
	switch (having->op) {
	case CSN_HAVING_EQ:
		return order == 0;
	case CSN_HAVING_NE:
		return order != 0;
	case CSN_HAVING_LT:
		return order < 0;
	case CSN_HAVING_LE:
		return order <= 0;
	case CSN_HAVING_GT:
		return order > 0;
	default:
		return order >= 0;
	}
}

static int compare_literal(const struct csn_column *column, const struct csn_result *result,
			   const struct csn_literal *literal)
{
	double left, right = literal->kind == CSN_LITERAL_REAL ? literal->real
							       : (double)literal->integer;

	if (result->kind == CSN_RESULT_VALUE && column->is_text)
		return strcmp(column->texts->by_code[result->bits],
			      literal->text ? literal->text : "");
	if (literal->kind == CSN_LITERAL_TEXT)
		right = strtod(literal->text, NULL);
	left = result->kind == CSN_RESULT_REAL     ? result->real
	       : result->kind == CSN_RESULT_SIGNED ? (double)(int64_t)result->bits
	       : result->kind == CSN_RESULT_VALUE  ? csn_value_double(column, result->bits)
						   : (double)result->bits;
	return (left > right) - (left < right);
}

static bool passes(const struct aggregate *aggregate, const struct group *group,
		   const struct csn_plan_order *term)
{
	const struct csn_plan *plan = aggregate->plan;
	struct csn_result result = { .kind = CSN_RESULT_COUNT, .bits = group->count };
	const struct csn_column *column = NULL;

	if (term->target == CSN_TARGET_KEY) {
		if (plan->group == CSN_NO_COLUMN || !aggregate->groups.present[group->index])
			return false;
		column = &plan->columns[plan->group];
		result.kind = CSN_RESULT_VALUE;
		result.bits = aggregate->groups.keys[group->index];
	} else if (term->target == CSN_TARGET_FOLD && group->cells) {
		column = group->cells[term->index].column;
		result = csn_fold_element(&group->cells[term->index], term->element);
	}
	return result.kind != CSN_RESULT_NONE &&
	       holds(term->having, compare_literal(column, &result, &term->having->value));
}

static void drop_groups(struct aggregate *aggregate)
{
	size_t kept = 0;

	for (size_t g = 0; g < aggregate->n_list; g++) {
		bool ok = true;

		for (size_t i = 0; ok && i < aggregate->plan->n_havings; i++)
			ok = passes(aggregate, &aggregate->list[g], &aggregate->plan->havings[i]);
		if (ok)
			aggregate->list[kept++] = aggregate->list[g];
	}
	aggregate->n_list = kept;
}

/* ---- order and page ---- */

static int compare_groups(const void *left, const void *right, void *context)
{
	const struct aggregate *aggregate = context;
	const struct csn_plan *plan = aggregate->plan;
	const struct group *a = left, *b = right;

	for (size_t i = 0; i < plan->n_orders; i++) {
		const struct csn_plan_order *order = &plan->orders[i];
		int c;

		if (order->target == CSN_TARGET_COUNT)
			c = (a->count > b->count) - (a->count < b->count);
		else if (order->target == CSN_TARGET_KEY)
			c = csn_group_key_compare(plan, &aggregate->groups, a->index, b->index);
		else
			c = csn_fold_compare(&a->cells[order->index], &b->cells[order->index],
					     order->element);
		if (c != 0)
			return order->descending ? -c : c;
	}
	if (a->count != b->count)
		return a->count > b->count ? -1 : 1;
	return csn_group_key_compare(plan, &aggregate->groups, a->index, b->index);
}

static void take_page(struct aggregate *aggregate)
{
	const struct csn_query *query = aggregate->plan->query;
	size_t skip = (size_t)csn_min_u64(query->offset, aggregate->n_list);

	aggregate->list += skip;
	aggregate->n_list -= skip;
	if (query->limit > 0 && query->limit < aggregate->n_list)
		aggregate->n_list = (size_t)query->limit;
}

static uint64_t count_crashes(const struct aggregate *aggregate, size_t group)
{
	const struct csn_groups *groups = &aggregate->groups;
	const struct csn_plan *plan = aggregate->plan;
	uint64_t count = groups->start[group + 1] - groups->start[group];

	for (uint32_t i = groups->start[group]; i < groups->start[group + 1]; i++)
		count += csn_rows_value(aggregate->folder.rows, &plan->columns[plan->ticks],
					groups->rows[i])
				 .bits;
	return count;
}

static int list_groups(struct aggregate *aggregate, struct csn_arena *arena, struct csn_error *err)
{
	const struct csn_groups *groups = &aggregate->groups;

	aggregate->list = csn_arena_array(arena, groups->count + 1, sizeof(*aggregate->list));
	if (!aggregate->list)
		return full(err);
	for (size_t g = 0; g < groups->count; g++)
		aggregate->list[g] =
			(struct group){ .index = g, .count = count_crashes(aggregate, g) };
	aggregate->n_list = groups->count;
	return 0;
}

/* ---- out ---- */

static void write_columns(const struct csn_plan *plan, struct csn_json *json)
{
	char name[512];

	csn_json_key(json, "columns");
	csn_json_begin_array(json);
	for (size_t i = 0; i < plan->n_folds; i++) {
		const struct csn_column *column = &plan->columns[plan->folds[i].column];
		enum csn_fold_op op = plan->folds[i].fold->op;

		snprintf(name, sizeof(name), "%s(%s)", csn_fold_name(op), column->name);
		csn_json_begin_array(json);
		csn_json_string(json, name);
		csn_json_string(json, csn_fold_format(op, column));
		csn_json_end_array(json);
	}
	csn_json_end_array(json);
}

static void write_groups(const struct aggregate *aggregate, struct csn_json *json)
{
	const struct csn_plan *plan = aggregate->plan;

	csn_json_key(json, "values");
	csn_json_begin_array(json);
	for (size_t g = 0; g < aggregate->n_list; g++) {
		const struct group *group = &aggregate->list[g];

		csn_json_begin_array(json);
		csn_group_key_write(plan, &aggregate->groups, group->index, json);
		csn_json_begin_array(json);
		for (size_t i = 0; i < plan->n_folds; i++)
			csn_fold_write(&group->cells[i], json);
		csn_json_end_array(json);
		csn_json_uint(json, group->count);
		csn_json_end_array(json);
	}
	csn_json_end_array(json);
}

static int64_t now_us(void)
{
	return csn_monotonic_ns() / 1000;
}

static int run(struct aggregate *aggregate, struct csn_query_times *times, struct csn_error *err)
{
	const struct csn_plan *plan = aggregate->plan;
	struct csn_arena *arena = aggregate->folder.arena;
	int64_t start = now_us(), grouped, sorted;
	int r = csn_groups_make(arena, plan, aggregate->folder.rows, &aggregate->groups, err);

	if (r < 0)
		return r;
	r = list_groups(aggregate, arena, err);
	if (r < 0)
		return r;
	grouped = now_us();
	times->groups = aggregate->groups.count;
	times->group_us = grouped - start;
	r = fold_targets(aggregate, plan->havings, plan->n_havings, err);
	if (r < 0)
		return r;
	drop_groups(aggregate);
	r = fold_targets(aggregate, plan->orders, plan->n_orders, err);
	if (r < 0)
		return r;
	if (aggregate->n_list > 1)
		qsort_r(aggregate->list, aggregate->n_list, sizeof(*aggregate->list),
			compare_groups, aggregate);
	take_page(aggregate);
	sorted = now_us();
	times->sort_us = sorted - grouped;
	for (size_t g = 0; g < aggregate->n_list; g++) {
		for (size_t i = 0; i < plan->n_folds; i++) {
			r = fold_group(aggregate, &aggregate->list[g], i, err);
			if (r < 0)
				return r;
		}
	}
	times->aggregate_us = now_us() - sorted;
	return 0;
}

int csn_aggregate_write(const struct csn_plan *plan, const struct csn_rows *rows,
			struct csn_query_times *times, struct csn_json *json, struct csn_error *err)
{
	struct aggregate aggregate = {
		.plan = plan,
		.folder = { .arena = plan->arena, .plan = plan, .rows = rows },
	};
	int r = run(&aggregate, times, err);

	csn_tally_done(&aggregate.folder.tally);
	if (r < 0)
		return r;
	write_columns(plan, json);
	write_groups(&aggregate, json);
	return 0;
}
