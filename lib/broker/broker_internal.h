/* What the files of the broker share: child.c asks, parent.c answers, download.c gets one file,
 * message.c is what goes between them. */
#ifndef CSN_BROKER_BROKER_INTERNAL_H
#define CSN_BROKER_BROKER_INTERNAL_H

#include <sys/types.h>

#include "base/limits.h"
#include "broker/broker.h"

/* "executable " and a build-id. */
#define CSN_BROKER_REQUEST_BYTES (16 + 2 * CSN_MAX_BUILD_ID)
#define CSN_BROKER_REPLY_BYTES 512

struct csn_broker_request {
	bool executable;
	char build_id[2 * CSN_MAX_BUILD_ID + 1]; /* lower-case hex */
};

enum csn_broker_outcome {
	CSN_BROKER_FILE = 'f',   /* with a descriptor; text: where it lies */
	CSN_BROKER_NONE = 'n',   /* no server has it */
	CSN_BROKER_FAILED = 'e', /* text says why */
	CSN_BROKER_LATE = 't',   /* the same, for want of time */
	CSN_BROKER_GOING = 'g',  /* bytes arrive; another reply will follow */
};

struct csn_broker_reply {
	enum csn_broker_outcome outcome;
	int fd;                           /* -1 none */
	uint64_t done_bytes, total_bytes; /* GOING */
	char text[CSN_BROKER_REPLY_BYTES - 1];
};

/* One request, exactly: a word, a blank and an even number of lower-case hexadecimal digits. */
bool csn_broker_request_parse(const char *text, size_t size_bytes,
			      struct csn_broker_request *ret_request) csn_must_check;

/* False: the other side is gone. */
bool csn_broker_send_reply(int socket, const struct csn_broker_reply *reply) csn_must_check;
/* False: what came is no reply. The descriptor is the caller's. */
bool csn_broker_receive_reply(int socket, struct csn_broker_reply *ret_reply) csn_must_check;

/* libdebuginfod, as far as it is used. */
struct csn_debuginfod {
	void *(*begin)(void);
	int (*find_debuginfo)(void *client, const unsigned char *build_id, int size, char **path);
	int (*find_executable)(void *client, const unsigned char *build_id, int size, char **path);
	void (*set_progress)(void *client, int (*report)(void *client, long done, long total));
	void (*set_user_data)(void *client, void *data);
};

/* False: it is not installed. Never unloaded. */
bool csn_debuginfod_load(struct csn_debuginfod *ret_library) csn_must_check;

/* Gets one file and sends replies of it; ends the process. */
_Noreturn void csn_broker_download(const struct csn_debuginfod *library,
				   const struct csn_broker_options *options,
				   const struct csn_broker_request *request, int socket);

/* Serves the child and ends as it ends. */
_Noreturn void csn_broker_serve(const struct csn_broker_options *options, pid_t child, int socket,
				int signals);

#endif
