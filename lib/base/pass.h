/* Messages with a descriptor, over a SOCK_SEQPACKET pair between a process and its child. */
#ifndef CSN_BASE_PASS_H
#define CSN_BASE_PASS_H

#include <sys/types.h>

#include "base/types.h"

/* One message, which stays as it is; fd may be -1. False when the other side is gone. */
bool csn_pass_send(int socket, void *data, size_t size_bytes, int fd) csn_must_check;
/* One message of at most size_bytes; *ret_fd is -1 when none came along, else the caller's. Returns
 * the size, 0 at the end, -1 when there is nothing to be had. */
ssize_t csn_pass_receive(int socket, void *data, size_t size_bytes, int *ret_fd);

/* The same with several, at most CSN_PASS_FDS. Of what comes, at most max are kept. */
#define CSN_PASS_FDS 32
bool csn_pass_send_all(int socket, void *data, size_t size_bytes, const int *fds, size_t n_fds)
	csn_must_check;
ssize_t csn_pass_receive_all(int socket, void *data, size_t size_bytes, int *ret_fds, size_t max,
			     size_t *ret_n);

#endif
