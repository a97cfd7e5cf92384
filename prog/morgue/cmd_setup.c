/* morgue setup: the first organisation and administrator of a new server.
 *
 * Whoever does this owns the server, so the server wants its one-time secret, unless the request
 * comes from its own machine in the clear. The secret stands in the server's data folder; when the
 * server is this machine and the file can be read, it is found without being asked for. It is
 * never sent to another machine unless given by --secret. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/json_load.h"
#include "base/limits.h"
#include "base/root.h"
#include "base/uuid.h"
#include "login.h"

#define NO_SESSION "000000000"

struct setup {
	const char *url, *json_file, *secret;
	char token[256]; /* the secret, or NO_SESSION */
	json_t *answers; /* of --setup_json; NULL: ask */
};

static void setup_done(struct setup *setup)
{
	json_decref(setup->answers);
}

static bool is_local(const char *url)
{
	static const char *const names[] = { "localhost", "127.0.0.1", "[::1]" };
	const char *host = strstr(url, "://") + 3;
	size_t i, length;

	for (i = 0; i < csn_countof(names); i++) {
		length = strlen(names[i]);
		if (strncmp(host, names[i], length) == 0 && strchr(":/", host[length]))
			return true;
	}
	return false;
}

/* The first line of a file; false when it cannot be read. */
static bool read_secret(const char *path, char *secret, size_t size)
{
	cleanup_(csn_buf_done) struct csn_buf text = CSN_BUF_INIT(size - 1);

	if (csn_read_file(AT_FDCWD, path, &text, NULL) < 0 || !text.size)
		return false;
	text.data[strcspn(text.data, "\r\n")] = '\0';
	snprintf(secret, size, "%s", text.data);
	return *secret != '\0';
}

static void find_secret(const struct morgue *morgue, struct setup *setup)
{
	struct csn_root root;
	char path[CSN_MAX_PATH];

	snprintf(setup->token, sizeof(setup->token), "%s", NO_SESSION);
	if (setup->secret) {
		if (!read_secret(setup->secret, setup->token, sizeof(setup->token)))
			snprintf(setup->token, sizeof(setup->token), "%s", setup->secret);
		return;
	}
	csn_root_init(&root, morgue->root);
	if (is_local(setup->url))
		read_secret(csn_root_path(&root, CSN_CORONERD_DATA "/setup.secret", path,
					  sizeof(path)),
			    setup->token, sizeof(setup->token));
	if (!*setup->token)
		snprintf(setup->token, sizeof(setup->token), "%s", NO_SESSION);
}

static int is_configured(struct morgue *morgue, const char *url, bool *ret_configured)
{
	cleanup_(csn_buf_done) struct csn_buf address = CSN_BUF_INIT(CSN_MAX_PATH);
	cleanup_(csn_http_reply_done) struct csn_http_reply reply = { 0 };
	struct csn_http_call call = CSN_HTTP_CALL_INIT;
	const char *text;
	int status;

	morgue_url(&address, url, "/api/is_configured", NULL);
	call.url = csn_buf_text(&address);
	status = morgue_request(morgue, &call, &reply);
	if (status)
		return status;
	if (reply.status != 200)
		return morgue_explain("is this an object store?", &reply);
	text = csn_buf_text(&reply.body);
	if (strcmp(text, "0\n") != 0 && strcmp(text, "0") != 0 && strcmp(text, "1\n") != 0 &&
	    strcmp(text, "1") != 0)
		return morgue_fail("the server answers neither 0 nor 1 to is_configured; is this "
				   "an object store?");
	*ret_configured = *text == '1';
	return 0;
}

/* One answer: from the file, else from the terminal; allowed names the characters it may have. */
static int answer(const struct setup *setup, const char *member, const char *question,
		  const char *allowed, bool hidden, char **ret_text)
{
	const char *given = csn_json_get_string(setup->answers, member, NULL);
	cleanup_free char *text = NULL;
	int status;

	if (setup->answers && !given)
		return morgue_fail("%s: member \"%s\" is missing", setup->json_file, member);
	text = given ? strdup(given) : NULL;
	if (given && !text)
		return morgue_fail("out of memory");
	if (!given) {
		status = morgue_ask(question, hidden, "--setup_json", &text);
		if (status)
			return status;
	}
	if (!text || !*text || (allowed && text[strspn(text, allowed)]))
		return morgue_fail("%s: '%s' is not allowed; use %s", question, text,
				   allowed ? "a-z, 0-9" : "at least one character");
	*ret_text = csn_take(text);
	return 0;
}

#define LOWER "abcdefghijklmnopqrstuvwxyz0123456789"

static int send_one(struct morgue *morgue, const struct morgue_bpg *bpg, const char *what,
		    json_t *action, int64_t *ret_id, const char *id_member)
{
	cleanup_json json_t *results = NULL;
	const json_t *result;
	int status = morgue_bpg_send(morgue, bpg, json_pack("[o]", action), &results);

	if (status)
		return status;
	result = json_array_get(results, 0);
	if (morgue_bpg_failure(result))
		return morgue_fail("%s: %s", what, morgue_bpg_failure(result));
	if (ret_id)
		*ret_id = csn_json_get_int(json_object_get(result, "result"), id_member, 0);
	return 0;
}

/* The console's listener learns the name that the server has in the outside world. */
static int set_dns_name(struct morgue *morgue, const struct setup *setup,
			const struct morgue_bpg *bpg, const json_t *listeners)
{
	cleanup_free char *name = NULL;
	const json_t *listener = NULL;
	json_t *action;
	size_t i;
	int status;

	for (i = 0; i < json_array_size(listeners) && !listener; i++) {
		const json_t *row = json_array_get(listeners, i);

		if (strcmp(csn_json_get_string(row, "type", ""), "http/console") == 0)
			listener = row;
	}
	if (!listener || *csn_json_get_string(listener, "dns_name", ""))
		return 0;
	status = answer(setup, "dns_name", "DNS name of the server", NULL, false, &name);
	if (status)
		return status;
	action = morgue_bpg_action("modify", "listener");
	json_object_set_new(action, "key",
			    json_pack("{s:I}", "id",
				      (json_int_t)csn_json_get_int(listener, "id", 0)));
	json_object_set_new(action, "fields", json_pack("{s:s}", "dns_name", name));
	json_object_set_new(action, "cascade", json_false());
	return send_one(morgue, bpg, "DNS name", action, NULL, NULL);
}

static int make_universe(struct morgue *morgue, const struct setup *setup,
			 const struct morgue_bpg *bpg, const json_t *universes, int64_t *ret_id,
			 char **ret_name)
{
	const json_t *there = json_array_get(universes, 0);
	json_t *action;
	int status;

	if (there) {
		*ret_id = csn_json_get_int(there, "id", 0);
		*ret_name = strdup(csn_json_get_string(there, "name", ""));
		return *ret_name ? 0 : morgue_fail("out of memory");
	}
	status = answer(setup, "universe", "Organization", LOWER, false, ret_name);
	if (status)
		return status;
	action = morgue_bpg_action("create", "universe");
	json_object_set_new(action, "object", json_pack("{s:i, s:s}", "id", 0, "name", *ret_name));
	json_object_set_new(action, "cascade", json_false());
	return send_one(morgue, bpg, "organization", action, ret_id, "id");
}

/* Passwords travel as lower-case hex: the server's type is a blob. */
static char *hex_of(const char *text)
{
	char *hex = malloc(2 * strlen(text) + 1);

	if (hex)
		csn_hex_format(text, strlen(text), hex);
	return hex;
}

static int ask_password(const struct setup *setup, char **ret_hex)
{
	cleanup_free char *password = NULL, *again = NULL;
	int status = answer(setup, "password", "Password", NULL, true, &password);

	if (!status && !setup->answers)
		status = answer(setup, "password", "Password, again", NULL, true, &again);
	if (status || !password)
		return status;
	if (again && strcmp(password, again) != 0)
		return morgue_fail("the passwords differ");
	*ret_hex = hex_of(password);
	return *ret_hex ? 0 : morgue_fail("out of memory");
}

static int make_administrator(struct morgue *morgue, const struct setup *setup,
			      const struct morgue_bpg *bpg, const json_t *users, int64_t universe)
{
	cleanup_free char *name = NULL, *email = NULL, *password = NULL;
	json_t *action;
	int status;

	if (json_array_size(users) > 0)
		return 0;
	status =
		answer(setup, "username", "Username of the administrator", LOWER "_", false, &name);
	if (!status)
		status = answer(setup, "email", "E-mail", NULL, false, &email);
	if (!status)
		status = ask_password(setup, &password);
	if (status)
		return status;
	action = morgue_bpg_action("create", "users");
	json_object_set_new(action, "object",
			    json_pack("{s:i, s:i, s:s, s:I, s:s, s:s, s:s}", "uid", 0, "superuser",
				      1, "method", "password", "universe", (json_int_t)universe,
				      "username", name, "email", email, "password", password));
	json_object_set_new(action, "cascade", json_false());
	return send_one(morgue, bpg, "administrator", action, NULL, NULL);
}

static int read_answers(struct setup *setup)
{
	cleanup_(csn_buf_done) struct csn_buf text = CSN_BUF_INIT(CSN_MAX_CONFIG_FILE);
	struct csn_error err = CSN_ERROR_INIT;

	if (!setup->json_file)
		return 0;
	if (csn_read_file(AT_FDCWD, setup->json_file, &text, &err) < 0)
		return morgue_fail("%s", err.text);
	if (csn_json_load(csn_buf_text(&text), text.size, &setup->answers, &err) < 0)
		return morgue_fail("%s: %s", setup->json_file, err.text);
	return 0;
}

static int set_up(struct morgue *morgue, const struct setup *setup)
{
	const struct morgue_bpg bpg = { setup->url, setup->token };
	cleanup_json json_t *listeners = NULL, *universes = NULL, *users = NULL;
	cleanup_(csn_buf_done) struct csn_buf shown = CSN_BUF_INIT(CSN_MAX_PATH);
	cleanup_free char *universe = NULL;
	int64_t universe_id = 0;
	int status = morgue_bpg_rows(morgue, &bpg, "listener", &listeners);

	if (!status)
		status = morgue_bpg_rows(morgue, &bpg, "universe", &universes);
	if (!status)
		status = morgue_bpg_rows(morgue, &bpg, "users", &users);
	if (!status)
		status = set_dns_name(morgue, setup, &bpg, listeners);
	if (!status)
		status = make_universe(morgue, setup, &bpg, universes, &universe_id, &universe);
	if (!status)
		status = make_administrator(morgue, setup, &bpg, users, universe_id);
	if (status)
		return status;
	morgue_url(&shown, setup->url, "/config/", NULL);
	morgue_put_text(&shown, universe);
	csn_buf_puts(&shown, "\nSetup complete\n");
	return morgue_print(&shown);
}

int morgue_setup(int argc, char **argv, void *context)
{
	struct morgue *morgue = context;
	cleanup_(setup_done) struct setup setup = { 0 };
	const struct csn_option options[] = {
		MORGUE_COMMON_OPTIONS(morgue),
		{ "setup_json", 0, CSN_OPT_STRING, "FILE",
		  "answers: dns_name, universe, username, email, password", &setup.json_file },
		{ "secret", 0, CSN_OPT_STRING, "FILE|TEXT",
		  "the server's one-time secret (default: read on the server itself)",
		  &setup.secret },
		{ NULL },
	};
	const struct csn_program program = {
		.name = "morgue setup",
		.summary = "Makes the first organization and administrator of a new server; logs "
			   "in to one that is set up.",
		.usages = (const char *const[]){ "morgue setup [OPTION...] URL", NULL },
		.options = options,
		.examples = (const char *const[]){ "morgue setup http://127.0.0.1:6097",
						   "morgue setup --setup_json answers.json "
						   "http://127.0.0.1:6097",
						   NULL },
	};
	bool configured = false;
	int first, status = csn_options_parse(&program, argc, argv, &first);

	if (status >= 0)
		return status;
	if (argc - first != 1 || !morgue_endpoint_ok(argv[first]))
		return csn_usage_error(&program, "one URL is needed, with http:// or https://");
	setup.url = argv[first];
	status = read_answers(&setup);
	if (!status)
		status = is_configured(morgue, setup.url, &configured);
	if (status)
		return status;
	printf("The server is %s.\n", configured ? "configured" : "unconfigured");
	fflush(stdout);
	if (!configured) {
		find_secret(morgue, &setup);
		return set_up(morgue, &setup);
	}
	status = morgue_login_at(morgue, setup.url);
	if (!status)
		puts("Setup complete");
	return status;
}
