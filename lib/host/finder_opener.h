/* The opener: a child of the daemon that opens the cores of other users for it.
 *
 * Cores belong to who died and can be read by nobody else, and the daemon is nobody special. So
 * before it gives up its rights it starts this child, which keeps the right to read and to remove
 * files and nothing else, reads nothing of what it opens, and knows no folders but those of
 * watch.path: it hands over descriptors. It ends with the daemon. Where the daemon was started
 * without such rights there is none, and these functions do the work themselves.
 *
 * One request at a time; an opener that does not answer in ten seconds is given up. */
#ifndef CSN_HOST_FINDER_OPENER_H
#define CSN_HOST_FINDER_OPENER_H

#include <sys/types.h>

#include "base/error.h"
#include "host/finder_events.h"
#include "host/finder_files.h"

struct finder_opener {
	pid_t pid;
	int fd;                   /* owned; -1: there is none */
	const char *const *paths; /* borrowed; the folders */
	unsigned n_paths;
	int events_fd; /* borrowed */
	bool gave_up;
};

/* Have we the right to read everything, to give it up? */
bool finder_opener_is_of_use(void);
/* Starts the child, which becomes uid:gid. */
int finder_opener_start(struct finder_opener *opener, uid_t uid, gid_t gid, struct csn_error *err)
	csn_must_check;
void finder_opener_stop(struct finder_opener *opener);

/* Opens a folder and begins to watch it. */
int finder_opener_open_folder(struct finder_opener *opener, unsigned folder, int *ret_fd,
			      int *ret_token, struct csn_error *err) csn_must_check;
/* As finder_open_file and finder_remove_file. */
int finder_opener_open_file(struct finder_opener *opener, unsigned folder, int folder_fd,
			    const char *name, int *ret_fd, struct csn_error *err) csn_must_check;
int finder_opener_remove_file(struct finder_opener *opener, unsigned folder, int folder_fd,
			      const char *name, const struct finder_mark *mark,
			      struct csn_error *err) csn_must_check;

#endif
