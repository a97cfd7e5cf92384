/* The memory operand of an AArch64 instruction that loads or stores (Arm ARM, C4.1.94, "Loads and
 * stores"). Atomic read-modify-write, tags and vector structures are left to others: here every
 * answer must be certain. */
#include "target/arch_internal.h"

enum { CSN_PC = 32 };
/* What dc zva clears, wherever it was built for use; programs ask, and use it only then. */
enum { CSN_ZERO_BLOCK = 64 };

struct csn_look {
	const struct csn_registers *registers;
	bool unknown; /* a register that the address needs is not known */
};

static uint64_t csn_look_register(struct csn_look *look, unsigned number)
{
	if (csn_register_known(look->registers, number))
		return look->registers->value[number];
	look->unknown = true;
	return 0;
}

/* Rn; its number 31 is the stack pointer. */
static csn_addr csn_look_base(struct csn_look *look, uint32_t insn)
{
	return csn_look_register(look, csn_insn_bits(insn, 5, 5));
}

/* Bytes of one register: vector registers have a bit more to say it. */
static unsigned csn_size_of(uint32_t insn)
{
	if (csn_insn_bits(insn, 26, 1) && csn_insn_bits(insn, 23, 1))
		return 16;
	return 1u << csn_insn_bits(insn, 30, 2);
}

static enum csn_access_kind csn_kind_of(uint32_t insn)
{
	bool load = csn_insn_bits(insn, 26, 1) ? csn_insn_bits(insn, 22, 1)
					       : csn_insn_bits(insn, 22, 2) != 0;

	return load ? CSN_ACCESS_READ : CSN_ACCESS_WRITE;
}

static void csn_look_scaled(struct csn_look *look, uint32_t insn, struct csn_access *access)
{
	access->kind = csn_kind_of(insn);
	access->size_bytes = csn_size_of(insn);
	access->address = csn_look_base(look, insn) +
			  (uint64_t)csn_insn_bits(insn, 10, 12) * access->size_bytes;
}

/* Post-indexed accesses are at the base itself. */
static void csn_look_unscaled(struct csn_look *look, uint32_t insn, struct csn_access *access)
{
	access->kind = csn_kind_of(insn);
	access->size_bytes = csn_size_of(insn);
	access->address = csn_look_base(look, insn);
	if (csn_insn_bits(insn, 10, 2) != 1)
		access->address += (uint64_t)csn_insn_bits_signed(insn, 12, 9);
}

static void csn_look_indexed(struct csn_look *look, uint32_t insn, struct csn_access *access)
{
	unsigned number = csn_insn_bits(insn, 16, 5), option = csn_insn_bits(insn, 13, 3);
	uint64_t index = number == 31 ? 0 : csn_look_register(look, number);

	access->kind = csn_kind_of(insn);
	access->size_bytes = csn_size_of(insn);
	if (option == 2)
		index = (uint32_t)index;
	else if (option == 6)
		index = (uint64_t)(int64_t)(int32_t)(uint32_t)index;
	else if (option != 3 && option != 7)
		look->unknown = true;
	if (csn_insn_bits(insn, 12, 1))
		index *= access->size_bytes;
	access->address = csn_look_base(look, insn) + index;
}

static void csn_look_pair(struct csn_look *look, uint32_t insn, struct csn_access *access)
{
	bool vector = csn_insn_bits(insn, 26, 1);
	unsigned one = vector                       ? 4u << csn_insn_bits(insn, 30, 2)
		       : csn_insn_bits(insn, 31, 1) ? 8
						    : 4;

	access->kind = csn_insn_bits(insn, 22, 1) ? CSN_ACCESS_READ : CSN_ACCESS_WRITE;
	access->size_bytes = 2 * one;
	access->address = csn_look_base(look, insn);
	if (csn_insn_bits(insn, 23, 2) != 1)
		access->address += (uint64_t)(csn_insn_bits_signed(insn, 15, 7) * (int64_t)one);
}

static void csn_look_literal(struct csn_look *look, uint32_t insn, struct csn_access *access)
{
	access->kind = CSN_ACCESS_READ;
	access->size_bytes = 4u << (csn_insn_bits(insn, 30, 2) & 1);
	access->address =
		csn_look_register(look, CSN_PC) + (uint64_t)(csn_insn_bits_signed(insn, 5, 19) * 4);
}

/* Exclusive, acquire and release forms of one register. */
static void csn_look_ordered(struct csn_look *look, uint32_t insn, struct csn_access *access)
{
	access->kind = csn_insn_bits(insn, 22, 1) ? CSN_ACCESS_READ : CSN_ACCESS_WRITE;
	access->size_bytes = csn_size_of(insn);
	access->address = csn_look_base(look, insn);
}

static void csn_look_zero(struct csn_look *look, uint32_t insn, struct csn_access *access)
{
	access->kind = CSN_ACCESS_WRITE;
	access->size_bytes = CSN_ZERO_BLOCK;
	access->address = csn_look_register(look, csn_insn_bits(insn, 0, 5)) &
			  ~(uint64_t)(CSN_ZERO_BLOCK - 1);
}

static const struct csn_form {
	uint32_t mask, value;
	void (*decode)(struct csn_look *look, uint32_t insn, struct csn_access *access);
} csn_forms[] = {
	{ 0xffffffe0, 0xd50b7420, csn_look_zero },
	{ 0xffc00000, 0xf9800000, NULL }, /* prfm, three forms */
	{ 0xffe00000, 0xf8a00000, NULL },
	{ 0xffe00000, 0xf8800000, NULL },
	{ 0xff000000, 0xd8000000, NULL },
	{ 0x3b000000, 0x39000000, csn_look_scaled },
	{ 0x3b200800, 0x38000000, csn_look_unscaled },
	{ 0x3b200c00, 0x38000c00, csn_look_unscaled },
	{ 0x3b200c00, 0x38200800, csn_look_indexed },
	{ 0x3a000000, 0x28000000, csn_look_pair },
	{ 0x3f000000, 0x18000000, csn_look_literal },
	{ 0x3fa00000, 0x08800000, csn_look_ordered },
	{ 0x3fa00000, 0x08000000, csn_look_ordered },
};

bool csn_aarch64_decode_access(const uint8_t *code, size_t size_bytes,
			       const struct csn_registers *registers, struct csn_access *ret_access)
{
	struct csn_span span = csn_span_of(code, size_bytes);
	struct csn_look look = { .registers = registers };
	struct csn_access access = { .kind = CSN_ACCESS_UNKNOWN };
	uint32_t insn = csn_span_u32(&span);
	size_t i = 0;

	while (i < csn_countof(csn_forms) && (insn & csn_forms[i].mask) != csn_forms[i].value)
		i++;
	if (!csn_span_ok(&span) || i == csn_countof(csn_forms) || !csn_forms[i].decode)
		return false;
	csn_forms[i].decode(&look, insn, &access);
	if (look.unknown)
		return false;
	/* The processor leaves out the tag in the top byte, and so does what the kernel tells. */
	if (!(access.address >> 55 & 1))
		access.address &= UINT64_MAX >> 8;
	*ret_access = access;
	return true;
}
