#include "analyze/stale_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/limits.h"

#define CSN_STALE_SECONDS 5
/* How far behind a pointer the address of an access may lie, where no object is known. */
#define CSN_STALE_REACH 256u

/* What the fault is about: the chunk that the heap suspects or that the address lies in, or else
 * the address itself and what lies right before it. */
static bool csn_stale_target(struct csn_stale_state *stale, struct csn_stale_object *object)
{
	const struct csn_fault_look *look = stale->look;
	struct csn_heap_place place = { .state = CSN_HEAP_UNKNOWN };
	csn_addr addr = look->address;

	if (look->heap_suspect)
		addr = look->heap_suspect + 2ull * look->target->arch->word_bytes;
	else if (!look->address_known || look->null || look->stack_overflow)
		return false;
	if (stale->heap)
		csn_heap_look(stale->heap, addr, &place);
	*object = (struct csn_stale_object){ .holder = SIZE_MAX };
	if (place.has_chunk && place.state != CSN_HEAP_TOP) {
		object->start = place.user;
		object->end = place.user + place.size_bytes;
	} else {
		object->start = addr > CSN_STALE_REACH ? addr - CSN_STALE_REACH : 0;
		object->end = addr + 1;
	}
	/* The size may be nonsense. */
	return object->start <= addr && addr < object->end;
}

static int csn_stale_annotate(struct csn_stale_state *stale, const char *what, uint64_t value,
			      const struct csn_annotation_owner *owner)
{
	const struct csn_stale_object *object = &stale->objects[0];
	csn_addr address = stale->look->heap_suspect ? object->start : stale->look->address;
	char text[640], distance[32] = "";

	if (value != address)
		snprintf(distance, sizeof(distance), ", 0x%" PRIx64 " %s it",
			 value < address ? address - value : value - address,
			 value < address ? "before" : "behind");
	snprintf(text, sizeof(text), "%.500s holds 0x%" PRIx64 "%s", what, value, distance);
	return csn_snapshot_add_owned_annotation(stale->look->snapshot, "stale pointer", text,
						 owner, stale->look->err);
}

/* Registers of the innermost frames, of all threads. */
static int csn_stale_registers(struct csn_stale_state *stale, size_t *n_notes)
{
	const struct csn_snapshot *snapshot = stale->look->snapshot;
	const struct csn_stale_object *object = &stale->objects[0];
	int rc = 0;

	for (size_t i = 0; i < snapshot->n_threads; i++) {
		const struct csn_snapshot_thread *thread = &snapshot->threads[i];
		const struct csn_snapshot_frame *frame = NULL;
		struct csn_annotation_owner owner = { .thread = thread, .has_frame = true };

		for (; owner.frame < thread->n_frames && !frame; owner.frame++)
			if (!thread->frames[owner.frame].inlined)
				frame = &thread->frames[owner.frame--];
		for (size_t k = 0; frame && k < frame->n_registers && rc == 0; k++) {
			const struct csn_register *r = &frame->registers[k];

			if (r->value < object->start || r->value >= object->end ||
			    *n_notes == CSN_MAX_STALE_NOTES)
				continue;
			++*n_notes;
			stale->n_found++;
			rc = csn_stale_annotate(stale, r->name, r->value, &owner);
		}
	}
	return rc;
}

static int csn_stale_tell(struct csn_stale_state *stale)
{
	struct csn_snapshot *snapshot = stale->look->snapshot;
	size_t n_notes = 0;
	int rc = csn_stale_registers(stale, &n_notes);

	for (size_t i = 0; i < stale->n_references && n_notes < CSN_MAX_STALE_NOTES && rc == 0;
	     i++) {
		const struct csn_stale_reference *reference = &stale->references[i];
		struct csn_annotation_owner owner = { 0 };
		struct csn_stale_name name = { 0 };

		if (reference->to)
			continue;
		n_notes++;
		rc = csn_stale_describe(stale, reference, &name);
		if (rc < 0)
			return rc;
		if (name.frame) {
			owner.thread = name.frame->thread;
			owner.frame = csn_scene_frame_number(name.frame);
			owner.has_frame = true;
			owner.variable = name.text;
		}
		rc = csn_stale_annotate(stale, name.text, reference->value, &owner);
	}
	if (rc == 0 && stale->cut)
		rc = csn_snapshot_add_truncated(snapshot,
						"stale pointers: not all memory was searched",
						stale->look->err);
	return rc == 0 ? csn_snapshot_set_uint(snapshot, "stale.references", stale->n_found,
					       stale->look->err)
		       : rc;
}

int csn_look_for_stale(struct csn_fault_look *look)
{
	cleanup_free struct csn_stale_object *objects = NULL;
	cleanup_free struct csn_stale_reference *references = NULL;
	struct csn_stale_state stale = {
		.look = look,
		.bytes_left = CSN_MAX_STALE_BYTES,
		.deadline_ns = csn_monotonic_ns() + CSN_STALE_SECONDS * CSN_NS_PER_SECOND,
	};
	int rc;

	if (!look->scene->wants_stale)
		return 0;
	stale.heap = csn_fault_heap(look);
	objects = calloc(CSN_MAX_STALE_OBJECTS, sizeof(*objects));
	references = calloc(CSN_MAX_STALE_REFERENCES, sizeof(*references));
	if (!objects || !references)
		return csn_fail_nomem(look->err);
	stale.objects = objects;
	stale.references = references;
	if (!csn_stale_target(&stale, &objects[stale.n_objects]))
		return 0;
	stale.n_objects++;
	rc = csn_stale_search(&stale);
	return rc == 0 ? csn_stale_tell(&stale) : rc;
}
