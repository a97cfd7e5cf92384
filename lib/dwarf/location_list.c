#include "dwarf/list_codes.h"
#include "dwarf/location_internal.h"

/* A list in progress. */
struct list {
	struct csn_unit *unit;
	csn_location_fn each;
	void *context;
	uint64_t base;
	/* The entry at hand. */
	struct csn_location location;
	bool is_entry; /* not only a new base */
};

static bool give(const struct list *list)
{
	if (!list->is_entry ||
	    (!list->location.is_default && list->location.start >= list->location.end))
		return true;
	return list->each(list->context, &list->location);
}

static uint64_t address_at(struct list *list, struct csn_span *at)
{
	uint64_t address;

	if (!csn_unit_address(list->unit, csn_span_uleb(at), &address)) {
		at->failed = true;
		return 0;
	}
	return address;
}

/* .debug_loc: pairs relative to the base, a pair that begins with all ones sets it. */
static bool read_old(struct list *list, struct csn_span *at)
{
	unsigned width = list->unit->address_size;
	uint64_t start = csn_span_uint(at, width), end = csn_span_uint(at, width);

	if (!start && !end)
		return false;
	list->is_entry = start != (width == 8 ? UINT64_MAX : UINT32_MAX);
	if (!list->is_entry) {
		list->base = end;
		return true;
	}
	list->location.start = list->base + start;
	list->location.end = list->base + end;
	list->location.expression = csn_span_take(at, csn_span_u16(at));
	return true;
}

/* .debug_loc.dwo of version 4: kinds as in .debug_loclists, but fewer, and sizes are fixed. */
static bool read_gnu(struct list *list, struct csn_span *at)
{
	list->is_entry = true;
	switch (csn_span_u8(at)) {
	case DW_LLE_base_addressx:
		list->base = address_at(list, at);
		list->is_entry = false;
		return true;
	case DW_LLE_startx_endx:
		list->location.start = address_at(list, at);
		list->location.end = address_at(list, at);
		break;
	case DW_LLE_startx_length:
		list->location.start = address_at(list, at);
		list->location.end = list->location.start + csn_span_u32(at);
		break;
	case DW_LLE_offset_pair:
		list->location.start = list->base + csn_span_u32(at);
		list->location.end = list->base + csn_span_u32(at);
		break;
	default:
		return false;
	}
	list->location.expression = csn_span_take(at, csn_span_u16(at));
	return true;
}

/* The addresses of an entry of .debug_loclists; false at the end or of an unknown kind. */
static bool read_bounds(struct list *list, struct csn_span *at)
{
	unsigned width = list->unit->address_size;
	struct csn_location *location = &list->location;

	switch (csn_span_u8(at)) {
	case DW_LLE_base_addressx:
		list->base = address_at(list, at);
		list->is_entry = false;
		return true;
	case DW_LLE_base_address:
		list->base = csn_span_uint(at, width);
		list->is_entry = false;
		return true;
	case DW_LLE_GNU_view_pair:
		(void)csn_span_uleb(at);
		(void)csn_span_uleb(at);
		list->is_entry = false;
		return true;
	case DW_LLE_default_location:
		location->is_default = true;
		location->start = location->end = 0;
		return true;
	case DW_LLE_startx_endx:
		location->start = address_at(list, at);
		location->end = address_at(list, at);
		return true;
	case DW_LLE_startx_length:
		location->start = address_at(list, at);
		location->end = location->start + csn_span_uleb(at);
		return true;
	case DW_LLE_offset_pair:
		location->start = list->base + csn_span_uleb(at);
		location->end = list->base + csn_span_uleb(at);
		return true;
	case DW_LLE_start_end:
		location->start = csn_span_uint(at, width);
		location->end = csn_span_uint(at, width);
		return true;
	case DW_LLE_start_length:
		location->start = csn_span_uint(at, width);
		location->end = location->start + csn_span_uleb(at);
		return true;
	default:
		return false;
	}
}

static bool read_new(struct list *list, struct csn_span *at)
{
	list->is_entry = true;
	list->location.is_default = false;
	if (!read_bounds(list, at))
		return false;
	if (list->is_entry)
		list->location.expression = csn_span_take(at, csn_span_uleb(at));
	return true;
}

void csn_locations_each(struct csn_unit *unit, uint16_t form, uint64_t value, csn_location_fn each,
			void *context)
{
	bool is_new = unit->version >= 5;
	enum csn_dwarf_section section = is_new ? CSN_DEBUG_LOCLISTS : CSN_DEBUG_LOC;
	bool (*read)(struct list * list, struct csn_span * at) =
		is_new ? read_new : (unit->skeleton ? read_gnu : read_old);
	struct list list = { .unit = unit, .each = each, .context = context };
	struct csn_span at;
	unsigned i;

	list.base = csn_unit_base(unit);
	if (form == DW_FORM_loclistx) {
		if (!csn_list_find(unit, section, unit->loclists_base, value, &value))
			return;
	} else if (unit->parts) {
		value += unit->parts->loclists;
	}
	at = csn_dwarf_bytes(unit->dwarf, section, UINT64_MAX);
	csn_span_seek(&at, value);
	for (i = 0; i < CSN_MAX_DWARF_LOCATIONS; i++)
		if (!read(&list, &at) || !csn_span_ok(&at) || !give(&list))
			return;
}
