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

/* Writes the lines of text as command-line words to room, which has two dashes and a NUL for each.
 */
static void ptrace_append_config(const char *text, char *room, char **words, int *n)
{
	for (const char *line = text, *end; *line; line = *end ? end + 1 : end) {
		size_t length;

		end = strchrnul(line, '\n');
		line += strspn(line, " \t");
		length = line < end ? (size_t)(end - line) : 0;
		while (length && strchr(" \t\r", line[length - 1]))
			length--;
		if (!length || *line == '#')
			continue;
		words[(*n)++] = room;
		room = mempcpy(room, "--", 2);
		room = mempcpy(room, line, length);
		*room++ = '\0';
	}
}

int ptrace_read_config(int argc, char **argv, int *ret_argc, char ***ret_argv)
{
	cleanup_(csn_buf_done) struct csn_buf text = CSN_BUF_INIT(CSN_MAX_CONFIG_FILE);
	const char *path = ptrace_find_config(argc, argv);
	struct csn_error err = CSN_ERROR_INIT;
	cleanup_free char **words = NULL;
	size_t n_lines = 1, n_words;
	int n = 0;

	if (path && csn_read_file(AT_FDCWD, path, &text, &err) < 0) {
		fprintf(stderr, "ptrace: %s: %s; check the path given to --config\n", path,
			err.text);
		return CSN_EXIT_USAGE;
	}
	for (const char *at = csn_buf_text(&text); *at; at++)
		n_lines += *at == '\n';
	/* The words of the file stand behind the array, so that one free ends all of it. */
	n_words = (size_t)argc + n_lines + 1;
	words = calloc(1, n_words * sizeof(*words) + text.size + 3 * n_lines);
	if (!words) {
		fputs("ptrace: out of memory; try again\n", stderr);
		return 2;
	}
	if (argc > 0)
		words[n++] = argv[0];
	ptrace_append_config(csn_buf_text(&text), (char *)(words + n_words), words, &n);
	for (int i = 1; i < argc; i++)
		words[n++] = argv[i];
	*ret_argc = n;
	*ret_argv = csn_take(words);
	return -1;
}
