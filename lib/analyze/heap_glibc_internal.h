/* Private to glibc's heap: arenas, the memory they hand out, chunks and lists.
 *
 * Layouts are those of glibc 2.31 to 2.41 on 64-bit machines (malloc/malloc.c, malloc/arena.c);
 * what differs between them (how links are stored, the mark of the tcache, the size of a heap's
 * own record) is seen in the memory itself. */
#ifndef CSN_ANALYZE_HEAP_GLIBC_INTERNAL_H
#define CSN_ANALYZE_HEAP_GLIBC_INTERNAL_H

#include "analyze/heap_internal.h"

#define CSN_GLIBC_HEADER 16u    /* of a chunk: the size before it, its own size and flags */
#define CSN_GLIBC_MIN_CHUNK 32u /* bytes */
#define CSN_GLIBC_PREV_INUSE 1u
#define CSN_GLIBC_MMAPPED 2u
#define CSN_GLIBC_NON_MAIN 4u
#define CSN_GLIBC_FLAGS 7u

/* struct malloc_state: offsets in bytes. */
#define CSN_GLIBC_FASTBINS 16u
#define CSN_GLIBC_N_FASTBINS 10u
#define CSN_GLIBC_TOP 96u
#define CSN_GLIBC_BINS 112u
#define CSN_GLIBC_N_BINS 127u
#define CSN_GLIBC_NEXT 2160u
#define CSN_GLIBC_SYSTEM_MEM 2184u
#define CSN_GLIBC_STATE_BYTES 2200u

/* struct tcache_perthread_struct. */
#define CSN_GLIBC_TCACHE_BINS 64u
#define CSN_GLIBC_TCACHE_ENTRIES 128u
#define CSN_GLIBC_TCACHE_CHUNK 0x290u

/* Memory that chunks lie in, one behind the other. */
struct csn_glibc_region {
	csn_addr start, end; /* of the chunks */
	csn_addr from;       /* of all: what lies before the chunks is the arena's own record */
	size_t arena;        /* number */
	bool start_known;    /* else chunks can be walked from known ones only */
	bool is_last;        /* holds the top */
	/* The walk, once it was done: every CSN_GLIBC_STRIDE-th chunk. */
	bool walked;
	csn_addr *marks;
	size_t n_marks, marks_capacity;
	csn_addr stopped; /* the chunk where the walk could not go on; end: it came through */
	bool stopped_by_damage;
};

#define CSN_GLIBC_STRIDE 32u

struct csn_glibc_arena {
	csn_addr state;
	csn_addr top;
	uint64_t top_bytes; /* as its header says */
	uint64_t system_bytes;
	bool has_top;
	bool top_good;   /* its size ends where the memory ends */
	bool top_unread; /* its header is not in the dump */
};

/* A chunk that some list holds. */
struct csn_glibc_free {
	csn_addr chunk;
	enum csn_heap_list list;
	uint64_t link; /* as stored: the first word of the user's part */
};

struct csn_glibc {
	struct csn_heap *heap;
	struct csn_glibc_arena *arenas; /* the main one first */
	size_t n_arenas, arenas_capacity;
	bool arenas_whole;                /* the chain was followed to its end */
	struct csn_glibc_region *regions; /* sorted by start */
	size_t n_regions, regions_capacity;

	/* Lists, read once. */
	bool lists_read;
	struct csn_glibc_free *frees; /* sorted by chunk */
	size_t n_frees, frees_capacity;
	bool bins_whole;    /* of fastbins and bins: all of every list was read */
	bool tcaches_whole; /* likewise; every thread's is known */
	csn_addr *tcaches;  /* of threads that have one */
	size_t n_tcaches;
	bool plain_links; /* before 2.32 */
	uint64_t key;     /* the mark of chunks in a tcache; 0 unknown */
	uint64_t steps_left;
	uint64_t pages_left; /* that may be looked at for headers of mappings */
};

/* heap_glibc.c: the region that holds an address; NULL none. */
struct csn_glibc_region *csn_glibc_find_region(struct csn_glibc *glibc, csn_addr addr);
/* Can a chunk begin there? Aligned, in a region. */
bool csn_glibc_may_be_chunk(struct csn_glibc *glibc, csn_addr chunk);
/* Counts work; false when there was too much of it. */
bool csn_glibc_step(struct csn_glibc *glibc);

/* heap_glibc_tcache.c: finds the tcaches of all threads and reads their lists. */
void csn_glibc_read_tcaches(struct csn_glibc *glibc);

/* heap_glibc_lists.c: reads every list, once. */
void csn_glibc_read_lists(struct csn_glibc *glibc);
/* Puts a chunk down as free. False when there are too many. */
bool csn_glibc_add_free(struct csn_glibc *glibc, csn_addr chunk, enum csn_heap_list list,
			uint64_t link);
/* The list that holds a chunk; NULL none. */
const struct csn_glibc_free *csn_glibc_find_free(const struct csn_glibc *glibc, csn_addr chunk);
/* What a stored link leads to. */
csn_addr csn_glibc_reveal(const struct csn_glibc *glibc, csn_addr at, uint64_t link);

/* heap_glibc_walk.c: walks a region, once, and reports what is damaged. */
void csn_glibc_walk(struct csn_glibc *glibc, struct csn_glibc_region *region);
/* The chunk that an address belongs to, from its size field on to the next one's. False when the
 * walk did not come there. */
bool csn_glibc_find_chunk(struct csn_glibc *glibc, struct csn_glibc_region *region, csn_addr addr,
			  csn_addr *ret_chunk, uint64_t *ret_size) csn_must_check;

#endif
