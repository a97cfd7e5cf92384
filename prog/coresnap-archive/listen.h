/* The listener of socket mode, and its workers.
 *
 * The listener itself touches nothing of the dead: it holds the socket, forks workers and waits for
 * them. Each worker waits for a connection, takes that one crash as root, then gives root up for
 * good and writes; so a worker is forked for each crash, but before the crash comes. When a worker
 * has let its process go it tells the listener, which forks the next one while this one writes.
 *
 * Workers hold the reading end of a pipe that nobody writes to. It closes with the listener: then
 * those that wait put the pipe's line back into core_pattern, take what has connected meanwhile,
 * and end. So not even SIGKILL of the listener loses crashes for longer than that takes. */
#ifndef CORESNAP_ARCHIVE_LISTEN_H
#define CORESNAP_ARCHIVE_LISTEN_H

#include <sys/types.h>

#include "archive.h"
#include "spool/crash_socket.h"

#define LISTENER_MAX_WORKERS 64 /* those that write included */
#define LISTENER_IDLE_WORKERS 8 /* that wait for a crash */

struct worker {
	pid_t pid;
	bool told; /* it has its crash, and has let the process go */
};

struct listener {
	struct archive_listen_options options;
	struct csn_crash_socket place;
	struct csn_log log;
	int pid_fd;     /* <folder>/pid, locked; -1 */
	int listen_fd;  /* -1 */
	int signal_fd;  /* SIGCHLD, SIGTERM, SIGINT; -1 */
	int life_fd[2]; /* [1] is the listener's alone */
	int told_fd[2]; /* process ids of workers */
	struct worker workers[LISTENER_MAX_WORKERS];
	size_t n_workers, n_idle;
	int64_t fork_after_ns; /* CLOCK_MONOTONIC: no worker is forked before */
	int64_t relieve_at_ns; /* when to look whether a connection still waits; 0: none does */
	bool stopping;
};

/* Forks workers until enough wait, or too many are there, or it is too early for it. */
void workers_fill(struct listener *listener);
/* Forks one more, whatever waits already. */
void workers_add(struct listener *listener);
/* Reads what workers told, and takes note of those that ended. */
void workers_hear(struct listener *listener);
void workers_reap(struct listener *listener);

/* In a worker: waits for one crash and takes it. Returns an exit status. */
int worker_run(struct listener *listener);
/* Puts the pipe's line back into core_pattern if the socket's is there, and says so. */
void listener_give_back(struct listener *listener, const char *why);

#endif
