/* The expression machine. Operations are grouped by opcode range, one handler for each; an opcode
 * in no range is not supported. */
#include "dwarf/expr.h"

#include "base/limits.h"

/* DWARF 5, 7.7.1; only those that code below names. */
enum {
	OP_addr = 0x03,
	OP_deref = 0x06,
	OP_const1u = 0x08,
	OP_consts = 0x11,
	OP_dup = 0x12,
	OP_drop = 0x13,
	OP_over = 0x14,
	OP_pick = 0x15,
	OP_swap = 0x16,
	OP_rot = 0x17,
	OP_abs = 0x19,
	OP_and = 0x1a,
	OP_div = 0x1b,
	OP_minus = 0x1c,
	OP_mod = 0x1d,
	OP_mul = 0x1e,
	OP_neg = 0x1f,
	OP_not = 0x20,
	OP_or = 0x21,
	OP_plus = 0x22,
	OP_plus_uconst = 0x23,
	OP_shl = 0x24,
	OP_shr = 0x25,
	OP_shra = 0x26,
	OP_xor = 0x27,
	OP_bra = 0x28,
	OP_eq = 0x29,
	OP_ge = 0x2a,
	OP_gt = 0x2b,
	OP_le = 0x2c,
	OP_lt = 0x2d,
	OP_ne = 0x2e,
	OP_skip = 0x2f,
	OP_lit0 = 0x30,
	OP_lit31 = 0x4f,
	OP_reg0 = 0x50,
	OP_reg31 = 0x6f,
	OP_breg0 = 0x70,
	OP_breg31 = 0x8f,
	OP_regx = 0x90,
	OP_fbreg = 0x91,
	OP_bregx = 0x92,
	OP_deref_size = 0x94,
	OP_piece = 0x93,
	OP_nop = 0x96,
	OP_form_tls_address = 0x9b,
	OP_call_frame_cfa = 0x9c,
	OP_bit_piece = 0x9d,
	OP_implicit_value = 0x9e,
	OP_stack_value = 0x9f,
	OP_implicit_pointer = 0xa0,
	OP_addrx = 0xa1,
	OP_constx = 0xa2,
	OP_entry_value = 0xa3,
	OP_const_type = 0xa4,
	OP_regval_type = 0xa5,
	OP_deref_type = 0xa6,
	OP_convert = 0xa8,
	OP_reinterpret = 0xa9,
	OP_GNU_push_tls_address = 0xe0,
	OP_GNU_uninit = 0xf0,
	OP_GNU_implicit_pointer = 0xf2,
	OP_GNU_entry_value = 0xf3,
	OP_GNU_const_type = 0xf4,
	OP_GNU_regval_type = 0xf5,
	OP_GNU_deref_type = 0xf6,
	OP_GNU_convert = 0xf7,
	OP_GNU_reinterpret = 0xf9,
	OP_GNU_addr_index = 0xfb,
	OP_GNU_const_index = 0xfc,
	OP_GNU_variable_value = 0xfd,
};

struct evaluation {
	const struct csn_expr_input *input;
	struct csn_span at;
	struct csn_error *err;
	struct csn_expr_result result;
	bool finished; /* a location description was reached: nothing may follow */
	unsigned depth;
	size_t n_pieces;
	uint64_t stack[CSN_MAX_EXPR_STACK];
	struct csn_expr_type types[CSN_MAX_EXPR_STACK];
};

typedef int (*operation_fn)(struct evaluation *e, uint8_t opcode);

static uint64_t cut(const struct evaluation *e, uint64_t value)
{
	return e->input->address_size == 4 ? (uint32_t)value : value;
}

static int push(struct evaluation *e, uint64_t value)
{
	if (e->depth >= CSN_MAX_EXPR_STACK)
		return csn_fail(e->err, CSN_E_LIMIT, "expression: stack deeper than %d",
				CSN_MAX_EXPR_STACK);
	e->types[e->depth] = (struct csn_expr_type){ 0 };
	e->stack[e->depth++] = cut(e, value);
	return 0;
}

/* Integers are kept extended to 64 bits, floating point as its bits. */
static uint64_t fit(uint64_t value, struct csn_expr_type type)
{
	unsigned spare = 64 - 8u * type.size_bytes;

	if (!type.size_bytes || spare > 63)
		return value;
	if (type.is_signed && !type.is_float)
		return (uint64_t)((int64_t)(value << spare) >> spare);
	return value << spare >> spare;
}

static int push_typed(struct evaluation *e, uint64_t value, struct csn_expr_type type)
{
	int rc = push(e, 0);

	if (rc < 0)
		return rc;
	e->stack[e->depth - 1] = type.size_bytes ? fit(value, type) : cut(e, value);
	e->types[e->depth - 1] = type;
	return 0;
}

/* 0, or FORMAT when fewer than count values are there. */
static int need(struct evaluation *e, unsigned count)
{
	if (e->depth >= count)
		return 0;
	return csn_fail(e->err, CSN_E_FORMAT, "expression: stack is empty");
}

static uint64_t pop(struct evaluation *e)
{
	return e->stack[--e->depth];
}

/* Of the value on top. */
static struct csn_expr_type top_type(const struct evaluation *e)
{
	return e->types[e->depth - 1];
}

static int64_t as_signed(const struct evaluation *e, uint64_t value, struct csn_expr_type type)
{
	if (type.size_bytes || e->input->address_size == 8)
		return (int64_t)value;
	return (int32_t)(uint32_t)value;
}

static int read_register(struct evaluation *e, uint64_t reg, uint64_t *ret_value)
{
	const struct csn_expr_ops *ops = e->input->ops;

	if (reg > UINT16_MAX || !ops || !ops->read_register ||
	    !ops->read_register(e->input->context, (unsigned)reg, ret_value))
		return csn_fail(e->err, CSN_E_NOT_FOUND, "expression: register %llu is not known",
				(unsigned long long)reg);
	return 0;
}

static int do_constant(struct evaluation *e, uint8_t opcode)
{
	/* const1u, const1s, const2u ... const8s, constu, consts */
	unsigned index = opcode - OP_const1u, width = 1u << (index / 2);

	if (index >= 8)
		return push(e, opcode == OP_consts ? (uint64_t)csn_span_sleb(&e->at)
						   : csn_span_uleb(&e->at));
	return push(e, index & 1 ? (uint64_t)csn_span_int(&e->at, width)
				 : csn_span_uint(&e->at, width));
}

static int do_addr(struct evaluation *e, uint8_t opcode)
{
	(void)opcode;
	return push(e, csn_span_uint(&e->at, e->input->address_size) + e->input->load_bias);
}

static int do_literal(struct evaluation *e, uint8_t opcode)
{
	return push(e, opcode - OP_lit0);
}

static int do_deref(struct evaluation *e, uint8_t opcode)
{
	const struct csn_expr_ops *ops = e->input->ops;
	unsigned size = opcode == OP_deref ? e->input->address_size : csn_span_u8(&e->at);
	uint64_t address, value = 0;
	int rc = need(e, 1);

	if (rc < 0)
		return rc;
	if (size < 1 || size > e->input->address_size)
		return csn_fail(e->err, CSN_E_FORMAT, "expression: read of %u bytes", size);
	address = pop(e);
	if (!ops || !ops->read_memory ||
	    !ops->read_memory(e->input->context, address, size, &value))
		return csn_fail_at(e->err, address, "expression: memory cannot be read");
	return push(e, value);
}

static int do_stack(struct evaluation *e, uint8_t opcode)
{
	unsigned index = opcode == OP_pick ? csn_span_u8(&e->at) : opcode == OP_over;
	struct csn_expr_type type;
	uint64_t top;
	int rc;

	if (opcode == OP_dup || opcode == OP_over || opcode == OP_pick) {
		rc = need(e, index + 1);
		return rc < 0 ? rc
			      : push_typed(e, e->stack[e->depth - 1 - index],
					   e->types[e->depth - 1 - index]);
	}
	rc = need(e, opcode == OP_rot ? 3 : opcode == OP_swap ? 2 : 1);
	if (rc < 0)
		return rc;
	type = top_type(e);
	top = pop(e);
	if (opcode != OP_drop) {
		unsigned moved = opcode == OP_swap ? 1 : 2, place = e->depth - moved;

		memmove(&e->stack[place + 1], &e->stack[place], moved * sizeof(e->stack[0]));
		memmove(&e->types[place + 1], &e->types[place], moved * sizeof(e->types[0]));
		e->stack[place] = top;
		e->types[place] = type;
		e->depth++;
	}
	return 0;
}

static int unsupported(struct evaluation *e, uint8_t opcode)
{
	return csn_fail(e->err, CSN_E_UNSUPPORTED,
			"expression: operation 0x%02x is not supported here", opcode);
}

static double float_of(uint64_t bits, struct csn_expr_type type)
{
	uint32_t half = (uint32_t)bits;
	double value;
	float narrow;

	if (type.size_bytes == sizeof(narrow)) {
		memcpy(&narrow, &half, sizeof(narrow));
		return narrow;
	}
	memcpy(&value, &bits, sizeof(value));
	return value;
}

static uint64_t float_bits(double value, struct csn_expr_type type)
{
	uint64_t bits = 0;
	float narrow;

	if (type.size_bytes == sizeof(narrow)) {
		narrow = (float)value;
		memcpy(&bits, &narrow, sizeof(narrow));
	} else {
		memcpy(&bits, &value, sizeof(value));
	}
	return bits;
}

static int calculate_float(struct evaluation *e, uint8_t opcode, uint64_t left, uint64_t right,
			   struct csn_expr_type type)
{
	double x = float_of(left, type), y = float_of(right, type);

	switch (opcode) {
	case OP_plus:
		return push_typed(e, float_bits(x + y, type), type);
	case OP_minus:
		return push_typed(e, float_bits(x - y, type), type);
	case OP_mul:
		return push_typed(e, float_bits(x * y, type), type);
	case OP_div:
		return push_typed(e, float_bits(x / y, type), type);
	default:
		return unsupported(e, opcode);
	}
}

static int do_unary(struct evaluation *e, uint8_t opcode)
{
	int rc = need(e, 1);
	struct csn_expr_type type;
	uint64_t value;

	if (rc < 0)
		return rc;
	type = top_type(e);
	value = pop(e);
	if (type.is_float)
		return opcode == OP_neg
			       ? push_typed(e, float_bits(-float_of(value, type), type), type)
			       : unsupported(e, opcode);
	switch (opcode) {
	case OP_abs:
		return push_typed(e, as_signed(e, value, type) < 0 ? -value : value, type);
	case OP_neg:
		return push_typed(e, -value, type);
	case OP_not:
		return push_typed(e, ~value, type);
	default:
		return push_typed(e, value + csn_span_uleb(&e->at), type);
	}
}

/* left is the second from the top. Division by zero is the caller's business. */
static uint64_t calculate(const struct evaluation *e, uint8_t opcode, uint64_t left, uint64_t right,
			  struct csn_expr_type type)
{
	unsigned bits = type.size_bytes ? 64 : 8u * e->input->address_size;
	int64_t signed_left = as_signed(e, left, type), signed_right = as_signed(e, right, type);

	switch (opcode) {
	case OP_and:
		return left & right;
	case OP_div:
		/* The one quotient that overflows. */
		return signed_right == -1 ? -left : (uint64_t)(signed_left / signed_right);
	case OP_minus:
		return left - right;
	case OP_mod:
		return left % right;
	case OP_mul:
		return left * right;
	case OP_or:
		return left | right;
	case OP_plus:
		return left + right;
	case OP_shl:
		return right < bits ? left << right : 0;
	case OP_shr:
		return right < bits ? left >> right : 0;
	case OP_shra:
		return (uint64_t)(signed_left >> (right < bits ? right : bits - 1));
	default:
		return left ^ right;
	}
}

static int do_binary(struct evaluation *e, uint8_t opcode)
{
	int rc = need(e, 2);
	struct csn_expr_type type;
	uint64_t right, left;

	if (rc < 0)
		return rc;
	right = pop(e);
	type = top_type(e);
	left = pop(e);
	if (type.is_float)
		return calculate_float(e, opcode, left, right, type);
	if ((opcode == OP_div && !as_signed(e, right, type)) || (opcode == OP_mod && !right))
		return csn_fail(e->err, CSN_E_FORMAT, "expression: division by zero");
	if (opcode == OP_div && type.size_bytes && !type.is_signed)
		return push_typed(e, left / right, type);
	if (opcode == OP_shr)
		left = fit(left, (struct csn_expr_type){ .size_bytes = type.size_bytes });
	return push_typed(e, calculate(e, opcode, left, right, type), type);
}

static int compare(const struct evaluation *e, uint64_t left, uint64_t right,
		   struct csn_expr_type type)
{
	int64_t x = as_signed(e, left, type), y = as_signed(e, right, type);
	double a, b;

	if (type.is_float) {
		a = float_of(left, type);
		b = float_of(right, type);
		return a < b ? -1 : a > b;
	}
	if (type.size_bytes && !type.is_signed)
		return left < right ? -1 : left > right;
	return x < y ? -1 : x > y;
}

static int do_compare(struct evaluation *e, uint8_t opcode)
{
	int rc = need(e, 2), order;
	struct csn_expr_type type;
	uint64_t left, right;

	if (rc < 0)
		return rc;
	right = pop(e);
	type = top_type(e);
	left = pop(e);
	order = compare(e, left, right, type);
	switch (opcode) {
	case OP_eq:
		return push(e, order == 0);
	case OP_ge:
		return push(e, order >= 0);
	case OP_gt:
		return push(e, order > 0);
	case OP_le:
		return push(e, order <= 0);
	case OP_lt:
		return push(e, order < 0);
	default:
		return push(e, order != 0);
	}
}

static int do_jump(struct evaluation *e, uint8_t opcode)
{
	int64_t distance = csn_span_int(&e->at, 2);

	if (opcode == OP_bra) {
		int rc = need(e, 1);

		if (rc < 0)
			return rc;
		if (pop(e) == 0)
			return 0;
	}
	/* A wild distance leaves the span and fails it. */
	csn_span_seek(&e->at, e->at.at + (uint64_t)distance);
	return 0;
}

static int do_register(struct evaluation *e, uint8_t opcode)
{
	e->result.kind = CSN_EXPR_REGISTER;
	e->result.value = opcode == OP_regx ? csn_span_uleb(&e->at) : (uint64_t)opcode - OP_reg0;
	e->finished = true;
	return 0;
}

static int do_based_register(struct evaluation *e, uint8_t opcode)
{
	uint64_t reg = opcode == OP_bregx ? csn_span_uleb(&e->at) : (uint64_t)opcode - OP_breg0;
	int64_t offset = csn_span_sleb(&e->at);
	uint64_t value = 0;
	int rc = read_register(e, reg, &value);

	return rc < 0 ? rc : push(e, value + (uint64_t)offset);
}

static int do_frame(struct evaluation *e, uint8_t opcode)
{
	const struct csn_expr_ops *ops = e->input->ops;
	uint64_t offset = opcode == OP_fbreg ? (uint64_t)csn_span_sleb(&e->at) : 0;
	bool (*ask)(void *context, uint64_t *ret_value) = NULL;
	uint64_t base = 0;

	if (ops)
		ask = opcode == OP_fbreg ? ops->frame_base : ops->call_frame_cfa;
	if (!ask || !ask(e->input->context, &base))
		return csn_fail(e->err, CSN_E_NOT_FOUND, "expression: the frame is not known");
	return push(e, base + offset);
}

static int do_tls(struct evaluation *e, uint8_t opcode)
{
	const struct csn_expr_ops *ops = e->input->ops;
	uint64_t address = 0;
	int rc = need(e, 1);

	(void)opcode;
	if (rc < 0)
		return rc;
	if (!ops || !ops->tls_address || !ops->tls_address(e->input->context, pop(e), &address))
		return csn_fail(e->err, CSN_E_NOT_FOUND,
				"expression: the thread's storage is not known");
	return push(e, address);
}

static int do_nop(struct evaluation *e, uint8_t opcode)
{
	(void)e;
	(void)opcode;
	return 0;
}

static int do_stack_value(struct evaluation *e, uint8_t opcode)
{
	int rc = need(e, 1);

	(void)opcode;
	if (rc < 0)
		return rc;
	e->result.kind = CSN_EXPR_VALUE;
	e->result.value = pop(e);
	e->finished = true;
	return 0;
}

static int do_implicit_value(struct evaluation *e, uint8_t opcode)
{
	(void)opcode;
	e->result.kind = CSN_EXPR_IMPLICIT;
	e->result.implicit = csn_span_take(&e->at, csn_span_uleb(&e->at));
	e->finished = true;
	return 0;
}

/* --- what needs entries --- */

static int do_implicit_pointer(struct evaluation *e, uint8_t opcode)
{
	(void)opcode;
	e->result.kind = CSN_EXPR_POINTER;
	e->result.value = csn_span_uint(&e->at, e->input->offset_size);
	e->result.offset = csn_span_sleb(&e->at);
	e->finished = true;
	return 0;
}

static int do_indexed(struct evaluation *e, uint8_t opcode)
{
	const struct csn_expr_ops *ops = e->input->ops;
	bool is_address = opcode == OP_addrx || opcode == OP_GNU_addr_index;
	uint64_t index = csn_span_uleb(&e->at), value = 0;

	if (!ops || !ops->indexed || !ops->indexed(e->input->context, index, is_address, &value))
		return csn_fail(e->err, CSN_E_NOT_FOUND, "expression: no address %llu",
				(unsigned long long)index);
	return push(e, value);
}

static int do_entry_value(struct evaluation *e, uint8_t opcode)
{
	const struct csn_expr_ops *ops = e->input->ops;
	struct csn_span location = csn_span_take(&e->at, csn_span_uleb(&e->at));
	uint64_t value = 0;

	(void)opcode;
	if (!ops || !ops->entry_value || !ops->entry_value(e->input->context, location, &value))
		return csn_fail(e->err, CSN_E_NOT_FOUND,
				"expression: the value at entry is not known");
	return push(e, value);
}

static int do_variable(struct evaluation *e, uint8_t opcode)
{
	const struct csn_expr_ops *ops = e->input->ops;
	uint64_t offset = csn_span_uint(&e->at, e->input->offset_size), value = 0;

	(void)opcode;
	if (!ops || !ops->variable || !ops->variable(e->input->context, offset, &value))
		return csn_fail(e->err, CSN_E_NOT_FOUND, "expression: a variable is not known");
	return push(e, value);
}

/* The type at an offset of the unit; at 0 it is the generic one. */
static int read_type(struct evaluation *e, struct csn_expr_type *ret_type)
{
	const struct csn_expr_ops *ops = e->input->ops;
	uint64_t offset = csn_span_uleb(&e->at);

	*ret_type = (struct csn_expr_type){ 0 };
	if (!offset ||
	    (ops && ops->base_type && ops->base_type(e->input->context, offset, ret_type)))
		return 0;
	return csn_fail(e->err, CSN_E_UNSUPPORTED, "expression: a type is not known");
}

static int do_const_type(struct evaluation *e, uint8_t opcode)
{
	struct csn_expr_type type;
	int rc = read_type(e, &type);
	unsigned size = csn_span_u8(&e->at);

	(void)opcode;
	return rc < 0 ? rc : push_typed(e, csn_span_uint(&e->at, size), type);
}

static int do_regval_type(struct evaluation *e, uint8_t opcode)
{
	uint64_t reg = csn_span_uleb(&e->at), value = 0;
	struct csn_expr_type type;
	int rc = read_type(e, &type);

	(void)opcode;
	if (rc == 0)
		rc = read_register(e, reg, &value);
	return rc < 0 ? rc : push_typed(e, value, type);
}

static int do_deref_type(struct evaluation *e, uint8_t opcode)
{
	struct csn_expr_type type;
	int rc = do_deref(e, opcode);

	if (rc == 0)
		rc = read_type(e, &type);
	return rc < 0 ? rc : push_typed(e, pop(e), type);
}

static int do_convert(struct evaluation *e, uint8_t opcode)
{
	bool reinterpret = opcode == OP_reinterpret || opcode == OP_GNU_reinterpret;
	struct csn_expr_type from, to;
	int rc = read_type(e, &to);
	uint64_t value;
	double number;

	if (rc == 0)
		rc = need(e, 1);
	if (rc < 0)
		return rc;
	from = top_type(e);
	value = pop(e);
	if (reinterpret || from.is_float == to.is_float) {
		if (!reinterpret && from.is_float)
			value = float_bits(float_of(value, from), to);
		return push_typed(e, value, to);
	}
	if (to.is_float)
		return push_typed(
			e, float_bits(from.is_signed ? (double)(int64_t)value : (double)value, to),
			to);
	number = float_of(value, from);
	if (!(number > -9e18 && number < 9e18))
		return unsupported(e, opcode);
	return push_typed(e, (uint64_t)(int64_t)number, to);
}

/* What came before is where a part of the value is; nothing: that part is lost. */
static int do_piece(struct evaluation *e, uint8_t opcode)
{
	uint64_t size = csn_span_uleb(&e->at), offset = 0;
	struct csn_expr_piece *piece;

	if (opcode == OP_bit_piece)
		offset = csn_span_uleb(&e->at);
	else if (__builtin_mul_overflow(size, 8u, &size))
		return csn_fail(e->err, CSN_E_FORMAT, "expression: a piece is too long");
	if (!e->input->pieces || e->n_pieces >= e->input->max_pieces)
		return csn_fail(e->err, CSN_E_UNSUPPORTED, "expression: pieces are not supported");
	piece = &e->input->pieces[e->n_pieces++];
	*piece = (struct csn_expr_piece){ .place = e->result,
					  .size_bits = size,
					  .offset_bits = offset };
	if (!e->finished && e->depth)
		piece->place.value = pop(e);
	else if (!e->finished)
		piece->place.kind = CSN_EXPR_EMPTY;
	e->result = (struct csn_expr_result){ .kind = CSN_EXPR_MEMORY };
	e->finished = false;
	return 0;
}

/* Most frequent first: the search is linear. */
static const struct operation {
	uint8_t first, last;
	operation_fn execute;
} operations[] = {
	{ OP_breg0, OP_breg31, do_based_register },
	{ OP_lit0, OP_lit31, do_literal },
	{ OP_const1u, OP_consts, do_constant },
	{ OP_plus_uconst, OP_plus_uconst, do_unary },
	{ OP_deref, OP_deref, do_deref },
	{ OP_fbreg, OP_fbreg, do_frame },
	{ OP_reg0, OP_reg31, do_register },
	{ OP_dup, OP_rot, do_stack },
	{ OP_and, OP_mul, do_binary },
	{ OP_or, OP_plus, do_binary },
	{ OP_shl, OP_xor, do_binary },
	{ OP_eq, OP_ne, do_compare },
	{ OP_bra, OP_bra, do_jump },
	{ OP_skip, OP_skip, do_jump },
	{ OP_addr, OP_addr, do_addr },
	{ OP_abs, OP_abs, do_unary },
	{ OP_neg, OP_not, do_unary },
	{ OP_deref_size, OP_deref_size, do_deref },
	{ OP_regx, OP_regx, do_register },
	{ OP_bregx, OP_bregx, do_based_register },
	{ OP_call_frame_cfa, OP_call_frame_cfa, do_frame },
	{ OP_nop, OP_nop, do_nop },
	{ OP_stack_value, OP_stack_value, do_stack_value },
	{ OP_implicit_value, OP_implicit_value, do_implicit_value },
	{ OP_form_tls_address, OP_form_tls_address, do_tls },
	{ OP_GNU_push_tls_address, OP_GNU_push_tls_address, do_tls },
	{ OP_piece, OP_piece, do_piece },
	{ OP_bit_piece, OP_bit_piece, do_piece },
	{ OP_entry_value, OP_entry_value, do_entry_value },
	{ OP_GNU_entry_value, OP_GNU_entry_value, do_entry_value },
	{ OP_implicit_pointer, OP_implicit_pointer, do_implicit_pointer },
	{ OP_GNU_implicit_pointer, OP_GNU_implicit_pointer, do_implicit_pointer },
	{ OP_convert, OP_reinterpret, do_convert },
	{ OP_GNU_convert, OP_GNU_convert, do_convert },
	{ OP_GNU_reinterpret, OP_GNU_reinterpret, do_convert },
	{ OP_addrx, OP_constx, do_indexed },
	{ OP_GNU_addr_index, OP_GNU_const_index, do_indexed },
	{ OP_const_type, OP_const_type, do_const_type },
	{ OP_GNU_const_type, OP_GNU_const_type, do_const_type },
	{ OP_regval_type, OP_regval_type, do_regval_type },
	{ OP_GNU_regval_type, OP_GNU_regval_type, do_regval_type },
	{ OP_deref_type, OP_deref_type, do_deref_type },
	{ OP_GNU_deref_type, OP_GNU_deref_type, do_deref_type },
	{ OP_GNU_variable_value, OP_GNU_variable_value, do_variable },
	{ OP_GNU_uninit, OP_GNU_uninit, do_nop },
};

static operation_fn find_operation(uint8_t opcode)
{
	size_t i;

	for (i = 0; i < csn_countof(operations); i++) {
		if (opcode >= operations[i].first && opcode <= operations[i].last)
			return operations[i].execute;
	}
	return NULL;
}

static int run(struct evaluation *e)
{
	unsigned steps;
	int rc;

	for (steps = 0; csn_span_left(&e->at) > 0; steps++) {
		uint8_t opcode = csn_span_u8(&e->at);
		operation_fn execute = find_operation(opcode);

		if (steps >= CSN_MAX_EXPR_STEPS)
			return csn_fail(e->err, CSN_E_LIMIT, "expression: more than %u steps",
					CSN_MAX_EXPR_STEPS);
		/* Behind a location comes nothing, or how much of the value it is. */
		if (!execute || (e->finished && execute != do_piece && execute != do_nop))
			return unsupported(e, opcode);
		rc = execute(e, opcode);
		if (!csn_span_ok(&e->at))
			break;
		if (rc < 0)
			return rc;
	}
	if (!csn_span_ok(&e->at))
		return csn_fail(e->err, CSN_E_FORMAT, "expression: cut short");
	return 0;
}

int csn_expr_evaluate(const struct csn_expr_input *input, struct csn_expr_result *ret_result,
		      struct csn_error *err)
{
	struct evaluation e = { .input = input,
				.at = input->bytes,
				.err = err,
				.result = { .kind = CSN_EXPR_MEMORY } };
	int rc = 0;

	if (input->address_size != 4 && input->address_size != 8)
		return csn_fail(err, CSN_E_UNSUPPORTED, "addresses of %u bytes",
				input->address_size);
	if (csn_span_ok(&e.at) && csn_span_left(&e.at) == 0) {
		ret_result->kind = CSN_EXPR_EMPTY;
		ret_result->value = 0;
		return 0;
	}
	if (input->has_initial)
		rc = push(&e, input->initial);
	if (rc == 0)
		rc = run(&e);
	if (rc == 0 && !e.finished && !e.n_pieces)
		rc = need(&e, 1);
	if (rc < 0)
		return rc;
	if (e.n_pieces) {
		e.result.kind = CSN_EXPR_PIECES;
		e.result.n_pieces = e.n_pieces;
	} else if (!e.finished) {
		e.result.value = pop(&e);
	}
	*ret_result = e.result;
	return 0;
}
