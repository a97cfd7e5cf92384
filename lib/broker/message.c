#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "broker/broker_internal.h"

bool csn_broker_request_parse(const char *text, size_t size_bytes,
			      struct csn_broker_request *ret_request)
{
	static const struct {
		const char *word;
		bool executable;
	} kinds[] = { { "debuginfo ", false }, { "executable ", true } };
	struct csn_broker_request request = { .build_id = "" };
	size_t skip = 0, digits;

	for (size_t i = 0; i < csn_countof(kinds); i++) {
		size_t length = strlen(kinds[i].word);

		if (size_bytes > length && memcmp(text, kinds[i].word, length) == 0) {
			request.executable = kinds[i].executable;
			skip = length;
		}
	}
	digits = size_bytes - skip;
	if (!skip || digits % 2 || digits >= sizeof(request.build_id))
		return false;
	for (size_t i = 0; i < digits; i++) {
		char digit = text[skip + i];

		if (!(digit >= '0' && digit <= '9') && !(digit >= 'a' && digit <= 'f'))
			return false;
		request.build_id[i] = digit;
	}
	*ret_request = request;
	return true;
}

union control {
	char bytes[CMSG_SPACE(sizeof(int))];
	struct cmsghdr align;
};

bool csn_broker_send(int socket, void *data, size_t size_bytes, int fd)
{
	struct iovec part = { .iov_base = data, .iov_len = size_bytes };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
	union control control = { { 0 } };
	ssize_t sent;

	if (fd >= 0) {
		message.msg_control = control.bytes;
		message.msg_controllen = sizeof(control.bytes);
		control.align = (struct cmsghdr){ .cmsg_len = CMSG_LEN(sizeof(int)),
						  .cmsg_level = SOL_SOCKET,
						  .cmsg_type = SCM_RIGHTS };
		memcpy(CMSG_DATA(&control.align), &fd, sizeof(fd));
	}
	do
		sent = sendmsg(socket, &message, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	return sent == (ssize_t)size_bytes;
}

ssize_t csn_broker_receive(int socket, void *data, size_t size_bytes, int *ret_fd)
{
	struct iovec part = { .iov_base = data, .iov_len = size_bytes };
	union control control = { { 0 } };
	struct msghdr message = { .msg_iov = &part,
				  .msg_iovlen = 1,
				  .msg_control = control.bytes,
				  .msg_controllen = sizeof(control.bytes) };
	cleanup_close int fd = -1;
	struct cmsghdr *head;
	ssize_t got;

	*ret_fd = -1;
	do
		got = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return -1;
	head = CMSG_FIRSTHDR(&message);
	if (head && head->cmsg_level == SOL_SOCKET && head->cmsg_type == SCM_RIGHTS &&
	    head->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(&fd, CMSG_DATA(head), sizeof(fd));
	if (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC))
		return -1;
	*ret_fd = csn_take_fd(fd);
	return got;
}

bool csn_broker_send_reply(int socket, const struct csn_broker_reply *reply)
{
	const uint64_t counts[] = { reply->done_bytes, reply->total_bytes };
	bool is_going = reply->outcome == CSN_BROKER_GOING;
	size_t length = is_going ? sizeof(counts) : strlen(reply->text);
	char bytes[CSN_BROKER_REPLY_BYTES];

	bytes[0] = (char)reply->outcome;
	memcpy(bytes + 1, is_going ? (const void *)counts : reply->text, length);
	return csn_broker_send(socket, bytes, 1 + length, reply->fd);
}

bool csn_broker_receive_reply(int socket, struct csn_broker_reply *ret_reply)
{
	struct csn_broker_reply reply = { .fd = -1 };
	char bytes[CSN_BROKER_REPLY_BYTES] = "";
	cleanup_close int fd = -1;
	ssize_t got = csn_broker_receive(socket, bytes, sizeof(bytes) - 1, &fd);
	uint64_t counts[2];

	if (got < 1 || !strchr("fnetg", bytes[0]) || (bytes[0] == CSN_BROKER_FILE) != (fd >= 0))
		return false;
	reply.outcome = (enum csn_broker_outcome)bytes[0];
	if (reply.outcome == CSN_BROKER_GOING) {
		memcpy(counts, bytes + 1, sizeof(counts));
		reply.done_bytes = counts[0];
		reply.total_bytes = counts[1];
	} else {
		memcpy(reply.text, bytes + 1, sizeof(reply.text));
	}
	reply.fd = csn_take_fd(fd);
	*ret_reply = reply;
	return true;
}
