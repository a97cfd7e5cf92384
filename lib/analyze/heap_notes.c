/* Annotations: which pointers of the thread that faulted lead to freed memory. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "analyze/fault_internal.h"

/* Few are read, and those near the fault count. */
#define CSN_HEAP_NOTES 12u
#define CSN_HEAP_NOTED_FRAMES 16u
#define CSN_HEAP_LOOKS 2000u

struct csn_heap_notes {
	struct csn_fault_look *look;
	size_t n_notes, n_looks;
	csn_addr seen[CSN_HEAP_NOTES];
	int result;
};

/* "a freed chunk of 48 bytes (tcache), +8" of a pointer worth a word. */
static bool csn_note_text(struct csn_heap_notes *notes, csn_addr pointer, char *out, size_t size)
{
	struct csn_fault_look *look = notes->look;
	const struct csn_mapping *mapping = csn_target_find_mapping(look->target, pointer);
	struct csn_heap_place place;
	char text[128], within[32] = "";

	if (!mapping || mapping->is_file || notes->n_looks >= CSN_HEAP_LOOKS)
		return false;
	notes->n_looks++;
	csn_heap_look(csn_fault_heap(look), pointer, &place);
	if (!place.has_chunk || place.offset < 0 ||
	    (place.state != CSN_HEAP_FREED && place.chunk != look->heap_suspect))
		return false;
	csn_heap_describe(&place, text, sizeof(text));
	if (place.offset)
		snprintf(within, sizeof(within), ", +%" PRId64, place.offset);
	snprintf(out, size, "%s%s", text, within);
	return true;
}

/* What is a pointer of one frame is often one of its caller too. */
static bool csn_note_is_new(struct csn_heap_notes *notes, csn_addr pointer)
{
	for (size_t i = 0; i < notes->n_notes; i++)
		if (notes->seen[i] == pointer)
			return false;
	notes->seen[notes->n_notes++] = pointer;
	return true;
}

static bool csn_note_value(void *context, const struct csn_scene_spot *spot)
{
	struct csn_heap_notes *notes = context;
	const struct csn_value_node *value = csn_scene_spot_value(spot);
	struct csn_fault_look *look = notes->look;
	char text[192];

	if (notes->result < 0 || notes->n_notes == CSN_HEAP_NOTES)
		return false;
	if (value->is_pointer && value->has_number &&
	    csn_note_text(notes, value->number, text, sizeof(text)) &&
	    csn_note_is_new(notes, value->number))
		notes->result =
			csn_scene_annotate_value(look->scene, spot, "heap", text, look->err);
	return true;
}

/* Registers of the fault, of what no variable is known to hold. */
static void csn_note_registers(struct csn_heap_notes *notes)
{
	struct csn_fault_look *look = notes->look;
	const struct csn_arch *arch = look->target->arch;
	struct csn_annotation_owner owner = { .thread = look->stack, .has_frame = true };
	char text[192], line[224];

	for (unsigned i = 0; i < arch->n_dwarf && notes->result == 0; i++) {
		const struct csn_registers *registers = &look->thread->registers;

		if (notes->n_notes == CSN_HEAP_NOTES || !csn_register_known(registers, i) ||
		    !csn_note_text(notes, registers->value[i], text, sizeof(text)) ||
		    !csn_note_is_new(notes, registers->value[i]))
			continue;
		snprintf(line, sizeof(line), "%s: %s", arch->registers[i].name, text);
		notes->result = csn_snapshot_add_owned_annotation(look->snapshot, "heap", line,
								  &owner, look->err);
	}
}

int csn_heap_annotate(struct csn_fault_look *look)
{
	struct csn_heap_notes notes = { .look = look };
	const struct csn_scene *scene = look->scene;

	/* Somebody else ended it. */
	if ((look->signal->has_sender && !csn_is_own_pid(look, look->signal->sender_pid)) ||
	    !csn_fault_heap(look))
		return 0;
	for (size_t i = 0; i < scene->n_frames && i < CSN_HEAP_NOTED_FRAMES; i++)
		if (scene->frames[i].thread == look->stack)
			csn_scene_walk(&scene->frames[i], csn_note_value, &notes);
	if (!look->signal->has_sender)
		csn_note_registers(&notes);
	return notes.result;
}
