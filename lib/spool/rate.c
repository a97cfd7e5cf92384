#include "spool/rate.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/io.h"

#define N_GROUPS 128u /* 128 groups of 8 buckets: 1024 programs at a time */
#define GROUP_BUCKETS 8u
#define LOCK_WAIT_MS 100

struct bucket {
	uint64_t key;
	int64_t full_start_ns, notes_start_ns;
	uint64_t ticks;
	uint32_t full_count, notes_count;
	uint32_t reserved;
	uint32_t crc; /* of all before it; a torn bucket is an empty one */
};

uint64_t csn_rate_key(uint64_t device, uint64_t inode, int64_t mtime_ns, uint64_t cgroup)
{
	const uint64_t parts[] = { device, inode, (uint64_t)mtime_ns, cgroup };
	uint64_t key = csn_hash_bytes(parts, sizeof(parts));

	return key ? key : 1;
}

static uint32_t bucket_crc(const struct bucket *bucket)
{
	return csn_crc32(bucket, offsetof(struct bucket, crc));
}

/* Waits a little, never long: a stopped process must not be able to hold the dying one. */
static bool lock_group(int fd, off_t offset, off_t length)
{
	const struct timespec pause = { .tv_nsec = 2 * CSN_NS_PER_MS };
	int tries;

	for (tries = 0; tries < LOCK_WAIT_MS / 2; tries++) {
		struct flock lock = {
			.l_type = F_WRLCK,
			.l_whence = SEEK_SET,
			.l_start = offset,
			.l_len = length,
		};

		if (fcntl(fd, F_OFD_SETLK, &lock) == 0)
			return true;
		if (errno != EAGAIN && errno != EACCES && errno != EINTR)
			return false;
		nanosleep(&pause, NULL);
	}
	return false;
}

/* The key's bucket, else an empty one, else the one that has been quiet longest. */
static struct bucket *choose_bucket(struct bucket group[GROUP_BUCKETS], uint64_t key)
{
	struct bucket *oldest = &group[0];
	size_t i;

	for (i = 0; i < GROUP_BUCKETS; i++)
		if (group[i].crc != bucket_crc(&group[i]))
			group[i] = (struct bucket){ 0 };
	for (i = 0; i < GROUP_BUCKETS; i++) {
		if (group[i].key == key)
			return &group[i];
		if (oldest->key &&
		    (!group[i].key || group[i].full_start_ns < oldest->full_start_ns))
			oldest = &group[i];
	}
	*oldest = (struct bucket){ .key = key };
	return oldest;
}

/* One crash against one limit; opens a new window when the last one is over. */
static bool take_from(const struct csn_rate_limit *limit, int64_t *start_ns, uint32_t *count,
		      int64_t now_ns, bool *ret_new)
{
	int64_t length_ns = (int64_t)limit->seconds * CSN_NS_PER_SECOND;

	*ret_new = *count == 0 || now_ns < *start_ns || now_ns - *start_ns >= length_ns;
	if (*ret_new) {
		*start_ns = now_ns;
		*count = 0;
	}
	if (*count >= limit->count)
		return false;
	(*count)++;
	return true;
}

static enum csn_rate_step take(struct bucket *bucket, const struct csn_policy *policy,
			       int64_t now_ns)
{
	bool is_new;

	if (take_from(&policy->rate_full, &bucket->full_start_ns, &bucket->full_count, now_ns,
		      &is_new)) {
		if (is_new)
			bucket->ticks = 0;
		return CSN_RATE_FULL;
	}
	if (take_from(&policy->rate_notes, &bucket->notes_start_ns, &bucket->notes_count, now_ns,
		      &is_new))
		return CSN_RATE_NOTES;
	bucket->ticks++;
	return CSN_RATE_TICK;
}

enum csn_rate_step csn_rate_take(const struct csn_spool *spool, const struct csn_policy *policy,
				 uint64_t key, int64_t now_ns, uint64_t *ret_ticks)
{
	struct bucket group[GROUP_BUCKETS] = { 0 };
	off_t offset = (off_t)(key % N_GROUPS * sizeof(group));
	cleanup_close int fd = -1;
	struct bucket *bucket;
	enum csn_rate_step step;

	if (ret_ticks)
		*ret_ticks = 0;
	if (policy->rate_disabled)
		return CSN_RATE_FULL;
	fd = openat(spool->beside_fd, "rate",
		    O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
	if (fd < 0 || !csn_spool_is_plain(fd) || !lock_group(fd, offset, sizeof(group)))
		return CSN_RATE_FULL;
	if (geteuid() == 0 && fchown(fd, spool->uid, spool->gid) < 0)
		return CSN_RATE_FULL;
	if (csn_pread_full(fd, group, sizeof(group), offset) < 0)
		return CSN_RATE_FULL;
	bucket = choose_bucket(group, key);
	step = take(bucket, policy, now_ns);
	bucket->crc = bucket_crc(bucket);
	if (csn_pwrite_full(fd, group, sizeof(group), offset) < 0)
		return CSN_RATE_FULL;
	if (ret_ticks)
		*ret_ticks = bucket->ticks;
	return step;
}
