"""Real programs in a pseudo-terminal, as a person would start them."""

import contextlib
import os
import pty
import select
import signal
import time


@contextlib.contextmanager
def in_terminal(argv, env=None, until=None, timeout=10):
    """Starts argv on a new pty; yields its pid once `until` (bytes) was printed.

    The program is killed at the end if it still lives; a status already collected by the test is
    fine."""
    pid, master = pty.fork()
    if pid == 0:
        os.execvpe(argv[0], argv, {**os.environ, "TERM": "xterm", **(env or {})})
    try:
        seen, deadline = b"", time.monotonic() + timeout
        while until and until not in seen:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{argv[0]} did not print {until!r}: {seen[-200:]!r}")
            if select.select([master], [], [], 0.1)[0]:
                seen += os.read(master, 65536)
        yield pid
    finally:
        with contextlib.suppress(ProcessLookupError, ChildProcessError):
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        os.close(master)


def vim(path="", env=None, **keywords):
    """vim as installed, without anybody's settings, ready for input."""
    argv = ["vim", "-n", "-i", "NONE"] + ([path] if path else [])
    return in_terminal(argv, until=b"VIM", env={"HOME": "/nonexistent", **(env or {})}, **keywords)
