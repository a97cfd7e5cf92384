#include "spool/rate.h"

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
#include "base/uuid.h"

#define N_GROUPS 128u /* 128 groups of 8 buckets: 1024 programs at a time */
#define GROUP_BUCKETS 8u
#define LOCK_WAIT_MS 100

struct bucket {
	uint64_t key;
	int64_t full_start_ns, notes_start_ns, last_ns; /* since the boot */
	uint64_t ticks;
	uint32_t full_count, notes_count;
	uint8_t object[16];
	uint32_t owed, round;
	uint32_t boot;
	uint32_t is_whole; /* what object is */
	uint32_t reserved;
	uint32_t crc; /* of all before it; a torn bucket is an empty one */
};

/* One key's group of buckets, locked. */
struct table {
	int fd;
	off_t offset;
	struct bucket group[GROUP_BUCKETS];
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

/* Opened by root in a folder of another user: what is not plainly ours is left alone. */
static int open_table(const struct csn_spool *spool)
{
	cleanup_close int fd = openat(spool->beside_fd, "rate",
				      O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
	struct stat status;

	if (fd < 0 || !csn_spool_is_plain(fd) || fstat(fd, &status) < 0)
		return -1;
	/* Room for all of it now, so that a full disk does not blind the ladder. */
	if (status.st_size == 0)
		(void)fallocate(fd, 0, 0, (off_t)N_GROUPS * GROUP_BUCKETS * sizeof(struct bucket));
	if (status.st_uid == spool->uid)
		return csn_take_fd(fd);
	/* Made by root just now. */
	if (status.st_uid != 0 || geteuid() != 0 || fchown(fd, spool->uid, spool->gid) < 0)
		return -1;
	return csn_take_fd(fd);
}

static void table_close(struct table *table)
{
	csn_closep(&table->fd);
}

/* False when there is no table to be had in time. */
static bool table_open(const struct csn_spool *spool, uint64_t key, struct table *table)
{
	size_t i;

	table->offset = (off_t)(key % N_GROUPS * sizeof(table->group));
	table->fd = open_table(spool);
	if (table->fd < 0 || !lock_group(table->fd, table->offset, sizeof(table->group)) ||
	    csn_pread_full(table->fd, table->group, sizeof(table->group), table->offset) < 0)
		return false;
	for (i = 0; i < GROUP_BUCKETS; i++)
		if (table->group[i].crc != bucket_crc(&table->group[i]))
			table->group[i] = (struct bucket){ 0 };
	return true;
}

static bool table_save(struct table *table, struct bucket *bucket)
{
	off_t offset = table->offset + (off_t)((char *)bucket - (char *)table->group);

	bucket->crc = bucket_crc(bucket);
	return csn_pwrite_full(table->fd, bucket, sizeof(*bucket), offset) == 0;
}

static struct bucket *find_bucket(struct table *table, uint64_t key)
{
	size_t i;

	for (i = 0; i < GROUP_BUCKETS; i++)
		if (table->group[i].key == key)
			return &table->group[i];
	return NULL;
}

/* Whom to send away first: the empty, those of another boot, the quiet; last those that still owe
 * counts. */
static bool is_quieter(const struct bucket *a, const struct bucket *b, uint32_t boot)
{
	if (!a->key || !b->key)
		return !a->key && b->key;
	if (!a->owed != !b->owed)
		return !a->owed;
	if ((a->boot == boot) != (b->boot == boot))
		return a->boot != boot;
	return a->last_ns < b->last_ns;
}

/* The key's bucket, else (*ret_is_first) the place of the one that has been quiet longest. */
static struct bucket *choose_bucket(struct table *table, uint64_t key, uint32_t boot,
				    bool *ret_is_first)
{
	struct bucket *found = find_bucket(table, key), *quietest = &table->group[0];
	size_t i;

	*ret_is_first = !found;
	if (found)
		return found;
	for (i = 1; i < GROUP_BUCKETS; i++)
		if (is_quieter(&table->group[i], quietest, boot))
			quietest = &table->group[i];
	*quietest = (struct bucket){ .key = key };
	return quietest;
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
			       struct csn_rate_time now)
{
	bool is_new;

	if (bucket->boot != now.boot)
		bucket->full_count = bucket->notes_count = 0;
	bucket->boot = now.boot;
	bucket->last_ns = now.boot_ns;
	if (take_from(&policy->rate_full, &bucket->full_start_ns, &bucket->full_count, now.boot_ns,
		      &is_new)) {
		if (is_new)
			bucket->ticks = 0;
		return CSN_RATE_FULL;
	}
	if (take_from(&policy->rate_notes, &bucket->notes_start_ns, &bucket->notes_count,
		      now.boot_ns, &is_new))
		return CSN_RATE_NOTES;
	bucket->ticks++;
	return CSN_RATE_TICK;
}

struct csn_rate_time csn_rate_now(void)
{
	cleanup_close int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	struct timespec now = { 0 };
	char id[64];
	ssize_t n = fd < 0 ? 0 : csn_read_full(fd, id, sizeof(id));

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (struct csn_rate_time){
		.boot_ns = (int64_t)now.tv_sec * CSN_NS_PER_SECOND + now.tv_nsec,
		.boot = n > 0 ? csn_crc32(id, (size_t)n) : 0,
	};
}

static void take_one(const struct csn_spool *spool, const struct csn_policy *policy, uint64_t key,
		     struct csn_rate_time now, struct csn_rate_answer *ret_answer,
		     bool *ret_is_first)
{
	cleanup_(table_close) struct table table = { .fd = -1 };
	struct csn_rate_answer answer = { .step = CSN_RATE_FULL };
	struct bucket *bucket;

	*ret_answer = answer;
	*ret_is_first = false;
	if (!table_open(spool, key, &table))
		return;
	bucket = choose_bucket(&table, key, now.boot, ret_is_first);
	answer.step = take(bucket, policy, now);
	answer.ticks = bucket->ticks;
	memcpy(answer.object, bucket->object, sizeof(answer.object));
	if (table_save(&table, bucket))
		*ret_answer = answer;
}

static uint32_t times_share(uint32_t count)
{
	return count > UINT32_MAX / CSN_RATE_USER_SHARE ? UINT32_MAX : count * CSN_RATE_USER_SHARE;
}

void csn_rate_take(const struct csn_spool *spool, const struct csn_policy *policy, uint64_t key,
		   uint32_t uid, struct csn_rate_time now, struct csn_rate_answer *ret_answer)
{
	struct csn_rate_answer of_user;
	struct csn_policy share = { 0 };
	bool is_first, ignored;

	*ret_answer = (struct csn_rate_answer){ .step = CSN_RATE_FULL };
	if (policy->rate_disabled)
		return;
	take_one(spool, policy, key, now, ret_answer, &is_first);
	if (ret_answer->step == CSN_RATE_TICK)
		return;
	share.rate_full = policy->rate_full;
	share.rate_notes = policy->rate_notes;
	share.rate_full.count = times_share(share.rate_full.count);
	share.rate_notes.count = times_share(share.rate_notes.count);
	/* The loops of a user do not use up what his new programs may have. */
	take_one(spool, &share, csn_rate_key(UINT64_MAX, UINT64_MAX, uid, is_first), now, &of_user,
		 &ignored);
	if (of_user.step <= ret_answer->step)
		return;
	ret_answer->step = of_user.step;
	ret_answer->ticks = of_user.ticks;
}

void csn_rate_stored(const struct csn_spool *spool, uint64_t key, const char *uuid, bool whole)
{
	cleanup_(table_close) struct table table = { .fd = -1 };
	struct bucket *bucket;

	if (!table_open(spool, key, &table))
		return;
	bucket = find_bucket(&table, key);
	if (!bucket || (!whole && bucket->is_whole) || !csn_uuid_parse(uuid, bucket->object))
		return;
	bucket->is_whole = whole;
	(void)table_save(&table, bucket);
}

bool csn_rate_owe(const struct csn_spool *spool, uint64_t key, uint32_t count)
{
	cleanup_(table_close) struct table table = { .fd = -1 };
	struct bucket *bucket;

	if (!table_open(spool, key, &table))
		return false;
	bucket = find_bucket(&table, key);
	if (!bucket || bucket->owed > UINT32_MAX - count)
		return false;
	bucket->owed += count;
	return table_save(&table, bucket);
}

static void settle_group(struct table *table, csn_rate_pay pay, void *context)
{
	size_t i;

	for (i = 0; i < GROUP_BUCKETS; i++) {
		struct bucket *bucket = &table->group[i];
		struct csn_rate_debt debt = {
			.key = bucket->key,
			.count = bucket->owed,
			.round = bucket->round + 1,
		};

		memcpy(debt.object, bucket->object, sizeof(debt.object));
		if (!bucket->key || !bucket->owed || !pay(context, &debt))
			continue;
		bucket->owed = 0;
		bucket->round++;
		(void)table_save(table, bucket);
	}
}

void csn_rate_settle(const struct csn_spool *spool, csn_rate_pay pay, void *context)
{
	uint64_t group;

	for (group = 0; group < N_GROUPS; group++) {
		cleanup_(table_close) struct table table = { .fd = -1 };

		if (table_open(spool, group, &table))
			settle_group(&table, pay, context);
	}
}
