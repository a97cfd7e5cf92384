/* Text of characters, as gdb writes it: control characters as escapes, long runs of one character
 * folded, the last NUL of an array left out. Bytes beyond ASCII are written as octal escapes: which
 * character set the program meant is not known. */
#include <string.h>

#include "values/values_internal.h"

/* A run longer than this is told by its length. */
#define CSN_REPEAT_THRESHOLD 10u

const char *csn_string_prefix(struct csn_type *type, unsigned *ret_width)
{
	static const struct {
		const char *name, *prefix;
	} wide[] = { { "wchar_t", "L" }, { "char16_t", "u" }, { "char32_t", "U" } };
	unsigned hops;

	*ret_width = 1;
	if (csn_type_is_character(type))
		return "";
	for (hops = 0; type && hops < CSN_MAX_TYPE_HOPS; hops++) {
		for (size_t i = 0; i < csn_countof(wide); i++) {
			uint64_t size_bytes;

			if (!type->name || strcmp(type->name, wide[i].name) != 0 ||
			    !csn_type_size(type, &size_bytes))
				continue;
			*ret_width = (unsigned)size_bytes;
			return size_bytes == 2 || size_bytes == 4 ? wide[i].prefix : NULL;
		}
		if (type->kind == CSN_TYPE_BASE || !type->target.unit ||
		    (type->kind != CSN_TYPE_CONST && type->kind != CSN_TYPE_VOLATILE &&
		     type->kind != CSN_TYPE_TYPEDEF))
			return NULL;
		type = csn_type_target(type);
	}
	return NULL;
}

static void put_character(uint32_t character, unsigned width, char quote, struct csn_buf *out)
{
	static const char names[] = "abtnvfr"; /* from 7 on */

	if (width == 1)
		character &= 0xff;
	if (character >= 7 && character <= 13) {
		csn_buf_printf(out, "\\%c", names[character - 7]);
	} else if (character >= ' ' && character < 0x7f) {
		if (character == (uint8_t)quote || character == '\\')
			csn_buf_putc(out, '\\');
		csn_buf_putc(out, (char)character);
	} else if (character > 0xff) {
		csn_buf_printf(out, width == 2 ? "\\u%04x" : "\\U%08x", character);
	} else {
		csn_buf_printf(out, "\\%03o", character);
	}
}

void csn_character_print(uint32_t character, unsigned width, struct csn_buf *out)
{
	csn_buf_putc(out, '\'');
	put_character(character, width, '\'', out);
	csn_buf_putc(out, '\'');
}

static uint32_t character_at(const uint8_t *bytes, size_t index, unsigned width)
{
	return (uint32_t)csn_number_of(bytes + index * width, width, false);
}

void csn_string_print(const uint8_t *bytes, size_t count, unsigned width, uint64_t max,
		      bool ellipsis, const char *prefix, struct csn_buf *out)
{
	bool quoted = false, any = false;
	size_t at = 0, run;

	while (at < count && at < max) {
		uint32_t character = character_at(bytes, at, width);

		for (run = 1; at + run < count && character_at(bytes, at + run, width) == character;
		     run++)
			;
		if (run > CSN_REPEAT_THRESHOLD) {
			csn_buf_printf(out, "%s%s%s", quoted ? "\"" : "", any ? ", " : "", prefix);
			csn_character_print(character, width, out);
			csn_buf_printf(out, " <repeats %zu times>", run);
			quoted = false;
		} else {
			run = csn_min_u64(run, max - at);
			if (!quoted)
				csn_buf_printf(out, "%s%s\"", any ? ", " : "", prefix);
			for (size_t i = 0; i < run; i++)
				put_character(character, width, '"', out);
			quoted = true;
		}
		any = true;
		at += run;
	}
	if (!any)
		csn_buf_printf(out, "%s\"\"", prefix);
	if (quoted)
		csn_buf_putc(out, '"');
	if (ellipsis || at < count)
		csn_buf_puts(out, "...");
}
