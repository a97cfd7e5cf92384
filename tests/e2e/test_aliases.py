"""Variables that lead to the faulting address are annotated, in every thread, and no others."""

import json
import subprocess

import pytest

from support import crashers, kernel

pytestmark = pytest.mark.skipif(not kernel.system_tests_allowed(),
                                reason="the kernel must write the cores: needs root and SYSTEM=1")

BELOW, ABOVE = "points to the faulting address - 0x18", "points to the faulting address + 0x20"
# function, variable: what is said of it
FAULTED = {
    ("use", "record"): BELOW,
    ("use", "name"): ABOVE,
    ("pass", "inner"): BELOW,
    ("pass", "same"): BELOW,
    ("main", "mine"): BELOW,
}
OTHERS = {
    ("watch", "argument"): BELOW,
    ("watch", "watched"): BELOW,
    ("watch", "holder.record"): BELOW,
    ("watch", "number"): "equals the faulting address",
}
# Every NULL pointer of that type in callers, for NULL has no owner.
NULL = {
    ("use", "record"): BELOW,
    ("pass", "inner"): BELOW,
    ("pass", "same"): BELOW,
    ("main", "mine"): BELOW,
    ("main", "unrelated"): BELOW,
}


@pytest.fixture(scope="module")
def dead(tmp_path_factory):
    return crashers.Crashers(tmp_path_factory.mktemp("aliases"))


def aliases(program, core, variables):
    out = core.parent / "snapshot.json"
    run = subprocess.run([program("ptrace"), f"--variables={variables}", "--format=json", "-o", out,
                          "--core", core], capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode in (0, 1), run.stderr
    snapshot = json.loads(out.read_text())
    found = {}
    for note in snapshot["annotations"].get("alias", []):
        frame = snapshot["threads"][note["thread"]]["stack"][note["frame"]]
        found[frame["funcName"], note["variable"]] = note["text"]
    return found


@pytest.mark.parametrize("way", ["readonly", "gone"])
def test_every_way_to_the_address_is_annotated(dead, program, way):
    core, _ = dead.core("aliases", way)
    assert aliases(program, core, "all") == {**FAULTED, **OTHERS}
    assert aliases(program, core, "faulted") == FAULTED


def test_of_null_only_what_was_used_and_passed_on(dead, program):
    core, _ = dead.core("aliases", "null")
    assert aliases(program, core, "all") == NULL
