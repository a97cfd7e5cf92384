/* Which units hold the addresses.
 *
 * A linker's .gdb_index answers most, so does .debug_aranges where a compiler wrote it. clang and
 * rustc do not, and code without debug information is in none, so silence means nothing: the
 * addresses that are left are looked for in the root entries of all units of which no ranges were
 * told. Of these nothing is kept but what answers. */
#include <stdlib.h>

#include "base/cleanup.h"
#include "dwarf/index_internal.h"

size_t csn_spots_first(const struct csn_spot *spots, size_t n_spots, uint64_t address)
{
	size_t low = 0, high = n_spots;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (spots[middle].address < address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct search {
	struct csn_dwarf *dwarf;
	struct csn_spot *spots;
	size_t n_spots, n_left;
	uint64_t lowest, highest;
	struct csn_indexed indexed; /* owned */
	/* The unit whose ranges are told. */
	uint64_t unit_offset;
	struct csn_unit *unit; /* NULL: not yet read */
};

static bool claim(void *context, uint64_t start, uint64_t end)
{
	struct search *search = context;
	size_t i;

	if (start > search->highest || end <= search->lowest)
		return true;
	for (i = csn_spots_first(search->spots, search->n_spots, start);
	     i < search->n_spots && search->spots[i].address < end; i++) {
		if (search->spots[i].unit)
			continue;
		if (!search->unit)
			search->unit = csn_unit_at(search->dwarf, search->unit_offset);
		if (!search->unit)
			return true;
		search->spots[i].unit = search->unit;
		search->n_left--;
	}
	return true;
}

static void claim_for(void *context, uint64_t unit, uint64_t start, uint64_t end)
{
	struct search *search = context;

	if (unit != search->unit_offset) {
		search->unit_offset = unit;
		search->unit = NULL;
	}
	claim(search, start, end);
}

static void ask_unit(struct search *search, struct csn_unit *unit)
{
	if ((unit->kind != DW_UT_compile && unit->kind != DW_UT_skeleton) || !csn_unit_peek(unit))
		return;
	search->unit_offset = unit->offset;
	search->unit = NULL;
	if (unit->has_ranges)
		csn_ranges_each(unit, unit->ranges_form, unit->ranges, claim, search);
	else if (unit->has_high)
		claim(search, unit->low, unit->high);
}

/* Goes along .debug_info, over units of which an index told the addresses. */
static void ask_units(struct search *search)
{
	const struct csn_indexed_unit *known = search->indexed.units;
	const struct csn_indexed_unit *end = known ? known + search->indexed.n : NULL;
	uint64_t offset = 0;
	size_t n;

	for (n = 0; n < CSN_MAX_DWARF_UNITS && search->n_left; n++) {
		struct csn_unit unit = { .end = 0 };
		bool readable;

		while (known < end && known->offset < offset)
			known++;
		if (known < end && known->offset == offset && known->covered && known->length) {
			if (__builtin_add_overflow(offset, known->length, &offset))
				return;
			continue;
		}
		readable = csn_unit_read(search->dwarf, CSN_DEBUG_INFO, offset, &unit);
		if (unit.end <= offset)
			return;
		if (readable && !(known < end && known->offset == offset && known->covered))
			ask_unit(search, &unit);
		offset = unit.end;
	}
}

/* Units that are known by name only come first, and none of them a second time. */
static bool ask_named_units(struct search *search)
{
	struct csn_indexed *indexed = &search->indexed;
	struct csn_unit unit;
	size_t i;

	if (!csn_names_read(search->dwarf, indexed))
		return false;
	csn_indexed_sort(indexed);
	for (i = 0; i < indexed->n && search->n_left; i++) {
		if (indexed->units[i].covered ||
		    !csn_unit_read(search->dwarf, CSN_DEBUG_INFO, indexed->units[i].offset, &unit))
			continue;
		indexed->units[i].covered = true;
		ask_unit(search, &unit);
	}
	return true;
}

static bool find_units(struct search *search)
{
	if (!csn_gdb_index_read(search->dwarf, &search->indexed, claim_for, search))
		return false;
	if (!search->n_left)
		return true;
	if (!csn_aranges_read(search->dwarf, &search->indexed, claim_for, search))
		return false;
	if (!search->n_left)
		return true;
	if (!ask_named_units(search))
		return false;
	ask_units(search);
	return true;
}

bool csn_dwarf_find_units(struct csn_dwarf *dwarf, struct csn_spot *spots, size_t n_spots)
{
	struct search search = { .dwarf = dwarf,
				 .spots = spots,
				 .n_spots = n_spots,
				 .n_left = n_spots,
				 .unit_offset = UINT64_MAX };
	bool whole;

	if (!n_spots)
		return true;
	search.lowest = spots[0].address;
	search.highest = spots[n_spots - 1].address;
	whole = find_units(&search);
	free(search.indexed.units);
	return whole;
}
