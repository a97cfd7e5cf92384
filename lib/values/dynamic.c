/* What an object really is. An object of a class with virtual functions begins with the address of
 * a table; in front of that stand the distance to the beginning of the whole object and the address
 * of a record with the mangled name of its class (Itanium C++ ABI, 2.5.2 and 2.9.5). All of it is
 * the process's word: a class counts when debug information knows it and the declared one fits in.
 */
#include <string.h>

#include "dwarf/named.h"
#include "symbols/demangle.h"
#include "values/values_internal.h"

/* It has a table of virtual functions, which its members or those of a base show. */
static bool has_table(struct csn_type *type, unsigned depth, unsigned *n_looked)
{
	csn_type_read_parts(type);
	for (size_t i = 0; i < type->n_members; i++) {
		const struct csn_type_member *member = &type->members[i];
		struct csn_type *base = csn_type_strip(member->type);

		if (member->kind == CSN_MEMBER_VIRTUAL_BASE ||
		    (member->kind == CSN_MEMBER_FIELD && member->name &&
		     strncmp(member->name, "_vptr", 5) == 0))
			return true;
		if (member->kind == CSN_MEMBER_BASE && base && depth < CSN_MAX_TYPE_BASES_DEEP &&
		    ++*n_looked < CSN_MAX_TYPE_BASES && has_table(base, depth + 1, n_looked))
			return true;
	}
	return false;
}

static bool is_polymorphic(struct csn_type *type)
{
	unsigned n_looked = 0;

	return has_table(type, 0, &n_looked);
}

static bool read_word(struct csn_values *values, csn_addr address, uint64_t *ret_word)
{
	size_t size_bytes = values->target->arch->word_bytes;
	uint8_t bytes[8];

	if (csn_target_read_some(values->target, address, bytes, size_bytes) != size_bytes)
		return false;
	*ret_word = csn_number_of(bytes, size_bytes, false);
	return true;
}

/* The name of the class whose record is at an address; NULL. */
static const char *read_name(struct csn_values *values, csn_addr record)
{
	char mangled[5 + CSN_MAX_RTTI_NAME] = "_ZTS";
	static const char prefix[] = "typeinfo name for ";
	const char *name;
	uint64_t address;
	size_t there;

	if (!csn_modules_find(values->modules, record) ||
	    !read_word(values, record + values->target->arch->word_bytes, &address))
		return NULL;
	there = csn_target_read_some(values->target, address, mangled + 4, CSN_MAX_RTTI_NAME);
	mangled[4 + there] = '\0';
	if (!there || strlen(mangled) == 4 + CSN_MAX_RTTI_NAME)
		return NULL;
	/* A star marks names that are compared by their address. */
	if (mangled[4] == '*')
		memmove(mangled + 4, mangled + 5, strlen(mangled + 4));
	name = csn_demangle(values->arena, mangled);
	if (!name || strncmp(name, prefix, sizeof(prefix) - 1) != 0)
		return NULL;
	return name + sizeof(prefix) - 1;
}

static struct csn_type *find_class(struct csn_values *values, struct csn_value_frame *frame,
				   struct csn_type *declared, csn_addr table, const char *name)
{
	struct csn_module *module = csn_modules_find(values->modules, table);
	struct csn_dwarf *dwarf;
	struct csn_type *found;

	found = csn_type_find_beside(declared, name);
	if (found || !module)
		return found;
	/* Objects of which nobody asks are not opened for this. */
	if (module != frame->module &&
	    (!values->may_read || !values->may_read(values->may_read_context, module)))
		return NULL;
	dwarf = csn_module_dwarf(module);
	return dwarf ? csn_type_find_named(dwarf, NULL, name) : NULL;
}

struct csn_type *csn_dynamic_type(struct csn_values *values, struct csn_value_frame *frame,
				  struct csn_type *declared, csn_addr address,
				  csn_addr *ret_address)
{
	unsigned word = values->target->arch->word_bytes;
	uint64_t table, distance, record, whole_bytes, part_bytes;
	struct csn_type *type;
	const char *name, *own;

	if (declared->kind == CSN_TYPE_UNION || !is_polymorphic(declared) ||
	    !read_word(values, address, &table) || !csn_modules_find(values->modules, table) ||
	    !read_word(values, table - 2ull * word, &distance) ||
	    !read_word(values, table - word, &record))
		return NULL;
	/* Downwards, mostly 0. */
	distance = word == 8 ? -distance : (uint32_t) - (uint32_t)distance;
	name = distance < CSN_MAX_RTTI_DISTANCE ? read_name(values, record) : NULL;
	own = csn_type_plain_name(declared);
	if (!name || (own && strcmp(name, own) == 0))
		return NULL;
	type = csn_type_strip(find_class(values, frame, declared, table, name));
	if (!type || type == declared || type->is_declaration ||
	    (type->kind != CSN_TYPE_STRUCT && type->kind != CSN_TYPE_CLASS) ||
	    !is_polymorphic(type) || !csn_type_size(type, &whole_bytes) ||
	    !csn_type_size(declared, &part_bytes) || distance > whole_bytes)
		return NULL;
	*ret_address = address - distance;
	return type;
}
