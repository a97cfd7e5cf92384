/* coresnap enable, disable: the kernel's core_pattern, ours and given back. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/limits.h"
#include "base/text.h"
#include "coresnap.h"
#include "doctor/canary.h"
#include "host/core_pattern.h"
#include "host/rescue.h"
#include "spool/reserve.h"

/* What to do about it; NULL when the message says all. */
static const char *enable_hint(enum csn_code code, enum csn_capture_mode mode)
{
	if (code == CSN_E_DENIED)
		return "in a container run it on the host, or use 'ptrace PID' and 'coroner put'";
	if (mode == CSN_CAPTURE_SOCKET && (code == CSN_E_NOT_FOUND || code == CSN_E_TIMEOUT))
		return "start coresnap-capture first, or set capture.mode = pipe";
	return code == CSN_E_UNSUPPORTED ? "set capture.mode = pipe" : NULL;
}

/* The tokens in coroner.cf are for root and the spool's user only; somebody else's file is left. */
static int guard_tokens(const struct csn_host *host, struct csn_error *err)
{
	const char *path = host->conf.coroner_config;
	cleanup_close int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	struct group entry, *found = NULL;
	char group[64], block[16384];
	struct stat status;

	if (fd < 0)
		return errno == ENOENT || errno == ELOOP ? 0 : csn_fail_os(err, errno, "%s", path);
	if (fstat(fd, &status) < 0)
		return csn_fail_os(err, errno, "%s", path);
	if (host->spool.uid == 0 || status.st_uid != 0 || !S_ISREG(status.st_mode) ||
	    (status.st_gid == host->spool.gid && (status.st_mode & 0777) == 0640))
		return 0;
	if (fchown(fd, 0, host->spool.gid) < 0 || fchmod(fd, 0640) < 0)
		return csn_fail_os(err, errno, "%s", path);
	snprintf(group, sizeof(group), "%u", (unsigned)host->spool.gid);
	if (getgrgid_r(host->spool.gid, &entry, block, sizeof(block), &found) == 0 && found)
		snprintf(group, sizeof(group), "%s", found->gr_name);
	printf("%s: now root:%s 0640\n", path, group);
	return 0;
}

static void print_line(void *context, int level, bool raw, const char *text)
{
	char shown[1024];

	(void)context;
	(void)level;
	(void)raw;
	puts(csn_escape_to(shown, sizeof(shown), text));
}

/* Spool and policy, so that the helper works before the daemon was ever started. */
static int prepare(struct csn_host *host, struct csn_error *err)
{
	char folder[CSN_MAX_PATH];
	struct csn_error ignored;
	int r = csn_host_make_spool(host, err);

	if (r == 0)
		r = csn_host_open_spool(host, err);
	if (r == 0)
		r = csn_make_folders(csn_root_path(&host->root, "/var/coresnap", folder,
						   sizeof(folder)),
				     0755, err);
	if (r == 0)
		r = csn_host_write_policy(host, err);
	if (r == 0)
		r = guard_tokens(host, err);
	if (r < 0)
		return r;
	/* The daemon makes what is missing, and says so. */
	if (csn_reserve_make(&host->spool, &ignored) < 0)
		printf("no reserve for a full disk: %s\n", ignored.text);
	host->log = print_line;
	csn_rescue(host);
	return 0;
}

/* Some kernels take a line that they then do not follow: only a crash shows. A line that loses
 * crashes is not left behind. */
static int check(const struct csn_host *host)
{
	struct csn_error err = CSN_ERROR_INIT, ignored;
	struct csn_core_pattern pattern;
	struct csn_progress_line line = { 0 };
	struct csn_progress_sink progress = csn_progress_line_sink(&line);
	struct csn_canary canary;
	bool restored;
	int r;

	csn_progress_line_start(&line, "coresnap");
	r = csn_canary_run(&host->spool, CSN_CANARY_ARCHIVED, &progress, &canary, &err);
	csn_progress_line_stop(&line);

	if (r < 0)
		return coresnap_complain(r == -CSN_E_LIMIT ? CSN_EXIT_TEMPORARY : CSN_EXIT_OS, &err,
					 "core_pattern stays as it is written above");
	if (canary.step >= CSN_CANARY_ARCHIVED) {
		printf("checked: a crash was archived in %lld ms: %s/pending/%s\n",
		       (long long)canary.reached_ms[CSN_CANARY_ARCHIVED], host->spool.path,
		       canary.uuid);
		return 0;
	}
	if (csn_core_pattern_disable(&host->root, &restored, &pattern, &ignored) == 0 && restored)
		printf("core_pattern: %s\n", pattern.text);
	csn_fail(&err, CSN_E_OS, "a crash was tried and %s; core_pattern was put back",
		 canary.was_dumped ? "did not arrive in pending/"
				   : "the kernel did not run the helper");
	return coresnap_complain(CSN_EXIT_OS, &err, "see 'coresnap doctor' and 'dmesg | tail'");
}

int coresnap_enable(int argc, char **argv, void *context)
{
	cleanup_(csn_host_done) struct csn_host host = CSN_HOST_INIT;
	struct csn_error err = CSN_ERROR_INIT;
	struct csn_core_pattern pattern;
	bool wants_listener = false, with_check = false;
	const struct csn_option options[] = {
		{ "check", 0, CSN_OPT_FLAG, NULL,
		  "crash a small process and see it archived; else put core_pattern back",
		  &with_check },
		{ "wants-listener", 0, CSN_OPT_FLAG, NULL,
		  "only say by the exit status whether capture.mode wants a listener (0 yes, 1 no)",
		  &wants_listener },
		{ NULL },
	};
	const struct coresnap_syntax syntax = {
		.usage = "coresnap enable [--check] [--wants-listener]",
		.summary = "Makes the kernel send crashes here; run it as root.",
		.options = options,
		.examples = { "coresnap enable --check", "cat /proc/sys/kernel/core_pattern" },
	};
	int first, status = coresnap_parse(&syntax, argc, argv, &first);

	if (status < 0)
		status = coresnap_open(context, false, &host);
	if (status >= 0)
		return status;
	if (wants_listener)
		return host.conf.core_pattern_manage && host.conf.capture_mode != CSN_CAPTURE_PIPE
			       ? 0
			       : 1;
	if (prepare(&host, &err) < 0)
		return coresnap_complain(coresnap_status_of(&err), &err, "run it as root");
	if (!host.conf.core_pattern_manage) {
		printf("core_pattern.manage is false: core_pattern is left alone\n");
		return 0;
	}
	if (csn_core_pattern_enable(&host.root, host.conf.capture_mode, &pattern, &err) < 0)
		return coresnap_complain(coresnap_status_of(&err), &err,
					 enable_hint(err.code, host.conf.capture_mode));
	printf("core_pattern: %s\n", pattern.text);
	return with_check ? check(&host) : 0;
}

int coresnap_disable(int argc, char **argv, void *context)
{
	const struct coresnap *coresnap = context;
	cleanup_(csn_host_done) struct csn_host host = CSN_HOST_INIT;
	struct csn_error err = CSN_ERROR_INIT;
	struct csn_core_pattern pattern;
	bool manage = true, restored;
	const struct coresnap_syntax syntax = {
		.usage = "coresnap disable",
		.summary = "Puts core_pattern and core_pipe_limit back.",
		.examples = { "coresnap disable" },
	};
	int first, status = coresnap_parse(&syntax, argc, argv, &first);

	if (status >= 0)
		return status;
	/* A broken configuration must not keep the kernel's line from being put back. */
	if (csn_host_init(&host, coresnap->root, coresnap->config, &err) == 0)
		manage = host.conf.core_pattern_manage;
	if (!manage) {
		printf("core_pattern.manage is false: core_pattern is left alone\n");
		return 0;
	}
	if (csn_core_pattern_disable(&host.root, &restored, &pattern, &err) < 0)
		return coresnap_complain(coresnap_status_of(&err), &err,
					 err.code == CSN_E_DENIED ? "run it as root" : NULL);
	if (restored)
		printf("core_pattern: %s\n", pattern.text);
	else
		printf("core_pattern is not ours and stays: %s\n", pattern.text);
	return 0;
}
