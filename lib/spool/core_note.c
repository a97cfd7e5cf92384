#include "spool/core_note.h"

#include <elf.h>
#include <string.h>

#include "base/io.h"
#include "base/limits.h"
#include "base/span.h"

struct core {
	int fd;
	bool wide; /* ELFCLASS64 */
	bool big_endian;
	uint64_t phoff;
	uint16_t phentsize, phnum;
};

struct segment {
	uint32_t type;
	uint64_t offset, size;
};

static int read_span(const struct core *core, void *bytes, size_t size_bytes, uint64_t offset,
		     struct csn_span *ret_span, struct csn_error *err)
{
	ssize_t n =
		offset > INT64_MAX ? 0 : csn_pread_full(core->fd, bytes, size_bytes, (off_t)offset);

	if (n < 0)
		return csn_fail_os(err, (int)-n, "read");
	*ret_span = csn_span_of(bytes, (size_t)n);
	ret_span->big_endian = core->big_endian;
	return 0;
}

static int read_header(struct core *core, struct csn_error *err)
{
	uint8_t bytes[64];
	struct csn_span span;
	int r = read_span(core, bytes, sizeof(bytes), 0, &span, err);
	uint16_t type;

	if (r < 0)
		return r;
	if (span.size < 52 || memcmp(bytes, ELFMAG, SELFMAG) != 0)
		return csn_fail(err, CSN_E_FORMAT, "not an ELF file");
	core->wide = bytes[EI_CLASS] == ELFCLASS64;
	core->big_endian = span.big_endian = bytes[EI_DATA] == ELFDATA2MSB;
	csn_span_seek(&span, EI_NIDENT);
	type = csn_span_u16(&span);
	csn_span_skip(&span, core->wide ? 14 : 10); /* machine, version, entry */
	core->phoff = csn_span_uint(&span, core->wide ? 8 : 4);
	csn_span_skip(&span, core->wide ? 14 : 10); /* shoff, flags, ehsize */
	core->phentsize = csn_span_u16(&span);
	core->phnum = csn_span_u16(&span);
	if (!csn_span_ok(&span) || type != ET_CORE || core->phentsize < (core->wide ? 56 : 32))
		return csn_fail(err, CSN_E_FORMAT, "not an ELF core file");
	return 0;
}

/* Program header number index; FORMAT past the end of the file. */
static int read_segment(const struct core *core, unsigned index, struct segment *ret_segment,
			struct csn_error *err)
{
	unsigned width = core->wide ? 8 : 4;
	uint8_t bytes[56];
	struct csn_span span;
	int r = read_span(core, bytes, core->wide ? 56 : 32,
			  core->phoff + (uint64_t)index * core->phentsize, &span, err);

	if (r < 0)
		return r;
	ret_segment->type = csn_span_u32(&span);
	if (core->wide)
		csn_span_skip(&span, 4); /* flags */
	ret_segment->offset = csn_span_uint(&span, width);
	csn_span_skip(&span, 2ull * width); /* vaddr, paddr */
	ret_segment->size = csn_span_uint(&span, width);
	if (!csn_span_ok(&span))
		return csn_fail(err, CSN_E_FORMAT, "the program headers run past the end");
	return 0;
}

static uint64_t aligned(uint32_t size)
{
	return ((uint64_t)size + 3) & ~3ull;
}

static int append_note(const struct core *core, uint64_t offset, uint32_t size, struct csn_buf *out,
		       struct csn_error *err)
{
	char *place;
	ssize_t n;

	if (size > CSN_MAX_CORESNAP_NOTE)
		return csn_fail(err, CSN_E_LIMIT, "the CORESNAP note is too large");
	place = csn_buf_extend(out, size);
	if (!place)
		return csn_buf_check(out, "CORESNAP note", err);
	n = csn_pread_full(core->fd, place, size, (off_t)offset);
	if (n != (ssize_t)size)
		return csn_fail(err, CSN_E_FORMAT, "the CORESNAP note runs past the end");
	while (out->size && out->data[out->size - 1] == '\0')
		out->size--;
	return 0;
}

/* Walks the notes by their headers; the bodies of others are never read. */
static int walk_notes(const struct core *core, const struct segment *segment, struct csn_buf *out,
		      struct csn_error *err)
{
	uint64_t at = 0;
	unsigned walked;

	for (walked = 0; walked < CSN_MAX_NOTES_WALKED && at + 12 <= segment->size; walked++) {
		uint8_t bytes[12 + sizeof(CSN_CORE_NOTE_OWNER)];
		uint32_t name_size, size, type;
		const void *name;
		struct csn_span span;
		int r = read_span(core, bytes, sizeof(bytes), segment->offset + at, &span, err);

		if (r < 0)
			return r;
		name_size = csn_span_u32(&span);
		size = csn_span_u32(&span);
		type = csn_span_u32(&span);
		if (!csn_span_ok(&span))
			return csn_fail(err, CSN_E_FORMAT, "the notes run past the end");
		at += 12 + aligned(name_size);
		if (type == CSN_CORE_NOTE_TYPE && name_size == sizeof(CSN_CORE_NOTE_OWNER)) {
			name = csn_span_bytes(&span, name_size);
			if (name && memcmp(name, CSN_CORE_NOTE_OWNER, name_size) == 0)
				return append_note(core, segment->offset + at, size, out, err);
		}
		at += aligned(size);
	}
	return csn_fail(err, CSN_E_NOT_FOUND, "no CORESNAP note");
}

int csn_core_note_read(int core_fd, struct csn_buf *out, struct csn_error *err)
{
	struct core core = { .fd = core_fd };
	struct segment segment;
	unsigned index;
	int r = read_header(&core, err);

	for (index = 0; r == 0 && index < core.phnum && index < CSN_MAX_NOTE_SEGMENTS; index++) {
		r = read_segment(&core, index, &segment, err);
		if (r < 0 || segment.type != PT_NOTE)
			continue;
		r = walk_notes(&core, &segment, out, err);
		if (r != -CSN_E_NOT_FOUND)
			return r;
		r = 0;
	}
	return r < 0 ? r : csn_fail(err, CSN_E_NOT_FOUND, "no CORESNAP note");
}
