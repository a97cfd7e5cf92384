/* What a child that was taken over may say to the parent that has the network. */
#include <stdlib.h>
#include <string.h>

#include "broker/broker_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
	struct csn_broker_request request;
	size_t length;

	if (!csn_broker_request_parse((const char *)data, size_bytes, &request))
		return 0;
	length = strlen(request.build_id);
	if (!length || length % 2 || length > 2 * CSN_MAX_BUILD_ID ||
	    strspn(request.build_id, "0123456789abcdef") != length)
		abort();
	return 0;
}
