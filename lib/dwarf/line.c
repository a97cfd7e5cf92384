/* Line programs (DWARF 5, 6.2): from addresses to files and lines.
 *
 * A program is run once for all addresses of its unit. Nothing is collected or sorted: each row is
 * held until the next one tells where it ends, and offered to the addresses between. */
#include <string.h>

#include "dwarf/source_internal.h"

struct row {
	uint64_t address;
	uint64_t file;
	uint32_t line, column;
	bool is_statement;
};

struct machine {
	struct csn_lines *lines;
	struct csn_spot *spots;
	size_t n_spots;
	uint64_t lowest, highest;
	struct row row, held;
	bool holds; /* held is a row of the sequence that runs */
	unsigned operation;
	uint64_t n_rows;
};

static void settle(struct machine *machine, uint64_t end)
{
	const struct row *held = &machine->held;
	size_t i;

	if (held->address > machine->highest || end <= machine->lowest)
		return;
	for (i = csn_spots_first(machine->spots, machine->n_spots, held->address);
	     i < machine->n_spots && machine->spots[i].address < end; i++) {
		struct csn_spot *spot = &machine->spots[i];

		if (spot->has_row)
			continue;
		spot->has_row = true;
		spot->file = held->file;
		spot->line = held->line;
		spot->column = held->column;
	}
}

/* Of several rows at one address the last counts, but a statement before one that is none. Rows of
 * line 0 (code of no line) do not end the line before them: debuggers do it so, and a near answer
 * helps more than none. */
static void emit(struct machine *machine, bool end_sequence)
{
	const struct row *row = &machine->row;

	machine->n_rows++;
	if (!end_sequence && row->line == 0)
		return;
	if (machine->holds && row->address > machine->held.address)
		settle(machine, row->address);
	else if (machine->holds && !end_sequence && row->address == machine->held.address &&
		 machine->held.is_statement && !row->is_statement)
		return;
	machine->held = *row;
	machine->holds = !end_sequence;
}

static void reset(struct machine *machine)
{
	machine->row = (struct row){ .file = 1,
				     .line = 1,
				     .is_statement = machine->lines->default_is_statement };
	machine->operation = 0;
	machine->holds = false;
}

static void advance(struct machine *machine, uint64_t operations)
{
	const struct csn_lines *lines = machine->lines;
	uint64_t sum;

	if (lines->maximum_operations == 1) {
		machine->row.address += operations * lines->minimum_length;
		return;
	}
	sum = machine->operation + operations;
	machine->row.address += sum / lines->maximum_operations * lines->minimum_length;
	machine->operation = (unsigned)(sum % lines->maximum_operations);
}

static void run_extended(struct machine *machine, struct csn_span *at)
{
	uint64_t length = csn_span_uleb(at);
	struct csn_span operands = csn_span_take(at, length);

	switch (csn_span_u8(&operands)) {
	case DW_LNE_end_sequence:
		emit(machine, true);
		reset(machine);
		return;
	case DW_LNE_set_address:
		machine->row.address = csn_span_uint(&operands, (unsigned)length - 1);
		machine->operation = 0;
		return;
	default:
		/* Files defined in the program are of compilers long gone; discriminators tell
		 * nothing to people. */
		return;
	}
}

static void skip_unknown(const struct csn_lines *lines, struct csn_span *at, uint8_t opcode)
{
	unsigned i;

	for (i = 0; i < lines->opcode_lengths[opcode - 1]; i++)
		(void)csn_span_uleb(at);
}

static void run_standard(struct machine *machine, struct csn_span *at, uint8_t opcode)
{
	const struct csn_lines *lines = machine->lines;

	switch (opcode) {
	case DW_LNS_copy:
		emit(machine, false);
		return;
	case DW_LNS_advance_pc:
		advance(machine, csn_span_uleb(at));
		return;
	case DW_LNS_advance_line:
		machine->row.line += (uint32_t)csn_span_sleb(at);
		return;
	case DW_LNS_set_file:
		machine->row.file = csn_span_uleb(at);
		return;
	case DW_LNS_set_column:
		machine->row.column = (uint32_t)csn_span_uleb(at);
		return;
	case DW_LNS_negate_stmt:
		machine->row.is_statement = !machine->row.is_statement;
		return;
	case DW_LNS_set_basic_block:
	case DW_LNS_set_prologue_end:
	case DW_LNS_set_epilogue_begin:
		return;
	case DW_LNS_const_add_pc:
		advance(machine, (255u - lines->opcode_base) / lines->line_range);
		return;
	case DW_LNS_fixed_advance_pc:
		machine->row.address += csn_span_u16(at);
		machine->operation = 0;
		return;
	default:
		skip_unknown(lines, at, opcode);
	}
}

void csn_lines_run(struct csn_lines *lines, struct csn_spot *spots, size_t n_spots)
{
	struct machine machine = { .lines = lines, .spots = spots, .n_spots = n_spots };
	struct csn_span at = lines->program;

	if (!n_spots)
		return;
	machine.lowest = spots[0].address;
	machine.highest = spots[n_spots - 1].address;
	reset(&machine);
	while (csn_span_left(&at) && machine.n_rows < CSN_MAX_LINE_ROWS) {
		uint8_t opcode = csn_span_u8(&at);

		if (opcode >= lines->opcode_base) {
			opcode = (uint8_t)(opcode - lines->opcode_base);
			advance(&machine, opcode / lines->line_range);
			machine.row.line +=
				(uint32_t)(lines->line_base + opcode % lines->line_range);
			emit(&machine, false);
		} else if (opcode) {
			run_standard(&machine, &at, opcode);
		} else {
			run_extended(&machine, &at);
		}
	}
}
