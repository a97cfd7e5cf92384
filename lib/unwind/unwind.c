/* One step, in the order of trust:
 *
 * 1. A signal trampoline is known by its code, as the kernel and gdb know it, because not every
 *    libc describes it. Its frame holds all registers of the interrupted code, and the pc behind
 *    it is exact: the instruction that was about to run, not one after a call.
 * 2. Call-frame information, looked up at pc - 1 for return addresses: a call may be the last
 *    instruction of its function.
 * 3. A pc outside of all code (a call through NULL or garbage): the call pushed the return
 *    address, so the caller is on top of the stack.
 * 4. Code without call-frame information: what the code at the entry of the function shows has
 *    been done so far, else the frame pointer.
 *
 * The stack pointer must grow with every step, except out of a signal frame, whose handler may have
 * run on a stack of its own. */
#include "unwind/unwind.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "dwarf/expr.h"

/* Direct-mapped; a stack has few distinct counters, however deep it is. */
#define CSN_RULE_CACHE 1024u

enum csn_rule_kind {
	CSN_RULE_EMPTY,
	CSN_RULE_NO_CODE, /* pc lies in no executable mapping */
	CSN_RULE_NO_CFI,
	CSN_RULE_BROKEN_CFI,
	CSN_RULE_CFI,
	CSN_RULE_TRAMPOLINE,
};

struct csn_rule {
	csn_addr pc;
	bool exact;
	enum csn_rule_kind kind;
	struct csn_module *module;
	struct csn_cfi_row row;
};

struct csn_unwinder {
	struct csn_target *target;
	struct csn_modules *modules;
	const struct csn_arch *arch;
	struct csn_rule rules[CSN_RULE_CACHE];
};

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
	free(unwinder);
}

void csn_unwinder_freep(struct csn_unwinder **unwinder)
{
	csn_unwinder_free(*unwinder);
}

static bool csn_is_code(struct csn_target *target, csn_addr pc)
{
	const struct csn_mapping *mapping = csn_target_find_mapping(target, pc);

	return mapping && (mapping->executable || (!mapping->perms_known && mapping->is_file));
}

static bool csn_is_trampoline(struct csn_unwinder *unwinder, csn_addr pc)
{
	const struct csn_arch *arch = unwinder->arch;
	uint8_t code[16];

	return arch->sigreturn && arch->sigreturn_bytes <= sizeof(code) &&
	       csn_target_read_some(unwinder->target, pc, code, arch->sigreturn_bytes) ==
		       arch->sigreturn_bytes &&
	       memcmp(code, arch->sigreturn, arch->sigreturn_bytes) == 0;
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
	if (csn_is_trampoline(unwinder, rule->pc)) {
		rule->kind = CSN_RULE_TRAMPOLINE;
		return;
	}
	rule->kind = CSN_RULE_NO_CFI;
	if (!rule->module)
		return;
	switch (csn_module_find_row(rule->module, lookup, &rule->row)) {
	case CSN_CFI_FOUND:
		rule->kind = CSN_RULE_CFI;
		break;
	case CSN_CFI_BROKEN:
		rule->kind = CSN_RULE_BROKEN_CFI;
		break;
	case CSN_CFI_NONE:
		break;
	}
}

static const struct csn_rule *csn_rule_find(struct csn_unwinder *unwinder, csn_addr pc, bool exact)
{
	uint64_t hash = (pc ^ exact) * 0x9e3779b97f4a7c15ull;
	struct csn_rule *rule = &unwinder->rules[hash >> 54];

	if (rule->kind == CSN_RULE_EMPTY || rule->pc != pc || rule->exact != exact) {
		rule->pc = pc;
		rule->exact = exact;
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

static bool csn_unwind_stop(struct csn_unwind_cursor *cursor, enum csn_unwind_end end,
			    csn_addr addr)
{
	cursor->end = end;
	cursor->end_addr = addr;
	return false;
}

/* Takes the caller's registers, if they make sense. */
static bool csn_unwind_accept(struct csn_unwind_cursor *cursor, const struct csn_registers *caller,
			      enum csn_unwind_how how)
{
	struct csn_unwinder *unwinder = cursor->unwinder;
	const struct csn_arch *arch = unwinder->arch;
	csn_addr pc = caller->value[arch->pc], sp = caller->value[arch->sp];
	csn_addr old_sp = cursor->registers.value[arch->sp];

	if (cursor->signal_frame) {
		if (sp == old_sp && pc == cursor->pc)
			return csn_unwind_stop(cursor, CSN_UNWIND_NO_PROGRESS, sp);
	} else {
		if (!pc)
			return csn_unwind_stop(cursor, CSN_UNWIND_OUTERMOST, 0);
		if (sp <= old_sp)
			return csn_unwind_stop(cursor, CSN_UNWIND_NO_PROGRESS, sp);
		if (!csn_is_code(unwinder->target, pc) && !csn_is_code(unwinder->target, pc - 1))
			return csn_unwind_stop(cursor, CSN_UNWIND_BAD_RETURN, pc);
	}
	cursor->exact = cursor->signal_frame;
	cursor->registers = *caller;
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

static bool csn_unwind_cfa(struct csn_unwind_cursor *cursor, const struct csn_cfi_row *row,
			   csn_addr *ret_cfa)
{
	uint64_t base;
	struct csn_error err = CSN_ERROR_INIT;
	int code;

	if (row->cfa.kind == CSN_CFI_VAL_EXPRESSION || row->cfa.kind == CSN_CFI_EXPRESSION) {
		code = csn_unwind_expression(cursor, &row->cfa, NULL, ret_cfa, &err);
		if (code == 0)
			return true;
		return csn_unwind_stop(cursor,
				       code == -CSN_E_FAULT ? CSN_UNWIND_MEMORY
							    : CSN_UNWIND_BROKEN_CFI,
				       err.addr);
	}
	if (!csn_expr_register(cursor, row->cfa_register, &base))
		return csn_unwind_stop(cursor, CSN_UNWIND_BROKEN_CFI, 0);
	*ret_cfa = base + (uint64_t)row->cfa.offset;
	return true;
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
		if (!arch->registers[number].callee_saved)
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

static bool csn_unwind_by_cfi(struct csn_unwind_cursor *cursor, const struct csn_cfi_row *row)
{
	const struct csn_arch *arch = cursor->unwinder->arch;
	struct csn_registers caller = { 0 };
	uint64_t value = 0;
	csn_addr cfa = 0, addr = 0;

	if (!csn_unwind_cfa(cursor, row, &cfa))
		return false;
	if (row->return_column >= arch->n_dwarf || row->return_column >= CSN_CFI_REGISTERS)
		return csn_unwind_stop(cursor, CSN_UNWIND_BROKEN_CFI, 0);
	switch (csn_unwind_register(cursor, &row->registers[row->return_column], row->return_column,
				    cfa, &value, &addr)) {
	case CSN_RECOVERED:
		break;
	case CSN_UNREADABLE:
		return csn_unwind_stop(cursor, CSN_UNWIND_MEMORY, addr);
	case CSN_UNDEFINED:
		return csn_unwind_stop(cursor, CSN_UNWIND_OUTERMOST, 0);
	case CSN_LOST:
		return csn_unwind_stop(cursor, CSN_UNWIND_BROKEN_CFI, 0);
	}
	csn_register_set(&caller, arch->pc, value);
	csn_register_set(&caller, arch->sp, cfa);
	for (unsigned i = 0; i < arch->n_dwarf && i < CSN_CFI_REGISTERS; i++) {
		const struct csn_cfi_rule *rule = &row->registers[i];

		if (i == arch->pc || (i == arch->sp && rule->kind == CSN_CFI_UNSPECIFIED))
			continue;
		if (csn_unwind_register(cursor, rule, i, cfa, &value, &addr) == CSN_RECOVERED)
			csn_register_set(&caller, i, value);
	}
	return csn_unwind_accept(cursor, &caller, CSN_HOW_CFI);
}

/* --- without call-frame information --- */

static bool csn_unwind_trampoline(struct csn_unwind_cursor *cursor)
{
	struct csn_unwinder *unwinder = cursor->unwinder;
	const struct csn_arch *arch = unwinder->arch;
	csn_addr sp = cursor->registers.value[arch->sp];
	struct csn_registers caller = { 0 };

	for (unsigned i = 0; i < arch->n_dwarf; i++) {
		csn_addr addr = sp + (uint64_t)arch->sigcontext[i];
		uint64_t value;

		if (csn_target_read_word(unwinder->target, addr, &value))
			csn_register_set(&caller, i, value);
		else if (i == arch->pc || i == arch->sp)
			return csn_unwind_stop(cursor, CSN_UNWIND_MEMORY, addr);
	}
	return csn_unwind_accept(cursor, &caller, CSN_HOW_CFI);
}

/* Is this word a return address: code, with a call instruction before it where that is readable?
 * *ret_target: of a direct call, else 0. */
static bool csn_is_return_address(struct csn_unwinder *unwinder, csn_addr word,
				  csn_addr *ret_target)
{
	uint8_t before[8];

	*ret_target = 0;
	if (word < sizeof(before) || !csn_is_code(unwinder->target, word - 1))
		return false;
	if (csn_target_read_some(unwinder->target, word - sizeof(before), before, sizeof(before)) !=
	    sizeof(before))
		return csn_target_memory(unwinder->target, word - 1) == CSN_MEMORY_NOT_IN_DUMP;
	*ret_target = unwinder->arch->call_target(before, word);
	return unwinder->arch->call_before(before, sizeof(before)) != 0;
}

/* The caller when only the return address (at return_slot) and perhaps the frame pointer (at
 * fp_slot, 0 none) have been pushed. */
static bool csn_unwind_from_stack(struct csn_unwind_cursor *cursor, csn_addr return_slot,
				  csn_addr fp_slot, enum csn_unwind_how how)
{
	const struct csn_arch *arch = cursor->unwinder->arch;
	struct csn_registers caller = { 0 };
	uint64_t value;

	for (unsigned i = 0; i < arch->n_dwarf; i++)
		if (arch->registers[i].callee_saved && csn_register_known(&cursor->registers, i))
			csn_register_set(&caller, i, cursor->registers.value[i]);
	if (fp_slot) {
		csn_register_forget(&caller, arch->fp);
		if (csn_target_read_word(cursor->unwinder->target, fp_slot, &value))
			csn_register_set(&caller, arch->fp, value);
	}
	if (!csn_target_read_word(cursor->unwinder->target, return_slot, &value))
		return csn_unwind_stop(cursor, CSN_UNWIND_MEMORY, return_slot);
	csn_register_set(&caller, arch->pc, value);
	csn_register_set(&caller, arch->sp, return_slot + arch->word_bytes);
	return csn_unwind_accept(cursor, &caller, how);
}

static bool csn_word_returns(struct csn_unwind_cursor *cursor, csn_addr slot, csn_addr *ret_target)
{
	uint64_t word;

	return csn_target_read_word(cursor->unwinder->target, slot, &word) &&
	       csn_is_return_address(cursor->unwinder, word, ret_target);
}

/* How many bytes of "push fp; mov sp,fp" at the entry of the called function had been executed at
 * pc: 0 none, 1 the push, 2 both; -1 the function has no such prologue. */
static int csn_prologue_done(struct csn_unwinder *unwinder, csn_addr entry, csn_addr pc)
{
	static const uint8_t endbr64[] = { 0xf3, 0x0f, 0x1e, 0xfa };
	const struct csn_arch *arch = unwinder->arch;
	uint8_t code[16];

	if (csn_target_read_some(unwinder->target, entry, code, sizeof(code)) != sizeof(code) ||
	    !arch->prologue)
		return -1;
	if (memcmp(code, endbr64, sizeof(endbr64)) == 0) {
		entry += sizeof(endbr64);
		memmove(code, code + sizeof(endbr64), sizeof(code) - sizeof(endbr64));
	}
	if (memcmp(code, arch->prologue, arch->prologue_bytes) != 0)
		return -1;
	if (pc < entry + arch->prologue_push_bytes)
		return 0;
	return pc < entry + arch->prologue_bytes ? 1 : 2;
}

/* An innermost function that has not yet made its frame, or makes none: the return address is on
 * top of the stack, and the call before it leads to where we are. */
static bool csn_is_frameless(struct csn_unwind_cursor *cursor, csn_addr *ret_slot,
			     csn_addr *ret_fp_slot)
{
	struct csn_unwinder *unwinder = cursor->unwinder;
	csn_addr sp = cursor->registers.value[unwinder->arch->sp], target;
	unsigned word = unwinder->arch->word_bytes;

	if (csn_word_returns(cursor, sp, &target) && target && target <= cursor->pc &&
	    cursor->pc - target < 65536) {
		int done = csn_prologue_done(unwinder, target, cursor->pc);

		*ret_slot = sp;
		*ret_fp_slot = 0;
		return done <= 0;
	}
	if (csn_word_returns(cursor, sp + word, &target) && target && target <= cursor->pc &&
	    csn_prologue_done(unwinder, target, cursor->pc) == 1) {
		*ret_slot = sp + word;
		*ret_fp_slot = sp;
		return true;
	}
	return false;
}

static bool csn_unwind_by_code(struct csn_unwind_cursor *cursor)
{
	const struct csn_arch *arch = cursor->unwinder->arch;
	csn_addr sp = cursor->registers.value[arch->sp], fp = cursor->registers.value[arch->fp];
	csn_addr slot, fp_slot, target;

	if (cursor->exact && csn_is_frameless(cursor, &slot, &fp_slot))
		return csn_unwind_from_stack(cursor, slot, fp_slot, CSN_HOW_EMUL);
	if (csn_register_known(&cursor->registers, arch->fp) && fp >= sp && fp % 8 == 0 &&
	    csn_word_returns(cursor, fp + arch->word_bytes, &target))
		return csn_unwind_from_stack(cursor, fp + arch->word_bytes, fp, CSN_HOW_FP);
	return csn_unwind_stop(cursor, CSN_UNWIND_NO_CFI, cursor->pc);
}

static bool csn_unwind_by_call(struct csn_unwind_cursor *cursor)
{
	csn_addr sp = cursor->registers.value[cursor->unwinder->arch->sp], target;

	/* Only a jump that has just happened leaves its caller on top. */
	if (cursor->exact && csn_word_returns(cursor, sp, &target))
		return csn_unwind_from_stack(cursor, sp, 0, CSN_HOW_EMUL);
	return csn_unwind_stop(cursor, CSN_UNWIND_BAD_RETURN, cursor->pc);
}

bool csn_unwind_next(struct csn_unwind_cursor *cursor)
{
	const struct csn_rule *rule;

	if (cursor->end)
		return false;
	if (cursor->level + 1 >= cursor->max_frames)
		return csn_unwind_stop(cursor, CSN_UNWIND_LIMIT, 0);
	rule = csn_rule_find(cursor->unwinder, cursor->pc, cursor->exact);
	switch (rule->kind) {
	case CSN_RULE_TRAMPOLINE:
		return csn_unwind_trampoline(cursor);
	case CSN_RULE_CFI:
		return csn_unwind_by_cfi(cursor, &rule->row);
	case CSN_RULE_BROKEN_CFI:
		return csn_unwind_stop(cursor, CSN_UNWIND_BROKEN_CFI, cursor->pc);
	case CSN_RULE_NO_CODE:
		return csn_unwind_by_call(cursor);
	default:
		return csn_unwind_by_code(cursor);
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
		snprintf(out, out_size, "return address 0x%llx is no code", addr);
		return out;
	}
	if (cursor->end == CSN_UNWIND_NO_CFI || cursor->end == CSN_UNWIND_BROKEN_CFI)
		csn_describe_place(cursor, place, sizeof(place));
	snprintf(out, out_size, "%s%s", phrases[cursor->end], place);
	return out;
}
