/* What a child gives up between fork and exec. Nothing here allocates or locks. */
#include "host/confine_internal.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/sanitized.h"

/* From <linux/ioprio.h>: the lowest priority that still gets its turn. */
#define IOPRIO_WHO_PROCESS 1
#define IOPRIO_LOWEST ((2 << 13) | 7)
#define NICE 10

/* From <linux/landlock.h>, which on some systems that we build on is older than their kernels: the
 * rights of the first version that change files, and later ones of the same kind. */
#define LANDLOCK_CREATE 444
#define LANDLOCK_ADD 445
#define LANDLOCK_RESTRICT 446
#define LANDLOCK_VERSION 1u
#define LANDLOCK_WRITE_FILE (1ull << 1)
#define LANDLOCK_CHANGES_1 (LANDLOCK_WRITE_FILE | 0x1ff0ull)
#define LANDLOCK_REFER (1ull << 13)
#define LANDLOCK_TRUNCATE (1ull << 14)
#define LANDLOCK_PATH_BENEATH 1

struct landlock_rule {
	uint64_t allowed;
	int32_t fd;
} __attribute__((packed));

static void lower(__rlimit_resource_t resource, uint64_t most)
{
	struct rlimit limit;

	if (most == 0 || getrlimit(resource, &limit) < 0)
		return;
	limit.rlim_max = csn_min_u64(limit.rlim_max, most);
	limit.rlim_cur = csn_min_u64(limit.rlim_cur, limit.rlim_max);
	(void)setrlimit(resource, &limit);
}

void confine_limits(const struct csn_child_limits *limits)
{
	/* 1 tells the kernel not to dump this process at all, not even through a pipe. */
	const struct rlimit no_core = { 1, 1 };

	(void)setrlimit(RLIMIT_CORE, &no_core);
	lower(RLIMIT_CPU, limits->cpu_seconds);
	lower(RLIMIT_FSIZE, limits->file_bytes);
	lower(RLIMIT_NOFILE, limits->n_files);
	if (!CSN_SANITIZED) {
		lower(RLIMIT_AS, limits->address_bytes);
		lower(RLIMIT_DATA, limits->data_bytes);
	}
	if (getpriority(PRIO_PROCESS, 0) < NICE)
		(void)setpriority(PRIO_PROCESS, 0, NICE);
	(void)syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, IOPRIO_LOWEST);
}

void confine_descriptors(int keep_fd)
{
	unsigned first = STDERR_FILENO + 1;

	if (keep_fd >= (int)first) {
		(void)fcntl(keep_fd, F_SETFD, 0);
		if ((unsigned)keep_fd > first)
			(void)syscall(SYS_close_range, first, (unsigned)keep_fd - 1, 0);
		first = (unsigned)keep_fd + 1;
	}
	(void)syscall(SYS_close_range, first, ~0u, 0);
}

bool confine_writes(void)
{
	static const char *const writable[] = { "/dev/null", "/dev/zero", "/dev/full", "/dev/tty" };
	long version = syscall(LANDLOCK_CREATE, NULL, 0, LANDLOCK_VERSION);
	uint64_t rights = LANDLOCK_CHANGES_1;
	cleanup_close int fd = -1;
	size_t i;

	if (version < 1)
		return false;
	if (version >= 2)
		rights |= LANDLOCK_REFER;
	if (version >= 3)
		rights |= LANDLOCK_TRUNCATE;
	fd = (int)syscall(LANDLOCK_CREATE, &rights, sizeof(rights), 0);
	if (fd < 0)
		return false;
	for (i = 0; i < csn_countof(writable); i++) {
		cleanup_close int device = open(writable[i], O_PATH | O_CLOEXEC);
		struct landlock_rule rule = { rights & (LANDLOCK_WRITE_FILE | LANDLOCK_TRUNCATE),
					      device };

		if (device >= 0)
			(void)syscall(LANDLOCK_ADD, fd, LANDLOCK_PATH_BENEATH, &rule, 0);
	}
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	       syscall(LANDLOCK_RESTRICT, fd, 0) == 0;
}

static void write_map(const char *path, const char *text)
{
	cleanup_close int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd >= 0)
		(void)!write(fd, text, strlen(text));
}

pid_t confine_fork(bool own_pids, uid_t uid, gid_t gid)
{
	char map[64];
	long pid = -1;

	if (own_pids)
		pid = syscall(SYS_clone, CLONE_NEWUSER | CLONE_NEWPID | SIGCHLD, 0, 0, 0, 0);
	if (pid < 0)
		return fork();
	if (pid > 0)
		return (pid_t)pid;
	/* Who is not dumpable does not own its own files in /proc. */
	prctl(PR_SET_DUMPABLE, 1);
	write_map("/proc/self/setgroups", "deny");
	snprintf(map, sizeof(map), "%u %u 1", (unsigned)uid, (unsigned)uid);
	write_map("/proc/self/uid_map", map);
	snprintf(map, sizeof(map), "%u %u 1", (unsigned)gid, (unsigned)gid);
	write_map("/proc/self/gid_map", map);
	return 0;
}

bool confine_parent_lives(int output_fd)
{
	struct pollfd end = { .fd = output_fd, .events = POLLOUT };

	return poll(&end, 1, 0) < 0 || !(end.revents & POLLERR);
}
