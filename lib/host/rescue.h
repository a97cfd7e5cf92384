/* What waited in /run while the spool could not be used (spool/fallback.h), taken into it. */
#ifndef CSN_HOST_RESCUE_H
#define CSN_HOST_RESCUE_H

#include "host/host.h"

/* Moves it, as root; of others nothing is asked. The spool must be open. Says what it did. */
void csn_rescue(const struct csn_host *host);

#endif
