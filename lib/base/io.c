#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/limits.h"
#include "base/uuid.h"

/* offset: of a pread, or negative for a read at the descriptor's own. */
static ssize_t read_all(int fd, void *data, size_t size_bytes, off_t offset)
{
	size_t done = 0;
	ssize_t n;

	while (done < size_bytes) {
		char *to = (char *)data + done;
		size_t left = size_bytes - done;

		n = offset < 0 ? read(fd, to, left) : pread(fd, to, left, offset + (off_t)done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

ssize_t csn_read_full(int fd, void *data, size_t size_bytes)
{
	return read_all(fd, data, size_bytes, -1);
}

ssize_t csn_pread_full(int fd, void *data, size_t size_bytes, off_t offset)
{
	return offset < 0 ? -EINVAL : read_all(fd, data, size_bytes, offset);
}

static int write_all(int fd, const void *data, size_t size_bytes, off_t offset)
{
	size_t done = 0;
	ssize_t n;

	while (done < size_bytes) {
		const char *from = (const char *)data + done;
		size_t left = size_bytes - done;

		n = offset < 0 ? write(fd, from, left)
			       : pwrite(fd, from, left, offset + (off_t)done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		done += (size_t)n;
	}
	return 0;
}

int csn_write_full(int fd, const void *data, size_t size_bytes)
{
	return write_all(fd, data, size_bytes, -1);
}

int csn_pwrite_full(int fd, const void *data, size_t size_bytes, off_t offset)
{
	return offset < 0 ? -EINVAL : write_all(fd, data, size_bytes, offset);
}

int csn_read_fd(int fd, const char *name, struct csn_buf *buf, struct csn_error *err)
{
	char block[16 * 1024];
	struct stat status;
	ssize_t n;

	/* What cannot fit is not read up to where it does not: a file may say it has terabytes. */
	if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode) &&
	    status.st_size > (off_t)csn_min_u64(buf->max, INT64_MAX))
		return csn_fail(err, CSN_E_LIMIT, "%s: larger than %zu bytes", name, buf->max);
	for (;;) {
		n = csn_read_full(fd, block, sizeof(block));
		if (n < 0)
			return csn_fail_os(err, (int)-n, "%s", name);
		if (n == 0)
			return csn_buf_check(buf, name, err);
		csn_buf_append(buf, block, (size_t)n);
		if (!csn_buf_ok(buf))
			return csn_buf_check(buf, name, err);
	}
}

int csn_read_file(int dir_fd, const char *path, struct csn_buf *buf, struct csn_error *err)
{
	cleanup_close int fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	if (fd < 0)
		return csn_fail_os(err, errno, "%s", path);
	return csn_read_fd(fd, path, buf, err);
}

int csn_copy_fd(int from_fd, int to_fd, uint64_t max_bytes, uint64_t *ret_bytes,
		struct csn_error *err)
{
	char block[64 * 1024];
	uint64_t total = 0;
	ssize_t n;
	int r;

	while ((n = csn_read_full(from_fd, block, sizeof(block))) > 0) {
		total += (uint64_t)n;
		if (total > max_bytes)
			return csn_fail(err, CSN_E_LIMIT, "more than %llu bytes",
					(unsigned long long)max_bytes);
		r = csn_write_full(to_fd, block, (size_t)n);
		if (r < 0)
			return csn_fail_os(err, -r, "write");
	}
	if (n < 0)
		return csn_fail_os(err, (int)-n, "read");
	if (ret_bytes)
		*ret_bytes = total;
	return 0;
}

static int open_folder_of(struct csn_publish *publish, int dir_fd, const char *path,
			  struct csn_error *err)
{
	const char *slash = strrchr(path, '/');
	cleanup_free char *folder = NULL;

	publish->name = strdup(slash ? slash + 1 : path);
	folder = slash ? strndup(path, slash == path ? 1 : (size_t)(slash - path)) : strdup(".");
	if (!publish->name || !folder)
		return csn_fail_nomem(err);
	if (!*publish->name)
		return csn_fail(err, CSN_E_USAGE, "%s: a folder, not a file name", path);
	publish->dir_fd = openat(dir_fd, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (publish->dir_fd < 0)
		return csn_fail_os(err, errno, "%s", folder);
	return 0;
}

/* File systems without O_TMPFILE get a ".part" name that is unlinked unless committed. */
static int open_part(struct csn_publish *publish, mode_t mode, struct csn_error *err)
{
	char uuid[CSN_UUID_TEXT];

	csn_uuid_format_random(uuid);
	if (asprintf(&publish->part, ".%s.%.8s.part", publish->name, uuid) < 0) {
		publish->part = NULL;
		return csn_fail_nomem(err);
	}
	publish->fd = openat(publish->dir_fd, publish->part,
			     O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
	if (publish->fd < 0)
		return csn_fail_os(err, errno, "%s", publish->part);
	return 0;
}

int csn_publish_begin(struct csn_publish *publish, int dir_fd, const char *path, mode_t mode,
		      struct csn_error *err)
{
	int r;

	*publish = (struct csn_publish)CSN_PUBLISH_INIT;
	r = open_folder_of(publish, dir_fd, path, err);
	if (r < 0) {
		csn_publish_done(publish);
		return r;
	}
	publish->fd = openat(publish->dir_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, mode);
	if (publish->fd >= 0)
		return 0;
	if (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL && errno != ENOENT)
		r = csn_fail_os(err, errno, "%s", path);
	else
		r = open_part(publish, mode, err);
	if (r < 0)
		csn_publish_done(publish);
	return r;
}

static int link_name(struct csn_publish *publish, const char *name)
{
	char self[64];

	if (publish->part)
		return linkat(publish->dir_fd, publish->part, publish->dir_fd, name, 0);
	snprintf(self, sizeof(self), "/proc/self/fd/%d", publish->fd);
	return linkat(AT_FDCWD, self, publish->dir_fd, name, AT_SYMLINK_FOLLOW);
}

/* linkat cannot replace: link under a temporary name, then rename over. */
static int replace_name(struct csn_publish *publish)
{
	char temporary[64], uuid[CSN_UUID_TEXT];

	csn_uuid_format_random(uuid);
	snprintf(temporary, sizeof(temporary), ".%s.part", uuid);
	if (link_name(publish, temporary) < 0)
		return -1;
	if (renameat(publish->dir_fd, temporary, publish->dir_fd, publish->name) == 0)
		return 0;
	unlinkat(publish->dir_fd, temporary, 0);
	return -1;
}

/* A device, a pipe or a folder (also behind a link) is nobody's old version of the file. */
static int check_replaceable(const struct csn_publish *publish, struct csn_error *err)
{
	struct stat status;

	if (fstatat(publish->dir_fd, publish->name, &status, 0) < 0 || S_ISREG(status.st_mode))
		return 0;
	return csn_fail(err, CSN_E_USAGE, "%s: exists and is no regular file; give another name",
			publish->name);
}

int csn_publish_link(struct csn_publish *publish, bool replace, struct csn_error *err)
{
	int r = replace ? check_replaceable(publish, err) : 0;

	if (r < 0)
		return r;
	if (fsync(publish->fd) < 0)
		return csn_fail_os(err, errno, "%s", publish->name);
	r = link_name(publish, publish->name);
	if (r < 0 && errno == EEXIST && replace)
		r = replace_name(publish);
	if (r < 0)
		return csn_fail_os(err, errno, "%s", publish->name);
	if (publish->part)
		unlinkat(publish->dir_fd, publish->part, 0);
	free(csn_take(publish->part));
	publish->linked = true;
	return 0;
}

int csn_publish_commit(struct csn_publish *publish, bool replace, struct csn_error *err)
{
	int r = publish->linked ? 0 : csn_publish_link(publish, replace, err);

	if (r < 0)
		return r;
	if (fsync(publish->dir_fd) < 0 && errno != EINVAL)
		return csn_fail_os(err, errno, "folder of %s", publish->name);
	csn_publish_done(publish);
	return 0;
}

void csn_publish_done(struct csn_publish *publish)
{
	if (publish->part && publish->dir_fd >= 0)
		unlinkat(publish->dir_fd, publish->part, 0);
	if (publish->fd >= 0)
		close(publish->fd);
	if (publish->dir_fd >= 0)
		close(publish->dir_fd);
	free(publish->name);
	free(publish->part);
	*publish = (struct csn_publish)CSN_PUBLISH_INIT;
}

int csn_write_file(int dir_fd, const char *path, const void *data, size_t size_bytes, mode_t mode,
		   struct csn_error *err)
{
	cleanup_(csn_publish_done) struct csn_publish publish = CSN_PUBLISH_INIT;
	int r = csn_publish_begin(&publish, dir_fd, path, mode, err);

	if (r < 0)
		return r;
	r = csn_write_full(publish.fd, data, size_bytes);
	if (r < 0)
		return csn_fail_os(err, -r, "%s", path);
	return csn_publish_commit(&publish, true, err);
}

int csn_make_folders(const char *path, mode_t mode, struct csn_error *err)
{
	cleanup_free char *copy = strdup(path);
	char *slash;

	if (!copy)
		return csn_fail_nomem(err);
	for (slash = strchr(copy + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(copy, mode) < 0 && errno != EEXIST)
			return csn_fail_os(err, errno, "%s", copy);
		*slash = '/';
	}
	if (mkdir(copy, mode) < 0 && errno != EEXIST)
		return csn_fail_os(err, errno, "%s", copy);
	return 0;
}

int csn_unlink_synced(int dir_fd, const char *name, struct csn_error *err)
{
	if (unlinkat(dir_fd, name, 0) < 0 && errno != ENOENT)
		return csn_fail_os(err, errno, "%s", name);
	if (dir_fd >= 0 && fsync(dir_fd) < 0 && errno != EINVAL)
		return csn_fail_os(err, errno, "folder of %s", name);
	return 0;
}
