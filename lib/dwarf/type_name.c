/* Texts of types. A declarator of C grows around a name: what a pointer adds stands left of it,
 * what an array or a function adds right, in parentheses when a pointer comes first. */
#include <stdio.h>
#include <string.h>

#include "dwarf/source_internal.h"
#include "dwarf/type.h"

/* Parameters within parameters. */
#define CSN_TEXT_NESTING 8u

static const char *text_of(struct csn_type *type, unsigned nesting);

/* Names that have no scope: types of Go are named in full, and in Rust what is built from others,
 * like "&[u8]" and "(i32, char)". */
static bool is_named_in_full(const struct csn_type *type)
{
	switch (csn_type_language(type)) {
	case CSN_LANGUAGE_GO:
		return true;
	case CSN_LANGUAGE_RUST:
		return type->kind == CSN_TYPE_BASE || strchr("&(*", *type->name);
	default:
		return false;
	}
}

static const char *name_of(struct csn_type *type)
{
	static const char *const words[] = {
		[CSN_TYPE_STRUCT] = "struct",
		[CSN_TYPE_CLASS] = "class",
		[CSN_TYPE_UNION] = "union",
		[CSN_TYPE_ENUM] = "enum",
	};
	struct csn_unit *unit = type->entry.unit;
	const char *word = type->kind < csn_countof(words) ? words[type->kind] : NULL;

	if (type->kind == CSN_TYPE_BASE || type->kind == CSN_TYPE_UNSPECIFIED)
		return type->name ? type->name : "??";
	if (!type->name)
		return word ? csn_arena_sprintf(unit->dwarf->arena, "%s {...}", word) : "??";
	if (csn_unit_is_c(unit))
		return word ? csn_arena_sprintf(unit->dwarf->arena, "%s %s", word, type->name)
			    : type->name;
	return csn_type_plain_name(type);
}

const char *csn_type_plain_name(struct csn_type *type)
{
	const struct csn_function_name *full;

	if (!type->name || csn_unit_is_c(type->entry.unit) || is_named_in_full(type))
		return type->name;
	full = csn_function_name_get(type->entry.unit, type->entry.offset);
	return full && full->name ? full->name : type->name;
}

/* NULL when out of memory, also for one of both. */
static const char *join(struct csn_type *type, const char *left, const char *right)
{
	if (!left || !right)
		return NULL;
	if (strlen(left) + strlen(right) > CSN_MAX_TYPE_TEXT)
		return "...";
	return csn_arena_sprintf(type->entry.unit->dwarf->arena, "%s%s", left, right);
}

static const char *with_name(struct csn_type *type, const char *name, const char *around)
{
	if (!name || !around)
		return NULL;
	name = *around ? join(type, name, " ") : name;
	return name ? join(type, name, around) : NULL;
}

static const char *with_mark(struct csn_type *type, const char *mark, const char *around)
{
	struct csn_type *target = csn_type_target(type);
	bool wrap = target && (target->kind == CSN_TYPE_ARRAY || target->kind == CSN_TYPE_FUNCTION);

	around = join(type, mark, around);
	if (wrap && around)
		around = join(type, "(", around);
	return wrap && around ? join(type, around, ")") : around;
}

static const char *with_qualifier(struct csn_type *type, const char *word, const char *around)
{
	return *around ? with_name(type, join(type, " ", word), around) : join(type, " ", word);
}

static const char *with_dimensions(struct csn_type *type, const char *around)
{
	char text[32];
	size_t i;

	csn_type_read_parts(type);
	for (i = 0; i < type->n_dimensions && around; i++) {
		const struct csn_dimension *dimension = &type->dimensions[i];

		if (dimension->kind == CSN_BOUND_CONSTANT)
			snprintf(text, sizeof(text), "[%llu]",
				 (unsigned long long)dimension->value + dimension->is_last);
		else
			snprintf(text, sizeof(text), "[]");
		around = join(type, around, text);
	}
	return around;
}

static const char *with_parameters(struct csn_type *type, const char *around, unsigned nesting)
{
	size_t i;

	csn_type_read_parts(type);
	around = join(type, around, "(");
	for (i = 0; i < type->n_members && around; i++) {
		const char *text = text_of(type->members[i].type, nesting + 1);

		around = i ? join(type, around, ", ") : around;
		around = join(type, around, text);
		/* What a method is called with is a pointer that cannot be changed. */
		if (type->members[i].is_artificial)
			around = join(type, around, " const");
	}
	if (around && type->is_variadic)
		around = join(type, around, type->n_members ? ", ..." : "...");
	else if (around && !type->n_members)
		around = join(type, around, "void");
	return around ? join(type, around, ")") : NULL;
}

/* A qualifier stands behind a pointer and before everything else. */
static bool is_after(struct csn_type *target)
{
	return target && (target->kind == CSN_TYPE_POINTER || target->kind == CSN_TYPE_REFERENCE ||
			  target->kind == CSN_TYPE_MEMBER_POINTER);
}

static const char *member_pointer_mark(struct csn_type *type)
{
	struct csn_type *of = csn_type_get(&type->containing);
	const char *name = of ? name_of(of) : "??";

	return name ? join(type, name, "::*") : NULL;
}

/* Adds what one type adds, and tells what comes next. NULL: out of memory. */
static const char *add(struct csn_type *type, const char *around, unsigned nesting,
		       const char **prefix)
{
	static const char *const marks[] = {
		[CSN_TYPE_POINTER] = "*",
		[CSN_TYPE_REFERENCE] = "&",
		[CSN_TYPE_RVALUE_REFERENCE] = "&&",
	};
	static const char *const qualifiers[] = {
		[CSN_TYPE_CONST] = "const",
		[CSN_TYPE_VOLATILE] = "volatile",
		[CSN_TYPE_RESTRICT] = "restrict",
		[CSN_TYPE_ATOMIC] = "_Atomic",
	};

	switch (type->kind) {
	case CSN_TYPE_POINTER:
	case CSN_TYPE_REFERENCE:
	case CSN_TYPE_RVALUE_REFERENCE:
		return with_mark(type, marks[type->kind], around);
	case CSN_TYPE_MEMBER_POINTER:
		return with_mark(type, member_pointer_mark(type), around);
	case CSN_TYPE_CONST:
	case CSN_TYPE_VOLATILE:
	case CSN_TYPE_RESTRICT:
	case CSN_TYPE_ATOMIC:
		if (is_after(csn_type_target(type)))
			return with_qualifier(type, qualifiers[type->kind], around);
		*prefix = join(type, join(type, *prefix, qualifiers[type->kind]), " ");
		return *prefix ? around : NULL;
	case CSN_TYPE_ARRAY:
		return with_dimensions(type, around);
	default:
		return with_parameters(type, around, nesting);
	}
}

static bool is_end(const struct csn_type *type)
{
	switch (type->kind) {
	case CSN_TYPE_UNKNOWN:
	case CSN_TYPE_UNSPECIFIED:
	case CSN_TYPE_BASE:
	case CSN_TYPE_TYPEDEF:
	case CSN_TYPE_STRUCT:
	case CSN_TYPE_CLASS:
	case CSN_TYPE_UNION:
	case CSN_TYPE_ENUM:
		return true;
	default:
		return false;
	}
}

static const char *make_text(struct csn_type *type, unsigned nesting)
{
	const char *around = "", *prefix = "", *name;
	struct csn_type *at = type;
	unsigned hops;

	for (hops = 0; at && !is_end(at) && around; hops++) {
		if (hops >= CSN_MAX_TYPE_HOPS)
			return "...";
		around = add(at, around, nesting, &prefix);
		at = csn_type_target(at);
	}
	if (!around)
		return NULL;
	name = with_name(type, at ? name_of(at) : "void", around);
	return name && *prefix ? join(type, prefix, name) : name;
}

/* As Rust writes what has no name in the debug information: arrays, and pointers within slices. */
static const char *rust_text(struct csn_type *type, unsigned nesting)
{
	struct csn_type *target = csn_type_target(type);
	struct csn_arena *arena = type->entry.unit->dwarf->arena;
	const char *text = target ? text_of(target, nesting + 1) : "()";

	if (!text)
		return NULL;
	if (strlen(text) > CSN_MAX_TYPE_TEXT)
		return "...";
	if (type->kind == CSN_TYPE_POINTER)
		return csn_arena_sprintf(arena, "*const %s", text);
	csn_type_read_parts(type);
	for (size_t i = type->n_dimensions; text && i-- > 0;)
		text = csn_arena_sprintf(arena, "[%s; %llu]", text,
					 (unsigned long long)type->dimensions[i].value +
						 type->dimensions[i].is_last);
	return text;
}

/* The text of a type of a language that does not write as C does; NULL for other types. */
static const char *foreign_text(struct csn_type *type, unsigned nesting)
{
	enum csn_type_language language = csn_type_language(type);

	if (language == CSN_LANGUAGE_OTHER)
		return NULL;
	if (type->name)
		return is_end(type) ? NULL : type->name;
	return language == CSN_LANGUAGE_RUST &&
			       (type->kind == CSN_TYPE_ARRAY || type->kind == CSN_TYPE_POINTER)
		       ? rust_text(type, nesting)
		       : NULL;
}

static const char *text_of(struct csn_type *type, unsigned nesting)
{
	if (!type)
		return "void";
	if (nesting > CSN_TEXT_NESTING || (type->text_begun && !type->text))
		return "...";
	type->text_begun = true;
	if (!type->text)
		type->text = foreign_text(type, nesting);
	if (!type->text)
		type->text = make_text(type, nesting);
	return type->text;
}

const char *csn_type_text(struct csn_type *type)
{
	return text_of(type, 0);
}
