/* Purging: objects older than purge.age go, whatever their stage. */
#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "host/purge.h"
#include "host/service_internal.h"

/* The helper may still be copying the files of a crash whose core is not linked yet. */
#define ORPHAN_AGE_NS (3600 * CSN_NS_PER_SECOND)

static bool has_object(const struct csn_spool *spool, const char *uuid)
{
	int stage;

	for (stage = 0; stage < CSN_N_STAGES; stage++)
		if (csn_spool_has(spool, (enum csn_stage)stage, uuid))
			return true;
	return false;
}

int csn_purge_object(const struct csn_host *host, const struct csn_spool_object *object,
		     struct csn_error *err)
{
	const struct csn_spool *spool = &host->spool;
	cleanup_close int lock_fd = -1;
	int r = csn_spool_lock(spool, object->stage, object->uuid, &lock_fd, err);

	if (r == -CSN_E_NOT_FOUND)
		return 0;
	if (r == 0)
		r = csn_spool_remove(spool, object->stage, object->uuid, err);
	if (r < 0 || has_object(spool, object->uuid))
		return r;
	csn_crash_forget(spool, object->uuid);
	return csn_spool_remove_assets(spool, object->uuid, err);
}

static void remove_orphan(const struct csn_spool *spool, int folder_fd, const char *name,
			  int64_t now_ns)
{
	struct csn_error ignored;
	struct stat status;

	if (!csn_uuid_parse(name, NULL) || has_object(spool, name) ||
	    fstatat(folder_fd, name, &status, AT_SYMLINK_NOFOLLOW) < 0 ||
	    now_ns - csn_seconds_to_ns(status.st_mtim.tv_sec) < ORPHAN_AGE_NS)
		return;
	if (!S_ISDIR(status.st_mode))
		csn_crash_forget(spool, name);
	else if (csn_spool_remove_assets(spool, name, &ignored) < 0)
		return; /* the next purge tries again */
}

/* What a kill between two removals left: assets and state without an object. */
static void remove_orphans(const struct csn_spool *spool, int folder_fd, int64_t now_ns)
{
	int fd = openat(folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_closedir DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *entry;

	if (!dir && fd >= 0)
		close(fd);
	while (dir && (entry = readdir(dir)))
		remove_orphan(spool, folder_fd, entry->d_name, now_ns);
}

int csn_purge(const struct csn_host *host, int64_t now_ns, int64_t age_seconds, size_t *ret_count,
	      int64_t *ret_oldest_ns, struct csn_error *err)
{
	cleanup_(csn_spool_list_done) struct csn_spool_list list = { 0 };
	int64_t limit_ns = now_ns - csn_seconds_to_ns(age_seconds);
	size_t i;
	int stage, r;

	struct csn_counting counted = { 0 };
	bool restarted;

	*ret_count = 0;
	*ret_oldest_ns = 0;
	for (stage = 0; stage < CSN_N_STAGES; stage++) {
		r = csn_spool_list(&host->spool, (enum csn_stage)stage, &list, err);
		if (r < 0)
			return r;
	}
	for (i = 0; i < list.count; i++) {
		const struct csn_spool_object *object = &list.items[i];

		if (object->mtime_ns > limit_ns) {
			if (!*ret_oldest_ns || object->mtime_ns < *ret_oldest_ns)
				*ret_oldest_ns = object->mtime_ns;
			continue;
		}
		r = csn_purge_object(host, object, err);
		if (r == -CSN_E_DENIED)
			continue;
		if (r < 0) {
			csn_host_say(host, LOG_ERR, "purge: %s", err->text);
			continue;
		}
		csn_host_say(host, LOG_NOTICE, "%s/%s purged", csn_stage_name(object->stage),
			     object->uuid);
		++*ret_count;
	}
	counted.add[CSN_COUNT_PURGED] = *ret_count;
	if (*ret_count && csn_counters_add(&host->spool, &counted, &restarted, err) < 0)
		csn_host_say(host, LOG_WARNING, "%s", err->text);
	remove_orphans(&host->spool, host->spool.assets_fd, now_ns);
	remove_orphans(&host->spool, host->spool.state_fd, now_ns);
	return 0;
}

/* The time by the wall clock, but no later than the time that has really passed since the start
 * says: a clock that is put forward makes nothing old. */
static int64_t steady_now_ns(const struct csn_service *service)
{
	int64_t wall_ns = csn_realtime_ns();
	int64_t passed_ns = csn_boottime_ns() - service->start_boot_ns;

	return wall_ns < service->start_wall_ns + passed_ns ? wall_ns
							    : service->start_wall_ns + passed_ns;
}

void purge_expect(struct csn_service *service)
{
	const struct csn_coresnap_conf *conf = &service->host->conf;

	if (!conf->purge_disabled && !service->once && service->purge_due_ns == INT64_MAX)
		service->purge_due_ns =
			csn_monotonic_ns() + csn_seconds_to_ns(conf->purge_age_seconds + 1);
}

void purge_old(struct csn_service *service, int64_t now_ns)
{
	const struct csn_coresnap_conf *conf = &service->host->conf;
	struct csn_error err = CSN_ERROR_INIT;
	int64_t oldest_ns, age_ns;
	size_t count;

	service->purge_due_ns = INT64_MAX;
	service->changed = true;
	if (conf->purge_disabled || service->once)
		return;
	if (csn_purge(service->host, steady_now_ns(service), conf->purge_age_seconds, &count,
		      &oldest_ns, &err) < 0) {
		csn_host_say(service->host, LOG_ERR, "purge: %s", err.text);
		service->purge_due_ns = now_ns + 3600 * CSN_NS_PER_SECOND;
	} else if (oldest_ns) {
		age_ns = steady_now_ns(service) - oldest_ns;
		service->purge_due_ns =
			now_ns + csn_seconds_to_ns(conf->purge_age_seconds + 1) - age_ns;
	}
}
