/* Crashes that were only counted, on their way: helpers write them down one by one (spool/ticks.h),
 * here they are added up (host/counts.h) some seconds after the first and then once a minute, and
 * sent object by object. Without ticks nothing here wakes up. */
#include <stdio.h>
#include <string.h>
#include <syslog.h>

#include "base/arena.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/options.h"
#include "base/text.h"
#include "host/service_internal.h"
#include "host/slave.h"
#include "spool/ticks.h"

#define FIRST_FOLD_NS (5 * CSN_NS_PER_SECOND)
#define FOLD_EVERY_NS (60 * CSN_NS_PER_SECOND)
#define FOLD_AGAIN_NS CSN_NS_PER_SECOND
#define TIMEOUT_MS 60000

void ticking_init(struct csn_service *service)
{
	service->ticking = (struct ticking){
		.fold_due_ns = service->once ? INT64_MAX : 0,
		.send_due_ns = service->once ? INT64_MAX : 0,
		.child = CSN_CHILD_INIT,
		.end = { .kind = WATCH_TICK_END },
		.output = { .kind = WATCH_TICK_OUTPUT },
	};
}

static void end_child(struct csn_service *service)
{
	struct csn_child *child = &service->ticking.child;

	service_unwatch(service, child->pidfd);
	service_unwatch(service, child->output_fd);
	csn_child_done(child);
	*child = (struct csn_child)CSN_CHILD_INIT;
}

void ticking_done(struct csn_service *service)
{
	end_child(service);
}

void ticking_began(struct csn_service *service)
{
	struct ticking *ticking = &service->ticking;
	int64_t now_ns = csn_monotonic_ns();

	if (ticking->fold_due_ns != INT64_MAX)
		return;
	ticking->fold_due_ns = now_ns + FIRST_FOLD_NS;
	if (ticking->last_fold_ns && ticking->last_fold_ns + FOLD_EVERY_NS > ticking->fold_due_ns)
		ticking->fold_due_ns = ticking->last_fold_ns + FOLD_EVERY_NS;
}

void ticking_object_sent(struct csn_service *service, const char *uuid)
{
	if (!service->once && csn_counts_wait_for(&service->host->spool, uuid))
		service->ticking.send_due_ns = 0;
}

void ticking_make_due(struct csn_service *service)
{
	if (service->once)
		return;
	service->ticking.fold_due_ns = 0;
	service->ticking.send_due_ns = 0;
}

/* ---- adding up ---- */

static void say_grown(void *context, const struct csn_count *added)
{
	struct csn_service *service = context;
	char shown[4 * sizeof(added->exe)];

	service->ticking.last_fold_ns = csn_monotonic_ns();
	service->ticking.n_counted += added->count;
	csn_host_say(service->host, LOG_NOTICE,
		     "%llu further crash%s of %s only counted, in %lld s; as crash %s",
		     (unsigned long long)added->count, added->count == 1 ? "" : "es",
		     csn_escape_to(shown, sizeof(shown), *added->exe ? added->exe : "?"),
		     (long long)added->last_s - added->first_s + 1, added->object);
}

static void say_purged(void *context, const struct csn_count *gone)
{
	const struct csn_service *service = context;

	csn_host_say(service->host, LOG_WARNING,
		     "%llu ticks of crash %s purged: the server never had it",
		     (unsigned long long)gone->count, gone->object);
}

/* What nobody takes goes by its age, as crashes do. */
static void purge(struct csn_service *service)
{
	const struct csn_coresnap_conf *conf = &service->host->conf;

	if (!conf->purge_disabled)
		csn_counts_purge(&service->host->spool,
				 csn_realtime_ns() - conf->purge_age_seconds * CSN_NS_PER_SECOND,
				 say_purged, service);
}

static void fold(struct csn_service *service, int64_t now_ns)
{
	struct ticking *ticking = &service->ticking;
	struct csn_error err = CSN_ERROR_INIT;
	uint64_t skipped = 0;
	int r = csn_counts_fold(&service->host->spool, say_grown, service, &skipped, &err);

	ticking->fold_due_ns = INT64_MAX;
	purge(service);
	if (skipped)
		csn_host_say(service->host, LOG_WARNING,
			     "%llu bytes among the ticks are none (torn by a full disk?)",
			     (unsigned long long)skipped);
	if (r < 0) {
		csn_host_say(service->host, r == -CSN_E_LIMIT ? LOG_NOTICE : LOG_ERR, "ticks: %s",
			     err.text);
		ticking->fold_due_ns = now_ns + (r == -CSN_E_LIMIT ? FOLD_AGAIN_NS : FOLD_EVERY_NS);
		return;
	}
	if (csn_ticks_waiting(&service->host->spool))
		ticking_began(service);
	if (!ticking->failures)
		ticking->send_due_ns = now_ns;
}

/* ---- sending ---- */

static bool is_first_of(const struct csn_coresnap_conf *conf, size_t rule)
{
	size_t i;

	for (i = 0; i < rule; i++)
		if (strcmp(conf->rules[i].project, conf->rules[rule].project) == 0)
			return false;
	return true;
}

/* Where the crash itself went, as far as its ticks can tell; then every other project, for they
 * cannot tell all. NULL when none is left. */
static const char *choose_project(const struct csn_service *service, size_t n_tried)
{
	const struct csn_count *count = &service->ticking.count;
	const struct csn_coresnap_conf *conf = &service->host->conf;
	struct csn_crash crash = { .signal = count->signal };
	struct csn_error ignored = CSN_ERROR_INIT;
	const char *likely;
	unsigned line;
	size_t i;

	if (csn_crash_set(&crash.exe, count->exe, &ignored) == 0 &&
	    csn_crash_set(&crash.program, csn_last_part(count->exe), &ignored) == 0 &&
	    csn_crash_set(&crash.hostname, count->hostname, &ignored) == 0 &&
	    csn_crash_set_user(&crash, count->uid, &ignored) == 0)
		likely = csn_router_find(service->host->router, &crash, &line);
	else
		likely = NULL;
	csn_crash_done(&crash);
	if (likely && n_tried-- == 0)
		return likely;
	for (i = 0; i < conf->n_rules; i++)
		if (is_first_of(conf, i) &&
		    (!likely || strcmp(conf->rules[i].project, likely) != 0) && n_tried-- == 0)
			return conf->rules[i].project;
	return NULL;
}

static int start_child(struct csn_service *service, const char *project, struct csn_error *err)
{
	cleanup_(csn_arena_freep) struct csn_arena *arena = csn_arena_new(CSN_MIB);
	struct ticking *ticking = &service->ticking;
	struct csn_child_spec spec = {
		.keep_fd = -1,
		.limits = step_coroner_limits,
		.timeout_ms = TIMEOUT_MS,
		.max_output_bytes = CSN_MAX_CHILD_OUTPUT,
		.keep_tail = true,
	};
	int r = arena ? 0 : csn_fail_nomem(err);

	if (r == 0)
		r = csn_slave_tick(arena, service->host, ticking->count.object, project, &spec.argv,
				   err);
	if (r < 0)
		return r;
	step_log_slave(service->host, spec.argv);
	r = csn_child_start(&spec, &ticking->child, err);
	if (r == 0)
		r = service_watch(service, ticking->child.pidfd, &ticking->end, err);
	if (r == 0)
		r = service_watch(service, ticking->child.output_fd, &ticking->output, err);
	return r;
}

/* The round is over; what failed is tried again, with back-off. */
static void end_round(struct csn_service *service)
{
	struct ticking *ticking = &service->ticking;

	ticking->failures = ticking->failed ? ticking->failures + 1 : 0;
	if (ticking->failed) {
		int64_t delay_ns = outcome_retry_delay(service, ticking->failures);

		purge(service);
		ticking->send_due_ns = csn_monotonic_ns() + delay_ns;
		csn_host_say(service->host, LOG_NOTICE, "%llu ticks wait; next try in %lld s",
			     (unsigned long long)csn_counts_waiting(&service->host->spool),
			     (long long)(delay_ns / CSN_NS_PER_SECOND));
	}
	ticking->failed = false;
	ticking->count.object[0] = '\0';
}

static void give_up(struct csn_service *service, int status, const char *reason)
{
	char text[512];

	csn_escape_to(text, sizeof(text), *reason ? reason : "no message");
	csn_host_say(service->host, LOG_WARNING, "ticks of crash %s kept: coroner exit %d: %s",
		     service->ticking.count.object, status, text);
	service->ticking.failed = true;
}

static void send_next(struct csn_service *service);

/* Sends the present count to the next project that may have its object. */
static void try_project(struct csn_service *service, int status, const char *reason)
{
	struct ticking *ticking = &service->ticking;
	const char *project = choose_project(service, ticking->n_tried++);
	struct csn_error err = CSN_ERROR_INIT;

	if (!project) {
		give_up(service, status, reason);
		send_next(service);
	} else if (start_child(service, project, &err) < 0) {
		end_child(service);
		give_up(service, NOT_STARTED, err.text);
		end_round(service);
	}
}

static void send_next(struct csn_service *service)
{
	struct ticking *ticking = &service->ticking;
	struct csn_error err = CSN_ERROR_INIT;
	int r = csn_counts_next(&service->host->spool, ticking->count.object, &ticking->count,
				&err);

	if (r == 0) {
		ticking->n_tried = 0;
		try_project(service, CSN_EXIT_CONFIG, "coresnap.conf has no format rule");
		return;
	}
	if (r != -CSN_E_NOT_FOUND) {
		csn_host_say(service->host, LOG_ERR, "ticks: %s", err.text);
		ticking->failed = true;
	}
	end_round(service);
}

static void sent(struct csn_service *service)
{
	struct ticking *ticking = &service->ticking;
	struct csn_error err = CSN_ERROR_INIT;

	if (csn_counts_sent(&service->host->spool, ticking->count.object, &err) < 0) {
		csn_host_say(service->host, LOG_ERR, "ticks: %s", err.text);
		ticking->failed = true;
		return;
	}
	ticking->n_sent += ticking->count.count;
	csn_host_say(service->host, LOG_INFO, "%llu tick%s added to crash %s",
		     (unsigned long long)ticking->count.count, ticking->count.count == 1 ? "" : "s",
		     ticking->count.object);
}

void ticking_child_printed(struct csn_service *service)
{
	struct csn_child *child = &service->ticking.child;

	if (!csn_child_read(child, true))
		service_unwatch(service, child->output_fd);
}

void ticking_child_ended(struct csn_service *service)
{
	struct csn_child *child = &service->ticking.child;
	char reason[512];
	int status;

	if (!csn_child_reap(child, true, &status))
		return;
	snprintf(reason, sizeof(reason), "%s",
		 child->timed_out ? "took longer than a minute" : csn_child_last_line(child));
	end_child(service);
	if (status == 0) {
		sent(service);
		send_next(service);
	} else if (status == CSN_EXIT_DATA || status == CSN_EXIT_CONFIG ||
		   status == CSN_EXIT_DENIED) {
		/* This project does not have it, or cannot be asked. */
		try_project(service, status, reason);
	} else {
		give_up(service, status, reason);
		end_round(service);
	}
}

void ticking_run(struct csn_service *service, int64_t now_ns)
{
	struct ticking *ticking = &service->ticking;
	struct csn_child *child = &ticking->child;

	if (child->pid > 0 && child->deadline_ns <= now_ns && !child->timed_out) {
		child->timed_out = true;
		csn_child_kill(child);
	}
	if (ticking->fold_due_ns <= now_ns)
		fold(service, now_ns);
	if (child->pid <= 0 && ticking->send_due_ns <= now_ns && !service->below_quota) {
		ticking->count.object[0] = '\0';
		ticking->send_due_ns = INT64_MAX;
		send_next(service);
	}
}

int64_t ticking_next(const struct csn_service *service)
{
	const struct ticking *ticking = &service->ticking;
	int64_t next_ns = ticking->fold_due_ns;

	if (ticking->child.pid > 0)
		return ticking->child.timed_out || ticking->child.deadline_ns > next_ns
			       ? next_ns
			       : ticking->child.deadline_ns;
	return ticking->send_due_ns < next_ns && !service->below_quota ? ticking->send_due_ns
								       : next_ns;
}
