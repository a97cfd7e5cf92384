/* Where x86 instructions get values from and where they leave them (Intel SDM volume 2, appendix
 * A). Of what is not in the tables here, every register that its form names counts as changed, and
 * so do those that instructions change without naming them. */
#include "target/arch_x86_insn.h"

/* What an opcode does to its ModRM operands. */
enum csn_effect {
	CSN_EFFECT_OTHER,   /* everything it names may change */
	CSN_EFFECT_NOTHING, /* to general registers */
	CSN_EFFECT_REG,     /* ModRM.reg is new */
	CSN_EFFECT_RM,      /* the operand is new */
};

static uint64_t csn_bit(unsigned number)
{
	return number < 64 ? 1ull << number : 0;
}

static uint64_t csn_rm_bit(const struct csn_x86_insn *insn)
{
	return insn->is_memory ? 0 : csn_bit(insn->rm);
}

/* Registers that instructions use without naming them. */
static uint64_t csn_hidden_bits(const struct csn_x86_mode *mode)
{
	return csn_bit(mode->numbers[0]) | csn_bit(mode->numbers[1]) | csn_bit(mode->numbers[2]) |
	       csn_bit(mode->numbers[6]) | csn_bit(mode->numbers[7]);
}

/* Byte registers of old are the second bytes of the first four. */
static uint64_t csn_byte_bits(const struct csn_x86_insn *insn)
{
	uint64_t bits = csn_bit(insn->reg) | csn_rm_bit(insn);

	for (unsigned i = 0; i < 4 && !insn->rex; i++)
		bits |= csn_bit(insn->mode->numbers[i]);
	return bits;
}

/* Everything that the instruction may change. */
static uint64_t csn_all_bits(const struct csn_x86_insn *insn)
{
	unsigned low = (insn->opcode & 7) | (insn->rex & 1) << 3;

	if (insn->is_vector && insn->map != CSN_X86_MAP_0F)
		return UINT32_MAX; /* one more operand, which is not read here */
	return csn_byte_bits(insn) | csn_hidden_bits(insn->mode) |
	       csn_bit(insn->mode->numbers[low]);
}

static unsigned csn_operand_bytes(const struct csn_x86_insn *insn)
{
	return insn->rex & 8 ? 8 : insn->operand_16 ? 2 : 4;
}

static void csn_flow_operand(const struct csn_x86_insn *insn, struct csn_flow *flow)
{
	bool nowhere = insn->relative || insn->absolute || insn->baseless;

	if (!insn->is_memory || insn->segment || insn->address_short)
		return;
	flow->has_operand = true;
	flow->base = nowhere ? CSN_NO_REGISTER : insn->rm;
	flow->index = insn->index;
	flow->scale = insn->scale;
	flow->displacement = insn->displacement;
	if (insn->relative)
		flow->displacement += (int64_t)csn_x86_insn_next(insn);
}

/* reg = operand, of so many bytes. */
static void csn_flow_move(const struct csn_x86_insn *insn, unsigned size_bytes, bool is_signed,
			  struct csn_flow *flow)
{
	flow->changed = csn_bit(insn->reg);
	flow->into = insn->reg;
	flow->size_bytes = (uint8_t)size_bytes;
	flow->is_signed = is_signed;
	if (insn->is_memory && flow->has_operand) {
		flow->kind = CSN_FLOW_LOAD;
	} else if (!insn->is_memory && size_bytes >= 4) {
		flow->kind = CSN_FLOW_COPY;
		flow->source = insn->rm;
	}
}

static void csn_flow_constant(unsigned into, uint64_t value, struct csn_flow *flow)
{
	flow->kind = CSN_FLOW_CONSTANT;
	flow->into = (uint8_t)into;
	flow->changed = csn_bit(into);
	flow->value = value;
}

/* into = base + displacement */
static void csn_flow_add(unsigned into, unsigned index, int64_t displacement, struct csn_flow *flow)
{
	flow->kind = CSN_FLOW_ADDRESS;
	flow->into = flow->base = (uint8_t)into;
	flow->index = (uint8_t)index;
	flow->scale = 1;
	flow->displacement = displacement;
	flow->changed = csn_bit(into);
}

/* mov to memory or a register (88, 89), and of a constant (C6, C7). */
static void csn_flow_store(const struct csn_x86_insn *insn, struct csn_flow *flow)
{
	bool is_constant = insn->opcode >= 0xc6, is_byte = !(insn->opcode & 1);
	unsigned size = is_byte ? 1 : csn_operand_bytes(insn);
	uint64_t value = (uint64_t)insn->immediate;

	flow->size_bytes = (uint8_t)size;
	if (insn->is_memory) {
		flow->kind = flow->has_operand ? CSN_FLOW_STORE : CSN_FLOW_NONE;
		flow->source = is_constant ? CSN_NO_REGISTER : insn->reg;
		return;
	}
	flow->changed = is_byte ? csn_byte_bits(insn) : csn_bit(insn->rm);
	if (size < 4)
		return;
	if (is_constant) {
		csn_flow_constant(insn->rm, size == 8 ? value : value & UINT32_MAX, flow);
		return;
	}
	flow->kind = CSN_FLOW_COPY;
	flow->into = insn->rm;
	flow->source = insn->reg;
}

/* The eight operations of opcodes below 40. */
static void csn_flow_arithmetic(const struct csn_x86_insn *insn, struct csn_flow *flow)
{
	unsigned operation = insn->opcode >> 3, form = insn->opcode & 7;
	unsigned into = form & 2 ? insn->reg : insn->rm;
	unsigned other = form & 2 ? insn->rm : insn->reg;
	bool registers = form < 4 && !insn->is_memory, wide = csn_x86_insn_is_wide(insn);

	if (operation == 7)
		return;
	if (form >= 4)
		flow->changed = csn_bit(insn->mode->numbers[0]);
	else if (!(form & 1))
		flow->changed = csn_byte_bits(insn);
	else
		flow->changed = form & 2 ? csn_bit(insn->reg) : csn_rm_bit(insn);
	if (registers && (form & 1) && insn->reg == insn->rm && (operation == 6 || operation == 5))
		csn_flow_constant(into, 0, flow);
	else if (registers && (form & 1) && wide && operation == 0)
		csn_flow_add(into, other, 0, flow);
	else if (form == 5 && wide && (operation == 0 || operation == 5))
		csn_flow_add(insn->mode->numbers[0], CSN_NO_REGISTER,
			     operation ? -insn->immediate : insn->immediate, flow);
}

/* The same with a constant: 80 to 83. */
static void csn_flow_immediate(const struct csn_x86_insn *insn, struct csn_flow *flow)
{
	unsigned operation = insn->modrm >> 3 & 7;

	if (operation == 7 || insn->is_memory)
		return;
	flow->changed = insn->opcode & 1 ? csn_bit(insn->rm) : csn_byte_bits(insn);
	if ((insn->opcode & 1) && csn_x86_insn_is_wide(insn) && (operation == 0 || operation == 5))
		csn_flow_add(insn->rm, CSN_NO_REGISTER,
			     operation ? -insn->immediate : insn->immediate, flow);
}

/* F6 and F7: test, not, neg, and the multiplications and divisions of rdx and rax. */
static void csn_flow_group_3(const struct csn_x86_insn *insn, struct csn_flow *flow)
{
	unsigned operation = insn->modrm >> 3 & 7;

	flow->size_bytes = (uint8_t)(insn->opcode & 1 ? csn_operand_bytes(insn) : 1);
	if (operation >= 4)
		flow->changed = csn_bit(insn->mode->numbers[0]) | csn_bit(insn->mode->numbers[2]);
	else if (operation >= 2)
		flow->changed = csn_byte_bits(insn);
	if (operation >= 6 && !insn->is_memory)
		flow->source = insn->rm;
}

/* push, pop and what else is known by its opcode alone. False: it is none of them. */
static bool csn_flow_alone(const struct csn_x86_insn *insn, struct csn_flow *flow)
{
	uint8_t opcode = insn->opcode;
	unsigned low = insn->mode->numbers[(opcode & 7) | (insn->rex & 1) << 3];
	int64_t word = insn->mode->word_bytes;

	if ((opcode & 0xf8) == 0x50 || opcode == 0x68 || opcode == 0x6a) {
		csn_flow_add(insn->mode->sp, CSN_NO_REGISTER, -word, flow);
	} else if ((opcode & 0xf8) == 0x58) {
		csn_flow_add(insn->mode->sp, CSN_NO_REGISTER, word, flow);
		flow->changed |= csn_bit(low);
	} else if ((opcode & 0xf8) == 0xb8 && !insn->operand_16) {
		csn_flow_constant(low,
				  insn->rex & 8 ? (uint64_t)insn->immediate
						: (uint64_t)insn->immediate & UINT32_MAX,
				  flow);
	} else if (opcode == 0x98) {
		flow->changed = csn_bit(insn->mode->numbers[0]);
		flow->into = flow->source = insn->mode->numbers[0];
		flow->size_bytes = 4;
		flow->is_signed = true;
		if (insn->rex & 8)
			flow->kind = CSN_FLOW_COPY;
	} else if (opcode == 0x99) {
		flow->changed = csn_bit(insn->mode->numbers[2]);
	} else {
		/* nop, test of rax, conditional branches and jumps */
		return (opcode == 0x90 && !(insn->rex & 1)) || opcode == 0xa8 || opcode == 0xa9 ||
		       (opcode & 0xf0) == 0x70 || opcode == 0xe9 || opcode == 0xeb;
	}
	return true;
}

static void csn_flow_one_byte(const struct csn_x86_insn *insn, struct csn_flow *flow)
{
	uint8_t opcode = insn->opcode;

	if (csn_flow_alone(insn, flow))
		return;
	if (opcode < 0x40 && (opcode & 7) < 6)
		csn_flow_arithmetic(insn, flow);
	else if (opcode == 0x63 && insn->mode->is_64 && insn->rex & 8)
		csn_flow_move(insn, 4, true, flow);
	else if (opcode == 0x69 || opcode == 0x6b)
		flow->changed = csn_bit(insn->reg);
	else if (opcode >= 0x80 && opcode <= 0x83)
		csn_flow_immediate(insn, flow);
	else if (opcode == 0x88 || opcode == 0x89 ||
		 ((opcode == 0xc6 || opcode == 0xc7) && !(insn->modrm >> 3 & 7)))
		csn_flow_store(insn, flow);
	else if (opcode == 0x8b && csn_operand_bytes(insn) >= 4)
		csn_flow_move(insn, csn_operand_bytes(insn), false, flow);
	else if (opcode == 0x8d && csn_x86_insn_is_wide(insn) && flow->has_operand) {
		flow->kind = CSN_FLOW_ADDRESS;
		flow->into = insn->reg;
		flow->changed = csn_bit(insn->reg);
	} else if (opcode == 0xc1 || opcode == 0xd1 || opcode == 0xd3)
		flow->changed = csn_rm_bit(insn);
	else if (opcode == 0xf6 || opcode == 0xf7)
		csn_flow_group_3(insn, flow);
	else if (opcode == 0xff && (insn->modrm >> 3 & 7) >= 2) {
		/* Calls change what the ABI says; whoever follows them knows. */
		flow->source = insn->is_memory ? CSN_NO_REGISTER : insn->rm;
		flow->size_bytes = (uint8_t)insn->mode->word_bytes;
	} else if (opcode != 0x84 && opcode != 0x85)
		flow->changed = csn_all_bits(insn);
}

/* What opcodes of the second map do to general registers, from one to another. */
static const struct csn_effect_row {
	uint8_t first, last;
	uint8_t effect; /* enum csn_effect */
} csn_effects_0f[] = {
	{ 0x0b, 0x0b, CSN_EFFECT_NOTHING }, { 0x10, 0x1f, CSN_EFFECT_NOTHING },
	{ 0x28, 0x2b, CSN_EFFECT_NOTHING }, { 0x2c, 0x2d, CSN_EFFECT_REG },
	{ 0x2e, 0x2f, CSN_EFFECT_NOTHING }, { 0x40, 0x4f, CSN_EFFECT_REG },
	{ 0x50, 0x50, CSN_EFFECT_REG },     { 0x51, 0x77, CSN_EFFECT_NOTHING },
	{ 0x7e, 0x7e, CSN_EFFECT_RM },      { 0x7f, 0x8f, CSN_EFFECT_NOTHING },
	{ 0xa3, 0xa3, CSN_EFFECT_NOTHING }, { 0xaf, 0xaf, CSN_EFFECT_REG },
	{ 0xb8, 0xb8, CSN_EFFECT_REG },     { 0xbc, 0xbd, CSN_EFFECT_REG },
	{ 0xc2, 0xc2, CSN_EFFECT_NOTHING }, { 0xc5, 0xc5, CSN_EFFECT_REG },
	{ 0xc6, 0xc6, CSN_EFFECT_NOTHING }, { 0xd0, 0xd6, CSN_EFFECT_NOTHING },
	{ 0xd7, 0xd7, CSN_EFFECT_REG },     { 0xd8, 0xfe, CSN_EFFECT_NOTHING },
};

/* movzx and movsx are the only ones of interest. */
static void csn_flow_two_byte(const struct csn_x86_insn *insn, struct csn_flow *flow)
{
	uint8_t opcode = insn->opcode;
	unsigned size = opcode & 1 ? 2 : 1;

	if (!insn->is_vector && ((opcode & 0xfe) == 0xb6 || (opcode & 0xfe) == 0xbe)) {
		/* Signs reach through 32 bits only, or through all. */
		csn_flow_move(insn, size, (opcode & 8) != 0, flow);
		flow->changed |= csn_operand_bytes(insn) < 4 ? csn_bit(insn->reg) : 0;
		if ((opcode & 8) && !(insn->rex & 8))
			flow->kind = CSN_FLOW_NONE;
		return;
	}
	for (size_t i = 0; i < csn_countof(csn_effects_0f); i++) {
		const struct csn_effect_row *row = &csn_effects_0f[i];

		if (opcode < row->first || opcode > row->last)
			continue;
		if (row->effect == CSN_EFFECT_REG)
			flow->changed = csn_bit(insn->reg);
		else if (row->effect == CSN_EFFECT_RM)
			flow->changed = csn_rm_bit(insn);
		return;
	}
	flow->changed = csn_all_bits(insn);
}

bool csn_x86_decode_flow(const struct csn_x86_mode *mode, const uint8_t *code, size_t size_bytes,
			 csn_addr pc, struct csn_flow *ret_flow)
{
	struct csn_flow flow = { .base = CSN_NO_REGISTER,
				 .index = CSN_NO_REGISTER,
				 .into = CSN_NO_REGISTER,
				 .source = CSN_NO_REGISTER };
	struct csn_x86_insn insn;

	if (!csn_x86_insn_read(mode, code, size_bytes, pc, &insn))
		return false;
	csn_flow_operand(&insn, &flow);
	if (insn.map == CSN_X86_MAP_1 && !insn.is_vector)
		csn_flow_one_byte(&insn, &flow);
	else if (insn.map == CSN_X86_MAP_0F)
		csn_flow_two_byte(&insn, &flow);
	else
		flow.changed = csn_all_bits(&insn);
	flow.changed &= csn_bit(mode->pc) - 1;
	*ret_flow = flow;
	return true;
}
