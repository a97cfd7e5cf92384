/* Types of Go by what its run time calls them: the linker puts all types of a program into one
 * unit, and says of each where the run time has its own description. */
#include <stdlib.h>

#include "dwarf/entry_internal.h"
#include "dwarf/type.h"

/* One type that the run time knows. */
struct csn_go_type {
	uint64_t run_time, offset; /* of its entry */
};

/* Those of one unit, by run_time. */
struct csn_go_types {
	struct csn_unit *unit;
	struct csn_go_type *types;
	size_t n_types;
};

static void keep_run_time(void *context, struct csn_unit *unit, uint16_t name,
			  const struct csn_attr *attr)
{
	struct csn_go_type *type = context;

	if (name == DW_AT_GO_runtime_type && !csn_attr_uint(attr, &type->run_time))
		(void)csn_attr_address(unit, attr, &type->run_time);
}

static bool says_run_time(const struct csn_abbrev *abbrev)
{
	for (uint32_t i = 0; i < abbrev->n_specs; i++)
		if (abbrev->specs[i].name == DW_AT_GO_runtime_type)
			return true;
	return false;
}

static int by_run_time(const void *a, const void *b)
{
	const struct csn_go_type *one = a, *other = b;

	return (one->run_time > other->run_time) - (one->run_time < other->run_time);
}

static bool add(struct csn_go_types *types, size_t *capacity, const struct csn_go_type *type)
{
	struct csn_go_type *grown;

	if (types->n_types >= CSN_MAX_GO_TYPES)
		return false;
	grown = csn_arena_grow(types->unit->dwarf->arena, types->types, types->n_types, capacity,
			       sizeof(*grown));
	if (!grown)
		return false;
	types->types = grown;
	grown[types->n_types++] = *type;
	return true;
}

static struct csn_go_types *list_types(struct csn_unit *unit)
{
	struct csn_go_types *types = csn_arena_alloc(unit->dwarf->arena, sizeof(*types));
	const struct csn_entry root = { unit, unit->first_entry };
	struct csn_children children;
	struct csn_span at;
	size_t capacity = 0, steps;

	if (!types)
		return NULL;
	types->unit = unit;
	if (!csn_children_begin(&children, &root))
		return types;
	for (steps = 0; steps < CSN_MAX_GO_ENTRIES && csn_children_next(&children, &at); steps++) {
		struct csn_go_type type = { .offset = children.offset };

		if (children.depth != 1 || !says_run_time(children.abbrev))
			continue;
		if (!csn_attributes_each(unit, children.abbrev, &at, keep_run_time, &type))
			break;
		if (type.run_time && !add(types, &capacity, &type))
			break;
	}
	if (types->n_types)
		qsort(types->types, types->n_types, sizeof(*types->types), by_run_time);
	return types;
}

struct csn_type *csn_type_of_go(struct csn_type *type, uint64_t run_time_offset)
{
	struct csn_unit *unit = type->entry.unit;
	const struct csn_go_type wanted = { .run_time = run_time_offset }, *found;
	struct csn_go_types **types = &unit->dwarf->go_types;

	if (!run_time_offset || (*types && (*types)->unit != unit))
		return NULL;
	if (!*types)
		*types = list_types(unit);
	if (!*types || !(*types)->n_types)
		return NULL;
	found = bsearch(&wanted, (*types)->types, (*types)->n_types, sizeof(wanted), by_run_time);
	return found ? csn_type_get(&(struct csn_type_link){ unit, found->offset }) : NULL;
}
