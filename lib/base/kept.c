/* The folder of kept files: see local_files.h. */
#include <dirent.h>
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
#include "base/local_files.h"

/* A file that is used is newer than one that is not: told to the folder once a day. */
#define TOUCH_SECONDS 86400

/* A plain name of ours; whoever asks may ask for anything. */
static int check_name(const char *name, struct csn_error *err)
{
	size_t length = strlen(name);

	if (length <= 4 || length >= CSN_KEPT_NAME - 32 || name[0] == '.' || strchr(name, '/') ||
	    strcmp(name + length - 4, ".idx") != 0)
		return csn_fail(err, CSN_E_DENIED, "%s: not a name of a kept file", name);
	return 0;
}

int csn_kept_open(const char *folder, const char *name, int *ret_fd, struct csn_error *err)
{
	cleanup_close int fd = -1;
	char path[CSN_MAX_PATH];
	int rc = check_name(name, err);
	struct stat st;

	if (rc < 0)
		return rc;
	if ((size_t)snprintf(path, sizeof(path), "%s/%s", folder, name) >= sizeof(path))
		return csn_fail(err, CSN_E_LIMIT, "%s: its path is too long", name);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) < 0)
		return csn_fail_os(err, errno, "%s", path);
	if (!S_ISREG(st.st_mode) || (st.st_uid != geteuid() && st.st_uid != 0) ||
	    st.st_mode & (S_IWGRP | S_IWOTH))
		return csn_fail(err, CSN_E_DENIED, "%s: others may write it", path);
	if (csn_realtime_ns() / CSN_NS_PER_SECOND - st.st_mtime > TOUCH_SECONDS)
		(void)futimens(fd, NULL);
	*ret_fd = csn_take_fd(fd);
	return 0;
}

struct old_file {
	char name[CSN_KEPT_NAME];
	int64_t used; /* seconds since the epoch */
	uint64_t size_bytes;
};

static int compare_old(const void *a, const void *b)
{
	const struct old_file *x = a, *y = b;

	return x->used < y->used ? -1 : x->used > y->used;
}

/* Ours, and what a killed process left of them. */
static bool is_kept_name(const char *name)
{
	size_t length = strlen(name);

	return length > 5 && length < CSN_KEPT_NAME &&
	       (strcmp(name + length - 4, ".idx") == 0 || strcmp(name + length - 5, ".part") == 0);
}

/* Files of the folder into a list; ret_bytes: what they take together. */
static struct old_file *list_folder(DIR *folder, size_t *ret_count, uint64_t *ret_bytes)
{
	struct old_file *files = NULL;
	size_t capacity = 0;
	struct dirent *entry;
	struct stat st;

	*ret_count = 0;
	*ret_bytes = 0;
	while ((entry = readdir(folder))) {
		if (!is_kept_name(entry->d_name) ||
		    fstatat(dirfd(folder), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		if (*ret_count == capacity) {
			void *grown =
				reallocarray(files, capacity ? capacity * 2 : 256, sizeof(*files));

			if (!grown)
				break;
			capacity = capacity ? capacity * 2 : 256;
			files = grown;
		}
		snprintf(files[*ret_count].name, sizeof(files->name), "%s", entry->d_name);
		files[*ret_count].used = st.st_mtime;
		files[*ret_count].size_bytes = (uint64_t)st.st_size;
		*ret_bytes += files[(*ret_count)++].size_bytes;
	}
	return files;
}

/* Once the folder is full, what was not used for longest goes, until a quarter is free. */
static void trim(int folder_fd)
{
	int fd = openat(folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_(csn_closedirp) DIR *folder = fd < 0 ? NULL : fdopendir(fd);
	cleanup_free struct old_file *files = NULL;
	uint64_t bytes;
	size_t count;

	if (!folder) {
		if (fd >= 0)
			close(fd);
		return;
	}
	files = list_folder(folder, &count, &bytes);
	if (bytes <= CSN_MAX_ANSWERS_FOLDER)
		return;
	qsort(files, count, sizeof(*files), compare_old);
	for (size_t i = 0; i < count && bytes > CSN_MAX_ANSWERS_FOLDER / 4 * 3; i++) {
		if (unlinkat(folder_fd, files[i].name, 0) == 0)
			bytes -= files[i].size_bytes;
	}
}

static int open_folder(const char *folder)
{
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 && errno == ENOENT && csn_make_folders(folder, 0700, NULL) == 0)
		fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd;
}

int csn_kept_begin(struct csn_local_files *local, const char *name, int *ret_fd,
		   struct csn_error *err)
{
	cleanup_close int fd = -1;
	int rc = check_name(name, err);

	if (rc < 0)
		return rc;
	csn_local_files_done(local);
	local->folder_fd = open_folder(local->cache);
	if (local->folder_fd < 0)
		return csn_fail_os(err, errno, "%s", local->cache);
	snprintf(local->part, sizeof(local->part), "%s.%d.part", name, (int)getpid());
	fd = openat(local->folder_fd, local->part,
		    O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return csn_fail_os(err, errno, "%s", local->part);
	*ret_fd = csn_take_fd(fd);
	return 0;
}

int csn_kept_publish(struct csn_local_files *local, const char *name, struct csn_error *err)
{
	struct stat st;
	bool is_new;
	int rc = check_name(name, err);

	if (rc < 0)
		return rc;
	if (local->folder_fd < 0)
		return csn_fail(err, CSN_E_USAGE, "%s was not begun", name);
	is_new = fstatat(local->folder_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0;
	if (renameat(local->folder_fd, local->part, local->folder_fd, name) < 0)
		return csn_fail_os(err, errno, "%s", name);
	if (is_new)
		trim(local->folder_fd);
	close(local->folder_fd);
	local->folder_fd = -1;
	return 0;
}
