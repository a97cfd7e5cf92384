"""What is said of ways to die: every classifier and the whole sentence, of cores by the kernel.

In a sentence "@" stands for an address that differs from run to run. The line that a verdict names
must hold the code of its row.
"""

import json
import os
import pathlib
import re
import signal
import subprocess

import pytest

from support import crashers, kernel

pytestmark = pytest.mark.skipif(not kernel.system_tests_allowed(),
                                reason="the kernel must write the cores: needs root and SYSTEM=1")

# way, classifiers beside "stop", what happened, function, code of the line
C = [
    ("null_read", "segv null read", "read from NULL+0x18 = none->value", None, "sink = none->value"),
    ("null_write", "segv null write", "write to NULL+0x18 = none->value", None, "none->value = 1"),
    ("null_call", "segv null exec bad-jump", "jump to NULL = nothing", None, "nothing();"),
    ("null_method", "segv null read", "read from NULL+0x20 = none->close", None, "none->close()"),
    ("unmapped_read", "segv read", "read from @, not mapped", None, None),
    ("unmapped_write", "segv write", "write to @, not mapped", None, None),
    ("const_write", "segv write", "write to @ = constant[0], not permitted", None, "constant = 1"),
    ("guard_read", "segv read", "read from @, not permitted", None, "*page(PROT_NONE)"),
    ("guard_write", "segv write", "write to @, not permitted", None, "*page(PROT_NONE) = 1"),
    ("wild_read", "segv read noncanonical", "read from 0x4141414141414141, no possible address",
     None, "sink = *(volatile int *)address"),
    ("wild_write", "segv write noncanonical", "write to 0x4141414141414141, no possible address",
     None, "*(volatile int *)address = 1"),
    ("wild_call", "segv exec bad-jump noncanonical",
     "jump to 0x4141414141414141 = address, no possible address", None,
     "((void (*)(void))address)()"),
    ("wild_return", "segv exec bad-jump noncanonical",
     "jump to 0x4141414141414141, no possible address", None, None),
    ("poison_free", "segv read noncanonical",
     "read from 0x6b6b6b6b6b6b6b83 = gone->value, made of the fill pattern 0x6b6b6b6b6b6b6b6b", None,
     "sink = gone->value"),
    ("poison_junk", "segv write noncanonical",
     "write to 0xa5a5a5a5a5a5a5bd = gone->value, made of the fill pattern 0xa5a5a5a5a5a5a5a5", None,
     "gone->value = 1"),
    ("poison_beef", "segv read", "read from 0xdeadbf07 = gone->value, made of the fill pattern 0xdeadbeef",
     None, "sink = gone->value"),
    ("poison_call", "segv exec bad-jump noncanonical",
     "jump to 0x5a5a5a5a5a5a5a5a = gone, made of the fill pattern 0x5a5a5a5a5a5a5a5a", None,
     "gone();"),
    ("bad_jump", "segv exec bad-jump", "jump to 0x414141414140 = address, not mapped", None,
     "((void (*)(void))address)()"),
    ("data_jump", "segv exec bad-jump", "jump to @, not permitted", None,
     "((void (*)(void))(uintptr_t)data)()"),
    ("recursion", "segv write stack-overflow", "stack overflow at @, recursion", "deeper", None),
    ("ring", "segv write stack-overflow", "stack overflow at @, recursion through 3 frames",
     "p[aio]ng", None),
    ("thread_recursion", "segv write stack-overflow", "stack overflow at @, recursion", "deeper",
     None),
    ("alloca", "segv write stack-overflow", "stack overflow at @, a frame too large", None,
     "room[0] = 1"),
    ("smash", "abort stack-smash", "stack smashing detected", None, None),
    ("fortify", "abort fortify", "buffer overflow detected", None, "memcpy(small"),
    ("assert", "abort assert", 'failed assertion `zero == 1 && "the world is round"\'', None,
     "assert("),
    ("assert_perror", "abort assert",
     "failed assertion: unexpected error: No such file or directory", None, "assert_perror("),
    ("abort", "abort", "SIGABRT raised by the process itself", None, "abort()"),
    ("divide", "fpe", "integer division by zero = zero", None, "5 / zero"),
    ("remainder", "fpe", "integer division by zero = divisor", None, "sink % divisor"),
    ("quotient", "fpe", "integer division overflow", None, "least / minus"),
    ("illegal", "ill", "illegal instruction", None, "ud2"),
    ("trap", "trap", "breakpoint instruction", None, None),
    ("privileged", "segv", "privileged instruction", None, "hlt"),
    ("bus", "bus read",
     "read from @ = map[5000], a page that its file does not give (truncated, or not readable)", None,
     "map[5000]"),
    ("align_check", "bus read alignment", "read from @, not aligned", None, "sink = *odd"),
    ("align_vector", "segv read alignment", "read from @ = *odd, not aligned", None, "movaps"),
    ("seccomp", "sys", "system call 110 forbidden by seccomp", None, "syscall(SYS_getppid)"),
    ("raise", "", "SIGQUIT raised by the process itself", None, "raise(SIGQUIT)"),
    ("cpu_limit", "limit", "CPU time limit exceeded", None, None),
    ("file_limit", "limit", "file size limit exceeded", None, "write(fd"),
    ("file_limit_raised", "", "SIGXFSZ raised by the process itself", None, "raise(SIGXFSZ)"),
    ("free_twice", "abort double-free",
     'double free ("free(): double free detected in tcache 2") of @, '
     "a freed chunk of 104 bytes (tcache)", None, "free(block)"),
    ("free_twice_fast", "abort double-free",
     'double free ("double free or corruption (fasttop)") of @, '
     "a freed chunk of 40 bytes (fastbin)", None, "free(blocks[7])"),
    ("free_twice_big", "abort double-free",
     'double free ("double free or corruption (!prev)") of @, '
     "a freed chunk of 3000 bytes (unsorted bin)", None, "free(block)"),
    ("free_middle", "abort invalid-free", 'invalid free ("free(): invalid pointer")', None, "free(block + 4)"),
    ("realloc_middle", "abort invalid-free",
     'realloc of an invalid pointer ("realloc(): invalid pointer")', None, "realloc(block + 4"),
    ("overrun", "abort heap-corruption",
     'heap corruption detected ("double free or corruption (out)"): the header behind the chunk '
     "of 2008 bytes at @ is overwritten (size 0x4141414141414141)", None, "free(next)"),
    ("top", "abort heap-corruption", 'heap corruption detected ("malloc(): corrupted top size"): '
     "the top's header behind the chunk of 104 bytes at @ is overwritten "
     "(size 0x4141414141414141)", None, "malloc(5000)"),
    ("memcpy_null", "segv null", "access to NULL", None, "memcpy(to"),
    ("memset_null", "segv null", "access to NULL", None, "memset("),
    ("strlen_null", "segv null", "access to NULL", None, "strlen("),
]

CC = [
    ("what", "abort exception", 'uncaught std::runtime_error ("no stock left")', None, "throw"),
    ("derived", "abort exception", 'uncaught shop::Refused ("card refused")', None, "throw"),
    ("int", "abort exception", 'uncaught int', None, "throw 42"),
    ("class", "abort exception", 'uncaught shop::Plain', None, "throw Plain"),
    ("noexcept", "abort exception", 'uncaught std::runtime_error ("no stock left")', "shop::die_what()", "throw"),
    ("bad_alloc", "abort exception", 'uncaught std::bad_alloc', None, "new char[size]"),
    ("at", "abort exception", 'uncaught std::out_of_range ("vector::_M_range_check: __n (which is 7)'
     ' >= this->size() (which is 3)")', None, "items.at(at)"),
    ("nested", "abort exception", "uncaught int", None, "throw 42"),
    ("terminate", "abort", "std::terminate called", None, None),
    ("joinable", "abort", "std::terminate called", None, None),
    ("pure", "abort", "pure virtual function called", "shop::Base::early()", "run();"),
    ("caught_before", "abort", "std::terminate called", None, None),
]

RUST = [
    ("panic", "abort panic", "panic: no stock left of 2", None, "panic!("),
    ("literal", "abort panic", "panic: no stock left", None, "panic!("),
    ("index", "abort panic", "panic: index out of bounds: the len is 3 but the index is 7", None,
     "[1, 2, 3][n + 5]"),
    ("unwrap", "abort panic", "panic: called `Option::unwrap()` on a `None` value", None, "nothing.unwrap()"),
    ("expect", "abort panic", "Rust panic: expect of None", None, "nothing.expect("),
    ("error", "abort panic", "panic: called `Result::unwrap()` on an `Err` value: ParseIntError"
     " { kind: InvalidDigit }", None, "parsed.unwrap()"),
    ("overflow", "abort panic", "panic: attempt to add with overflow", None, "(n as u8) + 254"),
    ("divide", "abort panic", "panic: attempt to divide by zero", None, "5 / (n - 2)"),
    ("slice", "abort panic", "panic: range end index 7 out of range for slice of length 3", None,
     "items[n..n + 5]"),
    ("abort", "abort", "SIGABRT raised by the process itself", None, "std::process::abort()"),
]

GO = [
    ("panic", "abort panic", "panic: no stock left", "main.diePanic", 'panic("no stock left")'),
    ("error", "abort panic", "panic: no stock left", "main.dieError", "panic(errors.New("),
    ("wrapped", "abort panic", "panic: item 2: no stock left", "main.dieWrapped", "panic(fmt.Errorf("),
    ("number", "abort panic", "panic: main.code(-7)", "main.dieNumber", "panic(code("),
    ("named", "abort panic", 'panic: main.reason("sold out")', "main.dieNamed", "panic(reason("),
    ("struct", "abort panic", "panic: a value of type *main.node", "main.dieStruct", "panic(&node"),
    ("slice", "abort panic", "panic: runtime error: slice bounds out of range [:7] with capacity 3",
     "main.dieSlice", "[:n+5]"),
    ("assert", "abort panic", "panic: interface conversion: interface {} is string, not int",
     "main.dieAssert", "any.(int)"),
    ("close", "abort panic", "panic: close of nil channel", "main.dieClose", "close(none)"),
    ("nil", "abort panic",
     "panic: runtime error: invalid memory address or nil pointer dereference", "main.dieNil",
     "return p.next"),
    ("index", "abort panic", "panic: runtime error: index out of range [7] with length 3", "main.dieIndex", "[n+5]"),
    ("divide", "abort panic", "panic: runtime error: integer divide by zero", "main.dieDivide", "5 / (n - 2)"),
    ("map", "abort panic", "panic: assignment to entry in nil map", "main.dieMap", "m[n] = 1"),
]

# program, its source, how functions are named
PROGRAMS = [
    ("verdicts", "verdicts.c", "die_{}", C),
    ("verdicts-cc", "verdicts.cc", "shop::die_{}()", CC),
    ("verdicts-rs", "verdicts.rs", "verdicts::die_{}", RUST),
    ("verdicts-go", "verdicts.go", "{}", GO),
]
ROWS = [(program, source, name, *row) for program, source, name, rows in PROGRAMS for row in rows]


@pytest.fixture(scope="module")
def dead(tmp_path_factory):
    return crashers.Crashers(tmp_path_factory.mktemp("verdicts"))


def looked_at(bt, core):
    shown = subprocess.run([bt, "--json", "--core", core], capture_output=True, text=True,
                           timeout=60, check=False)
    assert shown.returncode in (0, 1), shown.stderr
    snapshot = json.loads(shown.stdout)
    return set(snapshot["classifiers"]), snapshot["attributes"]["verdict"]


def test_the_table_is_long_enough():
    assert len(ROWS) >= 40


@pytest.mark.parametrize("crasher,source,name,way,classifiers,what,function,code", ROWS,
                         ids=[f"{row[0]}-{row[3]}" for row in ROWS])
def test_every_way_to_die_has_its_verdict(dead, program, monkeypatch, crasher, source, name, way,
                                          classifiers, what, function, code):
    monkeypatch.setenv("GOTRACEBACK", "crash")
    core, _ = dead.core(crasher, way)
    said, verdict = looked_at(program("bt"), core)
    assert said == {*classifiers.split(), "stop"}
    what = re.escape(what).replace("@", "0x[0-9a-f]+")
    place = function if function and "[" in function else re.escape(function or name.format(way))
    # What died inside the C library names its caller too.
    match = re.fullmatch(rf"{what} in (?:\w+ \([^)]*\), called from )?{place} "
                         rf"\({re.escape(source)}:(\d+)\)(?:: (?:mem|str)\w+'s \w+ is NULL.*)?", verdict)
    assert match, verdict
    line = (crashers.SOURCES / source).read_text().splitlines()[int(match[1]) - 1]
    assert (code or "") in line


@pytest.mark.parametrize("way,words", [
    ("throw", "sync: unlock of unlocked mutex"),
    ("deadlock", "all goroutines are asleep - deadlock!"),
])
def test_fatal_errors_of_go_are_told(dead, program, monkeypatch, way, words):
    monkeypatch.setenv("GOTRACEBACK", "crash")
    core, _ = dead.core("verdicts-go", way)
    assert looked_at(program("bt"), core)[1].startswith(f"fatal error: {words}")


def test_a_program_shows_the_verdict_that_its_snapshot_holds(dead, program):
    """Registers of callers are not looked at for a screen: nothing may hang on them."""
    for way in ("alloca", "ring", "wild_call", "free_twice"):
        core, _ = dead.core("verdicts", way)
        screen = subprocess.run([program("bt"), "--core", core], capture_output=True, text=True,
                                timeout=60, check=False).stdout
        assert looked_at(program("bt"), core)[1] in screen.splitlines()[0]


@pytest.mark.parametrize("number,classifiers", [("SIGABRT", {"abort", "stop"}),
                                                ("SIGQUIT", {"stop"}),
                                                ("SIGSEGV", {"segv", "stop"})])
def test_who_sent_a_signal_is_told(dead, program, number, classifiers):
    sleeper = dead.start_sleeper()
    core = pathlib.Path(dead.folder) / f"core-sent-{number}"
    dead.core_of_child(core, sleeper.pid, signal.Signals[number])
    sleeper.wait()
    said, verdict = looked_at(program("bt"), core)
    assert said == classifiers
    assert verdict.startswith(f"{number} sent by kill(2) from pid {os.getpid()} uid {os.getuid()}")
