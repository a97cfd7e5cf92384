/* What rules withhold, and what they leave alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/limits.h"
#include "privacy/privacy.h"

struct setting {
	struct csn_privacy *privacy;
	struct csn_snapshot *snapshot;
};

static void setting_done(struct setting *setting)
{
	csn_privacy_free(setting->privacy);
	csn_snapshot_free(setting->snapshot);
}

static void setting_init(struct setting *setting)
{
	*setting = (struct setting){ .snapshot = csn_snapshot_new() };
	assert_non_null(setting->snapshot);
	assert_int_equal(csn_privacy_new(&setting->privacy, NULL), 0);
}

/* What is left of an annotation's text. */
static const char *left_of(struct setting *setting, const char *text)
{
	struct csn_snapshot *snapshot = setting->snapshot;

	assert_int_equal(csn_snapshot_add_annotation(snapshot, "note", text, NULL), 0);
	assert_int_equal(csn_privacy_apply(setting->privacy, snapshot, NULL), 0);
	return snapshot->annotations[snapshot->n_annotations - 1].text;
}

static void shapes_of_secrets_are_cut_out_of_texts(void **state)
{
	static const struct {
		const char *text, *left;
	} rows[] = {
		{ "postgres://app:hunter2@db/x", "postgres://app:<withheld: url-password>@db/x" },
		{ "--password=hunter2 -v", "--password=<withheld: assignment> -v" },
		{ "--password hunter2 -v", "--password <withheld: option> -v" },
		{ "Authorization: Bearer abcdefghijklmnop",
		  "Authorization: Bearer <withheld: authorization>" },
		{ "key AKIAIOSFODNN7EXAMPLE!", "key <withheld: aws-key>!" },
		{ "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.sig-nature", "<withheld: jwt>" },
		{ "\\\"password\\\":\\\"hunter2\\\"",
		  "\\\"password\\\":\\\"<withheld: json-member>\\\"" },
		{ "{\"api_key\": \"abc123\"}", "{\"api_key\": \"<withheld: json-member>\"}" },
		{ "DB_PASSWORD=hunter2", "DB_PASSWORD=<withheld: assignment>" },
		{ "GITHUB_TOKEN=abcdef", "GITHUB_TOKEN=<withheld: environment>" },
		{ "ghp_0123456789abcdefghijABCDEFGHIJ012345", "<withheld: github-token>" },
		{ "card 4111 1111 1111 1111.", "card <withheld: card-number>." },
		{ "card 4111111111111111", "card <withheld: card-number>" },
		{ "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----",
		  "<withheld: private-key>" },
		{ "a sk_live_0123456789abcdefgh and xoxb-1234567890-abc",
		  "a <withheld: payment-key> and <withheld: slack-token>" },
		{ "Cookie: session=abcd; theme=dark", "Cookie: <withheld: cookie>" },
	};

	(void)state;
	for (size_t i = 0; i < csn_countof(rows); i++) {
		cleanup_(setting_done) struct setting setting;

		setting_init(&setting);
		assert_string_equal(left_of(&setting, rows[i].text), rows[i].left);
		assert_int_not_equal(setting.snapshot->n_withheld, 0);
	}
}

static void ordinary_texts_are_left_alone(void **state)
{
	static const char *const rows[] = {
		"unexpected token: ')'",
		"PWD=/home/me",
		"OLDPWD=/tmp",
		"4111111111111112",
		"1234567890123456789",
		"http://host:8080/x",
		"key=value",
		"monkey=banana",
		"password too short",
		"https://example.org/@user",
		"0x55d0c2a4b2c0",
		"tokens=12",
		"std::bad_alloc",
		"passwd: file",
		"eyJ.x.y",
		"AKIA",
		"secretary: Smith",
		"2026-11-25 10:11:12.123456789",
		"AUTHOR=me",
		"bearer of news",
	};

	(void)state;
	for (size_t i = 0; i < csn_countof(rows); i++) {
		cleanup_(setting_done) struct setting setting;

		setting_init(&setting);
		assert_string_equal(left_of(&setting, rows[i]), rows[i]);
		assert_int_equal(setting.snapshot->n_withheld, 0);
	}
}

/* One variable in one frame of one thread. */
static struct csn_snapshot_variable *put_variable(struct setting *setting,
						  struct csn_snapshot_variable variable)
{
	struct csn_arena *arena = setting->snapshot->arena;
	struct csn_snapshot_thread *thread = csn_arena_array(arena, 1, sizeof(*thread));

	assert_non_null(thread);
	thread->tid = 7;
	thread->frames = csn_arena_array(arena, 1, sizeof(*thread->frames));
	thread->n_frames = 1;
	assert_non_null(thread->frames);
	thread->frames->variables = csn_arena_copy(arena, &variable, sizeof(variable));
	thread->frames->n_variables = 1;
	setting->snapshot->threads = thread;
	setting->snapshot->n_threads = 1;
	assert_int_equal(csn_privacy_apply(setting->privacy, setting->snapshot, NULL), 0);
	return thread->frames->variables;
}

static void names_of_secrets_withhold_values(void **state)
{
	static const struct {
		const char *name, *value, *left;
		bool withheld;
	} rows[] = {
		{ "password", "0x55d0c2a4 \"hunter2\"", "0x55d0c2a4", true },
		{ "dbPassword", "\"hunter2\"", NULL, true },
		{ "api_key", "\"abc\"", NULL, true },
		{ "aes_key", "{1, 2, 3}", NULL, true },
		{ "client_secret", "12345", NULL, true },
		{ "access_token", "\"abc\"", NULL, true },
		{ "password_len", "7", "7", false },
		{ "has_password", "true", "true", false },
		{ "secret", "0x55d0c2a4", "0x55d0c2a4", false },
		{ "access_token", "5", "5", false },
		{ "token", "\"while\"", "\"while\"", false },
		{ "key", "\"name\"", "\"name\"", false },
		{ "passed", "\"yes\"", "\"yes\"", false },
		{ "compass", "\"north\"", "\"north\"", false },
		{ "author", "\"me\"", "\"me\"", false },
	};

	(void)state;
	for (size_t i = 0; i < csn_countof(rows); i++) {
		cleanup_(setting_done) struct setting setting;
		struct csn_snapshot_variable *variable;

		setting_init(&setting);
		variable = put_variable(&setting,
					(struct csn_snapshot_variable){ .name = rows[i].name,
									.type = "char *",
									.value = rows[i].value });
		assert_int_equal(variable->missing != NULL, rows[i].withheld);
		assert_int_equal(setting.snapshot->n_withheld, rows[i].withheld);
		if (rows[i].left)
			assert_string_equal(variable->value, rows[i].left);
		else
			assert_null(variable->value);
		if (!rows[i].withheld)
			continue;
		assert_string_equal(setting.snapshot->withheld->name, rows[i].name);
		assert_string_equal(setting.snapshot->withheld->thread, "7");
		assert_true(setting.snapshot->withheld->has_frame);
	}
}

static void parts_of_a_secret_are_secret(void **state)
{
	struct csn_snapshot_variable parts[] = { { .name = "user", .value = "\"me\"" },
						 { .name = "len", .value = "2" } };
	cleanup_(setting_done) struct setting setting;
	struct csn_snapshot_variable *variable;

	(void)state;
	setting_init(&setting);
	variable =
		put_variable(&setting, (struct csn_snapshot_variable){ .name = "credentials",
								       .parts = parts,
								       .n_parts = 2,
								       .parts_are_target = true });
	assert_null(variable->parts[0].value);
	assert_string_equal(variable->parts[1].value, "2");
	assert_string_equal(setting.snapshot->withheld->name, "credentials->user");
}

static void a_raw_stack_loses_only_what_is_secret(void **state)
{
	static const char stack[] = "ABC\0PASSWORD=hunter2\0\1\2\3\4";
	struct csn_snapshot_thread thread = {
		.tid = 1,
		.raw_stack = { .bytes = (const uint8_t *)stack, .size_bytes = sizeof(stack) },
	};
	cleanup_(setting_done) struct setting setting;

	(void)state;
	setting_init(&setting);
	setting.snapshot->threads = &thread;
	setting.snapshot->n_threads = 1;
	assert_int_equal(csn_privacy_apply(setting.privacy, setting.snapshot, NULL), 0);
	assert_memory_equal(thread.raw_stack.bytes, "ABC\0PASSWORD=*******\0\1\2\3\4",
			    sizeof(stack));
	assert_string_equal(setting.snapshot->withheld->what, "stack");
}

static void attributes_are_withheld_by_name_and_shape(void **state)
{
	cleanup_(setting_done) struct setting setting;
	struct csn_snapshot *snapshot;

	(void)state;
	setting_init(&setting);
	snapshot = setting.snapshot;
	assert_int_equal(csn_snapshot_set_string(snapshot, "auth_token", "abc", NULL), 0);
	assert_int_equal(csn_snapshot_set_string(snapshot, "url", "ftp://a:b@c", NULL), 0);
	assert_int_equal(csn_snapshot_set_string(snapshot, "version", "1.2", NULL), 0);
	assert_int_equal(csn_privacy_apply(setting.privacy, snapshot, NULL), 0);
	assert_string_equal(snapshot->attributes[0].string, "<withheld: token>");
	assert_string_equal(snapshot->attributes[1].string, "ftp://a:<withheld: url-password>@c");
	assert_string_equal(snapshot->attributes[2].string, "1.2");
	assert_int_equal(snapshot->n_withheld, 2);
}

static void a_site_adds_rules_and_turns_some_off(void **state)
{
	cleanup_(setting_done) struct setting setting;
	struct csn_error err = CSN_ERROR_INIT;

	(void)state;
	setting_init(&setting);
	assert_int_equal(csn_privacy_load(setting.privacy,
					  "# ours\n\ntext iban DE\\d{20}\r\noff url-password\n",
					  NULL),
			 0);
	assert_string_equal(left_of(&setting, "DE12345678901234567890"), "<withheld: iban>");
	assert_string_equal(left_of(&setting, "ftp://a:b@c"), "ftp://a:b@c");
	assert_int_equal(csn_privacy_load(setting.privacy, "\ntext bad [", &err), -CSN_E_USAGE);
	assert_non_null(strstr(err.text, "line 2: bad: bad pattern at character"));
	assert_int_equal(csn_privacy_load(setting.privacy, "off nobody", &err), -CSN_E_USAGE);
	assert_non_null(strstr(err.text, "no rule has the name nobody"));
	assert_int_equal(csn_privacy_load(setting.privacy, "names x y", &err), -CSN_E_USAGE);
}

static void many_places_are_counted_instead_of_told(void **state)
{
	cleanup_(setting_done) struct setting setting;
	char name[32];
	uint64_t count = 0;

	(void)state;
	setting_init(&setting);
	for (int i = 0; i < 500; i++) {
		snprintf(name, sizeof(name), "password.%d", i);
		assert_int_equal(csn_snapshot_set_string(setting.snapshot, name, "x", NULL), 0);
	}
	assert_int_equal(csn_privacy_apply(setting.privacy, setting.snapshot, NULL), 0);
	assert_true(setting.snapshot->n_withheld <= CSN_MAX_WITHHELD_PLACES + 1);
	for (size_t i = 0; i < setting.snapshot->n_withheld; i++)
		count += setting.snapshot->withheld[i].count;
	assert_int_equal(count, 500);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shapes_of_secrets_are_cut_out_of_texts),
		cmocka_unit_test(ordinary_texts_are_left_alone),
		cmocka_unit_test(names_of_secrets_withhold_values),
		cmocka_unit_test(parts_of_a_secret_are_secret),
		cmocka_unit_test(a_raw_stack_loses_only_what_is_secret),
		cmocka_unit_test(attributes_are_withheld_by_name_and_shape),
		cmocka_unit_test(a_site_adds_rules_and_turns_some_off),
		cmocka_unit_test(many_places_are_counted_instead_of_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
