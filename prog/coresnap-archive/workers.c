/* The listener's workers: how many there are, and what became of them. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "listen.h"

/* After a worker died before it had a crash, and after fork failed: whatever kills them, they are
 * not forked faster than that. */
#define PAUSE_NS (100 * CSN_NS_PER_MS)

static struct worker *find(struct listener *listener, pid_t pid)
{
	size_t i;

	for (i = 0; i < listener->n_workers; i++)
		if (listener->workers[i].pid == pid)
			return &listener->workers[i];
	return NULL;
}

static int run(struct listener *listener)
{
	sigset_t none;

	/* From a terminal it comes to all; the listener's end is what ends them. */
	(void)signal(SIGINT, SIG_IGN);
	close(listener->pid_fd);
	close(listener->signal_fd);
	close(listener->life_fd[1]);
	close(listener->told_fd[0]);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	return worker_run(listener);
}

void workers_add(struct listener *listener)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(run(listener));
	if (pid < 0) {
		csn_log(&listener->log, LOG_ERR, "fork: %s", strerror(errno));
		listener->fork_after_ns = csn_monotonic_ns() + PAUSE_NS;
		return;
	}
	listener->workers[listener->n_workers++] = (struct worker){ .pid = pid };
	listener->n_idle++;
}

void workers_fill(struct listener *listener)
{
	while (listener->n_idle < LISTENER_IDLE_WORKERS &&
	       listener->n_workers < LISTENER_MAX_WORKERS &&
	       csn_monotonic_ns() >= listener->fork_after_ns)
		workers_add(listener);
}

void workers_hear(struct listener *listener)
{
	struct worker *worker;
	pid_t pid;

	/* Four bytes are written at once, or not at all. */
	while (read(listener->told_fd[0], &pid, sizeof(pid)) == sizeof(pid)) {
		worker = find(listener, pid);
		if (worker && !worker->told) {
			worker->told = true;
			listener->n_idle--;
		}
	}
}

void workers_reap(struct listener *listener)
{
	struct worker *worker;
	int status;
	pid_t pid;

	/* What they told comes before their end. */
	workers_hear(listener);
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		worker = find(listener, pid);
		if (!worker)
			continue;
		if (WIFSIGNALED(status)) {
			csn_log(&listener->log, LOG_ERR, "worker %d died of signal %d", (int)pid,
				WTERMSIG(status));
			listener->fork_after_ns = csn_monotonic_ns() + PAUSE_NS;
		}
		listener->n_idle -= !worker->told;
		*worker = listener->workers[--listener->n_workers];
	}
}
