#include "base/cleanup.h"
#include "base/shrink.h"
#include "ptrace.h"

/* What --help shows last. */
static const char ptrace_notes[] =
	"The path of the snapshot is printed on standard output. Variables are of the program and\n"
	"its own libraries; --load adds others by path or name, --load= alone keeps none.\n"
	"--source is not in this release.\n"
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
	struct ptrace_options o = { .format = "btt",
				    .depth = 1024,
				    .debuginfod_timeout = 10,
				    .values = CSN_ENGINE_VALUES_DEFAULT,
				    .modules = CSN_SCRIPT_OPTIONS_DEFAULT };
	struct csn_option options[PTRACE_MAX_OPTIONS];
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

	ptrace_list_options(&o, options);
	if (status < 0)
		status = ptrace_main(&program, &o, argc, words);
	csn_option_list_done(&o.threads);
	csn_option_list_done(&o.classifiers);
	csn_option_list_done(&o.kv);
	csn_option_list_done(&o.resources);
	csn_option_list_done(&o.load);
	csn_script_options_done(&o.modules);
	return status;
}
