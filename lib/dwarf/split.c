/* Split units (DWARF 5, 7.3.2; in version 4 GNU's DebugFission): the linked program keeps skeletons
 * with addresses, ranges and lines; the entries are in .dwo objects, or in a .dwp package of many.
 *
 * A package has all units in one section of each kind and an index: a hash table from the unit's id
 * to a row that tells where its part of each section begins (DWARF 5, 7.3.5). */
#include "dwarf/split_internal.h"

/* An index of a package; the bytes are those of its section. */
struct csn_package {
	struct csn_span bytes;
	bool is_gnu; /* version 2 */
	uint32_t n_columns, n_units, n_slots;
	uint64_t slots, columns; /* where the hash table and the table of columns begin */
};

static bool read_index(struct csn_package *package)
{
	struct csn_span at = package->bytes;
	uint32_t version = csn_span_u32(&at);

	package->is_gnu = version == 2;
	if (!package->is_gnu && (version & 0xffff) != 5)
		return false;
	package->n_columns = csn_span_u32(&at);
	package->n_units = csn_span_u32(&at);
	package->n_slots = csn_span_u32(&at);
	package->slots = at.at;
	csn_span_skip(&at, (uint64_t)package->n_slots * 12);
	package->columns = at.at;
	csn_span_skip(&at, (uint64_t)package->n_columns * 4);
	return csn_span_ok(&at) && package->n_columns &&
	       package->n_columns <= CSN_MAX_PACKAGE_COLUMNS && package->n_slots &&
	       (package->n_slots & (package->n_slots - 1)) == 0;
}

/* NULL when there is no such index or a broken one. */
static const struct csn_package *get_index(struct csn_dwarf *dwarf, enum csn_dwarf_section section)
{
	struct csn_package **slot = &dwarf->packages[section == CSN_DEBUG_TU_INDEX];

	if (!*slot) {
		*slot = csn_arena_alloc(dwarf->arena, sizeof(**slot));
		if (!*slot)
			return NULL;
		(*slot)->bytes = csn_dwarf_bytes(dwarf, section, UINT64_MAX);
		if (!read_index(*slot))
			(*slot)->n_slots = 0;
	}
	return (*slot)->n_slots ? *slot : NULL;
}

static uint64_t read_at(const struct csn_package *package, uint64_t offset, unsigned width)
{
	struct csn_span at = package->bytes;

	csn_span_seek(&at, offset);
	return csn_span_uint(&at, width);
}

/* The row of an id, from 1; 0 none. */
static uint32_t find_row(const struct csn_package *package, uint64_t id)
{
	uint64_t mask = package->n_slots - 1, slot = id & mask, step = ((id >> 32) & mask) | 1;
	uint32_t tries, row;

	for (tries = 0; tries < package->n_slots; tries++, slot = (slot + step) & mask) {
		row = (uint32_t)read_at(package,
					package->slots + (uint64_t)package->n_slots * 8 + slot * 4,
					4);
		if (!row)
			return 0;
		if (read_at(package, package->slots + slot * 8, 8) == id)
			return row <= package->n_units ? row : 0;
	}
	return 0;
}

/* Where a column is kept; NULL for those that nothing is read of. */
static uint64_t *part_of(const struct csn_package *package, struct csn_parts *parts,
			 uint64_t column)
{
	switch (column) {
	case DW_SECT_INFO:
		return &parts->info;
	case DW_SECT_TYPES:
		return &parts->types;
	case DW_SECT_ABBREV:
		return &parts->abbrev;
	case DW_SECT_LOCLISTS:
		return &parts->loclists;
	case DW_SECT_STR_OFFSETS:
		return &parts->str_offsets;
	case DW_SECT_RNGLISTS:
		return package->is_gnu ? NULL : &parts->rnglists;
	default:
		return NULL;
	}
}

static struct csn_parts read_row(const struct csn_package *package, uint32_t row)
{
	uint64_t offsets = package->columns + (uint64_t)row * package->n_columns * 4;
	struct csn_parts parts = { 0 };
	uint32_t i;

	for (i = 0; i < package->n_columns; i++) {
		uint64_t *part = part_of(package, &parts,
					 read_at(package, package->columns + (uint64_t)i * 4, 4));

		if (part)
			*part = read_at(package, offsets + (uint64_t)i * 4, 4);
	}
	return parts;
}

bool csn_package_find(struct csn_dwarf *dwarf, enum csn_dwarf_section index, uint64_t id,
		      struct csn_unit *ret_unit)
{
	const struct csn_package *package = get_index(dwarf, index);
	bool old_types = package && package->is_gnu && index == CSN_DEBUG_TU_INDEX;
	struct csn_parts parts;
	uint32_t row = package ? find_row(package, id) : 0;

	if (!row)
		return false;
	parts = read_row(package, row);
	if (!csn_unit_read(dwarf, old_types ? CSN_DEBUG_TYPES : CSN_DEBUG_INFO,
			   old_types ? parts.types : parts.info, ret_unit))
		return false;
	ret_unit->parts = csn_arena_copy(dwarf->arena, &parts, sizeof(parts));
	return ret_unit->parts != NULL;
}

bool csn_dwarf_is_package(struct csn_dwarf *dwarf)
{
	return get_index(dwarf, CSN_DEBUG_CU_INDEX) != NULL;
}

/* Version 4 keeps the id in an attribute. */
static bool has_id(struct csn_unit *unit, uint64_t id)
{
	if (unit->version >= 5)
		return unit->kind == DW_UT_split_compile && unit->id == id;
	return csn_unit_peek(unit) && unit->id == id;
}

/* Not kept: every skeleton has a copy of its own. */
static bool find_split(struct csn_dwarf *dwarf, uint64_t id, struct csn_unit *ret_unit)
{
	const struct csn_unit_list *list = &dwarf->info_units;
	size_t i;

	if (csn_dwarf_is_package(dwarf))
		return csn_package_find(dwarf, CSN_DEBUG_CU_INDEX, id, ret_unit);
	if (!csn_units_list(dwarf, CSN_DEBUG_INFO, UINT64_MAX))
		return false;
	for (i = 0; i < list->n; i++) {
		struct csn_unit unit;

		if (!csn_unit_read(dwarf, CSN_DEBUG_INFO, list->offsets[i], ret_unit))
			continue;
		unit = *ret_unit;
		if (has_id(&unit, id))
			return true;
	}
	return false;
}

bool csn_dwarf_has_split(struct csn_dwarf *dwarf, uint64_t id)
{
	struct csn_unit unused;

	return find_split(dwarf, id, &unused);
}

static struct csn_unit *open_split(struct csn_unit *skeleton)
{
	const struct csn_dwarf_links *links = &skeleton->dwarf->input.links;
	struct csn_dwarf_split_name name;
	struct csn_dwarf *dwarf;
	struct csn_unit unit;

	if (!csn_unit_open(skeleton) || !skeleton->split_name || !links->open_split)
		return NULL;
	name = (struct csn_dwarf_split_name){ skeleton->folder, skeleton->split_name,
					      skeleton->id };
	dwarf = links->open_split(links->context, &name);
	if (!dwarf || !find_split(dwarf, skeleton->id, &unit))
		return NULL;
	unit.skeleton = skeleton;
	return csn_arena_copy(dwarf->arena, &unit, sizeof(unit));
}

struct csn_unit *csn_unit_entries(struct csn_unit *unit)
{
	if (!unit->split_tried) {
		unit->split_tried = true;
		unit->split = open_split(unit);
	}
	return unit->split ? unit->split : unit;
}
