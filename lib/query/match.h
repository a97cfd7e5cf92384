/* One term of a filter, compiled against its column.
 *
 * Numbers become an interval, whatever the operator. Texts are decided once for each dictionary
 * code and remembered, so a regular expression runs once per distinct text. An object without the
 * attribute satisfies only is-not-set and the negative operators (not-equal, not-contains,
 * inverse-regular-expression), which are the exact complements of the positive ones. */
#ifndef CSN_QUERY_MATCH_H
#define CSN_QUERY_MATCH_H

#include "query/column.h"

struct csn_match;

/* column is borrowed. USAGE: the value or the operator does not fit the column's type. */
int csn_match_new(const struct csn_column *column, const struct csn_query_term *term,
		  struct csn_match **ret_match, struct csn_error *err) csn_must_check;
void csn_match_free(struct csn_match *match);

/* text is the value's when the column is of texts; code 0 is never remembered. 1 yes, 0 no,
 * negative: LIMIT (a regular expression that takes too long). */
int csn_match_test(struct csn_match *match, struct csn_value value, const char *text,
		   struct csn_error *err) csn_must_check;

/* The bounds [*from, *to] that the match puts on a number column; false when it puts none. An
 * empty interval has *from > *to. */
bool csn_match_bounds(const struct csn_match *match, uint64_t *from, uint64_t *to);

/* True when no object can fail the term on a column that every object has. */
bool csn_match_is_trivial(const struct csn_match *match);

/* May op be used on the column? For describe. */
bool csn_operator_fits(enum csn_query_operator op, bool is_text);

/* The column that it looks at; borrowed from the reader. */
const struct csn_column *csn_match_column(const struct csn_match *match);

#endif
