/* analyze: facts, attributes from outside, signals, and faults of a fake process. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <string.h>

#include "analyze/abort_message.h"
#include "analyze/attributes.h"
#include "analyze/facts.h"
#include "analyze/fault.h"
#include "base/cleanup.h"

static const char *text_of(const struct csn_snapshot *snapshot, const char *name)
{
	const struct csn_snapshot_attribute *found = csn_snapshot_find_attribute(snapshot, name);

	return found && found->kind == CSN_VALUE_STRING ? found->string : NULL;
}

static void pairs_are_split_at_commas_before_a_key(void **state)
{
	cleanup_(csn_snapshot_freep) struct csn_snapshot *snapshot = csn_snapshot_new();

	(void)state;
	assert_int_equal(csn_attributes_from_kv(snapshot, "a:1,b:x:y,c:one, two,d:p\\,q:r", NULL),
			 0);
	assert_string_equal(text_of(snapshot, "a"), "1");
	assert_string_equal(text_of(snapshot, "b"), "x:y");
	assert_string_equal(text_of(snapshot, "c"), "one, two");
	assert_string_equal(text_of(snapshot, "d"), "p,q:r");
	assert_int_equal(csn_attributes_from_kv(snapshot, "nothing", NULL), -CSN_E_USAGE);
	assert_int_equal(csn_attributes_from_kv(snapshot, ":x", NULL), -CSN_E_USAGE);
}

static void defaults_cannot_set_what_is_measured_or_reserved(void **state)
{
	cleanup_(csn_snapshot_freep) struct csn_snapshot *snapshot = csn_snapshot_new();

	(void)state;
	assert_int_equal(csn_attributes_from_defaults(
				 snapshot, "dc=east\nhostname=x\n_tx=1\nverdict=y\n\nv=a=b\njunk",
				 "test", NULL),
			 0);
	assert_string_equal(text_of(snapshot, "dc"), "east");
	assert_string_equal(text_of(snapshot, "v"), "a=b");
	assert_null(csn_snapshot_find_attribute(snapshot, "hostname"));
	assert_null(csn_snapshot_find_attribute(snapshot, "_tx"));
	assert_null(csn_snapshot_find_attribute(snapshot, "verdict"));
	assert_int_equal(snapshot->n_annotations, 4);
	assert_string_equal(snapshot->annotations[0].name, "warning");
}

static void defaults_end_at_64_pairs(void **state)
{
	cleanup_(csn_snapshot_freep) struct csn_snapshot *snapshot = csn_snapshot_new();
	char text[2048] = "";
	size_t at = 0;

	(void)state;
	for (int i = 0; i < 80; i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at, "k%d=v\n", i);
	assert_int_equal(csn_attributes_from_defaults(snapshot, text, "test", NULL), 0);
	assert_int_equal(snapshot->n_attributes, 64);
	assert_int_equal(snapshot->n_annotations, 1);
}

static void a_note_with_an_unlimited_number_is_read(void **state)
{
	static const char note[] =
		"{\"pid\":7,\"stat\":{\"rsslim\":null},"
		"\"exe\":\"/a \\\"99999999999999999999\\\"\",\"tids\":[[1,501],[2,502]],"
		"\"age_ms\":2500}";
	cleanup_(csn_target_freep) struct csn_target *target = csn_target_new(NULL);
	cleanup_(csn_snapshot_freep) struct csn_snapshot *snapshot = csn_snapshot_new();
	cleanup_json json_t *facts = NULL;
	const char *complaint;
	uint64_t number;

	(void)state;
	target->coresnap_note = note;
	target->coresnap_note_size = strlen(note);
	assert_int_equal(csn_facts_read(target, &facts, &complaint, NULL), 0);
	assert_null(complaint);
	assert_false(csn_facts_number(facts, "stat.rsslim", &number));
	assert_string_equal(csn_facts_string(facts, "exe"), "/a \"99999999999999999999\"");
	assert_int_equal(csn_facts_host_tid(facts, 2), 502);
	assert_int_equal(csn_facts_host_tid(facts, 3), 3);
	assert_int_equal(csn_attributes_from_facts(snapshot, facts, NULL), 0);
	assert_int_equal(csn_snapshot_find_attribute(snapshot, "process.age")->uint, 2);
}

static void a_broken_note_is_told_and_left(void **state)
{
	cleanup_(csn_target_freep) struct csn_target *target = csn_target_new(NULL);
	cleanup_json json_t *facts = NULL;
	const char *complaint;

	(void)state;
	target->coresnap_note = "{\"pid\":";
	target->coresnap_note_size = 7;
	assert_int_equal(csn_facts_read(target, &facts, &complaint, NULL), 0);
	assert_non_null(complaint);
	assert_int_equal(json_object_size(facts), 0);
}

/* --- faults --- */

struct fake {
	struct csn_target *target;
	struct csn_snapshot *snapshot;
	struct csn_mapping mappings[2];
	struct csn_thread thread;
	struct csn_snapshot_frame frames[4];
	struct csn_snapshot_thread stack;
};

static size_t nothing(struct csn_target *target, csn_addr addr, void *data, size_t size)
{
	(void)target, (void)addr, (void)data, (void)size;
	return 0;
}

static const struct csn_target_ops fake_ops = { .read = nothing };

/* Code at 0x10000, a writable stack at 0x70000. */
static void fake_init(struct fake *fake, int number, int code, csn_addr address, csn_addr pc)
{
	*fake = (struct fake){ .target = csn_target_new(&fake_ops),
			       .snapshot = csn_snapshot_new() };
	fake->mappings[0] = (struct csn_mapping){ .start = 0x10000,
						  .end = 0x20000,
						  .perms_known = true,
						  .readable = true,
						  .executable = true };
	fake->mappings[1] = (struct csn_mapping){ .start = 0x7000000,
						  .end = 0x7100000,
						  .perms_known = true,
						  .readable = true,
						  .writable = true };
	fake->target->mappings = fake->mappings;
	fake->target->n_mappings = 2;
	fake->target->arch = csn_arch_native();
	fake->target->process.pid = 42;
	fake->target->signal = (struct csn_signal){ .present = true,
						    .number = number,
						    .code = code,
						    .has_address = true,
						    .address = address };
	csn_register_set(&fake->thread.registers, 16, pc);
	csn_register_set(&fake->thread.registers, 7, 0x7000100);
	fake->frames[0] = (struct csn_snapshot_frame){ .function = "work", .library = "/bin/app" };
	fake->stack.frames = fake->frames;
	fake->stack.n_frames = 1;
}

static void fake_done(struct fake *fake)
{
	csn_target_free(fake->target);
	csn_snapshot_free(fake->snapshot);
}

static bool has(const struct fake *fake, const char *classifier)
{
	for (size_t i = 0; i < fake->snapshot->n_classifiers; i++)
		if (strcmp(fake->snapshot->classifiers[i], classifier) == 0)
			return true;
	return false;
}

static void analyze(struct fake *fake)
{
	const struct csn_scene scene = { .snapshot = fake->snapshot,
					 .target = fake->target,
					 .fault_thread = &fake->thread };

	assert_int_equal(csn_fault_analyze(&scene, &fake->stack, NULL), 0);
}

static void an_access_that_nothing_proves_is_neither_read_nor_write(void **state)
{
	cleanup_(fake_done) struct fake fake;

	(void)state;
	fake_init(&fake, SIGSEGV, 1, 0x18, 0x10010);
	analyze(&fake);
	assert_true(has(&fake, "segv") && has(&fake, "null") && has(&fake, "stop"));
	assert_false(has(&fake, "read") || has(&fake, "write") || has(&fake, "exec"));
	assert_null(fake.snapshot->fault.access);
	assert_string_equal(text_of(fake.snapshot, "verdict"), "access to NULL+0x18 in work (app)");
	assert_string_equal(text_of(fake.snapshot, "fault.address"), "0x18");
}

static void a_refused_access_to_readable_memory_was_a_write(void **state)
{
	cleanup_(fake_done) struct fake fake;

	(void)state;
	fake_init(&fake, SIGSEGV, 2, 0x10800, 0x10010);
	analyze(&fake);
	assert_true(has(&fake, "write"));
	assert_string_equal(fake.snapshot->fault.access, "write");
}

static void a_stack_overflow_needs_the_stack_above_the_address(void **state)
{
	cleanup_(fake_done) struct fake near, far;

	(void)state;
	fake_init(&near, SIGSEGV, 1, 0x6fffff8, 0x10010);
	analyze(&near);
	assert_true(has(&near, "stack-overflow"));
	fake_init(&far, SIGSEGV, 1, 0x7200000, 0x10010);
	analyze(&far);
	assert_false(has(&far, "stack-overflow"));
}

static void a_signal_from_outside_proves_nothing_about_memory(void **state)
{
	cleanup_(fake_done) struct fake fake;

	(void)state;
	fake_init(&fake, SIGSEGV, 0, 0, 0x10010);
	fake.target->signal.has_address = false;
	fake.target->signal.has_sender = true;
	fake.target->signal.sender_pid = 1;
	analyze(&fake);
	assert_int_equal(fake.snapshot->n_classifiers, 2);
	assert_string_equal(text_of(fake.snapshot, "verdict"),
			    "SIGSEGV sent by kill(2) from pid 1 uid 0 in work (app)");
	assert_null(csn_snapshot_find_attribute(fake.snapshot, "fault.address"));
}

static void machinery_tells_why_and_is_not_to_blame(void **state)
{
	cleanup_(fake_done) struct fake fake;

	(void)state;
	fake_init(&fake, SIGABRT, -6, 0, 0x10010);
	fake.target->signal.has_address = false;
	fake.frames[0] =
		(struct csn_snapshot_frame){ .function = "abort", .library = "/l/libc.so.6" };
	fake.frames[1] = (struct csn_snapshot_frame){ .function = "std::terminate()",
						      .library = "/l/libstdc++.so.6" };
	fake.frames[2] = (struct csn_snapshot_frame){ .library = "/l/libstdc++.so.6" };
	fake.frames[3] =
		(struct csn_snapshot_frame){ .function = "shop::pay(int)", .library = "/bin/app" };
	fake.stack.n_frames = 4;
	analyze(&fake);
	assert_false(has(&fake, "exception"));
	assert_string_equal(text_of(fake.snapshot, "verdict"),
			    "std::terminate called in shop::pay(int) (app)");
}

static void what_throws_is_still_on_the_stack_of_an_uncaught_exception(void **state)
{
	cleanup_(fake_done) struct fake fake;

	(void)state;
	fake_init(&fake, SIGABRT, -6, 0, 0x10010);
	fake.target->signal.has_address = false;
	fake.frames[0] = (struct csn_snapshot_frame){ .function = "std::terminate()",
						      .library = "/l/libstdc++.so.6" };
	fake.frames[1] = (struct csn_snapshot_frame){ .function = "__cxa_throw",
						      .library = "/l/libstdc++.so.6" };
	fake.frames[2] = (struct csn_snapshot_frame){ .function = "shop::pay(int)",
						      .library = "/bin/app",
						      .source_path = "/s/pay.cc",
						      .line = 7 };
	fake.stack.n_frames = 3;
	analyze(&fake);
	assert_true(has(&fake, "exception"));
	assert_string_equal(text_of(fake.snapshot, "verdict"),
			    "uncaught C++ exception in shop::pay(int) (pay.cc:7)");
}

static void an_address_made_of_a_fill_pattern_is_told(void **state)
{
	cleanup_(fake_done) struct fake fake;

	(void)state;
	fake_init(&fake, SIGSEGV, SEGV_MAPERR, 0xdeadbeef + 16, 0x10010);
	analyze(&fake);
	assert_string_equal(
		text_of(fake.snapshot, "verdict"),
		"access to 0xdeadbeff, made of the fill pattern 0xdeadbeef in work (app)");
}

static void an_address_that_was_not_aligned_is_not_taken_for_null(void **state)
{
	cleanup_(fake_done) struct fake fake;

	(void)state;
	fake_init(&fake, SIGBUS, BUS_ADRALN, 0, 0x10010);
	analyze(&fake);
	assert_true(has(&fake, "alignment"));
	assert_false(has(&fake, "null"));
	assert_string_equal(text_of(fake.snapshot, "verdict"),
			    "access to an address that is not aligned in work (app)");
}

static void a_division_that_cannot_be_read_may_be_by_zero_or_too_large(void **state)
{
	cleanup_(fake_done) struct fake fake;

	(void)state;
	fake_init(&fake, SIGFPE, FPE_INTDIV, 0x10010, 0x10010);
	analyze(&fake);
	assert_string_equal(text_of(fake.snapshot, "verdict"),
			    "integer division by zero or overflow in work (app)");
}

static void last_words_are_cut_and_placed(void **state)
{
	static const struct {
		const char *text, *words, *where;
	} rows[] = {
		{ "a: b: dir/x.cc:12: void ns::f(): Assertion `a: \"b' c\"' failed.\n",
		  "failed assertion `a: \"b' c\"'", "" },
		{ "app: dir/x.cc:12: void ns::f(): Assertion `x' failed.\n", "failed assertion `x'",
		  "x.cc:12" },
		{ "x.c:3: Assertion `y", "failed assertion `y'", "" },
		{ "app: x.c:4: f: Unexpected error: No such file.\n",
		  "failed assertion: unexpected error: No such file", "x.c:4" },
		{ "free(): invalid size\n", "heap corruption detected (\"free(): invalid size\")",
		  "" },
	};

	(void)state;
	for (size_t i = 0; i < csn_countof(rows); i++) {
		struct csn_abort_words words;

		csn_abort_words_parse(rows[i].text, &words);
		assert_non_null(words.kind);
		assert_string_equal(words.text, rows[i].words);
		assert_string_equal(words.where, rows[i].where);
	}
}

static void codes_are_named_by_their_signal(void **state)
{
	(void)state;
	assert_string_equal(csn_signal_name(SIGSEGV), "SIGSEGV");
	assert_null(csn_signal_name(0));
	assert_null(csn_signal_name(64));
	assert_string_equal(csn_signal_code_name(SIGSEGV, 1), "SEGV_MAPERR");
	assert_string_equal(csn_signal_code_name(SIGBUS, 1), "BUS_ADRALN");
	assert_string_equal(csn_signal_code_name(SIGTERM, 0), "SI_USER");
	assert_null(csn_signal_code_name(SIGTERM, 1));
}

static void last_words_of_the_c_library_tell_their_kind(void **state)
{
	static const char *const rows[][2] = {
		{ "app: a.c:2: main: Assertion `free(): 1' failed.\n", "assert" },
		{ "app: a.c:2: main: Unexpected error: No such file.\n", "assert" },
		{ "*** stack smashing detected ***: terminated\n", "stack-smash" },
		{ "*** buffer overflow detected ***: terminated\n", "fortify" },
		{ "free(): double free detected in tcache 2\n", "double-free" },
		{ "double free or corruption (fasttop)\n", "double-free" },
		{ "double free or corruption (!prev)\n", "heap-corruption" },
		{ "free(): invalid pointer\n", "invalid-free" },
		{ "munmap_chunk(): invalid pointer\n", "heap-corruption" },
		{ "corrupted size vs. prev_size\n", "heap-corruption" },
		{ "Fatal glibc error: malloc assertion failure in sysmalloc: x\n",
		  "heap-corruption" },
	};

	(void)state;
	for (size_t i = 0; i < csn_countof(rows); i++) {
		const struct csn_abort_kind *kind = csn_abort_kind_find(rows[i][0]);

		assert_non_null(kind);
		assert_string_equal(kind->classifier, rows[i][1]);
	}
	assert_null(csn_abort_kind_find(""));
	assert_null(csn_abort_kind_find("Fatal glibc error: CPU lacks 256-bit vectors\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(last_words_of_the_c_library_tell_their_kind),
		cmocka_unit_test(pairs_are_split_at_commas_before_a_key),
		cmocka_unit_test(defaults_cannot_set_what_is_measured_or_reserved),
		cmocka_unit_test(defaults_end_at_64_pairs),
		cmocka_unit_test(a_note_with_an_unlimited_number_is_read),
		cmocka_unit_test(a_broken_note_is_told_and_left),
		cmocka_unit_test(an_access_that_nothing_proves_is_neither_read_nor_write),
		cmocka_unit_test(a_refused_access_to_readable_memory_was_a_write),
		cmocka_unit_test(a_stack_overflow_needs_the_stack_above_the_address),
		cmocka_unit_test(a_signal_from_outside_proves_nothing_about_memory),
		cmocka_unit_test(machinery_tells_why_and_is_not_to_blame),
		cmocka_unit_test(what_throws_is_still_on_the_stack_of_an_uncaught_exception),
		cmocka_unit_test(an_address_made_of_a_fill_pattern_is_told),
		cmocka_unit_test(an_address_that_was_not_aligned_is_not_taken_for_null),
		cmocka_unit_test(a_division_that_cannot_be_read_may_be_by_zero_or_too_large),
		cmocka_unit_test(last_words_are_cut_and_placed),
		cmocka_unit_test(codes_are_named_by_their_signal),
	};

	return cmocka_run_group_tests_name("analyze", tests, NULL, NULL);
}
