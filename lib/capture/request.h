/* What the kernel tells the helper on its command line (contracts 3): %P %I %s %d %t %u %g %F.
 *
 * All are numbers in the host's namespaces, so nothing of the dying process can shape them. */
#ifndef CSN_CAPTURE_REQUEST_H
#define CSN_CAPTURE_REQUEST_H

#include "base/error.h"
#include "base/types.h"

#define CSN_REQUEST_WORDS 7 /* without %F, which kernels before 6.16 leave out */

struct csn_request {
	int64_t pid, tid; /* of the thread-group leader and of the thread that crashed */
	int signal;
	int dumpable; /* 1 ordinary; 2 privileged */
	int64_t time; /* seconds since the epoch */
	uint32_t uid, gid;
	int pidfd; /* borrowed: descriptor that the kernel opened for us; -1 */
};

/* words: the operands. USAGE names the bad one. */
int csn_request_parse(size_t n_words, const char *const *words, struct csn_request *ret_request,
		      struct csn_error *err) csn_must_check;

#endif
