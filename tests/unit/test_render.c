/* render: stacks as text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/cleanup.h"
#include "base/limits.h"
#include "render/stack.h"

static void render(const struct csn_snapshot *snapshot, struct csn_render_options options,
		   const char *expected)
{
	cleanup_(csn_buf_done) struct csn_buf out = CSN_BUF_INIT(CSN_MIB);

	assert_int_equal(csn_render_snapshot(snapshot, &options, &out, NULL), 0);
	assert_string_equal(csn_buf_text(&out), expected);
}

static struct csn_snapshot_frame frame_at(csn_addr address, const char *function)
{
	return (struct csn_snapshot_frame){
		.has_address = true, .address = address, .function = function, .library = "/bin/app"
	};
}

static void equal_stacks_are_told_once_and_text_is_escaped(void **state)
{
	struct csn_snapshot_frame main_frames[] = { frame_at(0x10, "die\n\033[31m") };
	struct csn_snapshot_frame idle_frames[] = { frame_at(0x20, "wait(int)"),
						    frame_at(0x30, NULL) };
	struct csn_snapshot_thread threads[] = {
		{ .tid = 5, .fault = true, .frames = main_frames, .n_frames = 1 },
		{ .tid = 6, .name = "a\tb", .frames = idle_frames, .n_frames = 2 },
		{ .tid = 7, .frames = idle_frames, .n_frames = 2, .unwind_end = "outermost frame" },
	};
	cleanup_(csn_snapshot_freep) struct csn_snapshot *snapshot = csn_snapshot_new();

	(void)state;
	snapshot->threads = threads;
	snapshot->n_threads = 3;
	assert_int_equal(csn_snapshot_set_string(snapshot, "application", "app\r", NULL), 0);
	render(snapshot, (struct csn_render_options){ 0 },
	       "app\\x0d\n"
	       "\nThread 5 faulted:\n"
	       "#0   0x0000000000000010 in die\\x0a\\x1b[31m () from /bin/app\n"
	       "\nThreads 6 \"a\\x09b\", 7 (2 threads):\n"
	       "#0   0x0000000000000020 in wait(int) from /bin/app\n"
	       "#1   0x0000000000000030 in ?? () from /bin/app\n");
	render(snapshot, (struct csn_render_options){ .faulted = true, .colour = true },
	       "\033[1mapp\\x0d\033[m\n"
	       "\n\033[1;31mThread 5 faulted:\033[m\n"
	       "#0   \033[2m0x0000000000000010\033[m in \033[33mdie\\x0a\\x1b[31m\033[m () from "
	       "/bin/app\n");
}

static void runs_of_one_call_are_folded_and_ends_explained(void **state)
{
	struct csn_snapshot_frame frames[12];
	struct csn_snapshot_thread thread = { .tid = 5,
					      .fault = true,
					      .frames = frames,
					      .n_frames = 12,
					      .frames_left_out = 100,
					      .unwind_end = "stack memory 0x10 is not mapped" };
	cleanup_(csn_snapshot_freep) struct csn_snapshot *snapshot = csn_snapshot_new();

	(void)state;
	for (size_t i = 0; i < 12; i++)
		frames[i] = frame_at(0x40, "again");
	frames[11] = frame_at(0x50, "main");
	snapshot->threads = &thread;
	snapshot->n_threads = 1;
	render(snapshot, (struct csn_render_options){ 0 },
	       "process\n"
	       "\nThread 5 faulted:\n"
	       "#0   0x0000000000000040 in again () from /bin/app\n"
	       "     ... 10 more frames of the same call\n"
	       "#11  0x0000000000000050 in main () from /bin/app\n"
	       "     (100 frames between were left out; --depth=0 keeps all)\n"
	       "     (stack ends: stack memory 0x10 is not mapped)\n");
}

static void runs_of_calls_with_inlined_functions_are_folded_too(void **state)
{
	struct csn_snapshot_frame frames[13];
	struct csn_snapshot_thread thread = { .tid = 5, .frames = frames, .n_frames = 13 };
	cleanup_(csn_snapshot_freep) struct csn_snapshot *snapshot = csn_snapshot_new();

	(void)state;
	for (size_t i = 0; i < 12; i += 2) {
		frames[i] = frame_at(0x40, "ns::(anonymous namespace)::inner");
		frames[i].inlined = true;
		frames[i + 1] = frame_at(0x40, "again<int(int)>::operator()");
	}
	frames[12] = frame_at(0x50, "operator()(int)");
	snapshot->threads = &thread;
	snapshot->n_threads = 1;
	render(snapshot, (struct csn_render_options){ 0 },
	       "process\n"
	       "\nThread 5:\n"
	       "#0   ns::(anonymous namespace)::inner () from /bin/app\n"
	       "#1   0x0000000000000040 in again<int(int)>::operator() () from /bin/app\n"
	       "     ... 10 more frames of the same call\n"
	       "#12  0x0000000000000050 in operator()(int) from /bin/app\n");
}

static void functions_that_call_each_other_are_folded_as_one_recursion(void **state)
{
	struct csn_snapshot_frame frames[14];
	struct csn_snapshot_thread thread = { .tid = 5, .frames = frames, .n_frames = 14 };
	cleanup_(csn_snapshot_freep) struct csn_snapshot *snapshot = csn_snapshot_new();

	(void)state;
	frames[0] = frame_at(0x30, "leaf");
	for (size_t i = 1; i < 13; i += 2) {
		frames[i] = frame_at(0x40, "even");
		frames[i + 1] = frame_at(0x50, "odd");
	}
	frames[13] = frame_at(0x60, "main");
	snapshot->threads = &thread;
	snapshot->n_threads = 1;
	render(snapshot, (struct csn_render_options){ 0 },
	       "process\n"
	       "\nThread 5:\n"
	       "#0   0x0000000000000030 in leaf () from /bin/app\n"
	       "#1   0x0000000000000040 in even () from /bin/app\n"
	       "#2   0x0000000000000050 in odd () from /bin/app\n"
	       "     ... 10 more frames of the same 2 calls\n"
	       "#13  0x0000000000000060 in main () from /bin/app\n");
}

static void the_raw_stack_is_shown_with_its_code_named(void **state)
{
	static const uint64_t words[] = { 0x4141414141414141, 0x4141414141414141, 0x401136, 7 };
	struct csn_snapshot_code_word code = { 16, "main", 22, "/bin/app" };
	struct csn_snapshot_frame frames[] = { frame_at(0x40, "vuln") };
	struct csn_snapshot_thread thread = { .tid = 5,
					      .frames = frames,
					      .n_frames = 1,
					      .raw_stack = { .address = 0x7ff0,
							     .word_bytes = 8,
							     .bytes = (const uint8_t *)words,
							     .size_bytes = sizeof(words),
							     .code = &code,
							     .n_code = 1 } };
	cleanup_(csn_snapshot_freep) struct csn_snapshot *snapshot = csn_snapshot_new();

	(void)state;
	snapshot->threads = &thread;
	snapshot->n_threads = 1;
	render(snapshot, (struct csn_render_options){ .verbose = true },
	       "process\n"
	       "\nThread 5:\n"
	       "#0   0x0000000000000040 in vuln () from /bin/app\n"
	       "     raw stack from there on:\n"
	       "      0x0000000000007ff0: 0x4141414141414141  (2 times)\n"
	       "      0x0000000000008000: 0x0000000000401136  main+22 in /bin/app\n"
	       "      0x0000000000008008: 0x0000000000000007\n");
	render(snapshot, (struct csn_render_options){ 0 },
	       "process\n"
	       "\nThread 5:\n"
	       "#0   0x0000000000000040 in vuln () from /bin/app\n");
}

static void sources_signals_and_inlined_frames_have_their_place(void **state)
{
	struct csn_snapshot_frame frames[] = { frame_at(0x40, "inner"),
					       frame_at(0x40, "outer"),
					       { .has_address = true, .signal_frame = true } };
	struct csn_snapshot_thread thread = { .tid = 5, .frames = frames, .n_frames = 3 };
	cleanup_(csn_snapshot_freep) struct csn_snapshot *snapshot = csn_snapshot_new();

	(void)state;
	frames[0].inlined = true;
	frames[0].source_path = "a.c";
	frames[0].line = 7;
	snapshot->threads = &thread;
	snapshot->n_threads = 1;
	render(snapshot, (struct csn_render_options){ 0 },
	       "process\n\nThread 5:\n"
	       "#0   inner () at a.c:7\n"
	       "#1   0x0000000000000040 in outer () from /bin/app\n"
	       "#2   <signal handler called>\n");
	render(snapshot, (struct csn_render_options){ .no_source = true },
	       "process\n\nThread 5:\n"
	       "#0   inner () from /bin/app\n"
	       "#1   0x0000000000000040 in outer () from /bin/app\n"
	       "#2   <signal handler called>\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equal_stacks_are_told_once_and_text_is_escaped),
		cmocka_unit_test(runs_of_one_call_are_folded_and_ends_explained),
		cmocka_unit_test(runs_of_calls_with_inlined_functions_are_folded_too),
		cmocka_unit_test(functions_that_call_each_other_are_folded_as_one_recursion),
		cmocka_unit_test(the_raw_stack_is_shown_with_its_code_named),
		cmocka_unit_test(sources_signals_and_inlined_frames_have_their_place),
	};

	return cmocka_run_group_tests_name("render", tests, NULL, NULL);
}
