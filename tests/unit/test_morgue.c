/* morgue: flags into queries, replies into the text that people read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/json_load.h"
#include "base/limits.h"
#include "list.h"
#include "text.h"

#define NOW 1485210317

static int set_zone(void **state)
{
	(void)state;
	setenv("TZ", "EST5EDT,M3.2.0,M11.1.0", 1);
	tzset();
	return 0;
}

/* The text that a function appends; free it. */
static char *take(struct csn_buf *out)
{
	csn_buf_puts(out, "");
	return csn_buf_take(out);
}

#define assert_puts(expected, call) \
	do { \
		struct csn_buf out = CSN_BUF_INIT(CSN_MIB); \
		cleanup_free char *got = NULL; \
		call; \
		got = take(&out); \
		assert_string_equal(got, expected); \
	} while (0)

static void dates_are_those_of_the_guide(void **state)
{
	(void)state;
	assert_puts("Mon Jan 23 2017 17:25:12 GMT-0500 (EST)", morgue_put_date(&out, 1485210312));
	assert_puts("Sat Jul 01 2017 00:00:00 GMT-0400 (EDT)", morgue_put_date(&out, 1498881600));
}

static void ages_use_the_largest_whole_unit(void **state)
{
	(void)state;
	assert_puts("5 seconds ago", morgue_put_ago(&out, NOW - 5, NOW));
	assert_puts("1 second ago", morgue_put_ago(&out, NOW - 1, NOW));
	assert_puts("0 seconds ago", morgue_put_ago(&out, NOW + 9, NOW));
	assert_puts("1 minute ago", morgue_put_ago(&out, NOW - 119, NOW));
	assert_puts("23 hours ago", morgue_put_ago(&out, NOW - 86399, NOW));
	assert_puts("2 weeks ago", morgue_put_ago(&out, NOW - 15 * 86400, NOW));
	assert_puts("8 months ago", morgue_put_ago(&out, NOW - 250 * 86400, NOW));
	assert_puts("3 years ago", morgue_put_ago(&out, NOW - 3 * 366 * 86400, NOW));
}

static void a_lone_crash_is_the_small_step_of_the_guide(void **state)
{
	static const uint64_t lone[] = { 0, 0, 1 }, many[] = { 0, 50, 100, 1 };

	(void)state;
	assert_puts("▁▁▂", morgue_put_sparkline(&out, lone, 3));
	assert_puts("▁▅█▂", morgue_put_sparkline(&out, many, 4));
}

static void bars_are_in_proportion_and_never_empty(void **state)
{
	(void)state;
	assert_puts("▆▆▆▆▆▆▆▆▆▆", morgue_put_bar(&out, 3, 3, 10));
	assert_puts("▆▆▆", morgue_put_bar(&out, 1, 3, 10));
	assert_puts("▆", morgue_put_bar(&out, 1, 1e9, 10));
	assert_puts("", morgue_put_bar(&out, 0, 3, 10));
}

static void check_value(const char *json, const char *format, const char *expected)
{
	cleanup_json json_t *value = NULL;

	assert_int_equal(csn_json_load(json, strlen(json), &value, NULL), 0);
	assert_puts(expected, morgue_put_value(&out, value, format));
}

static void values_are_shown_in_their_format(void **state)
{
	(void)state;
	check_value("1485210312", "unix_timestamp", "Mon Jan 23 2017 17:25:12 GMT-0500 (EST)");
	check_value("1485210312999", "js_timestamp", "Mon Jan 23 2017 17:25:12 GMT-0500 (EST)");
	check_value("5120", "kilobytes", "5120 kB");
	check_value("255", "memory_address", "0xff");
	check_value("\"18446744073709551615\"", "memory_address", "0xffffffffffffffff");
	check_value("2130706433", "ipv4", "127.0.0.1");
	check_value("\"00112233445566778899aabbccddeeff\"", "uuid",
		    "00112233-4455-6677-8899-aabbccddeeff");
	check_value("null", "kilobytes", "null");
	check_value("8.75", "none", "8.75");
	check_value("\"\\u001b[31mred\\n\"", "none", "\\x1b[31mred\\x0a");
}

static void stacks_are_wrapped_with_arrows(void **state)
{
	cleanup_json json_t *stack =
		json_string("{\"frame\":[\"raise\",\"std::vector<int>::at(unsigned)\",\"main\"]}");

	(void)state;
	assert_puts("  raise ←\n  std::vector::at ←\n  main",
		    morgue_put_callstack(&out, stack, 2, 20, false));
	assert_puts("  raise ← std::vector<int>::at(unsigned) ← main",
		    morgue_put_callstack(&out, stack, 2, 80, true));
}

/* --- queries --- */

static void add(struct csn_option_list *list, const char *item)
{
	list->items = realloc(list->items, (list->count + 1) * sizeof(*list->items));
	list->items[list->count++] = item;
}

static void check_query(const struct list_options *options, const char *expected)
{
	cleanup_json json_t *query = NULL, *wanted = NULL;
	cleanup_free char *got = NULL;
	struct csn_error err = CSN_ERROR_INIT;

	if (list_query_make(options, NOW, &query, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(csn_json_load(expected, strlen(expected), &wanted, NULL), 0);
	got = json_dumps(query, JSON_COMPACT);
	if (!json_equal(query, wanted))
		assert_string_equal(got, expected);
}

static void a_plain_list_asks_for_the_last_month(void **state)
{
	struct list_options options = { 0 };

	(void)state;
	check_query(&options,
		    "{\"filter\":[{\"timestamp\":[[\"at-least\",1482618317]]}],"
		    "\"fold\":{\"timestamp\":[[\"range\"],[\"bin\",32,1482618317,1485210318]]},"
		    "\"virtual_columns\":[]}");
}

static void flags_become_the_public_clients_query(void **state)
{
	struct list_options options = {
		.factor = "fingerprint", .age = "1h", .limit = 5, .fingerprint = "823a"
	};

	(void)state;
	add(&options.folds[LIST_HISTOGRAM], "hostname");
	add(&options.folds[LIST_HEAD], "callstack");
	add(&options.folds[LIST_DISTRIBUTION], "hostname,2");
	add(&options.filters, "hostname,regular-expression,^h[12],x$");
	add(&options.filters, "hostname,is-set");
	add(&options.filters, "_tx,less-than,0x10");
	add(&options.sorts, "-;count");
	add(&options.virtual_columns, "day,timestamp,1d,-4h");
	check_query(&options,
		    "{\"filter\":[{\"hostname\":[[\"regular-expression\",\"^h[12],x$\"],"
		    "[\"is-set\"]],\"_tx\":[[\"less-than\",16]],"
		    "\"fingerprint\":[[\"regular-expression\",\"^823a\"]],"
		    "\"timestamp\":[[\"at-least\",1485206717]]}],\"group\":[\"fingerprint\"],"
		    "\"fold\":{\"callstack\":[[\"head\"]],"
		    "\"hostname\":[[\"histogram\"],[\"distribution\",2]],"
		    "\"timestamp\":[[\"range\"],[\"bin\",32,1485206717,1485210318]]},"
		    "\"virtual_columns\":[{\"name\":\"day\",\"type\":\"quantize_uint\","
		    "\"quantize_uint\":{\"backing_column\":\"timestamp\",\"size\":86400,"
		    "\"offset\":-14400}}],\"limit\":5,"
		    "\"order\":[{\"name\":\";count\",\"ordering\":\"descending\"}]}");
	list_options_done(&options);
}

static void a_selection_asks_for_no_sparkline(void **state)
{
	struct list_options options = { .no_implicit_filters = true, .table = "issues" };

	(void)state;
	add(&options.selects, "hostname");
	check_query(&options, "{\"filter\":[{\"timestamp\":[[\"greater-than\",0]]}],"
			      "\"select\":[\"hostname\"],\"table\":\"issues\","
			      "\"virtual_columns\":[]}");
	list_options_done(&options);
}

static void times_are_dates_seconds_or_ages(void **state)
{
	struct list_options options = { .time = "2017-01-23,1h" };

	(void)state;
	add(&options.selects, "a");
	check_query(&options, "{\"filter\":[{\"timestamp\":[[\"at-least\",1485147600],"
			      "[\"less-than\",1485206717]]}],\"select\":[\"a\"],"
			      "\"virtual_columns\":[]}");
	list_options_done(&options);
}

static void check_refused(struct list_options *options, const char *words)
{
	struct csn_error err = CSN_ERROR_INIT;
	json_t *query = NULL;

	assert_true(list_query_make(options, NOW, &query, &err) < 0);
	assert_non_null(strstr(err.text, words));
	list_options_done(options);
}

static void wrong_flags_are_named(void **state)
{
	struct list_options a = { .age = "soon" }, b = { 0 }, c = { 0 }, d = { .raw_query = "{" };
	struct list_options e = { .time = "teatime" };

	(void)state;
	add(&b.filters, "hostname");
	add(&c.folds[LIST_BIN], "n,many");
	check_refused(&a, "--age: 'soon'");
	check_refused(&b, "--filter: 'hostname'");
	check_refused(&c, "--bin: 'many'");
	check_refused(&d, "--raw-query");
	check_refused(&e, "--time: 'teatime'");
}

/* --- replies --- */

static const struct list_view plain_view = {
	.universe = "yourcompany",
	.project = "blackhole",
	.column = "timestamp",
	.now = NOW,
	.start = NOW - 32 * 3600,
	.stop = NOW,
	.width = 60,
	.colors = { "", "", "", "", "" },
};

static void check_reply(const char *reply, const struct list_view *view, const char *expected)
{
	cleanup_(csn_buf_done) struct csn_buf out = CSN_BUF_INIT(CSN_MIB);
	cleanup_json json_t *parsed = NULL;
	struct csn_error err = CSN_ERROR_INIT;

	assert_int_equal(csn_json_load(reply, strlen(reply), &parsed, NULL), 0);
	if (list_print(&out, parsed, view, &err) < 0)
		fail_msg("%s", err.text);
	assert_string_equal(csn_buf_text(&out), expected);
}

#define ENVELOPE(runtime) \
	"\"_\":{\"user\":\"jdoe\",\"universe\":\"yourcompany\",\"project\":\"blackhole\"," \
	"\"latency\":\"384 us\",\"runtime\":" runtime "}"
#define FOOTER "jdoe: yourcompany/blackhole as of 1M ago [384 us]\n"

static void an_empty_list_is_the_footer_of_the_guide(void **state)
{
	(void)state;
	check_reply("{\"response\":{\"columns\":[],\"values\":[]}," ENVELOPE("{}") "}", &plain_view,
		    FOOTER);
	check_reply("{\"response\":{\"columns\":[[\"hostname\",\"none\"]],\"objects\":[[\"*\",[]]],"
		    "\"values\":[]}," ENVELOPE("{}") "}",
		    &plain_view, "*\n" FOOTER);
}

static void one_crash_reads_as_in_the_guide(void **state)
{
	(void)state;
	check_reply("{\"response\":{\"columns\":[[\"range(timestamp)\",\"unix_timestamp\"],"
		    "[\"bin(timestamp)\",\"unix_timestamp\"]],\"values\":[[\"*\",["
		    "[1485210312,1485210312],[[1485210312,1485210312,1]]],1]]}," ENVELOPE("{}") "}",
		    &plain_view,
		    "* ▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▂ 5 seconds ago\n"
		    "            Date: Mon Jan 23 2017 17:25:12 GMT-0500 (EST)\n"
		    "                  Mon Jan 23 2017 17:25:12 GMT-0500 (EST)\n"
		    "     Occurrences: 1\n"
		    "\n" FOOTER);
}

static void groups_show_their_folds(void **state)
{
	(void)state;
	check_reply("{\"response\":{\"columns\":[[\"head(callstack)\",\"callstack\"],"
		    "[\"histogram(hostname)\",\"none\"],[\"unique(hostname)\",\"none\"],"
		    "[\"sum(vm.rss.size)\",\"kilobytes\"],[\"count(hostname)\",\"none\"],"
		    "[\"distribution(hostname)\",\"none\"],[\"bin(n)\",\"none\"],"
		    "[\"range(n)\",\"none\"],"
		    "[\"range(timestamp)\",\"unix_timestamp\"],[\"bin(timestamp)\",\"unix_"
		    "timestamp\"]],"
		    "\"values\":[[\"823a55fb\",[[\"{\\\"frame\\\":[\\\"raise\\\",\\\"main\\\"]}\"],"
		    "[[\"\",1],[\"h1\",3]],[2],[10240],[4],"
		    "[{\"keys\":3,\"tail\":1,\"vals\":[[\"h1\",3]]}],[[0,10,1],[10,20,3]],[1,9],"
		    "[1485206712,1485210312],[[1485206712,1485210312,4]]],4]]}," ENVELOPE(
			    "{\"filter\":{\"rows\":4,\"time\":10}}") "}",
		    &plain_view,
		    "823a55fb ▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▅ 5 seconds ago\n"
		    "First Occurrence: Mon Jan 23 2017 16:25:12 GMT-0500 (EST)\n"
		    " Last Occurrence: Mon Jan 23 2017 17:25:12 GMT-0500 (EST)\n"
		    "     Occurrences: 4 (100.00%)\n"
		    "head(callstack):\n"
		    "  raise ← main\n"
		    "histogram(hostname):\n"
		    "  h1 ▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆ 3\n"
		    "  -- ▆▆▆▆▆▆▆▆▆▆▆▆▆ 1\n"
		    "unique(hostname): 2\n"
		    "sum(vm.rss.size): 10240 kB\n"
		    "count(hostname): [ 4 ]\n"
		    "distribution(hostname): 3 keys total, with a count of 4\n"
		    "  h1 ▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆ 3\n"
		    "  and 1 more\n"
		    "bin(n):\n"
		    "   0 - 10 ▆▆▆▆▆▆▆▆▆▆▆▆▆ 1\n"
		    "  10 - 20 ▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆ 3\n"
		    "range(n): 1 - 9 (8)\n"
		    "\n" FOOTER);
}

#define SELECTION \
	"{\"response\":{\"columns\":[[\"callstack\",\"callstack\"]," \
	"[\"timestamp\",\"unix_timestamp\"],[\"hostname\",\"hostname\"]]," \
	"\"objects\":[[\"*\",[[40031,1],[300]]]]," \
	"\"values\":[[\"*\",[\"{\\\"frame\\\":[\\\"a\\\",\\\"b\\\"]}\",3]]," \
	"[\"*\",[1485210312,3]],[\"*\",[\"jdoepc\",2],[null,1]]]}," ENVELOPE("{}") "}"

static void selections_are_unrolled_and_named_by_hex_ids(void **state)
{
	(void)state;
#define WHEN "     Mon Jan 23 2017 17:25:12 GMT-0500 (EST)     5 seconds ago\n"
	check_reply(SELECTION, &plain_view,
		    "*\n"
		    "#9c5f" WHEN "  hostname: jdoepc\n  callstack:\n    a ← b\n"
		    "#9c60" WHEN "  hostname: jdoepc\n  callstack:\n    a ← b\n"
		    "#12c" WHEN "  hostname: null\n  callstack:\n    a ← b\n" FOOTER);
}

static void verbose_tells_where_the_time_went(void **state)
{
	struct list_view view = plain_view;

	(void)state;
	view.verbose = true;
	view.age = "1y";
	check_reply("{\"response\":{\"columns\":[],\"values\":[]}," ENVELOPE(
			    "{\"filter\":{\"rows\":100,\"time\":10},\"group_by\":{\"time\":5,"
			    "\"groups\":2},\"aggregate\":{\"pre_sort\":3,\"post_sort\":4},"
			    "\"sort\":{\"time\":1},\"set\":{\"time\":2},\"total_time\":30}") "}",
		    &view,
		    "Timing:\n  Rows: 100\n  Filter: 10 us (100.0 ns/row)\n"
		    "  Group: 5 us (2 groups, 2.50 us/group)\n  Aggregate: 7 us\n  Sort: 1 us\n"
		    "  Set: 2 us\n  Total: 30 us\n"
		    "jdoe: yourcompany/blackhole as of 1y ago [384 us]\n");
}

static void the_servers_words_cannot_drive_the_terminal(void **state)
{
	(void)state;
	check_reply("{\"response\":{\"columns\":[[\"head(\\u001bx)\",\"none\"]],"
		    "\"values\":[[\"\\u001b]0;x\\u0007\",[[\"\\u009b2J\"]],1]]},"
		    "\"_\":{\"user\":\"\\u001b\",\"latency\":\"1\\n\"}}",
		    &plain_view,
		    "\\x1b]0;x\\x07\n     Occurrences: 1\nhead(\\x1bx): \\xc2\\x9b2J\n\n"
		    "\\x1b: yourcompany/blackhole as of 1M ago [1\\x0a]\n");
}

static void damaged_replies_are_refused_and_never_trusted(void **state)
{
	static const char *const replies[] = {
		"{}",
		"{\"response\":7}",
		"{\"response\":{\"objects\":7}}",
		"{\"response\":{\"columns\":[[\"a\",\"none\"]],\"objects\":[[\"*\",[[1,2]]]],"
		"\"values\":[[\"*\",[1,9]]]}}",
		"{\"response\":{\"columns\":[[\"a\",\"none\"]],\"objects\":[[\"*\",[[1,2]]]],"
		"\"values\":[]}}",
		"{\"response\":{\"objects\":[[\"*\",[[1,99999999999]]]]}}",
		"{\"response\":{\"objects\":[[\"*\",[[1,-5]]]]}}",
	};
	size_t i;

	(void)state;
	for (i = 0; i < csn_countof(replies); i++) {
		cleanup_(csn_buf_done) struct csn_buf out = CSN_BUF_INIT(CSN_MIB);
		cleanup_json json_t *reply = NULL;
		struct csn_error err = CSN_ERROR_INIT;

		assert_int_equal(csn_json_load(replies[i], strlen(replies[i]), &reply, NULL), 0);
		assert_int_equal(list_print(&out, reply, &plain_view, &err), -CSN_E_FORMAT);
	}
	/* What is only odd is printed as well as it goes. */
	check_reply("{\"response\":{\"columns\":[7,[\"bin(timestamp)\"]],\"values\":[3,[1,2,3]]}}",
		    &plain_view,
		    "*\n     Occurrences: 0\n?: null\n\n"
		    "1\n     Occurrences: 3\n?: null\n\n"
		    "?: yourcompany/blackhole as of 1M ago [?]\n");
}

static void json_and_csv_are_for_programs(void **state)
{
	cleanup_json json_t *reply = NULL, *json = NULL;
	cleanup_(csn_buf_done) struct csn_buf csv = CSN_BUF_INIT(CSN_MIB);
	const json_t *row;

	(void)state;
	assert_int_equal(csn_json_load(SELECTION, strlen(SELECTION), &reply, NULL), 0);
	assert_int_equal(list_to_json(reply, &json, NULL), 0);
	row = json_array_get(json_object_get(json, "*"), 1);
	assert_int_equal(csn_json_get_int(row, "object", 0), 40032);
	assert_string_equal(csn_json_get_string(row, "id", ""), "9c60");
	assert_string_equal(csn_json_get_string(row, "hostname", ""), "jdoepc");
	assert_int_equal(list_print_csv(&csv, reply, NULL), 0);
	assert_string_equal(
		csn_buf_text(&csv),
		"\"{\"\"frame\"\":[\"\"a\"\",\"\"b\"\"]}\",1485210312,jdoepc,40031,9c5f\n"
		"\"{\"\"frame\"\":[\"\"a\"\",\"\"b\"\"]}\",1485210312,jdoepc,40032,9c60\n"
		"\"{\"\"frame\"\":[\"\"a\"\",\"\"b\"\"]}\",1485210312,,300,12c\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dates_are_those_of_the_guide),
		cmocka_unit_test(ages_use_the_largest_whole_unit),
		cmocka_unit_test(a_lone_crash_is_the_small_step_of_the_guide),
		cmocka_unit_test(bars_are_in_proportion_and_never_empty),
		cmocka_unit_test(values_are_shown_in_their_format),
		cmocka_unit_test(stacks_are_wrapped_with_arrows),
		cmocka_unit_test(a_plain_list_asks_for_the_last_month),
		cmocka_unit_test(flags_become_the_public_clients_query),
		cmocka_unit_test(a_selection_asks_for_no_sparkline),
		cmocka_unit_test(times_are_dates_seconds_or_ages),
		cmocka_unit_test(wrong_flags_are_named),
		cmocka_unit_test(an_empty_list_is_the_footer_of_the_guide),
		cmocka_unit_test(one_crash_reads_as_in_the_guide),
		cmocka_unit_test(groups_show_their_folds),
		cmocka_unit_test(selections_are_unrolled_and_named_by_hex_ids),
		cmocka_unit_test(verbose_tells_where_the_time_went),
		cmocka_unit_test(the_servers_words_cannot_drive_the_terminal),
		cmocka_unit_test(damaged_replies_are_refused_and_never_trusted),
		cmocka_unit_test(json_and_csv_are_for_programs),
	};

	return cmocka_run_group_tests(tests, set_zone, NULL);
}
