/* base: the JSON reader that pulls values from a text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/cleanup.h"
#include "base/json_read.h"

static void members_come_one_after_the_other(void **state)
{
	static const char text[] = " {\"a\" : 1, \"b\":[true,{\"c\":[]}], \"d\":\"x\"} ";
	cleanup_(csn_json_reader_done) struct csn_json_reader reader;
	cleanup_(csn_buf_done) struct csn_buf word = CSN_BUF_INIT(16);

	(void)state;
	csn_json_reader_init(&reader, text, strlen(text));
	assert_true(csn_json_enter(&reader, '{'));
	assert_string_equal(csn_json_next_member(&reader), "a");
	assert_int_equal(csn_json_read_number(&reader).uint, 1);
	assert_string_equal(csn_json_next_member(&reader), "b");
	csn_json_skip(&reader);
	assert_string_equal(csn_json_next_member(&reader), "d");
	assert_true(csn_json_read_text(&reader, &word));
	assert_string_equal(csn_buf_text(&word), "x");
	assert_null(csn_json_next_member(&reader));
	assert_int_equal(csn_json_reader_check(&reader, true, NULL), 0);
}

static void check_text(const char *json, const char *expected)
{
	cleanup_(csn_json_reader_done) struct csn_json_reader reader;
	cleanup_(csn_buf_done) struct csn_buf text = CSN_BUF_INIT(64);

	csn_json_reader_init(&reader, json, strlen(json));
	assert_int_equal(csn_json_read_text(&reader, &text), expected != NULL);
	if (expected)
		assert_string_equal(csn_buf_text(&text), expected);
}

static void escapes_become_utf8(void **state)
{
	(void)state;
	check_text("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t");
	check_text("\"\\u0041\\u00e4\\u20ac\\ud83d\\ude00\"",
		   "A\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80");
	check_text("\"\\ud83d|\\ude00|\\u0000\"", "\xef\xbf\xbd|\xef\xbf\xbd|\xef\xbf\xbd");
	check_text("\"\\x\"", NULL);
	check_text("\"\\u12g4\"", NULL);
	check_text("\"\n\"", NULL);
	check_text("\"\xff\"", NULL);
	check_text("\"open", NULL);
}

static struct csn_json_number number_of(const char *json)
{
	cleanup_(csn_json_reader_done) struct csn_json_reader reader;

	csn_json_reader_init(&reader, json, strlen(json));
	return csn_json_read_number(&reader);
}

static void numbers_keep_their_64_bits(void **state)
{
	(void)state;
	assert_int_equal(number_of("18446744073709551615").uint, UINT64_MAX);
	assert_int_equal(number_of("-9223372036854775808").int_, INT64_MIN);
	assert_int_equal(number_of("18446744073709551616").kind, CSN_JSON_DOUBLE);
	assert_true(number_of("-2.5e3").double_ == -2500.0);
	assert_int_equal(number_of("1e999").kind, CSN_JSON_NO_NUMBER);
	assert_int_equal(number_of("01").kind, CSN_JSON_NO_NUMBER);
	assert_int_equal(number_of("-").kind, CSN_JSON_NO_NUMBER);
	assert_int_equal(number_of("1.").kind, CSN_JSON_NO_NUMBER);
}

static int skip_all(const char *json, struct csn_error *err)
{
	cleanup_(csn_json_reader_done) struct csn_json_reader reader;

	csn_json_reader_init(&reader, json, strlen(json));
	csn_json_skip(&reader);
	return csn_json_reader_check(&reader, true, err);
}

static void mistakes_are_named_with_their_place(void **state)
{
	static const char *const broken[] = { "",           "{",     "[1,]",      "{\"a\"}",
					      "{\"a\":1,}", "[1 2]", "{1:2}",     "tru",
					      "[1}",        "1 2",   "{\"a\":1]", "\"\\\"",
					      "[\"\\u\"]" };
	struct csn_error err = CSN_ERROR_INIT;
	size_t i;

	(void)state;
	for (i = 0; i < csn_countof(broken); i++)
		assert_int_equal(skip_all(broken[i], NULL), -CSN_E_FORMAT);
	assert_int_equal(skip_all("{\n \"a\": ?}", &err), -CSN_E_FORMAT);
	assert_string_equal(err.text, "not JSON: line 2, column 7: a value is expected");
}

static void nesting_has_an_end(void **state)
{
	char deep[200];
	struct csn_error err = CSN_ERROR_INIT;

	(void)state;
	memset(deep, '[', sizeof(deep) - 1);
	deep[sizeof(deep) - 1] = '\0';
	assert_int_equal(skip_all(deep, &err), -CSN_E_LIMIT);
}

static void a_mistake_makes_all_that_follows_fail(void **state)
{
	cleanup_(csn_json_reader_done) struct csn_json_reader reader;

	(void)state;
	csn_json_reader_init(&reader, "[?,1]", 5);
	assert_true(csn_json_enter(&reader, '['));
	assert_true(csn_json_next_item(&reader));
	csn_json_skip(&reader);
	assert_false(csn_json_next_item(&reader));
	assert_int_equal(csn_json_peek(&reader), 0);
	assert_int_equal(csn_json_reader_check(&reader, false, NULL), -CSN_E_FORMAT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(members_come_one_after_the_other),
		cmocka_unit_test(escapes_become_utf8),
		cmocka_unit_test(numbers_keep_their_64_bits),
		cmocka_unit_test(mistakes_are_named_with_their_place),
		cmocka_unit_test(nesting_has_an_end),
		cmocka_unit_test(a_mistake_makes_all_that_follows_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
