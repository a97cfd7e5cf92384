/* Attributes: from facts to the names that queries use (contracts 3).
 *
 * One table says which attribute comes from which fact. Attributes given from outside
 * (BACKTRACE_DEFAULTS, --kv) pass the rules of the contract here: what we measure and what is
 * reserved cannot be set by defaults; the sizes are capped; a refused name becomes a warning in
 * the snapshot. */
#ifndef CSN_ANALYZE_ATTRIBUTES_H
#define CSN_ANALYZE_ATTRIBUTES_H

#include "base/json_load.h"
#include "snapshot/snapshot.h"

/* Everything that the facts tell. */
int csn_attributes_from_facts(struct csn_snapshot *snapshot, const json_t *facts,
			      struct csn_error *err) csn_must_check;

/* Lines "key=value". source names them in warnings ("BACKTRACE_DEFAULTS of the process"). Call
 * after everything measured is set. text may be NULL. */
int csn_attributes_from_defaults(struct csn_snapshot *snapshot, const char *text,
				 const char *source, struct csn_error *err) csn_must_check;

/* "key:value,key:value". A piece without a colon belongs to the value before it; "\," is a comma.
 * May set anything. FORMAT for an empty or missing key. */
int csn_attributes_from_kv(struct csn_snapshot *snapshot, const char *text, struct csn_error *err)
	csn_must_check;

#endif
