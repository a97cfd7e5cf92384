"""Files that somebody planted: links, pipes, folders and devices at names that the helper, the daemon
or the analyser use or are told; locks that are held for ever; what is opened, and what is not."""

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time

import pytest

from support import attacker, capture
from support.host import Host
from support.refuser import refuser

pytestmark = pytest.mark.system

DIES = "#include <stdlib.h>\nint main(void) { abort(); }\n"

OWNER = 1  # whose the spool is, where that matters: nobody's, but not root's


def give_away(spool):
    for folder in ("kept", "assets"):
        (spool.archive / folder).mkdir(mode=0o700, exist_ok=True)
    (spool.archive.parent / "state").mkdir(mode=0o700, exist_ok=True)
    for path in [spool.archive.parent, *spool.archive.parent.rglob("*")]:
        os.chown(path, OWNER, OWNER)


def plant(what, path, target):
    if what == "symlink":
        path.symlink_to(target)
    elif what == "dangling":
        path.symlink_to(target.parent / "made")
    elif what == "hardlink":
        os.link(target, path)
    elif what == "pipe":
        os.mkfifo(path)
    elif what == "folder":
        path.mkdir()


@pytest.mark.parametrize("what", ["symlink", "dangling", "hardlink", "pipe", "folder"])
def test_what_is_planted_at_our_names_is_neither_followed_nor_changed(spool, what):
    """Attack 4: links, pipes and folders at every name that the helper uses beside the spool, and at
    those that others write cores to in the victim's folder. Attack 6: a hostile lock file."""
    exe = capture.compile_c(spool.root, "dies", DIES)
    give_away(spool)
    (spool.archive.parent / "log").unlink(missing_ok=True)
    target = spool.root / "of-root"
    target.write_text("root's own\n" * 1000)
    target.chmod(0o600)
    here = spool.root / "here"
    here.mkdir(mode=0o777)
    for name in ("log", "rate"):
        plant(what, spool.archive.parent / name, target)
    for name in ("core", "log", "rate", "policy", "pending", "var"):
        plant(what, here / name, target)
    before = target.stat(), sorted(here.iterdir())
    with spool.installed():
        started = time.monotonic()
        capture.wait_status(subprocess.Popen([exe], cwd=here))
        assert time.monotonic() - started < 2
        (core,) = spool.wait_for(lambda: list(spool.pending.iterdir()))
    assert core.stat().st_uid == OWNER and len(capture.Core(core).threads()) == 1
    after = target.stat()
    assert target.read_text() == "root's own\n" * 1000
    assert (after.st_uid, after.st_gid, after.st_mode, after.st_mtime_ns) == (
        0, 0, before[0].st_mode, before[0].st_mtime_ns)
    assert sorted(here.iterdir()) == before[1] and not (spool.root / "made").exists()


def test_a_spool_that_others_may_change_is_not_used(spool):
    """Attack 5: stages that are links to, or open to, somebody else."""
    exe = capture.compile_c(spool.root, "dies", DIES)
    elsewhere = spool.root / "elsewhere"
    elsewhere.mkdir(mode=0o777)
    with spool.installed():
        for change in (lambda: spool.pending.chmod(0o777), lambda: os.chown(spool.pending, 1, 1),
                       lambda: (shutil.rmtree(spool.pending), spool.pending.symlink_to(elsewhere))):
            change()
            capture.wait_status(subprocess.Popen([exe]))
            time.sleep(0.05)
            assert not list(elsewhere.iterdir())
            if spool.pending.is_symlink():
                break
            assert not list(spool.pending.iterdir())
            os.chown(spool.pending, 0, 0)
            spool.pending.chmod(0o700)


def test_a_lock_that_is_held_for_ever_holds_nobody(spool):
    """Attack 6: a stopped process keeps the lock of the crash-loop table."""
    exe = capture.compile_c(spool.root, "dies", DIES)
    holder = r"""
import fcntl, os, struct, sys
fd = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT, 0o600)
lock = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
fcntl.fcntl(fd, 37, lock)
print("held", flush=True)
sys.stdin.read()
"""
    with subprocess.Popen([sys.executable, "-IS", "-c", holder, spool.archive.parent / "rate"],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        process.send_signal(signal.SIGSTOP)
        with spool.installed():
            started = time.monotonic()
            capture.wait_status(subprocess.Popen([exe]))
            took = time.monotonic() - started
            core = spool.core()
        process.kill()
    assert took < 1
    assert core.facts["mode"] == "minimal" and not core.facts["truncated"], core.facts


CHANGES_OWNERS = re.compile(r"^(f?chown|lchown|fchownat|f?chmod|fchmodat2?)\(")
BY_PATH = re.compile(r"^(chown|lchown|chmod|rename|link|symlink|unlink|mkdir|creat|truncate|mknod|"
                     r"fchownat|fchmodat|renameat2?|linkat|unlinkat|mkdirat|symlinkat)\((.*)")


def opened(lines):
    """(path as it was resolved, or asked for, flags) of every open of the trace."""
    for _, call in attacker.joined(lines):
        match = re.match(r'openat2?\((?:AT_FDCWD<[^>]*>|\d+<([^>]*)>), "((?:[^"\\]|\\.)*)", ([A-Z_|{=0-9a-z, ]*)'
                         r'.*\) += (?:(\d+)<(.*)>(?:\(deleted\))?|-1 (\w+))', call)
        if match:
            folder, asked, flags, _, resolved, _ = match.groups()
            yield resolved or (f"{folder}/{asked}" if folder and asked[0] != "/" else asked), flags


READ_BY_THE_HELPER = [
    r"/etc/ld\.so\.(cache|preload)", r"/(usr/)?lib/x86_64-linux-gnu/lib\w+\.so\.\d", r"/dev/null",
    r"/proc/sys/kernel/(core_pipe_limit|random/boot_id)", r"/proc/(stat|meminfo|loadavg|cpuinfo|uptime|"
    r"vmstat|self/\w+)", r"/sys/devices/system/cpu/\w+", r"/etc/localtime", r"/usr/share/zoneinfo/.*",
    r"/sys/fs/cgroup(/.*)?", r"/proc/\d+/fd",
]


def test_all_that_the_helper_opens_makes_and_changes_is_on_a_list(spool):
    """Attack 4: nothing is made outside the spool or by a path. Attack 7: no file of a crash changes
    its owner or mode. Attack 11: only a fixed list is read, in no one's home."""
    capture.compile_c(spool.root, "dies", DIES)
    spool.crash([spool.root / "dies"])  # makes the folders that are missing
    spool.core().path.unlink()
    give_away(spool)
    gone = spool.root / "gone"
    shutil.copy("/bin/sleep", gone)
    home = spool.root / "home"
    home.mkdir()
    for name in (".coresnap", ".coroner.cf", ".config", ".gdbinit"):
        (home / name).write_text("evil")
    pattern = attacker.traced(spool)
    with spool.installed(pattern):
        victim = subprocess.Popen([gone, "20"], cwd=home, env={"HOME": str(home)})
        time.sleep(0.1)
        gone.unlink()
        victim.send_signal(signal.SIGSEGV)
        capture.wait_status(victim)
        lines = attacker.trace(spool)
        core = spool.core()
    assert list((spool.archive / "assets" / core.path.name).iterdir())
    var, proc = str(spool.archive.parent), f"/proc/{victim.pid}"
    mapped = {"/usr/lib/x86_64-linux-gnu/libc.so.6", "/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2",
              str(gone), f"{gone} (deleted)"}
    writes = 0
    for path, flags in opened(lines):
        if re.search(r"O_(WRONLY|RDWR|CREAT|TMPFILE)", flags):
            assert path == "/dev/null" or path.startswith(var + "/"), (path, flags)
            assert path == "/dev/null" or re.search("O_(NOFOLLOW|TMPFILE|EXCL)", flags), (path, flags)
            writes += path != "/dev/null"
        elif not path.startswith((var, proc, str(spool.helper.parent))) and path not in mapped:
            assert any(re.fullmatch(known, path) for known in READ_BY_THE_HELPER), path
    assert writes >= 3  # log, table or core, copy
    for _, call in attacker.joined(lines):
        owner = CHANGES_OWNERS.match(call)
        if owner:
            # By descriptor, and of the table and the log beside the spool only.
            assert re.match(rf"f(chown|chmod)\(\d+<{var}/(rate|log)>", call), call
        by_path = BY_PATH.match(call)
        if by_path:
            assert re.match(rf'\d+<{var}[^>]*>, "[^/"]*"', by_path[2]) or re.match(
                rf'AT_FDCWD<[^>]*>, "/proc/self/fd/\d+", \d+<{var}', by_path[2]), call


def test_the_daemon_and_its_children_open_nothing_in_anybodys_home(spool, stage, tmp_path):
    """Attack 11: configuration in the home of the daemon's user and in the victim's folder."""
    exe = capture.compile_c(spool.root, "dies", DIES)
    home = tmp_path / "home"
    home.mkdir()
    with spool.installed():
        capture.wait_status(subprocess.Popen([exe], cwd=home))
        content = spool.core().path.read_bytes()
    for name in (".coroner.cf", ".coresnap.conf", ".curlrc", ".netrc", ".gdbinit", ".ptracerc",
                 "coresnap.conf", "coroner.cf", ".lua"):
        (home / name).write_text("evil")
    host = Host(stage, tmp_path / "host", doubles=False, daemon_env={"HOME": str(home)})
    with refuser((200, {}, b'{"response":"ok","object":"1","fingerprint":"f"}')) as server:
        cf = host.root / "usr/local/etc/coroner.cf"
        cf.parent.mkdir(parents=True, exist_ok=True)
        cf.write_text(f"[universe]\nwrite = {server.url}\n[token]\nblackhole = {'0' * 64}\n")
        cf.chmod(0o600)
        host.place(content=content)
        log = tmp_path / "trace"
        daemon = subprocess.Popen(
            ["strace", "-f", "-y", "-qq", "-e", "trace=%file", "-o", log, host.sbin / "coresnapd", "-f"],
            cwd=home, env=host.env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=open(host.log_path, "w"))
        try:
            host.wait_empty()
        finally:
            attacker.end_traced(daemon)
        assert [request["path"] for request in server.seen] == ["/post"]
    for line in log.read_text(errors="replace").splitlines():
        words = re.findall(r'"((?:[^"\\]|\\.)*)"', line)
        assert not any(word.startswith(str(home)) or word in (".coroner.cf", "coroner.cf")
                       for word in words if "execve" not in line), line


# Maps its files as a linker would, then puts a link and a pipe where the first two were.
MAPS = r"""
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		int fd = open(argv[i], O_RDONLY);
		volatile char *map = mmap(NULL, 8192, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
		if (fd < 0 || map == MAP_FAILED)
			return 9;
		(void)map[0];
		close(fd);
	}
	unlink(argv[1]);
	if (symlink("/etc/shadow", argv[1]) < 0)
		return 8;
	unlink(argv[2]);
	mkfifo(argv[2], 0666);
	abort();
}
"""


def test_a_container_of_attackers_files_shows_nothing_of_the_host(spool, program, tmp_path):
    """Attack 3: a process whose root is the attacker's dies; its libraries have the paths of host
    files, of a pipe of the host, of a link to /etc/shadow; /proc, /bin and the log are his."""
    container = spool.root / "container"
    (container / "etc").mkdir(parents=True)
    (container / "lib").mkdir()
    (container / "proc/self").mkdir(parents=True)
    (container / "dev").mkdir()
    (container / "bin").mkdir()
    exe = capture.compile_c(container, "victim", MAPS, "-static")
    library = open("/usr/lib/x86_64-linux-gnu/libm.so.6", "rb").read()[:8192]
    pipe = spool.root / "pipe"
    os.mkfifo(pipe)
    inside = [container / "lib/first.so", container / "lib/second.so", container / "etc/shadow",
              container / str(pipe)[1:]]
    for number, path in enumerate(inside):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(library + b"of the container %d" % number)
    shutil.copy("/bin/true", container / "bin/sh")
    (container / "proc/self/status").write_text("Uid:\t0\t0\t0\t0\n")
    os.mkfifo(container / "dev/log")
    for path in [container, *container.rglob("*")]:
        os.chown(path, 1, 1)
    opened_pipe = threading.Event()

    def write():
        fd = os.open(pipe, os.O_WRONLY)
        opened_pipe.set()
        os.close(fd)

    threading.Thread(target=write, daemon=True).start()
    with spool.installed():
        started = time.monotonic()
        victim = subprocess.Popen(
            ["unshare", "-Ur", f"--root={container}", "/victim",
             *("/" + str(path.relative_to(container)) for path in inside)], user=1, group=1,
            extra_groups=[])
        status = capture.wait_status(victim)
        core = spool.core()
        took = time.monotonic() - started
    assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGABRT and took < 2
    kept = {asset["path"]: (spool.archive / "assets" / core.path.name / asset["name"]).read_bytes()
            for asset in core.facts["assets"]}
    assert {"/etc/shadow", str(pipe)} <= set(kept), core.facts["assets"]
    assert all(data.startswith(library) or data == exe.read_bytes() for data in kept.values())
    shadow = open("/etc/shadow", "rb").readline()
    out = tmp_path / "snapshot.json"
    started = time.monotonic()
    done = subprocess.run([program("ptrace"), "--format=json", "-o", out, "--core", core.path],
                          capture_output=True, timeout=30)
    assert done.returncode in (0, 1), done.stderr
    assert time.monotonic() - started < 10
    for data in (core.data, out.read_bytes(), *kept.values()):
        assert shadow not in data
    assert not opened_pipe.is_set(), "somebody opened a pipe of the host"
    os.close(os.open(pipe, os.O_RDONLY | os.O_NONBLOCK))
