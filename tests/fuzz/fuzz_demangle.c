/* Mangled names from hostile symbol tables. */
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/cleanup.h"
#include "base/limits.h"
#include "symbols/demangle.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
	cleanup_(csn_arena_freep) struct csn_arena *arena = csn_arena_new(CSN_MIB);
	cleanup_free char *name = strndup((const char *)data, size_bytes);
	const char *answer;

	if (!arena || !name)
		return 0;
	answer = csn_demangle(arena, name);
	if (answer && strlen(answer) > CSN_MAX_SYMBOL_NAME)
		abort();
	return 0;
}
