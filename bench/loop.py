#!/usr/bin/python3
"""What a crash loop costs: 50 crashes a second for ten minutes, with our helper and daemon, and with a
helper that exits at once. Needs root. The targets: at most 5 % of a core more, 20 MiB of spool, and a
count at the server that is exact.

Processor time is what the kernel accounted to each helper (a small parent waits for it and writes it
down, in both runs) and to the daemon with all that it started; that of the whole machine stands beside
it, for machines where nothing else runs. SECONDS, RATE."""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/e2e"))
from support import capture, kernel, loop  # noqa: E402
from support.world import World, wait_until  # noqa: E402

SECONDS = int(os.environ.get("SECONDS", "600"))
RATE = int(os.environ.get("RATE", "50"))
CPU_TARGET, SPOOL_TARGET = 5.0, 20.0

# Runs a helper as the kernel would, and writes down what it used.
PARENT = r"""
#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
int main(int argc, char **argv)
{
	struct rusage used;
	char line[64];
	int status, fd;
	pid_t child = vfork();

	if (child == 0) {
		execv(argv[2], argv + 2);
		_exit(127);
	}
	close(0);
	wait4(child, &status, 0, &used);
	fd = open(argv[1], O_WRONLY | O_CREAT | O_APPEND, 0600);
	return dprintf(fd, "%ld\n", (used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000000L +
					   used.ru_utime.tv_usec + used.ru_stime.tv_usec) < 0;
}
"""
NOTHING = "int main(void) { return 0; }\n"


def machine_seconds():
    """Busy time of all processors since boot."""
    words = open("/proc/stat").readline().split()[1:]
    busy = sum(map(int, words[:8])) - int(words[3]) - int(words[4])
    return busy / os.sysconf("SC_CLK_TCK")


def tree_seconds(pid):
    """Of a process and of all its children that it has waited for."""
    fields = open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


class Watch(threading.Thread):
    """The most that the spool held."""

    def __init__(self, world):
        super().__init__(daemon=True)
        self.world, self.most, self.ended = world, 0, threading.Event()

    def run(self):
        while not self.ended.wait(0.5):
            try:
                self.most = max(self.most, loop.disk_bytes(self.world))
            except FileNotFoundError:
                continue  # sent meanwhile


def measure(crashing, parent, helper):
    """(crashes, processor seconds of helpers, of the machine)."""
    used = crashing.world.root / "used"
    used.unlink(missing_ok=True)
    before = machine_seconds()
    died = crashing.run(RATE, SECONDS, f"|{parent} {used} {helper} %P %I %s %d %t %u %g %F")
    rows = [int(line) for line in used.read_text().split()]
    assert len(rows) == died, f"{died} crashes, {len(rows)} helpers"
    return died, rows, machine_seconds() - before


def run(world):
    compiled = [capture.compile_c(world.root, name, source, "-O2", "-static")
                for name, source in (("p", PARENT), ("n", NOTHING))]
    crashing = loop.Loop(world)
    _, plain, plain_machine = measure(crashing, *compiled)
    daemon = tree_seconds(world.daemon.pid)
    watch = Watch(world)
    watch.start()
    died, ours, our_machine = measure(crashing, compiled[0], world.sbin / "coresnap-archive")
    world.run("coresnap", "retry", "all")
    wait_until(lambda: not world.spooled() and not loop.ticks_left(world), "all at the server", 120)
    watch.ended.set()
    daemon = tree_seconds(world.daemon.pid) - daemon
    group = loop.Group(world)
    helpers = (sum(ours) - sum(plain)) / 1e6
    return {
        "bench": "loop", "seconds": SECONDS, "rate": RATE, "crashes": died,
        "counted": group.crashes(), "whole_or_notes": len(world.select("timestamp")),
        "helpers_s": round(helpers, 2), "daemon_s": round(daemon, 2),
        "tick_ms": round(sorted(ours)[len(ours) // 2] / 1000, 3),
        "nothing_ms": round(sorted(plain)[len(plain) // 2] / 1000, 3),
        "cpu_percent": round(100 * (helpers + daemon) / SECONDS, 2), "cpu_target": CPU_TARGET,
        "machine_percent": round(100 * (our_machine - plain_machine) / SECONDS, 2),
        "spool_mib": round(watch.most / (1 << 20), 1), "spool_target": SPOOL_TARGET,
    }


def main():
    if os.geteuid() != 0 or not os.access(kernel.PATTERN, os.W_OK):
        print("skipped: needs root and a core_pattern that can be written")
        return 0
    stage = pathlib.Path(os.environ.get("CSN_STAGE", ROOT / "build/stage"))
    folder = pathlib.Path(tempfile.mkdtemp(prefix="l", dir="/tmp"))
    folder.chmod(0o755)
    world = World(stage, folder / "r", "dump.quota = 1")
    try:
        world.start_server()
        world.set_up()
        world.start_daemon()
        wait_until(lambda: " started; " in world.log("coresnapd"), "coresnapd's start")
        result = run(world)
    finally:
        world.close()
        shutil.rmtree(folder, ignore_errors=True)
    print(f"{result['crashes']} crashes in {SECONDS} s: {result['counted']} counted, of these "
          f"{result['whole_or_notes']} stored; {result['cpu_percent']} % of a core more than a helper "
          f"that exits at once (helpers {result['helpers_s']} s, daemon {result['daemon_s']} s), "
          f"spool {result['spool_mib']} MiB")
    print(json.dumps(result))
    return 0 if (result["counted"] == result["crashes"] and result["cpu_percent"] <= CPU_TARGET
                 and result["spool_mib"] <= SPOOL_TARGET) else 1


if __name__ == "__main__":
    sys.exit(main())
