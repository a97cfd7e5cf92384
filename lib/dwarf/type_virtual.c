/* Virtual functions of classes, by their number in the table. */
#include "dwarf/entry_internal.h"
#include "dwarf/type.h"

#define CSN_OP_CONSTU 0x10

struct function {
	uint64_t wanted;
	bool matches;
	const char *linkage_name, *name;
};

static void keep_function(void *context, struct csn_unit *unit, uint16_t name,
			  const struct csn_attr *attr)
{
	struct function *function = context;
	struct csn_span block;
	uint64_t index;

	switch (name) {
	case DW_AT_linkage_name:
	case DW_AT_MIPS_linkage_name:
		function->linkage_name = csn_attr_text(unit, attr);
		return;
	case DW_AT_name:
		function->name = csn_attr_text(unit, attr);
		return;
	case DW_AT_vtable_elem_location:
		block = csn_attr_block(unit, attr);
		if (csn_span_u8(&block) != CSN_OP_CONSTU)
			return;
		index = csn_span_uleb(&block);
		function->matches = csn_span_ok(&block) && index == function->wanted;
		return;
	default:
		return;
	}
}

static const char *find_own(struct csn_type *type, uint64_t index)
{
	const struct csn_entry entry = { type->entry.unit, type->entry.offset };
	struct csn_children children;
	struct csn_span at;

	if (!csn_children_begin(&children, &entry))
		return NULL;
	while (csn_children_next(&children, &at)) {
		struct function function = { .wanted = index };

		csn_children_pass(&children);
		if (children.abbrev->tag == DW_TAG_subprogram &&
		    csn_attributes_each(children.unit, children.abbrev, &at, keep_function,
					&function) &&
		    function.matches)
			return function.linkage_name ? function.linkage_name : function.name;
	}
	return NULL;
}

static const char *find(struct csn_type *type, uint64_t index, unsigned depth, unsigned *n_looked)
{
	const char *name = find_own(type, index);

	csn_type_read_parts(type);
	for (size_t i = 0; i < type->n_members && !name && depth < CSN_MAX_TYPE_BASES_DEEP; i++) {
		struct csn_type *base = csn_type_strip(type->members[i].type);

		if (type->members[i].kind == CSN_MEMBER_BASE && base &&
		    ++*n_looked < CSN_MAX_TYPE_BASES)
			name = find(base, index, depth + 1, n_looked);
	}
	return name;
}

const char *csn_type_virtual_function(struct csn_type *type, uint64_t index)
{
	unsigned n_looked = 0;

	return find(type, index, 0, &n_looked);
}
