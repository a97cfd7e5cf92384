/* The parts of an x86 instruction and its length (Intel SDM volume 2, chapter 2 and appendix A),
 * from two tables of 256 letters. */
#include <string.h>

#include "target/arch_x86_insn.h"

/* One letter per opcode:
 *	. alone		m ModRM			x none in 64-bit mode, or unknown
 *	b imm8		B ModRM and imm8	z imm32, 16 bits with 66	Z ModRM and z
 *	w imm16		e imm16 and imm8	v imm32, 64 bits with REX.W	o address
 *	j rel32		g ModRM, and an immediate when its reg is 0 or 1
 *	f z and imm16 */
static const char csn_map_1_64[] = "mmmmbzxxmmmmbzx."
				   "mmmmbzxxmmmmbzxx"
				   "mmmmbzxxmmmmbzxx"
				   "mmmmbzxxmmmmbzxx"
				   "xxxxxxxxxxxxxxxx"
				   "................"
				   "xxxmxxxxzZbB...."
				   "bbbbbbbbbbbbbbbb"
				   "BZxBmmmmmmmmmmmm"
				   "..........x....."
				   "oooo....bz......"
				   "bbbbbbbbvvvvvvvv"
				   "BBw.xxBZe.w..bx."
				   "mmmmxxx.mmmmmmmm"
				   "bbbbbbbbjjxb...."
				   "x.xx..gg......mm";
static const char csn_map_1_32[] = "mmmmbz..mmmmbz.."
				   "mmmmbz..mmmmbz.."
				   "mmmmbzx.mmmmbzx."
				   "mmmmbzx.mmmmbzx."
				   "................"
				   "................"
				   "..mmxxxxzZbB...."
				   "bbbbbbbbbbbbbbbb"
				   "BZBBmmmmmmmmmmmm"
				   "..........f....."
				   "oooo....bz......"
				   "bbbbbbbbvvvvvvvv"
				   "BBw.mmBZe.w..b.."
				   "mmmmbb..mmmmmmmm"
				   "bbbbbbbbjjfb...."
				   "x.xx..gg......mm";
static const char csn_map_0f[] = "mmmmx.....x.xm.B"
				 "mmmmmmmmmmmmmmmm"
				 "mmmmxxxxmmmmmmmm"
				 "......x.xxxxxxxx"
				 "mmmmmmmmmmmmmmmm"
				 "mmmmmmmmmmmmmmmm"
				 "mmmmmmmmmmmmmmmm"
				 "BBBBmmm.mmmmmmmm"
				 "jjjjjjjjjjjjjjjj"
				 "mmmmmmmmmmmmmmmm"
				 "...mBmxx...mBmmm"
				 "mmmmmmmmmmBmmmmm"
				 "mmBmBBBm........"
				 "mmmmmmmmmmmmmmmm"
				 "mmmmmmmmmmmmmmmm"
				 "mmmmmmmmmmmmmmmm";

static bool csn_insn_read_prefixes(struct csn_x86_insn *insn)
{
	static const uint8_t ignored[] = { 0x2e, 0x36, 0x3e, 0x26, 0xf0, 0xf2, 0xf3 };
	for (unsigned i = 0; i < 15; i++) {
		uint8_t byte = csn_span_u8(&insn->code);

		if (byte == 0x66)
			insn->operand_16 = true;
		else if (byte == 0x67)
			insn->address_short = true;
		else if (byte == 0x64 || byte == 0x65)
			insn->segment = true;
		else if (!memchr(ignored, byte, sizeof(ignored))) {
			insn->opcode = byte;
			insn->plain = !insn->segment && !insn->address_short;
			return csn_span_ok(&insn->code);
		}
	}
	return false;
}

/* VEX (C4, C5) and EVEX (62) carry map and REX bits of their own. */
static bool csn_insn_read_vector(struct csn_x86_insn *insn)
{
	uint8_t first = csn_span_u8(&insn->code);

	insn->is_vector = true;
	insn->map = CSN_X86_MAP_0F;
	if (insn->opcode == 0xc4) {
		insn->map = (first & 31) + 1;
		csn_span_u8(&insn->code);
	} else if (insn->opcode == 0x62) {
		insn->map = (first & 7) + 1;
		csn_span_u8(&insn->code);
		csn_span_u8(&insn->code);
	}
	insn->opcode = csn_span_u8(&insn->code);
	return insn->map >= CSN_X86_MAP_0F && insn->map <= CSN_X86_MAP_0F3A;
}

/* In 32-bit mode the same bytes are les, lds and bound, which have a memory operand. */
static bool csn_insn_is_vector(const struct csn_x86_insn *insn)
{
	return (insn->opcode == 0xc4 || insn->opcode == 0xc5 || insn->opcode == 0x62) &&
	       (insn->mode->is_64 ||
		(csn_span_left(&insn->code) && insn->code.data[insn->code.at] >= 0xc0));
}

static bool csn_insn_read_opcode(struct csn_x86_insn *insn)
{
	insn->map = CSN_X86_MAP_1;
	if (insn->mode->is_64 && (insn->opcode & 0xf0) == 0x40) {
		insn->rex = insn->opcode;
		insn->opcode = csn_span_u8(&insn->code);
	}
	if (csn_insn_is_vector(insn))
		return csn_insn_read_vector(insn);
	if (insn->opcode != 0x0f)
		return true;
	insn->map = CSN_X86_MAP_0F;
	insn->opcode = csn_span_u8(&insn->code);
	if (insn->opcode != 0x38 && insn->opcode != 0x3a)
		return true;
	insn->map = insn->opcode == 0x38 ? CSN_X86_MAP_0F38 : CSN_X86_MAP_0F3A;
	insn->opcode = csn_span_u8(&insn->code);
	return true;
}

static void csn_insn_read_modrm(struct csn_x86_insn *insn)
{
	unsigned mod, rm;
	bool disp32;

	insn->modrm = csn_span_u8(&insn->code);
	mod = insn->modrm >> 6;
	rm = insn->modrm & 7;
	insn->reg = insn->mode->numbers[(insn->modrm >> 3 & 7) | (insn->rex & 4) << 1];
	insn->rm = insn->mode->numbers[rm | (insn->rex & 1) << 3];
	insn->is_memory = mod != 3;
	if (!insn->is_memory)
		return;
	disp32 = mod == 2;
	if (rm == 4) {
		uint8_t sib = csn_span_u8(&insn->code);

		insn->rm = insn->mode->numbers[(sib & 7) | (insn->rex & 1) << 3];
		if ((sib >> 3 & 7) != 4 || (insn->rex & 2)) {
			insn->index = insn->mode->numbers[(sib >> 3 & 7) | (insn->rex & 2) << 2];
			insn->scale = (uint8_t)(1u << (sib >> 6));
			insn->plain = false;
		}
		if ((sib & 7) == 5 && mod == 0) {
			disp32 = true;
			insn->baseless = true;
			insn->plain = false;
		}
	} else if (rm == 5 && mod == 0) {
		disp32 = true;
		insn->relative = insn->mode->is_64;
		insn->absolute = !insn->mode->is_64;
	}
	if (mod == 1)
		insn->displacement = csn_span_int(&insn->code, 1);
	else if (disp32)
		insn->displacement = csn_span_int(&insn->code, 4);
}

static bool csn_insn_read_operands(struct csn_x86_insn *insn)
{
	unsigned z = insn->operand_16 && !(insn->rex & 8) ? 2 : 4;
	const char *map_1 = insn->mode->is_64 ? csn_map_1_64 : csn_map_1_32;
	char letter = insn->map == CSN_X86_MAP_1      ? map_1[insn->opcode]
		      : insn->map == CSN_X86_MAP_0F   ? csn_map_0f[insn->opcode]
		      : insn->map == CSN_X86_MAP_0F38 ? 'm'
						      : 'B';

	/* vzeroupper is the only one without an operand. */
	if (insn->is_vector && insn->map == CSN_X86_MAP_0F && insn->opcode == 0x77)
		return csn_span_ok(&insn->code);
	if (strchr("mBZg", letter)) {
		/* Addresses of 16 bits have operands of another form. */
		if (insn->address_short && !insn->mode->is_64)
			return false;
		csn_insn_read_modrm(insn);
	}
	if (letter == 'b' || letter == 'B')
		insn->immediate = csn_span_int(&insn->code, 1);
	else if (letter == 'z' || letter == 'Z')
		insn->immediate = csn_span_int(&insn->code, z);
	else if (letter == 'w')
		insn->immediate = (int64_t)csn_span_uint(&insn->code, 2);
	else if (letter == 'e')
		csn_span_take(&insn->code, 3);
	else if (letter == 'v')
		insn->immediate = csn_span_int(&insn->code, insn->rex & 8 ? 8 : z);
	else if (letter == 'o')
		csn_span_take(&insn->code, insn->mode->word_bytes / (insn->address_short ? 2 : 1));
	else if (letter == 'f')
		csn_span_take(&insn->code, z + 2);
	else if (letter == 'j')
		insn->immediate = csn_span_int(&insn->code, 4);
	else if (letter == 'g' && (insn->modrm >> 3 & 7) < 2)
		insn->immediate = csn_span_int(&insn->code, insn->opcode & 1 ? z : 1);
	return letter != 'x' && csn_span_ok(&insn->code);
}

bool csn_x86_insn_read(const struct csn_x86_mode *mode, const uint8_t *code, size_t size_bytes,
		       csn_addr pc, struct csn_x86_insn *ret_insn)
{
	struct csn_x86_insn insn = { .mode = mode,
				     .code = csn_span_of(code, size_bytes),
				     .pc = pc,
				     .index = CSN_NO_REGISTER };

	if (!csn_insn_read_prefixes(&insn) || !csn_insn_read_opcode(&insn) ||
	    !csn_insn_read_operands(&insn) || insn.code.at > 15)
		return false;
	*ret_insn = insn;
	return true;
}
