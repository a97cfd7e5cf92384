"""The cases on which debuggers are compared, one table: how each core is made and who knows what is
right. Where gdb is right (eu-stack agrees with it on every counter) we have to say what gdb says:
counters, inline chains, functions, files, lines. Where no tool is, the expectation was written by
hand from the source."""

import contextlib
import os
import pathlib
import shutil
import subprocess
import typing

import pytest

from support import crashers, kernel, oracle, services

# gcore writes its notes last, and stops a program where it catches the signal itself.
NEEDS_KERNEL = pytest.mark.skipif(not kernel.system_tests_allowed(),
                                  reason="needs the kernel's core: root and SYSTEM=1")


@pytest.fixture(scope="module")
def dead(tmp_path_factory):
    return crashers.Crashers(tmp_path_factory.mktemp("cases"))


@pytest.fixture(scope="session")
def bt(program):
    return program("bt")


class Look:
    """One core as we see it."""

    def __init__(self, bt, core, program):
        self.bt, self.core, self.program = bt, core, program
        self.snapshot = oracle.our_snapshot(bt, "--core", core)
        self.stacks = oracle.our_stacks(self.snapshot)
        self.thread = self.snapshot["threads"][self.snapshot["mainThread"]]
        self.end = self.thread["unwind_end"]
        frames = oracle.walked(self.thread["stack"])
        self.names = [frame.get("funcName", "??").split("(")[0] for frame in frames]
        self.ways = [frame.get("unwind", "") for frame in frames]

    def names_of(self, tid):
        return [oracle.base_name(frame.name) or "??" for frame in self.stacks[tid]]


# --- oracles ---

def confirmed(look, theirs):
    """Does eu-stack agree with gdb on every counter? Where it gives up it has no opinion (as in
    clone3, which has no unwind information before the new thread runs)."""
    mine, other = oracle.counters(oracle.physical(theirs)), oracle.counters(
        oracle.eu_frames(look.program, look.core))
    return other and all(mine[tid][:len(pcs)] == pcs for tid, pcs in other.items()) and any(
        mine[tid] == pcs for tid, pcs in other.items())


def gdb(look, sources=0, eu_stack=True):
    """What gdb says, at least so many of its frames with a source position."""
    theirs = oracle.gdb_stacks(look.program, look.core)
    assert not eu_stack or confirmed(look, theirs), "gdb and eu-stack differ: no oracle"
    assert not oracle.difference(look.stacks, theirs)
    assert oracle.tail_calls(look.stacks) == oracle.tail_calls(theirs)
    assert oracle.positions(look.stacks) >= sources


def lines(look):
    """gdb; the program has debug information."""
    gdb(look, sources=4)


def gdb_alone(look):
    """gdb, where eu-stack is known to be wrong."""
    gdb(look, eu_stack=False)


# What libc puts around main.
START = {"__libc_start_call_main", "__libc_start_main", "__libc_start_main_impl", "_start", "??",
         "_start_c", "libc_start_main_stage2", "__libc_start_main_alias_1",
         "__libc_start_main_alias_2", "generic_start_main"}


def chain(text, names):
    """The innermost names are those of the text, and after main comes nothing but libc's start."""
    expected = text.split()
    assert names[:len(expected)] == expected
    if expected[-1] == "main":
        assert {name.split("@")[0] for name in names[len(expected):]} <= START, names
        assert len(names) <= len(expected) + 4, names


def without_cfi(look):
    chain("leaf level3 level2 level1 main", look.names)
    assert set(look.ways[1:5]) <= {"emul", "fp", "cfi"} and "scan" not in look.ways
    assert look.end == "outermost frame"


def call_through_null(look):
    chain("?? dispatch main", look.names)
    gdb_alone(look)


def jump_to_garbage(look):
    chain("?? die_badjump main", look.names)
    assert look.ways[1] == "emul"
    gdb_alone(look)


def smashed(look):
    assert look.names == ["vuln"]
    assert look.end == 'return address overwritten with 0x4141414141414141 ("AAAAAAAA")'
    raw = look.thread["raw_stack"]
    assert raw["bytes"].startswith("41" * 16) and len(raw["bytes"]) == 1024
    assert int(raw["address"], 16) == int(look.thread["stack"][0]["registers"]["rsp"], 16)
    assert "main" in {word.get("funcName") for word in raw["code"]}
    text = subprocess.run([look.bt, "-v", "--core", look.core], capture_output=True,
                          text=True).stdout
    assert "raw stack from there on:\n" in text and "  main\n" not in text
    assert "0x4141414141414141  (" in text and "main+" in text.partition("raw stack")[2]


def stack_protector(look):
    assert "__stack_chk_fail" in look.names and look.names[-1] == "die_smash"
    assert look.end.startswith("return address overwritten with 0x7878")


def never_returns(look):
    names = [name.split(".")[0] for name in look.names]
    chain("die last grown aligned main", names[names.index("die"):])
    gdb(look)


def coroutine(look):
    assert look.names == ["fault", "coroutine", "__start_context"]
    assert look.end == "outermost frame"


def behind_the_signal(look):
    assert look.names.count("main.deref") == 6, look.names
    assert "main.main" in look.names


def on_a_stack_of_its_own(look):
    assert "main" in look.names and look.end == "outermost frame"
    assert any(frame.get("signal_frame") for frame in look.thread["stack"])
    lines(look)


# Which functions of musl may stand where; a name that is right or none.
MUSL = {"??", "raise", "abort", "pause", "poll", "pthread_cond_timedwait", "start", "__clone",
        "__restore_sigs", "__syscall_cp_c", "__syscall_cp", "__syscall_cp_asm", "__timedwait_cp",
        "__cp_end", "__cp_begin", "main", "killer", "worker", "wait_for_poll",
        "wait_for_condition", *START}


def musl(look):
    assert len(look.stacks) == 21
    for tid in look.stacks:
        names = look.names_of(tid)
        assert {"worker", "main", "killer"} & set(names), names
        assert set(names) <= MUSL and len(names) < 20, names
    chain("killer", look.names[look.names.index("killer"):])


def glibc_static(look):
    assert len(look.stacks) == 21
    lines(look)


def deep(look):
    assert len(look.names) > 100000 and set(look.names[:-4]) <= {"descend", "main"}
    assert look.names.count("main") == 1 and look.end == "outermost frame"


def thousand(look):
    assert len(look.stacks) == 1001
    gdb(look)


def truncated(look):
    """Stacks are prefixes of the whole ones, and the loss is told."""
    part = look.core.with_name("truncated")
    shutil.copyfile(look.core, part)
    os.truncate(part, look.core.stat().st_size * 6 // 10)
    mine = Look(look.bt, part, look.program)
    assert any("cut short" in text for text in mine.snapshot["truncated"])
    frames = 0
    for tid, found in oracle.counters(oracle.physical(mine.stacks)).items():
        assert found == [frame.pc for frame in look.stacks[tid]
                         if frame.kind == "physical"][:len(found)]
        frames += len(found)
    assert len(look.stacks) == 1001 and frames > 2 * len(look.stacks)


def replaced(look):
    """Another binary in the place of the dead one is told, and not used."""
    whole = look.program.read_bytes()
    look.program.unlink()
    try:
        shutil.copyfile("/bin/true", look.program)
        mine = Look(look.bt, look.core, look.program)
    finally:
        look.program.unlink()
        look.program.write_bytes(whole)
    assert any(str(look.program) in text for text in mine.snapshot["truncated"])
    modules = [m for m in mine.snapshot["modules"] if m["code_file"] == str(look.program)]
    assert modules and modules[0]["state"] in ("mismatch", "memory")
    own = [frame for frame in mine.thread["stack"] if frame["library"] == str(look.program)]
    assert own and not any("funcName" in frame for frame in own)


def embedded(look):
    """Names, and nothing else, from the object inside .gnu_debugdata; gdb reads it too."""
    names = [name.split(".")[0] for name in look.names]
    assert "walk" in names and "main" in names
    assert not any(frame.path for frame in look.stacks[int(look.snapshot["mainThread"])]
                   if frame.name == "main")
    gdb(look)


def by_build_id(look):
    """The debug file lies where the distribution puts it."""
    program = look.program
    notes = subprocess.run(["readelf", "-n", program], capture_output=True, text=True).stdout
    build_id = notes.partition("Build ID: ")[2].split()[0]
    place = pathlib.Path("/usr/lib/debug/.build-id") / build_id[:2] / f"{build_id[2:]}.debug"
    if not os.access("/usr/lib" if not place.parents[2].exists() else place.parents[2], os.W_OK):
        pytest.skip("cannot write below /usr/lib/debug")
    assert not oracle.positions({0: [frame for frame in look.stacks[int(
        look.snapshot["mainThread"])] if frame.name and "outer" in frame.name]})
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(f"{program}.debug", place)
    try:
        lines(Look(look.bt, look.core, program))
    finally:
        place.unlink()
        with contextlib.suppress(OSError):
            place.parent.rmdir()


# --- the table ---

class Case(typing.NamedTuple):
    name: str
    recipe: str  # of support/crashers.py, and arguments
    oracle: typing.Callable
    threads: int = 1  # at least


CASES = [
    # real programs
    Case("vim", "vim", gdb),
    Case("redis", "redis", gdb, 7),
    Case("nginx", "nginx", gdb, 17),
    # languages
    Case("cxx", "exception", gdb, 2),
    Case("cxx, clang", "exception-clang", gdb, 2),
    Case("rust", "panic", lines, 2),
    Case("go", "go", behind_the_signal),
    # what is missing or destroyed
    Case("stripped", "stripped 20", gdb, 21),
    Case("nocfi", "nocfi", without_cfi),
    Case("nocfi, clang", "nocfi-clang", without_cfi),
    Case("nocfifp", "nocfifp", without_cfi),
    Case("nocfifp, no leaf", "nocfi-fp", without_cfi),
    Case("nullpc", "nullcall", call_through_null),
    Case("badpc", "ways badjump", jump_to_garbage),
    Case("badpc, data", "ways datajump", gdb_alone),
    Case("smash", "smash", smashed),
    Case("smashssp", "ways smash", stack_protector),
    Case("heap", "ways heap", gdb),
    # stacks of an unusual kind
    Case("sigalt", "sigalt", on_a_stack_of_its_own),
    Case("noret", "noret", never_returns),
    Case("noret, clang", "noret-clang", never_returns),
    Case("ctxs", "contexts", coroutine),
    Case("deep100k", "deep", deep),
    Case("t1000", "threads 1000", thousand),
    # inlined functions and variables
    Case("inl", "inl", lines, 2),
    Case("inlclang", "inlclang", lines, 2),
    Case("vars", "vars", lines),
    Case("varsO2", "varsO2", lines),
    # other C libraries
    Case("musl", "musl 20", musl, 21),
    Case("muslstat", "musl-static 20", musl, 21),
    Case("glibcstat", "static 20", glibc_static, 21),
    # forms of debug information
    Case("dw4", "dw4 20", lines, 21),
    Case("dw5", "dw5 20", lines, 21),
    Case("clangdw5", "clangdw5 20", lines, 21),
    Case("names", "names", lines, 2),
    Case("split", "split", lines, 2),
    Case("splitdwp", "splitdwp", lines, 2),
    Case("gz", "gz", lines, 2),
    Case("dwz", "dwz", lines, 2),
    Case("minidebug", "minidebug", embedded),
    Case("debuglink", "debuglink", lines, 2),
    Case("buildid", "buildid", by_build_id, 2),
    # files that are not what they were
    Case("delbin", "nullderef", replaced),
    Case("trunc", "threads 1000", truncated, 1001),
    # ways to die
    Case("write to NULL", "nullderef", lines),
    Case("write to NULL, clang", "nullderef-clang", gdb),
    Case("assert", "ways assert", gdb),
    Case("divide", "ways divide", gdb),
    Case("kill", "ways kill", gdb),
]
NEED_KERNEL = {"go", "trunc"}
SERVICES = {"vim": lambda folder: crashers.Crashers(folder).vim(), "redis": services.redis,
            "nginx": services.nginx}


def made(dead, name):
    """(core, program) of a real program, in a folder of its own."""
    folder = dead.folder / f"service-{name}"
    folder.mkdir(exist_ok=True)
    folder.chmod(0o755)
    return SERVICES[name](folder)


@pytest.mark.parametrize("case", [pytest.param(case, id=case.name, marks=NEEDS_KERNEL
                                               if case.name in NEED_KERNEL else [])
                                  for case in CASES])
def test_case(dead, bt, monkeypatch, case):
    monkeypatch.setenv("GOTRACEBACK", "crash")
    name, *arguments = case.recipe.split()
    look = Look(bt, *(made(dead, name) if name in SERVICES else dead.core(name, *arguments)))
    assert len(look.stacks) >= case.threads
    assert all(look.stacks.values())
    case.oracle(look)


def test_code_made_at_run_time(dead, bt):
    look = Look(bt, *dead.core("jit"))
    chain("fault ?? run main", look.names)
    assert look.ways[2] in ("emul", "fp")


def test_a_symbol_without_a_size_names_the_code_that_it_leads_to(dead, bt):
    look = Look(bt, *dead.core("musl-ways", "memset"))
    chain("memset die_memset main", look.names)
