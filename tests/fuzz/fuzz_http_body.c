/* Multipart, forms and compressed bodies: the first line says which, with its parameter. */
#include <stdint.h>
#include <string.h>

#include "http/body.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fuzz_one(const char *line, const char *body, size_t size)
{
	struct csn_arena *arena = csn_arena_new(16 << 20);
	struct csn_buf out = CSN_BUF_INIT(4 << 20);
	struct csn_http_pairs pairs = { 0 };
	struct csn_http_part *parts = NULL;
	size_t n = 0;

	if (!arena)
		return;
	csn_http_parse_form(arena, body, size, &pairs);
	if (csn_http_is_multipart(line) &&
	    csn_http_parse_multipart(arena, line, body, size, &parts, &n, NULL) == 0)
		for (size_t i = 0; i < n; i++)
			csn_buf_append(&out, parts[i].data, parts[i].size_bytes);
	csn_buf_clear(&out);
	if (csn_http_inflate(line, body, size, &out, NULL) < 0)
		csn_buf_clear(&out);
	csn_buf_done(&out);
	csn_arena_free(arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *end = memchr(data, '\n', size);
	char line[256];

	if (!end || (size_t)(end - data) >= sizeof(line))
		return 0;
	memcpy(line, data, (size_t)(end - data));
	line[end - data] = '\0';
	fuzz_one(line, (const char *)end + 1, size - (size_t)(end - data) - 1);
	return 0;
}
