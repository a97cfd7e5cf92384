#include "snapshot/snapshot.h"

#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "snapshot/document_internal.h"

static const char *const kind_names[] = {
	[CSN_FRAME_UNKNOWN] = "",      [CSN_FRAME_CFI] = "cfi",   [CSN_FRAME_FP] = "fp",
	[CSN_FRAME_EMUL] = "emul",     [CSN_FRAME_SCAN] = "scan", [CSN_FRAME_TAIL] = "tail",
	[CSN_FRAME_INLINE] = "inline",
};

const char *csn_frame_kind_name(enum csn_frame_kind kind)
{
	return (size_t)kind < csn_countof(kind_names) ? kind_names[kind] : "";
}

enum csn_frame_kind csn_frame_kind_find(const char *name)
{
	size_t i;

	for (i = 1; name && i < csn_countof(kind_names); i++)
		if (strcmp(kind_names[i], name) == 0)
			return (enum csn_frame_kind)i;
	return CSN_FRAME_UNKNOWN;
}

static const char *const role_names[] = {
	[CSN_VARIABLE_PLAIN] = "",
	[CSN_VARIABLE_PARAMETER] = "parameter",
	[CSN_VARIABLE_BASE] = "base",
	[CSN_VARIABLE_STATIC] = "static",
};

const char *csn_variable_role_name(enum csn_variable_role role)
{
	return (size_t)role < csn_countof(role_names) ? role_names[role] : "";
}

enum csn_variable_role csn_variable_role_find(const char *name)
{
	size_t i;

	for (i = 1; name && i < csn_countof(role_names); i++)
		if (strcmp(role_names[i], name) == 0)
			return (enum csn_variable_role)i;
	return CSN_VARIABLE_PLAIN;
}

struct csn_snapshot *csn_snapshot_new(void)
{
	struct csn_arena *arena = csn_arena_new(CSN_MAX_SNAPSHOT_MEMORY);
	struct csn_snapshot *snapshot;

	if (!arena)
		return NULL;
	snapshot = csn_arena_alloc(arena, sizeof(*snapshot));
	if (!snapshot) {
		csn_arena_free(arena);
		return NULL;
	}
	snapshot->arena = arena;
	snapshot->fault.sender_pid = -1;
	snapshot->fault.sender_uid = -1;
	csn_uuid_format_random(snapshot->uuid);
	return snapshot;
}

void csn_snapshot_free(struct csn_snapshot *snapshot)
{
	if (snapshot)
		csn_arena_free(snapshot->arena);
}

void csn_snapshot_freep(struct csn_snapshot **snapshot)
{
	csn_snapshot_free(*snapshot);
}

/* Room for one more in one of the growing arrays; LIMIT past max. */
static int make_room(struct csn_snapshot *snapshot, void **array, size_t count, size_t *capacity,
		     size_t item_bytes, size_t max, const char *what, struct csn_error *err)
{
	void *grown;

	if (count >= max)
		return csn_fail(err, CSN_E_LIMIT, "more than %zu %s", max, what);
	grown = csn_arena_grow(snapshot->arena, *array, count, capacity, item_bytes);
	if (!grown)
		return csn_fail_nomem(err);
	*array = grown;
	return 0;
}

const struct csn_snapshot_attribute *
csn_snapshot_find_attribute(const struct csn_snapshot *snapshot, const char *name)
{
	size_t i;

	for (i = 0; i < snapshot->n_attributes; i++)
		if (strcmp(snapshot->attributes[i].name, name) == 0)
			return &snapshot->attributes[i];
	return NULL;
}

int csn_snapshot_set(struct csn_snapshot *snapshot, const struct csn_snapshot_attribute *attribute,
		     struct csn_error *err)
{
	const struct csn_snapshot_attribute *old =
		csn_snapshot_find_attribute(snapshot, attribute->name);
	struct csn_snapshot_attribute copy = *attribute, *place;
	void *array = snapshot->attributes;
	int r;

	copy.name = old ? old->name : csn_arena_strdup(snapshot->arena, attribute->name);
	if (copy.kind == CSN_VALUE_STRING)
		copy.string = csn_arena_strdup(snapshot->arena, attribute->string);
	if (!copy.name || (copy.kind == CSN_VALUE_STRING && !copy.string))
		return csn_fail_nomem(err);
	if (old) {
		place = &snapshot->attributes[old - snapshot->attributes];
	} else {
		r = make_room(snapshot, &array, snapshot->n_attributes,
			      &snapshot->attributes_capacity, sizeof(copy), CSN_MAX_ATTRIBUTES,
			      "attributes", err);
		if (r < 0)
			return r;
		snapshot->attributes = array;
		place = &snapshot->attributes[snapshot->n_attributes++];
	}
	*place = copy;
	return 0;
}

int csn_snapshot_set_string(struct csn_snapshot *snapshot, const char *name, const char *value,
			    struct csn_error *err)
{
	struct csn_snapshot_attribute attribute = { name, CSN_VALUE_STRING, { .string = value } };

	return csn_snapshot_set(snapshot, &attribute, err);
}

int csn_snapshot_set_uint(struct csn_snapshot *snapshot, const char *name, uint64_t value,
			  struct csn_error *err)
{
	struct csn_snapshot_attribute attribute = { name, CSN_VALUE_UINT, { .uint = value } };

	return csn_snapshot_set(snapshot, &attribute, err);
}

static int add_text(struct csn_snapshot *snapshot, const char *const **texts, size_t *count,
		    size_t *capacity, const char *text, const char *what, struct csn_error *err)
{
	void *array = (void *)*texts;
	const char *copy = csn_arena_strdup(snapshot->arena, text);
	int r;

	if (!copy)
		return csn_fail_nomem(err);
	r = make_room(snapshot, &array, *count, capacity, sizeof(copy), CSN_MAX_SNAPSHOT_NOTES,
		      what, err);
	if (r < 0)
		return r;
	((const char **)array)[(*count)++] = copy;
	*texts = array;
	return 0;
}

int csn_snapshot_add_classifier(struct csn_snapshot *snapshot, const char *name,
				struct csn_error *err)
{
	size_t i;

	for (i = 0; i < snapshot->n_classifiers; i++)
		if (strcmp(snapshot->classifiers[i], name) == 0)
			return 0;
	return add_text(snapshot, &snapshot->classifiers, &snapshot->n_classifiers,
			&snapshot->classifiers_capacity, name, "classifiers", err);
}

int csn_snapshot_add_truncated(struct csn_snapshot *snapshot, const char *what,
			       struct csn_error *err)
{
	return add_text(snapshot, &snapshot->truncated, &snapshot->n_truncated,
			&snapshot->truncated_capacity, what, "truncation notes", err);
}

int csn_snapshot_append_annotation(struct csn_snapshot *snapshot,
				   const struct csn_annotation *annotation, struct csn_error *err)
{
	struct csn_arena *arena = snapshot->arena;
	struct csn_annotation copy = *annotation;
	void *array = snapshot->annotations;
	int r;

	copy.name = csn_arena_strdup(arena, annotation->name);
	copy.text = csn_arena_strdup(arena, annotation->text);
	copy.thread = annotation->thread ? csn_arena_strdup(arena, annotation->thread) : NULL;
	copy.variable = annotation->variable ? csn_arena_strdup(arena, annotation->variable) : NULL;
	if (!copy.name || !copy.text || (annotation->thread && !copy.thread) ||
	    (annotation->variable && !copy.variable))
		return csn_fail_nomem(err);
	r = make_room(snapshot, &array, snapshot->n_annotations, &snapshot->annotations_capacity,
		      sizeof(copy), CSN_MAX_SNAPSHOT_NOTES, "annotations", err);
	if (r < 0)
		return r;
	snapshot->annotations = array;
	snapshot->annotations[snapshot->n_annotations++] = copy;
	return 0;
}

int csn_snapshot_add_annotation(struct csn_snapshot *snapshot, const char *name, const char *text,
				struct csn_error *err)
{
	return csn_snapshot_add_owned_annotation(snapshot, name, text, NULL, err);
}

int csn_snapshot_add_owned_annotation(struct csn_snapshot *snapshot, const char *name,
				      const char *text, const struct csn_annotation_owner *owner,
				      struct csn_error *err)
{
	struct csn_annotation annotation = { .name = name, .text = text };
	char key[24];

	if (owner && owner->thread) {
		annotation.thread = csn_snapshot_thread_key(owner->thread, key);
		annotation.has_frame = owner->has_frame;
		annotation.frame = owner->frame;
		annotation.variable = owner->variable;
	}
	return csn_snapshot_append_annotation(snapshot, &annotation, err);
}

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

/* The record of the same place and rule. */
static struct csn_withheld *find_withheld(const struct csn_snapshot *snapshot,
					  const struct csn_withheld *wanted)
{
	for (size_t i = 0; i < snapshot->n_withheld; i++) {
		struct csn_withheld *known = &snapshot->withheld[i];

		if (same_text(known->rule, wanted->rule) && same_text(known->what, wanted->what) &&
		    same_text(known->name, wanted->name) &&
		    same_text(known->thread, wanted->thread) &&
		    known->has_frame == wanted->has_frame && known->frame == wanted->frame)
			return known;
	}
	return NULL;
}

int csn_snapshot_add_withheld(struct csn_snapshot *snapshot, const struct csn_withheld *withheld,
			      struct csn_error *err)
{
	const char *texts[] = { withheld->rule, withheld->why, withheld->what, withheld->name,
				withheld->thread };
	struct csn_withheld copy = *withheld, *known;
	void *array = snapshot->withheld;
	int r;

	if (snapshot->n_withheld >= CSN_MAX_WITHHELD_PLACES) {
		texts[3] = texts[4] = copy.name = copy.thread = NULL;
		copy.has_frame = false;
		copy.frame = 0;
	}
	known = find_withheld(snapshot, &copy);
	if (known) {
		known->count++;
		return 0;
	}
	for (size_t i = 0; i < csn_countof(texts); i++) {
		texts[i] = texts[i] ? csn_arena_strdup(snapshot->arena, texts[i]) : NULL;
		if (!texts[i] && i < 3)
			return csn_fail_nomem(err);
	}
	copy = (struct csn_withheld){ texts[0], texts[1],   texts[2],       texts[3],
				      texts[4], copy.frame, copy.has_frame, 1 };
	r = make_room(snapshot, &array, snapshot->n_withheld, &snapshot->withheld_capacity,
		      sizeof(copy), CSN_MAX_WITHHELD, "things withheld", err);
	if (r < 0)
		return r;
	snapshot->withheld = array;
	snapshot->withheld[snapshot->n_withheld++] = copy;
	return 0;
}

const char *csn_snapshot_thread_key(const struct csn_snapshot_thread *thread, char text[24])
{
	if (thread->key)
		return thread->key;
	snprintf(text, 24, "%lld", (long long)thread->tid);
	return text;
}

const struct csn_snapshot_thread *csn_snapshot_get_main_thread(const struct csn_snapshot *snapshot)
{
	char text[24];
	size_t i;

	for (i = 0; snapshot->main_thread && i < snapshot->n_threads; i++)
		if (strcmp(csn_snapshot_thread_key(&snapshot->threads[i], text),
			   snapshot->main_thread) == 0)
			return &snapshot->threads[i];
	for (i = 0; i < snapshot->n_threads; i++)
		if (snapshot->threads[i].fault)
			return &snapshot->threads[i];
	return snapshot->n_threads ? &snapshot->threads[0] : NULL;
}
