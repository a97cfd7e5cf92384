"""Who died: numbers that are taken over, names that lie, processes that are killed or traced while
they are looked at, programs that have more rights than whoever started them."""

import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

from support import attacker, capture
from support.world import wait_until

pytestmark = pytest.mark.system

MARK = "mark-of-another-process"

DIES = "#include <stdlib.h>\nint main(void) { abort(); }\n"

# Dies, or sleeps when told so by its name's last letter.
DECOY = r"""
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
int main(int argc, char **argv)
{
	char *copy = strdup(argv[1]);
	if (strcmp(argv[2], "dies") == 0)
		abort();
	sleep(20);
	return copy[0];
}
"""

# The kernel starts this first for the victim, and then for who took over its number.
RECYCLING = """#!/usr/bin/python3 -IS
import os, subprocess, sys, time
pid, flag = sys.argv[1], {root!r} + "/recycled"
if os.path.exists(flag):
    time.sleep(1)
    sys.exit()
os.kill(int(pid), 9)
while os.path.exists("/proc/" + pid):
    time.sleep(0.001)
open(flag, "w").close()
subprocess.run([sys.executable, "-IS", "-c", {recycle!r}, pid, {decoy!r}, {mark!r}, {does!r}],
               stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
for _ in range(1000):
    if {does!r} != "dies" or "CoreDumping:\\t1" in open("/proc/" + pid + "/status").read():
        break
    time.sleep(0.001)
os.execv({helper!r}, [{helper!r}, *sys.argv[1:]])
"""


def knows_nothing(core):
    """Nothing in it comes from /proc, and memory only from the kernel's own pipe."""
    assert core.facts["identity"] == "unverified"
    assert not {"exe", "comm", "cmdline", "status", "env", "cwd", "maps"} & set(core.facts)
    assert core.memory_bytes() == core.facts["captured"]["stream"]
    assert MARK.encode() not in core.data


@pytest.mark.parametrize("words", [attacker.WORDS, attacker.WORDS.removesuffix(" %F")],
                         ids=["pidfd", "old-kernel"])
@pytest.mark.parametrize("does", ["sleeps", "dies"])
def test_a_number_that_was_taken_over_leaves_nothing_of_its_new_owner(spool, words, does):
    """Attack 1: the victim is killed before /proc is read, and its number given to a process that
    lives, or that is dumping core itself. Fault 11: the same, between the start of the helper and
    its first look."""
    exe = capture.compile_c(spool.root, "dies", DIES)
    decoy = capture.compile_c(spool.root, "decoy", DECOY)
    script = RECYCLING.format(root=str(spool.root), recycle=attacker.RECYCLE, decoy=str(decoy),
                              mark=MARK, does=does, helper=str(spool.helper))
    pattern = attacker.started_instead(spool, "recycling", script, words)
    with spool.installed(pattern):
        victim = subprocess.Popen([exe])
        capture.wait_status(victim)
        core = spool.core()
        assert (spool.root / "recycled").exists()
        if does == "sleeps":
            assert MARK in pathlib.Path(f"/proc/{victim.pid}/cmdline").read_text()
            os.kill(victim.pid, signal.SIGKILL)
    knows_nothing(core)
    assert core.facts["pid"] == victim.pid
    assert "identity unverified" in spool.log


def test_a_number_taken_over_while_proc_is_read_leaves_nothing_of_its_new_owner(spool):
    """Attack 1: the victim is killed after it was identified, in the middle of reading /proc."""
    exe = capture.compile_c(spool.root, "dies", DIES)
    decoy = capture.compile_c(spool.root, "decoy", DECOY)
    pattern = attacker.traced(spool, "-e", "trace=openat,readlinkat", "-e",
                              "inject=readlinkat:delay_enter=700000:when=1")
    with spool.installed(pattern):
        victim = subprocess.Popen([exe])
        wait_until(lambda: '"comm"' in (spool.root / "trace").read_text()
                   if (spool.root / "trace").exists() else False, "the reading of /proc")
        victim.kill()
        capture.wait_status(victim)
        attacker.recycle(victim.pid, decoy, MARK, "sleeps")
        core = spool.core()
        os.kill(victim.pid, signal.SIGKILL)
    assert core.facts["died"] is True and core.facts["comm"] == "dies"
    assert "exe" not in core.facts and "cmdline" not in core.facts
    assert MARK.encode() not in core.data


def test_a_clock_that_steps_between_crash_and_capture_takes_nobody_for_another(spool):
    """The kernel's time of the crash is an hour away from the clock; without a pidfd."""
    exe = capture.compile_c(spool.root, "dies", DIES)
    pattern = attacker.started_instead(
        spool, "stepped", "#!/bin/sh\n"
        f'exec {spool.helper} $1 $2 $3 $4 $(($5 $(cat {spool.root}/step) 3600)) $6 $7\n')
    with spool.installed(pattern):
        for number, step in enumerate("-+", 1):
            (spool.root / "step").write_text(step)
            capture.wait_status(subprocess.Popen([exe]))
            assert spool.core(number).facts["identity"] == "verified"


INTERRUPT = """
import ctypes, os, sys
ptrace = ctypes.CDLL(None, use_errno=True).ptrace
pid = int(sys.argv[1])
assert ptrace(0x4206, pid, None, None) == 0, ctypes.get_errno()
assert ptrace(0x4207, pid, None, None) == 0, ctypes.get_errno()
"""


@pytest.mark.parametrize("how", ["killed", "traced"])
@pytest.mark.parametrize("call, number", [("ioctl", 1), ("openat", 8), ("pread64", 3)])
def test_who_kills_or_traces_the_dying_process_gets_a_partial_core(spool, how, call, number):
    """Attack 21: somebody with the same uid kills or traces the process while it is captured.
    Fault 13: a partial core is published, the helper ends with 0, within two seconds."""
    exe = capture.compile_c(spool.root, "dies", DIES)
    pattern = attacker.traced(spool, "-e", f"trace={call}", "-e",
                              f"inject={call}:delay_enter=250000:when={number}")
    with spool.installed(pattern):
        victim = subprocess.Popen([exe], user=1, group=1)
        wait_until(lambda: attacker.is_dumping(victim.pid), "the crash", every=0.001)
        time.sleep(0.15)
        started = time.monotonic()
        if how == "killed":
            victim.kill()
        else:
            subprocess.run([sys.executable, "-IS", "-c", INTERRUPT, str(victim.pid)], check=True,
                           user=1, group=1)
        attacker.reaped_within(victim, 2)
        lines = attacker.trace(spool)
        core = spool.core()
    assert time.monotonic() - started < 3
    assert attacker.exit_of(lines) == "exited with 0"
    assert len(core.threads()) == 1 and core.facts["pid"] == victim.pid
    # How far it came depends on the moment; that it is not the whole is always said.
    assert core.facts["identity"] == "unverified" or core.facts.get("died") is True, core.facts
    assert "its core is partial" in spool.log or "identity unverified" in spool.log


HOSTILE_NAMES = [b"x) R 1 1 \nUid: 0", b"\nTgid:\t1\nUid:\t0", b"a) S 1 (b) R 2", b") Z 0 0 0 0 0"]

NAMED = r"""
#include <stdlib.h>
#include <sys/prctl.h>
int main(int argc, char **argv)
{
	prctl(PR_SET_NAME, argv[1]);
	abort();
}
"""


def test_a_name_that_looks_like_lines_of_proc_changes_no_fact(spool):
    """Attack 10: names that imitate lines of status and fields of stat."""
    exe = capture.compile_c(spool.root, "named", NAMED)
    with spool.installed():
        for number, name in enumerate(HOSTILE_NAMES, 1):
            victim = subprocess.Popen([exe, name], user=7, group=8)
            capture.wait_status(victim)
            facts = spool.core(number).facts
            assert facts["comm"].encode() == name[:15]
            assert facts["identity"] == "verified"
            assert (facts["uid"], facts["gid"]) == (7, 8)
            assert facts["status"]["Uid"] == [7] * 4 and facts["status"]["Tgid"] == victim.pid
            assert facts["stat"]["ppid"] == facts["status"]["PPid"] == os.getpid()
            assert facts["stat"]["num_threads"] == 1
            assert 0 <= facts["age_ms"] < 60_000


SUID_DUMPABLE = pathlib.Path("/proc/sys/fs/suid_dumpable")

# What an unprivileged user may try with the core of a program that he started.
LOOKS = """
import os, sys
archive, pending, core = sys.argv[1:]
for what in (lambda: os.stat(core), lambda: open(core, "rb"), lambda: os.listdir(pending),
             lambda: os.stat(pending), lambda: os.listdir(archive),
             lambda: os.open(pending, os.O_TMPFILE | os.O_RDWR), lambda: os.link(core, "/tmp/mine")):
    try:
        what()
    except PermissionError:
        continue
    sys.exit("not refused")
"""

UNDUMPABLE = r"""
#include <stdlib.h>
#include <sys/prctl.h>
int main(void)
{
	prctl(PR_SET_DUMPABLE, 0);
	abort();
}
"""


def privileged(spool, kind):
    if kind == "undumpable":
        return capture.compile_c(spool.root, kind, UNDUMPABLE)
    exe = capture.compile_c(spool.root, kind, DIES)
    if kind == "setuid":
        exe.chmod(0o4755)
    else:
        subprocess.run(["/usr/sbin/setcap", "cap_net_raw+ep", exe], check=True)
    return exe


@pytest.mark.parametrize("dumpable", [0, 1, 2])
def test_the_core_of_a_privileged_program_is_not_its_users(spool, dumpable):
    """Attack 2: setuid programs and programs with capabilities, started by an ordinary user, under
    each value of fs.suid_dumpable. Fault 12: 0 is not captured, 1 and 2 are, 2 is marked; a program
    that asked not to be dumped is not."""
    programs = {kind: privileged(spool, kind) for kind in ("setuid", "capable", "undumpable")}
    with spool.installed():
        before = SUID_DUMPABLE.read_text()
        try:
            SUID_DUMPABLE.write_text(str(dumpable))
            for exe in programs.values():
                subprocess.run([exe], user=1, group=1, check=False,
                               env={"BACKTRACE_DEFAULTS": "version=evil"})
            if dumpable:
                spool.core(2)
        finally:
            SUID_DUMPABLE.write_text(before)
    cores = {core.facts["comm"]: core for core in map(capture.Core, spool.pending.iterdir())}
    assert set(cores) == ({"setuid", "capable"} if dumpable else set())
    for core in cores.values():
        assert core.facts["dumpable"] == dumpable
        assert (dumpable == 1) == ("env" in core.facts)
        status = core.path.stat()
        assert (status.st_mode & 0o7777, status.st_uid, status.st_nlink) == (0o600, 0, 1)
        assert not [name for name in os.listxattr(core.path) if "acl" in name]
        subprocess.run([sys.executable, "-IS", "-c", LOOKS, spool.archive, spool.pending, core.path],
                       user=1, group=1, extra_groups=[], check=True)


LISTENS = r"""
import os, signal, socket, sys, time
os.makedirs("/run/systemd", exist_ok=True)
os.makedirs("/run/coresnap", exist_ok=True)
listening = []
for path in ("/run/systemd/coredump", "/run/coresnap/notify", "/run/apport.socket"):
    for kind in (socket.SOCK_STREAM,):
        listening.append(socket.socket(socket.AF_UNIX, kind))
        listening[-1].bind(path)
        listening[-1].listen()
        listening[-1].settimeout(0.3)
child = os.fork()
if child == 0:
    os.abort()
os.waitpid(child, 0)
for sock in listening:
    try:
        sock.accept()
    except TimeoutError:
        continue
    sys.exit(9)
"""


def test_nothing_is_sent_into_a_container_that_listens(spool):
    """Attack 12: a process in namespaces of its own dies where somebody listens on the sockets that
    collectors of crashes have; Attack 17: its numbers are not the host's."""
    pattern = attacker.traced(spool, "-e", "trace=connect,sendto,sendmsg,kill,tgkill,pidfd_send_signal,"
                              "setns,chroot,execve")
    inside = f"mount -t tmpfs none /run && exec {sys.executable} -IS -c '{LISTENS}'"
    with spool.installed(pattern):
        done = subprocess.run(["unshare", "-Urpfm", "--mount-proc", "sh", "-c", inside], timeout=20)
        assert done.returncode == 0
        lines = attacker.trace(spool)
        core = spool.core()
    calls = [call for _, call in attacker.joined(lines) if "(" in call]
    assert calls[0].startswith("execve(")
    assert all('sun_path="/dev/log"' in call or call.startswith("sendto(")
               for call in calls[1:]), calls
    facts = core.facts
    assert facts["identity"] == "verified" and facts["ns_pid"] < 10 < facts["pid"]
    assert facts["exe"] == os.path.realpath(sys.executable)
