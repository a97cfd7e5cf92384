/* The engine: a target in, a snapshot out.
 *
 * It makes the module table, walks every thread, names all frames in one batch (functions, inlined
 * functions, source positions), decodes the fault and gathers attributes. What could not be had is
 * said in the snapshot (truncated, warnings, unwind_end) and makes it partial; an error means that
 * there is no snapshot at all. */
#ifndef CSN_ENGINE_ENGINE_H
#define CSN_ENGINE_ENGINE_H

#include "base/json_load.h"
#include "base/opener.h"
#include "base/progress.h"
#include "modules/scripts.h"
#include "privacy/privacy.h"
#include "snapshot/snapshot.h"
#include "target/target.h"

/* Whose variables are stored. */
enum csn_engine_variables {
	CSN_VARIABLES_NONE,
	CSN_VARIABLES_FAULTED,   /* of the faulting thread */
	CSN_VARIABLES_ARGUMENTS, /* of the others too, but only parameters of inner frames */
	CSN_VARIABLES_ALL,
};

/* What values of variables may cost; 0 of a member: no limit but those of base/limits.h. */
struct csn_engine_values {
	uint64_t elements; /* of one array or text */
	uint64_t depth;    /* structures within structures */
	uint64_t follow;   /* pointers in a row that are followed to structures; 0: none */
	uint64_t frames;   /* of one thread, the innermost */
	uint64_t values;   /* in all: variables, their parts, and parts of these */
	uint64_t bytes;    /* of text in all */
	int64_t seconds;
};

#define CSN_ENGINE_VALUES_DEFAULT \
	{ \
		.elements = 200, .depth = 20, .follow = 1, .frames = 256, .values = 200000, \
		.bytes = 1024ull * 1024, .seconds = 5 \
	}

/* All borrowed; zeroed means defaults. */
struct csn_engine_options {
	const char *executable;  /* file of the main program; NULL: found from the target */
	const char *sysroot;     /* folder that holds the files of the process's machine; NULL */
	const char *application; /* attribute; NULL: name of the executable */
	const char *defaults;    /* our own BACKTRACE_DEFAULTS: lines key=value; NULL */
	const char *const *kv;   /* texts "key:value,..." */
	size_t n_kv;
	const char *const *classifiers;
	size_t n_classifiers;
	const char *const *resources; /* files to attach; what is none is passed over */
	size_t n_resources;
	/* Of all files; NULL: they are opened here. What the command line names must be opened by
	 * it as CSN_OPEN_GIVEN. */
	const struct csn_opener *opener;
	bool keep_answers;      /* about addresses, in the opener's cache folder */
	const char *assets;     /* folder of objects by build-id; NULL */
	const int64_t *threads; /* only these; n_threads 0: all */
	size_t n_threads;
	int64_t fault_thread; /* 0: what the target says */
	bool security;        /* look for changes of the program, which reads all of its code */
	bool stale;           /* look for everything that points to what faulted */
	bool faulted;         /* callers' registers for the faulting thread only */
	bool no_registers;    /* of callers: for those who do not show them */
	enum csn_engine_variables variables;
	const struct csn_engine_values *values; /* NULL: CSN_ENGINE_VALUES_DEFAULT */
	/* Expression (PCRE2) for names of variables outside functions that are stored, too; "":
	 * all; NULL: none. */
	const char *globals;
	/* Objects whose variables are stored besides those that are not the system's: beginnings
	 * of paths or file names. One that is empty, alone: of no object at all. */
	const char *const *load;
	size_t n_load;
	/* What ended a first try: now only what needs no object is stored (registers, ends of
	 * stacks, maps, attributes), and this is noted in truncated. NULL: everything. */
	const char *salvage;
	uint64_t depth;                           /* frames kept per thread; 0: no limit */
	uint64_t budget;                          /* frames kept in all; 0: no limit */
	int64_t timeout_seconds;                  /* 0: none */
	struct csn_privacy *privacy;              /* what is withheld; NULL: nothing */
	const struct csn_script_sources *scripts; /* analysis modules; NULL: none */
	struct csn_progress_sink progress;
	/* Brings files by build-id that are not on this machine; an error other than NOT_FOUND is
	 * told in the snapshot. May be NULL. */
	int (*fetch)(void *context, bool executable, const uint8_t *build_id, size_t size_bytes,
		     int *ret_fd, char ret_path[CSN_MAX_PATH], struct csn_error *err);
	void *fetch_context;
};

/* What there is to look at, in two steps: csn_engine_open needs the rights of whoever runs us and
 * reads nothing that a stranger wrote; csn_engine_read does, and needs no rights any more. Between
 * them a program may give its rights up. */
struct csn_engine_subject {
	int core_fd;               /* owned; -1: a living process */
	const char *core;          /* borrowed; its path */
	struct csn_target *target; /* owned; a living process: seized, copied and let go by then */
	json_t *facts;             /* owned; of a living process, what /proc said */
	char executable[64];       /* of a living process whose path leads elsewhere; "" */
};

#define CSN_ENGINE_SUBJECT_INIT \
	{ \
		.core_fd = -1 \
	}

/* Opens what a command line names: a core file, or the process of pid_text when core is NULL.
 * Errors say what and what next, without the name. */
int csn_engine_open(const char *pid_text, const char *core, struct csn_engine_subject *ret_subject,
		    struct csn_error *err) csn_must_check;
/* Reads the core; subject->target is there afterwards. */
int csn_engine_read(struct csn_engine_subject *subject, struct csn_error *err) csn_must_check;
/* The descriptor that csn_engine_read and what comes after need. */
int csn_engine_subject_fd(const struct csn_engine_subject *subject);
/* What reading it maps. */
uint64_t csn_engine_subject_bytes(const struct csn_engine_subject *subject);
void csn_engine_subject_done(struct csn_engine_subject *subject);

/* The first of the resources that is a folder, for csn_engine_options.assets; NULL none. */
const char *csn_engine_find_assets(const char *const *resources, size_t n_resources);

/* The folder of answers: given, or what $CORESNAP_CACHE names, or "coresnap" in the user's cache
 * folder ($XDG_CACHE_HOME, else $HOME/.cache). Writes it to out and returns that; NULL when there
 * is to be none ("none", "") or no home. */
const char *csn_engine_cache_folder(const char *given, char *out, size_t size_bytes);

/* What a program wants to tell about the run. */
struct csn_engine_stats {
	uint64_t modules_ns, unwind_ns, names_ns, variables_ns, analyze_ns;
	size_t n_frames, n_addresses;
};

/* ret_stats may be NULL. USAGE: an option does not fit the target (no such thread, bad kv). */
int csn_engine_snapshot(struct csn_engine_subject *subject,
			const struct csn_engine_options *options,
			struct csn_snapshot **ret_snapshot, struct csn_engine_stats *ret_stats,
			struct csn_error *err) csn_must_check;

/* When that cannot be made either: what is known without reading anything of the subject, and why.
 */
int csn_engine_blank_snapshot(const struct csn_engine_subject *subject,
			      const struct csn_engine_options *options,
			      struct csn_snapshot **ret_snapshot, struct csn_error *err)
	csn_must_check;

/* Something is missing from it: exit status 1 of the programs. */
bool csn_engine_is_partial(const struct csn_snapshot *snapshot);

#endif
