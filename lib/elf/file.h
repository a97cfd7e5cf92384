/* An ELF object (program, library, debug file) and what is inside: sections, symbols, build-id.
 *
 * The bytes come from a file (mapped read-only, whole), from memory, or from the memory image of a
 * module in a core (laid out by address, with holes). Every structure is checked where it is read:
 * a hostile file gives wrong or absent answers, never a crash. Results borrow from the file and
 * live until csn_elf_file_free. One thread at a time.
 *
 * "Address" is always the link-time address of the object; the load bias is the caller's. */
#ifndef CSN_ELF_FILE_H
#define CSN_ELF_FILE_H

#include <string.h>

#include "base/error.h"
#include "base/limits.h"
#include "base/opener.h"
#include "base/span.h"
#include "elf/header.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "tables are copied as they are stored");

struct csn_elf_file;

struct csn_elf_section {
	const char *name; /* borrowed; "" when broken */
	uint32_t index, type, link, info;
	uint64_t flags, address, offset, size, alignment, entry_size;
};

/* A symbol as stored. Names are looked up separately, because most symbols are only passed by. */
struct csn_elf_symbol {
	uint32_t name_offset;
	uint8_t type, binding; /* STT_..., STB_... */
	uint16_t section;      /* SHN_... */
	uint64_t address, size;
};

enum csn_elf_table {
	CSN_ELF_SYMTAB,
	CSN_ELF_DYNSYM, /* also found through PT_DYNAMIC when there are no sections */
};

/* One symbol table. */
struct csn_elf_symbols {
	struct csn_span entries, strings;
	size_t n_symbols; /* all inside of entries */
	bool is_64;
};

/* What the opener gives for the path, which is borrowed during the call. */
int csn_elf_file_open(const struct csn_opener *opener, const char *path,
		      struct csn_elf_file **ret_file, struct csn_error *err) csn_must_check;
/* fd stays the caller's and may be closed afterwards. */
int csn_elf_file_open_fd(int fd, const char *name, struct csn_elf_file **ret_file,
			 struct csn_error *err) csn_must_check;
/* data, from malloc, is owned by the file when this succeeds. */
int csn_elf_file_open_memory(void *data, size_t size_bytes, struct csn_elf_file **ret_file,
			     struct csn_error *err) csn_must_check;
/* The same for the image of a loaded object: byte n of data was at bias + lowest segment address
 * + n. There are no sections then, and pointers in PT_DYNAMIC may have been relocated. */
int csn_elf_file_open_image(void *data, size_t size_bytes, csn_addr bias,
			    struct csn_elf_file **ret_file, struct csn_error *err) csn_must_check;
void csn_elf_file_free(struct csn_elf_file *file);
void csn_elf_file_freep(struct csn_elf_file **file);

/* The parsed header; lives as long as the file. */
const struct csn_elf_header *csn_elf_file_header(const struct csn_elf_file *file);
/* Of this machine (EM_..., 0 any) and class? */
static inline bool csn_elf_file_is_of(const struct csn_elf_file *file, uint16_t machine, bool is_64)
{
	const struct csn_elf_header *header = csn_elf_file_header(file);

	return !machine || (header->machine == machine && header->is_64 == is_64);
}
/* All bytes, as they are stored. */
const struct csn_span *csn_elf_file_bytes(const struct csn_elf_file *file);
bool csn_elf_file_segment(const struct csn_elf_file *file, uint32_t index,
			  struct csn_elf_segment *ret_segment) csn_must_check;
bool csn_elf_file_segment_of_type(const struct csn_elf_file *file, uint32_t type,
				  struct csn_elf_segment *ret_segment) csn_must_check;
/* The bytes from address to the end of the stored part of its segment; failed when not stored. */
struct csn_span csn_elf_file_at(const struct csn_elf_file *file, uint64_t address);

/* From the notes of segments, else of sections; false when absent. */
bool csn_elf_file_build_id(const struct csn_elf_file *file, struct csn_span *ret_id) csn_must_check;

/* The section by number; false when there is none such. */
bool csn_elf_file_section(const struct csn_elf_file *file, uint32_t index,
			  struct csn_elf_section *ret_section) csn_must_check;
/* By name; ".debug_x" is also found as ".zdebug_x". False when absent. */
bool csn_elf_file_section_find(const struct csn_elf_file *file, const char *name,
			       struct csn_elf_section *ret_section) csn_must_check;
/* The content, inflated once and kept if it is compressed (SHF_COMPRESSED with zlib or zstd, or
 * .zdebug). LIMIT above CSN_MAX_SECTION_INFLATED or 1032 times its stored size. */
int csn_elf_file_section_read(struct csn_elf_file *file, const struct csn_elf_section *section,
			      struct csn_span *ret_bytes, struct csn_error *err) csn_must_check;
/* The same, but no more than needed is unpacked: at least the first size_bytes of the content, all
 * of it where it is smaller. Bytes given once stay where they are; asking again for more unpacks
 * on. */
int csn_elf_file_section_prefix(struct csn_elf_file *file, const struct csn_elf_section *section,
				uint64_t size_bytes, struct csn_span *ret_bytes,
				struct csn_error *err) csn_must_check;

/* .gnu_debuglink: file name (borrowed, never with a slash) and CRC-32. False when absent or bad. */
bool csn_elf_file_debug_link(const struct csn_elf_file *file, const char **ret_name,
			     uint32_t *ret_crc) csn_must_check;
/* The object that holds what several debug files share, from .gnu_debugaltlink or, in DWARF 5,
 * .debug_sup: its name, absolute or relative to this file, and its build-id or checksum; borrowed.
 * False when absent or bad. */
bool csn_elf_file_alternate(struct csn_elf_file *file, const char **ret_name,
			    struct csn_span *ret_id) csn_must_check;
/* True when the object has this build-id, or says in .debug_sup that it has this checksum. */
bool csn_elf_file_is_alternate(struct csn_elf_file *file, const struct csn_span *id) csn_must_check;
/* The object inside .gnu_debugdata, unpacked on first use; borrowed. NULL when absent or bad. */
struct csn_elf_file *csn_elf_file_debug_data(struct csn_elf_file *file);

/* A symbol table with its strings, borrowed from the file; false when absent or malformed. */
bool csn_elf_symbols_find(struct csn_elf_file *file, enum csn_elf_table table,
			  struct csn_elf_symbols *ret_symbols) csn_must_check;
/* Symbol number index. Inline, because whole tables of millions are walked with it. */
static inline bool csn_elf_symbols_get(const struct csn_elf_symbols *symbols, size_t index,
				       struct csn_elf_symbol *ret_symbol)
{
	if (index >= symbols->n_symbols)
		return false;
	if (symbols->is_64) {
		Elf64_Sym wide;

		memcpy(&wide, symbols->entries.data + index * sizeof(wide), sizeof(wide));
		*ret_symbol = (struct csn_elf_symbol){ wide.st_name,
						       ELF64_ST_TYPE(wide.st_info),
						       ELF64_ST_BIND(wide.st_info),
						       wide.st_shndx,
						       wide.st_value,
						       wide.st_size };
	} else {
		Elf32_Sym narrow;

		memcpy(&narrow, symbols->entries.data + index * sizeof(narrow), sizeof(narrow));
		*ret_symbol = (struct csn_elf_symbol){ narrow.st_name,
						       ELF32_ST_TYPE(narrow.st_info),
						       ELF32_ST_BIND(narrow.st_info),
						       narrow.st_shndx,
						       narrow.st_value,
						       narrow.st_size };
	}
	return true;
}
/* Borrowed; "" when broken. */
const char *csn_elf_symbols_name(const struct csn_elf_symbols *symbols, uint32_t name_offset);

#endif
