/* The host half, opened: configuration, routing, spool, and where log lines go. */
#ifndef CSN_HOST_HOST_H
#define CSN_HOST_HOST_H

#include "base/error.h"
#include "base/root.h"
#include "conf/coresnap_conf.h"
#include "host/route.h"
#include "spool/policy.h"
#include "spool/spool.h"

/* Receives one line; raw: quoted already, only control bytes are left to escape. */
typedef void (*csn_host_log)(void *context, int level, bool raw, const char *text);

struct csn_finder;

struct csn_host {
	struct csn_root root;
	char *conf_path; /* --config, absolute; owned; NULL: searched */
	struct csn_coresnap_conf conf;
	struct csn_router *router;
	struct csn_spool spool;
	int kernel_log_fd;         /* /dev/kmsg, of who may read it; owned, -1 */
	struct csn_finder *finder; /* the daemon's, with watch.path; owned; NULL none */
	csn_host_log log;          /* may be NULL */
	void *log_context;
};

#define CSN_HOST_INIT \
	{ \
		.spool = CSN_SPOOL_INIT, .kernel_log_fd = -1 \
	}

/* Reads the configuration and compiles the rules; the spool stays closed. root and conf_path as
 * given on the command line (NULL: found). */
int csn_host_init(struct csn_host *host, const char *root, const char *conf_path,
		  struct csn_error *err) csn_must_check;
/* Reads the configuration again; on failure the old one stays. */
int csn_host_reload(struct csn_host *host, struct csn_error *err) csn_must_check;
/* Makes the spool when it is missing, for the user it is to belong to: whoever we are, or, as root,
 * user "coresnap" of a host (root without such a user), the owner of an installation below a root
 * folder. */
int csn_host_make_spool(const struct csn_host *host, struct csn_error *err) csn_must_check;
/* Opens the spool that the configuration names. */
int csn_host_open_spool(struct csn_host *host, struct csn_error *err) csn_must_check;
/* Gives up every right that is not needed, for good: becomes the user that owns the open spool (as
 * root; DENIED for any other user), without capabilities, groups, new privileges or cores of its
 * own. */
int csn_host_become_owner(const struct csn_host *host, struct csn_error *err) csn_must_check;
void csn_host_done(struct csn_host *host);

/* What the helper needs, compiled from the configuration and the spool's owner. */
void csn_host_compile_policy(const struct csn_host *host, struct csn_policy *ret_policy);
/* Writes it where the helper looks: <root>/var/coresnap/policy. */
int csn_host_write_policy(const struct csn_host *host, struct csn_error *err) csn_must_check;
struct csn_quota csn_host_get_quota(const struct csn_host *host);
struct csn_spool_limits csn_host_get_limits(const struct csn_host *host);

/* One line to the host's sink; level as in syslog.h. */
void csn_host_say(const struct csn_host *host, int level, const char *format, ...) csn_printf(3, 4);

#endif
