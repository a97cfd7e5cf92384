#!/usr/bin/python3
"""bt against gdb and eu-stack on cores where walking is the work: many threads, a deep stack, vim,
a C++ exception.

Each run is a process of its own; processor time and peak memory are those the kernel counted for
it. Page cache warm, index cache empty, medians; runs alternate. A figure counts only when our
program counters are those of gdb in every thread; otherwise the line says so and the exit status
is 1."""

import os
import pathlib
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/e2e"))
from support import crashers, oracle  # noqa: E402

RUNS = int(os.environ.get("RUNS", "5"))
PATIENCE = int(os.environ.get("PATIENCE", "60"))  # seconds that a peer gets
BT = ROOT / "build/stage/opt/backtrace/bin/bt"

# name, crasher, arguments, target in seconds of processor time, target in MB; None: none
CASES = [
    ("1,001 threads", "threads", ["1000"], 0.02, 32),
    ("deep stack", "deep", [], 0.05, 32),
    ("vim", None, [], None, 16),
    ("C++ exception", "exception", [], None, 16),
]


# A process of its own, because a child's peak memory begins with that of its parent.
MEASURE = """
import os, sys
pid = os.fork()
if pid == 0:
    os.dup2(os.open(os.devnull, os.O_RDWR), 2)
    os.execvp(sys.argv[1], sys.argv[1:])
usage = os.wait4(pid, 0)[2]
print(usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, file=sys.stderr)
"""


def measure(argv, folder):
    """(processor seconds, MB, output); None when it took too long."""
    with open(folder / "out", "w+") as out, tempfile.TemporaryDirectory() as cache:
        child = subprocess.Popen(["/usr/bin/python3", "-S", "-E", "-c", MEASURE, *map(str, argv)],
                                 stdout=out, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
                                 text=True, env={**os.environ, "XDG_CACHE_HOME": cache},
                                 start_new_session=True)
        try:
            seconds, megabytes = child.communicate(timeout=PATIENCE)[1].split()
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.communicate()
            return None
        out.seek(0)
        return float(seconds), float(megabytes), out.read()


def series(argv, folder, runs):
    done = []
    for _ in range(runs):
        got = measure(argv, folder)
        if got is None:
            return None
        done.append(got)
        if got[0] > 5:
            break
    return (statistics.median(run[0] for run in done), statistics.median(run[1] for run in done),
            done[-1][2])


def frames_agree(core, program, gdb_text):
    """Our physical counters are gdb's. Of a deep stack gdb's printed one is taken: its scripting
    is too slow."""
    ours = oracle.counters(oracle.our_frames(oracle.our_snapshot(BT, "--core", core)))
    if max(len(pcs) for pcs in ours.values()) > 10000:
        theirs = [int(pc, 16) for pc in re.findall(r"^#[1-9]\d*\s+(0x[0-9a-f]+) in", gdb_text, re.M)]
        return next(iter(ours.values()))[1:] == theirs
    return ours == oracle.counters(oracle.gdb_frames(program, core))


def show(found):
    return f"> {PATIENCE} s" if found is None else f"{found[0]:.3f} s {found[1]:.0f} MB"


def run_case(case, dead, folder):
    name, crasher, arguments, seconds, megabytes = case
    core, program = dead.core(crasher, *arguments) if crasher else dead.vim()
    ours = series([BT, "--depth=0", "--core", core], folder, RUNS)
    gdb = series(["gdb", "-nx", "-batch", "-iex", "set debuginfod enabled off", "-ex",
                  "set backtrace past-main on", "-ex", "thread apply all bt", program, core],
                 folder, RUNS)
    eu_stack = series(["eu-stack", "-n", "0", "--core", core, "-e", program], folder, RUNS)
    agree = gdb is not None and frames_agree(core, program, gdb[2])
    ratio = f"1/{gdb[0] / ours[0]:.0f} of gdb" if gdb and ours[0] else ""
    met = [text for text, target, value in (("time", seconds, ours[0]), ("memory", megabytes, ours[1]))
           if target and value > target]
    print(f"| {name} | {show(ours)} | {show(gdb)} | {show(eu_stack)} | {ratio} | "
          f"{'equal' if agree else 'NOT EQUAL: figure void'} | "
          f"{'missed: ' + ', '.join(met) if met else 'met'} |", flush=True)
    return agree


def main():
    if not shutil.which("gdb") or not shutil.which("eu-stack"):
        sys.exit("unwind.py: needs gdb and eu-stack; install them with: make deps")
    print("| core | bt | gdb | eu-stack | ratio | frames against gdb | target |")
    print("|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        dead = crashers.Crashers(pathlib.Path(folder))
        agreed = [run_case(case, dead, pathlib.Path(folder)) for case in CASES]
    return 0 if all(agreed) else 1


sys.exit(main())
