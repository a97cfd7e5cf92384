/* pclntab: a table of three functions, one of which has another inlined, as each version of Go
 * would write it. Real tables are compared with debug information by the black-box tests. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "symbols/pclntab.h"

#define TEXT 0x401000u
#define WORDS 8u
#define TREES 0x500000u
#define NONE 0xffffffffu

static const uint32_t magics[] = { 0xfffffffb, 0xfffffffa, 0xfffffff0, 0xfffffff1 };

/* Grows at its end. */
struct bytes {
	uint8_t data[1024];
	size_t size;
};

static void put(struct bytes *bytes, uint64_t value, unsigned width)
{
	assert_true(bytes->size + width <= sizeof(bytes->data));
	memcpy(bytes->data + bytes->size, &value, width);
	bytes->size += width;
}

static size_t put_text(struct bytes *bytes, const void *text, size_t size_bytes)
{
	size_t at = bytes->size;

	assert_true(bytes->size + size_bytes <= sizeof(bytes->data));
	memcpy(bytes->data + at, text, size_bytes);
	bytes->size += size_bytes;
	return at;
}

static void set(struct bytes *bytes, size_t at, uint64_t value, unsigned width)
{
	memcpy(bytes->data + at, &value, width);
}

/* Offsets of what functions refer to, within their parts. */
struct parts {
	struct bytes names, values, files, units;
	uint32_t name[4], path[2];
	uint32_t depth, file, line, inlined;
};

/* Code of 0x40 bytes: lines 10 (16 bytes), 20 of another file (16 bytes), 11 (32 bytes); the
 * second piece is inlined; the stack is 0x18 deep from the fifth byte on. */
static void fill_parts(struct parts *parts, uint32_t first_file)
{
	static const char *const names[] = { "main.outer", "main.(*node).inner", "main.leaf",
					     "runtime.goexit" };
	static const uint8_t depth[] = { 0x02, 4, 0x30, 60, 0 };
	static const uint8_t line[] = { 22, 16, 20, 16, 17, 32, 0 };
	static const uint8_t inlined[] = { 0, 16, 2, 16, 1, 32, 0 };
	uint8_t file[] = { (uint8_t)(2 * (first_file + 1)), 16, 2, 16, 1, 32, 0 };

	put(&parts->names, 0, 1);
	put(&parts->values, 0, 1);
	for (size_t i = 0; i < 4; i++)
		parts->name[i] = (uint32_t)put_text(&parts->names, names[i], strlen(names[i]) + 1);
	parts->path[0] = (uint32_t)put_text(&parts->files, "/src/a.go", 10);
	parts->path[1] = (uint32_t)put_text(&parts->files, "/src/b.go", 10);
	parts->depth = (uint32_t)put_text(&parts->values, depth, sizeof(depth));
	parts->line = (uint32_t)put_text(&parts->values, line, sizeof(line));
	parts->inlined = (uint32_t)put_text(&parts->values, inlined, sizeof(inlined));
	parts->file = (uint32_t)put_text(&parts->values, file, sizeof(file));
	put(&parts->units, parts->path[0], 4);
	put(&parts->units, parts->path[1], 4);
}

/* Offsets grow by base: in the oldest version they count from the header on. */
static void put_function(struct bytes *out, enum csn_pclntab_version version,
			 const struct parts *parts, unsigned index, size_t origin,
			 const uint32_t base[2])
{
	bool is_outer = index == 0, wide = version >= CSN_PCLNTAB_1_18;
	uint32_t names = base[0], values = base[1];

	put(out, version >= CSN_PCLNTAB_1_18 ? 0x40 * index : TEXT + 0x40 * index,
	    version >= CSN_PCLNTAB_1_18 ? 4 : 8);
	put(out, names + parts->name[index ? index + 1 : 0], 4);
	put(out, 0, 8);
	put(out, values + parts->depth, 4);
	put(out, values + parts->file, 4);
	put(out, values + parts->line, 4);
	put(out, is_outer ? 3 : 0, 4);
	if (version >= CSN_PCLNTAB_1_16)
		put(out, 0, 4);
	if (version >= CSN_PCLNTAB_1_20)
		put(out, 9, 4);
	put(out, 0, 1);
	put(out, index == 2 ? 1 : 0, 1); /* the last is outermost */
	put(out, 0, 1);
	put(out, is_outer ? 4 : 0, 1);
	if (!is_outer)
		return;
	put(out, 0, 8);
	put(out, values + parts->inlined, 4);
	/* Aligned addresses before 1.18. */
	while (!wide && (out->size - origin) % 8)
		put(out, 0, 1);
	for (unsigned i = 0; i < 3; i++)
		put(out, wide ? NONE : 0, wide ? 4 : 8);
	put(out, wide ? 4 : TREES + 4, wide ? 4 : 8);
}

static void put_functions(struct bytes *out, enum csn_pclntab_version version,
			  const struct parts *parts, size_t origin, const uint32_t base[2])
{
	unsigned width = version >= CSN_PCLNTAB_1_18 ? 4 : 8;
	uint64_t text = version >= CSN_PCLNTAB_1_18 ? 0 : TEXT;
	size_t table = out->size;

	for (unsigned i = 0; i < 3; i++) {
		put(out, text + 0x40 * i, width);
		put(out, 0, width);
	}
	put(out, text + 0xc0, width);
	/* The oldest version has the offset of the files here. */
	put(out, 0, 4);
	for (unsigned i = 0; i < 3; i++) {
		set(out, table + (2 * i + 1) * width, out->size - origin, width);
		put_function(out, version, parts, i, origin, base);
	}
}

static void make_old(struct bytes *out, struct parts *parts)
{
	uint32_t base[2];
	size_t functions = out->size + 8, files;

	fill_parts(parts, 1);
	put(out, 3, 8);
	/* Three functions with their starts, then what they refer to. */
	{
		struct bytes trial = { .size = functions };

		put_functions(&trial, CSN_PCLNTAB_1_2, parts, 0, (uint32_t[2]){ 0, 0 });
		base[0] = (uint32_t)trial.size;
		base[1] = base[0] + (uint32_t)parts->names.size;
	}
	put_functions(out, CSN_PCLNTAB_1_2, parts, 0, base);
	put_text(out, parts->names.data, parts->names.size);
	put_text(out, parts->values.data, parts->values.size);
	files = put_text(out, parts->files.data, parts->files.size);
	set(out, functions + 7 * 8, out->size, 4);
	put(out, 3, 4);
	put(out, files + parts->path[0], 4);
	put(out, files + parts->path[1], 4);
}

static void make_new(struct bytes *out, struct parts *parts, enum csn_pclntab_version version)
{
	size_t offsets, at;

	fill_parts(parts, 0);
	put(out, 3, 8);
	put(out, 2, 8);
	if (version >= CSN_PCLNTAB_1_18)
		put(out, TEXT, 8);
	offsets = out->size;
	out->size += 5 * 8;
	at = put_text(out, parts->names.data, parts->names.size);
	set(out, offsets, at, 8);
	at = put_text(out, parts->units.data, parts->units.size);
	set(out, offsets + 8, at, 8);
	at = put_text(out, parts->files.data, parts->files.size);
	set(out, offsets + 16, at, 8);
	at = put_text(out, parts->values.data, parts->values.size);
	set(out, offsets + 24, at, 8);
	set(out, offsets + 32, out->size, 8);
	put_functions(out, version, parts, out->size, (uint32_t[2]){ 0, 0 });
}

/* What the second piece of main.outer was inlined by, four bytes into go.func.*. */
static void make_trees(struct bytes *trees, const struct parts *parts,
		       enum csn_pclntab_version version)
{
	put(trees, 0, 4);
	put(trees, version <= CSN_PCLNTAB_1_18 ? 0xffff : 0, 4);
	if (version <= CSN_PCLNTAB_1_18)
		put(trees, 0, 8);
	put(trees, parts->name[1], 4);
	put(trees, 8, 4);
	put(trees, 0, 4);
}

static void make_table(struct bytes *out, struct bytes *trees, enum csn_pclntab_version version)
{
	struct parts parts = { 0 };

	put(out, magics[version], 4);
	put(out, 0, 2);
	put(out, 1, 1);
	put(out, 8, 1);
	if (version == CSN_PCLNTAB_1_2)
		make_old(out, &parts);
	else
		make_new(out, &parts, version);
	make_trees(trees, &parts, version);
}

static void check_frame(const struct csn_pclntab_frame *frame, const char *name, const char *path,
			uint32_t line)
{
	assert_string_equal(frame->name, name);
	assert_string_equal(frame->path, path);
	assert_int_equal(frame->line, line);
}

static void check_version(enum csn_pclntab_version version)
{
	bool has_trees = version >= CSN_PCLNTAB_1_16;
	struct bytes bytes = { 0 }, trees = { 0 };
	struct csn_pclntab_function function;
	struct csn_pclntab_frame frames[4];
	struct csn_pclntab table;
	struct csn_span span;
	uint32_t depth;

	make_table(&bytes, &trees, version);
	span = csn_span_of(bytes.data, bytes.size);
	assert_true(csn_pclntab_open(&span, 0, &table));
	assert_int_equal(table.version, version);
	table.trees = csn_span_of(trees.data, trees.size);
	table.trees_address = version == CSN_PCLNTAB_1_16 ? TREES : 0;
	assert_true(csn_pclntab_find(&table, TEXT + 0x12, &function));
	assert_string_equal(function.name, "main.outer");
	assert_int_equal(function.start, TEXT);
	assert_int_equal(function.end, TEXT + 0x40);
	assert_int_equal(csn_pclntab_frames(&table, &function, TEXT + 0x12, frames, 4),
			 has_trees ? 2 : 1);
	if (has_trees)
		check_frame(&frames[0], "main.(*node).inner", "/src/b.go", 20);
	check_frame(&frames[has_trees], "main.outer", has_trees ? "/src/a.go" : "/src/b.go",
		    has_trees ? 10 : 20);
	assert_int_equal(csn_pclntab_frames(&table, &function, TEXT + 0x3f, frames, 4), 1);
	check_frame(&frames[0], "main.outer", "/src/a.go", 11);
	assert_true(csn_pclntab_depth(&table, &function, TEXT + 3, &depth));
	assert_int_equal(depth, 0);
	assert_true(csn_pclntab_depth(&table, &function, TEXT + 4, &depth));
	assert_int_equal(depth, 0x18);
}

static void every_version_is_read(void **state)
{
	(void)state;
	for (int version = CSN_PCLNTAB_1_2; version <= CSN_PCLNTAB_1_20; version++)
		check_version((enum csn_pclntab_version)version);
}

static void functions_end_where_the_next_begins(void **state)
{
	struct bytes bytes = { 0 }, trees = { 0 };
	struct csn_pclntab_function function;
	struct csn_pclntab table;
	struct csn_span span;

	(void)state;
	make_table(&bytes, &trees, CSN_PCLNTAB_1_18);
	span = csn_span_of(bytes.data, bytes.size);
	assert_true(csn_pclntab_open(&span, 0, &table));
	assert_false(csn_pclntab_find(&table, TEXT - 1, &function));
	assert_true(csn_pclntab_find(&table, TEXT + 0x40, &function));
	assert_string_equal(function.name, "main.leaf");
	assert_false(function.is_top);
	assert_true(csn_pclntab_find(&table, TEXT + 0xbf, &function));
	assert_string_equal(function.name, "runtime.goexit");
	assert_true(function.is_top);
	assert_false(csn_pclntab_find(&table, TEXT + 0xc0, &function));
	/* A program that was moved. */
	assert_true(csn_pclntab_open(&span, 0x1000, &table));
	assert_true(csn_pclntab_find(&table, 0x1040, &function));
	assert_string_equal(function.name, "main.leaf");
}

static void a_hostile_table_costs_no_more_than_its_budget(void **state)
{
	struct bytes bytes = { 0 }, trees = { 0 };
	struct csn_pclntab_function function;
	struct csn_pclntab_frame frame;
	struct csn_pclntab table;
	struct csn_span span;

	(void)state;
	make_table(&bytes, &trees, CSN_PCLNTAB_1_20);
	span = csn_span_of(bytes.data, bytes.size);
	assert_true(csn_pclntab_open(&span, 0, &table));
	assert_true(csn_pclntab_find(&table, TEXT, &function));
	table.steps_left = 1;
	assert_int_equal(csn_pclntab_frames(&table, &function, TEXT + 0x3f, &frame, 1), 1);
	assert_string_equal(frame.name, "main.outer");
	assert_null(frame.path);
	assert_int_equal(frame.line, 0);
	assert_int_equal(table.steps_left, 0);
}

static void what_is_no_table_is_refused(void **state)
{
	struct bytes bytes = { 0 }, trees = { 0 };
	struct csn_pclntab table;
	struct csn_span span;

	(void)state;
	make_table(&bytes, &trees, CSN_PCLNTAB_1_18);
	for (size_t size = 0; size < 8 + 8 * WORDS; size++) {
		span = csn_span_of(bytes.data, size);
		assert_false(csn_pclntab_open(&span, 0, &table));
	}
	set(&bytes, 8, UINT64_MAX, 8);
	span = csn_span_of(bytes.data, bytes.size);
	assert_false(csn_pclntab_open(&span, 0, &table));
	set(&bytes, 7, 3, 1);
	assert_false(csn_pclntab_is_head(bytes.data, bytes.size));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_version_is_read),
		cmocka_unit_test(functions_end_where_the_next_begins),
		cmocka_unit_test(a_hostile_table_costs_no_more_than_its_budget),
		cmocka_unit_test(what_is_no_table_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
