#include "dwarf/type.h"

#include "dwarf/entry_internal.h"

/* What an entry of a type says, while it is read. */
struct reading {
	struct csn_type *type;
	uint64_t encoding;
	struct csn_attr origin;
};

static const struct {
	uint16_t tag;
	enum csn_type_kind kind;
} kinds[] = {
	{ DW_TAG_base_type, CSN_TYPE_BASE },
	{ DW_TAG_pointer_type, CSN_TYPE_POINTER },
	{ DW_TAG_const_type, CSN_TYPE_CONST },
	{ DW_TAG_typedef, CSN_TYPE_TYPEDEF },
	{ DW_TAG_structure_type, CSN_TYPE_STRUCT },
	{ DW_TAG_class_type, CSN_TYPE_CLASS },
	{ DW_TAG_interface_type, CSN_TYPE_CLASS },
	{ DW_TAG_union_type, CSN_TYPE_UNION },
	{ DW_TAG_enumeration_type, CSN_TYPE_ENUM },
	{ DW_TAG_array_type, CSN_TYPE_ARRAY },
	{ DW_TAG_subroutine_type, CSN_TYPE_FUNCTION },
	{ DW_TAG_reference_type, CSN_TYPE_REFERENCE },
	{ DW_TAG_rvalue_reference_type, CSN_TYPE_RVALUE_REFERENCE },
	{ DW_TAG_volatile_type, CSN_TYPE_VOLATILE },
	{ DW_TAG_restrict_type, CSN_TYPE_RESTRICT },
	{ DW_TAG_atomic_type, CSN_TYPE_ATOMIC },
	{ DW_TAG_ptr_to_member_type, CSN_TYPE_MEMBER_POINTER },
	{ DW_TAG_unspecified_type, CSN_TYPE_UNSPECIFIED },
};

static const enum csn_type_encoding encodings[] = {
	[DW_ATE_boolean] = CSN_ENCODING_BOOL,
	[DW_ATE_complex_float] = CSN_ENCODING_COMPLEX_FLOAT,
	[DW_ATE_float] = CSN_ENCODING_FLOAT,
	[DW_ATE_signed] = CSN_ENCODING_SIGNED,
	[DW_ATE_signed_char] = CSN_ENCODING_SIGNED_CHAR,
	[DW_ATE_unsigned] = CSN_ENCODING_UNSIGNED,
	[DW_ATE_address] = CSN_ENCODING_UNSIGNED,
	[DW_ATE_unsigned_char] = CSN_ENCODING_UNSIGNED_CHAR,
	[DW_ATE_UTF] = CSN_ENCODING_UTF,
};

static struct csn_type_link link_of(struct csn_unit *unit, const struct csn_attr *attr)
{
	struct csn_entry entry;

	if (!csn_attr_entry(unit, attr, &entry))
		return (struct csn_type_link){ NULL, 0 };
	return (struct csn_type_link){ entry.unit, entry.offset };
}

static void keep_attribute(void *context, struct csn_unit *unit, uint16_t name,
			   const struct csn_attr *attr)
{
	struct reading *reading = context;
	struct csn_type *type = reading->type;

	switch (name) {
	case DW_AT_name:
		type->name = csn_attr_text(unit, attr);
		return;
	case DW_AT_byte_size:
		type->has_size = csn_attr_uint(attr, &type->size_bytes);
		return;
	case DW_AT_encoding:
		(void)csn_attr_uint(attr, &reading->encoding);
		return;
	case DW_AT_type:
		type->target = link_of(unit, attr);
		return;
	case DW_AT_containing_type:
		type->containing = link_of(unit, attr);
		return;
	case DW_AT_declaration:
		type->is_declaration = csn_attr_flag(attr);
		return;
	case DW_AT_enum_class:
		type->is_scoped = csn_attr_flag(attr);
		return;
	case DW_AT_GO_kind:
		(void)csn_attr_uint(attr, &type->go_kind);
		return;
	case DW_AT_GO_key:
		type->go_key = link_of(unit, attr);
		return;
	case DW_AT_GO_elem:
		type->go_element = link_of(unit, attr);
		return;
	case DW_AT_alignment:
		(void)csn_attr_uint(attr, &type->alignment_bytes);
		return;
	case DW_AT_signature:
		reading->origin = *attr;
		return;
	default:
		return;
	}
}

static void read_type(struct csn_type *type)
{
	struct csn_entry entry = { type->entry.unit, type->entry.offset };
	struct reading reading = { .type = type };
	struct csn_span at;
	const struct csn_abbrev *abbrev = csn_entry_open(&entry, &at);
	size_t i;

	if (!abbrev || !csn_attributes_each(entry.unit, abbrev, &at, keep_attribute, &reading))
		return;
	for (i = 0; i < csn_countof(kinds); i++)
		if (kinds[i].tag == abbrev->tag)
			type->kind = kinds[i].kind;
	if (reading.encoding < csn_countof(encodings))
		type->encoding = encodings[reading.encoding];
	if (!type->has_size &&
	    (type->kind == CSN_TYPE_POINTER || type->kind == CSN_TYPE_REFERENCE ||
	     type->kind == CSN_TYPE_RVALUE_REFERENCE)) {
		type->has_size = true;
		type->size_bytes = entry.unit->address_size;
	}
}

/* A structure that is only declared here, in a type unit it is whole. */
static struct csn_type_link settle(const struct csn_type_link *link)
{
	struct csn_entry entry = { link->unit, link->offset };
	struct csn_type type = { .entry = *link };
	struct reading reading = { .type = &type };
	struct csn_span at;
	const struct csn_abbrev *abbrev = csn_entry_open(&entry, &at);
	uint32_t i;

	for (i = 0; abbrev && i < abbrev->n_specs; i++) {
		if (abbrev->specs[i].name != DW_AT_signature)
			continue;
		if (csn_attributes_each(entry.unit, abbrev, &at, keep_attribute, &reading))
			type.target = link_of(entry.unit, &reading.origin);
		if (type.target.unit)
			return type.target;
		break;
	}
	return *link;
}

static struct csn_type **bucket_of(const struct csn_type_link *link)
{
	return &link->unit->dwarf
			->types[(link->offset * 0x9e3779b97f4a7c15ull >> 32) % CSN_DWARF_BUCKETS];
}

/* NULL: not kept yet. */
static struct csn_type *find_kept(const struct csn_type_link *link)
{
	struct csn_type *type;

	for (type = *bucket_of(link); type; type = type->next)
		if (type->entry.offset == link->offset && type->entry.unit == link->unit)
			return type;
	return NULL;
}

struct csn_type *csn_type_get(const struct csn_type_link *link)
{
	struct csn_type *type;
	struct csn_type_link real;

	if (!link->unit)
		return NULL;
	type = find_kept(link);
	if (type)
		return type;
	real = settle(link);
	type = find_kept(&real);
	if (type)
		return type;
	type = csn_arena_alloc(real.unit->dwarf->arena, sizeof(*type));
	if (!type)
		return NULL;
	type->entry = real;
	type->next = *bucket_of(&real);
	*bucket_of(&real) = type;
	read_type(type);
	return type;
}

enum csn_type_language csn_type_language(const struct csn_type *type)
{
	switch (type->entry.unit->language) {
	case DW_LANG_Rust:
		return CSN_LANGUAGE_RUST;
	case DW_LANG_Go:
		return CSN_LANGUAGE_GO;
	default:
		return CSN_LANGUAGE_OTHER;
	}
}

struct csn_type *csn_type_target(struct csn_type *type)
{
	return csn_type_get(&type->target);
}

struct csn_type *csn_type_strip(struct csn_type *type)
{
	unsigned hops;

	for (hops = 0; type && hops < CSN_MAX_TYPE_HOPS; hops++) {
		switch (type->kind) {
		case CSN_TYPE_CONST:
		case CSN_TYPE_VOLATILE:
		case CSN_TYPE_RESTRICT:
		case CSN_TYPE_ATOMIC:
		case CSN_TYPE_TYPEDEF:
			type = csn_type_target(type);
			break;
		default:
			return type;
		}
	}
	return NULL;
}

bool csn_type_is_character(struct csn_type *type)
{
	type = csn_type_strip(type);
	return type && type->kind == CSN_TYPE_BASE && type->size_bytes == 1 &&
	       (type->encoding == CSN_ENCODING_SIGNED_CHAR ||
		type->encoding == CSN_ENCODING_UNSIGNED_CHAR || type->encoding == CSN_ENCODING_UTF);
}

/* Elements of all dimensions; false when one depends on the frame. */
static bool count_elements(struct csn_type *array, uint64_t *ret_count)
{
	uint64_t count = 1;
	size_t i;

	csn_type_read_parts(array);
	for (i = 0; i < array->n_dimensions; i++) {
		const struct csn_dimension *dimension = &array->dimensions[i];
		uint64_t n;

		if (dimension->kind != CSN_BOUND_CONSTANT)
			return false;
		n = (uint64_t)dimension->value + dimension->is_last;
		if (__builtin_mul_overflow(count, n, &count))
			return false;
	}
	*ret_count = count;
	return array->n_dimensions > 0;
}

bool csn_type_size(struct csn_type *type, uint64_t *ret_size_bytes)
{
	uint64_t count = 1, n;
	unsigned hops;

	for (hops = 0; hops < CSN_MAX_TYPE_HOPS; hops++) {
		type = csn_type_strip(type);
		if (!type)
			return false;
		if (type->has_size)
			return !__builtin_mul_overflow(count, type->size_bytes, ret_size_bytes);
		if (type->kind == CSN_TYPE_MEMBER_POINTER) {
			struct csn_type *target = csn_type_strip(csn_type_target(type));

			n = target && target->kind == CSN_TYPE_FUNCTION ? 16 : 8;
			return !__builtin_mul_overflow(count, n, ret_size_bytes);
		}
		if (type->kind == CSN_TYPE_ENUM) {
			type = csn_type_target(type);
			continue;
		}
		if (type->kind != CSN_TYPE_ARRAY || !count_elements(type, &n) ||
		    __builtin_mul_overflow(count, n, &count))
			return false;
		type = csn_type_target(type);
	}
	return false;
}

/* --- alignment --- */

/* How much was looked at, and how deep in structures that is. */
struct alignment_work {
	unsigned steps, nesting;
};

static uint64_t alignment_of(struct csn_type *type, struct alignment_work *work);

static bool is_declared_only(struct csn_type *type)
{
	type = csn_type_strip(type);
	return type && type->is_declaration;
}

/* Of the parts with the widest alignment; 1 when one stands where it could not stand otherwise. */
static uint64_t structure_alignment(struct csn_type *type, struct alignment_work *work)
{
	uint64_t widest = 1;

	if (type->is_declaration || work->nesting >= CSN_MAX_TYPE_HOPS)
		return 0;
	work->nesting++;
	csn_type_read_parts(type);
	for (size_t i = 0; i < type->n_members; i++) {
		const struct csn_type_member *member = &type->members[i];
		uint64_t alignment;

		if (member->kind == CSN_MEMBER_STATIC)
			continue;
		alignment = alignment_of(member->type, work);
		/* Classes that are only declared here hold pointers and the like. */
		if (!alignment && is_declared_only(member->type))
			continue;
		if (!alignment)
			return 0;
		if (!member->is_bit_field && member->kind != CSN_MEMBER_VIRTUAL_BASE &&
		    member->offset_bytes % alignment)
			return 1;
		widest = alignment > widest ? alignment : widest;
	}
	work->nesting--;
	return type->has_size && type->size_bytes % widest == 0 ? widest : 1;
}

static uint64_t alignment_of(struct csn_type *type, struct alignment_work *work)
{
	const uint64_t widest_plain = 16;
	uint64_t size_bytes, asked = 0;
	unsigned hops;

	for (hops = 0; type && hops < CSN_MAX_TYPE_HOPS; hops++) {
		if (work->steps++ >= CSN_MAX_MEMBER_STEPS)
			return 0;
		asked = asked ? asked : type->alignment_bytes;
		switch (type->kind) {
		case CSN_TYPE_CONST:
		case CSN_TYPE_VOLATILE:
		case CSN_TYPE_RESTRICT:
		case CSN_TYPE_ATOMIC:
		case CSN_TYPE_TYPEDEF:
		case CSN_TYPE_ARRAY:
			type = csn_type_target(type);
			continue;
		default:
			break;
		}
		if (asked)
			return asked & (asked - 1) ? 0 : asked;
		if (type->kind == CSN_TYPE_STRUCT || type->kind == CSN_TYPE_CLASS ||
		    type->kind == CSN_TYPE_UNION)
			return structure_alignment(type, work);
		if (type->kind == CSN_TYPE_MEMBER_POINTER)
			return 8;
		if (!csn_type_size(type, &size_bytes))
			return 0;
		if (type->encoding == CSN_ENCODING_COMPLEX_FLOAT)
			size_bytes /= 2;
		return size_bytes & (size_bytes - 1) || size_bytes > widest_plain ? 0 : size_bytes;
	}
	return 0;
}

uint64_t csn_type_alignment(struct csn_type *type)
{
	struct alignment_work work = { 0 };

	return alignment_of(type, &work);
}
