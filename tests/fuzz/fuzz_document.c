/* Ingest: any bytes as a posted document, through reading, grouping and attribute extraction. */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/limits.h"
#include "ingest/document.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
	cleanup_(csn_arena_freep) struct csn_arena *arena = csn_arena_new(64 * CSN_MIB);
	struct csn_error err = CSN_ERROR_INIT;
	struct csn_document document;

	if (csn_document_read(arena, data, size_bytes, NULL, NULL, &document, &err) < 0)
		return 0;
	if (strlen(document.fingerprint) != 64)
		abort();
	return 0;
}
