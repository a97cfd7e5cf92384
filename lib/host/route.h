/* Routing: which project a crash belongs to, by the ordered format rules of coresnap.conf.
 *
 * Rules are compiled once; the first that matches wins. Matching is bounded (PCRE2 match, depth
 * and heap limits): an expression that would run away counts as no match. A crash that no rule
 * takes has no project. */
#ifndef CSN_HOST_ROUTE_H
#define CSN_HOST_ROUTE_H

#include "base/error.h"
#include "conf/coresnap_conf.h"
#include "host/crash.h"

struct csn_router;

/* FORMAT names file and line of an expression that does not compile. The conf must outlive the
 * router. */
int csn_router_new(const struct csn_coresnap_conf *conf, struct csn_router **ret_router,
		   struct csn_error *err) csn_must_check;
void csn_router_free(struct csn_router *router);

/* The project (and token name) of the first rule that matches; NULL when none does. Borrowed.
 * ret_runaway_line: line of the first rule in front of it whose expression hit a limit and so did
 * not match; 0 none. */
const char *csn_router_find(const struct csn_router *router, const struct csn_crash *crash,
			    unsigned *ret_runaway_line);

#endif
