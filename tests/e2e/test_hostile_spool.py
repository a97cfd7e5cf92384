"""A spool full of what nobody put there in good faith: links, pipes, folders, sockets, giants and
garbage under the names of objects. The daemon and `coresnap` leave alone what is no plain file, take
the rest for what it is, and do the work there is."""

import json
import os
import pathlib
import socket
import struct
import subprocess
import time
import uuid as uuids

import pytest

from support.host import NOTE_TYPE, Host, note
from support.refuser import refuser
from support.world import wait_until

OK = (200, {}, b'{"response":"ok","object":"1","fingerprint":"f"}')
GOOD = (pathlib.Path(__file__).resolve().parents[1] / "fuzz/corpus/core/i386").read_bytes()
SECRET = "a file of somebody else\n"


def elf(n_segments=1, note_size=0, body=b""):
    header = b"\x7fELF\x02\x01\x01".ljust(16, b"\0") + struct.pack(
        "<HHIQQQIHHHHHH", 4, 62, 1, 0, 64, 0, 0, 64, 56, n_segments, 0, 0, 0)
    return header + struct.pack("<IIQQQQQQ", 4, 0, 120, 0, 0, note_size or len(body),
                                note_size or len(body), 4) + body


def facts(text):
    return elf(body=note("CORESNAP", NOTE_TYPE, text))


GARBAGE = {
    "empty": b"",
    "one byte": b"\x7f",
    "header alone": elf()[:64],
    "too many segments": elf(n_segments=0xFFFF),
    "endless note": elf(note_size=(1 << 64) - 1, body=b"\xff" * 64),
    "deep facts": facts(b"[" * 200_000),
    "facts that are no text": facts(b'{"exe":"\xff\xfe\x00","comm":"\x80"}'),
    "facts of other types": facts(json.dumps({
        "exe": {}, "comm": [1], "uid": "root", "signal": 1e300, "time": -1, "captured_ns": "soon",
        "env": [[]], "container": 5, "hostname": None, "assets": {"name": "../../etc"},
        "pid": -9223372036854775808, "dumpable": [[[]]]}).encode()),
    "facts with paths": facts(json.dumps({
        "exe": "/../../../../dev/zero", "comm": "../../x", "uuid": "../../evil",
        "assets": [{"name": "../../../evil", "path": "/dev/zero", "build_id": "../.."}]}).encode()),
    "noise": bytes(range(256)) * 256,
}


def litter(folder, outside):
    """One of each kind of thing that is no object, under names of objects."""
    made = {}
    for what in ("link", "dangling link", "pipe", "folder", "socket"):
        path = made[what] = folder / str(uuids.uuid4())
        if what == "link":
            path.symlink_to(outside)
        elif what == "dangling link":
            path.symlink_to(outside.parent / "made")
        elif what == "pipe":
            os.mkfifo(path)
        elif what == "folder":
            path.mkdir()
            (path / "inside").symlink_to(outside)
        else:
            with socket.socket(socket.AF_UNIX) as one:
                here = os.getcwd()
                os.chdir(folder)  # a name of this kind is short
                one.bind(path.name)
                os.chdir(here)
    return made


@pytest.mark.skipif(os.geteuid() != 0, reason="the spool and what is in it are of different users")
def test_a_spool_full_of_hostile_things_does_no_harm(stage, tmp_path):
    outside = tmp_path / "outside"
    outside.write_text(SECRET)
    outside.chmod(0o600)
    host = Host(stage, tmp_path / "host", "keep.core = none\nworkers = 4\n", doubles=False)
    var = host.archive.parent
    for folder in (host.archive / "kept", host.archive / "quarantine", var / "state"):
        folder.mkdir(mode=0o700)
    things = {folder: litter(folder, outside) for folder in (
        *(host.archive / name for name in ("pending", "sending", "kept", "quarantine", "assets")),
        var / "state")}
    for stage_name in ("pending", "sending"):
        for data in GARBAGE.values():
            host.place(stage_name, content=data)
        huge = host.place(stage_name, content=elf(note_size=1 << 40))
        os.truncate(host.archive / stage_name / huge, 1 << 40)
    good = host.place(content=GOOD)
    for text in (b"\xff", b"[" * 100_000, b"{}" * 1_000_000, b'{"failures":1e99}'):
        other = host.place(content=GOOD)
        (var / "state" / other).write_bytes(text)
        (host.archive / "assets" / other).symlink_to(outside.parent)
    twin = host.archive / "pending" / str(uuids.uuid4())
    os.link(host.archive / "pending" / good, twin)

    with refuser(OK) as server:
        cf = host.root / "usr/local/etc/coroner.cf"
        cf.parent.mkdir(parents=True)
        cf.write_text(f"[universe]\nwrite = {server.url}\n[token]\nblackhole = {'0' * 64}\n")
        cf.chmod(0o600)
        host.start()
        try:
            wait_until(lambda: good not in host.names("pending") and good not in host.names("sending"),
                       "the good one's turn", timeout=60)
            after = host.place(content=GOOD)
            wait_until(lambda: after not in host.names("pending") + host.names("sending"),
                       "the next one's turn", timeout=20)
            for command in (["list"], ["list", "--json"], ["status"], ["status", "--json"],
                            *(["show", made.name] for made in things[host.archive / "pending"].values())):
                started = time.monotonic()
                run = host.coresnap(*command)
                assert run.returncode in (0, 1, 64, 65, 66, 71, 77, 78), (command, run)
                assert time.monotonic() - started < 5
                assert SECRET.strip() not in run.stdout
            status = open(f"/proc/{host.daemon.pid}/status").read()
            assert int(status.split("VmRSS:")[1].split()[0]) < 64 << 10
        finally:
            assert host.end() == 0, host.log()[-2000:]
        for request in server.seen:
            assert SECRET.encode() not in request["body"]
    assert outside.read_text() == SECRET and outside.stat().st_nlink == 1
    assert not (tmp_path / "made").exists() and not (tmp_path / "evil").exists()
    # What is no plain file is nobody's to remove.
    for folder, made in things.items():
        for what, path in made.items():
            assert os.path.lexists(path) or folder.name in ("assets", "state"), (folder.name, what)
    assert "\x1b" not in host.log()
