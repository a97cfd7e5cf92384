"""File, line, function and inline chain of every frame against gdb's, for compilers, optimisation
levels, versions of DWARF, languages and ways to store debug sections."""

import pathlib
import re
import shutil
import subprocess

import pytest

from support import crashers, oracle

LANGUAGES = {"c": ("gcc", "clang", "inlined.c"), "c++": ("g++", "clang++", "inlined.cc")}
VARIANTS = [
    ("O0-dw5", ["-O0", "-gdwarf-5"]),
    ("O2-dw5", ["-O2", "-gdwarf-5"]),
    ("O3-dw4", ["-O3", "-gdwarf-4"]),
    ("O2-dw4-nopie", ["-O2", "-gdwarf-4", "-fno-pie", "-no-pie"]),
    ("Os-dw2-sections", ["-Os", "-gdwarf-2", "-ffunction-sections", "-Wl,--gc-sections"]),
    ("O1-dw3-64bit", ["-O1", "-gdwarf-3", "-gdwarf64"]),
]
STORED = [
    ("zlib", ["-Wl,--compress-debug-sections=zlib"]),
    ("zlib-gnu", ["-Wl,--compress-debug-sections=zlib-gnu"]),
    ("zstd", ["-Wl,--compress-debug-sections=zstd"]),
    ("lto", ["-flto"]),
]


@pytest.fixture(scope="module")
def dead(tmp_path_factory):
    return crashers.Crashers(tmp_path_factory.mktemp("sources"))


@pytest.fixture(scope="session")
def bt(program):
    return program("bt")


def core_of(dead, name, compiler, source, flags):
    if not shutil.which(compiler):
        pytest.skip(f"{compiler} is not installed")
    program = dead.folder / name
    result = subprocess.run([compiler, *flags, "-pthread", "-o", program,
                             crashers.SOURCES / source], capture_output=True, text=True)
    if result.returncode:
        pytest.skip(f"{compiler} cannot: {result.stderr.splitlines()[-1][:100]}")
    crashers.RECIPES[name] = (compiler, source, flags)
    core, _ = dead.core(name)
    return core, program


def stacks(bt, core):
    return oracle.our_stacks(oracle.our_snapshot(bt, "--core", core))


def compare(bt, core, program):
    """Fails where we and gdb differ; how many frames have a source position."""
    ours = stacks(bt, core)
    theirs = oracle.gdb_stacks(program, core)
    assert not oracle.difference(ours, theirs)
    assert not oracle.lost_tails(ours, theirs)
    return oracle.positions(ours)


# Every level with every version and both kinds of program, for C; for C++ what differs.
MATRIX = [(f"{level}-dw{version}-{kind}", [f"-{level}", f"-gdwarf-{version}", *flags])
          for level in ("O0", "O2", "O3", "Os") for version in (4, 5)
          for kind, flags in (("pie", ["-fPIE", "-pie"]), ("nopie", ["-fno-pie", "-no-pie"]))]
CASES = [(language, which, name, flags) for language in LANGUAGES for which in (0, 1)
         for name, flags in (VARIANTS + MATRIX if language == "c" else VARIANTS)]


@pytest.mark.parametrize("language,which,name,flags", CASES,
                         ids=[f"{LANGUAGES[c[0]][c[1]]}-{c[2]}" for c in CASES])
def test_sources_and_inlines_are_those_of_gdb(dead, bt, language, which, name, flags):
    compiler, source = LANGUAGES[language][which], LANGUAGES[language][2]
    core, program = core_of(dead, f"{compiler}-{name}", compiler, source, flags)
    assert compare(bt, core, program) >= 5


@pytest.mark.parametrize("name,flags", STORED, ids=[s[0] for s in STORED])
def test_sources_are_found_however_sections_are_stored(dead, bt, name, flags):
    core, program = core_of(dead, f"stored-{name}", "g++", "inlined.cc", ["-O2", "-g", *flags])
    assert compare(bt, core, program) >= 5


@pytest.mark.parametrize("level", ["0", "2", "3"])
def test_sources_of_rust_are_those_of_gdb(dead, bt, level):
    if not pathlib.Path("/usr/bin/rustc").exists():
        pytest.skip("/usr/bin/rustc is not installed")
    crashers.RECIPES[f"rust-{level}"] = ("rustc", "inlined.rs", ["-g", "-Cpanic=abort",
                                                               f"-Copt-level={level}"])
    core, program = dead.core(f"rust-{level}")
    assert compare(bt, core, program) >= 5


def test_sources_come_from_a_separate_debug_file(dead, bt, tmp_path):
    core, program = core_of(dead, "separate", "g++", "inlined.cc", ["-O2", "-g"])
    whole = stacks(bt, core)
    subprocess.run(["objcopy", "--only-keep-debug", program, f"{program}.debug"], check=True)
    subprocess.run(["strip", "-g", f"--add-gnu-debuglink={program}.debug", program], check=False)
    subprocess.run(["objcopy", "--strip-all", f"--add-gnu-debuglink={program}.debug", program],
                   check=True)
    assert stacks(bt, core) == whole


def test_text_shows_lines_as_gdb_does_and_leaves_them_out_on_request(dead, bt):
    core, _ = core_of(dead, "text", "gcc", "inlined.c", ["-O2", "-g"])
    text = subprocess.run([bt, "--core", core], capture_output=True, text=True).stdout
    assert re.search(r"^#0   touch \(\) at \S*inlined\.c:\d+$", text, re.M), text
    assert re.search(r"^#1   twice \(\) at \S*inlined\.c:30$", text, re.M), text
    assert re.search(r"^#2   0x[0-9a-f]{16} in walk \(\) at \S*inlined\.c:45$", text, re.M), text
    bare = subprocess.run([bt, "--no-source", "--core", core], capture_output=True,
                          text=True).stdout
    # The sentence above the stacks is of the snapshot, and stays.
    assert not re.search(r"^#.*inlined\.c:", bare, re.M) and "touch" in bare
