/* The query as a typed tree: what the JSON body says, names not yet looked up.
 *
 * Everything lives in the caller's arena except texts, which are borrowed from the JSON: keep it
 * as long as the tree. Members that we do not know are ignored; known ones of the wrong form are
 * errors (USAGE) that name the member. */
#ifndef CSN_QUERY_AST_H
#define CSN_QUERY_AST_H

#include "base/arena.h"
#include "base/json_load.h"

enum csn_query_operator {
	CSN_OP_EQUAL,
	CSN_OP_NOT_EQUAL,
	CSN_OP_REGEX,
	CSN_OP_INVERSE_REGEX,
	CSN_OP_AT_LEAST,
	CSN_OP_GREATER_THAN,
	CSN_OP_AT_MOST,
	CSN_OP_LESS_THAN,
	CSN_OP_CONTAINS,
	CSN_OP_NOT_CONTAINS,
	CSN_OP_IS_SET,
	CSN_OP_IS_NOT_SET,
	CSN_OP_COUNT,
};

/* "at-least"; what describe lists. */
const char *csn_query_operator_name(enum csn_query_operator op);

enum csn_literal_kind {
	CSN_LITERAL_NULL,
	CSN_LITERAL_TEXT,
	CSN_LITERAL_INTEGER, /* booleans too */
	CSN_LITERAL_REAL,
};

struct csn_literal {
	enum csn_literal_kind kind;
	const char *text;
	int64_t integer;
	double real;
};

struct csn_query_term {
	const char *attribute;
	enum csn_query_operator op;
	struct csn_literal value;
	bool case_insensitive;
};

enum csn_fold_op {
	CSN_FOLD_HEAD,
	CSN_FOLD_TAIL,
	CSN_FOLD_FIRST,
	CSN_FOLD_LAST,
	CSN_FOLD_OBJECT,
	CSN_FOLD_HISTOGRAM,
	CSN_FOLD_DISTRIBUTION,
	CSN_FOLD_UNIQUE,
	CSN_FOLD_MEAN,
	CSN_FOLD_MIN,
	CSN_FOLD_MAX,
	CSN_FOLD_SUM,
	CSN_FOLD_BIN,
	CSN_FOLD_RANGE,
	CSN_FOLD_COUNT,
	CSN_FOLD_OP_COUNT,
};

/* As queries and replies write it. */
const char *csn_fold_name(enum csn_fold_op op);

#define CSN_FOLD_ARGS 3

struct csn_query_fold {
	const char *attribute;
	enum csn_fold_op op;
	int64_t args[CSN_FOLD_ARGS];
	size_t n_args;
	size_t index; /* among the folds of this attribute */
};

/* What an order or a having looks at: ";count", ";group", "attribute", "attribute;index",
 * "attribute;index;element". */
struct csn_query_property {
	bool count, group;
	const char *attribute; /* with the indices cut off */
	const char *whole;     /* as written: an attribute's own name may hold ';' */
	size_t index, element;
	bool indexed;
};

struct csn_query_order {
	struct csn_query_property property;
	bool descending;
};

struct csn_query_having {
	struct csn_query_property property;
	enum {
		CSN_HAVING_EQ,
		CSN_HAVING_NE,
		CSN_HAVING_LT,
		CSN_HAVING_LE,
		CSN_HAVING_GT,
		CSN_HAVING_GE
	} op;
	struct csn_literal value;
};

enum csn_granularity {
	CSN_EACH_HOUR,
	CSN_EACH_DAY,
	CSN_EACH_WEEK,
	CSN_EACH_MONTH,
	CSN_EACH_QUARTER,
	CSN_EACH_YEAR,
};

struct csn_query_virtual {
	const char *name, *backing;
	bool truncate; /* truncate_timestamp, else quantize_uint */
	uint64_t size;
	int64_t offset;
	enum csn_granularity granularity;
};

struct csn_query_edit {
	const char *attribute;
	struct csn_literal value;
};

struct csn_query_action {
	bool unmerge;
	const char **fingerprints;
	size_t n_fingerprints;
};

struct csn_query {
	const char *table; /* "objects" by default */
	struct csn_query_term *terms;
	size_t n_terms;
	const char *group; /* NULL none */
	struct csn_query_fold *folds;
	size_t n_folds;
	const char **selects;
	size_t n_selects;
	bool select; /* a selection was asked for, be it of nothing */
	bool wild_physical, wild_derived, wild_virtual;
	struct csn_query_order *orders;
	size_t n_orders;
	struct csn_query_having *havings;
	size_t n_havings;
	struct csn_query_virtual *virtuals;
	size_t n_virtuals;
	struct csn_query_edit *edits;
	size_t n_edits;
	struct csn_query_action *actions;
	size_t n_actions;
	uint64_t limit, offset; /* limit 0: none */
};

/* root is the body. USAGE names the member that is wrong; LIMIT: too many parts. */
int csn_query_parse(struct csn_arena *arena, const json_t *root, struct csn_query *ret_query,
		    struct csn_error *err) csn_must_check;

#endif
