/* The embedded blob engine: small blobs in pack files, large ones as files.
 *
 *	packs/00000001.pack   records, each: magic, CRC, length, uuid, bytes, padding to 8
 *	files/000001/0000000000000102   one large blob, made unnamed and linked when whole
 *
 * A pack is only ever appended to, and one fdatasync covers a whole commit group. A dropped record
 * keeps its header, marked dead, so that the pack can still be walked; its bytes are given back to
 * the file system as a hole, and a pack without a live record is removed.
 *
 * References: "p:PACK:OFFSET:LENGTH" and "f:NUMBER:LENGTH:CRC".
 *
 * Threads: put, sync, undo, position, restore, keep and drop under the store's writer lock; get
 * from anywhere (it opens what it reads). */
#include "store/blobs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/hash.h"
#include "base/io.h"
#include "base/limits.h"
#include "base/text.h"

#define RECORD_LIVE 0x314e5343u /* "CSN1" */
#define RECORD_DEAD 0x304e5343u /* "CSN0" */
#define SMALL_MAX (256 * CSN_KIB)
#define PACK_MAX (64 * CSN_MIB)

struct record {
	uint32_t magic, crc;
	uint64_t length;
	uint8_t uuid[16];
};

struct place {
	uint32_t pack;
	uint64_t end;
	uint64_t file; /* number of the last large file */
};

struct files {
	int dir_fd, packs_fd, files_fd;
	int pack_fd; /* of now.pack */
	struct place now, kept;
	bool dirty;
	struct {
		uint32_t pack; /* 0 unused */
		uint32_t live;
	} counted[64]; /* live records of the packs that drops touched lately */
};

static void pack_name(uint32_t pack, char name[32])
{
	snprintf(name, 32, "%08" PRIu32 ".pack", pack);
}

static void file_name(uint64_t number, char name[64])
{
	snprintf(name, 64, "%06" PRIx64 "/%016" PRIx64, number >> 8, number);
}

/* "1:2:3": exactly n numbers. */
static bool parse_numbers(const char *text, uint64_t *numbers, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		size_t length = strcspn(text, ":");
		char digits[24];

		if (length >= sizeof(digits) || (text[length] == ':') != (i + 1 < n))
			return false;
		memcpy(digits, text, length);
		digits[length] = '\0';
		if (!csn_parse_u64(digits, 10, &numbers[i]))
			return false;
		text += length + 1;
	}
	return true;
}

/* A full disk is a LIMIT wherever it shows. */
static int fail_disk(struct csn_error *err, int errnum, const char *what)
{
	if (errnum == ENOSPC || errnum == EDQUOT || errnum == EFBIG)
		return csn_fail(err, CSN_E_LIMIT, "%s: the disk is full", what);
	return csn_fail_os(err, errnum, "%s", what);
}

static int pack_open(struct files *files, uint32_t pack, struct csn_error *err)
{
	char name[32];

	pack_name(pack, name);
	if (files->pack_fd >= 0)
		close(files->pack_fd);
	files->pack_fd = openat(files->packs_fd, name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (files->pack_fd < 0 || fsync(files->packs_fd) < 0)
		return fail_disk(err, errno, name);
	return 0;
}

static int pack_roll(struct files *files, struct csn_error *err)
{
	/* A put that failed may have left bytes behind the end. */
	if (ftruncate(files->pack_fd, (off_t)files->now.end) < 0 || fdatasync(files->pack_fd) < 0)
		return fail_disk(err, errno, "pack");
	files->now.pack++;
	files->now.end = 0;
	return pack_open(files, files->now.pack, err);
}

static int put_small(struct files *files, const uint8_t uuid[16], const void *data, size_t size,
		     struct csn_blob_ref *ret_ref, struct csn_error *err)
{
	static const char padding[8] = { 0 };
	struct record record = { RECORD_LIVE, csn_crc32(data, size), size, { 0 } };
	uint64_t start;
	int r = 0;

	if (files->now.end >= PACK_MAX)
		r = pack_roll(files, err);
	if (r < 0)
		return r;
	memcpy(record.uuid, uuid, sizeof(record.uuid));
	start = files->now.end;
	r = csn_pwrite_full(files->pack_fd, &record, sizeof(record), (off_t)start);
	if (r == 0)
		r = csn_pwrite_full(files->pack_fd, data, size, (off_t)(start + sizeof(record)));
	if (r == 0)
		r = csn_pwrite_full(files->pack_fd, padding, -size & 7,
				    (off_t)(start + sizeof(record) + size));
	if (r < 0)
		return fail_disk(err, -r, "pack");
	files->now.end = (start + sizeof(record) + size + 7) & ~7ull;
	files->dirty = true;
	for (size_t i = 0; i < csn_countof(files->counted); i++)
		if (files->counted[i].pack == files->now.pack)
			files->counted[i].pack = 0;
	snprintf(ret_ref->text, sizeof(ret_ref->text), "p:%" PRIu32 ":%" PRIu64 ":%zu",
		 files->now.pack, start, size);
	return 0;
}

static int put_large(struct files *files, const void *data, size_t size,
		     struct csn_blob_ref *ret_ref, struct csn_error *err)
{
	char name[64], folder[64];
	uint64_t number = files->now.file + 1;
	struct csn_error cause = CSN_ERROR_INIT;
	int r;

	file_name(number, name);
	memcpy(folder, name, sizeof(folder));
	folder[strcspn(folder, "/")] = '\0';
	if (mkdirat(files->files_fd, folder, 0700) == 0 ? fsync(files->files_fd) < 0
							: errno != EEXIST)
		return fail_disk(err, errno, "blob folder");
	files->now.file = number;
	r = csn_write_file(files->files_fd, name, data, size, 0600, &cause);
	if (r == -CSN_E_OS)
		return fail_disk(err, cause.os_errno, name);
	if (r < 0) {
		if (err)
			*err = cause;
		return r;
	}
	snprintf(ret_ref->text, sizeof(ret_ref->text), "f:%" PRIu64 ":%zu:%" PRIu32, number, size,
		 csn_crc32(data, size));
	return 0;
}

static int files_put(void *state, const uint8_t uuid[16], const void *data, size_t size_bytes,
		     struct csn_blob_ref *ret_ref, struct csn_error *err)
{
	struct files *files = state;

	if (size_bytes > SMALL_MAX)
		return put_large(files, data, size_bytes, ret_ref, err);
	return put_small(files, uuid, data, size_bytes, ret_ref, err);
}

static int files_sync(void *state, struct csn_error *err)
{
	struct files *files = state;

	if (!files->dirty)
		return 0;
	if (fdatasync(files->pack_fd) < 0)
		return fail_disk(err, errno, "pack");
	files->dirty = false;
	return 0;
}

static void unlink_large_behind(struct files *files, uint64_t last)
{
	for (uint64_t number = last + 1; number <= files->now.file; number++) {
		char name[64];

		file_name(number, name);
		unlinkat(files->files_fd, name, 0);
	}
}

static void files_undo(void *state)
{
	struct files *files = state;

	unlink_large_behind(files, files->kept.file);
	for (uint32_t pack = files->kept.pack + 1; pack <= files->now.pack; pack++) {
		char name[32];

		pack_name(pack, name);
		unlinkat(files->packs_fd, name, 0);
	}
	if (files->now.pack != files->kept.pack && pack_open(files, files->kept.pack, NULL) < 0)
		return; /* the next put fails on pack_fd -1 and says why */
	files->now = files->kept;
	if (ftruncate(files->pack_fd, (off_t)files->now.end) < 0)
		files->dirty = true; /* left-over bytes are overwritten by the next put */
}

static void files_keep(void *state)
{
	struct files *files = state;

	files->kept = files->now;
}

static void files_position(void *state, struct csn_blob_ref *ret_position)
{
	const struct files *files = state;

	snprintf(ret_position->text, sizeof(ret_position->text), "%" PRIu32 ":%" PRIu64 ":%" PRIu64,
		 files->now.pack, files->now.end, files->now.file);
}

static DIR *open_folder(int parent_fd, const char *name)
{
	int fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;

	if (!dir)
		csn_closep(&fd);
	return dir;
}

/* Large files behind the position: their numbers may have gaps, so the folders are read. */
static void remove_strays(struct files *files, uint64_t last)
{
	cleanup_closedir DIR *dir = open_folder(files->files_fd, ".");
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		cleanup_closedir DIR *sub = NULL;
		struct dirent *file;

		if (entry->d_name[0] == '.' || strtoull(entry->d_name, NULL, 16) < last >> 8)
			continue;
		sub = open_folder(files->files_fd, entry->d_name);
		while (sub && (file = readdir(sub)))
			if (file->d_name[0] != '.' && strtoull(file->d_name, NULL, 16) > last)
				unlinkat(dirfd(sub), file->d_name, 0);
	}
}

static void remove_packs_behind(struct files *files, uint32_t last)
{
	cleanup_closedir DIR *dir = open_folder(files->packs_fd, ".");
	struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		if (entry->d_name[0] != '.' && strtoul(entry->d_name, NULL, 10) > last)
			unlinkat(files->packs_fd, entry->d_name, 0);
}

static int files_restore(void *state, const char *position, struct csn_error *err)
{
	struct files *files = state;
	struct place place = { 1, 0, 0 };
	uint64_t numbers[3];
	struct stat st;
	int r;

	if (*position) {
		if (!parse_numbers(position, numbers, 3))
			return csn_fail(err, CSN_E_FORMAT, "blob position %s cannot be read",
					position);
		place = (struct place){ (uint32_t)numbers[0], numbers[1], numbers[2] };
	}
	r = pack_open(files, place.pack, err);
	if (r < 0)
		return r;
	/* A kill may have come between the making of a folder and its sync. */
	if (fstat(files->pack_fd, &st) < 0 || fsync(files->files_fd) < 0)
		return csn_fail_os(err, errno, "pack");
	if ((uint64_t)st.st_size < place.end)
		return csn_fail(err, CSN_E_FORMAT,
				"pack %" PRIu32
				" is shorter (%jd) than what was committed (%" PRIu64
				"); restore it from a backup",
				place.pack, (intmax_t)st.st_size, place.end);
	if (ftruncate(files->pack_fd, (off_t)place.end) < 0)
		return fail_disk(err, errno, "pack");
	files->now = files->kept = place;
	remove_packs_behind(files, place.pack);
	remove_strays(files, place.file);
	return 0;
}

/* Where a record is: pack, offset, length. */
static int parse_small(const char *text, uint64_t numbers[3], struct csn_error *err)
{
	if (strncmp(text, "p:", 2) != 0 || !parse_numbers(text + 2, numbers, 3))
		return csn_fail(err, CSN_E_FORMAT, "blob reference %s cannot be read", text);
	return 0;
}

/* 1 when the live record of that length is at offset, 0 when it is not, or -errno. */
static int read_record(int fd, uint64_t offset, uint64_t length, struct record *ret_record)
{
	ssize_t n = csn_pread_full(fd, ret_record, sizeof(*ret_record), (off_t)offset);

	if (n < 0)
		return (int)n;
	return n == sizeof(*ret_record) && ret_record->magic == RECORD_LIVE &&
	       ret_record->length == length;
}

static int get_small(struct files *files, const char *text, struct csn_buf *out,
		     struct csn_error *err)
{
	cleanup_close int fd = -1;
	struct record record;
	uint64_t at[3] = { 0 }, offset, length;
	char name[32], *bytes;
	ssize_t n;
	int r = parse_small(text, at, err);

	if (r < 0)
		return r;
	offset = at[1];
	length = at[2];
	pack_name((uint32_t)at[0], name);
	fd = openat(files->packs_fd, name, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return csn_fail_os(err, errno, "%s", name);
	r = read_record(fd, offset, length, &record);
	if (r < 0)
		return csn_fail_os(err, -r, "%s", name);
	if (r == 0)
		return csn_fail(err, CSN_E_FORMAT, "%s: no record at %" PRIu64, name, offset);
	bytes = csn_buf_extend(out, length);
	if (!bytes)
		return csn_buf_check(out, "object", err);
	n = csn_pread_full(fd, bytes, length, (off_t)(offset + sizeof(record)));
	if (n < 0)
		return csn_fail_os(err, (int)-n, "%s", name);
	if (n != (ssize_t)length || csn_crc32(bytes, length) != record.crc)
		return csn_fail(err, CSN_E_FORMAT, "%s: damaged record at %" PRIu64, name, offset);
	return 0;
}

static int get_large(struct files *files, const char *text, struct csn_buf *out,
		     struct csn_error *err)
{
	uint64_t at[3]; /* number, length, CRC */
	size_t before = out->size;
	char name[64];
	int r;

	if (strncmp(text, "f:", 2) != 0 || !parse_numbers(text + 2, at, 3))
		return csn_fail(err, CSN_E_FORMAT, "blob reference %s cannot be read", text);
	file_name(at[0], name);
	r = csn_read_file(files->files_fd, name, out, err);
	if (r < 0)
		return r;
	if (out->size - before != at[1] || csn_crc32(out->data + before, at[1]) != at[2])
		return csn_fail(err, CSN_E_FORMAT, "files/%s is damaged", name);
	return 0;
}

static int files_get(void *state, const struct csn_blob_ref *ref, struct csn_buf *out,
		     struct csn_error *err)
{
	if (ref->text[0] == 'f')
		return get_large(state, ref->text, out, err);
	return get_small(state, ref->text, out, err);
}

/* Live records of a pack that is no longer written, by walking its headers. Where the walk does not
 * reach the pack's end (damage, a disk that does not read), nobody knows: more than can be lost. */
static uint32_t count_live(int fd)
{
	struct record record;
	struct stat st;
	uint64_t at = 0;
	uint32_t live = 0;

	if (fstat(fd, &st) < 0)
		return UINT32_MAX;
	while (at < (uint64_t)st.st_size) {
		if (csn_pread_full(fd, &record, sizeof(record), (off_t)at) != sizeof(record) ||
		    (record.magic != RECORD_LIVE && record.magic != RECORD_DEAD))
			return UINT32_MAX;
		live += record.magic == RECORD_LIVE;
		at = (at + sizeof(record) + record.length + 7) & ~7ull;
	}
	return live;
}

static void pack_lost_one(struct files *files, uint32_t pack, int fd)
{
	size_t slot = pack % csn_countof(files->counted);
	char name[32];

	if (pack == files->now.pack)
		return;
	if (files->counted[slot].pack != pack) {
		files->counted[slot].pack = pack;
		files->counted[slot].live = count_live(fd);
	} else {
		files->counted[slot].live--;
	}
	if (files->counted[slot].live == 0) {
		pack_name(pack, name);
		unlinkat(files->packs_fd, name, 0);
		files->counted[slot].pack = 0;
	}
}

static int drop_small(struct files *files, const char *text, struct csn_error *err)
{
	cleanup_close int fd = -1;
	const uint32_t dead = RECORD_DEAD;
	uint64_t at[3] = { 0 }, offset, length;
	struct record record;
	char name[32];
	int r = parse_small(text, at, err);

	if (r < 0)
		return r;
	offset = at[1];
	length = at[2];
	pack_name((uint32_t)at[0], name);
	fd = openat(files->packs_fd, name, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : csn_fail_os(err, errno, "%s", name);
	r = read_record(fd, offset, length, &record);
	if (r < 0)
		return csn_fail_os(err, -r, "%s", name);
	if (r == 0)
		return 0;
	r = csn_pwrite_full(fd, &dead, sizeof(dead), (off_t)offset);
	if (r < 0)
		return csn_fail_os(err, -r, "%s", name);
	/* Where the file system cannot punch holes the space is given back with the whole pack. */
	if (length)
		fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			  (off_t)(offset + sizeof(record)), (off_t)length);
	pack_lost_one(files, (uint32_t)at[0], fd);
	return 0;
}

static int files_drop(void *state, const struct csn_blob_ref *ref, struct csn_error *err)
{
	struct files *files = state;
	char name[64];

	if (ref->text[0] != 'f')
		return drop_small(files, ref->text, err);
	file_name(strtoull(ref->text + 2, NULL, 10), name);
	if (unlinkat(files->files_fd, name, 0) < 0 && errno != ENOENT)
		return csn_fail_os(err, errno, "files/%s", name);
	return 0;
}

static void files_close(void *state)
{
	struct files *files = state;

	if (files->pack_fd >= 0)
		close(files->pack_fd);
	if (files->packs_fd >= 0)
		close(files->packs_fd);
	if (files->files_fd >= 0)
		close(files->files_fd);
	if (files->dir_fd >= 0)
		close(files->dir_fd);
	free(files);
}

static const struct csn_blob_ops files_ops = {
	.name = "files",
	.close = files_close,
	.put = files_put,
	.sync = files_sync,
	.undo = files_undo,
	.position = files_position,
	.restore = files_restore,
	.keep = files_keep,
	.get = files_get,
	.drop = files_drop,
};

static int sub_folder(int dir_fd, const char *name)
{
	if (mkdirat(dir_fd, name, 0700) < 0 && errno != EEXIST)
		return -1;
	return openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

int csn_blobs_open_files(const char *folder, struct csn_blobs *ret_blobs, struct csn_error *err)
{
	struct files *files = calloc(1, sizeof(*files));
	int errnum;

	if (!files)
		return csn_fail_nomem(err);
	files->packs_fd = files->files_fd = files->pack_fd = -1;
	files->dir_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (files->dir_fd >= 0)
		files->packs_fd = sub_folder(files->dir_fd, "packs");
	if (files->packs_fd >= 0)
		files->files_fd = sub_folder(files->dir_fd, "files");
	if (files->files_fd < 0 || fsync(files->dir_fd) < 0) {
		errnum = errno;
		files_close(files);
		return fail_disk(err, errnum, folder);
	}
	ret_blobs->ops = &files_ops;
	ret_blobs->state = files;
	return 0;
}
