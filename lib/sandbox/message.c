#include <string.h>

#include "base/cleanup.h"
#include "sandbox/sandbox_internal.h"

bool csn_sandbox_request_parse(const char *bytes, size_t size_bytes,
			       struct csn_sandbox_request *ret_request)
{
	size_t length = size_bytes - 2;

	if (size_bytes < 3 || length >= sizeof(ret_request->name) ||
	    (unsigned char)bytes[0] >= CSN_N_SANDBOX_WISHES ||
	    (unsigned char)bytes[1] >= CSN_N_OPEN_KINDS || memchr(bytes + 2, '\0', length))
		return false;
	ret_request->wish = (enum csn_sandbox_wish)bytes[0];
	ret_request->kind = (enum csn_open_kind)bytes[1];
	memcpy(ret_request->name, bytes + 2, length);
	ret_request->name[length] = '\0';
	return true;
}

bool csn_sandbox_request_send(int socket, const struct csn_sandbox_request *request)
{
	char bytes[CSN_SANDBOX_REQUEST_BYTES];
	size_t length = strlen(request->name);

	bytes[0] = (char)request->wish;
	bytes[1] = (char)request->kind;
	memcpy(bytes + 2, request->name, length);
	return csn_pass_send(socket, bytes, 2 + length, -1);
}

size_t csn_sandbox_batch_parse(const char *bytes, size_t size_bytes,
			       const char *ret_names[CSN_SANDBOX_BATCH_NAMES])
{
	size_t at = 1, n = 0;

	if (size_bytes < 3 || bytes[0] != CSN_SANDBOX_BATCH || bytes[size_bytes - 1])
		return 0;
	for (; at < size_bytes && n < CSN_SANDBOX_BATCH_NAMES; n++) {
		ret_names[n] = bytes + at;
		at += strlen(bytes + at) + 1;
	}
	return at == size_bytes ? n : 0;
}

#define HEAD_BYTES (2 * sizeof(int32_t))

bool csn_sandbox_reply_send(int socket, const struct csn_sandbox_reply *reply)
{
	const int32_t head[] = { reply->code, reply->os_errno };
	size_t length = strlen(reply->text);
	char bytes[HEAD_BYTES + CSN_MAX_PATH];

	memcpy(bytes, head, sizeof(head));
	memcpy(bytes + sizeof(head), reply->text, length);
	return csn_pass_send(socket, bytes, sizeof(head) + length, reply->fd);
}

bool csn_sandbox_reply_receive(int socket, struct csn_sandbox_reply *ret_reply)
{
	char bytes[HEAD_BYTES + CSN_MAX_PATH];
	cleanup_close int fd = -1;
	ssize_t got = csn_pass_receive(socket, bytes, sizeof(bytes) - 1, &fd);
	int32_t head[2];

	if (got < (ssize_t)sizeof(head))
		return false;
	memcpy(head, bytes, sizeof(head));
	bytes[got] = '\0';
	ret_reply->code = head[0];
	ret_reply->os_errno = head[1];
	memcpy(ret_reply->text, bytes + sizeof(head), (size_t)got + 1 - sizeof(head));
	ret_reply->fd = csn_take_fd(fd);
	return true;
}
