"""Every thread's program counters against gdb's, on real crashes of real programs."""

import pytest

from support import crashers, oracle


@pytest.fixture(scope="module")
def dead(tmp_path_factory):
    return crashers.Crashers(tmp_path_factory.mktemp("crashers"))


@pytest.fixture(scope="session")
def bt(program):
    return program("bt")


def compare(bt, core, executable):
    ours = oracle.our_frames(oracle.our_snapshot(bt, "--core", core))
    theirs = oracle.gdb_frames(executable, core)
    assert oracle.counters(ours) == oracle.counters(theirs)
    return ours


# name, arguments, at least so many threads
CASES = [
    ("nullderef", [], 1),
    ("nullderef-clang", [], 1),
    ("nullcall", [], 1),
    ("sigalt", [], 1),
    ("exception", [], 2),
    ("exception-clang", [], 2),
    ("panic", [], 2),
    ("stripped", ["20"], 21),
    ("threads", ["1000"], 1001),
    ("ways", ["assert"], 1),
    ("ways", ["badjump"], 1),
    ("ways", ["datajump"], 1),
    ("ways", ["divide"], 1),
    ("ways", ["kill"], 1),
]


@pytest.mark.parametrize("name,arguments,threads", CASES, ids=[f"{c[0]}{'-'.join(['', *c[1]])}"
                                                              for c in CASES])
def test_counters_are_those_of_gdb(dead, bt, name, arguments, threads):
    core, executable = dead.core(name, *arguments)
    ours = compare(bt, core, executable)
    assert len(ours) >= threads
    assert all(len(frames) >= 1 for frames in ours.values())


def test_counters_of_vim_are_those_of_gdb(dead, bt):
    core, executable = dead.vim()
    compare(bt, core, executable)
