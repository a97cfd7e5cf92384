"""Resource limits against what a dying process used."""

import json
import re
import subprocess

import pytest

from support import crashers, kernel

crashers.RECIPES["limits"] = ("g++", "limits.cc", ["-O0", "-g"])

pytestmark = pytest.mark.skipif(not kernel.system_tests_allowed(),
                                reason="the kernel must write the cores: needs root and SYSTEM=1")

# way: classifiers, what is said before the place, the annotation's beginning
WAYS = {
    "memory": ({"abort", "exception", "oom", "limit", "stop"},
               r"uncaught std::bad_alloc, \d+ % of the address space limit used",
               r"address space: \d+ used, limit 268435456"),
    "data": ({"abort", "exception", "oom", "limit", "stop"},
             r"uncaught std::bad_alloc, \d+ % of the data limit used",
             r"data: \d+ used, limit 134217728"),
    "absurd": ({"abort", "exception", "stop"}, "uncaught std::bad_alloc", None),
    "files": ({"abort", "limit", "stop"}, "SIGABRT raised by the process itself",
              "open files: 20 used, limit 20"),
}


@pytest.fixture(scope="module")
def dead(tmp_path_factory):
    return crashers.Crashers(tmp_path_factory.mktemp("limits"))


@pytest.mark.parametrize("way", WAYS)
def test_a_limit_that_was_reached_is_told(dead, spool, program, way):
    classifiers, words, note = WAYS[way]
    spool.crash([dead.build("limits"), way], spool.tee(spool.root / "full"))
    core = spool.core()
    done = subprocess.run([program("bt"), "--json", "--core", core.path], capture_output=True, text=True)
    document = json.loads(done.stdout)
    assert set(document["classifiers"]) == classifiers
    assert re.match(words + " in ", document["attributes"]["verdict"])
    told = document.get("annotations", {}).get("limit")
    assert re.fullmatch(note, told) if note else told is None
