/* Folders watched by kqueue, where there is one. It tells that a folder's list of names changed,
 * not which, and nothing of a file that grows or is closed: each event asks for a look through the
 * folder, and a core counts as whole when it stopped growing. */
#include <sys/types.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/event.h>
#include <sys/time.h>
#include <unistd.h>

#include "host/finder_events.h"

static int open_kqueue(int *ret_fd, struct csn_error *err)
{
	*ret_fd = kqueue();
	if (*ret_fd < 0)
		return csn_fail_os(err, errno, "kqueue");
	if (fcntl(*ret_fd, F_SETFD, FD_CLOEXEC) < 0) {
		close(*ret_fd);
		return csn_fail_os(err, errno, "kqueue");
	}
	return 0;
}

/* The token is the folder's descriptor: closing it would end the watch. */
static int add_folder(int fd, int folder_fd, unsigned folder, int *ret_token, struct csn_error *err)
{
	struct kevent change;

	EV_SET(&change, (uintptr_t)folder_fd, EVFILT_VNODE, EV_ADD | EV_CLEAR,
	       NOTE_WRITE | NOTE_EXTEND | NOTE_DELETE | NOTE_RENAME | NOTE_REVOKE, 0,
	       (void *)(uintptr_t)folder);
	if (kevent(fd, &change, 1, NULL, 0, NULL) < 0)
		return csn_fail_os(err, errno, "kevent");
	*ret_token = folder_fd;
	return 0;
}

static void remove_folder(int fd, int token)
{
	struct kevent change;

	EV_SET(&change, (uintptr_t)token, EVFILT_VNODE, EV_DELETE, 0, 0, NULL);
	(void)kevent(fd, &change, 1, NULL, 0, NULL);
}

static bool next_event(struct finder_events *events, struct finder_event *ret_event)
{
	const struct timespec now = { 0 };
	struct kevent event;

	if (kevent(events->fd, NULL, 0, &event, 1, &now) <= 0)
		return false;
	*ret_event = (struct finder_event){
		.folder = (unsigned)(uintptr_t)event.udata,
		.scan = true,
		.gone = event.fflags & (NOTE_DELETE | NOTE_RENAME | NOTE_REVOKE),
	};
	return true;
}

const struct finder_events_ops finder_events_ops = {
	.shared_over_fork = false, /* a kqueue is not inherited */
	.open = open_kqueue,
	.add = add_folder,
	.remove = remove_folder,
	.next = next_event,
};
