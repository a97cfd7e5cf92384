/* `coronerd client-config`: a coroner.cf that works, with tokens made for it. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/json_load.h"
#include "base/limits.h"
#include "coronerd.h"
#include "store/store.h"

struct wanted {
	struct csn_option_list projects;
	const char *host;
};

/* The listener that a client should submit to: from the running server, else as configured. */
static void find_url(const struct coronerd_config *config, const char *host, char *out, size_t size)
{
	cleanup_(csn_buf_done) struct csn_buf text = CSN_BUF_INIT(CSN_MAX_CONFIG_FILE);
	cleanup_json json_t *state = NULL;
	char path[4200];
	json_t *listener;
	size_t i;

	snprintf(out, size, "http://%s:6097", host);
	snprintf(path, sizeof(path), "%s/listening.json", config->data);
	if (csn_read_file(AT_FDCWD, path, &text, NULL) < 0 ||
	    csn_json_load(csn_buf_text(&text), text.size, &state, NULL) < 0) {
		for (i = 0; i < config->n_listeners; i++)
			if (*config->listeners[i].certificate)
				snprintf(out, size, "https://%s:6098", host);
		return;
	}
	json_array_foreach(json_object_get(state, "listeners"), i, listener)
	{
		bool tls = csn_json_get_bool(listener, "tls", false);

		if (!csn_json_get_bool(listener, "post", false))
			continue;
		snprintf(out, size, "%s://%s:%d", tls ? "https" : "http", host,
			 (int)csn_json_get_int(listener, "port", 0));
		if (tls)
			return;
	}
}

/* A token that may submit; free with json_decref. */
static json_t *make_token(struct csn_store *store, const struct csn_project *project,
			  struct csn_error *err)
{
	cleanup_json json_t *rows = NULL, *where = NULL, *object = NULL;
	json_t *row = NULL;

	where = json_pack("{s:I}", "pid", (json_int_t)project->id);
	if (!where ||
	    csn_catalog_rows(store, csn_config_type_find("project"), where, &rows, err) < 0)
		return NULL;
	object = json_pack("{s:s,s:I,s:I,s:s}", "id", "0", "project", (json_int_t)project->id,
			   "owner",
			   (json_int_t)csn_json_get_int(json_array_get(rows, 0), "owner", 1),
			   "capabilities", "error:post");
	if (!object ||
	    csn_catalog_create(store, csn_config_type_find("api_token"), object, &row, err) < 0)
		return NULL;
	return row;
}

static int each_project(struct csn_store *store, const struct wanted *wanted,
			struct csn_buf *tokens, char universe[CSN_NAME_MAX], struct csn_error *err)
{
	cleanup_json json_t *rows = NULL;
	size_t n = wanted->projects.count;
	int r = csn_catalog_rows(store, csn_config_type_find("project"), NULL, &rows, err);

	if (r < 0)
		return r;
	if (!n)
		n = json_array_size(rows);
	for (size_t i = 0; i < n; i++) {
		const char *name =
			wanted->projects.count
				? wanted->projects.items[i]
				: csn_json_get_string(json_array_get(rows, i), "name", "");
		cleanup_json json_t *token = NULL;
		struct csn_project project;

		r = csn_catalog_find_project(store, NULL, name, &project, err);
		if (r < 0)
			return r;
		token = make_token(store, &project, err);
		if (!token)
			return err->code ? -(int)err->code : csn_fail_nomem(err);
		csn_buf_printf(tokens, "%s = %s\n", project.name,
			       csn_json_get_string(token, "id", ""));
		snprintf(universe, CSN_NAME_MAX, "%s", project.universe_name);
	}
	if (!n)
		return csn_fail(err, CSN_E_NOT_FOUND,
				"there is no project; make one with `morgue project create NAME`");
	return csn_buf_check(tokens, "tokens", err);
}

static int print_config(const struct coronerd_options *coronerd, const struct wanted *wanted,
			struct csn_error *err)
{
	cleanup_(csn_store_closep) struct csn_store *store = NULL;
	cleanup_(csn_buf_done) struct csn_buf tokens = CSN_BUF_INIT(CSN_MAX_CONFIG_FILE);
	struct coronerd_config config;
	char universe[CSN_NAME_MAX], url[512];
	int r = coronerd_configure(coronerd, &config, err);

	if (r == 0)
		r = csn_store_open_catalog(config.data, &store, err);
	if (r == 0)
		r = each_project(store, wanted, &tokens, universe, err);
	if (r < 0)
		return r;
	find_url(&config, wanted->host ? wanted->host : "localhost", url, sizeof(url));
	printf("# Configuration of coroner; keep it readable by its user only.\n"
	       "[universe]\nname = %s\nwrite = %s\n\n[token]\n%s",
	       universe, url, csn_buf_text(&tokens));
	return 0;
}

int coronerd_client_config(int argc, char **argv, void *context)
{
	struct wanted wanted = { 0 };
	const struct csn_option options[] = {
		{ "project", 0, CSN_OPT_LIST, "P",
		  "a project to make a token for; repeatable (default: every one)",
		  &wanted.projects },
		{ "host", 0, CSN_OPT_STRING, "NAME",
		  "the name that clients reach this server by (default: localhost)", &wanted.host },
		{ NULL },
	};
	const struct csn_program program = {
		.name = "coronerd client-config",
		.summary = "Makes submission tokens and prints a ready coroner.cf.",
		.usages = (const char *const[]){ "coronerd client-config [--project P]... "
						 "[--host NAME]",
						 NULL },
		.options = options,
		.examples = (const char *const[]){ "coronerd client-config --project blackhole "
						   ">/usr/local/etc/coroner.cf",
						   NULL },
	};
	struct csn_error err = CSN_ERROR_INIT;
	int first, status = csn_options_parse(&program, argc, argv, &first);

	if (status >= 0)
		return status;
	if (first < argc)
		return csn_usage_error(&program, "unexpected argument %s", argv[first]);
	if (print_config(context, &wanted, &err) < 0) {
		fprintf(stderr, "coronerd: %s\n", err.text);
		status = CSN_EXIT_CONFIG;
	} else {
		status = 0;
	}
	csn_option_list_done(&wanted.projects);
	return status;
}
