#!/usr/bin/python3
"""Whole snapshots, with the variables of all threads and the analysis: what ptrace costs and how large
the files become, beside gdb's `thread apply all bt full`.

Processor time is that of the whole process as the kernel counted it, with an empty index cache; page
cache warm, medians; anonymous memory is of a run of its own. A figure counts only when the numbers and
pointers that gdb prints for local variables are ours, too, but for one in a hundred; where gdb takes
too long or has no values, the line says so.

CASES: names of those to run; RUNS: of ptrace (5); PATIENCE: seconds that gdb gets (600); GDB=none: leave
it out."""

import json
import os
import pathlib
import re
import shutil
import sys
import tempfile
import typing

from measuring import BT, chosen, corpus, measure
from support import values

RUNS = int(os.environ.get("RUNS", "5"))
PATIENCE = int(os.environ.get("PATIENCE", "600"))
PTRACE = BT.with_name("ptrace")
FULL = ["--variables=all"]


class Case(typing.NamedTuple):
    title: str
    corpus: str
    flags: list
    # At most: s of processor time, part of gdb's, bytes of the snapshot, MB of anonymous memory.
    seconds: float | None = None
    gdb: float | None = None
    bytes: int | None = None
    anonymous: float | None = None


CASES = {
    "values-headline": Case("1.8 GB of DWARF, 17 threads", "headline", FULL, seconds=0.61,
                            gdb=1 / 150, anonymous=64),
    "values-vim": Case("vim", "vim", FULL, seconds=0.05, bytes=7_000),
    "values-threads": Case("1,001 threads", "threads", FULL, seconds=0.3, bytes=300_000),
    "values-deep": Case("131,000 frames, 256 with variables", "descended", [*FULL, "--depth=0"],
                        seconds=1, anonymous=256),
    "values-deep-all": Case("131,000 frames, variables until the budget ends", "descended",
                            [*FULL, "--depth=0", "--max-frames=0"], seconds=2, anonymous=256),
}


CORPUS = {**corpus.CASES, "descended": lambda: corpus.descended(131_000)}


# --- are the values right? ---

THREAD = re.compile(r"^Thread \d+ .*\(LWP (\d+)\)")
FRAME = re.compile(r"^#\d+ +(?:0x[0-9a-f]+ in )?(.+?) \(")
PLAIN = re.compile(r"^        (\w+) = ((?:-?\d+|0x[0-9a-f]+)(?: .*)?)$")


def gdb_values(text):
    """{tid: [(function, [(name, text), ...]), ...]} of `thread apply all bt full`: plain values."""
    threads, frames = {}, []
    for line in text.splitlines():
        if found := THREAD.match(line):
            frames = threads.setdefault(found[1], [])
        elif found := FRAME.match(line):
            frames.append((found[1], []))
        elif frames and (found := PLAIN.match(line)):
            frames[-1][1].append((found[1], found[2]))
    return threads


def compared(snapshot, text):
    """(equal, total) of gdb's plain values of the frames that have variables with us."""
    equal = total = 0
    for tid, theirs in gdb_values(text).items():
        stack = snapshot["threads"].get(tid, {}).get("stack", [])
        mine = [frame for frame in stack if frame.get("unwind") != "tail"]
        for function, found in theirs:
            at = next((i for i, frame in enumerate(mine[:64])
                       if values.base(frame.get("funcName")) == values.base(function)), None)
            if at is None:
                continue
            ours = {(v["name"], v.get("value")) for v in mine[at].get("variables", [])}
            del mine[:at + 1]
            if ours:
                total += len(found)
                equal += sum(pair in ours for pair in found)
    return equal, total


# --- the runs ---

def gdb_cost(program, core):
    return measure.run(["gdb", "-nx", "-batch", "-iex", "set debuginfod enabled off",
                        "-iex", "set charset ASCII", "-ex", "set print entry-values no",
                        "-ex", "thread apply all bt full", program, core], PATIENCE)


def ptrace_costs(case, core, folder):
    """The median Cost, the size of the file, MB of anonymous memory, and the document."""
    out = pathlib.Path(folder) / "out.btt"
    argv = [PTRACE, *case.flags, "-L", "ERROR", "-o", out, "--core", core]
    cost = measure.median([measure.run(argv, 300) for _ in range(RUNS)])
    size = out.stat().st_size
    anonymous = measure.anonymous_megabytes(argv)
    measure.run([*argv, "--format=json"], 300)
    return cost, size, anonymous, json.loads(out.read_text())


def missed(case, cost, size, anonymous, gdb):
    for name, value, limit in (("time", cost.seconds, case.seconds), ("bytes", size, case.bytes),
                               ("memory", anonymous, case.anonymous)):
        if limit and value > limit:
            yield f"{name} ({value:.3g}, at most {limit:g})"
    if case.gdb and gdb and cost.seconds > case.gdb * gdb.seconds:
        yield f"part of gdb (1/{gdb.seconds / cost.seconds:.0f}, at most 1/{1 / case.gdb:.0f})"


def run_case(name):
    case = CASES[name]
    core, program = CORPUS[case.corpus]()
    with tempfile.TemporaryDirectory() as folder:
        cost, size, anonymous, document = ptrace_costs(case, core, folder)
    # gdb takes minutes for all values of a deep stack, and has nothing to say of what has no
    # debug information.
    wants_gdb = case.gdb and os.environ.get("GDB") != "none"
    gdb = gdb_cost(program, core) if wants_gdb else None
    equal, total = compared(document, gdb.output) if gdb else (0, 0)
    wrong = total and equal < 0.99 * total
    frames = sum("variables" in frame for thread in document["threads"].values()
                 for frame in thread["stack"])
    above = ", ".join(missed(case, cost, size, anonymous, gdb))
    shown = f"{gdb.seconds:.1f} s, 1/{gdb.seconds / cost.seconds:.0f}" if gdb else ""
    told = f"{equal} of {total}" + (": figure void" if wrong else "") if gdb else ""
    print(f"| {name}: {case.title} | {cost.seconds:.3f} s | {anonymous:.1f} MB | {size:,} | "
          f"{frames:,} | {shown} | {told} | {'missed: ' + above if above else 'met'} | "
          f"{os.getloadavg()[0]:.1f} |", flush=True)
    return not wrong


def main():
    names = chosen(CASES)
    if not names:
        return 0
    if not shutil.which("gdb"):
        sys.exit("values.py: needs gdb; install it with: make deps")
    print("| case | ptrace | its anonymous memory | bytes | frames with variables | gdb | "
          "its plain values | targets | load |")
    print("|" + "---|" * 9)
    return 0 if all([run_case(name) for name in names]) else 1


if __name__ == "__main__":
    sys.exit(main())
