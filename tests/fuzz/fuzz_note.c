/* File headers, program headers and notes, as the core_pattern helper reads them from its pipe. */
#include "elf/header.h"
#include "elf/note.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes);

static unsigned sum;

static void walk(const struct csn_span *bytes, uint64_t alignment)
{
	struct csn_elf_notes notes = csn_elf_notes_of(bytes, alignment);
	struct csn_elf_note note;
	struct csn_span id;

	while (csn_elf_notes_next(&notes, &note)) {
		while (csn_span_left(&note.desc))
			sum += csn_span_u8(&note.desc);
		sum += (unsigned)note.name[0];
	}
	if (csn_elf_build_id_find(bytes, alignment, &id))
		sum += id.data[id.size - 1];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
	struct csn_span image = csn_span_of(data, size_bytes), bytes;
	struct csn_elf_header header;
	struct csn_elf_segment segment;
	uint32_t i;

	walk(&image, 4);
	walk(&image, 8);
	if (csn_elf_header_read(&image, &header, NULL) < 0)
		return 0;
	for (i = 0; csn_elf_segment_read(&header, &image, i, &segment); i++) {
		bytes = csn_span_part(&image, segment.offset, segment.file_size);
		if (segment.type == PT_NOTE && csn_span_ok(&bytes))
			walk(&bytes, segment.alignment);
	}
	return 0;
}
