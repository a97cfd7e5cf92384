#include "values/printer.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "dwarf/named.h"

/* The first row that fits is taken; those that probe for nothing come last. */
static const struct csn_printer_table *const tables[] = {
	&csn_printers_std,  &csn_printers_libcxx, &csn_printers_libstdcxx,
	&csn_printers_rust, &csn_printers_glib,
};

/* What a type remembers when there is no printer for it. */
static const struct csn_printer no_printer;

/* --- finding a printer --- */

/* Does the name within its scope fit? A cheap question before the dear one for all of it. */
static bool may_fit(const struct csn_printer *printer, const char *name)
{
	const char *colon = strrchr(printer->name, ':');
	const char *leaf = colon ? colon + 1 : printer->name;
	size_t length = strlen(leaf);

	if (length && leaf[length - 1] == '*')
		return strncmp(name, leaf, length - 1) == 0;
	return strncmp(name, leaf, length) == 0 && (!name[length] || name[length] == '<');
}

static bool fits(struct csn_values *values, const struct csn_printer *printer,
		 const struct csn_part *whole, const char *name)
{
	size_t length = strlen(printer->name);
	struct csn_part probed;

	if (length && printer->name[length - 1] == '*'
		    ? strncmp(name, printer->name, length - 1) != 0
		    : strcmp(name, printer->name) != 0)
		return false;
	if (whole->type->is_declaration != printer->is_opaque)
		return false;
	return !printer->probe || csn_part_find(values, whole, printer->probe, &probed);
}

static const struct csn_printer *search(struct csn_values *values, const struct csn_part *whole)
{
	const char *name = NULL;

	for (size_t i = 0; i < csn_countof(tables); i++) {
		for (size_t k = 0; k < tables[i]->count; k++) {
			const struct csn_printer *printer = &tables[i]->printers[k];

			if (!may_fit(printer, whole->type->name))
				continue;
			name = name ? name : csn_name_plain(values, whole->type);
			if (name && fits(values, printer, whole, name))
				return printer;
		}
	}
	return &no_printer;
}

bool csn_printer_apply(struct csn_values *values, struct csn_value_frame *frame,
		       const struct csn_object *object, struct csn_type *type, unsigned depth,
		       uint64_t follow, struct csn_value_node *value)
{
	struct csn_printing printing = { .values = values,
					 .frame = frame,
					 .whole = { .object = *object },
					 .depth = depth,
					 .follow = follow,
					 .value = value };
	const struct csn_value_node before = *value;
	const struct csn_printer *printer;

	type = type ? csn_type_complete(type) : NULL;
	printing.whole.type = type;
	if (!type || !type->name || depth >= CSN_MAX_VALUE_DEPTH ||
	    (values->budget.depth && depth >= values->budget.depth))
		return false;
	type->memo = type->memo ? type->memo : search(values, &printing.whole);
	printer = type->memo;
	if (!printer->print)
		return false;
	printing.name = csn_name_plain(values, type);
	if (printing.name && printer->print(&printing))
		return true;
	*value = before;
	return false;
}

/* --- texts --- */

bool csn_print_title(struct csn_printing *printing, const char *format, ...)
{
	struct csn_values *values = printing->values;
	va_list args;

	csn_buf_clear(&values->text);
	va_start(args, format);
	csn_buf_vprintf(&values->text, format, args);
	va_end(args);
	csn_value_set_text(values, printing->value, &values->text);
	printing->value->has_title = printing->value->text != NULL;
	return true;
}

/* Elements of one container, characters of one text. */
static uint64_t max_of_budget(const struct csn_values *values)
{
	uint64_t max = values->budget.elements;

	return max ? csn_min_u64(max, CSN_MAX_VALUE_ELEMENTS) : CSN_MAX_VALUE_ELEMENTS;
}

bool csn_print_string_bytes(struct csn_printing *printing, const uint8_t *bytes, uint64_t length,
			    struct csn_type *character)
{
	struct csn_values *values = printing->values;
	uint64_t max = max_of_budget(values);
	const char *prefix;
	unsigned width;

	prefix = csn_string_prefix(character, &width);
	if (!prefix)
		return false;
	csn_buf_clear(&values->text);
	csn_string_print(bytes, csn_min_u64(length, max), width, max, length > max, prefix,
			 &values->text);
	csn_value_set_text(values, printing->value, &values->text);
	return true;
}

bool csn_print_string(struct csn_printing *printing, csn_addr address, uint64_t length,
		      struct csn_type *character)
{
	struct csn_values *values = printing->values;
	cleanup_free uint8_t *bytes = NULL;
	struct csn_part text = csn_part_in_memory(address, character);
	unsigned width;
	uint64_t n, size_bytes;
	enum csn_value_state state;

	n = csn_min_u64(length, max_of_budget(values));
	if (!csn_string_prefix(character, &width) ||
	    __builtin_mul_overflow(length, (uint64_t)width, &size_bytes) ||
	    !csn_memory_is_plausible(values, address, size_bytes))
		return false;
	bytes = calloc(n + 1, width);
	if (!bytes)
		return false;
	state = csn_object_read(values, &text.object, bytes, n * width);
	if (state == CSN_VALUE_OK)
		return csn_print_string_bytes(printing, bytes, length, character);
	printing->value->state = state;
	return state == CSN_VALUE_NOT_IN_DUMP;
}

/* --- parts --- */

/* What parts may follow: a part of a variable counts like one behind a pointer. */
static uint64_t follow_of_parts(const struct csn_printing *printing)
{
	return csn_follow_of_parts(printing->depth, printing->follow);
}

static void fill_part(struct csn_printing *printing, const struct csn_part *part, uint64_t follow,
		      struct csn_value_node *value)
{
	csn_value_fill(printing->values, printing->frame, &part->object, part->type,
		       printing->depth + 1, follow, value);
}

/* The same for one of several, as its name or number says. */
static void fill_named(struct csn_printing *printing, const struct csn_part *part, uint64_t index,
		       struct csn_value_node *value)
{
	size_t mark = csn_path_enter(printing->values, value->name, index);

	fill_part(printing, part, follow_of_parts(printing), value);
	csn_path_leave(printing->values, mark);
}

bool csn_print_as(struct csn_printing *printing, const struct csn_part *part)
{
	fill_part(printing, part, printing->follow, printing->value);
	return true;
}

bool csn_print_parts(struct csn_printing *printing, const struct csn_labelled *parts, size_t count)
{
	struct csn_value_node *value = printing->value;

	value->parts = csn_value_parts(printing->values, count);
	if (!value->parts) {
		value->is_cut = true;
		return true;
	}
	value->n_parts = count;
	for (size_t i = 0; i < count; i++) {
		value->parts[i].name = parts[i].label;
		fill_named(printing, &parts[i].part, i, &value->parts[i]);
	}
	return true;
}

bool csn_print_contained(struct csn_printing *printing, const char *title, const char *label,
			 const struct csn_part *part)
{
	struct csn_value_node *value = printing->value, *inner;

	inner = csn_value_parts(printing->values, 1);
	if (!inner)
		return csn_print_title(printing, "%s = {...}", title);
	fill_part(printing, part, follow_of_parts(printing), inner);
	if (inner->has_title && inner->state == CSN_VALUE_OK) {
		csn_print_title(printing, "%s containing %s", title, inner->text);
		value->parts = inner->parts;
		value->n_parts = inner->n_parts;
		value->is_cut = inner->is_cut;
		return true;
	}
	inner->name = label;
	csn_print_title(printing, "%s", title);
	value->parts = inner;
	value->n_parts = 1;
	csn_value_join(printing->values, value);
	return true;
}

/* --- sequences --- */

bool csn_walk_visit(struct csn_walk *walk, csn_addr place)
{
	size_t slot = (place * 0x9e3779b97f4a7c15ull >> 32) & (walk->places_size - 1);

	if (2 * walk->n_places >= walk->places_size) {
		walk->broken = CSN_VALUE_BUDGET;
		return false;
	}
	for (; walk->places[slot]; slot = (slot + 1) & (walk->places_size - 1)) {
		if (walk->places[slot] != place)
			continue;
		walk->broken = CSN_VALUE_CYCLE;
		return false;
	}
	walk->places[slot] = place;
	walk->n_places++;
	return true;
}

/* What a value comes to in one line, for a label. */
static void put_value(const struct csn_value_node *value, struct csn_buf *out)
{
	const struct csn_form_marks *marks = csn_form_marks(value->form);

	if (value->state != CSN_VALUE_OK)
		csn_buf_printf(out, "<%s>", csn_value_state_name(value->state));
	else if (value->text)
		csn_buf_puts(out, value->text);
	if (!value->n_parts || value->parts_are_target)
		return;
	csn_buf_puts(out, value->text && value->form == CSN_FORM_BRACES ? " = " : "");
	csn_buf_puts(out, marks->open);
	for (size_t i = 0; i < value->n_parts; i++) {
		csn_buf_puts(out, i ? ", " : "");
		if (value->parts[i].name && marks->between)
			csn_buf_printf(out, "%s%s", value->parts[i].name, marks->between);
		put_value(&value->parts[i], out);
	}
	csn_buf_printf(out, "%s%s", value->is_cut ? "..." : "", marks->close);
}

/* "[KEY]", or the key alone where the form says so; names of symbols are left to values. */
static const char *label_of(struct csn_printing *printing, const struct csn_part *key)
{
	struct csn_values *values = printing->values;
	struct csn_value_node value = { 0 };
	bool bare = printing->value->form != CSN_FORM_BRACES;
	size_t n_marked = values->n_marked;
	const char *label;
	char *out;

	fill_part(printing, key, 0, &value);
	values->n_marked = n_marked;
	csn_buf_clear(&values->text);
	csn_buf_puts(&values->text, bare ? "" : "[");
	put_value(&value, &values->text);
	csn_buf_puts(&values->text, bare ? "" : "]");
	if (!csn_buf_ok(&values->text))
		return "[...]";
	label = csn_arena_strndup(values->arena, values->text.data, values->text.size);
	out = (char *)label;
	for (const char *at = label; at && *at; at++) {
		if (*at == CSN_SYMBOL_MARK)
			at += 16;
		else
			*out++ = *at;
	}
	if (out)
		*out = '\0';
	return label;
}

static void fill_element(struct csn_walk *walk, const struct csn_element *element, size_t index,
			 struct csn_value_node *value)
{
	struct csn_printing *printing = walk->printing;

	if (element->label)
		value->name = element->label;
	else if (element->key.type)
		value->name = label_of(printing, &element->key);
	else if (walk->indexed)
		value->name = csn_arena_sprintf(printing->values->arena, "[%zu]", index);
	if (element->text)
		value->text = element->text;
	else
		fill_named(printing, &element->value, index, value);
}

/* As many as are told of so many; a key and its value count as two. */
static uint64_t max_elements(const struct csn_walk *walk, bool has_keys)
{
	uint64_t max = max_of_budget(walk->printing->values);

	max = has_keys && max > 1 ? max / 2 : max;
	return csn_min_u64(max, walk->count);
}

static size_t collect(struct csn_walk *walk, struct csn_element *elements, bool *ret_cut)
{
	size_t n = 0;

	*ret_cut = false;
	for (;;) {
		bool has_keys = n && elements[0].key.type;

		*ret_cut = n >= max_elements(walk, has_keys) && n < walk->count;
		if (n >= max_elements(walk, has_keys))
			break;
		walk->index = n;
		if (!walk->next(walk, &elements[n]))
			break;
		n++;
	}
	/* Of unknown length: is there one more? */
	if (*ret_cut && walk->count == UINT64_MAX) {
		walk->index = n;
		*ret_cut = walk->next(walk, &elements[n]);
	}
	return n;
}

bool csn_print_sequence(struct csn_walk *walk)
{
	struct csn_printing *printing = walk->printing;
	struct csn_value_node *value = printing->value;
	size_t room = max_elements(walk, false) + 2, n;
	cleanup_free struct csn_element *elements = calloc(room, sizeof(*elements));
	cleanup_free csn_addr *places = NULL;

	walk->places_size = 4;
	while (walk->places_size < 4 * room)
		walk->places_size *= 2;
	places = calloc(walk->places_size, sizeof(*places));
	if (!elements || !places)
		return false;
	walk->places = places;
	n = collect(walk, elements, &value->is_cut);
	walk->places = NULL;
	if (!n && !walk->broken && !value->is_cut)
		return true;
	value->parts = csn_value_parts(printing->values, n + 1);
	if (!value->parts) {
		value->is_cut = true;
		return true;
	}
	for (; value->n_parts < n; value->n_parts++)
		fill_element(walk, &elements[value->n_parts], value->n_parts,
			     &value->parts[value->n_parts]);
	if (walk->broken)
		value->parts[value->n_parts++].state = walk->broken;
	csn_value_join(printing->values, value);
	return true;
}

/* Elements in a row. */
struct row {
	struct csn_walk walk;
	csn_addr address;
	uint64_t stride;
	struct csn_type *type;
};

static bool next_in_row(struct csn_walk *walk, struct csn_element *ret_element)
{
	const struct row *row = (const struct row *)walk;

	ret_element->value =
		csn_part_in_memory(row->address + walk->index * row->stride, row->type);
	return true;
}

bool csn_print_array(struct csn_printing *printing, csn_addr address, uint64_t count,
		     struct csn_type *element)
{
	struct row row = { .walk = { .printing = printing, .next = next_in_row, .count = count },
			   .address = address,
			   .type = element };
	uint64_t size_bytes;

	if (!element || !csn_type_size(element, &row.stride) ||
	    __builtin_mul_overflow(count, row.stride, &size_bytes) ||
	    !csn_memory_is_plausible(printing->values, address, size_bytes))
		return false;
	return csn_print_sequence(&row.walk);
}

bool csn_print_pointer(struct csn_printing *printing, const char *title, const char *label,
		       const struct csn_part *pointer)
{
	struct csn_value_node *value = printing->value, *inner;

	csn_print_title(printing, "%s", title);
	inner = csn_value_parts(printing->values, 1);
	if (!inner) {
		value->is_cut = true;
		return true;
	}
	inner->name = label;
	fill_part(printing, pointer, printing->follow, inner);
	value->parts = inner;
	value->n_parts = 1;
	return true;
}
