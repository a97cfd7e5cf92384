/* A unit's entry holds those of its variables, directly and in namespaces. One that is defined
 * elsewhere says no address: its name must do. */
#include <string.h>

#include "base/limits.h"
#include "dwarf/codes.h"
#include "dwarf/entry_internal.h"
#include "dwarf/variable.h"

#define CSN_OP_ADDR 0x03
#define CSN_OP_ADDRX 0xa1

/* The address that an expression of one operation says. */
static bool read_address(struct csn_unit *unit, struct csn_span expression, uint64_t *ret_address)
{
	uint8_t operation = csn_span_u8(&expression);

	if (operation == CSN_OP_ADDR)
		*ret_address = csn_span_uint(&expression, csn_unit_address_size(unit));
	else if (operation == CSN_OP_ADDRX &&
		 !csn_unit_index(unit, csn_span_uleb(&expression), ret_address))
		return false;
	return csn_span_ok(&expression) && !csn_span_left(&expression) &&
	       (operation == CSN_OP_ADDR || operation == CSN_OP_ADDRX);
}

/* Sets *ret_start. */
static bool lies_at(const struct csn_variable *variable, uint64_t address, uint64_t *ret_start)
{
	uint64_t size_bytes;

	return variable->place.kind == CSN_PLACE_EXPRESSION &&
	       read_address(variable->place.unit, variable->place.bytes, ret_start) &&
	       address >= *ret_start && csn_type_size(variable->type, &size_bytes) &&
	       address - *ret_start < size_bytes;
}

/* "shop::none" is a name of none, too. */
static bool is_named(const struct csn_variable *variable, const char *name)
{
	size_t size, length;

	if (!variable->name || !name)
		return false;
	size = strlen(variable->name);
	length = strlen(name);
	return size <= length && strcmp(name + length - size, variable->name) == 0 &&
	       (size == length || (length - size >= 2 && name[length - size - 1] == ':'));
}

bool csn_scope_global(const struct csn_scope *scope, uint64_t address, const char *name,
		      uint64_t start, struct csn_variable *ret_variable, uint64_t *ret_start)
{
	struct csn_unit *unit = scope->unit;
	struct csn_variable variable;
	struct csn_children children;
	struct csn_span at;
	bool found = false;

	if (!unit || !csn_children_begin(&children, &(struct csn_entry){ unit, unit->first_entry }))
		return false;
	for (size_t i = 0; i < CSN_MAX_UNIT_GLOBALS && csn_children_next(&children, &at); i++) {
		const struct csn_type_link link = { unit, children.offset };

		if (children.abbrev->tag == DW_TAG_variable &&
		    csn_variable_read(&link, scope->address, &variable)) {
			if (lies_at(&variable, address, ret_start)) {
				*ret_variable = variable;
				return true;
			}
			if (!found && variable.place.kind == CSN_PLACE_NONE &&
			    is_named(&variable, name)) {
				*ret_variable = variable;
				*ret_start = start;
				found = true;
			}
		}
		if (children.abbrev->tag != DW_TAG_namespace)
			csn_children_pass(&children);
	}
	return found;
}
