#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/io.h"
#include "base/json_load.h"
#include "base/limits.h"
#include "capture/container.h"
#include "capture/facts.h"
#include "capture/write.h"

#define PAGE 4096ull
#define STATUS_BYTES 336

/* A process that does not exist: its segments, and a file that is its memory. */
struct fake {
	struct csn_hold hold;
	struct csn_buf core; /* what the kernel would send first */
};

struct fake_segment {
	uint64_t address, file_size, memory_size;
	uint32_t flags;
};

static void put_note(struct csn_buf *out, uint32_t type, const void *desc, uint32_t size)
{
	const uint32_t head[3] = { 5, size, type };

	csn_buf_append(out, head, sizeof(head));
	csn_buf_append(out, "CORE\0\0\0", 8);
	csn_buf_append(out, desc, size);
	csn_buf_append(out, "\0\0\0", -size & 3);
}

static void put_thread(struct csn_buf *out, int32_t tid, uint64_t sp)
{
	uint8_t desc[STATUS_BYTES] = { 0 };

	memcpy(desc + 32, &tid, sizeof(tid));
	memcpy(desc + 112 + 19 * 8, &sp, sizeof(sp));
	put_note(out, NT_PRSTATUS, desc, sizeof(desc));
}

/* One mapping of a file for the segment `file`, if any. */
static void put_files(struct csn_buf *out, const struct fake_segment *file)
{
	struct csn_buf desc = CSN_BUF_INIT(4096);
	const uint64_t words[5] = { 1, PAGE, file->address, file->address + file->memory_size, 0 };

	csn_buf_append(&desc, words, sizeof(words));
	csn_buf_append(&desc, "/bin/prog", 10);
	put_note(out, NT_FILE, desc.data, (uint32_t)desc.size);
	csn_buf_done(&desc);
}

static void build_core(struct csn_buf *core, const struct fake_segment *segments, size_t n,
		       const struct fake_segment *file, const uint64_t *sps, size_t n_sps)
{
	struct csn_buf notes = CSN_BUF_INIT(CSN_MIB);
	bool many = n + 1 >= PN_XNUM;
	Elf64_Ehdr header = {
		.e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
		.e_type = ET_CORE,
		.e_machine = EM_X86_64,
		.e_version = EV_CURRENT,
		.e_phoff = sizeof(header),
		.e_ehsize = sizeof(header),
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = many ? PN_XNUM : (uint16_t)(n + 1),
	};
	Elf64_Phdr row = { .p_type = PT_NOTE, .p_align = 4 };
	size_t i;

	for (i = 0; i < n_sps; i++)
		put_thread(&notes, 100 + (int32_t)i, sps[i]);
	if (file)
		put_files(&notes, file);
	row.p_offset = sizeof(header) + (n + 1) * sizeof(row);
	row.p_filesz = notes.size;
	csn_buf_append(core, &header, sizeof(header));
	csn_buf_append(core, &row, sizeof(row));
	for (i = 0; i < n; i++) {
		row = (Elf64_Phdr){
			.p_type = PT_LOAD,
			.p_flags = segments[i].flags,
			.p_vaddr = segments[i].address,
			.p_filesz = segments[i].file_size,
			.p_memsz = segments[i].memory_size,
			.p_align = PAGE,
		};
		csn_buf_append(core, &row, sizeof(row));
	}
	csn_buf_append(core, notes.data, notes.size);
	csn_buf_done(&notes);
}

static int read_prefix(struct csn_hold *hold, const void *data, size_t size, struct csn_error *err)
{
	cleanup_close int fd = memfd_create("core", MFD_CLOEXEC);

	assert_int_equal(csn_write_full(fd, data, size), 0);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return csn_prefix_read(fd, &hold->region, &hold->prefix, err);
}

static void fake_init(struct fake *fake, const struct fake_segment *segments, size_t n,
		      const struct fake_segment *file, const uint64_t *sps, size_t n_sps)
{
	struct csn_hold *hold = &fake->hold;
	size_t i;

	*fake = (struct fake){ .core = CSN_BUF_INIT(64 * CSN_MIB) };
	assert_int_equal(csn_region_init(&hold->region, 64 * CSN_MIB, NULL), 0);
	build_core(&fake->core, segments, n, file, sps, n_sps);
	assert_int_equal(read_prefix(hold, fake->core.data, fake->core.size, NULL), 0);
	hold->victim = (struct csn_victim)CSN_VICTIM_INIT;
	hold->victim.mem_fd = memfd_create("memory", MFD_CLOEXEC);
	hold->texts.fd_count = -1;
	for (i = 0; i < n; i++)
		assert_int_equal(ftruncate(hold->victim.mem_fd,
					   (off_t)(segments[i].address + segments[i].memory_size)),
				 0);
	assert_int_equal(csn_memory_init(&hold->memory, &hold->prefix, &hold->victim, &hold->region,
					 &hold->omissions,
					 csn_monotonic_ns() + 60 * CSN_NS_PER_SECOND, NULL),
			 0);
}

static void fake_done(struct fake *fake)
{
	csn_victim_close(&fake->hold.victim);
	csn_region_done(&fake->hold.region);
	csn_buf_done(&fake->core);
}

static void poke(struct fake *fake, uint64_t address, uint64_t word)
{
	assert_int_equal(pwrite(fake->hold.victim.mem_fd, &word, sizeof(word), (off_t)address),
			 sizeof(word));
}

static bool holds(const struct fake *fake, uint64_t address)
{
	return csn_memory_find(&fake->hold.memory, address) != NULL;
}

static void kernel_words_become_a_request(void **state)
{
	const char *const words[] = { "12", "13", "11", "1", "1700000000", "1000", "100", "3" };
	struct csn_request request;

	(void)state;
	assert_int_equal(csn_request_parse(8, words, &request, NULL), 0);
	assert_int_equal(request.pid, 12);
	assert_int_equal(request.tid, 13);
	assert_int_equal(request.signal, 11);
	assert_int_equal(request.uid, 1000);
	assert_int_equal(request.pidfd, 3);
	assert_int_equal(csn_request_parse(7, words, &request, NULL), 0);
	assert_int_equal(request.pidfd, -1);
}

static void an_old_kernel_leaves_the_pidfd_empty(void **state)
{
	const char *const words[] = { "12", "13", "11", "1", "17", "1000", "100", "" };
	struct csn_request request;

	(void)state;
	assert_int_equal(csn_request_parse(8, words, &request, NULL), 0);
	assert_int_equal(request.pidfd, -1);
}

static void a_word_that_is_no_number_is_named(void **state)
{
	const char *const words[] = { "12", "x13", "11", "1", "17", "1000", "100" };
	struct csn_request request;
	struct csn_error err;

	(void)state;
	assert_int_equal(csn_request_parse(7, words, &request, &err), -CSN_E_USAGE);
	assert_non_null(strstr(err.text, "'x13' is no thread id (%I)"));
	assert_int_equal(csn_request_parse(6, words, &request, &err), -CSN_E_USAGE);
}

static void headers_that_end_early_are_an_error_at_every_byte(void **state)
{
	const struct fake_segment segment = { 0x10000, PAGE, PAGE, PF_R };
	const uint64_t sp = 0x10800;
	struct csn_buf core = CSN_BUF_INIT(CSN_MIB);
	struct csn_hold hold = { 0 };
	size_t cut;

	(void)state;
	build_core(&core, &segment, 1, &segment, &sp, 1);
	assert_int_equal(csn_region_init(&hold.region, 16 * CSN_MIB, NULL), 0);
	for (cut = 0; cut < core.size; cut++) {
		hold.region.used = 0;
		assert_true(read_prefix(&hold, core.data, cut, NULL) < 0);
	}
	hold.region.used = 0;
	assert_int_equal(read_prefix(&hold, core.data, core.size, NULL), 0);
	assert_int_equal(hold.prefix.n_threads, 1);
	assert_int_equal(hold.prefix.threads[0].ns_tid, 100);
	assert_int_equal(hold.prefix.threads[0].sp, sp);
	assert_string_equal(hold.prefix.files[0].path, "/bin/prog");
	csn_region_done(&hold.region);
	csn_buf_done(&core);
}

static void only_what_the_kernel_would_write_is_taken(void **state)
{
	const struct fake_segment segments[] = { { 0x10000, 2 * PAGE, 8 * PAGE, PF_R | PF_W },
						 { 0x20000, 0, 4 * PAGE, PF_R | PF_W } };
	struct fake fake;

	(void)state;
	fake_init(&fake, segments, 2, NULL, NULL, 0);
	assert_int_equal(csn_memory_take(&fake.hold.memory, CSN_CLASS_WINDOWS, 0x10000, 0x30000,
					 CSN_MIB),
			 2 * PAGE);
	assert_int_equal(csn_memory_take(&fake.hold.memory, CSN_CLASS_WINDOWS, 0x12000, 0x13000,
					 CSN_MIB),
			 0);
	assert_int_equal(csn_memory_take(&fake.hold.memory, CSN_CLASS_WINDOWS, 0x20000, 0x21000,
					 CSN_MIB),
			 0);
	fake_done(&fake);
}

static void nothing_is_taken_twice(void **state)
{
	const struct fake_segment segment = { 0x10000, 16 * PAGE, 16 * PAGE, PF_R | PF_W };
	struct csn_capture_memory *memory;
	struct fake fake;
	size_t i;

	(void)state;
	fake_init(&fake, &segment, 1, NULL, NULL, 0);
	memory = &fake.hold.memory;
	assert_int_equal(csn_memory_take(memory, CSN_CLASS_WINDOWS, 0x14010, 0x14020, CSN_MIB),
			 PAGE);
	assert_int_equal(csn_memory_take(memory, CSN_CLASS_WINDOWS, 0x12fff, 0x16001, CSN_MIB),
			 4 * PAGE);
	assert_int_equal(csn_memory_take(memory, CSN_CLASS_WINDOWS, 0x10000, 0x20000, CSN_MIB),
			 11 * PAGE);
	assert_int_equal(csn_memory_take(memory, CSN_CLASS_WINDOWS, 0x10000, 0x20000, CSN_MIB), 0);
	for (i = 1; i < memory->n_islands; i++)
		assert_true(memory->islands[i - 1].start + memory->islands[i - 1].size <=
			    memory->islands[i].start);
	fake_done(&fake);
}

static void a_closed_capture_takes_nothing(void **state)
{
	const struct fake_segment segment = { 0x10000, 16 * PAGE, 16 * PAGE, PF_R | PF_W };
	struct fake fake;

	(void)state;
	fake_init(&fake, &segment, 1, NULL, NULL, 0);
	csn_memory_close(&fake.hold.memory);
	assert_int_equal(csn_memory_take(&fake.hold.memory, CSN_CLASS_STACKS, 0x10000, 0x11000,
					 CSN_MIB),
			 0);
	fake_done(&fake);
}

static void memory_out_of_reach_is_read_from_the_kernels_stream(void **state)
{
	const struct fake_segment segments[] = { { 0x10000, 2 * PAGE, 2 * PAGE, PF_R | PF_W },
						 { 0x20000, 20 * PAGE, 20 * PAGE, PF_R | PF_W } };
	struct csn_elf_segment *read_back;
	uint8_t page[PAGE] = { 7 };
	const uint8_t *bytes;
	struct fake fake;
	uint64_t size;
	int fd = memfd_create("stream", MFD_CLOEXEC);

	(void)state;
	fake_init(&fake, segments, 2, NULL, NULL, 0);
	read_back = fake.hold.prefix.segments;
	read_back[0].offset = (fake.core.size + PAGE) & ~(PAGE - 1);
	read_back[1].offset = read_back[0].offset + 2 * PAGE;
	/* Past the prefix: padding, the first segment, a part of the second. */
	assert_int_equal(pwrite(fd, page, PAGE, (off_t)(read_back[0].offset - fake.core.size)),
			 PAGE);
	assert_int_equal(ftruncate(fd, (off_t)(read_back[1].offset - fake.core.size + 17 * PAGE)),
			 0);
	csn_memory_drain(&fake.hold.memory, fd, CSN_MIB);
	assert_int_equal(fake.hold.memory.taken[CSN_CLASS_STREAM], 18 * PAGE);
	bytes = csn_memory_peek(&fake.hold.memory, 0x10000, &size);
	assert_non_null(bytes);
	assert_int_equal(bytes[0], 7);
	assert_false(holds(&fake, 0x20000 + 16 * PAGE));
	close(fd);
	fake_done(&fake);
}

static void stacks_reach_from_below_sp_to_one_mebibyte_above(void **state)
{
	const struct fake_segment segment = { 0x100000, 4 * CSN_MIB, 4 * CSN_MIB, PF_R | PF_W };
	const uint64_t sp = 0x110010;
	struct fake fake;

	(void)state;
	fake_init(&fake, &segment, 1, NULL, &sp, 1);
	csn_gather_stacks(&fake.hold.memory, 0, 1);
	assert_true(holds(&fake, sp - 256));
	assert_true(holds(&fake, sp + CSN_MIB - 1));
	assert_false(holds(&fake, sp + CSN_MIB + PAGE));
	assert_int_equal(fake.hold.omissions.count, 1);
	assert_string_equal(fake.hold.omissions.items[0].what, "stack");
	fake_done(&fake);
}

static void an_overflowed_stack_is_taken_from_its_mapping(void **state)
{
	const struct fake_segment segments[] = { { 0xf0000, 0, 16 * PAGE, 0 },
						 { 0x100000, CSN_MIB, CSN_MIB, PF_R | PF_W } };
	const uint64_t sp = 0xfffc0;
	struct fake fake;

	(void)state;
	fake_init(&fake, segments, 2, NULL, &sp, 1);
	csn_gather_stacks(&fake.hold.memory, 0, 1);
	assert_true(holds(&fake, 0x100000));
	fake_done(&fake);
}

static void data_bss_and_small_mappings_are_taken_and_large_heaps_are_not(void **state)
{
	const struct fake_segment segments[] = {
		{ 0x100000, 2 * PAGE, 2 * PAGE, PF_R | PF_W },   /* .data, a file */
		{ 0x102000, PAGE, PAGE, PF_R | PF_W },           /* .bss */
		{ 0x200000, 16 * PAGE, 16 * PAGE, PF_R | PF_W }, /* small */
		{ 0x300000, 17 * PAGE, 17 * PAGE, PF_R | PF_W }, /* heap */
	};
	struct fake fake;

	(void)state;
	fake_init(&fake, segments, 4, &segments[0], NULL, 0);
	csn_gather_files(&fake.hold.memory);
	assert_true(holds(&fake, 0x100000));
	assert_true(holds(&fake, 0x102000));
	assert_true(holds(&fake, 0x20f000));
	assert_false(holds(&fake, 0x300000));
	fake_done(&fake);
}

static void words_on_the_stack_open_windows_and_other_stacks_larger_ones(void **state)
{
	const struct fake_segment segments[] = {
		{ 0x100000, PAGE, PAGE, PF_R | PF_X },               /* code */
		{ 0x200000, 4 * CSN_MIB, 4 * CSN_MIB, PF_R | PF_W }, /* heap */
		{ 0x700000, PAGE, PAGE, PF_R | PF_W },               /* stack */
	};
	const uint64_t sp = 0x700100;
	struct fake fake;

	(void)state;
	fake_init(&fake, segments, 3, NULL, &sp, 1);
	poke(&fake, sp + 8, 0x210000);  /* an object */
	poke(&fake, sp + 16, 0x300000); /* a stack: its target holds a return address */
	poke(&fake, 0x300100, 0x100015);
	poke(&fake, sp + 24, 0x400000); /* an object with a pointer to a function */
	poke(&fake, 0x400100, 0x100020);
	csn_gather_stacks(&fake.hold.memory, 0, 1);
	csn_gather_windows(&fake.hold.memory, 4 * CSN_MIB);
	assert_true(holds(&fake, 0x210000));
	assert_false(holds(&fake, 0x214000));
	assert_true(holds(&fake, 0x300000 + 256 * 1024 - 1));
	assert_false(holds(&fake, 0x300000 + 260 * 1024));
	assert_true(holds(&fake, 0x400000));
	assert_false(holds(&fake, 0x410000));
	fake_done(&fake);
}

static void windows_stop_at_the_budget(void **state)
{
	const struct fake_segment segments[] = {
		{ 0x200000, 4 * CSN_MIB, 4 * CSN_MIB, PF_R | PF_W },
		{ 0x700000, PAGE, PAGE, PF_R | PF_W },
	};
	const uint64_t sp = 0x700000;
	struct fake fake;
	unsigned i;

	(void)state;
	fake_init(&fake, segments, 2, NULL, &sp, 1);
	for (i = 0; i < 100; i++)
		poke(&fake, sp + 8 * i, 0x200000 + 2 * PAGE * i);
	csn_gather_stacks(&fake.hold.memory, 0, 1);
	csn_gather_windows(&fake.hold.memory, 8 * PAGE);
	assert_int_equal(fake.hold.memory.taken[CSN_CLASS_WINDOWS], 8 * PAGE);
	fake_done(&fake);
}

/* Writes the hold as a core and reads its headers again. */
static void write_and_read(struct fake *fake, enum csn_core_memory memory,
			   struct csn_hold *ret_again)
{
	cleanup_close int fd = memfd_create("out", MFD_CLOEXEC);
	cleanup_(csn_buf_done) struct csn_buf note = CSN_BUF_INIT(64);

	csn_buf_puts(&note, "{\"version\":1}");
	assert_int_equal(csn_core_write(fd, &fake->hold, memory, &note, NULL), 0);
	*ret_again = (struct csn_hold){ 0 };
	assert_int_equal(csn_region_init(&ret_again->region, 64 * CSN_MIB, NULL), 0);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	assert_int_equal(csn_prefix_read(fd, &ret_again->region, &ret_again->prefix, NULL), 0);
}

static void the_written_core_covers_every_mapping(void **state)
{
	const struct fake_segment segments[] = { { 0x10000, 16 * PAGE, 16 * PAGE, PF_R | PF_W },
						 { 0x40000, PAGE, 8 * PAGE, PF_R },
						 { 0x80000, 0, 4 * PAGE, PF_R } };
	const struct csn_prefix *prefix;
	struct csn_hold again;
	struct fake fake;
	uint64_t stored = 0, covered = 0;
	size_t i;

	(void)state;
	fake_init(&fake, segments, 3, NULL, NULL, 0);
	csn_memory_take(&fake.hold.memory, CSN_CLASS_WINDOWS, 0x13000, 0x15000, CSN_MIB);
	csn_memory_take(&fake.hold.memory, CSN_CLASS_WINDOWS, 0x1a000, 0x1b000, CSN_MIB);
	csn_memory_take(&fake.hold.memory, CSN_CLASS_FILES, 0x40000, 0x41000, CSN_MIB);
	write_and_read(&fake, CSN_CORE_TAKEN, &again);
	prefix = &again.prefix;
	for (i = 0; i < prefix->n_segments; i++) {
		stored += prefix->segments[i].file_size;
		covered += prefix->segments[i].memory_size;
		assert_int_equal(prefix->segments[i].offset % PAGE, 0);
	}
	assert_int_equal(stored, 4 * PAGE);
	assert_int_equal(covered, 28 * PAGE);
	assert_int_equal(csn_prefix_find(prefix, 0x13000)->file_size, 2 * PAGE);
	assert_int_equal(csn_prefix_find(prefix, 0x12000)->file_size, 0);
	/* The first page of a file keeps the kernel's form. */
	assert_int_equal(csn_prefix_find(prefix, 0x40000)->memory_size, 8 * PAGE);
	csn_region_done(&again.region);
	fake_done(&fake);
}

static void notes_only_keeps_the_map_and_no_memory(void **state)
{
	const struct fake_segment segment = { 0x10000, 16 * PAGE, 16 * PAGE, PF_R | PF_W };
	struct csn_hold again;
	struct fake fake;

	(void)state;
	fake_init(&fake, &segment, 1, NULL, NULL, 0);
	csn_memory_take(&fake.hold.memory, CSN_CLASS_WINDOWS, 0x13000, 0x15000, CSN_MIB);
	write_and_read(&fake, CSN_CORE_NONE, &again);
	assert_int_equal(again.prefix.n_segments, 1);
	assert_int_equal(again.prefix.segments[0].file_size, 0);
	assert_int_equal(again.prefix.segments[0].memory_size, 16 * PAGE);
	csn_region_done(&again.region);
	fake_done(&fake);
}

static void more_mappings_than_sixteen_bits_count_are_written(void **state)
{
	const size_t n = 70000;
	struct fake_segment *segments = calloc(n, sizeof(*segments));
	struct csn_hold again;
	struct fake fake;
	size_t i;

	(void)state;
	for (i = 0; i < n; i++)
		segments[i] = (struct fake_segment){ (i + 1) * 2 * PAGE, 0, PAGE, PF_R };
	fake_init(&fake, segments, n, NULL, NULL, 0);
	assert_int_equal(fake.hold.prefix.n_segments, n);
	write_and_read(&fake, CSN_CORE_NONE, &again);
	assert_int_equal(again.prefix.n_segments, n);
	csn_region_done(&again.region);
	fake_done(&fake);
	free(segments);
}

static void set_text(struct csn_hold *hold, enum csn_text_id id, const char *text, size_t size)
{
	hold->texts.items[id] = (struct csn_text){ .data = text, .size = size };
}

#define SET_TEXT(hold, id, text) set_text(hold, id, text, sizeof(text) - 1)

static json_t *facts_of(struct csn_hold *hold)
{
	cleanup_(csn_buf_done) struct csn_buf out = CSN_BUF_INIT(CSN_MAX_CORESNAP_NOTE);
	struct csn_facts facts = { .uuid = "u", .uptime_ms = 100000 };
	json_t *json;

	hold->done = CSN_PHASE_OPENED;
	hold->victim.verified = true;
	assert_int_equal(csn_facts_format(hold, &facts, &out, NULL), 0);
	json = json_loadb(out.data, out.size, 0, NULL);
	assert_non_null(json);
	return json;
}

static json_int_t number_at(json_t *json, const char *member, const char *name)
{
	return json_integer_value(json_object_get(json_object_get(json, member), name));
}

static void proc_texts_become_numbers_under_their_own_names(void **state)
{
	const struct fake_segment segment = { 0x10000, PAGE, PAGE, PF_R };
	struct fake fake;
	json_t *json;

	(void)state;
	fake_init(&fake, &segment, 1, NULL, NULL, 0);
	SET_TEXT(&fake.hold, CSN_TEXT_STATUS,
		 "Name:\ta\\nUid:\t0\nUid:\t1\t2\t3\t4\nVmRSS:\t     120 kB\nThreads:\t7\n"
		 "SigCgt:\t0000000000000000\n");
	SET_TEXT(&fake.hold, CSN_TEXT_STAT,
		 "12 (x) R 9 9 9) S 34 1 1 0 -1 64 100 0 5 0 11 12 0 0 20 0 7 0 5000 1 2 "
		 "18446744073709551615 1\n");
	SET_TEXT(&fake.hold, CSN_TEXT_LIMITS,
		 "Limit                     Soft Limit           Hard Limit           Units     \n"
		 "Max cpu time              unlimited            60                   seconds   \n"
		 "Max nice priority         0                    0                    \n");
	SET_TEXT(&fake.hold, CSN_TEXT_SCHED,
		 "x : 1 (12, #threads: 1)\n-----\nnr_switches      :      42\n"
		 "se.vruntime      :      1.5\nbroken : 1 2\n");
	SET_TEXT(&fake.hold, CSN_TEXT_MEMINFO, "MemTotal:       1234 kB\nHugePages_Total:   0\n");
	json = facts_of(&fake.hold);
	assert_int_equal(number_at(json, "status", "VmRSS"), 120);
	assert_int_equal(number_at(json, "status", "Threads"), 7);
	assert_string_equal(json_string_value(
				    json_object_get(json_object_get(json, "status"), "SigCgt")),
			    "0000000000000000");
	assert_int_equal(json_array_size(json_object_get(json_object_get(json, "status"), "Uid")),
			 4);
	assert_int_equal(number_at(json, "stat", "ppid"), 34);
	assert_int_equal(number_at(json, "stat", "utime"), 11);
	assert_true(json_is_null(json_object_get(json_object_get(json, "stat"), "rsslim")));
	assert_int_equal(number_at(json, "sched", "nr_switches"), 42);
	assert_null(json_object_get(json_object_get(json, "sched"), "broken"));
	assert_int_equal(number_at(json, "meminfo", "MemTotal"), 1234);
	assert_int_equal(json_integer_value(json_object_get(json, "age_ms")), 50000);
	assert_true(json_is_null(
		json_array_get(json_object_get(json_object_get(json, "limits"), "Max cpu time"),
			       0)));
	json_decref(json);
	fake_done(&fake);
}

static void only_allowed_names_of_the_environment_leave(void **state)
{
	const struct fake_segment segment = { 0x10000, PAGE, PAGE, PF_R };
	struct fake fake;
	json_t *json, *env;

	(void)state;
	fake_init(&fake, &segment, 1, NULL, NULL, 0);
	SET_TEXT(&fake.hold, CSN_TEXT_ENVIRON,
		 "AWS_SECRET=1\0BACKTRACE_DEFAULTS=a=b\nc=d\0LANGUAGE=x\0LANG=C\0TERM");
	json = facts_of(&fake.hold);
	env = json_object_get(json, "env");
	assert_int_equal(json_object_size(env), 2);
	assert_string_equal(json_string_value(json_object_get(env, "BACKTRACE_DEFAULTS")),
			    "a=b\nc=d");
	json_decref(json);
	fake_done(&fake);
}

static void an_unverified_process_has_no_texts_in_the_note(void **state)
{
	const struct fake_segment segment = { 0x10000, PAGE, PAGE, PF_R };
	cleanup_(csn_buf_done) struct csn_buf out = CSN_BUF_INIT(CSN_MAX_CORESNAP_NOTE);
	struct csn_facts facts = { .uuid = "u" };
	struct fake fake;

	(void)state;
	fake_init(&fake, &segment, 1, NULL, NULL, 0);
	SET_TEXT(&fake.hold, CSN_TEXT_COMM, "somebody-else\n");
	fake.hold.done = CSN_PHASE_OPENED;
	fake.hold.victim.reason = "it died before it was identified";
	assert_int_equal(csn_facts_format(&fake.hold, &facts, &out, NULL), 0);
	assert_null(strstr(out.data, "somebody-else"));
	assert_non_null(strstr(out.data, "\"identity\":\"unverified\""));
	fake_done(&fake);
}

static void containers_are_found_in_cgroup_paths(void **state)
{
#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define OTHER "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210"
#define UID "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"
#define UID_ "0f1e2d3c_4b5a_6978_8796_a5b4c3d2e1f0"
#define HASH "0123456789abcdef0123456789abcdef"
	static const struct {
		const char *cgroup, *container, *runtime, *pod;
	} cases[] = {
		{ "/system.slice/docker-" ID ".scope", ID, "docker", "" },
		{ "/docker/" ID, ID, "docker", "" },
		{ "/docker/" ID "/docker/" OTHER, OTHER, "docker", "" },
		{ "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" UID_
		  ".slice/cri-containerd-" ID ".scope",
		  ID, "containerd", UID },
		{ "/kubepods.slice/kubepods-pod" UID_ ".slice/crio-" ID ".scope", ID, "cri-o",
		  UID },
		{ "/kubepods/burstable/pod" UID "/" ID, ID, "", UID },
		{ "/kubepods/besteffort/pod" HASH "/" ID, ID, "", HASH },
		{ "/system.slice/containerd.service/kubepods-besteffort-pod" UID_
		  ".slice:cri-containerd:" ID,
		  ID, "containerd", UID },
		{ "/docker/" ID "/kubelet/kubepods/pod" UID "/" OTHER, OTHER, "", UID },
		{ "/machine.slice/libpod-" ID ".scope/container", ID, "podman", "" },
		{ "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" ID
		  ".scope/container",
		  ID, "podman", "" },
		{ "/libpod_parent/libpod-" ID, ID, "podman", "" },
		{ "/machine.slice/libpod-conmon-" ID ".scope", "", "", "" },
		{ "/kubepods.slice/kubepods-pod" UID_ ".slice/crio-conmon-" ID ".scope", "", "",
		  UID },
		{ "/default/nerdctl-" ID ".scope", ID, "containerd", "" },
		{ "/lxc.payload.web/init.scope", "web", "lxc", "" },
		{ "/lxc/web/system.slice/ssh.service", "web", "lxc", "" },
		{ "/lxc.monitor.web", "", "", "" },
		{ "/machine.slice/machine-web\\x2dfront.scope", "web-front", "nspawn", "" },
		{ "/machine.slice/systemd-nspawn@web.service/payload", "web", "nspawn", "" },
		{ "/some.slice/unheard-of-" ID ".scope", ID, "", "" },
		{ "/system.slice/ssh.service", "", "", "" },
		{ "/docker/abc", "", "", "" },
		{ "/docker/0123456789AB", "", "", "" },
		{ "/kubepods/podium/pod-" UID, "", "", "" },
		{ "/system.slice/docker-" ID "0.scope", "", "", "" },
		{ "/", "", "", "" },
		{ "", "", "", "" },
	};
	struct csn_container found;
	size_t i;

	(void)state;
	for (i = 0; i < csn_countof(cases); i++) {
		csn_container_find(cases[i].cgroup, &found);
		assert_string_equal(found.id, cases[i].container);
		assert_string_equal(found.runtime ? found.runtime : "", cases[i].runtime);
		assert_string_equal(found.pod_uid, cases[i].pod);
	}
}

static void of_all_hierarchies_the_one_with_the_container_is_told(void **state)
{
	static const struct {
		const char *text, *wanted;
	} cases[] = {
		{ "0::/\n12:pids:/user.slice/user-1000.slice/a-very-long-name-of-a-session/"
		  "and-more/of/"
		  "it/session-1.scope/that/is/longer/than/any/id\n5:memory:/docker/" ID "\n",
		  "\"cgroup\":\"/docker/" ID "\",\"container\":\"" ID
		  "\",\"container_runtime\":\"docker\"" },
		{ "0::/kubepods/pod" UID "/" ID "\n1:name=systemd:/\n",
		  "\"container\":\"" ID "\",\"pod_uid\":\"" UID "\"" },
		{ "0::/system.slice/a.service\n1:cpu:/\n",
		  "\"cgroup\":\"/system.slice/a.service\",\"container\":null" },
		{ "0::/a:b\nno colons\n::\n\n9:x:/docker/" ID "\n",
		  "\"cgroup\":\"/a:b\",\"container\":null" },
	};
	const struct fake_segment segment = { 0x10000, PAGE, PAGE, PF_R };
	size_t i;

	(void)state;
	for (i = 0; i < csn_countof(cases); i++) {
		cleanup_(csn_buf_done) struct csn_buf out = CSN_BUF_INIT(CSN_MAX_CORESNAP_NOTE);
		struct csn_facts facts = { .uuid = "u" };
		struct fake fake;

		fake_init(&fake, &segment, 1, NULL, NULL, 0);
		fake.hold.done = CSN_PHASE_OPENED;
		fake.hold.victim.verified = true;
		set_text(&fake.hold, CSN_TEXT_CGROUP, cases[i].text, strlen(cases[i].text));
		assert_int_equal(csn_facts_format(&fake.hold, &facts, &out, NULL), 0);
		assert_non_null(strstr(csn_buf_text(&out), cases[i].wanted));
		fake_done(&fake);
	}
}

static void leave_late(void *context, int result, const struct csn_error *err)
{
	(void)context;
	_exit(result == -CSN_E_TIMEOUT && err->code == CSN_E_TIMEOUT ? 42 : 1);
}

static void headers_that_never_come_cost_no_more_than_the_deadline(void **state)
{
	struct csn_hold hold = { .request = { .pid = 1, .tid = 1, .pidfd = -1 },
				 .late = leave_late };
	int64_t began = csn_monotonic_ns();
	int ends[2], status;
	pid_t child;

	(void)state;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	hold.core_fd = ends[0];
	hold.began_ns = began;
	hold.deadline_ns = began + 50 * CSN_NS_PER_MS;
	child = fork();
	if (child == 0)
		_exit(csn_hold_take(&hold, NULL) == 0 ? 2 : 3);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 42);
	assert_true(csn_monotonic_ns() - began < 5 * CSN_NS_PER_SECOND);
	close(ends[0]);
	close(ends[1]);
}

static void a_process_that_is_not_dumping_is_not_believed(void **state)
{
	const struct fake_segment segment = { 0x10000, PAGE, PAGE, PF_R | PF_W };
	struct csn_buf core = CSN_BUF_INIT(CSN_MIB);
	struct csn_hold hold = { .request = { .pidfd = -1, .dumpable = 1 } };
	const uint64_t sp = 0x10800;

	(void)state;
	hold.request.pid = hold.request.tid = getpid();
	build_core(&core, &segment, 1, NULL, &sp, 1);
	hold.core_fd = memfd_create("core", MFD_CLOEXEC);
	assert_int_equal(csn_write_full(hold.core_fd, core.data, core.size), 0);
	assert_int_equal(lseek(hold.core_fd, 0, SEEK_SET), 0);
	hold.deadline_ns = csn_monotonic_ns() + 10 * CSN_NS_PER_SECOND;
	assert_int_equal(csn_hold_take(&hold, NULL), 0);
	assert_int_equal(hold.done, CSN_PHASE_OPENED);
	assert_false(hold.victim.verified);
	assert_string_equal(hold.victim.reason, "the process is not dumping core");
	assert_null(hold.texts.items[CSN_TEXT_COMM].data);
	assert_int_equal(hold.memory.n_islands, 0);
	csn_hold_release(&hold);
	csn_victim_close(&hold.victim);
	csn_region_done(&hold.region);
	csn_buf_done(&core);
}

static void the_checksum_is_that_of_gzip(void **state)
{
	(void)state;
	assert_int_equal(csn_crc32("123456789", 9), 0xcbf43926);
	assert_int_equal(csn_crc32("", 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kernel_words_become_a_request),
		cmocka_unit_test(an_old_kernel_leaves_the_pidfd_empty),
		cmocka_unit_test(a_word_that_is_no_number_is_named),
		cmocka_unit_test(headers_that_end_early_are_an_error_at_every_byte),
		cmocka_unit_test(only_what_the_kernel_would_write_is_taken),
		cmocka_unit_test(nothing_is_taken_twice),
		cmocka_unit_test(a_closed_capture_takes_nothing),
		cmocka_unit_test(memory_out_of_reach_is_read_from_the_kernels_stream),
		cmocka_unit_test(stacks_reach_from_below_sp_to_one_mebibyte_above),
		cmocka_unit_test(an_overflowed_stack_is_taken_from_its_mapping),
		cmocka_unit_test(data_bss_and_small_mappings_are_taken_and_large_heaps_are_not),
		cmocka_unit_test(words_on_the_stack_open_windows_and_other_stacks_larger_ones),
		cmocka_unit_test(windows_stop_at_the_budget),
		cmocka_unit_test(the_written_core_covers_every_mapping),
		cmocka_unit_test(notes_only_keeps_the_map_and_no_memory),
		cmocka_unit_test(more_mappings_than_sixteen_bits_count_are_written),
		cmocka_unit_test(proc_texts_become_numbers_under_their_own_names),
		cmocka_unit_test(only_allowed_names_of_the_environment_leave),
		cmocka_unit_test(an_unverified_process_has_no_texts_in_the_note),
		cmocka_unit_test(containers_are_found_in_cgroup_paths),
		cmocka_unit_test(of_all_hierarchies_the_one_with_the_container_is_told),
		cmocka_unit_test(headers_that_never_come_cost_no_more_than_the_deadline),
		cmocka_unit_test(a_process_that_is_not_dumping_is_not_believed),
		cmocka_unit_test(the_checksum_is_that_of_gzip),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
