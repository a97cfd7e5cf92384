/* Values of Go, as %#v writes them, but for nil, which is written bare, and for pointers:
 * "(*main.T) 0xc000012345". Its types are known by what the debug information says of their kind.
 * What an interface holds is of the type that the run time's own description names. */
#include <inttypes.h>
#include <string.h>

#include "symbols/lookup.h"
#include "values/go.h"

/* Of the run time's description of a type (internal/abi, struct Type): its size, and its kind with
 * a mark on what is stored in an interface itself. */
#define CSN_GO_TYPE_SIZE 0
#define CSN_GO_TYPE_KIND 23
#define CSN_GO_KIND_MASK 31u
#define CSN_GO_KIND_DIRECT 32u
/* Of an itab: the type. */
#define CSN_GO_ITAB_TYPE 8

/* One value while it is told. */
struct telling {
	struct csn_printing printing; /* whole: not stripped */
	struct csn_type *type;        /* stripped */
	const char *name;             /* as declared */
	uint64_t follow;
};

static void set_text(struct telling *t, const char *format, ...) csn_printf(2, 3);

static void set_text(struct telling *t, const char *format, ...)
{
	struct csn_values *values = t->printing.values;
	va_list args;

	csn_buf_clear(&values->text);
	va_start(args, format);
	csn_buf_vprintf(&values->text, format, args);
	va_end(args);
	csn_value_set_text(values, t->printing.value, &values->text);
}

static bool read_number(const struct telling *t, const char *path, uint64_t *ret_number)
{
	return csn_part_number_at(t->printing.values, &t->printing.whole, path, ret_number);
}

/* --- kinds --- */

static bool fill_string(struct telling *t)
{
	uint64_t address, length;

	return read_number(t, "str", &address) && read_number(t, "len", &length) &&
	       csn_text_fill(t->printing.values, address, length, CSN_LANGUAGE_GO,
			     t->printing.value);
}

static bool fill_slice(struct telling *t)
{
	struct csn_value_node *value = t->printing.value;
	struct csn_part array;
	uint64_t address, length, capacity;

	if (!csn_part_find(t->printing.values, &t->printing.whole, "array", &array) ||
	    !csn_part_number(t->printing.values, &array, &address) ||
	    !read_number(t, "len", &length) || !read_number(t, "cap", &capacity) ||
	    length > capacity)
		return false;
	if (!address) {
		value->text = "nil";
		return true;
	}
	value->form = CSN_FORM_LITERAL;
	csn_value_copy_text(t->printing.values, value, t->name);
	if (csn_print_array(&t->printing, address, length,
			    csn_type_target(csn_type_strip(array.type)))) {
		value->has_title = true;
		if (!length)
			set_text(t, "%s{}", t->name);
		return true;
	}
	value->form = CSN_FORM_BRACES;
	value->text = NULL;
	return false;
}

static bool fill_structure(struct telling *t)
{
	struct csn_value_node *value = t->printing.value;

	csn_type_read_parts(t->type);
	value->form = CSN_FORM_LITERAL;
	csn_value_fill_structure(t->printing.values, t->printing.frame, &t->printing.whole.object,
				 t->type, t->printing.depth,
				 csn_follow_of_parts(t->printing.depth, t->follow), value);
	value->has_title = true;
	if (value->state != CSN_VALUE_OK)
		return true;
	if (value->text || !value->n_parts)
		set_text(t, "%s%s", t->name, value->text ? value->text : "{}");
	else
		csn_value_copy_text(t->printing.values, value, t->name);
	return true;
}

static bool fill_pointer(struct telling *t)
{
	struct csn_value_node *value = t->printing.value;
	uint64_t address = value->number;

	if (!value->has_number)
		return false;
	if (!address) {
		value->text = "nil";
		return true;
	}
	csn_buf_clear(&t->printing.values->text);
	csn_buf_printf(&t->printing.values->text, "(%s) ", t->name);
	csn_pointer_print(t->printing.values, address, &t->printing.values->text);
	csn_value_set_text(t->printing.values, value, &t->printing.values->text);
	csn_value_follow(t->printing.values, t->printing.frame, t->type, t->printing.depth,
			 t->follow, value);
	return true;
}

/* A function is a pointer to a record that begins with where its code is. */
static bool fill_function(struct telling *t)
{
	struct csn_values *values = t->printing.values;
	uint8_t bytes[8];
	uint64_t record, code;

	if (csn_object_read(values, &t->printing.whole.object, bytes, sizeof(bytes)) !=
	    CSN_VALUE_OK)
		return false;
	record = csn_number_of(bytes, sizeof(bytes), false);
	if (!record) {
		t->printing.value->text = "nil";
		return true;
	}
	csn_buf_clear(&values->text);
	csn_buf_printf(&values->text, "(%s) ", t->name);
	csn_pointer_print(values,
			  csn_target_read_word(values->target, record, &code) ? code : record,
			  &values->text);
	csn_value_set_text(values, t->printing.value, &values->text);
	return true;
}

static bool fill_channel(struct telling *t)
{
	struct csn_values *values = t->printing.values;
	struct csn_part channel;
	uint64_t count, size;

	if (!t->printing.value->has_number)
		return false;
	if (!t->printing.value->number) {
		t->printing.value->text = "nil";
		return true;
	}
	if (!csn_part_follow(values, &t->printing.whole, &channel) ||
	    !csn_part_number_at(values, &channel, "qcount", &count) ||
	    !csn_part_number_at(values, &channel, "dataqsiz", &size) || count > size)
		return false;
	set_text(t, "(%s) 0x%" PRIx64 " with %" PRIu64 " of %" PRIu64, t->name,
		 t->printing.value->number, count, size);
	return true;
}

static bool fill_map(struct telling *t, struct csn_type *type)
{
	struct csn_value_node *value = t->printing.value;

	if (!value->has_number)
		return false;
	if (!value->number) {
		value->text = "nil";
		return true;
	}
	value->form = CSN_FORM_LITERAL;
	csn_value_copy_text(t->printing.values, value, t->name);
	if (csn_go_fill_map(&t->printing, type, csn_type_strip(csn_type_target(t->type)),
			    value->number)) {
		value->has_title = true;
		if (!value->n_parts && value->text && strcmp(value->text, t->name) == 0)
			set_text(t, "%s{}", t->name);
		return true;
	}
	value->form = CSN_FORM_BRACES;
	value->text = NULL;
	return false;
}

static bool fill_number(struct telling *t)
{
	struct csn_values *values = t->printing.values;
	bool is_complex = t->type->encoding == CSN_ENCODING_COMPLEX_FLOAT;
	uint64_t size_bytes = t->type->size_bytes / (is_complex ? 2 : 1);
	uint8_t bytes[16];

	if ((!is_complex && t->type->encoding != CSN_ENCODING_FLOAT) ||
	    (size_bytes != sizeof(float) && size_bytes != sizeof(double)) ||
	    csn_object_read(values, &t->printing.whole.object, bytes, t->type->size_bytes) !=
		    CSN_VALUE_OK)
		return false;
	csn_buf_clear(&values->text);
	csn_buf_puts(&values->text, is_complex ? "(" : "");
	for (unsigned i = 0; i < (is_complex ? 2 : 1); i++) {
		double number = csn_float_of(bytes + i * size_bytes, size_bytes);

		csn_buf_puts(&values->text, i && number >= 0 ? "+" : "");
		csn_float_print(number, size_bytes, CSN_LANGUAGE_GO, &values->text);
	}
	csn_buf_puts(&values->text, is_complex ? "i)" : "");
	csn_value_set_text(values, t->printing.value, &values->text);
	return true;
}

/* --- interfaces --- */

/* Where the run time's descriptions begin in the module of a frame. */
static csn_addr types_of(struct csn_values *values, const struct csn_value_frame *frame)
{
	uint64_t size;

	if (!frame->module || values->go_module == frame->module)
		return frame->module ? values->go_types : 0;
	values->go_module = frame->module;
	if (!csn_lookup_address(values->modules, frame->module, "runtime.types", &values->go_types,
				&size))
		values->go_types = 0;
	return values->go_types;
}

/* The type that a description is of, if it says the same of it. */
static struct csn_type *find_type(struct telling *t, csn_addr description, bool *ret_direct)
{
	struct csn_values *values = t->printing.values;
	csn_addr types = types_of(values, t->printing.frame);
	struct csn_type *type;
	uint64_t size_bytes, said;
	uint8_t kind;

	if (!types || description <= types)
		return NULL;
	type = csn_type_of_go(t->type, description - types);
	if (!type || !csn_type_size(type, &size_bytes) ||
	    !csn_target_read_word(values->target, description + CSN_GO_TYPE_SIZE, &said) ||
	    said != size_bytes ||
	    csn_target_read_some(values->target, description + CSN_GO_TYPE_KIND, &kind,
				 sizeof(kind)) != sizeof(kind) ||
	    (kind & CSN_GO_KIND_MASK) != type->go_kind)
		return NULL;
	*ret_direct = kind & CSN_GO_KIND_DIRECT;
	return type;
}

/* Numbers of named types are written as a conversion, so that it is seen what they are. */
static void name_number(struct telling *t, const struct csn_type *type)
{
	struct csn_value_node *value = t->printing.value;

	if (value->state == CSN_VALUE_OK && value->text && !value->n_parts && type->name &&
	    type->kind == CSN_TYPE_BASE && strchr(type->name, '.'))
		set_text(t, "%s(%s)", type->name, value->text);
}

static bool fill_interface(struct telling *t)
{
	struct csn_values *values = t->printing.values;
	struct csn_value_node *value = t->printing.value;
	struct csn_object held = csn_object_part(&t->printing.whole.object, sizeof(uint64_t));
	struct csn_type *type;
	uint64_t description, data;
	bool direct;

	if (!read_number(t, "data", &data))
		return false;
	if (read_number(t, "tab", &description)) {
		if (description &&
		    !csn_target_read_word(values->target, description + CSN_GO_ITAB_TYPE,
					  &description))
			return false;
	} else if (!read_number(t, "_type", &description)) {
		return false;
	}
	if (!description) {
		value->text = "nil";
		return true;
	}
	type = find_type(t, description, &direct);
	if (!type)
		return false;
	if (!direct)
		held = (struct csn_object){ .kind = CSN_OBJECT_MEMORY, .address = data };
	if (!csn_value_fill_target(values, t->printing.frame, &held, type, t->printing.depth + 1,
				   t->follow, value))
		return false;
	name_number(t, type);
	return true;
}

/* --- all of it --- */

/* The first name that says what kind it is. */
static struct csn_type *kind_of(struct csn_type *type)
{
	unsigned hops;

	for (hops = 0; type && hops < CSN_MAX_TYPE_HOPS; hops++) {
		if (type->go_kind || type->kind != CSN_TYPE_TYPEDEF)
			return type;
		type = csn_type_target(type);
	}
	return NULL;
}

bool csn_go_fill(struct csn_values *values, struct csn_value_frame *frame,
		 const struct csn_object *object, struct csn_type *declared, unsigned depth,
		 uint64_t follow, struct csn_value_node *value)
{
	struct csn_type *kind = kind_of(declared);
	struct telling t = { .printing = { .values = values,
					   .frame = frame,
					   .whole = { .object = *object, .type = declared },
					   .depth = depth,
					   .follow = follow,
					   .value = value },
			     .type = csn_type_strip(declared),
			     .name = csn_type_text(declared),
			     .follow = follow };

	if (!kind || !t.name)
		return false;
	switch ((enum csn_go_kind)kind->go_kind) {
	case CSN_GO_STRING:
		return fill_string(&t);
	case CSN_GO_SLICE:
		return fill_slice(&t);
	case CSN_GO_MAP:
		return fill_map(&t, kind);
	case CSN_GO_CHAN:
		return fill_channel(&t);
	case CSN_GO_FUNC:
		return fill_function(&t);
	case CSN_GO_INTERFACE:
		return fill_interface(&t);
	default:
		break;
	}
	switch (t.type->kind) {
	case CSN_TYPE_STRUCT:
		return !t.type->is_declaration && fill_structure(&t);
	case CSN_TYPE_POINTER:
		return fill_pointer(&t);
	case CSN_TYPE_ARRAY:
		value->form = CSN_FORM_LITERAL;
		csn_value_copy_text(values, value, t.name);
		return false;
	case CSN_TYPE_BASE:
		return fill_number(&t);
	default:
		return false;
	}
}

void csn_go_find_escaped(struct csn_values *values, struct csn_object *object,
			 struct csn_type **type, const char **name)
{
	struct csn_type *pointer = csn_type_strip(*type);
	struct csn_type *target = pointer ? csn_type_target(pointer) : NULL;
	uint8_t bytes[8];

	if (!*name || **name != '&' || !target || pointer->kind != CSN_TYPE_POINTER ||
	    csn_object_read(values, object, bytes, sizeof(bytes)) != CSN_VALUE_OK)
		return;
	*object = (struct csn_object){ .kind = CSN_OBJECT_MEMORY,
				       .address = csn_number_of(bytes, sizeof(bytes), false) };
	*type = target;
	++*name;
}
