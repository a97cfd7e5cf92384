/* Lists of locations: where a value is, by address. */
#ifndef CSN_DWARF_LOCATION_INTERNAL_H
#define CSN_DWARF_LOCATION_INTERNAL_H

#include "dwarf/source_internal.h"

/* One entry of a list; expression is borrowed. A default location holds where no other does: then
 * start and end are 0. */
struct csn_location {
	bool is_default;
	uint64_t start, end;
	struct csn_span expression;
};
/* Calls for each entry of the list that an attribute names (DW_FORM_loclistx, sec_offset, data4,
 * data8) until the callback returns false. */
typedef bool (*csn_location_fn)(void *context, const struct csn_location *location);
void csn_locations_each(struct csn_unit *unit, uint16_t form, uint64_t value, csn_location_fn each,
			void *context);

#endif
