#!/usr/bin/python3
"""How bt's cost grows with the size of what it looks at: flat with the size of a program whose
stacks stay the same, linear with frames and with threads.

Processor time (index cache empty, then warm; medians; page cache warm) and anonymous memory. A
figure counts only when the frames are right: those of eu-stack for the programs, of gdb for
threads, of the recursion's known depth for frames. The largest programs are made one at a time and
removed afterwards.

CASES: units, frames, growth-threads; RUNS: 5."""

import os
import sys
import tempfile
import typing

from measuring import BT, chosen, corpus, measure
from support import oracle

RUNS = int(os.environ.get("RUNS", "5"))
LIMIT = 1.25  # times what flat or linear growth would be


def units(size):
    """The same stacks, through units that the smallest program has."""
    core, program = corpus.walked(f"units-{size}", corpus.units_program(size), 2, 3)
    return core, lambda ours: oracle.difference(ours, oracle.eu_stacks(program, core))


def frames(size):
    core, _ = corpus.descended(size)

    def check(ours):
        depths = [sum(frame.name == "descend" for frame in stack) for stack in ours.values()]
        return "" if sorted(depths) == [0, size] else f"recursions found: {depths}"

    return core, check


def threads(size):
    core, program = corpus.crashed("threads", str(size))
    return core, lambda ours: oracle.difference(ours, oracle.gdb_stacks(program, core, timeout=900))


class Case(typing.NamedTuple):
    make: typing.Callable
    sizes: list
    linear: bool
    transient: list  # sizes whose programs are removed


CASES = {
    "units": Case(units, [100, 200, 400, 800], False, [100, 200, 800]),
    "frames": Case(frames, [10_000, 100_000, 1_000_000], True, []),
    "growth-threads": Case(threads, [10, 100, 1_000, 10_000], True, []),
}


def costs_of(core):
    """Medians of processor seconds (index cache empty, warm), and MB of anonymous memory."""
    cold, warm, argv = [], [], [BT, "--depth=0", "--core", core]
    for _ in range(RUNS):
        with tempfile.TemporaryDirectory() as cache:
            cold.append(measure.run(argv, 300, cache))
            warm.append(measure.run(argv, 300, cache))
    return (measure.median(cold).seconds, measure.median(warm).seconds,
            measure.anonymous_megabytes(argv))


def grows_too_fast(case, costs):
    """Flat: the largest costs at most LIMIT times the smallest. Linear: a further one costs at most
    LIMIT times as much in the last step as in the one before (what a run costs at least cancels
    out), in time and in memory."""
    for what, values in zip(("time", "warm time", "memory"), zip(*costs)):
        if not case.linear:
            if max(values) > LIMIT * min(values):
                yield f"{what}: {max(values) / min(values):.2f} times"
            continue
        slopes = [(values[i + 1] - values[i]) / (case.sizes[i + 1] - case.sizes[i])
                  for i in range(len(values) - 1)]
        if slopes[-1] > LIMIT * slopes[-2] > 0:
            yield f"{what}: the last step grows {slopes[-1] / slopes[-2]:.2f} times as fast"


def run_case(name):
    case, costs, right = CASES[name], [], True
    for size in case.sizes:
        core, check = case.make(size)
        costs.append(costs_of(core))
        differs = check(oracle.our_stacks(oracle.our_snapshot(BT, "--core", core)))
        right = right and not differs
        cold, warm, anonymous = costs[-1]
        print(f"| {name}: {size:,} | {cold:.3f} s | {warm:.3f} s | {anonymous:.1f} MB | "
              f"{'NOT EQUAL: figure void' if differs else 'right'} | {os.getloadavg()[0]:.1f} |",
              flush=True)
        if differs:
            print(f"{name} {size}: {differs[:4000]}", file=sys.stderr, flush=True)
        if size in case.transient:
            corpus.drop(f"units-{size}")
            corpus.drop(f"core-units-{size}")
    asked = "linear" if case.linear else "flat"
    above = ", ".join(grows_too_fast(case, costs))
    print(f"| {name}: {'not ' + asked + ': ' + above if above else asked} ||||||", flush=True)
    return right


def main():
    names = chosen(CASES)
    if not names:
        return 0
    print("| size | bt | index warm | anonymous memory | frames | load |")
    print("|" + "---|" * 6)
    return 0 if all([run_case(name) for name in names]) else 1


if __name__ == "__main__":
    sys.exit(main())
