/* The walk through a function's code.
 *
 * Straight lines are followed to where they end; branch targets wait with the state they were left
 * in and are taken from the lowest address on. Behind a call, a waiting target wins over falling
 * through: the call may not return (abort), and then what follows was reached otherwise. Where no
 * way leads to the counter, there was a jump through a table; its cases begin behind other ends of
 * straight lines, in the state of that jump. */
#include "unwind/emulate.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/limits.h"

#define CSN_EMUL_WINDOW 256u

struct csn_emul_way {
	csn_addr at;
	struct csn_emul_state state;
};

struct csn_emul_visit {
	csn_addr at;
	uint32_t round;
};

struct csn_emulator {
	struct csn_target *target;
	const struct csn_arch *arch;
	uint32_t round;
	struct csn_emul_visit visits[2 * CSN_MAX_EMULATED]; /* open addressing; of this round */
	size_t n_visits;
	struct csn_emul_way ways[CSN_MAX_EMULATED_WAYS]; /* waiting */
	size_t n_ways;
	csn_addr ends[CSN_MAX_EMULATED_WAYS]; /* behind returns and jumps */
	size_t n_ends;
	struct csn_emul_state body, table; /* deepest at a call; at an indirect jump */
	bool has_body, has_table;
	uint8_t window[CSN_EMUL_WINDOW]; /* code */
	csn_addr window_at;
	size_t window_bytes;
	uint64_t left;      /* instructions, over all emulations */
	csn_addr start, pc; /* the way looked for */
	unsigned flags;
};

int csn_emulator_new(struct csn_target *target, struct csn_emulator **ret_emulator,
		     struct csn_error *err)
{
	struct csn_emulator *emulator = calloc(1, sizeof(*emulator));

	if (!emulator)
		return csn_fail_nomem(err);
	emulator->target = target;
	emulator->arch = target->arch;
	emulator->left = CSN_MAX_EMULATED_TOTAL;
	*ret_emulator = emulator;
	return 0;
}

void csn_emulator_free(struct csn_emulator *emulator)
{
	free(emulator);
}

/* --- values --- */

static struct csn_emul_value csn_emul_plus(struct csn_emul_value value, int64_t distance)
{
	int64_t sum = value.offset + distance;

	if (distance == 0)
		return value;
	if ((value.kind != CSN_EMUL_CFA && value.kind != CSN_EMUL_ALIGNED) || sum > INT32_MAX ||
	    sum < INT32_MIN)
		return (struct csn_emul_value){ 0 };
	value.offset = (int32_t)sum;
	return value;
}

static struct csn_emul_value csn_emul_number(int64_t number)
{
	if (number > INT32_MAX || number < INT32_MIN)
		return (struct csn_emul_value){ 0 };
	return (struct csn_emul_value){ .kind = CSN_EMUL_NUMBER, .offset = (int32_t)number };
}

static bool csn_emul_is_place(struct csn_emul_value value)
{
	return value.kind == CSN_EMUL_CFA || value.kind == CSN_EMUL_ALIGNED;
}

static struct csn_emul_value csn_emul_get(const struct csn_emul_state *state, uint8_t reg)
{
	return reg < CSN_EMUL_REGISTERS ? state->registers[reg] : (struct csn_emul_value){ 0 };
}

static struct csn_emul_value csn_emul_load(const struct csn_emul_state *state,
					   struct csn_emul_value place)
{
	for (unsigned i = 0; i < state->n_slots; i++)
		if (state->slots[i].place.kind == place.kind &&
		    state->slots[i].place.offset == place.offset)
			return state->slots[i].value;
	return (struct csn_emul_value){ 0 };
}

static void csn_emul_drop(struct csn_emul_state *state, unsigned index)
{
	state->slots[index] = state->slots[--state->n_slots];
}

static void csn_emul_store(const struct csn_arch *arch, struct csn_emul_state *state,
			   struct csn_emul_value place, struct csn_emul_value value)
{
	bool keep = csn_emul_is_place(value) ||
		    (value.kind == CSN_EMUL_ENTRY &&
		     (arch->registers[value.reg].callee_saved || value.reg == arch->lr));

	if (!csn_emul_is_place(place))
		return;
	for (unsigned i = 0; i < state->n_slots; i++) {
		if (state->slots[i].place.kind == place.kind &&
		    state->slots[i].place.offset == place.offset) {
			csn_emul_drop(state, i);
			break;
		}
	}
	if (keep && state->n_slots < CSN_EMUL_SLOTS)
		state->slots[state->n_slots++] = (struct csn_emul_slot){ place, value };
}

/* Words below the stack pointer are gone. */
static void csn_emul_set(const struct csn_arch *arch, struct csn_emul_state *state, uint8_t reg,
			 struct csn_emul_value value)
{
	if (reg >= CSN_EMUL_REGISTERS)
		return;
	state->registers[reg] = value;
	if (reg != arch->sp || !csn_emul_is_place(value))
		return;
	for (unsigned i = state->n_slots; i-- > 0;)
		if (state->slots[i].place.kind == value.kind &&
		    state->slots[i].place.offset < value.offset)
			csn_emul_drop(state, i);
}

static void csn_emul_pop(const struct csn_arch *arch, struct csn_emul_state *state, uint8_t dst)
{
	struct csn_emul_value sp = state->registers[arch->sp], value = csn_emul_load(state, sp);

	csn_emul_set(arch, state, (uint8_t)arch->sp, csn_emul_plus(sp, arch->word_bytes));
	csn_emul_set(arch, state, dst, value);
}

static void csn_emul_align(const struct csn_arch *arch, struct csn_emul_state *state, uint8_t dst,
			   uint8_t src)
{
	struct csn_emul_value aligned = { 0 };

	if (dst == arch->sp && csn_emul_is_place(csn_emul_get(state, src))) {
		aligned.kind = CSN_EMUL_ALIGNED;
		for (unsigned i = state->n_slots; i-- > 0;)
			if (state->slots[i].place.kind == CSN_EMUL_ALIGNED)
				csn_emul_drop(state, i);
	}
	if (dst < CSN_EMUL_REGISTERS)
		state->registers[dst] = aligned;
}

/* LOAD and STORE of one word or two, and what they do to the base register. */
static void csn_emul_access(const struct csn_arch *arch, struct csn_emul_state *state,
			    const struct csn_step *step)
{
	bool load = step->kind == CSN_STEP_LOAD;
	uint8_t base = load ? step->src : step->dst, first = load ? step->dst : step->src;
	struct csn_emul_value place = csn_emul_plus(csn_emul_get(state, base), step->value);
	struct csn_emul_value next = csn_emul_plus(place, arch->word_bytes);
	struct csn_emul_value moved = csn_emul_plus(csn_emul_get(state, base), step->moves);

	if (load) {
		struct csn_emul_value second = csn_emul_load(state, next);

		csn_emul_set(arch, state, first, csn_emul_load(state, place));
		csn_emul_set(arch, state, step->second, second);
	} else {
		csn_emul_store(arch, state, place, csn_emul_get(state, first));
		if (step->second != CSN_NO_REGISTER)
			csn_emul_store(arch, state, next, csn_emul_get(state, step->second));
	}
	if (step->moves)
		csn_emul_set(arch, state, base, moved);
}

static void csn_emul_do(const struct csn_arch *arch, struct csn_emul_state *state,
			const struct csn_step *step)
{
	struct csn_emul_value sp = state->registers[arch->sp];
	struct csn_emul_value src = csn_emul_get(state, step->src), other;

	switch ((enum csn_step_kind)step->kind) {
	case CSN_STEP_PUSH:
		sp = csn_emul_plus(sp, -(int64_t)arch->word_bytes);
		state->registers[arch->sp] = sp;
		csn_emul_store(arch, state, sp, src);
		break;
	case CSN_STEP_POP:
		csn_emul_pop(arch, state, step->dst);
		break;
	case CSN_STEP_ADD:
		csn_emul_set(arch, state, step->dst, csn_emul_plus(src, step->value));
		break;
	case CSN_STEP_SET:
		csn_emul_set(arch, state, step->dst, csn_emul_number(step->value));
		break;
	case CSN_STEP_SUM:
		other = csn_emul_get(state, step->second);
		csn_emul_set(arch, state, step->dst,
			     other.kind == CSN_EMUL_NUMBER
				     ? csn_emul_plus(src, step->value * other.offset)
				     : (struct csn_emul_value){ 0 });
		break;
	case CSN_STEP_ALIGN:
		csn_emul_align(arch, state, step->dst, step->src);
		break;
	case CSN_STEP_LOAD:
	case CSN_STEP_STORE:
		csn_emul_access(arch, state, step);
		break;
	case CSN_STEP_LEAVE:
		csn_emul_set(arch, state, (uint8_t)arch->sp, state->registers[arch->fp]);
		csn_emul_pop(arch, state, (uint8_t)arch->fp);
		break;
	case CSN_STEP_CALL:
		for (unsigned i = 0; i < CSN_EMUL_REGISTERS; i++)
			if (arch->clobbered >> i & 1)
				state->registers[i] = (struct csn_emul_value){ 0 };
		break;
	default:
		csn_emul_set(arch, state, step->dst, (struct csn_emul_value){ 0 });
		csn_emul_set(arch, state, step->second, (struct csn_emul_value){ 0 });
		break;
	}
}

/* --- the walk --- */

/* The slot of at; its round is this one when it was visited. */
static struct csn_emul_visit *csn_emul_visit_find(struct csn_emulator *emulator, csn_addr at)
{
	size_t mask = csn_countof(emulator->visits) - 1;
	size_t i = (size_t)(at * 0x9e3779b97f4a7c15ull >> 32) & mask;

	while (emulator->visits[i].round == emulator->round && emulator->visits[i].at != at)
		i = (i + 1) & mask;
	return &emulator->visits[i];
}

static bool csn_emul_visited(struct csn_emulator *emulator, csn_addr at)
{
	return csn_emul_visit_find(emulator, at)->round == emulator->round;
}

static bool csn_emul_decode(struct csn_emulator *emulator, csn_addr at, struct csn_step *ret_step)
{
	size_t longest = emulator->arch->max_instruction_bytes, into = at - emulator->window_at;

	if (at < emulator->window_at || into > emulator->window_bytes ||
	    emulator->window_bytes - into < longest) {
		emulator->window_at = at;
		emulator->window_bytes =
			csn_target_read_some(emulator->target, at, emulator->window,
					     sizeof(emulator->window));
		into = 0;
	}
	return emulator->window_bytes > into &&
	       emulator->arch->decode_step(emulator->window + into, emulator->window_bytes - into,
					   at, ret_step);
}

/* A call of nothing but "load the return address into a register, return" does only that. */
static void csn_emul_look_into(struct csn_emulator *emulator, struct csn_step *step)
{
	const struct csn_arch *arch = emulator->arch;
	struct csn_step load, end;

	if (arch->calls_pc_helpers && step->target &&
	    csn_emul_decode(emulator, step->target, &load) && load.kind == CSN_STEP_LOAD &&
	    load.src == arch->sp && load.value == 0 &&
	    csn_emul_decode(emulator, step->target + load.length, &end) &&
	    end.kind == CSN_STEP_RETURN)
		*step = (struct csn_step){ .length = step->length,
					   .dst = load.dst,
					   .src = CSN_NO_REGISTER,
					   .second = CSN_NO_REGISTER };
}

static bool csn_emul_is_waiting(const struct csn_emulator *emulator, csn_addr at)
{
	for (size_t i = 0; i < emulator->n_ways; i++)
		if (emulator->ways[i].at == at)
			return true;
	return false;
}

static bool csn_emul_is_near(csn_addr a, csn_addr b)
{
	return (a < b ? b - a : a - b) <= CSN_MAX_START_BYTES;
}

/* Code far from both ends is another function's. */
static void csn_emul_wait(struct csn_emulator *emulator, csn_addr at,
			  const struct csn_emul_state *state)
{
	if ((csn_emul_is_near(at, emulator->pc) || csn_emul_is_near(at, emulator->start)) &&
	    emulator->n_ways < csn_countof(emulator->ways) && !csn_emul_visited(emulator, at) &&
	    !csn_emul_is_waiting(emulator, at))
		emulator->ways[emulator->n_ways++] = (struct csn_emul_way){ at, *state };
}

static void csn_emul_note_body(struct csn_emulator *emulator, const struct csn_emul_state *state)
{
	unsigned sp = emulator->arch->sp;

	if (!csn_emul_is_place(state->registers[sp]) ||
	    (emulator->has_body && emulator->body.n_slots >= state->n_slots))
		return;
	emulator->body = *state;
	emulator->has_body = true;
}

/* A jump or the end of a way. */
static void csn_emul_leave(struct csn_emulator *emulator, const struct csn_step *step,
			   csn_addr next, const struct csn_emul_state *state)
{
	csn_addr target = step->target;

	if (step->kind == CSN_STEP_JUMP && step->slot)
		csn_target_read_word(emulator->target, step->slot, &target);
	else if (step->kind == CSN_STEP_JUMP && !target && !emulator->has_table) {
		emulator->table = *state;
		emulator->has_table = true;
	}
	if (step->kind == CSN_STEP_JUMP)
		csn_emul_wait(emulator, target, state);
	if (emulator->n_ends < csn_countof(emulator->ends))
		emulator->ends[emulator->n_ends++] = next;
}

/* Follows one straight line; true when it met the counter. */
static bool csn_emul_follow(struct csn_emulator *emulator, csn_addr at,
			    struct csn_emul_state *state)
{
	while (emulator->n_visits < CSN_MAX_EMULATED && emulator->left) {
		struct csn_emul_visit *visit;
		struct csn_step step;
		csn_addr next;

		if ((emulator->flags & CSN_EMUL_EXACT) && at == emulator->pc)
			return true;
		visit = csn_emul_visit_find(emulator, at);
		if (visit->round == emulator->round)
			return false;
		/* Also what cannot be decoded was here, or a guess would come back for ever. */
		*visit = (struct csn_emul_visit){ at, emulator->round };
		emulator->n_visits++;
		emulator->left--;
		if (!csn_emul_decode(emulator, at, &step))
			return false;
		next = at + step.length;
		if (step.kind == CSN_STEP_CALL) {
			if (!(emulator->flags & CSN_EMUL_EXACT) && next == emulator->pc)
				return true;
			csn_emul_note_body(emulator, state);
			csn_emul_look_into(emulator, &step);
		}
		if (step.kind == CSN_STEP_RETURN || step.kind == CSN_STEP_JUMP ||
		    step.kind == CSN_STEP_STOP) {
			csn_emul_leave(emulator, &step, next, state);
			return false;
		}
		if (step.kind == CSN_STEP_BRANCH)
			csn_emul_wait(emulator, step.target, state);
		csn_emul_do(emulator->arch, state, &step);
		if (step.kind == CSN_STEP_CALL && csn_emul_is_waiting(emulator, next))
			return false;
		at = next;
	}
	return false;
}

/* The next way to follow: the lowest address of this function, then others. */
static bool csn_emul_take(struct csn_emulator *emulator, struct csn_emul_way *way)
{
	csn_addr start = emulator->start;
	size_t best = 0;

	for (size_t i = 1; i < emulator->n_ways; i++)
		if (emulator->ways[i].at - start < emulator->ways[best].at - start)
			best = i;
	if (!emulator->n_ways)
		return false;
	*way = emulator->ways[best];
	emulator->ways[best] = emulator->ways[--emulator->n_ways];
	return true;
}

/* Where the cases of a jump table may begin: behind the last end before the counter. */
static bool csn_emul_guess(struct csn_emulator *emulator, struct csn_emul_way *way)
{
	csn_addr best = 0;

	if (!(emulator->flags & CSN_EMUL_GUESS) || (!emulator->has_table && !emulator->has_body))
		return false;
	for (size_t i = 0; i < emulator->n_ends; i++)
		if (emulator->ends[i] <= emulator->pc && emulator->ends[i] > best &&
		    !csn_emul_visited(emulator, emulator->ends[i]))
			best = emulator->ends[i];
	way->at = best;
	way->state = emulator->has_table ? emulator->table : emulator->body;
	return best != 0;
}

static void csn_emul_begin(struct csn_emulator *emulator, csn_addr start, csn_addr pc,
			   unsigned flags)
{
	if (++emulator->round == 0) {
		memset(emulator->visits, 0, sizeof(emulator->visits));
		emulator->round = 1;
	}
	emulator->n_visits = emulator->n_ways = emulator->n_ends = 0;
	emulator->has_body = emulator->has_table = false;
	emulator->window_bytes = 0;
	emulator->start = start;
	emulator->pc = pc;
	emulator->flags = flags;
}

bool csn_emulate(struct csn_emulator *emulator, csn_addr start, csn_addr pc, unsigned flags,
		 struct csn_emul_state *ret_state)
{
	const struct csn_arch *arch = emulator->arch;
	struct csn_emul_way way = { .at = start };

	if (!arch->decode_step || !emulator->left)
		return false;
	csn_emul_begin(emulator, start, pc, flags);
	for (unsigned i = 0; i < arch->n_dwarf && i < CSN_EMUL_REGISTERS; i++)
		way.state.registers[i] =
			(struct csn_emul_value){ .kind = CSN_EMUL_ENTRY, .reg = (uint8_t)i };
	way.state.registers[arch->sp] = (struct csn_emul_value){
		.kind = CSN_EMUL_CFA,
		.offset = csn_arch_has_link(arch) ? 0 : -(int32_t)arch->word_bytes
	};
	do {
		if (csn_emul_follow(emulator, way.at, &way.state)) {
			*ret_state = way.state;
			return true;
		}
	} while (emulator->n_visits < CSN_MAX_EMULATED && emulator->left &&
		 (csn_emul_take(emulator, &way) || csn_emul_guess(emulator, &way)));
	return false;
}

/* --- the caller --- */

/* Addresses that CFA and ALIGNED stand for, by kind; 0 unknown. */
struct csn_emul_bases {
	csn_addr of[CSN_EMUL_ALIGNED + 1];
};

static void csn_emul_find_bases(const struct csn_emul_state *state, struct csn_target *target,
				const struct csn_registers *registers, struct csn_emul_bases *bases)
{
	const struct csn_arch *arch = target->arch;

	for (unsigned i = 0; i < arch->n_dwarf && i < CSN_EMUL_REGISTERS; i++) {
		struct csn_emul_value value = state->registers[i];

		if (csn_emul_is_place(value) && csn_register_known(registers, i) &&
		    (!bases->of[value.kind] || i == arch->sp))
			bases->of[value.kind] =
				registers->value[i] - (uint64_t)(int64_t)value.offset;
	}
	for (unsigned i = 0; i < state->n_slots && !bases->of[CSN_EMUL_CFA]; i++) {
		const struct csn_emul_slot *slot = &state->slots[i];
		uint64_t word;

		if (slot->value.kind == CSN_EMUL_CFA && bases->of[slot->place.kind] &&
		    csn_target_read_word(target,
					 bases->of[slot->place.kind] +
						 (uint64_t)(int64_t)slot->place.offset,
					 &word))
			bases->of[CSN_EMUL_CFA] = word - (uint64_t)(int64_t)slot->value.offset;
	}
}

/* Where the return address is: its address, CSN_EMUL_IN_REGISTER, or 0 when it is lost. */
static csn_addr csn_emul_find_return(const struct csn_arch *arch,
				     const struct csn_emul_state *state,
				     const struct csn_emul_bases *bases)
{
	if (!csn_arch_has_link(arch))
		return bases->of[CSN_EMUL_CFA] - arch->word_bytes;
	for (unsigned i = 0; i < state->n_slots; i++) {
		const struct csn_emul_slot *slot = &state->slots[i];

		if (slot->value.kind == CSN_EMUL_ENTRY && slot->value.reg == arch->lr &&
		    bases->of[slot->place.kind])
			return bases->of[slot->place.kind] + (uint64_t)(int64_t)slot->place.offset;
	}
	return state->registers[arch->lr].kind == CSN_EMUL_ENTRY &&
			       state->registers[arch->lr].reg == arch->lr
		       ? CSN_EMUL_IN_REGISTER
		       : 0;
}

bool csn_emul_apply(const struct csn_emul_state *state, struct csn_target *target,
		    const struct csn_registers *registers, struct csn_registers *ret_caller,
		    csn_addr *ret_slot)
{
	const struct csn_arch *arch = target->arch;
	struct csn_emul_bases bases = { 0 };
	uint64_t word;
	csn_addr cfa, found;

	csn_emul_find_bases(state, target, registers, &bases);
	cfa = bases.of[CSN_EMUL_CFA];
	found = cfa ? csn_emul_find_return(arch, state, &bases) : 0;
	if (found == CSN_EMUL_IN_REGISTER && csn_register_known(registers, arch->lr))
		word = registers->value[arch->lr];
	else if (!found || !csn_target_read_word(target, found, &word))
		return false;
	*ret_caller = (struct csn_registers){ 0 };
	*ret_slot = found;
	csn_register_set(ret_caller, arch->pc, word);
	csn_register_set(ret_caller, arch->sp, cfa);
	for (unsigned i = 0; i < arch->n_dwarf && i < CSN_EMUL_REGISTERS; i++)
		if (arch->registers[i].callee_saved && csn_register_known(registers, i) &&
		    state->registers[i].kind == CSN_EMUL_ENTRY && state->registers[i].reg == i)
			csn_register_set(ret_caller, i, registers->value[i]);
	for (unsigned i = 0; i < state->n_slots; i++) {
		const struct csn_emul_slot *slot = &state->slots[i];
		csn_addr base = bases.of[slot->place.kind];

		if (slot->value.kind == CSN_EMUL_ENTRY && base &&
		    csn_target_read_word(target, base + (uint64_t)(int64_t)slot->place.offset,
					 &word))
			csn_register_set(ret_caller, slot->value.reg, word);
	}
	return true;
}
