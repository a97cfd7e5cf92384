#include "target/syscall.h"

#include <linux/futex.h>
#include <string.h>

/* What the kernel leaves in the result register while a call has not ended: ENOSYS from its
 * beginning, or one of its own reasons to start it again. */
#define CSN_NOT_ENDED (-38)
#define CSN_RESTART_FIRST (-516)
#define CSN_RESTART_LAST (-512)

#define CSN_SYSCALL_NUMBERS 8u

static const struct csn_syscall_abi {
	const char *arch;
	const char *number, *result; /* registers; result NULL: arguments stand there instead */
	const char *arguments[4];
	struct {
		uint16_t number;
		uint8_t kind;
	} calls[CSN_SYSCALL_NUMBERS];
} csn_syscall_abis[] = {
	{ "x86_64",
	  "orig_rax",
	  "rax",
	  { "rdi", "rsi", "rdx", "r10" },
	  { { 202, CSN_SYSCALL_FUTEX },
	    { 62, CSN_SYSCALL_KILL },
	    { 200, CSN_SYSCALL_KILL },
	    { 234, CSN_SYSCALL_KILL },
	    { 219, CSN_SYSCALL_RESTART } } },
	{ "i386",
	  "orig_eax",
	  "eax",
	  { "ebx", "ecx", "edx", "esi" },
	  { { 240, CSN_SYSCALL_FUTEX },
	    { 422, CSN_SYSCALL_FUTEX },
	    { 37, CSN_SYSCALL_KILL },
	    { 238, CSN_SYSCALL_KILL },
	    { 270, CSN_SYSCALL_KILL },
	    { 0, CSN_SYSCALL_RESTART } } },
	{ "aarch64",
	  "x8",
	  NULL,
	  { "x0", "x1", "x2", "x3" },
	  { { 98, CSN_SYSCALL_FUTEX },
	    { 129, CSN_SYSCALL_KILL },
	    { 130, CSN_SYSCALL_KILL },
	    { 131, CSN_SYSCALL_KILL },
	    { 128, CSN_SYSCALL_RESTART } } },
};

static const struct csn_syscall_abi *csn_abi_find(const struct csn_arch *arch)
{
	for (size_t i = 0; i < csn_countof(csn_syscall_abis); i++)
		if (strcmp(csn_syscall_abis[i].arch, arch->name) == 0)
			return &csn_syscall_abis[i];
	return NULL;
}

/* A register as the signed number that it is at the width of the machine. */
static bool csn_register_signed(const struct csn_arch *arch, const struct csn_registers *registers,
				const char *name, int64_t *ret_value)
{
	uint64_t value;

	if (!csn_register_find(arch, registers, name, &value))
		return false;
	*ret_value = arch->word_bytes == 4 ? (int32_t)value : (int64_t)value;
	return true;
}

bool csn_syscall_read(const struct csn_arch *arch, const struct csn_registers *registers,
		      struct csn_syscall *ret_call)
{
	const struct csn_syscall_abi *abi = csn_abi_find(arch);
	struct csn_syscall call = { .unfinished = true };
	int64_t number, result;

	if (!abi || !csn_register_signed(arch, registers, abi->number, &number) || number < 0)
		return false;
	for (size_t i = 0; i < csn_countof(call.arguments); i++)
		if (!csn_register_find(arch, registers, abi->arguments[i], &call.arguments[i]))
			return false;
	if (abi->result) {
		if (!csn_register_signed(arch, registers, abi->result, &result))
			return false;
		call.unfinished = result == CSN_NOT_ENDED ||
				  (result >= CSN_RESTART_FIRST && result <= CSN_RESTART_LAST);
	}
	for (size_t i = 0; i < CSN_SYSCALL_NUMBERS && abi->calls[i].kind; i++)
		if (abi->calls[i].number == number)
			call.kind = abi->calls[i].kind;
	*ret_call = call;
	return true;
}

bool csn_futex_wait_of(const struct csn_syscall *call, struct csn_futex_wait *ret_wait)
{
	static const uint8_t waits[] = { FUTEX_WAIT, FUTEX_WAIT_BITSET, FUTEX_LOCK_PI,
					 FUTEX_LOCK_PI2, FUTEX_WAIT_REQUEUE_PI };
	const uint32_t flags = FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME;
	uint64_t operation = call->arguments[1] & UINT32_MAX;

	if (!call->unfinished || !call->arguments[0] || call->arguments[0] % 4 ||
	    (call->kind != CSN_SYSCALL_FUTEX && call->kind != CSN_SYSCALL_RESTART))
		return false;
	for (size_t i = 0; i < csn_countof(waits); i++) {
		if ((operation & ~flags) != waits[i])
			continue;
		*ret_wait = (struct csn_futex_wait){
			.word = call->arguments[0],
			.operation = waits[i],
			.seen = (uint32_t)call->arguments[2],
			.is_private = operation & FUTEX_PRIVATE_FLAG,
			.is_timed = call->arguments[3] != 0,
		};
		return true;
	}
	return false;
}
