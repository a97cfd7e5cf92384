#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json_load.h"
#include "base/limits.h"
#include "http/api_error.h"
#include "login.h"

/* From the environment, else asked for; the caller frees. */
static int credential(const char *variable, const char *question, bool hidden, char **ret_text)
{
	const char *given = getenv(variable);

	if (!given)
		return morgue_ask(question, hidden, variable, ret_text);
	*ret_text = strdup(given);
	return *ret_text ? 0 : morgue_fail("out of memory");
}

static int post_form(struct morgue *morgue, const char *endpoint, const char *form,
		     json_t **ret_reply)
{
	cleanup_(csn_buf_done) struct csn_buf url = CSN_BUF_INIT(CSN_MAX_PATH);
	cleanup_(csn_http_reply_done) struct csn_http_reply reply = { 0 };
	struct csn_http_call call = CSN_HTTP_CALL_INIT;
	struct csn_api_error error;
	struct csn_error err = CSN_ERROR_INIT;
	int status;

	morgue_url(&url, endpoint, "/api/login", NULL);
	call.url = csn_buf_text(&url);
	call.post = true;
	call.body = form;
	call.body_size = strlen(form);
	call.content_type = "application/x-www-form-urlencoded";
	status = morgue_request(morgue, &call, &reply);
	if (status)
		return status;
	error = csn_api_error_of_reply(&reply);
	if (error.present)
		return morgue_fail("Unable to authenticate: %s.", error.message);
	if (csn_json_load(csn_buf_text(&reply.body), reply.body.size, ret_reply, &err) < 0)
		return morgue_fail("the reply is no JSON; is this an object store?");
	return 0;
}

int morgue_login_at(struct morgue *morgue, const char *endpoint)
{
	cleanup_(csn_buf_done) struct csn_buf form = CSN_BUF_INIT(CSN_MAX_PATH);
	cleanup_(csn_buf_done) struct csn_buf shown = CSN_BUF_INIT(CSN_MAX_PATH);
	cleanup_free char *user = NULL, *password = NULL;
	cleanup_json json_t *reply = NULL;
	int status = credential("MORGUE_USERNAME", "Username", false, &user);

	if (!status)
		status = credential("MORGUE_PASSWORD", "Password", true, &password);
	if (status)
		return status;
	csn_buf_puts(&form, "username=");
	csn_http_encode(&form, user);
	csn_buf_puts(&form, "&password=");
	csn_http_encode(&form, password);
	status = csn_buf_ok(&form) ? post_form(morgue, endpoint, csn_buf_text(&form), &reply)
				   : morgue_fail("the name or password is too long");
	if (status)
		return status;
	if (!*csn_json_get_string(reply, "token", ""))
		return morgue_fail("login response missing token");
	status = morgue_session_save(morgue, endpoint, reply);
	if (status)
		return status;
	csn_buf_puts(&shown, "Logged in [");
	morgue_put_text(&shown, csn_json_get_string(reply, "token", ""));
	csn_buf_puts(&shown, "]\n");
	return morgue_print(&shown);
}

bool morgue_endpoint_ok(const char *url)
{
	return (strncmp(url, "http://", 7) == 0 && url[7]) ||
	       (strncmp(url, "https://", 8) == 0 && url[8]);
}

int morgue_login(int argc, char **argv, void *context)
{
	struct morgue *morgue = context;
	const struct csn_option options[] = { MORGUE_COMMON_OPTIONS(morgue), { NULL } };
	const struct csn_program program = {
		.name = "morgue login",
		.summary = "Starts a session; MORGUE_USERNAME and MORGUE_PASSWORD spare the "
			   "questions.",
		.usages = (const char *const[]){ "morgue login [OPTION...] URL", NULL },
		.options = options,
		.examples = (const char *const[]){ "morgue login https://yourcompany.example.com",
						   NULL },
	};
	int first, status = csn_options_parse(&program, argc, argv, &first);

	if (status >= 0)
		return status;
	if (argc - first != 1 || !morgue_endpoint_ok(argv[first]))
		return csn_usage_error(&program, "one URL is needed, with http:// or https://");
	return morgue_login_at(morgue, argv[first]);
}

int morgue_logout(int argc, char **argv, void *context)
{
	cleanup_(csn_buf_done) struct csn_buf url = CSN_BUF_INIT(CSN_MAX_PATH);
	cleanup_(csn_http_reply_done) struct csn_http_reply reply = { 0 };
	struct csn_http_call call = CSN_HTTP_CALL_INIT;
	struct morgue *morgue = context;
	const struct csn_option options[] = { MORGUE_COMMON_OPTIONS(morgue), { NULL } };
	const struct csn_program program = {
		.name = "morgue logout",
		.summary = "Ends the session; its token is worth nothing afterwards.",
		.usages = (const char *const[]){ "morgue logout [OPTION...]", NULL },
		.options = options,
	};
	int first, status = csn_options_parse(&program, argc, argv, &first);

	if (status >= 0)
		return status;
	if (first != argc)
		return csn_usage_error(&program, "nothing more is needed");
	status = morgue_session_load(morgue);
	if (status)
		return status;
	morgue_url(&url, morgue_session_endpoint(morgue), "/api/logout",
		   (const char *const[]){ "token", morgue_session_token(morgue), NULL });
	call.url = csn_buf_text(&url);
	status = morgue_request(morgue, &call, &reply);
	if (status)
		return status;
	if (reply.status != 200)
		return morgue_explain(NULL, &reply);
	puts("Logged out.");
	return 0;
}
