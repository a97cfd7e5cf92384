/* What the files of this room share about an open ELF object. */
#ifndef CSN_ELF_FILE_INTERNAL_H
#define CSN_ELF_FILE_INTERNAL_H

#include "elf/file.h"

/* A section that was compressed, unpacked so far. */
struct csn_elf_inflated;
void csn_elf_inflated_free(struct csn_elf_inflated *inflated);

struct csn_elf_file {
	struct csn_span bytes;
	struct csn_elf_header header;
	struct csn_span section_names; /* failed when there are none */
	void *mapped;                  /* munmap(bytes.size) when set */
	void *owned;                   /* free() when set */
	bool by_address;
	uint64_t lowest; /* by_address: link-time address of byte 0 */
	csn_addr bias;   /* by_address: of the loaded object */
	struct csn_elf_inflated *inflated;
	struct csn_elf_file *debug_data;
	bool debug_data_tried;
};

/* The content as stored; failed when it is outside of the file or SHT_NOBITS. */
struct csn_span csn_elf_section_stored(const struct csn_elf_file *file,
				       const struct csn_elf_section *section);

#endif
