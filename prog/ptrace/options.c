/* The table of options. */
#include <string.h>

#include "ptrace.h"

void ptrace_list_options(struct ptrace_options *o, struct csn_option list[PTRACE_MAX_OPTIONS])
{
	const struct csn_option options[] = {
		{ "core", 0, CSN_OPT_STRING, "CORE", "look at this core file", &o->core },
		{ "output", 'o', CSN_OPT_STRING, "FILE",
		  "write exactly this file, or into this folder", &o->output },
		{ "prefix", 'O', CSN_OPT_STRING, "PREFIX", "write PREFIX.PID.EPOCH.btt",
		  &o->prefix },
		{ "format", 0, CSN_OPT_STRING, "btt|json", "what to write", &o->format },
		{ "faulted", 0, CSN_OPT_FLAG, NULL,
		  "details (variables, callers' registers) of faulted threads only", &o->faulted },
		{ "thread", 0, CSN_OPT_LIST, "TID", "only this thread (repeatable)", &o->threads },
		{ "fault-thread", 0, CSN_OPT_STRING, "TID", "this thread is the faulted one",
		  &o->fault_thread },
		{ "classifier", 0, CSN_OPT_LIST, "NAME", "add a classifier (repeatable)",
		  &o->classifiers },
		{ "application", 0, CSN_OPT_STRING, "NAME", "the application attribute",
		  &o->application },
		{ "kv", 0, CSN_OPT_LIST, "K:V[,K:V]", "add attributes (repeatable)", &o->kv },
		{ "resource", 0, CSN_OPT_LIST, "PATH",
		  "attach a text file; look for objects in a folder", &o->resources },
		{ "sysroot", 0, CSN_OPT_STRING, "DIR", "look for files here first", &o->sysroot },
		{ "load", 0, CSN_OPT_LIST, "PREFIX", "store variables of these objects too",
		  &o->load },
		{ "variables", 0, CSN_OPT_STRING, "none|faulted|arguments|all",
		  "of which threads: none, the faulted one, of others only arguments, all",
		  &o->variables },
		CSN_ENGINE_VALUES_OPTIONS(&o->values),
		{ "depth", 0, CSN_OPT_U64, "N", "frames kept per thread (1024; 0: all)",
		  &o->depth },
		{ "budget", 0, CSN_OPT_U64, "N", "frames kept over all threads (0: all)",
		  &o->budget },
		{ "timeout", 0, CSN_OPT_DURATION, "TIME", "stop walking stacks after this time",
		  &o->timeout_seconds },
		{ "kill-after", 0, CSN_OPT_DURATION, "TIME",
		  "end the analysis then, whatever it does, and keep what is known (600 s)",
		  &o->kill_after_seconds },
		{ "debuginfod", 0, CSN_OPT_OPTIONAL, "URLS",
		  "get missing debug files from servers ($DEBUGINFOD_URLS)", &o->debuginfod },
		{ "debuginfod-timeout", 0, CSN_OPT_DURATION, "TIME",
		  "for one such file (10 s; six times that in all)", &o->debuginfod_timeout },
		{ "globals", 0, CSN_OPT_OPTIONAL, "REGEX",
		  "variables outside functions, those whose names match", &o->globals },
		{ "stale-pointer", 0, CSN_OPT_FLAG, NULL,
		  "tell everything in memory that points to what faulted", &o->stale_pointer },
		{ "security", 0, CSN_OPT_FLAG, NULL, "tell code and entries that somebody changed",
		  &o->security },
		{ "source", 0, CSN_OPT_FLAG, NULL, "not in this release", &o->source },
		CSN_SCRIPT_OPTIONS_ROWS(&o->modules),
		{ "privacy", 0, CSN_OPT_STRING, "FILE",
		  "more rules of what is withheld (none: withhold nothing)", &o->privacy },
		{ "config", 0, CSN_OPT_STRING, "FILE", "read options from this file first",
		  &o->config },
		{ "cache", 0, CSN_OPT_STRING, "DIR",
		  "folder for answers about addresses (none: keep none)", &o->cache },
		{ "log-level", 'L', CSN_OPT_STRING, "LEVEL",
		  "what to say on stderr: ERROR, WARNING (default), INFO", &o->log_level },
		{ NULL },
	};

	_Static_assert(csn_countof(options) <= PTRACE_MAX_OPTIONS, "room for all options");
	memcpy(list, options, sizeof(options));
}
