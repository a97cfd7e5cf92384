/* The search through memory: once for each step away from the object of the fault. */
#include <stdlib.h>
#include <string.h>

#include "analyze/stale_internal.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/limits.h"

#define CSN_STALE_BLOCK (64 * CSN_KIB)
#define CSN_STALE_PAGE 4096u
/* Below the stack pointer: what the ABI lets functions use. */
#define CSN_STALE_RED_ZONE 128u
/* Objects between a variable and the pointer. */
#define CSN_STALE_DEPTH 4u

/* Objects that this step looks for, by address. */
struct csn_stale_step {
	struct csn_stale_state *stale;
	size_t sorted[CSN_MAX_STALE_OBJECTS];
	size_t n_sorted;
	csn_addr lowest, highest;
	unsigned depth;
	bool in_stack; /* what is being searched is one */
};

static int csn_stale_compare(const void *a, const void *b, void *context)
{
	const struct csn_stale_state *stale = context;
	csn_addr x = stale->objects[*(const size_t *)a].start;
	csn_addr y = stale->objects[*(const size_t *)b].start;

	return x < y ? -1 : x > y;
}

static bool csn_stale_begin(struct csn_stale_step *step)
{
	struct csn_stale_state *stale = step->stale;

	step->n_sorted = 0;
	step->lowest = UINT64_MAX;
	step->highest = 0;
	for (size_t i = 0; i < stale->n_objects; i++) {
		if (stale->objects[i].depth != step->depth)
			continue;
		step->sorted[step->n_sorted++] = i;
		step->lowest = csn_min_u64(step->lowest, stale->objects[i].start);
		step->highest = csn_max_u64(step->highest, stale->objects[i].end);
	}
	qsort_r(step->sorted, step->n_sorted, sizeof(*step->sorted), csn_stale_compare, stale);
	return step->n_sorted > 0;
}

/* The object that a value leads into; SIZE_MAX none. */
static size_t csn_stale_object_of(const struct csn_stale_step *step, uint64_t value)
{
	const struct csn_stale_state *stale = step->stale;
	size_t low = 0, high = step->n_sorted;

	if (value < step->lowest || value >= step->highest)
		return SIZE_MAX;
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (stale->objects[step->sorted[middle]].start <= value)
			low = middle + 1;
		else
			high = middle;
	}
	return low && value < stale->objects[step->sorted[low - 1]].end ? step->sorted[low - 1]
									: SIZE_MAX;
}

/* The head of a list of freed chunks that glibc keeps for a thread: 64 counts, 64 pointers. */
static bool csn_is_tcache(const struct csn_stale_state *stale, const struct csn_heap_place *place)
{
	uint8_t count[2];
	int64_t number = (place->offset - 128) / 8;

	return place->size_bytes == 0x288 && place->offset >= 128 && number < 64 &&
	       csn_target_read_some(stale->look->target, place->user + 2 * (uint64_t)number, count,
				    sizeof(count)) == sizeof(count) &&
	       (count[0] | count[1]);
}

/* The object around a word of the heap, new or known; SIZE_MAX: not of the heap. False: the word
 * does not count, because nobody uses it, or because only words outside of the heap do. */
static bool csn_stale_around(struct csn_stale_step *step, csn_addr place, bool outside,
			     size_t *ret_object)
{
	struct csn_stale_state *stale = step->stale;
	struct csn_heap_place around = { .state = CSN_HEAP_UNKNOWN };

	*ret_object = SIZE_MAX;
	if (stale->heap)
		csn_heap_look(stale->heap, place, &around);
	if (around.state == CSN_HEAP_FREED || around.state == CSN_HEAP_TOP)
		return false;
	if (around.state != CSN_HEAP_LIVE || !around.has_chunk)
		return true;
	if (outside || around.offset < 0 || csn_is_tcache(stale, &around))
		return false;
	for (size_t i = 0; i < stale->n_objects; i++) {
		if (stale->objects[i].start != around.user)
			continue;
		*ret_object = i;
		return true;
	}
	if (stale->n_objects == CSN_MAX_STALE_OBJECTS) {
		stale->cut = true;
		return true;
	}
	stale->objects[stale->n_objects] = (struct csn_stale_object){
		.start = around.user,
		.end = around.user + around.size_bytes,
		.holder = SIZE_MAX,
		.depth = step->depth + 1,
	};
	*ret_object = stale->n_objects++;
	return true;
}

static void csn_stale_note(struct csn_stale_step *step, csn_addr place, uint64_t value, size_t to)
{
	struct csn_stale_state *stale = step->stale;
	struct csn_stale_object *object = &stale->objects[to];
	enum csn_stale_rank rank = CSN_STALE_VARIABLE, known = CSN_STALE_WORD + 1;
	size_t inside;

	if (to && object->holder != SIZE_MAX)
		known = stale->references[object->holder].rank;
	/* What points to itself keeps nobody alive; to others one way is enough, the best. */
	if ((place >= object->start && place < object->end) || rank >= known)
		return;
	if (stale->n_references == CSN_MAX_STALE_REFERENCES) {
		stale->n_found += !to;
		stale->cut = true;
		return;
	}
	if (!csn_stale_around(step, place, known <= CSN_STALE_HEAP, &inside))
		return;
	stale->n_found += !to;
	if (inside != SIZE_MAX)
		rank = CSN_STALE_HEAP;
	else if (step->in_stack && !csn_stale_is_variable(stale, place))
		rank = CSN_STALE_WORD;
	if (rank >= known)
		return;
	object->holder = stale->n_references;
	stale->references[stale->n_references++] =
		(struct csn_stale_reference){ place, value, to, inside, rank };
}

static void csn_stale_search_words(struct csn_stale_step *step, csn_addr addr, const uint8_t *bytes,
				   size_t size)
{
	unsigned word = step->stale->look->target->arch->word_bytes;

	for (size_t at = 0; at + word <= size; at += word) {
		uint64_t value = 0;
		size_t to;

		memcpy(&value, bytes + at, word);
		to = csn_stale_object_of(step, value);
		if (to != SIZE_MAX)
			csn_stale_note(step, addr + at, value, to);
	}
}

static bool csn_stale_goes_on(struct csn_stale_state *stale)
{
	if (stale->bytes_left && csn_monotonic_ns() < stale->deadline_ns)
		return true;
	stale->cut = true;
	return false;
}

static void csn_stale_search_range(struct csn_stale_step *step, csn_addr start, csn_addr end,
				   uint8_t *room)
{
	struct csn_stale_state *stale = step->stale;

	while (start < end && csn_stale_goes_on(stale)) {
		size_t size = csn_min_u64(end - start, CSN_STALE_BLOCK);

		size = csn_target_read_own(stale->look->target, start, room,
					   csn_min_u64(size, stale->bytes_left));
		csn_stale_search_words(step, start, room, size);
		stale->bytes_left -= size;
		/* What is not in the dump is passed over, page by page. */
		start += size ? size : CSN_STALE_PAGE - start % CSN_STALE_PAGE;
		start += -start % stale->look->target->arch->word_bytes;
	}
}

/* Data of the allocator itself: its lists hold what is free. */
static bool csn_is_allocators(const struct csn_mapping *mapping)
{
	const char *name = mapping->path ? strrchr(mapping->path, '/') : NULL;

	return name && (strncmp(name, "/libc.so", 8) == 0 || strncmp(name, "/libc-", 6) == 0 ||
			strncmp(name, "/ld-linux", 9) == 0);
}

/* The lowest stack pointer in a mapping; 0 none. */
static csn_addr csn_stale_lowest_stack(const struct csn_stale_state *stale,
				       const struct csn_mapping *mapping)
{
	size_t low = 0, high = stale->n_stacks;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (stale->stacks[middle] < mapping->start)
			low = middle + 1;
		else
			high = middle;
	}
	return low < stale->n_stacks && stale->stacks[low] < mapping->end ? stale->stacks[low] : 0;
}

/* Of a stack, where what lives begins: below the stack pointer is what was. */
static csn_addr csn_stale_live_start(const struct csn_target *target, size_t number, csn_addr sp)
{
	const struct csn_mapping *mapping = &target->mappings[number];
	const struct csn_mapping *before = number ? mapping - 1 : NULL;
	bool is_stack = (mapping->path && strcmp(mapping->path, "[stack]") == 0) ||
			(before && before->end == mapping->start && before->perms_known &&
			 !before->readable && !before->writable);

	if (!is_stack || sp < mapping->start + CSN_STALE_RED_ZONE)
		return mapping->start;
	sp -= CSN_STALE_RED_ZONE;
	return sp - sp % target->arch->word_bytes;
}

static int csn_address_compare(const void *a, const void *b)
{
	csn_addr x = *(const csn_addr *)a, y = *(const csn_addr *)b;

	return x < y ? -1 : x > y;
}

static bool csn_stale_sort_stacks(struct csn_stale_state *stale)
{
	const struct csn_target *target = stale->look->target;

	stale->stacks = csn_arena_array(stale->look->snapshot->arena, target->n_threads + 1,
					sizeof(*stale->stacks));
	if (!stale->stacks)
		return false;
	for (size_t i = 0; i < target->n_threads; i++)
		stale->stacks[i] = target->threads[i].registers.value[target->arch->sp];
	stale->n_stacks = target->n_threads;
	qsort(stale->stacks, stale->n_stacks, sizeof(*stale->stacks), csn_address_compare);
	return true;
}

static void csn_stale_search_memory(struct csn_stale_step *step, uint8_t *room)
{
	const struct csn_target *target = step->stale->look->target;

	for (size_t i = 0; i < target->n_mappings; i++) {
		const struct csn_mapping *mapping = &target->mappings[i];
		csn_addr sp = csn_stale_lowest_stack(step->stale, mapping);

		if (mapping->perms_known ? !mapping->writable || !mapping->readable
					 : mapping->is_file)
			continue;
		step->in_stack = sp;
		if (!csn_is_allocators(mapping))
			csn_stale_search_range(step, csn_stale_live_start(target, i, sp),
					       mapping->end, room);
	}
}

int csn_stale_search(struct csn_stale_state *stale)
{
	cleanup_free uint8_t *room = malloc(CSN_STALE_BLOCK);
	cleanup_free struct csn_stale_step *step = malloc(sizeof(*step));

	if (!room || !step || !csn_stale_sort_stacks(stale))
		return csn_fail_nomem(stale->look->err);
	*step = (struct csn_stale_step){ .stale = stale };
	for (; step->depth < CSN_STALE_DEPTH && csn_stale_begin(step); step->depth++)
		csn_stale_search_memory(step, room);
	return 0;
}
