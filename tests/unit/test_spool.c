/* spool: folders, objects, locks, quota, policy record, crash-loop ladder, core notes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/limits.h"
#include "spool/core_identity.h"
#include "spool/core_note.h"
#include "spool/policy.h"
#include "spool/rate.h"
#include "spool/spool.h"
#include "spool/ticks.h"
#include "spool_fixture.h"

#define UUID_A "3d22c19c-09c0-4000-8000-000000000001"
#define UUID_B "3d22c19c-09c0-4000-8000-000000000002"

static void put(struct fixture *fixture, enum csn_stage stage, const char *uuid, int64_t mtime)
{
	const struct timespec times[2] = { { .tv_sec = mtime }, { .tv_sec = mtime } };
	struct csn_error err = CSN_ERROR_INIT;

	assert_int_equal(csn_write_file(fixture->spool.stage_fd[stage], uuid, "abc", 3, 0600, &err),
			 0);
	assert_int_equal(utimensat(fixture->spool.stage_fd[stage], uuid, times, 0), 0);
}

static void folders_are_closed_to_others(void **state)
{
	struct fixture *fixture = *state;
	struct stat status;
	size_t i;

	assert_int_equal(fstat(fixture->spool.dir_fd, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0700);
	for (i = 0; i < CSN_N_STAGES; i++) {
		assert_int_equal(fstat(fixture->spool.stage_fd[i], &status), 0);
		assert_int_equal(status.st_mode & 0777, 0700);
	}
}

static void a_folder_that_is_a_symlink_or_open_to_others_is_refused(void **state)
{
	struct fixture *fixture = *state;
	struct csn_error err = CSN_ERROR_INIT;
	struct csn_spool spool;
	char path[192];

	snprintf(path, sizeof(path), "%s/pending", fixture->archive);
	assert_int_equal(chmod(path, 0722), 0);
	assert_int_equal(csn_spool_open(fixture->archive, &spool, &err), -CSN_E_DENIED);
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(symlink("/tmp", path), 0);
	assert_true(csn_spool_open(fixture->archive, &spool, &err) < 0);
}

static void listing_is_oldest_first_and_ignores_foreign_names(void **state)
{
	cleanup_(csn_spool_list_done) struct csn_spool_list list = { 0 };
	struct fixture *fixture = *state;
	struct csn_error err = CSN_ERROR_INIT;

	put(fixture, CSN_STAGE_SENDING, UUID_A, 2000);
	put(fixture, CSN_STAGE_SENDING, UUID_B, 1000);
	put(fixture, CSN_STAGE_SENDING, "notes.txt", 500);
	assert_int_equal(mkdirat(fixture->spool.stage_fd[CSN_STAGE_SENDING],
				 "3d22c19c-09c0-4000-8000-000000000003", 0700),
			 0);
	assert_int_equal(csn_spool_list(&fixture->spool, CSN_STAGE_SENDING, &list, &err), 0);
	assert_int_equal(list.count, 2);
	assert_string_equal(list.items[0].uuid, UUID_B);
	assert_string_equal(list.items[1].uuid, UUID_A);
	assert_int_equal(list.items[0].size_bytes, 3);
}

static void a_prefix_finds_one_object_or_says_why_not(void **state)
{
	struct fixture *fixture = *state;
	struct csn_error err = CSN_ERROR_INIT;
	struct csn_spool_object object;

	put(fixture, CSN_STAGE_PENDING, UUID_A, 1);
	assert_int_equal(csn_spool_find(&fixture->spool, CSN_STAGE_PENDING, "3d22c19c", &object,
					&err),
			 0);
	assert_string_equal(object.uuid, UUID_A);
	assert_int_equal(csn_spool_find(&fixture->spool, CSN_STAGE_PENDING, "ffff", &object, &err),
			 -CSN_E_NOT_FOUND);
	assert_int_equal(csn_spool_find(&fixture->spool, CSN_STAGE_PENDING, "3d2", &object, &err),
			 -CSN_E_USAGE);
	put(fixture, CSN_STAGE_PENDING, UUID_B, 1);
	assert_int_equal(csn_spool_find(&fixture->spool, CSN_STAGE_PENDING, "3d22", &object, &err),
			 -CSN_E_USAGE);
}

static void an_object_is_locked_by_one_process_only(void **state)
{
	struct fixture *fixture = *state;
	struct csn_error err = CSN_ERROR_INIT;
	cleanup_close int first = -1;
	cleanup_close int second = -1;

	put(fixture, CSN_STAGE_PENDING, UUID_A, 1);
	assert_int_equal(csn_spool_lock(&fixture->spool, CSN_STAGE_PENDING, UUID_A, &first, &err),
			 0);
	assert_int_equal(csn_spool_lock(&fixture->spool, CSN_STAGE_PENDING, UUID_A, &second, &err),
			 -CSN_E_DENIED);
	close(csn_take_fd(first));
	assert_int_equal(csn_spool_lock(&fixture->spool, CSN_STAGE_PENDING, UUID_A, &second, &err),
			 0);
}

static void moving_and_removing_tolerate_what_is_gone(void **state)
{
	struct fixture *fixture = *state;
	const struct csn_spool *spool = &fixture->spool;
	struct csn_error err = CSN_ERROR_INIT;
	cleanup_close int fd = -1;

	put(fixture, CSN_STAGE_PENDING, UUID_A, 1);
	assert_int_equal(csn_spool_move(spool, CSN_STAGE_PENDING, CSN_STAGE_KEPT, UUID_A, &err), 0);
	assert_false(csn_spool_has(spool, CSN_STAGE_PENDING, UUID_A));
	assert_true(csn_spool_has(spool, CSN_STAGE_KEPT, UUID_A));
	assert_int_equal(csn_spool_move(spool, CSN_STAGE_PENDING, CSN_STAGE_KEPT, UUID_A, &err), 0);
	assert_int_equal(csn_spool_remove(spool, CSN_STAGE_KEPT, UUID_A, &err), 0);
	assert_int_equal(csn_spool_remove(spool, CSN_STAGE_KEPT, UUID_A, &err), 0);
	assert_int_equal(csn_spool_make_assets(spool, UUID_A, &fd, &err), 0);
	assert_int_equal(csn_write_file(fd, "build-id", "x", 1, 0600, &err), 0);
	assert_true(csn_spool_has_assets(spool, UUID_A));
	assert_int_equal(csn_spool_remove_assets(spool, UUID_A, &err), 0);
	assert_false(csn_spool_has_assets(spool, UUID_A));
	assert_int_equal(csn_spool_remove_assets(spool, UUID_A, &err), 0);
}

static void the_log_is_moved_away_past_one_mebibyte(void **state)
{
	struct fixture *fixture = *state;
	struct csn_error err = CSN_ERROR_INIT;
	struct stat status;
	int fd;

	assert_int_equal(csn_spool_open_log(&fixture->spool, &fd, &err), 0);
	assert_int_equal(ftruncate(fd, (off_t)CSN_MIB + 1), 0);
	close(fd);
	assert_int_equal(csn_spool_open_log(&fixture->spool, &fd, &err), 0);
	assert_int_equal(fstat(fd, &status), 0);
	assert_int_equal(status.st_size, 0);
	assert_int_equal(status.st_mode & 0777, 0640);
	close(fd);
	assert_int_equal(fstatat(fixture->spool.beside_fd, "log.1", &status, 0), 0);
}

static void quota_is_rounded_up_to_the_next_block(void **state)
{
	const struct csn_quota tenth = { .permyriad = 1000 }, fixed = { .bytes = 5000 };

	(void)state;
	assert_int_equal(csn_quota_threshold(&tenth, 100000, 4096), 3 * 4096);
	assert_int_equal(csn_quota_threshold(&tenth, 40960, 4096), 4096);
	assert_int_equal(csn_quota_threshold(&tenth, 40970, 4096), 2 * 4096);
	assert_int_equal(csn_quota_threshold(&fixed, 1, 4096), 2 * 4096);
	assert_int_equal(csn_quota_threshold(&tenth, UINT64_MAX, 1), UINT64_MAX / 10);
}

static void policy_comes_back_as_it_was_written(void **state)
{
	struct fixture *fixture = *state;
	struct csn_error err = CSN_ERROR_INIT;
	struct csn_policy written, read = { 0 };
	char path[128];

	csn_policy_init(&written, "/some/root");
	written.uid = getuid();
	written.mode = CSN_POLICY_AUTO;
	written.budget_bytes = 1ull << 40;
	written.quota = (struct csn_quota){ .permyriad = 250, .bytes = 77 };
	written.rate_notes = (struct csn_rate_limit){ 3, 4 };
	written.limits.files = 99;
	snprintf(path, sizeof(path), "%s/policy", fixture->folder);
	assert_int_equal(csn_policy_write(path, &written, &err), 0);
	assert_int_equal(csn_policy_read(path, &read, &err), 0);
	assert_string_equal(read.archive, "/some/root/var/coresnap/archive");
	assert_int_equal(read.mode, CSN_POLICY_AUTO);
	assert_true(read.budget_bytes == 1ull << 40);
	assert_int_equal(read.quota.permyriad, 250);
	assert_int_equal(read.quota.bytes, 77);
	assert_int_equal(read.rate_full.count, 100);
	assert_int_equal(read.rate_notes.seconds, 4);
	assert_int_equal(read.limits.files, 99);
	assert_int_equal(read.limits.share_percent, 25);
}

static void a_torn_policy_is_refused(void **state)
{
	struct fixture *fixture = *state;
	struct csn_error err = CSN_ERROR_INIT;
	struct csn_policy policy;
	char path[128];
	int fd;

	csn_policy_init(&policy, "");
	policy.uid = getuid();
	snprintf(path, sizeof(path), "%s/policy", fixture->folder);
	assert_int_equal(csn_policy_write(path, &policy, &err), 0);
	fd = open(path, O_RDWR);
	assert_int_equal(csn_pwrite_full(fd, "X", 1, 600), 0);
	assert_int_equal(csn_policy_read(path, &policy, &err), -CSN_E_FORMAT);
	assert_int_equal(ftruncate(fd, 100), 0);
	assert_int_equal(csn_policy_read(path, &policy, &err), -CSN_E_FORMAT);
	close(fd);
}

static void a_policy_of_another_user_is_refused(void **state)
{
	struct fixture *fixture = *state;
	struct csn_error err = CSN_ERROR_INIT;
	struct csn_policy policy;
	char path[128];

	csn_policy_init(&policy, "");
	policy.uid = getuid();
	snprintf(path, sizeof(path), "%s/policy", fixture->folder);
	assert_int_equal(csn_policy_write(path, &policy, &err), 0);
	assert_int_equal(chmod(path, 0666), 0);
	assert_int_equal(csn_policy_read(path, &policy, &err), -CSN_E_DENIED);
	if (getuid() != 0) {
		print_message("# only root can give the file to somebody else\n");
		return;
	}
	assert_int_equal(chmod(path, 0644), 0);
	assert_int_equal(chown(path, 12345, 12345), 0);
	assert_int_equal(csn_policy_read(path, &policy, &err), -CSN_E_DENIED);
}

static void the_helper_finds_the_policy_of_its_installation(void **state)
{
	struct fixture *fixture = *state;
	struct csn_error err = CSN_ERROR_INIT;
	struct csn_policy policy, found;
	char path[128], self[192];

	csn_policy_init(&policy, fixture->folder);
	policy.uid = getuid();
	policy.files_bytes = 4242;
	snprintf(path, sizeof(path), "%s/var/coresnap/policy", fixture->folder);
	assert_int_equal(csn_policy_write(path, &policy, &err), 0);
	snprintf(self, sizeof(self), "%s/opt/backtrace/sbin/coresnap-archive", fixture->folder);
	assert_int_equal(csn_policy_find(self, &found, &err), 0);
	assert_int_equal(found.files_bytes, 4242);
	snprintf(self, sizeof(self), "%s/var/coresnap/a", fixture->folder);
	assert_int_equal(csn_policy_find(self, &found, &err), 0);
	assert_int_equal(found.files_bytes, 4242);
	assert_true(csn_policy_find("/nowhere/opt/backtrace/sbin/coresnap-archive", &found, &err) <
		    0);
	assert_string_equal(found.archive, "/nowhere/var/coresnap/archive");
}

static enum csn_rate_step ask(struct fixture *fixture, const struct csn_policy *policy,
			      uint64_t key, struct csn_rate_time now)
{
	struct csn_rate_answer answer;

	csn_rate_take(&fixture->spool, policy, key, 1, now, &answer);
	return answer.step;
}

static void the_ladder_goes_from_whole_to_notes_to_ticks_and_back(void **state)
{
	struct fixture *fixture = *state;
	struct csn_policy policy = {
		.rate_full = { 2, 10 },
		.rate_notes = { 1, 100 },
	};
	uint64_t key = csn_rate_key(1, 2, 3, 4);
	struct csn_rate_time now = { .boot_ns = 1000 * CSN_NS_PER_SECOND, .boot = 7 };
	struct csn_rate_answer answer;

	assert_int_equal(ask(fixture, &policy, key, now), CSN_RATE_FULL);
	assert_int_equal(ask(fixture, &policy, key, now), CSN_RATE_FULL);
	assert_int_equal(ask(fixture, &policy, key, now), CSN_RATE_NOTES);
	assert_int_equal(ask(fixture, &policy, key, now), CSN_RATE_TICK);
	csn_rate_take(&fixture->spool, &policy, key, 1, now, &answer);
	assert_int_equal(answer.step, CSN_RATE_TICK);
	assert_int_equal(answer.ticks, 2);
	assert_int_equal(ask(fixture, &policy, key + 1, now), CSN_RATE_FULL);
	now.boot_ns += 11 * CSN_NS_PER_SECOND;
	assert_int_equal(ask(fixture, &policy, key, now), CSN_RATE_FULL);
	policy.rate_disabled = true;
	assert_int_equal(ask(fixture, &policy, key, now), CSN_RATE_FULL);
}

static void the_ladder_starts_anew_with_the_machine(void **state)
{
	struct fixture *fixture = *state;
	struct csn_policy policy = { .rate_full = { 1, 600 }, .rate_notes = { 1, 600 } };
	struct csn_rate_time now = { .boot_ns = 1000, .boot = 1 };

	assert_int_equal(ask(fixture, &policy, 5, now), CSN_RATE_FULL);
	assert_int_equal(ask(fixture, &policy, 5, now), CSN_RATE_NOTES);
	assert_int_equal(ask(fixture, &policy, 5, now), CSN_RATE_TICK);
	now.boot = 2;
	assert_int_equal(ask(fixture, &policy, 5, now), CSN_RATE_FULL);
	assert_int_equal(ask(fixture, &policy, 5, now), CSN_RATE_NOTES);
	assert_int_equal(ask(fixture, &policy, 5, now), CSN_RATE_TICK);
	/* A time before the window's start belongs to no window. */
	now.boot_ns = 10;
	assert_int_equal(ask(fixture, &policy, 5, now), CSN_RATE_FULL);
}

static void many_programs_of_one_user_share_a_limit(void **state)
{
	struct fixture *fixture = *state;
	struct csn_policy policy = { .rate_full = { 1, 600 }, .rate_notes = { 1, 600 } };
	struct csn_rate_time now = { .boot_ns = 1000, .boot = 1 };
	struct csn_rate_answer answer;
	unsigned steps[CSN_RATE_TICK + 1] = { 0 };
	uint64_t key;

	/* Many more than the table holds. */
	for (key = 1; key <= 3000; key++, now.boot_ns++) {
		csn_rate_take(&fixture->spool, &policy, key * 1000003, 1000, now, &answer);
		steps[answer.step]++;
	}
	assert_int_equal(steps[CSN_RATE_FULL], CSN_RATE_USER_SHARE);
	assert_int_equal(steps[CSN_RATE_NOTES], CSN_RATE_USER_SHARE);
	assert_int_equal(steps[CSN_RATE_TICK], 3000 - 2 * CSN_RATE_USER_SHARE);
	csn_rate_take(&fixture->spool, &policy, 7, 1001, now, &answer);
	assert_int_equal(answer.step, CSN_RATE_FULL);
}

/* Whatever the others of its user do. */
static void the_first_crash_of_a_new_build_is_always_whole(void **state)
{
	struct fixture *fixture = *state;
	struct csn_policy policy = { .rate_full = { 5, 600 }, .rate_notes = { 5, 600 } };
	struct csn_rate_time now = { .boot_ns = 1000, .boot = 1 };
	const uint64_t fresh = 77;
	uint64_t key;
	unsigned i;

	/* Loops that use up all that the user may have: thirteen times four and the first ones. */
	for (key = 1; key <= CSN_RATE_USER_SHARE + 3; key++)
		for (i = 0; i < 10; i++, now.boot_ns++)
			(void)ask(fixture, &policy, key * 1000003, now);
	assert_int_equal(ask(fixture, &policy, fresh, now), CSN_RATE_FULL);
	assert_int_not_equal(ask(fixture, &policy, fresh, now), CSN_RATE_FULL);
}

static bool keep_debt(void *context, const struct csn_rate_debt *debt)
{
	*(struct csn_rate_debt *)context = *debt;
	return true;
}

static void a_full_ladder_sends_away_the_quietest_and_none_that_owes(void **state)
{
	struct fixture *fixture = *state;
	struct csn_policy policy = { .rate_full = { 1, 600 }, .rate_notes = { 0, 600 } };
	struct csn_rate_time now = { .boot_ns = 1000, .boot = 1 };
	struct csn_rate_debt debt = { 0 };
	uint64_t i;

	/* One group of buckets: keys that differ by the number of groups. */
	for (i = 0; i < 8; i++, now.boot_ns++)
		assert_int_equal(ask(fixture, &policy, 128 * (i + 1), now), CSN_RATE_FULL);
	assert_int_equal(ask(fixture, &policy, 128, now), CSN_RATE_TICK);
	assert_true(csn_rate_owe(&fixture->spool, 256, 3));
	now.boot_ns++;
	assert_int_equal(ask(fixture, &policy, 128 * 9, now), CSN_RATE_FULL);
	/* 384 was the quietest that owed nothing. */
	assert_int_equal(ask(fixture, &policy, 256, now), CSN_RATE_TICK);
	csn_rate_settle(&fixture->spool, keep_debt, &debt);
	assert_int_equal(debt.key, 256);
	assert_int_equal(debt.count, 3);
	debt.key = 0;
	csn_rate_settle(&fixture->spool, keep_debt, &debt);
	assert_int_equal(debt.key, 0);
	assert_int_equal(ask(fixture, &policy, 128, now), CSN_RATE_TICK);
	assert_false(csn_rate_owe(&fixture->spool, 384, 1));
	assert_int_equal(ask(fixture, &policy, 384, now), CSN_RATE_FULL);
}

static void ticks_belong_to_the_last_crash_that_was_stored_whole(void **state)
{
	struct fixture *fixture = *state;
	struct csn_policy policy = { .rate_full = { 1, 600 }, .rate_notes = { 0, 600 } };
	struct csn_rate_time now = { .boot_ns = 1000, .boot = 1 };
	static const uint8_t none[16];
	struct csn_rate_answer answer;

	assert_int_equal(ask(fixture, &policy, 5, now), CSN_RATE_FULL);
	csn_rate_take(&fixture->spool, &policy, 5, 1, now, &answer);
	assert_memory_equal(answer.object, none, sizeof(none));
	csn_rate_stored(&fixture->spool, 5, "01000000-0000-4000-8000-000000000000", false);
	csn_rate_take(&fixture->spool, &policy, 5, 1, now, &answer);
	assert_int_equal(answer.object[0], 1);
	csn_rate_stored(&fixture->spool, 5, "02000000-0000-4000-8000-000000000000", true);
	csn_rate_stored(&fixture->spool, 5, "03000000-0000-4000-8000-000000000000", false);
	csn_rate_take(&fixture->spool, &policy, 5, 1, now, &answer);
	assert_int_equal(answer.object[0], 2);
}

static void a_ladder_that_is_not_ours_is_left_alone(void **state)
{
	struct fixture *fixture = *state;
	struct csn_policy policy = { .rate_full = { 1, 600 }, .rate_notes = { 0, 600 } };
	struct csn_rate_time now = { .boot_ns = 1000, .boot = 1 };
	struct csn_error err = CSN_ERROR_INIT;
	int fd = fixture->spool.beside_fd;
	struct stat status;

	assert_int_equal(csn_write_file(fd, "precious", "x", 1, 0600, &err), 0);
	assert_int_equal(linkat(fd, "precious", fd, "rate", 0), 0);
	assert_int_equal(ask(fixture, &policy, 5, now), CSN_RATE_FULL);
	assert_int_equal(ask(fixture, &policy, 5, now), CSN_RATE_FULL);
	assert_int_equal(fstatat(fd, "precious", &status, 0), 0);
	assert_int_equal(status.st_size, 1);
}

static struct csn_tick make_tick(uint64_t key, uint32_t count)
{
	return (struct csn_tick){ .key = key,
				  .object = { 0xab, 0xcd },
				  .time_ns = 1234567890123456789,
				  .count = count,
				  .signal = 11,
				  .uid = 1000,
				  .exe = "/usr/bin/a program" };
}

/* Closes and reads; returns the records and the bytes that were none. */
static size_t read_ticks(struct fixture *fixture, char uuid[CSN_UUID_TEXT], struct csn_tick *ticks,
			 size_t max, uint64_t *ret_skipped)
{
	struct csn_buf bytes = CSN_BUF_INIT(65536);
	struct csn_error err = CSN_ERROR_INIT;
	struct csn_span span;
	size_t n = 0;
	int fd = -1;

	assert_int_equal(csn_ticks_close(&fixture->spool, uuid, &fd, &err), 0);
	if (fd < 0)
		return 0;
	assert_int_equal(csn_read_fd(fd, "log", &bytes, &err), 0);
	span = csn_span_of(bytes.data, bytes.size);
	*ret_skipped = 0;
	while (n < max && csn_ticks_next(&span, &ticks[n], ret_skipped))
		n++;
	csn_buf_done(&bytes);
	close(fd);
	return n;
}

static void ticks_come_back_as_they_were_appended(void **state)
{
	struct fixture *fixture = *state;
	struct csn_tick written = make_tick(7, 1), read[4];
	struct csn_error err = CSN_ERROR_INIT;
	char uuid[CSN_UUID_TEXT], again[CSN_UUID_TEXT];
	uint64_t skipped;

	assert_int_equal(read_ticks(fixture, uuid, read, 4, &skipped), 0);
	assert_int_equal(csn_ticks_waiting(&fixture->spool), 0);
	assert_int_equal(csn_ticks_append(&fixture->spool, &written, &err), 0);
	memset(written.exe, 'y', sizeof(written.exe));
	written.count = 5;
	assert_int_equal(csn_ticks_append(&fixture->spool, &written, &err), 0);
	assert_int_equal(csn_ticks_waiting(&fixture->spool), 2 * CSN_TICK_BYTES);
	assert_int_equal(read_ticks(fixture, uuid, read, 4, &skipped), 2);
	assert_int_equal(skipped, 0);
	assert_int_equal(read[0].key, 7);
	assert_int_equal(read[0].object[1], 0xcd);
	assert_true(read[0].time_ns == written.time_ns);
	assert_int_equal(read[0].signal, 11);
	assert_int_equal(read[0].uid, 1000);
	assert_string_equal(read[0].exe, "/usr/bin/a program");
	assert_int_equal(read[1].count, 5);
	assert_int_equal(strlen(read[1].exe), CSN_TICK_EXE_MAX - 1);
	/* Until it is forgotten the same file is given again, and new records go to a new one. */
	assert_int_equal(csn_ticks_append(&fixture->spool, &written, &err), 0);
	assert_int_equal(read_ticks(fixture, again, read, 4, &skipped), 2);
	assert_string_equal(again, uuid);
	assert_int_equal(csn_ticks_forget(&fixture->spool, uuid, &err), 0);
	assert_int_equal(read_ticks(fixture, again, read, 4, &skipped), 1);
	assert_string_not_equal(again, uuid);
}

static void what_is_no_tick_is_passed_over(void **state)
{
	struct fixture *fixture = *state;
	struct csn_tick tick = make_tick(7, 1), read[4];
	struct csn_error err = CSN_ERROR_INIT;
	char uuid[CSN_UUID_TEXT];
	uint64_t skipped;
	int fd;

	assert_int_equal(csn_ticks_append(&fixture->spool, &tick, &err), 0);
	fd = openat(fixture->spool.ticks_fd, "new", O_RDWR | O_APPEND);
	/* Torn in the middle, then garbage that looks like a beginning. */
	assert_int_equal(csn_ticks_append(&fixture->spool, &tick, &err), 0);
	assert_int_equal(ftruncate(fd, CSN_TICK_BYTES + 100), 0);
	assert_int_equal(csn_write_full(fd, "CSNTICK\0 CCC", 12), 0);
	assert_int_equal(csn_ticks_append(&fixture->spool, &tick, &err), 0);
	/* A bit flipped in one that is whole. */
	assert_int_equal(csn_ticks_append(&fixture->spool, &tick, &err), 0);
	assert_int_equal(csn_ticks_append(&fixture->spool, &tick, &err), 0);
	close(fd);
	fd = openat(fixture->spool.ticks_fd, "new", O_RDWR);
	assert_int_equal(csn_pwrite_full(fd, "?", 1, 2 * CSN_TICK_BYTES + 112 + 50), 0);
	close(fd);
	assert_int_equal(read_ticks(fixture, uuid, read, 4, &skipped), 3);
	assert_int_equal(skipped, 112 + CSN_TICK_BYTES);
}

static void a_file_that_is_written_to_is_not_closed_yet(void **state)
{
	struct fixture *fixture = *state;
	struct csn_tick tick = make_tick(7, 1);
	struct csn_error err = CSN_ERROR_INIT;
	struct flock lock = { .l_type = F_RDLCK, .l_whence = SEEK_SET };
	char uuid[CSN_UUID_TEXT];
	int writer, fd = -1;

	assert_int_equal(csn_ticks_append(&fixture->spool, &tick, &err), 0);
	writer = openat(fixture->spool.ticks_fd, "new", O_RDWR | O_APPEND);
	assert_int_equal(fcntl(writer, F_OFD_SETLK, &lock), 0);
	assert_int_equal(csn_ticks_close(&fixture->spool, uuid, &fd, &err), -CSN_E_LIMIT);
	close(writer);
	assert_int_equal(csn_ticks_close(&fixture->spool, uuid, &fd, &err), 0);
	close(fd);
}

static void a_torn_ladder_lets_crashes_through(void **state)
{
	struct fixture *fixture = *state;
	struct csn_policy policy = { .rate_full = { 1, 10 }, .rate_notes = { 1, 10 } };
	struct csn_error err = CSN_ERROR_INIT;
	char garbage[8192];

	memset(garbage, 0x5a, sizeof(garbage));
	assert_int_equal(csn_write_file(fixture->spool.beside_fd, "rate", garbage, sizeof(garbage),
					0600, &err),
			 0);
	assert_int_equal(ask(fixture, &policy, 7, (struct csn_rate_time){ .boot_ns = 1 }),
			 CSN_RATE_FULL);
}

/* A core of one PT_NOTE with three notes, the last byte of the file being the last of ours. */
static int make_core(struct fixture *fixture)
{
	static const char json[] = "{\"exe\":\"/usr/bin/vim.basic\"}";
	struct {
		Elf64_Ehdr ehdr;
		Elf64_Phdr phdr;
		Elf64_Nhdr first;
		char first_name[8], first_body[4];
		Elf64_Nhdr info;
		char info_name[8], info_body[136];
		Elf64_Nhdr ours;
		char ours_name[12], ours_body[sizeof(json) + 3];
	} core = {
		.ehdr = { .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB },
			  .e_type = ET_CORE,
			  .e_phoff = sizeof(Elf64_Ehdr),
			  .e_phentsize = sizeof(Elf64_Phdr),
			  .e_phnum = 1 },
		.phdr = { .p_type = PT_NOTE },
		.first = { 5, 4, NT_PRSTATUS },
		.first_name = "CORE",
		.info = { 5, 136, NT_PRPSINFO },
		.info_name = "CORE",
		.ours = { 9, sizeof(json) - 1, CSN_CORE_NOTE_TYPE },
		.ours_name = CSN_CORE_NOTE_OWNER,
	};
	struct csn_error err = CSN_ERROR_INIT;

	core.phdr.p_offset = offsetof(__typeof__(core), first);
	core.phdr.p_filesz = sizeof(core) - core.phdr.p_offset;
	memcpy(core.info_body + 40, "vim.basic", 9);
	memcpy(core.ours_body, json, sizeof(json) - 1);
	assert_int_equal(csn_write_file(fixture->spool.stage_fd[CSN_STAGE_PENDING], UUID_A, &core,
					offsetof(__typeof__(core), ours_body) + sizeof(json) - 1,
					0600, &err),
			 0);
	return openat(fixture->spool.stage_fd[CSN_STAGE_PENDING], UUID_A, O_RDWR);
}

static void the_note_of_a_core_is_found_behind_others(void **state)
{
	cleanup_(csn_buf_done) struct csn_buf text = CSN_BUF_INIT(1024);
	cleanup_close int fd = make_core(*state);
	struct csn_error err = CSN_ERROR_INIT;
	struct csn_core_identity identity;

	assert_int_equal(csn_core_note_read(fd, &text, &err), 0);
	assert_string_equal(csn_buf_text(&text), "{\"exe\":\"/usr/bin/vim.basic\"}");
	assert_int_equal(csn_core_identify(fd, &identity, &err), 0);
	assert_string_equal(identity.name, "vim.basic");
	assert_true(identity.has_notes);
	assert_int_equal(identity.end, identity.notes_end);
}

static void a_core_cut_anywhere_never_gives_a_note(void **state)
{
	cleanup_close int fd = make_core(*state);
	struct csn_error err = CSN_ERROR_INIT;
	struct csn_core_identity identity;
	off_t size = lseek(fd, 0, SEEK_END);

	while (size-- > 0) {
		cleanup_(csn_buf_done) struct csn_buf text = CSN_BUF_INIT(1024);

		assert_int_equal(ftruncate(fd, size), 0);
		assert_true(csn_core_note_read(fd, &text, &err) < 0);
		(void)!csn_core_identify(fd, &identity, &err);
	}
}

/* One note with a name of eight bytes (NUL included). Returns its size. */
static size_t put_note(uint8_t *at, const char *owner, uint32_t type, const void *body,
		       uint32_t size)
{
	const uint32_t head[] = { 8, size, type };

	memcpy(at, head, sizeof(head));
	memcpy(at + 12, owner, 8);
	memcpy(at + 20, body, size);
	return 20 + size;
}

static void a_core_of_freebsd_says_name_and_signal_but_no_user(void **state)
{
	Elf64_Ehdr header = {
		.e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, 1, ELFOSABI_FREEBSD },
		.e_type = ET_CORE,
		.e_phoff = sizeof(header),
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = 1,
	};
	Elf64_Phdr segment = { .p_type = PT_NOTE, .p_offset = sizeof(header) + sizeof(segment) };
	uint8_t info[120] = { 1 }, status[64] = { 1 }, image[512] = { 0 };
	size_t at = segment.p_offset;
	struct csn_core_identity identity;
	struct csn_error err = CSN_ERROR_INIT;
	cleanup_close int fd = memfd_create("core", MFD_CLOEXEC);

	(void)state;
	memcpy(info + 16, "nginx", 6);
	status[36] = 11;
	at += put_note(image + at, "FreeBSD", NT_PRPSINFO, info, sizeof(info));
	at += put_note(image + at, "FreeBSD", NT_PRSTATUS, status, sizeof(status));
	segment.p_filesz = at - segment.p_offset;
	memcpy(image, &header, sizeof(header));
	memcpy(image + sizeof(header), &segment, sizeof(segment));
	assert_int_equal(csn_write_full(fd, image, at), 0);
	assert_int_equal(csn_core_identify(fd, &identity, &err), 0);
	assert_string_equal(identity.name, "nginx");
	assert_int_equal(identity.signal, 11);
	assert_int_equal(identity.uid, -1);
	assert_string_equal(identity.exe, "");
	assert_int_equal(identity.end, at);
}

int main(void)
{
#define spool_test(test) cmocka_unit_test_setup_teardown(test, open_fixture, close_fixture)
	const struct CMUnitTest tests[] = {
		spool_test(folders_are_closed_to_others),
		cmocka_unit_test(a_core_of_freebsd_says_name_and_signal_but_no_user),
		spool_test(a_folder_that_is_a_symlink_or_open_to_others_is_refused),
		spool_test(listing_is_oldest_first_and_ignores_foreign_names),
		spool_test(a_prefix_finds_one_object_or_says_why_not),
		spool_test(an_object_is_locked_by_one_process_only),
		spool_test(the_ladder_starts_anew_with_the_machine),
		spool_test(many_programs_of_one_user_share_a_limit),
		spool_test(the_first_crash_of_a_new_build_is_always_whole),
		spool_test(a_full_ladder_sends_away_the_quietest_and_none_that_owes),
		spool_test(ticks_belong_to_the_last_crash_that_was_stored_whole),
		spool_test(a_ladder_that_is_not_ours_is_left_alone),
		spool_test(ticks_come_back_as_they_were_appended),
		spool_test(what_is_no_tick_is_passed_over),
		spool_test(a_file_that_is_written_to_is_not_closed_yet),
		spool_test(moving_and_removing_tolerate_what_is_gone),
		spool_test(the_log_is_moved_away_past_one_mebibyte),
		cmocka_unit_test(quota_is_rounded_up_to_the_next_block),
		spool_test(policy_comes_back_as_it_was_written),
		spool_test(a_torn_policy_is_refused),
		spool_test(a_policy_of_another_user_is_refused),
		spool_test(the_helper_finds_the_policy_of_its_installation),
		spool_test(the_ladder_goes_from_whole_to_notes_to_ticks_and_back),
		spool_test(a_torn_ladder_lets_crashes_through),
		spool_test(the_note_of_a_core_is_found_behind_others),
		spool_test(a_core_cut_anywhere_never_gives_a_note),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
