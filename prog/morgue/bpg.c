#include "base/cleanup.h"
#include "base/json_load.h"
#include "base/limits.h"
#include "morgue.h"

#include <string.h>

struct morgue_bpg morgue_bpg_of_session(const struct morgue *morgue)
{
	return (struct morgue_bpg){ morgue_session_endpoint(morgue), morgue_session_token(morgue) };
}

json_t *morgue_bpg_action(const char *action, const char *type)
{
	return json_pack("{s:s, s:o}", "action", action, "type",
			 json_sprintf("configuration/%s", type));
}

int morgue_bpg_send(struct morgue *morgue, const struct morgue_bpg *bpg, json_t *actions,
		    json_t **ret_results)
{
	cleanup_(csn_buf_done) struct csn_buf url = CSN_BUF_INIT(CSN_MAX_PATH);
	cleanup_json json_t *body = json_pack("{s:o}", "actions", actions), *reply = NULL;
	const char *const parameters[] = { "token", bpg->token, NULL };
	json_t *results;
	int status;

	morgue_url(&url, bpg->endpoint, "/api/bpg", parameters);
	if (!body || !csn_buf_ok(&url))
		return morgue_fail("out of memory");
	status = morgue_post_json(morgue, csn_buf_text(&url), body, &reply, NULL);
	if (status)
		return status;
	results = json_object_get(reply, "results");
	if (!json_is_array(results) ||
	    json_array_size(results) != json_array_size(json_object_get(body, "actions")))
		return morgue_fail("the server's answer has no result for each action");
	*ret_results = json_incref(results);
	return 0;
}

const char *morgue_bpg_failure(const json_t *result)
{
	const char *text = csn_json_get_string(result, "string", NULL);

	if (!text)
		text = csn_json_get_string(result, "text", "no reason given");
	return strcmp(text, "success") == 0 ? NULL : text;
}

int morgue_bpg_rows(struct morgue *morgue, const struct morgue_bpg *bpg, const char *type,
		    json_t **ret_rows)
{
	cleanup_json json_t *results = NULL;
	const json_t *result;
	json_t *rows;
	int status = morgue_bpg_send(morgue, bpg, json_pack("[o]", morgue_bpg_action("get", type)),
				     &results);

	if (status)
		return status;
	result = json_array_get(results, 0);
	if (morgue_bpg_failure(result))
		return morgue_fail("%s: %s", type, morgue_bpg_failure(result));
	rows = json_object_get(result, "result");
	if (!json_is_array(rows))
		return morgue_fail("%s: the server sent no rows", type);
	*ret_rows = json_incref(rows);
	return 0;
}

int morgue_project_pid(const json_t *projects, const char *name, int64_t *ret_pid)
{
	size_t i;

	for (i = 0; i < json_array_size(projects); i++) {
		const json_t *row = json_array_get(projects, i);

		if (strcmp(csn_json_get_string(row, "name", ""), name) == 0) {
			*ret_pid = csn_json_get_int(row, "pid", 0);
			return 0;
		}
	}
	return morgue_fail("there is no project '%s'; 'morgue projects list' shows them", name);
}
