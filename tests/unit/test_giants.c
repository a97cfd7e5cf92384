#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/limits.h"
#include "capture/whole.h"

#define PAGE 4096ull

/* A child that waits, with pages of which every third was touched. */
static pid_t start_sleeper(uint8_t *memory, size_t n_pages)
{
	pid_t pid = fork();
	size_t i;

	if (pid != 0)
		return pid;
	for (i = 0; i < n_pages; i += 3)
		memset(memory + i * PAGE, (int)(i % 251) + 1, PAGE);
	raise(SIGSTOP);
	_exit(0);
}

static void check_sparse_file(int fd, uint64_t first, size_t n_pages)
{
	uint8_t page[PAGE], wanted[PAGE];
	struct stat status;
	size_t i;

	for (i = 0; i < n_pages; i++) {
		memset(wanted, i % 3 ? 0 : (int)(i % 251) + 1, PAGE);
		assert_int_equal(csn_pread_full(fd, page, PAGE, (off_t)(first + i * PAGE)), PAGE);
		assert_memory_equal(page, wanted, PAGE);
	}
	assert_int_equal(fstat(fd, &status), 0);
	assert_in_range(status.st_blocks * 512, n_pages / 3 * PAGE, n_pages / 2 * PAGE);
}

/* kept: into memory first; else what a machine short of memory does: all of it straight away. */
static void read_whole(bool kept)
{
	const size_t n_pages = 3 * 5000 + 1;
	const uint64_t bytes = n_pages * PAGE, first = 3 * PAGE;
	uint8_t *memory =
		mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct csn_elf_segment segment = { .type = PT_LOAD,
					   .flags = PF_R | PF_W,
					   .address = (uintptr_t)memory,
					   .file_size = bytes,
					   .memory_size = bytes };
	struct csn_prefix prefix = { .segments = &segment, .n_segments = 1 };
	struct csn_victim victim = CSN_VICTIM_INIT;
	pid_t pid = start_sleeper(memory, n_pages);
	struct csn_request request = { .pid = pid, .tid = pid, .pidfd = -1 };
	cleanup_close int fd = memfd_create("core", MFD_CLOEXEC);
	struct csn_whole whole;

	assert_int_equal(waitpid(pid, NULL, WUNTRACED), pid);
	csn_victim_open(&request, &victim);
	csn_whole_init(&whole, &prefix, &victim, pid, csn_monotonic_ns() + 60 * CSN_NS_PER_SECOND);
	if (kept)
		assert_true(csn_whole_read(&whole));
	assert_int_equal(ftruncate(fd, (off_t)(first + bytes)), 0);
	assert_int_equal(csn_whole_write_rest(&whole, fd, first, NULL), 0);
	/* From now on nobody needs it. */
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(csn_whole_write_kept(&whole, fd, first, NULL), 0);
	check_sparse_file(fd, first, n_pages);
	assert_int_equal(whole.read_bytes, (n_pages / 3 + 1) * PAGE);
	assert_int_equal(whole.unreadable_bytes, 0);
	csn_victim_close(&victim);
	munmap(memory, bytes);
}

static void a_whole_process_is_kept_and_written_when_it_is_gone(void **state)
{
	(void)state;
	read_whole(true);
}

static void what_finds_no_room_is_written_while_it_is_read(void **state)
{
	(void)state;
	read_whole(false);
}

static void without_its_note_file_mappings_come_from_proc(void **state)
{
	static const char maps[] =
		"00001000-00003000 r--p 00000000 fe:01 42                         /bin/a b\n"
		"00003000-00004000 rw-p 00000000 00:00 0                          [heap]\n"
		"00000800-00001000 rw-p 00002000 fe:01 7\n"
		"nonsense\n"
		"00005000-00006000 r-xp 00000000 fe:01 43                         /lib/cut";
	struct csn_prefix prefix = { 0 };
	struct csn_region region;

	(void)state;
	assert_int_equal(csn_region_init(&region, CSN_MIB, NULL), 0);
	csn_prefix_take_maps(&prefix, maps, sizeof(maps) - 1, &region);
	assert_int_equal(prefix.n_files, 2);
	assert_false(prefix.has_files);
	assert_string_equal(csn_prefix_find_file(&prefix, 0x2fff)->path, "/bin/a b");
	assert_string_equal(csn_prefix_find_file(&prefix, 0x800)->path, "");
	assert_null(csn_prefix_find_file(&prefix, 0x3000));
	assert_null(csn_prefix_find_file(&prefix, 0x5000));
	csn_region_done(&region);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_its_note_file_mappings_come_from_proc),
		cmocka_unit_test(a_whole_process_is_kept_and_written_when_it_is_gone),
		cmocka_unit_test(what_finds_no_room_is_written_while_it_is_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
