/* group: which stacks share a key, which do not, and what is explained. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/limits.h"
#include "group/group.h"
#include "snapshot/snapshot.h"

#define FRAMES_MAX 64

/* A snapshot of one faulting thread; frames as "name" or "name@module", NULL ends. "?" has no
 * name; "~name" is a tail call. */
struct fixture {
	struct csn_arena *arena;
	struct csn_snapshot snapshot;
	struct csn_snapshot_thread thread;
	struct csn_snapshot_frame frames[FRAMES_MAX];
	struct csn_group group;
};

static void group_stack(struct fixture *fixture, const char *signal, const char *const *names)
{
	struct csn_error err = CSN_ERROR_INIT;
	size_t n = 0;

	memset(fixture, 0, sizeof(*fixture));
	fixture->arena = csn_arena_new(16 * CSN_MIB);
	for (; names[n]; n++) {
		char *name = csn_arena_strdup(fixture->arena, names[n]);
		char *at = strchr(name, '@');

		fixture->frames[n].kind = *name == '~' ? CSN_FRAME_TAIL : CSN_FRAME_CFI;
		name += *name == '~';
		if (at)
			*at = '\0';
		fixture->frames[n].function = strcmp(name, "?") == 0 ? NULL : name;
		fixture->frames[n].library = at ? at + 1 : NULL;
	}
	fixture->thread = (struct csn_snapshot_thread){
		.tid = 42, .fault = true, .frames = fixture->frames, .n_frames = n
	};
	fixture->snapshot.threads = &fixture->thread;
	fixture->snapshot.n_threads = 1;
	fixture->snapshot.fault.present = signal != NULL;
	fixture->snapshot.fault.signal_name = signal;
	assert_int_equal(csn_group_snapshot(fixture->arena, &fixture->snapshot, NULL,
					    &fixture->group, &err),
			 0);
}

static void done(struct fixture *fixture)
{
	csn_arena_free(fixture->arena);
}

static void assert_tokens(const char *signal, const char *const *names, const char *expected)
{
	struct fixture fixture;
	struct csn_buf text = CSN_BUF_INIT(CSN_MIB);

	group_stack(&fixture, signal, names);
	for (size_t i = 0; i < fixture.group.n_tokens; i++)
		csn_buf_printf(&text, "%s%s", i ? "|" : "", fixture.group.tokens[i]);
	assert_string_equal(csn_buf_text(&text), expected);
	csn_buf_done(&text);
	done(&fixture);
}

static bool same_key(const char *signal_a, const char *const *a, const char *signal_b,
		     const char *const *b)
{
	struct fixture one, two;
	bool same;

	group_stack(&one, signal_a, a);
	group_stack(&two, signal_b, b);
	same = strcmp(one.group.fingerprint, two.group.fingerprint) == 0;
	done(&one);
	done(&two);
	return same;
}

#define STACK(...) \
	(const char *const[]) \
	{ \
		__VA_ARGS__, NULL \
	}

static void abort_path_and_start_up_are_dropped(void **state)
{
	(void)state;
	assert_tokens("SIGABRT",
		      STACK("__pthread_kill_implementation@libc.so.6", "raise@libc.so.6",
			    "abort@libc.so.6", "__assert_fail_base.cold@libc.so.6",
			    "__assert_fail@libc.so.6", "check(int)", "run()", "main",
			    "__libc_start_call_main@libc.so.6", "__libc_start_main_impl@libc.so.6",
			    "_start"),
		      "check|run|main");
	assert_tokens("SIGABRT",
		      STACK("raise", "abort", "__gnu_cxx::__verbose_terminate_handler()",
			    "__cxxabiv1::__terminate(void (*)())", "std::terminate()",
			    "__cxa_throw", "std::__throw_out_of_range_fmt(char const*, ...)",
			    "std::vector<int>::at(unsigned long)", "f()", "main", "_start"),
		      "std::vector::at|f|main");
	/* Local functions of stripped runtime libraries go with their neighbours. */
	assert_tokens("SIGABRT",
		      STACK("raise", "abort", "?@/lib/libstdc++.so.6", "std::terminate()",
			    "?@/lib/libstdc++.so.6", "f()", "main", "?@/lib/libc.so.6", "_start"),
		      "f|main");
	assert_tokens("SIGABRT",
		      STACK("raise", "abort", "my_terminate()", "std::terminate()", "f()", "main"),
		      "f|main");
}

static void an_abort_wrapper_below_the_fault_stays(void **state)
{
	(void)state;
	assert_tokens("SIGABRT", STACK("raise", "abort", "die(char const*)", "f()", "main"),
		      "die|f|main");
	assert_tokens("SIGSEGV", STACK("inner", "abort_handler", "f", "main"),
		      "inner|abort_handler|f|main");
}

static void a_handler_that_raises_again_is_dropped(void **state)
{
	(void)state;
	assert_tokens("SIGABRT",
		      STACK("raise@libc.so.6", "crash_handler", "__restore_rt@libc.so.6", "bug",
			    "main"),
		      "bug|main");
	assert_tokens("SIGSEGV",
		      STACK("handler_bug", "crash_handler", "__restore_rt@libc.so.6", "bug",
			    "main"),
		      "handler_bug|crash_handler|bug|main");
}

static void runs_of_the_library_are_the_function_that_was_called(void **state)
{
	(void)state;
	assert_tokens("SIGSEGV",
		      STACK("__strlen_avx2@libc.so.6", "__vfprintf_internal@libc.so.6",
			    "__printf_chk@libc.so.6", "show", "main"),
		      "printf|show|main");
	assert_tokens("SIGSEGV",
		      STACK("unlink_chunk@libc.so.6", "_int_free@libc.so.6",
			    "__libc_free@libc.so.6", "drop", "main"),
		      "free|drop|main");
}

static void recursion_up_to_period_four_is_one_turn(void **state)
{
	(void)state;
	assert_tokens("SIGSEGV", STACK("leaf", "r", "r", "r", "r", "main"), "leaf|r|main");
	assert_tokens("SIGSEGV", STACK("a", "b", "a", "b", "a", "b", "main"), "a|b|main");
	assert_tokens("SIGSEGV", STACK("a", "b", "c", "a", "b", "c", "main"), "a|b|c|main");
	assert_tokens("SIGSEGV", STACK("a", "b", "c", "d", "a", "b", "c", "d", "main"),
		      "a|b|c|d|main");
	assert_tokens("SIGSEGV", STACK("a", "b", "c", "d", "e", "a", "b", "c", "d", "e", "main"),
		      "a|b|c|d|e|a|b|c|d|e|main");
}

static void one_bug_of_two_compilers_is_one_group(void **state)
{
	(void)state;
	/* gcc: a segv; clang: a trap instruction; clones, templates and inlines differ. */
	assert_true(same_key("SIGSEGV",
			     STACK("store.isra.0", "walk.part.0", "walk.part.0", "handle<int>(int)",
				   "dispatch(void (*)(int))", "main",
				   "__libc_start_call_main@libc.so.6"),
			     "SIGILL",
			     STACK("store", "walk", "void handle<int>(int)",
				   "dispatch(void (*)(int))", "main", "_start")));
	assert_true(same_key("SIGSEGV",
			     STACK("main::{lambda(int)#1}::operator()(int) const", "main"),
			     "SIGBUS", STACK("main::$_0::operator()(int) const", "main")));
}

static void tail_calls_are_frames_but_those_of_libraries(void **state)
{
	(void)state;
	/* Without optimisation they are ordinary ones. */
	assert_true(same_key("SIGSEGV", STACK("f", "~g", "~h", "main"), "SIGSEGV",
			     STACK("f", "g", "h", "main")));
	assert_false(same_key("SIGSEGV", STACK("f", "~g", "main"), "SIGSEGV", STACK("f", "main")));
	/* Who has no debug information of the C library sees none of its. */
	assert_tokens("SIGSEGV",
		      STACK("compare", "__qsort_r@libc.so.6", "~qsort@libc.so.6", "sort", "main"),
		      "compare|qsort_r|sort|main");
	assert_tokens("SIGABRT",
		      STACK("__pthread_kill_implementation@libc.so.6",
			    "~__pthread_kill_internal@libc.so.6", "raise@libc.so.6",
			    "abort@libc.so.6", "~fail", "main"),
		      "fail|main");
	/* One function as both, in a recursion. */
	assert_tokens("SIGSEGV", STACK("leaf", "~malloc", "malloc", "main"), "leaf|malloc|main");
}

static void two_bugs_with_a_common_leaf_are_two_groups(void **state)
{
	(void)state;
	assert_false(same_key("SIGSEGV", STACK("store", "loop", "parse", "main"), "SIGSEGV",
			      STACK("store", "loop", "render", "main")));
	assert_false(same_key("SIGSEGV", STACK("f", "main"), "SIGABRT", STACK("f", "main")));
}

static void only_five_tokens_are_hashed(void **state)
{
	(void)state;
	assert_true(same_key("SIGSEGV", STACK("a", "b", "c", "d", "e", "f", "main"), "SIGSEGV",
			     STACK("a", "b", "c", "d", "e", "other", "main")));
	assert_false(same_key("SIGSEGV", STACK("a", "b", "c", "d", "e"), "SIGSEGV",
			      STACK("a", "b", "c", "d", "x")));
}

static void without_names_modules_are_used_and_confidence_is_low(void **state)
{
	struct fixture fixture;

	(void)state;
	group_stack(&fixture, "SIGSEGV",
		    STACK("?@/usr/lib/libfoo.so.1.2", "?@/usr/lib/libfoo.so.1.2", "?@/usr/bin/app",
			  "_start@/usr/bin/app"));
	assert_true(fixture.group.low_confidence);
	assert_int_equal(fixture.group.n_tokens, 2);
	assert_string_equal(fixture.group.tokens[0], "[libfoo.so]");
	assert_string_equal(fixture.group.tokens[1], "[app]");
	done(&fixture);
	assert_true(same_key("SIGSEGV", STACK("?@/usr/lib/libfoo.so.1.2", "?@/bin/app"), "SIGSEGV",
			     STACK("?@/opt/lib/libfoo.so.1.3", "?@/bin/app")));
	group_stack(&fixture, "SIGSEGV", STACK("f", "main"));
	assert_false(fixture.group.low_confidence);
	done(&fixture);
}

static void one_name_in_two_programs_is_two_groups(void **state)
{
	(void)state;
	assert_false(same_key("SIGSEGV", STACK("smash@/bin/a"), "SIGSEGV", STACK("smash@/bin/b")));
	assert_true(same_key("SIGSEGV", STACK("f@/bin/a", "main@/bin/a"), "SIGSEGV",
			     STACK("f@/bin/b", "main@/bin/b")));
}

static void names_of_managed_languages_are_kept(void **state)
{
	struct fixture fixture;
	struct csn_error err = CSN_ERROR_INIT;

	(void)state;
	group_stack(&fixture, NULL, STACK("Object.<anonymous>", "Module._compile"));
	fixture.snapshot.lang = "nodejs";
	assert_int_equal(csn_group_snapshot(fixture.arena, &fixture.snapshot, NULL, &fixture.group,
					    &err),
			 0);
	assert_string_equal(fixture.group.tokens[0], "Object.<anonymous>");
	assert_string_equal(fixture.group.family, "other");
	done(&fixture);
}

static void the_documents_own_fingerprint_is_honoured(void **state)
{
	static const char own[] =
		"00112233445566778899AABBCCDDEEFF00112233445566778899aabbccddeeff";
	struct fixture fixture;
	struct csn_error err = CSN_ERROR_INIT;

	(void)state;
	group_stack(&fixture, "SIGSEGV", STACK("f", "main"));
	fixture.snapshot.fingerprint = own;
	assert_int_equal(csn_group_snapshot(fixture.arena, &fixture.snapshot, NULL, &fixture.group,
					    &err),
			 0);
	assert_true(fixture.group.given);
	assert_string_equal(fixture.group.fingerprint,
			    "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff");
	fixture.snapshot.fingerprint = "not a fingerprint";
	assert_int_equal(csn_group_snapshot(fixture.arena, &fixture.snapshot, NULL, &fixture.group,
					    &err),
			 0);
	assert_false(fixture.group.given);
	done(&fixture);
}

static void the_component_separates_projects_parts(void **state)
{
	struct fixture fixture;
	struct csn_error err = CSN_ERROR_INIT;
	char before[CSN_SHA256_TEXT];

	(void)state;
	group_stack(&fixture, "SIGSEGV", STACK("f", "main"));
	memcpy(before, fixture.group.fingerprint, sizeof(before));
	assert_int_equal(csn_group_snapshot(fixture.arena, &fixture.snapshot, "server",
					    &fixture.group, &err),
			 0);
	assert_string_not_equal(before, fixture.group.fingerprint);
	done(&fixture);
}

static void a_document_without_threads_still_has_a_key(void **state)
{
	struct csn_snapshot snapshot = { 0 };
	struct csn_arena *arena = csn_arena_new(CSN_MIB);
	struct csn_error err = CSN_ERROR_INIT;
	struct csn_group group;

	(void)state;
	assert_int_equal(csn_group_snapshot(arena, &snapshot, NULL, &group, &err), 0);
	assert_int_equal(strlen(group.fingerprint), 64);
	assert_true(group.low_confidence);
	assert_null(group.thread);
	csn_arena_free(arena);
}

static void every_frame_is_explained(void **state)
{
	struct fixture fixture;
	struct csn_buf text = CSN_BUF_INIT(CSN_MIB);
	struct csn_json json = csn_json_to(&text);

	(void)state;
	group_stack(&fixture, "SIGABRT",
		    STACK("raise@libc.so.6", "f<int>(int)", "r", "r", "main", "_start"));
	csn_group_explain(&fixture.group, &json);
	assert_non_null(strstr(csn_buf_text(&text), "\"version\":\"g1\""));
	assert_non_null(strstr(csn_buf_text(&text),
			       "{\"function\":\"f<int>(int)\",\"module\":null,\"role\":\"app\","
			       "\"token\":\"f\",\"rewrites\":\"arguments, templates\","
			       "\"rule\":\"kept\",\"kept\":true,\"keyed\":true}"));
	assert_non_null(strstr(csn_buf_text(&text), "\"rule\":\"recursion\""));
	assert_non_null(strstr(csn_buf_text(&text), "\"rule\":\"runtime start\""));
	csn_buf_clear(&text);
	csn_group_write_callstack(&fixture.group, &text);
	assert_string_equal(csn_buf_text(&text), "{\"frame\":[\"f\",\"r\",\"main\"]}");
	csn_buf_clear(&text);
	csn_group_write_raw_callstack(&fixture.group, &text);
	assert_string_equal(csn_buf_text(&text), "{\"frame\":[\"raise\",\"f<int>(int)\",\"r\","
						 "\"r\",\"main\",\"_start\"]}");
	csn_buf_done(&text);
	done(&fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(abort_path_and_start_up_are_dropped),
		cmocka_unit_test(an_abort_wrapper_below_the_fault_stays),
		cmocka_unit_test(a_handler_that_raises_again_is_dropped),
		cmocka_unit_test(runs_of_the_library_are_the_function_that_was_called),
		cmocka_unit_test(recursion_up_to_period_four_is_one_turn),
		cmocka_unit_test(one_bug_of_two_compilers_is_one_group),
		cmocka_unit_test(tail_calls_are_frames_but_those_of_libraries),
		cmocka_unit_test(two_bugs_with_a_common_leaf_are_two_groups),
		cmocka_unit_test(only_five_tokens_are_hashed),
		cmocka_unit_test(without_names_modules_are_used_and_confidence_is_low),
		cmocka_unit_test(one_name_in_two_programs_is_two_groups),
		cmocka_unit_test(names_of_managed_languages_are_kept),
		cmocka_unit_test(the_documents_own_fingerprint_is_honoured),
		cmocka_unit_test(the_component_separates_projects_parts),
		cmocka_unit_test(a_document_without_threads_still_has_a_key),
		cmocka_unit_test(every_frame_is_explained),
	};

	return cmocka_run_group_tests_name("group", tests, NULL, NULL);
}
