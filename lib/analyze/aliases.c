/* Aliases: which variables of which threads lead to the address that could not be used.
 *
 * Of addresses that many things lead to by chance, NULL and what lies near it, only those count
 * that the code was seen to use, and what callers passed on as the same type. */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "analyze/fault_internal.h"
#include "base/limits.h"
#include "values/places.h"

/* Bytes between where a pointer leads to and the address. */
#define CSN_ALIAS_TOLERANCE 64u
/* Frames of callers that may have passed on the pointer that was used. */
#define CSN_ALIAS_CALLERS 8u

struct csn_aliases {
	struct csn_fault_look *look;
	size_t n;
	int result;
	bool is_caller; /* of the frame whose pointer was used */
	bool was_passed;
};

static bool csn_alias_goes_on(const struct csn_aliases *aliases)
{
	return aliases->result == 0 && aliases->n < CSN_MAX_ALIASES;
}

static void csn_alias_add(struct csn_aliases *aliases, const struct csn_scene_spot *spot,
			  const char *what, int64_t distance)
{
	struct csn_fault_look *look = aliases->look;
	char text[96];

	if (!csn_alias_goes_on(aliases))
		return;
	if (distance)
		snprintf(text, sizeof(text), "%s %c 0x%" PRIx64, what, distance < 0 ? '-' : '+',
			 distance < 0 ? -(uint64_t)distance : (uint64_t)distance);
	else
		snprintf(text, sizeof(text), "%s", what);
	aliases->n++;
	aliases->result = csn_scene_annotate_value(look->scene, spot, "alias", text, look->err);
}

static bool csn_holds(const struct csn_value_node *value, csn_addr address)
{
	return value->has_address && address >= value->address &&
	       address - value->address < value->size_bytes;
}

/* The address lies in the value, and in no part of it that has a name. */
static bool csn_is_there(const struct csn_value_node *value, csn_addr address)
{
	if (!csn_holds(value, address))
		return false;
	for (size_t i = 0; i < value->n_parts && !value->parts_are_target; i++)
		if (csn_holds(&value->parts[i], address))
			return false;
	return true;
}

/* The pointer leads to the address, or near it. */
static bool csn_leads_to(const struct csn_value_node *value, csn_addr address, bool exactly)
{
	uint64_t below = address - value->number, size_bytes;

	if (!value->has_number || !below || exactly)
		return value->has_number && !below;
	(void)csn_value_pointee(value->declared, &size_bytes);
	return below < size_bytes || below <= CSN_ALIAS_TOLERANCE ||
	       value->number - address <= CSN_ALIAS_TOLERANCE;
}

static bool csn_visit_any(void *context, const struct csn_scene_spot *spot)
{
	struct csn_aliases *aliases = context;
	const struct csn_value_node *value = csn_scene_spot_value(spot);
	csn_addr address = aliases->look->address;

	if (value->is_pointer && csn_leads_to(value, address, aliases->look->exec))
		csn_alias_add(aliases, spot, "points to the faulting address",
			      (int64_t)(value->number - address));
	else if (!value->is_pointer && value->has_number && value->size_bytes == sizeof(address) &&
		 value->number == address)
		csn_alias_add(aliases, spot, "equals the faulting address", 0);
	else if (!aliases->look->exec && csn_is_there(value, address))
		csn_alias_add(aliases, spot, "lies at the faulting address", 0);
	return csn_alias_goes_on(aliases);
}

/* The pointer that was used, or one of its value and type in a caller. */
static bool csn_visit_used(void *context, const struct csn_scene_spot *spot)
{
	struct csn_aliases *aliases = context;
	const struct csn_fault_look *look = aliases->look;
	const struct csn_value_node *value = csn_scene_spot_value(spot);
	const char *path;

	if (value->is_pointer && value->has_number && value->number == look->pointed) {
		path = aliases->is_caller ? NULL : csn_scene_path(look->scene, spot);
		if (aliases->is_caller ? spot->n_values == 1 && value->type && look->pointer_type &&
						 strcmp(value->type, look->pointer_type) == 0
				       : path && strcmp(path, look->pointer) == 0) {
			aliases->was_passed = true;
			csn_alias_add(aliases, spot, "points to the faulting address",
				      (int64_t)(value->number - look->address));
		}
	}
	return csn_alias_goes_on(aliases);
}

/* The frame whose pointer was used and, as long as each has the same, its callers. */
static void csn_find_used(struct csn_aliases *aliases)
{
	const struct csn_fault_look *look = aliases->look;
	const struct csn_scene *scene = look->scene;
	const struct csn_value_frame *last = NULL;
	size_t n_callers = 0;

	for (size_t i = 0; i < scene->n_frames && scene->frames[i].thread == look->stack; i++) {
		const struct csn_scene_frame *frame = &scene->frames[i];

		if (!last && frame->frame->pc != look->pointer_pc)
			continue;
		if (last && frame->frame != last) {
			if (!aliases->was_passed || n_callers++ == CSN_ALIAS_CALLERS)
				return;
			aliases->was_passed = false;
			aliases->is_caller = true;
		}
		last = frame->frame;
		csn_scene_walk(frame, csn_visit_used, aliases);
	}
}

int csn_annotate_aliases(struct csn_fault_look *look)
{
	struct csn_aliases aliases = { .look = look };
	const struct csn_scene *scene = look->scene;

	if (!look->address_known || look->stack_overflow || look->signal->has_sender ||
	    (look->signal->number != SIGSEGV && look->signal->number != SIGBUS))
		return 0;
	if (!look->null)
		for (size_t i = 0; i < scene->n_frames && csn_alias_goes_on(&aliases); i++)
			csn_scene_walk(&scene->frames[i], csn_visit_any, &aliases);
	else if (look->pointer)
		csn_find_used(&aliases);
	return aliases.result;
}
