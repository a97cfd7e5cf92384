#include "doctor/canary.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json_load.h"
#include "base/limits.h"
#include "doctor/doctor_internal.h"
#include "host/service.h"
#include "spool/core_note.h"

#define STAMP "canary"
#define INTERVAL_S 60
#define POLL_NS (5 * CSN_NS_PER_MS)
/* The helper of a small process takes milliseconds; analysis and sending are ordinary work of the
 * daemon. */
#define ARCHIVE_MS 5000
#define ANALYSE_MS 30000
#define SEND_MS 30000

/* Touches <beside>/canary; LIMIT when it is too young. */
static int take_turn(const struct csn_spool *spool, struct csn_error *err)
{
	cleanup_close int fd = openat(spool->beside_fd, STAMP,
				      O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
	int64_t age_ns;
	struct stat status;

	if (fd < 0 || fstat(fd, &status) < 0)
		return csn_fail_os(err, errno, "%s beside the spool", STAMP);
	age_ns = csn_realtime_ns() - status.st_mtim.tv_sec * CSN_NS_PER_SECOND;
	/* Size 0: made just now, by ourselves. */
	if (status.st_size && age_ns >= 0 && age_ns < INTERVAL_S * CSN_NS_PER_SECOND)
		return csn_fail(err, CSN_E_LIMIT,
				"the last canary crash was less than a minute ago; wait %lld s",
				(long long)(INTERVAL_S - age_ns / CSN_NS_PER_SECOND));
	if (pwrite(fd, "\n", 1, 0) != 1)
		return csn_fail_os(err, errno, "%s beside the spool", STAMP);
	return 0;
}

/* In the child; dies of SIGSEGV at an address that tells whose crash it is. */
static csn_noreturn void die(void)
{
	struct rlimit limit;
	sigset_t all;

	prctl(PR_SET_NAME, "coresnap-canary");
	prctl(PR_SET_DUMPABLE, 1);
	/* 1 would keep the kernel from dumping at all; what is hard stays hard. */
	if (getrlimit(RLIMIT_CORE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_CORE, &limit);
	}
	signal(SIGSEGV, SIG_DFL);
	sigfillset(&all);
	sigprocmask(SIG_UNBLOCK, &all, NULL);
	raise(SIGSEGV);
	_exit(0);
}

/* True when this core's note names our process. */
static bool is_canarys(const struct csn_spool *spool, const char *uuid, pid_t pid)
{
	cleanup_(csn_buf_done) struct csn_buf text = CSN_BUF_INIT(CSN_MAX_CORESNAP_NOTE);
	cleanup_json json_t *note = NULL;
	cleanup_close int fd = -1;
	struct csn_error ignored;

	return csn_spool_open_object(spool, CSN_STAGE_PENDING, uuid, O_RDONLY, &fd, &ignored) ==
		       0 &&
	       csn_core_note_read(fd, &text, &ignored) == 0 &&
	       csn_json_load(csn_buf_text(&text), text.size, &note, &ignored) == 0 &&
	       csn_json_get_int(note, "pid", 0) == pid;
}

/* The canary's core among those that came since. */
static bool find_core(const struct csn_spool *spool, int64_t since_ns, struct csn_canary *canary)
{
	cleanup_(csn_spool_list_done) struct csn_spool_list list = { 0 };
	struct csn_error ignored;
	size_t i;

	if (csn_spool_list(spool, CSN_STAGE_PENDING, &list, &ignored) < 0)
		return false;
	for (i = list.count; i > 0 && list.items[i - 1].mtime_ns >= since_ns; i--) {
		if (!is_canarys(spool, list.items[i - 1].uuid, canary->pid))
			continue;
		memcpy(canary->uuid, list.items[i - 1].uuid, sizeof(canary->uuid));
		return true;
	}
	return false;
}

struct watch {
	const struct csn_spool *spool;
	int64_t start_ns, since_ns; /* monotonic, and since the epoch */
	struct csn_canary *canary;
	const struct csn_progress_sink *progress;
};

static bool is_archived(const struct watch *watch)
{
	return find_core(watch->spool, watch->since_ns, watch->canary);
}

static bool is_analysed(const struct watch *watch)
{
	const char *uuid = watch->canary->uuid;

	return csn_spool_has(watch->spool, CSN_STAGE_SENDING, uuid) ||
	       !csn_spool_has(watch->spool, CSN_STAGE_PENDING, uuid);
}

static bool is_sent(const struct watch *watch)
{
	const char *uuid = watch->canary->uuid;

	return !csn_spool_has(watch->spool, CSN_STAGE_SENDING, uuid) &&
	       !csn_spool_has(watch->spool, CSN_STAGE_PENDING, uuid);
}

/* Whether a try has failed already: there is nothing to wait for then. */
static bool has_failed(const struct watch *watch)
{
	enum csn_stage stage = csn_spool_has(watch->spool, CSN_STAGE_SENDING, watch->canary->uuid)
				       ? CSN_STAGE_SENDING
				       : CSN_STAGE_PENDING;
	struct csn_error ignored;
	struct csn_crash crash;
	bool failed;

	if (!*watch->canary->uuid ||
	    csn_crash_load(watch->spool, stage, watch->canary->uuid, &crash, &ignored) < 0)
		return false;
	failed = crash.attempts > 0;
	csn_crash_done(&crash);
	return failed;
}

static bool wait_for(const struct watch *watch, enum csn_canary_step step,
		     bool (*reached)(const struct watch *watch), int64_t timeout_ms)
{
	const struct timespec pause = { .tv_nsec = POLL_NS };
	int64_t end = csn_monotonic_ns() + timeout_ms * CSN_NS_PER_MS;

	while (!reached(watch)) {
		if (csn_monotonic_ns() > end || (has_failed(watch) && !reached(watch)))
			return false;
		clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
	}
	watch->canary->step = step;
	watch->canary->reached_ms[step] = (csn_monotonic_ns() - watch->start_ns) / CSN_NS_PER_MS;
	return true;
}

static void follow(const struct watch *watch, enum csn_canary_step until)
{
	static const struct {
		enum csn_canary_step step;
		bool (*reached)(const struct watch *watch);
		int64_t timeout_ms;
		const char *phase;
	} steps[] = {
		{ CSN_CANARY_ARCHIVED, is_archived, ARCHIVE_MS, "waiting for the canary's core" },
		{ CSN_CANARY_ANALYSED, is_analysed, ANALYSE_MS, "waiting for its analysis" },
		{ CSN_CANARY_SENT, is_sent, SEND_MS, "waiting until it is sent" },
	};
	size_t i;

	for (i = 0; i < csn_countof(steps) && steps[i].step <= until; i++) {
		/* Without a daemon nothing more will happen. */
		if (steps[i].step > CSN_CANARY_ARCHIVED && !csn_service_find_daemon(watch->spool))
			return;
		csn_progress_tell(watch->progress, steps[i].phase, NULL, 0, 0);
		if (!wait_for(watch, steps[i].step, steps[i].reached, steps[i].timeout_ms))
			return;
	}
}

int csn_canary_run(const struct csn_spool *spool, enum csn_canary_step until,
		   const struct csn_progress_sink *progress, struct csn_canary *ret_canary,
		   struct csn_error *err)
{
	struct csn_canary canary = { 0 };
	struct watch watch = { .spool = spool, .canary = &canary, .progress = progress };
	int status, r = take_turn(spool, err);

	if (r < 0)
		return r;
	watch.start_ns = csn_monotonic_ns();
	watch.since_ns = csn_realtime_ns() - CSN_NS_PER_SECOND;
	canary.pid = fork();
	if (canary.pid < 0)
		return csn_fail_os(err, errno, "fork");
	if (canary.pid == 0)
		die();
	while (waitpid(canary.pid, &status, 0) < 0)
		if (errno != EINTR)
			return csn_fail_os(err, errno, "waitpid");
	if (WIFSIGNALED(status)) {
		canary.step = CSN_CANARY_DEAD;
		canary.reached_ms[CSN_CANARY_DEAD] =
			(csn_monotonic_ns() - watch.start_ns) / CSN_NS_PER_MS;
		canary.was_dumped = WCOREDUMP(status);
		/* Not dumped: no helper ran, and nothing will come. */
		if (canary.was_dumped)
			follow(&watch, until);
	}
	*ret_canary = canary;
	return 0;
}
