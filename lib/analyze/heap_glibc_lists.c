/* The arenas' lists of free chunks: fastbins, linked one way, and bins, linked both ways. */
#include "analyze/heap_glibc_internal.h"

#include <stdlib.h>

#include "base/limits.h"

csn_addr csn_glibc_reveal(const struct csn_glibc *glibc, csn_addr at, uint64_t link)
{
	return glibc->plain_links ? link : link ^ at >> 12;
}

bool csn_glibc_add_free(struct csn_glibc *glibc, csn_addr chunk, enum csn_heap_list list,
			uint64_t link)
{
	struct csn_glibc_free *grown;

	if (glibc->n_frees >= CSN_MAX_HEAP_FREES)
		return false;
	grown = csn_arena_grow(glibc->heap->arena, glibc->frees, glibc->n_frees,
			       &glibc->frees_capacity, sizeof(*grown));
	if (!grown)
		return false;
	glibc->frees = grown;
	glibc->frees[glibc->n_frees++] = (struct csn_glibc_free){ chunk, list, link };
	return true;
}

const struct csn_glibc_free *csn_glibc_find_free(const struct csn_glibc *glibc, csn_addr chunk)
{
	size_t low = 0, high = glibc->n_frees;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (glibc->frees[middle].chunk < chunk)
			low = middle + 1;
		else
			high = middle;
	}
	return low < glibc->n_frees && glibc->frees[low].chunk == chunk ? &glibc->frees[low] : NULL;
}

static void report(struct csn_glibc *glibc, enum csn_heap_damage_kind kind, enum csn_heap_list list,
		   csn_addr chunk, uint64_t value)
{
	struct csn_heap_damage damage = { .kind = kind,
					  .list = list,
					  .at = chunk,
					  .value = value,
					  .before = { .evidence = "" } };

	csn_heap_report(glibc->heap, &damage);
}

/* A chunk of a list may lie there: else a link was overwritten. */
static bool is_plausible(struct csn_glibc *glibc, csn_addr chunk)
{
	return chunk % 16 == 0 && !csn_heap_is_foreign(glibc->heap, chunk);
}

static bool read_fastbin(struct csn_glibc *glibc, csn_addr state, size_t bin)
{
	uint64_t wanted = CSN_GLIBC_MIN_CHUNK + 16 * bin, size, link;
	csn_addr chunk, before = 0, watched = 0;

	if (!csn_heap_word(glibc->heap, state + CSN_GLIBC_FASTBINS + 8 * bin, &chunk))
		return false;
	link = chunk;
	for (size_t i = 1; chunk; i++) {
		if (!csn_glibc_step(glibc))
			return false;
		if (!is_plausible(glibc, chunk)) {
			report(glibc, before ? CSN_HEAP_BAD_LINK : CSN_HEAP_BAD_BIN,
			       CSN_HEAP_FASTBIN, before ? before : state, link);
			return false;
		}
		if (chunk == watched) {
			report(glibc, CSN_HEAP_TWICE, CSN_HEAP_FASTBIN, chunk, 0);
			return false;
		}
		/* A list that leads back into itself meets one of these. */
		if ((i & (i - 1)) == 0)
			watched = chunk;
		if (!csn_heap_word(glibc->heap, chunk + 8, &size) ||
		    !csn_heap_word(glibc->heap, chunk + 16, &link))
			return false;
		if ((size & ~(uint64_t)CSN_GLIBC_FLAGS) != wanted)
			report(glibc, CSN_HEAP_BAD_SIZE, CSN_HEAP_FASTBIN, chunk, size);
		if (!csn_glibc_add_free(glibc, chunk, CSN_HEAP_FASTBIN, link))
			return false;
		before = chunk;
		chunk = csn_glibc_reveal(glibc, chunk + 16, link);
	}
	return true;
}

/* A free chunk: the header behind it says so and repeats its size. */
static bool looks_free(struct csn_glibc *glibc, csn_addr chunk)
{
	uint64_t size, stored, next;

	if (!csn_heap_word(glibc->heap, chunk + 8, &size))
		return false;
	size &= ~(uint64_t)CSN_GLIBC_FLAGS;
	return csn_heap_word(glibc->heap, chunk + size, &stored) && stored == size &&
	       csn_heap_word(glibc->heap, chunk + size + 8, &next) &&
	       !(next & CSN_GLIBC_PREV_INUSE);
}

static enum csn_heap_list list_of_bin(size_t bin)
{
	return bin == 1 ? CSN_HEAP_UNSORTED : bin < 64 ? CSN_HEAP_SMALL : CSN_HEAP_LARGE;
}

/* Bins are numbered from 1; a bin is read as if it were a chunk. */
static bool read_bin(struct csn_glibc *glibc, csn_addr state, size_t bin)
{
	csn_addr head = state + CSN_GLIBC_BINS + 16 * (bin - 1) - 16, before = head, chunk;
	enum csn_heap_list list = list_of_bin(bin);
	bool whole = true;
	uint64_t links[2] = { 0 };

	if (!csn_heap_word(glibc->heap, head + 16, &chunk))
		return false;
	while (chunk != head) {
		if (!csn_glibc_step(glibc))
			return false;
		if (is_plausible(glibc, chunk) &&
		    !csn_heap_bytes(glibc->heap, chunk + 16, links, sizeof(links)))
			return false;
		/* Which of two neighbours that disagree is wrong? */
		if (!is_plausible(glibc, chunk) ||
		    (links[1] != before && !looks_free(glibc, chunk))) {
			report(glibc, before == head ? CSN_HEAP_BAD_BIN : CSN_HEAP_BAD_LINK, list,
			       before, chunk);
			return false;
		}
		if (links[1] != before) {
			report(glibc, CSN_HEAP_BAD_LINK, list, chunk, links[1]);
			whole = false;
		}
		if (!csn_glibc_add_free(glibc, chunk, list, links[0]))
			return false;
		before = chunk;
		chunk = links[0];
	}
	return whole;
}

static int compare_frees(const void *a, const void *b)
{
	const struct csn_glibc_free *x = a, *y = b;

	if (x->chunk != y->chunk)
		return x->chunk < y->chunk ? -1 : 1;
	return (int)x->list - (int)y->list;
}

void csn_glibc_read_lists(struct csn_glibc *glibc)
{
	if (glibc->lists_read)
		return;
	glibc->lists_read = true;
	csn_glibc_read_tcaches(glibc);
	glibc->bins_whole = glibc->arenas_whole;
	for (size_t i = 0; i < glibc->n_arenas; i++) {
		for (size_t bin = 0; bin < CSN_GLIBC_N_FASTBINS; bin++)
			if (!read_fastbin(glibc, glibc->arenas[i].state, bin))
				glibc->bins_whole = false;
		for (size_t bin = 1; bin <= CSN_GLIBC_N_BINS; bin++)
			if (!read_bin(glibc, glibc->arenas[i].state, bin))
				glibc->bins_whole = false;
	}
	if (glibc->n_frees)
		qsort(glibc->frees, glibc->n_frees, sizeof(*glibc->frees), compare_frees);
	for (size_t i = 1; i < glibc->n_frees; i++)
		if (glibc->frees[i].chunk == glibc->frees[i - 1].chunk)
			report(glibc, CSN_HEAP_TWICE, glibc->frees[i].list, glibc->frees[i].chunk,
			       0);
}
