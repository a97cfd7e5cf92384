"""The wire as the public command-line client speaks it, call by call, and what it must find in the
answers so as not to fall over: only documented requests, in the form in which they are sent."""

import gzip
import http.client
import json
import os
import re
import time
import urllib.parse

import pytest

from support.server import report

PLACEHOLDER = "000000000"  # what it sends while it is not logged in
ANSWERS = {"dns_name": "x.test", "universe": "acme", "username": "root", "email": "r@x.org",
           "password": "pw 1+&%"}
# Every type that some command looks at, with the fields that it reads or writes.
TOUCHED = {
    "listener": "id type dns_name", "universe": "id name",
    "users": "uid universe username email password method superuser role",
    "project": "pid universe name owner deleted",
    "api_token": "id project owner capabilities metadata", "token": "id project owner",
    "team": "id name universe tid", "team_member": "team user",
    "project_member_user": "project user role", "project_member_team": "project team role",
    "instance_retention": "id rules", "universe_retention": "universe id rules",
    "project_retention": "project id rules", "project_sampling": "project configuration disabled",
    "scrubber": "id project name regexp builtin format target enable",
    "report": "id project owner day hour include_users title rcpt period timezone widgets metadata",
    "attribute": "project name type description format", "query": "project name owner queries payload",
    "deduplication": "project name id rules languages platforms enabled owner priority",
    "signup_whitelist": "universe domain role method",
    "signup_pending": "token role method email username universe",
    "limits": "universe definition metadata", "resource_override": "uid universe name value owner",
    "server_side_actions": "project configuration enabled", "metric_group": "id project name",
    "metric": "metric_group name attribute_values"}


class Crash(Exception):
    """The client would have printed a stack trace."""


def percent(text):
    return urllib.parse.quote(str(text), safe="")


class Client:
    """Typed-in URL with a trailing slash: GETs append to it as text, POSTs use only its host."""

    def __init__(self, host, port):
        self.base = f"http://{host}:{port}/"
        self.host, self.port = host, port
        self.config = None

    def send(self, method, path, body=None, headers=()):
        connection = http.client.HTTPConnection(self.host, self.port, timeout=30)
        try:
            connection.putrequest(method, path, skip_accept_encoding=True)
            for name, value in headers:
                connection.putheader(name, value)
            if body is not None:
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            reply = connection.getresponse()
            data = reply.read()
            assert reply.getheader("Content-Encoding") is None, "never compress a response"
            return reply.status, data, {k.lower(): v for k, v in reply.getheaders()}
        finally:
            connection.close()

    @staticmethod
    def query(parameters):
        return "&".join(f"{name}={percent(value)}" for name, value in parameters.items())

    def get(self, path, **parameters):
        """base + path: with the slash typed at login this is //api/get."""
        return self.send("GET", "/" + path + ("?" + self.query(parameters) if parameters else ""))

    def post_json(self, path, body, headers=(), **parameters):
        status, data, _ = self.send(
            "POST", path + ("?" + self.query(parameters) if parameters else ""),
            json.dumps(body, separators=(",", ":")).encode(),
            [("Content-Type", "application/json"), *headers])
        reply = json.loads(data)
        if not isinstance(reply, dict):
            raise Crash("the reply is no object")
        return status, reply

    def post_form(self, path, **parameters):
        status, data, _ = self.send("POST", path, self.query(parameters).encode(),
                                    [("Content-Type", "application/x-www-form-urlencoded")])
        return status, json.loads(data)

    # ---- configuration objects ----

    def bpg(self, actions, token=None):
        """Appended to the base like a GET; the status is not looked at."""
        token = token or (self.config["token"] if self.config else PLACEHOLDER)
        _, data, _ = self.send("POST", f"//api/bpg?token={token}",
                               json.dumps({"actions": actions}).encode(),
                               [("Content-Type", "application/json")])
        return json.loads(data)

    def load(self, token=None):
        """Schema, then one request with a get for each of its types; every row is checked."""
        reply = self.bpg([{"action": "schema", "model": "configuration"}], token)
        if "error" in reply:
            raise Crash(reply["error"]["message"])
        self.schema = reply["results"][0]["result"]
        for kind, fields in self.schema.items():
            for name, field in fields.items():
                assert field["type"] in ("text", "integer", "blob"), (kind, name)
                assert all(isinstance(text, str) for text in field["constraints"])
        return self.reload(token)

    def reload(self, token=None):
        kinds = list(self.schema)
        reply = self.bpg([{"action": "get", "type": f"configuration/{kind}"} for kind in kinds],
                         token)
        if "error" in reply:
            raise Crash(f"code {reply['error']['code']}: {reply['error']['message']}")
        assert len(reply["results"]) == len(kinds)
        self.rows = {}
        for kind, result in zip(kinds, reply["results"]):
            assert result["text"] == "success", (kind, result)
            for row in result["result"]:
                self.check_row(kind, row)
            if result["result"]:  # a type without rows is `undefined`
                self.rows[kind] = result["result"]
        return self.rows

    def check_row(self, kind, row):
        fields = self.schema[kind]
        assert {name for name in row if not name.startswith("__")} == set(fields), kind
        for name, field in fields.items():
            wanted = int if field["type"] == "integer" else str
            value = row[name]
            assert value is None or type(value) is wanted, (kind, name, value)

    def key_of(self, kind, row):
        fields = self.schema[kind]
        names = [name for name in fields if "primary" in fields[name]["constraints"]]
        names = names or [name for name in fields
                          if {"unique", "autoincrement"} & set(fields[name]["constraints"])]
        assert names, kind
        for name in names:
            if name not in row:
                raise Crash(f"{kind}: the key {name} is not in the object")
        return {name: row[name] for name in names}

    def create(self, kind, keyed=True, **fields):
        action = {"action": "create", "type": f"configuration/{kind}", "object": fields,
                  "cascade": False}
        if keyed:
            action["key"] = self.key_of(kind, fields)
        return self.one(action)

    def one(self, action):
        reply = self.bpg([action])
        position = reply["actions"].index(action)  # found again by what it sent
        result = reply["results"][position]
        return result.get("string") or result["text"], result.get("result")

    def modify(self, kind, row, **fields):
        return self.one({"action": "modify", "type": f"configuration/{kind}",
                         "key": self.key_of(kind, row), "fields": fields, "cascade": False})[0]

    def delete(self, kind, row):
        return self.one({"action": "delete", "type": f"configuration/{kind}", "object": row,
                         "key": self.key_of(kind, row), "cascade": False})[0]

    # ---- commands ----

    def setup(self):
        status, text, _ = self.get("/api/is_configured")
        assert status == 200
        if int(text) == 1:
            return "configured"
        self.load()
        for _ in range(8):
            console = next(row for row in self.rows["listener"] if row["type"] == "http/console")
            if not console["dns_name"]:
                assert self.modify("listener", console, dns_name=ANSWERS["dns_name"]) == "success"
            elif "universe" not in self.rows:
                assert self.create("universe", id=0, name=ANSWERS["universe"])[0] == "success"
            elif "users" not in self.rows:
                assert self.create(
                    "users", uid=0, superuser=1, method="password",
                    universe=self.rows["universe"][0]["id"], username=ANSWERS["username"],
                    email=ANSWERS["email"],
                    password=ANSWERS["password"].encode().hex())[0] == "success"
            else:
                return f"{self.base}config/{self.rows['universe'][0]['name']}"
            self.reload()
        raise Crash("set-up goes round in circles")

    def login(self, **how):
        how = how or {"username": ANSWERS["username"], "password": ANSWERS["password"]}
        status, reply = self.post_form("/api/login", **how)
        if status != 200:
            raise Crash(f"HTTP {status}")
        if "error" in reply:
            return reply["error"]["message"]
        assert reply["token"] and isinstance(reply["endpoints"], dict)
        self.config = reply
        posts = reply["endpoints"]["post"]
        chosen = next((post for post in posts if post["protocol"] == "https"), posts[0])
        assert chosen["protocol"] == "http"
        self.submission_port = chosen["port"]
        return None

    def where(self, **more):
        return {"token": self.config["token"], "universe": next(iter(self.config["universes"])),
                "project": "demo", **more}

    def put(self, data, headers=(), content_type="application/octet-stream", **parameters):
        headers = ([("Content-Type", content_type)] if content_type else []) + list(headers)
        status, text, _ = self.send("POST", "/api/post?" + self.query(self.where(**parameters)),
                                    data, headers)
        return status, json.loads(text)

    def ask(self, body, **parameters):
        return self.post_json("/api/query", body, **self.where(**parameters))

    def list(self, **body):
        status, reply = self.ask({"virtual_columns": [], **body})
        assert status == 200 and "error" not in reply, reply
        envelope = reply["_"]
        assert envelope["user"] == "root" and envelope["universe"] == "acme"
        assert envelope["project"] == "demo" and int(envelope["latency"].split()[0]) >= 0
        return decode(reply["response"]), envelope["runtime"]


def decode(response):
    """As the client unpacks the two forms of answers; wrong run lengths would end it."""
    columns = [name for name, _ in response["columns"]]
    if "objects" not in response:
        out = {}
        for key, cells, count in response["values"]:
            assert len(cells) == len(columns)
            out[key] = {"count": count, **dict(zip(columns, cells))}
        return out
    assert columns or not response["values"], "endless loop"
    out, values = {}, iter(response["values"])
    for key, runs in response["objects"]:
        ids = [run[0] + n for run in runs for n in range((run[1] if len(run) > 1 else 0) + 1)]
        rows = [{"id": f"{number:x}"} for number in ids]
        for column in columns if response["values"] else ():
            cells = next(values)
            assert cells[0] == key
            flat = [cell[0] for cell in cells[1:] for _ in range(cell[1])]
            assert len(flat) == len(rows), column
            for row, value in zip(rows, flat):
                row[column] = value
        out[key] = rows
    assert next(values, None) is None
    return out


@pytest.fixture
def client(fresh):
    return Client(fresh.host, fresh.port)


@pytest.fixture
def demo(client):
    client.setup()
    assert client.login() is None
    client.load()
    text, _ = client.create("project", keyed=False, pid=0, deleted=0, name="demo",
                            owner=client.config["uid"], universe=client.config["universe"]["id"])
    assert text == "success"
    return client


@pytest.fixture
def four(demo):
    now = int(time.time())
    for number, (stack, host) in enumerate((("a", "h1"), ("a", "h1"), ("a", "h2"), ("b", "h1"))):
        status, reply = demo.put(json.dumps(report(host, stack, number + 1,
                                                   timestamp=now - 60 + number)).encode(),
                                 format="json")
        assert status == 200 and reply["response"] == "ok"
    return demo


# ---- session ----

def test_setup_from_nothing_to_the_end(client, fresh):
    assert client.get("/api/is_configured")[1].strip() == b"0"
    assert client.setup() == client.base + "config/acme"
    assert client.get("/api/is_configured")[1].strip() == b"1"
    assert client.setup() == "configured"
    with pytest.raises(Crash, match="code 5|not authorised"):
        client.load()  # the one read after the administrator was made is used up
    assert client.login() is None


def test_the_schema_has_what_the_commands_touch(demo):
    for kind, fields in TOUCHED.items():
        assert set(fields.split()) <= set(demo.schema[kind]), kind
    assert len(demo.schema) >= 24
    primaries = {kind: sorted(name for name, field in fields.items()
                              if "primary" in field["constraints"])
                 for kind, fields in demo.schema.items()}
    assert primaries["deduplication"] == ["name", "project"]
    assert primaries["project_retention"] == ["project"]
    assert primaries["team_member"] == ["team", "user"]


def test_login_forms_and_reply(demo):
    reply = demo.config
    assert type(reply["uid"]) is int and reply["user"]["uid"] > 0
    assert reply["universe"]["id"] > 0 and reply["universe"]["name"] == "acme"
    assert list(reply["universes"]) == ["acme"] and reply["services"] == []
    assert all(type(post["port"]) is int for post in reply["endpoints"]["post"])
    token = reply["token"]
    assert demo.login(username="root", password="bad") == "invalid user name or password"
    assert demo.login(token=token) is None and demo.config["token"] == token
    status, data, _ = demo.get("/api/config", token=token)
    assert status == 200 and isinstance(json.loads(data)["services"], list)


def test_logout_makes_the_token_worthless(demo):
    status, _, _ = demo.get("/api/logout", token=demo.config["token"])
    assert status == 200
    status, reply = demo.ask({})
    assert status != 200 and reply["error"]["message"]


def test_the_token_in_header_and_body(four):
    token = four.config["token"]
    headers = [("X-Coroner-Token", token), ("X-Coroner-Location", four.base)]
    parameters = {"universe": "acme", "project": "demo"}
    status, reply = four.post_json("/api/query", {"select": ["hostname"]}, headers, **parameters)
    assert status == 200 and "response" in reply
    assert "result" in json.loads(four.send(
        "POST", "//api/bpg", json.dumps({"token": token, "actions": [
            {"action": "get", "type": "configuration/project"}]}).encode(),
        [("Content-Type", "application/json")])[1])["results"][0]
    for wrong in (PLACEHOLDER, "00000", "", "x" * 64, "%00", "0" * 4000):
        status, data, _ = four.get("/api/get", token=wrong, project="demo", object="1")
        assert status in (401, 403) and json.loads(data)["error"]["message"]


# ---- configuration ----

def test_projects(demo):
    two = demo.bpg([{"action": "get", "type": "configuration/project"},
                    {"action": "get", "type": "configuration/users"}])["results"]
    assert [row["name"] for row in two[0]["result"]] == ["demo"]
    assert [row["username"] for row in two[1]["result"]] == ["root"]
    assert two[1]["result"][0]["email"] is not None and not two[1]["result"][0]["password"]
    text, _ = demo.create("project", keyed=False, pid=0, deleted=0, name="demo", owner=1, universe=1)
    assert text != "success" and "demo" in text
    row = two[0]["result"][0]
    assert demo.delete("project", row) == "success"
    assert "project" not in demo.reload()


def test_tokens(demo):
    text, row = demo.create("api_token", id="0000", project=1, owner=demo.config["uid"],
                            capabilities="error:post query:post")
    assert text == "success" and re.fullmatch("[0-9a-f]{64}", row["id"])
    assert row["capabilities"] == "error:post query:post"
    assert (row["project"], row["owner"]) == (1, demo.config["uid"])
    listed = demo.reload()["api_token"]
    match = [other for other in listed if row["id"][:12] in other["id"]]
    assert len(match) == 1 and match[0]["metadata"] is None
    assert demo.delete("api_token", match[0]) == "success"
    assert "api_token" not in demo.reload()
    status, reply = Client.put(demo, b"{}", format="json", token=row["id"])
    assert status in (401, 403) and type(reply["error"]["code"]) is int


def test_passwords_and_roles(demo):
    text, user = demo.create("users", uid=0, superuser=0, method="password", universe=1,
                             username="joe", email="", role="member", password="7031")
    assert text == "success" and not user["password"]
    assert demo.modify("users", user, password="s3cret".encode().hex(), role="guest") == "success"
    assert demo.login(username="joe", password="p1")
    assert demo.login(username="joe", password="s3cret") is None
    assert demo.config["user"]["role"] == "guest"


def test_teams_attributes_retention_and_deduplication(demo):
    text, team = demo.create("team", id=0, name="t", universe=1, tid=0)
    assert text == "success" and team["tid"] == team["id"] > 0
    assert demo.create("team_member", team=team["id"], user=1)[0] == "success"
    assert demo.create("project_member_team", project=1, team=team["id"], role="m")[0] == "success"
    assert demo.create("project_member_user", project=1, user=1, role="m")[0] == "success"
    rows = demo.reload()
    assert demo.delete("team_member", {"team": rows["team"][0]["tid"], "user": 1}) == "success"
    assert demo.create("attribute", project=1, name="reason", type="dictionary", description="why",
                       format="none")[0] == "success"
    assert demo.create("attribute", project=1, name="reason2", type="nonsense", description="",
                       format="none")[0] != "success"
    assert demo.reload()["attribute"][0]["name"] == "reason"
    assert demo.create("project_retention", project=1, id=0, rules="[]")[0] == "success"
    assert demo.modify("project_retention", {"project": 1}, rules='[{"criteria":[]}]') == "success"
    assert demo.create("deduplication", id=0, project=1, name="d", rules="[]", languages=None,
                       platforms=None, enabled=1, owner=1, priority=0)[0] == "success"
    row = demo.reload()["deduplication"][0]
    assert row["id"] > 0 and demo.modify("deduplication", row, priority=3) == "success"
    assert demo.reload()["deduplication"][0]["priority"] == 3
    assert demo.delete("deduplication", row) == "success"
    assert demo.delete("attribute", {"project": 1, "name": "reason"}) == "success"
    demo.reload()


def test_a_failed_action_is_a_result_and_the_others_go_on(demo):
    reply = demo.bpg([{"action": "create", "type": "configuration/nonsense", "object": {}},
                      {"action": "frobnicate", "type": "configuration/project"},
                      {"action": "modify", "type": "configuration/users", "key": {"uid": 99},
                       "fields": {"role": "guest"}, "cascade": False},
                      {"action": "delete", "type": "configuration/team", "key": {"id": 99}}, "x", None,
                      {"action": "get", "type": "configuration/project"}])
    texts = [result["text"] for result in reply["results"]]
    assert len(texts) == len(reply["actions"]) == 7 and texts[-1] == "success"
    assert all(text and text != "success" for text in texts[:-1])


# ---- queries ----

def test_the_list_without_flags(four):
    since = int(time.time()) - 30 * 86400
    rows, runtime = four.list(filter=[{"timestamp": [["at-least", since]]}],
                              fold={"timestamp": [["range"], ["bin", 32, since, since + 31 * 86400]]})
    assert rows["*"]["count"] == 4 and rows["*"]["bin(timestamp)"]
    assert sum(entry[2] for entry in rows["*"]["bin(timestamp)"]) == 4
    assert runtime["filter"]["rows"] >= 4
    for phase in ("filter", "group_by", "aggregate", "sort"):
        assert type(runtime[phase]["time"]) is int
    assert type(runtime["total_time"]) is int
    rows, _ = four.list(fold={"timestamp": [["range"], ["bin"]]})
    assert rows["*"]["bin(timestamp)"]


def test_groups_folds_and_cells(four):
    assert four.create("attribute", project=1, name="n", type="uint64", description="",
                       format="none")[0] == "success"
    rows, _ = four.list(group=["fingerprint"], fold={
        "hostname": [["head"], ["distribution", 2], ["histogram"], ["unique"], ["count"]],
        "n": [["mean"], ["max"], ["min"], ["sum"], ["range"]], "callstack": [["head"]],
        "timestamp": [["object"], ["range"], ["bin"]]},
        order=[{"name": ";count", "ordering": "descending"}])
    (first, a), (second, b) = rows.items()
    assert re.fullmatch("[0-9a-f]{64}", first) and first != second
    assert (a["count"], b["count"]) == (3, 1)
    assert a["unique(hostname)"] == [2] and a["count(hostname)"] == [3]
    assert a["histogram(hostname)"] == [["h1", 2], ["h2", 1]]
    distribution = a["distribution(hostname)"][0]
    assert set(distribution) >= {"keys", "tail", "vals"} and distribution["keys"] == 2
    assert json.loads(a["head(callstack)"][0])["frame"][0] == "a"
    assert all(isinstance(a[f"{op}(n)"], list) for op in ("mean", "max", "min", "sum", "range"))
    assert re.fullmatch("[0-9a-f]+", a["object(timestamp)"][0])


def test_selections_run_lengths_and_empty_answers(four):
    rows, _ = four.list(select=["timestamp", "hostname", "callstack", "fingerprint"])
    assert sorted(row["hostname"] for row in rows["*"]) == ["h1", "h1", "h1", "h2"]
    nothing = [{"hostname": [["equal", "zzz"]]}]
    status, reply = four.ask({"virtual_columns": [], "filter": nothing, "select": ["hostname"]})
    assert reply["response"]["objects"] == [["*", []]] and reply["response"]["values"] == []
    status, reply = four.ask({"virtual_columns": [], "filter": nothing,
                              "fold": {"timestamp": [["range"], ["bin"]]}})
    assert status == 200 and reply["response"]["values"] == [] and reply["_"]["runtime"]


@pytest.mark.parametrize("terms, count", [
    ([["equal", "h1"]], 3), ([["regular-expression", "^h[12]$"]], 4),
    ([["inverse-regular-expression", "1"]], 1), ([["contains", "2"]], 1),
    ([["not-contains", "2"]], 3), ([["is-set"]], 4), ([["is-not-set"]], 0),
    ([["equal", "H1", {"case_insensitive": True}]], 3),
])
def test_filters_are_strings(four, terms, count):
    rows, _ = four.list(filter=[{"hostname": terms}], fold={"hostname": [["count"]]})
    assert rows.get("*", {"count": 0})["count"] == count


def test_numbers_in_filters_are_strings_too(four):
    assert four.create("attribute", project=1, name="n", type="uint64", description="",
                       format="none")[0] == "success"
    status, reply = four.ask({"filter": [{"n": [["at-least", "1"], ["less-than", "3"]]}],
                              "virtual_columns": [{"name": "q", "type": "quantize_uint",
                                                   "quantize_uint": {"backing_column": "timestamp",
                                                                     "size": 3600, "offset": 86400}}],
                              "group": ["q"], "fold": {"n": [["sum"]]}})
    assert status == 200 and "error" not in reply, reply
    newest = four.list(select=["timestamp"], order=[{"name": "_tx", "ordering": "descending"}],
                       limit=1)[0]["*"]
    assert len(newest) == 1
    rows, _ = four.list(select=["timestamp"], filter=[{"_tx": [["less-than", "4"]]}])
    assert len(rows["*"]) < 4
    rows, _ = four.list(select=["timestamp"], filter=[{"_deleted": [["equal", "0"]]}])
    assert len(rows["*"]) == 4


def test_wrong_queries_are_errors_with_status_200(four):
    for body in ({"filter": [{"hostname": [["bogus-op", "x"]]}]}, {"select": ["nosuch"]},
                 {"fold": {"hostname": [["nonsense"]]}}):
        status, reply = four.ask({"virtual_columns": [], **body})
        assert status == 200 and reply["error"]["message"], body
    status, reply = four.post_json("/api/query", {"select": ["a"]}, **four.where(project="nope"))
    assert status == 200 and reply["error"]["message"]


def test_set_and_describe(four):
    assert four.create("attribute", project=1, name="reason", type="dictionary", description="",
                       format="none")[0] == "success"
    status, reply = four.ask({"filter": [{"hostname": [["equal", "h1"]]}], "virtual_columns": [],
                              "set": {"reason": "oom"}, "table": "objects"})
    assert status == 200 and "error" not in reply and reply["response"]["result"] == "success"
    assert reply["_"]
    rows, _ = four.list(filter=[{"reason": [["equal", "oom"]]}], fold={"reason": [["count"]]})
    assert rows["*"]["count"] == 3
    status, reply = four.ask({"filter": [{"hostname": [["equal", "h1"]]}], "virtual_columns": [],
                              "set": {"reason": None}})
    assert reply["response"]["result"] == "success"
    for disabled in ("false", "true"):
        status, reply = four.ask({}, action="describe", disabled=disabled)
        assert status == 200
        for item in reply["describe"]:
            assert isinstance(item["name"], str) and isinstance(item["description"], str)
            assert item["state"] in ("enabled", "disabled") and type(item["custom"]) is bool
            assert type(item["statistics"]["used"]) is bool
    assert "reason" in [item["name"] for item in reply["describe"]]


# ---- objects ----

def test_get_has_a_file_name_always(four):
    body = json.dumps(report("raw")).encode()
    identity = four.put(body, format="json")[1]["object"]
    status, data, headers = four.get("/api/get", **four.where(object=identity))
    assert status == 200 and data == body
    name = headers["content-disposition"].split("filename=")[1]
    assert name.strip('"') and "/" not in name
    for wrong in ("fffffff", "zzz", "", "-1", "1" * 40):
        status, data, _ = four.get("/api/get", **four.where(object=wrong))
        assert status == 404 and json.loads(data)["error"]["message"], wrong
    status, data, _ = four.get("/api/get", **four.where(object=identity, resource="json.gz"))
    assert status == 404


def test_put_in_its_forms(demo):
    status, reply = demo.put(json.dumps(report("plain")).encode(), format="json")
    assert status == 200 and reply["response"] == "ok" and reply["unique"] is True
    assert re.fullmatch("[0-9a-f]{64}", reply["fingerprint"])
    assert re.fullmatch("[0-9a-f]+", reply["object"])
    assert re.fullmatch("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", reply["_rxid"])
    packed = gzip.compress(json.dumps(report("packed")).encode())
    status, reply = demo.put(packed, [("Content-Encoding", "gzip")], format="json", sync="true")
    assert status == 200 and reply["unique"] is False
    boundary = "----formdata-1"
    parts = ['Content-Disposition: form-data; name="a"\r\n\r\n1',
             'Content-Disposition: form-data; name="upload_file"; filename="dir/b.json"\r\n'
             "Content-Type: application/octet-stream\r\n\r\n" + json.dumps(report("form")),
             'Content-Disposition: form-data; name="attachment_n.txt"; filename="n.txt"\r\n'
             "Content-Type: text/plain\r\n\r\nnote"]
    form = "".join(f"--{boundary}\r\n{part}\r\n" for part in parts) + f"--{boundary}--\r\n"
    status, reply = demo.put(form.encode(), content_type=f"multipart/form-data; boundary={boundary}",
                             format="json")
    assert status == 200, reply
    status, listed, _ = demo.get("/api/list", **demo.where(object=reply["object"]))
    assert [item["name"] for item in json.loads(listed)["attachments"]] == ["n.txt"]
    status, reply = demo.put(b"junk", format="json")
    assert 400 <= status < 500 and type(reply["error"]["code"]) is int
    assert reply["error"]["message"]
    for unknown in ("minidump", "plcrash", "symbols", "nonsense"):
        status, reply = demo.put(b"MDMP", format=unknown)
        assert 400 <= status < 500 and unknown in reply["error"]["message"]


def test_attachments_added_listed_got_and_deleted(four):
    identity = four.put(json.dumps(report()).encode(), format="json")[1]["object"]
    data = os.urandom(1000)
    status, reply = four.put(data, content_type=None, object=identity, attachment_name="n.txt")
    assert status == 200 and reply["object"] == identity
    assert reply["attachment_name"] == "n.txt" and reply["attachment_id"]
    status, text, _ = four.get("/api/list", **four.where(object=identity))
    item, = json.loads(text)["attachments"]
    assert item["name"] == "n.txt" and item["size"] == 1000 and item["id"] == reply["attachment_id"]
    assert item["content_type"] and item["inline"] is False
    for how in ({"attachment_name": "n.txt"}, {"attachment_id": item["id"]},
                {"attachment_name": "n.txt", "attachment_inline": "true"}):
        status, got, headers = four.get("/api/get", **four.where(object=identity, **how))
        assert status == 200 and got == data
        assert "n.txt" in headers["content-disposition"].split("filename=")[1]
    named = {"universe": "acme", "project": "demo", "sync": True,
             "objects": [{"id": identity, "attachment_name": "n.txt"}]}
    status, reply = four.post_json("/api/delete", named, token=four.config["token"],
                                   universe="acme")
    assert status == 200 and "error" not in reply
    status, text, _ = four.get("/api/list", **four.where(object=identity))
    assert json.loads(text)["attachments"] == []
    assert four.get("/api/get", **four.where(object=identity))[0] == 200


def test_deleting(four):
    rows = four.list(select=["hostname"])[0]["*"]
    ids = [row["id"] for row in rows]

    def delete(**body):
        return four.post_json("/api/delete", {"universe": "acme", "project": "demo", **body},
                              token=four.config["token"], universe="acme")

    status, reply = delete(objects=ids[:1], subsets=["physical"])
    assert status == 200 and "error" not in reply
    assert four.get("/api/get", **four.where(object=ids[0]))[0] == 404
    assert len(four.list(select=["hostname"])[0]["*"]) == 4
    for query in ({"filter": [{}], "virtual_columns": [], "select": ["object"]},
                  {"filter": [], "select": ["object"]}, {"filter": [{"timestamp": []}]}, {}):
        status, reply = delete(query=query, subsets=["physical"])
        assert status >= 400 and reply["error"]["message"], query
    status, reply = delete(query={"filter": [{"hostname": [["equal", "h2"]]}], "virtual_columns": [],
                                  "select": ["object"]})
    assert status == 200 and "error" not in reply
    assert len(four.list(select=["hostname"])[0]["*"]) == 3
    status, reply = delete(objects=ids, sync=True)
    assert status == 200
    assert four.list(fold={"hostname": [["count"]]})[0] == {}


def test_merge_and_the_walk_of_clean(four):
    groups, _ = four.list(group=["fingerprint"], fold={"hostname": [["count"]]},
                          order=[{"name": ";count", "ordering": "descending"}])
    for kind, wanted in (("merge", 1), ("unmerge", 2)):
        status, reply = four.ask({"actions": {"fingerprint": [
            {"type": kind, "arguments": list(groups)}]}})
        if status == 200 and "error" in reply:
            pytest.skip("merging comes later: " + reply["error"]["message"])
        assert len(four.list(group=["fingerprint"], fold={"hostname": [["count"]]})[0]) == wanted
    below, seen = None, []
    while True:
        terms = [["equal", next(iter(groups))]]
        body = {"filter": [{"fingerprint": terms}], "select": ["_tx"], "limit": 1,
                "order": [{"name": "_tx", "ordering": "descending"}]}
        if below is not None:
            body["filter"][0]["_tx"] = [["less-than", str(below)]]
        rows = four.list(**body)[0]["*"]
        if not rows:
            break
        seen.append(rows[0]["id"])
        below = rows[0]["_tx"]
    assert len(seen) == len(set(seen)) == 3
