/* Where variables are and what lies where: for those who ask which variable an address or a
 * register belongs to, and want no values.
 *
 * Names and types belong to the debug information, paths to the arena of csn_values. */
#ifndef CSN_VALUES_PLACES_H
#define CSN_VALUES_PLACES_H

#include "base/buf.h"
#include "values/values.h"

/* Where a variable is. */
struct csn_variable_place {
	const char *name;
	struct csn_type *type; /* NULL unknown */
	bool is_parameter;
	bool in_memory, in_register; /* neither: in pieces, a constant, or nowhere */
	csn_addr address;            /* in memory */
	uint64_t size_bytes;         /* 0 unknown */
	unsigned reg;                /* register number */
};

/* The variables of one function of the frame's scope. */
int csn_values_places(struct csn_values *values, struct csn_value_frame *frame, size_t function,
		      struct csn_variable_place **ret_places, size_t *ret_count,
		      struct csn_error *err) csn_must_check;
/* The variable outside of functions that lies at an address, as the frame's unit knows it; a symbol
 * there has the name and begins at start. False when it knows none. */
bool csn_values_global(struct csn_values *values, struct csn_value_frame *frame, csn_addr address,
		       const char *name, csn_addr start, struct csn_variable_place *ret_place);

/* What the caller of a frame says that it passed in a register; the caller's scope must be known.
 * False: it does not say, or it cannot be computed. */
bool csn_values_passed(struct csn_values *values, struct csn_value_frame *frame, unsigned number,
		       uint64_t *ret_value);

/* A part of an object, as a program names it. */
struct csn_value_part {
	struct csn_type *type; /* stripped; NULL unknown */
	bool is_table;         /* the pointer to a class's virtual table, which no program names */
};

/* Appends the way to what lies offset_bytes from the start of an object: ".peer.port", "[3]". Text
 * may hold the object's own name. False when nothing begins there, or more than one thing that a
 * program can name; then text holds anything. */
bool csn_value_find_part(struct csn_type *type, int64_t offset_bytes, struct csn_buf *text,
			 struct csn_value_part *ret_part);
/* The same from what a pointer of this type points to; text holds the pointer's name, and then
 * "conn->peer", "*number" or "items[3].name". */
bool csn_value_find_behind(struct csn_type *pointer, int64_t offset_bytes, struct csn_buf *text,
			   struct csn_value_part *ret_part);
/* What a pointer or reference of this type leads to, stripped; NULL void, or no pointer. */
struct csn_type *csn_value_pointee(struct csn_type *pointer, uint64_t *ret_size_bytes);
/* As its users write it; NULL unknown. */
const char *csn_value_type_text(struct csn_type *type);
/* Bytes of a value; 0 unknown. */
uint64_t csn_value_size(struct csn_type *type);
/* It is a structure, class, union or array: loads of it whole do not happen. */
bool csn_value_has_parts(struct csn_type *type);

#endif
