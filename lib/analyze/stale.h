/* Who still points to what faulted: what --stale-pointer looks for.
 *
 * The memory of the process is searched for words that lead into the object of the fault, and for
 * words that lead into the objects that hold these, until a variable, a register or a global
 * variable is reached. Words count as pointers because of their value; types of the debug
 * information name the way. Bounded by bytes, time, depth and number; an object that was met before
 * is not followed again. */
#ifndef CSN_ANALYZE_STALE_H
#define CSN_ANALYZE_STALE_H

#include "analyze/fault_internal.h"

/* A step of the fault: adds annotations "stale pointer" and the attribute stale.references, if the
 * scene wants them and an address is known. */
int csn_look_for_stale(struct csn_fault_look *look) csn_must_check;

#endif
