"""Debug files from debuginfod servers: a real one on 127.0.0.1, and ones that are silent or lie."""

import contextlib
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request

import pytest

from support import crashers, refuser

FRAME = "deref.c:3"
SOURCE = """
__attribute__((noinline)) int deref(int *p)
{ return *p; }
int main(void) { return deref(0) + 1; }
"""


@pytest.fixture(scope="session")
def bt(program):
    return program("bt")


@pytest.fixture(scope="module")
def victim(tmp_path_factory):
    """A stripped program, its core, and a folder with what was stripped."""
    if not pathlib.Path("/usr/lib/x86_64-linux-gnu/libdebuginfod.so.1").exists():
        pytest.skip("libdebuginfod1 is not installed")
    folder = tmp_path_factory.mktemp("victim")
    (folder / "deref.c").write_text(SOURCE)
    served = folder / "served"
    served.mkdir()
    program = folder / "victim"
    subprocess.run(["gcc", "-g", "-O1", "-Wl,--build-id", "-o", program, folder / "deref.c"], check=True)
    shutil.copy(program, served / "victim")
    subprocess.run(["objcopy", "--only-keep-debug", program, served / "victim.debug"], check=True)
    subprocess.run(["strip", served / "victim"], check=True)
    subprocess.run(["strip", program], check=True)
    crashers.RECIPES["victim"] = ("gcc", "nullderef.c", [])
    core, _ = crashers.Crashers(folder).core("victim")
    return program, core, served


def build_id(path):
    text = subprocess.run(["readelf", "-n", path], capture_output=True, text=True).stdout
    return text.partition("Build ID: ")[2].split()[0]


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("DEBUGINFOD_CACHE_PATH", str(tmp_path / "cache"))
    monkeypatch.setenv("CORESNAP_CACHE", str(tmp_path / "answers"))
    monkeypatch.delenv("DEBUGINFOD_URLS", raising=False)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def server(victim, tmp_path_factory):
    if not shutil.which("debuginfod"):
        pytest.skip("debuginfod is not installed")
    port = free_port()
    log = open(tmp_path_factory.mktemp("debuginfod") / "log", "w")
    env = {key: value for key, value in os.environ.items() if key != "DEBUGINFOD_URLS"}
    process = subprocess.Popen(["debuginfod", "-p", str(port), "-d", ":memory:", "-F", victim[2]],
                               stdout=log, stderr=log, env=env)
    url = f"http://127.0.0.1:{port}"
    end = time.monotonic() + 60
    try:
        while True:
            try:
                urllib.request.urlopen(f"{url}/buildid/{build_id(victim[0])}/debuginfo").close()
                break
            except (urllib.error.URLError, ConnectionError):
                assert time.monotonic() < end and process.poll() is None, "debuginfod does not serve"
                time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait()


@contextlib.contextmanager
def silent():
    """A server that takes connections and says nothing; counts them."""
    seen = []
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(16)
        listener.settimeout(0.05)
        stop = threading.Event()

        def accept():
            while not stop.is_set():
                with contextlib.suppress(TimeoutError):
                    seen.append(listener.accept()[0])

        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}", seen
        finally:
            stop.set()
            thread.join()
            for connection in seen:
                connection.close()


def run(*arguments):
    return subprocess.run([str(word) for word in arguments], capture_output=True, text=True, timeout=60)


def test_lines_come_from_a_server_only_when_asked(victim, server, bt, monkeypatch):
    program, core, _ = victim
    monkeypatch.setenv("DEBUGINFOD_URLS", server)
    bare = run(bt, "--core", core, program)
    assert bare.returncode == 0 and FRAME not in bare.stdout
    for option in ("--debuginfod", f"--debuginfod={server}"):
        result = run(bt, option, "--core", core, program)
        assert result.returncode == 0 and FRAME in result.stdout, result.stdout + result.stderr
        assert result.stderr == ""


def test_ptrace_takes_the_option_from_its_configuration(victim, server, bt, program, tmp_path):
    config = tmp_path / "ptrace.conf"
    config.write_text(f"debuginfod={server}\ndebuginfod-timeout=20s\n")
    result = run(program("ptrace"), "--config", config, "-o", tmp_path / "out.btt", "--core", victim[1],
                 victim[0])
    assert result.returncode == 0, result.stderr
    assert result.stdout == f"{tmp_path}/out.btt\n"
    assert FRAME in run(bt, tmp_path / "out.btt").stdout


def test_a_program_that_is_gone_is_fetched_too(victim, server, bt):
    program, core, _ = victim
    program.rename(f"{program}.away")
    try:
        assert "deref" not in run(bt, "--core", core).stdout
        result = run(bt, f"--debuginfod={server}", "--core", core)
        assert FRAME in result.stdout and result.returncode == 0, result.stdout + result.stderr
    finally:
        pathlib.Path(f"{program}.away").rename(program)


def test_a_silent_server_costs_no_more_than_the_timeout(victim, bt):
    program, core, _ = victim
    with silent() as (url, seen):
        begin = time.monotonic()
        result = run(bt, f"--debuginfod={url}", "--debuginfod-timeout=2", "--core", core, program)
        took = time.monotonic() - begin
    assert seen and 1.9 < took < 4, took
    assert f"debuginfod: {url}: timed out after 2 s; frames of " in result.stdout
    assert "stay without lines" in result.stdout and result.returncode == 0


def test_nobody_is_asked_without_the_option(victim, bt, monkeypatch):
    program, core, _ = victim
    with silent() as (url, seen):
        monkeypatch.setenv("DEBUGINFOD_URLS", url)
        assert run(bt, "--core", core, program).returncode == 0
        time.sleep(0.1)
        assert not seen


@pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed")
def test_without_the_option_there_is_no_network_and_only_the_confined_process(victim, bt):
    program, core, _ = victim
    calls = run("strace", "-f", "-e", "trace=socket,connect,socketpair,clone,fork,vfork,clone3", bt,
                "--core", core, program).stderr
    assert "socket(" not in calls and "connect(" not in calls, calls
    assert calls.count("clone") + calls.count("fork") == calls.count("socketpair(AF_UNIX") == 1, calls


def test_a_wrong_file_is_not_believed(victim, bt, tmp_path):
    program, core, _ = victim
    (tmp_path / "deref.c").write_text(SOURCE + "int more;\n")
    subprocess.run(["gcc", "-g", "-O1", "-o", tmp_path / "other", tmp_path / "deref.c"], check=True)
    with refuser.refuser((200, {}, (tmp_path / "other").read_bytes())) as server:
        result = run(bt, f"--debuginfod={server.url}", "--core", core, program)
        assert server.seen
    assert FRAME not in result.stdout and "has another build-id" in result.stdout


def test_a_server_that_is_not_there_is_told_once(victim, bt):
    program, core, _ = victim
    url = f"http://127.0.0.1:{free_port()}"
    result = run(bt, f"--debuginfod={url}", "--core", core, program)
    assert result.stdout.count("debuginfod: ") == 1 and url in result.stdout, result.stdout
    assert result.returncode == 0


def test_options_that_cannot_be_are_refused(victim, bt):
    program, core, _ = victim
    result = run(bt, "--debuginfod", "--core", core, program)
    assert result.returncode == 64 and "DEBUGINFOD_URLS" in result.stderr
    result = run(bt, "--debuginfod=http://x", "--debuginfod-timeout=0", "--core", core, program)
    assert result.returncode == 64 and "timeout" in result.stderr


def runs(pid):
    """A process whose parent is dead may stay a little, as a zombie."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def test_the_program_ends_as_its_analysis_does(victim, bt):
    program, core, _ = victim
    missing = run(bt, "--debuginfod=http://127.0.0.1:1", "--core", "/nonexistent")
    assert missing.returncode == 2 and "/nonexistent" in missing.stderr
    with silent() as (url, seen):
        process = subprocess.Popen([bt, f"--debuginfod={url}", "--core", core, program],
                                   stdout=subprocess.PIPE)
        while not seen:
            time.sleep(0.01)
        family = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        assert len(family) == 2
        # The analysis has a confined child; what has the network is confined as far as that allows.
        for pid in list(family):
            family += pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        status = [pathlib.Path(f"/proc/{pid}/status").read_text() for pid in family]
        assert len(status) == 3
        assert [("NoNewPrivs:\t1" in text, "Seccomp:\t2" in text) for text in status].count((True, True)) == 1
        assert sum("NoNewPrivs:\t1" in text for text in status) == 2
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == -signal.SIGTERM
        end = time.monotonic() + 5
        while any(runs(pid) for pid in family):
            assert time.monotonic() < end, family
            time.sleep(0.01)
