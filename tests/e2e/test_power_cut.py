"""The power goes after any system call of helper, analyser and daemon: what is on the disk then has
only whole objects under their names, and the daemon that finds it ends in the old state or the new."""

import contextlib
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import time
import types

import pytest

from support import attacker, capture, powercut
from support.host import Host
from support.refuser import refuser
from support.world import wait_until

pytestmark = pytest.mark.system

DIES = "#include <stdlib.h>\nint main(void) { abort(); }\n"
STRACE = ["-s", "4000000", "-e", powercut.RECORDED]
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}")


SENT = (200, {}, b'{"response":"ok","object":"1","fingerprint":"f"}')
REFUSED = (400, {}, b'{"error":{"code":7,"message":"no"}}')


@pytest.fixture(params=[("none", SENT), ("all", SENT), ("none", REFUSED)],
                ids=["sent", "core kept", "refused"])
def recorded(stage, request):
    """(archive, uuid, steps, whether it stays): one crash from the kernel to the server's answer."""
    keep, answer = request.param
    root = pathlib.Path(tempfile.mkdtemp(prefix="p", dir="/tmp"))
    root.chmod(0o755)
    host = Host(stage, root / "h", f"keep.core = {keep}\n", doubles=False)
    exe = capture.compile_c(root, "dies", DIES)
    (host.archive / "kept").mkdir(mode=0o700)
    recording = powercut.Recording(host.archive.parent)
    spool = types.SimpleNamespace(root=host.root, helper=host.sbin / "coresnap-archive")
    pattern = attacker.traced(spool, *STRACE)
    try:
        with capture.kernel.core_pattern(pattern, 64):
            capture.wait_status(subprocess.Popen([exe]))
            recording.add(attacker.trace(spool))
        with refuser((503, {}, b"{}"), answer) as server:
            cf = host.root / "usr/local/etc/coroner.cf"
            cf.parent.mkdir(parents=True)
            cf.write_text(f"[universe]\nwrite = {server.url}\n[token]\nblackhole = {'0' * 64}\n")
            cf.chmod(0o600)
            (uuid,) = host.names("pending")
            daemon = subprocess.Popen(["strace", "-f", "-y", "-q", *STRACE, "-o", root / "trace",
                                       host.sbin / "coresnapd", "-f"], env=host.env,
                                      stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                      stderr=open(host.log_path, "w"))
            try:
                host.wait_empty()
                host.wait_line("processed in" if answer == SENT else "quarantine")
            finally:
                attacker.end_traced(daemon)
            assert len(server.seen) == 2
        recording.add((root / "trace").read_text(encoding="latin-1").splitlines())
        yield host.archive, uuid, recording.steps, keep == "all" or answer == REFUSED
    finally:
        shutil.rmtree(root)


def restart(stage, folder, archive, state):
    """The daemon on what a cut left; (what it sent, what is still there, its log)."""
    host = Host(stage, folder)
    var = host.archive.parent
    for path, data in state.items():
        target = var / os.path.relpath(path, archive.parent)
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        target.write_bytes(data)
        target.chmod(0o600)
    try:
        host.start()
        host.wait_empty()
        host.end()
        return [uuid for _, uuid in host.objects()], host.log()
    finally:
        host.close()
        shutil.rmtree(folder)


def test_power_cut_after_any_step_leaves_the_old_state_or_the_new(recorded, stage, tmp_path):
    """Fault 2: the publish sequence, from the first byte of a core to the removal of its snapshot,
    cut after each system call, with everything that was not synced lost, kept, or torn."""
    archive, uuid, steps, stays = recorded
    whole = set(powercut.contents_of(steps).values())
    stages = [str(archive / name / uuid) for name in ("pending", "sending", "kept", "quarantine")]
    helper_ends = steps.index(("ends", "coresnap-archive"))
    synced = [n for n, step in enumerate(steps[:helper_ends])
              if step == ("sync folder", str(archive / "pending"))]
    assert synced, "the helper left without a name that stays"
    published = synced[-1]
    needed = len(steps) if stays else max(n for n, step in enumerate(steps)
                                          if step == ("ends", "coroner"))
    states, distinct = 0, {}
    for cut in range(len(steps) + 1):
        for state in powercut.after_power_cut(steps[:cut]):
            states += 1
            there = [path for path in stages if path in state]
            for path in state:
                if UUID.fullmatch(path.rpartition("/")[2]):
                    assert state[path] in whole and state[path], f"step {cut}: {path} is damaged"
            if cut > published and cut <= needed:
                assert there, f"step {cut}: the crash is lost"
            spool = frozenset((path, data) for path, data in state.items()
                              if UUID.fullmatch(path.rpartition("/")[2]) or ".part" in path)
            distinct.setdefault(spool, (cut, state, set(there) & set(stages[:2])))
    assert states > 100 and len(steps) > 30
    for number, (cut, state, there) in enumerate(distinct.values()):
        sent, log = restart(stage, tmp_path / f"h{number}", archive, state)
        assert sent == ([uuid] if there else []), f"step {cut}: {sorted(state)}\n{log}"
        assert "is kept in" not in log and "damaged" not in log, log
    assert len(distinct) >= 6


@contextlib.contextmanager
def ext4(image, folder):
    subprocess.run(["mount", "-o", "loop", image, folder], check=True)
    try:
        yield
    finally:
        # Also when a helper is still at it: whatever fails, no disk stays mounted.
        subprocess.run(["umount", "-l", folder], check=True)


@pytest.mark.skipif(not os.path.exists("/dev/loop-control"), reason="no loop devices")
@pytest.mark.parametrize("call, number, kept", [
    ("ftruncate", 1, {0}), ("fsync", 1, {0}), ("linkat", 1, {0, 1}), ("fsync", 2, {1})])
def test_a_disk_taken_away_while_the_helper_publishes_holds_a_whole_core_or_none(program, tmp_path,
                                                                                 call, number, kept):
    """Fault 2: a real ext4, copied as its device is while the helper stands after a system call; the
    copy's journal is replayed as after a power cut."""
    image, copy, check = tmp_path / "image", tmp_path / "copy", tmp_path / "check"
    check.mkdir()
    with open(image, "wb") as file:
        file.truncate(24 << 20)
    subprocess.run(["mkfs.ext4", "-q", image], check=True)
    with capture.new_spool(program) as spool:
        exe = capture.compile_c(spool.root, "dies", DIES)
        pattern = attacker.traced(spool, "-e", f"trace={call}", "-e",
                                  f"inject={call}:delay_exit=400000:when={number}")
        with ext4(image, spool.archive.parent):
            spool.make_folders()
            os.sync()
            with spool.installed(pattern):
                capture.wait_status(subprocess.Popen([exe]))
                time.sleep(0.2)
                subprocess.run(["cp", "--sparse=always", image, copy], check=True)
                assert attacker.exit_of(attacker.trace(spool)) == "exited with 0"
    with ext4(copy, check):
        cores = list((check / "archive/pending").iterdir())
        assert len(cores) in kept
        for path in cores:
            core = capture.Core(path)
            assert len(core.threads()) == 1 and core.memory_bytes() > 0
