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

/* Length of "call r/m64" (FF /2) or the far form (FF /3) from its ModRM byte on, FF included. */
static unsigned csn_x86_64_indirect_length(uint8_t modrm, uint8_t sib)
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

static unsigned csn_x86_64_call_before(const uint8_t *before, size_t size_bytes)
{
	if (size_bytes >= 5 && before[size_bytes - 5] == 0xe8)
		return 5;
	for (unsigned length = 2; length <= 7 && length <= size_bytes; length++) {
		const uint8_t *code = before + size_bytes - length;

		if (code[0] == 0xff &&
		    csn_x86_64_indirect_length(code[1], length > 2 ? code[2] : 0) == length)
			return length;
	}
	return 0;
}

static csn_addr csn_x86_64_call_target(const uint8_t before[8], csn_addr return_address)
{
	struct csn_span span = csn_span_of(before + 4, 4);

	return before[3] == 0xe8 ? return_address + (uint64_t)csn_span_int(&span, 4) : 0;
}

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

const struct csn_arch csn_arch_x86_64 = {
	.name = "x86_64",
	.elf_machine = EM_X86_64,
	.word_bytes = 8,
	.n_registers = csn_countof(csn_x86_64_registers),
	.n_dwarf = 17,
	.pc = 16,
	.sp = 7,
	.fp = 6,
	.n_user_slots = 27,
	.prstatus_registers = 112,
	.registers = csn_x86_64_registers,
	.sigreturn = csn_x86_64_sigreturn,
	.sigreturn_bytes = sizeof(csn_x86_64_sigreturn),
	.sigcontext = csn_x86_64_sigcontext,
	.call_target = csn_x86_64_call_target,
	.decode_access = csn_x86_64_decode_access,
	.is_canonical = csn_x86_64_is_canonical,
	.call_before = csn_x86_64_call_before,
	.fp_clear = csn_x86_64_fp_clear,
	.fp_clear_bytes = sizeof(csn_x86_64_fp_clear),
	.clobbered = 0xf37, /* rax rdx rcx rsi rdi r8-r11 */
	.max_instruction_bytes = 15,
	.decode_step = csn_x86_64_decode_step,
};
