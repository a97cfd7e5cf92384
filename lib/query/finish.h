/* The finisher: rows become groups or selections, ordered, paged and written.
 *
 * Ties: groups by count descending, then key ascending (objects without the factor first);
 * selected objects by id descending, the newest first. */
#ifndef CSN_QUERY_FINISH_H
#define CSN_QUERY_FINISH_H

#include "query/rows.h"

/* Microseconds of the reply's runtime record. */
struct csn_query_times {
	int64_t filter_us, group_us, aggregate_us, sort_us, set_us, total_us;
	uint64_t rows, groups;
	bool has_set;
};

/* Each writes the members of "response" into json, an object already begun. */
int csn_aggregate_write(const struct csn_plan *plan, const struct csn_rows *rows,
			struct csn_query_times *times, struct csn_json *json, struct csn_error *err)
	csn_must_check;
int csn_selection_write(const struct csn_plan *plan, const struct csn_rows *rows,
			struct csn_query_times *times, struct csn_json *json, struct csn_error *err)
	csn_must_check;

/* How many rows are enough for the query, newest first; 0: all of them. */
size_t csn_selection_enough(const struct csn_query *query);

/* Rows by group, in the order in which the groups were first met. */
struct csn_groups {
	uint64_t *keys;  /* bits of the group column; of the absent: 0 */
	bool *present;   /* false: objects without the factor */
	uint32_t *start; /* rows[start[g]..start[g + 1]) */
	uint32_t *rows;
	size_t count;
};

/* Groups the rows by the plan's factor; without one they are one group. In the arena. */
int csn_groups_make(struct csn_arena *arena, const struct csn_plan *plan,
		    const struct csn_rows *rows, struct csn_groups *ret_groups,
		    struct csn_error *err) csn_must_check;
/* A group's key as JSON, null for the absent; and the order of two keys, as strcmp's sign. */
void csn_group_key_write(const struct csn_plan *plan, const struct csn_groups *groups, size_t group,
			 struct csn_json *json);
int csn_group_key_compare(const struct csn_plan *plan, const struct csn_groups *groups, size_t a,
			  size_t b);

#endif
