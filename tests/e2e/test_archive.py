"""coresnap-archive on real crashes: what the kernel starts, and what lands in pending/."""

import os
import pathlib
import re
import shutil
import signal
import stat
import struct
import subprocess
import time

import pytest

from support import capture, stuck, terminal

THREADS = r"""
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
static pthread_barrier_t ready;
static volatile int *nowhere;
__attribute__((noinline)) int deeper(int n, volatile char *mark)
{
	volatile char here[64] = { (char)n };
	if (n)
		return deeper(n - 1, here) + here[0];
	pthread_barrier_wait(&ready);
	if (mark[0] == 100)
		*nowhere = 1;
	pause();
	return mark[1];
}
static void *thread(void *depth)
{
	return (void *)(long)deeper((int)(long)depth, (volatile char *)"..");
}
int main(int argc, char **argv)
{
	int n = argc > 1 ? atoi(argv[1]) : 1, i;
	pthread_attr_t attr;
	pthread_t id;
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 256 * 1024);
	pthread_barrier_init(&ready, NULL, n);
	for (i = 1; i < n; i++)
		pthread_create(&id, &attr, thread, (void *)(long)(i % 20));
	volatile char *heap = malloc(100);
	heap[0] = 100;
	return deeper(0, heap);
}
"""

ZOMBIE_LEADER = r"""
#include <pthread.h>
#include <unistd.h>
#include <sys/prctl.h>
static void *thread(void *p)
{
	usleep(100000);
	*(volatile int *)0 = 1;
	return p;
}
int main(void)
{
	pthread_t id;
	pthread_create(&id, NULL, thread, NULL);
	pthread_exit(NULL);
}
"""

SECRET = r"""
#include <string.h>
#include <stdlib.h>
#include <sys/mman.h>
int main(void)
{
	char *hidden = mmap(NULL, 1 << 14, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *seen = mmap(NULL, 1 << 14, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (int i = 0; i < 1 << 14; i += 16) {
		memcpy(hidden + i, "TOP-", 4), memcpy(hidden + i + 4, "SECRET-KEY", 10);
		memcpy(seen + i, "NOT-", 4), memcpy(seen + i + 4, "SECRET-DAT", 10);
	}
	madvise(hidden, 1 << 14, MADV_DONTDUMP);
	volatile char *keep[2] = { hidden, seen };
	abort();
	return keep[0][0] + keep[1][0];
}
"""

NAMED = r"""
#include <stdlib.h>
#include <sys/prctl.h>
int main(int argc, char **argv)
{
	prctl(PR_SET_NAME, argv[1]);
	abort();
}
"""

ALTERNATE_STACK = r"""
#include <signal.h>
#include <stdlib.h>
#include <ucontext.h>
static ucontext_t outer, inner;
static int *volatile nowhere;
__attribute__((noipa)) void at_the_bottom(void)
{
	*nowhere = 1;
}
static void routine(void)
{
	volatile char room[100000];
	room[0] = room[99999] = 1;
	at_the_bottom();
	room[1] = 2;
}
static void handler(int n)
{
	signal(n, SIG_DFL);
	raise(n);
}
int main(void)
{
	char *stack = malloc(1 << 20), *alternate = malloc(1 << 16);
	stack_t altstack = { .ss_sp = alternate, .ss_size = 1 << 16 };
	struct sigaction action = { .sa_handler = handler, .sa_flags = SA_ONSTACK };
	for (int i = 0; i < 1 << 20; i += 8)
		stack[i] = 1;
	sigaltstack(&altstack, NULL);
	sigaction(SIGSEGV, &action, NULL);
	getcontext(&inner);
	inner.uc_stack.ss_sp = stack;
	inner.uc_stack.ss_size = 1 << 20;
	inner.uc_link = &outer;
	makecontext(&inner, routine, 0);
	swapcontext(&outer, &inner);
	return 0;
}
"""

PLUGIN = r"""
#include <stdlib.h>
__attribute__((noipa)) void plugin_fails(void) { abort(); }
"""
HOST = r"""
#include <dlfcn.h>
#include <stdlib.h>
int main(int argc, char **argv)
{
	for (int i = 0; i < 30000; i++)
		*(volatile char *)malloc(100) = 1;
	void (*fails)(void) = (void (*)(void))dlsym(dlopen(argv[1], RTLD_NOW), "plugin_fails");
	fails();
}
"""


pytestmark = pytest.mark.system


@pytest.mark.parametrize("threads", [1, 50])
def test_gdb_prints_the_same_frames_as_from_the_full_core(spool, tmp_path, threads):
    exe = capture.compile_c(tmp_path, "threads", THREADS)
    minimal, full = spool.both_cores([exe, str(threads)])
    frames = capture.gdb_frames(exe, minimal.path)
    assert frames == capture.gdb_frames(exe, full)
    assert sum(line.startswith("Thread") for line in frames) == threads
    assert any(" main (" in line for line in frames)
    assert len(minimal.threads()) == threads


def test_vim_is_small_and_has_the_same_frames(spool):
    full = spool.root / "full"
    with spool.installed(spool.tee(full)):
        with terminal.vim() as pid:
            os.kill(pid, signal.SIGABRT)
            _, status = os.waitpid(pid, 0)
    minimal = spool.core()
    spool.wait_for(full.exists)
    assert os.WTERMSIG(status) == signal.SIGABRT and os.WCOREDUMP(status)
    assert minimal.path.stat().st_size <= 1_000_000
    exe = minimal.facts["exe"]
    frames = capture.gdb_frames(exe, minimal.path)
    assert frames == capture.gdb_frames(exe, full)
    assert len(frames) > 10


def test_frames_survive_an_alternate_signal_stack_and_a_coroutine(spool, tmp_path):
    exe = capture.compile_c(tmp_path, "alternate", ALTERNATE_STACK)
    minimal, full = spool.both_cores([exe])
    frames = capture.gdb_frames(exe, minimal.path)
    assert frames == capture.gdb_frames(exe, full)
    assert any("at_the_bottom" in line for line in frames)
    assert any("routine" in line for line in frames)


def test_libraries_opened_at_run_time_keep_their_names(spool, tmp_path):
    plugin = capture.compile_c(tmp_path, "plugin.so", PLUGIN, "-shared", "-fPIC")
    exe = capture.compile_c(tmp_path, "host", HOST)
    minimal, full = spool.both_cores([exe, plugin])
    frames = capture.gdb_frames(exe, minimal.path)
    assert frames == capture.gdb_frames(exe, full)
    assert any("plugin_fails" in line for line in frames)


def test_a_thousand_threads(spool, tmp_path):
    exe = capture.compile_c(tmp_path, "threads", THREADS)
    status = spool.crash([exe, "1001"])
    core = spool.core()
    assert os.WCOREDUMP(status)
    assert len(core.threads()) == 1001
    assert core.facts["thread_count"] == 1001
    assert not [item for item in core.facts["truncated"] if item["what"] == "stack"]
    frames = capture.gdb_frames(exe, core.path)
    assert sum("clone3" in line for line in frames) == 1000


def test_the_note_tells_who_it_was(spool, tmp_path):
    exe = capture.compile_c(tmp_path, "threads", THREADS)
    env = {"BACKTRACE_DEFAULTS": "version=1.2.3\ndc=newyork", "AWS_SECRET_KEY": "hush-hush"}
    spool.crash([exe, "2"], cwd=tmp_path, env=env)
    core = spool.core()
    facts = core.facts
    assert facts["exe"] == str(exe) and facts["cmdline"] == [str(exe), "2"]
    assert facts["comm"] == "threads" and facts["cwd"] == str(tmp_path)
    assert facts["signal"] == 11 and facts["identity"] == "verified"
    assert facts["mode"] == "minimal" and facts["uuid"] == core.path.name
    assert facts["env"] == {"BACKTRACE_DEFAULTS": "version=1.2.3\ndc=newyork"}
    assert facts["status"]["VmRSS"] > 0 and facts["status"]["Threads"] == 2
    assert facts["meminfo"]["MemTotal"] > 0 and facts["cpu"]["user"] >= 0
    assert facts["system"]["btime"] > 0 and facts["stat"]["num_threads"] == 2
    assert facts["sched"]["nr_switches"] >= 0 and facts["io"]["rchar"] >= 0
    assert facts["limits"]["Max open files"][0] > 0
    assert facts["fd_count"] >= 3 and 0 <= facts["age_ms"] < 60_000
    assert facts["held_us"] == facts["times_us"]["released"] < 2_000_000
    assert "maps" not in facts
    assert b"hush-hush" not in core.facts.__repr__().encode()


def test_memory_that_must_not_be_dumped_is_absent(spool, tmp_path):
    exe = capture.compile_c(tmp_path, "secret", SECRET)
    spool.crash([exe])
    core = spool.core()
    assert b"NOT-SECRET-DAT" in core.data
    assert b"TOP-SECRET-KEY" not in core.data


def test_a_hard_limit_of_zero_leaves_notes_only(spool, tmp_path):
    exe = capture.compile_c(tmp_path, "threads", THREADS)
    spool.crash(["sh", "-c", f"ulimit -H -c 0; exec {exe} 3"])
    core = spool.core()
    assert core.memory_bytes() == 0 and len(core.threads()) == 3
    assert core.facts["mode"] == "notes" and core.facts["reason"] == "rlimit"
    assert "threads (process" in spool.log and "RLIMIT_CORE" in spool.log


def test_a_soft_limit_of_zero_is_captured(spool, tmp_path):
    exe = capture.compile_c(tmp_path, "threads", THREADS)
    spool.crash(["sh", "-c", f"ulimit -S -c 0; exec {exe} 1"])
    assert spool.core().facts["mode"] == "minimal"


def test_a_hostile_name_breaks_nothing_and_is_shown_escaped(spool, tmp_path):
    exe = capture.compile_c(tmp_path, "named", NAMED)
    name = b"\x1b[31m'\n\"$(id)"
    spool.crash(["sh", "-c", 'ulimit -H -c 0; exec "$0" "$1"', exe, name])
    core = spool.core()
    assert core.facts["comm"] == name.decode()
    assert "\\x1b[31m'\\x0a\"$(id) (process" in spool.log
    assert "\x1b" not in spool.log
    assert all("coresnap[" in line for line in spool.log.splitlines())


def test_the_leader_may_be_a_zombie(spool, tmp_path):
    exe = capture.compile_c(tmp_path, "zombie", ZOMBIE_LEADER)
    spool.crash([exe])
    core = spool.core()
    assert core.facts["exe"] == str(exe) and core.facts["identity"] == "verified"
    assert core.facts["pid"] != core.facts["tid"]
    frames = capture.gdb_frames(exe, core.path)
    assert any("thread (p=" in line or "thread (" in line for line in frames)


def test_a_process_in_its_own_pid_namespace_is_found(spool, tmp_path):
    exe = capture.compile_c(tmp_path, "threads", THREADS)
    spool.crash(["unshare", "-pf", "--mount-proc", "--kill-child", exe, "2"])

    def ours():
        # unshare then dies of the same signal, and is archived as well.
        cores = [capture.Core(path) for path in spool.pending.iterdir()]
        return [core.facts for core in cores if core.facts["exe"] == str(exe)]

    (facts,) = spool.wait_for(ours)
    assert facts["identity"] == "verified"
    assert facts["ns_pid"] == 1 and facts["pid"] > 1
    assert [facts["ns_tid"], facts["tid"]] in facts["tids"] and len(facts["tids"]) == 2


def test_a_deleted_executable_is_kept_beside_the_core(spool, tmp_path):
    gone = tmp_path / "gone"
    shutil.copy("/bin/sleep", gone)
    with spool.installed():
        child = subprocess.Popen([gone, "30"])
        time.sleep(0.2)
        gone.unlink()
        child.send_signal(signal.SIGABRT)
        child.wait(30)
        core = spool.core()
    (asset,) = core.facts["assets"]
    assert asset["path"] == str(gone) and asset["deleted"]
    assert core.facts["exe"] == str(gone) and core.facts["exe_deleted"]
    kept = spool.archive / "assets" / core.path.name / asset["name"]
    assert asset["name"] == asset["build_id"]
    assert kept.read_bytes() == pathlib.Path("/bin/sleep").read_bytes()


def test_the_same_deleted_file_is_stored_once(spool, tmp_path):
    kept = []
    for number in (1, 2):
        gone = tmp_path / "gone"
        shutil.copy("/bin/sleep", gone)
        with spool.installed():
            child = subprocess.Popen([gone, "30"])
            time.sleep(0.2)
            gone.unlink()
            child.send_signal(signal.SIGABRT)
            child.wait(30)
            core = spool.core(number)
        (asset,) = core.facts["assets"]
        kept.append(spool.archive / "assets" / core.path.name / asset["name"])
    assert kept[0] != kept[1] and kept[0].samefile(kept[1])


def test_root_is_given_up_before_anything_is_written(spool, tmp_path):
    for path in [spool.archive, *spool.archive.iterdir(), spool.archive.parent]:
        os.chown(path, 1, 1)
    private = tmp_path / "private"
    shutil.copy("/bin/sleep", private)
    private.chmod(0o700)
    with spool.installed():
        child = subprocess.Popen([private, "30"])
        time.sleep(0.2)
        child.send_signal(signal.SIGSEGV)
        child.wait(30)
        core = spool.core()
    status = core.path.stat()
    assert (status.st_uid, status.st_gid) == (1, 1)
    assert stat.S_IMODE(status.st_mode) == 0o600
    log = spool.archive.parent / "log"
    assert log.stat().st_uid == 1 and stat.S_IMODE(log.stat().st_mode) == 0o640
    # That user cannot open the program, so a copy lies beside the core.
    assert str(private) in [asset["path"] for asset in core.facts["assets"]]
    for asset in (spool.archive / "assets" / core.path.name).iterdir():
        assert asset.stat().st_uid == 1


def test_a_privileged_process_is_marked_and_its_environment_left_alone(spool, tmp_path):
    exe = capture.compile_c(tmp_path, "threads", THREADS)
    for path in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        path.chmod(0o755)
    exe.chmod(0o4755)
    dumpable = pathlib.Path("/proc/sys/fs/suid_dumpable")
    before = dumpable.read_text()
    try:
        dumpable.write_text("2")
        spool.crash([exe, "1"], user=1, group=1, env={"BACKTRACE_DEFAULTS": "version=evil"})
    finally:
        dumpable.write_text(before)
    core = spool.core()
    assert core.facts["dumpable"] == 2
    assert "env" not in core.facts and b"version=evil" not in repr(core.facts).encode()
    assert core.path.stat().st_uid == 0


def test_full_mode_keeps_every_dumpable_byte(spool, tmp_path):
    exe = capture.compile_c(tmp_path, "threads", THREADS)
    spool.set_policy(mode=1)
    minimal, full = spool.both_cores([exe, "3"])
    assert minimal.facts["mode"] == "full"
    kernel_core = full.read_bytes()
    rows = [struct.unpack_from("<IIQQQQQQ", kernel_core, 64 + 56 * i)
            for i in range(struct.unpack_from("<H", kernel_core, 56)[0])]
    ours = {start: minimal.data[at : at + size] for start, size, _, at in minimal.loads}
    for kind, flags, at, start, _, size, _, _ in rows:
        # The vsyscall page is nobody's, and [vvar] can be read by the kernel alone.
        if kind == 1 and start < 1 << 63 and flags != 4:
            assert ours[start] == kernel_core[at : at + size], hex(start)


def test_auto_mode_keeps_small_processes_whole(spool, tmp_path):
    exe = capture.compile_c(tmp_path, "threads", THREADS)
    spool.set_policy(mode=2, full_below=16 << 20)
    spool.crash([exe, "1"])
    assert spool.core().facts["mode"] == "full"
    spool.set_policy(mode=2, full_below=4096)
    spool.crash([exe, "1"])
    assert spool.core(2).facts["mode"] == "minimal"


def test_a_crash_loop_steps_down_to_notes_and_then_counts(spool, tmp_path):
    exe = capture.compile_c(tmp_path, "threads", THREADS)
    spool.set_policy(rate_full=(2, 600), rate_notes=(1, 3600))
    modes = []
    for number in range(1, 4):
        spool.crash([exe, "1"])
        modes.append(spool.core(number).facts["mode"])
    spool.crash([exe, "1"])
    spool.wait_for(lambda: "only counted" in spool.log)
    assert modes == ["minimal", "minimal", "notes"]
    assert len(list(spool.pending.iterdir())) == 3


def test_below_the_quota_only_notes_are_kept(spool, tmp_path):
    exe = capture.compile_c(tmp_path, "threads", THREADS)
    spool.set_policy(quota=10000)
    spool.crash([exe, "1"])
    core = spool.core()
    assert core.facts["mode"] == "notes" and core.facts["reason"] == "quota"
    assert "dump.quota" in spool.log


def test_a_torn_policy_is_named_and_the_defaults_hold(spool, tmp_path):
    exe = capture.compile_c(tmp_path, "threads", THREADS)
    spool.set_policy(mode=1)
    path = spool.archive.parent / "policy"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    spool.crash([exe, "1"])
    assert spool.core().facts["mode"] == "minimal"
    assert "torn" in spool.log and "coresnap enable" in spool.log


def test_a_process_killed_before_it_was_seen_leaves_nobody_elses_facts(spool, tmp_path):
    exe = capture.compile_c(tmp_path, "threads", THREADS)
    wrapper = spool.root / "kill.sh"
    wrapper.write_text(f'#!/bin/sh\nkill -9 $1; sleep 0.1; exec {spool.helper} "$@"\n')
    wrapper.chmod(0o755)
    spool.crash([exe, "1"], f"|{wrapper} %P %I %s %d %t %u %g %F")
    spool.wait_for(lambda: "identity unverified" in spool.log or "is lost" in spool.log)
    for path in spool.pending.iterdir():
        core = capture.Core(path)
        assert core.facts["identity"] == "unverified"
        assert "exe" not in core.facts and "status" not in core.facts
        # What the kernel had written into the pipe before is the dead one's own.
        assert core.memory_bytes() == core.facts["captured"]["stream"]


@pytest.mark.parametrize("delay_ms", [1, 2, 3, 5, 8, 12])
def test_killing_the_helper_frees_the_process_and_leaves_no_half_core(spool, tmp_path, delay_ms):
    exe = capture.compile_c(tmp_path, "threads", THREADS)
    wrapper = spool.root / "short.sh"
    wrapper.write_text(
        f'#!/bin/sh\nexec timeout -s KILL {delay_ms / 1000} {spool.helper} "$@"\n')
    wrapper.chmod(0o755)
    started = time.monotonic()
    spool.crash([exe, "3"], f"|{wrapper} %P %I %s %d %t %u %g %F")
    assert time.monotonic() - started < 5
    time.sleep(0.3)
    for path in spool.pending.iterdir():
        assert len(capture.Core(path).threads()) == 3


def test_a_page_that_never_comes_does_not_hang_the_helper(spool, tmp_path):
    exe = capture.compile_c(tmp_path, "maps", stuck.MAPS_A_FILE)
    folder = tmp_path / "stuck"
    folder.mkdir()
    system = stuck.StuckFile(folder)
    with spool.installed():
        with system as path:
            child = subprocess.Popen([exe, path], stdout=subprocess.PIPE)
            assert child.stdout.read(1) == b"x"
            system.stuck = True
            started = time.monotonic()
            child.send_signal(signal.SIGABRT)
            core = spool.core()
            took = time.monotonic() - started
        # The kernel's own dump may hang at that page too, until the file system gives up.
        child.wait(30)
    assert took < 6
    assert {"what": "memory", "why": "time"} in core.facts["truncated"]
    # What was complete is there: the crashed thread's stack comes first.
    sp = struct.unpack_from("<Q", core.threads()[0], 112 + 19 * 8)[0]
    assert any(start <= sp < start + size for start, size, _, _ in core.loads)


def test_an_old_kernel_without_a_pidfd_is_enough(spool, tmp_path):
    exe = capture.compile_c(tmp_path, "threads", THREADS)
    spool.crash([exe, "2"], f"|{spool.helper} %P %I %s %d %t %u %g")
    facts = spool.core().facts
    assert facts["identity"] == "verified", facts


def test_a_copy_below_run_finds_its_policy_beside_itself(spool, tmp_path):
    exe = capture.compile_c(tmp_path, "threads", THREADS)
    copies = spool.root / "run/coresnap/0123abcd"
    copies.mkdir(parents=True)
    shutil.copy(spool.helper, copies / "a")
    spool.set_policy(mode=1)
    (copies / "policy").symlink_to(spool.archive.parent / "policy")
    spool.crash([exe, "1"], f"|{copies / 'a'} %P %I %s %d %t %u %g %F")
    assert spool.core().facts["mode"] == "full"


def test_forty_crashes_at_once_all_arrive(spool, tmp_path):
    exe = capture.compile_c(tmp_path, "threads", THREADS)
    with spool.installed():
        children = [subprocess.Popen([exe, "2"]) for _ in range(40)]
        for child in children:
            assert os.WCOREDUMP(capture.wait_status(child))
        spool.wait_for(lambda: len(list(spool.pending.iterdir())) == 40, timeout=30)
    cores = [capture.Core(path) for path in spool.pending.iterdir()]
    assert {core.facts["pid"] for core in cores} == {child.pid for child in children}


def test_a_full_disk_keeps_the_notes_and_says_so(spool, tmp_path):
    exe = capture.compile_c(tmp_path, "threads", THREADS)
    with tmpfs(spool, "64k"):
        started = time.monotonic()
        status = spool.crash([exe, "1"])
        assert os.WCOREDUMP(status) and time.monotonic() - started < 10
        core = spool.core()
        assert core.facts["mode"] == "notes" and core.facts["reason"] == "disk-full"
        assert core.memory_bytes() == 0
        assert "does not fit" in spool.log and "No space left on device" in spool.log


def test_a_disk_without_any_room_leaves_nothing_half_written(spool, tmp_path):
    exe = capture.compile_c(tmp_path, "threads", THREADS)
    with tmpfs(spool, "64k"):
        (spool.archive / "filler").write_bytes(bytes(56 * 1024))
        status = spool.crash([exe, "1"])
        assert os.WCOREDUMP(status)
        spool.wait_for(lambda: "is only counted" in spool.log)
        assert "No space left on device" in spool.log and "free space" in spool.log
        assert list(spool.pending.iterdir()) == []
        time.sleep(0.2)
        assert "archived in" not in spool.log


def test_a_core_file_is_taken_in_as_it_is(spool, tmp_path):
    exe = capture.compile_c(tmp_path, "threads", THREADS)
    spool.crash([exe, "1"])
    given = tmp_path / "given"
    shutil.copy(spool.core().path, given)
    result = subprocess.run([spool.helper, "--file", given], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    line = result.stdout.strip()
    assert line.startswith(f"Crash dump archived in {spool.pending}/")
    assert pathlib.Path(line.split(" in ")[1]).read_bytes() == given.read_bytes()


@pytest.mark.parametrize("what", ["text", "elf", "missing", "folder"])
def test_what_is_no_core_is_refused_in_one_line(spool, tmp_path, what):
    path = {"text": tmp_path / "text", "elf": pathlib.Path("/bin/true"),
            "missing": tmp_path / "missing", "folder": tmp_path}[what]
    if what == "text":
        path.write_text("this is no core\n" * 10)
    result = subprocess.run([spool.helper, "--file", path], capture_output=True, text=True)
    assert result.returncode == 65
    assert result.stderr.count("\n") == 1 and result.stderr.startswith(f"coresnap-archive: {path}: ")
    assert list(spool.pending.iterdir()) == []


def test_the_helper_needs_no_library_but_the_c_library(program):
    """Linked whole, so it names none; a sanitizer's build names the C library."""
    out = subprocess.run(["readelf", "-d", program("coresnap-archive")], capture_output=True, text=True,
                         check=True).stdout
    names = set(re.findall(r"\(NEEDED\).*\[(.*)\]", out))
    assert {n for n in names if not n.startswith(("libc.so", "ld-linux"))} == set()


class tmpfs:
    """A small file system as the archive."""

    def __init__(self, spool, size):
        self.spool, self.size = spool, size

    def __enter__(self):
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={self.size},mode=0700", "none",
                        self.spool.archive], check=True)
        self.spool.make_folders()

    def __exit__(self, *_):
        subprocess.run(["umount", "-l", self.spool.archive], check=True)
