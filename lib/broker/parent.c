/* The parent: one loop over the child's socket and its own signals. It allocates nothing for what
 * the child says, and the child can make it do nothing but download files by build-id. */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/pass.h"
#include "broker/broker_internal.h"
#include "sandbox/confine.h"

struct parent {
	const struct csn_broker_options *options;
	pid_t child;
	int socket, signals;
	struct csn_debuginfod library;
	int64_t spent_ns;
	bool loaded;
	bool flowing; /* bytes of the present file have come */
	bool gave_up; /* told why; all further answers are "none" */
};

/* Ends as the child did. Its core is enough: a signal is raised without one. */
static _Noreturn void end_as(int status)
{
	static const struct rlimit none = { 0, 0 };
	sigset_t all;

	if (!WIFSIGNALED(status))
		_exit(WEXITSTATUS(status));
	setrlimit(RLIMIT_CORE, &none);
	signal(WTERMSIG(status), SIG_DFL);
	sigfillset(&all);
	sigprocmask(SIG_UNBLOCK, &all, NULL);
	raise(WTERMSIG(status));
	_exit(128 + WTERMSIG(status));
}

static void kill_download(pid_t pid)
{
	if (pid <= 0)
		return;
	kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

/* Takes signals: passes on what the user sends, ends when the child has ended. download: a process
 * to take along; 0 none. */
static void take_signals(struct parent *parent, pid_t download)
{
	struct signalfd_siginfo info;
	int status;

	if (read(parent->signals, &info, sizeof(info)) != sizeof(info))
		return;
	if (info.ssi_signo != SIGCHLD) {
		kill(parent->child, (int)info.ssi_signo);
		return;
	}
	if (waitpid(parent->child, &status, WNOHANG) != parent->child)
		return;
	kill_download(download);
	end_as(status);
}

/* Waits for the download's last reply; false when the time is over. */
static bool await_reply(struct parent *parent, pid_t download, int socket, int64_t end_ns,
			struct csn_broker_reply *reply)
{
	struct pollfd polls[] = { { .fd = socket, .events = POLLIN },
				  { .fd = parent->signals, .events = POLLIN } };

	for (;;) {
		int64_t left_ms = (end_ns - csn_monotonic_ns()) / CSN_NS_PER_MS;

		if (left_ms <= 0)
			return false;
		if (poll(polls, 2, (int)left_ms) <= 0)
			continue;
		if (polls[1].revents)
			take_signals(parent, download);
		if (!polls[0].revents)
			continue;
		if (!csn_broker_receive_reply(socket, reply)) {
			reply->outcome = CSN_BROKER_FAILED;
			snprintf(reply->text, sizeof(reply->text), "the download broke off");
		}
		if (reply->outcome != CSN_BROKER_GOING)
			return true;
		parent->flowing = true;
		if (!csn_broker_send_reply(parent->socket, reply))
			return false;
	}
}

/* It needs the network and the cache folder, and nothing that a server sends may need more. */
static void confine_download(void)
{
	const struct csn_confinement confinement = {
		.data_bytes = CSN_MAX_DOWNLOAD_MEMORY,
		.file_bytes = CSN_MAX_OBJECT_FILE,
		.cpu_seconds = CSN_MAX_BROKER_SECONDS,
	};

	if (csn_confine_lightly(&confinement, NULL) < 0)
		_exit(1);
}

/* The download's process; -1 when there can be none. *ret_socket is where it will reply. */
static pid_t start_download(struct parent *parent, const struct csn_broker_request *request,
			    int *ret_socket)
{
	sigset_t none;
	int ends[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return -1;
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		close(parent->socket);
		confine_download();
		csn_broker_download(&parent->library, parent->options, request, ends[1]);
	}
	close(ends[1]);
	if (pid < 0)
		close(ends[0]);
	else
		*ret_socket = ends[0];
	return pid;
}

static void fail_late(struct parent *parent, int64_t allowed_ns, struct csn_broker_reply *reply)
{
	reply->outcome = CSN_BROKER_LATE;
	snprintf(reply->text, sizeof(reply->text), "%.128s: timed out after %" PRId64 " s%s",
		 parent->options->urls,
		 (int64_t)((allowed_ns + CSN_NS_PER_SECOND / 2) / CSN_NS_PER_SECOND),
		 parent->flowing ? " in the middle of the file" : "");
}

static void download(struct parent *parent, const struct csn_broker_request *request,
		     struct csn_broker_reply *reply)
{
	int64_t limit_ns = parent->options->timeout_seconds * CSN_NS_PER_SECOND;
	int64_t left_ns = CSN_BROKER_ROUNDS * limit_ns - parent->spent_ns,
		begin_ns = csn_monotonic_ns();
	int64_t allowed_ns = left_ns < limit_ns ? left_ns : limit_ns;
	cleanup_close int socket = -1;
	pid_t pid;

	parent->flowing = false;
	pid = start_download(parent, request, &socket);
	if (pid < 0) {
		reply->outcome = CSN_BROKER_FAILED;
		snprintf(reply->text, sizeof(reply->text), "cannot start a download: %s",
			 strerror(errno));
		return;
	}
	if (!await_reply(parent, pid, socket, begin_ns + allowed_ns, reply))
		fail_late(parent, allowed_ns, reply);
	kill_download(pid);
	parent->spent_ns += csn_monotonic_ns() - begin_ns;
}

/* A server that is silent or cannot be reached is not asked again, and neither is anybody when the
 * time for all is over. */
static void settle(struct parent *parent, const struct csn_broker_reply *reply)
{
	int64_t all_ns = CSN_BROKER_ROUNDS * parent->options->timeout_seconds * CSN_NS_PER_SECOND;

	if (reply->outcome == CSN_BROKER_FAILED || parent->spent_ns >= all_ns ||
	    (reply->outcome == CSN_BROKER_LATE && !parent->flowing))
		parent->gave_up = true;
}

/* False: the child has closed its end, or says what no child of ours would say. */
static bool answer(struct parent *parent)
{
	struct csn_broker_reply reply = { .outcome = CSN_BROKER_NONE, .fd = -1 };
	struct csn_broker_request request;
	char text[CSN_BROKER_REQUEST_BYTES];
	cleanup_close int unwanted = -1;
	bool sent;
	ssize_t got = csn_pass_receive(parent->socket, text, sizeof(text), &unwanted);

	if (got <= 0 || unwanted >= 0 || !csn_broker_request_parse(text, (size_t)got, &request))
		return false;
	if (!parent->gave_up && !parent->loaded) {
		parent->loaded = csn_debuginfod_load(&parent->library);
		if (!parent->loaded) {
			reply.outcome = CSN_BROKER_FAILED;
			snprintf(reply.text, sizeof(reply.text),
				 "libdebuginfod.so.1 is not installed");
		}
	}
	if (!parent->gave_up && parent->loaded)
		download(parent, &request, &reply);
	settle(parent, &reply);
	sent = csn_broker_send_reply(parent->socket, &reply);
	if (reply.fd >= 0)
		close(reply.fd);
	return sent;
}

void csn_broker_serve(const struct csn_broker_options *options, pid_t child, int socket,
		      int signals)
{
	struct parent parent = {
		.options = options, .child = child, .socket = socket, .signals = signals
	};
	struct pollfd polls[] = { { .fd = signals, .events = POLLIN },
				  { .fd = socket, .events = POLLIN } };

	for (;;) {
		if (poll(polls, 2, -1) < 0)
			continue;
		if (polls[0].revents)
			take_signals(&parent, 0);
		/* Without requests, all that is left to do is to wait. */
		if (polls[1].revents && !answer(&parent)) {
			close(parent.socket);
			polls[1].fd = -1;
		}
	}
}
