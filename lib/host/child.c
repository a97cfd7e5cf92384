#include "host/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/limits.h"
#include "base/text.h"
#include "host/confine_internal.h"
#include "host/environment.h"

#define EXEC_FAILED 127
/* Deeper than anything that is no attack; the next end of a child goes on. */
#define MAX_STRAY_ROUNDS 64

static void prepare_descriptors(const struct csn_child_spec *spec, int output_fd)
{
	int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	dup2(null_fd, STDIN_FILENO);
	dup2(output_fd, STDOUT_FILENO);
	dup2(spec->stdout_only ? null_fd : output_fd, STDERR_FILENO);
	/* A copy of ourselves needs what we have open. */
	if (spec->argv)
		confine_descriptors(spec->keep_fd);
}

/* In the child; does not return. */
static csn_noreturn void become(const struct csn_child_spec *spec, int output_fd)
{
	const char *environment[CSN_ENVIRONMENT_MAX];
	sigset_t none;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prepare_descriptors(spec, output_fd);
	if (!confine_parent_lives(STDOUT_FILENO))
		_exit(EXEC_FAILED);
	(void)setsid();
	umask(077);
	(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (spec->read_only)
		(void)confine_writes();
	confine_limits(&spec->limits);
	signal(SIGPIPE, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (!spec->argv)
		_exit(spec->run(spec->context));
	csn_environment_fill(environment);
	execve(spec->argv[0], (char *const *)spec->argv, (char *const *)environment);
	dprintf(STDERR_FILENO, "%s: %s\n", spec->argv[0], strerror(errno));
	_exit(EXEC_FAILED);
}

int csn_child_start(const struct csn_child_spec *spec, struct csn_child *ret_child,
		    struct csn_error *err)
{
	struct csn_child child = CSN_CHILD_INIT;
	cleanup_close int write_fd = -1;
	cleanup_close int read_fd = -1;
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return csn_fail_os(err, errno, "pipe");
	read_fd = ends[0];
	write_fd = ends[1];
	if (fcntl(read_fd, F_SETFL, O_NONBLOCK) < 0)
		return csn_fail_os(err, errno, "pipe");
	child.pid = confine_fork(spec->own_pids, geteuid(), getegid());
	if (child.pid < 0)
		return csn_fail_os(err, errno, "fork");
	if (child.pid == 0)
		become(spec, write_fd);
	child.pidfd = (int)syscall(SYS_pidfd_open, child.pid, 0);
	if (child.pidfd < 0) {
		csn_fail_os(err, errno, "pidfd_open");
		csn_child_done(&child);
		return -CSN_E_OS;
	}
	child.output_fd = csn_take_fd(read_fd);
	child.output.max = spec->max_output_bytes;
	child.deadline_ns = csn_monotonic_ns() + spec->timeout_ms * CSN_NS_PER_MS;
	*ret_child = child;
	return 0;
}

static void keep_output(struct csn_child *child, const char *data, size_t size, bool keep_tail)
{
	struct csn_buf *output = &child->output;
	size_t half = output->max / 2;

	if (output->size + size > output->max) {
		child->output_cut = true;
		if (!keep_tail)
			return;
		if (size > half) {
			data += size - half;
			size = half;
		}
		if (output->size > half) {
			memmove(output->data, output->data + output->size - half, half);
			output->size = half;
		}
	}
	csn_buf_append(output, data, size);
}

bool csn_child_read(struct csn_child *child, bool keep_tail)
{
	char block[4096];
	ssize_t n;

	for (;;) {
		n = read(child->output_fd, block, sizeof(block));
		if (n > 0)
			keep_output(child, block, (size_t)n, keep_tail);
		else if (n == 0 || errno != EINTR)
			return n < 0 && errno == EAGAIN;
	}
}

void csn_child_kill(struct csn_child *child)
{
	if (child->pid <= 0)
		return;
	/* The group may not exist yet. */
	if (kill(-child->pid, SIGKILL) < 0)
		kill(child->pid, SIGKILL);
}

bool csn_child_reap(struct csn_child *child, bool keep_tail, int *ret_status)
{
	int status;
	pid_t pid = child->pid > 0 ? waitpid(child->pid, &status, WNOHANG) : -1;

	if (pid == 0 || child->pid <= 0)
		return false;
	(void)csn_child_read(child, keep_tail);
	child->pid = 0;
	if (pid < 0)
		*ret_status = EXEC_FAILED;
	else
		*ret_status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	return true;
}

void csn_child_done(struct csn_child *child)
{
	if (child->pid > 0) {
		csn_child_kill(child);
		while (waitpid(child->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	csn_closep(&child->output_fd);
	csn_closep(&child->pidfd);
	csn_buf_done(&child->output);
	*child = (struct csn_child)CSN_CHILD_INIT;
}

void csn_child_adopt(void)
{
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
}

static bool is_known(pid_t pid, const pid_t *known, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (known[i] == pid)
			return true;
	return false;
}

/* One round; true when one was found: what it had started comes to us next. */
static bool end_some(const pid_t *known, size_t count)
{
	cleanup_(csn_buf_done) struct csn_buf text = CSN_BUF_INIT(CSN_MAX_PROC_FILE);
	struct csn_error ignored;
	bool found = false;
	char *word, *next;
	uint64_t pid;

	if (csn_read_file(AT_FDCWD, "/proc/thread-self/children", &text, &ignored) < 0)
		return false;
	next = text.data;
	while ((word = strsep(&next, " \n"))) {
		if (!csn_parse_u64(word, 10, &pid) || is_known((pid_t)pid, known, count))
			continue;
		kill((pid_t)pid, SIGKILL);
		while (waitpid((pid_t)pid, NULL, 0) < 0 && errno == EINTR)
			;
		found = true;
	}
	return found;
}

void csn_child_end_strays(const pid_t *known, size_t count)
{
	int rounds;

	for (rounds = 0; rounds < MAX_STRAY_ROUNDS && end_some(known, count); rounds++)
		;
}

const char *csn_child_last_line(struct csn_child *child)
{
	char *text = child->output.data, *end, *line;

	if (!text || child->output.size == 0)
		return "";
	end = text + child->output.size;
	while (end > text && strchr("\r\n \t", end[-1]))
		end--;
	*end = '\0';
	line = strrchr(text, '\n');
	return line ? line + 1 : text;
}
