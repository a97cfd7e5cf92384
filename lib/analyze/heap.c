#include "analyze/heap_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/limits.h"

/* Who interposes itself answers first. */
static const struct csn_heap_ops *const csn_heap_allocators[] = {
	&csn_heap_jemalloc,
	&csn_heap_tcmalloc,
	&csn_heap_glibc,
};

/* The page of addr, as much of it as there is. */
static const struct csn_heap_block *csn_heap_load(struct csn_heap *heap, csn_addr addr)
{
	csn_addr start = addr & ~(csn_addr)(CSN_HEAP_BLOCK - 1);
	struct csn_heap_block *block = &heap->blocks[start / CSN_HEAP_BLOCK % CSN_HEAP_BLOCKS];

	if (block->start == start)
		return block;
	if (!heap->blocks_left)
		return NULL;
	heap->blocks_left--;
	block->start = start;
	block->size_bytes =
		csn_target_read_some(heap->target, start, block->bytes, sizeof(block->bytes));
	return block;
}

bool csn_heap_bytes(struct csn_heap *heap, csn_addr addr, void *data, size_t size_bytes)
{
	uint8_t *out = data;

	while (size_bytes) {
		const struct csn_heap_block *block = csn_heap_load(heap, addr);
		size_t at = addr % CSN_HEAP_BLOCK;
		size_t part = csn_min_u64(size_bytes, CSN_HEAP_BLOCK - at);

		if (!block)
			return false;
		if (at + part > block->size_bytes)
			/* A page of which the dump has but the end, or a hole in it. */
			return csn_target_read_some(heap->target, addr, out, size_bytes) ==
			       size_bytes;
		memcpy(out, block->bytes + at, part);
		out += part;
		addr += part;
		size_bytes -= part;
	}
	return true;
}

bool csn_heap_word(struct csn_heap *heap, csn_addr addr, uint64_t *ret_word)
{
	return addr <= UINT64_MAX - 8 && csn_heap_bytes(heap, addr, ret_word, 8);
}

bool csn_heap_half(struct csn_heap *heap, csn_addr addr, uint16_t *ret_half)
{
	return addr <= UINT64_MAX - 2 && csn_heap_bytes(heap, addr, ret_half, 2);
}

bool csn_heap_is_foreign(struct csn_heap *heap, csn_addr addr)
{
	const struct csn_mapping *mapping = csn_target_find_mapping(heap->target, addr);

	return !mapping || mapping->is_file || (mapping->perms_known && !mapping->writable);
}

bool csn_heap_thread_pointer(const struct csn_target *target, const struct csn_thread *thread,
			     csn_addr *ret_pointer)
{
	return csn_register_find(target->arch, &thread->registers, "fs_base", ret_pointer) &&
	       *ret_pointer % 8 == 0 && *ret_pointer > CSN_MIB;
}

bool csn_heap_words_add(struct csn_heap *heap, struct csn_heap_words *words, csn_addr addr)
{
	csn_addr *grown =
		csn_arena_grow(heap->arena, words->at, words->n, &words->capacity, sizeof(*grown));

	if (!grown || words->n >= CSN_MAX_HEAP_FREES)
		return false;
	words->at = grown;
	words->at[words->n++] = addr;
	return true;
}

static void csn_heap_collect(struct csn_heap *heap, const struct csn_mapping *mapping,
			     unsigned alignment, struct csn_heap_words *words)
{
	csn_addr end = csn_min_u64(mapping->end, mapping->start + 2 * CSN_MAX_HEAP_SCAN);
	uint64_t page_words[CSN_HEAP_BLOCK / 8];

	for (csn_addr page = mapping->start; page < end; page += CSN_HEAP_BLOCK) {
		if (!csn_heap_bytes(heap, page, page_words, sizeof(page_words)))
			continue;
		for (size_t i = 0; i < csn_countof(page_words); i++)
			if (page_words[i] && page_words[i] % alignment == 0 &&
			    !csn_heap_is_foreign(heap, page_words[i]) &&
			    !csn_heap_words_add(heap, words, page + 8 * i))
				return;
	}
}

bool csn_heap_library_words(struct csn_heap *heap, const char *name, unsigned alignment,
			    struct csn_heap_words *words)
{
	size_t n = heap->modules ? csn_modules_count(heap->modules) : 0;
	const struct csn_module *module = NULL;
	bool after_own = false;

	for (size_t i = 0; i < n && !module; i++)
		if (strncmp(csn_modules_get(heap->modules, i)->name, name, strlen(name)) == 0)
			module = csn_modules_get(heap->modules, i);
	for (size_t i = 0; module && i < heap->target->n_mappings; i++) {
		const struct csn_mapping *mapping = &heap->target->mappings[i];
		bool own = mapping->is_file && mapping->start >= module->start &&
			   mapping->start < module->end;

		/* Its data, and what follows that without a file. */
		if ((own ||
		     (after_own && !mapping->is_file && mapping[-1].end == mapping->start)) &&
		    (!mapping->perms_known || mapping->writable))
			csn_heap_collect(heap, mapping, alignment, words);
		after_own = own;
	}
	return module != NULL;
}

void csn_heap_report(struct csn_heap *heap, const struct csn_heap_damage *damage)
{
	for (size_t i = 0; i < heap->n_damages; i++)
		if (heap->damages[i].at == damage->at && heap->damages[i].kind == damage->kind)
			return;
	if (heap->n_damages < csn_countof(heap->damages))
		heap->damages[heap->n_damages++] = *damage;
}

struct csn_heap *csn_heap_new(struct csn_arena *arena, struct csn_target *target,
			      struct csn_modules *modules)
{
	struct csn_heap *heap;

	if (target->arch->word_bytes != 8)
		return NULL;
	heap = csn_arena_alloc(arena, sizeof(*heap));
	if (!heap)
		return NULL;
	heap->arena = arena;
	heap->target = target;
	heap->modules = modules;
	heap->blocks_left = CSN_MAX_HEAP_LOOK_BLOCKS;
	for (size_t i = 0; i < CSN_HEAP_BLOCKS; i++)
		heap->blocks[i].start = 1;
	for (size_t i = 0; i < csn_countof(csn_heap_allocators); i++) {
		void *impl = csn_heap_allocators[i]->find(heap);

		if (!impl)
			continue;
		heap->ops[heap->n_ops] = csn_heap_allocators[i];
		heap->impls[heap->n_ops++] = impl;
	}
	return heap->n_ops ? heap : NULL;
}

void csn_heap_look_hard(struct csn_heap *heap)
{
	heap->blocks_left = CSN_MAX_HEAP_BLOCKS;
}

const char *csn_heap_name(const struct csn_heap *heap)
{
	return heap->ops[0]->name;
}

/* Is the address in a stack, where nothing is ever allocated? That of a thread ends where its
 * pointer leads, and what lies behind it in the same mapping may be anything; the main one fills
 * its mapping. */
static bool csn_heap_is_stack(const struct csn_target *target, const struct csn_mapping *mapping,
			      csn_addr addr)
{
	for (size_t i = 0; i < target->n_threads; i++) {
		const struct csn_thread *thread = &target->threads[i];
		csn_addr sp = thread->registers.value[target->arch->sp], end = mapping->end,
			 pointer;

		if (!csn_register_known(&thread->registers, target->arch->sp) ||
		    sp < mapping->start || sp >= mapping->end)
			continue;
		if (csn_heap_thread_pointer(target, thread, &pointer) && pointer >= sp &&
		    pointer < end)
			end = pointer;
		if (addr < end)
			return true;
	}
	return false;
}

void csn_heap_look(struct csn_heap *heap, csn_addr addr, struct csn_heap_place *ret_place)
{
	const struct csn_mapping *mapping = csn_target_find_mapping(heap->target, addr);
	bool unknown = false;

	*ret_place = (struct csn_heap_place){ .state = CSN_HEAP_NOT_HEAP,
					      .evidence = "not mapped, or memory of a file" };
	if (csn_heap_is_foreign(heap, addr))
		return;
	ret_place->evidence = "in a stack";
	if (csn_heap_is_stack(heap->target, mapping, addr))
		return;
	for (size_t i = 0; i < heap->n_ops; i++) {
		*ret_place = (struct csn_heap_place){ .evidence = "" };
		heap->ops[i]->look(heap, heap->impls[i], addr, ret_place);
		if (ret_place->state == CSN_HEAP_UNKNOWN)
			unknown = true;
		else if (ret_place->state != CSN_HEAP_NOT_HEAP)
			return;
	}
	if (unknown)
		ret_place->state = CSN_HEAP_UNKNOWN;
}

const struct csn_heap_damage *csn_heap_check(struct csn_heap *heap, size_t *ret_count)
{
	for (size_t i = 0; i < heap->n_ops && !heap->checked; i++)
		if (heap->ops[i]->check)
			heap->ops[i]->check(heap, heap->impls[i]);
	heap->checked = true;
	*ret_count = heap->n_damages;
	return heap->damages;
}

const char *csn_heap_state_name(enum csn_heap_state state)
{
	static const char *const names[] = {
		[CSN_HEAP_UNKNOWN] = "unknown", [CSN_HEAP_NOT_HEAP] = "not heap",
		[CSN_HEAP_LIVE] = "live",       [CSN_HEAP_FREED] = "freed",
		[CSN_HEAP_TOP] = "top",         [CSN_HEAP_CORRUPT] = "corrupt",
	};

	return names[state];
}

const char *csn_heap_list_name(enum csn_heap_list list)
{
	static const char *const names[] = {
		[CSN_HEAP_NO_LIST] = "",        [CSN_HEAP_TCACHE] = "tcache",
		[CSN_HEAP_FASTBIN] = "fastbin", [CSN_HEAP_UNSORTED] = "unsorted bin",
		[CSN_HEAP_SMALL] = "small bin", [CSN_HEAP_LARGE] = "large bin",
		[CSN_HEAP_SLAB] = "slab",
	};

	return names[list];
}

const char *csn_heap_describe(const struct csn_heap_place *place, char *out, size_t size_bytes)
{
	static const char *const plain[] = {
		[CSN_HEAP_UNKNOWN] = "memory of unknown state",
		[CSN_HEAP_NOT_HEAP] = "no memory of the heap",
		[CSN_HEAP_LIVE] = "live memory",
		[CSN_HEAP_FREED] = "freed memory",
		[CSN_HEAP_TOP] = "the unused top of the heap",
		[CSN_HEAP_CORRUPT] = "a damaged part of the heap",
	};
	const char *list = csn_heap_list_name(place->list);
	const char *what = place->state == CSN_HEAP_LIVE    ? "live "
			   : place->state == CSN_HEAP_FREED ? "freed "
							    : "";

	if (!place->has_chunk || place->state == CSN_HEAP_TOP || place->state == CSN_HEAP_CORRUPT)
		snprintf(out, size_bytes, "%s", plain[place->state]);
	else
		snprintf(out, size_bytes, "a %schunk of %" PRIu64 " bytes%s%s%s", what,
			 place->size_bytes, *list ? " (" : "", list, *list ? ")" : "");
	return out;
}

const char *csn_heap_describe_damage(const struct csn_heap_damage *damage, char *out,
				     size_t size_bytes)
{
	const struct csn_heap_place *before = &damage->before;
	const char *list = csn_heap_list_name(damage->list);
	csn_addr user = damage->at + 16;
	char place[96];

	switch (damage->kind) {
	case CSN_HEAP_BAD_HEADER:
	case CSN_HEAP_BAD_TOP:
	case CSN_HEAP_BAD_PREV_SIZE:
		if (before->has_chunk)
			snprintf(place, sizeof(place),
				 "behind the %schunk of %" PRIu64 " bytes at 0x%" PRIx64,
				 before->state == CSN_HEAP_FREED ? "freed " : "",
				 before->size_bytes, before->user);
		else
			snprintf(place, sizeof(place), "of the chunk at 0x%" PRIx64, user);
		snprintf(out, size_bytes, "the %s %s is overwritten (%s 0x%" PRIx64 ")",
			 damage->kind == CSN_HEAP_BAD_TOP ? "top's header" : "header", place,
			 damage->kind == CSN_HEAP_BAD_PREV_SIZE ? "size before it" : "size",
			 damage->value);
		break;
	case CSN_HEAP_BAD_LINK:
		snprintf(out, size_bytes,
			 "a link of the freed chunk at 0x%" PRIx64
			 " (%s) is overwritten (0x%" PRIx64 ")",
			 user, list, damage->value);
		break;
	case CSN_HEAP_BAD_BIN:
		snprintf(out, size_bytes,
			 "a list (%s) leads to 0x%" PRIx64 ", where no chunk can be", list,
			 damage->value);
		break;
	case CSN_HEAP_BAD_SIZE:
		snprintf(out, size_bytes,
			 "the size of the freed chunk at 0x%" PRIx64
			 " (%s) is overwritten (0x%" PRIx64 ")",
			 user, list, damage->value);
		break;
	case CSN_HEAP_TWICE:
		snprintf(out, size_bytes, "the chunk at 0x%" PRIx64 " is free twice (%s)", user,
			 list);
		break;
	}
	return out;
}
