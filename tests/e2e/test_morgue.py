"""morgue against the real object store: what the public client's acceptance asks of the pair."""

import copy
import gzip
import hashlib
import json
import os
import pty
import re
import select
import stat
import subprocess
import time
import uuid

import pytest

from support.refuser import refuser
from support.world import World

STACKS = {"A": ["std::vector<int>::at(unsigned long)", "session_close", "main"],
          "B": ["parse_header", "main"]}
PLAN = [("A", "h1", 1), ("A", "h1", 4), ("A", "h2", 10), ("B", "h1", 20)]


def report(stack, hostname, size, when):
    frames = [{"funcName": name, "library": "/usr/bin/demo"} for name in STACKS[stack]]
    return {"uuid": str(uuid.uuid4()), "timestamp": when, "lang": "c", "langVersion": "17",
            "agent": "test", "agentVersion": "1", "mainThread": "1",
            "threads": {"1": {"name": "demo", "fault": True, "stack": frames}},
            "classifiers": ["segv"],
            "attributes": {"hostname": hostname, "vm.rss.size": size, "application": "demo"}}


@pytest.fixture(scope="module")
def world(stage, tmp_path_factory):
    """A server with an organization, an administrator and the project blackhole."""
    made = World(stage, tmp_path_factory.mktemp("world") / "root")
    try:
        made.start_server()
        made.set_up()
        yield made
    finally:
        made.close()


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder, now = tmp_path_factory.mktemp("reports"), int(time.time())
    for i, (stack, hostname, size) in enumerate(PLAN):
        (folder / f"{i}.json").write_text(json.dumps(report(stack, hostname, size, now - 60 + i)))
    return sorted(folder.glob("*.json"))


@pytest.fixture(scope="module")
def demo(world, files):
    """The project demo with four objects in two groups; runs `morgue list demo ...`."""
    world.run("morgue", "project", "create", "demo")
    for file in files:
        out = world.run("morgue", "put", "demo", file, "--format=json").stdout
        assert re.search(rf"^{re.escape(str(file))}: Success", out, re.M)
        assert out.endswith("\nSuccess.\n")

    def found():
        return json.loads(world.run("morgue", "list", "demo", "--json").stdout).get("*", {})

    deadline = time.monotonic() + 10
    while found().get("count") != 4 and time.monotonic() < deadline:
        time.sleep(0.05)

    def run(*arguments, **keywords):
        return world.run("morgue", "list", "demo", *arguments, **keywords).stdout

    return run


def ids(demo, *arguments):
    return [row["id"] for row in json.loads(demo("--select=hostname", "--json", *arguments))["*"]]


# --- session ---

def test_a_fresh_server_is_set_up_once(stage, tmp_path):
    world = World(stage, tmp_path / "root")
    answers = tmp_path / "answers.json"
    answers.write_text(json.dumps({"dns_name": "x.test", "universe": "acme", "username": "root",
                                   "email": "r@x.org", "password": "pw1"}))
    world.env |= {"MORGUE_USERNAME": "root", "MORGUE_PASSWORD": "pw1"}
    try:
        world.start_server()
        out = world.run("morgue", "setup", world.url, "--setup_json", answers).stdout
        assert "unconfigured" in out and "/config/acme" in out
        assert out.endswith("\nSetup complete\n")
        again = world.run("morgue", "setup", world.url).stdout
        assert "configured" in again and "Logged in [" in again
        assert again.endswith("Setup complete\n")
        assert not (world.root / "var/lib/coronerd/setup.secret").exists()
    finally:
        world.close()


def test_incomplete_answers_are_named(world, tmp_path):
    answers = tmp_path / "answers.json"
    answers.write_text('{"universe":"acme"}')
    reply = (200, {}, b'{"results":[{"text":"success","result":[]}]}')
    with refuser((200, {}, b"0"), reply) as server:
        run = world.run("morgue", "setup", server.url, "--setup_json", answers, check=False)
    assert run.returncode == 1 and 'member "username" is missing' in run.stderr


def test_the_session_is_kept_as_the_public_client_keeps_it(world):
    out = world.run("morgue", "login", world.url).stdout
    assert re.fullmatch(r"Logged in \[.+\]\n", out)
    path = world.root / "morgue/current.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    state = json.loads(path.read_text())
    assert state["endpoint"] == world.url
    assert state["config"]["token"] and state["submissionEndpoint"].endswith("/post")


def test_a_wrong_password_says_so(world, tmp_path):
    before = copy.copy(world.env)
    world.env |= {"MORGUE_PASSWORD": "bad", "MORGUE_CONFIG_DIR": str(tmp_path / "other")}
    try:
        run = world.run("morgue", "login", world.url, check=False)
    finally:
        world.env = before
    assert run.returncode == 1
    assert re.search(r"Error: Unable to authenticate: (?!HTTP).+\.", run.stderr)
    assert not (tmp_path / "other").exists()


def test_logout_ends_the_session(world, tmp_path):
    before = copy.copy(world.env)
    world.env |= {"MORGUE_CONFIG_DIR": str(tmp_path / "other")}
    try:
        world.run("morgue", "login", world.url)
        assert world.run("morgue", "logout").stdout == "Logged out.\n"
        run = world.run("morgue", "list", "blackhole", check=False)
    finally:
        world.env = before
    assert run.returncode == 1 and run.stderr.startswith("Error: ")


def test_without_a_session_the_next_step_is_named(world, tmp_path):
    before = copy.copy(world.env)
    world.env |= {"MORGUE_CONFIG_DIR": str(tmp_path / "none")}
    try:
        run = world.run("morgue", "list", "blackhole", check=False)
    finally:
        world.env = before
    assert (run.returncode, run.stderr) == (1, "Error: not logged in; run 'morgue login URL'\n")


def converse(world, folder, arguments, answers, last):
    """Runs morgue in a terminal without MORGUE_USERNAME and MORGUE_PASSWORD; answers: (question,
    text) in order. Returns what the terminal showed."""
    env = {name: value for name, value in world.env.items() if not name.startswith("MORGUE_")}
    env["MORGUE_CONFIG_DIR"] = str(folder)
    pid, master = pty.fork()
    if pid == 0:
        os.execve(world.bin / "morgue", ["morgue", *arguments], env)
    seen, at = b"", 0

    def wait_for(text):
        nonlocal seen, at
        while text not in seen[at:]:
            assert select.select([master], [], [], 10)[0], seen
            try:
                seen += os.read(master, 4096)
            except OSError:
                raise AssertionError(seen) from None
        at = seen.index(text, at) + len(text)

    for question, text in answers:
        wait_for(question + b": ")
        time.sleep(0.05)
        os.write(master, text + b"\n")
    wait_for(last)
    os.close(master)
    os.waitpid(pid, 0)
    return seen


def test_the_password_is_asked_for_without_echo(world, tmp_path):
    password = world.password.encode()
    seen = converse(world, tmp_path / "asked", ["login", world.url],
                    [(b"Username", b"jdoe"), (b"Password", password)], b"Logged in [")
    assert b"jdoe" in seen and password not in seen


def test_set_up_asks_for_what_it_needs(stage, tmp_path):
    world = World(stage, tmp_path / "root")
    try:
        world.start_server()
        seen = converse(world, tmp_path / "m", ["setup", world.url],
                        [(b"DNS name of the server", b"x.test"), (b"Organization", b"acme"),
                         (b"Username of the administrator", b"root"), (b"E-mail", b"r@x.org"),
                         (b"Password", b"pw one"), (b"Password, again", b"pw one")],
                        b"Setup complete")
        assert b"pw one" not in seen
        world.env |= {"MORGUE_USERNAME": "root", "MORGUE_PASSWORD": "pw one"}
        assert "Logged in" in world.run("morgue", "login", world.url).stdout
    finally:
        world.close()


def test_the_one_time_secret_goes_only_to_this_machine(stage, tmp_path):
    world = World(stage, tmp_path / "root")
    data = world.root / "var/lib/coronerd"
    data.mkdir(parents=True)
    (data / "setup.secret").write_text("5e" * 32 + "\n")
    answers = tmp_path / "a.json"
    answers.write_text("{}")
    there = {"text": "success", "result": [{"id": 1, "name": "acme", "uid": 1}]}
    rows = (200, {}, json.dumps({"results": [there]}).encode())

    def token_sent(url, *arguments, **env):
        with refuser((200, {}, b"0"), rows) as server:
            before = copy.copy(world.env)
            world.env |= {name: value.format(server.url) for name, value in env.items()}
            try:
                world.run("morgue", "setup", url.format(server.url), "--setup_json", answers,
                          *arguments)
            finally:
                world.env = before
            sent = {seen["query"]["token"] for seen in server.seen[1:]}
        return sent.pop() if len(sent) == 1 else sent

    assert token_sent("{}") == "5e" * 32
    assert token_sent("http://store.test", http_proxy="{}") == "000000000"
    assert token_sent("http://127.0.0.1.store.test", http_proxy="{}") == "000000000"
    assert token_sent("http://store.test", "--secret=77", http_proxy="{}") == "77"


# --- projects and tokens ---

def test_projects_are_made_once_and_listed(world):
    assert world.run("morgue", "project", "create", "one").stdout == "Project create succeeded!\n"
    run = world.run("morgue", "project", "create", "one", check=False)
    assert run.returncode == 1 and re.search(r"Project create failed: .+", run.stderr)
    out = world.run("morgue", "projects", "list").stdout
    assert len(re.findall(r"^\d+: name=one, owner=jdoe$", out, re.M)) == 1
    assert world.run("morgue", "project", "create", "no/slash", check=False).returncode == 64


def test_tokens_are_made_listed_deleted_and_then_worthless(world, files):
    out = world.run("morgue", "token", "create", "--project=blackhole",
                    "--capability=error:post").stdout
    head, token, rest = out.split("\n", 2)
    assert head == "API token successfully created:" and re.fullmatch("[0-9a-f]{64}", token)
    assert re.search(r"capabilities=error:post,project=blackhole,owner=\d+", rest)
    cf = world.root / "try.cf"
    cf.write_text(f"[universe]\nwrite = {world.url}\n[token]\nblackhole = {token}\n")
    put = ["coroner", "-c", cf, "put", "blackhole", "blackhole", files[0]]
    assert re.fullmatch(r"[0-9a-f]{64} => [0-9a-f]+\n", world.run(*put).stdout)
    listed = world.run("morgue", "token", "list", "--project=blackhole").stdout
    assert token[:12] in listed
    assert "Deleting token [" in world.run("morgue", "token", "delete", token[:12]).stdout
    assert token[:12] not in world.run("morgue", "token", "list", "--project=blackhole").stdout
    assert world.run(*put, check=False).returncode == 77


def test_a_ready_coroner_cf_is_all_that_is_printed(world):
    out = world.run("morgue", "token", "create", "--project=blackhole", "--capability=error:post",
                    "--coroner-cf").stdout
    assert re.search(r"^\[universe\]\nname = yourcompany\nwrite = http://127\.0\.0\.1:\d+$", out, re.M)
    assert re.search(r"^\[token\]\nblackhole = [0-9a-f]{64}\n\Z", out, re.M)


def test_a_token_for_no_project_is_refused(world):
    run = world.run("morgue", "token", "create", "--project=nope", "--capability=error:post",
                    check=False)
    assert run.returncode == 1 and "there is no project 'nope'" in run.stderr


# --- put and get ---

def test_what_is_no_report_is_refused(world, tmp_path):
    junk = tmp_path / "junk"
    junk.write_text("junk")
    run = world.run("morgue", "put", "blackhole", junk, "--format=json", check=False)
    assert run.returncode == 1
    assert re.search(r"HTTP 4\d\d.*\(error \d+: .+\)", run.stderr)
    assert "Error: 1 of 1 submissions failed." in run.stderr


def test_compressed_files_are_unpacked_by_the_server(world, files, tmp_path):
    document = json.loads(files[0].read_text())
    document["uuid"], document["attributes"]["hostname"] = str(uuid.uuid4()), "zipped"
    packed = tmp_path / "b.json.gz"
    packed.write_bytes(gzip.compress(json.dumps(document).encode()))
    world.run("morgue", "put", "blackhole", packed, "--format=json", "--compression=gzip")
    out = world.run("morgue", "list", "blackhole", "--filter=hostname,equal,zipped",
                    "--select=hostname", "--json").stdout
    assert len(json.loads(out)["*"]) == 1


def test_objects_come_back_byte_for_byte(world, demo, files, tmp_path):
    sums = {hashlib.sha256(file.read_bytes()).digest() for file in files}
    for object_id in ids(demo):
        out = tmp_path / f"{object_id}.json"
        text = world.run("morgue", "get", "demo", object_id, "-o", out).stdout
        assert "Fetched 1 of 1 objects." in text
        sums.remove(hashlib.sha256(out.read_bytes()).digest())
        piped = world.run("morgue", "get", "demo", object_id, "-o", "-").stdout
        assert piped == out.read_text()
    assert not sums
    folder = tmp_path / "all"
    folder.mkdir()
    world.run("morgue", "get", "demo", *ids(demo), "-o", folder)
    assert len(list(folder.iterdir())) == 4


def test_an_object_that_is_not_there_leaves_no_file(world, demo, tmp_path):
    out = tmp_path / "o"
    run = world.run("morgue", "get", "demo", "fffffff", "-o", out, check=False)
    assert run.returncode == 1 and "HTTP 404" in run.stderr and not out.exists()


def test_the_servers_file_name_cannot_leave_the_folder(world, tmp_path):
    home = tmp_path / "folder"
    home.mkdir()
    with refuser((200, {"Content-Disposition": 'attachment; filename="../../x\x1b[31m.btt"'},
                  b"abc")) as server:
        state = json.loads((world.root / "morgue/current.json").read_text())
        (tmp_path / "m").mkdir()
        (tmp_path / "m/current.json").write_text(json.dumps({**state, "endpoint": server.url}))
        before = copy.copy(world.env)
        world.env |= {"MORGUE_CONFIG_DIR": str(tmp_path / "m")}
        try:
            run = world.run("morgue", "get", "demo", "1", "-o", home)
        finally:
            world.env = before
    file, = home.iterdir()
    assert file.read_bytes() == b"abc" and "\x1b" not in run.stdout and "\x1b" not in file.name


# --- list ---

def test_a_plain_list_shows_when_how_often_and_who_asked(demo):
    out = demo()
    assert re.match(r"\* [▁▂▃▄▅▆▇█]{32} \d+ (second|minute)s? ago\n", out)
    assert re.search(r"^First Occurrence: \w{3} \w{3} \d\d \d{4} \d\d:\d\d:\d\d GMT\+0000 \(UTC\)$",
                     out, re.M)
    assert re.search(r"^ +Occurrences: 4 \(100\.00%\)$", out, re.M)
    assert re.search(r"^jdoe: yourcompany/demo as of 1M ago \[\d+ us\]$", out, re.M)


def test_an_empty_project_is_only_the_footer(world):
    world.run("morgue", "project", "create", "empty")
    out = world.run("morgue", "list", "empty").stdout
    assert re.fullmatch(r"jdoe: yourcompany/empty as of 1M ago \[\d+ us\]\n", out)


def test_groups_by_fingerprint(demo):
    out = demo("--factor=fingerprint", "--histogram=hostname", "--head=callstack",
               "--unique=hostname")
    blocks = out.strip().split("\n\n")
    footer = blocks.pop()
    assert footer.startswith("jdoe: yourcompany/demo") and len(blocks) == 2
    a, = (block for block in blocks if "Occurrences: 3" in block)
    b, = (block for block in blocks if "Occurrences: 1 " in block)
    assert re.search(r"h1 ▆+ 2$", a, re.M) and re.search(r"h2 ▆+ 1$", a, re.M)
    assert "unique(hostname): 2" in a and "unique(hostname): 1" in b
    for block in (a, b):
        assert re.match(r"[0-9a-f]{64} ", block)
        assert re.search(r"^head\(callstack\):\n.* ← ", block, re.M)


def test_sorting_and_limits(demo):
    out = json.loads(demo("--factor=hostname", "--count=hostname", "--sort=-;count", "--limit=1",
                          "--json"))
    assert list(out) == ["h1"]
    assert out["h1"]["count"] == 3 and out["h1"]["count(hostname)"] == [3]
    rest = json.loads(demo("--factor=hostname", "--sort=-;count", "--offset=1", "--json"))
    assert list(rest) == ["h2"]


def test_objects_are_listed_by_id_with_their_date(demo):
    out = demo("--select=timestamp", "--select=hostname")
    assert out.startswith("*\n")
    assert len(re.findall(r"^#[0-9a-f]+ +\w{3} \w{3} \d\d .* ago\n  hostname: h[12]$", out, re.M)) == 4


def test_stacks_come_last_and_trimmed(demo):
    out = demo("--select=callstack", "--select=hostname", "--filter=hostname,equal,h2")
    assert re.search(r"  hostname: h2\n  callstack:\n    .*session_close ←", out)
    assert "unsigned long" not in out


@pytest.mark.parametrize("term, count", [
    ("hostname,equal,h1", 3), ("hostname,regular-expression,^h[12]$", 4),
    ("hostname,inverse-regular-expression,1", 1), ("hostname,contains,2", 1),
    ("hostname,not-contains,2", 3), ("hostname,is-set", 4), ("container.id,is-not-set", 4),
    ("vm.rss.size,at-least,10", 2), ("vm.rss.size,less-than,4", 1)])
def test_filters(demo, term, count):
    assert len(ids(demo, f"--filter={term}")) == count


def test_filters_of_time(demo):
    assert len(ids(demo, "--age=1h")) == 4
    assert len(ids(demo, "--time=2017-01-23,1h")) == 0
    assert len(ids(demo, "--no-implicit-filters")) == 4


def test_a_fingerprint_can_be_cut(demo):
    groups = list(json.loads(demo("--factor=fingerprint", "--json")))
    for group in groups:
        assert len(ids(demo, f"--fingerprint={group}")) == len(
            ids(demo, f"--fingerprint={group[:12]}"))


def test_arithmetic(demo):
    name = "vm.rss.size"
    out = json.loads(demo(f"--bin={name},2,0,20", f"--range={name}", f"--sum={name}",
                          f"--mean={name}", f"--min={name}", f"--max={name}", "--json"))["*"]
    assert out[f"range({name})"] == [1, 20] and out[f"sum({name})"] == [35]
    assert out[f"mean({name})"] == [8.75]
    assert out[f"min({name})"] == [1] and out[f"max({name})"] == [20]
    assert sum(bin_[2] for bin_ in out[f"bin({name})"]) == 4


def test_nothing_found_is_no_error(demo):
    for flags in ([], ["--select=hostname"]):
        out = demo("--filter=hostname,equal,zzz", *flags)
        assert re.search(r"^jdoe: yourcompany/demo as of 1M ago \[", out, re.M)


def test_csv_appends_a_selection(demo, tmp_path):
    out = tmp_path / "o.csv"
    for _ in range(2):
        demo("--select=hostname", f"--csv={out}")
    lines = [line.split(",") for line in out.read_text().splitlines()]
    assert len(lines) == 8 and all(int(hexa, 16) == int(decimal) for _, decimal, hexa in lines)


def test_verbose_tells_where_the_time_went(demo):
    out = demo("--verbose")
    for label in ("Rows", "Filter", "Group", "Aggregate", "Sort", "Total"):
        assert re.search(rf"^  {label}: \d+", out, re.M)
    assert "NaN" not in out and "nan" not in out


@pytest.mark.parametrize("arguments", [
    ("nope", "--select=a"), ("demo", "--filter=hostname,bogus-op,x"),
    ("demo", "--raw-query={\"fold\":7}"), ("demo", "--filter=hostname,regular-expression,(")])
def test_what_the_server_refuses_is_said_in_its_words(world, demo, arguments):
    run = world.run("morgue", "list", *arguments, check=False)
    assert run.returncode == 1, run.stdout
    assert re.search(r"^Error: (?!HTTP).+", run.stderr) and run.stderr.count("\n") == 1


def test_the_query_is_printed_and_not_sent(world):
    out = world.run("morgue", "list", "demo", "--query", "--factor=hostname").stdout
    query = json.loads(out)
    assert query["group"] == ["hostname"] and query["virtual_columns"] == []
    reply = json.loads(world.run("morgue", "list", "demo", "--raw").stdout)
    assert "response" in reply and "_" in reply


def test_describe_names_and_explains(world, demo):
    out = world.run("morgue", "describe", "demo", "^hostname$").stdout
    assert re.fullmatch(r"hostname: .+\n", out)
    rows = json.loads(world.run("morgue", "describe", "demo", "--json").stdout)
    assert rows and all(isinstance(row[key], str) for row in rows for key in ("name", "description"))


def test_a_server_that_is_down_is_one_line(world):
    world.run("morgue", "login", world.url)
    state = json.loads((world.root / "morgue/current.json").read_text())
    folder = world.root / "down"
    folder.mkdir()
    (folder / "current.json").write_text(json.dumps({**state, "endpoint": "http://127.0.0.1:1"}))
    before = copy.copy(world.env)
    world.env |= {"MORGUE_CONFIG_DIR": str(folder)}
    try:
        run = world.run("morgue", "list", "demo", check=False)
    finally:
        world.env = before
    assert run.returncode == 1
    assert re.fullmatch(r"Error: 127\.0\.0\.1:1: .+\n", run.stderr)


def test_colours_only_where_they_are_wanted(world, demo):
    assert "\x1b" not in demo()
    run = subprocess.run([world.bin / "morgue", "list", "demo"], capture_output=True, text=True,
                         env={**world.env, "FORCE_COLOR": "1"})
    assert "\x1b[" in run.stdout


def test_an_attribute_is_declared_asked_for_and_forgotten(demo, world, tmp_path):
    """As the guide has it: senders make attributes up, somebody declares them, lists show them."""
    body = report("A", "h1", 1, int(time.time()) - 30)
    body["attributes"]["floor"] = "third"
    world.run("morgue", "project", "create", "places")
    (tmp_path / "r.json").write_text(json.dumps(body))
    world.run("morgue", "put", "places", tmp_path / "r.json", "--format=json")
    refused = world.run("morgue", "list", "places", "--select=floor", check=False)
    assert refused.returncode == 1
    advice = re.search(r"declare it: morgue (attribute create places floor --type=\w+)", refused.stderr)
    out = world.run("morgue", *advice[1].split()).stdout
    assert out == "Attribute create succeeded!\n"
    assert "  floor: third" in world.run("morgue", "list", "places", "--select=floor").stdout
    again = world.run("morgue", "attribute", "create", "places", "floor", "--type=nonsense", check=False)
    assert again.returncode == 1 and "nonsense" in again.stderr
    out = world.run("morgue", "attribute", "delete", "places", "floor").stdout
    assert out == "Attribute delete succeeded!\n"
    assert world.run("morgue", "list", "places", "--select=floor", check=False).returncode == 1
    assert "no project" in world.run("morgue", "attribute", "create", "nope", "x",
                                     check=False).stderr
    assert world.run("morgue", "attribute", "create", "places", check=False).returncode == 64
