"""Metrics: OpenMetrics text on a socket and in a file, counted by helper and daemon together."""

import os
import pathlib
import re
import socket
import subprocess
import time

import pytest
from prometheus_client.openmetrics import parser

from support import capture, kernel
from support.world import wait_until

DOCS = pathlib.Path(__file__).parents[2] / "docs/metrics.md"


def parse(text):
    """Every sample by name and labels; the parser is strict, and so are we about the end."""
    assert text.endswith("# EOF\n") and text.count("# EOF") == 1
    samples = {}
    for family in parser.text_string_to_metric_families(text):
        assert family.documentation and family.type in ("counter", "gauge", "histogram"), family
        for sample in family.samples:
            key = (sample.name, *sorted(sample.labels.items()))
            assert key not in samples
            samples[key] = sample.value
    return samples


def value(samples, name, **labels):
    return samples[(name, *sorted(labels.items()))]


def ask(path, request=b"", shut=False):
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(10)
        client.connect(str(path))
        if request:
            client.sendall(request)
        if shut:
            client.shutdown(socket.SHUT_WR)
        answer = b""
        while block := client.recv(65536):
            answer += block
    return answer.decode()


@pytest.fixture
def served(make_host, tmp_path):
    path = tmp_path / "metrics"
    # Whoever else tests here may change core_pattern, which would wake the daemon.
    host = make_host(f"metrics.socket = {path}\ncore_pattern.manage = false\n")
    host.start()
    return host, path


def test_the_socket_answers_http_and_plain_readers(served):
    host, path = served
    host.place()
    host.wait_empty()
    host.wait_line("processed in")
    answer = ask(path, b"GET /metrics HTTP/1.0\r\nHost: x\r\n\r\n")
    head, text = answer.split("\r\n\r\n", 1)
    assert head.startswith("HTTP/1.0 200 ") and f"Content-Length: {len(text)}" in head
    assert "application/openmetrics-text; version=1.0.0" in head
    samples = parse(text)
    assert value(samples, "coresnap_sent_total") == 1
    assert value(samples, "coresnap_uploads_total") == 1
    assert value(samples, "coresnap_sent_bytes_total") > 0
    for request, shut in ((b"", False), (b"", True), (b"hello\n\n", False)):
        assert value(parse(ask(path, request, shut)), "coresnap_sent_total") == 1
    curl = subprocess.run(["curl", "-s", "--unix-socket", path, "http://localhost/metrics"],
                          capture_output=True, text=True, timeout=20)
    assert curl.returncode == 0 and parse(curl.stdout)


def test_everything_that_is_told_is_documented_and_the_reverse(served):
    _, path = served
    told = {re.sub(r"_(bucket|count|sum)$", "", key[0]) for key in parse(ask(path))}
    documented = set(re.findall(r"`(coresnap_\w+)(?:\{\w+\})?`", DOCS.read_text()))
    # Without objects there is no oldest one.
    assert told | {"coresnap_oldest_timestamp_seconds"} == documented


def test_hostile_clients_hold_nobody(served):
    host, path = served
    clients = []
    for number in range(40):
        client = socket.socket(socket.AF_UNIX)
        client.connect(str(path))
        client.sendall([b"G", b"GET / HTTP/1.0\r\n", os.urandom(900), b"\0" * 300][number % 4])
        clients.append(client)
    began = time.monotonic()
    assert parse(ask(path))
    assert time.monotonic() - began < 3
    host.place()
    host.wait_empty()
    for client in clients:
        client.close()
    assert parse(ask(path)) and host.daemon.poll() is None


def test_the_daemon_sleeps_between_questions(served):
    host, path = served
    ask(path)
    time.sleep(1.3)

    def switches():
        text = open(f"/proc/{host.daemon.pid}/status").read()
        return int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", text, re.M)[1])

    before = switches()
    time.sleep(1)
    assert switches() == before


def test_something_else_at_the_sockets_path_is_left_alone(make_host, tmp_path):
    path = tmp_path / "precious"
    path.write_text("mine")
    host = make_host(f"metrics.socket = {path}\n")
    host.start()
    host.wait_line("metrics.socket .*something else stands there")
    assert path.read_text() == "mine"


def test_failures_are_counted_by_class(make_host, tmp_path):
    path = tmp_path / "metrics"
    host = make_host(f"metrics.socket = {path}\n")
    host.start()
    for status, cls in ((75, "temporary"), (77, "denied"), (78, "configuration"), (65, "data")):
        host.tell("coroner.exit", status)
        host.place()
        host.wait_line(f"coroner exit {status}")
        host.tell("coroner.exit", "")
        host.coresnap("retry", "all")
        host.wait_empty()
        assert value(parse(ask(path)), "coresnap_upload_failures_total", **{"class": cls}) >= 1
    samples = parse(ask(path))
    assert value(samples, "coresnap_quarantined_total") == 1
    assert value(samples, "coresnap_objects", stage="quarantine") == 1
    assert value(samples, "coresnap_sent_total") == 3
    assert abs(value(samples, "coresnap_oldest_timestamp_seconds", stage="quarantine") - time.time()) < 60


def test_the_file_is_written_on_change_only_and_survives_restarts(make_host, tmp_path):
    path = tmp_path / "coresnap.prom"
    host = make_host(f"metrics.path = {path}\n")
    host.start()
    host.place()
    wait_until(lambda: path.exists() and value(parse(path.read_text()), "coresnap_sent_total") == 1,
               "the count")
    time.sleep(1.2)
    inode = path.stat().st_ino
    host.coresnap("retry", "all")
    time.sleep(1.2)
    assert path.stat().st_ino == inode
    host.end()
    host.start()
    host.place()
    wait_until(lambda: value(parse(path.read_text()), "coresnap_sent_total") == 2, "the second")


def test_status_shows_the_counters_and_says_that_damaged_ones_began_again(make_host):
    host = make_host()
    host.start()
    host.place()
    host.wait_empty()
    host.wait_line("processed in")
    record = host.archive.parent / "counters"
    wait_until(record.exists, "counters")
    assert '"sent":1' in host.coresnap("status", "--json").stdout.replace(" ", "")
    data = bytearray(record.read_bytes())
    data[200] ^= 1
    record.write_bytes(data)
    host.place()
    host.wait_line("counters were damaged; they begin again at zero")
    host.wait_empty()
    assert "began again at zero 1 times" in host.coresnap("status").stdout


@pytest.mark.skipif(not kernel.system_tests_allowed(), reason="changes core_pattern: run as root with SYSTEM=1")
def test_what_the_helper_knows_is_in_the_metrics(program, stage, tmp_path):
    exe = capture.compile_c(tmp_path, "dies", "int main(void) { volatile int *p = 0; return *p; }\n")
    with capture.new_spool(program) as spool:
        spool.set_policy(quota=0, rate_full=(2, 600), rate_notes=(1, 600))
        for number in range(5):
            spool.crash([exe])
            spool.core(min(number + 1, 3))
            time.sleep(0.1)
        conf, path = spool.root / "conf", spool.root / "metrics"
        conf.write_text(f"metrics.socket = {path}\ndump.quota = 1\nptrace.path = /bin/false\n")
        daemon = subprocess.Popen([stage / "opt/backtrace/sbin/coresnapd", "-f", "--root", spool.root,
                                   "-c", conf], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            wait_until(path.exists, "the socket")
            samples = parse(ask(path))
        finally:
            daemon.terminate()
            daemon.wait(20)
    assert value(samples, "coresnap_crashes_total") == 5
    assert value(samples, "coresnap_kept_total", evidence="full") == 2
    assert value(samples, "coresnap_kept_total", evidence="notes") == 1
    assert value(samples, "coresnap_ticks_total") == 2
    assert value(samples, "coresnap_refused_total", reason="rate") == 3
    assert value(samples, "coresnap_held_seconds_bucket", le="+Inf") == 5
    assert value(samples, "coresnap_held_seconds_bucket", le="2.0") == 5
    assert 0 < value(samples, "coresnap_held_seconds_sum") < 5
    assert value(samples, "coresnap_archived_bytes_total") > 10000
