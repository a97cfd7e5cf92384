/* target: instructions, core files made byte by byte, mappings. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <elf.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/limits.h"
#include "elf/note.h"
#include "target/core.h"
#include "target/proc.h"

/* --- instructions --- */

static unsigned call_before(const char *bytes, size_t size)
{
	return csn_arch_native()->call_before((const uint8_t *)bytes, size);
}

static void calls_before_a_return_address_are_known_by_their_bytes(void **state)
{
	(void)state;
	assert_int_equal(call_before("\x90\x90\xe8\x01\x02\x03\x04", 7), 5);
	assert_int_equal(call_before("\x90\x90\x90\x90\x90\xff\xd0", 7), 2); /* call *%rax */
	assert_int_equal(call_before("\x90\x90\x90\x90\xff\x53\x08", 7), 3); /* call *8(%rbx) */
	assert_int_equal(call_before("\x90\xff\x15\x01\x02\x03\x04", 7), 6); /* call *x(%rip) */
	assert_int_equal(call_before("\xff\x94\xc3\x01\x02\x03\x04", 7), 7);
	assert_int_equal(call_before("\x90\x90\x90\x90\x90\x90\x90", 7), 0);
	assert_int_equal(call_before("\x90\x90\x90\x90\x90\xff\xe0", 7), 0); /* jmp *%rax */
	assert_int_equal(call_before("\xd0", 1), 0);
}

static enum csn_access_kind access_of(const char *bytes, size_t size, csn_addr *ret_address)
{
	struct csn_registers registers = { 0 };
	struct csn_access access = { 0 };

	for (unsigned i = 0; i < 17; i++)
		csn_register_set(&registers, i, 0x1000 * (i + 1));
	csn_register_set(&registers, 24, 0x70000000);
	if (!csn_arch_native()->decode_access((const uint8_t *)bytes, size, &registers, &access))
		return CSN_ACCESS_UNKNOWN;
	*ret_address = access.address;
	return access.kind;
}

static void instructions_tell_where_values_come_from(void **state)
{
	static const struct {
		const char *bytes;
		size_t size;
		struct csn_flow flow;
	} rows[] = {
		/* mov 0x18(%rdi),%rax */
		{ "\x48\x8b\x47\x18",
		  4,
		  { CSN_FLOW_LOAD, false, 8, 0, 0xff, true, 5, 0xff, 0, 0x18, 0, 1 } },
		/* movslq (%rax,%rcx,4),%rdx */
		{ "\x48\x63\x14\x88",
		  4,
		  { CSN_FLOW_LOAD, true, 4, 1, 0xff, true, 0, 2, 4, 0, 0, 2 } },
		/* lea 0x10(%rip),%rsi at 0x1000 */
		{ "\x48\x8d\x35\x10\0\0\0",
		  7,
		  { CSN_FLOW_ADDRESS, false, 0, 4, 0xff, true, 0xff, 0xff, 0, 0x1017, 0, 16 } },
		/* mov %rax,-8(%rbp) */
		{ "\x48\x89\x45\xf8",
		  4,
		  { CSN_FLOW_STORE, false, 8, 0xff, 0, true, 6, 0xff, 0, -8, 0, 0 } },
		/* mov %edi,%ecx */
		{ "\x89\xf9", 2, { CSN_FLOW_COPY, false, 4, 2, 5, false, 0xff, 0xff, 0, 0, 0, 4 } },
		/* xor %edx,%edx */
		{ "\x31\xd2",
		  2,
		  { CSN_FLOW_CONSTANT, false, 0, 1, 0xff, false, 0xff, 0xff, 0, 0, 0, 2 } },
		/* add %rdx,%rax */
		{ "\x48\x01\xd0",
		  3,
		  { CSN_FLOW_ADDRESS, false, 0, 0, 0xff, false, 0, 1, 1, 0, 0, 1 } },
		/* mul %rcx */
		{ "\x48\xf7\xe1",
		  3,
		  { CSN_FLOW_NONE, false, 8, 0xff, 0xff, false, 0xff, 0xff, 0, 0, 0, 3 } },
	};

	(void)state;
	for (size_t i = 0; i < csn_countof(rows); i++) {
		struct csn_flow flow = { 0 };

		assert_true(csn_arch_native()->decode_flow((const uint8_t *)rows[i].bytes,
							   rows[i].size, 0x1000, &flow));
		assert_int_equal(flow.kind, rows[i].flow.kind);
		assert_int_equal(flow.is_signed, rows[i].flow.is_signed);
		assert_int_equal(flow.size_bytes, rows[i].flow.size_bytes);
		assert_int_equal(flow.into, rows[i].flow.into);
		assert_int_equal(flow.source, rows[i].flow.source);
		assert_int_equal(flow.has_operand, rows[i].flow.has_operand);
		assert_int_equal(flow.base, rows[i].flow.base);
		assert_int_equal(flow.index, rows[i].flow.index);
		assert_int_equal(flow.scale, rows[i].flow.scale);
		assert_int_equal(flow.displacement, rows[i].flow.displacement);
		assert_int_equal(flow.changed, rows[i].flow.changed);
	}
}

static void divisors_are_decoded_or_refused(void **state)
{
	static const struct {
		const char *bytes;
		size_t size;
		struct csn_divisor divisor;
	} rows[] = {
		/* idivl 4(%rbx); divq %r9; div %ch; idivw %cx; idivb %sil */
		{ "\xf7\x7b\x04", 3, { .in_memory = true, .address = 0x4004, .size_bytes = 4 } },
		{ "\x49\xf7\xf1", 3, { .value = 0xa000, .size_bytes = 8 } },
		{ "\xf6\xf5", 2, { .value = 0x30, .size_bytes = 1 } },
		{ "\x66\xf7\xf9", 3, { .value = 0x3000, .size_bytes = 2 } },
		{ "\x40\xf6\xfe", 3, { .value = 0, .size_bytes = 1 } },
	};
	struct csn_registers registers = { 0 };
	struct csn_divisor divisor;

	(void)state;
	for (unsigned i = 0; i < 17; i++)
		csn_register_set(&registers, i, 0x1000 * (i + 1));
	for (size_t i = 0; i < csn_countof(rows); i++) {
		assert_true(csn_arch_native()->decode_divisor((const uint8_t *)rows[i].bytes,
							      rows[i].size, &registers, &divisor));
		assert_int_equal(divisor.in_memory, rows[i].divisor.in_memory);
		assert_int_equal(divisor.address, rows[i].divisor.address);
		assert_int_equal(divisor.value, rows[i].divisor.value);
		assert_int_equal(divisor.size_bytes, rows[i].divisor.size_bytes);
	}
	/* mul %ecx; an address cut off */
	assert_false(csn_arch_native()->decode_divisor((const uint8_t *)"\xf7\xe1", 2, &registers,
						       &divisor));
	assert_false(csn_arch_native()->decode_divisor((const uint8_t *)"\xf7\x7b", 2, &registers,
						       &divisor));
}

static void memory_operands_are_decoded_or_refused(void **state)
{
	csn_addr at = 0;

	(void)state;
	/* movq $1, 0x18(%rax) */
	assert_int_equal(access_of("\x48\xc7\x40\x18\x01\0\0\0", 8, &at), CSN_ACCESS_WRITE);
	assert_int_equal(at, 0x1018);
	/* mov (%rbx,%rcx,4), %edx */
	assert_int_equal(access_of("\x8b\x14\x8b", 3, &at), CSN_ACCESS_READ);
	assert_int_equal(at, 0x4000 + 4 * 0x3000);
	/* movzbl 0x10(%rip), %eax: seven bytes long */
	assert_int_equal(access_of("\x0f\xb6\x05\x10\0\0\0", 7, &at), CSN_ACCESS_READ);
	assert_int_equal(at, 0x11000 + 7 + 0x10);
	/* cmpl $5, 4(%rip): the constant counts for the length */
	assert_int_equal(access_of("\x83\x3d\x04\0\0\0\x05", 7, &at), CSN_ACCESS_READ);
	assert_int_equal(at, 0x11000 + 7 + 4);
	/* mov %fs:0x28, %rax */
	assert_int_equal(access_of("\x64\x48\x8b\x04\x25\x28\0\0\0", 9, &at), CSN_ACCESS_READ);
	assert_int_equal(at, 0x70000028);
	/* mov (%r12), %rax needs a SIB byte; mov 0(%r13) a displacement */
	assert_int_equal(access_of("\x49\x8b\x04\x24", 4, &at), CSN_ACCESS_READ);
	assert_int_equal(at, 0xd000);
	assert_int_equal(access_of("\x49\x8b\x45\x00", 4, &at), CSN_ACCESS_READ);
	assert_int_equal(at, 0xe000);
	/* push %rbp */
	assert_int_equal(access_of("\x55", 1, &at), CSN_ACCESS_WRITE);
	assert_int_equal(at, 0x8000 - 8);
	/* add %eax, (%rbx) reads and writes; mov %eax, %ebx touches nothing; cut short */
	assert_int_equal(access_of("\x01\x03", 2, &at), CSN_ACCESS_UNKNOWN);
	assert_int_equal(access_of("\x89\xc3", 2, &at), CSN_ACCESS_UNKNOWN);
	assert_int_equal(access_of("\x48\xc7\x80\x18", 4, &at), CSN_ACCESS_UNKNOWN);
}

/* --- cores --- */

struct image {
	struct csn_buf notes, out;
	Elf64_Phdr segments[8];
	size_t n_segments;
};

static void image_done(struct image *image)
{
	csn_buf_done(&image->notes);
	csn_buf_done(&image->out);
}

static void add_note(struct image *image, const char *owner, uint32_t type, const void *desc,
		     size_t size)
{
	Elf64_Nhdr header = { .n_namesz = (uint32_t)strlen(owner) + 1,
			      .n_descsz = (uint32_t)size,
			      .n_type = type };

	csn_buf_append(&image->notes, &header, sizeof(header));
	csn_buf_append(&image->notes, owner, header.n_namesz);
	while (image->notes.size % 4)
		csn_buf_putc(&image->notes, 0);
	csn_buf_append(&image->notes, desc, size);
	while (image->notes.size % 4)
		csn_buf_putc(&image->notes, 0);
}

static void add_thread(struct image *image, uint32_t tid, uint64_t rip, uint64_t rsp)
{
	uint64_t words[42] = { 0 };

	memcpy((char *)words + 32, &tid, 4);
	words[14 + 16] = rip;
	words[14 + 19] = rsp;
	add_note(image, "CORE", NT_PRSTATUS, words, sizeof(words));
}

static void add_signal(struct image *image, int number, int code, uint64_t address)
{
	uint32_t words[32] = { (uint32_t)number, 0, (uint32_t)code };

	memcpy(words + 4, &address, 8);
	add_note(image, "CORE", NT_SIGINFO, words, sizeof(words));
}

static void add_segment(struct image *image, uint64_t address, uint64_t size, uint64_t stored,
			uint32_t flags)
{
	image->segments[image->n_segments++] = (Elf64_Phdr){ .p_type = PT_LOAD,
							     .p_vaddr = address,
							     .p_memsz = size,
							     .p_filesz = stored,
							     .p_flags = flags };
}

/* Byte n of a segment's content is (address + n) / 16 % 256. cut: bytes to leave off the end. */
static int open_image(struct image *image, size_t cut, struct csn_target **target,
		      struct csn_error *err)
{
	Elf64_Ehdr header = { .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, 1 },
			      .e_type = ET_CORE,
			      .e_machine = EM_X86_64,
			      .e_version = 1,
			      .e_phoff = sizeof(header),
			      .e_ehsize = sizeof(header),
			      .e_phentsize = sizeof(Elf64_Phdr),
			      .e_phnum = (uint16_t)(image->n_segments + 1) };
	Elf64_Phdr note = { .p_type = PT_NOTE, .p_filesz = image->notes.size, .p_align = 4 };
	uint64_t at = sizeof(header) + (image->n_segments + 1) * sizeof(note);
	cleanup_close int fd = memfd_create("core", MFD_CLOEXEC);

	note.p_offset = at;
	at += image->notes.size;
	csn_buf_append(&image->out, &header, sizeof(header));
	csn_buf_append(&image->out, &note, sizeof(note));
	for (size_t i = 0; i < image->n_segments; i++) {
		image->segments[i].p_offset = at;
		at += image->segments[i].p_filesz;
		csn_buf_append(&image->out, &image->segments[i], sizeof(Elf64_Phdr));
	}
	csn_buf_append(&image->out, csn_buf_text(&image->notes), image->notes.size);
	for (size_t i = 0; i < image->n_segments; i++)
		for (uint64_t n = 0; n < image->segments[i].p_filesz; n++)
			csn_buf_putc(&image->out, (char)((image->segments[i].p_vaddr + n) / 16));
	assert_true(csn_buf_ok(&image->out));
	assert_int_equal(write(fd, image->out.data, image->out.size - cut),
			 (ssize_t)(image->out.size - cut));
	return csn_core_open_fd(fd, "core", target, err);
}

#define IMAGE_INIT \
	{ \
		.notes = CSN_BUF_INIT(CSN_MIB), .out = CSN_BUF_INIT(CSN_MIB) \
	}

static void a_core_gives_threads_the_signal_and_memory(void **state)
{
	cleanup_(image_done) struct image image = IMAGE_INIT;
	cleanup_(csn_target_freep) struct csn_target *target = NULL;
	struct csn_error err = CSN_ERROR_INIT;
	uint8_t bytes[64];
	uint64_t word;

	(void)state;
	add_thread(&image, 11, 0x401000, 0x7000);
	add_signal(&image, 11, 1, 0x18);
	add_thread(&image, 12, 0x402000, 0x8000);
	add_segment(&image, 0x20000, 0x1000, 0x1000, PF_R | PF_W);
	add_segment(&image, 0x10000, 0x2000, 0x1000, PF_R | PF_X);
	assert_int_equal(open_image(&image, 0, &target, &err), 0);
	assert_int_equal(target->n_threads, 2);
	assert_int_equal(target->threads[1].tid, 12);
	assert_int_equal(target->threads[0].registers.value[target->arch->pc], 0x401000);
	assert_int_equal(target->threads[1].registers.value[target->arch->sp], 0x8000);
	assert_true(target->signal.present && target->signal.has_address);
	assert_int_equal(target->signal.address, 0x18);
	assert_int_equal(csn_target_read(target, 0x20010, bytes, 64, &err), 0);
	assert_int_equal(bytes[0], 0x01);
	assert_true(csn_target_read_word(target, 0x10000, &word));
	assert_false(csn_target_read_word(target, 0x10ffc, &word));
	assert_int_equal(csn_target_memory(target, 0x10800), CSN_MEMORY_OK);
	assert_int_equal(csn_target_memory(target, 0x11800), CSN_MEMORY_NOT_IN_DUMP);
	assert_int_equal(csn_target_memory(target, 0x12000), CSN_MEMORY_UNMAPPED);
	assert_int_equal(csn_target_read(target, 0x10ff0, bytes, 64, &err), -CSN_E_FAULT);
	assert_int_equal(err.addr, 0x11000);
	assert_non_null(strstr(err.text, "not in the dump"));
	assert_null(target->truncated);
}

static void a_truncated_core_opens_and_says_so(void **state)
{
	cleanup_(image_done) struct image image = IMAGE_INIT;
	cleanup_(csn_target_freep) struct csn_target *target = NULL;
	uint8_t byte;

	(void)state;
	add_thread(&image, 11, 0x401000, 0x7000);
	add_segment(&image, 0x10000, 0x1000, 0x1000, PF_R | PF_W);
	add_segment(&image, 0x20000, 0x1000, 0x1000, PF_R | PF_W);
	assert_int_equal(open_image(&image, 0x1800, &target, NULL), 0);
	assert_int_equal(target->missing_bytes, 0x1800);
	assert_non_null(strstr(target->truncated, "cut short"));
	assert_int_equal(csn_target_read_some(target, 0x107ff, &byte, 1), 1);
	assert_int_equal(csn_target_memory(target, 0x10800), CSN_MEMORY_NOT_IN_DUMP);
}

static void add_file_note(struct image *image, const uint64_t ranges[][3], size_t count,
			  const char *names, size_t names_size)
{
	cleanup_(csn_buf_done) struct csn_buf desc = CSN_BUF_INIT(4096);
	uint64_t head[2] = { count, 4096 };

	csn_buf_append(&desc, head, sizeof(head));
	csn_buf_append(&desc, ranges, count * 24);
	csn_buf_append(&desc, names, names_size);
	add_note(image, "CORE", NT_FILE, desc.data, desc.size);
}

static size_t all_ones(void *context, csn_addr addr, void *data, size_t size)
{
	(void)addr;
	++*(unsigned *)context;
	memset(data, 0xff, size);
	return size;
}

static void bytes_left_out_come_from_the_file_unless_the_process_could_change_them(void **state)
{
	static const uint64_t ranges[][3] = { { 0x10000, 0x12000, 0 }, { 0x12000, 0x13000, 2 } };
	static const char names[] = "/bin/x (deleted)\0/bin/x";
	cleanup_(image_done) struct image image = IMAGE_INIT;
	cleanup_(csn_target_freep) struct csn_target *target = NULL;
	unsigned asked = 0;
	uint8_t byte;

	(void)state;
	add_thread(&image, 11, 0x401000, 0x7000);
	add_file_note(&image, ranges, 2, names, sizeof(names));
	add_segment(&image, 0x10000, 0x2000, 0x1000, PF_R | PF_X);
	add_segment(&image, 0x12000, 0x1000, 0, PF_R | PF_W);
	assert_int_equal(open_image(&image, 0, &target, NULL), 0);
	assert_int_equal(target->n_mappings, 2);
	assert_string_equal(target->mappings[0].path, "/bin/x");
	assert_true(target->mappings[0].deleted && target->mappings[0].executable);
	assert_int_equal(target->mappings[1].offset, 8192);
	csn_target_set_backing(target, all_ones, &asked);
	assert_int_equal(csn_target_read_some(target, 0x11000, &byte, 1), 1);
	assert_int_equal(byte, 0xff);
	assert_int_equal(csn_target_read_own(target, 0x11000, &byte, 1), 0);
	assert_int_equal(csn_target_read_some(target, 0x12000, &byte, 1), 0);
	assert_int_equal(asked, 1);
}

static void hostile_headers_never_lead_outside(void **state)
{
	static const uint64_t ranges[][3] = { { 0x10000, 0x12000, 0 },
					      { 0x11000, 0x13000, 2 },
					      { 0x20000, 0x1000, 0 } };
	cleanup_(image_done) struct image image = IMAGE_INIT;
	cleanup_(csn_target_freep) struct csn_target *target = NULL;
	uint64_t huge[2] = { UINT64_MAX / 24, 4096 };
	uint8_t byte;

	(void)state;
	add_note(&image, "CORE", NT_FILE, huge, sizeof(huge));
	add_thread(&image, 11, 0x401000, 0x7000);
	add_note(&image, "CORE", NT_PRSTATUS, "short", 5);
	add_note(&image, "CORE", NT_PRPSINFO, "short", 5);
	add_file_note(&image, ranges, 3, "/a\0/b\0/c", 9);
	add_segment(&image, 0x30000, 0x2000, 0x1000, PF_R);
	add_segment(&image, 0x31000, 0x2000, 0x1000, PF_R);
	add_segment(&image, UINT64_MAX - 0x100, 0x1000, 0x10, PF_R);
	assert_int_equal(open_image(&image, 0, &target, NULL), 0);
	assert_int_equal(target->n_threads, 1);
	for (size_t i = 1; i < target->n_mappings; i++)
		assert_true(target->mappings[i].start >= target->mappings[i - 1].end);
	assert_int_equal(csn_target_read_some(target, UINT64_MAX, &byte, 1), 0);
	assert_int_equal(csn_target_memory(target, 0x11800), CSN_MEMORY_NOT_IN_DUMP);
}

static void a_core_without_threads_is_refused(void **state)
{
	cleanup_(image_done) struct image image = IMAGE_INIT;
	struct csn_target *target = NULL;
	struct csn_error err = CSN_ERROR_INIT;

	(void)state;
	add_segment(&image, 0x30000, 0x1000, 0x1000, PF_R);
	assert_int_equal(open_image(&image, 0, &target, &err), -CSN_E_FORMAT);
	assert_non_null(strstr(err.text, "no threads"));
	assert_null(target);
}

static void lines_of_proc_maps_are_read_and_odd_ones_skipped(void **state)
{
	static const char text[] =
		"00400000-00401000 r-xp 00002000 fe:00 12                         /bin/a b "
		"(deleted)\n"
		"garbage\n"
		"00600000-00500000 r--p 00000000 00:00 0\n"
		"7f0000000000-7f0000001000 rw-s 00000000 00:01 7      /dev/zero (deleted)\n"
		"7ffd00000000-7ffd00021000 rw-p 00000000 00:00 0      [stack]\n"
		"7ffd00030000-7ffd00031000 ---p 00000000 00:00 0\n";
	cleanup_(csn_target_freep) struct csn_target *target = csn_target_new(NULL);

	(void)state;
	assert_int_equal(csn_proc_parse_maps(target, text, NULL), 0);
	assert_int_equal(target->n_mappings, 4);
	assert_string_equal(target->mappings[0].path, "/bin/a b");
	assert_true(target->mappings[0].deleted && target->mappings[0].is_file);
	assert_int_equal(target->mappings[0].offset, 0x2000);
	assert_false(target->mappings[1].is_file);
	assert_true(target->mappings[1].shared);
	assert_string_equal(target->mappings[2].path, "[stack]");
	assert_null(target->mappings[3].path);
}

static const struct {
	const char *bytes;
	uint8_t length, kind, dst, src;
	int64_t value;
} steps[] = {
	{ "\x55", 1, CSN_STEP_PUSH, 255, 6, 0 },
	{ "\x41\x57", 2, CSN_STEP_PUSH, 255, 15, 0 },
	{ "\x5b", 1, CSN_STEP_POP, 3, 255, 0 },
	{ "\x48\x89\xe5", 3, CSN_STEP_ADD, 6, 7, 0 },
	{ "\x48\x83\xec\x18", 4, CSN_STEP_ADD, 7, 7, -24 },
	{ "\x48\x81\xc4\x00\x10\x00\x00", 7, CSN_STEP_ADD, 7, 7, 4096 },
	{ "\x48\x83\xe4\xf0", 4, CSN_STEP_ALIGN, 7, 7, -16 },
	{ "\x4c\x8d\x54\x24\x08", 5, CSN_STEP_ADD, 10, 7, 8 },
	{ "\x48\x8d\x65\xe8", 4, CSN_STEP_ADD, 7, 6, -24 },
	{ "\x48\x89\x5d\xf8", 4, CSN_STEP_STORE, 6, 3, -8 },
	{ "\x48\x8b\x5c\x24\x10", 5, CSN_STEP_LOAD, 3, 7, 16 },
	{ "\xc9", 1, CSN_STEP_LEAVE, 255, 255, 0 },
	{ "\xf2\xc3", 2, CSN_STEP_RETURN, 255, 255, 0 },
	{ "\xf3\x0f\x1e\xfa", 4, CSN_STEP_OTHER, 255, 255, 0 },
	{ "\x48\x29\xc4", 3, CSN_STEP_OTHER, 7, 255, 0 },
	{ "\x49\xbb\1\2\3\4\5\6\7\10", 10, CSN_STEP_OTHER, 11, 255, 0 },
	{ "\x66\x2e\x0f\x1f\x84\x00\x00\x00\x00\x00", 10, CSN_STEP_OTHER, 255, 255, 0 },
	{ "\xc5\xf8\x77", 3, CSN_STEP_OTHER, 255, 255, 0 },
	{ "\xc4\xe3\x7d\x39\xc0\x01", 6, CSN_STEP_OTHER, 255, 255, 0 },
	{ "\x62\xf1\xfd\x28\x6f\x44\x24\x01", 8, CSN_STEP_OTHER, 255, 255, 0 },
	{ "\x66\x81\x38\x34\x12", 5, CSN_STEP_OTHER, 255, 255, 0 },
	{ "\xf6\x45\x08\x01", 4, CSN_STEP_OTHER, 255, 255, 0 },
	{ "\x0f\x0b", 2, CSN_STEP_STOP, 255, 255, 0 },
};

static void instructions_have_a_length_and_an_effect_on_the_stack(void **state)
{
	(void)state;
	for (size_t i = 0; i < csn_countof(steps); i++) {
		struct csn_step step;

		assert_true(csn_arch_native()->decode_step((const uint8_t *)steps[i].bytes,
							   steps[i].length, 0x1000, &step));
		assert_int_equal(step.length, steps[i].length);
		assert_int_equal(step.kind, steps[i].kind);
		assert_int_equal(step.dst, steps[i].dst);
		assert_int_equal(step.src, steps[i].src);
		assert_int_equal(step.value, steps[i].value);
		assert_false(csn_arch_native()->decode_step((const uint8_t *)steps[i].bytes,
							    steps[i].length - 1u, 0x1000, &step));
	}
}

/* One row per instruction of 4 bytes, as the assembler's manual writes it. */
static const struct {
	const char *text;
	uint32_t word;
	uint8_t kind, dst, src, second;
	int64_t value;
	int32_t moves;
} aarch64_steps[] = {
	{ "stp x29,x30,[sp,#-48]!", 0xa9bd7bfd, CSN_STEP_STORE, 31, 29, 30, -48, -48 },
	{ "ldp x29,x30,[sp],#48", 0xa8c37bfd, CSN_STEP_LOAD, 29, 31, 30, 0, 48 },
	{ "stp x19,x20,[sp,#16]", 0xa90153f3, CSN_STEP_STORE, 31, 19, 20, 16, 0 },
	{ "ldp x19,x20,[sp,#16]", 0xa94153f3, CSN_STEP_LOAD, 19, 31, 20, 16, 0 },
	{ "stp d8,d9,[sp,#-32]!", 0x6dbe27e8, CSN_STEP_ADD, 31, 31, 255, -32, 0 },
	{ "stp d8,d9,[sp,#16]", 0x6d0127e8, CSN_STEP_OTHER, 255, 255, 255, 0, 0 },
	{ "str x30,[sp,#-16]!", 0xf81f0ffe, CSN_STEP_STORE, 31, 30, 255, -16, -16 },
	{ "ldr x30,[sp],#16", 0xf84107fe, CSN_STEP_LOAD, 30, 31, 255, 0, 16 },
	{ "str x19,[sp,#16]", 0xf9000bf3, CSN_STEP_STORE, 31, 19, 255, 16, 0 },
	{ "ldr x19,[sp,#16]", 0xf9400bf3, CSN_STEP_LOAD, 19, 31, 255, 16, 0 },
	{ "stur x0,[x29,#-8]", 0xf81f83a0, CSN_STEP_STORE, 29, 0, 255, -8, 0 },
	{ "str d8,[sp,#-16]!", 0xfc1f0fe8, CSN_STEP_ADD, 31, 31, 255, -16, 0 },
	{ "strb w0,[x1,#4]", 0x39001020, CSN_STEP_OTHER, 255, 255, 255, 0, 0 },
	{ "ldrb w0,[x1],#1", 0x38401420, CSN_STEP_OTHER, 0, 255, 1, 0, 0 },
	{ "ldp w0,w1,[sp,#8]", 0x294107e0, CSN_STEP_OTHER, 0, 255, 1, 0, 0 },
	{ "ldadd x0,x1,[x2]", 0xf8200041, CSN_STEP_OTHER, 1, 255, 255, 0, 0 },
	{ "stxr w3,x0,[x1]", 0xc8037c20, CSN_STEP_OTHER, 3, 255, 255, 0, 0 },
	{ "sub sp,sp,#32", 0xd10083ff, CSN_STEP_ADD, 31, 31, 255, -32, 0 },
	{ "sub sp,sp,#1,lsl #12", 0xd14007ff, CSN_STEP_ADD, 31, 31, 255, -4096, 0 },
	{ "add sp,sp,#32", 0x910083ff, CSN_STEP_ADD, 31, 31, 255, 32, 0 },
	{ "mov x29,sp", 0x910003fd, CSN_STEP_ADD, 29, 31, 255, 0, 0 },
	{ "mov sp,x29", 0x910003bf, CSN_STEP_ADD, 31, 29, 255, 0, 0 },
	{ "cmp x0,#1", 0xf100041f, CSN_STEP_OTHER, 255, 255, 255, 0, 0 },
	{ "mov x0,x1", 0xaa0103e0, CSN_STEP_ADD, 0, 1, 255, 0, 0 },
	{ "mov x12,#9040", 0xd2846a0c, CSN_STEP_SET, 12, 255, 255, 9040, 0 },
	{ "sub sp,sp,x12", 0xcb2c63ff, CSN_STEP_SUM, 31, 31, 12, -1, 0 },
	{ "and sp,x9,#~31", 0x927be93f, CSN_STEP_ALIGN, 31, 9, 255, -32, 0 },
	{ "adrp x0,.", 0x90000000, CSN_STEP_OTHER, 0, 255, 255, 0, 0 },
	{ "add x0,x1,x2", 0x8b020020, CSN_STEP_OTHER, 0, 255, 255, 0, 0 },
	{ "fmov x0,d1", 0x9e660020, CSN_STEP_OTHER, 0, 255, 255, 0, 0 },
	{ "fadd d29,d0,d1", 0x1e61281d, CSN_STEP_OTHER, 255, 255, 255, 0, 0 },
	{ "fcvtzs x29,d0", 0x9e78001d, CSN_STEP_OTHER, 29, 255, 255, 0, 0 },
	{ "mrs x0,tpidr_el0", 0xd53bd040, CSN_STEP_OTHER, 0, 255, 255, 0, 0 },
	{ "paciasp", 0xd503233f, CSN_STEP_OTHER, 255, 255, 255, 0, 0 },
	{ "autiasp", 0xd50323bf, CSN_STEP_OTHER, 255, 255, 255, 0, 0 },
	{ "nop", 0xd503201f, CSN_STEP_OTHER, 255, 255, 255, 0, 0 },
	{ "svc #0", 0xd4000001, CSN_STEP_OTHER, 0, 255, 255, 0, 0 },
	{ "ret", 0xd65f03c0, CSN_STEP_RETURN, 255, 255, 255, 0, 0 },
	{ "retaa", 0xd65f0bff, CSN_STEP_RETURN, 255, 255, 255, 0, 0 },
	{ "br x17", 0xd61f0220, CSN_STEP_JUMP, 255, 255, 255, 0, 0 },
	{ "blr x0", 0xd63f0000, CSN_STEP_CALL, 255, 255, 255, 0, 0 },
	{ "blraaz x0", 0xd63f081f, CSN_STEP_CALL, 255, 255, 255, 0, 0 },
	{ "brk #1", 0xd4200020, CSN_STEP_STOP, 255, 255, 255, 0, 0 },
	{ "udf #0", 0x00000000, CSN_STEP_STOP, 255, 255, 255, 0, 0 },
};

static const struct csn_arch *aarch64(void)
{
	return csn_arch_find(EM_AARCH64, true);
}

static const struct csn_arch *i386(void)
{
	return csn_arch_find(EM_386, false);
}

static void aarch64_instructions_have_an_effect_on_the_stack(void **state)
{
	(void)state;
	for (size_t i = 0; i < csn_countof(aarch64_steps); i++) {
		uint8_t code[4];
		struct csn_step step;

		memcpy(code, &aarch64_steps[i].word, 4);
		assert_true(aarch64()->decode_step(code, 4, 0x1000, &step));
		if (step.kind != aarch64_steps[i].kind || step.dst != aarch64_steps[i].dst ||
		    step.src != aarch64_steps[i].src || step.second != aarch64_steps[i].second ||
		    step.value != aarch64_steps[i].value || step.moves != aarch64_steps[i].moves)
			fail_msg("%s: %u %u %u %u %lld %d", aarch64_steps[i].text, step.kind,
				 step.dst, step.src, step.second, (long long)step.value,
				 step.moves);
		assert_int_equal(step.length, 4);
		assert_false(aarch64()->decode_step(code, 3, 0x1000, &step));
	}
}

static void aarch64_branches_know_where_they_lead(void **state)
{
	static const struct {
		uint32_t word;
		uint8_t kind;
		csn_addr target;
	} rows[] = {
		{ 0x94000004, CSN_STEP_CALL, 0x10010 },   { 0x97ffffff, CSN_STEP_CALL, 0xfffc },
		{ 0x14000002, CSN_STEP_JUMP, 0x10008 },   { 0x54ffffe0, CSN_STEP_BRANCH, 0xfffc },
		{ 0xb4000040, CSN_STEP_BRANCH, 0x10008 }, { 0x37000040, CSN_STEP_BRANCH, 0x10008 },
	};
	uint8_t code[8] = { 0 };
	struct csn_step step;

	(void)state;
	for (size_t i = 0; i < csn_countof(rows); i++) {
		memcpy(code + 4, &rows[i].word, 4);
		assert_true(aarch64()->decode_step(code + 4, 4, 0x10000, &step));
		assert_int_equal(step.kind, rows[i].kind);
		assert_int_equal(step.target, rows[i].target);
		assert_int_equal(aarch64()->call_target(code, 0x10004),
				 step.kind == CSN_STEP_CALL ? rows[i].target : 0);
		assert_int_equal(aarch64()->call_before(code, 8),
				 step.kind == CSN_STEP_CALL ? 4 : 0);
	}
}

static const struct {
	uint32_t word;
	uint8_t kind, size;
	csn_addr address;
} aarch64_accesses[] = {
	{ 0xf9000c01, CSN_ACCESS_WRITE, 8, 0x1018 },   /* str x1,[x0,#24] */
	{ 0xb9400020, CSN_ACCESS_READ, 4, 0x2000 },    /* ldr w0,[x1] */
	{ 0x39400421, CSN_ACCESS_READ, 1, 0x2001 },    /* ldrb w1,[x1,#1] */
	{ 0xf85f8020, CSN_ACCESS_READ, 8, 0x1ff8 },    /* ldur x0,[x1,#-8] */
	{ 0xf81f0c20, CSN_ACCESS_WRITE, 8, 0x1ff0 },   /* str x0,[x1,#-16]! */
	{ 0x38001420, CSN_ACCESS_WRITE, 1, 0x2000 },   /* strb w0,[x1],#1 */
	{ 0xf8627820, CSN_ACCESS_READ, 8, 0x1a000 },   /* ldr x0,[x1,x2,lsl #3] */
	{ 0xa9bd7bfd, CSN_ACCESS_WRITE, 16, 0x1ffd0 }, /* stp x29,x30,[sp,#-48]! */
	{ 0x3dc00020, CSN_ACCESS_READ, 16, 0x2000 },   /* ldr q0,[x1] */
	{ 0x58000040, CSN_ACCESS_READ, 8, 0x21008 },   /* ldr x0,.+8 */
	{ 0xc8dffc20, CSN_ACCESS_READ, 8, 0x2000 },    /* ldar x0,[x1] */
	{ 0xd50b7422, CSN_ACCESS_WRITE, 64, 0x3000 },  /* dc zva,x2 */
	{ 0xf9800020, CSN_ACCESS_UNKNOWN, 0, 0 },      /* prfm */
	{ 0xf8200041, CSN_ACCESS_UNKNOWN, 0, 0 },      /* ldadd: both */
	{ 0x8b020020, CSN_ACCESS_UNKNOWN, 0, 0 },      /* add */
};

static void aarch64_memory_operands_are_decoded_or_refused(void **state)
{
	struct csn_registers registers = { 0 };

	(void)state;
	for (unsigned i = 0; i < 33; i++)
		csn_register_set(&registers, i, 0x1000 * (i + 1));
	for (size_t i = 0; i < csn_countof(aarch64_accesses); i++) {
		struct csn_access access = { 0 };
		uint8_t code[4];
		bool found;

		memcpy(code, &aarch64_accesses[i].word, 4);
		found = aarch64()->decode_access(code, 4, &registers, &access);
		assert_int_equal(found, aarch64_accesses[i].kind != CSN_ACCESS_UNKNOWN);
		if (!found)
			continue;
		assert_int_equal(access.kind, aarch64_accesses[i].kind);
		assert_int_equal(access.size_bytes, aarch64_accesses[i].size);
		assert_int_equal(access.address, aarch64_accesses[i].address);
	}
	csn_register_forget(&registers, 1);
	assert_false(aarch64()->decode_access((const uint8_t *)"\x20\x00\x40\xb9", 4, &registers,
					      &(struct csn_access){ 0 }));
}

static const struct {
	const char *bytes;
	uint8_t length, kind, dst, src;
	int64_t value;
} i386_steps[] = {
	{ "\x55", 1, CSN_STEP_PUSH, 255, 5, 0 },
	{ "\x89\xe5", 2, CSN_STEP_ADD, 5, 4, 0 },
	{ "\x83\xec\x18", 3, CSN_STEP_ADD, 4, 4, -24 },
	{ "\x8d\x4c\x24\x04", 4, CSN_STEP_ADD, 1, 4, 4 },
	{ "\x83\xe4\xf0", 3, CSN_STEP_ALIGN, 4, 4, -16 },
	{ "\xff\x71\xfc", 3, CSN_STEP_PUSH, 255, 255, 0 },
	{ "\x8b\x1c\x24", 3, CSN_STEP_LOAD, 3, 4, 0 },
	{ "\xe8\0\0\0\0", 5, CSN_STEP_PUSH, 255, 255, 0 }, /* call of the next */
	{ "\xe8\1\0\0\0", 5, CSN_STEP_CALL, 255, 255, 0 },
	{ "\x49", 1, CSN_STEP_OTHER, 1, 255, 0 }, /* dec, no prefix */
	{ "\x06", 1, CSN_STEP_PUSH, 255, 255, 0 },
	{ "\x60", 1, CSN_STEP_ADD, 4, 4, -32 },
	{ "\xc5\x06", 2, CSN_STEP_OTHER, 255, 255, 0 }, /* lds */
	{ "\xc5\xf8\x77", 3, CSN_STEP_OTHER, 255, 255, 0 },
	{ "\xa1\1\2\3\4", 5, CSN_STEP_OTHER, 255, 255, 0 },
	{ "\x8b\x0d\1\2\3\4", 6, CSN_STEP_OTHER, 1, 255, 0 },
	{ "\x66\x81\x38\x34\x12", 5, CSN_STEP_OTHER, 255, 255, 0 },
	{ "\xc2\x04\x00", 3, CSN_STEP_RETURN, 255, 255, 4 },
};

static void i386_instructions_have_a_length_and_an_effect_on_the_stack(void **state)
{
	struct csn_step step;

	(void)state;
	for (size_t i = 0; i < csn_countof(i386_steps); i++) {
		const uint8_t *code = (const uint8_t *)i386_steps[i].bytes;

		assert_true(i386()->decode_step(code, i386_steps[i].length, 0x1000, &step));
		if (step.length != i386_steps[i].length || step.kind != i386_steps[i].kind ||
		    step.dst != i386_steps[i].dst || step.src != i386_steps[i].src ||
		    step.value != i386_steps[i].value)
			fail_msg("row %zu: %u %u %u %u %lld", i, step.length, step.kind, step.dst,
				 step.src, (long long)step.value);
		assert_false(i386()->decode_step(code, i386_steps[i].length - 1u, 0x1000, &step));
	}
	assert_true(i386()->decode_step((const uint8_t *)"\xff\x25\1\2\3\4", 6, 0x1000, &step));
	assert_int_equal(step.kind, CSN_STEP_JUMP);
	assert_int_equal(step.slot, 0x04030201);
	assert_int_equal(i386()->call_target((const uint8_t *)"\0\0\0\xe8\0\0\0\x80", 0x90000000),
			 0x10000000);
	assert_int_equal(i386()->call_before((const uint8_t *)"\0\0\0\xe8\0\0\0\0", 8), 0);
	assert_int_equal(i386()->call_before((const uint8_t *)"\0\0\0\xe8\1\0\0\0", 8), 5);
}

static void i386_memory_operands_are_decoded_or_refused(void **state)
{
	struct csn_registers registers = { 0 };
	struct csn_access access;

	(void)state;
	for (unsigned i = 0; i < 9; i++)
		csn_register_set(&registers, i, 0x1000 * (i + 1));
	/* movl $1,0x18(%eax); the address wraps; movl %eax,0x12345678; push %ebx; mov %gs:0,%eax */
	assert_true(i386()->decode_access((const uint8_t *)"\xc7\x40\x18\1\0\0\0", 7, &registers,
					  &access));
	assert_int_equal(access.address, 0x1018);
	assert_true(i386()->decode_access((const uint8_t *)"\x8b\x80\0\xe0\xff\xff", 6, &registers,
					  &access));
	assert_int_equal(access.address, 0xfffff000);
	assert_true(i386()->decode_access((const uint8_t *)"\x89\x05\x78\x56\x34\x12", 6,
					  &registers, &access));
	assert_int_equal(access.address, 0x12345678);
	assert_int_equal(access.kind, CSN_ACCESS_WRITE);
	assert_true(i386()->decode_access((const uint8_t *)"\x53", 1, &registers, &access));
	assert_int_equal(access.address, 0x4ffc);
	assert_int_equal(access.size_bytes, 4);
	assert_false(i386()->decode_access((const uint8_t *)"\x65\x8b\x05\0\0\0\0", 7, &registers,
					   &access));
}

static void an_architecture_is_found_by_machine_and_class(void **state)
{
	(void)state;
	assert_string_equal(csn_arch_find(EM_X86_64, true)->name, "x86_64");
	assert_null(csn_arch_find(EM_X86_64, false));
	assert_null(csn_arch_find(EM_386, true));
	assert_null(csn_arch_find(EM_RISCV, true));
	assert_ptr_equal(csn_arch_of_registers(17 * 4), i386());
	assert_ptr_equal(csn_arch_of_registers(27 * 8), csn_arch_native());
	assert_null(csn_arch_of_registers(5));
}

static void jumps_know_where_they_lead(void **state)
{
	struct csn_step step;

	(void)state;
	assert_true(csn_arch_native()->decode_step((const uint8_t *)"\xe8\x10\0\0\0", 5, 0x1000,
						   &step));
	assert_int_equal(step.kind, CSN_STEP_CALL);
	assert_int_equal(step.target, 0x1015);
	assert_true(csn_arch_native()->decode_step((const uint8_t *)"\x74\xfe", 2, 0x1000, &step));
	assert_int_equal(step.kind, CSN_STEP_BRANCH);
	assert_int_equal(step.target, 0x1000);
	assert_true(csn_arch_native()->decode_step((const uint8_t *)"\xf2\xff\x25\x01\0\0\0", 7,
						   0x1000, &step));
	assert_int_equal(step.kind, CSN_STEP_JUMP);
	assert_int_equal(step.target, 0);
	assert_int_equal(step.slot, 0x1008);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(instructions_have_a_length_and_an_effect_on_the_stack),
		cmocka_unit_test(jumps_know_where_they_lead),
		cmocka_unit_test(aarch64_instructions_have_an_effect_on_the_stack),
		cmocka_unit_test(aarch64_branches_know_where_they_lead),
		cmocka_unit_test(aarch64_memory_operands_are_decoded_or_refused),
		cmocka_unit_test(i386_instructions_have_a_length_and_an_effect_on_the_stack),
		cmocka_unit_test(i386_memory_operands_are_decoded_or_refused),
		cmocka_unit_test(an_architecture_is_found_by_machine_and_class),
		cmocka_unit_test(calls_before_a_return_address_are_known_by_their_bytes),
		cmocka_unit_test(memory_operands_are_decoded_or_refused),
		cmocka_unit_test(instructions_tell_where_values_come_from),
		cmocka_unit_test(divisors_are_decoded_or_refused),
		cmocka_unit_test(a_core_gives_threads_the_signal_and_memory),
		cmocka_unit_test(a_truncated_core_opens_and_says_so),
		cmocka_unit_test(
			bytes_left_out_come_from_the_file_unless_the_process_could_change_them),
		cmocka_unit_test(hostile_headers_never_lead_outside),
		cmocka_unit_test(a_core_without_threads_is_refused),
		cmocka_unit_test(lines_of_proc_maps_are_read_and_odd_ones_skipped),
	};

	return cmocka_run_group_tests_name("target", tests, NULL, NULL);
}
