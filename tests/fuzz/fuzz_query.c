/* The query parser: any bytes as the body of a query. */
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/limits.h"
#include "query/ast.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
	cleanup_(csn_arena_freep) struct csn_arena *arena = csn_arena_new(CSN_MAX_QUERY_ARENA);
	cleanup_json json_t *root = NULL;
	struct csn_error err = CSN_ERROR_INIT;
	struct csn_query query;

	if (csn_json_load((const char *)data, size_bytes, &root, &err) < 0)
		return 0;
	if (csn_query_parse(arena, root, &query, &err) < 0)
		return 0;
	/* What was accepted is within its caps. */
	if (query.n_terms > CSN_MAX_QUERY_TERMS || query.n_folds > CSN_MAX_QUERY_COLUMNS)
		abort();
	for (size_t i = 0; i < query.n_terms; i++)
		if (query.terms[i].op >= CSN_OP_COUNT || !query.terms[i].attribute)
			abort();
	return 0;
}
