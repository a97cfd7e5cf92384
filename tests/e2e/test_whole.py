"""The main job as a whole, on the real kernel: sizes, kills, a server that was away."""

import json
import os
import random
import re
import resource
import subprocess
import threading
import time

import pytest

from support import kernel, terminal
from support.world import World, wait_until

pytestmark = pytest.mark.system


@pytest.fixture
def world(stage, tmp_path):
    made = World(stage, tmp_path / "root", "retry.min = 1s\nretry.max = 2s\n")
    with kernel.locked():
        made.start_server()
        made.set_up()
        made.run("coresnap", "enable")
        try:
            yield made
        finally:
            made.run("coresnap", "disable", check=False)
            made.close()


def crash(program):
    """Runs it to its death; the pid, once it was reaped."""
    process = subprocess.Popen([program], preexec_fn=lambda: resource.setrlimit(
        resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY)))
    pid = process.pid
    _, status = os.waitpid(pid, 0)
    process.returncode = -os.WTERMSIG(status)
    assert os.WCOREDUMP(status)
    return pid


def full_core_size(folder):
    """Bytes of the kernel's own core of the same vim."""
    with terminal.vim() as pid:
        kernel.write(kernel.PATTERN, f"{folder}/full.core")
        kernel.write("/proc/sys/kernel/core_uses_pid", "0")
        resource.prlimit(pid, resource.RLIMIT_CORE, (resource.RLIM_INFINITY,) * 2)
        os.kill(pid, 6)
        os.waitpid(pid, 0)
    return (folder / "full.core").stat().st_size


def test_vims_snapshot_is_small_complete_and_found_within_a_second(world, tmp_path):
    ours = kernel.read(kernel.PATTERN)
    full = full_core_size(tmp_path)
    kernel.write(kernel.PATTERN, ours)

    with terminal.vim() as pid:
        os.kill(pid, 6)
        os.waitpid(pid, 0)
    core = wait_until(lambda: world.spooled(), "a core in pending/")[0]
    minimal = core.stat().st_size
    assert minimal <= 1_000_000
    core.rename(tmp_path / "minimal.core")

    snapshot = tmp_path / "vim.btt"
    printed = world.run("ptrace", "-o", snapshot, "--core", tmp_path / "minimal.core").stdout
    assert printed.strip() == str(snapshot)
    size = snapshot.stat().st_size
    document = json.loads(subprocess.run(["zstdcat", snapshot], capture_output=True,
                                         check=True).stdout)
    frames = [frame for thread in document["threads"].values() for frame in thread["stack"]]
    assert len(frames) >= 10
    # Functions that were inlined or left by a tail call have none of their own.
    assert all(frame.get("registers") for frame in frames
               if frame.get("unwind") not in ("inline", "tail"))
    assert len(document["maps"]) >= 20
    assert len(document["modules"]) >= 5
    assert len(document["attributes"]) >= 50, sorted(document["attributes"])
    assert size <= 5000
    assert size * 600 <= full

    world.start_daemon()
    wait_until(lambda: "coresnapd" in world.run("coresnap", "status", check=False).stdout,
               "coresnapd's start")
    with terminal.vim() as pid:
        start = time.monotonic()
        os.kill(pid, 6)
        os.waitpid(pid, 0)

        def found():
            reply = world.run("morgue", "list", world.project, "--json").stdout
            return '"count"' in reply

        wait_until(found, "the crash in the store")
        took = time.monotonic() - start
    print(f"\nvim: full core {full} bytes, minimal core {minimal}, snapshot {size} "
          f"(1/{full // size} of the full core), {len(document['attributes'])} attributes, "
          f"{took:.3f} s from crash to found")


def test_no_crash_is_lost_or_doubled_when_both_daemons_are_killed(world, crasher):
    seed = random.randrange(1 << 32)
    print(f"\nseed {seed}")
    rng = random.Random(seed)
    pids, done = [], threading.Event()

    def crash_fifty():
        for _ in range(50):
            pids.append(crash(crasher))
            time.sleep(0.1)
        done.set()

    world.start_daemon()
    crashes = threading.Thread(target=crash_fifty)
    crashes.start()
    kills = 0
    while kills < 20:
        time.sleep(rng.uniform(0.02, 0.5))
        if rng.random() < 0.5:
            world.kill_daemon()
            world.start_daemon()
        else:
            world.kill_server()
            world.start_server()
        kills += 1
    crashes.join()
    assert done.is_set()
    world.wait_spool_empty(120)
    rows = world.select("coresnap.object", "process.id")
    assert sorted(row["process.id"] for row in rows) == sorted(pids)
    assert len({row["coresnap.object"] for row in rows}) == 50


def test_ten_crashes_while_the_server_is_down_arrive_in_order_by_themselves(world, crasher):
    world.start_daemon()
    world.kill_server()
    pids = [crash(crasher) for _ in range(10)]
    wait_until(lambda: len(list((world.spool / "sending").glob("*-*"))) >= 1, "a snapshot")
    time.sleep(1)
    world.start_server()
    world.wait_spool_empty(60)
    rows = world.select("process.id")
    assert [row["process.id"] for row in rows] == pids


def test_a_crash_with_every_daemon_dead_waits_and_is_sent_at_the_next_start(world, crasher):
    pid = crash(crasher)
    wait_until(world.spooled, "a core in pending/")
    listed = world.run("coresnap", "list").stdout
    assert re.search(r"^pending/[0-9a-f]{8}-[0-9a-f]{3}\.\.\. c-[a-] null ", listed, re.M), listed
    world.start_daemon()
    world.wait_spool_empty()
    assert [row["process.id"] for row in world.select("process.id")] == [pid]


def test_a_process_name_with_newlines_quotes_and_escapes_is_escaped_everywhere(world, crasher,
                                                                               tmp_path):
    hostile = tmp_path / "a\nb'\"\x1b[31m;$(x)"
    hostile.write_bytes(crasher.read_bytes())
    hostile.chmod(0o755)
    crash(hostile)
    wait_until(world.spooled, "a core in pending/")
    for shown in (world.run("coresnap", "list").stdout, world.run("coresnap", "status").stdout):
        assert "\x1b" not in shown
        assert "a\nb" not in shown
    world.start_daemon()
    world.wait_spool_empty()
    log = world.log("coresnapd") + (world.root / "var/coresnap/log").read_text()
    assert "\x1b" not in log
    assert re.search(r"Executing slave: \S+/ptrace .*\$'\\x0a'.*\$'\\x1b'", log), log
    assert all(re.match(r"(\w{3} [ \d]\d \S+ )?coresnap\[\d+\]: ", line)
               for line in log.splitlines()), log
    out = world.run("morgue", "list", world.project, "--select=application", "--select=callstack").stdout
    assert "\x1b" not in out
