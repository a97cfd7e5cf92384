/* Who is calling. Tokens come in five ways (query, header, JSON or form member, path); sessions of
 * users and API tokens of projects are told apart by where they are found. */
#include <stdlib.h>
#include <string.h>

#include "api/api_internal.h"
#include "base/clock.h"
#include "base/hash.h"

void csn_api_identify(struct csn_api *api, const struct csn_http_exchange *exchange,
		      const json_t *body, struct csn_caller *ret_caller)
{
	const char *token = csn_http_query(exchange, "token");

	*ret_caller = (struct csn_caller){ .kind = CSN_CALLER_NONE };
	if (!token)
		token = csn_http_header(exchange, "X-Coroner-Token");
	if (!token)
		token = csn_json_get_string(body, "token", NULL);
	if (!token || !*token)
		return;
	ret_caller->given = true;
	if (strlen(token) >= sizeof(ret_caller->text))
		return;
	memcpy(ret_caller->text, token, strlen(token) + 1);
	if (csn_session_find(api->store, token, &ret_caller->user, NULL) == 0)
		ret_caller->kind = CSN_CALLER_USER;
	else if (csn_api_token_find(api->store, token, &ret_caller->token, NULL) == 0)
		ret_caller->kind = CSN_CALLER_TOKEN;
}

bool csn_api_require(struct csn_http_exchange *exchange, const struct csn_caller *caller,
		     unsigned need)
{
	if (caller->kind == CSN_CALLER_USER)
		return true;
	if (caller->kind == CSN_CALLER_TOKEN && need && (caller->token.capabilities & need) == need)
		return true;
	if (caller->kind == CSN_CALLER_TOKEN)
		csn_http_reply_error(exchange, 403, CSN_API_BAD_TOKEN,
				     "the token has no right to do this");
	else if (caller->given)
		csn_http_reply_error(exchange, 403, CSN_API_BAD_TOKEN, "invalid token");
	else
		csn_http_reply_error(exchange, 401, CSN_API_BAD_TOKEN, "no token was given");
	return false;
}

bool csn_api_may_write(const struct csn_caller *caller)
{
	return caller->kind == CSN_CALLER_USER && strcmp(caller->user.role, "guest") != 0;
}

bool csn_api_project(struct csn_api *api, struct csn_http_exchange *exchange,
		     const struct csn_caller *caller, const char *universe, const char *name,
		     int status, struct csn_project *ret_project)
{
	struct csn_error err = CSN_ERROR_INIT;

	if (caller->kind == CSN_CALLER_TOKEN) {
		const struct csn_project *own = &caller->token.project;
		bool elsewhere = universe && *universe && strcmp(universe, own->universe_name) != 0;

		if (elsewhere || (name && strcmp(name, own->name) != 0)) {
			csn_http_reply_error(exchange, status == 200 ? 200 : 403, CSN_API_DENIED,
					     "the token is for another %s",
					     elsewhere ? "universe" : "project");
			return false;
		}
		*ret_project = caller->token.project;
		return true;
	}
	if (!name) {
		csn_http_reply_error(exchange, status, CSN_API_BAD_REQUEST, "no project was named");
		return false;
	}
	if (!universe || !*universe)
		universe = caller->user.universe_name;
	if (csn_catalog_find_project(api->store, universe, name, ret_project, &err) < 0 ||
	    (!caller->user.superuser && ret_project->universe != caller->user.universe)) {
		csn_http_reply_error(exchange, status == 200 ? 200 : 404, CSN_API_NOT_FOUND,
				     "there is no project %.100s", name);
		return false;
	}
	return true;
}

/* ---- throttle ----
 *
 * After five failures of one peer, or for one user name, further attempts wait: 2 s, 4 s ... up to
 * a minute. Slots are shared by hash; an unlucky stranger waits as well, never longer. A slot goes
 * to another name only after a quarter of an hour without failures: were it earlier, guesses at
 * names of the same slot would wipe out the count of the one that is meant. */

#define FREE_FAILURES 5
#define WAIT_MAX_S 60
#define FORGET_NS (900 * CSN_NS_PER_SECOND)

static uint64_t who_of(const char *kind, const char *name)
{
	return csn_hash_bytes(name, strlen(name)) ^ csn_hash_bytes(kind, strlen(kind));
}

static struct csn_api_throttle_slot *slot_of(struct csn_api *api, const char *kind,
					     const char *name)
{
	uint64_t who = who_of(kind, name);
	struct csn_api_throttle_slot *slot = &api->throttle[who % CSN_API_THROTTLE_SLOTS];

	if (!slot->failures || slot->last_ns + FORGET_NS < csn_monotonic_ns())
		*slot = (struct csn_api_throttle_slot){ .who = who };
	return slot;
}

int csn_api_throttled(struct csn_api *api, const char *peer, const char *username)
{
	int64_t now = csn_monotonic_ns(), until;

	pthread_mutex_lock(&api->lock);
	until = slot_of(api, "peer", peer)->until_ns;
	if (slot_of(api, "user", username)->until_ns > until)
		until = slot_of(api, "user", username)->until_ns;
	pthread_mutex_unlock(&api->lock);
	return until > now ? (int)((until - now) / CSN_NS_PER_SECOND) + 1 : 0;
}

static void note(struct csn_api *api, const char *kind, const char *name, bool ok)
{
	struct csn_api_throttle_slot *slot = slot_of(api, kind, name);
	int64_t wait_s = 2;

	if (ok) {
		if (slot->who == who_of(kind, name))
			slot->failures = 0;
		return;
	}
	slot->last_ns = csn_monotonic_ns();
	if (++slot->failures <= FREE_FAILURES)
		return;
	for (unsigned i = FREE_FAILURES + 1; i < slot->failures && wait_s < WAIT_MAX_S; i++)
		wait_s *= 2;
	if (wait_s > WAIT_MAX_S)
		wait_s = WAIT_MAX_S;
	slot->until_ns = csn_monotonic_ns() + wait_s * CSN_NS_PER_SECOND;
}

void csn_api_throttle_note(struct csn_api *api, const char *peer, const char *username, bool ok)
{
	pthread_mutex_lock(&api->lock);
	note(api, "peer", peer, ok);
	note(api, "user", username, ok);
	pthread_mutex_unlock(&api->lock);
}
