/* One step in code without call-frame information, in the order of trust:
 *
 * 1. Where the function starts is known from its symbol: its code is emulated up to the counter.
 * 2. A word on the stack is a return address whose call leads to where we are, and emulation from
 *    there puts the return address at that very word: both prove each other.
 * 3. The start is guessed: behind the padding that separates functions. The word that emulation
 *    calls the return address must have a call before it.
 * 4. The frame pointer, when the word above what it points to has a call before it.
 * 5. The first word of the stack that has one.
 *
 * Where the process begins (its entry point) and where a call stands behind code that clears the
 * frame pointer, the walk ends as it should. */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/limits.h"
#include "symbols/lookup.h"
#include "unwind/unwind_internal.h"

#define CSN_MAX_PADDING 16u
#define CSN_MAX_GUESSES 64u
#define CSN_MAX_TRIES 8u
/* The entry point is a few instructions long. */
#define CSN_ENTRY_BYTES 128u

/* Where a return address has to be, for those who do not demand one address. */
#define CSN_ANYWHERE 0u
#define CSN_IN_MEMORY 1u

bool csn_is_return_address(struct csn_unwinder *unwinder, csn_addr word, csn_addr *ret_address,
			   csn_addr *ret_target)
{
	uint8_t before[8];

	*ret_target = 0;
	if (!csn_is_code(unwinder->target, word - 1) && !csn_is_code(unwinder->target, word))
		word = csn_unwind_unsigned(unwinder, word);
	*ret_address = word;
	/* Signal handlers are not called, and their way back may begin a mapping. */
	if (csn_is_code(unwinder->target, word) && csn_find_trampoline(unwinder, word))
		return true;
	if (word < sizeof(before) || !csn_is_code(unwinder->target, word - 1))
		return false;
	if (csn_target_read_some(unwinder->target, word - sizeof(before), before, sizeof(before)) !=
	    sizeof(before))
		return csn_target_memory(unwinder->target, word - 1) == CSN_MEMORY_NOT_IN_DUMP;
	*ret_target = unwinder->arch->call_target(before, word);
	return unwinder->arch->call_before(before, sizeof(before)) != 0;
}

/* The return address that lies on the stack at slot. */
static bool csn_read_return(struct csn_unwind_cursor *cursor, csn_addr slot, csn_addr *ret_address)
{
	csn_addr target;
	uint64_t word;

	return csn_target_read_word(cursor->unwinder->target, slot, &word) &&
	       csn_is_return_address(cursor->unwinder, word, ret_address, &target);
}

/* The one that the last call left in the link register, if nothing has happened since. */
static bool csn_link_return(struct csn_unwind_cursor *cursor, csn_addr *ret_address,
			    csn_addr *ret_target)
{
	const struct csn_arch *arch = cursor->unwinder->arch;

	return csn_arch_has_link(arch) && cursor->exact &&
	       csn_register_known(&cursor->registers, arch->lr) &&
	       csn_is_return_address(cursor->unwinder, cursor->registers.value[arch->lr],
				     ret_address, ret_target);
}

static csn_addr csn_lookup_pc(const struct csn_rule *rule)
{
	return rule->exact ? rule->pc : rule->pc - 1;
}

static struct csn_emulator *csn_emulator_of(struct csn_unwinder *unwinder)
{
	if (!unwinder->emulator &&
	    csn_emulator_new(unwinder->target, &unwinder->emulator, NULL) < 0)
		return NULL;
	return unwinder->emulator;
}

static bool csn_emulate_from(struct csn_unwinder *unwinder, csn_addr start,
			     const struct csn_rule *rule, unsigned flags,
			     struct csn_emul_state *ret_state)
{
	struct csn_emulator *emulator = csn_emulator_of(unwinder);

	return emulator && csn_emulate(emulator, start, rule->pc,
				       flags | (rule->exact ? CSN_EMUL_EXACT : 0), ret_state);
}

bool csn_unwind_leads(struct csn_unwinder *unwinder, csn_addr start, csn_addr pc, bool is_return)
{
	const struct csn_rule rule = { .pc = pc, .exact = !is_return };
	struct csn_emul_state state;

	return pc >= start && pc - start < CSN_MAX_START_BYTES &&
	       csn_emulate_from(unwinder, start, &rule, 0, &state);
}

/* --- the start of the function --- */

/* By its symbol. */
static csn_addr csn_start_by_symbol(struct csn_unwinder *unwinder, const struct csn_rule *rule)
{
	struct csn_arena *arena = csn_arena_new(CSN_MIB);
	struct csn_lookup lookup = { .pc = rule->pc, .is_return = !rule->exact };
	csn_addr start = 0, at = csn_lookup_pc(rule);

	if (arena && rule->module &&
	    csn_lookup_symbols(arena, unwinder->modules, &lookup, 1, NULL) == 0 && lookup.symbol &&
	    lookup.symbol->start <= at && at - lookup.symbol->start < CSN_MAX_START_BYTES)
		start = lookup.symbol->start;
	csn_arena_free(arena);
	return start;
}

/* The entry point of the process, when the counter is in it. */
static csn_addr csn_start_of_process(struct csn_unwinder *unwinder, const struct csn_rule *rule)
{
	static const uint64_t at_entry = 9;
	csn_addr at = csn_lookup_pc(rule);
	uint64_t entry;

	if (!csn_target_find_auxv(unwinder->target, at_entry, &entry) || at < entry ||
	    at - entry >= CSN_ENTRY_BYTES)
		return 0;
	return entry;
}

/* What is known without looking at the stack, once per counter. */
static void csn_find_state(struct csn_unwinder *unwinder, struct csn_rule *rule)
{
	csn_addr entry = csn_start_of_process(unwinder, rule), start;

	rule->has_start = true;
	start = csn_start_by_symbol(unwinder, rule);
	if (entry && (!start || start == entry) &&
	    csn_emulate_from(unwinder, entry, rule, 0, &rule->state)) {
		rule->is_entry = true;
		return;
	}
	rule->has_state =
		start && csn_emulate_from(unwinder, start, rule, CSN_EMUL_GUESS, &rule->state);
}

/* --- callers by emulation --- */

/* Does the state name a caller? slot: where its address has to be. */
static bool csn_find_caller(struct csn_unwind_cursor *cursor, const struct csn_emul_state *state,
			    csn_addr slot, struct csn_registers *ret_caller)
{
	struct csn_unwinder *unwinder = cursor->unwinder;
	const struct csn_arch *arch = unwinder->arch;
	csn_addr sp = cursor->registers.value[arch->sp], found, address, target;
	bool in_register;

	if (!csn_emul_apply(state, unwinder->target, &cursor->registers, ret_caller, &found))
		return false;
	in_register = found == CSN_EMUL_IN_REGISTER;
	if (slot == CSN_IN_MEMORY ? in_register : slot != CSN_ANYWHERE && slot != found)
		return false;
	if (in_register ? !cursor->exact || ret_caller->value[arch->sp] < sp
			: ret_caller->value[arch->sp] <= sp)
		return false;
	if (!csn_is_return_address(unwinder, ret_caller->value[arch->pc], &address, &target))
		return false;
	csn_register_set(ret_caller, arch->return_column, address);
	csn_register_set(ret_caller, arch->pc, address);
	return true;
}

static bool csn_unwind_by_state(struct csn_unwind_cursor *cursor, const struct csn_rule *rule)
{
	struct csn_registers caller;

	return rule->has_state && csn_find_caller(cursor, &rule->state, CSN_ANYWHERE, &caller) &&
	       csn_unwind_accept(cursor, &caller, CSN_HOW_EMUL);
}

/* Emulates from start; slot: where the return address has to be. A rule that leads to the caller is
 * kept. (Accepting the caller may already replace the rule.) */
static bool csn_try_start(struct csn_unwind_cursor *cursor, struct csn_rule *rule, csn_addr start,
			  csn_addr slot)
{
	struct csn_registers caller;
	struct csn_emul_state state;

	if (!csn_emulate_from(cursor->unwinder, start, rule, CSN_EMUL_GUESS, &state) ||
	    !csn_find_caller(cursor, &state, slot, &caller))
		return false;
	rule->state = state;
	rule->has_state = true;
	return csn_unwind_accept(cursor, &caller, CSN_HOW_EMUL);
}

static csn_addr csn_distance(csn_addr a, csn_addr b)
{
	return a < b ? b - a : a - b;
}

/* Where a call leads in the end: a stub jumps on through a word of memory. */
static csn_addr csn_behind_stub(struct csn_unwinder *unwinder, csn_addr target)
{
	csn_addr at = target;

	for (unsigned i = 0; i < 2; i++) {
		uint8_t code[16];
		struct csn_step step;
		size_t got = csn_target_read_some(unwinder->target, at, code, sizeof(code));

		if (!unwinder->arch->decode_step ||
		    !unwinder->arch->decode_step(code, got, at, &step))
			break;
		if (step.kind == CSN_STEP_JUMP && step.slot) {
			csn_target_read_word(unwinder->target, step.slot, &target);
			break;
		}
		at += step.length;
	}
	return target;
}

static bool csn_try_caller(struct csn_unwind_cursor *cursor, struct csn_rule *rule, csn_addr slot,
			   csn_addr target)
{
	csn_addr behind, at = csn_lookup_pc(rule);

	if (!csn_is_code(cursor->unwinder->target, target))
		return false;
	behind = csn_behind_stub(cursor->unwinder, target);
	if (csn_distance(target, at) > CSN_MAX_START_BYTES &&
	    csn_distance(behind, at) > CSN_MAX_START_BYTES)
		return false;
	return csn_try_start(cursor, rule, target, slot);
}

/* A word on the stack or in the link register, a call and the code it leads to that prove each
 * other. */
static bool csn_unwind_by_callers(struct csn_unwind_cursor *cursor, struct csn_rule *rule)
{
	unsigned word = cursor->unwinder->arch->word_bytes;
	csn_addr slot = cursor->registers.value[cursor->unwinder->arch->sp], address, target;
	size_t n_tried = 0;

	if (rule->tries >= CSN_MAX_TRIES)
		return false;
	rule->tries++;
	if (csn_link_return(cursor, &address, &target) && target &&
	    csn_try_caller(cursor, rule, CSN_EMUL_IN_REGISTER, target))
		return true;
	for (unsigned i = 0; i < CSN_MAX_CALLER_WORDS && !cursor->end; i++, slot += word) {
		uint64_t value;

		if (!csn_target_read_word(cursor->unwinder->target, slot, &value))
			return false;
		if (!csn_is_return_address(cursor->unwinder, value, &address, &target) || !target)
			continue;
		if (csn_try_caller(cursor, rule, slot, target))
			return true;
		if (++n_tried > CSN_MAX_GUESSES)
			return false;
	}
	return false;
}

/* Does a function end before this address, with only padding between? */
static bool csn_is_gap(const struct csn_arch *arch, const uint8_t *code, size_t at)
{
	for (size_t end = at; end + CSN_MAX_PADDING > at && end > 0; end--)
		if (arch->ends_before(code, end) && arch->is_padding(code + end, at - end))
			return true;
	return false;
}

/* The start is where padding ends. */
static bool csn_unwind_by_gaps(struct csn_unwind_cursor *cursor, struct csn_rule *rule)
{
	static const size_t reach = 4096;
	csn_addr at = csn_lookup_pc(rule), low = at > reach ? (at & ~(csn_addr)15) - reach : 0;
	csn_addr align = cursor->unwinder->arch->function_align;
	uint8_t code[4096 + 16];

	if (rule->tries > CSN_MAX_TRIES || !low || !cursor->unwinder->arch->decode_step)
		return false;
	/* The head of the range may lie outside of the mapping. */
	while (low < at &&
	       csn_target_read_some(cursor->unwinder->target, low, code, at - low) != at - low)
		low = (low & ~(csn_addr)1023) + 1024;
	if (low >= at)
		return false;
	for (csn_addr start = at & ~(align - 1); start > low; start -= align) {
		if (csn_is_gap(cursor->unwinder->arch, code, start - low) &&
		    csn_try_start(cursor, rule, start, CSN_IN_MEMORY))
			return true;
		if (cursor->end)
			return false;
	}
	return false;
}

/* --- callers by frame pointer and by luck --- */

/* The caller when all that is known of the frame is that it returns to address, which lies at
 * return_slot, and perhaps where it keeps the caller's frame pointer (0 unknown). */
static bool csn_unwind_from_stack(struct csn_unwind_cursor *cursor, csn_addr address,
				  csn_addr return_slot, csn_addr fp_slot, enum csn_unwind_how how)
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
	csn_register_set(&caller, arch->return_column, address);
	csn_register_set(&caller, arch->pc, address);
	csn_register_set(&caller, arch->sp, return_slot + arch->word_bytes);
	/* Only what a call pushed lies right below the caller's frame. */
	if (csn_arch_has_link(arch))
		csn_register_forget(&caller, arch->sp);
	return csn_unwind_accept(cursor, &caller, how);
}

static bool csn_unwind_by_frame_pointer(struct csn_unwind_cursor *cursor)
{
	const struct csn_arch *arch = cursor->unwinder->arch;
	csn_addr sp = cursor->registers.value[arch->sp], fp = cursor->registers.value[arch->fp];
	csn_addr address, slot = fp + arch->word_bytes;

	return csn_register_known(&cursor->registers, arch->fp) && fp >= sp &&
	       fp % arch->word_bytes == 0 && csn_read_return(cursor, slot, &address) &&
	       csn_unwind_from_stack(cursor, address, slot, fp, CSN_HOW_FP);
}

/* The first word that a call may have pushed. Registers that the skipped frame may have changed
 * are not known, but for a frame pointer that points further up. */
static bool csn_unwind_by_scan(struct csn_unwind_cursor *cursor)
{
	const struct csn_arch *arch = cursor->unwinder->arch;
	csn_addr slot = cursor->registers.value[arch->sp], address, target;
	uint64_t value;

	for (unsigned i = 0; i < CSN_MAX_CALLER_WORDS; i++, slot += arch->word_bytes) {
		if (!csn_target_read_word(cursor->unwinder->target, slot, &value))
			return false;
		if (!csn_is_return_address(cursor->unwinder, value, &address, &target))
			continue;
		for (unsigned n = 0; n < arch->n_dwarf; n++)
			if (n != arch->fp || cursor->registers.value[n] <= slot)
				csn_register_forget(&cursor->registers, n);
		return csn_unwind_from_stack(cursor, address, slot, 0, CSN_HOW_SCAN);
	}
	return false;
}

/* A call behind code that clears the frame pointer is that of the outermost frame. */
static bool csn_is_outermost_call(struct csn_unwind_cursor *cursor)
{
	const struct csn_arch *arch = cursor->unwinder->arch;
	uint8_t code[64];
	size_t reach = csn_min_u64(arch->fp_clear_reach, sizeof(code));

	return !cursor->exact && arch->fp_clear && cursor->pc > reach &&
	       cursor->registers.value[arch->fp] == 0 &&
	       csn_target_read_some(cursor->unwinder->target, cursor->pc - reach, code, reach) ==
		       reach &&
	       memmem(code, reach, arch->fp_clear, arch->fp_clear_bytes);
}

bool csn_unwind_by_code(struct csn_unwind_cursor *cursor, struct csn_rule *rule)
{
	enum csn_unwind_end end =
		rule->kind == CSN_RULE_BROKEN_CFI ? CSN_UNWIND_BROKEN_CFI : CSN_UNWIND_NO_CFI;
	bool (*const ways[])(struct csn_unwind_cursor *, struct csn_rule *) = {
		csn_unwind_by_callers,
		csn_unwind_by_gaps,
	};

	if (!rule->has_start)
		csn_find_state(cursor->unwinder, rule);
	if (rule->is_entry)
		return csn_unwind_stop(cursor, CSN_UNWIND_OUTERMOST, 0);
	if (csn_unwind_by_state(cursor, rule))
		return true;
	for (size_t i = 0; i < csn_countof(ways) && !cursor->end; i++)
		if (ways[i](cursor, rule))
			return true;
	if (!cursor->end && csn_unwind_by_frame_pointer(cursor))
		return true;
	if (!cursor->end && csn_is_outermost_call(cursor))
		return csn_unwind_stop(cursor, CSN_UNWIND_OUTERMOST, 0);
	if (!cursor->end && csn_unwind_by_scan(cursor))
		return true;
	return cursor->end ? false : csn_unwind_stop(cursor, end, cursor->pc);
}

bool csn_unwind_by_call(struct csn_unwind_cursor *cursor)
{
	const struct csn_arch *arch = cursor->unwinder->arch;
	csn_addr sp = cursor->registers.value[arch->sp], address, target;
	struct csn_registers caller = cursor->registers;

	/* Only a jump that has just happened leaves its caller on top, or in the link register. */
	if (csn_link_return(cursor, &address, &target)) {
		csn_register_set(&caller, arch->pc, address);
		return csn_unwind_accept(cursor, &caller, CSN_HOW_EMUL);
	}
	if (cursor->exact && !csn_arch_has_link(arch) && csn_read_return(cursor, sp, &address))
		return csn_unwind_from_stack(cursor, address, sp, 0, CSN_HOW_EMUL);
	return csn_unwind_stop(cursor, CSN_UNWIND_BAD_RETURN, cursor->pc);
}
