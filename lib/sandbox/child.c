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
	/* Answers to questions that were foreseen and not asked yet. */
	struct foreseen {
		char *name; /* owned; NULL: taken */
		int fd;     /* owned; -1: absent */
	} foreseen[CSN_SANDBOX_BATCH_NAMES];
	size_t n_foreseen;
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

static struct foreseen *find_foreseen(struct asker *asker, const char *name)
{
	for (size_t i = 0; i < asker->n_foreseen; i++)
		if (asker->foreseen[i].name && strcmp(asker->foreseen[i].name, name) == 0)
			return &asker->foreseen[i];
	return NULL;
}

static void forget_foreseen(struct asker *asker)
{
	for (size_t i = 0; i < asker->n_foreseen; i++) {
		free(asker->foreseen[i].name);
		if (asker->foreseen[i].fd >= 0)
			close(asker->foreseen[i].fd);
	}
	asker->n_foreseen = 0;
}

/* Sends one batch of names and keeps the answers. */
static void foresee_batch(struct asker *asker, char *bytes, size_t size_bytes)
{
	const char *names[CSN_SANDBOX_BATCH_NAMES];
	size_t n = csn_sandbox_batch_parse(bytes, size_bytes, names), n_fds = 0, next = 0;
	char found[CSN_SANDBOX_BATCH_NAMES] = { 0 };
	int fds[CSN_SANDBOX_BATCH_NAMES];
	ssize_t got = -1;

	if (n && csn_pass_send(asker->socket, bytes, size_bytes, -1))
		got = csn_pass_receive_all(asker->socket, found, sizeof(found), fds,
					   csn_countof(fds), &n_fds);
	for (size_t i = 0; got == (ssize_t)n && i < n; i++) {
		int fd = found[i] == CSN_SANDBOX_OPENED && next < n_fds ? fds[next++] : -1;
		char *name = fd >= 0 || found[i] == CSN_SANDBOX_ABSENT ? strdup(names[i]) : NULL;

		asker->foreseen[asker->n_foreseen++] = (struct foreseen){ name, fd };
	}
	while (next < n_fds)
		close(fds[next++]);
}

/* As many as fit into one batch; the others are asked for one by one. */
static void asker_foresee(void *context, const char *const *paths, size_t n)
{
	struct asker *asker = context;
	char bytes[CSN_SANDBOX_BATCH_BYTES] = { CSN_SANDBOX_BATCH };
	size_t size = 1, n_names = 0;

	forget_foreseen(asker);
	for (size_t i = 0; i < n && n_names < CSN_SANDBOX_BATCH_NAMES; i++) {
		size_t length = strlen(paths[i]) + 1;

		if (length == 1 || length > sizeof(bytes) - size)
			continue;
		memcpy(bytes + size, paths[i], length);
		size += length;
		n_names++;
	}
	foresee_batch(asker, bytes, size);
}

static int asker_open(void *context, enum csn_open_kind kind, const char *name, int *ret_fd,
		      struct csn_error *err)
{
	struct csn_sandbox_reply reply = { .fd = -1 };
	struct foreseen *known = kind == CSN_OPEN_OBJECT ? find_foreseen(context, name) : NULL;
	int rc;

	if (known) {
		free(csn_take(known->name));
		if (known->fd < 0)
			return csn_fail_os(err, ENOENT, "%s", name);
		*ret_fd = csn_take_fd(known->fd);
		return 0;
	}
	rc = ask(context, CSN_SANDBOX_OPEN, kind, name, &reply, err);

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
	const struct csn_opener opener = { asker_open, asker_locate, asker_publish, asker_foresee,
					   &asker };
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
