/* doctor: the settings of other programs that decide about core dumps. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "doctor/settings.h"

static const char *const groups[] = { "web", "staff", NULL };

static const struct csn_limits_person www = {
	.name = "www", .uid = 1001, .gid = 50, .groups = groups
};

static void sysctl_files_may_write_a_key_in_either_way(void **state)
{
	static const char text[] = "# kernel.core_pattern=no\n;kernel.core_pattern=no\n"
				   "kernel.core_pattern_x=no\nkernel/core_pattern = one\n"
				   " -kernel.core_pattern=|/bin/two %p\t\nkernel.core_pattern\n";
	char value[32];

	(void)state;
	assert_true(
		csn_sysctl_find(text, strlen(text), "kernel.core_pattern", value, sizeof(value)));
	assert_string_equal(value, "|/bin/two %p");
	assert_false(csn_sysctl_find(text, strlen(text), "kernel.core_pipe_limit", value,
				     sizeof(value)));
	assert_false(csn_sysctl_find("", 0, "a", value, sizeof(value)));
}

static void limits_of_a_process_are_read_in_bytes(void **state)
{
	static const char text[] =
		"Limit                     Soft Limit           Hard Limit           Units     \n"
		"Max cpu time              unlimited            unlimited            seconds   \n"
		"Max core file size        0                    unlimited            bytes     \n";
	struct csn_core_limit limit;

	(void)state;
	assert_true(csn_core_limit_of_process(text, strlen(text), &limit));
	assert_int_equal(limit.soft, 0);
	assert_true(limit.hard == CSN_UNLIMITED);
	assert_false(csn_core_limit_of_process(text, 200, &limit));
}

static void the_default_of_services_may_be_one_value_or_two(void **state)
{
	static const struct {
		const char *text;
		bool found;
		uint64_t soft, hard;
	} rows[] = {
		{ "[Manager]\nDefaultLimitCORE=0\n", true, 0, 0 },
		{ "DefaultLimitCORE=0:infinity", true, 0, CSN_UNLIMITED },
		{ "DefaultLimitCORE=1K:2G\n", true, 1024, 2ull << 30 },
		{ "DefaultLimitCORE=1\nDefaultLimitCORE=infinity\n", true, CSN_UNLIMITED,
		  CSN_UNLIMITED },
		{ "#DefaultLimitCORE=0\n", false, 0, 0 },
		{ "DefaultLimitCORE=x\nDefaultLimitCORE=\n", false, 0, 0 },
		{ "DefaultLimitCORE=99999999999999E\n", true, CSN_UNLIMITED, CSN_UNLIMITED },
	};
	struct csn_core_limit limit;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(csn_core_limit_of_systemd(rows[i].text, strlen(rows[i].text),
							   &limit),
				 rows[i].found);
		if (!rows[i].found)
			continue;
		assert_true(limit.soft == rows[i].soft);
		assert_true(limit.hard == rows[i].hard);
	}
}

static struct csn_limits_state read_all(const char *text, const struct csn_limits_person *person)
{
	struct csn_limits_state found = { .limit = { 7, 7 } };

	csn_limits_conf_read(text, strlen(text), person, &found);
	return found;
}

static void the_nearest_line_of_limits_conf_wins(void **state)
{
	struct csn_limits_state found;

	(void)state;
	found = read_all("www - core 4\n@web hard core 0\n* soft core 0\n", &www);
	assert_int_equal(found.limit.soft, 4096);
	assert_int_equal(found.limit.hard, 4096);
	assert_string_equal(found.line[1], "www - core");
	found = read_all("@web hard core unlimited # all\n* hard core 0\n* soft core 1\n", &www);
	assert_true(found.limit.hard == CSN_UNLIMITED);
	assert_int_equal(found.limit.soft, 1024);
	found = read_all("* hard core 1\n* hard core 2\n@other hard core 3\n", &www);
	assert_int_equal(found.limit.hard, 2048);
	assert_int_equal(found.limit.soft, 7);
	assert_int_equal(found.rank[0], 0);
}

static void limits_conf_knows_ranges_and_spares_root(void **state)
{
	static const struct csn_limits_person root = {
		.name = "root", .uid = 0, .gid = 0, .groups = groups
	};
	struct csn_limits_state found;

	(void)state;
	assert_int_equal(read_all("1000: hard core 1\n", &www).limit.hard, 1024);
	assert_int_equal(read_all("1000:2000 hard core 1\n", &www).limit.hard, 1024);
	assert_int_equal(read_all(":1000 hard core 1\n", &www).limit.hard, 7);
	assert_int_equal(read_all("@50:60 hard core 1\n", &www).limit.hard, 1024);
	assert_int_equal(read_all(": hard core 1\n", &www).limit.hard, 7);
	found = read_all("* - core 0\n@web - core 0\n", &root);
	assert_int_equal(found.rank[0] + found.rank[1], 0);
	assert_int_equal(read_all("root - core 0\n", &root).limit.hard, 0);
}

static void lines_that_are_none_of_ours_are_skipped(void **state)
{
	struct csn_limits_state found = read_all(
		"www hard nofile 1\nwww hard core\nwww hard core x\nwww both core 1\nwww\n\n#\n",
		&www);

	(void)state;
	assert_int_equal(found.rank[0] + found.rank[1], 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sysctl_files_may_write_a_key_in_either_way),
		cmocka_unit_test(limits_of_a_process_are_read_in_bytes),
		cmocka_unit_test(the_default_of_services_may_be_one_value_or_two),
		cmocka_unit_test(the_nearest_line_of_limits_conf_wins),
		cmocka_unit_test(limits_conf_knows_ranges_and_spares_root),
		cmocka_unit_test(lines_that_are_none_of_ours_are_skipped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
