/* How a folder tells that something came into it: one record of functions per system.
 *
 * finder_inotify.c fills it on Linux, finder_kqueue.c where sys/event.h is. Events are hints: what
 * counts is what a look into the folder finds, so a lost or invented one does no harm. */
#ifndef CSN_HOST_FINDER_EVENTS_H
#define CSN_HOST_FINDER_EVENTS_H

#include <limits.h>

#include "base/error.h"
#include "base/limits_host.h"

/* What one event says. */
struct finder_event {
	unsigned folder;
	bool scan;               /* no name is known: look through the folder */
	bool gone;               /* the folder itself was removed or moved */
	char name[NAME_MAX + 1]; /* a file in it that was closed by its writer or moved there */
};

struct finder_events {
	int fd;                             /* owned; readable when there are events */
	int tokens[CSN_MAX_FINDER_FOLDERS]; /* by folder; -1 not watched */
	size_t at, size;                    /* of block: what was read and not yet told */
	char block[8192] __attribute__((aligned(8)));
};

struct finder_events_ops {
	/* A folder may be added by a process that inherited fd over fork, for all who share it. */
	bool shared_over_fork;
	/* Opens the source, non-blocking and closed on exec. */
	int (*open)(int *ret_fd, struct csn_error *err);
	/* Begins to watch an open folder. ret_token: for tokens. */
	int (*add)(int fd, int folder_fd, unsigned folder, int *ret_token, struct csn_error *err);
	/* Ends it; the folder may be gone. */
	void (*remove)(int fd, int token);
	/* The next event; false when there is none now. */
	bool (*next)(struct finder_events *events, struct finder_event *ret_event);
};

extern const struct finder_events_ops finder_events_ops;

#endif
