#include "host/finder_opener.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/pass.h"

#define ANSWER_TIMEOUT_MS 10000

enum request_kind { REQUEST_FOLDER, REQUEST_FILE, REQUEST_REMOVE };

struct request {
	uint32_t kind;
	uint32_t folder;
	struct finder_mark mark;
	char name[NAME_MAX + 1];
};

/* A descriptor comes with it where one was asked for. */
struct answer {
	struct csn_error err; /* code CSN_OK: it was done */
	int32_t token;
};

/* False at the end of the connection and for what is no whole message. */
static bool receive(int socket_fd, void *data, size_t size, int *ret_fd)
{
	return csn_pass_receive(socket_fd, data, size, ret_fd) == (ssize_t)size;
}

/* In the opener. */
struct worker {
	struct finder_opener *opener;
	int folders[CSN_MAX_FINDER_FOLDERS];
};

static int open_folder(struct worker *worker, unsigned folder, int32_t *token,
		       struct csn_error *err)
{
	struct finder_opener *opener = worker->opener;
	int *fd = &worker->folders[folder];
	int r;

	csn_closep(fd);
	*fd = -1;
	r = finder_open_folder(opener->paths[folder], fd, err);
	if (r == 0 && finder_events_ops.shared_over_fork)
		r = finder_events_ops.add(opener->events_fd, *fd, folder, token, err);
	return r;
}

static int answer_request(struct worker *worker, const struct request *request, int *fd,
			  struct answer *answer)
{
	int *folder = &worker->folders[request->folder];
	int r = 0;

	switch ((enum request_kind)request->kind) {
	case REQUEST_FOLDER:
		r = open_folder(worker, request->folder, &answer->token, &answer->err);
		*fd = r == 0 ? fcntl(*folder, F_DUPFD_CLOEXEC, 0) : -1;
		break;
	case REQUEST_FILE:
		r = finder_open_file(*folder, request->name, fd, &answer->err);
		break;
	case REQUEST_REMOVE:
		r = finder_remove_file(*folder, request->name, &request->mark, &answer->err);
		break;
	}
	return r;
}

static csn_noreturn void work(struct finder_opener *opener, int socket_fd)
{
	struct worker worker = { .opener = opener };
	struct request request;
	int fd, i;

	for (i = 0; i < (int)CSN_MAX_FINDER_FOLDERS; i++)
		worker.folders[i] = -1;
	while (receive(socket_fd, &request, sizeof(request), &fd)) {
		struct answer answer = { .token = -1 };

		csn_closep(&fd);
		fd = -1;
		request.name[sizeof(request.name) - 1] = '\0';
		if (request.folder >= opener->n_paths ||
		    answer_request(&worker, &request, &fd, &answer) < 0)
			answer.err.code = answer.err.code ? answer.err.code : CSN_E_USAGE;
		if (!csn_pass_send(socket_fd, &answer, sizeof(answer), fd))
			break;
		csn_closep(&fd);
	}
	_exit(0);
}

static int get_rights(struct __user_cap_data_struct caps[2], struct csn_error *err)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };

	memset(caps, 0, 2 * sizeof(caps[0]));
	return syscall(SYS_capget, &header, caps) < 0 ? csn_fail_os(err, errno, "capget") : 0;
}

bool finder_opener_is_of_use(void)
{
	struct __user_cap_data_struct caps[2];

	/* The daemon gives up every capability, also where it stays user 0. */
	return get_rights(caps, NULL) == 0 && caps[0].permitted & 1u << CAP_DAC_READ_SEARCH;
}

/* Keeps only what opening, removing and removing from sticky folders needs, as far as root
 * has it here. */
static int keep_rights(uid_t uid, gid_t gid, struct csn_error *err)
{
	const uint32_t wanted =
		1u << CAP_DAC_READ_SEARCH | 1u << CAP_DAC_OVERRIDE | 1u << CAP_FOWNER;
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct caps[2];
	int r = get_rights(caps, err);

	if (r < 0)
		return r;
	caps[0].permitted &= wanted;
	caps[0].effective = caps[0].permitted;
	caps[0].inheritable = caps[1].permitted = caps[1].effective = caps[1].inheritable = 0;
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return csn_fail_os(err, errno, "prctl");
	/* Who was given these rights without being root is that user already. */
	if (geteuid() == 0 && (setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0 ||
			       setresuid(uid, uid, uid) < 0))
		return csn_fail_os(err, errno, "becoming user %u", (unsigned)uid);
	if (syscall(SYS_capset, &header, caps) < 0)
		return csn_fail_os(err, errno, "capset");
	/* Nobody of the same user looks into it. */
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return csn_fail_os(err, errno, "PR_SET_DUMPABLE");
	return 0;
}

/* Everything but the two descriptors that it works with. */
static void close_others(const struct finder_opener *opener, int socket_fd)
{
	int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC), fd;
	long max = sysconf(_SC_OPEN_MAX);

	for (fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		(void)dup2(null_fd, fd);
	for (fd = STDERR_FILENO + 1; fd < max && fd < 65536; fd++)
		if (fd != socket_fd && fd != opener->events_fd)
			close(fd);
}

static csn_noreturn void become_opener(struct finder_opener *opener, int socket_fd, uid_t uid,
				       gid_t gid)
{
	struct answer ready = { .token = -1 };

	signal(SIGHUP, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	close_others(opener, socket_fd);
	(void)!chdir("/");
	if (keep_rights(uid, gid, &ready.err) < 0) {
		(void)!csn_pass_send(socket_fd, &ready, sizeof(ready), -1);
		_exit(1);
	}
	if (!csn_pass_send(socket_fd, &ready, sizeof(ready), -1))
		_exit(1);
	work(opener, socket_fd);
}

/* The opener's next answer; gives it up when none comes. */
static int receive_answer(struct finder_opener *opener, int *ret_fd, int *ret_token,
			  struct csn_error *err)
{
	struct pollfd wait = { .fd = opener->fd, .events = POLLIN };
	cleanup_close int fd = -1;
	struct answer answer;
	int n;

	do
		n = poll(&wait, 1, ANSWER_TIMEOUT_MS);
	while (n < 0 && errno == EINTR);
	if (n <= 0 || !receive(opener->fd, &answer, sizeof(answer), &fd)) {
		finder_opener_stop(opener);
		opener->gave_up = true;
		return csn_fail(err, CSN_E_TIMEOUT, "the opener is gone; restart coresnapd");
	}
	if (answer.err.code != CSN_OK) {
		if (err)
			*err = answer.err;
		return -(int)answer.err.code;
	}
	if (ret_fd)
		*ret_fd = csn_take_fd(fd);
	if (ret_token)
		*ret_token = answer.token;
	return 0;
}

int finder_opener_start(struct finder_opener *opener, uid_t uid, gid_t gid, struct csn_error *err)
{
	int ends[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return csn_fail_os(err, errno, "socketpair");
	pid = fork();
	if (pid == 0)
		become_opener(opener, ends[1], uid, gid);
	close(ends[1]);
	opener->fd = ends[0];
	if (pid < 0)
		return csn_fail_os(err, errno, "fork");
	opener->pid = pid;
	return receive_answer(opener, NULL, NULL, err);
}

void finder_opener_stop(struct finder_opener *opener)
{
	csn_closep(&opener->fd);
	opener->fd = -1;
	/* One that hangs in a file server must not hold us up: init will wait for it. */
	if (opener->pid > 0)
		(void)waitpid(opener->pid, NULL, WNOHANG);
	opener->pid = 0;
}

static int ask(struct finder_opener *opener, struct request *request, int *ret_fd, int *ret_token,
	       struct csn_error *err)
{
	if (!csn_pass_send(opener->fd, request, sizeof(*request), -1)) {
		finder_opener_stop(opener);
		opener->gave_up = true;
		return csn_fail(err, CSN_E_TIMEOUT, "the opener is gone; restart coresnapd");
	}
	return receive_answer(opener, ret_fd, ret_token, err);
}

int finder_opener_open_folder(struct finder_opener *opener, unsigned folder, int *ret_fd,
			      int *ret_token, struct csn_error *err)
{
	struct request request = { .kind = REQUEST_FOLDER, .folder = folder };
	cleanup_close int fd = -1;
	int r;

	if (opener->fd >= 0)
		r = ask(opener, &request, &fd, ret_token, err);
	else
		r = finder_open_folder(opener->paths[folder], &fd, err);
	if (r == 0 && (opener->fd < 0 || !finder_events_ops.shared_over_fork))
		r = finder_events_ops.add(opener->events_fd, fd, folder, ret_token, err);
	if (r == 0)
		*ret_fd = csn_take_fd(fd);
	return r;
}

int finder_opener_open_file(struct finder_opener *opener, unsigned folder, int folder_fd,
			    const char *name, int *ret_fd, struct csn_error *err)
{
	struct request request = { .kind = REQUEST_FILE, .folder = folder };

	if (opener->fd < 0)
		return finder_open_file(folder_fd, name, ret_fd, err);
	snprintf(request.name, sizeof(request.name), "%s", name);
	return ask(opener, &request, ret_fd, NULL, err);
}

int finder_opener_remove_file(struct finder_opener *opener, unsigned folder, int folder_fd,
			      const char *name, const struct finder_mark *mark,
			      struct csn_error *err)
{
	struct request request = { .kind = REQUEST_REMOVE, .folder = folder, .mark = *mark };

	if (opener->fd < 0)
		return finder_remove_file(folder_fd, name, mark, err);
	snprintf(request.name, sizeof(request.name), "%s", name);
	return ask(opener, &request, NULL, NULL, err);
}
