"""format.1: every pattern, with real crashes, to a real server of several projects; attributes from
the daemon's environment, from defaults.command and from the process that died."""

import contextlib
import json
import os
import pathlib
import re
import resource
import shutil
import signal
import subprocess
import tempfile
import time

import pytest

from support import kernel
from support.crashers import Crashers
from support.groups import UNIFIED, cgroup
from support.host import Host
from support.world import World, wait_until

CONTAINER = "0123456789abcdef" * 4
RUNAWAY = "a" * 200 + "!"
BYTES = b"by\n\xff\xfe\t'\"bytes"

# In this order; the first that matches wins.
RULES = [
    ("runs-away", "%e /(a|aa)+$/"),
    ("runs-away", "%f /^(a+)+$/"),
    ("path", "%e /special\\/place\\//"),
    ("ends", "%e /with-this-ending$"),  # as the guide writes it: one slash
    ("file", "%f ^routed-[a-z]+$"),
    ("bytes", "%f /^by\\n\\xff\\xfe\\t'\"bytes$/"),
    ("user", "%u /^nobody$/"),
    ("signal", "%s /^SIG(ILL|SYS)$/"),
    ("container", f"%c /^{CONTAINER}$/"),
    ("elsewhere", "%h /^not-this-host$/"),
    ("here", f"%h /^{re.escape(os.uname().nodename)}$/"),
]


@pytest.fixture(scope="module")
def crasher(tmp_path_factory):
    return Crashers(tmp_path_factory.mktemp("crashers")).build("nullderef")


@pytest.fixture(scope="module")
def short():
    """A folder that every user can look into, with a path that fits into core_pattern."""
    root = pathlib.Path(tempfile.mkdtemp(prefix="r", dir="/tmp"))
    root.chmod(0o755)
    yield root
    shutil.rmtree(root, ignore_errors=True)


@contextlib.contextmanager
def world_of(stage, root, rules=None, env=None, settings=""):
    world = World(stage, root, "dump.quota = 1\n" + settings)
    world.env.update(env or {})
    world.start_server()
    world.set_up()
    conf = world.root / "usr/local/etc/coresnap/coresnap.conf"
    lines = "".join(f"format.1 = {project} {pattern}\n" for project, pattern in rules or [])
    conf.write_text(re.sub(r"^format\.1 = blackhole$", lambda _: lines + "format.1 = blackhole",
                           conf.read_text(), flags=re.M))
    for project in dict.fromkeys(project for project, _ in rules or []):
        world.add_project(project)
    world.start_daemon()
    wait_until(lambda: " started; " in world.log("coresnapd"), "coresnapd's start")
    try:
        yield world
    finally:
        world.close()


def die(argv, how=None, **keywords):
    child = subprocess.Popen(argv, preexec_fn=lambda: resource.setrlimit(
        resource.RLIMIT_CORE, (resource.RLIM_INFINITY,) * 2), **keywords)
    if how:
        time.sleep(0.05)
        child.send_signal(how)
    child.wait(20)


@pytest.mark.system
def test_each_pattern_sends_a_real_crash_to_its_project(stage, short, crasher):
    """Attack 9: a name with quotes, line ends and bytes that are no text is matched as bytes."""
    place = short / "special/place"
    place.mkdir(parents=True)
    names = [place / "x", short / "prog-with-this-ending", short / "routed-abc", short / RUNAWAY,
             pathlib.Path(os.fsdecode(os.fsencode(short) + b"/" + BYTES)), short / "plain"]
    for name in names:
        shutil.copy(crasher, name)
    with world_of(stage, short / "world", RULES) as world:
        with world.enabled(), cgroup(UNIFIED, f"docker-{CONTAINER}.scope") as inside:
            for name in names:
                die([name])
            die([short / "plain"], user="nobody", group="nogroup", extra_groups=[])
            die(["sleep", "20"], signal.SIGILL)
            die([*inside, short / "plain"])
        wait_until(lambda: world.log("coresnapd").count("processed in") == len(names) + 3,
                   "all objects", 60)
        found = {}
        for project, _ in [*RULES, ("blackhole", "")]:
            reply = json.loads(world.run("morgue", "list", project, "--select=application",
                                         "--select=container.id", "--json").stdout)
            found[project] = sorted(row["application"] for row in reply["*"])
            if project == "container":
                assert [row["container.id"] for row in reply["*"]] == [CONTAINER]
        # The program whose name makes expressions run away is taken by none of those.
        assert found == {
            "runs-away": [], "path": ["x"], "ends": ["prog-with-this-ending"],
            "file": ["routed-abc"], "bytes": [found["bytes"][0]], "user": ["plain"],
            "signal": ["sleep"], "container": ["plain"], "elsewhere": [],
            "here": sorted(["plain", RUNAWAY]), "blackhole": []}
        log = world.log("coresnapd")
        assert "the expression in line" in log and "takes too long and counts as not matching" in log


@pytest.fixture
def make_host(stage, tmp_path):
    hosts = []

    def make(command=None, settings="", env=None):
        host = Host(stage, tmp_path / f"host{len(hosts)}", settings, daemon_env=env)
        hosts.append(host)
        if command is not None:
            host.conf.write_text(host.conf.read_text().replace("defaults.command =",
                                                               f"defaults.command = {command}"))
        return host

    yield make
    for host in hosts:
        host.close()


def script(folder, text, mode=0o755):
    path = folder / "defaults"
    path.write_text(text)
    path.chmod(mode)
    return path


def given(host):
    """The pairs that ptrace was told, but for our own."""
    pairs = [word[5:].split(":", 1) for word in host.words() if word.startswith("--kv=")]
    return {key: value for key, value in pairs if not key.startswith("coresnap.")}


@pytest.mark.parametrize("text, told", [
    ("exit 1", "failed (exit 1)"),
    ("cat /bin/ls", "printed what is no text"),
    ("printf 'a=b\\0c=d\\n'", "printed what is no text"),
    ("head -c 1G /dev/zero", "printed more than 256 KiB"),
    ("while :; do echo a=b; done", "printed more than 256 KiB"),
])
def test_a_command_that_fails_costs_its_attributes_and_nothing_else(make_host, tmp_path, text, told):
    """Attack 8: what the command prints is bytes of anybody's choice."""
    host = make_host(script(tmp_path, f"#!/bin/sh\necho before=1\n{text}\n"))
    host.start()
    uuid = host.place()
    host.wait_empty()
    assert f"crash {uuid}: defaults.command {tmp_path}/defaults {told}" in host.log()
    assert host.objects() == [("blackhole", uuid)] and given(host) == {}


@pytest.mark.parametrize("mode, what", [(0o644, "Permission denied"), (None, "No such file")])
def test_a_command_that_cannot_be_run_is_named(make_host, tmp_path, mode, what):
    command = script(tmp_path, "#!/bin/sh\n", mode) if mode else tmp_path / "missing"
    host = make_host(command)
    host.start()
    uuid = host.place()
    host.wait_empty()
    assert host.objects() == [("blackhole", uuid)]
    assert re.search(rf"defaults\.command {command}: {what}.*; going on without it", host.log())


def test_what_is_no_pair_or_too_much_is_refused_by_name(make_host, tmp_path):
    pairs = "".join(f"echo k{i}=v{i}\n" for i in range(70))
    host = make_host(script(tmp_path, f"""#!/bin/sh
echo no pair; echo =value; echo 'two words=1'; printf 'bell\\007=1\\n'; printf '\\377=1\\n'
echo _hidden=1; echo fingerprint=1; echo verdict=1; echo uname.sysname=DOS; echo pod.uid=1
echo big=$(head -c 5000 /dev/zero | tr '\\0' x)
{pairs}"""))
    host.start()
    host.place()
    host.wait_empty()
    pairs = given(host)
    assert pairs == {f"k{i}": f"v{i}" for i in range(64)}
    line, = [line for line in host.lines() if "attributes refused" in line]
    for name in ("no pair", "two words", "bell", "xff", "_hidden", "fingerprint",
                 "big (defaults.command): larger than 4 KiB"):
        assert name in line, (name, line)


def test_later_sources_win_and_a_reload_takes_another_command(make_host, tmp_path):
    host = make_host(script(tmp_path, "#!/bin/sh\necho a=2\necho b=2\necho c=2\n"),
                     env={"BACKTRACE_DEFAULTS": "a=1\nb=1\nd=1"})
    host.start()
    host.place(env={"BACKTRACE_DEFAULTS": "b=3"})
    host.wait_empty()
    assert given(host) == {"a": "2", "b": "3", "c": "2", "d": "1"}
    (host.root / "ptrace.words").unlink()
    # The script is read anew for each crash, the configuration on SIGHUP.
    script(tmp_path, "#!/bin/sh\necho a=5\n")
    host.place()
    host.wait_empty()
    assert given(host) == {"a": "5", "b": "1", "d": "1"}
    (host.root / "ptrace.words").unlink()
    host.conf.write_text(host.conf.read_text().replace(f"defaults.command = {tmp_path}/defaults",
                                                       "defaults.command ="))
    host.daemon.send_signal(signal.SIGHUP)
    host.wait_line("configuration read from")
    host.place()
    host.wait_empty()
    assert given(host) == {"a": "1", "b": "1", "d": "1"}


@pytest.mark.system
def test_what_the_process_said_reaches_the_server_unless_it_was_privileged(stage, short, crasher):
    """Attack 2: the environment of a setuid program belongs to who started it."""
    plain, setuid = short / "said", short / "setuid"
    for path in (plain, setuid):
        shutil.copy(crasher, path)
    os.chown(setuid, 1, 1)
    setuid.chmod(0o4755)
    env = {"BACKTRACE_DEFAULTS": "version=7\ndc=moon\nhostname=evil"}
    with world_of(stage, short / "world2", env={"BACKTRACE_DEFAULTS": "dc=earth"}) as world:
        before = kernel.read("/proc/sys/fs/suid_dumpable")
        with world.enabled():
            try:
                kernel.write("/proc/sys/fs/suid_dumpable", "2")
                die([plain], env=env)
                die([setuid], env=env)
            finally:
                kernel.write("/proc/sys/fs/suid_dumpable", before)
        wait_until(lambda: world.log("coresnapd").count("processed in") == 2, "two objects", 60)
        rows = {row["application"]: row for row in
                world.select("application", "version", "dc", "hostname")}
        assert (rows["said"]["version"], rows["said"]["dc"]) == ("7", "moon")
        assert (rows["setuid"].get("version"), rows["setuid"]["dc"]) == (None, "earth")
        assert {row["hostname"] for row in rows.values()} == {os.uname().nodename}


def test_the_template_works_when_its_examples_are_taken(stage, tmp_path):
    """dist/defaults: as it is it says nothing; with the examples it says what they promise."""
    template = stage / "opt/backtrace/etc/coresnap/defaults"
    run = subprocess.run([template, "/bin/ls"], capture_output=True, text=True, timeout=10)
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")
    text = re.sub(r"^#\t", "\t", template.read_text(), flags=re.M)
    path = script(tmp_path, text)
    app = tmp_path / "srv/myserver/bin/myserver"
    app.parent.mkdir(parents=True)
    (app.parent.parent / "VERSION").write_text("1.2.3\n")

    def say(exe):
        run = subprocess.run([path, exe], capture_output=True, text=True, timeout=10)
        assert (run.returncode, run.stderr) == (0, ""), run
        return dict(line.split("=", 1) for line in run.stdout.splitlines())

    assert say(app)["version"] == "1.2.3"
    vim = say(os.path.realpath("/usr/bin/gdb"))
    assert vim["package"].startswith("gdb") and vim["version"]
    assert vim["os"] and "datacenter" in vim
    assert "version" not in say("/nowhere/at all 'x'")
