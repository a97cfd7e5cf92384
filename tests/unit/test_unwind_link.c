/* unwind: machines whose calls leave the return address in a register, on a fake AArch64 target:
 * code at 0x10000, a stack at 0x70000, nothing else. (Real programs: tests/e2e/test_foreign.py.) */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <elf.h>
#include <string.h>

#include "base/cleanup.h"
#include "unwind/unwind.h"

#define CODE 0x10000ull
#define STACK 0x70000ull

enum { FP = 29, LR = 30, SP = 31, PC = 32 };

struct fake {
	struct csn_target *target;
	struct csn_modules *modules;
	struct csn_unwinder *unwinder;
	uint32_t code[0x400];
	uint64_t stack[128];
	struct csn_mapping mappings[2];
	struct csn_registers registers;
};

static size_t fake_read(struct csn_target *target, csn_addr addr, void *data, size_t size)
{
	struct fake *fake = target->impl;
	bool is_code = addr >= CODE && addr < CODE + sizeof(fake->code);
	csn_addr start = is_code ? CODE : STACK;
	size_t length = is_code ? sizeof(fake->code) : sizeof(fake->stack);
	const uint8_t *bytes = is_code ? (const uint8_t *)fake->code : (const uint8_t *)fake->stack;

	if (addr < start || addr - start >= length)
		return 0;
	size = (size_t)csn_min_u64(size, length - (addr - start));
	memcpy(data, bytes + (addr - start), size);
	return size;
}

static const struct csn_target_ops fake_ops = { .read = fake_read };

static void fake_init(struct fake *fake)
{
	struct csn_modules_input input = { 0 };

	*fake = (struct fake){ 0 };
	fake->target = csn_target_new(&fake_ops);
	fake->target->impl = fake;
	fake->target->arch = csn_arch_find(EM_AARCH64, true);
	fake->mappings[0] = (struct csn_mapping){ .start = CODE,
						  .end = CODE + sizeof(fake->code),
						  .perms_known = true,
						  .readable = true,
						  .executable = true };
	fake->mappings[1] = (struct csn_mapping){ .start = STACK,
						  .end = STACK + sizeof(fake->stack),
						  .perms_known = true,
						  .readable = true,
						  .writable = true };
	fake->target->mappings = fake->mappings;
	fake->target->n_mappings = 2;
	for (size_t i = 0; i < csn_countof(fake->code); i++)
		fake->code[i] = 0xd503201f; /* nop */
	input.read = (size_t(*)(void *, csn_addr, void *, size_t))csn_target_read_own;
	input.context = fake->target;
	assert_int_equal(csn_modules_new(&input, &fake->modules, NULL), 0);
	assert_int_equal(csn_unwinder_new(fake->target, fake->modules, &fake->unwinder, NULL), 0);
}

static void fake_done(struct fake *fake)
{
	csn_unwinder_free(fake->unwinder);
	csn_modules_free(fake->modules);
	csn_target_free(fake->target);
}

/* A call at CODE + at to CODE + to; returns the return address. */
static csn_addr put_call(struct fake *fake, unsigned at, unsigned to)
{
	fake->code[at / 4] = 0x94000000 | (((to - at) / 4) & 0x3ffffff);
	return CODE + at + 4;
}

/* stp x29,x30,[sp,#-32]!; mov x29,sp */
static void put_prologue(struct fake *fake, unsigned at)
{
	fake->code[at / 4] = 0xa9be7bfd;
	fake->code[at / 4 + 1] = 0x910003fd;
}

static void set_registers(struct fake *fake, csn_addr pc, unsigned sp_word, csn_addr fp,
			  csn_addr lr)
{
	csn_register_set(&fake->registers, PC, pc);
	csn_register_set(&fake->registers, SP, STACK + 8 * sp_word);
	csn_register_set(&fake->registers, FP, fp);
	csn_register_set(&fake->registers, LR, lr);
	csn_register_set(&fake->registers, 19, 0xbbb);
}

static void a_leaf_returns_to_the_link_register(void **state)
{
	cleanup_(fake_done) struct fake fake;
	struct csn_unwind_cursor cursor;
	csn_addr inner, outer;

	(void)state;
	fake_init(&fake);
	outer = put_call(&fake, 0x100, 0x200);
	put_prologue(&fake, 0x200);
	inner = put_call(&fake, 0x210, 0x300);
	fake.stack[4] = 0;
	fake.stack[5] = outer;
	set_registers(&fake, CODE + 0x308, 4, STACK + 32, inner);
	csn_unwind_begin(&cursor, fake.unwinder, &fake.registers);
	assert_true(csn_unwind_next(&cursor));
	assert_int_equal(cursor.pc, inner);
	assert_int_equal(cursor.how, CSN_HOW_EMUL);
	assert_int_equal(cursor.registers.value[SP], STACK + 32);
	assert_int_equal(cursor.registers.value[19], 0xbbb);
	/* Its own frame is 32 bytes; x30 of the leaf means nothing to it any more. */
	assert_true(csn_unwind_next(&cursor));
	assert_int_equal(cursor.pc, outer);
	assert_int_equal(cursor.how, CSN_HOW_EMUL);
	assert_int_equal(cursor.registers.value[SP], STACK + 64);
}

static void a_stale_link_register_is_no_caller(void **state)
{
	cleanup_(fake_done) struct fake fake;
	struct csn_unwind_cursor cursor;
	csn_addr inner, outer, stale;

	(void)state;
	fake_init(&fake);
	outer = put_call(&fake, 0x100, 0x200);
	put_prologue(&fake, 0x200);
	inner = put_call(&fake, 0x210, 0x300);
	put_prologue(&fake, 0x300);
	/* The function at 0x300 has called, and goes on. */
	stale = put_call(&fake, 0x310, 0x380);
	fake.stack[4] = STACK + 64;
	fake.stack[5] = inner;
	fake.stack[8] = 0;
	fake.stack[9] = outer;
	set_registers(&fake, CODE + 0x318, 4, STACK + 32, stale);
	csn_unwind_begin(&cursor, fake.unwinder, &fake.registers);
	assert_true(csn_unwind_next(&cursor));
	assert_int_equal(cursor.pc, inner);
	assert_true(csn_unwind_next(&cursor));
	assert_int_equal(cursor.pc, outer);
}

static void a_jump_to_nowhere_resumes_behind_the_call(void **state)
{
	cleanup_(fake_done) struct fake fake;
	struct csn_unwind_cursor cursor;

	(void)state;
	fake_init(&fake);
	fake.code[0x210 / 4] = 0xd63f0000; /* blr x0 */
	set_registers(&fake, 0, 4, 0, CODE + 0x214);
	csn_unwind_begin(&cursor, fake.unwinder, &fake.registers);
	assert_true(csn_unwind_next(&cursor));
	assert_int_equal(cursor.pc, CODE + 0x214);
	assert_int_equal(cursor.registers.value[SP], STACK + 32);
	assert_int_equal(cursor.how, CSN_HOW_EMUL);

	/* A register that no call wrote leads nowhere. */
	set_registers(&fake, 0x4141, 4, 0, CODE + 0x500);
	csn_unwind_begin(&cursor, fake.unwinder, &fake.registers);
	assert_false(csn_unwind_next(&cursor));
	assert_int_equal(cursor.end, CSN_UNWIND_BAD_RETURN);
}

static void signatures_are_taken_off_return_addresses(void **state)
{
	cleanup_(fake_done) struct fake fake;
	struct csn_unwind_cursor cursor;
	csn_addr inner, outer;

	(void)state;
	fake_init(&fake);
	outer = put_call(&fake, 0x100, 0x200);
	put_prologue(&fake, 0x200);
	inner = put_call(&fake, 0x210, 0x300);
	put_prologue(&fake, 0x300);
	fake.stack[4] = STACK + 64;
	fake.stack[5] = inner | 0x2a5d000000000000;
	fake.stack[8] = 0;
	fake.stack[9] = outer | 0x1234000000000000;
	set_registers(&fake, CODE + 0x30c, 4, STACK + 32, 0);
	csn_unwind_begin(&cursor, fake.unwinder, &fake.registers);
	assert_true(csn_unwind_next(&cursor));
	assert_int_equal(cursor.pc, inner);
	assert_true(csn_unwind_next(&cursor));
	assert_int_equal(cursor.pc, outer);

	/* The note of the core says which bits they are. */
	fake.target->signature_bits = 0x00ff000000000000;
	csn_unwind_begin(&cursor, fake.unwinder, &fake.registers);
	assert_false(csn_unwind_next(&cursor) && cursor.pc == inner);
}

static void the_stack_pointer_behind_a_frame_record_is_not_known(void **state)
{
	cleanup_(fake_done) struct fake fake;
	struct csn_unwind_cursor cursor;
	csn_addr inner, outer;

	(void)state;
	fake_init(&fake);
	/* Called through a pointer, so nothing tells where the code begins. */
	fake.code[0x210 / 4] = 0xd63f0000;
	inner = CODE + 0x214;
	fake.code[0x110 / 4] = 0xd63f0000;
	outer = CODE + 0x114;
	fake.stack[4] = STACK + 96;
	fake.stack[5] = inner;
	fake.stack[12] = 0;
	fake.stack[13] = outer;
	set_registers(&fake, CODE + 0x320, 2, STACK + 32, 0);
	csn_unwind_begin(&cursor, fake.unwinder, &fake.registers);
	assert_true(csn_unwind_next(&cursor));
	assert_int_equal(cursor.pc, inner);
	assert_int_equal(cursor.how, CSN_HOW_FP);
	assert_false(csn_register_known(&cursor.registers, SP));
	assert_true(csn_unwind_next(&cursor));
	assert_int_equal(cursor.pc, outer);
	assert_int_equal(cursor.how, CSN_HOW_FP);
}

static void a_signal_frame_gives_all_registers_and_the_link_register(void **state)
{
	static const uint32_t sigreturn[] = { 0xd2801168, 0xd4000001 };
	cleanup_(fake_done) struct fake fake;
	struct csn_unwind_cursor cursor;
	csn_addr inner;
	unsigned context = 4 + (128 + 176 + 8) / 8;

	(void)state;
	fake_init(&fake);
	memcpy(fake.code + 0x100, sigreturn, sizeof(sigreturn));
	inner = put_call(&fake, 0x210, 0x300);
	set_registers(&fake, CODE + 0x400, 4, 0, 0);
	fake.stack[context + 7] = 0x777;
	fake.stack[context + LR] = inner;
	fake.stack[context + SP] = STACK + 16;
	fake.stack[context + PC] = CODE + 0x304;
	csn_unwind_begin(&cursor, fake.unwinder, &fake.registers);
	assert_true(cursor.signal_frame);
	assert_true(csn_unwind_next(&cursor));
	assert_int_equal(cursor.pc, CODE + 0x304);
	assert_int_equal(cursor.registers.value[7], 0x777);
	assert_true(cursor.exact);
	assert_true(csn_unwind_next(&cursor));
	assert_int_equal(cursor.pc, inner);
	assert_int_equal(cursor.registers.value[SP], STACK + 16);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_leaf_returns_to_the_link_register),
		cmocka_unit_test(a_stale_link_register_is_no_caller),
		cmocka_unit_test(a_jump_to_nowhere_resumes_behind_the_call),
		cmocka_unit_test(signatures_are_taken_off_return_addresses),
		cmocka_unit_test(the_stack_pointer_behind_a_frame_record_is_not_known),
		cmocka_unit_test(a_signal_frame_gives_all_registers_and_the_link_register),
	};

	return cmocka_run_group_tests_name("unwind_link", tests, NULL, NULL);
}
