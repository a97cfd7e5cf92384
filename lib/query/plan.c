#include "query/plan.h"

#include <stdlib.h>
#include <string.h>

#include "base/limits.h"

static int full(struct csn_error *err)
{
	return csn_fail(err, CSN_E_LIMIT, "the query is too large");
}

/* ---- columns ---- */

static int add_cell(struct csn_plan *plan, const struct csn_attribute *attribute, size_t *ret_cell,
		    struct csn_error *err)
{
	for (size_t i = 0; i < plan->n_cells; i++) {
		if (plan->cells[i] == attribute) {
			*ret_cell = i;
			return 0;
		}
	}
	if (plan->n_cells == plan->cells_capacity)
		return csn_fail(err, CSN_E_LIMIT, "the query names more than %zu attributes",
				plan->cells_capacity);
	plan->cells[plan->n_cells] = attribute;
	*ret_cell = plan->n_cells++;
	return 0;
}

static int find_attribute(struct csn_plan *plan, const char *name,
			  const struct csn_attribute **ret_attribute, struct csn_error *err)
{
	const struct csn_attribute *attribute = csn_reader_find_attribute(plan->reader, name);

	if (attribute && attribute->enabled) {
		*ret_attribute = attribute;
		return 0;
	}
	return csn_fail(err, CSN_E_USAGE,
			"attribute '%.64s' %s; declare it: morgue attribute create %.48s %.64s "
			"--type=%s",
			name, attribute ? "is not declared" : "does not exist", plan->project_name,
			name, attribute ? csn_type_name(attribute->type) : "dictionary");
}

static int bind_stored(struct csn_plan *plan, const char *name, struct csn_column *column,
		       struct csn_error *err)
{
	const struct csn_attribute *attribute = NULL;
	int r = find_attribute(plan, name, &attribute, err);

	if (r < 0 || !attribute)
		return r;
	column->format = attribute->format && *attribute->format ? attribute->format : "none";
	column->type = attribute->type;
	column->is_text = csn_type_is_text(attribute->type);
	column->is_signed = csn_type_is_signed(attribute->type);
	r = add_cell(plan, attribute, &column->cell, err);
	column->texts = r < 0 ? NULL : &plan->texts[column->cell];
	return r;
}

static int bind_virtual(struct csn_plan *plan, const struct csn_query_virtual *virtual_,
			struct csn_column *column, struct csn_error *err)
{
	int r = bind_stored(plan, virtual_->backing, column, err);

	if (r < 0)
		return csn_wrap(err, "virtual column '%.64s'", virtual_->name);
	if (column->is_text)
		return csn_fail(err, CSN_E_USAGE,
				"virtual column '%.64s': '%.64s' is a text, not a number",
				virtual_->name, virtual_->backing);
	column->source = virtual_->truncate ? CSN_COLUMN_TRUNCATED : CSN_COLUMN_QUANTIZED;
	column->virtual_ = virtual_;
	return 0;
}

static const struct csn_query_virtual *find_virtual(const struct csn_query *query, const char *name)
{
	for (size_t i = 0; i < query->n_virtuals; i++)
		if (strcmp(query->virtuals[i].name, name) == 0)
			return &query->virtuals[i];
	return NULL;
}

static int bind_first_seen(struct csn_plan *plan, struct csn_column *column, struct csn_error *err)
{
	int r = bind_stored(plan, "fingerprint", column, err);

	column->source = CSN_COLUMN_FIRST_SEEN;
	column->format = "unix_timestamp";
	column->type = CSN_TYPE_UINT64;
	column->is_text = false;
	return r;
}

static int find_column(struct csn_plan *plan, const char *name, size_t *ret_column,
		       struct csn_error *err)
{
	const struct csn_query_virtual *virtual_ = find_virtual(plan->query, name);
	struct csn_column *column = &plan->columns[plan->n_columns];
	int r;

	for (size_t i = 0; i < plan->n_columns; i++) {
		if (strcmp(plan->columns[i].name, name) == 0) {
			*ret_column = i;
			return 0;
		}
	}
	if (plan->n_columns == plan->cells_capacity)
		return csn_fail(err, CSN_E_LIMIT, "the query names too many columns");
	*column = (struct csn_column){ .name = name };
	if (virtual_)
		r = bind_virtual(plan, virtual_, column, err);
	else if (strcmp(name, "first_seen") == 0)
		r = bind_first_seen(plan, column, err);
	else
		r = bind_stored(plan, name, column, err);
	if (r < 0)
		return r;
	*ret_column = plan->n_columns++;
	return 0;
}

/* A column whose values the finisher needs. */
static int keep_column(struct csn_plan *plan, const char *name, size_t *ret_column,
		       struct csn_error *err)
{
	int r = find_column(plan, name, ret_column, err);
	struct csn_column *column;

	if (r < 0)
		return r;
	column = &plan->columns[*ret_column];
	if (!column->kept) {
		column->kept = true;
		column->slot = plan->n_slots++;
	}
	return 0;
}

/* ---- filter ---- */

/* A bound on time or id goes into the scan instead. */
static bool take_bounds(struct csn_plan *plan, const struct csn_match *match)
{
	const struct csn_column *column = csn_match_column(match);
	uint64_t from, to;

	if (column->source != CSN_COLUMN_STORED || !csn_match_bounds(match, &from, &to))
		return false;
	if (strcmp(column->name, "timestamp") == 0) {
		int64_t low = (int64_t)csn_min_u64(from, INT64_MAX - 1);
		int64_t high = to >= INT64_MAX ? INT64_MAX : (int64_t)to + 1;

		plan->nothing |= from > to || from >= INT64_MAX;
		if (low > plan->scan.timestamp_from)
			plan->scan.timestamp_from = low;
		if (high < plan->scan.timestamp_to)
			plan->scan.timestamp_to = high;
		plan->nothing |= plan->scan.timestamp_from >= plan->scan.timestamp_to;
		return true;
	}
	if (strcmp(column->name, "object") == 0) {
		plan->nothing |= from > to;
		plan->scan.id_from = csn_max_u64(plan->scan.id_from, from);
		plan->scan.id_to = csn_min_u64(plan->scan.id_to, to == UINT64_MAX ? to : to + 1);
		plan->nothing |= plan->scan.id_from >= plan->scan.id_to;
		return true;
	}
	return false;
}

static int plan_filter(struct csn_plan *plan, struct csn_error *err)
{
	const struct csn_query *query = plan->query;

	plan->scan.timestamp_to = INT64_MAX;
	plan->scan.id_to = UINT64_MAX;
	plan->matches =
		csn_arena_array(plan->arena, query->n_terms + 1, sizeof(struct csn_match *));
	if (!plan->matches)
		return full(err);
	for (size_t i = 0; i < query->n_terms; i++) {
		const struct csn_query_term *term = &query->terms[i];
		struct csn_match **match = &plan->matches[plan->n_matches];
		size_t column = 0;
		int r = find_column(plan, term->attribute, &column, err);

		if (r < 0)
			return r;
		r = csn_match_new(&plan->columns[column], term, match, err);
		if (r < 0)
			return r;
		if (take_bounds(plan, *match))
			csn_match_free(*match);
		else
			plan->n_matches++;
	}
	/* Both zero is the scan's word for "all". */
	if (plan->scan.timestamp_to == INT64_MAX && plan->scan.timestamp_from == 0)
		plan->scan.timestamp_to = 0;
	if (plan->scan.id_to == UINT64_MAX && plan->scan.id_from == 0)
		plan->scan.id_to = 0;
	return 0;
}

/* ---- folds and selections ---- */

static bool fold_needs_number(enum csn_fold_op op)
{
	return op == CSN_FOLD_MEAN || op == CSN_FOLD_SUM || op == CSN_FOLD_BIN;
}

static int plan_folds(struct csn_plan *plan, struct csn_error *err)
{
	const struct csn_query *query = plan->query;

	plan->folds = csn_arena_array(plan->arena, query->n_folds + 1, sizeof(*plan->folds));
	if (!plan->folds)
		return full(err);
	for (size_t i = 0; i < query->n_folds; i++) {
		const struct csn_query_fold *fold = &query->folds[i];
		size_t column = 0;
		int r = keep_column(plan, fold->attribute, &column, err);

		if (r < 0)
			return r;
		if (fold_needs_number(fold->op) && plan->columns[column].is_text)
			return csn_fail(err, CSN_E_USAGE,
					"%s(%.64s): the attribute is a text, not a number",
					csn_fold_name(fold->op), fold->attribute);
		plan->folds[i] = (struct csn_plan_fold){ .fold = fold, .column = column };
	}
	plan->n_folds = query->n_folds;
	return 0;
}

static int add_select(struct csn_plan *plan, const char *name, struct csn_error *err)
{
	size_t column = 0;
	int r = keep_column(plan, name, &column, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < plan->n_selects; i++)
		if (plan->selects[i] == column)
			return 0;
	plan->selects[plan->n_selects++] = column;
	return 0;
}

/* "physical" is what any object of the project has had. */
static int select_physical(struct csn_plan *plan, struct csn_error *err)
{
	size_t count;
	const struct csn_attribute *attributes = csn_reader_attributes(plan->reader, &count);

	for (size_t i = 0; i < count; i++) {
		const struct csn_attribute *attribute = &attributes[i];
		int r;

		if (!attribute->enabled || (attribute->id != 0 && attribute->seen == 0) ||
		    strcmp(attribute->name, "object") == 0)
			continue;
		r = add_select(plan, attribute->name, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int plan_selects(struct csn_plan *plan, struct csn_error *err)
{
	const struct csn_query *query = plan->query;
	int r;

	plan->selects =
		csn_arena_array(plan->arena, plan->cells_capacity + 1, sizeof(*plan->selects));
	if (!plan->selects)
		return full(err);
	for (size_t i = 0; i < query->n_selects; i++) {
		r = add_select(plan, query->selects[i], err);
		if (r < 0)
			return r;
	}
	if (query->wild_physical) {
		r = select_physical(plan, err);
		if (r < 0)
			return r;
	}
	if (query->wild_derived) {
		r = add_select(plan, "first_seen", err);
		if (r < 0)
			return r;
	}
	for (size_t i = 0; query->wild_virtual && i < query->n_virtuals; i++) {
		r = add_select(plan, query->virtuals[i].name, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- orders ---- */

static bool find_fold(const struct csn_plan *plan, const char *attribute, size_t index,
		      size_t *ret_fold)
{
	for (size_t i = 0; i < plan->n_folds; i++) {
		const struct csn_query_fold *fold = plan->folds[i].fold;

		if (strcmp(fold->attribute, attribute) == 0 && fold->index == index) {
			*ret_fold = i;
			return true;
		}
	}
	return false;
}

static int plan_property(struct csn_plan *plan, const struct csn_query_property *property,
			 struct csn_plan_order *order, struct csn_error *err)
{
	order->element = property->element;
	if (property->count) {
		order->target = CSN_TARGET_COUNT;
		return 0;
	}
	if (property->group || (!plan->query->select && plan->query->group &&
				strcmp(property->whole, plan->query->group) == 0)) {
		order->target = CSN_TARGET_KEY;
		return 0;
	}
	if (plan->query->select) {
		order->target = CSN_TARGET_COLUMN;
		return keep_column(plan, property->whole, &order->index, err);
	}
	order->target = CSN_TARGET_FOLD;
	if (property->indexed &&
	    find_fold(plan, property->attribute, property->index, &order->index))
		return 0;
	order->element = 0;
	if (find_fold(plan, property->whole, 0, &order->index))
		return 0;
	return csn_fail(err, CSN_E_USAGE,
			"order by '%.64s': neither ;count, ;group nor a fold of this query "
			"(attribute;index)",
			property->whole);
}

static int plan_orders(struct csn_plan *plan, struct csn_error *err)
{
	const struct csn_query *query = plan->query;

	plan->orders = csn_arena_array(plan->arena, query->n_orders + 1, sizeof(*plan->orders));
	plan->havings = csn_arena_array(plan->arena, query->n_havings + 1, sizeof(*plan->havings));
	if (!plan->orders || !plan->havings)
		return full(err);
	for (size_t i = 0; i < query->n_orders; i++) {
		int r = plan_property(plan, &query->orders[i].property, &plan->orders[i], err);

		if (r < 0)
			return r;
		plan->orders[i].descending = query->orders[i].descending;
	}
	for (size_t i = 0; i < query->n_havings; i++) {
		int r = plan_property(plan, &query->havings[i].property, &plan->havings[i], err);

		if (r < 0)
			return csn_wrap(err, "having");
		plan->havings[i].having = &query->havings[i];
	}
	plan->n_orders = query->n_orders;
	plan->n_havings = query->n_havings;
	return 0;
}

static int plan_group(struct csn_plan *plan, struct csn_error *err)
{
	plan->group = CSN_NO_COLUMN;
	if (!plan->query->group)
		return 0;
	return keep_column(plan, plan->query->group, &plan->group, err);
}

static int plan_timestamp(struct csn_plan *plan, struct csn_error *err)
{
	return keep_column(plan, "timestamp", &plan->timestamp, err);
}

static int plan_ticks(struct csn_plan *plan, struct csn_error *err)
{
	plan->ticks = CSN_NO_COLUMN;
	return plan->query->select ? 0 : keep_column(plan, "object.ticks", &plan->ticks, err);
}

int csn_plan_make(struct csn_arena *arena, struct csn_reader *reader, const char *project_name,
		  const struct csn_query *query, struct csn_plan *ret_plan, struct csn_error *err)
{
	static int (*const steps[])(struct csn_plan * plan, struct csn_error * err) = {
		plan_timestamp, plan_ticks,   plan_filter, plan_group,
		plan_folds,     plan_selects, plan_orders,
	};
	struct csn_plan plan = {
		.arena = arena,
		.reader = reader,
		.query = query,
		.project_name = project_name,
		.cells_capacity = CSN_MAX_QUERY_TERMS + 2 * CSN_MAX_QUERY_COLUMNS,
	};

	plan.columns = csn_arena_array(arena, plan.cells_capacity + 1, sizeof(*plan.columns));
	plan.cells = csn_arena_array(arena, plan.cells_capacity, sizeof(struct csn_attribute *));
	plan.texts = csn_arena_array(arena, plan.cells_capacity, sizeof(*plan.texts));
	if (!plan.columns || !plan.cells || !plan.texts)
		return full(err);
	for (size_t i = 0; i < csn_countof(steps); i++) {
		int r = steps[i](&plan, err);

		if (r < 0) {
			csn_plan_done(&plan);
			return r;
		}
	}
	*ret_plan = plan;
	return 0;
}

void csn_plan_done(struct csn_plan *plan)
{
	for (size_t i = 0; i < plan->n_matches; i++)
		csn_match_free(plan->matches[i]);
	for (size_t i = 0; i < plan->n_cells; i++)
		csn_texts_done(&plan->texts[i]);
	plan->n_matches = plan->n_cells = 0;
}

bool csn_plan_is_bounded(const struct csn_plan *plan)
{
	const struct csn_scan *scan = &plan->scan;

	return plan->nothing || scan->timestamp_from > 1 || scan->id_from > 1 ||
	       (scan->timestamp_to != 0 && scan->timestamp_to != INT64_MAX) ||
	       (scan->id_to != 0 && scan->id_to != UINT64_MAX);
}
