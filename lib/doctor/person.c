/* Looking through somebody else's eyes: what the spool's user may do is asked of the kernel, by a
 * child that has become that user, not derived from modes. It also keeps a program that others than
 * root can change from being run as root. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/limits.h"
#include "doctor/doctor_internal.h"

#define MAX_SECONDS 10
#define MAX_OUTPUT (64 * CSN_KIB)

static bool become(uid_t uid, gid_t gid)
{
	if (geteuid() == uid)
		return true;
	return setgroups(0, NULL) == 0 && setresgid(gid, gid, gid) == 0 &&
	       setresuid(uid, uid, uid) == 0;
}

/* In the child. */
static csn_noreturn void run_child(uid_t uid, gid_t gid, int out_fd, int (*fn)(void *context),
				   void *context)
{
	/* 1: whatever happens to it is not dumped. */
	const struct rlimit no_core = { 1, 1 };
	int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	alarm(MAX_SECONDS);
	setrlimit(RLIMIT_CORE, &no_core);
	dup2(null_fd, STDIN_FILENO);
	dup2(out_fd, STDOUT_FILENO);
	dup2(null_fd, STDERR_FILENO);
	if (chdir("/") < 0 || !become(uid, gid))
		_exit(127);
	_exit(fn(context));
}

static void drain(int fd, struct csn_buf *out)
{
	char block[4096];
	ssize_t n;

	while ((n = csn_read_full(fd, block, sizeof(block))) > 0)
		if (out)
			csn_buf_append(out, block, (size_t)n);
}

int doctor_run_as(uid_t uid, gid_t gid, int (*fn)(void *context), void *context,
		  struct csn_buf *out)
{
	cleanup_close int read_fd = -1;
	cleanup_close int write_fd = -1;
	int ends[2], status;
	pid_t pid;

	if ((geteuid() != 0 && geteuid() != uid) || pipe2(ends, O_CLOEXEC) < 0)
		return -1;
	read_fd = ends[0];
	write_fd = ends[1];
	pid = fork();
	if (pid < 0)
		return -1;
	if (pid == 0)
		run_child(uid, gid, write_fd, fn, context);
	csn_closep(&write_fd);
	write_fd = -1;
	drain(read_fd, out);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

struct access {
	const char *path;
	int mode;
};

static int try_access(void *context)
{
	const struct access *access = context;

	return faccessat(AT_FDCWD, access->path, access->mode, AT_EACCESS) == 0 ? 0 : errno;
}

int doctor_access_as(uid_t uid, gid_t gid, const char *path, int mode)
{
	struct access access = { path, mode };
	int status = doctor_run_as(uid, gid, try_access, &access, NULL);

	return status < 0 ? 0 : status;
}

static int ask_version(void *context)
{
	const char *const argv[] = { context, "--version", NULL };

	execve(argv[0], (char *const *)argv, environ);
	return 127;
}

const char *doctor_version_of(struct csn_doctor *doctor, const char *path)
{
	cleanup_(csn_buf_done) struct csn_buf out = CSN_BUF_INIT(MAX_OUTPUT);

	if (doctor_run_as(doctor->uid, doctor->gid, ask_version, (void *)path, &out) != 0 ||
	    !out.size)
		return "";
	out.data[strcspn(out.data, "\n")] = '\0';
	return doctor_text(doctor, "%s", out.data);
}
