#include "sender.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/limits.h"
#include "base/options.h"
#include "base/root.h"
#include "base/text.h"
#include "base/uuid.h"
#include "base/version.h"
#include "http/api_error.h"

void sender_done(struct sender *sender)
{
	csn_coroner_cf_done(&sender->cf);
	csn_http_client_free(sender->client);
	free(sender->base);
}

/* One line, with whatever the dead or the server wrote made safe to show. */
int complain(int status, const char *file, const char *format, ...)
{
	cleanup_(csn_buf_done) struct csn_buf text = CSN_BUF_INIT(CSN_MAX_LOG_LINE);
	cleanup_(csn_buf_done) struct csn_buf line = CSN_BUF_INIT(4 * CSN_MAX_LOG_LINE);
	va_list args;

	if (file)
		csn_buf_printf(&text, "%s: ", file);
	va_start(args, format);
	csn_buf_vprintf(&text, format, args);
	va_end(args);
	csn_escape_text(&line, csn_buf_text(&text), text.size);
	fprintf(stderr, "coroner: %s\n", csn_buf_text(&line));
	return status;
}

/* The token argument is a name in [token], or the token itself. */
static int resolve_token(struct sender *sender, const char *name)
{
	uint8_t bytes[32];

	sender->token = csn_coroner_cf_find_token(&sender->cf, name);
	if (!sender->token && csn_hex_parse(name, bytes, sizeof(bytes)))
		sender->token = name;
	if (sender->token)
		return -1;
	return complain(CSN_EXIT_CONFIG, sender->cf.path,
			"no token named '%s'; add a line '%s = <64 hex digits>' below [token]",
			name, name);
}

static int resolve_base(struct sender *sender)
{
	if (!sender->cf.write_url)
		return complain(CSN_EXIT_CONFIG, sender->cf.path,
				"'write' is missing below [universe]; it names the server, "
				"such as https://yourcompany.example.com:6098");
	sender->base = csn_coroner_cf_make_base(&sender->cf);
	return sender->base ? -1 : complain(CSN_EXIT_OS, NULL, "out of memory");
}

static int connect_client(struct sender *sender)
{
	const struct csn_http_options options = {
		.no_verify_peer = sender->insecure || !sender->cf.verify_peer,
		.no_verify_host = sender->insecure || !sender->cf.verify_host,
		.ca_file = sender->cf.ca_file,
		.user_agent = "coroner/" CSN_VERSION,
		.max_reply_size = CSN_MAX_HTTP_JSON,
	};
	struct csn_error err = CSN_ERROR_INIT;

	if (csn_http_client_new(&options, &sender->client, &err) < 0)
		return complain(CSN_EXIT_OS, NULL, "%s", err.text);
	return -1;
}

static int explain_refusal(const struct sender *sender, const char *file,
			   const struct csn_http_reply *reply)
{
	struct csn_api_error error = csn_api_error_of_reply(reply);
	int status = reply->status;

	if (status == 429 || status >= 500 || status == 408 || status == 425) {
		/* coresnapd reads the end of this line. */
		if (reply->retry_after_s >= 0)
			return complain(CSN_EXIT_TEMPORARY, file,
					"HTTP %d: %s; try again later (Retry-After: %lld)", status,
					error.message, (long long)reply->retry_after_s);
		return complain(CSN_EXIT_TEMPORARY, file, "HTTP %d: %s; try again later", status,
				error.message);
	}
	if (status == 401 || status == 403)
		return complain(CSN_EXIT_DENIED, file,
				"HTTP %d: %s; the server refuses the token in %s", status,
				error.message, sender->cf.path);
	if (status == 404 && error.present && sender->unknown)
		return complain(CSN_EXIT_DATA, file, "HTTP 404: %s; %s", error.message,
				sender->unknown);
	if (status < 400 || status == 404 || status == 405)
		return complain(CSN_EXIT_CONFIG, file,
				"HTTP %d: %s; no object store answers there, check 'write' in %s",
				status, error.message, sender->cf.path);
	return complain(CSN_EXIT_DATA, file, "HTTP %d: %s; the server refuses this file", status,
			error.message);
}

int sender_configure(struct sender *sender, const struct coroner *coroner)
{
	struct csn_error err = CSN_ERROR_INIT;
	struct csn_root root;

	csn_root_init(&root, coroner->root);
	if (csn_coroner_cf_find(root.path, coroner->config, &sender->cf, &err) < 0)
		return complain(CSN_EXIT_CONFIG, NULL,
				"%s; 'morgue token create --coroner-cf' prints a ready file",
				err.text);
	return -1;
}

int sender_connect(struct sender *sender, const char *token)
{
	int status = resolve_token(sender, token);

	if (status < 0)
		status = resolve_base(sender);
	if (status < 0)
		status = connect_client(sender);
	return status;
}

int sender_run(struct sender *sender, const char *file, const struct csn_http_call *call,
	       struct csn_http_reply *reply)
{
	struct csn_error err = CSN_ERROR_INIT;

	if (csn_http_run(sender->client, call, reply, &err) < 0) {
		if (err.code == CSN_E_USAGE)
			return complain(CSN_EXIT_CONFIG, sender->cf.path, "%s", err.text);
		if (err.code == CSN_E_DENIED)
			return complain(CSN_EXIT_TEMPORARY, file,
					"%s; name its authority with curl.ca_file in %s", err.text,
					sender->cf.path);
		return complain(CSN_EXIT_TEMPORARY, file, "%s; try again later", err.text);
	}
	return reply->status == 200 ? 0 : explain_refusal(sender, file, reply);
}
