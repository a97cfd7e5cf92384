/* What the files of the debug information reader share.
 *
 * sections.c gives bytes, abbrev.c compiles abbreviations, form.c reads attributes, unit.c knows
 * units, ranges.c tells whether an address is in a list, find.c which units hold the addresses,
 * line.c runs line programs, entry.c walks the entries of a unit, name.c names functions, call.c
 * reads the places that call, tail.c those of a function that are jumps. */
#ifndef CSN_DWARF_SOURCE_INTERNAL_H
#define CSN_DWARF_SOURCE_INTERNAL_H

#include "base/limits.h"
#include "dwarf/codes.h"
#include "dwarf/source.h"

struct csn_attr_spec {
	uint16_t name, form;
	int64_t implicit; /* DW_FORM_implicit_const */
};

struct csn_abbrev {
	uint64_t code;
	uint16_t tag;
	bool children;
	bool has_code;    /* says where its code is: low_pc or ranges */
	bool has_sibling; /* DW_AT_sibling */
	/* All attributes together take bytes + addresses * address size + offsets * offset size. */
	bool is_fixed;
	uint32_t bytes, addresses, offsets;
	/* DW_AT_sibling lies behind so much of them, when that is the same for every entry. */
	bool sibling_is_fixed;
	uint32_t sibling_bytes, sibling_addresses, sibling_offsets;
	uint32_t sibling_spec; /* index of it in specs */
	uint32_t n_specs;
	const struct csn_attr_spec *specs;
};

/* One table of .debug_abbrev, shared by the units that name its offset. */
struct csn_abbrevs {
	struct csn_abbrevs *next;
	uint64_t offset;
	struct csn_abbrev *items; /* sorted by code */
	size_t n_items;
	bool any_sibling;
};

struct csn_line_file {
	const char *name; /* NULL broken */
	uint64_t folder;
};

/* The header of a line program. */
struct csn_lines {
	uint16_t version;
	uint8_t address_size, minimum_length, maximum_operations, line_range, opcode_base;
	int8_t line_base;
	bool default_is_statement;
	const uint8_t *opcode_lengths; /* opcode_base - 1 of them; borrowed */
	/* What special instructions do, by opcode - opcode_base; the address for one operation per
	 * instruction word. */
	uint16_t address_advance[256];
	int16_t line_advance[256];
	const char **folders;
	struct csn_line_file *files;
	const char **paths; /* made on demand, like files */
	size_t n_folders, n_files;
	struct csn_span program;
};

struct csn_scopes;

struct csn_unit {
	struct csn_unit *next; /* same bucket */
	struct csn_dwarf *dwarf;
	uint64_t offset, end; /* in .debug_info */
	uint64_t first_entry; /* offset of the root entry */
	uint64_t abbrev_offset;
	uint16_t version;
	uint8_t kind; /* DW_UT_... */
	uint8_t address_size, offset_size;
	/* Of the root entry, by csn_unit_open: */
	bool opened, broken, has_ranges, has_high, has_lines;
	struct csn_abbrevs *abbrevs;
	uint64_t low, high, ranges, lines_offset;
	uint16_t ranges_form;
	uint64_t str_offsets_base, addr_base, rnglists_base;
	uint64_t language;
	const char *folder;
	bool lines_tried;
	struct csn_lines *lines; /* NULL none */
	unsigned n_scans;        /* for scopes */
	struct csn_scopes *found_scopes;
	unsigned n_found_scopes;
};

/* A value as stored: value is an offset, an index or the thing itself, as the form says. */
struct csn_attr {
	uint16_t form; /* 0: absent */
	uint64_t value;
	const char *text; /* DW_FORM_string */
};

struct csn_function_name {
	struct csn_function_name *next;
	uint64_t offset; /* of the entry */
	const char *name, *linkage_name;
};

#define CSN_DWARF_BUCKETS 1024u

struct csn_dwarf {
	struct csn_dwarf_input input;
	struct csn_arena *arena; /* owned; units, tables, names */
	struct csn_span sections[CSN_DEBUG_SECTIONS];
	uint64_t asked[CSN_DEBUG_SECTIONS];
	struct csn_unit *units[CSN_DWARF_BUCKETS];
	struct csn_abbrevs *abbrevs[CSN_DWARF_BUCKETS];
	struct csn_function_name *names[CSN_DWARF_BUCKETS];
	struct csn_place *places[CSN_DWARF_BUCKETS]; /* call_internal.h */
	uint64_t *unit_offsets;                      /* all of .debug_info, ascending */
	size_t n_unit_offsets;
	bool unit_offsets_tried;
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
/* The text at an offset; NULL when outside or not ended. */
const char *csn_dwarf_text(struct csn_dwarf *dwarf, enum csn_dwarf_section section,
			   uint64_t offset);

/* abbrev.c: NULL when broken or out of memory. */
struct csn_abbrevs *csn_abbrevs_get(struct csn_dwarf *dwarf, uint64_t offset);
const struct csn_abbrev *csn_abbrevs_search(const struct csn_abbrevs *abbrevs, uint64_t code);

static inline const struct csn_abbrev *csn_abbrev_find(const struct csn_abbrevs *abbrevs,
						       uint64_t code)
{
	/* Compilers number from 1 without gaps. */
	if (code - 1 < abbrevs->n_items && abbrevs->items[code - 1].code == code)
		return &abbrevs->items[code - 1];
	return csn_abbrevs_search(abbrevs, code);
}

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
/* Offset in .debug_info. */
bool csn_attr_reference(const struct csn_unit *unit, const struct csn_attr *attr,
			uint64_t *ret_offset);
const char *csn_attr_text(struct csn_unit *unit, const struct csn_attr *attr);
/* Entry index of .debug_addr. */
bool csn_unit_address(struct csn_unit *unit, uint64_t index, uint64_t *ret_address);

/* unit.c: what an entry is, at an offset that is in or near *unit, which becomes the unit around
 * it; ret_at stands at its attributes and ends with the unit. NULL when there is none. */
const struct csn_abbrev *csn_entry_open(struct csn_unit **unit, uint64_t offset,
					struct csn_span *ret_at);
/* NULL when there is no readable unit at the offset; unknown kinds are units too. */
struct csn_unit *csn_unit_at(struct csn_dwarf *dwarf, uint64_t offset);
/* The unit whose entries hold an offset. */
struct csn_unit *csn_unit_around(struct csn_dwarf *dwarf, uint64_t offset);
/* Offsets of all units; false when out of memory. */
bool csn_dwarf_list_units(struct csn_dwarf *dwarf);
/* Reads the root entry and abbreviations, once; false when broken. */
bool csn_unit_open(struct csn_unit *unit);

/* ranges.c: calls for each [start, end) of a list until the callback returns false. */
typedef bool (*csn_range_fn)(void *context, uint64_t start, uint64_t end);
void csn_ranges_each(struct csn_unit *unit, uint16_t form, uint64_t value, csn_range_fn each,
		     void *context);

/* find.c: sets the unit of every spot that has one. spots are sorted. False: out of memory. */
bool csn_dwarf_find_units(struct csn_dwarf *dwarf, struct csn_spot *spots, size_t n_spots);
/* Index of the first spot at or after address. */
size_t csn_spots_first(const struct csn_spot *spots, size_t n_spots, uint64_t address);

/* line.c */
struct csn_lines *csn_unit_lines(struct csn_unit *unit);
const char *csn_lines_path(struct csn_unit *unit, struct csn_lines *lines, uint64_t file);
/* Fills has_row, file, line and column of spots, sorted and all of this unit. */
void csn_lines_run(struct csn_unit *unit, struct csn_lines *lines, struct csn_spot *spots,
		   size_t n_spots);

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

/* name.c: of the function whose entry is at offset, in or near the unit. NULL: out of memory. */
const struct csn_function_name *csn_function_name_get(struct csn_unit *unit, uint64_t offset);

#endif
