"""What one run of a command costs: processor time and peak memory as the kernel counted them, and,
in a run of its own, peak anonymous memory."""

import ctypes
import os
import pathlib
import signal
import statistics
import subprocess
import tempfile
import typing

# A process of its own, because a child's peak memory begins with that of its parent.
RUN = """
import os, sys
pid = os.fork()
if pid == 0:
    os.dup2(os.open(os.devnull, os.O_RDWR), 2)
    os.execvp(sys.argv[1], sys.argv[1:])
_, status, usage = os.wait4(pid, 0)
print(usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, status, file=sys.stderr)
"""


class Cost(typing.NamedTuple):
    seconds: float  # of processor time, children included
    megabytes: float  # resident at most
    output: str


def run(argv, patience, cache=None):
    """The Cost; None when it took longer than `patience` seconds. Without a cache folder it gets a
    new one."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryDirectory() as empty:
        child = subprocess.Popen(["/usr/bin/python3", "-S", "-E", "-c", RUN, *map(str, argv)],
                                 stdout=out, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
                                 text=True, start_new_session=True,
                                 env={**os.environ, "XDG_CACHE_HOME": str(cache or empty)})
        try:
            words = child.communicate(timeout=patience)[1].split()
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.communicate()
            return None
        if os.WIFSIGNALED(int(words[2])):
            raise RuntimeError(f"{argv[0]} died of signal {os.WTERMSIG(int(words[2]))}")
        out.seek(0)
        return Cost(float(words[0]), float(words[1]), out.read())


def median(costs):
    """The Cost in the middle, the last output with it; None if there is none."""
    if not costs or None in costs:
        return None
    return Cost(statistics.median(cost.seconds for cost in costs),
                statistics.median(cost.megabytes for cost in costs), costs[-1].output)


# --- anonymous memory ---
#
# The kernel keeps a high-water mark of all resident pages, not of the anonymous ones, and polling
# misses peaks. But a process's anonymous memory only shrinks in a few system calls and when it
# ends. So a tracer stops it before each of those calls and before each end, and reads RssAnon
# there, of all its processes together: between two such stops it can only have grown, so the
# largest reading is the peak. (Pages that a fork shares count twice: the figure errs upwards. What
# the kernel reclaims under pressure is not seen; nothing here comes near that.)

_TRACEME, _SETOPTIONS, _SYSCALL, _SYSCALL_INFO = 0, 0x4200, 24, 0x420e
_OPTIONS = 0x1 | 0x2 | 0x4 | 0x8 | 0x10 | 0x40 | 0x100000  # sysgood, forks, exec, exit; exitkill
_ENTRY = 1  # of struct ptrace_syscall_info, op
_EVENTS = {1, 2, 3, 4, 6}  # fork, vfork, clone, exec, exit
_EXIT_EVENT = 6
# mmap (over something), munmap, brk, mremap, madvise, execve, exit, exit_group, execveat
_SHRINKING = {9, 11, 12, 25, 28, 59, 60, 231, 322}

_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
_libc.ptrace.restype = ctypes.c_long


class _SyscallInfo(ctypes.Structure):
    _fields_ = [("op", ctypes.c_uint8), ("pad", ctypes.c_uint8 * 3), ("arch", ctypes.c_uint32),
                ("pc", ctypes.c_uint64), ("sp", ctypes.c_uint64), ("number", ctypes.c_uint64),
                ("rest", ctypes.c_uint64 * 8)]


def _anonymous_kilobytes(pids):
    total = 0
    for pid in pids:
        try:
            status = pathlib.Path(f"/proc/{pid}/status").read_text()
        except OSError:
            continue
        fields = dict(line.split(":", 1) for line in status.splitlines())
        # A thread shares its process's memory.
        if int(fields["Tgid"]) == pid:
            total += int(fields.get("RssAnon", "0").split()[0])
    return total


def _shrinks(pid, status):
    """Whether this stop is one before memory may go."""
    if status >> 16:
        return status >> 16 == _EXIT_EVENT
    if os.WSTOPSIG(status) != signal.SIGTRAP | 0x80:
        return False
    info = _SyscallInfo()
    _libc.ptrace(_SYSCALL_INFO, pid, ctypes.sizeof(info), ctypes.addressof(info))
    return info.op == _ENTRY and info.number in _SHRINKING


def _signal_to_pass(status):
    number = os.WSTOPSIG(status)
    if status >> 16 in _EVENTS or number in (signal.SIGTRAP, signal.SIGTRAP | 0x80, signal.SIGSTOP):
        return 0
    return number


def _follow(first):
    """Peak of RssAnon in kB of the traced process and what it starts."""
    peak, alive, executed = 0, {first}, False
    while alive:
        pid, status = os.waitpid(-1, 0x40000000)  # __WALL
        if not os.WIFSTOPPED(status):
            alive.discard(pid)
            continue
        if pid == first and not executed:
            # It stops once when it has become the command; what it was before does not count.
            executed = True
            _libc.ptrace(_SETOPTIONS, pid, None, _OPTIONS)
        elif _shrinks(pid, status):
            peak = max(peak, _anonymous_kilobytes(alive | {pid}))
        alive.add(pid)
        _libc.ptrace(_SYSCALL, pid, None, _signal_to_pass(status))
    return peak


def anonymous_megabytes(argv, cache=None):
    """Peak anonymous memory of a run, in MB."""
    with tempfile.TemporaryDirectory() as empty:
        pid = os.fork()
        if pid == 0:
            null = os.open(os.devnull, os.O_RDWR)
            for descriptor in (0, 1, 2):
                os.dup2(null, descriptor)
            os.environ["XDG_CACHE_HOME"] = str(cache or empty)
            _libc.ptrace(_TRACEME, 0, None, None)
            os.execvp(str(argv[0]), [str(word) for word in argv])
        return _follow(pid) / 1024
