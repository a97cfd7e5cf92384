"""A World whose spool belongs to a user of its own, that nobody but root can change, on a machine whose
settings (core_pattern, sysctl.d, limits.conf, /dev/log) are the test's own in a mount namespace."""

import contextlib
import json
import os
import pathlib
import pwd
import shutil
import socket
import subprocess
import tempfile
import threading

from support.world import World, wait_until

ARGUMENTS = "%P %I %s %d %t %u %g %F"
USER = "daemon"
# What the test's files stand for.
MOUNTS = {
    "pattern": "/proc/sys/kernel/core_pattern", "limit": "/proc/sys/kernel/core_pipe_limit",
    "suid_dumpable": "/proc/sys/fs/suid_dumpable", "limits.conf": "/etc/security/limits.conf",
    "limits.d": "/etc/security/limits.d", "sysctl.d": "/etc/sysctl.d",
    "usr-sysctl.d": "/usr/lib/sysctl.d", "dev": "/dev",
}


class Clinic(World):
    def __init__(self, stage):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="c", dir="/var/lib"))
        self.folder.chmod(0o755)
        super().__init__(stage, self.folder / "r", "retry.min = 1s\nretry.max = 2s\ndump.quota = 1\n")
        owner = pwd.getpwnam(USER)
        for path in (self.spool.parent, self.spool, *self.spool.iterdir()):
            path.chmod(0o755 if path == self.spool.parent else 0o700)
            os.chown(path, owner.pw_uid, owner.pw_gid)
        self.machine = self.folder / "machine"
        for name in ("sysctl.d", "usr-sysctl.d", "limits.d", "dev"):
            (self.machine / name).mkdir(parents=True)
        self.put("limits.conf", "")
        self.put("limit", "64\n")
        self.put("suid_dumpable", "0\n")
        self.helper = self.sbin / "coresnap-archive"
        self.put("pattern", f"|{self.helper} {ARGUMENTS}\n")
        for name, minor in (("null", "3"), ("urandom", "9")):
            subprocess.run(["mknod", "-m", "666", self.machine / "dev" / name, "c", "1", minor],
                           check=True)
        self.system_log = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.system_log.bind(str(self.machine / "dev/log"))
        threading.Thread(target=self._read_log, daemon=True).start()
        self._shield("systemctl", "apt-get", "service")
        self.env["PATH"] = f"{self.machine}/bin:{self.bin}:{os.environ['PATH']}"
        self.conf = self.root / "usr/local/etc/coresnap/coresnap.conf"
        self.coroner_cf = self.root / "usr/local/etc/coroner.cf"

    def _shield(self, *names):
        """What would change the real machine is written down instead."""
        (self.machine / "bin").mkdir()
        for name in names:
            path = self.machine / "bin" / name
            path.write_text(f"#!/bin/sh\necho {name} \"$@\" >>{self.machine}/asked\n")
            path.chmod(0o755)

    def _read_log(self):
        """A log that nobody reads holds up who writes to it."""
        with contextlib.suppress(OSError):
            while self.system_log.recv(65536):
                pass

    def asked(self):
        """Lines that the shielded commands were called with, since the last look."""
        path = self.machine / "asked"
        lines = path.read_text().splitlines() if path.exists() else []
        path.unlink(missing_ok=True)
        return lines

    def put(self, name, text):
        (self.machine / name).write_text(text)

    def open(self):
        self.start_server()
        self.set_up()
        self.run("morgue", "project", "create", "other")
        self.inside(f"{self.bin}/coresnap enable", check=True)
        self.start_daemon()
        wait_until(self.daemon_runs, "coresnapd's start")

    def daemon_runs(self):
        return '"running":true' in self.run("coresnap", "status", "--json").stdout

    def close(self):
        super().close()
        with contextlib.suppress(OSError):
            self.system_log.shutdown(socket.SHUT_RDWR)
        self.system_log.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def inside(self, script, check=False, before=""):
        """Runs a shell script on the test's own machine; before: with the mounts made, as root."""
        mounts = "\n".join(f"mount --bind {self.machine}/{name} {place}"
                           for name, place in MOUNTS.items())
        text = (f"set -e\nmount -t tmpfs -o mode=755 none /run\n"
                f"mount -t tmpfs none /etc/default\n{mounts}\n{before}\nset +e\n{script}")
        run = subprocess.run(["unshare", "-m", "bash", "-c", text], capture_output=True, text=True,
                             timeout=60, env=self.env, stdin=subprocess.DEVNULL, check=False)
        if check:
            assert run.returncode == 0, run.stdout + run.stderr
        return run

    def doctor(self, *arguments, before="", mend=""):
        """What is found, without what is well. mend: run before, in the same place."""
        run = self.inside(f"{mend}\n{self.bin}/coresnap doctor --json {' '.join(arguments)}",
                          before=before)
        try:
            rows = json.loads(run.stdout.splitlines()[-1])
        except (IndexError, ValueError):
            raise AssertionError(run.stdout + run.stderr) from None
        found = [row for row in rows if row["level"] != "ok"]
        assert run.returncode == (1 if found else 0), run.stderr
        return found
