/* The names of attributes that only we set (contracts: what the sources of defaults may not set).
 *
 * One table for everybody who takes attributes from outside on the host: the daemon, of its three
 * sources, and the engine, of BACKTRACE_DEFAULTS. */
#ifndef CSN_SNAPSHOT_PROTECTED_H
#define CSN_SNAPSHOT_PROTECTED_H

#include "base/types.h"

/* True for a name that is measured or reserved. */
bool csn_attribute_is_protected(const char *name);

#endif
