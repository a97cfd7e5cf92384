/* Socket mode: a socket that the kernel connects to, and processes that wait at it. */
#include "listen.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/limits.h"
#include "base/options.h"
#include "base/text.h"

/* Crashes that wait for a worker; beyond that the kernel drops them. */
#define BACKLOG 4096
#define BACKLOG_FILE "/proc/sys/net/core/somaxconn"
#define STOP_NS (10 * CSN_NS_PER_SECOND)
/* A worker that waits takes a connection long before that. */
#define RELIEF_NS (50 * CSN_NS_PER_MS)

/* One listener in each folder: the lock dies with it, workers do not have it. */
static int lock_folder(struct listener *listener, struct csn_error *err)
{
	char path[CSN_MAX_PATH];
	int r = csn_crash_socket_make_folder(&listener->place, err);

	if (r < 0)
		return r;
	snprintf(path, sizeof(path), "%s/pid", listener->place.folder);
	listener->pid_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (listener->pid_fd < 0)
		return csn_fail_os(err, errno, "%s", path);
	if (flock(listener->pid_fd, LOCK_EX | LOCK_NB) < 0)
		return csn_fail(err, CSN_E_DENIED, "%s: another listener runs", path);
	return 0;
}

static int write_pid(struct listener *listener, pid_t pid, struct csn_error *err)
{
	char text[24];
	int n = snprintf(text, sizeof(text), "%d\n", (int)pid);

	if (ftruncate(listener->pid_fd, 0) < 0 ||
	    csn_pwrite_full(listener->pid_fd, text, (size_t)n, 0) < 0)
		return csn_fail_os(err, errno, "%s/pid", listener->place.folder);
	return 0;
}

/* The kernel caps what listen() asks for. */
static void check_backlog(struct listener *listener)
{
	char line[24];
	struct csn_error ignored;
	uint64_t most;

	if (csn_kernel_line_read(BACKLOG_FILE, line, sizeof(line), &ignored) < 0 ||
	    !csn_parse_u64(line, 10, &most) || most >= BACKLOG)
		return;
	csn_log(&listener->log, LOG_WARNING,
		"net.core.somaxconn is %llu: of more crashes at once some are lost; "
		"run 'sysctl net.core.somaxconn=%d' and restart the listener",
		(unsigned long long)most, BACKLOG);
}

/* Bound beside its name and renamed, so that a listener of before, or a stale socket, is replaced
 * without a moment in which nobody listens. */
static int listen_here(struct listener *listener, struct csn_error *err)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const char *path = listener->place.path;

	snprintf(address.sun_path, sizeof(address.sun_path), "%s.new", path);
	listener->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (listener->listen_fd < 0)
		return csn_fail_os(err, errno, "socket");
	if (unlink(address.sun_path) < 0 && errno != ENOENT)
		return csn_fail_os(err, errno, "%s", address.sun_path);
	if (bind(listener->listen_fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
	    chmod(address.sun_path, 0600) < 0 || listen(listener->listen_fd, BACKLOG) < 0 ||
	    rename(address.sun_path, path) < 0)
		return csn_fail_os(err, errno, "%s", path);
	return 0;
}

static int open_channels(struct listener *listener, struct csn_error *err)
{
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGCHLD);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	listener->signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
	if (listener->signal_fd < 0 || pipe2(listener->life_fd, O_CLOEXEC) < 0 ||
	    pipe2(listener->told_fd, O_CLOEXEC | O_NONBLOCK) < 0)
		return csn_fail_os(err, errno, "pipes");
	return 0;
}

void listener_give_back(struct listener *listener, const char *why)
{
	struct csn_error err;
	bool changed;

	if (csn_crash_socket_give_back(&listener->place, &changed, &err) < 0)
		csn_log(&listener->log, LOG_ERR,
			"%s; crashes are lost until a listener runs again: %s", why, err.text);
	else if (changed)
		csn_log(&listener->log, LOG_NOTICE, "%s: core_pattern is the pipe's", why);
}

static void take_pattern(struct listener *listener)
{
	struct csn_error err;
	bool changed;

	if (csn_crash_socket_take(&listener->place, &changed, &err) < 0)
		csn_log(&listener->log, LOG_ERR, "core_pattern stays the pipe's: %s", err.text);
	else if (changed)
		csn_log(&listener->log, LOG_INFO, "core_pattern is the socket's again");
}

static void hear_signals(struct listener *listener)
{
	struct signalfd_siginfo info;

	while (read(listener->signal_fd, &info, sizeof(info)) == sizeof(info))
		if (info.ssi_signo != SIGCHLD)
			listener->stopping = true;
	workers_reap(listener);
}

static bool is_called(const struct listener *listener)
{
	struct pollfd call = { .fd = listener->listen_fd, .events = POLLIN };

	return poll(&call, 1, 0) == 1;
}

/* A connection that waits although workers were there: they hang, each for up to two seconds (pages
 * of a dead file server, which anybody can have). Others must not be held for that. */
static void relieve(struct listener *listener)
{
	int n;

	if (!listener->relieve_at_ns || csn_monotonic_ns() < listener->relieve_at_ns)
		return;
	for (n = 0; n < LISTENER_IDLE_WORKERS && is_called(listener); n++)
		if (listener->n_workers < LISTENER_MAX_WORKERS)
			workers_add(listener);
	listener->relieve_at_ns = n ? csn_monotonic_ns() + RELIEF_NS : 0;
}

static int ms_until(int64_t when_ns)
{
	int64_t left_ns = when_ns - csn_monotonic_ns();

	return left_ns <= 0 ? 0 : (int)(left_ns / CSN_NS_PER_MS) + 1;
}

/* Until a signal or a worker has something to say, a crash comes, or it is time to act. */
static void wait_for_news(struct listener *listener, int timeout_ms)
{
	const bool looks = listener->relieve_at_ns != 0;
	struct pollfd news[] = {
		{ .fd = listener->signal_fd, .events = POLLIN },
		{ .fd = listener->told_fd[0], .events = POLLIN },
		/* Not while one is known to wait. */
		{ .fd = looks ? -1 : listener->listen_fd, .events = POLLIN },
	};

	if (looks && (timeout_ms < 0 || ms_until(listener->relieve_at_ns) < timeout_ms))
		timeout_ms = ms_until(listener->relieve_at_ns);
	if (poll(news, csn_countof(news), timeout_ms) <= 0)
		return;
	if (news[2].revents)
		listener->relieve_at_ns = csn_monotonic_ns() + RELIEF_NS;
	if (news[1].revents)
		workers_hear(listener);
	if (news[0].revents)
		hear_signals(listener);
}

/* Later crashes go through the pipe. Those that have connected are taken by the workers, which end
 * when nobody is left at the socket. */
static void stop(struct listener *listener)
{
	int64_t until_ns = csn_monotonic_ns() + STOP_NS;

	listener_give_back(listener, "the listener ends");
	close(listener->life_fd[1]);
	listener->life_fd[1] = -1;
	while (csn_monotonic_ns() < until_ns && (listener->n_workers || is_called(listener))) {
		if (!listener->n_idle && is_called(listener) &&
		    listener->n_workers < LISTENER_MAX_WORKERS)
			workers_add(listener);
		wait_for_news(listener, 100);
	}
	(void)unlink(listener->place.path);
	csn_log(&listener->log, LOG_INFO, "the listener has ended");
}

static void serve(struct listener *listener)
{
	workers_fill(listener);
	take_pattern(listener);
	csn_log(&listener->log, LOG_INFO, "listening on %s", listener->place.path);
	while (!listener->stopping) {
		relieve(listener);
		workers_fill(listener);
		wait_for_news(listener, listener->n_idle < LISTENER_IDLE_WORKERS &&
							listener->n_workers < LISTENER_MAX_WORKERS
						? ms_until(listener->fork_after_ns)
						: -1);
	}
	stop(listener);
}

/* The socket is there before the parent says so by ending. */
static int go_into_background(struct listener *listener, bool *ret_parent, struct csn_error *err)
{
	pid_t pid = fork();
	int null_fd;

	if (pid < 0)
		return csn_fail_os(err, errno, "fork");
	*ret_parent = pid != 0;
	if (pid != 0)
		return write_pid(listener, pid, err);
	(void)setsid();
	null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null_fd >= 0) {
		dup2(null_fd, STDIN_FILENO);
		dup2(null_fd, STDOUT_FILENO);
		dup2(null_fd, STDERR_FILENO);
	}
	csn_closep(&null_fd);
	return 0;
}

static int prepare(struct listener *listener, struct csn_error *err)
{
	const struct rlimit none = { 0, 0 };
	char self[CSN_MAX_PATH];
	int r;

	/* The kernel's socket has no guard against our own crash but our not being dumpable. */
	(void)setrlimit(RLIMIT_CORE, &none);
	/* As the kernel starts the pipe's helper, whoever started us. */
	(void)umask(022);
	archive_find_self(listener->options.root, self, sizeof(self));
	csn_crash_socket_init(&listener->place, self);
	csn_log_open(&listener->log, "coresnap", LOG_DAEMON, listener->options.foreground);
	if (geteuid() != 0)
		return csn_fail(err, CSN_E_DENIED, "only root may take the crashes of others");
	r = lock_folder(listener, err);
	if (r == 0)
		r = listen_here(listener, err);
	return r == 0 ? open_channels(listener, err) : r;
}

int archive_listen(const struct archive_listen_options *options)
{
	struct listener listener = { .options = *options,
				     .pid_fd = -1,
				     .listen_fd = -1,
				     .signal_fd = -1,
				     .life_fd = { -1, -1 },
				     .told_fd = { -1, -1 } };
	struct csn_error err;
	bool parent = false;
	int r = prepare(&listener, &err);

	if (r == 0)
		check_backlog(&listener);
	if (r == 0)
		r = options->foreground ? write_pid(&listener, getpid(), &err)
					: go_into_background(&listener, &parent, &err);
	if (r < 0) {
		csn_log(&listener.log, LOG_ERR, "%s", err.text);
		if (listener.log.to_syslog)
			fprintf(stderr, "coresnap-archive: %s\n", err.text);
		return err.code == CSN_E_DENIED ? CSN_EXIT_DENIED : CSN_EXIT_OS;
	}
	if (!parent)
		serve(&listener);
	return 0;
}
