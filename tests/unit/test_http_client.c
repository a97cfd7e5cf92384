/* http client: what it sends and how it fails, against a server of a few lines in a child. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "http/client.h"

struct double_server {
	pid_t pid;
	int port, seen_fd; /* the request's bytes can be read from seen_fd */
};

/* Answers one connection with the reply once the request holds `until`, then leaves. */
static void serve(int listener, const char *reply, const char *until, int seen_fd)
{
	char request[65536];
	size_t n = 0;
	ssize_t got;
	int fd = accept(listener, NULL, NULL);

	memset(request, 0, sizeof(request));
	while (n < sizeof(request) - 1 && !strstr(request, until)) {
		got = read(fd, request + n, sizeof(request) - 1 - n);
		if (got <= 0)
			break;
		n += (size_t)got;
	}
	if (reply && csn_write_full(fd, reply, strlen(reply)) < 0)
		_exit(1);
	if (csn_write_full(seen_fd, request, n) < 0)
		_exit(1);
	if (!reply)
		pause();
	_exit(0);
}

static struct double_server start(const char *reply, const char *until)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof(address);
	struct double_server server;
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), seen[2];

	assert_int_equal(bind(listener, (struct sockaddr *)&address, length), 0);
	assert_int_equal(listen(listener, 4), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &length), 0);
	assert_int_equal(pipe(seen), 0);
	server.port = ntohs(address.sin_port);
	server.seen_fd = seen[0];
	server.pid = fork();
	if (server.pid == 0)
		serve(listener, reply, until, seen[1]);
	close(listener);
	close(seen[1]);
	return server;
}

static void stop(struct double_server *server)
{
	kill(server->pid, SIGKILL);
	waitpid(server->pid, NULL, 0);
	close(server->seen_fd);
}

static int run(const struct double_server *server, struct csn_http_options *options,
	       struct csn_http_call *call, struct csn_http_reply *reply, struct csn_error *err)
{
	cleanup_(csn_http_client_freep) struct csn_http_client *client = NULL;
	char url[128];

	snprintf(url, sizeof(url), "http://127.0.0.1:%d/post?token=secret", server->port);
	call->url = url;
	assert_int_equal(csn_http_client_new(options, &client, NULL), 0);
	return csn_http_run(client, call, reply, err);
}

#define OK_REPLY "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"

static void a_reply_is_read_with_its_headers(void **state)
{
	struct double_server server =
		start("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n"
		      "Content-Disposition: attachment; filename=\"a b.btt\"\r\n\r\nabc",
		      "\r\n\r\n");
	struct csn_http_call call = CSN_HTTP_CALL_INIT;
	struct csn_http_options options = { 0 };
	cleanup_(csn_http_reply_done) struct csn_http_reply reply;

	(void)state;
	assert_int_equal(run(&server, &options, &call, &reply, NULL), 0);
	assert_int_equal(reply.status, 200);
	assert_string_equal(csn_buf_text(&reply.body), "abc");
	assert_string_equal(reply.content_type, "text/plain");
	assert_string_equal(reply.disposition_name, "a b.btt");
	assert_int_equal(reply.retry_after_s, -1);
	stop(&server);
}

static void a_refusal_is_a_reply_and_not_an_error(void **state)
{
	struct double_server server = start("HTTP/1.1 429 Slow down\r\nRetry-After: 17\r\n"
					    "Content-Length: 0\r\n\r\n",
					    "\r\n\r\n");
	struct csn_http_call call = CSN_HTTP_CALL_INIT;
	struct csn_http_options options = { 0 };
	cleanup_(csn_http_reply_done) struct csn_http_reply reply;

	(void)state;
	assert_int_equal(run(&server, &options, &call, &reply, NULL), 0);
	assert_int_equal(reply.status, 429);
	assert_int_equal(reply.retry_after_s, 17);
	stop(&server);
}

static void a_redirect_is_not_followed(void **state)
{
	struct double_server server =
		start("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n"
		      "Content-Length: 0\r\n\r\n",
		      "\r\n\r\n");
	struct csn_http_call call = CSN_HTTP_CALL_INIT;
	struct csn_http_options options = { 0 };
	cleanup_(csn_http_reply_done) struct csn_http_reply reply;

	(void)state;
	assert_int_equal(run(&server, &options, &call, &reply, NULL), 0);
	assert_int_equal(reply.status, 302);
	stop(&server);
}

static void a_file_is_posted_with_its_length(void **state)
{
	struct double_server server = start(OK_REPLY, "the end");
	struct csn_http_call call = CSN_HTTP_CALL_INIT;
	struct csn_http_options options = { .user_agent = "coroner/1" };
	cleanup_(csn_http_reply_done) struct csn_http_reply reply;
	cleanup_(csn_buf_done) struct csn_buf seen = CSN_BUF_INIT(65536);
	char path[] = "/tmp/csn-http-XXXXXX";
	static const char *const headers[] = { "X-Coroner: yes", NULL };

	(void)state;
	call.post = true;
	call.headers = headers;
	call.content_type = "application/octet-stream";
	call.body_fd = mkstemp(path);
	unlink(path);
	assert_int_equal(csn_write_full(call.body_fd, "body to the end", 15), 0);
	assert_int_equal(run(&server, &options, &call, &reply, NULL), 0);
	assert_int_equal(csn_read_fd(server.seen_fd, "seen", &seen, NULL), 0);
	assert_non_null(strstr(csn_buf_text(&seen), "POST /post?token=secret HTTP/1.1"));
	assert_non_null(strstr(csn_buf_text(&seen), "Content-Length: 15\r\n"));
	assert_non_null(strstr(csn_buf_text(&seen), "Content-Type: application/octet-stream\r\n"));
	assert_non_null(strstr(csn_buf_text(&seen), "X-Coroner: yes\r\n"));
	assert_non_null(strstr(csn_buf_text(&seen), "User-Agent: coroner/1\r\n"));
	assert_null(strstr(csn_buf_text(&seen), "Expect"));
	close(call.body_fd);
	stop(&server);
}

static void a_200_can_go_into_a_descriptor(void **state)
{
	struct double_server server = start(OK_REPLY, "\r\n\r\n");
	struct csn_http_call call = CSN_HTTP_CALL_INIT;
	struct csn_http_options options = { 0 };
	cleanup_(csn_http_reply_done) struct csn_http_reply reply;
	char path[] = "/tmp/csn-http-XXXXXX", back[8] = "";

	(void)state;
	call.save_fd = mkstemp(path);
	unlink(path);
	assert_int_equal(run(&server, &options, &call, &reply, NULL), 0);
	assert_int_equal(reply.body_size, 2);
	assert_int_equal(reply.body.size, 0);
	assert_int_equal(csn_pread_full(call.save_fd, back, 8, 0), 2);
	assert_string_equal(back, "{}");
	close(call.save_fd);
	stop(&server);
}

static void a_reply_over_the_cap_is_cut_off(void **state)
{
	struct double_server server = start(OK_REPLY, "\r\n\r\n");
	struct csn_http_call call = CSN_HTTP_CALL_INIT;
	struct csn_http_options options = { .max_reply_size = 1 };
	struct csn_http_reply reply;
	struct csn_error err = CSN_ERROR_INIT;

	(void)state;
	assert_int_equal(run(&server, &options, &call, &reply, &err), -CSN_E_LIMIT);
	stop(&server);
}

static void silence_ends_in_a_timeout(void **state)
{
	struct double_server server = start(NULL, "\r\n\r\n");
	struct csn_http_call call = CSN_HTTP_CALL_INIT;
	struct csn_http_options options = { .timeout_ms = 150 };
	struct csn_http_reply reply;
	struct csn_error err = CSN_ERROR_INIT;

	(void)state;
	assert_int_equal(run(&server, &options, &call, &reply, &err), -CSN_E_TIMEOUT);
	stop(&server);
}

static void an_absent_server_is_an_os_error_that_hides_the_token(void **state)
{
	struct double_server server = start(OK_REPLY, "\r\n\r\n");
	struct csn_http_call call = CSN_HTTP_CALL_INIT;
	struct csn_http_options options = { 0 };
	struct csn_http_reply reply;
	struct csn_error err = CSN_ERROR_INIT;

	(void)state;
	stop(&server);
	assert_int_equal(run(&server, &options, &call, &reply, &err), -CSN_E_OS);
	assert_null(strstr(err.text, "secret"));
	assert_non_null(strstr(err.text, "127.0.0.1:"));
}

static void texts_are_percent_encoded(void **state)
{
	cleanup_(csn_buf_done) struct csn_buf out = CSN_BUF_INIT(256);

	(void)state;
	csn_http_encode(&out, "a b&c=d/e~\xc3\xa4");
	assert_string_equal(csn_buf_text(&out), "a%20b%26c%3Dd%2Fe~%C3%A4");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_reply_is_read_with_its_headers),
		cmocka_unit_test(a_refusal_is_a_reply_and_not_an_error),
		cmocka_unit_test(a_redirect_is_not_followed),
		cmocka_unit_test(a_file_is_posted_with_its_length),
		cmocka_unit_test(a_200_can_go_into_a_descriptor),
		cmocka_unit_test(a_reply_over_the_cap_is_cut_off),
		cmocka_unit_test(silence_ends_in_a_timeout),
		cmocka_unit_test(an_absent_server_is_an_os_error_that_hides_the_token),
		cmocka_unit_test(texts_are_percent_encoded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
