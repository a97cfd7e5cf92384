/* What changes under a running service: its configuration, and the folders of its spool. */
#include <string.h>
#include <sys/inotify.h>
#include <syslog.h>

#include "base/cleanup.h"
#include "host/finder_internal.h"
#include "host/service_internal.h"

#define MAX_REOPENS 100

/* Back-off is forgotten: somebody mended something. */
void reload_make_due(struct csn_service *service, const char *uuid)
{
	size_t i;

	service->line_due_ns = 0;
	service->quota_due_ns = 0;
	hold_release_all(service);
	if (!uuid)
		finder_look_again(service->host->finder);
	for (i = 0; i < service->n_jobs; i++)
		if (!uuid || strcmp(service->jobs[i]->uuid, uuid) == 0)
			service->jobs[i]->due_ns = 0;
}

void reload_conf(struct csn_service *service)
{
	struct csn_error err = CSN_ERROR_INIT;
	struct csn_host *host = service->host;

	service->reload = false;
	if (csn_host_reload(host, &err) < 0) {
		csn_host_say(host, LOG_ERR, "reload: %s; the old configuration stays", err.text);
		return;
	}
	if (strcmp(host->conf.archive_path, host->spool.path) != 0)
		csn_host_say(host, LOG_WARNING, "reload: archive.path needs a restart");
	if (!finder_has_folders(host->finder, &host->conf))
		csn_host_say(host, LOG_WARNING, "reload: watch.path needs a restart");
	if (csn_host_write_policy(host, &err) < 0)
		csn_host_say(host, LOG_WARNING, "reload: %s", err.text);
	csn_host_say(host, LOG_INFO, "configuration read from %s",
		     host->conf.file ? host->conf.file : "built-in values");
	metrics_close(service);
	metrics_open(service);
	service->purge_due_ns = 0;
	pattern_watch(service);
	reload_make_due(service, NULL);
	ticking_make_due(service);
}

/* Folders of the spool were taken away under us: made again where we may, so that the next crash
 * has a place; what was in them is forgotten job by job, as each is not found. */
int reload_spool(struct csn_service *service, struct csn_error *err)
{
	struct csn_host *host = service->host;
	int r = -1, tries;

	service->spool_gone = false;
	/* Whoever removes may not be done yet: what we make can go again before we open it, or
	 * before it is watched. */
	for (tries = 0; r < 0 && tries < MAX_REOPENS; tries++) {
		r = csn_host_make_spool(host, err);
		if (r == 0)
			r = csn_host_open_spool(host, err);
		if (r < 0)
			continue;
		(void)inotify_rm_watch(service->inotify_fd, service->archive_wd);
		(void)inotify_rm_watch(service->inotify_fd, service->pending_wd);
		(void)inotify_rm_watch(service->inotify_fd, service->sending_wd);
		r = source_watch_spool(service, err);
		if (r == 0 && csn_spool_is_gone(&host->spool))
			r = csn_fail(err, CSN_E_NOT_FOUND, "%s is being removed", host->spool.path);
	}
	if (r < 0)
		return csn_wrap(err,
				"the spool was removed; run 'coresnap enable' and start again");
	csn_host_say(host, LOG_WARNING, "folders of %s were removed; they are made again",
		     host->spool.path);
	source_add_all(service);
	return 0;
}
