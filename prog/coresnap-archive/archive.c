#include "archive.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/limits.h"
#include "base/privilege.h"
#include "spool/crash_socket.h"

/* Whom to become where no spool says it. */
#define NOBODY 65534

static int add_next_step(struct csn_error *err)
{
	size_t length = strlen(err->text);

	if (err->code == CSN_E_NOT_FOUND)
		snprintf(err->text + length, sizeof(err->text) - length, "; run 'coresnap enable'");
	return -(int)err->code;
}

void archive_find_self(const char *root, char *out, size_t out_size)
{
	char path[CSN_MAX_PATH];
	cleanup_free char *real = NULL;
	ssize_t n;

	if (!root) {
		n = readlink("/proc/self/exe", out, out_size - 1);
		out[n > 0 ? n : 0] = '\0';
		return;
	}
	snprintf(path, sizeof(path), "%s%s", root, CSN_HELPER);
	real = realpath(path, NULL);
	snprintf(out, out_size, "%s", real ? real : path);
}

static struct archive_stamp stamp_of(const char *path)
{
	struct stat status;

	if (stat(path, &status) < 0)
		return (struct archive_stamp){ 0 };
	return (struct archive_stamp){ status.st_dev, status.st_ino, status.st_ctim.tv_sec,
				       status.st_ctim.tv_nsec };
}

static struct archive_stamp stamp_policy(const char *self)
{
	char path[CSN_MAX_PATH];
	struct csn_error ignored;

	return csn_policy_path(self, path, sizeof(path), &ignored) < 0 ? (struct archive_stamp){ 0 }
								       : stamp_of(path);
}

int archive_open(struct archive *archive, const char *root, struct csn_error *err)
{
	char self[CSN_MAX_PATH];

	archive_find_self(root, self, sizeof(self));
	csn_log_open(&archive->log, "coresnap", LOG_DAEMON, false);
	/* Before it is read: a change from now on is seen as one. */
	archive->policy_stamp = stamp_policy(self);
	if (csn_policy_find(self, &archive->policy, &archive->policy_error) == 0)
		archive->policy_error.code = CSN_OK;
	if (csn_spool_open(archive->policy.archive, &archive->spool, err) < 0)
		return add_next_step(err);
	archive->folder_stamp = stamp_of(archive->policy.archive);
	return 0;
}

/* Opens it if it is not, and again if policy or spool are others by now: what was opened ahead must
 * not outlive a change of the configuration. */
static int archive_refresh(struct archive *archive, const char *root, struct csn_error *err)
{
	struct archive_stamp policy, folder;
	char self[CSN_MAX_PATH];

	if (archive->spool.dir_fd < 0)
		return archive_open(archive, root, err);
	archive_find_self(root, self, sizeof(self));
	policy = stamp_policy(self);
	folder = stamp_of(archive->policy.archive);
	if (memcmp(&policy, &archive->policy_stamp, sizeof(policy)) == 0 &&
	    memcmp(&folder, &archive->folder_stamp, sizeof(folder)) == 0)
		return 0;
	csn_spool_close(&archive->spool);
	csn_log_close(&archive->log);
	return archive_open(archive, root, err);
}

int archive_open_for_crash(struct archive *archive, const char *root, struct csn_error *err)
{
	struct csn_error why;
	int r = archive_refresh(archive, root, err);

	if (r == 0 && !csn_spool_is_read_only(&archive->spool))
		return 0;
	if (r == 0)
		(void)csn_fail(err, CSN_E_DENIED, "%s: the file system is mounted read-only",
			       archive->spool.path);
	archive->spool_error = *err;
	if (geteuid() != 0)
		return -(int)err->code;
	if (archive->policy.uid == CSN_POLICY_OWNER) {
		archive->policy.uid = r == 0 ? archive->spool.uid : NOBODY;
		archive->policy.gid = r == 0 ? archive->spool.gid : NOBODY;
	}
	csn_spool_close(&archive->spool);
	if (csn_fallback_open(archive->policy.archive, true, &archive->fallback, &why) == 0)
		return 0;
	return csn_fail(err, why.code, "%.120s; nor %.120s", archive->spool_error.text, why.text);
}

int archive_drop_root(struct archive *archive, struct csn_error *err)
{
	uid_t uid =
		archive->policy.uid == CSN_POLICY_OWNER ? archive->spool.uid : archive->policy.uid;
	gid_t gid =
		archive->policy.gid == CSN_POLICY_OWNER ? archive->spool.gid : archive->policy.gid;
	int r = csn_privilege_drop(uid, gid, err);

	if (r < 0)
		return r;
	/* Without it the lines still reach syslog. */
	if (csn_spool_open_log(&archive->spool, &archive->log.copy_fd, NULL) < 0)
		archive->log.copy_fd = -1;
	/* A host without a policy works with the defaults; a broken one deserves a word. */
	if (archive->policy_error.code != CSN_OK && archive->policy_error.code != CSN_E_NOT_FOUND)
		csn_log(&archive->log, LOG_WARNING,
			"%s; using the defaults until 'coresnap enable'",
			archive->policy_error.text);
	return 0;
}

void archive_report(struct archive *archive, const char *uuid)
{
	char path[CSN_MAX_PATH];

	csn_spool_path(&archive->spool, "pending", uuid, path, sizeof(path));
	csn_log(&archive->log, LOG_INFO, "Crash dump archived in %s", path);
}
