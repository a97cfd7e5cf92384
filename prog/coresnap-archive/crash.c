/* One crash, from the kernel's pipe or socket into pending/.
 *
 * As root: open the spool, take what there is while the kernel holds the process, let it go. As
 * the spool's user, without any privilege: copy files of the dead, write the core, sync, link,
 * say so. Whatever goes wrong is one log line; the process is never held longer for it. */
#include "crash.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/io.h"
#include "base/options.h"
#include "base/text.h"
#include "spool/reserve.h"
#include "spool/ticks.h"

#define RELEASE_NS (2 * CSN_NS_PER_SECOND)
/* A whole dump may take as long as its disk; all else has 10 s. The process is let go before. */
#define FULL_ALARM_S 600
#define FULL_HELD_NS (480 * CSN_NS_PER_SECOND)

/* The kernel's number of the container; before 6.13 what /proc calls it. */
static uint64_t get_cgroup(const struct csn_victim *victim)
{
	cleanup_close int fd = -1;
	char path[4096];
	ssize_t n;

	if (victim->cgroup_id)
		return victim->cgroup_id;
	fd = openat(victim->proc_fd, "cgroup", O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? 0 : csn_read_full(fd, path, sizeof(path));
	return n > 0 ? csn_hash_bytes(path, (size_t)n) : 0;
}

static uint64_t get_key(const struct csn_hold *hold)
{
	struct statx exe;

	/* Without asking a file server, which may be what the process died of. */
	if (hold->victim.verified &&
	    statx(hold->victim.proc_fd, "exe", AT_STATX_DONT_SYNC, STATX_BASIC_STATS, &exe) == 0)
		return csn_rate_key(makedev(exe.stx_dev_major, exe.stx_dev_minor), exe.stx_ino,
				    exe.stx_mtime.tv_sec * CSN_NS_PER_SECOND +
					    exe.stx_mtime.tv_nsec,
				    get_cgroup(&hold->victim));
	/* Nobody is asked to believe anything: all that a user leaves unidentified is one loop. */
	return csn_rate_key(UINT64_MAX, hold->request.uid, 0, 0);
}

/* Before any memory is read, and before the core's headers. */
static bool admit(void *context, const struct csn_hold *hold)
{
	struct crash *crash = context;
	enum csn_admission admission;
	ssize_t n;

	crash->key = get_key(hold);
	csn_rate_take(&crash->archive->spool, &crash->archive->policy, crash->key,
		      hold->request.uid, csn_rate_now(), &crash->answer);
	admission = crash_admit(crash, hold);
	if (crash->answer.step == CSN_RATE_TICK)
		crash->refused = NULL;
	else if (admission != CSN_ADMIT_COUNT)
		return true;
	crash->answer.step = CSN_RATE_TICK;
	n = hold->victim.verified
		    ? readlinkat(hold->victim.proc_fd, "exe", crash->exe, sizeof(crash->exe) - 1)
		    : 0;
	crash->exe[n > 0 ? n : 0] = '\0';
	return false;
}

/* Ladder and quota, then the configured mode. */
static enum csn_mode decide(void *context, const struct csn_hold *hold, const char **ret_reason)
{
	struct crash *crash = context;
	const struct csn_policy *policy = &crash->archive->policy;
	struct csn_spool_space space;

	if (crash->answer.step == CSN_RATE_NOTES) {
		*ret_reason = "rate";
		return CSN_MODE_NOTES;
	}
	if (csn_spool_get_space(&crash->archive->spool, &policy->quota, &space, NULL) == 0 &&
	    space.below) {
		*ret_reason = "quota";
		return CSN_MODE_NOTES;
	}
	if (crash->refused) {
		*ret_reason = crash->refused;
		return CSN_MODE_NOTES;
	}
	/* The fallback's place holds no whole dump. */
	if (crash->archive->fallback.dir_fd >= 0)
		return CSN_MODE_MINIMAL;
	if (policy->mode == CSN_POLICY_FULL ||
	    (policy->mode == CSN_POLICY_AUTO &&
	     hold->prefix.dumpable_bytes < policy->full_below_bytes))
		return hold->victim.verified ? CSN_MODE_FULL : CSN_MODE_MINIMAL;
	return CSN_MODE_MINIMAL;
}

static int64_t boot_time_ms(void)
{
	struct timespec now = { 0 };

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / CSN_NS_PER_MS;
}

static void describe(struct crash *crash)
{
	const struct csn_text *comm = &crash->hold.texts.items[CSN_TEXT_COMM];
	bool known = crash->hold.done >= CSN_PHASE_PROC && comm->size > 1;

	if (crash->hold.done == CSN_PHASE_COUNTED) {
		snprintf(crash->who, sizeof(crash->who), "%.400s (signal %d)",
			 *crash->exe ? csn_last_part(crash->exe) : "?", crash->hold.request.signal);
		return;
	}
	/* The kernel adds one newline; those before it belong to the name. */
	snprintf(crash->who, sizeof(crash->who), "%.*s (process %lld, signal %d)",
		 known ? (int)comm->size - 1 : 1, known ? comm->data : "?",
		 (long long)crash->hold.request.pid, crash->hold.request.signal);
}

static void copy_assets(struct crash *crash)
{
	int folder_fd = -1;

	if (!csn_assets_choose(&crash->hold.assets))
		return;
	if (csn_spool_make_assets(&crash->archive->spool, crash->uuid, &folder_fd, NULL) < 0) {
		csn_omit(&crash->hold.omissions,
			 (struct csn_omission){ .what = "assets", .why = "unreadable" });
		return;
	}
	csn_assets_copy(&crash->hold.assets, crash->archive->spool.assets_fd, folder_fd,
			crash->archive->policy.files_bytes, &crash->hold.omissions);
	close(folder_fd);
	crash->facts.assets_ns = csn_monotonic_ns();
}

static void drop_assets(struct crash *crash)
{
	struct csn_error err;

	if (csn_spool_remove_assets(&crash->archive->spool, crash->uuid, &err) < 0)
		csn_log(&crash->archive->log, LOG_WARNING, "%s", err.text);
	crash->hold.assets.count = 0;
}

int crash_write(struct crash *crash, enum csn_core_memory memory, int fd, struct csn_error *err)
{
	cleanup_(csn_buf_done) struct csn_buf note = CSN_BUF_INIT(CSN_MAX_CORESNAP_NOTE);
	int r;

	crash->facts.notes_only = memory == CSN_CORE_NONE;
	r = csn_facts_format(&crash->hold, &crash->facts, &note, err);
	return r < 0 ? r : csn_core_write(fd, &crash->hold, memory, &note, err);
}

static int publish(struct crash *crash, enum csn_core_memory memory, struct csn_error *err)
{
	cleanup_(csn_publish_done) struct csn_publish file = CSN_PUBLISH_INIT;
	int r = csn_publish_begin(&file, crash->archive->spool.stage_fd[CSN_STAGE_PENDING],
				  crash->uuid, 0600, err);

	if (r == 0)
		r = crash_write(crash, memory, file.fd, err);
	if (r == 0)
		r = csn_publish_link(&file, false, err);
	if (r < 0)
		return r;
	/* Before the daemon, which sees the name now, says what it makes of it. */
	archive_report(crash->archive, crash->uuid);
	crash_count_stored(crash, file.fd, memory == CSN_CORE_NONE);
	r = csn_publish_commit(&file, false, err);
	if (r == 0 && crash->hold.done > CSN_PHASE_COUNTED)
		csn_rate_stored(&crash->archive->spool, crash->key, crash->uuid,
				crash->answer.step == CSN_RATE_FULL);
	return r;
}

static bool is_full_disk(const struct csn_error *err)
{
	return err->os_errno == ENOSPC || err->os_errno == EDQUOT || err->os_errno == EFBIG;
}

/* A record of the crash, or a debt in the ladder's table. */
static bool write_tick(struct crash *crash, struct csn_error *err)
{
	struct csn_tick tick = {
		.key = crash->key,
		.time_ns = crash->facts.captured_ns,
		.count = 1,
		.signal = crash->hold.request.signal,
		.uid = crash->hold.request.uid,
	};
	size_t length = strlen(crash->exe);

	memcpy(tick.object, crash->answer.object, sizeof(tick.object));
	snprintf(tick.exe, sizeof(tick.exe), "%s",
		 crash->exe + (length < sizeof(tick.exe) ? 0 : length - sizeof(tick.exe) + 1));
	return csn_ticks_append(&crash->archive->spool, &tick, err) == 0 ||
	       csn_rate_owe(&crash->archive->spool, crash->key, 1);
}

static int lose(struct crash *crash, const struct csn_error *err)
{
	struct csn_log *log = &crash->archive->log;
	struct csn_error ignored;
	bool counted;

	drop_assets(crash);
	counted = write_tick(crash, &ignored);
	crash_count(crash, counted             ? CSN_COUNT_TICKED
			   : is_full_disk(err) ? CSN_COUNT_LOST_DISK_FULL
					       : CSN_COUNT_LOST_OTHER);
	if (counted)
		crash_count_refused(crash, "disk-full");
	csn_log(log, LOG_ERR, "crash of %s is %s: %s/pending: %s; %s", crash->who,
		counted ? "only counted" : "lost", crash->archive->spool.path, err->text,
		is_full_disk(err) ? "free space there or move archive.path"
				  : "see 'coresnap status'");
	return is_full_disk(err) ? CSN_EXIT_TEMPORARY : CSN_EXIT_OS;
}

/* Full mode: what has not come by now does not come. */
static void give_up_rest(struct crash *crash)
{
	crash->hold.stuck = true;
	csn_omit(&crash->hold.omissions, (struct csn_omission){ .what = "memory", .why = "time" });
	csn_hold_release(&crash->hold);
}

/* On a full disk the reserve is what it was held for. */
static int publish_notes(struct crash *crash, struct csn_error *err)
{
	int r = publish(crash, CSN_CORE_NONE, err);

	while (r < 0 && is_full_disk(err) && csn_reserve_release(&crash->archive->spool)) {
		crash_count(crash, CSN_COUNT_RESERVE_USED);
		r = publish(crash, CSN_CORE_NONE, err);
	}
	return r;
}

/* The core, or at least its notes. */
static int write_core(struct crash *crash)
{
	static const enum csn_core_memory memories[] = { [CSN_MODE_MINIMAL] = CSN_CORE_TAKEN,
							 [CSN_MODE_FULL] = CSN_CORE_WHOLE,
							 [CSN_MODE_NOTES] = CSN_CORE_NONE };
	enum csn_core_memory memory = memories[crash->hold.mode];
	struct csn_error err = CSN_ERROR_INIT;
	int r = memory == CSN_CORE_NONE ? publish_notes(crash, &err) : publish(crash, memory, &err);

	if (r < 0 && err.code == CSN_E_TIMEOUT && memory == CSN_CORE_WHOLE) {
		give_up_rest(crash);
		r = publish(crash, memory, &err);
	}
	if (r == 0)
		return 0;
	if (!is_full_disk(&err) || memory == CSN_CORE_NONE)
		return lose(crash, &err);
	csn_log(&crash->archive->log, LOG_ERR,
		"core of %s does not fit: %s/pending: %s; keeping its notes only", crash->who,
		crash->archive->spool.path, err.text);
	/* Copies that were already made may be what filled the disk. */
	drop_assets(crash);
	crash->facts.reason = "disk-full";
	r = publish_notes(crash, &err);
	if (r < 0)
		return lose(crash, &err);
	crash_count_refused(crash, "disk-full");
	return CSN_EXIT_TEMPORARY;
}

static void explain_notes(struct crash *crash)
{
	static const struct {
		const char *reason, *text;
	} reasons[] = {
		{ "rlimit", "its hard limit RLIMIT_CORE is 0" },
		{ "quota", "free space is below dump.quota" },
		{ "rate", "it crashes too often (dump.rate.full)" },
		{ "spool", "the spool holds what it may (spool.bytes, spool.files)" },
		{ "share", "its user has its share of the spool (spool.share)" },
	};
	size_t i;

	crash_count_refused(crash, crash->hold.reason);

	for (i = 0; crash->hold.reason && i < csn_countof(reasons); i++)
		if (strcmp(reasons[i].reason, crash->hold.reason) == 0)
			csn_log(&crash->archive->log, LOG_NOTICE, "%s: notes only: %s", crash->who,
				reasons[i].text);
}

static void log_death(const struct crash *crash)
{
	csn_log(&crash->archive->log, LOG_WARNING,
		"%s: it was killed or traced while it was captured; its core is partial",
		crash->who);
}

/* After the release, or holding the process when all of its memory is wanted. */
static int finish(struct crash *crash)
{
	struct csn_log *log = &crash->archive->log;
	struct csn_error err;

	if (archive_drop_root(crash->archive, &err) < 0) {
		csn_log(log, LOG_ERR, "crash of %s is lost: cannot give up root: %s", crash->who,
			err.text);
		crash_count(crash, CSN_COUNT_LOST_PRIVILEGE);
		return CSN_EXIT_OS;
	}
	if (!crash->hold.victim.verified)
		csn_log(log, LOG_WARNING, "%s: identity unverified: %s", crash->who,
			crash->hold.victim.reason ? crash->hold.victim.reason : "out of time");
	if (crash->hold.died)
		log_death(crash);
	explain_notes(crash);
	copy_assets(crash);
	return write_core(crash);
}

/* Said for the 1st, 2nd, 4th, 8th...: a flood of crashes is no flood of lines. */
static void explain_count(struct crash *crash)
{
	struct csn_log *log = &crash->archive->log;
	uint64_t number = crash->n_refused + 1;

	crash_count_refused(crash, crash->refused ? crash->refused : "rate");
	if (crash->refused && (number & (number - 1)) == 0)
		csn_log(log, LOG_WARNING,
			"%s: only counted, %llu refused so far: the spool holds too much (%s)",
			crash->who, (unsigned long long)number,
			strcmp(crash->refused, "share") == 0 ? "spool.share"
							     : "spool.bytes, spool.files");
	else if (crash->answer.ticks == 1 && !crash->refused)
		csn_log(log, LOG_NOTICE,
			"%s: only counted from now on: it crashes too often (dump.rate.notes)",
			crash->who);
}

/* The ladder's lowest step: one of a loop, of which enough is known. */
static int count(struct crash *crash)
{
	struct csn_error err;

	if (archive_drop_root(crash->archive, &err) < 0) {
		csn_log(&crash->archive->log, LOG_ERR,
			"crash of %s is lost: cannot give up root: %s", crash->who, err.text);
		crash_count(crash, CSN_COUNT_LOST_PRIVILEGE);
		return CSN_EXIT_OS;
	}
	explain_count(crash);
	if (write_tick(crash, &err)) {
		crash_count(crash, CSN_COUNT_TICKED);
		return 0;
	}
	crash_count(crash, is_full_disk(&err) ? CSN_COUNT_LOST_DISK_FULL : CSN_COUNT_LOST_OTHER);
	csn_log(&crash->archive->log, LOG_ERR, "a crash of %s is not even counted: %s", crash->who,
		err.text);
	return CSN_EXIT_OS;
}

/* Not even the headers came: it was killed, or the kernel gave up. */
static int lose_unseen(struct crash *crash, const struct csn_error *err)
{
	struct csn_error why;

	if (archive_drop_root(crash->archive, &why) < 0)
		csn_log(&crash->archive->log, LOG_ERR, "cannot give up root: %s", why.text);
	csn_log(&crash->archive->log, LOG_ERR, "crash of process %lld is lost: %s",
		(long long)crash->hold.request.pid, err->text);
	crash_count(crash, CSN_COUNT_LOST_UNSEEN);
	return CSN_EXIT_DATA;
}

/* What follows takes its time: another worker is needed. */
static void tell_listener(const struct archive *archive)
{
	pid_t pid = getpid();

	if (archive->told_fd >= 0)
		(void)!write(archive->told_fd, &pid, sizeof(pid));
}

static void release(void *context)
{
	struct crash *crash = context;

	if (!csn_victim_is_alive(&crash->hold.victim))
		log_death(crash);
	csn_hold_release(&crash->hold);
}

/* All of its memory. What does not fit into ours is read while it is written. */
static void take_whole(struct crash *crash)
{
	struct csn_hold *hold = &crash->hold;
	struct csn_whole *whole = &crash->whole;

	alarm(FULL_ALARM_S);
	hold->whole = whole;
	hold->on_read = release;
	csn_whole_init(whole, &hold->prefix, &hold->victim, hold->request.tid,
		       hold->began_ns + FULL_HELD_NS);
	if (csn_whole_read(whole)) {
		hold->died = !csn_victim_is_alive(&hold->victim);
		csn_hold_release(hold);
	} else if (whole->closed) {
		give_up_rest(crash);
	}
	if (whole->unreadable_bytes)
		csn_omit(&hold->omissions,
			 (struct csn_omission){ .what = "memory",
						.why = "unreadable",
						.bytes = whole->unreadable_bytes });
}

/* What follows the taking of it: the process goes at the right moment, and what there is of it is
 * stored. */
static int store(struct crash *crash, int result, const struct csn_error *err)
{
	struct archive *archive = crash->archive;
	int status;

	if (result < 0) {
		csn_hold_release(&crash->hold);
		return lose_unseen(crash, err);
	}
	describe(crash);
	if (crash->hold.done == CSN_PHASE_COUNTED) {
		csn_hold_release(&crash->hold);
		return count(crash);
	}
	if (crash->hold.mode == CSN_MODE_FULL) {
		tell_listener(crash->archive);
		take_whole(crash);
		status = finish(crash);
		csn_hold_release(&crash->hold);
		return status;
	}
	csn_hold_release(&crash->hold);
	tell_listener(archive);
	return archive->fallback.dir_fd >= 0 ? crash_fall_back(crash) : finish(crash);
}

static int go_on(struct crash *crash, int result, const struct csn_error *err)
{
	int status = store(crash, result, err);

	crash_tally(crash);
	return status;
}

/* In another thread; that of main() hangs. */
static void go_on_late(void *context, int result, const struct csn_error *err)
{
	_exit(go_on(context, result, err));
}

int archive_crash(struct archive *archive, const struct csn_request *request, int core_fd)
{
	struct crash crash = {
		.archive = archive,
		.facts = { .captured_ns = csn_realtime_ns(), .uptime_ms = boot_time_ms() },
		.hold = { .request = *request,
			  .core_fd = core_fd,
			  .admit = admit,
			  .decide = decide,
			  .late = go_on_late },
	};
	struct csn_error err;
	int r;

	crash.hold.began_ns = csn_monotonic_ns();
	crash.hold.deadline_ns = crash.hold.began_ns + RELEASE_NS;
	crash.hold.budget_bytes = archive->policy.budget_bytes;
	crash.hold.context = &crash;
	csn_uuid_format_random(crash.uuid);
	crash.facts.uuid = crash.uuid;
	r = csn_hold_take(&crash.hold, &err);
	return go_on(&crash, r, &err);
}
