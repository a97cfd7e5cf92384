"""Real crashes through coresnap-archive into a spool of the test's own."""

import contextlib
import json
import os
import pathlib
import re
import shutil
import struct
import subprocess
import tempfile
import time
import zlib

from support import kernel

NOTE_TYPE = 0x43534E01

# Feeds coresnap-archive the head of the kernel's core while the process stays parked, and stores
# the whole core afterwards: two cores of one and the same crash.
TEE = """
import os, struct, subprocess, sys
def read(n):
    data = b""
    while len(data) < n:
        more = os.read(0, n - len(data))
        if not more:
            break
        data += more
    return data
head = read(64)
offset, count = struct.unpack_from("<Q", head, 32)[0], struct.unpack_from("<H", head, 56)[0]
head += read(offset + 56 * count - 64)
for i in range(count):
    kind, _, at, _, _, size = struct.unpack_from("<IIQQQQ", head, offset + 56 * i)
    if kind == 4:
        head += read(at + size - len(head))
        break
out, into = os.pipe()
child = subprocess.Popen({command!r} + sys.argv[1:], stdin=out, pass_fds=(3,))
os.close(out)
os.write(into, head)
child.wait()
with open({full!r} + ".part", "wb") as file:
    file.write(head)
    while True:
        block = os.read(0, 1 << 20)
        if not block:
            break
        file.write(block)
os.rename({full!r} + ".part", {full!r})
"""


def small_int(text):
    """Readers in C hold 64 bits with a sign."""
    assert -(1 << 63) <= int(text) < 1 << 63, text
    return int(text)


def unique_members(pairs):
    members = dict(pairs)
    assert len(members) == len(pairs), [name for name, _ in pairs]
    return members


class Core:
    """One core of the spool, its headers parsed by hand."""

    def __init__(self, path, whole=True):
        """whole=False: only headers and notes are read."""
        self.path = pathlib.Path(path)
        with open(path, "rb") as file:
            data = self.data = file.read() if whole else file.read(16 << 20)
        assert data[:4] == b"\x7fELF" and struct.unpack_from("<H", data, 16)[0] == 4
        offset, count = struct.unpack_from("<Q", data, 32)[0], struct.unpack_from("<H", data, 56)[0]
        if count == 0xFFFF:
            count = struct.unpack_from("<I", data, struct.unpack_from("<Q", data, 40)[0] + 44)[0]
        self.n_segments = count
        rows = [struct.unpack_from("<IIQQQQQQ", data, offset + 56 * i) for i in range(count)]
        self.loads = [(row[3], row[5], row[6], row[2]) for row in rows if row[0] == 1]
        assert all(at + size <= self.path.stat().st_size for _, size, _, at in self.loads)
        ((self.notes_at, self.notes_size),) = [(row[2], row[5]) for row in rows if row[0] == 4]
        self.facts = self.find_facts()

    def notes(self):
        at, end = self.notes_at, self.notes_at + self.notes_size
        while at < end:
            name_size, size, kind = struct.unpack_from("<III", self.data, at)
            at += 12
            name = self.data[at : at + name_size].rstrip(b"\0").decode()
            at += (name_size + 3) & ~3
            yield name, kind, self.data[at : at + size]
            at += (size + 3) & ~3
        assert at == end

    def find_facts(self):
        (text,) = [desc for name, kind, desc in self.notes() if kind == NOTE_TYPE]
        return json.loads(text, parse_int=small_int, object_pairs_hook=unique_members)

    def threads(self):
        return [desc for name, kind, desc in self.notes() if name == "CORE" and kind == 1]

    def memory_bytes(self):
        return sum(size for _, size, _, _ in self.loads)


def wait_status(child, timeout=30):
    """The wait status with its "core dumped" bit. Never for ever: everybody waits for our lock."""
    deadline = time.monotonic() + timeout
    while True:
        pid, status = os.waitpid(child.pid, os.WNOHANG)
        if pid:
            return status
        if time.monotonic() > deadline:
            child.kill()
            raise TimeoutError(f"{child.args} was not reaped within {timeout} s")
        time.sleep(0.002)


def fallback_of(archive):
    """Where crashes go that the spool cannot take (spool/fallback.h)."""
    return pathlib.Path(f"/run/coresnap/pending-{zlib.crc32(str(archive).encode()):08x}")


class Spool:
    """An installation of the helper alone, below a short path (core_pattern holds 127 bytes)."""

    def __init__(self, root, program):
        self.root = root
        self.helper = root / "opt/backtrace/sbin/coresnap-archive"
        self.helper.parent.mkdir(parents=True)
        shutil.copy(program("coresnap-archive"), self.helper)
        self.archive = root / "var/coresnap/archive"
        self.make_folders()

    def make_folders(self):
        for name in ("pending", "sending", "assets"):
            (self.archive / name).mkdir(parents=True, exist_ok=True, mode=0o700)
        self.archive.chmod(0o700)

    @property
    def pattern(self):
        return f"|{self.helper} %P %I %s %d %t %u %g %F"

    @property
    def pending(self):
        return self.archive / "pending"

    @property
    def fallback(self):
        return fallback_of(self.archive)

    @property
    def log(self):
        path = self.archive.parent / "log"
        return path.read_text() if path.exists() else ""

    def wait_for(self, ready, timeout=15):
        """The helper writes after the process is gone."""
        deadline = time.monotonic() + timeout
        while not (result := ready()):
            assert time.monotonic() < deadline, f"nothing came; log: {self.log}"
            time.sleep(0.01)
        return result

    def core_path(self, number=1):
        names = self.wait_for(lambda: (n := list(self.pending.iterdir())) and len(n) >= number and n)
        newest = max(names, key=lambda path: path.stat().st_mtime_ns)
        self.wait_for(lambda: f"/pending/{newest.name}\n" in self.log)
        return newest

    def core(self, number=1):
        return Core(self.core_path(number))

    def set_policy(self, mode=0, budget=4 << 20, full_below=16 << 20, files=64 << 20, quota=1000,
                   rate_full=(100, 600), rate_notes=(60, 3600), spool_bytes=1 << 30, spool_files=2000,
                   share=25):
        """The record that `coresnap enable` compiles (spool/policy.c)."""
        any_owner = 0xFFFFFFFF
        record = b"CSNPOLI\0" + struct.pack(
            "<IIIIQQQQIIIIIIQII", 2, mode, any_owner, any_owner, budget, full_below, files, 0, quota, 0,
            *rate_full, *rate_notes, spool_bytes, spool_files, share)
        record = (record.ljust(512, b"\0") + str(self.archive).encode()).ljust(4604, b"\0")
        path = self.archive.parent / "policy"
        record += struct.pack("<I", zlib.crc32(record))
        if not path.exists() or path.read_bytes() != record:
            path.write_bytes(record)
            path.chmod(0o644)

    @contextlib.contextmanager
    def installed(self, pattern=None):
        with kernel.core_pattern(pattern or self.pattern, 64):
            yield self

    def crash(self, argv, pattern=None, **keywords):
        """Runs argv until it dies; returns its wait status."""
        with self.installed(pattern):
            child = subprocess.Popen(argv, **keywords)
            status = wait_status(child)
            child.returncode = status
            return status

    def both_cores(self, argv, **keywords):
        """The minimal core, and the path of the whole one, of one crash."""
        full = self.root / "full"
        status = self.crash(argv, self.tee(full), **keywords)
        assert os.WCOREDUMP(status)
        minimal = self.core()
        self.wait_for(full.exists)
        return minimal, full

    def tee(self, full):
        """A core_pattern that also stores the kernel's whole core of the same crash."""
        script = self.root / "tee.py"
        script.write_text(TEE.format(command=[str(self.helper)], full=str(full)))
        return f"|/usr/bin/python3 {script} %P %I %s %d %t %u %g %F"


@contextlib.contextmanager
def new_spool(program):
    root = pathlib.Path(tempfile.mkdtemp(prefix="c", dir="/tmp"))
    root.chmod(0o755)
    spool = Spool(root, program)
    try:
        yield spool
    finally:
        shutil.rmtree(spool.fallback, ignore_errors=True)
        shutil.rmtree(root, ignore_errors=True)


def compile_c(folder, name, source, *flags):
    path = folder / name
    (folder / f"{name}.c").write_text(source)
    subprocess.run(["cc", "-g", "-O1", "-o", path, folder / f"{name}.c", "-pthread", *flags], check=True)
    return path


def gdb_frames(exe, core):
    """Every thread's frames as gdb prints them: number, pc, function, and the thread's header."""
    out = subprocess.run(
        ["gdb", "-batch", "-nx", "-ex", "set print frame-arguments none",
         "-ex", "set print address on", "-ex", "thread apply all bt", exe, core],
        capture_output=True, text=True, env={**os.environ, "DEBUGINFOD_URLS": "", "LC_ALL": "C"},
    ).stdout
    lines = [line for line in out.splitlines() if re.match(r"#\d|Thread \d", line)]
    assert lines, out
    return lines
