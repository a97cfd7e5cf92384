/* Types and variables of a whole object by their names.
 *
 * An index of names that a linker or compiler wrote tells the units that are worth a look. Without
 * one only an object with little debug information is looked through, once; others keep their
 * secrets. Results live as long as the csn_dwarf. One thread at a time. */
#ifndef CSN_DWARF_NAMED_H
#define CSN_DWARF_NAMED_H

#include "dwarf/variable.h"

/* The definition of a structure, union or enumeration by its name with scopes. near: a unit of the
 * object that is looked through first; NULL none. NULL: not found. */
struct csn_type *csn_type_find_named(struct csn_dwarf *dwarf, struct csn_unit *near,
				     const char *name);
/* The same in the object of another type, whose unit is looked through first. */
struct csn_type *csn_type_find_beside(const struct csn_type *type, const char *name);
/* Of a structure that is only declared: its definition if that can be found, else itself. */
struct csn_type *csn_type_complete(struct csn_type *type);
/* The definition of a static member by the structure and its own name. */
bool csn_member_find_named(struct csn_type *of, const char *name, struct csn_type_link *ret_entry);

/* A variable outside functions. */
struct csn_global {
	const char *name; /* with scopes */
	const char *file; /* of its unit; NULL unknown */
	struct csn_type_link entry;
};

struct csn_globals_query {
	/* Is the variable of this name wanted? NULL: all are. An index without scopes asks for the
	 * name without them, so of a name that matches with its scopes only, none may be found. */
	bool (*wanted)(void *context, const char *name);
	bool (*each)(void *context, const struct csn_global *global); /* false: enough */
	void *context;
};

/* Calls for the variables of all units, in the order of the debug information. */
void csn_dwarf_each_global(struct csn_dwarf *dwarf, const struct csn_globals_query *query);

#endif
