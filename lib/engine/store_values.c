/* Values as they were read, into those that a snapshot holds. */
#include "engine/engine_internal.h"

/* Names and types belong to the debug information, which is gone before the snapshot. */
static bool keep_text(struct csn_arena *arena, const char **text)
{
	*text = *text ? csn_arena_strdup(arena, *text) : NULL;
	return *text != NULL;
}

static bool store_value(struct csn_arena *arena, const struct csn_value_node *value,
			struct csn_snapshot_variable *ret_stored)
{
	static const enum csn_variable_role roles[] = {
		[CSN_ROLE_PLAIN] = CSN_VARIABLE_PLAIN,
		[CSN_ROLE_PARAMETER] = CSN_VARIABLE_PARAMETER,
		[CSN_ROLE_BASE] = CSN_VARIABLE_BASE,
		[CSN_ROLE_STATIC] = CSN_VARIABLE_STATIC,
	};

	*ret_stored = (struct csn_snapshot_variable){
		.name = value->name,
		.type = value->type,
		.value = value->text,
		.missing = value->state ? csn_value_state_name(value->state) : NULL,
		.dynamic_type = value->dynamic_type,
		.same_as = value->same_as,
		.role = roles[value->role],
		.is_cut = value->is_cut,
		.parts_are_target = value->parts_are_target,
		.form = value->n_parts ? value->form : CSN_FORM_BRACES,
		.repeats = value->repeats,
		.n_parts = value->n_parts,
	};
	if ((value->name && !keep_text(arena, &ret_stored->name)) ||
	    (value->type && !keep_text(arena, &ret_stored->type)) ||
	    (value->dynamic_type && !keep_text(arena, &ret_stored->dynamic_type)))
		return false;
	if (value->n_parts)
		ret_stored->parts = csn_values_store(arena, value->parts, value->n_parts);
	return !value->n_parts || ret_stored->parts;
}

struct csn_snapshot_variable *csn_values_store(struct csn_arena *arena,
					       const struct csn_value_node *values, size_t count)
{
	struct csn_snapshot_variable *stored = csn_arena_array(arena, count + 1, sizeof(*stored));

	for (size_t i = 0; stored && i < count; i++)
		if (!store_value(arena, &values[i], &stored[i]))
			return NULL;
	return stored;
}
