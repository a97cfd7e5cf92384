#include "conf/ini.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/limits.h"
#include "base/text.h"

struct reader {
	const struct csn_ini_key *schema;
	void *context;
	struct csn_ini_place place;
	char section[64];
};

/* An error at the line being read; the message so far is the reason. */
static int wrap_place(const struct reader *reader, struct csn_error *err)
{
	return csn_wrap(err, "%s:%u", reader->place.file, reader->place.line);
}

static char *trim(char *text)
{
	size_t length;

	while (*text == ' ' || *text == '\t')
		text++;
	length = strlen(text);
	while (length && strchr(" \t\r", text[length - 1]))
		text[--length] = '\0';
	return text;
}

static bool key_matches(const struct csn_ini_key *key, const char *section, const char *name)
{
	size_t length = strlen(key->name);

	if (strcmp(key->section, section) != 0)
		return false;
	if (length && key->name[length - 1] == '*')
		return strncmp(key->name, name, length - 1) == 0 && name[length - 1] != '\0';
	return strcmp(key->name, name) == 0;
}

static const struct csn_ini_key *find_key(const struct reader *reader, const char *name)
{
	const struct csn_ini_key *key;

	for (key = reader->schema; key->section; key++)
		if (key_matches(key, reader->section, name))
			return key;
	return NULL;
}

static bool section_exists(const struct reader *reader, const char *section)
{
	const struct csn_ini_key *key;

	for (key = reader->schema; key->section; key++)
		if (strcmp(key->section, section) == 0)
			return true;
	return false;
}

/* The known key that looks most like name; the right name in another section counts as close. */
static const struct csn_ini_key *nearest_key(const struct reader *reader, const char *name)
{
	const struct csn_ini_key *key, *best = NULL;
	unsigned best_distance = 1000;

	for (key = reader->schema; key->section; key++) {
		unsigned distance = csn_text_distance(key->name, name);

		distance += strcmp(key->section, reader->section) != 0;
		if (strcmp(key->name, "*") != 0 && distance < best_distance) {
			best = key;
			best_distance = distance;
		}
	}
	return best;
}

static int fail_unknown_key(const struct reader *reader, const char *name, struct csn_error *err)
{
	const struct csn_ini_key *near = nearest_key(reader, name);
	char shown[80];

	csn_escape_to(shown, sizeof(shown), name);
	if (!near)
		csn_fail(err, CSN_E_FORMAT, "unknown key '%s'", shown);
	else if (strcmp(near->section, reader->section) == 0)
		csn_fail(err, CSN_E_FORMAT, "unknown key '%s'; the nearest known key is '%s'",
			 shown, near->name);
	else
		csn_fail(err, CSN_E_FORMAT,
			 "unknown key '%s'; the nearest known key is '%s' %s%s%s", shown,
			 near->name, *near->section ? "in [" : "before any [section]",
			 near->section, *near->section ? "]" : "");
	return wrap_place(reader, err);
}

static int fail_unknown_section(const struct reader *reader, const char *section,
				struct csn_error *err)
{
	const struct csn_ini_key *key, *best = NULL;
	unsigned best_distance = 1000;
	char shown[80];

	for (key = reader->schema; key->section; key++) {
		unsigned distance = csn_text_distance(key->section, section);

		if (*key->section && distance < best_distance) {
			best = key;
			best_distance = distance;
		}
	}
	csn_escape_to(shown, sizeof(shown), section);
	if (best)
		csn_fail(err, CSN_E_FORMAT, "unknown section [%s]; the nearest known one is [%s]",
			 shown, best->section);
	else
		csn_fail(err, CSN_E_FORMAT, "unknown section [%s]", shown);
	return wrap_place(reader, err);
}

static int read_header(struct reader *reader, char *line, struct csn_error *err)
{
	char *end = strchr(line, ']');
	char *section;

	if (!end || *trim(end + 1)) {
		csn_fail(err, CSN_E_FORMAT, "a section header reads [name]");
		return wrap_place(reader, err);
	}
	*end = '\0';
	section = trim(line + 1);
	if (strlen(section) >= sizeof(reader->section) || !section_exists(reader, section))
		return fail_unknown_section(reader, section, err);
	memcpy(reader->section, section, strlen(section) + 1);
	return 0;
}

static int read_line(struct reader *reader, char *line, struct csn_error *err)
{
	const struct csn_ini_key *key;
	struct csn_error reason = CSN_ERROR_INIT;
	char *equals, *name, *value;
	char shown[80];

	line = trim(line);
	if (*line == '\0' || *line == '#' || *line == ';')
		return 0;
	if (*line == '[')
		return read_header(reader, line, err);
	equals = strchr(line, '=');
	if (!equals) {
		csn_fail(err, CSN_E_FORMAT, "'%s' is neither 'key = value' nor [section]",
			 csn_escape_to(shown, sizeof(shown), line));
		return wrap_place(reader, err);
	}
	*equals = '\0';
	name = trim(line);
	value = trim(equals + 1);
	key = find_key(reader, name);
	if (!key)
		return fail_unknown_key(reader, name, err);
	if (key->set(reader->context, name, value, reader->place, &reason) == 0)
		return 0;
	csn_fail(err, reason.code, "%s: %s", csn_escape_to(shown, sizeof(shown), name),
		 reason.text);
	return wrap_place(reader, err);
}

int csn_ini_parse(const char *name, const char *text, const struct csn_ini_key *schema,
		  void *context, struct csn_error *err)
{
	struct reader reader = { .schema = schema, .context = context, .place = { name, 0 } };
	cleanup_free char *copy = NULL;
	char *line, *next;
	int r;

	/* Editors on other systems put a byte order mark first. */
	if (strncmp(text, "\xef\xbb\xbf", 3) == 0)
		text += 3;
	copy = strdup(text);
	if (!copy)
		return csn_fail_nomem(err);
	for (line = copy; line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		reader.place.line++;
		r = read_line(&reader, line, err);
		if (r < 0)
			return r;
	}
	return 0;
}

int csn_ini_read(const char *path, const struct csn_ini_key *schema, void *context,
		 struct csn_error *err)
{
	cleanup_(csn_buf_done) struct csn_buf text = CSN_BUF_INIT(CSN_MAX_CONFIG_FILE);
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	int r;

	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return csn_fail(err, CSN_E_NOT_FOUND, "%s: %s", path, strerror(errno));
	if (fd < 0)
		return csn_fail_os(err, errno, "%s", path);
	r = csn_read_fd(fd, path, &text, err);
	if (r < 0)
		return r;
	if (text.size && memchr(text.data, '\0', text.size))
		return csn_fail(err, CSN_E_FORMAT, "%s: holds NUL bytes; it is no text file", path);
	return csn_ini_parse(path, csn_buf_text(&text), schema, context, err);
}

int csn_ini_bool(const char *value, bool *ret_value, struct csn_error *err)
{
	static const struct {
		const char *word;
		bool value;
	} words[] = {
		{ "true", true },   { "yes", true }, { "on", true },   { "1", true },
		{ "false", false }, { "no", false }, { "off", false }, { "0", false },
	};
	char shown[80];
	size_t i;

	for (i = 0; i < csn_countof(words); i++) {
		if (strcasecmp(words[i].word, value) != 0)
			continue;
		*ret_value = words[i].value;
		return 0;
	}
	return csn_fail(err, CSN_E_FORMAT, "'%s' is neither true nor false",
			csn_escape_to(shown, sizeof(shown), value));
}

int csn_ini_size(const char *value, uint64_t *ret_bytes, struct csn_error *err)
{
	static const struct {
		const char *unit;
		uint64_t bytes;
	} units[] = {
		{ "", 1 },
		{ "B", 1 },
		{ "K", CSN_KIB },
		{ "KiB", CSN_KIB },
		{ "kB", 1000 },
		{ "KB", 1000 },
		{ "M", CSN_MIB },
		{ "MiB", CSN_MIB },
		{ "MB", 1000000 },
		{ "G", CSN_GIB },
		{ "GiB", CSN_GIB },
		{ "GB", 1000000000 },
		{ "T", 1024 * CSN_GIB },
		{ "TiB", 1024 * CSN_GIB },
		{ "TB", 1000000000000 },
		{ "k", CSN_KIB },
		{ "m", CSN_MIB },
		{ "g", CSN_GIB },
	};
	size_t digits = strspn(value, "0123456789"), i;
	const char *unit = value + digits + strspn(value + digits, " ");
	char shown[80], number[24];
	uint64_t count;

	csn_escape_to(shown, sizeof(shown), value);
	if (digits && digits < sizeof(number)) {
		memcpy(number, value, digits);
		number[digits] = '\0';
		for (i = 0; i < csn_countof(units) && csn_parse_u64(number, 10, &count); i++) {
			if (strcmp(units[i].unit, unit) != 0)
				continue;
			if (count > UINT64_MAX / units[i].bytes)
				break;
			*ret_bytes = count * units[i].bytes;
			return 0;
		}
	}
	return csn_fail(err, CSN_E_FORMAT, "'%s' is not a size such as 4M, 64MiB or 100kB", shown);
}

int csn_ini_duration(const char *value, int64_t *ret_seconds, struct csn_error *err)
{
	char shown[80];

	if (csn_parse_duration(value, ret_seconds))
		return 0;
	return csn_fail(err, CSN_E_FORMAT, "'%s' is not a duration such as 90s, 12h or 30d",
			csn_escape_to(shown, sizeof(shown), value));
}
