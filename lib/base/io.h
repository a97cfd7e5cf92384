/* Files: whole reads, whole writes, and publishing a file so that a name is always whole.
 *
 * Publishing: the file is made unnamed (O_TMPFILE) or as ".part" in its folder, written, synced,
 * linked to its name, and the folder is synced. A kill at any instruction leaves no name or a
 * whole file. */
#ifndef CSN_BASE_IO_H
#define CSN_BASE_IO_H

#include <sys/types.h>

#include "base/buf.h"
#include "base/error.h"

/* Reads until size_bytes or end of file, over EINTR. Returns bytes read or -errno. */
ssize_t csn_read_full(int fd, void *data, size_t size_bytes);
ssize_t csn_pread_full(int fd, void *data, size_t size_bytes, off_t offset);
/* Writes all of it. 0 or -errno. */
int csn_write_full(int fd, const void *data, size_t size_bytes);
int csn_pwrite_full(int fd, const void *data, size_t size_bytes, off_t offset);

/* Appends the file to buf (its max is the cap). dir_fd may be AT_FDCWD. */
int csn_read_file(int dir_fd, const char *path, struct csn_buf *buf, struct csn_error *err)
	csn_must_check;
int csn_read_fd(int fd, const char *name, struct csn_buf *buf, struct csn_error *err)
	csn_must_check;
/* Copies everything from one descriptor to another; ret_bytes may be NULL. LIMIT past max. */
int csn_copy_fd(int from_fd, int to_fd, uint64_t max_bytes, uint64_t *ret_bytes,
		struct csn_error *err) csn_must_check;

struct csn_publish {
	int dir_fd; /* owned */
	int fd;     /* owned; write here */
	char *name; /* owned; final name inside the folder */
	char *part; /* owned; the ".part" name, NULL when unnamed */
	bool linked;
};

#define CSN_PUBLISH_INIT \
	{ \
		.dir_fd = -1, .fd = -1 \
	}

/* Opens an unnamed file for path (relative to dir_fd, which may be AT_FDCWD). mode as open(2). */
int csn_publish_begin(struct csn_publish *publish, int dir_fd, const char *path, mode_t mode,
		      struct csn_error *err) csn_must_check;
/* fsync, link under the name, fsync the folder. replace: over an existing regular file (over what
 * is none: USAGE), else OS/EEXIST. link is the first half, for who has something to say before
 * others see the name for long; commit then does the rest. */
int csn_publish_link(struct csn_publish *publish, bool replace, struct csn_error *err)
	csn_must_check;
int csn_publish_commit(struct csn_publish *publish, bool replace, struct csn_error *err)
	csn_must_check;
/* Drops whatever was not committed. Accepts an initialised or finished value. */
void csn_publish_done(struct csn_publish *publish);

/* Begin, write all, commit with replace. */
int csn_write_file(int dir_fd, const char *path, const void *data, size_t size_bytes, mode_t mode,
		   struct csn_error *err) csn_must_check;

/* mkdir -p; existing folders are fine. */
int csn_make_folders(const char *path, mode_t mode, struct csn_error *err) csn_must_check;
/* unlink and fsync the folder; a missing file is fine. */
int csn_unlink_synced(int dir_fd, const char *name, struct csn_error *err) csn_must_check;

#endif
