#include "doctor/settings.h"

#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/limits.h"
#include "base/text.h"
#include "doctor/doctor_internal.h"

#define MAX_LINE 1024
#define MAX_FILES 512

bool csn_settings_next_line(const char **text, const char *end, char *line, size_t line_size)
{
	const char *start = *text, *stop;
	size_t length;

	if (start >= end)
		return false;
	stop = memchr(start, '\n', (size_t)(end - start));
	*text = stop ? stop + 1 : end;
	length = (size_t)((stop ? stop : end) - start);
	if (length >= line_size)
		length = line_size - 1;
	memcpy(line, start, length);
	line[length] = '\0';
	return true;
}

static char *trim(char *text)
{
	size_t length;

	text += strspn(text, " \t\r");
	length = strlen(text);
	while (length && strchr(" \t\r", text[length - 1]))
		text[--length] = '\0';
	return text;
}

/* ---- sysctl.d ---- */

/* Whoever writes the name begins with a slash or a dot: the first separator decides. */
static bool is_key(const char *name, const char *key)
{
	for (; *name && *key; name++, key++)
		if (*name != *key && !(*key == '.' && *name == '/'))
			return false;
	return *name == *key;
}

bool csn_sysctl_find(const char *text, size_t size, const char *key, char *value, size_t value_size)
{
	const char *end = text + size;
	char line[MAX_LINE], *name, *equals;
	bool found = false;

	while (csn_settings_next_line(&text, end, line, sizeof(line))) {
		name = trim(line);
		if (*name == '#' || *name == ';')
			continue;
		equals = strchr(name, '=');
		if (!equals)
			continue;
		*equals = '\0';
		name = trim(name + (*name == '-'));
		if (!is_key(name, key))
			continue;
		snprintf(value, value_size, "%s", trim(equals + 1));
		found = true;
	}
	return found;
}

static bool look_into(const char *path, const char *key, struct csn_setting *setting)
{
	cleanup_(csn_buf_done) struct csn_buf text = CSN_BUF_INIT(0);

	return doctor_read_text(path, &text) &&
	       csn_sysctl_find(csn_buf_text(&text), text.size, key, setting->value,
			       sizeof(setting->value)) &&
	       (size_t)snprintf(setting->path, sizeof(setting->path), "%s", path) <
		       sizeof(setting->path);
}

/* A file of the same name in a folder before this one hides it. */
static bool is_hidden(const char *const *folders, const char *const *folder, const char *name)
{
	char path[CSN_MAX_PATH];

	for (; folders < folder; folders++) {
		snprintf(path, sizeof(path), "%s/%s", *folders, name);
		if (access(path, F_OK) == 0)
			return true;
	}
	return false;
}

/* On some systems one folder is a link to another. */
static bool is_known(const struct csn_setting *found, size_t n, const char *path)
{
	cleanup_free char *real = realpath(path, NULL);
	size_t i;

	for (i = 0; real && i < n; i++) {
		cleanup_free char *other = realpath(found[i].path, NULL);

		if (other && strcmp(other, real) == 0)
			return true;
	}
	return false;
}

static size_t look_into_folder(const char *const *folders, const char *const *folder,
			       const char *key, struct csn_setting *found, size_t n)
{
	cleanup_closedir DIR *dir = opendir(*folder);
	char path[CSN_MAX_PATH];
	struct dirent *entry;
	int left = MAX_FILES;

	while (dir && n < CSN_MAX_SETTINGS && left-- > 0 && (entry = readdir(dir))) {
		size_t length = strlen(entry->d_name);

		if (length < 5 || strcmp(entry->d_name + length - 5, ".conf") != 0 ||
		    is_hidden(folders, folder, entry->d_name))
			continue;
		snprintf(path, sizeof(path), "%s/%s", *folder, entry->d_name);
		if (look_into(path, key, &found[n]) && !is_known(found, n, path))
			n++;
	}
	return n;
}

size_t csn_settings_find(const char *const *folders, const char *extra, const char *key,
			 struct csn_setting found[CSN_MAX_SETTINGS])
{
	const char *const *folder;
	size_t n = 0;

	for (folder = folders; *folder; folder++)
		n = look_into_folder(folders, folder, key, found, n);
	if (n < CSN_MAX_SETTINGS && look_into(extra, key, &found[n]) && !is_known(found, n, extra))
		n++;
	return n;
}

/* ---- limits ---- */

/* The next word of a line, cut out of it; NULL at its end. */
static char *next_word(char **line)
{
	char *word = *line + strspn(*line, " \t\r");
	size_t length = strcspn(word, " \t\r");

	if (!length)
		return NULL;
	*line = word + length + (word[length] != '\0');
	word[length] = '\0';
	return word;
}

static bool parse_limit(const char *text, uint64_t unit, uint64_t *ret_bytes)
{
	static const char *const words[] = { "unlimited", "infinity", "-1" };
	uint64_t value;

	if (csn_find_word(words, csn_countof(words), text) >= 0) {
		*ret_bytes = CSN_UNLIMITED;
		return true;
	}
	if (!csn_parse_u64(text, 10, &value))
		return false;
	*ret_bytes = value > UINT64_MAX / unit ? CSN_UNLIMITED : value * unit;
	return true;
}

bool csn_core_limit_of_process(const char *text, size_t size, struct csn_core_limit *ret_limit)
{
	static const char name[] = "Max core file size";
	const char *end = text + size;
	char line[MAX_LINE], *at, *soft, *hard;

	while (csn_settings_next_line(&text, end, line, sizeof(line))) {
		if (strncmp(line, name, sizeof(name) - 1) != 0)
			continue;
		at = line + sizeof(name) - 1;
		soft = next_word(&at);
		hard = soft ? next_word(&at) : NULL;
		return hard && parse_limit(soft, 1, &ret_limit->soft) &&
		       parse_limit(hard, 1, &ret_limit->hard);
	}
	return false;
}

static bool parse_systemd_size(char *text, uint64_t *ret_bytes)
{
	static const char units[] = "KMGTPE";
	size_t length = strlen(text);
	const char *unit = length ? strchr(units, text[length - 1]) : NULL;
	uint64_t factor = 1;

	if (unit) {
		factor = 1ull << (10 * (unit - units + 1));
		text[length - 1] = '\0';
	}
	return parse_limit(text, factor, ret_bytes);
}

bool csn_core_limit_of_systemd(const char *text, size_t size, struct csn_core_limit *ret_limit)
{
	static const char name[] = "DefaultLimitCORE=";
	const char *end = text + size;
	char line[MAX_LINE], *value, *colon;
	struct csn_core_limit limit;
	bool found = false;

	while (csn_settings_next_line(&text, end, line, sizeof(line))) {
		value = trim(line);
		if (strncmp(value, name, sizeof(name) - 1) != 0)
			continue;
		value += sizeof(name) - 1;
		colon = strchr(value, ':');
		if (colon)
			*colon++ = '\0';
		else
			colon = value;
		if (!parse_systemd_size(value, &limit.soft))
			continue;
		limit.hard = limit.soft;
		if (colon != value && !parse_systemd_size(colon, &limit.hard))
			continue;
		*ret_limit = limit;
		found = true;
	}
	return found;
}

static bool in_group(const struct csn_limits_person *person, const char *name)
{
	size_t i;

	for (i = 0; person->groups[i]; i++)
		if (strcmp(person->groups[i], name) == 0)
			return true;
	return false;
}

/* "1000:", ":999", "1000:2000". */
static bool in_range(const char *text, uint64_t id)
{
	char low[24] = "", *colon;
	uint64_t min = 0, max = UINT64_MAX;

	if (strlen(text) >= sizeof(low))
		return false;
	memcpy(low, text, strlen(text) + 1);
	colon = strchr(low, ':');
	if (!colon)
		return false;
	*colon++ = '\0';
	if ((*low && !csn_parse_u64(low, 10, &min)) || (*colon && !csn_parse_u64(colon, 10, &max)))
		return false;
	return (*low || *colon) && id >= min && id <= max;
}

/* 0: the line is not for this person. Root is meant by its name only. */
static int rank_of(const struct csn_limits_person *person, const char *domain)
{
	if (strcmp(domain, person->name) == 0 || in_range(domain, person->uid))
		return 3;
	if (person->uid == 0)
		return 0;
	if (*domain == '@' && (in_group(person, domain + 1) || in_range(domain + 1, person->gid)))
		return 2;
	return strcmp(domain, "*") == 0 ? 1 : 0;
}

static void apply(struct csn_limits_state *state, int which, int rank, uint64_t bytes,
		  const char *domain, const char *type)
{
	uint64_t *place = which ? &state->limit.hard : &state->limit.soft;

	if (rank < state->rank[which])
		return;
	*place = bytes;
	state->rank[which] = rank;
	snprintf(state->line[which], sizeof(state->line[which]), "%s %s core", domain, type);
}

void csn_limits_conf_read(const char *text, size_t size, const struct csn_limits_person *person,
			  struct csn_limits_state *state)
{
	const char *end = text + size;
	char line[MAX_LINE], *at, *domain, *type, *item, *value;
	uint64_t bytes;
	int rank;

	while (csn_settings_next_line(&text, end, line, sizeof(line))) {
		line[strcspn(line, "#")] = '\0';
		at = line;
		domain = next_word(&at);
		type = domain ? next_word(&at) : NULL;
		item = type ? next_word(&at) : NULL;
		value = item ? next_word(&at) : NULL;
		if (!value || strcmp(item, "core") != 0 || !parse_limit(value, 1024, &bytes))
			continue;
		rank = rank_of(person, domain);
		if (!rank)
			continue;
		if (strcmp(type, "soft") == 0 || strcmp(type, "-") == 0)
			apply(state, 0, rank, bytes, domain, type);
		if (strcmp(type, "hard") == 0 || strcmp(type, "-") == 0)
			apply(state, 1, rank, bytes, domain, type);
	}
}
