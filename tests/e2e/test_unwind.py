"""Minimal cores, most memory left out, code and names from the files: they have the frames of whole
ones. (test_cases.py compares whole cores.)"""

import os
import signal
import subprocess
import time

import pytest

from support import capture, crashers, oracle, terminal


@pytest.fixture(scope="module")
def dead(tmp_path_factory):
    return crashers.Crashers(tmp_path_factory.mktemp("crashers"))


@pytest.fixture(scope="session")
def bt(program):
    return program("bt")


@pytest.fixture
def spool(program):
    with capture.new_spool(program) as made:
        yield made


MINIMAL = [("nullderef", [], 1), ("exception", [], 2), ("panic", [], 2), ("threads", ["50"], 51),
           ("nullcall", [], 1), ("overflow", [], 1)]


@pytest.mark.system
@pytest.mark.parametrize("name,arguments,threads", MINIMAL, ids=[case[0] for case in MINIMAL])
def test_a_minimal_core_has_the_frames_of_the_whole_one(dead, bt, spool, name, arguments, threads):
    full = spool.root / "full"
    spool.crash([dead.build(name), *arguments], spool.tee(full), stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL)
    minimal = spool.core()
    spool.wait_for(full.exists)
    ours = oracle.our_frames(oracle.our_snapshot(bt, "--core", minimal.path))
    whole = oracle.our_frames(oracle.our_snapshot(bt, "--core", full))
    assert len(ours) == threads
    if name == "overflow":
        # The stack is longer than what is taken of it: the inner part is there.
        frames, reference = next(iter(ours.values())), next(iter(whole.values()))
        assert 1000 < len(frames) and frames == reference[:len(frames)]
        return
    assert ours == whole
    assert oracle.counters(ours) == oracle.counters(
        oracle.gdb_frames(dead.build(name), minimal.path))


@pytest.mark.system
def test_the_snapshot_of_vim_is_small_and_whole(program, spool, tmp_path):
    full = spool.root / "full"
    with terminal.vim() as pid, spool.installed(spool.tee(full)):
        time.sleep(0.3)
        os.kill(pid, signal.SIGABRT)
        os.waitpid(pid, 0)
    core = spool.core()
    spool.wait_for(full.exists)
    result = subprocess.run([program("ptrace"), "--faulted", "-o", tmp_path / "s", "--load=libc-",
                             "--kv=coresnap.object:" + core.path.name, "--core", core.path],
                            capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    snapshot = oracle.our_snapshot(program("bt"), tmp_path / "s")
    executable = snapshot["attributes"]["process.path"]
    assert oracle.counters(oracle.our_frames(snapshot)) == oracle.counters(
        oracle.gdb_frames(executable, full))
    assert len(snapshot["attributes"]) >= 50
    assert snapshot["uuid"] == core.path.name and snapshot["maps"] and snapshot["modules"]
    assert {"application", "hostname", "uname.machine", "uname.sysname", "uname.release",
            "uname.version", "process.age", "build.id"} <= snapshot["attributes"].keys()
    main = snapshot["threads"][snapshot["mainThread"]]
    assert main["fault"] and all(
        frame["registers"] for frame in oracle.walked(main["stack"]))
    size, whole = (tmp_path / "s").stat().st_size, full.stat().st_size
    assert size <= 5000
    print(f"vim: snapshot {size} bytes, minimal core {core.path.stat().st_size}, whole core {whole}")
