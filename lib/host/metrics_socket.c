/* metrics.socket: answers who asks, in HTTP/1.0 when asked with GET, else with the text alone.
 *
 * Who connects says something within a moment or nothing; then it gets all in one piece and the
 * connection ends. Nobody is waited for: a client that does not read loses its answer. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/text.h"
#include "host/metrics.h"
#include "host/service_internal.h"

#define BACKLOG 128
#define SILENCE_NS (100 * CSN_NS_PER_MS) /* of a client that only reads */
#define PATIENCE_NS CSN_NS_PER_SECOND    /* with one that has begun to ask */
#define MAX_METRICS (64 * CSN_KIB)

void metrics_init(struct csn_service *service)
{
	size_t i;

	service->metrics_fd = -1;
	for (i = 0; i < METRICS_CLIENTS; i++)
		service->clients[i].fd = -1;
}

static void client_close(struct csn_service *service, struct metrics_client *client)
{
	service_unwatch(service, client->fd);
	csn_closep(&client->fd);
	client->fd = -1;
	client->due_ns = 0;
	client->head_bytes = 0;
}

/* Binds through the folder's descriptor: sun_path is short, and over nothing but a socket. */
static int listen_on(const char *path, int *ret_fd, struct csn_error *err)
{
	cleanup_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const char *name = csn_last_part(path);
	cleanup_close int folder_fd = -1;
	char folder[CSN_MAX_PATH];
	struct stat status;

	snprintf(folder, sizeof(folder), "%.*s", (int)(name - path), path);
	folder_fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || folder_fd < 0)
		return csn_fail_os(err, errno, "%s", folder);
	if (fstatat(folder_fd, name, &status, AT_SYMLINK_NOFOLLOW) == 0) {
		if (!S_ISSOCK(status.st_mode))
			return csn_fail(err, CSN_E_DENIED, "something else stands there");
		(void)unlinkat(folder_fd, name, 0);
	}
	if (snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/%s", folder_fd,
		     name) >= (int)sizeof(address.sun_path))
		return csn_fail(err, CSN_E_LIMIT, "its name is too long");
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    fchmodat(folder_fd, name, 0666, 0) < 0 || listen(fd, BACKLOG) < 0)
		return csn_fail_os(err, errno, "listen");
	*ret_fd = csn_take_fd(fd);
	return 0;
}

void metrics_open(struct csn_service *service)
{
	const char *path = service->host->conf.metrics_socket;
	struct csn_error err = CSN_ERROR_INIT;
	int r;

	if (!*path || service->once)
		return;
	r = listen_on(path, &service->metrics_fd, &err);
	service->metrics_watch = (struct watch){ .kind = WATCH_METRICS };
	if (r == 0)
		r = service_watch(service, service->metrics_fd, &service->metrics_watch, &err);
	if (r < 0)
		csn_host_say(service->host, LOG_WARNING, "metrics.socket %s: %s", path, err.text);
}

void metrics_close(struct csn_service *service)
{
	size_t i;

	for (i = 0; i < METRICS_CLIENTS; i++)
		if (service->clients[i].fd >= 0)
			client_close(service, &service->clients[i]);
	service_unwatch(service, service->metrics_fd);
	csn_closep(&service->metrics_fd);
	service->metrics_fd = -1;
}

static void answer(struct csn_service *service, struct metrics_client *client)
{
	cleanup_(csn_buf_done) struct csn_buf text = CSN_BUF_INIT(MAX_METRICS);
	bool http = client->head_bytes >= 4 && memcmp(client->head, "GET ", 4) == 0;
	struct csn_error err = CSN_ERROR_INIT;
	char head[256] = "";
	int r = csn_metrics_collect(service->host, service->pattern_state != PATTERN_OTHER, &text,
				    &err);

	if (r < 0)
		csn_host_say(service->host, LOG_WARNING, "metrics: %s", err.text);
	if (http)
		snprintf(head, sizeof(head),
			 "HTTP/1.0 %s\r\n"
			 "Content-Type: application/openmetrics-text; version=1.0.0; "
			 "charset=utf-8\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n",
			 r == 0 ? "200 OK" : "500 Internal Server Error", r == 0 ? text.size : 0);
	if (send(client->fd, head, strlen(head), MSG_NOSIGNAL | MSG_DONTWAIT | MSG_MORE) >= 0 &&
	    r == 0)
		(void)!send(client->fd, text.data, text.size, MSG_NOSIGNAL | MSG_DONTWAIT);
	client_close(service, client);
}

/* A request that is whole, or that can only be one of ours. */
static bool has_asked(const struct metrics_client *client)
{
	const char *head = client->head;
	size_t bytes = client->head_bytes;

	return bytes == sizeof(client->head) || memmem(head, bytes, "\r\n\r\n", 4) ||
	       memmem(head, bytes, "\n\n", 2);
}

static void hear(struct csn_service *service, struct metrics_client *client)
{
	ssize_t n = recv(client->fd, client->head + client->head_bytes,
			 sizeof(client->head) - client->head_bytes, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0) {
		client_close(service, client);
		return;
	}
	if (client->head_bytes == 0)
		client->due_ns = csn_monotonic_ns() + PATIENCE_NS;
	client->head_bytes += (size_t)n;
	if (n == 0 || has_asked(client))
		answer(service, client);
}

static struct metrics_client *find_free(struct csn_service *service)
{
	size_t i;

	for (i = 0; i < METRICS_CLIENTS; i++)
		if (service->clients[i].fd < 0)
			return &service->clients[i];
	return NULL;
}

/* The next in line. When all places are taken, whoever has had one longest gets its answer now. */
static void accept_client(struct csn_service *service)
{
	struct csn_error err = CSN_ERROR_INIT;
	struct metrics_client *client = find_free(service);
	size_t i;

	if (!client) {
		client = &service->clients[0];
		for (i = 1; i < METRICS_CLIENTS; i++)
			if (service->clients[i].due_ns < client->due_ns)
				client = &service->clients[i];
		answer(service, client);
	}
	client->fd = accept4(service->metrics_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (client->fd < 0)
		return;
	client->due_ns = csn_monotonic_ns() + SILENCE_NS;
	client->watch = (struct watch){ .kind = WATCH_METRICS };
	if (service_watch(service, client->fd, &client->watch, &err) < 0)
		client_close(service, client);
}

void metrics_handle(struct csn_service *service, const struct watch *watch)
{
	size_t i;

	if (watch == &service->metrics_watch) {
		accept_client(service);
		return;
	}
	for (i = 0; i < METRICS_CLIENTS; i++)
		if (watch == &service->clients[i].watch && service->clients[i].fd >= 0)
			hear(service, &service->clients[i]);
}

void metrics_end_overdue(struct csn_service *service, int64_t now_ns)
{
	size_t i;

	for (i = 0; i < METRICS_CLIENTS; i++)
		if (service->clients[i].fd >= 0 && service->clients[i].due_ns <= now_ns)
			answer(service, &service->clients[i]);
}

int64_t metrics_due_ns(const struct csn_service *service)
{
	int64_t first_ns = 0;
	size_t i;

	for (i = 0; i < METRICS_CLIENTS; i++)
		if (service->clients[i].fd >= 0 &&
		    (first_ns == 0 || service->clients[i].due_ns < first_ns))
			first_ns = service->clients[i].due_ns;
	return first_ns;
}
