/* The daemon: running, as whom, what it could not do, and where it says so. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/limits.h"
#include "base/text.h"
#include "doctor/doctor_internal.h"
#include "doctor/settings.h"
#include "host/listing.h"
#include "host/service.h"
#include "host/slave.h"

#define LOG_TAIL (64 * CSN_KIB)
#define MAX_FAILING 10
#define MAX_TROUBLE 3

void doctor_check_daemon(struct csn_doctor *doctor)
{
	struct stat status;
	char path[64];
	pid_t pid;

	if (!doctor->has_spool)
		return;
	pid = csn_service_find_daemon(&doctor->host.spool);
	if (!pid) {
		doctor_say(doctor, CSN_DOCTOR_PROBLEM, doctor_service(doctor, "start"),
			   "coresnapd does not run; crashes wait in the spool");
		return;
	}
	snprintf(path, sizeof(path), "/proc/%d", (int)pid);
	if (stat(path, &status) == 0 && status.st_uid == 0 && doctor->uid != 0)
		doctor_say(doctor, CSN_DOCTOR_WARNING, doctor_service(doctor, "restart"),
			   "coresnapd (process %d) works as root, not as %s", (int)pid,
			   doctor_user_name(doctor, doctor->uid));
	else
		doctor_say(doctor, CSN_DOCTOR_OK, NULL, "coresnapd runs (process %d)", (int)pid);
}

/* ---- what fails ---- */

/* The command that the daemon runs for it, for the spool's user to run by hand; what was given up
 * is first put back. */
static const char *by_hand(struct csn_doctor *doctor, enum csn_stage stage,
			   const struct csn_crash *crash)
{
	static const struct csn_attributes none;
	unsigned runaway_line;
	const char *project = crash->project, *self = doctor->self;
	const char *const *argv = NULL;
	struct csn_error ignored;
	int r;

	if (stage == CSN_STAGE_QUARANTINE)
		return doctor_text(doctor, "%s retry quarantine/%s    # or: %s purge quarantine/%s",
				   self, crash->uuid, self, crash->uuid);
	if (!project)
		project = csn_router_find(doctor->host.router, crash, &runaway_line);
	if (stage == CSN_STAGE_PENDING)
		r = csn_slave_ptrace(doctor->arena, &doctor->host, crash, &none, &argv, &ignored);
	else
		r = csn_slave_coroner(doctor->arena, &doctor->host, crash->uuid,
				      project ? project : "blackhole", &argv, &ignored);
	if (r < 0)
		return NULL;
	if (doctor->uid == geteuid())
		return doctor_quote_command(doctor, argv);
	return doctor_text(doctor, "runuser -u %s -- %s", doctor_user_name(doctor, doctor->uid),
			   doctor_quote_command(doctor, argv));
}

/* False when it does not fail. */
static bool tell_object(struct csn_doctor *doctor, const struct csn_spool_object *object,
			bool quiet)
{
	struct csn_error ignored;
	struct csn_crash crash;
	bool fails;

	if (csn_crash_load(&doctor->host.spool, object->stage, object->uuid, &crash, &ignored) < 0)
		return false;
	fails = crash.attempts > 0 || object->stage == CSN_STAGE_QUARANTINE;
	if (fails && !quiet)
		doctor_say(doctor, CSN_DOCTOR_WARNING, by_hand(doctor, object->stage, &crash),
			   "%s/%s (%s): %s exit %d: %s; attempt %u%s",
			   csn_stage_name(object->stage), object->uuid,
			   crash.program ? crash.program : "?", crash.step, crash.exit_status,
			   crash.reason ? crash.reason : "", crash.attempts,
			   object->stage == CSN_STAGE_QUARANTINE ? "; given up" : "");
	csn_crash_done(&crash);
	return fails;
}

void doctor_check_failing(struct csn_doctor *doctor)
{
	static const enum csn_stage stages[] = { CSN_STAGE_SENDING, CSN_STAGE_PENDING,
						 CSN_STAGE_QUARANTINE };
	cleanup_(csn_spool_list_done) struct csn_spool_list list = { 0 };
	struct csn_error err = CSN_ERROR_INIT;
	size_t i, n_failing = 0;

	if (!doctor->has_spool)
		return;
	for (i = 0; i < csn_countof(stages); i++) {
		if (csn_spool_list(&doctor->host.spool, stages[i], &list, &err) < 0) {
			doctor_say(doctor, CSN_DOCTOR_PROBLEM, NULL, "%s", err.text);
			return;
		}
	}
	for (i = 0; i < list.count; i++)
		if (tell_object(doctor, &list.items[i], n_failing >= MAX_FAILING))
			n_failing++;
	if (n_failing > MAX_FAILING)
		doctor_say(doctor, CSN_DOCTOR_WARNING,
			   doctor_text(doctor, "%s list --json", doctor->self), "%zu more fail",
			   n_failing - MAX_FAILING);
	else if (!n_failing)
		doctor_say(doctor, CSN_DOCTOR_OK, NULL, "%zu object%s in the spool, none failing",
			   list.count, list.count == 1 ? "" : "s");
}

/* ---- where it is said ---- */

/* Lines that tell of something lost or failed. */
static bool is_trouble(const char *line)
{
	static const char *const words[] = { " is lost: ", "kept in ", "cannot ", "refused" };
	size_t i;

	for (i = 0; i < csn_countof(words); i++)
		if (strstr(line, words[i]))
			return true;
	return false;
}

/* The last lines of trouble in the spool's own log; the daemon's are there when there is no syslog,
 * the helper's always. */
static void tell_trouble(struct csn_doctor *doctor)
{
	cleanup_close int fd =
		openat(doctor->host.spool.beside_fd, "log", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	cleanup_free char *tail = malloc(LOG_TAIL);
	off_t end = fd >= 0 ? lseek(fd, 0, SEEK_END) : 0;
	off_t start = end > (off_t)LOG_TAIL ? end - (off_t)LOG_TAIL : 0;
	char kept[MAX_TROUBLE][512], line[512];
	const char *at = tail;
	size_t i, n_kept = 0;
	ssize_t n = tail && end > 0 ? csn_pread_full(fd, tail, LOG_TAIL, start) : 0;

	if (n <= 0)
		return;
	while (csn_settings_next_line(&at, tail + n, line, sizeof(line))) {
		if (strstr(line, "Crash dump archived in ") || strstr(line, " processed in "))
			n_kept = 0; /* it works again since */
		else if (is_trouble(line))
			memcpy(kept[n_kept++ % MAX_TROUBLE], line, sizeof(line));
	}
	for (i = n_kept > MAX_TROUBLE ? n_kept - MAX_TROUBLE : 0; i < n_kept; i++)
		doctor_say(doctor, CSN_DOCTOR_WARNING,
			   doctor_text(doctor, "%s status", doctor->self), "the log says: %s",
			   kept[i % MAX_TROUBLE]);
}

void doctor_check_log(struct csn_doctor *doctor)
{
	struct stat status;

	if (stat("/dev/log", &status) == 0 && S_ISSOCK(status.st_mode))
		doctor_say(doctor, CSN_DOCTOR_OK, NULL,
			   "lines go to the system log: grep coresnap /var/log/syslog, or "
			   "journalctl -t coresnap");
	else
		doctor_say(doctor, CSN_DOCTOR_WARNING,
			   "apt-get install rsyslog && service rsyslog start",
			   "there is no system log (/dev/log): lines are only in %.*slog",
			   (int)(strlen(doctor->host.conf.archive_path) -
				 strlen(csn_last_part(doctor->host.conf.archive_path))),
			   doctor->host.conf.archive_path);
	if (doctor->has_spool)
		tell_trouble(doctor);
}
