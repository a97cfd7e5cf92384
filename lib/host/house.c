/* Housekeeping: after something happened, at most once a second, the service looks at its spool:
 * what there is goes into the counters' record, what is too much is evicted, the reserve is made
 * again, and the metrics are written. While nothing happens, nothing is done. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/io.h"
#include "host/evict.h"
#include "host/metrics.h"
#include "host/service_internal.h"
#include "spool/reserve.h"

#define PAUSE_NS CSN_NS_PER_SECOND
#define RESERVE_RETRY_NS (30 * CSN_NS_PER_SECOND)
#define MAX_METRICS (64 * CSN_KIB)

void house_count(struct csn_service *service, enum csn_counter counter, uint64_t number)
{
	struct csn_counting count = { 0 };

	count.add[counter] = number;
	house_add(service, &count);
}

void house_add(struct csn_service *service, const struct csn_counting *count)
{
	struct csn_error err = CSN_ERROR_INIT;
	bool restarted = false;

	if (csn_counters_add(&service->host->spool, count, &restarted, &err) < 0)
		csn_host_say(service->host, LOG_WARNING, "counters: %s", err.text);
	else if (restarted)
		csn_host_say(service->host, LOG_WARNING,
			     "counters were damaged; they begin again at zero");
}

/* Nothing is left of it; what runs holds its lock, and so was not evicted. */
static void drop_job(void *context, const char *uuid)
{
	struct csn_service *service = context;
	struct job *job = job_find(service, uuid);

	if (job && job->step == STEP_WAITING)
		job_drop(service, job);
}

static void evict(struct csn_service *service)
{
	const struct csn_spool_limits limits = csn_host_get_limits(service->host);
	struct csn_inventory *inventory = &service->inventory;
	bool over = csn_usage_is_over(&inventory->usage, &limits);
	struct csn_counting count = { 0 };
	struct csn_error err = CSN_ERROR_INIT;

	/* Users count from half of a limit on. */
	if ((limits.bytes && inventory->usage.bytes >= limits.bytes / 2) ||
	    (limits.files && inventory->usage.files >= limits.files / 2) || service->disk_is_low)
		csn_inventory_identify(&service->host->spool, inventory);
	if (!over && !service->disk_is_low)
		return;
	if (csn_evict(service->host, inventory, service->disk_is_low, &count, drop_job, service,
		      &err) < 0)
		csn_host_say(service->host, LOG_ERR, "eviction: %s", err.text);
	else if (count.add[CSN_COUNT_EVICTED_BYTES] > 0)
		house_add(service, &count);
	over = csn_usage_is_over(&inventory->usage, &limits);
	if (over && !service->told_over)
		csn_host_say(service->host, LOG_WARNING,
			     "the spool is over its limits and all it holds is worth keeping: "
			     "%u objects, %llu MB; later crashes keep notes or a count only",
			     inventory->usage.files,
			     (unsigned long long)inventory->usage.bytes / 1000000);
	service->told_over = over;
}

/* Said when it was missed: a new spool has never had one. */
static void make_reserve(struct csn_service *service, int64_t now_ns)
{
	const struct csn_spool *spool = &service->host->spool;
	struct csn_error err = CSN_ERROR_INIT;
	unsigned pieces = csn_reserve_count(spool);
	bool missed = pieces > 0 || service->reserve_due_ns > 0;

	service->reserve_due_ns = 0;
	if (pieces == CSN_RESERVE_PIECES)
		return;
	if (service->disk_is_low || csn_reserve_make(spool, &err) < 0)
		service->reserve_due_ns = now_ns + RESERVE_RETRY_NS;
	else if (missed)
		csn_host_say(service->host, LOG_NOTICE,
			     "the reserve for a full disk is whole again");
}

static int publish(const char *path, const struct csn_buf *text, struct csn_error *err)
{
	cleanup_(csn_publish_done) struct csn_publish file = CSN_PUBLISH_INIT;
	int r = csn_publish_begin(&file, AT_FDCWD, path, 0644, err);

	if (r < 0)
		return r;
	r = csn_write_full(file.fd, text->data, text->size);
	/* The collector is another user; our umask is not for it. */
	if (r < 0 || fchmod(file.fd, 0644) < 0)
		return csn_fail(err, CSN_E_OS, "%s: cannot be written", path);
	return csn_publish_commit(&file, true, err);
}

static void write_metrics(struct csn_service *service)
{
	const char *path = service->host->conf.metrics_path;
	cleanup_(csn_buf_done) struct csn_buf text = CSN_BUF_INIT(MAX_METRICS);
	struct csn_error err = CSN_ERROR_INIT;
	int r;

	if (!*path)
		return;
	r = csn_metrics_collect(service->host, service->pattern_state != PATTERN_OTHER, &text,
				&err);
	if (r == 0 && service->metrics && strcmp(csn_buf_text(&text), service->metrics) == 0)
		return;
	if (r == 0)
		r = publish(path, &text, &err);
	if (r < 0) {
		csn_host_say(service->host, LOG_WARNING, "metrics: %s", err.text);
		return;
	}
	free(service->metrics);
	service->metrics = csn_buf_take(&text);
}

void house_keep(struct csn_service *service, int64_t now_ns)
{
	struct csn_inventory inventory = { 0 };
	struct csn_quota quota = csn_host_get_quota(service->host);
	struct csn_error err = CSN_ERROR_INIT;
	struct csn_spool_space space;

	if (service->once || !service->changed || service->house_due_ns > now_ns)
		return;
	service->changed = false;
	service->untrimmed = true;
	service->house_due_ns = now_ns + PAUSE_NS;
	if (csn_inventory_take(&service->host->spool, &service->inventory, &inventory, &err) < 0) {
		csn_host_say(service->host, LOG_ERR, "spool: %s", err.text);
		return;
	}
	csn_inventory_done(&service->inventory);
	service->inventory = inventory;
	if (csn_spool_get_space(&service->host->spool, &quota, &space, &err) == 0)
		service->disk_is_low = space.below;
	evict(service);
	if (csn_counters_set_usage(&service->host->spool, &service->inventory.usage, &err) < 0)
		csn_host_say(service->host, LOG_WARNING, "%s", err.text);
	make_reserve(service, now_ns);
	write_metrics(service);
}
