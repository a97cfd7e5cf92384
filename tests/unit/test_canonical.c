/* group: canonical names and frame roles, as tables. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/arena.h"
#include "base/limits.h"
#include "group/canonical.h"
#include "group/role.h"

struct pair {
	const char *name, *module, *canonical;
};

static void check(const struct pair *pairs, size_t count)
{
	struct csn_arena *arena = csn_arena_new(CSN_MIB);

	for (size_t i = 0; i < count; i++) {
		char *got = csn_canonical_name(arena, pairs[i].name, pairs[i].module, NULL);

		assert_non_null(got);
		assert_string_equal(got, pairs[i].canonical);
	}
	csn_arena_free(arena);
}

static void cxx_names_lose_what_the_compiler_added(void **state)
{
	static const struct pair pairs[] = {
		{ "main", NULL, "main" },
		{ "ns::f(int, char const*)", NULL, "ns::f" },
		{ "void ns::f<int>(int)", NULL, "ns::f" },
		{ "std::vector<int, std::allocator<int> >::at(unsigned long) const", NULL,
		  "std::vector::at" },
		{ "std::vector<int>::push_back(int&&)", NULL, "std::vector::push_back" },
		{ "(anonymous namespace)::f(int)", NULL, "(anonymous namespace)::f" },
		{ "a::(anonymous namespace)::g()", NULL, "a::(anonymous namespace)::g" },
		{ "f[abi:cxx11](int)", NULL, "f" },
		{ "operator<<(std::ostream&, X const&)", NULL, "operator<<" },
		{ "std::basic_ostream<char>& std::operator<< <char>(std::basic_ostream<char>&, "
		  "char const*)",
		  NULL, "std::operator<<" },
		{ "bool operator< <int>(A<int> const&, A<int> const&)", NULL, "operator<" },
		{ "A::operator->() const", NULL, "A::operator->" },
		{ "A::operator()(int) const", NULL, "A::operator()" },
		{ "A<int>::operator[](unsigned long)", NULL, "A::operator[]" },
		{ "operator new(unsigned long)", NULL, "operator new" },
		{ "operator delete[](void*)", NULL, "operator delete[]" },
		{ "A::operator bool() const", NULL, "A::operator bool" },
		{ "A::operator unsigned long() const", NULL, "A::operator unsigned long" },
		{ "my_operator(int)", NULL, "my_operator" },
		{ "non-virtual thunk to B::f()", NULL, "B::f" },
		{ "std::unique_ptr<X> make<X>(int (*)(int))", NULL, "make" },
		{ "decltype(auto) f<int>(int)", NULL, "f" },
		{ "main::{lambda(int)#1}::operator()(int) const", NULL,
		  "main::{lambda}::operator()" },
		{ "main::$_0::operator()(int) const", NULL, "main::{lambda}::operator()" },
		{ "main::'lambda'(int)::operator()(int) const", NULL,
		  "main::{lambda}::operator()" },
		{ "f(int)::local::g()", NULL, "f::local::g" },
		{ "_ZN2ns1fEi", NULL, "ns::f" },
		{ "_ZN2ns1fIiEEvT_", NULL, "ns::f" },
		{ "_ZZ4mainENK3$_0clEv", NULL, "main::{lambda}::operator()" },
		{ "_ZNKSt6vectorIiSaIiEE14_M_range_checkEm", NULL, "std::vector::_M_range_check" },
	};

	(void)state;
	check(pairs, csn_countof(pairs));
}

static void clone_suffixes_and_versions_are_dropped(void **state)
{
	static const struct pair pairs[] = {
		{ "f.isra.0", NULL, "f" },
		{ "f.part.3.isra.0", NULL, "f" },
		{ "f.cold", NULL, "f" },
		{ "f.cold.12", NULL, "f" },
		{ "f.constprop.0", NULL, "f" },
		{ "f.lto_priv.0", NULL, "f" },
		{ "f.llvm.123456789", NULL, "f" },
		{ "f.__uniq.1234", NULL, "f" },
		{ "f.arch_haswell", NULL, "f" },
		{ "f(int) [clone .isra.0]", NULL, "f" },
		{ "ns::f(int) [clone .cold.7] [clone .part.1]", NULL, "ns::f" },
		{ "nested.1234", NULL, "nested" },
		{ "memcpy@@GLIBC_2.14", NULL, "memcpy" },
		{ "puts@plt", NULL, "puts" },
		{ "f.g", NULL, "f.g" },
	};

	(void)state;
	check(pairs, csn_countof(pairs));
}

static void libc_aliases_and_cpu_variants_are_one_name(void **state)
{
	static const struct pair pairs[] = {
		{ "__memcpy_avx_unaligned_erms", NULL, "memcpy" },
		{ "__memmove_evex_unaligned_erms", "libc.so.6", "memmove" },
		{ "__memcpy_sse2_unaligned_erms", NULL, "memcpy" },
		{ "__strlen_avx2", NULL, "strlen" },
		{ "__strlen_avx2_rtm", NULL, "strlen" },
		{ "__memcpy_ssse3_back", NULL, "memcpy" },
		{ "__GI___select", NULL, "select" },
		{ "__select", "libc.so.6", "select" },
		{ "__GI_raise", NULL, "raise" },
		{ "__libc_malloc", "libc.so.6", "malloc" },
		{ "__GI___libc_malloc", NULL, "malloc" },
		{ "_IO_puts", "libc.so.6", "puts" },
		{ "__GI__IO_puts", NULL, "puts" },
		{ "__printf_chk", "libc.so.6", "printf" },
		{ "__vfprintf_internal", "libc.so.6", "vfprintf" },
		{ "___pthread_mutex_lock", "libc.so.6", "pthread_mutex_lock" },
		{ "__read_nocancel", "libc.so.6", "read" },
		{ "__open64", "libc.so.6", "open" },
		{ "_int_malloc", "libc.so.6", "_int_malloc" },
		{ "_exit", "libc.so.6", "_exit" },
		{ "__my_function", "app", "__my_function" },
		{ "memory_pool_get", "app", "memory_pool_get" },
		{ "app_generic", "app", "app_generic" },
	};

	(void)state;
	check(pairs, csn_countof(pairs));
}

static void rust_and_go_names_are_kept_sensibly(void **state)
{
	static const struct pair pairs[] = {
		{ "app::run::h0123456789abcdef", NULL, "app::run" },
		{ "app::run::{{closure}}::h0123456789abcdef", NULL, "app::run::{closure}" },
		{ "app::run::{closure#2}", NULL, "app::run::{closure}" },
		{ "app::parse::<i32>", NULL, "app::parse" },
		{ "<app::Point as core::fmt::Debug>::fmt", NULL,
		  "<app::Point as core::fmt::Debug>::fmt" },
		{ "<alloc::vec::Vec<T,A> as core::ops::drop::Drop>::drop", NULL,
		  "<alloc::vec::Vec as core::ops::drop::Drop>::drop" },
		{ "<app::Thing<T>>::go", NULL, "app::Thing::go" },
		{ "_ZN3app3run17h0123456789abcdefE", NULL, "app::run" },
		{ "main.(*Server).Serve", NULL, "main.(*Server).Serve" },
		{ "main.main.func1", NULL, "main.main.func1" },
		{ "runtime.raise.abi0", NULL, "runtime.raise" },
		{ "main.Map[...]", NULL, "main.Map" },
	};

	(void)state;
	check(pairs, csn_countof(pairs));
}

static void odd_syntax_gives_an_odd_name_and_no_harm(void **state)
{
	static const struct pair pairs[] = {
		{ "<signal handler called>", NULL, "<signal handler called>" },
		{ "-[NSObject init]", NULL, "-[NSObject init]" },
		{ "f(", NULL, "f(" },
		{ "f<<<", NULL, "f<<<" },
		{ "((((", NULL, "((((" },
		{ ")", NULL, ")" },
		{ "(int)", NULL, "(int)" },
		{ "$_", NULL, "$_" },
		{ "@", NULL, "@" },
		{ ".", NULL, "." },
		{ "::", NULL, "::" },
		{ "<>::", NULL, "::" },
		{ "__", "libc.so.6", "__" },
		{ "_Z", NULL, "_Z" },
	};

	(void)state;
	check(pairs, csn_countof(pairs));
}

static void a_role_comes_from_the_raw_or_the_canonical_name(void **state)
{
	static const struct {
		const char *raw, *module;
		enum csn_frame_role role;
	} rows[] = {
		{ "__pthread_kill_implementation", "libc.so.6", CSN_ROLE_ABORT },
		{ "__GI_abort", "libc.so.6", CSN_ROLE_ABORT },
		{ "__assert_fail_base.cold", "libc.so.6", CSN_ROLE_ABORT },
		{ "std::terminate()", "libstdc++.so.6", CSN_ROLE_ABORT },
		{ "core::panicking::panic_fmt::h0123456789abcdef", NULL, CSN_ROLE_ABORT },
		{ "runtime.dieFromSignal", NULL, CSN_ROLE_ABORT },
		{ "_start", "app", CSN_ROLE_START },
		{ "__libc_start_call_main", "libc.so.6", CSN_ROLE_START },
		{ "__libc_start_main_impl", "libc.so.6", CSN_ROLE_START },
		{ "start_thread", "libc.so.6", CSN_ROLE_START },
		{ "__restore_rt", "libc.so.6", CSN_ROLE_SIGNAL },
		{ "__libc_free", "libc.so.6", CSN_ROLE_ALLOCATOR },
		{ "_int_free", "libc.so.6", CSN_ROLE_ALLOCATOR },
		{ "operator new(unsigned long)", NULL, CSN_ROLE_ALLOCATOR },
		{ "__strlen_avx2", "libc.so.6", CSN_ROLE_LEAF },
		{ "__memcpy_avx_unaligned_erms", NULL, CSN_ROLE_LEAF },
		{ "getenv", "libc.so.6", CSN_ROLE_LEAF },
		{ "g_main_context_dispatch", NULL, CSN_ROLE_DISPATCH },
		{ "std::function<void ()>::operator()() const", NULL, CSN_ROLE_TRAMPOLINE },
		{ "session_close", "app", CSN_ROLE_APP },
		{ "main", "app", CSN_ROLE_APP },
	};
	struct csn_arena *arena = csn_arena_new(CSN_MIB);

	(void)state;
	for (size_t i = 0; i < csn_countof(rows); i++) {
		char *canonical = csn_canonical_name(arena, rows[i].raw, rows[i].module, NULL);

		assert_non_null(canonical);
		if (csn_role_find(rows[i].raw, canonical, rows[i].module) != rows[i].role)
			fail_msg("%s: %s", rows[i].raw,
				 csn_role_name(
					 csn_role_find(rows[i].raw, canonical, rows[i].module)));
	}
	csn_arena_free(arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cxx_names_lose_what_the_compiler_added),
		cmocka_unit_test(clone_suffixes_and_versions_are_dropped),
		cmocka_unit_test(libc_aliases_and_cpu_variants_are_one_name),
		cmocka_unit_test(rust_and_go_names_are_kept_sensibly),
		cmocka_unit_test(odd_syntax_gives_an_odd_name_and_no_harm),
		cmocka_unit_test(a_role_comes_from_the_raw_or_the_canonical_name),
	};

	return cmocka_run_group_tests_name("canonical", tests, NULL, NULL);
}
