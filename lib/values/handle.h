/* Handles: values that others walk by member, pointer and element, each read when it is asked for.
 *
 * A handle is a type and a place, in memory or as the number that a register held. It is copied
 * freely, borrows the csn_values it is used with, and costs nothing until it is asked. Memory that
 * is not there makes an answer false, never an error. */
#ifndef CSN_VALUES_HANDLE_H
#define CSN_VALUES_HANDLE_H

#include "values/values.h"

struct csn_handle {
	struct csn_value_frame *frame;     /* that bounds of arrays are computed in; never NULL */
	const struct csn_value_node *node; /* as it was told; NULL: it was not */
	struct csn_type *type;             /* as declared; NULL void, or unknown */
	bool has_address, has_number;
	csn_addr address;
	uint64_t number; /* of what is in no memory: in a register, or bits of a field */
};

/* A value that was told. */
struct csn_handle csn_handle_of(struct csn_value_frame *frame, const struct csn_value_node *node);
/* A variable of a frame, or of a unit, where it is. False: it is not to be had. */
bool csn_handle_of_variable(struct csn_values *values, struct csn_value_frame *frame,
			    const struct csn_variable *variable, struct csn_handle *ret_handle);
/* Something of a type in memory. */
struct csn_handle csn_handle_at(struct csn_value_frame *frame, csn_addr address,
				struct csn_type *type);

/* A member of a structure, or of the one that a pointer or reference leads to, by its path
 * ("sched.pc", "next->data"); also of base classes and members without names. */
bool csn_handle_member(struct csn_values *values, const struct csn_handle *handle, const char *path,
		       struct csn_handle *ret_member);
/* What a pointer or reference leads to; false for those that lead nowhere by their type (void). */
bool csn_handle_deref(struct csn_values *values, const struct csn_handle *handle,
		      struct csn_handle *ret_target);
/* An element of an array, of several dimensions row by row, or of what a pointer leads to. False
 * beyond the end, where that is known. */
bool csn_handle_element(struct csn_values *values, const struct csn_handle *handle, uint64_t index,
			struct csn_handle *ret_element);
/* How many elements an array has; false for other types and where the frame decides. */
bool csn_handle_count(const struct csn_handle *handle, uint64_t *ret_count);
/* A number, an enumerator, a pointer or a reference, of at most 64 bits, extended as its type says.
 */
bool csn_handle_number(struct csn_values *values, const struct csn_handle *handle,
		       uint64_t *ret_number);
/* A number with a fraction. */
bool csn_handle_float(struct csn_values *values, const struct csn_handle *handle,
		      double *ret_number);
/* Tells it as variables are told, under the budget of values. */
void csn_handle_show(struct csn_values *values, const struct csn_handle *handle,
		     struct csn_value_node *ret_node);
/* The text without the marks that csn_values_name_pointers replaces: cuts them out in place. */
void csn_text_drop_marks(char *text);

#endif
