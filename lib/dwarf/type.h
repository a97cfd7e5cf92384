/* Types of values, read entry by entry as they are asked for and kept with the object they are in.
 *
 * A type is borrowed from its csn_dwarf and lives as long as that one. NULL stands for void. What
 * is broken has kind CSN_TYPE_UNKNOWN, no members and no size. One thread at a time. */
#ifndef CSN_DWARF_TYPE_H
#define CSN_DWARF_TYPE_H

#include "base/buf.h"
#include "base/span.h"
#include "dwarf/source.h"

struct csn_unit;

enum csn_type_kind {
	CSN_TYPE_UNKNOWN,
	CSN_TYPE_UNSPECIFIED, /* has a name only: decltype(nullptr) */
	CSN_TYPE_BASE,
	CSN_TYPE_POINTER,
	CSN_TYPE_REFERENCE,
	CSN_TYPE_RVALUE_REFERENCE,
	CSN_TYPE_CONST,
	CSN_TYPE_VOLATILE,
	CSN_TYPE_RESTRICT,
	CSN_TYPE_ATOMIC,
	CSN_TYPE_TYPEDEF,
	CSN_TYPE_STRUCT,
	CSN_TYPE_CLASS,
	CSN_TYPE_UNION,
	CSN_TYPE_ENUM,
	CSN_TYPE_ARRAY,
	CSN_TYPE_FUNCTION,
	CSN_TYPE_MEMBER_POINTER,
};

/* How the bits of a base type are read. */
enum csn_type_encoding {
	CSN_ENCODING_OTHER,
	CSN_ENCODING_BOOL,
	CSN_ENCODING_SIGNED,
	CSN_ENCODING_UNSIGNED,
	CSN_ENCODING_SIGNED_CHAR,
	CSN_ENCODING_UNSIGNED_CHAR,
	CSN_ENCODING_UTF, /* char8_t, char16_t, char32_t */
	CSN_ENCODING_FLOAT,
	CSN_ENCODING_COMPLEX_FLOAT,
};

/* An entry that another one names; unit is NULL when it names none. */
struct csn_type_link {
	struct csn_unit *unit;
	uint64_t offset;
};

enum csn_bound_kind {
	CSN_BOUND_NONE,       /* of unknown length */
	CSN_BOUND_CONSTANT,   /* value */
	CSN_BOUND_EXPRESSION, /* the value is what expression yields in the frame */
	CSN_BOUND_VARIABLE,   /* the value is that of the variable whose entry is link */
};

/* One dimension of an array: so many elements, of which the first is number 0. */
struct csn_dimension {
	enum csn_bound_kind kind;
	bool is_last; /* the bound is the number of the last element, not how many there are */
	int64_t value;
	struct csn_span expression; /* borrowed */
	struct csn_type_link link;
};

enum csn_type_member_kind {
	CSN_MEMBER_FIELD,
	CSN_MEMBER_BASE,         /* a base class */
	CSN_MEMBER_VIRTUAL_BASE, /* expression yields its address from that of the object */
	CSN_MEMBER_STATIC,
};

/* A part of a structure. */
struct csn_type_member {
	enum csn_type_member_kind kind;
	const char *name; /* NULL anonymous */
	struct csn_type *type;
	uint64_t offset_bytes;
	bool is_artificial; /* made by the compiler, like a method's first parameter */
	bool is_bit_field;
	uint32_t bit_offset, bit_size; /* from offset_bytes, in the order of the machine's bits */
	struct csn_span expression;    /* of virtual bases; borrowed */
	struct csn_type_link declaration; /* of static ones: their entry */
	/* Where it is defined, once that was looked for; no unit: nowhere in its own. */
	struct csn_type_link definition;
	bool definition_sought;
};

/* What a template was given: a type, or a number of a type. Those of packs come one by one. */
struct csn_type_argument {
	struct csn_type *type; /* NULL void */
	bool is_value;
	int64_t value;
};

struct csn_enumerator {
	const char *name;
	int64_t value;
};

/* One of the forms that a value can take, as Rust's enums have them. */
struct csn_type_variant {
	struct csn_type_member member;
	bool is_default; /* taken when no other one is */
	uint64_t value;  /* of the discriminant, otherwise */
};

/* Languages whose values are written otherwise than those of C. */
enum csn_type_language {
	CSN_LANGUAGE_OTHER,
	CSN_LANGUAGE_RUST,
	CSN_LANGUAGE_GO,
};

/* What a type of Go is (DW_AT_go_kind), as its run time numbers them (internal/abi). */
enum csn_go_kind {
	CSN_GO_NONE = 0,
	CSN_GO_CHAN = 18,
	CSN_GO_FUNC = 19,
	CSN_GO_INTERFACE = 20,
	CSN_GO_MAP = 21,
	CSN_GO_POINTER = 22,
	CSN_GO_SLICE = 23,
	CSN_GO_STRING = 24,
	CSN_GO_STRUCT = 25,
};

struct csn_type {
	struct csn_type *next; /* of those kept */
	struct csn_type_link entry;
	enum csn_type_kind kind;
	enum csn_type_encoding encoding;
	const char *name; /* as declared, without scopes; NULL none */
	bool has_size, is_declaration;
	bool is_scoped;                          /* enumerators are named with their type */
	uint64_t size_bytes;                     /* as the entry says; see csn_type_size */
	uint64_t alignment_bytes;                /* asked for in the source; 0 the usual one */
	struct csn_type_link target;             /* no unit: void */
	struct csn_type_link containing;         /* of member pointers: the class */
	uint64_t go_kind;                        /* enum csn_go_kind, and those of base types */
	struct csn_type_link go_key, go_element; /* of maps, slices, channels */
	/* By the functions below, once. */
	bool parts_read, is_variadic, text_begun;
	const char *text;
	struct csn_type_member *members; /* of functions: parameters */
	struct csn_enumerator *enumerators;
	struct csn_dimension *dimensions;
	struct csn_type_argument *arguments;
	struct csn_type_variant *variants;
	struct csn_type_member *discriminant; /* tells which variant it is; NULL: the only one */
	size_t n_members, n_enumerators, n_dimensions, n_arguments, n_variants;
	const void *memo; /* what a reader of values found out about it; NULL nothing yet */
};

/* NULL for void and when out of memory. */
struct csn_type *csn_type_get(const struct csn_type_link *link);
/* What it points to, is a name of, is an array of or returns; NULL void. */
struct csn_type *csn_type_target(struct csn_type *type);
/* Without names and qualifiers around it; NULL void. */
struct csn_type *csn_type_strip(struct csn_type *type);
/* Reads members, enumerators, dimensions and template arguments, if not done yet. */
void csn_type_read_parts(struct csn_type *type);
/* Where values of this type may begin: at multiples of this, as the x86-64 and AArch64 ABIs have
 * it. What packed structures say of themselves is not enough to tell them from others. 0: unknown.
 */
uint64_t csn_type_alignment(struct csn_type *type);
/* The name for the linker of the virtual function number index of the class or one of its bases;
 * NULL not known. */
const char *csn_type_virtual_function(struct csn_type *type, uint64_t index);
/* Of the unit that the type is in. */
enum csn_type_language csn_type_language(const struct csn_type *type);
/* The type of Go whose description the run time has at an offset from where its types begin, as far
 * as the unit of another type has it: it has all of a program. NULL. */
struct csn_type *csn_type_of_go(struct csn_type *type, uint64_t run_time_offset);
/* Size of a value that does not depend on the frame; false for void and unknown sizes. */
bool csn_type_size(struct csn_type *type, uint64_t *ret_size_bytes);
/* Is this an element of text for people? */
bool csn_type_is_character(struct csn_type *type);
/* Of a structure, union or enumeration: its name with scopes, without a word before it. NULL none.
 */
const char *csn_type_plain_name(struct csn_type *type);
/* As its users write it: "const char *", "int (*)[3]". Borrowed; NULL when out of memory. */
const char *csn_type_text(struct csn_type *type);

#endif
