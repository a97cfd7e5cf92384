/* base: buffers, spans, quoting, publishing, JSON out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/json.h"
#include "base/options.h"
#include "base/shrink.h"
#include "base/span.h"
#include "base/text.h"
#include "base/uuid.h"

static void buffer_refuses_to_pass_its_maximum(void **state)
{
	cleanup_(csn_buf_done) struct csn_buf buf = CSN_BUF_INIT(8);

	(void)state;
	csn_buf_puts(&buf, "12345678");
	assert_true(csn_buf_ok(&buf));
	csn_buf_putc(&buf, '9');
	assert_false(csn_buf_ok(&buf));
	assert_string_equal(csn_buf_text(&buf), "12345678");
}

static void arena_refuses_to_pass_its_maximum(void **state)
{
	struct csn_arena *arena = csn_arena_new(1024);
	void *first;

	(void)state;
	first = csn_arena_alloc(arena, 1000);
	assert_non_null(first);
	assert_null(csn_arena_alloc(arena, 100));
	csn_arena_free(arena);
}

static void span_fails_stickily_past_its_end(void **state)
{
	static const uint8_t bytes[] = { 1, 2, 3 };
	struct csn_span span = csn_span_of(bytes, sizeof(bytes));

	(void)state;
	assert_int_equal(csn_span_u16(&span), 0x0201);
	assert_int_equal(csn_span_u16(&span), 0);
	assert_false(csn_span_ok(&span));
	assert_int_equal(csn_span_u8(&span), 0);
}

static void leb128_reads_signed_and_unsigned(void **state)
{
	static const uint8_t bytes[] = { 0xe5, 0x8e, 0x26, 0xc0, 0xbb, 0x78, 0x7f };
	struct csn_span span = csn_span_of(bytes, sizeof(bytes));

	(void)state;
	assert_int_equal(csn_span_uleb(&span), 624485);
	assert_int_equal(csn_span_sleb(&span), -123456);
	assert_int_equal(csn_span_sleb(&span), -1);
	assert_true(csn_span_ok(&span));
}

static void leb128_longer_than_64_bits_fails(void **state)
{
	static const uint8_t bytes[] = {
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x03
	};
	struct csn_span span = csn_span_of(bytes, sizeof(bytes));

	(void)state;
	(void)csn_span_uleb(&span);
	assert_false(csn_span_ok(&span));
}

static void quoting_makes_pasteable_single_lines(void **state)
{
	static const char *const cases[][2] = {
		{ "/usr/bin/vim.basic", "/usr/bin/vim.basic" },
		{ "--kv=a:b", "--kv=a:b" },
		{ "", "''" },
		{ "a b", "'a b'" },
		{ "it's", "'it'\\''s'" },
		{ "a\nb", "'a'$'\\x0a''b'" },
		{ "\x1b[31m", "$'\\x1b''[31m'" },
		{ "\xff", "$'\\xff'" },
		{ "caf\xc3\xa9 x", "'caf\xc3\xa9 x'" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < csn_countof(cases); i++) {
		cleanup_(csn_buf_done) struct csn_buf out = CSN_BUF_INIT(256);

		csn_quote_shell(&out, cases[i][0]);
		assert_string_equal(csn_buf_text(&out), cases[i][1]);
	}
}

static void escaping_hides_control_bytes(void **state)
{
	char out[64];

	(void)state;
	assert_string_equal(csn_escape_to(out, sizeof(out), "a\nb\x1b\\\xc2\x9b\xff"),
			    "a\\x0ab\\x1b\\\\\\xc2\\x9b\\xff");
	assert_string_equal(csn_escape_to(out, 10, "abcdefghijkl"), "abcdef...");
}

static void sizes_read_as_in_the_guide(void **state)
{
	char out[32];

	(void)state;
	csn_format_size(out, sizeof(out), 9450);
	assert_string_equal(out, "9.45kB");
	csn_format_size(out, sizeof(out), 3120000);
	assert_string_equal(out, "3.12mB");
	csn_format_size(out, sizeof(out), 17);
	assert_string_equal(out, "17.00B");
}

static void json_writer_escapes_and_separates(void **state)
{
	cleanup_(csn_buf_done) struct csn_buf out = CSN_BUF_INIT(1024);
	struct csn_json json = csn_json_to(&out);

	(void)state;
	csn_json_begin_object(&json);
	csn_json_member_string(&json, "a\"", "x\n\xff\x7f");
	csn_json_key(&json, "l");
	csn_json_begin_array(&json);
	csn_json_int(&json, -1);
	csn_json_address(&json, 0xabc);
	csn_json_null(&json);
	csn_json_end_array(&json);
	csn_json_member_bool(&json, "t", true);
	csn_json_end_object(&json);
	assert_string_equal(csn_buf_text(&out), "{\"a\\\"\":\"x\\n\xef\xbf\xbd\\u007f\","
						"\"l\":[-1,\"0xabc\",null],\"t\":true}");
}

static void uuid_parses_what_it_prints(void **state)
{
	char text[CSN_UUID_TEXT], again[CSN_UUID_TEXT];
	uint8_t bytes[16];

	(void)state;
	csn_uuid_format_random(text);
	assert_true(csn_uuid_parse(text, bytes));
	csn_uuid_format(bytes, again);
	assert_string_equal(text, again);
	assert_int_equal(text[14], '4');
	assert_false(csn_uuid_parse("a78771dc-b687-4e28-b885-8fa9ed43894", NULL));
	assert_false(csn_uuid_parse("../../../../../../../../../../../../", NULL));
}

static void durations_have_units(void **state)
{
	int64_t seconds;

	(void)state;
	assert_true(csn_parse_duration("30d", &seconds));
	assert_int_equal(seconds, 2592000);
	assert_true(csn_parse_duration("12h", &seconds));
	assert_int_equal(seconds, 43200);
	assert_false(csn_parse_duration("-3h", &seconds));
	assert_false(csn_parse_duration("3hh", &seconds));
	assert_false(csn_parse_duration("", &seconds));
}

static void publishing_never_replaces_a_device_or_a_pipe(void **state)
{
	char folder[] = "/tmp/csn-test-XXXXXX", pipe_path[128], link_path[128];
	struct csn_error err = CSN_ERROR_INIT;
	struct stat st;

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(pipe_path, sizeof(pipe_path), "%s/pipe", folder);
	snprintf(link_path, sizeof(link_path), "%s/link", folder);
	assert_int_equal(mkfifo(pipe_path, 0600), 0);
	assert_int_equal(symlink(pipe_path, link_path), 0);
	assert_int_equal(csn_write_file(AT_FDCWD, pipe_path, "x", 1, 0600, &err), -CSN_E_USAGE);
	assert_string_equal(err.text, "pipe: exists and is no regular file; give another name");
	assert_int_equal(csn_write_file(AT_FDCWD, link_path, "x", 1, 0600, &err), -CSN_E_USAGE);
	assert_int_equal(lstat(pipe_path, &st), 0);
	assert_true(S_ISFIFO(st.st_mode));
	assert_int_equal(lstat(link_path, &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	unlink(link_path);
	unlink(pipe_path);
	rmdir(folder);
}

static void publishing_leaves_no_name_until_commit(void **state)
{
	char folder[] = "/tmp/csn-test-XXXXXX", path[128];
	cleanup_(csn_publish_done) struct csn_publish publish = CSN_PUBLISH_INIT;
	struct csn_error err = CSN_ERROR_INIT;
	struct stat st;

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/file", folder);
	assert_int_equal(csn_publish_begin(&publish, AT_FDCWD, path, 0600, &err), 0);
	assert_int_equal(csn_write_full(publish.fd, "abc", 3), 0);
	assert_int_equal(stat(path, &st), -1);
	assert_int_equal(csn_publish_commit(&publish, false, &err), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, 3);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(csn_write_file(AT_FDCWD, path, "hello", 5, 0600, &err), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, 5);
	unlink(path);
	assert_int_equal(rmdir(folder), 0);
}

static void options_mix_with_operands(void **state)
{
	const char *core = NULL;
	bool verbose = false;
	const struct csn_option options[] = {
		{ "core", 0, CSN_OPT_STRING, "CORE", "", &core, false },
		{ "verbose", 'v', CSN_OPT_FLAG, NULL, "", &verbose, false },
		{ 0 },
	};
	static const char *const usages[] = { "t", NULL };
	const struct csn_program program = {
		.name = "t", .summary = "", .usages = usages, .options = options
	};
	char *argv[] = { (char[]){ "t" },   (char[]){ "one" }, (char[]){ "--core=x" },
			 (char[]){ "two" }, (char[]){ "-v" },  NULL };
	int first;

	(void)state;
	assert_int_equal(csn_options_parse(&program, 5, argv, &first), -1);
	assert_string_equal(core, "x");
	assert_true(verbose);
	assert_int_equal(5 - first, 2);
	assert_string_equal(argv[first], "one");
	assert_string_equal(argv[first + 1], "two");
}

static void a_mapped_file_that_shrinks_reads_as_zeros(void **state)
{
	char name[] = "/tmp/csn-shrink-XXXXXX";
	cleanup_close int fd = mkstemp(name);
	char page[4096];
	const volatile char *data;

	(void)state;
	unlink(name);
	memset(page, 'x', sizeof(page));
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(csn_write_full(fd, page, sizeof(page)), 0);
	data = mmap(NULL, 3 * sizeof(page), PROT_READ, MAP_PRIVATE, fd, 0);
	assert_true(data != MAP_FAILED);
	csn_shrink_guard_install();
	assert_int_equal(data[2 * sizeof(page)], 'x');
	assert_false(csn_shrink_noted());
	assert_int_equal(ftruncate(fd, sizeof(page)), 0);
	assert_int_equal(data[sizeof(page) - 1], 'x');
	assert_int_equal(data[sizeof(page)], 0);
	assert_int_equal(data[3 * sizeof(page) - 1], 0);
	assert_true(csn_shrink_noted());
	signal(SIGBUS, SIG_DFL);
	munmap((void *)data, 3 * sizeof(page));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(buffer_refuses_to_pass_its_maximum),
		cmocka_unit_test(arena_refuses_to_pass_its_maximum),
		cmocka_unit_test(span_fails_stickily_past_its_end),
		cmocka_unit_test(leb128_reads_signed_and_unsigned),
		cmocka_unit_test(leb128_longer_than_64_bits_fails),
		cmocka_unit_test(quoting_makes_pasteable_single_lines),
		cmocka_unit_test(escaping_hides_control_bytes),
		cmocka_unit_test(sizes_read_as_in_the_guide),
		cmocka_unit_test(json_writer_escapes_and_separates),
		cmocka_unit_test(uuid_parses_what_it_prints),
		cmocka_unit_test(durations_have_units),
		cmocka_unit_test(publishing_never_replaces_a_device_or_a_pipe),
		cmocka_unit_test(publishing_leaves_no_name_until_commit),
		cmocka_unit_test(options_mix_with_operands),
		cmocka_unit_test(a_mapped_file_that_shrinks_reads_as_zeros),
	};

	return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
