/* Line programs: line_header.c reads their headers, line.c runs them. */
#ifndef CSN_DWARF_LINE_INTERNAL_H
#define CSN_DWARF_LINE_INTERNAL_H

#include "dwarf/source_internal.h"

struct csn_line_file {
	const char *name; /* NULL broken */
	uint64_t folder;
};

/* The header of a line program. */
struct csn_lines {
	struct csn_unit *unit;
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

/* The line program of the unit, its header read once; NULL none. */
struct csn_lines *csn_unit_lines(struct csn_unit *unit);
const char *csn_lines_path(struct csn_lines *lines, uint64_t file);
/* Fills has_row, file, line and column of spots, sorted and all of this unit. */
void csn_lines_run(struct csn_lines *lines, struct csn_spot *spots, size_t n_spots);

#endif
