/* What types are made of: members, enumerators, dimensions, parameters, template arguments,
 * variants. */
#include "dwarf/entry_internal.h"
#include "dwarf/type.h"

/* What a child says, while it is read. */
struct part {
	const char *name;
	struct csn_type_link type;
	struct csn_attr location, count, upper, value;
	struct csn_type_link discriminant;
	struct csn_attr discriminant_value;
	uint64_t byte_size, bit_size, bit_offset, data_bit_offset;
	bool has_bit_size, has_data_bit_offset, is_declaration, is_external, is_artificial;
	bool is_virtual;
};

static void keep_part(void *context, struct csn_unit *unit, uint16_t name,
		      const struct csn_attr *attr)
{
	struct part *part = context;
	struct csn_entry entry;
	uint64_t value = 0;

	switch (name) {
	case DW_AT_name:
		part->name = csn_attr_text(unit, attr);
		return;
	case DW_AT_type:
		if (csn_attr_entry(unit, attr, &entry))
			part->type = (struct csn_type_link){ entry.unit, entry.offset };
		return;
	case DW_AT_discr:
		if (csn_attr_entry(unit, attr, &entry))
			part->discriminant = (struct csn_type_link){ entry.unit, entry.offset };
		return;
	case DW_AT_discr_value:
		part->discriminant_value = *attr;
		return;
	case DW_AT_data_member_location:
		part->location = *attr;
		return;
	case DW_AT_count:
		part->count = *attr;
		return;
	case DW_AT_upper_bound:
		part->upper = *attr;
		return;
	case DW_AT_const_value:
		part->value = *attr;
		return;
	case DW_AT_byte_size:
		(void)csn_attr_uint(attr, &part->byte_size);
		return;
	case DW_AT_bit_size:
		part->has_bit_size = csn_attr_uint(attr, &part->bit_size);
		return;
	case DW_AT_bit_offset:
		(void)csn_attr_uint(attr, &part->bit_offset);
		return;
	case DW_AT_data_bit_offset:
		part->has_data_bit_offset = csn_attr_uint(attr, &part->data_bit_offset);
		return;
	case DW_AT_virtuality:
		part->is_virtual = csn_attr_uint(attr, &value) && value;
		return;
	case DW_AT_declaration:
		part->is_declaration = csn_attr_flag(attr);
		return;
	case DW_AT_external:
		part->is_external = csn_attr_flag(attr);
		return;
	case DW_AT_artificial:
		part->is_artificial = csn_attr_flag(attr);
		return;
	default:
		return;
	}
}

/* Bits as little-endian machines count them. Before version 4 they were counted from the other end
 * of the storage unit. */
static void place_bits(const struct part *part, struct csn_type_member *member)
{
	uint64_t storage = 8 * part->byte_size, first = part->data_bit_offset;

	if (!part->has_bit_size || part->bit_size > 64)
		return;
	if (!part->has_data_bit_offset) {
		if (!storage && csn_type_size(member->type, &storage))
			storage *= 8;
		first = storage - part->bit_offset - part->bit_size;
		if (first > storage)
			return;
	}
	member->is_bit_field = true;
	member->offset_bytes += first / 8;
	member->bit_offset = (uint32_t)(first % 8);
	member->bit_size = (uint32_t)part->bit_size;
}

/* DWARF 2 has the offset as "plus_uconst offset". */
static bool read_offset(struct csn_unit *unit, const struct csn_attr *attr, uint64_t *ret_offset)
{
	const uint8_t plus_uconst = 0x23;
	struct csn_span at;

	if (csn_attr_uint(attr, ret_offset))
		return true;
	at = csn_attr_block(unit, attr);
	if (csn_span_u8(&at) != plus_uconst)
		return false;
	*ret_offset = csn_span_uleb(&at);
	return csn_span_ok(&at) && !csn_span_left(&at);
}

/* Room for one more; arrays double at powers of two, from 16 on. */
static bool grow(struct csn_type *type, void *array, size_t count, size_t size_bytes)
{
	void **items = array, *grown;
	size_t capacity = count;

	if (count >= CSN_MAX_TYPE_PARTS)
		return false;
	if (count && (count < 16 || count & (count - 1)))
		return true;
	grown = csn_arena_grow(type->entry.unit->dwarf->arena, *items, count, &capacity,
			       size_bytes);
	if (grown)
		*items = grown;
	return grown != NULL;
}

static bool add_member(struct csn_type *type, struct csn_unit *unit, uint64_t offset, uint16_t tag,
		       const struct part *part)
{
	struct csn_type_member *member;

	if (!grow(type, &type->members, type->n_members, sizeof(*member)))
		return false;
	member = &type->members[type->n_members++];
	*member = (struct csn_type_member){ .name = part->name,
					    .type = csn_type_get(&part->type),
					    .is_artificial = part->is_artificial };
	if (tag == DW_TAG_variable ||
	    (tag == DW_TAG_member && (part->is_declaration || part->is_external))) {
		member->kind = CSN_MEMBER_STATIC;
		member->declaration = (struct csn_type_link){ unit, offset };
		return true;
	}
	if (tag == DW_TAG_inheritance)
		member->kind = part->is_virtual ? CSN_MEMBER_VIRTUAL_BASE : CSN_MEMBER_BASE;
	if (part->is_virtual)
		member->expression = csn_attr_block(unit, &part->location);
	else if (part->location.form)
		(void)read_offset(unit, &part->location, &member->offset_bytes);
	place_bits(part, member);
	return true;
}

static bool add_enumerator(struct csn_type *type, const struct part *part)
{
	struct csn_enumerator *enumerator;

	if (!grow(type, &type->enumerators, type->n_enumerators, sizeof(*enumerator)))
		return false;
	enumerator = &type->enumerators[type->n_enumerators++];
	enumerator->name = part->name ? part->name : "";
	(void)csn_attr_int(&part->value, &enumerator->value);
	return true;
}

static bool add_dimension(struct csn_type *type, struct csn_unit *unit, const struct part *part)
{
	const struct csn_attr *bound = part->count.form ? &part->count : &part->upper;
	struct csn_dimension *dimension;
	struct csn_entry entry;

	if (!grow(type, &type->dimensions, type->n_dimensions, sizeof(*dimension)))
		return false;
	dimension = &type->dimensions[type->n_dimensions++];
	dimension->is_last = bound == &part->upper;
	if (csn_attr_int(bound, &dimension->value)) {
		dimension->kind = CSN_BOUND_CONSTANT;
	} else if (csn_attr_entry(unit, bound, &entry)) {
		dimension->kind = CSN_BOUND_VARIABLE;
		dimension->link = (struct csn_type_link){ entry.unit, entry.offset };
	} else if (bound->form) {
		dimension->expression = csn_attr_block(unit, bound);
		if (csn_span_ok(&dimension->expression))
			dimension->kind = CSN_BOUND_EXPRESSION;
	}
	return true;
}

static bool add_argument(struct csn_type *type, bool is_value, const struct part *part)
{
	struct csn_type_argument *argument;

	if (!grow(type, &type->arguments, type->n_arguments, sizeof(*argument)))
		return false;
	argument = &type->arguments[type->n_arguments++];
	argument->type = csn_type_get(&part->type);
	argument->is_value = is_value;
	(void)csn_attr_int(&part->value, &argument->value);
	return true;
}

/* --- variants --- */

/* A member of a type's variant, which is more or less a structure of its own. */
static struct csn_type_member plain_member(struct csn_unit *unit, const struct part *part)
{
	struct csn_type_member member = { .name = part->name, .type = csn_type_get(&part->type) };

	if (part->location.form)
		(void)read_offset(unit, &part->location, &member.offset_bytes);
	return member;
}

/* The one member that a variant has. */
static bool read_variant(struct csn_type *type, const struct csn_children *child,
			 const struct part *part)
{
	const struct csn_entry entry = { child->unit, child->offset };
	struct csn_type_variant *variant;
	struct csn_children members;
	struct csn_span at;

	if (!grow(type, &type->variants, type->n_variants, sizeof(*variant)))
		return false;
	variant = &type->variants[type->n_variants];
	*variant = (struct csn_type_variant){ 0 };
	variant->is_default = !csn_attr_uint(&part->discriminant_value, &variant->value);
	if (!csn_children_begin(&members, &entry))
		return true;
	while (csn_children_next(&members, &at)) {
		struct part member = { 0 };

		if (members.depth != 1 || members.abbrev->tag != DW_TAG_member)
			continue;
		if (!csn_attributes_each(members.unit, members.abbrev, &at, keep_part, &member))
			return false;
		variant->member = plain_member(members.unit, &member);
		type->n_variants++;
		return true;
	}
	return true;
}

/* Variants, and the member among them that tells which one it is. */
static bool read_variants(struct csn_type *type, const struct csn_children *child,
			  const struct part *whole)
{
	const struct csn_entry entry = { child->unit, child->offset };
	struct csn_children children;
	struct csn_span at;

	if (!csn_children_begin(&children, &entry))
		return true;
	while (csn_children_next(&children, &at)) {
		struct part part = { 0 };

		if (children.depth != 1)
			continue;
		if (!csn_attributes_each(children.unit, children.abbrev, &at, keep_part, &part))
			return false;
		if (children.abbrev->tag == DW_TAG_variant && !read_variant(type, &children, &part))
			return false;
		if (children.abbrev->tag != DW_TAG_member || type->discriminant ||
		    whole->discriminant.offset != children.offset)
			continue;
		type->discriminant = csn_arena_alloc(type->entry.unit->dwarf->arena,
						     sizeof(*type->discriminant));
		if (!type->discriminant)
			return false;
		*type->discriminant = plain_member(children.unit, &part);
	}
	return true;
}

static bool add_part(struct csn_type *type, const struct csn_children *child,
		     const struct part *part)
{
	switch (child->abbrev->tag) {
	case DW_TAG_member:
	case DW_TAG_inheritance:
		return add_member(type, child->unit, child->offset, child->abbrev->tag, part);
	case DW_TAG_variable:
		return type->kind == CSN_TYPE_FUNCTION ||
		       add_member(type, child->unit, child->offset, DW_TAG_variable, part);
	case DW_TAG_formal_parameter:
		return type->kind != CSN_TYPE_FUNCTION ||
		       add_member(type, child->unit, child->offset, DW_TAG_formal_parameter, part);
	case DW_TAG_unspecified_parameters:
		type->is_variadic = true;
		return true;
	case DW_TAG_enumerator:
		return add_enumerator(type, part);
	case DW_TAG_subrange_type:
		return add_dimension(type, child->unit, part);
	case DW_TAG_template_type_parameter:
		return add_argument(type, false, part);
	case DW_TAG_template_value_parameter:
		return add_argument(type, true, part);
	case DW_TAG_variant_part:
		return read_variants(type, child, part);
	default:
		return true;
	}
}

void csn_type_read_parts(struct csn_type *type)
{
	const struct csn_entry entry = { type->entry.unit, type->entry.offset };
	struct csn_children children;
	struct csn_span at;

	if (type->parts_read)
		return;
	type->parts_read = true;
	if (!csn_children_begin(&children, &entry))
		return;
	while (csn_children_next(&children, &at)) {
		struct part part = { 0 };

		if (!csn_attributes_each(children.unit, children.abbrev, &at, keep_part, &part) ||
		    !add_part(type, &children, &part))
			return;
		if (children.abbrev->tag != DW_TAG_GNU_template_parameter_pack)
			csn_children_pass(&children);
	}
}
