/* Variables: which there are in the functions around an address, and how their values are found.
 *
 * A scope is one address and the functions around it, the innermost inlined one first, as
 * csn_dwarf_locate tells them. Values are not this room's business: a place says where one is, for
 * dwarf/expr.h. Addresses are link-time addresses. Results live in the arena given, types and
 * bytes as long as the csn_dwarf. One thread at a time. */
#ifndef CSN_DWARF_VARIABLE_H
#define CSN_DWARF_VARIABLE_H

#include "dwarf/type.h"

enum csn_value_place_kind {
	CSN_PLACE_NONE,       /* nothing says where it is: optimised out */
	CSN_PLACE_ELSEWHERE,  /* it is somewhere, but not at this address: optimised out here */
	CSN_PLACE_EXPRESSION, /* where bytes, an expression, says */
	CSN_PLACE_CONSTANT,   /* its value is number */
	CSN_PLACE_BYTES,      /* its value is bytes */
};

/* Where a value is. */
struct csn_value_place {
	enum csn_value_place_kind kind;
	struct csn_unit *unit; /* of the expression, for csn_unit_index and csn_unit_base_type */
	struct csn_span bytes; /* borrowed */
	uint64_t number;
	/* Of an address before a call's end: it holds behind the call as well, so the call leaves
	 * the registers alone that it names. */
	bool holds_on;
};

struct csn_variable {
	const char *name;
	struct csn_type *type; /* NULL unknown */
	bool is_parameter;
	struct csn_value_place place;
};

struct csn_scope {
	uint64_t address;      /* in */
	struct csn_unit *unit; /* NULL: nothing is known about the address */
	/* Entries of the functions, innermost first; the last one is really there. */
	uint64_t *functions;
	size_t n_functions;
	uint64_t entry; /* where the last one begins */
	uint64_t call;  /* entry of the call that ends behind the address; 0 none */
};

/* Fills scopes, in any order. Fails only for NOMEM. */
int csn_dwarf_find_scopes(struct csn_arena *arena, struct csn_dwarf *dwarf,
			  struct csn_scope *scopes, size_t n_scopes, struct csn_error *err)
	csn_must_check;
/* Parameters and variables of one of the scope's functions that are known at its address: those of
 * inner blocks first. Fails only for NOMEM. */
int csn_scope_variables(struct csn_arena *arena, const struct csn_scope *scope, size_t function,
			struct csn_variable **ret_variables, size_t *ret_count,
			struct csn_error *err) csn_must_check;
/* What DW_OP_fbreg counts from. */
void csn_scope_frame_base(const struct csn_scope *scope, struct csn_value_place *ret_place);
/* The value that the scope's call passes in what location, an expression, names; it is to be had in
 * the frame of the scope. Also whom it calls. False: not told. */
bool csn_scope_call_value(const struct csn_scope *scope, struct csn_span location,
			  struct csn_value_place *ret_place, struct csn_callee *ret_callee);
/* The variable of an entry, as seen from an address. False when it is none. */
bool csn_variable_read(const struct csn_type_link *entry, uint64_t address,
		       struct csn_variable *ret_variable);
/* The variable outside of functions that lies at an address, as the scope's unit knows it; name and
 * start are those of the symbol there, for declarations, which say no address. Sets where it
 * begins. False when it knows none. */
bool csn_scope_global(const struct csn_scope *scope, uint64_t address, const char *name,
		      uint64_t start, struct csn_variable *ret_variable, uint64_t *ret_start);
/* The definition of a static member that its own unit holds; remembered in the member. */
bool csn_variable_of_member(struct csn_type_member *member, uint64_t address,
			    struct csn_variable *ret_variable);

/* A variable at the top of a unit, or in a namespace of it ("ns::name"), that is not only declared
 * there; it costs a walk along the unit. False: none. */
bool csn_unit_find_variable(struct csn_unit *unit, const char *name,
			    struct csn_variable *ret_variable);
/* The same for a type with a name; NULL none. */
struct csn_type *csn_unit_find_type(struct csn_unit *unit, const char *name);

/* For operations of expressions: number index of .debug_addr, and the entry at an offset of the
 * unit or (is_global) of the section. */
bool csn_unit_index(struct csn_unit *unit, uint64_t index, uint64_t *ret_value);
bool csn_unit_link(struct csn_unit *unit, uint64_t offset, bool is_global,
		   struct csn_type_link *ret_link);
/* Bytes of an address, 4 or 8. */
uint8_t csn_unit_address_size(const struct csn_unit *unit);
/* The width of offsets that expressions of the unit hold, 4 or 8; of version 2 that of addresses.
 */
uint8_t csn_unit_offset_size(const struct csn_unit *unit);

#endif
