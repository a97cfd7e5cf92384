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
	OP_nop = 0x96,
	OP_form_tls_address = 0x9b,
	OP_call_frame_cfa = 0x9c,
	OP_implicit_value = 0x9e,
	OP_stack_value = 0x9f,
	OP_GNU_push_tls_address = 0xe0,
};

struct evaluation {
	const struct csn_expr_input *input;
	struct csn_span at;
	struct csn_error *err;
	struct csn_expr_result result;
	bool finished; /* a location description was reached: nothing may follow */
	unsigned depth;
	uint64_t stack[CSN_MAX_EXPR_STACK];
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
	e->stack[e->depth++] = cut(e, value);
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

static int64_t as_signed(const struct evaluation *e, uint64_t value)
{
	return e->input->address_size == 4 ? (int32_t)(uint32_t)value : (int64_t)value;
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
	uint64_t top;
	int rc;

	if (opcode == OP_dup || opcode == OP_over || opcode == OP_pick) {
		rc = need(e, index + 1);
		return rc < 0 ? rc : push(e, e->stack[e->depth - 1 - index]);
	}
	rc = need(e, opcode == OP_rot ? 3 : opcode == OP_swap ? 2 : 1);
	if (rc < 0)
		return rc;
	top = pop(e);
	if (opcode == OP_swap) {
		uint64_t second = pop(e);

		e->stack[e->depth++] = top;
		e->stack[e->depth++] = second;
	} else if (opcode == OP_rot) {
		uint64_t second = pop(e), third = pop(e);

		e->stack[e->depth++] = top;
		e->stack[e->depth++] = third;
		e->stack[e->depth++] = second;
	}
	return 0;
}

static int do_unary(struct evaluation *e, uint8_t opcode)
{
	int rc = need(e, 1);
	uint64_t value;

	if (rc < 0)
		return rc;
	value = pop(e);
	switch (opcode) {
	case OP_abs:
		return push(e, as_signed(e, value) < 0 ? -value : value);
	case OP_neg:
		return push(e, -value);
	case OP_not:
		return push(e, ~value);
	default:
		return push(e, value + csn_span_uleb(&e->at));
	}
}

/* left is the second from the top. Division by zero is the caller's business. */
static uint64_t calculate(const struct evaluation *e, uint8_t opcode, uint64_t left, uint64_t right)
{
	unsigned bits = 8u * e->input->address_size;
	int64_t signed_left = as_signed(e, left);

	switch (opcode) {
	case OP_and:
		return left & right;
	case OP_div:
		/* The one quotient that overflows. */
		return as_signed(e, right) == -1 ? -left
						 : (uint64_t)(signed_left / as_signed(e, right));
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
	uint64_t right;

	if (rc < 0)
		return rc;
	right = pop(e);
	if (right == 0 && (opcode == OP_div || opcode == OP_mod))
		return csn_fail(e->err, CSN_E_FORMAT, "expression: division by zero");
	return push(e, calculate(e, opcode, pop(e), right));
}

static int do_compare(struct evaluation *e, uint8_t opcode)
{
	int rc = need(e, 2);
	int64_t left, right;

	if (rc < 0)
		return rc;
	right = as_signed(e, pop(e));
	left = as_signed(e, pop(e));
	switch (opcode) {
	case OP_eq:
		return push(e, left == right);
	case OP_ge:
		return push(e, left >= right);
	case OP_gt:
		return push(e, left > right);
	case OP_le:
		return push(e, left <= right);
	case OP_lt:
		return push(e, left < right);
	default:
		return push(e, left != right);
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
		if (e->finished || !execute)
			return csn_fail(e->err, CSN_E_UNSUPPORTED,
					"expression: operation 0x%02x is not supported here",
					opcode);
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
	if (rc == 0 && !e.finished)
		rc = need(&e, 1);
	if (rc < 0)
		return rc;
	if (!e.finished)
		e.result.value = pop(&e);
	*ret_result = e.result;
	return 0;
}
