#define PCRE2_CODE_UNIT_WIDTH 8
#include "query/match.h"

#include <ctype.h>
#include <math.h>
#include <pcre2.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/limits.h"
#include "base/text.h"
#include "base/uuid.h"

/* Wide enough for both int64_t and uint64_t. */
__extension__ typedef __int128 wide;

#define WIDE_MAX ((wide)UINT64_MAX)
#define WIDE_MIN ((wide)INT64_MIN)

/* The positive operators; the others are one of these negated. */
enum test {
	TEST_INTERVAL,
	TEST_PRESENT,
	TEST_EQUAL,
	TEST_CONTAINS,
	TEST_REGEX,
	TEST_ORDER,
};

struct csn_match {
	const struct csn_column *column;
	enum test test;
	bool negate;
	wide low, high; /* TEST_INTERVAL, both included; empty when low > high */
	char *text;     /* the value for texts */
	bool fold_case;
	enum csn_query_operator op;
	pcre2_code *code;
	pcre2_match_data *match_data;
	pcre2_match_context *match_context;
	uint8_t *memo; /* by code: 0 not decided, 1 no, 2 yes */
	size_t n_memo;
};

static const struct {
	enum test test;
	bool negate, on_text, on_number;
} rules[CSN_OP_COUNT] = {
	[CSN_OP_EQUAL] = { TEST_EQUAL, false, true, true },
	[CSN_OP_NOT_EQUAL] = { TEST_EQUAL, true, true, true },
	[CSN_OP_REGEX] = { TEST_REGEX, false, true, false },
	[CSN_OP_INVERSE_REGEX] = { TEST_REGEX, true, true, false },
	[CSN_OP_AT_LEAST] = { TEST_ORDER, false, true, true },
	[CSN_OP_GREATER_THAN] = { TEST_ORDER, false, true, true },
	[CSN_OP_AT_MOST] = { TEST_ORDER, false, true, true },
	[CSN_OP_LESS_THAN] = { TEST_ORDER, false, true, true },
	[CSN_OP_CONTAINS] = { TEST_CONTAINS, false, true, false },
	[CSN_OP_NOT_CONTAINS] = { TEST_CONTAINS, true, true, false },
	[CSN_OP_IS_SET] = { TEST_PRESENT, false, true, true },
	[CSN_OP_IS_NOT_SET] = { TEST_PRESENT, true, true, true },
};

bool csn_operator_fits(enum csn_query_operator op, bool is_text)
{
	return is_text ? rules[op].on_text : rules[op].on_number;
}

const struct csn_column *csn_match_column(const struct csn_match *match)
{
	return match->column;
}

void csn_match_free(struct csn_match *match)
{
	if (!match)
		return;
	pcre2_code_free(match->code);
	pcre2_match_data_free(match->match_data);
	pcre2_match_context_free(match->match_context);
	free(match->text);
	free(match->memo);
	free(match);
}

static void csn_match_freep(struct csn_match **match)
{
	csn_match_free(*match);
}

/* ---- numbers ---- */

/* A literal as floor and ceiling, which differ only for fractions. */
static bool number_of(const struct csn_column *column, const struct csn_literal *value,
		      wide *ret_floor, wide *ret_ceiling)
{
	double real = value->real;
	uint64_t positive;
	int64_t negative;
	char *end;

	if (value->kind == CSN_LITERAL_INTEGER) {
		*ret_floor = *ret_ceiling = value->integer;
		return true;
	}
	if (value->kind == CSN_LITERAL_TEXT) {
		if (column->type == CSN_TYPE_BITMAP &&
		    (strcmp(value->text, "true") == 0 || strcmp(value->text, "false") == 0)) {
			*ret_floor = *ret_ceiling = value->text[0] == 't';
			return true;
		}
		if (csn_parse_u64(value->text, 0, &positive)) {
			*ret_floor = *ret_ceiling = (wide)positive;
			return true;
		}
		if (csn_parse_i64(value->text, &negative)) {
			*ret_floor = *ret_ceiling = negative;
			return true;
		}
		real = strtod(value->text, &end);
		if (end == value->text || *end || !isfinite(real))
			return false;
	}
	if (real > (double)UINT64_MAX)
		*ret_floor = WIDE_MAX, *ret_ceiling = WIDE_MAX + 1;
	else if (real < (double)INT64_MIN)
		*ret_floor = WIDE_MIN - 1, *ret_ceiling = WIDE_MIN;
	else
		*ret_floor = (wide)floor(real), *ret_ceiling = (wide)ceil(real);
	return true;
}

static int compile_number(struct csn_match *match, const struct csn_query_term *term,
			  struct csn_error *err)
{
	wide below, above;

	if (!number_of(match->column, &term->value, &below, &above))
		return csn_fail(err, CSN_E_USAGE, "filter on '%.64s': '%.64s' is not a number",
				term->attribute, term->value.text ? term->value.text : "");
	match->test = TEST_INTERVAL;
	match->low = WIDE_MIN;
	match->high = WIDE_MAX;
	switch (term->op) {
	case CSN_OP_AT_LEAST:
		match->low = above;
		break;
	case CSN_OP_GREATER_THAN:
		match->low = below + 1;
		break;
	case CSN_OP_AT_MOST:
		match->high = below;
		break;
	case CSN_OP_LESS_THAN:
		match->high = above - 1;
		break;
	default: /* equal; a fraction equals nothing: its ceiling is above its floor */
		match->low = above;
		match->high = below;
	}
	return 0;
}

bool csn_match_bounds(const struct csn_match *match, uint64_t *from, uint64_t *to)
{
	if (match->test != TEST_INTERVAL || match->negate || match->column->is_signed)
		return false;
	if (match->high < 0 || match->low > match->high) {
		*from = 1;
		*to = 0;
		return true;
	}
	*from = match->low < 0 ? 0 : (uint64_t)match->low;
	*to = match->high > WIDE_MAX ? UINT64_MAX : (uint64_t)match->high;
	return true;
}

bool csn_match_is_trivial(const struct csn_match *match)
{
	if (match->negate)
		return false;
	if (match->test == TEST_PRESENT)
		return true;
	/* Zero too: `timestamp greater-than 0` is how clients say "all". */
	if (match->test == TEST_INTERVAL)
		return match->low <= 1 && match->high == WIDE_MAX;
	if (match->test == TEST_REGEX || match->test == TEST_CONTAINS)
		return *match->text == '\0' || strcmp(match->text, ".*") == 0 ||
		       strcmp(match->text, ".") == 0 || strcmp(match->text, "^") == 0;
	return false;
}

/* ---- texts ---- */

static int compile_regex(struct csn_match *match, const struct csn_query_term *term,
			 struct csn_error *err)
{
	uint32_t flags =
		PCRE2_UTF | PCRE2_MATCH_INVALID_UTF | (term->case_insensitive ? PCRE2_CASELESS : 0);
	PCRE2_UCHAR text[128];
	PCRE2_SIZE offset;
	int code;

	if (strlen(match->text) > CSN_MAX_REGEX_BYTES)
		return csn_fail(err, CSN_E_LIMIT,
				"filter on '%.64s': the regular expression is longer than %d bytes",
				term->attribute, CSN_MAX_REGEX_BYTES);
	match->code = pcre2_compile((PCRE2_SPTR)match->text, PCRE2_ZERO_TERMINATED, flags, &code,
				    &offset, NULL);
	if (!match->code) {
		pcre2_get_error_message(code, text, sizeof(text));
		return csn_fail(err, CSN_E_USAGE,
				"filter on '%.64s': regular expression, position %zu: %s",
				term->attribute, (size_t)offset, (const char *)text);
	}
	match->match_data = pcre2_match_data_create_from_pattern(match->code, NULL);
	match->match_context = pcre2_match_context_create(NULL);
	if (!match->match_data || !match->match_context)
		return csn_fail_nomem(err);
	pcre2_set_match_limit(match->match_context, CSN_MAX_REGEX_MATCH_STEPS);
	pcre2_set_depth_limit(match->match_context, CSN_MAX_REGEX_DEPTH);
	pcre2_set_heap_limit(match->match_context, CSN_MAX_REGEX_HEAP_KIB);
	/* Without JIT the same patterns match, only slower. */
	(void)pcre2_jit_compile(match->code, PCRE2_JIT_COMPLETE);
	return 0;
}

/* The value as the column writes it: uuids with dashes, in lower case. */
static char *normal_text(const struct csn_column *column, const struct csn_literal *value)
{
	uint8_t bytes[16];
	char uuid[CSN_UUID_TEXT];
	char number[32];

	if (value->kind == CSN_LITERAL_INTEGER) {
		snprintf(number, sizeof(number), "%lld", (long long)value->integer);
		return strdup(number);
	}
	if (value->kind == CSN_LITERAL_REAL) {
		snprintf(number, sizeof(number), "%.15g", value->real);
		return strdup(number);
	}
	if (column->type == CSN_TYPE_UUID &&
	    (csn_uuid_parse(value->text, bytes) || csn_hex_parse(value->text, bytes, 16))) {
		csn_uuid_format(bytes, uuid);
		return strdup(uuid);
	}
	return strdup(value->text);
}

static int compile_text(struct csn_match *match, const struct csn_query_term *term,
			struct csn_error *err)
{
	match->text = normal_text(match->column, &term->value);
	if (!match->text)
		return csn_fail_nomem(err);
	return match->test == TEST_REGEX ? compile_regex(match, term, err) : 0;
}

int csn_match_new(const struct csn_column *column, const struct csn_query_term *term,
		  struct csn_match **ret_match, struct csn_error *err)
{
	cleanup_(csn_match_freep) struct csn_match *match = calloc(1, sizeof(*match));
	int r;

	if (!match)
		return csn_fail_nomem(err);
	match->column = column;
	match->op = term->op;
	match->test = rules[term->op].test;
	match->negate = rules[term->op].negate;
	match->fold_case = term->case_insensitive;
	if (!csn_operator_fits(term->op, column->is_text))
		return csn_fail(err, CSN_E_USAGE,
				"filter on '%.64s': %s is for texts, and this is a number (%s)",
				term->attribute, csn_query_operator_name(term->op),
				csn_type_name(column->type));
	if (match->test == TEST_EQUAL && term->value.kind == CSN_LITERAL_NULL) {
		match->test = TEST_PRESENT;
		match->negate = !match->negate;
	}
	if (match->test != TEST_PRESENT) {
		if (term->value.kind == CSN_LITERAL_NULL)
			return csn_fail(err, CSN_E_USAGE, "filter on '%.64s': %s needs a value",
					term->attribute, csn_query_operator_name(term->op));
		r = column->is_text ? compile_text(match, term, err)
				    : compile_number(match, term, err);
		if (r < 0)
			return r;
	}
	*ret_match = csn_take(match);
	return 0;
}

static int run_regex(struct csn_match *match, const char *text, struct csn_error *err)
{
	int code = pcre2_match(match->code, (PCRE2_SPTR)text, strlen(text), 0, 0, match->match_data,
			       match->match_context);

	if (code >= 0)
		return 1;
	if (code == PCRE2_ERROR_NOMATCH)
		return 0;
	return csn_fail(err, CSN_E_LIMIT,
			"the regular expression '%.128s' takes too many steps; make it simpler",
			match->text);
}

static bool test_order(const struct csn_match *match, const char *text)
{
	int order = match->fold_case ? strcasecmp(text, match->text) : strcmp(text, match->text);

	switch (match->op) {
	case CSN_OP_AT_LEAST:
		return order >= 0;
	case CSN_OP_GREATER_THAN:
		return order > 0;
	case CSN_OP_AT_MOST:
		return order <= 0;
	default:
		return order < 0;
	}
}

static int test_text(struct csn_match *match, const char *text, struct csn_error *err)
{
	switch (match->test) {
	case TEST_EQUAL:
		return match->fold_case ? strcasecmp(text, match->text) == 0
					: strcmp(text, match->text) == 0;
	case TEST_CONTAINS:
		return (match->fold_case ? strcasestr(text, match->text)
					 : strstr(text, match->text)) != NULL;
	case TEST_REGEX:
		return run_regex(match, text, err);
	default:
		return test_order(match, text);
	}
}

/* Place for the code's verdict; NULL when it cannot be remembered. */
static uint8_t *memo_of(struct csn_match *match, uint64_t code)
{
	if (code == 0 || code >= CSN_MAX_QUERY_CODES)
		return NULL;
	if (code >= match->n_memo) {
		size_t count = match->n_memo ? match->n_memo : 256;
		uint8_t *memo;

		while (count <= code)
			count *= 2;
		memo = realloc(match->memo, count);
		if (!memo)
			return NULL;
		memset(memo + match->n_memo, 0, count - match->n_memo);
		match->memo = memo;
		match->n_memo = count;
	}
	return &match->memo[code];
}

int csn_match_test(struct csn_match *match, struct csn_value value, const char *text,
		   struct csn_error *err)
{
	uint8_t *memo;
	int yes;

	if (!value.present || match->test == TEST_PRESENT)
		return value.present != match->negate;
	if (match->test == TEST_INTERVAL) {
		wide number =
			match->column->is_signed ? (wide)(int64_t)value.bits : (wide)value.bits;

		return (number >= match->low && number <= match->high) != match->negate;
	}
	memo = memo_of(match, value.bits);
	if (memo && *memo)
		return (*memo == 2) != match->negate;
	yes = test_text(match, text, err);
	if (yes < 0)
		return yes;
	if (memo)
		*memo = yes ? 2 : 1;
	return (yes != 0) != match->negate;
}
