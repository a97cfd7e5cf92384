#include "base/options.h"
#include "coroner.h"

int main(int argc, char **argv)
{
	struct coroner coroner = { 0 };
	const struct csn_option options[] = {
		{ "config", 'c', CSN_OPT_STRING, "FILE",
		  "configuration (default: ~/.coroner.cf, /usr/local/etc/coroner.cf)",
		  &coroner.config },
		{ "root", 0, CSN_OPT_STRING, "DIR", "the installation's root, for uninstalled use",
		  &coroner.root },
		{ NULL },
	};
	const struct csn_command commands[] = {
		{ "put", "PROJECT TOKEN FILE...", "send snapshots", coroner_put },
		{ "tick", "PROJECT TOKEN FILE", "send counted crashes", coroner_tick },
		{ NULL },
	};
	const struct csn_program program = {
		.name = "coroner",
		.summary = "Sends snapshots to the object store.",
		.usages =
			(const char *const[]){ "coroner [OPTION...] COMMAND [ARGUMENT...]", NULL },
		.options = options,
		.commands = commands,
		.examples =
			(const char *const[]){
				"coroner put blackhole blackhole vim.basic.27336.1485210312.btt",
				"coroner -c ./coroner.cf put -u blackhole blackhole *.btt",
				"coroner put --help",
				NULL,
			},
		.notes = "Exit status: 0 sent; 75 try again later; 65 the server or the checks "
			 "refuse the file;\n77 the token is refused; 78 configuration; 64 usage.",
		.context = &coroner,
	};
	int first, status = csn_options_parse(&program, argc, argv, &first);

	return status >= 0 ? status : csn_commands_run(&program, argc, argv, first);
}
