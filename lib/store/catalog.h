/* The catalog: universe, users, projects, tokens, sessions and every other configured thing, as
 * typed rows; the first of the store's ops records.
 *
 * One table (csn_config_types) says which types there are, with which fields and key; the engine
 * makes its tables from it, the API its schema. A row is a JSON object with every field of its
 * type. Secrets never leave the catalog: passwords are Argon2id hashes, tokens and sessions are
 * kept as SHA-256 and shown once.
 *
 * Threads: any. Each change is durable when the function returns. */
#ifndef CSN_STORE_CATALOG_H
#define CSN_STORE_CATALOG_H

#include "base/json_load.h"
#include "base/types.h"

struct csn_store;

enum csn_field_kind { CSN_FIELD_INTEGER, CSN_FIELD_TEXT, CSN_FIELD_BLOB };

struct csn_field {
	const char *name; /* NULL ends the list */
	enum csn_field_kind kind;
	bool key;    /* part of the primary key */
	bool serial; /* integer assigned by the catalog */
	bool secret; /* written, never read back */
};

#define CSN_CONFIG_FIELDS_MAX 16

struct csn_config_type {
	const char *name; /* "project" */
	bool internal;    /* of the server's own: not offered by the API */
	struct csn_field fields[CSN_CONFIG_FIELDS_MAX];
};

/* Ends with a NULL name. */
const struct csn_config_type *csn_config_types(void);
const struct csn_config_type *csn_config_type_find(const char *name);

struct csn_catalog_ops {
	const char *name;
	void (*close)(void *state);
	int (*begin)(void *state, struct csn_error *err);
	int (*commit)(void *state, struct csn_error *err);
	void (*rollback)(void *state);
	/* where: members that must be equal, NULL for all rows. Secrets included. Array of rows. */
	int (*select)(void *state, const struct csn_config_type *type, const json_t *where,
		      json_t **ret_rows, struct csn_error *err);
	/* Missing fields become null; serials are assigned. Returns the row. USAGE: key is taken.
	 */
	int (*insert)(void *state, const struct csn_config_type *type, const json_t *row,
		      json_t **ret_row, struct csn_error *err);
	/* NOT_FOUND when no row has the key. */
	int (*update)(void *state, const struct csn_config_type *type, const json_t *key,
		      const json_t *fields, struct csn_error *err);
	int (*remove)(void *state, const struct csn_config_type *type, const json_t *key,
		      struct csn_error *err);
};

struct csn_catalog {
	const struct csn_catalog_ops *ops;
	void *state;
};

/* Opens or makes the file and brings its schema forward. UNSUPPORTED when a newer version wrote it.
 */
int csn_catalog_open_sqlite(const char *path, struct csn_catalog *ret_catalog,
			    struct csn_error *err) csn_must_check;

/* Names are at most this long, NUL included. */
#define CSN_NAME_MAX 128

struct csn_universe {
	int64_t id;
	char name[CSN_NAME_MAX];
};

struct csn_project {
	int64_t id;
	int64_t universe;
	char name[CSN_NAME_MAX];
	char universe_name[CSN_NAME_MAX];
};

struct csn_user {
	int64_t uid;
	int64_t universe;
	bool superuser;
	char username[CSN_NAME_MAX];
	char universe_name[CSN_NAME_MAX];
	char role[16]; /* admin, member, guest */
};

/* ---- configuration, by type (what the API's bpg calls do) ----
 *
 * These know the types' own rules: names that must be unique, passwords hashed, tokens made and
 * hashed, an attribute declared in the object index, a deleted project hidden. */

/* Rows without secrets, an array. where as in select; NULL for all. */
int csn_catalog_rows(struct csn_store *store, const struct csn_config_type *type,
		     const json_t *where, json_t **ret_rows, struct csn_error *err) csn_must_check;
/* The one row that a key names: USAGE unless every field of the key is there, NOT_FOUND. A token
 * may be named by its value. */
int csn_catalog_row(struct csn_store *store, const struct csn_config_type *type, const json_t *key,
		    json_t **ret_row, struct csn_error *err) csn_must_check;
/* USAGE with a sentence for the user when a rule is broken. The row returned holds a new token's
 * full value: the only time that it is shown. */
int csn_catalog_create(struct csn_store *store, const struct csn_config_type *type,
		       const json_t *object, json_t **ret_row, struct csn_error *err)
	csn_must_check;
int csn_catalog_modify(struct csn_store *store, const struct csn_config_type *type,
		       const json_t *key, const json_t *fields, struct csn_error *err)
	csn_must_check;
int csn_catalog_delete(struct csn_store *store, const struct csn_config_type *type,
		       const json_t *key, bool cascade, struct csn_error *err) csn_must_check;

/* ---- names ---- */

/* NOT_FOUND when there is none. universe NULL or "": the project's name must be unique. */
int csn_catalog_find_project(struct csn_store *store, const char *universe, const char *name,
			     struct csn_project *ret_project, struct csn_error *err) csn_must_check;
int csn_catalog_get_project(struct csn_store *store, int64_t pid, struct csn_project *ret_project,
			    struct csn_error *err) csn_must_check;

#endif
