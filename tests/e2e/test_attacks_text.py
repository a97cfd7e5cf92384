"""What the dead call themselves is data: names, arguments, environment, folders and control groups full
of commands, line ends, escapes and bytes that are no text, on their way from the kernel to the server."""

import json
import os
import re
import resource
import signal
import subprocess

import pytest

from support import capture
from support.host import Host
from support.refuser import refuser

pytestmark = pytest.mark.system

NAMED = r"""
#include <stdlib.h>
#include <sys/prctl.h>
int main(int argc, char **argv)
{
	prctl(PR_SET_NAME, argv[1]);
	raise(atoi(argv[2]));
}
"""

EVIL = b"$(touch owned)`touch owned`;touch owned|'\"\\ \r\nX-Evil: 1\r\n\r\n\xff\xfe\x1b[31m%n%s--kv=evil:1"
LINE = re.compile(rb"^([A-Z][a-z]{2} [ \d]\d [\d:]{8} )?coresnap\[\d+\]: [\x20-\x7e]*$")

DEFAULTS = (b"ok=1\r\nX-Evil: 1=$(touch owned)\nhostname=evil\n_hidden=evil\n=evil\nno equals\n"
            b"--kv=evil:1\nlong=" + b"\xff" * (100 << 10))


@pytest.fixture
def group():
    """A control group with a hostile name; the kernel allows all but line ends and slashes."""
    mounts = [line.split() for line in open("/proc/mounts") if " cgroup2 " in line]
    if not mounts:
        pytest.skip("no cgroup2 is mounted")
    path = os.path.join(os.fsencode(mounts[0][1]), b"docker-" + EVIL.replace(b"\n", b"") + b"x" * 60)
    os.mkdir(path)
    yield path
    os.rmdir(path)


def is_clean(log):
    """One message a line, all of it printable, no line that somebody else made up."""
    for line in log.splitlines():
        assert LINE.match(line), line
    assert b"\x1b" not in log and b"\r" not in log


def test_names_that_are_commands_headers_and_no_text_stay_data(spool, group, stage, program, tmp_path):
    """Attack 9: hostile comm, arguments of 128 KiB, environment, executable, folder and control group
    through the helper's log, the note, analysis, command lines, `coresnap` and HTTP."""
    plain = capture.compile_c(tmp_path, "named", NAMED, "-include", "signal.h")
    folder = os.path.join(os.fsencode(spool.root), EVIL.replace(b"/", b""))
    os.mkdir(folder)
    exe = os.path.join(folder, EVIL[:60])
    os.link(plain, exe)
    arguments = [exe, b"\n$(x)\x1b[1m", str(int(signal.SIGABRT)), EVIL, EVIL + b"\xff" * (120 << 10)]

    def into_group():
        fd = os.open(os.path.join(group, b"cgroup.procs"), os.O_WRONLY)
        os.write(fd, b"0")
        os.close(fd)

    with spool.installed():
        victim = subprocess.Popen(arguments, cwd=folder, preexec_fn=into_group,
                                  env={b"BACKTRACE_DEFAULTS": DEFAULTS, b"POD_NAME": EVIL, b"$(touch owned)": EVIL})
        capture.wait_status(victim)
        core = spool.core()
        # One that is told of by its name in the helper's own log.
        capture.wait_status(subprocess.Popen(arguments[:3], executable=exe, preexec_fn=lambda: (
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0)))))
        spool.core(2).path.unlink()
    assert "notes only" in spool.log
    is_clean((spool.archive.parent / "log").read_bytes())
    assert core.facts["comm"] == "\n$(x)\x1b[1m"
    assert core.facts["cmdline"][3].startswith("$(touch owned)`touch owned`")
    assert core.facts["exe"].count("X-Evil") == 2
    assert "docker-$(touch owned)" in core.facts["cgroup"] or len(core.facts["cgroup"]) > 150

    host = Host(stage, tmp_path / "host", doubles=False)
    with refuser((503, {}, b"{}"), (200, {}, b'{"response":"ok","object":"1","fingerprint":"f"}')) as server:
        cf = host.root / "usr/local/etc/coroner.cf"
        cf.parent.mkdir(parents=True)
        cf.write_text(f"[universe]\nwrite = {server.url}\n[token]\nblackhole = {'0' * 64}\n")
        cf.chmod(0o600)
        uuid = host.place(content=core.data)
        shown = [host.coresnap("list").stdout, host.coresnap("show", uuid).stdout]
        host.start()
        shown.append(host.coresnap("status").stdout)
        host.wait_empty()
        host.end()
        requests = server.seen
    is_clean(host.log_path.read_bytes())
    for text in shown:
        assert all(character == "\n" or character.isprintable() for character in text), text
    assert [(request["method"], request["path"]) for request in requests] == [("POST", "/post")] * 2
    for request in requests:
        assert "X-Evil" not in request["headers"]
        assert set(request["query"]) <= {"format", "token", "universe", "project"}

    out = tmp_path / "snapshot.json"
    done = subprocess.run([program("ptrace"), "--format=json", "-o", out, "--core", core.path],
                          capture_output=True, timeout=60)
    assert done.returncode in (0, 1), done.stderr
    attributes = json.loads(out.read_text(encoding="utf-8"))["attributes"]
    assert attributes["hostname"] != "evil" and "evil" not in attributes
    assert "\x1b" not in done.stderr.decode(errors="replace")
    for place in (folder, os.fsencode(tmp_path), os.fsencode(host.root), b".", b"/"):
        assert not os.path.exists(os.path.join(place, b"owned"))
