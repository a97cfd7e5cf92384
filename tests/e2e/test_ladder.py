"""The crash-loop ladder: whole cores, then notes, then ticks, and every crash in the server's count.

LADDER_SECONDS and LADDER_RATE make the loop longer (`make soak` runs ten minutes of it)."""

import collections
import json
import os
import pathlib
import re
import shutil
import signal
import struct
import subprocess
import tempfile
import threading
import time
import urllib.request
import uuid
import zlib

import pytest

from support import kernel, loop
from support.host import Host
from support.world import World, wait_until

SECONDS = int(os.environ.get("LADDER_SECONDS", "8"))
RATE = int(os.environ.get("LADDER_RATE", "50"))
FULL, NOTES = 6, 4


@pytest.fixture
def world(stage):
    root = pathlib.Path(tempfile.mkdtemp(prefix="l", dir="/tmp"))
    root.chmod(0o755)
    world = World(stage, root / "r", f"dump.rate.full = {FULL}/10m\ndump.rate.notes = {NOTES}/1h\n"
                                     "dump.quota = 1\nretry.min = 1s\nretry.max = 2s")
    world.start_server()
    world.set_up()
    world.start_daemon()
    wait_until(lambda: " started; " in world.log("coresnapd"), "coresnapd's start")
    yield world
    world.close()
    shutil.rmtree(root, ignore_errors=True)


NOBODYS = "00000000-0000-0000-0000-000000000000.sum"


def all_there(world, *stays):
    """Nothing waits on the host any more."""
    world.run("coresnap", "retry", "all")
    return not world.spooled() and not set(loop.ticks_left(world)) - set(stays)


def wait_all_there(world):
    try:
        wait_until(lambda: all_there(world), "all at the server", 60, every=0.5)
    except TimeoutError as error:
        raise TimeoutError(f"{error}: {loop.ticks_left(world)} {world.log('coresnapd')[-3000:]}") from None


@pytest.mark.system
def test_a_crash_loop_is_counted_to_the_last_crash(world):
    """Fault 7: a crash loop, with the daemon killed again and again: a few whole cores, a few
    notes, the rest ticks; the spool stays small, and the server counts every crash."""
    crashing = loop.Loop(world)
    stop = threading.Event()

    def kill_and_start():
        while not stop.wait(0.7):
            world.kill_daemon()
            world.start_daemon()

    killer = threading.Thread(target=kill_and_start)
    killer.start()
    try:
        died = crashing.run(RATE, SECONDS)
    finally:
        stop.set()
        killer.join()
    assert died == RATE * SECONDS
    assert loop.disk_bytes(world) < 20 << 20
    wait_all_there(world)
    group = loop.Group(world)
    assert group.crashes() == died
    stored = len(world.select("timestamp"))
    assert group.ticks() == died - stored
    # A window of ten minutes, and the next one when a long run reaches it.
    assert stored == FULL + NOTES if SECONDS < 500 else stored <= 2 * FULL + NOTES
    # They belong to the group of the whole cores, and `morgue list` shows them there.
    listed = world.run("morgue", "list", world.project).stdout
    counts = [int(number) for number in re.findall(r"Occurrences: (\d+)", listed)]
    assert sum(counts) == died and max(counts) >= died - NOTES, listed
    print(f"ladder: {died} crashes, {stored} stored, {group.ticks()} ticks, all counted")


# As coroner and the server: one line "<batch> <count>" for each batch, whoever asks how often.
CORONER = """#!/bin/sh
[ "$3" = tick ] || exit 64
batch=$(sed 's/.*"batch":"\\([^"]*\\)".*/\\1/' "$6") count=$(sed 's/.*"count":\\([0-9]*\\).*/\\1/' "$6")
grep -qs "^$batch" {root}/batches || echo "$batch $count" >>{root}/batches
"""
OBJECTS = [bytes([number] * 16) for number in (1, 2, 3)]
STEPS = "renameat,renameat2,linkat,unlinkat,fsync,fcntl,clone,clone3,ftruncate"


def tick(key, number, count=1):
    body = struct.pack("<Q16sQIiII140s", key, OBJECTS[number % 3], time.time_ns(), count, 11, 0, 0, b"/bin/x")
    return b"CSNTICK\0" + struct.pack("<I", zlib.crc32(body)) + body


def append_ticks(host, number):
    """As helpers do, which hold a read lock and write one record at a time."""
    folder = host.archive.parent / "ticks"
    folder.mkdir(mode=0o700, exist_ok=True)
    with open(folder / "new", "ab", buffering=0) as file:
        for at in range(number):
            file.write(tick(at, at))


def trace_of(host, point=None):
    """Starts the daemon under strace, killed at a point (call, how often); the lines of its calls."""
    trace = host.root / "trace"
    command = ["strace", "-q", "-o", trace, "-e", f"trace={STEPS}"]
    if point:
        command += ["-e", f"inject={point[0]}:signal=KILL:when={point[1]}"]
    daemon = subprocess.Popen([*command, host.sbin / "coresnapd", "-f"], stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, env=host.env)
    deadline = time.monotonic() + 10
    while daemon.poll() is None and ticks_of(host) and time.monotonic() < deadline:
        time.sleep(0.01)
    if daemon.poll() is None:
        for child in pathlib.Path(f"/proc/{daemon.pid}/task/{daemon.pid}/children").read_text().split():
            os.kill(int(child), signal.SIGKILL)
    daemon.wait(10)
    return trace.read_text().splitlines()


def points_of(lines):
    """(call, how often it was made until then) of each line from the closing of the file on."""
    calls = [re.match(r"(\w+)\(", line) for line in lines]
    first = next(at for at, line in enumerate(lines) if '"new"' in line and "rename" in line)
    seen, points = collections.Counter(), []
    for at, call in enumerate(calls):
        if call:
            seen[call[1]] += 1
            points += [(call[1], seen[call[1]])] if at >= first else []
    return points


def ticks_of(host):
    folder = host.archive.parent / "ticks"
    return [path.name for path in folder.iterdir()] if folder.exists() else []


def test_killed_at_any_step_of_adding_up_each_tick_counts_once(stage, tmp_path):
    """The daemon dies at each of its system calls from closing the file of ticks to forgetting it."""
    host = Host(stage, tmp_path / "host", doubles=True)
    (host.root / "coroner").write_text(CORONER.format(root=host.root))
    append_ticks(host, 30)
    written = 30
    points = points_of(trace_of(host))
    assert len(points) >= 12, points
    killed = 0
    for point in points[::int(os.environ.get("LADDER_STEP", "4"))]:
        append_ticks(host, 7)
        written += 7
        killed += any("killed by SIGKILL" in line for line in trace_of(host, point))
    assert killed >= len(points) // 8, killed
    host.start()
    try:
        wait_until(lambda: not ticks_of(host), "all ticks sent", 12)
    except TimeoutError:
        raise TimeoutError(f"{ticks_of(host)} {host.log()[-3000:]}") from None
    host.end()
    batches = [line.split() for line in (host.root / "batches").read_text().splitlines()]
    assert sum(int(count) for _, count in batches) == written
    assert len({batch for batch, _ in batches}) == len(batches)


def test_ticks_wait_for_their_object_and_say_so_when_nobody_knows_it(world):
    """The server does not have the object: the batch stays, is tried again, and arrives in the end."""
    folder = world.spool.parent / "ticks"
    (folder / "new").write_bytes(b"".join(tick(1, 0) for _ in range(5)) + b"torn" + tick(1, 0, 4))
    world.run("coresnap", "retry", "all")
    wait_until(lambda: "no object with this uuid" in world.log("coresnapd"), "the refusal")
    assert "4 bytes among the ticks are none" in world.log("coresnapd")
    assert [name[-4:] for name in loop.ticks_left(world)] == [".out"]
    assert json.loads(world.run("coresnap", "status", "--json").stdout)["ticks_waiting"] == 9
    assert "counted       9 crashes of loops" in world.run("coresnap", "status").stdout
    group = loop.Group(world)
    assert group.crashes() == 0
    world.run("coroner", "put", world.project, world.project, report_of(world, 0))
    wait_all_there(world)
    assert group.crashes() == 10 and group.ticks() == 9


def report_of(world, number):
    path = world.root / "report.json"
    path.write_text(json.dumps({
        "uuid": str(uuid.UUID(bytes=OBJECTS[number])), "timestamp": int(time.time()), "lang": "c",
        "langVersion": "17", "agent": "t", "agentVersion": "1", "mainThread": "1",
        "threads": {"1": {"name": "t", "fault": True, "stack": [{"funcName": "main"}]}}}))
    return path


def test_a_server_killed_while_ticks_arrive_counts_each_batch_once(world):
    """What was acknowledged is there after the kill; what was not is sent again and counts once."""
    world.run("coroner", "put", world.project, world.project, report_of(world, 0))
    batches = [{"batch": str(uuid.uuid4()), "object": str(uuid.UUID(bytes=OBJECTS[0])), "count": n + 1,
                "first": 1, "last": 2, "hostname": "h"} for n in range(200)]
    url = f"{world.url}/api/tick?token={world.token()}"

    def send(batch):
        request = urllib.request.Request(url, data=json.dumps(batch).encode())
        try:
            with urllib.request.urlopen(request, timeout=10) as reply:
                return json.load(reply)["response"] == "ok"
        except OSError:
            return False

    acknowledged = 0
    for kill in range(5):
        part = batches[kill * 40:kill * 40 + 40]
        killer = threading.Timer(0.02 + 0.03 * kill, world.kill_server)
        killer.start()
        acknowledged += sum(batch["count"] for batch in part if send(batch))
        killer.join()
        world.start_server()
        assert loop.Group(world).ticks() >= acknowledged
    assert all(send(batch) for batch in batches + batches[:20])
    assert loop.Group(world).ticks() == sum(batch["count"] for batch in batches)


FLOOD = 5
SHARE = 10  # CSN_RATE_USER_SHARE


@pytest.mark.system
def test_a_flood_of_crashes_of_one_user_hides_no_crash_of_another(world):
    """Attack 13: one user crashes as fast as can be, half of it new programs made for the purpose;
    a few of them are kept, all are counted, and every crash of another user is captured whole."""
    crashing = loop.Loop(world)
    flood = [world.root / f"flood{number}" for number in range(60)]
    for path in flood:
        shutil.copy(crashing.crasher, path)
    script = world.root / "flood.sh"
    script.write_text(f"""end=$(($(date +%s) + {FLOOD}))
for job in 1 2 3 4; do (
	n=0
	while [ $(date +%s) -lt $end ]; do
		for p in {world.root}/flood?*[0-9] {crashing.crasher}; do $p; n=$((n + 1)); done
	done
	echo $n
) & done
wait
""")
    others = []
    with kernel.core_pattern(crashing.pattern, 64):
        attack = subprocess.Popen(["/bin/sh", script], user=4242, group=4242, text=True,
                                  stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        for number in range(3):
            time.sleep(1)
            others.append(str(shutil.copy(crashing.crasher, world.root / f"other{number}")))
            subprocess.run([others[-1]], user=4343, group=4343)
        out, _ = attack.communicate(timeout=FLOOD + 20)
        crashing.wait_helpers()
    died = sum(map(int, out.split())) + len(others)
    wait_until(lambda: all_there(world, NOBODYS), "all at the server", 60, every=0.5)
    paths = [row.get("process.path") for row in world.select("process.path")]
    assert all(paths.count(other) == 1 for other in others), paths
    # The share of one user, and as much for the first crashes of his programs.
    assert len(flood) <= len(paths) <= 2 * SHARE * (FULL + NOTES) + len(others)
    # What nothing was stored of has no group; it is counted here.
    here = world.spool.parent / "ticks" / NOBODYS
    left = json.loads(here.read_text())["count"] if here.exists() else 0
    assert loop.Group(world).crashes() + left == died > 500
