/* Abbreviations: what the attributes of entries are, compiled from .debug_abbrev. */
#ifndef CSN_DWARF_ABBREV_INTERNAL_H
#define CSN_DWARF_ABBREV_INTERNAL_H

#include "base/limits.h"
#include "dwarf/source.h"

struct csn_attr_spec {
	uint16_t name, form;
	int64_t implicit; /* DW_FORM_implicit_const */
};

struct csn_abbrev {
	uint64_t code;
	uint16_t tag;
	bool children;
	bool has_code;    /* says where its code is: low_pc or ranges */
	bool has_sibling; /* DW_AT_sibling */
	/* All attributes together take bytes + addresses * address size + offsets * offset size. */
	bool is_fixed;
	uint32_t bytes, addresses, offsets;
	/* DW_AT_sibling lies behind so much of them, when that is the same for every entry. */
	bool sibling_is_fixed;
	uint32_t sibling_bytes, sibling_addresses, sibling_offsets;
	uint32_t sibling_spec; /* index of it in specs */
	uint32_t n_specs;
	const struct csn_attr_spec *specs;
};

/* One table of .debug_abbrev, shared by the units that name its offset. */
struct csn_abbrevs {
	struct csn_abbrevs *next;
	uint64_t offset;
	struct csn_abbrev *items; /* sorted by code */
	size_t n_items;
	bool any_sibling;
};

/* The table at an offset, read once. NULL when broken or out of memory. */
struct csn_abbrevs *csn_abbrevs_get(struct csn_dwarf *dwarf, uint64_t offset);
/* One abbreviation of the table at an offset, when it is found in a short look and has no more than
 * CSN_MAX_ROOT_SPECS attributes, for which there is room in specs. Nothing is kept. */
bool csn_abbrev_peek(struct csn_dwarf *dwarf, uint64_t offset, uint64_t code,
		     struct csn_attr_spec specs[CSN_MAX_ROOT_SPECS], struct csn_abbrev *ret_abbrev);
const struct csn_abbrev *csn_abbrevs_search(const struct csn_abbrevs *abbrevs, uint64_t code);

static inline const struct csn_abbrev *csn_abbrev_find(const struct csn_abbrevs *abbrevs,
						       uint64_t code)
{
	/* Compilers number from 1 without gaps. */
	if (code - 1 < abbrevs->n_items && abbrevs->items[code - 1].code == code)
		return &abbrevs->items[code - 1];
	return csn_abbrevs_search(abbrevs, code);
}

#endif
