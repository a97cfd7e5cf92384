#include "http/api_error.h"

#include <stdio.h>

#include "base/cleanup.h"
#include "base/json_load.h"

const char *csn_http_status_name(int status)
{
	static const struct {
		int status;
		const char *name;
	} names[] = {
		{ 200, "OK" },
		{ 301, "Moved Permanently" },
		{ 302, "Found" },
		{ 307, "Temporary Redirect" },
		{ 308, "Permanent Redirect" },
		{ 400, "Bad Request" },
		{ 401, "Unauthorized" },
		{ 403, "Forbidden" },
		{ 404, "Not Found" },
		{ 405, "Method Not Allowed" },
		{ 408, "Request Timeout" },
		{ 409, "Conflict" },
		{ 411, "Length Required" },
		{ 413, "Content Too Large" },
		{ 415, "Unsupported Media Type" },
		{ 422, "Unprocessable Content" },
		{ 429, "Too Many Requests" },
		{ 431, "Request Header Fields Too Large" },
		{ 500, "Internal Server Error" },
		{ 501, "Not Implemented" },
		{ 502, "Bad Gateway" },
		{ 503, "Service Unavailable" },
		{ 504, "Gateway Timeout" },
		{ 507, "Insufficient Storage" },
	};
	size_t i;

	for (i = 0; i < csn_countof(names); i++)
		if (names[i].status == status)
			return names[i].name;
	return "";
}

struct csn_api_error csn_api_error_of(const json_t *reply)
{
	const json_t *error = json_object_get(reply, "error");
	struct csn_api_error found = { .present = json_is_object(error) || json_is_string(error) };
	const char *message = json_string_value(error);

	if (!found.present)
		return found;
	if (!message)
		message = csn_json_get_string(error, "message", "no reason given");
	found.code = csn_json_get_int(error, "code", 0);
	snprintf(found.message, sizeof(found.message), "%s", message);
	return found;
}

struct csn_api_error csn_api_error_of_reply(const struct csn_http_reply *reply)
{
	cleanup_json json_t *root = NULL;
	struct csn_api_error found = { 0 };
	const char *name;

	if (csn_json_load(csn_buf_text(&reply->body), reply->body.size, &root, NULL) == 0)
		found = csn_api_error_of(root);
	if (found.present || reply->status == 200)
		return found;
	found.present = true;
	name = csn_http_status_name(reply->status);
	snprintf(found.message, sizeof(found.message), "%s", *name ? name : "no reason given");
	return found;
}
