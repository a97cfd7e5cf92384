/* Private to the core reader: segments (core.c), notes (core_notes.c), mappings (core_maps.c). */
#ifndef CSN_TARGET_CORE_INTERNAL_H
#define CSN_TARGET_CORE_INTERNAL_H

#include "elf/header.h"
#include "target/core.h"

struct csn_core_segment {
	csn_addr start, end;
	uint64_t offset;   /* in the file */
	uint64_t stored;   /* bytes that the file has, from start on */
	uint64_t promised; /* bytes that the header says it has */
	uint32_t flags;    /* PF_... */
};

#define CSN_CORE_PAGE 4096u
#define CSN_CORE_PAGES 128u

/* Pages of the file that were read, each at its number modulo their count. */
struct csn_core_pages {
	struct {
		uint64_t number;
		uint64_t size; /* 0: none yet, or nothing there */
	} held[CSN_CORE_PAGES];
	uint64_t last; /* number of the last page that was read */
	uint8_t data[CSN_CORE_PAGES][CSN_CORE_PAGE];
};

struct csn_core {
	uint8_t *data; /* the file mapped read-only, for headers and notes */
	size_t size;
	int fd;                            /* owned; for memory */
	struct csn_core_pages *pages;      /* malloc */
	struct csn_core_segment *segments; /* by start, not overlapping */
	size_t n_segments;
	size_t last; /* index of the segment that was hit last */
	bool notes_broken;
};

struct csn_core_files {
	struct csn_core_file *items; /* sorted by start */
	size_t count;
	bool present;
};

/* Threads, signal, process, auxv and the CORESNAP note into the target; NT_FILE into files. */
int csn_core_read_notes(struct csn_target *target, const struct csn_span *image,
			const struct csn_elf_segment *segment, struct csn_core_files *files,
			struct csn_error *err) csn_must_check;

/* Reads up to size_bytes of the file's memory at offset; returns how many, 0 when there are none.
 */
size_t csn_core_read_file(struct csn_core *core, uint64_t offset, void *data, size_t size_bytes);

/* By start, for qsort. */
int csn_core_file_compare(const void *a, const void *b);

/* The mappings of the target from segments and NT_FILE. */
int csn_core_make_mappings(struct csn_target *target, const struct csn_core_files *files,
			   struct csn_error *err) csn_must_check;

#endif
