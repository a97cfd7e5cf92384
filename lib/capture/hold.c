#include "capture/hold.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/limits.h"

/* Address space, not memory: pages cost when written. */
#define REGION_BYTES \
	(CSN_MAX_CAPTURE_HEADERS + CSN_MAX_CAPTURE_NOTES + CSN_MAX_CAPTURE_FILES + \
	 CSN_MAX_CAPTURE_STACKS + CSN_MAX_CAPTURE_BUDGET + CSN_MAX_CAPTURE_TEXTS)
#define WATCH_STACK CSN_MIB
/* How long after the release a process may take before it counts as stuck in the kernel. */
#define STUCK_MS 1000
/* How long it is left alone with the processors then. */
#define YIELD_MS 3

const char *csn_phase_name(enum csn_phase phase)
{
	static const char *const names[CSN_N_PHASES] = {
		[CSN_PHASE_START] = "start",     [CSN_PHASE_IDENTITY] = "identity",
		[CSN_PHASE_COUNTED] = "counted", [CSN_PHASE_ADMITTED] = "admitted",
		[CSN_PHASE_HEADERS] = "headers", [CSN_PHASE_PROC] = "proc",
		[CSN_PHASE_FILES] = "files",     [CSN_PHASE_STACKS] = "stacks",
		[CSN_PHASE_WINDOWS] = "windows", [CSN_PHASE_OPENED] = "opened",
	};

	return names[phase];
}

/* False when the deadline has passed. */
static bool finish(struct csn_hold *hold, enum csn_phase phase)
{
	bool go_on;

	pthread_mutex_lock(&hold->lock);
	go_on = !hold->closed;
	if (go_on) {
		hold->done = phase;
		hold->done_ns[phase] = csn_monotonic_ns();
	}
	pthread_mutex_unlock(&hold->lock);
	return go_on;
}

/* "Max core file size  <soft>  <hard>  bytes": a hard limit of 0 asks for no memory. */
static bool asks_for_no_memory(const struct csn_text *limits)
{
	static const char name[] = "Max core file size";
	const char *at = limits->data ? strstr(limits->data, name) : NULL;

	if (!at)
		return false;
	at += sizeof(name) - 1;
	at += strspn(at, " ");
	at += strcspn(at, " \n");
	at += strspn(at, " ");
	return at[0] == '0' && (at[1] == ' ' || at[1] == '\n');
}

static void choose_mode(struct csn_hold *hold)
{
	hold->mode = CSN_MODE_MINIMAL;
	if (asks_for_no_memory(&hold->texts.items[CSN_TEXT_LIMITS])) {
		hold->mode = CSN_MODE_NOTES;
		hold->reason = "rlimit";
	} else if (hold->decide) {
		hold->mode = hold->decide(hold->context, hold, &hold->reason);
	}
}

static void take_memory(struct csn_hold *hold)
{
	struct csn_capture_memory *memory = &hold->memory;
	size_t n_threads = hold->prefix.n_threads;

	csn_gather_stacks(memory, 0, n_threads ? 1 : 0);
	csn_gather_files(memory);
	if (!finish(hold, CSN_PHASE_FILES))
		return;
	csn_gather_stacks(memory, n_threads ? 1 : 0, n_threads);
	if (!finish(hold, CSN_PHASE_STACKS))
		return;
	csn_gather_windows(memory, hold->budget_bytes);
	(void)finish(hold, CSN_PHASE_WINDOWS);
}

static int take_headers(struct csn_hold *hold)
{
	const struct csn_prefix *prefix = &hold->prefix;
	int r = csn_prefix_read(hold->core_fd, &hold->region, &hold->prefix, &hold->error);

	if (r == 0)
		csn_request_complete(&hold->request, prefix->signal,
				     prefix->n_threads ? prefix->threads[0].ns_tid : 0);
	return r < 0 ? r
		     : csn_memory_init(&hold->memory, &hold->prefix, &hold->victim, &hold->region,
				       &hold->omissions, hold->deadline_ns, &hold->error);
}

/* What of the kernel's own words decides whether the environment may be believed. */
static bool is_trusted(const struct csn_hold *hold)
{
	return hold->request.dumpable == 1 && !hold->victim.privileged;
}

static void take_maps(struct csn_hold *hold)
{
	const struct csn_text *maps = &hold->texts.items[CSN_TEXT_MAPS];

	if (!hold->prefix.has_files && maps->data)
		csn_prefix_take_maps(&hold->prefix, maps->data, maps->size, &hold->region);
}

static void take_phases(struct csn_hold *hold)
{
	/* Which thread crashed, the socket does not say. */
	bool late = hold->request.tid != 0;

	if (!late && take_headers(hold) < 0)
		return;
	csn_victim_open(&hold->request, &hold->victim);
	if (!finish(hold, CSN_PHASE_IDENTITY))
		return;
	if (hold->admit && !hold->admit(hold->context, hold)) {
		(void)finish(hold, CSN_PHASE_COUNTED);
		return;
	}
	if (!finish(hold, CSN_PHASE_ADMITTED))
		return;
	if ((late && take_headers(hold) < 0) || !finish(hold, CSN_PHASE_HEADERS))
		return;
	if (hold->victim.verified)
		csn_texts_read(&hold->victim, &hold->request, !hold->prefix.has_files,
			       is_trusted(hold), &hold->region, &hold->texts);
	take_maps(hold);
	if (!finish(hold, CSN_PHASE_PROC))
		return;
	choose_mode(hold);
	if (hold->mode == CSN_MODE_MINIMAL && hold->victim.verified && hold->victim.mem_fd >= 0)
		take_memory(hold);
	else if (hold->mode == CSN_MODE_MINIMAL)
		csn_memory_drain(&hold->memory, hold->core_fd, CSN_MAX_CAPTURE_STREAM);
	if (hold->victim.verified && hold->mode != CSN_MODE_NOTES)
		csn_assets_open(&hold->prefix, &hold->victim, &hold->memory, &hold->assets);
	hold->died = hold->victim.verified && !csn_victim_is_alive(&hold->victim);
	(void)finish(hold, CSN_PHASE_OPENED);
}

/* It hangs where the executable lies (a file server that is gone). It has the headers if it
 * had to look for the thread first; else it has not read a byte of the core, and what the kernel
 * has sent already is still there to be had. */
static void rescue_headers(struct csn_hold *hold)
{
	struct pollfd sent = { .fd = hold->core_fd, .events = POLLIN };

	if (!hold->request.tid)
		return;
	if (hold->prefix.image.size || (poll(&sent, 1, 0) > 0 && take_headers(hold) == 0))
		hold->done = CSN_PHASE_HEADERS;
}

/* What there is, when nothing more is taken. */
static int settle(struct csn_hold *hold, struct csn_error *err)
{
	if (hold->done == CSN_PHASE_COUNTED)
		return 0;
	if (hold->done < CSN_PHASE_ADMITTED)
		rescue_headers(hold);
	if (hold->done >= CSN_PHASE_HEADERS) {
		csn_memory_close(&hold->memory);
		if (hold->done < CSN_PHASE_OPENED)
			csn_omit(&hold->omissions,
				 (struct csn_omission){ .what = "memory", .why = "time" });
		return 0;
	}
	if (hold->error.code == CSN_OK)
		return csn_fail(err, CSN_E_TIMEOUT, "the kernel did not send the core's headers");
	*err = hold->error;
	return -(int)err->code;
}

/* True for the one of the two threads that comes first. */
static bool close_hold(struct csn_hold *hold)
{
	bool first;

	pthread_mutex_lock(&hold->lock);
	first = !hold->closed;
	hold->closed = true;
	pthread_mutex_unlock(&hold->lock);
	return first;
}

static void *watch(void *context)
{
	struct csn_hold *hold = context;
	struct timespec until = {
		.tv_sec = hold->deadline_ns / CSN_NS_PER_SECOND,
		.tv_nsec = hold->deadline_ns % CSN_NS_PER_SECOND,
	};
	struct csn_error err = CSN_ERROR_INIT;
	int r;

	while (sem_clockwait(&hold->over, CLOCK_MONOTONIC, &until) < 0 && errno == EINTR)
		;
	if (close_hold(hold)) {
		hold->watching = false;
		r = settle(hold, &err);
		hold->late(hold->context, r, &err);
	}
	return NULL;
}

static int start_watch(struct csn_hold *hold, struct csn_error *err)
{
	pthread_attr_t attributes;
	int r;

	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, WATCH_STACK);
	hold->watching = true;
	r = pthread_create(&hold->watch, &attributes, watch, hold);
	pthread_attr_destroy(&attributes);
	return r ? csn_fail_os(err, r, "pthread_create") : 0;
}

/* Nobody else may be root when this thread is not any more. */
static void end_watch(struct csn_hold *hold)
{
	if (!hold->watching)
		return;
	sem_post(&hold->over);
	pthread_join(hold->watch, NULL);
	hold->watching = false;
}

int csn_hold_take(struct csn_hold *hold, struct csn_error *err)
{
	int r = csn_region_init(&hold->region, REGION_BYTES, err);

	if (r < 0)
		return r;
	hold->victim = (struct csn_victim)CSN_VICTIM_INIT;
	hold->texts.fd_count = -1;
	pthread_mutex_init(&hold->lock, NULL);
	sem_init(&hold->over, 0, 0);
	r = hold->late ? start_watch(hold, err) : 0;
	if (r < 0)
		return r;
	take_phases(hold);
	/* The other one ends the process. */
	while (!close_hold(hold))
		pause();
	if (hold->mode == CSN_MODE_FULL)
		end_watch(hold);
	return settle(hold, err);
}

/* Waits a little for the end of a process that was released; for that of one that hangs, longer. */
static void see_off(const struct csn_hold *hold)
{
	struct pollfd gone = { .fd = hold->victim.pidfd, .events = POLLIN };

	/* It needs a processor to end, and whoever waits for it another one. */
	if (!hold->victim.verified || poll(&gone, 1, YIELD_MS) != 0 ||
	    (hold->done == CSN_PHASE_OPENED && !hold->stuck) || hold->done == CSN_PHASE_COUNTED)
		return;
	/* What hung us (a page of a dead file server) may hang the kernel's own dump as well. The
	 * process is dying already; but SIGKILL changes what its parent is told, so it comes last.
	 */
	if (poll(&gone, 1, STUCK_MS) == 0)
		(void)syscall(SYS_pidfd_send_signal, hold->victim.pidfd, SIGKILL, NULL, 0);
}

void csn_hold_release(struct csn_hold *hold)
{
	if (hold->core_fd < 0)
		return;
	/* A thread that still reads would keep a socket open. */
	if (hold->done != CSN_PHASE_OPENED)
		(void)shutdown(hold->core_fd, SHUT_RDWR);
	close(hold->core_fd);
	hold->core_fd = -1;
	hold->released_ns = csn_monotonic_ns();
	see_off(hold);
	end_watch(hold);
}
