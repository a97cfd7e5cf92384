/* Children of an entry, and attributes that many readers want. */
#ifndef CSN_DWARF_ENTRY_INTERNAL_H
#define CSN_DWARF_ENTRY_INTERNAL_H

#include "dwarf/source_internal.h"

/* A walk over the entries inside of one. */
struct csn_children {
	struct csn_unit *unit;
	struct csn_span at;
	uint32_t depth; /* of the entry given last: 1 a child, 2 a grandchild */
	bool inside;    /* the entry given last has children of its own, which come next */
	/* The entry given last. */
	uint64_t offset;
	const struct csn_abbrev *abbrev;
};

/* False when the entry has no children or is broken. */
bool csn_children_begin(struct csn_children *children, const struct csn_entry *parent);
/* The next entry, at whose attributes *ret_attributes then stands. False at the end. */
bool csn_children_next(struct csn_children *children, struct csn_span *ret_attributes);
/* The entry given last need not be gone into. */
void csn_children_pass(struct csn_children *children);

/* Called for each attribute of an entry; end is the place behind the value, in the section. */
typedef void (*csn_attribute_fn)(void *context, struct csn_unit *unit, uint16_t name,
				 const struct csn_attr *attr);
/* False when the entry is broken. */
bool csn_attributes_each(struct csn_unit *unit, const struct csn_abbrev *abbrev,
			 struct csn_span *at, csn_attribute_fn each, void *context);

/* A signed number: short forms of data are what they say, not extended. */
bool csn_attr_int(const struct csn_attr *attr, int64_t *ret_value);
/* The bytes of a block or expression; failed when it is none. */
struct csn_span csn_attr_block(struct csn_unit *unit, const struct csn_attr *attr);

#endif
