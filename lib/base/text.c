#include "base/text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

size_t csn_utf8_length(const char *text, size_t left)
{
	const unsigned char *s = (const unsigned char *)text;
	size_t length, i;
	uint32_t code;

	if (left == 0)
		return 0;
	if (s[0] < 0x80)
		return 1;
	if (s[0] < 0xc2 || s[0] > 0xf4)
		return 0;
	length = s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
	if (length > left)
		return 0;
	code = s[0] & (0x7fu >> length);
	for (i = 1; i < length; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (s[i] & 0x3f);
	}
	if ((length == 3 && code < 0x800) || (length == 4 && (code < 0x10000 || code > 0x10ffff)) ||
	    (code >= 0xd800 && code <= 0xdfff))
		return 0;
	return length;
}

/* Bytes of one displayable character at text; 0 when it has to be escaped. */
static size_t printable_length(const char *text, size_t left)
{
	const unsigned char *s = (const unsigned char *)text;
	size_t length = csn_utf8_length(text, left);

	if (length == 0 || s[0] < 0x20 || s[0] == 0x7f)
		return 0;
	if (length == 2 && s[0] == 0xc2 && s[1] < 0xa0)
		return 0;
	return length;
}

static bool is_bare(const char *word)
{
	static const char bare[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				   "0123456789@%+=:,./_-";

	return *word && word[strspn(word, bare)] == '\0';
}

/* Appends the run of printable characters at *at in single quotes; returns its end. */
static size_t quote_printable_run(struct csn_buf *out, const char *word, size_t at, size_t length)
{
	size_t n;

	csn_buf_putc(out, '\'');
	while (at < length && (n = printable_length(word + at, length - at)) > 0) {
		if (word[at] == '\'')
			csn_buf_puts(out, "'\\''");
		else
			csn_buf_append(out, word + at, n);
		at += n;
	}
	csn_buf_putc(out, '\'');
	return at;
}

static size_t quote_byte_run(struct csn_buf *out, const char *word, size_t at, size_t length)
{
	csn_buf_puts(out, "$'");
	while (at < length && printable_length(word + at, length - at) == 0)
		csn_buf_printf(out, "\\x%02x", (unsigned char)word[at++]);
	csn_buf_putc(out, '\'');
	return at;
}

void csn_quote_shell(struct csn_buf *out, const char *word)
{
	size_t at = 0, length = strlen(word);

	if (is_bare(word)) {
		csn_buf_puts(out, word);
		return;
	}
	if (length == 0)
		csn_buf_puts(out, "''");
	while (at < length) {
		if (printable_length(word + at, length - at))
			at = quote_printable_run(out, word, at, length);
		else
			at = quote_byte_run(out, word, at, length);
	}
}

void csn_quote_command(struct csn_buf *out, const char *const argv[])
{
	size_t i;

	for (i = 0; argv[i]; i++) {
		if (i)
			csn_buf_putc(out, ' ');
		csn_quote_shell(out, argv[i]);
	}
}

void csn_escape_text(struct csn_buf *out, const char *text, size_t length)
{
	size_t at = 0, n;

	while (at < length) {
		n = printable_length(text + at, length - at);
		if (n == 0) {
			csn_buf_printf(out, "\\x%02x", (unsigned char)text[at++]);
			continue;
		}
		if (text[at] == '\\')
			csn_buf_puts(out, "\\\\");
		else
			csn_buf_append(out, text + at, n);
		at += n;
	}
}

const char *csn_escape_to(char *out, size_t out_size, const char *text)
{
	size_t at = 0, used = 0, length = strlen(text);

	while (at < length) {
		char piece[8];
		size_t n = printable_length(text + at, length - at);
		size_t m = 4;

		if (n == 0) {
			snprintf(piece, sizeof(piece), "\\x%02x", (unsigned char)text[at]);
			n = 1;
		} else if (text[at] == '\\') {
			memcpy(piece, "\\\\", 3);
			m = 2;
		} else {
			memcpy(piece, text + at, n);
			m = n;
		}
		if (used + m + 4 > out_size) {
			memcpy(out + used, "...", used + 4 <= out_size ? 4 : 1);
			return out;
		}
		memcpy(out + used, piece, m);
		used += m;
		at += n;
	}
	out[used] = '\0';
	return out;
}

void csn_format_size(char *out, size_t out_size, uint64_t bytes)
{
	static const char *const units[] = { "B", "kB", "mB", "gB", "tB" };
	double value = (double)bytes;
	size_t unit = 0;

	while (value >= 999.995 && unit + 1 < csn_countof(units)) {
		value /= 1000;
		unit++;
	}
	snprintf(out, out_size, "%.2f%s", value, units[unit]);
}

bool csn_parse_u64(const char *text, int base, uint64_t *ret_value)
{
	unsigned long long value;
	char *end;

	if (!((*text >= '0' && *text <= '9') ||
	      (base == 16 && *text && strchr("abcdefABCDEF", *text))))
		return false;
	errno = 0;
	value = strtoull(text, &end, base);
	if (errno || *end || end == text)
		return false;
	*ret_value = value;
	return true;
}

bool csn_parse_i64(const char *text, int64_t *ret_value)
{
	long long value;
	char *end;

	if (!((*text >= '0' && *text <= '9') || (*text == '-' && text[1] >= '0' && text[1] <= '9')))
		return false;
	errno = 0;
	value = strtoll(text, &end, 10);
	if (errno || *end)
		return false;
	*ret_value = value;
	return true;
}

const char *csn_last_part(const char *path)
{
	const char *slash = path ? strrchr(path, '/') : NULL;

	return slash ? slash + 1 : path;
}

int csn_find_word(const char *const *words, size_t n_words, const char *word)
{
	for (size_t i = 0; word && i < n_words; i++)
		if (strcmp(words[i], word) == 0)
			return (int)i;
	return -1;
}

unsigned csn_text_distance(const char *a, const char *b)
{
	size_t n = strlen(a), m = strlen(b), i, j;
	unsigned row[65];

	if (n > 64 || m > 64)
		return 1000;
	for (j = 0; j <= m; j++)
		row[j] = (unsigned)j;
	for (i = 1; i <= n; i++) {
		unsigned diagonal = row[0];

		row[0] = (unsigned)i;
		for (j = 1; j <= m; j++) {
			unsigned best = diagonal + (a[i - 1] != b[j - 1]);

			diagonal = row[j];
			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
		}
	}
	return row[m];
}
