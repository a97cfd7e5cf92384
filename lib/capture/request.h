/* What the kernel tells of a crash: on the helper's command line (contracts 3), %P %I %s %d %t %u
 * %g %F, or by its socket (capture/kernel_socket.h), where thread and signal come with the notes.
 *
 * All are numbers in the host's namespaces, so nothing of the dying process can shape them. */
#ifndef CSN_CAPTURE_REQUEST_H
#define CSN_CAPTURE_REQUEST_H

#include "base/error.h"
#include "base/types.h"

#define CSN_REQUEST_WORDS 7 /* without %F, which kernels before 6.16 leave out */
#define CSN_MAX_SIGNAL 1024

struct csn_request {
	int64_t pid;  /* of the thread-group leader */
	int64_t tid;  /* of the thread that crashed; 0: not told yet */
	int signal;   /* 0: not told yet */
	int dumpable; /* 1 ordinary; 2 privileged */
	int64_t time; /* seconds since the epoch */
	uint32_t uid, gid;
	int pidfd; /* borrowed: descriptor that the kernel opened for us; -1 */
};

/* words: the operands. USAGE names the bad one. */
int csn_request_parse(size_t n_words, const char *const *words, struct csn_request *ret_request,
		      struct csn_error *err) csn_must_check;
/* What the socket left open, from the notes of the crashed thread: its signal (0 unknown) and its
 * number in its own pid namespace. The leader stands for a thread that is not found. */
void csn_request_complete(struct csn_request *request, int signal, int64_t ns_tid);

#endif
