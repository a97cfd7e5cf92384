/* Units, abbreviations, entries, ranges and names. The input is the ten debug sections in the order
 * of enum csn_dwarf_section, each a 16-bit size and so many bytes; asked are addresses from 0x1000
 * on. */
#include <string.h>

#include "base/cleanup.h"
#include "dwarf/source.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes);

static size_t sum;

static struct csn_span read_section(void *context, enum csn_dwarf_section section,
				    uint64_t size_bytes)
{
	const struct csn_span *sections = context;

	(void)size_bytes;
	return sections[section];
}

static void use(const struct csn_source *source)
{
	size_t i;

	for (i = 0; i < source->n_frames; i++) {
		const struct csn_source_frame *frame = &source->frames[i];

		sum += (frame->name ? strlen(frame->name) : 0) + frame->line;
		sum += frame->linkage_name ? strlen(frame->linkage_name) : 0;
		sum += frame->path ? strlen(frame->path) : 0;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
	cleanup_(csn_arena_freep) struct csn_arena *arena = csn_arena_new(64 << 20);
	cleanup_(csn_dwarf_freep) struct csn_dwarf *dwarf = NULL;
	struct csn_span all = csn_span_of(data, size_bytes), sections[CSN_DEBUG_SECTIONS];
	const struct csn_dwarf_input input = { .read = read_section, .context = sections };
	struct csn_source sources[32];
	size_t i;

	if (!arena)
		return 0;
	for (i = 0; i < CSN_DEBUG_SECTIONS; i++) {
		uint16_t size = csn_span_u16(&all);

		sections[i] = csn_span_take(&all, csn_min_u64(size, csn_span_left(&all)));
	}
	for (i = 0; i < csn_countof(sources); i++)
		sources[i] = (struct csn_source){ .address = 0x1000 + 5 * i };
	if (csn_dwarf_new(&input, &dwarf, NULL) < 0 ||
	    csn_dwarf_locate(arena, dwarf, sources, csn_countof(sources), NULL) < 0)
		return 0;
	for (i = 0; i < csn_countof(sources); i++)
		use(&sources[i]);
	return 0;
}
