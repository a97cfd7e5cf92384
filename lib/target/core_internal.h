/* Private to the core reader: segments (core.c), notes (core_notes.c), mappings (core_maps.c). */
#ifndef CSN_TARGET_CORE_INTERNAL_H
#define CSN_TARGET_CORE_INTERNAL_H

#include "elf/header.h"
#include "target/target.h"

struct csn_core_segment {
	csn_addr start, end;
	uint64_t offset;   /* in the file */
	uint64_t stored;   /* bytes that the file has, from start on */
	uint64_t promised; /* bytes that the header says it has */
	uint32_t flags;    /* PF_... */
};

struct csn_core {
	uint8_t *data; /* the mapped file, read-only */
	size_t size;
	struct csn_core_segment *segments; /* by start, not overlapping */
	size_t n_segments;
	size_t last; /* index of the segment that was hit last */
	bool notes_broken;
};

/* One line of NT_FILE. */
struct csn_core_file {
	csn_addr start, end;
	uint64_t offset;
	const char *path;
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

/* The mappings of the target from segments and NT_FILE. */
int csn_core_make_mappings(struct csn_target *target, const struct csn_core_files *files,
			   struct csn_error *err) csn_must_check;

#endif
