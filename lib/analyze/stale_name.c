/* The way to a reference: from a variable through pointers to the word, member by member where the
 * debug information has types. */
#include <inttypes.h>
#include <string.h>

#include "analyze/stale_internal.h"
#include "base/cleanup.h"
#include "base/limits.h"
#include "dwarf/type.h"
#include "symbols/lookup.h"

/* Members within members. */
#define CSN_STALE_MEMBERS 32u

/* A place that has a name, and what is there. */
struct csn_stale_root {
	struct csn_stale_state *stale;
	csn_addr place;
	const char *name;                    /* NULL not found */
	csn_addr start;                      /* of the variable */
	struct csn_type *type;               /* NULL unknown */
	const struct csn_scene_frame *frame; /* NULL: none of a frame */
};

/* A variable, or what it was seen to point to, that the place lies in. */
static bool csn_visit_root(void *context, const struct csn_scene_spot *spot)
{
	const struct csn_value_node *value = csn_scene_spot_value(spot);
	struct csn_stale_root *root = context;

	/* Its parts are found by their offsets. */
	if (root->name || spot->n_values > 1)
		return false;
	if (!value->has_address || root->place < value->address ||
	    root->place - value->address >= value->size_bytes)
		return false;
	root->name = value->name;
	root->start = value->address;
	root->type = value->declared;
	root->frame = spot->frame;
	return false;
}

bool csn_stale_is_variable(const struct csn_stale_state *stale, csn_addr place)
{
	const struct csn_scene *scene = stale->look->scene;
	struct csn_stale_root root = { .place = place };

	for (size_t i = 0; i < scene->n_frames && !root.name; i++)
		csn_scene_walk(&scene->frames[i], csn_visit_root, &root);
	return root.name;
}

static bool csn_is_wanted_global(void *context, const char *name)
{
	return strcmp(name, context) == 0;
}

/* The type of the global variable that a symbol names. */
static int csn_type_global(struct csn_stale_root *root, struct csn_module *module, csn_addr start,
			   const char *symbol)
{
	const struct csn_scene *scene = root->stale->look->scene;
	cleanup_free char *name = strdup(symbol);
	struct csn_value_unit *units = NULL;
	size_t n_units = 0;
	int rc;

	if (!name)
		return csn_fail_nomem(root->stale->look->err);
	rc = csn_values_of_globals(scene->values,
				   &(struct csn_value_globals){ .module = module,
								.thread = scene->fault_thread,
								.wanted = csn_is_wanted_global,
								.context = name },
				   &units, &n_units, root->stale->look->err);
	for (size_t i = 0; i < n_units && rc == 0; i++)
		for (size_t k = 0; k < units[i].count; k++)
			if (units[i].values[k]->has_address && units[i].values[k]->address == start)
				root->type = units[i].values[k]->declared;
	return rc;
}

static int csn_find_root(struct csn_stale_root *root)
{
	const struct csn_scene *scene = root->stale->look->scene;
	struct csn_lookup lookup = { .pc = root->place };
	int rc;

	for (size_t i = 0; i < scene->n_frames && !root->name; i++)
		csn_scene_walk(&scene->frames[i], csn_visit_root, root);
	if (root->name || !scene->modules)
		return 0;
	rc = csn_lookup_symbols(scene->snapshot->arena, scene->modules, &lookup, 1,
				root->stale->look->err);
	if (rc < 0 || !lookup.symbol || !lookup.symbol->size)
		return rc;
	root->name = lookup.symbol->name;
	root->start = lookup.symbol->start;
	return scene->values ? csn_type_global(root, lookup.module, lookup.symbol->start,
					       lookup.symbol->raw)
			     : 0;
}

/* The member of a structure that covers an offset; NULL none. */
static const struct csn_type_member *csn_member_at(struct csn_type *type, uint64_t offset)
{
	uint64_t size;

	csn_type_read_parts(type);
	for (size_t i = 0; i < type->n_members; i++) {
		const struct csn_type_member *member = &type->members[i];

		if ((member->kind == CSN_MEMBER_FIELD || member->kind == CSN_MEMBER_BASE) &&
		    !member->is_bit_field && offset >= member->offset_bytes &&
		    csn_type_size(member->type, &size) && offset - member->offset_bytes < size)
			return member;
	}
	return NULL;
}

/* Appends ".peers[3]": the way through a value to an offset in it. Returns the type of what is
 * there; NULL when it is not known. */
static struct csn_type *csn_tell_members(struct csn_buf *out, struct csn_type *type,
					 uint64_t offset, const char *separator)
{
	const struct csn_type_member *member;
	uint64_t size;

	for (unsigned depth = 0; type && depth < CSN_STALE_MEMBERS; depth++) {
		type = csn_type_strip(type);
		if (!type)
			break;
		if (type->kind == CSN_TYPE_ARRAY) {
			csn_type_read_parts(type);
			type = csn_type_target(type);
			if (!csn_type_size(type, &size) || !size)
				break;
			csn_buf_printf(out, "[%" PRIu64 "]", offset / size);
			offset %= size;
			separator = ".";
		} else if (type->kind == CSN_TYPE_STRUCT || type->kind == CSN_TYPE_CLASS ||
			   type->kind == CSN_TYPE_UNION) {
			member = csn_member_at(type, offset);
			if (!member)
				break;
			if (member->name && member->kind == CSN_MEMBER_FIELD) {
				csn_buf_printf(out, "%s%s", separator, member->name);
				separator = ".";
			}
			offset -= member->offset_bytes;
			type = member->type;
		} else if (!offset) {
			return type;
		} else {
			break;
		}
	}
	if (offset)
		csn_buf_printf(out, "+%" PRIu64, offset);
	return NULL;
}

/* From a pointer of this type and value on to a place behind it. */
static struct csn_type *csn_tell_step(struct csn_buf *out, struct csn_type *pointer, uint64_t value,
				      csn_addr place)
{
	struct csn_type *type = pointer && (pointer->kind == CSN_TYPE_POINTER ||
					    pointer->kind == CSN_TYPE_REFERENCE)
					? csn_type_strip(csn_type_target(pointer))
					: NULL;
	uint64_t size;

	if (!type || place < value || !csn_type_size(type, &size) || !size) {
		csn_buf_printf(out, " -> %+" PRId64, (int64_t)(place - value));
		return NULL;
	}
	if (place - value >= size) {
		csn_buf_printf(out, "[%" PRIu64 "]", (place - value) / size);
		return csn_tell_members(out, type, (place - value) % size, ".");
	}
	if (type->kind != CSN_TYPE_STRUCT && type->kind != CSN_TYPE_CLASS &&
	    type->kind != CSN_TYPE_UNION)
		csn_buf_puts(out, "[0]");
	return csn_tell_members(out, type, place - value, "->");
}

/* "0x7f... in the stack of thread 5", "0x55... in [heap]". */
static void csn_tell_place(struct csn_buf *out, const struct csn_stale_state *stale, csn_addr place)
{
	const struct csn_target *target = stale->look->target;
	const struct csn_mapping *mapping = csn_target_find_mapping(stale->look->target, place);
	struct csn_heap_place around = { .state = CSN_HEAP_UNKNOWN };
	char text[160];

	if (stale->heap)
		csn_heap_look(stale->heap, place, &around);
	if (around.has_chunk) {
		csn_buf_printf(out, "0x%" PRIx64 "+%" PRId64 " in %s", around.user, around.offset,
			       csn_heap_describe(&around, text, sizeof(text)));
		return;
	}
	csn_buf_printf(out, "0x%" PRIx64, place);
	for (size_t i = 0; i < target->n_threads; i++) {
		csn_addr sp = target->threads[i].registers.value[target->arch->sp];

		if (!mapping || sp < mapping->start || sp >= mapping->end)
			continue;
		csn_buf_printf(out, " in the stack of thread %" PRId64, target->threads[i].tid);
		return;
	}
	if (mapping && mapping->path)
		csn_buf_printf(out, " in %.200s", mapping->path);
}

int csn_stale_describe(struct csn_stale_state *stale, const struct csn_stale_reference *reference,
		       struct csn_stale_name *ret_name)
{
	cleanup_(csn_buf_done) struct csn_buf out = CSN_BUF_INIT(CSN_MAX_VALUE_TEXT);
	const struct csn_stale_reference *way[8];
	struct csn_stale_root root = { .stale = stale };
	struct csn_type *type;
	size_t n = 0;

	way[n++] = reference;
	while (n < csn_countof(way) && way[n - 1]->inside != SIZE_MAX) {
		size_t holder = stale->objects[way[n - 1]->inside].holder;

		if (holder == SIZE_MAX)
			break;
		way[n++] = &stale->references[holder];
	}
	root.place = way[n - 1]->place;
	if (way[n - 1]->inside == SIZE_MAX && csn_find_root(&root) < 0)
		return -CSN_E_NOMEM;
	if (root.name) {
		csn_buf_printf(&out, "%.200s", root.name);
		type = csn_tell_members(&out, root.type, root.place - root.start, ".");
	} else {
		csn_tell_place(&out, stale, root.place);
		type = NULL;
	}
	while (--n)
		type = csn_tell_step(&out, type, way[n]->value, way[n - 1]->place);
	ret_name->frame = root.frame;
	ret_name->text = csn_arena_strdup(stale->look->snapshot->arena, csn_buf_text(&out));
	return ret_name->text ? 0 : csn_fail_nomem(stale->look->err);
}
