#include "dwarf/list_codes.h"
#include "dwarf/source_internal.h"

/* A list in progress. */
struct list {
	struct csn_unit *unit;
	csn_range_fn each;
	void *context;
	uint64_t base;
};

static bool give(const struct list *list, uint64_t start, uint64_t end)
{
	return start >= end || list->each(list->context, start, end);
}

/* .debug_ranges: pairs relative to the base, a pair that begins with all ones sets it. */
static void walk_old(struct list *list, uint64_t offset)
{
	struct csn_unit *unit = list->unit;
	struct csn_dwarf *dwarf = unit->skeleton ? unit->skeleton->dwarf : unit->dwarf;
	struct csn_span at = csn_dwarf_bytes(dwarf, CSN_DEBUG_RANGES, UINT64_MAX);
	unsigned width = unit->address_size, i;
	uint64_t ones = width == 8 ? UINT64_MAX : UINT32_MAX;

	/* Lists of split units are among those of the linked program. */
	csn_span_seek(&at, offset + (unit->skeleton ? unit->skeleton->ranges_base : 0));
	for (i = 0; i < CSN_MAX_DWARF_RANGES; i++) {
		uint64_t start = csn_span_uint(&at, width), end = csn_span_uint(&at, width);

		if (!csn_span_ok(&at) || (!start && !end))
			return;
		if (start == ones)
			list->base = end;
		else if (!give(list, list->base + start, list->base + end))
			return;
	}
}

/* One entry of .debug_rnglists; false at the end. */
static bool walk_entry(struct list *list, struct csn_span *at)
{
	struct csn_unit *unit = list->unit;
	uint64_t start = 0, end = 0;

	switch (csn_span_u8(at)) {
	case DW_RLE_base_addressx:
		return csn_unit_address(unit, csn_span_uleb(at), &list->base);
	case DW_RLE_startx_endx:
		return csn_unit_address(unit, csn_span_uleb(at), &start) &&
		       csn_unit_address(unit, csn_span_uleb(at), &end) && give(list, start, end);
	case DW_RLE_startx_length:
		return csn_unit_address(unit, csn_span_uleb(at), &start) &&
		       give(list, start, start + csn_span_uleb(at));
	case DW_RLE_offset_pair:
		start = csn_span_uleb(at);
		end = csn_span_uleb(at);
		return give(list, list->base + start, list->base + end);
	case DW_RLE_base_address:
		list->base = csn_span_uint(at, unit->address_size);
		return true;
	case DW_RLE_start_end:
		start = csn_span_uint(at, unit->address_size);
		end = csn_span_uint(at, unit->address_size);
		return give(list, start, end);
	case DW_RLE_start_length:
		start = csn_span_uint(at, unit->address_size);
		end = start + csn_span_uleb(at);
		return give(list, start, end);
	default:
		return false; /* end of list, or not known */
	}
}

bool csn_list_find(struct csn_unit *unit, enum csn_dwarf_section section, uint64_t base,
		   uint64_t index, uint64_t *ret_offset)
{
	struct csn_span at = csn_dwarf_bytes(unit->dwarf, section, UINT64_MAX);
	uint64_t offset;

	if (__builtin_mul_overflow(index, unit->offset_size, &offset) ||
	    __builtin_add_overflow(offset, base, &offset))
		return false;
	csn_span_seek(&at, offset);
	offset = csn_span_uint(&at, unit->offset_size);
	return csn_span_ok(&at) && !__builtin_add_overflow(offset, base, ret_offset);
}

void csn_ranges_each(struct csn_unit *unit, uint16_t form, uint64_t value, csn_range_fn each,
		     void *context)
{
	struct list list = {
		.unit = unit, .each = each, .context = context, .base = csn_unit_base(unit)
	};
	struct csn_span at;
	unsigned i;

	if (unit->version < 5) {
		walk_old(&list, value);
		return;
	}
	if (form == DW_FORM_rnglistx) {
		if (!csn_list_find(unit, CSN_DEBUG_RNGLISTS, unit->rnglists_base, value, &value))
			return;
	} else if (unit->parts) {
		value += unit->parts->rnglists;
	}
	at = csn_dwarf_bytes(unit->dwarf, CSN_DEBUG_RNGLISTS, UINT64_MAX);
	csn_span_seek(&at, value);
	for (i = 0; i < CSN_MAX_DWARF_RANGES && csn_span_ok(&at); i++)
		if (!walk_entry(&list, &at))
			return;
}
