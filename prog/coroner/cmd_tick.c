/* coroner tick: says how often a program died since its last crash that was stored (a crash loop).
 *
 * The file is one batch as coresnapd keeps it (docs/formats/spool.md); only what the server needs
 * leaves the machine. A batch is known by its uuid, so sending one again is harmless. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/json.h"
#include "base/json_load.h"
#include "base/limits.h"
#include "base/limits_host.h"
#include "base/options.h"
#include "base/uuid.h"
#include "sender.h"

/* What the server is told of the file. */
static int make_body(const char *file, struct csn_buf *body, struct csn_error *err)
{
	cleanup_(csn_buf_done) struct csn_buf text = CSN_BUF_INIT(CSN_MAX_TICK_FILE);
	static const char *const texts[] = { "batch", "object", "hostname" };
	static const char *const numbers[] = { "count", "first", "last" };
	struct csn_json json = csn_json_to(body);
	cleanup_json json_t *batch = NULL;
	size_t i;
	int r = csn_read_file(AT_FDCWD, file, &text, err);

	if (r == 0)
		r = csn_json_load(csn_buf_text(&text), text.size, &batch, err);
	if (r < 0)
		return r;
	if (!csn_uuid_parse(csn_json_get_string(batch, "batch", ""), NULL) ||
	    !csn_uuid_parse(csn_json_get_string(batch, "object", ""), NULL))
		return csn_fail(err, CSN_E_FORMAT, "no batch of ticks");
	csn_json_begin_object(&json);
	for (i = 0; i < csn_countof(texts); i++)
		csn_json_member_string(&json, texts[i], csn_json_get_string(batch, texts[i], ""));
	for (i = 0; i < csn_countof(numbers); i++)
		csn_json_member_int(&json, numbers[i], csn_json_get_int(batch, numbers[i], 0));
	csn_json_end_object(&json);
	return csn_buf_check(body, "batch", err);
}

/* {"response":"ok","object":"9c5f","count":41,...} */
static int print_success(const char *file, const struct csn_http_reply *reply)
{
	cleanup_json json_t *root = NULL;
	struct csn_error err = CSN_ERROR_INIT;

	if (csn_json_load(csn_buf_text(&reply->body), reply->body.size, &root, &err) < 0 ||
	    strcmp(csn_json_get_string(root, "response", ""), "ok") != 0)
		return complain(CSN_EXIT_TEMPORARY, file,
				"the reply is no receipt; is this an object store?");
	printf("%lld => %s\n", (long long)csn_json_get_int(root, "count", 0),
	       csn_json_get_string(root, "object", "?"));
	return 0;
}

static int send_file(struct sender *sender, const char *file)
{
	cleanup_(csn_buf_done) struct csn_buf url = CSN_BUF_INIT(CSN_MAX_PATH);
	cleanup_(csn_buf_done) struct csn_buf body = CSN_BUF_INIT(CSN_MAX_TICK_FILE);
	cleanup_(csn_http_reply_done) struct csn_http_reply reply = { 0 };
	struct csn_http_call call = CSN_HTTP_CALL_INIT;
	struct csn_error err = CSN_ERROR_INIT;
	int status;

	if (make_body(file, &body, &err) < 0)
		return complain(err.code == CSN_E_OS ? CSN_EXIT_TEMPORARY : CSN_EXIT_DATA, file,
				"%s", err.text);
	csn_buf_printf(&url, "%s/api/tick?token=%s", sender->base, sender->token);
	if (csn_buf_check(&url, "URL", &err) < 0)
		return complain(CSN_EXIT_USAGE, file, "%s", err.text);
	call.url = csn_buf_text(&url);
	call.post = true;
	call.body = csn_buf_text(&body);
	call.body_size = body.size;
	call.content_type = "application/json";
	status = sender_run(sender, file, &call, &reply);
	return status ? status : print_success(file, &reply);
}

int coroner_tick(int argc, char **argv, void *context)
{
	struct coroner *coroner = context;
	cleanup_(sender_done) struct sender sender = {
		.unknown = "the batch waits for it",
	};
	const struct csn_option options[] = {
		{ "config", 'c', CSN_OPT_STRING, "FILE", "configuration", &coroner->config },
		{ "insecure", 'k', CSN_OPT_FLAG, NULL, "do not verify the server's certificate",
		  &sender.insecure },
		{ NULL },
	};
	const struct csn_program program = {
		.name = "coroner tick",
		.summary = "Sends one batch of crashes that were only counted and prints "
			   "'<count> => <object>'.",
		.usages = (const char *const[]){ "coroner tick [OPTION...] PROJECT TOKEN FILE",
						 NULL },
		.options = options,
		.examples =
			(const char *const[]){
				"coroner tick blackhole blackhole "
				"/var/coresnap/ticks/3d22c19c-09c0-4b56-8f66-51b2a3c29c5f.out",
				NULL,
			},
	};
	int first, status = csn_options_parse(&program, argc, argv, &first);

	if (status >= 0)
		return status;
	if (argc - first != 3)
		return csn_usage_error(&program, "a project, a token and a file are needed");
	status = sender_configure(&sender, coroner);
	if (status < 0)
		status = sender_connect(&sender, argv[first + 1]);
	return status < 0 ? send_file(&sender, argv[first + 2]) : status;
}
