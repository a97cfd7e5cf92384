/* What linkers and compilers write to find units by: .gdb_index, .debug_aranges, .debug_names.
 *
 * All of it may be missing, may leave units out and may be of another program: what is not told is
 * asked of the units themselves, and what is told is believed of units that are where it says. */
#ifndef CSN_DWARF_INDEX_INTERNAL_H
#define CSN_DWARF_INDEX_INTERNAL_H

#include "dwarf/source_internal.h"

/* A unit that an index knows of. */
struct csn_indexed_unit {
	uint64_t offset; /* in .debug_info */
	uint64_t length; /* up to the next unit; 0 not known */
	bool covered;    /* its addresses were told, or it was asked */
};

/* The units that all indexes know of; the array is owned. */
struct csn_indexed {
	struct csn_indexed_unit *units;
	size_t n, capacity;
};

/* False: out of memory. */
bool csn_indexed_add(struct csn_indexed *indexed, uint64_t offset, uint64_t length, bool covered);
/* By offset, each once: covered when one of them is, with the length that one of them tells. */
void csn_indexed_sort(struct csn_indexed *indexed);

/* Called for every range [start, end) of addresses and the offset of its unit. */
typedef void (*csn_indexed_fn)(void *context, uint64_t unit, uint64_t start, uint64_t end);

/* Each adds the units that its section tells of, and calls for their ranges; false: out of memory.
 * .debug_names tells no ranges. */
bool csn_gdb_index_read(struct csn_dwarf *dwarf, struct csn_indexed *indexed, csn_indexed_fn each,
			void *context);
bool csn_aranges_read(struct csn_dwarf *dwarf, struct csn_indexed *indexed, csn_indexed_fn each,
		      void *context);
bool csn_names_read(struct csn_dwarf *dwarf, struct csn_indexed *indexed);

#endif
