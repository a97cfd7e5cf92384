/* Stack overflow: the access lies where a stack would have grown to, and the stack is above it. */
#include <elf.h>

#include "analyze/fault_internal.h"

/* How far below the stack pointer an access of the stack may fall, probes and red zone included. */
#define CSN_STACK_REACH 65536u
#define CSN_GUARD_REACH (1u << 20)
#define CSN_MAX_PERIOD 64u
#define CSN_MIN_TURNS 4u
/* Frames at the very end that need not belong to the ring: a helper that touched the guard. */
#define CSN_MAX_LEAVES 16u

/* The first mapping above the address that can be written. */
static const struct csn_mapping *csn_find_writable_above(const struct csn_fault_look *look,
							 csn_addr address)
{
	const struct csn_target *target = look->target;

	for (size_t i = 0; i < target->n_mappings; i++)
		if (target->mappings[i].start > address && target->mappings[i].writable)
			return &target->mappings[i];
	return NULL;
}

/* One frame so large that its far end lies outside of the stack: nothing lies between, and the
 * frame pointer, or of the main thread the beginning of all stacks, is still on it. */
static bool csn_is_large_frame(const struct csn_fault_look *look, const struct csn_mapping *above)
{
	const struct csn_arch *arch = look->target->arch;
	const struct csn_registers *registers = &look->thread->registers;
	const struct csn_mapping *at = csn_target_find_mapping(look->target, look->sp);
	uint64_t start;

	if (at && (at->writable || !at->perms_known))
		return false;
	if (csn_register_known(registers, arch->fp) && registers->value[arch->fp] >= above->start &&
	    registers->value[arch->fp] < above->end)
		return true;
	return look->thread->tid == look->target->process.pid &&
	       csn_target_find_auxv(look->target, AT_RANDOM, &start) && start >= above->start &&
	       start < above->end;
}

static bool csn_is_stack_overflow(struct csn_fault_look *look)
{
	csn_addr address = look->address, sp = look->sp;
	const struct csn_mapping *at = csn_target_find_mapping(look->target, address);
	const struct csn_mapping *above;

	if (!look->address_known || (at && (at->writable || !at->perms_known)) ||
	    address + CSN_STACK_REACH < sp || address > sp + CSN_STACK_REACH)
		return false;
	above = csn_find_writable_above(look, address);
	if (!above || above->is_file)
		return false;
	if (sp < above->end && sp + CSN_GUARD_REACH >= above->start &&
	    above->start - address <= CSN_GUARD_REACH)
		return true;
	look->large_frame = csn_is_large_frame(look, above);
	return look->large_frame;
}

/* Frames from first on repeat after period, often enough to be no chance. */
static bool csn_repeats(const struct csn_snapshot_thread *stack, size_t first, size_t period)
{
	size_t wanted = period * (CSN_MIN_TURNS - 1) + CSN_MAX_LEAVES;

	if (first + wanted + period > stack->n_frames)
		return false;
	for (size_t i = first; i < first + wanted; i++) {
		const struct csn_snapshot_frame *a = &stack->frames[i];
		const struct csn_snapshot_frame *b = &stack->frames[i + period];

		if (a->address != b->address || a->inlined != b->inlined)
			return false;
	}
	return true;
}

static size_t csn_find_period(const struct csn_snapshot_thread *stack)
{
	for (size_t period = 1; period <= CSN_MAX_PERIOD; period++)
		if (csn_repeats(stack, CSN_MAX_LEAVES, period))
			return period;
	return 0;
}

void csn_look_at_stack(struct csn_fault_look *look)
{
	look->stack_overflow = !look->exec && !look->null && csn_is_stack_overflow(look);
	if (look->stack_overflow && !look->large_frame)
		look->recursion_period = csn_find_period(look->stack);
}
