/* The member "variables" of a frame: values with parts that are values. */
#include <stdlib.h>

#include "base/cleanup.h"
#include "snapshot/reader_internal.h"

static void vec_done(struct csn_vec *vec)
{
	free(vec->items);
}

static int read_role(struct csn_snapshot_reader *reader, void *object, struct csn_error *err)
{
	struct csn_snapshot_variable *variable = object;

	(void)err;
	variable->role = csn_variable_role_find(csn_reader_text(reader));
	return 0;
}

static int read_form(struct csn_snapshot_reader *reader, void *object, struct csn_error *err)
{
	struct csn_snapshot_variable *variable = object;

	(void)err;
	variable->form = csn_form_find(csn_reader_text(reader));
	return 0;
}

static int read_list(struct csn_snapshot_reader *reader, struct csn_snapshot_variable **ret_list,
		     size_t *ret_count, struct csn_error *err) csn_must_check;

static int read_parts(struct csn_snapshot_reader *reader, void *object, struct csn_error *err)
{
	struct csn_snapshot_variable *variable = object;

	return read_list(reader, &variable->parts, &variable->n_parts, err);
}

static int read_target(struct csn_snapshot_reader *reader, void *object, struct csn_error *err)
{
	struct csn_snapshot_variable *variable = object;

	variable->parts_are_target = true;
	return read_parts(reader, object, err);
}

#define VARIABLE(member) offsetof(struct csn_snapshot_variable, member)

static const struct csn_member variable_members[] = {
	{ "name", CSN_MEMBER_TEXT, VARIABLE(name), NULL },
	{ "type", CSN_MEMBER_TEXT, VARIABLE(type), NULL },
	{ "value", CSN_MEMBER_TEXT, VARIABLE(value), NULL },
	{ "missing", CSN_MEMBER_TEXT, VARIABLE(missing), NULL },
	{ "role", CSN_MEMBER_OTHER, 0, read_role },
	{ "form", CSN_MEMBER_OTHER, 0, read_form },
	{ "parts", CSN_MEMBER_OTHER, 0, read_parts },
	{ "dynamic_type", CSN_MEMBER_TEXT, VARIABLE(dynamic_type), NULL },
	{ "same_as", CSN_MEMBER_TEXT, VARIABLE(same_as), NULL },
	{ "target", CSN_MEMBER_OTHER, 0, read_target },
	{ "repeats", CSN_MEMBER_U64, VARIABLE(repeats), NULL },
	{ "cut", CSN_MEMBER_FLAG, VARIABLE(is_cut), NULL },
	{ NULL },
};

static int read_list(struct csn_snapshot_reader *reader, struct csn_snapshot_variable **ret_list,
		     size_t *ret_count, struct csn_error *err)
{
	cleanup_(vec_done) struct csn_vec vec = { 0 };
	struct csn_snapshot_variable *variable;
	int r;

	if (!csn_reader_enter(reader, '['))
		return 0;
	if (reader->variable_depth >= CSN_MAX_SNAPSHOT_VARIABLE_DEPTH)
		return csn_fail(err, CSN_E_LIMIT, "variables are nested deeper than %u",
				CSN_MAX_SNAPSHOT_VARIABLE_DEPTH);
	reader->variable_depth++;
	while (csn_json_next_item(&reader->json)) {
		if (reader->n_variables++ >= CSN_MAX_SNAPSHOT_VARIABLES)
			return csn_fail(err, CSN_E_LIMIT, "more than %u variables",
					CSN_MAX_SNAPSHOT_VARIABLES);
		variable = csn_vec_push(&vec, sizeof(*variable), CSN_MAX_SNAPSHOT_VARIABLES,
					"variables", err);
		if (!variable)
			return -(int)err->code;
		r = csn_reader_object(reader, variable_members, variable, err);
		if (r < 0)
			return r;
	}
	reader->variable_depth--;
	*ret_list = csn_reader_take(reader, &vec, sizeof(*variable), ret_count);
	return 0;
}

static int read_globals_of(struct csn_snapshot_reader *reader, void *object, struct csn_error *err)
{
	struct csn_snapshot_globals *globals = object;

	return read_list(reader, &globals->variables, &globals->n_variables, err);
}

#define GLOBALS(member) offsetof(struct csn_snapshot_globals, member)

static const struct csn_member globals_members[] = {
	{ "library", CSN_MEMBER_TEXT, GLOBALS(library), NULL },
	{ "file", CSN_MEMBER_TEXT, GLOBALS(file), NULL },
	{ "variables", CSN_MEMBER_OTHER, 0, read_globals_of },
	{ NULL },
};

int csn_reader_globals(struct csn_snapshot_reader *reader, void *object, struct csn_error *err)
{
	cleanup_(vec_done) struct csn_vec vec = { 0 };
	struct csn_snapshot *snapshot = object;
	struct csn_snapshot_globals *globals;
	int r;

	if (!csn_reader_enter(reader, '['))
		return 0;
	while (csn_json_next_item(&reader->json)) {
		globals = csn_vec_push(&vec, sizeof(*globals), CSN_MAX_SNAPSHOT_VARIABLES,
				       "globals", err);
		if (!globals)
			return -(int)err->code;
		r = csn_reader_object(reader, globals_members, globals, err);
		if (r < 0)
			return r;
	}
	snapshot->globals = csn_reader_take(reader, &vec, sizeof(*globals), &snapshot->n_globals);
	return 0;
}

int csn_reader_variables(struct csn_snapshot_reader *reader, void *object, struct csn_error *err)
{
	struct csn_snapshot_frame *frame = object;
	size_t count = 0;
	int r = read_list(reader, &frame->variables, &count, err);

	frame->n_variables = (uint32_t)count;
	return r < 0 ? csn_wrap(err, "\"variables\"") : 0;
}
