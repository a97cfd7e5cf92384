"""The units and init scripts of dist/: checked by systemd's own tools, and coresnapd at work under
what its unit forbids."""

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess

import pytest

from support import crashers, unit
from support.host import Host
from support.server import Server, report
from support.world import World, wait_until

ROOT = pathlib.Path(__file__).resolve().parents[2]
UNITS = sorted((ROOT / "dist").glob("*.service"))
# systemd's measure of what a service may do: up to 2 with everything that it can go without.
# Capture needs the memory of every process, and to become another user.
MOST = {"coresnapd.service": 2.0, "coronerd.service": 2.0, "coresnap-capture.service": 5.0}

pytestmark = pytest.mark.skipif(not shutil.which("systemd-analyze"),
                                reason="systemd-analyze is not installed; make deps")


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_a_unit_is_one_to_systemd(path, stage, tmp_path):
    """Verified with its programs where they are installed."""
    text = path.read_text()
    copies = tmp_path / "units"
    copies.mkdir()
    for other in UNITS:
        (copies / other.name).write_text(re.sub(
            "/opt/backtrace", str(stage / "opt/backtrace"), other.read_text()))
    env = {**os.environ, "SYSTEMD_UNIT_PATH": f"{copies}:/lib/systemd/system", "LC_ALL": "C"}
    run = subprocess.run(["systemd-analyze", "verify", "--man=no", copies / path.name], env=env,
                         capture_output=True, text=True, timeout=60)
    said = [line for line in run.stderr.splitlines() if path.name in line]
    assert run.returncode == 0 and not said, run.stderr
    assert "NoNewPrivileges=yes" in text


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_a_unit_may_do_little(path):
    run = subprocess.run(["systemd-analyze", "security", "--offline=true", "--no-pager", path],
                         capture_output=True, text=True, timeout=60)
    score = float(re.search(r"Overall exposure level for \S+: ([\d.]+)", run.stdout)[1])
    assert score <= MOST[path.name], run.stdout


@pytest.mark.skipif(os.geteuid() != 0, reason="makes mount namespaces: needs root")
def test_coresnapd_does_all_its_work_under_what_its_unit_forbids(stage, tmp_path):
    path = ROOT / "dist/coresnapd.service"
    assert not unit.unknown(path)
    core, _ = crashers.Crashers(tmp_path).core("nullderef")
    world = World(stage, tmp_path / "root", "core_pattern.manage = false\ndump.quota = 1\n")
    uid = 23456
    try:
        world.start_server()
        world.set_up()
        hook = tmp_path / "hook"
        hook.write_text("#!/bin/sh\necho from.hook=yes\n")
        hook.chmod(0o755)
        conf = world.root / "usr/local/etc/coresnap/coresnap.conf"
        conf.write_text(f"defaults.command = {hook}\n" + conf.read_text().replace(
            "\ndefaults.command", "\n# defaults.command"))
        for folder in [world.root, *tmp_path.parents]:
            folder.chmod(folder.stat().st_mode | 0o055)
        place = world.spool / "pending" / "0b9b8c5e-7d0c-4a52-9b5f-6a4f0f3d9a11"
        shutil.copy(core, place)
        subprocess.run(["chown", "-R", f"{uid}:{uid}", world.root / "var", world.root / "usr"],
                       check=True)
        log = open(world.root / "coresnapd.log", "a")
        world.daemon = unit.start(path, uid, [world.sbin / "coresnapd", "-f"],
                                  [world.root / "var/coresnap"], stdout=log, stderr=log,
                                  stdin=subprocess.DEVNULL)
        world.wait_spool_empty(20)
        status = pathlib.Path(f"/proc/{world.daemon.pid}/status").read_text()
        assert re.search(r"^Seccomp:\s+2$", status, re.M)
        assert re.search(r"^CapPrm:\s+0+$", status, re.M)
        row, = world.select("callstack", "classifiers")
        assert "main" in json.dumps(row["callstack"]) and "segv" in json.dumps(row["classifiers"])
        text = world.log("coresnapd")
        assert "--kv=from.hook:yes" in text and "processed in" in text and "kept in" not in text, text
        world.daemon.send_signal(signal.SIGTERM)
        assert world.daemon.wait(20) == 0
    finally:
        world.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="makes mount namespaces: needs root")
def test_coronerd_does_its_work_under_what_its_unit_forbids(program, tmp_path):
    path = ROOT / "dist/coronerd.service"
    assert not unit.unknown(path)
    data = tmp_path / "data"
    data.mkdir()
    os.chown(data, 23456, 23456)
    for folder in [tmp_path, *tmp_path.parents]:
        folder.chmod(folder.stat().st_mode | 0o055)
    server = Server(program, data)
    server.run = lambda argv, **keywords: unit.start(path, 23456, argv, [data], **keywords)
    try:
        server.start().set_up()
        assert server.post(report(function="under_the_unit"))[0] == 200
        # The regular expression is compiled to machine code, which the unit allows.
        rows = server.query(filter=[{"callstack": [["regular-expression", "under.*unit"]]}],
                            fold={"timestamp": [["range"]]})["response"]["values"]
        assert rows[0][2] == 1
        status = pathlib.Path(f"/proc/{server.process.pid}/status").read_text()
        assert re.search(r"^Seccomp:\s+2$", status, re.M)
        assert server.stop() == 0
    finally:
        server.stop()


INIT_CODES = [("status", 3), ("reload", 7), ("stop", 0), ("try-restart", 0), ("status", 3),
              ("start", 0), ("status", 0), ("start", 0), ("reload", 0), ("restart", 0), ("status", 0),
              ("force-reload", 0), ("try-restart", 0), ("nonsense", 2), ("stop", 0), ("status", 3)]


@pytest.mark.skipif(os.geteuid() != 0, reason="has an /etc/default of its own: needs root")
def test_the_init_script_does_and_answers_as_the_lsb_asks(stage, tmp_path):
    """Each action and its exit status; /etc/default/coresnapd says where and with what options."""
    host = Host(stage, tmp_path / "host", "core_pattern.manage = false\n")
    own = tmp_path / "default"
    own.mkdir()
    (own / "coresnapd").write_text(f"daemon={host.sbin}/coresnapd\ntool={host.bin}/coresnap\n"
                                   f"CORESNAPD_OPTS='--config {host.conf}'\n")
    script = ROOT / "dist/coresnapd.init"

    def act(word):
        return subprocess.run(["unshare", "-m", "sh", "-c",
                               f"mount --bind {own} /etc/default; exec sh {script} {word}"],
                              capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL,
                              env={**os.environ, "CORESNAP_CACHE": "none"})

    def pid():
        return json.loads(host.coresnap("status", "--json").stdout)["pid"]

    pids = []
    try:
        for word, status in INIT_CODES:
            run = act(word)
            assert run.returncode == status, (word, run.stdout, run.stderr)
            if not pids or pids[-1] != pid():
                pids.append(pid())
        # Not running, three lives of the daemon, one more, not running.
        assert len(pids) == 6 and pids[0] == pids[-1] == 0
        uuid = host.place()
        act("start")
        host.wait_empty()
        assert host.objects() == [("blackhole", uuid)]
    finally:
        act("stop")
        assert wait_until(lambda: pid() == 0, "its end")
