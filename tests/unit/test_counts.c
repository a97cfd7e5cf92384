/* host: ticks are added up once, whatever happens in between. */
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

#include "base/clock.h"
#include "base/io.h"
#include "host/counts.h"
#include "spool/rate.h"
#include "spool/ticks.h"
#include "spool_fixture.h"

#define OBJECT_A "0a000000-0000-0000-0000-000000000000"
#define OBJECT_B "0b000000-0000-0000-0000-000000000000"

static void append(struct fixture *fixture, uint8_t object, uint64_t key, uint32_t count,
		   uint32_t round)
{
	struct csn_tick tick = { .key = key,
				 .object = { object },
				 .time_ns = (1000 + (int64_t)key) * CSN_NS_PER_SECOND,
				 .count = count,
				 .round = round,
				 .signal = 11,
				 .exe = "/bin/looper" };
	struct csn_error err = CSN_ERROR_INIT;

	assert_int_equal(csn_ticks_append(&fixture->spool, &tick, &err), 0);
}

static void note_grown(void *context, const struct csn_count *added)
{
	((struct fixture *)context)->grown += added->count;
}

static uint64_t fold(struct fixture *fixture)
{
	struct csn_error err = CSN_ERROR_INIT;
	uint64_t skipped;

	fixture->grown = 0;
	assert_int_equal(csn_counts_fold(&fixture->spool, note_grown, fixture, &skipped, &err), 0);
	assert_int_equal(skipped, 0);
	return fixture->grown;
}

static struct csn_count next(struct fixture *fixture, const char *after)
{
	struct csn_error err = CSN_ERROR_INIT;
	struct csn_count count = { 0 };
	int r = csn_counts_next(&fixture->spool, after, &count, &err);

	assert_true(r == 0 || r == -CSN_E_NOT_FOUND);
	return count;
}

static void ticks_are_added_up_by_object(void **state)
{
	struct fixture *fixture = *state;
	struct csn_error err = CSN_ERROR_INIT;
	struct csn_count first, second;

	append(fixture, 0x0b, 1, 1, 0);
	append(fixture, 0x0a, 5, 1, 0);
	append(fixture, 0x0a, 2, 1, 0);
	append(fixture, 0, 3, 1, 0);
	assert_int_equal(fold(fixture), 4);
	assert_int_equal(fold(fixture), 0);
	first = next(fixture, "");
	assert_string_equal(first.object, OBJECT_A);
	assert_int_equal(first.count, 2);
	assert_int_equal(first.first_s, 1002);
	assert_int_equal(first.last_s, 1005);
	assert_string_equal(first.exe, "/bin/looper");
	assert_string_equal(next(fixture, first.object).object, OBJECT_B);
	/* Nobody's are not sent. */
	assert_string_equal(next(fixture, OBJECT_B).object, "");
	/* What is on its way does not grow; what comes meanwhile is another batch. */
	append(fixture, 0x0a, 5, 1, 0);
	assert_int_equal(fold(fixture), 1);
	second = next(fixture, "");
	assert_int_equal(second.count, 2);
	assert_string_equal(second.batch, first.batch);
	assert_int_equal(csn_counts_sent(&fixture->spool, OBJECT_A, &err), 0);
	assert_true(csn_counts_wait_for(&fixture->spool, OBJECT_A));
	second = next(fixture, "");
	assert_int_equal(second.count, 1);
	assert_string_not_equal(second.batch, first.batch);
}

static void a_debt_that_was_paid_twice_counts_once(void **state)
{
	struct fixture *fixture = *state;

	append(fixture, 0x0a, 7, 40, 1);
	append(fixture, 0x0a, 7, 1, 0);
	append(fixture, 0x0a, 7, 42, 1); /* the same round, after a kill: two more were owed */
	append(fixture, 0x0a, 8, 3, 1);  /* of another key */
	append(fixture, 0x0a, 7, 5, 2);
	append(fixture, 0x0a, 7, 1, 0);
	assert_int_equal(fold(fixture), 42 + 3 + 5 + 2);
}

static void what_the_ladder_owes_is_paid_when_ticks_are_added_up(void **state)
{
	struct fixture *fixture = *state;
	struct csn_policy policy = { .rate_full = { 0, 600 }, .rate_notes = { 0, 600 } };
	struct csn_rate_time now = { .boot_ns = 1000, .boot = 1 };
	struct csn_rate_answer answer;

	csn_rate_take(&fixture->spool, &policy, 7, 1, now, &answer);
	csn_rate_stored(&fixture->spool, 7, OBJECT_B, true);
	assert_true(csn_rate_owe(&fixture->spool, 7, 1));
	assert_true(csn_rate_owe(&fixture->spool, 7, 2));
	assert_int_equal(fold(fixture), 3);
	assert_int_equal(fold(fixture), 0);
	assert_string_equal(next(fixture, "").object, OBJECT_B);
}

static void a_file_added_before_a_kill_is_not_added_again(void **state)
{
	struct fixture *fixture = *state;
	struct csn_error err = CSN_ERROR_INIT;
	char fold_uuid[CSN_UUID_TEXT], log[CSN_UUID_TEXT + 8], sum[256];
	struct csn_buf bytes = CSN_BUF_INIT(65536);
	int fd = -1, n;

	append(fixture, 0x0a, 1, 1, 0);
	append(fixture, 0x0b, 1, 1, 0);
	assert_int_equal(csn_ticks_close(&fixture->spool, fold_uuid, &fd, &err), 0);
	close(fd);
	/* As if killed behind the first of the two sums. */
	n = snprintf(sum, sizeof(sum),
		     "{\"batch\":\"01000000-0000-4000-8000-000000000000\",\"object\":\"" OBJECT_A
		     "\",\"count\":9,\"first\":1,\"last\":2,\"fold\":\"%s\"}",
		     fold_uuid);
	assert_int_equal(csn_write_file(fixture->spool.ticks_fd, OBJECT_A ".sum", sum, (size_t)n,
					0600, &err),
			 0);
	/* While the file is there nothing is sent. */
	assert_string_equal(next(fixture, "").object, "");
	assert_int_equal(fold(fixture), 1);
	assert_int_equal(next(fixture, "").count, 9);
	assert_int_equal(next(fixture, OBJECT_A).count, 1);
	snprintf(log, sizeof(log), "%s.log", fold_uuid);
	assert_true(csn_read_file(fixture->spool.ticks_fd, log, &bytes, &err) < 0);
	csn_buf_done(&bytes);
}

static void a_count_that_cannot_be_read_is_put_aside(void **state)
{
	struct fixture *fixture = *state;
	struct csn_error err = CSN_ERROR_INIT;
	int fd = fixture->spool.ticks_fd;

	assert_int_equal(csn_write_file(fd, OBJECT_A ".sum", "{\"count\":", 9, 0600, &err), 0);
	assert_int_equal(csn_write_file(fd, OBJECT_B ".out", "{}", 2, 0600, &err), 0);
	append(fixture, 0x0a, 1, 1, 0);
	assert_int_equal(fold(fixture), 1);
	assert_string_equal(next(fixture, "").object, OBJECT_A);
	assert_string_equal(next(fixture, OBJECT_A).object, "");
	assert_int_equal(faccessat(fd, OBJECT_A ".bad", F_OK, 0), 0);
	assert_int_equal(faccessat(fd, OBJECT_B ".bad", F_OK, 0), 0);
}

static void counts_wait_for_their_object_and_go_by_age(void **state)
{
	struct fixture *fixture = *state;
	const struct csn_spool *spool = &fixture->spool;
	struct csn_error err = CSN_ERROR_INIT;

	append(fixture, 0x0a, 1, 1, 0);
	assert_int_equal(fold(fixture), 1);
	assert_int_equal(csn_write_file(spool->stage_fd[CSN_STAGE_SENDING], OBJECT_A, "x", 1, 0600,
					&err),
			 0);
	assert_string_equal(next(fixture, "").object, "");
	assert_int_equal(csn_spool_remove(spool, CSN_STAGE_SENDING, OBJECT_A, &err), 0);
	assert_string_equal(next(fixture, "").object, OBJECT_A);
	fixture->grown = 0;
	csn_counts_purge(spool, csn_realtime_ns() - 60 * CSN_NS_PER_SECOND, note_grown, fixture);
	assert_int_equal(fixture->grown, 0);
	csn_counts_purge(spool, csn_realtime_ns() + 60 * CSN_NS_PER_SECOND, note_grown, fixture);
	assert_int_equal(fixture->grown, 1);
	assert_string_equal(next(fixture, "").object, "");
}

#define WITH_SPOOL(test) cmocka_unit_test_setup_teardown(test, open_fixture, close_fixture)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_SPOOL(ticks_are_added_up_by_object),
		WITH_SPOOL(a_debt_that_was_paid_twice_counts_once),
		WITH_SPOOL(what_the_ladder_owes_is_paid_when_ticks_are_added_up),
		WITH_SPOOL(a_file_added_before_a_kill_is_not_added_again),
		WITH_SPOOL(a_count_that_cannot_be_read_is_put_aside),
		WITH_SPOOL(counts_wait_for_their_object_and_go_by_age),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
