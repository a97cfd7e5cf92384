/* Facts: what /proc said about the process and the machine, in one form for dead and living.
 *
 * The form is that of the CORESNAP note (docs/formats/coresnap-note.md): a JSON object whose
 * members carry the kernel's own names. For a core it is the note; for a live process the same
 * members are read from /proc here. Anything may be missing. The caller owns the object. */
#ifndef CSN_ANALYZE_FACTS_H
#define CSN_ANALYZE_FACTS_H

#include "base/json_load.h"
#include "target/target.h"

/* Always gives an object, an empty one when nothing is known. A note that is no JSON object is
 * told in *ret_complaint (static text, else NULL). */
int csn_facts_read(const struct csn_target *target, json_t **ret_facts, const char **ret_complaint,
		   struct csn_error *err) csn_must_check;

/* A member by a path of names: "status.VmPeak" is "VmPeak" of "status"; the names themselves may
 * hold no dot. NULL when absent. Borrowed. */
const json_t *csn_facts_find(const json_t *facts, const char *path);
/* A string member; NULL when absent. */
const char *csn_facts_string(const json_t *facts, const char *path);
/* A number; false when absent or negative. */
bool csn_facts_number(const json_t *facts, const char *path, uint64_t *ret_value);

/* Host thread id of a thread as the core numbers it. */
int64_t csn_facts_host_tid(const json_t *facts, int64_t tid);

#endif
