/* Folders watched by inotify. A file is told when its writer closed it or when it was moved into
 * the folder, never while it grows: one core of 64 MiB is 11,486 modifications and one close. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "host/finder_events.h"

static int open_inotify(int *ret_fd, struct csn_error *err)
{
	*ret_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	return *ret_fd < 0 ? csn_fail_os(err, errno, "inotify") : 0;
}

/* By its descriptor: what was opened and checked is what is watched. */
static int add_folder(int fd, int folder_fd, unsigned folder, int *ret_token, struct csn_error *err)
{
	char path[64];

	(void)folder;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", folder_fd);
	*ret_token = inotify_add_watch(fd, path,
				       IN_CLOSE_WRITE | IN_MOVED_TO | IN_DELETE_SELF |
					       IN_MOVE_SELF | IN_ONLYDIR);
	return *ret_token < 0 ? csn_fail_os(err, errno, "inotify") : 0;
}

static void remove_folder(int fd, int token)
{
	(void)inotify_rm_watch(fd, token);
}

static unsigned folder_of(const struct finder_events *events, int token)
{
	unsigned i = 0;

	while (i < CSN_MAX_FINDER_FOLDERS && events->tokens[i] != token)
		i++;
	return i;
}

static bool refill(struct finder_events *events)
{
	ssize_t n = read(events->fd, events->block, sizeof(events->block));

	events->at = 0;
	events->size = n > 0 ? (size_t)n : 0;
	return n > 0;
}

static bool next_event(struct finder_events *events, struct finder_event *ret_event)
{
	struct inotify_event head;

	if (events->size - events->at < sizeof(head) && !refill(events))
		return false;
	memcpy(&head, events->block + events->at, sizeof(head));
	*ret_event = (struct finder_event){
		.folder = folder_of(events, head.wd),
		.scan = head.mask & IN_Q_OVERFLOW,
		.gone = head.mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED | IN_UNMOUNT),
	};
	if (head.len)
		snprintf(ret_event->name, sizeof(ret_event->name), "%s",
			 events->block + events->at + sizeof(head));
	events->at += sizeof(head) + head.len;
	return true;
}

const struct finder_events_ops finder_events_ops = {
	.shared_over_fork = true,
	.open = open_inotify,
	.add = add_folder,
	.remove = remove_folder,
	.next = next_event,
};
