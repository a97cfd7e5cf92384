/* Origins: where the values in registers came from.
 *
 * The code of a function from the last place that jumps may lead to is followed up to one
 * instruction, in terms of what registers held there and what was loaded from where. What is not
 * followed is unknown; it still has its value. Terms live in the arena given. Private to the
 * analysis; no state, any thread. */
#ifndef CSN_ANALYZE_ORIGIN_H
#define CSN_ANALYZE_ORIGIN_H

#include "analyze/scene.h"

enum csn_term_kind {
	CSN_TERM_UNKNOWN,
	CSN_TERM_CONSTANT, /* value */
	CSN_TERM_REGISTER, /* what register reg held at the start */
	CSN_TERM_LOAD,     /* size_bytes at first, extended */
	CSN_TERM_SUM,      /* first + scale times second + value; either may be NULL */
	CSN_TERM_LOW,      /* size_bytes of first, extended */
};

struct csn_term {
	enum csn_term_kind kind;
	uint8_t reg, size_bytes, scale;
	bool is_signed;
	uint8_t depth; /* of terms in it */
	uint64_t value;
	const struct csn_term *first, *second;
};

/* Right before one instruction. */
struct csn_origin {
	struct csn_arena *arena;
	struct csn_target *target;
	const struct csn_value_frame *frame;
	csn_addr at;             /* the instruction */
	csn_addr target_address; /* what it calls or jumps to; 0: that is in a register or memory */
	struct csn_flow flow;
	const struct csn_term *registers[CSN_N_REGISTERS]; /* NULL: what it held at the start */
};

/* Of the instruction that the frame is at: the call that it waits for, unless it was stopped at
 * one. False when its code cannot be followed. */
bool csn_origin_find(const struct csn_scene *scene, const struct csn_value_frame *frame,
		     struct csn_origin *ret_origin);
/* What a register holds; NULL when out of memory, or number is none. */
const struct csn_term *csn_origin_register(struct csn_origin *origin, unsigned number);
/* The address of the instruction's operand; NULL when it has none. */
const struct csn_term *csn_origin_operand(struct csn_origin *origin);
/* What it calls or jumps through, or divides by, when that is in a register or in memory. */
const struct csn_term *csn_origin_source(struct csn_origin *origin);
/* The value of a term: what the register holds that it is in, else from memory as it is now. */
bool csn_origin_value(struct csn_origin *origin, const struct csn_term *term, uint64_t *ret_value);
/* Memory says the same of it as the register that it is in. */
bool csn_origin_holds(struct csn_origin *origin, const struct csn_term *term);

#endif
