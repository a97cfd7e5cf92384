/* The socket that the kernel connects to in socket mode: where it is, and how to be sure of it.
 *
 *	/run/coresnap/crash/socket      the listener's (coresnap-archive --listen), 0600
 *	/run/coresnap/crash/pid         the listener's process id, locked while it lives
 *	/run/coresnap/crash/pipe-line   core_pattern and core_pipe_limit of pipe mode
 *
 * The folder is root's alone. Another installation than that of the host has crash-<8 hex>, the
 *CRC-32 of its helper's path. coresnap enable keeps the pipe's line there before it writes the
 *socket's; while the file is there, the listener changes from one to the other: to the pipe when it
 *ends, and to the socket when it starts. So a crash between the two is not lost. */
#ifndef CSN_SPOOL_CRASH_SOCKET_H
#define CSN_SPOOL_CRASH_SOCKET_H

#include "spool/kernel_pattern.h"

#define CSN_HELPER "/opt/backtrace/sbin/coresnap-archive"
#define CSN_RUN_FOLDER "/run/coresnap"

struct csn_crash_socket {
	char folder[48];
	char path[64];    /* of the socket; a socket's path can be 107 bytes */
	char pattern[80]; /* core_pattern's line */
};

/* helper: the real path of the installation's coresnap-archive. */
void csn_crash_socket_init(struct csn_crash_socket *place, const char *helper);
/* True when a core_pattern sends crashes to the listener of any installation. */
bool csn_crash_socket_is_pattern(const char *text);

/* Makes the folder when it is missing. DENIED when it is not root's alone. */
int csn_crash_socket_make_folder(const struct csn_crash_socket *place, struct csn_error *err)
	csn_must_check;

/* What a listener says to who connects without dumping core. */
#define CSN_LISTENER_SUPERVISED "supervised\n"
#define CSN_LISTENER_ALONE "alone\n"

/* Connects and waits for the listener's word. NOT_FOUND when nobody listens, TIMEOUT when it says
 * nothing. ret_supervised: it was started by a unit or an init script. */
int csn_crash_socket_ask(const struct csn_crash_socket *place, int timeout_ms, bool *ret_supervised,
			 struct csn_error *err) csn_must_check;

/* Keeps the pipe's line; forgetting it makes the listener leave core_pattern alone. */
int csn_crash_socket_keep_pipe(const struct csn_crash_socket *place,
			       const struct csn_core_pattern *pipe, struct csn_error *err)
	csn_must_check;
void csn_crash_socket_forget_pipe(const struct csn_crash_socket *place);

/* core_pattern from the pipe's line to the socket's, and back. Each only when the other is what the
 * kernel has and the pipe's line was kept: ret_changed. */
int csn_crash_socket_take(const struct csn_crash_socket *place, bool *ret_changed,
			  struct csn_error *err) csn_must_check;
int csn_crash_socket_give_back(const struct csn_crash_socket *place, bool *ret_changed,
			       struct csn_error *err) csn_must_check;

#endif
