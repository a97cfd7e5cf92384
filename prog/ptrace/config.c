/* --config FILE: one option per line as on the command line without the dashes, "kv=dc:east" or
 * "faulted"; blank lines and # comments. The command line comes after it and wins. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/limits.h"
#include "ptrace.h"

static const char *ptrace_find_config(int argc, char **argv)
{
	static const char name[] = "--config";
	size_t length = sizeof(name) - 1;

	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
		if (strncmp(argv[i], name, length) != 0)
			continue;
		if (argv[i][length] == '=')
			return argv[i] + length + 1;
		if (!argv[i][length] && i + 1 < argc)
			return argv[i + 1];
	}
	return NULL;
}

/* A line as a command-line word; "" for a line without an option. */
static char *ptrace_config_word(const char *line, size_t length)
{
	char *word = NULL;

	while (length && strchr(" \t", *line)) {
		line++;
		length--;
	}
	while (length && strchr(" \t\r", line[length - 1]))
		length--;
	if (!length || *line == '#')
		return strdup("");
	return asprintf(&word, "--%.*s", (int)length, line) < 0 ? NULL : word;
}

static int ptrace_append_config(const char *text, char **words, int *n)
{
	for (const char *line = text, *end; *line; line = *end ? end + 1 : end) {
		char *word;

		end = strchrnul(line, '\n');
		word = ptrace_config_word(line, (size_t)(end - line));
		if (!word)
			return 2;
		if (*word)
			words[(*n)++] = word;
		else
			free(word);
	}
	return -1;
}

int ptrace_read_config(int argc, char **argv, int *ret_argc, char ***ret_argv)
{
	cleanup_(csn_buf_done) struct csn_buf text = CSN_BUF_INIT(CSN_MAX_CONFIG_FILE);
	const char *path = ptrace_find_config(argc, argv);
	struct csn_error err = CSN_ERROR_INIT;
	cleanup_free char **words = NULL;
	size_t n_lines = 1;
	int n = 0, status = -1;

	if (path && csn_read_file(AT_FDCWD, path, &text, &err) < 0) {
		fprintf(stderr, "ptrace: %s: %s; check the path given to --config\n", path,
			err.text);
		return CSN_EXIT_USAGE;
	}
	for (const char *at = csn_buf_text(&text); *at; at++)
		n_lines += *at == '\n';
	words = calloc((size_t)argc + n_lines + 1, sizeof(*words));
	if (!words)
		return 2;
	if (argc > 0)
		words[n++] = argv[0];
	if (path)
		status = ptrace_append_config(csn_buf_text(&text), words, &n);
	for (int i = 1; i < argc; i++)
		words[n++] = argv[i];
	*ret_argc = n;
	*ret_argv = csn_take(words);
	return status;
}
