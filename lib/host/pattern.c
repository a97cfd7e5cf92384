/* Whether the kernel's crashes still come here. A change of core_pattern is an inotify event of its
 * file in /proc; as other kernels may not report it, it is also read after each crash and hourly.
 * Nothing is put back: whoever changed it had the right to, and a log line, a metric and
 * `coresnap status` say it. */
#include <sys/inotify.h>
#include <syslog.h>

#include "base/clock.h"
#include "host/core_pattern.h"
#include "host/service_internal.h"
#include "spool/kernel_pattern.h"

#define CHECK_NS (3600 * CSN_NS_PER_SECOND)

void pattern_watch(struct csn_service *service)
{
	bool managed = service->host->conf.core_pattern_manage;

	if (service->pattern_wd > 0)
		(void)inotify_rm_watch(service->inotify_fd, service->pattern_wd);
	/* Where it cannot be watched the other checks remain. */
	service->pattern_wd =
		managed ? inotify_add_watch(service->inotify_fd, CSN_CORE_PATTERN_FILE, IN_MODIFY)
			: -1;
	service->pattern_due_ns = managed ? 0 : INT64_MAX;
	if (!managed)
		service->pattern_state = PATTERN_UNKNOWN;
}

static void say_change(struct csn_service *service, const struct csn_core_pattern *pattern)
{
	if (service->pattern_state == PATTERN_OURS)
		csn_host_say(service->host, LOG_NOTICE, "core_pattern is ours: crashes come here");
	else
		csn_host_say(service->host, LOG_ERR,
			     "core_pattern is '%s', not ours: crashes do not come here; run "
			     "'coresnap enable'",
			     pattern->text);
}

void pattern_check(struct csn_service *service)
{
	struct csn_core_pattern pattern;
	struct csn_error ignored;
	enum pattern_state was = service->pattern_state;

	service->pattern_due_ns = csn_monotonic_ns() + CHECK_NS;
	if (csn_core_pattern_get(&pattern, &ignored) < 0)
		return;
	service->pattern_state = csn_core_pattern_is_of_root(pattern.text, &service->host->root)
					 ? PATTERN_OURS
					 : PATTERN_OTHER;
	/* At the start only what is wrong is told. */
	if (service->pattern_state != was &&
	    (was != PATTERN_UNKNOWN || service->pattern_state == PATTERN_OTHER))
		say_change(service, &pattern);
}
