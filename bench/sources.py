#!/usr/bin/python3
"""bt against gdb and eu-stack: programs with much debug information, many libraries, many threads
or a deep stack, and ordinary ones.

Each run is a process of its own; processor time and peak memory are those the kernel counted for
it. Page cache warm, medians, runs alternate: bt with an empty index cache, bt again with what that
left, gdb, eu-stack with lines and inlined functions (-ism), eu-stack plain. A figure counts only
when every frame of every thread is that of an oracle, by default gdb: counter, inlined functions,
function, file and line; otherwise the line says so and the exit status is 1.

CASES: names of those to run; RUNS: of bt (5; gdb makes two where it takes over 20 s, one over 100);
PATIENCE: seconds that gdb gets (300); PROFILE=1: also where bt's time goes, by perf."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import typing

from measuring import BT, chosen, corpus, measure
from support import oracle

RUNS = int(os.environ.get("RUNS", "5"))
PATIENCE = int(os.environ.get("PATIENCE", "300"))
EU_PATIENCE = 60  # it is quadratic in the depth of a stack
OUR_PATIENCE = 300


class Case(typing.NamedTuple):
    title: str
    check: str  # who knows the frames: a key of CHECKS
    # At most: s of processor time; of gdb's; of eu-stack -ism's; of eu-stack's; s with the index
    # warm; MB of anonymous memory.
    seconds: float | None = None
    gdb: float | None = None
    ism: float | None = None
    plain: float | None = None
    warm: float | None = None
    anonymous: float | None = None


ORDINARY = {"gdb": 1 / 25, "plain": 1, "anonymous": 16}
CASES = {
    "headline": Case("1.8 GB of DWARF, 17 threads", "gdb", gdb=1 / 500, ism=1 / 10, warm=0.01,
                     anonymous=32),
    "big": Case("the same, stacks through 384 of 401 units", "eu-stack", seconds=1, anonymous=128),
    "manyso": Case("110 libraries, 0.8 GB of DWARF", "gdb", gdb=1 / 250, anonymous=64),
    "deep": Case("131,000-frame overflow", "text", seconds=0.05, anonymous=32),
    "threads": Case("1,001 threads", "gdb", seconds=0.02, anonymous=32),
    "vim": Case("vim", "gdb", **ORDINARY),
    "redis": Case("redis-server", "gdb", **ORDINARY),
    "nginx": Case("nginx", "gdb", **ORDINARY),
    "exception": Case("C++ exception", "gdb", **ORDINARY),
    "rust": Case("Rust panic", "gdb", **ORDINARY),
    "go": Case("Go nil pointer", "go", **ORDINARY),
}


# --- the frames ---

def gdb_check(ours, program, core, _text):
    """gdb's frames are kept beside the core: the same for all time, and minutes to get."""
    key = hashlib.sha256(oracle.SCRIPT.read_bytes() + str(core.stat().st_mtime_ns).encode())
    kept = core.with_name(f"gdb-{key.hexdigest()[:16]}.json")
    if not kept.exists():
        stacks = oracle.gdb_stacks(program, core, timeout=max(PATIENCE, 300))
        kept.write_text(json.dumps(stacks))
    stacks = {int(tid): [oracle.Frame(*frame) for frame in frames]
              for tid, frames in json.loads(kept.read_text()).items()}
    return oracle.difference(ours, stacks)


def eu_check(ours, program, core, _text):
    return oracle.difference(ours, oracle.eu_stacks(program, core))


PRINTED = re.compile(r"^#\d+ +(?:(0x[0-9a-f]+) in )?(.+?) \(.*\)(?: at (.+):(\d+)| from .+)?$",
                     re.M)


def text_check(ours, _program, _core, text):
    """gdb's printed frames of the only thread: walking a deep stack by script takes it too long.
    The first has no counter in print."""
    theirs = [oracle.Frame(int(pc or "0", 16), "physical", name, path or None, int(line or 0))
              for pc, name, path, line in PRINTED.findall(text.split("Thread 1 ")[-1])]
    (tid, mine), = ours.items()
    theirs[0] = theirs[0]._replace(pc=mine[0].pc)
    return oracle.difference({tid: mine}, {tid: theirs})


def go_check(ours, _program, _core, _text):
    """By hand: gdb and eu-stack stop at the signal's trampoline, before the fault."""
    expected = "main.deref " * 6 + "main.main "
    names = ["".join(f"{frame.name} " for frame in frames) for frames in ours.values()]
    return "" if any(expected in text for text in names) else f"none has {expected}: {names}"


CHECKS = {"gdb": gdb_check, "eu-stack": eu_check, "text": text_check, "go": go_check}


# --- the runs ---

def commands(program, core):
    eu_stack = ["eu-stack", "-n", "0", "--core", core, "-e", program]
    return {
        "gdb": ["gdb", "-nx", "-batch", "-iex", "set debuginfod enabled off",
                "-ex", "set backtrace past-main on", "-ex", "thread apply all bt", program, core],
        "ism": [*eu_stack, "-ism"],
        "plain": eu_stack,
    }


def runs_of(costs):
    """How many runs are asked for of what took so long at first."""
    if not costs:
        return 1
    first = costs[0]
    return 1 if first is None or first.seconds > 100 else 2 if first.seconds > 20 else RUNS


def alternate(program, core):
    """{who: median Cost, None where patience ended}; "cold" and "warm" are ours."""
    costs = {who: [] for who in ("cold", "warm", "gdb", "ism", "plain")}
    ours = [BT, "--depth=0", "--core", core]
    for _ in range(RUNS):
        with tempfile.TemporaryDirectory() as cache:
            costs["cold"].append(measure.run(ours, OUR_PATIENCE, cache))
            costs["warm"].append(measure.run(ours, OUR_PATIENCE, cache))
        for who, argv in commands(program, core).items():
            if len(costs[who]) < runs_of(costs[who]):
                costs[who].append(measure.run(argv, PATIENCE if who == "gdb" else EU_PATIENCE))
    return {who: measure.median(found) for who, found in costs.items()}


def missed(case, cost, anonymous):
    """What is above its target, as text."""
    cold = cost["cold"].seconds
    for name, value, limit in (("time", cold, case.seconds),
                               ("warm time", cost["warm"].seconds, case.warm),
                               ("memory", anonymous, case.anonymous)):
        if limit and value > limit:
            yield f"{name} ({value:.3g}, at most {limit:g})"
    for who, part in (("gdb", case.gdb), ("ism", case.ism), ("plain", case.plain)):
        if part and cost[who] and cold > part * cost[who].seconds:
            yield f"part of {who} ({cold / cost[who].seconds:.3g}, at most {part:.3g})"


def show(cost, patience):
    return f"{cost.seconds:.3f} s {cost.megabytes:.0f} MB" if cost else f"> {patience} s"


def ratio(cost, who):
    return f"{cost[who].seconds / cost['cold'].seconds:.3g}" if cost[who] else ""


def run_case(name):
    case = CASES[name]
    core, program = corpus.CASES[name]()
    cost = alternate(program, core)
    anonymous = measure.anonymous_megabytes([BT, "--depth=0", "--core", core])
    ours = oracle.our_stacks(oracle.our_snapshot(BT, "--core", core))
    differs = CHECKS[case.check](ours, program, core, cost["gdb"].output if cost["gdb"] else "")
    above = ", ".join(missed(case, cost, anonymous))
    print(f"| {name}: {case.title} | {show(cost['cold'], OUR_PATIENCE)} | {anonymous:.1f} MB | "
          f"{cost['warm'].seconds:.3f} s | {show(cost['gdb'], PATIENCE)} | "
          f"{show(cost['ism'], EU_PATIENCE)} | {show(cost['plain'], EU_PATIENCE)} | "
          f"{ratio(cost, 'gdb')} / {ratio(cost, 'ism')} / {ratio(cost, 'plain')} | "
          f"{'NOT EQUAL: figure void' if differs else 'equal (' + case.check + ')'} | "
          f"{'missed: ' + above if above else 'met'} | {os.getloadavg()[0]:.1f} |", flush=True)
    if differs:
        print(f"{name}: {differs[:4000]}", file=sys.stderr, flush=True)
    if os.environ.get("PROFILE") == "1":
        profile(core, max(1, int(1 / cost["cold"].seconds)))
    return not differs


def profile(core, runs):
    """Prints the fifteen symbols that bt, each time with an empty index cache, spends most in."""
    with tempfile.TemporaryDirectory() as folder:
        loop = f'for i in $(seq {runs}); do XDG_CACHE_HOME={folder}/$i "$@" >/dev/null; done; true'
        subprocess.run(["perf", "record", "-q", "-F", "9999", "-o", f"{folder}/data", "--",
                        "/bin/sh", "-c", loop, "sh", BT, "--depth=0", "--core", core], check=True)
        report = subprocess.run(["perf", "report", "--no-children", "--stdio", "-i",
                                 f"{folder}/data", "--comms", "bt", "-s", "dso,symbol"],
                                capture_output=True, text=True).stdout
    lines = [re.sub(r"[ -]+$", "", line) for line in report.splitlines() if re.match(r" +\d", line)]
    print("\n".join(lines[:15]), flush=True)


def main():
    names = chosen(CASES)
    if not names:
        return 0
    for tool in ("gdb", "eu-stack"):
        if not shutil.which(tool):
            sys.exit(f"sources.py: needs {tool}; install it with: make deps")
    print("| case | bt | its anonymous memory | bt, index warm | gdb | eu-stack -ism | eu-stack | "
          "times faster than each | frames | targets | load |")
    print("|" + "---|" * 11)
    return 0 if all([run_case(name) for name in names]) else 1


if __name__ == "__main__":
    sys.exit(main())
