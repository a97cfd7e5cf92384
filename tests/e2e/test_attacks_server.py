"""Whoever answers in the server's place, and what is sent to a server to make it write elsewhere."""

import contextlib
import json
import pathlib
import shutil
import socket
import subprocess
import threading

import pytest

from support.refuser import refuser
from support.server import multipart, report

BTT = pathlib.Path(__file__).resolve().parents[2] / "tests/fuzz/corpus/snapshot/vim.btt"
TOKEN = "ab" * 32
OK = (200, {}, b'{"response":"ok","object":"1","fingerprint":"f"}')


@pytest.fixture
def put(program, tmp_path):
    """put(url, project) sends a snapshot and deletes it when the server has it: (run, its path)."""

    def run(url, project="blackhole"):
        config, snapshot = tmp_path / "coroner.cf", tmp_path / "snapshot.btt"
        shutil.copy(BTT, snapshot)
        config.write_text(f"[universe]\nwrite = {url}\n[token]\nblackhole = {TOKEN}\n")
        done = subprocess.run([program("coroner"), "-c", config, "put", "-u", project, "blackhole",
                               snapshot], capture_output=True, timeout=30)
        return done, snapshot

    return run


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_takes_nothing_anywhere_else(put, status):
    """Attack 23: redirects to a server of the attacker's."""
    with refuser(OK) as other, refuser((status, {}, b"")) as server:
        server.answers[0] = (status, {"Location": other.url + "/post"}, b"")
        done, snapshot = put(server.url)
        assert done.returncode != 0 and snapshot.exists()
        assert not other.seen and len(server.seen) == 1


@contextlib.contextmanager
def answering(raw):
    """A server that reads one request and sends these bytes, whatever they are."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve():
            connection, _ = listening.accept()
            with connection:
                connection.settimeout(0.1)
                with contextlib.suppress(OSError):
                    while connection.recv(1 << 20):
                        pass
                with contextlib.suppress(OSError):
                    connection.sendall(raw)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        thread.join()


@pytest.mark.parametrize("raw", [
    b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + OK[2],
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n30\r\n" + OK[2],
    b"HTTP/1.1 200 OK\r\nContent-Length: 26\r\n\r\n{\"response\":\"ok\",\"object\":",
    b"HTTP/1.1 100 Continue\r\n\r\n",
    b"<html>200 OK, please log in</html>",
    b"",
], ids=["shorter", "no last chunk", "half a reply", "no answer", "no HTTP", "nothing"])
def test_an_answer_that_is_not_whole_confirms_nothing(put, raw):
    """Attack 23: a 200 that is cut off, or is none, must not make the host delete what it has."""
    with answering(raw) as url:
        done, snapshot = put(url)
    assert done.returncode in (75, 78) and snapshot.exists(), done.stderr


@pytest.mark.parametrize("project", ["../../api/query", "a&token=b&project=c", "a?b#c", "a b\tc",
                                     "a\r\nX-Evil: 1", "%2e%2e%2f", "a\xff\u202eb"])
def test_a_project_is_one_word_of_the_request(put, project):
    """Attack 23: names that would become parts of a path, a query or a header."""
    with refuser(OK) as server:
        done, _ = put(server.url, project)
        assert done.returncode in (0, 64, 65, 78), done.stderr
        for request in server.seen:
            assert request["path"] == "/post" and "X-Evil" not in request["headers"]
            assert request["query"]["token"] == TOKEN
            assert request["query"].get("project", project) == project
            assert set(request["query"]) <= {"format", "token", "project"}


@pytest.mark.parametrize("name", ["../../../evil", "/tmp/evil", "..", "evil\r\nX: 1", "a" * 5000],
                         ids=["up", "absolute", "parent", "line end", "long"])
def test_an_attachment_is_stored_under_a_name_of_the_servers(server, name):
    """Attack 23: paths and line ends as names of attachments."""
    before = sorted(server.data.parent.iterdir())
    safe = name.replace("\r\n", "%0D%0A")
    body, headers = multipart([
        ("upload_file", "r.json", "application/json", json.dumps(report()).encode()),
        (f"attachment_{safe}", safe, None, b"evil")])
    status, reply = server.post(body, headers=headers)[:2]
    assert status in (200, 400), reply
    assert server.request("GET", "/health")[0] == 200
    assert sorted(server.data.parent.iterdir()) == before
    assert not [path for path in server.data.rglob("*") if "evil" in path.name or len(path.name) > 200]
    assert not pathlib.Path("/tmp/evil").exists()
