/* Values that have parts: structures, arrays, what pointers and references lead to. An array whose
 * elements are all told in one text each becomes one text itself. */
#include <string.h>

#include "dwarf/named.h"
#include "values/printer.h"

/* Elements that are equal and more than this are told once. */
#define CSN_REPEAT_ELEMENTS 10u

/* One array while it is told: of several dimensions, the ones before are done. */
struct array {
	struct csn_values *values;
	struct csn_value_frame *frame;
	struct csn_type *type, *element;
	const int64_t *counts; /* of all dimensions */
	size_t dimension;
	uint64_t element_bytes;
	unsigned depth;
	uint64_t follow; /* of the elements */
};

void csn_value_give_up(struct csn_value_node *value, enum csn_value_state state)
{
	value->state = state;
	value->text = NULL;
}

void csn_value_set_text(struct csn_values *values, struct csn_value_node *value,
			const struct csn_buf *text)
{
	const char *bytes = csn_buf_text(text);
	struct csn_value_node **grown;

	if (!csn_buf_ok(text) || (values->budget.text_bytes &&
				  values->text_bytes + text->size > values->budget.text_bytes)) {
		values->cut = true;
		csn_value_give_up(value, CSN_VALUE_BUDGET);
		return;
	}
	values->text_bytes += text->size;
	value->text = csn_arena_strndup(values->arena, bytes, text->size);
	if (!value->text) {
		csn_value_give_up(value, CSN_VALUE_BUDGET);
		return;
	}
	if (!strchr(bytes, CSN_SYMBOL_MARK))
		return;
	grown = csn_arena_grow(values->arena, values->marked, values->n_marked,
			       &values->marked_capacity, sizeof(void *));
	if (!grown)
		return;
	values->marked = grown;
	grown[values->n_marked++] = value;
}

void csn_value_copy_text(struct csn_values *values, struct csn_value_node *value, const char *text)
{
	value->text = csn_arena_strdup(values->arena, text);
	if (!value->text)
		csn_value_give_up(value, CSN_VALUE_BUDGET);
}

struct csn_value_node *csn_value_parts(struct csn_values *values, size_t count)
{
	if (csn_values_used_up(values) ||
	    (values->budget.values && values->n_values + count > values->budget.values)) {
		values->cut = true;
		return NULL;
	}
	values->n_values += count;
	return csn_arena_array(values->arena, count + 1, sizeof(struct csn_value_node));
}

/* --- structures --- */

static enum csn_value_role role_of(enum csn_type_member_kind kind)
{
	return kind == CSN_MEMBER_FIELD    ? CSN_ROLE_PLAIN
	       : kind == CSN_MEMBER_STATIC ? CSN_ROLE_STATIC
					   : CSN_ROLE_BASE;
}

static void fill_static(struct csn_values *values, struct csn_value_frame *frame,
			struct csn_type *type, struct csn_type_member *member, unsigned depth,
			struct csn_value_node *value)
{
	struct csn_type_link definition;
	struct csn_variable variable;
	uint64_t size_bytes = 0;
	struct csn_object object;

	/* What no entry of its unit defines may be defined elsewhere. */
	if (!csn_variable_of_member(member, frame->scope.address, &variable) ||
	    (variable.place.kind == CSN_PLACE_NONE &&
	     (!member->name || !csn_member_find_named(type, member->name, &definition) ||
	      !csn_variable_read(&definition, frame->scope.address, &variable)))) {
		csn_value_give_up(value, CSN_VALUE_UNSUPPORTED);
		return;
	}
	(void)csn_type_size(member->type, &size_bytes);
	csn_object_find(values, frame, &variable.place, size_bytes, &object);
	csn_value_fill(values, frame, &object, member->type, depth + 1, 0, value);
}

/* Where a virtual base is, is told by the object itself. */
static struct csn_object virtual_base(struct csn_values *values, struct csn_value_frame *frame,
				      const struct csn_object *object, const struct csn_type *type,
				      const struct csn_type_member *member)
{
	struct csn_object base = { .kind = CSN_OBJECT_MISSING, .state = CSN_VALUE_UNSUPPORTED };

	if (object->kind != CSN_OBJECT_MEMORY ||
	    !csn_object_compute(values, frame, type->entry.unit, member->expression,
				&object->address, &base.address))
		return base;
	base.kind = CSN_OBJECT_MEMORY;
	return base;
}

/* Was it told already? If not, it is from now on. */
static bool base_is_told(struct csn_values *values, const struct csn_object *base,
			 const struct csn_type *type)
{
	if (base->kind != CSN_OBJECT_MEMORY)
		return false;
	for (size_t i = 0; i < values->n_bases; i++)
		if (values->bases[i].address == base->address && values->bases[i].type == type)
			return true;
	if (values->n_bases < csn_countof(values->bases)) {
		values->bases[values->n_bases].address = base->address;
		values->bases[values->n_bases++].type = type;
	}
	return false;
}

/* False: it is no part to be told. */
static bool fill_member(struct csn_values *values, struct csn_value_frame *frame,
			const struct csn_object *object, struct csn_type *type,
			struct csn_type_member *member, unsigned depth, uint64_t follow,
			struct csn_value_node *value)
{
	struct csn_type *stripped = csn_type_strip(member->type);
	struct csn_object part = csn_object_part(object, member->offset_bytes);

	value->name = member->name;
	value->role = role_of(member->kind);
	if (member->kind == CSN_MEMBER_BASE || member->kind == CSN_MEMBER_VIRTUAL_BASE)
		value->name = csn_type_text(stripped);
	else
		value->type = csn_type_text(member->type);
	if (member->kind == CSN_MEMBER_STATIC) {
		fill_static(values, frame, type, member, depth, value);
		return true;
	}
	if (member->kind == CSN_MEMBER_VIRTUAL_BASE)
		part = virtual_base(values, frame, object, type, member);
	if (member->kind == CSN_MEMBER_VIRTUAL_BASE && base_is_told(values, &part, member->type))
		return false;
	if (!member->is_bit_field) {
		csn_value_fill(values, frame, &part, member->type, depth + 1, follow, value);
		return true;
	}
	if (!stripped || !csn_type_is_scalar(stripped)) {
		csn_value_give_up(value, CSN_VALUE_UNSUPPORTED);
		return true;
	}
	csn_buf_clear(&values->text);
	value->state = csn_scalar_print(values, &part, member->type, member, &values->text);
	if (value->state == CSN_VALUE_OK)
		csn_value_set_text(values, value, &values->text);
	return true;
}

void csn_value_fill_structure(struct csn_values *values, struct csn_value_frame *frame,
			      const struct csn_object *object, struct csn_type *type,
			      unsigned depth, uint64_t follow, struct csn_value_node *value)
{
	size_t n;

	type = csn_type_complete(type);
	if (type->is_declaration) {
		value->text = "<incomplete type>";
		return;
	}
	if (depth >= csn_min_u64(values->budget.depth ? values->budget.depth : UINT64_MAX,
				 CSN_MAX_VALUE_DEPTH)) {
		value->text = "{...}";
		return;
	}
	csn_type_read_parts(type);
	n = type->n_members;
	if (values->budget.elements)
		n = csn_min_u64(n, values->budget.elements);
	value->is_cut = n < type->n_members;
	value->parts = csn_value_parts(values, n);
	if (!value->parts) {
		csn_value_give_up(value, CSN_VALUE_BUDGET);
		return;
	}
	for (size_t i = 0; i < n; i++) {
		struct csn_value_node *part = &value->parts[value->n_parts];
		struct csn_type_member *member = &type->members[i];
		size_t mark = csn_path_enter(values, member->name, 0);

		if (fill_member(values, frame, object, type, member, depth, follow, part))
			value->n_parts++;
		else
			*part = (struct csn_value_node){ 0 };
		csn_path_leave(values, mark);
	}
}

/* --- arrays --- */

static bool count_elements(struct csn_values *values, struct csn_value_frame *frame,
			   const struct csn_dimension *dimension, int64_t *ret_count)
{
	struct csn_variable variable;
	uint64_t number;

	*ret_count = dimension->value;
	switch (dimension->kind) {
	case CSN_BOUND_NONE:
		return false;
	case CSN_BOUND_CONSTANT:
		break;
	case CSN_BOUND_EXPRESSION:
		if (!csn_object_compute(values, frame, frame->scope.unit, dimension->expression,
					NULL, &number))
			return false;
		*ret_count = (int64_t)number;
		break;
	case CSN_BOUND_VARIABLE:
		if (!csn_variable_read(&dimension->link, frame->scope.address, &variable) ||
		    !csn_object_number(values, frame, &variable.place, variable.type, ret_count))
			return false;
		break;
	}
	*ret_count += dimension->is_last;
	return *ret_count >= 0;
}

/* How many elements from one on have equal bytes, itself counted. */
static uint64_t count_equal(struct array *array, const struct csn_object *object, uint64_t from,
			    uint64_t count, uint64_t stride)
{
	uint8_t first[64], other[64];
	struct csn_object part = csn_object_part(object, from * stride);
	uint64_t run = 1;

	if (stride > sizeof(first) || !stride ||
	    csn_object_read(array->values, &part, first, stride) != CSN_VALUE_OK)
		return 1;
	while (from + run < count && run < CSN_MAX_VALUE_BYTES) {
		part = csn_object_part(object, (from + run) * stride);
		if (csn_object_read(array->values, &part, other, stride) != CSN_VALUE_OK ||
		    memcmp(first, other, stride) != 0)
			break;
		run++;
	}
	return run;
}

void csn_value_join(struct csn_values *values, struct csn_value_node *value)
{
	const struct csn_form_marks *marks = csn_form_marks(value->form);
	size_t i;

	for (i = 0; i < value->n_parts; i++)
		if (!value->parts[i].text || value->parts[i].n_parts || value->parts[i].name)
			return;
	csn_buf_clear(&values->text);
	if (value->text)
		csn_buf_printf(&values->text, "%s%s", value->text,
			       value->form == CSN_FORM_BRACES ? " = " : "");
	csn_buf_puts(&values->text, marks->open);
	for (i = 0; i < value->n_parts; i++) {
		csn_buf_printf(&values->text, "%s%s", i ? ", " : "", value->parts[i].text);
		if (value->parts[i].repeats > 1)
			csn_buf_printf(&values->text, " <repeats %llu times>",
				       (unsigned long long)value->parts[i].repeats);
	}
	csn_buf_printf(&values->text, "%s%s", value->is_cut ? "..." : "", marks->close);
	/* Together they are too long for one text. */
	if (!csn_buf_ok(&values->text))
		return;
	for (i = 0; i < value->n_parts; i++)
		values->text_bytes -= csn_min_u64(strlen(value->parts[i].text), values->text_bytes);
	values->n_values -= value->n_parts;
	value->parts = NULL;
	value->n_parts = 0;
	value->is_cut = false;
	csn_value_set_text(values, value, &values->text);
}

static void fill_array(const struct array *array, const struct csn_object *object,
		       struct csn_value_node *value);

static void fill_element(const struct array *array, const struct csn_object *object,
			 struct csn_value_node *value)
{
	struct array inner = *array;

	if (array->dimension + 1 == array->type->n_dimensions) {
		csn_value_fill(array->values, array->frame, object, array->element,
			       array->depth + 1, array->follow, value);
		return;
	}
	inner.dimension++;
	fill_array(&inner, object, value);
}

static bool fill_characters(const struct array *array, const struct csn_object *object,
			    uint64_t count, struct csn_value_node *value)
{
	struct csn_values *values = array->values;
	uint8_t bytes[4 * 4096];
	const char *prefix;
	unsigned width;
	uint64_t there;

	if (array->dimension + 1 != array->type->n_dimensions)
		return false;
	prefix = csn_string_prefix(array->element, &width);
	if (!prefix)
		return false;
	there = csn_min_u64(count, sizeof(bytes) / width);
	value->state = csn_object_read(values, object, bytes, there * width);
	if (value->state != CSN_VALUE_OK)
		return true;
	/* The NUL at the end of a whole text is none of it. */
	if (there == count && count && !csn_number_of(bytes + (count - 1) * width, width, false))
		there--;
	csn_buf_clear(&values->text);
	csn_string_print(bytes, there, width,
			 values->budget.elements ? values->budget.elements : UINT64_MAX,
			 count > sizeof(bytes) / width, prefix, &values->text);
	csn_value_set_text(values, value, &values->text);
	return true;
}

static void fill_array(const struct array *array, const struct csn_object *object,
		       struct csn_value_node *value)
{
	struct csn_values *values = array->values;
	uint64_t count = (uint64_t)array->counts[array->dimension], at = 0, told = 0;
	uint64_t stride = array->element_bytes;
	uint64_t max = values->budget.elements ? values->budget.elements : UINT32_MAX;
	struct array scratch = *array;

	for (size_t i = array->dimension + 1; i < array->type->n_dimensions; i++)
		if (__builtin_mul_overflow(stride, (uint64_t)array->counts[i], &stride)) {
			csn_value_give_up(value, CSN_VALUE_UNSUPPORTED);
			return;
		}
	if (fill_characters(array, object, count, value))
		return;
	value->parts = csn_value_parts(values, csn_min_u64(count, max));
	if (!value->parts) {
		csn_value_give_up(value, CSN_VALUE_BUDGET);
		return;
	}
	while (at < count && told < max) {
		struct csn_value_node *part = &value->parts[value->n_parts++];
		uint64_t run = count_equal(&scratch, object, at, count, stride);
		struct csn_object element = csn_object_part(object, at * stride);
		size_t mark = csn_path_enter(values, NULL, at);

		fill_element(array, &element, part);
		csn_path_leave(values, mark);
		if (run <= CSN_REPEAT_ELEMENTS)
			run = 1;
		else
			part->repeats = run;
		told += run > 1 ? CSN_REPEAT_ELEMENTS : 1;
		at += run;
	}
	value->is_cut = at < count;
	csn_value_join(values, value);
}

static void begin_array(struct csn_values *values, struct csn_value_frame *frame,
			const struct csn_object *object, struct csn_type *type, unsigned depth,
			uint64_t follow, struct csn_value_node *value)
{
	int64_t counts[8];
	struct array array = { .values = values,
			       .frame = frame,
			       .type = type,
			       .element = csn_type_target(type),
			       .counts = counts,
			       .depth = depth,
			       .follow = follow };

	csn_type_read_parts(type);
	for (size_t i = 0; i < type->n_dimensions && i < csn_countof(counts); i++) {
		if (count_elements(values, frame, &type->dimensions[i], &counts[i]))
			continue;
		/* Of a length that is not known here: where it begins. */
		if (object->kind == CSN_OBJECT_MEMORY) {
			csn_buf_clear(&values->text);
			csn_pointer_print(values, object->address, &values->text);
			csn_value_set_text(values, value, &values->text);
		} else {
			csn_value_give_up(value, CSN_VALUE_UNSUPPORTED);
		}
		return;
	}
	if (!type->n_dimensions || type->n_dimensions > csn_countof(counts) || !array.element ||
	    !csn_type_size(array.element, &array.element_bytes)) {
		csn_value_give_up(value, CSN_VALUE_UNSUPPORTED);
		return;
	}
	if (object->kind == CSN_OBJECT_MISSING)
		csn_value_give_up(value, object->state);
	else
		fill_array(&array, object, value);
}

/* Where it is and, of a number or an address, which. */
static void note_place(struct csn_values *values, const struct csn_object *object,
		       struct csn_type *type, struct csn_value_node *value)
{
	uint8_t bytes[8];

	value->has_address = object->kind == CSN_OBJECT_MEMORY;
	value->address = value->has_address ? object->address : 0;
	(void)csn_type_size(type, &value->size_bytes);
	value->is_pointer = type->kind == CSN_TYPE_POINTER || type->kind == CSN_TYPE_REFERENCE ||
			    type->kind == CSN_TYPE_RVALUE_REFERENCE;
	if (object->kind == CSN_OBJECT_POINTER || !value->size_bytes ||
	    value->size_bytes > sizeof(bytes) || !(value->is_pointer || csn_type_is_scalar(type)) ||
	    csn_object_read(values, object, bytes, value->size_bytes) != CSN_VALUE_OK)
		return;
	value->has_number = true;
	value->number = csn_number_of(bytes, value->size_bytes,
				      type->encoding == CSN_ENCODING_SIGNED ||
					      type->encoding == CSN_ENCODING_SIGNED_CHAR);
}

/* What is written otherwise than in C; false: it is not. */
static bool fill_foreign(struct csn_values *values, struct csn_value_frame *frame,
			 const struct csn_object *object, struct csn_type *declared, unsigned depth,
			 uint64_t follow, struct csn_value_node *value)
{
	switch (csn_type_language(declared)) {
	case CSN_LANGUAGE_RUST:
		return csn_rust_fill(values, frame, object, csn_type_strip(declared), depth, follow,
				     value);
	case CSN_LANGUAGE_GO:
		return csn_go_fill(values, frame, object, declared, depth, follow, value);
	default:
		return false;
	}
}

void csn_value_fill(struct csn_values *values, struct csn_value_frame *frame,
		    const struct csn_object *object, struct csn_type *declared, unsigned depth,
		    uint64_t follow, struct csn_value_node *value)
{
	struct csn_type *type = csn_type_strip(declared);
	uint64_t inner = csn_follow_of_parts(depth, follow);

	value->declared = declared;
	values->n_bases = depth ? values->n_bases : 0;
	if (!type || depth > CSN_MAX_VALUE_DEPTH + 2) {
		csn_value_give_up(value, CSN_VALUE_UNSUPPORTED);
		return;
	}
	if (object->kind == CSN_OBJECT_MISSING) {
		csn_value_give_up(value, object->state);
		return;
	}
	note_place(values, object, type, value);
	if (fill_foreign(values, frame, object, declared, depth, follow, value))
		return;
	switch (type->kind) {
	case CSN_TYPE_STRUCT:
	case CSN_TYPE_CLASS:
	case CSN_TYPE_UNION:
		if (object->kind == CSN_OBJECT_MEMORY)
			(void)csn_told_add(values, object->address, type);
		if (!csn_printer_apply(values, frame, object, type, depth, follow, value))
			csn_value_fill_structure(values, frame, object, type, depth, inner, value);
		return;
	case CSN_TYPE_ARRAY:
		begin_array(values, frame, object, type, depth, inner, value);
		return;
	case CSN_TYPE_REFERENCE:
	case CSN_TYPE_RVALUE_REFERENCE:
		csn_value_fill_reference(values, frame, object, type, depth, inner, value);
		return;
	default:
		break;
	}
	if (!csn_type_is_scalar(type)) {
		csn_value_give_up(value, CSN_VALUE_UNSUPPORTED);
		return;
	}
	csn_buf_clear(&values->text);
	value->state = csn_scalar_print(values, object, declared, NULL, &values->text);
	if (value->state != CSN_VALUE_OK)
		return;
	csn_value_set_text(values, value, &values->text);
	if (type->kind == CSN_TYPE_POINTER)
		csn_value_follow(values, frame, type, depth, follow, value);
}
