#include "text.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/json_load.h"
#include "base/limits.h"
#include "base/text.h"

struct morgue_colors morgue_colors_for(int fd)
{
	static const struct morgue_colors none = { "", "", "", "", "" };
	static const struct morgue_colors ansi = { "\x1b[33m", "\x1b[1m", "\x1b[36m", "\x1b[2m",
						   "\x1b[0m" };
	const char *force = getenv("FORCE_COLOR"), *no = getenv("NO_COLOR"), *term = getenv("TERM");

	if (force && *force)
		return strcmp(force, "0") == 0 ? none : ansi;
	if ((no && *no) || !isatty(fd) || !term || strcmp(term, "dumb") == 0)
		return none;
	return ansi;
}

void morgue_put_text(struct csn_buf *out, const char *text)
{
	csn_escape_text(out, text, strlen(text));
}

void morgue_put_date(struct csn_buf *out, int64_t seconds)
{
	time_t when = (time_t)seconds;
	struct tm local;
	char text[96];

	/* The names of days and months are C's; nobody calls setlocale here. */
	if (!localtime_r(&when, &local) ||
	    strftime(text, sizeof(text), "%a %b %d %Y %H:%M:%S GMT%z (%Z)", &local) == 0) {
		csn_buf_printf(out, "%" PRId64, seconds);
		return;
	}
	csn_buf_puts(out, text);
}

void morgue_put_ago(struct csn_buf *out, int64_t seconds, int64_t now)
{
	static const struct {
		int64_t seconds;
		const char *name;
	} units[] = {
		{ 365 * 86400ll, "year" }, { 30 * 86400ll, "month" }, { 7 * 86400ll, "week" },
		{ 86400ll, "day" },        { 3600, "hour" },          { 60, "minute" },
		{ 1, "second" },
	};
	int64_t age = now > seconds ? now - seconds : 0;
	size_t i = 0;

	while (i < csn_countof(units) - 1 && age < units[i].seconds)
		i++;
	csn_buf_printf(out, "%" PRId64 " %s%s ago", age / units[i].seconds, units[i].name,
		       age / units[i].seconds == 1 ? "" : "s");
}

/* Counts below the number of levels are shown as they are, so that a lone crash is a small step
 * and not a full block. */
void morgue_put_sparkline(struct csn_buf *out, const uint64_t *slots, size_t n_slots)
{
	static const char *const levels[] = { "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█" };
	const uint64_t top = csn_countof(levels) - 1;
	uint64_t largest = top;
	size_t i;

	for (i = 0; i < n_slots; i++)
		largest = csn_max_u64(largest, slots[i]);
	for (i = 0; i < n_slots; i++) {
		double share = (double)slots[i] / (double)largest;

		csn_buf_puts(out, levels[csn_min_u64(top, (uint64_t)ceil(share * (double)top))]);
	}
}

void morgue_put_bar(struct csn_buf *out, double value, double largest, unsigned width)
{
	unsigned cells = 0, i;

	if (value > 0 && largest > 0)
		cells = (unsigned)(value / largest * width + 0.5);
	if (value > 0 && cells == 0)
		cells = 1;
	for (i = 0; i < cells && i < width; i++)
		csn_buf_puts(out, "▆");
}

static bool value_u64(const json_t *value, uint64_t *ret_number)
{
	return csn_json_number_u64(value, ret_number);
}

static void put_plain(struct csn_buf *out, const json_t *value)
{
	cleanup_free char *text = NULL;

	if (json_is_string(value)) {
		morgue_put_text(out, json_string_value(value));
		return;
	}
	if (!value || json_is_null(value)) {
		csn_buf_puts(out, "null");
		return;
	}
	if (json_is_real(value)) {
		csn_buf_printf(out, "%.15g", json_real_value(value));
		return;
	}
	text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
	if (text)
		morgue_put_text(out, text);
}

static void put_address(struct csn_buf *out, const json_t *value)
{
	uint64_t number;

	if (value_u64(value, &number))
		csn_buf_printf(out, "0x%" PRIx64, number);
	else
		put_plain(out, value);
}

static void put_ipv4(struct csn_buf *out, const json_t *value)
{
	uint64_t number;

	if (!value_u64(value, &number) || number > UINT32_MAX) {
		put_plain(out, value);
		return;
	}
	csn_buf_printf(out, "%u.%u.%u.%u", (unsigned)(number >> 24), (unsigned)(number >> 16 & 255),
		       (unsigned)(number >> 8 & 255), (unsigned)(number & 255));
}

static void put_seconds(struct csn_buf *out, const json_t *value)
{
	uint64_t number;

	if (value_u64(value, &number) && number <= INT64_MAX)
		morgue_put_date(out, (int64_t)number);
	else
		put_plain(out, value);
}

static void put_js_time(struct csn_buf *out, const json_t *value)
{
	uint64_t number;

	if (value_u64(value, &number) && number <= INT64_MAX)
		morgue_put_date(out, (int64_t)(number / 1000));
	else
		put_plain(out, value);
}

/* 32 bare hex digits get their dashes. */
static void put_uuid(struct csn_buf *out, const json_t *value)
{
	const char *text = json_string_value(value);

	if (!text || strspn(text, "0123456789abcdefABCDEF") != 32 || text[32]) {
		put_plain(out, value);
		return;
	}
	csn_buf_printf(out, "%.8s-%.4s-%.4s-%.4s-%s", text, text + 8, text + 12, text + 16,
		       text + 20);
}

/* The frames on one line; the wrapped form is morgue_put_callstack. */
static void put_stack_line(struct csn_buf *out, const json_t *value)
{
	morgue_put_callstack(out, value, 0, 0, false);
}

void morgue_put_value(struct csn_buf *out, const json_t *value, const char *format)
{
	static const struct {
		const char *format, *unit;
		void (*put)(struct csn_buf *out, const json_t *value);
	} formats[] = {
		{ "unix_timestamp", "", put_seconds },
		{ "gps_timestamp", "", put_seconds },
		{ "js_timestamp", "", put_js_time },
		{ "memory_address", "", put_address },
		{ "ipv4", "", put_ipv4 },
		{ "uuid", "", put_uuid },
		{ "callstack", "", put_stack_line },
		{ "bytes", " B", put_plain },
		{ "kilobytes", " kB", put_plain },
		{ "megabytes", " MB", put_plain },
		{ "gigabytes", " GB", put_plain },
		{ "seconds", " sec", put_plain },
		{ "milliseconds", " ms", put_plain },
		{ "nanoseconds", " ns", put_plain },
	};
	size_t i;

	for (i = 0; value && !json_is_null(value) && i < csn_countof(formats); i++) {
		if (strcmp(formats[i].format, format) != 0)
			continue;
		formats[i].put(out, value);
		csn_buf_puts(out, formats[i].unit);
		return;
	}
	put_plain(out, value);
}

/* Drops "<...>" and "(...)" except operator names, so that a C++ stack can be read. */
static void trim_name(char *name)
{
	char *to = name;
	const char *from = name;
	unsigned depth = 0;

	if (strstr(name, "operator") || *name == '(' || *name == '<')
		return;
	for (; *from; from++) {
		if (*from == '<' || *from == '(')
			depth++;
		else if ((*from == '>' || *from == ')') && depth)
			depth--;
		else if (!depth)
			*to++ = *from;
	}
	*to = '\0';
}

/* Columns of a UTF-8 text, counting one per character. */
static unsigned columns_of(const char *text)
{
	unsigned n = 0;

	for (; *text; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80;
	return n;
}

struct stack_writer {
	struct csn_buf *out;
	unsigned indent, width, column;
	bool full;
};

static void put_frame(struct stack_writer *writer, const char *name, bool last)
{
	cleanup_(csn_buf_done) struct csn_buf shown = CSN_BUF_INIT(4 * CSN_MAX_SYMBOL_NAME);
	cleanup_free char *copy = strdup(name);
	unsigned columns;

	if (!copy)
		return;
	if (!writer->full)
		trim_name(copy);
	morgue_put_text(&shown, *copy ? copy : "??");
	columns = columns_of(csn_buf_text(&shown)) + (last ? 0 : 2);
	if (writer->column && writer->width && writer->column + 1 + columns > writer->width) {
		csn_buf_printf(writer->out, "\n%*s", (int)writer->indent, "");
		writer->column = writer->indent;
	} else if (writer->column > writer->indent) {
		csn_buf_putc(writer->out, ' ');
		writer->column++;
	}
	csn_buf_printf(writer->out, "%s%s", csn_buf_text(&shown), last ? "" : " ←");
	writer->column += columns;
}

void morgue_put_callstack(struct csn_buf *out, const json_t *value, unsigned indent, unsigned width,
			  bool full)
{
	struct stack_writer writer = { out, indent, width, indent, full };
	const char *text = json_string_value(value), *name;
	cleanup_json json_t *parsed = NULL;
	const json_t *frames;
	size_t i, n;

	if (text && csn_json_load(text, strlen(text), &parsed, NULL) == 0)
		value = parsed;
	frames = json_is_array(value) ? value : json_object_get(value, "frame");
	n = json_array_size(frames);
	if (n == 0) {
		put_plain(out, text ? value : NULL);
		return;
	}
	csn_buf_printf(out, "%*s", (int)indent, "");
	for (i = 0; i < n; i++) {
		name = json_string_value(json_array_get(frames, i));
		put_frame(&writer, name ? name : "??", i + 1 == n);
	}
}
