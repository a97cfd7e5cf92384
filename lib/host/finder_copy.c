#include "host/finder_copy.h"

#include <elf.h>
#include <errno.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/limits.h"

#define BLOCK (256 * CSN_KIB)

enum finder_packing finder_packing_of(int fd)
{
	static const struct {
		enum finder_packing packing;
		size_t length;
		const char *magic;
	} rows[] = {
		{ FINDER_PLAIN, SELFMAG, ELFMAG },
		{ FINDER_GZIP, 3, "\x1f\x8b\x08" },
		{ FINDER_ZSTD, 4, "\x28\xb5\x2f\xfd" },
		{ FINDER_UNKNOWN_PACKING, 4, "\x04\x22\x4d\x18" },
		{ FINDER_UNKNOWN_PACKING, 6, "\xfd\x37zXZ\0" },
	};
	char head[8] = "";
	ssize_t n = csn_pread_full(fd, head, sizeof(head), 0);
	size_t i;

	for (i = 0; i < csn_countof(rows); i++)
		if (n >= (ssize_t)rows[i].length &&
		    memcmp(head, rows[i].magic, rows[i].length) == 0)
			return rows[i].packing;
	return FINDER_NO_CORE;
}

static int copy_by_hand(int from_fd, int to_fd, off_t at, off_t end, struct csn_error *err)
{
	cleanup_free char *block = malloc(BLOCK);

	if (!block)
		return csn_fail_nomem(err);
	while (at < end) {
		size_t want = end - at < (off_t)BLOCK ? (size_t)(end - at) : (size_t)BLOCK;
		ssize_t n = csn_pread_full(from_fd, block, want, at);
		int r;

		if (n < 0)
			return csn_fail_os(err, (int)-n, "read");
		if (n == 0)
			return 0; /* it became shorter under us: what is missing is a hole */
		r = csn_pwrite_full(to_fd, block, (size_t)n, at);
		if (r < 0)
			return csn_fail_os(err, -r, "write");
		at += n;
	}
	return 0;
}

/* In the kernel where it can, by hand where not (other file systems, old kernels). */
static int copy_range(int from_fd, int to_fd, off_t at, off_t end, struct csn_error *err)
{
	while (at < end) {
		off_t from = at, to = at;
		ssize_t n = copy_file_range(from_fd, &from, to_fd, &to, (size_t)(end - at), 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == ENOSPC || errno == EDQUOT || errno == EFBIG || errno == EIO))
			return csn_fail_os(err, errno, "write");
		if (n <= 0)
			return copy_by_hand(from_fd, to_fd, at, end, err);
		at += n;
	}
	return 0;
}

int finder_copy(int from_fd, int to_fd, uint64_t size_bytes, struct csn_error *err)
{
	off_t at = 0, end = (off_t)size_bytes, data, hole;

	if (ioctl(to_fd, FICLONE, from_fd) == 0)
		return 0;
	if (ftruncate(to_fd, end) < 0)
		return csn_fail_os(err, errno, "write");
	while (at < end) {
		int r;

		data = lseek(from_fd, at, SEEK_DATA);
		if (data < 0 && errno == ENXIO)
			return 0; /* nothing but a hole is left */
		hole = data < 0 ? end : lseek(from_fd, data, SEEK_HOLE);
		if (data < 0)
			data = at;
		if (hole <= data || hole > end)
			hole = end;
		r = copy_range(from_fd, to_fd, data, hole, err);
		if (r < 0)
			return r;
		at = hole;
	}
	return 0;
}
