#include "base/cleanup.h"
#include "base/shrink.h"
#include "ptrace.h"

/* What --help shows last. */
static const char ptrace_notes[] =
	"The path of the snapshot is printed on standard output. Variables are of the program and\n"
	"its own libraries; --load adds others by path or name, --load= alone keeps none. "
	"--globals,\n"
	"--stale-pointer, --security and --source are not in this release.\n"
	"Exit status: 0 whole; 1 written, but partial; 2 failed; 64 usage.";

static int ptrace_main(const struct csn_program *program, struct ptrace_options *options, int argc,
		       char **argv)
{
	int first, n, status = csn_options_parse(program, argc, argv, &first);

	if (status >= 0)
		return status;
	n = argc - first;
	if (options->core ? n > 1 : n != 1)
		return csn_usage_error(program, options->core ? "one executable at most"
							      : "give a process id or --core");
	csn_shrink_guard_install();
	return options->core ? ptrace_run(options, NULL, n ? argv[first] : NULL)
			     : ptrace_run(options, argv[first], NULL);
}

int main(int argc, char **argv)
{
	struct ptrace_options o = { .format = "btt", .depth = 1024, .debuginfod_timeout = 10 };
	const char *config = NULL;
	const struct csn_option options[] = {
		{ "core", 0, CSN_OPT_STRING, "CORE", "look at this core file", &o.core },
		{ "output", 'o', CSN_OPT_STRING, "FILE",
		  "write exactly this file, or into this folder", &o.output },
		{ "prefix", 'O', CSN_OPT_STRING, "PREFIX", "write PREFIX.PID.EPOCH.btt",
		  &o.prefix },
		{ "format", 0, CSN_OPT_STRING, "btt|json", "what to write", &o.format },
		{ "faulted", 0, CSN_OPT_FLAG, NULL,
		  "details (variables, callers' registers) of faulted threads only", &o.faulted },
		{ "thread", 0, CSN_OPT_LIST, "TID", "only this thread (repeatable)", &o.threads },
		{ "fault-thread", 0, CSN_OPT_STRING, "TID", "this thread is the faulted one",
		  &o.fault_thread },
		{ "classifier", 0, CSN_OPT_LIST, "NAME", "add a classifier (repeatable)",
		  &o.classifiers },
		{ "application", 0, CSN_OPT_STRING, "NAME", "the application attribute",
		  &o.application },
		{ "kv", 0, CSN_OPT_LIST, "K:V[,K:V]", "add attributes (repeatable)", &o.kv },
		{ "resource", 0, CSN_OPT_LIST, "PATH",
		  "attach a text file; look for objects in a folder", &o.resources },
		{ "sysroot", 0, CSN_OPT_STRING, "DIR", "look for files here first", &o.sysroot },
		{ "load", 0, CSN_OPT_LIST, "PREFIX", "store variables of these objects too",
		  &o.load },
		{ "depth", 0, CSN_OPT_U64, "N", "frames kept per thread (1024; 0: all)", &o.depth },
		{ "budget", 0, CSN_OPT_U64, "N", "frames kept over all threads (0: all)",
		  &o.budget },
		{ "timeout", 0, CSN_OPT_DURATION, "TIME", "stop walking stacks after this time",
		  &o.timeout_seconds },
		{ "debuginfod", 0, CSN_OPT_OPTIONAL, "URLS",
		  "get missing debug files from servers ($DEBUGINFOD_URLS)", &o.debuginfod },
		{ "debuginfod-timeout", 0, CSN_OPT_DURATION, "TIME",
		  "for one such file (10 s; six times that in all)", &o.debuginfod_timeout },
		{ "globals", 0, CSN_OPT_OPTIONAL, "REGEX", "not in this release", &o.globals },
		{ "stale-pointer", 0, CSN_OPT_FLAG, NULL, "not in this release", &o.stale_pointer },
		{ "security", 0, CSN_OPT_FLAG, NULL, "not in this release", &o.security },
		{ "source", 0, CSN_OPT_FLAG, NULL, "not in this release", &o.source },
		{ "config", 0, CSN_OPT_STRING, "FILE", "read options from this file first",
		  &config },
		{ "cache", 0, CSN_OPT_STRING, "DIR",
		  "folder for answers about addresses (none: keep none)", &o.cache },
		{ "log-level", 'L', CSN_OPT_STRING, "LEVEL",
		  "what to say on stderr: ERROR, WARNING (default), INFO", &o.log_level },
		{ NULL },
	};
	const struct csn_program program = {
		.name = "ptrace",
		.summary = "Makes a snapshot of a process or a core file.",
		.usages = (const char *const[]){ "ptrace [OPTION...] PID",
						 "ptrace [OPTION...] --core CORE [EXE]", NULL },
		.options = options,
		.examples =
			(const char *const[]){
				"ptrace 1234", "ptrace --core core.1234 /usr/bin/vim.basic",
				"ptrace --kv version:1.2,dc:east -o hang.btt 1234", NULL },
		.notes = ptrace_notes,
	};
	cleanup_free char **words = NULL;
	int status = ptrace_read_config(argc, argv, &argc, &words);

	if (status < 0)
		status = ptrace_main(&program, &o, argc, words);
	csn_option_list_done(&o.threads);
	csn_option_list_done(&o.classifiers);
	csn_option_list_done(&o.kv);
	csn_option_list_done(&o.resources);
	csn_option_list_done(&o.load);
	return status;
}
