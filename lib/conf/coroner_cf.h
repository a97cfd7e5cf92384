/* coroner.cf: where the uploader sends to, and with which tokens.
 *
 *	[universe]
 *	name = yourcompany
 *	write = https://yourcompany.sp.backtrace.io:6098
 *	read = yourcompany.sp.backtrace.io:4097
 *	read.ssl.enabled = true
 *	curl.ssl_verifyhost = true
 *	[token]            # [tokens] is the same
 *	blackhole = 64 hex digits
 *	[default]
 *	put.k = true       # an option put before those of the command line: <command>.<option>
 *	[daemon]
 *	blackhole.root = /var/crash/out
 *	blackhole.token = blackhole
 *
 * Strings are owned by the struct; free with csn_coroner_cf_done. */
#ifndef CSN_CONF_CORONER_CF_H
#define CSN_CONF_CORONER_CF_H

#include "base/error.h"
#include "base/types.h"

struct csn_named_value {
	char *name, *value;
};

struct csn_named_list {
	struct csn_named_value *items;
	size_t count;
};

struct csn_coroner_daemon {
	char *project;
	char *root;  /* folder watched */
	char *token; /* name in [token]; NULL = the project's */
};

struct csn_coroner_cf {
	char *path;      /* the file that was read */
	char *universe;  /* NULL when absent, like the next ones */
	char *write_url; /* as written: "https://host:6098", "host:6098" */
	char *read_url;  /* as written */
	bool read_ssl;   /* read.ssl.enabled; true when absent */
	char *read_ssl_method;
	bool verify_host, verify_peer; /* curl.ssl_verifyhost, curl.ssl_verifypeer; true */
	char *ca_file;                 /* curl.ca_file (ours): a private authority's certificate */
	struct csn_named_list tokens;
	struct csn_named_list defaults; /* "put.k" = "true", file order */
	struct csn_coroner_daemon *daemons;
	size_t n_daemons;
};

/* given may be NULL: then ~/.coroner.cf, then <root>/usr/local/etc/coroner.cf. root is "" on a
 * host. An error names the file and the line; NOT_FOUND names the places looked at. */
int csn_coroner_cf_find(const char *root, const char *given, struct csn_coroner_cf *ret_cf,
			struct csn_error *err) csn_must_check;
int csn_coroner_cf_read(const char *path, struct csn_coroner_cf *ret_cf, struct csn_error *err)
	csn_must_check;
void csn_coroner_cf_done(struct csn_coroner_cf *cf);

/* The write URL with its scheme and without a slash at the end: "host:6098" is https, in the clear
 * only on port 6097, which is for that. The caller frees it; NULL without memory or write URL. */
char *csn_coroner_cf_make_base(const struct csn_coroner_cf *cf);
/* The token of a name; NULL when there is none. Borrowed. */
const char *csn_coroner_cf_find_token(const struct csn_coroner_cf *cf, const char *name);

#endif
