/* The architectures, one per file (with what its instructions mean beside it); arch.c lists them.
 */
#ifndef CSN_TARGET_ARCH_INTERNAL_H
#define CSN_TARGET_ARCH_INTERNAL_H

#include "target/arch.h"

extern const struct csn_arch csn_arch_x86_64;
extern const struct csn_arch csn_arch_i386;
extern const struct csn_arch csn_arch_aarch64;

/* What tells the two modes of x86 apart for the decoders that they share. */
struct csn_x86_mode {
	bool is_64;
	unsigned word_bytes;
	uint64_t address_mask;
	uint8_t numbers[16]; /* ModRM register numbers to ours (DWARF order) */
	uint8_t pc, sp;
	uint8_t fs_base, gs_base; /* CSN_NO_REGISTER: not known to us */
};

/* arch_x86_access.c: csn_arch.decode_access, decode_divisor */
bool csn_x86_decode_access(const struct csn_x86_mode *mode, const uint8_t *code, size_t size_bytes,
			   const struct csn_registers *registers, struct csn_access *ret_access);
bool csn_x86_decode_divisor(const struct csn_x86_mode *mode, const uint8_t *code, size_t size_bytes,
			    const struct csn_registers *registers, struct csn_divisor *ret_divisor);

/* arch_x86_flow.c: csn_arch.decode_flow. */
bool csn_x86_decode_flow(const struct csn_x86_mode *mode, const uint8_t *code, size_t size_bytes,
			 csn_addr pc, struct csn_flow *ret_flow);

/* arch_x86_step.c: csn_arch.decode_step, call_before, ends_before, is_padding. */
bool csn_x86_decode_step(const struct csn_x86_mode *mode, const uint8_t *code, size_t size_bytes,
			 csn_addr pc, struct csn_step *ret_step);
csn_addr csn_x86_call_target(const uint8_t before[8], csn_addr return_address);
unsigned csn_x86_call_before(const uint8_t *before, size_t size_bytes);
bool csn_x86_ends_before(const uint8_t *code, size_t at);
bool csn_x86_is_padding(const struct csn_x86_mode *mode, const uint8_t *code, size_t size_bytes);

/* Bits [low, low + count) of an instruction, plain and as a signed number. */
static inline uint32_t csn_insn_bits(uint32_t insn, unsigned low, unsigned count)
{
	return insn >> low & ((1u << count) - 1);
}

static inline int64_t csn_insn_bits_signed(uint32_t insn, unsigned low, unsigned count)
{
	int64_t value = csn_insn_bits(insn, low, count);

	return value >> (count - 1) ? value - (1ll << count) : value;
}

/* arch_aarch64_access.c, arch_aarch64_step.c */
bool csn_aarch64_decode_access(const uint8_t *code, size_t size_bytes,
			       const struct csn_registers *registers,
			       struct csn_access *ret_access);
bool csn_aarch64_decode_step(const uint8_t *code, size_t size_bytes, csn_addr pc,
			     struct csn_step *ret_step);

#endif
