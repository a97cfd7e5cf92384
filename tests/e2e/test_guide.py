"""The integration guide, step by step, from "Integration" to "Managing Disk Space", on this machine
as `make install` sets it up. Each test is a step and begins where the one before it ended.

Not here: the web console's steps (projects, tokens and users are made with morgue), and packages."""

import contextlib
import json
import os
import pathlib
import re
import shutil
import stat
import subprocess
import time

import pytest

from support import kernel, machine, terminal
from support.machine import ARCHIVE, CONF, CORONER_CF
from support.world import wait_until

pytestmark = pytest.mark.system

UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
WHEN = r"\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4}"
FOOTER = r"^jdoe: yourcompany/\w+ as of \S+ ago \[\d+ us\]$"
GO = """package main
import "os"
func main() { var p *int; if len(os.Args) > 9 { p = new(int) }; *p = 1 }
"""


@pytest.fixture(scope="module")
def host():
    reason = machine.why_not()
    if reason:
        pytest.skip(reason)
    with machine.installed() as made:
        made.start_rsyslog()
        made.start_server()
        made.sh("morgue project create blackhole")
        yield made


def crash_vim(host, before="ulimit -c unlimited", after="-SIGABRT", user=None):
    """$ kill -SIGABRT <the PID of a running vim>, as root or as another user."""
    shell = f"{before}; exec vim -n -i NONE"
    argv = ["setpriv", f"--reuid={user}", "--regid=nogroup", "--clear-groups"] if user else []
    with terminal.in_terminal([*argv, "bash", "-c", shell], {"HOME": "/nonexistent"}, b"VIM") as pid:
        host.sh(f"kill {after} {pid}")
        assert os.WCOREDUMP(os.waitpid(pid, 0)[1])


def processed(host):
    """How many crashes the log says are done."""
    return len(re.findall(rf"crash {UUID} processed in", host.syslog()))


def listed(host):
    return host.sh("/opt/backtrace/bin/coresnap list").stdout.splitlines()


def failing_ptrace(host):
    path = host.folder / "ptrace"
    path.write_text("#!/bin/sh\necho 'ptrace: cannot' >&2\nexit 2\n")
    path.chmod(0o755)
    return path


@contextlib.contextmanager
def breaking(host, setting):
    """A step of the pipeline that fails: the daemon runs with another setting meanwhile."""
    before = CONF.read_text()
    host.set_conf(setting)
    host.sh("service coresnapd restart")
    try:
        yield
    finally:
        CONF.write_text(before)
        host.sh("service coresnapd restart")


# --- Integration ---


def test_nothing_else_processes_core_dumps(host):
    """"make sure to turn off any services that process coredumps or modify core_pattern" """
    assert not kernel.read(kernel.PATTERN).startswith("|")
    found = json.loads(host.sh("coresnap doctor --json", check=False).stdout)
    # What the steps below will make, and nothing else.
    assert {row["check"] for row in found if row["level"] != "ok"} == {
        "core-pattern", "spool", "coroner.cf"}, found


def test_installing_creates_no_configuration(host):
    """"Installing Coresnap does not create the paths ..." """
    assert not CONF.exists() and not pathlib.Path("/etc/coresnap/coresnap.conf").exists()
    assert not CORONER_CF.exists()


def test_deploy_client_configuration(host):
    """"Place a copy of this file in /usr/local/etc/coroner.cf." """
    host.sh("umask 077; morgue token create --project=blackhole --capability=error:post "
            "--coroner-cf >/usr/local/etc/coroner.cf")
    assert re.search(r"^\[tokens?\]\n.*^blackhole\s*=\s*[0-9a-f]{64}$", CORONER_CF.read_text(),
                     re.M | re.S)


def test_prepare_coresnap_conf(host):
    """"Copy the file /opt/backtrace/etc/coresnap/coresnap.conf to either ..." """
    host.sh("mkdir -p /usr/local/etc/coresnap && cp /opt/backtrace/etc/coresnap/coresnap.conf "
            "/usr/local/etc/coresnap/coresnap.conf")
    # What fails here is to stay where it is until a step asks for it.
    host.set_conf("retry.min = 30s", "retry.max = 60s")


def test_start_coresnap(host):
    """$ service coresnapd start"""
    host.sh("service coresnapd start")
    assert kernel.read(kernel.PATTERN).startswith("|/opt/backtrace/sbin/coresnap-archive ")
    assert "runs (process" in host.sh("service coresnapd status").stdout
    assert stat.S_IMODE(CORONER_CF.stat().st_mode) == 0o640
    assert CORONER_CF.owner() == "root" and CORONER_CF.group() == "coresnap"
    (pid,) = re.findall(r"process (\d+)", host.sh("service coresnapd status").stdout)
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    coresnap = ARCHIVE.stat().st_uid
    assert f"\nUid:\t{coresnap}\t{coresnap}\t{coresnap}\t{coresnap}\n" in status
    assert "\nCapEff:\t0000000000000000\n" in status


def test_the_other_way_to_start(host):
    """$ /etc/init.d/coresnapd start"""
    host.sh("service coresnapd stop")
    assert host.sh("service coresnapd status", check=False).returncode == 3
    host.sh("/etc/init.d/coresnapd start")
    assert "runs (process" in host.sh("service coresnapd status").stdout


def test_kill_a_vim_and_verify_the_object_store(host):
    """$ kill -SIGABRT; $ morgue list blackhole"""
    crash_vim(host)
    host.wait_syslog(rf"crash {UUID} processed in \d+ seconds?$")
    shown = host.sh("morgue list blackhole").stdout
    assert re.search(r"^\* [▁▂▃▄▅▆▇█]+ .*ago$", shown, re.M), shown
    assert re.search(r"^ *Date: +\w{3} \w{3} \d\d \d{4} \d\d:\d\d:\d\d GMT[+-]\d{4}", shown, re.M)
    assert re.search(r"^ *Occurrences: 1( \(100\.00%\))?$", shown, re.M)
    assert re.search(FOOTER, shown, re.M)


# --- Troubleshooting ---


def test_first_steps_the_log(host):
    """$ cat /var/log/syslog | grep coresnap"""
    uuid = re.search(rf"crash ({UUID}) processed", host.syslog())[1]
    head = r"^\S.* coresnap\[\d+\]: "
    lines = (
        rf"Crash dump archived in {ARCHIVE}/pending/{uuid}$",
        rf"Executing slave: /opt/backtrace/bin/ptrace --faulted -o{ARCHIVE}/sending/{uuid} "
        rf"--load=libc- --kv=coresnap.object:{uuid} --resource={ARCHIVE}/assets/{uuid} "
        rf"--core {ARCHIVE}/pending/{uuid} /usr/bin/vim\S*$",
        rf"Executing slave: /opt/backtrace/bin/coroner -c /usr/local/etc/coroner.cf put blackhole "
        rf"blackhole {ARCHIVE}/sending/{uuid}$",
        rf"crash {uuid} processed in \d+ seconds?$",
    )
    text, places = host.syslog(), []
    for line in lines:
        match = re.search(head + line, text, re.M)
        assert match, f"{line}\n{text}"
        places.append(match.start())
    assert places == sorted(places)


def test_the_doctor_finds_all_in_order(host):
    """What the section has one look at by hand: `coresnap doctor`, with a crash of its own."""
    done = host.sh("coresnap doctor --crash", check=False)
    assert done.returncode == 0, done.stdout
    host.wait_empty()


def test_ulimit(host):
    """"check ulimit -a and ensure that the core file size is unlimited": a pipe needs none."""
    assert re.search(r"^core file size .* unlimited$", host.sh("ulimit -c unlimited; ulimit -a").stdout,
                     re.M)
    before = processed(host)
    crash_vim(host, before="ulimit -Sc 0")
    wait_until(lambda: processed(host) > before, "the crash in the log")


def test_vim_as_the_user_of_the_application(host):
    """"Try running vim as the same user you'll be running your application as" """
    before = processed(host)
    crash_vim(host, user="nobody")
    wait_until(lambda: processed(host) > before, "the crash in the log")


def test_when_it_fails_after_the_second_step(host):
    """"attempt to manually run the full ptrace command listed after Executing slave: as the
    Coresnap user" """
    failing = failing_ptrace(host)
    with breaking(host, f"ptrace.path = {failing}"):
        crash_vim(host)
        (uuid,) = host.wait_names("pending", 1)
        line = host.wait_syslog(rf"Executing slave: ({failing} .*{uuid}.*)$")[1]
        status = host.sh("coresnap status").stdout
        assert "ptrace: cannot" in status and uuid[:12] in status
        host.sh("service coresnapd stop")
        command = line.replace(str(failing), "/opt/backtrace/bin/ptrace")
        done = host.sh(f"setpriv --reuid=coresnap --regid=coresnap --clear-groups {command}")
        assert done.stdout.strip() == f"{ARCHIVE}/sending/{uuid}"
    host.wait_empty()


def test_when_it_fails_after_the_third_step_and_stuck_in_sending(host):
    """"Attempt to manually run the coroner command listed"; "verify that nothing is blocking" """
    host.sh("service coronerd stop")
    crash_vim(host)
    (uuid,) = host.wait_names("sending", 1)
    command = host.wait_syslog(rf"Executing slave: (\S*/coroner .*{uuid})$")[1]
    by_hand = host.sh(f"setpriv --reuid=coresnap --regid=coresnap --clear-groups {command}",
                      check=False)
    assert by_hand.returncode == 75 and "6097" in by_hand.stderr, by_hand
    assert re.fullmatch(rf"sending/{uuid[:12]}\.\.\. -s[-a] vim\S* {WHEN} \d+\.\d\dkB",
                        listed(host)[0])
    host.sh("service coronerd start")
    again = host.sh(f"setpriv --reuid=coresnap --regid=coresnap --clear-groups {command}")
    assert re.fullmatch(r"[0-9a-f]{64} => [0-9a-f]+\n", again.stdout)
    host.sh(f"coresnap retry sending/{uuid[:8]}")
    host.wait_empty()
    # Sent by hand and by the daemon, but one object.
    assert host.sh("morgue list blackhole --json --select=coresnap.object").stdout.count(uuid) == 1


def test_list_and_retry(host):
    """$ /opt/backtrace/bin/coresnap list; $ /opt/backtrace/bin/coresnap retry pending/84605573"""
    failing = host.folder / "ptrace"
    with breaking(host, f"ptrace.path = {failing}"):
        crash_vim(host)
        crash_vim(host)
        first, second = host.wait_names("pending", 2)
        lines = listed(host)
        for line in lines[:2]:
            assert re.fullmatch(rf"pending/({first[:12]}|{second[:12]})\.\.\. c-[-a] vim\S* {WHEN} "
                                r"\d+\.\d\d[km]B", line), lines
        assert re.fullmatch(r"\[pending\]/2O/\d+\.\d\dmB \[sending\]/0O/0\.00B", lines[2]), lines
        host.sh("service coronerd stop")
        failing.unlink()
        failing.symlink_to("/opt/backtrace/bin/ptrace")
        host.sh(f"/opt/backtrace/bin/coresnap retry pending/{first[:8]}")
        assert first in host.wait_names("sending", 1) or host.names("sending")
        assert re.search(rf"^sending/{first[:12]}\.\.\. -s[-a] vim", "\n".join(listed(host)), re.M)
        failing.unlink()


def test_stuck_in_pending_ptrace_and_bt_by_hand(host):
    """$ ptrace --core /var/coresnap/archive/pending/143fc129-afc* `which vim`; bt the same"""
    kept = host.folder / "kept.core"
    host.sh("service coresnapd stop")
    crash_vim(host)
    (uuid,) = wait_until(lambda: host.names("pending"), "a core")[-1:]
    shutil.copy(ARCHIVE / "pending" / uuid, kept)
    made = host.sh(f"ptrace --core {ARCHIVE}/pending/{uuid[:12]}* `which vim`").stdout.strip()
    assert made.endswith(".btt") and (host.folder / made).stat().st_size > 1000
    text = host.sh(f"bt --core {ARCHIVE}/pending/{uuid[:12]}* `which vim`").stdout
    assert re.search(r"^#0 +0x[0-9a-f]+ in \S+", text, re.M), text
    host.sh("service coronerd start; service coresnapd start; coresnap retry all")
    host.wait_empty()


# --- Advanced ---


def test_create_additional_projects(host):
    """"projectname = <token>" in coroner.cf; made here with morgue in the console's place."""
    host.sh("morgue project create myproject")
    printed = host.sh("morgue token create --project=myproject --capability=error:post "
                      "--coroner-cf").stdout
    token = re.search(r"^myproject\s*=\s*([0-9a-f]{64})$", printed, re.M)[1]
    text = CORONER_CF.read_text()
    CORONER_CF.write_text(re.sub(r"^(blackhole\s*=.*)$", rf"\1\nmyproject = {token}", text,
                                 flags=re.M))


def test_route_snapshots_to_the_correct_projects(host):
    """format.1 = projectname %e /end-of-executablename$"""
    text = CONF.read_text()
    CONF.write_text(text.replace("\nformat.1 = blackhole", "\nformat.1 = myproject %e /my-sleep$"
                                 "\nformat.1 = blackhole"))
    host.sh("service coresnapd restart")
    shutil.copy("/usr/bin/sleep", host.folder / "my-sleep")
    host.sh(f"{host.folder}/my-sleep 60 & sleep 0.2; kill -SEGV $!; wait", check=False)
    host.wait_syslog(r"coroner\.cf put myproject myproject ")
    host.wait_empty()
    assert re.search(r"Occurrences: 1\b", host.sh("morgue list myproject").stdout)


def test_attributes(host):
    """BACKTRACE_DEFAULTS, the defaults script, and `morgue list --select=hostname`"""
    script = pathlib.Path("/opt/backtrace/etc/coresnap/defaults")
    script.write_text('#!/bin/sh\necho "dc=newyork"\necho "exe.seen=$1"\n')
    # The guide's own examples, version and dc, are known from the start.
    host.sh("morgue attribute create myproject exe.seen --type=dictionary")
    host.sh("service coresnapd restart")
    host.sh(f"export BACKTRACE_DEFAULTS='version=1.2.3'; {host.folder}/my-sleep 60 & sleep 0.2; "
            "kill -SEGV $!; wait", check=False)
    names = ("hostname", "application", "uname.machine", "uname.release", "uname.version",
             "version", "dc", "exe.seen")

    def shown():
        text = host.sh("morgue list myproject " + " ".join(f"--select={n}" for n in names)).stdout
        return text if "1.2.3" in text else None

    text = wait_until(shown, "the second crash of my-sleep")
    uname = os.uname()
    for name, value in zip(names, (uname.nodename, "my-sleep", uname.machine, uname.release,
                                   uname.version, "1.2.3", "newyork", f"{host.folder}/my-sleep")):
        assert re.search(rf"^ *{re.escape(name)}: {re.escape(value)}$", text, re.M), (name, text)
    plain = host.sh("morgue list blackhole --select=hostname").stdout
    assert re.search(rf"^\s*#[0-9a-f]+.*\n\s*hostname: {re.escape(uname.nodename)}$", plain, re.M), plain
    assert re.search(FOOTER, plain, re.M)


def test_go_application(host):
    """GOTRACEBACK=crash"""
    (host.folder / "main.go").write_text(GO)
    subprocess.run(["go", "build", "-o", host.folder / "service-in-go", host.folder / "main.go"],
                   check=True, env={**os.environ, "GOCACHE": str(host.folder / "gocache"),
                                    "GOFLAGS": "-mod=mod", "GO111MODULE": "off"})
    host.sh(f"GOTRACEBACK=crash {host.folder}/service-in-go", check=False)
    wait_until(lambda: "service-in-go" in host.sh(
        "morgue list blackhole --select=application").stdout, "the crash of the Go program")
    host.wait_empty()


# --- Managing Disk Space ---


def test_dump_quota(host):
    """dump.quota = 10%: below it nothing is archived, analysed or sent."""
    with breaking(host, "dump.quota = 100%"):
        crash_vim(host)
        host.wait_syslog(r"notes only: free space is below dump\.quota$")
        (uuid,) = host.wait_names("pending", 1)
        assert (ARCHIVE / "pending" / uuid).stat().st_size < 100_000
        assert "BELOW QUOTA" in host.sh("coresnap status").stdout
        assert not re.search(rf"Executing slave: \S*ptrace .*{uuid}", host.syslog())
    host.wait_empty()


def test_purge_age_and_purge_disabled(host):
    """purge.age; "you can set purge.disabled to true" """
    with breaking(host, f"ptrace.path = {failing_ptrace(host)}"):
        crash_vim(host)
        (uuid,) = host.wait_names("pending", 1)
        old = time.time() - 31 * 86400
        os.utime(ARCHIVE / "pending" / uuid, (old, old))
        host.set_conf("purge.disabled = true")
        host.sh("service coresnapd restart")
        time.sleep(1)
        assert host.names("pending") == [uuid]
        host.set_conf("purge.disabled = false")
        host.sh("service coresnapd restart")
        host.wait_names("pending", 0)
        host.wait_syslog(rf"{uuid}.*purge|purge.*{uuid}")


def test_disable_restores_core_pattern(host):
    host.sh("service coresnapd stop")
    assert kernel.read(kernel.PATTERN).startswith("|/opt/backtrace/")
    host.sh("coresnap disable")
    assert kernel.read(kernel.PATTERN) == "core"
