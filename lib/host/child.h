/* One child process: started by execve, watched by a pidfd, its output captured and capped.
 *
 * The child dies with us (PR_SET_PDEATHSIG), runs in a session of its own with an empty stdin and a
 * clean environment (host/environment.h), within limits and at low priority, may dump no core (a
 * crashing analyser must not feed itself) and inherits one descriptor, the lock of the object it
 * works on. What it leaves behind when it ends comes to us (csn_child_adopt) and is ended by
 * csn_child_end_strays. Never a shell. */
#ifndef CSN_HOST_CHILD_H
#define CSN_HOST_CHILD_H

#include <sys/types.h>

#include "base/buf.h"
#include "base/error.h"

struct csn_child {
	pid_t pid;     /* 0: none */
	int pidfd;     /* readable when it has ended */
	int output_fd; /* readable when it printed; at its end too */
	struct csn_buf output;
	bool output_cut;
	int64_t deadline_ns; /* monotonic */
	bool timed_out;
};

#define CSN_CHILD_INIT \
	{ \
		.pidfd = -1, .output_fd = -1 \
	}

/* What it may use; 0: as much as we may. */
struct csn_child_limits {
	uint64_t cpu_seconds, file_bytes, n_files;
	uint64_t address_bytes, data_bytes; /* not of builds with sanitizers */
};

struct csn_child_spec {
	const char *const *argv; /* argv[0] is the absolute path */
	/* Or, with argv NULL, what a copy of this process does; its result is the exit status. */
	int (*run)(void *context);
	void *context;
	int keep_fd; /* inherited; -1 none */
	struct csn_child_limits limits;
	bool read_only; /* may change no file (landlock) */
	bool own_pids;  /* in a pid namespace of its own, where that can be had */
	int64_t timeout_ms;
	size_t max_output_bytes;
	bool keep_tail;   /* past the cap the beginning goes, not the end */
	bool stdout_only; /* stderr to /dev/null instead of into the output */
};

/* Starts it in a session of its own, output into a pipe. OS when it cannot be started. */
int csn_child_start(const struct csn_child_spec *spec, struct csn_child *ret_child,
		    struct csn_error *err) csn_must_check;
/* Takes what is in the pipe. False at its end: nothing more will come. */
bool csn_child_read(struct csn_child *child, bool keep_tail);
/* Ends it and everything in its process group. */
void csn_child_kill(struct csn_child *child);
/* Reaps it: true when it has ended, with its exit status, or 128 + signal. Output and descriptors
 * stay until csn_child_done. */
bool csn_child_reap(struct csn_child *child, bool keep_tail, int *ret_status);
/* Kills and reaps what still runs, closes, frees. Take the descriptors out of epoll before: a
 * sibling between fork and exec may hold copies, and a closed one would go on reporting. */
void csn_child_done(struct csn_child *child);

/* Orphans of our children become our children. */
void csn_child_adopt(void);
/* Ends every child of ours but the count ones of known. */
void csn_child_end_strays(const pid_t *known, size_t count);

/* The last line of the output that is not empty; "" for none. Valid until the output changes. */
const char *csn_child_last_line(struct csn_child *child);

#endif
