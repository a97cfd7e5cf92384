/* unwind: steps without call-frame information, and why walks end. The target is a fake one: code
 * at 0x10000, a stack at 0x70000, nothing else. (Call-frame information is compared with a
 * debugger's on real programs, tests/e2e/test_unwind.py.) */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "unwind/emulate.h"
#include "unwind/unwind.h"

#define CODE 0x10000ull
#define STACK 0x70000ull

struct fake {
	struct csn_target *target;
	struct csn_modules *modules;
	struct csn_unwinder *unwinder;
	uint8_t code[0x1000];
	uint64_t stack[64];
	struct csn_mapping mappings[2];
	struct csn_registers registers;
};

static size_t fake_read(struct csn_target *target, csn_addr addr, void *data, size_t size)
{
	struct fake *fake = target->impl;
	const struct {
		csn_addr start;
		const void *bytes;
		size_t size;
	} parts[] = { { CODE, fake->code, sizeof(fake->code) },
		      { STACK, fake->stack, sizeof(fake->stack) } };

	for (size_t i = 0; i < csn_countof(parts); i++) {
		if (addr < parts[i].start || addr - parts[i].start >= parts[i].size)
			continue;
		size = (size_t)csn_min_u64(size, parts[i].size - (addr - parts[i].start));
		memcpy(data, (const uint8_t *)parts[i].bytes + (addr - parts[i].start), size);
		return size;
	}
	return 0;
}

static const struct csn_target_ops fake_ops = { .read = fake_read };

static void fake_init(struct fake *fake)
{
	struct csn_modules_input input = { 0 };

	*fake = (struct fake){ 0 };
	fake->target = csn_target_new(&fake_ops);
	fake->target->impl = fake;
	fake->target->arch = csn_arch_native();
	fake->mappings[0] = (struct csn_mapping){ .start = CODE,
						  .end = CODE + 0x1000,
						  .perms_known = true,
						  .readable = true,
						  .executable = true };
	fake->mappings[1] = (struct csn_mapping){ .start = STACK,
						  .end = STACK + 0x1000,
						  .perms_known = true,
						  .readable = true,
						  .writable = true };
	fake->target->mappings = fake->mappings;
	fake->target->n_mappings = 2;
	memset(fake->code, 0x90, sizeof(fake->code));
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
	int32_t distance = (int32_t)to - (int32_t)(at + 5);

	fake->code[at] = 0xe8;
	memcpy(fake->code + at + 1, &distance, 4);
	return CODE + at + 5;
}

static void put_prologue(struct fake *fake, unsigned at)
{
	memcpy(fake->code + at, "\x55\x48\x89\xe5", 4);
}

static void set_registers(struct fake *fake, csn_addr pc, unsigned sp_word, csn_addr fp)
{
	csn_register_set(&fake->registers, 16, pc);
	csn_register_set(&fake->registers, 7, STACK + 8 * sp_word);
	csn_register_set(&fake->registers, 6, fp);
	csn_register_set(&fake->registers, 3, 0xbbb);
}

static csn_addr slot(unsigned word)
{
	return STACK + 8 * word;
}

static void frame_pointers_are_followed_to_where_they_end(void **state)
{
	cleanup_(fake_done) struct fake fake;
	struct csn_unwind_cursor cursor;
	csn_addr inner, outer;
	char text[256];

	(void)state;
	fake_init(&fake);
	outer = put_call(&fake, 0x100, 0x200);
	inner = put_call(&fake, 0x210, 0x300);
	put_prologue(&fake, 0x200);
	put_prologue(&fake, 0x300);
	fake.stack[4] = slot(8);
	fake.stack[5] = inner;
	fake.stack[8] = slot(20);
	fake.stack[9] = outer;
	set_registers(&fake, CODE + 0x320, 2, slot(4));
	csn_unwind_begin(&cursor, fake.unwinder, &fake.registers);
	assert_int_equal(cursor.how, CSN_HOW_REGISTERS);
	assert_true(csn_unwind_next(&cursor));
	assert_int_equal(cursor.pc, inner);
	assert_int_equal(cursor.how, CSN_HOW_FP);
	assert_false(cursor.exact);
	assert_int_equal(cursor.registers.value[3], 0xbbb);
	assert_false(csn_register_known(&cursor.registers, 0));
	assert_true(csn_unwind_next(&cursor));
	assert_int_equal(cursor.pc, outer);
	assert_false(csn_unwind_next(&cursor));
	assert_int_equal(cursor.end, CSN_UNWIND_NO_CFI);
	assert_string_equal(csn_unwind_describe_end(&cursor, text, sizeof(text)),
			    "no unwind information for 0x10105");
}

static void a_leaf_without_a_frame_keeps_its_caller(void **state)
{
	cleanup_(fake_done) struct fake fake;
	struct csn_unwind_cursor cursor;
	csn_addr inner, outer;

	(void)state;
	fake_init(&fake);
	outer = put_call(&fake, 0x100, 0x200);
	inner = put_call(&fake, 0x210, 0x300);
	put_prologue(&fake, 0x200);
	fake.stack[2] = inner;
	fake.stack[8] = slot(20);
	fake.stack[9] = outer;
	set_registers(&fake, CODE + 0x302, 2, slot(8));
	csn_unwind_begin(&cursor, fake.unwinder, &fake.registers);
	assert_true(csn_unwind_next(&cursor));
	assert_int_equal(cursor.pc, inner);
	assert_int_equal(cursor.how, CSN_HOW_EMUL);
	assert_true(csn_unwind_next(&cursor));
	assert_int_equal(cursor.pc, outer);
}

static void between_push_and_move_the_frame_pointer_lies_on_top(void **state)
{
	cleanup_(fake_done) struct fake fake;
	struct csn_unwind_cursor cursor;
	csn_addr inner;

	(void)state;
	fake_init(&fake);
	inner = put_call(&fake, 0x210, 0x300);
	put_prologue(&fake, 0x300);
	fake.stack[2] = 0x1234;
	fake.stack[3] = inner;
	set_registers(&fake, CODE + 0x301, 2, slot(8));
	csn_unwind_begin(&cursor, fake.unwinder, &fake.registers);
	assert_true(csn_unwind_next(&cursor));
	assert_int_equal(cursor.pc, inner);
	assert_int_equal(cursor.registers.value[6], 0x1234);
}

static void a_call_through_null_resumes_at_the_caller(void **state)
{
	cleanup_(fake_done) struct fake fake;
	struct csn_unwind_cursor cursor;

	(void)state;
	fake_init(&fake);
	memcpy(fake.code + 0x100, "\xff\xd0", 2);
	fake.stack[1] = CODE + 0x102;
	set_registers(&fake, 0, 1, 0);
	csn_unwind_begin(&cursor, fake.unwinder, &fake.registers);
	assert_true(csn_unwind_next(&cursor));
	assert_int_equal(cursor.pc, CODE + 0x102);
	assert_int_equal(cursor.how, CSN_HOW_EMUL);
	assert_int_equal(cursor.registers.value[7], slot(2));
}

static void garbage_on_the_stack_is_no_caller(void **state)
{
	cleanup_(fake_done) struct fake fake;
	struct csn_unwind_cursor cursor;
	char text[256];

	(void)state;
	fake_init(&fake);
	fake.stack[1] = CODE + 0x500; /* code, but no call before it */
	set_registers(&fake, 0x4141, 1, slot(1));
	csn_unwind_begin(&cursor, fake.unwinder, &fake.registers);
	assert_false(csn_unwind_next(&cursor));
	assert_int_equal(cursor.end, CSN_UNWIND_BAD_RETURN);
	assert_string_equal(csn_unwind_describe_end(&cursor, text, sizeof(text)),
			    "return address 0x4141 is no code");
	assert_false(csn_unwind_next(&cursor));
}

static void a_signal_trampoline_gives_all_registers_of_what_it_interrupted(void **state)
{
	static const uint8_t sigreturn[] = { 0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05 };
	cleanup_(fake_done) struct fake fake;
	struct csn_unwind_cursor cursor;

	(void)state;
	fake_init(&fake);
	memcpy(fake.code + 0x400, sigreturn, sizeof(sigreturn));
	set_registers(&fake, CODE + 0x400, 4, 0);
	/* ucontext at sp, mcontext 40 bytes into it: r8 first, rax 13th, rsp 15th, rip 16th */
	fake.stack[4 + 5 + 0] = 8;
	fake.stack[4 + 5 + 13] = 0xaaa;
	fake.stack[4 + 5 + 15] = slot(2); /* lower: the handler ran on a stack of its own */
	fake.stack[4 + 5 + 16] = CODE + 0x700;
	csn_unwind_begin(&cursor, fake.unwinder, &fake.registers);
	assert_true(cursor.signal_frame);
	assert_true(csn_unwind_next(&cursor));
	assert_int_equal(cursor.pc, CODE + 0x700);
	assert_true(cursor.exact);
	assert_false(cursor.signal_frame);
	assert_int_equal(cursor.registers.value[0], 0xaaa);
	assert_int_equal(cursor.registers.value[7], slot(2));
}

static void a_circle_of_frame_pointers_ends(void **state)
{
	cleanup_(fake_done) struct fake fake;
	struct csn_unwind_cursor cursor;
	csn_addr inner;
	size_t steps = 0;

	(void)state;
	fake_init(&fake);
	inner = put_call(&fake, 0x210, 0x300);
	put_prologue(&fake, 0x300);
	fake.stack[4] = slot(4);
	fake.stack[5] = inner;
	set_registers(&fake, CODE + 0x320, 2, slot(4));
	csn_unwind_begin(&cursor, fake.unwinder, &fake.registers);
	while (csn_unwind_next(&cursor))
		assert_true(++steps < 10);
	assert_int_equal(steps, 1);
}

static void the_limit_of_frames_holds(void **state)
{
	cleanup_(fake_done) struct fake fake;
	struct csn_unwind_cursor cursor;
	csn_addr again;
	size_t frames = 1;

	(void)state;
	fake_init(&fake);
	again = put_call(&fake, 0x310, 0x300);
	put_prologue(&fake, 0x300);
	for (unsigned i = 4; i + 2 < 60; i += 2) {
		fake.stack[i] = slot(i + 2);
		fake.stack[i + 1] = again;
	}
	set_registers(&fake, CODE + 0x320, 2, slot(4));
	csn_unwind_begin(&cursor, fake.unwinder, &fake.registers);
	cursor.max_frames = 7;
	while (csn_unwind_next(&cursor))
		frames++;
	assert_int_equal(frames, 7);
	assert_int_equal(cursor.end, CSN_UNWIND_LIMIT);
}

static void a_frame_is_found_by_what_its_code_did_to_the_stack(void **state)
{
	/* push %rbx; sub $16,%rsp; nop; add $16,%rsp; pop %rbx; ret */
	static const uint8_t body[] = { 0x53, 0x48, 0x83, 0xec, 0x10, 0x90,
					0x48, 0x83, 0xc4, 0x10, 0x5b, 0xc3 };
	static const struct {
		unsigned at, sp_word;
		bool rbx_saved;
	} places[] = { { 0, 6, false }, { 1, 5, true },  { 5, 3, true },
		       { 6, 3, true },  { 10, 5, true }, { 11, 6, false } };
	cleanup_(fake_done) struct fake fake;
	csn_addr inner;

	(void)state;
	fake_init(&fake);
	inner = put_call(&fake, 0x210, 0x300);
	memcpy(fake.code + 0x300, body, sizeof(body));
	fake.stack[4] = CODE + 0x700; /* stale; no call before it */
	fake.stack[5] = 0x777;
	fake.stack[6] = inner;
	for (size_t i = 0; i < csn_countof(places); i++) {
		struct csn_unwind_cursor cursor;

		set_registers(&fake, CODE + 0x300 + places[i].at, places[i].sp_word, 0);
		csn_unwind_begin(&cursor, fake.unwinder, &fake.registers);
		assert_true(csn_unwind_next(&cursor));
		assert_int_equal(cursor.pc, inner);
		assert_int_equal(cursor.how, CSN_HOW_EMUL);
		assert_int_equal(cursor.registers.value[7], slot(7));
		assert_int_equal(cursor.registers.value[3], places[i].rbx_saved ? 0x777 : 0xbbb);
	}
}

static void an_aligned_frame_keeps_its_way_back(void **state)
{
	/* lea 8(%rsp),%r10; and $-32,%rsp; push -8(%r10); push %rbp; mov %rsp,%rbp; push %r10 */
	static const uint8_t body[] = {
		0x4c, 0x8d, 0x54, 0x24, 0x08, 0x48, 0x83, 0xe4, 0xe0, 0x41,
		0xff, 0x72, 0xf8, 0x55, 0x48, 0x89, 0xe5, 0x41, 0x52, 0x90
	};
	cleanup_(fake_done) struct fake fake;
	struct csn_unwind_cursor cursor;
	csn_addr inner;

	(void)state;
	fake_init(&fake);
	inner = put_call(&fake, 0x210, 0x300);
	memcpy(fake.code + 0x300, body, sizeof(body));
	fake.stack[5] = slot(20); /* r10 */
	fake.stack[6] = 0x6666;   /* rbp */
	fake.stack[7] = inner;
	fake.stack[19] = inner;
	set_registers(&fake, CODE + 0x300 + 19, 5, slot(6));
	csn_unwind_begin(&cursor, fake.unwinder, &fake.registers);
	assert_true(csn_unwind_next(&cursor));
	assert_int_equal(cursor.pc, inner);
	assert_int_equal(cursor.registers.value[7], slot(20));
	assert_int_equal(cursor.registers.value[6], 0x6666);
}

static void what_nothing_proves_is_called_a_scan(void **state)
{
	cleanup_(fake_done) struct fake fake;
	struct csn_unwind_cursor cursor;

	(void)state;
	fake_init(&fake);
	memcpy(fake.code + 0x100, "\xff\xd0", 2); /* call *%rax: leads anywhere */
	fake.stack[3] = CODE + 0x800;
	fake.stack[5] = CODE + 0x102;
	set_registers(&fake, CODE + 0x320, 2, 1);
	csn_unwind_begin(&cursor, fake.unwinder, &fake.registers);
	assert_true(csn_unwind_next(&cursor));
	assert_int_equal(cursor.pc, CODE + 0x102);
	assert_int_equal(cursor.how, CSN_HOW_SCAN);
	assert_false(csn_register_known(&cursor.registers, 3));
}

static void text_in_a_return_address_is_named(void **state)
{
	static const uint8_t sigreturn[] = { 0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05 };
	cleanup_(fake_done) struct fake fake;
	struct csn_unwind_cursor cursor;
	char text[256];

	(void)state;
	fake_init(&fake);
	memcpy(fake.code + 0x400, sigreturn, sizeof(sigreturn));
	fake.stack[4 + 5 + 15] = slot(2);
	fake.stack[4 + 5 + 16] = 0x4141414141414141;
	set_registers(&fake, CODE + 0x400, 4, 0);
	csn_unwind_begin(&cursor, fake.unwinder, &fake.registers);
	assert_true(csn_unwind_next(&cursor)); /* where the signal came is told as it is */
	assert_false(csn_unwind_next(&cursor));
	assert_string_equal(csn_unwind_describe_end(&cursor, text, sizeof(text)),
			    "return address overwritten with 0x4141414141414141 (\"AAAAAAAA\")");
}

/* Found by flipped bits: what lies behind a return, and is no instruction, was guessed for ever. */
static void emulation_guesses_undecodable_code_only_once(void **state)
{
	struct csn_emul_state found;
	struct csn_emulator *emulator;
	struct fake fake;

	(void)state;
	fake_init(&fake);
	put_call(&fake, 0x100, 0x600);
	fake.code[0x105] = 0xc3;
	memset(fake.code + 0x106, 0x06, 0x100);
	assert_int_equal(csn_emulator_new(fake.target, &emulator, NULL), 0);
	alarm(10);
	assert_false(csn_emulate(emulator, CODE + 0x100, CODE + 0x200, CSN_EMUL_GUESS, &found));
	alarm(0);
	csn_emulator_free(emulator);
	fake_done(&fake);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_frame_is_found_by_what_its_code_did_to_the_stack),
		cmocka_unit_test(an_aligned_frame_keeps_its_way_back),
		cmocka_unit_test(what_nothing_proves_is_called_a_scan),
		cmocka_unit_test(text_in_a_return_address_is_named),
		cmocka_unit_test(frame_pointers_are_followed_to_where_they_end),
		cmocka_unit_test(a_leaf_without_a_frame_keeps_its_caller),
		cmocka_unit_test(between_push_and_move_the_frame_pointer_lies_on_top),
		cmocka_unit_test(a_call_through_null_resumes_at_the_caller),
		cmocka_unit_test(garbage_on_the_stack_is_no_caller),
		cmocka_unit_test(a_signal_trampoline_gives_all_registers_of_what_it_interrupted),
		cmocka_unit_test(a_circle_of_frame_pointers_ends),
		cmocka_unit_test(the_limit_of_frames_holds),
		cmocka_unit_test(emulation_guesses_undecodable_code_only_once),
	};

	return cmocka_run_group_tests_name("unwind", tests, NULL, NULL);
}
