/* The service as others see it; its loop is in loop.c, what wakes it in sources.c, its jobs in
 * jobs.c, steps.c and outcome.c. */
#include "host/service.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "host/control_internal.h"
#include "host/service_internal.h"

int csn_service_new(struct csn_host *host, bool once, struct csn_service **ret_service,
		    struct csn_error *err)
{
	struct csn_service *service = calloc(1, sizeof(*service));
	int r;

	if (!service)
		return csn_fail_nomem(err);
	service->host = host;
	service->start_wall_ns = csn_realtime_ns();
	service->start_boot_ns = csn_boottime_ns();
	csn_child_adopt();
	service->once = once;
	service->epoll_fd = service->inotify_fd = service->signal_fd = -1;
	service->timer_fd = service->control_fd = -1;
	ticking_init(service);
	metrics_init(service);
	r = source_open_all(service, err);
	if (r < 0) {
		csn_service_free(service);
		return r;
	}
	*ret_service = service;
	return 0;
}

void csn_service_free(struct csn_service *service)
{
	if (!service)
		return;
	while (service->n_jobs)
		job_drop(service, service->jobs[service->n_jobs - 1]);
	free(service->jobs);
	hold_release_all(service);
	ticking_done(service);
	metrics_close(service);
	csn_inventory_done(&service->inventory);
	free(service->metrics);
	csn_closep(&service->epoll_fd);
	csn_closep(&service->inotify_fd);
	csn_closep(&service->signal_fd);
	csn_closep(&service->timer_fd);
	if (service->control_fd >= 0)
		control_close(&service->host->spool, service->control_fd);
	free(service);
}

int csn_service_add(struct csn_service *service, enum csn_stage stage, const char *uuid,
		    struct csn_error *err)
{
	return job_add(service, stage, uuid, err);
}

size_t csn_service_get_sent(const struct csn_service *service)
{
	return service->n_sent;
}

size_t csn_service_get_failed(const struct csn_service *service)
{
	return service->n_failed;
}
