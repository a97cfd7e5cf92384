#include "query/query.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/limits.h"
#include "query/finish.h"
#include "query/footer.h"

/* One query from its text to its reply, with everything that must be freed. */
struct session {
	const struct csn_query_context *context;
	struct csn_arena *arena;
	json_t *root;
	struct csn_reader *reader;
	struct csn_query query;
	struct csn_plan plan;
	struct csn_rows rows;
	struct csn_query_times times;
	int64_t start_ns;
};

static void session_done(struct session *session)
{
	csn_rows_done(&session->rows);
	csn_plan_done(&session->plan);
	csn_reader_close(session->reader);
	csn_arena_free(session->arena);
	json_decref(session->root);
}

static int64_t us_since(int64_t start_ns)
{
	return (csn_monotonic_ns() - start_ns) / 1000;
}

/* `set` on the issues table changes the issues of the objects that match: the same as setting the
 * joined column. */
static int join_issue_names(struct session *session, struct csn_error *err)
{
	struct csn_query *query = &session->query;

	if (strcmp(query->table, "objects") == 0)
		return 0;
	if (strcmp(query->table, "issues") != 0 || query->n_edits == 0)
		return csn_fail(err, CSN_E_UNSUPPORTED,
				"table '%.64s': only objects can be queried; the columns of issues "
				"are joined as fingerprint;issues;state and so on",
				query->table);
	for (size_t i = 0; i < query->n_edits; i++) {
		query->edits[i].attribute =
			csn_arena_sprintf(session->arena, "fingerprint;issues;%s",
					  query->edits[i].attribute);
		if (!query->edits[i].attribute)
			return csn_fail_nomem(err);
	}
	return 0;
}

/* Parses, plans and reads the matching rows. */
static int session_begin(struct session *session, const struct csn_query_context *context,
			 const char *json, size_t length, struct csn_error *err)
{
	int r;

	session->context = context;
	session->start_ns = csn_monotonic_ns();
	session->arena = csn_arena_new(CSN_MAX_QUERY_ARENA);
	if (!session->arena)
		return csn_fail_nomem(err);
	r = csn_json_load(json, length, &session->root, err);
	if (r < 0)
		return csn_wrap(err, "query");
	r = csn_query_parse(session->arena, session->root, &session->query, err);
	if (r < 0)
		return r;
	return join_issue_names(session, err);
}

static int session_plan(struct session *session, struct csn_error *err)
{
	int r = csn_reader_open(session->context->store, session->context->project,
				&session->reader, err);

	if (r < 0)
		return r;
	return csn_plan_make(session->arena, session->reader, session->context->project_name,
			     &session->query, &session->plan, err);
}

static int session_read(struct session *session, struct csn_error *err)
{
	int64_t start = csn_monotonic_ns();
	int64_t deadline = session->start_ns + (int64_t)CSN_MAX_QUERY_SECONDS * CSN_NS_PER_SECOND;
	uint64_t ticks = 0;
	int r = csn_rows_read(&session->plan, csn_selection_enough(&session->query), deadline,
			      &session->rows, err);

	if (r < 0)
		return r;
	session->times.filter_us = us_since(start);
	/* Groups are printed as a share of all the project's crashes, whatever the plan let the
	 * store skip; of a selection nobody computes a share. */
	session->times.rows = session->rows.visited;
	if (session->query.select)
		return 0;
	if (csn_plan_is_bounded(&session->plan))
		r = csn_reader_count(session->reader, &session->times.rows, err);
	if (r == 0)
		r = csn_reader_ticks(session->reader, &ticks, err);
	session->times.rows += ticks;
	return r;
}

/* ---- changes ---- */

static int may_write(const struct session *session, struct csn_error *err)
{
	if (session->context->may_write)
		return 0;
	return csn_fail(err, CSN_E_DENIED, "no permission to change objects of %.64s",
			session->context->project_name);
}

static int value_of_edit(struct session *session, const struct csn_query_edit *edit,
			 struct csn_attribute_value *value, struct csn_error *err)
{
	const struct csn_literal *literal = &edit->value;

	value->name = edit->attribute;
	switch (literal->kind) {
	case CSN_LITERAL_TEXT:
		value->kind = CSN_CELL_TEXT;
		value->text = literal->text;
		return 0;
	case CSN_LITERAL_INTEGER:
		value->kind = CSN_CELL_NUMBER;
		value->negative = literal->integer < 0;
		value->number = (uint64_t)literal->integer;
		return 0;
	case CSN_LITERAL_REAL:
		value->kind = CSN_CELL_TEXT;
		value->text = csn_arena_sprintf(session->arena, "%.15g", literal->real);
		return value->text ? 0 : csn_fail_nomem(err);
	default:
		value->kind = CSN_CELL_NULL;
		return 0;
	}
}

static int run_edits(struct session *session, struct csn_error *err)
{
	const struct csn_query *query = &session->query;
	struct csn_attribute_value *values =
		csn_arena_array(session->arena, query->n_edits + 1, sizeof(*values));
	int64_t start = csn_monotonic_ns();
	int r = may_write(session, err);

	if (r < 0)
		return r;
	if (!values)
		return csn_fail_nomem(err);
	for (size_t i = 0; i < query->n_edits; i++) {
		r = value_of_edit(session, &query->edits[i], &values[i], err);
		if (r < 0)
			return r;
	}
	r = csn_objects_set(session->context->store, session->context->project, session->rows.ids,
			    session->rows.count, values, query->n_edits, err);
	session->times.set_us = us_since(start);
	session->times.has_set = true;
	return r;
}

static int run_actions(struct session *session, struct csn_error *err)
{
	const struct csn_query_context *context = session->context;
	int r = may_write(session, err);

	for (size_t i = 0; r >= 0 && i < session->query.n_actions; i++) {
		const struct csn_query_action *action = &session->query.actions[i];

		if (action->unmerge)
			r = csn_objects_unmerge(context->store, context->project,
						action->fingerprints, action->n_fingerprints, err);
		else
			r = csn_objects_merge(context->store, context->project,
					      action->fingerprints, action->n_fingerprints, err);
	}
	return r;
}

/* ---- the reply ---- */

static int run(struct session *session, struct csn_json *json, struct csn_error *err)
{
	const struct csn_query *query = &session->query;
	int r;

	if (query->n_actions > 0) {
		r = run_actions(session, err);
		if (r == 0)
			csn_json_member_string(json, "result", "success");
		return r;
	}
	r = session_plan(session, err);
	if (r < 0)
		return r;
	r = session_read(session, err);
	if (r < 0)
		return r;
	if (query->n_edits > 0) {
		r = run_edits(session, err);
		if (r == 0)
			csn_json_member_string(json, "result", "success");
		return r;
	}
	return query->select ? csn_selection_write(&session->plan, &session->rows, &session->times,
						   json, err)
			     : csn_aggregate_write(&session->plan, &session->rows, &session->times,
						   json, err);
}

int csn_query_run(const struct csn_query_context *context, const char *json, size_t length,
		  struct csn_buf *reply, struct csn_error *err)
{
	cleanup_(session_done) struct session session = { 0 };
	size_t before = reply->size;
	struct csn_json out = csn_json_to(reply);
	int r = session_begin(&session, context, json, length, err);

	if (r < 0)
		return r;
	csn_json_begin_object(&out);
	csn_json_key(&out, "response");
	csn_json_begin_object(&out);
	r = run(&session, &out, err);
	if (r < 0) {
		reply->size = before;
		if (reply->data)
			reply->data[before] = '\0';
		return r;
	}
	csn_json_end_object(&out);
	session.times.total_us = us_since(session.start_ns);
	csn_query_footer_write(context, &session.times, &out);
	csn_json_end_object(&out);
	return csn_buf_check(reply, "reply of the query", err);
}

/* ---- ids for a delete ---- */

static bool is_everything(const struct csn_plan *plan)
{
	for (size_t i = 0; i < plan->n_matches; i++)
		if (!csn_match_is_trivial(plan->matches[i]))
			return false;
	/* Bounds were taken out of the filter; `timestamp > 0` is no bound. */
	return !csn_plan_is_bounded(plan);
}

static int compare_ids(const void *left, const void *right)
{
	uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;

	return (a > b) - (a < b);
}

int csn_query_select_ids(const struct csn_query_context *context, const char *json, size_t length,
			 uint64_t **ret_ids, size_t *ret_count, struct csn_error *err)
{
	cleanup_(session_done) struct session session = { 0 };
	int r = session_begin(&session, context, json, length, err);

	if (r < 0)
		return r;
	/* The whole of what matches, whatever page the query speaks of. */
	session.query.limit = session.query.offset = 0;
	r = session_plan(&session, err);
	if (r < 0)
		return r;
	if (is_everything(&session.plan))
		return csn_fail(err, CSN_E_DENIED,
				"the filter matches every object; say which ones");
	r = session_read(&session, err);
	if (r < 0)
		return r;
	if (session.rows.count > 1)
		qsort(session.rows.ids, session.rows.count, sizeof(uint64_t), compare_ids);
	*ret_count = session.rows.count;
	*ret_ids = csn_take(session.rows.ids);
	return 0;
}
