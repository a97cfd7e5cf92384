"""The helper dies at any of its system calls, by a signal of its own, or is replaced while it works;
daemons that do not answer; more crashes at once than the kernel lets through."""

import collections
import os
import re
import shutil
import signal
import subprocess
import time

import pytest

from support import attacker, capture, kernel
from support.world import wait_until

pytestmark = pytest.mark.system

DIES = "#include <stdlib.h>\nint main(void) { abort(); }\n"

RELEASED_S = 2  # by a helper that lives; strace and a busy machine included


def whole_cores(spool):
    """Every name in pending/ is a core that can be read to its end, with its thread."""
    cores = [capture.Core(path) for path in spool.pending.iterdir() if path.name[0] != "."]
    assert all(len(core.threads()) == 1 for core in cores)
    return cores


def calls_of(lines):
    """(name, how many times this thread has made it) of every call but the first, in order."""
    counts = collections.Counter()
    for pid, call in attacker.joined(lines):
        name = re.match(r"(\w+)\(", call)
        if name and name[1] != "execve":
            counts[pid, name[1]] += 1
            yield name[1], counts[pid, name[1]]


def test_killed_at_any_system_call_the_victim_is_free_and_nothing_is_half_done(spool):
    """Fault 1: SIGKILL at 34 of its system calls, from the first to the last; what is in pending/ is
    whole, and the next crash is archived."""
    exe = capture.compile_c(spool.root, "dies", DIES)
    ends = []
    with spool.installed(attacker.traced(spool)):
        # The first makes folders that the others find.
        for _ in range(2):
            (spool.root / "trace").unlink(missing_ok=True)
            capture.wait_status(subprocess.Popen([exe]))
            attacker.trace(spool)
        calls = list(dict.fromkeys(calls_of(attacker.trace(spool))))
    seen = len(whole_cores(spool))
    points = [calls[len(calls) * n // 34] for n in range(34)]
    for part in (points[:17], points[17:]):
        with spool.installed(attacker.started_instead(spool, "killed", f"""#!/bin/sh
read name n <{spool.root}/point
exec strace -f -q -o {spool.root}/trace -e trace=$name -e inject=$name:signal=KILL:when=$n {spool.helper} "$@"
""")):
            for name, n in part:
                (spool.root / "point").write_text(f"{name} {n}\n")
                (spool.root / "trace").unlink(missing_ok=True)
                started = time.monotonic()
                attacker.reaped_within(subprocess.Popen([exe]), RELEASED_S)
                ends.append(attacker.exit_of(attacker.trace(spool)))
                assert time.monotonic() - started < RELEASED_S, (name, n)
                # What it forked may go on; whether it does or not, what comes is whole.
                wait_until(lambda: process_of(spool.helper) is None, "the end of all helpers")
                now = len(whole_cores(spool))
                assert now - seen in (0, 1), (name, n)
                seen = now
    assert ends.count("killed by SIGKILL") >= 25, list(zip(points, ends))
    spool.crash([exe])
    wait_until(lambda: len(whole_cores(spool)) == seen + 1, "the next crash")
    assert not list(spool.archive.rglob(".*")), "something temporary stays"


def last_line(spool):
    path = spool.root / "trace"
    lines = path.read_text(errors="replace").splitlines() if path.exists() else []
    return lines[-1] if lines else ""


@pytest.mark.parametrize("call, number", [("alarm", 1), ("poll", 1), ("ftruncate", 1)])
def test_a_helper_that_crashes_does_not_start_another(spool, call, number):
    """Attack 19: the helper itself dies of SIGSEGV, before, while and after it holds the victim."""
    exe = capture.compile_c(spool.root, "dies", DIES)
    with spool.installed(attacker.started_instead(spool, "crashing", f"""#!/bin/sh
read name </proc/$1/comm
[ "$name" = strace ] && exit # it dies as its child did, but without the kernel's limit
echo $1 >>{spool.root}/started
exec strace -f -q -o {spool.root}/trace -e trace={call} -e inject={call}:signal=SEGV:when={number} \
{spool.helper} "$@"
""")):
        victim = subprocess.Popen([exe])
        attacker.reaped_within(victim, RELEASED_S)
        wait_until(lambda: "killed by SIGSEGV" in last_line(spool), "the crash of the helper")
        time.sleep(0.1)
    assert "(core dumped)" not in last_line(spool)
    assert (spool.root / "started").read_text().split() == [str(victim.pid)]
    assert not whole_cores(spool)


def test_the_helper_keeps_its_limit_and_cannot_be_dumped(spool):
    """Attack 19: RLIMIT_CORE stays the 1 that the kernel gave, and nobody may look into the helper."""
    exe = capture.compile_c(spool.root, "dies", DIES)
    pattern = attacker.traced(spool, "-e", "trace=close", "-e", "inject=close:delay_enter=400000:when=12")
    with spool.installed(pattern):
        victim = subprocess.Popen([exe])
        helper = wait_until(lambda: process_of(spool.helper), "the helper", every=0.002)
        wait_until(lambda: open(f"/proc/{helper}/syscall").read(1), "it", every=0.002)
        time.sleep(0.1)
        limits = open(f"/proc/{helper}/limits").read()
        owner = os.stat(f"/proc/{helper}/environ").st_uid, os.stat(f"/proc/{helper}").st_gid
        reader = subprocess.run(["cat", f"/proc/{helper}/maps"], user=1, group=1, capture_output=True)
        capture.wait_status(victim)
        lines = attacker.trace(spool)
    line = next(line for line in limits.splitlines() if line.startswith("Max core file size"))
    assert line.split()[4:6] == ["1", "1"], line
    assert owner == (0, 0) and reader.returncode != 0
    assert attacker.exit_of(lines) == "exited with 0"


def process_of(program):
    """The number of a process that runs this program."""
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                if os.path.samefile(f"/proc/{entry}/exe", program):
                    return int(entry)
            except OSError:
                pass
    return None


def test_a_helper_that_is_replaced_while_it_works_ends_as_it_began(spool):
    """Upgrade during a crash: the program is replaced by a rename while a crash is in flight; that
    crash ends with the old program, the next begins with the new one."""
    exe = capture.compile_c(spool.root, "dies", DIES)
    new = spool.helper.with_name("new")
    shutil.copy(spool.helper, new)
    with open(new, "ab") as file:
        file.write(b"another build")
    pattern = attacker.traced(spool, "-e", "trace=pread64,fsync,execve", "-e",
                              "inject=pread64:delay_enter=200000:when=4", "-e",
                              "inject=fsync:delay_enter=200000:when=1")
    with spool.installed(pattern):
        victim = subprocess.Popen([exe])
        old = wait_until(lambda: process_of(spool.helper), "the helper", every=0.002)
        os.rename(new, spool.helper)
        assert process_of(spool.helper) is None and os.path.exists(f"/proc/{old}")
        attacker.reaped_within(victim, RELEASED_S)
        assert attacker.exit_of(attacker.trace(spool)) == "exited with 0"
        first = spool.core()
        capture.wait_status(subprocess.Popen([exe]))
        second = spool.core(2)
    for core in (first, second):
        assert len(core.threads()) == 1 and core.memory_bytes() > 0
        assert core.facts["identity"] == "verified"


def start_daemon(spool, program):
    log = spool.root / "coresnapd.log"
    with open(log, "w") as out:
        process = subprocess.Popen([program("coresnapd"), "-f", "--root", spool.root], stdout=out,
                                   stderr=out, stdin=subprocess.DEVNULL)
    wait_until(lambda: " started; " in log.read_text(), "coresnapd's start")
    return process, log


@pytest.mark.parametrize("how", [signal.SIGSTOP, signal.SIGKILL])
def test_a_daemon_that_is_stopped_or_dead_is_not_waited_for(spool, program, how):
    """Fault 5: the daemon is stopped or dead; captures take no longer, and their cores wait for it."""
    exe = capture.compile_c(spool.root, "dies", DIES)
    process, log = start_daemon(spool, program)
    try:
        process.send_signal(how)
        with spool.installed():
            for number in range(1, 4):
                attacker.reaped_within(subprocess.Popen([exe]), RELEASED_S)
                assert spool.core(number).facts["times_us"]["released"] < 500_000
        cores = [path.name for path in spool.pending.iterdir()]
        assert not any(uuid in log.read_text() for uuid in cores)
        if how == signal.SIGKILL:
            process.wait(20)
            process, log = start_daemon(spool, program)
        process.send_signal(signal.SIGCONT)
        wait_until(lambda: all(uuid in log.read_text() for uuid in cores), "the daemon's turn")
    finally:
        process.kill()
        process.wait(20)


CRASHES = 200
REFUSED = re.compile(r"coredump: (\d+)\(dies\): over core_pipe_limit")
# The kernel says ten lines in five seconds, and how many it kept to itself before the next one.
KEPT_TO_ITSELF = re.compile(r"\b(?:do_coredump|coredump_pipe): (\d+) callbacks suppressed")


@pytest.fixture
def daemon(spool, program):
    """A coresnapd on the spool that has nothing to analyse with; daemon() is what it said."""
    process, log = start_daemon(spool, program)
    yield log.read_text
    process.terminate()
    process.wait(20)


def told_by_daemon(text):
    return sum(map(int, re.findall(r"(\d+) more crashes were refused by the kernel", text)))


def test_two_hundred_crashes_at_once_are_captured_or_counted_by_the_kernel(spool, daemon):
    """Fault 6: 200 crashes at once with a limit of 64: at least 64 whole cores, every other one is
    counted from the kernel's log by the daemon, nobody is held for more than two seconds."""
    exe = capture.compile_c(spool.root, "dies", "#include <stdlib.h>\n#include <unistd.h>\n"
                            "int main(void) { char c; read(0, &c, 1); abort(); }\n")
    log = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK)
    os.lseek(log, 0, os.SEEK_END)
    gate, opener = os.pipe()
    with spool.installed():
        victims = [subprocess.Popen([exe], stdin=gate) for _ in range(CRASHES)]
        started = time.monotonic()
        os.close(opener)
        os.close(gate)
        statuses = [capture.wait_status(victim) for victim in victims]
        held = time.monotonic() - started
        told = {int(pid) for pid in REFUSED.findall(read_log(log))}
        dumped = [victim.pid for victim, status in zip(victims, statuses) if os.WCOREDUMP(status)]
        wait_until(lambda: len(list(spool.pending.iterdir())) >= len(dumped), "all others")
    assert {os.WTERMSIG(status) for status in statuses} == {signal.SIGABRT}
    cores = whole_cores(spool)
    assert len(cores) >= 64 and held < 4
    assert sorted(core.facts["pid"] for core in cores) == sorted(dumped)
    assert max(core.facts["times_us"]["released"] for core in cores) < 2_000_000
    assert told.isdisjoint(dumped) and (told or len(dumped) == CRASHES)
    if len(told) < CRASHES - len(dumped):
        more = 0
        time.sleep(5)
        with kernel.core_pattern("|/usr/bin/sleep 0.2", 1):
            for victim in [subprocess.Popen([exe], stdin=subprocess.DEVNULL) for _ in range(3)]:
                more += not os.WCOREDUMP(capture.wait_status(victim))
        kept = KEPT_TO_ITSELF.findall(read_log(log))
        assert len(told) + sum(map(int, kept)) == CRASHES - len(dumped)
        with spool.installed():
            capture.wait_status(subprocess.Popen([exe], stdin=subprocess.DEVNULL))
        wait_until(lambda: told_by_daemon(daemon()) == CRASHES - len(dumped) + more, "the count")
    os.close(log)


def read_log(log):
    text = ""
    while True:
        try:
            text += os.read(log, 8192).decode(errors="replace")
        except BlockingIOError:
            return text
