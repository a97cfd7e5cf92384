"""Names as the language writes them, of real programs of its compiler."""

import pytest

from support import crashers, oracle


@pytest.fixture(scope="module")
def dead(tmp_path_factory):
    return crashers.Crashers(tmp_path_factory.mktemp("languages"))


def test_d(dead, program):
    crashers.RECIPES["d"] = ("gdc", "classes.d", ["-g", "-O0"])
    core, _ = dead.core("d")
    snapshot = oracle.our_snapshot(program("bt"), "--core", core)
    thread = snapshot["threads"][snapshot["mainThread"]]
    names = [frame.get("funcName") for frame in thread["stack"] if frame.get("unwind") != "tail"]
    deref = "classes.deref!(classes.Node).deref(classes.Node, int)"
    assert names[:4] == [deref] * 4
    assert names[4:9] == ["classes.Box!(classes.Node).Box.read()", "classes.Reader.visit(classes.Node)",
                          "classes.main().inner(int)", "classes.walk(scope int(int) delegate)", "D main"]
    assert names[-3:] == ["__libc_start_call_main", "__libc_start_main", "_start"]
