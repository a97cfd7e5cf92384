/* What the helper counts, and what the spool's limits make of a crash. */
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "crash.h"

enum csn_admission crash_admit(struct crash *crash, const struct csn_hold *hold)
{
	static const uint8_t nothing[16] = { 0 };
	const struct csn_spool *spool = &crash->archive->spool;
	struct csn_counters counters = { 0 };
	struct csn_counting none = { 0 };
	struct csn_error err;
	bool restarted, first = memcmp(crash->answer.object, nothing, sizeof(nothing)) == 0;
	int r = csn_counters_read(spool, &counters, &err);

	/* Made by root, where the spool's user may not make files. */
	if (r == -CSN_E_NOT_FOUND)
		r = csn_counters_add(spool, &none, &restarted, &err);
	if (r < 0)
		return CSN_ADMIT_ALL;
	crash->n_refused =
		counters.values[CSN_COUNT_REFUSED_SPOOL] + counters.values[CSN_COUNT_REFUSED_SHARE];
	return csn_usage_admit(&counters.usage, &crash->archive->policy.limits, hold->request.uid,
			       first && crash->answer.step == CSN_RATE_FULL, &crash->refused);
}

void crash_count(struct crash *crash, enum csn_counter counter)
{
	crash->count.add[counter]++;
}

void crash_count_refused(struct crash *crash, const char *reason)
{
	static const struct {
		const char *reason;
		enum csn_counter counter;
	} rows[] = {
		{ "rate", CSN_COUNT_REFUSED_RATE },
		{ "quota", CSN_COUNT_REFUSED_QUOTA },
		{ "spool", CSN_COUNT_REFUSED_SPOOL },
		{ "share", CSN_COUNT_REFUSED_SHARE },
		{ "disk-full", CSN_COUNT_REFUSED_DISK_FULL },
		{ "rlimit", CSN_COUNT_REFUSED_RLIMIT },
	};
	size_t i;

	for (i = 0; reason && i < csn_countof(rows); i++)
		if (strcmp(rows[i].reason, reason) == 0)
			crash_count(crash, rows[i].counter);
}

void crash_count_stored(struct crash *crash, int fd, bool notes_only)
{
	struct stat status = { 0 };

	crash_count(crash, notes_only ? CSN_COUNT_KEPT_NOTES : CSN_COUNT_KEPT_FULL);
	(void)fstat(fd, &status);
	crash->count.stored = true;
	crash->count.stored_uid = crash->hold.request.uid;
	crash->count.stored_bytes = (uint64_t)status.st_blocks * 512;
	crash->count.add[CSN_COUNT_ARCHIVED_BYTES] += crash->count.stored_bytes;
}

void crash_tally(struct crash *crash)
{
	struct csn_log *log = &crash->archive->log;
	struct csn_error err;
	bool restarted = false;

	if (crash->archive->fallback.dir_fd >= 0)
		return; /* whoever moves it into the spool counts it */
	crash_count(crash, CSN_COUNT_SEEN);
	if (crash->hold.released_ns)
		csn_count_held(&crash->count, crash->hold.released_ns - crash->hold.began_ns);
	if (csn_counters_add(&crash->archive->spool, &crash->count, &restarted, &err) < 0)
		csn_log(log, LOG_WARNING, "a crash is missing in the counters: %s", err.text);
	else if (restarted)
		csn_log(log, LOG_WARNING, "counters were damaged; they begin again at zero");
}
