"""Frames of functions that left by a jump, against what the source says and against gdb's."""

import random
import resource
import shutil
import subprocess

import pytest

from support import crashers, oracle

# What stands between end and the thread's start on every way; names in brackets are inlined at a
# jump.
WAYS = {
    "single": "single",
    "several": "last middle several",
    "ambiguous": "last join ambiguous",
    "either": "",
    "even": "",
    "loop": "last loop_inner loop",
    "inlining": "last [inlined_inner] [inlined_outer] inlining",
    "indirect": "",
    "doubtful": "",
    "split": "last split",
    "recursion": "last" + " recursion recursion_step" * 4 + " recursion",
    "through": "library_inner library_step through",
    "back": "library_back back",
}
# Physical frames among them.
CALLERS = ("recursion",)

COMPILERS = [("gcc", "c"), ("clang", "c"), ("g++", "c++"), ("clang++", "c++")]
VARIANTS = [
    ("O2-dw5", ["-O2", "-gdwarf-5"]),
    ("O2-dw4", ["-O2", "-gdwarf-4"]),
    ("O3-dw5", ["-O3", "-gdwarf-5"]),
    ("Os-dw4-nopie", ["-Os", "-gdwarf-4", "-fno-pie", "-no-pie"]),
    ("O2-dw5-noplt", ["-O2", "-gdwarf-5", "-fno-plt", "-Wl,-z,now"]),
]


# What clang makes of some: two jumps out of one; jumps through memory, to nobody knows where.
OTHERS = {"O3-dw5": {"split": "last"}, "O2-dw5-noplt": {"through": "", "back": ""}}


@pytest.fixture(scope="module")
def dead(tmp_path_factory):
    return crashers.Crashers(tmp_path_factory.mktemp("tails"))


@pytest.fixture(scope="session")
def bt(program):
    return program("bt")


def core_of(dead, name, compiler, language, flags):
    """Core and program, which is linked with its library."""
    if not shutil.which(compiler):
        pytest.skip(f"{compiler} is not installed")
    program, library = dead.folder / name, dead.folder / f"lib{name}.so"
    source = ["-x", language, crashers.SOURCES / "tails.c", "-x", "none"]
    kind = [flag for flag in flags if "pie" not in flag]
    subprocess.run([compiler, *kind, "-shared", "-fPIC", "-DLIBRARY", "-o", library, *source],
                   check=True)
    subprocess.run([compiler, *flags, "-pthread", "-o", program, *source, library,
                    f"-Wl,-rpath,{dead.folder}"], check=True)
    crashers.RECIPES[name] = (compiler, "tails.c", flags)
    return dead.core(name)


def ways_of(stacks):
    """{tid: (way, frames between end and the start of the thread)}."""
    ways = {}
    for tid, frames in stacks.items():
        names = [oracle.base_name(frame.name) for frame in frames]
        for at, name in enumerate(names):
            if name and name.startswith("go_") and "end" in names:
                ways[tid] = name.removeprefix("go_"), frames[names.index("end") + 1:at]
    return ways


def gdb_is_blind(compiler, variant, way):
    """Where gdb 13 shows no tail calls: it takes the cold part of a function for one more callee,
    looks for C functions that C++ declares by their parameters too, and passes by all jumps as
    clang tells them in version 5."""
    return (way == "split" or (way in ("through", "back") and "++" in compiler) or
            ("clang" in compiler and "dw5" in variant))


def without(frames, left_out):
    return [frame for frame in frames if frame not in left_out]


def described(frames):
    return " ".join(f"[{name}]" if frame.kind == "inline" else name
                    for frame, name in ((f, oracle.base_name(f.name)) for f in frames))


# Only of gcc, which puts the split parts beside what it makes.
FORMS = [
    ("split-dw5", ["-O2", "-gdwarf-5", "-gsplit-dwarf"]),
    ("split-dw4", ["-O2", "-gdwarf-4", "-gsplit-dwarf"]),
    ("lto", ["-O2", "-g", "-flto"]),
    ("zstd", ["-O2", "-g", "-Wl,--compress-debug-sections=zstd"]),
]
CASES = ([(*compiler, *variant) for compiler in COMPILERS for variant in VARIANTS] +
         [("gcc", "c", *form) for form in FORMS])


@pytest.mark.parametrize("compiler,language,variant,flags", CASES,
                         ids=[f"{case[0]}-{case[2]}" for case in CASES])
def test_functions_that_left_by_a_jump_are_shown(dead, bt, compiler, language, variant, flags):
    core, program = core_of(dead, f"{compiler}-{variant}", compiler, language, flags)
    ours = oracle.our_stacks(oracle.our_snapshot(bt, "--core", core))
    theirs = oracle.gdb_stacks(program, core)
    ways = ways_of(ours)
    others = OTHERS.get(variant, {}) if "clang" in compiler else {}
    assert {way: described(frames) for way, frames in ways.values()} == {**WAYS, **others}
    for tid, (way, frames) in ways.items():
        for frame in frames:
            kind = "physical" if oracle.base_name(frame.name) in CALLERS else "tail"
            assert frame.kind in (kind, "inline") and frame.path and frame.line
        if gdb_is_blind(compiler, variant, way) and not oracle.tail_calls(theirs)[tid]:
            ours[tid] = without(ours[tid], [f for f in frames if f.kind != "physical"])
    assert not oracle.difference(ours, theirs)
    assert oracle.tail_calls(ours) == oracle.tail_calls(theirs)


def maze(seed):
    """C of functions that jump to each other at random, and all the while may jump to the end; each
    is where a thread begins."""
    chance, count = random.Random(seed), 12
    text = ["#include <pthread.h>", "#include <stdlib.h>", "#include <unistd.h>",
            "volatile unsigned state = 1, released;", "static int arrived;",
            "static inline unsigned next(void)",
            "{ return (state = state * 1103515245u + 12345u) >> 16; }",
            "__attribute__((noinline)) static void end(int value)",
            "{ state += value; __atomic_add_fetch(&arrived, 1, 5); while (!released) pause(); }"]
    text += [f"static void f{i}(int value);" for i in range(count)]
    for i in range(count):
        # Mostly on, sometimes back: ways that cross, and ways in circles.
        targets = [chance.choice(["end", *(f"f{k}" for k in range(i + 1, min(i + 4, count)))])]
        for _ in range(chance.choice([0, 0, 1, 1, 2])):
            targets.append(chance.choice([f"f{chance.randrange(count)}", targets[0], "end"]))
        jumps = "else ".join(f"if (next() % 4 < {k + 2}) {target}(value + {k + i}); "
                             for k, target in enumerate(targets[1:]))
        jumps += ("else " if jumps else "") + f"{targets[0]}(value * 3);"
        text.append(f"__attribute__((noinline)) static void f{i}(int value) {{ state++; {jumps} }}")
        text.append(f"__attribute__((noinline)) static void *go_{i}(void *argument) "
                    f"{{ f{i}(state); state++; return argument; }}")
    text.append("int main(void) { pthread_t thread;")
    text += [f"pthread_create(&thread, NULL, go_{i}, NULL);" for i in range(count)]
    text.append(f"while (__atomic_load_n(&arrived, 5) < {count}) usleep(1000); abort(); }}")
    return "\n".join(text)


@pytest.mark.parametrize("seed", range(8))
def test_ways_that_cross_at_random_are_those_of_gdb(dead, bt, seed):
    name = f"maze-{seed}"
    source = dead.folder / f"{name}.c"
    source.write_text(maze(seed))
    subprocess.run(["gcc", "-O2", "-g", "-fno-ipa-icf", "-pthread", "-o", dead.folder / name,
                    source], check=True)
    crashers.RECIPES[name] = ("gcc", source, [])
    core, program = dead.core(name)
    ours = oracle.our_stacks(oracle.our_snapshot(bt, "--core", core))
    theirs = oracle.gdb_stacks(program, core)
    assert not oracle.difference(ours, theirs)
    assert oracle.tail_calls(ours) == oracle.tail_calls(theirs)


def test_more_ways_than_anybody_can_try_take_no_time(dead, bt):
    crashers.RECIPES["maze"] = ("gcc", "maze.c", ["-O2", "-g", "-fno-ipa-icf"])
    core, _ = dead.core("maze")
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    (frames,) = oracle.our_stacks(oracle.our_snapshot(bt, "--core", core)).values()
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before < 1
    assert [frame.name for frame in frames[:3]] == ["die", "last", "main"]


def test_what_an_earlier_run_found_is_the_same(dead, bt, tmp_path):
    core, _ = core_of(dead, "kept", "gcc", "c", ["-O2", "-g"])
    first, second = (oracle.our_snapshot(bt, f"--cache={tmp_path}", "--core", core)
                     for _ in range(2))
    assert described(ways_of(oracle.our_stacks(first)).popitem()[1][1]) in WAYS.values()
    assert oracle.our_stacks(first) == oracle.our_stacks(second)
