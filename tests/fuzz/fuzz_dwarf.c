/* Units, abbreviations, entries, ranges, names and calls. The input is debug sections in the order
 * of enum csn_dwarf_section, each a 16-bit size and so many bytes: those of the object, then those
 * of the one with its split units, then those of the alternate one. Asked are addresses from 0x1000
 * on, and then the tail calls of the functions that hold them and of those that they call. */
#include <stdlib.h>
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

enum {
	OBJECT,
	SPLIT,
	ALTERNATE,
	OBJECTS,
};

struct world {
	struct csn_span sections[OBJECTS][CSN_DEBUG_SECTIONS];
	struct csn_dwarf *dwarfs[OBJECTS];
};

static struct csn_dwarf *open_split(void *context, const struct csn_dwarf_split_name *name)
{
	const struct world *world = context;

	return csn_dwarf_has_split(world->dwarfs[SPLIT], name->id) ? world->dwarfs[SPLIT] : NULL;
}

static struct csn_dwarf *open_alternate(void *context)
{
	const struct world *world = context;

	return world->dwarfs[ALTERNATE];
}

/* False: out of memory. */
static bool read_world(struct world *world, struct csn_span *all)
{
	size_t i, k;

	for (i = 0; i < OBJECTS; i++) {
		struct csn_dwarf_input input = { .read = read_section,
						 .context = world->sections[i] };

		if (i == OBJECT)
			input.links = (struct csn_dwarf_links){ open_split, open_alternate, world };
		for (k = 0; k < CSN_DEBUG_SECTIONS; k++) {
			uint16_t size = csn_span_u16(all);

			world->sections[i][k] =
				csn_span_take(all, csn_min_u64(size, csn_span_left(all)));
		}
		if (csn_dwarf_new(&input, &world->dwarfs[i], NULL) < 0)
			return false;
	}
	return true;
}

static void world_done(struct world *world)
{
	size_t i;

	for (i = 0; i < OBJECTS; i++)
		csn_dwarf_free(world->dwarfs[i]);
}

#define N_SOURCES 32

static int compare_functions(const void *a, const void *b)
{
	const struct csn_tail_calls *x = a, *y = b;

	return x->entry < y->entry ? -1 : x->entry > y->entry;
}

/* The functions that answers name; functions has room for two of each. Returns how many. */
static size_t collect(const struct csn_source *sources, struct csn_tail_calls *functions)
{
	size_t i, n = 0, n_distinct = 0;

	for (i = 0; i < N_SOURCES; i++) {
		if (sources[i].has_entry)
			functions[n++].entry = sources[i].entry;
		if (sources[i].callee.kind == CSN_CALLEE_ADDRESS)
			functions[n++].entry = sources[i].callee.address;
	}
	qsort(functions, n, sizeof(*functions), compare_functions);
	for (i = 0; i < n; i++)
		if (!n_distinct || functions[n_distinct - 1].entry != functions[i].entry)
			functions[n_distinct++] = functions[i];
	return n_distinct;
}

static void use_tails(struct csn_arena *arena, struct csn_dwarf *dwarf,
		      const struct csn_source *sources)
{
	struct csn_tail_calls functions[2 * N_SOURCES] = { 0 };
	size_t i, k, n = collect(sources, functions);

	if (csn_dwarf_tail_calls(arena, dwarf, functions, n, NULL) < 0)
		return;
	for (i = 0; i < n; i++) {
		for (k = 0; k < functions[i].n_calls; k++) {
			const struct csn_callee *callee = &functions[i].calls[k].callee;

			sum += callee->name ? strlen(callee->name) : callee->address;
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
	cleanup_(csn_arena_freep) struct csn_arena *arena = csn_arena_new(64 << 20);
	cleanup_(world_done) struct world world = { 0 };
	struct csn_span all = csn_span_of(data, size_bytes);
	struct csn_source sources[N_SOURCES];
	size_t i;

	if (!arena || !read_world(&world, &all))
		return 0;
	for (i = 0; i < csn_countof(sources); i++)
		sources[i] = (struct csn_source){ .address = 0x1000 + 5 * i };
	if (csn_dwarf_locate(arena, world.dwarfs[OBJECT], sources, csn_countof(sources), NULL) < 0)
		return 0;
	for (i = 0; i < csn_countof(sources); i++)
		use(&sources[i]);
	use_tails(arena, world.dwarfs[OBJECT], sources);
	return 0;
}
