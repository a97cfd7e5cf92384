"""Fixtures of the black-box tests: the staged installation and the right to touch the kernel."""

import json
import os
import pathlib
import signal
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from support import capture, kernel  # noqa: E402
from support.host import Host  # noqa: E402
from support.server import Server  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]


# Whoever starts the tests in the background may have these ignored, and so would all programs under
# test.
signal.signal(signal.SIGQUIT, signal.SIG_DFL)
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Answers of other builds and of programs of other days must not make a test pass.
os.environ["CORESNAP_CACHE"] = "none"


def pytest_configure(config):
    config.addinivalue_line("markers", "system: changes core_pattern; needs root and SYSTEM=1")


def pytest_collection_modifyitems(items):
    if kernel.system_tests_allowed():
        return
    skip = pytest.mark.skip(reason="changes core_pattern: needs root and SYSTEM=1")
    for item in items:
        if item.get_closest_marker("system"):
            item.add_marker(skip)


CRASHER = r"""
#include <stdlib.h>
static __attribute__((noinline)) void inner(volatile int *p) { *p = 1; }
static __attribute__((noinline)) void outer(volatile int *p) { inner(p); }
int main(void) { outer(0); return 0; }
"""


@pytest.fixture(scope="session")
def stage():
    """The folder that holds the installed tree (stage/opt/backtrace/...)."""
    given = os.environ.get("CSN_STAGE")
    if given:
        return pathlib.Path(given)
    build = ROOT / "build"
    target = build / "stage"
    subprocess.run(["meson", "install", "-C", build, "--quiet", "--destdir", target], check=True)
    return target


@pytest.fixture(scope="session")
def program(stage):
    """program("bt") is the path of an installed program."""

    def find(name):
        for folder in ("bin", "sbin"):
            path = stage / "opt/backtrace" / folder / name
            if path.exists():
                return str(path)
        raise FileNotFoundError(name)

    return find


@pytest.fixture(scope="session")
def crasher(tmp_path_factory):
    """A program that stores to address 0, three frames deep."""
    folder = tmp_path_factory.mktemp("crasher")
    (folder / "null.c").write_text(CRASHER)
    subprocess.run(["gcc", "-g", "-O1", "-o", folder / "null", folder / "null.c"], check=True)
    return folder / "null"


@pytest.fixture
def spool(program):
    """The helper alone, with a spool of its own; gone after the test."""
    with capture.new_spool(program) as made:
        yield made


@pytest.fixture
def make_host(stage, tmp_path):
    """make_host("workers = 2\\n") is a host of one's own, its daemon not started; gone after the test."""
    hosts = []

    def make(settings="", **keywords):
        hosts.append(Host(stage, tmp_path / f"host{len(hosts)}", settings, **keywords))
        return hosts[-1]

    yield make
    for host in hosts:
        host.close()


@pytest.fixture
def host(make_host):
    return make_host()


@pytest.fixture
def fresh(program, tmp_path):
    """A coronerd that nobody has set up yet."""
    server = Server(program, tmp_path / "data").start()
    yield server
    server.stop()


@pytest.fixture
def server(fresh):
    """A coronerd with organisation acme, administrator root (logged in) and project demo."""
    return fresh.set_up()


@pytest.fixture
def look(program, tmp_path):
    """The snapshot that ptrace makes of what its arguments name."""
    def run(*arguments):
        out = tmp_path / "snapshot.json"
        done = subprocess.run([program("ptrace"), "--format=json", "-o", out, *map(str, arguments)],
                              capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode in (0, 1), done.stderr
        return json.loads(out.read_text())

    return run
