#include "daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/options.h"
#include "base/text.h"
#include "base/version.h"
#include "host/finder.h"
#include "host/host.h"
#include "host/kernel_log.h"
#include "host/rescue.h"
#include "host/service.h"

#define MAX_SHOWN 1024

static int complain(int status, const struct csn_error *err, const char *next_step)
{
	char shown[MAX_SHOWN];

	fprintf(stderr, "coresnapd: %s%s%s\n", csn_escape_to(shown, sizeof(shown), err->text),
		next_step ? "; " : "", next_step ? next_step : "");
	return status;
}

struct daemon_log {
	struct csn_log log;
	const struct csn_host *host;
	bool keep; /* in the spool's own log too: there is no other */
};

/* The log is opened for each line: the helper rotates it. */
static void log_line(void *context, int level, bool raw, const char *text)
{
	struct daemon_log *out = context;
	int *copy_fd = &out->log.copy_fd;

	if (!out->keep || csn_spool_open_log(&out->host->spool, copy_fd, NULL) < 0)
		*copy_fd = -1;
	if (raw)
		csn_log_raw(&out->log, level, text);
	else
		csn_log(&out->log, level, "%s", text);
	csn_closep(copy_fd);
	*copy_fd = -1;
}

/* Leaves with the daemon's first word: 0 once it is ready, else its exit status. */
static csn_noreturn void wait_for_daemon(int ready_fd, pid_t pid)
{
	int status;
	char byte;

	if (csn_read_full(ready_fd, &byte, 1) == 1)
		_exit(0);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	_exit(WIFEXITED(status) ? WEXITSTATUS(status) : CSN_EXIT_OS);
}

/* Goes to the background; *ret_ready_fd is where the daemon says that it is up. */
static int detach(int *ret_ready_fd, struct csn_error *err)
{
	int ends[2];
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return csn_fail_os(err, errno, "pipe");
	pid = fork();
	if (pid < 0)
		return csn_fail_os(err, errno, "fork");
	if (pid > 0) {
		close(ends[1]);
		wait_for_daemon(ends[0], pid);
	}
	close(ends[0]);
	setsid();
	*ret_ready_fd = ends[1];
	return 0;
}

static void say_ready(int *ready_fd)
{
	int null_fd;

	if (*ready_fd < 0)
		return;
	null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null_fd >= 0) {
		dup2(null_fd, STDIN_FILENO);
		dup2(null_fd, STDOUT_FILENO);
		dup2(null_fd, STDERR_FILENO);
		close(null_fd);
	}
	(void)!write(*ready_fd, "", 1);
	close(*ready_fd);
	*ready_fd = -1;
}

static void greet(struct csn_host *host)
{
	struct csn_error err = CSN_ERROR_INIT;

	csn_host_say(host, LOG_INFO, "coresnapd %s started; spool %s, configuration %s",
		     CSN_VERSION, host->spool.path, host->conf.file ? host->conf.file : "built in");
	if (csn_host_write_policy(host, &err) < 0)
		csn_host_say(host, LOG_WARNING, "policy for the helper: %s", err.text);
}

/* What ptrace learns of addresses it keeps beside the crashes, unless told otherwise. */
static void name_cache(const struct csn_host *host)
{
	char folder[CSN_MAX_PATH + 8];

	snprintf(folder, sizeof(folder), "%s/cache", host->spool.path);
	(void)setenv("CORESNAP_CACHE", folder, false);
}

static int serve(struct csn_host *host, int *ready_fd)
{
	struct csn_service *service = NULL;
	struct csn_error err = CSN_ERROR_INIT;
	cleanup_close int lock_fd = -1;
	int r = csn_service_lock(&host->spool, &lock_fd, &err);

	if (r < 0)
		return complain(r == -CSN_E_DENIED ? CSN_EXIT_UNAVAILABLE : CSN_EXIT_OS, &err,
				NULL);
	r = csn_service_new(host, false, &service, &err);
	if (r < 0)
		return complain(CSN_EXIT_OS, &err, NULL);
	name_cache(host);
	greet(host);
	say_ready(ready_fd);
	r = csn_service_run(service, &err);
	if (r < 0)
		csn_host_say(host, LOG_ERR, "%s", err.text);
	else
		csn_host_say(host, LOG_INFO, "coresnapd stopped");
	csn_service_free(service);
	return r < 0 ? CSN_EXIT_OS : 0;
}

static int open_spool(struct csn_host *host)
{
	struct csn_error err = CSN_ERROR_INIT;
	int r = csn_host_make_spool(host, &err);

	if (r == 0)
		r = csn_host_open_spool(host, &err);
	host->kernel_log_fd = csn_kernel_log_open();
	/* Before root is given up: cores of other users can be opened by nobody else. */
	if (r == 0)
		r = csn_finder_new(host, &host->finder, &err);
	/* As root, which we are for a moment more. */
	if (r == 0)
		csn_rescue(host);
	if (r == 0)
		r = csn_host_become_owner(host, &err);
	if (r == 0)
		return -1;
	if (r == -CSN_E_DENIED) /* says what to do itself */
		return complain(CSN_EXIT_DENIED, &err, NULL);
	if (err.os_errno == EACCES || err.os_errno == EPERM)
		return complain(CSN_EXIT_DENIED, &err, "start it as root or as the spool's user");
	return complain(CSN_EXIT_OS, &err, "see archive.path in coresnap.conf");
}

static int run(struct csn_host *host, int *ready_fd)
{
	signal(SIGPIPE, SIG_IGN);
	umask(077);
	(void)!chdir("/");
	return serve(host, ready_fd);
}

int daemon_run(const struct daemon_options *options)
{
	cleanup_(csn_host_done) struct csn_host host = CSN_HOST_INIT;
	struct csn_error err = CSN_ERROR_INIT;
	cleanup_close int ready_fd = -1;
	struct daemon_log log = { .host = &host };
	int status;

	if (csn_host_init(&host, options->root, options->config, &err) < 0)
		return complain(CSN_EXIT_CONFIG, &err, "mend it and start again");
	/* First, so that the opener is a child of the daemon's own. */
	if (!options->foreground && detach(&ready_fd, &err) < 0)
		return complain(CSN_EXIT_OS, &err, NULL);
	csn_log_open(&log.log, "coresnap", LOG_DAEMON, options->foreground);
	log.keep = !options->foreground && !log.log.to_syslog;
	host.log = log_line;
	host.log_context = &log;
	status = open_spool(&host);
	if (status < 0)
		status = run(&host, &ready_fd);
	csn_log_close(&log.log);
	return status;
}
