/* The memory operand of an x86 instruction, for the common forms that load or store one plain
 * value (Intel SDM volume 2, chapter 2 and appendix A). Read-modify-write, string and vector
 * instructions beyond plain moves are left to others: here every answer must be certain. */
#include "target/arch_internal.h"

struct csn_insn {
	const struct csn_x86_mode *mode;
	struct csn_span code;
	const struct csn_registers *registers;
	uint8_t rex;
	bool operand_16;
	bool segment; /* the address is relative to segment_base */
	unsigned segment_base;
	uint8_t modrm;
	bool unknown; /* a register that the address needs is not known */
};

struct csn_opcode {
	uint8_t opcode;
	uint8_t kind;      /* enum csn_access_kind */
	uint8_t size;      /* 0: by operand size; 255: a word */
	int8_t reg;        /* required ModRM.reg; -1 any */
	uint8_t immediate; /* bytes behind the address; 255: by operand size, at most 4 */
};

/* Everything of appendix A's one-byte map that only loads or only stores one operand. */
static const struct csn_opcode csn_one_byte[] = {
	{ 0x88, CSN_ACCESS_WRITE, 1, -1, 0 }, { 0x89, CSN_ACCESS_WRITE, 0, -1, 0 },
	{ 0x8a, CSN_ACCESS_READ, 1, -1, 0 },  { 0x8b, CSN_ACCESS_READ, 0, -1, 0 },
	{ 0xc6, CSN_ACCESS_WRITE, 1, 0, 1 },  { 0xc7, CSN_ACCESS_WRITE, 0, 0, 255 },
	{ 0x63, CSN_ACCESS_READ, 4, -1, 0 },  { 0x02, CSN_ACCESS_READ, 1, -1, 0 },
	{ 0x03, CSN_ACCESS_READ, 0, -1, 0 },  { 0x0a, CSN_ACCESS_READ, 1, -1, 0 },
	{ 0x0b, CSN_ACCESS_READ, 0, -1, 0 },  { 0x22, CSN_ACCESS_READ, 1, -1, 0 },
	{ 0x23, CSN_ACCESS_READ, 0, -1, 0 },  { 0x2a, CSN_ACCESS_READ, 1, -1, 0 },
	{ 0x2b, CSN_ACCESS_READ, 0, -1, 0 },  { 0x32, CSN_ACCESS_READ, 1, -1, 0 },
	{ 0x33, CSN_ACCESS_READ, 0, -1, 0 },  { 0x38, CSN_ACCESS_READ, 1, -1, 0 },
	{ 0x39, CSN_ACCESS_READ, 0, -1, 0 },  { 0x3a, CSN_ACCESS_READ, 1, -1, 0 },
	{ 0x3b, CSN_ACCESS_READ, 0, -1, 0 },  { 0x80, CSN_ACCESS_READ, 1, 7, 1 },
	{ 0x81, CSN_ACCESS_READ, 0, 7, 255 }, { 0x83, CSN_ACCESS_READ, 0, 7, 1 },
	{ 0x84, CSN_ACCESS_READ, 1, -1, 0 },  { 0x85, CSN_ACCESS_READ, 0, -1, 0 },
	{ 0xff, CSN_ACCESS_READ, 255, 2, 0 }, { 0xff, CSN_ACCESS_READ, 255, 4, 0 },
	{ 0xff, CSN_ACCESS_READ, 255, 6, 0 },
};

static const struct csn_opcode csn_two_byte[] = {
	{ 0xb6, CSN_ACCESS_READ, 1, -1, 0 },   { 0xb7, CSN_ACCESS_READ, 2, -1, 0 },
	{ 0xbe, CSN_ACCESS_READ, 1, -1, 0 },   { 0xbf, CSN_ACCESS_READ, 2, -1, 0 },
	{ 0xaf, CSN_ACCESS_READ, 0, -1, 0 },   { 0x10, CSN_ACCESS_READ, 4, -1, 0 },
	{ 0x11, CSN_ACCESS_WRITE, 4, -1, 0 },  { 0x28, CSN_ACCESS_READ, 16, -1, 0 },
	{ 0x29, CSN_ACCESS_WRITE, 16, -1, 0 }, { 0x6f, CSN_ACCESS_READ, 8, -1, 0 },
	{ 0x7f, CSN_ACCESS_WRITE, 8, -1, 0 },
};

static uint64_t csn_insn_register(struct csn_insn *insn, unsigned number)
{
	if (csn_register_known(insn->registers, number))
		return insn->registers->value[number];
	insn->unknown = true;
	return 0;
}

static uint8_t csn_insn_prefixes(struct csn_insn *insn)
{
	for (;;) {
		uint8_t byte = csn_span_u8(&insn->code);

		if (byte == 0x66)
			insn->operand_16 = true;
		else if (byte == 0x64 || byte == 0x65) {
			insn->segment = true;
			insn->segment_base =
				byte == 0x64 ? insn->mode->fs_base : insn->mode->gs_base;
		} else if (byte != 0x2e && byte != 0x36 && byte != 0x3e && byte != 0x26 &&
			   byte != 0xf2 && byte != 0xf3)
			return byte;
		if (!csn_span_ok(&insn->code))
			return 0x90;
	}
}

static csn_addr csn_insn_sib(struct csn_insn *insn, bool *ret_disp32)
{
	uint8_t sib = csn_span_u8(&insn->code), mod = insn->modrm >> 6;
	unsigned index = (sib >> 3 & 7) | (insn->rex & 2) << 2;
	csn_addr sum = 0;

	if (index != 4)
		sum = csn_insn_register(insn, insn->mode->numbers[index]) << (sib >> 6);
	if ((sib & 7) == 5 && mod == 0)
		*ret_disp32 = true;
	else
		sum += csn_insn_register(insn,
					 insn->mode->numbers[(sib & 7) | (insn->rex & 1) << 3]);
	return sum;
}

/* The effective address; immediate_bytes follow the displacement. */
static csn_addr csn_insn_address(struct csn_insn *insn, unsigned immediate_bytes)
{
	unsigned mod = insn->modrm >> 6, rm = insn->modrm & 7;
	bool disp32 = mod == 2, relative = false;
	csn_addr sum = 0;

	if (rm == 4) {
		sum = csn_insn_sib(insn, &disp32);
	} else if (mod == 0 && rm == 5) {
		disp32 = true;
		relative = insn->mode->is_64;
	} else {
		sum = csn_insn_register(insn, insn->mode->numbers[rm | (insn->rex & 1) << 3]);
	}
	if (mod == 1)
		sum += (uint64_t)csn_span_int(&insn->code, 1);
	else if (disp32)
		sum += (uint64_t)csn_span_int(&insn->code, 4);
	if (relative)
		sum += csn_insn_register(insn, insn->mode->pc) + insn->code.at + immediate_bytes;
	if (insn->segment)
		sum += csn_insn_register(insn, insn->segment_base);
	return sum & insn->mode->address_mask;
}

/* push of a register or constant, and direct calls, which push the return address. */
static bool csn_insn_is_push(uint8_t opcode)
{
	return (opcode & 0xf8) == 0x50 || opcode == 0x68 || opcode == 0x6a || opcode == 0xe8;
}

static const struct csn_opcode *csn_insn_find(const struct csn_insn *insn, uint8_t opcode,
					      const struct csn_opcode *table, size_t count)
{
	int reg = insn->modrm >> 3 & 7;

	for (size_t i = 0; i < count; i++)
		if (table[i].opcode == opcode && (table[i].reg < 0 || table[i].reg == reg))
			return &table[i];
	return NULL;
}

bool csn_x86_decode_access(const struct csn_x86_mode *mode, const uint8_t *code, size_t size_bytes,
			   const struct csn_registers *registers, struct csn_access *ret_access)
{
	struct csn_insn insn = { .mode = mode,
				 .code = csn_span_of(code, size_bytes),
				 .registers = registers };
	const struct csn_opcode *found;
	struct csn_access access = { 0 };
	unsigned operand;
	uint8_t opcode = csn_insn_prefixes(&insn);
	bool two_bytes;

	if (mode->is_64 && (opcode & 0xf0) == 0x40) {
		insn.rex = opcode;
		opcode = csn_span_u8(&insn.code);
	}
	if (csn_insn_is_push(opcode) && csn_register_known(registers, mode->sp)) {
		*ret_access = (struct csn_access){ .kind = CSN_ACCESS_WRITE,
						   .address = registers->value[mode->sp] -
							      mode->word_bytes,
						   .size_bytes = mode->word_bytes };
		return true;
	}
	two_bytes = opcode == 0x0f;
	if (two_bytes)
		opcode = csn_span_u8(&insn.code);
	insn.modrm = csn_span_u8(&insn.code);
	/* 63 is something else in 32-bit mode. */
	if (!csn_span_ok(&insn.code) || insn.modrm >> 6 == 3 || (opcode == 0x63 && !mode->is_64))
		return false;
	found = two_bytes ? csn_insn_find(&insn, opcode, csn_two_byte, csn_countof(csn_two_byte))
			  : csn_insn_find(&insn, opcode, csn_one_byte, csn_countof(csn_one_byte));
	if (!found)
		return false;
	operand = insn.rex & 8 ? 8 : insn.operand_16 ? 2 : 4;
	access.kind = (enum csn_access_kind)found->kind;
	access.size_bytes = found->size == 255 ? mode->word_bytes
			    : found->size      ? found->size
					       : operand;
	access.address = csn_insn_address(&insn, found->immediate != 255 ? found->immediate
						 : operand == 2          ? 2
									 : 4);
	if (!csn_span_ok(&insn.code) || insn.unknown)
		return false;
	/* movaps is the only row of 16 bytes. */
	access.must_align = access.size_bytes == 16;
	*ret_access = access;
	return true;
}

bool csn_x86_decode_divisor(const struct csn_x86_mode *mode, const uint8_t *code, size_t size_bytes,
			    const struct csn_registers *registers, struct csn_divisor *ret_divisor)
{
	struct csn_insn insn = { .mode = mode,
				 .code = csn_span_of(code, size_bytes),
				 .registers = registers };
	struct csn_divisor divisor = { 0 };
	uint8_t opcode = csn_insn_prefixes(&insn);
	unsigned rm;

	if (mode->is_64 && (opcode & 0xf0) == 0x40) {
		insn.rex = opcode;
		opcode = csn_span_u8(&insn.code);
	}
	insn.modrm = csn_span_u8(&insn.code);
	/* F6 and F7 /6 and /7: div and idiv. */
	if ((opcode & 0xfe) != 0xf6 || (insn.modrm & 0x30) != 0x30)
		return false;
	divisor.size_bytes = opcode == 0xf6 ? 1 : insn.rex & 8 ? 8 : insn.operand_16 ? 2 : 4;
	divisor.in_memory = insn.modrm >> 6 != 3;
	rm = (insn.modrm & 7) | (insn.rex & 1) << 3;
	if (divisor.in_memory) {
		divisor.address = csn_insn_address(&insn, 0);
	} else if (divisor.size_bytes == 1 && !insn.rex && rm >= 4) {
		divisor.value = csn_insn_register(&insn, mode->numbers[rm - 4]) >> 8; /* ah ... */
	} else {
		divisor.value = csn_insn_register(&insn, mode->numbers[rm]);
	}
	if (divisor.size_bytes < 8)
		divisor.value &= (1ull << 8 * divisor.size_bytes) - 1;
	if (!csn_span_ok(&insn.code) || insn.unknown)
		return false;
	*ret_divisor = divisor;
	return true;
}
