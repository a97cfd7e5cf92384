/* Everything that is asked of an ELF object, on bytes that claim to be one. */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "elf/file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes);

static unsigned sum;

static void read_symbols(struct csn_elf_file *file, enum csn_elf_table which)
{
	struct csn_elf_symbols symbols;
	struct csn_elf_symbol symbol;
	size_t i;

	if (!csn_elf_symbols_find(file, which, &symbols))
		return;
	for (i = 0; i < 1000 && csn_elf_symbols_get(&symbols, i, &symbol); i++)
		sum += (unsigned)csn_elf_symbols_name(&symbols, symbol.name_offset)[0];
}

static void read_all(struct csn_elf_file *file, int depth)
{
	struct csn_elf_section section;
	struct csn_elf_file *inner;
	struct csn_span bytes;
	const char *name;
	uint32_t i, crc;

	for (i = 0; i < 200 && csn_elf_file_section(file, i, &section); i++) {
		/* The inflated size is capped by the stored one; keep the fuzzer quick. */
		if (csn_elf_file_section_read(file, &section, &bytes, NULL) == 0 && bytes.size)
			sum += bytes.data[0] + bytes.data[bytes.size - 1u];
		bytes = csn_elf_file_at(file, section.address);
		if (csn_span_left(&bytes))
			sum += bytes.data[bytes.size - 1];
	}
	if (csn_elf_file_build_id(file, &bytes))
		sum += bytes.data[0];
	if (csn_elf_file_debug_link(file, &name, &crc))
		sum += (unsigned)strlen(name);
	read_symbols(file, CSN_ELF_SYMTAB);
	read_symbols(file, CSN_ELF_DYNSYM);
	inner = csn_elf_file_debug_data(file);
	if (inner && depth == 0)
		read_all(inner, 1);
}

static void *copy_of(const uint8_t *data, size_t size_bytes)
{
	void *copy = malloc(size_bytes ? size_bytes : 1);

	if (!copy)
		abort();
	if (size_bytes)
		memcpy(copy, data, size_bytes);
	return copy;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
	cleanup_(csn_elf_file_freep) struct csn_elf_file *file = NULL;
	cleanup_(csn_elf_file_freep) struct csn_elf_file *image = NULL;
	cleanup_free void *one = copy_of(data, size_bytes);
	cleanup_free void *two = copy_of(data, size_bytes);

	if (csn_elf_file_open_memory(one, size_bytes, &file, NULL) == 0) {
		(void)csn_take(one);
		read_all(file, 0);
	}
	if (csn_elf_file_open_image(two, size_bytes, 0x1000, &image, NULL) == 0) {
		(void)csn_take(two);
		read_all(image, 0);
	}
	return 0;
}
