"""Cores of another machine: AArch64 programs that died under qemu, kept packed in tests/cores with
what gdb said of them, and the stacks that are right, written by hand (tests/cores/ways.py)."""

import json
import lzma
import pathlib
import subprocess
import sys

import pytest

from support import oracle

CORES = pathlib.Path(__file__).resolve().parents[1] / "cores"
KEPT = CORES / "aarch64"
sys.path.insert(0, str(CORES))

import ways  # noqa: E402

GDB = json.loads((KEPT / "gdb.json").read_text())
CASES = [(variant, way) for variant, recipe in ways.VARIANTS.items() for way in recipe[3]]
NO_NAMES = [variant for variant, recipe in ways.VARIANTS.items() if "--strip-all" in (recipe[2] or [])]
NO_CFI = [variant for variant in ways.VARIANTS if variant.startswith("nocfi")]


class Dead:
    def __init__(self, folder):
        self.folder = folder
        self.root = folder / "root"
        (self.root / "lib").mkdir(parents=True)
        self.unpack("libvisitor.so", self.root / "lib/libvisitor.so")

    def unpack(self, name, path=None):
        path = path or self.folder / name
        if not path.exists():
            path.write_bytes(lzma.decompress((KEPT / f"{name}.xz").read_bytes()))
        return path

    def core(self, variant, way):
        return self.unpack(f"{variant}.{way}.core"), self.unpack(variant)


@pytest.fixture(scope="module")
def dead(tmp_path_factory):
    return Dead(tmp_path_factory.mktemp("foreign"))


@pytest.fixture(scope="session")
def bt(program):
    return program("bt")


def faulting(snapshot):
    return snapshot["threads"][snapshot["mainThread"]]


def names_of(thread):
    return ways.functions((frame.get("funcName") or "?").split("@")[0] for frame in thread["stack"])


def expected(variant, way):
    """Without debug information there are no inlined functions, without symbols no names."""
    debug = not ways.VARIANTS[variant][2]
    names = [name for name in ways.WAYS[way][1] if debug or name != "inlined"]
    return ["?"] * len(names) if variant in NO_NAMES else names


@pytest.mark.parametrize("variant,way", CASES, ids=[".".join(case) for case in CASES])
def test_stacks_are_those_written_by_hand(dead, bt, variant, way):
    core, program = dead.core(variant, way)
    snapshot = oracle.our_snapshot(bt, "--sysroot", dead.root, "--core", core, program)
    thread = faulting(snapshot)
    assert snapshot["arch"]["name"] == "aarch64"
    assert names_of(thread) == expected(variant, way)
    assert thread["unwind_end"].startswith(ways.WAYS[way][2])
    kinds = {frame.get("unwind") for frame in thread["stack"][1:]} - {"inline", "tail"}
    assert kinds <= ({"emul", "cfi", "fp"} if variant in NO_CFI else {"cfi", "emul"})
    if variant in NO_CFI:
        assert kinds == ({"emul", "cfi"} if way == "signal" else {"emul"})


@pytest.mark.parametrize("name", sorted(GDB))
def test_counters_and_sources_are_those_of_gdb(dead, bt, name):
    variant, way = name.split(".")
    core, program = dead.core(variant, way)
    snapshot = oracle.our_snapshot(bt, "--sysroot", dead.root, "--core", core, program)
    sources = {number: source["path"] for number, source in snapshot.get("sourceCode", {}).items()}
    debug = not ways.VARIANTS[variant][2]
    assert snapshot["threads"].keys() == GDB[name].keys()
    for tid, theirs in GDB[name].items():
        ours = snapshot["threads"][tid]["stack"]
        if debug:
            assert [[int(frame["address"], 16), frame.get("funcName"),
                     sources.get(frame.get("sourceCode")), frame.get("line", 0)]
                    for frame in ours] == [[pc, function, path, line]
                                           for pc, _, function, path, line in theirs]
        else:
            assert ([int(frame["address"], 16) for frame in ours]
                    == [frame[0] for frame in theirs if frame[1] == "physical"])


def test_other_threads_have_their_stacks(dead, bt):
    core, program = dead.core("gcc", "threads")
    snapshot = oracle.our_snapshot(bt, "--core", core, program)
    others = [thread for tid, thread in snapshot["threads"].items() if tid != snapshot["mainThread"]]
    assert sorted(names_of(thread) for thread in others) == sorted(ways.THREADS)
    assert {thread["unwind_end"] for thread in others} == {"outermost frame"}


def test_a_signal_frame_is_told_and_leads_to_the_other_stack(dead, bt):
    for variant in ("gcc", "clang", "pac", "nocfi", "stripped"):
        core, program = dead.core(variant, "signal")
        stack = faulting(oracle.our_snapshot(bt, "--core", core, program))["stack"]
        assert [bool(frame.get("signal_frame")) for frame in stack].count(True) == 1
        assert stack[2]["signal_frame"]


@pytest.mark.parametrize("way,verdict", [
    ("null", "write to NULL+0x18 in leaf (foreign.c:85)"),
    ("nullcall", "jump to NULL in dispatch (foreign.c:115)"),
    ("garbage", "jump to 0x123456000 in dispatch (foreign.c:115)"),
    ("shapes", "SIGABRT in die (foreign.c:69)"),
])
def test_the_fault_is_read_from_the_instruction_when_there_is_no_siginfo(dead, bt, way, verdict):
    core, program = dead.core("gcc", way)
    assert oracle.our_snapshot(bt, "--core", core, program)["attributes"]["verdict"] == verdict


def test_libraries_are_found_through_the_linkers_list_below_the_sysroot(dead, bt, program):
    core, executable = dead.core("dynamic", "library")
    snapshot = oracle.our_snapshot(bt, "--sysroot", dead.root, "--core", core, executable)
    modules = {module["code_file"]: module["state"] for module in snapshot["modules"]}
    assert modules["/lib/libvisitor.so"] == "ok"
    # Without the library its frames have no names, and the walk still comes home.
    snapshot = oracle.our_snapshot(bt, "--core", core, executable)
    assert "/lib/libvisitor.so" not in {module["code_file"] for module in snapshot["modules"]}
    assert names_of(faulting(snapshot))[:4] == ways.NULL
    result = subprocess.run([program("ptrace"), "--sysroot", dead.root, "--core", core, "--format",
                             "json", "-o", dead.folder / "snapshot.json", executable])
    assert result.returncode == 0
    snapshot = json.loads((dead.folder / "snapshot.json").read_text())
    assert names_of(faulting(snapshot)) == ways.WAYS["library"][1]


def test_a_program_that_is_not_the_cores_own_is_not_used(dead, bt):
    core, _ = dead.core("gcc", "null")
    for other in (pathlib.Path("/bin/true"), dead.unpack("dynamic")):
        snapshot = oracle.our_snapshot(bt, "--core", core, other)
        assert set(names_of(faulting(snapshot))) == {"?"}
        assert snapshot["truncated"]
