/* One step, in the order of trust:
 *
 * 1. A signal trampoline is known by its code, as the kernel and gdb know it, because not every
 *    libc describes it. Its frame holds all registers of the interrupted code, and the pc behind
 *    it is exact: the instruction that was about to run, not one after a call.
 * 2. Call-frame information, looked up at pc - 1 for return addresses: a call may be the last
 *    instruction of its function.
 * 3. A pc outside of all code (a call through NULL or garbage): the call has just left the return
 *    address on top of the stack, or in the link register.
 * 4. Code without call-frame information: bare.c.
 * 5. A return address that no call made, at the start of a function, ends the walk: there the
 *    stack was begun by hand (makecontext).
 *
 * The stack pointer must grow with every step, except out of a signal frame, whose handler may have
 * run on a stack of its own, and out of a function that was called through a link register and has
 * no frame. Where only a frame record was found, the stack pointer is not known: its value then is
 * a lower bound, and a frame address is taken from where the record lies. */
#include "unwind/unwind.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "dwarf/expr.h"
#include "unwind/unwind_internal.h"

int csn_unwinder_new(struct csn_target *target, struct csn_modules *modules,
		     struct csn_unwinder **ret_unwinder, struct csn_error *err)
{
	struct csn_unwinder *unwinder = calloc(1, sizeof(*unwinder));

	if (!unwinder)
		return csn_fail_nomem(err);
	unwinder->target = target;
	unwinder->modules = modules;
	unwinder->arch = target->arch;
	*ret_unwinder = unwinder;
	return 0;
}

void csn_unwinder_free(struct csn_unwinder *unwinder)
{
	if (unwinder)
		csn_emulator_free(unwinder->emulator);
	free(unwinder);
}

void csn_unwinder_freep(struct csn_unwinder **unwinder)
{
	csn_unwinder_free(*unwinder);
}

bool csn_is_code(struct csn_target *target, csn_addr pc)
{
	const struct csn_mapping *mapping = csn_target_find_mapping(target, pc);

	return mapping && (mapping->executable || (!mapping->perms_known && mapping->is_file));
}

const struct csn_trampoline *csn_find_trampoline(struct csn_unwinder *unwinder, csn_addr pc)
{
	const struct csn_arch *arch = unwinder->arch;
	uint8_t code[16];
	size_t got = csn_target_read_some(unwinder->target, pc, code, sizeof(code));

	for (unsigned i = 0; i < arch->n_trampolines; i++) {
		const struct csn_trampoline *trampoline = &arch->trampolines[i];

		if (trampoline->size_bytes <= got &&
		    memcmp(code, trampoline->code, trampoline->size_bytes) == 0)
			return trampoline;
	}
	return NULL;
}

csn_addr csn_unwind_unsigned(const struct csn_unwinder *unwinder, csn_addr word)
{
	uint64_t bits = unwinder->target->signature_bits ? unwinder->target->signature_bits
							 : unwinder->arch->signature_bits;

	/* Bit 55 says which half of the address space it is. */
	return word >> 55 & 1 ? word | bits : word & ~bits;
}

static enum csn_rule_kind csn_rule_from_cfi(struct csn_rule *rule, csn_addr lookup)
{
	if (!rule->module)
		return CSN_RULE_NO_CFI;
	switch (csn_module_find_row(rule->module, lookup, &rule->row)) {
	case CSN_CFI_FOUND:
		return CSN_RULE_CFI;
	case CSN_CFI_BROKEN:
		return CSN_RULE_BROKEN_CFI;
	case CSN_CFI_NONE:
		break;
	}
	return CSN_RULE_NO_CFI;
}

/* A return address without a call before it that is the first byte of a function was put there by
 * hand, as makecontext does: there is no caller. */
static bool csn_rule_is_first(struct csn_unwinder *unwinder, struct csn_rule *rule)
{
	struct csn_module *module = csn_modules_find(unwinder->modules, rule->pc);
	struct csn_cfi_row row;
	csn_addr unused;

	if (!module || csn_is_return_address(unwinder, rule->pc, &unused, &unused) ||
	    csn_module_find_row(module, rule->pc, &row) != CSN_CFI_FOUND ||
	    row.function_start + module->bias != rule->pc)
		return false;
	rule->module = module;
	return true;
}

/* Boils the row down to what a step has to do. */
static void csn_rule_simplify(const struct csn_arch *arch, struct csn_rule *rule)
{
	const struct csn_cfi_row *row = &rule->row;
	struct csn_plain_row *plain = &rule->plain;

	if (arch->n_dwarf > CSN_CFI_REGISTERS || row->cfa.kind != CSN_CFI_OFFSET ||
	    row->return_column != arch->return_column || row->return_signed ||
	    row->registers[arch->return_column].kind != CSN_CFI_OFFSET ||
	    row->registers[arch->sp].kind != CSN_CFI_UNSPECIFIED)
		return;
	plain->return_offset = row->registers[arch->return_column].offset;
	for (unsigned i = 0; i < arch->n_dwarf; i++) {
		const struct csn_cfi_rule *saved = &row->registers[i];

		if (i == arch->pc || i == arch->sp || i == arch->return_column)
			continue;
		if (saved->kind == CSN_CFI_OFFSET) {
			plain->saved[plain->n_saved].reg = (uint8_t)i;
			plain->saved[plain->n_saved++].offset = saved->offset;
		} else if (saved->kind == CSN_CFI_SAME || (saved->kind == CSN_CFI_UNSPECIFIED &&
							   arch->registers[i].callee_saved)) {
			plain->same |= 1ull << i;
		} else if (saved->kind != CSN_CFI_UNSPECIFIED && saved->kind != CSN_CFI_UNDEFINED) {
			return;
		}
	}
	plain->is_plain = true;
}

static void csn_rule_make(struct csn_unwinder *unwinder, struct csn_rule *rule)
{
	csn_addr lookup = rule->exact ? rule->pc : rule->pc - 1;

	if (!csn_is_code(unwinder->target, rule->pc) && !csn_is_code(unwinder->target, lookup)) {
		rule->module = NULL;
		rule->kind = CSN_RULE_NO_CODE;
		return;
	}
	rule->module = csn_modules_find(unwinder->modules, lookup);
	rule->trampoline = csn_find_trampoline(unwinder, rule->pc);
	if (rule->trampoline) {
		rule->kind = CSN_RULE_TRAMPOLINE;
		return;
	}
	rule->kind = csn_rule_from_cfi(rule, lookup);
	if (rule->kind == CSN_RULE_CFI)
		csn_rule_simplify(unwinder->arch, rule);
	if (!rule->exact && csn_rule_is_first(unwinder, rule))
		rule->kind = CSN_RULE_FIRST;
	csn_go_settle(rule);
}

static struct csn_rule *csn_rule_find(struct csn_unwinder *unwinder, csn_addr pc, bool exact)
{
	uint64_t hash = (pc ^ exact) * 0x9e3779b97f4a7c15ull;
	struct csn_rule *rule = &unwinder->rules[hash >> 54];

	if (rule->kind == CSN_RULE_EMPTY || rule->pc != pc || rule->exact != exact) {
		*rule = (struct csn_rule){ .pc = pc, .exact = exact };
		csn_rule_make(unwinder, rule);
	}
	return rule;
}

static void csn_cursor_settle(struct csn_unwind_cursor *cursor)
{
	const struct csn_rule *rule = csn_rule_find(cursor->unwinder, cursor->pc, cursor->exact);

	cursor->module = rule->module;
	cursor->signal_frame = rule->kind == CSN_RULE_TRAMPOLINE ||
			       (rule->kind == CSN_RULE_CFI && rule->row.signal_frame);
	/* Its counter belongs to the function itself, not to a call before it. */
	cursor->exact |= rule->kind == CSN_RULE_FIRST;
	cursor->first = rule->kind == CSN_RULE_FIRST;
	cursor->injected = rule->is_injected;
	cursor->switched = rule->kind == CSN_RULE_SWITCH;
	cursor->gave_up |= rule->gives_up;
}

void csn_unwind_begin(struct csn_unwind_cursor *cursor, struct csn_unwinder *unwinder,
		      const struct csn_registers *registers)
{
	*cursor = (struct csn_unwind_cursor){
		.unwinder = unwinder,
		.exact = true,
		.registers = *registers,
		.pc = registers->value[unwinder->arch->pc],
		.max_frames = CSN_MAX_FRAMES,
	};
	csn_cursor_settle(cursor);
}

bool csn_unwind_stop(struct csn_unwind_cursor *cursor, enum csn_unwind_end end, csn_addr addr)
{
	cursor->end = end;
	cursor->end_addr = addr;
	return false;
}

bool csn_unwind_accept(struct csn_unwind_cursor *cursor, const struct csn_registers *caller,
		       enum csn_unwind_how how)
{
	struct csn_unwinder *unwinder = cursor->unwinder;
	const struct csn_arch *arch = unwinder->arch;
	csn_addr pc = caller->value[arch->pc], sp = caller->value[arch->sp];
	csn_addr old_sp = cursor->registers.value[arch->sp];

	if (cursor->signal_frame || cursor->switched) {
		if (sp == old_sp && pc == cursor->pc)
			return csn_unwind_stop(cursor, CSN_UNWIND_NO_PROGRESS, sp);
	} else {
		if (!pc)
			return csn_unwind_stop(cursor, CSN_UNWIND_OUTERMOST, 0);
		if (sp < old_sp || (sp == old_sp && !(csn_arch_has_link(arch) && cursor->exact)))
			return csn_unwind_stop(cursor, CSN_UNWIND_NO_PROGRESS, sp);
		if (!csn_is_code(unwinder->target, pc) && !csn_is_code(unwinder->target, pc - 1))
			return csn_unwind_stop(cursor, CSN_UNWIND_BAD_RETURN, pc);
	}
	cursor->exact = cursor->signal_frame || (cursor->injected && csn_go_is_exact(unwinder, pc));
	cursor->registers.known = caller->known;
	memcpy(cursor->registers.value, caller->value, arch->n_dwarf * sizeof(caller->value[0]));
	cursor->pc = pc;
	cursor->how = how;
	cursor->level++;
	csn_cursor_settle(cursor);
	return true;
}

/* --- call-frame information --- */

static bool csn_expr_register(void *context, unsigned number, uint64_t *ret_value)
{
	const struct csn_unwind_cursor *cursor = context;

	if (number >= cursor->unwinder->arch->n_dwarf ||
	    !csn_register_known(&cursor->registers, number))
		return false;
	*ret_value = cursor->registers.value[number];
	return true;
}

static bool csn_expr_memory(void *context, csn_addr address, unsigned size_bytes,
			    uint64_t *ret_value)
{
	const struct csn_unwind_cursor *cursor = context;
	uint8_t bytes[8];
	struct csn_span span;

	if (size_bytes > sizeof(bytes) || csn_target_read_some(cursor->unwinder->target, address,
							       bytes, size_bytes) != size_bytes)
		return false;
	span = csn_span_of(bytes, size_bytes);
	*ret_value = 0;
	for (unsigned i = 0; i < size_bytes; i++)
		*ret_value |= (uint64_t)csn_span_u8(&span) << (8 * i);
	return true;
}

static const struct csn_expr_ops csn_unwind_expr_ops = {
	.read_register = csn_expr_register,
	.read_memory = csn_expr_memory,
};

static int csn_unwind_expression(struct csn_unwind_cursor *cursor, const struct csn_cfi_rule *rule,
				 const csn_addr *cfa, uint64_t *ret_value, struct csn_error *err)
{
	const struct csn_expr_input input = {
		.bytes = csn_span_of(rule->expr, rule->expr_size),
		.ops = &csn_unwind_expr_ops,
		.context = cursor,
		.load_bias = cursor->module ? cursor->module->bias : 0,
		.address_size = (uint8_t)cursor->unwinder->arch->word_bytes,
		.has_initial = cfa != NULL,
		.initial = cfa ? *cfa : 0,
	};
	struct csn_expr_result result;
	int code = csn_expr_evaluate(&input, &result, err);

	if (code < 0)
		return code;
	if (result.kind == CSN_EXPR_REGISTER) {
		if (!csn_expr_register(cursor, (unsigned)result.value, &result.value))
			return csn_fail(err, CSN_E_NOT_FOUND, "register not known");
	} else if (result.kind != CSN_EXPR_MEMORY && result.kind != CSN_EXPR_VALUE) {
		return csn_fail(err, CSN_E_FORMAT, "expression yields no number");
	}
	*ret_value = result.value;
	return 0;
}

static bool csn_unwind_cfa_expression(struct csn_unwind_cursor *cursor,
				      const struct csn_cfi_row *row, csn_addr *ret_cfa)
{
	struct csn_error err = CSN_ERROR_INIT;
	int code = csn_unwind_expression(cursor, &row->cfa, NULL, ret_cfa, &err);

	if (code == 0)
		return true;
	return csn_unwind_stop(cursor,
			       code == -CSN_E_FAULT ? CSN_UNWIND_MEMORY : CSN_UNWIND_BROKEN_CFI,
			       err.addr);
}

static bool csn_unwind_cfa(struct csn_unwind_cursor *cursor, const struct csn_cfi_row *row,
			   csn_addr *ret_cfa)
{
	const struct csn_arch *arch = cursor->unwinder->arch;
	uint64_t base;

	if (row->cfa.kind == CSN_CFI_VAL_EXPRESSION || row->cfa.kind == CSN_CFI_EXPRESSION)
		return csn_unwind_cfa_expression(cursor, row, ret_cfa);
	if (csn_expr_register(cursor, row->cfa_register, &base)) {
		*ret_cfa = base + (uint64_t)row->cfa.offset;
		return true;
	}
	/* The frame pointer points to where the caller's is saved. */
	if (row->cfa_register == arch->sp && row->registers[arch->fp].kind == CSN_CFI_OFFSET &&
	    csn_expr_register(cursor, arch->fp, &base)) {
		*ret_cfa = base - (uint64_t)row->registers[arch->fp].offset;
		return true;
	}
	return csn_unwind_stop(cursor, CSN_UNWIND_BROKEN_CFI, 0);
}

enum csn_recovered { CSN_LOST, CSN_RECOVERED, CSN_UNREADABLE, CSN_UNDEFINED };

/* The caller's value of one register. *addr is where it lies, for messages. */
static enum csn_recovered csn_unwind_register(struct csn_unwind_cursor *cursor,
					      const struct csn_cfi_rule *rule, unsigned number,
					      csn_addr cfa, uint64_t *ret_value, csn_addr *addr)
{
	const struct csn_arch *arch = cursor->unwinder->arch;

	*addr = 0;
	*ret_value = 0;
	switch ((enum csn_cfi_kind)rule->kind) {
	case CSN_CFI_UNDEFINED:
		return CSN_UNDEFINED;
	case CSN_CFI_UNSPECIFIED:
		/* A function that calls nothing may leave the return address where it is. */
		if (!arch->registers[number].callee_saved && number != arch->lr)
			return CSN_LOST;
		/* fall through */
	case CSN_CFI_SAME:
		return csn_expr_register(cursor, number, ret_value) ? CSN_RECOVERED : CSN_LOST;
	case CSN_CFI_REGISTER:
		return csn_expr_register(cursor, (unsigned)rule->offset, ret_value) ? CSN_RECOVERED
										    : CSN_LOST;
	case CSN_CFI_VAL_OFFSET:
		*ret_value = cfa + (uint64_t)rule->offset;
		return CSN_RECOVERED;
	case CSN_CFI_VAL_EXPRESSION:
		return csn_unwind_expression(cursor, rule, &cfa, ret_value, NULL) < 0
			       ? CSN_LOST
			       : CSN_RECOVERED;
	case CSN_CFI_EXPRESSION:
		if (csn_unwind_expression(cursor, rule, &cfa, addr, NULL) < 0)
			return CSN_LOST;
		break;
	case CSN_CFI_OFFSET:
		*addr = cfa + (uint64_t)rule->offset;
		break;
	}
	return csn_target_read_word(cursor->unwinder->target, *addr, ret_value) ? CSN_RECOVERED
										: CSN_UNREADABLE;
}

/* One step by a row without expressions. */
static bool csn_unwind_plainly(struct csn_unwind_cursor *cursor, const struct csn_rule *rule)
{
	const struct csn_plain_row *plain = &rule->plain;
	struct csn_target *target = cursor->unwinder->target;
	const struct csn_arch *arch = cursor->unwinder->arch;
	struct csn_registers caller;
	uint64_t value;
	csn_addr cfa = 0;

	if (!csn_unwind_cfa(cursor, &rule->row, &cfa))
		return false;
	caller.known = cursor->registers.known & plain->same;
	memcpy(caller.value, cursor->registers.value, arch->n_dwarf * sizeof(caller.value[0]));
	if (!csn_target_read_word(target, cfa + (uint64_t)plain->return_offset, &value))
		return csn_unwind_stop(cursor, CSN_UNWIND_MEMORY,
				       cfa + (uint64_t)plain->return_offset);
	csn_register_set(&caller, arch->return_column, value);
	csn_register_set(&caller, arch->pc, value);
	csn_register_set(&caller, arch->sp, cfa);
	for (unsigned i = 0; i < plain->n_saved; i++)
		if (csn_target_read_word(target, cfa + (uint64_t)plain->saved[i].offset, &value))
			csn_register_set(&caller, plain->saved[i].reg, value);
	return csn_unwind_accept(cursor, &caller, CSN_HOW_CFI);
}

static bool csn_unwind_by_cfi(struct csn_unwind_cursor *cursor, const struct csn_cfi_row *row)
{
	const struct csn_arch *arch = cursor->unwinder->arch;
	struct csn_registers caller = { 0 };
	const struct csn_cfi_rule *saved;
	uint64_t value = 0;
	csn_addr cfa = 0, addr = 0;

	if (row->return_column >= arch->n_dwarf || row->return_column >= CSN_CFI_REGISTERS)
		return csn_unwind_stop(cursor, CSN_UNWIND_BROKEN_CFI, 0);
	saved = &row->registers[row->return_column];
	/* Where nothing is behind it, nothing needs to be known of the frame. */
	if (saved->kind == CSN_CFI_UNDEFINED)
		return csn_unwind_stop(cursor, CSN_UNWIND_OUTERMOST, 0);
	if (!csn_unwind_cfa(cursor, row, &cfa))
		return false;
	switch (csn_unwind_register(cursor, saved, row->return_column, cfa, &value, &addr)) {
	case CSN_RECOVERED:
		/* Untouched it is only before the first call. */
		if (cursor->exact ||
		    (saved->kind != CSN_CFI_SAME && saved->kind != CSN_CFI_UNSPECIFIED))
			break;
		return csn_unwind_stop(cursor, CSN_UNWIND_NO_PROGRESS, 0);
	case CSN_UNREADABLE:
		return csn_unwind_stop(cursor, CSN_UNWIND_MEMORY, addr);
	case CSN_UNDEFINED:
	case CSN_LOST:
		return csn_unwind_stop(cursor, CSN_UNWIND_BROKEN_CFI, 0);
	}
	if (row->return_signed)
		value = csn_unwind_unsigned(cursor->unwinder, value);
	csn_register_set(&caller, arch->return_column, value);
	csn_register_set(&caller, arch->pc, value);
	csn_register_set(&caller, arch->sp, cfa);
	for (unsigned i = 0; i < arch->n_dwarf && i < CSN_CFI_REGISTERS; i++) {
		const struct csn_cfi_rule *rule = &row->registers[i];

		if (i == arch->pc || i == arch->return_column ||
		    (i == arch->sp && rule->kind == CSN_CFI_UNSPECIFIED))
			continue;
		if (csn_unwind_register(cursor, rule, i, cfa, &value, &addr) == CSN_RECOVERED)
			csn_register_set(&caller, i, value);
	}
	return csn_unwind_accept(cursor, &caller, CSN_HOW_CFI);
}

/* --- signal frames --- */

static bool csn_unwind_trampoline(struct csn_unwind_cursor *cursor, const int *offsets)
{
	struct csn_unwinder *unwinder = cursor->unwinder;
	const struct csn_arch *arch = unwinder->arch;
	csn_addr sp = cursor->registers.value[arch->sp];
	struct csn_registers caller = { 0 };

	for (unsigned i = 0; i < arch->n_dwarf; i++) {
		csn_addr addr = sp + (uint64_t)offsets[i];
		uint64_t value;

		if (offsets[i] >= 0 && csn_target_read_word(unwinder->target, addr, &value))
			csn_register_set(&caller, i, value);
		else if (i == arch->pc || i == arch->sp)
			return csn_unwind_stop(cursor, CSN_UNWIND_MEMORY, addr);
	}
	return csn_unwind_accept(cursor, &caller, CSN_HOW_CFI);
}

bool csn_unwind_next(struct csn_unwind_cursor *cursor)
{
	struct csn_rule *rule;

	if (cursor->end)
		return false;
	if (cursor->first)
		return csn_unwind_stop(cursor, CSN_UNWIND_OUTERMOST, 0);
	if (cursor->level + 1 >= cursor->max_frames)
		return csn_unwind_stop(cursor, CSN_UNWIND_LIMIT, 0);
	rule = csn_rule_find(cursor->unwinder, cursor->pc, cursor->exact);
	switch (rule->kind) {
	case CSN_RULE_TRAMPOLINE:
		return csn_unwind_trampoline(cursor, rule->trampoline->registers);
	case CSN_RULE_CFI:
		return rule->plain.is_plain ? csn_unwind_plainly(cursor, rule)
					    : csn_unwind_by_cfi(cursor, &rule->row);
	case CSN_RULE_NO_CODE:
		return csn_unwind_by_call(cursor);
	case CSN_RULE_SWITCH:
		return csn_unwind_switched(cursor, rule);
	default:
		return csn_unwind_by_code(cursor, rule);
	}
}

static void csn_describe_place(const struct csn_unwind_cursor *cursor, char *out, size_t out_size)
{
	if (cursor->module)
		snprintf(out, out_size, "%s+0x%llx", cursor->module->name,
			 (unsigned long long)(cursor->pc - cursor->module->start));
	else
		snprintf(out, out_size, "0x%llx", (unsigned long long)cursor->pc);
}

/* A return address that is text was overwritten by text. */
static void csn_describe_bad_return(const struct csn_unwind_cursor *cursor, char *out,
				    size_t out_size)
{
	char text[9] = "";
	unsigned length = 0;

	for (; length < 8; length++) {
		text[length] = (char)(cursor->end_addr >> (8 * length));
		if (text[length] < 0x20 || text[length] > 0x7e)
			break;
	}
	/* What is left must be zeros. */
	if (length >= 4 && (length == 8 || cursor->end_addr >> (8 * length) == 0))
		snprintf(out, out_size, "return address overwritten with 0x%llx (\"%.*s\")",
			 (unsigned long long)cursor->end_addr, (int)length, text);
	else
		snprintf(out, out_size, "return address 0x%llx is no code",
			 (unsigned long long)cursor->end_addr);
}

const char *csn_unwind_describe_end(const struct csn_unwind_cursor *cursor, char *out,
				    size_t out_size)
{
	static const char *const phrases[] = {
		[CSN_UNWIND_GOING] = "not ended",
		[CSN_UNWIND_OUTERMOST] = "outermost frame",
		[CSN_UNWIND_NO_CFI] = "no unwind information for ",
		[CSN_UNWIND_BROKEN_CFI] = "broken unwind information for ",
		[CSN_UNWIND_NO_PROGRESS] = "the stack does not go on",
		[CSN_UNWIND_LIMIT] = "limit of frames reached",
		[CSN_UNWIND_SWITCHED] = "the program went on here from another stack",
	};
	unsigned long long addr = cursor->end_addr;
	char place[256] = "";

	if (cursor->end == CSN_UNWIND_MEMORY) {
		snprintf(out, out_size, "stack memory 0x%llx is %s", addr,
			 csn_target_find_mapping(cursor->unwinder->target, cursor->end_addr)
				 ? "not in the dump"
				 : "not mapped");
		return out;
	}
	if (cursor->end == CSN_UNWIND_BAD_RETURN) {
		csn_describe_bad_return(cursor, out, out_size);
		return out;
	}
	if (cursor->end == CSN_UNWIND_NO_CFI || cursor->end == CSN_UNWIND_BROKEN_CFI)
		csn_describe_place(cursor, place, sizeof(place));
	snprintf(out, out_size, "%s%s", phrases[cursor->end], place);
	return out;
}
