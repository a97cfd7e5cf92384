"""What `morgue list` and `morgue describe` print for four known reports: three on host h1, one on
h2, two stacks."""

import json
import re
import time
import urllib.request
import uuid

import pytest

from support.world import World

A = ["store", "walk", "handle", "main"]
B = ["render", "main"]
REPORTS = [("h1", A, 1), ("h1", A, 4), ("h2", A, 10), ("h1", B, 20)]


def post(world, host, stack, n):
    report = {"uuid": str(uuid.uuid4()), "timestamp": int(time.time()), "lang": "c",
              "langVersion": "17", "agent": "test", "agentVersion": "1", "mainThread": "1",
              "classifiers": ["segv"], "attributes": {"hostname": host, "pid": n},
              "threads": {"1": {"name": "t", "fault": True,
                                "stack": [{"funcName": name} for name in stack]}}}
    request = urllib.request.Request(
        f"{world.url}/post?format=json&token={world.token()}", data=json.dumps(report).encode(),
        headers={"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as reply:
        assert json.loads(reply.read())["response"] == "ok"


@pytest.fixture(scope="module")
def world(stage, tmp_path_factory):
    made = World(stage, tmp_path_factory.mktemp("list") / "root")
    made.start_server()
    made.set_up()
    for one in REPORTS:
        post(made, *one)
    yield made
    made.close()


def morgue(world, *arguments, check=True):
    return world.run("morgue", *arguments, check=check)


def as_json(world, *arguments):
    return json.loads(morgue(world, "list", world.project, *arguments, "--json").stdout)


def test_the_plain_list(world):
    lines = morgue(world, "list", world.project).stdout.splitlines()
    assert lines[0].startswith("*")
    assert any("Occurrences: 4 (100.00%)" in line for line in lines)
    assert re.fullmatch(r"jdoe: yourcompany/blackhole as of 1M ago \[\d+ (us|ms|s)\]", lines[-1])


def test_groups_with_histogram_callstack_and_unique(world):
    text = morgue(world, "list", world.project, "--factor=fingerprint", "--histogram=hostname",
                  "--head=callstack", "--unique=hostname").stdout
    a, b = re.split(r"^[0-9a-f]{64}.*$", text, flags=re.M)[1:]
    assert "Occurrences: 3" in a and "Occurrences: 1" in b
    assert re.search(r"^\s*h1 .*2", a, re.M) and re.search(r"^\s*h2 .*1", a, re.M)
    assert "unique(hostname): 2" in a and "unique(hostname): 1" in b
    assert "store" in a.split("head(callstack)")[1] and "render" in b.split("head(callstack)")[1]


def test_sorted_by_count_and_limited(world):
    got = as_json(world, "--factor=hostname", "--count=hostname", "--sort=-;count", "--limit=1")
    assert list(got) == ["h1"]
    assert (got["h1"]["count"], got["h1"]["count(hostname)"]) == (3, [3])


def test_a_selection_prints_one_object_each(world):
    text = morgue(world, "list", world.project, "--select=timestamp", "--select=hostname").stdout
    assert len(re.findall(r"^#[0-9a-f]+ +\w{3} \w{3} ", text, re.M)) == 4
    assert len(re.findall(r"^  hostname: h[12]$", text, re.M)) == 4


@pytest.mark.parametrize("term, count", [
    ("hostname,equal,h1", 3), ("hostname,regular-expression,^h[12]$", 4),
    ("hostname,inverse-regular-expression,1", 1), ("hostname,contains,2", 1),
    ("hostname,not-contains,2", 3), ("hostname,is-set", 4), ("verdict,is-not-set", 4),
    ("pid,at-least,10", 2), ("pid,less-than,10", 2), ("pid,greater-than,10", 1),
    ("pid,at-most,10", 3)])
def test_filters(world, term, count):
    assert len(as_json(world, f"--filter={term}", "--select=hostname")["*"]) == count


def test_numbers(world):
    got = as_json(world, "--bin=pid,2,0,20", "--range=pid", "--sum=pid", "--mean=pid", "--min=pid",
                  "--max=pid")["*"]
    assert got["range(pid)"] == [1, 20]
    assert (got["sum(pid)"], got["mean(pid)"]) == ([35], [8.75])
    assert (got["min(pid)"], got["max(pid)"]) == ([1], [20])
    assert sum(bin_[2] for bin_ in got["bin(pid)"]) == 4


@pytest.mark.parametrize("arguments", [["--select=hostname"], [], ["--factor=fingerprint"]])
def test_no_match_is_no_error(world, arguments):
    result = morgue(world, "list", world.project, "--filter=hostname,equal,zzz", *arguments)
    assert "jdoe: yourcompany/blackhole" in result.stdout


def test_verbose_prints_the_phases(world):
    text = morgue(world, "list", world.project, "--verbose").stdout
    for word in ("Rows: ", "Filter: ", "Group: ", "Aggregate: ", "Sort: ", "Total: "):
        assert word in text
    assert "nan" not in text.lower() and "undefined" not in text


@pytest.mark.parametrize("arguments", [
    ["nope", "--select=hostname"], ["blackhole", "--filter=hostname,bogus-op,x"],
    ["blackhole", "--select=nosuchattribute"]])
def test_errors_name_their_cause(world, arguments):
    result = morgue(world, "list", *arguments, check=False)
    text = result.stdout + result.stderr
    assert result.returncode == 1
    assert re.search(r"Error: (?!HTTP).+", text)
    assert re.search("nope|bogus-op|nosuchattribute", text)


def test_describe(world):
    assert re.search(r"^hostname: .+", morgue(world, "describe", world.project, "host").stdout,
                     re.M)
    described = json.loads(morgue(world, "describe", world.project, "--json").stdout)
    assert all(isinstance(item["name"], str) and isinstance(item["description"], str)
               for item in described)
