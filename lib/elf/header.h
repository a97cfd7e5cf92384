/* ELF file header and program headers, read from bytes that may be the mere beginning of a file.
 *
 * This is what the core_pattern helper needs of ELF: it parses what the kernel wrote into the pipe
 * while the rest has not arrived, and nothing else; sections, symbols and everything that may be
 * hostile and large live in elf/file.h. Nothing here allocates or keeps a pointer. Little-endian
 * only; ELF32 is read as well. */
#ifndef CSN_ELF_HEADER_H
#define CSN_ELF_HEADER_H

#include <elf.h>

#include "base/error.h"
#include "base/span.h"

/* Bytes of an image that csn_elf_header_read wants: file header and first program header. */
#define CSN_ELF_PREFIX_BYTES 120

struct csn_elf_header {
	bool is_64;
	uint8_t os_abi;
	uint16_t type;    /* ET_CORE, ET_DYN, ET_EXEC, ... */
	uint16_t machine; /* EM_X86_64, ... */
	uint32_t flags;
	uint64_t entry;
	uint64_t segments_offset;
	uint64_t sections_offset; /* 0: no section table */
	uint32_t n_segments;      /* resolved, also beyond 65534 */
	uint32_t n_sections;      /* resolved when section 0 is inside the image, else as stored */
	uint32_t names_section;   /* e_shstrndx, resolved likewise */
	uint16_t segment_size;    /* e_phentsize */
	uint16_t section_size;    /* e_shentsize */
};

struct csn_elf_segment {
	uint32_t type, flags;
	uint64_t offset, address, physical;
	uint64_t file_size, memory_size, alignment;
};

/* Reads the file header at the start of image, which may be a prefix of the file of at least
 * CSN_ELF_PREFIX_BYTES (less only when the file is that short). More than 65534 segments are
 * counted by section 0 when it lies inside the image; otherwise, as in a pipe, by the distance
 * between the program headers and the first note, which the kernel puts right behind them.
 * FORMAT: no ELF or broken; UNSUPPORTED: big-endian; LIMIT: more than CSN_MAX_ELF_SEGMENTS. */
int csn_elf_header_read(const struct csn_span *image, struct csn_elf_header *ret_header,
			struct csn_error *err) csn_must_check;

/* First byte behind the program headers: an image of this many bytes holds all of them. */
uint64_t csn_elf_segments_end(const struct csn_elf_header *header);

/* Program header number index. False when it is outside of the image or of the table. */
bool csn_elf_segment_read(const struct csn_elf_header *header, const struct csn_span *image,
			  uint32_t index, struct csn_elf_segment *ret_segment) csn_must_check;

/* First segment of this type; false when absent. */
bool csn_elf_segment_find(const struct csn_elf_header *header, const struct csn_span *image,
			  uint32_t type, struct csn_elf_segment *ret_segment) csn_must_check;

#endif
