/* Taking one core of others into the spool: the work of a child, which may take long and reads what
 * others wrote. */
#ifndef CSN_HOST_FINDER_TAKE_H
#define CSN_HOST_FINDER_TAKE_H

#include "host/finder_copy.h"
#include "host/finder_files.h"
#include "host/host.h"

struct finder_take {
	const struct csn_host *host; /* borrowed */
	int fd;                      /* the core; owned by the caller */
	enum finder_packing packing;
	uid_t owner;
	struct finder_mark mark;
	char uuid[CSN_UUID_TEXT]; /* its name in pending/ */
	const char *path;         /* where it was found; borrowed */
};

/* What became of it, as exit status. Words about it are the last line of its standard output. */
enum finder_outcome {
	FINDER_TAKEN = 0,
	FINDER_NOTES_TAKEN = 1, /* the ladder: of its memory nothing */
	FINDER_COUNTED = 2,     /* the ladder: a tick */
	FINDER_THERE = 3,       /* it was taken before we were ended */
	FINDER_NO_ROOM = 4,     /* try again when there is more */
	FINDER_FAILED = 5
};

/* Takes it; context is a struct finder_take. Whole in pending/ or nothing. */
int finder_take(void *context);

#endif
