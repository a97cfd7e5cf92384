/* Printers: values as those who use a type think of them, not as their library stores them.
 *
 * A printer is a row of a table: the name of a type, members that it must have, and a function that
 * fills the value. Types are known by what the debug information says of them and by nothing else:
 * where a member is missing, or memory contradicts it, a printer declines and the structure is
 * shown as it is. A function reads through csn_part_* and fills through csn_print_*.
 *
 * Everything is bounded: a sequence by the budget's elements, links by what was visited already,
 * lengths by what is mapped. */
#ifndef CSN_VALUES_PRINTER_H
#define CSN_VALUES_PRINTER_H

#include "values/values_internal.h"

/* Something of a type, wherever it is. */
struct csn_part {
	struct csn_object object;
	struct csn_type *type; /* as declared; NULL void */
};

/* One value that is being printed. */
struct csn_printing {
	struct csn_values *values;
	struct csn_value_frame *frame;
	struct csn_part whole; /* its type without names and qualifiers around it */
	const char *name; /* of its type, with scopes, without template arguments: "std::list" */
	unsigned depth;
	uint64_t follow;              /* pointers in a row that may be followed, if it is one */
	struct csn_value_node *value; /* to be filled; its state is CSN_VALUE_OK */
};

/* Fills printing->value. False, with nothing filled: it is no such thing, show it as it is. */
typedef bool (*csn_print_fn)(struct csn_printing *printing);

struct csn_printer {
	/* With scopes, without inline namespaces ("std::list" for std::__cxx11::list) and without
	 * template arguments; in C without "struct". A name that ends in '*' may end in anything.
	 */
	const char *name;
	const char *probe; /* a path to a member that it must have; NULL: any is well */
	csn_print_fn print;
	bool is_opaque; /* programs know no more than its name: it is known by its layout */
};

/* Tables of printers, one for each library of types. */
struct csn_printer_table {
	const struct csn_printer *printers;
	size_t count;
};
extern const struct csn_printer_table csn_printers_std, csn_printers_libstdcxx, csn_printers_libcxx,
	csn_printers_rust, csn_printers_glib;

/* Fills the value of a structure, of a stripped type, if there is a printer for it. */
bool csn_printer_apply(struct csn_values *values, struct csn_value_frame *frame,
		       const struct csn_object *object, struct csn_type *type, unsigned depth,
		       uint64_t follow, struct csn_value_node *value);

/* --- names --- */

/* Scopes and name of a type without inline namespaces and template arguments: "std::list". NULL
 * when there is none, or when it is a name within an instance of a template. */
const char *csn_name_plain(struct csn_values *values, struct csn_type *type);
/* Is it an instance of a template, by its name without scopes? */
bool csn_type_is_template(struct csn_type *type, const char *name);
/* "std::map<int, std::string>": the name with the first arguments, of which those are left out that
 * are as they are when nothing else is said. Never NULL. */
const char *csn_print_typed(struct csn_printing *printing, size_t n_arguments);

/* --- reading --- */

/* A member by its path: "_M_impl._M_start", also of base classes and of members without names. "->"
 * in the place of '.' follows a pointer. */
bool csn_part_find(struct csn_values *values, const struct csn_part *of, const char *path,
		   struct csn_part *ret_part);
/* The n-th base class. */
bool csn_part_base(const struct csn_part *of, size_t n, struct csn_part *ret_part);
/* What a pointer leads to. */
bool csn_part_follow(struct csn_values *values, const struct csn_part *pointer,
		     struct csn_part *ret_part);
/* A number, an enumerator or a pointer, of at most 64 bits, extended as its type says. */
bool csn_part_number(struct csn_values *values, const struct csn_part *part, uint64_t *ret_number);
/* The number at a path. */
bool csn_part_number_at(struct csn_values *values, const struct csn_part *of, const char *path,
			uint64_t *ret_number);
/* Something of a type in memory. */
struct csn_part csn_part_in_memory(csn_addr address, struct csn_type *type);
/* What stands behind header_bytes at an address, where its alignment allows. False: unknown. */
bool csn_part_behind(struct csn_values *values, csn_addr address, uint64_t header_bytes,
		     struct csn_type *type, struct csn_part *ret_part);
/* The n-th template argument, if it is a type that has values; NULL. */
struct csn_type *csn_type_argument_type(struct csn_type *type, size_t n);
/* Can all of it be there? False when its first or last byte is not mapped. Nothing always can. */
bool csn_memory_is_plausible(struct csn_values *values, csn_addr address, uint64_t size_bytes);

/* --- filling --- */

/* A title in front of parts, or a whole text: "std::vector of length 3, capacity 4". */
bool csn_print_title(struct csn_printing *printing, const char *format, ...) csn_printf(2, 3);
/* length characters of a type at an address, as a text in quotes. */
bool csn_print_string(struct csn_printing *printing, csn_addr address, uint64_t length,
		      struct csn_type *character);
/* The same from bytes that were read. */
bool csn_print_string_bytes(struct csn_printing *printing, const uint8_t *bytes, uint64_t length,
			    struct csn_type *character);

/* A part with its label; label NULL: none. */
struct csn_labelled {
	const char *label;
	struct csn_part part;
};
/* Parts of which each is told. */
bool csn_print_parts(struct csn_printing *printing, const struct csn_labelled *parts, size_t count);
/* One part in the place of the whole. */
bool csn_print_as(struct csn_printing *printing, const struct csn_part *part);
/* The one thing that something holds: "TITLE = {LABEL = it}", or "TITLE containing IT" when it is
 * itself told with a title. */
bool csn_print_contained(struct csn_printing *printing, const char *title, const char *label,
			 const struct csn_part *part);

/* "TITLE = {LABEL = 0x...}", what is pointed to included where the budget says so. */
bool csn_print_pointer(struct csn_printing *printing, const char *title, const char *label,
		       const struct csn_part *pointer);

/* What one step of a walk comes to. */
struct csn_element {
	struct csn_part key; /* type NULL: none */
	struct csn_part value;
	const char *label; /* not NULL: instead of the key or number */
	const char *text;  /* not NULL: all that there is to tell */
};

/* A walk over the elements of a container. Those who need more embed it as their first member. */
struct csn_walk {
	struct csn_printing *printing;
	/* Finds the next element. False at the end, or with why it cannot go on in broken. */
	bool (*next)(struct csn_walk *walk, struct csn_element *ret_element);
	uint64_t count; /* elements that there must be; UINT64_MAX unknown */
	bool indexed;   /* elements are labelled with their numbers, as lists are */
	enum csn_value_state broken;
	/* By csn_print_sequence. */
	uint64_t index;   /* of the element that is asked for */
	csn_addr *places; /* that were visited, where their hash says; 0 empty */
	size_t n_places, places_size;
};
/* Tells the elements, as many as the budget allows. */
bool csn_print_sequence(struct csn_walk *walk);
/* To be called with each place that links lead to: false when it was visited before, which breaks
 * the walk. */
bool csn_walk_visit(struct csn_walk *walk, csn_addr place);
/* So many elements, one behind the other. False, without anything done: they cannot be there. */
bool csn_print_array(struct csn_printing *printing, csn_addr address, uint64_t count,
		     struct csn_type *element);

#endif
