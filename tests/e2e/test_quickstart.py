"""make quickstart: what a newcomer sees, line by line, and that core_pattern is put back."""

import os
import pathlib
import re
import signal
import subprocess
import time

import pytest

from support import kernel

ROOT = pathlib.Path(__file__).resolve().parents[2]
QUICKSTART = ROOT / "build/quickstart"
UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"


@pytest.fixture(scope="module", autouse=True)
def installed():
    subprocess.run(["meson", "install", "-C", ROOT / "build", "--quiet", "--no-rebuild",
                    "--destdir", QUICKSTART], check=True)


def quickstart(*before, **keywords):
    return subprocess.run([*before, ROOT / "tools/quickstart"], capture_output=True, text=True,
                          env={**os.environ, "ONESHOT": "1"}, timeout=120, **keywords)


@pytest.fixture(scope="module")
def shown(installed):
    if not kernel.system_tests_allowed():
        pytest.skip("changes core_pattern: needs root and SYSTEM=1")
    before = kernel.settled()
    run = quickstart()
    assert run.returncode == 0, run.stdout + run.stderr
    assert kernel.settled() == before
    return run.stdout


ARCHIVE = re.escape(str(QUICKSTART / "var/coresnap/archive"))
OPT = re.escape(str(QUICKSTART / "opt/backtrace"))
CF = re.escape(str(QUICKSTART / "usr/local/etc/coroner.cf"))

LINES = {
    "archived": rf"coresnap\[\d+\]: Crash dump archived in {ARCHIVE}/pending/(?P<uuid>{UUID})$",
    "ptrace": rf"coresnap\[\d+\]: Executing slave: {OPT}/bin/ptrace --faulted "
              rf"-o{ARCHIVE}/sending/(?P<uuid>{UUID}) --load=libc- --kv=coresnap.object:(?P=uuid) "
              rf"--resource={ARCHIVE}/assets/(?P=uuid) --core {ARCHIVE}/pending/(?P=uuid) "
              rf"\S*/vim[.\w]*$",
    "coroner": rf"coresnap\[\d+\]: Executing slave: {OPT}/bin/coroner -c {CF} put blackhole "
               rf"blackhole {ARCHIVE}/sending/(?P<uuid>{UUID})$",
    "processed": rf"coresnap\[\d+\]: crash (?P<uuid>{UUID}) processed in \d+ seconds?$",
    "list with the object": r"^(pending|sending)/[0-9a-f]{8}-[0-9a-f]{3}\.\.\. [c-][s-][a-] vim\S* "
                            r"\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4} \d+\.\d\d(B|kB|mB)$",
    "list empty": r"^\[pending\]/0O/0\.00B \[sending\]/0O/0\.00B$",
    "crash to query": r"^From the crash to found by a query: \d+\.\d{3} seconds$",
    "morgue sparkline": r"^\* [▁▂▃▄▅▆▇█]+ .*ago$",
    "morgue date": r"^ *Date: +\w{3} \w{3} \d\d \d{4} \d\d:\d\d:\d\d GMT[+-]\d{4}",
    "morgue occurrences": r"^ *Occurrences: 1( \(100\.00%\))?$",
    "morgue footer": r"^jdoe: yourcompany/blackhole as of \S+ ago \[\d+ us\]$",
    "factor group": r"^[0-9a-f]{64} [▁▂▃▄▅▆▇█]+ ",
    "head callstack": r"^ *head\(callstack\): *$",
    "callstack arrows": r" ← ",
    "histogram": r"^ *histogram\(hostname\): *$",
    "histogram bar": r"▆|█|▇",
    "bt thread": r"(?i)^Thread .*vim",
    "bt frame": r"^#0 +0x[0-9a-f]+ in \S+",
    "next": r"^== What to try next$",
}


@pytest.mark.parametrize("line", LINES)
def test_quickstart_shows(shown, line):
    assert re.search(LINES[line], shown, re.M), shown


def test_the_four_log_lines_speak_of_one_object_in_order(shown):
    places, uuids = [], set()
    for name in ("archived", "ptrace", "coroner", "processed"):
        match = re.search(LINES[name], shown, re.M)
        places.append(match.start())
        uuids.add(match["uuid"])
    assert len(uuids) == 1
    assert places == sorted(places)


@pytest.mark.system
def test_without_a_writable_core_pattern_it_says_so_and_shows_a_live_snapshot():
    read_only = ("mount --bind /proc/sys /proc/sys && "
                 "mount -o remount,ro,bind /proc/sys && exec \"$0\"")
    run = quickstart("unshare", "-m", "sh", "-c", read_only)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "core_pattern cannot be written here" in run.stdout
    assert re.search(r"^\$ ptrace \d+\n\S+\.\d+\.\d+\.btt$", run.stdout, re.M), run.stdout
    assert re.search(r"^[0-9a-f]{64} => [0-9a-f]+$", run.stdout, re.M), run.stdout
    assert re.search(LINES["morgue footer"], run.stdout, re.M)
    assert re.search(LINES["bt frame"], run.stdout, re.M)


@pytest.mark.system
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_core_pattern_is_put_back_however_it_ends(how, tmp_path):
    before = kernel.settled()
    out = tmp_path / "run.log"
    with open(out, "w") as log:
        process = subprocess.Popen([ROOT / "tools/quickstart"], stdout=log, stderr=log,
                                   env={k: v for k, v in os.environ.items() if k != "ONESHOT"},
                                   start_new_session=True,
                                   preexec_fn=lambda: signal.signal(signal.SIGINT,
                                                                    signal.SIG_DFL))
    try:
        deadline = time.monotonic() + 60
        while "Running until Ctrl-C" not in out.read_text():
            assert process.poll() is None and time.monotonic() < deadline, out.read_text()
            time.sleep(0.1)
        assert kernel.read(kernel.PATTERN) != before[0]
        if how == signal.SIGKILL:
            process.kill()
            process.wait()
            again = quickstart()
            assert again.returncode == 0, again.stdout + again.stderr
        else:
            os.killpg(process.pid, how) if how == signal.SIGINT else process.send_signal(how)
            process.wait(20)
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(20)
    assert kernel.settled() == before
