/* The ways a core comes into the spool: from the kernel, by a pipe or a socket, and from a file. */
#ifndef CORESNAP_ARCHIVE_ARCHIVE_H
#define CORESNAP_ARCHIVE_ARCHIVE_H

#include "base/log.h"
#include "capture/request.h"
#include "spool/fallback.h"
#include "spool/spool.h"

/* Which file stood at a path, and how it was; zeroes for none. */
struct archive_stamp {
	uint64_t device, inode;
	int64_t seconds, nanoseconds; /* of its last change */
};

/* What all need: where to put it, and where to say so. */
struct archive {
	struct csn_policy policy;
	struct csn_spool spool;
	struct csn_log log;
	struct csn_error policy_error; /* why the defaults hold; said once the log is open */
	struct archive_stamp policy_stamp, folder_stamp;
	struct csn_fallback fallback; /* open when the spool is not */
	struct csn_error spool_error; /* why */
	int told_fd; /* borrowed: gets our process id when the process was let go; -1 */
};

struct archive_listen_options {
	const char *root; /* NULL: where the program lies */
	bool foreground;  /* do not go into the background once it listens */
	bool supervised;  /* somebody starts it again when it dies */
};

#define ARCHIVE_INIT \
	{ \
		.spool = CSN_SPOOL_INIT, .fallback = CSN_FALLBACK_INIT, .told_fd = -1 \
	}

/* The real path of this program: the running one's, or that of the installation below root. */
void archive_find_self(const char *root, char *out, size_t out_size);
/* Finds policy and spool; root may be NULL. The error says what to do next. */
int archive_open(struct archive *archive, const char *root, struct csn_error *err) csn_must_check;
/* The same for a crash. What was opened ahead is opened again if policy or spool are others by now.
 * Where the spool cannot be used or is read-only, and we are root, the fallback's place is opened
 * instead. */
int archive_open_for_crash(struct archive *archive, const char *root, struct csn_error *err)
	csn_must_check;
/* Becomes the spool's user, for good, and opens the log as that user. */
int archive_drop_root(struct archive *archive, struct csn_error *err) csn_must_check;
/* "Crash dump archived in ..." */
void archive_report(struct archive *archive, const char *uuid);

/* Takes one crash from the kernel's pipe or socket (core_fd, taken over), lets the process go,
 * gives up root and stores what was taken. Returns an exit status. */
int archive_crash(struct archive *archive, const struct csn_request *request, int core_fd);
/* The kernel's pipe is standard input. Returns an exit status. */
int archive_pipe(struct archive *archive, const struct csn_request *request);
/* Listens where the kernel connects to, until told to end. Returns an exit status. */
int archive_listen(const struct archive_listen_options *options);
/* An existing core file. Returns an exit status. */
int archive_file(struct archive *archive, const char *path);

#endif
