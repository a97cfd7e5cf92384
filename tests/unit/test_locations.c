/* Location lists in the three forms that they have had, made by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "dwarf/location_internal.h"

/* Two units without an entry that counts: version 4 and version 5. */
static const uint8_t info4[] = { 8, 0, 0, 0, 4, 0, 0, 0, 0, 0, 8, 1 };
static const uint8_t info5[] = { 9, 0, 0, 0, 5, 0, 1, 8, 0, 0, 0, 0, 1 };
static const uint8_t abbrev[] = { 1, 0x11, 0, 0, 0, 0 };
static const uint64_t addresses[] = { 0x4000, 0x4100 };

/* The list's section, and what was told. */
struct world {
	bool is_new;
	struct csn_span list;
	size_t n, stop_after;
	struct csn_location seen[16];
};

static struct csn_span read_world(void *context, enum csn_dwarf_section section,
				  uint64_t size_bytes)
{
	const struct world *world = context;

	(void)size_bytes;
	switch (section) {
	case CSN_DEBUG_INFO:
		return world->is_new ? csn_span_of(info5, sizeof(info5))
				     : csn_span_of(info4, sizeof(info4));
	case CSN_DEBUG_ABBREV:
		return csn_span_of(abbrev, sizeof(abbrev));
	case CSN_DEBUG_ADDR:
		return csn_span_of(addresses, sizeof(addresses));
	case CSN_DEBUG_LOC:
		return world->is_new ? (struct csn_span){ .failed = true } : world->list;
	case CSN_DEBUG_LOCLISTS:
		return world->is_new ? world->list : (struct csn_span){ .failed = true };
	default:
		return (struct csn_span){ .failed = true };
	}
}

static bool see(void *context, const struct csn_location *location)
{
	struct world *world = context;

	assert_true(world->n < csn_countof(world->seen));
	world->seen[world->n++] = *location;
	return world->n != world->stop_after;
}

/* Goes along the list at value; split: that of a split unit. */
static void walk(struct world *world, uint16_t form, uint64_t value, bool split)
{
	const struct csn_dwarf_input input = { .read = read_world, .context = world };
	cleanup_(csn_dwarf_freep) struct csn_dwarf *dwarf = NULL;
	struct csn_unit skeleton, *unit;

	assert_int_equal(csn_dwarf_new(&input, &dwarf, NULL), 0);
	unit = csn_unit_at(dwarf, 0);
	assert_non_null(unit);
	assert_true(csn_unit_open(unit));
	unit->addr_base = unit->loclists_base = 0;
	unit->low = 0x1000;
	skeleton = *unit;
	if (split) {
		unit->low = 0x7777; /* must not count */
		unit->skeleton = &skeleton;
	}
	world->n = 0;
	csn_locations_each(unit, form, value, see, world);
}

static void assert_seen(const struct world *world, size_t index, uint64_t start, uint64_t end,
			size_t size_bytes)
{
	assert_true(index < world->n);
	assert_int_equal(world->seen[index].start, start);
	assert_int_equal(world->seen[index].end, end);
	assert_int_equal(world->seen[index].expression.size, size_bytes);
	assert_int_equal(world->seen[index].is_default, start == 0);
}

#define U64(low, high) (low), (high), 0, 0, 0, 0, 0, 0
#define ONES 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff

static const uint8_t list4[] = {
	0x99,                                   /* not of this list */
	U64(0x10, 0), U64(0x20, 0), 1, 0, 0x50, /* relative to the unit */
	U64(0x30, 0), U64(0x30, 0), 1, 0, 0x51, /* nowhere */
	ONES,         U64(0, 0x50),             /* from now on 0x5000 */
	U64(0x01, 0), U64(0x08, 0), 2, 0, 0x77, 0x08, U64(0, 0), U64(0, 0),
};

static const uint8_t list5[] = {
	4,
	0,
	0,
	0, /* the table: where list 0 is */
	4,
	1,
	2,
	1,
	0x50, /* offset_pair, from the unit */
	1,
	0, /* base_addressx */
	4,
	1,
	2,
	1,
	0x50, /* offset_pair */
	9,
	3,
	4, /* view_pair */
	2,
	0,
	1,
	2,
	0x77,
	0, /* startx_endx */
	3,
	1,
	5,
	1,
	0x50, /* startx_length */
	5,
	1,
	0x51, /* default_location */
	6,
	U64(0, 0x60), /* base_address */
	4,
	0,
	0x80,
	1,
	0, /* offset_pair, no location */
	7,
	U64(0, 0x61),
	U64(2, 0x61),
	1,
	0x50, /* start_end */
	8,
	U64(0, 0x62),
	3,
	1,
	0x50, /* start_length */
	0,
};

static const uint8_t list_gnu[] = {
	4, 1, 0, 0, 0, 2,    0, 0, 0,    1, 0, 0x50, /* offset_pair, from the skeleton */
	1, 0,                                        /* base_addressx */
	4, 1, 0, 0, 0, 2,    0, 0, 0,    1, 0, 0x50, /* offset_pair */
	2, 0, 1, 1, 0, 0x50,                         /* startx_endx */
	3, 1, 5, 0, 0, 0,    2, 0, 0x77, 0,          /* startx_length */
	0,
};

static void lists_of_version_4_are_relative_to_a_base(void **state)
{
	struct world world = { .list = csn_span_of(list4, sizeof(list4)) };

	(void)state;
	walk(&world, DW_FORM_sec_offset, 1, false);
	assert_int_equal(world.n, 2);
	assert_seen(&world, 0, 0x1010, 0x1020, 1);
	assert_seen(&world, 1, 0x5001, 0x5008, 2);
	assert_int_equal(world.seen[1].expression.data[1], 0x08);
}

static void lists_of_version_5_have_entries_of_all_kinds(void **state)
{
	struct world world = { .is_new = true, .list = csn_span_of(list5, sizeof(list5)) };
	unsigned i;

	(void)state;
	for (i = 0; i < 2; i++) {
		walk(&world, i ? DW_FORM_loclistx : DW_FORM_sec_offset, i ? 0 : 4, false);
		assert_int_equal(world.n, 8);
		assert_seen(&world, 0, 0x1001, 0x1002, 1);
		assert_seen(&world, 1, 0x4001, 0x4002, 1);
		assert_seen(&world, 2, 0x4000, 0x4100, 2);
		assert_seen(&world, 3, 0x4100, 0x4105, 1);
		assert_seen(&world, 4, 0, 0, 1);
		assert_seen(&world, 5, 0x6000, 0x6080, 0);
		assert_seen(&world, 6, 0x6100, 0x6102, 1);
		assert_seen(&world, 7, 0x6200, 0x6203, 1);
	}
	world.stop_after = 3;
	walk(&world, DW_FORM_sec_offset, 4, false);
	assert_int_equal(world.n, 3);
}

static void lists_of_split_units_take_addresses_from_the_skeleton(void **state)
{
	struct world world = { .list = csn_span_of(list_gnu, sizeof(list_gnu)) };

	(void)state;
	walk(&world, DW_FORM_sec_offset, 0, true);
	assert_int_equal(world.n, 4);
	assert_seen(&world, 0, 0x1001, 0x1002, 1);
	assert_seen(&world, 1, 0x4001, 0x4002, 1);
	assert_seen(&world, 2, 0x4000, 0x4100, 1);
	assert_seen(&world, 3, 0x4100, 0x4105, 2);
	world = (struct world){ .is_new = true, .list = csn_span_of(list5, sizeof(list5)) };
	walk(&world, DW_FORM_loclistx, 0, true);
	assert_int_equal(world.n, 8);
	assert_seen(&world, 0, 0x1001, 0x1002, 1);
}

static void lists_cut_anywhere_tell_less(void **state)
{
	const struct csn_span lists[] = { csn_span_of(list4, sizeof(list4)),
					  csn_span_of(list5, sizeof(list5)),
					  csn_span_of(list_gnu, sizeof(list_gnu)) };
	size_t i, size, before;

	(void)state;
	for (i = 0; i < csn_countof(lists); i++) {
		struct world world = { .is_new = i == 1 };

		for (size = 0, before = 0; size <= lists[i].size; size++, before = world.n) {
			world.list = csn_span_of(lists[i].data, size);
			walk(&world, i == 1 ? DW_FORM_loclistx : DW_FORM_sec_offset, i == 0,
			     i == 2);
			assert_true(world.n >= before);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists_of_version_4_are_relative_to_a_base),
		cmocka_unit_test(lists_of_version_5_have_entries_of_all_kinds),
		cmocka_unit_test(lists_of_split_units_take_addresses_from_the_skeleton),
		cmocka_unit_test(lists_cut_anywhere_tell_less),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
