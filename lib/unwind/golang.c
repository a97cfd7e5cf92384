/* What is special about stacks of Go programs:
 *
 * 1. A fault becomes a call of runtime.sigpanic that no call instruction made: the signal handler
 *    writes it into the interrupted registers. Its caller's counter is that of the instruction
 *    that failed.
 * 2. The runtime moves to a stack of its own and back. Tables cannot tell where it came from, but
 *    the frame pointer stays the goroutine's: of the words below what it points to, one is the
 *    return address of the call that switched, and from there the tables lead exactly to the
 *    frame pointer's place. Both prove each other; where nothing does, the walk ends. So it does
 *    behind runtime.schedule: who came that far has given up the goroutine, which may by now run
 *    in another thread. */
#include <string.h>

#include "base/limits.h"
#include "symbols/golang.h"
#include "unwind/unwind_internal.h"

#define MORESTACK "runtime.morestack"
/* Functions without a frame of their own between the call and the frame pointer's. */
#define MAX_FRAMELESS 8

/* Functions that go on with another stack pointer than they began with. */
static const struct {
	const char *name;
	bool comes_back; /* the goroutine waits for it */
} switches[] = {
	{ "runtime.asmcgocall", true }, { "runtime.systemstack", true }, { MORESTACK, true },
	{ "runtime.mcall", false },     { "runtime.gogo", false },
};

/* Entered from signal handlers in the name of the interrupted code. */
static const char *const injected[] = { "runtime.sigpanic", "runtime.asyncPreempt" };

void csn_go_settle(struct csn_rule *rule)
{
	struct csn_pclntab_function function;

	if (!rule->module ||
	    !csn_module_go_function(rule->module, rule->exact ? rule->pc : rule->pc - 1, &function))
		return;
	rule->gives_up = strcmp(function.name, "runtime.schedule") == 0;
	for (size_t i = 0; i < csn_countof(injected); i++)
		rule->is_injected |= strcmp(function.name, injected[i]) == 0;
	/* As long as it has not called anything it may be on either stack. */
	if (rule->exact || function.is_top)
		return;
	for (size_t i = 0; i < csn_countof(switches); i++) {
		if (strcmp(function.name, switches[i].name) != 0)
			continue;
		rule->kind = CSN_RULE_SWITCH;
		rule->switched_from = switches[i].comes_back ? function.name : NULL;
	}
}

bool csn_go_is_exact(struct csn_unwinder *unwinder, csn_addr pc)
{
	csn_addr address, target;

	/* A call through nil fails in the callee: what is on the stack is its return address. */
	return !csn_is_return_address(unwinder, pc, &address, &target) || target;
}

/* Does the call that returns to pc lead to this function? */
static bool calls(struct csn_unwinder *unwinder, csn_addr pc, const char *name)
{
	struct csn_pclntab_function function;
	struct csn_module *module;
	csn_addr address, target;

	if (!csn_is_return_address(unwinder, pc, &address, &target) || !target)
		return false;
	module = csn_modules_find(unwinder->modules, target);
	if (!module || !csn_module_go_function(module, target, &function))
		return false;
	/* It has a second entrance. */
	return strcmp(function.name, name) == 0 ||
	       (strcmp(name, MORESTACK) == 0 &&
		strncmp(function.name, MORESTACK, sizeof(MORESTACK) - 1) == 0);
}

/* Do the tables, from a return address with this stack pointer on, lead to a frame that saved its
 * caller's frame pointer at fp? */
static bool leads_to(struct csn_unwinder *unwinder, csn_addr pc, csn_addr sp, csn_addr fp)
{
	const struct csn_arch *arch = unwinder->arch;

	for (unsigned i = 0; i < MAX_FRAMELESS && sp <= fp; i++) {
		struct csn_module *module = csn_modules_find(unwinder->modules, pc - 1);
		struct csn_cfi_row row;
		csn_addr cfa;

		if (!module || !csn_module_go_row(module, pc - 1, &row))
			return false;
		cfa = sp + (uint64_t)row.cfa.offset;
		if (row.registers[arch->fp].kind == CSN_CFI_OFFSET)
			return cfa + (uint64_t)row.registers[arch->fp].offset == fp;
		if (row.registers[row.return_column].kind != CSN_CFI_OFFSET ||
		    !csn_target_read_word(unwinder->target,
					  cfa + (uint64_t)row.registers[row.return_column].offset,
					  &pc))
			return false;
		sp = cfa;
	}
	return false;
}

bool csn_unwind_switched(struct csn_unwind_cursor *cursor, const struct csn_rule *rule)
{
	struct csn_unwinder *unwinder = cursor->unwinder;
	const struct csn_arch *arch = unwinder->arch;
	csn_addr fp = cursor->registers.value[arch->fp], slot = fp;
	struct csn_registers caller = { 0 };
	uint64_t pc;

	if (!rule->switched_from || cursor->gave_up ||
	    !csn_register_known(&cursor->registers, arch->fp) || fp % arch->word_bytes)
		return csn_unwind_stop(cursor, CSN_UNWIND_SWITCHED, 0);
	for (unsigned i = 0; i < CSN_MAX_CALLER_WORDS && slot > arch->word_bytes; i++) {
		slot -= arch->word_bytes;
		if (!csn_target_read_word(unwinder->target, slot, &pc))
			break;
		if (!calls(unwinder, pc, rule->switched_from) ||
		    !leads_to(unwinder, pc, slot + arch->word_bytes, fp))
			continue;
		csn_register_set(&caller, arch->pc, pc);
		csn_register_set(&caller, arch->sp, slot + arch->word_bytes);
		csn_register_set(&caller, arch->fp, fp);
		return csn_unwind_accept(cursor, &caller, CSN_HOW_CFI);
	}
	return csn_unwind_stop(cursor, CSN_UNWIND_SWITCHED, 0);
}
