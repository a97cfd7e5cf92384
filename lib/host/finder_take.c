#include "host/finder_take.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/io.h"
#include "base/limits_host.h"
#include "spool/core_identity.h"
#include "spool/rate.h"
#include "spool/ticks.h"

/* The core belongs to who died, or to root where a privileged program did. What it says of its user
 * is then as true as the file system. FreeBSD's cores say nothing. */
static int check_owner(const struct finder_take *take, const struct csn_core_identity *identity,
		       struct csn_error *err)
{
	if (!identity->has_notes)
		return csn_fail(err, CSN_E_FORMAT, "a core without notes");
	if (identity->uid < 0 || take->owner == 0 || (uid_t)identity->uid == take->owner)
		return 0;
	return csn_fail(err, CSN_E_DENIED,
			"it belongs to user %u but says that its process was user %lld's",
			(unsigned)take->owner, (long long)identity->uid);
}

/* The ladder's key: of a core that was found the program's name and its user are all that is
 * known. */
static uint64_t key_of(const struct finder_take *take, const struct csn_core_identity *identity)
{
	const char *program = *identity->exe ? identity->exe : identity->name;

	return csn_rate_key(0, csn_hash_bytes(program, strlen(program)), 0, take->owner);
}

static void ask_ladder(const struct finder_take *take, uint64_t key, struct csn_rate_answer *answer)
{
	struct csn_policy policy;

	csn_host_compile_policy(take->host, &policy);
	csn_rate_take(&take->host->spool, &policy, key, take->owner, csn_rate_now(), answer);
}

static int count(const struct finder_take *take, const struct csn_core_identity *identity,
		 uint64_t key, const struct csn_rate_answer *answer, struct csn_error *err)
{
	struct csn_tick tick = {
		.key = key,
		.time_ns = take->mark.mtime_ns,
		.count = 1,
		.signal = identity->signal,
		.uid = take->owner,
	};

	const char *program = *identity->exe ? identity->exe : identity->name;
	size_t length = strlen(program);

	/* Of a long path the end says more. */
	if (length >= sizeof(tick.exe))
		program += length - sizeof(tick.exe) + 1;
	memcpy(tick.exe, program, strlen(program));
	memcpy(tick.object, answer->object, sizeof(tick.object));
	if (csn_ticks_append(&take->host->spool, &tick, err) == 0 ||
	    csn_rate_owe(&take->host->spool, key, 1))
		return 0;
	return -(int)err->code;
}

/* What can be stored before dump.quota is reached. */
static uint64_t room_of(const struct csn_host *host)
{
	struct csn_quota quota = csn_host_get_quota(host);
	struct csn_spool_space space;

	if (csn_spool_get_space(&host->spool, &quota, &space, NULL) < 0)
		return UINT64_MAX;
	return space.free_bytes > space.threshold_bytes ? space.free_bytes - space.threshold_bytes
							: 0;
}

/* What the core does not say of itself: it is of this host, and was found there. */
static int note_origin(const struct finder_take *take, struct csn_error *err)
{
	struct csn_crash crash = { .time_ns = take->mark.mtime_ns };
	struct utsname name;
	int r = csn_crash_set(&crash.found_at, take->path, err);

	if (r == 0 && uname(&name) == 0)
		r = csn_crash_set(&crash.hostname, name.nodename, err);
	snprintf(crash.uuid, sizeof(crash.uuid), "%s", take->uuid);
	if (r == 0)
		r = csn_crash_save(&take->host->spool, &crash, err);
	csn_crash_done(&crash);
	return r;
}

/* The time of the crash is when the core was written. */
static int link_file(const struct finder_take *take, struct csn_publish *file,
		     struct csn_error *err)
{
	const struct timespec mtime = { take->mark.mtime_ns / CSN_NS_PER_SECOND,
					take->mark.mtime_ns % CSN_NS_PER_SECOND };
	const struct timespec times[2] = { mtime, mtime };
	int r = note_origin(take, err);

	if (r < 0)
		return r;
	if (futimens(file->fd, times) < 0)
		return csn_fail_os(err, errno, "futimens");
	return csn_publish_commit(file, false, err);
}

static int take_notes(const struct finder_take *take, int core_fd,
		      const struct csn_core_identity *identity, struct csn_error *err)
{
	cleanup_(csn_publish_done) struct csn_publish file = CSN_PUBLISH_INIT;
	int r = csn_publish_begin(&file, take->host->spool.stage_fd[CSN_STAGE_PENDING], take->uuid,
				  0600, err);

	if (r == 0)
		r = csn_core_copy_notes(core_fd, identity, file.fd, err);
	return r < 0 ? r : link_file(take, &file, err);
}

/* Unpacks into file, or leaves the core where it is; then says who died. */
static int open_core(const struct finder_take *take, struct csn_publish *file, int *ret_fd,
		     struct csn_core_identity *identity, struct csn_error *err)
{
	const struct finder_unpack_limits limits = {
		.max_bytes = take->host->conf.watch_max_bytes,
		.packed_bytes = take->mark.size_bytes,
		.room_bytes = room_of(take->host),
	};
	int r = 0;

	*ret_fd = take->fd;
	if (take->packing != FINDER_PLAIN) {
		r = finder_unpack(take->packing, take->fd, file->fd, &limits, err);
		*ret_fd = file->fd;
	}
	if (r == 0)
		r = csn_core_identify(*ret_fd, identity, err);
	return r < 0 ? r : check_owner(take, identity, err);
}

static int take_core(const struct finder_take *take, enum finder_outcome *ret_outcome,
		     struct csn_error *err)
{
	cleanup_(csn_publish_done) struct csn_publish file = CSN_PUBLISH_INIT;
	struct csn_core_identity identity = { .uid = -1 };
	struct csn_rate_answer answer;
	int core_fd = -1, r;
	uint64_t key;

	r = csn_publish_begin(&file, take->host->spool.stage_fd[CSN_STAGE_PENDING], take->uuid,
			      0600, err);
	if (r == 0)
		r = open_core(take, &file, &core_fd, &identity, err);
	if (r < 0)
		return r;
	key = key_of(take, &identity);
	ask_ladder(take, key, &answer);
	if (answer.step == CSN_RATE_TICK) {
		*ret_outcome = FINDER_COUNTED;
		return count(take, &identity, key, &answer, err);
	}
	*ret_outcome = answer.step == CSN_RATE_NOTES ? FINDER_NOTES_TAKEN : FINDER_TAKEN;
	if (answer.step == CSN_RATE_NOTES)
		r = take_notes(take, core_fd, &identity, err);
	else if (core_fd != file.fd)
		r = finder_copy(core_fd, file.fd, take->mark.size_bytes, err);
	if (r == 0 && answer.step == CSN_RATE_FULL)
		r = link_file(take, &file, err);
	if (r == 0)
		csn_rate_stored(&take->host->spool, key, take->uuid, answer.step == CSN_RATE_FULL);
	return r;
}

int finder_take(void *context)
{
	const struct finder_take *take = context;
	const struct csn_spool *spool = &take->host->spool;
	enum finder_outcome outcome = FINDER_FAILED;
	struct csn_error err = CSN_ERROR_INIT;
	int stage;

	/* Past watch.max by a hole is an error, not a death. */
	signal(SIGXFSZ, SIG_IGN);
	for (stage = 0; stage < CSN_N_STAGES; stage++)
		if (csn_spool_has(spool, (enum csn_stage)stage, take->uuid))
			return FINDER_THERE;
	if (take_core(take, &outcome, &err) == 0)
		return outcome;
	dprintf(STDOUT_FILENO, "%s\n", err.text);
	if (err.os_errno == ENOSPC || err.os_errno == EDQUOT)
		return FINDER_NO_ROOM;
	return FINDER_FAILED;
}
