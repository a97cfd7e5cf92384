#include "target/proc_json.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/limits.h"

/* A line of /proc: "name <separator> value". */
struct line {
	const char *name, *value;
	size_t name_length, value_length;
};

/* Cuts the next line of *at, NUL-terminated text; skips those without the separator. */
static bool next_line(const char **at, char separator, struct line *line)
{
	while (**at) {
		const char *start = *at, *end = strchrnul(start, '\n');
		const char *cut = memchr(start, separator, (size_t)(end - start));

		*at = *end ? end + 1 : end;
		if (!cut)
			continue;
		*line = (struct line){ .name = start, .value = cut + 1 };
		line->name_length = (size_t)(cut - start);
		while (line->name_length && isblank((unsigned char)start[line->name_length - 1]))
			line->name_length--;
		while (line->value < end && isblank((unsigned char)*line->value))
			line->value++;
		line->value_length = (size_t)(end - line->value);
		while (line->value_length &&
		       isblank((unsigned char)line->value[line->value_length - 1]))
			line->value_length--;
		if (line->name_length)
			return true;
	}
	return false;
}

static void put_key(struct csn_json *json, const struct line *line)
{
	char name[64];

	snprintf(name, sizeof(name), "%.*s", (int)csn_min_u64(line->name_length, 63), line->name);
	csn_json_key(json, name);
}

/* A decimal number of any sign at text; *ret_end behind it. What no reader of JSON can be expected
 * to hold (above 2^63: the kernel's "unlimited") is null. */
static bool put_number(struct csn_json *json, const char *text, const char **ret_end)
{
	long long value;
	char *end;

	if (!isdigit((unsigned char)text[text[0] == '-']))
		return false;
	errno = 0;
	value = strtoll(text, &end, 10);
	if (errno)
		csn_json_null(json);
	else
		csn_json_int(json, value);
	*ret_end = end;
	return true;
}

static size_t number_length(const char *text, size_t length)
{
	size_t n = length && text[0] == '-', digits = n;

	while (n < length && isdigit((unsigned char)text[n]))
		n++;
	return n > digits ? n : 0;
}

/* "12" and "12 kB" are numbers, "1\t2\t3" is a list, everything else a string. */
static void put_value(struct csn_json *json, const struct line *line)
{
	size_t n = number_length(line->value, line->value_length), left = line->value_length - n;
	const char *rest = line->value + n, *end;

	/* Masks such as SigCgt are hexadecimal of fixed width. */
	if (n && n < 16 && (left == 0 || (left == 3 && memcmp(rest, " kB", 3) == 0))) {
		put_number(json, line->value, &end);
		return;
	}
	if (n && n < 16 && rest[0] == '\t') {
		csn_json_begin_array(json);
		for (rest = line->value; put_number(json, rest, &end) && *end == '\t';)
			rest = end + 1;
		csn_json_end_array(json);
		return;
	}
	csn_json_string_n(json, line->value, csn_min_u64(line->value_length, 4096));
}

void csn_proc_put_lines(struct csn_json *json, const char *member, const char *text,
			bool numbers_only)
{
	const char *at = text;
	struct line line;

	if (!at)
		return;
	csn_json_key(json, member);
	csn_json_begin_object(json);
	while (next_line(&at, ':', &line)) {
		if (numbers_only && !number_length(line.value, line.value_length))
			continue;
		put_key(json, &line);
		put_value(json, &line);
	}
	csn_json_end_object(json);
}

/* /proc/PID/sched: "name : 12.34"; its first line repeats the name of the process. */
void csn_proc_put_sched(struct csn_json *json, const char *text)
{
	const char *at = text ? strchr(text, '\n') : NULL;
	struct line line;
	char *end;

	if (!at)
		return;
	csn_json_key(json, "sched");
	csn_json_begin_object(json);
	while (next_line(&at, ':', &line)) {
		double value = strtod(line.value, &end);

		if (end != line.value + line.value_length || line.value_length == 0)
			continue;
		put_key(json, &line);
		if (memchr(line.value, '.', line.value_length))
			csn_json_double(json, value);
		else
			csn_json_int(json, strtoll(line.value, NULL, 10));
	}
	csn_json_end_object(json);
}

/* The names of proc(5), from field 3; NULL ones are left out. */
static const char *const stat_names[] = {
	"state",    "ppid",      "pgrp",        "session", "tty_nr",
	NULL,       "flags",     "minflt",      "cminflt", "majflt",
	"cmajflt",  "utime",     "stime",       "cutime",  "cstime",
	"priority", "nice",      "num_threads", NULL,      "starttime",
	"vsize",    "rss",       "rsslim",      NULL,      NULL,
	NULL,       NULL,        NULL,          NULL,      NULL,
	NULL,       NULL,        NULL,          NULL,      NULL,
	NULL,       "processor", "rt_priority", "policy",  "delayacct_blkio_ticks",
};

/* Fields are counted from behind the last parenthesis: the name may contain anything. */
static const char *stat_fields(const char *stat)
{
	const char *close = stat ? strrchr(stat, ')') : NULL;

	return close && close[1] == ' ' ? close + 2 : NULL;
}

bool csn_proc_stat_field(const char *stat, unsigned number, int64_t *ret_value)
{
	const char *at = stat_fields(stat);

	for (; at && number > 3; number--) {
		at = strchr(at, ' ');
		if (at)
			at++;
	}
	if (!at || !isdigit((unsigned char)at[at[0] == '-']))
		return false;
	*ret_value = strtoll(at, NULL, 10);
	return true;
}

void csn_proc_put_stat(struct csn_json *json, const char *text)
{
	const char *at = stat_fields(text), *end;
	size_t i;

	if (!at)
		return;
	csn_json_key(json, "stat");
	csn_json_begin_object(json);
	for (i = 0; at && i < csn_countof(stat_names); i++) {
		if (stat_names[i]) {
			csn_json_key(json, stat_names[i]);
			if (!put_number(json, at, &end))
				csn_json_string_n(json, at, 1);
		}
		at = strchr(at, ' ');
		if (at)
			at++;
	}
	csn_json_end_object(json);
	csn_json_member_int(json, "clk_tck", sysconf(_SC_CLK_TCK));
	csn_json_member_int(json, "page_size", sysconf(_SC_PAGESIZE));
}

static void put_limit(struct csn_json *json, const char **at)
{
	const char *end;

	*at += strspn(*at, " ");
	if (!put_number(json, *at, &end)) {
		csn_json_null(json);
		end = *at + strcspn(*at, " \n");
	}
	*at = end;
}

/* "Max core file size        0                    unlimited            bytes": columns of 26. */
void csn_proc_put_limits(struct csn_json *json, const char *text)
{
	const char *at = text ? strchr(text, '\n') : NULL, *value;
	struct line line;
	int width;

	if (!at)
		return;
	csn_json_key(json, "limits");
	csn_json_begin_object(json);
	while (*at++ && *at) {
		value = strstr(at, "  ");
		if (!value)
			break;
		width = (int)(value - at);
		line = (struct line){ .name = at, .name_length = (size_t)width };
		put_key(json, &line);
		csn_json_begin_array(json);
		put_limit(json, &value);
		put_limit(json, &value);
		csn_json_end_array(json);
		at = strchrnul(value, '\n');
	}
	csn_json_end_object(json);
}

void csn_proc_put_number(struct csn_json *json, const char *member, const char *text)
{
	const char *end;

	if (!text || !number_length(text, strlen(text)))
		return;
	csn_json_key(json, member);
	put_number(json, text, &end);
}

void csn_proc_put_list(struct csn_json *json, const char *member, const char *text, unsigned max)
{
	const char *end;

	if (!text)
		return;
	csn_json_key(json, member);
	csn_json_begin_array(json);
	for (; max && put_number(json, text, &end); max--) {
		text = end;
		text += strspn(text, " ");
	}
	csn_json_end_array(json);
}

static void put_cpu(struct csn_json *json, const char *text)
{
	static const char *const names[] = { "user", "nice",    "system", "idle",  "iowait",
					     "irq",  "softirq", "steal",  "guest", "guest_nice" };
	const char *end;
	size_t i;

	csn_json_key(json, "cpu");
	csn_json_begin_object(json);
	text += strspn(text, " ");
	for (i = 0; i < csn_countof(names) && isdigit((unsigned char)*text); i++) {
		csn_json_key(json, names[i]);
		if (put_number(json, text, &end))
			text = end + strspn(end, " ");
	}
	csn_json_member_int(json, "count", sysconf(_SC_NPROCESSORS_ONLN));
	csn_json_end_object(json);
}

static void put_system(struct csn_json *json, const char *text)
{
	static const char *const wanted[] = { "ctxt", "btime", "processes", "procs_running",
					      "procs_blocked" };
	struct line line;
	size_t i;

	csn_json_key(json, "system");
	csn_json_begin_object(json);
	while (next_line(&text, ' ', &line))
		for (i = 0; i < csn_countof(wanted); i++)
			if (strlen(wanted[i]) == line.name_length &&
			    memcmp(wanted[i], line.name, line.name_length) == 0) {
				put_key(json, &line);
				put_value(json, &line);
			}
	csn_json_end_object(json);
}

void csn_proc_put_machine(struct csn_json *json)
{
	struct csn_buf text = CSN_BUF_INIT(CSN_MAX_PROC_FILE);
	double load[3];

	if (csn_read_file(AT_FDCWD, "/proc/stat", &text, NULL) == 0 &&
	    strncmp(csn_buf_text(&text), "cpu ", 4) == 0) {
		put_cpu(json, csn_buf_text(&text) + 4);
		put_system(json, csn_buf_text(&text));
	}
	csn_buf_done(&text);
	if (getloadavg(load, 3) != 3)
		return;
	csn_json_key(json, "loadavg");
	csn_json_begin_array(json);
	csn_json_double(json, load[0]);
	csn_json_double(json, load[1]);
	csn_json_double(json, load[2]);
	csn_json_end_array(json);
}
