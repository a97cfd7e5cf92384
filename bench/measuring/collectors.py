"""What takes the cores of dying processes: nobody, the kernel's file, systemd-coredump, and ours.

Each runs within `running`, has the deaths after `take`, and checks that what it took of them is
there. Whoever uses them holds the lock of core_pattern."""

import contextlib
import pathlib
import shutil
import struct
import subprocess

from support import capture, kernel, listener
from support.world import wait_until

GIB = 1 << 30
SYSTEMD = "lib/systemd/systemd-coredump"
SYSTEMD_SOCKET = pathlib.Path("/run/systemd/coredump")
SYSTEMD_STORE = pathlib.Path("/var/lib/systemd/coredump")
SYSTEMD_CONF = pathlib.Path("/run/systemd/coredump.conf.d/bench.conf")
SYSTEMD_ARGUMENTS = "%P %u %g %s %t 9223372036854775808 %h"
RSP = 112 + 19 * 8  # of the general registers in x86-64's NT_PRSTATUS


class Nobody:
    """RLIMIT_CORE 0 and a file: no dump."""

    name, core_limit = "no dump", 0

    def running(self):
        """What it needs meanwhile: nothing."""
        return contextlib.nullcontext()

    def take(self):
        """Makes core_pattern name it."""
        kernel.write(kernel.PATTERN, "core")

    def settle(self, count, size):
        """Waits until `count` deaths with `size` bytes of heap are all taken, whole; cleans up."""


class KernelFile(Nobody):
    name, core_limit = "the kernel's core file", -1

    def __init__(self, folder):
        self.path = pathlib.Path(folder) / "core"

    def take(self):
        kernel.write(kernel.PATTERN, str(self.path))

    def settle(self, count, size):
        assert count == 1 and self.path.stat().st_size > size
        self.path.unlink()


class Systemd:
    """Debian's, by hand: its kernel helper, and its service behind systemd-socket-activate. Its
    limits of 2 GiB are raised, or it would store half a core."""

    core_limit = -1

    def __init__(self, program, compress):
        self.program, self.compress = program, compress
        self.name = f"systemd-coredump, {'zstd, its default' if compress else 'plain'}"

    def running(self):
        # One for both: its service reads the configuration at each crash.
        return contextlib.nullcontext() if SYSTEMD_SOCKET.exists() else self.serving()

    @contextlib.contextmanager
    def serving(self):
        service = subprocess.Popen(
            ["systemd-socket-activate", "--accept", "--seqpacket", "-l", SYSTEMD_SOCKET,
             self.program],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            wait_until(SYSTEMD_SOCKET.exists, "the socket of systemd-coredump")
            yield
        finally:
            service.terminate()
            service.wait()
            SYSTEMD_CONF.unlink(missing_ok=True)
            SYSTEMD_SOCKET.unlink(missing_ok=True)

    def take(self):
        SYSTEMD_CONF.parent.mkdir(parents=True, exist_ok=True)
        SYSTEMD_CONF.write_text(
            f"[Coredump]\nStorage=external\nCompress={'yes' if self.compress else 'no'}\n"
            "ProcessSizeMax=32G\nExternalSizeMax=32G\nMaxUse=48G\nKeepFree=1G\n")
        kernel.write(kernel.PATTERN, f"|{self.program} {SYSTEMD_ARGUMENTS}")

    def settle(self, count, size):
        def cores():
            return list(SYSTEMD_STORE.glob("core.die.*")) if SYSTEMD_STORE.exists() else []

        wait_until(lambda: len(cores()) == count, "a core of systemd-coredump", 60)
        for core in cores():
            assert self.compress or core.stat().st_size > size, "its core was cut"
            core.unlink()


class Ours:
    """The helper alone, with a spool of its own; `mode` as in coresnap.conf."""

    core_limit = 0

    def __init__(self, spool, name, mode=0):
        self.spool, self.name, self.mode = spool, name, mode
        self.held_ms, self.core_bytes = [], []

    def running(self):
        return contextlib.nullcontext()

    def take(self):
        # The ladder and the spool's limits would rightly cut short what dies a hundred times.
        self.spool.set_policy(mode=self.mode, quota=0, rate_full=(1_000_000, 600), spool_bytes=0,
                              spool_files=0)
        kernel.write(kernel.PATTERN, self.spool.pattern)

    def settle(self, count, size):
        """A figure counts only if the core has every thread's stack."""
        cores = wait_until(lambda: (found := self.names()) and len(found) >= count and found,
                           "a core in pending/", 120)
        assert len(cores) == count
        wait_until(lambda: all(f"/pending/{path.name}\n" in self.spool.log for path in cores),
                   "the helper's word", 30)
        for path in cores:
            core = Headers(path)
            bare = [hex(sp) for sp in core.stack_pointers if not core.has(sp)]
            assert len(core.stack_pointers) >= 4 and not bare, (bare, core.facts["truncated"])
            assert self.mode != 1 or core.stored_bytes > size, f"{path}: memory is missing"
            # In full mode the core is written before the release, which it cannot tell then.
            self.held_ms.append(core.facts.get("held_us", 0) / 1000)
            self.core_bytes.append(core.stored_bytes)
            path.unlink()

    def names(self):
        return [path for path in self.spool.pending.iterdir() if not path.name.startswith(".")]


class Socket(Ours):
    """The same by the kernel's socket (Linux 6.17), with a listener of the spool's helper."""

    def __init__(self, spool, name):
        super().__init__(spool, name)
        self.listener = listener.Listener(spool.helper)

    def running(self):
        self.listener.start()
        return contextlib.closing(self.listener)

    def take(self):
        super().take()
        kernel.write(kernel.PATTERN, self.listener.pattern)


class Headers(capture.Core):
    """A core's headers and notes, without reading its memory."""

    def __init__(self, path):
        with open(path, "rb") as file:
            head = file.read(64)
            offset, count = struct.unpack_from("<Q", head, 32)[0], struct.unpack_from("<H", head, 56)[0]
            head += file.read(offset + 56 * count - 64)
            rows = [struct.unpack_from("<IIQQQQQQ", head, offset + 56 * i) for i in range(count)]
            self.loads = [(row[3], row[5], row[6], row[2]) for row in rows if row[0] == 1]
            ((self.notes_at, self.notes_size),) = [(r[2], r[5]) for r in rows if r[0] == 4]
            self.data = head + file.read(self.notes_at + self.notes_size - len(head))
        self.stored_bytes = self.memory_bytes()
        self.facts = self.find_facts()
        self.stack_pointers = [struct.unpack_from("<Q", note, RSP)[0] for note in self.threads()]

    def has(self, address):
        return any(start <= address < start + size for start, size, _, _ in self.loads)


def find_systemd(folder):
    """Debian's program: the installed one, else unpacked into folder. Installing the package would
    have the machine's core_pattern changed at the next boot. None when it cannot be had."""
    SYSTEMD_SOCKET.unlink(missing_ok=True)
    if pathlib.Path("/", SYSTEMD).exists():
        return pathlib.Path("/", SYSTEMD)
    if not shutil.which("systemd-socket-activate"):
        return None
    subprocess.run("apt-get -q download systemd-coredump && dpkg -x systemd-coredump_*.deb .",
                   shell=True, cwd=folder, capture_output=True)
    found = pathlib.Path(folder, SYSTEMD)
    return found if found.exists() else None
