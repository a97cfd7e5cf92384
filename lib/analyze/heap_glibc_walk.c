/* From chunk to chunk. Where a header makes no sense the walk goes on at the next chunk that some
 * list holds, if there is one: what lies between is not known. */
#include "analyze/heap_glibc_internal.h"

/* What a header is. */
enum header {
	HEADER_CHUNK,
	HEADER_TOP,
	HEADER_FENCE, /* the end of memory that others have continued */
	HEADER_ABSENT,
	HEADER_BAD,
};

static enum header read_header(struct csn_glibc *glibc, const struct csn_glibc_region *region,
			       csn_addr chunk, uint64_t *ret_word)
{
	const struct csn_glibc_arena *arena = &glibc->arenas[region->arena];
	unsigned forbidden = CSN_GLIBC_MMAPPED | (region->arena ? 0 : CSN_GLIBC_NON_MAIN);
	uint64_t size, next;

	if (region->is_last && chunk == arena->top)
		return HEADER_TOP;
	if (!csn_heap_word(glibc->heap, chunk + 8, ret_word))
		return HEADER_ABSENT;
	size = *ret_word & ~(uint64_t)CSN_GLIBC_FLAGS;
	/* Where memory is not continued, two headers of no chunks end it. */
	if (*ret_word == (CSN_GLIBC_HEADER | CSN_GLIBC_PREV_INUSE) &&
	    csn_heap_word(glibc->heap, chunk + CSN_GLIBC_HEADER + 8, &next) &&
	    (next & ~(uint64_t)(CSN_GLIBC_HEADER | CSN_GLIBC_FLAGS)) == 0)
		return HEADER_FENCE;
	if (*ret_word & forbidden || size % 16 || size < CSN_GLIBC_MIN_CHUNK ||
	    size > region->end - chunk ||
	    (region->is_last && chunk < arena->top && chunk + size > arena->top))
		return HEADER_BAD;
	return HEADER_CHUNK;
}

static bool add_mark(struct csn_glibc *glibc, struct csn_glibc_region *region, csn_addr chunk)
{
	csn_addr *grown = csn_arena_grow(glibc->heap->arena, region->marks, region->n_marks,
					 &region->marks_capacity, sizeof(*grown));

	if (!grown)
		return false;
	region->marks = grown;
	region->marks[region->n_marks++] = chunk;
	return true;
}

/* The first chunk of a list beyond addr; the region's end when there is none. */
static csn_addr next_known(const struct csn_glibc *glibc, const struct csn_glibc_region *region,
			   csn_addr addr)
{
	size_t low = 0, high = glibc->n_frees;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (glibc->frees[middle].chunk <= addr)
			low = middle + 1;
		else
			high = middle;
	}
	if (low < glibc->n_frees && glibc->frees[low].chunk < region->end)
		return glibc->frees[low].chunk;
	return region->end;
}

static void report(struct csn_glibc *glibc, enum csn_heap_damage_kind kind, csn_addr at,
		   uint64_t value, csn_addr before, uint64_t before_bytes)
{
	struct csn_heap_damage damage = { .kind = kind, .at = at, .value = value };

	damage.before.evidence = "";
	if (before) {
		const struct csn_glibc_free *listed = csn_glibc_find_free(glibc, before);

		damage.before.has_chunk = true;
		damage.before.chunk = before;
		damage.before.user = before + CSN_GLIBC_HEADER;
		damage.before.size_bytes = before_bytes - 8;
		damage.before.state = listed ? CSN_HEAP_FREED : CSN_HEAP_UNKNOWN;
		damage.before.list = listed ? listed->list : CSN_HEAP_NO_LIST;
	}
	csn_heap_report(glibc->heap, &damage);
}

/* A run of chunks from chunk on. Returns where it ended: at the region's end, at the top, or at
 * what is no chunk. */
static csn_addr walk_run(struct csn_glibc *glibc, struct csn_glibc_region *region, csn_addr chunk,
			 enum header *ret_why)
{
	const struct csn_glibc_arena *arena = &glibc->arenas[region->arena];
	csn_addr before = 0, known = 0;
	uint64_t before_bytes = 0, word = 0, stored;

	*ret_why = HEADER_TOP;
	for (size_t i = 0; chunk < region->end; i++) {
		*ret_why = csn_glibc_step(glibc) ? read_header(glibc, region, chunk, &word)
						 : HEADER_ABSENT;
		if (known <= chunk)
			known = next_known(glibc, region, chunk);
		/* No chunk lies within another one. */
		if (*ret_why == HEADER_CHUNK && known - chunk < (word & ~(uint64_t)CSN_GLIBC_FLAGS))
			*ret_why = HEADER_BAD;
		if (*ret_why == HEADER_BAD)
			report(glibc, CSN_HEAP_BAD_HEADER, chunk, word, before, before_bytes);
		if (*ret_why == HEADER_TOP && !arena->top_good && !arena->top_unread &&
		    csn_heap_word(glibc->heap, chunk + 8, &word))
			report(glibc, CSN_HEAP_BAD_TOP, chunk, word, before, before_bytes);
		if (*ret_why != HEADER_CHUNK)
			break;
		if (before && !(word & CSN_GLIBC_PREV_INUSE) &&
		    csn_heap_word(glibc->heap, chunk, &stored) && stored != before_bytes)
			report(glibc, CSN_HEAP_BAD_PREV_SIZE, chunk, stored, before, before_bytes);
		if (i % CSN_GLIBC_STRIDE == 0 && !add_mark(glibc, region, chunk)) {
			*ret_why = HEADER_ABSENT;
			break;
		}
		before = chunk;
		before_bytes = word & ~(uint64_t)CSN_GLIBC_FLAGS;
		chunk += before_bytes;
	}
	return chunk;
}

void csn_glibc_walk(struct csn_glibc *glibc, struct csn_glibc_region *region)
{
	csn_addr chunk = region->start;
	enum header why;

	if (region->walked)
		return;
	region->walked = true;
	if (!region->start_known)
		chunk = next_known(glibc, region, region->start - 1);
	while (chunk < region->end) {
		csn_addr stopped = walk_run(glibc, region, chunk, &why);

		if (!region->stopped) {
			region->stopped = stopped;
			region->stopped_by_damage = why == HEADER_BAD;
		}
		if (why == HEADER_TOP || why == HEADER_FENCE || stopped >= region->end)
			break;
		chunk = next_known(glibc, region, stopped);
	}
}

/* The last mark at or before addr; NULL none. */
static const csn_addr *find_mark(const struct csn_glibc_region *region, csn_addr addr)
{
	size_t low = 0, high = region->n_marks;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (region->marks[middle] <= addr)
			low = middle + 1;
		else
			high = middle;
	}
	return low ? &region->marks[low - 1] : NULL;
}

bool csn_glibc_find_chunk(struct csn_glibc *glibc, struct csn_glibc_region *region, csn_addr addr,
			  csn_addr *ret_chunk, uint64_t *ret_size)
{
	/* From size field to size field: the word before it is the neighbour's. */
	csn_addr wanted = addr - 8;
	const csn_addr *mark = find_mark(region, wanted);
	csn_addr chunk = mark ? *mark : 0;
	uint64_t word;

	for (size_t i = 0; mark && i < CSN_GLIBC_STRIDE; i++) {
		uint64_t size;

		if (read_header(glibc, region, chunk, &word) != HEADER_CHUNK)
			return false;
		size = word & ~(uint64_t)CSN_GLIBC_FLAGS;
		if (wanted - chunk < size) {
			*ret_chunk = chunk;
			*ret_size = size;
			return true;
		}
		chunk += size;
	}
	return false;
}
