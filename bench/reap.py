#!/usr/bin/python3
"""How long a process with 1 GiB of touched heap takes to be reaped.

Our helper beside dying without any dump (RLIMIT_CORE 0, core_pattern a file), paired A B A B, and
beside the kernel's own core file. Needs root; the target is at most 1.25 times."""

import json
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/e2e"))
from support import capture, kernel  # noqa: E402

RUNS = int(os.environ.get("RUNS", "10"))
FILE_RUNS = int(os.environ.get("FILE_RUNS", "3"))
MIB = int(os.environ.get("MIB", "1024"))
TARGET = 1.25

VICTIM = r"""
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
int main(int argc, char **argv)
{
	size_t size = strtoull(argv[1], NULL, 10) << 20, i;
	char *heap = mmap(NULL, size, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	madvise(heap, size, MADV_NOHUGEPAGE);
	for (i = 0; i < size; i += 4096)
		heap[i] = (char)(i >> 12 | 1);
	write(1, "x", 1);
	pause();
}
"""


def reap(victim, core_limit):
    """Seconds from SIGSEGV to the end of waitpid."""
    def limit():
        resource.setrlimit(resource.RLIMIT_CORE, (core_limit, resource.RLIM_INFINITY))

    child = subprocess.Popen([victim, str(MIB)], stdout=subprocess.PIPE, preexec_fn=limit)
    child.stdout.read(1)
    started = time.perf_counter()
    child.send_signal(11)
    child.wait()
    return time.perf_counter() - started


def measure(victim, spool, folder):
    ours, none, file = [], [], []
    for _ in range(RUNS):
        kernel.write(kernel.PATTERN, spool.pattern)
        before = len(list(spool.pending.iterdir()))
        ours.append(reap(victim, 0))
        core = spool.core(before + 1)
        core.path.unlink()
        kernel.write(kernel.PATTERN, "core")
        none.append(reap(victim, 0))
    for _ in range(FILE_RUNS):
        kernel.write(kernel.PATTERN, f"{folder}/core")
        file.append(reap(victim, -1))
        pathlib.Path(folder, "core").unlink(missing_ok=True)
    return ours, none, file, core.facts["held_us"]


def main():
    if os.geteuid() != 0 or not os.access(kernel.PATTERN, os.W_OK):
        print("skipped: needs root and a core_pattern that can be written")
        return 0
    stage = pathlib.Path(os.environ.get("CSN_STAGE", ROOT / "build/stage"))
    find = lambda name: stage / "opt/backtrace/sbin" / name  # noqa: E731
    with tempfile.TemporaryDirectory() as folder, capture.new_spool(find) as spool, kernel.locked():
        victim = capture.compile_c(pathlib.Path(folder), "victim", VICTIM)
        kernel.write(kernel.PIPE_LIMIT, "64")
        ours, none, file, held_us = measure(victim, spool, folder)
    median = statistics.median
    # Paired: neighbours on the machine disturb both of a pair alike.
    ratio = median(ours) / median(none)
    paired = median(a / b for a, b in zip(ours, none))
    result = {
        "bench": "reap", "heap_mib": MIB, "runs": RUNS,
        "ours_ms": round(1000 * median(ours), 1), "none_ms": round(1000 * median(none), 1),
        "kernel_file_ms": round(1000 * median(file), 1) if file else None,
        "ratio": round(ratio, 3), "paired_ratio": round(paired, 3),
        "kernel_file_ratio": round(median(file) / median(none), 1) if file else None,
        "held_ms": held_us / 1000, "target": TARGET,
    }
    print(f"reaped, {MIB} MiB of heap, median of {RUNS}: "
          f"coresnap {result['ours_ms']} ms, no dump {result['none_ms']} ms, "
          f"kernel's core file {result['kernel_file_ms']} ms")
    print(f"ratio to no dump: coresnap {ratio:.2f} (paired {paired:.2f}, target {TARGET}), "
          f"kernel's core file {result['kernel_file_ratio']}; held for {held_us / 1000:.1f} ms")
    print(json.dumps(result))
    return 0 if min(ratio, paired) <= TARGET else 1


if __name__ == "__main__":
    sys.exit(main())
