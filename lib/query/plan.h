/* The plan: a query whose names and values were checked against a project's attributes.
 *
 * Columns are listed once, however often they are named; what the scan must deliver and what the
 * finisher needs is marked on them. Bounds on time and id are taken out of the filter so that the
 * store need not deliver rows outside. Lives in the query's arena; csn_plan_done frees what does
 * not. */
#ifndef CSN_QUERY_PLAN_H
#define CSN_QUERY_PLAN_H

#include "query/match.h"

#define CSN_NO_COLUMN SIZE_MAX

struct csn_plan_fold {
	const struct csn_query_fold *fold;
	size_t column;
};

enum csn_order_target {
	CSN_TARGET_COUNT, /* crashes in the group: objects and their ticks */
	CSN_TARGET_KEY,   /* the group's key */
	CSN_TARGET_FOLD,  /* a fold's cell */
	CSN_TARGET_COLUMN /* a value (selection) */
};

struct csn_plan_order {
	enum csn_order_target target;
	size_t index;   /* of the fold or the column */
	size_t element; /* within a fold's cell */
	bool descending;
	const struct csn_query_having *having; /* NULL for an order */
};

struct csn_plan {
	struct csn_arena *arena;
	struct csn_reader *reader;
	const struct csn_query *query;
	const char *project_name; /* for error texts */
	struct csn_column *columns;
	size_t n_columns;
	const struct csn_attribute **cells; /* the scan's columns */
	struct csn_column_texts *texts;     /* parallel to cells */
	size_t n_cells, cells_capacity;
	struct csn_match **matches;
	size_t n_matches;
	size_t group;     /* column, or CSN_NO_COLUMN */
	size_t timestamp; /* column, always there */
	size_t ticks;     /* column, there unless it is a selection */
	struct csn_plan_fold *folds;
	size_t n_folds;
	size_t *selects; /* columns */
	size_t n_selects;
	struct csn_plan_order *orders, *havings;
	size_t n_orders, n_havings;
	size_t n_slots;       /* columns whose values are kept */
	struct csn_scan scan; /* columns are filled in by the rows */
	bool nothing;         /* the bounds exclude everything */
};

/* query is borrowed. USAGE: an unknown or undeclared attribute (says how to declare it), a value
 * or an operation that does not fit. */
int csn_plan_make(struct csn_arena *arena, struct csn_reader *reader, const char *project_name,
		  const struct csn_query *query, struct csn_plan *ret_plan, struct csn_error *err)
	csn_must_check;
void csn_plan_done(struct csn_plan *plan);

/* Does the scan leave objects out? `timestamp > 0` leaves out none. */
bool csn_plan_is_bounded(const struct csn_plan *plan);

#endif
