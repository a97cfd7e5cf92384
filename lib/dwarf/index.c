#include "dwarf/index_internal.h"

#include <stdlib.h>

#include "base/cleanup.h"

bool csn_indexed_add(struct csn_indexed *indexed, uint64_t offset, uint64_t length, bool covered)
{
	if (indexed->n == indexed->capacity) {
		size_t wanted = indexed->capacity ? indexed->capacity * 2 : 256;
		struct csn_indexed_unit *grown =
			reallocarray(indexed->units, wanted, sizeof(*grown));

		if (!grown)
			return false;
		indexed->units = grown;
		indexed->capacity = wanted;
	}
	indexed->units[indexed->n++] = (struct csn_indexed_unit){ offset, length, covered };
	return true;
}

static int compare_units(const void *a, const void *b)
{
	const struct csn_indexed_unit *x = a, *y = b;

	return x->offset < y->offset ? -1 : x->offset > y->offset;
}

void csn_indexed_sort(struct csn_indexed *indexed)
{
	size_t i, n = 0;

	if (!indexed->n)
		return;
	/* Linkers write most of them in order. */
	for (i = 1; i < indexed->n && indexed->units[i - 1].offset <= indexed->units[i].offset; i++)
		;
	if (i < indexed->n)
		qsort(indexed->units, indexed->n, sizeof(*indexed->units), compare_units);
	for (i = 1; i < indexed->n; i++) {
		struct csn_indexed_unit *last = &indexed->units[n], *unit = &indexed->units[i];

		if (unit->offset != last->offset) {
			indexed->units[++n] = *unit;
			continue;
		}
		last->covered |= unit->covered;
		last->length = last->length ? last->length : unit->length;
	}
	indexed->n = n + 1;
}

/* .gdb_index (GDB manual, "Index Section Format"): a list of units, then one of type units (which
 * have no code), then ranges of addresses with the number of their unit in these lists. */
struct gdb_index {
	struct csn_dwarf *dwarf;
	struct csn_span units, addresses;
	uint64_t n_units;
	uint8_t *covered; /* owned; of each unit */
};

#define UNIT_BYTES 16u  /* offset, length */
#define RANGE_BYTES 20u /* start, end, number of the unit */

static struct csn_span part(const struct csn_span *all, uint64_t start, uint64_t end)
{
	if (end < start)
		return (struct csn_span){ .failed = true };
	return csn_span_part(all, start, end - start);
}

static bool open_gdb_index(struct csn_dwarf *dwarf, struct gdb_index *index)
{
	struct csn_span all = csn_dwarf_bytes(dwarf, CSN_DEBUG_GDB_INDEX, UINT64_MAX), at = all;
	uint32_t version = csn_span_u32(&at), units = csn_span_u32(&at), types = csn_span_u32(&at);
	uint32_t addresses = csn_span_u32(&at), symbols = csn_span_u32(&at);

	/* Before 4 its tables were made wrongly; 9 is the last that there is. */
	if (!csn_span_ok(&at) || version < 4 || version > 9)
		return false;
	index->dwarf = dwarf;
	index->units = part(&all, units, types);
	index->addresses = part(&all, addresses, symbols);
	index->n_units = index->units.size / UNIT_BYTES;
	return csn_span_ok(&index->units) && csn_span_ok(&index->addresses);
}

/* False when the list ends before. */
static bool unit_at(const struct gdb_index *index, uint64_t number, uint64_t *ret_offset,
		    uint64_t *ret_length)
{
	struct csn_span at = index->units;

	if (number >= index->n_units)
		return false;
	csn_span_seek(&at, number * UNIT_BYTES);
	*ret_offset = csn_span_u64(&at);
	*ret_length = csn_span_u64(&at);
	return *ret_length != 0;
}

/* True when there is a unit just there: an index that survived a change of its program is not
 * believed. */
static bool is_there(const struct gdb_index *index, uint64_t number)
{
	uint64_t offset, length;
	struct csn_unit unit;

	return unit_at(index, number, &offset, &length) &&
	       csn_unit_read(index->dwarf, CSN_DEBUG_INFO, offset, &unit) &&
	       unit.end - unit.offset == length;
}

static void each_address(struct gdb_index *index, csn_indexed_fn each, void *context)
{
	struct csn_span at = index->addresses;

	while (csn_span_left(&at) >= RANGE_BYTES) {
		uint64_t start = csn_span_u64(&at), end = csn_span_u64(&at), offset, length;
		uint32_t number = csn_span_u32(&at);

		if (start >= end || !unit_at(index, number, &offset, &length))
			continue;
		index->covered[number] = 1;
		each(context, offset, start, end);
	}
}

bool csn_gdb_index_read(struct csn_dwarf *dwarf, struct csn_indexed *indexed, csn_indexed_fn each,
			void *context)
{
	struct gdb_index index = { 0 };
	cleanup_free uint8_t *covered = NULL;
	uint64_t i, offset, length;

	if (!open_gdb_index(dwarf, &index) || !index.n_units || !is_there(&index, 0) ||
	    !is_there(&index, index.n_units / 2) || !is_there(&index, index.n_units - 1))
		return true;
	covered = index.covered = calloc(index.n_units, 1);
	if (!covered)
		return false;
	each_address(&index, each, context);
	for (i = 0; unit_at(&index, i, &offset, &length); i++)
		if (!csn_indexed_add(indexed, offset, length, covered[i]))
			return false;
	return true;
}

/* The pairs of one set; set is its body, aligned from its header's start. */
static void read_pairs(struct csn_span *set, unsigned width, uint64_t unit, csn_indexed_fn each,
		       void *context)
{
	for (;;) {
		uint64_t start = csn_span_uint(set, width), size = csn_span_uint(set, width);

		if (!csn_span_ok(set) || (!start && !size))
			return;
		if (size && start <= UINT64_MAX - size)
			each(context, unit, start, start + size);
	}
}

/* DWARF 5, 6.1.2: a set of pairs for each unit. */
bool csn_aranges_read(struct csn_dwarf *dwarf, struct csn_indexed *indexed, csn_indexed_fn each,
		      void *context)
{
	struct csn_span all = csn_dwarf_bytes(dwarf, CSN_DEBUG_ARANGES, UINT64_MAX);

	while (csn_span_left(&all)) {
		uint64_t begin = all.at, length, unit;
		uint8_t offset_size;
		struct csn_span set;
		unsigned width;
		size_t pair;

		length = csn_length_read(&all, &offset_size);
		begin = all.at - begin;
		set = csn_span_take(&all, length);
		if (csn_span_u16(&set) != 2)
			continue;
		unit = csn_span_uint(&set, offset_size);
		width = csn_span_u8(&set);
		csn_span_skip(&set, 1);
		if (!csn_span_ok(&set) || (width != 4 && width != 8))
			continue;
		/* Pairs are aligned to their size, counted from the set's length field. */
		pair = (size_t)2 * width;
		csn_span_skip(&set, (pair - (set.at + begin) % pair) % pair);
		if (!csn_indexed_add(indexed, unit, 0, true))
			return false;
		read_pairs(&set, width, unit, each, context);
	}
	return true;
}

/* DWARF 5, 6.1.1.4: as many tables as the linker put behind each other. */
bool csn_names_read(struct csn_dwarf *dwarf, struct csn_indexed *indexed)
{
	struct csn_span all = csn_dwarf_bytes(dwarf, CSN_DEBUG_NAMES, UINT64_MAX);

	while (csn_span_left(&all)) {
		uint8_t offset_size;
		uint64_t length = csn_length_read(&all, &offset_size), offset;
		struct csn_span table = csn_span_take(&all, length);
		uint32_t i, n_units, augmentation;

		if (csn_span_u16(&table) != 5)
			continue;
		csn_span_skip(&table, 2);
		n_units = csn_span_u32(&table);
		csn_span_skip(&table, 5 * sizeof(uint32_t)); /* counts of other things */
		augmentation = csn_span_u32(&table);
		csn_span_skip(&table, ((uint64_t)augmentation + 3) & ~(uint64_t)3);
		for (i = 0; i < n_units; i++) {
			offset = csn_span_uint(&table, offset_size);
			if (!csn_span_ok(&table))
				break;
			if (!csn_indexed_add(indexed, offset, 0, false))
				return false;
		}
	}
	return true;
}
