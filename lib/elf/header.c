#include "elf/header.h"

#include <string.h>

#include "base/limits.h"

#define SEGMENT_BYTES_32 32
#define SEGMENT_BYTES_64 56
#define SECTION_BYTES_32 40
#define SECTION_BYTES_64 64

/* Address-sized field. */
static uint64_t word(struct csn_span *at, bool is_64)
{
	return is_64 ? csn_span_u64(at) : csn_span_u32(at);
}

static int read_ident(struct csn_span *at, struct csn_elf_header *header, struct csn_error *err)
{
	const uint8_t *ident = csn_span_bytes(at, EI_NIDENT);

	if (!ident || memcmp(ident, ELFMAG, SELFMAG) != 0)
		return csn_fail(err, CSN_E_FORMAT, "not an ELF file");
	if (ident[EI_CLASS] != ELFCLASS64 && ident[EI_CLASS] != ELFCLASS32)
		return csn_fail(err, CSN_E_FORMAT, "ELF class %u is unknown", ident[EI_CLASS]);
	if (ident[EI_DATA] == ELFDATA2MSB)
		return csn_fail(err, CSN_E_UNSUPPORTED, "big-endian ELF files are not supported");
	if (ident[EI_DATA] != ELFDATA2LSB)
		return csn_fail(err, CSN_E_FORMAT, "ELF byte order %u is unknown", ident[EI_DATA]);
	header->is_64 = ident[EI_CLASS] == ELFCLASS64;
	header->os_abi = ident[EI_OSABI];
	return 0;
}

/* Extended numbering (gabi 4, "section header 0"): real counts when they do not fit 16 bits. */
static bool read_section_zero(const struct csn_span *image, struct csn_elf_header *header,
			      uint32_t *ret_n_segments)
{
	size_t size = header->is_64 ? SECTION_BYTES_64 : SECTION_BYTES_32;
	struct csn_span at = csn_span_part(image, header->sections_offset, size);
	uint64_t n_sections;
	uint32_t link, info;

	if (!header->sections_offset || header->section_size < size || !csn_span_ok(&at))
		return false;
	csn_span_skip(&at, header->is_64 ? 32 : 20);
	n_sections = word(&at, header->is_64);
	link = csn_span_u32(&at);
	info = csn_span_u32(&at);
	if (header->n_sections == 0)
		header->n_sections = (uint32_t)csn_min_u64(n_sections, UINT32_MAX);
	if (header->names_section == SHN_XINDEX)
		header->names_section = link;
	*ret_n_segments = info;
	return true;
}

/* The kernel writes the program headers, then the notes that the first of them describes. */
static bool count_by_first_note(const struct csn_span *image, const struct csn_elf_header *header,
				uint32_t *ret_n_segments)
{
	struct csn_elf_segment first;
	struct csn_elf_header one = *header;
	uint64_t bytes;

	one.n_segments = 1;
	if (header->type != ET_CORE || !csn_elf_segment_read(&one, image, 0, &first))
		return false;
	if (first.type != PT_NOTE || first.offset <= header->segments_offset)
		return false;
	bytes = first.offset - header->segments_offset;
	*ret_n_segments =
		(uint32_t)csn_min_u64(bytes / header->segment_size, CSN_MAX_ELF_SEGMENTS + 1ull);
	return true;
}

static int resolve_counts(const struct csn_span *image, struct csn_elf_header *header,
			  struct csn_error *err)
{
	uint32_t n_segments = 0;
	bool extended = header->n_segments == PN_XNUM;
	bool known = read_section_zero(image, header, &n_segments);

	if (extended) {
		if (!known || n_segments < PN_XNUM)
			known = count_by_first_note(image, header, &n_segments);
		if (!known)
			return csn_fail(err, CSN_E_FORMAT, "the number of segments is not told");
		header->n_segments = n_segments;
	}
	if (header->n_segments > CSN_MAX_ELF_SEGMENTS)
		return csn_fail(err, CSN_E_LIMIT, "more than %u segments", CSN_MAX_ELF_SEGMENTS);
	return 0;
}

int csn_elf_header_read(const struct csn_span *image, struct csn_elf_header *ret_header,
			struct csn_error *err)
{
	struct csn_span at = csn_span_part(image, 0, image->size);
	struct csn_elf_header header = { 0 };
	int rc = read_ident(&at, &header, err);

	if (rc < 0)
		return rc;
	header.type = csn_span_u16(&at);
	header.machine = csn_span_u16(&at);
	csn_span_skip(&at, 4);
	header.entry = word(&at, header.is_64);
	header.segments_offset = word(&at, header.is_64);
	header.sections_offset = word(&at, header.is_64);
	header.flags = csn_span_u32(&at);
	csn_span_skip(&at, 2);
	header.segment_size = csn_span_u16(&at);
	header.n_segments = csn_span_u16(&at);
	header.section_size = csn_span_u16(&at);
	header.n_sections = csn_span_u16(&at);
	header.names_section = csn_span_u16(&at);
	if (!csn_span_ok(&at))
		return csn_fail(err, CSN_E_FORMAT, "the ELF header is cut short");
	if (header.n_segments &&
	    header.segment_size < (header.is_64 ? SEGMENT_BYTES_64 : SEGMENT_BYTES_32))
		return csn_fail(err, CSN_E_FORMAT, "program headers of %u bytes are too small",
				header.segment_size);
	if (!header.sections_offset)
		header.n_sections = 0;
	rc = resolve_counts(image, &header, err);
	if (rc < 0)
		return rc;
	*ret_header = header;
	return 0;
}

uint64_t csn_elf_segments_end(const struct csn_elf_header *header)
{
	uint64_t bytes = (uint64_t)header->n_segments * header->segment_size;

	return header->segments_offset > UINT64_MAX - bytes ? UINT64_MAX
							    : header->segments_offset + bytes;
}

bool csn_elf_segment_read(const struct csn_elf_header *header, const struct csn_span *image,
			  uint32_t index, struct csn_elf_segment *ret_segment)
{
	uint64_t offset = (uint64_t)index * header->segment_size;
	struct csn_span at;
	bool wide = header->is_64;

	if (index >= header->n_segments || header->segments_offset > UINT64_MAX - offset)
		return false;
	at = csn_span_part(image, header->segments_offset + offset,
			   wide ? SEGMENT_BYTES_64 : SEGMENT_BYTES_32);
	*ret_segment = (struct csn_elf_segment){ .type = csn_span_u32(&at) };
	if (wide)
		ret_segment->flags = csn_span_u32(&at);
	ret_segment->offset = word(&at, wide);
	ret_segment->address = word(&at, wide);
	ret_segment->physical = word(&at, wide);
	ret_segment->file_size = word(&at, wide);
	ret_segment->memory_size = word(&at, wide);
	if (!wide)
		ret_segment->flags = csn_span_u32(&at);
	ret_segment->alignment = word(&at, wide);
	return csn_span_ok(&at);
}

bool csn_elf_segment_find(const struct csn_elf_header *header, const struct csn_span *image,
			  uint32_t type, struct csn_elf_segment *ret_segment)
{
	uint32_t i;

	for (i = 0; i < header->n_segments; i++) {
		if (!csn_elf_segment_read(header, image, i, ret_segment))
			return false;
		if (ret_segment->type == type)
			return true;
	}
	return false;
}
