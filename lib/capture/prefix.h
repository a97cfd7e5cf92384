/* The beginning of the core that the kernel writes: header, program headers and notes.
 *
 * The kernel writes these before any memory, so reading them and then nothing more leaves the
 * process parked and whole. Everything here was written by the kernel; of the notes only the
 * numbers are looked at (thread ids, register words, ranges of file mappings), never a structure of
 * the process. The bytes live in the region given, and so does all else here. */
#ifndef CSN_CAPTURE_PREFIX_H
#define CSN_CAPTURE_PREFIX_H

#include "base/span.h"
#include "capture/region.h"
#include "elf/header.h"
#include "elf/note.h"

struct csn_prefix_thread {
	int64_t ns_tid; /* as the process's own pid namespace numbers it */
	bool sp_known;
	csn_addr sp;
	struct csn_span words; /* its registers, opaque, in the kernel's order */
};

/* A file mapping of NT_FILE. */
struct csn_prefix_file {
	csn_addr start, end;
	uint64_t page;    /* where in the file, in pages */
	const char *path; /* in the notes; of the process's root */
};

struct csn_prefix {
	struct csn_span image; /* everything read so far */
	struct csn_elf_header header;
	struct csn_elf_segment *segments; /* PT_LOAD only, by address */
	size_t n_segments;
	uint64_t dumpable_bytes; /* what the kernel would write of them */
	struct csn_span notes;
	uint64_t notes_alignment;
	unsigned word_bytes; /* 4 or 8 */

	struct csn_prefix_thread *threads; /* the crashed one first */
	size_t n_threads;
	int signal;                    /* of NT_SIGINFO; 0 unknown */
	struct csn_prefix_file *files; /* by address */
	size_t n_files;
	bool has_files;       /* NT_FILE was there */
	csn_addr loader_base; /* AT_BASE: where the dynamic loader is mapped; 0 none */
};

/* Reads from the pipe (or a file at its start) no more than the notes' end. */
int csn_prefix_read(int fd, struct csn_region *region, struct csn_prefix *ret_prefix,
		    struct csn_error *err) csn_must_check;

/* The file mappings of a core without NT_FILE (the kernel leaves out one that is larger than
 * kernel.core_file_note_size_limit), from size_bytes of /proc/<tid>/maps. */
void csn_prefix_take_maps(struct csn_prefix *prefix, const char *maps, size_t size_bytes,
			  struct csn_region *region);

/* The segment that holds addr, NULL for none. */
const struct csn_elf_segment *csn_prefix_find(const struct csn_prefix *prefix, csn_addr addr);
/* Same among the file mappings. */
const struct csn_prefix_file *csn_prefix_find_file(const struct csn_prefix *prefix, csn_addr addr);
/* [vvar] and [vsyscall]: the kernel lists them, and nobody can read them. */
bool csn_prefix_is_kernels(const struct csn_prefix *prefix, csn_addr addr);

#endif
