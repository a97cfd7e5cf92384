#include "analyze/scene.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/limits.h"

static void walk(struct csn_scene_spot *spot, csn_scene_visit visit, void *context)
{
	const struct csn_value_node *value = csn_scene_spot_value(spot);

	if (!visit(context, spot) || spot->n_values == CSN_SCENE_DEPTH)
		return;
	for (size_t i = 0; i < value->n_parts; i++) {
		spot->values[spot->n_values] = &value->parts[i];
		spot->numbers[spot->n_values++] = i;
		walk(spot, visit, context);
		spot->n_values--;
	}
}

void csn_scene_walk(const struct csn_scene_frame *frame, csn_scene_visit visit, void *context)
{
	struct csn_scene_spot spot = { .frame = frame, .n_values = 1 };

	for (size_t i = 0; i < frame->n_values; i++) {
		spot.values[0] = &frame->values[i];
		spot.numbers[0] = i;
		walk(&spot, visit, context);
	}
}

const char *csn_scene_path(const struct csn_scene *scene, const struct csn_scene_spot *spot)
{
	cleanup_(csn_buf_done) struct csn_buf path = CSN_BUF_INIT(CSN_MAX_VALUE_TEXT);
	bool arrow = false;

	for (size_t i = 0; i < spot->n_values; i++) {
		const struct csn_value_node *value = spot->values[i];
		/* A base class, and a union or structure without name, is the object itself. */
		bool itself = value->role == CSN_ROLE_BASE || (i && !value->name && value->type);

		if (!itself && value->name)
			csn_buf_printf(&path, "%s%s", !i ? "" : arrow ? "->" : ".", value->name);
		else if (!itself)
			csn_buf_printf(&path, "[%zu]", spot->numbers[i]);
		arrow = value->parts_are_target || (itself && arrow);
	}
	return csn_arena_strdup(scene->snapshot->arena, csn_buf_text(&path));
}

size_t csn_scene_frame_number(const struct csn_scene_frame *frame)
{
	return (size_t)(frame->stored - frame->thread->frames);
}

int csn_scene_annotate_frame(const struct csn_scene *scene, const struct csn_scene_frame *frame,
			     const char *name, const char *text, struct csn_error *err)
{
	struct csn_annotation_owner owner = { .thread = frame->thread,
					      .frame = csn_scene_frame_number(frame),
					      .has_frame = true };

	return csn_snapshot_add_owned_annotation(scene->snapshot, name, text, &owner, err);
}

int csn_scene_annotate_value(const struct csn_scene *scene, const struct csn_scene_spot *spot,
			     const char *name, const char *text, struct csn_error *err)
{
	struct csn_annotation_owner owner = { .thread = spot->frame->thread,
					      .frame = csn_scene_frame_number(spot->frame),
					      .has_frame = true,
					      .variable = csn_scene_path(scene, spot) };

	if (!owner.variable)
		return csn_fail_nomem(err);
	return csn_snapshot_add_owned_annotation(scene->snapshot, name, text, &owner, err);
}
