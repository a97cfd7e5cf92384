/* host: configuration, routing, attributes, back-off, listing, command lines. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/limits_host.h"
#include "base/text.h"
#include "conf/coresnap_conf.h"
#include "host/attributes.h"
#include "host/backoff.h"
#include "host/child.h"
#include "host/core_pattern.h"
#include "host/kernel_log.h"
#include "host/listing.h"
#include "host/route.h"
#include "host/slave.h"

static void parse(const char *text, struct csn_coresnap_conf *conf)
{
	struct csn_error err = CSN_ERROR_INIT;

	if (csn_coresnap_conf_parse("/root", "c.conf", text, conf, &err) < 0)
		fail_msg("%s", err.text);
}

static void assert_refused(const char *text, const char *message)
{
	struct csn_error err = CSN_ERROR_INIT;
	struct csn_coresnap_conf conf;

	assert_true(csn_coresnap_conf_parse("", "c.conf", text, &conf, &err) < 0);
	assert_string_equal(err.text, message);
}

static void configuration_has_the_templates_values_built_in(void **state)
{
	struct csn_coresnap_conf conf;

	(void)state;
	parse("", &conf);
	assert_string_equal(conf.archive_path, "/root/var/coresnap/archive");
	assert_string_equal(conf.ptrace_path, "/root/opt/backtrace/bin/ptrace");
	assert_string_equal(conf.coroner_config, "/root/usr/local/etc/coroner.cf");
	assert_int_equal(conf.quota_permyriad, 1000);
	assert_int_equal(conf.rate_full.count, 100);
	assert_int_equal(conf.rate_full.seconds, 600);
	assert_int_equal(conf.n_rules, 1);
	assert_string_equal(conf.rules[0].project, "blackhole");
	csn_coresnap_conf_done(&conf);
}

static void configuration_takes_every_kind_of_value(void **state)
{
	struct csn_coresnap_conf conf;

	(void)state;
	parse("archive.path = /srv/a\ndump.mode=auto\ndump.quota = 2.5%\nkeep.core = all\n"
	      "dump.rate.notes = 60/h\nmetrics.path =\nworkers = 4\n[daemon]\npurge.age = 12h\n"
	      "purge.disabled = true\nretry.max = 1h\n",
	      &conf);
	assert_string_equal(conf.archive_path, "/srv/a");
	assert_int_equal(conf.dump_mode, CSN_CONF_AUTO);
	assert_int_equal(conf.quota_permyriad, 250);
	assert_int_equal(conf.keep_core, CSN_KEEP_ALL);
	assert_int_equal(conf.rate_notes.seconds, 3600);
	assert_int_equal(conf.workers, 4);
	assert_int_equal(conf.purge_age_seconds, 12 * 3600);
	assert_true(conf.purge_disabled);
	assert_int_equal(conf.retry_max_seconds, 3600);
	csn_coresnap_conf_done(&conf);
	parse("dump.quota = 5G\n", &conf);
	assert_int_equal(conf.quota_permyriad, 0);
	assert_true(conf.quota_bytes == 5ull << 30);
	csn_coresnap_conf_done(&conf);
}

static void bad_values_name_their_line_and_what_is_wanted(void **state)
{
	(void)state;
	assert_refused("dump.qouta = 1", "c.conf:1: unknown key 'dump.qouta'; the nearest known "
					 "key is 'dump.quota'");
	assert_refused("\n\ndump.quota = 110%",
		       "c.conf:3: dump.quota: '110%' is not a share between 0% and 100%");
	assert_refused("archive.path = here", "c.conf:1: archive.path: the path must be absolute");
	assert_refused("dump.mode = tiny",
		       "c.conf:1: dump.mode: 'tiny' is none of minimal, full, auto");
	assert_refused("dump.rate.full = 5",
		       "c.conf:1: dump.rate.full: '5' is not a rate such as 100/10m or 60/h");
	assert_refused("format.1 = web %x /a/",
		       "c.conf:1: format.1: '%x /a/': a rule reads <project> "
		       "[%e|%f|%u|%h|%s|%c /regex/]");
	assert_refused("format.1 = web %e", "c.conf:1: format.1: '%e': a rule reads <project> "
					    "[%e|%f|%u|%h|%s|%c /regex/]");
	assert_refused("retry.min = 5m\nretry.max = 1m", "c.conf: retry.max: less than retry.min");
}

/* The project of a crash of exe under the rules in text, and the line of a rule that ran away. */
static void assert_route(const char *text, const char *exe, const char *expected,
			 unsigned expected_line)
{
	struct csn_crash crash = {
		.exe = (char *)(uintptr_t)exe,
		.program = (char *)(uintptr_t) "server",
		.user = (char *)(uintptr_t) "www",
		.hostname = (char *)(uintptr_t) "web-7",
		.signal = SIGSEGV,
	};
	unsigned runaway_line;
	struct csn_error err = CSN_ERROR_INIT;
	struct csn_coresnap_conf conf;
	struct csn_router *router;
	const char *project;

	parse(text, &conf);
	assert_int_equal(csn_router_new(&conf, &router, &err), 0);
	project = csn_router_find(router, &crash, &runaway_line);
	assert_int_equal(runaway_line, expected_line);
	if (expected)
		assert_string_equal(project, expected);
	else
		assert_null(project);
	csn_router_free(router);
	csn_coresnap_conf_done(&conf);
}

static void assert_project(const char *text, const char *exe, const char *expected)
{
	assert_route(text, exe, expected, 0);
}

static void the_first_matching_rule_wins_in_file_order(void **state)
{
	(void)state;
	assert_project("format.1 = a %e /web$/\nformat.1 = b %e /srv/web/\nformat.1 = c",
		       "/srv/web", "a");
	assert_project("format.2 = a %e /db$/\nformat.1 = b %e /web/\nformat.1 = c", "/srv/web",
		       "b");
	assert_project("format.1 = a %e /db$/\nformat.1 = c", "/srv/web", "c");
	assert_project("format.1 = a %e /db$/", "/srv/web", NULL);
}

static void slashes_delimit_the_expression_as_in_the_guide(void **state)
{
	(void)state;
	/* The guide's own spelling: one leading slash, none at the end. */
	assert_project("format.1 = p %e /end-of-executablename$", "/x/end-of-executablename", "p");
	assert_project("format.1 = p %e /end-of-executablename$", "/x/y-end-of-executablename",
		       "p");
	assert_project("format.1 = p %e /^\\/usr\\/bin\\//", "/usr/bin/vim", "p");
	/* An escaped closing slash belongs to the expression. */
	assert_project("format.1 = p %e /bin\\/", "/usr/bin/vim", "p");
	assert_project("format.1 = p %e /bin\\/", "/usr/bin", NULL);
	/* Without delimiters. */
	assert_project("format.1 = p %e vim$", "/usr/bin/vim", "p");
	assert_project("format.1 = p %e //usr/bin//", "/usr/bin/vim", "p");
}

static void rules_look_at_what_their_letter_says(void **state)
{
	(void)state;
	assert_project("format.1 = p %f /^server$/", "/a/b", "p");
	assert_project("format.1 = p %u /^www$/", "/a/b", "p");
	assert_project("format.1 = p %s /^SIGSEGV$/", "/a/b", "p");
	assert_project("format.1 = p %h /^web-[0-9]+$/", "/a/b", "p");
	assert_project("format.1 = p %c /./", "/a/b", NULL);
}

static void names_are_matched_as_bytes(void **state)
{
	(void)state;
	assert_project("format.1 = p %e /\\xff\\xfe$/", "/a/\xff\xfe", "p");
	assert_project("format.1 = p %e /^\\/a\\/.\\n.$/s", "/a/\xc3\n\xa4", NULL);
	assert_project("format.1 = p %e /^\\/a\\/.\\n.$/", "/a/\xc3\n\xa4", "p");
	/* A dollar stands at the end of the name, not of a line in it. */
	assert_project("format.1 = p %e /sbin\\/nginx$/", "/usr/sbin/nginx\n/tmp/x", NULL);
	assert_project("format.1 = p %e /sbin\\/nginx$/", "/usr/sbin/nginx\n", NULL);
}

static void a_runaway_expression_counts_as_no_match(void **state)
{
	char exe[200];
	clock_t began;

	(void)state;
	memset(exe, 'a', sizeof(exe) - 1);
	exe[sizeof(exe) - 1] = '\0';
	exe[sizeof(exe) - 2] = '!';
	began = clock();
	assert_route("\nformat.1 = p %e /(a+)+$/\nformat.1 = p %e /^(?:a|aa|a+)+$/\n"
		     "format.1 = rest",
		     exe, "rest", 2);
	/* Of processor time, so that a busy machine does not count. */
	assert_in_range((clock() - began) * 1000 / CLOCKS_PER_SEC, 0, 100);
}

static void a_wrong_expression_names_its_line(void **state)
{
	struct csn_error err = CSN_ERROR_INIT;
	struct csn_coresnap_conf conf;
	struct csn_router *router;

	(void)state;
	parse("\nformat.1 = web %e /a(/", &conf);
	assert_int_equal(csn_router_new(&conf, &router, &err), -CSN_E_FORMAT);
	assert_non_null(strstr(err.text, ":2: the expression of project 'web' is wrong"));
	csn_coresnap_conf_done(&conf);
}

static void later_attributes_win_and_measured_names_are_refused(void **state)
{
	cleanup_(csn_attributes_done) struct csn_attributes attributes = { 0 };
	struct csn_error err = CSN_ERROR_INIT;

	(void)state;
	assert_int_equal(csn_attributes_add(&attributes, "one", "version=1\ndc=east\r\n", &err), 0);
	assert_int_equal(csn_attributes_add(&attributes, "two",
					    "version=2\nhostname=evil\nverdict=x\n_tx=1\n"
					    "coresnap.object=1\nnonsense\nk=a=b,c\n",
					    &err),
			 0);
	assert_int_equal(attributes.n_pairs, 3);
	assert_string_equal(attributes.pairs[0].value, "2");
	assert_string_equal(attributes.pairs[1].value, "east");
	assert_string_equal(attributes.pairs[2].value, "a=b,c");
	assert_string_equal(attributes.refused,
			    "hostname (two): measured or reserved; verdict (two): measured or "
			    "reserved; _tx (two): measured or reserved; coresnap.object (two): "
			    "measured or reserved; nonsense (two): not key=value");
}

static void attributes_stop_at_64_pairs_of_4_kib(void **state)
{
	cleanup_(csn_attributes_done) struct csn_attributes attributes = { 0 };
	struct csn_error err = CSN_ERROR_INIT;
	char text[8192], line[32];
	int i;

	(void)state;
	memset(text, 'x', 5000);
	memcpy(text, "big=", 4);
	text[5000] = '\0';
	assert_int_equal(csn_attributes_add(&attributes, "s", text, &err), 0);
	assert_int_equal(attributes.n_pairs, 0);
	for (i = 0; i < 70; i++) {
		snprintf(line, sizeof(line), "key%d=v", i);
		assert_int_equal(csn_attributes_add(&attributes, "s", line, &err), 0);
	}
	assert_int_equal(attributes.n_pairs, 64);
	assert_non_null(strstr(attributes.refused, "more than 64 attributes"));
}

static void delays_stay_between_their_bounds(void **state)
{
	unsigned failures;
	uint64_t random;

	(void)state;
	for (failures = 1; failures < 100; failures++) {
		for (random = 0; random < 100; random++) {
			int64_t top = failures < 10 ? 1000ll << failures : 600000;
			int64_t delay = csn_backoff_delay_ns(1000, 600000, failures,
							     random * 0x9e3779b97f4a7c15ull);

			assert_true(delay >= 1000);
			assert_true(delay <= (top < 600000 ? top : 600000));
		}
	}
	assert_int_equal(csn_backoff_delay_ns(5, 5, 7, 1234), 5);
}

static void what_a_server_asks_for_is_waited_for(void **state)
{
	int64_t second = CSN_NS_PER_SECOND;
	uint64_t random;

	(void)state;
	assert_int_equal(csn_backoff_read_retry_after("HTTP 503: busy (Retry-After: 120)"), 120);
	assert_int_equal(csn_backoff_read_retry_after("(Retry-After: 0)"), 0);
	/* The server's own words do not count, but coroner's, at the end. */
	assert_int_equal(csn_backoff_read_retry_after("x (Retry-After: 9) y (Retry-After: 7)"), 7);
	assert_int_equal(csn_backoff_read_retry_after("x (Retry-After: 9) y"), -1);
	assert_int_equal(csn_backoff_read_retry_after("x (Retry-After: -9)"), -1);
	assert_int_equal(csn_backoff_read_retry_after("x (Retry-After: 99999999999999999999)"), -1);
	assert_int_equal(csn_backoff_read_retry_after(""), -1);
	assert_int_equal(csn_backoff_read_retry_after("(Retry-After: 4000000)"),
			 CSN_MAX_RETRY_AFTER_SECONDS);
	for (random = 0; random < 1000; random++) {
		int64_t delay = csn_backoff_obey_ns(second, 20, random * 7919777777);

		assert_in_range(delay, 20 * second, 22 * second);
	}
	assert_int_equal(csn_backoff_obey_ns(second, -1, 99), second);
	assert_int_equal(csn_backoff_obey_ns(30 * second, 20, 0), 30 * second);
}

static void a_listing_reads_as_in_the_guide(void **state)
{
	cleanup_(csn_buf_done) struct csn_buf out = CSN_BUF_INIT(1024);
	struct csn_spool_object object = {
		.stage = CSN_STAGE_SENDING,
		.uuid = "3d22c19c-09c4-4f1e-9f5c-1f2d3c4b5a69",
		.size_bytes = 9450,
		.mtime_ns = 1492210124 * CSN_NS_PER_SECOND,
	};

	(void)state;
	setenv("TZ", "UTC", 1);
	tzset();
	csn_listing_object(&out, &object, false, true, "vim.basic");
	object.stage = CSN_STAGE_PENDING;
	object.size_bytes = 3120000;
	object.has_assets = true;
	csn_listing_object(&out, &object, true, false, "a\nb\x1b[2J");
	csn_listing_footer(&out, 1, 3120000, 1, 9450, 0, 0);
	csn_listing_footer(&out, 0, 0, 0, 0, 2, 9450);
	assert_string_equal(csn_buf_text(&out),
			    "sending/3d22c19c-09c... -s- vim.basic Fri Apr 14 22:48:44 2017 "
			    "9.45kB\n"
			    "pending/3d22c19c-09c... c-a a\\x0ab\\x1b[2J Fri Apr 14 22:48:44 2017 "
			    "3.12mB\n"
			    "[pending]/1O/3.12mB [sending]/1O/9.45kB\n"
			    "[pending]/0O/0.00B [sending]/0O/0.00B [quarantine]/2O/9.45kB\n");
}

static void command_lines_are_those_of_the_contract(void **state)
{
	cleanup_(csn_arena_freep) struct csn_arena *arena = csn_arena_new(1 << 20);
	cleanup_(csn_attributes_done) struct csn_attributes attributes = { 0 };
	struct csn_host host = CSN_HOST_INIT;
	struct csn_crash crash = { .uuid = "u", .exe = (char *)(uintptr_t) "/usr/bin/vim.basic" };
	struct csn_error err = CSN_ERROR_INIT;
	const char *const *argv;
	cleanup_(csn_buf_done) struct csn_buf line = CSN_BUF_INIT(4096);

	(void)state;
	parse("ptrace.path = /p\ncoroner.path = /c\ncoroner.config = /cf\n", &host.conf);
	snprintf(host.spool.path, sizeof(host.spool.path), "/a");
	assert_int_equal(csn_slave_ptrace(arena, &host, &crash, &attributes, &argv, &err), 0);
	csn_quote_command(&line, argv);
	assert_string_equal(csn_buf_text(&line),
			    "/p --faulted -o/a/sending/u --load=libc- --kv=coresnap.object:u "
			    "--resource=/a/assets/u --core /a/pending/u /usr/bin/vim.basic");
	csn_buf_clear(&line);
	assert_int_equal(csn_slave_coroner(arena, &host, "u", "blackhole", &argv, &err), 0);
	csn_quote_command(&line, argv);
	assert_string_equal(csn_buf_text(&line), "/c -c /cf put blackhole blackhole /a/sending/u");
	assert_int_equal(csn_attributes_add(&attributes, "s", "list=a,b:c", &err), 0);
	assert_int_equal(csn_slave_ptrace(arena, &host, &crash, &attributes, &argv, &err), 0);
	assert_string_equal(argv[5], "--kv=list:a\\,b:c");
	csn_coresnap_conf_done(&host.conf);
}

static int wait_child(struct csn_child *child, bool keep_tail)
{
	int status = -1;

	while (!csn_child_reap(child, keep_tail, &status)) {
		(void)csn_child_read(child, keep_tail);
		usleep(1000);
	}
	return status;
}

static void a_child_gives_its_status_and_the_end_of_its_output(void **state)
{
	const char *const argv[] = {
		"/bin/sh", "-c",
		"i=0; while [ $i -lt 2000 ]; do echo line $i; i=$((i+1)); done; "
		"echo 'the reason' >&2; exit 75",
		NULL
	};
	struct csn_child_spec spec = {
		.argv = argv,
		.keep_fd = -1,
		.timeout_ms = 5000,
		.max_output_bytes = 4096,
		.keep_tail = true,
	};
	struct csn_error err = CSN_ERROR_INIT;
	struct csn_child child;

	(void)state;
	assert_int_equal(csn_child_start(&spec, &child, &err), 0);
	assert_int_equal(wait_child(&child, true), 75);
	assert_string_equal(csn_child_last_line(&child), "the reason");
	assert_true(child.output_cut);
	csn_child_done(&child);
}

static void a_program_that_is_missing_says_so(void **state)
{
	const char *const argv[] = { "/nonexistent/ptrace", NULL };
	struct csn_child_spec spec = {
		.argv = argv,
		.keep_fd = -1,
		.timeout_ms = 5000,
		.max_output_bytes = 4096,
	};
	struct csn_error err = CSN_ERROR_INIT;
	struct csn_child child;

	(void)state;
	assert_int_equal(csn_child_start(&spec, &child, &err), 0);
	assert_int_equal(wait_child(&child, false), 127);
	assert_string_equal(csn_child_last_line(&child),
			    "/nonexistent/ptrace: No such file or directory");
	csn_child_done(&child);
}

static void lines_that_run_a_helper_are_known(void **state)
{
	(void)state;
	assert_true(csn_core_pattern_is_helper("|/opt/backtrace/sbin/coresnap-archive %P %I"));
	assert_true(csn_core_pattern_is_helper("|/run/coresnap/0123abcd/a %P %I"));
	assert_false(csn_core_pattern_is_helper("|/run/coresnap/0123abcx/a %P %I"));
	assert_false(csn_core_pattern_is_helper("|/usr/share/apport/apport %p"));
	assert_false(csn_core_pattern_is_helper("core"));
	assert_false(csn_core_pattern_is_helper("/var/coresnap-archive"));
	assert_true(csn_core_pattern_is_helper("@@/run/coresnap/crash/socket"));
	assert_true(csn_core_pattern_is_helper("@@/run/coresnap/crash-0123abcd/socket"));
	assert_false(csn_core_pattern_is_helper("@@/run/coresnap/crasher/socket"));
	assert_false(csn_core_pattern_is_helper("@@/run/coresnap/crash-/a/socket"));
	assert_false(csn_core_pattern_is_helper("@@/run/coresnap/crash"));
	assert_false(csn_core_pattern_is_helper("@/run/coresnap/crash/socket"));
	assert_false(csn_core_pattern_is_helper("@@/run/systemd/coredump"));
}

static void crashes_that_the_kernel_refused_are_counted_from_its_log(void **state)
{
	static const char *const records[] = {
		"4,14456,24473549346,-;coredump: 13467(x): over core_pipe_limit, skipping core "
		"dump\n",
		"4,7,1,-;Pid 12(x) over core_pipe_limit\n SUBSYSTEM=none\n",
		"4,8,1,-;do_coredump: 74 callbacks suppressed\n",
		"4,9,1,-;coredump_pipe: 126 callbacks suppressed\n",
		/* These are something else, or somebody else's. */
		"12,10,1,-;coredump: 1(x): over core_pipe_limit, skipping core dump\n",
		"4,11,1,-;show_signal_msg: 5 callbacks suppressed\n",
		"4,11,1,-;validate_coredump_safety: 11 callbacks suppressed\n",
		"4,12,1,-;coredump: 1(x): |/no/such/helper pipe failed\n",
		"4,13,1,-;coredump_pipe: 99999999999999999999 callbacks suppressed\n",
		"4,14,1,-;coredump callbacks suppressed: \n",
		";,",
		",;",
		"4",
		"\n",
		"4,;over core_pipe_limi",
	};
	int ends[2];
	size_t i;

	(void)state;
	/* As from the kernel's log, one read gives one record. */
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, ends), 0);
	assert_int_equal(csn_kernel_log_refused(ends[0]), 0);
	for (i = 0; i < csn_countof(records); i++)
		assert_true(write(ends[1], records[i], strlen(records[i])) > 0);
	assert_int_equal(csn_kernel_log_refused(ends[0]), 1 + 1 + 74 + 126);
	assert_int_equal(csn_kernel_log_refused(ends[0]), 0);
	assert_int_equal(csn_kernel_log_refused(-1), 0);
	close(ends[0]);
	close(ends[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(configuration_has_the_templates_values_built_in),
		cmocka_unit_test(configuration_takes_every_kind_of_value),
		cmocka_unit_test(bad_values_name_their_line_and_what_is_wanted),
		cmocka_unit_test(the_first_matching_rule_wins_in_file_order),
		cmocka_unit_test(slashes_delimit_the_expression_as_in_the_guide),
		cmocka_unit_test(rules_look_at_what_their_letter_says),
		cmocka_unit_test(names_are_matched_as_bytes),
		cmocka_unit_test(a_runaway_expression_counts_as_no_match),
		cmocka_unit_test(a_wrong_expression_names_its_line),
		cmocka_unit_test(later_attributes_win_and_measured_names_are_refused),
		cmocka_unit_test(attributes_stop_at_64_pairs_of_4_kib),
		cmocka_unit_test(delays_stay_between_their_bounds),
		cmocka_unit_test(what_a_server_asks_for_is_waited_for),
		cmocka_unit_test(a_listing_reads_as_in_the_guide),
		cmocka_unit_test(command_lines_are_those_of_the_contract),
		cmocka_unit_test(a_child_gives_its_status_and_the_end_of_its_output),
		cmocka_unit_test(a_program_that_is_missing_says_so),
		cmocka_unit_test(lines_that_run_a_helper_are_known),
		cmocka_unit_test(crashes_that_the_kernel_refused_are_counted_from_its_log),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
