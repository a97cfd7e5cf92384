#include "spool/counters.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/io.h"

#define NAME "counters"
#define VERSION 1u
#define RECORD_BYTES 4096u
#define MAX_COUNTERS 96u
/* Nobody is held meanwhile. */
#define LOCK_WAIT_NS CSN_NS_PER_SECOND
/* A reader without a lock may meet a writer. */
#define READ_TRIES 3

static const char magic[8] = "CSNCNTS";

/* In the host's own byte order: the file never leaves it. */
struct record {
	char magic[8];
	uint32_t version, reserved;
	int64_t started_ns;
	uint64_t values[MAX_COUNTERS];
	uint64_t bytes;
	uint32_t files, n_users;
	struct csn_usage_user users[CSN_USAGE_USERS];
	uint8_t unused[RECORD_BYTES - 40 - 8 * MAX_COUNTERS - 16 * CSN_USAGE_USERS - 4];
	uint32_t crc; /* of all that is used before it: it is read while a process is held */
};

static_assert(sizeof(struct record) == RECORD_BYTES, "a record is one page");
static_assert(CSN_N_COUNTERS <= MAX_COUNTERS, "counters fit into the record");

static uint32_t record_crc(const struct record *record)
{
	return csn_crc32(record, offsetof(struct record, users) +
					 record->n_users * sizeof(record->users[0]));
}

static bool is_whole(const struct record *record)
{
	return memcmp(record->magic, magic, sizeof(magic)) == 0 && record->version == VERSION &&
	       record->n_users <= CSN_USAGE_USERS && record->crc == record_crc(record);
}

static void record_begin(struct record *record)
{
	*record = (struct record){ .version = VERSION, .started_ns = csn_realtime_ns() };
	memcpy(record->magic, magic, sizeof(magic));
}

/* Opened by root, too, in a folder of another user: what is not plainly ours is left alone. */
static int open_record(const struct csn_spool *spool, int flags, int *ret_fd, struct csn_error *err)
{
	cleanup_close int fd = openat(spool->beside_fd, NAME,
				      flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0600);
	struct stat status;

	if (fd < 0 && errno == ENOENT)
		return csn_fail(err, CSN_E_NOT_FOUND, NAME ": nothing was counted yet");
	if (fd < 0 || fstat(fd, &status) < 0)
		return csn_fail_os(err, errno, NAME);
	if (!csn_spool_is_plain(fd) || status.st_uid != spool->uid) {
		/* Made by root just now. */
		if (!csn_spool_is_plain(fd) || status.st_uid != 0 || geteuid() != 0 ||
		    fchown(fd, spool->uid, spool->gid) < 0)
			return csn_fail(err, CSN_E_DENIED,
					NAME ": not a plain file of the spool's user");
	}
	/* A full disk must not blind us: the place is taken now, and written over from then on. */
	if ((flags & O_CREAT) && status.st_size == 0)
		(void)fallocate(fd, 0, 0, RECORD_BYTES);
	*ret_fd = csn_take_fd(fd);
	return 0;
}

static bool lock_record(int fd)
{
	const struct timespec pause = { .tv_nsec = CSN_NS_PER_MS / 5 };
	int64_t until_ns = csn_monotonic_ns() + LOCK_WAIT_NS;

	do {
		struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

		if (fcntl(fd, F_OFD_SETLK, &lock) == 0)
			return true;
		if (errno != EAGAIN && errno != EACCES && errno != EINTR)
			return false;
		nanosleep(&pause, NULL);
	} while (csn_monotonic_ns() < until_ns);
	return false;
}

int csn_counters_read(const struct csn_spool *spool, struct csn_counters *ret_counters,
		      struct csn_error *err)
{
	cleanup_close int fd = -1;
	struct record record;
	int tries, r = open_record(spool, O_RDONLY, &fd, err);

	if (r < 0)
		return r;
	for (tries = 0; tries < READ_TRIES; tries++)
		if (csn_pread_full(fd, &record, sizeof(record), 0) == sizeof(record) &&
		    is_whole(&record))
			break;
	if (tries == READ_TRIES)
		return csn_fail(err, CSN_E_FORMAT, NAME ": damaged");
	*ret_counters = (struct csn_counters){ .started_ns = record.started_ns };
	memcpy(ret_counters->values, record.values, sizeof(ret_counters->values));
	ret_counters->usage.bytes = record.bytes;
	ret_counters->usage.files = record.files;
	ret_counters->usage.n_users = record.n_users;
	memcpy(ret_counters->usage.users, record.users, sizeof(record.users));
	return 0;
}

/* The record, locked; a damaged one begins at zero. */
static int take_record(const struct csn_spool *spool, struct record *record, int *ret_fd,
		       bool *ret_restarted, struct csn_error *err)
{
	cleanup_close int fd = -1;
	int r = open_record(spool, O_RDWR | O_CREAT, &fd, err);
	ssize_t n;

	if (r < 0)
		return r;
	if (!lock_record(fd))
		return csn_fail(err, CSN_E_TIMEOUT, NAME ": locked by others");
	*record = (struct record){ 0 };
	n = csn_pread_full(fd, record, sizeof(*record), 0);
	*ret_restarted = false;
	if (n != (ssize_t)sizeof(*record) || !is_whole(record)) {
		/* Zeroes are a place that was taken, or what a power cut left of one. */
		*ret_restarted = n > 0 && (record->crc != 0 || record->magic[0] != '\0');
		record_begin(record);
		record->values[CSN_COUNT_RESTARTED] = *ret_restarted;
	}
	*ret_fd = csn_take_fd(fd);
	return 0;
}

static int put_record(int fd, struct record *record, struct csn_error *err)
{
	int r;

	record->crc = record_crc(record);
	r = csn_pwrite_full(fd, record, sizeof(*record), 0);
	return r < 0 ? csn_fail_os(err, -r, NAME) : 0;
}

static void set_usage(struct record *record, const struct csn_usage *usage)
{
	record->bytes = usage->bytes;
	record->files = usage->files;
	record->n_users = usage->n_users;
	memcpy(record->users, usage->users, sizeof(record->users));
}

int csn_counters_add(const struct csn_spool *spool, const struct csn_counting *count,
		     bool *ret_restarted, struct csn_error *err)
{
	cleanup_close int fd = -1;
	struct csn_usage usage = { 0 };
	struct record record = { 0 };
	int r = take_record(spool, &record, &fd, ret_restarted, err);
	size_t i;

	if (r < 0)
		return r;
	for (i = 0; i < CSN_N_COUNTERS; i++)
		record.values[i] += count->add[i];
	if (count->stored) {
		usage = (struct csn_usage){ .bytes = record.bytes,
					    .files = record.files,
					    .n_users = record.n_users };
		memcpy(usage.users, record.users, sizeof(record.users));
		csn_usage_add(&usage, count->stored_uid, count->stored_bytes);
		set_usage(&record, &usage);
	}
	return put_record(fd, &record, err);
}

int csn_counters_set_usage(const struct csn_spool *spool, const struct csn_usage *usage,
			   struct csn_error *err)
{
	cleanup_close int fd = -1;
	struct record record;
	bool restarted;
	int r = take_record(spool, &record, &fd, &restarted, err);

	if (r < 0)
		return r;
	set_usage(&record, usage);
	return put_record(fd, &record, err);
}

int64_t csn_held_bucket_ns(unsigned bucket)
{
	static const int64_t ends_ms[CSN_HELD_BUCKETS] = { 1,  2,   3,   5,   10,   20,
							   50, 100, 200, 500, 1000, 2000 };

	return ends_ms[bucket] * CSN_NS_PER_MS;
}

void csn_count_held(struct csn_counting *count, int64_t held_ns)
{
	unsigned bucket = 0;

	while (bucket < CSN_HELD_BUCKETS && held_ns > csn_held_bucket_ns(bucket))
		bucket++;
	count->add[CSN_COUNT_HELD + bucket]++;
	count->add[CSN_COUNT_HELD_NS] += held_ns > 0 ? (uint64_t)held_ns : 0;
}
