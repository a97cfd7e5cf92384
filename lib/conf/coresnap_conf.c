#include "conf/coresnap_conf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/limits.h"
#include "base/limits_host.h"
#include "base/root.h"
#include "base/text.h"
#include "conf/ini.h"

#define MAX_DUMP_BUDGET (64 * CSN_MIB)

/* The key's place in the struct: one row for each plain value. */
enum value_kind {
	VALUE_PATH, /* absolute */
	VALUE_OPTIONAL_PATH,
	VALUE_TEXT,
	VALUE_SIZE,
	VALUE_BOOL,
	VALUE_DURATION,
	VALUE_RATE,
	VALUE_CHOICE, /* an enum */
};

/* In the order of their enums. */
static const char *const mode_words[] = { "minimal", "full", "auto", NULL };
static const char *const keep_words[] = { "none", "failed", "all", NULL };
static const char *const capture_words[] = { "pipe", "socket", "auto", NULL };

static const struct value {
	const char *key;
	enum value_kind kind;
	size_t offset;
	const char *const *words; /* of a choice */
} values[] = {
#define FIELD(name) offsetof(struct csn_coresnap_conf, name)
	{ "archive.path", VALUE_PATH, FIELD(archive_path) },
	{ "coroner.path", VALUE_PATH, FIELD(coroner_path) },
	{ "coroner.config", VALUE_PATH, FIELD(coroner_config) },
	{ "ptrace.path", VALUE_PATH, FIELD(ptrace_path) },
	{ "ptrace.options", VALUE_TEXT, FIELD(ptrace_options) },
	{ "defaults.command", VALUE_OPTIONAL_PATH, FIELD(defaults_command) },
	{ "metrics.path", VALUE_OPTIONAL_PATH, FIELD(metrics_path) },
	{ "metrics.socket", VALUE_OPTIONAL_PATH, FIELD(metrics_socket) },
	{ "spool.bytes", VALUE_SIZE, FIELD(spool_bytes) },
	{ "dump.budget", VALUE_SIZE, FIELD(dump_budget_bytes) },
	{ "dump.full.below", VALUE_SIZE, FIELD(dump_full_below_bytes) },
	{ "dump.files", VALUE_SIZE, FIELD(dump_files_bytes) },
	{ "dump.rate.full", VALUE_RATE, FIELD(rate_full) },
	{ "dump.rate.notes", VALUE_RATE, FIELD(rate_notes) },
	{ "dump.rate.disabled", VALUE_BOOL, FIELD(rate_disabled) },
	{ "core_pattern.manage", VALUE_BOOL, FIELD(core_pattern_manage) },
	{ "dump.mode", VALUE_CHOICE, FIELD(dump_mode), mode_words },
	{ "keep.core", VALUE_CHOICE, FIELD(keep_core), keep_words },
	{ "capture.mode", VALUE_CHOICE, FIELD(capture_mode), capture_words },
	{ "watch.keep", VALUE_BOOL, FIELD(watch_keep) },
	{ "watch.max", VALUE_SIZE, FIELD(watch_max_bytes) },
	{ "retry.min", VALUE_DURATION, FIELD(retry_min_seconds) },
	{ "retry.max", VALUE_DURATION, FIELD(retry_max_seconds) },
	{ "purge.age", VALUE_DURATION, FIELD(purge_age_seconds) },
	{ "purge.disabled", VALUE_BOOL, FIELD(purge_disabled) },
#undef FIELD
};

static int set_text(char **place, const char *text, struct csn_error *err)
{
	char *copy = strdup(text);

	if (!copy)
		return csn_fail_nomem(err);
	free(*place);
	*place = copy;
	return 0;
}

/* "100/10m", "60/h": a count per duration; a bare unit means one of it. */
static int parse_rate(const char *value, struct csn_rate *ret_rate, struct csn_error *err)
{
	const char *slash = strchr(value, '/');
	char number[16], duration[24], shown[80];
	uint64_t count;
	int64_t seconds;

	if (slash && slash - value < (int)sizeof(number)) {
		snprintf(number, sizeof(number), "%.*s", (int)(slash - value), value);
		snprintf(duration, sizeof(duration), "%s%s",
			 slash[1] >= '0' && slash[1] <= '9' ? "" : "1", slash + 1);
		if (csn_parse_u64(number, 10, &count) && count <= UINT32_MAX &&
		    csn_ini_duration(duration, &seconds, NULL) == 0 && seconds > 0 &&
		    seconds <= INT32_MAX) {
			*ret_rate = (struct csn_rate){ (uint32_t)count, (uint32_t)seconds };
			return 0;
		}
	}
	return csn_fail(err, CSN_E_FORMAT, "'%s' is not a rate such as 100/10m or 60/h",
			csn_escape_to(shown, sizeof(shown), value));
}

static int set_path(char **place, const char *value, bool optional, struct csn_error *err)
{
	if (*value != '/' && !(optional && !*value))
		return csn_fail(err, CSN_E_FORMAT, "the path must be absolute");
	if (strlen(value) >= CSN_MAX_PATH)
		return csn_fail(err, CSN_E_LIMIT, "the path is too long");
	return set_text(place, value, err);
}

/* An enum is as wide as an unsigned int. */
static int parse_choice(const char *const *words, const char *value, unsigned *ret_choice,
			struct csn_error *err)
{
	cleanup_(csn_buf_done) struct csn_buf all = CSN_BUF_INIT(CSN_KIB);
	char shown[80];
	unsigned i;

	for (i = 0; words[i]; i++) {
		if (strcmp(words[i], value) == 0) {
			*ret_choice = i;
			return 0;
		}
		csn_buf_printf(&all, "%s%s", i ? ", " : "", words[i]);
	}
	return csn_fail(err, CSN_E_FORMAT, "'%s' is none of %s",
			csn_escape_to(shown, sizeof(shown), value), csn_buf_text(&all));
}

static int set_value(void *context, const char *key, const char *value, struct csn_ini_place place,
		     struct csn_error *err)
{
	size_t i;
	void *field;

	(void)place;
	for (i = 0; i < csn_countof(values) - 1 && strcmp(values[i].key, key) != 0; i++)
		;
	field = (char *)context + values[i].offset;
	switch (values[i].kind) {
	case VALUE_PATH:
		return set_path(field, value, false, err);
	case VALUE_OPTIONAL_PATH:
		return set_path(field, value, true, err);
	case VALUE_TEXT:
		return set_text(field, value, err);
	case VALUE_SIZE:
		return csn_ini_size(value, field, err);
	case VALUE_BOOL:
		return csn_ini_bool(value, field, err);
	case VALUE_DURATION:
		return csn_ini_duration(value, field, err);
	case VALUE_RATE:
		return parse_rate(value, field, err);
	case VALUE_CHOICE:
		return parse_choice(values[i].words, value, field, err);
	}
	return 0;
}

/* "10%", "2.5%", or a size. */
static int set_quota(void *context, const char *key, const char *value, struct csn_ini_place place,
		     struct csn_error *err)
{
	struct csn_coresnap_conf *conf = context;
	size_t length = strlen(value);
	uint64_t bytes;
	double share;
	char shown[80], *end;

	(void)key;
	(void)place;
	if (length < 2 || value[length - 1] != '%') {
		if (csn_ini_size(value, &bytes, NULL) < 0)
			return csn_fail(
				err, CSN_E_FORMAT,
				"'%s' is neither a share such as 10%% nor a size such as 5G",
				csn_escape_to(shown, sizeof(shown), value));
		conf->quota_permyriad = 0;
		conf->quota_bytes = bytes;
		return 0;
	}
	share = strtod(value, &end);
	if (*value < '0' || *value > '9' || strcmp(end, "%") != 0 || share > 100)
		return csn_fail(err, CSN_E_FORMAT, "'%s' is not a share between 0%% and 100%%",
				csn_escape_to(shown, sizeof(shown), value));
	conf->quota_permyriad = (uint32_t)(share * 100 + 0.5);
	conf->quota_bytes = 0;
	return 0;
}

/* A plain number between two others. */
static int parse_number(const char *value, uint64_t least, uint64_t most, uint32_t *ret_number,
			struct csn_error *err)
{
	uint64_t number;
	char shown[80];

	if (!csn_parse_u64(value, 10, &number) || number < least || number > most)
		return csn_fail(err, CSN_E_FORMAT, "'%s' is not a number from %llu to %llu",
				csn_escape_to(shown, sizeof(shown), value),
				(unsigned long long)least, (unsigned long long)most);
	*ret_number = (uint32_t)number;
	return 0;
}

static int set_workers(void *context, const char *key, const char *value,
		       struct csn_ini_place place, struct csn_error *err)
{
	struct csn_coresnap_conf *conf = context;

	(void)key;
	(void)place;
	return parse_number(value, 1, CSN_MAX_WORKERS, &conf->workers, err);
}

static int set_spool_files(void *context, const char *key, const char *value,
			   struct csn_ini_place place, struct csn_error *err)
{
	struct csn_coresnap_conf *conf = context;

	(void)key;
	(void)place;
	return parse_number(value, 0, CSN_MAX_SPOOL_OBJECTS, &conf->spool_files, err);
}

/* "25%" or "25". */
static int set_spool_share(void *context, const char *key, const char *value,
			   struct csn_ini_place place, struct csn_error *err)
{
	struct csn_coresnap_conf *conf = context;
	size_t length = strlen(value);
	char number[8];

	(void)key;
	(void)place;
	if (length > 0 && length < sizeof(number) && value[length - 1] == '%') {
		snprintf(number, sizeof(number), "%.*s", (int)length - 1, value);
		value = number;
	}
	return parse_number(value, 0, 100, &conf->spool_share, err);
}

/* Drops the delimiting slashes: one leading, and with it one closing that is not escaped. */
static char *copy_pattern(const char *text)
{
	size_t length = strlen(text), backslashes = 0;

	if (*text != '/')
		return strdup(text);
	text++;
	length--;
	if (length == 0 || text[length - 1] != '/')
		return strdup(text);
	while (backslashes + 1 < length && text[length - 2 - backslashes] == '\\')
		backslashes++;
	return strndup(text, backslashes % 2 ? length : length - 1);
}

static int add_rule(struct csn_coresnap_conf *conf, const char *project, size_t project_length,
		    char letter, const char *pattern, unsigned line, struct csn_error *err)
{
	struct csn_format_rule *rules;
	struct csn_format_rule rule = { .letter = letter, .line = line };

	if (conf->n_rules >= CSN_MAX_FORMAT_RULES)
		return csn_fail(err, CSN_E_LIMIT, "more than %u format rules",
				CSN_MAX_FORMAT_RULES);
	rules = realloc(conf->rules, (conf->n_rules + 1) * sizeof(*rules));
	if (!rules)
		return csn_fail_nomem(err);
	conf->rules = rules;
	rule.project = strndup(project, project_length);
	rule.pattern = pattern ? copy_pattern(pattern) : NULL;
	rules[conf->n_rules++] = rule;
	return rule.project && (rule.pattern || !pattern) ? 0 : csn_fail_nomem(err);
}

/* One line for each folder. */
static int add_watch_path(void *context, const char *key, const char *value,
			  struct csn_ini_place place, struct csn_error *err)
{
	struct csn_coresnap_conf *conf = context;
	size_t i, length = strlen(value);
	char *path = NULL, **paths;
	int r;

	(void)key;
	(void)place;
	if (conf->n_watch_paths >= CSN_MAX_FINDER_FOLDERS)
		return csn_fail(err, CSN_E_LIMIT, "more than %u folders", CSN_MAX_FINDER_FOLDERS);
	r = set_path(&path, value, false, err);
	if (!path)
		return r;
	while (length > 1 && path[length - 1] == '/')
		path[--length] = '\0';
	paths = realloc(conf->watch_paths, (conf->n_watch_paths + 1) * sizeof(char *));
	if (!paths) {
		free(path);
		return csn_fail_nomem(err);
	}
	conf->watch_paths = paths;
	for (i = 0; i < conf->n_watch_paths && strcmp(paths[i], path) != 0; i++)
		;
	if (i < conf->n_watch_paths)
		free(path); /* once is enough */
	else
		paths[conf->n_watch_paths++] = path;
	return 0;
}

/* "<project> [%e /regex/]" */
static int set_format(void *context, const char *key, const char *value, struct csn_ini_place place,
		      struct csn_error *err)
{
	size_t length = strcspn(value, " \t");
	const char *rest = value + length + strspn(value + length, " \t");
	const char *pattern;
	char shown[80];

	if (strspn(key + 7, "0123456789") != strlen(key + 7))
		return csn_fail(err, CSN_E_FORMAT, "a rule's key reads format.<number>");
	if (length == 0)
		return csn_fail(err, CSN_E_FORMAT, "the project is missing");
	if (!*rest)
		return add_rule(context, value, length, 0, NULL, place.line, err);
	if (rest[0] != '%' || !rest[1] || !strchr(CSN_FORMAT_LETTERS, rest[1]) ||
	    (rest[2] != ' ' && rest[2] != '\t'))
		return csn_fail(err, CSN_E_FORMAT,
				"'%s': a rule reads <project> [%%e|%%f|%%u|%%h|%%s|%%c /regex/]",
				csn_escape_to(shown, sizeof(shown), rest));
	pattern = rest + 2 + strspn(rest + 2, " \t");
	if (!*pattern)
		return csn_fail(err, CSN_E_FORMAT, "the expression behind %%%c is missing",
				rest[1]);
	return add_rule(context, value, length, rest[1], pattern, place.line, err);
}

static const struct csn_ini_key schema[] = {
	{ "", "format.*", set_format },
	{ "", "archive.path", set_value },
	{ "", "coroner.path", set_value },
	{ "", "coroner.config", set_value },
	{ "", "ptrace.path", set_value },
	{ "", "ptrace.options", set_value },
	{ "", "defaults.command", set_value },
	{ "", "metrics.path", set_value },
	{ "", "metrics.socket", set_value },
	{ "", "spool.bytes", set_value },
	{ "", "spool.files", set_spool_files },
	{ "", "spool.share", set_spool_share },
	{ "", "dump.mode", set_value },
	{ "", "dump.budget", set_value },
	{ "", "dump.full.below", set_value },
	{ "", "dump.quota", set_quota },
	{ "", "dump.files", set_value },
	{ "", "dump.rate.full", set_value },
	{ "", "dump.rate.notes", set_value },
	{ "", "dump.rate.disabled", set_value },
	{ "", "keep.core", set_value },
	{ "", "core_pattern.manage", set_value },
	{ "", "capture.mode", set_value },
	{ "", "watch.path", add_watch_path },
	{ "", "watch.keep", set_value },
	{ "", "watch.max", set_value },
	{ "", "retry.min", set_value },
	{ "", "retry.max", set_value },
	{ "", "workers", set_workers },
	{ "daemon", "purge.age", set_value },
	{ "daemon", "purge.disabled", set_value },
	/* The guide's [daemon] section goes to the file's end: these belong there as well. */
	{ "daemon", "retry.min", set_value },
	{ "daemon", "retry.max", set_value },
	{ "daemon", "workers", set_workers },
	{ NULL },
};

static int set_below_root(char **place, const char *root, const char *path, struct csn_error *err)
{
	if (asprintf(place, "%s%s", root, path) < 0) {
		*place = NULL;
		return csn_fail_nomem(err);
	}
	return 0;
}

static int init_conf(struct csn_coresnap_conf *conf, const char *root, struct csn_error *err)
{
	int r;

	*conf = (struct csn_coresnap_conf){
		.dump_mode = CSN_CONF_MINIMAL,
		.dump_budget_bytes = 4 * CSN_MIB,
		.dump_full_below_bytes = 16 * CSN_MIB,
		.dump_files_bytes = 64 * CSN_MIB,
		.quota_permyriad = 1000,
		.spool_bytes = CSN_GIB,
		.spool_files = 2000,
		.spool_share = 25,
		.rate_full = { 100, 600 },
		.rate_notes = { 60, 3600 },
		.keep_core = CSN_KEEP_FAILED,
		.core_pattern_manage = true,
		.watch_max_bytes = 64 * CSN_GIB,
		.purge_age_seconds = 30 * 86400ll,
		.retry_min_seconds = 1,
		.retry_max_seconds = 600,
		.workers = 1,
	};
	r = set_below_root(&conf->archive_path, root, CSN_ARCHIVE, err);
	if (r == 0)
		r = set_below_root(&conf->coroner_path, root, CSN_BIN "/coroner", err);
	if (r == 0)
		r = set_below_root(&conf->coroner_config, root, "/usr/local/etc/coroner.cf", err);
	if (r == 0)
		r = set_below_root(&conf->ptrace_path, root, CSN_BIN "/ptrace", err);
	if (r == 0)
		r = set_below_root(&conf->defaults_command, root, CSN_ETC "/coresnap/defaults",
				   err);
	if (r == 0)
		r = set_text(&conf->ptrace_options, "", err);
	if (r == 0)
		r = set_text(&conf->metrics_path, "", err);
	return r == 0 ? set_text(&conf->metrics_socket, "", err) : r;
}

static bool lies_in(const char *path, const char *folder)
{
	size_t length = strlen(folder);

	return strncmp(path, folder, length) == 0 && (path[length] == '/' || !path[length]);
}

static int check_conf(struct csn_coresnap_conf *conf, struct csn_error *err)
{
	size_t i;

	if (conf->dump_budget_bytes > MAX_DUMP_BUDGET)
		return csn_fail(err, CSN_E_FORMAT, "dump.budget: at most 64M");
	if (conf->retry_min_seconds < 1)
		return csn_fail(err, CSN_E_FORMAT, "retry.min: at least 1s");
	if (conf->retry_max_seconds < conf->retry_min_seconds)
		return csn_fail(err, CSN_E_FORMAT, "retry.max: less than retry.min");
	for (i = 0; i < conf->n_watch_paths; i++)
		if (lies_in(conf->watch_paths[i], conf->archive_path) ||
		    lies_in(conf->archive_path, conf->watch_paths[i]))
			return csn_fail(err, CSN_E_FORMAT,
					"watch.path: %s and archive.path lie within one another",
					conf->watch_paths[i]);
	/* The template's last line, for a file that has no rule at all. */
	if (conf->n_rules == 0)
		return add_rule(conf, "blackhole", strlen("blackhole"), 0, NULL, 0, err);
	return 0;
}

/* Reads from text when it is not NULL, from the file name otherwise. */
static int read_conf(const char *root, const char *name, const char *text,
		     struct csn_coresnap_conf *ret_conf, struct csn_error *err)
{
	struct csn_coresnap_conf conf;
	int r = init_conf(&conf, root, err);

	if (r == 0)
		r = text ? csn_ini_parse(name, text, schema, &conf, err)
			 : csn_ini_read(name, schema, &conf, err);
	if (r == 0) {
		r = check_conf(&conf, err);
		if (r < 0)
			r = csn_wrap(err, "%s", name);
	}
	if (r < 0) {
		csn_coresnap_conf_done(&conf);
		return r;
	}
	*ret_conf = conf;
	return 0;
}

int csn_coresnap_conf_parse(const char *root, const char *name, const char *text,
			    struct csn_coresnap_conf *ret_conf, struct csn_error *err)
{
	return read_conf(root, name, text, ret_conf, err);
}

int csn_coresnap_conf_find(const char *root, const char *given, struct csn_coresnap_conf *ret_conf,
			   struct csn_error *err)
{
	static const char *const places[] = {
		"/usr/local/etc/coresnap/coresnap.conf",
		"/etc/coresnap/coresnap.conf",
	};
	char path[CSN_MAX_PATH];
	size_t i;
	int r;

	if (given) {
		r = read_conf(root, given, NULL, ret_conf, err);
		return r < 0 ? r : set_text(&ret_conf->file, given, err);
	}
	for (i = 0; i < csn_countof(places); i++) {
		snprintf(path, sizeof(path), "%s%s", root, places[i]);
		r = read_conf(root, path, NULL, ret_conf, err);
		if (r == 0)
			return set_text(&ret_conf->file, path, err);
		if (r != -CSN_E_NOT_FOUND)
			return r;
	}
	return read_conf(root, "built-in values", "", ret_conf, err);
}

void csn_coresnap_conf_done(struct csn_coresnap_conf *conf)
{
	size_t i;

	for (i = 0; i < conf->n_rules; i++) {
		free(conf->rules[i].project);
		free(conf->rules[i].pattern);
	}
	free(conf->rules);
	free(conf->file);
	free(conf->archive_path);
	free(conf->coroner_path);
	free(conf->coroner_config);
	free(conf->ptrace_path);
	free(conf->ptrace_options);
	free(conf->defaults_command);
	free(conf->metrics_path);
	for (i = 0; i < conf->n_watch_paths; i++)
		free(conf->watch_paths[i]);
	free(conf->watch_paths);
	free(conf->metrics_socket);
	*conf = (struct csn_coresnap_conf){ 0 };
}
