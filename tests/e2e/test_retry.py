"""What coresnapd does when an analysis or the way to the server fails: waits, obeys, gives up, and
in the end has one object in the store for each crash."""

import contextlib
import datetime
import json
import os
import re
import subprocess
import time

import pytest

from support import hostile_net
from support.host import Host
from support.refuser import refuser
from support.server import Server
from support.world import wait_until

SOAK = float(os.environ.get("SOAK", "0"))

# Copies a report under its own uuid, as a ptrace that always succeeds.
MAKE_REPORT = """#!/bin/sh
for word in "$@"; do case $word in -o*) out=${{word#-o}} ;; esac; done
sed "s/@UUID@/${{out##*/}}/" {root}/report.json >"$out.part" && mv "$out.part" "$out"
"""
REPORT = {
    "uuid": "@UUID@", "timestamp": 1700000000, "lang": "c", "langVersion": "17", "agent": "test",
    "agentVersion": "1", "mainThread": "1", "classifiers": ["segv"],
    "threads": {"1": {"name": "main", "fault": True, "stack": [
        {"funcName": "crash", "address": "0x1000"}, {"funcName": "main", "address": "0x3000"}]}},
}


@pytest.fixture(scope="module")
def store(program, tmp_path_factory):
    """A real server with project demo; .post_token may post into it."""
    server = Server(program, tmp_path_factory.mktemp("store") / "data").start()
    server.set_up()
    server.post_token = server.create("api_token", id="0", project=1, owner=1,
                                      capabilities="error:post")["id"]
    yield server
    server.stop()


def sender(stage, folder, store, url, more=""):
    """A host with the real coroner; the hostname of what it sends is the folder's name."""
    host = Host(stage, folder, doubles=False)
    report = {**REPORT, "attributes": {"hostname": folder.name}}
    (host.root / "report.json").write_text(json.dumps(report))
    script = host._script("ptrace", MAKE_REPORT)
    host.conf.write_text(f"ptrace.path = {script}\ndefaults.command =\n" + host.conf.read_text())
    (host.root / "usr/local/etc").mkdir(parents=True)
    configure(host, store, url, more)
    return host


def configure(host, store, url, more=""):
    cf = host.root / "usr/local/etc/coroner.cf"
    cf.write_text(f"[universe]\nname = acme\nwrite = {url}\n{more}"
                  f"[token]\nblackhole = {store.post_token}\n")
    cf.chmod(0o600)


def stored(store, hostname):
    """How many objects of this host the store has."""
    rows = store.query(filter=[{"hostname": [["equal", hostname]]}],
                       fold={"timestamp": [["range"]]})["response"]["values"]
    return rows[0][2] if rows else 0


def test_a_refused_snapshot_goes_into_quarantine_and_the_next_is_sent(make_host):
    host = make_host("retry.max = 1h\n")
    host.tell("coroner.exit", 65)
    first = host.place(when=1000)
    host.start()
    host.wait_line(f"crash {first} moved to quarantine: coroner exit 65: coroner: told to fail; "
                   "it is not tried again by itself")
    host.tell("coroner.exit", "")
    second = host.place(when=2000)
    wait_until(lambda: host.objects() == [("blackhole", second)], "the second")
    status = json.loads(host.coresnap("status", "--json").stdout)
    failing, = status["failing"]
    assert (failing["stage"], failing["uuid"], failing["exit_status"]) == ("quarantine", first, 65)
    shown = host.coresnap("status").stdout
    assert "coroner: told to fail (attempt 1, given up)" in shown
    row, = json.loads(host.coresnap("list", "--json").stdout)
    assert (row["stage"], row["snapshot"], row["core"]) == ("quarantine", True, False)
    assert re.search(rf"^quarantine/{first[:12]}\.\.\. -s- vim\.basic .*\n\[pending\]/0O/0\.00B "
                     r"\[sending\]/0O/0\.00B \[quarantine\]/1O/", host.coresnap("list").stdout, re.M)
    # 'all' is what waits; what was given up is asked for by name.
    assert host.coresnap("retry", "all").returncode == 0
    time.sleep(0.3)
    assert host.names("quarantine") == [first]
    asked = host.coresnap("retry", f"quarantine/{first[:8]}")
    assert asked.returncode == 0, asked.stderr
    wait_until(lambda: ("blackhole", first) in host.objects(), "the first")
    assert host.names("quarantine") == []


def test_a_core_that_fails_every_analysis_is_given_up_after_five_also_over_restarts(make_host):
    host = make_host()
    host.tell("ptrace.exit", 2)
    host.start()
    uuid = host.place()
    wait_until(lambda: host.log().count("kept in pending") == 2, "two tries")
    host.end()
    host.start()
    host.wait_line(f"crash {uuid} moved to quarantine: ptrace exit 2: ptrace: told to fail")
    assert 4 <= host.log().count("kept in pending") <= 5
    assert host.names("quarantine") == [uuid] and host.empty()
    host.end()
    # Without a daemon the command does the work.
    host.tell("ptrace.exit", "")
    run = host.coresnap("retry", f"quarantine/{uuid[:8]}")
    assert run.returncode == 0, run.stderr
    assert host.objects() == [("blackhole", uuid)] and host.names("quarantine") == []


def test_a_missing_ptrace_is_not_the_cores_fault(make_host):
    host = make_host()
    script = (host.root / "ptrace").read_text()
    (host.root / "ptrace").unlink()
    host.start()
    uuid = host.place()
    wait_until(lambda: host.log().count("kept in pending: ptrace exit 127") >= 2, "two tries")
    state = json.loads((host.archive.parent / "state" / uuid).read_text())
    assert state["attempts"] >= 2 and state["blamed"] == 0
    (host.root / "ptrace").write_text(script)
    (host.root / "ptrace").chmod(0o755)
    host.wait_empty()


def test_a_refused_token_makes_its_project_wait_and_no_other(make_host):
    host = make_host("format.1 = bad %e /bad/\nformat.2 = good\n")
    coroner = host.root / "coroner"
    coroner.write_text(coroner.read_text().replace(
        "shift 3\n", "shift 3\n[ $1 != bad ] || [ ! -e {0}/bad ] || "
        "{{ echo try >>{0}/bad.tries; echo 'HTTP 403: no' >&2; exit 77; }}\n".format(host.root)
        .replace("{{", "{").replace("}}", "}")))
    (host.root / "bad").touch()
    bad = [host.place(when=1000 + i, exe="/usr/bin/bad") for i in range(3)]
    good = host.place(when=2000)
    host.start()
    wait_until(lambda: host.objects() == [("good", good)], "the other project's")
    wait_until(lambda: len((host.root / "bad.tries").read_text().split()) >= 2, "a second try")
    # One of the three stood for all each time.
    assert host.log().count("kept in sending: coroner exit 77") < 3 * 2
    assert sorted(host.names("sending")) == sorted(bad) and not host.names("quarantine")
    (host.root / "bad").unlink()
    host.wait_empty()
    assert [uuid for project, uuid in host.objects() if project == "bad"] == bad


FAULTS = {
    "rst_mid_body": ("exit 75", False),
    "rst_before_reply": ("exit 75", False),
    "truncated_200": ("exit 75", False),
    "busy": (r"exit 75.*Retry-After: 2\)", True),
    "busy_by_date": (r"exit 75.*Retry-After: [12]\)", True),
    "portal": ("exit 75.*is this an object store", False),
    "portal_json": ("exit 75.*names no object", False),
    "portal_redirect": ("exit 78.*no object store answers there", False),
    "portal_forbids": ("exit 77", False),
    "no_http": ("exit 7[58]", False),
    "nothing": ("exit 75", False),
}
if SOAK:  # a transfer that stands still is given up after 30 seconds
    FAULTS["hang_after_200"] = ("exit 75", False)


@pytest.fixture(scope="module")
def hosts(stage, store, tmp_path_factory):
    """A host behind each fault, all at work at once: (host, relay, uuid)."""
    with contextlib.ExitStack() as stack:
        made = {}
        for fault in FAULTS:
            relay = stack.enter_context(hostile_net.Relay(
                getattr(hostile_net, fault), 1, (store.host, store.port)))
            folder = tmp_path_factory.mktemp("net") / fault
            host = sender(stage, folder, store, f"http://127.0.0.1:{relay.port}")
            stack.callback(host.close)
            made[fault] = (host, relay, host.place())
            host.start(wait=False)
        yield made


@pytest.mark.parametrize("fault", FAULTS)
def test_whatever_the_network_does_the_store_has_the_crash_once(hosts, store, fault):
    """Fault 14: RST, truncated and false replies, refusals of portals, Retry-After in both forms."""
    told, obeys = FAULTS[fault]
    host, relay, uuid = hosts[fault]
    host.wait_line(f"crash {uuid} kept in sending: coroner {told}", 60)
    host.wait_empty(60)
    host.wait_line("processed in")
    assert stored(store, fault) == 1
    assert not host.names("quarantine")
    assert len(relay.when) == 2
    if obeys:
        assert relay.when[1] - relay.when[0] >= 1.0


def test_a_name_that_is_not_found_waits_until_it_is(stage, store, tmp_path):
    """Fault 14: DNS dead; and a resolver that comes back needs nobody's help."""
    host = sender(stage, tmp_path / "dns", store, "http://store.invalid:6097")
    try:
        uuid = host.place()
        host.start()
        host.wait_line(f"crash {uuid} kept in sending: coroner exit 75: .*store.invalid")
        configure(host, store, f"http://{store.host}:{store.port}")
        host.wait_empty()
        assert stored(store, "dns") == 1
    finally:
        host.close()


def certificate(folder, name, *dates):
    """A certificate of 127.0.0.1 that signs itself, as (file, key)."""
    paths = folder / f"{name}.pem", folder / f"{name}.key"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", paths[1], "-out", paths[0],
                    "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", *dates],
                   check=True, capture_output=True)
    return paths


@pytest.mark.parametrize("when", ["past", "future"])
def test_a_clock_that_is_two_years_off_costs_no_crash(stage, store, tmp_path, when):
    """Fault 14: to a clock that is off a good certificate is one of the past or of the future."""
    now = datetime.datetime.now(datetime.timezone.utc)
    begin = now + datetime.timedelta(days=-740 if when == "past" else 730)
    stale = signed_between(tmp_path, begin, begin + datetime.timedelta(days=10))
    good = certificate(tmp_path, "good", "-days", "10")
    ok = (200, {}, json.dumps({"response": "ok", "object": "1", "fingerprint": "ab"}).encode())
    with refuser(ok, certificate=stale) as bad, refuser(ok, certificate=good) as mended:
        host = sender(stage, tmp_path / when, store, bad.url, f"curl.ca_file = {stale[0]}\n")
        try:
            uuid = host.place()
            host.start()
            host.wait_line(f"crash {uuid} kept in sending: coroner exit 75: .*certificate")
            assert not bad.seen
            configure(host, store, mended.url, f"curl.ca_file = {good[0]}\n")
            host.wait_empty()
            assert len(mended.seen) == 1
        finally:
            host.close()


def signed_between(folder, begin, end):
    """As certificate, with these dates; openssl req knows no beginning."""
    form = "%y%m%d%H%M%SZ"
    (folder / "ca.cnf").write_text(
        f"[ca]\ndefault_ca = c\n[c]\ndir = {folder}\ndatabase = {folder}/index\n"
        f"new_certs_dir = {folder}\nserial = {folder}/serial\ndefault_md = sha256\n"
        "policy = p\nx509_extensions = x\n[p]\ncommonName = supplied\n"
        "[x]\nsubjectAltName = IP:127.0.0.1\n")
    (folder / "index").touch()
    (folder / "serial").write_text("01\n")
    subprocess.run(["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", folder / "stale.key", "-out",
                    folder / "stale.csr", "-subj", "/CN=127.0.0.1"], check=True, capture_output=True)
    subprocess.run(["openssl", "ca", "-batch", "-selfsign", "-config", folder / "ca.cnf", "-keyfile",
                    folder / "stale.key", "-in", folder / "stale.csr", "-out", folder / "stale.pem",
                    "-notext", "-startdate", begin.strftime(form), "-enddate", end.strftime(form)],
                   check=True, capture_output=True)
    return folder / "stale.pem", folder / "stale.key"
