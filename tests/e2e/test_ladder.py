"""The crash-loop ladder: whole cores, then notes, then ticks, and every crash in the server's count.

LADDER_SECONDS and LADDER_RATE make the loop longer (`make soak` runs ten minutes of it)."""

import os
import pathlib
import re
import shutil
import tempfile
import threading

import pytest

from support import loop
from support.world import World, wait_until

SECONDS = int(os.environ.get("LADDER_SECONDS", "8"))
RATE = int(os.environ.get("LADDER_RATE", "50"))
FULL, NOTES = 6, 4
pytestmark = pytest.mark.system


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


def all_there(world):
    """Nothing waits on the host any more."""
    world.run("coresnap", "retry", "all")
    return not world.spooled() and not loop.ticks_left(world)


def wait_all_there(world):
    try:
        wait_until(lambda: all_there(world), "all at the server", 60, every=0.5)
    except TimeoutError as error:
        raise TimeoutError(f"{error}: {loop.ticks_left(world)} {world.log('coresnapd')[-3000:]}") from None


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
    assert group.ticks() == died - FULL - NOTES
    assert group.crashes() == died
    assert len(world.select("timestamp")) == FULL + NOTES
    # They belong to the group of the whole cores, and `morgue list` shows them there.
    listed = world.run("morgue", "list", world.project).stdout
    counts = [int(number) for number in re.findall(r"Occurrences: (\d+)", listed)]
    assert sum(counts) == died and max(counts) >= died - NOTES, listed
