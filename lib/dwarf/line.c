/* Line programs (DWARF 5, 6.2): from addresses to files and lines.
 *
 * A program is run once for all addresses of its unit. Nothing is collected or sorted: each row is
 * held until the next one tells where it ends, and offered to the addresses between. Sequences
 * that begin where no address can follow are only passed by, and when every address has its row
 * the rest is not looked at. */
#include <string.h>

#include "dwarf/line_internal.h"

/* Ranges of the unit that hold addresses; of more than these all sequences are run. */
#define MAX_WANTED 256u

struct row {
	uint64_t address;
	uint64_t file;
	uint32_t line, column;
	bool is_statement;
};

struct wanted {
	uint64_t start, end;
};

struct machine {
	struct csn_lines *lines;
	struct csn_spot *spots;
	size_t n_spots, n_left; /* without a row */
	struct row row, held;
	bool holds;    /* held is a row of the sequence that runs */
	bool idle;     /* nothing is wanted from here on, up to the next address that is set */
	bool thorough; /* nothing of this sequence is passed by */
	size_t begin;  /* of this sequence, in the program */
	uint64_t next; /* address of the first spot at or after held's; UINT64_MAX none */
	unsigned operation;
	uint64_t n_rows;
	bool filtered;
	struct wanted wanted[MAX_WANTED];
	size_t n_wanted;
};

static uint64_t next_spot(const struct machine *machine, size_t index)
{
	return index < machine->n_spots ? machine->spots[index].address : UINT64_MAX;
}

/* The row holds up to end: gives it to the spots there. */
static void settle(struct machine *machine, const struct row *row, uint64_t end)
{
	size_t i = csn_spots_first(machine->spots, machine->n_spots, row->address);

	for (; i < machine->n_spots && machine->spots[i].address < end; i++) {
		struct csn_spot *spot = &machine->spots[i];

		if (spot->has_row)
			continue;
		spot->has_row = true;
		spot->file = row->file;
		spot->line = row->line;
		spot->column = row->column;
		machine->n_left--;
	}
	machine->next = next_spot(machine, i);
}

/* Of several rows at one address the last counts, but a statement before one that is none. Rows of
 * line 0 (code of no line) do not end the line before them: debuggers do it so, and a near answer
 * helps more than none. */
static inline void hold(struct machine *machine, const struct row *row)
{
	struct row *held = &machine->held;

	if (row->line == 0)
		return;
	if (!machine->holds || row->address < held->address) {
		machine->next = next_spot(machine, csn_spots_first(machine->spots, machine->n_spots,
								   row->address));
	} else if (row->address > held->address) {
		if (machine->next < row->address)
			settle(machine, held, row->address);
	} else if (held->is_statement && !row->is_statement) {
		return;
	}
	*held = *row;
	machine->holds = true;
}

static void end_sequence(struct machine *machine)
{
	if (machine->holds && machine->next < machine->row.address)
		settle(machine, &machine->held, machine->row.address);
}

/* Whether rows from this address on may be those of a spot. */
static bool is_wanted(const struct machine *machine, uint64_t address)
{
	if (!machine->filtered)
		return csn_spots_first(machine->spots, machine->n_spots, address) <
		       machine->n_spots;
	for (size_t i = 0; i < machine->n_wanted; i++)
		if (address >= machine->wanted[i].start && address < machine->wanted[i].end)
			return true;
	return false;
}

/* A sequence begins there. Compilers set its file before its address: until that is set nothing can
 * be passed by. */
static void reset(struct machine *machine, size_t begin)
{
	machine->row = (struct row){ .file = 1,
				     .line = 1,
				     .is_statement = machine->lines->default_is_statement };
	machine->operation = 0;
	machine->holds = false;
	machine->idle = machine->thorough = false;
	machine->begin = begin;
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

static void set_address(struct machine *machine, struct csn_span *at, uint64_t address)
{
	bool wanted = machine->thorough || machine->holds || is_wanted(machine, address);

	if (machine->idle && wanted) {
		/* Wanted after all: once more, with what was passed by. */
		csn_span_seek(at, machine->begin);
		reset(machine, machine->begin);
		machine->thorough = true;
		return;
	}
	machine->row.address = address;
	machine->operation = 0;
	machine->idle = !wanted;
}

static void run_extended(struct machine *machine, struct csn_span *at)
{
	uint64_t length = csn_span_uleb(at);
	struct csn_span operands = csn_span_take(at, length);

	switch (csn_span_u8(&operands)) {
	case DW_LNE_end_sequence:
		end_sequence(machine);
		reset(machine, at->at);
		return;
	case DW_LNE_set_address:
		set_address(machine, at, csn_span_uint(&operands, (unsigned)length - 1));
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
		hold(machine, &machine->row);
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

/* What programs mostly consist of: instructions of one byte that advance and give a row. */
static void run_specials(struct machine *machine, struct csn_span *at)
{
	const struct csn_lines *lines = machine->lines;
	size_t begin = at->at;

	while (at->at < at->size && at->data[at->at] >= lines->opcode_base) {
		unsigned opcode = at->data[at->at++] - (unsigned)lines->opcode_base;

		machine->row.line += (uint32_t)lines->line_advance[opcode];
		if (lines->maximum_operations == 1)
			machine->row.address += lines->address_advance[opcode];
		else
			advance(machine, opcode / lines->line_range);
		hold(machine, &machine->row);
	}
	machine->n_rows += at->at - begin;
}

/* Extended instructions that end what is passed by. */
static bool ends_skipping(struct csn_span at)
{
	uint64_t length = csn_span_uleb(&at);
	uint8_t opcode = length ? csn_span_u8(&at) : 0;

	return opcode == DW_LNE_end_sequence || opcode == DW_LNE_set_address;
}

/* Passes by rows up to where another sequence or address begins. */
static void skip_rows(const struct csn_lines *lines, struct csn_span *at)
{
	while (csn_span_left(at)) {
		size_t i = at->at;
		uint8_t opcode;

		while (i < at->size && at->data[i] >= lines->opcode_base)
			i++;
		at->at = i;
		if (i == at->size)
			return;
		opcode = at->data[i];
		if (!opcode) {
			struct csn_span behind = *at;

			csn_span_skip(&behind, 1);
			if (ends_skipping(behind))
				return;
			csn_span_skip(&behind, csn_span_uleb(&behind));
			*at = behind;
			continue;
		}
		csn_span_skip(at, 1);
		if (opcode == DW_LNS_fixed_advance_pc)
			csn_span_skip(at, 2);
		else
			skip_unknown(lines, at, opcode);
	}
}

static void run(struct machine *machine)
{
	struct csn_lines *lines = machine->lines;
	struct csn_span at = lines->program;

	reset(machine, at.at);
	while (csn_span_left(&at) && machine->n_left && machine->n_rows < CSN_MAX_LINE_ROWS) {
		uint8_t opcode;

		if (machine->idle)
			skip_rows(lines, &at);
		else
			run_specials(machine, &at);
		if (!csn_span_left(&at))
			return;
		opcode = csn_span_u8(&at);
		if (opcode)
			run_standard(machine, &at, opcode);
		else
			run_extended(machine, &at);
	}
}

static bool want_range(void *context, uint64_t start, uint64_t end)
{
	struct machine *machine = context;
	size_t i = csn_spots_first(machine->spots, machine->n_spots, start);

	if (i == machine->n_spots || machine->spots[i].address >= end)
		return true;
	if (machine->n_wanted == MAX_WANTED) {
		machine->filtered = false;
		return false;
	}
	machine->wanted[machine->n_wanted++] = (struct wanted){ start, end };
	return true;
}

void csn_lines_run(struct csn_lines *lines, struct csn_spot *spots, size_t n_spots)
{
	struct csn_unit *unit = lines->unit;
	struct machine machine = {
		.lines = lines, .spots = spots, .n_spots = n_spots, .n_left = n_spots
	};

	/* Compilers give each range of a unit a sequence of its own. Where one did not, everything
	 * is run. */
	machine.filtered = unit->has_ranges;
	if (machine.filtered)
		csn_ranges_each(unit, unit->ranges_form, unit->ranges, want_range, &machine);
	run(&machine);
	if (machine.n_left && machine.filtered) {
		machine.filtered = false;
		run(&machine);
	}
}
