#include "base/json.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

struct csn_json csn_json_to(struct csn_buf *out)
{
	return (struct csn_json){ .out = out };
}

static void before_value(struct csn_json *json)
{
	if (json->need_comma)
		csn_buf_putc(json->out, ',');
	json->need_comma = true;
}

static void open_container(struct csn_json *json, char c)
{
	before_value(json);
	csn_buf_putc(json->out, c);
	json->need_comma = false;
}

static void close_container(struct csn_json *json, char c)
{
	csn_buf_putc(json->out, c);
	json->need_comma = true;
}

void csn_json_begin_object(struct csn_json *json)
{
	open_container(json, '{');
}

void csn_json_end_object(struct csn_json *json)
{
	close_container(json, '}');
}

void csn_json_begin_array(struct csn_json *json)
{
	open_container(json, '[');
}

void csn_json_end_array(struct csn_json *json)
{
	close_container(json, ']');
}

static void put_escaped(struct csn_buf *out, unsigned char c)
{
	static const char short_form[32] = {
		['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r',
	};

	if (c == '"' || c == '\\')
		csn_buf_printf(out, "\\%c", c);
	else if (c < 32 && short_form[c])
		csn_buf_printf(out, "\\%c", short_form[c]);
	else
		csn_buf_printf(out, "\\u%04x", c);
}

static void put_string(struct csn_buf *out, const char *text, size_t length)
{
	size_t at = 0, plain, n;

	csn_buf_putc(out, '"');
	while (at < length) {
		for (plain = at; plain < length; plain += n) {
			unsigned char c = (unsigned char)text[plain];

			n = csn_utf8_length(text + plain, length - plain);
			if (n == 0 || c < 0x20 || c == '"' || c == '\\' || c == 0x7f)
				break;
		}
		csn_buf_append(out, text + at, plain - at);
		at = plain;
		if (at == length)
			break;
		if ((unsigned char)text[at] < 0x80)
			put_escaped(out, (unsigned char)text[at]);
		else
			csn_buf_puts(out, "\xef\xbf\xbd");
		at++;
	}
	csn_buf_putc(out, '"');
}

void csn_json_key(struct csn_json *json, const char *name)
{
	before_value(json);
	put_string(json->out, name, strlen(name));
	csn_buf_putc(json->out, ':');
	json->need_comma = false;
}

void csn_json_string_n(struct csn_json *json, const char *text, size_t length)
{
	before_value(json);
	put_string(json->out, text, length);
}

void csn_json_string(struct csn_json *json, const char *text)
{
	if (text)
		csn_json_string_n(json, text, strlen(text));
	else
		csn_json_null(json);
}

void csn_json_int(struct csn_json *json, int64_t value)
{
	before_value(json);
	csn_buf_printf(json->out, "%" PRId64, value);
}

void csn_json_uint(struct csn_json *json, uint64_t value)
{
	before_value(json);
	csn_buf_printf(json->out, "%" PRIu64, value);
}

void csn_json_double(struct csn_json *json, double value)
{
	char text[40];

	if (!isfinite(value)) {
		csn_json_null(json);
		return;
	}
	before_value(json);
	snprintf(text, sizeof(text), "%.15g", value);
	csn_buf_puts(json->out, text);
}

void csn_json_bool(struct csn_json *json, bool value)
{
	before_value(json);
	csn_buf_puts(json->out, value ? "true" : "false");
}

void csn_json_null(struct csn_json *json)
{
	before_value(json);
	csn_buf_puts(json->out, "null");
}

void csn_json_address(struct csn_json *json, csn_addr value)
{
	before_value(json);
	csn_buf_printf(json->out, "\"0x%" PRIx64 "\"", value);
}

void csn_json_raw(struct csn_json *json, const char *text, size_t length)
{
	before_value(json);
	csn_buf_append(json->out, text, length);
}

void csn_json_member_string(struct csn_json *json, const char *name, const char *text)
{
	csn_json_key(json, name);
	csn_json_string(json, text);
}

void csn_json_member_int(struct csn_json *json, const char *name, int64_t value)
{
	csn_json_key(json, name);
	csn_json_int(json, value);
}

void csn_json_member_uint(struct csn_json *json, const char *name, uint64_t value)
{
	csn_json_key(json, name);
	csn_json_uint(json, value);
}

void csn_json_member_bool(struct csn_json *json, const char *name, bool value)
{
	csn_json_key(json, name);
	csn_json_bool(json, value);
}

void csn_json_member_address(struct csn_json *json, const char *name, csn_addr value)
{
	csn_json_key(json, name);
	csn_json_address(json, value);
}

void csn_json_member_hex(struct csn_json *json, const char *name, const char *text)
{
	static const char digits[] = "0123456789abcdef";
	size_t at = 0, length = strlen(text), n;

	while (at < length && (n = csn_utf8_length(text + at, length - at)) > 0)
		at += n;
	if (at == length)
		return;
	csn_json_key(json, name);
	before_value(json);
	csn_buf_putc(json->out, '"');
	for (at = 0; at < length; at++) {
		csn_buf_putc(json->out, digits[(unsigned char)text[at] >> 4]);
		csn_buf_putc(json->out, digits[(unsigned char)text[at] & 15]);
	}
	csn_buf_putc(json->out, '"');
}
