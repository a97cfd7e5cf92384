/* The memory taken so far: whole segments, and islands in others.
 *
 * Only what the kernel would write is ever read (a segment's first file_size bytes: that honours
 * MADV_DONTDUMP and coredump_filter), in whole pages, and nothing twice. One thread takes while
 * another may close: after csn_memory_close nothing more is added, so that what there is can be
 * used although a read may still hang. The bytes are opaque words. */
#ifndef CSN_CAPTURE_MEMORY_H
#define CSN_CAPTURE_MEMORY_H

#include <pthread.h>

#include "capture/omission.h"
#include "capture/prefix.h"
#include "capture/victim.h"

/* What a piece was taken for. */
enum csn_class {
	CSN_CLASS_FILES,
	CSN_CLASS_STACKS,
	CSN_CLASS_WINDOWS,
	CSN_CLASS_STREAM, /* read from the kernel's pipe instead */
	CSN_N_CLASSES,
};

/* [start, start + size), sorted by start, never overlapping, each within one segment. */
struct csn_island {
	csn_addr start;
	uint64_t size;
	const uint8_t *data; /* in the region */
};

struct csn_capture_memory {
	const struct csn_prefix *prefix; /* borrowed, as the next three */
	const struct csn_victim *victim;
	struct csn_region *region;
	struct csn_omissions *omissions;
	int64_t deadline_ns; /* CLOCK_MONOTONIC: nothing is begun after it */
	uint64_t page_bytes;

	pthread_mutex_t lock; /* of all below */
	_Atomic bool closed;
	struct csn_island *islands; /* in the region */
	size_t n_islands, max_islands;
	uint64_t taken[CSN_N_CLASSES]; /* bytes */
};

/* Islands live in the region; prefix, victim and omissions are borrowed. LIMIT when it has no
 * room for their list. */
int csn_memory_init(struct csn_capture_memory *memory, const struct csn_prefix *prefix,
		    const struct csn_victim *victim, struct csn_region *region,
		    struct csn_omissions *omissions, int64_t deadline_ns, struct csn_error *err)
	csn_must_check;
/* Nothing is added from now on, by whatever thread. */
void csn_memory_close(struct csn_capture_memory *memory);

/* Takes of [start, end) what is dumpable, lies in the segment of start and is not there yet, up to
 * limit_bytes; rounded outwards to pages. Returns the bytes added. */
uint64_t csn_memory_take(struct csn_capture_memory *memory, enum csn_class for_what, csn_addr start,
			 csn_addr end, uint64_t limit_bytes);
/* Notes what was left out, unless closed. */
void csn_memory_omit(struct csn_capture_memory *memory, struct csn_omission omission);
/* The last resort, when the process's memory cannot be reached: reads on in the kernel's stream,
 * whose first bytes are the prefix, up to max_bytes. */
void csn_memory_drain(struct csn_capture_memory *memory, int core_fd, uint64_t max_bytes);
/* True when there is time and room, and nobody closed. */
bool csn_memory_may_go_on(const struct csn_capture_memory *memory);

/* The island that holds addr, or NULL. */
const struct csn_island *csn_memory_find(const struct csn_capture_memory *memory, csn_addr addr);
/* Borrowed bytes from addr on, of which *ret_size are there; NULL for none. */
const uint8_t *csn_memory_peek(const struct csn_capture_memory *memory, csn_addr addr,
			       uint64_t *ret_size);
/* The segment of addr if the kernel would write that byte, else NULL. */
const struct csn_elf_segment *csn_memory_find_dumpable(const struct csn_capture_memory *memory,
						       csn_addr addr);

#endif
