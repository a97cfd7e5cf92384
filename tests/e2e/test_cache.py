"""Answers kept between runs: the same stacks, without opening debug information again."""

import os
import shutil
import subprocess

import pytest

from support import crashers


@pytest.fixture(scope="module")
def dead(tmp_path_factory):
    return crashers.Crashers(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def bt(program):
    return program("bt")


def run(bt, cache, *arguments):
    result = subprocess.run([bt, f"--cache={cache}", "-v", *map(str, arguments)],
                            capture_output=True, text=True, timeout=60)
    assert result.returncode in (0, 1), result.stderr
    return result.stdout


def opened(bt, cache, core, tmp_path):
    """Files that a run reads, by strace."""
    log = tmp_path / "strace"
    subprocess.run(["strace", "-o", log, "-e", "trace=openat,rename,renameat", bt,
                    f"--cache={cache}", "--core", core], check=False, stdout=subprocess.DEVNULL)
    return log.read_text()


@pytest.mark.parametrize("name,arguments", [("threads", ["20"]), ("exception", []),
                                            ("sigalt", []), ("nocfi", []), ("ways", ["badjump"])])
def test_the_second_run_says_what_the_first_said(dead, bt, tmp_path, name, arguments):
    core, _ = dead.core(name, *arguments)
    cache = tmp_path / "cache"
    without = run(bt, "none", "--core", core)
    assert not cache.exists()
    first, second = run(bt, cache, "--core", core), run(bt, cache, "--core", core)
    assert first == without and second == without
    assert list(cache.glob("*.idx")) and not list(cache.glob("*.part"))
    assert cache.stat().st_mode & 0o777 == 0o700


def test_a_known_stack_writes_nothing(dead, bt, tmp_path):
    core, _ = dead.core("exception")
    run(bt, tmp_path / "cache", "--core", core)
    if shutil.which("strace"):
        assert "rename" not in opened(bt, tmp_path / "cache", core, tmp_path)
    before = {path: path.stat().st_ino for path in (tmp_path / "cache").iterdir()}
    run(bt, tmp_path / "cache", "--core", core)
    assert before == {path: path.stat().st_ino for path in (tmp_path / "cache").iterdir()}


def test_debug_information_that_comes_later_is_looked_at(bt, tmp_path):
    own = crashers.Crashers(tmp_path)
    core, program = own.core("nullderef")
    debug = program.with_name(program.name + ".debug")
    subprocess.run(["objcopy", "--only-keep-debug", program, debug], check=True)
    subprocess.run(["objcopy", "--strip-all", f"--add-gnu-debuglink={debug}", program], check=True)
    hidden = debug.rename(tmp_path / "hidden")
    cache = tmp_path / "cache"
    assert "nullderef.c:" not in run(bt, cache, "--core", core)
    hidden.rename(debug)
    assert "nullderef.c:" in run(bt, cache, "--core", core)


def test_many_processes_share_a_folder(dead, bt, tmp_path):
    core, _ = dead.core("threads", "20")
    expected, cache = run(bt, "none", "--core", core), tmp_path / "cache"
    for _ in range(5):
        running = [subprocess.Popen([bt, f"--cache={cache}", "-v", "--core", core],
                                    stdout=subprocess.PIPE, text=True) for _ in range(8)]
        assert [process.communicate()[0] for process in running] == [expected] * 8


def test_the_folder_is_where_users_look_for_it(dead, bt, tmp_path):
    core, _ = dead.core("nullderef")
    env = {key: value for key, value in os.environ.items()
           if key not in ("CORESNAP_CACHE", "XDG_CACHE_HOME")}
    for more, folder in [({"CORESNAP_CACHE": str(tmp_path / "a")}, "a"),
                         ({"XDG_CACHE_HOME": str(tmp_path / "b")}, "b/coresnap"),
                         ({"HOME": str(tmp_path / "c")}, "c/.cache/coresnap")]:
        subprocess.run([bt, "--core", core], env={**env, **more}, check=False,
                       stdout=subprocess.DEVNULL)
        assert list((tmp_path / folder).glob("*.idx")), folder
