#include "spool/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/limits.h"

#define FOLDER_FLAGS (O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)

const char *csn_stage_name(enum csn_stage stage)
{
	static const char *const names[CSN_N_STAGES] = { "pending", "sending", "kept",
							 "quarantine" };

	return names[stage];
}

/* Makes name below dir_fd unless it exists; a new folder is given to uid:gid when we are root. */
static int make_folder(int dir_fd, const char *name, mode_t mode, uid_t uid, gid_t gid,
		       struct csn_error *err)
{
	cleanup_close int fd = -1;

	if (mkdirat(dir_fd, name, mode) < 0)
		return errno == EEXIST ? 0 : csn_fail_os(err, errno, "%s", name);
	fd = openat(dir_fd, name, FOLDER_FLAGS);
	if (fd < 0)
		return csn_fail_os(err, errno, "%s", name);
	if (geteuid() == 0 && fchown(fd, uid, gid) < 0)
		return csn_fail_os(err, errno, "%s", name);
	if (fchmod(fd, mode) < 0)
		return csn_fail_os(err, errno, "%s", name);
	return 0;
}

/* "/a/b/c" into "/a/b" and "c". */
static int split_path(const char *path, char *folder, size_t folder_size, const char **ret_name,
		      struct csn_error *err)
{
	const char *slash = strrchr(path, '/');

	if (*path != '/' || !slash || !slash[1])
		return csn_fail(err, CSN_E_USAGE, "%s: not the absolute path of a folder", path);
	if ((size_t)(slash - path) >= folder_size)
		return csn_fail(err, CSN_E_LIMIT, "the path is too long");
	snprintf(folder, folder_size, "%.*s", slash == path ? 1 : (int)(slash - path), path);
	*ret_name = slash + 1;
	return 0;
}

static int make_beside(const char *path, uid_t uid, gid_t gid, struct csn_error *err)
{
	char above[CSN_MAX_PATH] = "";
	cleanup_close int fd = -1;
	const char *name = "";
	struct stat status;
	int r;

	if (stat(path, &status) == 0)
		return 0;
	r = split_path(path, above, sizeof(above), &name, err);
	if (r < 0)
		return r;
	r = csn_make_folders(above, 0755, err);
	if (r < 0)
		return r;
	fd = open(above, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return csn_fail_os(err, errno, "%s", above);
	return make_folder(fd, name, 0755, uid, gid, err);
}

int csn_spool_make(const char *path, uid_t uid, gid_t gid, struct csn_error *err)
{
	static const char *const folders[] = { "pending", "sending", "kept", "quarantine",
					       "assets" };
	char beside[CSN_MAX_PATH] = "";
	cleanup_close int beside_fd = -1;
	cleanup_close int dir_fd = -1;
	const char *name = "";
	size_t i;
	int r;

	r = split_path(path, beside, sizeof(beside), &name, err);
	if (r == 0)
		r = make_beside(beside, uid, gid, err);
	if (r < 0)
		return csn_wrap(err, "%s", path);
	beside_fd = open(beside, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (beside_fd < 0)
		return csn_fail_os(err, errno, "%s", beside);
	r = make_folder(beside_fd, name, 0700, uid, gid, err);
	if (r == 0)
		r = make_folder(beside_fd, "state", 0700, uid, gid, err);
	if (r == 0)
		r = make_folder(beside_fd, "ticks", 0700, uid, gid, err);
	if (r < 0)
		return csn_wrap(err, "%s", beside);
	dir_fd = openat(beside_fd, name, FOLDER_FLAGS);
	if (dir_fd < 0)
		return csn_fail_os(err, errno, "%s", path);
	for (i = 0; i < csn_countof(folders); i++) {
		r = make_folder(dir_fd, folders[i], 0700, uid, gid, err);
		if (r < 0)
			return csn_wrap(err, "%s", path);
	}
	return 0;
}

/* Opens a folder of the spool and insists that it is the spool user's alone. */
static int open_folder(struct csn_spool *spool, int at_fd, const char *name, int *ret_fd,
		       struct csn_error *err)
{
	cleanup_close int fd = openat(at_fd, name, FOLDER_FLAGS);
	struct stat status;

	if (fd < 0 && errno == ENOENT)
		return csn_fail(err, CSN_E_NOT_FOUND, "%s: no such folder", name);
	if (fd < 0)
		return csn_fail_os(err, errno, "%s", name);
	if (fstat(fd, &status) < 0)
		return csn_fail_os(err, errno, "%s", name);
	if (spool->uid == (uid_t)-1) {
		spool->uid = status.st_uid;
		spool->gid = status.st_gid;
	}
	if (status.st_uid != spool->uid)
		return csn_fail(err, CSN_E_DENIED,
				"%s: belongs to user %u, the spool to user %u; chown it", name,
				(unsigned)status.st_uid, (unsigned)spool->uid);
	if (status.st_mode & 022)
		return csn_fail(err, CSN_E_DENIED,
				"%s: writable by others than its owner; chmod 700 it", name);
	*ret_fd = csn_take_fd(fd);
	return 0;
}

static int open_or_make(struct csn_spool *spool, int at_fd, const char *name, int *ret_fd,
			struct csn_error *err)
{
	int r = make_folder(at_fd, name, 0700, spool->uid, spool->gid, err);

	return r < 0 ? r : open_folder(spool, at_fd, name, ret_fd, err);
}

static int open_all(struct csn_spool *spool, struct csn_error *err)
{
	char beside[CSN_MAX_PATH] = "";
	const char *name = "";
	int r = split_path(spool->path, beside, sizeof(beside), &name, err);

	if (r < 0)
		return r;
	spool->beside_fd = open(beside, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (spool->beside_fd < 0 && errno == ENOENT)
		return csn_fail(err, CSN_E_NOT_FOUND, "no such folder");
	if (spool->beside_fd < 0)
		return csn_fail_os(err, errno, "%s", beside);
	r = open_folder(spool, spool->beside_fd, name, &spool->dir_fd, err);
	if (r == 0)
		r = open_folder(spool, spool->dir_fd, "pending",
				&spool->stage_fd[CSN_STAGE_PENDING], err);
	if (r == 0)
		r = open_folder(spool, spool->dir_fd, "sending",
				&spool->stage_fd[CSN_STAGE_SENDING], err);
	if (r == 0)
		r = open_or_make(spool, spool->dir_fd, "assets", &spool->assets_fd, err);
	if (r == 0)
		r = open_or_make(spool, spool->dir_fd, "kept", &spool->stage_fd[CSN_STAGE_KEPT],
				 err);
	if (r == 0)
		r = open_or_make(spool, spool->dir_fd, "quarantine",
				 &spool->stage_fd[CSN_STAGE_QUARANTINE], err);
	if (r == 0)
		r = open_or_make(spool, spool->beside_fd, "state", &spool->state_fd, err);
	if (r == 0)
		r = open_or_make(spool, spool->beside_fd, "ticks", &spool->ticks_fd, err);
	return r;
}

int csn_spool_open(const char *path, struct csn_spool *ret_spool, struct csn_error *err)
{
	struct csn_spool spool = CSN_SPOOL_INIT;
	int n = snprintf(spool.path, sizeof(spool.path), "%s", path), r;

	spool.uid = (uid_t)-1;
	while (n > 1 && n < (int)sizeof(spool.path) && spool.path[n - 1] == '/')
		spool.path[--n] = '\0';
	r = n < (int)sizeof(spool.path) ? open_all(&spool, err)
					: csn_fail(err, CSN_E_LIMIT, "the path is too long");
	if (r < 0) {
		csn_spool_close(&spool);
		return csn_wrap(err, "%s", path);
	}
	*ret_spool = spool;
	return 0;
}

void csn_spool_close(struct csn_spool *spool)
{
	size_t i;

	csn_closep(&spool->dir_fd);
	csn_closep(&spool->beside_fd);
	csn_closep(&spool->assets_fd);
	csn_closep(&spool->state_fd);
	csn_closep(&spool->ticks_fd);
	for (i = 0; i < CSN_N_STAGES; i++)
		csn_closep(&spool->stage_fd[i]);
	*spool = (struct csn_spool)CSN_SPOOL_INIT;
}

bool csn_spool_is_plain(int fd)
{
	struct stat status;

	return fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_nlink == 1;
}

static int open_log(const struct csn_spool *spool)
{
	return openat(spool->beside_fd, "log",
		      O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0640);
}

int csn_spool_open_log(const struct csn_spool *spool, int *ret_fd, struct csn_error *err)
{
	cleanup_close int fd = open_log(spool);
	struct stat status;

	if (fd < 0 || fstat(fd, &status) < 0)
		return csn_fail_os(err, errno, "log");
	if (S_ISREG(status.st_mode) && status.st_size > (off_t)CSN_MAX_SPOOL_LOG) {
		(void)renameat(spool->beside_fd, "log", spool->beside_fd, "log.1");
		csn_closep(&fd);
		fd = open_log(spool);
		if (fd < 0 || fstat(fd, &status) < 0)
			return csn_fail_os(err, errno, "log");
	}
	if (!csn_spool_is_plain(fd))
		return csn_fail(err, CSN_E_DENIED, "log: not a plain file of one name");
	/* Readable by the group whatever the umask of who makes it. */
	if (status.st_uid == geteuid() && (status.st_mode & 0777) != 0640)
		(void)fchmod(fd, 0640);
	if (geteuid() == 0 && status.st_uid != spool->uid && fchown(fd, spool->uid, spool->gid) < 0)
		return csn_fail_os(err, errno, "log");
	*ret_fd = csn_take_fd(fd);
	return 0;
}

bool csn_spool_is_gone(const struct csn_spool *spool)
{
	struct stat status;
	size_t i;

	for (i = 0; i < CSN_N_STAGES; i++)
		if (fstat(spool->stage_fd[i], &status) < 0 || status.st_nlink == 0)
			return true;
	return fstat(spool->assets_fd, &status) < 0 || status.st_nlink == 0;
}

bool csn_spool_is_read_only(const struct csn_spool *spool)
{
	struct statvfs status;

	return fstatvfs(spool->stage_fd[CSN_STAGE_PENDING], &status) == 0 &&
	       (status.f_flag & ST_RDONLY);
}

uint64_t csn_quota_threshold(const struct csn_quota *quota, uint64_t total_bytes,
			     uint64_t block_bytes)
{
	uint64_t wanted = quota->bytes;

	if (quota->permyriad)
		wanted = total_bytes / 10000 * quota->permyriad +
			 total_bytes % 10000 * quota->permyriad / 10000;
	if (block_bytes && wanted % block_bytes)
		wanted += block_bytes - wanted % block_bytes;
	return wanted;
}

int csn_spool_get_space(const struct csn_spool *spool, const struct csn_quota *quota,
			struct csn_spool_space *ret_space, struct csn_error *err)
{
	struct statvfs status;

	if (fstatvfs(spool->dir_fd, &status) < 0)
		return csn_fail_os(err, errno, "%s", spool->path);
	*ret_space = (struct csn_spool_space){
		.total_bytes = (uint64_t)status.f_blocks * status.f_frsize,
		.free_bytes = (uint64_t)status.f_bavail * status.f_frsize,
	};
	ret_space->threshold_bytes =
		csn_quota_threshold(quota, ret_space->total_bytes, status.f_frsize);
	ret_space->below = ret_space->free_bytes < ret_space->threshold_bytes;
	return 0;
}
