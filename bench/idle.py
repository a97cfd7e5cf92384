#!/usr/bin/python3
"""What an idle coresnapd costs: wake-ups in a minute, and memory, before and after work.

Wake-ups are voluntary context switches of /proc/PID/status and time slices of /proc/PID/schedstat;
memory is the proportional set size. core_pattern.manage is off: another measurement on the same
machine may change it meanwhile, which would wake the daemon. Prints one line of JSON; exit status
1 when a goal is missed. SECONDS=5 for a short run.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/e2e"))

from support.host import Host, costs  # noqa: E402
from support.world import wait_until  # noqa: E402

GOAL_PSS_KB = 1024
N_CRASHES = 200


def main():
    seconds = float(os.environ.get("SECONDS") or 60)
    stage = ROOT / "build/stage"
    subprocess.run(["meson", "install", "-C", ROOT / "build", "--quiet", "--destdir", stage], check=True)
    with tempfile.TemporaryDirectory() as folder:
        host = Host(stage, pathlib.Path(folder) / "host", "core_pattern.manage = false\n", purge=True)
        try:
            host.start()
            time.sleep(0.5)
            fresh = costs(host.daemon.pid)
            for _ in range(N_CRASHES):
                host.place()
            wait_until(host.empty, "an empty spool", 300)
            time.sleep(1)
            before = costs(host.daemon.pid)
            time.sleep(seconds)
            after = costs(host.daemon.pid)
        finally:
            host.close()
    found = {
        "bench": "idle", "seconds": seconds, "crashes_before": N_CRASHES,
        "wakeups": after["switches"] - before["switches"],
        "slices": after["slices"] - before["slices"],
        "cpu_ns": after["cpu_ns"] - before["cpu_ns"],
        "pss_kb_at_start": fresh["pss_kb"], "pss_kb_after_work": after["pss_kb"],
        "private_kb_after_work": after["private_kb"],
    }
    print(json.dumps(found))
    return int(found["wakeups"] or found["slices"] or found["pss_kb_after_work"] > GOAL_PSS_KB)


if __name__ == "__main__":
    sys.exit(main())
