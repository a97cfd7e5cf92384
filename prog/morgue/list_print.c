/* A query's reply as people read it: one block per group, the footer with the server's time. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json_load.h"
#include "base/limits.h"
#include "list.h"

#define LABEL_WIDTH 16 /* of "First Occurrence" */
#define BAR_WIDTH 40
#define MAX_BARS 10000

struct printer {
	struct csn_buf *out;
	const struct list_view *view;
	const json_t *columns;
	uint64_t rows; /* that passed the filter, for percentages; 0 unknown */
};

static void put_label(const struct printer *printer, const char *label)
{
	csn_buf_printf(printer->out, "%s%*s:%s ", printer->view->colors.label, LABEL_WIDTH, label,
		       printer->view->colors.off);
}

static void put_key(const struct printer *printer, const char *key)
{
	csn_buf_puts(printer->out, printer->view->colors.key);
	morgue_put_text(printer->out, key);
	csn_buf_puts(printer->out, printer->view->colors.off);
}

/* Whether a column is "op(<the timestamp>)". */
static bool is_of_time(const struct printer *printer, size_t at, const char *op)
{
	char name[512];

	snprintf(name, sizeof(name), "%s(%s)", op, printer->view->column);
	return strcmp(list_column_name(printer->columns, at), name) == 0;
}

static const json_t *time_cell(const struct printer *printer, const json_t *cells, const char *op)
{
	size_t i;

	for (i = 0; i < json_array_size(printer->columns); i++)
		if (is_of_time(printer, i, op))
			return json_array_get(cells, i);
	return NULL;
}

/* --- the head of a group: sparkline and dates --- */

static size_t slot_of(const struct list_view *view, const json_t *bin, size_t at)
{
	double middle = (json_number_value(json_array_get(bin, 0)) +
			 json_number_value(json_array_get(bin, 1))) /
			2;
	double span = (double)(view->stop - view->start), slot;

	/* Bins of a range that we did not choose are drawn in their order. */
	if (span <= 0)
		return at < MORGUE_SPARK_SLOTS ? at : MORGUE_SPARK_SLOTS - 1;
	slot = (middle - (double)view->start) / span * MORGUE_SPARK_SLOTS;
	if (!(slot >= 0))
		return 0;
	return slot < MORGUE_SPARK_SLOTS ? (size_t)slot : MORGUE_SPARK_SLOTS - 1;
}

static void put_sparkline(const struct printer *printer, const json_t *bins)
{
	uint64_t slots[MORGUE_SPARK_SLOTS] = { 0 };
	size_t i;

	for (i = 0; i < json_array_size(bins); i++) {
		const json_t *bin = json_array_get(bins, i);
		json_int_t count = json_integer_value(json_array_get(bin, 2));

		if (count > 0)
			slots[slot_of(printer->view, bin, i)] += (uint64_t)count;
	}
	morgue_put_sparkline(printer->out, slots, MORGUE_SPARK_SLOTS);
}

static int64_t seconds_of(const json_t *value)
{
	uint64_t seconds;

	if (json_is_real(value))
		return (int64_t)json_real_value(value);
	return csn_json_number_u64(value, &seconds) ? (int64_t)seconds : 0;
}

static void put_dates(const struct printer *printer, const json_t *range)
{
	int64_t first = seconds_of(json_array_get(range, 0));
	int64_t last = seconds_of(json_array_get(range, 1));

	if (first == last) {
		put_label(printer, "Date");
		morgue_put_date(printer->out, first);
		csn_buf_printf(printer->out, "\n%*s", LABEL_WIDTH + 2, "");
	} else {
		put_label(printer, "First Occurrence");
		morgue_put_date(printer->out, first);
		csn_buf_putc(printer->out, '\n');
		put_label(printer, "Last Occurrence");
	}
	morgue_put_date(printer->out, last);
	csn_buf_putc(printer->out, '\n');
}

static void put_occurrences(const struct printer *printer, json_int_t count)
{
	put_label(printer, "Occurrences");
	csn_buf_printf(printer->out, "%s%" JSON_INTEGER_FORMAT "%s", printer->view->colors.number,
		       count, printer->view->colors.off);
	if (printer->rows)
		csn_buf_printf(printer->out, " (%.2f%%)",
			       100.0 * (double)count / (double)printer->rows);
	csn_buf_putc(printer->out, '\n');
}

static void put_group_head(const struct printer *printer, const char *key, const json_t *cells,
			   json_int_t count)
{
	const struct list_view *view = printer->view;
	const json_t *range = time_cell(printer, cells, "range");
	const json_t *bins = time_cell(printer, cells, "bin");

	put_key(printer, key);
	if (bins) {
		csn_buf_putc(printer->out, ' ');
		put_sparkline(printer, bins);
	}
	if (json_array_size(range) == 2) {
		csn_buf_putc(printer->out, ' ');
		morgue_put_ago(printer->out, seconds_of(json_array_get(range, 1)), view->now);
	}
	csn_buf_putc(printer->out, '\n');
	if (json_array_size(range) == 2)
		put_dates(printer, range);
	put_occurrences(printer, count);
}

/* --- cells --- */

struct bar {
	char *label; /* owned */
	unsigned columns;
	double count;
	size_t place;
};

struct bars {
	struct bar *items; /* owned */
	size_t count;
};

static void bars_done(struct bars *bars)
{
	size_t i;

	for (i = 0; i < bars->count; i++)
		free(bars->items[i].label);
	free(bars->items);
}

static int compare_bars(const void *a, const void *b)
{
	const struct bar *left = a, *right = b;

	if (left->count != right->count)
		return left->count < right->count ? 1 : -1;
	return left->place < right->place ? -1 : 1;
}

static unsigned columns_of(const char *text)
{
	unsigned n = 0;

	for (; *text; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80;
	return n;
}

static bool bars_add(struct bars *bars, struct csn_buf *label, double count)
{
	struct bar *bar = &bars->items[bars->count];

	csn_buf_puts(label, "");
	bar->label = csn_buf_take(label);
	if (!bar->label)
		return false;
	bar->columns = columns_of(bar->label);
	bar->count = count;
	bar->place = bars->count++;
	return true;
}

static void put_bars(const struct printer *printer, const struct bars *bars)
{
	unsigned widest = 0;
	double largest = 0;
	size_t i;

	for (i = 0; i < bars->count; i++) {
		if (bars->items[i].columns > widest)
			widest = bars->items[i].columns;
		if (bars->items[i].count > largest)
			largest = bars->items[i].count;
	}
	for (i = 0; i < bars->count; i++) {
		const struct bar *bar = &bars->items[i];

		csn_buf_printf(printer->out, "  %*s%s ", (int)(widest - bar->columns), "",
			       bar->label);
		morgue_put_bar(printer->out, bar->count, largest, BAR_WIDTH);
		csn_buf_printf(printer->out, " %s%.0f%s\n", printer->view->colors.number,
			       bar->count, printer->view->colors.off);
	}
}

/* [[value, count], ...], by count */
static void put_histogram(const struct printer *printer, const json_t *cell, const char *format)
{
	cleanup_(bars_done) struct bars bars = { 0 };
	size_t i, n = csn_min_u64(json_array_size(cell), MAX_BARS);

	bars.items = calloc(n + 1, sizeof(*bars.items));
	for (i = 0; bars.items && i < n; i++) {
		cleanup_(csn_buf_done) struct csn_buf label = CSN_BUF_INIT(CSN_MIB);
		const json_t *pair = json_array_get(cell, i), *value = json_array_get(pair, 0);
		const char *text = json_string_value(value);

		if (json_is_null(value) || (text && !*text))
			csn_buf_puts(&label, "--");
		else
			morgue_put_value(&label, value, format);
		if (!bars_add(&bars, &label, json_number_value(json_array_get(pair, 1))))
			break;
	}
	csn_buf_putc(printer->out, '\n');
	if (bars.items)
		qsort(bars.items, bars.count, sizeof(*bars.items), compare_bars);
	put_bars(printer, &bars);
}

/* [[lo, hi, count], ...], in order */
static void put_bins(const struct printer *printer, const json_t *cell, const char *format)
{
	cleanup_(bars_done) struct bars bars = { 0 };
	size_t i, n = csn_min_u64(json_array_size(cell), MAX_BARS);

	bars.items = calloc(n + 1, sizeof(*bars.items));
	for (i = 0; bars.items && i < n; i++) {
		cleanup_(csn_buf_done) struct csn_buf label = CSN_BUF_INIT(CSN_MIB);
		const json_t *bin = json_array_get(cell, i);

		morgue_put_value(&label, json_array_get(bin, 0), format);
		csn_buf_puts(&label, " - ");
		morgue_put_value(&label, json_array_get(bin, 1), format);
		if (!bars_add(&bars, &label, json_number_value(json_array_get(bin, 2))))
			break;
	}
	csn_buf_putc(printer->out, '\n');
	put_bars(printer, &bars);
}

/* [{"keys":n,"tail":m,"vals":[[value,count],...]}] */
static void put_distribution(const struct printer *printer, const json_t *cell, const char *format)
{
	const json_t *what = json_array_get(cell, 0), *values = json_object_get(what, "vals");
	json_int_t tail = csn_json_get_int(what, "tail", 0), total = tail;
	size_t i;

	for (i = 0; i < json_array_size(values); i++)
		total += json_integer_value(json_array_get(json_array_get(values, i), 1));
	csn_buf_printf(printer->out,
		       " %" JSON_INTEGER_FORMAT
		       " keys total, with a count of %" JSON_INTEGER_FORMAT,
		       (json_int_t)csn_json_get_int(what, "keys", 0), total);
	put_histogram(printer, values, format);
	if (tail)
		csn_buf_printf(printer->out, "  and %" JSON_INTEGER_FORMAT " more\n", tail);
}

static void put_range(const struct printer *printer, const json_t *cell, const char *format)
{
	const json_t *low = json_array_get(cell, 0), *high = json_array_get(cell, 1);

	csn_buf_putc(printer->out, ' ');
	morgue_put_value(printer->out, low, format);
	csn_buf_puts(printer->out, " - ");
	morgue_put_value(printer->out, high, format);
	if (json_is_number(low) && json_is_number(high))
		csn_buf_printf(printer->out, " (%.15g)",
			       json_number_value(high) - json_number_value(low));
	csn_buf_putc(printer->out, '\n');
}

static void put_single(const struct printer *printer, const json_t *cell, const char *format)
{
	if (strcmp(format, "callstack") == 0) {
		csn_buf_putc(printer->out, '\n');
		morgue_put_callstack(printer->out, json_array_get(cell, 0), 2, printer->view->width,
				     printer->view->verbose);
	} else {
		csn_buf_putc(printer->out, ' ');
		morgue_put_value(printer->out, json_array_get(cell, 0), format);
	}
	csn_buf_putc(printer->out, '\n');
}

static void put_bare(const struct printer *printer, const json_t *cell, const char *format)
{
	(void)format;
	put_single(printer, cell, "none");
}

/* As the public client shows it: the array itself. */
static void put_count(const struct printer *printer, const json_t *cell, const char *format)
{
	(void)format;
	csn_buf_printf(printer->out, " [ %" JSON_INTEGER_FORMAT " ]\n",
		       json_integer_value(json_array_get(cell, 0)));
}

static void put_cell(const struct printer *printer, const char *name, const json_t *cell,
		     const char *format)
{
	static const struct {
		const char *op;
		void (*put)(const struct printer *printer, const json_t *cell, const char *format);
	} ops[] = {
		{ "histogram(", put_histogram },
		{ "distribution(", put_distribution },
		{ "bin(", put_bins },
		{ "range(", put_range },
		{ "count(", put_count },
		{ "unique(", put_bare },
		{ "mean(", put_bare },
		{ "object(", put_bare },
	};
	size_t i;

	csn_buf_puts(printer->out, printer->view->colors.label);
	morgue_put_text(printer->out, name);
	csn_buf_printf(printer->out, ":%s", printer->view->colors.off);
	for (i = 0; i < csn_countof(ops); i++) {
		if (strncmp(name, ops[i].op, strlen(ops[i].op)) == 0) {
			ops[i].put(printer, cell, format);
			return;
		}
	}
	put_single(printer, cell, format);
}

static void put_aggregate(const struct printer *printer, const json_t *group)
{
	const json_t *key = json_array_get(group, 0), *cells = json_array_get(group, 1);
	const char *text = json_string_value(key);
	char number[32];
	size_t i;

	if (!text) {
		snprintf(number, sizeof(number), "%" JSON_INTEGER_FORMAT, json_integer_value(key));
		text = json_is_integer(key) ? number : "*";
	}
	put_group_head(printer, text, cells, json_integer_value(json_array_get(group, 2)));
	for (i = 0; i < json_array_size(printer->columns); i++) {
		if (!is_of_time(printer, i, "range") && !is_of_time(printer, i, "bin"))
			put_cell(printer, list_column_name(printer->columns, i),
				 json_array_get(cells, i), list_column_format(printer->columns, i));
	}
	csn_buf_putc(printer->out, '\n');
}

/* --- selections --- */

static void put_object_values(const struct printer *printer, const struct list_object *object,
			      bool callstacks)
{
	size_t i;

	for (i = 0; i < json_array_size(printer->columns); i++) {
		const char *name = list_column_name(printer->columns, i);
		const char *format = list_column_format(printer->columns, i);
		bool callstack = strcmp(format, "callstack") == 0;

		if (callstack != callstacks || strcmp(name, printer->view->column) == 0)
			continue;
		csn_buf_printf(printer->out, "  %s", printer->view->colors.label);
		morgue_put_text(printer->out, name);
		csn_buf_printf(printer->out, ":%s%c", printer->view->colors.off,
			       callstack ? '\n' : ' ');
		if (callstack)
			morgue_put_callstack(printer->out, object->values[i], 4,
					     printer->view->width, printer->view->verbose);
		else
			morgue_put_value(printer->out, object->values[i], format);
		csn_buf_putc(printer->out, '\n');
	}
}

static void put_object(const struct printer *printer, const struct list_object *object)
{
	int64_t when;
	size_t i;

	csn_buf_printf(printer->out, "%s#%" PRIx64 "%s", printer->view->colors.key,
		       (uint64_t)object->id, printer->view->colors.off);
	for (i = 0; i < json_array_size(printer->columns); i++) {
		if (strcmp(list_column_name(printer->columns, i), printer->view->column) != 0)
			continue;
		when = seconds_of(object->values[i]);
		csn_buf_puts(printer->out, "     ");
		morgue_put_date(printer->out, when);
		csn_buf_puts(printer->out, "     ");
		morgue_put_ago(printer->out, when, printer->view->now);
	}
	csn_buf_putc(printer->out, '\n');
	put_object_values(printer, object, false);
	put_object_values(printer, object, true);
}

static int print_selection(struct printer *printer, const json_t *reply, struct csn_error *err)
{
	cleanup_(list_selection_done) struct list_selection selection = { 0 };
	size_t g, i;
	int r = list_selection_read(reply, &selection, err);

	if (r < 0)
		return r;
	for (g = 0; g < selection.n_groups; g++) {
		put_key(printer, selection.groups[g].key);
		csn_buf_putc(printer->out, '\n');
		for (i = 0; i < selection.groups[g].n_objects; i++)
			put_object(printer, &selection.groups[g].objects[i]);
	}
	return 0;
}

/* --- the end --- */

static double phase(const json_t *runtime, const char *name, const char *member)
{
	return json_number_value(json_object_get(json_object_get(runtime, name), member));
}

static void put_runtime(const struct printer *printer, const json_t *runtime)
{
	double rows = phase(runtime, "filter", "rows"), filter = phase(runtime, "filter", "time");
	double groups = phase(runtime, "group_by", "groups");
	double group = phase(runtime, "group_by", "time");
	double aggregate = phase(runtime, "aggregate", "time") +
			   phase(runtime, "aggregate", "pre_sort") +
			   phase(runtime, "aggregate", "post_sort");

	csn_buf_printf(printer->out, "Timing:\n  Rows: %.0f\n  Filter: %.0f us", rows, filter);
	if (rows > 0)
		csn_buf_printf(printer->out, " (%.1f ns/row)", filter * 1000 / rows);
	csn_buf_printf(printer->out, "\n  Group: %.0f us", group);
	if (groups > 0)
		csn_buf_printf(printer->out, " (%.0f groups, %.2f us/group)", groups,
			       group / groups);
	csn_buf_printf(printer->out, "\n  Aggregate: %.0f us\n  Sort: %.0f us\n", aggregate,
		       phase(runtime, "sort", "time"));
	if (json_object_get(runtime, "set"))
		csn_buf_printf(printer->out, "  Set: %.0f us\n", phase(runtime, "set", "time"));
	csn_buf_printf(printer->out, "  Total: %.0f us\n",
		       json_number_value(json_object_get(runtime, "total_time")));
}

static void put_footer(const struct printer *printer, const json_t *envelope)
{
	const struct list_view *view = printer->view;

	if (view->verbose)
		put_runtime(printer, json_object_get(envelope, "runtime"));
	csn_buf_puts(printer->out, view->colors.faint);
	morgue_put_text(printer->out, csn_json_get_string(envelope, "user", "?"));
	csn_buf_puts(printer->out, ": ");
	morgue_put_text(printer->out, csn_json_get_string(envelope, "universe", view->universe));
	csn_buf_putc(printer->out, '/');
	morgue_put_text(printer->out, csn_json_get_string(envelope, "project", view->project));
	csn_buf_puts(printer->out, " as of ");
	morgue_put_text(printer->out, view->age ? view->age : "1M");
	csn_buf_puts(printer->out, " ago [");
	morgue_put_text(printer->out, csn_json_get_string(envelope, "latency", "?"));
	csn_buf_printf(printer->out, "]%s\n", view->colors.off);
}

int list_print(struct csn_buf *out, const json_t *reply, const struct list_view *view,
	       struct csn_error *err)
{
	const json_t *response = json_object_get(reply, "response");
	const json_t *envelope = json_object_get(reply, "_");
	const json_t *filter = json_object_get(json_object_get(envelope, "runtime"), "filter");
	struct printer printer = { .out = out, .view = view };
	const json_t *values = json_object_get(response, "values");
	json_int_t rows = csn_json_get_int(filter, "rows", 0);
	size_t i;
	int r = 0;

	if (!json_is_object(response))
		return csn_fail(err, CSN_E_FORMAT, "the server's answer has no response");
	printer.columns = json_object_get(response, "columns");
	printer.rows = rows > 0 ? (uint64_t)rows : 0;
	if (json_object_get(response, "objects"))
		r = print_selection(&printer, reply, err);
	else
		for (i = 0; i < json_array_size(values); i++)
			put_aggregate(&printer, json_array_get(values, i));
	if (r == 0)
		put_footer(&printer, envelope);
	return r;
}
