#include "http/body.h"

#include <string.h>
#include <strings.h>
#include <zlib.h>

#include "base/limits.h"

/* ---- compression ---- */

static int inflate_as(int window_bits, const void *data, size_t size, struct csn_buf *out,
		      struct csn_error *err)
{
	z_stream stream = { .next_in = (Bytef *)data, .avail_in = (uInt)size };
	char chunk[32768];
	int r;

	if (inflateInit2(&stream, window_bits) != Z_OK)
		return csn_fail_nomem(err);
	do {
		stream.next_out = (Bytef *)chunk;
		stream.avail_out = sizeof(chunk);
		r = inflate(&stream, Z_NO_FLUSH);
		csn_buf_append(out, chunk, sizeof(chunk) - stream.avail_out);
		if (out->size > CSN_MIB && out->size / CSN_MAX_INFLATE_RATIO > size)
			out->failed = true;
	} while (r == Z_OK && csn_buf_ok(out) && (stream.avail_in || !stream.avail_out));
	inflateEnd(&stream);
	if (out->no_memory || r == Z_MEM_ERROR)
		return csn_fail_nomem(err);
	if (!csn_buf_ok(out))
		return csn_fail(err, CSN_E_LIMIT, "the body is too large once decompressed");
	if (r != Z_STREAM_END)
		return csn_fail(err, CSN_E_FORMAT, "the compressed body is damaged or cut");
	return 0;
}

int csn_http_inflate(const char *encoding, const void *data, size_t size_bytes, struct csn_buf *out,
		     struct csn_error *err)
{
	const uint8_t *bytes = data;
	bool zlib_header;

	if (!encoding || !*encoding || strcasecmp(encoding, "identity") == 0) {
		csn_buf_append(out, data, size_bytes);
		return csn_buf_check(out, "body", err);
	}
	if (size_bytes > UINT32_MAX)
		return csn_fail(err, CSN_E_LIMIT, "the body is too large");
	if (strcasecmp(encoding, "gzip") == 0 || strcasecmp(encoding, "x-gzip") == 0)
		return inflate_as(15 + 16, data, size_bytes, out, err);
	if (strcasecmp(encoding, "deflate") != 0)
		return csn_fail(err, CSN_E_UNSUPPORTED, "unknown Content-Encoding %.40s", encoding);
	/* RFC 9110 means the zlib format, many senders send the bare stream (RFC 1950 2.2). */
	zlib_header =
		size_bytes >= 2 && (bytes[0] & 0x0f) == 8 && (bytes[0] << 8 | bytes[1]) % 31 == 0;
	return inflate_as(zlib_header ? 15 : -15, data, size_bytes, out, err);
}

/* ---- forms ---- */

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static char *decode(struct csn_arena *arena, const char *text, size_t length)
{
	char *out = csn_arena_alloc(arena, length + 1), *to = out;

	for (size_t i = 0; out && i < length; i++) {
		if (text[i] == '%' && i + 2 < length && hex_digit(text[i + 1]) >= 0 &&
		    hex_digit(text[i + 2]) >= 0) {
			*to++ = (char)(hex_digit(text[i + 1]) * 16 + hex_digit(text[i + 2]));
			i += 2;
		} else {
			*to++ = text[i] == '+' ? ' ' : text[i];
		}
	}
	return out;
}

void csn_http_parse_form(struct csn_arena *arena, const char *text, size_t length,
			 struct csn_http_pairs *pairs)
{
	const char *end = text + length;

	while (text < end) {
		const char *amp = memchr(text, '&', (size_t)(end - text));
		const char *stop = amp ? amp : end;
		const char *equals = memchr(text, '=', (size_t)(stop - text));
		const char *name_end = equals ? equals : stop;
		char *name = decode(arena, text, (size_t)(name_end - text));
		char *value =
			equals ? decode(arena, equals + 1, (size_t)(stop - equals - 1)) : NULL;

		if (name && *name)
			csn_http_pairs_add(arena, pairs, name, value);
		text = stop + 1;
	}
}

/* ---- multipart (RFC 7578, RFC 2046 5.1) ---- */

/* The value of a parameter of a header: `; name="value"` or `; name=value`. NULL when absent. */
static char *header_parameter(struct csn_arena *arena, const char *header, const char *name)
{
	size_t name_length = strlen(name);

	for (const char *at = strchr(header, ';'); at; at = strchr(at, ';')) {
		char *out;
		size_t n = 0;

		at += 1 + strspn(at + 1, " \t");
		if (strncasecmp(at, name, name_length) != 0 || at[name_length] != '=')
			continue;
		at += name_length + 1;
		out = csn_arena_alloc(arena, strlen(at) + 1);
		if (!out)
			return NULL;
		if (*at != '"') {
			n = strcspn(at, "; \t");
			memcpy(out, at, n);
			return out;
		}
		for (at++; *at && *at != '"'; at++) {
			if (*at == '\\' && (at[1] == '"' || at[1] == '\\'))
				at++;
			out[n++] = *at;
		}
		return out;
	}
	return NULL;
}

bool csn_http_is_multipart(const char *content_type)
{
	return content_type && strncasecmp(content_type, "multipart/form-data", 19) == 0;
}

/* Lines of a part's head, up to the empty one. Returns where its content starts, NULL when cut. */
static const char *part_head(struct csn_arena *arena, const char *at, const char *end,
			     struct csn_http_part *part)
{
	part->name = part->filename = part->content_type = "";
	for (;;) {
		const char *line_end = memmem(at, (size_t)(end - at), "\r\n", 2);
		char *line, *value;

		if (!line_end)
			return NULL;
		if (line_end == at)
			return at + 2;
		line = csn_arena_strndup(arena, at, (size_t)(line_end - at));
		if (!line)
			return NULL;
		if (strncasecmp(line, "Content-Disposition:", 20) == 0) {
			value = header_parameter(arena, line, "name");
			part->name = value ? value : "";
			value = header_parameter(arena, line, "filename");
			part->filename = value ? value : "";
		} else if (strncasecmp(line, "Content-Type:", 13) == 0) {
			part->content_type = line + 13 + strspn(line + 13, " \t");
		}
		at = line_end + 2;
	}
}

/* Behind the next `mark`; NULL when there is none. */
static const char *after(const char *at, const char *end, const char *mark, size_t length)
{
	const char *found = memmem(at, (size_t)(end - at), mark, length);

	return found ? found + length : NULL;
}

int csn_http_parse_multipart(struct csn_arena *arena, const char *content_type, const void *body,
			     size_t size_bytes, struct csn_http_part **ret_parts, size_t *ret_count,
			     struct csn_error *err)
{
	const char *boundary = header_parameter(arena, content_type, "boundary");
	const char *at = body, *end = at + size_bytes, *found;
	struct csn_http_part *parts = NULL;
	size_t n = 0, capacity = 0, length;
	char *mark;

	if (!boundary || !*boundary || strlen(boundary) > 200)
		return csn_fail(err, CSN_E_FORMAT, "multipart body without a boundary");
	mark = csn_arena_sprintf(arena, "\r\n--%s", boundary);
	if (!mark)
		return csn_fail_nomem(err);
	length = strlen(mark);
	/* The first boundary may stand at the very start, without the line end before it. */
	if (size_bytes >= length - 2 && memcmp(at, mark + 2, length - 2) == 0)
		at += length - 2;
	else
		at = after(at, end, mark, length);
	while (at && n < CSN_MAX_HTTP_PARTS) {
		if (end - at >= 2 && memcmp(at, "--", 2) == 0) {
			*ret_parts = parts;
			*ret_count = n;
			return 0;
		}
		parts = csn_arena_grow(arena, parts, n, &capacity, sizeof(*parts));
		if (!parts)
			return csn_fail_nomem(err);
		at = after(at, end, "\r\n", 2);
		at = at ? part_head(arena, at, end, &parts[n]) : NULL;
		found = at ? after(at, end, mark, length) : NULL;
		if (!found)
			break;
		parts[n].data = at;
		parts[n++].size_bytes = (size_t)(found - at) - length;
		at = found;
	}
	return csn_fail(err, CSN_E_FORMAT, "the multipart body is cut or has too many parts");
}
