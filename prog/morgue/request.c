#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/json_load.h"
#include "base/limits.h"
#include "base/text.h"
#include "base/version.h"
#include "http/api_error.h"
#include "morgue.h"

int morgue_fail(const char *format, ...)
{
	cleanup_(csn_buf_done) struct csn_buf text = CSN_BUF_INIT(CSN_MAX_LOG_LINE);
	cleanup_(csn_buf_done) struct csn_buf line = CSN_BUF_INIT(4 * CSN_MAX_LOG_LINE);
	va_list args;

	va_start(args, format);
	csn_buf_vprintf(&text, format, args);
	va_end(args);
	csn_escape_text(&line, csn_buf_text(&text), text.size);
	fflush(stdout);
	fprintf(stderr, "Error: %s\n", csn_buf_text(&line));
	return MORGUE_EXIT_FAILED;
}

int morgue_print(const struct csn_buf *out)
{
	struct csn_error err = CSN_ERROR_INIT;
	int r;

	if (csn_buf_check(out, "output", &err) < 0)
		return morgue_fail("%s", err.text);
	fflush(stdout);
	r = csn_write_full(STDOUT_FILENO, csn_buf_text(out), out->size);
	return r < 0 ? morgue_fail("cannot write the output: %s", strerror(-r)) : 0;
}

void morgue_url(struct csn_buf *out, const char *base, const char *path,
		const char *const *parameters)
{
	size_t length = strlen(base), i;
	char separator = '?';

	while (length && base[length - 1] == '/')
		length--;
	csn_buf_append(out, base, length);
	csn_buf_puts(out, path);
	for (i = 0; parameters && parameters[i]; i += 2) {
		if (!parameters[i + 1])
			continue;
		csn_buf_printf(out, "%c%s=", separator, parameters[i]);
		csn_http_encode(out, parameters[i + 1]);
		separator = '&';
	}
}

static int connect_client(struct morgue *morgue)
{
	const struct csn_http_options options = {
		.no_verify_peer = morgue->insecure,
		.no_verify_host = morgue->insecure,
		.user_agent = "morgue/" CSN_VERSION,
		.timeout_ms = (uint32_t)csn_min_u64(morgue->timeout_ms, UINT32_MAX),
	};
	struct csn_error err = CSN_ERROR_INIT;

	if (morgue->client)
		return 0;
	if (csn_http_client_new(&options, &morgue->client, &err) < 0)
		return morgue_fail("%s", err.text);
	return 0;
}

int morgue_request(struct morgue *morgue, const struct csn_http_call *call,
		   struct csn_http_reply *ret_reply)
{
	struct csn_error err = CSN_ERROR_INIT;
	int status = connect_client(morgue);

	if (status)
		return status;
	if (csn_http_run(morgue->client, call, ret_reply, &err) < 0) {
		if (err.code == CSN_E_DENIED)
			return morgue_fail("%s; -k accepts the server as it is", err.text);
		return morgue_fail("%s", err.text);
	}
	return 0;
}

int morgue_explain(const char *what, const struct csn_http_reply *reply)
{
	struct csn_api_error error = csn_api_error_of_reply(reply);
	const char *name = csn_http_status_name(reply->status);
	bool said = error.code || strcmp(error.message, name) != 0;

	return morgue_fail("%s%sHTTP %d%s%s%s%s%s", what ? what : "", what ? ": " : "",
			   reply->status, *name ? ": " : "", name, said ? " (" : "",
			   said ? error.message : "", said ? ")" : "");
}

int morgue_post_json(struct morgue *morgue, const char *url, const json_t *body, json_t **ret_reply,
		     struct csn_buf *raw)
{
	cleanup_(csn_http_reply_done) struct csn_http_reply reply = { 0 };
	struct csn_http_call call = CSN_HTTP_CALL_INIT;
	cleanup_free char *text = body ? json_dumps(body, JSON_COMPACT) : strdup("{}");
	cleanup_json json_t *root = NULL;
	struct csn_error err = CSN_ERROR_INIT;
	struct csn_api_error error;
	int status;

	if (!text)
		return morgue_fail("out of memory");
	call.url = url;
	call.post = true;
	call.body = text;
	call.body_size = strlen(text);
	call.content_type = "application/json";
	status = morgue_request(morgue, &call, &reply);
	if (status)
		return status;
	error = csn_api_error_of_reply(&reply);
	if (error.present && (reply.status == 200 || error.code))
		return morgue_fail("%s", error.message);
	if (reply.status != 200)
		return morgue_explain(NULL, &reply);
	if (csn_json_load(csn_buf_text(&reply.body), reply.body.size, &root, &err) < 0 ||
	    !json_is_object(root))
		return morgue_fail("the reply is no JSON object; is this an object store? %s",
				   err.text);
	if (raw)
		csn_buf_append(raw, csn_buf_text(&reply.body), reply.body.size);
	*ret_reply = csn_take(root);
	return 0;
}
