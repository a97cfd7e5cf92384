/* The parts of a core's headers that both the note and the identity are read through. Private to
 * lib/spool; everything is bounded and read with pread from a file that others wrote. */
#ifndef CSN_SPOOL_CORE_NOTE_INTERNAL_H
#define CSN_SPOOL_CORE_NOTE_INTERNAL_H

#include "base/error.h"
#include "base/span.h"

struct core {
	int fd;    /* borrowed */
	bool wide; /* ELFCLASS64 */
	bool big_endian;
	bool freebsd; /* its notes are of another kind */
	uint64_t phoff;
	uint16_t phentsize, phnum;
};

struct segment {
	uint32_t type;
	uint64_t offset, size; /* in the file */
};

/* Where a note's body stands in the file. */
struct note {
	uint64_t offset;
	uint32_t size;
};

/* Fills all but fd. FORMAT for what is no ELF core. */
int core_read_header(struct core *core, struct csn_error *err) csn_must_check;
/* Program header number index; FORMAT past the end of the file. */
int core_read_segment(const struct core *core, unsigned index, struct segment *ret_segment,
		      struct csn_error *err) csn_must_check;
/* The first note of that owner and type. NOT_FOUND without one. */
int core_find_note(const struct core *core, const char *owner, uint32_t type, struct note *ret_note,
		   struct csn_error *err) csn_must_check;
/* Up to size_bytes at offset into bytes, as a span in the core's byte order; shorter at the end. */
int core_read(const struct core *core, void *bytes, size_t size_bytes, uint64_t offset,
	      struct csn_span *ret_span, struct csn_error *err) csn_must_check;

#endif
