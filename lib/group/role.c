#include "group/role.h"

#include <string.h>

static const char *const role_names[] = {
	[CSN_ROLE_UNKNOWN] = "unknown",       [CSN_ROLE_APP] = "app",
	[CSN_ROLE_TRAMPOLINE] = "trampoline", [CSN_ROLE_SIGNAL] = "signal trampoline",
	[CSN_ROLE_ABORT] = "abort path",      [CSN_ROLE_ALLOCATOR] = "allocator",
	[CSN_ROLE_LEAF] = "libc leaf",        [CSN_ROLE_START] = "runtime start",
	[CSN_ROLE_DISPATCH] = "dispatch",
};

/* A name ending in '*' is a prefix. The first row that matches wins, so narrow rows stand before
 * wide ones. Names are as the symbol tables have them or canonical. */
struct row {
	const char *name;
	enum csn_frame_role role;
};

static const struct row rows[] = {
	/* Signal trampolines. */
	{ "<signal handler called>", CSN_ROLE_SIGNAL },
	{ "__restore_rt", CSN_ROLE_SIGNAL },
	{ "restore_rt", CSN_ROLE_SIGNAL },
	{ "__restore", CSN_ROLE_SIGNAL },
	{ "__kernel_rt_sigreturn", CSN_ROLE_SIGNAL },
	{ "_sigtramp", CSN_ROLE_SIGNAL },

	/* Where threads and programs begin. */
	{ "_start", CSN_ROLE_START },
	{ "__libc_start_main*", CSN_ROLE_START },
	{ "__libc_start_call_main", CSN_ROLE_START },
	{ "__libc_csu_init", CSN_ROLE_START },
	{ "generic_start_main*", CSN_ROLE_START },
	{ "start_thread", CSN_ROLE_START },
	{ "__clone", CSN_ROLE_START },
	{ "__clone3", CSN_ROLE_START },
	{ "clone", CSN_ROLE_START },
	{ "clone3", CSN_ROLE_START },
	{ "__clone_internal", CSN_ROLE_START },
	{ "_dl_start", CSN_ROLE_START },
	{ "_dl_start_user", CSN_ROLE_START },
	{ "execute_native_thread_routine*", CSN_ROLE_START },
	{ "g_thread_proxy", CSN_ROLE_START },
	{ "std::rt::lang_start*", CSN_ROLE_START },
	{ "std::sys_common::backtrace::__rust_begin_short_backtrace", CSN_ROLE_START },
	{ "std::sys::backtrace::__rust_begin_short_backtrace", CSN_ROLE_START },
	{ "std::sys::unix::thread::Thread::new::thread_start", CSN_ROLE_START },
	{ "std::sys::pal::unix::thread::Thread::new::thread_start", CSN_ROLE_START },
	{ "std::panicking::try*", CSN_ROLE_START },
	{ "std::panicking::catch_unwind*", CSN_ROLE_START },
	{ "std::panic::catch_unwind*", CSN_ROLE_START },
	{ "__rust_try", CSN_ROLE_START },
	{ "runtime.goexit*", CSN_ROLE_START },
	{ "runtime.main", CSN_ROLE_START },
	{ "runtime.mstart*", CSN_ROLE_START },
	{ "runtime.rt0_go*", CSN_ROLE_START },
	{ "_rt0_amd64*", CSN_ROLE_START },

	/* From "this is wrong" to the signal: C. */
	{ "raise", CSN_ROLE_ABORT },
	{ "__raise", CSN_ROLE_ABORT },
	{ "gsignal", CSN_ROLE_ABORT },
	{ "abort", CSN_ROLE_ABORT },
	{ "__abort", CSN_ROLE_ABORT },
	{ "abort_msg*", CSN_ROLE_ABORT },
	{ "kill", CSN_ROLE_ABORT },
	{ "__kill", CSN_ROLE_ABORT },
	{ "tgkill", CSN_ROLE_ABORT },
	{ "__tgkill", CSN_ROLE_ABORT },
	{ "__pthread_kill*", CSN_ROLE_ABORT },
	{ "pthread_kill*", CSN_ROLE_ABORT },
	{ "__libc_message*", CSN_ROLE_ABORT },
	{ "__libc_fatal", CSN_ROLE_ABORT },
	{ "__assert*", CSN_ROLE_ABORT },
	{ "__fortify_fail*", CSN_ROLE_ABORT },
	{ "__chk_fail", CSN_ROLE_ABORT },
	{ "__stack_chk_fail*", CSN_ROLE_ABORT },
	{ "malloc_printerr*", CSN_ROLE_ABORT },
	{ "__malloc_assert", CSN_ROLE_ABORT },
	{ "g_log*", CSN_ROLE_ABORT },
	{ "g_assertion_message*", CSN_ROLE_ABORT },
	{ "g_abort", CSN_ROLE_ABORT },
	{ "_g_log_abort", CSN_ROLE_ABORT },
	{ "__sanitizer::*", CSN_ROLE_ABORT },
	{ "__asan::*", CSN_ROLE_ABORT },
	{ "__ubsan::*", CSN_ROLE_ABORT },
	{ "__asan_report_*", CSN_ROLE_ABORT },
	{ "__ubsan_handle_*", CSN_ROLE_ABORT },

	/* C++. */
	{ "std::terminate", CSN_ROLE_ABORT },
	{ "std::unexpected", CSN_ROLE_ABORT },
	{ "__cxxabiv1::*", CSN_ROLE_ABORT },
	{ "__cxa_throw*", CSN_ROLE_ABORT },
	{ "__cxa_rethrow*", CSN_ROLE_ABORT },
	{ "__cxa_pure_virtual", CSN_ROLE_ABORT },
	{ "__cxa_deleted_virtual", CSN_ROLE_ABORT },
	{ "__cxa_call_unexpected", CSN_ROLE_ABORT },
	{ "__cxa_call_terminate", CSN_ROLE_ABORT },
	{ "__clang_call_terminate", CSN_ROLE_ABORT },
	{ "__gxx_personality_v0", CSN_ROLE_ABORT },
	{ "__gnu_cxx::__verbose_terminate_handler", CSN_ROLE_ABORT },
	{ "_Unwind_RaiseException*", CSN_ROLE_ABORT },
	{ "_Unwind_Resume*", CSN_ROLE_ABORT },
	{ "std::__throw_*", CSN_ROLE_ABORT },
	{ "std::__glibcxx_assert_fail", CSN_ROLE_ABORT },
	{ "std::__replacement_assert", CSN_ROLE_ABORT },
	{ "std::rethrow_exception", CSN_ROLE_ABORT },
	{ "std::vector::_M_range_check", CSN_ROLE_ABORT },

	/* Rust. */
	{ "rust_panic*", CSN_ROLE_ABORT },
	{ "rust_begin_unwind", CSN_ROLE_ABORT },
	{ "__rust_start_panic", CSN_ROLE_ABORT },
	{ "__rust_abort", CSN_ROLE_ABORT },
	{ "panic_abort::*", CSN_ROLE_ABORT },
	{ "core::panicking::*", CSN_ROLE_ABORT },
	{ "std::panicking::*", CSN_ROLE_ABORT },
	{ "std::process::abort", CSN_ROLE_ABORT },
	{ "std::sys::unix::abort_internal", CSN_ROLE_ABORT },
	{ "std::sys::pal::unix::abort_internal", CSN_ROLE_ABORT },
	{ "std::sys_common::backtrace::__rust_end_short_backtrace", CSN_ROLE_ABORT },
	{ "std::sys::backtrace::__rust_end_short_backtrace", CSN_ROLE_ABORT },
	{ "core::intrinsics::abort", CSN_ROLE_ABORT },
	{ "core::option::unwrap_failed", CSN_ROLE_ABORT },
	{ "core::option::expect_failed", CSN_ROLE_ABORT },
	{ "core::result::unwrap_failed", CSN_ROLE_ABORT },
	{ "core::option::Option::unwrap", CSN_ROLE_ABORT },
	{ "core::option::Option::expect", CSN_ROLE_ABORT },
	{ "core::result::Result::unwrap", CSN_ROLE_ABORT },
	{ "core::result::Result::expect", CSN_ROLE_ABORT },
	{ "core::cell::panic_already_*", CSN_ROLE_ABORT },
	{ "core::slice::index::*", CSN_ROLE_ABORT },
	{ "<usize as core::slice::index::*", CSN_ROLE_ABORT },
	{ "<alloc::vec::Vec as core::ops::index::*", CSN_ROLE_ABORT },
	{ "core::str::slice_error_fail*", CSN_ROLE_ABORT },
	{ "alloc::alloc::handle_alloc_error", CSN_ROLE_ABORT },
	{ "alloc::raw_vec::capacity_overflow", CSN_ROLE_ABORT },

	/* Go. */
	{ "runtime.raise*", CSN_ROLE_ABORT },
	{ "runtime.dieFromSignal*", CSN_ROLE_ABORT },
	{ "runtime.sigfwd*", CSN_ROLE_ABORT },
	{ "runtime.sigtramp*", CSN_ROLE_ABORT },
	{ "runtime.sighandler*", CSN_ROLE_ABORT },
	{ "runtime.sigpanic*", CSN_ROLE_ABORT },
	{ "runtime.sigreturn*", CSN_ROLE_ABORT },
	{ "runtime.crash*", CSN_ROLE_ABORT },
	{ "runtime.fatal*", CSN_ROLE_ABORT },
	{ "runtime.throw*", CSN_ROLE_ABORT },
	{ "runtime.gopanic*", CSN_ROLE_ABORT },
	{ "runtime.goPanic*", CSN_ROLE_ABORT },
	{ "runtime.panic*", CSN_ROLE_ABORT },
	{ "runtime.systemstack*", CSN_ROLE_ABORT },

	/* Allocators. */
	{ "malloc", CSN_ROLE_ALLOCATOR },
	{ "free", CSN_ROLE_ALLOCATOR },
	{ "calloc", CSN_ROLE_ALLOCATOR },
	{ "realloc*", CSN_ROLE_ALLOCATOR },
	{ "memalign", CSN_ROLE_ALLOCATOR },
	{ "aligned_alloc", CSN_ROLE_ALLOCATOR },
	{ "posix_memalign", CSN_ROLE_ALLOCATOR },
	{ "cfree", CSN_ROLE_ALLOCATOR },
	{ "_int_malloc", CSN_ROLE_ALLOCATOR },
	{ "_int_free*", CSN_ROLE_ALLOCATOR },
	{ "_int_realloc", CSN_ROLE_ALLOCATOR },
	{ "_int_memalign", CSN_ROLE_ALLOCATOR },
	{ "sysmalloc", CSN_ROLE_ALLOCATOR },
	{ "systrim", CSN_ROLE_ALLOCATOR },
	{ "unlink_chunk", CSN_ROLE_ALLOCATOR },
	{ "malloc_consolidate", CSN_ROLE_ALLOCATOR },
	{ "tcache_*", CSN_ROLE_ALLOCATOR },
	{ "arena_get*", CSN_ROLE_ALLOCATOR },
	{ "operator new*", CSN_ROLE_ALLOCATOR },
	{ "operator delete*", CSN_ROLE_ALLOCATOR },
	{ "g_malloc*", CSN_ROLE_ALLOCATOR },
	{ "g_free*", CSN_ROLE_ALLOCATOR },
	{ "g_realloc*", CSN_ROLE_ALLOCATOR },
	{ "g_slice_*", CSN_ROLE_ALLOCATOR },
	{ "je_*", CSN_ROLE_ALLOCATOR },
	{ "tc_malloc*", CSN_ROLE_ALLOCATOR },
	{ "tc_free*", CSN_ROLE_ALLOCATOR },
	{ "tcmalloc::*", CSN_ROLE_ALLOCATOR },
	{ "alloc::alloc::*", CSN_ROLE_ALLOCATOR },
	{ "__rust_alloc*", CSN_ROLE_ALLOCATOR },
	{ "__rust_dealloc", CSN_ROLE_ALLOCATOR },
	{ "__rdl_*", CSN_ROLE_ALLOCATOR },
	{ "runtime.mallocgc*", CSN_ROLE_ALLOCATOR },
	{ "runtime.newobject*", CSN_ROLE_ALLOCATOR },

	/* Callback plumbing that comes and goes with the optimiser. */
	{ "std::__invoke*", CSN_ROLE_TRAMPOLINE },
	{ "std::invoke*", CSN_ROLE_TRAMPOLINE },
	{ "std::_Function_handler::*", CSN_ROLE_TRAMPOLINE },
	{ "std::function::operator()", CSN_ROLE_TRAMPOLINE },
	{ "std::_Bind::*", CSN_ROLE_TRAMPOLINE },
	{ "std::thread::_Invoker::*", CSN_ROLE_TRAMPOLINE },
	{ "std::thread::_State_impl::_M_run", CSN_ROLE_TRAMPOLINE },
	{ "std::__1::__invoke*", CSN_ROLE_TRAMPOLINE },
	{ "std::__1::__function::*", CSN_ROLE_TRAMPOLINE },
	{ "std::__1::__thread_proxy*", CSN_ROLE_TRAMPOLINE },
	{ "std::__1::__thread_execute*", CSN_ROLE_TRAMPOLINE },
	{ "core::ops::function::FnOnce::call_once*", CSN_ROLE_TRAMPOLINE },
	{ "core::ops::function::FnMut::call_mut*", CSN_ROLE_TRAMPOLINE },
	{ "core::ops::function::Fn::call*", CSN_ROLE_TRAMPOLINE },
	{ "core::ops::function::impls::*", CSN_ROLE_TRAMPOLINE },
	{ "<alloc::boxed::Box as core::ops::function::*", CSN_ROLE_TRAMPOLINE },
	{ "<core::panic::unwind_safe::AssertUnwindSafe as *", CSN_ROLE_TRAMPOLINE },
	{ "ffi_call*", CSN_ROLE_TRAMPOLINE },
	{ "ffi_closure_*", CSN_ROLE_TRAMPOLINE },
	{ "_dl_runtime_resolve*", CSN_ROLE_TRAMPOLINE },

	/* Event loops. */
	{ "g_main_context_*", CSN_ROLE_DISPATCH },
	{ "g_main_dispatch", CSN_ROLE_DISPATCH },
	{ "g_main_loop_run", CSN_ROLE_DISPATCH },
	{ "g_closure_invoke", CSN_ROLE_DISPATCH },
	{ "g_cclosure_marshal_*", CSN_ROLE_DISPATCH },
	{ "_g_closure_invoke_va", CSN_ROLE_DISPATCH },
	{ "g_signal_emit*", CSN_ROLE_DISPATCH },
	{ "signal_emit_*", CSN_ROLE_DISPATCH },
	{ "g_application_run", CSN_ROLE_DISPATCH },
	{ "uv_run", CSN_ROLE_DISPATCH },
	{ "uv__*", CSN_ROLE_DISPATCH },
	{ "event_base_loop", CSN_ROLE_DISPATCH },
	{ "event_base_dispatch", CSN_ROLE_DISPATCH },
	{ "event_process_active*", CSN_ROLE_DISPATCH },
	{ "ev_run", CSN_ROLE_DISPATCH },
	{ "ev_invoke_pending", CSN_ROLE_DISPATCH },
	{ "sd_event_*", CSN_ROLE_DISPATCH },
	{ "QMetaObject::activate", CSN_ROLE_DISPATCH },
	{ "QCoreApplication::*", CSN_ROLE_DISPATCH },
	{ "QEventLoop::*", CSN_ROLE_DISPATCH },

	/* The C library, for documents that do not name the object. */
	{ "memcpy", CSN_ROLE_LEAF },
	{ "memmove", CSN_ROLE_LEAF },
	{ "memset", CSN_ROLE_LEAF },
	{ "memcmp", CSN_ROLE_LEAF },
	{ "memchr", CSN_ROLE_LEAF },
	{ "mempcpy", CSN_ROLE_LEAF },
	{ "strlen", CSN_ROLE_LEAF },
	{ "strnlen", CSN_ROLE_LEAF },
	{ "strcmp", CSN_ROLE_LEAF },
	{ "strncmp", CSN_ROLE_LEAF },
	{ "strcasecmp", CSN_ROLE_LEAF },
	{ "strcpy", CSN_ROLE_LEAF },
	{ "strncpy", CSN_ROLE_LEAF },
	{ "strcat", CSN_ROLE_LEAF },
	{ "strchr", CSN_ROLE_LEAF },
	{ "strrchr", CSN_ROLE_LEAF },
	{ "strstr", CSN_ROLE_LEAF },
	{ "strdup", CSN_ROLE_LEAF },
	{ "printf", CSN_ROLE_LEAF },
	{ "fprintf", CSN_ROLE_LEAF },
	{ "sprintf", CSN_ROLE_LEAF },
	{ "snprintf", CSN_ROLE_LEAF },
	{ "vfprintf", CSN_ROLE_LEAF },
	{ "vsnprintf", CSN_ROLE_LEAF },
	{ "puts", CSN_ROLE_LEAF },
	{ "fwrite", CSN_ROLE_LEAF },
	{ "fread", CSN_ROLE_LEAF },
	{ "qsort", CSN_ROLE_LEAF },
	{ "select", CSN_ROLE_LEAF },
	{ "pselect", CSN_ROLE_LEAF },
	{ "poll", CSN_ROLE_LEAF },
	{ "ppoll", CSN_ROLE_LEAF },
	{ "epoll_wait", CSN_ROLE_LEAF },
	{ "read", CSN_ROLE_LEAF },
	{ "write", CSN_ROLE_LEAF },
	{ "nanosleep", CSN_ROLE_LEAF },
	{ "clock_nanosleep", CSN_ROLE_LEAF },
	{ "pause", CSN_ROLE_LEAF },
	{ "syscall", CSN_ROLE_LEAF },
	{ "futex_wait*", CSN_ROLE_LEAF },
};

const char *csn_role_name(enum csn_frame_role role)
{
	return (size_t)role < csn_countof(role_names) ? role_names[role] : "unknown";
}

static bool row_matches(const char *pattern, const char *name)
{
	size_t n = strlen(pattern);

	if (pattern[n - 1] == '*')
		return strncmp(pattern, name, n - 1) == 0;
	return strcmp(pattern, name) == 0;
}

static bool begins_with_any(const char *text, const char *const *prefixes, size_t n_prefixes)
{
	for (size_t i = 0; text && i < n_prefixes; i++)
		if (strncmp(text, prefixes[i], strlen(prefixes[i])) == 0)
			return true;
	return false;
}

bool csn_module_is_libc(const char *module)
{
	static const char *const prefixes[] = { "libc.so",       "libc-2",       "libc.musl",
						"libpthread.so", "libpthread-2", "ld-linux",
						"ld-2",          "ld-musl",      "linux-vdso",
						"[vdso]",        "libm.so",      "libm-2" };

	return begins_with_any(module, prefixes, csn_countof(prefixes));
}

bool csn_module_is_runtime(const char *module)
{
	static const char *const prefixes[] = { "libstdc++.so", "libgcc_s.so", "libc++.so",
						"libc++abi.so" };

	return csn_module_is_libc(module) ||
	       begins_with_any(module, prefixes, csn_countof(prefixes));
}

enum csn_frame_role csn_role_find(const char *raw, const char *canonical, const char *module)
{
	for (size_t i = 0; i < csn_countof(rows); i++)
		if (row_matches(rows[i].name, canonical) || row_matches(rows[i].name, raw))
			return rows[i].role;
	return csn_module_is_libc(module) ? CSN_ROLE_LEAF : CSN_ROLE_APP;
}
