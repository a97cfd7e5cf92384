/* An x86 instruction in parts, for those who know what it means. Private to the architectures. */
#ifndef CSN_TARGET_ARCH_X86_INSN_H
#define CSN_TARGET_ARCH_X86_INSN_H

#include "target/arch_internal.h"

enum csn_x86_map {
	CSN_X86_MAP_1 = 1,
	CSN_X86_MAP_0F,
	CSN_X86_MAP_0F38,
	CSN_X86_MAP_0F3A,
};

struct csn_x86_insn {
	const struct csn_x86_mode *mode;
	struct csn_span code; /* behind the instruction when it is read */
	csn_addr pc;
	uint8_t rex, map, opcode, modrm;           /* map: enum csn_x86_map */
	bool operand_16, address_short, is_vector; /* prefixes 66 and 67; VEX, EVEX */
	bool segment;                              /* fs or gs: the address is in there */
	bool is_memory, relative, absolute; /* the operand: memory; at rip + displacement; at it */
	bool baseless;                      /* the operand has an index and no base */
	bool plain;           /* memory at base + displacement, no index, no segment */
	uint8_t reg, rm;      /* our numbers; rm is the base when is_memory */
	uint8_t index, scale; /* index: CSN_NO_REGISTER none */
	int64_t displacement, immediate;
};

/* False when there is no such instruction, or not all of it is there. */
bool csn_x86_insn_read(const struct csn_x86_mode *mode, const uint8_t *code, size_t size_bytes,
		       csn_addr pc, struct csn_x86_insn *ret_insn);

static inline csn_addr csn_x86_insn_next(const struct csn_x86_insn *insn)
{
	return insn->pc + insn->code.at;
}

/* The operand is a whole word. Only those carry a pointer. */
static inline bool csn_x86_insn_is_wide(const struct csn_x86_insn *insn)
{
	return insn->mode->is_64 ? insn->rex & 8 : !insn->operand_16;
}

#endif
