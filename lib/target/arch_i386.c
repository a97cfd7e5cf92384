/* i386, as 32-bit programs on 64-bit kernels: System V i386 psABI (registers; DWARF numbers in
 * table 2.14), and the order of the kernel's struct user_regs_struct32 for the slots. */
#include <elf.h>
#include <string.h>

#include "target/arch_internal.h"

static const struct csn_arch_register csn_i386_registers[] = {
	/* DWARF 0 to 8 */
	{ "eax", 6, false },
	{ "ecx", 1, false },
	{ "edx", 2, false },
	{ "ebx", 0, true },
	{ "esp", 15, false },
	{ "ebp", 5, true },
	{ "esi", 3, true },
	{ "edi", 4, true },
	{ "eip", 12, false },
	/* not part of call-frame information */
	{ "eflags", 14, false },
	{ "cs", 13, false },
	{ "ss", 16, false },
	{ "ds", 7, false },
	{ "es", 8, false },
	{ "fs", 9, false },
	{ "gs", 10, false },
	{ "orig_eax", 11, false },
};

/* xor %ebp,%ebp */
static const uint8_t csn_i386_fp_clear[] = { 0x31, 0xed };

/* pop %eax; mov $__NR_sigreturn,%eax; int $0x80: of the vdso and of libraries without one. */
static const uint8_t csn_i386_sigreturn[] = { 0x58, 0xb8, 0x77, 0, 0, 0, 0xcd, 0x80 };
/* mov $__NR_rt_sigreturn,%eax; int $0x80 */
static const uint8_t csn_i386_rt_sigreturn[] = { 0xb8, 0xad, 0, 0, 0, 0xcd, 0x80 };

/* struct sigcontext_32 holds gs fs es ds edi esi ebp esp ebx edx ecx eax trapno err eip. When the
 * handler has returned, sp points to its argument, the signal's number. A plain frame has the
 * context behind that; the other one two pointers, siginfo (128 bytes) and 20 bytes of the ucontext
 * before it. */
#define CSN_I386_CONTEXT(at) \
	(at) + 11 * 4, (at) + 10 * 4, (at) + 9 * 4, (at) + 8 * 4, (at) + 7 * 4, (at) + 6 * 4, \
		(at) + 5 * 4, (at) + 4 * 4, (at) + 14 * 4
static const int csn_i386_context[] = { CSN_I386_CONTEXT(4) };
static const int csn_i386_rt_context[] = { CSN_I386_CONTEXT(12 + 128 + 20) };

static const struct csn_trampoline csn_i386_trampolines[] = {
	{ csn_i386_sigreturn, sizeof(csn_i386_sigreturn), csn_i386_context },
	{ csn_i386_rt_sigreturn, sizeof(csn_i386_rt_sigreturn), csn_i386_rt_context },
};

static const struct csn_x86_mode csn_i386_mode = {
	.word_bytes = 4,
	.address_mask = UINT32_MAX,
	.numbers = { 0, 1, 2, 3, 4, 5, 6, 7 },
	.pc = 8,
	.sp = 4,
	.fs_base = CSN_NO_REGISTER,
	.gs_base = CSN_NO_REGISTER,
};

static bool csn_i386_is_canonical(csn_addr address)
{
	return address <= UINT32_MAX;
}

static bool csn_i386_decode_access(const uint8_t *code, size_t size_bytes,
				   const struct csn_registers *registers,
				   struct csn_access *ret_access)
{
	return csn_x86_decode_access(&csn_i386_mode, code, size_bytes, registers, ret_access);
}

static bool csn_i386_decode_divisor(const uint8_t *code, size_t size_bytes,
				    const struct csn_registers *registers,
				    struct csn_divisor *ret_divisor)
{
	return csn_x86_decode_divisor(&csn_i386_mode, code, size_bytes, registers, ret_divisor);
}

static bool csn_i386_decode_step(const uint8_t *code, size_t size_bytes, csn_addr pc,
				 struct csn_step *ret_step)
{
	return csn_x86_decode_step(&csn_i386_mode, code, size_bytes, pc, ret_step);
}

static csn_addr csn_i386_call_target(const uint8_t before[8], csn_addr return_address)
{
	return csn_x86_call_target(before, return_address) & UINT32_MAX;
}

/* A call of the next instruction is how code learns where it is, and nothing returns from it. */
static unsigned csn_i386_call_before(const uint8_t *before, size_t size_bytes)
{
	static const uint8_t next[] = { 0xe8, 0, 0, 0, 0 };

	if (size_bytes >= sizeof(next) &&
	    memcmp(before + size_bytes - sizeof(next), next, sizeof(next)) == 0)
		return 0;
	return csn_x86_call_before(before, size_bytes);
}

static bool csn_i386_is_padding(const uint8_t *code, size_t size_bytes)
{
	return csn_x86_is_padding(&csn_i386_mode, code, size_bytes);
}

const struct csn_arch csn_arch_i386 = {
	.name = "i386",
	.elf_machine = EM_386,
	.word_bytes = 4,
	.n_registers = csn_countof(csn_i386_registers),
	.n_dwarf = 9,
	.pc = 8,
	.sp = 4,
	.fp = 5,
	.lr = CSN_NO_REGISTER,
	.return_column = 8,
	.registers = csn_i386_registers,
	.n_user_slots = 17,
	.prstatus_pid = 24,
	.prstatus_registers = 72,
	.psinfo_ids = 8,
	.psinfo_uid_bytes = 2,
	.trampolines = csn_i386_trampolines,
	.n_trampolines = csn_countof(csn_i386_trampolines),
	.is_canonical = csn_i386_is_canonical,
	.decode_access = csn_i386_decode_access,
	.decode_divisor = csn_i386_decode_divisor,
	.decode_step = csn_i386_decode_step,
	.max_instruction_bytes = 15,
	.call_target = csn_i386_call_target,
	.call_before = csn_i386_call_before,
	.ends_before = csn_x86_ends_before,
	.is_padding = csn_i386_is_padding,
	.function_align = 16,
	.clobbered = 0x7, /* eax ecx edx */
	.calls_pc_helpers = true,
	.fp_clear = csn_i386_fp_clear,
	.fp_clear_bytes = sizeof(csn_i386_fp_clear),
	/* xor %ebp,%ebp is _start's first instruction; it prepares eight arguments before its call.
	 */
	.fp_clear_reach = 48,
};
