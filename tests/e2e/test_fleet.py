"""Two machines, each in a network of its own, report to one server through a router."""

import contextlib
import shutil
import subprocess

import pytest

from support import fleet, kernel
from support.world import wait_until

pytestmark = pytest.mark.system

RETRIES = ("retry.min = 1s", "retry.max = 2s")


@pytest.fixture
def machines(stage):
    """(network, store, {name: host}), with core_pattern locked."""
    if not shutil.which("ip") or not shutil.which("nsenter"):
        pytest.skip("needs iproute2 and util-linux")
    with kernel.locked(), contextlib.ExitStack() as stack:
        network = fleet.Network(stack)
        store = fleet.Store(stage, network.add("store"), stack, ["blackhole"])
        coroner_cf = store.client_configuration()
        hosts = {name: fleet.Host(stage, network.add(name), stack, coroner_cf, RETRIES)
                 for name in ("alpha", "beta")}
        yield network, store, hosts


def by_host(store):
    """Objects per host name."""
    rows = store.rows("blackhole", "--select=hostname", "--select=coresnap.object")["*"]
    names = [row["hostname"] for row in rows]
    assert len({row["coresnap.object"] for row in rows}) == len(rows)
    return {name: names.count(name) for name in set(names)}


def test_two_hosts_report_to_one_server_through_a_third(machines, crasher):
    network, store, hosts = machines
    for _ in range(2):
        for host in hosts.values():
            host.crash(crasher)
    wait_until(lambda: by_host(store) == {"alpha": 2, "beta": 2}, "four objects", 30, 0.2)

    # The way of one is cut: its crashes wait, the other's go on.
    network.cut(hosts["alpha"].place)
    for host in hosts.values():
        host.crash(crasher)
    wait_until(lambda: by_host(store) == {"alpha": 2, "beta": 3}, "beta's third", 30, 0.2)
    assert len(hosts["alpha"].spooled()) == 1
    network.mend(hosts["alpha"].place)
    wait_until(lambda: by_host(store) == {"alpha": 3, "beta": 3}, "alpha's third", 60, 0.2)
    wait_until(lambda: not any(host.spooled() for host in hosts.values()), "empty spools")

    # One bug, whoever saw it.
    groups = store.rows("blackhole", "--factor=fingerprint", "--unique=hostname")
    assert len(groups) == 1, groups
    shown = store.run("morgue", "-k", "list", "blackhole", "--factor=fingerprint",
                      "--histogram=hostname")
    assert "alpha" in shown and "beta" in shown and "Occurrences: 6" in shown, shown


def test_a_certificate_of_somebody_else_is_not_trusted(machines, crasher, tmp_path):
    """What takes the server's place gets nothing; the snapshot waits."""
    _, store, hosts = machines
    alpha = hosts["alpha"]
    other = tmp_path / "other.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                    "-subj", "/CN=other", "-keyout", tmp_path / "key.pem", "-out", other],
                   check=True, capture_output=True)
    cf = alpha.root / "usr/local/etc/coroner.cf"
    cf.write_text(cf.read_text().replace(str(store.certificate), str(other)))
    alpha.crash(crasher)
    wait_until(lambda: "certificate" in alpha.log.read_text(), "a word on the certificate")
    assert len(alpha.spooled()) == 1 and by_host(store) == {}
