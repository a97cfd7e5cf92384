#include <stdlib.h>
#include <string.h>

#include "dwarf/source_internal.h"

static struct csn_unit **bucket_of(struct csn_dwarf *dwarf, uint64_t offset)
{
	return &dwarf->units[(offset * 0x9e3779b97f4a7c15ull >> 32) % CSN_DWARF_BUCKETS];
}

/* Length of a unit or table, and how wide offsets in it are (DWARF 5, 7.4). */
static uint64_t read_length(struct csn_span *at, uint8_t *ret_offset_size)
{
	uint64_t length = csn_span_u32(at);

	*ret_offset_size = 4;
	if (length == 0xffffffff) {
		*ret_offset_size = 8;
		return csn_span_u64(at);
	}
	if (length >= 0xfffffff0)
		at->failed = true;
	return length;
}

/* The header at an offset; false when it is broken or of a version that nobody knows. */
static bool read_header(struct csn_dwarf *dwarf, uint64_t offset, struct csn_unit *unit)
{
	struct csn_span at;
	uint64_t length;

	if (offset > UINT64_MAX - 64)
		return false;
	at = csn_dwarf_bytes(dwarf, CSN_DEBUG_INFO, offset + 64);
	csn_span_seek(&at, offset);
	length = read_length(&at, &unit->offset_size);
	if (!csn_span_ok(&at) || length > UINT64_MAX - at.at)
		return false;
	unit->offset = offset;
	unit->end = at.at + length;
	unit->version = csn_span_u16(&at);
	unit->kind = DW_UT_compile;
	if (unit->version >= 5) {
		unit->kind = csn_span_u8(&at);
		unit->address_size = csn_span_u8(&at);
		unit->abbrev_offset = csn_span_uint(&at, unit->offset_size);
		if (unit->kind == DW_UT_skeleton || unit->kind == DW_UT_split_compile)
			csn_span_skip(&at, 8);
		if (unit->kind == DW_UT_type || unit->kind == DW_UT_split_type)
			csn_span_skip(&at, 8ul + unit->offset_size);
	} else {
		unit->abbrev_offset = csn_span_uint(&at, unit->offset_size);
		unit->address_size = csn_span_u8(&at);
	}
	unit->first_entry = at.at;
	return csn_span_ok(&at) && unit->version >= 2 && unit->version <= 5 &&
	       unit->first_entry <= unit->end &&
	       (unit->address_size == 4 || unit->address_size == 8);
}

struct csn_unit *csn_unit_at(struct csn_dwarf *dwarf, uint64_t offset)
{
	struct csn_unit **bucket = bucket_of(dwarf, offset), *unit;
	struct csn_unit header = { .dwarf = dwarf };

	for (unit = *bucket; unit; unit = unit->next)
		if (unit->offset == offset)
			return unit;
	if (!read_header(dwarf, offset, &header))
		return NULL;
	unit = csn_arena_copy(dwarf->arena, &header, sizeof(header));
	if (!unit)
		return NULL;
	unit->next = *bucket;
	*bucket = unit;
	return unit;
}

bool csn_dwarf_list_units(struct csn_dwarf *dwarf)
{
	size_t capacity = 0;
	uint64_t offset = 0;

	if (dwarf->unit_offsets_tried)
		return true;
	dwarf->unit_offsets_tried = true;
	while (dwarf->n_unit_offsets < CSN_MAX_DWARF_UNITS) {
		struct csn_span at = csn_dwarf_bytes(dwarf, CSN_DEBUG_INFO, UINT64_MAX);
		uint8_t offset_size;
		uint64_t length;

		csn_span_seek(&at, offset);
		length = read_length(&at, &offset_size);
		if (!csn_span_ok(&at) || length > csn_span_left(&at))
			break;
		dwarf->unit_offsets =
			csn_arena_grow(dwarf->arena, dwarf->unit_offsets, dwarf->n_unit_offsets,
				       &capacity, sizeof(*dwarf->unit_offsets));
		if (!dwarf->unit_offsets) {
			dwarf->n_unit_offsets = 0;
			return false;
		}
		dwarf->unit_offsets[dwarf->n_unit_offsets++] = offset;
		offset = at.at + length;
	}
	return true;
}

struct csn_unit *csn_unit_around(struct csn_dwarf *dwarf, uint64_t offset)
{
	struct csn_unit *unit;
	size_t low = 0, high;

	if (!csn_dwarf_list_units(dwarf))
		return NULL;
	/* The last unit that begins at or before the offset. */
	high = dwarf->n_unit_offsets;
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (dwarf->unit_offsets[middle] <= offset)
			low = middle + 1;
		else
			high = middle;
	}
	if (!low)
		return NULL;
	unit = csn_unit_at(dwarf, dwarf->unit_offsets[low - 1]);
	return unit && offset >= unit->first_entry && offset < unit->end ? unit : NULL;
}

const struct csn_abbrev *csn_entry_open(struct csn_unit **unit, uint64_t offset,
					struct csn_span *ret_at)
{
	struct csn_unit *near = *unit;

	if (offset < near->first_entry || offset >= near->end)
		near = csn_unit_around(near->dwarf, offset);
	if (!near || !csn_unit_open(near))
		return NULL;
	*unit = near;
	*ret_at = csn_dwarf_bytes(near->dwarf, CSN_DEBUG_INFO, near->end);
	ret_at->size = csn_min_u64(ret_at->size, near->end);
	csn_span_seek(ret_at, offset);
	return csn_abbrev_find(near->abbrevs, csn_span_uleb(ret_at));
}

/* Values of the root entry that cannot be told before the bases are known. */
struct root {
	struct csn_attr low, high, folder;
};

static void keep_root_attribute(struct csn_unit *unit, struct root *root, uint16_t name,
				const struct csn_attr *attr)
{
	switch (name) {
	case DW_AT_low_pc:
		root->low = *attr;
		return;
	case DW_AT_high_pc:
		root->high = *attr;
		return;
	case DW_AT_comp_dir:
		root->folder = *attr;
		return;
	case DW_AT_ranges:
		unit->has_ranges = true;
		unit->ranges_form = attr->form;
		unit->ranges = attr->value;
		return;
	case DW_AT_stmt_list:
		unit->has_lines = csn_attr_uint(attr, &unit->lines_offset);
		return;
	case DW_AT_language:
		(void)csn_attr_uint(attr, &unit->language);
		return;
	case DW_AT_str_offsets_base:
		(void)csn_attr_uint(attr, &unit->str_offsets_base);
		return;
	case DW_AT_addr_base:
		(void)csn_attr_uint(attr, &unit->addr_base);
		return;
	case DW_AT_rnglists_base:
		(void)csn_attr_uint(attr, &unit->rnglists_base);
		return;
	default:
		return;
	}
}

static bool read_root(struct csn_unit *unit)
{
	struct csn_dwarf *dwarf = unit->dwarf;
	struct csn_span at = csn_dwarf_bytes(dwarf, CSN_DEBUG_INFO, unit->end);
	const struct csn_abbrev *abbrev;
	struct root root = { 0 };
	uint64_t value;
	uint32_t i;

	at.size = csn_min_u64(at.size, unit->end);
	csn_span_seek(&at, unit->first_entry);
	abbrev = csn_abbrev_find(unit->abbrevs, csn_span_uleb(&at));
	if (!abbrev)
		return false;
	for (i = 0; i < abbrev->n_specs && csn_span_ok(&at); i++) {
		struct csn_attr attr;

		csn_attr_read(&at, unit, &abbrev->specs[i], &attr);
		keep_root_attribute(unit, &root, abbrev->specs[i].name, &attr);
	}
	unit->has_high = csn_attr_address(unit, &root.low, &unit->low) &&
			 (csn_attr_address(unit, &root.high, &unit->high) ||
			  (csn_attr_uint(&root.high, &value) &&
			   !__builtin_add_overflow(unit->low, value, &unit->high)));
	unit->folder = csn_attr_text(unit, &root.folder);
	return csn_span_ok(&at);
}

bool csn_unit_open(struct csn_unit *unit)
{
	if (unit->opened)
		return !unit->broken;
	unit->opened = true;
	unit->abbrevs = csn_abbrevs_get(unit->dwarf, unit->abbrev_offset);
	/* Without a base attribute, lists begin behind their header. */
	if (unit->version >= 5)
		unit->str_offsets_base = unit->addr_base = unit->offset_size == 8 ? 16 : 8;
	unit->broken = !unit->abbrevs || !read_root(unit);
	return !unit->broken;
}
