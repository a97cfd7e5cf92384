/* The two ways a core comes into the spool: from the kernel, and from a file. */
#ifndef CORESNAP_ARCHIVE_ARCHIVE_H
#define CORESNAP_ARCHIVE_ARCHIVE_H

#include "base/log.h"
#include "capture/request.h"
#include "spool/spool.h"

/* What both need: where to put it, and where to say so. */
struct archive {
	struct csn_policy policy;
	struct csn_spool spool;
	struct csn_log log;
	struct csn_error policy_error; /* why the defaults hold; said once the log is open */
};

#define ARCHIVE_INIT \
	{ \
		.spool = CSN_SPOOL_INIT \
	}

/* Finds policy and spool; root may be NULL. The error says what to do next. */
int archive_open(struct archive *archive, const char *root, struct csn_error *err) csn_must_check;
/* Becomes the spool's user, for good, and opens the log as that user. */
int archive_drop_root(struct archive *archive, struct csn_error *err) csn_must_check;
/* "Crash dump archived in ..." */
void archive_report(struct archive *archive, const char *uuid);

/* Takes one crash from the kernel's pipe or socket (core_fd, taken over), lets the process go,
 * gives up root and stores what was taken. Returns an exit status. */
int archive_crash(struct archive *archive, const struct csn_request *request, int core_fd);
/* The kernel's pipe is standard input. Returns an exit status. */
int archive_pipe(struct archive *archive, const struct csn_request *request);
/* An existing core file. Returns an exit status. */
int archive_file(struct archive *archive, const char *path);

#endif
