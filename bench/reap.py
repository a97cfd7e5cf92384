#!/usr/bin/python3
"""How long a process takes to die: nobody takes its core, the kernel writes a file, Debian's
systemd-coredump stores it, or ours takes what matters, by pipe and by socket.

From the store to address 0 until the parent's waitpid returns (bench/programs/die.c: 4 threads, 25
frames deep each). A figure counts only if every measured crash left a core with all stacks. Needs
root; holds core_pattern meanwhile. CASES names those to run: empty, 1g, 4g, full, burst."""

import contextlib
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests/e2e"), str(ROOT / "bench")]
from support import capture, kernel, listener  # noqa: E402
from measuring import collectors  # noqa: E402

RUNS = int(os.environ.get("RUNS", "25"))
CASES = ("empty", "1g", "4g", "full", "burst")
FULL = 1


def die(program, collector, mib, count=1):
    """Milliseconds of each death, all at once, after every core was found whole."""
    limit = "unlimited" if collector.core_limit < 0 else str(collector.core_limit)
    done = subprocess.run(["bash", "-c", f"ulimit -Sc {limit}; exec {program} {mib} 3 {count}"],
                          capture_output=True, text=True, check=True)
    rows = [line.split() for line in done.stdout.splitlines()]
    assert len(rows) == count
    collector.settle(count, mib << 20)
    return [int(row[0]) / 1e6 for row in rows]


def alternate(program, parties, mib, runs):
    """{collector: milliseconds}; in turn, so that what disturbs one disturbs all."""
    times = {party: [] for party in parties}
    with contextlib.ExitStack() as stack:
        for party in parties:
            stack.enter_context(party.running())
        for number in range(max(runs.values())):
            for party in parties:
                if number < runs[party]:
                    party.take()
                    times[party] += die(program, party, mib)
    return times


def show(case, times, base, target=None):
    """One line for each, and the JSON that docs/benchmarks.md is made from."""
    plain = times[base]
    for party, values in times.items():
        figures = {
            "bench": "reap", "case": case, "collector": party.name, "runs": len(values),
            "median_ms": round(statistics.median(values), 3), "min_ms": round(min(values), 3),
            "added_median_ms": round(statistics.median(values) - statistics.median(plain), 3),
            "added_min_ms": round(min(values) - min(plain), 3),
            "ratio_median": round(statistics.median(values) / statistics.median(plain), 3),
        }
        if isinstance(party, collectors.Ours):
            figures["held_ms_median"] = round(statistics.median(party.held_ms), 3)
            figures["held_ms_max"] = round(max(party.held_ms), 3)
            figures["core_mib"] = round(statistics.median(party.core_bytes) / (1 << 20), 2)
        print(f"{case:6} {party.name:36} median {figures['median_ms']:10.2f} ms  "
              f"min {figures['min_ms']:10.2f} ms  ratio {figures['ratio_median']:7.2f}  "
              f"n={len(values)}")
        print(json.dumps(figures), flush=True)


class Bench:
    def __init__(self, program, spool, folder):
        self.program = program
        self.nobody = collectors.Nobody()
        self.file = collectors.KernelFile(folder)
        self.spool = spool
        found = collectors.find_systemd(folder)
        if not found:
            print("without systemd-coredump: neither installed nor to be had from apt-get")
        self.systemd = [collectors.Systemd(found, zstd) for zstd in (False, True)] if found else []

    def ours(self, **keywords):
        return collectors.Ours(self.spool, "coresnap-archive, pipe", **keywords)

    def both(self):
        """By pipe and, where the kernel has it, by socket."""
        ours = [self.ours()]
        if listener.kernel_has_sockets():
            ours.append(collectors.Socket(self.spool, "coresnap-archive, socket"))
        return ours

    def empty(self):
        parties = [self.nobody, *self.both()]
        times = alternate(self.program, parties, 0, dict.fromkeys(parties, RUNS))
        show("empty", times, self.nobody)

    def big(self, case, mib, runs, peers):
        few = [self.nobody, *self.both()]
        parties = [*few, self.file, *self.systemd]
        counts = dict.fromkeys(parties, peers) | dict.fromkeys(few, runs)
        show(case, alternate(self.program, parties, mib, counts), self.nobody)

    def full(self):
        ours = self.ours(mode=FULL)
        ours.name = "coresnap-archive, full"
        parties = [self.nobody, ours, self.file, *self.systemd[:1]]
        show("full", alternate(self.program, parties, 1024, dict.fromkeys(parties, 5)), self.nobody)

    def burst(self):
        """64 at once; how long each was held by the helper's own word."""
        for ours in self.both():
            with ours.running():
                ours.take()
                times = die(self.program, ours, 16, 64)
            held = max(ours.held_ms)
            print(f"burst  {ours.name}: 64 crashes at once, {len(ours.held_ms)} captured, held at "
                  f"most {held:.1f} ms, reaped after at most {max(times):.1f} ms")
            print(json.dumps({
                "bench": "reap", "case": "burst", "collector": ours.name,
                "captured": len(ours.held_ms), "held_ms_max": round(held, 3),
                "reaped_ms_max": round(max(times), 3)}))

    def run(self, case):
        {"empty": self.empty, "1g": lambda: self.big("1g", 1024, 10, 3),
         "4g": lambda: self.big("4g", 4096, 5, 5), "full": self.full, "burst": self.burst}[case]()


def main():
    if os.geteuid() != 0 or not os.access(kernel.PATTERN, os.W_OK):
        print("skipped: needs root and a core_pattern that can be written")
        return 0
    wanted = os.environ.get("CASES", "").split()
    cases = [case for case in CASES if not wanted or case in wanted]
    stage = pathlib.Path(os.environ.get("CSN_STAGE", ROOT / "build/stage"))
    find = lambda name: stage / "opt/backtrace/sbin" / name  # noqa: E731
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        program = pathlib.Path(folder) / "die"
        subprocess.run(["cc", "-O2", "-o", program, ROOT / "bench/programs/die.c", "-pthread"],
                       check=True)
        for case in cases:
            # Not longer than a case: others wait for core_pattern.
            with capture.new_spool(find) as spool, kernel.locked():
                kernel.write(kernel.PIPE_LIMIT, "64")
                Bench(program, spool, folder).run(case)
    return 0


if __name__ == "__main__":
    sys.exit(main())
