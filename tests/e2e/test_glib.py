"""Containers of GLib are shown as what was put into them."""

import json
import re
import shutil
import subprocess

import pytest

from support import crashers

EXPECTED = {
    "names": "GList = {[0] = 0xa, [1] = 0x14, [2] = 0x1e, [3] = 0x28}",
    "ring": "GList = {[0] = 0x1, [1] = 0x2, [2] = 0x3, [3] = 0x4, <cycle>}",
    "queue": "GQueue of length 4 = {[0] = 0x1, [1] = 0x2, [2] = 0x3, [3] = 0x4}",
    "lying": "GQueue of length 9 = {[0] = 0x1, [1] = 0x2, [2] = 0x3, [3] = 0x4, <not understood>}",
    "set": "GHashTable with 1 element = {[0] = 0x7}",
    "empty": "GHashTable with 0 elements",
    "rows": "GPtrArray of length 4 = {0x1, 0x2, 0x3, 0x4}",
    "text": '"grown"',
}
TABLE = {"[0x1] = 0x11", "[0x3] = 0x123456789a"}


@pytest.fixture(scope="module")
def dead(tmp_path_factory):
    return crashers.Crashers(tmp_path_factory.mktemp("glib"))


@pytest.fixture(scope="module", params=["gcc -O0", "clang -O0", "gcc -O1"])
def shown(dead, program, request):
    """What bt -v tells of die's variables, and the snapshot."""
    flags = subprocess.run(["pkg-config", "--cflags", "--libs", "glib-2.0"], capture_output=True,
                           text=True) if shutil.which("pkg-config") else None
    if not flags or flags.returncode:
        pytest.skip("libglib2.0-dev is not installed")
    name = "glib-" + request.param.replace(" ", "")
    victim, core = dead.folder / name, dead.folder / f"core-{name}"
    subprocess.run([*request.param.split(), "-g", "-o", victim,
                    crashers.SOURCES / "glib_values.c", *flags.stdout.split()], check=True)
    dead.core_of(core, victim)
    done = subprocess.run([program("bt"), "-v", "--core", core], capture_output=True, text=True)
    [frame] = [f for f in re.split(r"\n#\d+ +", done.stdout) if re.match(r"(0x\w+ in )?die ", f)]
    lines = dict(re.findall(r"^        (\w+) = (.*)$", frame, re.MULTILINE))
    document = json.loads(subprocess.run([program("bt"), "--json", "-v", "--core", core],
                                         capture_output=True, text=True).stdout)
    return lines, document


def test_containers_are_what_was_put_into_them(shown):
    lines, _ = shown
    for name, text in EXPECTED.items():
        assert re.fullmatch(r"0x\w+ -> " + re.escape(text), lines[name]), lines[name]
    title, elements = re.fullmatch(r"0x\w+ -> (.*) = \{(.*)\}", lines["table"]).groups()
    assert title == "GHashTable with 2 elements"
    assert set(elements.split(", ")) == TABLE
    assert lines["nothing"] == "0x0"
    assert lines["single"].endswith("[199] = 0x65...}")


def test_containers_are_parts_of_the_snapshot(shown):
    _, document = shown
    frame = next(f for thread in document["threads"].values() for f in thread["stack"]
                 if f.get("funcName") == "die")
    variables = {v["name"]: v for v in frame["variables"]}
    [whole] = variables["queue"]["target"]
    assert whole["value"].startswith("GQueue of length 4")
