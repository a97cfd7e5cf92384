/* Debug files from debuginfod servers, for a process that must not have the network.
 *
 * The program splits in two before it reads any foreign byte. The child analyses; the parent does
 * nothing but answer its requests "debuginfo BUILD-ID" and "executable BUILD-ID" with a descriptor
 * or a sentence, and ends as the child ends. Each download is a process of its own, because
 * libdebuginfod cannot be stopped from outside: when its time is over it is killed. The library
 * (libdebuginfod.so.1, whose cache gdb and others share) is loaded on the first request, and by the
 * parent only. See docs/adr/0006. */
#ifndef CSN_BROKER_BROKER_H
#define CSN_BROKER_BROKER_H

#include "base/error.h"
#include "base/limits.h"
#include "base/progress.h"

/* Time for all files, as a multiple of the time for one. */
#define CSN_BROKER_ROUNDS 6

struct csn_broker_options {
	/* Separated by blanks; "": those of $DEBUGINFOD_URLS; NULL: nothing is to be fetched. */
	const char *urls;
	int64_t timeout_seconds;           /* for one file; and six times that for all */
	struct csn_progress_sink progress; /* of the child: hears of downloads */
};

/* The child's end. */
struct csn_broker;

/* Returns in the child, with what it asks through. The parent never returns: it serves until the
 * child has ended, and ends with its status or by its signal. Where nothing is to be fetched there
 * is no child, and *ret_broker is left alone. USAGE: no server is named. Call it before anything is
 * opened or printed. */
int csn_broker_start(const struct csn_broker_options *options, struct csn_broker **ret_broker,
		     struct csn_error *err) csn_must_check;
/* Its descriptor, for who closes others; -1 when broker is NULL. */
int csn_broker_fd(const struct csn_broker *broker);
void csn_broker_free(struct csn_broker *broker);
void csn_broker_freep(struct csn_broker **broker);

/* The file of a build-id, its executable or its debug information: a descriptor that the caller
 * owns, and where it lies, for people. NOT_FOUND: no server has it. Other errors say why nobody
 * knows, once: the next requests are then NOT_FOUND without being sent. What comes is as foreign as
 * any file; check its build-id. */
int csn_broker_fetch(void *broker, bool executable, const uint8_t *build_id, size_t size_bytes,
		     int *ret_fd, char ret_path[CSN_MAX_PATH], struct csn_error *err)
	csn_must_check;

#endif
