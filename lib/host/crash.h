/* What the host knows of one crash that is not done: who died, and what went wrong since.
 *
 * It comes from the object's state file, else from the core's CORESNAP note, else from the
 * snapshot; a crash of which nothing is known is still a crash. The state file is a convenience of
 * `coresnap status` and of routing after a restart: losing it loses no evidence. Strings come from
 * the dead and are escaped where they are shown. Owned; free with csn_crash_done. */
#ifndef CSN_HOST_CRASH_H
#define CSN_HOST_CRASH_H

#include "base/error.h"
#include "base/types.h"
#include "spool/spool.h"

struct csn_crash {
	char uuid[CSN_UUID_TEXT];
	char *exe;      /* path of the executable without " (deleted)"; NULL unknown */
	char *program;  /* its file name, else the process's name; NULL unknown */
	char *hostname; /* NULL unknown, as the next two */
	char *user;     /* name, else number */
	char *container;
	char *defaults;  /* BACKTRACE_DEFAULTS of an unprivileged process; NULL none */
	char *found_at;  /* where watch mode found the core; NULL: the kernel gave it to us */
	int64_t uid;     /* of the process; -1 unknown */
	bool suppressed; /* notes only: a crash loop, or the spool held too much */
	int signal;      /* 0 unknown */
	int64_t time_ns; /* since the epoch, of the crash; 0 unknown */

	/* What went wrong last; attempts is 0 when nothing did. */
	unsigned attempts;
	unsigned blamed; /* of these, analyses that failed by what the object is */
	char step[16];   /* "ptrace", "coroner" */
	int exit_status;
	char *reason;        /* one line, unescaped */
	int64_t next_try_ns; /* since the epoch */
	char *project;       /* where it was to be sent; NULL not yet */
};

/* Fills what can be found; never fails for lack of knowledge. */
int csn_crash_load(const struct csn_spool *spool, enum csn_stage stage, const char *uuid,
		   struct csn_crash *ret_crash, struct csn_error *err) csn_must_check;
/* Writes the state file. */
int csn_crash_save(const struct csn_spool *spool, const struct csn_crash *crash,
		   struct csn_error *err) csn_must_check;
/* Removes the state file; missing is fine. */
void csn_crash_forget(const struct csn_spool *spool, const char *uuid);
void csn_crash_done(struct csn_crash *crash);

/* "SIGABRT"; "" for no signal. */
const char *csn_crash_signal_name(const struct csn_crash *crash);
/* user from the number of one; out of range: none. */
int csn_crash_set_user(struct csn_crash *crash, int64_t uid, struct csn_error *err) csn_must_check;
/* Replaces the text of one of the owned strings. */
int csn_crash_set(char **place, const char *text, struct csn_error *err) csn_must_check;

#endif
