"""coresnapd itself: the rights it gives up, the limits of its children, what it does when they die,
when the spool is hostile, the clock steps or core_pattern changes; and that it sleeps otherwise."""

import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import time

import pytest

from support import crashers, kernel
from support.host import costs
from support.world import wait_until

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="gives up root: needs it")


def status_of(pid):
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return dict(re.findall(r"^(\w+):[ \t]*(.*)$", text, re.M))


def processes(mark):
    """Processes whose command line holds mark."""
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if mark.encode() in path.read_bytes():
                found.append(int(path.parent.name))
        except OSError:
            pass
    return found


@needs_root
@pytest.mark.parametrize("owner", [0, 12345])
def test_it_keeps_no_right_that_it_does_not_need(host, owner):
    """Attack 19: and no core of its own, so that a crash of the daemon is not handled by itself."""
    for folder, _, _ in os.walk(host.root / "var"):
        os.chown(folder, owner, owner)
    for path in (host.root.parent, host.root.parent.parent, host.root.parent.parent.parent):
        path.chmod(path.stat().st_mode | 0o011)
    host.root.chmod(0o777)
    host.start()
    status = status_of(host.daemon.pid)
    assert status["Uid"].split() == [str(owner)] * 4
    assert status["Gid"].split() == [str(owner)] * 4
    assert status["Groups"] == ""
    for kind in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(status[kind], 16) == 0, kind
    assert status["NoNewPrivs"] == "1"
    limits = pathlib.Path(f"/proc/{host.daemon.pid}/limits").read_text()
    assert re.search(r"^Max core file size\s+1\s+1\s", limits, re.M)
    # Who is not dumpable leaves its files in /proc to root.
    assert os.stat(f"/proc/{host.daemon.pid}/maps").st_uid == 0
    uuid = host.place()
    os.chown(host.archive / "pending" / uuid, owner, owner)
    host.wait_empty()


@pytest.mark.system
def test_a_crash_of_the_daemon_does_not_feed_itself(host):
    """Attack 19: killed by a signal that dumps core, it leaves nothing in its own spool."""
    with kernel.locked():
        run = host.coresnap("enable")
        assert run.returncode == 0, run.stderr
        host.start()
        host.daemon.send_signal(signal.SIGSEGV)
        assert host.daemon.wait(10) == -signal.SIGSEGV
        time.sleep(0.5)
        host.coresnap("disable")
    assert host.empty() and not host.names("quarantine")


LIMITS = """
grep -E '^Max (cpu time|file size|core file size|open files|address space|data size)' /proc/self/limits
echo "nice $(nice)"; echo "session $$ $(cut -d' ' -f6 /proc/self/stat)"
grep -E '^(NoNewPrivs|CapEff)' /proc/self/status
ls /proc/self/fd | tr '\\n' ' ' | sed 's/^/fds /'; echo
env | cut -d= -f1 | sort | tr '\\n' ' ' | sed 's/^/env /'; echo
"""


@pytest.mark.parametrize("child", ["ptrace", "coroner"])
def test_children_have_limits_and_a_clean_environment(make_host, child):
    host = make_host(daemon_env={"BACKTRACE_DEFAULTS": "a=b", "AWS_SECRET_KEY": "x", "http_proxy": "p"})
    script = host.root / child
    script.write_text(script.read_text().replace("#!/bin/sh\n", "#!/bin/sh\n{%s} >%s/seen.%s\n" % (
        LIMITS, host.root, child)))
    host.start()
    host.place()
    host.wait_empty()
    seen = (host.root / f"seen.{child}").read_text()
    cpu = re.search(r"Max cpu time\s+(\d+)", seen)[1]
    assert int(cpu) == {"ptrace": 900, "coroner": 600}[child]
    for limit in ("file size", "open files", "data size"):
        assert re.search(rf"Max {limit}\s+\d+", seen), limit
    assert re.search(r"Max core file size\s+1 ", seen)
    assert int(re.search(r"nice (\d+)", seen)[1]) >= 10
    assert re.search(r"NoNewPrivs:\s+1", seen)
    words = re.search(r"^session (\d+) (\d+)", seen, re.M)
    assert words[1] == words[2]
    # 0, 1, 2, the object's lock, and what ls itself opens.
    assert len(re.search(r"^fds (.*)$", seen, re.M)[1].split()) <= 5
    names = re.search(r"^env (.*)$", seen, re.M)[1].split()
    assert "PATH" in names and "http_proxy" in names
    assert "AWS_SECRET_KEY" not in names and "BACKTRACE_DEFAULTS" not in names


def test_a_defaults_command_changes_no_file(make_host, tmp_path):
    """Attack 8: a hook that writes outside gets EACCES, whoever it runs as; its output counts."""
    target = tmp_path / "outside"
    script = tmp_path / "hook"
    script.write_text(f"""#!/bin/sh
{{ echo x >{target}; }} 2>/dev/null || echo wrote=no
rm -f {script} 2>/dev/null || echo removed=no
mkdir {tmp_path}/folder 2>/dev/null || echo made=no
echo quiet >/dev/null && echo read=$(wc -c <{script})
""")
    script.chmod(0o755)
    host = make_host(f"defaults.command = {script}")
    host.conf.write_text(re.sub("^defaults.command =$", "", host.conf.read_text(), flags=re.M))
    host.start()
    host.place()
    host.wait_empty()
    assert not target.exists() and script.exists()
    words = " ".join(host.words())
    for pair in ("wrote:no", "removed:no", "made:no", f"read:{script.stat().st_size}"):
        assert f"--kv={pair}" in words, words


STRAYS = """
setsid sleep 1000.{mark} >/dev/null 2>&1 &
(setsid sh -c 'setsid sleep 1000.{mark}; :' >/dev/null 2>&1 &)
sleep 0.2
"""


@pytest.mark.parametrize("child", ["hook", "ptrace"])
def test_what_a_child_leaves_running_ends_with_it(make_host, tmp_path, child):
    mark = str(os.getpid()) + ("1" if child == "hook" else "2")
    script = tmp_path / "hook"
    script.write_text("#!/bin/sh\n" + STRAYS.format(mark=mark) + "echo a=b\n")
    script.chmod(0o755)
    host = make_host(f"defaults.command = {script}" if child == "hook" else "")
    if child == "hook":
        host.conf.write_text(re.sub("^defaults.command =$", "", host.conf.read_text(), flags=re.M))
    else:
        ptrace = host.root / "ptrace"
        ptrace.write_text(ptrace.read_text().replace("#!/bin/sh\n", "#!/bin/sh\n"
                                                     + STRAYS.format(mark=mark)))
    host.start()
    host.place()
    wait_until(lambda: processes(f"1000.{mark}"), "the strays")
    host.wait_empty()
    wait_until(lambda: not processes(f"1000.{mark}"), "the strays' end", 5)


def test_children_die_with_the_daemon_whatever_they_started(make_host, tmp_path):
    mark = f"{os.getpid()}3"
    script = tmp_path / "hook"
    script.write_text("#!/bin/sh\n" + STRAYS.format(mark=mark) + f"sleep 1000.{mark}\n")
    script.chmod(0o755)
    host = make_host(f"defaults.command = {script}")
    host.conf.write_text(re.sub("^defaults.command =$", "", host.conf.read_text(), flags=re.M))
    host.start()
    host.place()
    wait_until(lambda: len(processes(f"1000.{mark}")) >= 3, "the hook and its strays")
    host.end(signal.SIGKILL)
    wait_until(lambda: not processes(f"1000.{mark}"), "their end", 5)


@pytest.fixture(scope="module")
def crash(tmp_path_factory):
    """The bytes of a real core."""
    core, _ = crashers.Crashers(tmp_path_factory.mktemp("crash")).core("nullderef")
    return core.read_bytes()


# The first run of ptrace dies at this system call, in all of its processes that make it.
DYING = """#!/bin/sh
if [ ! -e {root}/died ]; then
	: >{root}/died
	exec strace -f -o /dev/null -e trace={call} -e inject={call}:signal={signal} {ptrace} "$@"
fi
exec {ptrace} "$@"
"""


def dying_ptrace(host, call, number):
    path = host.root / "ptrace"
    path.write_text(DYING.format(root=host.root, call=call, signal=number,
                                 ptrace=host.bin / "ptrace"))


@pytest.mark.parametrize("number, name", [("KILL", "signal 9"), ("SEGV", "signal 11")])
def test_when_what_ptrace_confines_is_killed_a_partial_snapshot_is_sent(make_host, crash, number, name):
    """Fault 15: the confined process dies; the snapshot says so and the core is kept."""
    host = make_host()
    dying_ptrace(host, "uname", number)
    coroner = host.root / "coroner"
    coroner.write_text(coroner.read_text().replace("shift 3\n", f"shift 3\ncp $3 {host.root}/sent\n"))
    uuid = host.place(content=crash)
    host.start()
    host.wait_empty()
    assert host.objects() == [("blackhole", uuid)]
    document = json.loads(subprocess.run(["zstdcat", "--force", host.root / "sent"],
                                         capture_output=True, check=True).stdout)
    assert f"killed by {name}" in document["truncated"][0]
    assert host.names("kept") == [uuid] and not host.names("quarantine")


@pytest.mark.parametrize("number", ["KILL", "SEGV"])
def test_when_ptrace_itself_is_killed_it_is_run_again(make_host, crash, number):
    """Fault 15: dying while it publishes leaves nothing half done; the second run is whole."""
    host = make_host()
    dying_ptrace(host, "linkat", number)
    uuid = host.place(content=crash)
    host.start()
    host.wait_line(f"crash {uuid} kept in pending: ptrace exit {137 if number == 'KILL' else 139}")
    host.wait_empty()
    assert host.objects() == [("blackhole", uuid)]
    assert not host.names("quarantine")
    assert not [path for path in (host.archive / "sending").iterdir()]


@pytest.mark.system
def test_a_change_of_core_pattern_is_told_within_moments(make_host, tmp_path):
    """Attack 24: whoever rewrites core_pattern is found out by log, metric and status."""
    metrics = tmp_path / "metrics.prom"
    host = make_host(f"metrics.path = {metrics}\n")
    with kernel.locked():
        assert host.coresnap("enable").returncode == 0
        ours = kernel.read(kernel.PATTERN)
        host.start()
        wait_until(lambda: metrics.exists() and "coresnap_core_pattern_ours 1\n"
                   in metrics.read_text(), "the metric", 5)
        for theirs in ("|/bin/false %P", "core.\x1b[31m%p"):
            before = len(host.log())
            kernel.write(kernel.PATTERN, theirs)
            shown = theirs.replace("\x1b", "\\x1b")
            wait_until(lambda: f"core_pattern is '{shown}', not ours" in host.log()[before:],
                       "the log line", 2)
            wait_until(lambda: "coresnap_core_pattern_ours 0\n" in metrics.read_text(),
                       "the metric", 2)
            assert json.loads(host.coresnap("status", "--json").stdout)[
                "core_pattern_state"] == "not ours"
            assert "run 'coresnap enable'" in host.coresnap("status").stdout
            kernel.write(kernel.PATTERN, ours)
            host.wait_line(r"core_pattern is ours: crashes come here", 2)
        host.coresnap("disable")


def test_an_idle_daemon_sleeps_and_is_small(make_host):
    """Idle: not one wake-up, and no more than 1 MB proportional memory, also after work."""
    # Whoever else tests here may change core_pattern, which would wake it.
    host = make_host("core_pattern.manage = false\nworkers = 4\n", purge=True)
    host.start()
    for _ in range(20):
        host.place()
    host.wait_empty()
    wait_until(lambda: host.log().count("processed in") == 20, "the last line")
    time.sleep(1.3)  # housekeeping comes a second after the last thing that happened
    before = costs(host.daemon.pid)
    time.sleep(2)
    after = costs(host.daemon.pid)
    assert (after["switches"], after["slices"]) == (before["switches"], before["slices"])
    assert after["pss_kb"] <= 1024


def test_an_idle_daemon_looks_at_core_pattern_hourly_and_at_nothing_sooner(host):
    """The one timer of an idle daemon, as the kernel shows it."""
    host.start()
    wait_until(lambda: status_of(host.daemon.pid)["State"].startswith("S"), "sleep")
    times = []
    for path in pathlib.Path(f"/proc/{host.daemon.pid}/fdinfo").iterdir():
        found = re.search(r"it_value: \((\d+), ", path.read_text())
        times += [int(found[1])] if found else []
    assert len(times) == 1 and 3500 < times[0] <= 3600, times


FOLDERS = ["pending", "sending", "kept", "quarantine", "assets"]


def uuid_like(number, folder="pending"):
    return f"{number:08x}-0000-4000-8000-{FOLDERS.index(folder):012x}"


def litter(host, folder, crash):
    """Whatever may lie in a folder of the spool under a name like an object's, and under others."""
    place, numbers = host.archive / folder, iter(range(1, 100))
    place.mkdir(exist_ok=True, mode=0o700)

    def name(number=None):
        return uuid_like(number or next(numbers), folder)

    target = host.root / "outside"
    target.write_text("not yours\n")
    (place / name()).symlink_to(target)
    (place / name()).symlink_to("/dev/zero")
    os.mkfifo(place / name())
    (place / name()).mkdir()
    if os.geteuid() == 0:
        os.mknod(place / name(), 0o600 | 0o020000, os.makedev(1, 5))
    with socket.socket(socket.AF_UNIX) as listener:
        os.chdir(place)
        listener.bind(name())
        os.chdir("/")
    for odd in ("a\nb", "..hidden", "x" * 255, "--option", "\udcff\udcfe", "0" * 36):
        os.close(os.open(os.fsencode(str(place)) + b"/" + os.fsencode(odd), os.O_CREAT | os.O_WRONLY))
    sparse = place / name(0x100)
    with open(sparse, "wb") as file:
        file.write(crash[:4096])
        file.truncate(1 << 40)
    (place / name(0x101)).write_bytes(b"")
    (place / name(0x102)).write_bytes(os.urandom(5000))
    unreadable = place / name(0x103)
    unreadable.write_bytes(crash)
    unreadable.chmod(0)
    if os.geteuid() == 0:
        os.chown(unreadable, 54321, 54321)
    os.utime(place / name(0x102), ns=(1 << 62, 1 << 62))
    return target


def test_a_spool_full_of_hostile_files_holds_up_no_good_one(make_host, crash):
    """Links, devices, FIFOs, folders, sparse and unreadable files, odd names and state: the good
    crashes before, between and after them are analysed (by the real ptrace) and sent."""
    host = make_host("workers = 2\nretry.min = 1s\n", purge=True)
    host.conf.write_text(re.sub("^ptrace.path.*$", "", host.conf.read_text(), flags=re.M))
    first = host.place(content=crash, when=time.time() - 100)
    targets = [litter(host, folder, crash) for folder in FOLDERS]
    twin = uuid_like(0x200)
    os.link(host.archive / "pending" / first, host.archive / "pending" / twin)
    state = host.archive.parent / "state"
    state.mkdir(exist_ok=True, mode=0o700)
    os.mkfifo(state / first)
    host.start()
    host.wait_line(r"^coresnap\[\d+\]: \d+ names in .* are no plain files; they are left alone")
    second = host.place(content=crash)
    os.symlink("/etc/passwd", state / second)
    wait_until(lambda: {first, second, twin} <= {uuid for _, uuid in host.objects()},
               "the good crashes", 40)
    third = host.place(content=crash)
    wait_until(lambda: third in {uuid for _, uuid in host.objects()}, "one after them", 20)
    assert all(target.read_text() == "not yours\n" for target in targets)
    assert (host.archive / "pending" / uuid_like(1)).is_symlink()
    if os.geteuid() == 0:
        host.wait_line(rf"crash {uuid_like(0x103)} waits: ")
    for command in ("list", "status"):
        run = host.coresnap(command)
        assert run.returncode == 0, run.stderr
        assert "\x1b" not in run.stdout
    # What cannot be taken is looked at less and less often.
    assert host.log().count(f"crash {uuid_like(0x103)} waits") < 40
    assert host.end() == 0


def test_times_of_another_clock_hold_up_nothing(make_host):
    """The clock stepped by years, back and forth, between crash, failure and restart."""
    host = make_host("retry.max = 1h\n")
    now = time.time()
    host.tell("coroner.exit", 75)
    uuids = [host.place(when=when) for when in (now + 9e8, now + 3e9, 86400, now)]
    host.start()
    host.wait_line("kept in sending: coroner exit 75")
    wait_until(lambda: len(host.names("sending")) == 4, "four snapshots")
    host.end(signal.SIGKILL)
    for path in (host.archive.parent / "state").iterdir():
        known = json.loads(path.read_text())
        known["next_try_ns"] = int((now + 3e9) * 1e9)
        path.write_text(json.dumps(known))
    host.tell("coroner.exit", "")
    host.start()
    host.wait_empty()
    assert {uuid for _, uuid in host.objects()} == set(uuids)
    time.sleep(0.3)
    before = costs(host.daemon.pid)
    time.sleep(1)
    assert costs(host.daemon.pid)["cpu_ns"] - before["cpu_ns"] < 10_000_000


RELOADED = {
    "format.1 = moved": lambda host: host.objects()[-1][0] == "moved",
    "ptrace.options = --budget=1G": lambda host: "--budget=1G" in host.words(),
    "keep.core = all": lambda host: host.names("kept"),
    "metrics.path = {root}/metrics": lambda host: (host.root / "metrics").exists(),
    "defaults.command = {root}/hook": lambda host: "--kv=from:hook" in host.words(),
}


def test_all_settings_but_the_spools_place_change_with_a_reload(make_host):
    host = make_host()
    (host.root / "hook").write_text("#!/bin/sh\necho from=hook\n")
    (host.root / "hook").chmod(0o755)
    host.start()
    host.place()
    host.wait_empty()
    text = re.sub("^(defaults.command|metrics.path) .*$", "", host.conf.read_text(), flags=re.M)
    lines = [line.format(root=host.root) for line in RELOADED]
    host.conf.write_text("\n".join([*lines, f"archive.path = {host.root}/elsewhere", text]))
    host.daemon.send_signal(signal.SIGHUP)
    host.wait_line("configuration read from ")
    host.wait_line("reload: archive.path needs a restart")
    uuid = host.place()
    host.wait_empty()
    assert host.objects()[-1] == ("moved", uuid)
    for line, shows in RELOADED.items():
        assert wait_until(lambda check=shows: check(host), line, 5)
    # One that is broken in any way changes nothing, and says what is wrong with which line.
    for broken in ("format.1 = x %e /(/", "workers = 0", "[nowhere", "retry.min = soon"):
        before = len(host.log())
        host.conf.write_text(broken + "\n" + "\n".join(lines))
        host.daemon.send_signal(signal.SIGHUP)
        wait_until(lambda: "the old configuration stays" in host.log()[before:], broken)
        assert f"{host.conf}:1: " in host.log()[before:], host.log()[before:]
    uuid = host.place()
    host.wait_empty()
    assert host.objects()[-1] == ("moved", uuid)


COUNTING = """#!/bin/sh
mkdir {root}/now.$$
ls -d {root}/now.* | wc -l >>{root}/at_once
sleep 0.3
rmdir {root}/now.$$
"""


def test_as_many_are_analysed_at_once_as_told_and_sent_in_order(make_host):
    host = make_host("workers = 3\n")
    ptrace = host.root / "ptrace"
    ptrace.write_text(ptrace.read_text().replace("#!/bin/sh\n", COUNTING.format(root=host.root)))
    uuids = [host.place(when=1000 + i) for i in range(9)]
    host.start()
    host.wait_empty()
    assert max(map(int, (host.root / "at_once").read_text().split())) == 3
    assert [uuid for _, uuid in host.objects()] == uuids
