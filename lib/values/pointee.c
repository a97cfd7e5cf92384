/* What pointers and references lead to. A structure that a pointer leads back to is told once: the
 * second time only where that was. */
#include <string.h>

#include "dwarf/named.h"
#include "values/printer.h"

/* --- what was told --- */

void csn_told_begin(struct csn_values *values, const char *name)
{
	if (values->budget.follow < 2)
		return;
	memset(values->told, 0, sizeof(values->told));
	csn_buf_clear(&values->path);
	csn_buf_puts(&values->path, name);
}

size_t csn_path_enter(struct csn_values *values, const char *name, uint64_t index)
{
	struct csn_buf *path = &values->path;
	size_t mark = path->size;

	if (values->budget.follow < 2)
		return mark;
	if (name)
		csn_buf_printf(path, "%s%s",
			       *name == '[' || (mark && path->data[mark - 1] == '>') ? "" : ".",
			       name);
	else
		csn_buf_printf(path, "[%llu]", (unsigned long long)index);
	return mark;
}

void csn_path_leave(struct csn_values *values, size_t mark)
{
	if (csn_buf_ok(&values->path))
		values->path.size = mark;
}

const char *csn_told_add(struct csn_values *values, csn_addr address, const struct csn_type *type)
{
	struct csn_told **bucket, *told;

	if (values->budget.follow < 2)
		return NULL;
	bucket = &values->told[(address * 0x9e3779b97f4a7c15ull >> 32) % CSN_TOLD_BUCKETS];
	for (told = *bucket; told; told = told->next)
		if (told->address == address && told->type == type)
			return told->path;
	told = csn_arena_alloc(values->arena, sizeof(*told));
	if (!told)
		return NULL;
	*told = (struct csn_told){ *bucket, address, type,
				   csn_arena_strdup(values->arena, csn_buf_text(&values->path)) };
	*bucket = told;
	return NULL;
}

/* --- what is pointed to --- */

static bool is_structure(const struct csn_type *type)
{
	return type && (type->kind == CSN_TYPE_STRUCT || type->kind == CSN_TYPE_CLASS ||
			type->kind == CSN_TYPE_UNION);
}

bool csn_value_fill_target(struct csn_values *values, struct csn_value_frame *frame,
			   const struct csn_object *target, struct csn_type *type, unsigned depth,
			   uint64_t follow, struct csn_value_node *value)
{
	struct csn_value_node before = *value;

	for (size_t i = 0; i < values->n_followed; i++)
		if (values->followed[i].address == target->address &&
		    values->followed[i].type == type)
			return false;
	if (values->n_followed >= csn_countof(values->followed) || depth >= CSN_MAX_VALUE_DEPTH)
		return false;
	values->followed[values->n_followed].address = target->address;
	values->followed[values->n_followed++].type = type;
	csn_value_fill(values, frame, target, type, depth, follow, value);
	values->n_followed--;
	if (value->state != CSN_VALUE_OK) {
		*value = before;
		return false;
	}
	value->declared = before.declared;
	value->has_address = before.has_address;
	value->address = before.address;
	value->size_bytes = before.size_bytes;
	value->has_number = before.has_number;
	value->number = before.number;
	value->is_pointer = before.is_pointer;
	return true;
}

/* What a pointer leads to, as one value; false where its members are told instead. */
static bool tell_pointee(struct csn_values *values, struct csn_value_frame *frame,
			 const struct csn_object *pointee, struct csn_type *type, unsigned depth,
			 uint64_t follow, struct csn_value_node *value)
{
	if (csn_type_language(type) == CSN_LANGUAGE_OTHER)
		return csn_printer_apply(values, frame, pointee, type, depth, follow, value);
	csn_value_fill(values, frame, pointee, type, depth, follow, value);
	return true;
}

void csn_value_follow(struct csn_values *values, struct csn_value_frame *frame,
		      struct csn_type *type, unsigned depth, uint64_t follow,
		      struct csn_value_node *value)
{
	struct csn_type *target = csn_type_strip(csn_type_target(type));
	struct csn_object pointee = { .kind = CSN_OBJECT_MEMORY };
	struct csn_value_node shown = { 0 }, *inner;
	struct csn_type *whole;
	uint8_t bytes[8];
	size_t mark;

	if (!follow || !is_structure(target) || !value->has_number)
		return;
	target = csn_type_complete(target);
	pointee.address = value->number;
	/* Nothing is there to be shown. */
	if (csn_object_read(values, &pointee, bytes, 1) != CSN_VALUE_OK)
		return;
	whole = csn_dynamic_type(values, frame, target, pointee.address, &pointee.address);
	if (whole) {
		value->dynamic_type = csn_type_text(whole);
		target = whole;
	}
	value->same_as = csn_told_add(values, pointee.address, target);
	if (value->same_as)
		return;
	inner = csn_value_parts(values, 1);
	if (inner && tell_pointee(values, frame, &pointee, target, depth + 1, follow - 1, inner)) {
		value->parts = inner;
		value->n_parts = 1;
		value->parts_are_target = true;
		return;
	}
	if (target->is_declaration)
		return;
	mark = values->path.size;
	if (values->budget.follow > 1)
		csn_buf_puts(&values->path, "->");
	csn_value_fill_structure(values, frame, &pointee, target, depth + 1, follow - 1, &shown);
	csn_path_leave(values, mark);
	value->parts = shown.parts;
	value->n_parts = shown.n_parts;
	value->is_cut = shown.is_cut;
	value->parts_are_target = shown.n_parts != 0;
}

/* What is shown of the referent is what the reference says, and what it really is. */
static void note_dynamic(struct csn_values *values, struct csn_value_frame *frame,
			 struct csn_type *target, csn_addr address, struct csn_value_node *value)
{
	struct csn_type *whole = NULL;

	if (is_structure(target))
		whole = csn_dynamic_type(values, frame, csn_type_complete(target), address,
					 &address);
	value->dynamic_type = whole ? csn_type_text(whole) : NULL;
}

void csn_value_fill_reference(struct csn_values *values, struct csn_value_frame *frame,
			      const struct csn_object *object, struct csn_type *type,
			      unsigned depth, uint64_t follow, struct csn_value_node *value)
{
	struct csn_object referent = { .kind = CSN_OBJECT_MEMORY };
	struct csn_value_node *inner = csn_value_parts(values, 1);
	uint8_t bytes[8];
	uint64_t size_bytes = csn_min_u64(value->size_bytes, sizeof(bytes));

	value->state =
		inner ? csn_object_read(values, object, bytes, size_bytes) : CSN_VALUE_BUDGET;
	if (value->state != CSN_VALUE_OK)
		return;
	referent.address = csn_number_of(bytes, size_bytes, false);
	if (csn_printer_apply(values, frame, &referent, csn_type_strip(csn_type_target(type)),
			      depth + 1, follow, value))
		return;
	if (!depth)
		csn_value_fill(values, frame, &referent, csn_type_target(type), depth + 1, follow,
			       inner);
	note_dynamic(values, frame, csn_type_strip(csn_type_target(type)), referent.address, value);
	csn_buf_clear(&values->text);
	csn_buf_printf(&values->text, "@0x%llx", (unsigned long long)referent.address);
	if (inner->text)
		csn_buf_printf(&values->text, ": %s", inner->text);
	csn_value_set_text(values, value, &values->text);
	value->parts = inner->parts;
	value->n_parts = inner->n_parts;
	value->is_cut = inner->is_cut;
	value->parts_are_target = inner->n_parts != 0;
}
