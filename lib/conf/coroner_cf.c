#include "conf/coroner_cf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/limits.h"
#include "conf/ini.h"

static int set_text(char **place, const char *value, struct csn_error *err)
{
	char *copy;

	if (!*value)
		return csn_fail(err, CSN_E_FORMAT, "the value is missing");
	copy = strdup(value);
	if (!copy)
		return csn_fail_nomem(err);
	free(*place);
	*place = copy;
	return 0;
}

/* Every [universe] text key is one row: where its copy goes. */
static int set_universe_text(void *context, const char *key, const char *value,
			     struct csn_ini_place place, struct csn_error *err)
{
	struct csn_coroner_cf *cf = context;
	const struct {
		const char *key;
		char **place;
	} rows[] = {
		{ "name", &cf->universe },        { "write", &cf->write_url },
		{ "read", &cf->read_url },        { "read.ssl.method", &cf->read_ssl_method },
		{ "curl.ca_file", &cf->ca_file },
	};
	size_t i;

	(void)place;
	for (i = 0; i < csn_countof(rows); i++)
		if (strcmp(rows[i].key, key) == 0)
			return set_text(rows[i].place, value, err);
	return csn_fail(err, CSN_E_FORMAT, "unknown key");
}

static int set_universe_bool(void *context, const char *key, const char *value,
			     struct csn_ini_place place, struct csn_error *err)
{
	struct csn_coroner_cf *cf = context;
	bool *flag = strcmp(key, "read.ssl.enabled") == 0      ? &cf->read_ssl
		     : strcmp(key, "curl.ssl_verifyhost") == 0 ? &cf->verify_host
							       : &cf->verify_peer;

	(void)place;
	/* curl's own spelling for "check the host name" is 2. */
	if (flag == &cf->verify_host && strcmp(value, "2") == 0)
		value = "1";
	return csn_ini_bool(value, flag, err);
}

static int list_add(struct csn_named_list *list, const char *name, const char *value,
		    struct csn_error *err)
{
	struct csn_named_value *items =
		realloc(list->items, (list->count + 1) * sizeof(*list->items));
	cleanup_free char *name_copy = NULL;
	cleanup_free char *value_copy = NULL;

	if (!items)
		return csn_fail_nomem(err);
	list->items = items;
	name_copy = strdup(name);
	value_copy = strdup(value);
	if (!name_copy || !value_copy)
		return csn_fail_nomem(err);
	items[list->count++] = (struct csn_named_value){
		.name = csn_take(name_copy),
		.value = csn_take(value_copy),
	};
	return 0;
}

static int set_token(void *context, const char *key, const char *value, struct csn_ini_place place,
		     struct csn_error *err)
{
	struct csn_coroner_cf *cf = context;

	(void)place;
	if (!*value || value[strspn(value, "0123456789abcdefABCDEF")] != '\0')
		return csn_fail(err, CSN_E_FORMAT, "a token is a row of hex digits");
	if (csn_coroner_cf_find_token(cf, key))
		return csn_fail(err, CSN_E_FORMAT, "there is a token of this name already");
	return list_add(&cf->tokens, key, value, err);
}

static int set_default(void *context, const char *key, const char *value,
		       struct csn_ini_place place, struct csn_error *err)
{
	struct csn_coroner_cf *cf = context;

	(void)place;
	if (!strchr(key, '.'))
		return csn_fail(err, CSN_E_FORMAT, "a default reads <command>.<option> = value");
	return list_add(&cf->defaults, key, value, err);
}

static struct csn_coroner_daemon *find_or_add_daemon(struct csn_coroner_cf *cf, const char *project,
						     size_t length)
{
	struct csn_coroner_daemon *items;
	size_t i;

	for (i = 0; i < cf->n_daemons; i++)
		if (strlen(cf->daemons[i].project) == length &&
		    strncmp(cf->daemons[i].project, project, length) == 0)
			return &cf->daemons[i];
	items = realloc(cf->daemons, (cf->n_daemons + 1) * sizeof(*items));
	if (!items)
		return NULL;
	cf->daemons = items;
	items[cf->n_daemons] = (struct csn_coroner_daemon){ .project = strndup(project, length) };
	if (!items[cf->n_daemons].project)
		return NULL;
	return &items[cf->n_daemons++];
}

static int set_daemon(void *context, const char *key, const char *value, struct csn_ini_place place,
		      struct csn_error *err)
{
	struct csn_coroner_cf *cf = context;
	const char *dot = strrchr(key, '.');
	struct csn_coroner_daemon *daemon;
	bool is_root = dot && strcmp(dot, ".root") == 0;

	(void)place;
	if (!dot || dot == key || (!is_root && strcmp(dot, ".token") != 0))
		return csn_fail(err, CSN_E_FORMAT, "a key reads <project>.root or <project>.token");
	daemon = find_or_add_daemon(cf, key, (size_t)(dot - key));
	if (!daemon)
		return csn_fail_nomem(err);
	return set_text(is_root ? &daemon->root : &daemon->token, value, err);
}

static const struct csn_ini_key schema[] = {
	{ "universe", "name", set_universe_text },
	{ "universe", "write", set_universe_text },
	{ "universe", "read", set_universe_text },
	{ "universe", "read.ssl.enabled", set_universe_bool },
	{ "universe", "read.ssl.method", set_universe_text },
	{ "universe", "curl.ssl_verifyhost", set_universe_bool },
	{ "universe", "curl.ssl_verifypeer", set_universe_bool },
	{ "universe", "curl.ca_file", set_universe_text },
	{ "token", "*", set_token },
	{ "tokens", "*", set_token },
	{ "default", "*", set_default },
	{ "daemon", "*", set_daemon },
	{ NULL },
};

static int check_daemons(const struct csn_coroner_cf *cf, const char *path, struct csn_error *err)
{
	size_t i;

	for (i = 0; i < cf->n_daemons; i++)
		if (!cf->daemons[i].root)
			return csn_fail(err, CSN_E_FORMAT, "%s: [daemon] %s.root is missing", path,
					cf->daemons[i].project);
	return 0;
}

int csn_coroner_cf_read(const char *path, struct csn_coroner_cf *ret_cf, struct csn_error *err)
{
	struct csn_coroner_cf cf = {
		.path = strdup(path),
		.read_ssl = true,
		.verify_host = true,
		.verify_peer = true,
	};
	int r = cf.path ? csn_ini_read(path, schema, &cf, err) : csn_fail_nomem(err);

	if (r == 0)
		r = check_daemons(&cf, path, err);
	if (r < 0) {
		csn_coroner_cf_done(&cf);
		return r;
	}
	*ret_cf = cf;
	return 0;
}

int csn_coroner_cf_find(const char *root, const char *given, struct csn_coroner_cf *ret_cf,
			struct csn_error *err)
{
	const char *home = getenv("HOME");
	char own[CSN_MAX_PATH], host[CSN_MAX_PATH];
	int r;

	if (given)
		return csn_coroner_cf_read(given, ret_cf, err);
	snprintf(own, sizeof(own), "%s/.coroner.cf", home ? home : "");
	snprintf(host, sizeof(host), "%s/usr/local/etc/coroner.cf", root);
	if (home && *home) {
		r = csn_coroner_cf_read(own, ret_cf, err);
		if (r != -CSN_E_NOT_FOUND)
			return r;
	}
	r = csn_coroner_cf_read(host, ret_cf, err);
	if (r == -CSN_E_NOT_FOUND)
		return csn_fail(err, CSN_E_NOT_FOUND, "neither ~/.coroner.cf nor %s exists", host);
	return r;
}

static void list_done(struct csn_named_list *list)
{
	size_t i;

	for (i = 0; i < list->count; i++) {
		free(list->items[i].name);
		free(list->items[i].value);
	}
	free(list->items);
}

void csn_coroner_cf_done(struct csn_coroner_cf *cf)
{
	size_t i;

	for (i = 0; i < cf->n_daemons; i++) {
		free(cf->daemons[i].project);
		free(cf->daemons[i].root);
		free(cf->daemons[i].token);
	}
	free(cf->daemons);
	list_done(&cf->tokens);
	list_done(&cf->defaults);
	free(cf->path);
	free(cf->universe);
	free(cf->write_url);
	free(cf->read_url);
	free(cf->read_ssl_method);
	free(cf->ca_file);
	*cf = (struct csn_coroner_cf){ 0 };
}

const char *csn_coroner_cf_find_token(const struct csn_coroner_cf *cf, const char *name)
{
	size_t i;

	for (i = 0; i < cf->tokens.count; i++)
		if (strcmp(cf->tokens.items[i].name, name) == 0)
			return cf->tokens.items[i].value;
	return NULL;
}

char *csn_coroner_cf_make_base(const struct csn_coroner_cf *cf)
{
	const char *url = cf->write_url, *scheme = "https://";
	char *base = NULL;
	size_t length = url ? strlen(url) : 0;

	while (length && url[length - 1] == '/')
		length--;
	if (!length)
		return NULL;
	if (strstr(url, "://"))
		scheme = "";
	else if (length > 5 && strncmp(url + length - 5, ":6097", 5) == 0)
		scheme = "http://";
	return asprintf(&base, "%s%.*s", scheme, (int)length, url) < 0 ? NULL : base;
}
