/* One crash on its way into the spool: shared by the files that store, count and explain it. */
#ifndef CORESNAP_ARCHIVE_CRASH_H
#define CORESNAP_ARCHIVE_CRASH_H

#include "archive.h"
#include "base/limits.h"
#include "capture/facts.h"
#include "capture/write.h"
#include "spool/counters.h"
#include "spool/rate.h"

struct crash {
	struct archive *archive;
	struct csn_hold hold;
	struct csn_facts facts;
	struct csn_whole whole; /* full mode */
	char uuid[CSN_UUID_TEXT];
	char who[512];                 /* for log lines */
	uint64_t key;                  /* of the ladder */
	struct csn_rate_answer answer; /* what the ladder says */
	char exe[CSN_MAX_PATH];        /* "" unknown; known only of a crash that is just counted */
	const char *refused;           /* why the spool takes no memory of it; NULL: it does */
	uint64_t n_refused;            /* crashes that it refused before */
	struct csn_counting count;     /* what this crash adds to the counters */
};

/* crash.c: formats the note and writes the core into an empty file, without root. */
int crash_write(struct crash *crash, enum csn_core_memory memory, int fd, struct csn_error *err)
	csn_must_check;

/* crash_count.c */
/* What the spool's limits leave to this crash, from the counters; sets refused. */
enum csn_admission crash_admit(struct crash *crash, const struct csn_hold *hold);
/* Counts why there is less than was asked for: a reason of the note, or of refused. */
void crash_count_refused(struct crash *crash, const char *reason);
/* One more in the counters. */
void crash_count(struct crash *crash, enum csn_counter counter);
/* A core of so many bytes on the disk was stored. */
void crash_count_stored(struct crash *crash, int fd, bool notes_only);
/* Adds all of it to the counters of the spool. */
void crash_tally(struct crash *crash);

/* crash_fallback.c: stores it where there is no spool to be had; still as root. Returns an exit
 * status. */
int crash_fall_back(struct crash *crash);

#endif
