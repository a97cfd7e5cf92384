/* Calls, for the files that look for them: call.c reads entries of calls and tells whom they call,
 * tail.c lists the calls of a function that are jumps. */
#ifndef CSN_DWARF_CALL_INTERNAL_H
#define CSN_DWARF_CALL_INTERNAL_H

#include "dwarf/source_internal.h"

/* Where the entry of a function is that some call calls. */
struct csn_place {
	struct csn_place *next;
	uint64_t address;
	struct csn_entry entry;
};

/* An entry that describes a call. */
struct csn_call_site {
	/* end is the address behind the call, start that of its instruction. */
	struct csn_attr end, start, origin, target, sibling;
	uint64_t target_end; /* of the target's block in the unit's section */
	bool is_tail;
};

/* Its tag is that of a call. */
bool csn_abbrev_is_call(const struct csn_abbrev *abbrev);
/* Reads all attributes of such an entry. */
void csn_call_site_read(struct csn_span *at, const struct csn_unit *unit,
			const struct csn_abbrev *abbrev, struct csn_call_site *ret_site);
/* Whom it calls; never CSN_CALLEE_NONE. */
void csn_call_site_resolve(struct csn_unit *unit, const struct csn_call_site *site,
			   struct csn_callee *ret_callee);
/* A function that is known to begin at an address; NULL when none is known yet. */
const struct csn_place *csn_place_find(struct csn_dwarf *dwarf, uint64_t address);
/* Whom the call calls whose entry is at an offset. */
void csn_call_resolve(struct csn_unit *unit, uint64_t offset, struct csn_callee *ret_callee);

#endif
