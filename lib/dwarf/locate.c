#include <stdlib.h>

#include "base/cleanup.h"
#include "dwarf/call_internal.h"
#include "dwarf/line_internal.h"

static int compare_spots(const void *a, const void *b)
{
	const struct csn_spot *x = a, *y = b;
	uint64_t left = x->unit ? x->unit->offset : UINT64_MAX;
	uint64_t right = y->unit ? y->unit->offset : UINT64_MAX;

	if (left != right)
		return left < right ? -1 : 1;
	return x->address < y->address ? -1 : x->address > y->address;
}

static bool name_frame(struct csn_unit *unit, uint64_t offset, struct csn_source_frame *frame)
{
	const struct csn_function_name *name = csn_function_name_get(unit, offset);

	if (!name)
		return false;
	frame->name = name->name;
	frame->linkage_name = name->linkage_name;
	return true;
}

/* Where the inlined function was called from: the position in the function around it. */
static void place_call(struct csn_lines *lines, const struct csn_inlined *inlined,
		       struct csn_source_frame *frame)
{
	if (!inlined->call_line || inlined->call_line > UINT32_MAX)
		return;
	frame->path = lines ? csn_lines_path(lines, inlined->call_file) : NULL;
	frame->line = (uint32_t)inlined->call_line;
	frame->column = (uint32_t)csn_min_u64(inlined->call_column, UINT32_MAX);
}

static int answer(struct csn_arena *arena, struct csn_spot *spot, struct csn_lines *lines,
		  struct csn_error *err)
{
	struct csn_source_frame *frames;
	size_t i, n = spot->n_inlined;

	if (!spot->has_row && !spot->has_function)
		return 0;
	frames = csn_arena_array(arena, n + 1, sizeof(*frames));
	if (!frames)
		return csn_fail_nomem(err);
	if (spot->has_row) {
		frames[0].path = csn_lines_path(lines, spot->file);
		frames[0].line = spot->line;
		frames[0].column = spot->column;
	}
	for (i = 0; i < n; i++) {
		const struct csn_inlined *inlined = &spot->inlined[n - 1 - i];

		if (!name_frame(spot->unit, inlined->offset, &frames[i]))
			return csn_fail_nomem(err);
		place_call(lines, inlined, &frames[i + 1]);
	}
	if (spot->has_function && !name_frame(spot->unit, spot->function, &frames[n]))
		return csn_fail_nomem(err);
	if (spot->call)
		csn_call_resolve(spot->unit, spot->call, &spot->source->callee);
	spot->source->has_entry = spot->has_function;
	spot->source->entry = spot->entry;
	spot->source->frames = frames;
	spot->source->n_frames = n + 1;
	return 0;
}

static int locate_unit(void *arena, struct csn_unit *unit, struct csn_spot *spots, size_t n_spots,
		       struct csn_error *err)
{
	struct csn_lines *lines = csn_unit_lines(unit);
	size_t i;
	int rc = 0;

	if (lines)
		csn_lines_run(lines, spots, n_spots);
	/* Files of call sites are those of the skeleton's line table, too. */
	unit = csn_unit_entries(unit);
	for (i = 0; i < n_spots; i++)
		spots[i].unit = unit;
	if (!csn_entries_walk(arena, unit, spots, n_spots))
		return csn_fail_nomem(err);
	for (i = 0; i < n_spots && rc == 0; i++)
		rc = answer(arena, &spots[i], lines, err);
	return rc;
}

int csn_spots_each_unit(struct csn_dwarf *dwarf, struct csn_spot *spots, size_t n_spots,
			csn_spots_fn each, void *context, struct csn_error *err)
{
	size_t start, end;
	int rc = 0;

	if (!csn_dwarf_find_units(dwarf, spots, n_spots))
		return csn_fail_nomem(err);
	if (n_spots)
		qsort(spots, n_spots, sizeof(*spots), compare_spots);
	for (start = 0; start < n_spots && spots[start].unit && rc == 0; start = end) {
		for (end = start + 1; end < n_spots && spots[end].unit == spots[start].unit; end++)
			;
		rc = each(context, spots[start].unit, spots + start, end - start, err);
	}
	return rc;
}

int csn_dwarf_locate(struct csn_arena *arena, struct csn_dwarf *dwarf, struct csn_source *sources,
		     size_t n_sources, struct csn_error *err)
{
	cleanup_free struct csn_spot *spots = calloc(n_sources + 1, sizeof(*spots));
	size_t i;

	if (!spots)
		return csn_fail_nomem(err);
	for (i = 0; i < n_sources; i++) {
		sources[i] = (struct csn_source){ .address = sources[i].address };
		spots[i] =
			(struct csn_spot){ .source = &sources[i], .address = sources[i].address };
	}
	return csn_spots_each_unit(dwarf, spots, n_sources, locate_unit, arena, err);
}
