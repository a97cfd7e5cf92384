/* The heap of a process that never was: a C library's data with an arena in it, brk's memory, a
 * heap of a second arena, and a thread's own storage. The input is a number of patches (16 bits),
 * for each the part (8 bits), a place in it (16 bits, in words) and a word; what is left is brk's
 * memory, from its start on, and again that of the second arena. With one
 * patch more than a multiple of four the library is jemalloc, with three tcmalloc: brk's memory
 * begins with a leaf of its map of pages, and the thread has a cache. */
#include <stdlib.h>
#include <string.h>

#include "analyze/heap.h"
#include "base/cleanup.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes);

#define LIBRARY 0x7f0000000000ull
#define BRK 0x555500000000ull
#define SECOND 0x7e0000000000ull
#define STORAGE 0x7f1000000000ull
#define STATE 0x800u /* of the arena in the library's data */

static size_t sum;

struct part {
	csn_addr start;
	size_t size_bytes;
	uint8_t bytes[0x8000];
};

struct process {
	struct part parts[4]; /* library, brk, second, storage */
};

static size_t read_parts(struct csn_target *target, csn_addr addr, void *data, size_t size_bytes)
{
	struct process *process = target->impl;

	for (size_t i = 0; i < csn_countof(process->parts); i++) {
		const struct part *part = &process->parts[i];
		size_t at = addr - part->start;

		if (addr < part->start || at >= part->size_bytes)
			continue;
		size_bytes = csn_min_u64(size_bytes, part->size_bytes - at);
		memcpy(data, part->bytes + at, size_bytes);
		return size_bytes;
	}
	return 0;
}

static size_t read_own(void *context, csn_addr addr, void *data, size_t size_bytes)
{
	return csn_target_read_own(context, addr, data, size_bytes);
}

static void put(struct part *part, size_t at, uint64_t word)
{
	memcpy(part->bytes + at, &word, sizeof(word));
}

static void put_arena(struct part *part, size_t at, csn_addr top, csn_addr next, uint64_t system)
{
	put(part, at + 96, top);
	for (size_t i = 0; i < 127; i++) {
		put(part, at + 112 + 16 * i, part->start + at + 96 + 16 * i);
		put(part, at + 120 + 16 * i, part->start + at + 96 + 16 * i);
	}
	put(part, at + 2160, next);
	put(part, at + 2184, system);
}

/* A root that leads to brk's memory, and empty caches whose stacks follow each other. */
static void put_jemalloc(struct part *parts)
{
	put(&parts[0], 0x100, BRK);
	for (size_t i = 0; i < 40; i++) {
		put(&parts[3], 0x7000 + 24 * i, SECOND + 64 * (i + 1));
		put(&parts[3], 0x7010 + 24 * i, 64 * i << 16 | 64 * (i + 1) << 32);
	}
}

/* The same; the cache is in the second arena's memory and holds nothing. */
static void put_tcmalloc(struct part *parts)
{
	put(&parts[0], 0x100, BRK);
	put(&parts[3], 0x7fc0, SECOND + 0x100);
	put(&parts[2], 0x1120, STORAGE + 0x8000);
	put(&parts[2], 0x1130, 0);
	put(&parts[2], 0x1138, 0);
	for (size_t i = 0; i < 128; i++) {
		put(&parts[2], 0x100 + 32 * i, 0);
		put(&parts[2], 0x108 + 32 * i, 0);
		put(&parts[2], 0x118 + 32 * i, i < 3 ? 8 * i : 16 * (i - 1));
	}
}

/* Returns the name of the library. */
static const char *fill(struct process *process, struct csn_span *input)
{
	static const csn_addr starts[] = { LIBRARY, BRK, SECOND, STORAGE };
	struct part *parts = process->parts;
	uint16_t n = csn_span_u16(input);
	struct csn_span patches = csn_span_take(input, 11ull * n);
	size_t left = csn_span_left(input);

	for (size_t i = 0; i < csn_countof(starts); i++) {
		parts[i].start = starts[i];
		parts[i].size_bytes = sizeof(parts[i].bytes);
	}
	if (left)
		memcpy(parts[1].bytes, input->data + input->at,
		       csn_min_u64(left, sizeof(parts[1].bytes)));
	if (left)
		memcpy(parts[2].bytes + 0x8d0, input->data + input->at,
		       csn_min_u64(left, sizeof(parts[2].bytes) - 0x8d0));
	put_arena(&parts[0], STATE, BRK + 0x7000, SECOND + 48, 0x8000);
	put(&parts[1], 0x7008, 0x1001);
	put_arena(&parts[2], 48, SECOND + 0x7000, LIBRARY + STATE, 0x8000);
	put(&parts[2], 0, SECOND + 48);
	put(&parts[2], 16, 0x8000);
	put(&parts[2], 24, 0x8000);
	put(&parts[2], 0x7008, 0x1001);
	put(&parts[3], 0x7f80, BRK + 16);
	put(&parts[3], 0x7f88, LIBRARY + STATE);
	if (n % 4 == 1)
		put_jemalloc(parts);
	if (n % 4 == 3)
		put_tcmalloc(parts);
	while (csn_span_left(&patches)) {
		uint8_t part = csn_span_u8(&patches);
		uint16_t at = csn_span_u16(&patches);

		put(&parts[part % 4], 8 * (at % 0x1000u), csn_span_u64(&patches));
	}
	return n % 4 == 1 ? "/libjemalloc.so.2" : n % 4 == 3 ? "/libtcmalloc.so.4" : "/libc.so.6";
}

static void ask(struct csn_heap *heap)
{
	static const csn_addr starts[] = { LIBRARY, BRK, SECOND, STORAGE };
	const struct csn_heap_damage *damages;
	struct csn_heap_place place;
	char text[256];
	size_t n;

	for (size_t i = 0; i < csn_countof(starts); i++)
		for (csn_addr at = 0; at < 0x8000; at += i == 1 || i == 2 ? 24 : 999) {
			csn_heap_look(heap, starts[i] + at, &place);
			sum += strlen(csn_heap_describe(&place, text, sizeof(text)));
			sum += strlen(place.evidence) + strlen(csn_heap_state_name(place.state));
			if (place.has_chunk && place.state == CSN_HEAP_LIVE &&
			    (place.offset < -16 ||
			     (uint64_t)(place.offset + 16) > place.size_bytes + 16))
				abort();
		}
	damages = csn_heap_check(heap, &n);
	for (size_t i = 0; i < n; i++)
		sum += strlen(csn_heap_describe_damage(&damages[i], text, sizeof(text)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
	static const struct csn_target_ops ops = { .read = read_parts };
	cleanup_(csn_arena_freep) struct csn_arena *arena = csn_arena_new(64 << 20);
	cleanup_(csn_target_freep) struct csn_target *target = csn_target_new(&ops);
	cleanup_(csn_modules_freep) struct csn_modules *modules = NULL;
	cleanup_free struct process *process = calloc(1, sizeof(*process));
	struct csn_span input = csn_span_of(data, size_bytes);
	struct csn_mapping mappings[] = {
		{ .start = BRK, .end = BRK + 0x8000 },
		{ .start = SECOND, .end = SECOND + 0x8000 },
		{ .start = LIBRARY,
		  .end = LIBRARY + 0x8000,
		  .path = "/libc.so.6",
		  .is_file = true },
		{ .start = STORAGE, .end = STORAGE + 0x8000 },
	};
	struct csn_module_mapping library = { .start = LIBRARY,
					      .end = LIBRARY + 0x8000,
					      .path = "/libc.so.6" };
	struct csn_modules_input none = {
		.mappings = &library, .n_mappings = 1, .read = read_own, .no_files = true
	};
	struct csn_thread thread = { .tid = 1 };
	struct csn_heap *heap;

	if (!arena || !target || !process)
		return 0;
	mappings[2].path = library.path = fill(process, &input);
	for (size_t i = 0; i < csn_countof(mappings); i++)
		mappings[i].perms_known = mappings[i].readable = mappings[i].writable = true;
	target->arch = csn_arch_find(62, true);
	target->impl = process;
	target->mappings = mappings;
	target->n_mappings = csn_countof(mappings);
	for (unsigned i = 0; i < target->arch->n_registers; i++)
		if (strcmp(target->arch->registers[i].name, "fs_base") == 0)
			csn_register_set(&thread.registers, i, STORAGE + 0x8000);
	target->threads = &thread;
	target->n_threads = 1;
	none.context = target;
	if (csn_modules_new(&none, &modules, NULL) < 0)
		return 0;
	heap = csn_heap_new(arena, target, modules);
	if (heap)
		ask(heap);
	return 0;
}
