/* Objects of the spool: listing, finding, locking, moving and removing them. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/limits.h"
#include "spool/spool.h"

#define MIN_PREFIX 4

static int sync_folder(int fd, const char *name, struct csn_error *err)
{
	if (fsync(fd) < 0 && errno != EINVAL)
		return csn_fail_os(err, errno, "%s", name);
	return 0;
}

int csn_spool_stat(const struct csn_spool *spool, enum csn_stage stage, const char *uuid,
		   struct csn_spool_object *ret_object, struct csn_error *err)
{
	struct stat status;

	if (fstatat(spool->stage_fd[stage], uuid, &status, AT_SYMLINK_NOFOLLOW) < 0) {
		if (errno == ENOENT)
			return csn_fail(err, CSN_E_NOT_FOUND, "%s/%s is not there",
					csn_stage_name(stage), uuid);
		return csn_fail_os(err, errno, "%s/%s", csn_stage_name(stage), uuid);
	}
	if (!S_ISREG(status.st_mode))
		return csn_fail(err, CSN_E_DENIED, "%s/%s is no plain file", csn_stage_name(stage),
				uuid);
	*ret_object = (struct csn_spool_object){
		.stage = stage,
		.has_assets = csn_spool_has_assets(spool, uuid),
		.size_bytes = (uint64_t)status.st_size,
		.disk_bytes = (uint64_t)status.st_blocks * 512,
		.mtime_ns = csn_seconds_to_ns(status.st_mtim.tv_sec) + status.st_mtim.tv_nsec,
	};
	snprintf(ret_object->uuid, sizeof(ret_object->uuid), "%s", uuid);
	return 0;
}

bool csn_spool_has(const struct csn_spool *spool, enum csn_stage stage, const char *uuid)
{
	struct stat status;

	return fstatat(spool->stage_fd[stage], uuid, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
	       S_ISREG(status.st_mode);
}

static int compare_age(const void *left, const void *right)
{
	const struct csn_spool_object *a = left, *b = right;

	if (a->mtime_ns != b->mtime_ns)
		return a->mtime_ns < b->mtime_ns ? -1 : 1;
	return strcmp(a->uuid, b->uuid);
}

static int list_add(struct csn_spool_list *list, const struct csn_spool_object *object,
		    struct csn_error *err)
{
	struct csn_spool_object *items;

	if (list->count >= CSN_MAX_SPOOL_OBJECTS)
		return csn_fail(err, CSN_E_LIMIT, "more than %u objects", CSN_MAX_SPOOL_OBJECTS);
	/* Grows at every power of two. */
	if ((list->count & (list->count - 1)) == 0) {
		items = realloc(list->items, (list->count ? 2 * list->count : 1) * sizeof(*items));
		if (!items)
			return csn_fail_nomem(err);
		list->items = items;
	}
	list->items[list->count++] = *object;
	return 0;
}

int csn_spool_list(const struct csn_spool *spool, enum csn_stage stage, struct csn_spool_list *list,
		   struct csn_error *err)
{
	int fd = openat(spool->stage_fd[stage], ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_closedir DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	size_t first = list->count;
	struct csn_spool_object object;
	struct csn_error ignored;
	struct dirent *entry;
	int r;

	if (!dir) {
		csn_fail_os(err, errno, "%s", csn_stage_name(stage));
		csn_closep(&fd);
		return -CSN_E_OS;
	}
	while ((entry = readdir(dir))) {
		if (!csn_uuid_parse(entry->d_name, NULL))
			continue;
		/* Gone or no plain file: nothing of ours. */
		r = csn_spool_stat(spool, stage, entry->d_name, &object, &ignored);
		list->n_odd += r < 0 && r != -CSN_E_NOT_FOUND;
		if (r < 0)
			continue;
		r = list_add(list, &object, err);
		if (r < 0)
			return r;
	}
	if (list->count > first)
		qsort(list->items + first, list->count - first, sizeof(*list->items), compare_age);
	return 0;
}

void csn_spool_list_done(struct csn_spool_list *list)
{
	free(list->items);
	*list = (struct csn_spool_list){ 0 };
}

int csn_spool_find(const struct csn_spool *spool, enum csn_stage stage, const char *prefix,
		   struct csn_spool_object *ret_object, struct csn_error *err)
{
	cleanup_(csn_spool_list_done) struct csn_spool_list list = { 0 };
	const struct csn_spool_object *found = NULL;
	size_t length = strlen(prefix), i;
	int r;

	if (length < MIN_PREFIX)
		return csn_fail(err, CSN_E_USAGE, "'%s': give at least %d digits of the uuid",
				prefix, MIN_PREFIX);
	r = csn_spool_list(spool, stage, &list, err);
	if (r < 0)
		return r;
	for (i = 0; i < list.count; i++) {
		if (strncmp(list.items[i].uuid, prefix, length) != 0)
			continue;
		if (found)
			return csn_fail(err, CSN_E_USAGE, "%s/%s: several objects begin like this",
					csn_stage_name(stage), prefix);
		found = &list.items[i];
	}
	if (!found)
		return csn_fail(err, CSN_E_NOT_FOUND, "%s/%s: no such object",
				csn_stage_name(stage), prefix);
	*ret_object = *found;
	return 0;
}

const char *csn_spool_path(const struct csn_spool *spool, const char *folder, const char *uuid,
			   char *out, size_t out_size)
{
	int n = snprintf(out, out_size, "%s/%s/%s", spool->path, folder, uuid);

	if (n < 0 || (size_t)n >= out_size)
		out[0] = '\0';
	return out;
}

int csn_spool_open_object(const struct csn_spool *spool, enum csn_stage stage, const char *uuid,
			  int flags, int *ret_fd, struct csn_error *err)
{
	cleanup_close int fd = openat(spool->stage_fd[stage], uuid,
				      flags | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat status;

	if (fd < 0 && errno == ENOENT)
		return csn_fail(err, CSN_E_NOT_FOUND, "%s/%s is not there", csn_stage_name(stage),
				uuid);
	if (fd < 0 || fstat(fd, &status) < 0)
		return csn_fail_os(err, errno, "%s/%s", csn_stage_name(stage), uuid);
	if (!S_ISREG(status.st_mode))
		return csn_fail(err, CSN_E_DENIED, "%s/%s is no plain file", csn_stage_name(stage),
				uuid);
	*ret_fd = csn_take_fd(fd);
	return 0;
}

int csn_spool_lock(const struct csn_spool *spool, enum csn_stage stage, const char *uuid,
		   int *ret_fd, struct csn_error *err)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	cleanup_close int fd = -1;
	struct stat status;
	int r = csn_spool_open_object(spool, stage, uuid, O_RDWR, &fd, err);

	if (r < 0)
		return r;
	if (fcntl(fd, F_OFD_SETLK, &lock) < 0) {
		if (errno == EAGAIN || errno == EACCES)
			return csn_fail(err, CSN_E_DENIED, "%s/%s is being processed",
					csn_stage_name(stage), uuid);
		return csn_fail_os(err, errno, "%s/%s", csn_stage_name(stage), uuid);
	}
	/* Whoever had the lock before may have removed the file. */
	if (fstat(fd, &status) < 0)
		return csn_fail_os(err, errno, "%s/%s", csn_stage_name(stage), uuid);
	if (status.st_nlink == 0)
		return csn_fail(err, CSN_E_NOT_FOUND, "%s/%s is gone", csn_stage_name(stage), uuid);
	*ret_fd = csn_take_fd(fd);
	return 0;
}

int csn_spool_remove(const struct csn_spool *spool, enum csn_stage stage, const char *uuid,
		     struct csn_error *err)
{
	int r = csn_unlink_synced(spool->stage_fd[stage], uuid, err);

	return r < 0 ? csn_wrap(err, "%s", csn_stage_name(stage)) : 0;
}

int csn_spool_move(const struct csn_spool *spool, enum csn_stage from, enum csn_stage to,
		   const char *uuid, struct csn_error *err)
{
	int r;

	if (renameat(spool->stage_fd[from], uuid, spool->stage_fd[to], uuid) < 0) {
		if (errno == ENOENT)
			return 0;
		return csn_fail_os(err, errno, "%s/%s", csn_stage_name(from), uuid);
	}
	/* The new name first: the object is never in neither folder. */
	r = sync_folder(spool->stage_fd[to], csn_stage_name(to), err);
	return r < 0 ? r : sync_folder(spool->stage_fd[from], csn_stage_name(from), err);
}

int csn_spool_make_assets(const struct csn_spool *spool, const char *uuid, int *ret_fd,
			  struct csn_error *err)
{
	cleanup_close int fd = -1;

	if (mkdirat(spool->assets_fd, uuid, 0700) < 0 && errno != EEXIST)
		return csn_fail_os(err, errno, "assets/%s", uuid);
	fd = openat(spool->assets_fd, uuid, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return csn_fail_os(err, errno, "assets/%s", uuid);
	*ret_fd = csn_take_fd(fd);
	return 0;
}

bool csn_spool_has_assets(const struct csn_spool *spool, const char *uuid)
{
	struct stat status;

	return fstatat(spool->assets_fd, uuid, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
	       S_ISDIR(status.st_mode);
}

int csn_spool_remove_assets(const struct csn_spool *spool, const char *uuid, struct csn_error *err)
{
	int fd = openat(spool->assets_fd, uuid, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	cleanup_closedir DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *entry;

	if (fd < 0)
		return errno == ENOENT ? 0 : csn_fail_os(err, errno, "assets/%s", uuid);
	if (!dir) {
		close(fd);
		return csn_fail_nomem(err);
	}
	while ((entry = readdir(dir))) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (unlinkat(dirfd(dir), entry->d_name, 0) < 0 && errno != ENOENT)
			return csn_fail_os(err, errno, "assets/%s", uuid);
	}
	if (unlinkat(spool->assets_fd, uuid, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return csn_fail_os(err, errno, "assets/%s", uuid);
	return 0;
}
