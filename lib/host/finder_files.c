#include "host/finder_files.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/hash.h"

struct finder_mark finder_mark_of(const struct stat *status)
{
	return (struct finder_mark){
		.device = status->st_dev,
		.inode = status->st_ino,
		.size_bytes = (uint64_t)status->st_size,
		.mtime_ns = status->st_mtim.tv_sec * CSN_NS_PER_SECOND + status->st_mtim.tv_nsec,
	};
}

bool finder_mark_is(const struct finder_mark *a, const struct finder_mark *b)
{
	return a->device == b->device && a->inode == b->inode && a->size_bytes == b->size_bytes &&
	       a->mtime_ns == b->mtime_ns;
}

/* Version 8 of RFC 9562: the digest of what makes it this file. */
void finder_mark_uuid(const struct finder_mark *mark, const char *folder, const char *name,
		      char ret_uuid[CSN_UUID_TEXT])
{
	struct {
		struct finder_mark mark;
		uint8_t folder[CSN_SHA256_BYTES], name[CSN_SHA256_BYTES];
	} parts = { .mark = *mark };
	uint8_t digest[CSN_SHA256_BYTES];

	csn_sha256(folder, strlen(folder), parts.folder);
	csn_sha256(name, strlen(name), parts.name);
	csn_sha256(&parts, sizeof(parts), digest);
	digest[6] = (uint8_t)((digest[6] & 0x0f) | 0x80);
	digest[8] = (uint8_t)((digest[8] & 0x3f) | 0x80);
	csn_uuid_format(digest, ret_uuid);
}

/* What the caller needs to tell apart, from errno. */
static int refuse_open(int errnum, struct csn_error *err)
{
	if (errnum == ENOENT || errnum == ENOTDIR)
		return csn_fail(err, CSN_E_NOT_FOUND, "it is not there");
	if (errnum == ELOOP || errnum == EMLINK)
		return csn_fail(err, CSN_E_FORMAT, "a link, not a plain file");
	if (errnum == EACCES || errnum == EPERM)
		return csn_fail(err, CSN_E_DENIED,
				"user %u may not read it; see watch.path in coresnap.conf(5)",
				(unsigned)geteuid());
	return csn_fail_os(err, errnum, "open");
}

int finder_open_folder(const char *path, int *ret_fd, struct csn_error *err)
{
	cleanup_close int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat status;

	/* With O_DIRECTORY a link is "not a directory". */
	if (fd < 0 && errno == ENOTDIR && lstat(path, &status) == 0)
		return csn_fail(err, CSN_E_DENIED,
				S_ISLNK(status.st_mode) ? "a link; name the folder that it leads to"
							: "not a folder");
	if (fd < 0)
		return refuse_open(errno, err);
	if (fstat(fd, &status) < 0)
		return csn_fail_os(err, errno, "fstat");
	if ((status.st_mode & S_IWOTH) && !(status.st_mode & S_ISVTX))
		return csn_fail(err, CSN_E_DENIED,
				"everybody may rename what others put there; 'chmod +t' it");
	*ret_fd = csn_take_fd(fd);
	return 0;
}

static int check_file(const struct stat *status, struct csn_error *err)
{
	if (!S_ISREG(status->st_mode))
		return csn_fail(err, CSN_E_FORMAT, "not a plain file");
	if (status->st_nlink > 1)
		return csn_fail(err, CSN_E_FORMAT, "it has another name elsewhere (a hard link)");
	if (status->st_nlink == 0)
		return csn_fail(err, CSN_E_NOT_FOUND, "it is not there");
	return 0;
}

int finder_open_file(int folder_fd, const char *name, int *ret_fd, struct csn_error *err)
{
	cleanup_close int fd = -1;
	struct stat status;
	int r;

	if (!*name || strchr(name, '/') || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return csn_fail(err, CSN_E_FORMAT, "not a name of a file");
	/* Opening can do something to what is no plain file: so not before a look. */
	if (fstatat(folder_fd, name, &status, AT_SYMLINK_NOFOLLOW) < 0)
		return refuse_open(errno, err);
	if (S_ISLNK(status.st_mode))
		return refuse_open(ELOOP, err);
	r = check_file(&status, err);
	if (r < 0)
		return r;
	fd = openat(folder_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return refuse_open(errno, err);
	/* And what the name is now may be another file than a moment ago. */
	if (fstat(fd, &status) < 0)
		return csn_fail_os(err, errno, "fstat");
	r = check_file(&status, err);
	if (r == 0)
		*ret_fd = csn_take_fd(fd);
	return r;
}

int finder_remove_file(int folder_fd, const char *name, const struct finder_mark *mark,
		       struct csn_error *err)
{
	struct finder_mark now;
	struct stat status;

	if (strchr(name, '/') || fstatat(folder_fd, name, &status, AT_SYMLINK_NOFOLLOW) < 0)
		return refuse_open(ENOENT, err);
	now = finder_mark_of(&status);
	if (!finder_mark_is(&now, mark))
		return csn_fail(err, CSN_E_NOT_FOUND, "it is another file now");
	if (unlinkat(folder_fd, name, 0) < 0)
		return csn_fail_os(err, errno, "unlink");
	return 0;
}
