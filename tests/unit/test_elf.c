/* elf: headers of pipes and hostile files, notes, sections in every packing, symbols. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "base/cleanup.h"
#include "elf/file.h"
#include "elf/note.h"
#include "open_here.h"

static Elf64_Ehdr make_header(uint16_t type, uint16_t n_segments)
{
	Elf64_Ehdr header = { .e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64,
					   ELFDATA2LSB, EV_CURRENT },
			      .e_type = type,
			      .e_machine = EM_X86_64,
			      .e_version = EV_CURRENT,
			      .e_phoff = sizeof(Elf64_Ehdr),
			      .e_ehsize = sizeof(Elf64_Ehdr),
			      .e_phentsize = sizeof(Elf64_Phdr),
			      .e_phnum = n_segments,
			      .e_shentsize = sizeof(Elf64_Shdr) };
	return header;
}

static void header_of_this_program_is_read(void **state)
{
	cleanup_(csn_elf_file_freep) struct csn_elf_file *file = NULL;
	struct csn_error err = CSN_ERROR_INIT;
	struct csn_elf_segment segment;
	struct csn_span id;

	(void)state;
	assert_int_equal(open_here("/proc/self/exe", &file, &err), 0);
	assert_true(csn_elf_file_segment_of_type(file, PT_DYNAMIC, &segment));
	assert_true(csn_elf_file_build_id(file, &id));
	assert_true(id.size >= 8);
}

static void text_is_not_an_elf_file(void **state)
{
	cleanup_(csn_elf_file_freep) struct csn_elf_file *file = NULL;
	struct csn_error err = CSN_ERROR_INIT;

	(void)state;
	assert_int_equal(open_here("/etc/passwd", &file, &err), -CSN_E_FORMAT);
	assert_string_equal(err.text, "/etc/passwd: not an ELF file");
	assert_int_equal(open_here("/etc", &file, &err), -CSN_E_FORMAT);
	assert_int_equal(open_here("/nonexistent/x", &file, &err), -CSN_E_OS);
	assert_null(file);
}

static void fifo_does_not_hang_the_reader(void **state)
{
	char folder[] = "/tmp/csn-elf-XXXXXX", path[64];
	struct csn_elf_file *file = NULL;
	struct csn_error err = CSN_ERROR_INIT;

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/fifo", folder);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(open_here(path, &file, &err), -CSN_E_FORMAT);
	unlink(path);
	rmdir(folder);
}

static void big_endian_is_refused_as_unsupported(void **state)
{
	Elf64_Ehdr raw = make_header(ET_CORE, 0);
	struct csn_span image = csn_span_of(&raw, sizeof(raw));
	struct csn_elf_header header;
	struct csn_error err = CSN_ERROR_INIT;

	(void)state;
	raw.e_ident[EI_DATA] = ELFDATA2MSB;
	assert_int_equal(csn_elf_header_read(&image, &header, &err), -CSN_E_UNSUPPORTED);
}

/* A core of 70,000 segments as it comes out of the kernel's pipe: the count is in the section
 * header at the far end, so only the first note tells it. */
static void segments_beyond_65534_are_counted_in_a_pipe(void **state)
{
	struct {
		Elf64_Ehdr header;
		Elf64_Phdr first;
	} raw = { make_header(ET_CORE, PN_XNUM), { .p_type = PT_NOTE } };
	struct csn_span image = csn_span_of(&raw, sizeof(raw));
	struct csn_elf_header header;
	struct csn_error err = CSN_ERROR_INIT;

	(void)state;
	raw.header.e_shoff = 1ull << 40;
	raw.first.p_offset = sizeof(Elf64_Ehdr) + 70000 * sizeof(Elf64_Phdr);
	assert_int_equal(csn_elf_header_read(&image, &header, &err), 0);
	assert_int_equal(header.n_segments, 70000);
	assert_int_equal(csn_elf_segments_end(&header), raw.first.p_offset);
	raw.first.p_offset = 1ull << 50;
	assert_int_equal(csn_elf_header_read(&image, &header, &err), -CSN_E_LIMIT);
	raw.first.p_type = PT_LOAD;
	assert_int_equal(csn_elf_header_read(&image, &header, &err), -CSN_E_FORMAT);
}

static void segments_beyond_65534_are_counted_by_section_zero(void **state)
{
	struct {
		Elf64_Ehdr header;
		Elf64_Shdr zero;
	} raw = { make_header(ET_CORE, PN_XNUM), { .sh_info = 66000, .sh_size = 1 } };
	struct csn_span image = csn_span_of(&raw, sizeof(raw));
	struct csn_elf_header header;
	struct csn_error err = CSN_ERROR_INIT;

	(void)state;
	raw.header.e_shoff = offsetof(__typeof__(raw), zero);
	assert_int_equal(csn_elf_header_read(&image, &header, &err), 0);
	assert_int_equal(header.n_segments, 66000);
	assert_int_equal(header.n_sections, 1);
}

static void elf32_segments_are_read(void **state)
{
	struct {
		Elf32_Ehdr header;
		Elf32_Phdr first;
	} raw = { { .e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS32, ELFDATA2LSB },
		    .e_type = ET_CORE,
		    .e_machine = EM_386,
		    .e_phoff = sizeof(Elf32_Ehdr),
		    .e_phentsize = sizeof(Elf32_Phdr),
		    .e_phnum = 1 },
		  { .p_type = PT_LOAD, .p_vaddr = 0x8048000, .p_filesz = 7, .p_flags = PF_X } };
	struct csn_span image = csn_span_of(&raw, sizeof(raw));
	struct csn_elf_header header;
	struct csn_elf_segment segment;

	(void)state;
	assert_int_equal(csn_elf_header_read(&image, &header, NULL), 0);
	assert_false(header.is_64);
	assert_true(csn_elf_segment_read(&header, &image, 0, &segment));
	assert_int_equal(segment.address, 0x8048000);
	assert_int_equal(segment.file_size, 7);
	assert_int_equal(segment.flags, PF_X);
	assert_false(csn_elf_segment_read(&header, &image, 1, &segment));
}

static void notes_end_where_a_size_runs_past_them(void **state)
{
	uint8_t raw[64] = { 4, 0, 0, 0, 4, 0, 0, 0, 3, 0, 0, 0, 'G', 'N', 'U', 0, 1, 2, 3, 4 };
	struct csn_span bytes = csn_span_of(raw, 20), id;
	struct csn_elf_notes notes = csn_elf_notes_of(&bytes, 4);
	struct csn_elf_note note;

	(void)state;
	assert_true(csn_elf_notes_next(&notes, &note));
	assert_true(csn_elf_note_is(&note, CSN_NOTE_GNU, NT_GNU_BUILD_ID));
	assert_int_equal(note.desc_offset, 16);
	assert_false(csn_elf_notes_next(&notes, &note));
	assert_false(csn_elf_notes_broken(&notes));
	assert_true(csn_elf_build_id_find(&bytes, 4, &id));
	assert_memory_equal(id.data, raw + 16, 4);

	memset(raw + 4, 0xff, 4);
	notes = csn_elf_notes_of(&bytes, 4);
	assert_false(csn_elf_notes_next(&notes, &note));
	assert_true(csn_elf_notes_broken(&notes));
	assert_false(csn_elf_build_id_find(&bytes, 4, &id));
}

static void last_note_may_lack_its_padding(void **state)
{
	static const uint8_t raw[] = { 5, 0,   0,   0,   1,   0, 0, 0, 1, 0, 0,
				       0, 'C', 'O', 'R', 'E', 0, 0, 0, 0, 42 };
	struct csn_span bytes = csn_span_of(raw, sizeof(raw));
	struct csn_elf_notes notes = csn_elf_notes_of(&bytes, 4);
	struct csn_elf_note note;

	(void)state;
	assert_true(csn_elf_notes_next(&notes, &note));
	assert_int_equal(csn_span_u8(&note.desc), 42);
	assert_false(csn_elf_notes_next(&notes, &note));
	assert_false(csn_elf_notes_broken(&notes));
}

/* A shared object in memory with one section of our choice, and its names. */
struct image {
	Elf64_Ehdr header;
	Elf64_Shdr sections[3];
	char names[32];
	uint8_t content[4096];
};

static struct csn_elf_file *open_with_section(const char *name, uint64_t flags, const void *content,
					      size_t size)
{
	struct image *image = calloc(1, sizeof(*image));
	struct csn_elf_file *file = NULL;

	assert_non_null(image);
	assert_true(size <= sizeof(image->content));
	image->header = make_header(ET_DYN, 0);
	image->header.e_shoff = offsetof(struct image, sections);
	image->header.e_shnum = 3;
	image->header.e_shstrndx = 2;
	snprintf(image->names + 1, sizeof(image->names) - 1, "%s", name);
	image->sections[1] = (Elf64_Shdr){ .sh_name = 1,
					   .sh_type = SHT_PROGBITS,
					   .sh_flags = flags,
					   .sh_offset = offsetof(struct image, content),
					   .sh_size = size };
	image->sections[2] = (Elf64_Shdr){ .sh_type = SHT_STRTAB,
					   .sh_offset = offsetof(struct image, names),
					   .sh_size = sizeof(image->names) };
	if (size)
		memcpy(image->content, content, size);
	assert_int_equal(csn_elf_file_open_memory(image, sizeof(*image), &file, NULL), 0);
	return file;
}

/* Reads section 1 and compares; expect_code when it must fail. */
static void check_section(struct csn_elf_file *opened, const char *name, const char *expected,
			  size_t size, int expect_code)
{
	cleanup_(csn_elf_file_freep) struct csn_elf_file *file = opened;
	struct csn_error err = CSN_ERROR_INIT;
	struct csn_elf_section section;
	struct csn_span bytes;

	assert_true(csn_elf_file_section_find(file, name, &section));
	assert_int_equal(csn_elf_file_section_read(file, &section, &bytes, &err), expect_code);
	if (expect_code == 0) {
		assert_int_equal(bytes.size, size);
		assert_memory_equal(bytes.data, expected, size);
		/* The second time it is the same memory. */
		const uint8_t *first = bytes.data;

		assert_int_equal(csn_elf_file_section_read(file, &section, &bytes, &err), 0);
		assert_ptr_equal(bytes.data, first);
	}
}

static const char text[] =
	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

static size_t pack(uint8_t out[512], uint32_t type, uint64_t claimed)
{
	Elf64_Chdr header = { .ch_type = type, .ch_size = claimed, .ch_addralign = 1 };
	uLongf size = 512 - sizeof(header);

	memcpy(out, &header, sizeof(header));
	if (type == 2)
		return sizeof(header) +
		       ZSTD_compress(out + sizeof(header), size, text, sizeof(text), 1);
	assert_int_equal(compress(out + sizeof(header), &size, (const Bytef *)text, sizeof(text)),
			 Z_OK);
	return sizeof(header) + size;
}

static void sections_unpack_from_zlib_zstd_and_zdebug(void **state)
{
	uint8_t packed[512], old[512] = "ZLIB";
	size_t size = pack(packed, ELFCOMPRESS_ZLIB, sizeof(text));

	(void)state;
	check_section(open_with_section(".debug_info", SHF_COMPRESSED, packed, size), ".debug_info",
		      text, sizeof(text), 0);
	old[11] = sizeof(text);
	memcpy(old + 12, packed + sizeof(Elf64_Chdr), size - sizeof(Elf64_Chdr));
	check_section(open_with_section(".zdebug_info", 0, old, size - sizeof(Elf64_Chdr) + 12),
		      ".debug_info", text, sizeof(text), 0);
	size = pack(packed, 2, sizeof(text));
	check_section(open_with_section(".debug_info", SHF_COMPRESSED, packed, size), ".debug_info",
		      text, sizeof(text), 0);
	check_section(open_with_section(".debug_info", 0, text, sizeof(text)), ".debug_info", text,
		      sizeof(text), 0);
}

static void packed_sections_cannot_lie_about_their_size(void **state)
{
	uint8_t packed[512];
	size_t size = pack(packed, ELFCOMPRESS_ZLIB, 1ull << 60);

	(void)state;
	check_section(open_with_section(".debug_info", SHF_COMPRESSED, packed, size), ".debug_info",
		      NULL, 0, -CSN_E_LIMIT);
	size = pack(packed, ELFCOMPRESS_ZLIB, sizeof(text) + 1);
	check_section(open_with_section(".debug_info", SHF_COMPRESSED, packed, size), ".debug_info",
		      NULL, 0, -CSN_E_FORMAT);
	size = pack(packed, ELFCOMPRESS_ZLIB, sizeof(text) - 1);
	check_section(open_with_section(".debug_info", SHF_COMPRESSED, packed, size), ".debug_info",
		      NULL, 0, -CSN_E_FORMAT);
	packed[0] = 77;
	check_section(open_with_section(".debug_info", SHF_COMPRESSED, packed, size), ".debug_info",
		      NULL, 0, -CSN_E_UNSUPPORTED);
}

static void debug_link_with_a_slash_is_no_debug_link(void **state)
{
	cleanup_(csn_elf_file_freep) struct csn_elf_file *good =
		open_with_section(".gnu_debuglink", 0, "a.debug\0\x78\x56\x34\x12", 12);
	cleanup_(csn_elf_file_freep) struct csn_elf_file *bad =
		open_with_section(".gnu_debuglink", 0, "../x/b\0\0\x78\x56\x34\x12", 12);
	const char *name;
	uint32_t crc;

	(void)state;
	assert_true(csn_elf_file_debug_link(good, &name, &crc));
	assert_string_equal(name, "a.debug");
	assert_int_equal(crc, 0x12345678);
	assert_false(csn_elf_file_debug_link(bad, &name, &crc));
}

static void symbols_of_libc_are_found_with_and_without_sections(void **state)
{
	cleanup_(csn_elf_file_freep) struct csn_elf_file *file = NULL, *image = NULL;
	struct csn_elf_symbols by_section, by_dynamic;
	struct csn_elf_segment segment;
	const struct csn_span *bytes;
	size_t i, end = 0;
	uint8_t *loaded;

	(void)state;
	assert_int_equal(open_here("/lib/x86_64-linux-gnu/libz.so.1", &file, NULL), 0);
	bytes = csn_elf_file_bytes(file);
	for (i = 0; csn_elf_file_segment(file, (uint32_t)i, &segment); i++) {
		if (segment.type == PT_LOAD)
			end = csn_max_u64(end, segment.address + segment.memory_size);
	}
	loaded = calloc(1, end);
	assert_non_null(loaded);
	for (i = 0; csn_elf_file_segment(file, (uint32_t)i, &segment); i++) {
		if (segment.type == PT_LOAD)
			memcpy(loaded + segment.address, bytes->data + segment.offset,
			       segment.file_size);
	}
	assert_int_equal(csn_elf_file_open_image(loaded, end, 0x7f0000000000, &image, NULL), 0);
	assert_true(csn_elf_symbols_find(file, CSN_ELF_DYNSYM, &by_section));
	assert_true(csn_elf_symbols_find(image, CSN_ELF_DYNSYM, &by_dynamic));
	assert_int_equal(by_section.n_symbols, by_dynamic.n_symbols);
	for (i = 0; i < by_section.n_symbols; i++) {
		struct csn_elf_symbol a, b;

		assert_true(csn_elf_symbols_get(&by_section, i, &a));
		assert_true(csn_elf_symbols_get(&by_dynamic, i, &b));
		assert_string_equal(csn_elf_symbols_name(&by_section, a.name_offset),
				    csn_elf_symbols_name(&by_dynamic, b.name_offset));
	}
	assert_string_equal(csn_elf_symbols_name(&by_section, UINT32_MAX), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(header_of_this_program_is_read),
		cmocka_unit_test(text_is_not_an_elf_file),
		cmocka_unit_test(fifo_does_not_hang_the_reader),
		cmocka_unit_test(big_endian_is_refused_as_unsupported),
		cmocka_unit_test(segments_beyond_65534_are_counted_in_a_pipe),
		cmocka_unit_test(segments_beyond_65534_are_counted_by_section_zero),
		cmocka_unit_test(elf32_segments_are_read),
		cmocka_unit_test(notes_end_where_a_size_runs_past_them),
		cmocka_unit_test(last_note_may_lack_its_padding),
		cmocka_unit_test(sections_unpack_from_zlib_zstd_and_zdebug),
		cmocka_unit_test(packed_sections_cannot_lie_about_their_size),
		cmocka_unit_test(debug_link_with_a_slash_is_no_debug_link),
		cmocka_unit_test(symbols_of_libc_are_found_with_and_without_sections),
	};

	return cmocka_run_group_tests_name("elf", tests, NULL, NULL);
}
