#include "dwarf/outer_internal.h"

#include <string.h>

/* One walk; scopes[depth] is the text before the names of entries that deep. */
struct walk {
	const char *scopes[CSN_MAX_DWARF_SCOPES];
	struct csn_outer entry;
};

static void keep_attribute(void *context, struct csn_unit *unit, uint16_t name,
			   const struct csn_attr *attr)
{
	struct csn_outer *entry = context;

	switch (name) {
	case DW_AT_name:
		entry->name = csn_attr_text(unit, attr);
		return;
	case DW_AT_declaration:
		entry->is_declaration = csn_attr_flag(attr);
		return;
	case DW_AT_location:
	case DW_AT_const_value:
		entry->has_place = true;
		return;
	case DW_AT_specification:
	case DW_AT_abstract_origin:
		entry->has_origin = true;
		return;
	case DW_AT_signature:
		entry->has_signature = true;
		return;
	default:
		return;
	}
}

static bool is_structure(uint16_t tag)
{
	return tag == DW_TAG_structure_type || tag == DW_TAG_class_type ||
	       tag == DW_TAG_union_type || tag == DW_TAG_interface_type;
}

/* The text before what is inside of an entry; NULL: nobody goes inside. */
static const char *scopes_inside(struct csn_unit *unit, const struct csn_outer *entry)
{
	const char *name = entry->name;

	if (csn_unit_is_c(unit))
		return "";
	if (!name && entry->tag == DW_TAG_namespace)
		name = "(anonymous namespace)";
	return name ? csn_arena_sprintf(unit->dwarf->arena, "%s%s::", entry->scopes, name) : NULL;
}

bool csn_outer_each(struct csn_unit *unit, bool variables, csn_outer_fn each, void *context)
{
	const struct csn_entry root = { unit, unit->first_entry };
	struct walk walk = { .scopes = { "", "" } };
	struct csn_children children;
	struct csn_span at;

	if (!csn_children_begin(&children, &root))
		return true;
	while (csn_children_next(&children, &at)) {
		uint16_t tag = children.abbrev->tag;
		bool inside = tag == DW_TAG_namespace || (!variables && is_structure(tag));
		bool told = variables ? tag == DW_TAG_variable
				      : is_structure(tag) || tag == DW_TAG_enumeration_type;
		const char *scopes = NULL;

		walk.entry = (struct csn_outer){ .unit = unit,
						 .offset = children.offset,
						 .tag = tag,
						 .scopes = walk.scopes[children.depth] };
		if ((inside || told) &&
		    !csn_attributes_each(unit, children.abbrev, &at, keep_attribute, &walk.entry))
			return true;
		if (told && !each(context, &walk.entry))
			return false;
		if (inside && children.inside && children.depth + 1 < CSN_MAX_DWARF_SCOPES)
			scopes = scopes_inside(unit, &walk.entry);
		if (scopes)
			walk.scopes[children.depth + 1] = scopes;
		else
			csn_children_pass(&children);
	}
	return true;
}
