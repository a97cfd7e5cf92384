/* The service: takes every crash in the spool through analysis and sending, and forgets none.
 *
 * Event-driven: it sleeps in epoll until the kernel's helper links a core (inotify), a slave ends
 * (pidfd), a retry is due (a timer armed only while something waits), a signal or a request
 * arrives. All state that matters is in the spool's names, so it may be killed at any instruction:
 *
 *	pending/<uuid> alone            analyse it
 *	pending/<uuid> and sending/...  the snapshot is whole, the core is spent: settle the core
 *	sending/<uuid> alone            send it; the server answers a repetition with its first
 *	                                object
 *
 * Order: the oldest crash first, by the time of the crash. Sending is one at a time and strictly in
 * order; while the server cannot be reached the line as a whole waits (back-off with full jitter),
 * so that what arrives later arrives in order. A project whose token is refused waits alone. What
 * a server refuses for good or no analysis survives goes into quarantine (host/quarantine.h);
 *nothing is deleted but by success, by purge or by
 * eviction (host/evict.h).
 *
 * One thread; SIGTERM, SIGINT, SIGHUP and SIGCHLD must not be handled by anybody else. */
#ifndef CSN_HOST_SERVICE_H
#define CSN_HOST_SERVICE_H

#include "base/error.h"
#include "host/host.h"

struct csn_service;

/* host must have its spool open and outlive the service. once: work on what csn_service_add names
 * only, one try each, then leave; otherwise on everything, until SIGTERM or SIGINT. */
int csn_service_new(struct csn_host *host, bool once, struct csn_service **ret_service,
		    struct csn_error *err) csn_must_check;
void csn_service_free(struct csn_service *service);

/* Adds one object; known ones are left alone. */
int csn_service_add(struct csn_service *service, enum csn_stage stage, const char *uuid,
		    struct csn_error *err) csn_must_check;
/* Returns when told to stop (once: when all is tried). */
int csn_service_run(struct csn_service *service, struct csn_error *err) csn_must_check;
/* How many objects were sent, and how many tries failed, since the start. */
size_t csn_service_get_sent(const struct csn_service *service);
size_t csn_service_get_failed(const struct csn_service *service);

/* Takes the place of the one daemon of this spool: a lock on <beside>/coresnapd.pid, held by
 * *ret_fd. DENIED when there is one already. */
int csn_service_lock(const struct csn_spool *spool, int *ret_fd, struct csn_error *err)
	csn_must_check;
/* The process id of the running daemon; 0 when there is none. */
pid_t csn_service_find_daemon(const struct csn_spool *spool);
/* Asks the running daemon ("retry all", "retry sending/<uuid>"). NOT_FOUND without one. */
int csn_service_ask(const struct csn_spool *spool, const char *request, struct csn_error *err)
	csn_must_check;

#endif
