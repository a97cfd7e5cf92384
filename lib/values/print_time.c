/* Durations and points in time. */
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "base/clock.h"
#include "values/print_std.h"

/* What one tick is, in seconds. */
struct period {
	int64_t num, den;
};

/* From the second template argument of a duration, a ratio. */
static bool read_period(struct csn_type *duration, struct period *ret_period)
{
	struct csn_type *ratio = csn_type_strip(csn_type_argument_type(duration, 1));

	if (!ratio || !csn_type_is_template(ratio, "ratio"))
		return false;
	csn_type_read_parts(ratio);
	if (ratio->n_arguments != 2 || !ratio->arguments[0].is_value ||
	    !ratio->arguments[1].is_value)
		return false;
	ret_period->num = ratio->arguments[0].value;
	ret_period->den = ratio->arguments[1].value;
	return ret_period->num > 0 && ret_period->den > 0;
}

static void format_suffix(const struct period *period, char *text, size_t size_bytes)
{
	static const struct {
		struct period period;
		const char *suffix;
	} known[] = {
		{ { 1, 1000000000 }, "ns" }, { { 1, 1000000 }, "us" }, { { 1, 1000 }, "ms" },
		{ { 1, 1 }, "s" },           { { 60, 1 }, "min" },     { { 3600, 1 }, "h" },
		{ { 86400, 1 }, "d" },
	};

	for (size_t i = 0; i < csn_countof(known); i++) {
		if (known[i].period.num != period->num || known[i].period.den != period->den)
			continue;
		snprintf(text, size_bytes, "%s", known[i].suffix);
		return;
	}
	if (period->den == 1)
		snprintf(text, size_bytes, "[%" PRId64 "]s", period->num);
	else
		snprintf(text, size_bytes, "[%" PRId64 "/%" PRId64 "]s", period->num, period->den);
}

/* The ticks as text, in "5" or "2.5". */
static bool fill_ticks(struct csn_printing *p, const char *path, struct csn_value_node *ret_ticks,
		       struct csn_part *ret_part)
{
	if (!csn_part_find(p->values, &p->whole, path, ret_part))
		return false;
	csn_value_fill(p->values, p->frame, &ret_part->object, ret_part->type, p->depth + 1, 0,
		       ret_ticks);
	return ret_ticks->state == CSN_VALUE_OK && ret_ticks->text && !ret_ticks->n_parts;
}

bool csn_print_std_duration(struct csn_printing *p, const char *count)
{
	struct csn_value_node ticks = { 0 };
	struct period period;
	struct csn_part part;
	char suffix[64];

	if (!fill_ticks(p, count, &ticks, &part) || !read_period(p->whole.type, &period))
		return false;
	format_suffix(&period, suffix, sizeof(suffix));
	return csn_print_title(p, "%s = { %s%s }", p->name, ticks.text, suffix);
}

/* " [2026-11-25 23:59:59]" of ticks since 1970; "" when it is no such time. */
static void format_date(struct csn_printing *p, const struct csn_part *ticks,
			const struct period *period, char *text, size_t size_bytes)
{
	struct csn_type *type = csn_type_strip(ticks->type);
	uint64_t number;
	int64_t scaled;
	time_t seconds;
	struct tm tm;

	*text = '\0';
	if (type->encoding != CSN_ENCODING_SIGNED || !csn_part_number(p->values, ticks, &number) ||
	    __builtin_mul_overflow((int64_t)number, period->num, &scaled))
		return;
	seconds = scaled / period->den - (scaled % period->den < 0);
	if (gmtime_r(&seconds, &tm) && tm.tm_year < 10000)
		strftime(text, size_bytes, " [%Y-%m-%d %H:%M:%S]", &tm);
}

bool csn_print_std_time(struct csn_printing *p, const char *count)
{
	struct csn_type *clock = csn_type_strip(csn_type_argument_type(p->whole.type, 0));
	struct csn_type *duration = csn_type_strip(csn_type_argument_type(p->whole.type, 1));
	struct csn_value_node ticks = { 0 };
	struct period period;
	struct csn_part part;
	char suffix[64], date[64] = "";

	if (!clock || !duration || !fill_ticks(p, count, &ticks, &part) ||
	    !read_period(duration, &period))
		return false;
	format_suffix(&period, suffix, sizeof(suffix));
	if (!csn_type_is_template(clock, "system_clock"))
		return csn_print_title(p, "%s = { %s%s }", csn_print_typed(p, 1), ticks.text,
				       suffix);
	format_date(p, &part, &period, date, sizeof(date));
	return csn_print_title(p, "std::chrono::sys_time = { %s%s%s }", ticks.text, suffix, date);
}
