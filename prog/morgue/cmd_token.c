/* morgue token: who may submit to (and ask) a project without being a user. */
#include <string.h>

#include "base/cleanup.h"
#include "base/json_load.h"
#include "base/limits.h"
#include "morgue.h"

struct token {
	struct morgue *morgue;
	struct morgue_bpg bpg;
	const char *project;
	struct csn_option_list capabilities;
	bool coroner_cf;
	json_t *projects; /* rows */
};

static void token_done(struct token *token)
{
	csn_option_list_done(&token->capabilities);
	json_decref(token->projects);
}

static const char *project_name(const struct token *token, int64_t pid)
{
	size_t i;

	for (i = 0; i < json_array_size(token->projects); i++)
		if (csn_json_get_int(json_array_get(token->projects, i), "pid", -1) == pid)
			return csn_json_get_string(json_array_get(token->projects, i), "name", "?");
	return "?";
}

static int find_project(const struct token *token, int64_t *ret_pid)
{
	struct morgue_project wanted;
	int status = morgue_project_parse(token->morgue, token->project, &wanted);

	return status ? status : morgue_project_pid(token->projects, wanted.name, ret_pid);
}

static json_t *create_action(const struct token *token, int64_t pid)
{
	cleanup_(csn_buf_done) struct csn_buf capabilities = CSN_BUF_INIT(4096);
	const json_t *login = morgue_session_login(token->morgue);
	json_t *action = morgue_bpg_action("create", "api_token");
	size_t i;

	for (i = 0; i < token->capabilities.count; i++)
		csn_buf_printf(&capabilities, "%s%s", i ? " " : "", token->capabilities.items[i]);
	json_object_set_new(action, "object",
			    json_pack("{s:s, s:I, s:I, s:s}", "id", "0000", "project",
				      (json_int_t)pid, "owner",
				      (json_int_t)csn_json_get_int(login, "uid", 0), "capabilities",
				      csn_buf_text(&capabilities)));
	json_object_set_new(action, "cascade", json_false());
	return action;
}

/* A ready coroner.cf for the machines that crash. */
static void put_coroner_cf(const struct token *token, struct csn_buf *out, const char *id,
			   const char *project)
{
	const char *submission = morgue_session_submission(token->morgue);
	const char *url = submission ? submission : morgue_session_endpoint(token->morgue);
	size_t length = strlen(url);

	if (length > 5 && strcmp(url + length - 5, "/post") == 0)
		length -= 5;
	csn_buf_puts(out, "# coroner.cf: where snapshots go to, and with which token.\n"
			  "# Belongs into /usr/local/etc/coroner.cf, root:coresnap 0640.\n"
			  "[universe]\nname = ");
	morgue_put_text(out, morgue_session_universe(token->morgue));
	csn_buf_puts(out, "\nwrite = ");
	csn_buf_append(out, url, length);
	if (token->morgue->insecure)
		csn_buf_puts(out, "\ncurl.ssl_verifypeer = false\ncurl.ssl_verifyhost = false");
	csn_buf_puts(out, "\n\n[token]\n");
	morgue_put_text(out, project);
	csn_buf_puts(out, " = ");
	morgue_put_text(out, id);
	csn_buf_putc(out, '\n');
}

static void put_row(const struct token *token, struct csn_buf *out, const json_t *row)
{
	int64_t pid = csn_json_get_int(row, "project", 0);

	morgue_put_text(out, csn_json_get_string(row, "id", "?"));
	csn_buf_puts(out, "\n  capabilities=");
	morgue_put_text(out, csn_json_get_string(row, "capabilities", "error:post"));
	csn_buf_puts(out, ",project=");
	morgue_put_text(out, project_name(token, pid));
	csn_buf_printf(out, "(%lld),owner=%lld\n", (long long)pid,
		       (long long)csn_json_get_int(row, "owner", 0));
}

static void put_created(const struct token *token, struct csn_buf *out, const json_t *row,
			const char *id)
{
	const char *project = project_name(token, csn_json_get_int(row, "project", 0));

	if (token->coroner_cf) {
		put_coroner_cf(token, out, id, project);
		return;
	}
	csn_buf_puts(out, "API token successfully created:\n");
	morgue_put_text(out, id);
	csn_buf_puts(out, "\n  capabilities=");
	morgue_put_text(out, csn_json_get_string(row, "capabilities", ""));
	csn_buf_puts(out, ",project=");
	morgue_put_text(out, project);
	csn_buf_printf(out, ",owner=%lld\n", (long long)csn_json_get_int(row, "owner", 0));
}

static int create(const struct token *token)
{
	cleanup_(csn_buf_done) struct csn_buf out = CSN_BUF_INIT(CSN_MIB);
	cleanup_json json_t *results = NULL;
	const json_t *result, *row;
	const char *id;
	int64_t pid = 0;
	int status = find_project(token, &pid);

	if (!status)
		status = morgue_bpg_send(token->morgue, &token->bpg,
					 json_pack("[o]", create_action(token, pid)), &results);
	if (status)
		return status;
	result = json_array_get(results, 0);
	if (morgue_bpg_failure(result))
		return morgue_fail("Token create failed: %s", morgue_bpg_failure(result));
	row = json_object_get(result, "result");
	id = csn_json_get_string(row, "id", NULL);
	if (!id)
		return morgue_fail("the server made a token and did not say which");
	put_created(token, &out, row, id);
	return morgue_print(&out);
}

static int list(const struct token *token)
{
	static const char *const types[] = { "api_token", "token" };
	cleanup_(csn_buf_done) struct csn_buf out = CSN_BUF_INIT(CSN_MAX_HTTP_JSON);
	int64_t pid = 0;
	size_t t, i;
	int status = token->project ? find_project(token, &pid) : 0;

	for (t = 0; !status && t < csn_countof(types); t++) {
		cleanup_json json_t *rows = NULL;

		status = morgue_bpg_rows(token->morgue, &token->bpg, types[t], &rows);
		for (i = 0; !status && i < json_array_size(rows); i++) {
			const json_t *row = json_array_get(rows, i);

			if (!token->project || csn_json_get_int(row, "project", -1) == pid)
				put_row(token, &out, row);
		}
	}
	return status ? status : morgue_print(&out);
}

static int delete_row(const struct token *token, const char *type, const json_t *row)
{
	cleanup_(csn_buf_done) struct csn_buf shown = CSN_BUF_INIT(CSN_MAX_PATH);
	cleanup_json json_t *results = NULL;
	const char *id = csn_json_get_string(row, "id", ""), *failure;
	json_t *action = morgue_bpg_action("delete", type);
	int status;

	csn_buf_puts(&shown, "Deleting token [");
	morgue_put_text(&shown, id);
	csn_buf_puts(&shown, "]...\n");
	status = morgue_print(&shown);
	if (status)
		return status;
	json_object_set_new(action, "key", json_pack("{s:s}", "id", id));
	json_object_set(action, "object", (json_t *)row);
	json_object_set_new(action, "cascade", json_false());
	status = morgue_bpg_send(token->morgue, &token->bpg, json_pack("[o]", action), &results);
	if (status)
		return status;
	failure = morgue_bpg_failure(json_array_get(results, 0));
	return failure ? morgue_fail("Token delete failed: %s", failure) : 0;
}

/* Every token whose id holds the text; all of one type's rows are looked at before any goes. */
static int delete (const struct token *token, const char *text)
{
	static const char *const types[] = { "api_token", "token" };
	size_t t, i, n = 0;
	int status = 0;

	for (t = 0; !status && t < csn_countof(types); t++) {
		cleanup_json json_t *rows = NULL;

		status = morgue_bpg_rows(token->morgue, &token->bpg, types[t], &rows);
		for (i = 0; !status && i < json_array_size(rows); i++) {
			const json_t *row = json_array_get(rows, i);

			if (!text || !strstr(csn_json_get_string(row, "id", ""), text))
				continue;
			n++;
			status = delete_row(token, types[t], row);
		}
	}
	if (!status && n == 0)
		return morgue_fail("no token has '%s' in its id", text);
	return status;
}

static int check_usage(const struct csn_program *program, struct token *token, const char *verb,
		       const char *text)
{
	if (strcmp(verb, "list") == 0)
		return -1;
	if (strcmp(verb, "delete") == 0)
		return text && strlen(text) >= 4
			       ? -1
			       : csn_usage_error(program, "at least 4 characters of the token's id "
							  "are needed");
	if (strcmp(verb, "create") != 0)
		return csn_usage_error(program, "'%s' is not create, list or delete", verb);
	if (!token->project)
		return csn_usage_error(program, "--project is needed");
	if (token->capabilities.count == 0)
		return csn_usage_error(program, "--capability is needed, such as error:post");
	return -1;
}

int morgue_token(int argc, char **argv, void *context)
{
	cleanup_(token_done) struct token token = { .morgue = context };
	const struct csn_option options[] = {
		MORGUE_COMMON_OPTIONS(token.morgue),
		{ "project", 0, CSN_OPT_STRING, "PROJECT", "the project", &token.project },
		{ "capability", 0, CSN_OPT_LIST, "WHAT",
		  "error:post, symbol:post, query:post, sync:post; repeatable",
		  &token.capabilities },
		{ "coroner-cf", 0, CSN_OPT_FLAG, NULL, "create: print a ready coroner.cf",
		  &token.coroner_cf },
		{ NULL },
	};
	const struct csn_program program = {
		.name = "morgue token",
		.summary = "Makes, lists and deletes the tokens of projects.",
		.usages = (const char *const[]){ "morgue token create --project=P --capability=C",
						 "morgue token list [--project=P]",
						 "morgue token delete ID", NULL },
		.options = options,
		.examples = (const char *const[]){ "morgue token create --project=blackhole "
						   "--capability=error:post --coroner-cf "
						   "> coroner.cf",
						   NULL },
	};
	int first, status = csn_options_parse(&program, argc, argv, &first);
	const char *verb, *text;

	if (status >= 0)
		return status;
	verb = first < argc ? argv[first] : "list";
	text = first + 1 < argc ? argv[first + 1] : NULL;
	status = check_usage(&program, &token, verb, text);
	if (status >= 0)
		return status;
	status = morgue_session_load(token.morgue);
	token.bpg = morgue_bpg_of_session(token.morgue);
	if (!status)
		status = morgue_bpg_rows(token.morgue, &token.bpg, "project", &token.projects);
	if (status)
		return status;
	if (strcmp(verb, "create") == 0)
		return create(&token);
	return strcmp(verb, "delete") == 0 ? delete (&token, text) : list(&token);
}
