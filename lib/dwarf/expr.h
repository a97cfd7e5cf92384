/* DWARF expressions: a stack machine over the target's registers and memory (DWARF 5, 2.5).
 *
 * Values come through a callback record, so the same evaluator serves unwinding (CFA, saved
 * registers) and, later, variable locations. Steps and stack are bounded by base/limits.h. No
 * allocation; reentrant. */
#ifndef CSN_DWARF_EXPR_H
#define CSN_DWARF_EXPR_H

#include "base/error.h"
#include "base/span.h"

/* The type of a value on the stack; size 0: the generic type, an integer like an address. */
struct csn_expr_type {
	uint8_t size_bytes; /* 0, 1, 2, 4, 8 */
	bool is_signed, is_float;
};

/* Each yields false for "not known", which ends the evaluation as NOT_FOUND (FAULT for memory).
 * A NULL member means: never known. */
struct csn_expr_ops {
	bool (*read_register)(void *context, unsigned dwarf_register, uint64_t *ret_value);
	/* size_bytes 1..8, little-endian, zero-extended */
	bool (*read_memory)(void *context, csn_addr address, unsigned size_bytes,
			    uint64_t *ret_value);
	bool (*call_frame_cfa)(void *context, uint64_t *ret_value);
	bool (*frame_base)(void *context, uint64_t *ret_value);
	bool (*tls_address)(void *context, uint64_t offset, uint64_t *ret_value);
	/* What location, an expression, yielded when the function was entered. */
	bool (*entry_value)(void *context, struct csn_span location, uint64_t *ret_value);
	/* Number index of the unit's table of addresses, as the expression means it. */
	bool (*indexed)(void *context, uint64_t index, bool is_address, uint64_t *ret_value);
	/* The base type at an offset of the unit. */
	bool (*base_type)(void *context, uint64_t offset, struct csn_expr_type *ret_type);
	/* The value of the variable whose entry is at an offset of the section. */
	bool (*variable)(void *context, uint64_t offset, uint64_t *ret_value);
};

struct csn_expr_piece;

struct csn_expr_input {
	struct csn_span bytes;
	const struct csn_expr_ops *ops; /* borrowed */
	void *context;
	uint64_t load_bias;            /* added to DW_OP_addr */
	uint8_t address_size;          /* 4 or 8 */
	uint8_t offset_size;           /* of references in it, 4 or 8; 0: it has none */
	struct csn_expr_piece *pieces; /* room for pieces; NULL: they are not supported */
	size_t max_pieces;
	bool has_initial; /* initial is pushed first (register rules get the CFA) */
	uint64_t initial;
};

enum csn_expr_kind {
	CSN_EXPR_MEMORY,   /* value is an address (or the plain result for CFI) */
	CSN_EXPR_VALUE,    /* DW_OP_stack_value: value itself */
	CSN_EXPR_REGISTER, /* in register number value */
	CSN_EXPR_IMPLICIT, /* the bytes of implicit */
	CSN_EXPR_EMPTY,    /* an empty expression: optimised out */
	CSN_EXPR_POINTER,  /* points, with an offset, to what the entry at value describes */
	CSN_EXPR_PIECES,   /* in n_pieces pieces */
};

struct csn_expr_result {
	enum csn_expr_kind kind;
	uint64_t value;
	int64_t offset;           /* POINTER, bytes */
	struct csn_span implicit; /* borrowed from the expression */
	size_t n_pieces;
};

/* A part of a value, in the order of its bits. */
struct csn_expr_piece {
	struct csn_expr_result place;    /* never PIECES */
	uint64_t size_bits, offset_bits; /* offset in the register or implicit value */
};

/* FORMAT: malformed; LIMIT: too many steps or too deep; NOT_FOUND: a register not known;
 * FAULT: memory not readable; UNSUPPORTED: operations that we do not know. */
int csn_expr_evaluate(const struct csn_expr_input *input, struct csn_expr_result *ret_result,
		      struct csn_error *err) csn_must_check;

#endif
