/* Who may come in: passwords, sessions, API tokens, and whether the server is set up.
 *
 * Passwords are Argon2id hashes. Sessions and tokens are 32 random bytes in hex; the catalog has
 * their SHA-256 and, as the key that lists show, the first 16 digits followed by 48 digits of the
 * hash: enough to recognise a token, not to use it. Comparisons take constant time.
 *
 * Threads: any. */
#ifndef CSN_STORE_ACCOUNTS_H
#define CSN_STORE_ACCOUNTS_H

#include "base/error.h"
#include "base/json_load.h"
#include "store/catalog.h"

#define CSN_TOKEN_TEXT 65

/* A new random secret: 64 hex digits. */
void csn_token_make(char token[CSN_TOKEN_TEXT]);
/* The key under which a token is listed. False when the text is no token (64 hex digits). */
bool csn_token_key(const char *token, char key[CSN_TOKEN_TEXT]);

/* Argon2id. The hash is text, free() it. */
int csn_password_hash(const char *password, char **ret_hash, struct csn_error *err) csn_must_check;
bool csn_password_verify(const char *hash, const char *password);

/* True once there is a universe with a superuser in it. */
int csn_accounts_configured(struct csn_store *store, bool *ret_configured, struct csn_error *err)
	csn_must_check;

/* DENIED when name or password are wrong (it takes as long either way). */
int csn_accounts_login(struct csn_store *store, const char *username, const char *password,
		       struct csn_user *ret_user, struct csn_error *err) csn_must_check;

/* A session of the user, good for lifetime_s. */
int csn_session_open(struct csn_store *store, int64_t uid, int64_t lifetime_s,
		     char ret_token[CSN_TOKEN_TEXT], struct csn_error *err) csn_must_check;
/* DENIED when there is no such session, or it is over. */
int csn_session_find(struct csn_store *store, const char *token, struct csn_user *ret_user,
		     struct csn_error *err) csn_must_check;
/* An unknown token is fine. */
int csn_session_end(struct csn_store *store, const char *token, struct csn_error *err)
	csn_must_check;

#define CSN_CAP_ERROR_POST 1u
#define CSN_CAP_SYMBOL_POST 2u
#define CSN_CAP_OBJECT_GET 4u
#define CSN_CAP_QUERY_POST 8u
#define CSN_CAP_SYNC_POST 16u

struct csn_api_token {
	struct csn_project project;
	int64_t owner;
	unsigned capabilities;
};

/* api_token or (older) token rows. DENIED when there is none or its project is gone. */
int csn_api_token_find(struct csn_store *store, const char *token, struct csn_api_token *ret_token,
		       struct csn_error *err) csn_must_check;

#endif
