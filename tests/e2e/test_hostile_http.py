"""What strangers do to an HTTP server: coronerd stays up, answers in JSON, keeps serving others."""

import concurrent.futures
import gzip
import json
import os
import re
import resource
import socket
import time

import pytest

from support.server import multipart, report


def dial(server, timeout=20):
    return socket.create_connection((server.host, server.port), timeout=timeout)


def talk(server, data, timeout=20):
    """Sends, tells the end, reads all that comes."""
    with dial(server, timeout) as connection:
        try:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        reply = b""
        try:
            while chunk := connection.recv(65536):
                reply += chunk
        except OSError:
            pass
        return reply


def still_well(server):
    assert server.process.poll() is None
    assert server.post(report())[0] == 200


def status_of(reply):
    found = re.match(rb"HTTP/1\.[01] (\d{3}) ", reply)
    return int(found[1]) if found else None


@pytest.mark.parametrize("request_line", [
    b"GET /LONG HTTP/1.1", b"GET /../../etc/passwd HTTP/1.1",
    b"GET /%2e%2e/%2e%2e/etc/passwd HTTP/1.1", b"GET //api/../health HTTP/1.1",
    b"GET /api/get%00x HTTP/1.1", b"GET /\xff\xfe%ff%fe HTTP/1.1", b"OPTIONS * HTTP/1.1",
    b"PUT /api/post HTTP/1.1", b"DELETE /api/get HTTP/1.1", b"TRACE / HTTP/1.1",
    b"CONNECT evil:443 HTTP/1.1", b"OPTIONS /api/query HTTP/1.1", b"\x16\x03\x01\x02\x00\x01",
    b"GET", b"GET / HTTP/9.9", b"\0\0\0\0", b"POST /api/post?MANY HTTP/1.1",
    b"GET http://evil.example/health HTTP/1.1", b"GET /api/query HTTP/1.1",
])
def test_odd_requests_are_refused(server, request_line):
    request_line = request_line.replace(b"LONG", b"a" * 200_000).replace(b"MANY", b"a=b&" * 5000)
    reply = talk(server, request_line + b"\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    assert status_of(reply) is None or 400 <= status_of(reply) < 600, reply[:200]
    assert b"root:" not in reply
    still_well(server)


@pytest.mark.parametrize("headers", [
    b"X-Long: LONG", b"MANY",
    b"Content-Length: -1", b"Content-Length: 99999999999999999999", b"Content-Length: 5x",
    b"Content-Length: 3\r\nContent-Length: 4", b"Transfer-Encoding: chunked\r\nContent-Length: 3",
    b"Transfer-Encoding: gzip", b"Content-Type: multipart/form-data; boundary=BOUNDARY",
    b"Content-Encoding: gzip, gzip", b"X-Nul: a\0b", b"No colon here", b": empty",
])
def test_odd_headers_are_refused(server, headers):
    headers = headers.replace(b"LONG", b"a" * 300_000).replace(b"BOUNDARY", b"b" * 5000)
    headers = headers.replace(b"MANY", b"\r\n".join(b"X-%d: 1" % n for n in range(5000)))
    path = f"/api/post?token={server.token}&project=demo&universe=acme&format=json"
    reply = talk(server, f"POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n".encode()
                 + headers + b"\r\n\r\nabc")
    assert status_of(reply) != 200
    still_well(server)


@pytest.mark.parametrize("chunks", [
    b"zz\r\nabc\r\n0\r\n\r\n", b"-1\r\n", b"ffffffffffffffffff\r\nabc", b"5\r\nabc", b"3\r\nabcXX0\r\n",
    b"3;LONG\r\nabc\r\n0\r\n\r\n", b"\r\n\r\n",
])
def test_broken_chunks_are_refused(server, chunks):
    path = f"/api/post?token={server.token}&project=demo&universe=acme&format=json"
    reply = talk(server, f"POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                         "Transfer-Encoding: chunked\r\n\r\n".encode() +
                 chunks.replace(b"LONG", b"e" * 200_000))
    assert status_of(reply) != 200
    still_well(server)
    assert server.count() == 1


def test_more_parts_than_anybody_sends_are_refused(server):
    body, headers = multipart([("upload_file", "r.json", None, json.dumps(report()).encode())] +
                              [(f"k{n}", None, None, b"v") for n in range(10_000)])
    started = time.monotonic()
    status, reply = server.post(body, headers=headers)
    assert status in (400, 413) and reply["error"]["message"]
    assert time.monotonic() - started < 5
    still_well(server)


@pytest.mark.parametrize("opening, closing", [(b"[", b"]"), (b'{"a":', b"}")])
@pytest.mark.parametrize("path", ["/api/post", "/api/bpg", "/api/query", "/api/delete"])
def test_deep_json_is_refused(server, path, opening, closing):
    body = b'{"x":' + opening * 300_000 + b"1" + closing * 300_000 + b"}"
    status, reply = server.json("POST", path, body, token=server.token, project="demo",
                                universe="acme", format="json")
    assert status in (200, 400, 413) and reply["error"]["message"]
    still_well(server)


@pytest.mark.parametrize("path", ["/api/post", "/api/bpg", "/api/query", "/api/login"])
def test_a_hundred_megabytes_of_json_do_not_stay(server, path):
    def resident():
        return int(re.search(r"VmRSS:\s+(\d+)", open(f"/proc/{server.process.pid}/status").read())[1])

    before = resident()
    body = b'{"attributes":{"a":"' + b"x" * (100 << 20) + b'"}}'
    try:
        status, reply = server.json("POST", path, body, token=server.token, project="demo",
                                    universe="acme", format="json")
        assert status in (400, 413) and reply["error"]["message"]
    except OSError:
        assert path != "/api/post"  # refused by its length; the rest is not even read
    still_well(server)
    deadline = time.monotonic() + 5
    while resident() - before > 60_000 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert resident() - before < 60_000


def test_texts_that_are_no_utf8_or_hold_nuls(server):
    for body in (b'{"attributes":{"hostname":"a\\u0000b"}}', b'{"attributes":{"hostname":"\xff\xfe"}}',
                 b'{"attributes":{"\\u0000":"x"}}', b'{"attributes":{"hostname":"\\ud800"}}',
                 b'\0{"attributes":{}}', b'{"attributes":{}}\0'):
        status, reply = server.post(body)
        assert status in (200, 400), (body, reply)
    for query in ("hostname=%ff%fe", "hostname=a%00b", "%ff=1", "x%0d%0aSet-Cookie:%201=1"):
        status, reply = server.json("POST", f"/api/post?token={server.token}&project=demo&{query}",
                                    json.dumps(report()))
        assert status in (200, 400), (query, reply)
    for project in ("%ff", "a%00b", "%0d%0aX-Evil:%201", "a" * 99 + "%c3%a9"):
        status, text, headers = server.request(
            "POST", f"/api/query?token={server.token}&project={project}", b"{}")
        assert json.loads(text)["error"]["message"] and "X-Evil" not in headers
    names = ("%ff.txt", "a%0d%0aX-Evil:%201", "..%2f..%2fetc%2fpasswd", "a%22b", "%2e%2e", "a%00b")
    mine = server.post(report())[1]["object"]
    for name in names:
        path = f"/api/post?token={server.token}&project=demo&object={mine}&attachment_name={name}"
        status, reply = server.json("POST", path, b"data")
        if status != 200:
            continue
        status, data, headers = server.request(
            "GET", f"/api/get?token={server.token}&project=demo&object={mine}"
                   f"&attachment_id={reply['attachment_id']}")
        assert status == 200 and data == b"data" and "X-Evil" not in headers
        filename = re.search(r'filename="([^"]*)"$', headers["Content-Disposition"])[1]
        assert "/" not in filename and not filename.startswith(".")
    listed = server.json("GET", "/api/list", token=server.token, project="demo", object=mine)[1]
    assert all(item["name"] for item in listed["attachments"])
    rows = server.query(select=["hostname"])
    assert rows["response"]["values"]
    still_well(server)


def test_fifty_posts_of_one_uuid_are_one_object_and_one_answer(server):
    document = json.dumps(report())
    body, headers = multipart([("upload_file", "r.json", None, document.encode()),
                               ("attachment_a", "a", None, b"a" * 1000)])
    with concurrent.futures.ThreadPoolExecutor(50) as pool:
        replies = list(pool.map(lambda _: server.post(body, headers=headers), range(50)))
    assert {status for status, _ in replies} == {200}
    assert len({json.dumps(reply, sort_keys=True) for _, reply in replies}) == 1
    assert server.count() == 1
    listed = server.json("GET", "/api/list", token=server.token, project="demo",
                         object=replies[0][1]["object"])[1]["attachments"]
    assert len(listed) == 1


def test_a_head_request_is_a_get_without_its_body(server):
    status, body, headers = server.request("HEAD", "/health")
    assert status == 200 and body == b"" and int(headers["Content-Length"]) > 0


def test_what_a_path_takes_is_said(server):
    status, _, headers = server.request("PUT", "/api/query")
    assert status == 405 and headers["Allow"] == "POST"
    status, _, headers = server.request("DELETE", "/api/logout")
    assert status == 405 and headers["Allow"] == "GET, HEAD, POST"


def test_many_idle_connections_do_not_keep_others_out(server):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 4096:
        pytest.skip("needs 4,096 file descriptors")
    resource.setrlimit(resource.RLIMIT_NOFILE, (4096, hard))
    server.stop()
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, hard))  # what most systems start with
    server.start()
    resource.setrlimit(resource.RLIMIT_NOFILE, (4096, hard))
    held = []
    try:
        for n in range(3000):  # more than it takes at once
            connection = dial(server)
            connection.sendall(b"POST /api/post HTTP/1.1\r\nHost: x\r\nX-" + b"a" * (n % 50))
            held.append(connection)
        for n in range(0, 3000, 3):  # a drop now and then, so that none counts as idle
            try:
                held[n].sendall(b"b")
            except OSError:
                pass  # sent away
        started = time.monotonic()
        still_well(server)
        assert server.count() == 1
        assert time.monotonic() - started < 5
    finally:
        for connection in held:
            connection.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    still_well(server)


def test_bodies_that_are_cut_off_leave_nothing(server):
    path = f"/api/post?token={server.token}&project=demo&universe=acme&format=json"
    body = json.dumps(report()).encode()
    for cut in (0, 1, len(body) // 2, len(body) - 1):
        with dial(server) as connection:
            connection.sendall(f"POST {path} HTTP/1.1\r\nHost: x\r\n"
                               f"Content-Length: {len(body)}\r\n\r\n".encode() + body[:cut])
    time.sleep(0.1)
    assert server.count() == 0
    still_well(server)


def test_a_bomb_of_compressed_zeros_is_refused_and_forgotten(server):
    for size in (64 << 20, 600 << 20):
        status, reply = server.post(gzip.compress(b"\0" * size, 1), headers={
            "Content-Encoding": "gzip"})
        assert status in (400, 413), reply
    still_well(server)
