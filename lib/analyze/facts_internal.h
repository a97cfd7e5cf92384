/* Private to the facts: reading them from /proc of a live process. */
#ifndef CSN_ANALYZE_FACTS_INTERNAL_H
#define CSN_ANALYZE_FACTS_INTERNAL_H

#include "analyze/facts.h"

/* NULL when out of memory. */
json_t *csn_facts_from_proc(int64_t pid);

#endif
