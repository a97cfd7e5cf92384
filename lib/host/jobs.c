/* The service's jobs: one for each object that is not done, oldest crash first. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/limits.h"
#include "host/quarantine.h"
#include "host/service_internal.h"

/* The table holds pointers. */
#define JOB_SLOT sizeof(void *)

struct job *job_find(const struct csn_service *service, const char *uuid)
{
	size_t i;

	/* What is asked for is nearly always young. */
	for (i = service->n_jobs; i > 0; i--)
		if (strcmp(service->jobs[i - 1]->uuid, uuid) == 0)
			return service->jobs[i - 1];
	return NULL;
}

static int make_room(struct csn_service *service, struct csn_error *err)
{
	size_t capacity = service->jobs_capacity ? 2 * service->jobs_capacity : 64;
	struct job **jobs;

	if (service->n_jobs < service->jobs_capacity)
		return 0;
	if (service->n_jobs >= CSN_MAX_SPOOL_OBJECTS)
		return csn_fail(err, CSN_E_LIMIT, "more than %u objects", CSN_MAX_SPOOL_OBJECTS);
	jobs = realloc(service->jobs, capacity * JOB_SLOT);
	if (!jobs)
		return csn_fail_nomem(err);
	service->jobs = jobs;
	service->jobs_capacity = capacity;
	return 0;
}

static void insert(struct csn_service *service, struct job *job)
{
	size_t at = service->n_jobs;

	while (at > 0 && service->jobs[at - 1]->crash_ns > job->crash_ns) {
		service->jobs[at] = service->jobs[at - 1];
		at--;
	}
	service->jobs[at] = job;
	service->n_jobs++;
}

int job_add(struct csn_service *service, enum csn_stage stage, const char *uuid,
	    struct csn_error *err)
{
	struct job *job = job_find(service, uuid);
	struct csn_spool_object object;
	struct csn_crash crash;
	int r;

	if (stage == CSN_STAGE_QUARANTINE) {
		r = csn_quarantine_release(&service->host->spool, uuid, &stage, err);
		if (r < 0)
			return r == -CSN_E_NOT_FOUND ? 0 : r;
	}
	if (job) {
		/* A snapshot of a core that waits for another try: somebody else made it. */
		if (stage == CSN_STAGE_SENDING && job->stage == CSN_STAGE_PENDING)
			job->due_ns = 0;
		return 0;
	}
	r = csn_spool_stat(&service->host->spool, stage, uuid, &object, err);
	if (r < 0)
		return r == -CSN_E_NOT_FOUND ? 0 : r;
	r = csn_crash_load(&service->host->spool, stage, uuid, &crash, err);
	if (r == 0)
		r = make_room(service, err);
	if (r < 0)
		return r;
	job = calloc(1, sizeof(*job));
	if (!job) {
		csn_crash_done(&crash);
		return csn_fail_nomem(err);
	}
	*job = (struct job){
		.stage = stage,
		.crash_ns = crash.time_ns > 0 ? crash.time_ns : object.mtime_ns,
		.lock_fd = -1,
		.child = CSN_CHILD_INIT,
	};
	snprintf(job->uuid, sizeof(job->uuid), "%s", uuid);
	job->end = (struct watch){ WATCH_CHILD_END, job };
	job->output = (struct watch){ WATCH_CHILD_OUTPUT, job };
	csn_crash_done(&crash);
	insert(service, job);
	purge_expect(service);
	if (stage == CSN_STAGE_PENDING && service->pattern_due_ns != INT64_MAX)
		service->pattern_due_ns = 0;
	return 0;
}

void job_end_child(struct csn_service *service, struct job *job)
{
	service_unwatch(service, job->child.pidfd);
	service_unwatch(service, job->child.output_fd);
	csn_child_done(&job->child);
}

void job_release(struct csn_service *service, struct job *job)
{
	if (job->step == STEP_SENDING)
		service->is_sending = false;
	else if (job->step != STEP_WAITING)
		service->n_analysing--;
	job->step = STEP_WAITING;
	job_end_child(service, job);
	csn_closep(&job->lock_fd);
	job->lock_fd = -1;
	csn_crash_done(&job->crash);
	free(csn_take(job->defaults_output));
}

void job_drop(struct csn_service *service, struct job *job)
{
	size_t i;

	job_release(service, job);
	for (i = 0; service->jobs[i] != job; i++)
		;
	memmove(&service->jobs[i], &service->jobs[i + 1], (service->n_jobs - i - 1) * JOB_SLOT);
	service->n_jobs--;
	free(job);
}

/* In once mode each job has one turn in each stage, whatever waits. */
static bool is_due(const struct csn_service *service, const struct job *job, int64_t now_ns)
{
	return service->once ? !job->tried : job->due_ns <= now_ns;
}

struct job *job_next_to_analyse(const struct csn_service *service, int64_t now_ns)
{
	size_t i;

	if (service->n_analysing >= service->host->conf.workers)
		return NULL;
	for (i = 0; i < service->n_jobs; i++) {
		struct job *job = service->jobs[i];

		if (job->stage == CSN_STAGE_PENDING && job->step == STEP_WAITING &&
		    is_due(service, job, now_ns))
			return job;
	}
	return NULL;
}

/* The oldest snapshot, unless an older crash is about to become one. */
struct job *job_next_to_send(const struct csn_service *service, int64_t now_ns)
{
	size_t i;

	if (service->is_sending || (service->line_due_ns > now_ns && !service->once))
		return NULL;
	for (i = 0; i < service->n_jobs; i++) {
		struct job *job = service->jobs[i];

		if (job->stage == CSN_STAGE_PENDING &&
		    (job->step != STEP_WAITING || is_due(service, job, now_ns)))
			return NULL;
		if (job->stage == CSN_STAGE_SENDING && is_due(service, job, now_ns))
			return job;
	}
	return NULL;
}
