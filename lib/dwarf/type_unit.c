/* Units of types: one type each, found by signature (DWARF 5, 3.1.4). In version 4 they are in a
 * section of their own, .debug_types, later among the others. Their signatures are collected when
 * the first one is asked for; most programs have no such units and most stacks need none. */
#include <stdlib.h>

#include "dwarf/split_internal.h"

struct csn_signature {
	uint64_t signature;
	enum csn_dwarf_section section;
	uint64_t offset;
};

struct csn_signatures {
	struct csn_signature *items; /* sorted */
	size_t n, capacity;
};

static int compare_signatures(const void *a, const void *b)
{
	const struct csn_signature *x = a, *y = b;

	return x->signature < y->signature ? -1 : x->signature > y->signature;
}

static bool collect(struct csn_dwarf *dwarf, enum csn_dwarf_section section,
		    const struct csn_unit_list *list)
{
	struct csn_signatures *found = dwarf->signatures;
	struct csn_unit unit;
	size_t i;

	if (!csn_units_list(dwarf, section, UINT64_MAX))
		return false;
	for (i = 0; i < list->n; i++) {
		if (!csn_unit_read(dwarf, section, list->offsets[i], &unit) ||
		    (unit.kind != DW_UT_type && unit.kind != DW_UT_split_type))
			continue;
		found->items = csn_arena_grow(dwarf->arena, found->items, found->n,
					      &found->capacity, sizeof(*found->items));
		if (!found->items) {
			found->n = 0;
			return false;
		}
		found->items[found->n++] =
			(struct csn_signature){ unit.id, section, list->offsets[i] };
	}
	return true;
}

static const struct csn_signature *find_signature(struct csn_dwarf *dwarf, uint64_t signature)
{
	const struct csn_signature key = { .signature = signature };

	if (!dwarf->signatures) {
		dwarf->signatures = csn_arena_alloc(dwarf->arena, sizeof(*dwarf->signatures));
		if (!dwarf->signatures || !collect(dwarf, CSN_DEBUG_INFO, &dwarf->info_units) ||
		    !collect(dwarf, CSN_DEBUG_TYPES, &dwarf->type_units))
			return NULL;
		if (dwarf->signatures->n)
			qsort(dwarf->signatures->items, dwarf->signatures->n,
			      sizeof(*dwarf->signatures->items), compare_signatures);
	}
	if (!dwarf->signatures->n)
		return NULL;
	return bsearch(&key, dwarf->signatures->items, dwarf->signatures->n, sizeof(key),
		       compare_signatures);
}

bool csn_type_find(struct csn_dwarf *dwarf, uint64_t signature, struct csn_entry *ret_entry)
{
	const struct csn_signature *found;
	struct csn_unit header, *unit;

	if (csn_dwarf_is_package(dwarf)) {
		if (!csn_package_find(dwarf, CSN_DEBUG_TU_INDEX, signature, &header))
			return false;
	} else {
		found = find_signature(dwarf, signature);
		if (!found || !csn_unit_read(dwarf, found->section, found->offset, &header))
			return false;
	}
	unit = csn_unit_keep(&header);
	if (!unit || unit->type_entry < unit->first_entry || unit->type_entry >= unit->end)
		return false;
	*ret_entry = (struct csn_entry){ unit, unit->type_entry };
	return true;
}
