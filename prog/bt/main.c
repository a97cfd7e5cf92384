#include "base/cleanup.h"
#include "base/shrink.h"
#include "bt.h"

static void bt_options_done(struct bt_options *options)
{
	csn_script_options_done(&options->modules);
}

int main(int argc, char **argv)
{
	cleanup_(bt_options_done) struct bt_options o = { .depth = 1024,
							  .debuginfod_timeout = 10,
							  .values = CSN_ENGINE_VALUES_DEFAULT,
							  .modules = CSN_SCRIPT_OPTIONS_DEFAULT };
	const struct csn_option options[] = {
		{ "core", 0, CSN_OPT_STRING, "CORE", "look at this core file", &o.core },
		{ "verbose", 'v', CSN_OPT_FLAG, NULL,
		  "variables, registers, how each frame was found", &o.verbose },
		{ "faulted", 0, CSN_OPT_FLAG, NULL, "only faulted threads", &o.faulted },
		{ "json", 0, CSN_OPT_FLAG, NULL, "the whole snapshot as JSON", &o.json },
		{ "no-source", 0, CSN_OPT_FLAG, NULL, "objects instead of source positions",
		  &o.no_source },
		{ "sysroot", 0, CSN_OPT_STRING, "DIR", "look for files here first", &o.sysroot },
		{ "depth", 0, CSN_OPT_U64, "N", "frames kept per thread (1024; 0: all)", &o.depth },
		{ "variables", 0, CSN_OPT_STRING, "none|faulted|arguments|all",
		  "with -v: of which threads, and of others only arguments (all)", &o.variables },
		{ "globals", 0, CSN_OPT_OPTIONAL, "REGEX",
		  "variables outside functions, those whose names match", &o.globals },
		CSN_ENGINE_VALUES_OPTIONS(&o.values),
		{ "cache", 0, CSN_OPT_STRING, "DIR",
		  "folder for answers about addresses (none: keep none)", &o.cache },
		CSN_SCRIPT_OPTIONS_ROWS(&o.modules),
		{ "privacy", 0, CSN_OPT_STRING, "FILE",
		  "more rules of what is withheld (none: withhold nothing)", &o.privacy },
		{ "debuginfod", 0, CSN_OPT_OPTIONAL, "URLS",
		  "get missing debug files from servers ($DEBUGINFOD_URLS)", &o.debuginfod },
		{ "debuginfod-timeout", 0, CSN_OPT_DURATION, "TIME",
		  "for one such file (10 s; six times that in all)", &o.debuginfod_timeout },
		{ NULL },
	};
	const struct csn_program program = {
		.name = "bt",
		.summary = "Prints the stacks of a process, a core file or a snapshot.",
		.usages = (const char *const[]){ "bt [OPTION...] PID",
						 "bt [OPTION...] --core CORE [EXE]",
						 "bt [OPTION...] SNAPSHOT", NULL },
		.options = options,
		.examples = (const char *const[]){ "bt 1234", "bt --core core.1234",
						   "bt --faulted vim.1234.1485210312.btt", NULL },
		.notes = "Exit status: 0 whole; 1 printed, but partial; 2 failed; 64 usage.",
	};
	int first, n, status = csn_options_parse(&program, argc, argv, &first);

	if (status >= 0)
		return status;
	n = argc - first;
	if (o.core ? n > 1 : n != 1)
		return csn_usage_error(&program,
				       o.core ? "one executable at most"
					      : "give a process id, --core or a snapshot");
	csn_shrink_guard_install();
	return bt_run(&o, n ? argv[first] : NULL);
}
