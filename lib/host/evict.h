/* Eviction: bringing a spool that is over its limits back within them.
 *
 * What goes first is in the order of enum csn_evict_class, the oldest of a class before the
 * others. The newest crash of a program is never evicted, nor an object that somebody works on.
 * While a user has more than the share, only that user's crashes go, and what the server has
 * confirmed. Whatever goes unconfirmed is counted on (spool/ticks.h), said and metered. See
 * docs/adr/0016-how-much-the-spool-holds.md. */
#ifndef CSN_HOST_EVICT_H
#define CSN_HOST_EVICT_H

#include "host/host.h"
#include "host/inventory.h"
#include "spool/counters.h"

enum csn_evict_class {
	CSN_EVICT_SUPPRESSED, /* notes only, of a crash loop or of a spool that was full */
	CSN_EVICT_SENT,       /* a kept core: its snapshot was sent */
	CSN_EVICT_REFUSED,    /* in quarantine */
	CSN_EVICT_DUPLICATE,  /* neither the first nor the newest of its program */
	CSN_EVICT_FIRST,      /* the first of several */
	CSN_N_EVICT_CLASSES,
	CSN_EVICT_NEVER = CSN_N_EVICT_CLASSES
};

/* The class of each item of an identified inventory, in their order. */
void csn_evict_classify(const struct csn_inventory *inventory, enum csn_evict_class *ret_classes);
/* Evicts down to limits; confirmed_only: what the server has confirmed, all of it, because the disk
 * is full. An identified inventory, from which what went is taken out. count: what to add to the
 * counters. dropped is told each uuid of which nothing is left. */
int csn_evict(const struct csn_host *host, struct csn_inventory *inventory, bool confirmed_only,
	      struct csn_counting *count, void (*dropped)(void *context, const char *uuid),
	      void *context, struct csn_error *err) csn_must_check;

#endif
