#include "capture/write.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/limits.h"

/* One PT_LOAD entry to be. */
struct piece {
	csn_addr start;
	uint64_t file_size, memory_size;
	uint32_t flags;
	uint64_t alignment;
	const uint8_t *data; /* NULL with a file size: capture/whole.h writes it */
};

struct writer {
	int fd;
	const struct csn_hold *hold;
	struct piece *pieces; /* owned */
	size_t n_pieces, capacity;
	struct csn_buf head;   /* headers and notes */
	struct csn_buf files;  /* NT_FILE's content, where the kernel left that note out */
	uint64_t offset, page; /* of the next piece in the file */
};

static int add_piece(struct writer *writer, const struct csn_elf_segment *segment, csn_addr start,
		     uint64_t file_size, uint64_t memory_size, const uint8_t *data)
{
	if (writer->n_pieces == writer->capacity) {
		size_t capacity = writer->capacity ? 2 * writer->capacity : 256;
		struct piece *pieces = realloc(writer->pieces, capacity * sizeof(*pieces));

		if (!pieces)
			return -CSN_E_NOMEM;
		writer->pieces = pieces;
		writer->capacity = capacity;
	}
	writer->pieces[writer->n_pieces++] = (struct piece){
		.start = start,
		.file_size = file_size,
		.memory_size = memory_size,
		.flags = segment->flags,
		.alignment = segment->alignment,
		.data = data,
	};
	return 0;
}

/* Splits one segment at the islands in it; *at is the first island not behind its start. */
static int add_taken(struct writer *writer, const struct csn_elf_segment *segment, size_t *at)
{
	const struct csn_capture_memory *memory = &writer->hold->memory;
	csn_addr start = segment->address, end = start + segment->memory_size;
	int r = 0;

	while (*at < memory->n_islands && memory->islands[*at].start < start)
		(*at)++;
	for (; r == 0 && *at < memory->n_islands && memory->islands[*at].start < end; (*at)++) {
		const struct csn_island *island = &memory->islands[*at];

		if (island->start == segment->address && island->size == segment->file_size)
			return (*at)++, add_piece(writer, segment, start, island->size,
						  segment->memory_size, island->data);
		if (island->start > start)
			r = add_piece(writer, segment, start, 0, island->start - start, NULL);
		if (r == 0)
			r = add_piece(writer, segment, island->start, island->size, island->size,
				      island->data);
		start = island->start + island->size;
	}
	if (r == 0 && start < end)
		r = add_piece(writer, segment, start, 0, end - start, NULL);
	return r;
}

static int add_pieces(struct writer *writer, enum csn_core_memory from)
{
	const struct csn_prefix *prefix = &writer->hold->prefix;
	size_t i, at = 0;
	int r = 0;

	for (i = 0; r == 0 && i < prefix->n_segments; i++) {
		const struct csn_elf_segment *segment = &prefix->segments[i];
		uint64_t live = from == CSN_CORE_WHOLE ? csn_whole_segment_bytes(segment) : 0;

		if (from == CSN_CORE_TAKEN)
			r = add_taken(writer, segment, &at);
		else
			r = add_piece(writer, segment, segment->address, live, segment->memory_size,
				      NULL);
	}
	return r;
}

static void put(struct writer *writer, uint64_t value, unsigned width)
{
	csn_buf_append(&writer->head, &value, width); /* little-endian, as all hosts we run on */
}

static void put_word(struct writer *writer, uint64_t value)
{
	put(writer, value, writer->hold->prefix.word_bytes);
}

static void put_segment(struct writer *writer, uint32_t type, uint64_t offset,
			const struct piece *piece)
{
	bool is_64 = writer->hold->prefix.header.is_64;

	put(writer, type, 4);
	if (is_64)
		put(writer, piece->flags, 4);
	put_word(writer, offset);
	put_word(writer, piece->start);
	put_word(writer, 0);
	put_word(writer, piece->file_size);
	put_word(writer, piece->memory_size);
	if (!is_64)
		put(writer, piece->flags, 4);
	put_word(writer, piece->alignment);
}

/* e_ident, type, machine and flags as the kernel had them; the table stands right behind. */
static void put_header(struct writer *writer, size_t n_segments, uint64_t sections_offset)
{
	const struct csn_elf_header *header = &writer->hold->prefix.header;
	bool many = n_segments >= PN_XNUM;

	csn_buf_append(&writer->head, writer->hold->prefix.image.data, EI_NIDENT);
	put(writer, ET_CORE, 2);
	put(writer, header->machine, 2);
	put(writer, EV_CURRENT, 4);
	put_word(writer, 0);
	put_word(writer, header->is_64 ? sizeof(Elf64_Ehdr) : sizeof(Elf32_Ehdr));
	put_word(writer, many ? sections_offset : 0);
	put(writer, header->flags, 4);
	put(writer, header->is_64 ? sizeof(Elf64_Ehdr) : sizeof(Elf32_Ehdr), 2);
	put(writer, header->is_64 ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr), 2);
	put(writer, many ? PN_XNUM : n_segments, 2);
	put(writer, many ? (header->is_64 ? sizeof(Elf64_Shdr) : sizeof(Elf32_Shdr)) : 0, 2);
	put(writer, many ? 1 : 0, 2);
	put(writer, 0, 2);
}

/* Section 0, whose sh_info is the number of segments: the only one there is. */
static void put_section_0(struct writer *writer, size_t n_segments)
{
	unsigned i;

	put(writer, 0, 8);
	for (i = 0; i < 4; i++)
		put_word(writer, 0);
	put(writer, 0, 4);
	put(writer, n_segments, 4);
	put_word(writer, 0);
	put_word(writer, 0);
}

static uint64_t note_bytes(const char *owner, uint64_t size)
{
	return 12 + ((strlen(owner) + 1 + 3) & ~3ull) + ((size + 3) & ~3ull);
}

static void put_note(struct writer *writer, const char *owner, uint32_t type,
		     const struct csn_buf *desc)
{
	size_t owner_bytes = strlen(owner) + 1;

	put(writer, owner_bytes, 4);
	put(writer, desc->size, 4);
	put(writer, type, 4);
	csn_buf_append(&writer->head, owner, owner_bytes);
	put(writer, 0, (unsigned)(-owner_bytes & 3));
	csn_buf_append(&writer->head, desc->data, desc->size);
	put(writer, 0, (unsigned)(-desc->size & 3));
}

/* As the kernel writes it: count, page size, three words each, names. */
static void make_files(struct writer *writer)
{
	const struct csn_prefix *prefix = &writer->hold->prefix;
	unsigned width = prefix->word_bytes;
	uint64_t count = prefix->n_files;
	size_t i;

	if (prefix->has_files || !count)
		return;
	csn_buf_append(&writer->files, &count, width); /* little-endian, as above */
	csn_buf_append(&writer->files, &writer->page, width);
	for (i = 0; i < count; i++) {
		csn_buf_append(&writer->files, &prefix->files[i].start, width);
		csn_buf_append(&writer->files, &prefix->files[i].end, width);
		csn_buf_append(&writer->files, &prefix->files[i].page, width);
	}
	for (i = 0; i < count; i++)
		csn_buf_append(&writer->files, prefix->files[i].path,
			       strlen(prefix->files[i].path) + 1);
}

static uint64_t page_up(const struct writer *writer, uint64_t value)
{
	return (value + writer->page - 1) & ~(writer->page - 1);
}

static int put_head(struct writer *writer, const struct csn_buf *note, struct csn_error *err)
{
	const struct csn_prefix *prefix = &writer->hold->prefix;
	bool is_64 = prefix->header.is_64;
	size_t n = writer->n_pieces + 1, i;
	uint64_t kernel_notes = (prefix->notes.size + 3) & ~3ull;
	struct piece notes = {
		.file_size =
			kernel_notes + note_bytes(CSN_NOTE_CORESNAP, note->size) +
			(writer->files.size ? note_bytes(CSN_NOTE_CORE, writer->files.size) : 0),
		.alignment = 4,
	};
	uint64_t table = (is_64 ? sizeof(Elf64_Ehdr) : sizeof(Elf32_Ehdr)) +
			 n * (is_64 ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr));
	uint64_t sections = n >= PN_XNUM ? (is_64 ? sizeof(Elf64_Shdr) : sizeof(Elf32_Shdr)) : 0;

	/* The section stands before the notes, so that they stay right before the memory. */
	put_header(writer, n, table);
	writer->offset = page_up(writer, table + sections + notes.file_size);
	put_segment(writer, PT_NOTE, table + sections, &notes);
	for (i = 0; i < writer->n_pieces; i++) {
		put_segment(writer, PT_LOAD, writer->offset, &writer->pieces[i]);
		writer->offset += page_up(writer, writer->pieces[i].file_size);
	}
	if (sections)
		put_section_0(writer, n);
	csn_buf_append(&writer->head, prefix->notes.data, prefix->notes.size);
	put(writer, 0, (unsigned)(kernel_notes - prefix->notes.size));
	if (writer->files.size)
		put_note(writer, CSN_NOTE_CORE, NT_FILE, &writer->files);
	put_note(writer, CSN_NOTE_CORESNAP, CSN_NT_CORESNAP, note);
	writer->offset = page_up(writer, table + sections + notes.file_size);
	return csn_buf_check(&writer->head, "the core's headers", err);
}

static int write_pieces(struct writer *writer)
{
	size_t i;
	int r = 0;

	for (i = 0; r == 0 && i < writer->n_pieces; i++) {
		const struct piece *piece = &writer->pieces[i];

		if (piece->file_size && piece->data)
			r = csn_pwrite_full(writer->fd, piece->data, piece->file_size,
					    (off_t)writer->offset);
		writer->offset += page_up(writer, piece->file_size);
	}
	return r;
}

/* Everything behind the headers. */
static int write_memory(struct writer *writer, enum csn_core_memory from, struct csn_error *err)
{
	struct csn_whole *whole = writer->hold->whole;
	uint64_t first = writer->offset;
	int r = write_pieces(writer);

	if (r == 0 && ftruncate(writer->fd, (off_t)writer->offset) < 0)
		r = -errno;
	if (r < 0)
		return csn_fail_os(err, -r, "write");
	if (from != CSN_CORE_WHOLE)
		return 0;
	/* First what the process waits for. */
	r = csn_whole_write_rest(whole, writer->fd, first, err);
	if (r == 0 && writer->hold->on_read)
		writer->hold->on_read(writer->hold->context);
	return r == 0 ? csn_whole_write_kept(whole, writer->fd, first, err) : r;
}

int csn_core_write(int fd, const struct csn_hold *hold, enum csn_core_memory memory,
		   const struct csn_buf *note, struct csn_error *err)
{
	struct writer writer = {
		.fd = fd,
		.hold = hold,
		.head = CSN_BUF_INIT(2 * CSN_MAX_CAPTURE_HEADERS + 2 * CSN_MAX_CAPTURE_NOTES +
				     CSN_MAX_CORESNAP_NOTE),
		.files = CSN_BUF_INIT(CSN_MAX_CAPTURE_NOTES),
		.page = hold->memory.page_bytes,
	};
	int r = add_pieces(&writer, memory);

	if (r < 0)
		r = csn_fail_nomem(err);
	make_files(&writer);
	if (r == 0)
		r = csn_buf_check(&writer.files, "the list of mapped files", err);
	if (r == 0)
		r = put_head(&writer, note, err);
	if (r == 0) {
		r = csn_pwrite_full(fd, writer.head.data, writer.head.size, 0);
		r = r < 0 ? csn_fail_os(err, -r, "write") : write_memory(&writer, memory, err);
	}
	free(writer.pieces);
	csn_buf_done(&writer.head);
	csn_buf_done(&writer.files);
	return r;
}
