/* What an AArch64 instruction does to the stack pointer and to control (Arm ARM, C4.1, "A64
 * instruction set encoding"). One row per class of encodings, the most special first; what no row
 * knows changes nothing that a frame is made of. */
#include "target/arch_internal.h"

enum { CSN_SP = 31 };

/* Register 31 is the zero register in most places, the stack pointer in some. */
static uint8_t csn_general(uint32_t number)
{
	return number == 31 ? CSN_NO_REGISTER : (uint8_t)number;
}

/* Rd, Rt: bits 0 to 4; Rn: bits 5 to 9. */
static uint8_t csn_destination(uint32_t insn)
{
	return csn_general(csn_insn_bits(insn, 0, 5));
}

static uint8_t csn_base(uint32_t insn)
{
	return (uint8_t)csn_insn_bits(insn, 5, 5);
}

static void csn_step_branch(csn_addr pc, int64_t words, enum csn_step_kind kind,
			    struct csn_step *step)
{
	step->kind = kind;
	step->target = pc + (uint64_t)words * 4;
}

static void csn_do_b(uint32_t insn, csn_addr pc, struct csn_step *step)
{
	csn_step_branch(pc, csn_insn_bits_signed(insn, 0, 26), CSN_STEP_JUMP, step);
}

static void csn_do_bl(uint32_t insn, csn_addr pc, struct csn_step *step)
{
	csn_step_branch(pc, csn_insn_bits_signed(insn, 0, 26), CSN_STEP_CALL, step);
}

static void csn_do_branch_19(uint32_t insn, csn_addr pc, struct csn_step *step)
{
	csn_step_branch(pc, csn_insn_bits_signed(insn, 5, 19), CSN_STEP_BRANCH, step);
}

static void csn_do_branch_14(uint32_t insn, csn_addr pc, struct csn_step *step)
{
	csn_step_branch(pc, csn_insn_bits_signed(insn, 5, 14), CSN_STEP_BRANCH, step);
}

/* br, blr, ret, and the same with authentication. */
static void csn_do_register_branch(uint32_t insn, csn_unused csn_addr pc, struct csn_step *step)
{
	static const uint8_t kinds[8] = { CSN_STEP_JUMP, CSN_STEP_CALL, CSN_STEP_RETURN,
					  CSN_STEP_STOP, CSN_STEP_STOP, CSN_STEP_STOP,
					  CSN_STEP_STOP, CSN_STEP_STOP };

	step->kind = kinds[csn_insn_bits(insn, 21, 3)];
}

static void csn_do_stop(csn_unused uint32_t insn, csn_unused csn_addr pc, struct csn_step *step)
{
	step->kind = CSN_STEP_STOP;
}

static void csn_do_nothing(csn_unused uint32_t insn, csn_unused csn_addr pc,
			   csn_unused struct csn_step *step)
{
}

static void csn_do_system_call(csn_unused uint32_t insn, csn_unused csn_addr pc,
			       struct csn_step *step)
{
	step->dst = 0;
}

/* A new value in Rd. */
static void csn_do_write(uint32_t insn, csn_unused csn_addr pc, struct csn_step *step)
{
	step->dst = csn_destination(insn);
}

/* The same for instructions that name the stack pointer by 31. */
static void csn_do_write_sp(uint32_t insn, csn_unused csn_addr pc, struct csn_step *step)
{
	step->dst = (uint8_t)csn_insn_bits(insn, 0, 5);
}

/* Store-exclusive writes its status to bits 16 to 20, compare-and-swap what it found. */
static void csn_do_exclusive(uint32_t insn, csn_unused csn_addr pc, struct csn_step *step)
{
	if (csn_insn_bits(insn, 22, 1)) {
		step->dst = csn_destination(insn);
		step->second = csn_general(csn_insn_bits(insn, 10, 5));
	} else {
		step->dst = csn_general(csn_insn_bits(insn, 16, 5));
	}
}

/* add and sub of a constant, 64 bits wide; those that set the flags cannot write sp. */
static void csn_do_add(uint32_t insn, csn_unused csn_addr pc, struct csn_step *step)
{
	int64_t value = csn_insn_bits(insn, 10, 12);

	if (csn_insn_bits(insn, 22, 1))
		value *= 4096;
	step->dst = csn_insn_bits(insn, 29, 1) ? csn_destination(insn)
					       : (uint8_t)csn_insn_bits(insn, 0, 5);
	if (step->dst == CSN_NO_REGISTER)
		return;
	step->kind = CSN_STEP_ADD;
	step->src = csn_base(insn);
	step->value = csn_insn_bits(insn, 30, 1) ? -value : value;
}

/* movz: the size of a frame too large for a constant of 12 bits. */
static void csn_do_set(uint32_t insn, csn_unused csn_addr pc, struct csn_step *step)
{
	step->dst = csn_destination(insn);
	if (step->dst == CSN_NO_REGISTER)
		return;
	step->kind = CSN_STEP_SET;
	step->value = (int64_t)((uint64_t)csn_insn_bits(insn, 5, 16)
				<< (16 * csn_insn_bits(insn, 21, 2)));
}

/* add and sub of a register, 64 bits wide and not shifted, where 31 means sp. */
static void csn_do_sum(uint32_t insn, csn_unused csn_addr pc, struct csn_step *step)
{
	step->dst = (uint8_t)csn_insn_bits(insn, 0, 5);
	step->src = csn_base(insn);
	step->second = csn_general(csn_insn_bits(insn, 16, 5));
	step->kind = CSN_STEP_SUM;
	step->value = csn_insn_bits(insn, 30, 1) ? -1 : 1;
}

static void csn_do_move(uint32_t insn, csn_unused csn_addr pc, struct csn_step *step)
{
	step->dst = csn_destination(insn);
	step->src = csn_general(csn_insn_bits(insn, 16, 5));
	if (step->dst != CSN_NO_REGISTER && step->src != CSN_NO_REGISTER)
		step->kind = CSN_STEP_ADD;
}

/* and of a mask whose ones are all at the top, into sp: an aligned frame. */
static void csn_do_and(uint32_t insn, csn_unused csn_addr pc, struct csn_step *step)
{
	uint32_t ones = csn_insn_bits(insn, 10, 6) + 1, rotate = csn_insn_bits(insn, 16, 6);

	step->dst = (uint8_t)csn_insn_bits(insn, 0, 5);
	if (step->dst != CSN_SP || !csn_insn_bits(insn, 22, 1) || ones != rotate)
		return;
	step->kind = CSN_STEP_ALIGN;
	step->src = csn_base(insn);
	step->value = (int64_t)(UINT64_MAX << (64 - ones));
}

/* A load or store of words. writeback: 0 none, 1 behind the access, 3 before it. */
static void csn_step_words(uint32_t insn, bool load, int64_t distance, uint32_t writeback,
			   struct csn_step *step)
{
	uint8_t data = csn_destination(insn);

	step->kind = load ? CSN_STEP_LOAD : CSN_STEP_STORE;
	step->dst = load ? data : csn_base(insn);
	step->src = load ? csn_base(insn) : data;
	step->value = writeback == 1 ? 0 : distance;
	step->moves = writeback ? (int32_t)distance : 0;
}

/* ldp, stp of two words. Of the four forms those with bit 23 write the base back. */
static void csn_do_pair(uint32_t insn, csn_unused csn_addr pc, struct csn_step *step)
{
	csn_step_words(insn, csn_insn_bits(insn, 22, 1), csn_insn_bits_signed(insn, 15, 7) * 8,
		       csn_insn_bits(insn, 23, 1) ? csn_insn_bits(insn, 23, 2) : 0, step);
	step->second = csn_general(csn_insn_bits(insn, 10, 5));
}

/* Pairs of narrower or of vector registers: what they move is no part of a frame. */
static void csn_do_other_pair(uint32_t insn, csn_unused csn_addr pc, struct csn_step *step)
{
	bool vector = csn_insn_bits(insn, 26, 1), writeback = csn_insn_bits(insn, 23, 1);
	unsigned bytes = vector ? 4u << csn_insn_bits(insn, 30, 2) : 4;

	if (!vector && csn_insn_bits(insn, 22, 1)) {
		step->dst = csn_destination(insn);
		step->second = writeback ? csn_base(insn) : csn_general(csn_insn_bits(insn, 10, 5));
	} else if (writeback) {
		step->kind = CSN_STEP_ADD;
		step->dst = step->src = csn_base(insn);
		step->value = csn_insn_bits_signed(insn, 15, 7) * (int64_t)bytes;
	}
}

/* ldr, str of a word at a constant distance, counted in words. */
static void csn_do_scaled(uint32_t insn, csn_unused csn_addr pc, struct csn_step *step)
{
	csn_step_words(insn, csn_insn_bits(insn, 22, 1), (int64_t)csn_insn_bits(insn, 10, 12) * 8,
		       0, step);
}

/* The same, counted in bytes and perhaps with writeback. */
static void csn_do_unscaled(uint32_t insn, csn_unused csn_addr pc, struct csn_step *step)
{
	csn_step_words(insn, csn_insn_bits(insn, 22, 1), csn_insn_bits_signed(insn, 12, 9),
		       csn_insn_bits(insn, 10, 2), step);
}

/* Loads and stores of one register of another width, at another kind of address, or atomic. */
static void csn_do_other_access(uint32_t insn, csn_unused csn_addr pc, struct csn_step *step)
{
	bool vector = csn_insn_bits(insn, 26, 1);
	bool scaled = csn_insn_bits(insn, 24, 1), by_register = csn_insn_bits(insn, 21, 1);
	bool atomic = !scaled && by_register && csn_insn_bits(insn, 10, 2) == 0;
	bool writeback = !scaled && !by_register && csn_insn_bits(insn, 10, 1);

	if (!vector && (csn_insn_bits(insn, 22, 2) || atomic))
		step->dst = csn_destination(insn);
	if (!writeback)
		return;
	if (step->dst != CSN_NO_REGISTER) {
		step->second = csn_base(insn);
		return;
	}
	step->kind = CSN_STEP_ADD;
	step->dst = step->src = csn_base(insn);
	step->value = csn_insn_bits_signed(insn, 12, 9);
}

static const struct csn_class {
	uint32_t mask, value;
	void (*decode)(uint32_t insn, csn_addr pc, struct csn_step *step);
} csn_classes[] = {
	/* branches, exceptions and system */
	{ 0xfc000000, 0x14000000, csn_do_b },
	{ 0xfc000000, 0x94000000, csn_do_bl },
	{ 0xff000000, 0x54000000, csn_do_branch_19 },
	{ 0x7e000000, 0x34000000, csn_do_branch_19 },
	{ 0x7e000000, 0x36000000, csn_do_branch_14 },
	{ 0xfe000000, 0xd6000000, csn_do_register_branch },
	{ 0xffe0001f, 0xd4000001, csn_do_system_call },
	{ 0xffe0001f, 0xd4200000, csn_do_stop },  /* brk */
	{ 0xffe0001f, 0xd4400000, csn_do_stop },  /* hlt */
	{ 0xffff0000, 0x00000000, csn_do_stop },  /* udf */
	{ 0xfff00000, 0xd5300000, csn_do_write }, /* mrs */
	{ 0xff000000, 0xd5000000, csn_do_nothing },
	/* data processing, immediate */
	{ 0x9f800000, 0x91000000, csn_do_add },
	{ 0xff800000, 0x92000000, csn_do_and },
	{ 0x7f800000, 0x72000000, csn_do_write }, /* ands */
	{ 0x7f800000, 0x71000000, csn_do_write }, /* subs, 32 bits */
	{ 0x7f800000, 0x31000000, csn_do_write }, /* adds, 32 bits */
	{ 0x1f000000, 0x11000000, csn_do_write_sp },
	{ 0x1f800000, 0x12000000, csn_do_write_sp },
	{ 0x7f800000, 0x52800000, csn_do_set },
	{ 0x1c000000, 0x10000000, csn_do_write },
	/* loads and stores */
	{ 0xfe000000, 0xa8000000, csn_do_pair },
	{ 0x3a000000, 0x28000000, csn_do_other_pair },
	{ 0xff800000, 0xf9000000, csn_do_scaled },
	{ 0xffa00800, 0xf8000000, csn_do_unscaled },
	{ 0xffa00c00, 0xf8000c00, csn_do_unscaled },
	{ 0xff000000, 0xd8000000, csn_do_nothing }, /* prfm of a literal */
	{ 0xff800000, 0xf9800000, csn_do_nothing }, /* prfm */
	{ 0x3f000000, 0x18000000, csn_do_write },   /* literals */
	{ 0x3f000000, 0x08000000, csn_do_exclusive },
	{ 0x3a000000, 0x38000000, csn_do_other_access },
	/* data processing, register */
	{ 0xffe0ffe0, 0xaa0003e0, csn_do_move },
	{ 0x3fe00000, 0x3a400000, csn_do_nothing }, /* ccmn, ccmp */
	{ 0xbfe0fc00, 0x8b206000, csn_do_sum },
	{ 0x3f200000, 0x0b200000, csn_do_write_sp }, /* add, sub of an extended register */
	{ 0x0e000000, 0x0a000000, csn_do_write },
	/* from vector to general registers */
	{ 0x7f26fc00, 0x1e200000, csn_do_write }, /* fcvt by rounding mode */
	{ 0x7f26fc00, 0x1e240000, csn_do_write }, /* fcvt, ties away */
	{ 0x7f27fc00, 0x1e260000, csn_do_write }, /* fmov */
	{ 0xbfe0fc00, 0x0e003c00, csn_do_write }, /* umov */
	{ 0xbfe0fc00, 0x0e002c00, csn_do_write }, /* smov */
};

bool csn_aarch64_decode_step(const uint8_t *code, size_t size_bytes, csn_addr pc,
			     struct csn_step *ret_step)
{
	struct csn_span span = csn_span_of(code, size_bytes);
	struct csn_step step = { .length = 4,
				 .dst = CSN_NO_REGISTER,
				 .src = CSN_NO_REGISTER,
				 .second = CSN_NO_REGISTER };
	uint32_t insn = csn_span_u32(&span);

	if (!csn_span_ok(&span))
		return false;
	for (size_t i = 0; i < csn_countof(csn_classes); i++) {
		if ((insn & csn_classes[i].mask) == csn_classes[i].value) {
			csn_classes[i].decode(insn, pc, &step);
			break;
		}
	}
	*ret_step = step;
	return true;
}
