/* Location lists. The first byte of the input says of which version and whether of a split unit;
 * the rest is the section, and the addresses that it may name. */
#include "base/cleanup.h"
#include "dwarf/location_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes);

static size_t sum;

/* Two units of nothing: version 4 and version 5. */
static const uint8_t info4[] = { 8, 0, 0, 0, 4, 0, 0, 0, 0, 0, 8, 1 };
static const uint8_t info5[] = { 9, 0, 0, 0, 5, 0, 1, 8, 0, 0, 0, 0, 1 };
static const uint8_t abbrev[] = { 1, 0x11, 0, 0, 0, 0 };

static struct csn_span read_section(void *context, enum csn_dwarf_section section,
				    uint64_t size_bytes)
{
	const struct csn_span *input = context;
	bool five = input->data[0] & 1;

	(void)size_bytes;
	switch (section) {
	case CSN_DEBUG_INFO:
		return five ? csn_span_of(info5, sizeof(info5)) : csn_span_of(info4, sizeof(info4));
	case CSN_DEBUG_ABBREV:
		return csn_span_of(abbrev, sizeof(abbrev));
	case CSN_DEBUG_LOC:
	case CSN_DEBUG_LOCLISTS:
	case CSN_DEBUG_ADDR:
		return csn_span_part(input, 1, input->size - 1);
	default:
		return (struct csn_span){ .failed = true };
	}
}

static bool use(void *context, const struct csn_location *location)
{
	size_t i;

	(void)context;
	for (i = 0; i < location->expression.size; i++)
		sum += location->expression.data[i];
	sum += location->start + location->end;
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
	cleanup_(csn_dwarf_freep) struct csn_dwarf *dwarf = NULL;
	struct csn_span all = csn_span_of(data, size_bytes);
	const struct csn_dwarf_input input = { .read = read_section, .context = &all };
	struct csn_unit skeleton, *unit;
	uint64_t value;

	if (!size_bytes || csn_dwarf_new(&input, &dwarf, NULL) < 0)
		return 0;
	unit = csn_unit_at(dwarf, 0);
	if (!unit || !csn_unit_open(unit))
		return 0;
	skeleton = *unit;
	if (data[0] & 2)
		unit->skeleton = &skeleton;
	for (value = 0; value < 4; value++) {
		csn_locations_each(unit, DW_FORM_sec_offset, value, use, NULL);
		csn_locations_each(unit, DW_FORM_loclistx, value, use, NULL);
	}
	return 0;
}
