/* A selection arrives column by column in two kinds of run-lengths: [id, n] stands for n further
 * ids, [value, n] for n values in all. Here they become objects with values. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/cleanup.h"
#include "base/limits.h"
#include "list.h"

#define MAX_OBJECTS 4000000u

void list_selection_done(struct list_selection *selection)
{
	csn_arena_free(selection->arena);
	*selection = (struct list_selection){ 0 };
}

const char *list_column_name(const json_t *columns, size_t at)
{
	const char *name = json_string_value(json_array_get(json_array_get(columns, at), 0));

	return name ? name : "?";
}

const char *list_column_format(const json_t *columns, size_t at)
{
	const char *format = json_string_value(json_array_get(json_array_get(columns, at), 1));

	return format ? format : "none";
}

static int damaged(const char *what, struct csn_error *err)
{
	return csn_fail(err, CSN_E_FORMAT, "the server's answer makes no sense: %s", what);
}

static int read_ids(struct list_selection *selection, const json_t *runs, struct list_group *group,
		    struct csn_error *err)
{
	size_t i, n = 0;
	json_int_t extra, k;

	for (i = 0; i < json_array_size(runs); i++) {
		extra = json_integer_value(json_array_get(json_array_get(runs, i), 1));
		if (extra < 0 || (uint64_t)extra >= MAX_OBJECTS - n)
			return damaged("too many objects", err);
		n += (size_t)extra + 1;
	}
	group->objects = csn_arena_array(selection->arena, n + 1, sizeof(*group->objects));
	if (!group->objects)
		return csn_fail_nomem(err);
	for (i = 0; i < json_array_size(runs); i++) {
		const json_t *run = json_array_get(runs, i);
		json_int_t first = json_integer_value(json_array_get(run, 0));

		extra = json_integer_value(json_array_get(run, 1));
		for (k = 0; k <= extra; k++)
			group->objects[group->n_objects++].id = first + k;
	}
	return 0;
}

static int read_column(const json_t *runs, size_t column, struct list_group *group,
		       struct csn_error *err)
{
	size_t i, at = 0;

	for (i = 1; i < json_array_size(runs); i++) {
		const json_t *run = json_array_get(runs, i), *value = json_array_get(run, 0);
		json_int_t repeat = json_integer_value(json_array_get(run, 1));

		if (repeat < 0 || (uint64_t)repeat > group->n_objects - at)
			return damaged("a column has more values than objects", err);
		for (; repeat > 0; repeat--)
			group->objects[at++].values[column] = value;
	}
	return at == group->n_objects ? 0 : damaged("a column has fewer values than objects", err);
}

static int read_group(struct list_selection *selection, const json_t *objects, const json_t *values,
		      size_t at, struct csn_error *err)
{
	struct list_group *group = &selection->groups[at];
	const json_t *key = json_array_get(objects, 0);
	size_t column, i;
	int r;

	group->key = json_is_string(key) ? json_string_value(key)
		     : json_is_integer(key)
			     ? csn_arena_sprintf(selection->arena, "%" JSON_INTEGER_FORMAT,
						 json_integer_value(key))
			     : "*";
	r = read_ids(selection, json_array_get(objects, 1), group, err);
	if (r < 0)
		return r;
	for (i = 0; i < group->n_objects; i++) {
		group->objects[i].values =
			csn_arena_array(selection->arena, selection->n_columns + 1, sizeof(void *));
		if (!group->objects[i].values)
			return csn_fail_nomem(err);
	}
	for (column = 0; group->n_objects && column < selection->n_columns; column++) {
		r = read_column(json_array_get(values, at * selection->n_columns + column), column,
				group, err);
		if (r < 0)
			return r;
	}
	return 0;
}

int list_selection_read(const json_t *reply, struct list_selection *ret_selection,
			struct csn_error *err)
{
	const json_t *response = json_object_get(reply, "response");
	const json_t *objects = json_object_get(response, "objects");
	const json_t *values = json_object_get(response, "values");
	cleanup_(list_selection_done) struct list_selection selection = { 0 };
	size_t i;
	int r;

	if (!json_is_array(objects))
		return damaged("no objects", err);
	selection.arena = csn_arena_new(CSN_GIB);
	if (!selection.arena)
		return csn_fail_nomem(err);
	selection.columns = json_object_get(response, "columns");
	selection.n_columns = json_array_size(selection.columns);
	selection.n_groups = json_array_size(objects);
	selection.groups =
		csn_arena_array(selection.arena, selection.n_groups + 1, sizeof(*selection.groups));
	if (!selection.groups)
		return csn_fail_nomem(err);
	for (i = 0; i < selection.n_groups; i++) {
		r = read_group(&selection, json_array_get(objects, i), values, i, err);
		if (r < 0)
			return r;
	}
	*ret_selection = selection;
	selection = (struct list_selection){ 0 };
	return 0;
}
