#include "analyze/place.h"

#include <inttypes.h>
#include <string.h>

#include "base/text.h"

/* Where the object of a frame begins: its first mapping. */
static csn_addr object_start(const struct csn_target *target,
			     const struct csn_snapshot_frame *frame)
{
	for (size_t i = 0; i < target->n_mappings; i++)
		if (target->mappings[i].path &&
		    strcmp(target->mappings[i].path, frame->library) == 0)
			return target->mappings[i].start;
	return 0;
}

const char *csn_place_describe(struct csn_arena *arena, const struct csn_target *target,
			       const struct csn_snapshot_frame *frame)
{
	const char *library = csn_last_part(frame->library);
	const char *source = csn_last_part(frame->source_path);
	int length;

	if (!frame->function)
		return csn_arena_sprintf(arena, "%s+0x%" PRIx64, library,
					 frame->address - object_start(target, frame));
	length = (int)csn_min_u64(strlen(frame->function), 200);
	if (source && frame->line)
		return csn_arena_sprintf(arena, "%.*s (%s:%" PRIu32 ")", length, frame->function,
					 source, frame->line);
	if (!library)
		return csn_arena_strdup(arena, frame->function);
	return csn_arena_sprintf(arena, "%.*s (%s)", length, frame->function, library);
}
