/* ptrace: its options, and the steps of its main. */
#ifndef PTRACE_PTRACE_H
#define PTRACE_PTRACE_H

#include "base/options.h"
#include "engine/value_options.h"
#include "modules/script_options.h"

struct ptrace_options {
	const char *core, *output, *prefix, *application, *format, *log_level, *fault_thread;
	const char *globals, *cache, *sysroot, *privacy, *config, *variables;
	struct csn_script_options modules;
	struct csn_option_list threads, classifiers, kv, resources, load;
	bool faulted, stale_pointer, security, source;
	uint64_t depth, budget;
	struct csn_engine_values values;
	int64_t timeout_seconds, kill_after_seconds; /* 0: the default */
	const char *debuginfod;                      /* NULL: not wanted */
	int64_t debuginfod_timeout;
};

/* options.c: the options and where their values go. */
#define PTRACE_MAX_OPTIONS 64
void ptrace_list_options(struct ptrace_options *options,
			 struct csn_option list[PTRACE_MAX_OPTIONS]);

/* config.c: puts the options of a --config FILE before those of the command line. *ret_argv is
 * malloc'ed, its words live as long as the program. Exit status, or -1 to go on. */
int ptrace_read_config(int argc, char **argv, int *ret_argc, char ***ret_argv);

/* run.c: returns the exit status. */
int ptrace_run(const struct ptrace_options *options, const char *pid, const char *executable);

#endif
