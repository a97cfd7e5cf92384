#include "base/json_read.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "base/uuid.h"

void csn_json_reader_init(struct csn_json_reader *reader, const char *text, size_t length)
{
	*reader = (struct csn_json_reader){
		.text = text,
		.length = length,
		.name = CSN_BUF_INIT(CSN_MAX_SYMBOL_NAME),
	};
}

void csn_json_reader_done(struct csn_json_reader *reader)
{
	csn_buf_done(&reader->name);
}

static void fail(struct csn_json_reader *reader, enum csn_code code, const char *what)
{
	size_t line = 1, start = 0, i;

	if (reader->failed)
		return;
	reader->failed = true;
	if (code == CSN_E_NOMEM) {
		csn_fail_nomem(&reader->error);
		return;
	}
	for (i = 0; i < reader->at && i < reader->length; i++) {
		if (reader->text[i] == '\n') {
			line++;
			start = i + 1;
		}
	}
	csn_fail(&reader->error, code, "not JSON: line %zu, column %zu: %s", line,
		 reader->at - start + 1, what);
}

/* The next byte that is no blank, not consumed; 0 at the end. */
static char next_byte(struct csn_json_reader *reader)
{
	while (reader->at < reader->length) {
		char c = reader->text[reader->at];

		if (c != ' ' && c != '\n' && c != '\t' && c != '\r')
			return c;
		reader->at++;
	}
	return 0;
}

int csn_json_reader_check(struct csn_json_reader *reader, bool whole, struct csn_error *err)
{
	if (whole && !reader->failed && (next_byte(reader) || reader->at < reader->length))
		fail(reader, CSN_E_FORMAT, "something stands behind the end");
	if (!reader->failed)
		return 0;
	if (err)
		*err = reader->error;
	return -(int)reader->error.code;
}

char csn_json_peek(struct csn_json_reader *reader)
{
	char c = reader->failed ? 0 : next_byte(reader);

	if (c == '-' || (c >= '0' && c <= '9'))
		return '0';
	if (c && strchr("{[\"tfn", c))
		return c;
	fail(reader, CSN_E_FORMAT, c ? "a value is expected" : "the text ends early");
	return 0;
}

bool csn_json_enter(struct csn_json_reader *reader, char open)
{
	if (csn_json_peek(reader) != open) {
		fail(reader, CSN_E_FORMAT,
		     open == '{' ? "an object is expected" : "an array is expected");
		return false;
	}
	if (reader->depth == CSN_MAX_JSON_DEPTH) {
		fail(reader, CSN_E_LIMIT, "nested deeper than 64 levels");
		return false;
	}
	reader->open[reader->depth++] = open;
	reader->at++;
	reader->fresh = true;
	return true;
}

/* Behind the comma to the next element, or behind the end (false). */
static bool next_element(struct csn_json_reader *reader, char open, char close)
{
	bool fresh = reader->fresh;
	char c;

	if (reader->failed)
		return false;
	if (!reader->depth || reader->open[reader->depth - 1] != open) {
		fail(reader, CSN_E_FORMAT, "an element is expected");
		return false;
	}
	reader->fresh = false;
	c = next_byte(reader);
	if (c == close) {
		reader->at++;
		reader->depth--;
		return false;
	}
	if (fresh)
		return true;
	if (c != ',') {
		fail(reader, CSN_E_FORMAT, c ? "a comma is expected" : "the text ends early");
		return false;
	}
	reader->at++;
	return true;
}

const char *csn_json_next_member(struct csn_json_reader *reader)
{
	if (!next_element(reader, '{', '}'))
		return NULL;
	csn_buf_clear(&reader->name);
	if (csn_json_peek(reader) != '"') {
		fail(reader, CSN_E_FORMAT, "a member's name is expected");
		return NULL;
	}
	if (!csn_json_read_text(reader, &reader->name))
		return NULL;
	if (next_byte(reader) != ':') {
		fail(reader, CSN_E_FORMAT, "a colon is expected");
		return NULL;
	}
	reader->at++;
	return csn_buf_text(&reader->name);
}

bool csn_json_next_item(struct csn_json_reader *reader)
{
	return next_element(reader, '[', ']');
}

/* --- strings --- */

/* Four hex digits at the cursor; -1 and failed when there are none. */
static int32_t read_hex4(struct csn_json_reader *reader)
{
	uint8_t bytes[2];
	char digits[5] = "";

	if (reader->length - reader->at < 4)
		return -1;
	memcpy(digits, reader->text + reader->at, 4);
	if (!csn_hex_parse(digits, bytes, 2))
		return -1;
	reader->at += 4;
	return bytes[0] << 8 | bytes[1];
}

static void put_utf8(struct csn_buf *out, uint32_t c)
{
	char bytes[4];
	size_t n = 0;

	if (c < 0x80) {
		bytes[n++] = (char)c;
	} else if (c < 0x800) {
		bytes[n++] = (char)(0xc0 | c >> 6);
	} else if (c < 0x10000) {
		bytes[n++] = (char)(0xe0 | c >> 12);
		bytes[n++] = (char)(0x80 | (c >> 6 & 63));
	} else {
		bytes[n++] = (char)(0xf0 | c >> 18);
		bytes[n++] = (char)(0x80 | (c >> 12 & 63));
		bytes[n++] = (char)(0x80 | (c >> 6 & 63));
	}
	if (c >= 0x80)
		bytes[n++] = (char)(0x80 | (c & 63));
	csn_buf_append(out, bytes, n);
}

#define REPLACEMENT 0xfffd

/* Behind "\u". Two escapes may make one character. */
static bool read_unicode(struct csn_json_reader *reader, struct csn_buf *out)
{
	int32_t high = read_hex4(reader), low;
	size_t before;

	if (high < 0)
		return false;
	if (high < 0xd800 || high > 0xdfff) {
		put_utf8(out, high ? (uint32_t)high : REPLACEMENT);
		return true;
	}
	before = reader->at;
	if (high < 0xdc00 && reader->length - reader->at >= 6 &&
	    memcmp(reader->text + reader->at, "\\u", 2) == 0) {
		reader->at += 2;
		low = read_hex4(reader);
		if (low < 0)
			return false;
		if (low >= 0xdc00 && low <= 0xdfff) {
			put_utf8(out, 0x10000 + ((uint32_t)(high - 0xd800) << 10) +
					      (uint32_t)(low - 0xdc00));
			return true;
		}
		reader->at = before;
	}
	put_utf8(out, REPLACEMENT);
	return true;
}

static bool read_escape(struct csn_json_reader *reader, struct csn_buf *out)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	const char *found;
	char c;

	if (reader->at + 1 >= reader->length)
		return false;
	c = reader->text[reader->at + 1];
	reader->at += 2;
	if (c == 'u')
		return read_unicode(reader, out);
	found = c ? strchr(from, c) : NULL;
	if (found)
		csn_buf_putc(out, to[found - from]);
	return found != NULL;
}

/* Length of the bytes up to the next quote, backslash or mistake. */
static size_t plain_length(const char *text, size_t left)
{
	size_t n = 0, step;

	while (n < left) {
		unsigned char c = (unsigned char)text[n];

		if (c == '"' || c == '\\' || c < 0x20)
			break;
		step = c < 0x80 ? 1 : csn_utf8_length(text + n, left - n);
		if (!step)
			break;
		n += step;
	}
	return n;
}

static void fail_buffer(struct csn_json_reader *reader, const struct csn_buf *out)
{
	if (out->no_memory)
		fail(reader, CSN_E_NOMEM, "out of memory");
	else
		fail(reader, CSN_E_LIMIT, "a string is too long");
}

bool csn_json_read_text(struct csn_json_reader *reader, struct csn_buf *out)
{
	size_t n;

	if (csn_json_peek(reader) != '"') {
		fail(reader, CSN_E_FORMAT, "a string is expected");
		return false;
	}
	for (reader->at++; reader->at < reader->length;) {
		n = plain_length(reader->text + reader->at, reader->length - reader->at);
		csn_buf_append(out, reader->text + reader->at, n);
		reader->at += n;
		if (reader->at == reader->length)
			break;
		if (reader->text[reader->at] == '"') {
			reader->at++;
			if (!csn_buf_ok(out))
				fail_buffer(reader, out);
			return csn_buf_ok(out);
		}
		if (reader->text[reader->at] != '\\' || !read_escape(reader, out)) {
			fail(reader, CSN_E_FORMAT, "a string holds what it may not");
			return false;
		}
	}
	fail(reader, CSN_E_FORMAT, "a string does not end");
	return false;
}

/* The same checks, nothing kept. */
static void skip_string(struct csn_json_reader *reader)
{
	struct csn_buf nothing = CSN_BUF_INIT(CSN_MAX_SYMBOL_NAME);
	size_t n;

	for (reader->at++; reader->at < reader->length;) {
		n = plain_length(reader->text + reader->at, reader->length - reader->at);
		reader->at += n;
		if (reader->at == reader->length)
			break;
		if (reader->text[reader->at] == '"') {
			reader->at++;
			csn_buf_done(&nothing);
			return;
		}
		csn_buf_clear(&nothing);
		if (reader->text[reader->at] != '\\' || !read_escape(reader, &nothing))
			break;
	}
	csn_buf_done(&nothing);
	fail(reader, CSN_E_FORMAT, "a string does not end or holds what it may not");
}

/* --- numbers and words --- */

static size_t digits_at(const struct csn_json_reader *reader, size_t at)
{
	size_t n = 0;

	while (at + n < reader->length && reader->text[at + n] >= '0' &&
	       reader->text[at + n] <= '9')
		n++;
	return n;
}

static char byte_at(const struct csn_json_reader *reader, size_t at)
{
	return at < reader->length ? reader->text[at] : 0;
}

/* Length of the number at the cursor (RFC 8259 section 6), 0 when it is malformed. */
static size_t number_length(const struct csn_json_reader *reader, bool *ret_whole)
{
	size_t start = reader->at, at = start + (byte_at(reader, start) == '-'), n;

	n = digits_at(reader, at);
	if (!n || (n > 1 && byte_at(reader, at) == '0'))
		return 0;
	at += n;
	*ret_whole = true;
	if (byte_at(reader, at) == '.') {
		n = digits_at(reader, at + 1);
		if (!n)
			return 0;
		at += 1 + n;
		*ret_whole = false;
	}
	if (byte_at(reader, at) == 'e' || byte_at(reader, at) == 'E') {
		at++;
		at += byte_at(reader, at) == '+' || byte_at(reader, at) == '-';
		n = digits_at(reader, at);
		if (!n)
			return 0;
		at += n;
		*ret_whole = false;
	}
	return at - start;
}

struct csn_json_number csn_json_read_number(struct csn_json_reader *reader)
{
	struct csn_json_number number = { .kind = CSN_JSON_NO_NUMBER };
	bool whole = false;
	char text[64];
	size_t length;

	if (csn_json_peek(reader) != '0' || !(length = number_length(reader, &whole))) {
		fail(reader, CSN_E_FORMAT, "a number is expected");
		return number;
	}
	/* A number of more than 63 characters is nobody's measurement: it is passed over. */
	snprintf(text, sizeof(text), "%.*s", (int)csn_min_u64(length, sizeof(text) - 1),
		 reader->text + reader->at);
	reader->at += length;
	number.kind = CSN_JSON_DOUBLE;
	if (whole && length < sizeof(text)) {
		if (csn_parse_u64(text, 10, &number.uint))
			number.kind = CSN_JSON_UINT;
		else if (csn_parse_i64(text, &number.int_))
			number.kind = CSN_JSON_INT;
	}
	if (number.kind == CSN_JSON_DOUBLE) {
		number.double_ = strtod(text, NULL);
		if (!isfinite(number.double_) || length >= sizeof(text))
			number.kind = CSN_JSON_NO_NUMBER;
	}
	return number;
}

static bool take_word(struct csn_json_reader *reader, const char *word)
{
	size_t length = strlen(word);

	if (reader->length - reader->at < length ||
	    memcmp(reader->text + reader->at, word, length) != 0) {
		fail(reader, CSN_E_FORMAT, "a value is expected");
		return false;
	}
	reader->at += length;
	return true;
}

bool csn_json_read_bool(struct csn_json_reader *reader)
{
	char kind = csn_json_peek(reader);

	if (kind == 't')
		return take_word(reader, "true");
	if (kind == 'f')
		take_word(reader, "false");
	else
		fail(reader, CSN_E_FORMAT, "true or false is expected");
	return false;
}

/* --- skipping --- */

static void skip_scalar(struct csn_json_reader *reader, char kind)
{
	static const char *const words[] = { "true", "false", "null" };
	bool whole;
	size_t i, length;

	if (kind == '"') {
		skip_string(reader);
		return;
	}
	if (kind == '0') {
		length = number_length(reader, &whole);
		if (!length)
			fail(reader, CSN_E_FORMAT, "a number is malformed");
		reader->at += length;
		return;
	}
	for (i = 0; i < csn_countof(words); i++)
		if (*words[i] == kind)
			take_word(reader, words[i]);
}

void csn_json_skip(struct csn_json_reader *reader)
{
	unsigned depth = reader->depth;
	char kind;

	do {
		kind = csn_json_peek(reader);
		if (kind == '{' || kind == '[')
			csn_json_enter(reader, kind);
		else
			skip_scalar(reader, kind);
		/* Up to the next value, leaving what has ended. */
		while (!reader->failed && reader->depth > depth) {
			if (reader->open[reader->depth - 1] == '{'
				    ? csn_json_next_member(reader) != NULL
				    : csn_json_next_item(reader))
				break;
		}
	} while (!reader->failed && reader->depth > depth);
}

const char *csn_json_read_raw(struct csn_json_reader *reader, size_t *ret_length)
{
	const char *start;

	csn_json_peek(reader);
	start = reader->text + reader->at;
	csn_json_skip(reader);
	if (reader->failed)
		return NULL;
	*ret_length = (size_t)(reader->text + reader->at - start);
	return start;
}
