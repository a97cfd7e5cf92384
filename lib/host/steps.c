/* One step of a job: take the object, start its slave, and read what became of it. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/options.h"
#include "base/text.h"
#include "host/service_internal.h"
#include "host/slave.h"

#define DEFAULTS_TIMEOUT_MS 10000
#define PTRACE_TIMEOUT_MS 900000ll  /* 15 minutes */
#define CORONER_TIMEOUT_MS 600000ll /* 10 minutes */
#define MAX_COMMAND_LINE (2 * CSN_MIB)

#define PTRACE_PARTIAL 1
/* Analysis confines what it parses itself (docs/adr/0009), with an eye to the size of the core,
 * which is mapped. Debug files may come over the network. */
static const struct csn_child_limits ptrace_limits = {
	.cpu_seconds = PTRACE_TIMEOUT_MS / 1000,
	.file_bytes = 2 * CSN_GIB,
	.n_files = 1024,
	.data_bytes = 16 * CSN_GIB,
};

/* A snapshot, compressed and not. */
const struct csn_child_limits step_coroner_limits = {
	.cpu_seconds = CORONER_TIMEOUT_MS / 1000,
	.file_bytes = CSN_MIB,
	.n_files = 128,
	.address_bytes = 8 * CSN_GIB,
	.data_bytes = 4 * CSN_GIB,
};

/* A script that prints a few lines. */
static const struct csn_child_limits defaults_limits = {
	.cpu_seconds = DEFAULTS_TIMEOUT_MS / 1000,
	.file_bytes = CSN_MIB,
	.n_files = 256,
	.address_bytes = 64 * CSN_GIB,
	.data_bytes = CSN_GIB,
};

void step_log_slave(const struct csn_host *host, const char *const *argv)
{
	cleanup_(csn_buf_done) struct csn_buf line = CSN_BUF_INIT(MAX_COMMAND_LINE);

	csn_buf_puts(&line, "Executing slave: ");
	csn_quote_command(&line, argv);
	if (host->log && csn_buf_ok(&line))
		host->log(host->log_context, LOG_INFO, true, csn_buf_text(&line));
}

static int start_child(struct csn_service *service, struct job *job,
		       const struct csn_child_spec *spec, struct csn_error *err)
{
	int r = csn_child_start(spec, &job->child, err);

	if (r == 0)
		r = service_watch(service, job->child.pidfd, &job->end, err);
	if (r == 0)
		r = service_watch(service, job->child.output_fd, &job->output, err);
	return r;
}

/* Locks the object and loads what is known of it. False: the job is postponed or dropped. */
static bool take_object(struct csn_service *service, struct job *job)
{
	const struct csn_spool *spool = &service->host->spool;
	struct csn_error err = CSN_ERROR_INIT;
	int r = csn_spool_lock(spool, job->stage, job->uuid, &job->lock_fd, &err);

	if (r == 0)
		r = csn_crash_load(spool, job->stage, job->uuid, &job->crash, &err);
	if (r == 0) {
		job->postponed = 0;
		return true;
	}
	if (r == -CSN_E_NOT_FOUND && job->stage == CSN_STAGE_PENDING &&
	    csn_spool_has(spool, CSN_STAGE_SENDING, job->uuid))
		outcome_analysed(service, job, false);
	else if (r == -CSN_E_NOT_FOUND)
		job_drop(service, job); /* removed by somebody else: nothing is left to do */
	else
		outcome_postponed(service, job, &err);
	return false;
}

static int collect_attributes(const struct job *job, struct csn_attributes *attributes,
			      struct csn_error *err)
{
	int r = csn_attributes_add(attributes, "the daemon's environment",
				   getenv("BACKTRACE_DEFAULTS"), err);

	if (r == 0)
		r = csn_attributes_add(attributes, "defaults.command", job->defaults_output, err);
	if (r == 0)
		r = csn_attributes_add(attributes, "the process", job->crash.defaults, err);
	return r;
}

static int run_ptrace(struct csn_service *service, struct job *job, struct csn_error *err)
{
	cleanup_(csn_arena_freep) struct csn_arena *arena = csn_arena_new(MAX_COMMAND_LINE);
	cleanup_(csn_attributes_done) struct csn_attributes attributes = { 0 };
	struct csn_child_spec spec = {
		.keep_fd = job->lock_fd,
		.limits = ptrace_limits,
		.timeout_ms = PTRACE_TIMEOUT_MS,
		.max_output_bytes = CSN_MAX_CHILD_OUTPUT,
		.keep_tail = true,
	};
	int r = arena ? collect_attributes(job, &attributes, err) : csn_fail_nomem(err);

	if (r == 0 && *attributes.refused)
		csn_host_say(service->host, LOG_WARNING, "crash %s: attributes refused: %s",
			     job->uuid, attributes.refused);
	if (r == 0)
		r = csn_slave_ptrace(arena, service->host, &job->crash, &attributes, &spec.argv,
				     err);
	if (r < 0)
		return r;
	step_log_slave(service->host, spec.argv);
	job->step = STEP_ANALYSING;
	return start_child(service, job, &spec, err);
}

static int run_defaults(struct csn_service *service, struct job *job, struct csn_error *err)
{
	const char *command = service->host->conf.defaults_command;
	const char *const argv[] = { command, job->crash.exe ? job->crash.exe : "", NULL };
	struct csn_child_spec spec = {
		.argv = argv,
		.keep_fd = -1,
		.limits = defaults_limits,
		.read_only = true,
		.own_pids = true,
		.timeout_ms = DEFAULTS_TIMEOUT_MS,
		.max_output_bytes = CSN_MAX_DEFAULTS_OUTPUT,
		.stdout_only = true,
	};

	job->step = STEP_DEFAULTS;
	return start_child(service, job, &spec, err);
}

/* A command that is not there costs its attributes, not the crash. */
static bool can_run(const struct csn_service *service, const struct job *job, const char *command)
{
	if (access(command, X_OK) == 0)
		return true;
	csn_host_say(service->host, LOG_WARNING,
		     "crash %s: defaults.command %s: %s; going on without it", job->uuid, command,
		     strerror(errno));
	return false;
}

void step_start_analysis(struct csn_service *service, struct job *job)
{
	const char *command = service->host->conf.defaults_command;
	const struct csn_spool *spool = &service->host->spool;
	struct csn_error err = CSN_ERROR_INIT;
	int r;

	if (csn_spool_has(spool, CSN_STAGE_SENDING, job->uuid)) {
		outcome_analysed(service, job, false);
		return;
	}
	job->tried = true;
	if (!take_object(service, job))
		return;
	service->n_analysing++;
	job->step = STEP_ANALYSING;
	/* So that `coresnap list` and routing know it after the core is gone. */
	if (csn_crash_save(spool, &job->crash, &err) < 0)
		csn_host_say(service->host, LOG_WARNING, "crash %s: state: %s", job->uuid,
			     err.text);
	if (*command && can_run(service, job, command))
		r = run_defaults(service, job, &err);
	else
		r = run_ptrace(service, job, &err);
	if (r < 0)
		outcome_failed(service, job, "ptrace", NOT_STARTED, err.text);
}

static int run_coroner(struct csn_service *service, struct job *job, struct csn_error *err)
{
	cleanup_(csn_arena_freep) struct csn_arena *arena = csn_arena_new(MAX_COMMAND_LINE);
	struct csn_child_spec spec = {
		.keep_fd = job->lock_fd,
		.limits = step_coroner_limits,
		.timeout_ms = CORONER_TIMEOUT_MS,
		.max_output_bytes = CSN_MAX_CHILD_OUTPUT,
		.keep_tail = true,
	};
	int r = arena ? 0 : csn_fail_nomem(err);

	if (r == 0)
		r = csn_slave_coroner(arena, service->host, job->uuid, job->crash.project,
				      &spec.argv, err);
	if (r < 0)
		return r;
	step_log_slave(service->host, spec.argv);
	return start_child(service, job, &spec, err);
}

void step_start_sending(struct csn_service *service, struct job *job)
{
	struct csn_error err = CSN_ERROR_INIT;
	const char *project;
	unsigned runaway_line;
	int r;

	job->tried = true;
	if (!take_object(service, job))
		return;
	service->is_sending = true;
	job->step = STEP_SENDING;
	project = csn_router_find(service->host->router, &job->crash, &runaway_line);
	if (runaway_line)
		csn_host_say(service->host, LOG_WARNING,
			     "crash %s: the expression in line %u of %s takes too long and counts "
			     "as not matching; make it simpler",
			     job->uuid, runaway_line,
			     service->host->conf.file ? service->host->conf.file : "coresnap.conf");
	r = csn_crash_set(&job->crash.project, project, &err);
	if (!project) {
		outcome_failed(service, job, "coroner", CSN_EXIT_CONFIG,
			       "no format rule of coresnap.conf matches this crash");
		return;
	}
	if (!service->once && hold_due_ns(service, project) > csn_monotonic_ns()) {
		job->due_ns = hold_due_ns(service, project);
		job_release(service, job);
		return;
	}
	if (r == 0)
		r = run_coroner(service, job, &err);
	if (r == 0)
		house_count(service, CSN_COUNT_UPLOADS, 1);
	if (r < 0)
		outcome_failed(service, job, "coroner", NOT_STARTED, err.text);
}

static void defaults_ended(struct csn_service *service, struct job *job, int status)
{
	struct csn_error err = CSN_ERROR_INIT;
	const struct csn_buf *output = &job->child.output;
	const char *what = job->child.timed_out    ? "took longer than 10 seconds"
			   : job->child.output_cut ? "printed more than 256 KiB"
			   : output->size && memchr(output->data, '\0', output->size)
				   ? "printed what is no text"
			   : status ? "failed"
				    : NULL;

	if (what)
		csn_host_say(service->host, LOG_WARNING,
			     "crash %s: defaults.command %s %s (exit %d); going on without it",
			     job->uuid, service->host->conf.defaults_command, what, status);
	else
		job->defaults_output = csn_buf_take(&job->child.output);
	job_end_child(service, job);
	if (run_ptrace(service, job, &err) < 0)
		outcome_failed(service, job, "ptrace", NOT_STARTED, err.text);
}

static void ptrace_ended(struct csn_service *service, struct job *job, int status)
{
	bool made = csn_spool_has(&service->host->spool, CSN_STAGE_SENDING, job->uuid);

	if (job->child.timed_out)
		outcome_failed(service, job, "ptrace", status, "took longer than 15 minutes");
	else if (status > PTRACE_PARTIAL)
		outcome_failed(service, job, "ptrace", status, csn_child_last_line(&job->child));
	else if (!made)
		outcome_failed(service, job, "ptrace", status, "it wrote no snapshot");
	else
		outcome_analysed(service, job, status == PTRACE_PARTIAL);
}

static void coroner_ended(struct csn_service *service, struct job *job, int status)
{
	if (job->child.timed_out)
		outcome_failed(service, job, "coroner", CSN_EXIT_TEMPORARY,
			       "took longer than 10 minutes");
	else if (status == 0)
		outcome_sent(service, job);
	else
		outcome_failed(service, job, "coroner", status, csn_child_last_line(&job->child));
}

void step_child_ended(struct csn_service *service, struct job *job, int status)
{
	if (job->step == STEP_DEFAULTS)
		defaults_ended(service, job, status);
	else if (job->step == STEP_ANALYSING)
		ptrace_ended(service, job, status);
	else
		coroner_ended(service, job, status);
}
