#include "analyze/origin.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/limits.h"
#include "symbols/lookup.h"

#define CSN_TERM_DEPTH 12u
/* No instruction is longer. */
#define CSN_LONGEST_INSTRUCTION 16u

/* The code of one function. */
struct csn_stretch {
	const struct csn_arch *arch;
	csn_addr start;
	size_t size_bytes;
	uint8_t *bytes;    /* owned */
	uint32_t *sources; /* owned: for each byte, what jumps there; number + 1 */
};

/* Of jumps to one place: more than one. */
#define CSN_MANY_SOURCES UINT32_MAX

/* Instructions one behind the other, from one to another. */
struct csn_way {
	size_t from, to; /* to is the last one */
	bool has_before; /* only the jump at before leads to from */
	size_t before;
};

#define CSN_WAYS 4u

static void csn_code_done(struct csn_stretch *code)
{
	free(code->bytes);
	free(code->sources);
}

/* --- the code --- */

static bool csn_code_read(const struct csn_scene *scene, csn_addr pc, struct csn_stretch *ret_code)
{
	struct csn_lookup lookup = { .pc = pc };
	uint64_t size;

	if (csn_lookup_symbols(scene->snapshot->arena, scene->modules, &lookup, 1, NULL) < 0 ||
	    !lookup.symbol || lookup.symbol->is_nearest || pc < lookup.symbol->start)
		return false;
	size = lookup.symbol->size;
	if (!size || size > CSN_MAX_ORIGIN_BYTES || pc - lookup.symbol->start >= size)
		return false;
	*ret_code = (struct csn_stretch){ .arch = scene->target->arch,
					  .start = lookup.symbol->start,
					  .bytes = malloc(size),
					  .sources = calloc(size, sizeof(uint32_t)) };
	if (!ret_code->bytes || !ret_code->sources)
		return false;
	ret_code->size_bytes =
		csn_target_read_some(scene->target, ret_code->start, ret_code->bytes, size);
	return true;
}

static bool csn_code_step(const struct csn_stretch *code, size_t at, struct csn_step *ret_step)
{
	size_t left = code->size_bytes - at;

	return code->arch->decode_step(code->bytes + at,
				       left < CSN_LONGEST_INSTRUCTION ? left
								      : CSN_LONGEST_INSTRUCTION,
				       code->start + at, ret_step);
}

/* Finds out what jumps lead to. False when there is code that is no instructions. */
static bool csn_code_find_labels(const struct csn_stretch *code)
{
	struct csn_step step;

	for (size_t at = 0; at < code->size_bytes; at += step.length) {
		uint32_t *source;

		if (!csn_code_step(code, at, &step))
			return false;
		if ((step.kind != CSN_STEP_JUMP && step.kind != CSN_STEP_BRANCH) ||
		    step.target < code->start || step.target - code->start >= code->size_bytes)
			continue;
		source = &code->sources[step.target - code->start];
		*source = *source ? CSN_MANY_SOURCES : (uint32_t)at + 1;
	}
	return true;
}

/* The straight way to the instruction at goal, or (is_return) to the call that ends there. False
 * when no instruction is there. */
static bool csn_code_find_way(const struct csn_stretch *code, size_t goal, bool is_return,
			      struct csn_way *ret_way)
{
	struct csn_way way = { .has_before = false };
	bool falls = true; /* into the next instruction */
	struct csn_step step;
	size_t at;

	for (at = 0;; at += step.length) {
		if (at > goal || at >= code->size_bytes || !csn_code_step(code, at, &step))
			return false;
		if (code->sources[at] || !falls) {
			way.from = at;
			way.has_before = code->sources[at] && !falls &&
					 code->sources[at] != CSN_MANY_SOURCES;
			way.before = way.has_before ? code->sources[at] - 1 : 0;
		}
		if (is_return ? at + step.length == goal : at == goal)
			break;
		falls = step.kind != CSN_STEP_JUMP && step.kind != CSN_STEP_RETURN &&
			step.kind != CSN_STEP_STOP;
	}
	way.to = at;
	*ret_way = way;
	return !is_return || step.kind == CSN_STEP_CALL;
}

/* All of the way, its last part first. */
static size_t csn_code_find_ways(const struct csn_stretch *code, size_t goal, bool is_return,
				 struct csn_way ways[CSN_WAYS])
{
	size_t n = 0;

	while (n < CSN_WAYS && csn_code_find_way(code, goal, is_return, &ways[n])) {
		goal = ways[n].before;
		is_return = false;
		if (!ways[n++].has_before)
			break;
	}
	return n;
}

/* --- terms --- */

static struct csn_term *csn_term_new(struct csn_origin *origin, enum csn_term_kind kind,
				     const struct csn_term *first, const struct csn_term *second)
{
	struct csn_term *term = csn_arena_alloc(origin->arena, sizeof(*term));
	unsigned depth = 1;

	if (!term)
		return NULL;
	if (first && first->depth >= depth)
		depth = first->depth + 1u;
	if (second && second->depth >= depth)
		depth = second->depth + 1u;
	/* What is too long a way is no way that anybody would follow. */
	if (depth > CSN_TERM_DEPTH) {
		term->depth = 1;
		return term;
	}
	*term = (struct csn_term){
		.kind = kind, .first = first, .second = second, .depth = (uint8_t)depth
	};
	return term;
}

const struct csn_term *csn_origin_register(struct csn_origin *origin, unsigned number)
{
	struct csn_term *term;

	if (number >= CSN_N_REGISTERS)
		return NULL;
	if (origin->registers[number])
		return origin->registers[number];
	term = csn_term_new(origin, CSN_TERM_REGISTER, NULL, NULL);
	if (term)
		term->reg = (uint8_t)number;
	origin->registers[number] = term;
	return term;
}

/* Sums of sums become one, if that can be said with two parts. */
static const struct csn_term *csn_term_sum(struct csn_origin *origin, const struct csn_term *first,
					   const struct csn_term *second, unsigned scale,
					   uint64_t value)
{
	struct csn_term *sum;

	if (second && second->kind == CSN_TERM_CONSTANT) {
		value += second->value * scale;
		second = NULL;
	}
	if (second && second->kind == CSN_TERM_SUM && !second->second) {
		value += second->value * scale;
		second = second->first;
	}
	if (first && first->kind == CSN_TERM_CONSTANT) {
		value += first->value;
		first = NULL;
	}
	if (first && first->kind == CSN_TERM_SUM && (!first->second || !second)) {
		value += first->value;
		if (!second) {
			second = first->second;
			scale = first->scale;
		}
		first = first->first;
	}
	if (!first && second && scale == 1) {
		first = second;
		second = NULL;
	}
	if (first && !second && !value)
		return first;
	sum = csn_term_new(origin, first || second ? CSN_TERM_SUM : CSN_TERM_CONSTANT, first,
			   second);
	if (sum) {
		sum->value = value;
		sum->scale = (uint8_t)scale;
	}
	return sum;
}

static const struct csn_term *csn_term_part(struct csn_origin *origin, enum csn_term_kind kind,
					    const struct csn_term *first,
					    const struct csn_flow *flow)
{
	struct csn_term *part;

	if (!first || (kind == CSN_TERM_LOW && (!flow->size_bytes || flow->size_bytes >= 8)))
		return first;
	part = csn_term_new(origin, kind, first, NULL);
	if (part) {
		part->size_bytes = flow->size_bytes;
		part->is_signed = flow->is_signed;
	}
	return part;
}

/* Base, index and displacement of the instruction. */
static const struct csn_term *csn_term_address(struct csn_origin *origin)
{
	const struct csn_flow *flow = &origin->flow;
	const struct csn_term *base = csn_origin_register(origin, flow->base);
	const struct csn_term *index = csn_origin_register(origin, flow->index);

	if ((!base && flow->base != CSN_NO_REGISTER) || (!index && flow->index != CSN_NO_REGISTER))
		return NULL;
	return csn_term_sum(origin, base, index, flow->scale, (uint64_t)flow->displacement);
}

const struct csn_term *csn_origin_operand(struct csn_origin *origin)
{
	return origin->flow.has_operand ? csn_term_address(origin) : NULL;
}

const struct csn_term *csn_origin_source(struct csn_origin *origin)
{
	if (origin->flow.source != CSN_NO_REGISTER)
		return csn_origin_register(origin, origin->flow.source);
	return csn_term_part(origin, CSN_TERM_LOAD, csn_origin_operand(origin), &origin->flow);
}

/* --- the way --- */

static bool csn_is_on_stack(const struct csn_origin *origin, const struct csn_term *address)
{
	const struct csn_arch *arch = origin->target->arch;

	if (address && address->kind == CSN_TERM_SUM && !address->second)
		address = address->first;
	return address && address->kind == CSN_TERM_REGISTER &&
	       (address->reg == arch->sp || address->reg == arch->fp);
}

/* What is stored in a variable on the stack is that variable's value from then on, wherever else it
 * came from. */
static void csn_follow_store(struct csn_origin *origin)
{
	const struct csn_flow *flow = &origin->flow;
	const struct csn_term *address = csn_origin_operand(origin), *stored, *loaded;

	if (flow->size_bytes != 8 || flow->source == CSN_NO_REGISTER ||
	    !csn_is_on_stack(origin, address))
		return;
	stored = origin->registers[flow->source];
	loaded = csn_term_part(origin, CSN_TERM_LOAD, address, flow);
	for (unsigned i = 0; stored && i < CSN_N_REGISTERS; i++)
		if (origin->registers[i] == stored)
			origin->registers[i] = loaded;
}

/* What the instruction leaves in its register; NULL when that is not known. */
static const struct csn_term *csn_follow_result(struct csn_origin *origin)
{
	const struct csn_flow *flow = &origin->flow;
	struct csn_term *constant;

	switch (flow->kind) {
	case CSN_FLOW_COPY:
		return csn_term_part(origin, CSN_TERM_LOW,
				     csn_origin_register(origin, flow->source), flow);
	case CSN_FLOW_LOAD:
		return csn_term_part(origin, CSN_TERM_LOAD, csn_origin_operand(origin), flow);
	case CSN_FLOW_ADDRESS:
		return csn_term_address(origin);
	case CSN_FLOW_CONSTANT:
		constant = csn_term_new(origin, CSN_TERM_CONSTANT, NULL, NULL);
		if (constant)
			constant->value = flow->value;
		return constant;
	default:
		return NULL;
	}
}

static void csn_follow(struct csn_origin *origin, const struct csn_step *step)
{
	const struct csn_term *result = csn_follow_result(origin);
	uint64_t changed = origin->flow.changed;

	if (origin->flow.kind == CSN_FLOW_STORE)
		csn_follow_store(origin);
	if (step->kind == CSN_STEP_CALL)
		changed |= origin->target->arch->clobbered;
	for (unsigned i = 0; i < CSN_N_REGISTERS; i++)
		if (changed >> i & 1)
			origin->registers[i] = csn_term_new(origin, CSN_TERM_UNKNOWN, NULL, NULL);
	if (result && origin->flow.into < CSN_N_REGISTERS)
		origin->registers[origin->flow.into] = result;
}

/* Follows instructions up to the last one, which is only looked at. */
static bool csn_follow_way(struct csn_origin *origin, const struct csn_stretch *code,
			   const struct csn_way *way)
{
	const struct csn_arch *arch = code->arch;
	struct csn_step step;
	size_t at;

	for (at = way->from;; at += step.length) {
		if (at > way->to || !csn_code_step(code, at, &step) ||
		    !arch->decode_flow(code->bytes + at,
				       csn_min_u64(code->size_bytes - at, CSN_LONGEST_INSTRUCTION),
				       code->start + at, &origin->flow))
			return false;
		if (at == way->to)
			break;
		csn_follow(origin, &step);
	}
	origin->at = code->start + at;
	origin->target_address = step.target;
	return true;
}

bool csn_origin_find(const struct csn_scene *scene, const struct csn_value_frame *frame,
		     struct csn_origin *ret_origin)
{
	cleanup_(csn_code_done) struct csn_stretch code = { 0 };
	const struct csn_arch *arch = scene->target->arch;
	struct csn_way ways[CSN_WAYS];
	size_t n;

	*ret_origin = (struct csn_origin){ .arena = scene->snapshot->arena,
					   .target = scene->target,
					   .frame = frame };
	if (!arch->decode_flow || !arch->decode_step || !scene->modules ||
	    !csn_code_read(scene, frame->pc - !frame->exact, &code) || !csn_code_find_labels(&code))
		return false;
	n = csn_code_find_ways(&code, frame->pc - code.start, !frame->exact, ways);
	for (size_t i = n; i-- > 0;)
		if (!csn_follow_way(ret_origin, &code, &ways[i]))
			return false;
	return n > 0;
}

/* --- values --- */

static bool csn_register_value(const struct csn_origin *origin, unsigned number,
			       uint64_t *ret_value)
{
	const struct csn_value_frame *frame = origin->frame;

	/* Of those that wait for a call, the unwinder knows only what the call leaves alone. */
	if (!csn_register_known(&frame->registers, number))
		return false;
	*ret_value = frame->registers.value[number];
	return true;
}

/* The register that the term is in now, or in with something added. */
static bool csn_value_in_register(const struct csn_origin *origin, const struct csn_term *term,
				  uint64_t *ret_value)
{
	for (unsigned i = 0; i < origin->target->arch->n_dwarf; i++) {
		const struct csn_term *held = origin->registers[i];
		bool is_it = held == term ||
			     (!held && term->kind == CSN_TERM_REGISTER && term->reg == i);
		bool plus =
			held && held->kind == CSN_TERM_SUM && held->first == term && !held->second;

		if ((is_it || plus) && csn_register_value(origin, i, ret_value)) {
			*ret_value -= plus ? held->value : 0;
			return true;
		}
	}
	return false;
}

static uint64_t csn_extend(uint64_t value, const struct csn_term *term)
{
	unsigned bits = 8u * term->size_bytes;

	if (!bits || bits >= 64)
		return value;
	value &= (1ull << bits) - 1;
	return term->is_signed && value >> (bits - 1) ? value | UINT64_MAX << bits : value;
}

/* From what it is made of. */
static bool csn_value_by_parts(struct csn_origin *origin, const struct csn_term *term,
			       uint64_t *ret_value)
{
	uint64_t first = 0, second = 0;
	uint8_t bytes[8] = { 0 };
	struct csn_span span = csn_span_of(bytes, sizeof(bytes));

	if ((term->first && !csn_origin_value(origin, term->first, &first)) ||
	    (term->second && !csn_origin_value(origin, term->second, &second)))
		return false;
	switch (term->kind) {
	case CSN_TERM_CONSTANT:
		*ret_value = term->value;
		return true;
	case CSN_TERM_LOAD:
		if (!term->size_bytes || term->size_bytes > sizeof(bytes) ||
		    csn_target_read_some(origin->target, first, bytes, term->size_bytes) !=
			    term->size_bytes)
			return false;
		*ret_value = csn_extend(csn_span_uint(&span, sizeof(bytes)), term);
		return true;
	case CSN_TERM_SUM:
		*ret_value = first + second * term->scale + term->value;
		return true;
	case CSN_TERM_LOW:
		*ret_value = csn_extend(first, term);
		return true;
	default:
		return false;
	}
}

bool csn_origin_value(struct csn_origin *origin, const struct csn_term *term, uint64_t *ret_value)
{
	return csn_value_in_register(origin, term, ret_value) ||
	       csn_value_by_parts(origin, term, ret_value);
}

bool csn_origin_holds(struct csn_origin *origin, const struct csn_term *term)
{
	uint64_t held, made;

	return csn_value_by_parts(origin, term, &made) &&
	       (!csn_value_in_register(origin, term, &held) || held == made);
}
