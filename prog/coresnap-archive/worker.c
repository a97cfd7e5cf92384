/* One crash from the kernel's socket. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/options.h"
#include "capture/kernel_socket.h"
#include "listen.h"

#define ALL_SECONDS 10
#define PATIENCE_MS 500

/* EPOLLEXCLUSIVE: one connection wakes one worker. */
static int watch(const struct listener *listener)
{
	cleanup_close int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event connection = { .events = EPOLLIN | EPOLLEXCLUSIVE };
	struct epoll_event end = { .events = EPOLLIN, .data.u32 = 1 };

	if (epoll_fd < 0 ||
	    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener->listen_fd, &connection) < 0 ||
	    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener->life_fd[0], &end) < 0)
		return -1;
	return csn_take_fd(epoll_fd);
}

/* Who connects without dumping core, as root, is told who listens and nothing else: it cannot make
 * us wait. */
static void answer(const struct listener *listener, int fd)
{
	const char *word =
		listener->options.supervised ? CSN_LISTENER_SUPERVISED : CSN_LISTENER_ALONE;

	(void)!send(fd, word, strlen(word), MSG_DONTWAIT | MSG_NOSIGNAL);
	close(fd);
}

static int take(struct listener *listener, struct archive *archive, int fd,
		const struct csn_request *request)
{
	struct csn_error err;
	int r;

	alarm(ALL_SECONDS);
	r = csn_kernel_socket_ask(fd, PATIENCE_MS, &err);
	/* While the kernel makes the notes. What is understood later, without root, must not be
	 * able to take crashes. */
	close(listener->listen_fd);
	if (r == 0)
		r = archive_open_for_crash(archive, listener->options.root, &err);
	if (r == 0)
		r = csn_kernel_socket_confirm(fd, &err);
	if (r < 0) {
		close(fd);
		csn_log(&listener->log, LOG_ERR, "crash of process %lld is lost: %s",
			(long long)request->pid, err.text);
		return CSN_EXIT_OS;
	}
	archive->told_fd = listener->told_fd[1];
	return archive_crash(archive, request, fd);
}

/* The next connection of a process that dumps core; -1 when there is none now. */
static int accept_crash(struct listener *listener, struct csn_request *ret_request)
{
	struct csn_error err;
	int fd;

	while ((fd = accept4(listener->listen_fd, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
		if (csn_kernel_socket_identify(fd, ret_request, &err) == 0)
			return fd;
		if (err.code == CSN_E_UNSUPPORTED)
			csn_log(&listener->log, LOG_ERR, "%s: %s", listener->place.path, err.text);
		answer(listener, fd);
	}
	return -1;
}

int worker_run(struct listener *listener)
{
	int epoll_fd = watch(listener), fd;
	struct archive archive = ARCHIVE_INIT;
	struct csn_request request;
	struct csn_error ignored;
	struct epoll_event event;
	bool last = false;

	if (epoll_fd < 0) {
		csn_log(&listener->log, LOG_ERR, "epoll: %s", strerror(errno));
		return CSN_EXIT_OS;
	}
	/* Ahead of the crash; what is wrong with it is said when there is one. */
	(void)!archive_open(&archive, listener->options.root, &ignored);
	do {
		if (epoll_wait(epoll_fd, &event, 1, -1) == 1 && event.data.u32 && !last) {
			last = true;
			listener_give_back(listener, "the listener is gone");
		}
		fd = accept_crash(listener, &request);
	} while (fd < 0 && !last);
	close(epoll_fd);
	return fd < 0 ? 0 : take(listener, &archive, fd, &request);
}
