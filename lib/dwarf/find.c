/* Which units hold the addresses.
 *
 * .debug_aranges answers most where a compiler wrote it. clang and rustc do not, so its silence
 * means nothing: the addresses that are left are looked for in the root entries of all units that
 * have no set there. */
#include <stdlib.h>

#include "base/cleanup.h"
#include "dwarf/source_internal.h"

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
	struct csn_unit *unit; /* being asked */
	uint64_t unit_offset;  /* being asked, not yet read */
	uint64_t *listed;      /* owned; units with a set, sorted before use */
	size_t n_listed, capacity;
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

static bool remember(struct search *search, uint64_t offset)
{
	if (search->n_listed == search->capacity) {
		size_t wanted = search->capacity ? search->capacity * 2 : 256;
		uint64_t *grown = reallocarray(search->listed, wanted, sizeof(*grown));

		if (!grown)
			return false;
		search->listed = grown;
		search->capacity = wanted;
	}
	search->listed[search->n_listed++] = offset;
	return true;
}

/* The pairs of one set (DWARF 5, 6.1.2); set is its body, aligned from its header's start. */
static void read_pairs(struct search *search, struct csn_span *set, unsigned width)
{
	for (;;) {
		uint64_t start = csn_span_uint(set, width), size = csn_span_uint(set, width);

		if (!csn_span_ok(set) || (!start && !size))
			return;
		if (size && start <= UINT64_MAX - size)
			claim(search, start, start + size);
	}
}

static bool read_aranges(struct search *search)
{
	struct csn_span all = csn_dwarf_bytes(search->dwarf, CSN_DEBUG_ARANGES, UINT64_MAX);

	while (csn_span_left(&all)) {
		uint64_t begin = all.at, length = csn_span_u32(&all);
		unsigned offset_size = 4, width;
		struct csn_span set;
		size_t pair;

		if (length == 0xffffffff) {
			length = csn_span_u64(&all);
			offset_size = 8;
		}
		begin = all.at - begin;
		set = csn_span_take(&all, length);
		if (csn_span_u16(&set) != 2)
			continue;
		search->unit_offset = csn_span_uint(&set, offset_size);
		width = csn_span_u8(&set);
		csn_span_skip(&set, 1);
		if (!csn_span_ok(&set) || (width != 4 && width != 8))
			continue;
		/* Pairs are aligned to their size, counted from the set's length field. */
		pair = (size_t)2 * width;
		csn_span_skip(&set, (pair - (set.at + begin) % pair) % pair);
		search->unit = NULL;
		if (!remember(search, search->unit_offset))
			return false;
		read_pairs(search, &set, width);
	}
	return true;
}

static int compare_offsets(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void ask_unit(struct search *search, uint64_t offset)
{
	struct csn_unit *unit = csn_unit_at(search->dwarf, offset);

	if (!unit || (unit->kind != DW_UT_compile && unit->kind != DW_UT_skeleton) ||
	    !csn_unit_open(unit))
		return;
	search->unit = unit;
	if (unit->has_ranges)
		csn_ranges_each(unit, unit->ranges_form, unit->ranges, claim, search);
	else if (unit->has_high)
		claim(search, unit->low, unit->high);
}

static bool ask_units(struct search *search)
{
	struct csn_dwarf *dwarf = search->dwarf;
	size_t i;

	if (!csn_dwarf_list_units(dwarf))
		return false;
	if (search->n_listed)
		qsort(search->listed, search->n_listed, sizeof(*search->listed), compare_offsets);
	for (i = 0; i < dwarf->n_unit_offsets && search->n_left; i++) {
		if (search->n_listed &&
		    bsearch(&dwarf->unit_offsets[i], search->listed, search->n_listed,
			    sizeof(*search->listed), compare_offsets))
			continue;
		ask_unit(search, dwarf->unit_offsets[i]);
	}
	return true;
}

bool csn_dwarf_find_units(struct csn_dwarf *dwarf, struct csn_spot *spots, size_t n_spots)
{
	struct search search = { .dwarf = dwarf, .spots = spots, .n_spots = n_spots };
	bool whole;

	if (!n_spots)
		return true;
	search.n_left = n_spots;
	search.lowest = spots[0].address;
	search.highest = spots[n_spots - 1].address;
	whole = read_aranges(&search) && (!search.n_left || ask_units(&search));
	free(search.listed);
	return whole;
}
