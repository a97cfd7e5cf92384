/* Texts, characters and numbers as Rust ({:?}) and Go (%#v) write them. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "values/printer.h"

/* --- characters --- */

/* Ranges of characters that nobody sees, or that change how others are seen. */
static bool is_hidden(uint32_t rune)
{
	static const struct {
		uint32_t first, last;
	} ranges[] = {
		{ 0, 0x1f },        { 0x7f, 0xa0 },          { 0xad, 0xad },     { 0x200b, 0x200f },
		{ 0x2028, 0x202e }, { 0x2060, 0x206f },      { 0xd800, 0xf8ff }, { 0xfeff, 0xfeff },
		{ 0xfff0, 0xfffb }, { 0xe0000, UINT32_MAX },
	};

	for (size_t i = 0; i < csn_countof(ranges); i++)
		if (rune >= ranges[i].first && rune <= ranges[i].last)
			return true;
	return false;
}

static uint32_t decode(const uint8_t *bytes, size_t length)
{
	uint32_t rune = bytes[0];

	if (length > 1)
		rune &= 0x7fu >> length;
	for (size_t i = 1; i < length; i++)
		rune = rune << 6 | (bytes[i] & 0x3f);
	return rune;
}

static void put_utf8(uint32_t rune, struct csn_buf *out)
{
	static const uint8_t firsts[] = { 0, 0, 0xc0, 0xe0, 0xf0 };
	unsigned length = rune < 0x80 ? 1 : rune < 0x800 ? 2 : rune < 0x10000 ? 3 : 4;

	csn_buf_putc(out, (char)(firsts[length] | rune >> (6 * (length - 1))));
	for (unsigned i = length - 1; i > 0; i--)
		csn_buf_putc(out, (char)(0x80 | (rune >> (6 * (i - 1)) & 0x3f)));
}

/* The letter that stands for it behind a backslash; 0 none. */
static char escape_of(uint32_t rune, char quote, enum csn_type_language language)
{
	static const char rust[] = "\0"
				   "0\t"
				   "t\n"
				   "n\r"
				   "r";
	static const char go[] = "\a"
				 "a\b"
				 "b\t"
				 "t\n"
				 "n\v"
				 "v\f"
				 "f\r"
				 "r";
	const char *pairs = language == CSN_LANGUAGE_GO ? go : rust;
	size_t count = (language == CSN_LANGUAGE_GO ? sizeof(go) : sizeof(rust)) / 2;

	if (rune == '\\' || rune == (uint8_t)quote)
		return (char)rune;
	for (size_t i = 0; i < count; i++)
		if (rune == (uint8_t)pairs[2 * i])
			return pairs[2 * i + 1];
	return 0;
}

static void put_rune(uint32_t rune, char quote, enum csn_type_language language,
		     struct csn_buf *out)
{
	char escape = escape_of(rune, quote, language);

	if (escape)
		csn_buf_printf(out, "\\%c", escape);
	else if (!is_hidden(rune))
		put_utf8(rune, out);
	else if (language == CSN_LANGUAGE_RUST)
		csn_buf_printf(out, "\\u{%x}", rune);
	else if (rune < 0x80)
		csn_buf_printf(out, "\\x%02x", rune);
	else
		csn_buf_printf(out, rune < 0x10000 ? "\\u%04x" : "\\U%08x", rune);
}

void csn_rune_print(uint32_t character, struct csn_buf *out)
{
	csn_buf_putc(out, '\'');
	put_rune(character, '\'', CSN_LANGUAGE_RUST, out);
	csn_buf_putc(out, '\'');
}

/* --- texts --- */

void csn_text_print(const uint8_t *bytes, size_t size_bytes, enum csn_type_language language,
		    bool ellipsis, struct csn_buf *out)
{
	size_t at = 0;

	csn_buf_putc(out, '"');
	while (at < size_bytes) {
		size_t length = csn_utf8_length((const char *)bytes + at, size_bytes - at);

		/* Cut within a character. */
		if (!length && ellipsis && size_bytes - at < 4 && bytes[at] >= 0xc0)
			break;
		if (length)
			put_rune(decode(bytes + at, length), '"', language, out);
		else
			csn_buf_printf(out, "\\x%02x", bytes[at]);
		at += length ? length : 1;
	}
	csn_buf_puts(out, ellipsis ? "\"..." : "\"");
}

bool csn_text_fill(struct csn_values *values, csn_addr address, uint64_t size_bytes,
		   enum csn_type_language language, struct csn_value_node *value)
{
	struct csn_object text = { .kind = CSN_OBJECT_MEMORY, .address = address };
	uint8_t bytes[CSN_MAX_VALUE_ELEMENTS];
	uint64_t max = values->budget.elements ? values->budget.elements : sizeof(bytes);
	uint64_t n = csn_min_u64(csn_min_u64(size_bytes, max), sizeof(bytes));
	enum csn_value_state state;

	if (!csn_memory_is_plausible(values, address, size_bytes))
		return false;
	state = csn_object_read(values, &text, bytes, n);
	if (state != CSN_VALUE_OK) {
		csn_value_give_up(value, state);
		return true;
	}
	csn_buf_clear(&values->text);
	csn_text_print(bytes, n, language, n < size_bytes, &values->text);
	csn_value_set_text(values, value, &values->text);
	return true;
}

/* --- numbers --- */

double csn_float_of(const uint8_t *bytes, size_t size_bytes)
{
	double wide;
	float narrow;

	if (size_bytes == sizeof(narrow)) {
		memcpy(&narrow, bytes, sizeof(narrow));
		return (double)narrow;
	}
	memcpy(&wide, bytes, sizeof(wide));
	return wide;
}

/* "d.ddde-x" with the fewest digits that are read back as the same number. */
static void find_digits(double number, size_t size_bytes, char *digits, size_t size)
{
	const int most = size_bytes == sizeof(float) ? 9 : 17;

	for (int n = 0; n < most; n++) {
		snprintf(digits, size, "%.*e", n, number);
		if (size_bytes == sizeof(float) ? strtof(digits, NULL) == (float)number
						: strtod(digits, NULL) == number)
			return;
	}
}

/* Go writes an exponent with a sign and two digits, Rust as short as it gets. */
static void put_exponent(const char *mantissa, int exponent, enum csn_type_language language,
			 struct csn_buf *out)
{
	csn_buf_puts(out, mantissa);
	csn_buf_printf(out, language == CSN_LANGUAGE_GO ? "e%+03d" : "e%d", exponent);
}

/* False: there is nothing behind the point, which is not written. */
static bool put_plain(const char *mantissa, int exponent, struct csn_buf *out)
{
	char digits[40];
	int n = 0, point = exponent + 1;

	for (const char *at = mantissa; *at; at++)
		if (*at != '.')
			digits[n++] = *at;
	if (point <= 0)
		csn_buf_puts(out, "0.");
	for (int i = point; i < 0; i++)
		csn_buf_putc(out, '0');
	for (int i = 0; i < n || i < point; i++) {
		if (i && i == point)
			csn_buf_putc(out, '.');
		csn_buf_putc(out, i < n ? digits[i] : '0');
	}
	return point <= 0 || n > point;
}

void csn_float_print(double number, size_t size_bytes, enum csn_type_language language,
		     struct csn_buf *out)
{
	bool is_go = language == CSN_LANGUAGE_GO;
	char digits[40], *mark;
	int exponent;

	if (isnan(number)) {
		csn_buf_puts(out, "NaN");
		return;
	}
	csn_buf_puts(out, signbit(number) ? "-" : "");
	if (isinf(number)) {
		csn_buf_puts(out, !is_go ? "inf" : signbit(number) ? "Inf" : "+Inf");
		return;
	}
	find_digits(fabs(number), size_bytes, digits, sizeof(digits));
	mark = strchr(digits, 'e');
	exponent = (int)strtol(mark + 1, NULL, 10);
	*mark = '\0';
	if (number != 0 &&
	    (is_go ? exponent < -4 || exponent >= 21 : exponent < -5 || exponent >= 16)) {
		put_exponent(digits, exponent, language, out);
		return;
	}
	if (!put_plain(digits, exponent, out) && !is_go)
		csn_buf_puts(out, ".0");
}
