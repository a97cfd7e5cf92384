/* The service's figures for Prometheus' text collector (metrics.path), written when they change. */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "host/service_internal.h"

static void format_figures(const struct csn_service *service, struct csn_buf *out)
{
	size_t counts[CSN_N_STAGES] = { 0 }, i;

	for (i = 0; i < service->n_jobs; i++)
		counts[service->jobs[i]->stage]++;
	csn_buf_printf(out,
		       "# TYPE coresnap_objects gauge\n"
		       "coresnap_objects{stage=\"pending\"} %zu\n"
		       "coresnap_objects{stage=\"sending\"} %zu\n"
		       "# TYPE coresnap_sent_total counter\n"
		       "coresnap_sent_total %zu\n"
		       "# TYPE coresnap_failed_tries_total counter\n"
		       "coresnap_failed_tries_total %zu\n"
		       "# TYPE coresnap_kernel_refused_total counter\n"
		       "coresnap_kernel_refused_total %llu\n"
		       "# TYPE coresnap_below_quota gauge\n"
		       "coresnap_below_quota %d\n"
		       "# TYPE coresnap_core_pattern_ours gauge\n"
		       "coresnap_core_pattern_ours %d\n",
		       counts[CSN_STAGE_PENDING], counts[CSN_STAGE_SENDING], service->n_sent,
		       service->n_failed, (unsigned long long)service->n_refused,
		       service->below_quota ? 1 : 0,
		       service->pattern_state == PATTERN_OTHER ? 0 : 1);
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

void metrics_write(struct csn_service *service)
{
	const char *path = service->host->conf.metrics_path;
	cleanup_(csn_buf_done) struct csn_buf text = CSN_BUF_INIT(sizeof(service->metrics) - 1);
	struct csn_error err = CSN_ERROR_INIT;

	if (!*path || service->once)
		return;
	format_figures(service, &text);
	if (!csn_buf_ok(&text) || strcmp(csn_buf_text(&text), service->metrics) == 0)
		return;
	memcpy(service->metrics, text.data, text.size + 1);
	if (publish(path, &text, &err) < 0)
		csn_host_say(service->host, LOG_WARNING, "metrics: %s", err.text);
}
