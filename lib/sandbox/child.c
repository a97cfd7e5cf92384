#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "sandbox/confine.h"
#include "sandbox/sandbox_internal.h"

/* What the opener of the child knows. */
struct asker {
	int socket;
};

static int ask(const struct asker *asker, enum csn_sandbox_wish wish, enum csn_open_kind kind,
	       const char *name, struct csn_sandbox_reply *reply, struct csn_error *err)
{
	struct csn_sandbox_request request = { .wish = wish, .kind = kind };
	size_t length = strlen(name);

	if (!length || length >= sizeof(request.name))
		return csn_fail_os(err, length ? ENAMETOOLONG : ENOENT, "%.100s", name);
	memcpy(request.name, name, length + 1);
	if (!csn_sandbox_request_send(asker->socket, &request) ||
	    !csn_sandbox_reply_receive(asker->socket, reply))
		return csn_fail(err, CSN_E_DENIED, "%s: nobody opens files any more", name);
	if (!reply->code)
		return 0;
	csn_fail(err, (enum csn_code)reply->code, "%s", reply->text);
	if (err)
		err->os_errno = reply->os_errno;
	return -reply->code;
}

static int asker_open(void *context, enum csn_open_kind kind, const char *name, int *ret_fd,
		      struct csn_error *err)
{
	struct csn_sandbox_reply reply = { .fd = -1 };
	int rc = ask(context, CSN_SANDBOX_OPEN, kind, name, &reply, err);

	if (rc == 0)
		*ret_fd = reply.fd;
	return rc;
}

static int asker_locate(void *context, const char *path, char ret_path[CSN_MAX_PATH],
			struct csn_error *err)
{
	struct csn_sandbox_reply reply = { .fd = -1 };
	int rc = ask(context, CSN_SANDBOX_LOCATE, CSN_OPEN_OBJECT, path, &reply, err);

	if (rc == 0)
		memcpy(ret_path, reply.text, strlen(reply.text) + 1);
	return rc;
}

static int asker_publish(void *context, const char *name, struct csn_error *err)
{
	struct csn_sandbox_reply reply = { .fd = -1 };

	return ask(context, CSN_SANDBOX_PUBLISH, CSN_OPEN_FRESH, name, &reply, err);
}

/* Layers that are missing, for people. */
static const char *name_absent(unsigned absent)
{
	static const char *const names[] = { "", "landlock", "seccomp", "landlock and seccomp" };

	return names[absent % csn_countof(names)];
}

void csn_sandbox_become_child(const struct csn_sandbox_options *options, int socket)
{
	struct asker asker = { .socket = socket };
	const struct csn_opener opener = { asker_open, asker_locate, asker_publish, &asker };
	cleanup_free int *keep = calloc(options->n_keep + 1, sizeof(*keep));
	const struct csn_confinement confinement = {
		.keep = keep,
		.n_keep = options->n_keep + 1,
		.address_bytes = CSN_MAX_SANDBOX_ADDRESSES + options->mapped_bytes,
		.data_bytes = CSN_MAX_SANDBOX_DATA,
		.file_bytes = CSN_MAX_SNAPSHOT_JSON,
		.cpu_seconds = CSN_MAX_SANDBOX_SECONDS,
	};
	struct csn_error err = CSN_ERROR_INIT;
	unsigned absent = 0;
	int status;

	if (!keep)
		_exit(2);
	keep[0] = socket;
	for (size_t i = 0; i < options->n_keep; i++)
		keep[i + 1] = options->keep[i];
	if (options->prepare)
		options->prepare(options->context);
	if (csn_confine(&confinement, &absent, &err) < 0) {
		fprintf(stderr, "cannot give up rights: %s\n", err.text);
		_exit(2);
	}
	status = options->run(options->context, &opener, name_absent(absent));
	fflush(NULL);
	_exit(status);
}
