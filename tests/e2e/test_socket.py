"""Socket mode: the kernel connects to coresnap-archive --listen instead of starting it."""

import os
import pathlib
import re
import shutil
import signal
import socket
import stat
import struct
import subprocess
import tempfile
import time

import pytest

from support import capture, kernel, listener, stuck, unit
from support.host import Host
from support.world import wait_until

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(not listener.kernel_has_sockets(),
                       reason="this kernel does not connect to sockets (core_modes)"),
]

# Threads that wait, and one that crashes; told to by a byte on standard input.
VICTIM = r"""
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>
static void *thread(void *crash)
{
	char go;
	if (!crash)
		pause();
	read(0, &go, 1);
	*(volatile int *)0 = 1;
	return crash;
}
int main(int argc, char **argv)
{
	int i, n = argc > 1 ? atoi(argv[1]) : 1;
	pthread_t id;
	for (i = 2; i < n; i++)
		pthread_create(&id, NULL, thread, NULL);
	if (n == 1)
		thread("");
	pthread_create(&id, NULL, thread, "");
	if (argc > 2)
		pthread_exit(NULL);
	pause();
}
"""


@pytest.fixture(scope="module")
def victim():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="v", dir="/tmp"))
    folder.chmod(0o755)
    yield capture.compile_c(folder, "victim", VICTIM)
    shutil.rmtree(folder)


@pytest.fixture
def spool(program):
    with capture.new_spool(program) as one:
        yield one


ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture
def heard(spool):
    with listener.listening(spool.helper) as one:
        yield one


def start(*words, **keywords):
    return subprocess.Popen(list(map(str, words)), stdin=subprocess.PIPE, **keywords)


def let_crash(*processes):
    """Wait statuses; standard input is closed here so that all die together."""
    for process in processes:
        process.stdin.close()
    statuses = [capture.wait_status(process) for process in processes]
    for process, status in zip(processes, statuses):
        process.returncode = status
    return statuses


def test_a_crash_arrives_with_the_facts_of_the_kernel(spool, heard, victim):
    """No argument tells who it was: pid, thread, signal and user come from the pidfd and the notes."""
    process = start(victim, 5, user=1234, group=1235, extra_groups=[])
    with spool.installed(heard.pattern):
        before = time.time()
        (status,) = let_crash(process)
    assert os.WTERMSIG(status) == signal.SIGSEGV and os.WCOREDUMP(status)
    core = spool.core()
    facts = core.facts
    assert len(core.threads()) == 5
    assert facts["pid"] == process.pid
    assert process.pid < facts["tid"] <= process.pid + 50
    assert (facts["signal"], facts["uid"], facts["gid"], facts["dumpable"]) == (11, 1234, 1235, 1)
    assert facts["identity"] == "verified"
    assert before - 1 <= facts["captured_ns"] / 1e9 <= time.time() + 1
    owner = os.stat(core.path)
    assert stat.S_IMODE(owner.st_mode) == 0o600


def test_the_leader_may_be_a_zombie(spool, heard, victim):
    """The socket names the leader, the thread comes from the notes."""
    process = start(victim, 3, "leave")
    with spool.installed(heard.pattern):
        let_crash(process)
    facts = spool.core().facts
    assert facts["pid"] == process.pid != facts["tid"]
    assert facts["identity"] == "verified" and facts["exe"] == str(victim)


def test_a_thread_in_a_pid_namespace_is_found(spool, heard, victim):
    """Attack 17: the notes number threads as the victim's namespace does."""
    with spool.installed(heard.pattern):
        let_crash(start("unshare", "-pf", "--kill-child", victim, 4))

    def ours():
        # unshare then dies of the same signal, and is archived as well.
        cores = [capture.Core(path) for path in spool.pending.iterdir()]
        return [core.facts for core in cores if core.facts["exe"] == str(victim)]

    (facts,) = spool.wait_for(ours)
    assert facts["identity"] == "verified" and facts["signal"] == signal.SIGSEGV
    assert facts["ns_pid"] == 1 < facts["ns_tid"] <= 5
    assert [facts["ns_tid"], facts["tid"]] in facts["tids"] and len(facts["tids"]) == 4


def test_the_notes_of_a_thousand_threads_are_more_than_a_socket_holds(spool, heard, victim):
    process = start(victim, 1000)
    time.sleep(0.3)
    with spool.installed(heard.pattern):
        let_crash(process)
    core = spool.core()
    assert len(core.threads()) == 1000 and core.facts["identity"] == "verified"


def test_full_mode_takes_everything_and_holds_up_no_other(spool, heard, victim):
    spool.set_policy(mode=1, quota=0)
    processes = [start(victim, 2) for _ in range(20)]
    with spool.installed(heard.pattern):
        assert all(map(os.WCOREDUMP, let_crash(*processes)))
    spool.wait_for(lambda: spool.log.count("Crash dump archived") == 20, timeout=30)
    for path in spool.pending.iterdir():
        core = capture.Core(path)
        assert core.facts["mode"] == "full" and core.memory_bytes() > 100_000


def test_a_crash_loop_is_counted_by_the_same_ladder(spool, heard, victim):
    spool.set_policy(quota=0, rate_full=(2, 600), rate_notes=(1, 600))
    with spool.installed(heard.pattern):
        for _ in range(5):
            (status,) = let_crash(start(victim))
            assert os.WCOREDUMP(status)
    spool.wait_for(lambda: "only counted" in spool.log
                   and spool.log.count("Crash dump archived") == 3)
    modes = sorted(capture.Core(path).facts["mode"] for path in spool.pending.iterdir())
    assert modes == ["minimal", "minimal", "notes"]


def test_workers_that_waited_through_a_change_of_the_policy_follow_it(spool, heard, victim):
    """What they opened ahead of the crash must not send it to where crashes went before."""
    with spool.installed(heard.pattern):
        let_crash(start(victim))
        assert spool.core().facts["mode"] == "minimal"
        spool.set_policy(mode=1, quota=0)
        let_crash(start(victim))
        assert spool.core(2).facts["mode"] == "full"
        shutil.rmtree(spool.archive)
        spool.make_folders()
        let_crash(start(victim))
        assert spool.core().facts["mode"] == "full"


def test_sixty_four_crashes_at_once_all_arrive(spool, heard, victim):
    """Fault 6: a storm meets few workers, and nobody is held for two seconds."""
    processes = [start(victim, 3) for _ in range(64)]
    with spool.installed(heard.pattern):
        began = time.monotonic()
        statuses = let_crash(*processes)
        held = time.monotonic() - began
    assert all(map(os.WCOREDUMP, statuses)) and held < 2
    spool.wait_for(lambda: spool.log.count("Crash dump archived") == 64, timeout=30)
    cores = [capture.Core(path) for path in spool.pending.iterdir()]
    assert {core.facts["pid"] for core in cores} == {process.pid for process in processes}
    assert all(len(core.threads()) == 3 and core.facts["identity"] == "verified" for core in cores)
    wait_until(lambda: len(heard.workers()) == 8, "eight workers that wait")


def connect(path):
    one = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    one.settimeout(5)
    one.connect(str(path))
    return one


def connect_as_nobody(path):
    return subprocess.run(
        ["/usr/bin/python3", "-c",
         "import socket, sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])", path],
        user=65534, group=65534, extra_groups=[], capture_output=True, text=True)


def test_only_a_process_that_dumps_core_is_believed(spool, heard, victim):
    """Attack 18: users cannot connect; a healthy peer gets a word, and holds up nobody."""
    # Two locks, each enough by itself.
    assert [path.stat().st_mode & 0o777 for path in (heard.path, heard.path.parent)] == [0o600, 0o700]
    assert "PermissionError" in connect_as_nobody(heard.path).stderr
    os.chmod(heard.path, 0o666)
    assert "PermissionError" in connect_as_nobody(heard.path).stderr
    os.chmod(heard.path, 0o600)
    healthy = [connect(heard.path) for _ in range(300)]
    spoken = healthy[0].recv(100) + healthy[0].recv(100)
    assert spoken == b"supervised\n"
    with spool.installed(heard.pattern):
        began = time.monotonic()
        (status,) = let_crash(start(victim))
    assert os.WCOREDUMP(status) and time.monotonic() - began < 1
    assert spool.core().facts["exe"] == str(victim)
    for one in healthy[1:]:
        try:
            one.sendall(struct.pack("<IIQI", 16, 16, 15, 0) + b"\x7fELF")
        except (BrokenPipeError, ConnectionResetError):
            pass
    for one in healthy:
        one.close()
    assert len(list(spool.pending.iterdir())) == 1


def test_whoever_crashes_later_is_not_believed_for_what_it_sent_before(spool, heard, tmp_path):
    """Attack 18: the peer is judged when it is accepted, and closed before it can crash."""
    program = capture.compile_c(tmp_path, "spoof", r"""
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
int main(int argc, char **argv)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	strcpy(at.sun_path, argv[1]);
	if (connect(fd, (void *)&at, sizeof(at)) < 0)
		return 1;
	send(fd, "\x10\0\0\0\x10\0\0\0\x0f\0\0\0\0\0\0\0\0\0\0\0\177ELF forged", 31, MSG_NOSIGNAL);
	usleep(100000);
	abort();
}
""")
    with spool.installed(heard.pattern):
        let_crash(start(program, heard.path))
    assert spool.core().facts["exe"] == str(program)
    time.sleep(0.3)
    assert len(list(spool.pending.iterdir())) == 1


@pytest.mark.parametrize("delay_ms", [0, 1, 3, 10])
def test_killing_all_of_it_frees_the_process_and_leaves_no_half_core(spool, heard, victim, delay_ms):
    """Fault 1: also while it holds somebody."""
    process = start(victim, 200)
    time.sleep(0.1)
    with spool.installed(heard.pattern):
        process.stdin.close()
        time.sleep(delay_ms / 1000)
        everybody = [heard.process.pid, *heard.workers()]
        for pid in everybody:
            os.kill(pid, signal.SIGKILL)
        began = time.monotonic()
        process.returncode = capture.wait_status(process)
        assert time.monotonic() - began < 1
    time.sleep(0.2)
    for path in spool.pending.iterdir():
        assert len(capture.Core(path).threads()) == 200


def test_processes_wait_for_stopped_workers_and_are_freed_by_their_end(spool, heard, victim):
    """Fault 5: connected, not accepted; SIGKILL of all lets them go, nothing hangs."""
    processes = [start(victim) for _ in range(3)]
    with spool.installed(heard.pattern):
        everybody = [heard.process.pid, *heard.workers()]
        for pid in everybody:
            os.kill(pid, signal.SIGSTOP)
        for process in processes:
            process.stdin.close()
        time.sleep(0.2)
        assert all(process.poll() is None for process in processes)
        for pid in everybody:
            os.kill(pid, signal.SIGKILL)
        began = time.monotonic()
        for process in processes:
            process.returncode = capture.wait_status(process)
        assert time.monotonic() - began < 1


def test_a_worker_that_crashes_loses_nothing_else_and_is_not_dumped(spool, heard, victim):
    """Attack 19: the listener's own crash must not come back to it."""
    before = heard.workers()
    with spool.installed(heard.pattern):
        for pid in before[:3]:
            os.kill(pid, signal.SIGSEGV)
        wait_until(lambda: heard.log().count("died of signal 11") == 3, "the workers' end")
        (status,) = let_crash(start(victim))
        assert os.WCOREDUMP(status)
        wait_until(lambda: len(heard.workers()) == 8 and not set(before[:3]) & set(heard.workers()),
                   "other workers")
        # The listener, too.
        heard.process.send_signal(signal.SIGSEGV)
        status = capture.wait_status(heard.process)
        heard.process.returncode = -signal.SIGSEGV
        assert os.WTERMSIG(status) == signal.SIGSEGV and not os.WCOREDUMP(status)
    spool.core()
    assert len(list(spool.pending.iterdir())) == 1


def test_workers_that_die_at_once_are_not_forked_without_end(spool, heard):
    """Attack 19: whatever kills every worker, forks have a pace."""
    seen, end = set(), time.monotonic() + 1
    while time.monotonic() < end:
        for pid in heard.workers():
            seen.add(pid)
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.002)
    assert len(seen) <= 8 * 13
    wait_until(lambda: len(heard.workers()) == 8, "eight workers again")


def test_a_stale_socket_is_replaced_and_a_second_listener_refused(spool, victim):
    one = listener.Listener(spool.helper)
    one.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in ("socket", "socket.new"):
        socket.socket(socket.AF_UNIX).bind(str(one.folder / name))
    (one.folder / "pid").write_text("1\n")
    try:
        one.start()
        assert (one.folder / "pid").read_text() == f"{one.process.pid}\n"
        assert stat.S_IMODE(one.path.stat().st_mode) == 0o600
        second = subprocess.run([spool.helper, "--listen", "-f"], capture_output=True, text=True)
        assert second.returncode == 77 and "another listener runs" in second.stderr
        with spool.installed(one.pattern):
            let_crash(start(victim))
        spool.core()
    finally:
        one.close()


def test_a_folder_that_others_may_enter_is_refused(spool):
    one = listener.Listener(spool.helper)
    one.folder.mkdir(mode=0o755, parents=True)
    try:
        done = subprocess.run([spool.helper, "--listen", "-f"], capture_output=True, text=True)
        assert done.returncode == 77 and "root alone" in done.stderr
    finally:
        one.close()


def test_a_short_backlog_is_told(spool):
    command = f"echo 128 >/proc/sys/net/core/somaxconn && exec {spool.helper} --listen -f"
    one = subprocess.Popen(["unshare", "-n", "sh", "-c", command], stderr=subprocess.PIPE, text=True)
    try:
        assert "run 'sysctl net.core.somaxconn=4096'" in one.stderr.readline()
        assert "listening on" in one.stderr.readline()
    finally:
        one.terminate()
        one.communicate(timeout=20)
        listener.Listener(spool.helper).close()


@pytest.mark.parametrize("suid_dumpable", [0, 1, 2])
def test_setuid_programs_follow_the_kernels_setting(spool, heard, victim, suid_dumpable):
    """Fault 12: not dumped with 0, as any other with 1, root's alone with 2."""
    program = victim.with_name(f"setuid{suid_dumpable}")
    shutil.copy(victim, program)
    program.chmod(0o4755)
    path = "/proc/sys/fs/suid_dumpable"
    before = kernel.read(path)
    with spool.installed(heard.pattern):
        try:
            kernel.write(path, str(suid_dumpable))
            process = start(program, user=1234, group=1234, extra_groups=[],
                            env={"BACKTRACE_DEFAULTS": "version=evil"})
            (status,) = let_crash(process)
        finally:
            kernel.write(path, before)
    assert os.WTERMSIG(status) == signal.SIGSEGV
    if suid_dumpable == 0:
        time.sleep(0.3)
        assert not os.WCOREDUMP(status) and not list(spool.pending.iterdir())
        return
    core = spool.core()
    assert core.facts["dumpable"] == suid_dumpable and core.facts["uid"] == 1234
    assert ("env" in core.facts) == (suid_dumpable == 1)
    assert core.path.stat().st_uid == 0 and stat.S_IMODE(core.path.stat().st_mode) == 0o600


@pytest.fixture
def host(stage, tmp_path):
    one = Host(stage, tmp_path / "h", "capture.mode = socket")
    yield one
    one.close()


def set_mode(host, mode):
    text = host.conf.read_text()
    host.conf.write_text(re.sub("capture.mode = .*", f"capture.mode = {mode}", text))


def enable(host):
    done = host.coresnap("enable")
    assert done.returncode == 0, done.stderr
    return kernel.read(kernel.PATTERN)


def test_enable_takes_the_socket_only_when_somebody_listens(host):
    """Attack 25: what the kernel would lose every crash with is not written."""
    one = listener.Listener(host.sbin / "coresnap-archive")
    with kernel.core_pattern("core.%p", pipe_limit=3):
        done = host.coresnap("enable")
        assert done.returncode == 66
        assert "nobody listens" in done.stderr and "start coresnap-capture first" in done.stderr
        assert (kernel.read(kernel.PATTERN), kernel.read(kernel.PIPE_LIMIT)) == ("core.%p", "3")
        set_mode(host, "auto")
        pipe = enable(host)
        assert pipe.startswith("|")
        try:
            one.options = []
            one.start()
            assert enable(host) == pipe
            one.end()
            one.options = ["--supervised"]
            one.start()
            assert enable(host) == enable(host) == one.pattern
            assert "(ours)" in host.coresnap("status").stdout
            assert host.coresnap("disable").stdout == "core_pattern: core.%p\n"
            assert kernel.read(kernel.PIPE_LIMIT) == "3"
            # What was disabled is not taken back by the listener.
            one.end()
            one.start()
            assert kernel.read(kernel.PATTERN) == "core.%p"
            set_mode(host, "pipe")
            assert enable(host) == pipe
        finally:
            one.close()
            host.coresnap("disable")


def test_those_that_hang_do_not_hold_up_others(spool, heard, victim, tmp_path):
    """Attack 20: more processes than workers, all with a page of a dead file server."""
    program = capture.compile_c(tmp_path, "maps", stuck.MAPS_A_FILE)
    (tmp_path / "stuck").mkdir()
    system = stuck.StuckFile(tmp_path / "stuck")
    with spool.installed(heard.pattern):
        with system as path:
            hanging = [subprocess.Popen([program, path], stdout=subprocess.PIPE) for _ in range(20)]
            assert all(child.stdout.read(1) == b"x" for child in hanging)
            system.stuck = True
            for child in hanging:
                child.send_signal(signal.SIGABRT)
            time.sleep(0.1)
            began = time.monotonic()
            (status,) = let_crash(start(victim))
            took = time.monotonic() - began
            assert os.WCOREDUMP(status)
            spool.wait_for(lambda: len(list(spool.pending.iterdir())) == 21)
        for child in hanging:
            child.wait(30)
    assert took < 1
    wait_until(lambda: len(heard.workers()) <= 28, "the workers' end")


def test_nothing_happens_while_nobody_crashes(heard):
    everybody = [heard.process.pid, *heard.workers()]

    def switches():
        return [re.findall(r"ctxt_switches:\s+(\d+)", kernel.read(f"/proc/{pid}/status"))
                for pid in everybody]

    time.sleep(0.3)
    before = switches()
    time.sleep(2)
    assert switches() == before
    memory = [int(re.search(r"^Pss:\s+(\d+)", kernel.read(f"/proc/{pid}/smaps_rollup"), re.M)[1])
              for pid in everybody]
    assert sum(memory) < 3000, memory


def test_the_listener_gives_core_pattern_to_the_pipe_while_it_is_away(host, victim):
    """Between its end and its start, and after SIGKILL, crashes come by the pipe."""
    one = listener.Listener(host.sbin / "coresnap-archive")

    def crash(number):
        (status,) = let_crash(start(victim))
        assert os.WCOREDUMP(status)
        wait_until(lambda: len(host.names("pending")) == number, "the core")

    with kernel.core_pattern("core.%p", pipe_limit=3):
        try:
            one.start()
            assert enable(host) == one.pattern
            crash(1)
            assert one.end() == 0 and not one.path.exists()
            assert kernel.read(kernel.PATTERN).startswith("|")
            crash(2)
            one.start()
            assert kernel.read(kernel.PATTERN) == one.pattern
            crash(3)
            workers = one.workers()
            one.end(signal.SIGKILL)
            wait_until(lambda: kernel.read(kernel.PATTERN).startswith("|"), "the pipe's line")
            wait_until(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in workers),
                       "the workers' end")
            crash(4)
        finally:
            one.close()
            host.coresnap("disable")


def test_told_to_end_it_takes_those_that_have_connected(host, victim):
    one = listener.Listener(host.sbin / "coresnap-archive")
    with kernel.core_pattern("core.%p"):
        try:
            one.start()
            enable(host)
            workers = one.workers()
            for pid in workers:
                os.kill(pid, signal.SIGSTOP)
            processes = [start(victim) for _ in range(20)]
            for process in processes:
                process.stdin.close()
            time.sleep(0.2)
            one.process.terminate()
            time.sleep(0.1)
            for pid in workers:
                os.kill(pid, signal.SIGCONT)
            assert one.process.wait(20) == 0
            for process in processes:
                process.returncode = capture.wait_status(process)
                assert os.WCOREDUMP(process.returncode)
            assert len(host.names("pending")) == 20
        finally:
            one.close()
            host.coresnap("disable")


def test_status_says_when_nobody_listens(host):
    one = listener.Listener(host.sbin / "coresnap-archive")
    with kernel.core_pattern("core.%p"):
        try:
            one.start()
            enable(host)
            assert "nobody listens" not in host.coresnap("status").stdout
            # Nobody is left who could give core_pattern back.
            everybody = [one.process.pid, *one.workers()]
            for how in (signal.SIGSTOP, signal.SIGKILL):
                for pid in everybody:
                    os.kill(pid, how)
            one.process.wait(10)
            wait_until(lambda: "every crash is lost" in host.coresnap("status").stdout, "the advice")
        finally:
            one.close()
            host.coresnap("disable")


def test_the_init_script_starts_and_stops_the_listener(host, victim):
    """With capture.mode as asked; what it does about the daemon, the guide's walk shows."""
    one = listener.Listener(host.sbin / "coresnap-archive")
    script = host.root / "coresnapd.init"
    text = (ROOT / "dist/coresnapd.init").read_text()
    script.write_text(text.replace("/opt/backtrace", f"{host.root}/opt/backtrace")
                      .replace("/run/coresnap/crash/", f"{one.folder}/"))

    def run(word):
        done = subprocess.run(["sh", script, word], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr

    set_mode(host, "auto")
    with kernel.core_pattern("core.%p"):
        try:
            run("start")
            assert kernel.read(kernel.PATTERN) == one.pattern
            pid = int((one.folder / "pid").read_text())
            run("start")
            run("restart")
            assert int((one.folder / "pid").read_text()) != pid
            assert kernel.read(kernel.PATTERN) == one.pattern
            (status,) = let_crash(start(victim))
            assert os.WCOREDUMP(status)
            run("stop")
            wait_until(lambda: kernel.read(kernel.PATTERN).startswith("|"), "the pipe's line")
            wait_until(lambda: not one.path.exists(), "the listener's end")
            set_mode(host, "pipe")
            run("start")
            assert kernel.read(kernel.PATTERN).startswith("|") and not one.path.exists()
        finally:
            run("stop")
            one.close()
            host.coresnap("disable")


DELETED = r"""
#include <stdlib.h>
#include <unistd.h>
int main(int argc, char **argv)
{
	unlink(argv[0]);
	abort();
}
"""


def test_the_listener_does_its_work_with_what_its_unit_leaves_it(host, victim, tmp_path):
    """Capabilities and no_new_privs as in coresnap-capture.service, and a strict umask."""
    settings = unit.read(ROOT / "dist/coresnap-capture.service")
    names = " ".join(settings["CapabilityBoundingSet"]).lower().replace("cap_", "+").split()
    one = listener.Listener(host.sbin / "coresnap-archive")
    one.before = ["setpriv", "--no-new-privs", "--bounding-set", ",".join(["-all", *names]),
                  "sh", "-c", 'umask 077; exec "$@"', "sh"]
    deleted = capture.compile_c(tmp_path, "deleted", DELETED)
    with kernel.core_pattern("core.%p"):
        try:
            one.start()
            enable(host)
            (status,) = let_crash(start("unshare", "-Urpf", "--kill-child", victim, 3,
                                        user=1234, group=1234, extra_groups=[]))
            let_crash(start(deleted))
            one.end()
            assert kernel.read(kernel.PATTERN).startswith("|")
        finally:
            one.close()
            host.coresnap("disable")
    cores = [capture.Core(host.archive / "pending" / name) for name in host.names("pending")]
    facts = {core.facts["exe"].split("/")[-1]: core.facts for core in cores}
    for name in ("victim", "deleted"):
        assert facts[name]["identity"] == "verified" and not facts[name]["truncated"], facts[name]
    assert len(facts["victim"]["tids"]) == 3
    (asset,) = [folder for folder in (host.archive / "assets").iterdir() if len(folder.name) == 36]
    assert asset.name == facts["deleted"]["uuid"]
    log = host.archive.parent / "log"
    assert stat.S_IMODE(log.stat().st_mode) == 0o640


def test_units_and_scripts_ask_whether_a_listener_is_wanted(host):
    for mode, status in (("socket", 0), ("auto", 0), ("pipe", 1)):
        set_mode(host, mode)
        assert host.coresnap("enable", "--wants-listener").returncode == status
    assert not list(pathlib.Path("/run/coresnap").glob("crash-*/pipe-line"))


def test_in_the_background_it_listens_when_its_parent_ends(spool, victim):
    one = listener.Listener(spool.helper)
    try:
        subprocess.run([spool.helper, "--listen", "--supervised"], check=True, timeout=10)
        pid = int((one.folder / "pid").read_text())
        with spool.installed(one.pattern):
            let_crash(start(victim))
        spool.core()
        os.kill(pid, signal.SIGTERM)
        wait_until(lambda: not os.path.exists(f"/proc/{pid}"), "its end")
    finally:
        one.close()
