/* The session: what /api/login answered, in the file that the public client also writes, so that
 * one login serves both. It holds a token: 0600 in a folder of 0700. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/json_load.h"
#include "base/limits.h"
#include "morgue.h"

void morgue_done(struct morgue *morgue)
{
	csn_http_client_free(morgue->client);
	json_decref(morgue->state);
}

static int session_path(struct csn_buf *folder, struct csn_buf *file)
{
	const char *given = getenv("MORGUE_CONFIG_DIR"), *home = getenv("HOME");
	struct csn_error err = CSN_ERROR_INIT;

	if (given && *given)
		csn_buf_puts(folder, given);
	else
		csn_buf_printf(folder, "%s/.morgue", home && *home ? home : "/root");
	csn_buf_printf(file, "%s/current.json", csn_buf_text(folder));
	if (csn_buf_check(folder, "path", &err) < 0 || csn_buf_check(file, "path", &err) < 0)
		return morgue_fail("%s", err.text);
	return 0;
}

int morgue_session_load(struct morgue *morgue)
{
	cleanup_(csn_buf_done) struct csn_buf folder = CSN_BUF_INIT(CSN_MAX_PATH);
	cleanup_(csn_buf_done) struct csn_buf file = CSN_BUF_INIT(CSN_MAX_PATH);
	cleanup_(csn_buf_done) struct csn_buf text = CSN_BUF_INIT(CSN_MAX_CONFIG_FILE);
	struct csn_error err = CSN_ERROR_INIT;
	int status = session_path(&folder, &file);

	if (status)
		return status;
	if (csn_read_file(AT_FDCWD, csn_buf_text(&file), &text, &err) < 0) {
		if (err.os_errno == ENOENT)
			return morgue_fail("not logged in; run 'morgue login URL'");
		return morgue_fail("%s", err.text);
	}
	json_decref(morgue->state);
	morgue->state = NULL;
	if (csn_json_load(csn_buf_text(&text), text.size, &morgue->state, &err) < 0)
		return morgue_fail("%s: %s; run 'morgue login URL' again", csn_buf_text(&file),
				   err.text);
	if (!morgue_session_token(morgue) || !morgue_session_endpoint(morgue))
		return morgue_fail("%s: no token in it; run 'morgue login URL'",
				   csn_buf_text(&file));
	return 0;
}

const json_t *morgue_session_login(const struct morgue *morgue)
{
	return json_object_get(morgue->state, "config");
}

const char *morgue_session_token(const struct morgue *morgue)
{
	return csn_json_get_string(morgue_session_login(morgue), "token", NULL);
}

const char *morgue_session_endpoint(const struct morgue *morgue)
{
	return csn_json_get_string(morgue->state, "endpoint", NULL);
}

const char *morgue_session_submission(const struct morgue *morgue)
{
	return csn_json_get_string(morgue->state, "submissionEndpoint", NULL);
}

const char *morgue_session_universe(const struct morgue *morgue)
{
	const json_t *login = morgue_session_login(morgue);
	json_t *universes = json_object_get(login, "universes");
	void *first = json_object_iter(universes);

	if (first)
		return json_object_iter_key(first);
	return csn_json_get_string(json_object_get(login, "universe"), "name", "");
}

/* "http://host:6097/post" of the login URL's host and the port the server names: the first https
 * entry, else the first. NULL when it names none. */
static json_t *submission_of(const char *endpoint, const json_t *login)
{
	const json_t *posts = json_object_get(json_object_get(login, "endpoints"), "post");
	const json_t *chosen = json_array_get(posts, 0);
	const char *host = strstr(endpoint, "://");
	size_t i, length;

	for (i = 0; i < json_array_size(posts); i++) {
		const json_t *post = json_array_get(posts, i);

		if (strcmp(csn_json_get_string(post, "protocol", ""), "https") == 0) {
			chosen = post;
			break;
		}
	}
	if (!chosen || !host)
		return json_null();
	host += 3;
	length = *host == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":/?#");
	return json_sprintf("%s://%.*s:%d/post", csn_json_get_string(chosen, "protocol", "http"),
			    (int)length, host, (int)csn_json_get_int(chosen, "port", 6097));
}

int morgue_session_save(struct morgue *morgue, const char *endpoint, json_t *reply)
{
	cleanup_(csn_buf_done) struct csn_buf folder = CSN_BUF_INIT(CSN_MAX_PATH);
	cleanup_(csn_buf_done) struct csn_buf file = CSN_BUF_INIT(CSN_MAX_PATH);
	cleanup_free char *text = NULL;
	struct csn_error err = CSN_ERROR_INIT;
	int status = session_path(&folder, &file);

	if (status)
		return status;
	json_decref(morgue->state);
	morgue->state = json_pack("{s:O, s:s, s:o}", "config", reply, "endpoint", endpoint,
				  "submissionEndpoint", submission_of(endpoint, reply));
	text = morgue->state ? json_dumps(morgue->state, JSON_INDENT(2)) : NULL;
	if (!text)
		return morgue_fail("out of memory");
	if (csn_make_folders(csn_buf_text(&folder), 0700, &err) < 0 ||
	    csn_write_file(AT_FDCWD, csn_buf_text(&file), text, strlen(text), 0600, &err) < 0)
		return morgue_fail("cannot keep the session: %s", err.text);
	return 0;
}

int morgue_project_parse(const struct morgue *morgue, const char *text,
			 struct morgue_project *ret_project)
{
	const char *slash = strchr(text, '/'), *universe = morgue_session_universe(morgue);
	size_t length = slash ? (size_t)(slash - text) : strlen(universe);
	const char *name = slash ? slash + 1 : text;

	if (slash)
		universe = text;
	if (length >= sizeof(ret_project->universe) || strlen(name) >= sizeof(ret_project->name) ||
	    !*name)
		return morgue_fail("'%s' is not a project", text);
	memcpy(ret_project->universe, universe, length);
	ret_project->universe[length] = '\0';
	memcpy(ret_project->name, name, strlen(name) + 1);
	return 0;
}
