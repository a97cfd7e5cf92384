/* morgue put: sends objects as a user; what a host sends goes through coroner and a token. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/json_load.h"
#include "base/limits.h"
#include "http/api_error.h"
#include "morgue.h"
#include "snapshot/document.h"

struct put {
	struct morgue *morgue;
	struct morgue_project project;
	const char *format, *compression;
	struct csn_option_list kv;
};

static void put_done(struct put *put)
{
	csn_option_list_done(&put->kv);
}

static const char *const formats[] = { "btt",     "json",      "minidump", "plcrash",
				       "symbols", "sourcemap", NULL };

/* "a:1,b:2" as query parameters. */
static int add_pairs(struct csn_buf *url, const char *pairs)
{
	cleanup_free char *copy = strdup(pairs);
	char *rest = copy, *pair, *colon;

	while (copy && (pair = strsep(&rest, ","))) {
		colon = strchr(pair, ':');
		if (!colon || colon == pair)
			return morgue_fail("--kv: '%s' has no ':' between name and value", pair);
		*colon = '\0';
		csn_buf_putc(url, '&');
		csn_http_encode(url, pair);
		csn_buf_putc(url, '=');
		csn_http_encode(url, colon + 1);
	}
	return copy ? 0 : morgue_fail("out of memory");
}

/* A .btt is known by its first bytes; everything else is taken for JSON. */
static const char *format_of(const struct put *put, int fd)
{
	char head[16];
	ssize_t n;

	if (put->format)
		return put->format;
	n = csn_pread_full(fd, head, sizeof(head), 0);
	return n > 0 && csn_btt_probe(head, (size_t)n) ? "btt" : "json";
}

static int make_url(const struct put *put, const char *format, struct csn_buf *url)
{
	cleanup_(csn_buf_done) struct csn_buf base = CSN_BUF_INIT(CSN_MAX_PATH);
	const char *submission = morgue_session_submission(put->morgue);
	size_t i, length;
	int status = 0;

	if (!submission)
		return morgue_fail("No submission endpoint found.");
	length = strlen(submission);
	if (length > 5 && strcmp(submission + length - 5, "/post") == 0)
		length -= 5;
	csn_buf_append(&base, submission, length);
	morgue_url(url, csn_buf_text(&base), "/api/post",
		   (const char *const[]){ "token", morgue_session_token(put->morgue), "universe",
					  put->project.universe, "project", put->project.name,
					  "format", format, NULL });
	for (i = 0; !status && i < put->kv.count; i++)
		status = add_pairs(url, put->kv.items[i]);
	return status;
}

/* Prints one line per file. Returns 0 or MORGUE_EXIT_FAILED. */
static int report(const char *file, const struct csn_http_reply *reply)
{
	cleanup_(csn_buf_done) struct csn_buf line = CSN_BUF_INIT(CSN_MAX_LOG_LINE);
	cleanup_json json_t *root = NULL;
	struct csn_api_error error = csn_api_error_of_reply(reply);
	const char *fingerprint, *name = csn_http_status_name(reply->status);

	morgue_put_text(&line, file);
	if (reply->status == 200 &&
	    csn_json_load(csn_buf_text(&reply->body), reply->body.size, &root, NULL) < 0)
		csn_buf_puts(&line, ": the reply is no JSON");
	else if (error.present) {
		csn_buf_printf(&line, ": HTTP %d%s%s (error %lld: ", reply->status,
			       *name ? ": " : "", name, (long long)error.code);
		morgue_put_text(&line, error.message);
		csn_buf_putc(&line, ')');
	} else {
		fingerprint = csn_json_get_string(root, "fingerprint", NULL);
		csn_buf_puts(&line, ": Success");
		if (fingerprint) {
			csn_buf_printf(&line, ": %s, fingerprint: ",
				       csn_json_get_bool(root, "unique", false) ? "Unique"
										: "Not unique");
			morgue_put_text(&line, fingerprint);
		}
		csn_buf_puts(&line, ".\n");
		return morgue_print(&line);
	}
	fprintf(stderr, "%s\n", csn_buf_text(&line));
	return MORGUE_EXIT_FAILED;
}

static int put_file(const struct put *put, const char *file)
{
	cleanup_(csn_buf_done) struct csn_buf url =
		CSN_BUF_INIT(CSN_MAX_KV_PAIRS * CSN_MAX_KV_BYTES);
	cleanup_(csn_buf_done) struct csn_buf encoding = CSN_BUF_INIT(64);
	cleanup_(csn_http_reply_done) struct csn_http_reply reply = { 0 };
	cleanup_close int fd = open(file, O_RDONLY | O_CLOEXEC);
	struct csn_http_call call = CSN_HTTP_CALL_INIT;
	const char *headers[] = { NULL, NULL };
	int status;

	if (fd < 0)
		return morgue_fail("%s: %s", file, strerror(errno));
	status = make_url(put, format_of(put, fd), &url);
	if (status)
		return status;
	if (put->compression) {
		csn_buf_printf(&encoding, "Content-Encoding: %s", put->compression);
		headers[0] = csn_buf_text(&encoding);
	}
	call.url = csn_buf_text(&url);
	call.post = true;
	call.body_fd = fd;
	call.content_type = "application/octet-stream";
	call.headers = headers;
	status = morgue_request(put->morgue, &call, &reply);
	return status ? status : report(file, &reply);
}

static int put_all(const struct put *put, char **files, int n)
{
	int i, failed = 0;

	for (i = 0; i < n; i++)
		failed += put_file(put, files[i]) != 0;
	if (failed)
		return morgue_fail("%d of %d submissions failed.", failed, n);
	puts("Success.");
	return 0;
}

static bool is_one_of(const char *const *names, const char *name)
{
	for (; *names; names++)
		if (strcmp(*names, name) == 0)
			return true;
	return false;
}

int morgue_put(int argc, char **argv, void *context)
{
	cleanup_(put_done) struct put put = { .morgue = context };
	const struct csn_option options[] = {
		MORGUE_COMMON_OPTIONS(put.morgue),
		{ "format", 0, CSN_OPT_STRING, "FORMAT",
		  "btt, json, minidump, plcrash, symbols, sourcemap (btt or json, by content)",
		  &put.format },
		{ "compression", 0, CSN_OPT_STRING, "HOW",
		  "the files are already compressed: gzip or deflate", &put.compression },
		{ "kv", 0, CSN_OPT_LIST, "K:V[,K:V]", "set attributes", &put.kv },
		{ NULL },
	};
	const struct csn_program program = {
		.name = "morgue put",
		.summary = "Sends objects.",
		.usages = (const char *const[]){ "morgue put [OPTION...] PROJECT FILE...", NULL },
		.options = options,
	};
	static const char *const compressions[] = { "gzip", "deflate", NULL };
	int first, status = csn_options_parse(&program, argc, argv, &first);

	if (status >= 0)
		return status;
	if (argc - first < 2)
		return csn_usage_error(&program, "a project and a file are needed");
	if (put.format && !is_one_of(formats, put.format))
		return csn_usage_error(&program, "--format: '%s' is not known", put.format);
	if (put.compression && !is_one_of(compressions, put.compression))
		return csn_usage_error(&program, "--compression: '%s' is not gzip or deflate",
				       put.compression);
	status = morgue_session_load(put.morgue);
	if (!status)
		status = morgue_project_parse(put.morgue, argv[first], &put.project);
	return status ? status : put_all(&put, argv + first + 1, argc - first - 1);
}
