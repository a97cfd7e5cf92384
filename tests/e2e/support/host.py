"""A host of one's own: coresnapd on a root folder, crashes placed into its spool, its log.

ptrace and coroner may be real or stand-ins: small scripts that fail on demand. A stand-in server
keeps what a real one would, one object for each uuid, in order of arrival."""

import json
import os
import pathlib
import re
import shutil
import signal
import struct
import subprocess
import time
import uuid as uuids

from support import capture
from support.world import wait_until

NOTE_TYPE = 0x43534E01


def note(owner, kind, body):
    name = owner.encode() + b"\0"
    return (struct.pack("<III", len(name), len(body), kind) + name.ljust((len(name) + 3) & ~3, b"\0")
            + body.ljust((len(body) + 3) & ~3, b"\0"))


def core_bytes(facts, padding=0):
    """A core file with the CORESNAP note only: enough for everything but a real ptrace."""
    notes = note("CORESNAP", NOTE_TYPE, json.dumps(facts).encode())
    header = b"\x7fELF\x02\x01\x01".ljust(16, b"\0") + struct.pack(
        "<HHIQQQIHHHHHH", 4, 62, 1, 0, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    segment = struct.pack("<IIQQQQQQ", 4, 0, 120, 0, 0, len(notes), len(notes), 4)
    return header + segment + notes + b"\0" * padding


PTRACE = """#!/bin/sh
# Stand-in: publishes a "snapshot" by rename, as ptrace does. Fails with the status in {root}/ptrace.exit.
[ ! -s {root}/ptrace.exit ] || {{ echo 'ptrace: told to fail' >&2; exit "$(cat {root}/ptrace.exit)"; }}
for word in "$@"; do
	case $word in -o*) out=${{word#-o}} ;; esac
	printf '%s\\n' "$word" >>{root}/ptrace.words
done
[ ! -s {root}/ptrace.slow ] || sleep "$(cat {root}/ptrace.slow)"
echo "snapshot of $out" >"$out.part" && mv "$out.part" "$out" && echo "$out"
[ ! -s {root}/ptrace.partial ] || exit 1
"""

CORONER = """#!/bin/sh
# Stand-in for coroner and its server: keeps one line for each uuid, in order of arrival.
shift 3
uuid=${{3##*/}}
echo "$uuid" >>{root}/tries
[ ! -s {root}/coroner.exit ] || {{ echo 'coroner: told to fail' >&2; exit "$(cat {root}/coroner.exit)"; }}
[ -s "$3" ] || {{ echo "coroner: $3: missing" >&2; exit 65; }}
grep -qsx "$1 $uuid" {root}/objects || echo "$1 $uuid" >>{root}/objects
echo "fingerprint => $uuid"
"""


def costs(pid):
    """What a process has cost so far: voluntary switches, time slices, processor; and its memory."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    rollup = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    cpu_ns, _, slices = pathlib.Path(f"/proc/{pid}/schedstat").read_text().split()
    memory = {name: int(kb) for name, kb in re.findall(r"^(\w+):\s+(\d+) kB", rollup, re.M)}
    return {"switches": int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", status, re.M)[1]),
            "slices": int(slices), "cpu_ns": int(cpu_ns), "pss_kb": memory["Pss"],
            "private_kb": memory["Private_Clean"] + memory["Private_Dirty"]}


class Host:
    def __init__(self, stage, root, settings="", doubles=True, purge=False, daemon_env=None):
        self.root = pathlib.Path(root)
        shutil.copytree(stage / "opt", self.root / "opt", symlinks=True)
        self.bin = self.root / "opt/backtrace/bin"
        self.sbin = self.root / "opt/backtrace/sbin"
        self.archive = self.root / "var/coresnap/archive"
        for name in ("pending", "sending", "assets"):
            (self.archive / name).mkdir(parents=True, mode=0o700)
        self.archive.chmod(0o700)
        self.conf = self.root / "etc/coresnap/coresnap.conf"
        self.conf.parent.mkdir(parents=True)
        lines = ["dump.quota = 1", "retry.max = 1s"]
        if doubles:
            lines += [f"ptrace.path = {self._script('ptrace', PTRACE)}",
                      f"coroner.path = {self._script('coroner', CORONER)}",
                      "defaults.command ="]
        lines += [settings, "[daemon]", f"purge.disabled = {'false' if purge else 'true'}"]
        self.conf.write_text("\n".join(lines) + "\n")
        self.env = {**os.environ, "TZ": "UTC", **(daemon_env or {})}
        self.daemon = None
        self.log_path = self.root / "coresnapd.log"

    def _script(self, name, text):
        path = self.root / name
        path.write_text(text.format(root=self.root))
        path.chmod(0o755)
        return path

    def tell(self, name, value):
        """Makes a stand-in behave: tell("coroner.exit", 75), tell("coroner.exit", "")."""
        (self.root / name).write_text(str(value))

    def start(self, wait=True):
        before = len(self.log())
        with open(self.log_path, "a") as log:
            self.daemon = subprocess.Popen([self.sbin / "coresnapd", "-f"], stdout=log, stderr=log,
                                           stdin=subprocess.DEVNULL, env=self.env)
        if wait:
            wait_until(lambda: " started; " in self.log()[before:], "coresnapd's start")

    def end(self, how=signal.SIGTERM):
        self.daemon.send_signal(how)
        return self.daemon.wait(20)

    def close(self):
        if self.daemon and self.daemon.poll() is None:
            self.end(signal.SIGKILL)
        shutil.rmtree(self.fallback, ignore_errors=True)

    @property
    def fallback(self):
        """Where the helper puts crashes while the spool cannot be used."""
        return capture.fallback_of(self.archive)

    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def lines(self):
        """The log's messages, without identifier and process id."""
        return [re.sub(r"^coresnap\[\d+\]: ", "", line) for line in self.log().splitlines()]

    def wait_line(self, pattern, timeout=20):
        return wait_until(lambda: re.search(pattern, self.log(), re.M), f"log line {pattern!r}",
                          timeout)

    def coresnap(self, *arguments):
        return subprocess.run([self.bin / "coresnap", *arguments], env=self.env, text=True,
                              capture_output=True, timeout=60)

    def place(self, stage="pending", content=None, when=None, padding=0, **facts):
        """Publishes one object as the helper does; returns its uuid."""
        uuid = str(uuids.uuid4())
        when = time.time() if when is None else when
        facts = {"exe": "/usr/bin/vim.basic", "comm": "vim.basic", "hostname": "here", "uid": 0,
                 "dumpable": 1, "signal": 6, "captured_ns": int(when * 1e9), **facts}
        data = core_bytes(facts, padding) if content is None else content
        part = self.archive / stage / f".{uuid}.part"
        part.write_bytes(data)
        part.chmod(0o600)
        os.utime(part, (when, when))
        part.rename(self.archive / stage / uuid)
        return uuid

    def names(self, stage):
        return sorted(path.name for path in (self.archive / stage).iterdir()
                      if not path.name.startswith("."))

    def empty(self):
        return not self.names("pending") and not self.names("sending")

    def wait_empty(self, timeout=30):
        try:
            wait_until(self.empty, "an empty spool", timeout)
        except TimeoutError as error:
            raise TimeoutError(f"{error}; pending {self.names('pending')}, sending "
                               f"{self.names('sending')}\n{self.log()[-4000:]}") from None

    def objects(self):
        """What the stand-in server holds: (project, uuid) in order of arrival."""
        path = self.root / "objects"
        return [tuple(line.split()) for line in path.read_text().splitlines()] if path.exists() else []

    def words(self):
        path = self.root / "ptrace.words"
        return path.read_text().splitlines() if path.exists() else []
