/* spool: limits and shares, the counters' record, the reserve. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "spool/counters.h"
#include "spool/reserve.h"
#include "spool_fixture.h"

static void fill(struct csn_usage *usage, uint32_t uid, unsigned files, uint64_t bytes)
{
	for (; files; files--)
		csn_usage_add(usage, uid, bytes);
}

static enum csn_admission ask(const struct csn_usage *usage, uint32_t uid, bool first,
			      const char *reason)
{
	const struct csn_spool_limits limits = { .bytes = 8000, .files = 80, .share_percent = 25 };
	const char *told = "";
	enum csn_admission admission = csn_usage_admit(usage, &limits, uid, first, &told);

	if (reason)
		assert_string_equal(told, reason);
	else
		assert_null(told);
	return admission;
}

static void below_its_limits_a_spool_admits_all(void **state)
{
	struct csn_usage usage = { 0 };

	(void)state;
	assert_int_equal(ask(&usage, 1, true, NULL), CSN_ADMIT_ALL);
	fill(&usage, 1, 39, 10);
	assert_int_equal(ask(&usage, 1, false, NULL), CSN_ADMIT_ALL);
}

static void at_a_limit_only_the_first_of_a_program_is_taken_whole(void **state)
{
	struct csn_usage files = { 0 }, bytes = { 0 };
	uint32_t uid;

	(void)state;
	for (uid = 10; uid < 20; uid++)
		fill(&files, uid, 8, 1);
	for (uid = 10; uid < 20; uid++)
		fill(&bytes, uid, 1, 800);
	assert_int_equal(ask(&files, 10, false, "spool"), CSN_ADMIT_NOTES);
	assert_int_equal(ask(&files, 10, true, NULL), CSN_ADMIT_ALL);
	assert_int_equal(ask(&bytes, 10, false, "spool"), CSN_ADMIT_NOTES);
	fill(&files, 20, 10, 1);
	fill(&bytes, 20, 1, 1000);
	assert_int_equal(ask(&files, 10, true, "spool"), CSN_ADMIT_COUNT);
	assert_int_equal(ask(&bytes, 10, true, "spool"), CSN_ADMIT_COUNT);
}

static void a_user_has_a_share_of_a_spool_that_is_half_full(void **state)
{
	struct csn_usage usage = { 0 };

	(void)state;
	fill(&usage, 1, 39, 1);
	assert_int_equal(ask(&usage, 1, false, NULL), CSN_ADMIT_ALL);
	fill(&usage, 2, 1, 1);
	/* 39 of 20: far beyond. */
	assert_int_equal(ask(&usage, 1, true, "share"), CSN_ADMIT_COUNT);
	assert_int_equal(ask(&usage, 2, false, NULL), CSN_ADMIT_ALL);
	assert_int_equal(ask(&usage, 3, false, NULL), CSN_ADMIT_ALL);
	fill(&usage, 2, 20, 1);
	assert_int_equal(ask(&usage, 2, true, "share"), CSN_ADMIT_NOTES);
}

static void no_limit_is_no_limit(void **state)
{
	const struct csn_spool_limits limits = { .share_percent = 25 };
	struct csn_usage usage = { 0 };
	const char *reason;

	(void)state;
	fill(&usage, 1, 100000, 1ull << 40);
	assert_int_equal(csn_usage_admit(&usage, &limits, 1, false, &reason), CSN_ADMIT_ALL);
}

static void users_beyond_the_table_share_a_place(void **state)
{
	struct csn_usage usage = { 0 };
	uint32_t uid;

	(void)state;
	for (uid = 0; uid < 3 * CSN_USAGE_USERS; uid++)
		csn_usage_add(&usage, uid, 1);
	assert_int_equal(usage.files, 3 * CSN_USAGE_USERS);
	assert_int_equal(usage.n_users, CSN_USAGE_USERS);
	assert_int_equal(usage.users[CSN_USAGE_USERS - 1].files, 2 * CSN_USAGE_USERS + 1);
}

static void counts_of_many_processes_are_exact(void **state)
{
	struct fixture *fixture = *state;
	struct csn_counters counters;
	struct csn_error err;
	int child, i, status;

	for (child = 0; child < 8; child++) {
		if (fork() == 0) {
			struct csn_counting count = { .stored = true, .stored_uid = 7 };
			bool restarted;

			count.stored_bytes = 10;
			count.add[CSN_COUNT_SEEN] = 1;
			for (i = 0; i < 500; i++)
				if (csn_counters_add(&fixture->spool, &count, &restarted, &err) < 0)
					_exit(1);
			_exit(0);
		}
	}
	while (wait(&status) > 0)
		assert_int_equal(status, 0);
	assert_int_equal(csn_counters_read(&fixture->spool, &counters, &err), 0);
	assert_int_equal(counters.values[CSN_COUNT_SEEN], 4000);
	assert_int_equal(counters.usage.files, 4000);
	assert_int_equal(counters.usage.users[0].bytes, 40000);
}

static void damaged_counters_begin_again_and_say_so(void **state)
{
	struct fixture *fixture = *state;
	struct csn_counting count = { 0 };
	struct csn_counters counters;
	struct csn_error err;
	cleanup_close int fd = -1;
	bool restarted;

	count.add[CSN_COUNT_SEEN] = 5;
	assert_int_equal(csn_counters_read(&fixture->spool, &counters, &err), -CSN_E_NOT_FOUND);
	assert_int_equal(csn_counters_add(&fixture->spool, &count, &restarted, &err), 0);
	assert_false(restarted);
	fd = openat(fixture->spool.beside_fd, "counters", O_RDWR | O_CLOEXEC);
	assert_int_equal(pwrite(fd, "x", 1, 100), 1);
	assert_int_equal(csn_counters_read(&fixture->spool, &counters, &err), -CSN_E_FORMAT);
	assert_int_equal(csn_counters_add(&fixture->spool, &count, &restarted, &err), 0);
	assert_true(restarted);
	assert_int_equal(csn_counters_read(&fixture->spool, &counters, &err), 0);
	assert_int_equal(counters.values[CSN_COUNT_SEEN], 5);
	assert_int_equal(counters.values[CSN_COUNT_RESTARTED], 1);
	assert_int_equal(ftruncate(fd, 10), 0);
	assert_int_equal(csn_counters_add(&fixture->spool, &count, &restarted, &err), 0);
	assert_true(restarted);
}

static void counters_that_are_no_file_of_ours_are_left_alone(void **state)
{
	struct fixture *fixture = *state;
	struct csn_counting count = { 0 };
	struct csn_error err;
	char victim[128];
	struct stat status;
	cleanup_close int fd = -1;
	bool restarted;

	snprintf(victim, sizeof(victim), "%s/victim", fixture->folder);
	fd = open(victim, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(symlinkat(victim, fixture->spool.beside_fd, "counters"), 0);
	assert_true(csn_counters_add(&fixture->spool, &count, &restarted, &err) < 0);
	assert_int_equal(unlinkat(fixture->spool.beside_fd, "counters", 0), 0);
	assert_int_equal(linkat(AT_FDCWD, victim, fixture->spool.beside_fd, "counters", 0), 0);
	assert_int_equal(csn_counters_add(&fixture->spool, &count, &restarted, &err),
			 -CSN_E_DENIED);
	assert_int_equal(fstat(fd, &status), 0);
	assert_int_equal(status.st_size, 0);
}

static void a_stopped_process_with_the_lock_costs_a_second(void **state)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	struct fixture *fixture = *state;
	struct csn_counting count = { 0 };
	struct csn_error err;
	cleanup_close int fd = -1;
	int64_t began_ns;
	bool restarted;

	assert_int_equal(csn_counters_add(&fixture->spool, &count, &restarted, &err), 0);
	fd = openat(fixture->spool.beside_fd, "counters", O_RDWR | O_CLOEXEC);
	assert_int_equal(fcntl(fd, F_OFD_SETLK, &lock), 0);
	began_ns = csn_monotonic_ns();
	assert_int_equal(csn_counters_add(&fixture->spool, &count, &restarted, &err),
			 -CSN_E_TIMEOUT);
	assert_true(csn_monotonic_ns() - began_ns < 5 * CSN_NS_PER_SECOND);
}

static void held_times_fall_into_their_buckets(void **state)
{
	struct csn_counting count = { 0 };

	(void)state;
	csn_count_held(&count, 1 * CSN_NS_PER_MS);
	csn_count_held(&count, 1 * CSN_NS_PER_MS + 1);
	csn_count_held(&count, 60 * CSN_NS_PER_SECOND);
	assert_int_equal(count.add[CSN_COUNT_HELD], 1);
	assert_int_equal(count.add[CSN_COUNT_HELD + 1], 1);
	assert_int_equal(count.add[CSN_COUNT_HELD_LAST], 1);
}

static void the_reserve_is_given_up_piece_by_piece_and_made_again(void **state)
{
	struct fixture *fixture = *state;
	struct csn_error err;
	unsigned i;

	assert_int_equal(csn_reserve_count(&fixture->spool), 0);
	assert_false(csn_reserve_release(&fixture->spool));
	assert_int_equal(csn_reserve_make(&fixture->spool, &err), 0);
	for (i = CSN_RESERVE_PIECES; i > 0; i--) {
		assert_int_equal(csn_reserve_count(&fixture->spool), i);
		assert_true(csn_reserve_release(&fixture->spool));
	}
	assert_false(csn_reserve_release(&fixture->spool));
	assert_int_equal(csn_reserve_make(&fixture->spool, &err), 0);
	assert_int_equal(csn_reserve_count(&fixture->spool), CSN_RESERVE_PIECES);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_fixture, close_fixture)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(below_its_limits_a_spool_admits_all),
		cmocka_unit_test(at_a_limit_only_the_first_of_a_program_is_taken_whole),
		cmocka_unit_test(a_user_has_a_share_of_a_spool_that_is_half_full),
		cmocka_unit_test(no_limit_is_no_limit),
		cmocka_unit_test(users_beyond_the_table_share_a_place),
		cmocka_unit_test(held_times_fall_into_their_buckets),
		TEST(counts_of_many_processes_are_exact),
		TEST(damaged_counters_begin_again_and_say_so),
		TEST(counters_that_are_no_file_of_ours_are_left_alone),
		TEST(a_stopped_process_with_the_lock_costs_a_second),
		TEST(the_reserve_is_given_up_piece_by_piece_and_made_again),
	};

	return cmocka_run_group_tests_name("spool_disk", tests, NULL, NULL);
}
