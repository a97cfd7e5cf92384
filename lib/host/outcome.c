/* What follows from a step: success, failure, or later. */
#include <stdio.h>
#include <string.h>
#include <syslog.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/options.h"
#include "base/text.h"
#include "base/uuid.h"
#include "host/backoff.h"
#include "host/service_internal.h"
#include "snapshot/document.h"

/* After so many failures in a row the server is not what is wrong: the object steps aside. */
#define MAX_LINE_FAILURES 16
/* After so many failed analyses of one core, the core is what is wrong. */
#define MAX_ANALYSES 5

int64_t outcome_retry_delay(const struct csn_service *service, unsigned failures)
{
	const struct csn_coresnap_conf *conf = &service->host->conf;
	uint64_t random;

	csn_random_bytes(&random, sizeof(random));
	return csn_backoff_delay_ns(csn_seconds_to_ns(conf->retry_min_seconds),
				    csn_seconds_to_ns(conf->retry_max_seconds), failures, random);
}

/* A snapshot whose analysis we did not see end says itself whether something is missing. */
static bool snapshot_is_partial(const struct csn_spool *spool, const char *uuid)
{
	cleanup_(csn_snapshot_freep) struct csn_snapshot *snapshot = NULL;
	char path[CSN_MAX_PATH];
	struct csn_error ignored;

	csn_spool_path(spool, "sending", uuid, path, sizeof(path));
	if (csn_snapshot_read_file(path, &snapshot, &ignored) < 0)
		return false;
	return snapshot->n_truncated > 0;
}

void outcome_settle_core(struct csn_service *service, const char *uuid, bool partial)
{
	const struct csn_spool *spool = &service->host->spool;
	enum csn_keep_core keep = service->host->conf.keep_core;
	struct csn_error err = CSN_ERROR_INIT;
	int r;

	if (!csn_spool_has(spool, CSN_STAGE_PENDING, uuid))
		return;
	if (keep == CSN_KEEP_ALL || (keep == CSN_KEEP_FAILED && partial))
		r = csn_spool_move(spool, CSN_STAGE_PENDING, CSN_STAGE_KEPT, uuid, &err);
	else
		r = csn_spool_remove(spool, CSN_STAGE_PENDING, uuid, &err);
	if (r < 0)
		csn_host_say(service->host, LOG_ERR, "crash %s: %s", uuid, err.text);
}

static void forget_failures(struct csn_service *service, struct job *job)
{
	struct csn_error err = CSN_ERROR_INIT;
	int r;

	job->crash.attempts = 0;
	job->crash.blamed = 0;
	job->crash.exit_status = 0;
	job->crash.step[0] = '\0';
	r = csn_crash_set(&job->crash.reason, NULL, &err);
	if (r == 0)
		r = csn_crash_save(&service->host->spool, &job->crash, &err);
	if (r < 0)
		csn_host_say(service->host, LOG_WARNING, "crash %s: state: %s", job->uuid,
			     err.text);
}

void outcome_analysed(struct csn_service *service, struct job *job, bool partial)
{
	const struct csn_spool *spool = &service->host->spool;

	/* Found beside its core: the analysis ended, or was killed after it had published. */
	if (job->step == STEP_WAITING && service->host->conf.keep_core == CSN_KEEP_FAILED)
		partial = snapshot_is_partial(spool, job->uuid);
	outcome_settle_core(service, job->uuid, partial);
	if (job->crash.attempts > 0)
		forget_failures(service, job);
	job_release(service, job);
	job->stage = CSN_STAGE_SENDING;
	job->failures = 0;
	job->due_ns = 0;
	job->tried = false;
}

/* The server is there again: what waited because of it is due. */
static void wake_line(struct csn_service *service)
{
	size_t i;

	service->line_failures = 0;
	service->line_due_ns = 0;
	for (i = 0; i < service->n_jobs; i++)
		if (service->jobs[i]->failures > MAX_LINE_FAILURES)
			service->jobs[i]->due_ns = 0;
}

void outcome_sent(struct csn_service *service, struct job *job)
{
	const struct csn_spool *spool = &service->host->spool;
	struct csn_error err = CSN_ERROR_INIT;
	int64_t seconds = (csn_realtime_ns() - job->crash_ns) / CSN_NS_PER_SECOND;
	struct csn_counting count = { 0 };
	struct csn_spool_object object;
	int r;

	count.add[CSN_COUNT_SENT] = 1;
	if (csn_spool_stat(spool, CSN_STAGE_SENDING, job->uuid, &object, &err) == 0)
		count.add[CSN_COUNT_SENT_BYTES] = object.size_bytes;
	house_add(service, &count);
	r = csn_spool_remove(spool, CSN_STAGE_SENDING, job->uuid, &err);

	/* A kept core stays analysable: the files it needs stay with it. */
	if (r == 0 && !csn_spool_has(spool, CSN_STAGE_KEPT, job->uuid))
		r = csn_spool_remove_assets(spool, job->uuid, &err);
	csn_crash_forget(spool, job->uuid);
	if (r < 0)
		csn_host_say(service->host, LOG_ERR, "crash %s: %s", job->uuid, err.text);
	if (seconds < 0)
		seconds = 0;
	csn_host_say(service->host, LOG_INFO, "crash %s processed in %lld second%s", job->uuid,
		     (long long)seconds, seconds == 1 ? "" : "s");
	service->n_sent++;
	ticking_object_sent(service, job->uuid);
	wake_line(service);
	if (job->crash.project)
		hold_release(service, job->crash.project);
	job_drop(service, job);
}

/* Counts a failure by what the step said of it. */
static void count_failure(struct csn_service *service, const char *step, int status)
{
	static const struct {
		int status;
		enum csn_counter counter;
	} rows[] = {
		{ CSN_EXIT_TEMPORARY, CSN_COUNT_FAILED_TEMPORARY },
		{ CSN_EXIT_DENIED, CSN_COUNT_FAILED_DENIED },
		{ CSN_EXIT_CONFIG, CSN_COUNT_FAILED_CONFIGURATION },
		{ CSN_EXIT_USAGE, CSN_COUNT_FAILED_CONFIGURATION },
		{ CSN_EXIT_DATA, CSN_COUNT_FAILED_DATA },
	};
	enum csn_counter counter = CSN_COUNT_FAILED_OTHER;
	size_t i;

	for (i = 0; i < csn_countof(rows); i++)
		if (rows[i].status == status)
			counter = rows[i].counter;
	house_count(service, strcmp(step, "coroner") == 0 ? counter : CSN_COUNT_FAILED_ANALYSIS, 1);
}

/* Who is to blame for a failure, and so who waits. */
enum blame {
	BLAME_OBJECT,  /* it steps aside */
	BLAME_FINAL,   /* its own fault, and it will not change */
	BLAME_SERVER,  /* the line as a whole waits */
	BLAME_PROJECT, /* what goes to the same project waits */
	BLAME_HOST     /* our own installation: it steps aside, unblamed */
};

struct blame_row {
	const char *step;
	int status; /* -1: any other */
	enum blame blame;
};

/* The first row that fits. A child that was killed says nothing against what it sends, but may well
 * have been killed by what it analyses. */
static const struct blame_row blames[] = {
	{ "coroner", CSN_EXIT_DATA, BLAME_FINAL },
	{ "coroner", CSN_EXIT_DENIED, BLAME_PROJECT },
	{ "coroner", CSN_EXIT_CONFIG, BLAME_PROJECT },
	{ "coroner", CSN_EXIT_USAGE, BLAME_PROJECT },
	{ "coroner", -1, BLAME_SERVER },
	{ "ptrace", CSN_EXIT_USAGE, BLAME_HOST },
	{ "ptrace", CSN_EXIT_CONFIG, BLAME_HOST },
	{ "ptrace", NOT_STARTED, BLAME_HOST },
	{ "ptrace", NOT_FOUND, BLAME_HOST },
	{ "ptrace", -1, BLAME_OBJECT },
};

static enum blame find_blame(const struct job *job, const char *step, int status)
{
	enum blame blame = BLAME_OBJECT;
	size_t i;

	for (i = 0; i < csn_countof(blames); i++)
		if (strcmp(blames[i].step, step) == 0 &&
		    (blames[i].status == status || blames[i].status < 0)) {
			blame = blames[i].blame;
			break;
		}
	if (blame == BLAME_SERVER && job->failures >= MAX_LINE_FAILURES)
		return BLAME_OBJECT;
	if (blame == BLAME_PROJECT && !job->crash.project)
		return BLAME_OBJECT;
	if (blame == BLAME_OBJECT && job->stage == CSN_STAGE_PENDING &&
	    job->crash.blamed + 1 >= MAX_ANALYSES)
		return BLAME_FINAL;
	return blame;
}

static int64_t find_delay(struct csn_service *service, const struct job *job, enum blame blame,
			  const char *reason)
{
	int64_t max_ns = csn_seconds_to_ns(service->host->conf.retry_max_seconds);
	uint64_t random;

	if (blame == BLAME_FINAL)
		return 0;
	if (blame == BLAME_PROJECT)
		return outcome_retry_delay(service, hold_count(service, job->crash.project));
	if (blame != BLAME_SERVER)
		return job->stage == CSN_STAGE_SENDING
			       ? max_ns
			       : outcome_retry_delay(service, job->failures + 1);
	csn_random_bytes(&random, sizeof(random));
	return csn_backoff_obey_ns(outcome_retry_delay(service, ++service->line_failures),
				   csn_backoff_read_retry_after(reason), random);
}

static void remember_failure(struct csn_service *service, struct job *job, const char *step,
			     int status, const char *reason, int64_t next_try_ns)
{
	struct csn_crash *crash = &job->crash;
	struct csn_error err = CSN_ERROR_INIT;
	int r;

	crash->attempts++;
	crash->exit_status = status;
	crash->next_try_ns = next_try_ns;
	snprintf(crash->step, sizeof(crash->step), "%s", step);
	r = csn_crash_set(&crash->reason, reason, &err);
	if (r == 0)
		r = csn_crash_save(&service->host->spool, crash, &err);
	if (r < 0)
		csn_host_say(service->host, LOG_WARNING, "crash %s: state: %s", job->uuid,
			     err.text);
}

/* The state first: what lies in quarantine always says why. */
static void give_up(struct csn_service *service, struct job *job, const char *step, int status,
		    const char *reason)
{
	struct csn_error err = CSN_ERROR_INIT;
	char text[512];

	csn_escape_to(text, sizeof(text), reason);
	remember_failure(service, job, step, status, reason, 0);
	if (csn_spool_move(&service->host->spool, job->stage, CSN_STAGE_QUARANTINE, job->uuid,
			   &err) < 0) {
		outcome_postponed(service, job, &err);
		return;
	}
	csn_host_say(service->host, LOG_ERR,
		     "crash %s moved to quarantine: %s exit %d: %s; it is not tried again by "
		     "itself ('coresnap retry quarantine/%.8s')",
		     job->uuid, step, status, text, job->uuid);
	house_count(service, CSN_COUNT_QUARANTINED, 1);
	job_drop(service, job);
}

void outcome_failed(struct csn_service *service, struct job *job, const char *step, int status,
		    const char *reason)
{
	enum blame blame = find_blame(job, step, status);
	int64_t delay_ns = find_delay(service, job, blame, reason);
	int64_t due_ns = csn_monotonic_ns() + delay_ns;
	char text[512];

	if (!*reason)
		reason = "no message";
	job->failures++;
	service->n_failed++;
	count_failure(service, step, status);
	if (blame == BLAME_OBJECT)
		job->crash.blamed++;
	if (blame == BLAME_FINAL) {
		give_up(service, job, step, status, reason);
		return;
	}
	csn_escape_to(text, sizeof(text), reason);
	csn_host_say(service->host, LOG_WARNING,
		     "crash %s kept in %s: %s exit %d: %s; next try in %lld s", job->uuid,
		     csn_stage_name(job->stage), step, status, text,
		     (long long)((delay_ns + CSN_NS_PER_SECOND / 2) / CSN_NS_PER_SECOND));
	remember_failure(service, job, step, status, reason, csn_realtime_ns() + delay_ns);
	if (blame == BLAME_SERVER)
		service->line_due_ns = due_ns;
	else
		job->due_ns = due_ns;
	if (blame == BLAME_PROJECT)
		hold_until(service, job->crash.project, due_ns);
	job_release(service, job);
}

void outcome_postponed(struct csn_service *service, struct job *job, const struct csn_error *err)
{
	/* Once is enough to say of what nobody mends. */
	csn_host_say(service->host, job->postponed ? LOG_INFO : LOG_NOTICE, "crash %s waits: %s",
		     job->uuid, err->text);
	job->due_ns = csn_monotonic_ns() + outcome_retry_delay(service, job->postponed++);
	job_release(service, job);
	if (service->once)
		service->n_failed++;
}
