/* Mappings of a core. NT_FILE says which ranges are files, the program headers say which ranges
 * exist and how they were protected; a minimal core may describe one range with several segments.
 */
#include <string.h>

#include "base/limits.h"
#include "target/core_internal.h"

static const char CSN_DELETED[] = " (deleted)";

struct csn_map_maker {
	struct csn_target *target;
	const struct csn_core *core;
	size_t capacity;
};

/* The segment that covers addr, or the first behind it. */
static size_t csn_core_segment_from(const struct csn_core *core, csn_addr addr)
{
	size_t low = 0, high = core->n_segments;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (core->segments[middle].end <= addr)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void csn_mapping_set_flags(struct csn_mapping *mapping, uint32_t flags)
{
	mapping->perms_known = true;
	mapping->readable = flags & PF_R;
	mapping->writable = flags & PF_W;
	mapping->executable = flags & PF_X;
}

static bool csn_mapping_joins(const struct csn_mapping *last, const struct csn_mapping *next)
{
	return last->end == next->start && !last->path && !next->path &&
	       last->readable == next->readable && last->writable == next->writable &&
	       last->executable == next->executable;
}

static bool csn_map_add(struct csn_map_maker *maker, const struct csn_mapping *mapping)
{
	struct csn_target *target = maker->target;

	if (target->n_mappings &&
	    csn_mapping_joins(&target->mappings[target->n_mappings - 1], mapping)) {
		target->mappings[target->n_mappings - 1].end = mapping->end;
		return true;
	}
	target->mappings = csn_arena_grow(target->arena, target->mappings, target->n_mappings,
					  &maker->capacity, sizeof(*mapping));
	if (!target->mappings)
		return false;
	target->mappings[target->n_mappings++] = *mapping;
	return true;
}

/* Segments between from and to that no file claims are anonymous memory. */
static bool csn_map_add_anonymous(struct csn_map_maker *maker, csn_addr from, csn_addr to)
{
	for (size_t i = csn_core_segment_from(maker->core, from); i < maker->core->n_segments;
	     i++) {
		const struct csn_core_segment *segment = &maker->core->segments[i];
		struct csn_mapping mapping = { .start = csn_max_u64(segment->start, from),
					       .end = csn_min_u64(segment->end, to) };

		if (segment->start >= to)
			break;
		csn_mapping_set_flags(&mapping, segment->flags);
		if (mapping.start < mapping.end && !csn_map_add(maker, &mapping))
			return false;
	}
	return true;
}

static bool csn_map_add_file(struct csn_map_maker *maker, const struct csn_core_file *file)
{
	struct csn_mapping mapping = { .start = file->start,
				       .end = file->end,
				       .offset = file->offset,
				       .path = file->path,
				       .is_file = file->path[0] == '/' };
	size_t length = strlen(file->path), tail = sizeof(CSN_DELETED) - 1;
	size_t i = csn_core_segment_from(maker->core, file->start);

	if (length > tail && strcmp(file->path + length - tail, CSN_DELETED) == 0) {
		mapping.deleted = true;
		mapping.path = csn_arena_strndup(maker->target->arena, file->path, length - tail);
	}
	/* Shared anonymous memory shows as a deleted file of a name that was never one. */
	if (strncmp(file->path, "/dev/zero", 9) == 0 || strncmp(file->path, "/memfd:", 7) == 0 ||
	    strncmp(file->path, "/SYSV", 5) == 0)
		mapping.is_file = false;
	if (i < maker->core->n_segments && maker->core->segments[i].start < file->end)
		csn_mapping_set_flags(&mapping, maker->core->segments[i].flags);
	return mapping.path && csn_map_add(maker, &mapping);
}

static void csn_name_mapping(struct csn_target *target, uint64_t auxv_type, const char *name)
{
	const struct csn_mapping *found;
	uint64_t addr;

	if (!csn_target_find_auxv(target, auxv_type, &addr))
		return;
	found = csn_target_find_mapping(target, addr);
	if (found && !found->path)
		target->mappings[found - target->mappings].path = name;
}

int csn_core_make_mappings(struct csn_target *target, const struct csn_core_files *files,
			   struct csn_error *err)
{
	struct csn_map_maker maker = { .target = target, .core = target->impl };
	csn_addr at = 0;

	for (size_t i = 0; i < files->count; i++) {
		const struct csn_core_file *file = &files->items[i];

		if (file->start < at)
			continue; /* overlaps the one before: hostile */
		if (!csn_map_add_anonymous(&maker, at, file->start) ||
		    !csn_map_add_file(&maker, file))
			return csn_fail_nomem(err);
		at = file->end;
	}
	if (!csn_map_add_anonymous(&maker, at, UINT64_MAX))
		return csn_fail_nomem(err);
	target->mappings_from_note = files->present;
	csn_name_mapping(target, AT_SYSINFO_EHDR, "[vdso]");
	csn_name_mapping(target, AT_RANDOM, "[stack]");
	return 0;
}
