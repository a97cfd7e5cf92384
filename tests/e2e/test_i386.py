"""32-bit programs on a 64-bit kernel: their cores, live ones, and their true stacks step by step."""

import json
import os
import pathlib
import shutil
import struct
import subprocess

import pytest

from support import capture, crashers, oracle

ROOT = pathlib.Path(__file__).resolve().parents[2]
STEPPER = ROOT / "build/tests/step/stepper"
SAMPLE = ROOT / "tests/step/sample.c"

# Some installations of the 32-bit compiler have the kernel's headers only for 64 bits.
M32 = ["-m32", "-idirafter", "/usr/include/x86_64-linux-gnu", "-pthread", "-D_GNU_SOURCE", "-w"]
NO_CFI = ["-fno-asynchronous-unwind-tables", "-fno-unwind-tables", "-Wl,--no-eh-frame-hdr",
          "-fcf-protection=none"]


def compiles(compiler):
    return shutil.which(compiler) and subprocess.run(
        [compiler, *M32, "-x", "c", "-o", os.devnull, "-"], input="int main(void) { return 0; }\n",
        text=True, capture_output=True).returncode == 0


pytestmark = pytest.mark.skipif(not compiles("gcc"), reason="gcc -m32 links no program here")

for pie, flags in (("pie", ["-fpie", "-pie"]), ("nopie", ["-fno-pie", "-no-pie"])):
    for level in ("O0", "O2"):
        for name in ("nullderef", "nullcall", "noret", "sigalt", "threads"):
            crashers.RECIPES[f"i386-{name}-{level}-{pie}"] = (
                "gcc", f"{name}.c", [*M32, f"-{level}", "-g", *flags])
    crashers.RECIPES[f"i386-nocfi-{pie}"] = (
        "gcc", "nocfi.c", [*M32, "-O1", "-fomit-frame-pointer", *flags, *NO_CFI])
    crashers.RECIPES[f"i386-nocfifp-{pie}"] = (
        "gcc", "nocfi.c", [*M32, "-O1", "-fno-omit-frame-pointer", *flags, *NO_CFI])
    for name in ("nocfi", "nocfifp"):
        crashers.FINISH[f"i386-{name}-{pie}"] = crashers.FINISH["nocfi"]
crashers.RECIPES["i386-siginfo"] = ("gcc", "sigalt.c", [*M32, "-O1", "-g", "-DFLAGS=SA_SIGINFO"])
crashers.RECIPES["i386-ways"] = ("gcc", "ways.c", [*M32, "-O1", "-g", "-fstack-protector-all"])
crashers.RECIPES["i386-clang"] = ("clang", "nullderef.c", [*M32, "-O2", "-g"])
crashers.RECIPES["i386-sleeper"] = ("gcc", "sleeper.c", [*M32, "-O1", "-g"])
crashers.RECIPES["i386-inlined"] = ("gcc", "inlined.c", [*M32, "-O2", "-gdwarf-5"])


@pytest.fixture(scope="module")
def dead(tmp_path_factory):
    return crashers.Crashers(tmp_path_factory.mktemp("i386"))


@pytest.fixture(scope="session")
def bt(program):
    return program("bt")


def faulting(snapshot):
    return snapshot["threads"][snapshot["mainThread"]]


def names_of(thread):
    return [frame.get("funcName", "??").split("(")[0] for frame in thread["stack"]]


CASES = [(f"i386-{name}-{level}-{pie}", ["12"] if name == "threads" else [])
         for name in ("nullderef", "nullcall", "noret", "sigalt", "threads")
         for level in ("O0", "O2") for pie in ("pie", "nopie")]
CASES += [("i386-siginfo", []), ("i386-clang", []), ("i386-inlined", []),
          ("i386-ways", ["badjump"]), ("i386-ways", ["divide"]), ("i386-ways", ["readonly"])]


@pytest.mark.parametrize("name,arguments", CASES, ids=["-".join([c[0], *c[1]]) for c in CASES])
def test_counters_are_those_of_gdb(dead, bt, name, arguments):
    core, executable = dead.core(name, *arguments)
    snapshot = oracle.our_snapshot(bt, "--core", core)
    ours = oracle.our_frames(snapshot)
    theirs = oracle.gdb_frames(executable, core)
    assert snapshot["arch"]["name"] == "i386"
    assert oracle.counters(ours) == oracle.counters(theirs)
    assert faulting(snapshot)["unwind_end"] == "outermost frame"


@pytest.mark.parametrize("name,verdict", [
    ("i386-nullderef-O2-pie", "write to NULL+0xc in session_close"),
    ("i386-nullcall-O2-nopie", "jump to NULL in dispatch"),
    ("i386-sigalt-O2-pie", "SIGABRT raised by the process itself in handler"),
])
def test_the_fault_is_understood(dead, bt, name, verdict):
    core, _ = dead.core(name)
    assert oracle.our_snapshot(bt, "--core", core)["attributes"]["verdict"].startswith(verdict)


@pytest.mark.parametrize("name", ["i386-sigalt-O0-pie", "i386-siginfo"])
def test_both_kinds_of_signal_frames_are_told(dead, bt, name):
    core, _ = dead.core(name)
    thread = faulting(oracle.our_snapshot(bt, "--core", core))
    assert [bool(frame.get("signal_frame")) for frame in thread["stack"]].count(True) == 1
    assert {"handler", "touch", "main"} <= set(names_of(thread))


@pytest.mark.parametrize("name", ["nocfi", "nocfifp"])
@pytest.mark.parametrize("pie", ["pie", "nopie"])
def test_code_without_unwind_information(dead, bt, name, pie):
    core, _ = dead.core(f"i386-{name}-{pie}")
    thread = faulting(oracle.our_snapshot(bt, "--core", core))
    assert names_of(thread)[:5] == ["leaf", "level3", "level2", "level1", "main"]
    assert {frame["unwind"] for frame in thread["stack"][1:5]} == {"emul"}
    assert thread["unwind_end"] == "outermost frame"


def test_a_live_program_is_read_like_its_core(dead, bt):
    process = dead.start_sleeper(3, dead.build("i386-sleeper"))
    try:
        snapshot = oracle.our_snapshot(bt, process.pid)
        theirs = oracle.gdb_frames("-p", process.pid)
    finally:
        process.kill()
        process.wait()
    assert snapshot["arch"]["name"] == "i386"
    assert len(snapshot["threads"]) == 4
    assert oracle.counters(oracle.our_frames(snapshot)) == oracle.counters(theirs)


def parts(core):
    """Bytes of memory in an ELF32 core."""
    data = core.read_bytes()
    offset, = struct.unpack_from("<I", data, 28)
    count, = struct.unpack_from("<H", data, 44)
    rows = [struct.unpack_from("<IIIIIIII", data, offset + 32 * i) for i in range(count)]
    return sum(row[4] for row in rows if row[0] == 1)


@pytest.mark.system
@pytest.mark.parametrize("name,arguments,threads", [("threads", ["12"], 13), ("sigalt", [], 1)])
def test_the_archive_takes_a_minimal_core_of_a_32_bit_program(dead, bt, program, name, arguments,
                                                              threads):
    whole, executable = dead.core(f"i386-{name}-O2-pie", *arguments)
    with capture.new_spool(program) as spool:
        spool.crash([executable, *arguments])
        spool.wait_for(lambda: "/pending/" in spool.log)
        core, = spool.pending.iterdir()
        snapshot = oracle.our_snapshot(bt, "--core", core)
        theirs = oracle.gdb_frames(executable, core)
        assert parts(core) < parts(whole)
    assert len(theirs) == threads
    assert oracle.counters(oracle.our_frames(snapshot)) == oracle.counters(theirs)
    assert names_of(faulting(snapshot)) == names_of(faulting(oracle.our_snapshot(bt, "--core", whole)))


def percent(right, asked):
    return 100 * right / max(asked, 1)


# Hand-written functions of the 32-bit C library describe their pushes wrongly or not at all; of the
# program's own code all is known. Stripped, a function that clang -Os aligned to nothing and that is
# called through a pointer has no start that could be told.
SETS = {
    "cfi": ([], None, 95, 100),
    "no-cfi": (NO_CFI, ["objcopy", "--remove-section", ".eh_frame"], 95, 99),
    "no-cfi-stripped": (NO_CFI, ["objcopy", "--remove-section", ".eh_frame", "--strip-all"], 95, 90),
}


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
@pytest.mark.parametrize("kind", SETS)
def test_the_stack_is_found_at_any_instruction(tmp_path, compiler, kind):
    if not compiles(compiler):
        pytest.skip(f"{compiler} -m32 links no program here")
    flags, strip, least, least_own = SETS[kind]
    for seed, optimize in enumerate(["-O0", "-O2", "-Os", "-O2 -fno-pie -no-pie"]):
        program = tmp_path / f"sample{seed}"
        subprocess.run([compiler, *M32, *optimize.split(), *flags, "-o", program, SAMPLE],
                       check=True)
        if strip:
            subprocess.run([*strip, program], check=True)
        result = subprocess.run([STEPPER, str(seed), "10", "1000", "0", program, "12"],
                                capture_output=True, text=True, timeout=100)
        assert result.returncode == 0 and "cannot decode" not in result.stderr, result.stderr
        found = json.loads(result.stdout)
        everywhere = percent(found["right"], found["asked"])
        own = percent(found["right_own"], found["asked_own"])
        print(f"{compiler} {optimize} {kind}: {everywhere:.2f} % of {found['asked']}, "
              f"own code {own:.2f} % of {found['asked_own']}")
        assert found["asked_own"] > 100
        assert everywhere >= least and own >= least_own, json.dumps(found["wrong"], indent=1)


