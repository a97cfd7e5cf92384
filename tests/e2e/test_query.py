"""The query executor against a slow, obvious one: random queries over posted reports must give the
same JSON from both."""

import functools
import json
import os
import random
import re
import urllib.error
import urllib.parse
import urllib.request
import uuid

import pytest

from support.world import World

TEXT, NUMBER = "text", "number"
SEED = int(os.environ.get("CSN_QUERY_SEED", "20260101"))
QUERIES = int(os.environ.get("CSN_QUERIES", "1500"))
OBJECTS = 300
FIRST_TIME = 1700000000

# What the reference knows of the attributes: type and format.
COLUMNS = {
    "hostname": (TEXT, "hostname"), "application": (TEXT, "none"), "version": (TEXT, "none"),
    "classifiers": (TEXT, "labels"), "callstack": (TEXT, "callstack"),
    "fingerprint": (TEXT, "sha256"), "fingerprint;issues;state": (TEXT, "none"),
    "timestamp": (NUMBER, "unix_timestamp"), "pid": (NUMBER, "none"),
    "vm.rss.size": (NUMBER, "kilobytes"), "fault.address": (NUMBER, "memory_address"),
    "object": (NUMBER, "none"), "_tx": (NUMBER, "none"), "object.size": (NUMBER, "bytes"),
    "object.ticks": (NUMBER, "none"),
    "first_seen": (NUMBER, "unix_timestamp"), "_deleted": (NUMBER, "none"),
}
VIRTUAL = {"name": "q", "type": "quantize_uint",
           "quantize_uint": {"backing_column": "timestamp", "size": 3600, "offset": 100}}


# ---- the server, by plain HTTP ----

class Server:
    def __init__(self, world):
        self.world = world
        world.start_server()
        self.token = "000000000"
        self.create("universe", {"id": 0, "name": "yourcompany"})
        universe = self.rows("universe")[0]["id"]
        self.create("users", {"uid": 0, "superuser": 1, "method": "password", "username": "jdoe",
                              "universe": universe, "email": "j@x.test",
                              "password": b"correct horse".hex()})
        login = self.call("/api/login", form={"username": "jdoe", "password": "correct horse"})
        self.token = login["token"]
        self.create("project", {"pid": 0, "deleted": 0, "name": "demo", "universe": universe,
                                "owner": login["uid"]})

    def call(self, path, body=None, form=None, **arguments):
        query = urllib.parse.urlencode(arguments)
        data = (urllib.parse.urlencode(form).encode() if form is not None else
                body if isinstance(body, bytes) else json.dumps(body).encode())
        kind = "application/x-www-form-urlencoded" if form is not None else "application/json"
        request = urllib.request.Request(f"{self.world.url}{path}?{query}", data=data,
                                         headers={"Content-Type": kind})
        try:
            with urllib.request.urlopen(request, timeout=60) as reply:
                return json.loads(reply.read())
        except urllib.error.HTTPError as error:
            return json.loads(error.read())

    def bpg(self, action):
        reply = self.call("/api/bpg", {"actions": [action]}, token=self.token)
        result = reply["results"][0]
        assert result["text"] == "success", reply
        return result

    def create(self, kind, row):
        return self.bpg({"action": "create", "type": f"configuration/{kind}", "object": row})

    def rows(self, kind):
        return self.bpg({"action": "get", "type": f"configuration/{kind}"})["result"]

    @property
    def sender(self):
        return {"token": self.token, "universe": "yourcompany", "project": "demo"}

    def post(self, body, **more):
        return self.call("/api/post", body, **self.sender, format="json", **more)

    def query(self, body, project="demo", **more):
        return self.call("/api/query", body, token=self.token, universe="yourcompany",
                         project=project, **more)

    def response(self, body):
        reply = self.query(body)
        assert "error" not in reply, (body, reply)
        return reply["response"]


def make_document(rng, index):
    attributes = {"application": rng.choice(["vim", "httpd", "größe"])}
    if rng.random() < 0.9:
        attributes["hostname"] = rng.choice(["", "h1", "h2", "H1", "web-10.example", "web-9", "ü"])
    if rng.random() < 0.7:
        attributes["version"] = f"{rng.randrange(3)}.{rng.randrange(4)}"
    if rng.random() < 0.8:
        attributes["pid"] = rng.randrange(40)
    if rng.random() < 0.8:
        attributes["vm.rss.size"] = rng.choice([0, 1, rng.randrange(10**6), 2**40])
    if rng.random() < 0.5:
        attributes["fault.address"] = rng.choice([0, 0x18, 0x7fff00000000, 2**53])
    group = rng.randrange(8)
    frames = [f"f{group}_{depth}" for depth in range(1 + group % 4)]
    return {
        "uuid": str(uuid.UUID(int=rng.getrandbits(128), version=4)),
        # Few distinct times, so that ties are common.
        "timestamp": FIRST_TIME + rng.randrange(60) * 500, "lang": "c", "langVersion": "17",
        "agent": "test", "agentVersion": "1", "mainThread": "1",
        "classifiers": rng.choice([[], ["segv"], ["segv", "null"], ["abort"]]),
        "fingerprint": f"{group:x}" * 64, "attributes": attributes,
        "threads": {"1": {"name": "t", "fault": True,
                          "stack": [{"funcName": name} for name in frames]}},
    }


# ---- the reference ----

def row_of(document, object_id, size):
    row = dict(document["attributes"])
    frames = [frame["funcName"] for frame in document["threads"]["1"]["stack"]]
    row["callstack"] = json.dumps({"frame": frames}, separators=(",", ":"))
    if document["classifiers"]:
        row["classifiers"] = " ".join(document["classifiers"])
    row.update({"fingerprint": document["fingerprint"], "timestamp": document["timestamp"],
                "fingerprint;issues;state": "open", "object": object_id, "_tx": object_id,
                "object.size": size, "object.ticks": 0, "_deleted": 0,
                "q": (document["timestamp"] + 100) // 3600 * 3600 - 100})
    return row


def kind_of(name):
    return NUMBER if name == "q" else COLUMNS[name][0]


def sortable(value):
    return value.encode() if isinstance(value, str) else value


def compare(a, b):
    if a is None or b is None:
        return (a is not None) - (b is not None)
    a, b = sortable(a), sortable(b)
    return (a > b) - (a < b)


def as_number(text):
    return text if isinstance(text, int) else int(text, 0)


def holds(row, name, term):
    operator, value = term[0], row.get(name)
    wanted = term[1] if len(term) > 1 else None
    fold = len(term) > 2 and term[2].get("case_insensitive")
    if operator == "is-set":
        return value is not None
    if operator == "is-not-set":
        return value is None
    negative = {"not-equal": "equal", "not-contains": "contains",
                "inverse-regular-expression": "regular-expression"}
    if operator in negative:
        return not holds(row, name, [negative[operator], *term[1:]])
    if value is None:
        return False
    if kind_of(name) == NUMBER:
        wanted = as_number(wanted)
    elif operator == "regular-expression":
        return re.search(wanted, value, re.I if fold else 0) is not None
    elif fold:
        value, wanted = value.lower(), wanted.lower()
    if operator == "contains":
        return wanted in value
    order = compare(value, wanted)
    return {"equal": order == 0, "at-least": order >= 0, "greater-than": order > 0,
            "at-most": order <= 0, "less-than": order < 0}[operator]


def histogram(values):
    counts = {}
    for value in values:
        counts[value] = counts.get(value, 0) + 1
    return [list(pair) for pair in
            sorted(counts.items(), key=lambda pair: (-pair[1], sortable(pair[0])))]


def bins(values, everything, arguments):
    count = arguments[0] if arguments else 32
    if len(arguments) == 3:
        low, high = arguments[1:]
    elif everything:
        low, high = min(everything), max(everything)
    else:
        return []
    low = max(low, 0)
    span = max(high - low, 0)
    count = min(count, span) if span else 1
    edges = [low + span * i // count for i in range(count + 1)]
    result = [[edges[i], edges[i + 1], 0] for i in range(count)]
    for value in values:
        for i, one in enumerate(result):
            last = i == count - 1
            if one[0] <= value and (value < one[1] or (last and value <= high)):
                one[2] += 1
                break
    return result


def fold_cell(operation, name, rows, everything):
    op, arguments = operation[0], operation[1:]
    having = [row for row in rows if name in row]
    values = [row[name] for row in having]
    if op == "count":
        return [len(values)]
    if op == "unique":
        return [len(set(values))]
    if op == "sum":
        return [sum(values)]
    if op == "histogram":
        return histogram(values)[:arguments[0] if arguments else None]
    if op == "distribution":
        pairs = histogram(values)
        shown = arguments[0] if arguments else 3
        return [{"keys": len(pairs), "tail": sum(pair[1] for pair in pairs[shown:]),
                 "vals": pairs[:shown]}]
    if op == "bin":
        return bins(values, [row[name] for row in everything if name in row], arguments)
    if not values:
        return []
    by_time = sorted(having, key=lambda row: (row["timestamp"], row["object"]))
    by_id = sorted(having, key=lambda row: row["object"])
    low = min(values, key=sortable)
    high = max(values, key=sortable)
    return {"head": lambda: [by_time[0][name]], "tail": lambda: [by_time[-1][name]],
            "first": lambda: [by_id[0][name]], "last": lambda: [by_id[-1][name]],
            "object": lambda: [f"{by_id[-1]['object']:x}"], "min": lambda: [low],
            "max": lambda: [high], "range": lambda: [low, high],
            "mean": lambda: [sum(values) / len(values)]}[op]()


def element(operation, cell, index):
    if operation[0] == "histogram" or operation[0] == "bin":
        return len(cell)
    if operation[0] == "distribution":
        return cell[0]["keys"]
    if operation[0] == "object" and cell:
        return int(cell[0], 16)
    return cell[index] if index < len(cell) else None


def fold_format(operation, name):
    plain = operation[0] in ("count", "unique", "object")
    return "none" if plain else COLUMNS["timestamp" if name == "q" else name][1]


def page(items, query):
    start = query.get("offset", 0)
    return items[start:start + query["limit"]] if query.get("limit") else items[start:]


def aggregate(query, rows):
    groups = {}
    factor = query.get("group", [None])[0]
    for row in rows:
        groups.setdefault(row.get(factor), []).append(row)
    folds = [(name, operation) for name, operations in query.get("fold", {}).items()
             for operation in operations]
    result = []
    for key, members in groups.items():
        cells = [fold_cell(operation, name, members, rows) for name, operation in folds]
        result.append((key, cells, sum(1 + row["object.ticks"] for row in members)))

    def look(entry, term):
        if term == ";count":
            return entry[2]
        if term == ";group":
            return entry[0]
        name, *numbers = re.fullmatch(r"(.*?);(\d+)(?:;(\d+))?", term).groups()
        at = [i for i, fold in enumerate(folds) if fold[0] == name][int(numbers[0])]
        return element(folds[at][1], entry[1][at], int(numbers[1] or 0))

    def passes(entry, having):
        value, wanted = look(entry, having["property"][0]), having["params"][0]
        if value is None:
            return False
        return {">=": value >= wanted, "<": value < wanted, "==": value == wanted,
                "!=": value != wanted}[having["op"]]

    def order(a, b):
        for term in query.get("order", []):
            c = compare(look(a, term["name"]), look(b, term["name"]))
            if c:
                return -c if term["ordering"] == "descending" else c
        return b[2] - a[2] or compare(a[0], b[0])

    result = [entry for entry in result
              if all(passes(entry, having) for having in query.get("having", []))]
    result = page(sorted(result, key=functools.cmp_to_key(order)), query)
    return {"columns": [[f"{operation[0]}({name})", fold_format(operation, name)]
                        for name, operation in folds],
            "values": [["*" if key is None else key, cells, count]
                       for key, cells, count in result]}


def runs(values):
    result = []
    for value in values:
        if result and result[-1][0] == value and type(result[-1][0]) is type(value):
            result[-1][1] += 1
        else:
            result.append([value, 1])
    return result


def id_runs(ids):
    result = []
    for object_id in ids:
        if result and result[-1][0] + result[-1][1] + 1 == object_id:
            result[-1][1] += 1
        else:
            result.append([object_id, 0])
    return [[first, more] if more else [first] for first, more in result]


def select(query, rows):
    def order(a, b):
        for term in query.get("order", []):
            c = compare(a.get(term["name"]), b.get(term["name"]))
            if c:
                return -c if term["ordering"] == "descending" else c
        return b["object"] - a["object"]

    rows = page(sorted(rows, key=functools.cmp_to_key(order)), query)
    factor = query.get("group", [None])[0]
    groups = {}
    for row in rows:
        groups.setdefault(row.get(factor), []).append(row)
    names = list(dict.fromkeys(query["select"]))
    formats = [COLUMNS["timestamp" if name == "q" else name][1] for name in names]
    result = {"columns": [[name, form] for name, form in zip(names, formats)],
              "objects": [], "values": []}
    for key, members in groups.items():
        label = "*" if key is None else key
        result["objects"].append([label, id_runs([row["object"] for row in members])])
        for name in names:
            result["values"].append([label, *runs([row.get(name) for row in members])])
    if not groups:
        result["objects"] = [["*", []]]
    return result


def execute(query, rows):
    terms = [(name, term) for name, terms in query.get("filter", [{}])[0].items()
             for term in terms]
    found = [row for row in rows if all(holds(row, name, term) for name, term in terms)]
    return select(query, found) if "select" in query else aggregate(query, found)


def normal(value):
    """Floats to the digits the server prints; everything else as it is."""
    if isinstance(value, float):
        value = float(f"{value:.15g}")
        return int(value) if value.is_integer() else value
    if isinstance(value, list):
        return [normal(item) for item in value]
    if isinstance(value, dict):
        return {name: normal(item) for name, item in value.items()}
    return value


def text_of(value):
    return json.dumps(normal(value), sort_keys=True, ensure_ascii=False)


# ---- random queries ----

def random_term(rng, rows, name):
    values = [row[name] for row in rows if name in row] or [0]
    if kind_of(name) == NUMBER:
        operator = rng.choice(["equal", "not-equal", "at-least", "greater-than", "at-most",
                               "less-than", "is-set", "is-not-set"])
        value = rng.choice(values) + rng.choice([-1, 0, 0, 1])
        value = rng.choice([value, str(value), hex(value) if value >= 0 else str(value)])
    else:
        operator = rng.choice(["equal", "not-equal", "regular-expression", "contains",
                               "inverse-regular-expression", "not-contains", "at-least",
                               "less-than", "is-set", "is-not-set"])
        value = rng.choice(values)
        if "regular" in operator:
            value = rng.choice(["^h", "1$", "[12]", "^(web|h)", "e.*e", "f[0-3]_1", "."])
        elif "contains" in operator:
            value = value[rng.randrange(len(value) + 1):][:3]
    if operator in ("is-set", "is-not-set"):
        return [operator]
    if kind_of(name) == TEXT and value.isascii() and "least" not in operator \
            and "less" not in operator and rng.random() < 0.3:
        return [operator, value.upper() if "regular" not in operator else value,
                {"case_insensitive": True}]
    return [operator, value]


def random_filter(rng, rows, names):
    terms = {}
    for name in rng.sample(names, rng.choice([0, 1, 1, 2, 3])):
        terms[name] = [random_term(rng, rows, name) for _ in range(rng.choice([1, 1, 2]))]
    return [terms]


def random_fold(rng, name):
    ops = ["head", "tail", "first", "last", "object", "histogram", "distribution", "unique",
           "min", "max", "range", "count"]
    if kind_of(name) == NUMBER:
        ops += ["mean", "sum", "bin"]
    op = rng.choice(ops)
    if op == "distribution" and rng.random() < 0.7:
        return [op, rng.randrange(1, 6)]
    if op == "bin":
        low = rng.choice([0, 10, FIRST_TIME])
        return rng.choice([[op], [op, 5], [op, rng.randrange(1, 40), low,
                                           low + rng.choice([0, 3, 20, 30000])]])
    return [op]


def random_aggregate(rng, query, names):
    if rng.random() < 0.8:
        query["group"] = [rng.choice(names)]
    fold = {name: [random_fold(rng, name) for _ in range(rng.choice([1, 1, 2, 3]))]
            for name in rng.sample(names, rng.choice([0, 1, 2, 3]))}
    if fold:
        query["fold"] = fold
    properties = [";count", ";group"]
    for name, operations in fold.items():
        properties += [f"{name};{i}" for i in range(len(operations))]
        properties += [f"{name};{i};1" for i, one in enumerate(operations) if one[0] == "range"]
    query["order"] = [{"name": name, "ordering": rng.choice(["ascending", "descending"])}
                      for name in rng.sample(properties, rng.choice([0, 1, 1, 2]))]
    if rng.random() < 0.2:
        query["having"] = [{"property": [";count"], "op": rng.choice([">=", "<", "==", "!="]),
                            "params": [rng.randrange(1, 60)]}]


def random_query(rng, rows):
    names = [*COLUMNS, "q"]
    query = {"filter": random_filter(rng, rows, names), "virtual_columns": [VIRTUAL]}
    if rng.random() < 0.3:
        query["select"] = rng.sample(names, rng.randrange(1, 5))
        query["order"] = [{"name": name, "ordering": rng.choice(["ascending", "descending"])}
                          for name in rng.sample(names, rng.choice([0, 0, 1, 2]))]
        if rng.random() < 0.2:
            query["group"] = [rng.choice(names)]
    else:
        random_aggregate(rng, query, names)
    if rng.random() < 0.5:
        query["limit"] = rng.choice([1, 3, 20, 1000])
    if rng.random() < 0.2:
        query["offset"] = rng.randrange(10)
    return query


# ---- tests ----

@pytest.fixture(scope="module")
def server(stage, tmp_path_factory):
    made = Server(World(stage, tmp_path_factory.mktemp("query") / "root"))
    yield made
    made.world.close()


def send_ticks(server, rng, uuid_text):
    """A few batches for one object, one of them twice."""
    total = 0
    for _ in range(rng.randrange(1, 4)):
        batch = {"batch": str(uuid.UUID(int=rng.getrandbits(128), version=4)), "object": uuid_text,
                 "count": rng.choice([1, 2, 30, 10**9]), "first": FIRST_TIME, "last": FIRST_TIME + 9,
                 "hostname": "h1"}
        for duplicate in (False, True)[:rng.randrange(1, 3)]:
            reply = server.call("/api/tick", batch, **server.sender)
            assert (reply["response"], reply["duplicate"]) == ("ok", duplicate), reply
        total += batch["count"]
    return total


@pytest.fixture(scope="module")
def rows(server):
    rng = random.Random(SEED)
    result = []
    for index in range(OBJECTS):
        document = make_document(rng, index)
        body = json.dumps(document).encode()
        reply = server.post(body)
        assert reply.get("response") == "ok", reply
        result.append(row_of(document, int(reply["object"], 16), len(body)))
        if rng.random() < 0.1:
            result[-1]["object.ticks"] = send_ticks(server, rng, document["uuid"])
    first = {}
    for row in result:
        key = row["fingerprint"]
        first[key] = min(first.get(key, row["timestamp"]), row["timestamp"])
    for row in result:
        row["first_seen"] = first[row["fingerprint"]]
    return result


def test_random_queries_agree_with_the_reference(server, rows):
    rng = random.Random(SEED + 1)
    for number in range(QUERIES):
        query = random_query(rng, rows)
        wanted, got = text_of(execute(query, rows)), text_of(server.response(query))
        assert got == wanted, f"query {number} of seed {SEED}: {json.dumps(query)}"


def test_a_repeated_uuid_is_answered_with_the_first_object(server, rows):
    document = make_document(random.Random(SEED), 0)
    reply = server.post(json.dumps(document).encode())
    assert int(reply["object"], 16) == rows[0]["object"]
    assert server.response({})["values"][0][2] == crashes(rows)


def crashes(rows):
    return sum(1 + row["object.ticks"] for row in rows)


@pytest.mark.parametrize("wrong, part", [
    ({"count": 0}, "count"), ({"count": "7"}, "count"), ({"count": 10**12 + 1}, "count"),
    ({"batch": "x"}, "batch"), ({"object": "0x7"}, "object"), ({"hostname": "h" * 256}, "hostname"),
    ({"object": "00000000-0000-4000-8000-000000000000"}, "no object with this uuid"),
])
def test_a_wrong_batch_of_ticks_adds_nothing(server, rows, wrong, part):
    batch = {"batch": str(uuid.uuid4()), "object": make_document(random.Random(SEED), 0)["uuid"],
             "count": 1, "first": 1, "last": 2, "hostname": "h"}
    assert part in server.call("/api/tick", {**batch, **wrong}, **server.sender)["error"]["message"]
    assert server.response({})["values"][0][2] == crashes(rows)


def test_ticks_need_a_token_that_may_submit(server, rows):
    batch = {"batch": str(uuid.uuid4()), "object": make_document(random.Random(SEED), 0)["uuid"],
             "count": 1, "first": 1, "last": 2, "hostname": "h"}
    assert "error" in server.call("/api/tick", batch, token="0" * 64)
    assert server.response({})["values"][0][2] == crashes(rows)


def test_fields_of_the_request_become_attributes(server, rows):
    document = make_document(random.Random(1), 0)
    reply = server.post(json.dumps(document).encode(), dc="newyork")
    object_id = int(reply["object"], 16)
    got = server.response({"filter": [{"dc": [["equal", "newyork"]]}], "select": ["dc", "object"]})
    assert got["objects"] == [["*", [[object_id]]]]
    # Leave the objects as the other tests know them.
    server.call("/api/delete", {"universe": "yourcompany", "project": "demo",
                                "objects": [reply["object"]]}, token=server.token,
                universe="yourcompany")
    assert server.response({})["values"][0][2] == crashes(rows)


def test_an_attribute_is_usable_once_declared(server, rows):
    project = server.rows("project")[0]["pid"]
    document = make_document(random.Random(2), 0)
    document["attributes"].update({"load": 7, "reason": "unknown"})
    posted = server.post(json.dumps(document).encode())
    one = {"filter": [{"load": [["equal", 7]]}], "select": ["object", "load"]}
    assert "declare it" in server.query(one)["error"]["message"]
    described = server.query({}, action="describe", disabled="true")["describe"]
    assert [item["state"] for item in described if item["name"] == "load"] == ["disabled"]
    for name, kind in (("load", "uint64"), ("reason", "dictionary")):
        server.create("attribute", {"project": project, "name": name, "type": kind,
                                    "description": "of the test", "format": "none"})
    assert server.response(one)["objects"] == [["*", [[int(posted["object"], 16)]]]]

    # Declared and never sent: there, and set on no object.
    server.create("attribute", {"project": project, "name": "unsent", "type": "dictionary",
                                "description": "", "format": "none"})
    reply = server.response({"filter": [{"unsent": [["is-not-set"]]}]})
    assert reply["values"][0][2] == crashes(rows) + 1

    changed = server.query({"filter": [{"load": [["equal", "7"]]}], "set": {"reason": "oom"},
                            "virtual_columns": [], "table": "objects"})
    assert changed["response"]["result"] == "success"
    assert server.response({"group": ["reason"]})["values"][-1] == ["oom", [], 1]

    refused = server.call("/api/bpg", {"actions": [{
        "action": "modify", "type": "configuration/attribute",
        "key": {"project": project, "name": "reason"}, "fields": {"type": "uint8"}}]},
        token=server.token)["results"][0]["text"]
    assert "holds text values already" in refused
    server.bpg({"action": "delete", "type": "configuration/attribute",
                "key": {"project": project, "name": "load"}})
    assert "declare it" in server.query(one)["error"]["message"]
    server.call("/api/delete", {"universe": "yourcompany", "project": "demo",
                                "objects": [posted["object"]]}, token=server.token,
                universe="yourcompany")


@pytest.mark.parametrize("query, part", [
    ({"select": ["nope"]}, "nope"),
    ({"filter": [{"hostname": [["bogus-op", "x"]]}]}, "bogus-op"),
    ({"filter": [{"pid": [["equal", "abc"]]}]}, "not a number"),
    ({"filter": [{"hostname": [["regular-expression", "("]]}]}, "regular expression"),
    ({"fold": {"hostname": [["sum"]]}}, "text"),
])
def test_a_wrong_query_is_answered_with_its_reason(server, rows, query, part):
    assert part in server.query(query)["error"]["message"]


def test_an_unknown_project_is_an_error(server, rows):
    assert "nope" in server.query({}, project="nope")["error"]["message"]


def test_the_footer_has_what_clients_need(server, rows):
    footer = server.query({"group": ["hostname"]})["_"]
    assert footer["user"] == "jdoe"
    assert (footer["universe"], footer["project"]) == ("yourcompany", "demo")
    assert re.fullmatch(r"\d+ (us|ms|s)", footer["latency"])
    runtime = footer["runtime"]
    assert runtime["filter"]["rows"] == crashes(rows)
    assert {"filter", "group_by", "aggregate", "sort", "total_time"} <= set(runtime)


def test_describe_lists_every_attribute_in_use(server, rows):
    described = {item["name"]: item
                 for item in server.query({}, action="describe", disabled="false")["describe"]}
    for name in COLUMNS:
        assert isinstance(described[name]["description"], str)
        assert described[name]["state"] == "enabled"
    assert described["hostname"]["statistics"]["used"]
    assert not described["verdict"]["statistics"]["used"]
