/* Private to the fault: resource limits against what the process used. */
#ifndef CSN_ANALYZE_USE_H
#define CSN_ANALYZE_USE_H

#include "analyze/fault_internal.h"

/* Notes every limit that is reached, as an annotation and by the classifier "limit"; a failed
 * allocation with the address space near its limit is "oom". Sets use_words. */
int csn_compare_use(struct csn_fault_look *look);

#endif
