#include <string.h>

#include "base/cleanup.h"
#include "base/pass.h"
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

bool csn_broker_send_reply(int socket, const struct csn_broker_reply *reply)
{
	const uint64_t counts[] = { reply->done_bytes, reply->total_bytes };
	bool is_going = reply->outcome == CSN_BROKER_GOING;
	size_t length = is_going ? sizeof(counts) : strlen(reply->text);
	char bytes[CSN_BROKER_REPLY_BYTES];

	bytes[0] = (char)reply->outcome;
	memcpy(bytes + 1, is_going ? (const void *)counts : reply->text, length);
	return csn_pass_send(socket, bytes, 1 + length, reply->fd);
}

bool csn_broker_receive_reply(int socket, struct csn_broker_reply *ret_reply)
{
	struct csn_broker_reply reply = { .fd = -1 };
	char bytes[CSN_BROKER_REPLY_BYTES] = "";
	cleanup_close int fd = -1;
	ssize_t got = csn_pass_receive(socket, bytes, sizeof(bytes) - 1, &fd);
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
