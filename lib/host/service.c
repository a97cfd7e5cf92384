#include "host/service.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <syslog.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "host/control_internal.h"
#include "host/service_internal.h"

#define MAX_REOPENS 100
#define QUOTA_CHECK_NS (30 * CSN_NS_PER_SECOND)

int service_watch(struct csn_service *service, int fd, struct watch *watch, struct csn_error *err)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = watch };

	if (epoll_ctl(service->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
		return csn_fail_os(err, errno, "epoll");
	return 0;
}

void service_unwatch(struct csn_service *service, int fd)
{
	if (fd >= 0)
		(void)epoll_ctl(service->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
}

static int open_signals(struct csn_service *service, struct csn_error *err)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return csn_fail_os(err, errno, "sigprocmask");
	service->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (service->signal_fd < 0)
		return csn_fail_os(err, errno, "signalfd");
	service->signal_watch.kind = WATCH_SIGNALS;
	return service_watch(service, service->signal_fd, &service->signal_watch, err);
}

/* A folder is watched by its descriptor: what was opened is what is watched. */
static int watch_folder(struct csn_service *service, int folder_fd, uint32_t mask, int *ret_wd,
			struct csn_error *err)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", folder_fd);
	*ret_wd = inotify_add_watch(service->inotify_fd, path, mask | IN_ONLYDIR);
	return *ret_wd < 0 ? csn_fail_os(err, errno, "inotify") : 0;
}

/* What comes into the stages, and stages that go: whoever empties a disk takes folders too. */
static int watch_spool(struct csn_service *service, struct csn_error *err)
{
	const struct csn_spool *spool = &service->host->spool;
	int r = watch_folder(service, spool->dir_fd, IN_DELETE | IN_MOVED_FROM | IN_MOVE_SELF,
			     &service->archive_wd, err);

	if (r == 0)
		r = watch_folder(service, spool->stage_fd[CSN_STAGE_PENDING],
				 IN_CREATE | IN_MOVED_TO, &service->pending_wd, err);
	if (r == 0)
		r = watch_folder(service, spool->stage_fd[CSN_STAGE_SENDING],
				 IN_CREATE | IN_MOVED_TO, &service->sending_wd, err);
	return r;
}

static int open_inotify(struct csn_service *service, struct csn_error *err)
{
	int r;

	service->inotify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (service->inotify_fd < 0)
		return csn_fail_os(err, errno, "inotify");
	r = watch_spool(service, err);
	service->spool_watch.kind = WATCH_SPOOL;
	return r < 0 ? r : service_watch(service, service->inotify_fd, &service->spool_watch, err);
}

static int open_sources(struct csn_service *service, struct csn_error *err)
{
	int r;

	service->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	service->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (service->epoll_fd < 0 || service->timer_fd < 0)
		return csn_fail_os(err, errno, "epoll");
	service->timer_watch.kind = WATCH_TIMER;
	r = service_watch(service, service->timer_fd, &service->timer_watch, err);
	if (r == 0)
		r = open_signals(service, err);
	if (r < 0 || service->once)
		return r;
	r = open_inotify(service, err);
	if (r == 0)
		r = control_open(&service->host->spool, &service->control_fd, err);
	service->control_watch.kind = WATCH_CONTROL;
	return r < 0 ? r
		     : service_watch(service, service->control_fd, &service->control_watch, err);
}

int csn_service_new(struct csn_host *host, bool once, struct csn_service **ret_service,
		    struct csn_error *err)
{
	struct csn_service *service = calloc(1, sizeof(*service));
	int r;

	if (!service)
		return csn_fail_nomem(err);
	service->host = host;
	service->once = once;
	service->epoll_fd = service->inotify_fd = service->signal_fd = -1;
	service->timer_fd = service->control_fd = -1;
	r = open_sources(service, err);
	if (r < 0) {
		csn_service_free(service);
		return r;
	}
	*ret_service = service;
	return 0;
}

void csn_service_free(struct csn_service *service)
{
	if (!service)
		return;
	while (service->n_jobs)
		job_drop(service, service->jobs[service->n_jobs - 1]);
	free(service->jobs);
	csn_closep(&service->epoll_fd);
	csn_closep(&service->inotify_fd);
	csn_closep(&service->signal_fd);
	csn_closep(&service->timer_fd);
	if (service->control_fd >= 0)
		control_close(&service->host->spool, service->control_fd);
	free(service);
}

int csn_service_add(struct csn_service *service, enum csn_stage stage, const char *uuid,
		    struct csn_error *err)
{
	return job_add(service, stage, uuid, err);
}

size_t csn_service_get_sent(const struct csn_service *service)
{
	return service->n_sent;
}

size_t csn_service_get_failed(const struct csn_service *service)
{
	return service->n_failed;
}

static void add_or_say(struct csn_service *service, enum csn_stage stage, const char *uuid)
{
	struct csn_error err = CSN_ERROR_INIT;

	if (job_add(service, stage, uuid, &err) < 0)
		csn_host_say(service->host, LOG_ERR, "crash %s: %s", uuid, err.text);
}

/* Everything that is there; also after inotify lost events. */
static void add_all(struct csn_service *service)
{
	static const enum csn_stage stages[] = { CSN_STAGE_PENDING, CSN_STAGE_SENDING };
	cleanup_(csn_spool_list_done) struct csn_spool_list list = { 0 };
	struct csn_error err = CSN_ERROR_INIT;
	size_t i;

	for (i = 0; i < csn_countof(stages); i++)
		if (csn_spool_list(&service->host->spool, stages[i], &list, &err) < 0)
			csn_host_say(service->host, LOG_ERR, "spool: %s", err.text);
	for (i = 0; i < list.count; i++)
		add_or_say(service, list.items[i].stage, list.items[i].uuid);
}

static void read_inotify(struct csn_service *service)
{
	char block[8192] __attribute__((aligned(__alignof__(struct inotify_event))));
	ssize_t n = read(service->inotify_fd, block, sizeof(block)), at = 0;

	while (n > 0 && at + (ssize_t)sizeof(struct inotify_event) <= n) {
		const struct inotify_event *event = (const struct inotify_event *)(block + at);

		at += (ssize_t)sizeof(*event) + event->len;
		if (event->mask & IN_Q_OVERFLOW)
			add_all(service);
		if (event->wd == service->archive_wd) {
			if (event->mask & (IN_ISDIR | IN_MOVE_SELF))
				service->spool_gone = true;
			continue;
		}
		if (!event->len || !csn_uuid_parse(event->name, NULL))
			continue;
		add_or_say(service,
			   event->wd == service->pending_wd ? CSN_STAGE_PENDING : CSN_STAGE_SENDING,
			   event->name);
	}
}

static void read_signals(struct csn_service *service)
{
	struct signalfd_siginfo info;

	while (read(service->signal_fd, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGHUP)
			service->reload = true;
		else
			service->stopping = true;
	}
}

/* Back-off is forgotten: somebody mended something. */
static void make_due(struct csn_service *service, const char *uuid)
{
	size_t i;

	service->line_due_ns = 0;
	service->quota_due_ns = 0;
	for (i = 0; i < service->n_jobs; i++)
		if (!uuid || strcmp(service->jobs[i]->uuid, uuid) == 0)
			service->jobs[i]->due_ns = 0;
}

static void read_control(struct csn_service *service)
{
	char uuid[CSN_UUID_TEXT];
	enum csn_stage stage;
	bool all;

	while (control_receive(service->control_fd, &all, &stage, uuid)) {
		if (all)
			add_all(service);
		else
			add_or_say(service, stage, uuid);
		make_due(service, all ? NULL : uuid);
	}
}

static void reload(struct csn_service *service)
{
	struct csn_error err = CSN_ERROR_INIT;
	struct csn_host *host = service->host;

	service->reload = false;
	if (csn_host_reload(host, &err) < 0) {
		csn_host_say(host, LOG_ERR, "reload: %s; the old configuration stays", err.text);
		return;
	}
	if (strcmp(host->conf.archive_path, host->spool.path) != 0)
		csn_host_say(host, LOG_WARNING, "reload: archive.path needs a restart");
	if (csn_host_write_policy(host, &err) < 0)
		csn_host_say(host, LOG_WARNING, "reload: %s", err.text);
	csn_host_say(host, LOG_INFO, "configuration read from %s",
		     host->conf.file ? host->conf.file : "built-in values");
	service->purge_due_ns = 0;
	make_due(service, NULL);
}

/* Folders of the spool were taken away under us: made again where we may, so that the next crash
 * has a place; what was in them is forgotten job by job, as each is not found. */
static int reopen_spool(struct csn_service *service, struct csn_error *err)
{
	struct csn_host *host = service->host;
	int r = -1, tries;

	service->spool_gone = false;
	/* Whoever removes may not be done yet: what we make can go again before we open it. */
	for (tries = 0; r < 0 && tries < MAX_REOPENS; tries++) {
		r = csn_host_make_spool(host, err);
		if (r == 0)
			r = csn_host_open_spool(host, err);
	}
	if (r < 0)
		return csn_wrap(err,
				"the spool was removed; run 'coresnap enable' and start again");
	(void)inotify_rm_watch(service->inotify_fd, service->archive_wd);
	(void)inotify_rm_watch(service->inotify_fd, service->pending_wd);
	(void)inotify_rm_watch(service->inotify_fd, service->sending_wd);
	r = watch_spool(service, err);
	if (r < 0)
		return r;
	csn_host_say(host, LOG_WARNING, "folders of %s were removed; they are made again",
		     host->spool.path);
	add_all(service);
	return 0;
}

static void child_ended(struct csn_service *service, struct job *job)
{
	int status;

	if (csn_child_reap(&job->child, job->step != STEP_DEFAULTS, &status))
		step_child_ended(service, job, status);
}

static void child_printed(struct csn_service *service, struct job *job)
{
	if (!csn_child_read(&job->child, job->step != STEP_DEFAULTS))
		service_unwatch(service, job->child.output_fd);
}

static void handle(struct csn_service *service, const struct watch *watch)
{
	uint64_t expirations;

	switch (watch->kind) {
	case WATCH_SPOOL:
		read_inotify(service);
		break;
	case WATCH_SIGNALS:
		read_signals(service);
		break;
	case WATCH_CONTROL:
		read_control(service);
		break;
	case WATCH_TIMER:
		(void)!read(service->timer_fd, &expirations, sizeof(expirations));
		break;
	case WATCH_CHILD_END:
		child_ended(service, watch->job);
		break;
	case WATCH_CHILD_OUTPUT:
		child_printed(service, watch->job);
		break;
	}
}

static void end_overdue(struct csn_service *service, int64_t now_ns)
{
	size_t i;

	for (i = 0; i < service->n_jobs; i++) {
		struct csn_child *child = &service->jobs[i]->child;

		if (child->pid > 0 && child->deadline_ns <= now_ns && !child->timed_out) {
			child->timed_out = true;
			csn_child_kill(child);
		}
	}
}

/* Below the quota nothing is analysed or sent; said once when it begins and when it ends. */
static bool may_work(struct csn_service *service, int64_t now_ns)
{
	struct csn_quota quota = csn_host_get_quota(service->host);
	struct csn_error err = CSN_ERROR_INIT;
	struct csn_spool_space space;
	bool was_below = service->below_quota;

	if (service->n_jobs == 0)
		return false;
	if (service->quota_due_ns > now_ns)
		return false;
	if (csn_spool_get_space(&service->host->spool, &quota, &space, &err) < 0)
		return true;
	service->below_quota = space.below;
	service->quota_due_ns = space.below ? now_ns + QUOTA_CHECK_NS : 0;
	if (space.below && !was_below)
		csn_host_say(service->host, LOG_ERR,
			     "%llu MB free in %s, dump.quota asks for %llu MB: nothing is "
			     "archived, analysed or sent until there is more",
			     (unsigned long long)space.free_bytes / 1000000,
			     service->host->spool.path,
			     (unsigned long long)space.threshold_bytes / 1000000);
	if (!space.below && was_below)
		csn_host_say(service->host, LOG_NOTICE, "enough free space again");
	return !space.below;
}

static void start_work(struct csn_service *service)
{
	int64_t now_ns = csn_monotonic_ns();
	struct job *job;

	end_overdue(service, now_ns);
	if (service->purge_due_ns <= now_ns)
		purge_old(service, now_ns);
	if (!may_work(service, now_ns))
		return;
	while ((job = job_next_to_analyse(service, now_ns)))
		step_start_analysis(service, job);
	while ((job = job_next_to_send(service, now_ns)))
		step_start_sending(service, job);
}

static void sooner(int64_t *next_ns, int64_t candidate_ns, int64_t now_ns)
{
	if (candidate_ns > now_ns && (*next_ns == 0 || candidate_ns < *next_ns))
		*next_ns = candidate_ns;
}

/* The timer runs only while something waits for a moment to come. */
static void arm_timer(struct csn_service *service)
{
	int64_t now_ns = csn_monotonic_ns(), next_ns = 0;
	struct itimerspec when = { 0 };
	size_t i;

	for (i = 0; i < service->n_jobs; i++) {
		const struct job *job = service->jobs[i];

		if (job->child.pid > 0 && !job->child.timed_out)
			sooner(&next_ns, job->child.deadline_ns, now_ns - 1);
		else
			sooner(&next_ns, job->due_ns, now_ns);
	}
	if (service->n_jobs) {
		sooner(&next_ns, service->line_due_ns, now_ns);
		sooner(&next_ns, service->quota_due_ns, now_ns);
	}
	if (service->purge_due_ns != INT64_MAX)
		sooner(&next_ns, service->purge_due_ns, now_ns);
	when.it_value.tv_sec = next_ns / CSN_NS_PER_SECOND;
	when.it_value.tv_nsec = next_ns % CSN_NS_PER_SECOND;
	timerfd_settime(service->timer_fd, TFD_TIMER_ABSTIME, &when, NULL);
}

static bool is_finished(const struct csn_service *service)
{
	return service->stopping ||
	       (service->once && service->n_analysing == 0 && !service->is_sending);
}

int csn_service_run(struct csn_service *service, struct csn_error *err)
{
	struct epoll_event event;
	int n;

	if (!service->once)
		add_all(service);
	start_work(service);
	/* One event at a time: handling one may end what another belongs to. */
	while (!is_finished(service)) {
		metrics_write(service);
		arm_timer(service);
		n = epoll_wait(service->epoll_fd, &event, 1, -1);
		if (n < 0 && errno != EINTR)
			return csn_fail_os(err, errno, "epoll_wait");
		if (n > 0)
			handle(service, event.data.ptr);
		if (service->reload)
			reload(service);
		if (service->spool_gone && reopen_spool(service, err) < 0)
			return -(int)err->code;
		if (!service->stopping)
			start_work(service);
	}
	return 0;
}
