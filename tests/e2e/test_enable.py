"""coresnap enable and disable: what the kernel had before comes back exactly, through crashes, upgrades and
removal; a line that the kernel does not follow is not left behind."""

import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys

import pytest

from support import kernel
from support.clinic import ARGUMENTS, USER, Clinic
from support.world import wait_until

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

CRASH = [sys.executable, "-c", "import os; os.abort()"]


@pytest.fixture
def clinic(stage):
    made = Clinic(stage)
    try:
        yield made
    finally:
        made.close()


@contextlib.contextmanager
def kernel_is_ours(clinic):
    """core_pattern for a moment; whatever happens it is put back."""
    with kernel.locked():
        try:
            yield
        finally:
            with contextlib.suppress(FileNotFoundError):
                clinic.run("coresnap", "disable", check=False)


def state():
    return kernel.read(kernel.PATTERN), kernel.read(kernel.PIPE_LIMIT)


def crash():
    child = subprocess.Popen(CRASH, stderr=subprocess.DEVNULL)
    return os.WCOREDUMP(os.waitpid(child.pid, 0)[1])


def wait_cores(clinic, number):
    wait_until(lambda: len(clinic.spooled()) == number, f"{number} cores")


@pytest.mark.system
@pytest.mark.parametrize("before, limit", [
    ("", 0), ("core", 0), ("core.%e.%p", 5), ("/var/crash/%E %p", 0), ("a" * 127, 7), ("%%|%p  x", 1),
    ("|/usr/share/apport/apport -p%p -s%s -c%c -d%d -P%P -u%u -g%g -F%F -- %E", 0),
    ("|/usr/lib/systemd/systemd-coredump %P %u %g %s %t 9223372036854775808 %h %d %F", 16),
])
def test_what_was_there_comes_back_exactly(clinic, before, limit):
    """Attack 25: uninstalling restores what was there, also after a second enable."""
    with kernel_is_ours(clinic):
        kernel.write(kernel.PIPE_LIMIT, str(limit))
        kernel.write(kernel.PATTERN, before + "\n")
        was = state()
        for _ in range(2):
            clinic.run("coresnap", "enable")
            assert state() == (f"|{clinic.helper} {ARGUMENTS}", "64")
        clinic.run("coresnap", "disable")
        assert state() == was == (before, str(limit))
        clinic.run("coresnap", "disable")
        assert state() == was


@pytest.mark.system
def test_enable_checks_with_a_crash_that_the_line_works(clinic):
    """Attack 25: written, read back, and a canary crashed."""
    with kernel_is_ours(clinic):
        run = clinic.run("coresnap", "enable", "--check")
        name, = [path.name for path in clinic.spooled()]
        assert re.search(rf"\nchecked: a crash was archived in \d+ ms: {clinic.spool}/pending/{name}\n",
                         run.stdout)
        again = clinic.run("coresnap", "enable", "--check", check=False)
        assert again.returncode == 75 and "less than a minute ago" in again.stderr
        assert state()[0].startswith(f"|{clinic.helper} ")


@pytest.mark.system
@pytest.mark.parametrize("helper, said", [
    ("#!/no/such/interpreter\n", "the kernel did not run the helper"),
    ("#!/bin/sh\nexit 0\n", "did not arrive in pending/"),
])
def test_a_line_that_loses_crashes_is_not_left_behind(clinic, helper, said):
    """Attack 25: a line that the kernel takes and does not follow is found by the canary and undone."""
    clinic.helper.unlink()
    clinic.helper.write_text(helper)
    clinic.helper.chmod(0o755)
    with kernel_is_ours(clinic):
        kernel.write(kernel.PATTERN, "core.%p")
        was = state()
        run = clinic.run("coresnap", "enable", "--check", check=False)
        assert run.returncode == 71 and said in run.stderr and "was put back" in run.stderr
        assert state() == was


@pytest.mark.system
def test_upgrade_and_removal(clinic):
    """Attack 25: the helper replaced by rename, enabled again, disabled, removed."""
    with kernel_is_ours(clinic):
        kernel.write(kernel.PATTERN, "core.%p")
        was = state()
        clinic.run("coresnap", "enable")
        assert crash()
        wait_cores(clinic, 1)
        new = clinic.helper.with_suffix(".new")
        shutil.copy2(clinic.helper, new)
        new.rename(clinic.helper)
        assert crash(), "after the upgrade, before anybody enables again"
        wait_cores(clinic, 2)
        clinic.run("coresnap", "enable")
        assert crash()
        wait_cores(clinic, 3)
        clinic.run("coresnap", "disable")
        assert state() == was
        assert len(clinic.spooled()) == 3


@pytest.mark.system
def test_an_upgrade_of_a_copied_helper_is_told_and_enabled(clinic):
    """Attack 25: the copy that core_pattern runs is of the helper that is installed."""
    clinic.sbin.chmod(0o777)  # so that the helper has to be copied
    with kernel_is_ours(clinic):
        clinic.run("coresnap", "enable")
        copy = pathlib.Path(state()[0][1:].split()[0])
        assert re.fullmatch(r"/(run|var/lib)/coresnap/[0-9a-f]{8}/a", str(copy))
        assert (copy.stat().st_uid, copy.stat().st_mode & 0o7777) == (0, 0o755)
        assert crash()
        wait_cores(clinic, 1)
        new = clinic.helper.with_suffix(".new")
        new.write_bytes(clinic.helper.read_bytes() + b"\0")
        new.chmod(0o755)
        new.rename(clinic.helper)

        def told():
            run = clinic.run("coresnap", "doctor", "--json", check=False)
            return [row for row in json.loads(run.stdout) if row["check"] == "core-pattern"][0]

        assert (told()["level"], "a copy of an older helper" in told()["text"]) == ("warning", True)
        clinic.run("coresnap", "enable")
        assert told()["level"] == "ok"
        assert copy.read_bytes() == clinic.helper.read_bytes()
        assert crash()
        wait_cores(clinic, 2)
        clinic.run("coresnap", "disable")
        assert not copy.parent.exists()


def find_process(executable):
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if os.readlink(folder / "exe") == str(executable):
                return int(folder.name)
    return 0


@pytest.mark.system
def test_what_is_removed_during_a_crash_finishes_it(clinic):
    """Attack 25: the package goes while the helper works; the crash is whole, the next is the old line's."""
    conf = clinic.root / "etc/coresnap/coresnap.conf"
    conf.parent.mkdir(parents=True)
    conf.write_text("dump.mode = full\ndump.quota = 1\n")
    with kernel_is_ours(clinic):
        kernel.write(kernel.PATTERN, "core.%p")
        was = state()
        clinic.run("coresnap", "enable")
        victim = subprocess.Popen([sys.executable, "-c",
                                   "import os; b = os.urandom(1 << 20) * 256; os.abort()"],
                                  stderr=subprocess.DEVNULL)
        pid = wait_until(lambda: find_process(clinic.helper), "the helper", every=0.0005)
        os.kill(pid, signal.SIGSTOP)
        clinic.run("coresnap", "disable")
        assert state() == was
        shutil.rmtree(clinic.root / "opt")
        os.kill(pid, signal.SIGCONT)
        assert os.WCOREDUMP(os.waitpid(victim.pid, 0)[1])
        wait_cores(clinic, 1)
    core, = clinic.spooled()
    assert core.stat().st_size > 256 << 20
    assert core.stat().st_mode & 0o777 == 0o600


def test_after_a_reboot_the_new_line_is_what_was_there(clinic):
    """/run is empty then, and core_pattern is what the boot set; nobody remembers the old one."""
    run = clinic.inside(f"""
echo old.%p >/proc/sys/kernel/core_pattern
{clinic.bin}/coresnap enable >/dev/null
rm -r /run/coresnap; echo 'new.%p' >/proc/sys/kernel/core_pattern; echo 0 >/proc/sys/kernel/core_pipe_limit
{clinic.bin}/coresnap enable >/dev/null; cat /run/coresnap/previous
{clinic.bin}/coresnap disable; cat /proc/sys/kernel/core_pattern""", check=True)
    assert run.stdout == "new.%p\n0\ncore_pattern: new.%p\nnew.%p"


def test_a_line_of_ours_is_never_what_was_there(clinic):
    """Attack 25: not even that of another installation, or of a helper that is gone."""
    for line in (f"|{clinic.helper} %P", "|/gone/sbin/coresnap-archive %P", "|/run/coresnap/0123abcd/a %P"):
        run = clinic.inside(f"""
echo '{line}' >/proc/sys/kernel/core_pattern
{clinic.bin}/coresnap enable >/dev/null; ls /run/coresnap 2>/dev/null
{clinic.bin}/coresnap disable""", check=True)
        assert run.stdout == "core_pattern: core\n", line


def test_the_tokens_are_closed_and_it_says_so(clinic):
    clinic.coroner_cf.parent.mkdir(parents=True)
    clinic.coroner_cf.write_text("[universe]\nname = acme\n")
    clinic.coroner_cf.chmod(0o644)
    run = clinic.inside(f"{clinic.bin}/coresnap enable", check=True)
    group = clinic.spool.stat().st_gid
    assert f"{clinic.coroner_cf}: now root:{USER} 0640\n" in run.stdout
    status = clinic.coroner_cf.stat()
    assert (status.st_uid, status.st_gid, status.st_mode & 0o777) == (0, group, 0o640)
    assert "now root" not in clinic.inside(f"{clinic.bin}/coresnap enable", check=True).stdout
