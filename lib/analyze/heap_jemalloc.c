/* jemalloc 5.3, as a library of its own.
 *
 * A radix tree of two levels leads from a page to the record of its extent (include/jemalloc/
 * internal/rtree.h, edata.h); the tree's root is a static array without a name. It is found by an
 * address that is asked about: the word in the library's data that leads to a leaf whose entry
 * leads to a record that says it holds that very address. Small objects lie in slabs with a bit for
 * each free one; what threads keep back is in their caches (cache_bin.h), which lie in their own
 * storage: one record per size, whose stacks follow each other. */
#include <stdlib.h>

#include "analyze/heap_internal.h"
#include "base/limits.h"

#define PAGE 4096u
#define LEAF_BITS 18u    /* of an address, behind those of a page */
#define ADDRESS_BITS 48u /* of an entry: the record; above them the size's number */
#define RECORD_ALIGNMENT 128u
#define RECORD_ADDRESS 8u /* edata_t: offsets in bytes */
#define RECORD_SIZE 16u
#define RECORD_BITMAP 64u
#define SIZES 232u       /* kinds of sizes */
#define SMALL_SIZES 36u  /* that have slabs */
#define MAX_REGIONS 512u /* of a slab */
#define BIN_BYTES 24u    /* cache_bin_t */
#define MAX_BINS 64u
#define STORAGE_BYTES 8192u /* below the thread pointer that are looked through */

struct jemalloc {
	struct csn_heap *heap;
	struct csn_heap_words words; /* of the library that may lead to a leaf */
	csn_addr root;               /* 0 not known yet */
	bool caches_read, caches_whole;
	struct csn_heap_words cached; /* sorted: what threads keep back */
	size_t n_bins;                /* sizes that are cached */
};

/* What the allocator says of a page. */
struct extent {
	csn_addr start;
	uint64_t size_bytes;
	csn_addr record;
	unsigned size; /* number of the size */
	unsigned state;
	bool slab;
};

static uint64_t size_of(unsigned number)
{
	unsigned group = (number - 5) / 4, within = (number - 5) % 4;

	if (number == 0)
		return 8;
	return number < 5 ? 16ull * number : (64ull << group) + (16ull << group) * (within + 1);
}

static void *find(struct csn_heap *heap)
{
	struct jemalloc *jemalloc = csn_arena_alloc(heap->arena, sizeof(*jemalloc));

	if (!jemalloc || !csn_heap_library_words(heap, "libjemalloc", 64, &jemalloc->words))
		return NULL;
	jemalloc->heap = heap;
	return jemalloc;
}

/* The extent that a leaf's entry for the page leads to; what does not agree with itself is none. */
static bool read_entry(struct csn_heap *heap, csn_addr leaf, csn_addr page,
		       struct extent *ret_extent)
{
	uint64_t entry, bits, start, size;
	csn_addr record;

	if (!csn_heap_word(heap, leaf + 8 * (page / PAGE % (1u << LEAF_BITS)), &entry))
		return false;
	record = entry & ((1ull << ADDRESS_BITS) - 1) & ~(uint64_t)(RECORD_ALIGNMENT - 1);
	if (!record || !csn_heap_word(heap, record, &bits) ||
	    !csn_heap_word(heap, record + RECORD_ADDRESS, &start) ||
	    !csn_heap_word(heap, record + RECORD_SIZE, &size))
		return false;
	*ret_extent = (struct extent){ .start = start,
				       .size_bytes = size & ~(uint64_t)(PAGE - 1),
				       .record = record,
				       .size = (unsigned)(entry >> ADDRESS_BITS),
				       .state = entry >> 2 & 7,
				       .slab = entry & 1 };
	return ret_extent->size < SIZES && (bits >> 20 & 0xff) == ret_extent->size &&
	       (bits >> 12 & 1) == ret_extent->slab && ret_extent->size_bytes &&
	       page - (start & ~(uint64_t)(PAGE - 1)) < ret_extent->size_bytes &&
	       (!ret_extent->slab || ret_extent->size < SMALL_SIZES);
}

/* Of large extents only the first and the last page have entries. */
static bool read_leaf(struct csn_heap *heap, csn_addr leaf, csn_addr addr,
		      struct extent *ret_extent)
{
	csn_addr page = addr & ~(csn_addr)(PAGE - 1);
	uint64_t entry;

	for (size_t i = 0; i < CSN_MAX_HEAP_PAGES; i++, page -= PAGE) {
		if (read_entry(heap, leaf, page, ret_extent))
			return addr - (ret_extent->start & ~(uint64_t)(PAGE - 1)) <
			       ret_extent->size_bytes;
		if (page / PAGE % (1u << LEAF_BITS) == 0 ||
		    !csn_heap_word(heap, leaf + 8 * (page / PAGE % (1u << LEAF_BITS)), &entry) ||
		    entry)
			return false;
	}
	return false;
}

static bool find_extent(struct jemalloc *jemalloc, csn_addr addr, struct extent *ret_extent)
{
	csn_addr index = addr / PAGE >> LEAF_BITS;
	uint64_t leaf;

	if (jemalloc->root)
		return csn_heap_word(jemalloc->heap, jemalloc->root + 8 * index, &leaf) && leaf &&
		       read_leaf(jemalloc->heap, leaf, addr, ret_extent);
	for (size_t i = 0; i < jemalloc->words.n; i++)
		if (csn_heap_word(jemalloc->heap, jemalloc->words.at[i], &leaf) &&
		    read_entry(jemalloc->heap, leaf, addr & ~(csn_addr)(PAGE - 1), ret_extent)) {
			jemalloc->root = jemalloc->words.at[i] - 8 * index;
			return true;
		}
	return false;
}

/* --- caches of threads --- */

struct bin {
	csn_addr top; /* of the stack: the next to be given */
	uint16_t full, empty;
	uint16_t n_cached;
};

static bool read_bin(struct csn_heap *heap, csn_addr at, struct bin *ret_bin)
{
	uint64_t words[3];
	uint16_t room;

	if (!csn_heap_bytes(heap, at, words, sizeof(words)))
		return false;
	ret_bin->top = words[0];
	ret_bin->full = (uint16_t)(words[2] >> 16);
	ret_bin->empty = (uint16_t)(words[2] >> 32);
	room = (uint16_t)(ret_bin->empty - ret_bin->full);
	ret_bin->n_cached = (uint16_t)(ret_bin->empty - (uint16_t)words[0]);
	if (words[0] % 8 || !words[0] || room % 8 || !room || ret_bin->n_cached % 8 ||
	    ret_bin->n_cached > room || words[2] >> 48)
		return false;
	ret_bin->n_cached /= 8;
	return true;
}

/* Records whose stacks follow each other; how many. */
static size_t count_bins(struct csn_heap *heap, csn_addr at)
{
	struct bin bin, next;
	size_t n = 0;

	if (!read_bin(heap, at, &bin))
		return 0;
	for (n = 1; n < MAX_BINS && read_bin(heap, at + n * BIN_BYTES, &next); n++) {
		if (next.full != bin.empty)
			break;
		bin = next;
	}
	return n;
}

/* How far below the thread pointer the first record lies; 0 not found. */
static uint64_t find_bins(struct jemalloc *jemalloc, csn_addr pointer)
{
	for (uint64_t below = STORAGE_BYTES; below >= (uint64_t)BIN_BYTES * SMALL_SIZES;
	     below -= 8) {
		size_t n = count_bins(jemalloc->heap, pointer - below);

		if (n < SMALL_SIZES)
			continue;
		jemalloc->n_bins = n;
		return below;
	}
	return 0;
}

/* What one thread keeps back: each must be of the size that its record is for. */
static bool read_cache(struct jemalloc *jemalloc, csn_addr at)
{
	struct csn_heap *heap = jemalloc->heap;
	struct extent extent;
	struct bin bin;
	uint64_t item;

	for (size_t i = 0; i < jemalloc->n_bins; i++) {
		if (!read_bin(heap, at + i * BIN_BYTES, &bin))
			return false;
		for (uint16_t k = 0; k < bin.n_cached; k++)
			if (!csn_heap_word(heap, bin.top + 8ull * k, &item) ||
			    (k == 0 &&
			     (!find_extent(jemalloc, item, &extent) || extent.size != i)) ||
			    !csn_heap_words_add(heap, &jemalloc->cached, item))
				return false;
	}
	return true;
}

static int compare(const void *a, const void *b)
{
	const csn_addr *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static void read_caches(struct jemalloc *jemalloc)
{
	const struct csn_target *target = jemalloc->heap->target;
	size_t n = csn_min_u64(target->n_threads, CSN_MAX_HEAP_ARENAS);
	uint64_t below = 0, first, tail;
	csn_addr pointer;

	if (jemalloc->caches_read)
		return;
	jemalloc->caches_read = true;
	for (size_t i = 0; i < n && !below; i++)
		if (csn_heap_thread_pointer(target, &target->threads[i], &pointer))
			below = find_bins(jemalloc, pointer);
	if (!below)
		return;
	jemalloc->caches_whole = n == target->n_threads;
	for (size_t i = 0; i < n; i++) {
		bool seen = csn_heap_thread_pointer(target, &target->threads[i], &pointer) &&
			    csn_heap_word(jemalloc->heap, pointer - below, &first) &&
			    csn_heap_word(jemalloc->heap, pointer - below + 16, &tail);

		/* All zero: this thread has allocated nothing yet. */
		if (!seen || ((first || tail) && !read_cache(jemalloc, pointer - below)))
			jemalloc->caches_whole = false;
	}
	if (jemalloc->cached.n)
		qsort(jemalloc->cached.at, jemalloc->cached.n, sizeof(*jemalloc->cached.at),
		      compare);
}

/* --- looking --- */

static void judge(struct jemalloc *jemalloc, const struct extent *extent,
		  struct csn_heap_place *place)
{
	uint64_t region = (place->user - extent->start) / size_of(extent->size), word;

	if (extent->state) {
		place->state = CSN_HEAP_FREED;
		place->evidence = "its extent is not in use";
		return;
	}
	if (extent->slab &&
	    !csn_heap_word(jemalloc->heap, extent->record + RECORD_BITMAP + region / 64 * 8,
			   &word)) {
		place->evidence = "the slab's bits are not in the dump";
		return;
	}
	if (extent->slab && word >> region % 64 & 1) {
		place->state = CSN_HEAP_FREED;
		place->list = CSN_HEAP_SLAB;
		place->evidence = "free in its slab";
		return;
	}
	read_caches(jemalloc);
	if (jemalloc->cached.n && bsearch(&place->user, jemalloc->cached.at, jemalloc->cached.n,
					  sizeof(*jemalloc->cached.at), compare)) {
		place->state = CSN_HEAP_FREED;
		place->list = CSN_HEAP_TCACHE;
		place->evidence = "in the cache of a thread";
	} else if (jemalloc->caches_whole) {
		place->state = CSN_HEAP_LIVE;
		place->evidence = "in use, and in no thread's cache";
	} else {
		place->evidence = "not all threads' caches can be read";
	}
}

static void look(struct csn_heap *heap, void *impl, csn_addr addr, struct csn_heap_place *place)
{
	struct jemalloc *jemalloc = impl;
	struct extent extent;
	uint64_t size;

	(void)heap;
	if (!find_extent(jemalloc, addr, &extent)) {
		place->state = jemalloc->root ? CSN_HEAP_NOT_HEAP : CSN_HEAP_UNKNOWN;
		place->evidence = "in no extent";
		return;
	}
	size = size_of(extent.size);
	place->user = extent.start;
	if (extent.slab && addr >= extent.start)
		place->user += (addr - extent.start) / size * size;
	place->chunk = place->user;
	place->size_bytes = size;
	place->offset = (int64_t)(addr - place->user);
	/* What is left behind the last object of a slab, or around a large one. */
	if (addr < place->user || (uint64_t)place->offset >= size ||
	    place->user + size > (extent.start & ~(uint64_t)(PAGE - 1)) + extent.size_bytes ||
	    (extent.slab && (place->user - extent.start) / size >= MAX_REGIONS)) {
		place->evidence = "between objects";
		return;
	}
	place->has_chunk = true;
	judge(jemalloc, &extent, place);
}

const struct csn_heap_ops csn_heap_jemalloc = {
	.name = "jemalloc",
	.find = find,
	.look = look,
};
