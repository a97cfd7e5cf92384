#include "store/accounts.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/uuid.h"
#include "store/store_internal.h"

#define PREFIX_DIGITS 16

void csn_token_make(char token[CSN_TOKEN_TEXT])
{
	uint8_t bytes[32];

	csn_random_bytes(bytes, sizeof(bytes));
	csn_hex_format(bytes, sizeof(bytes), token);
}

bool csn_token_key(const char *token, char key[CSN_TOKEN_TEXT])
{
	char hash[CSN_SHA256_TEXT];
	uint8_t bytes[32];

	if (strlen(token) != CSN_TOKEN_TEXT - 1 || !csn_hex_parse(token, bytes, sizeof(bytes)))
		return false;
	csn_sha256_hex(token, CSN_TOKEN_TEXT - 1, hash);
	memcpy(key, token, PREFIX_DIGITS);
	memcpy(key + PREFIX_DIGITS, hash, CSN_TOKEN_TEXT - 1 - PREFIX_DIGITS);
	key[CSN_TOKEN_TEXT - 1] = '\0';
	return true;
}

int csn_password_hash(const char *password, char **ret_hash, struct csn_error *err)
{
	char hash[crypto_pwhash_STRBYTES];

	if (sodium_init() < 0 ||
	    crypto_pwhash_str(hash, password, strlen(password), crypto_pwhash_OPSLIMIT_INTERACTIVE,
			      crypto_pwhash_MEMLIMIT_INTERACTIVE) != 0)
		return csn_fail(err, CSN_E_NOMEM, "not enough memory to hash a password");
	*ret_hash = strdup(hash);
	return *ret_hash ? 0 : csn_fail_nomem(err);
}

bool csn_password_verify(const char *hash, const char *password)
{
	char fixed[crypto_pwhash_STRBYTES] = { 0 };

	if (sodium_init() < 0 || strlen(hash) >= sizeof(fixed))
		return false;
	memcpy(fixed, hash, strlen(hash));
	return crypto_pwhash_str_verify(fixed, password, strlen(password)) == 0;
}

static int select_rows(struct csn_store *store, const char *type, const json_t *where,
		       json_t **ret_rows, struct csn_error *err)
{
	if (!where)
		return csn_fail_nomem(err);
	return store->catalog.ops->select(store->catalog.state, csn_config_type_find(type), where,
					  ret_rows, err);
}

int csn_accounts_configured(struct csn_store *store, bool *ret_configured, struct csn_error *err)
{
	cleanup_json json_t *where = json_pack("{s:i}", "superuser", 1), *rows = NULL;
	int r = select_rows(store, "users", where, &rows, err);

	if (r == 0)
		*ret_configured = json_array_size(rows) > 0;
	return r;
}

/* ---- users ---- */

static int user_from_row(struct csn_store *store, const json_t *row, struct csn_user *ret_user,
			 struct csn_error *err)
{
	struct csn_user user = {
		.uid = csn_json_get_int(row, "uid", 0),
		.universe = csn_json_get_int(row, "universe", 0),
		.superuser = csn_json_get_int(row, "superuser", 0) != 0,
	};
	cleanup_json json_t *where = json_pack("{s:I}", "id", (json_int_t)user.universe);
	cleanup_json json_t *rows = NULL;
	int r = select_rows(store, "universe", where, &rows, err);

	if (r < 0)
		return r;
	snprintf(user.username, sizeof(user.username), "%s",
		 csn_json_get_string(row, "username", ""));
	snprintf(user.role, sizeof(user.role), "%s", csn_json_get_string(row, "role", "member"));
	snprintf(user.universe_name, sizeof(user.universe_name), "%s",
		 csn_json_get_string(json_array_get(rows, 0), "name", ""));
	*ret_user = user;
	return 0;
}

int csn_accounts_login(struct csn_store *store, const char *username, const char *password,
		       struct csn_user *ret_user, struct csn_error *err)
{
	/* Of no password: an unknown name costs the same time as a wrong password. */
	static const char nobody[] = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$"
				     "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
	cleanup_json json_t *where = json_pack("{s:s}", "username", username), *rows = NULL;
	const json_t *row;
	const char *hash;
	int r;

	if (!where)
		return csn_fail(err, CSN_E_DENIED, "invalid user name or password");
	r = select_rows(store, "users", where, &rows, err);
	if (r < 0)
		return r;
	row = json_array_get(rows, 0);
	hash = csn_json_get_string(row, "password", nobody);
	if (!csn_password_verify(hash, password) || !row)
		return csn_fail(err, CSN_E_DENIED, "invalid user name or password");
	return user_from_row(store, row, ret_user, err);
}

/* ---- sessions ---- */

int csn_session_open(struct csn_store *store, int64_t uid, int64_t lifetime_s,
		     char ret_token[CSN_TOKEN_TEXT], struct csn_error *err)
{
	int64_t now = csn_realtime_ns() / CSN_NS_PER_SECOND;
	char token[CSN_TOKEN_TEXT], key[CSN_TOKEN_TEXT], hash[CSN_SHA256_TEXT];
	cleanup_json json_t *row = NULL, *made = NULL;
	int r;

	csn_token_make(token);
	if (!csn_token_key(token, key))
		return csn_fail(err, CSN_E_FORMAT, "token");
	csn_sha256_hex(token, strlen(token), hash);
	row = json_pack("{s:s,s:s,s:I,s:I,s:I}", "id", key, "hash", hash, "uid", (json_int_t)uid,
			"created", (json_int_t)now, "expires",
			(json_int_t)now + (json_int_t)lifetime_s);
	if (!row)
		return csn_fail_nomem(err);
	r = store->catalog.ops->insert(store->catalog.state, csn_config_type_find("session"), row,
				       &made, err);
	if (r == 0)
		memcpy(ret_token, token, sizeof(token));
	return r;
}

/* The row of a token's key, when its hash is right. */
static int find_secret(struct csn_store *store, const char *type, const char *token,
		       json_t **ret_row, struct csn_error *err)
{
	cleanup_json json_t *where = NULL, *rows = NULL;
	char key[CSN_TOKEN_TEXT], hash[CSN_SHA256_TEXT];
	const char *kept;
	int r;

	if (!csn_token_key(token, key))
		return csn_fail(err, CSN_E_DENIED, "invalid token");
	where = json_pack("{s:s}", "id", key);
	r = select_rows(store, type, where, &rows, err);
	if (r < 0)
		return r;
	kept = csn_json_get_string(json_array_get(rows, 0), "hash", "");
	csn_sha256_hex(token, strlen(token), hash);
	if (strlen(kept) != sizeof(hash) - 1 || sodium_memcmp(kept, hash, sizeof(hash)) != 0)
		return csn_fail(err, CSN_E_DENIED, "invalid token");
	*ret_row = json_incref(json_array_get(rows, 0));
	return 0;
}

int csn_session_find(struct csn_store *store, const char *token, struct csn_user *ret_user,
		     struct csn_error *err)
{
	cleanup_json json_t *session = NULL, *where = NULL, *rows = NULL;
	int r = find_secret(store, "session", token, &session, err);

	if (r < 0)
		return r;
	if (csn_json_get_int(session, "expires", 0) < csn_realtime_ns() / CSN_NS_PER_SECOND)
		return csn_fail(err, CSN_E_DENIED, "the session is over; log in again");
	where = json_pack("{s:O}", "uid", json_object_get(session, "uid"));
	r = select_rows(store, "users", where, &rows, err);
	if (r < 0)
		return r;
	if (!json_array_size(rows))
		return csn_fail(err, CSN_E_DENIED, "invalid token");
	return user_from_row(store, json_array_get(rows, 0), ret_user, err);
}

int csn_session_end(struct csn_store *store, const char *token, struct csn_error *err)
{
	cleanup_json json_t *key = NULL;
	char text[CSN_TOKEN_TEXT];
	int r;

	if (!csn_token_key(token, text))
		return 0;
	key = json_pack("{s:s}", "id", text);
	if (!key)
		return csn_fail_nomem(err);
	r = store->catalog.ops->remove(store->catalog.state, csn_config_type_find("session"), key,
				       err);
	return r == -CSN_E_NOT_FOUND ? 0 : r;
}

/* ---- API tokens ---- */

static unsigned capabilities_of(const char *text)
{
	static const struct {
		const char *name;
		unsigned bit;
	} table[] = {
		{ "error:post", CSN_CAP_ERROR_POST }, { "symbol:post", CSN_CAP_SYMBOL_POST },
		{ "object:get", CSN_CAP_OBJECT_GET }, { "query:post", CSN_CAP_QUERY_POST },
		{ "sync:post", CSN_CAP_SYNC_POST },
	};
	unsigned bits = 0;

	while (*text) {
		size_t length = strcspn(text, " ");

		for (size_t i = 0; i < csn_countof(table); i++)
			if (strlen(table[i].name) == length &&
			    memcmp(table[i].name, text, length) == 0)
				bits |= table[i].bit;
		text += length + (text[length] == ' ');
	}
	return bits;
}

int csn_api_token_find(struct csn_store *store, const char *token, struct csn_api_token *ret_token,
		       struct csn_error *err)
{
	cleanup_json json_t *secret = NULL, *where = NULL, *api = NULL, *old = NULL;
	struct csn_api_token found;
	const json_t *row;
	int r = find_secret(store, "token_hash", token, &secret, err);

	if (r < 0)
		return r;
	where = json_pack("{s:O}", "id", json_object_get(secret, "id"));
	r = select_rows(store, "api_token", where, &api, err);
	if (r == 0)
		r = select_rows(store, "token", where, &old, err);
	if (r < 0)
		return r;
	row = json_array_size(api) ? json_array_get(api, 0) : json_array_get(old, 0);
	if (csn_catalog_get_project(store, csn_json_get_int(row, "project", 0), &found.project,
				    NULL) < 0)
		return csn_fail(err, CSN_E_DENIED, "invalid token");
	found.owner = csn_json_get_int(row, "owner", 0);
	found.capabilities =
		capabilities_of(csn_json_get_string(row, "capabilities", "error:post"));
	*ret_token = found;
	return 0;
}
