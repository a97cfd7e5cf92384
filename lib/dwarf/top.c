/* Entries that stand at the top of a unit, or in its namespaces, looked for by name. */
#include <string.h>

#include "dwarf/entry_internal.h"
#include "dwarf/variable.h"

/* One search. A unit may hold several entries of a name, of which some only declare. */
struct search {
	const char *name; /* what is left of it: "a::b" */
	bool type;
	struct csn_type_link found;
};

struct seen {
	const char *name;
	bool is_declaration;
};

static void keep(void *context, struct csn_unit *unit, uint16_t name, const struct csn_attr *attr)
{
	struct seen *seen = context;

	if (name == DW_AT_name)
		seen->name = csn_attr_text(unit, attr);
	else if (name == DW_AT_declaration)
		seen->is_declaration = csn_attr_flag(attr);
}

static bool is_type(uint16_t tag)
{
	switch (tag) {
	case DW_TAG_structure_type:
	case DW_TAG_class_type:
	case DW_TAG_union_type:
	case DW_TAG_enumeration_type:
	case DW_TAG_typedef:
	case DW_TAG_base_type:
		return true;
	default:
		return false;
	}
}

static void find_below(struct search *search, const struct csn_entry *parent, unsigned nesting);

/* An entry whose name begins what is wanted: it, or what is in it. */
static void try_entry(struct search *search, const struct csn_children *child, const char *name,
		      unsigned nesting)
{
	size_t length = strlen(name);
	struct search inner = *search;

	if (strncmp(search->name, name, length) != 0)
		return;
	if (!search->name[length]) {
		if (search->type ? is_type(child->abbrev->tag)
				 : child->abbrev->tag == DW_TAG_variable)
			search->found = (struct csn_type_link){ child->unit, child->offset };
		return;
	}
	if (strncmp(search->name + length, "::", 2) != 0 ||
	    child->abbrev->tag != DW_TAG_namespace || nesting >= CSN_MAX_DWARF_SCOPES)
		return;
	inner.name += length + 2;
	find_below(&inner, &(struct csn_entry){ child->unit, child->offset }, nesting + 1);
	search->found = inner.found;
}

static void find_below(struct search *search, const struct csn_entry *parent, unsigned nesting)
{
	struct csn_children children;
	struct csn_span at;

	if (!csn_children_begin(&children, parent))
		return;
	while (!search->found.unit && csn_children_next(&children, &at)) {
		uint16_t tag = children.abbrev->tag;
		struct seen seen = { 0 };

		if ((tag == DW_TAG_namespace ||
		     (search->type ? is_type(tag) : tag == DW_TAG_variable)) &&
		    csn_attributes_each(children.unit, children.abbrev, &at, keep, &seen) &&
		    seen.name && (!seen.is_declaration || tag == DW_TAG_namespace))
			try_entry(search, &children, seen.name, nesting);
		csn_children_pass(&children);
	}
}

bool csn_unit_find_variable(struct csn_unit *unit, const char *name,
			    struct csn_variable *ret_variable)
{
	struct search search = { .name = name };

	find_below(&search, &(struct csn_entry){ unit, unit->first_entry }, 0);
	return csn_variable_read(&search.found, 0, ret_variable);
}

struct csn_type *csn_unit_find_type(struct csn_unit *unit, const char *name)
{
	struct search search = { .name = name, .type = true };

	find_below(&search, &(struct csn_entry){ unit, unit->first_entry }, 0);
	return csn_type_get(&search.found);
}
