"""Cores, programs and debug files that are damaged at random or shrink while they are read: bt and
ptrace never crash, hang or take much memory. SOAK=SECONDS does the first of these for that long,
SEED=NUMBER repeats a run; both are printed."""

import os
import pathlib
import random
import subprocess
import threading
import time

import pytest

from support import crashers, damage, kernel

SOAK = float(os.environ.get("SOAK", "0"))
SEED = os.environ.get("SEED") or str(random.randrange(1 << 32))
ROUNDS = 25  # of each case when it is no soak

# Where gdb writes the core it is megabytes of everything; the kernel's is what they are in life.
pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def dead(tmp_path_factory):
    return crashers.Crashers(tmp_path_factory.mktemp("robust"))


@pytest.fixture(scope="session")
def bt(program):
    return os.environ.get("BT") or program("bt")


@pytest.fixture(scope="session")
def sanitized(bt):
    return b"__asan_init" in pathlib.Path(bt).read_bytes()


def separate(program):
    """Moves the debug information of a program into a file of its own."""
    debug = pathlib.Path(f"{program}.debug")
    if not debug.exists():
        subprocess.run(["objcopy", "--only-keep-debug", program, debug], check=True)
        subprocess.run(["objcopy", "--strip-all", f"--add-gnu-debuglink={debug}", program],
                       check=True)
    return debug


CASES = ["cxx", "clangdw5", "nocfi", "nocfifp", "smash", "contexts", "rust", "go", "musl-static",
         "stripped"]


@pytest.mark.parametrize("name", CASES)
def test_damaged_files_do_no_harm(dead, bt, sanitized, monkeypatch, name):
    monkeypatch.setenv("GOTRACEBACK", "crash")
    core, program = dead.core({"cxx": "exception", "clangdw5": "exception-clang",
                               "rust": "panic"}.get(name, name))
    files = [core, program]
    if name == "cxx":
        files.append(separate(program))
    damage.batter([bt, "-v", "--core", core], files, f"{name}-{SEED}", SOAK / len(CASES),
                  0 if SOAK else ROUNDS, sanitized)


# --- files that shrink ---

def shrink_at(function, bt, core, victim, size):
    """(exit status, output) of a bt under whose hands the file is cut when it comes there."""
    result = crashers.gdb("-ex", "set startup-with-shell off", "-ex", "set follow-fork-mode child", "-ex", "set breakpoint pending on",
                          "-ex", "handle SIGBUS nostop noprint pass", "-ex", f"break {function}",
                          "-ex", "run", "-ex", f"shell truncate -s {size} {victim}",
                          "-ex", "delete", "-ex", "continue", "-ex",
                          "python print('status', gdb.parse_and_eval('$_exitcode'))", "--args", bt,
                          "--core", str(core))
    assert f"in {function} (" in result.stdout or f", {function} (" in result.stdout, result.stdout
    assert "status " in result.stdout, result.stdout + result.stderr
    return int(result.stdout.rpartition("status ")[2].split()[0]), result.stdout


@pytest.mark.parametrize("function,which", [("csn_engine_snapshot", "core"),
                                            ("csn_engine_walk_threads", "core"),
                                            ("csn_lookup_sources", "program"),
                                            ("csn_dwarf_locate", "program")])
def test_a_file_that_shrinks_while_it_is_read_is_told(bt, tmp_path, function, which):
    own = crashers.Crashers(tmp_path)
    core, program = own.core("exception")
    status, output = shrink_at(function, bt, core, {"core": core, "program": program}[which], 4096)
    assert status == 1
    assert "not whole: a file became shorter while it was read" in output


def test_files_that_shrink_at_any_time_do_no_harm(bt, tmp_path):
    own = crashers.Crashers(tmp_path)
    core, program = own.core("exception")
    wholes = {path: path.read_bytes() for path in (core, program)}
    done, rng = threading.Event(), random.Random(SEED)

    def cut():
        while not done.is_set():
            path = rng.choice(list(wholes))
            with open(path, "r+b") as file:
                file.truncate(rng.randrange(len(wholes[path])))
                time.sleep(rng.uniform(0, 0.004))
                file.seek(0)
                file.write(wholes[path])

    thread = threading.Thread(target=cut)
    thread.start()
    try:
        runs = [damage.run_limited([bt, "--core", core]) for _ in range(60)]
    finally:
        done.set()
        thread.join()
    assert {run.status for run in runs} <= {0, 1, 2}, SEED
    assert max(run.seconds for run in runs) < damage.CPU_SECONDS
    print(f"{sum('became shorter' in run.output for run in runs)} of {len(runs)} runs noticed")
