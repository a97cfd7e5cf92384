#include "spool/ticks.h"

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

#define NEW "new"
#define LOG_SUFFIX ".log"
/* A file that is closed under us is made again at once, so more than a few mean trouble. */
#define MAX_TRIES 50

/* Offsets in a record; little-endian. */
#define CRC_AT 8u
#define KEY_AT 12u
#define EXE_AT (CSN_TICK_BYTES - CSN_TICK_EXE_MAX)

static const char magic[CRC_AT] = "CSNTICK";

static uint8_t *put_uint(uint8_t *at, uint64_t value, unsigned width)
{
	for (; width; width--, value >>= 8)
		*at++ = (uint8_t)value;
	return at;
}

static void format_record(const struct csn_tick *tick, uint8_t record[CSN_TICK_BYTES])
{
	uint8_t *at = record + KEY_AT;

	memset(record, 0, CSN_TICK_BYTES);
	memcpy(record, magic, sizeof(magic));
	at = put_uint(at, tick->key, 8);
	memcpy(at, tick->object, sizeof(tick->object));
	at += sizeof(tick->object);
	at = put_uint(at, (uint64_t)tick->time_ns, 8);
	at = put_uint(at, tick->count, 4);
	at = put_uint(at, (uint32_t)tick->signal, 4);
	at = put_uint(at, tick->uid, 4);
	(void)put_uint(at, tick->round, 4);
	memcpy(record + EXE_AT, tick->exe, strnlen(tick->exe, CSN_TICK_EXE_MAX - 1));
	(void)put_uint(record + CRC_AT, csn_crc32(record + KEY_AT, CSN_TICK_BYTES - KEY_AT), 4);
}

/* True when the record is whole. */
static bool parse_record(const uint8_t *record, struct csn_tick *tick)
{
	struct csn_span span = csn_span_of(record, CSN_TICK_BYTES);
	const void *object;

	csn_span_seek(&span, CRC_AT);
	if (csn_span_u32(&span) != csn_crc32(record + KEY_AT, CSN_TICK_BYTES - KEY_AT))
		return false;
	*tick = (struct csn_tick){ .key = csn_span_u64(&span) };
	object = csn_span_bytes(&span, sizeof(tick->object));
	if (object)
		memcpy(tick->object, object, sizeof(tick->object));
	tick->time_ns = (int64_t)csn_span_u64(&span);
	tick->count = csn_span_u32(&span);
	tick->signal = (int32_t)csn_span_u32(&span);
	tick->uid = csn_span_u32(&span);
	tick->round = csn_span_u32(&span);
	memcpy(tick->exe, record + EXE_AT, CSN_TICK_EXE_MAX - 1);
	return tick->count > 0;
}

bool csn_ticks_next(struct csn_span *span, struct csn_tick *ret_tick, uint64_t *ret_skipped)
{
	size_t left, skip;

	while ((left = csn_span_left(span)) >= CSN_TICK_BYTES) {
		const uint8_t *at = span->data + span->at, *next;

		if (memcmp(at, magic, sizeof(magic)) == 0 && parse_record(at, ret_tick)) {
			csn_span_skip(span, CSN_TICK_BYTES);
			return true;
		}
		next = memchr(at + 1, magic[0], left - 1);
		skip = next ? (size_t)(next - at) : left;
		*ret_skipped += skip;
		csn_span_skip(span, skip);
	}
	*ret_skipped += csn_span_left(span);
	csn_span_skip(span, csn_span_left(span));
	return false;
}

static bool lock_file(int fd, short type)
{
	struct flock lock = { .l_type = type, .l_whence = SEEK_SET };

	return fcntl(fd, F_OFD_SETLK, &lock) == 0;
}

/* The open file still has the name that we opened it by. */
static bool is_new(const struct csn_spool *spool, const struct stat *ours)
{
	struct stat there;

	return fstatat(spool->ticks_fd, NEW, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
	       S_ISREG(ours->st_mode) && ours->st_dev == there.st_dev &&
	       ours->st_ino == there.st_ino;
}

int csn_ticks_append(const struct csn_spool *spool, const struct csn_tick *tick,
		     struct csn_error *err)
{
	uint8_t record[CSN_TICK_BYTES];
	struct stat status;
	int tries;

	format_record(tick, record);
	for (tries = 0; tries < MAX_TRIES; tries++) {
		cleanup_close int fd =
			openat(spool->ticks_fd, NEW,
			       O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK,
			       0600);
		ssize_t n;

		if (fd < 0)
			return csn_fail_os(err, errno, "ticks/" NEW);
		/* Locked by who closes it, or closed before we had the lock. */
		if (!lock_file(fd, F_RDLCK) || fstat(fd, &status) < 0 || !is_new(spool, &status))
			continue;
		if (status.st_size >= CSN_TICKS_MAX_FILE)
			return csn_fail(err, CSN_E_LIMIT, "ticks/" NEW ": long enough");
		n = write(fd, record, sizeof(record));
		if (n == (ssize_t)sizeof(record))
			return 0;
		return csn_fail_os(err, n < 0 ? errno : ENOSPC, "ticks/" NEW);
	}
	return csn_fail(err, CSN_E_LIMIT, "ticks/" NEW " cannot be had");
}

/* The name of a file that was put aside; false when there is none. */
static bool find_closed(const struct csn_spool *spool, char uuid[CSN_UUID_TEXT])
{
	int fd = openat(spool->ticks_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *folder = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;
	bool found = false;

	if (!folder) {
		if (fd >= 0)
			close(fd);
		return false;
	}
	while (!found && (entry = readdir(folder))) {
		if (strlen(entry->d_name) != CSN_UUID_TEXT - 1 + strlen(LOG_SUFFIX) ||
		    strcmp(entry->d_name + CSN_UUID_TEXT - 1, LOG_SUFFIX) != 0)
			continue;
		snprintf(uuid, CSN_UUID_TEXT, "%.*s", CSN_UUID_TEXT - 1, entry->d_name);
		found = csn_uuid_parse(uuid, NULL);
	}
	closedir(folder);
	return found;
}

static const char *log_name(const char *uuid, char name[CSN_UUID_TEXT + 8])
{
	snprintf(name, CSN_UUID_TEXT + 8, "%s" LOG_SUFFIX, uuid);
	return name;
}

int csn_ticks_close(const struct csn_spool *spool, char uuid[CSN_UUID_TEXT], int *ret_fd,
		    struct csn_error *err)
{
	char name[CSN_UUID_TEXT + 8];
	cleanup_close int fd = -1;

	if (!find_closed(spool, uuid)) {
		csn_uuid_format_random(uuid);
		if (renameat(spool->ticks_fd, NEW, spool->ticks_fd, log_name(uuid, name)) < 0) {
			*uuid = '\0';
			*ret_fd = -1;
			return errno == ENOENT ? 0 : csn_fail_os(err, errno, "ticks/" NEW);
		}
	}
	fd = openat(spool->ticks_fd, log_name(uuid, name),
		    O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return csn_fail_os(err, errno, "ticks/%s", name);
	if (!lock_file(fd, F_WRLCK))
		return csn_fail(err, CSN_E_LIMIT, "a helper still writes to ticks/%s", name);
	*ret_fd = csn_take_fd(fd);
	return 0;
}

int csn_ticks_forget(const struct csn_spool *spool, const char *uuid, struct csn_error *err)
{
	char name[CSN_UUID_TEXT + 8];

	return csn_unlink_synced(spool->ticks_fd, log_name(uuid, name), err);
}

uint64_t csn_ticks_waiting(const struct csn_spool *spool)
{
	struct stat status;

	return fstatat(spool->ticks_fd, NEW, &status, AT_SYMLINK_NOFOLLOW) == 0
		       ? (uint64_t)status.st_size
		       : 0;
}
