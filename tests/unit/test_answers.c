/* symbols: answers kept on disk. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/limits.h"
#include "base/local_files.h"
#include "folder.h"
#include "symbols/answers.h"

static const uint8_t build_id[3] = { 0xab, 0xcd, 0xef };

struct fixture {
	char folder[FOLDER_MAX], cache[FOLDER_MAX + 8], file[FOLDER_MAX + 24];
	struct csn_local_files files;
	struct csn_opener opener;
	struct csn_answers_key key;
	struct csn_arena *arena;
};

static int open_fixture(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	assert_true(folder_make(fixture->folder));
	snprintf(fixture->cache, sizeof(fixture->cache), "%s/cache", fixture->folder);
	snprintf(fixture->file, sizeof(fixture->file), "%s/abcdef.idx", fixture->cache);
	csn_local_files_init(&fixture->files, fixture->cache);
	fixture->opener = csn_local_files_opener(&fixture->files);
	fixture->key = (struct csn_answers_key){ &fixture->opener, build_id, sizeof(build_id), 7 };
	fixture->arena = csn_arena_new(CSN_MIB);
	*state = fixture;
	return 0;
}

static int close_fixture(void **state)
{
	struct fixture *fixture = *state;

	csn_local_files_done(&fixture->files);
	folder_remove(fixture->folder);
	csn_arena_free(fixture->arena);
	free(fixture);
	return 0;
}

static const struct csn_located_frame two_frames[2] = {
	{ .function = "inner", .path = "a.c", .line = 3, .column = 4 },
	{ .function = "outer()", .has_parameters = true, .path = "a.c", .line = 9 },
};

static void put_symbol(struct csn_answers *index, uint64_t address, const char *raw)
{
	const struct csn_answer answer = {
		.has_symbol = true, .raw = raw, .name = raw, .start = address & ~0xfull, .size = 16
	};

	csn_answers_put(index, address, &answer);
}

static void put_sources(struct csn_answers *index, uint64_t address)
{
	const struct csn_answer answer = {
		.has_sources = true,
		.located = { .frames = two_frames,
			     .n_frames = 2,
			     .has_entry = true,
			     .entry = 0x1000,
			     .callee = { .kind = CSN_CALLEE_NAME, .name = "callee" } },
	};

	csn_answers_put(index, address, &answer);
}

static const struct csn_tail_call two_tails[2] = {
	{ 0x1234, false, { .kind = CSN_CALLEE_ADDRESS, .address = 0x4000 } },
	{ 0x1244, true, { .kind = CSN_CALLEE_NAME, .name = "elsewhere" } },
};

static void put_tails(struct csn_answers *index, uint64_t address)
{
	const struct csn_answer answer = {
		.has_tails = true, .is_function = true, .tails = two_tails, .n_tails = 2
	};

	csn_answers_put(index, address, &answer);
}

/* Saves answers to addresses 0x1008, 0x1018 (nameless) and 0x2000 (symbol only). */
static void save_some(const struct fixture *fixture)
{
	struct csn_answers *index = csn_answers_open(&fixture->key);

	put_symbol(index, 0x2000, "third");
	put_symbol(index, 0x1008, "_Zfirst");
	put_sources(index, 0x1008);
	put_symbol(index, 0x1018, NULL);
	put_tails(index, 0x1008);
	csn_answers_save(index);
	csn_answers_free(index);
}

static void answers_come_back_whole(void **state)
{
	const struct fixture *fixture = *state;
	struct csn_answer answer;
	struct csn_answers *index;

	save_some(fixture);
	index = csn_answers_open(&fixture->key);
	assert_true(csn_answers_find(index, fixture->arena, 0x1008, CSN_ANSWER_ALL, &answer));
	assert_true(answer.has_symbol && answer.has_sources);
	assert_string_equal(answer.raw, "_Zfirst");
	assert_int_equal(answer.start, 0x1000);
	assert_int_equal(answer.size, 16);
	assert_int_equal(answer.located.n_frames, 2);
	assert_string_equal(answer.located.frames[0].function, "inner");
	assert_int_equal(answer.located.frames[0].column, 4);
	assert_false(answer.located.frames[0].has_parameters);
	assert_string_equal(answer.located.frames[1].path, "a.c");
	assert_true(answer.located.frames[1].has_parameters);
	assert_true(answer.located.has_entry);
	assert_int_equal(answer.located.entry, 0x1000);
	assert_int_equal(answer.located.callee.kind, CSN_CALLEE_NAME);
	assert_string_equal(answer.located.callee.name, "callee");
	assert_true(answer.has_tails && answer.is_function);
	assert_int_equal(answer.n_tails, 2);
	assert_int_equal(answer.tails[0].address, 0x1234);
	assert_int_equal(answer.tails[0].callee.address, 0x4000);
	assert_true(answer.tails[1].at_jump && !answer.tails[0].at_jump);
	assert_string_equal(answer.tails[1].callee.name, "elsewhere");
	assert_true(csn_answers_find(index, fixture->arena, 0x1018, CSN_ANSWER_ALL, &answer));
	assert_true(answer.has_symbol && !answer.raw && !answer.has_sources);
	assert_false(csn_answers_find(index, fixture->arena, 0x1009, CSN_ANSWER_ALL, &answer));
	csn_answers_free(index);
}

static void later_answers_join_the_earlier_ones(void **state)
{
	const struct fixture *fixture = *state;
	struct csn_answer answer;
	struct csn_answers *index;

	save_some(fixture);
	index = csn_answers_open(&fixture->key);
	put_sources(index, 0x2000);
	put_symbol(index, 0x1500, "between");
	csn_answers_save(index);
	csn_answers_free(index);
	index = csn_answers_open(&fixture->key);
	for (uint64_t i = 0; i < 4; i++) {
		static const uint64_t addresses[] = { 0x1008, 0x1018, 0x1500, 0x2000 };

		assert_true(csn_answers_find(index, fixture->arena, addresses[i], CSN_ANSWER_ALL,
					     &answer));
		assert_true(answer.has_symbol);
		assert_int_equal(answer.has_sources, i == 0 || i == 3);
	}
	assert_string_equal(answer.raw, "third");
	csn_answers_free(index);
}

static bool knows(const struct fixture *fixture, const struct csn_answers_key *key)
{
	struct csn_answers *index = csn_answers_open(key);
	struct csn_answer answer;
	bool found = csn_answers_find(index, fixture->arena, 0x1008, CSN_ANSWER_ALL, &answer);

	csn_answers_free(index);
	return found;
}

static void other_files_are_not_believed(void **state)
{
	const struct fixture *fixture = *state;
	struct csn_answers_key other = fixture->key;
	uint8_t other_id[3] = { 0xab, 0xcd, 0xee };
	char path[FOLDER_MAX + 24];

	save_some(fixture);
	assert_true(knows(fixture, &fixture->key));
	other.stamp = 8;
	assert_false(knows(fixture, &other));
	other = fixture->key;
	other.build_id = other_id;
	snprintf(path, sizeof(path), "%s/abcdee.idx", fixture->cache);
	assert_int_equal(rename(fixture->file, path), 0);
	assert_false(knows(fixture, &other));
	assert_int_equal(rename(path, fixture->file), 0);
	assert_int_equal(chmod(fixture->file, 0622), 0);
	assert_false(knows(fixture, &fixture->key));
}

static void overwrite(const struct fixture *fixture, const void *data, size_t size_bytes)
{
	cleanup_close int fd = open(fixture->file, O_WRONLY | O_TRUNC | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(csn_write_full(fd, data, size_bytes), 0);
}

static void any_changed_or_missing_byte_is_noticed(void **state)
{
	const struct fixture *fixture = *state;
	cleanup_(csn_buf_done) struct csn_buf whole = CSN_BUF_INIT(CSN_MIB);

	save_some(fixture);
	assert_int_equal(csn_read_file(AT_FDCWD, fixture->file, &whole, NULL), 0);
	for (size_t i = 0; i < whole.size; i++) {
		whole.data[i] ^= 0x10;
		overwrite(fixture, whole.data, whole.size);
		assert_false(knows(fixture, &fixture->key));
		whole.data[i] ^= 0x10;
		assert_int_equal(csn_write_file(AT_FDCWD, fixture->file, whole.data, i, 0600, NULL),
				 0);
		assert_false(knows(fixture, &fixture->key));
	}
	/* What is not believed is made anew. */
	save_some(fixture);
	assert_true(knows(fixture, &fixture->key));
}

static void a_folder_that_cannot_be_written_harms_nobody(void **state)
{
	struct fixture *fixture = *state;
	struct csn_answer answer;
	struct csn_answers *index;

	fixture->files.cache = "/proc/self/cache";
	index = csn_answers_open(&fixture->key);
	put_symbol(index, 0x1008, "first");
	assert_true(csn_answers_find(index, fixture->arena, 0x1008, CSN_ANSWER_ALL, &answer));
	csn_answers_save(index);
	csn_answers_free(index);
}

static void the_oldest_files_go_when_the_folder_is_full(void **state)
{
	const struct fixture *fixture = *state;
	char path[FOLDER_MAX + 24];
	const unsigned n = 5;

	save_some(fixture);
	assert_int_equal(unlink(fixture->file), 0);
	for (unsigned i = 0; i < n; i++) {
		const struct timespec times[2] = { { .tv_sec = 1000 + i }, { .tv_sec = 1000 + i } };
		int fd;

		snprintf(path, sizeof(path), "%s/%06u.idx", fixture->cache, i);
		fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
		assert_true(fd >= 0);
		assert_int_equal(ftruncate(fd, CSN_MAX_ANSWERS_FOLDER / 4), 0);
		assert_int_equal(futimens(fd, times), 0);
		close(fd);
	}
	save_some(fixture);
	assert_true(knows(fixture, &fixture->key));
	for (unsigned i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "%s/%06u.idx", fixture->cache, i);
		/* Three quarters may stay, the new file being one of them. */
		assert_int_equal(access(path, F_OK) == 0, i >= n - 2);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_fixture, close_fixture)
		TEST(answers_come_back_whole),
		TEST(later_answers_join_the_earlier_ones),
		TEST(other_files_are_not_believed),
		TEST(any_changed_or_missing_byte_is_noticed),
		TEST(a_folder_that_cannot_be_written_harms_nobody),
		TEST(the_oldest_files_go_when_the_folder_is_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
