#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json_load.h"
#include "base/limits.h"
#include "morgue.h"

static int create(struct morgue *morgue, const char *name)
{
	struct morgue_bpg bpg = morgue_bpg_of_session(morgue);
	const json_t *login = morgue_session_login(morgue);
	int64_t universe = csn_json_get_int(json_object_get(login, "universe"), "id", 0);
	int64_t owner = csn_json_get_int(json_object_get(login, "user"), "uid",
					 csn_json_get_int(login, "uid", 0));
	cleanup_json json_t *results = NULL;
	json_t *action = morgue_bpg_action("create", "project");
	const char *failure;
	int status;

	json_object_set_new(action, "object",
			    json_pack("{s:i, s:i, s:s, s:I, s:I}", "pid", 0, "deleted", 0, "name",
				      name, "owner", (json_int_t)owner, "universe",
				      (json_int_t)universe));
	status = morgue_bpg_send(morgue, &bpg, json_pack("[o]", action), &results);
	if (status)
		return status;
	failure = morgue_bpg_failure(json_array_get(results, 0));
	if (failure)
		return morgue_fail("Project create failed: %s", failure);
	puts("Project create succeeded!");
	return 0;
}

static const char *owner_name(const json_t *users, int64_t uid)
{
	size_t i;

	for (i = 0; i < json_array_size(users); i++)
		if (csn_json_get_int(json_array_get(users, i), "uid", -1) == uid)
			return csn_json_get_string(json_array_get(users, i), "username", "?");
	return "?";
}

static int list(struct morgue *morgue)
{
	struct morgue_bpg bpg = morgue_bpg_of_session(morgue);
	cleanup_(csn_buf_done) struct csn_buf out = CSN_BUF_INIT(CSN_MAX_HTTP_JSON);
	cleanup_json json_t *projects = NULL, *users = NULL;
	size_t i;
	int status = morgue_bpg_rows(morgue, &bpg, "project", &projects);

	if (!status)
		status = morgue_bpg_rows(morgue, &bpg, "users", &users);
	if (status)
		return status;
	csn_buf_puts(&out, "Projects:\n");
	for (i = 0; i < json_array_size(projects); i++) {
		const json_t *project = json_array_get(projects, i);

		if (csn_json_get_int(project, "deleted", 0))
			continue;
		csn_buf_printf(&out, "%lld: name=", (long long)csn_json_get_int(project, "pid", 0));
		morgue_put_text(&out, csn_json_get_string(project, "name", ""));
		csn_buf_puts(&out, ", owner=");
		morgue_put_text(&out, owner_name(users, csn_json_get_int(project, "owner", 0)));
		csn_buf_putc(&out, '\n');
	}
	return morgue_print(&out);
}

int morgue_project(int argc, char **argv, void *context)
{
	struct morgue *morgue = context;
	const struct csn_option options[] = { MORGUE_COMMON_OPTIONS(morgue), { NULL } };
	const struct csn_program program = {
		.name = "morgue project",
		.summary = "Makes and lists projects.",
		.usages = (const char *const[]){ "morgue project create NAME",
						 "morgue project list", NULL },
		.options = options,
	};
	int first, status = csn_options_parse(&program, argc, argv, &first);
	const char *verb, *name;

	if (status >= 0)
		return status;
	verb = first < argc ? argv[first] : "list";
	name = first + 1 < argc ? argv[first + 1] : NULL;
	if (strcmp(verb, "create") == 0) {
		if (!name || name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXY"
					       "Z0123456789-")])
			return csn_usage_error(&program, "a name of letters, digits and '-' is "
							 "needed");
	} else if (strcmp(verb, "list") != 0) {
		return csn_usage_error(&program, "'%s' is neither create nor list", verb);
	}
	status = morgue_session_load(morgue);
	if (status)
		return status;
	return strcmp(verb, "create") == 0 ? create(morgue, name) : list(morgue);
}
