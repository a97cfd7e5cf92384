"""coronerd over its socket: set-up, login, configuration, submissions, kills, TLS, full disks."""

import concurrent.futures
import gzip
import http.client
import json
import os
import random
import re
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time
import zlib

import pytest

from support.server import PASSWORD, Server, multipart, report


# ---- first run ----

def test_a_fresh_server_says_so_and_where_its_secret_is(fresh):
    assert fresh.request("GET", "/api/is_configured")[1] == b"0"
    secret = fresh.data / "setup.secret"
    assert secret.stat().st_mode & 0o777 == 0o600
    assert secret.read_text().strip() in fresh.output
    assert json.loads((fresh.data / "listening.json").read_text())["listeners"][0]["port"] == \
        fresh.port


@pytest.mark.parametrize("headers", [
    {"Origin": "http://localhost"}, {"Forwarded": "for=1.2.3.4"},
    {"X-Forwarded-For": "127.0.0.1"}, {"X-Forwarded-Proto": "https"},
    {"Host": "evil.example"}, {"Host": "localhost.evil.example"}, {"Host": "127.0.0.1.nip.io"},
])
def test_set_up_is_refused_to_browsers_and_proxies(fresh, headers):
    reply = fresh.get("listener", headers=headers)
    assert reply["error"]["code"] == 5 and len(reply["results"]) == 1
    created = fresh.bpg({"action": "create", "type": "configuration/universe",
                         "object": {"id": 0, "name": "evil"}}, headers=headers)
    assert created["error"]["code"] == 5
    assert fresh.get("universe")["results"][0]["result"] == []


def test_set_up_with_the_secret_needs_no_loopback_name(fresh):
    secret = (fresh.data / "setup.secret").read_text().strip()
    headers = {"Host": "objects.example", "X-Forwarded-For": "9.9.9.9"}
    assert fresh.get("listener", headers=headers, token="0" * 64)["error"]["code"] == 5
    reply = fresh.get("listener", headers=headers, token=secret)
    assert reply["results"][0]["result"][0]["type"] == "http/console"


def test_set_up_makes_nothing_but_the_first_administrator(fresh):
    reply = fresh.bpg({"action": "create", "type": "configuration/project",
                       "object": {"pid": 0, "name": "demo", "universe": 1, "owner": 1}})
    assert "not authorised" in reply["results"][0]["text"]


def test_after_set_up_one_redacted_read_and_no_more(fresh):
    fresh.bpg({"action": "create", "type": "configuration/universe",
               "object": {"id": 0, "name": "acme"}},
              {"action": "create", "type": "configuration/users",
               "object": {"uid": 0, "superuser": 1, "universe": 1, "username": "root",
                          "email": "r@x.org", "method": "password", "password": "7077"}})
    assert fresh.request("GET", "/api/is_configured")[1] == b"1"
    assert not (fresh.data / "setup.secret").exists()
    refused = fresh.get("users", headers={"Origin": "http://x"})
    assert refused["error"]["code"] == 5
    users = fresh.get("users")["results"][0]["result"]
    assert len(users) == 1 and "root" not in json.dumps(users) and "7077" not in json.dumps(users)
    assert fresh.get("users")["error"]["code"] == 5
    again = fresh.bpg({"action": "create", "type": "configuration/users",
                       "object": {"uid": 0, "superuser": 1, "universe": 1, "username": "eve",
                                  "password": "7077"}})
    assert "not authorised" in again["results"][0]["text"]


# ---- login and tokens ----

def test_login_tells_what_clients_need(server):
    reply = server.login()
    assert reply["uid"] == 1 and reply["universe"] == {"id": 1, "name": "acme"}
    assert reply["endpoints"]["post"] == [{"protocol": "http", "port": server.port}]
    assert reply["services"] == []
    status, config = server.json("GET", "/api/config", token=server.token)
    assert status == 200 and config["services"] == []


def test_login_with_a_wrong_password_is_an_error_with_status_200_and_is_throttled(server):
    for _ in range(6):
        status, reply = server.json("POST", "/api/login", "username=root&password=bad")
        assert status == 200 and reply["error"]["message"]
    _, reply = server.json("POST", "/api/login", f"username=root&password={PASSWORD}")
    assert "too many" in reply["error"]["message"]


def test_logout_ends_the_session(server):
    assert server.request("GET", "/api/logout", token=server.token)[0] == 200
    status, reply = server.json("POST", "/api/query", {}, token=server.token, project="demo")
    assert status == 403 and reply["error"]["message"]


def test_token_styles(server):
    for keywords in ({"token": server.token}, {"headers": {"X-Coroner-Token": server.token}}):
        assert server.json("GET", "/api/config", **keywords)[0] == 200
    assert server.json("POST", "/api/delete", {"token": server.token, "universe": "acme",
                                               "project": "demo", "objects": ["1"]})[0] == 200
    status, reply = server.json("POST", "/api/login", f"token={server.token}")
    assert status == 200 and reply["token"] == server.token


def test_tokens_are_shown_once_and_kept_hashed(server):
    token = server.create("api_token", id="0000", project=1, owner=1,
                          capabilities="error:post")["id"]
    assert re.fullmatch("[0-9a-f]{64}", token)
    listed = server.get("api_token")["results"][0]["result"]
    assert [row["id"][:12] for row in listed] == [token[:12]] and listed[0]["id"] != token
    for path in server.data.glob("*.db*"):
        data = path.read_bytes()
        assert token.encode() not in data and PASSWORD.encode() not in data
        assert PASSWORD.encode().hex().encode() not in data
    assert server.post(report(), "/post", token=token, universe="", project="demo")[0] == 200
    status, reply = server.json("POST", "/api/query", {}, token=token, project="demo")
    assert status == 403 and "right" in reply["error"]["message"]
    server.bpg({"action": "delete", "type": "configuration/api_token",
                "key": {"id": listed[0]["id"]}})
    assert server.post(report(), "/post", token=token)[0] == 403


def test_configuration_objects_follow_the_schema(server):
    schema = server.bpg({"action": "schema", "model": "configuration"})["results"][0]["result"]
    reply = server.bpg(*({"action": "get", "type": f"configuration/{kind}"} for kind in schema))
    assert len(reply["results"]) == len(reply["actions"]) == len(schema)
    for kind, result in zip(schema, reply["results"]):
        assert result["text"] == "success", kind
        for row in result["result"]:
            assert set(row) == set(schema[kind])
    assert schema["deduplication"]["name"]["constraints"] == ["primary"]
    user = server.get("users")["results"][0]["result"][0]
    assert user["password"] is None


def test_a_name_is_given_once(server):
    reply = server.bpg({"action": "create", "type": "configuration/project",
                        "object": {"pid": 0, "name": "demo", "universe": 1, "owner": 1}})
    assert "already" in reply["results"][0]["text"]


def test_members_cannot_make_themselves_superusers(server):
    server.create("users", uid=0, superuser=0, method="password", universe=1, username="joe",
                  email="", password="7077", role="member")
    token = server.json("POST", "/api/login", "username=joe&password=pw")[1]["token"]
    for fields in ({"superuser": 1}, {"role": "admin"}, {"password": "00", "superuser": 1}):
        reply = server.bpg({"action": "modify", "type": "configuration/users", "key": {"uid": 2},
                            "fields": fields}, token=token)
        assert "not authorised" in reply["results"][0]["text"]
    reply = server.bpg({"action": "modify", "type": "configuration/users", "key": {"uid": 1},
                        "fields": {"password": "7077"}}, token=token)
    assert "not authorised" in reply["results"][0]["text"]


# ---- submissions ----

def test_raw_gzip_deflate_and_chunked_bodies(server):
    plain = json.dumps(report("raw")).encode()
    assert server.post(plain)[0] == 200
    for encoding, pack in (("gzip", gzip.compress), ("deflate", zlib.compress)):
        body = pack(json.dumps(report(encoding)).encode())
        assert server.post(body, headers={"Content-Encoding": encoding})[0] == 200
    chunks = json.dumps(report("chunked")).encode()
    assert server.post(iter([chunks[:50], chunks[50:]]))[0] == 200  # http.client sends chunks
    rows = server.query(select=["hostname"])["response"]["values"]
    names = sorted(cell[0] for cell in rows[0][1:])
    assert names == ["chunked", "deflate", "gzip", "raw"]


def test_double_slashes_are_one(server):
    assert server.post(report(), "//api//post")[0] == 200


def test_multipart_with_attachment_and_fields(server):
    note = b"crumb\r\n--not-the-boundary\r\n"
    body, headers = multipart([
        ("version", None, None, b"1.2.3"),
        ("upload_file", "upload_file.json", "application/json", json.dumps(report()).encode()),
        ("attachment_crumbs-0", "crumbs-0", None, note)])
    status, reply = server.post(body, headers=headers, dc="nyc")
    assert status == 200, reply
    where = {"token": server.token, "universe": "acme", "project": "demo",
             "object": reply["object"]}
    listed = server.json("GET", "/api/list", **where)[1]["attachments"]
    assert [(a["name"], a["size"]) for a in listed] == [("crumbs-0", len(note))]
    status, data, headers = server.request("GET", "/api/get", attachment_name="crumbs-0", **where)
    assert status == 200 and data == note and "filename=" in headers["Content-Disposition"]
    rows = server.query(select=["version", "dc"])["response"]["values"]
    assert [row[1][0] for row in rows] == ["1.2.3", "nyc"]


def test_a_repeated_uuid_is_answered_with_the_first_object(server):
    document = report()
    first, second = server.post(document)[1], server.post(document)[1]
    assert first["object"] == second["object"] and first["_rxid"] == second["_rxid"]
    assert server.count() == 1


def test_the_document_comes_back_byte_for_byte(server):
    text = json.dumps(report(), indent=3)
    reply = server.post(text)[1]
    for name in (reply["object"], reply["_rxid"]):
        status, data, headers = server.request("GET", "/api/get", token=server.token,
                                               project="demo", object=name)
        assert status == 200 and data.decode() == text
        assert "filename=" in headers["Content-Disposition"]
    assert server.request("GET", "/api/get", token=server.token, project="demo",
                          object="fffffff")[0] == 404


def test_the_path_form_of_the_public_sdk(server):
    token = server.create("api_token", id="0", project=1, owner=1, capabilities="error:post")["id"]
    status, reply = server.json("POST", f"/acme/{token}/json", json.dumps(report()))
    assert status == 200 and reply["response"] == "ok"
    assert server.json("POST", f"/other/{token}/json", json.dumps(report()))[0] == 403
    assert server.json("POST", f"/acme/{'0' * 64}/json", json.dumps(report()))[0] == 403


@pytest.mark.parametrize("body, headers, status", [
    (b"junk", {}, 400), (b"", {}, 400), (b"[1,2]", {}, 400),
    (b"not gzip", {"Content-Encoding": "gzip"}, 400),
    (b"{}", {"Content-Encoding": "br"}, 415),
    (gzip.compress(b" " * (64 << 20)), {"Content-Encoding": "gzip"}, 413),
    (b"--x\r\n", {"Content-Type": "multipart/form-data; boundary=x"}, 400),
    (b"x", {"Content-Type": "multipart/form-data"}, 400),
])
def test_what_is_no_document_is_refused_in_json(server, body, headers, status):
    got, reply = server.post(body, headers=headers)
    assert got == status and isinstance(reply["error"]["code"], int) and reply["error"]["message"]
    assert server.count() == 0


def test_wrong_tokens_and_projects(server):
    assert server.post(report(), token="")[0] == 401
    assert server.post(report(), token="0" * 64)[0] == 403
    assert server.post(report(), token="x" * 5000)[0] == 403
    assert server.post(report(), project="nope")[0] == 404
    big = server.json("POST", "/post?token=" + "0" * 64, b"x" * (8 << 20))
    assert big[0] == 403


def test_queries_that_are_wrong_are_errors_with_status_200(server):
    where = {"token": server.token, "universe": "acme"}
    status, reply = server.json("POST", "/api/query", {"filter": [{"hostname": [["bogus", "x"]]}]},
                                project="demo", **where)
    assert status == 200 and reply["error"]["message"]
    status, reply = server.json("POST", "/api/query", {}, project="nope", **where)
    assert status == 200 and reply["error"]["message"]
    status, reply = server.json("POST", "/api/query", "{nope", project="demo", **where)
    assert status == 400 and reply["error"]["message"]


def test_list_replies_carry_latency_and_runtime(server):
    server.post(report())
    envelope = server.query(group=["fingerprint"], fold={"hostname": [["histogram"]]})["_"]
    assert envelope["universe"] == "acme" and envelope["project"] == "demo"
    assert re.match(r"\d+ us", envelope["latency"])
    assert {"filter", "group_by", "aggregate", "sort", "total_time"} <= set(envelope["runtime"])
    describe = server.json("POST", "/api/query", {}, token=server.token, project="demo",
                           action="describe")[1]["describe"]
    assert all(isinstance(row["name"], str) and isinstance(row["description"], str)
               for row in describe)
    assert "hostname" in {row["name"] for row in describe}


def test_delete_takes_ids_and_refuses_an_empty_filter(server):
    ids = [server.post(report(f"h{n}"))[1]["object"] for n in range(3)]
    where = {"universe": "acme", "project": "demo"}
    for query in ({"filter": [{}]}, {"filter": []}, {}):
        status, reply = server.json("POST", "/api/delete", {**where, "query": query},
                                    token=server.token)
        assert status >= 400 and reply["error"]["message"]
    assert server.count() == 3
    physical = {**where, "objects": [ids[0]], "subsets": ["physical"]}
    assert server.json("POST", "/api/delete", physical, token=server.token)[0] == 200
    assert server.request("GET", "/api/get", token=server.token, project="demo",
                          object=ids[0])[0] == 404
    assert server.count() == 3
    everything = {**where, "objects": ids[:1]}
    assert server.json("POST", "/api/delete", everything, token=server.token)[0] == 200
    assert server.count() == 2


def test_attachments_can_be_added_later(server):
    reply = server.post(report())[1]
    for name in (reply["object"], reply["_rxid"]):
        status, added = server.post(b"late", object=name, attachment_name="n.txt")
        assert status == 200 and added["object"] == reply["object"]
    status, _ = server.post(b"late", object="ffff", attachment_name="n.txt")
    assert status == 404


# ---- endurance ----

def test_fifty_submissions_at_once(server):
    with concurrent.futures.ThreadPoolExecutor(50) as pool:
        replies = list(pool.map(lambda n: server.post(report(f"h{n}")), range(50)))
    assert all(status == 200 for status, _ in replies)
    assert len({reply["object"] for _, reply in replies}) == 50
    assert server.count() == 50


def test_killed_while_submissions_arrive_loses_and_doubles_nothing(server):
    waiting = [report(f"h{n}") for n in range(60)]
    acknowledged = []
    lock = threading.Lock()

    def sender(documents):
        for document in documents:
            while True:
                try:
                    status, _ = server.post(document)
                except (OSError, http.client.HTTPException, ValueError):
                    time.sleep(0.05)
                    continue
                assert status == 200
                with lock:
                    acknowledged.append(document["uuid"])
                break

    threads = [threading.Thread(target=sender, args=(waiting[n::6],)) for n in range(6)]
    for thread in threads:
        thread.start()
    for _ in range(6):
        time.sleep(random.uniform(0.01, 0.12))
        server.stop(signal.SIGKILL)
        server.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    assert len(acknowledged) == 60
    assert server.count() == 60
    ids = server.query(select=["object"])["response"]["values"][0][1:]
    for value, _ in ids:
        status, data, _ = server.request("GET", "/api/get", token=server.token, project="demo",
                                         object=f"{int(value):x}")
        assert status == 200 and json.loads(data)["uuid"] in acknowledged


def test_stops_cleanly(server):
    server.post(report())
    assert server.stop() == 0
    assert not (server.data / "listening.json").exists()


def test_a_full_disk_is_said_and_loses_nothing(program, tmp_path):
    if os.geteuid() != 0:
        pytest.skip("mounts a small tmpfs: needs root")
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", disk]).returncode:
        pytest.skip("cannot mount a tmpfs here")
    server = Server(program, disk / "data")
    try:
        server.start().set_up()
        kept, status = 0, 200
        while status == 200 and kept < 200:
            document = report(f"h{kept}")
            document["annotations"] = {"filler": os.urandom(60000).hex()}
            status, reply = server.post(document)
            kept += status == 200
        assert status in (503, 507) and "full" in reply["error"]["message"]
        assert server.post(document)[0] in (503, 507)
        subprocess.run(["mount", "-o", "remount,size=60m", disk], check=True)
        assert server.post(document)[0] == 200
        assert server.count() == kept + 1
        server.stop(signal.SIGKILL)
        server.start()
        assert server.count() == kept + 1
    finally:
        server.stop()
        server.log.close()
        subprocess.run(["umount", "-l", disk], check=True)


# ---- running it ----

def run(program, *arguments):
    return subprocess.run([program("coronerd"), *map(str, arguments)], capture_output=True,
                          text=True, timeout=30)


@pytest.mark.parametrize("text, words", [
    ("{", ["line"]), ("[]", ["object"]),
    ('{"listener": {"read": {"port": "x"}}}', ["listener.read", "port"]),
    ('{"listener": {"write": {"https_bind": [{}]}}}', ["https_bind", "ssl"]),
    ('{"listener": {"read": {"ssl": {"certificate": "/no", "key": "/no"}}}}', ["/no"]),
])
def test_wrong_configuration_is_one_line_and_78(program, tmp_path, text, words):
    path = tmp_path / "coronerd.conf"
    path.write_text(text)
    result = run(program, "-f", "-c", path, "--root", tmp_path, "--data", tmp_path / "data")
    assert result.returncode == 78
    assert len(result.stderr.splitlines()) == 1 and str(path) in result.stderr
    assert all(word in result.stderr for word in words)


def test_a_taken_port_is_said(program, fresh, tmp_path):
    result = run(program, "-f", "--data", tmp_path / "other", "--listen",
                 f"127.0.0.1:{fresh.port}")
    assert result.returncode == 69
    assert len(result.stderr.splitlines()) == 1 and f"127.0.0.1:{fresh.port}" in result.stderr


def test_a_data_folder_in_use_is_said(program, fresh):
    result = run(program, "-f", "--data", fresh.data, "--listen", "127.0.0.1:0")
    assert result.returncode == 69
    assert len(result.stderr.splitlines()) == 1 and str(fresh.data) in result.stderr
    assert (fresh.data / "setup.secret").exists() and (fresh.data / "listening.json").exists()


def test_client_config_is_a_coroner_cf_that_works(program, server):
    result = run(program, "--data", server.data, "client-config", "--project", "demo")
    assert result.returncode == 0, result.stderr
    token = re.search(r"^demo = ([0-9a-f]{64})$", result.stdout, re.M)[1]
    assert f"write = http://localhost:{server.port}" in result.stdout
    assert server.post(report(), "/post", token=token)[0] == 200
    assert run(program, "--data", server.data, "client-config",
               "--project", "nope").returncode == 78


def make_certificate(folder):
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                    "-subj", "/CN=localhost", "-addext",
                    "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", folder / "key.pem",
                    "-out", folder / "certificate.pem"], check=True, capture_output=True)
    return folder / "certificate.pem", folder / "key.pem"


def test_tls_and_roles_from_a_configuration_file(program, tmp_path):
    if not shutil.which("openssl"):
        pytest.skip("openssl is not installed")
    certificate, key = make_certificate(tmp_path / "ssl")
    tls = {"certificate": str(certificate), "key": str(key)}
    config = tmp_path / "coronerd.conf"
    config.write_text(json.dumps({"listener": {
        "http-console": {"address": "127.0.0.1", "port": 0, "concurrency": 1000, "threads": 1,
                         "ssl": tls, "columns": {"list": ["hostname"]}},
        "write": {"http_bind": [{"address": "127.0.0.1", "port": 0}],
                  "https_bind": [{"address": "127.0.0.1", "port": 0, "ssl": tls}]}},
        "console": {"address": "127.0.0.1", "port": 0, "backlog": 16}}))
    server = Server(program, tmp_path / "data", "-c", str(config), listen=None)
    try:
        server.start()
        console, clear, secure, control = json.loads(
            (server.data / "listening.json").read_text())["listeners"]
        assert [console["tls"], clear["tls"], secure["tls"]] == [True, False, True]
        context = ssl.create_default_context(cafile=str(certificate))

        def ask(listener, method, path, body=None):
            if listener["tls"]:
                connection = http.client.HTTPSConnection("127.0.0.1", listener["port"],
                                                         context=context, timeout=20)
            else:
                connection = http.client.HTTPConnection("127.0.0.1", listener["port"], timeout=20)
            connection.request(method, path, body)
            reply = connection.getresponse()
            return reply.status, reply.read()

        def bpg(action, kind, token="000000000", **keywords):
            body = json.dumps({"actions": [{"action": action, "type": f"configuration/{kind}",
                                            **keywords}]})
            reply = json.loads(ask(console, "POST", f"/api/bpg?token={token}", body)[1])
            assert reply["results"][0]["text"] == "success", reply
            return reply["results"][0]["result"]

        bpg("create", "universe", object={"id": 0, "name": "acme"})
        bpg("create", "users", object={"uid": 0, "superuser": 1, "universe": 1, "username": "root",
                                       "email": "", "password": "7077", "method": "password"})
        login = json.loads(ask(console, "POST", "/api/login", "username=root&password=pw")[1])
        assert {(e["protocol"], e["port"]) for e in login["endpoints"]["post"]} == {
            ("https", console["port"]), ("http", clear["port"]), ("https", secure["port"])}
        bpg("create", "project", login["token"],
            object={"pid": 0, "name": "demo", "universe": 1, "owner": 1, "deleted": 0})
        path = f"/api/post?token={login['token']}&universe=acme&project=demo&format=json"
        for listener in (console, clear, secure):
            assert ask(listener, "POST", path, json.dumps(report()))[0] == 200
        assert ask(clear, "POST", "/api/bpg?token=" + login["token"], "{}")[0] == 404
        assert ask(control, "GET", "/health")[0] == 200
        assert ask(control, "GET", "/api/is_configured")[0] == 404
        with socket.create_connection(("127.0.0.1", secure["port"])) as plain:
            plain.sendall(b"GET /health HTTP/1.0\r\n\r\n")
            plain.settimeout(10)
            assert b"200 OK" not in plain.recv(200)
    finally:
        server.stop()


def test_the_daemon_returns_when_it_serves(program, tmp_path):
    data = tmp_path / "data"
    result = run(program, "--data", data, "--listen", "127.0.0.1:0")
    assert result.returncode == 0, result.stderr
    state = json.loads((data / "listening.json").read_text())
    try:
        connection = http.client.HTTPConnection("127.0.0.1", state["listeners"][0]["port"])
        connection.request("GET", "/health")
        assert json.loads(connection.getresponse().read())["status"] == "ok"
    finally:
        os.kill(state["pid"], signal.SIGTERM)
