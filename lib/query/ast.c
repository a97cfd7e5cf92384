#include "query/ast.h"

#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/text.h"

static const char *const operator_names[] = {
	[CSN_OP_EQUAL] = "equal",
	[CSN_OP_NOT_EQUAL] = "not-equal",
	[CSN_OP_REGEX] = "regular-expression",
	[CSN_OP_INVERSE_REGEX] = "inverse-regular-expression",
	[CSN_OP_AT_LEAST] = "at-least",
	[CSN_OP_GREATER_THAN] = "greater-than",
	[CSN_OP_AT_MOST] = "at-most",
	[CSN_OP_LESS_THAN] = "less-than",
	[CSN_OP_CONTAINS] = "contains",
	[CSN_OP_NOT_CONTAINS] = "not-contains",
	[CSN_OP_IS_SET] = "is-set",
	[CSN_OP_IS_NOT_SET] = "is-not-set",
};

static const char *const fold_names[] = {
	[CSN_FOLD_HEAD] = "head",
	[CSN_FOLD_TAIL] = "tail",
	[CSN_FOLD_FIRST] = "first",
	[CSN_FOLD_LAST] = "last",
	[CSN_FOLD_OBJECT] = "object",
	[CSN_FOLD_HISTOGRAM] = "histogram",
	[CSN_FOLD_DISTRIBUTION] = "distribution",
	[CSN_FOLD_UNIQUE] = "unique",
	[CSN_FOLD_MEAN] = "mean",
	[CSN_FOLD_MIN] = "min",
	[CSN_FOLD_MAX] = "max",
	[CSN_FOLD_SUM] = "sum",
	[CSN_FOLD_BIN] = "bin",
	[CSN_FOLD_RANGE] = "range",
	[CSN_FOLD_COUNT] = "count",
};

static const char *const having_names[] = { "==", "!=", "<", "<=", ">", ">=" };

static const char *const granularity_names[] = {
	"hour", "day", "week", "month", "quarter", "year"
};

const char *csn_query_operator_name(enum csn_query_operator op)
{
	return operator_names[op];
}

const char *csn_fold_name(enum csn_fold_op op)
{
	return fold_names[op];
}

/* The parser's hands: where to allocate, what has been made. */
struct parser {
	struct csn_arena *arena;
	struct csn_query *query;
};

static int full(struct csn_error *err)
{
	return csn_fail(err, CSN_E_LIMIT, "the query is too large");
}

/* An array for the members of a JSON array or object, within a cap. NULL and *ret_r set when not.
 */
static void *make_array(struct parser *parser, const char *what, size_t count, size_t max,
			size_t size_bytes, int *ret_r, struct csn_error *err)
{
	void *array = NULL;

	if (count > max) {
		*ret_r = csn_fail(err, CSN_E_LIMIT, "%s: more than %zu", what, max);
		return NULL;
	}
	array = csn_arena_array(parser->arena, count + 1, size_bytes);
	*ret_r = array ? 0 : full(err);
	return array;
}

static int parse_literal(const json_t *value, const char *what, struct csn_literal *ret_literal,
			 struct csn_error *err)
{
	struct csn_literal literal = { .kind = CSN_LITERAL_NULL };

	if (json_is_string(value)) {
		literal.kind = CSN_LITERAL_TEXT;
		literal.text = json_string_value(value);
	} else if (json_is_integer(value) || json_is_boolean(value)) {
		literal.kind = CSN_LITERAL_INTEGER;
		literal.integer = json_is_integer(value) ? (int64_t)json_integer_value(value)
							 : json_is_true(value);
	} else if (json_is_real(value)) {
		literal.kind = CSN_LITERAL_REAL;
		literal.real = json_real_value(value);
	} else if (!json_is_null(value)) {
		return csn_fail(err, CSN_E_USAGE, "%s: a value is a text, a number or null", what);
	}
	*ret_literal = literal;
	return 0;
}

/* ---- filter ---- */

/* [op], [op, value] or [op, value, {flags}] */
static int parse_term(const char *attribute, const json_t *term, struct csn_query_term *ret_term,
		      struct csn_error *err)
{
	const char *word = json_string_value(json_array_get(term, 0));
	int op = csn_find_word(operator_names, CSN_OP_COUNT, word);
	bool valued;

	if (!word)
		return csn_fail(err, CSN_E_USAGE, "filter on '%.64s': a term is [operator, value]",
				attribute);
	if (op < 0)
		return csn_fail(err, CSN_E_USAGE,
				"filter on '%.64s': unknown operator '%.64s'; there are equal, "
				"regular-expression, contains, at-least, is-set and others",
				attribute, word);
	ret_term->attribute = attribute;
	ret_term->op = (enum csn_query_operator)op;
	valued = op != CSN_OP_IS_SET && op != CSN_OP_IS_NOT_SET;
	if (valued && json_array_size(term) < 2)
		return csn_fail(err, CSN_E_USAGE, "filter on '%.64s': %s needs a value", attribute,
				word);
	ret_term->case_insensitive =
		json_is_true(json_object_get(json_array_get(term, 2), "case_insensitive"));
	if (!valued)
		return 0;
	return parse_literal(json_array_get(term, 1), "filter", &ret_term->value, err);
}

static int parse_filter(struct parser *parser, const json_t *filter, struct csn_error *err)
{
	struct csn_query *query = parser->query;
	const json_t *object = json_is_array(filter) ? json_array_get(filter, 0) : filter;
	const char *name;
	json_t *terms, *term;
	size_t i, count = 0;
	int r;

	if (!filter || (json_is_array(filter) && json_array_size(filter) == 0))
		return 0;
	if (json_array_size(filter) > 1)
		return csn_fail(err, CSN_E_UNSUPPORTED, "filter: one object of terms, not several");
	if (!json_is_object(object))
		return csn_fail(err, CSN_E_USAGE, "filter: not [{attribute: [[operator, value]]}]");
	json_object_foreach((json_t *)object, name, terms)
	{
		if (!json_is_array(terms))
			return csn_fail(err, CSN_E_USAGE,
					"filter on '%.64s': not a list of [operator, value]", name);
		count += json_array_size(terms);
	}
	query->terms = make_array(parser, "filter", count, CSN_MAX_QUERY_TERMS,
				  sizeof(*query->terms), &r, err);
	if (!query->terms)
		return r;
	json_object_foreach((json_t *)object, name, terms)
	{
		json_array_foreach(terms, i, term)
		{
			r = parse_term(name, term, &query->terms[query->n_terms], err);
			if (r < 0)
				return r;
			query->n_terms++;
		}
	}
	return 0;
}

/* ---- fold, select, group ---- */

static int parse_fold(const char *attribute, const json_t *value, size_t index,
		      struct csn_query_fold *fold, struct csn_error *err)
{
	const char *word = json_string_value(json_array_get(value, 0));
	int op = csn_find_word(fold_names, CSN_FOLD_OP_COUNT, word);

	if (op < 0)
		return csn_fail(err, CSN_E_USAGE, "fold of '%.64s': unknown operation '%.64s'",
				attribute, word ? word : "");
	fold->attribute = attribute;
	fold->op = (enum csn_fold_op)op;
	fold->index = index;
	for (size_t i = 1; i < json_array_size(value); i++) {
		struct csn_literal literal = { .kind = CSN_LITERAL_NULL };
		int r = parse_literal(json_array_get(value, i), "fold", &literal, err);

		if (r < 0)
			return r;
		if (literal.kind == CSN_LITERAL_TEXT &&
		    csn_parse_i64(literal.text, &literal.integer))
			literal.kind = CSN_LITERAL_INTEGER;
		if (literal.kind != CSN_LITERAL_INTEGER || fold->n_args == CSN_FOLD_ARGS)
			return csn_fail(err, CSN_E_USAGE,
					"%s(%.64s): takes at most %d whole numbers", word,
					attribute, CSN_FOLD_ARGS);
		fold->args[fold->n_args++] = literal.integer;
	}
	return 0;
}

static int parse_folds(struct parser *parser, const json_t *object, struct csn_error *err)
{
	struct csn_query *query = parser->query;
	const char *name;
	json_t *folds, *fold;
	size_t i, count = 0;
	int r;

	if (!object || json_is_null(object))
		return 0;
	if (!json_is_object(object))
		return csn_fail(err, CSN_E_USAGE, "fold: not {attribute: [[operation]]}");
	json_object_foreach((json_t *)object, name, folds) count += json_array_size(folds);
	query->folds = make_array(parser, "fold", count, CSN_MAX_QUERY_COLUMNS,
				  sizeof(*query->folds), &r, err);
	if (!query->folds)
		return r;
	json_object_foreach((json_t *)object, name, folds)
	{
		json_array_foreach(folds, i, fold)
		{
			r = parse_fold(name, fold, i, &query->folds[query->n_folds], err);
			if (r < 0)
				return r;
			query->n_folds++;
		}
	}
	return 0;
}

static int parse_names(struct parser *parser, const json_t *array, const char *what,
		       const char ***ret_names, size_t *ret_count, struct csn_error *err)
{
	const char **names;
	json_t *item;
	size_t i;
	int r;

	if (!json_is_array(array))
		return csn_fail(err, CSN_E_USAGE, "%s: not a list of names", what);
	names = make_array(parser, what, json_array_size(array), CSN_MAX_QUERY_COLUMNS,
			   sizeof(*names), &r, err);
	if (!names)
		return r;
	json_array_foreach((json_t *)array, i, item)
	{
		names[i] = json_string_value(item);
		if (!names[i])
			return csn_fail(err, CSN_E_USAGE, "%s: not a list of names", what);
	}
	*ret_names = names;
	*ret_count = json_array_size(array);
	return 0;
}

static int parse_group(struct parser *parser, const json_t *group, struct csn_error *err)
{
	const char **names = NULL;
	size_t count = 0;
	int r;

	if (!group || json_is_null(group))
		return 0;
	r = parse_names(parser, group, "group", &names, &count, err);
	if (r < 0)
		return r;
	if (count > 1)
		return csn_fail(err, CSN_E_UNSUPPORTED, "group: one attribute, not %zu", count);
	parser->query->group = count ? names[0] : NULL;
	return 0;
}

static int parse_select(struct parser *parser, const json_t *root, struct csn_error *err)
{
	struct csn_query *query = parser->query;
	const json_t *names = json_object_get(root, "select");
	const json_t *wild = json_object_get(root, "select_wildcard");

	query->wild_physical = json_is_true(json_object_get(wild, "physical"));
	query->wild_derived = json_is_true(json_object_get(wild, "derived"));
	query->wild_virtual = json_is_true(json_object_get(wild, "virtual"));
	query->select = query->wild_physical || query->wild_derived || query->wild_virtual;
	if (!names || json_is_null(names))
		return 0;
	query->select |= json_array_size(names) > 0;
	return parse_names(parser, names, "select", &query->selects, &query->n_selects, err);
}

/* ---- order, having ---- */

static bool cut_index(char *text, size_t *ret_index)
{
	char *semicolon = strrchr(text, ';');
	uint64_t index;

	if (!semicolon || semicolon == text || !csn_parse_u64(semicolon + 1, 10, &index) ||
	    index > CSN_MAX_QUERY_COLUMNS)
		return false;
	*semicolon = '\0';
	*ret_index = (size_t)index;
	return true;
}

static int parse_property(struct parser *parser, const char *name, const char *what,
			  struct csn_query_property *property, struct csn_error *err)
{
	size_t last;
	char *text;

	if (!name || !*name)
		return csn_fail(err, CSN_E_USAGE, "%s: a term without its name", what);
	property->whole = name;
	property->count = strcmp(name, ";count") == 0;
	property->group = strcmp(name, ";group") == 0;
	text = csn_arena_strdup(parser->arena, name);
	if (!text)
		return full(err);
	property->attribute = text;
	if (!cut_index(text, &last))
		return 0;
	property->indexed = true;
	property->index = last;
	if (cut_index(text, &property->index))
		property->element = last;
	return 0;
}

static int parse_orders(struct parser *parser, const json_t *array, struct csn_error *err)
{
	struct csn_query *query = parser->query;
	json_t *item;
	size_t i;
	int r;

	if (!array || json_is_null(array))
		return 0;
	query->orders = make_array(parser, "order", json_array_size(array), CSN_MAX_QUERY_COLUMNS,
				   sizeof(*query->orders), &r, err);
	if (!query->orders)
		return r;
	json_array_foreach((json_t *)array, i, item)
	{
		const char *ordering = csn_json_get_string(item, "ordering", "ascending");
		struct csn_query_order *order = &query->orders[i];

		r = parse_property(parser, csn_json_get_string(item, "name", NULL), "order",
				   &order->property, err);
		if (r < 0)
			return r;
		order->descending = strcmp(ordering, "descending") == 0;
		if (!order->descending && strcmp(ordering, "ascending") != 0)
			return csn_fail(err, CSN_E_USAGE,
					"order: 'ascending' or 'descending', not '%.64s'",
					ordering);
		query->n_orders++;
	}
	return 0;
}

static int parse_havings(struct parser *parser, const json_t *array, struct csn_error *err)
{
	struct csn_query *query = parser->query;
	json_t *item;
	size_t i;
	int r;

	if (!array || json_is_null(array))
		return 0;
	query->havings = make_array(parser, "having", json_array_size(array), CSN_MAX_QUERY_COLUMNS,
				    sizeof(*query->havings), &r, err);
	if (!query->havings)
		return r;
	json_array_foreach((json_t *)array, i, item)
	{
		struct csn_query_having *having = &query->havings[i];
		const json_t *name = json_array_get(json_object_get(item, "property"), 0);
		const json_t *value = json_array_get(json_object_get(item, "params"), 0);
		const char *word = csn_json_get_string(item, "op", "");
		int op = csn_find_word(having_names, csn_countof(having_names), word);

		if (op < 0)
			return csn_fail(err, CSN_E_USAGE, "having: unknown operator '%.64s'", word);
		having->op = (unsigned)op;
		r = parse_property(parser, json_string_value(name), "having", &having->property,
				   err);
		if (r < 0)
			return r;
		r = parse_literal(value ? value : json_null(), "having", &having->value, err);
		if (r < 0)
			return r;
		query->n_havings++;
	}
	return 0;
}

/* ---- virtual columns ---- */

static int parse_quantize(const json_t *form, struct csn_query_virtual *column,
			  struct csn_error *err)
{
	int64_t size = csn_json_get_int(form, "size", 0);

	column->backing = csn_json_get_string(form, "backing_column", NULL);
	column->offset = csn_json_get_int(form, "offset", 0);
	if (!column->backing || size <= 0)
		return csn_fail(err, CSN_E_USAGE,
				"virtual column '%.64s': quantize_uint needs backing_column and a "
				"size above zero",
				column->name);
	column->size = (uint64_t)size;
	return 0;
}

static int parse_truncate(const json_t *form, struct csn_query_virtual *column,
			  struct csn_error *err)
{
	const char *word = csn_json_get_string(form, "granularity", "day");
	int granularity = csn_find_word(granularity_names, csn_countof(granularity_names), word);

	column->backing = csn_json_get_string(form, "backing_column", NULL);
	column->truncate = true;
	if (!column->backing || granularity < 0)
		return csn_fail(err, CSN_E_USAGE,
				"virtual column '%.64s': truncate_timestamp needs backing_column "
				"and a granularity: hour, day, week, month, quarter or year",
				column->name);
	column->granularity = (enum csn_granularity)granularity;
	return 0;
}

static int parse_virtuals(struct parser *parser, const json_t *array, struct csn_error *err)
{
	static const struct {
		const char *type;
		int (*parse)(const json_t *form, struct csn_query_virtual *column,
			     struct csn_error *err);
	} types[] = { { "quantize_uint", parse_quantize },
		      { "truncate_timestamp", parse_truncate } };
	struct csn_query *query = parser->query;
	json_t *item;
	size_t i;
	int r;

	if (!array || json_is_null(array))
		return 0;
	query->virtuals = make_array(parser, "virtual_columns", json_array_size(array),
				     CSN_MAX_QUERY_COLUMNS, sizeof(*query->virtuals), &r, err);
	if (!query->virtuals)
		return r;
	json_array_foreach((json_t *)array, i, item)
	{
		struct csn_query_virtual *column = &query->virtuals[i];
		const char *type = csn_json_get_string(item, "type", "");

		column->name = csn_json_get_string(item, "name", NULL);
		if (!column->name)
			return csn_fail(err, CSN_E_USAGE, "virtual_columns: one has no name");
		r = csn_fail(err, CSN_E_USAGE, "virtual column '%.64s': unknown type '%.64s'",
			     column->name, type);
		for (size_t k = 0; k < csn_countof(types); k++)
			if (strcmp(types[k].type, type) == 0)
				r = types[k].parse(json_object_get(item, type), column, err);
		if (r < 0)
			return r;
		query->n_virtuals++;
	}
	return 0;
}

/* ---- set, actions ---- */

static int parse_edits(struct parser *parser, const json_t *object, struct csn_error *err)
{
	struct csn_query *query = parser->query;
	const char *name;
	json_t *value;
	int r;

	if (!object || json_is_null(object))
		return 0;
	if (!json_is_object(object) || json_object_size(object) == 0)
		return csn_fail(err, CSN_E_USAGE, "set: not {attribute: value}");
	query->edits = make_array(parser, "set", json_object_size(object), CSN_MAX_QUERY_COLUMNS,
				  sizeof(*query->edits), &r, err);
	if (!query->edits)
		return r;
	json_object_foreach((json_t *)object, name, value)
	{
		struct csn_query_edit *edit = &query->edits[query->n_edits++];

		edit->attribute = name;
		r = parse_literal(value, "set", &edit->value, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int parse_actions(struct parser *parser, const json_t *object, struct csn_error *err)
{
	struct csn_query *query = parser->query;
	const json_t *array = json_object_get(object, "fingerprint");
	json_t *item;
	size_t i;
	int r;

	if (!object || json_is_null(object))
		return 0;
	if (!json_is_array(array))
		return csn_fail(err, CSN_E_USAGE, "actions: only those on fingerprint exist");
	query->actions = make_array(parser, "actions", json_array_size(array), CSN_MAX_QUERY_TERMS,
				    sizeof(*query->actions), &r, err);
	if (!query->actions)
		return r;
	json_array_foreach((json_t *)array, i, item)
	{
		struct csn_query_action *action = &query->actions[i];
		const char *type = csn_json_get_string(item, "type", "");

		action->unmerge = strcmp(type, "unmerge") == 0;
		if (!action->unmerge && strcmp(type, "merge") != 0)
			return csn_fail(err, CSN_E_USAGE, "actions: unknown type '%.64s'", type);
		r = parse_names(parser, json_object_get(item, "arguments"), "actions",
				&action->fingerprints, &action->n_fingerprints, err);
		if (r < 0)
			return r;
		query->n_actions++;
	}
	return 0;
}

static int parse_count(const json_t *root, const char *name, uint64_t *ret_count,
		       struct csn_error *err)
{
	const json_t *value = json_object_get(root, name);

	if (!value || json_is_null(value))
		return 0;
	if (!json_is_integer(value) || json_integer_value(value) < 0)
		return csn_fail(err, CSN_E_USAGE, "%s: not a whole number from zero up", name);
	*ret_count = (uint64_t)json_integer_value(value);
	return 0;
}

int csn_query_parse(struct csn_arena *arena, const json_t *root, struct csn_query *ret_query,
		    struct csn_error *err)
{
	static const struct {
		const char *member;
		int (*parse)(struct parser *parser, const json_t *value, struct csn_error *err);
	} members[] = {
		{ "filter", parse_filter },  { "fold", parse_folds },
		{ "group", parse_group },    { "order", parse_orders },
		{ "having", parse_havings }, { "virtual_columns", parse_virtuals },
		{ "set", parse_edits },      { "actions", parse_actions },
	};
	struct csn_query query = { .table = csn_json_get_string(root, "table", "objects") };
	struct parser parser = { .arena = arena, .query = &query };
	int r;

	if (!json_is_object(root))
		return csn_fail(err, CSN_E_USAGE, "the query is not a JSON object");
	for (size_t i = 0; i < csn_countof(members); i++) {
		r = members[i].parse(&parser, json_object_get(root, members[i].member), err);
		if (r < 0)
			return r;
	}
	r = parse_select(&parser, root, err);
	if (r < 0)
		return r;
	r = parse_count(root, "limit", &query.limit, err);
	if (r < 0)
		return r;
	r = parse_count(root, "offset", &query.offset, err);
	if (r < 0)
		return r;
	*ret_query = query;
	return 0;
}
