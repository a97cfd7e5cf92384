/* Entries outside functions, with the scopes around them. */
#ifndef CSN_DWARF_OUTER_INTERNAL_H
#define CSN_DWARF_OUTER_INTERNAL_H

#include "dwarf/entry_internal.h"

struct csn_outer {
	struct csn_unit *unit;
	uint64_t offset; /* of the entry */
	uint16_t tag;
	const char *scopes; /* "ns::", "" none; as long as the csn_dwarf */
	const char *name;   /* NULL: none of its own */
	bool is_declaration, has_place, has_origin;
	bool has_signature; /* it is whole in a type unit */
};

/* False: enough. */
typedef bool (*csn_outer_fn)(void *context, const struct csn_outer *entry);
/* Calls for each structure, union and enumeration of the unit, or (variables) for each variable;
 * false when the callback said enough. */
bool csn_outer_each(struct csn_unit *unit, bool variables, csn_outer_fn each, void *context);

/* names_index.c: the entries that have a name, by what a linker or compiler wrote for it; calls
 * with the unit's offset and the entry's, 0: unknown. full has scopes, leaf has none. False: there
 * is no such index. */
typedef bool (*csn_indexed_name_fn)(void *context, uint64_t unit, uint64_t entry);
bool csn_names_index_find(struct csn_dwarf *dwarf, bool variables, const char *full,
			  const char *leaf, csn_indexed_name_fn each, void *context);
/* Calls for each unit with a variable that has a wanted name, as the index has it: with scopes or
 * (.debug_names) without. False: there is no index, or it does not say what is a variable. */
typedef bool (*csn_wanted_fn)(void *context, const char *name);
bool csn_names_index_variables(struct csn_dwarf *dwarf, csn_wanted_fn wanted, void *wanted_context,
			       csn_indexed_name_fn each, void *context);

#endif
