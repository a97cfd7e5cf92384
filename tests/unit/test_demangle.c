/* demangle: names recorded from compilers, and ones made to explode. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/limits.h"
#include "symbols/demangle.h"

static void check_names(const char *const cases[][2], size_t count)
{
	cleanup_(csn_arena_freep) struct csn_arena *arena = csn_arena_new(CSN_MIB);

	for (size_t i = 0; i < count; i++) {
		const char *answer = csn_demangle(arena, cases[i][0]);

		assert_string_equal(answer ? answer : "(none)",
				    cases[i][1] ? cases[i][1] : "(none)");
	}
}

static void names_of_cxx_are_demangled(void **state)
{
	static const char *const cases[][2] = {
		{ "_ZNSt6vectorIiSaIiEE9push_backERKi@@GLIBCXX_3.4",
		  "std::vector<int, std::allocator<int> >::push_back(int const&)" },
		{ "_ZZ4mainENKUlT_E_clIiEEDaS_",
		  "auto main::{lambda(auto:1)#1}::operator()<int>(int) const" },
		{ "_ZNKSt8functionIFivEEclEv", "std::function<int ()>::operator()() const" },
		{ "_ZN2ns1fB5cxx11Ei.lto_priv.0", "ns::f[abi:cxx11](int) [clone .lto_priv.0]" },
		{ "_ZN3foo3barEv.isra.0.constprop.1",
		  "foo::bar() [clone .isra.0] [clone .constprop.1]" },
		{ "_ZN3foo3barEv.llvm.5324732", "foo::bar() [clone .llvm.5324732]" },
		{ "_Z3fooi.cold", "foo(int) [clone .cold]" },
		{ "_ZThn16_N1D1gEv", "non-virtual thunk to D::g()" },
		{ "_ZN12_GLOBAL__N_14leafEi", "(anonymous namespace)::leaf(int)" },
		{ "_Z1fILi5EEvv", "void f<5>()" },
		{ "main", NULL },
		{ "_start", NULL },
		{ "_Z", NULL },
	};

	(void)state;
	check_names(cases, csn_countof(cases));
}

static void names_of_rust_are_demangled(void **state)
{
	static const char *const cases[][2] = {
		{ "_ZN4core9panicking5panic17h0123456789abcdefE", "core::panicking::panic" },
		{ "_ZN4core3fmt9Formatter3pad17h0123456789abcdefE.llvm.1234567890",
		  "core::fmt::Formatter::pad" },
		{ "_ZN5alloc7raw_vec19RawVec$LT$T$C$A$GT$16reserve_for_push17h123456789abcdef0E",
		  "alloc::raw_vec::RawVec<T,A>::reserve_for_push" },
		{ "_RNvCs15kBYyAo9fc_7mycrate7example", "mycrate::example" },
		{ "_RNvCs4fqI2P2rA04_7mycrate4main.llvm.123", "mycrate::main" },
		{ "_RNvXs_NtCs1234_7mycrate3fooNtB4_3BarNtNtCs5678_4core3fmt7Display3fmt",
		  "<mycrate::foo::Bar as core::fmt::Display>::fmt" },
	};

	(void)state;
	check_names(cases, csn_countof(cases));
}

/* Recorded from gdc 12 and its Phobos. */
static void names_of_d_are_demangled(void **state)
{
	static const char *const cases[][2] = {
		{ "_D3std5stdio8File6__initZ", NULL },
		{ "_D3std5stdio4File5closeMFZv", "std.stdio.File.close()" },
		{ "_Dmain", "D main" },
		{ "_D5crash__T5derefTCQr4NodeZQqFNaNbNiNfQuiZi",
		  "crash.deref!(crash.Node).deref(crash.Node, int)" },
		{ "_D5crash4mainFZ5innerMFiZi", "crash.main().inner(int)" },
		{ "_D5crash4walkFMDFiZiZi", "crash.walk(scope int(int) delegate)" },
		{ "_D3std9algorithm9iteration__T9MapResultS5crash4mainFZ9__lambda3TAiZQBm6__"
		  "ctorMFNaNbNcNiNfQzZSQDnQDmQDf__TQCySQCrQCoFZQCmTQCfZQDs",
		  "std.algorithm.iteration.MapResult!(crash.main().__lambda3, "
		  "int[]).MapResult.this(int[])" },
	};

	(void)state;
	check_names(cases, csn_countof(cases));
}

static void names_of_go_are_unescaped(void **state)
{
	static const char *const cases[][2] = {
		{ "main.(*node).walk.func1", NULL },
		{ "main.Map[go.shape.int_0,go.shape.string_1]", NULL },
		{ "gopkg.in/yaml%2ev3.(*Decoder).Decode", "gopkg.in/yaml.v3.(*Decoder).Decode" },
		{ "example.com/a/%c3%a9t%c3%a9.f", "example.com/a/\xc3\xa9t\xc3\xa9.f" },
		{ "runtime\xc2\xb7mcall", "runtime.mcall" },
		{ "sync\xe2\x88\x95"
		  "atomic\xc2\xb7"
		  "AddInt64",
		  "sync/atomic.AddInt64" },
		{ "odd%0a%7f%zz%2", NULL },
	};

	(void)state;
	check_names(cases, csn_countof(cases));
}

/* f(A<int, int>, A<A<int, int>, A<int, int> >, ...): every argument twice as long as the last. */
static void make_bomb(struct csn_buf *name, unsigned n_arguments)
{
	static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
	unsigned i;

	csn_buf_puts(name, "_Z1f1AIiiE");
	for (i = 1; i < n_arguments; i++)
		csn_buf_printf(name, "S_IS%c_S%c_E", digits[i - 1], digits[i - 1]);
}

static void put_d_reference(struct csn_buf *name, size_t to)
{
	size_t distance = name->size - to;

	csn_buf_putc(name, 'Q');
	if (distance >= 26)
		csn_buf_putc(name, (char)('A' + distance / 26));
	csn_buf_putc(name, (char)('a' + distance % 26));
}

/* f(int[int], int[int][int[int]], ...): the same with tables and back references of D. */
static void make_d_bomb(struct csn_buf *name, unsigned n_arguments)
{
	size_t last;

	csn_buf_puts(name, "_D1fF");
	last = name->size;
	csn_buf_puts(name, "Hii");
	for (unsigned i = 1; i < n_arguments; i++) {
		size_t at = name->size;

		csn_buf_putc(name, 'H');
		put_d_reference(name, last);
		put_d_reference(name, last);
		last = at;
	}
	csn_buf_puts(name, "Zv");
}

static void exploding_names_of_d_are_given_up(void **state)
{
	cleanup_(csn_arena_freep) struct csn_arena *arena = csn_arena_new(CSN_MIB);
	cleanup_(csn_buf_done) struct csn_buf small = CSN_BUF_INIT(4096);
	cleanup_(csn_buf_done) struct csn_buf large = CSN_BUF_INIT(4096);

	(void)state;
	make_d_bomb(&small, 3);
	assert_string_equal(csn_demangle(arena, csn_buf_text(&small)),
			    "f(int[int], int[int][int[int]], "
			    "int[int][int[int]][int[int][int[int]]])");
	make_d_bomb(&large, 40);
	assert_null(csn_demangle(arena, csn_buf_text(&large)));
}

static void exploding_names_are_given_up(void **state)
{
	cleanup_(csn_arena_freep) struct csn_arena *arena = csn_arena_new(CSN_MIB);
	cleanup_(csn_buf_done) struct csn_buf small = CSN_BUF_INIT(4096);
	cleanup_(csn_buf_done) struct csn_buf large = CSN_BUF_INIT(4096);

	(void)state;
	make_bomb(&small, 2);
	assert_string_equal(csn_demangle(arena, csn_buf_text(&small)),
			    "f(A<int, int>, A<A<int, int>, A<int, int> >)");
	make_bomb(&large, 30);
	assert_null(csn_demangle(arena, csn_buf_text(&large)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_of_cxx_are_demangled),
		cmocka_unit_test(names_of_rust_are_demangled),
		cmocka_unit_test(names_of_d_are_demangled),
		cmocka_unit_test(names_of_go_are_unescaped),
		cmocka_unit_test(exploding_names_are_given_up),
		cmocka_unit_test(exploding_names_of_d_are_given_up),
	};

	return cmocka_run_group_tests_name("demangle", tests, NULL, NULL);
}
