#include <dlfcn.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "broker/broker_internal.h"

#define INTERVAL_NS (200 * CSN_NS_PER_MS)

bool csn_debuginfod_load(struct csn_debuginfod *ret_library)
{
	struct csn_debuginfod library;
	const struct {
		void *place;
		const char *name;
	} functions[] = {
		{ &library.begin, "debuginfod_begin" },
		{ &library.find_debuginfo, "debuginfod_find_debuginfo" },
		{ &library.find_executable, "debuginfod_find_executable" },
		{ &library.set_progress, "debuginfod_set_progressfn" },
		{ &library.set_user_data, "debuginfod_set_user_data" },
	};
	void *handle = dlopen("libdebuginfod.so.1", RTLD_NOW | RTLD_GLOBAL);

	if (!handle)
		return false;
	for (size_t i = 0; i < csn_countof(functions); i++) {
		void *function = dlsym(handle, functions[i].name);

		if (!function)
			return false;
		/* ISO C has no conversion between the two kinds of pointers. */
		memcpy(functions[i].place, &function, sizeof(function));
	}
	*ret_library = library;
	return true;
}

/* What the library keeps for its calls of report. */
struct watch {
	int socket;
	int64_t next_ns; /* when to tell again */
};

static int report(void *client, long done, long total)
{
	struct csn_broker_reply going = { .outcome = CSN_BROKER_GOING, .fd = -1 };
	void *(*get_user_data)(void *client);
	void *function = dlsym(RTLD_DEFAULT, "debuginfod_get_user_data");
	struct watch *watch;

	memcpy(&get_user_data, &function, sizeof(function));
	watch = function ? get_user_data(client) : NULL;
	/* Before the first byte it counts the rounds that it has waited. */
	if (!watch || done <= 0 || total <= 0 || csn_monotonic_ns() < watch->next_ns)
		return 0;
	watch->next_ns = csn_monotonic_ns() + INTERVAL_NS;
	going.done_bytes = (uint64_t)done;
	going.total_bytes = (uint64_t)total;
	/* Not 0 makes the library give up. */
	return !csn_broker_send_reply(watch->socket, &going);
}

static void describe(int error, const struct csn_broker_options *options,
		     struct csn_broker_reply *reply)
{
	switch (error) {
	case ENOENT:
		reply->outcome = CSN_BROKER_NONE;
		return;
	case ETIME:
		reply->outcome = CSN_BROKER_LATE;
		snprintf(reply->text, sizeof(reply->text), "%.128s: timed out after %" PRId64 " s",
			 options->urls, options->timeout_seconds);
		return;
	default:
		reply->outcome = CSN_BROKER_FAILED;
		snprintf(reply->text, sizeof(reply->text), "%.128s: %s", options->urls,
			 strerror(error));
	}
}

/* Where the file lies: who asked for it cannot look. */
static void tell_place(struct csn_broker_reply *reply)
{
	char link[64];
	ssize_t length;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", reply->fd);
	length = readlink(link, reply->text, sizeof(reply->text) - 1);
	if (length <= 0 || length == sizeof(reply->text) - 1)
		length = snprintf(reply->text, sizeof(reply->text), "a fetched file");
	reply->text[length] = '\0';
}

void csn_broker_download(const struct csn_debuginfod *library,
			 const struct csn_broker_options *options,
			 const struct csn_broker_request *request, int socket)
{
	struct csn_broker_reply reply = { .outcome = CSN_BROKER_FILE, .fd = -1 };
	const unsigned char *hex = (const unsigned char *)request->build_id;
	struct watch watch = { .socket = socket };
	char seconds[24];
	void *client;

	snprintf(seconds, sizeof(seconds), "%" PRId64, options->timeout_seconds);
	setenv("DEBUGINFOD_URLS", options->urls, 1);
	setenv("DEBUGINFOD_TIMEOUT", seconds, 1);
	unsetenv("DEBUGINFOD_PROGRESS");
	client = library->begin();
	errno = ENOMEM;
	if (client) {
		library->set_user_data(client, &watch);
		library->set_progress(client, report);
		/* Size 0: the build-id is text. */
		reply.fd = request->executable ? library->find_executable(client, hex, 0, NULL)
					       : library->find_debuginfo(client, hex, 0, NULL);
		errno = -reply.fd;
	}
	if (reply.fd < 0) {
		describe(errno, options, &reply);
		reply.fd = -1;
	} else {
		tell_place(&reply);
	}
	_exit(csn_broker_send_reply(socket, &reply) ? 0 : 1);
}
