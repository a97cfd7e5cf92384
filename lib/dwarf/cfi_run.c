/* The CFA instruction machine (DWARF 5, 6.4.2, and the GNU and AArch64 additions).
 *
 * One handler per opcode. A handler changes the state; the runner stops as soon as the location
 * passes the address asked for, so the row's range is exact. */
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "dwarf/cfi_internal.h"

struct machine {
	const struct csn_cfi_section *section;
	const struct csn_fde *fde;
	struct csn_span at;
	struct csn_cfi_state state;
	struct csn_cfi_state initial; /* after the CIE's instructions, for DW_CFA_restore */
	struct csn_cfi_scratch *scratch;
	uint64_t location; /* of the row being built */
	uint64_t next;     /* of the next row, once an advance was seen */
	uint64_t args_size;
	bool advanced;
};

/* operand: the low six bits of the three primary opcodes, else 0. False: malformed. */
typedef bool (*instruction_fn)(struct machine *machine, uint8_t operand);

static struct csn_cfi_rule *rule_of(struct machine *machine, uint64_t reg,
				    struct csn_cfi_rule *dropped)
{
	return reg < CSN_CFI_REGISTERS ? &machine->state.registers[reg] : dropped;
}

static bool set_rule(struct machine *machine, uint64_t reg, enum csn_cfi_kind kind, int64_t offset)
{
	struct csn_cfi_rule dropped;

	*rule_of(machine, reg, &dropped) = (struct csn_cfi_rule){ .kind = kind, .offset = offset };
	return true;
}

static int64_t factored(const struct machine *machine, int64_t value)
{
	return (int64_t)((uint64_t)value * (uint64_t)machine->fde->cie.data_align);
}

static bool read_expression(struct machine *machine, struct csn_cfi_rule *rule,
			    enum csn_cfi_kind kind)
{
	uint64_t size = csn_span_uleb(&machine->at);
	const uint8_t *bytes = csn_span_bytes(&machine->at, size);

	if (!bytes || size > UINT32_MAX)
		return false;
	*rule = (struct csn_cfi_rule){ .kind = (uint8_t)kind,
				       .expr_size = (uint32_t)size,
				       .expr = bytes };
	return true;
}

static bool advance_by(struct machine *machine, uint64_t delta)
{
	machine->next = machine->location + delta * machine->fde->cie.code_align;
	machine->advanced = true;
	return machine->next >= machine->location;
}

static bool do_nop(struct machine *machine, uint8_t operand)
{
	(void)machine;
	(void)operand;
	return true;
}

static bool do_advance(struct machine *machine, uint8_t operand)
{
	return advance_by(machine, operand);
}

static bool do_advance1(struct machine *machine, uint8_t operand)
{
	(void)operand;
	return advance_by(machine, csn_span_u8(&machine->at));
}

static bool do_advance2(struct machine *machine, uint8_t operand)
{
	(void)operand;
	return advance_by(machine, csn_span_u16(&machine->at));
}

static bool do_advance4(struct machine *machine, uint8_t operand)
{
	(void)operand;
	return advance_by(machine, csn_span_u32(&machine->at));
}

static bool do_advance8(struct machine *machine, uint8_t operand)
{
	(void)operand;
	return advance_by(machine, csn_span_u64(&machine->at));
}

static bool do_set_loc(struct machine *machine, uint8_t operand)
{
	struct csn_eh_bases bases = machine->section->bases;

	(void)operand;
	bases.function = machine->fde->start;
	bases.address_size = machine->fde->cie.address_size;
	machine->advanced = true;
	return csn_eh_pointer_read(&machine->at, machine->fde->cie.pointer_encoding, &bases,
				   &machine->next) &&
	       machine->next >= machine->location;
}

static bool do_offset(struct machine *machine, uint8_t operand)
{
	int64_t offset = (int64_t)csn_span_uleb(&machine->at);

	return set_rule(machine, operand, CSN_CFI_OFFSET, factored(machine, offset));
}

static bool do_restore(struct machine *machine, uint8_t operand)
{
	if (operand < CSN_CFI_REGISTERS)
		machine->state.registers[operand] = machine->initial.registers[operand];
	return true;
}

static bool do_restore_extended(struct machine *machine, uint8_t operand)
{
	uint64_t reg = csn_span_uleb(&machine->at);

	(void)operand;
	return reg >= CSN_CFI_REGISTERS || do_restore(machine, (uint8_t)reg);
}

/* Reads a register and an offset, in this order. */
static bool set_offset(struct machine *machine, enum csn_cfi_kind kind, bool is_signed, int sign)
{
	uint64_t reg = csn_span_uleb(&machine->at);
	int64_t offset =
		is_signed ? csn_span_sleb(&machine->at) : (int64_t)csn_span_uleb(&machine->at);

	offset = factored(machine, offset);
	return set_rule(machine, reg, kind, sign < 0 ? (int64_t) - (uint64_t)offset : offset);
}

static bool do_offset_extended(struct machine *machine, uint8_t operand)
{
	(void)operand;
	return set_offset(machine, CSN_CFI_OFFSET, false, 1);
}

static bool do_offset_extended_sf(struct machine *machine, uint8_t operand)
{
	(void)operand;
	return set_offset(machine, CSN_CFI_OFFSET, true, 1);
}

static bool do_negative_offset(struct machine *machine, uint8_t operand)
{
	(void)operand;
	return set_offset(machine, CSN_CFI_OFFSET, false, -1);
}

static bool do_val_offset(struct machine *machine, uint8_t operand)
{
	(void)operand;
	return set_offset(machine, CSN_CFI_VAL_OFFSET, false, 1);
}

static bool do_val_offset_sf(struct machine *machine, uint8_t operand)
{
	(void)operand;
	return set_offset(machine, CSN_CFI_VAL_OFFSET, true, 1);
}

static bool do_undefined(struct machine *machine, uint8_t operand)
{
	(void)operand;
	return set_rule(machine, csn_span_uleb(&machine->at), CSN_CFI_UNDEFINED, 0);
}

static bool do_same_value(struct machine *machine, uint8_t operand)
{
	(void)operand;
	return set_rule(machine, csn_span_uleb(&machine->at), CSN_CFI_SAME, 0);
}

static bool do_register(struct machine *machine, uint8_t operand)
{
	uint64_t reg = csn_span_uleb(&machine->at), from = csn_span_uleb(&machine->at);

	(void)operand;
	return from <= INT64_MAX && set_rule(machine, reg, CSN_CFI_REGISTER, (int64_t)from);
}

static bool do_expression(struct machine *machine, uint8_t operand)
{
	uint64_t reg = csn_span_uleb(&machine->at);
	struct csn_cfi_rule dropped;

	(void)operand;
	return read_expression(machine, rule_of(machine, reg, &dropped), CSN_CFI_EXPRESSION);
}

static bool do_val_expression(struct machine *machine, uint8_t operand)
{
	uint64_t reg = csn_span_uleb(&machine->at);
	struct csn_cfi_rule dropped;

	(void)operand;
	return read_expression(machine, rule_of(machine, reg, &dropped), CSN_CFI_VAL_EXPRESSION);
}

static bool do_remember(struct machine *machine, uint8_t operand)
{
	struct csn_cfi_scratch *scratch = machine->scratch;

	(void)operand;
	if (scratch->n_saved >= CSN_MAX_CFI_STATES)
		return false;
	if (scratch->n_saved == scratch->capacity) {
		size_t capacity = scratch->capacity ? scratch->capacity * 2 : 4;
		void *saved = realloc(scratch->saved, capacity * sizeof(*scratch->saved));

		if (!saved)
			return false;
		scratch->saved = saved;
		scratch->capacity = capacity;
	}
	scratch->saved[scratch->n_saved++] = machine->state;
	return true;
}

static bool do_restore_state(struct machine *machine, uint8_t operand)
{
	(void)operand;
	if (machine->scratch->n_saved == 0)
		return false;
	/* The CFA comes back too: that is what compilers rely on. */
	machine->state = machine->scratch->saved[--machine->scratch->n_saved];
	return true;
}

static bool set_cfa(struct machine *machine, uint64_t reg, int64_t offset)
{
	if (reg > UINT16_MAX)
		return false;
	machine->state.cfa_register = (uint16_t)reg;
	machine->state.cfa = (struct csn_cfi_rule){ .kind = CSN_CFI_OFFSET, .offset = offset };
	return true;
}

static bool do_def_cfa(struct machine *machine, uint8_t operand)
{
	uint64_t reg = csn_span_uleb(&machine->at);

	(void)operand;
	return set_cfa(machine, reg, (int64_t)csn_span_uleb(&machine->at));
}

static bool do_def_cfa_sf(struct machine *machine, uint8_t operand)
{
	uint64_t reg = csn_span_uleb(&machine->at);

	(void)operand;
	return set_cfa(machine, reg, factored(machine, csn_span_sleb(&machine->at)));
}

static bool do_def_cfa_register(struct machine *machine, uint8_t operand)
{
	(void)operand;
	if (machine->state.cfa.kind != CSN_CFI_OFFSET)
		return false;
	return set_cfa(machine, csn_span_uleb(&machine->at), machine->state.cfa.offset);
}

static bool do_def_cfa_offset(struct machine *machine, uint8_t operand)
{
	(void)operand;
	if (machine->state.cfa.kind != CSN_CFI_OFFSET)
		return false;
	machine->state.cfa.offset = (int64_t)csn_span_uleb(&machine->at);
	return true;
}

static bool do_def_cfa_offset_sf(struct machine *machine, uint8_t operand)
{
	(void)operand;
	if (machine->state.cfa.kind != CSN_CFI_OFFSET)
		return false;
	machine->state.cfa.offset = factored(machine, csn_span_sleb(&machine->at));
	return true;
}

static bool do_def_cfa_expression(struct machine *machine, uint8_t operand)
{
	(void)operand;
	return read_expression(machine, &machine->state.cfa, CSN_CFI_VAL_EXPRESSION);
}

static bool do_args_size(struct machine *machine, uint8_t operand)
{
	(void)operand;
	machine->args_size = csn_span_uleb(&machine->at);
	return true;
}

/* 0x2d is DW_CFA_GNU_window_save on SPARC, which we do not know anyway. */
static bool do_negate_ra_state(struct machine *machine, uint8_t operand)
{
	(void)operand;
	machine->state.return_signed = !machine->state.return_signed;
	return true;
}

static const instruction_fn primary[4] = {
	[1] = do_advance,
	[2] = do_offset,
	[3] = do_restore,
};

static const instruction_fn extended[0x40] = {
	[0x00] = do_nop,
	[0x01] = do_set_loc,
	[0x02] = do_advance1,
	[0x03] = do_advance2,
	[0x04] = do_advance4,
	[0x05] = do_offset_extended,
	[0x06] = do_restore_extended,
	[0x07] = do_undefined,
	[0x08] = do_same_value,
	[0x09] = do_register,
	[0x0a] = do_remember,
	[0x0b] = do_restore_state,
	[0x0c] = do_def_cfa,
	[0x0d] = do_def_cfa_register,
	[0x0e] = do_def_cfa_offset,
	[0x0f] = do_def_cfa_expression,
	[0x10] = do_expression,
	[0x11] = do_offset_extended_sf,
	[0x12] = do_def_cfa_sf,
	[0x13] = do_def_cfa_offset_sf,
	[0x14] = do_val_offset,
	[0x15] = do_val_offset_sf,
	[0x16] = do_val_expression,
	[0x1d] = do_advance8,
	[0x2c] = do_negate_ra_state,
	[0x2d] = do_negate_ra_state,
	[0x2e] = do_args_size,
	[0x2f] = do_negative_offset,
};

/* Runs until the row for address is complete or the instructions end. */
static bool run(struct machine *machine, struct csn_span instructions, uint64_t address)
{
	unsigned steps;

	machine->at = instructions;
	for (steps = 0; csn_span_left(&machine->at) > 0; steps++) {
		uint8_t opcode = csn_span_u8(&machine->at);
		instruction_fn execute = opcode >> 6 ? primary[opcode >> 6] : extended[opcode];

		if (!execute || steps >= CSN_MAX_CFI_INSTRUCTIONS)
			return false;
		if (!execute(machine, opcode & 0x3f) || !csn_span_ok(&machine->at))
			return false;
		if (!machine->advanced)
			continue;
		if (machine->next > address)
			return true;
		machine->advanced = false;
		machine->location = machine->next;
	}
	return csn_span_ok(&machine->at);
}

static void fill_row(const struct machine *machine, const struct csn_cfi_section *section,
		     struct csn_cfi_row *row)
{
	const struct csn_fde *fde = machine->fde;
	uint64_t end = machine->advanced ? machine->next : fde->end;

	row->start = machine->location;
	row->end = csn_min_u64(end, fde->end);
	row->function_start = fde->start;
	row->function_end = fde->end;
	row->cfa = machine->state.cfa;
	row->cfa_register = machine->state.cfa_register;
	row->return_column = (uint16_t)csn_min_u64(fde->cie.return_column, UINT16_MAX);
	row->signal_frame = fde->cie.signal_frame;
	row->from_debug_frame = section->is_debug_frame;
	row->return_signed = machine->state.return_signed;
	row->args_size = machine->args_size;
	memcpy(row->registers, machine->state.registers, sizeof(row->registers));
}

bool csn_fde_run(const struct csn_cfi_section *section, const struct csn_fde *fde, uint64_t address,
		 struct csn_cfi_scratch *scratch, struct csn_cfi_row *ret_row)
{
	struct machine machine = {
		.section = section, .fde = fde, .scratch = scratch, .location = fde->start
	};

	scratch->n_saved = 0;
	/* A CIE must not advance; if one does, nothing after it can be believed. */
	if (!run(&machine, fde->cie.instructions, UINT64_MAX) || machine.location != fde->start)
		return false;
	machine.initial = machine.state;
	if (!run(&machine, fde->instructions, address))
		return false;
	if (machine.state.cfa.kind == CSN_CFI_UNSPECIFIED)
		return false;
	fill_row(&machine, section, ret_row);
	return true;
}
