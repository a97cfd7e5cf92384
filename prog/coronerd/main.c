#include <stdio.h>

#include "base/version.h"
#include "coronerd.h"

int main(int argc, char **argv)
{
	struct coronerd_options coronerd = { 0 };
	const struct csn_option options[] = {
		{ "foreground", 'f', CSN_OPT_FLAG, NULL,
		  "stay in the foreground and log to standard error", &coronerd.foreground },
		{ "config", 'c', CSN_OPT_STRING, "FILE",
		  "configuration (default: /etc/coronerd/coronerd.conf when it exists)",
		  &coronerd.config },
		{ "data", 0, CSN_OPT_STRING, "DIR", "data folder (default: /var/lib/coronerd)",
		  &coronerd.data },
		{ "listen", 0, CSN_OPT_LIST, "ADDR:PORT",
		  "serve everything here, in the clear, in place of the configured listeners; "
		  "port 0 takes a free one",
		  &coronerd.listen },
		{ "root", 0, CSN_OPT_STRING, "DIR", "the installation's root, for uninstalled use",
		  &coronerd.root },
		{ "print-version", 'v', CSN_OPT_FLAG, NULL, "the same as --version",
		  &coronerd.show_version, true },
		{ NULL },
	};
	const struct csn_command commands[] = {
		{ "client-config", "[--project P]...",
		  "make submission tokens and print a ready coroner.cf", coronerd_client_config },
		{ NULL },
	};
	const struct csn_program program = {
		.name = "coronerd",
		.summary = "The object store: takes snapshots in and answers queries.",
		.usages = (const char *const[]){ "coronerd [OPTION...]",
						 "coronerd [OPTION...] client-config [--project P]",
						 NULL },
		.options = options,
		.commands = commands,
		.examples =
			(const char *const[]){
				"coronerd -f",
				"coronerd -f --data /tmp/objects --listen 127.0.0.1:0",
				"coronerd client-config --project blackhole",
				NULL,
			},
		.notes =
			"Exit status: 0 stopped; 64 usage; 69 a port or the data folder is taken;\n"
			"71 the system refused; 78 wrong configuration.",
		.context = &coronerd,
	};
	int first, status = csn_options_parse(&program, argc, argv, &first);

	if (status < 0 && coronerd.show_version) {
		printf("coronerd %s\n", CSN_VERSION);
		status = 0;
	}
	if (status < 0)
		status = first < argc ? csn_commands_run(&program, argc, argv, first)
				      : coronerd_serve(&coronerd);
	csn_option_list_done(&coronerd.listen);
	return status;
}
