/* tcmalloc of gperftools (2.10), as a library of its own, with pages of 8 KiB.
 *
 * A map of two levels leads from a page to its span (src/pagemap.h, span.h); its root is static and
 * without a name. It is found by an address that is asked about: the word in the library's data
 * that leads to a leaf whose entry leads to a span that says it holds that very page. Small objects
 * that are free are linked through their first word: in the span, in the caches of threads
 * (thread_cache.h), or on their way between (central_freelist.h). */
#include "analyze/heap_internal.h"
#include "base/limits.h"

#define PAGE_BITS 13u
#define LEAF_BITS 18u
#define CLASSES 128u
/* ThreadCache: a list of 32 bytes per class, then what is below. */
#define LIST_BYTES 32u
#define LIST_LENGTH 8u
#define LIST_SIZE 24u
#define CACHE_THREAD 0x1020u
#define CACHE_NEXT 0x1030u
#define CACHE_PREV 0x1038u
/* CentralFreeList: from the heads of its two lists of spans. */
#define CENTRAL_EMPTY 16u
#define CENTRAL_NONEMPTY 64u
#define CENTRAL_CLASS 8u
#define CENTRAL_SLOTS 128u
#define CENTRAL_N_SLOTS 64u
#define CENTRAL_USED 1152u
#define STORAGE_BYTES 1024u /* below the thread pointer that are looked through */

struct tcmalloc {
	struct csn_heap *heap;
	struct csn_heap_words words; /* of the library that may lead to a leaf */
	csn_addr root;               /* 0 not known yet */
	bool caches_read, caches_whole;
	struct csn_heap_words caches; /* of threads */
	uint64_t steps_left;
};

/* What the allocator says of a page. */
struct span {
	csn_addr record, start;
	uint64_t size_bytes;
	csn_addr next;
	csn_addr objects; /* the first that is free */
	unsigned class;   /* 0: one large object */
	unsigned location;
};

static void *find(struct csn_heap *heap)
{
	struct tcmalloc *tcmalloc = csn_arena_alloc(heap->arena, sizeof(*tcmalloc));

	if (!tcmalloc || !csn_heap_library_words(heap, "libtcmalloc", 8, &tcmalloc->words))
		return NULL;
	tcmalloc->heap = heap;
	tcmalloc->steps_left = CSN_MAX_HEAP_STEPS;
	return tcmalloc;
}

static bool read_entry(struct csn_heap *heap, csn_addr leaf, uint64_t page, struct span *ret_span)
{
	uint64_t record, words[6];

	if (!csn_heap_word(heap, leaf + 8 * (page % (1u << LEAF_BITS)), &record) || !record ||
	    record % 8 || !csn_heap_bytes(heap, record, words, sizeof(words)) || page < words[0] ||
	    page - words[0] >= words[1] || words[1] >> (48 - PAGE_BITS))
		return false;
	*ret_span = (struct span){ .record = record,
				   .start = words[0] << PAGE_BITS,
				   .size_bytes = words[1] << PAGE_BITS,
				   .next = words[2],
				   .objects = words[4],
				   .class = words[5] >> 16 & 0xff,
				   .location = words[5] >> 24 & 3 };
	return ret_span->class < CLASSES && ret_span->location < 3;
}

/* Of large spans only the first and the last page have entries. */
static bool read_leaf(struct csn_heap *heap, csn_addr leaf, uint64_t page, struct span *ret_span)
{
	uint64_t entry;

	for (size_t i = 0; i < CSN_MAX_HEAP_PAGES; i++) {
		if (read_entry(heap, leaf, page - i, ret_span))
			return page - (ret_span->start >> PAGE_BITS) < ret_span->size_bytes >>
			       PAGE_BITS;
		if ((page - i) % (1u << LEAF_BITS) == 0 ||
		    !csn_heap_word(heap, leaf + 8 * ((page - i) % (1u << LEAF_BITS)), &entry) ||
		    entry)
			return false;
	}
	return false;
}

static bool find_span(struct tcmalloc *tcmalloc, csn_addr addr, struct span *ret_span)
{
	uint64_t page = addr >> PAGE_BITS, index = page >> LEAF_BITS, leaf;

	if (tcmalloc->root)
		return csn_heap_word(tcmalloc->heap, tcmalloc->root + 8 * index, &leaf) && leaf &&
		       read_leaf(tcmalloc->heap, leaf, page, ret_span);
	for (size_t i = 0; i < tcmalloc->words.n; i++)
		if (csn_heap_word(tcmalloc->heap, tcmalloc->words.at[i], &leaf) &&
		    read_entry(tcmalloc->heap, leaf, page, ret_span)) {
			tcmalloc->root = tcmalloc->words.at[i] - 8 * index;
			return true;
		}
	return false;
}

/* --- free objects --- */

/* What a walk found. */
enum answer { NOT_THERE, THERE, BROKEN };

/* Is the object in a list of at most length? A list that is shorter than said is broken. */
static enum answer search(struct tcmalloc *tcmalloc, csn_addr first, uint64_t length, bool exact,
			  csn_addr object)
{
	csn_addr at = first;

	for (uint64_t i = 0; i < length; i++) {
		if (!at)
			return exact ? BROKEN : NOT_THERE;
		if (at == object)
			return THERE;
		if (!tcmalloc->steps_left-- || at % 8 || !csn_heap_word(tcmalloc->heap, at, &at)) {
			tcmalloc->steps_left = 0;
			return BROKEN;
		}
	}
	return at ? BROKEN : NOT_THERE;
}

/* A cache says whose it is, and repeats the sizes of the first two classes. */
static bool is_cache(struct csn_heap *heap, csn_addr cache, csn_addr thread)
{
	uint64_t owner, first, second;

	return cache && cache % 8 == 0 && csn_heap_word(heap, cache + CACHE_THREAD, &owner) &&
	       (!thread || owner == thread) &&
	       csn_heap_word(heap, cache + LIST_BYTES + LIST_SIZE, &first) &&
	       csn_heap_word(heap, cache + 2ul * LIST_BYTES + LIST_SIZE, &second) && first == 8 &&
	       second == 16;
}

/* Caches in one direction of the chain that they all hang in. */
static bool read_chain(struct tcmalloc *tcmalloc, csn_addr cache, unsigned towards)
{
	for (size_t i = 0; i < CSN_MAX_HEAP_ARENAS; i++) {
		if (!csn_heap_word(tcmalloc->heap, cache + towards, &cache))
			return false;
		if (!cache)
			return true;
		if (!is_cache(tcmalloc->heap, cache, 0) ||
		    !csn_heap_words_add(tcmalloc->heap, &tcmalloc->caches, cache))
			return false;
	}
	return false;
}

static csn_addr find_cache(struct tcmalloc *tcmalloc)
{
	const struct csn_target *target = tcmalloc->heap->target;
	csn_addr pointer;
	uint64_t word;

	for (size_t i = 0; i < target->n_threads && i < CSN_MAX_HEAP_ARENAS; i++) {
		if (!csn_heap_thread_pointer(target, &target->threads[i], &pointer))
			continue;
		for (uint64_t below = 8; below <= STORAGE_BYTES; below += 8)
			if (csn_heap_word(tcmalloc->heap, pointer - below, &word) &&
			    !csn_heap_is_foreign(tcmalloc->heap, word) &&
			    is_cache(tcmalloc->heap, word, pointer))
				return word;
	}
	return 0;
}

static void read_caches(struct tcmalloc *tcmalloc)
{
	csn_addr cache;

	if (tcmalloc->caches_read)
		return;
	tcmalloc->caches_read = true;
	cache = find_cache(tcmalloc);
	tcmalloc->caches_whole =
		cache && csn_heap_words_add(tcmalloc->heap, &tcmalloc->caches, cache) &&
		read_chain(tcmalloc, cache, CACHE_NEXT) && read_chain(tcmalloc, cache, CACHE_PREV);
}

static enum answer search_caches(struct tcmalloc *tcmalloc, unsigned class, csn_addr object)
{
	bool broken = !tcmalloc->caches_whole;

	for (size_t i = 0; i < tcmalloc->caches.n; i++) {
		csn_addr list = tcmalloc->caches.at[i] + (csn_addr) class * LIST_BYTES;
		enum answer answer;
		uint64_t first, length;

		if (!csn_heap_word(tcmalloc->heap, list, &first) ||
		    !csn_heap_word(tcmalloc->heap, list + LIST_LENGTH, &length)) {
			broken = true;
			continue;
		}
		answer = search(tcmalloc, first, length & UINT32_MAX, true, object);
		if (answer == THERE)
			return THERE;
		broken |= answer == BROKEN;
	}
	return broken ? BROKEN : NOT_THERE;
}

/* The central list that a span hangs in, by the head of its chain of spans. 0 not found. */
static csn_addr find_central(struct tcmalloc *tcmalloc, const struct span *span)
{
	csn_addr at = span->record;
	uint64_t words[3], class;

	while (tcmalloc->steps_left && csn_heap_bytes(tcmalloc->heap, at, words, sizeof(words))) {
		tcmalloc->steps_left--;
		/* A head has neither start nor length. */
		if (at != span->record && !words[0] && !words[1]) {
			for (unsigned head = CENTRAL_EMPTY; head <= CENTRAL_NONEMPTY;
			     head += CENTRAL_NONEMPTY - CENTRAL_EMPTY)
				if (csn_heap_word(tcmalloc->heap, at - head + CENTRAL_CLASS,
						  &class) &&
				    class == span->class)
					return at - head;
			return 0;
		}
		at = words[2];
		if (at == span->record || at % 8)
			return 0;
	}
	return 0;
}

/* Objects on their way between threads. */
static enum answer search_central(struct tcmalloc *tcmalloc, const struct span *span,
				  csn_addr object)
{
	csn_addr central = find_central(tcmalloc, span);
	bool broken = !central;
	uint64_t used, ends[2];

	if (!central || !csn_heap_word(tcmalloc->heap, central + CENTRAL_USED, &used))
		return BROKEN;
	used &= UINT32_MAX;
	if (used > CENTRAL_N_SLOTS)
		return BROKEN;
	for (uint64_t i = 0; i < used; i++) {
		enum answer answer;

		if (!csn_heap_bytes(tcmalloc->heap, central + CENTRAL_SLOTS + 16 * i, ends,
				    sizeof(ends)))
			return BROKEN;
		answer = search(tcmalloc, ends[0], CSN_MAX_HEAP_FREES, false, object);
		if (answer == THERE)
			return THERE;
		broken |= answer == BROKEN;
	}
	return broken ? BROKEN : NOT_THERE;
}

/* --- looking --- */

/* Sizes of classes are those of the caches' lists. */
static uint64_t size_of(struct tcmalloc *tcmalloc, const struct span *span)
{
	uint64_t size;

	if (!span->class)
		return span->size_bytes;
	if (!tcmalloc->caches.n ||
	    !csn_heap_word(tcmalloc->heap,
			   tcmalloc->caches.at[0] + (csn_addr)span->class * LIST_BYTES + LIST_SIZE,
			   &size))
		return 0;
	size &= UINT32_MAX;
	return size <= span->size_bytes ? size : 0;
}

static void judge(struct tcmalloc *tcmalloc, const struct span *span, struct csn_heap_place *place)
{
	enum answer in_span, in_cache, on_way;

	if (span->location || !span->class) {
		place->state = span->location ? CSN_HEAP_FREED : CSN_HEAP_LIVE;
		place->evidence = span->location ? "its pages are free" : "its pages are in use";
		return;
	}
	in_span = search(tcmalloc, span->objects, span->size_bytes / place->size_bytes + 1, false,
			 place->user);
	in_cache = search_caches(tcmalloc, span->class, place->user);
	on_way = search_central(tcmalloc, span, place->user);
	place->written_bytes = 8;
	if (in_span == THERE || in_cache == THERE || on_way == THERE) {
		place->state = CSN_HEAP_FREED;
		place->list = in_cache == THERE ? CSN_HEAP_TCACHE : CSN_HEAP_SLAB;
		place->evidence = "in a list of free objects";
	} else if (in_span == BROKEN || in_cache == BROKEN || on_way == BROKEN) {
		place->evidence = "not all lists can be read";
	} else {
		place->state = CSN_HEAP_LIVE;
		place->evidence = "in no list of free objects";
	}
}

static void look(struct csn_heap *heap, void *impl, csn_addr addr, struct csn_heap_place *place)
{
	struct tcmalloc *tcmalloc = impl;
	struct span span;
	uint64_t size;

	(void)heap;
	if (!find_span(tcmalloc, addr, &span)) {
		place->state = tcmalloc->root ? CSN_HEAP_NOT_HEAP : CSN_HEAP_UNKNOWN;
		place->evidence = "in no span";
		return;
	}
	read_caches(tcmalloc);
	size = size_of(tcmalloc, &span);
	if (!size) {
		place->evidence = "the size of its class is not known";
		return;
	}
	place->user = span.start + (addr - span.start) / size * size;
	place->chunk = place->user;
	place->size_bytes = size;
	place->offset = (int64_t)(addr - place->user);
	if (place->user + size > span.start + span.size_bytes) {
		place->evidence = "behind the last object of its span";
		return;
	}
	place->has_chunk = true;
	judge(tcmalloc, &span, place);
}

const struct csn_heap_ops csn_heap_tcmalloc = {
	.name = "tcmalloc",
	.find = find,
	.look = look,
};
