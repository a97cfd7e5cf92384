/* What wakes the service: the spool's folders, signals, requests, its timer and its children. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <syslog.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/limits_host.h"
#include "host/control_internal.h"
#include "host/finder_internal.h"
#include "host/kernel_log.h"
#include "host/service_internal.h"

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
int source_watch_spool(struct csn_service *service, struct csn_error *err)
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
	if (r == 0)
		r = watch_folder(service, spool->ticks_fd,
				 IN_CREATE | IN_DELETE_SELF | IN_MOVE_SELF, &service->ticks_wd,
				 err);
	return r;
}

static int open_inotify(struct csn_service *service, struct csn_error *err)
{
	int r;

	service->inotify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (service->inotify_fd < 0)
		return csn_fail_os(err, errno, "inotify");
	r = source_watch_spool(service, err);
	pattern_watch(service);
	service->spool_watch.kind = WATCH_SPOOL;
	return r < 0 ? r : service_watch(service, service->inotify_fd, &service->spool_watch, err);
}

int source_open_all(struct csn_service *service, struct csn_error *err)
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
		r = finder_begin(service, err);
	if (r == 0)
		r = control_open(&service->host->spool, &service->control_fd, err);
	service->control_watch.kind = WATCH_CONTROL;
	if (r == 0)
		r = service_watch(service, service->control_fd, &service->control_watch, err);
	if (r == 0)
		metrics_open(service);
	return r;
}

static void add_or_say(struct csn_service *service, enum csn_stage stage, const char *uuid)
{
	struct csn_error err = CSN_ERROR_INIT;

	if (job_add(service, stage, uuid, &err) < 0)
		csn_host_say(service->host, LOG_ERR, "crash %s: %s", uuid, err.text);
}

/* Everything that is there; also after inotify lost events. */
void source_add_all(struct csn_service *service)
{
	static const enum csn_stage stages[] = { CSN_STAGE_PENDING, CSN_STAGE_SENDING };
	cleanup_(csn_spool_list_done) struct csn_spool_list list = { 0 };
	struct csn_error err = CSN_ERROR_INIT;
	size_t i;

	for (i = 0; i < csn_countof(stages); i++)
		if (csn_spool_list(&service->host->spool, stages[i], &list, &err) < 0)
			csn_host_say(service->host, LOG_ERR, "spool: %s", err.text);
	if (list.n_odd)
		csn_host_say(service->host, LOG_WARNING,
			     "%zu names in %s are no plain files; they are left alone", list.n_odd,
			     service->host->spool.path);
	for (i = 0; i < list.count; i++)
		add_or_say(service, list.items[i].stage, list.items[i].uuid);
}

/* Where more crash at once than the kernel lets through, some come; then the others are counted. */
static void count_refused(struct csn_service *service)
{
	uint64_t refused = csn_kernel_log_refused(service->host->kernel_log_fd);

	if (!refused)
		return;
	house_count(service, CSN_COUNT_KERNEL_REFUSED, refused);
	csn_host_say(service->host, LOG_WARNING,
		     "%llu more crashes were refused by the kernel: more than core_pipe_limit "
		     "processes crashed at once",
		     (unsigned long long)refused);
}

static void read_tick_event(struct csn_service *service, const struct inotify_event *event)
{
	if (event->mask & (IN_DELETE_SELF | IN_MOVE_SELF))
		service->spool_gone = true;
	else if (event->len && strcmp(event->name, "new") == 0)
		ticking_began(service);
}

static void read_inotify(struct csn_service *service)
{
	char block[8192] __attribute__((aligned(__alignof__(struct inotify_event))));
	ssize_t n = read(service->inotify_fd, block, sizeof(block)), at = 0;

	while (n > 0 && at + (ssize_t)sizeof(struct inotify_event) <= n) {
		const struct inotify_event *event = (const struct inotify_event *)(block + at);

		at += (ssize_t)sizeof(*event) + event->len;
		if (event->mask & IN_Q_OVERFLOW) {
			source_add_all(service);
			ticking_began(service);
		}
		if (event->wd == service->pattern_wd)
			service->pattern_due_ns = 0;
		if (event->wd == service->archive_wd) {
			if (event->mask & (IN_ISDIR | IN_MOVE_SELF))
				service->spool_gone = true;
			continue;
		}
		if (event->wd == service->ticks_wd) {
			read_tick_event(service, event);
			continue;
		}
		if (!event->len || !csn_uuid_parse(event->name, NULL) ||
		    finder_is_taking(service->host->finder, event->name))
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

static void read_control(struct csn_service *service)
{
	char uuid[CSN_UUID_TEXT];
	enum csn_stage stage;
	bool all;

	while (control_receive(service->control_fd, &all, &stage, uuid)) {
		if (all)
			source_add_all(service);
		else
			add_or_say(service, stage, uuid);
		reload_make_due(service, all ? NULL : uuid);
		if (all)
			ticking_make_due(service);
	}
}

/* What a child left running when it ended. */
static void end_strays(const struct csn_service *service)
{
	/* Analyses, one that sends, one that sends counts, those that match rules. */
	pid_t known[CSN_MAX_WORKERS + 2 + FINDER_PROCESSES];
	size_t i, n = 0;

	n = finder_list_processes(service->host->finder, known);
	if (service->ticking.child.pid > 0)
		known[n++] = service->ticking.child.pid;
	for (i = 0; i < service->n_jobs && n < csn_countof(known); i++)
		if (service->jobs[i]->child.pid > 0)
			known[n++] = service->jobs[i]->child.pid;
	csn_child_end_strays(known, n);
}

static void child_ended(struct csn_service *service, struct job *job)
{
	int status;

	if (!csn_child_reap(&job->child, job->step != STEP_DEFAULTS, &status))
		return;
	end_strays(service);
	step_child_ended(service, job, status);
}

static void child_printed(struct csn_service *service, struct job *job)
{
	if (!csn_child_read(&job->child, job->step != STEP_DEFAULTS))
		service_unwatch(service, job->child.output_fd);
	/* What it says now is of no use any more. */
	if (job->step == STEP_DEFAULTS && job->child.output_cut)
		csn_child_kill(&job->child);
}

void source_handle(struct csn_service *service, const struct watch *watch)
{
	uint64_t expirations;

	/* Who asks for metrics changes none, and the watch may go with its job. */
	if (watch->kind != WATCH_TIMER && watch->kind != WATCH_METRICS)
		service->changed = true;
	switch (watch->kind) {
	case WATCH_SPOOL:
		read_inotify(service);
		count_refused(service);
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
	case WATCH_TICK_END:
		ticking_child_ended(service);
		break;
	case WATCH_TICK_OUTPUT:
		ticking_child_printed(service);
		break;
	case WATCH_FOLDERS:
	case WATCH_TAKER_END:
	case WATCH_TAKER_OUTPUT:
		finder_handle(service, watch);
		break;
	case WATCH_METRICS:
		metrics_handle(service, watch);
		break;
	}
}
