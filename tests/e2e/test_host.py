"""coresnapd and coresnap: log lines, list, retries, kills, routing, attributes, bad input.

ptrace and coroner are stand-ins here that fail when told to; test_whole.py runs the real ones."""

import json
import os
import random
import re
import shlex
import signal
import socket
import subprocess
import time

import pytest

from support import kernel
from support.world import wait_until

EMPTY = "[pending]/0O/0.00B [sending]/0O/0.00B\n"


def test_a_crash_leaves_exactly_the_lines_of_the_contract(host):
    host.start()
    uuid = host.place()
    host.wait_empty()
    host.wait_line("processed in")
    archive = host.archive
    lines = [line for line in host.lines() if uuid in line]
    assert lines[0] == (
        f"Executing slave: {host.root}/ptrace --faulted -o{archive}/sending/{uuid} --load=libc- "
        f"--kv=coresnap.object:{uuid} --resource={archive}/assets/{uuid} "
        f"--core {archive}/pending/{uuid} /usr/bin/vim.basic")
    assert lines[1] == (
        f"Executing slave: {host.root}/coroner -c {host.root}/usr/local/etc/coroner.cf put "
        f"blackhole blackhole {archive}/sending/{uuid}")
    assert re.fullmatch(f"crash {uuid} processed in \\d+ seconds?", lines[2])
    assert len(lines) == 3
    assert host.objects() == [("blackhole", uuid)]


def test_list_shows_the_object_and_then_nothing(host):
    assert host.coresnap("list").stdout == EMPTY
    uuid = host.place(when=1492210124, padding=3120000 - 400)
    shown = host.coresnap("list").stdout
    assert re.fullmatch(
        re.escape(f"pending/{uuid[:12]}... c-- vim.basic Fri Apr 14 22:48:44 2017 3.12mB\n")
        + re.escape("[pending]/1O/3.12mB [sending]/0O/0.00B\n"), shown), shown
    host.tell("coroner.exit", 75)
    host.start()
    host.wait_line("kept in sending")
    assert re.match(rf"sending/{uuid[:12]}\.\.\. -s- vim\.basic ", host.coresnap("list").stdout)
    row, = json.loads(host.coresnap("list", "--json").stdout)
    assert (row["stage"], row["uuid"], row["exe"]) == ("sending", uuid, "/usr/bin/vim.basic")
    host.tell("coroner.exit", "")
    host.wait_empty()
    assert host.coresnap("list").stdout == EMPTY
    assert host.coresnap("list", "--json").stdout == "[]\n"


def test_ten_crashes_of_a_server_that_was_down_arrive_in_order(host):
    host.tell("coroner.exit", 75)
    host.start()
    now = time.time() - 100
    uuids = [host.place(when=now + i) for i in range(10)]
    wait_until(lambda: len(host.names("sending")) == 10, "ten snapshots")
    host.wait_line("kept in sending: coroner exit 75: coroner: told to fail; next try in")
    host.tell("coroner.exit", "")
    host.wait_empty()
    assert [uuid for _, uuid in host.objects()] == uuids


def test_only_the_first_of_the_line_is_tried_while_the_server_is_down(host):
    host.tell("coroner.exit", 75)
    uuids = [host.place(when=1000 + i) for i in range(3)]
    host.start()
    wait_until(lambda: host.log().count("kept in sending") >= 2, "two tries")
    assert set((host.root / "tries").read_text().split()) == {uuids[0]}


def test_a_core_that_cannot_be_analysed_stays_and_is_named(host):
    host.tell("ptrace.exit", 2)
    host.start()
    uuid = host.place()
    host.wait_line(f"crash {uuid} kept in pending: ptrace exit 2: ptrace: told to fail; next try")
    assert host.names("pending") == [uuid]
    assert "run the logged ptrace command by hand" in host.coresnap("status").stdout
    host.tell("ptrace.exit", "")
    host.wait_empty()
    assert host.objects() == [("blackhole", uuid)]


@pytest.mark.parametrize("how", ["rm -rf {}/*", "mv {0} {0}.old"])
def test_a_spool_removed_under_the_daemon_is_made_again(host, how):
    host.start()
    host.place()
    host.wait_empty()
    subprocess.run(["sh", "-c", how.format(host.archive)], check=True)
    host.wait_line("were removed; they are made again")
    wait_until(lambda: (host.archive / "sending").is_dir(), "the folders")
    assert host.coresnap("list").stdout == EMPTY
    uuid = host.place()
    wait_until(lambda: ("blackhole", uuid) in host.objects(), "the crash after it")


@pytest.mark.parametrize("keep, partial, kept", [("failed", "", False), ("failed", "1", True),
                                                 ("none", "1", False), ("all", "", True)])
def test_cores_are_kept_as_told(make_host, keep, partial, kept):
    host = make_host(f"keep.core = {keep}\n")
    host.tell("ptrace.partial", partial)
    host.start()
    uuid = host.place()
    (host.archive / "assets" / uuid).mkdir()
    host.wait_empty()
    host.wait_line("processed in")
    assert host.names("kept") == ([uuid] if kept else [])
    assert host.names("assets") == ([uuid] if kept else [])
    assert not list((host.archive.parent / "state").iterdir())


@pytest.mark.parametrize("n_kills, n_crashes", [(25, 20)])
def test_kills_at_any_moment_lose_nothing_and_send_nothing_twice(host, n_kills, n_crashes):
    host.tell("ptrace.slow", "0.01")
    now = time.time() - 1000
    uuids = []
    for i in range(n_kills):
        host.start(wait=False)
        if len(uuids) < n_crashes:
            uuids.append(host.place(when=now + i))
        time.sleep(random.random() * 0.08)
        host.end(signal.SIGKILL)
    host.start()
    host.wait_empty()
    arrived = [uuid for _, uuid in host.objects()]
    assert sorted(arrived) == sorted(uuids)


def test_a_core_beside_its_snapshot_is_spent(host):
    uuid = host.place()
    (host.archive / "sending" / uuid).write_text("whole")
    assert re.match(r"sending/\S+ cs- vim\.basic .*\n\[pending\]/0O/0\.00B \[sending\]/1O/",
                    host.coresnap("list").stdout)
    host.start()
    host.wait_empty()
    assert host.words() == []
    assert host.objects() == [("blackhole", uuid)]


def test_rules_choose_the_project_by_what_died(make_host):
    host = make_host("format.1 = web %e /sbin/nginx$\nformat.1 = bus %s /^SIGBUS$/\n"
                     "format.1 = boxes %c /./\nformat.1 = blackhole\n")
    host.start()
    expected = {host.place(exe="/usr/sbin/nginx"): "web", host.place(signal=7): "bus",
                host.place(container="0123456789ab"): "boxes", host.place(): "blackhole"}
    host.wait_empty()
    assert {uuid: project for project, uuid in host.objects()} == expected


def test_routing_survives_a_restart_between_analysis_and_sending(make_host):
    host = make_host("format.1 = web %e /sbin/nginx$\nformat.1 = blackhole\n")
    host.tell("coroner.exit", 75)
    host.start()
    uuid = host.place(exe="/usr/sbin/nginx")
    host.wait_line("kept in sending")
    host.end(signal.SIGKILL)
    host.tell("coroner.exit", "")
    host.start()
    host.wait_empty()
    assert host.objects() == [("web", uuid)]


def test_attributes_come_from_three_sources_and_the_process_wins(make_host, tmp_path):
    script = tmp_path / "defaults"
    script.write_text("#!/bin/sh\necho version=2\necho dc=east,west\necho \"for=$1\"\n"
                      "echo hostname=evil\n")
    script.chmod(0o755)
    host = make_host(daemon_env={"BACKTRACE_DEFAULTS": "version=1\nteam=core"})
    host.conf.write_text(host.conf.read_text().replace("defaults.command =",
                                                       f"defaults.command = {script}"))
    host.start()
    host.place(env={"BACKTRACE_DEFAULTS": "version=3"})
    host.wait_empty()
    words = host.words()
    assert [word for word in words if word.startswith("--kv=")][1:5] == [
        "--kv=version:3", "--kv=team:core", "--kv=dc:east\\,west", "--kv=for:/usr/bin/vim.basic"]
    assert "--kv=coresnap.warning:refused hostname (defaults.command): measured or reserved" in words


def test_a_privileged_process_sets_no_attributes(host):
    host.start()
    host.place(dumpable=2, env={"BACKTRACE_DEFAULTS": "version=3"})
    host.wait_empty()
    assert not [word for word in host.words() if "version" in word]


@pytest.mark.parametrize("what, told", [
    ("exit 3", r"failed \(exit 3\)"),
    ("exec sleep 1000", r"took longer than 10 seconds \(exit 137\)"),
])
def test_a_defaults_command_that_fails_or_stops_holds_nothing(make_host, tmp_path, what, told):
    script = tmp_path / "defaults"
    script.write_text(f"#!/bin/sh\n{what}\n")
    script.chmod(0o755)
    host = make_host()
    host.conf.write_text(host.conf.read_text().replace("defaults.command =",
                                                       f"defaults.command = {script}"))
    host.start()
    host.place()
    host.wait_empty()
    assert re.search(told + "; going on without it", host.log())


HOSTILE = "/tmp/a b\n\x1b[31m'; touch /tmp/owned #"


def test_names_of_the_dead_are_escaped_everywhere(host):
    host.tell("ptrace.exit", 2)
    host.start()
    uuid = host.place(exe=HOSTILE, comm="x\ny")
    host.wait_line("kept in pending")
    for text in (host.coresnap("list").stdout, host.coresnap("status").stdout,
                 host.coresnap("show", uuid).stdout, host.log()):
        assert "\x1b" not in text
    line, = [line for line in host.lines() if line.startswith("Executing slave")][:1]
    quoted = line.split("Executing slave: ")[1]
    pasted = subprocess.run(["bash", "-c", f"printf '%s\\0' {quoted}"], capture_output=True).stdout
    assert pasted.split(b"\0")[-2].decode() == HOSTILE
    host.tell("ptrace.exit", "")
    host.wait_empty()
    assert HOSTILE.split("\n")[0] in host.words()


def test_below_the_quota_nothing_is_analysed_or_sent(make_host):
    host = make_host("dump.quota = 100%\n")
    host.place()
    host.start()
    host.wait_line("dump.quota asks for .*nothing is archived, analysed or sent")
    time.sleep(0.3)
    assert host.words() == []
    assert "BELOW QUOTA" in host.coresnap("status").stdout
    assert json.loads(host.coresnap("status", "--json").stdout)["below_quota"]
    retried = host.coresnap("retry", "all")
    assert retried.returncode == 0
    host.conf.write_text(host.conf.read_text().replace("100%", "1"))
    host.daemon.send_signal(signal.SIGHUP)
    host.wait_empty()


@pytest.mark.parametrize("line, message", [
    ("dump.qouta = 1", r":\d+: unknown key 'dump.qouta'; the nearest known key is 'dump.quota'"),
    ("workers = many", r":\d+: workers: 'many' is not a number from 1 to 64"),
    ("format.1 = web %e /a(/", r":\d+: the expression of project 'web' is wrong at character 2"),
])
def test_a_wrong_configuration_is_one_line_and_78(make_host, line, message):
    host = make_host(line + "\n")
    for command in ([host.sbin / "coresnapd", "-f"], [host.bin / "coresnap", "list"]):
        run = subprocess.run(command, capture_output=True, text=True, timeout=20)
        assert run.returncode == 78
        assert run.stderr.count("\n") == 1
        assert re.search(re.escape(str(host.conf)) + message, run.stderr), run.stderr


def test_a_bad_reload_keeps_the_old_configuration(host):
    host.start()
    good = host.conf.read_text()
    host.conf.write_text(good + "nonsense\n")
    host.daemon.send_signal(signal.SIGHUP)
    host.wait_line("reload: .*'nonsense' is neither 'key = value' nor .*the old configuration stays")
    uuid = host.place()
    host.wait_empty()
    assert host.objects() == [("blackhole", uuid)]


def test_one_daemon_works_on_a_spool(host):
    host.start()
    second = subprocess.run([host.sbin / "coresnapd", "-f"], capture_output=True, text=True,
                            timeout=20)
    assert second.returncode == 69
    assert second.stderr == f"coresnapd: coresnapd runs already (process {host.daemon.pid})\n"
    assert host.end() == 0
    assert "coresnapd stopped" in host.log()


def test_in_the_background_it_is_ready_when_the_command_returns(host):
    run = subprocess.run([host.sbin / "coresnapd"], env=host.env, timeout=20)
    assert run.returncode == 0
    pid = json.loads(host.coresnap("status", "--json").stdout)["pid"]
    assert pid > 0
    host.place()
    host.wait_empty()
    os.kill(pid, signal.SIGTERM)
    wait_until(lambda: not json.loads(host.coresnap("status", "--json").stdout)["running"],
               "the daemon's end")


@pytest.fixture
def own_dev(tmp_path):
    """A /dev with null alone, and how to start something that sees it."""
    if os.geteuid() != 0:
        pytest.skip("bind-mounts a folder over /dev: needs root")
    dev = tmp_path / "dev"
    dev.mkdir()
    subprocess.run(["mknod", "-m", "666", dev / "null", "c", "1", "3"], check=True)

    def run(program, **keywords):
        return subprocess.run(["unshare", "-m", "sh", "-c", f"mount --bind {dev} /dev; exec {program}"],
                              timeout=20, check=True, **keywords)

    return dev, run


def listen(path):
    path.unlink(missing_ok=True)
    server = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    server.bind(str(path))
    server.settimeout(10)
    return server


def stop_background(host):
    os.kill(json.loads(host.coresnap("status", "--json").stdout)["pid"], signal.SIGTERM)
    wait_until(lambda: not json.loads(host.coresnap("status", "--json").stdout)["running"],
               "the daemon's end")


def test_without_a_system_log_the_lines_are_in_the_spools_own(host, own_dev):
    _, run = own_dev
    run(host.sbin / "coresnapd", env=host.env, stderr=subprocess.DEVNULL)
    uuid = host.place()
    host.wait_empty()
    stop_background(host)
    text = (host.archive.parent / "log").read_text()
    for line in (f"Executing slave: {host.root}/ptrace --faulted -o", f"crash {uuid} processed in"):
        assert re.search(rf"^\w{{3}} [ \d]\d \d\d:\d\d:\d\d coresnap\[\d+\]: {re.escape(line)}", text,
                         re.M), text


def test_a_system_log_that_was_restarted_is_found_again(host, own_dev):
    dev, run = own_dev
    server = listen(dev / "log")
    run(host.sbin / "coresnapd", env=host.env)
    assert b" coresnap[" in server.recv(4096)
    server.close()
    server = listen(dev / "log")
    host.place()
    host.wait_empty()
    received = [server.recv(65536) for _ in range(3)]
    stop_background(host)
    server.close()
    assert b"Executing slave: " in received[0] and b"processed in" in received[2], received
    assert not (host.archive.parent / "log").exists()


def test_retry_without_a_daemon_does_the_work_itself(host):
    uuid = host.place()
    host.tell("coroner.exit", 75)
    run = host.coresnap("retry", f"pending/{uuid[:8]}")
    assert run.returncode == 75
    assert "coresnapd does not run; working on 1 object here" in run.stderr
    assert host.names("sending") == [uuid]
    host.tell("coroner.exit", "")
    run = host.coresnap("retry", "all")
    assert run.returncode == 0, run.stderr
    assert host.empty() and host.objects() == [("blackhole", uuid)]


@pytest.mark.parametrize("command", ["list", "status", "enable", "disable"])
def test_what_takes_no_operand_refuses_one(host, command):
    run = host.coresnap(command, "extra")
    assert run.returncode == 64
    assert f"{command} takes no operand: 'extra'" in run.stderr


@pytest.mark.parametrize("command", ["list", "retry", "status", "show", "purge", "enable",
                                     "disable"])
def test_every_command_has_help_with_an_example(host, command):
    run = host.coresnap(command, "--help")
    assert run.returncode == 0
    assert f"Examples:\n  coresnap {command}" in run.stdout


def test_unknown_objects_and_commands_are_named(host):
    run = host.coresnap("retry", "pending/ffffffff")
    assert (run.returncode, run.stderr) == (
        66, "coresnap: pending/ffffffff: no such object; see 'coresnap list'\n")
    run = host.coresnap("lits")
    assert run.returncode == 64 and "did you mean 'list'" in run.stderr


def test_show_and_purge(host):
    uuid = host.place(when=time.time() - 100 * 86400)
    young = host.place()
    shown = host.coresnap("show", uuid[:8]).stdout
    assert re.search(r"^exe +/usr/bin/vim.basic$", shown, re.M)
    assert re.search(r"^project +blackhole$", shown, re.M)
    assert json.loads(host.coresnap("show", "--json", uuid).stdout)["signal"] == "SIGABRT"
    assert host.coresnap("purge").stdout == "removed 1 object\n"
    assert host.names("pending") == [young]
    assert host.coresnap("purge", f"pending/{young}").stdout == f"removed pending/{young}\n"
    assert host.empty()


def test_the_daemon_purges_what_is_too_old(make_host):
    host = make_host(purge=True)
    host.tell("ptrace.exit", 2)
    old = host.place(when=time.time() - 100 * 86400)
    host.start()
    host.wait_line(f"pending/{old} purged")
    assert host.empty()


def test_metrics_follow_what_happens(make_host, tmp_path):
    path = tmp_path / "coresnap.prom"
    host = make_host(f"metrics.path = {path}\n")
    host.start()
    wait_until(path.exists, "metrics")
    assert "coresnap_sent_total 0\n" in path.read_text()
    host.place()
    wait_until(lambda: "coresnap_sent_total 1\n" in path.read_text(), "the count")
    assert 'coresnap_objects{stage="pending"} 0\n' in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o644


def test_the_template_is_a_valid_configuration_with_the_built_in_values(host, stage):
    template = stage / "opt/backtrace/etc/coresnap/coresnap.conf"
    text = template.read_text()
    assert text.rstrip().endswith("# purge.disabled = false")
    assert re.search(r"^format\.1 = blackhole$", text, re.M)
    # Every commented value is a value that is taken.
    uncommented = re.sub(r"^# ([a-z_]+(\.[a-z_]+)* =)", r"\1", text, flags=re.M)
    host.conf.write_text(uncommented)
    run = subprocess.run([host.bin / "coresnap", "-c", host.conf, "list"], capture_output=True,
                         text=True, timeout=20)
    assert "coresnap.conf:" not in run.stderr, run.stderr


def test_a_kernel_that_says_no_is_exit_77(host):
    if os.geteuid() != 0:
        pytest.skip("needs root for a mount namespace")
    script = ("mount --bind /proc/sys /proc/sys && mount -o remount,ro,bind /proc/sys && "
              f"exec {shlex.quote(str(host.bin / 'coresnap'))} enable")
    run = subprocess.run(["unshare", "-m", "sh", "-c", script], capture_output=True, text=True)
    assert run.returncode == 77
    assert run.stderr == (
        "coresnap: /proc/sys/kernel/core_pattern: Read-only file system; in a container run it on "
        "the host, or use 'ptrace PID' and 'coroner put'\n")


def with_own_kernel_files(host, tmp_path, script, run_options=""):
    """Runs a shell script as root where core_pattern, /run and /var/lib are the test's own files."""
    if os.geteuid() != 0:
        pytest.skip("needs root for a mount namespace")
    (tmp_path / "pattern").write_text("core.%p\n")
    (tmp_path / "limit").write_text("3\n")
    text = f"""set -e
mount -t tmpfs -o mode=755{run_options} none /run
mount -t tmpfs -o mode=755 none /var/lib
mount --bind {tmp_path}/pattern /proc/sys/kernel/core_pattern
mount --bind {tmp_path}/limit /proc/sys/kernel/core_pipe_limit
coresnap={shlex.quote(str(host.bin / "coresnap"))}
show() {{ cat /proc/sys/kernel/core_pattern; echo; cat /proc/sys/kernel/core_pipe_limit; echo; }}
{script}"""
    run = subprocess.run(["unshare", "-m", "bash", "-c", text], capture_output=True, text=True,
                         timeout=30, env=host.env)
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


COPY = r"/coresnap/[0-9a-f]{8}/a %P %I %s %d %t %u %g %F"


def test_enable_and_disable_keep_what_was_there(host, tmp_path):
    out = with_own_kernel_files(host, tmp_path, """
$coresnap enable; $coresnap enable; cat /run/coresnap/previous; show
ls -l /run/coresnap/*/a | cut -d' ' -f1,3,4
$coresnap disable; show; ls -A /run/coresnap""")
    assert re.fullmatch(rf"(core_pattern: \|/run{COPY}\n){{2}}core\.%p\n3\n\|/run{COPY}\n64\n"
                        r"-rwxr-xr-x root root\ncore_pattern: core\.%p\ncore\.%p\n3\n", out), out


def test_a_helper_that_only_root_can_change_is_run_where_it_is(make_host, tmp_path):
    out = with_own_kernel_files(make_host(), tmp_path, """
mkdir -p /run/own && cp -r ${coresnap%/bin/coresnap}/../../opt /run/own/
coresnap=/run/own/opt/backtrace/bin/coresnap
$coresnap enable; show; $coresnap disable""")
    assert ("|/run/own/opt/backtrace/sbin/coresnap-archive %P %I %s %d %t %u %g %F\n64\n") in out


def test_where_run_is_noexec_the_copy_goes_elsewhere(host, tmp_path):
    out = with_own_kernel_files(host, tmp_path, "$coresnap enable; show; $coresnap disable; show",
                                run_options=",noexec")
    assert re.fullmatch(rf"core_pattern: \|/var/lib{COPY}\n\|/var/lib{COPY}\n64\n"
                        r"core_pattern: core\.%p\ncore\.%p\n3\n", out), out


def test_disable_leaves_the_line_of_others_and_repairs_a_dead_one(host, tmp_path):
    out = with_own_kernel_files(host, tmp_path, """
$coresnap enable >/dev/null
echo '|/usr/share/apport/apport %p' >/proc/sys/kernel/core_pattern
$coresnap disable; show
echo '|/gone/sbin/coresnap-archive %P' >/proc/sys/kernel/core_pattern
$coresnap disable; show""")
    assert out == ("core_pattern is not ours and stays: |/usr/share/apport/apport %p\n"
                   "|/usr/share/apport/apport %p\n\n64\n"
                   "core_pattern: core.%p\ncore.%p\n3\n")


@pytest.mark.system
def test_enable_takes_core_pattern_and_disable_puts_it_back(host):
    with kernel.core_pattern("core.%p", pipe_limit=3):
        assert host.coresnap("enable").returncode == 0
        line = kernel.read(kernel.PATTERN)
        # The test's folder is open to others than root, so the helper was copied.
        assert re.fullmatch(r"\|/(run|var/lib)/coresnap/[0-9a-f]{8}/a %P %I %s %d %t %u %g %F", line)
        assert kernel.read(kernel.PIPE_LIMIT) == "64"
        assert host.coresnap("enable").returncode == 0
        assert open("/run/coresnap/previous").read() == "core.%p\n3\n"
        folder = line[1:].split("/a ")[0]
        assert os.readlink(f"{folder}/policy") == f"{host.root}/var/coresnap/policy"
        host.start()
        victim = subprocess.Popen(["sleep", "60"])
        time.sleep(0.2)
        victim.send_signal(signal.SIGABRT)
        victim.wait()
        host.wait_line("processed in")
        assert host.coresnap("disable").stdout == "core_pattern: core.%p\n"
        assert (kernel.read(kernel.PATTERN), kernel.read(kernel.PIPE_LIMIT)) == ("core.%p", "3")
        assert not os.path.exists(folder)
        assert "is not ours and stays" in host.coresnap("disable").stdout


@pytest.mark.system
def test_core_pattern_is_left_alone_when_told_so(make_host):
    host = make_host("core_pattern.manage = false\n")
    with kernel.core_pattern("core.%p"):
        assert host.coresnap("enable").returncode == 0
        assert kernel.read(kernel.PATTERN) == "core.%p"
        assert host.coresnap("disable").returncode == 0
        assert kernel.read(kernel.PATTERN) == "core.%p"


@pytest.mark.system
def test_the_archived_line_comes_before_what_the_daemon_says_of_it(host, own_dev):
    _, run = own_dev
    log = host.archive.parent / "log"
    with kernel.locked():
        try:
            assert host.coresnap("enable").returncode == 0
            run(host.sbin / "coresnapd", env=host.env, stderr=subprocess.DEVNULL)
            for count in range(1, 11):
                victim = subprocess.Popen(["sleep", "60"])
                time.sleep(0.02)
                victim.send_signal(signal.SIGABRT)
                victim.wait()
                wait_until(lambda: log.read_text().count("processed in") == count, "a crash's end")
        finally:
            host.coresnap("disable")
            stop_background(host)
    assert log.stat().st_mode & 0o777 == 0o640
    words = re.findall(r"\]: (?:Crash dump (archived)|Executing slave: \S+/(ptrace|coroner) "
                       r"|crash \S+ (processed))", log.read_text())
    assert ["".join(word) for word in words] == ["archived", "ptrace", "coroner",
                                                 "processed"] * 10
