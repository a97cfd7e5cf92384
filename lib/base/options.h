/* Command lines as tables: one table parses, prints --help and the shell completion.
 *
 * A program fills a struct csn_program with its options (and commands, if it has any), calls
 * csn_options_parse and gets its values in its own options struct: each csn_option points at the
 * place to fill. --help, --version and --completion bash|zsh|fish are built in.
 *
 *	struct bt_options o = { 0 };
 *	const struct csn_option options[] = {
 *		{ "core", 0, CSN_OPT_STRING, "CORE", "read this core file", &o.core },
 *		{ "verbose", 'v', CSN_OPT_FLAG, NULL, "variables too", &o.verbose },
 *		{ NULL },
 *	};
 */
#ifndef CSN_BASE_OPTIONS_H
#define CSN_BASE_OPTIONS_H

#include "base/error.h"
#include "base/types.h"

/* Exit statuses of sysexits.h that our programs use. */
#define CSN_EXIT_USAGE 64
#define CSN_EXIT_DATA 65
#define CSN_EXIT_UNAVAILABLE 69
#define CSN_EXIT_OS 71
#define CSN_EXIT_TEMPORARY 75
#define CSN_EXIT_DENIED 77
#define CSN_EXIT_CONFIG 78

enum csn_option_kind {
	CSN_OPT_FLAG,     /* bool * */
	CSN_OPT_STRING,   /* const char **; last one wins; borrowed from argv */
	CSN_OPT_LIST,     /* struct csn_option_list *; repeatable */
	CSN_OPT_OPTIONAL, /* const char **; --name or --name=VALUE; "" without a value */
	CSN_OPT_U64,      /* uint64_t * */
	CSN_OPT_DURATION, /* int64_t *, seconds */
};

struct csn_option_list {
	const char **items; /* owned, csn_option_list_done */
	size_t count;
};

struct csn_option {
	const char *name; /* long name without dashes; NULL ends the table */
	char letter;      /* 0 = none */
	enum csn_option_kind kind;
	const char *value; /* what --help calls the value */
	const char *help;
	void *place;
	bool hidden; /* parsed, but not shown (compatibility spellings) */
};

struct csn_command {
	const char *name; /* NULL ends the table */
	const char *arguments;
	const char *summary;
	/* argv[0] is the command's name; context is csn_program.context. Returns an exit status. */
	int (*run)(int argc, char **argv, void *context);
};

struct csn_program {
	const char *name;
	const char *summary;                /* one line */
	const char *const *usages;          /* "bt PID", ...; NULL-terminated */
	const struct csn_option *options;   /* may be NULL */
	const struct csn_command *commands; /* may be NULL */
	const char *const *examples; /* "bt 1234", "# comment"; NULL-terminated; may be NULL */
	const char *notes;           /* exit statuses and such; may be NULL */
	void *context;
};

/* Parses argv, leaving the operands in argv[*ret_first..argc). Options may stand between operands
 * (as with GNU), except when the program has commands: then parsing stops at the first operand.
 * Returns -1 to go on, or an exit status to leave with (0 after --help, 64 after a usage error
 * already reported on stderr). */
int csn_options_parse(const struct csn_program *program, int argc, char **argv, int *ret_first)
	csn_must_check;

/* Finds argv[first] in the command table and runs it; an unknown one is answered with the nearest
 * name and 64. Without operands prints the help on stderr and returns 64. */
int csn_commands_run(const struct csn_program *program, int argc, char **argv, int first);

/* "program: message" and "Try 'program --help'." on stderr; returns CSN_EXIT_USAGE. */
int csn_usage_error(const struct csn_program *program, const char *format, ...) csn_printf(2, 3);

void csn_option_list_done(struct csn_option_list *list);

#endif
