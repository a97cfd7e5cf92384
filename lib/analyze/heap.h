/* The heap: what the allocator itself knows of an address, from the memory of the target.
 *
 * One record of functions per allocator (glibc's malloc; jemalloc and tcmalloc behind the same
 * one). Nothing is run and no symbol is needed: the allocator's own structures are found by what
 * they must look like, and an answer is given only where they agree. What the dump leaves out, what
 * is not understood and what costs too much is "unknown", never a guess.
 *
 * 64-bit programs only. Everything lives in the arena given to csn_heap_new. One thread at a time.
 */
#ifndef CSN_ANALYZE_HEAP_H
#define CSN_ANALYZE_HEAP_H

#include "symbols/module.h"
#include "target/target.h"

enum csn_heap_state {
	CSN_HEAP_UNKNOWN,
	CSN_HEAP_NOT_HEAP, /* no memory that the allocator hands out */
	CSN_HEAP_LIVE,
	CSN_HEAP_FREED,
	CSN_HEAP_TOP,     /* never handed out, or given back: what new chunks are cut from */
	CSN_HEAP_CORRUPT, /* the headers there make no sense */
};

/* Where a freed chunk waits to be used again. */
enum csn_heap_list {
	CSN_HEAP_NO_LIST, /* not known, or in none */
	CSN_HEAP_TCACHE,
	CSN_HEAP_FASTBIN,
	CSN_HEAP_UNSORTED,
	CSN_HEAP_SMALL,
	CSN_HEAP_LARGE,
	CSN_HEAP_SLAB, /* jemalloc, tcmalloc: free among others of its size */
};

/* What is known of an address. */
struct csn_heap_place {
	enum csn_heap_state state;
	enum csn_heap_list list;
	csn_addr chunk;         /* its header; equal to user where allocators keep none */
	csn_addr user;          /* what malloc returned, or would */
	uint64_t size_bytes;    /* that a program may use: at least what it asked for */
	int64_t offset;         /* of the address from user; negative: in the header */
	csn_addr arena;         /* 0 unknown, or none */
	bool has_chunk;         /* chunk, user, size_bytes and offset are known */
	bool mmapped;           /* a mapping of its own */
	bool prev_inuse;        /* glibc: the flag of its header */
	uint64_t written_bytes; /* of a freed chunk: at its start, by the allocator when it was
				   freed */
	const char *evidence;   /* why, for a reader who doubts; static text, never NULL */
};

enum csn_heap_damage_kind {
	CSN_HEAP_BAD_HEADER,    /* at: chunk whose size cannot be */
	CSN_HEAP_BAD_PREV_SIZE, /* at: chunk; its neighbour before is free and of another size */
	CSN_HEAP_BAD_TOP,       /* at: the top chunk, whose size cannot be */
	CSN_HEAP_BAD_LINK,      /* at: a freed chunk whose link leads nowhere */
	CSN_HEAP_BAD_BIN,       /* at: the owner of a list whose first link leads nowhere */
	CSN_HEAP_BAD_SIZE,      /* at: a freed chunk in a list of chunks of another size */
	CSN_HEAP_TWICE,         /* at: a chunk that is in a list twice */
};

struct csn_heap_damage {
	enum csn_heap_damage_kind kind;
	enum csn_heap_list list; /* of bad links and sizes */
	csn_addr at;
	uint64_t value; /* what is there: a size or a link */
	/* The chunk that ends where the header begins; has_chunk false: not known. */
	struct csn_heap_place before;
};

/* Damages that are kept. */
#define CSN_HEAP_DAMAGES 8u

struct csn_heap;

/* Finds the allocators of the target. NULL when there is none that we know, or memory is out. */
struct csn_heap *csn_heap_new(struct csn_arena *arena, struct csn_target *target,
			      struct csn_modules *modules);
/* Lets it read more than an ordinary fault is worth; call it first. */
void csn_heap_look_hard(struct csn_heap *heap);
/* The name of the allocator that answers first: "glibc". */
const char *csn_heap_name(const struct csn_heap *heap);
/* What is known of an address. */
void csn_heap_look(struct csn_heap *heap, csn_addr addr, struct csn_heap_place *ret_place);
/* Looks through everything, once; the damages in the order they were found. */
const struct csn_heap_damage *csn_heap_check(struct csn_heap *heap, size_t *ret_count);
/* "a freed chunk of 24 bytes (tcache)", "a live chunk of 24 bytes", "the unused top of the heap".
 * Returns out. */
const char *csn_heap_describe(const struct csn_heap_place *place, char *out, size_t size_bytes);
/* "the header behind the chunk of 24 bytes at 0x... is overwritten (size 0x4141414141414141)".
 * Returns out. */
const char *csn_heap_describe_damage(const struct csn_heap_damage *damage, char *out,
				     size_t size_bytes);
/* "live", "freed", ... */
const char *csn_heap_state_name(enum csn_heap_state state);
/* "tcache", ...; "" for none. */
const char *csn_heap_list_name(enum csn_heap_list list);

#endif
