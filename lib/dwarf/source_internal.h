/* What the files of the debug information reader share.
 *
 * sections.c gives bytes, abbrev.c compiles abbreviations, form.c reads attributes, unit.c knows
 * units, split.c the objects and packages that have the entries of split units, type_unit.c units
 * of types, ranges.c and location_list.c read lists, index.c what linkers write to find units by,
 * find.c finds the units that hold the addresses, line.c runs line programs, entry.c walks the
 * entries of a unit, name.c names functions, call.c reads the places that call, tail.c those of a
 * function that are jumps. */
#ifndef CSN_DWARF_SOURCE_INTERNAL_H
#define CSN_DWARF_SOURCE_INTERNAL_H

#include "base/limits.h"
#include "dwarf/abbrev_internal.h"
#include "dwarf/codes.h"
#include "dwarf/source.h"

struct csn_type;
struct csn_go_types;

/* Where the parts of one unit of a package begin in its sections; 0 in other objects. */
struct csn_parts {
	uint64_t info, types, abbrev, loclists, str_offsets, rnglists;
};

struct csn_lines;

struct csn_scopes;

struct csn_unit {
	struct csn_unit *next; /* same bucket */
	struct csn_dwarf *dwarf;
	enum csn_dwarf_section section; /* CSN_DEBUG_INFO or, up to version 4, CSN_DEBUG_TYPES */
	uint64_t offset, end;           /* in section */
	uint64_t first_entry;           /* offset of the root entry */
	uint64_t abbrev_offset;
	uint16_t version;
	uint8_t kind; /* DW_UT_... */
	uint8_t address_size, offset_size;
	uint64_t id;             /* signature of a type unit, or what joins skeleton and split */
	uint64_t type_entry;     /* of a type unit: offset of the type, in section */
	struct csn_parts *parts; /* of a unit in a package; NULL */
	/* Of a split unit: the one that has its addresses, lines and ranges; NULL. */
	struct csn_unit *skeleton;
	/* Of the root entry, by csn_unit_open: */
	bool opened, broken, has_ranges, has_high, has_lines;
	struct csn_abbrevs *abbrevs;
	uint64_t low, high, ranges, lines_offset;
	uint16_t ranges_form;
	/* ranges_base is of GNU's split units, and for the split one only. */
	uint64_t str_offsets_base, addr_base, rnglists_base, loclists_base, ranges_base;
	uint64_t language;
	const char *folder, *name;
	const char *split_name; /* of the object that has the entries; NULL none */
	bool lines_tried, split_tried;
	struct csn_lines *lines; /* NULL none */
	struct csn_unit *split;  /* NULL none */
	unsigned n_scans;        /* for scopes */
	uint64_t scan_steps;     /* entries that all of them saw */
	struct csn_scopes *found_scopes;
	size_t n_found_scopes, found_scopes_capacity;
};

/* A value as stored: value is an offset, an index or the thing itself, as the form says. */
struct csn_attr {
	uint16_t form; /* 0: absent */
	uint64_t value;
	union {
		const char *text;    /* DW_FORM_string */
		uint64_t size_bytes; /* of blocks and expressions; value is where they begin */
	};
};

/* An entry, wherever it is. */
struct csn_entry {
	struct csn_unit *unit;
	uint64_t offset; /* in the unit's section */
};

struct csn_function_name {
	struct csn_function_name *next;
	enum csn_dwarf_section section;
	uint64_t offset; /* of the entry */
	const char *name, *linkage_name;
};

/* The units of one section, as far as they were listed. */
struct csn_unit_list {
	uint64_t *offsets; /* ascending */
	size_t n, capacity;
	uint64_t end; /* the next would be here */
	bool complete;
};

#define CSN_DWARF_BUCKETS 256u

struct csn_dwarf {
	struct csn_dwarf_input input;
	struct csn_arena *arena; /* owned; units, tables, names */
	struct csn_span sections[CSN_DEBUG_SECTIONS];
	uint64_t asked[CSN_DEBUG_SECTIONS];
	struct csn_unit *units[CSN_DWARF_BUCKETS];
	struct csn_abbrevs *abbrevs[CSN_DWARF_BUCKETS];
	struct csn_function_name *names[CSN_DWARF_BUCKETS];
	struct csn_place *places[CSN_DWARF_BUCKETS]; /* call_internal.h */
	struct csn_type *types[CSN_DWARF_BUCKETS];
	struct csn_go_types *go_types; /* type_go.c; NULL not read */
	struct csn_unit_list info_units, type_units;
	struct csn_package *packages[2];   /* split.c: of units and of type units */
	struct csn_signatures *signatures; /* type_unit.c */
	struct csn_named_table *named;     /* named.c */
	bool alternate_tried;
	struct csn_dwarf *alternate; /* NULL none */
};

/* One address while it is looked up. */
struct csn_inlined {
	uint32_t depth;
	uint64_t offset; /* of the entry */
	uint64_t call_file, call_line, call_column;
};

struct csn_spot {
	struct csn_source *source;
	uint64_t address;
	struct csn_unit *unit; /* NULL unknown */
	bool has_function;
	uint32_t function_depth;
	uint64_t function;           /* offset of its entry */
	uint64_t entry;              /* address where it begins */
	struct csn_inlined *inlined; /* outermost first; in the caller's arena */
	size_t n_inlined, inlined_capacity;
	uint64_t call; /* offset of the entry of the call that ends behind the address; 0 none */
	bool has_row;
	uint64_t file;
	uint32_t line, column;
};

/* sections.c: at least the first size_bytes where they exist, all the same span at position 0. */
struct csn_span csn_dwarf_bytes(struct csn_dwarf *dwarf, enum csn_dwarf_section section,
				uint64_t size_bytes);
/* The alternate object; NULL none. */
struct csn_dwarf *csn_dwarf_alternate(struct csn_dwarf *dwarf);
/* The text at an offset; NULL when outside or not ended. */
const char *csn_dwarf_text(struct csn_dwarf *dwarf, enum csn_dwarf_section section,
			   uint64_t offset);

/* form.c: reads one value; a form that is not known fails the span. */
void csn_attr_read(struct csn_span *at, const struct csn_unit *unit,
		   const struct csn_attr_spec *spec, struct csn_attr *ret_attr);
void csn_attrs_skip(struct csn_span *at, const struct csn_unit *unit,
		    const struct csn_abbrev *abbrev);
/* The same; returns the entry's sibling, 0 when it says none. */
uint64_t csn_attrs_skip_sibling(struct csn_span *at, const struct csn_unit *unit,
				const struct csn_abbrev *abbrev);
/* Each: false or NULL when absent or of another class. */
bool csn_attr_uint(const struct csn_attr *attr, uint64_t *ret_value);
bool csn_attr_flag(const struct csn_attr *attr);
bool csn_attr_address(struct csn_unit *unit, const struct csn_attr *attr, uint64_t *ret_address);
/* Offset in the section of the unit: only references that stay in the unit's object. */
bool csn_attr_reference(const struct csn_unit *unit, const struct csn_attr *attr,
			uint64_t *ret_offset);
/* The entry that any reference leads to: also in other units, type units, the alternate object. */
bool csn_attr_entry(struct csn_unit *unit, const struct csn_attr *attr,
		    struct csn_entry *ret_entry);
const char *csn_attr_text(struct csn_unit *unit, const struct csn_attr *attr);
/* Entry index of .debug_addr. */
bool csn_unit_address(struct csn_unit *unit, uint64_t index, uint64_t *ret_address);

/* unit.c: length of a unit or table, and how wide offsets in it are (DWARF 5, 7.4). */
uint64_t csn_length_read(struct csn_span *at, uint8_t *ret_offset_size);
/* The header at an offset; false when it is broken or of a version that nobody knows. Where it has
 * a length, the end is told all the same. */
bool csn_unit_read(struct csn_dwarf *dwarf, enum csn_dwarf_section section, uint64_t offset,
		   struct csn_unit *ret_unit);
/* The unit that is kept for a header: an earlier one of the same place counts. NULL: no memory. */
struct csn_unit *csn_unit_keep(const struct csn_unit *header);
/* What an entry is; ret_at stands at its attributes and ends with the unit. NULL when there is
 * none. */
const struct csn_abbrev *csn_entry_open(const struct csn_entry *entry, struct csn_span *ret_at);
/* In .debug_info. NULL when there is no readable unit; unknown kinds are units too. */
struct csn_unit *csn_unit_at(struct csn_dwarf *dwarf, uint64_t offset);
/* The unit whose entries hold an offset of .debug_info. */
struct csn_unit *csn_unit_around(struct csn_dwarf *dwarf, uint64_t offset);
/* Lists units at least as far as the one that holds an offset; false when out of memory. */
bool csn_units_list(struct csn_dwarf *dwarf, enum csn_dwarf_section section, uint64_t offset);
/* Reads the root entry and abbreviations, once; false when broken. */
bool csn_unit_open(struct csn_unit *unit);
/* Of a unit that is not kept: what its root entry says but for texts, with little effort. */
bool csn_unit_peek(struct csn_unit *unit);
/* The section up to the end of the unit, at an offset. */
struct csn_span csn_unit_bytes(struct csn_unit *unit, uint64_t offset);

/* split.c: the unit that has the entries: of a skeleton the split one, if it can be had. */
struct csn_unit *csn_unit_entries(struct csn_unit *unit);
/* ranges.c: what relative addresses in lists count from: of a split unit its skeleton tells. */
static inline uint64_t csn_unit_base(const struct csn_unit *unit)
{
	return unit->skeleton ? unit->skeleton->low : unit->low;
}

/* Offset of list number index: the table of offsets stands at base, from which they count. */
bool csn_list_find(struct csn_unit *unit, enum csn_dwarf_section section, uint64_t base,
		   uint64_t index, uint64_t *ret_offset);
/* Calls for each [start, end) of a list until the callback returns false. */
typedef bool (*csn_range_fn)(void *context, uint64_t start, uint64_t end);
void csn_ranges_each(struct csn_unit *unit, uint16_t form, uint64_t value, csn_range_fn each,
		     void *context);

/* find.c: sets the unit of every spot that has one. spots are sorted. False: out of memory. */
bool csn_dwarf_find_units(struct csn_dwarf *dwarf, struct csn_spot *spots, size_t n_spots);
/* Index of the first spot at or after address. */
size_t csn_spots_first(const struct csn_spot *spots, size_t n_spots, uint64_t address);

/* entry.c: fills has_function, function, entry, inlined and call of spots, sorted and all of this
 * unit. False: out of memory. */
bool csn_entries_walk(struct csn_arena *arena, struct csn_unit *unit, struct csn_spot *spots,
		      size_t n_spots);

/* locate.c: finds the units of spots, in any order, and calls for each unit with its spots, sorted,
 * until one fails. */
typedef int (*csn_spots_fn)(void *context, struct csn_unit *unit, struct csn_spot *spots,
			    size_t n_spots, struct csn_error *err);
int csn_spots_each_unit(struct csn_dwarf *dwarf, struct csn_spot *spots, size_t n_spots,
			csn_spots_fn each, void *context, struct csn_error *err) csn_must_check;

/* name.c: does the unit's language have no scopes of names? */
bool csn_unit_is_c(const struct csn_unit *unit);
/* With its scopes, also of what the linker knows by another name; NULL none, or out of memory. */
const char *csn_entry_full_name(struct csn_unit *unit, uint64_t offset);
/* Of the function or type whose entry is at offset in the unit. NULL: out of memory. */
const struct csn_function_name *csn_function_name_get(struct csn_unit *unit, uint64_t offset);

#endif
