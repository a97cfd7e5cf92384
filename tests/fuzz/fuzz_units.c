/* What units are found by: the first byte of the input says which section the rest is (.gdb_index,
 * .debug_names, .debug_aranges, or the index of a package of split units and of types). The units
 * are always the same: a skeleton for all addresses asked, from 0x1000 on, and its split unit. */
#include "base/cleanup.h"
#include "dwarf/split_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes);

static size_t sum;

static const enum csn_dwarf_section tried[] = { CSN_DEBUG_GDB_INDEX, CSN_DEBUG_NAMES,
						CSN_DEBUG_ARANGES, CSN_DEBUG_CU_INDEX,
						CSN_DEBUG_TU_INDEX };

/* Version 5, id 0x1122334455667788; dwo_name "x", low_pc 0x1000, high_pc 0x100. */
static const uint8_t skeleton[] = { 35, 0,   0,    0,    5,    0,    4,    8,    0,    0,
				    0,  0,   0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11,
				    1,  'x', 0,    0,    0x10, 0,    0,    0,    0,    0,
				    0,  0,   1,    0,    0,    0,    0,    0,    0 };
static const uint8_t abbrev[] = { 1,    0x4a, 0,    0x76, 0x08, 0x11, 0x01, 0x12, 0x07, 0,
				  0,    2,    0x11, 1,    0,    0,    3,    0x2e, 0,    0x03,
				  0x08, 0x11, 0x01, 0x12, 0x0b, 0,    0,    0 };
/* Its split unit, with a function "f" at 0x1000. */
static const uint8_t split[] = { 30,   0,    0,    0,    5,    0,    5,    8,    0, 0, 0,   0,
				 0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11, 2, 3, 'f', 0,
				 0,    0x10, 0,    0,    0,    0,    0,    0,    8, 0 };

static struct csn_span read_main(void *context, enum csn_dwarf_section section, uint64_t size_bytes)
{
	const struct csn_span *input = context;

	(void)size_bytes;
	if (section == CSN_DEBUG_INFO)
		return csn_span_of(skeleton, sizeof(skeleton));
	if (section == CSN_DEBUG_ABBREV)
		return csn_span_of(abbrev, sizeof(abbrev));
	if (section == tried[input->data[0] % csn_countof(tried)])
		return csn_span_part(input, 1, input->size - 1);
	return (struct csn_span){ .failed = true };
}

static struct csn_span read_split(void *context, enum csn_dwarf_section section,
				  uint64_t size_bytes)
{
	if (section == CSN_DEBUG_INFO || section == CSN_DEBUG_TYPES)
		return csn_span_of(split, sizeof(split));
	return read_main(context, section, size_bytes);
}

static struct csn_dwarf *open_split(void *context, const struct csn_dwarf_split_name *name)
{
	(void)name;
	return context;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
	cleanup_(csn_arena_freep) struct csn_arena *arena = csn_arena_new(64 << 20);
	cleanup_(csn_dwarf_freep) struct csn_dwarf *dwarf = NULL, *object = NULL;
	struct csn_span all = csn_span_of(data, size_bytes);
	struct csn_dwarf_input input = { .read = read_split, .context = &all };
	struct csn_source sources[8];
	struct csn_entry entry;
	size_t i;

	if (!arena || !size_bytes || csn_dwarf_new(&input, &object, NULL) < 0)
		return 0;
	input.read = read_main;
	input.links = (struct csn_dwarf_links){ .open_split = open_split, .context = object };
	if (csn_dwarf_new(&input, &dwarf, NULL) < 0)
		return 0;
	for (i = 0; i < csn_countof(sources); i++)
		sources[i] = (struct csn_source){ .address = 0x1000 + 5 * i };
	if (csn_dwarf_locate(arena, dwarf, sources, csn_countof(sources), NULL) < 0)
		return 0;
	for (i = 0; i < csn_countof(sources); i++)
		sum += sources[i].n_frames;
	sum += csn_type_find(object, 0x1122334455667788, &entry);
	sum += csn_dwarf_has_split(object, 0x1122334455667788);
	return 0;
}
