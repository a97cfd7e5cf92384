/* Values of Rust, as {:?} writes them. A reference and a Box are what they lead to; an enum is told
 * by the variant that it is. */
#include <inttypes.h>
#include <string.h>

#include "values/printer.h"
#include "values/rust.h"

static bool begins_with(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* --- numbers, characters, plain enums --- */

static bool fill_base(struct csn_values *values, const struct csn_object *object,
		      struct csn_type *type, struct csn_value_node *value)
{
	uint8_t bytes[8];

	if (type->has_size && !type->size_bytes) {
		csn_value_copy_text(values, value, type->name ? type->name : "()");
		return true;
	}
	if ((type->size_bytes != sizeof(float) && type->size_bytes != sizeof(double)) ||
	    (type->encoding != CSN_ENCODING_UTF && type->encoding != CSN_ENCODING_FLOAT) ||
	    csn_object_read(values, object, bytes, type->size_bytes) != CSN_VALUE_OK)
		return false;
	csn_buf_clear(&values->text);
	if (type->encoding == CSN_ENCODING_UTF) {
		csn_rune_print((uint32_t)csn_number_of(bytes, type->size_bytes, false),
			       &values->text);
	} else {
		csn_float_print(csn_float_of(bytes, type->size_bytes), type->size_bytes,
				CSN_LANGUAGE_RUST, &values->text);
	}
	csn_value_set_text(values, value, &values->text);
	return true;
}

/* Enumerators are told without their type. */
static bool fill_enum(struct csn_values *values, const struct csn_object *object,
		      struct csn_type *type, struct csn_value_node *value)
{
	uint64_t size_bytes;
	uint8_t bytes[8];

	csn_type_read_parts(type);
	if (!csn_type_size(type, &size_bytes) || size_bytes > sizeof(bytes) ||
	    csn_object_read(values, object, bytes, size_bytes) != CSN_VALUE_OK)
		return false;
	for (size_t i = 0; i < type->n_enumerators; i++) {
		uint64_t number = (uint64_t)type->enumerators[i].value;

		if (size_bytes < sizeof(bytes))
			number &= (UINT64_C(1) << (8 * size_bytes)) - 1;
		if (number != csn_number_of(bytes, size_bytes, false))
			continue;
		csn_value_copy_text(values, value, type->enumerators[i].name);
		return true;
	}
	return false;
}

/* --- structures --- */

/* "Vec" of "Vec<i32>"; NULL of tuples, which have no title. */
static const char *title_of(struct csn_values *values, const struct csn_type *type)
{
	const char *name = type->name ? type->name : "??";

	if (*name == '(')
		return NULL;
	return csn_arena_strndup(values->arena, name, strcspn(name, "<"));
}

/* Members of tuples are named "__0", "__1". */
static bool is_tuple(const struct csn_type *type)
{
	for (size_t i = 0; i < type->n_members; i++)
		if (!type->members[i].name || !begins_with(type->members[i].name, "__"))
			return false;
	return type->n_members > 0;
}

/* A structure with a title of its own, or none. */
static void fill_fields(struct csn_values *values, struct csn_value_frame *frame,
			const struct csn_part *whole, const char *title, unsigned depth,
			uint64_t follow, struct csn_value_node *value)
{
	struct csn_type *type = whole->type;

	csn_type_read_parts(type);
	value->form = is_tuple(type) ? CSN_FORM_TUPLE : CSN_FORM_FIELDS;
	if (type->n_members)
		csn_value_fill_structure(values, frame, &whole->object, type, depth,
					 csn_follow_of_parts(depth, follow), value);
	if (value->state != CSN_VALUE_OK)
		return;
	for (size_t i = 0; value->form == CSN_FORM_TUPLE && i < value->n_parts; i++)
		value->parts[i].name += strlen("__");
	value->has_title = title != NULL;
	if (value->text) /* too deep to be told */
		value->text = title ? csn_arena_sprintf(values->arena, "%s %s", title, value->text)
				    : value->text;
	else if (title || !value->n_parts)
		csn_value_copy_text(values, value, title ? title : "()");
}

/* The variant that the discriminant says it is; NULL none, or *ret_state why it is not known. */
static const struct csn_type_variant *find_variant(struct csn_values *values,
						   const struct csn_part *whole,
						   enum csn_value_state *ret_state)
{
	const struct csn_type *type = whole->type;
	const struct csn_type_variant *fallback = NULL;
	uint64_t size_bytes, number = 0, mask = UINT64_MAX;
	uint8_t bytes[8];

	*ret_state = CSN_VALUE_UNSUPPORTED;
	if (type->discriminant) {
		struct csn_object at =
			csn_object_part(&whole->object, type->discriminant->offset_bytes);

		if (!type->discriminant->type ||
		    !csn_type_size(type->discriminant->type, &size_bytes) || !size_bytes ||
		    size_bytes > sizeof(bytes))
			return NULL;
		*ret_state = csn_object_read(values, &at, bytes, size_bytes);
		if (*ret_state != CSN_VALUE_OK)
			return NULL;
		*ret_state = CSN_VALUE_UNSUPPORTED;
		number = csn_number_of(bytes, size_bytes, false);
		if (size_bytes < sizeof(bytes))
			mask = (UINT64_C(1) << (8 * size_bytes)) - 1;
	}
	for (size_t i = 0; i < type->n_variants; i++) {
		const struct csn_type_variant *variant = &type->variants[i];

		if (variant->is_default)
			fallback = variant;
		else if (type->discriminant && (variant->value & mask) == number)
			return variant;
	}
	return fallback;
}

bool csn_rust_variant(struct csn_values *values, const struct csn_part *whole,
		      struct csn_part *ret_variant, const char **ret_name)
{
	struct csn_part stripped = { whole->object, csn_type_strip(whole->type) };
	const struct csn_type_variant *variant;
	enum csn_value_state state;

	if (!stripped.type)
		return false;
	csn_type_read_parts(stripped.type);
	variant = find_variant(values, &stripped, &state);
	if (!variant || !variant->member.name)
		return false;
	if (ret_name)
		*ret_name = variant->member.name;
	ret_variant->type = variant->member.type;
	ret_variant->object = csn_object_part(&whole->object, variant->member.offset_bytes);
	return true;
}

static void fill_variant(struct csn_values *values, struct csn_value_frame *frame,
			 const struct csn_part *whole, unsigned depth, uint64_t follow,
			 struct csn_value_node *value)
{
	enum csn_value_state state;
	const struct csn_type_variant *variant = find_variant(values, whole, &state);
	struct csn_part part;

	part.type = variant ? csn_type_strip(variant->member.type) : NULL;
	if (!part.type) {
		csn_value_give_up(value, state);
		return;
	}
	part.object = csn_object_part(&whole->object, variant->member.offset_bytes);
	fill_fields(values, frame, &part, variant->member.name, depth, follow, value);
}

/* --- what is pointed to --- */

void csn_rust_fill_list(struct csn_printing *printing)
{
	struct csn_value_node *value = printing->value;
	const struct csn_form_marks *marks = csn_form_marks(value->form);

	if (value->state == CSN_VALUE_OK && !value->text && !value->n_parts)
		value->text = csn_arena_sprintf(printing->values->arena, "%s%s%s", marks->open,
						value->is_cut ? "..." : "", marks->close);
}

/* What a fat pointer that is a text leads to: 1 for a NUL at its end that does not belong to it; -1
 * no text. */
static int text_tail(const char *name)
{
	static const struct {
		const char *name;
		int tail;
	} texts[] = {
		{ "str", 0 },
		{ "std::path::Path", 0 },
		{ "std::ffi::os_str::OsStr", 0 },
		{ "std::sys_common::wtf8::Wtf8", 0 },
		{ "core::ffi::c_str::CStr", 1 },
		{ "std::ffi::c_str::CStr", 1 },
	};
	static const char *const marks[] = { "&", "mut ", "*const ", "*mut ",
					     "alloc::boxed::Box<" };

	for (size_t i = 0; i < csn_countof(marks); i++)
		if (begins_with(name, marks[i]))
			name += strlen(marks[i]);
	for (size_t i = 0; i < csn_countof(texts); i++) {
		size_t length = strlen(texts[i].name);

		if (begins_with(name, texts[i].name) && (!name[length] || name[length] == ','))
			return texts[i].tail;
	}
	return -1;
}

/* A slice or a text. */
static bool fill_slice(struct csn_printing *printing, csn_addr address, uint64_t length,
		       struct csn_type *element)
{
	struct csn_type *type = printing->whole.type;
	struct csn_value_node *value = printing->value;
	int tail = type->name ? text_tail(type->name) : -1;

	if (tail >= 0)
		return csn_text_fill(printing->values, address, length - csn_min_u64(tail, length),
				     CSN_LANGUAGE_RUST, value);
	value->form = CSN_FORM_LIST;
	if (!csn_print_array(printing, address, length, element)) {
		value->form = CSN_FORM_BRACES;
		return false;
	}
	csn_rust_fill_list(printing);
	return true;
}

/* A trait object: where it is, and a method of the type that it really is. */
static bool fill_object(struct csn_printing *printing, csn_addr address, csn_addr table)
{
	/* Drop, size, alignment; then the methods. */
	struct csn_values *values = printing->values;
	uint64_t words[4];
	csn_addr named;

	for (size_t i = 0; i < csn_countof(words); i++)
		if (!csn_target_read_word(values->target, table + 8 * i, &words[i]))
			return false;
	if (!words[2] || words[2] & (words[2] - 1) || words[1] % words[2])
		return false;
	named = csn_modules_find(values->modules, words[3]) ? words[3] : words[0];
	csn_buf_clear(&values->text);
	csn_buf_printf(&values->text, "0x%" PRIx64 " {vtable of ", address);
	csn_pointer_print(values, named, &values->text);
	csn_buf_putc(&values->text, '}');
	csn_value_set_text(values, printing->value, &values->text);
	return true;
}

static bool fill_fat(struct csn_printing *printing)
{
	struct csn_values *values = printing->values;
	struct csn_part pointer, other;
	uint64_t address, number;

	if (csn_part_find(values, &printing->whole, "data_ptr", &pointer) &&
	    csn_part_find(values, &printing->whole, "length", &other))
		return csn_part_number(values, &pointer, &address) &&
		       csn_part_number(values, &other, &number) &&
		       fill_slice(printing, address, number,
				  csn_type_target(csn_type_strip(pointer.type)));
	return csn_part_find(values, &printing->whole, "pointer", &pointer) &&
	       csn_part_find(values, &printing->whole, "vtable", &other) &&
	       csn_part_number(values, &pointer, &address) &&
	       csn_part_number(values, &other, &number) && fill_object(printing, address, number);
}

/* References and boxes, and not raw pointers or functions. */
static bool is_reference(const struct csn_type *type)
{
	return type->name && (*type->name == '&' || begins_with(type->name, "alloc::boxed::Box<"));
}

static bool fill_reference(struct csn_values *values, struct csn_value_frame *frame,
			   struct csn_type *type, unsigned depth, uint64_t follow,
			   struct csn_value_node *value)
{
	struct csn_type *target = csn_type_strip(csn_type_target(type));
	struct csn_object referent = { .kind = CSN_OBJECT_MEMORY, .address = value->number };
	uint64_t size_bytes;

	return is_reference(type) && target && value->has_number && value->number &&
	       csn_type_size(target, &size_bytes) &&
	       csn_memory_is_plausible(values, referent.address, size_bytes) &&
	       csn_value_fill_target(values, frame, &referent, target, depth + 1, follow, value);
}

static bool fill_structure(struct csn_values *values, struct csn_value_frame *frame,
			   const struct csn_object *object, struct csn_type *type, unsigned depth,
			   uint64_t follow, struct csn_value_node *value)
{
	struct csn_printing printing = { .values = values,
					 .frame = frame,
					 .whole = { .object = *object, .type = type },
					 .name = type->name,
					 .depth = depth,
					 .follow = follow,
					 .value = value };

	if (csn_printer_apply(values, frame, object, type, depth, follow, value))
		return true;
	csn_type_read_parts(type);
	if (type->n_variants)
		fill_variant(values, frame, &printing.whole, depth, follow, value);
	else if (type->n_members != 2 || !fill_fat(&printing))
		fill_fields(values, frame, &printing.whole, title_of(values, type), depth, follow,
			    value);
	return true;
}

bool csn_rust_fill(struct csn_values *values, struct csn_value_frame *frame,
		   const struct csn_object *object, struct csn_type *type, unsigned depth,
		   uint64_t follow, struct csn_value_node *value)
{
	switch (type->kind) {
	case CSN_TYPE_BASE:
		return fill_base(values, object, type, value);
	case CSN_TYPE_ENUM:
		return fill_enum(values, object, type, value);
	case CSN_TYPE_POINTER:
		return fill_reference(values, frame, type, depth, follow, value);
	case CSN_TYPE_STRUCT:
		return !type->is_declaration &&
		       fill_structure(values, frame, object, type, depth, follow, value);
	case CSN_TYPE_ARRAY:
		value->form = CSN_FORM_LIST;
		return false;
	default:
		return false;
	}
}
