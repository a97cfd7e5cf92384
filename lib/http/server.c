#include "http/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/limits.h"
#include "http/body.h"
#include "http/crowd.h"

/* A refused body up to this size is read to its end, so that the sender sees the answer and not a
 * reset connection. */
#define DRAIN_MAX (64 * CSN_MIB)

struct csn_http_server {
	struct csn_http_server_options options;
	struct MHD_Daemon *daemon;
	int fd;
	uint16_t port;
	bool quiesced;
	struct csn_buf certificate, key;
	struct csn_crowd crowd;
	pthread_mutex_t lock;
	pthread_cond_t idle;
	unsigned n_deferred;
};

enum call_state {
	CALL_BODY,  /* the body is coming */
	CALL_DRAIN, /* refused; the rest of the body is thrown away */
	CALL_HANDLED,
};

struct call {
	struct csn_http_server *server;
	struct MHD_Connection *connection;
	struct csn_http_exchange *exchange;
	struct csn_guest *guest;
	enum call_state state;
	bool deferred; /* by the thread that owns the connection */
	uint64_t max_body, drained;
	uint64_t held; /* of the budget */
};

/* ---- requests in ---- */

static enum MHD_Result add_pair(void *context, enum MHD_ValueKind kind, const char *name,
				const char *value)
{
	struct csn_http_exchange *exchange = context;

	csn_http_pairs_add(exchange->arena,
			   kind == MHD_HEADER_KIND ? &exchange->request.headers
						   : &exchange->request.query,
			   name, value);
	return MHD_YES;
}

static bool is_loopback(const struct sockaddr *address)
{
	const struct in6_addr *six;

	if (address->sa_family == AF_INET)
		return ntohl(((const struct sockaddr_in *)(const void *)address)
				     ->sin_addr.s_addr) >>
			       24 ==
		       127;
	if (address->sa_family != AF_INET6)
		return false;
	six = &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;
	if (IN6_IS_ADDR_V4MAPPED(six))
		return six->s6_addr[12] == 127;
	return IN6_IS_ADDR_LOOPBACK(six);
}

static void read_addresses(struct call *call)
{
	struct csn_http_request *request = &call->exchange->request;
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(call->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	struct sockaddr_storage local = { 0 };
	socklen_t size = sizeof(local);

	if (info && info->client_addr) {
		const struct sockaddr *peer = info->client_addr;
		const void *bytes =
			peer->sa_family == AF_INET6
				? (const void *)&((const struct sockaddr_in6 *)(const void *)peer)
					  ->sin6_addr
				: &((const struct sockaddr_in *)(const void *)peer)->sin_addr;

		request->peer_is_loopback = is_loopback(peer);
		if (!inet_ntop(peer->sa_family, bytes, request->peer, sizeof(request->peer)))
			request->peer[0] = '\0';
	}
	info = MHD_get_connection_info(call->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	if (info && getsockname(info->connect_fd, (struct sockaddr *)&local, &size) == 0)
		request->local_is_loopback = is_loopback((struct sockaddr *)&local);
}

static uint64_t content_length(const struct csn_http_exchange *exchange)
{
	const char *text = csn_http_header(exchange, "Content-Length");

	return text ? strtoull(text, NULL, 10) : 0;
}

static void on_defer(struct csn_http_exchange *exchange)
{
	struct call *call = exchange->carrier;

	pthread_mutex_lock(&call->server->lock);
	call->server->n_deferred++;
	pthread_mutex_unlock(&call->server->lock);
	call->deferred = true;
	MHD_suspend_connection(call->connection);
}

static void on_finish(struct csn_http_exchange *exchange)
{
	struct call *call = exchange->carrier;
	struct csn_http_server *server = call->server;

	MHD_resume_connection(call->connection);
	/* The call may be gone now. */
	pthread_mutex_lock(&server->lock);
	if (--server->n_deferred == 0)
		pthread_cond_signal(&server->idle);
	pthread_mutex_unlock(&server->lock);
}

static struct csn_guest *guest_of(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	return info ? info->socket_context : NULL;
}

static void on_connection(void *context, struct MHD_Connection *connection, void **place,
			  enum MHD_ConnectionNotificationCode what)
{
	struct csn_http_server *server = context;
	const union MHD_ConnectionInfo *info;

	if (what == MHD_CONNECTION_NOTIFY_CLOSED) {
		csn_crowd_leave(&server->crowd, *place);
		*place = NULL;
		return;
	}
	info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	*place = info ? csn_crowd_join(&server->crowd, info->connect_fd) : NULL;
}

static struct call *call_new(struct csn_http_server *server, struct MHD_Connection *connection,
			     const char *url, const char *method)
{
	struct csn_http_exchange *exchange = csn_http_exchange_new();
	struct call *call = exchange ? csn_arena_alloc(exchange->arena, sizeof(*call)) : NULL;

	if (!call) {
		csn_http_exchange_free(exchange);
		return NULL;
	}
	call->server = server;
	call->connection = connection;
	call->guest = guest_of(connection);
	call->exchange = exchange;
	exchange->carrier = call;
	exchange->on_defer = on_defer;
	exchange->on_finish = on_finish;
	exchange->request.method = csn_arena_strdup(exchange->arena, method);
	exchange->request.path = csn_http_clean_path(exchange->arena, url);
	exchange->request.role = server->options.role;
	exchange->request.tls = server->options.certificate != NULL;
	MHD_get_connection_values(connection, MHD_HEADER_KIND, add_pair, exchange);
	MHD_get_connection_values(connection, MHD_GET_ARGUMENT_KIND, add_pair, exchange);
	read_addresses(call);
	if (!exchange->request.method || !exchange->request.path) {
		csn_http_exchange_free(exchange);
		return NULL;
	}
	return call;
}

static bool take_budget(struct call *call, uint64_t bytes)
{
	struct csn_http_budget *budget = call->server->options.budget;

	if (!budget)
		return true;
	if (atomic_fetch_add(&budget->held, bytes) + bytes > CSN_MAX_HTTP_MEMORY) {
		atomic_fetch_sub(&budget->held, bytes);
		return false;
	}
	call->held += bytes;
	return true;
}

static void give_budget(struct call *call, uint64_t bytes)
{
	if (!call->server->options.budget)
		return;
	atomic_fetch_sub(&call->server->options.budget->held, bytes);
	call->held -= bytes;
}

/* ---- replies out ---- */

static enum MHD_Result answer(struct call *call)
{
	struct csn_http_answer *reply = &call->exchange->reply;
	struct MHD_Response *response;
	enum MHD_Result r;
	char nothing[1] = "";

	if (!csn_buf_ok(&reply->body) || reply->status == 0)
		csn_http_reply_error(call->exchange, 500, 1, "the reply could not be made");
	response = MHD_create_response_from_buffer(reply->body.size,
						   reply->body.data ? reply->body.data : nothing,
						   reply->body.data ? MHD_RESPMEM_PERSISTENT
								    : MHD_RESPMEM_MUST_COPY);
	if (!response)
		return MHD_NO;
	if (reply->content_type)
		MHD_add_response_header(response, "Content-Type", reply->content_type);
	for (size_t i = 0; i < reply->headers.count; i++)
		MHD_add_response_header(response, reply->headers.items[i].name,
					reply->headers.items[i].value);
	r = MHD_queue_response(call->connection, (unsigned)reply->status, response);
	MHD_destroy_response(response);
	return r;
}

/* A refusal before the body came: at once when there is much of it, else after reading it. */
static enum MHD_Result refuse(struct call *call)
{
	call->state = CALL_DRAIN;
	if (content_length(call->exchange) > DRAIN_MAX) {
		csn_http_pairs_add(call->exchange->arena, &call->exchange->reply.headers,
				   "Connection", "close");
		return answer(call);
	}
	return MHD_YES;
}

/* Where the body ends must be certain (RFC 9112 6.1, 6.3): of both fields, or of an encoding that
 * we do not know, a proxy before us may have made something else. */
static bool check_framing(struct call *call)
{
	const char *coding = csn_http_header(call->exchange, "Transfer-Encoding");

	if (!coding || (strcasecmp(coding, "chunked") == 0 &&
			!csn_http_header(call->exchange, "Content-Length")))
		return true;
	csn_http_reply_error(call->exchange, strcasecmp(coding, "chunked") == 0 ? 400 : 501, 400,
			     "send the body chunked or with Content-Length, not otherwise or both");
	csn_http_pairs_add(call->exchange->arena, &call->exchange->reply.headers, "Connection",
			   "close");
	call->state = CALL_DRAIN;
	return false;
}

static enum MHD_Result start_call(struct call *call)
{
	const struct csn_http_handler *handler = call->server->options.handler;
	const struct csn_http_request *request = &call->exchange->request;

	if (!check_framing(call))
		return answer(call);
	/* Handlers decide by headers that are not there (those of proxies): all must be seen. */
	if (request->headers.dropped || request->query.dropped) {
		csn_http_reply_error(call->exchange, 431, 431, "more than %u headers or parameters",
				     CSN_MAX_HTTP_PARAMETERS);
		return refuse(call);
	}
	call->max_body = handler->admit(handler->context, call->exchange);
	if (call->exchange->reply.status)
		return refuse(call);
	if (content_length(call->exchange) > call->max_body) {
		csn_http_reply_error(call->exchange, 413, 413,
				     "the body is too large (at most %llu)",
				     (unsigned long long)call->max_body);
		return refuse(call);
	}
	call->exchange->request.body.max = call->max_body;
	return MHD_YES;
}

static void refuse_busy(struct call *call)
{
	csn_http_reply_error(call->exchange, 503, 503,
			     "too much is being submitted at once; try again later");
	csn_http_pairs_add(call->exchange->arena, &call->exchange->reply.headers, "Retry-After",
			   "10");
}

static void take_body(struct call *call, const char *data, size_t size)
{
	struct csn_buf *body = &call->exchange->request.body;

	if (call->state == CALL_DRAIN)
		return;
	if (!take_budget(call, size)) {
		refuse_busy(call);
		call->state = CALL_DRAIN;
		csn_buf_done(body);
		return;
	}
	csn_buf_append(body, data, size);
	if (!csn_buf_ok(body)) {
		/* 413 is for good, and the sender would drop what it has. */
		if (body->no_memory)
			refuse_busy(call);
		else
			csn_http_reply_error(call->exchange, 413, 413,
					     "the body is too large (at most %llu)",
					     (unsigned long long)call->max_body);
		call->state = CALL_DRAIN;
		csn_buf_done(body);
	}
}

static bool unpack_body(struct call *call)
{
	struct csn_http_request *request = &call->exchange->request;
	const char *encoding = csn_http_header(call->exchange, "Content-Encoding");
	uint64_t most = csn_max_u64(CSN_MIB, request->body.size * CSN_MAX_INFLATE_RATIO);
	cleanup_(csn_buf_done) struct csn_buf out = CSN_BUF_INIT(csn_min_u64(most, call->max_body));
	struct csn_error err = CSN_ERROR_INIT;
	int r;

	if (!encoding || !*encoding || request->body.size == 0)
		return true;
	/* What it may come to is set aside while it is unpacked. */
	most = out.max;
	if (!take_budget(call, most)) {
		refuse_busy(call);
		return false;
	}
	r = csn_http_inflate(encoding, request->body.data, request->body.size, &out, &err);
	if (r == -CSN_E_NOMEM) {
		refuse_busy(call);
		return false;
	}
	if (r < 0) {
		csn_http_reply_error(call->exchange,
				     err.code == CSN_E_LIMIT         ? 413
				     : err.code == CSN_E_UNSUPPORTED ? 415
								     : 400,
				     (int)err.code, "%s", err.text);
		return false;
	}
	give_budget(call, most - out.size);
	csn_buf_done(&request->body);
	request->body = out;
	out = (struct csn_buf)CSN_BUF_INIT(0);
	return true;
}

static enum MHD_Result body_is_whole(struct call *call)
{
	const struct csn_http_handler *handler = call->server->options.handler;

	if (call->state == CALL_BODY && unpack_body(call)) {
		call->state = CALL_HANDLED;
		csn_crowd_note(&call->server->crowd, call->guest, CSN_GUEST_SERVED);
		handler->handle(handler->context, call->exchange);
		/* When deferred, the reply is another thread's until the connection is resumed and
		 * on_request called again; the call itself cannot go before we return. */
		if (call->deferred)
			return MHD_YES;
	}
	return answer(call);
}

static enum MHD_Result on_request(void *context, struct MHD_Connection *connection, const char *url,
				  const char *method, const char *version, const char *data,
				  size_t *size, void **place)
{
	struct call *call = *place;

	(void)version;
	if (!call) {
		call = call_new(context, connection, url, method);
		if (!call)
			return MHD_NO;
		*place = call;
		csn_crowd_note(&call->server->crowd, call->guest, CSN_GUEST_SENDS);
		return start_call(call);
	}
	if (*size) {
		call->drained += *size;
		csn_crowd_received(&call->server->crowd, call->guest, *size);
		if (call->state == CALL_DRAIN && call->drained > call->max_body + DRAIN_MAX)
			return MHD_NO;
		take_body(call, data, *size);
		*size = 0;
		return MHD_YES;
	}
	if (call->state == CALL_BODY)
		return body_is_whole(call);
	return answer(call);
}

static void on_completed(void *context, struct MHD_Connection *connection, void **place,
			 enum MHD_RequestTerminationCode why)
{
	struct call *call = *place;

	(void)context;
	(void)connection;
	(void)why;
	if (!call)
		return;
	csn_crowd_note(&call->server->crowd, call->guest, CSN_GUEST_WAITS);
	if (call->held)
		atomic_fetch_sub(&call->server->options.budget->held, call->held);
	*place = NULL;
	csn_http_exchange_free(call->exchange);
}

/* ---- listening ---- */

static int make_address(const struct csn_http_server_options *options,
			struct sockaddr_storage *address, socklen_t *ret_size,
			struct csn_error *err)
{
	struct sockaddr_in *four = (struct sockaddr_in *)(void *)address;
	struct sockaddr_in6 *six = (struct sockaddr_in6 *)(void *)address;

	memset(address, 0, sizeof(*address));
	if (inet_pton(AF_INET, options->address, &four->sin_addr) == 1) {
		four->sin_family = AF_INET;
		four->sin_port = htons(options->port);
		*ret_size = sizeof(*four);
		return 0;
	}
	if (inet_pton(AF_INET6, options->address, &six->sin6_addr) == 1) {
		six->sin6_family = AF_INET6;
		six->sin6_port = htons(options->port);
		*ret_size = sizeof(*six);
		return 0;
	}
	return csn_fail(err, CSN_E_USAGE, "%s is not an IP address", options->address);
}

static int make_socket(struct csn_http_server *server, struct csn_error *err)
{
	const struct csn_http_server_options *options = &server->options;
	struct sockaddr_storage address;
	cleanup_close int fd = -1;
	socklen_t size = 0;
	int one = 1, zero = 0, r;

	r = make_address(options, &address, &size, err);
	if (r < 0)
		return r;
	fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return csn_fail_os(err, errno, "socket");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (address.ss_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero));
	if (bind(fd, (struct sockaddr *)&address, size) < 0 ||
	    listen(fd, (int)(options->backlog ? options->backlog : 1024)) < 0)
		return csn_fail_os(err, errno,
				   strchr(options->address, ':') ? "cannot listen on [%s]:%u"
								 : "cannot listen on %s:%u",
				   options->address, options->port);
	size = sizeof(address);
	if (getsockname(fd, (struct sockaddr *)&address, &size) < 0)
		return csn_fail_os(err, errno, "getsockname");
	server->port = ntohs(address.ss_family == AF_INET6
				     ? ((struct sockaddr_in6 *)(void *)&address)->sin6_port
				     : ((struct sockaddr_in *)(void *)&address)->sin_port);
	server->fd = csn_take_fd(fd);
	return 0;
}

/* As asked for, but at most half of the descriptors that we may have. */
static unsigned connection_limit(const struct csn_http_server_options *options)
{
	unsigned wanted = options->connections ? options->connections : 2000;
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur / 2 < wanted)
		wanted = (unsigned)(files.rlim_cur / 2);
	return wanted < 16 ? 16 : wanted;
}

int csn_http_server_run(struct csn_http_server *server, struct csn_error *err)
{
	const struct csn_http_server_options *options = &server->options;
	unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME;
	unsigned connections = connection_limit(options);
	char priorities[] = "NORMAL:-VERS-TLS1.0:-VERS-TLS1.1";
	struct MHD_OptionItem tls[] = {
		{ MHD_OPTION_HTTPS_MEM_CERT, 0, server->certificate.data },
		{ MHD_OPTION_HTTPS_MEM_KEY, 0, server->key.data },
		{ MHD_OPTION_HTTPS_PRIORITIES, 0, priorities },
		{ MHD_OPTION_END, 0, NULL },
	};
	struct MHD_OptionItem none[] = { { MHD_OPTION_END, 0, NULL } };

	if (options->certificate && (!server->certificate.data || !server->key.data))
		return csn_fail(err, CSN_E_FORMAT, "%s, %s: certificate or key is empty",
				options->certificate, options->key);
	if (options->certificate)
		flags |= MHD_USE_TLS;
	server->crowd.limit = connections;
	server->daemon = MHD_start_daemon(
		flags, 0, NULL, NULL, on_request, server, MHD_OPTION_LISTEN_SOCKET, server->fd,
		MHD_OPTION_THREAD_POOL_SIZE, options->threads ? options->threads : 8u,
		/* With room for newcomers, who make others go (crowd.h). */
		MHD_OPTION_CONNECTION_LIMIT, connections + connections / 2,
		MHD_OPTION_NOTIFY_CONNECTION, on_connection, server, MHD_OPTION_CONNECTION_TIMEOUT,
		options->timeout_s ? options->timeout_s : 60u, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
		(size_t)(128 * CSN_KIB), MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL,
		MHD_OPTION_ARRAY, options->certificate ? tls : none, MHD_OPTION_END);
	if (server->daemon)
		return 0;
	if (options->certificate)
		return csn_fail(err, CSN_E_FORMAT, "%s, %s: certificate and key cannot be used",
				options->certificate, options->key);
	return csn_fail(err, CSN_E_OS, "the server on %s:%u cannot be started", options->address,
			options->port);
}

int csn_http_server_open(const struct csn_http_server_options *options,
			 struct csn_http_server **ret_server, struct csn_error *err)
{
	struct csn_http_server *server = calloc(1, sizeof(*server));
	int r;

	if (!server)
		return csn_fail_nomem(err);
	server->options = *options;
	server->fd = -1;
	server->certificate = server->key = (struct csn_buf)CSN_BUF_INIT(CSN_MAX_CONFIG_FILE);
	csn_crowd_init(&server->crowd, 0);
	pthread_mutex_init(&server->lock, NULL);
	pthread_cond_init(&server->idle, NULL);
	r = options->certificate
		    ? csn_read_file(AT_FDCWD, options->certificate, &server->certificate, err)
		    : 0;
	if (r == 0 && options->certificate)
		r = csn_read_file(AT_FDCWD, options->key, &server->key, err);
	if (r == 0)
		r = make_socket(server, err);
	if (r < 0) {
		csn_http_server_stop(server);
		return r;
	}
	*ret_server = server;
	return 0;
}

uint16_t csn_http_server_port(const struct csn_http_server *server)
{
	return server->port;
}

void csn_http_server_stop(struct csn_http_server *server)
{
	if (!server)
		return;
	if (server->daemon) {
		MHD_quiesce_daemon(server->daemon);
		pthread_mutex_lock(&server->lock);
		while (server->n_deferred)
			pthread_cond_wait(&server->idle, &server->lock);
		pthread_mutex_unlock(&server->lock);
		MHD_stop_daemon(server->daemon);
	}
	if (server->fd >= 0)
		close(server->fd);
	csn_buf_done(&server->certificate);
	if (server->key.data)
		explicit_bzero(server->key.data, server->key.size);
	csn_buf_done(&server->key);
	csn_crowd_done(&server->crowd);
	pthread_cond_destroy(&server->idle);
	pthread_mutex_destroy(&server->lock);
	free(server);
}
