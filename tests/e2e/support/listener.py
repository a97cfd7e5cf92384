"""The listener of socket mode (coresnap-archive --listen), of an installation of one's own.

    with listener.listening(spool.helper) as one:
        spool.crash(argv, pattern=one.pattern)
"""

import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
import zlib

from support import kernel
from support.world import wait_until

MODES = "/proc/sys/kernel/core_modes"


def kernel_has_sockets():
    return os.path.exists(MODES) and "socket" in kernel.read(MODES)


class Listener:
    def __init__(self, helper, supervised=True):
        self.helper = pathlib.Path(helper).resolve()
        self.folder = pathlib.Path(f"/run/coresnap/crash-{zlib.crc32(str(self.helper).encode()):08x}")
        self.path = self.folder / "socket"
        self.pattern = f"@@{self.path}"
        self.options = ["--supervised"] if supervised else []
        self.before = []  # words in front of the command
        self.log_path = self.helper.parent / "listener.log"
        self.process = None

    def start(self):
        with open(self.log_path, "a") as log:
            before = log.tell()
            self.process = subprocess.Popen([*self.before, self.helper, "--listen", "-f",
                                             *self.options],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_until(lambda: "listening on" in self.log()[before:] or self.process.poll() is not None,
                   "the listener")
        assert self.process.poll() is None, self.log()
        return self

    def log(self):
        return self.log_path.read_text(errors="replace")

    def workers(self):
        """Process ids of the workers, those included that write."""
        path = f"/proc/{self.process.pid}/task/{self.process.pid}/children"
        return [int(pid) for pid in pathlib.Path(path).read_text().split()]

    def end(self, how=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(how)
        return self.process.wait(20)

    def close(self):
        if self.process:
            self.end()
        shutil.rmtree(self.folder, ignore_errors=True)


@contextlib.contextmanager
def listening(helper, supervised=True):
    one = Listener(helper, supervised)
    try:
        yield one.start()
    finally:
        one.close()
