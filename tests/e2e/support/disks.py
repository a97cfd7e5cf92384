"""Small file systems as a spool's disk: full, broken, read-only or with quotas, all of them real."""

import contextlib
import ctypes
import fcntl
import os
import subprocess

import pytest

USER = 60001  # a spool's user that no quota of root's exempts


def make_all(spool):
    """What coresnap enable makes, too."""
    spool.make_folders()
    for name in ("kept", "quarantine"):
        (spool.archive / name).mkdir(mode=0o700)


@contextlib.contextmanager
def tmpfs(spool, options):
    """The archive on a tmpfs of its own."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"mode=0700,{options}", "none", spool.archive],
                   check=True)
    try:
        make_all(spool)
        yield
    finally:
        subprocess.run(["umount", "-l", spool.archive], check=True)


@contextlib.contextmanager
def ext4(spool, features="^has_journal"):
    """The archive on ext4, on a loop device over memory; gives the memory's descriptor. Without a
    journal, so that it goes on when its disk fails."""
    memory = os.memfd_create("disk", os.MFD_ALLOW_SEALING)
    try:
        os.truncate(memory, 16 << 20)
        image = f"/proc/{os.getpid()}/fd/{memory}"
        subprocess.run(["mkfs.ext4", "-q", "-F", "-O", features, "-E", "nodiscard", image], check=True)
        run = subprocess.run(["mount", "-o", "loop,nodiscard", image, spool.archive])
        if run.returncode != 0 and "quota" in features:
            pytest.skip("this kernel has no quota formats (CONFIG_QFMT_V2)")
        run.check_returncode()
        try:
            spool.archive.chmod(0o700)
            make_all(spool)
            subprocess.run(["sync", "-f", spool.archive], check=True)
            yield memory
        finally:
            subprocess.run(["umount", spool.archive], check=True)
    finally:
        os.close(memory)


def fail_writes(memory):
    """From now on every write to the disk is an I/O error."""
    fcntl.fcntl(memory, 1033, 0x0008)  # F_ADD_SEALS, F_SEAL_WRITE


def set_quota(mounted, uid, blocks, inodes):
    """Limits of one user, in KiB and in files (quotactl(2), Q_SETQUOTA)."""
    with open("/proc/mounts") as mounts:
        device = next(line.split()[0] for line in mounts if line.split()[1] == str(mounted))
    limits = (ctypes.c_uint64 * 9)(blocks, blocks, 0, inodes, inodes, 0, 0, 0, 5)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.quotactl(0x80000800, device.encode(), uid, limits) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def fill(folder, leave=0):
    """Takes all the room of a disk but so many bytes."""
    fd = os.open(folder / "filler", os.O_WRONLY | os.O_CREAT)
    with contextlib.suppress(OSError):
        while True:
            os.write(fd, bytes(4096))
    os.ftruncate(fd, max(0, os.fstat(fd).st_size - leave))
    os.close(fd)


def make_reserve(spool):
    """As coresnap enable and the daemon make it (spool/reserve.c)."""
    folder = spool.archive / "reserve"
    folder.mkdir(mode=0o700)
    for piece in range(16):
        (folder / f"{piece:02}").write_bytes(os.urandom(64 * 1024))


def give_to(spool, uid):
    for path in [spool.archive.parent, spool.archive, *spool.archive.rglob("*")]:
        os.chown(path, uid, uid)
