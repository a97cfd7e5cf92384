/* conf: INI reader, coroner.cf. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "conf/coroner_cf.h"
#include "conf/ini.h"

struct seen {
	char key[64], value[64];
	unsigned line, count;
};

static int note_pair(void *context, const char *key, const char *value, struct csn_ini_place place,
		     struct csn_error *err)
{
	struct seen *seen = context;

	(void)err;
	snprintf(seen->key, sizeof(seen->key), "%s", key);
	snprintf(seen->value, sizeof(seen->value), "%s", value);
	seen->line = place.line;
	seen->count++;
	return 0;
}

static int refuse(void *context, const char *key, const char *value, struct csn_ini_place place,
		  struct csn_error *err)
{
	uint64_t size;

	(void)context;
	(void)key;
	(void)place;
	return csn_ini_size(value, &size, err);
}

static const struct csn_ini_key schema[] = {
	{ "", "dump.quota", note_pair }, { "", "format.*", note_pair },
	{ "", "dump.budget", refuse },   { "daemon", "purge.age", note_pair },
	{ "token", "*", note_pair },     { NULL },
};

static void values_are_trimmed_and_windows_line_ends_tolerated(void **state)
{
	struct seen seen = { 0 };
	struct csn_error err = CSN_ERROR_INIT;

	(void)state;
	assert_int_equal(csn_ini_parse("f", "# c\r\n\r\n  dump.quota =  10%  \r\n", schema, &seen,
				       &err),
			 0);
	assert_string_equal(seen.key, "dump.quota");
	assert_string_equal(seen.value, "10%");
	assert_int_equal(seen.line, 3);
}

static void sections_and_wildcards_find_their_keys(void **state)
{
	struct seen seen = { 0 };
	struct csn_error err = CSN_ERROR_INIT;

	(void)state;
	assert_int_equal(csn_ini_parse("f",
				       "format.1 = a %e /x=#y$\n[daemon]\npurge.age=1d\n"
				       "[token]\nweb = 00ff",
				       schema, &seen, &err),
			 0);
	assert_int_equal(seen.count, 3);
	assert_string_equal(seen.key, "web");
	assert_string_equal(seen.value, "00ff");
}

static void assert_refused(const char *text, const char *message)
{
	struct seen seen = { 0 };
	struct csn_error err = CSN_ERROR_INIT;

	assert_true(csn_ini_parse("my.conf", text, schema, &seen, &err) < 0);
	assert_string_equal(err.text, message);
}

static void errors_name_file_line_and_nearest_key(void **state)
{
	(void)state;
	assert_refused("\ndump.qouta = 5",
		       "my.conf:2: unknown key 'dump.qouta'; the nearest known key is "
		       "'dump.quota'");
	assert_refused("purge.age = 5d",
		       "my.conf:1: unknown key 'purge.age'; the nearest known key is "
		       "'purge.age' in [daemon]");
	assert_refused("[demon]\n", "my.conf:1: unknown section [demon]; the nearest known one is "
				    "[daemon]");
	assert_refused("dump.budget = lots", "my.conf:1: dump.budget: 'lots' is not a size such as "
					     "4M, 64MiB or 100kB");
	assert_refused("\x1b[2Jhello", "my.conf:1: '\\x1b[2Jhello' is neither 'key = value' nor "
				       "[section]");
	assert_refused("[daemon", "my.conf:1: a section header reads [name]");
}

static void missing_file_is_not_found(void **state)
{
	struct csn_error err = CSN_ERROR_INIT;

	(void)state;
	assert_int_equal(csn_ini_read("/nonexistent/x.conf", schema, NULL, &err), -CSN_E_NOT_FOUND);
}

static void sizes_know_binary_and_decimal_units(void **state)
{
	struct csn_error err = CSN_ERROR_INIT;
	uint64_t size;

	(void)state;
	assert_int_equal(csn_ini_size("4M", &size, &err), 0);
	assert_int_equal(size, 4 << 20);
	assert_int_equal(csn_ini_size("100kB", &size, &err), 0);
	assert_int_equal(size, 100000);
	assert_int_equal(csn_ini_size("64 MiB", &size, &err), 0);
	assert_int_equal(size, 64 << 20);
	assert_true(csn_ini_size("-1", &size, &err) < 0);
	assert_true(csn_ini_size("99999999999999999999", &size, &err) < 0);
	assert_true(csn_ini_size("20000000000G", &size, &err) < 0);
}

static void read_cf(const char *text, struct csn_coroner_cf *cf, int expected,
		    struct csn_error *err)
{
	char path[] = "/tmp/csn-cf-XXXXXX";
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(csn_write_full(fd, text, strlen(text)), 0);
	close(fd);
	assert_int_equal(csn_coroner_cf_read(path, cf, err), expected);
	unlink(path);
}

static void coroner_cf_gives_urls_tokens_and_folders(void **state)
{
	struct csn_error err = CSN_ERROR_INIT;
	struct csn_coroner_cf cf;

	(void)state;
	read_cf("[universe]\nname = yourcompany\nwrite = http://127.0.0.1:6097\n"
		"read.ssl.enabled = false\ncurl.ssl_verifyhost = 2\ncurl.ssl_verifypeer = 0\n"
		"[tokens]\nblackhole = 00ffAA\n[default]\nput.k = true\n"
		"[daemon]\nweb.app.root = /srv/out\nweb.app.token = blackhole\n",
		&cf, 0, &err);
	assert_string_equal(cf.universe, "yourcompany");
	assert_string_equal(cf.write_url, "http://127.0.0.1:6097");
	assert_false(cf.read_ssl);
	assert_true(cf.verify_host);
	assert_false(cf.verify_peer);
	assert_string_equal(csn_coroner_cf_find_token(&cf, "blackhole"), "00ffAA");
	assert_null(csn_coroner_cf_find_token(&cf, "web"));
	assert_int_equal(cf.n_daemons, 1);
	assert_string_equal(cf.daemons[0].project, "web.app");
	assert_string_equal(cf.daemons[0].root, "/srv/out");
	assert_string_equal(cf.defaults.items[0].name, "put.k");
	csn_coroner_cf_done(&cf);
}

static void coroner_cf_refuses_a_token_that_is_no_hex(void **state)
{
	struct csn_error err = CSN_ERROR_INIT;
	struct csn_coroner_cf cf;

	(void)state;
	read_cf("[token]\nblackhole = hello\n", &cf, -CSN_E_FORMAT, &err);
	assert_non_null(strstr(err.text, ":2: blackhole: a token is a row of hex digits"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_are_trimmed_and_windows_line_ends_tolerated),
		cmocka_unit_test(sections_and_wildcards_find_their_keys),
		cmocka_unit_test(errors_name_file_line_and_nearest_key),
		cmocka_unit_test(missing_file_is_not_found),
		cmocka_unit_test(sizes_know_binary_and_decimal_units),
		cmocka_unit_test(coroner_cf_gives_urls_tokens_and_folders),
		cmocka_unit_test(coroner_cf_refuses_a_token_that_is_no_hex),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
