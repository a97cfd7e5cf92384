"""Arguments that break the contract of a library function are annotated and end the verdict."""

import json
import re
import subprocess

import pytest

from support import crashers, kernel

pytestmark = pytest.mark.skipif(not kernel.system_tests_allowed(),
                                reason="the kernel must write the cores: needs root and SYSTEM=1")

# way: what the verdict ends with, and all that is annotated; "@" is an address or a number
BROKEN = {
    "memcpy_to": ("memcpy's destination is NULL+0x10 = to->data", []),
    "memcpy_from": ("memcpy's source is NULL = from", []),
    "memcpy_size": ("memcpy's source is @ = from, of 0x5f5e100 bytes, of which only @ are readable",
                    ["memcpy's destination is @ = to->data, of 0x5f5e100 bytes, of which only @ are "
                     "writable"]),
    "memset_size": ("memset's size is -5 = minus, more than there can be", []),
    "strlen": ("strlen's text is NULL = of->text", []),
    "strcpy": ("strcpy's source is NULL = of->text", []),
    "unended": ("strlen's text is @ = page, which has no end before @, not readable", []),
    "strdup": ("strdup's text is NULL = of->text", []),
    "fputs": ("fputs's stream is NULL = of->log", []),
    "lock": ("pthread_mutex_lock's mutex is NULL+0x50", []),
}


@pytest.fixture(scope="module")
def dead(tmp_path_factory):
    return crashers.Crashers(tmp_path_factory.mktemp("constraints"))


def snapshot_of(program, core):
    out = core.parent / "snapshot.json"
    run = subprocess.run([program("ptrace"), "--format=json", "-o", out, "--core", core],
                         capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode in (0, 1), run.stderr
    return json.loads(out.read_text())


def constraints(snapshot):
    notes = snapshot["annotations"].get("constraint", [])
    return notes if isinstance(notes, list) else [notes]


def matches(text, wanted):
    return re.fullmatch(re.escape(wanted).replace("@", "0x[0-9a-f]+"), text)


@pytest.mark.parametrize("name", ["constraints", "constraints-clang"])
@pytest.mark.parametrize("way", BROKEN)
def test_a_broken_contract_is_told(dead, program, name, way):
    core, _ = dead.core(name, way)
    snapshot = snapshot_of(program, core)
    end, others = BROKEN[way]
    verdict = snapshot["attributes"]["verdict"]
    assert matches(verdict.partition("): ")[2], end), verdict
    notes = constraints(snapshot)
    assert len(notes) == 1 + len(others), notes
    for wanted in [end, *others]:
        note, = (note for note in notes if matches(note["text"], wanted))
        frame = snapshot["threads"][note["thread"]]["stack"][note["frame"]]
        assert frame["funcName"] == f"die_{way}"
        if " = " in wanted:
            assert note["variable"] == wanted.partition(" = ")[2].partition(",")[0]


@pytest.mark.parametrize("way", [*BROKEN, "qsort", "good"])
def test_nothing_wrong_is_said_of_optimised_code(dead, program, way):
    core, _ = dead.core("constraints-O2", way)
    end, others = BROKEN.get(way, ("", []))
    for note in constraints(snapshot_of(program, core)):
        # Names may be missing here.
        text = re.sub(r" = [^,]*", "", note["text"])
        assert any(matches(text, re.sub(r" = [^,]*", "", wanted)) for wanted in [end, *others])


def test_calls_that_are_as_they_must_be_have_no_annotation(dead, program):
    core, _ = dead.core("constraints", "good")
    assert constraints(snapshot_of(program, core)) == []
