/* Debug information, valid and hostile, made by hand. What compilers really write is compared with
 * gdb in tests/e2e/test_sources.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/limits.h"
#include "dwarf/source.h"

/* A section under construction. */
struct world {
	struct csn_buf sections[CSN_DEBUG_SECTIONS];
};

static struct csn_span read_world(void *context, enum csn_dwarf_section section,
				  uint64_t size_bytes)
{
	const struct world *world = context;

	(void)size_bytes;
	if (!world->sections[section].size)
		return (struct csn_span){ .failed = true };
	return csn_span_of(world->sections[section].data, world->sections[section].size);
}

static void world_init(struct world *world)
{
	size_t i;

	for (i = 0; i < CSN_DEBUG_SECTIONS; i++)
		world->sections[i] = (struct csn_buf)CSN_BUF_INIT(16 * CSN_MIB);
}

static void world_done(struct world *world)
{
	size_t i;

	for (i = 0; i < CSN_DEBUG_SECTIONS; i++)
		csn_buf_done(&world->sections[i]);
}

static void put(struct world *world, enum csn_dwarf_section section, uint64_t value, unsigned width)
{
	unsigned i;

	for (i = 0; i < width; i++)
		csn_buf_putc(&world->sections[section], i < 8 ? (char)(value >> 8 * i) : 0);
}

static void put_text(struct world *world, enum csn_dwarf_section section, const char *text)
{
	csn_buf_append(&world->sections[section], text, strlen(text) + 1);
}

static void patch(struct world *world, enum csn_dwarf_section section, size_t at, uint32_t value)
{
	memcpy(world->sections[section].data + at, &value, 4);
}

/* Abbreviations: 1 unit (language, low, high, lines), 2 function (name, low, high), 3 inlined
 * (origin ref4, low, high, file, line), 4 abstract function (name), 5 function (ref4 origin),
 * 6 namespace (name), 7 function that lists its calls (name, low, high), 8 call (return, origin
 * ref4), 9 call as GNU had it (low, origin ref4), 10 call by expression (return, target), 11 tail
 * call (return, origin ref4), 12 tail call (call_pc, origin ref4), 13 declaration (linkage name),
 * 14 abstract function others see (name). */
static void put_abbreviations(struct world *world)
{
	static const uint8_t table[] = {
		1,    0x11, 1,    0x13, 0x0b, 0x11, 0x01, 0x12, 0x06, 0x10, 0x17, 0,    0, /* unit
											    */
		2,    0x2e, 1,    0x03, 0x08, 0x11, 0x01, 0x12, 0x06, 0,    0, /* function */
		3,    0x1d, 1,    0x31, 0x13, 0x11, 0x01, 0x12, 0x06, 0x58, 0x0b, 0x59, 0x0b, 0,
		0,    4,    0x2e, 0,    0x03, 0x08, 0,    0, /* abstract function */
		5,    0x2e, 0,    0x31, 0x13, 0,    0,       /* one that points on */
		6,    0x39, 1,    0x03, 0x08, 0,    0,       /* namespace */
		7,    0x2e, 1,    0x03, 0x08, 0x11, 0x01, 0x12, 0x06, 0x7a, 0x19, 0,    0,    8,
		0x48, 0,    0x7d, 0x01, 0x7f, 0x13, 0,    0, /* call */
		9,    0x89, 0x82, 0x01, 0,    0x11, 0x01, 0x31, 0x13, 0,    0,    10,   0x48, 0,
		0x7d, 0x01, 0x83, 0x01, 0x18, 0,    0, /* call by expression */
		11,   0x48, 0,    0x7d, 0x01, 0x7f, 0x13, 0x82, 0x01, 0x19, 0,    0,    12,   0x48,
		0,    0x81, 0x01, 0x01, 0x7f, 0x13, 0x82, 0x01, 0x19, 0,    0,    13,   0x2e, 0,
		0x6e, 0x08, 0x3c, 0x19, 0,    0,                   /* declaration */
		14,   0x2e, 0,    0x03, 0x08, 0x3f, 0x19, 0,    0, /* abstract and external */
		0,
	};

	csn_buf_append(&world->sections[CSN_DEBUG_ABBREV], table, sizeof(table));
}

/* Header and root of a unit of version 4 for [0x1000, 0x2000). */
static void begin_unit(struct world *world)
{
	put_abbreviations(world);
	put(world, CSN_DEBUG_INFO, 0, 4);
	put(world, CSN_DEBUG_INFO, 4, 2);
	put(world, CSN_DEBUG_INFO, 0, 4);
	put(world, CSN_DEBUG_INFO, 8, 1);
	put(world, CSN_DEBUG_INFO, 1, 1);
	put(world, CSN_DEBUG_INFO, 0x04, 1); /* C++ */
	put(world, CSN_DEBUG_INFO, 0x1000, 8);
	put(world, CSN_DEBUG_INFO, 0x1000, 4);
	put(world, CSN_DEBUG_INFO, 0, 4);
}

static void end_unit(struct world *world)
{
	put(world, CSN_DEBUG_INFO, 0, 1);
	patch(world, CSN_DEBUG_INFO, 0, (uint32_t)world->sections[CSN_DEBUG_INFO].size - 4);
}

static size_t info_size(const struct world *world)
{
	return world->sections[CSN_DEBUG_INFO].size;
}

static void put_function(struct world *world, const char *name, uint64_t low, uint32_t size)
{
	put(world, CSN_DEBUG_INFO, 2, 1);
	put_text(world, CSN_DEBUG_INFO, name);
	put(world, CSN_DEBUG_INFO, low, 8);
	put(world, CSN_DEBUG_INFO, size, 4);
}

static void put_inlined(struct world *world, size_t origin, uint64_t low, uint32_t size,
			uint8_t line)
{
	put(world, CSN_DEBUG_INFO, 3, 1);
	put(world, CSN_DEBUG_INFO, origin, 4);
	put(world, CSN_DEBUG_INFO, low, 8);
	put(world, CSN_DEBUG_INFO, size, 4);
	put(world, CSN_DEBUG_INFO, 1, 1);
	put(world, CSN_DEBUG_INFO, line, 1);
}

/* A line program of version 2 with one file: 0x1000 line 10, 0x1010 line 20 until 0x1020, and
 * extra opcodes in between. */
static void put_lines(struct world *world, const void *extra, size_t size_bytes)
{
	static const uint8_t lengths[] = { 0, 1, 1, 1, 1, 0, 0, 0, 1 };
	static const uint8_t start[] = { 0, 9,  2, 0,  0x10, 0, 0,
					 0, 0,  0, 0,  3,    9, 1, /* line 10, row */
					 2, 16, 3, 10, 1 };        /* 0x1010 line 20, row */
	static const uint8_t stop[] = { 2, 16, 0, 1, 1 };
	struct csn_buf *out = &world->sections[CSN_DEBUG_LINE];
	size_t header;

	put(world, CSN_DEBUG_LINE, 0, 4);
	put(world, CSN_DEBUG_LINE, 2, 2);
	put(world, CSN_DEBUG_LINE, 0, 4);
	header = out->size;
	put(world, CSN_DEBUG_LINE, 0x0a0efb0101, 5); /* length 1, is_stmt, base -5, range 14, 10 */
	csn_buf_append(out, lengths, sizeof(lengths));
	put_text(world, CSN_DEBUG_LINE, "dir");
	put(world, CSN_DEBUG_LINE, 0, 1);
	put_text(world, CSN_DEBUG_LINE, "a.c");
	put(world, CSN_DEBUG_LINE, 1, 3);
	put(world, CSN_DEBUG_LINE, 0, 1);
	patch(world, CSN_DEBUG_LINE, 6, (uint32_t)(out->size - header));
	csn_buf_append(out, start, sizeof(start));
	if (size_bytes)
		csn_buf_append(out, extra, size_bytes);
	csn_buf_append(out, stop, sizeof(stop));
	patch(world, CSN_DEBUG_LINE, 0, (uint32_t)out->size - 4);
}

/* What is said of one address; texts die with ret_arena's owner. */
struct answer {
	struct csn_arena *arena;
	struct csn_dwarf *dwarf;
	struct csn_source source;
};

static void answer_done(struct answer *answer)
{
	csn_dwarf_free(answer->dwarf);
	csn_arena_free(answer->arena);
}

static struct answer ask(struct world *world, uint64_t address)
{
	const struct csn_dwarf_input input = { .read = read_world, .context = world };
	struct answer answer = { .arena = csn_arena_new(64 * CSN_MIB),
				 .source = { .address = address } };

	assert_non_null(answer.arena);
	assert_int_equal(csn_dwarf_new(&input, &answer.dwarf, NULL), 0);
	assert_int_equal(csn_dwarf_locate(answer.arena, answer.dwarf, &answer.source, 1, NULL), 0);
	return answer;
}

static void a_line_holds_from_its_row_to_the_next(void **state)
{
	static const struct {
		uint64_t address;
		uint32_t line;
	} cases[] = {
		{ 0x1000, 10 }, { 0x100f, 10 }, { 0x1010, 20 }, { 0x101f, 20 }, { 0x1020, 0 }
	};
	cleanup_(world_done) struct world world;
	size_t i;

	(void)state;
	world_init(&world);
	begin_unit(&world);
	end_unit(&world);
	put_lines(&world, NULL, 0);
	for (i = 0; i < csn_countof(cases); i++) {
		cleanup_(answer_done) struct answer answer = ask(&world, cases[i].address);

		assert_int_equal(answer.source.n_frames, cases[i].line ? 1 : 0);
		if (!cases[i].line)
			continue;
		assert_int_equal(answer.source.frames[0].line, cases[i].line);
		assert_string_equal(answer.source.frames[0].path, "dir/a.c");
	}
}

static void rows_of_line_zero_and_no_statements_do_as_debuggers_do(void **state)
{
	/* At 0x1018: line 0; then at the same address a row that is no statement after one that
	 * is. */
	static const uint8_t extra[] = { 2, 8, 3, 0x6c, 1, 3, 30, 1, 6, 3, 5, 1 };
	cleanup_(world_done) struct world world;

	(void)state;
	world_init(&world);
	begin_unit(&world);
	end_unit(&world);
	put_lines(&world, extra, sizeof(extra));
	cleanup_(answer_done) struct answer at = ask(&world, 0x1018), before = ask(&world, 0x1017);

	assert_int_equal(at.source.frames[0].line, 30);
	assert_int_equal(before.source.frames[0].line, 20);
}

static void inlined_functions_come_innermost_first_with_their_call_sites(void **state)
{
	cleanup_(world_done) struct world world;
	size_t first, second;

	(void)state;
	world_init(&world);
	begin_unit(&world);
	put(&world, CSN_DEBUG_INFO, 6, 1);
	put_text(&world, CSN_DEBUG_INFO, "ns");
	first = info_size(&world);
	put(&world, CSN_DEBUG_INFO, 4, 1);
	put_text(&world, CSN_DEBUG_INFO, "inner");
	put(&world, CSN_DEBUG_INFO, 0, 1);
	second = info_size(&world);
	put(&world, CSN_DEBUG_INFO, 4, 1);
	put_text(&world, CSN_DEBUG_INFO, "middle");
	put_function(&world, "other", 0x1100, 0x10);
	put(&world, CSN_DEBUG_INFO, 0, 1);
	put_function(&world, "outer", 0x1000, 0x20);
	put_inlined(&world, second, 0x1010, 0x10, 7);
	put_inlined(&world, first, 0x1014, 4, 8);
	put(&world, CSN_DEBUG_INFO, 0, 3);
	end_unit(&world);
	put_lines(&world, NULL, 0);
	cleanup_(answer_done) struct answer deep = ask(&world, 0x1015), flat = ask(&world, 0x1001),
					    other = ask(&world, 0x1105);

	assert_int_equal(deep.source.n_frames, 3);
	assert_string_equal(deep.source.frames[0].name, "ns::inner");
	assert_int_equal(deep.source.frames[0].line, 20);
	assert_string_equal(deep.source.frames[1].name, "middle");
	assert_int_equal(deep.source.frames[1].line, 8);
	assert_string_equal(deep.source.frames[2].name, "outer");
	assert_int_equal(deep.source.frames[2].line, 7);
	assert_int_equal(flat.source.n_frames, 1);
	assert_string_equal(flat.source.frames[0].name, "outer");
	assert_string_equal(other.source.frames[0].name, "other");
	assert_null(other.source.frames[0].path);
}

static void origins_that_go_in_circles_end(void **state)
{
	cleanup_(world_done) struct world world;
	size_t circle;

	(void)state;
	world_init(&world);
	begin_unit(&world);
	circle = info_size(&world);
	put(&world, CSN_DEBUG_INFO, 5, 1);
	put(&world, CSN_DEBUG_INFO, circle, 4);
	put_function(&world, "outer", 0x1000, 0x20);
	put_inlined(&world, circle, 0x1000, 0x20, 7);
	put(&world, CSN_DEBUG_INFO, 0, 2);
	end_unit(&world);
	cleanup_(answer_done) struct answer answer = ask(&world, 0x1005);

	assert_int_equal(answer.source.n_frames, 2);
	assert_null(answer.source.frames[0].name);
	assert_string_equal(answer.source.frames[1].name, "outer");
}

static void entries_nested_without_end_are_left(void **state)
{
	cleanup_(world_done) struct world world;
	unsigned i;

	(void)state;
	world_init(&world);
	begin_unit(&world);
	put_function(&world, "outer", 0x1000, 0x20);
	for (i = 0; i < 100000; i++)
		put_inlined(&world, 11, 0x1000, 0x20, 7);
	end_unit(&world);
	cleanup_(answer_done) struct answer answer = ask(&world, 0x1005);

	assert_int_equal(answer.source.n_frames, CSN_MAX_INLINE_DEPTH + 1);
}

static void aranges_that_leave_an_address_out_are_not_the_last_word(void **state)
{
	cleanup_(world_done) struct world world;

	(void)state;
	world_init(&world);
	begin_unit(&world);
	put_function(&world, "listed", 0x1000, 0x20);
	put(&world, CSN_DEBUG_INFO, 0, 1);
	end_unit(&world);
	/* A set of another unit, for other code. */
	put(&world, CSN_DEBUG_ARANGES, 44, 4);
	put(&world, CSN_DEBUG_ARANGES, 2, 2);
	put(&world, CSN_DEBUG_ARANGES, 0x7777, 4);
	put(&world, CSN_DEBUG_ARANGES, 8, 2);
	put(&world, CSN_DEBUG_ARANGES, 0, 4);
	put(&world, CSN_DEBUG_ARANGES, 0x9000, 8);
	put(&world, CSN_DEBUG_ARANGES, 0x10, 8);
	put(&world, CSN_DEBUG_ARANGES, 0, 16);
	cleanup_(answer_done) struct answer answer = ask(&world, 0x1005),
					    none = ask(&world, 0x9005);

	assert_int_equal(answer.source.n_frames, 1);
	assert_string_equal(answer.source.frames[0].name, "listed");
	assert_int_equal(none.source.n_frames, 0);
}

static void put_call(struct world *world, uint8_t code, uint64_t address, uint64_t origin)
{
	put(world, CSN_DEBUG_INFO, code, 1);
	put(world, CSN_DEBUG_INFO, address, 8);
	put(world, CSN_DEBUG_INFO, origin, 4);
}

/* A call by an expression of one operation and its operand. */
static void put_computed_call(struct world *world, uint64_t address, uint8_t operation,
			      uint64_t operand, unsigned width)
{
	put(world, CSN_DEBUG_INFO, 10, 1);
	put(world, CSN_DEBUG_INFO, address, 8);
	put(world, CSN_DEBUG_INFO, 1 + width, 1);
	put(world, CSN_DEBUG_INFO, operation, 1);
	put(world, CSN_DEBUG_INFO, operand, width);
}

/* Functions "callee" at 0x1100 and "caller" at 0x1000, whose calls return to 0x1005, 0x100a and so
 * on. */
static void put_calls(struct world *world)
{
	size_t callee, declared, external, hidden;

	callee = info_size(world);
	put_function(world, "callee", 0x1100, 0x10);
	put(world, CSN_DEBUG_INFO, 0, 1);
	declared = info_size(world);
	put(world, CSN_DEBUG_INFO, 13, 1);
	put_text(world, CSN_DEBUG_INFO, "_Z8declaredv");
	external = info_size(world);
	put(world, CSN_DEBUG_INFO, 14, 1);
	put_text(world, CSN_DEBUG_INFO, "external");
	hidden = info_size(world);
	put(world, CSN_DEBUG_INFO, 4, 1);
	put_text(world, CSN_DEBUG_INFO, "hidden");
	put_function(world, "caller", 0x1000, 0x40);
	put_call(world, 8, 0x1005, callee);
	put_call(world, 9, 0x100a, declared);
	put_call(world, 8, 0x100f, external);
	put_call(world, 8, 0x1014, hidden);
	put_computed_call(world, 0x1019, 0x03, 0x1234, 8); /* DW_OP_addr */
	put_computed_call(world, 0x101e, 0x50, 0, 0);      /* DW_OP_reg0 */
	put_call(world, 8, 0x1005, declared);
	put_call(world, 8, 0x1023, 0xffffff);
	put(world, CSN_DEBUG_INFO, 0, 1);
}

static void a_return_address_tells_whom_the_call_before_it_calls(void **state)
{
	static const struct {
		uint64_t address;
		enum csn_callee_kind kind;
		uint64_t callee;
		const char *name;
	} cases[] = {
		{ 0x1004, CSN_CALLEE_ADDRESS, 0x1100, NULL },
		{ 0x1009, CSN_CALLEE_NAME, 0, "_Z8declaredv" },
		{ 0x100e, CSN_CALLEE_NAME, 0, "external" },
		{ 0x1013, CSN_CALLEE_UNKNOWN, 0, NULL },
		{ 0x1018, CSN_CALLEE_ADDRESS, 0x1234, NULL },
		{ 0x101d, CSN_CALLEE_UNKNOWN, 0, NULL },
		{ 0x1022, CSN_CALLEE_UNKNOWN, 0, NULL },
		{ 0x1005, CSN_CALLEE_NONE, 0, NULL },
	};
	cleanup_(world_done) struct world world;
	size_t i;

	(void)state;
	world_init(&world);
	begin_unit(&world);
	put_calls(&world);
	end_unit(&world);
	for (i = 0; i < csn_countof(cases); i++) {
		cleanup_(answer_done) struct answer answer = ask(&world, cases[i].address);
		const struct csn_callee *callee = &answer.source.callee;

		assert_true(answer.source.has_entry);
		assert_int_equal(answer.source.entry, 0x1000);
		assert_int_equal(callee->kind, cases[i].kind);
		if (callee->kind == CSN_CALLEE_ADDRESS)
			assert_int_equal(callee->address, cases[i].callee);
		if (cases[i].name)
			assert_string_equal(callee->name, cases[i].name);
		else
			assert_null(callee->name);
	}
}

static struct csn_tail_calls ask_tail_calls(struct world *world, uint64_t entry,
					    struct answer *answer)
{
	struct csn_tail_calls calls = { .entry = entry };

	*answer = ask(world, 0x9999);
	assert_int_equal(csn_dwarf_tail_calls(answer->arena, answer->dwarf, &calls, 1, NULL), 0);
	return calls;
}

/* A function of the given code with jumps, one of them in an inlined function, one in a function
 * within the function. */
static void put_jumps(struct world *world, uint8_t code, size_t callee)
{
	put(world, CSN_DEBUG_INFO, code, 1);
	put_text(world, CSN_DEBUG_INFO, "jumper");
	put(world, CSN_DEBUG_INFO, 0x1000, 8);
	put(world, CSN_DEBUG_INFO, 0x40, 4);
	put_call(world, 8, 0x1005, callee);
	put_call(world, 11, 0x100a, callee);
	put_inlined(world, callee, 0x1010, 0x10, 7);
	put_call(world, 12, 0x1014, callee);
	put(world, CSN_DEBUG_INFO, 0, 1);
	put_function(world, "inner", 0x1020, 8);
	put_call(world, 11, 0x1025, callee);
	put(world, CSN_DEBUG_INFO, 0, 1);
	put_call(world, 11, 0x1030, 0xffffff);
	put(world, CSN_DEBUG_INFO, 0, 1);
}

static void a_function_lists_its_jumps_with_those_that_are_inlined(void **state)
{
	static const struct csn_tail_call expected[] = {
		{ 0x100a, false, { CSN_CALLEE_ADDRESS, 0x1100, NULL } },
		{ 0x1014, true, { CSN_CALLEE_ADDRESS, 0x1100, NULL } },
		{ 0x1030, false, { CSN_CALLEE_UNKNOWN, 0, NULL } },
	};
	cleanup_(world_done) struct world world;
	cleanup_(answer_done) struct answer answer = { 0 }, inside = { 0 };
	struct csn_tail_calls calls;
	size_t i, callee;

	(void)state;
	world_init(&world);
	begin_unit(&world);
	callee = info_size(&world);
	put_function(&world, "callee", 0x1100, 0x10);
	put(&world, CSN_DEBUG_INFO, 0, 1);
	put_jumps(&world, 7, callee);
	end_unit(&world);
	calls = ask_tail_calls(&world, 0x1000, &answer);
	assert_true(calls.known);
	assert_int_equal(calls.n_calls, csn_countof(expected));
	for (i = 0; i < calls.n_calls; i++) {
		assert_int_equal(calls.calls[i].address, expected[i].address);
		assert_int_equal(calls.calls[i].at_jump, expected[i].at_jump);
		assert_int_equal(calls.calls[i].callee.kind, expected[i].callee.kind);
	}
	assert_int_equal(calls.calls[0].callee.address, 0x1100);
	/* Inside of a function none begins. */
	calls = ask_tail_calls(&world, 0x1001, &inside);
	assert_false(calls.known);
	/* Found at once, now that a call has led there. */
	calls = (struct csn_tail_calls){ .entry = 0x1100 };
	assert_int_equal(csn_dwarf_tail_calls(answer.arena, answer.dwarf, &calls, 1, NULL), 0);
	assert_true(calls.known);
	assert_int_equal(calls.n_calls, 0);
}

static void a_list_of_jumps_that_may_not_be_whole_is_none(void **state)
{
	cleanup_(world_done) struct world world;
	cleanup_(answer_done) struct answer answer = { 0 }, cut = { 0 };
	struct csn_tail_calls calls;

	(void)state;
	world_init(&world);
	begin_unit(&world);
	put_jumps(&world, 2, 11);
	end_unit(&world);
	calls = ask_tail_calls(&world, 0x1000, &answer);
	assert_true(calls.known);
	assert_int_equal(calls.n_calls, 0);
	/* A list that ends in the middle. */
	world.sections[CSN_DEBUG_INFO].size = 11;
	put_jumps(&world, 7, 11);
	world.sections[CSN_DEBUG_INFO].size -= 3;
	calls = ask_tail_calls(&world, 0x1000, &cut);
	assert_false(calls.known);
}

static void jumps_without_end_are_not_listed(void **state)
{
	cleanup_(world_done) struct world world;
	cleanup_(answer_done) struct answer answer = { 0 };
	unsigned i;

	(void)state;
	world_init(&world);
	begin_unit(&world);
	put(&world, CSN_DEBUG_INFO, 7, 1);
	put_text(&world, CSN_DEBUG_INFO, "jumper");
	put(&world, CSN_DEBUG_INFO, 0x1000, 8);
	put(&world, CSN_DEBUG_INFO, 0x40, 4);
	for (i = 0; i <= CSN_MAX_TAIL_CALLS; i++)
		put_call(&world, 11, 0x100a, 11);
	put(&world, CSN_DEBUG_INFO, 0, 1);
	end_unit(&world);
	assert_false(ask_tail_calls(&world, 0x1000, &answer).known);
}

/* A class that the unit only declares, by signature 0x1122334455667788: abbreviations 70 (class,
 * declared so), 71 (type unit), 72 (class with a name). */
static void put_type_unit(struct world *world)
{
	static const uint8_t table[] = {
		70,   0x02, 1, 0x69, 0x20, 0, 0,    71,   0x41, 1, 0x13,
		0x0b, 0,    0, 72,   0x02, 0, 0x03, 0x08, 0,    0, 0,
	};
	struct csn_buf *abbrev = &world->sections[CSN_DEBUG_ABBREV];
	size_t type;

	abbrev->size--; /* the end of the table, which goes on */
	csn_buf_append(abbrev, table, sizeof(table));
	put(world, CSN_DEBUG_TYPES, 0, 4);
	put(world, CSN_DEBUG_TYPES, 4, 2);
	put(world, CSN_DEBUG_TYPES, 0, 4);
	put(world, CSN_DEBUG_TYPES, 8, 1);
	put(world, CSN_DEBUG_TYPES, 0x1122334455667788, 8);
	type = world->sections[CSN_DEBUG_TYPES].size;
	put(world, CSN_DEBUG_TYPES, 0, 4);
	put(world, CSN_DEBUG_TYPES, 71, 1);
	put(world, CSN_DEBUG_TYPES, 4, 1);
	patch(world, CSN_DEBUG_TYPES, type, (uint32_t)world->sections[CSN_DEBUG_TYPES].size);
	put(world, CSN_DEBUG_TYPES, 72, 1);
	put_text(world, CSN_DEBUG_TYPES, "thing");
	put(world, CSN_DEBUG_TYPES, 0, 1);
	patch(world, CSN_DEBUG_TYPES, 0, (uint32_t)world->sections[CSN_DEBUG_TYPES].size - 4);
}

static void classes_are_named_by_their_type_units(void **state)
{
	uint64_t signature = 0x1122334455667788;
	unsigned i;

	(void)state;
	for (i = 0; i < 2; i++, signature++) {
		cleanup_(world_done) struct world world;

		world_init(&world);
		begin_unit(&world);
		put_type_unit(&world);
		put(&world, CSN_DEBUG_INFO, 6, 1);
		put_text(&world, CSN_DEBUG_INFO, "ns");
		put(&world, CSN_DEBUG_INFO, 70, 1);
		put(&world, CSN_DEBUG_INFO, signature, 8);
		put_function(&world, "method", 0x1000, 0x20);
		put(&world, CSN_DEBUG_INFO, 0, 3);
		end_unit(&world);
		cleanup_(answer_done) struct answer answer = ask(&world, 0x1005);

		assert_int_equal(answer.source.n_frames, 1);
		assert_string_equal(answer.source.frames[0].name,
				    i ? "ns::method" : "ns::thing::method");
	}
}

static void a_unit_cut_anywhere_gives_less_and_nothing_worse(void **state)
{
	cleanup_(world_done) struct world world;
	size_t size, section;

	(void)state;
	world_init(&world);
	begin_unit(&world);
	put_function(&world, "outer", 0x1000, 0x20);
	put_inlined(&world, 11, 0x1000, 0x20, 7);
	put(&world, CSN_DEBUG_INFO, 0, 2);
	put_jumps(&world, 7, 11);
	put_calls(&world);
	end_unit(&world);
	put_lines(&world, NULL, 0);
	for (section = 0; section < CSN_DEBUG_SECTIONS; section++) {
		struct csn_buf *cut = &world.sections[section];
		size_t whole = cut->size;

		for (size = 0; size < whole; size++) {
			cut->size = size;
			cleanup_(answer_done) struct answer answer = ask(&world, 0x1005),
							    jumps = { 0 };

			assert_true(answer.source.n_frames <= 2);
			assert_true(ask_tail_calls(&world, 0x1000, &jumps).n_calls <= 3);
		}
		cut->size = whole;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_holds_from_its_row_to_the_next),
		cmocka_unit_test(rows_of_line_zero_and_no_statements_do_as_debuggers_do),
		cmocka_unit_test(inlined_functions_come_innermost_first_with_their_call_sites),
		cmocka_unit_test(origins_that_go_in_circles_end),
		cmocka_unit_test(entries_nested_without_end_are_left),
		cmocka_unit_test(aranges_that_leave_an_address_out_are_not_the_last_word),
		cmocka_unit_test(a_return_address_tells_whom_the_call_before_it_calls),
		cmocka_unit_test(a_function_lists_its_jumps_with_those_that_are_inlined),
		cmocka_unit_test(a_list_of_jumps_that_may_not_be_whole_is_none),
		cmocka_unit_test(jumps_without_end_are_not_listed),
		cmocka_unit_test(classes_are_named_by_their_type_units),
		cmocka_unit_test(a_unit_cut_anywhere_gives_less_and_nothing_worse),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
