#include "analyze/tellers.h"

#include <string.h>

/* The machinery of a failure stands within this many frames of the fault. */
#define CSN_TELLING_FRAMES 32u

/* Most telling first. An exception is uncaught when what throws it is still on the stack: before a
 * handler or a clean-up runs, its frames are gone. */
static const struct csn_teller csn_tellers[] = {
	{ "__assert_fail", "assert", "failed assertion" },
	{ "__assert_fail_base", "assert", "failed assertion" },
	{ "__assert_perror_fail", "assert", "failed assertion" },
	{ "__assert", "assert", "failed assertion" },
	{ "std::__glibcxx_assert_fail", "assert", "failed assertion" },
	{ "std::__replacement_assert", "assert", "failed assertion" },
	{ "g_assertion_message", "assert", "failed assertion" },
	{ "__stack_chk_fail", "stack-smash", "stack smashing detected" },
	{ "__fortify_fail", "fortify", "buffer overflow detected" },
	{ "__chk_fail", "fortify", "buffer overflow detected" },
	{ "malloc_printerr", "heap-corruption", "heap corruption detected" },
	{ "__cxa_pure_virtual", NULL, "pure virtual function called" },
	{ "__cxa_deleted_virtual", NULL, "deleted virtual function called" },
	{ "__cxa_throw_bad_array_new_length", "exception", "uncaught std::bad_array_new_length" },
	{ "std::__throw_bad_alloc", "exception", "uncaught std::bad_alloc" },
	{ "__cxa_throw", "exception", "uncaught C++ exception" },
	{ "__cxa_rethrow", "exception", "uncaught C++ exception" },
	{ "std::rethrow_exception", "exception", "uncaught C++ exception" },
	{ "__cxa_call_terminate", "exception", "uncaught C++ exception" },
	{ "__clang_call_terminate", "exception", "uncaught C++ exception" },
	{ "std::terminate", NULL, "std::terminate called" },
	{ "core::panicking::panic_bounds_check", "panic", "Rust panic: index out of bounds" },
	{ "core::slice::index::slice_start_index_len_fail", "panic",
	  "Rust panic: slice out of range" },
	{ "core::slice::index::slice_end_index_len_fail", "panic",
	  "Rust panic: slice out of range" },
	{ "core::slice::index::slice_index_order_fail", "panic", "Rust panic: slice out of range" },
	{ "core::option::unwrap_failed", "panic", "Rust panic: unwrap of None" },
	{ "core::option::Option<T>::unwrap", "panic", "Rust panic: unwrap of None" },
	{ "core::option::expect_failed", "panic", "Rust panic: expect of None" },
	{ "core::result::unwrap_failed", "panic", "Rust panic: unwrap of an error" },
	{ "core::cell::panic_already_borrowed", "panic", "Rust panic: already borrowed" },
	{ "core::panicking::panic_const::panic_const_div_by_zero", "panic",
	  "Rust panic: division by zero" },
	{ "core::panicking::panic_const::panic_const_rem_by_zero", "panic",
	  "Rust panic: division by zero" },
	{ "core::panicking::panic_const::panic_const_*", "panic",
	  "Rust panic: arithmetic overflow" },
	{ "alloc::alloc::handle_alloc_error", "panic", "Rust: out of memory" },
	{ "rust_panic", "panic", "Rust panic" },
	{ "rust_begin_unwind", "panic", "Rust panic" },
	{ "core::panicking::*", "panic", "Rust panic" },
	{ "std::panicking::rust_panic_with_hook", "panic", "Rust panic" },
	{ "runtime.panicmem", "panic", "Go panic: invalid memory address or nil dereference" },
	{ "runtime.panicmemAddr", "panic", "Go panic: invalid memory address" },
	{ "runtime.panicdivide", "panic", "Go panic: division by zero" },
	{ "runtime.goPanicIndex", "panic", "Go panic: index out of range" },
	{ "runtime.goPanicIndexU", "panic", "Go panic: index out of range" },
	{ "runtime.goPanicSlice*", "panic", "Go panic: slice bounds out of range" },
	{ "runtime.panicshift", "panic", "Go panic: negative shift amount" },
	{ "runtime.panicdottypeE", "panic", "Go panic: failed type assertion" },
	{ "runtime.panicdottypeI", "panic", "Go panic: failed type assertion" },
	{ "runtime.panicnildottype", "panic", "Go panic: failed type assertion" },
	{ "runtime.gopanic", "panic", "Go panic" },
	{ "runtime.fatalpanic", "panic", "Go panic" },
	{ "runtime.fatalthrow", NULL, "fatal error of the Go run time" },
	{ "runtime.throw", NULL, "fatal error of the Go run time" },
	{ "runtime.fatal", NULL, "fatal error of the Go run time" },
};

/* Frames that only carry a failure out; the one behind them is to blame. */
static const char *const csn_carriers[] = {
	"raise",
	"gsignal",
	"abort",
	"kill",
	"__pthread_kill",
	"pthread_kill",
	"__libc_message",
	"__GI_",
	"__abort",
	"__fortify_fail",
	"__chk_fail",
	"malloc_printerr",
	"_int_free",
	"_int_malloc",
	"std::terminate",
	"std::panicking::",
	"std::sys_common::",
	"std::sys::",
	"core::panicking::",
	"core::result::unwrap_failed",
	"core::option::",
	"core::ops::",
	"rust_",
	"__rust",
	"__cxa_",
	"__cxxabiv1::",
	"__gnu_cxx::",
	"__assert",
	"__stack_chk_fail",
	"__restore_rt",
	"__kernel_vsyscall",
	"runtime.",
	"std::process::abort",
	"std::alloc::",
	"panic_abort::",
	"free",
	"cfree",
	"realloc",
	"malloc",
	"__GI_raise",
	"std::__glibcxx_assert_fail",
};

/* The same once the failure has its name: libraries of the languages. */
static const char *const csn_explained_carriers[] = {
	"std::",
	"core::",
	"alloc::",
	"<core::",
	"<alloc::",
	"<std::",
	"__clang_call_terminate",
	"sync.fatal",
	"sync.throw",
};

static const char *const csn_run_time_objects[] = { "libc.so",     "libc-",  "libstdc++.so",
						    "libgcc_s.so", "libc++", "libpthread" };

/* Length of a function's name without arguments ("std::terminate()", "f(int) const"). */
static size_t csn_base_length(const char *name)
{
	return strcspn(name, "(<@");
}

static bool csn_name_tells(const char *name, const char *wanted)
{
	size_t length = strlen(wanted);

	if (wanted[length - 1] == '*')
		return strncmp(name, wanted, length - 1) == 0;
	/* Inlined functions of generic types are named with their parameters. */
	if (strchr(wanted, '<'))
		return strcmp(name, wanted) == 0;
	return csn_base_length(name) == length && strncmp(name, wanted, length) == 0;
}

const struct csn_teller *csn_teller_find(const struct csn_snapshot_thread *stack)
{
	size_t n = csn_min_u64(stack->n_frames, CSN_TELLING_FRAMES);

	for (size_t row = 0; row < csn_countof(csn_tellers); row++) {
		for (size_t i = 0; i < n; i++) {
			const struct csn_snapshot_frame *frame = &stack->frames[i];
			const char *name = frame->function;

			/* Behind a signal handler other code speaks, but for the run time of Go,
			 * which sends itself the signal twice. */
			if (frame->signal_frame &&
			    (i + 1 == n || !stack->frames[i + 1].function ||
			     strcmp(stack->frames[i + 1].function, "runtime.raise") != 0))
				break;
			if (name && csn_name_tells(name, csn_tellers[row].function))
				return &csn_tellers[row];
		}
	}
	return NULL;
}

static bool csn_begins_with_any(const char *text, const char *const *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strncmp(text, list[i], strlen(list[i])) == 0)
			return true;
	return false;
}

static bool csn_is_carrier(const char *name, bool explained)
{
	size_t length = csn_base_length(name);

	if (explained &&
	    csn_begins_with_any(name, csn_explained_carriers, csn_countof(csn_explained_carriers)))
		return true;
	for (size_t i = 0; i < csn_countof(csn_carriers); i++) {
		size_t size = strlen(csn_carriers[i]);
		bool prefix = strchr("_:.", csn_carriers[i][size - 1]) != NULL;

		if (strncmp(name, csn_carriers[i], size) == 0 &&
		    (prefix || length == size || strncmp(name, "__", 2) == 0))
			return true;
	}
	return false;
}

bool csn_frame_is_run_time(const struct csn_snapshot_frame *frame)
{
	const char *slash = frame->library ? strrchr(frame->library, '/') : NULL;

	return slash && csn_begins_with_any(slash + 1, csn_run_time_objects,
					    csn_countof(csn_run_time_objects));
}

bool csn_frame_is_wrapper(const struct csn_snapshot_frame *frame)
{
	const char *path = frame->source_path;

	return frame->inlined && path && strncmp(path, "/usr/include/", 13) == 0 &&
	       strstr(path, "/bits/") && !strstr(path, "/c++/");
}

const struct csn_snapshot_frame *csn_teller_frame_to_blame(const struct csn_snapshot_thread *stack,
							   size_t first, bool explained)
{
	for (size_t i = first; i < stack->n_frames; i++) {
		const struct csn_snapshot_frame *frame = &stack->frames[i];

		/* Code of the language's run time: without a symbol, or any of it once the failure
		 * has its name, because debug files of the distribution name inner functions that
		 * no list can know. */
		if (frame->signal_frame || csn_frame_is_wrapper(frame) ||
		    ((!frame->function || explained) && csn_frame_is_run_time(frame)) ||
		    (frame->function && csn_is_carrier(frame->function, explained)))
			continue;
		if (frame->function || frame->library)
			return frame;
	}
	return NULL;
}

const struct csn_snapshot_frame *csn_teller_caller(const struct csn_snapshot_thread *stack,
						   const struct csn_snapshot_frame *frame)
{
	if (!csn_frame_is_run_time(frame))
		return NULL;
	for (size_t i = (size_t)(frame - stack->frames); i < stack->n_frames; i++) {
		if (stack->frames[i].signal_frame)
			return NULL;
		if (!csn_frame_is_run_time(&stack->frames[i]) &&
		    !csn_frame_is_wrapper(&stack->frames[i]))
			return stack->frames[i].function ? &stack->frames[i] : NULL;
	}
	return NULL;
}
