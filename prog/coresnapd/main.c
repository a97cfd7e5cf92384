#include "base/options.h"
#include "daemon.h"

int main(int argc, char **argv)
{
	struct daemon_options o = { 0 };
	const struct csn_option options[] = {
		{ "foreground", 'f', CSN_OPT_FLAG, NULL, "stay in the foreground, log to stderr",
		  &o.foreground },
		{ "config", 'c', CSN_OPT_STRING, "FILE",
		  "configuration (default: coresnap.conf in /usr/local/etc/coresnap, "
		  "/etc/coresnap)",
		  &o.config },
		{ "root", 0, CSN_OPT_STRING, "DIR", "the installation's root, for uninstalled use",
		  &o.root },
		{ NULL },
	};
	const struct csn_program program = {
		.name = "coresnapd",
		.summary = "Analyses the crashes that wait in the spool and sends them.",
		.usages = (const char *const[]){ "coresnapd [OPTION...]", NULL },
		.options = options,
		.examples =
			(const char *const[]){
				"service coresnapd start",
				"coresnapd -f --config ./coresnap.conf",
				NULL,
			},
		.notes = "SIGHUP reads the configuration again, SIGTERM stops; crashes wait in the "
			 "spool meanwhile.\nExit status: 0 stopped; 69 one runs already; 71 a "
			 "system "
			 "error; 77 not allowed;\n78 configuration; 64 usage.",
	};
	int first, status = csn_options_parse(&program, argc, argv, &first);

	if (status >= 0)
		return status;
	if (first < argc)
		return csn_usage_error(&program, "takes no operand: '%s'", argv[first]);
	return daemon_run(&o);
}
