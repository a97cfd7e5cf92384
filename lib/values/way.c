/* The way from an object to one of its parts by an offset, in the words of the program. */
#include <inttypes.h>
#include <string.h>

#include "base/limits.h"
#include "values/places.h"

/* One step of the way: into which part, at which offset of it. */
struct way {
	struct csn_type *type;
	int64_t offset;
	struct csn_buf *text;
	bool arrow; /* the next member is one of what a pointer points to */
	unsigned depth;
};

static bool find(struct way *way, struct csn_value_part *ret_part);

static bool is_structure(const struct csn_type *type)
{
	return type->kind == CSN_TYPE_STRUCT || type->kind == CSN_TYPE_CLASS ||
	       type->kind == CSN_TYPE_UNION;
}

static bool is_pointer(const struct csn_type *type)
{
	return type->kind == CSN_TYPE_POINTER || type->kind == CSN_TYPE_REFERENCE ||
	       type->kind == CSN_TYPE_RVALUE_REFERENCE;
}

bool csn_value_has_parts(struct csn_type *type)
{
	type = csn_type_strip(type);
	return type && (is_structure(type) || type->kind == CSN_TYPE_ARRAY);
}

struct csn_type *csn_value_pointee(struct csn_type *pointer, uint64_t *ret_size_bytes)
{
	struct csn_type *target;

	pointer = csn_type_strip(pointer);
	target = pointer && is_pointer(pointer) ? csn_type_strip(csn_type_target(pointer)) : NULL;
	*ret_size_bytes = csn_value_size(target);
	return target;
}

/* The member that an offset lies in; NULL when there is none, or more than one. Members without
 * size are at the end of a structure. */
static const struct csn_type_member *find_member(const struct csn_type *type, uint64_t offset)
{
	const struct csn_type_member *found = NULL;

	for (size_t i = 0; i < type->n_members; i++) {
		const struct csn_type_member *member = &type->members[i];
		uint64_t size_bytes = csn_value_size(member->type);

		if (member->kind != CSN_MEMBER_FIELD && member->kind != CSN_MEMBER_BASE)
			continue;
		if (offset < member->offset_bytes ||
		    (size_bytes ? offset - member->offset_bytes >= size_bytes
				: i + 1 != type->n_members))
			continue;
		/* Bases without members of their own take no room. */
		if (member->kind == CSN_MEMBER_BASE && size_bytes == 1)
			continue;
		if (member->is_bit_field || found)
			return NULL;
		found = member;
	}
	return found;
}

static bool find_in_structure(struct way *way, struct csn_value_part *ret_part)
{
	const struct csn_type_member *member;

	csn_type_read_parts(way->type);
	if (way->offset < 0 || way->type->is_declaration)
		return false;
	member = find_member(way->type, (uint64_t)way->offset);
	if (!member)
		return false;
	if (member->name && strncmp(member->name, "_vptr", 5) == 0) {
		*ret_part = (struct csn_value_part){ .type = csn_type_strip(member->type),
						     .is_table = true };
		return (uint64_t)way->offset == member->offset_bytes;
	}
	/* A base class, and a union or structure without name, is the object itself. */
	if (member->kind == CSN_MEMBER_FIELD && member->name) {
		csn_buf_printf(way->text, "%s%s", way->arrow ? "->" : ".", member->name);
		way->arrow = false;
	} else if (!csn_value_has_parts(member->type)) {
		return false;
	}
	way->offset -= (int64_t)member->offset_bytes;
	way->type = member->type;
	return find(way, ret_part);
}

/* Of arrays the first dimension may be left: programs do. */
static bool find_in_array(struct way *way, struct csn_value_part *ret_part)
{
	struct csn_type *element = csn_type_target(way->type);
	uint64_t stride = csn_value_size(element), size = stride;
	int64_t index;

	csn_type_read_parts(way->type);
	if (!stride || stride > INT32_MAX || !way->type->n_dimensions ||
	    way->type->n_dimensions > 8)
		return false;
	for (size_t i = 1; i < way->type->n_dimensions; i++)
		if (way->type->dimensions[i].kind != CSN_BOUND_CONSTANT ||
		    __builtin_mul_overflow(size,
					   (uint64_t)way->type->dimensions[i].value +
						   way->type->dimensions[i].is_last,
					   &size) ||
		    !size || size > INT32_MAX)
			return false;
	for (size_t i = 0; i < way->type->n_dimensions; i++) {
		index = way->offset / (int64_t)size - (way->offset % (int64_t)size < 0);
		csn_buf_printf(way->text, "[%" PRId64 "]", index);
		way->offset -= index * (int64_t)size;
		if (i + 1 < way->type->n_dimensions)
			size /= (uint64_t)way->type->dimensions[i + 1].value +
				way->type->dimensions[i + 1].is_last;
	}
	way->type = element;
	return find(way, ret_part);
}

static bool find(struct way *way, struct csn_value_part *ret_part)
{
	struct csn_type *type = csn_type_strip(way->type);

	if (!type || ++way->depth > CSN_MAX_VALUE_DEPTH)
		return false;
	way->type = type;
	if (is_structure(type))
		return find_in_structure(way, ret_part);
	if (type->kind == CSN_TYPE_ARRAY)
		return find_in_array(way, ret_part);
	*ret_part = (struct csn_value_part){ .type = type };
	return way->offset == 0 && csn_buf_ok(way->text);
}

bool csn_value_find_part(struct csn_type *type, int64_t offset_bytes, struct csn_buf *text,
			 struct csn_value_part *ret_part)
{
	struct way way = { .type = type, .offset = offset_bytes, .text = text };

	return find(&way, ret_part);
}

/* Puts "*name", or "(*name)" for those who go on, into text, which holds the name. */
static bool dereference(struct csn_buf *text, bool goes_on)
{
	char name[256];

	if (!csn_buf_ok(text) || text->size >= sizeof(name))
		return false;
	memcpy(name, csn_buf_text(text), text->size + 1);
	csn_buf_clear(text);
	csn_buf_printf(text, goes_on ? "(*%s)" : "*%s", name);
	return csn_buf_ok(text);
}

bool csn_value_find_behind(struct csn_type *pointer, int64_t offset_bytes, struct csn_buf *text,
			   struct csn_value_part *ret_part)
{
	uint64_t size_bytes;
	struct csn_type *target = csn_value_pointee(pointer, &size_bytes);
	struct way way = { .type = target, .offset = offset_bytes, .text = text };
	size_t length = text->size;
	bool is_reference;
	int64_t index;

	pointer = csn_type_strip(pointer);
	if (!target || !size_bytes || size_bytes > INT32_MAX)
		return false;
	is_reference = pointer->kind != CSN_TYPE_POINTER;
	index = offset_bytes / (int64_t)size_bytes - (offset_bytes % (int64_t)size_bytes < 0);
	if (is_reference)
		return find(&way, ret_part);
	if (target->kind == CSN_TYPE_ARRAY)
		return dereference(text, true) && find(&way, ret_part);
	if (index) {
		csn_buf_printf(text, "[%" PRId64 "]", index);
		way.offset -= index * (int64_t)size_bytes;
		return find(&way, ret_part);
	}
	if (!is_structure(target))
		return offset_bytes == 0 && dereference(text, false) && find(&way, ret_part);
	way.arrow = true;
	if (!find(&way, ret_part) || !csn_buf_ok(text))
		return false;
	return text->size > length || dereference(text, false);
}
