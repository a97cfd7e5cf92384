#include "spool/crash_socket.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/hash.h"
#include "base/io.h"

#define FOLDER CSN_RUN_FOLDER "/crash"

void csn_crash_socket_init(struct csn_crash_socket *place, const char *helper)
{
	if (strcmp(helper, CSN_HELPER) == 0)
		snprintf(place->folder, sizeof(place->folder), "%s", FOLDER);
	else
		snprintf(place->folder, sizeof(place->folder), "%s-%08x", FOLDER,
			 csn_crc32(helper, strlen(helper)));
	snprintf(place->path, sizeof(place->path), "%s/socket", place->folder);
	snprintf(place->pattern, sizeof(place->pattern), "@@%s", place->path);
}

bool csn_crash_socket_is_pattern(const char *text)
{
	static const char head[] = "@@" FOLDER, tail[] = "/socket";
	size_t length = strlen(text), ends = sizeof(head) - 1 + sizeof(tail) - 1;
	const char *middle = text + sizeof(head) - 1;

	return length >= ends && strncmp(text, head, sizeof(head) - 1) == 0 &&
	       strcmp(text + length - (sizeof(tail) - 1), tail) == 0 &&
	       (length == ends || *middle == '-') && strcspn(middle, "/") == length - ends;
}

int csn_crash_socket_ask(const struct csn_crash_socket *place, int timeout_ms, bool *ret_supervised,
			 struct csn_error *err)
{
	const struct timeval wait = { .tv_sec = timeout_ms / 1000,
				      .tv_usec = (long)(timeout_ms % 1000) * 1000 };
	cleanup_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	char word[32];
	ssize_t n;

	if (fd < 0)
		return csn_fail_os(err, errno, "socket");
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait));
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", place->path);
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		return csn_fail(err, errno == EACCES ? CSN_E_DENIED : CSN_E_NOT_FOUND,
				"nobody listens on %s (%s)", place->path, strerror(errno));
	n = csn_read_full(fd, word, sizeof(word) - 1);
	word[n > 0 ? n : 0] = '\0';
	if (strcmp(word, CSN_LISTENER_SUPERVISED) != 0 && strcmp(word, CSN_LISTENER_ALONE) != 0)
		return csn_fail(err, CSN_E_TIMEOUT, "the listener on %s does not answer",
				place->path);
	*ret_supervised = strcmp(word, CSN_LISTENER_SUPERVISED) == 0;
	return 0;
}

static const char *name_kept(const struct csn_crash_socket *place, char *out, size_t out_size)
{
	snprintf(out, out_size, "%s/pipe-line", place->folder);
	return out;
}

int csn_crash_socket_make_folder(const struct csn_crash_socket *place, struct csn_error *err)
{
	int r = csn_make_roots_folder(CSN_RUN_FOLDER, 0755, err);

	return r < 0 ? r : csn_make_roots_folder(place->folder, 0700, err);
}

int csn_crash_socket_keep_pipe(const struct csn_crash_socket *place,
			       const struct csn_core_pattern *pipe, struct csn_error *err)
{
	char path[80];
	int r = csn_crash_socket_make_folder(place, err);

	return r < 0 ? r : csn_core_pattern_save(pipe, name_kept(place, path, sizeof(path)), err);
}

void csn_crash_socket_forget_pipe(const struct csn_crash_socket *place)
{
	char path[80];

	(void)unlink(name_kept(place, path, sizeof(path)));
}

/* False when this is not ours to change. */
static bool read_both(const struct csn_crash_socket *place, struct csn_core_pattern *now,
		      struct csn_core_pattern *pipe)
{
	char path[80];
	struct csn_error ignored;

	return csn_core_pattern_load(name_kept(place, path, sizeof(path)), pipe, &ignored) == 0 &&
	       csn_core_pattern_get(now, &ignored) == 0;
}

int csn_crash_socket_take(const struct csn_crash_socket *place, bool *ret_changed,
			  struct csn_error *err)
{
	struct csn_core_pattern now, pipe;
	bool change = read_both(place, &now, &pipe) && strcmp(now.text, pipe.text) == 0;
	int r = 0;

	if (change) {
		snprintf(now.text, sizeof(now.text), "%s", place->pattern);
		r = csn_core_pattern_set(&now, err);
	}
	if (r == 0)
		*ret_changed = change;
	return r;
}

int csn_crash_socket_give_back(const struct csn_crash_socket *place, bool *ret_changed,
			       struct csn_error *err)
{
	struct csn_core_pattern now, pipe;
	bool change = read_both(place, &now, &pipe) && strcmp(now.text, place->pattern) == 0;
	int r = change ? csn_core_pattern_set(&pipe, err) : 0;

	if (r == 0)
		*ret_changed = change;
	return r;
}
