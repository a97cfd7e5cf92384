/* http: forms, multipart, compressed bodies, paths. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/limits.h"
#include "http/body.h"

static void forms_are_percent_decoded(void **state)
{
	struct csn_arena *arena = csn_arena_new(1 << 20);
	struct csn_http_pairs pairs = { 0 };
	const char text[] = "username=a%20b&password=%25+x&empty=&flag&bad=%4&=x";

	(void)state;
	csn_http_parse_form(arena, text, sizeof(text) - 1, &pairs);
	assert_string_equal(csn_http_pairs_find(&pairs, "username", false), "a b");
	assert_string_equal(csn_http_pairs_find(&pairs, "password", false), "% x");
	assert_string_equal(csn_http_pairs_find(&pairs, "empty", false), "");
	assert_string_equal(csn_http_pairs_find(&pairs, "flag", false), "");
	assert_string_equal(csn_http_pairs_find(&pairs, "bad", false), "%4");
	assert_int_equal(pairs.count, 5);
	assert_null(csn_http_pairs_find(&pairs, "Username", false));
	csn_arena_free(arena);
}

static void slashes_are_made_one(void **state)
{
	struct csn_arena *arena = csn_arena_new(1 << 20);

	(void)state;
	assert_string_equal(csn_http_clean_path(arena, "//api///get/"), "/api/get/");
	assert_string_equal(csn_http_clean_path(arena, "/"), "/");
	csn_arena_free(arena);
}

static int parse(struct csn_arena *arena, const char *body, struct csn_http_part **parts, size_t *n)
{
	return csn_http_parse_multipart(arena, "multipart/form-data; boundary=\"B\"", body,
					strlen(body), parts, n, NULL);
}

static void multipart_finds_names_files_and_bytes(void **state)
{
	struct csn_arena *arena = csn_arena_new(1 << 20);
	struct csn_http_part *parts;
	size_t n;

	(void)state;
	assert_int_equal(
		parse(arena,
		      "preamble\r\n--B\r\nContent-Disposition: form-data; name=\"k\"\r\n\r\nv\r\n"
		      "--B\r\ncontent-disposition: form-data; name=\"f\"; "
		      "filename=\"a\\\"b.txt\"\r\n"
		      "Content-Type: text/plain\r\n\r\nline\r\n--Bad\r\n--B--\r\n",
		      &parts, &n),
		-CSN_E_FORMAT);
	assert_int_equal(parse(arena,
			       "--B\r\nContent-Disposition: form-data; name=\"k\"\r\n\r\nv\r\n"
			       "--B\r\ncontent-disposition: form-data; name=\"f\"; "
			       "filename=\"a\\\"b.txt\"\r\n"
			       "Content-Type: text/plain\r\n\r\nline\r\n-B\r\n--B--\r\n",
			       &parts, &n),
			 0);
	assert_int_equal(n, 2);
	assert_string_equal(parts[0].name, "k");
	assert_int_equal(parts[0].size_bytes, 1);
	assert_string_equal(parts[1].filename, "a\"b.txt");
	assert_string_equal(parts[1].content_type, "text/plain");
	assert_int_equal(parts[1].size_bytes, strlen("line\r\n-B"));
	csn_arena_free(arena);
}

static void multipart_that_is_cut_anywhere_is_refused(void **state)
{
	const char whole[] = "--B\r\nContent-Disposition: form-data; name=\"k\"\r\n\r\nv\r\n--B--";
	struct csn_http_part *parts;
	size_t n;

	(void)state;
	for (size_t length = 0; length < sizeof(whole) - 1; length++) {
		struct csn_arena *arena = csn_arena_new(1 << 20);
		char *cut = strndup(whole, length);

		assert_int_equal(parse(arena, cut, &parts, &n), -CSN_E_FORMAT);
		free(cut);
		csn_arena_free(arena);
	}
}

static void compressed_bodies_come_back(void **state)
{
	char text[5000], packed[8000];
	struct csn_buf out = CSN_BUF_INIT(1 << 20);
	uLongf size = sizeof(packed);
	struct csn_error err;

	(void)state;
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (char)('a' + i % 23);
	assert_int_equal(compress((Bytef *)packed, &size, (Bytef *)text, sizeof(text)), Z_OK);
	assert_int_equal(csn_http_inflate("deflate", packed, size, &out, &err), 0);
	assert_int_equal(out.size, sizeof(text));
	assert_memory_equal(out.data, text, sizeof(text));
	csn_buf_clear(&out);
	assert_int_equal(csn_http_inflate("Deflate", packed + 2, size - 6, &out, &err), 0);
	assert_int_equal(out.size, sizeof(text));
	csn_buf_clear(&out);
	assert_int_equal(csn_http_inflate("deflate", packed, size / 2, &out, &err), -CSN_E_FORMAT);
	csn_buf_clear(&out);
	assert_int_equal(csn_http_inflate("br", packed, size, &out, &err), -CSN_E_UNSUPPORTED);
	csn_buf_done(&out);
}

static void bodies_that_blow_up_are_refused(void **state)
{
	size_t size = 16 * CSN_MIB;
	char *zeros = calloc(1, size);
	uLongf packed_size = compressBound(size);
	char *packed = malloc(packed_size);
	struct csn_buf out = CSN_BUF_INIT(CSN_GIB);
	struct csn_error err;

	(void)state;
	assert_int_equal(compress((Bytef *)packed, &packed_size, (Bytef *)zeros, size), Z_OK);
	assert_int_equal(csn_http_inflate("deflate", packed, packed_size, &out, &err),
			 -CSN_E_LIMIT);
	csn_buf_done(&out);
	free(packed);
	free(zeros);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(forms_are_percent_decoded),
		cmocka_unit_test(slashes_are_made_one),
		cmocka_unit_test(multipart_finds_names_files_and_bytes),
		cmocka_unit_test(multipart_that_is_cut_anywhere_is_refused),
		cmocka_unit_test(compressed_bodies_come_back),
		cmocka_unit_test(bodies_that_blow_up_are_refused),
	};

	return cmocka_run_group_tests_name("http_body", tests, NULL, NULL);
}
