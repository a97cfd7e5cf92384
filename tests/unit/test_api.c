/* The API without a socket: routes, rights, replies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/api.h"
#include "base/cleanup.h"
#include "base/json_load.h"
#include "folder.h"
#include "store/accounts.h"
#include "store/store.h"

#define SECRET "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

struct lab {
	char folder[FOLDER_MAX];
	struct csn_store *store;
	struct csn_api *api;
	struct csn_http_handler handler;
	int n_configured;
	char token[CSN_TOKEN_TEXT];
};

static void on_configured(void *context)
{
	struct lab *lab = context;

	lab->n_configured++;
}

static int lab_open(void **state)
{
	struct lab *lab = calloc(1, sizeof(*lab));
	struct csn_api_options options = { .setup_secret = SECRET,
					   .on_configured = on_configured,
					   .context = lab };
	struct csn_error err;

	assert_true(folder_make(lab->folder));
	assert_int_equal(csn_store_open(lab->folder, &lab->store, &err), 0);
	options.store = lab->store;
	assert_int_equal(csn_api_new(&options, &lab->api, &err), 0);
	lab->handler = csn_api_handler(lab->api);
	*state = lab;
	return 0;
}

static int lab_close(void **state)
{
	struct lab *lab = *state;

	csn_api_free(lab->api);
	csn_store_close(lab->store);
	folder_remove(lab->folder);
	free(lab);
	return 0;
}

/* ---- a carrier without a socket ---- */

struct carrier {
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool deferred, finished;
};

static void on_defer(struct csn_http_exchange *exchange)
{
	((struct carrier *)exchange->carrier)->deferred = true;
}

static void on_finish(struct csn_http_exchange *exchange)
{
	struct carrier *carrier = exchange->carrier;

	pthread_mutex_lock(&carrier->lock);
	carrier->finished = true;
	pthread_cond_signal(&carrier->wake);
	pthread_mutex_unlock(&carrier->lock);
}

struct call {
	const char *method, *path, *token, *project, *body, *header, *value;
	bool remote;
	unsigned role;
};

struct answer {
	int status;
	json_t *json; /* owned; NULL when it is none */
	bool deferred;
};

static void answer_done(struct answer *answer)
{
	json_decref(answer->json);
}

static void fill(struct csn_http_exchange *exchange, const struct call *call)
{
	struct csn_http_request *request = &exchange->request;

	request->method = call->method;
	request->path = call->path;
	request->role = call->role ? call->role : CSN_ROLE_ALL;
	request->peer_is_loopback = request->local_is_loopback = !call->remote;
	snprintf(request->peer, sizeof(request->peer), "%s",
		 call->remote ? "10.0.0.9" : "127.0.0.1");
	csn_http_pairs_add(exchange->arena, &request->headers, "Host", "localhost:6097");
	if (call->header)
		csn_http_pairs_add(exchange->arena, &request->headers, call->header, call->value);
	if (call->token)
		csn_http_pairs_add(exchange->arena, &request->query, "token", call->token);
	if (call->project)
		csn_http_pairs_add(exchange->arena, &request->query, "project", call->project);
	if (call->body)
		csn_buf_puts(&request->body, call->body);
}

static struct answer ask(struct lab *lab, struct call call)
{
	struct carrier carrier = { .lock = PTHREAD_MUTEX_INITIALIZER,
				   .wake = PTHREAD_COND_INITIALIZER };
	struct csn_http_exchange *exchange = csn_http_exchange_new();
	struct answer answer = { 0 };

	fill(exchange, &call);
	exchange->carrier = &carrier;
	exchange->on_defer = on_defer;
	exchange->on_finish = on_finish;
	lab->handler.admit(lab->handler.context, exchange);
	if (!exchange->reply.status)
		lab->handler.handle(lab->handler.context, exchange);
	pthread_mutex_lock(&carrier.lock);
	while (carrier.deferred && !carrier.finished)
		pthread_cond_wait(&carrier.wake, &carrier.lock);
	pthread_mutex_unlock(&carrier.lock);
	answer.deferred = carrier.deferred;
	answer.status = exchange->reply.status;
	if (csn_json_load(csn_buf_text(&exchange->reply.body), exchange->reply.body.size,
			  &answer.json, NULL) < 0)
		answer.json = NULL;
	csn_http_exchange_free(exchange);
	return answer;
}

#define cleanup_answer cleanup_(answer_done)

static const char *message(const struct answer *answer)
{
	return csn_json_get_string(json_object_get(answer->json, "error"), "message", "");
}

static const char *result_text(const struct answer *answer)
{
	return csn_json_get_string(json_array_get(json_object_get(answer->json, "results"), 0),
				   "text", "");
}

static struct answer bpg(struct lab *lab, const char *token, const char *body)
{
	return ask(lab,
		   (struct call){
			   .method = "POST", .path = "/api/bpg", .token = token, .body = body });
}

static void set_up(struct lab *lab)
{
	struct csn_error err;
	cleanup_answer struct answer made =
		bpg(lab, SECRET,
		    "{\"actions\":[{\"action\":\"create\",\"type\":\"configuration/universe\","
		    "\"object\":{\"id\":0,\"name\":\"acme\"}},"
		    "{\"action\":\"create\",\"type\":\"configuration/users\",\"object\":{\"uid\":0,"
		    "\"superuser\":1,\"universe\":1,\"username\":\"root\",\"email\":\"\","
		    "\"password\":\"7077\",\"method\":\"password\"}}]}");
	cleanup_answer struct answer project = { 0 };

	assert_string_equal(result_text(&made), "success");
	assert_int_equal(csn_session_open(lab->store, 1, 60, lab->token, &err), 0);
	project = bpg(lab, lab->token,
		      "{\"actions\":[{\"action\":\"create\",\"type\":\"configuration/project\","
		      "\"object\":{\"pid\":0,\"name\":\"demo\",\"universe\":1,\"owner\":1}}]}");
	assert_string_equal(result_text(&project), "success");
}

/* ---- tests ---- */

static void unknown_paths_and_methods_are_errors_in_json(void **state)
{
	struct lab *lab = *state;
	cleanup_answer struct answer path =
		ask(lab, (struct call){ .method = "GET", .path = "/no" });
	cleanup_answer struct answer method =
		ask(lab, (struct call){ .method = "DELETE", .path = "/api/query" });
	cleanup_answer struct answer role =
		ask(lab, (struct call){
				 .method = "GET", .path = "/api/login", .role = CSN_ROLE_CONTROL });

	assert_int_equal(path.status, 404);
	assert_non_null(strstr(message(&path), "/no"));
	assert_int_equal(method.status, 405);
	assert_int_equal(role.status, 404);
}

static void set_up_is_for_this_machine_or_the_secret(void **state)
{
	static const char get[] =
		"{\"actions\":[{\"action\":\"get\",\"type\":\"configuration/listener\"}]}";
	struct lab *lab = *state;
	const struct {
		struct call call;
		int status;
	} table[] = {
		{ { .token = "000000000" }, 200 },
		{ { .token = "000000000", .remote = true }, 403 },
		{ { .token = SECRET, .remote = true }, 200 },
		{ { .token = "000000000", .header = "Origin", .value = "http://localhost" }, 403 },
		{ { .token = "000000000", .header = "forwarded", .value = "for=x" }, 403 },
		{ { .token = "000000000", .header = "X-FORWARDED-HOST", .value = "x" }, 403 },
		{ { .token = "000000000", .header = "Host", .value = "localhost" }, 403 },
		{ { .header = "X-Coroner-Token", .value = SECRET, .remote = true }, 200 },
	};

	for (size_t i = 0; i < csn_countof(table); i++) {
		struct call call = table[i].call;
		struct answer answer;

		call.method = "POST";
		call.path = "/api/bpg";
		call.body = get;
		answer = ask(lab, call);
		if (answer.status != table[i].status)
			fail_msg("row %zu: %d", i, answer.status);
		answer_done(&answer);
	}
}

static void set_up_ends_with_the_first_administrator(void **state)
{
	static const char users[] =
		"{\"actions\":[{\"action\":\"get\",\"type\":\"configuration/users\"}]}";
	struct lab *lab = *state;

	set_up(lab);
	assert_int_equal(lab->n_configured, 1);
	for (int i = 0; i < 3; i++) {
		cleanup_answer struct answer other = ask(lab, (struct call){ .method = "POST",
									     .path = "/api/bpg",
									     .token = SECRET,
									     .body = users,
									     .remote = true });
		cleanup_answer struct answer grace = { 0 };

		assert_int_equal(other.status, 403);
		grace = bpg(lab, "000000000", users);
		assert_int_equal(grace.status, i == 0 ? 200 : 403);
	}
}

static const char document[] =
	"{\"uuid\":\"11111111-2222-4333-8444-555555555555\",\"timestamp\":1700000000,"
	"\"lang\":\"c\",\"langVersion\":\"1\",\"agent\":\"t\",\"agentVersion\":\"1\","
	"\"mainThread\":\"1\",\"threads\":{\"1\":{\"name\":\"m\",\"fault\":true,\"stack\":["
	"{\"funcName\":\"crash\"},{\"funcName\":\"main\"}]}},\"attributes\":{\"hostname\":\"h1\"}}";

static void submissions_are_deferred_until_they_are_committed(void **state)
{
	struct lab *lab = *state;
	struct call call = {
		.method = "POST", .path = "/api/post", .project = "demo", .body = document
	};
	const char *hosts = "{\"fold\":{\"hostname\":[[\"histogram\"]]}}";

	set_up(lab);
	call.token = lab->token;
	for (int i = 0; i < 2; i++) {
		cleanup_answer struct answer answer = ask(lab, call);

		assert_int_equal(answer.status, 200);
		assert_true(answer.deferred);
		assert_string_equal(csn_json_get_string(answer.json, "object", ""), "1");
	}
	{
		cleanup_answer struct answer query = ask(lab, (struct call){ .method = "POST",
									     .path = "/api/query",
									     .token = lab->token,
									     .project = "demo",
									     .body = hosts });
		assert_int_equal(query.status, 200);
		assert_non_null(json_object_get(query.json, "response"));
		assert_non_null(json_object_get(query.json, "_"));
	}
}

static void bad_bodies_are_refused_before_they_are_queued(void **state)
{
	static const struct {
		const char *path, *body;
	} table[] = {
		{ "/api/post", "junk" },
		{ "/api/post", "" },
		{ "/api/bpg", "junk" },
		{ "/api/bpg", "[]" },
		{ "/api/bpg", "{\"actions\":1}" },
		{ "/api/query", "{" },
		{ "/api/delete", "7" },
	};
	struct lab *lab = *state;

	set_up(lab);
	for (size_t i = 0; i < csn_countof(table); i++) {
		cleanup_answer struct answer answer =
			ask(lab, (struct call){ .method = "POST",
						.path = table[i].path,
						.token = lab->token,
						.project = "demo",
						.body = table[i].body });

		if (answer.status != 400 || answer.deferred || !*message(&answer))
			fail_msg("%s %s: %d", table[i].path, table[i].body, answer.status);
	}
}

static void tokens_are_asked_for_what_they_may(void **state)
{
	static const struct {
		const char *path, *body;
		int missing, wrong, poster;
	} table[] = {
		{ "/api/query", "{}", 401, 403, 403 },
		{ "/api/post", "{", 401, 403, 400 },
		{ "/api/delete", "{\"project\":\"demo\"}", 401, 403, 403 },
		{ "/api/bpg", "{\"actions\":[]}", 403, 403, 403 },
	};
	struct lab *lab = *state;
	cleanup_answer struct answer made = { 0 };
	const char *token;

	set_up(lab);
	made = bpg(lab, lab->token,
		   "{\"actions\":[{\"action\":\"create\",\"type\":\"configuration/api_token\","
		   "\"object\":{\"id\":\"0\",\"project\":1,\"owner\":1,"
		   "\"capabilities\":\"error:post\"}}]}");
	token = csn_json_get_string(
		json_object_get(json_array_get(json_object_get(made.json, "results"), 0), "result"),
		"id", "");
	assert_int_equal(strlen(token), 64);
	for (size_t i = 0; i < csn_countof(table); i++) {
		const char *const tokens[] = { NULL, "00000", token };
		const int wanted[] = { table[i].missing, table[i].wrong, table[i].poster };

		for (size_t k = 0; k < csn_countof(tokens); k++) {
			cleanup_answer struct answer answer =
				ask(lab, (struct call){ .method = "POST",
							.path = table[i].path,
							.token = tokens[k],
							.project = "demo",
							.body = table[i].body });

			if (answer.status != wanted[k])
				fail_msg("%s, token %zu: %d", table[i].path, k, answer.status);
		}
	}
}

#define WITH_LAB(test) cmocka_unit_test_setup_teardown(test, lab_open, lab_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_LAB(unknown_paths_and_methods_are_errors_in_json),
		WITH_LAB(set_up_is_for_this_machine_or_the_secret),
		WITH_LAB(set_up_ends_with_the_first_administrator),
		WITH_LAB(submissions_are_deferred_until_they_are_committed),
		WITH_LAB(bad_bodies_are_refused_before_they_are_queued),
		WITH_LAB(tokens_are_asked_for_what_they_may),
	};

	return cmocka_run_group_tests_name("api", tests, NULL, NULL);
}
