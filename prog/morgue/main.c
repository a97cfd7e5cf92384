#include "morgue.h"

#include "base/cleanup.h"

int main(int argc, char **argv)
{
	cleanup_(morgue_done) struct morgue morgue = { .timeout_ms = 30000 };
	const struct csn_option options[] = {
		MORGUE_COMMON_OPTIONS(&morgue),
		{ "root", 0, CSN_OPT_STRING, "DIR", "the installation's root, for uninstalled use",
		  &morgue.root },
		{ NULL },
	};
	const struct csn_command commands[] = {
		{ "setup", "URL", "set up a new server", morgue_setup },
		{ "login", "URL", "start a session", morgue_login },
		{ "logout", "", "end it", morgue_logout },
		{ "project", "create NAME | list", "projects", morgue_project },
		{ "projects", "list", "the same", morgue_project },
		{ "token", "create | list | delete ID", "submission and query tokens",
		  morgue_token },
		{ "attribute", "create | delete PROJECT NAME", "declare what can be asked for",
		  morgue_attribute },
		{ "list", "PROJECT", "find crashes, group and count them", morgue_list },
		{ "describe", "PROJECT [REGEX]", "what can be asked for", morgue_describe },
		{ "get", "PROJECT ID...", "fetch objects", morgue_get },
		{ "put", "PROJECT FILE...", "send objects", morgue_put },
		{ NULL },
	};
	const struct csn_program program = {
		.name = "morgue",
		.summary = "Asks and administers an object store.",
		.usages = (const char *const[]){ "morgue [OPTION...] COMMAND [ARGUMENT...]", NULL },
		.options = options,
		.commands = commands,
		.examples =
			(const char *const[]){
				"morgue login https://yourcompany.example.com",
				"morgue list blackhole",
				"morgue list blackhole --factor=fingerprint --head=callstack",
				"morgue list --help",
				NULL,
			},
		.notes = "Exit status: 0, 1 after 'Error: ...', 64 usage.",
		.context = &morgue,
	};
	int first, status = csn_options_parse(&program, argc, argv, &first);

	return status >= 0 ? status : csn_commands_run(&program, argc, argv, first);
}
