"""Bad input, across the programs: one clear line (what, cause, next step), the right exit status,
and nothing lost."""

import http.server
import os
import resource
import subprocess
import threading

import pytest

from support import kernel
from support.world import World, wait_until


@pytest.fixture(scope="module")
def world(stage, tmp_path_factory):
    made = World(stage, tmp_path_factory.mktemp("bad") / "root")
    made.start_server()
    made.set_up()
    yield made
    made.close()


@pytest.fixture(scope="module")
def core(tmp_path_factory):
    """A core by gdb, so that nobody's core_pattern matters, and the program it came from."""
    folder = tmp_path_factory.mktemp("core")
    source = folder / "sleeper.c"
    source.write_text("#include <unistd.h>\nint main(void) { for (;;) pause(); }\n")
    subprocess.run(["gcc", "-o", folder / "sleeper", source], check=True)
    process = subprocess.Popen([folder / "sleeper"])
    try:
        subprocess.run(["gdb", "-nx", "-batch", "-p", str(process.pid), "-ex",
                        f"gcore {folder}/core"], check=True, capture_output=True)
    finally:
        process.kill()
        process.wait()
    return folder / "core"


@pytest.fixture(scope="module")
def snapshot(world, core, tmp_path_factory):
    path = tmp_path_factory.mktemp("snapshot") / "s.btt"
    world.run("ptrace", "-o", path, "--core", core)
    return path


@pytest.fixture
def full_disk(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("mounts a small tmpfs: needs root")
    folder = tmp_path / "full"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


def fill(folder):
    """Takes the last byte of its file system."""
    with open(folder / "filler", "wb", buffering=0) as file:
        for size in (4096, 1):
            try:
                while True:
                    file.write(b"x" * size)
            except OSError:
                pass


def complaint(result, status, *words):
    """The run failed with this status and one line on stderr that has all the words."""
    lines = [line for line in result.stderr.splitlines() if line]
    assert result.returncode == status, result.stdout + result.stderr
    assert len(lines) == 1, lines
    for word in words:
        assert str(word) in lines[0], lines[0]
    return lines[0]


def put(world, *arguments, **keywords):
    return world.run("coroner", *arguments, check=False, **keywords)


def configuration(world):
    return world.root / "usr/local/etc/coroner.cf"


@pytest.mark.parametrize("program", ["ptrace", "bt"])
def test_a_text_file_given_as_a_core(world, tmp_path, program):
    text = tmp_path / "notes.txt"
    text.write_text("not a core at all\n" * 10)
    complaint(world.run(program, "--core", text, check=False, cwd=tmp_path), 2, text, "not a core")
    assert not list(tmp_path.glob("*.btt"))


@pytest.mark.parametrize("program", ["ptrace", "bt"])
def test_a_missing_core(world, tmp_path, program):
    missing = tmp_path / "missing"
    complaint(world.run(program, "--core", missing, check=False, cwd=tmp_path), 2, missing,
              "No such file")


@pytest.fixture(scope="module")
def kernel_core(core, tmp_path_factory):
    """A core as the kernel writes it: threads first, then memory."""
    folder = tmp_path_factory.mktemp("kernel")
    with kernel.core_pattern(f"{folder}/core"):
        process = subprocess.Popen([core.parent / "sleeper"], preexec_fn=lambda: resource.setrlimit(
            resource.RLIMIT_CORE, (resource.RLIM_INFINITY,) * 2))
        process.send_signal(6)
        process.wait()
    return next(folder.glob("core*"))


@pytest.mark.system
@pytest.mark.parametrize("keep", [0.3, 0.6, 0.9])
def test_a_truncated_core_is_partial_and_says_so(world, kernel_core, tmp_path, keep):
    cut = tmp_path / "cut"
    whole = kernel_core.read_bytes()
    cut.write_bytes(whole[: int(len(whole) * keep)])
    out = tmp_path / "cut.btt"
    result = world.run("ptrace", "-o", out, "--core", cut, check=False)
    complaint(result, 1, "cut short")
    text = subprocess.run(["zstdcat", out], capture_output=True, text=True, check=True).stdout
    assert '"truncated"' in text


def test_a_core_without_its_executable(world, core, tmp_path):
    moved = core.parent / "sleeper.moved"
    os.rename(core.parent / "sleeper", moved)
    try:
        out = tmp_path / "lonely.btt"
        result = world.run("ptrace", "-o", out, "--core", core, check=False)
        complaint(result, 1, "sleeper")
        assert out.exists()
    finally:
        os.rename(moved, core.parent / "sleeper")


def test_a_process_that_does_not_exist(world):
    for program in ("ptrace", "bt"):
        complaint(world.run(program, "4194303", check=False), 2, "4194303")


def test_ptrace_on_a_full_disk(world, core, full_disk):
    fill(full_disk)
    result = world.run("ptrace", "-o", full_disk / "s.btt", "--core", core, check=False)
    line = complaint(result, 2, "No space left", "make room")
    assert line.count(str(full_disk)) == 1
    assert [path.name for path in full_disk.iterdir()] == ["filler"]


def test_the_helper_on_a_full_disk(world, core, full_disk):
    spool = full_disk / "var/coresnap/archive"
    for stage_name in ("pending", "sending", "assets"):
        (spool / stage_name).mkdir(parents=True, mode=0o700)
    fill(full_disk)
    result = subprocess.run([world.sbin / "coresnap-archive", "--root", full_disk, "--file", core],
                            capture_output=True, text=True)
    assert result.returncode == 75, result.stderr
    assert "No space left" in result.stderr or "quota" in result.stderr, result.stderr
    assert list((spool / "pending").iterdir()) == []
    assert core.exists()


def test_coroner_without_configuration(world, snapshot, tmp_path):
    missing = tmp_path / "coroner.cf"
    complaint(put(world, "-c", missing, "put", "blackhole", "blackhole", snapshot), 78, missing)


def test_coroner_with_a_wrong_configuration(world, snapshot, tmp_path):
    wrong = tmp_path / "coroner.cf"
    wrong.write_text("[universe]\nwrote = http://127.0.0.1\n")
    line = complaint(put(world, "-c", wrong, "put", "blackhole", "blackhole", snapshot), 78,
                     "coroner.cf:2", "wrote")
    assert "write" in line


def test_coroner_with_a_token_name_that_is_not_there(world, snapshot):
    complaint(put(world, "-c", configuration(world), "put", "blackhole", "nope", snapshot), 78,
              "nope")


def test_coroner_with_a_token_the_server_refuses(world, snapshot):
    complaint(put(world, "-c", configuration(world), "put", "blackhole", "0" * 64, snapshot), 77,
              "token")
    assert snapshot.exists()


def test_coroner_with_the_server_down(world, snapshot, tmp_path):
    away = tmp_path / "coroner.cf"
    away.write_text(configuration(world).read_text().replace(str(world.port), "1"))
    complaint(put(world, "-c", away, "put", "blackhole", "blackhole", snapshot), 75, "127.0.0.1")
    assert snapshot.exists()


@pytest.mark.parametrize("answer, status", [(500, 75), (503, 75), (429, 75), (403, 77), (400, 65)])
def test_coroner_tells_what_the_server_answered(world, snapshot, tmp_path, answer, status):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(answer)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        config = tmp_path / "coroner.cf"
        config.write_text(configuration(world).read_text().replace(
            str(world.port), str(server.server_port)))
        complaint(put(world, "-c", config, "put", "blackhole", "blackhole", snapshot), status,
                  answer)
    finally:
        server.shutdown()
    assert snapshot.exists()


def test_a_snapshot_cut_in_half(world, snapshot, tmp_path):
    half = tmp_path / "half.btt"
    half.write_bytes(snapshot.read_bytes()[: snapshot.stat().st_size // 2])
    complaint(put(world, "-c", configuration(world), "put", "blackhole", "blackhole", half), 65,
              half)
    assert half.exists()
    url = f"{world.url}/post?format=btt&token={world.token()}"
    reply = subprocess.run(["curl", "-s", "-w", "%{http_code}", "--data-binary", f"@{half}", url],
                           capture_output=True, text=True).stdout
    assert reply.endswith("400") and '"error"' in reply


def test_a_body_that_is_not_json(world):
    url = f"{world.url}/post?format=json&token={world.token()}"
    reply = subprocess.run(["curl", "-s", "-w", "%{http_code}", "--data-binary", "junk", url],
                           capture_output=True, text=True).stdout
    assert reply.endswith("400") and '"error"' in reply and '"message"' in reply
    assert world.server.poll() is None


def test_daemons_with_wrong_configuration(world, tmp_path):
    wrong = tmp_path / "coresnap.conf"
    wrong.write_text("dump.mod = minimal\n")
    result = subprocess.run([world.sbin / "coresnapd", "-f", "-c", wrong], capture_output=True,
                            text=True, timeout=20)
    line = complaint(result, 78, "coresnap.conf:1", "dump.mod")
    assert "dump.mode" in line

    broken = tmp_path / "coronerd.conf"
    broken.write_text('{"listener": [}')
    result = subprocess.run([world.sbin / "coronerd", "-f", "-c", broken, "--data",
                             tmp_path / "data"], capture_output=True, text=True, timeout=20)
    complaint(result, 78, broken)


def test_a_second_coronerd_on_the_same_data(world):
    result = subprocess.run([world.sbin / "coronerd", "-f", "--listen", "127.0.0.1:0"],
                            capture_output=True, text=True, timeout=20)
    assert result.returncode != 0
    assert len(result.stderr.splitlines()) == 1, result.stderr


def test_a_full_disk_under_the_server_loses_nothing(stage, tmp_path, snapshot):
    if os.geteuid() != 0:
        pytest.skip("mounts a small tmpfs: needs root")
    root = tmp_path / "root"
    made = World(stage, root)
    data = root / "var/lib/coronerd"
    data.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "none", data], check=True)
    try:
        made.start_server()
        made.set_up()
        cf = root / "usr/local/etc/coroner.cf"
        fill(data)
        result = made.run("coroner", "-c", cf, "put", "blackhole", "blackhole", snapshot,
                          check=False)
        complaint(result, 75)
        assert snapshot.exists()
        (data / "filler").unlink()

        def sent():
            return made.run("coroner", "-c", cf, "put", "blackhole", "blackhole", snapshot,
                            check=False).returncode == 0

        wait_until(sent, "the upload after the disk has room again", 20)
        assert len(made.select("timestamp")) == 1
    finally:
        made.close()
        subprocess.run(["umount", data], check=True)
