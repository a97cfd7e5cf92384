"""coresnap doctor: nothing to find on a healthy installation; then each thing broken, found and mended.

The real programs, a real coronerd, real commands: what the doctor says is pasted into a shell."""

import contextlib
import email.utils
import http.server
import json
import os
import re
import resource
import shutil
import socket
import ssl
import subprocess
import threading
import zlib

import pytest

from support import kernel, terminal
from support.clinic import ARGUMENTS, USER, Clinic
from support.world import wait_until

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root for a mount namespace")


@pytest.fixture(scope="module")
def clinic(stage):
    made = Clinic(stage)
    try:
        made.open()
        yield made
    finally:
        made.close()


def test_a_healthy_installation_has_nothing_to_mend(clinic):
    assert clinic.doctor() == []
    shown = clinic.inside(f"{clinic.bin}/coresnap doctor").stdout
    assert shown.endswith("\nall is well\n") and "\033" not in shown
    assert "takes submissions to 'blackhole' with its token" in shown
    assert clinic.select("coresnap.object") == [], "trying the token made an object"
    ill = clinic.inside(f"echo core >{kernel.PATTERN}; {clinic.bin}/coresnap doctor; "
                        f"{clinic.bin}/coresnap enable").stdout
    assert f" does not run coresnap: core\n         {clinic.bin}/coresnap enable\n" in ill
    assert "\n1 problem, 0 warnings; " in ill


# ---- each thing broken ----

@contextlib.contextmanager
def text_of(path, text):
    """The file says this meanwhile."""
    before = path.read_text()
    path.write_text(text)
    try:
        yield
    finally:
        path.write_text(before)


@contextlib.contextmanager
def mode_of(path, mode, owner=None):
    status = path.stat()
    path.chmod(mode)
    if owner is not None:
        os.chown(path, owner, owner)
    try:
        yield
    finally:
        path.chmod(status.st_mode & 0o7777)
        os.chown(path, status.st_uid, status.st_gid)


@contextlib.contextmanager
def away(path):
    aside = path.with_name(path.name + ".aside")
    path.rename(aside)
    try:
        yield
    finally:
        aside.replace(path)


@contextlib.contextmanager
def files_away(folder):
    """Two of a folder's files are gone for good."""
    for path in sorted(folder.iterdir())[:2]:
        path.unlink()
    yield


@contextlib.contextmanager
def full_spool(clinic):
    """Two kept cores where one is allowed; the daemon has not heard of that."""
    owner = clinic.spool.stat()
    paths = [clinic.spool / f"kept/0123456{i}-89ab-4cde-8f01-23456789abcd" for i in (1, 2)]
    for path in paths:
        path.write_bytes(b"core")
        os.chown(path, owner.st_uid, owner.st_gid)
    with conf("# spool.files = 2000", "spool.files = 1")(clinic):
        yield
    for path in paths:
        path.unlink()


@contextlib.contextmanager
def instead(path, text):
    """Another program in its place."""
    with away(path):
        path.write_text(text)
        path.chmod(0o755)
        yield


@contextlib.contextmanager
def sleeper(soft=resource.RLIM_INFINITY, hard=resource.RLIM_INFINITY):
    process = subprocess.Popen(["sleep", "60"], preexec_fn=lambda: resource.setrlimit(
        resource.RLIMIT_CORE, (soft, hard)))
    try:
        yield process.pid
    finally:
        process.kill()
        process.wait()


def pattern(text, limit="64\n"):
    def broken(clinic):
        stack = contextlib.ExitStack()
        stack.enter_context(text_of(clinic.machine / "pattern", text.format(
            helper=clinic.helper, arguments=ARGUMENTS) + "\n"))
        stack.enter_context(text_of(clinic.machine / "limit", limit))
        return stack
    return broken


def conf(old, new):
    return lambda clinic: text_of(clinic.conf, clinic.conf.read_text().replace(old, new, 1))


def coroner_cf(change):
    return lambda clinic: text_of(clinic.coroner_cf, change(clinic.coroner_cf.read_text()))


@contextlib.contextmanager
def project_without_token(clinic):
    rule = conf("format.1 = blackhole", "format.1 = other %e /never$/\nformat.1 = blackhole")
    with rule(clinic), coroner_cf(lambda text: text)(clinic):
        yield


@contextlib.contextmanager
def files_in(clinic, folder, **files):
    for name, text in files.items():
        (clinic.machine / folder / f"{name}.conf").write_text(text)
    try:
        yield
    finally:
        for name in ("sysctl.d", "usr-sysctl.d", "limits.d"):
            for path in (clinic.machine / name).iterdir():
                path.unlink()


COREDUMP = "kernel.core_pattern=|/usr/lib/systemd/systemd-coredump %P\nkernel.core_pipe_limit=16\n"

# name: how it is broken, the check that finds it, its level, what it says, whether its command,
# pasted, leaves nothing to find.
BROKEN = {
    "a file": (pattern("core"), "core-pattern", "problem", "writes a file", True),
    "apport": (pattern("|/usr/share/apport/apport -p%p"), "core-pattern", "problem",
               "that of apport: ", True),
    "abrt": (pattern("|/usr/libexec/abrt-hook-ccpp %s"), "core-pattern", "problem",
             "that of ABRT: ", True),
    "minicoredumper": (pattern("|/usr/sbin/minicoredumper %P"), "core-pattern", "problem",
                       "that of minicoredumper: ", True),
    "another program": (pattern("|/bin/true %P"), "core-pattern", "problem",
                        "another program, not coresnap", True),
    "a program that is gone": (pattern("|/no/such/handler"), "core-pattern", "problem",
                               "not there; every crash is lost", True),
    "a dead helper": (pattern("|/gone/sbin/coresnap-archive %P"), "core-pattern", "problem",
                      "not there; every crash is lost", True),
    "another collector's socket": (pattern("@/run/other.socket"), "core-pattern", "problem",
                                   "socket of another collector", True),
    "other arguments": (pattern("|{helper} %P %I"), "core-pattern", "problem", "other arguments", True),
    "no pipe limit": (pattern("|{helper} {arguments}", "0\n"), "core-pattern", "warning",
                      "does not wait for the helper", True),
    "a small pipe limit": (pattern("|{helper} {arguments}", "4\n"), "core-pattern", "warning",
                           "of more crashes at a time the rest is lost", True),
    "sysctl.d": (lambda clinic: files_in(clinic, "sysctl.d", zz="-kernel/core_pattern = core\n"),
                 "boot", "warning", "/etc/sysctl.d/zz.conf sets core_pattern to 'core'", True),
    "a package's sysctl.d": (lambda clinic: files_in(clinic, "usr-sysctl.d", dump=COREDUMP),
                             "boot", "warning", "/usr/lib/sysctl.d/dump.conf sets", True),
    "suid_dumpable 1": (lambda clinic: text_of(clinic.machine / "suid_dumpable", "1\n"), "privileges",
                        "warning", "fs.suid_dumpable is 1", True),
    "a wrong key": (conf("dump.quota", "dump.qouta"), "configuration", "problem",
                    r"coresnap.conf:\d+: .*dump.quota", False),
    "an old policy": (conf("dump.quota = 1", "dump.quota = 2"), "policy", "warning",
                      "made from another configuration", True),
    "no policy": (lambda clinic: away(clinic.root / "var/coresnap/policy"), "policy", "warning",
                  "goes by built-in settings", True),
    "a helper that cannot be run": (lambda clinic: mode_of(clinic.helper, 0o644), "helper", "problem",
                                    "Permission denied", True),
    "an old helper": (lambda clinic: instead(clinic.helper, "#!/bin/sh\necho coresnap-archive 0.0.1\n"),
                      "helper", "warning", "says 'coresnap-archive 0.0.1', but this is version", False),
    "an open stage": (lambda clinic: mode_of(clinic.spool / "sending", 0o755), "spool", "warning",
                      "can be looked into by others", True),
    "a stage of root's": (lambda clinic: mode_of(clinic.spool / "sending", 0o700, 0), "spool", "problem",
                          "sending", True),
    "a folder above open": (lambda clinic: mode_of(clinic.root / "var", 0o777), "spool", "problem",
                            "above the spool, can be changed by others", True),
    "a folder beside of root's": (lambda clinic: mode_of(clinic.root / "var/coresnap", 0o755, 0),
                                  "spool", "problem", "can put no lock and no log there", True),
    "a full disk": (conf("dump.quota = 1", "dump.quota = 100%"), "space", "problem",
                    "less than dump.quota asks for", False),
    "too much in the spool": (full_spool, "space", "warning", "in 2 objects; spool.bytes is ", False),
    "no reserve": (lambda clinic: files_away(clinic.spool / "reserve"), "space", "warning",
                   "has 14 of 16 pieces", True),
    "no ptrace": (lambda clinic: away(clinic.bin / "ptrace"), "programs", "problem",
                  "ptrace is not there", False),
    "a closed ptrace": (lambda clinic: mode_of(clinic.bin / "ptrace", 0o700), "programs", "problem",
                        f"cannot be run by {USER}: Permission denied", True),
    "another coroner": (lambda clinic: instead(clinic.bin / "coroner", "#!/bin/sh\necho coroner 9\n"),
                        "programs", "warning", "says 'coroner 9'", False),
    "no coroner.cf": (lambda clinic: away(clinic.coroner_cf), "coroner.cf", "problem",
                      "nothing can be sent", False),
    "an open coroner.cf": (lambda clinic: mode_of(clinic.coroner_cf, 0o644), "coroner.cf", "warning",
                           "can be read by everybody", True),
    "a coroner.cf of root's": (lambda clinic: mode_of(clinic.coroner_cf, 0o600, 0), "coroner.cf",
                               "problem", f"cannot be read by {USER}", True),
    "a wrong coroner.cf": (coroner_cf(lambda text: text + "[nonsense]\na = b\n"), "coroner.cf",
                           "problem", r"coroner.cf:\d+: ", False),
    "no server in coroner.cf": (coroner_cf(lambda text: re.sub("(?m)^write.*\n", "", text)),
                                "coroner.cf", "problem", "'write' is missing", False),
    "a project without token": (project_without_token, "tokens", "problem", "no token named 'other'",
                                True),
    "a token that is refused": (coroner_cf(lambda text: re.sub("(?m)^blackhole = .*",
                                                               "blackhole = " + "ab" * 32, text)),
                                "server", "problem", "refuses the token of 'blackhole'", True),
    "a server with no address": (coroner_cf(lambda text: text.replace("127.0.0.1", "no.such.invalid")),
                                 "server", "problem", "no.such.invalid has no address: ", False),
    "a closed port": (coroner_cf(lambda text: re.sub("127.0.0.1:\\d+", "127.0.0.1:9", text)),
                      "server", "problem", "127.0.0.1:9: ", False),
    "a read port that is closed": (coroner_cf(lambda text: re.sub(
        "(?m)^write", "read = 127.0.0.1:9\nwrite", text)), "ports", "warning", "port 9, for reading", False),
    "no system log": (lambda clinic: away(clinic.machine / "dev/log"), "log", "warning",
                      "no system log", False),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_broken_is_found_and_its_command_mends_it(clinic, name):
    how, check, level, text, mends = BROKEN[name]
    with how(clinic):
        found = clinic.doctor()
        mine = [row for row in found if row["check"] == check]
        assert len(mine) == 1 and mine[0]["level"] == level, found
        assert re.search(text, mine[0]["text"]), mine
        assert mine[0]["mend"], mine
        # A helper that is gone makes the line in core_pattern that of nobody, and so on.
        assert name in ("a helper that cannot be run", "a full disk", "a wrong key",
                        "too much in the spool") or found == mine
        if mends:
            rest = clinic.doctor(mend="".join(f"{row['mend']}\n" for row in found))
            assert rest == [], mine
        assert all(line in mine[0]["mend"] for line in clinic.asked())
    if check == "policy":
        clinic.inside(f"{clinic.bin}/coresnap enable", check=True)


# ---- socket mode ----

def listener_line(clinic):
    return f"@@/run/coresnap/crash-{zlib.crc32(str(clinic.helper).encode()):08x}/socket"


def test_a_listener_that_is_gone_is_told_and_the_pipe_comes_back(clinic):
    with pattern(listener_line(clinic))(clinic):
        row, = clinic.doctor()
        assert row["check"] == "core-pattern" and "every crash is lost: nobody listens" in row["text"]
        assert clinic.doctor(mend=row["mend"]) == []
        assert (clinic.machine / "pattern").read_text().startswith(f"|{clinic.helper} ")


def test_a_listener_that_is_gone_is_started_where_it_is_wanted(clinic):
    with conf("# capture.mode = pipe", "capture.mode = socket")(clinic), \
            pattern("|{helper} {arguments}")(clinic):
        found = clinic.doctor()
        row, = found
        assert (row["check"], row["level"]) == ("core-pattern", "warning")
        assert "capture.mode is socket, but core_pattern is the pipe" in row["text"]
        clinic.put("pattern", listener_line(clinic) + "\n")
        row, = clinic.doctor()
        run = clinic.inside(f"{row['mend']}\n{clinic.bin}/coresnap doctor\n"
                            "kill $(cat /run/coresnap/crash-*/pid)")
        assert run.stdout.endswith("all is well\n"), run.stdout + run.stderr
        assert "the listener answers, but nobody starts it again" in run.stdout


# ---- watch mode ----

def test_a_core_file_in_a_watched_folder_is_well_but_for_its_limit(clinic):
    cores = clinic.folder / "cores"
    with conf("# watch.path = /var/cores", f"watch.path = {cores}")(clinic), \
            pattern(f"{cores}/core.%p")(clinic), sleeper() as pid, sleeper(soft=0) as quiet:
        row, = clinic.doctor(f"--pid={pid}")
        assert row["check"] == "watch" and row["text"].endswith("No such file or directory")
        assert clinic.doctor(f"--pid={pid}", mend=row["mend"]) == []
        cores.chmod(0o777)
        row, = clinic.doctor(f"--pid={pid}")
        assert row["check"] == "watch" and "none is taken" in row["text"]
        assert clinic.doctor(f"--pid={pid}", mend=row["mend"]) == []
        row, = clinic.doctor(f"--pid={quiet}")
        assert row["check"] == "limits" and "core_pattern is a file: none is written" in row["text"]
        assert clinic.doctor(f"--pid={quiet}", mend=row["mend"]) == []


# ---- what is asked about ----

def may_raise_limits():
    """CAP_SYS_RESOURCE, which root has not everywhere."""
    with open("/proc/self/status") as file:
        return int(re.search(r"CapEff:\s*(\S+)", file.read())[1], 16) >> 24 & 1


@pytest.mark.parametrize("soft, hard, level, text", [
    (0, resource.RLIM_INFINITY, None, "core file size limit 0, hard unlimited"),
    (0, 0, "warning", "only registers"),
    (1, resource.RLIM_INFINITY, "problem", "dumps no such process at all"),
])
def test_the_limit_of_a_process_is_told_and_raised(clinic, soft, hard, level, text):
    with sleeper(soft, hard) as pid:
        shown = clinic.inside(f"{clinic.bin}/coresnap doctor --pid {pid}").stdout
        assert f"process {pid} (sleep): " in shown and text in shown
        found = clinic.doctor("--pid", str(pid))
        assert [row["level"] for row in found] == ([level] if level else [])
        for row in found:
            if hard or may_raise_limits():
                assert clinic.doctor("--pid", str(pid), mend=row["mend"]) == []


def test_a_process_that_leaves_its_memory_out_is_told(clinic):
    with sleeper() as pid:
        with open(f"/proc/{pid}/coredump_filter", "w") as file:
            file.write("0")
        row, = clinic.doctor("--pid", str(pid))
        assert (row["check"], row["level"]) == ("privileges", "warning") and "coredump_filter" in row["text"]
        assert clinic.doctor("--pid", str(pid), mend=row["mend"]) == []


@pytest.mark.parametrize("how, dumpable", [
    ("os.setresuid(1, 1, 1)", False),  # a server that began as root
    ("os.setresuid(1, 1, 1); ctypes.CDLL(None).prctl(4, 0)", False),
    ("os.setresuid(1, 1, 1); ctypes.CDLL(None).prctl(4, 1)", True),
])
def test_a_process_that_is_not_dumpable_is_told(clinic, how, dumpable):
    script = f"import ctypes, os, time; {how}; print(flush=True); time.sleep(60)"
    process = subprocess.Popen(["python3", "-c", script], stdout=subprocess.PIPE)
    try:
        process.stdout.readline()
        found = clinic.doctor("--pid", str(process.pid))
        assert len(found) == (0 if dumpable else 1)
        for row in found:
            assert row["check"] == "privileges" and "is not dumpable" in row["text"]
            with text_of(clinic.machine / "suid_dumpable", "0\n"):
                assert clinic.doctor("--pid", str(process.pid), mend=row["mend"]) == []
    finally:
        process.kill()
        process.wait()


def test_the_limit_of_a_user_is_told_and_raised(clinic):
    with text_of(clinic.machine / "limits.conf", f"@{USER} hard core 0\n* hard core 0\n"), \
            files_in(clinic, "limits.d"):
        row, = clinic.doctor("--user", USER)
        assert row["check"] == "limits" and f"logins of {USER}: the hard core" in row["text"]
        assert f"'@{USER} hard core' in limits.conf" in row["text"]
        assert clinic.doctor("--user", "root") == []
        assert clinic.doctor("--user", USER, mend=row["mend"]) == []


def test_names_of_strangers_are_escaped(clinic):
    script = ("open('/proc/self/comm', 'w').write('\\033[31mx\\ny'); print(flush=True); "
              "import time; time.sleep(60)")
    process = subprocess.Popen(["python3", "-c", script], stdout=subprocess.PIPE)
    try:
        process.stdout.readline()
        shown = clinic.inside(f"{clinic.bin}/coresnap doctor --pid {process.pid}").stdout
        assert "\033" not in shown and f"process {process.pid} (\\x1b[31mx" in shown
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("arguments, message", [
    (["--pid=999999999"], "no such process"), (["--pid=99999999999"], "no process has so high a number"),
    (["--user=nobody-at-all"], "no such user"), (["--pid=x"], "is not a number"),
])
def test_who_is_not_there_cannot_be_looked_at(clinic, arguments, message):
    run = clinic.run("coresnap", "doctor", *arguments, check=False)
    assert run.returncode == 64 and message in run.stderr and not run.stdout


def test_a_read_only_proc_is_told_with_what_to_do(clinic):
    row, = clinic.doctor(before="mount -o remount,bind,ro /proc/sys/kernel/core_pattern")
    assert (row["check"], row["level"]) == ("container", "problem")
    assert "install coresnap on the host" in row["mend"]


def test_a_container_is_told(clinic):
    run = clinic.inside(f"unshare -pf --mount-proc {clinic.bin}/coresnap doctor --json")
    rows = [row for row in json.loads(run.stdout) if row["level"] != "ok"]
    assert "container" in [row["check"] for row in rows]


def test_who_is_not_root_is_told_so(clinic):
    run = clinic.inside(f"runuser -u {USER} -- {clinic.bin}/coresnap doctor --json")
    found = [row for row in json.loads(run.stdout) if row["level"] != "ok"]
    assert [row["check"] for row in found] == ["rights"], found
    assert found[0]["mend"] == f"sudo {clinic.bin}/coresnap doctor"


# ---- the daemon ----

def test_a_daemon_that_does_not_run_is_started(clinic):
    clinic.kill_daemon()
    row, = clinic.doctor()
    assert (row["check"], row["level"]) == ("daemon", "problem") and "does not run" in row["text"]
    assert clinic.doctor(mend=row["mend"]) == []
    pid = json.loads(clinic.run("coresnap", "status", "--json").stdout)["pid"]
    os.kill(pid, 15)
    wait_until(lambda: not clinic.daemon_runs(), "the daemon's end")
    clinic.start_daemon()
    wait_until(clinic.daemon_runs, "the daemon")


def test_what_fails_is_told_with_the_command_to_run_by_hand(clinic):
    uuid = "01234567-89ab-4cde-8f01-23456789abcd"
    owner = clinic.spool.stat()
    part = clinic.spool / f"pending/.{uuid}"
    part.write_bytes(b"no core")
    os.chown(part, owner.st_uid, owner.st_gid)
    part.rename(clinic.spool / f"pending/{uuid}")
    try:
        row, = wait_until(lambda: [row for row in clinic.doctor() if row["check"] == "failing"],
                          "the failure")
        assert f"pending/{uuid}" in row["text"] and "ptrace exit 2" in row["text"]
        assert row["mend"].startswith(f"runuser -u {USER} -- {clinic.bin}/ptrace --faulted ")
        by_hand = clinic.inside(row["mend"])
        assert by_hand.returncode == 2 and "ptrace: " in by_hand.stderr
    finally:
        wait_until(lambda: clinic.run("coresnap", "purge", f"pending/{uuid}", check=False).returncode == 0,
                   "the purge")
    assert clinic.doctor() == []


def test_crashes_that_wait_in_memory_are_told(clinic):
    folder = f"/run/coresnap/pending-{zlib.crc32(str(clinic.spool).encode()):08x}"
    row, = clinic.doctor(before=f"mkdir -p -m 0755 /run/coresnap; mkdir -m 0700 {folder}; "
                         f"head -c 3000 /dev/urandom >{folder}/01234567-89ab-4cde-8f01-23456789abcd")
    assert (row["check"], row["level"]) == ("space", "warning")
    assert f"of crashes wait in {folder}" in row["text"] and row["mend"] == f"{clinic.bin}/coresnap enable"


# ---- the server ----

@contextlib.contextmanager
def answering(clinic, reply):
    """A server that says this to everything, on a port of its own; NOW is the time then."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        def serve():
            with contextlib.suppress(OSError):
                while True:
                    peer, _ = listener.accept()
                    with peer:
                        peer.recv(65536)
                        peer.sendall(reply.replace(b"NOW", email.utils.formatdate(usegmt=True)
                                                   .encode()))
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        port = listener.getsockname()[1]
        with coroner_cf(lambda text: re.sub(r"127.0.0.1:\d+", f"127.0.0.1:{port}", text))(clinic):
            yield
        listener.shutdown(socket.SHUT_RDWR)


REFUSED = b'{"error":{"code":1,"message":"empty"}}'


def http_reply(status, body=REFUSED, when=None):
    kind = "text/html" if body.startswith(b"<") else "application/json"
    return (f"HTTP/1.1 {status}\r\nDate: {when or 'NOW'}\r\n"
            f"Content-Type: {kind}\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n").encode() + body


def test_clocks_that_are_apart_are_told(clinic):
    with answering(clinic, http_reply(400, when="Mon, 23 Jan 2017 17:25:12 GMT")):
        row, = clinic.doctor()
    assert row["check"] == "server" and re.search(r"the clock here is \d{9} s ahead", row["text"])


@pytest.mark.parametrize("reply, text", [
    (b"garbage\r\n\r\n", "crashes cannot be sent: "),
    (http_reply(500), "with status 500: empty"),
    (http_reply(404), "does not know project"),
    (http_reply(302, b"<html>log in to the network</html>"), "with status 302"),
    (http_reply(200, b"<html>log in to the network</html>"), "with status 200"),
    (http_reply(400, b"<html>proxy error</html>"), "with status 400"),
])
def test_a_server_that_is_none_of_ours_is_told(clinic, reply, text):
    with answering(clinic, reply):
        found = clinic.doctor()
    row, = found
    assert (row["check"], row["level"]) == ("server", "problem") and text in row["text"], row


def test_a_certificate_that_nobody_vouches_for_is_told_and_the_mend_takes_an_authority(clinic, tmp_path):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout",
                    tmp_path / "key", "-out", tmp_path / "ca.pem", "-days", "2", "-subj",
                    "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"], check=True,
                   capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "ca.pem", tmp_path / "key")

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            self.send_response(400)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(REFUSED)))
            self.end_headers()
            self.wfile.write(REFUSED)

        def log_message(self, *_):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        port = server.server_address[1]
        with coroner_cf(lambda text: re.sub(r"http://127.0.0.1:\d+", f"https://127.0.0.1:{port}",
                                            text))(clinic):
            row, = clinic.doctor()
            assert row["check"] == "server" and "certificate" in row["text"], row
            mend = row["mend"].replace("/etc/ssl/certs/YOUR-CA.pem", str(tmp_path / "ca.pem"))
            assert clinic.doctor(mend=mend) == []
        server.shutdown()


@pytest.fixture(scope="module")
def usual_ports(clinic, tmp_path_factory):
    """Makes the doctor see a server of its own on 127.0.0.1, on the ports it is told."""
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout",
                    folder / "key.pem", "-out", folder / "ca.pem", "-days", "2", "-subj",
                    "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"],
                   check=True, capture_output=True)
    ssl_options = {"ssl": {"certificate": str(folder / "ca.pem"), "key": str(folder / "key.pem")}}

    def run(*ports):
        (folder / "conf").write_text(json.dumps({"listener": {"write": {"https_bind": [
            {"address": "127.0.0.1", "port": port, **ssl_options} for port in ports]}}}))
        server = (f"{clinic.sbin}/coronerd -f -c {folder}/conf --data {folder}/data "
                  f">{folder}/log 2>&1 & until [ $(grep -c ^listening {folder}/log) = {len(ports)} ]; "
                  "do sleep 0.02; done")
        change = coroner_cf(lambda text: re.sub(
            "(?m)^write.*", f"write = https://localhost:6098\ncurl.ca_file = {folder}/ca.pem", text))
        with change(clinic):
            run = clinic.inside(
                f"unshare -n bash -c 'ip link set lo up; {server}; {clinic.bin}/coresnap doctor --json; "
                "kill %1; wait'")
        return [row for row in json.loads(run.stdout) if row["check"] == "ports"]

    return run


def test_beside_6098_the_other_usual_ports_are_looked_at(usual_ports):
    rows = usual_ports(6098, 443, 4097, 9040)
    assert [row["level"] for row in rows] == ["ok"] * 3, rows
    assert [row["text"].split(" of ")[0] for row in rows] == ["port 443", "port 4097", "port 9040"]


def test_usual_ports_that_are_closed_are_told(usual_ports):
    rows = usual_ports(6098, 443)
    assert [row["level"] for row in rows] == ["ok", "warning", "warning"], rows
    assert "localhost:4097" in rows[1]["text"] and "port 4097" in rows[1]["mend"]


def test_on_a_terminal_there_are_colours_and_what_is_waited_for(clinic):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        change = coroner_cf(lambda text: re.sub(r"127.0.0.1:\d+",
                                                f"127.0.0.1:{silent.getsockname()[1]}", text))
        with change(clinic), terminal.in_terminal([f"{clinic.bin}/coresnap", "doctor"],
                                                  until=b"coresnap: asking http://127.0.0.1:"):
            pass
        with terminal.in_terminal([f"{clinic.bin}/coresnap", "doctor"], until=b"\033[32mok"):
            pass


def test_the_proxy_that_counts_is_the_daemons(clinic):
    def server_rows(environment):
        run = clinic.inside(f"{environment} {clinic.bin}/coresnap doctor --json")
        return [row for row in json.loads(run.stdout) if row["check"] == "server"]

    assert [row["level"] for row in server_rows("http_proxy=http://127.0.0.1:9")] == ["ok", "ok"]
    clinic.kill_daemon()
    clinic.env["http_proxy"] = "http://me:secret@127.0.0.1:9"
    try:
        clinic.start_daemon()
        wait_until(clinic.daemon_runs, "the daemon")
        rows = server_rows("http_proxy=")
        assert [row["level"] for row in rows] == ["ok", "problem"], rows
        assert rows[0]["text"] == "the daemon's environment: http_proxy is 127.0.0.1:9"
    finally:
        del clinic.env["http_proxy"]
        clinic.kill_daemon()
        clinic.start_daemon()
        wait_until(clinic.daemon_runs, "the daemon")


# ---- what takes core_pattern at boot, and limits of services ----

def test_a_collector_that_is_started_at_boot_is_told(clinic):
    folder = "/etc/systemd/system/multi-user.target.wants"
    row, = clinic.doctor(before=f"mount -t tmpfs none /etc/systemd; mkdir -p {folder}; "
                         f"touch {folder}/apport.service")
    assert (row["check"], row["level"]) == ("boot", "warning") and "apport is started" in row["text"]
    assert row["mend"].startswith("systemctl disable --now apport.service; ")


def test_the_limit_of_services_is_told_and_raised(clinic):
    before = ("mount -t tmpfs none /etc/systemd; "
              "printf '[Manager]\\nDefaultLimitCORE=0\\n' >/etc/systemd/system.conf")
    row, = clinic.doctor(before=before)
    assert row["check"] == "limits" and row["text"].startswith("services: the hard core")
    assert row["mend"].endswith(" && systemctl daemon-reexec")
    assert clinic.doctor(before=before, mend=row["mend"]) == []


def test_commands_for_a_fresh_machine_leave_it_whole_but_for_the_tokens(stage):
    """Neither configuration nor spool: what is printed is pasted, line by line."""
    fresh = Clinic(stage)
    try:
        shutil.rmtree(fresh.spool.parent)
        fresh.put("pattern", "core\n")
        fresh.put("limit", "0\n")
        found = fresh.doctor()
        assert {row["check"] for row in found} == {"core-pattern", "spool", "coroner.cf"}, found
        mends = "\n".join(row["mend"] for row in found if row["check"] != "coroner.cf")
        found = fresh.doctor(mend=mends)
        assert {row["check"] for row in found} == {"daemon", "coroner.cf"}, found
        (fresh.spool.parent / "log").write_text("x: crash of process 1 is lost: no space\n")
        (row,) = [row for row in fresh.doctor() if row["check"] == "log"]
        assert row["text"].endswith("crash of process 1 is lost: no space")
        shutil.rmtree(fresh.spool)
        fresh.spool.symlink_to("/tmp")
        (row,) = [row for row in fresh.doctor() if row["check"] == "spool"]
        assert row["level"] == "problem"
        assert "spool" not in {row["check"] for row in fresh.doctor(mend=row["mend"])}
    finally:
        fresh.close()


# ---- the canary ----

@contextlib.contextmanager
def enabled(clinic):
    """The kernel sends crashes here, and none of the last minute counts."""
    (clinic.root / "var/coresnap/canary").unlink(missing_ok=True)
    with kernel.locked():
        try:
            clinic.run("coresnap", "enable")
            yield
        finally:
            clinic.run("coresnap", "disable")


def canary(clinic):
    run = clinic.run("coresnap", "doctor", "--crash", "--json", check=False)
    return [row for row in json.loads(run.stdout) if row["check"] == "canary"][0]


@pytest.mark.system
def test_the_canary_is_followed_to_the_server(clinic):
    with enabled(clinic):
        row, again = canary(clinic), canary(clinic)
    assert row["level"] == "ok", row
    print(row["text"])
    (found,) = clinic.select("coresnap.object", "application")
    assert found["coresnap.object"] in row["text"] and found["application"] == "coresnap"
    assert again["level"] == "warning" and "less than a minute ago" in again["text"]
    asked = clinic.inside(row["text"].split("to see it: ")[1])
    assert asked.returncode == 0 and "Occurrences: 1" in asked.stdout, asked.stdout + asked.stderr


@pytest.mark.system
def test_a_canary_that_the_kernel_does_not_dump_is_told(clinic):
    with enabled(clinic), instead(clinic.helper, "#!/no/such/interpreter\n"):
        row = canary(clinic)
    assert row["level"] == "problem" and "the kernel dumped nothing" in row["text"]


@pytest.mark.system
def test_a_canary_that_waits_for_the_daemon_is_told(clinic):
    clinic.kill_daemon()
    try:
        with enabled(clinic):
            row = canary(clinic)
        assert re.search(r"was archived after \d+ ms and waits: coresnapd does not run", row["text"])
    finally:
        clinic.start_daemon()
    clinic.wait_spool_empty()


@pytest.mark.system
@pytest.mark.parametrize("program, text", [
    ("ptrace", r"was archived after \d+ ms, and is stuck in pending/: ptrace does not"),
    ("coroner", r"was analysed after \d+ ms, and is stuck in sending/: coroner does not"),
])
def test_a_canary_that_is_stuck_is_told_with_its_step(clinic, program, text):
    with instead(clinic.bin / program, "#!/bin/sh\necho told to fail >&2; exit 75\n"):
        with enabled(clinic):
            row = canary(clinic)
        assert row["level"] == "problem" and re.search(text, row["text"]), row
        shown = clinic.inside(row["mend"]).stdout
        assert "told to fail" in shown
    clinic.run("coresnap", "retry", "all")
    clinic.wait_spool_empty()


# ---- completion ----

def complete(stage, *words):
    """What bash offers for the last word."""
    path = stage / "usr/share/bash-completion/completions" / words[0]
    programs = stage / "opt/backtrace"
    script = (f'. "{path}"; PATH={programs}/bin:{programs}/sbin:$PATH; COMP_WORDS=("$@"); '
              f'COMP_CWORD=$(($# - 1)); _{words[0]}; echo "${{COMPREPLY[@]}}"')
    run = subprocess.run(["bash", "--norc", "-c", script, "bash", *words], capture_output=True,
                         text=True, check=True)
    assert not run.stderr
    return run.stdout.split()


def test_bash_completes_commands_and_their_options(stage):
    assert complete(stage, "coresnap", "d") == ["doctor", "disable"]
    assert set(complete(stage, "coresnap", "doctor", "--")) >= {"--pid", "--user", "--crash", "--json"}
    assert complete(stage, "coresnap", "-c", "file", "enable", "--ch") == ["--check"]
    assert complete(stage, "coresnap", "list", "--cr") == []
    assert complete(stage, "morgue", "tok") == ["token"]


@pytest.mark.parametrize("name, option", [("coresnapd", "--foreground"), ("coresnap-archive", "--root")])
def test_bash_completes_the_daemons_options(stage, name, option):
    path = stage / "usr/share/bash-completion/completions" / name
    run = subprocess.run(["bash", "--norc", "-c", f'. "{path}"; complete -p {name}'],
                         capture_output=True, text=True, check=True)
    assert option in run.stdout and run.stdout.rstrip().endswith(name)
