/* What the files of the sandbox share: child.c asks, parent.c answers, message.c is what goes
 * between them; landlock.c and seccomp.c are the two filters of confine.c. */
#ifndef CSN_SANDBOX_SANDBOX_INTERNAL_H
#define CSN_SANDBOX_SANDBOX_INTERNAL_H

#include <sys/types.h>

#include "base/pass.h"
#include "sandbox/sandbox.h"

/* What a request wants. */
enum csn_sandbox_wish {
	CSN_SANDBOX_OPEN,    /* a descriptor; kind counts */
	CSN_SANDBOX_LOCATE,  /* a path, as text */
	CSN_SANDBOX_PUBLISH, /* only whether it worked */
	CSN_N_SANDBOX_WISHES,
};

struct csn_sandbox_request {
	enum csn_sandbox_wish wish;
	enum csn_open_kind kind;
	char name[CSN_MAX_PATH];
};

/* A wish, a kind, and a name without NUL. */
#define CSN_SANDBOX_REQUEST_BYTES (2 + CSN_MAX_PATH)

/* Exactly one request; what the child sends is foreign. False: it is none. */
bool csn_sandbox_request_parse(const char *bytes, size_t size_bytes,
			       struct csn_sandbox_request *ret_request) csn_must_check;
/* False: the other side is gone, or the name is too long. */
bool csn_sandbox_request_send(int socket, const struct csn_sandbox_request *request) csn_must_check;

/* Many objects at once: a wish of its own, and names that end with NUL. */
#define CSN_SANDBOX_BATCH 'b'
#define CSN_SANDBOX_BATCH_NAMES CSN_PASS_FDS
#define CSN_SANDBOX_BATCH_BYTES 16384u

/* The names of such a request, which stay where they are; returns how many. 0: it is none. */
size_t csn_sandbox_batch_parse(const char *bytes, size_t size_bytes,
			       const char *ret_names[CSN_SANDBOX_BATCH_NAMES]);

/* What the reply says of each; the descriptors of the open ones come along, in order. */
enum csn_sandbox_found {
	CSN_SANDBOX_OPENED = 'o',
	CSN_SANDBOX_ABSENT = 'a',
	CSN_SANDBOX_ELSE = 'e', /* ask for this one alone */
};

struct csn_sandbox_reply {
	int32_t code, os_errno;  /* of a csn_error; code 0: it worked */
	char text[CSN_MAX_PATH]; /* the error's, or the path that was located */
	int fd;                  /* -1 none */
};

/* Takes no descriptor away. False: the other side is gone. */
bool csn_sandbox_reply_send(int socket, const struct csn_sandbox_reply *reply) csn_must_check;
/* False: the other side is gone. The descriptor is the caller's. */
bool csn_sandbox_reply_receive(int socket, struct csn_sandbox_reply *ret_reply) csn_must_check;

/* The child: confines itself, runs, ends. */
_Noreturn void csn_sandbox_become_child(const struct csn_sandbox_options *options, int socket);
/* The parent: answers until the child has ended; signals is a signalfd that tells of SIGCHLD. */
void csn_sandbox_serve(const struct csn_sandbox_options *options, pid_t child, int socket,
		       int signals, struct csn_sandbox_end *ret_end);

/* No file can be opened, made, removed or changed by name any more, and no TCP port used, as far as
 * the kernel can do that. False: it cannot at all. */
bool csn_landlock_restrict(void) csn_must_check;
/* Lets no system call pass that is not on the list. False: the kernel has no filters. */
bool csn_seccomp_restrict(void) csn_must_check;

#endif
