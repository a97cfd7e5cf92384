#include "spool/fallback.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/hash.h"
#include "base/io.h"
#include "base/root.h"
#include "spool/crash_socket.h"
#include "spool/kernel_pattern.h"

#define FOLDER CSN_RUN_FOLDER "/pending"
#define TOLD ".told"

int csn_fallback_open(const char *archive_path, bool create, struct csn_fallback *ret_fallback,
		      struct csn_error *err)
{
	struct csn_fallback fallback = CSN_FALLBACK_INIT;
	struct stat status;
	int r = 0;

	if (strcmp(archive_path, CSN_ARCHIVE) == 0)
		snprintf(fallback.path, sizeof(fallback.path), FOLDER);
	else
		snprintf(fallback.path, sizeof(fallback.path), FOLDER "-%08x",
			 csn_crc32(archive_path, strlen(archive_path)));
	if (create)
		r = csn_make_roots_folder(CSN_RUN_FOLDER, 0755, err);
	if (create && r == 0)
		r = csn_make_roots_folder(fallback.path, 0700, err);
	if (r < 0)
		return r;
	fallback.dir_fd = open(fallback.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fallback.dir_fd < 0 && errno == ENOENT)
		return csn_fail(err, CSN_E_NOT_FOUND, "%s: no such folder", fallback.path);
	if (fallback.dir_fd < 0 || fstat(fallback.dir_fd, &status) < 0) {
		r = csn_fail_os(err, errno, "%s", fallback.path);
	} else if (status.st_uid != 0 || (status.st_mode & 077)) {
		r = csn_fail(err, CSN_E_DENIED, "%s: not root's alone", fallback.path);
	}
	if (r < 0)
		csn_fallback_close(&fallback);
	else
		*ret_fallback = fallback;
	return r;
}

void csn_fallback_close(struct csn_fallback *fallback)
{
	csn_closep(&fallback->dir_fd);
	fallback->dir_fd = -1;
}

/* The folder's entries; NULL when it cannot be read. */
static DIR *list(const struct csn_fallback *fallback)
{
	int fd = openat(fallback->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *folder = fd < 0 ? NULL : fdopendir(fd);

	if (!folder && fd >= 0)
		close(fd);
	return folder;
}

uint64_t csn_fallback_room(const struct csn_fallback *fallback)
{
	cleanup_closedir DIR *folder = list(fallback);
	const struct dirent *entry;
	struct stat status;
	uint64_t used = 0;

	while (folder && used < CSN_FALLBACK_MAX_BYTES && (entry = readdir(folder)))
		if (csn_uuid_parse(entry->d_name, NULL) &&
		    fstatat(fallback->dir_fd, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0)
			used += (uint64_t)status.st_size;
	return folder && used < CSN_FALLBACK_MAX_BYTES ? CSN_FALLBACK_MAX_BYTES - used : 0;
}

size_t csn_fallback_count(const struct csn_fallback *fallback)
{
	cleanup_closedir DIR *folder = list(fallback);
	const struct dirent *entry;
	size_t count = 0;

	while (folder && (entry = readdir(folder)))
		count += csn_uuid_parse(entry->d_name, NULL);
	return count;
}

bool csn_fallback_tell(const struct csn_fallback *fallback)
{
	cleanup_close int fd =
		openat(fallback->dir_fd, TOLD, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	return fd >= 0;
}

static int move_one(const struct csn_fallback *fallback, const struct csn_spool *spool,
		    const char *uuid, struct csn_error *err)
{
	cleanup_(csn_publish_done) struct csn_publish file = CSN_PUBLISH_INIT;
	cleanup_close int fd =
		openat(fallback->dir_fd, uuid, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	int r;

	if (fd < 0)
		return csn_fail_os(err, errno, "%s/%s", fallback->path, uuid);
	if (!csn_spool_is_plain(fd))
		return csn_fail(err, CSN_E_DENIED, "%s/%s: not a plain file", fallback->path, uuid);
	r = csn_publish_begin(&file, spool->stage_fd[CSN_STAGE_PENDING], uuid, 0600, err);
	if (r == 0)
		r = csn_copy_fd(fd, file.fd, CSN_FALLBACK_MAX_BYTES, NULL, err);
	if (r == 0 && fchown(file.fd, spool->uid, spool->gid) < 0)
		r = csn_fail_os(err, errno, "pending/%s", uuid);
	if (r == 0)
		r = csn_publish_commit(&file, false, err);
	/* Killed before it was unlinked last time: the copy is whole. */
	if (r < 0 && err->os_errno != EEXIST)
		return r;
	if (unlinkat(fallback->dir_fd, uuid, 0) < 0)
		return csn_fail_os(err, errno, "%s/%s", fallback->path, uuid);
	return 0;
}

int csn_fallback_empty(const struct csn_fallback *fallback, const struct csn_spool *spool,
		       size_t *ret_count, struct csn_error *err)
{
	cleanup_closedir DIR *folder = list(fallback);
	const struct dirent *entry;
	struct csn_error why = CSN_ERROR_INIT;
	int r = 0;

	*ret_count = 0;
	if (!folder)
		return csn_fail_os(err, errno, "%s", fallback->path);
	while ((entry = readdir(folder))) {
		if (!csn_uuid_parse(entry->d_name, NULL))
			continue;
		if (move_one(fallback, spool, entry->d_name, &why) == 0)
			++*ret_count;
		else
			r = -(int)why.code;
	}
	if (r < 0) {
		if (err)
			*err = why;
		return r;
	}
	(void)unlinkat(fallback->dir_fd, TOLD, 0);
	return 0;
}
