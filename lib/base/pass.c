#include "base/pass.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

union control {
	char bytes[CMSG_SPACE(CSN_PASS_FDS * sizeof(int))];
	struct cmsghdr align;
};

bool csn_pass_send_all(int socket, void *data, size_t size_bytes, const int *fds, size_t n_fds)
{
	struct iovec part = { .iov_base = data, .iov_len = size_bytes };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
	union control control;
	ssize_t sent;

	if (n_fds) {
		message.msg_control = control.bytes;
		message.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
		memset(control.bytes, 0, message.msg_controllen);
		control.align = (struct cmsghdr){ .cmsg_len = CMSG_LEN(n_fds * sizeof(int)),
						  .cmsg_level = SOL_SOCKET,
						  .cmsg_type = SCM_RIGHTS };
		memcpy(CMSG_DATA(&control.align), fds, n_fds * sizeof(int));
	}
	do
		sent = sendmsg(socket, &message, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	return sent == (ssize_t)size_bytes;
}

bool csn_pass_send(int socket, void *data, size_t size_bytes, int fd)
{
	return csn_pass_send_all(socket, data, size_bytes, &fd, fd >= 0);
}

/* Takes the descriptors of a message. */
static size_t take_fds(struct msghdr *message, int *ret_fds, size_t max)
{
	const struct cmsghdr *head = CMSG_FIRSTHDR(message);
	size_t n, kept;

	if (!head || head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS)
		return 0;
	n = (head->cmsg_len - CMSG_LEN(0)) / sizeof(int);
	kept = n < max ? n : max;
	memcpy(ret_fds, CMSG_DATA(head), kept * sizeof(int));
	for (size_t i = kept; i < n; i++) {
		int extra;

		memcpy(&extra, CMSG_DATA(head) + i * sizeof(int), sizeof(extra));
		close(extra);
	}
	return kept;
}

ssize_t csn_pass_receive_all(int socket, void *data, size_t size_bytes, int *ret_fds, size_t max,
			     size_t *ret_n)
{
	struct iovec part = { .iov_base = data, .iov_len = size_bytes };
	union control control;
	struct msghdr message = { .msg_iov = &part,
				  .msg_iovlen = 1,
				  .msg_control = control.bytes,
				  .msg_controllen = max == 1 ? CMSG_SPACE(sizeof(int))
							     : sizeof(control.bytes) };
	ssize_t got;

	*ret_n = 0;
	do
		got = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return -1;
	*ret_n = take_fds(&message, ret_fds, max);
	if (!(message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)))
		return got;
	while (*ret_n)
		close(ret_fds[--*ret_n]);
	return -1;
}

ssize_t csn_pass_receive(int socket, void *data, size_t size_bytes, int *ret_fd)
{
	size_t n;
	ssize_t got;

	*ret_fd = -1;
	got = csn_pass_receive_all(socket, data, size_bytes, ret_fd, 1, &n);
	if (!n)
		*ret_fd = -1;
	return got;
}
