#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/pass.h"
#include "base/uuid.h"
#include "broker/broker_internal.h"

struct csn_broker {
	int socket;
	struct csn_progress_sink progress;
};

/* What a user or a supervisor sends to end a program; the child decides what it does. */
static void fill_signals(sigset_t *ret_signals)
{
	static const int numbers[] = { SIGCHLD, SIGHUP,  SIGINT,  SIGQUIT,
				       SIGTERM, SIGUSR1, SIGUSR2, SIGALRM };

	sigemptyset(ret_signals);
	for (size_t i = 0; i < csn_countof(numbers); i++)
		sigaddset(ret_signals, numbers[i]);
}

/* Forks; in the parent this never returns. */
static int split(const struct csn_broker_options *options, struct csn_broker *broker,
		 struct csn_error *err)
{
	cleanup_close int child_end = -1, parent_end = -1, signals = -1;
	sigset_t passed, before;
	pid_t parent = getpid(), pid;
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return csn_fail_os(err, errno, "socketpair");
	child_end = ends[0];
	parent_end = ends[1];
	fill_signals(&passed);
	sigprocmask(SIG_BLOCK, &passed, &before);
	signals = signalfd(-1, &passed, SFD_CLOEXEC);
	pid = signals < 0 ? -1 : fork();
	if (pid > 0) {
		close(child_end);
		csn_broker_serve(options, pid, parent_end, signals);
	}
	sigprocmask(SIG_SETMASK, &before, NULL);
	if (pid < 0)
		return csn_fail_os(err, errno, "fork");
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	broker->socket = csn_take_fd(child_end);
	return 0;
}

int csn_broker_start(const struct csn_broker_options *options, struct csn_broker **ret_broker,
		     struct csn_error *err)
{
	cleanup_(csn_broker_freep) struct csn_broker *broker = NULL;
	struct csn_broker_options settled = *options;
	int rc;

	if (!settled.urls)
		return 0;
	broker = calloc(1, sizeof(*broker));
	if (!broker)
		return csn_fail_nomem(err);
	broker->socket = -1;
	broker->progress = options->progress;
	if (!*settled.urls)
		settled.urls = getenv("DEBUGINFOD_URLS");
	if (!settled.urls || !*settled.urls)
		return csn_fail(
			err, CSN_E_USAGE,
			"no debuginfod server; write --debuginfod=URL, or set DEBUGINFOD_URLS");
	if (settled.timeout_seconds < 1 || settled.timeout_seconds > CSN_MAX_BROKER_SECONDS)
		return csn_fail(err, CSN_E_USAGE,
				"a download may take from 1 s to %d s; change "
				"--debuginfod-timeout",
				CSN_MAX_BROKER_SECONDS);
	fflush(NULL);
	rc = split(&settled, broker, err);
	if (rc < 0)
		return rc;
	*ret_broker = csn_take(broker);
	return 0;
}

int csn_broker_fd(const struct csn_broker *broker)
{
	return broker ? broker->socket : -1;
}

void csn_broker_free(struct csn_broker *broker)
{
	if (broker && broker->socket >= 0)
		close(broker->socket);
	free(broker);
}

void csn_broker_freep(struct csn_broker **broker)
{
	csn_broker_free(*broker);
}

static bool ask(const struct csn_broker *broker, bool executable, const uint8_t *build_id,
		size_t size_bytes, struct csn_broker_reply *ret_reply)
{
	char hex[2 * CSN_MAX_BUILD_ID + 1], request[CSN_BROKER_REQUEST_BYTES];
	int length;

	csn_hex_format(build_id, size_bytes, hex);
	length = snprintf(request, sizeof(request), "%s %s",
			  executable ? "executable" : "debuginfo", hex);
	if (!csn_pass_send(broker->socket, request, (size_t)length, -1))
		return false;
	for (;;) {
		if (!csn_broker_receive_reply(broker->socket, ret_reply))
			return false;
		if (ret_reply->outcome != CSN_BROKER_GOING)
			return true;
		csn_progress_tell(&broker->progress, "downloading, MB:", NULL,
				  (size_t)(ret_reply->done_bytes / CSN_MIB),
				  (size_t)(ret_reply->total_bytes / CSN_MIB));
	}
}

int csn_broker_fetch(void *context, bool executable, const uint8_t *build_id, size_t size_bytes,
		     int *ret_fd, char ret_path[CSN_MAX_PATH], struct csn_error *err)
{
	struct csn_broker_reply reply;

	if (size_bytes == 0 || size_bytes > CSN_MAX_BUILD_ID ||
	    !ask(context, executable, build_id, size_bytes, &reply))
		return csn_fail(err, CSN_E_NOT_FOUND, "nobody to ask");
	switch (reply.outcome) {
	case CSN_BROKER_FILE:
		*ret_fd = reply.fd;
		snprintf(ret_path, CSN_MAX_PATH, "%s", reply.text);
		return 0;
	case CSN_BROKER_LATE:
		return csn_fail(err, CSN_E_TIMEOUT, "%s", reply.text);
	case CSN_BROKER_FAILED:
		return csn_fail(err, CSN_E_OS, "%s", reply.text);
	case CSN_BROKER_NONE:
	case CSN_BROKER_GOING:
		break;
	}
	return csn_fail(err, CSN_E_NOT_FOUND, "no server has it");
}
