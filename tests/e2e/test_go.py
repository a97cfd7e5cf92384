"""Go programs by their own line table: the same stacks with debug information, without it and
stripped; the runtime's own traceback is the second opinion."""

import pathlib
import subprocess

import pytest

from support import crashers, kernel, oracle

pytestmark = pytest.mark.skipif(not kernel.system_tests_allowed(),
                                reason="needs the kernel's core: root and SYSTEM=1")

VARIANTS = {"full": [], "w": ["-ldflags=-w"], "sw": ["-ldflags=-s -w"], "stripped": [],
            "pie": ["-buildmode=pie"], "pie-sw": ["-buildmode=pie", "-ldflags=-s -w"]}
LINE = {line.strip(): number for number, line in enumerate(
    (crashers.SOURCES / "fault.go").read_text().splitlines(), 1)}


@pytest.fixture(scope="module")
def dead(tmp_path_factory):
    return crashers.Crashers(tmp_path_factory.mktemp("go"))


@pytest.fixture(scope="session")
def bt(program):
    return program("bt")


@pytest.fixture(autouse=True)
def dies_with_a_core(monkeypatch):
    monkeypatch.setenv("GOTRACEBACK", "crash")


def core_of(dead, source, variant):
    name = f"{source.partition('.')[0]}-{variant}"
    crashers.RECIPES[name] = ("go", source, VARIANTS[variant])
    program = dead.build(name)
    if variant == "stripped":
        subprocess.run(["strip", program], check=True)
    core, _ = dead.core(name)
    return core, program


def stack(bt, core, *arguments):
    """(kind, function, file, line) of the faulting thread, and the thread."""
    snapshot = oracle.our_snapshot(bt, "--core", core, *arguments)
    thread = snapshot["threads"][snapshot["mainThread"]]
    sources = {number: source["path"] for number, source in snapshot.get("sourceCode", {}).items()}
    frames = []
    for frame in thread["stack"]:
        path = sources.get(frame.get("sourceCode"))
        frames.append(("inline" if frame.get("inlined") else "physical", frame.get("funcName"),
                       path and pathlib.Path(path).name, frame.get("line")))
    return frames, thread


def expected_of_fault():
    at = {"fault": LINE["return p.value"], "deref": LINE["return deref(depth-1, p) + 1"],
          "main": LINE["println(deref(5, nil))"]}
    frames = [("physical", "main.deref", "fault.go", at["fault"])]
    frames += [("physical", "main.deref", "fault.go", at["deref"])] * 5
    return frames + [("physical", "main.main", "fault.go", at["main"])]


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_fault_is_behind_the_signal(dead, bt, variant):
    core, _ = core_of(dead, "fault.go", variant)
    frames, thread = stack(bt, core)
    names = [frame[1] for frame in frames]
    at = names.index("main.deref")
    assert frames[at:at + 7] == expected_of_fault(), frames
    assert [name for name in names[at + 7:]] == ["runtime.main", "runtime.goexit"]
    assert "runtime.sigpanic" in names[:at] and None in names[:at]
    assert thread["unwind_end"] == "outermost frame"
    kinds = {frame.get("unwind") for frame in thread["stack"][1:]}
    assert kinds == {"cfi", "inline"}, kinds


@pytest.mark.parametrize("variant", VARIANTS)
def test_stacks_are_those_of_the_debug_information(dead, bt, variant):
    core, _ = core_of(dead, "fault.go", "full")
    whole, _ = stack(bt, core)
    core, _ = core_of(dead, "fault.go", variant)
    assert stack(bt, core)[0] == whole


def test_no_thread_goes_on_where_the_runtime_left_the_stack(dead, bt):
    core, _ = core_of(dead, "fault.go", "sw")
    snapshot = oracle.our_snapshot(bt, "--core", core)
    ends = {"runtime.mstart", "runtime.goexit", "runtime.mcall", "runtime.rt0_go"}
    for tid, thread in snapshot["threads"].items():
        assert thread["stack"][-1].get("funcName") in ends, (tid, thread["stack"][-1])
        assert all(frame.get("unwind") in (None, "cfi", "inline") for frame in thread["stack"])


@pytest.mark.parametrize("variant", ["full", "sw", "pie-sw"])
def test_behind_c_code_comes_the_goroutine_that_called_it(dead, bt, variant):
    core, _ = core_of(dead, "cgo.go", variant)
    frames, thread = stack(bt, core)
    names = [frame[1] for frame in frames]
    at = names.index("runtime.asmcgocall")
    assert names[at:] == ["runtime.asmcgocall", "runtime.cgocall", "main._Cfunc_outer", "main.callC",
                          "main.main", "runtime.main", "runtime.goexit"]
    assert thread["unwind_end"] == "outermost frame"
    if variant == "full":
        assert names[at - 3:at - 1] == ["crash_here", "outer"]


def test_behind_a_stack_that_is_full_comes_the_recursion(dead, bt):
    core, _ = core_of(dead, "deep.go", "sw")
    names = [frame[1] for frame in stack(bt, core)[0]]
    at = names.index("runtime.morestack")
    assert set(names[at + 1:-3]) == {"main.recurse"} and len(names) - at > 100
    assert names[-3:] == ["main.main", "runtime.main", "runtime.goexit"]


def chains(snapshot):
    """{address looked up: [(function, file, line)]}, innermost inlined function first."""
    sources = {number: source["path"] for number, source in snapshot.get("sourceCode", {}).items()}
    found = {}
    for thread in snapshot["threads"].values():
        chain, exact = [], True
        for frame in thread["stack"]:
            chain.append((frame.get("funcName"), sources.get(frame.get("sourceCode")),
                          frame.get("line")))
            if frame.get("inlined"):
                continue
            if frame.get("funcName"):
                found[int(frame["address"], 16) - (not exact)] = chain
            exact = frame.get("funcName") in (None, "runtime.sigpanic")
            chain = []
    return found


def test_lines_are_those_of_the_debug_information(dead, bt):
    """addr2line reads DWARF; it does not know the names of what Go inlines."""
    core, program = core_of(dead, "fault.go", "full")
    ours = chains(oracle.our_snapshot(bt, "--cache=none", "--core", core))
    assert len(ours) >= 20 and any(len(chain) > 1 for chain in ours.values())
    for address, chain in ours.items():
        lines = subprocess.run(["addr2line", "-e", program, hex(address)], capture_output=True,
                               text=True, check=True).stdout
        path, _, line = lines.partition(":")
        assert chain[0][1:] == (path, int(line.split()[0])), hex(address)
