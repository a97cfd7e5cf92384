/* Line programs of every version. The input is .debug_line, and the strings that it may name; one
 * unit of version 4 or 5 (bit 0 of the first byte) covers all addresses asked, from 0x1000 on. */
#include <string.h>

#include "base/cleanup.h"
#include "dwarf/source.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes);

static size_t sum;

/* One abbreviation: compile_unit with low_pc (addr), high_pc (data8), stmt_list (sec_offset). */
static const uint8_t abbrev[] = { 1, 0x11, 0, 0x11, 0x01, 0x12, 0x07, 0x10, 0x17, 0, 0, 0 };
static const uint8_t unit4[] = { 28, 0, 0, 0, 4, 0, 0, 0, 0, 0, 8, 1, 0, 0x10, 0, 0,
				 0,  0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0,    0, 0 };
static const uint8_t unit5[] = { 29, 0, 0, 0, 5, 0, 1, 8, 0, 0, 0, 0, 1, 0, 0x10, 0, 0,
				 0,  0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0,    0 };

static struct csn_span read_section(void *context, enum csn_dwarf_section section,
				    uint64_t size_bytes)
{
	const struct csn_span *input = context;
	bool five = input->data[0] & 1;

	(void)size_bytes;
	switch (section) {
	case CSN_DEBUG_INFO:
		return five ? csn_span_of(unit5, sizeof(unit5)) : csn_span_of(unit4, sizeof(unit4));
	case CSN_DEBUG_ABBREV:
		return csn_span_of(abbrev, sizeof(abbrev));
	case CSN_DEBUG_LINE:
	case CSN_DEBUG_LINE_STR:
	case CSN_DEBUG_STR:
	case CSN_DEBUG_STR_OFFSETS:
		return csn_span_part(input, 1, input->size - 1);
	default:
		return (struct csn_span){ .failed = true };
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
	cleanup_(csn_arena_freep) struct csn_arena *arena = csn_arena_new(64 << 20);
	cleanup_(csn_dwarf_freep) struct csn_dwarf *dwarf = NULL;
	struct csn_span all = csn_span_of(data, size_bytes);
	const struct csn_dwarf_input input = { .read = read_section, .context = &all };
	struct csn_source sources[32];
	size_t i;

	if (!arena || !size_bytes)
		return 0;
	for (i = 0; i < csn_countof(sources); i++)
		sources[i] = (struct csn_source){ .address = 0x1000 + 5 * i };
	if (csn_dwarf_new(&input, &dwarf, NULL) < 0 ||
	    csn_dwarf_locate(arena, dwarf, sources, csn_countof(sources), NULL) < 0)
		return 0;
	for (i = 0; i < csn_countof(sources); i++)
		if (sources[i].n_frames && sources[i].frames[0].path)
			sum += strlen(sources[i].frames[0].path) + sources[i].frames[0].line;
	return 0;
}
