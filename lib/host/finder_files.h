/* Opening and removing the cores of others, with the rules that make it safe.
 *
 * A watched folder may be writable by anybody, so a name in it is no promise: it can be a link, a
 * pipe, a device, another file a moment later. Folder and file are opened without following links,
 * the file is judged by its descriptor, and only its folder's descriptor is ever used to find it
 * again. These functions run in the daemon, or, where it has no right to read the cores of other
 * users, in its opener (host/finder_opener.h). */
#ifndef CSN_HOST_FINDER_FILES_H
#define CSN_HOST_FINDER_FILES_H

#include <sys/stat.h>

#include "base/error.h"
#include "base/uuid.h"

/* What a file was when it was looked at: another mark is another file, or one that still grows. */
struct finder_mark {
	uint64_t device, inode, size_bytes;
	int64_t mtime_ns;
};

/* What fstat says. */
struct finder_mark finder_mark_of(const struct stat *status);
/* Same file, same state. */
bool finder_mark_is(const struct finder_mark *a, const struct finder_mark *b);
/* The name under which this very file is archived, however often it is found. */
void finder_mark_uuid(const struct finder_mark *mark, const char *folder, const char *name,
		      char ret_uuid[CSN_UUID_TEXT]);

/* Opens the folder. DENIED for a link, for one that all may write to without the sticky bit, and
 * where we have no right to; NOT_FOUND. */
int finder_open_folder(const char *path, int *ret_fd, struct csn_error *err) csn_must_check;
/* Opens a file in it for reading. FORMAT for what is no plain file or has another name elsewhere,
 * DENIED without the right, NOT_FOUND. Never blocks. */
int finder_open_file(int folder_fd, const char *name, int *ret_fd, struct csn_error *err)
	csn_must_check;
/* Removes the name, if it is still this very file. NOT_FOUND otherwise. */
int finder_remove_file(int folder_fd, const char *name, const struct finder_mark *mark,
		       struct csn_error *err) csn_must_check;

#endif
