#include "host/control_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/text.h"
#include "host/service.h"

#define PID_FILE "coresnapd.pid"
#define SOCKET_FILE "control"
#define MAX_REQUEST 128

/* Through /proc, so that a long spool path fits into sun_path. */
static struct sockaddr_un address_of(const struct csn_spool *spool)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/%s",
		 spool->beside_fd, SOCKET_FILE);
	return address;
}

int control_open(const struct csn_spool *spool, int *ret_fd, struct csn_error *err)
{
	cleanup_close int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un address = address_of(spool);
	mode_t mask;
	int r;

	if (fd < 0)
		return csn_fail_os(err, errno, "socket");
	if (unlinkat(spool->beside_fd, SOCKET_FILE, 0) < 0 && errno != ENOENT)
		return csn_fail_os(err, errno, "%s", SOCKET_FILE);
	mask = umask(0177);
	r = bind(fd, (struct sockaddr *)&address, sizeof(address));
	umask(mask);
	if (r < 0)
		return csn_fail_os(err, errno, "%s", SOCKET_FILE);
	*ret_fd = csn_take_fd(fd);
	return 0;
}

void control_close(const struct csn_spool *spool, int fd)
{
	close(fd);
	(void)unlinkat(spool->beside_fd, SOCKET_FILE, 0);
}

/* "retry all" or "retry <stage>/<uuid>". */
static bool parse_request(char *request, bool *ret_all, enum csn_stage *ret_stage,
			  char uuid[CSN_UUID_TEXT])
{
	char *slash;

	if (strncmp(request, "retry ", 6) != 0)
		return false;
	request += 6;
	*ret_all = strcmp(request, "all") == 0;
	if (*ret_all)
		return true;
	slash = strchr(request, '/');
	if (!slash || !csn_uuid_parse(slash + 1, NULL))
		return false;
	*slash = '\0';
	*ret_stage = strcmp(request, "pending") == 0      ? CSN_STAGE_PENDING
		     : strcmp(request, "quarantine") == 0 ? CSN_STAGE_QUARANTINE
							  : CSN_STAGE_SENDING;
	memcpy(uuid, slash + 1, CSN_UUID_TEXT);
	return true;
}

bool control_receive(int fd, bool *ret_all, enum csn_stage *ret_stage, char uuid[CSN_UUID_TEXT])
{
	char request[MAX_REQUEST];
	ssize_t n;

	while ((n = recv(fd, request, sizeof(request) - 1, 0)) >= 0) {
		request[n] = '\0';
		if (parse_request(request, ret_all, ret_stage, uuid))
			return true;
	}
	return false;
}

int csn_service_ask(const struct csn_spool *spool, const char *request, struct csn_error *err)
{
	cleanup_close int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un address = address_of(spool);

	if (fd < 0)
		return csn_fail_os(err, errno, "socket");
	if (csn_service_find_daemon(spool) == 0)
		return csn_fail(err, CSN_E_NOT_FOUND, "coresnapd does not run");
	if (sendto(fd, request, strlen(request), MSG_NOSIGNAL, (struct sockaddr *)&address,
		   sizeof(address)) < 0) {
		if (errno == ENOENT || errno == ECONNREFUSED)
			return csn_fail(err, CSN_E_NOT_FOUND, "coresnapd does not listen");
		return csn_fail_os(err, errno, "%s", SOCKET_FILE);
	}
	return 0;
}

static int open_pid_file(const struct csn_spool *spool, int flags)
{
	return openat(spool->beside_fd, PID_FILE, flags | O_CLOEXEC | O_NOFOLLOW, 0644);
}

int csn_service_lock(const struct csn_spool *spool, int *ret_fd, struct csn_error *err)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	cleanup_close int fd = open_pid_file(spool, O_RDWR | O_CREAT);
	char text[24];
	int n;

	if (fd < 0)
		return csn_fail_os(err, errno, "%s", PID_FILE);
	if (fcntl(fd, F_OFD_SETLK, &lock) < 0) {
		if (errno == EAGAIN || errno == EACCES)
			return csn_fail(err, CSN_E_DENIED, "coresnapd runs already (process %d)",
					(int)csn_service_find_daemon(spool));
		return csn_fail_os(err, errno, "%s", PID_FILE);
	}
	n = snprintf(text, sizeof(text), "%d\n", (int)getpid());
	if (ftruncate(fd, 0) < 0 || csn_pwrite_full(fd, text, (size_t)n, 0) < 0)
		return csn_fail_os(err, errno, "%s", PID_FILE);
	*ret_fd = csn_take_fd(fd);
	return 0;
}

pid_t csn_service_find_daemon(const struct csn_spool *spool)
{
	struct flock lock = { .l_type = F_RDLCK, .l_whence = SEEK_SET };
	cleanup_close int fd = open_pid_file(spool, O_RDONLY);
	char text[24] = "";
	uint64_t pid;
	ssize_t n;

	if (fd < 0 || fcntl(fd, F_OFD_GETLK, &lock) < 0 || lock.l_type == F_UNLCK)
		return 0;
	n = csn_pread_full(fd, text, sizeof(text) - 1, 0);
	text[n > 0 ? strcspn(text, "\n") : 0] = '\0';
	return csn_parse_u64(text, 10, &pid) ? (pid_t)pid : -1;
}
