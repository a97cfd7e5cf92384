#include "capture/victim.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "capture/pidfd.h"
#include "target/proc_json.h"

static int open_at(int dir_fd, const char *path, int flags)
{
	return openat(dir_fd, path, flags | O_RDONLY | O_CLOEXEC | O_NOCTTY);
}

bool csn_victim_is_alive(const struct csn_victim *victim)
{
	struct pollfd wait = { .fd = victim->pidfd, .events = POLLIN };

	return victim->pidfd >= 0 && poll(&wait, 1, 0) == 0;
}

static bool has_line(const char *text, const char *line)
{
	return strstr(text, line) != NULL;
}

/* The status of the crashed thread must name the process, and say that it is dumping (4.15). The
 * name of the process stands in the first line with its newlines escaped, so lines can be
 * trusted. */
static const char *check_status(const struct csn_victim *victim, const struct csn_request *request)
{
	char text[4096], line[48];
	cleanup_close int fd = open_at(victim->proc_fd, "status", 0);
	ssize_t n = fd < 0 ? -1 : csn_read_full(fd, text, sizeof(text) - 1);

	if (n <= 0)
		return "its status cannot be read";
	text[n] = '\0';
	snprintf(line, sizeof(line), "\nTgid:\t%lld\n", (long long)request->pid);
	if (!has_line(text, line))
		return "the thread belongs to another process";
	if (has_line(text, "\nCoreDumping:\t0\n"))
		return "the process is not dumping core";
	return NULL;
}

/* What the kernel says of the pidfd's process; old kernels say nothing. */
static const char *check_pidfd(struct csn_victim *victim, const struct csn_request *request)
{
	struct csn_pidfd_info info;

	if (!csn_pidfd_read(victim->pidfd, &info))
		return NULL;
	if (info.pid != request->pid)
		return "the pidfd is of another process";
	if (info.cgroup_id)
		victim->cgroup_id = info.cgroup_id;
	/* The kernel marks the process only when it makes the pidfd for us. */
	if (!info.tells_dump || request->pidfd < 0)
		return NULL;
	victim->privileged = info.as_root;
	return info.dumping ? NULL : "the process is not dumping core";
}

/* When the process of this folder was started, in clock ticks after boot. */
static bool read_start(int proc_fd, const char *path, int64_t *ret_ticks)
{
	char text[1024];
	cleanup_close int fd = open_at(proc_fd, path, 0);
	ssize_t n = fd < 0 ? -1 : csn_read_full(fd, text, sizeof(text) - 1);

	text[n > 0 ? n : 0] = '\0';
	return csn_proc_stat_field(text, 22, ret_ticks);
}

/* Where the kernel gave no pidfd, the number may have been taken over before we opened one. The
 * victim cannot go before we are started, so who took it over started after us. Both are counted
 * from boot: the time that the kernel gave is of whole seconds, and its clock may have stepped. */
static const char *check_start(const struct csn_victim *victim)
{
	int64_t its, ours;

	if (!read_start(victim->proc_fd, "stat", &its) ||
	    !read_start(AT_FDCWD, "/proc/self/stat", &ours))
		return "its start time cannot be read";
	return its > ours ? "it started after the crash" : NULL;
}

void csn_victim_open(const struct csn_request *request, struct csn_victim *victim)
{
	char path[48];

	*victim = (struct csn_victim)CSN_VICTIM_INIT;
	victim->pidfd = request->pidfd;
	if (victim->pidfd < 0)
		victim->pidfd = (int)syscall(SYS_pidfd_open, (pid_t)request->pid, 0);
	if (victim->pidfd >= 0)
		(void)fcntl(victim->pidfd, F_SETFD, FD_CLOEXEC);
	snprintf(path, sizeof(path), "/proc/%lld", (long long)request->tid);
	victim->proc_fd = open_at(AT_FDCWD, path, O_DIRECTORY);
	if (victim->proc_fd >= 0) {
		victim->mem_fd = open_at(victim->proc_fd, "mem", 0);
		victim->pagemap_fd = open_at(victim->proc_fd, "pagemap", 0);
	}
	if (victim->pidfd < 0)
		victim->reason = "no pidfd";
	else if (victim->proc_fd < 0)
		victim->reason = "it is not in /proc";
	else
		victim->reason = check_pidfd(victim, request);
	if (!victim->reason)
		victim->reason = check_status(victim, request);
	if (!victim->reason && request->pidfd < 0)
		victim->reason = check_start(victim);
	if (!victim->reason && !csn_victim_is_alive(victim))
		victim->reason = "it died before it was identified";
	victim->verified = !victim->reason;
}

void csn_victim_close(struct csn_victim *victim)
{
	csn_closep(&victim->proc_fd);
	csn_closep(&victim->mem_fd);
	csn_closep(&victim->pagemap_fd);
	csn_closep(&victim->pidfd);
	victim->proc_fd = victim->mem_fd = victim->pagemap_fd = victim->pidfd = -1;
}

size_t csn_victim_read(const struct csn_victim *victim, csn_addr addr, void *data,
		       size_t size_bytes)
{
	size_t done = 0;
	ssize_t n;

	if (victim->mem_fd < 0 || addr > INT64_MAX)
		return 0;
	while (done < size_bytes) {
		n = pread(victim->mem_fd, (char *)data + done, size_bytes - done,
			  (off_t)(addr + done));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		done += (size_t)n;
	}
	return done;
}
