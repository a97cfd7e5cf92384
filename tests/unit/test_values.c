/* Variables and values from debug information made by hand, over a target that is a few words of
 * memory. What compilers write is compared with gdb in tests/e2e/test_values.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/limits.h"
#include "values/values.h"

#define STACK 0x7000u

/* Abbreviations: 1 unit (low, high), 2 int-like base (name, size, encoding), 3 function (name, low,
 * high, frame base), 4 parameter (name, type, location), 5 variable (name, type, location), 6 block
 * (low, high), 7 constant (name, type, value), 8 variable by list, 9 nowhere (name, type), 10
 * structure (name, size), 11 member (name, type, at), 12 bit field (name, type, at byte, bits,
 * from), 13 pointer (type), 14 array (type), 15 dimension (last), 16 call (return), 17 passed
 * (location, value). */
static const uint8_t abbreviations[] = {
	1,  0x11, 1,    0x11, 0x01, 0x12, 0x06, 0,    0,                         /* unit */
	2,  0x24, 0,    0x03, 0x08, 0x0b, 0x0b, 0x3e, 0x0b, 0,    0,             /* base */
	3,  0x2e, 1,    0x03, 0x08, 0x11, 0x01, 0x12, 0x06, 0x40, 0x18, 0,    0, /* function */
	4,  0x05, 0,    0x03, 0x08, 0x49, 0x13, 0x02, 0x18, 0,    0,             /* parameter */
	5,  0x34, 0,    0x03, 0x08, 0x49, 0x13, 0x02, 0x18, 0,    0,             /* variable */
	6,  0x0b, 1,    0x11, 0x01, 0x12, 0x06, 0,    0,                         /* block */
	7,  0x34, 0,    0x03, 0x08, 0x49, 0x13, 0x1c, 0x0d, 0,    0,             /* constant */
	8,  0x34, 0,    0x03, 0x08, 0x49, 0x13, 0x02, 0x17, 0,    0,             /* by list */
	9,  0x34, 0,    0x03, 0x08, 0x49, 0x13, 0,    0,                         /* nowhere */
	10, 0x13, 1,    0x03, 0x08, 0x0b, 0x0b, 0,    0,                         /* structure */
	11, 0x0d, 0,    0x03, 0x08, 0x49, 0x13, 0x38, 0x0b, 0,    0,             /* member */
	12, 0x0d, 0,    0x03, 0x08, 0x49, 0x13, 0x0b, 0x0b, 0x0d, 0x0b, 0x0c, 0x0b,
	0,  0,                                                             /* field */
	13, 0x0f, 0,    0x49, 0x13, 0,    0,                               /* pointer */
	14, 0x01, 1,    0x49, 0x13, 0,    0,                               /* array */
	15, 0x21, 0,    0x2f, 0x0b, 0,    0,                               /* dimension */
	16, 0x89, 0x82, 0x01, 1,    0x11, 0x01, 0,    0,                   /* call */
	17, 0x8a, 0x82, 0x01, 0,    0x02, 0x18, 0x91, 0x42, 0x18, 0,    0, /* passed */
	0,
};

struct world {
	struct csn_buf sections[CSN_DEBUG_SECTIONS];
	uint32_t integer, character, structure, pointer, array, text; /* types */
	uint8_t memory[256];                                          /* at STACK */
	struct csn_arena *arena;
	struct csn_dwarf *dwarf;
	struct csn_target *target;
	struct csn_modules *modules;
	struct csn_values *values;
	struct csn_thread thread;
	struct csn_value_frame frame, caller;
	struct csn_value_node *found;
	size_t n;
};

static struct csn_span read_section(void *context, enum csn_dwarf_section section,
				    uint64_t size_bytes)
{
	const struct world *world = context;

	(void)size_bytes;
	if (!world->sections[section].size)
		return (struct csn_span){ .failed = true };
	return csn_span_of(world->sections[section].data, world->sections[section].size);
}

static size_t read_memory(struct csn_target *target, csn_addr addr, void *data, size_t size_bytes)
{
	const struct world *world = target->impl;
	size_t at = addr - STACK;

	if (addr < STACK || at >= sizeof(world->memory))
		return 0;
	size_bytes = csn_min_u64(size_bytes, sizeof(world->memory) - at);
	memcpy(data, world->memory + at, size_bytes);
	return size_bytes;
}

static size_t read_nothing(void *context, csn_addr addr, void *data, size_t size_bytes)
{
	(void)context;
	(void)addr;
	(void)data;
	(void)size_bytes;
	return 0;
}

static void put(struct world *world, enum csn_dwarf_section section, uint64_t value, unsigned width)
{
	csn_buf_append(&world->sections[section], &value, width);
}

/* An entry of the unit: its code, and its name if it has one. Returns where it is. */
static uint32_t begin(struct world *world, uint8_t code, const char *name)
{
	uint32_t at = (uint32_t)world->sections[CSN_DEBUG_INFO].size;

	put(world, CSN_DEBUG_INFO, code, 1);
	if (name)
		csn_buf_append(&world->sections[CSN_DEBUG_INFO], name, strlen(name) + 1);
	return at;
}

static void put_info(struct world *world, uint64_t value, unsigned width)
{
	put(world, CSN_DEBUG_INFO, value, width);
}

static void put_block(struct world *world, const uint8_t *bytes, uint8_t size)
{
	put_info(world, size, 1);
	csn_buf_append(&world->sections[CSN_DEBUG_INFO], bytes, size);
}

#define BLOCK(world, ...) \
	put_block(world, (const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }))

static void put_types(struct world *world)
{
	world->integer = begin(world, 2, "int");
	put_info(world, 0x0504, 2);
	world->character = begin(world, 2, "char");
	put_info(world, 0x0601, 2);
	world->structure = begin(world, 10, "conn");
	put_info(world, 16, 1);
	begin(world, 11, "id");
	put_info(world, world->integer, 4);
	put_info(world, 0, 1);
	begin(world, 12, "low"); /* 3 bits, counted from the high end of 4 bytes */
	put_info(world, world->integer, 4);
	put_info(world, 4, 1);
	put_info(world, 3, 1);
	put_info(world, 29, 1);
	put_info(world, 0, 1);
	world->pointer = begin(world, 13, NULL);
	put_info(world, world->structure, 4);
	world->array = begin(world, 14, NULL);
	put_info(world, world->integer, 4);
	begin(world, 15, NULL);
	put_info(world, 11, 1);
	put_info(world, 0, 1);
	world->text = begin(world, 14, NULL);
	put_info(world, world->character, 4);
	begin(world, 15, NULL);
	put_info(world, 7, 1);
	put_info(world, 0, 1);
}

static void begin_function(struct world *world, const char *name, uint64_t low, uint32_t size)
{
	begin(world, 3, name);
	put_info(world, low, 8);
	put_info(world, size, 4);
	BLOCK(world, 0x77, 0); /* the stack pointer */
}

static void typed(struct world *world, uint8_t code, const char *name, uint32_t type)
{
	begin(world, code, name);
	put_info(world, type, 4);
}

static void world_init(struct world *world)
{
	*world = (struct world){ 0 };
	for (size_t i = 0; i < CSN_DEBUG_SECTIONS; i++)
		world->sections[i] = (struct csn_buf)CSN_BUF_INIT(CSN_MIB);
	csn_buf_append(&world->sections[CSN_DEBUG_ABBREV], abbreviations, sizeof(abbreviations));
	put_info(world, 0, 4); /* length, later */
	put_info(world, 4, 2);
	put_info(world, 0, 4);
	put_info(world, 8, 1);
	begin(world, 1, NULL);
	put_info(world, 0x1000, 8);
	put_info(world, 0x1000, 4);
	put_types(world);
}

/* Reads the variables at 0x1010, which was called from right before 0x1810. */
static void world_read(struct world *world, const struct csn_value_budget *budget)
{
	static const struct csn_target_ops ops = { .read = read_memory };
	const struct csn_dwarf_input input = { .read = read_section, .context = world };
	const struct csn_modules_input none = { .read = read_nothing, .no_files = true };
	struct csn_scope scopes[2] = { { .address = 0x1010 }, { .address = 0x180f } };
	uint32_t length;

	put_info(world, 0, 1);
	length = (uint32_t)world->sections[CSN_DEBUG_INFO].size - 4;
	memcpy(world->sections[CSN_DEBUG_INFO].data, &length, 4);
	world->arena = csn_arena_new(64 * CSN_MIB);
	assert_int_equal(csn_dwarf_new(&input, &world->dwarf, NULL), 0);
	world->target = csn_target_new(&ops);
	world->target->impl = world;
	world->target->arch = csn_arch_native();
	assert_int_equal(csn_modules_new(&none, &world->modules, NULL), 0);
	assert_int_equal(csn_values_new(world->arena, world->target, world->modules, budget,
					&world->values, NULL),
			 0);
	assert_int_equal(csn_dwarf_find_scopes(world->arena, world->dwarf, scopes, 2, NULL), 0);
	world->frame = (struct csn_value_frame){ .thread = &world->thread,
						 .exact = true,
						 .pc = 0x1010,
						 .scope = scopes[0],
						 .caller = &world->caller };
	world->caller = (struct csn_value_frame){
		.thread = &world->thread, .pc = 0x1810, .scope = scopes[1], .callee = &world->frame
	};
	csn_register_set(&world->frame.registers, 7, STACK);
	csn_register_set(&world->caller.registers, 3, 40);
	assert_int_equal(world->frame.scope.n_functions, 1);
	assert_int_equal(csn_values_of_function(world->values, &world->frame, 0, false,
						&world->found, &world->n, NULL),
			 0);
	assert_int_equal(csn_values_name_pointers(world->values, NULL), 0);
}

static void world_done(struct world *world)
{
	for (size_t i = 0; i < CSN_DEBUG_SECTIONS; i++)
		csn_buf_done(&world->sections[i]);
	csn_values_free(world->values);
	csn_modules_free(world->modules);
	csn_dwarf_free(world->dwarf);
	csn_target_free(world->target);
	csn_arena_free(world->arena);
}

static const struct csn_value_node *get(const struct world *world, const char *name)
{
	for (size_t i = 0; i < world->n; i++)
		if (strcmp(world->found[i].name, name) == 0)
			return &world->found[i];
	fail_msg("no variable %s", name);
	return NULL;
}

static const struct csn_value_budget plenty = { .elements = 200, .depth = 20, .follow = 1 };

static void values_are_read_from_memory_registers_and_constants(void **state)
{
	cleanup_(world_done) struct world world;

	(void)state;
	world_init(&world);
	begin_function(&world, "f", 0x1000, 0x100);
	typed(&world, 4, "a", world.integer);
	BLOCK(&world, 0x91, 4);
	typed(&world, 5, "r", world.integer);
	BLOCK(&world, 0x57); /* register 7 */
	typed(&world, 5, "lost", world.integer);
	BLOCK(&world, 0x50); /* register 0 */
	typed(&world, 5, "away", world.integer);
	BLOCK(&world, 0x03, 0, 0, 0, 0, 0, 1, 0, 0);
	typed(&world, 7, "k", world.integer);
	put_info(&world, 0x7d, 1);
	typed(&world, 9, "gone", world.integer);
	world.memory[4] = 0xfe;
	world.memory[5] = world.memory[6] = world.memory[7] = 0xff;
	put_info(&world, 0, 1);
	world_read(&world, &plenty);
	assert_int_equal(world.n, 6);
	assert_int_equal(get(&world, "a")->role, CSN_ROLE_PARAMETER);
	assert_string_equal(get(&world, "a")->text, "-2");
	assert_string_equal(get(&world, "a")->type, "int");
	assert_string_equal(get(&world, "r")->text, "28672");
	assert_string_equal(get(&world, "k")->text, "-3");
	assert_int_equal(get(&world, "lost")->state, CSN_VALUE_NO_REGISTER);
	assert_int_equal(get(&world, "away")->state, CSN_VALUE_UNMAPPED);
	assert_int_equal(get(&world, "gone")->state, CSN_VALUE_OPTIMIZED_OUT);
	assert_null(get(&world, "gone")->text);
}

static void structures_arrays_and_pointers_have_parts_and_texts(void **state)
{
	cleanup_(world_done) struct world world;
	const struct csn_value_node *found;

	(void)state;
	world_init(&world);
	begin_function(&world, "f", 0x1000, 0x100);
	typed(&world, 5, "s", world.structure);
	BLOCK(&world, 0x91, 0);
	typed(&world, 5, "p", world.pointer);
	BLOCK(&world, 0x91, 16);
	typed(&world, 5, "numbers", world.array);
	BLOCK(&world, 0x91, 32);
	typed(&world, 5, "text", world.text);
	BLOCK(&world, 0x91, 24);
	typed(&world, 5, "halves", world.structure); /* of 16 bytes 8 are there */
	BLOCK(&world, 0x57, 0x93, 4, 0x93, 12);
	put_info(&world, 0, 1);
	world.memory[0] = 7;
	world.memory[4] = 0xe2; /* no part of the field, which is in the first 4 bytes */
	memcpy(&world.memory[16], &(uint64_t){ STACK }, 8);
	memcpy(&world.memory[24], "a\n\"\0\0\0\0\0", 8);
	world_read(&world, &plenty);
	found = get(&world, "s");
	assert_null(found->text);
	assert_int_equal(found->n_parts, 2);
	assert_string_equal(found->parts[0].text, "7");
	assert_string_equal(found->parts[1].name, "low");
	assert_string_equal(found->parts[1].text, "-1"); /* three bits, all set */
	found = get(&world, "p");
	assert_string_equal(found->type, "conn *");
	assert_string_equal(found->text, "0x7000");
	assert_true(found->parts_are_target);
	assert_string_equal(found->parts[0].text, "7");
	assert_string_equal(get(&world, "numbers")->text, "{0 <repeats 12 times>}");
	assert_string_equal(get(&world, "text")->text, "\"a\\n\\\"\\000\\000\\000\\000\"");
	found = get(&world, "halves");
	assert_string_equal(found->parts[0].text, "28672");
}

static void blocks_and_lists_hold_at_their_addresses_only(void **state)
{
	cleanup_(world_done) struct world world;

	(void)state;
	world_init(&world);
	begin_function(&world, "f", 0x1000, 0x100);
	typed(&world, 5, "outer", world.integer);
	BLOCK(&world, 0x91, 0);
	typed(&world, 8, "here", world.integer);
	put_info(&world, 0, 4);
	typed(&world, 8, "there", world.integer);
	put_info(&world, 16 + 2 + 2 + 16, 4);
	for (unsigned i = 0; i < 2; i++) {
		begin(&world, 6, NULL); /* the first block holds the address, the other one not */
		put_info(&world, i ? 0x1080 : 0x1008, 8);
		put_info(&world, 0x10, 4);
		typed(&world, 5, i ? "unseen" : "outer", world.integer);
		BLOCK(&world, 0x91, 4);
		put_info(&world, 0, 1);
	}
	put_info(&world, 0, 1);
	for (unsigned i = 0; i < 2; i++) { /* relative to the unit's low address */
		put(&world, CSN_DEBUG_LOC, i ? 0x20 : 0x10, 8);
		put(&world, CSN_DEBUG_LOC, 0x30, 8);
		put(&world, CSN_DEBUG_LOC, 2, 2);
		put(&world, CSN_DEBUG_LOC, 0x0091, 2);
		put(&world, CSN_DEBUG_LOC, 0, 8);
		put(&world, CSN_DEBUG_LOC, 0, 8);
	}
	world.memory[0] = 1;
	world.memory[4] = 2;
	world_read(&world, &plenty);
	assert_int_equal(world.n, 4);
	assert_string_equal(world.found[0].name, "outer");
	assert_string_equal(world.found[0].text, "2"); /* the inner one goes first */
	assert_string_equal(world.found[1].text, "1");
	assert_string_equal(get(&world, "here")->text, "1");
	assert_int_equal(get(&world, "there")->state, CSN_VALUE_NOT_HERE);
}

static void values_at_entry_come_from_the_callers_call(void **state)
{
	cleanup_(world_done) struct world world;

	(void)state;
	world_init(&world);
	begin_function(&world, "f", 0x1000, 0x100);
	typed(&world, 4, "known", world.integer);
	BLOCK(&world, 0xf3, 1, 0x55, 0x9f); /* what register 5 was */
	typed(&world, 4, "unknown", world.integer);
	BLOCK(&world, 0xf3, 1, 0x54, 0x9f);
	put_info(&world, 0, 1);
	begin_function(&world, "g", 0x1800, 0x100);
	begin(&world, 16, NULL);
	put_info(&world, 0x1810, 8);
	begin(&world, 17, NULL);
	BLOCK(&world, 0x55);
	BLOCK(&world, 0x73, 2); /* register 3, plus 2 */
	put_info(&world, 0, 1);
	put_info(&world, 0, 1);
	world_read(&world, &plenty);
	assert_string_equal(get(&world, "known")->text, "42");
	assert_int_equal(get(&world, "unknown")->state, CSN_VALUE_NO_REGISTER);
}

static void a_budget_cuts_and_says_so(void **state)
{
	static const struct csn_value_budget tight = { .elements = 2,
						       .depth = 20,
						       .text_bytes = 8 };
	cleanup_(world_done) struct world world;

	(void)state;
	world_init(&world);
	begin_function(&world, "f", 0x1000, 0x100);
	typed(&world, 5, "numbers", world.array);
	BLOCK(&world, 0x91, 0);
	typed(&world, 5, "text", world.text);
	BLOCK(&world, 0x91, 0);
	put_info(&world, 0, 1);
	for (unsigned i = 0; i < 48; i++)
		world.memory[i] = (uint8_t)('a' + i);
	world_read(&world, &tight);
	assert_int_equal(get(&world, "numbers")->n_parts, 2);
	assert_true(get(&world, "numbers")->is_cut);
	assert_int_equal(get(&world, "numbers")->parts[0].state, CSN_VALUE_BUDGET);
	assert_string_equal(get(&world, "text")->text, "\"ab\"...");
	assert_true(csn_values_cut(world.values));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_are_read_from_memory_registers_and_constants),
		cmocka_unit_test(structures_arrays_and_pointers_have_parts_and_texts),
		cmocka_unit_test(blocks_and_lists_hold_at_their_addresses_only),
		cmocka_unit_test(values_at_entry_come_from_the_callers_call),
		cmocka_unit_test(a_budget_cuts_and_says_so),
	};

	return cmocka_run_group_tests_name("values", tests, NULL, NULL);
}
