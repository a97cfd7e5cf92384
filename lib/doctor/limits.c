/* The core file size limit of a process or of what a user starts, and who may be dumped at all.
 *
 * With a pipe in core_pattern the kernel ignores the limit, but for one value: 1 means "abort". The
 * hard limit is the process's own word to us: at 0 the helper takes notes only (contracts 3). */
#include <dirent.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/limits.h"
#include "base/text.h"
#include "doctor/doctor_internal.h"
#include "doctor/settings.h"

#define LIMITS_FILE "/etc/security/limits.conf"
#define LIMITS_FOLDER "/etc/security/limits.d"
#define MAX_GROUPS 256
#define MAX_FILES 256

static const char *limit_text(struct csn_doctor *doctor, uint64_t bytes)
{
	return bytes == CSN_UNLIMITED ? "unlimited"
				      : doctor_text(doctor, "%llu", (unsigned long long)bytes);
}

/* whose: "process 1234 (vim)". why: where the value comes from; "" known. */
static void judge(struct csn_doctor *doctor, const char *whose, const struct csn_core_limit *limit,
		  const char *why, const char *mend)
{
	const char *soft = limit_text(doctor, limit->soft), *hard = limit_text(doctor, limit->hard);

	if (limit->soft == 1)
		doctor_say(doctor, CSN_DOCTOR_PROBLEM, mend,
			   "%s: the core file size limit is 1, and the kernel dumps no such "
			   "process at all%s",
			   whose, why);
	else if (limit->soft == 0 && doctor_is_watched(doctor))
		doctor_say(doctor, CSN_DOCTOR_WARNING, mend,
			   "%s: the core file size limit is 0, and core_pattern is a file: none is "
			   "written%s",
			   whose, why);
	else if (limit->hard == 0)
		doctor_say(doctor, CSN_DOCTOR_WARNING, mend,
			   "%s: the hard core file size limit is 0: of its crashes only registers "
			   "and notes are kept, no memory%s",
			   whose, why);
	else
		doctor_say(doctor, CSN_DOCTOR_OK, NULL, "%s: core file size limit %s, hard %s%s%s",
			   whose, soft, hard,
			   limit->soft == 0 ? " (0 is captured: it counts for files only)" : "",
			   why);
}

static void check_process(struct csn_doctor *doctor, pid_t pid)
{
	cleanup_(csn_buf_done) struct csn_buf text = CSN_BUF_INIT(0);
	char path[64], name[64] = "?";
	struct csn_core_limit limit;

	snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
	doctor_read_line(path, name, sizeof(name));
	snprintf(path, sizeof(path), "/proc/%d/limits", (int)pid);
	if (!doctor_read_text(path, &text) ||
	    !csn_core_limit_of_process(csn_buf_text(&text), text.size, &limit)) {
		doctor_say(doctor, CSN_DOCTOR_WARNING,
			   doctor_text(doctor, "sudo %s doctor --pid %d", doctor->self, (int)pid),
			   "%s cannot be read", path);
		return;
	}
	judge(doctor, doctor_text(doctor, "process %d (%s)", (int)pid, name), &limit, "",
	      doctor_text(doctor, "prlimit --pid %d --core=unlimited:unlimited", (int)pid));
}

/* ---- of a user ---- */

static void read_limits_file(const char *path, const struct csn_limits_person *person,
			     struct csn_limits_state *state)
{
	cleanup_(csn_buf_done) struct csn_buf text = CSN_BUF_INIT(0);

	if (doctor_read_text(path, &text))
		csn_limits_conf_read(csn_buf_text(&text), text.size, person, state);
}

static int is_conf(const struct dirent *entry)
{
	size_t length = strlen(entry->d_name);

	return length > 5 && strcmp(entry->d_name + length - 5, ".conf") == 0;
}

static void read_limits(const struct csn_limits_person *person, struct csn_limits_state *state)
{
	char path[CSN_MAX_PATH];
	struct dirent **entries = NULL;
	int i, n;

	read_limits_file(LIMITS_FILE, person, state);
	n = scandir(LIMITS_FOLDER, &entries, is_conf, alphasort);
	for (i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "%s/%s", LIMITS_FOLDER, entries[i]->d_name);
		if (i < MAX_FILES)
			read_limits_file(path, person, state);
		free(entries[i]);
	}
	free(entries);
}

/* Names of the user's groups into names, NULL-terminated. */
static void find_groups(struct csn_doctor *doctor, const struct csn_limits_person *person,
			const char *names[MAX_GROUPS + 1])
{
	gid_t ids[MAX_GROUPS];
	int i, n = MAX_GROUPS;

	if (getgrouplist(person->name, person->gid, ids, &n) < 0)
		n = 1, ids[0] = person->gid;
	for (i = 0; i < n; i++)
		names[i] = doctor_group_name(doctor, ids[i]);
	names[n] = NULL;
}

static void check_user(struct csn_doctor *doctor, const char *name)
{
	const char *groups[MAX_GROUPS + 1], *why, *quoted = doctor_quote(doctor, name);
	struct passwd entry, *found = NULL;
	struct csn_limits_state state = { .limit = { 0, CSN_UNLIMITED } };
	struct csn_limits_person person = { .name = name, .groups = groups };
	char block[4096];

	if (getpwnam_r(name, &entry, block, sizeof(block), &found) != 0 || !found)
		return;
	person.uid = found->pw_uid;
	person.gid = found->pw_gid;
	find_groups(doctor, &person, groups);
	read_limits(&person, &state);
	why = state.rank[1]   ? doctor_text(doctor, " ('%s' in limits.conf)", state.line[1])
	      : state.rank[0] ? doctor_text(doctor, " ('%s' in limits.conf)", state.line[0])
			      : " (limits.conf says nothing)";
	judge(doctor, doctor_text(doctor, "logins of %s", name), &state.limit, why,
	      doctor_text(doctor, "echo %s - core unlimited >" LIMITS_FOLDER "/zz-coresnap-%s.conf",
			  quoted, quoted));
}

/* ---- of services ---- */

static bool read_systemd(const char *path, struct csn_core_limit *limit)
{
	cleanup_(csn_buf_done) struct csn_buf text = CSN_BUF_INIT(0);

	return doctor_read_text(path, &text) &&
	       csn_core_limit_of_systemd(csn_buf_text(&text), text.size, limit);
}

static bool read_systemd_folder(const char *folder, struct csn_core_limit *limit)
{
	char path[CSN_MAX_PATH];
	struct dirent **entries = NULL;
	int i, n = scandir(folder, &entries, is_conf, alphasort);
	bool found = false;

	for (i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, entries[i]->d_name);
		found = (i < MAX_FILES && read_systemd(path, limit)) || found;
		free(entries[i]);
	}
	free(entries);
	return found;
}

/* Services that systemd starts have its default, whatever limits.conf says. */
static void check_services(struct csn_doctor *doctor)
{
	struct csn_core_limit limit = { 0, CSN_UNLIMITED };
	bool found = read_systemd("/etc/systemd/system.conf", &limit);

	found = read_systemd_folder("/usr/lib/systemd/system.conf.d", &limit) || found;
	found = read_systemd_folder("/etc/systemd/system.conf.d", &limit) || found;
	if (!found)
		return;
	judge(doctor, "services", &limit, " (DefaultLimitCORE in systemd's system.conf)",
	      "mkdir -p /etc/systemd/system.conf.d && "
	      "printf '[Manager]\\nDefaultLimitCORE=0:infinity\\n' "
	      ">/etc/systemd/system.conf.d/zz-coresnap.conf && systemctl daemon-reexec");
}

void doctor_check_limits(struct csn_doctor *doctor)
{
	const struct csn_doctor_options *options = doctor->options;

	if (options->pid)
		check_process(doctor, options->pid);
	if (options->user)
		check_user(doctor, options->user);
	if (!options->pid && !options->user)
		check_process(doctor, getpid());
	check_services(doctor);
}

/* ---- dumpable ---- */

static bool read_ids(const char *text, const char *name, uint64_t ids[4])
{
	const char *line = strstr(text, name);
	char *end;
	size_t i;

	if (!line)
		return false;
	line += strlen(name);
	for (i = 0; i < 4; i++, line = end) {
		ids[i] = strtoull(line, &end, 10);
		if (end == line)
			return false;
	}
	return true;
}

static bool same_ids(const uint64_t ids[4])
{
	return ids[0] == ids[1] && ids[0] == ids[2] && ids[0] == ids[3];
}

/* Files of /proc belong to root while a process may not be dumped by its own user. */
static void check_dumpable(struct csn_doctor *doctor, pid_t pid, int suid_dumpable)
{
	cleanup_(csn_buf_done) struct csn_buf text = CSN_BUF_INIT(0);
	uint64_t uids[4], gids[4];
	struct stat status;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	if (stat(path, &status) < 0 || !doctor_read_text(path, &text) ||
	    !read_ids(csn_buf_text(&text), "\nUid:", uids) ||
	    !read_ids(csn_buf_text(&text), "\nGid:", gids))
		return;
	if (status.st_uid == 0 && uids[1] != 0 && suid_dumpable == 0)
		doctor_say(
			doctor, CSN_DOCTOR_WARNING,
			"sysctl -w fs.suid_dumpable=2    # and start the process again",
			"process %d is not dumpable, so it is not captured: it changed its user "
			"after the start, as servers do that begin as root, or has rights of its "
			"program file, while fs.suid_dumpable is 0; or it asked for it "
			"(PR_SET_DUMPABLE)",
			(int)pid);
	else if (status.st_uid == 0 && uids[1] != 0)
		doctor_say(
			doctor, CSN_DOCTOR_OK, NULL,
			"process %d is captured, unless it asked not to be (PR_SET_DUMPABLE), or "
			"was started while fs.suid_dumpable was 0",
			(int)pid);
	else if (!same_ids(uids) || !same_ids(gids))
		doctor_say(
			doctor, suid_dumpable == 0 ? CSN_DOCTOR_WARNING : CSN_DOCTOR_OK,
			suid_dumpable == 0 ? "sysctl -w fs.suid_dumpable=2" : NULL,
			"process %d has changed its user or group: fs.suid_dumpable (%d) decides",
			(int)pid, suid_dumpable);
	else
		doctor_say(doctor, CSN_DOCTOR_OK, NULL, "process %d may be dumped", (int)pid);
}

static void check_filter(struct csn_doctor *doctor, pid_t pid)
{
	char path[64], line[32];
	uint64_t filter;

	snprintf(path, sizeof(path), "/proc/%d/coredump_filter", (int)pid);
	if (!doctor_read_line(path, line, sizeof(line)) || !csn_parse_u64(line, 16, &filter) ||
	    (filter & 1))
		return;
	doctor_say(doctor, CSN_DOCTOR_WARNING, doctor_text(doctor, "echo 0x33 >%s", path),
		   "process %d leaves its own memory out of dumps (coredump_filter %s): stacks "
		   "and variables will be missing",
		   (int)pid, line);
}

void doctor_check_privileges(struct csn_doctor *doctor)
{
	static const char *const told[] = {
		"setuid programs and the like are not dumped",
		"setuid programs are dumped as others are, for their users' eyes too",
		"setuid programs are dumped, for root's eyes only",
	};
	char line[16] = "0";
	uint64_t value = 0;

	doctor_read_line("/proc/sys/fs/suid_dumpable", line, sizeof(line));
	if (!csn_parse_u64(line, 10, &value) || value > 2)
		value = 0;
	if (value == 1)
		doctor_say(doctor, CSN_DOCTOR_WARNING, "sysctl -w fs.suid_dumpable=2",
			   "fs.suid_dumpable is 1: %s", told[1]);
	else
		doctor_say(doctor, CSN_DOCTOR_OK, NULL, "fs.suid_dumpable is %d: %s", (int)value,
			   told[value]);
	if (doctor->options->pid) {
		check_dumpable(doctor, doctor->options->pid, (int)value);
		check_filter(doctor, doctor->options->pid);
	}
}
