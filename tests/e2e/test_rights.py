"""Who may do what: set-up of a fresh server, tokens, roles, universes, guesses."""

import json
import signal
import socket
import threading

import pytest

from support.server import PASSWORD, Server, report


def one(server, action, kind, token=None, **members):
    """The result of one configuration action."""
    reply = server.bpg({"action": action, "type": f"configuration/{kind}", **members}, token=token)
    return reply["results"][0]


def make_user(server, name, role="member", universe=1, superuser=0):
    server.create("users", uid=0, superuser=superuser, method="password", universe=universe,
                  username=name, email="", password="7077", role=role)
    return server.json("POST", "/api/login", f"username={name}&password=pw")[1]["token"]


def make_token(server, capabilities="error:post", project=1):
    return server.create("api_token", id="0000", project=project, owner=1,
                         capabilities=capabilities)["id"]


@pytest.fixture
def two(server):
    """A second universe with a project of the same name, and an administrator of its own."""
    assert server.create("universe", id=0, name="other")["id"] == 2
    server.create("project", pid=0, deleted=0, name="demo", owner=1, universe=2)
    server.other = make_user(server, "olga", "admin", universe=2)
    return server


# ---- first run ----

def raw(server, head, body=b""):
    with socket.create_connection((server.host, server.port), timeout=20) as connection:
        connection.sendall(head + body)
        connection.shutdown(socket.SHUT_WR)
        reply = b""
        while chunk := connection.recv(65536):
            reply += chunk
    return reply


GET_USERS = json.dumps({"actions": [{"action": "get", "type": "configuration/users"}]}).encode()


def post_bpg(server, *headers):
    lines = ["POST /api/bpg?token=000000000 HTTP/1.1", *headers, "Connection: close",
             f"Content-Length: {len(GET_USERS)}", "", ""]
    return raw(server, "\r\n".join(lines).encode(), GET_USERS)


def test_a_plain_local_client_may_set_up(fresh):
    assert b'"text":"success"' in post_bpg(fresh, "Host: localhost")
    assert b'"text":"success"' in post_bpg(fresh, f"Host: 127.0.0.1:{fresh.port}")
    assert b'"text":"success"' in post_bpg(fresh, "host: LocalHost:80")


@pytest.mark.parametrize("headers", [
    [], ["Host:"], ["Host: localhost", "Host: evil.example"], ["Host: evil.example",
                                                              "Host: localhost"],
    ["Host: localhost@evil.example"], ["Host: localhost:evil"], ["Host: localhost."],
    ["Host: localhost:"], ["Host: 127.0.0.1.evil.example"], ["Host: 0x7f000001"],
    ["Host: localhost", "Origin: null"], ["Host: localhost", "origin:"],
    ["Host: localhost", "FORWARDED: for=9.9.9.9"],
    ["Host: localhost", "x-forwarded-anything: 1"],
    # What tells of a proxy must not be pushed out by what stands before it.
    ["Host: localhost"] + [f"X-{n}: {n}" for n in range(400)] + ["X-Forwarded-For: 9.9.9.9"],
])
def test_what_a_browser_or_proxy_passes_on_may_not(fresh, headers):
    reply = post_bpg(fresh, *headers)
    assert b'"text":"success"' not in reply
    assert reply.startswith(b"HTTP/1.1 4")


def test_guessed_secrets_do_not_set_up(fresh):
    secret = (fresh.data / "setup.secret").read_text().strip()
    elsewhere = {"Host": "objects.example"}
    for guess in ("", "0", secret[:-1], secret + "0", secret.upper() + " ", secret[:32],
                  secret[::-1]):
        assert fresh.get("users", headers=elsewhere, token=guess or None)["error"]["code"] == 5
    assert "result" in fresh.get("users", headers=elsewhere, token=secret)["results"][0]


def test_the_secret_is_used_up_and_only_one_administrator_is_made(fresh):
    secret = (fresh.data / "setup.secret").read_text().strip()
    assert one(fresh, "create", "universe", object={"id": 0, "name": "acme"})["text"] == "success"
    texts = []

    def make(number):
        texts.append(one(fresh, "create", "users", token=secret, object={
            "uid": 0, "superuser": 1, "universe": 1, "username": f"root{number}", "email": "",
            "method": "password", "password": "7077"})["text"])

    threads = [threading.Thread(target=make, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert texts.count("success") == 1
    assert fresh.get("users", headers={"Host": "objects.example"},
                     token=secret)["error"]["code"] == 5


def test_the_first_user_needs_a_universe_that_exists(fresh):
    result = one(fresh, "create", "users", object={
        "uid": 0, "superuser": 1, "universe": 7, "username": "root", "email": "",
        "method": "password", "password": "7077"})
    assert "universe" in result["text"]
    assert fresh.request("GET", "/api/is_configured")[1] == b"0"


def test_after_set_up_nothing_is_told_without_a_token(server):
    server.get("users", token="000000000")  # the one redacted read
    for path in ("/api/config", "/api/get?project=demo&object=1", "/api/list?project=demo&object=1"):
        assert server.request("GET", path)[0] == 401
        assert server.request("GET", f"{path}{'&' if '?' in path else '?'}token=000000000")[0] == 403
    for path in ("/api/query?project=demo", "/api/post?project=demo", "/api/delete",
                 "/post?format=json"):
        assert server.json("POST", path, {"project": "demo", "objects": ["1"]})[0] == 401
    for action in ("get", "create", "modify", "delete"):
        reply = server.bpg({"action": action, "type": "configuration/users", "key": {"uid": 1},
                            "object": {}, "fields": {}}, token="000000000")
        assert reply["error"]["code"] == 5 and "result" not in reply["results"][0]


# ---- tokens ----

def test_a_submission_token_submits_and_nothing_else(server):
    mine = server.post(report())[1]["object"]
    token = make_token(server)
    assert server.post(report(), token=token)[0] == 200
    where = {"token": token, "universe": "acme", "project": "demo"}
    assert server.json("POST", "/api/query", {}, **where)[0] == 403
    assert server.json("POST", "/api/query", {}, action="describe", **where)[0] == 403
    assert server.request("GET", "/api/get", object=mine, **where)[0] == 403
    assert server.request("GET", "/api/list", object=mine, **where)[0] == 403
    assert server.json("POST", "/api/delete", {"project": "demo", "objects": [mine]}, **where)[0] == 403
    assert server.post({"hostname": "x"}, object=mine, resource="_kv", token=token)[0] in (400, 403)
    assert server.request("GET", "/api/config", token=token)[0] == 403
    assert server.bpg({"action": "get", "type": "configuration/users"},
                      token=token)["error"]["code"] == 5
    assert "error" in server.json("POST", "/api/login", f"token={token}")[1]


def test_a_query_token_reads_and_changes_nothing(server):
    mine = server.post(report())[1]["object"]
    token = make_token(server, "query:post")
    where = {"token": token, "universe": "acme", "project": "demo"}
    assert "response" in server.json("POST", "/api/query", {"select": ["hostname"]}, **where)[1]
    reply = server.json("POST", "/api/query", {"set": {"hostname": "x"}, "filter": [
        {"hostname": [["equal", "h1"]]}]}, **where)[1]
    assert reply["error"]["message"]
    assert server.post(report(), token=token)[0] == 403
    assert server.request("GET", "/api/get", object=mine, **where)[0] == 403


def test_a_token_is_for_its_own_project_and_universe(two):
    two.create("project", pid=0, deleted=0, name="second", owner=1, universe=1)
    token = make_token(two, "error:post query:post object:get")
    here = two.post(report(), token=token)[1]["object"]
    for universe, project in (("acme", "second"), ("other", "demo"), ("nope", "demo")):
        where = {"token": token, "universe": universe, "project": project}
        assert two.post(report(), **where)[0] == 403
        reply = two.json("POST", "/api/query", {"select": ["hostname"]}, **where)[1]
        assert "response" not in reply, (universe, project)
        assert two.request("GET", "/api/get", object=here, **where)[0] in (403, 404)


def test_tokens_and_secrets_are_not_in_the_log(server):
    token = make_token(server)
    server.post(report(), token=token)
    server.post(report(), "/acme/" + token + "/json")
    server.json("GET", "/api/get", token=server.token, project="demo", object="zzz")
    server.json("POST", "/api/login", "username=root&password=wrong-" + token)
    server.request("GET", "/nowhere/at/all?token=" + server.token)
    server.stop(signal.SIGTERM)
    server.log.seek(0)
    text = server.log.read()
    assert token not in text and server.token not in text and PASSWORD not in text


# ---- roles and universes ----

def test_a_guest_changes_nothing(server):
    mine = server.post(report())[1]["object"]
    guest = make_user(server, "gus", "guest")
    where = {"token": guest, "universe": "acme", "project": "demo"}
    assert "response" in server.json("POST", "/api/query", {"select": ["hostname"]}, **where)[1]
    for body in ({"set": {"hostname": "x"}, "filter": [{"hostname": [["equal", "h1"]]}]},
                 {"set": {"hostname": None}, "filter": [{"hostname": [["equal", "h1"]]}]}):
        assert server.json("POST", "/api/query", body, **where)[1]["error"]["message"]
    assert server.post(report(), token=guest)[0] == 403
    assert server.post(b"x", token=guest, object=mine, attachment_name="n")[0] == 403
    assert server.post({"hostname": "x"}, token=guest, object=mine, resource="_kv")[0] == 403
    assert server.json("POST", "/api/delete", {"project": "demo", "objects": [mine]}, **where)[0] == 403
    schema = server.bpg({"action": "schema"})["results"][0]["result"]
    for kind in schema:
        for action in ("create", "modify", "delete"):
            result = one(server, action, kind, guest, object={}, key={"id": 1, "uid": 1, "pid": 1},
                         fields={"name": "x"})
            assert "not authorised" in result["text"], (kind, action)
    assert server.query(select=["hostname"])["response"]["values"][0][1][0] == "h1"


def test_another_universe_is_out_of_sight(two):
    two.post(report())
    where = {"token": two.other, "universe": "acme", "project": "demo"}
    assert "error" in two.json("POST", "/api/query", {"select": ["hostname"]}, **where)[1]
    assert two.request("GET", "/api/get", object="1", **where)[0] == 404
    assert two.post(report(), **where)[0] == 404
    assert two.json("POST", "/api/delete", {"universe": "acme", "project": "demo", "objects": ["1"]},
                    token=two.other)[0] == 404
    for kind in ("users", "project", "universe"):
        for row in two.get(kind, token=two.other)["results"][0]["result"]:
            assert row.get("universe", row.get("id")) == 2, (kind, row)


@pytest.mark.parametrize("key", [{"project": 1}, {"owner": 1}, {"capabilities": "error:post"}, {},
                                 {"id": None}, "value"])
def test_tokens_of_another_universe_cannot_be_touched(two, key):
    token = make_token(two)
    if key == "value":
        key = {"id": token}
    assert one(two, "modify", "api_token", two.other, key=key,
               fields={"capabilities": "query:post object:get"})["text"] != "success"
    assert one(two, "delete", "api_token", two.other, key=key)["text"] != "success"
    rows = two.get("api_token")["results"][0]["result"]
    assert [row["capabilities"] for row in rows] == ["error:post"]
    assert two.post(report(), token=token)[0] == 200


def test_a_row_cannot_be_moved_into_another_universe(two):
    own = two.bpg({"action": "create", "type": "configuration/api_token",
                   "object": {"id": "0", "project": 2, "owner": 2,
                              "capabilities": "query:post"}}, token=two.other)
    row = [row for row in two.get("api_token")["results"][0]["result"] if row["project"] == 2][0]
    assert own["results"][0]["text"] == "success"
    result = one(two, "modify", "api_token", two.other, key={"id": row["id"]},
                 fields={"project": 1})
    assert "not authorised" in result["text"]
    assert one(two, "create", "api_token", two.other, object={
        "id": "0", "project": 1, "owner": 2, "capabilities": "query:post"})["text"] != "success"


def test_names_stay_unique_when_they_change(server):
    server.create("project", pid=0, deleted=0, name="second", owner=1, universe=1)
    make_user(server, "joe")
    for kind, key, fields in (("project", {"pid": 2}, {"name": "demo"}),
                              ("project", {"pid": 2}, {"name": "a/b"}),
                              ("users", {"uid": 2}, {"username": "root"})):
        assert one(server, "modify", kind, key=key, fields=fields)["text"] != "success", fields
    assert one(server, "modify", "project", key={"pid": 2},
               fields={"name": "second"})["text"] == "success"
    assert server.post(report())[0] == 200


def test_roles_are_checked_when_they_change(server):
    make_user(server, "joe", "guest")
    assert one(server, "modify", "users", key={"uid": 2},
               fields={"role": "gues"})["text"] != "success"


def test_the_last_administrator_stays(server):
    """Without one, the next start would let anybody on the machine set the server up again."""
    make_user(server, "joe", "admin")
    assert one(server, "delete", "users", key={"uid": 1}, cascade=True)["text"] != "success"
    assert one(server, "modify", "users", key={"uid": 1},
               fields={"superuser": 0})["text"] != "success"
    second = make_user(server, "ann", "admin", superuser=1)
    assert one(server, "modify", "users", second, key={"uid": 1},
               fields={"superuser": 0})["text"] == "success"


def test_a_key_names_one_row(server):
    for name in ("joe", "ann"):
        make_user(server, name)
    for key in ({"universe": 1}, {"superuser": 0}, {}):
        assert one(server, "modify", "users", key=key, fields={"role": "guest"})["text"] != "success"
        assert one(server, "delete", "users", key=key)["text"] != "success"
    assert len(server.get("users")["results"][0]["result"]) == 3


# ---- guesses ----

def collision(kind, name):
    """A user name that falls into the slot of another name, or of a peer (FNV-1a, 512 slots)."""
    def slot(kind, text):
        value = [0xcbf29ce484222325, 0xcbf29ce484222325]
        for n, word in enumerate((kind, text)):
            for byte in word.encode():
                value[n] = (value[n] ^ byte) * 0x100000001b3 % (1 << 64)
        return (value[0] ^ value[1]) % 512

    return next(guess for guess in (f"g{n}" for n in range(100000))
                if slot("user", guess) == slot(kind, name))


def test_guesses_at_other_names_do_not_free_the_way_to_one(server):
    names = ["root"] * 3 + [collision("user", "root"), collision("peer", "127.0.0.1")]
    texts = []
    for _ in range(4):
        for name in names:
            texts.append(server.json("POST", "/api/login",
                                     f"username={name}&password=bad")[1]["error"]["message"])
    assert sum("too many" not in text for text in texts) <= 7


def test_a_good_login_is_not_held_up_by_a_few_bad_ones(server):
    for _ in range(3):
        for _ in range(4):
            server.json("POST", "/api/login", "username=root&password=bad")
        server.login()
