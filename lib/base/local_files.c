#include "base/local_files.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"

/* Named by hand, or in a folder that is. */
static bool is_given(const struct csn_local_files *local, const char *path, bool exactly)
{
	for (size_t i = 0; i < local->n_given; i++) {
		const char *given = local->given[i];
		size_t length = given ? strlen(given) : 0;

		if (!length || strncmp(path, given, length) != 0)
			continue;
		if (!path[length] ||
		    (!exactly && (path[length] == '/' || given[length - 1] == '/')))
			return true;
	}
	return false;
}

/* Kernels before 5.6 have no openat2; there, the checks of the open file must do. */
static int open_without_waiting(const char *path, bool through_magic_links)
{
	struct open_how how = {
		.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
		.resolve = through_magic_links ? 0 : RESOLVE_NO_MAGICLINKS,
	};
	long fd = syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how));

	if (fd < 0 && errno == ENOSYS)
		return open(path, (int)how.flags);
	return (int)fd;
}

/* File systems whose files are the kernel's memory. */
static bool is_of_kernel(int fd)
{
	static const unsigned long kinds[] = { PROC_SUPER_MAGIC, SYSFS_MAGIC, DEBUGFS_MAGIC,
					       TRACEFS_MAGIC };
	struct statfs fs;

	if (fstatfs(fd, &fs) < 0)
		return true;
	for (size_t i = 0; i < csn_countof(kinds); i++)
		if ((unsigned long)fs.f_type == kinds[i])
			return true;
	return false;
}

static int open_regular(const char *path, bool given, int *ret_fd, struct csn_error *err)
{
	cleanup_close int fd = -1;
	struct stat st;

	/* To open a pipe or a device is to do something to it, whoever wrote the path. */
	if (stat(path, &st) == 0 && !S_ISREG(st.st_mode))
		return csn_fail(err, CSN_E_FORMAT, "%s: not a regular file", path);
	fd = open_without_waiting(path, given);
	if (fd < 0 || fstat(fd, &st) < 0)
		return csn_fail_os(err, errno, "%s", path);
	if (!S_ISREG(st.st_mode))
		return csn_fail(err, CSN_E_FORMAT, "%s: not a regular file", path);
	if ((uint64_t)st.st_size > CSN_MAX_OBJECT_FILE)
		return csn_fail(err, CSN_E_LIMIT, "%s: larger than %llu GiB", path,
				CSN_MAX_OBJECT_FILE / CSN_GIB);
	if (is_of_kernel(fd))
		return csn_fail(err, CSN_E_DENIED, "%s: a file of the kernel's own", path);
	*ret_fd = csn_take_fd(fd);
	return 0;
}

/* e_type is the same field in every class; the byte order is not asked for, so both count. */
static int check_object(int fd, const char *path, struct csn_error *err)
{
	uint8_t head[EI_NIDENT + 2];
	ssize_t n = csn_pread_full(fd, head, sizeof(head), 0);

	if (n < 0)
		return csn_fail_os(err, (int)-n, "%s", path);
	if (n != sizeof(head) || memcmp(head, ELFMAG, SELFMAG) != 0)
		return csn_fail(err, CSN_E_FORMAT, "%s: not an ELF file", path);
	if (head[EI_NIDENT] + head[EI_NIDENT + 1] == ET_CORE)
		return csn_fail(err, CSN_E_DENIED, "%s: a core, not an object", path);
	return 0;
}

static int open_object(const struct csn_local_files *local, const char *path, int *ret_fd,
		       struct csn_error *err)
{
	cleanup_close int fd = -1;
	int rc = open_regular(path, is_given(local, path, false), &fd, err);

	if (rc == 0)
		rc = check_object(fd, path, err);
	if (rc == 0)
		*ret_fd = csn_take_fd(fd);
	return rc;
}

static int local_open(void *context, enum csn_open_kind kind, const char *name, int *ret_fd,
		      struct csn_error *err)
{
	struct csn_local_files *local = context;

	switch (kind) {
	case CSN_OPEN_OBJECT:
		return open_object(local, name, ret_fd, err);
	case CSN_OPEN_GIVEN:
		if (is_given(local, name, true))
			return open_regular(name, true, ret_fd, err);
		break;
	case CSN_OPEN_KEPT:
		if (local->cache)
			return csn_kept_open(local->cache, name, ret_fd, err);
		break;
	case CSN_OPEN_FRESH:
		if (local->cache)
			return csn_kept_begin(local, name, ret_fd, err);
		break;
	case CSN_N_OPEN_KINDS:
		break;
	}
	return csn_fail(err, CSN_E_DENIED, "%s: not a file to be opened", name);
}

static int local_locate(void *context, const char *path, char ret_path[CSN_MAX_PATH],
			struct csn_error *err)
{
	cleanup_close int fd = -1;
	char link[64];
	ssize_t length;
	int rc = open_object(context, path, &fd, err);

	if (rc < 0)
		return rc;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	length = readlink(link, ret_path, CSN_MAX_PATH);
	if (length <= 0 || length >= CSN_MAX_PATH)
		return csn_fail_os(err, length < 0 ? errno : ENAMETOOLONG, "%s", path);
	ret_path[length] = '\0';
	return 0;
}

static int local_publish(void *context, const char *name, struct csn_error *err)
{
	return csn_kept_publish(context, name, err);
}

void csn_local_files_init(struct csn_local_files *local, const char *cache)
{
	*local = (struct csn_local_files){ .cache = cache, .folder_fd = -1 };
}

void csn_local_files_done(struct csn_local_files *local)
{
	if (local->folder_fd < 0)
		return;
	(void)unlinkat(local->folder_fd, local->part, 0);
	close(local->folder_fd);
	local->folder_fd = -1;
}

struct csn_opener csn_local_files_opener(struct csn_local_files *local)
{
	return (struct csn_opener){ local_open, local_locate, local_publish, NULL, local };
}
