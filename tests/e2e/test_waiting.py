"""What bt says while it is at work, and how it folds what is the same."""

import os
import pathlib
import pty
import re
import select
import signal
import subprocess
import time

import pytest

from support import crashers


@pytest.fixture(scope="module")
def dead(tmp_path_factory):
    return crashers.Crashers(tmp_path_factory.mktemp("waiting"))


@pytest.fixture(scope="session")
def bt(program):
    return program("bt")


def read_all(master, patience=20):
    """What is printed on the terminal until its last user is gone."""
    seen, end = b"", time.monotonic() + patience
    while time.monotonic() < end:
        if select.select([master], [], [], 0.2)[0]:
            try:
                seen += os.read(master, 65536)
            except OSError:  # EIO: everybody closed it
                break
    os.close(master)
    return seen.decode(errors="replace")


def halted(argv, after, **streams):
    """Runs argv and halts it and its children for longer than a second, as soon as it has run for
    so long."""
    process = subprocess.Popen([*map(str, argv)], stdin=subprocess.DEVNULL,
                               env={**os.environ, "TERM": "xterm"},
                               start_new_session=True, **streams)
    time.sleep(after)
    os.killpg(process.pid, signal.SIGSTOP)
    time.sleep(1.3)
    os.killpg(process.pid, signal.SIGCONT)
    return process


def test_what_takes_more_than_a_second_tells_on_the_terminal_what_it_is_at(dead, bt):
    core, _ = dead.core("threads", "1000")
    for attempt in range(40):
        master, slave = pty.openpty()
        process = halted([bt, "--core", core], 0.004 * (attempt + 1), stdout=subprocess.DEVNULL,
                         stderr=slave)
        os.close(slave)
        said = read_all(master)
        assert process.wait(20) == 0
        if re.search(r"\rbt: (unwinding thread \d+ of 1001|names of \S+|source positions of \S+)",
                     said):
            assert said.endswith("\r\033[K"), "it is wiped away"
            return
    pytest.fail("bt never said what it was at")


def test_nothing_is_told_elsewhere(dead, bt, tmp_path):
    core, _ = dead.core("threads", "1000")
    for after in (0.01, 0.03):
        with open(tmp_path / "err", "w+") as err:
            process = halted([bt, "--core", core], after, stdout=subprocess.DEVNULL, stderr=err)
            assert process.wait(20) == 0
            err.seek(0)
            assert err.read() == ""


def test_threads_with_one_stack_are_told_once_with_their_number_and_ids(dead, bt):
    core, _ = dead.core("threads", "1000")
    text = subprocess.run([bt, "--core", core], capture_output=True, text=True).stdout
    heads = re.findall(r"^Threads? .*:$", text, re.M)
    assert len(heads) <= 12 and "\033" not in text
    shared = sum(map(int, re.findall(r"\((\d+) threads\)", "\n".join(heads))))
    assert shared + sum(head.startswith("Thread ") for head in heads) == 1001
    assert any(re.match(r"Threads \d+( \"threads\")?(, \d+( \"threads\")?){7} and \d+ more \(", head)
               for head in heads), heads


def test_a_recursion_is_told_once_unless_all_is_asked_for(dead, bt):
    core, _ = dead.core("deep")
    text = subprocess.run([bt, "--depth=0", "--core", core], capture_output=True, text=True).stdout
    assert re.search(r"^     \.\.\. 1\d{5} more frames of the same call$", text, re.M), text[:2000]
    assert len(text.splitlines()) < 20
    verbose = subprocess.run([bt, "-v", "--core", core], capture_output=True, text=True).stdout
    assert verbose.count(" in descend ()") > 1000 and "\nThread" in verbose


def test_completion_is_installed_where_bash_looks(stage):
    for name in ("bt", "ptrace"):
        path = pathlib.Path(stage) / "usr/share/bash-completion/completions" / name
        result = subprocess.run(
            ["bash", "--norc", "-c", f'. "{path}" && complete -p {name} && compgen -W "$('
             f'complete -p {name} | sed "s/.*-W .\\(.*\\). {name}/\\1/")" -- --co'],
            capture_output=True, text=True)
        assert "--core" in result.stdout.splitlines(), result.stdout + result.stderr
