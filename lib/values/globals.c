/* Variables outside functions. They are evaluated like those of a frame that has no registers. */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "dwarf/named.h"
#include "values/values_internal.h"

struct collection {
	struct csn_values *values;
	struct csn_value_frame *frame;
	const struct csn_value_globals *query;
	struct csn_value_unit *units; /* in the arena */
	size_t n_units, units_capacity;
	size_t capacity; /* of the last unit's values */
	bool no_memory;
};

/* Room in the list of the unit with this file; the last one or a new one. */
static struct csn_value_node *add_value(struct collection *collection, const char *file)
{
	struct csn_arena *arena = collection->values->arena;
	struct csn_value_unit *unit = collection->units + collection->n_units;
	struct csn_value_node **grown;

	if (!collection->n_units || unit[-1].file != file) {
		unit = csn_arena_grow(arena, collection->units, collection->n_units,
				      &collection->units_capacity, sizeof(*unit));
		if (!unit)
			return NULL;
		collection->units = unit;
		unit += collection->n_units++;
		*unit = (struct csn_value_unit){ .file = file };
		collection->capacity = 0;
	} else {
		unit--;
	}
	grown = csn_arena_grow(arena, unit->values, unit->count, &collection->capacity,
			       sizeof(void *));
	if (!grown)
		return NULL;
	unit->values = grown;
	grown[unit->count] = csn_arena_alloc(arena, sizeof(**grown));
	return grown[unit->count] ? grown[unit->count++] : NULL;
}

static bool is_wanted(void *context, const char *name)
{
	struct collection *collection = context;

	/* Names are as many as the debug information likes: they cost time, too. */
	if (csn_values_used_up(collection->values))
		return false;
	return !collection->query->wanted ||
	       collection->query->wanted(collection->query->context, name);
}

static bool fill_global(void *context, const struct csn_global *global)
{
	struct collection *collection = context;
	struct csn_values *values = collection->values;
	struct csn_value_node *value;
	struct csn_variable variable;
	struct csn_object object;
	uint64_t size_bytes = 0;

	if (csn_values_used_up(values))
		return false;
	if (!csn_variable_read(&global->entry, 0, &variable))
		return true;
	value = add_value(collection, global->file);
	if (!value) {
		collection->no_memory = true;
		return false;
	}
	value->name = csn_arena_strdup(values->arena, global->name);
	value->type = csn_type_text(variable.type);
	collection->frame->scope.unit = global->entry.unit;
	(void)csn_type_size(variable.type, &size_bytes);
	csn_told_begin(values, global->name);
	csn_object_find(values, collection->frame, &variable.place, size_bytes, &object);
	csn_value_fill(values, collection->frame, &object, variable.type, 0, values->budget.follow,
		       value);
	values->n_values++;
	return true;
}

int csn_values_of_globals(struct csn_values *values, const struct csn_value_globals *query,
			  struct csn_value_unit **ret_units, size_t *ret_count,
			  struct csn_error *err)
{
	struct csn_value_frame frame = { .thread = query->thread,
					 .module = query->module,
					 .pc = query->module->start,
					 .exact = true };
	struct collection collection = { .values = values, .frame = &frame, .query = query };
	const struct csn_globals_query all = { .wanted = query->wanted ? is_wanted : NULL,
					       .each = fill_global,
					       .context = &collection };
	struct csn_dwarf *dwarf = csn_module_dwarf(query->module);

	if (dwarf)
		csn_dwarf_each_global(dwarf, &all);
	if (collection.no_memory)
		return csn_fail_nomem(err);
	*ret_units = collection.units;
	*ret_count = collection.n_units;
	return 0;
}
