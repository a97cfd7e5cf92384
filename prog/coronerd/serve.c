/* The server's life: configuration, store, listeners, then waiting for a signal.
 *
 * Threads: SIGTERM and SIGINT are blocked before any thread is made and waited for by main; the
 * HTTP pools and the committer do the work. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "api/api.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "base/json.h"
#include "base/log.h"
#include "coronerd.h"
#include "http/server.h"
#include "store/accounts.h"
#include "store/store.h"

#define FILES_WANTED 16384u

struct server {
	struct coronerd_config config;
	struct csn_log log;
	struct csn_store *store;
	struct csn_api *api;
	struct csn_http_handler handler;
	struct csn_http_budget budget;
	struct csn_http_server *listeners[CORONERD_LISTENERS];
	char secret_path[4200], state_path[4200];
	char secret[CSN_TOKEN_TEXT]; /* of a fresh server, until it was said */
	int ready_fd;                /* tells the parent that we are up; -1 in the foreground */
};

static int exit_status_of(const struct csn_error *err)
{
	switch (err->code) {
	case CSN_E_USAGE:
	case CSN_E_FORMAT:
		return CSN_EXIT_CONFIG;
	case CSN_E_DENIED:
		return CSN_EXIT_UNAVAILABLE;
	case CSN_E_OS:
		return err->os_errno == EADDRINUSE || err->os_errno == EADDRNOTAVAIL
			       ? CSN_EXIT_UNAVAILABLE
			       : CSN_EXIT_OS;
	default:
		return CSN_EXIT_OS;
	}
}

/* What the user can do about it. */
static const char *hint_for(const struct csn_error *err)
{
	switch (err->os_errno) {
	case EADDRINUSE:
		return "; stop what listens there, or choose another with --listen";
	case EACCES:
		return strstr(err->text, "listen")
			       ? "; ports below 1024 take root or CAP_NET_BIND_SERVICE"
			       : "; run it as the user that owns the data";
	default:
		return err->code == CSN_E_DENIED ? "; stop it, or choose another with --data" : "";
	}
}

/* ---- first run ---- */

static void on_configured(void *context)
{
	struct server *server = context;

	unlink(server->secret_path);
	csn_log(&server->log, LOG_INFO, "set up: there is an administrator now");
}

/* A fresh server's secret: in a file that only we can read, and, once all is well, in the log. */
static int make_secret(struct server *server, struct csn_error *err)
{
	char line[CSN_TOKEN_TEXT + 1];

	csn_token_make(server->secret);
	snprintf(line, sizeof(line), "%s\n", server->secret);
	return csn_write_file(AT_FDCWD, server->secret_path, line, strlen(line), 0600, err);
}

static void say_secret(struct server *server)
{
	if (!*server->secret)
		return;
	csn_log(&server->log, LOG_INFO,
		"not set up yet; set it up with `morgue setup`; one-time secret (also in %s): %s",
		server->secret_path, server->secret);
	explicit_bzero(server->secret, sizeof(server->secret));
}

static int make_api(struct server *server, struct csn_error *err)
{
	struct csn_api_options options = { .store = server->store,
					   .on_configured = on_configured,
					   .context = server };
	bool configured;
	int r = csn_accounts_configured(server->store, &configured, err);

	if (r < 0)
		return r;
	if (configured) {
		unlink(server->secret_path);
	} else {
		r = make_secret(server, err);
		options.setup_secret = server->secret;
	}
	return r < 0 ? r : csn_api_new(&options, &server->api, err);
}

/* ---- listeners ---- */

static int listen_one(struct server *server, size_t i, struct csn_error *err)
{
	const struct coronerd_listener *listener = &server->config.listeners[i];
	struct csn_http_server_options options = {
		.address = listener->address,
		.port = listener->port,
		.role = listener->role,
		.threads = listener->threads,
		.connections = listener->connections,
		.backlog = listener->backlog,
		.certificate = *listener->certificate ? listener->certificate : NULL,
		.key = *listener->certificate ? listener->key : NULL,
		.budget = &server->budget,
		.handler = &server->handler,
	};
	int r = csn_http_server_open(&options, &server->listeners[i], err);

	/* A machine without IPv6: all addresses are those of IPv4. */
	if (r < 0 && err->os_errno == EAFNOSUPPORT && strcmp(listener->address, "::") == 0) {
		options.address = "0.0.0.0";
		r = csn_http_server_open(&options, &server->listeners[i], err);
	}
	return r;
}

static void format_url(const struct server *server, size_t i, char *out, size_t size)
{
	const struct coronerd_listener *listener = &server->config.listeners[i];

	snprintf(out, size, strchr(listener->address, ':') ? "%s://[%s]:%u" : "%s://%s:%u",
		 *listener->certificate ? "https" : "http", listener->address,
		 csn_http_server_port(server->listeners[i]));
}

/* What others on this machine (client-config, tests) read to find us. */
static int write_state(struct server *server, struct csn_error *err)
{
	cleanup_(csn_buf_done) struct csn_buf text = CSN_BUF_INIT(65536);
	struct csn_json json = csn_json_to(&text);
	char url[256];
	int r;

	csn_json_begin_object(&json);
	csn_json_member_int(&json, "pid", getpid());
	csn_json_key(&json, "listeners");
	csn_json_begin_array(&json);
	for (size_t i = 0; i < server->config.n_listeners; i++) {
		const struct coronerd_listener *listener = &server->config.listeners[i];

		format_url(server, i, url, sizeof(url));
		csn_json_begin_object(&json);
		csn_json_member_string(&json, "url", url);
		csn_json_member_string(&json, "address", listener->address);
		csn_json_member_uint(&json, "port", csn_http_server_port(server->listeners[i]));
		csn_json_member_bool(&json, "tls", *listener->certificate);
		csn_json_member_bool(&json, "post",
				     listener->role & (CSN_ROLE_POST | CSN_ROLE_CONSOLE));
		csn_json_member_bool(&json, "read", listener->role & CSN_ROLE_READ);
		csn_json_end_object(&json);
	}
	csn_json_end_array(&json);
	csn_json_end_object(&json);
	csn_buf_putc(&text, '\n');
	r = csn_buf_check(&text, "listening.json", err);
	return r < 0 ? r
		     : csn_write_file(AT_FDCWD, server->state_path, text.data, text.size, 0644,
				      err);
}

/* The ports are taken before anything is said or made. */
static int open_listeners(struct server *server, struct csn_error *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < server->config.n_listeners; i++)
		r = listen_one(server, i, err);
	return r;
}

static int run_listeners(struct server *server, struct csn_error *err)
{
	struct csn_api_endpoint endpoints[CORONERD_LISTENERS];
	size_t n = 0;
	char url[256];
	int r = 0;

	for (size_t i = 0; i < server->config.n_listeners; i++) {
		const struct coronerd_listener *listener = &server->config.listeners[i];

		if (listener->role & CSN_ROLE_POST)
			endpoints[n++] = (struct csn_api_endpoint){
				*listener->certificate, csn_http_server_port(server->listeners[i])
			};
	}
	csn_api_set_endpoints(server->api, endpoints, n);
	for (size_t i = 0; r == 0 && i < server->config.n_listeners; i++)
		r = csn_http_server_run(server->listeners[i], err);
	if (r == 0)
		r = write_state(server, err);
	if (r == 0)
		say_secret(server);
	for (size_t i = 0; r == 0 && i < server->config.n_listeners; i++) {
		format_url(server, i, url, sizeof(url));
		printf("listening on %s\n", url);
	}
	fflush(stdout);
	return r;
}

/* ---- life ---- */

static int start(struct server *server, struct csn_error *err)
{
	const char *data = server->config.data;
	int r = csn_store_open(data, &server->store, err);

	if (r < 0)
		return r;
	snprintf(server->secret_path, sizeof(server->secret_path), "%s/setup.secret", data);
	snprintf(server->state_path, sizeof(server->state_path), "%s/listening.json", data);
	r = open_listeners(server, err);
	if (r == 0)
		r = make_api(server, err);
	if (r < 0)
		return r;
	server->handler = csn_api_handler(server->api);
	return run_listeners(server, err);
}

static void stop(struct server *server)
{
	for (size_t i = 0; i < server->config.n_listeners; i++)
		csn_http_server_stop(server->listeners[i]);
	csn_api_free(server->api);
	csn_store_close(server->store);
	if (*server->state_path)
		unlink(server->state_path);
}

static void wait_for_end(const sigset_t *signals)
{
	int signal;

	while (sigwait(signals, &signal) == 0 && signal == SIGHUP)
		; /* nothing to read again */
}

/* Each connection is a descriptor, and most systems start us with 1,024 at most. */
static void raise_file_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= FILES_WANTED)
		return;
	limit.rlim_cur = limit.rlim_max < FILES_WANTED ? limit.rlim_max : FILES_WANTED;
	setrlimit(RLIMIT_NOFILE, &limit);
}

static int run(const struct coronerd_options *options, struct server *server)
{
	struct csn_error err = CSN_ERROR_INIT;
	sigset_t signals;
	char ok = 0;
	int r;

	umask(0077);
	raise_file_limit();
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
	r = start(server, &err);
	if (r == 0) {
		if (server->ready_fd >= 0 && csn_write_full(server->ready_fd, &ok, 1) == 0)
			close(server->ready_fd);
		if (!options->foreground) {
			cleanup_close int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);

			for (int fd = 0; null_fd >= 0 && fd < 3; fd++)
				dup2(null_fd, fd);
		}
		wait_for_end(&signals);
		csn_log(&server->log, LOG_INFO, "stopping");
	} else {
		fprintf(stderr, "coronerd: %s%s\n", err.text, hint_for(&err));
	}
	stop(server);
	return r < 0 ? exit_status_of(&err) : 0;
}

/* The parent of a daemon waits until it serves or has said why not. */
static int wait_for_child(pid_t pid, int fd)
{
	char ok;
	int status;

	if (csn_read_full(fd, &ok, 1) == 1)
		return 0;
	if (waitpid(pid, &status, 0) < 0 || !WIFEXITED(status))
		return CSN_EXIT_OS;
	return WEXITSTATUS(status);
}

int coronerd_serve(const struct coronerd_options *options)
{
	struct server server = { .ready_fd = -1 };
	struct csn_error err = CSN_ERROR_INIT;
	int fds[2], status;
	pid_t pid;

	if (coronerd_configure(options, &server.config, &err) < 0) {
		fprintf(stderr, "coronerd: %s\n", err.text);
		return CSN_EXIT_CONFIG;
	}
	if (!options->foreground) {
		if (pipe2(fds, O_CLOEXEC) < 0 || (pid = fork()) < 0) {
			fprintf(stderr, "coronerd: %s\n", strerror(errno));
			return CSN_EXIT_OS;
		}
		if (pid > 0) {
			close(fds[1]);
			return wait_for_child(pid, fds[0]);
		}
		close(fds[0]);
		setsid();
		server.ready_fd = fds[1];
	}
	csn_log_open(&server.log, "coronerd", LOG_DAEMON, options->foreground);
	status = run(options, &server);
	csn_log_close(&server.log);
	return status;
}
