/* Files of rules: "KIND NAME PATTERN" a line, "off NAME", "#" before a comment. */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/limits.h"
#include "base/root.h"
#include "base/text.h"
#include "privacy/privacy_internal.h"

static const struct {
	const char *word;
	enum csn_privacy_kind kind;
	const char *why;
} kinds[] = {
	{ "name", CSN_PRIVACY_NAME, "a name of the site's rules" },
	{ "type", CSN_PRIVACY_TYPE, "a type of the site's rules" },
	{ "text", CSN_PRIVACY_TEXT, "a shape of the site's rules" },
	{ "allow", CSN_PRIVACY_ALLOW, "" },
};

/* The next word, cut off what follows; "" when there is none. */
static char *take_word(char **rest)
{
	char *word = *rest + strspn(*rest, " \t"), *end = word + strcspn(word, " \t");

	*rest = *end ? end + 1 : end;
	*end = '\0';
	return word;
}

static int load_line(struct csn_privacy *privacy, char *line, struct csn_error *err)
{
	const char *kind = take_word(&line), *name = take_word(&line), *pattern;
	char shown[64];

	pattern = line + strspn(line, " \t");
	if (!*kind || *kind == '#')
		return 0;
	if (strcmp(kind, "off") == 0 && *name && !*pattern)
		return csn_privacy_disable(privacy, name)
			       ? 0
			       : csn_fail(err, CSN_E_USAGE, "no rule has the name %s",
					  csn_escape_to(shown, sizeof(shown), name));
	for (size_t i = 0; i < csn_countof(kinds); i++) {
		const struct csn_privacy_rule rule = {
			.kind = kinds[i].kind, .name = name, .pattern = pattern, .why = kinds[i].why
		};

		if (strcmp(kind, kinds[i].word) != 0)
			continue;
		if (!*name || !*pattern)
			break;
		return csn_privacy_add(privacy, &rule, err);
	}
	return csn_fail(err, CSN_E_USAGE,
			"is no rule; write \"name|type|text|allow NAME PATTERN\" or \"off NAME\"");
}

int csn_privacy_load(struct csn_privacy *privacy, const char *text, struct csn_error *err)
{
	cleanup_free char *copy = strdup(text);
	char *rest = copy, *line;
	unsigned number = 0;
	int result = 0;

	if (!copy)
		return csn_fail_nomem(err);
	while (result == 0 && (line = strsep(&rest, "\n"))) {
		line[strcspn(line, "\r")] = '\0';
		number++;
		result = load_line(privacy, line, err);
	}
	if (result < 0)
		return csn_wrap(err, "line %u", number);
	return 0;
}

static int load_file(struct csn_privacy *privacy, const char *path, struct csn_error *err)
{
	cleanup_(csn_buf_done) struct csn_buf text = CSN_BUF_INIT(CSN_MAX_PRIVACY_FILE);
	int result = csn_read_file(AT_FDCWD, path, &text, err);

	if (result == 0 && text.size && memchr(text.data, '\0', text.size))
		result = csn_fail(err, CSN_E_USAGE, "is no file of rules: it is not text");
	if (result == 0)
		result = csn_privacy_load(privacy, csn_buf_text(&text), err);
	return result < 0 ? csn_wrap(err, "%s", path) : 0;
}

int csn_privacy_open(const char *given, struct csn_privacy **ret_privacy, struct csn_error *err)
{
	cleanup_(csn_privacy_freep) struct csn_privacy *privacy = NULL;
	struct csn_root root;
	char path[CSN_MAX_PATH];
	int result;

	if (given && strcmp(given, "none") == 0)
		return 0;
	csn_root_init(&root, NULL);
	csn_root_path(&root, CSN_ETC "/coresnap/privacy.rules", path, sizeof(path));
	result = csn_privacy_new(&privacy, err);
	if (result == 0 && access(path, F_OK) == 0)
		result = load_file(privacy, path, err);
	if (result == 0 && given)
		result = load_file(privacy, given, err);
	if (result == 0)
		*ret_privacy = csn_take(privacy);
	return result;
}
