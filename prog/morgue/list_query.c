/* The flags of morgue list as a query. The forms, orders and implied filters are those of the
 * public client, so that what a script asks stays the same question. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json_load.h"
#include "base/text.h"
#include "list.h"

#define DEFAULT_AGE "1M"

void list_options_done(struct list_options *options)
{
	size_t i;

	for (i = 0; i < LIST_FOLDS; i++)
		csn_option_list_done(&options->folds[i]);
	csn_option_list_done(&options->filters);
	csn_option_list_done(&options->selects);
	csn_option_list_done(&options->sorts);
	csn_option_list_done(&options->virtual_columns);
	csn_option_list_done(&options->wildcards);
}

static const char *timestamp_of(const struct list_options *options)
{
	if (options->timestamp_attribute)
		return options->timestamp_attribute;
	if (options->table && strncmp(options->table, "unique_aggregations", 19) == 0)
		return "_end_timestamp";
	return "timestamp";
}

/* The array that holds a column's terms, made when it is the first. */
static json_t *terms_of(json_t *object, const char *column)
{
	json_t *terms = json_object_get(object, column);

	if (!terms) {
		terms = json_array();
		json_object_set_new(object, column, terms);
	}
	return terms;
}

/* "attr,op[,value]"; the value is the rest, commas too. */
static int add_filter(json_t *filter, const char *text, struct csn_error *err)
{
	size_t name_length = strcspn(text, ","), op_length;
	const char *op = text + name_length + 1, *value;
	cleanup_free char *name = strndup(text, name_length), *op_name = NULL;
	uint64_t number;
	json_t *term;

	if (!name_length || !text[name_length])
		return csn_fail(err, CSN_E_USAGE,
				"--filter: '%s' is not ATTRIBUTE,OPERATOR[,VALUE]", text);
	op_length = strcspn(op, ",");
	op_name = strndup(op, op_length);
	if (!name || !op_name)
		return csn_fail_nomem(err);
	value = op[op_length] ? op + op_length + 1 : NULL;
	term = json_pack("[s]", op_name);
	if (value && strcmp(name, "_tx") == 0 && strncmp(value, "0x", 2) == 0 &&
	    csn_parse_u64(value, 0, &number))
		json_array_append_new(term, json_integer((json_int_t)number));
	else if (value)
		json_array_append_new(term, json_string(value));
	json_array_append_new(terms_of(filter, name), term);
	return 0;
}

static void add_bound(json_t *filter, const char *column, const char *op, int64_t value)
{
	json_array_append_new(terms_of(filter, column), json_pack("[s, I]", op, (json_int_t)value));
}

/* Seconds since the epoch, "2017-01-23[ T]17:25[:12]" in the local zone, or how long ago. */
static bool parse_moment(const char *text, int64_t now, int64_t *ret_seconds)
{
	static const char *const forms[] = { "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S",
					     "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M", "%Y-%m-%d" };
	struct tm tm;
	const char *end;
	int64_t ago;
	size_t i;

	for (i = 0; i < csn_countof(forms); i++) {
		tm = (struct tm){ .tm_isdst = -1 };
		end = strptime(text, forms[i], &tm);
		if (end && !*end) {
			*ret_seconds = mktime(&tm);
			return true;
		}
	}
	if (csn_parse_i64(text, ret_seconds))
		return true;
	if (!csn_parse_duration(text, &ago))
		return false;
	*ret_seconds = now - ago;
	return true;
}

/* "FROM[,TO]" or "FROM;TO" */
static int add_time(json_t *filter, const char *column, const char *text, int64_t now,
		    struct csn_error *err)
{
	size_t length = strcspn(text, ",;");
	cleanup_free char *from = strndup(text, length);
	int64_t start, stop = now;

	if (!from)
		return csn_fail_nomem(err);
	if (!parse_moment(from, now, &start) ||
	    (text[length] && !parse_moment(text + length + 1, now, &stop)))
		return csn_fail(
			err, CSN_E_USAGE,
			"--time: '%s' is not FROM[,TO], such as 2017-01-23,2d or 1485210312", text);
	add_bound(filter, column, "at-least", start);
	add_bound(filter, column, "less-than", stop);
	return 0;
}

static int add_age(const struct list_options *options, json_t *filter, int64_t now,
		   struct csn_error *err)
{
	const char *column = timestamp_of(options);
	const char *age = options->age ? options->age : DEFAULT_AGE;
	int64_t seconds;

	if (options->time)
		return add_time(filter, column, options->time, now, err);
	if (!options->age && json_object_get(filter, column))
		return 0;
	if (!options->age && options->no_implicit_filters) {
		add_bound(filter, column, "greater-than", 0);
		return 0;
	}
	if (!csn_parse_duration(age, &seconds))
		return csn_fail(err, CSN_E_USAGE, "--age: '%s' is not an age such as 12h, 2w or 1y",
				age);
	add_bound(filter, column, "at-least", now - seconds);
	return 0;
}

static int add_filters(const struct list_options *options, json_t *query, int64_t now,
		       struct csn_error *err)
{
	json_t *filter = json_object();
	size_t i;
	int r = 0;

	json_object_set_new(query, "filter", json_pack("[o]", filter));
	for (i = 0; r == 0 && i < options->filters.count; i++)
		r = add_filter(filter, options->filters.items[i], err);
	if (r == 0 && options->fingerprint) {
		if (strlen(options->fingerprint) == 64)
			json_array_append_new(terms_of(filter, "fingerprint"),
					      json_pack("[s, s]", "equal", options->fingerprint));
		else
			json_array_append_new(terms_of(filter, "fingerprint"),
					      json_pack("[s, o]", "regular-expression",
							json_sprintf("^%s", options->fingerprint)));
	}
	return r == 0 ? add_age(options, filter, now, err) : r;
}

/* "attr[,int...]" */
static int add_fold(json_t *fold, const char *op, const char *text, struct csn_error *err)
{
	cleanup_free char *copy = strdup(text);
	char *rest = copy, *word;
	json_t *term = json_pack("[s]", op);
	const char *name = copy ? strsep(&rest, ",") : NULL;
	int64_t number;

	if (!name || !*name) {
		json_decref(term);
		return csn_fail(err, CSN_E_USAGE, "--%s: an attribute is needed", op);
	}
	while ((word = strsep(&rest, ","))) {
		if (!csn_parse_i64(word, &number)) {
			json_decref(term);
			return csn_fail(err, CSN_E_USAGE, "--%s: '%s' is not a number", op, word);
		}
		json_array_append_new(term, json_integer(number));
	}
	json_array_append_new(terms_of(fold, name), term);
	return 0;
}

static int add_folds(const struct list_options *options, json_t *query, int64_t now,
		     struct csn_error *err)
{
	static const char *const ops[LIST_FOLDS] = {
		"last", "first", "tail", "head", "object", "histogram", "distribution", "unique",
		"mean", "min",   "max",  "sum",  "bin",    "bin",       "range",        "count",
	};
	const char *column = timestamp_of(options);
	cleanup_json json_t *fold = json_object();
	int64_t age;
	size_t op, i;
	int r = 0;

	for (op = 0; op < LIST_FOLDS; op++)
		for (i = 0; r == 0 && i < options->folds[op].count; i++)
			r = add_fold(fold, ops[op], options->folds[op].items[i], err);
	if (r < 0)
		return r;
	/* The head of each group: when, and a line of how often. */
	if (options->selects.count == 0 && options->wildcards.count == 0 &&
	    !json_object_get(fold, column)) {
		json_t *terms = terms_of(fold, column);

		json_array_append_new(terms, json_pack("[s]", "range"));
		if (options->time ||
		    !csn_parse_duration(options->age ? options->age : DEFAULT_AGE, &age))
			json_array_append_new(terms, json_pack("[s]", "bin"));
		else
			json_array_append_new(terms,
					      json_pack("[s, i, I, I]", "bin", MORGUE_SPARK_SLOTS,
							(json_int_t)(now - age),
							(json_int_t)(now + 1)));
	}
	if (json_object_size(fold))
		json_object_set(query, "fold", fold);
	return 0;
}

static void add_order(const struct list_options *options, json_t *query)
{
	json_t *order = json_array();
	size_t i;

	for (i = 0; i < options->sorts.count; i++) {
		const char *term = options->sorts.items[i];
		bool down = *term == '-';

		json_array_append_new(order,
				      json_pack("{s:s, s:s}", "name", term + down, "ordering",
						down ? "descending" : "ascending"));
	}
	json_object_set_new(query, "order", order);
}

/* "out,in,size[,offset]"; numbers or durations such as 1d, with a sign for the offset. */
static bool parse_step(const char *text, int64_t *ret_number)
{
	bool minus = *text == '-';

	if (!csn_parse_duration(text + minus, ret_number))
		return false;
	if (minus)
		*ret_number = -*ret_number;
	return true;
}

static int add_virtual(json_t *columns, const char *text, struct csn_error *err)
{
	cleanup_free char *copy = strdup(text);
	char *rest = copy;
	const char *name = strsep(&rest, ","), *backing = strsep(&rest, ",");
	const char *size_text = strsep(&rest, ","), *offset_text = strsep(&rest, ",");
	int64_t size, offset = 0;

	if (!backing || !size_text || rest || !parse_step(size_text, &size) || size <= 0 ||
	    (offset_text && !parse_step(offset_text, &offset)))
		return csn_fail(err, CSN_E_USAGE,
				"--quantize-uint: '%s' is not NAME,ATTRIBUTE,SIZE[,OFFSET]", text);
	json_array_append_new(columns,
			      json_pack("{s:s, s:s, s:{s:s, s:I, s:I}}", "name", name, "type",
					"quantize_uint", "quantize_uint", "backing_column", backing,
					"size", (json_int_t)size, "offset", (json_int_t)offset));
	return 0;
}

static int add_columns(const struct list_options *options, json_t *query, struct csn_error *err)
{
	json_t *columns = json_array(), *select;
	size_t i;
	int r = 0;

	json_object_set_new(query, "virtual_columns", columns);
	for (i = 0; r == 0 && i < options->virtual_columns.count; i++)
		r = add_virtual(columns, options->virtual_columns.items[i], err);
	if (r < 0)
		return r;
	if (options->selects.count) {
		select = json_array();
		for (i = 0; i < options->selects.count; i++)
			json_array_append_new(select, json_string(options->selects.items[i]));
		json_object_set_new(query, "select", select);
	}
	if (options->wildcards.count) {
		select = json_object();
		for (i = 0; i < options->wildcards.count; i++)
			json_object_set_new(select, options->wildcards.items[i], json_true());
		json_object_set_new(query, "select_wildcard", select);
	}
	return 0;
}

static int read_raw(const char *text, json_t **ret_query, struct csn_error *err)
{
	json_error_t error;

	*ret_query = json_loads(text, JSON_REJECT_DUPLICATES, &error);
	if (!*ret_query)
		return csn_fail(err, CSN_E_USAGE, "--raw-query: not JSON: %s", error.text);
	return 0;
}

int list_query_make(const struct list_options *options, int64_t now, json_t **ret_query,
		    struct csn_error *err)
{
	cleanup_json json_t *query = json_object();
	int r;

	if (options->raw_query)
		return read_raw(options->raw_query, ret_query, err);
	if (!query)
		return csn_fail_nomem(err);
	r = add_filters(options, query, now, err);
	if (r == 0 && options->factor)
		json_object_set_new(query, "group", json_pack("[s]", options->factor));
	if (r == 0)
		r = add_folds(options, query, now, err);
	if (r == 0)
		r = add_columns(options, query, err);
	if (r < 0)
		return r;
	if (options->sorts.count)
		add_order(options, query);
	if (options->limit)
		json_object_set_new(query, "limit", json_integer((json_int_t)options->limit));
	if (options->offset)
		json_object_set_new(query, "offset", json_integer((json_int_t)options->offset));
	if (options->table && strcmp(options->table, "objects") != 0)
		json_object_set_new(query, "table", json_string(options->table));
	if (options->template)
		json_object_set_new(query, "template", json_string(options->template));
	*ret_query = csn_take(query);
	return 0;
}
