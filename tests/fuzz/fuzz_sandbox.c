/* What a confined child that was taken over may say to the parent that opens files. */
#include <stdlib.h>
#include <string.h>

#include "sandbox/sandbox_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
	const char *names[CSN_SANDBOX_BATCH_NAMES];
	size_t n = csn_sandbox_batch_parse((const char *)data, size_bytes, names);
	struct csn_sandbox_request request;
	size_t named = 1;

	for (size_t i = 0; i < n; i++)
		named += strlen(names[i]) + 1;
	if (n > CSN_SANDBOX_BATCH_NAMES || (n && named != size_bytes))
		abort();
	if (!csn_sandbox_request_parse((const char *)data, size_bytes, &request))
		return 0;
	if (request.wish >= CSN_N_SANDBOX_WISHES || request.kind >= CSN_N_OPEN_KINDS ||
	    strlen(request.name) != size_bytes - 2 || strlen(request.name) >= CSN_MAX_PATH)
		abort();
	return 0;
}
