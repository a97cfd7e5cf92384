/* The service's loop: start what is due, sleep until something happens. */
#include <errno.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <syslog.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "host/finder_internal.h"
#include "host/service_internal.h"

#define QUOTA_CHECK_NS (30 * CSN_NS_PER_SECOND)

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
	if (!service->once && service->pattern_due_ns <= now_ns)
		pattern_check(service);
	if (service->purge_due_ns <= now_ns)
		purge_old(service, now_ns);
	ticking_run(service, now_ns);
	finder_work(service, now_ns);
	metrics_end_overdue(service, now_ns);
	if (service->reserve_due_ns && service->reserve_due_ns <= now_ns)
		service->changed = true;
	house_keep(service, now_ns);
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
	if (ticking_next(service) != INT64_MAX)
		sooner(&next_ns, ticking_next(service), now_ns - 1);
	if (!service->once && service->pattern_due_ns != INT64_MAX)
		sooner(&next_ns, service->pattern_due_ns, now_ns);
	sooner(&next_ns, finder_next_due(service->host->finder, now_ns), now_ns);
	if (service->changed)
		sooner(&next_ns, service->house_due_ns, now_ns);
	sooner(&next_ns, service->reserve_due_ns, now_ns);
	sooner(&next_ns, metrics_due_ns(service), now_ns - 1);
	if (service->purge_due_ns != INT64_MAX)
		sooner(&next_ns, service->purge_due_ns, now_ns);
	when.it_value.tv_sec = next_ns / CSN_NS_PER_SECOND;
	when.it_value.tv_nsec = next_ns % CSN_NS_PER_SECOND;
	timerfd_settime(service->timer_fd, TFD_TIMER_ABSTIME, &when, NULL);
}

static void trim(struct csn_service *service)
{
	if (!service->untrimmed || service->n_jobs || service->changed)
		return;
	service->untrimmed = false;
	idle_give_back();
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
		source_add_all(service);
	service->changed = true;
	start_work(service);
	/* One event at a time: handling one may end what another belongs to. */
	while (!is_finished(service)) {
		trim(service);
		arm_timer(service);
		n = epoll_wait(service->epoll_fd, &event, 1, -1);
		if (n < 0 && errno != EINTR)
			return csn_fail_os(err, errno, "epoll_wait");
		if (n > 0)
			source_handle(service, event.data.ptr);
		if (service->reload)
			reload_conf(service);
		if (service->spool_gone && reload_spool(service, err) < 0)
			return -(int)err->code;
		if (!service->stopping)
			start_work(service);
	}
	return 0;
}
