"""What an attacker, or a debugger, does between two steps of the helper.

The kernel starts a program of the test's instead of the helper; it does what it is told and becomes
the helper (the same process, standard input and descriptor 3 untouched)."""

import os
import re
import signal
import subprocess
import sys
import time

from support.world import wait_until

WORDS = "%P %I %s %d %t %u %g %F"

# Makes a child that has the number given: recycle.py PID PROGRAM [ARGUMENT...]
RECYCLE = """
import ctypes, os, resource, struct, sys
pid = ctypes.c_int32(int(sys.argv[1]))
arguments = struct.pack("=11Q", 0, 0, 0, 0, 17, 0, 0, 0, ctypes.addressof(pid), 1, 0)
child = ctypes.CDLL(None, use_errno=True).syscall(435, arguments, len(arguments))
if child == 0:
    os.closerange(3, 64)
    # What the kernel starts for a crash has a limit of 1, which means: no core of this one.
    resource.setrlimit(resource.RLIMIT_CORE, (1 << 20, 1 << 20))
    os.execv(sys.argv[2], sys.argv[2:])
if child != pid.value:
    raise OSError(ctypes.get_errno(), "clone3 with a chosen number")
"""


def started_instead(spool, name, text, words=WORDS):
    """A core_pattern that runs this script; its arguments are the helper's."""
    path = spool.root / name
    path.write_text(text)
    path.chmod(0o755)
    return f"|{path} {words}"


def traced(spool, *options, words=WORDS):
    """A core_pattern that runs the helper under strace; see trace(). The first line is its start."""
    options = [option.replace("trace=", "trace=execve,", 1) for option in options]
    quoted = " ".join(f"'{option}'" for option in options)
    return started_instead(spool, "traced", f"#!/bin/sh\nexec strace -f -y -s 256 -o {spool.root}/trace "
                           f"{quoted} {spool.helper} \"$@\"\n", words)


def trace(spool):
    """The lines of the trace, once the helper and all that it started have ended."""
    path = spool.root / "trace"

    def ended():
        lines = path.read_text(errors="replace").splitlines() if path.exists() else []
        started = {line.split()[0] for line in lines}
        over = {line.split()[0] for line in lines if re.match(r"\d+\s+\+\+\+ (exited|killed)", line)}
        return lines if lines and started == over else None

    return wait_until(ended, "the end of the traced helper", timeout=8)


def exit_of(lines):
    """How the helper ended: "exited with 0", "killed by SIGKILL"."""
    main = lines[0].split()[0]
    (end,) = [line for line in lines if re.match(rf"{main}\s+\+\+\+", line)]
    return end.split("+++")[1].strip()


def joined(lines):
    """(pid, call) with calls that were interrupted by others' put together again."""
    waiting = {}
    for line in lines:
        pid, call = line.split(None, 1)
        if call.endswith("<unfinished ...>"):
            waiting[pid] = call.removesuffix("<unfinished ...>")
            continue
        resumed = re.match(r"<\.\.\. \w+ resumed>(.*)", call)
        if resumed and pid in waiting:
            call = waiting.pop(pid) + resumed[1]
        yield pid, call


def is_dumping(pid):
    try:
        with open(f"/proc/{pid}/status") as file:
            return "\nCoreDumping:\t1\n" in file.read()
    except OSError:
        return False


def recycle(pid, *argv):
    """Starts argv under the number of a process that is gone."""
    wait_until(lambda: not os.path.exists(f"/proc/{pid}"), f"the end of process {pid}")
    subprocess.run([sys.executable, "-IS", "-c", RECYCLE, str(pid), *map(str, argv)], check=True)


def reaped_within(child, seconds):
    """The wait status of a child that must be gone by then."""
    started = time.monotonic()
    while time.monotonic() - started < seconds:
        pid, status = os.waitpid(child.pid, os.WNOHANG)
        if pid:
            child.returncode = status
            return status
        time.sleep(0.002)
    child.kill()
    raise AssertionError(f"{child.args} was held for more than {seconds} s")


def end_traced(strace):
    """Ends what a strace runs, and so the strace."""
    with open(f"/proc/{strace.pid}/task/{strace.pid}/children") as file:
        for child in file.read().split():
            os.kill(int(child), signal.SIGTERM)
    return strace.wait(20)
