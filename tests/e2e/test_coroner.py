"""coroner put: what it sends and which exit status each trouble has."""

import json
import os
import pathlib
import shutil
import socket
import subprocess

import pytest

from support.refuser import refuser

ROOT = pathlib.Path(__file__).resolve().parents[2]
BTT = ROOT / "tests/fuzz/corpus/snapshot/vim.btt"
JSON = ROOT / "tests/golden/snapshot.json"
TOKEN = "ab" * 32
FINGERPRINT = "cd" * 32
OK = (200, {}, json.dumps({"response": "ok", "object": "9c5f", "fingerprint": FINGERPRINT}).encode())


@pytest.fixture
def coroner(program, tmp_path):
    def run(url, *arguments, cf=None):
        config = tmp_path / "coroner.cf"
        config.write_text(cf or f"[universe]\nname = yourcompany\nwrite = {url}\n"
                                f"[token]\nblackhole = {TOKEN}\n")
        return plain("-c", config, *arguments)

    def plain(*arguments):
        env = {**os.environ, "HOME": str(tmp_path / "home"), "no_proxy": "127.0.0.1"}
        return subprocess.run([program("coroner"), *map(str, arguments)], capture_output=True,
                              text=True, env=env, timeout=30)

    run.plain = plain
    return run


def test_a_snapshot_is_posted_and_the_object_printed(coroner):
    with refuser(OK) as server:
        run = coroner(server.url, "put", "blackhole", "blackhole", BTT)
        assert (run.returncode, run.stderr) == (0, "")
        assert run.stdout == f"{FINGERPRINT} => 9c5f\n"
        seen, = server.seen
    assert (seen["method"], seen["path"]) == ("POST", "/post")
    assert seen["query"] == {"format": "btt", "token": TOKEN}
    assert seen["body"] == BTT.read_bytes()
    assert seen["headers"]["Content-Length"] == str(BTT.stat().st_size)


def test_a_json_report_is_posted_as_json(coroner):
    with refuser(OK) as server:
        assert coroner(server.url, "put", "blackhole", "blackhole", JSON).returncode == 0
        assert server.seen[0]["query"]["format"] == "json"
        assert server.seen[0]["headers"]["Content-Type"] == "application/json"


def test_the_token_can_be_given_itself_and_the_project_is_free(coroner):
    with refuser(OK) as server:
        assert coroner(server.url, "put", "web", "12" * 32, BTT).returncode == 0
        assert server.seen[0]["query"]["token"] == "12" * 32


def test_attributes_become_query_parameters(coroner):
    with refuser(OK) as server:
        run = coroner(server.url, "put", "--kv", "version:1.2&3,dc:new york", "blackhole",
                      "blackhole", BTT)
        assert run.returncode == 0
        assert server.seen[0]["query"]["version"] == "1.2&3"
        assert server.seen[0]["query"]["dc"] == "new york"


@pytest.mark.parametrize("pair", ["token:x", "novalue", "_tx:1", ":x"])
def test_attributes_that_cannot_be_set_are_a_usage_error(coroner, pair):
    run = coroner("http://127.0.0.1:1", "put", f"--kv={pair}", "blackhole", "blackhole", BTT)
    assert run.returncode == 64


def test_unlink_deletes_only_what_was_sent(coroner, tmp_path):
    sent, refused = tmp_path / "sent.btt", tmp_path / "refused.btt"
    shutil.copy(BTT, sent)
    shutil.copy(BTT, refused)
    with refuser(OK, (400, {}, b'{"error":{"code":6,"message":"no"}}')) as server:
        run = coroner(server.url, "put", "-u", "blackhole", "blackhole", sent, refused)
    assert run.returncode == 65
    assert not sent.exists() and refused.exists()


def test_options_of_the_default_section_are_used(coroner, tmp_path):
    sent = tmp_path / "sent.btt"
    shutil.copy(BTT, sent)
    with refuser(OK) as server:
        cf = (f"[universe]\nwrite = {server.url}\n[token]\nblackhole = {TOKEN}\n"
              "[default]\nput.u = true\n")
        assert coroner("", "put", "blackhole", "blackhole", sent, cf=cf).returncode == 0
    assert not sent.exists()


@pytest.mark.parametrize("status, headers, body, code, words", [
    (500, {}, b"oops", 75, "HTTP 500: Internal Server Error; try again later"),
    (503, {}, b'{"error":{"code":3,"message":"starting"}}', 75, "starting; try again later"),
    (429, {"Retry-After": "17"}, b'{"error":{"code":3,"message":"busy"}}', 75, "Retry-After: 17"),
    (403, {}, b'{"error":{"code":6,"message":"invalid token"}}', 77, "invalid token; the server "
                                                                     "refuses the token in"),
    (401, {}, b"", 77, "Unauthorized"),
    (400, {}, b'{"error":{"code":7,"message":"no threads"}}', 65, "no threads; the server refuses"),
    (404, {}, b"nothing", 78, "check 'write' in"),
    (302, {"Location": "http://127.0.0.1:1/"}, b"", 78, "check 'write' in"),
    (200, {}, b"<html>", 75, "is this an object store?"),
    (400, {}, b'{"error":{"code":7,"message":"\x1b[31mred\\u001b[0m\\n2"}}', 65, "HTTP 400"),
])
def test_each_refusal_has_its_status_and_one_clear_line(coroner, status, headers, body, code, words):
    with refuser((status, headers, body)) as server:
        run = coroner(server.url, "put", "blackhole", "blackhole", BTT)
    assert run.returncode == code, run.stderr
    assert words in run.stderr
    assert run.stderr.startswith("coroner: ") and run.stderr.count("\n") == 1
    assert "\x1b" not in run.stderr and TOKEN not in run.stderr
    assert run.stdout == ""


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A self-signed certificate for 127.0.0.1: (certificate, key)."""
    folder = tmp_path_factory.mktemp("tls")
    made = folder / "cert.pem", folder / "key.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=test",
                    "-addext", "subjectAltName=IP:127.0.0.1", "-out", made[0], "-keyout", made[1]],
                   check=True, capture_output=True)
    return made


def test_a_certificate_that_nobody_vouches_for_is_refused(coroner, certificate):
    with refuser(OK, certificate=certificate) as server:
        run = coroner(server.url, "put", "blackhole", "blackhole", BTT)
        assert not server.seen
    assert run.returncode == 75 and "curl.ca_file" in run.stderr


def test_a_private_authority_can_be_named(coroner, certificate):
    with refuser(OK, certificate=certificate) as server:
        cf = (f"[universe]\nwrite = {server.url}\ncurl.ca_file = {certificate[0]}\n"
              f"[token]\nblackhole = {TOKEN}\n")
        run = coroner("", "put", "blackhole", "blackhole", BTT, cf=cf)
    assert run.returncode == 0, run.stderr


def test_verification_can_be_left_out(coroner, certificate):
    with refuser(OK, certificate=certificate) as server:
        assert coroner(server.url, "put", "-k", "blackhole", "blackhole", BTT).returncode == 0


def test_a_server_that_is_down_means_later(coroner):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    run = coroner(f"http://127.0.0.1:{port}", "put", "blackhole", "blackhole", BTT)
    assert run.returncode == 75
    assert "try again later" in run.stderr and TOKEN not in run.stderr


def test_a_server_that_is_down_stops_the_rest(coroner):
    with refuser((500, {}, b"")) as server:
        assert coroner(server.url, "put", "blackhole", "blackhole", BTT, BTT).returncode == 75
        assert len(server.seen) == 1


def test_a_snapshot_cut_in_half_never_leaves(coroner, tmp_path):
    half = tmp_path / "half.btt"
    half.write_bytes(BTT.read_bytes()[: BTT.stat().st_size // 2])
    with refuser(OK) as server:
        run = coroner(server.url, "put", "blackhole", "blackhole", half, BTT)
        assert len(server.seen) == 1
    assert run.returncode == 65 and half.exists()
    assert "half.btt: cut short: " in run.stderr


@pytest.mark.parametrize("content, words", [
    (b"just text\n", "not JSON"), (b"", "not JSON"), (b"{}", 'member "uuid" is missing'),
    (b"\x7fELF\x02\x01\x01", "not JSON")])
def test_a_file_that_is_no_snapshot_is_refused_here(coroner, tmp_path, content, words):
    file = tmp_path / "no\x1b[31m\nsnapshot"
    file.write_bytes(content)
    run = coroner("http://127.0.0.1:1", "put", "blackhole", "blackhole", file)
    assert run.returncode == 65
    assert words in run.stderr and run.stderr.count("\n") == 1 and "\x1b" not in run.stderr


def test_a_missing_file_is_named(coroner):
    run = coroner("http://127.0.0.1:1", "put", "blackhole", "blackhole", "/nonexistent/x.btt")
    assert run.returncode == 65 and "/nonexistent/x.btt: No such file" in run.stderr


def test_a_token_name_that_is_not_there_is_configuration(coroner):
    run = coroner("http://127.0.0.1:1", "put", "web", "web", BTT)
    assert run.returncode == 78
    assert "no token named 'web'" in run.stderr and "below [token]" in run.stderr


@pytest.mark.parametrize("cf, words", [
    ("[token]\nblackhole = " + TOKEN, "'write' is missing"),
    ("[universe]\nwrite = ftp://x\n[token]\nblackhole = " + TOKEN, ""),
    ("[universe]\nwirte = x\n", "wirte"),
])
def test_bad_configuration_is_78(coroner, cf, words):
    run = coroner("", "put", "blackhole", "blackhole", BTT, cf=cf)
    assert run.returncode == 78, run.stderr
    assert words in run.stderr and run.stderr.count("\n") == 1


def test_missing_configuration_is_78(coroner):
    assert coroner.plain("-c", "/nonexistent.cf", "put", "p", "t", BTT).returncode == 78


def test_usage_is_64(coroner):
    assert coroner.plain().returncode == 64
    assert coroner.plain("put", "blackhole").returncode == 64
    assert coroner.plain("putt").returncode == 64
    assert "did you mean 'put'" in coroner.plain("putt").stderr
