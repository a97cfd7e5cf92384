/* AArch64: AAPCS64 (registers, frame records), "DWARF for the Arm 64-bit Architecture" (numbers),
 * and the kernel's struct user_pt_regs for the slots. Instructions are four bytes, little-endian.
 */
#include <elf.h>

#include "target/arch_internal.h"

#define CSN_X(n, saved) \
	{ \
		"x" #n, n, saved \
	}
static const struct csn_arch_register csn_aarch64_registers[] = {
	/* DWARF 0 to 32 */
	CSN_X(0, false),
	CSN_X(1, false),
	CSN_X(2, false),
	CSN_X(3, false),
	CSN_X(4, false),
	CSN_X(5, false),
	CSN_X(6, false),
	CSN_X(7, false),
	CSN_X(8, false),
	CSN_X(9, false),
	CSN_X(10, false),
	CSN_X(11, false),
	CSN_X(12, false),
	CSN_X(13, false),
	CSN_X(14, false),
	CSN_X(15, false),
	CSN_X(16, false),
	CSN_X(17, false),
	CSN_X(18, false),
	CSN_X(19, true),
	CSN_X(20, true),
	CSN_X(21, true),
	CSN_X(22, true),
	CSN_X(23, true),
	CSN_X(24, true),
	CSN_X(25, true),
	CSN_X(26, true),
	CSN_X(27, true),
	CSN_X(28, true),
	CSN_X(29, true),
	CSN_X(30, false),
	{ "sp", 31, false },
	{ "pc", 32, false },
	/* not part of call-frame information */
	{ "pstate", 33, false },
};

/* mov x8,#__NR_rt_sigreturn; svc #0: of the vdso, of qemu and of run times that bring their own. */
static const uint8_t csn_aarch64_sigreturn[] = { 0x68, 0x11, 0x80, 0xd2, 0x01, 0, 0, 0xd4 };

/* At sp lies siginfo (128 bytes), then struct ucontext, whose mcontext is 176 bytes into it: the
 * fault's address, x0 to x30, sp, pc. */
#define CSN_CONTEXT(n) (128 + 176 + 8 + (n)*8)
static const int csn_aarch64_context[] = {
	CSN_CONTEXT(0),  CSN_CONTEXT(1),  CSN_CONTEXT(2),  CSN_CONTEXT(3),  CSN_CONTEXT(4),
	CSN_CONTEXT(5),  CSN_CONTEXT(6),  CSN_CONTEXT(7),  CSN_CONTEXT(8),  CSN_CONTEXT(9),
	CSN_CONTEXT(10), CSN_CONTEXT(11), CSN_CONTEXT(12), CSN_CONTEXT(13), CSN_CONTEXT(14),
	CSN_CONTEXT(15), CSN_CONTEXT(16), CSN_CONTEXT(17), CSN_CONTEXT(18), CSN_CONTEXT(19),
	CSN_CONTEXT(20), CSN_CONTEXT(21), CSN_CONTEXT(22), CSN_CONTEXT(23), CSN_CONTEXT(24),
	CSN_CONTEXT(25), CSN_CONTEXT(26), CSN_CONTEXT(27), CSN_CONTEXT(28), CSN_CONTEXT(29),
	CSN_CONTEXT(30), CSN_CONTEXT(31), CSN_CONTEXT(32),
};

static const struct csn_trampoline csn_aarch64_trampolines[] = {
	{ csn_aarch64_sigreturn, sizeof(csn_aarch64_sigreturn), csn_aarch64_context },
};

/* mov x29,#0 */
static const uint8_t csn_aarch64_fp_clear[] = { 0x1d, 0, 0x80, 0xd2 };

static bool csn_aarch64_is_canonical(csn_addr address)
{
	/* The top byte may hold a tag; below it, addresses have at most 52 bits. */
	return (address >> 52 & 0xf) == 0 || (address >> 52 & 0xf) == 0xf;
}

static bool csn_aarch64_decode_last(const uint8_t *code, size_t at, struct csn_step *ret_step)
{
	return at >= 4 && csn_aarch64_decode_step(code + at - 4, 4, 0, ret_step);
}

static csn_addr csn_aarch64_call_target(const uint8_t before[8], csn_addr return_address)
{
	struct csn_step step;

	return csn_aarch64_decode_step(before + 4, 4, return_address - 4, &step) &&
			       step.kind == CSN_STEP_CALL
		       ? step.target
		       : 0;
}

static unsigned csn_aarch64_call_before(const uint8_t *before, size_t size_bytes)
{
	struct csn_step step;

	return csn_aarch64_decode_last(before, size_bytes, &step) && step.kind == CSN_STEP_CALL ? 4
												: 0;
}

static bool csn_aarch64_ends_before(const uint8_t *code, size_t at)
{
	struct csn_step step;

	return at % 4 == 0 && csn_aarch64_decode_last(code, at, &step) &&
	       (step.kind == CSN_STEP_RETURN || step.kind == CSN_STEP_JUMP ||
		step.kind == CSN_STEP_STOP);
}

static bool csn_aarch64_is_padding(const uint8_t *code, size_t size_bytes)
{
	static const uint32_t nop = 0xd503201f;
	struct csn_span span = csn_span_of(code, size_bytes);

	while (csn_span_left(&span) >= 4) {
		uint32_t word = csn_span_u32(&span);

		if (word != nop && word != 0)
			return false;
	}
	return csn_span_left(&span) == 0;
}

const struct csn_arch csn_arch_aarch64 = {
	.name = "aarch64",
	.elf_machine = EM_AARCH64,
	.word_bytes = 8,
	.n_registers = csn_countof(csn_aarch64_registers),
	.n_dwarf = 33,
	.pc = 32,
	.sp = 31,
	.fp = 29,
	.lr = 30,
	.return_column = 30,
	.registers = csn_aarch64_registers,
	.n_user_slots = 34,
	.prstatus_pid = 32,
	.prstatus_registers = 112,
	.psinfo_ids = 16,
	.psinfo_uid_bytes = 4,
	.trampolines = csn_aarch64_trampolines,
	.n_trampolines = csn_countof(csn_aarch64_trampolines),
	/* With 48-bit addresses and tags allowed; bit 55 chooses the half of the address space. */
	.signature_bits = 0xff7f000000000000,
	.is_canonical = csn_aarch64_is_canonical,
	.decode_access = csn_aarch64_decode_access,
	.decode_step = csn_aarch64_decode_step,
	.max_instruction_bytes = 4,
	.call_target = csn_aarch64_call_target,
	.call_before = csn_aarch64_call_before,
	.ends_before = csn_aarch64_ends_before,
	.is_padding = csn_aarch64_is_padding,
	.function_align = 4,
	.clobbered = 0x4007ffff, /* x0-x18 x30 */
	.fp_clear = csn_aarch64_fp_clear,
	.fp_clear_bytes = sizeof(csn_aarch64_fp_clear),
	.fp_clear_reach = 64,
};
