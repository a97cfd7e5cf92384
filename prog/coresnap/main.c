#include "coresnap.h"

int main(int argc, char **argv)
{
	struct coresnap coresnap = { 0 };
	const struct csn_option options[] = {
		{ "config", 'c', CSN_OPT_STRING, "FILE",
		  "configuration (default: coresnap.conf in /usr/local/etc/coresnap, "
		  "/etc/coresnap)",
		  &coresnap.config },
		{ "root", 0, CSN_OPT_STRING, "DIR", "the installation's root, for uninstalled use",
		  &coresnap.root },
		{ NULL },
	};
	const struct csn_command commands[] = {
		{ "list", NULL, "crashes that are not done", coresnap_list },
		{ "retry", "all|STAGE/UUID...", "process them now", coresnap_retry },
		{ "status", NULL, "daemon, kernel, spool, what fails and what to do",
		  coresnap_show_status },
		{ "doctor", NULL, "check everything, and say how to mend it", coresnap_doctor },
		{ "show", "UUID", "everything known of one crash", coresnap_show },
		{ "purge", "[STAGE/UUID...]", "remove old or named objects", coresnap_purge },
		{ "enable", NULL, "make the kernel send crashes here", coresnap_enable },
		{ "disable", NULL, "put core_pattern back", coresnap_disable },
		{ NULL },
	};
	const struct csn_program program = {
		.name = "coresnap",
		.summary = "Shows and manages the crashes of this host.",
		.usages =
			(const char *const[]){ "coresnap [OPTION...] COMMAND [ARGUMENT...]", NULL },
		.options = options,
		.commands = commands,
		.examples =
			(const char *const[]){
				"coresnap list",
				"coresnap retry pending/84605573",
				"coresnap status",
				"coresnap list --help",
				NULL,
			},
		.notes = "Exit status: 0 done; 1 doctor: something was found; 66 no such object; "
			 "71 a system error; 75 tried, and "
			 "failed again;\n77 not allowed (core_pattern cannot be written); "
			 "78 configuration; 64 usage.",
		.context = &coresnap,
	};
	int first, status = csn_options_parse(&program, argc, argv, &first);

	return status >= 0 ? status : csn_commands_run(&program, argc, argv, first);
}
