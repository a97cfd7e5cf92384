/* Where glibc's heap is: the main arena among the C library's data, the other arenas by the chain
 * that starts there, and the memory that each hands out.
 *
 * The main arena is a static variable without a name in a stripped library. It is known by its 127
 * bins: an empty one holds two pointers to itself, and most are empty. */
#include "analyze/heap_glibc_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/limits.h"

#define PAGE 4096u
/* HEAP_MAX_SIZE: heaps of arenas but the main one begin at its multiples. */
#define HEAP_BYTES (64 * CSN_MIB)
/* Bins that must lead to themselves, or to where they can lead, for an arena to be one. */
#define LEAST_EMPTY 32u
#define NONCONTIGUOUS 2u /* in the arena's flags: its memory is not all from brk */
#define MAX_HEAPS 4096u  /* of one arena */

bool csn_glibc_step(struct csn_glibc *glibc)
{
	if (!glibc->steps_left)
		return false;
	glibc->steps_left--;
	return true;
}

struct csn_glibc_region *csn_glibc_find_region(struct csn_glibc *glibc, csn_addr addr)
{
	size_t low = 0, high = glibc->n_regions;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		struct csn_glibc_region *region = &glibc->regions[middle];

		if (addr < region->from)
			high = middle;
		else if (addr >= region->end)
			low = middle + 1;
		else
			return region;
	}
	return NULL;
}

bool csn_glibc_may_be_chunk(struct csn_glibc *glibc, csn_addr chunk)
{
	const struct csn_glibc_region *region = csn_glibc_find_region(glibc, chunk);

	return chunk % 16 == 0 && region && chunk >= region->start &&
	       region->end - chunk >= CSN_GLIBC_MIN_CHUNK;
}

/* Another arena lies behind the record of its first heap. */
static uint64_t csn_glibc_record_bytes(csn_addr state)
{
	uint64_t record = state % HEAP_BYTES;

	return record == 32 || record == 48 ? record : 0;
}

/* An arena at state: its flags, bins that lead to themselves or away, and a chain that leads to
 * itself or to another arena. */
static bool csn_glibc_is_arena(struct csn_heap *heap, csn_addr state, csn_addr main)
{
	uint64_t words[2 * CSN_GLIBC_N_BINS], first, next, system;
	size_t empty = 0;

	if (!csn_heap_word(heap, state + CSN_GLIBC_NEXT, &next) ||
	    (next != state && next != main &&
	     (!csn_glibc_record_bytes(next) || csn_heap_is_foreign(heap, next))) ||
	    !csn_heap_word(heap, state + CSN_GLIBC_SYSTEM_MEM, &system) || system % PAGE ||
	    !csn_heap_word(heap, state, &first) || first >> 32 > (NONCONTIGUOUS | 1) ||
	    !csn_heap_bytes(heap, state + CSN_GLIBC_BINS, words, sizeof(words)))
		return false;
	for (size_t i = 0; i < CSN_GLIBC_N_BINS; i++) {
		csn_addr bin = state + CSN_GLIBC_BINS + 16 * i - 16;

		empty += words[2 * i] == bin && words[2 * i + 1] == bin;
	}
	return empty >= LEAST_EMPTY;
}

/* An arena in [start, end); 0 none. Any empty bin tells where it can begin. */
static csn_addr csn_glibc_scan(struct csn_heap *heap, csn_addr start, csn_addr end)
{
	for (csn_addr at = start & ~7ull; at + 16 <= end; at += 8) {
		uint64_t fd, bk;

		if (!csn_heap_word(heap, at, &fd)) {
			at = (at | (PAGE - 1)) - 7;
			continue;
		}
		if (fd != at - 16 || !csn_heap_word(heap, at + 8, &bk) || bk != fd)
			continue;
		for (size_t i = 0; i < CSN_GLIBC_N_BINS; i++) {
			csn_addr state = at - 16 * i - CSN_GLIBC_BINS;

			if (state >= start && state < at && csn_glibc_is_arena(heap, state, state))
				return state;
		}
	}
	return 0;
}

/* The program's or library's own data. */
static csn_addr csn_glibc_find_main(struct csn_heap *heap, const struct csn_module *module)
{
	for (size_t i = 0; i < heap->target->n_mappings; i++) {
		const struct csn_mapping *mapping = &heap->target->mappings[i];
		csn_addr found, end;

		if (mapping->start < module->start || mapping->end > module->end ||
		    !mapping->is_file || (mapping->perms_known && !mapping->writable))
			continue;
		end = csn_min_u64(mapping->end, mapping->start + CSN_MAX_HEAP_SCAN);
		found = csn_glibc_scan(heap, mapping->start, end);
		if (found)
			return found;
	}
	return 0;
}

static csn_addr csn_glibc_find_state(struct csn_heap *heap)
{
	size_t n = heap->modules ? csn_modules_count(heap->modules) : 0;
	csn_addr found;

	for (size_t i = 0; i < n; i++) {
		struct csn_module *module = csn_modules_get(heap->modules, i);

		if (strncmp(module->name, "libc.so", 7) != 0 &&
		    strncmp(module->name, "libc-", 5) != 0)
			continue;
		found = csn_glibc_find_main(heap, module);
		if (found)
			return found;
	}
	for (size_t i = 0; i < n; i++) {
		struct csn_module *module = csn_modules_get(heap->modules, i);

		if (module->is_main)
			return csn_glibc_find_main(heap, module);
	}
	return 0;
}

static bool csn_glibc_add_region(struct csn_glibc *glibc, const struct csn_glibc_region *region)
{
	struct csn_glibc_region *grown =
		csn_arena_grow(glibc->heap->arena, glibc->regions, glibc->n_regions,
			       &glibc->regions_capacity, sizeof(*grown));

	if (!grown || region->end <= region->start)
		return false;
	glibc->regions = grown;
	glibc->regions[glibc->n_regions++] = *region;
	return true;
}

/* Memory of brk: it ends where the mapping ends, and began system_bytes before. */
static void csn_glibc_add_brk(struct csn_glibc *glibc, struct csn_glibc_arena *arena)
{
	const struct csn_mapping *mapping =
		csn_target_find_mapping(glibc->heap->target, arena->top);
	struct csn_glibc_region region = { .is_last = true };
	uint64_t flags, size;

	if (!mapping || csn_heap_is_foreign(glibc->heap, arena->top) ||
	    !csn_heap_word(glibc->heap, arena->state, &flags))
		return;
	arena->top_unread = !csn_heap_word(glibc->heap, arena->top + 8, &size);
	arena->top_bytes = arena->top_unread ? 0 : size & ~(uint64_t)CSN_GLIBC_FLAGS;
	/* Others may have moved the break further. */
	arena->top_good = !arena->top_unread && size & CSN_GLIBC_PREV_INUSE &&
			  arena->top_bytes <= mapping->end - arena->top &&
			  (arena->top + arena->top_bytes) % PAGE == 0 &&
			  arena->top_bytes >= CSN_GLIBC_HEADER;
	region.end = arena->top_good ? arena->top + arena->top_bytes : mapping->end;
	region.start = mapping->start;
	if (!(flags >> 32 & NONCONTIGUOUS) && arena->system_bytes <= region.end &&
	    region.end - arena->system_bytes >= mapping->start &&
	    region.end - arena->system_bytes < mapping->start + PAGE) {
		region.start = (region.end - arena->system_bytes + 15) & ~15ull;
		region.start_known = true;
	}
	region.from = region.start;
	(void)csn_glibc_add_region(glibc, &region);
}

/* struct heap_info: arena, the heap before, bytes, bytes that are writable. */
static void csn_glibc_add_heaps(struct csn_glibc *glibc, size_t number)
{
	struct csn_glibc_arena *arena = &glibc->arenas[number];
	csn_addr info = arena->top & ~(csn_addr)(HEAP_BYTES - 1);
	csn_addr own = arena->state & ~(csn_addr)(HEAP_BYTES - 1);
	uint64_t record = csn_glibc_record_bytes(arena->state), words[4], size;

	if (!record)
		return;
	for (size_t i = 0; info && i < MAX_HEAPS; i++, info = words[1]) {
		struct csn_glibc_region region = {
			.from = info, .arena = number, .start_known = true, .is_last = i == 0
		};

		if (info % HEAP_BYTES || !csn_heap_bytes(glibc->heap, info, words, sizeof(words)) ||
		    words[0] != arena->state || words[2] > HEAP_BYTES || words[2] % PAGE)
			return;
		region.end = info + words[2];
		region.start = info + record;
		if (info == own)
			region.start = (arena->state + CSN_GLIBC_STATE_BYTES + 15) & ~15ull;
		if (i == 0) {
			arena->top_unread = !csn_heap_word(glibc->heap, arena->top + 8, &size);
			arena->top_bytes =
				arena->top_unread ? 0 : size & ~(uint64_t)CSN_GLIBC_FLAGS;
			arena->top_good =
				!arena->top_unread && arena->top + arena->top_bytes == region.end;
		}
		if (!csn_glibc_add_region(glibc, &region))
			return;
	}
}

static int csn_glibc_compare_regions(const void *a, const void *b)
{
	const struct csn_glibc_region *x = a, *y = b;

	return x->from < y->from ? -1 : x->from > y->from;
}

/* What overlaps cannot be believed; the first one stays. */
static void csn_glibc_sort_regions(struct csn_glibc *glibc)
{
	size_t kept = 0;

	if (!glibc->n_regions)
		return;
	qsort(glibc->regions, glibc->n_regions, sizeof(*glibc->regions), csn_glibc_compare_regions);
	for (size_t i = 0; i < glibc->n_regions; i++)
		if (!kept || glibc->regions[i].from >= glibc->regions[kept - 1].end)
			glibc->regions[kept++] = glibc->regions[i];
	glibc->n_regions = kept;
}

/* Follows the chain of arenas, which leads back to the main one. */
static bool csn_glibc_read_arenas(struct csn_glibc *glibc, csn_addr main)
{
	csn_addr state = main;

	do {
		struct csn_glibc_arena *grown =
			csn_arena_grow(glibc->heap->arena, glibc->arenas, glibc->n_arenas,
				       &glibc->arenas_capacity, sizeof(*grown));
		struct csn_glibc_arena *arena;

		if (!grown)
			return false;
		glibc->arenas = grown;
		arena = &grown[glibc->n_arenas];
		*arena = (struct csn_glibc_arena){ .state = state };
		if ((state != main && !csn_glibc_is_arena(glibc->heap, state, main)) ||
		    !csn_heap_word(glibc->heap, state + CSN_GLIBC_TOP, &arena->top) ||
		    !csn_heap_word(glibc->heap, state + CSN_GLIBC_SYSTEM_MEM,
				   &arena->system_bytes) ||
		    !csn_heap_word(glibc->heap, state + CSN_GLIBC_NEXT, &state))
			return true;
		/* The first top is no chunk, but the bin before all others. */
		arena->has_top = arena->top && arena->top % 16 == 0 &&
				 arena->top != arena->state + CSN_GLIBC_TOP;
		glibc->n_arenas++;
	} while (state != main && glibc->n_arenas < CSN_MAX_HEAP_ARENAS);
	glibc->arenas_whole = state == main;
	return true;
}

static void *csn_glibc_find(struct csn_heap *heap)
{
	struct csn_glibc *glibc = csn_arena_alloc(heap->arena, sizeof(*glibc));
	csn_addr main = glibc ? csn_glibc_find_state(heap) : 0;

	if (!main)
		return NULL;
	glibc->heap = heap;
	glibc->steps_left = CSN_MAX_HEAP_STEPS;
	glibc->pages_left = CSN_MAX_HEAP_PAGES;
	if (!csn_glibc_read_arenas(glibc, main))
		return NULL;
	for (size_t i = 0; i < glibc->n_arenas; i++) {
		if (!glibc->arenas[i].has_top)
			continue;
		if (i == 0)
			csn_glibc_add_brk(glibc, &glibc->arenas[i]);
		else
			csn_glibc_add_heaps(glibc, i);
	}
	csn_glibc_sort_regions(glibc);
	return glibc;
}

/* --- looking --- */

/* A large chunk has a mapping of its own: its header is at the start of a page, and the sizes say
 * so. Neighbouring mappings are shown as one. */
static void csn_glibc_look_mapped(struct csn_glibc *glibc, csn_addr addr,
				  struct csn_heap_place *place)
{
	struct csn_heap *heap = glibc->heap;
	const struct csn_mapping *mapping = csn_target_find_mapping(heap->target, addr);
	csn_addr page = addr & ~(csn_addr)(PAGE - 1);
	uint64_t words[2];
	bool whole = true;

	for (; mapping && page >= mapping->start && glibc->pages_left; page -= PAGE) {
		uint64_t size;

		/* Past the blocks: of each page only this is wanted. */
		glibc->pages_left--;
		if (csn_target_read_some(heap->target, page, words, sizeof(words)) !=
		    sizeof(words)) {
			whole = false;
			continue;
		}
		size = words[1] & ~(uint64_t)CSN_GLIBC_FLAGS;
		if (words[0] || (words[1] & CSN_GLIBC_FLAGS) != CSN_GLIBC_MMAPPED || !size ||
		    size % PAGE || size > mapping->end - page || addr - page >= size)
			continue;
		*place = (struct csn_heap_place){ .state = whole ? CSN_HEAP_LIVE : CSN_HEAP_UNKNOWN,
						  .chunk = page,
						  .user = page + CSN_GLIBC_HEADER,
						  .size_bytes = size - CSN_GLIBC_HEADER,
						  .has_chunk = true,
						  .mmapped = true,
						  .evidence = "header of a mapping of its own" };
		place->offset = (int64_t)(addr - place->user);
		return;
	}
	/* What is before the start of the mapping was looked at, and nothing was left out. */
	if (whole && mapping && page < mapping->start && glibc->arenas_whole) {
		place->state = CSN_HEAP_NOT_HEAP;
		place->evidence = "in no arena, and behind no header";
	} else {
		place->evidence = "not all headers can be read";
	}
}

static void csn_glibc_judge_listed(const struct csn_glibc_free *listed,
				   struct csn_heap_place *place)
{
	place->state = CSN_HEAP_FREED;
	place->list = listed->list;
	/* A link; its way back, or a mark; those of large chunks are two more. */
	place->written_bytes = listed->list == CSN_HEAP_FASTBIN ? 8
			       : listed->list == CSN_HEAP_LARGE ? 32
								: 16;
	place->evidence = "in a list of free chunks";
}

/* The state of a chunk whose bounds are known. */
static void csn_glibc_judge(struct csn_glibc *glibc, struct csn_glibc_region *region,
			    csn_addr chunk, uint64_t size, struct csn_heap_place *place)
{
	const struct csn_glibc_free *listed;
	uint64_t next, mark = 0;
	/* Requests of up to 1032 bytes are cached by default; the limit can be set, but not above
	 * the largest bin. */
	bool cacheable = size <= CSN_GLIBC_MIN_CHUNK + 16 * (CSN_GLIBC_TCACHE_BINS - 1);

	csn_glibc_read_lists(glibc);
	listed = csn_glibc_find_free(glibc, chunk);
	if (listed) {
		csn_glibc_judge_listed(listed, place);
		return;
	}
	if (chunk + size >= region->end || !csn_heap_word(glibc->heap, chunk + size + 8, &next)) {
		place->evidence = "the header behind it is not in the dump";
		return;
	}
	if (!(next & CSN_GLIBC_PREV_INUSE)) {
		uint64_t before;

		if (csn_heap_word(glibc->heap, chunk + size, &before) && before == size) {
			place->state = CSN_HEAP_FREED;
			place->evidence = "the header behind it says so";
		} else {
			place->evidence = "the header behind it contradicts its size";
		}
		return;
	}
	if (!glibc->bins_whole) {
		place->evidence = "not all lists can be read";
		return;
	}
	if (!cacheable || glibc->tcaches_whole) {
		place->state = CSN_HEAP_LIVE;
		place->evidence = "in no list of free chunks";
		return;
	}
	/* What is not in the tcache does not have its mark. */
	if (glibc->key && csn_heap_word(glibc->heap, chunk + 24, &mark) && mark != glibc->key) {
		place->state = CSN_HEAP_LIVE;
		place->evidence = "in no list of free chunks, and without the mark of a tcache";
		return;
	}
	place->evidence = mark ? "has the mark of a tcache, but no list holds it"
			       : "not all tcaches can be read";
}

/* What the allocator returned for a chunk that a list holds needs no walk. */
static bool csn_glibc_look_listed(struct csn_glibc *glibc, const struct csn_glibc_region *region,
				  csn_addr user, struct csn_heap_place *place)
{
	csn_addr chunk = user - CSN_GLIBC_HEADER;
	const struct csn_glibc_free *listed = csn_glibc_find_free(glibc, chunk);
	uint64_t head, size;

	if (!listed || !csn_heap_word(glibc->heap, chunk + 8, &head))
		return false;
	size = head & ~(uint64_t)CSN_GLIBC_FLAGS;
	if (size < CSN_GLIBC_MIN_CHUNK || size > region->end - chunk)
		return false;
	place->chunk = chunk;
	place->user = user;
	place->size_bytes = size - 8;
	place->has_chunk = true;
	place->prev_inuse = head & CSN_GLIBC_PREV_INUSE;
	csn_glibc_judge_listed(listed, place);
	return true;
}

static void csn_glibc_look_chunk(struct csn_glibc *glibc, struct csn_glibc_region *region,
				 csn_addr addr, struct csn_heap_place *place)
{
	const struct csn_glibc_arena *arena = &glibc->arenas[region->arena];
	uint64_t size, head;
	csn_addr chunk;

	place->arena = arena->state;
	if (region->is_last && addr >= arena->top + 8) {
		place->state =
			arena->top_unread || arena->top_good ? CSN_HEAP_TOP : CSN_HEAP_CORRUPT;
		place->chunk = arena->top;
		place->user = arena->top + CSN_GLIBC_HEADER;
		place->size_bytes = arena->top_good ? arena->top_bytes - CSN_GLIBC_HEADER : 0;
		place->offset = (int64_t)(addr - place->user);
		place->has_chunk = true;
		place->evidence = "beyond the last chunk of its arena";
		return;
	}
	if (addr < region->start + 8) {
		place->state = CSN_HEAP_NOT_HEAP;
		place->evidence = "the arena's own record";
		return;
	}
	csn_glibc_read_lists(glibc);
	if (csn_glibc_look_listed(glibc, region, addr, place))
		return;
	csn_glibc_walk(glibc, region);
	if (!csn_glibc_find_chunk(glibc, region, addr, &chunk, &size) ||
	    !csn_heap_word(glibc->heap, chunk + 8, &head)) {
		place->state = region->stopped_by_damage ? CSN_HEAP_CORRUPT : CSN_HEAP_UNKNOWN;
		place->evidence = region->stopped_by_damage
					  ? "behind a damaged header"
					  : "the chunks before it are not all in the dump";
		return;
	}
	place->chunk = chunk;
	place->user = chunk + CSN_GLIBC_HEADER;
	place->size_bytes = size - 8;
	place->offset = (int64_t)(addr - place->user);
	place->has_chunk = true;
	place->prev_inuse = head & CSN_GLIBC_PREV_INUSE;
	csn_glibc_judge(glibc, region, chunk, size, place);
}

static void csn_glibc_look(struct csn_heap *heap, void *impl, csn_addr addr,
			   struct csn_heap_place *place)
{
	struct csn_glibc *glibc = impl;
	struct csn_glibc_region *region = csn_glibc_find_region(glibc, addr);

	(void)heap;
	if (region)
		csn_glibc_look_chunk(glibc, region, addr, place);
	else
		csn_glibc_look_mapped(glibc, addr, place);
}

static void csn_glibc_check(struct csn_heap *heap, void *impl)
{
	struct csn_glibc *glibc = impl;

	(void)heap;
	csn_glibc_read_lists(glibc);
	for (size_t i = 0; i < glibc->n_regions; i++)
		csn_glibc_walk(glibc, &glibc->regions[i]);
}

const struct csn_heap_ops csn_heap_glibc = {
	.name = "glibc",
	.find = csn_glibc_find,
	.look = csn_glibc_look,
	.check = csn_glibc_check,
};
