/* The parent: one loop over the child's socket, its death and the clock. It allocates nothing for
 * what the child says. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "sandbox/sandbox_internal.h"

static bool answer_batch(const struct csn_opener *opener, int socket, const char *bytes,
			 size_t size_bytes, size_t *n_requests)
{
	const char *names[CSN_SANDBOX_BATCH_NAMES];
	size_t n = csn_sandbox_batch_parse(bytes, size_bytes, names), n_fds = 0;
	char found[CSN_SANDBOX_BATCH_NAMES];
	int fds[CSN_SANDBOX_BATCH_NAMES];
	bool sent;

	*n_requests += n;
	for (size_t i = 0; i < n; i++) {
		struct csn_error err = CSN_ERROR_INIT;

		if (opener->open(opener->context, CSN_OPEN_OBJECT, names[i], &fds[n_fds], &err) ==
		    0) {
			found[i] = CSN_SANDBOX_OPENED;
			n_fds++;
		} else {
			found[i] = err.os_errno == ENOENT ? CSN_SANDBOX_ABSENT : CSN_SANDBOX_ELSE;
		}
	}
	sent = n && csn_pass_send_all(socket, found, n, fds, n_fds);
	while (n_fds)
		close(fds[--n_fds]);
	return sent;
}

/* True when nothing came in a while, too. False: the child has closed its end, says what no child
 * of ours would say, or says too much. */
static bool answer(const struct csn_opener *opener, int socket, size_t *n_requests)
{
	struct csn_sandbox_reply reply = { .fd = -1 };
	struct csn_sandbox_request request;
	char bytes[CSN_SANDBOX_BATCH_BYTES];
	struct csn_error err = CSN_ERROR_INIT;
	cleanup_close int unwanted = -1, opened = -1;
	ssize_t got = csn_pass_receive(socket, bytes, sizeof(bytes), &unwanted);
	int rc = 0;

	if (got < 0 && errno == EAGAIN)
		return true;
	if (got <= 0 || unwanted >= 0 || ++*n_requests > CSN_MAX_SANDBOX_REQUESTS)
		return false;
	if (bytes[0] == CSN_SANDBOX_BATCH)
		return answer_batch(opener, socket, bytes, (size_t)got, n_requests);
	if (!csn_sandbox_request_parse(bytes, (size_t)got, &request))
		return false;
	switch (request.wish) {
	case CSN_SANDBOX_OPEN:
		rc = opener->open(opener->context, request.kind, request.name, &opened, &err);
		break;
	case CSN_SANDBOX_LOCATE:
		rc = opener->locate(opener->context, request.name, reply.text, &err);
		break;
	case CSN_SANDBOX_PUBLISH:
		rc = opener->publish(opener->context, request.name, &err);
		break;
	case CSN_N_SANDBOX_WISHES:
		break;
	}
	if (rc < 0) {
		reply.code = err.code;
		reply.os_errno = err.os_errno;
		snprintf(reply.text, sizeof(reply.text), "%s", err.text);
	}
	reply.fd = opened;
	return csn_sandbox_reply_send(socket, &reply);
}

/* Waits for the child's death, killing it at the end of its time. */
static void await_end(pid_t child, int signals, int64_t end_ns, struct csn_sandbox_end *end)
{
	struct pollfd polled = { .fd = signals, .events = POLLIN };
	struct signalfd_siginfo info;
	int status;

	while (waitpid(child, &status, WNOHANG) != child) {
		int64_t left_ms = (end_ns - csn_monotonic_ns()) / CSN_NS_PER_MS;

		if (left_ms <= 0 && !end->late) {
			end->late = true;
			kill(child, SIGKILL);
		}
		left_ms = end->late ? 1000 : (int64_t)csn_min_u64((uint64_t)left_ms, 60000);
		if (poll(&polled, 1, (int)left_ms) > 0 && read(signals, &info, sizeof(info)) < 0 &&
		    errno != EINTR)
			return;
	}
	end->status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
	end->signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

void csn_sandbox_serve(const struct csn_sandbox_options *options, pid_t child, int socket,
		       int signals, struct csn_sandbox_end *ret_end)
{
	int64_t seconds = options->seconds ? options->seconds : CSN_MAX_SANDBOX_SECONDS;
	int64_t end_ns = csn_monotonic_ns() + seconds * CSN_NS_PER_SECOND;
	const struct timeval patience = { .tv_sec = 1 };
	size_t n_requests = 0;

	*ret_end = (struct csn_sandbox_end){ .status = -1 };
	/* The socket tells of the child's end too, and its own patience of a second spares a poll
	 * for each request. A child that is no longer heard may still compute to its end. */
	(void)setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	/* One that asks and does not listen must not hold us up. */
	(void)setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	while (csn_monotonic_ns() < end_ns && answer(&options->opener, socket, &n_requests))
		;
	await_end(child, signals, end_ns, ret_end);
}

/* The child's first steps: it dies with its parent. */
static _Noreturn void be_born(const struct csn_sandbox_options *options, pid_t parent, int socket,
			      const sigset_t *mask)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(2);
	sigprocmask(SIG_SETMASK, mask, NULL);
	csn_sandbox_become_child(options, socket);
}

int csn_sandbox_run(const struct csn_sandbox_options *options, struct csn_sandbox_end *ret_end,
		    struct csn_error *err)
{
	cleanup_close int child_end = -1, parent_end = -1, signals = -1;
	pid_t parent = getpid(), pid;
	sigset_t death, before;
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return csn_fail_os(err, errno, "socketpair");
	child_end = ends[0];
	parent_end = ends[1];
	sigemptyset(&death);
	sigaddset(&death, SIGCHLD);
	/* A parent that ignores it would never hear of it. */
	signal(SIGCHLD, SIG_DFL);
	sigprocmask(SIG_BLOCK, &death, &before);
	signals = signalfd(-1, &death, SFD_CLOEXEC);
	fflush(NULL);
	pid = signals < 0 ? -1 : fork();
	if (pid == 0)
		be_born(options, parent, child_end, &before);
	if (pid < 0)
		csn_fail_os(err, errno, "fork");
	close(csn_take_fd(child_end));
	if (pid > 0)
		csn_sandbox_serve(options, pid, parent_end, signals, ret_end);
	sigprocmask(SIG_SETMASK, &before, NULL);
	return pid < 0 ? -CSN_E_OS : 0;
}

void csn_sandbox_describe(const struct csn_sandbox_end *end, char *text, size_t size_bytes)
{
	if (end->late)
		snprintf(text, size_bytes, "was killed because its time was over");
	else if (end->signal)
		snprintf(text, size_bytes, "was killed by signal %d (%s)", end->signal,
			 strsignal(end->signal));
	else
		snprintf(text, size_bytes, "ended with status %d", end->status);
}
