/* A crash without a spool to put it in: into a small place in memory that is root's.
 *
 * Only root may link a name there, but what is written comes from the dead and is understood
 * without root: a child gives up root and writes into an unnamed file, and we link what it wrote
 * when it ended well. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/options.h"
#include "crash.h"

#define ALL_SECONDS 10

/* All of it if there is room, else its notes. */
static int write_what_fits(struct crash *crash, int fd, uint64_t room, struct csn_error *err)
{
	const struct rlimit most = { room, room };
	int r;

	(void)signal(SIGXFSZ, SIG_IGN);
	if (setrlimit(RLIMIT_FSIZE, &most) < 0)
		return csn_fail_os(err, errno, "RLIMIT_FSIZE");
	r = crash_write(crash, crash->hold.mode == CSN_MODE_NOTES ? CSN_CORE_NONE : CSN_CORE_TAKEN,
			fd, err);
	if (r == 0 || crash->hold.mode == CSN_MODE_NOTES)
		return r;
	if (ftruncate(fd, 0) < 0 || lseek(fd, 0, SEEK_SET) < 0)
		return csn_fail_os(err, errno, "core");
	crash->facts.reason = "disk-full";
	return crash_write(crash, CSN_CORE_NONE, fd, err);
}

static csn_noreturn void be_child(struct crash *crash, int fd, uint64_t room)
{
	struct csn_error err;
	int r;

	alarm(ALL_SECONDS);
	r = archive_drop_root(crash->archive, &err);
	if (r == 0)
		r = write_what_fits(crash, fd, room, &err);
	if (r < 0)
		csn_log(&crash->archive->log, LOG_ERR, "%s: %s", crash->who, err.text);
	_exit(r < 0 ? CSN_EXIT_OS : 0);
}

static int store(struct crash *crash, struct csn_error *err)
{
	cleanup_(csn_publish_done) struct csn_publish file = CSN_PUBLISH_INIT;
	const struct csn_fallback *place = &crash->archive->fallback;
	uint64_t room = csn_fallback_room(place);
	int r, status = 0;
	pid_t pid;

	if (room == 0)
		return csn_fail(err, CSN_E_LIMIT, "%s holds all that it may", place->path);
	r = csn_publish_begin(&file, place->dir_fd, crash->uuid, 0600, err);
	if (r < 0)
		return r;
	pid = fork();
	if (pid < 0)
		return csn_fail_os(err, errno, "fork");
	if (pid == 0)
		be_child(crash, file.fd, room);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (status != 0)
		return csn_fail(err, CSN_E_OS, "%s: it could not be written", place->path);
	return csn_publish_commit(&file, false, err);
}

int crash_fall_back(struct crash *crash)
{
	struct archive *archive = crash->archive;
	struct csn_error err;

	if (csn_fallback_tell(&archive->fallback))
		csn_log(&archive->log, LOG_CRIT,
			"the spool cannot be used: %s; crashes go to %s, which holds 8 MiB, until "
			"that is mended and 'coresnap enable' or coresnapd was started",
			archive->spool_error.text, archive->fallback.path);
	if (store(crash, &err) < 0) {
		csn_log(&archive->log, LOG_ERR, "crash of %s is lost: %s", crash->who, err.text);
		return CSN_EXIT_OS;
	}
	csn_log(&archive->log, LOG_NOTICE, "Crash dump archived in %s/%s", archive->fallback.path,
		crash->uuid);
	return 0;
}
