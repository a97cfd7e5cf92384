#include "spool/core_note.h"

#include <elf.h>
#include <string.h>

#include "base/io.h"
#include "base/limits.h"
#include "spool/core_note_internal.h"

#define MAX_OWNER 16
#define BLOCK_BYTES 4096

int core_read(const struct core *core, void *bytes, size_t size_bytes, uint64_t offset,
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

int core_read_header(struct core *core, struct csn_error *err)
{
	uint8_t bytes[64];
	struct csn_span span = { 0 };
	int r = core_read(core, bytes, sizeof(bytes), 0, &span, err);
	uint16_t type;

	if (r < 0)
		return r;
	if (span.size < 52 || memcmp(bytes, ELFMAG, SELFMAG) != 0)
		return csn_fail(err, CSN_E_FORMAT, "not an ELF file");
	core->wide = bytes[EI_CLASS] == ELFCLASS64;
	core->big_endian = span.big_endian = bytes[EI_DATA] == ELFDATA2MSB;
	core->freebsd = bytes[EI_OSABI] == ELFOSABI_FREEBSD;
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

int core_read_segment(const struct core *core, unsigned index, struct segment *ret_segment,
		      struct csn_error *err)
{
	unsigned width = core->wide ? 8 : 4;
	uint8_t bytes[56];
	struct csn_span span = { 0 };
	int r = core_read(core, bytes, core->wide ? 56 : 32,
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

/* Headers of notes are read a block at a time: there may be millions of them, side by side. */
struct window {
	uint8_t bytes[BLOCK_BYTES];
	uint64_t offset; /* in the file */
	size_t size;
};

/* The bytes of a note's header and owner's name at offset; shorter at the end of the file. */
static int window_read(const struct core *core, struct window *window, uint64_t offset,
		       struct csn_span *ret_span, struct csn_error *err)
{
	const size_t wanted = 12 + MAX_OWNER;
	int r;

	if (offset < window->offset || offset + wanted > window->offset + window->size) {
		r = core_read(core, window->bytes, sizeof(window->bytes), offset, ret_span, err);
		if (r < 0)
			return r;
		window->offset = offset;
		window->size = ret_span->size;
	}
	*ret_span = csn_span_of(window->bytes + (offset - window->offset),
				csn_min_u64(wanted, window->offset + window->size - offset));
	ret_span->big_endian = core->big_endian;
	return 0;
}

/* Finds a note by its headers; large bodies of others are never read. NOT_FOUND when this segment
 * has none. */
static int find_in_segment(const struct core *core, const struct segment *segment,
			   const char *owner, uint32_t wanted, struct note *ret_note,
			   struct csn_error *err)
{
	struct window window = { .size = 0 };
	size_t owner_size = strlen(owner) + 1;
	uint64_t at = 0;
	unsigned walked;

	for (walked = 0; walked < CSN_MAX_NOTES_WALKED && at + 12 <= segment->size; walked++) {
		uint32_t name_size, size, type;
		const void *name;
		struct csn_span span = { 0 };
		int r = segment->offset > INT64_MAX - at
				? csn_fail(err, CSN_E_FORMAT, "the notes run past the end")
				: window_read(core, &window, segment->offset + at, &span, err);

		if (r < 0)
			return r;
		name_size = csn_span_u32(&span);
		size = csn_span_u32(&span);
		type = csn_span_u32(&span);
		if (!csn_span_ok(&span))
			return csn_fail(err, CSN_E_FORMAT, "the notes run past the end");
		at += 12 + aligned(name_size);
		if (type == wanted && name_size == owner_size) {
			name = csn_span_bytes(&span, name_size);
			if (name && memcmp(name, owner, owner_size) == 0) {
				*ret_note = (struct note){ segment->offset + at, size };
				return 0;
			}
		}
		at += aligned(size);
	}
	return csn_fail(err, CSN_E_NOT_FOUND, "no %s note", owner);
}

int core_find_note(const struct core *core, const char *owner, uint32_t type, struct note *ret_note,
		   struct csn_error *err)
{
	struct segment segment;
	unsigned index;
	int r;

	for (index = 0; index < core->phnum && index < CSN_MAX_NOTE_SEGMENTS; index++) {
		r = core_read_segment(core, index, &segment, err);
		if (r < 0)
			return r;
		if (segment.type != PT_NOTE)
			continue;
		r = find_in_segment(core, &segment, owner, type, ret_note, err);
		if (r != -CSN_E_NOT_FOUND)
			return r;
	}
	return csn_fail(err, CSN_E_NOT_FOUND, "no %s note", owner);
}

int csn_core_note_read(int core_fd, struct csn_buf *out, struct csn_error *err)
{
	struct core core = { .fd = core_fd };
	struct note note = { 0 };
	char *place;
	int r = core_read_header(&core, err);

	if (r == 0)
		r = core_find_note(&core, CSN_CORE_NOTE_OWNER, CSN_CORE_NOTE_TYPE, &note, err);
	if (r < 0)
		return r;
	if (note.size > CSN_MAX_CORESNAP_NOTE)
		return csn_fail(err, CSN_E_LIMIT, "the CORESNAP note is too large");
	place = csn_buf_extend(out, note.size);
	if (!place)
		return csn_buf_check(out, "CORESNAP note", err);
	if (csn_pread_full(core_fd, place, note.size, (off_t)note.offset) != (ssize_t)note.size)
		return csn_fail(err, CSN_E_FORMAT, "the CORESNAP note runs past the end");
	while (out->size && out->data[out->size - 1] == '\0')
		out->size--;
	return 0;
}
