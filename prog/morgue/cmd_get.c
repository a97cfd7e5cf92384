/* morgue get: fetches objects as they were received. A file is there whole or not at all. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/limits.h"
#include "morgue.h"

struct get {
	struct morgue *morgue;
	struct morgue_project project;
	const char *output, *resource;
};

/* The server names the file; what it says may not leave the folder or hide there. */
static void safe_name(const char *given, const char *id, char *name, size_t size)
{
	size_t i;

	snprintf(name, size, "%s", given);
	for (i = 0; name[i]; i++)
		if ((unsigned char)name[i] < 0x20 || name[i] == 0x7f || name[i] == '/')
			name[i] = '_';
	if (!*name || *name == '.')
		snprintf(name, size, "%s.bin", id);
}

static void get_url(const struct get *get, const char *id, struct csn_buf *url)
{
	morgue_url(url, morgue_session_endpoint(get->morgue), "/api/get",
		   (const char *const[]){ "token", morgue_session_token(get->morgue), "universe",
					  get->project.universe, "project", get->project.name,
					  "object", id, "resource", get->resource, NULL });
}

static int get_to_stdout(const struct get *get, const char *id)
{
	cleanup_(csn_buf_done) struct csn_buf url = CSN_BUF_INIT(CSN_MAX_PATH);
	cleanup_(csn_http_reply_done) struct csn_http_reply reply = { 0 };
	struct csn_http_call call = CSN_HTTP_CALL_INIT;
	int status;

	get_url(get, id, &url);
	call.url = csn_buf_text(&url);
	call.save_fd = STDOUT_FILENO;
	status = morgue_request(get->morgue, &call, &reply);
	if (status)
		return status;
	return reply.status == 200 ? 0 : morgue_explain(id, &reply);
}

/* The name is known only when the reply is there: the file is begun under the id and takes its
 * name at the end. */
static int commit(struct csn_publish *publish, const struct get *get, const char *id,
		  const struct csn_http_reply *reply, bool into_folder)
{
	char name[sizeof(reply->disposition_name)];
	struct csn_error err = CSN_ERROR_INIT;

	if (into_folder) {
		safe_name(reply->disposition_name, id, name, sizeof(name));
		free(publish->name);
		publish->name = strdup(name);
		if (!publish->name)
			return morgue_fail("out of memory");
	}
	if (csn_publish_commit(publish, true, &err) < 0)
		return morgue_fail("%s", err.text);
	printf("Wrote %llu bytes to %s%s", (unsigned long long)reply->body_size,
	       into_folder && get->output ? get->output : "",
	       into_folder && get->output ? "/" : "");
	printf("%s\n", into_folder ? name : get->output);
	fflush(stdout);
	return 0;
}

static int get_to_file(const struct get *get, const char *id, bool into_folder)
{
	cleanup_(csn_buf_done) struct csn_buf url = CSN_BUF_INIT(CSN_MAX_PATH);
	cleanup_(csn_buf_done) struct csn_buf path = CSN_BUF_INIT(CSN_MAX_PATH);
	cleanup_(csn_http_reply_done) struct csn_http_reply reply = { 0 };
	cleanup_(csn_publish_done) struct csn_publish publish = CSN_PUBLISH_INIT;
	struct csn_http_call call = CSN_HTTP_CALL_INIT;
	struct csn_error err = CSN_ERROR_INIT;
	int status;

	if (into_folder)
		csn_buf_printf(&path, "%s/%s.bin", get->output ? get->output : ".", id);
	else
		csn_buf_puts(&path, get->output);
	if (csn_publish_begin(&publish, AT_FDCWD, csn_buf_text(&path), 0666, &err) < 0)
		return morgue_fail("%s", err.text);
	get_url(get, id, &url);
	call.url = csn_buf_text(&url);
	call.save_fd = publish.fd;
	status = morgue_request(get->morgue, &call, &reply);
	if (status)
		return status;
	if (reply.status != 200)
		return morgue_explain(id, &reply);
	return commit(&publish, get, id, &reply, into_folder);
}

static bool is_id(const char *text)
{
	return *text && strlen(text) <= 64 && !text[strspn(text, "0123456789abcdefABCDEF-")];
}

static int get_all(const struct get *get, char **ids, int n)
{
	struct stat st;
	bool folder = !get->output || (stat(get->output, &st) == 0 && S_ISDIR(st.st_mode));
	int i, status, fetched = 0, worst = 0;

	if (get->output && strcmp(get->output, "-") == 0)
		return get_to_stdout(get, ids[0]);
	if (n > 1 && get->output && !folder)
		return morgue_fail("%s: not a folder; several objects need one", get->output);
	for (i = 0; i < n; i++) {
		status = get_to_file(get, ids[i], folder);
		if (status)
			worst = status;
		else
			fetched++;
	}
	printf("Fetched %d of %d objects.\n", fetched, n);
	return worst;
}

int morgue_get(int argc, char **argv, void *context)
{
	struct get get = { .morgue = context };
	const struct csn_option options[] = {
		MORGUE_COMMON_OPTIONS(get.morgue),
		{ "output", 'o', CSN_OPT_STRING, "PATH", "file, folder, or - for stdout",
		  &get.output },
		{ "resource", 0, CSN_OPT_STRING, "NAME", "another form, such as json.gz",
		  &get.resource },
		{ NULL },
	};
	const struct csn_program program = {
		.name = "morgue get",
		.summary = "Fetches objects as they were received.",
		.usages = (const char *const[]){ "morgue get [OPTION...] PROJECT ID...", NULL },
		.options = options,
		.examples = (const char *const[]){ "morgue get blackhole 9c5f -o 9c5f.btt",
						   "morgue get blackhole 9c5f -o - | zstdcat | jq",
						   NULL },
	};
	int i, first, status = csn_options_parse(&program, argc, argv, &first);

	if (status >= 0)
		return status;
	if (argc - first < 2)
		return csn_usage_error(&program, "a project and an object's id are needed");
	for (i = first + 1; i < argc; i++)
		if (!is_id(argv[i]))
			return csn_usage_error(&program, "'%s' is no object's id", argv[i]);
	if (get.output && strcmp(get.output, "-") == 0 && argc - first > 2)
		return csn_usage_error(&program, "only one object fits into stdout");
	status = morgue_session_load(get.morgue);
	if (!status)
		status = morgue_project_parse(get.morgue, argv[first], &get.project);
	return status ? status : get_all(&get, argv + first + 1, argc - first - 1);
}
