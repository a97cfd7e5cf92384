/* What an x86 instruction does to the stack pointer and to control (Intel SDM volume 2, chapter 2
 * and appendix A): the meaning only of the instructions that make and unmake frames. Vector and
 * rare instructions have none. */
#include <string.h>

#include "target/arch_x86_insn.h"

static void csn_step_branch(const struct csn_x86_insn *insn, struct csn_step *step,
			    enum csn_step_kind kind)
{
	step->kind = kind;
	step->target =
		(csn_x86_insn_next(insn) + (uint64_t)insn->immediate) & insn->mode->address_mask;
	/* How position-independent 32-bit code learns where it is. */
	if (kind == CSN_STEP_CALL && insn->immediate == 0 && !insn->mode->is_64)
		step->kind = CSN_STEP_PUSH;
}

/* Group 5 (FF): calls, jumps and pushes through a register or memory. */
static void csn_step_group_5(const struct csn_x86_insn *insn, struct csn_step *step)
{
	unsigned operation = insn->modrm >> 3 & 7;

	if (operation == 6) {
		step->kind = CSN_STEP_PUSH;
		step->src = insn->is_memory ? CSN_NO_REGISTER : insn->rm;
		return;
	}
	if (operation < 2) {
		step->dst = insn->is_memory ? CSN_NO_REGISTER : insn->rm;
		return;
	}
	step->kind = operation < 4 ? CSN_STEP_CALL : CSN_STEP_JUMP;
	if (!insn->is_memory)
		step->src = insn->rm;
	if (insn->is_memory && insn->plain && (insn->relative || insn->absolute))
		step->slot = ((insn->relative ? csn_x86_insn_next(insn) : 0) +
			      (uint64_t)insn->displacement) &
			     insn->mode->address_mask;
}

/* add, sub and and of a constant (81, 83); the other operations just make a new value. */
static void csn_step_immediate(const struct csn_x86_insn *insn, struct csn_step *step)
{
	unsigned operation = insn->modrm >> 3 & 7;

	if (insn->is_memory || operation == 7)
		return;
	step->dst = step->src = insn->rm;
	if (!csn_x86_insn_is_wide(insn))
		return;
	if (operation == 0 || operation == 5) {
		step->kind = CSN_STEP_ADD;
		step->value = operation == 0 ? insn->immediate : -insn->immediate;
	} else if (operation == 4 && insn->immediate < 0) {
		step->kind = CSN_STEP_ALIGN;
		step->value = insn->immediate;
	}
}

/* mov in both directions (89, 8B) and lea. */
static void csn_step_move(const struct csn_x86_insn *insn, struct csn_step *step)
{
	bool store = insn->opcode == 0x89;

	if (!store)
		step->dst = insn->reg;
	else if (!insn->is_memory)
		step->dst = insn->rm;
	if (!csn_x86_insn_is_wide(insn) ||
	    (insn->is_memory && (!insn->plain || insn->relative || insn->absolute)))
		return;
	step->src = store ? insn->reg : insn->rm;
	step->value = insn->displacement;
	if (!insn->is_memory) {
		step->kind = insn->opcode == 0x8d ? CSN_STEP_OTHER : CSN_STEP_ADD;
	} else if (store) {
		step->kind = CSN_STEP_STORE;
		step->dst = insn->rm;
	} else {
		step->kind = insn->opcode == 0x8d ? CSN_STEP_ADD : CSN_STEP_LOAD;
	}
}

/* Which general register has a new value after an instruction of no further interest. Byte-wide
 * ones are left out: nobody keeps a frame in a byte. */
static uint8_t csn_insn_written(const struct csn_x86_insn *insn)
{
	static const uint8_t into_reg_1[] = { 0x63, 0x69, 0x6b };
	static const uint8_t into_rm_1[] = { 0x87, 0xc1, 0xc7, 0xd1, 0xd3 };
	static const uint8_t into_reg_0f[] = { 0xaf, 0xb6, 0xb7, 0xb8, 0xbc, 0xbd, 0xbe, 0xbf };
	uint8_t opcode = insn->opcode,
		low = insn->mode->numbers[(opcode & 7) | (insn->rex & 1) << 3];
	uint8_t rm = insn->is_memory ? CSN_NO_REGISTER : insn->rm;

	if (insn->is_vector)
		return CSN_NO_REGISTER;
	if (insn->map == CSN_X86_MAP_0F) {
		if ((opcode & 0xf0) == 0x40 || memchr(into_reg_0f, opcode, sizeof(into_reg_0f)))
			return insn->reg;
		return (opcode & 0xf8) == 0xc8 ? low : CSN_NO_REGISTER;
	}
	if (insn->map != CSN_X86_MAP_1)
		return CSN_NO_REGISTER;
	if ((opcode & 0xf0) == 0x40)
		return low; /* inc and dec of 32-bit mode */
	if (opcode < 0x38 && (opcode & 5) == 1)
		return opcode & 2 ? insn->reg : rm;
	if ((opcode & 0xf8) == 0xb8 || ((opcode & 0xf8) == 0x90 && opcode != 0x90))
		return low;
	if (memchr(into_reg_1, opcode, sizeof(into_reg_1)))
		return insn->reg;
	if (memchr(into_rm_1, opcode, sizeof(into_rm_1)) ||
	    (opcode == 0xf7 && (insn->modrm & 0x30) == 0x10))
		return rm;
	return CSN_NO_REGISTER;
}

static void csn_step_two_byte(const struct csn_x86_insn *insn, struct csn_step *step)
{
	if (insn->opcode == 0x0b)
		step->kind = CSN_STEP_STOP; /* ud2 */
	else if ((insn->opcode & 0xf0) == 0x80)
		csn_step_branch(insn, step, CSN_STEP_BRANCH);
	else if ((insn->opcode & 0xf7) == 0xa0)
		step->kind = CSN_STEP_PUSH; /* fs, gs */
}

/* Instructions that 64-bit mode has no more: pushes and pops of segments and of all registers. */
static void csn_step_old(const struct csn_x86_insn *insn, struct csn_step *step)
{
	bool all = insn->opcode >= 0x60;

	if (!all && ((insn->opcode & 6) != 6 || insn->opcode >= 0x20))
		return;
	step->dst = step->src = all ? insn->mode->sp : CSN_NO_REGISTER;
	step->value = !all ? 0 : insn->opcode & 1 ? 32 : -32;
	step->kind = all ? CSN_STEP_ADD : insn->opcode & 1 ? CSN_STEP_POP : CSN_STEP_PUSH;
}

static void csn_step_one_byte(const struct csn_x86_insn *insn, struct csn_step *step)
{
	uint8_t opcode = insn->opcode,
		low = insn->mode->numbers[(opcode & 7) | (insn->rex & 1) << 3];

	if (!insn->mode->is_64 && (opcode < 0x40 || opcode == 0x60 || opcode == 0x61)) {
		csn_step_old(insn, step);
	} else if ((opcode & 0xf8) == 0x50) {
		step->kind = CSN_STEP_PUSH;
		step->src = low;
	} else if ((opcode & 0xf8) == 0x58) {
		step->kind = CSN_STEP_POP;
		step->dst = low;
	} else if ((opcode & 0xf0) == 0x70 || (opcode & 0xfc) == 0xe0) {
		csn_step_branch(insn, step, CSN_STEP_BRANCH);
	} else if (opcode == 0x68 || opcode == 0x6a || opcode == 0x9c) {
		step->kind = CSN_STEP_PUSH;
	} else if (opcode == 0x9d) {
		step->kind = CSN_STEP_POP;
	} else if (opcode == 0x8f) {
		step->kind = CSN_STEP_POP;
		step->dst = insn->is_memory ? CSN_NO_REGISTER : insn->rm;
	} else if (opcode == 0x81 || opcode == 0x83) {
		csn_step_immediate(insn, step);
	} else if (opcode == 0x89 || opcode == 0x8b || opcode == 0x8d) {
		csn_step_move(insn, step);
	} else if (opcode == 0xc9) {
		step->kind = CSN_STEP_LEAVE;
	} else if (opcode == 0xc8) {
		step->dst = insn->mode->sp; /* enter: too rare to follow */
	} else if (opcode == 0xc2 || opcode == 0xc3) {
		step->kind = CSN_STEP_RETURN;
		step->value = insn->immediate;
	} else if (opcode == 0xe8) {
		csn_step_branch(insn, step, CSN_STEP_CALL);
	} else if (opcode == 0xe9 || opcode == 0xeb) {
		csn_step_branch(insn, step, CSN_STEP_JUMP);
	} else if (opcode == 0xff) {
		csn_step_group_5(insn, step);
	} else if (opcode == 0xf4) {
		step->kind = CSN_STEP_STOP;
	}
}

bool csn_x86_decode_step(const struct csn_x86_mode *mode, const uint8_t *code, size_t size_bytes,
			 csn_addr pc, struct csn_step *ret_step)
{
	struct csn_x86_insn insn;
	struct csn_step step = { .dst = CSN_NO_REGISTER,
				 .src = CSN_NO_REGISTER,
				 .second = CSN_NO_REGISTER };

	if (!csn_x86_insn_read(mode, code, size_bytes, pc, &insn))
		return false;
	if (!insn.is_vector && insn.map == CSN_X86_MAP_1)
		csn_step_one_byte(&insn, &step);
	else if (!insn.is_vector && insn.map == CSN_X86_MAP_0F)
		csn_step_two_byte(&insn, &step);
	if (step.kind == CSN_STEP_OTHER && step.dst == CSN_NO_REGISTER)
		step.dst = csn_insn_written(&insn);
	step.length = (uint8_t)insn.code.at;
	*ret_step = step;
	return true;
}

/* Length of "call r/m" (FF /2) or the far form (FF /3) from its ModRM byte on, FF included. */
static unsigned csn_x86_indirect_length(uint8_t modrm, uint8_t sib)
{
	unsigned mod = modrm >> 6, rm = modrm & 7, operation = modrm >> 3 & 7;
	unsigned length = 2;

	if (operation != 2 && operation != 3)
		return 0;
	if (mod == 3)
		return length;
	if (rm == 4)
		length++;
	if (mod == 1)
		return length + 1;
	if (mod == 2 || rm == 5 || (rm == 4 && (sib & 7) == 5))
		return length + 4;
	return length;
}

unsigned csn_x86_call_before(const uint8_t *before, size_t size_bytes)
{
	if (size_bytes >= 5 && before[size_bytes - 5] == 0xe8)
		return 5;
	for (unsigned length = 2; length <= 7 && length <= size_bytes; length++) {
		const uint8_t *code = before + size_bytes - length;

		if (code[0] == 0xff &&
		    csn_x86_indirect_length(code[1], length > 2 ? code[2] : 0) == length)
			return length;
	}
	return 0;
}

csn_addr csn_x86_call_target(const uint8_t before[8], csn_addr return_address)
{
	struct csn_span span = csn_span_of(before + 4, 4);

	return before[3] == 0xe8 ? return_address + (uint64_t)csn_span_int(&span, 4) : 0;
}

bool csn_x86_ends_before(const uint8_t *code, size_t at)
{
	/* ret, hlt; jmp rel8, ud2; jmp rel32; jmp through memory, as stubs do */
	return (at >= 1 && (code[at - 1] == 0xc3 || code[at - 1] == 0xf4)) ||
	       (at >= 2 &&
		(code[at - 2] == 0xeb || (code[at - 2] == 0x0f && code[at - 1] == 0x0b))) ||
	       (at >= 5 && code[at - 5] == 0xe9) ||
	       (at >= 6 && code[at - 6] == 0xff && code[at - 5] == 0x25);
}

/* nop in any of its lengths, int3, what moves a register to itself, and the zeros that linkers put
 * between sections (as code, an addition that no compiler makes). */
bool csn_x86_is_padding(const struct csn_x86_mode *mode, const uint8_t *code, size_t size_bytes)
{
	while (size_bytes) {
		struct csn_step step;
		size_t at = 0;

		if (!csn_x86_decode_step(mode, code, size_bytes, 0, &step))
			return false;
		while (at < step.length && (code[at] == 0x66 || code[at] == 0x2e))
			at++;
		if (!(code[at] == 0 && code[at + 1] == 0) && code[at] != 0x90 && code[at] != 0xcc &&
		    !(code[at] == 0x0f && at + 1 < step.length && code[at + 1] == 0x1f) &&
		    !(step.kind == CSN_STEP_ADD && step.dst == step.src && step.value == 0))
			return false;
		code += step.length;
		size_bytes -= step.length;
	}
	return true;
}
