/* First run. A fresh server has no user, so nobody can log in to make the first one: whoever may
 * set it up is told by the one-time secret, or by calling from the machine itself in the way a
 * command-line client does. A browser page that the administrator happens to have open could reach
 * the loopback address too; it cannot do so without an Origin header or with a loopback Host
 * unless it was served from there, so both are looked at, as are the headers of proxies, behind
 * which every peer looks local. */
#include <sodium.h>
#include <string.h>
#include <strings.h>

#include "api/api_internal.h"
#include "base/cleanup.h"
#include "base/clock.h"

#define GRACE_NS (60 * CSN_NS_PER_SECOND)

bool csn_api_is_configured(struct csn_api *api)
{
	bool configured;

	pthread_mutex_lock(&api->lock);
	configured = api->configured;
	pthread_mutex_unlock(&api->lock);
	return configured;
}

/* "localhost", "127.0.0.1", "[::1]", each with or without a port. */
static bool is_loopback_name(const char *host)
{
	static const char *const names[] = { "localhost", "127.0.0.1", "[::1]" };

	for (size_t i = 0; host && i < csn_countof(names); i++) {
		size_t length = strlen(names[i]);

		if (strncasecmp(host, names[i], length) == 0 &&
		    (host[length] == '\0' ||
		     (host[length] == ':' && host[length + 1] &&
		      strspn(host + length + 1, "0123456789") == strlen(host + length + 1))))
			return true;
	}
	return false;
}

static bool from_this_machine(const struct csn_http_exchange *exchange)
{
	const struct csn_http_request *request = &exchange->request;
	unsigned n_hosts = 0;

	if (!request->peer_is_loopback || !request->local_is_loopback)
		return false;
	for (size_t i = 0; i < request->headers.count; i++) {
		const char *name = request->headers.items[i].name;

		if (strcasecmp(name, "Origin") == 0 || strcasecmp(name, "Forwarded") == 0 ||
		    strncasecmp(name, "X-Forwarded-", 12) == 0)
			return false;
		n_hosts += strcasecmp(name, "Host") == 0;
	}
	return n_hosts == 1 && is_loopback_name(csn_http_header(exchange, "Host"));
}

static bool has_secret(const struct csn_api *api, const struct csn_http_exchange *exchange)
{
	const char *given = csn_http_query(exchange, "token");

	if (!given)
		given = csn_http_header(exchange, "X-Coroner-Token");
	return given && *api->setup_secret && strlen(given) == CSN_TOKEN_TEXT - 1 &&
	       sodium_memcmp(given, api->setup_secret, CSN_TOKEN_TEXT - 1) == 0;
}

bool csn_api_may_set_up(struct csn_api *api, const struct csn_http_exchange *exchange)
{
	bool may;

	pthread_mutex_lock(&api->lock);
	may = !api->configured && (has_secret(api, exchange) || from_this_machine(exchange));
	pthread_mutex_unlock(&api->lock);
	return may;
}

void csn_api_check_configured(struct csn_api *api, const struct csn_http_exchange *exchange)
{
	bool configured = false, first;

	if (csn_api_is_configured(api) ||
	    csn_accounts_configured(api->store, &configured, NULL) < 0 || !configured)
		return;
	pthread_mutex_lock(&api->lock);
	first = !api->configured;
	if (first) {
		api->configured = true;
		explicit_bzero(api->setup_secret, sizeof(api->setup_secret));
		snprintf(api->grace_peer, sizeof(api->grace_peer), "%s", exchange->request.peer);
		api->grace_until_ns = csn_monotonic_ns() + GRACE_NS;
	}
	pthread_mutex_unlock(&api->lock);
	if (first && api->options.on_configured)
		api->options.on_configured(api->options.context);
}

bool csn_api_take_grace(struct csn_api *api, const struct csn_http_exchange *exchange)
{
	bool granted;

	pthread_mutex_lock(&api->lock);
	granted = *api->grace_peer && strcmp(api->grace_peer, exchange->request.peer) == 0 &&
		  csn_monotonic_ns() < api->grace_until_ns && from_this_machine(exchange);
	if (granted)
		api->grace_peer[0] = '\0';
	pthread_mutex_unlock(&api->lock);
	return granted;
}

int csn_api_seed(struct csn_store *store, struct csn_error *err)
{
	const struct csn_config_type *type = csn_config_type_find("listener");
	cleanup_json json_t *rows = NULL, *row = NULL, *made = NULL;
	int r = csn_catalog_rows(store, type, NULL, &rows, err);

	if (r < 0 || json_array_size(rows))
		return r;
	row = json_pack("{s:s,s:s}", "type", "http/console", "dns_name", "");
	if (!row)
		return csn_fail_nomem(err);
	return csn_catalog_create(store, type, row, &made, err);
}
