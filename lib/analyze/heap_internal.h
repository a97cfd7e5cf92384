/* Private to the heap analysis: the record that each allocator fills, and memory as it reads it. */
#ifndef CSN_ANALYZE_HEAP_INTERNAL_H
#define CSN_ANALYZE_HEAP_INTERNAL_H

#include "analyze/heap.h"

#include "base/arena.h"

/* An allocator. */
struct csn_heap_ops {
	const char *name;
	/* Its own record, in heap->arena, of an allocator that is there; NULL when it is not. */
	void *(*find)(struct csn_heap *heap);
	/* addr is mapped, writable and in no stack. *ret_place is all zero with an empty text;
	 * CSN_HEAP_NOT_HEAP: ask the next allocator. */
	void (*look)(struct csn_heap *heap, void *impl, csn_addr addr,
		     struct csn_heap_place *ret_place);
	/* Reports damages. May be NULL. */
	void (*check)(struct csn_heap *heap, void *impl);
};

#define CSN_HEAP_BLOCK 4096u
#define CSN_HEAP_BLOCKS 64u

/* A page of the target's memory. */
struct csn_heap_block {
	csn_addr start; /* 1: none */
	size_t size_bytes;
	uint8_t bytes[CSN_HEAP_BLOCK];
};

struct csn_heap {
	struct csn_arena *arena;
	struct csn_target *target;
	struct csn_modules *modules; /* NULL unknown */
	const struct csn_heap_ops *ops[4];
	void *impls[4];
	size_t n_ops;
	uint64_t blocks_left; /* that may still be read */
	bool checked;
	struct csn_heap_damage damages[CSN_HEAP_DAMAGES];
	size_t n_damages;
	struct csn_heap_block blocks[CSN_HEAP_BLOCKS];
};

/* A word of 8 bytes. False when it is not there, or too much was read. */
bool csn_heap_word(struct csn_heap *heap, csn_addr addr, uint64_t *ret_word) csn_must_check;
/* The same of 2 bytes. */
bool csn_heap_half(struct csn_heap *heap, csn_addr addr, uint16_t *ret_half) csn_must_check;
/* All of size_bytes. */
bool csn_heap_bytes(struct csn_heap *heap, csn_addr addr, void *data, size_t size_bytes)
	csn_must_check;
/* The address is known not to be the allocator's: it is not mapped, or belongs to a file. False
 * also for memory that the dump leaves out. */
bool csn_heap_is_foreign(struct csn_heap *heap, csn_addr addr);
/* The thread pointer, below which the thread's own storage lies. False when it is not known. */
bool csn_heap_thread_pointer(const struct csn_target *target, const struct csn_thread *thread,
			     csn_addr *ret_pointer) csn_must_check;
/* Addresses, in the heap's arena. */
struct csn_heap_words {
	csn_addr *at;
	size_t n, capacity;
};

/* False when there are too many. */
bool csn_heap_words_add(struct csn_heap *heap, struct csn_heap_words *words, csn_addr addr)
	csn_must_check;
/* Where in the data of the library whose name begins so lie words that may be pointers to memory
 * without a file, of that alignment. False when the library is not there. */
bool csn_heap_library_words(struct csn_heap *heap, const char *name, unsigned alignment,
			    struct csn_heap_words *words) csn_must_check;
/* Keeps a damage, if it is no other one again. */
void csn_heap_report(struct csn_heap *heap, const struct csn_heap_damage *damage);

extern const struct csn_heap_ops csn_heap_glibc, csn_heap_jemalloc, csn_heap_tcmalloc;

#endif
