/* INI configuration with a schema: coresnap.conf, coroner.cf.
 *
 * `key = value` lines, `[section]` headers, comments from `#` at the line's start. The schema is a
 * table; an unknown key or a bad value is an error that names file, line and the nearest known
 * key. Values are trimmed. A file is read whole (CSN_MAX_CONFIG_FILE). */
#ifndef CSN_CONF_INI_H
#define CSN_CONF_INI_H

#include "base/error.h"
#include "base/types.h"

struct csn_ini_place {
	const char *file;
	unsigned line;
};

struct csn_ini_key {
	const char *section; /* "" before any header */
	const char *name;    /* exact, "*" for any name (tokens), or a prefix as in "format.*" */
	/* Called per line, in file order; key is the name as written. Fails with a reason only
	 * ("not a size"); the reader adds file and line. */
	int (*set)(void *context, const char *key, const char *value, struct csn_ini_place place,
		   struct csn_error *err);
};

/* schema ends with a NULL section. context goes to every set. NOT_FOUND (with code OS/ENOENT text)
 * when the file is missing. */
int csn_ini_read(const char *path, const struct csn_ini_key *schema, void *context,
		 struct csn_error *err) csn_must_check;
/* The same from text; name stands for the file in messages. */
int csn_ini_parse(const char *name, const char *text, const struct csn_ini_key *schema,
		  void *context, struct csn_error *err) csn_must_check;

/* Value parsers with clear refusals. */
int csn_ini_bool(const char *value, bool *ret_value, struct csn_error *err) csn_must_check;
/* "4M", "64MiB", "100kB", bytes without a unit. */
int csn_ini_size(const char *value, uint64_t *ret_bytes, struct csn_error *err) csn_must_check;
/* "30d", "12h": seconds. */
int csn_ini_duration(const char *value, int64_t *ret_seconds, struct csn_error *err) csn_must_check;

#endif
