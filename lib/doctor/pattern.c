/* core_pattern: ours, or whose, and who will take it back. Each of the collectors that one meets on
 * Debian and RHEL is a row: what its line looks like, and how it is turned off for good. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/limits.h"
#include "base/text.h"
#include "doctor/doctor_internal.h"
#include "doctor/settings.h"
#include "spool/crash_socket.h"

#define LISTENER_WAIT_MS 2000

struct collector {
	const char *name, *program; /* part of the program's path */
	const char *off;            /* turns it off, now and at the next boot */
	/* A name that is there while it is started at boot; NULL: by sysctl.d only. */
	const char *started_by[3];
};

static const struct collector collectors[] = {
	{ "apport",
	  "/apport",
	  "systemctl disable --now apport.service; sed -i s/^enabled=1/enabled=0/ "
	  "/etc/default/apport",
	  { "/etc/systemd/system/multi-user.target.wants/apport.service",
	    "/etc/rc2.d/S01apport" } },
	{ "ABRT",
	  "/abrt-hook-ccpp",
	  "systemctl disable --now abrt-ccpp.service",
	  { "/etc/systemd/system/multi-user.target.wants/abrt-ccpp.service" } },
	{ "systemd-coredump",
	  "/systemd-coredump",
	  "ln -sf /dev/null /etc/sysctl.d/50-coredump.conf",
	  { NULL } },
	{ "minicoredumper", "/minicoredumper", "apt-get remove minicoredumper", { NULL } },
};

static const struct collector *find_collector(const char *program)
{
	size_t i;

	for (i = 0; i < csn_countof(collectors); i++)
		if (strstr(program, collectors[i].program))
			return &collectors[i];
	return NULL;
}

/* The line is of somebody else. */
static void tell_stranger(struct csn_doctor *doctor, const char *text)
{
	const char *enable = doctor_text(doctor, "%s enable", doctor->self);
	char program[CSN_CORE_PATTERN_MAX];
	const struct collector *collector;

	if (*text == '@') {
		doctor_say(doctor, CSN_DOCTOR_PROBLEM, enable,
			   "core_pattern is the socket of another collector: %s", text);
		return;
	}
	if (!csn_core_pattern_find_program(text, program, sizeof(program))) {
		doctor_say(doctor, CSN_DOCTOR_PROBLEM, enable,
			   "core_pattern writes a file and does not run coresnap: %s", text);
		return;
	}
	collector = find_collector(program);
	if (collector)
		doctor_say(doctor, CSN_DOCTOR_PROBLEM,
			   doctor_text(doctor, "%s; %s", collector->off, enable),
			   "core_pattern is that of %s: %s", collector->name, text);
	else if (access(program, X_OK) < 0)
		doctor_say(doctor, CSN_DOCTOR_PROBLEM, enable,
			   "core_pattern runs a program that is not there; every crash is lost: %s",
			   text);
	else
		doctor_say(doctor, CSN_DOCTOR_PROBLEM, enable,
			   "core_pattern runs another program, not coresnap: %s", text);
}

static bool same_bytes(const char *path_a, const char *path_b)
{
	cleanup_fclose FILE *a = fopen(path_a, "re");
	cleanup_fclose FILE *b = fopen(path_b, "re");
	char block_a[16384], block_b[16384];
	size_t n;

	while (a && b) {
		n = fread(block_a, 1, sizeof(block_a), a);
		if (fread(block_b, 1, sizeof(block_b), b) != n || memcmp(block_a, block_b, n) != 0)
			return false;
		if (n == 0)
			return true;
	}
	return false;
}

/* Starts the listener again, or goes back to the pipe when that is what is configured. */
static const char *listen_again(struct csn_doctor *doctor, const char *helper)
{
	if (doctor->host.conf.capture_mode == CSN_CAPTURE_PIPE)
		return doctor_text(doctor, "%s enable", doctor->self);
	if (*doctor->host.root.path)
		return doctor_text(doctor, "%s --listen; %s enable", doctor_quote(doctor, helper),
				   doctor->self);
	return access("/run/systemd/system", F_OK) == 0 ? "systemctl restart coresnap-capture"
							: "service coresnapd restart";
}

/* The line is that of our listener: does it listen? */
static void tell_listener(struct csn_doctor *doctor, const char *text)
{
	char helper[CSN_MAX_PATH];
	struct csn_error err = CSN_ERROR_INIT;
	struct csn_crash_socket place;
	bool supervised;

	if (csn_core_pattern_find_helper(&doctor->host.root, helper, sizeof(helper), &err) < 0)
		return;
	csn_crash_socket_init(&place, helper);
	if (csn_crash_socket_ask(&place, LISTENER_WAIT_MS, &supervised, &err) < 0)
		doctor_say(
			doctor, CSN_DOCTOR_PROBLEM, listen_again(doctor, helper),
			"core_pattern is the socket of our listener, and every crash is lost: %s",
			err.text);
	else
		doctor_say(doctor, CSN_DOCTOR_OK, NULL,
			   "core_pattern is ours: %s; the listener answers%s", text,
			   supervised ? "" : ", but nobody starts it again when it ends");
}

/* The line is ours; is it the one that this version would write? */
static void tell_ours(struct csn_doctor *doctor, const char *text)
{
	const char *enable = doctor_text(doctor, "%s enable", doctor->self);
	char program[CSN_CORE_PATTERN_MAX], helper[CSN_MAX_PATH], uses_pid[8] = "0";
	const char *arguments;
	struct csn_error err = CSN_ERROR_INIT;

	if (csn_crash_socket_is_pattern(text)) {
		tell_listener(doctor, text);
		return;
	}
	if (!csn_core_pattern_find_program(text, program, sizeof(program)) ||
	    access(program, X_OK) < 0) {
		doctor_say(doctor, CSN_DOCTOR_PROBLEM, enable,
			   "core_pattern runs a helper that is not there; every crash is lost: %s",
			   text);
		return;
	}
	arguments = strchr(text, ' ');
	if (!arguments || strcmp(arguments + 1, CSN_CORE_PATTERN_ARGUMENTS) != 0) {
		doctor_say(doctor, CSN_DOCTOR_PROBLEM, enable,
			   "core_pattern gives the helper other arguments than '%s': %s",
			   CSN_CORE_PATTERN_ARGUMENTS, text);
		return;
	}
	if (csn_core_pattern_find_helper(&doctor->host.root, helper, sizeof(helper), &err) == 0 &&
	    strcmp(helper, program) != 0 && !same_bytes(helper, program)) {
		doctor_say(doctor, CSN_DOCTOR_WARNING, enable,
			   "core_pattern runs %s, a copy of an older helper", program);
		return;
	}
	if (doctor->host.conf.capture_mode == CSN_CAPTURE_SOCKET) {
		doctor_say(doctor, CSN_DOCTOR_WARNING, enable,
			   "capture.mode is socket, but core_pattern is the pipe: %s", text);
		return;
	}
	doctor_read_line("/proc/sys/kernel/core_uses_pid", uses_pid, sizeof(uses_pid));
	doctor_say(doctor, CSN_DOCTOR_OK, NULL, "core_pattern is ours: %s%s", text,
		   strcmp(uses_pid, "0") == 0 ? "" : " (core_uses_pid changes nothing for a pipe)");
}

static void check_pipe_limit(struct csn_doctor *doctor)
{
	const char *mend = doctor_text(doctor, "%s enable", doctor->self);
	unsigned limit = doctor->pattern.pipe_limit;

	if (limit == 0)
		doctor_say(doctor, CSN_DOCTOR_WARNING, mend,
			   "core_pipe_limit is 0: the kernel does not wait for the helper, and a "
			   "small process is gone before it was read");
	else if (limit < CSN_CORE_PIPE_LIMIT)
		doctor_say(doctor, CSN_DOCTOR_WARNING, mend,
			   "core_pipe_limit is %u: of more crashes at a time the rest is lost",
			   limit);
	else
		doctor_say(doctor, CSN_DOCTOR_OK, NULL, "core_pipe_limit is %u", limit);
}

void doctor_check_core_pattern(struct csn_doctor *doctor)
{
	const char *text = doctor->pattern.text;
	char program[CSN_CORE_PATTERN_MAX];

	if (!doctor->has_pattern) {
		doctor_say(doctor, CSN_DOCTOR_PROBLEM, "mount -t proc proc /proc",
			   "/proc/sys/kernel/core_pattern cannot be read");
		return;
	}
	if (csn_core_pattern_is_of_root(text, &doctor->host.root)) {
		tell_ours(doctor, text);
		check_pipe_limit(doctor);
	} else if (doctor_is_watched(doctor)) {
		doctor_say(doctor, CSN_DOCTOR_OK, NULL,
			   "core_pattern writes files into a folder that is watched: %s", text);
	} else if (!doctor->host.conf.core_pattern_manage) {
		doctor_say(doctor, CSN_DOCTOR_WARNING, NULL,
			   "core_pattern is left alone (core_pattern.manage = false): %s", text);
	} else if (csn_core_pattern_is_helper(text) &&
		   csn_core_pattern_find_program(text, program, sizeof(program)) &&
		   access(program, X_OK) == 0) {
		doctor_say(doctor, CSN_DOCTOR_PROBLEM,
			   doctor_text(doctor, "%s enable", doctor->self),
			   "core_pattern runs the helper of another installation: %s", text);
	} else {
		tell_stranger(doctor, text);
	}
}

/* ---- what will take it back ---- */

/* Comments the lines out: in place in /etc, and where packages put files by one of the same name in
 * /etc that hides theirs. */
static const char *make_quiet(struct csn_doctor *doctor, const char *path)
{
	static const char script[] =
		"'s,^[ \\t]*-*kernel[./]core_\\(pattern\\|pipe_limit\\)[ \\t]*=,# &,'";
	const char *quoted = doctor_quote(doctor, path);

	if (strncmp(path, "/etc/", 5) == 0)
		return doctor_text(doctor, "sed -i %s %s", script, quoted);
	return doctor_text(doctor, "sed %s %s >/etc/sysctl.d/%s", script, quoted,
			   doctor_quote(doctor, csn_last_part(path)));
}

static bool check_sysctl(struct csn_doctor *doctor)
{
	static const char *const folders[] = { "/etc/sysctl.d",           "/run/sysctl.d",
					       "/usr/local/lib/sysctl.d", "/usr/lib/sysctl.d",
					       "/lib/sysctl.d",           NULL };
	struct csn_setting found[CSN_MAX_SETTINGS];
	size_t i, n = csn_settings_find(folders, "/etc/sysctl.conf", "kernel.core_pattern", found);

	for (i = 0; i < n; i++)
		doctor_say(doctor, CSN_DOCTOR_WARNING, make_quiet(doctor, found[i].path),
			   "%s sets core_pattern to '%s' at boot and at each 'sysctl --system'",
			   found[i].path, found[i].value);
	return n > 0;
}

void doctor_check_boot(struct csn_doctor *doctor)
{
	bool any = false;
	size_t i, k;

	if (!doctor->host.conf.core_pattern_manage) {
		doctor_say(doctor, CSN_DOCTOR_OK, NULL, "core_pattern.manage = false");
		return;
	}
	for (i = 0; i < csn_countof(collectors); i++) {
		for (k = 0; collectors[i].started_by[k]; k++) {
			if (access(collectors[i].started_by[k], F_OK) < 0)
				continue;
			doctor_say(doctor, CSN_DOCTOR_WARNING, collectors[i].off,
				   "%s is started at boot and takes core_pattern: %s",
				   collectors[i].name, collectors[i].started_by[k]);
			any = true;
			break;
		}
	}
	any = check_sysctl(doctor) || any;
	if (!any)
		doctor_say(doctor, CSN_DOCTOR_OK, NULL,
			   "nothing else sets core_pattern at the next boot");
}
