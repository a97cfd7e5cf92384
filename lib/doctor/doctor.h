/* The doctor: looks at everything that a crash needs on its way from the kernel to the object
 * store, and says of each thing whether it is well, and if not, the command that mends it.
 *
 * A table of checks, one function each (doctor.c), so that one more check is one more function and
 * one more line. A check reports findings and never fails: what it cannot look at is a finding
 * itself. Nothing is changed by looking; the canary crash (canary.h) is made only when asked for.
 *
 * What is shown may come from strangers (process names, lines of foreign configuration): texts are
 * not escaped here, commands are quoted for a shell. */
#ifndef CSN_DOCTOR_DOCTOR_H
#define CSN_DOCTOR_DOCTOR_H

#include <sys/types.h>

#include "base/error.h"
#include "base/progress.h"
#include "base/types.h"

enum csn_doctor_level { CSN_DOCTOR_OK, CSN_DOCTOR_WARNING, CSN_DOCTOR_PROBLEM };

/* "ok", "warning", "problem". */
const char *csn_doctor_level_name(enum csn_doctor_level level);

struct csn_doctor_finding {
	const char *check; /* its name in the table: "core-pattern" */
	enum csn_doctor_level level;
	const char *text; /* one sentence */
	const char *mend; /* a command line to paste; NULL: none, or none needed */
};

struct csn_doctor_options {
	const char *root, *config; /* as given on the command line; NULL: found */
	pid_t pid;                 /* whose limits and rights to look at too; 0 none */
	const char *user;          /* the same for what a user starts; NULL none */
	bool crash;                /* crash a canary and follow it to the server */
	/* Called for each finding when it is made; its strings live as long as the call. */
	void (*found)(void *context, const struct csn_doctor_finding *finding);
	void *context;
	struct csn_progress_sink progress; /* told what is waited for */
};

/* Runs every check. ret_worst: the highest level found. USAGE for a process or user that does not
 * exist, or a root that is none. */
int csn_doctor_run(const struct csn_doctor_options *options, enum csn_doctor_level *ret_worst,
		   struct csn_error *err) csn_must_check;

#endif
