/* Which expression of the program the fault is about: what lay at the address, what was called,
 * what was divided by. */
#include <signal.h>
#include <string.h>

#include "analyze/fault_internal.h"
#include "analyze/naming.h"

/* Bytes from an operand's start to the address that could not be used. */
#define CSN_OPERAND_REACH 64u

/* The number-th frame that is really there of the faulting thread; NULL none. */
static struct csn_value_frame *csn_physical_frame(const struct csn_fault_look *look, size_t number)
{
	const struct csn_scene *scene = look->scene;
	struct csn_value_frame *last = NULL;

	for (size_t i = 0; i < scene->n_frames && scene->frames[i].thread == look->stack; i++) {
		if (scene->frames[i].frame == last)
			continue;
		last = scene->frames[i].frame;
		if (!number--)
			return last;
	}
	return NULL;
}

/* The frame that jumped to where nothing could run: registers are still as they were then. */
static struct csn_value_frame *csn_jumping_frame(const struct csn_fault_look *look)
{
	const struct csn_value_frame *landed = csn_physical_frame(look, 0);
	const struct csn_value_frame *caller = csn_physical_frame(look, 1);
	unsigned sp = look->target->arch->sp, pc = look->target->arch->pc;
	struct csn_value_frame *frame;

	if (!landed || !caller || caller->exact)
		return NULL;
	frame = csn_arena_copy(look->snapshot->arena, caller, sizeof(*caller));
	if (!frame)
		return NULL;
	frame->registers = landed->registers;
	frame->registers.value[sp] = caller->registers.value[sp];
	frame->registers.value[pc] = caller->registers.value[pc];
	return frame;
}

/* What a function object of C++ keeps, its function just names. */
static const char csn_captured[] = "__closure->__";

static void csn_keep_expression(struct csn_fault_look *look, const struct csn_named *named)
{
	const char *text = named->text;

	if (strncmp(text, csn_captured, sizeof(csn_captured) - 1) == 0)
		text += sizeof(csn_captured) - 1;
	look->expression = named->is_table ? csn_arena_sprintf(look->snapshot->arena,
							       "virtual table of %s", text)
					   : text;
}

/* What was followed to get there. */
static void csn_keep_pointer(struct csn_fault_look *look, const struct csn_named *named,
			     const struct csn_value_frame *frame)
{
	if (!named->pointer)
		return;
	look->pointer = named->pointer;
	look->pointer_type = csn_value_type_text(named->pointing);
	look->pointed = named->pointed;
	look->pointer_pc = frame->pc;
}

static void csn_name_access(struct csn_fault_look *look, struct csn_naming *naming)
{
	const struct csn_term *operand = csn_origin_operand(&naming->origin);
	struct csn_named named;
	uint64_t address;

	if (operand && csn_origin_value(&naming->origin, operand, &address) &&
	    look->address - address < CSN_OPERAND_REACH &&
	    csn_name_place(naming, operand, address, &named)) {
		csn_keep_expression(look, &named);
		csn_keep_pointer(look, &named, csn_physical_frame(look, 0));
	}
}

/* What was jumped to, or divided by. */
static void csn_name_source(struct csn_fault_look *look, struct csn_naming *naming, uint64_t wanted)
{
	const struct csn_term *source = csn_origin_source(&naming->origin);
	struct csn_named named;
	uint64_t value;

	if (source && csn_origin_value(&naming->origin, source, &value) && value == wanted &&
	    csn_name_value(naming, source, &named) && !named.is_table)
		csn_keep_expression(look, &named);
}

int csn_find_expression(struct csn_fault_look *look)
{
	bool is_memory = look->signal->number == SIGSEGV || look->signal->number == SIGBUS;
	/* A jump was made by the caller, unless the processor refused to make it. */
	bool jumped = look->exec && look->pc == look->address;
	struct csn_value_frame *frame =
		jumped ? csn_jumping_frame(look) : csn_physical_frame(look, 0);
	struct csn_naming naming;

	if (!frame || look->stack_overflow || look->signal->has_sender ||
	    !(look->is_division_by_zero || (is_memory && look->address_known)) ||
	    !csn_naming_begin(look->scene, frame, &naming))
		return 0;
	if (look->exec)
		csn_name_source(look, &naming, look->address);
	else if (look->is_division_by_zero)
		csn_name_source(look, &naming, 0);
	else
		csn_name_access(look, &naming);
	return 0;
}
