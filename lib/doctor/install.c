/* What is installed: the helper that the kernel runs as root, its settings, and the programs that
 * the spool's user runs. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/text.h"
#include "base/version.h"
#include "doctor/doctor_internal.h"
#include "spool/policy.h"

#define HELPER CSN_SBIN "/coresnap-archive"

static void check_helper_version(struct csn_doctor *doctor, const char *path)
{
	const char *version = doctor_version_of(doctor, path);

	if (strcmp(version, "coresnap-archive " CSN_VERSION) == 0)
		doctor_say(doctor, CSN_DOCTOR_OK, NULL, "%s is of this version, %s", path,
			   CSN_VERSION);
	else
		doctor_say(doctor, CSN_DOCTOR_WARNING,
			   "apt-get install --reinstall backtrace-coresnap",
			   "%s says '%s', but this is version %s", path, version, CSN_VERSION);
}

void doctor_check_helper(struct csn_doctor *doctor)
{
	char helper[CSN_MAX_PATH], path[CSN_MAX_PATH], culprit[CSN_MAX_PATH],
		program[CSN_CORE_PATTERN_MAX];
	struct csn_error err = CSN_ERROR_INIT;
	const char *shown;

	if (csn_core_pattern_find_helper(&doctor->host.root, helper, sizeof(helper), &err) < 0) {
		csn_root_path(&doctor->host.root, HELPER, path, sizeof(path));
		shown = doctor_quote(doctor, path);
		doctor_say(doctor, CSN_DOCTOR_PROBLEM,
			   access(path, F_OK) == 0
				   ? doctor_text(doctor, "chmod 0755 %s", shown)
				   : "apt-get install --reinstall backtrace-coresnap",
			   "the helper: %s", err.text);
		return;
	}
	/* The kernel runs what core_pattern names: the helper, or its copy. */
	if (!doctor->has_pattern ||
	    !csn_core_pattern_is_of_root(doctor->pattern.text, &doctor->host.root) ||
	    !csn_core_pattern_find_program(doctor->pattern.text, program, sizeof(program)))
		snprintf(program, sizeof(program), "%s", "");
	if (*program && !csn_core_pattern_is_roots_alone(program, culprit, sizeof(culprit)))
		doctor_say(doctor, CSN_DOCTOR_PROBLEM,
			   doctor_text(doctor, "%s enable", doctor->self),
			   "the kernel runs %s as root, and others than root can change %s",
			   program, culprit);
	check_helper_version(doctor, helper);
}

void doctor_check_policy(struct csn_doctor *doctor)
{
	struct csn_policy policy, wanted;
	struct csn_error err = CSN_ERROR_INIT;
	const char *mend = doctor_text(doctor, "%s enable", doctor->self);
	char path[CSN_MAX_PATH];

	if (!doctor->has_spool)
		return;
	csn_root_path(&doctor->host.root, "/var/coresnap/policy", path, sizeof(path));
	if (csn_policy_read(path, &policy, &err) < 0) {
		doctor_say(doctor, CSN_DOCTOR_WARNING, mend,
			   "the helper goes by built-in settings: %s", err.text);
		return;
	}
	csn_host_compile_policy(&doctor->host, &wanted);
	if (!csn_policy_equal(&policy, &wanted))
		doctor_say(doctor, CSN_DOCTOR_WARNING, mend,
			   "%s was made from another configuration: the helper does not go by "
			   "the present one",
			   path);
	else
		doctor_say(doctor, CSN_DOCTOR_OK, NULL, "%s agrees with the configuration", path);
}

struct program {
	const char *name, *package, *path;
	bool ours; /* answers --version as our programs do */
};

static void check_program(struct csn_doctor *doctor, const struct program *program)
{
	const char *user = doctor_user_name(doctor, doctor->uid), *version;
	struct stat status;
	int errnum;

	if (stat(program->path, &status) < 0 && errno == ENOENT) {
		doctor_say(doctor, CSN_DOCTOR_PROBLEM,
			   doctor_text(doctor, "apt-get install --reinstall %s", program->package),
			   "%s: %s is not there", program->name, program->path);
		return;
	}
	errnum = doctor_access_as(doctor->uid, doctor->gid, program->path, X_OK);
	if (errnum) {
		doctor_say(doctor, CSN_DOCTOR_PROBLEM,
			   doctor_text(doctor, "chmod a+rx %s",
				       doctor_quote(doctor, program->path)),
			   "%s: %s cannot be run by %s: %s", program->name, program->path, user,
			   strerror(errnum));
		return;
	}
	if (!program->ours)
		return;
	version = doctor_version_of(doctor, program->path);
	if (strncmp(version, program->name, strlen(program->name)) == 0 &&
	    strcmp(version + strlen(program->name), " " CSN_VERSION) == 0)
		doctor_say(doctor, CSN_DOCTOR_OK, NULL, "%s runs as %s", program->path, user);
	else
		doctor_say(doctor, CSN_DOCTOR_WARNING,
			   doctor_text(doctor, "apt-get install --reinstall %s", program->package),
			   "%s: %s says '%s', not '%s %s', to %s", program->name, program->path,
			   version, program->name, CSN_VERSION, user);
}

void doctor_check_programs(struct csn_doctor *doctor)
{
	const struct csn_coresnap_conf *conf = &doctor->host.conf;
	const struct program programs[] = {
		{ "ptrace", "backtrace-ptrace", conf->ptrace_path, true },
		{ "coroner", "backtrace-coroner", conf->coroner_path, true },
		{ "defaults.command", "backtrace-coresnap", conf->defaults_command, false },
	};
	size_t i;

	for (i = 0; i < csn_countof(programs); i++)
		if (*programs[i].path)
			check_program(doctor, &programs[i]);
}
