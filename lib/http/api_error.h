/* What a coronerd answered when it refused: {"error":{"code":6,"message":"..."}}, whatever the
 * status. Also what to make of a reply that has no such body. */
#ifndef CSN_HTTP_API_ERROR_H
#define CSN_HTTP_API_ERROR_H

#include <jansson.h>

#include "http/client.h"

struct csn_api_error {
	bool present;
	int64_t code;
	char message[512]; /* as sent, cut; escape before showing */
};

/* From a reply already parsed. */
struct csn_api_error csn_api_error_of(const json_t *reply);
/* From a reply's bytes; falls back to the status's name: "Not Found". */
struct csn_api_error csn_api_error_of_reply(const struct csn_http_reply *reply);
/* "Not Found"; "" for a status that is not known. */
const char *csn_http_status_name(int status);

#endif
