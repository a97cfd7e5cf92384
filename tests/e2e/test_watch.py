"""watch.path: cores that others write into a folder are taken into the spool, by rules that hold in
a folder where anybody may put anything. ptrace and coroner are stand-ins but where it is said."""

import gzip
import json
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import threading
import time

import pytest

from support import kernel
from support.crashers import Crashers
from support.world import World, wait_until

USER, DAEMON = 23456, 12345


@pytest.fixture(scope="module")
def core(tmp_path_factory):
    """(core, program) of a program of ours, as the kernel writes it."""
    return Crashers(tmp_path_factory.mktemp("crashers")).core("nullderef")


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "cores"
    path.mkdir(mode=0o755)
    return path


@pytest.fixture
def make_host(make_host, folder):
    """With a folder that is watched."""
    def make(settings="", **keywords):
        return make_host(f"watch.path = {folder}\n{settings}", **keywords)

    return make


def put(core, path):
    """Copies it there as a program would: open, write, close."""
    shutil.copyfile(core[0], path)
    return path


def gone(path):
    return lambda: not os.path.lexists(path)


def taken(host):
    """How many whole cores were taken and sent."""
    return len(host.objects())


def wait_taken(host, number=1):
    try:
        wait_until(lambda: taken(host) == number and host.empty(), f"{number} cores taken")
    except TimeoutError as error:
        raise TimeoutError(f"{error}: {taken(host)}\n{host.log()[-3000:]}") from None


def refused(host):
    """File name by problem, as `coresnap status` has it."""
    watch = json.loads(host.coresnap("status", "--json").stdout).get("watch", {"refused": []})
    return {pathlib.Path(row["file"]).name: row["problem"] for row in watch["refused"]}


def wait_refused(host, name):
    return wait_until(lambda: refused(host).get(name), f"the refusal of {name!r}")


def look_again(host):
    """Reads the configuration, and looks through all folders."""
    before = host.log().count("configuration read from")
    host.daemon.send_signal(signal.SIGHUP)
    wait_until(lambda: host.log().count("configuration read from") > before, "the reload")


def need_root():
    if os.geteuid() != 0:
        pytest.skip("makes files of other users: needs root")


def test_a_core_that_is_copied_there_goes_all_the_way(host, folder, core):
    host.start()
    path = put(core, folder / "core.1")
    wait_taken(host)
    assert gone(path)()
    uuid, = [uuid for _, uuid in host.objects()]
    words = host.words()
    assert words[-2:] == [f"{host.archive}/pending/{uuid}", str(core[1])]
    assert f"--kv=coresnap.found_at:{path}" in words
    assert f"--kv=hostname:{os.uname().nodename}" in words
    host.wait_line("processed in")
    lines = [line for line in host.lines() if uuid in line]
    assert lines[0] == f"Crash dump archived in {host.archive}/pending/{uuid}"
    assert lines[1].startswith("Executing slave: ") and "processed in" in lines[-1]


def test_a_core_that_is_moved_there_and_one_that_lay_there(host, folder, core):
    put(core, folder / "before")
    host.start()
    wait_taken(host)
    put(core, folder.parent / "elsewhere").rename(folder / "moved")
    wait_taken(host, 2)
    assert not list(folder.iterdir())


@pytest.mark.system
def test_the_kernels_own_core_files_become_snapshots_of_a_server(stage, tmp_path, folder, core):
    """core_pattern names a file, as in containers and on hosts that are managed by others; the real
    ptrace, coroner and coronerd make an object of it."""
    world = World(stage, tmp_path / "world", "dump.quota = 1")
    try:
        world.start_server()
        world.set_up()
        conf = world.root / "usr/local/etc/coresnap/coresnap.conf"
        conf.write_text(f"watch.path = {folder}\n" + conf.read_text())
        world.start_daemon()
        wait_until(lambda: " started; " in world.log("coresnapd"), "coresnapd's start")
        with kernel.core_pattern(f"{folder}/core.%e.%p"):
            subprocess.run(["sh", "-c", 'ulimit -c unlimited; exec "$0"', core[1]])
        wait_until(lambda: "processed in" in world.log("coresnapd"), "the object", 60)
        row, = world.select("callstack", "hostname", "application", "signal",
                            "coresnap.found_at")
        assert "main" in row["callstack"]
        assert row["hostname"] == os.uname().nodename
        assert row["application"] == "nullderef"
        assert row["coresnap.found_at"].startswith(f"{folder}/core.nullderef.")
        assert not list(folder.iterdir())
    finally:
        world.close()


def test_one_that_is_being_written_does_not_hold_up_others(host, folder, core):
    host.start()
    data = core[0].read_bytes()
    with open(folder / "slow", "wb") as slow:
        slow.write(data[:len(data) // 2])
        slow.flush()
        look_again(host)  # while it grows
        put(core, folder / "fast")
        wait_taken(host)
        time.sleep(1.2)
        assert (folder / "slow").exists() and taken(host) == 1
        slow.write(data[len(data) // 2:])
    wait_taken(host, 2)


def test_watch_keep_leaves_it_and_takes_it_once(make_host, folder, core):
    host = make_host("watch.keep = true\n")
    put(core, folder / "core.1")
    for _ in range(2):
        host.start()
        wait_taken(host)
        look_again(host)
        time.sleep(0.3)
        host.end()
        assert (folder / "core.1").exists() and taken(host) == 1
    assert len((host.archive.parent / "watched").read_text().split()) == 1
    # Another file of the name is another core.
    os.utime(put(core, folder / "core.1"))
    host.start()
    wait_taken(host, 2)


def test_a_kill_at_any_moment_takes_each_core_once(make_host, folder, core):
    host = make_host("dump.rate.disabled = true\n")
    host.tell("ptrace.slow", "0.01")
    deadline = time.monotonic() + float(os.environ.get("SOAK", 2)) / 2
    number = 0
    while number < 12 or time.monotonic() < deadline:
        put(core, folder / f"core.{number}")
        number += 1
        host.start(wait=False)
        time.sleep(random.random() * 0.12)
        host.end(signal.SIGKILL)
    host.start()
    wait_until(lambda: not list(folder.iterdir()) and host.empty(), "an empty folder", 120)
    arrived = [uuid for _, uuid in host.objects()]
    assert len(arrived) == len(set(arrived)) == number
    print(f"\n{number} kills and cores, each of which arrived once")


PACKED = {
    "zstd": lambda data: subprocess.run(["zstd", "-q", "-1"], input=data, capture_output=True,
                                        check=True).stdout,
    "zstd in two frames": lambda data: PACKED["zstd"](data[:5000]) + PACKED["zstd"](data[5000:]),
    "gzip": gzip.compress,
    "gzip in two members": lambda data: gzip.compress(data[:5000]) + gzip.compress(data[5000:]),
}


@pytest.mark.parametrize("how", PACKED)
def test_packed_cores_are_unpacked(make_host, folder, core, how):
    """kern.compress_user_cores, systemd-coredump's files."""
    host = make_host("keep.core = all\n")
    host.start()
    (folder / "core.packed").write_bytes(PACKED[how](core[0].read_bytes()))
    wait_taken(host)
    (uuid,) = host.names("kept")
    assert (host.archive / "kept" / uuid).read_bytes() == core[0].read_bytes()
    assert str(core[1]) in host.words()


def bombs():
    block = random.Random(1).randbytes(4096)
    yield "pattern", block * (100 << 8), "it unpacks to more than 200 times its size"
    yield "zeros", bytes(100 << 20), "unpacked it is larger than watch.max"
    yield "cut", None, "zstd: it is cut"


@pytest.mark.parametrize("name, content, problem", bombs(), ids=lambda value: value
                         if isinstance(value, str) and " " not in value else "")
def test_what_unpacks_to_too_much_is_refused(make_host, folder, core, name, content, problem):
    host = make_host("watch.max = 90M\n")
    host.start()
    packed = PACKED["zstd"](content or core[0].read_bytes())
    (folder / "bomb").write_bytes(packed if content else packed[:-100])
    assert wait_refused(host, "bomb") == problem
    assert not list((host.archive / "pending").iterdir())
    put(core, folder / "core.1")
    wait_taken(host)


def test_packing_that_is_not_understood_is_named(host, folder):
    host.start()
    (folder / "core.lz4").write_bytes(b"\x04\x22\x4d\x18" + bytes(100))
    assert "lz4" in wait_refused(host, "core.lz4")


# What stands in the folder under a name, and what is said of it.
def hostile(folder, core):
    secret = folder.parent / "secret"
    secret.write_bytes(core[0].read_bytes())
    os.symlink(secret, folder / "symlink")
    os.symlink("/etc/shadow", folder / "shadow")
    os.link(secret, folder / "hardlink")
    os.mkfifo(folder / "fifo")
    (folder / "subfolder").mkdir()
    (folder / "text").write_text("not a core at all\n")
    (folder / "empty").touch()
    (folder / "--help").write_bytes(b"\x7fELF" + bytes(60))
    (folder / "a\n\x1b[31mb").write_bytes(core[1].read_bytes())
    return {"symlink": "a link, not a plain file", "shadow": "a link, not a plain file",
            "hardlink": "it has another name elsewhere (a hard link)",
            "fifo": "not a plain file", "subfolder": "not a plain file", "text": "not a core",
            "--help": "not an ELF core file", "a\n\x1b[31mb": "not an ELF core file"}


def test_only_plain_files_with_one_name_are_opened(host, folder, core):
    """Attack 4: links, pipes, folders and other files under names of the attacker's choice are left
    alone, named, and hold up nothing. Attack 11: no pipe stops us, no link leads us."""
    expected = hostile(folder, core)
    put(core, folder / "-o\n--core")
    host.start()
    wait_taken(host)
    try:
        wait_until(lambda: expected.items() <= refused(host).items(), "the refusals", 45)
    except TimeoutError:
        assert refused(host) == expected
    assert sorted(path.name for path in folder.iterdir()) == sorted([*expected, "empty"])
    shown = host.coresnap("status").stdout
    assert "\x1b" not in shown + host.log() and re.search(r"^not taken +\S+/symlink: a link", shown,
                                                          re.M)
    # Said once, however often it is looked at.
    look_again(host)
    time.sleep(0.3)
    assert host.log().count("symlink stays") == 1


def test_a_name_that_changes_between_look_and_opening_gives_nothing_away(make_host, folder, core):
    """Attack 5: a file swapped for a link to another's file, over and over, while we look."""
    secret = folder.parent / "secret"
    secret.write_bytes(core[0].read_bytes() + b"SECRET" * 1000)
    host = make_host("keep.core = all\ndump.rate.disabled = true\n")
    host.start()
    stop = threading.Event()

    def swap():
        while not stop.is_set():
            os.symlink(secret, folder / ".link")
            os.rename(folder / ".link", folder / "core.x")
            put(core, folder / ".file")
            os.rename(folder / ".file", folder / "core.x")

    swapper = threading.Thread(target=swap)
    swapper.start()
    time.sleep(1)
    stop.set()
    swapper.join()
    put(core, folder / "last")
    wait_until(lambda: not (folder / "last").exists() and host.empty(), "the last core")
    kept = [(host.archive / "kept" / name).read_bytes() for name in host.names("kept")]
    assert kept and all(data == core[0].read_bytes() for data in kept)
    assert secret.exists()


def test_a_core_that_says_it_is_of_another_user_is_refused(host, folder, core):
    """Attack 4: a core made up by one user to look like a crash of another."""
    need_root()
    host.start()
    path = put(core, folder.parent / "made-up")
    os.chown(path, USER, USER)
    path.rename(folder / "core.1")
    assert wait_refused(host, "core.1") == (
        f"it belongs to user {USER} but says that its process was user 0's")
    assert (folder / "core.1").exists()


def test_a_folder_where_all_may_rename_is_refused(host, folder, core):
    """Attack 4: in a folder open to all without the sticky bit anybody could swap files of others."""
    folder.chmod(0o777)
    put(core, folder / "core.1")
    host.start()
    host.wait_line(r"watch: \S+/cores: everybody may rename what others put there; 'chmod \+t' it")
    assert "chmod +t" in host.coresnap("status").stdout
    folder.chmod(0o1777)
    look_again(host)
    wait_taken(host)


def test_a_folder_that_is_a_link_is_refused(make_host, folder, core, tmp_path):
    """Attack 5: the folder itself is no link to somewhere else."""
    os.symlink(folder, tmp_path / "link")
    host = make_host(f"watch.path = {tmp_path}/link\n")
    host.start()
    host.wait_line(r"watch: \S+/link: a link; name the folder that it leads to")


def test_a_folder_that_comes_later_or_goes_and_comes_back(host, folder, core):
    folder.rmdir()
    host.start()
    host.wait_line(r"watch: \S+/cores: it is not there")
    folder.mkdir(mode=0o755)
    host.daemon.send_signal(signal.SIGHUP)
    host.wait_line("cores there are taken")
    folder.rename(folder.parent / "away")
    host.wait_line("it was removed or moved")
    folder.mkdir(mode=0o755)
    look_again(host)
    wait_until(lambda: host.log().count("cores there are taken") == 2, "the folder's return")
    put(core, folder / "core.1")
    wait_taken(host)


def give_to_daemon(host):
    for top, _, files in os.walk(host.root / "var"):
        for path in [top, *(os.path.join(top, name) for name in files)]:
            os.chown(path, DAEMON, DAEMON)
    for path in (host.root.parent, host.root.parent.parent, host.root.parent.parent.parent):
        path.chmod(path.stat().st_mode | 0o011)
    host.root.chmod(0o777)


def core_of_user(core, tmp_path):
    """The same core with another user in its note, for a process of whom it would be."""
    data = bytearray(core[0].read_bytes())
    at = data.index(b"CORE\0\0\0\0", data.index(b"CORE\0\0\0\0") + 1) + 8  # NT_PRPSINFO is second
    assert data[at + 40:at + 49] == b"nullderef"
    data[at + 16:at + 20] = USER.to_bytes(4, "little")
    path = tmp_path / "of-user"
    path.write_bytes(data)
    path.chmod(0o600)
    os.chown(path, USER, USER)
    return path


# How the daemon comes to rights that its opener keeps: started as root, or given them by systemd.
STARTS = {
    "root": [],
    "capabilities": ["setpriv", f"--reuid={DAEMON}", f"--regid={DAEMON}", "--clear-groups",
                     "--inh-caps=+dac_read_search,+dac_override,+fowner",
                     "--ambient-caps=+dac_read_search,+dac_override,+fowner"],
}


@pytest.mark.parametrize("how", STARTS)
def test_cores_of_all_users_are_read_by_an_opener_that_can_do_nothing_else(host, folder, core,
                                                                           tmp_path, how):
    need_root()
    give_to_daemon(host)
    os.chown(folder, 0, 0)
    folder.chmod(0o1773)
    with open(host.log_path, "a") as log:
        host.daemon = subprocess.Popen([*STARTS[how], host.sbin / "coresnapd", "-f"], stdout=log,
                                       stderr=log, stdin=subprocess.DEVNULL, env=host.env)
    host.wait_line(" started; ")
    status = pathlib.Path(f"/proc/{host.daemon.pid}/status").read_text()
    assert re.search(rf"^Uid:\s+{DAEMON}\s", status, re.M)
    assert re.search(r"^CapEff:\s+0+$", status, re.M)
    assert re.search(r"^CapPrm:\s+0+$", status, re.M)
    openers = [path for path in pathlib.Path("/proc").glob("[0-9]*/status")
               if path != pathlib.Path(f"/proc/{host.daemon.pid}/status")
               and is_program(path.parent, host.sbin / "coresnapd")]
    text, = [path.read_text() for path in openers]
    assert re.search(rf"^Uid:\s+{DAEMON}\s", text, re.M)
    # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER.
    assert re.search(r"^CapEff:\s+0*e$", text, re.M) and re.search(r"^NoNewPrivs:\s+1$", text, re.M)
    core_of_user(core, tmp_path).rename(folder / "core.1")
    wait_until(lambda: taken(host) == 1, "the core")
    assert gone(folder / "core.1")()
    host.end()
    wait_until(lambda: not openers[0].exists(), "the opener's end")


def is_program(process, program):
    try:
        return os.readlink(process / "exe") == str(program)
    except OSError:
        return False


def test_without_the_right_to_read_it_says_what_to_do(host, folder, core, tmp_path):
    need_root()
    give_to_daemon(host)
    folder.chmod(0o1777)
    core_of_user(core, tmp_path).rename(folder / "core.1")
    log = open(host.log_path, "a")
    os.chown(host.log_path, DAEMON, DAEMON)
    host.daemon = subprocess.Popen([host.sbin / "coresnapd", "-f"], stdout=log, stderr=log,
                                   user=DAEMON, group=DAEMON, extra_groups=[], env=host.env)
    host.wait_line(f"core.1 stays: user {DAEMON} may not read it; see watch\\.path")
    assert "see watch.path in coresnap.conf(5)" in host.coresnap("status").stdout


def test_below_the_quota_it_stays_where_it_is(make_host, folder, core):
    host = make_host()
    host.conf.write_text(host.conf.read_text().replace("dump.quota = 1\n", "dump.quota = 100%\n"))
    host.start()
    put(core, folder / "core.1")
    host.wait_line("core.1 stays: free space would be below dump.quota")
    assert "below dump.quota" in wait_refused(host, "core.1")
    host.conf.write_text(host.conf.read_text().replace("100%", "1"))
    host.daemon.send_signal(signal.SIGHUP)
    wait_taken(host)
    assert not refused(host)


def test_a_full_disk_leaves_it_where_it_is_and_takes_it_later(make_host, folder, core):
    """Fault 3: no room for what a packed core unpacks to."""
    need_root()
    host = make_host()
    beside = host.archive.parent
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=160k,mode=755", "none", beside], check=True)
    try:
        for name in ("pending", "sending", "assets"):
            (host.archive / name).mkdir(parents=True, mode=0o700)
        host.archive.chmod(0o700)
        host.start()
        (folder / "core.zst").write_bytes(PACKED["zstd"](core[0].read_bytes()))
        host.wait_line("core.zst stays: write: No space left on device")
        assert (folder / "core.zst").exists() and not host.names("pending")
        subprocess.run(["mount", "-o", "remount,size=8m", beside], check=True)
        look_again(host)
        wait_taken(host)
        assert gone(folder / "core.zst")()
    finally:
        host.close()
        subprocess.run(["umount", "-l", beside], check=True)


def test_a_crash_loop_goes_down_the_ladder(make_host, folder, core):
    host = make_host("dump.rate.full = 2/10m\ndump.rate.notes = 1/h\nkeep.core = all\n")
    for i in range(5):
        put(core, folder / f"core.{i}")
    host.start()
    wait_until(lambda: not list(folder.iterdir()), "an empty folder")
    wait_until(lambda: host.log().count("only counted") == 2, "two ticks")
    host.wait_empty()
    sizes = sorted((host.archive / stage / name).stat().st_size
                   for stage in ("pending", "kept") for name in host.names(stage)
                   if re.fullmatch(r"[0-9a-f-]{36}", name))
    whole = core[0].stat().st_size
    assert len(sizes) == 3 and sizes[1:] == [whole, whole] and sizes[0] < 20000
    notes = min((host.archive / "kept").iterdir(), key=lambda path: path.stat().st_size)
    out = subprocess.run(["readelf", "-nlW", notes], capture_output=True, text=True)
    assert "NT_PRSTATUS" in out.stdout and "Warning" not in out.stderr


def test_holes_stay_holes(make_host, folder, core):
    host = make_host("keep.core = all\n")
    path = put(core, folder.parent / "sparse")
    os.truncate(path, 8 << 30)
    path.rename(folder / "core.1")
    host.start()
    wait_taken(host)
    (uuid,) = host.names("kept")
    status = (host.archive / "kept" / uuid).stat()
    assert status.st_size == 8 << 30 and status.st_blocks * 512 < 4 << 20


def test_a_folder_full_of_rubbish_fills_neither_log_nor_status(host, folder, core):
    for i in range(200):
        (folder / f"rubbish.{i}").write_text("x")
    host.start()
    put(core, folder / "core.1")
    wait_taken(host)
    wait_until(lambda: len(refused(host)) == 32, "refusals")
    assert host.log().count(" stays: ") <= 32
    assert "no more lines of this kind for a while" in host.log()
    assert re.search(r"not taken +1\d\d more", host.coresnap("status").stdout)


def test_with_a_folder_to_watch_an_idle_daemon_sleeps(host, folder, core):
    host.start()
    put(core, folder / "core.1")
    wait_taken(host)
    host.wait_line("processed in")

    def switches():
        text = pathlib.Path(f"/proc/{host.daemon.pid}/status").read_text()
        return int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", text, re.M)[1])

    time.sleep(1.3)  # housekeeping comes a second after the last thing that happened
    before = switches()
    # What is written bit by bit wakes nobody before it is closed.
    with open(folder / "slow", "wb") as slow:
        for _ in range(20):
            slow.write(bytes(1 << 16))
            slow.flush()
        time.sleep(0.5)
        assert switches() == before


@pytest.mark.parametrize("line, message", [
    ("watch.path = cores", "the path must be absolute"),
    ("watch.path = {archive}/pending", "archive.path lie within one another"),
    ("watch.max = lots", "watch.max"),
    ("watch.paht = /a", "the nearest known key is 'watch.path'"),
])
def test_a_wrong_setting_is_named(make_host, line, message):
    host = make_host()
    with open(host.conf) as file:
        text = file.read()
    host.conf.write_text(f"archive.path = {host.archive}\n" + line.format(archive=host.archive)
                         + "\n" + text)
    run = subprocess.run([host.sbin / "coresnapd", "-f"], capture_output=True, text=True, timeout=20)
    assert run.returncode == 78 and message in run.stderr, run.stderr
