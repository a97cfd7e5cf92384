"""Programs that change themselves, and programs that do not: what --security says of them."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import time

import pytest

from support import crashers, terminal

# "@" stands for an address.
WAYS = {
    "nothing": None,
    "code": "code differs from its file: 2 bytes at @ (victim+1) in CHANGED",
    "library": "code differs from its file: 1 byte at @ (qsort+0) in LIBC",
    "entry": "entry for getpagesize at @ in CHANGED leads to @, anonymous memory",
    "data": "entry for getpagesize at @ in CHANGED leads to @, [heap]",
    "constructor": "constructor at @ in CHANGED leads to @, anonymous memory",
    "map": "writable and executable: @-@, anonymous memory",
    "stack": "writable and executable: @-@, [stack]",
    "jit": None,
}
GENERATED = {"entry": 4096, "constructor": 4096, "map": 4096, "jit": 4096, "stack": 4096}

CLEAN = {
    "python3": ["/usr/bin/python3", "-c", "import ssl, json, sqlite3, ctypes, time, decimal\n"
                                          "time.sleep(100)"],
    "perl": ["perl", "-e", "use POSIX; sleep 100"],
    "gdb": ["gdb", "-nx", "-q", "-batch", "-ex", "shell sleep 100"],
    "nginx": ["nginx", "-p", "FOLDER", "-c", "nginx.conf", "-g",
              "daemon off; pid FOLDER/pid; error_log FOLDER/log;"],
}


@pytest.fixture(scope="module")
def dead(tmp_path_factory):
    return crashers.Crashers(tmp_path_factory.mktemp("security"))


@contextlib.contextmanager
def living(dead, way):
    process = dead.start_sleeper(way, program=dead.build("changed"))
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def findings(snapshot, dead):
    told = snapshot.get("annotations", {}).get("security", [])
    told = told if isinstance(told, list) else [told]
    assert snapshot["attributes"]["security.findings"] == len(told)
    texts = [re.sub("0x[0-9a-f]+", "@", text) for text in told]
    texts = [text.replace(str(dead.folder / "changed"), "CHANGED") for text in texts]
    return [re.sub(r"/\S+/libc\.so\.6", "LIBC", text) for text in texts]


@pytest.mark.parametrize("way", WAYS)
def test_each_change_of_a_living_program_is_found_and_nothing_else(dead, look, way):
    with living(dead, way) as process:
        snapshot = look("--security", process.pid)
    # The kernel gives the stack's name to the part of it that holds where it began.
    told = [text.replace("anonymous memory", "[stack]") if way == "stack" else text
            for text in findings(snapshot, dead)]
    assert told == ([WAYS[way]] if WAYS[way] else [])
    generated = snapshot["attributes"]["security.generated.bytes"]
    assert generated // 4096 * 4096 == generated >= GENERATED.get(way, 0)
    assert bool(generated) == (way in GENERATED)
    assert snapshot["attributes"]["security.unchecked"] == 0


@pytest.mark.system
@pytest.mark.parametrize("way", WAYS)
def test_a_core_tells_the_same(dead, look, way):
    """The kernel writes code into cores only where the program has changed it."""
    with living(dead, way) as process:
        core = dead.folder / f"core-{way}"
        dead.core_of_child(core, process.pid, signal.SIGABRT)
    told = [text.replace("[stack]", "anonymous memory").replace("[heap]", "anonymous memory")
            for text in findings(look("--security", "--core", core), dead)]
    wanted = WAYS[way] and WAYS[way].replace("[stack]", "anonymous memory")
    assert told == ([wanted.replace("[heap]", "anonymous memory")] if wanted else [])


def test_without_the_option_nobody_looks(dead, look):
    with living(dead, "map") as process:
        snapshot = look(process.pid)
    assert not [name for name in snapshot["attributes"] if name.startswith("security.")]
    assert "security" not in snapshot.get("annotations", {})


@pytest.mark.parametrize("name", CLEAN)
def test_a_clean_program_has_no_finding(dead, look, tmp_path, name):
    if not shutil.which(CLEAN[name][0]):
        pytest.skip(f"{name} is not installed")
    (tmp_path / "nginx.conf").write_text("events {}\n")
    argv = [word.replace("FOLDER", str(tmp_path)) for word in CLEAN[name]]
    process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                               start_new_session=True)
    try:
        time.sleep(1)
        assert process.poll() is None
        assert findings(look("--security", process.pid), dead) == []
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def test_vim_has_no_finding(dead, look):
    with terminal.vim() as pid:
        assert findings(look("--security", pid), dead) == []
