/* x86-64: System V psABI section 3.2 (registers), figure 3.36 (DWARF numbers), and the order of
 * struct user_regs_struct for the slots. */
#include <elf.h>

#include "target/arch_internal.h"

static const struct csn_arch_register csn_x86_64_registers[] = {
	/* DWARF 0 to 16 */
	{ "rax", 10, false },
	{ "rdx", 12, false },
	{ "rcx", 11, false },
	{ "rbx", 5, true },
	{ "rsi", 13, false },
	{ "rdi", 14, false },
	{ "rbp", 4, true },
	{ "rsp", 19, false },
	{ "r8", 9, false },
	{ "r9", 8, false },
	{ "r10", 7, false },
	{ "r11", 6, false },
	{ "r12", 3, true },
	{ "r13", 2, true },
	{ "r14", 1, true },
	{ "r15", 0, true },
	{ "rip", 16, false },
	/* not part of call-frame information */
	{ "eflags", 18, false },
	{ "cs", 17, false },
	{ "ss", 20, false },
	{ "ds", 23, false },
	{ "es", 24, false },
	{ "fs", 25, false },
	{ "gs", 26, false },
	{ "fs_base", 21, false },
	{ "gs_base", 22, false },
	{ "orig_rax", 15, false },
};

static bool csn_x86_64_is_canonical(csn_addr address)
{
	/* Bits 47 to 63 equal (57-bit addresses are only handed out on request). */
	return (address >> 47) == 0 || (address >> 47) == 0x1ffff;
}

/* mov $__NR_rt_sigreturn,%rax; syscall: the same in glibc, musl and Go, because gdb and the kernel
 * know it by these bytes. */
static const uint8_t csn_x86_64_sigreturn[] = { 0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05 };

/* xor %ebp,%ebp */
static const uint8_t csn_x86_64_fp_clear[] = { 0x31, 0xed };

/* struct ucontext lies at sp when the handler has returned; uc_mcontext is 40 bytes into it, and
 * holds r8-r15 rdi rsi rbp rbx rdx rax rcx rsp rip. */
static const int csn_x86_64_sigcontext[] = {
	40 + 13 * 8, 40 + 12 * 8, 40 + 14 * 8, 40 + 11 * 8, 40 + 9 * 8,  40 + 8 * 8,
	40 + 10 * 8, 40 + 15 * 8, 40 + 0 * 8,  40 + 1 * 8,  40 + 2 * 8,  40 + 3 * 8,
	40 + 4 * 8,  40 + 5 * 8,  40 + 6 * 8,  40 + 7 * 8,  40 + 16 * 8,
};

static const struct csn_trampoline csn_x86_64_trampolines[] = {
	{ csn_x86_64_sigreturn, sizeof(csn_x86_64_sigreturn), csn_x86_64_sigcontext },
};

static const struct csn_x86_mode csn_x86_64_mode = {
	.is_64 = true,
	.word_bytes = 8,
	.address_mask = UINT64_MAX,
	.numbers = { 0, 2, 1, 3, 7, 6, 4, 5, 8, 9, 10, 11, 12, 13, 14, 15 },
	.pc = 16,
	.sp = 7,
	.fs_base = 24,
	.gs_base = 25,
};

/* rdi rsi rdx rcx r8 r9: psABI section 3.2.3 */
static const uint8_t csn_x86_64_arguments[] = { 5, 4, 1, 2, 8, 9 };

static bool csn_x86_64_decode_access(const uint8_t *code, size_t size_bytes,
				     const struct csn_registers *registers,
				     struct csn_access *ret_access)
{
	return csn_x86_decode_access(&csn_x86_64_mode, code, size_bytes, registers, ret_access);
}

static bool csn_x86_64_decode_divisor(const uint8_t *code, size_t size_bytes,
				      const struct csn_registers *registers,
				      struct csn_divisor *ret_divisor)
{
	return csn_x86_decode_divisor(&csn_x86_64_mode, code, size_bytes, registers, ret_divisor);
}

static bool csn_x86_64_decode_step(const uint8_t *code, size_t size_bytes, csn_addr pc,
				   struct csn_step *ret_step)
{
	return csn_x86_decode_step(&csn_x86_64_mode, code, size_bytes, pc, ret_step);
}

static bool csn_x86_64_decode_flow(const uint8_t *code, size_t size_bytes, csn_addr pc,
				   struct csn_flow *ret_flow)
{
	return csn_x86_decode_flow(&csn_x86_64_mode, code, size_bytes, pc, ret_flow);
}

static bool csn_x86_64_is_padding(const uint8_t *code, size_t size_bytes)
{
	return csn_x86_is_padding(&csn_x86_64_mode, code, size_bytes);
}

const struct csn_arch csn_arch_x86_64 = {
	.name = "x86_64",
	.elf_machine = EM_X86_64,
	.word_bytes = 8,
	.n_registers = csn_countof(csn_x86_64_registers),
	.n_dwarf = 17,
	.pc = 16,
	.sp = 7,
	.fp = 6,
	.lr = CSN_NO_REGISTER,
	.return_column = 16,
	.registers = csn_x86_64_registers,
	.n_user_slots = 27,
	.prstatus_pid = 32,
	.prstatus_registers = 112,
	.first_vector = 17,
	.n_vectors = 16,
	.fpregs_vectors = 160,
	.psinfo_ids = 16,
	.psinfo_uid_bytes = 4,
	.trampolines = csn_x86_64_trampolines,
	.n_trampolines = csn_countof(csn_x86_64_trampolines),
	.is_canonical = csn_x86_64_is_canonical,
	.decode_access = csn_x86_64_decode_access,
	.decode_divisor = csn_x86_64_decode_divisor,
	.decode_flow = csn_x86_64_decode_flow,
	.decode_step = csn_x86_64_decode_step,
	.max_instruction_bytes = 15,
	.call_target = csn_x86_call_target,
	.call_before = csn_x86_call_before,
	.ends_before = csn_x86_ends_before,
	.is_padding = csn_x86_64_is_padding,
	.function_align = 16,
	.arguments = csn_x86_64_arguments,
	.n_arguments = csn_countof(csn_x86_64_arguments),
	.clobbered = 0xf37, /* rax rdx rcx rsi rdi r8-r11 */
	.fp_clear = csn_x86_64_fp_clear,
	.fp_clear_bytes = sizeof(csn_x86_64_fp_clear),
	.fp_clear_reach = 10,
};
