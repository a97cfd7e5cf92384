#include "values/handle.h"

#include <string.h>

#include "values/printer.h"

struct csn_handle csn_handle_of(struct csn_value_frame *frame, const struct csn_value_node *node)
{
	return (struct csn_handle){
		.frame = frame,
		.node = node,
		.type = node->declared,
		.has_address = node->has_address,
		.address = node->address,
		.has_number = node->has_number && !node->has_address,
		.number = node->number,
	};
}

struct csn_handle csn_handle_at(struct csn_value_frame *frame, csn_addr address,
				struct csn_type *type)
{
	return (struct csn_handle){
		.frame = frame, .type = type, .has_address = true, .address = address
	};
}

bool csn_handle_of_variable(struct csn_values *values, struct csn_value_frame *frame,
			    const struct csn_variable *variable, struct csn_handle *ret_handle)
{
	struct csn_value_node node = { .declared = variable->type };
	struct csn_object object;
	uint64_t size_bytes = 0;
	uint8_t bytes[8];

	(void)csn_type_size(variable->type, &size_bytes);
	csn_object_find(values, frame, &variable->place, size_bytes, &object);
	if (object.kind == CSN_OBJECT_MEMORY) {
		node.has_address = true;
		node.address = object.address;
	} else if (size_bytes && size_bytes <= sizeof(bytes) &&
		   csn_object_read(values, &object, bytes, size_bytes) == CSN_VALUE_OK) {
		node.has_number = true;
		node.number = csn_number_of(bytes, size_bytes, false);
	} else {
		return false;
	}
	*ret_handle = csn_handle_of(frame, &node);
	ret_handle->node = NULL;
	return true;
}

/* The handle as a part; bytes is room for a number. */
static struct csn_part part_of(const struct csn_handle *handle, uint8_t bytes[8])
{
	struct csn_part part = csn_part_in_memory(handle->address, handle->type);

	if (handle->has_address)
		return part;
	for (unsigned i = 0; i < 8; i++)
		bytes[i] = (uint8_t)(handle->number >> (8 * i));
	part.object =
		(struct csn_object){ .kind = CSN_OBJECT_BYTES, .bytes = bytes, .size_bytes = 8 };
	if (!handle->has_number)
		part.object = (struct csn_object){ .kind = CSN_OBJECT_MISSING,
						   .state = CSN_VALUE_UNSUPPORTED };
	return part;
}

static bool is_pointer(const struct csn_type *type)
{
	return type && (type->kind == CSN_TYPE_POINTER || type->kind == CSN_TYPE_REFERENCE ||
			type->kind == CSN_TYPE_RVALUE_REFERENCE);
}

bool csn_handle_number(struct csn_values *values, const struct csn_handle *handle,
		       uint64_t *ret_number)
{
	struct csn_type *type = csn_type_strip(handle->type);
	unsigned word_bytes = values->target->arch->word_bytes;
	struct csn_part part;
	uint8_t bytes[8];

	if (handle->has_number) {
		*ret_number = handle->number;
		return true;
	}
	part = part_of(handle, bytes);
	if (type && type->kind == CSN_TYPE_BASE && type->encoding == CSN_ENCODING_FLOAT)
		return false;
	if (!is_pointer(type))
		return csn_part_number(values, &part, ret_number);
	if (csn_object_read(values, &part.object, bytes, word_bytes) != CSN_VALUE_OK)
		return false;
	*ret_number = csn_number_of(bytes, word_bytes, false);
	return true;
}

bool csn_handle_float(struct csn_values *values, const struct csn_handle *handle,
		      double *ret_number)
{
	struct csn_type *type = csn_type_strip(handle->type);
	uint8_t bytes[8], read[sizeof(double)];
	struct csn_part part;
	uint64_t size_bytes;
	float narrow;

	if (!type || type->kind != CSN_TYPE_BASE || type->encoding != CSN_ENCODING_FLOAT ||
	    !csn_type_size(type, &size_bytes) ||
	    (size_bytes != sizeof(double) && size_bytes != sizeof(narrow)))
		return false;
	part = part_of(handle, bytes);
	if (csn_object_read(values, &part.object, read, size_bytes) != CSN_VALUE_OK)
		return false;
	if (size_bytes == sizeof(double)) {
		memcpy(ret_number, read, sizeof(double));
	} else {
		memcpy(&narrow, read, sizeof(narrow));
		*ret_number = (double)narrow;
	}
	return true;
}

bool csn_handle_deref(struct csn_values *values, const struct csn_handle *handle,
		      struct csn_handle *ret_target)
{
	struct csn_type *type = csn_type_strip(handle->type), *target;
	uint64_t address;

	if (!is_pointer(type) || !csn_handle_number(values, handle, &address))
		return false;
	target = csn_type_target(type);
	if (!target)
		return false;
	*ret_target = csn_handle_at(handle->frame, address, target);
	return true;
}

/* A field of bits, which has no address of its own, becomes a number. */
static bool find_bits(struct csn_values *values, const struct csn_handle *whole, const char *name,
		      struct csn_handle *ret_member)
{
	struct csn_type *type = csn_type_strip(whole->type);
	uint8_t bytes[16], field[8];
	uint64_t size_bytes;

	if (!type)
		return false;
	csn_type_read_parts(type);
	for (size_t i = 0; i < type->n_members; i++) {
		const struct csn_type_member *member = &type->members[i];
		struct csn_type *base = csn_type_strip(member->type);

		if (!member->is_bit_field || !member->name || strcmp(member->name, name) != 0)
			continue;
		size_bytes = ((uint64_t)member->bit_offset + member->bit_size + 7) / 8;
		if (!base || size_bytes > 9 ||
		    csn_target_read_some(values->target, whole->address + member->offset_bytes,
					 bytes, size_bytes) != size_bytes)
			return false;
		csn_take_bits(bytes, size_bytes, base, member, field);
		*ret_member = (struct csn_handle){ .frame = whole->frame,
						   .type = member->type,
						   .has_number = true,
						   .number = csn_number_of(field, 8, false) };
		return true;
	}
	return false;
}

/* Of a structure that lies in several places its parts were told. */
static bool find_told(const struct csn_handle *handle, const char *name,
		      struct csn_handle *ret_member)
{
	const struct csn_value_node *node = handle->node;

	for (size_t i = 0; node && !node->parts_are_target && i < node->n_parts; i++)
		if (node->parts[i].name && strcmp(node->parts[i].name, name) == 0) {
			*ret_member = csn_handle_of(handle->frame, &node->parts[i]);
			return true;
		}
	return false;
}

bool csn_handle_member(struct csn_values *values, const struct csn_handle *handle, const char *path,
		       struct csn_handle *ret_member)
{
	struct csn_handle at = *handle;
	struct csn_part whole, found;
	uint8_t bytes[8];

	/* A reference to a pointer takes two. */
	for (unsigned i = 0; i < 2 && is_pointer(csn_type_strip(at.type)); i++)
		if (!csn_handle_deref(values, &at, &at))
			return false;
	if (!at.has_address)
		return find_told(&at, path, ret_member);
	whole = part_of(&at, bytes);
	if (!csn_part_find(values, &whole, path, &found))
		return find_bits(values, &at, path, ret_member);
	if (found.object.kind != CSN_OBJECT_MEMORY)
		return false;
	*ret_member = csn_handle_at(at.frame, found.object.address, found.type);
	return true;
}

bool csn_handle_count(const struct csn_handle *handle, uint64_t *ret_count)
{
	struct csn_type *type = csn_type_strip(handle->type);
	uint64_t count = 1;

	if (!type || type->kind != CSN_TYPE_ARRAY)
		return false;
	csn_type_read_parts(type);
	for (size_t i = 0; i < type->n_dimensions; i++) {
		const struct csn_dimension *dimension = &type->dimensions[i];
		int64_t n;

		if (dimension->kind != CSN_BOUND_CONSTANT ||
		    __builtin_add_overflow(dimension->value, (int64_t)dimension->is_last, &n) ||
		    n < 0 || __builtin_mul_overflow(count, (uint64_t)n, &count))
			return false;
	}
	*ret_count = count;
	return type->n_dimensions > 0;
}

bool csn_handle_element(struct csn_values *values, const struct csn_handle *handle, uint64_t index,
			struct csn_handle *ret_element)
{
	struct csn_type *type = csn_type_strip(handle->type), *element;
	csn_addr base = handle->address;
	uint64_t count, size_bytes, offset;

	if (!type)
		return false;
	element = csn_type_target(type);
	if (type->kind == CSN_TYPE_POINTER) {
		if (!csn_handle_number(values, handle, &base))
			return false;
	} else if (type->kind != CSN_TYPE_ARRAY || !handle->has_address ||
		   (csn_handle_count(handle, &count) && index >= count)) {
		return false;
	}
	if (!element || !csn_type_size(element, &size_bytes) || !size_bytes ||
	    __builtin_mul_overflow(index, size_bytes, &offset))
		return false;
	*ret_element = csn_handle_at(handle->frame, base + offset, element);
	return true;
}

void csn_handle_show(struct csn_values *values, const struct csn_handle *handle,
		     struct csn_value_node *ret_node)
{
	uint8_t bytes[8];
	struct csn_part part = part_of(handle, bytes);

	*ret_node = (struct csn_value_node){ .type = csn_type_text(handle->type) };
	csn_value_fill(values, handle->frame, &part.object, part.type, 0, values->budget.follow,
		       ret_node);
}

void csn_text_drop_marks(char *text)
{
	char *to = text;

	for (const char *from = text; *from; from++)
		if (*from == CSN_SYMBOL_MARK)
			from += strnlen(from + 1, 16);
		else
			*to++ = *from;
	*to = '\0';
}
