"""The spool's disk: full, broken or gone, limits and shares, the reserve, eviction."""

import fcntl
import json
import os
import re
import shutil
import struct
import subprocess
import time

import pytest

from support import capture, disks, kernel
from support.host import core_bytes
from support.world import wait_until

pytestmark = pytest.mark.skipif(not kernel.system_tests_allowed(),
                                reason="changes core_pattern and mounts: run as root with SYSTEM=1")

DIES = "int main(void) { volatile int *p = 0; return *p; }\n"


@pytest.fixture(scope="module")
def dies(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dies")
    for path in (folder, *folder.parents):
        if path.stat().st_uid == 0 and str(path) != "/":
            path.chmod(path.stat().st_mode | 0o011)
    return capture.compile_c(folder, "dies", DIES)



def status(spool, stage):
    """What coresnap status says of the spool of the helper alone."""
    run = subprocess.run([stage / "opt/backtrace/bin/coresnap", "--root", spool.root, "status", "--json"],
                         capture_output=True, text=True, timeout=20)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def settled(spool, stage, crashes):
    """The counters once they know of so many crashes: the helper counts last."""
    def counted():
        counters = status(spool, stage)["counters"]
        return counters.get("crashes", 0) >= crashes and counters
    return wait_until(counted, f"{crashes} counted crashes; log: {spool.log}")


def modes(spool):
    return [capture.Core(path).facts["mode"] for path in spool.pending.iterdir()]


@pytest.mark.parametrize("leave_kib", [0, 4, 12, 32, 64, 100, 160, 400])
def test_on_a_full_disk_the_reserve_lets_the_notes_land(spool, stage, dies, leave_kib):
    """Fault 3: wherever ENOSPC comes, the notes land by the reserve, or everything does."""
    with disks.tmpfs(spool, "size=3M"):
        spool.set_policy(quota=0)
        disks.make_reserve(spool)
        disks.fill(spool.archive, leave_kib * 1024)
        assert os.WCOREDUMP(spool.crash([dies]))
        core = spool.core()
        counters = settled(spool, stage, 1)
        if core.facts["mode"] == "notes":
            assert core.facts["reason"] == "disk-full" and counters["refused"]["disk-full"] == 1
            assert "keeping its notes only" in spool.log
        assert counters["kept"]["full"] + counters["kept"]["notes"] == 1
        assert sum(counters["lost"].values()) == 0
        pieces = len(list((spool.archive / "reserve").iterdir()))
        assert pieces == 16 - counters["reserve_used"]
        assert leave_kib or pieces < 16
        assert len(list(spool.pending.iterdir())) == 1


def test_without_a_reserve_a_full_disk_still_counts(spool, stage, dies):
    """Fault 3: no room and no reserve: the crash is counted, exit and victim are unaffected."""
    with disks.tmpfs(spool, "size=1M"):
        spool.set_policy(quota=0)
        disks.fill(spool.archive)
        for _ in range(3):
            assert os.WCOREDUMP(spool.crash([dies]))
        counters = settled(spool, stage, 3)
        assert counters["ticks"] == 3 and sum(counters["lost"].values()) == 0
        assert list(spool.pending.iterdir()) == []
        assert spool.log.count("is only counted") == 3


def test_inodes_that_ran_out_are_in_the_reserve_too(spool, stage, dies):
    """Fault 3: inode exhaustion: a piece of the reserve is an inode as well."""
    with disks.tmpfs(spool, "size=16M,nr_inodes=200"):
        spool.set_policy(quota=0)
        disks.make_reserve(spool)
        with pytest.raises(OSError):
            for number in range(300):
                (spool.archive / f"f{number}").touch()
        assert os.WCOREDUMP(spool.crash([dies]))
        spool.core()
        counters = settled(spool, stage, 1)
        assert counters["kept"]["notes"] == 1 and counters["reserve_used"] >= 1


def test_a_users_quota_is_a_full_disk(spool, stage, dies):
    """Fault 3: EDQUOT: the quota of the spool's user leaves room for the notes by the reserve."""
    with disks.ext4(spool, features="quota,^has_journal"):
        spool.set_policy(quota=0)
        disks.make_reserve(spool)
        disks.give_to(spool, disks.USER)
        disks.set_quota(spool.archive, disks.USER, 1024 + 64, 100)
        for folder in (spool.root, spool.root / "var"):
            folder.chmod(0o755)
        assert os.WCOREDUMP(spool.crash([dies]))
        core = spool.core()
        assert core.facts["mode"] == "notes" and core.facts["reason"] == "disk-full"
        assert "Disk quota exceeded" in spool.log
        assert settled(spool, stage, 1)["kept"]["notes"] == 1


def test_a_disk_that_fails_loses_no_count_and_holds_nobody(spool, stage, dies):
    """Fault 3: EIO: what is written fails when it is synced; the crash is counted."""
    with disks.ext4(spool) as memory:
        spool.set_policy(quota=0)
        assert os.WCOREDUMP(spool.crash([dies]))
        assert settled(spool, stage, 1)["kept"]["full"] == 1
        disks.fail_writes(memory)
        began = time.monotonic()
        assert os.WCOREDUMP(spool.crash([dies]))
        assert time.monotonic() - began < 5
        counters = settled(spool, stage, 2)
        assert "Input/output error" in spool.log, spool.log
        assert counters["ticks"] == 1 and counters["kept"] == {"full": 1, "notes": 0}


def spoil_missing(spool):
    shutil.rmtree(spool.archive)


def spoil_symlink(spool):
    elsewhere = spool.root / "elsewhere"
    spool.archive.rename(elsewhere)
    spool.archive.symlink_to(elsewhere)


def spoil_owner(spool):
    os.chown(spool.archive / "pending", 12345, 12345)


def spoil_open(spool):
    spool.archive.chmod(0o777)


@pytest.mark.parametrize("spoil", [spoil_missing, spoil_symlink, spoil_owner, spoil_open])
def test_a_spool_that_cannot_be_used_has_a_place_in_memory(spool, dies, spoil):
    """Fault 4: missing, a symlink, of the wrong owner or open to others: /run, and nowhere else."""
    spool.set_policy()
    spoil(spool)
    before = {path for path in spool.root.rglob("*")}
    assert os.WCOREDUMP(spool.crash([dies]))
    (found,) = spool.wait_for(lambda: spool.fallback.is_dir() and
                              [path for path in spool.fallback.iterdir() if path.name != ".told"])
    core = capture.Core(found)
    assert core.facts["mode"] == "minimal" and len(core.threads()) == 1 and core.memory_bytes()
    assert capture.gdb_frames(dies, found)
    assert {path for path in spool.root.rglob("*")} == before
    assert spool.fallback.stat().st_mode & 0o7777 == 0o700 and spool.fallback.stat().st_uid == 0
    assert found.stat().st_mode & 0o7777 == 0o600


def test_a_read_only_disk_has_a_place_in_memory(spool, dies):
    """Fault 4: read-only remount."""
    spool.set_policy()
    with disks.tmpfs(spool, "size=4M"):
        subprocess.run(["mount", "-o", "remount,ro", spool.archive], check=True)
        assert os.WCOREDUMP(spool.crash([dies]))
        spool.wait_for(lambda: spool.fallback.is_dir() and
                       [path for path in spool.fallback.iterdir() if path.name != ".told"])
        assert list(spool.pending.iterdir()) == []


def by_hand(spool, core):
    """The helper as the kernel starts it, with a core of before; returns what it says."""
    with open(core, "rb") as file:
        run = subprocess.run([spool.helper, "1", "1", "11", "1", str(int(time.time())), "0", "0"],
                             stdin=file, capture_output=True, text=True, timeout=20)
    return run


def test_the_place_in_memory_is_small_and_said_once(spool, dies, tmp_path):
    """Fault 4: one loud line, and never more than 8 MiB."""
    spool.set_policy()
    full = spool.root / "full"
    spool.crash([dies], spool.tee(full))
    spool.wait_for(full.exists)
    shutil.rmtree(spool.archive)
    shutil.rmtree(spool.fallback, ignore_errors=True)
    said = [by_hand(spool, full).stderr for _ in range(2)]
    assert "the spool cannot be used: " in said[0] and "coresnap enable" in said[0]
    assert "the spool cannot be used: " not in said[1]
    assert all("Crash dump archived in /run/coresnap/pending-" in text for text in said)
    names = [path for path in spool.fallback.iterdir() if path.name != ".told"]
    assert len(names) == 2
    used = sum(path.stat().st_size for path in names)
    filler = spool.fallback / "00000000-0000-4000-8000-000000000000"
    filler.write_bytes(b"")
    os.truncate(filler, (8 << 20) - used - 40000)
    for _ in range(8):
        run = by_hand(spool, full)
    assert run.returncode != 0 and "is lost" in run.stderr
    assert sum(path.stat().st_size for path in spool.fallback.iterdir()) <= 8 << 20


@pytest.mark.parametrize("how", ["daemon", "enable"])
def test_what_waited_in_memory_comes_into_the_spool(make_host, how):
    """Fault 4: the daemon's next start, or coresnap enable, moves it."""
    host = make_host("core_pattern.manage = false\n")
    place = host.fallback
    place.parent.mkdir(exist_ok=True)
    place.mkdir(mode=0o700)
    (place / ".told").touch()
    (place / "not-a-uuid").write_text("left alone")
    uuid = "3d22c19c-09c0-4000-8000-000000000001"
    (place / uuid).write_bytes(core_bytes({"exe": "/bin/x", "uid": 0, "signal": 11}))
    os.symlink("/etc/shadow", place / "3d22c19c-09c0-4000-8000-000000000002")
    assert re.search(r"waiting +\d crash.* in /run", host.coresnap("status").stdout)
    if how == "enable":
        run = host.coresnap("enable")
        assert run.returncode == 0 and "1 crash moved from" in run.stdout, run
        assert host.names("pending") == [uuid]
    host.start()
    wait_until(lambda: ("blackhole", uuid) in host.objects(), "the crash")
    assert not (place / uuid).exists() and (place / "not-a-uuid").exists()
    assert '"fallback":1' in host.coresnap("status", "--json").stdout.replace(" ", "")


def crash_often(spool, argv, times, user=0):
    with spool.installed():
        for _ in range(times):
            child = subprocess.Popen(argv, user=user, group=user, extra_groups=[], cwd="/")
            child.returncode = capture.wait_status(child)


def test_over_its_limits_a_spool_takes_notes_and_then_counts(spool, stage, dies):
    """The helper alone, with the daemon dead, stays within spool.files and an eighth."""
    spool.set_policy(quota=0, spool_files=16, share=0)
    conf = spool.root / "etc/coresnap/coresnap.conf"
    conf.parent.mkdir(parents=True)
    conf.write_text("spool.files = 16\n")
    for number in range(1, 23):
        crash_often(spool, [dies], 1)
        counters = settled(spool, stage, number)
    assert counters["kept"] == {"full": 16, "notes": 2} and counters["ticks"] == 4
    assert counters["refused"]["spool"] == 6
    assert len(list(spool.pending.iterdir())) == 18
    said = status(spool, stage)
    assert said["over_limits"] and said["spool_objects"] == 18 and said["spool_limit_objects"] == 16
    # The first crash of a new program, too, only up to the eighth.
    other = spool.root / "other"
    shutil.copy(dies, other)
    crash_often(spool, [other], 1)
    assert settled(spool, stage, 23)["ticks"] == 5
    assert spool.log.count("refused so far") <= 3


def test_one_users_flood_leaves_the_others_their_part(spool, stage, dies):
    """Attack 13: a flood of crashes of one user: the spool stays within its limits, and the crash of
    another user is still taken whole."""
    spool.set_policy(quota=0, spool_files=24, share=25)
    programs = []
    for number in range(40):
        programs.append(spool.root / f"p{number}")
        shutil.copy(dies, programs[-1])
    for begin in range(0, 40, 8):
        with spool.installed():
            for program in programs[begin : begin + 8]:
                child = subprocess.Popen([program], user=60011, group=60011, extra_groups=[], cwd="/")
                child.returncode = capture.wait_status(child)
        settled(spool, stage, begin + 8)
    counters = settled(spool, stage, 40)
    # Half of the spool before shares count, then nothing more; a helper counts after its process is
    # gone, so the next may come a little before that.
    whole, less = counters["kept"]["full"], counters["kept"]["notes"] + counters["ticks"]
    assert 12 <= whole <= 15 and whole + less == 40
    assert counters["refused"]["share"] == less and sum(counters["lost"].values()) == 0
    crash_often(spool, [dies], 1, user=60012)
    assert settled(spool, stage, 41)["kept"]["full"] == whole + 1
    assert len(list(spool.pending.iterdir())) <= 24


def test_counters_that_cannot_be_had_let_crashes_through(spool, dies):
    """Attack 13: the counters' record is never the reason that a crash is lost."""
    spool.set_policy(quota=0)
    record = spool.archive.parent / "counters"
    for plant in (lambda: record.mkdir(), lambda: os.mkfifo(record),
                  lambda: record.symlink_to("/etc/passwd"), lambda: record.write_bytes(os.urandom(4096))):
        plant()
        number = len(list(spool.pending.iterdir())) + 1
        assert os.WCOREDUMP(spool.crash([dies]))
        assert spool.core(number).facts["mode"] == "minimal"
        time.sleep(0.1)
        record.rmdir() if record.is_dir() and not record.is_symlink() else record.unlink()


# Eviction: the daemon, on objects that the test places.

def notes_of_a_loop(host, **facts):
    return host.place(mode="notes", reason="rate", **facts)


def evicted(host):
    return re.findall(r"crash (\S+) of \S+ evicted \((\w+), ", host.log())


def test_what_is_worth_least_is_evicted_first(make_host):
    """Eviction order: notes of loops, what was sent, what was refused, duplicates, first ones; never
    the newest of a program, never what is locked."""
    host = make_host("spool.files = 1\nspool.share = 0\n")
    host.tell("ptrace.exit", 2)
    (host.archive / "kept").mkdir(mode=0o700)
    (host.archive / "quarantine").mkdir(mode=0o700)
    now = time.time()
    names = {}
    for age, (word, stage, exe, loop) in enumerate([
            ("newest of b", "pending", "/bin/b", False), ("newest of a", "pending", "/bin/a", False),
            ("notes 2", "pending", "/bin/a", True), ("third", "pending", "/bin/a", False),
            ("locked", "pending", "/bin/a", False), ("second", "pending", "/bin/a", False),
            ("notes 1", "pending", "/bin/a", True), ("kept 2", "kept", "/bin/c", False),
            ("first", "pending", "/bin/a", False), ("refused", "quarantine", "/bin/a", False),
            ("kept 1", "kept", "/bin/a", False)]):
        facts = {"mode": "notes", "reason": "rate"} if loop else {}
        names[host.place(stage, when=now - 100 * (age + 1), exe=exe, **facts)] = word
    locked = next(uuid for uuid, word in names.items() if word == "locked")
    with open(host.archive / "pending" / locked, "r+b") as file:
        fcntl.fcntl(file, 37, struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 0, 0, 0))  # F_OFD_SETLK
        host.start()
        host.wait_line("all it holds is worth keeping")
        assert [(names[uuid], cls) for uuid, cls in evicted(host)] == [
            ("notes 1", "suppressed"), ("notes 2", "suppressed"), ("kept 1", "sent"), ("kept 2", "sent"),
            ("refused", "refused"), ("second", "duplicate"), ("third", "duplicate"), ("first", "first")]
        assert {names[uuid] for uuid in host.names("pending")} == {"newest of a", "newest of b", "locked"}
    assert host.log().count("it is counted only") == 6
    counters = json.loads(host.coresnap("status", "--json").stdout)["counters"]
    assert counters["evicted"] == {"suppressed": 2, "sent": 2, "refused": 1, "duplicate": 2, "first": 1}
    assert "evicted       2 suppressed" in host.coresnap("status").stdout


def test_a_user_over_the_share_pays_for_it(make_host):
    """Attack 13: one user's crashes push out none of another's."""
    host = make_host("spool.files = 12\nspool.share = 25%\n")
    host.tell("ptrace.exit", 2)
    now = time.time()
    old = [host.place(when=now - 1000 + n, exe="/bin/mine", uid=1) for n in range(3)]
    loud = [host.place(when=now - 500 + n, exe=f"/bin/loud{n % 2}", uid=2) for n in range(14)]
    host.start()
    wait_until(lambda: len(evicted(host)) >= 5, "evictions")
    assert {uuid for uuid, _ in evicted(host)} <= set(loud)
    assert set(old) <= set(host.names("pending")) and len(host.names("pending")) <= 12


def test_bytes_are_a_limit_with_the_files_of_the_dead(make_host):
    host = make_host("spool.bytes = 1M\nspool.share = 0\n")
    host.tell("ptrace.exit", 2)
    now = time.time()
    uuids = [host.place(when=now - 100 + n, padding=200_000) for n in range(4)]
    assets = host.archive / "assets" / uuids[1]
    assets.mkdir()
    (assets / "file").write_bytes(os.urandom(900_000))
    host.start()
    host.wait_line(f"crash {uuids[1]} of vim.basic evicted .duplicate")
    assert not assets.exists() and len(host.names("pending")) == 3


def test_below_the_quota_only_what_the_server_has_is_evicted(make_host):
    host = make_host("dump.quota = 100%\n")
    (host.archive / "kept").mkdir(mode=0o700)
    now = time.time()
    sent = [host.place("kept", when=now - 50 - n) for n in range(2)]
    waiting = [host.place(when=now - 100 - n) for n in range(3)]
    host.start()
    wait_until(lambda: len(evicted(host)) == 2, "evictions")
    assert {uuid for uuid, _ in evicted(host)} == set(sent)
    assert host.names("pending") == sorted(waiting)
    assert "free space is below dump.quota" in host.log()


def test_the_daemon_makes_the_reserve_again(make_host):
    host = make_host()
    host.start()
    pieces = lambda: sorted(path.name for path in (host.archive / "reserve").glob("*"))
    wait_until(lambda: len(pieces()) == 16, "the reserve")
    assert all((host.archive / "reserve" / name).stat().st_blocks * 512 >= 65536 for name in pieces())
    for name in pieces()[:3]:
        (host.archive / "reserve" / name).unlink()
    host.place()
    host.wait_line("the reserve for a full disk is whole again")
    assert len(pieces()) == 16


def test_purging_can_be_turned_off(make_host):
    host = make_host()
    host.tell("ptrace.exit", 2)
    old = host.place(when=time.time() - 400 * 86400)
    host.start()
    host.wait_line(f"crash {old} kept in pending")
    assert host.names("pending") == [old]
