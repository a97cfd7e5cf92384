/* Members by their paths, and what they hold. */
#include <string.h>

#include "dwarf/named.h"
#include "values/printer.h"

/* A search for one member. */
struct search {
	const char *name;
	size_t length;
	unsigned steps; /* members looked at */
	struct csn_part found;
};

struct csn_part csn_part_in_memory(csn_addr address, struct csn_type *type)
{
	return (struct csn_part){
		.object = { .kind = CSN_OBJECT_MEMORY, .address = address },
		.type = type,
	};
}

/* The structure that a type is, its members read; NULL when it is none or only declared. */
static struct csn_type *structure_of(struct csn_type *type)
{
	type = csn_type_strip(type);
	if (!type || (type->kind != CSN_TYPE_STRUCT && type->kind != CSN_TYPE_CLASS &&
		      type->kind != CSN_TYPE_UNION))
		return NULL;
	type = csn_type_complete(type);
	if (type->is_declaration)
		return NULL;
	csn_type_read_parts(type);
	return type;
}

static struct csn_part part_of(const struct csn_part *of, const struct csn_type_member *member)
{
	return (struct csn_part){
		.object = csn_object_part(&of->object, member->offset_bytes),
		.type = member->type,
	};
}

static bool is_named(const struct csn_type_member *member, const struct search *search)
{
	return member->kind == CSN_MEMBER_FIELD && !member->is_bit_field && member->name &&
	       strncmp(member->name, search->name, search->length) == 0 &&
	       !member->name[search->length];
}

/* First among its own members, then in those without names and in base classes. */
static bool find_member(struct search *search, const struct csn_part *of, unsigned nesting)
{
	struct csn_type *type = structure_of(of->type);

	if (!type || nesting > CSN_MAX_VALUE_DEPTH)
		return false;
	for (size_t i = 0; i < type->n_members; i++) {
		if (search->steps++ >= CSN_MAX_MEMBER_STEPS)
			return false;
		if (is_named(&type->members[i], search)) {
			search->found = part_of(of, &type->members[i]);
			return true;
		}
	}
	for (size_t i = 0; i < type->n_members; i++) {
		const struct csn_type_member *member = &type->members[i];
		struct csn_part inner = part_of(of, member);

		if (search->steps++ >= CSN_MAX_MEMBER_STEPS)
			return false;
		if ((member->kind == CSN_MEMBER_BASE ||
		     (member->kind == CSN_MEMBER_FIELD && !member->name)) &&
		    find_member(search, &inner, nesting + 1))
			return true;
	}
	return false;
}

bool csn_part_find(struct csn_values *values, const struct csn_part *of, const char *path,
		   struct csn_part *ret_part)
{
	struct csn_part at = *of;

	while (*path) {
		struct search search = { .name = path, .length = strcspn(path, ".-") };

		if (!find_member(&search, &at, 0))
			return false;
		at = search.found;
		path += search.length;
		if (*path == '-') {
			path += 2;
			if (!csn_part_follow(values, &at, &at))
				return false;
		} else if (*path) {
			path++;
		}
	}
	*ret_part = at;
	return true;
}

bool csn_part_base(const struct csn_part *of, size_t n, struct csn_part *ret_part)
{
	struct csn_type *type = structure_of(of->type);

	if (!type)
		return false;
	for (size_t i = 0; i < type->n_members; i++) {
		if (type->members[i].kind != CSN_MEMBER_BASE || n--)
			continue;
		*ret_part = part_of(of, &type->members[i]);
		return true;
	}
	return false;
}

bool csn_part_number(struct csn_values *values, const struct csn_part *part, uint64_t *ret_number)
{
	struct csn_type *type = csn_type_strip(part->type);
	uint8_t bytes[8];
	uint64_t size_bytes;

	if (!type ||
	    (type->kind != CSN_TYPE_BASE && type->kind != CSN_TYPE_ENUM &&
	     type->kind != CSN_TYPE_POINTER) ||
	    !csn_type_size(type, &size_bytes) || !size_bytes || size_bytes > sizeof(bytes) ||
	    csn_object_read(values, &part->object, bytes, size_bytes) != CSN_VALUE_OK)
		return false;
	*ret_number = csn_number_of(bytes, size_bytes,
				    type->encoding == CSN_ENCODING_SIGNED ||
					    type->encoding == CSN_ENCODING_SIGNED_CHAR);
	return true;
}

bool csn_part_number_at(struct csn_values *values, const struct csn_part *of, const char *path,
			uint64_t *ret_number)
{
	struct csn_part part;

	return csn_part_find(values, of, path, &part) && csn_part_number(values, &part, ret_number);
}

bool csn_part_follow(struct csn_values *values, const struct csn_part *pointer,
		     struct csn_part *ret_part)
{
	struct csn_type *type = csn_type_strip(pointer->type);
	uint64_t address;

	if (!type || type->kind != CSN_TYPE_POINTER || !csn_part_number(values, pointer, &address))
		return false;
	*ret_part = csn_part_in_memory(address, csn_type_target(type));
	return true;
}

bool csn_part_behind(struct csn_values *values, csn_addr address, uint64_t header_bytes,
		     struct csn_type *type, struct csn_part *ret_part)
{
	uint64_t alignment = csn_type_alignment(type);

	if (!alignment || alignment > CSN_MAX_VALUE_BYTES)
		return false;
	/* Within structures of 32-bit programs nothing is aligned to more. */
	if (values->target->arch->word_bytes == 4)
		alignment = csn_min_u64(alignment, 4);
	header_bytes = (header_bytes + alignment - 1) / alignment * alignment;
	*ret_part = csn_part_in_memory(address + header_bytes, type);
	return true;
}

struct csn_type *csn_type_argument_type(struct csn_type *type, size_t n)
{
	csn_type_read_parts(type);
	if (n >= type->n_arguments || type->arguments[n].is_value)
		return NULL;
	return type->arguments[n].type;
}

bool csn_memory_is_plausible(struct csn_values *values, csn_addr address, uint64_t size_bytes)
{
	csn_addr last;

	if (!size_bytes)
		return true;
	return !__builtin_add_overflow(address, size_bytes - 1, &last) &&
	       csn_target_memory(values->target, address) != CSN_MEMORY_UNMAPPED &&
	       csn_target_memory(values->target, last) != CSN_MEMORY_UNMAPPED;
}
