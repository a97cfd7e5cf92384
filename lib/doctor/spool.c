/* The spool: its folders, and whose they are. */
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/text.h"
#include "doctor/doctor_internal.h"

/* "chown -R coresnap:coresnap /var/coresnap/archive" and the mode, for all folders at once. */
static const char *repair(struct csn_doctor *doctor, uid_t uid, gid_t gid)
{
	const char *path = doctor_quote(doctor, doctor->host.conf.archive_path);

	/* A symbolic link that the spool's user planted is not followed. */
	return doctor_text(doctor,
			   "chown -R %s:%s %s; find %s -maxdepth 1 -type d -exec chmod 0700 {} +",
			   doctor_user_name(doctor, uid), doctor_group_name(doctor, gid), path,
			   path);
}

/* Says what keeps the spool from being opened. */
static void tell_closed(struct csn_doctor *doctor)
{
	const char *path = doctor->host.conf.archive_path, *quoted = doctor_quote(doctor, path);
	const char *mend = doctor_text(doctor, "%s enable", doctor->self);
	const struct csn_error *err = &doctor->spool_error;
	enum csn_doctor_level level = CSN_DOCTOR_PROBLEM;
	bool denied = err->code == CSN_E_DENIED || err->os_errno == EACCES;
	struct stat status = { 0 };

	if (denied && !doctor->is_root) {
		level = CSN_DOCTOR_WARNING;
		mend = doctor_text(doctor, "sudo %s doctor", doctor->self);
	} else if (lstat(path, &status) == 0 && !S_ISDIR(status.st_mode)) {
		mend = doctor_text(doctor, "mv %s %s.aside; %s", quoted, quoted, mend);
	} else if (denied) {
		mend = repair(doctor, status.st_uid, status.st_gid);
	}
	doctor_say(doctor, level, mend, "the spool: %s", err->text);
}

/* Whoever could replace a folder above the spool could replace the spool. */
static bool parents_are_closed(struct csn_doctor *doctor)
{
	char part[CSN_MAX_PATH];
	struct stat status;
	char *slash;

	snprintf(part, sizeof(part), "%s", doctor->host.spool.path);
	while ((slash = strrchr(part, '/')) && slash != part) {
		*slash = '\0';
		if (stat(part, &status) < 0)
			continue;
		if ((status.st_uid == 0 || status.st_uid == doctor->uid) &&
		    (!(status.st_mode & 022) || (status.st_mode & S_ISVTX)))
			continue;
		doctor_say(doctor, CSN_DOCTOR_PROBLEM,
			   doctor_text(doctor, "chown root: %s; chmod go-w %s",
				       doctor_quote(doctor, part), doctor_quote(doctor, part)),
			   "%s, above the spool, can be changed by others than root and %s", part,
			   doctor_user_name(doctor, doctor->uid));
		return false;
	}
	return true;
}

static bool modes_are_right(struct csn_doctor *doctor)
{
	const struct csn_spool *spool = &doctor->host.spool;
	struct stat status;
	int i, fd;

	for (i = 0; i < CSN_N_STAGES + 2; i++) {
		fd = i < CSN_N_STAGES    ? spool->stage_fd[i]
		     : i == CSN_N_STAGES ? spool->assets_fd
					 : spool->dir_fd;
		if (fstat(fd, &status) < 0 || !(status.st_mode & 077))
			continue;
		doctor_say(doctor, CSN_DOCTOR_WARNING, repair(doctor, spool->uid, spool->gid),
			   "folders of the spool %s can be looked into by others", spool->path);
		return false;
	}
	return true;
}

static bool has_owner(struct csn_doctor *doctor)
{
	const char *path = doctor_quote(doctor, doctor->host.spool.path);
	struct passwd entry, *found = NULL;
	char block[4096];

	if (getpwuid_r(doctor->uid, &entry, block, sizeof(block), &found) != 0 || !found)
		doctor_say(doctor, CSN_DOCTOR_PROBLEM,
			   doctor_text(doctor,
				       "systemd-sysusers; chown -R coresnap:coresnap %s; %s enable",
				       path, doctor->self),
			   "the spool belongs to user %u, whom nobody knows",
			   (unsigned)doctor->uid);
	else if (doctor->uid == 0 && !*doctor->host.root.path)
		doctor_say(doctor, CSN_DOCTOR_WARNING,
			   doctor_text(doctor,
				       "systemd-sysusers; service coresnapd stop; chown -R "
				       "coresnap:coresnap %s; service coresnapd start",
				       path),
			   "the spool belongs to root, so the daemon works as root");
	else
		return true;
	return false;
}

/* Its log, its settings and the daemon's lock are beside it. */
static bool beside_is_owned(struct csn_doctor *doctor)
{
	const struct csn_spool *spool = &doctor->host.spool;
	const char *path;
	struct stat status;

	if (fstat(spool->beside_fd, &status) < 0 || status.st_uid == spool->uid)
		return true;
	path = doctor_text(doctor, "%.*s", (int)(csn_last_part(spool->path) - spool->path - 1),
			   spool->path);
	doctor_say(doctor, CSN_DOCTOR_PROBLEM,
		   doctor_text(doctor, "chown %s:%s %s", doctor_user_name(doctor, spool->uid),
			       doctor_group_name(doctor, spool->gid), doctor_quote(doctor, path)),
		   "%s belongs to %s: the daemon works as %s and can put no lock and no log there",
		   path, doctor_user_name(doctor, status.st_uid),
		   doctor_user_name(doctor, spool->uid));
	return false;
}

void doctor_check_spool(struct csn_doctor *doctor)
{
	const struct csn_spool *spool = &doctor->host.spool;
	bool right;

	if (!doctor->has_spool) {
		tell_closed(doctor);
		return;
	}
	right = parents_are_closed(doctor);
	right = beside_is_owned(doctor) && right;
	right = modes_are_right(doctor) && right;
	right = has_owner(doctor) && right;
	if (right)
		doctor_say(doctor, CSN_DOCTOR_OK, NULL, "%s belongs to %s alone", spool->path,
			   doctor_user_name(doctor, spool->uid));
}
