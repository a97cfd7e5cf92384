/* Windows: memory that words of registers and stacks point to.
 *
 * Nothing is known of what the process keeps where, so a word is a pointer when it lies in a range
 * that the kernel would dump and that was not taken yet. Three passes share the budget, the most
 * telling first, the crashed thread before the others:
 *
 *  1. Other stacks. A word within the first 4 KiB above sp whose target holds a return address
 *     within a page may be the stack pointer of an interrupted context (alternate signal stack,
 *     coroutine, goroutine): 256 KiB upwards.
 *  2. What the dynamic loader keeps outside of its own memory: libraries opened at run time are
 *     found by debuggers through a list that continues on the heap. From the words of the loader's
 *     data, targets are followed through their first words, so that lists of any layout are
 *     walked.
 *  3. Objects: a small window around every other target. Of a mapping that is not large all
 *     is taken: what an allocator knows of an object is written at the start of its memory and in
 *     front of every object. */
#include "capture/gather.h"

#include <string.h>

#include "base/limits.h"

#define NEAR_SP (4 * CSN_KIB)
#define NEAR_SP_CRASHED (64 * CSN_KIB) /* how far the crashed thread's stack is looked at */
#define NEAR_SP_LATER 512u             /* and those of threads beyond the first LATER */
#define LATER 256u
#define LARGE_WINDOW (256 * CSN_KIB)
#define SMALL_WINDOW (2 * CSN_KIB)
#define BEFORE_WORD 64u
#define PROBE_BYTES (4 * CSN_KIB)
#define CHAIN_WORDS 8u    /* of a target that are followed */
#define MAX_VISITED 4096u /* targets followed in all; a power of two */
#define MAX_SMALL 256u    /* small windows of one thread */
#define WHOLE_SHARE 2u /* of the budget, for mappings that are taken whole: one part in so many */

struct windows {
	struct csn_capture_memory *memory;
	uint64_t budget_bytes;
	unsigned word_bytes;
};

typedef void (*word_visitor)(struct windows *windows, csn_addr word, void *context);

static uint64_t budget_left(const struct windows *windows)
{
	uint64_t taken = windows->memory->taken[CSN_CLASS_WINDOWS];

	return taken < windows->budget_bytes ? windows->budget_bytes - taken : 0;
}

static bool may_go_on(const struct windows *windows)
{
	return budget_left(windows) && csn_memory_may_go_on(windows->memory);
}

static void take(struct windows *windows, csn_addr start, csn_addr end)
{
	csn_memory_take(windows->memory, CSN_CLASS_WINDOWS, start, end, budget_left(windows));
}

/* The start of a window BEFORE_WORD below word, within its segment. */
static csn_addr window_start(const struct windows *windows, csn_addr word)
{
	const struct csn_elf_segment *segment = csn_memory_find_dumpable(windows->memory, word);

	return segment ? csn_max_u64(segment->address, word - csn_min_u64(word, BEFORE_WORD))
		       : word;
}

static bool is_new(const struct windows *windows, csn_addr word)
{
	return csn_memory_find_dumpable(windows->memory, word) &&
	       !csn_memory_find(windows->memory, word);
}

static void each_word(struct windows *windows, const uint8_t *bytes, uint64_t size,
		      word_visitor visit, void *context)
{
	uint64_t at;

	for (at = 0; at + windows->word_bytes <= size && may_go_on(windows);
	     at += windows->word_bytes) {
		csn_addr word = 0;

		memcpy(&word, bytes + at, windows->word_bytes); /* the host's byte order */
		if (word >= PROBE_BYTES)
			visit(windows, word, context);
	}
}

static void each_stack_word(struct windows *windows, const struct csn_prefix_thread *thread,
			    uint64_t reach_bytes, word_visitor visit, void *context)
{
	const uint8_t *bytes;
	uint64_t size;

	each_word(windows, thread->words.data, thread->words.size, visit, context);
	if (!thread->sp_known)
		return;
	bytes = csn_memory_peek(windows->memory, thread->sp & ~7ull, &size);
	if (bytes)
		each_word(windows, bytes, csn_min_u64(size, reach_bytes), visit, context);
}

/* Functions begin at multiples of this, and pointers to them are no return addresses. */
#define FUNCTION_ALIGNMENT 16u

/* A return address within the page that follows addr, which lies in segment. */
static bool looks_like_stack(const struct windows *windows, const struct csn_elf_segment *segment,
			     csn_addr addr)
{
	uint8_t probe[PROBE_BYTES];
	uint64_t dumpable = segment->address + segment->file_size - (addr & ~7ull);
	size_t n, at;

	n = csn_victim_read(windows->memory->victim, addr & ~7ull, probe,
			    csn_min_u64(sizeof(probe), dumpable));
	for (at = 0; at + windows->word_bytes <= n; at += windows->word_bytes) {
		csn_addr word = 0;

		memcpy(&word, probe + at, windows->word_bytes); /* the host's byte order */
		segment = csn_prefix_find(windows->memory->prefix, word);
		if (segment && segment->flags & PF_X && word % FUNCTION_ALIGNMENT)
			return true;
	}
	return false;
}

static void visit_other_stack(struct windows *windows, csn_addr word, csn_unused void *context)
{
	const struct csn_elf_segment *segment = csn_memory_find_dumpable(windows->memory, word);

	if (!segment || !(segment->flags & PF_W) || csn_memory_find(windows->memory, word))
		return;
	if (looks_like_stack(windows, segment, word))
		take(windows, window_start(windows, word), word + LARGE_WINDOW);
}

/* What may still be taken. */
struct objects {
	unsigned left;       /* windows of one thread */
	uint64_t whole_left; /* bytes of whole mappings, over all threads */
};

static void visit_object(struct windows *windows, csn_addr word, void *context)
{
	struct objects *objects = context;
	const struct csn_elf_segment *segment = csn_memory_find_dumpable(windows->memory, word);

	if (objects->left == 0 || !segment || csn_memory_find(windows->memory, word))
		return;
	objects->left--;
	if (segment->flags & PF_W && segment->file_size <= objects->whole_left) {
		objects->whole_left -= segment->file_size;
		take(windows, segment->address, segment->address + segment->file_size);
		return;
	}
	take(windows, window_start(windows, word), word + SMALL_WINDOW);
}

/* Targets seen: an open-addressed set that is also the queue's bound. */
struct chain {
	csn_addr visited[2 * MAX_VISITED];
	csn_addr queue[MAX_VISITED];
	size_t n_queued;
};

static void visit_link(struct windows *windows, csn_addr word, void *context)
{
	struct chain *chain = context;
	size_t slot = (size_t)(word * 0x9e3779b97f4a7c15ull >> 32) % csn_countof(chain->visited);

	/* A list that was taken already (the loader's own heap) must be walked to where it leaves.
	 */
	if (chain->n_queued == MAX_VISITED || !csn_memory_find_dumpable(windows->memory, word))
		return;
	for (; chain->visited[slot]; slot = (slot + 1) % csn_countof(chain->visited))
		if (chain->visited[slot] == word)
			return;
	chain->visited[slot] = word;
	chain->queue[chain->n_queued++] = word;
	if (is_new(windows, word))
		take(windows, window_start(windows, word), word + SMALL_WINDOW);
}

static bool same_file(const char *a, const char *b)
{
	return a && b && strcmp(a, b) == 0;
}

/* The loader's writable memory: its mappings and the .bss that follows. */
static void visit_loader(struct windows *windows, struct chain *chain)
{
	const struct csn_prefix *prefix = windows->memory->prefix;
	const struct csn_prefix_file *loader = csn_prefix_find_file(prefix, prefix->loader_base);
	csn_addr end = 0;
	size_t i;

	for (i = 0; loader && i < prefix->n_segments; i++) {
		const struct csn_elf_segment *segment = &prefix->segments[i];
		const struct csn_prefix_file *file = csn_prefix_find_file(prefix, segment->address);
		uint64_t size;
		const uint8_t *bytes;

		if (!(segment->flags & PF_W) ||
		    !(file ? same_file(file->path, loader->path) : end && segment->address == end))
			continue;
		end = segment->address + segment->memory_size;
		bytes = csn_memory_peek(windows->memory, segment->address, &size);
		if (bytes)
			each_word(windows, bytes, size, visit_link, chain);
	}
}

static void take_loader_lists(struct windows *windows)
{
	struct chain *chain = csn_region_alloc(windows->memory->region, sizeof(*chain));
	const uint8_t *bytes;
	uint64_t size;
	size_t at;

	if (!chain || windows->memory->prefix->loader_base == 0)
		return;
	memset(chain, 0, sizeof(*chain));
	visit_loader(windows, chain);
	for (at = 0; at < chain->n_queued && may_go_on(windows); at++) {
		bytes = csn_memory_peek(windows->memory, chain->queue[at], &size);
		if (bytes)
			each_word(windows, bytes,
				  csn_min_u64(size, (uint64_t)CHAIN_WORDS * windows->word_bytes),
				  visit_link, chain);
	}
}

void csn_gather_windows(struct csn_capture_memory *memory, uint64_t budget_bytes)
{
	const struct csn_prefix *prefix = memory->prefix;
	struct windows windows = {
		.memory = memory,
		.budget_bytes = csn_min_u64(budget_bytes, CSN_MAX_CAPTURE_BUDGET),
		.word_bytes = prefix->word_bytes,
	};
	struct objects objects = { .whole_left = windows.budget_bytes / WHOLE_SHARE };
	size_t i;

	for (i = 0; i < prefix->n_threads && may_go_on(&windows); i++)
		each_stack_word(&windows, &prefix->threads[i], i < LATER ? NEAR_SP : NEAR_SP_LATER,
				visit_other_stack, NULL);
	take_loader_lists(&windows);
	for (i = 0; i < prefix->n_threads && may_go_on(&windows); i++) {
		objects.left = MAX_SMALL;
		each_stack_word(&windows, &prefix->threads[i],
				i == 0      ? NEAR_SP_CRASHED
				: i < LATER ? NEAR_SP
					    : NEAR_SP_LATER,
				visit_object, &objects);
	}
	if (!budget_left(&windows))
		csn_memory_omit(memory,
				(struct csn_omission){ .what = "windows", .why = "budget" });
}
