/* What the instruction under the program counter proves. It is decoded from the bytes of the dump
 * (or of the mapped file) with the registers of the fault: only what it names itself counts. */
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "analyze/fault_internal.h"

/* Bytes at pc of an instruction, as many as are there. */
struct csn_bytes {
	uint8_t bytes[16];
	size_t size_bytes;
};

static struct csn_bytes csn_bytes_at(const struct csn_fault_look *look, csn_addr pc)
{
	struct csn_bytes code;

	code.size_bytes = csn_target_read_some(look->target, pc, code.bytes, sizeof(code.bytes));
	return code;
}

/* Would this access have been allowed? */
static bool csn_is_allowed(const struct csn_fault_look *look, const struct csn_access *access)
{
	const struct csn_mapping *mapping = csn_target_find_mapping(look->target, access->address);

	return mapping &&
	       (!mapping->perms_known ||
		(access->kind == CSN_ACCESS_WRITE ? mapping->writable : mapping->readable));
}

/* Where a call, jump or return at pc would have gone, if it goes anywhere that is not written in
 * the instruction. */
static bool csn_find_branch_target(const struct csn_fault_look *look, const struct csn_bytes *code,
				   csn_addr *ret_target)
{
	const struct csn_arch *arch = look->target->arch;
	const struct csn_registers *registers = &look->thread->registers;
	struct csn_access access;
	struct csn_step step;

	if (!arch->decode_step ||
	    !arch->decode_step(code->bytes, code->size_bytes, look->pc, &step))
		return false;
	if (step.kind == CSN_STEP_RETURN && !csn_arch_has_link(arch))
		return csn_target_read_word(look->target, look->sp, ret_target);
	if (step.kind != CSN_STEP_CALL && step.kind != CSN_STEP_JUMP)
		return false;
	if (csn_register_known(registers, step.src)) {
		*ret_target = registers->value[step.src];
		return true;
	}
	return !step.target && arch->decode_access &&
	       arch->decode_access(code->bytes, code->size_bytes, registers, &access) &&
	       csn_target_read_word(look->target, access.address, ret_target);
}

/* The processor refused without telling an address: one that cannot exist, one that is not aligned,
 * or an instruction that only the kernel may use. */
static void csn_look_at_refusal(struct csn_fault_look *look, const struct csn_bytes *code,
				const struct csn_access *access)
{
	const struct csn_arch *arch = look->target->arch;
	struct csn_step step;
	csn_addr target;

	if (access && !arch->is_canonical(access->address)) {
		look->noncanonical = look->address_known = true;
		look->address = access->address;
		look->read = access->kind == CSN_ACCESS_READ;
		look->write = access->kind == CSN_ACCESS_WRITE;
	} else if (access && access->must_align && access->address % access->size_bytes) {
		look->misaligned = look->address_known = true;
		look->address = access->address;
		look->read = access->kind == CSN_ACCESS_READ;
		look->write = access->kind == CSN_ACCESS_WRITE;
	} else if (csn_find_branch_target(look, code, &target) && !arch->is_canonical(target)) {
		look->noncanonical = look->address_known = true;
		look->exec = look->bad_jump = true;
		look->address = target;
	} else if (arch->decode_step &&
		   arch->decode_step(code->bytes, code->size_bytes, look->pc, &step) &&
		   step.kind == CSN_STEP_STOP) {
		look->words = "privileged instruction";
	}
}

void csn_look_at_instruction(struct csn_fault_look *look)
{
	const struct csn_arch *arch = look->target->arch;
	struct csn_bytes code = csn_bytes_at(look, look->pc);
	struct csn_access access;
	bool decoded =
		code.size_bytes && arch->decode_access &&
		arch->decode_access(code.bytes, code.size_bytes, &look->thread->registers, &access);
	bool aligned = look->signal->number != SIGBUS || look->signal->code != BUS_ADRALN;

	if (!look->address_known && look->signal->code == SI_KERNEL) {
		csn_look_at_refusal(look, &code, decoded ? &access : NULL);
		return;
	}
	if (!decoded)
		return;
	if (look->address_known) {
		if (look->address < access.address ||
		    look->address - access.address >= access.size_bytes)
			return;
	} else if (aligned ? csn_signal_is_bare(look->signal) && !csn_is_allowed(look, &access)
			   : access.address % access.size_bytes != 0) {
		look->address_known = true;
		look->address = access.address;
	} else {
		return;
	}
	look->read = access.kind == CSN_ACCESS_READ;
	look->write = access.kind == CSN_ACCESS_WRITE;
}

void csn_look_at_division(struct csn_fault_look *look)
{
	const struct csn_arch *arch = look->target->arch;
	struct csn_bytes code = csn_bytes_at(look, look->pc);
	struct csn_divisor divisor;
	uint8_t bytes[8] = { 0 };
	bool zero = true;

	if (look->signal->code != FPE_INTDIV)
		return;
	look->words = "integer division by zero or overflow";
	if (!arch->decode_divisor ||
	    !arch->decode_divisor(code.bytes, code.size_bytes, &look->thread->registers, &divisor))
		return;
	if (divisor.in_memory && csn_target_read_some(look->target, divisor.address, bytes,
						      divisor.size_bytes) != divisor.size_bytes)
		return;
	for (size_t i = 0; divisor.in_memory && i < divisor.size_bytes; i++)
		zero = zero && !bytes[i];
	if (!divisor.in_memory)
		zero = !divisor.value;
	look->is_division_by_zero = zero;
	look->words = zero ? "integer division by zero" : "integer division overflow";
}

/* The processor stops behind int3. */
void csn_look_at_trap(struct csn_fault_look *look)
{
	uint8_t before = 0;

	if (strncmp(look->target->arch->name, "aarch64", 7) != 0 &&
	    look->signal->code == SI_KERNEL && look->pc &&
	    csn_target_read_some(look->target, look->pc - 1, &before, 1) == 1 && before == 0xcc)
		look->words = "breakpoint instruction";
}

void csn_look_at_limits(struct csn_fault_look *look)
{
	const struct csn_registers *registers = &look->thread->registers;
	const struct csn_signal *signal = look->signal;
	uint64_t call, answer;

	if (signal->number == SIGXCPU && signal->code == SI_KERNEL) {
		look->limit = true;
		look->words = "CPU time limit exceeded";
	}
	/* It comes as if the process had sent it, but the system call it comes from fails so. */
	if (signal->number == SIGXFSZ && signal->code == SI_USER && signal->has_sender &&
	    csn_is_own_pid(look, signal->sender_pid) &&
	    csn_register_find(look->target->arch, registers, "orig_rax", &call) &&
	    (int64_t)call >= 0 &&
	    csn_register_find(look->target->arch, registers, "rax", &answer) &&
	    (int64_t)answer == -EFBIG) {
		look->limit = true;
		look->words = "file size limit exceeded";
	}
}
