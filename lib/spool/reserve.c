#include "spool/reserve.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"

#define FOLDER "reserve"
#define NAME_TEXT 16

static const char *name_of(unsigned piece, char name[NAME_TEXT])
{
	snprintf(name, NAME_TEXT, "%02u", piece);
	return name;
}

static int open_folder(const struct csn_spool *spool)
{
	return openat(spool->dir_fd, FOLDER, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
}

/* A piece that is not allocated holds nothing. */
static bool is_piece(int folder_fd, unsigned piece)
{
	char name[NAME_TEXT];
	struct stat status;

	return fstatat(folder_fd, name_of(piece, name), &status, AT_SYMLINK_NOFOLLOW) == 0 &&
	       S_ISREG(status.st_mode) &&
	       (uint64_t)status.st_blocks * 512 >= CSN_RESERVE_PIECE_BYTES;
}

unsigned csn_reserve_count(const struct csn_spool *spool)
{
	cleanup_close int fd = open_folder(spool);
	unsigned piece, count = 0;

	for (piece = 0; fd >= 0 && piece < CSN_RESERVE_PIECES; piece++)
		count += is_piece(fd, piece);
	return count;
}

bool csn_reserve_release(const struct csn_spool *spool)
{
	cleanup_close int fd = open_folder(spool);
	char name[NAME_TEXT];
	unsigned piece;

	for (piece = CSN_RESERVE_PIECES; fd >= 0 && piece > 0; piece--)
		if (unlinkat(fd, name_of(piece - 1, name), 0) == 0)
			return true;
	return false;
}

/* Where a file system cannot allocate ahead, it is written. */
static int fill(int fd)
{
	uint8_t block[4096] = { 0 };
	uint32_t at;
	int r = 0;

	if (fallocate(fd, 0, 0, CSN_RESERVE_PIECE_BYTES) == 0)
		return 0;
	if (errno != EOPNOTSUPP)
		return -errno;
	for (at = 0; r == 0 && at < CSN_RESERVE_PIECE_BYTES; at += sizeof(block))
		r = csn_pwrite_full(fd, block, sizeof(block), at);
	return r;
}

static int make_piece(const struct csn_spool *spool, int folder_fd, unsigned piece,
		      struct csn_error *err)
{
	char name[NAME_TEXT];
	cleanup_close int fd =
		openat(folder_fd, name_of(piece, name),
		       O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
	int r;

	if (fd < 0)
		return csn_fail_os(err, errno, FOLDER);
	if (!csn_spool_is_plain(fd))
		return csn_fail(err, CSN_E_DENIED, FOLDER "/%s: not a plain file", name);
	if (geteuid() == 0 && fchown(fd, spool->uid, spool->gid) < 0)
		return csn_fail_os(err, errno, FOLDER);
	r = fill(fd);
	if (r == 0)
		return 0;
	/* Half a piece keeps others from the room and gives us none. */
	(void)unlinkat(folder_fd, name, 0);
	return csn_fail_os(err, -r, FOLDER);
}

int csn_reserve_make(const struct csn_spool *spool, struct csn_error *err)
{
	cleanup_close int fd = -1;
	unsigned piece;
	int r = 0;

	if (mkdirat(spool->dir_fd, FOLDER, 0700) < 0 && errno != EEXIST)
		return csn_fail_os(err, errno, FOLDER);
	fd = open_folder(spool);
	if (fd < 0)
		return csn_fail_os(err, errno, FOLDER);
	if (geteuid() == 0 && fchown(fd, spool->uid, spool->gid) < 0)
		return csn_fail_os(err, errno, FOLDER);
	for (piece = 0; r == 0 && piece < CSN_RESERVE_PIECES; piece++)
		if (!is_piece(fd, piece))
			r = make_piece(spool, fd, piece, err);
	return r;
}
