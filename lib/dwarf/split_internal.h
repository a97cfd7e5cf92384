/* What is found by its number: units of packages (split.c) and units of types (type_unit.c). */
#ifndef CSN_DWARF_SPLIT_INTERNAL_H
#define CSN_DWARF_SPLIT_INTERNAL_H

#include "dwarf/source_internal.h"

/* The unit with this id, by CSN_DEBUG_CU_INDEX or CSN_DEBUG_TU_INDEX; it is not kept. False when
 * there is none or no such index. */
bool csn_package_find(struct csn_dwarf *dwarf, enum csn_dwarf_section index, uint64_t id,
		      struct csn_unit *ret_unit);
/* True when the object is a package. */
bool csn_dwarf_is_package(struct csn_dwarf *dwarf);

/* The type with this signature, in the object or package. */
bool csn_type_find(struct csn_dwarf *dwarf, uint64_t signature, struct csn_entry *ret_entry);

#endif
