#include "doctor/doctor.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/limits.h"
#include "base/text.h"
#include "doctor/doctor_internal.h"
#include "spool/kernel_pattern.h"

#define MAX_ARENA (16 * CSN_MIB)

/* In the order in which a crash meets them. */
static const struct {
	const char *name;
	void (*run)(struct csn_doctor *doctor);
} checks[] = {
	{ "rights", doctor_check_rights },
	{ "configuration", doctor_check_configuration },
	{ "limits", doctor_check_limits },
	{ "privileges", doctor_check_privileges },
	{ "container", doctor_check_container },
	{ "kernel", doctor_check_kernel },
	{ "core-pattern", doctor_check_core_pattern },
	{ "watch", doctor_check_watch },
	{ "boot", doctor_check_boot },
	{ "helper", doctor_check_helper },
	{ "policy", doctor_check_policy },
	{ "spool", doctor_check_spool },
	{ "space", doctor_check_space },
	{ "programs", doctor_check_programs },
	{ "coroner.cf", doctor_check_coroner_cf },
	{ "tokens", doctor_check_tokens },
	{ "server", doctor_check_server },
	{ "ports", doctor_check_ports },
	{ "daemon", doctor_check_daemon },
	{ "failing", doctor_check_failing },
	{ "log", doctor_check_log },
	{ "canary", doctor_check_canary },
};

const char *csn_doctor_level_name(enum csn_doctor_level level)
{
	static const char *const names[] = { "ok", "warning", "problem" };

	return names[level];
}

void doctor_say(struct csn_doctor *doctor, enum csn_doctor_level level, const char *mend,
		const char *format, ...)
{
	struct csn_doctor_finding finding = { .check = doctor->check,
					      .level = level,
					      .mend = mend };
	cleanup_(csn_buf_done) struct csn_buf text = CSN_BUF_INIT(CSN_MAX_LOG_LINE);
	va_list args;

	va_start(args, format);
	csn_buf_vprintf(&text, format, args);
	va_end(args);
	finding.text = csn_buf_text(&text);
	if (level > doctor->worst)
		doctor->worst = level;
	doctor->options->found(doctor->options->context, &finding);
}

const char *doctor_text(struct csn_doctor *doctor, const char *format, ...)
{
	va_list args;
	char *text;

	va_start(args, format);
	text = csn_arena_vsprintf(doctor->arena, format, args);
	va_end(args);
	return text ? text : "";
}

const char *doctor_quote_command(struct csn_doctor *doctor, const char *const *argv)
{
	cleanup_(csn_buf_done) struct csn_buf text = CSN_BUF_INIT(CSN_MIB);

	csn_quote_command(&text, argv);
	return doctor_text(doctor, "%s", csn_buf_text(&text));
}

const char *doctor_quote(struct csn_doctor *doctor, const char *word)
{
	return doctor_quote_command(doctor, (const char *const[]){ word, NULL });
}

const char *doctor_user_name(struct csn_doctor *doctor, uid_t uid)
{
	struct passwd entry, *found = NULL;
	char block[4096];

	if (getpwuid_r(uid, &entry, block, sizeof(block), &found) == 0 && found)
		return doctor_text(doctor, "%s", found->pw_name);
	return doctor_text(doctor, "%u", (unsigned)uid);
}

const char *doctor_group_name(struct csn_doctor *doctor, gid_t gid)
{
	struct group entry, *found = NULL;
	char block[16384];

	if (getgrgid_r(gid, &entry, block, sizeof(block), &found) == 0 && found)
		return doctor_text(doctor, "%s", found->gr_name);
	return doctor_text(doctor, "%u", (unsigned)gid);
}

const char *doctor_service(struct csn_doctor *doctor, const char *verb)
{
	char path[CSN_MAX_PATH];

	if (!*doctor->host.root.path)
		return doctor_text(doctor, "service coresnapd %s", verb);
	csn_root_path(&doctor->host.root, "/etc/init.d/coresnapd", path, sizeof(path));
	if (strcmp(verb, "start") != 0 && access(path, X_OK) == 0)
		return doctor_text(doctor, "%s %s", doctor_quote(doctor, path), verb);
	csn_root_path(&doctor->host.root, CSN_SBIN "/coresnapd", path, sizeof(path));
	return doctor_quote(doctor, path);
}

bool doctor_read_text(const char *path, struct csn_buf *text)
{
	struct csn_error ignored;

	*text = (struct csn_buf)CSN_BUF_INIT(CSN_MAX_CONFIG_FILE);
	return csn_read_file(AT_FDCWD, path, text, &ignored) == 0;
}

bool doctor_read_line(const char *path, char *out, size_t out_size)
{
	struct csn_error ignored;

	return csn_kernel_line_read(path, out, out_size, &ignored) == 0;
}

/* The built-in configuration, so that the other checks have something to go by. */
static int fall_back(struct csn_doctor *doctor, struct csn_error *err)
{
	struct csn_host *host = &doctor->host;
	int r = csn_coresnap_conf_parse(host->root.path, "built in", "", &host->conf, err);

	return r < 0 ? r : csn_router_new(&host->conf, &host->router, err);
}

static int open_all(struct csn_doctor *doctor, struct csn_error *err)
{
	const struct csn_doctor_options *options = doctor->options;
	struct csn_host *host = &doctor->host;
	char path[CSN_MAX_PATH];
	struct csn_error ignored;
	int r = csn_host_init(host, options->root, options->config, &doctor->conf_error);

	doctor->has_conf = r == 0;
	if (r < 0)
		r = fall_back(doctor, err);
	if (r < 0)
		return r;
	csn_root_path(&host->root, CSN_BIN "/coresnap", path, sizeof(path));
	doctor->self = doctor_quote(doctor, path);
	if (options->config)
		doctor->self = doctor_text(doctor, "%s -c %s", doctor->self,
					   doctor_quote(doctor, options->config));
	doctor->is_root = geteuid() == 0;
	doctor->has_spool = csn_host_open_spool(host, &doctor->spool_error) == 0;
	doctor->uid = doctor->has_spool ? host->spool.uid : geteuid();
	doctor->gid = doctor->has_spool ? host->spool.gid : getegid();
	doctor->has_pattern = csn_core_pattern_get(&doctor->pattern, &ignored) == 0;
	return 0;
}

static int check_options(const struct csn_doctor_options *options, struct csn_error *err)
{
	struct passwd entry, *found = NULL;
	char block[4096];
	struct stat status;

	if (options->root && stat(options->root, &status) < 0)
		return csn_fail_os(err, errno, "--root %s", options->root);
	if (options->pid && kill(options->pid, 0) < 0 && errno == ESRCH)
		return csn_fail(err, CSN_E_USAGE, "--pid %d: no such process", (int)options->pid);
	if (options->user &&
	    (getpwnam_r(options->user, &entry, block, sizeof(block), &found) != 0 || !found))
		return csn_fail(err, CSN_E_USAGE, "--user %s: no such user", options->user);
	return 0;
}

static void doctor_done(struct csn_doctor *doctor)
{
	if (doctor->has_cf)
		csn_coroner_cf_done(&doctor->cf);
	csn_host_done(&doctor->host);
	csn_arena_free(doctor->arena);
}

int csn_doctor_run(const struct csn_doctor_options *options, enum csn_doctor_level *ret_worst,
		   struct csn_error *err)
{
	cleanup_(doctor_done) struct csn_doctor doctor = {
		.options = options,
		.host = CSN_HOST_INIT,
		.arena = csn_arena_new(MAX_ARENA),
	};
	size_t i;
	int r;

	if (!doctor.arena)
		return csn_fail_nomem(err);
	r = check_options(options, err);
	if (r == 0)
		r = open_all(&doctor, err);
	for (i = 0; r == 0 && i < csn_countof(checks); i++) {
		doctor.check = checks[i].name;
		checks[i].run(&doctor);
	}
	if (r == 0)
		*ret_worst = doctor.worst;
	return r;
}
