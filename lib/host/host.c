#include "host/host.h"

#include <errno.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "base/limits.h"
#include "base/privilege.h"
#include "host/finder.h"

#define POLICY_PATH "/var/coresnap/policy"

static int read_settings(struct csn_host *host, struct csn_coresnap_conf *conf,
			 struct csn_router **router, struct csn_error *err)
{
	int r = csn_coresnap_conf_find(host->root.path, host->conf_path, conf, err);

	if (r < 0)
		return r;
	r = csn_router_new(conf, router, err);
	if (r < 0)
		csn_coresnap_conf_done(conf);
	return r;
}

int csn_host_init(struct csn_host *host, const char *root, const char *conf_path,
		  struct csn_error *err)
{
	cleanup_free char *real = root ? realpath(root, NULL) : NULL;

	*host = (struct csn_host)CSN_HOST_INIT;
	if (root && !real)
		return csn_fail_os(err, errno, "--root %s", root);
	csn_root_init(&host->root, real);
	if (conf_path) {
		/* Absolute, for a reload after we went elsewhere; a missing one is named as given.
		 */
		host->conf_path = realpath(conf_path, NULL);
		if (!host->conf_path)
			return csn_fail_os(err, errno, "%s", conf_path);
	}
	return read_settings(host, &host->conf, &host->router, err);
}

int csn_host_reload(struct csn_host *host, struct csn_error *err)
{
	struct csn_coresnap_conf conf;
	struct csn_router *router;
	int r = read_settings(host, &conf, &router, err);

	if (r < 0)
		return r;
	csn_router_free(router);
	csn_router_free(csn_take(host->router));
	csn_coresnap_conf_done(&host->conf);
	host->conf = conf;
	/* A router borrows the conf it was made from, so it is made again from where that lives. */
	return csn_router_new(&host->conf, &host->router, err);
}

static int find_owner(const struct csn_host *host, uid_t *ret_uid, gid_t *ret_gid,
		      struct csn_error *err)
{
	struct passwd entry, *found = NULL;
	struct stat status;
	char block[4096];

	*ret_uid = geteuid();
	*ret_gid = getegid();
	if (*ret_uid != 0)
		return 0;
	if (*host->root.path) {
		if (stat(host->root.path, &status) < 0)
			return csn_fail_os(err, errno, "%s", host->root.path);
		*ret_uid = status.st_uid;
		*ret_gid = status.st_gid;
	} else if (getpwnam_r("coresnap", &entry, block, sizeof(block), &found) == 0 && found) {
		*ret_uid = found->pw_uid;
		*ret_gid = found->pw_gid;
	}
	return 0;
}

int csn_host_make_spool(const struct csn_host *host, struct csn_error *err)
{
	struct stat status;
	uid_t uid;
	gid_t gid;
	int r;

	if (stat(host->conf.archive_path, &status) == 0) {
		uid = status.st_uid;
		gid = status.st_gid;
	} else {
		r = find_owner(host, &uid, &gid, err);
		if (r < 0)
			return r;
	}
	return csn_spool_make(host->conf.archive_path, uid, gid, err);
}

int csn_host_become_owner(const struct csn_host *host, struct csn_error *err)
{
	const struct csn_spool *spool = &host->spool;
	const struct rlimit no_core = { 1, 1 };
	uid_t uid = geteuid();

	if (uid != spool->uid && uid != 0)
		return csn_fail(err, CSN_E_DENIED,
				"%s belongs to user %u; run it as that user or root", spool->path,
				(unsigned)spool->uid);
	/* A crash of ours is no crash for us to handle; a limit that is 0 already cannot be raised
	 * to the 1 that says so to the kernel, but who is not dumpable is not dumped either. */
	(void)setrlimit(RLIMIT_CORE, &no_core);
	return csn_privilege_drop(spool->uid, spool->gid, err);
}

int csn_host_open_spool(struct csn_host *host, struct csn_error *err)
{
	csn_spool_close(&host->spool);
	return csn_spool_open(host->conf.archive_path, &host->spool, err);
}

void csn_host_done(struct csn_host *host)
{
	csn_finder_free(csn_take(host->finder));
	csn_router_free(csn_take(host->router));
	csn_spool_close(&host->spool);
	csn_closep(&host->kernel_log_fd);
	csn_coresnap_conf_done(&host->conf);
	free(csn_take(host->conf_path));
}

struct csn_quota csn_host_get_quota(const struct csn_host *host)
{
	return (struct csn_quota){
		.permyriad = host->conf.quota_permyriad,
		.bytes = host->conf.quota_bytes,
	};
}

struct csn_spool_limits csn_host_get_limits(const struct csn_host *host)
{
	return (struct csn_spool_limits){
		.bytes = host->conf.spool_bytes,
		.files = host->conf.spool_files,
		.share_percent = host->conf.spool_share,
	};
}

void csn_host_compile_policy(const struct csn_host *host, struct csn_policy *ret_policy)
{
	static const enum csn_policy_mode modes[] = {
		[CSN_CONF_MINIMAL] = CSN_POLICY_MINIMAL,
		[CSN_CONF_FULL] = CSN_POLICY_FULL,
		[CSN_CONF_AUTO] = CSN_POLICY_AUTO,
	};
	const struct csn_coresnap_conf *conf = &host->conf;

	*ret_policy = (struct csn_policy){
		.mode = modes[conf->dump_mode],
		.uid = host->spool.uid,
		.gid = host->spool.gid,
		.budget_bytes = conf->dump_budget_bytes,
		.full_below_bytes = conf->dump_full_below_bytes,
		.files_bytes = conf->dump_files_bytes,
		.quota = csn_host_get_quota(host),
		.limits = csn_host_get_limits(host),
		.rate_disabled = conf->rate_disabled,
		.rate_full = { conf->rate_full.count, conf->rate_full.seconds },
		.rate_notes = { conf->rate_notes.count, conf->rate_notes.seconds },
	};
	snprintf(ret_policy->archive, sizeof(ret_policy->archive), "%s", host->spool.path);
}

int csn_host_write_policy(const struct csn_host *host, struct csn_error *err)
{
	struct csn_policy policy;
	char path[CSN_MAX_PATH];

	csn_host_compile_policy(host, &policy);
	return csn_policy_write(csn_root_path(&host->root, POLICY_PATH, path, sizeof(path)),
				&policy, err);
}

void csn_host_say(const struct csn_host *host, int level, const char *format, ...)
{
	cleanup_(csn_buf_done) struct csn_buf text = CSN_BUF_INIT(CSN_MAX_LOG_LINE);
	va_list args;

	va_start(args, format);
	csn_buf_vprintf(&text, format, args);
	va_end(args);
	if (host->log && csn_buf_ok(&text))
		host->log(host->log_context, level, false, csn_buf_text(&text));
}
