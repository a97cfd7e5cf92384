/* Query: the JSON of POST /api/query in, the reply's JSON out.
 *
 * The body is parsed into a typed tree (ast.h), its names and values are checked against the
 * project's attributes (plan.h), the store is scanned once, and one finisher orders, pages and
 * writes. Texts stay dictionary codes until they are written. The text of an error is what the
 * user is shown; nothing is appended to the reply then.
 *
 * Each query has caps on time and memory (base/limits.h): TIMEOUT, LIMIT. Any thread. */
#ifndef CSN_QUERY_QUERY_H
#define CSN_QUERY_QUERY_H

#include "base/buf.h"
#include "base/error.h"

struct csn_store;

struct csn_query_context {
	struct csn_store *store;
	int64_t project;
	const char *user, *universe_name, *project_name; /* for the footer */
	bool may_write;                                  /* "set" and "actions" are allowed */
};

/* Appends {"response":{...},"_":{...}}. USAGE: the query is wrong; DENIED: may not write. */
int csn_query_run(const struct csn_query_context *context, const char *json, size_t length,
		  struct csn_buf *reply, struct csn_error *err) csn_must_check;

/* Appends {"describe":[...],"_":{...}}. */
int csn_query_describe(const struct csn_query_context *context, bool disabled_too,
		       struct csn_buf *reply, struct csn_error *err) csn_must_check;

/* The ids that a query's filter matches, ascending; for deletes by query. DENIED when the filter
 * is empty or says no more than "all". *ret_ids is freed with free(). */
int csn_query_select_ids(const struct csn_query_context *context, const char *json, size_t length,
			 uint64_t **ret_ids, size_t *ret_count, struct csn_error *err)
	csn_must_check;

#endif
