#include "base/options.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "base/version.h"

#define HELP_COLUMN 30

void csn_option_list_done(struct csn_option_list *list)
{
	free(list->items);
	*list = (struct csn_option_list){ 0 };
}

int csn_usage_error(const struct csn_program *program, const char *format, ...)
{
	va_list args;

	fprintf(stderr, "%s: ", program->name);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, "\nTry '%s --help'.\n", program->name);
	return CSN_EXIT_USAGE;
}

static void print_option(FILE *out, const char *name, char letter, enum csn_option_kind kind,
			 const char *value, const char *help)
{
	char left[128];
	int n;

	if (letter)
		n = snprintf(left, sizeof(left), "  -%c, --%s", letter, name);
	else
		n = snprintf(left, sizeof(left), "      --%s", name);
	if (kind == CSN_OPT_OPTIONAL)
		n += snprintf(left + n, sizeof(left) - (size_t)n, "[=%s]", value);
	else if (kind != CSN_OPT_FLAG)
		n += snprintf(left + n, sizeof(left) - (size_t)n, "=%s", value);
	if (n < HELP_COLUMN - 1)
		fprintf(out, "%-*s%s\n", HELP_COLUMN, left, help);
	else
		fprintf(out, "%s\n%*s%s\n", left, HELP_COLUMN, "", help);
}

static void print_commands(FILE *out, const struct csn_command *commands)
{
	char left[128];

	fputs("\nCommands:\n", out);
	for (; commands->name; commands++) {
		snprintf(left, sizeof(left), "  %s %s", commands->name,
			 commands->arguments ? commands->arguments : "");
		if (strlen(left) < HELP_COLUMN - 1)
			fprintf(out, "%-*s%s\n", HELP_COLUMN, left, commands->summary);
		else
			fprintf(out, "%s\n%*s%s\n", left, HELP_COLUMN, "", commands->summary);
	}
}

static void print_help(FILE *out, const struct csn_program *program)
{
	const struct csn_option *option;
	size_t i;

	for (i = 0; program->usages[i]; i++)
		fprintf(out, "%s %s\n", i ? "      " : "Usage:", program->usages[i]);
	fprintf(out, "%s\n", program->summary);
	if (program->commands)
		print_commands(out, program->commands);
	fputs("\nOptions:\n", out);
	for (option = program->options; option && option->name; option++)
		if (!option->hidden)
			print_option(out, option->name, option->letter, option->kind, option->value,
				     option->help);
	print_option(out, "help", 'h', CSN_OPT_FLAG, NULL, "print this help");
	print_option(out, "version", 'V', CSN_OPT_FLAG, NULL, "print the version");
	print_option(out, "completion", 0, CSN_OPT_STRING, "SHELL",
		     "print completion code for bash, zsh or fish");
	if (program->examples) {
		fputs("\nExamples:\n", out);
		for (i = 0; program->examples[i]; i++)
			fprintf(out, "  %s\n", program->examples[i]);
	}
	if (program->notes)
		fprintf(out, "\n%s\n", program->notes);
}

static void print_words(FILE *out, const struct csn_program *program, const char *separator)
{
	const struct csn_command *command;
	const struct csn_option *option;

	fputs("--help", out);
	fprintf(out, "%s--version", separator);
	for (option = program->options; option && option->name; option++)
		if (!option->hidden)
			fprintf(out, "%s--%s", separator, option->name);
	for (command = program->commands; command && command->name; command++)
		fprintf(out, "%s%s", separator, command->name);
}

/* Behind a command, what its own --help declares. */
static void print_bash_commands(const struct csn_program *program)
{
	const struct csn_command *command;

	printf("_%s() {\n\tlocal words='", program->name);
	print_words(stdout, program, " ");
	printf("' i\n\tfor ((i = 1; i < COMP_CWORD; i++)); do\n"
	       "\t\tcase ${COMP_WORDS[i]} in");
	for (command = program->commands; command->name; command++)
		printf("%s%s", command == program->commands ? " " : " | ", command->name);
	printf(")\n\t\t\twords=$(\"${COMP_WORDS[0]}\" \"${COMP_WORDS[i]}\" --help 2>/dev/null |\n"
	       "\t\t\t\tsed -n 's/^ *\\(-., \\)\\?\\(--[a-z][a-z_-]*\\).*/\\2/p')\n\t\t\tbreak "
	       ";;\n\t\tesac\n\tdone\n"
	       "\tCOMPREPLY=($(compgen -W \"$words\" -- \"${COMP_WORDS[COMP_CWORD]}\"))\n}\n"
	       "complete -o default -F _%s %s\n",
	       program->name, program->name);
}

static int print_completion(const struct csn_program *program, const char *shell)
{
	if (strcmp(shell, "bash") == 0 && program->commands) {
		print_bash_commands(program);
	} else if (strcmp(shell, "bash") == 0) {
		printf("complete -o default -W '");
		print_words(stdout, program, " ");
		printf("' %s\n", program->name);
	} else if (strcmp(shell, "zsh") == 0) {
		printf("#compdef %s\ncompadd -- ", program->name);
		print_words(stdout, program, " ");
		printf("\n_files\n");
	} else if (strcmp(shell, "fish") == 0) {
		printf("complete -c %s -a '", program->name);
		print_words(stdout, program, " ");
		printf("'\n");
	} else {
		return csn_usage_error(program, "--completion: '%s' is not bash, zsh or fish",
				       shell);
	}
	return 0;
}

static int list_add(struct csn_option_list *list, const char *item)
{
	const char **items = realloc(list->items, (list->count + 1) * sizeof(*items));

	if (!items)
		return CSN_EXIT_OS;
	list->items = items;
	list->items[list->count++] = item;
	return -1;
}

static int store(const struct csn_program *program, const struct csn_option *option,
		 const char *value)
{
	switch (option->kind) {
	case CSN_OPT_FLAG:
		*(bool *)option->place = true;
		return -1;
	case CSN_OPT_STRING:
	case CSN_OPT_OPTIONAL:
		*(const char **)option->place = value ? value : "";
		return -1;
	case CSN_OPT_LIST:
		return list_add(option->place, value);
	case CSN_OPT_U64:
		if (csn_parse_u64(value, 0, option->place))
			return -1;
		return csn_usage_error(program, "--%s: '%s' is not a number", option->name, value);
	case CSN_OPT_DURATION:
		if (csn_parse_duration(value, option->place))
			return -1;
		return csn_usage_error(program,
				       "--%s: '%s' is not a duration such as 90s, 12h or 30d",
				       option->name, value);
	}
	return -1;
}

static const struct csn_option *find_long(const struct csn_program *program, const char *name,
					  size_t length)
{
	const struct csn_option *option;

	for (option = program->options; option && option->name; option++)
		if (strlen(option->name) == length && strncmp(option->name, name, length) == 0)
			return option;
	return NULL;
}

static const struct csn_option *find_letter(const struct csn_program *program, char letter)
{
	const struct csn_option *option;

	for (option = program->options; option && option->name; option++)
		if (option->letter == letter)
			return option;
	return NULL;
}

static const char *nearest_option(const struct csn_program *program, const char *name)
{
	const struct csn_option *option;
	const char *best = NULL;
	unsigned best_distance = 4;

	for (option = program->options; option && option->name; option++) {
		unsigned distance = csn_text_distance(option->name, name);

		if (!option->hidden && distance < best_distance) {
			best = option->name;
			best_distance = distance;
		}
	}
	return best;
}

/* The words every program knows. Returns an exit status, or -1 when it is none of them. */
static int builtin_option(const struct csn_program *program, const char *word, const char *next)
{
	if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
		print_help(stdout, program);
		return 0;
	}
	if (strcmp(word, "--version") == 0 || strcmp(word, "-V") == 0) {
		printf("%s %s\n", program->name, CSN_VERSION);
		return 0;
	}
	if (strncmp(word, "--completion=", 13) == 0)
		return print_completion(program, word + 13);
	if (strcmp(word, "--completion") == 0)
		return print_completion(program, next ? next : "");
	return -1;
}

static int parse_long(const struct csn_program *program, char **argv, int argc, int *at)
{
	const char *name = argv[*at] + 2, *equals = strchr(name, '=');
	size_t length = equals ? (size_t)(equals - name) : strlen(name);
	const struct csn_option *option = find_long(program, name, length);
	const char *near;

	if (!option) {
		near = nearest_option(program, name);
		if (near)
			return csn_usage_error(program,
					       "unknown option '--%.*s'; did you mean '--%s'?",
					       (int)length, name, near);
		return csn_usage_error(program, "unknown option '--%.*s'", (int)length, name);
	}
	if (option->kind == CSN_OPT_FLAG && equals)
		return csn_usage_error(program, "--%s takes no value", option->name);
	if (option->kind == CSN_OPT_FLAG || equals || option->kind == CSN_OPT_OPTIONAL)
		return store(program, option, equals ? equals + 1 : NULL);
	if (*at + 1 >= argc)
		return csn_usage_error(program, "--%s needs a value (%s)", option->name,
				       option->value);
	return store(program, option, argv[++*at]);
}

static int parse_letters(const struct csn_program *program, char **argv, int argc, int *at)
{
	const char *letters = argv[*at] + 1;
	int status;

	for (; *letters; letters++) {
		const struct csn_option *option = find_letter(program, *letters);

		if (!option)
			return csn_usage_error(program, "unknown option '-%c'", *letters);
		if (option->kind != CSN_OPT_FLAG && letters[1])
			return store(program, option, letters + 1);
		if (option->kind == CSN_OPT_FLAG || option->kind == CSN_OPT_OPTIONAL) {
			status = store(program, option, NULL);
			if (status >= 0)
				return status;
			continue;
		}
		if (*at + 1 >= argc)
			return csn_usage_error(program, "-%c needs a value (%s)", *letters,
					       option->value);
		return store(program, option, argv[++*at]);
	}
	return -1;
}

int csn_options_parse(const struct csn_program *program, int argc, char **argv, int *ret_first)
{
	int at, n_operands = 0, status;

	for (at = 1; at < argc; at++) {
		char *word = argv[at];

		if (strcmp(word, "--") == 0) {
			at++;
			break;
		}
		if (word[0] != '-' || word[1] == '\0') {
			if (program->commands)
				break;
			argv[1 + n_operands++] = word;
			continue;
		}
		if (word[1] != '-' && find_letter(program, word[1]))
			status = parse_letters(program, argv, argc, &at);
		else {
			status = builtin_option(program, word, at + 1 < argc ? argv[at + 1] : NULL);
			if (status < 0)
				status = word[1] == '-' ? parse_long(program, argv, argc, &at)
							: parse_letters(program, argv, argc, &at);
		}
		if (status >= 0)
			return status;
	}
	/* The operands seen so far slide to stand right before the rest. */
	memmove(argv + at - n_operands, argv + 1, (size_t)n_operands * sizeof(*argv));
	*ret_first = at - n_operands;
	return -1;
}

int csn_commands_run(const struct csn_program *program, int argc, char **argv, int first)
{
	const struct csn_command *command, *nearest = NULL;
	unsigned best = 4;

	if (first >= argc) {
		print_help(stderr, program);
		return CSN_EXIT_USAGE;
	}
	for (command = program->commands; command->name; command++) {
		unsigned distance = csn_text_distance(command->name, argv[first]);

		if (distance == 0)
			return command->run(argc - first, argv + first, program->context);
		if (distance < best) {
			best = distance;
			nearest = command;
		}
	}
	if (nearest)
		return csn_usage_error(program, "unknown command '%s'; did you mean '%s'?",
				       argv[first], nearest->name);
	return csn_usage_error(program, "unknown command '%s'", argv[first]);
}
