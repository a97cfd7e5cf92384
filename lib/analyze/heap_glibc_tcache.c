/* Each thread's cache of freed chunks. The variable that points to it is in the thread's own
 * storage, near the one that points to its arena, at the same place in every thread; what it points
 * to is a chunk of known size. */
#include "analyze/heap_glibc_internal.h"

#include "base/limits.h"

#define STORAGE_BYTES 8192u /* below the thread pointer that are looked through */
#define NEAR_WORDS 8u       /* between the two variables, at most */

static bool is_arena(const struct csn_glibc *glibc, uint64_t word)
{
	for (size_t i = 0; i < glibc->n_arenas; i++)
		if (glibc->arenas[i].state == word)
			return true;
	return false;
}

static bool is_tcache(struct csn_glibc *glibc, csn_addr tcache)
{
	uint64_t size;

	return tcache % 16 == 0 && csn_glibc_may_be_chunk(glibc, tcache - CSN_GLIBC_HEADER) &&
	       csn_heap_word(glibc->heap, tcache - 8, &size) &&
	       (size & ~(uint64_t)CSN_GLIBC_FLAGS) == CSN_GLIBC_TCACHE_CHUNK;
}

/* How far below the thread pointer the variable lies; 0 not found. */
static uint64_t find_variable(struct csn_glibc *glibc, csn_addr pointer)
{
	uint64_t words[STORAGE_BYTES / 8];
	size_t n = csn_countof(words), got = 0;

	/* As much as there is right below. */
	while (got < n && csn_heap_word(glibc->heap, pointer - 8 * (got + 1), &words[got]))
		got++;
	for (size_t i = 0; i < got; i++) {
		if (!is_tcache(glibc, words[i]))
			continue;
		for (size_t k = i > NEAR_WORDS ? i - NEAR_WORDS : 0; k < got && k <= i + NEAR_WORDS;
		     k++)
			if (is_arena(glibc, words[k]))
				return 8 * (i + 1);
	}
	return 0;
}

/* Threads that allocated nothing yet have none. */
static void find_tcaches(struct csn_glibc *glibc)
{
	struct csn_target *target = glibc->heap->target;
	size_t n = csn_min_u64(target->n_threads, CSN_MAX_HEAP_ARENAS);
	uint64_t below = 0, word = 0;
	csn_addr pointer;

	glibc->tcaches = csn_arena_array(glibc->heap->arena, n + 1, sizeof(*glibc->tcaches));
	for (size_t i = 0; glibc->tcaches && i < n && !below; i++)
		if (csn_heap_thread_pointer(target, &target->threads[i], &pointer))
			below = find_variable(glibc, pointer);
	if (!below)
		return;
	glibc->tcaches_whole = n == target->n_threads;
	for (size_t i = 0; i < n; i++) {
		bool seen = csn_heap_thread_pointer(target, &target->threads[i], &pointer) &&
			    csn_heap_word(glibc->heap, pointer - below, &word);

		if (seen && is_tcache(glibc, word))
			glibc->tcaches[glibc->n_tcaches++] = word;
		else if (!seen || word)
			glibc->tcaches_whole = false;
	}
}

struct tcache {
	uint16_t counts[CSN_GLIBC_TCACHE_BINS];
	uint64_t entries[CSN_GLIBC_TCACHE_BINS];
};

static bool read_tcache(struct csn_glibc *glibc, csn_addr at, struct tcache *ret_tcache)
{
	return csn_heap_bytes(glibc->heap, at, ret_tcache->counts, sizeof(ret_tcache->counts)) &&
	       csn_heap_bytes(glibc->heap, at + CSN_GLIBC_TCACHE_ENTRIES, ret_tcache->entries,
			      sizeof(ret_tcache->entries));
}

/* How links are stored, and the mark: what most first entries of all lists say. */
struct votes {
	size_t plain, safe;
	uint64_t key;
	size_t for_key; /* more than against it */
	size_t agreed;  /* entries that have it */
};

static void vote(struct csn_glibc *glibc, csn_addr entry, uint16_t count, struct votes *votes)
{
	uint64_t link, mark;
	csn_addr safe;

	if (entry % 16 || !csn_heap_word(glibc->heap, entry, &link) ||
	    !csn_heap_word(glibc->heap, entry + 8, &mark))
		return;
	safe = link ^ entry >> 12;
	votes->plain +=
		count == 1 ? !link : link && csn_glibc_may_be_chunk(glibc, link - CSN_GLIBC_HEADER);
	votes->safe +=
		count == 1 ? !safe : safe && csn_glibc_may_be_chunk(glibc, safe - CSN_GLIBC_HEADER);
	if (!votes->for_key)
		votes->key = mark;
	votes->for_key += mark == votes->key ? 1 : -1;
}

static void settle_format(struct csn_glibc *glibc)
{
	struct votes votes = { 0 };
	struct tcache tcache;
	uint64_t mark;

	for (int pass = 0; pass < 2; pass++)
		for (size_t i = 0; i < glibc->n_tcaches; i++) {
			if (!read_tcache(glibc, glibc->tcaches[i], &tcache))
				continue;
			for (size_t k = 0; k < CSN_GLIBC_TCACHE_BINS; k++) {
				if (!tcache.counts[k] || !csn_glibc_step(glibc))
					continue;
				if (pass == 0)
					vote(glibc, tcache.entries[k], tcache.counts[k], &votes);
				else if (csn_heap_word(glibc->heap, tcache.entries[k] + 8, &mark))
					votes.agreed += mark == votes.key;
			}
		}
	glibc->plain_links = votes.plain > votes.safe;
	/* One chunk alone may have been written to. Before 2.34 the mark is the cache's address. */
	if (votes.agreed >= 2 && votes.key >> 32)
		glibc->key = votes.key;
}

static void report(struct csn_glibc *glibc, enum csn_heap_damage_kind kind, csn_addr chunk,
		   uint64_t value)
{
	struct csn_heap_damage damage = { .kind = kind,
					  .list = CSN_HEAP_TCACHE,
					  .at = chunk,
					  .value = value,
					  .before = { .evidence = "" } };

	csn_heap_report(glibc->heap, &damage);
}

/* One list. What leads to memory that the dump leaves out ends it without blame. */
static bool read_list(struct csn_glibc *glibc, const struct tcache *tcache, size_t bin,
		      csn_addr owner)
{
	uint64_t wanted = CSN_GLIBC_MIN_CHUNK + 16 * bin, size, link = tcache->entries[bin];
	csn_addr entry = link, before = 0;

	for (uint16_t i = 0; i < tcache->counts[bin]; i++) {
		csn_addr chunk = entry - CSN_GLIBC_HEADER;

		if (!csn_glibc_step(glibc))
			return false;
		if (entry % 16 || csn_heap_is_foreign(glibc->heap, entry)) {
			report(glibc, before ? CSN_HEAP_BAD_LINK : CSN_HEAP_BAD_BIN,
			       before ? before : owner - CSN_GLIBC_HEADER, link);
			return false;
		}
		if (!csn_heap_word(glibc->heap, chunk + 8, &size) ||
		    !csn_heap_word(glibc->heap, entry, &link))
			return false;
		if ((size & ~(uint64_t)CSN_GLIBC_FLAGS) != wanted)
			report(glibc, CSN_HEAP_BAD_SIZE, chunk, size);
		if (!csn_glibc_add_free(glibc, chunk, CSN_HEAP_TCACHE, link))
			return false;
		before = chunk;
		entry = csn_glibc_reveal(glibc, entry, link);
	}
	return true;
}

void csn_glibc_read_tcaches(struct csn_glibc *glibc)
{
	struct tcache tcache;

	find_tcaches(glibc);
	settle_format(glibc);
	for (size_t i = 0; i < glibc->n_tcaches; i++) {
		if (!read_tcache(glibc, glibc->tcaches[i], &tcache)) {
			glibc->tcaches_whole = false;
			continue;
		}
		for (size_t k = 0; k < CSN_GLIBC_TCACHE_BINS; k++)
			if (!read_list(glibc, &tcache, k, glibc->tcaches[i]))
				glibc->tcaches_whole = false;
	}
}
