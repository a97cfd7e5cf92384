#include <stdlib.h>
#include <string.h>

#include "dwarf/source_internal.h"

uint64_t csn_length_read(struct csn_span *at, uint8_t *ret_offset_size)
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

/* What stands in the header behind the version, in the order of DWARF 5. */
static void read_new_header(struct csn_span *at, struct csn_unit *unit)
{
	unit->kind = csn_span_u8(at);
	unit->address_size = csn_span_u8(at);
	unit->abbrev_offset = csn_span_uint(at, unit->offset_size);
	switch (unit->kind) {
	case DW_UT_skeleton:
	case DW_UT_split_compile:
		unit->id = csn_span_u64(at);
		return;
	case DW_UT_type:
	case DW_UT_split_type:
		unit->id = csn_span_u64(at);
		unit->type_entry = csn_span_uint(at, unit->offset_size);
		return;
	default:
		return;
	}
}

static void read_old_header(struct csn_span *at, struct csn_unit *unit)
{
	unit->kind = DW_UT_compile;
	unit->abbrev_offset = csn_span_uint(at, unit->offset_size);
	unit->address_size = csn_span_u8(at);
	if (unit->section != CSN_DEBUG_TYPES)
		return;
	unit->kind = DW_UT_type;
	unit->id = csn_span_u64(at);
	unit->type_entry = csn_span_uint(at, unit->offset_size);
}

bool csn_unit_read(struct csn_dwarf *dwarf, enum csn_dwarf_section section, uint64_t offset,
		   struct csn_unit *ret_unit)
{
	struct csn_unit unit = { .dwarf = dwarf, .section = section, .offset = offset };
	struct csn_span at;
	uint64_t length;

	if (offset > UINT64_MAX - 64)
		return false;
	at = csn_dwarf_bytes(dwarf, section, offset + 64);
	csn_span_seek(&at, offset);
	length = csn_length_read(&at, &unit.offset_size);
	if (!csn_span_ok(&at) || length > UINT64_MAX - at.at)
		return false;
	unit.end = at.at + length;
	unit.version = csn_span_u16(&at);
	if (unit.version >= 5)
		read_new_header(&at, &unit);
	else
		read_old_header(&at, &unit);
	unit.first_entry = at.at;
	unit.type_entry += offset;
	*ret_unit = unit;
	return csn_span_ok(&at) && unit.version >= 2 && unit.version <= 5 &&
	       unit.first_entry <= unit.end && (unit.address_size == 4 || unit.address_size == 8);
}

static struct csn_unit **bucket_of(struct csn_dwarf *dwarf, uint64_t offset)
{
	return &dwarf->units[(offset * 0x9e3779b97f4a7c15ull >> 32) % CSN_DWARF_BUCKETS];
}

static struct csn_unit *find_kept(struct csn_dwarf *dwarf, enum csn_dwarf_section section,
				  uint64_t offset)
{
	struct csn_unit *unit = *bucket_of(dwarf, offset);

	while (unit && (unit->offset != offset || unit->section != section))
		unit = unit->next;
	return unit;
}

struct csn_unit *csn_unit_keep(const struct csn_unit *header)
{
	struct csn_unit **bucket = bucket_of(header->dwarf, header->offset);
	struct csn_unit *unit = find_kept(header->dwarf, header->section, header->offset);

	if (unit)
		return unit;
	unit = csn_arena_copy(header->dwarf->arena, header, sizeof(*header));
	if (!unit)
		return NULL;
	unit->next = *bucket;
	*bucket = unit;
	return unit;
}

struct csn_unit *csn_unit_at(struct csn_dwarf *dwarf, uint64_t offset)
{
	struct csn_unit header, *unit = find_kept(dwarf, CSN_DEBUG_INFO, offset);

	if (unit)
		return unit;
	return csn_unit_read(dwarf, CSN_DEBUG_INFO, offset, &header) ? csn_unit_keep(&header)
								     : NULL;
}

bool csn_units_list(struct csn_dwarf *dwarf, enum csn_dwarf_section section, uint64_t offset)
{
	struct csn_unit_list *list =
		section == CSN_DEBUG_TYPES ? &dwarf->type_units : &dwarf->info_units;

	/* No further than asked: what lies behind may have to be unpacked first. */
	while (!list->complete && list->end <= offset) {
		struct csn_span at = csn_dwarf_bytes(dwarf, section, list->end + 16);
		uint8_t offset_size;
		uint64_t length;

		csn_span_seek(&at, list->end);
		length = csn_length_read(&at, &offset_size);
		list->complete = !csn_span_ok(&at) || length > UINT64_MAX - at.at - 16 ||
				 list->n >= CSN_MAX_DWARF_UNITS;
		if (list->complete)
			return true;
		list->offsets = csn_arena_grow(dwarf->arena, list->offsets, list->n,
					       &list->capacity, sizeof(*list->offsets));
		if (!list->offsets) {
			list->n = 0;
			list->complete = true;
			return false;
		}
		list->offsets[list->n++] = list->end;
		list->end = at.at + length;
	}
	return true;
}

struct csn_unit *csn_unit_around(struct csn_dwarf *dwarf, uint64_t offset)
{
	const struct csn_unit_list *list = &dwarf->info_units;
	struct csn_unit *unit;
	size_t low = 0, high;

	if (!csn_units_list(dwarf, CSN_DEBUG_INFO, offset))
		return NULL;
	/* The last unit that begins at or before the offset. */
	high = list->n;
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (list->offsets[middle] <= offset)
			low = middle + 1;
		else
			high = middle;
	}
	if (!low)
		return NULL;
	unit = csn_unit_at(dwarf, list->offsets[low - 1]);
	return unit && offset >= unit->first_entry && offset < unit->end ? unit : NULL;
}

struct csn_span csn_unit_bytes(struct csn_unit *unit, uint64_t offset)
{
	struct csn_span at = csn_dwarf_bytes(unit->dwarf, unit->section, unit->end);

	at.size = csn_min_u64(at.size, unit->end);
	csn_span_seek(&at, offset);
	return at;
}

const struct csn_abbrev *csn_entry_open(const struct csn_entry *entry, struct csn_span *ret_at)
{
	struct csn_unit *unit = entry->unit;

	if (entry->offset < unit->first_entry || !csn_unit_open(unit))
		return NULL;
	*ret_at = csn_unit_bytes(unit, entry->offset);
	return csn_abbrev_find(unit->abbrevs, csn_span_uleb(ret_at));
}

/* Values of the root entry that cannot be told before the bases are known. */
struct root {
	struct csn_attr low, high, folder, name, split_name;
};

/* Attributes of the root entry that are numbers, and where they go. */
static uint64_t *root_number(struct csn_unit *unit, uint16_t name)
{
	switch (name) {
	case DW_AT_language:
		return &unit->language;
	case DW_AT_str_offsets_base:
		return &unit->str_offsets_base;
	case DW_AT_addr_base:
	case DW_AT_GNU_addr_base:
		return &unit->addr_base;
	case DW_AT_rnglists_base:
		return &unit->rnglists_base;
	case DW_AT_loclists_base:
		return &unit->loclists_base;
	case DW_AT_GNU_ranges_base:
		return &unit->ranges_base;
	case DW_AT_GNU_dwo_id:
		return &unit->id;
	default:
		return NULL;
	}
}

static void keep_root_attribute(struct csn_unit *unit, struct root *root, uint16_t name,
				const struct csn_attr *attr)
{
	uint64_t *number = root_number(unit, name);

	if (number) {
		(void)csn_attr_uint(attr, number);
		return;
	}
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
	case DW_AT_name:
		root->name = *attr;
		return;
	case DW_AT_dwo_name:
	case DW_AT_GNU_dwo_name:
		root->split_name = *attr;
		return;
	case DW_AT_ranges:
		unit->has_ranges = true;
		unit->ranges_form = attr->form;
		unit->ranges = attr->value;
		return;
	case DW_AT_stmt_list:
		unit->has_lines = csn_attr_uint(attr, &unit->lines_offset);
		return;
	default:
		return;
	}
}

/* Without a base attribute, as in split units, tables begin behind their header; those of GNU's
 * split units have none. */
static void set_bases(struct csn_unit *unit)
{
	bool wide = unit->offset_size == 8;

	if (unit->version >= 5) {
		unit->str_offsets_base = unit->addr_base = wide ? 16 : 8;
		unit->rnglists_base = unit->loclists_base = wide ? 20 : 12;
	}
	if (unit->parts) {
		unit->str_offsets_base += unit->parts->str_offsets;
		unit->rnglists_base += unit->parts->rnglists;
		unit->loclists_base += unit->parts->loclists;
	}
}

static uint64_t abbrev_offset(const struct csn_unit *unit)
{
	return unit->abbrev_offset + (unit->parts ? unit->parts->abbrev : 0);
}

static bool read_root(struct csn_unit *unit, const struct csn_abbrev *abbrev, struct csn_span *at,
		      struct root *root)
{
	uint64_t value;
	uint32_t i;

	set_bases(unit);
	for (i = 0; i < abbrev->n_specs && csn_span_ok(at); i++) {
		struct csn_attr attr;

		csn_attr_read(at, unit, &abbrev->specs[i], &attr);
		keep_root_attribute(unit, root, abbrev->specs[i].name, &attr);
	}
	unit->has_high = csn_attr_address(unit, &root->low, &unit->low) &&
			 (csn_attr_address(unit, &root->high, &unit->high) ||
			  (csn_attr_uint(&root->high, &value) &&
			   !__builtin_add_overflow(unit->low, value, &unit->high)));
	return csn_span_ok(at);
}

static bool open_unit(struct csn_unit *unit)
{
	struct csn_span at = csn_unit_bytes(unit, unit->first_entry);
	const struct csn_abbrev *abbrev;
	struct root root = { 0 };

	unit->abbrevs = csn_abbrevs_get(unit->dwarf, abbrev_offset(unit));
	if (!unit->abbrevs)
		return false;
	abbrev = csn_abbrev_find(unit->abbrevs, csn_span_uleb(&at));
	if (!abbrev || !read_root(unit, abbrev, &at, &root))
		return false;
	unit->folder = csn_attr_text(unit, &root.folder);
	unit->name = csn_attr_text(unit, &root.name);
	unit->split_name = csn_attr_text(unit, &root.split_name);
	return true;
}

bool csn_unit_open(struct csn_unit *unit)
{
	if (!unit->opened) {
		unit->opened = true;
		unit->broken = !open_unit(unit);
	}
	return !unit->broken;
}

bool csn_unit_peek(struct csn_unit *unit)
{
	struct csn_span at = csn_unit_bytes(unit, unit->first_entry);
	struct csn_attr_spec specs[CSN_MAX_ROOT_SPECS];
	struct csn_abbrev abbrev;
	struct root root = { 0 };
	struct csn_unit *kept;

	if (csn_abbrev_peek(unit->dwarf, abbrev_offset(unit), csn_span_uleb(&at), specs, &abbrev))
		return read_root(unit, &abbrev, &at, &root);
	kept = csn_unit_keep(unit);
	if (!kept || !csn_unit_open(kept))
		return false;
	*unit = *kept;
	return true;
}
