"""The kernel's core_pattern: global, so locked, changed briefly and always put back."""

import contextlib
import fcntl
import os
import signal

PATTERN = "/proc/sys/kernel/core_pattern"
PIPE_LIMIT = "/proc/sys/kernel/core_pipe_limit"
LOCK = "/run/lock/core_pattern.lock"


def system_tests_allowed():
    """core_pattern is touched only as root and when told SYSTEM=1."""
    return os.environ.get("SYSTEM") == "1" and os.geteuid() == 0 and os.access(PATTERN, os.W_OK)


def read(path):
    with open(path) as file:
        return file.read().rstrip("\n")


def write(path, text):
    with open(path, "w") as file:
        file.write(text)


def settled():
    """core_pattern and core_pipe_limit while nobody else has changed them for a test of his own."""
    with open(LOCK, "a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return read(PATTERN), read(PIPE_LIMIT)


def _found():
    """core_pattern and core_pipe_limit; the kernel's own where a killed run left a line of its own
    behind, whose program is gone."""
    pattern, limit = read(PATTERN), read(PIPE_LIMIT)
    program = pattern.lstrip("|@ ").split(" ")[0]
    if pattern[:1] in "|@" and not os.path.exists(program):
        return "core", "0"
    return pattern, limit


@contextlib.contextmanager
def locked():
    """Holds the lock that every user of core_pattern takes, and puts the values back.

    SIGTERM raises, so that the values are put back then too."""

    def leave(number, _frame):
        raise SystemExit(128 + number)

    with open(LOCK, "a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        before = _found()
        previous = signal.signal(signal.SIGTERM, leave)
        try:
            yield
        finally:
            write(PATTERN, before[0])
            write(PIPE_LIMIT, before[1])
            signal.signal(signal.SIGTERM, previous)


@contextlib.contextmanager
def core_pattern(text, pipe_limit=None):
    with locked():
        if pipe_limit is not None:
            write(PIPE_LIMIT, str(pipe_limit))
        write(PATTERN, text)
        yield
