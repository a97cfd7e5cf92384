#include "host/rescue.h"

#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/limits.h"
#include "spool/counters.h"
#include "spool/fallback.h"

static void rescue_from(const struct csn_host *host, const char *archive_path)
{
	cleanup_(csn_fallback_close) struct csn_fallback place = CSN_FALLBACK_INIT;
	struct csn_counting count = { 0 };
	struct csn_error err = CSN_ERROR_INIT;
	size_t moved = 0;
	bool restarted;

	if (csn_fallback_open(archive_path, false, &place, &err) < 0) {
		if (err.code != CSN_E_NOT_FOUND)
			csn_host_say(host, LOG_WARNING, "%s", err.text);
		return;
	}
	if (csn_fallback_empty(&place, &host->spool, &moved, &err) < 0)
		csn_host_say(host, LOG_ERR, "a crash stays in %s: %s", place.path, err.text);
	if (!moved)
		return;
	csn_host_say(host, LOG_NOTICE, "%zu crash%s moved from %s into %s/pending", moved,
		     moved == 1 ? "" : "es", place.path, host->spool.path);
	count.add[CSN_COUNT_FALLBACK] = count.add[CSN_COUNT_SEEN] = moved;
	if (csn_counters_add(&host->spool, &count, &restarted, &err) < 0)
		csn_host_say(host, LOG_WARNING, "%s", err.text);
}

void csn_rescue(const struct csn_host *host)
{
	char usual[CSN_MAX_PATH];

	if (geteuid() != 0)
		return;
	rescue_from(host, host->conf.archive_path);
	/* A helper that lost its policy with the spool knows the usual place only. */
	csn_root_path(&host->root, CSN_ARCHIVE, usual, sizeof(usual));
	if (strcmp(usual, host->conf.archive_path) != 0)
		rescue_from(host, usual);
}
