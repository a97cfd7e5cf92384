"""ptrace and bt as programs: outputs, options, live processes, what a fault is called, bad input."""

import json
import os
import pathlib
import pty
import re
import signal
import subprocess
import time

import pytest

from support import crashers, kernel, oracle


@pytest.fixture(scope="module")
def dead(tmp_path_factory):
    return crashers.Crashers(tmp_path_factory.mktemp("crashers"))


@pytest.fixture
def run(program, tmp_path):
    def run(name, *arguments, **keywords):
        return subprocess.run([program(name), *map(str, arguments)], cwd=tmp_path, text=True,
                              capture_output=True, timeout=60, stdin=subprocess.DEVNULL, **keywords)

    return run


@pytest.fixture
def sleeper(dead):
    started = []

    def start(threads=0):
        started.append(dead.start_sleeper(threads))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


def snapshot_of(run, *arguments):
    result = run("ptrace", "--format=json", "-o", "s.json", *arguments)
    assert result.returncode in (0, 1), result.stderr
    return json.loads(run("bt", "--json", "s.json").stdout)


def complaint(result, status, *words):
    lines = result.stderr.splitlines()
    assert result.returncode == status, result.stdout + result.stderr
    assert len(lines) == 1, lines
    for word in words:
        assert str(word) in lines[0]


# --- what a fault is called ---

FAULTS = [
    ("nullderef", [], {"segv", "null", "write", "stop"}, "write to NULL+0x18 = connection->peer in session_close"),
    ("nullcall", [], {"segv", "null", "exec", "bad-jump", "stop"}, "jump to NULL = table->open in dispatch"),
    ("sigalt", [], {"abort", "stop"}, "SIGABRT raised by the process itself in handler"),
    ("overflow", [], {"segv", "write", "stack-overflow", "stop"}, "stack overflow at 0x"),
    ("exception", [], {"abort", "exception", "stop"}, 'uncaught std::out_of_range ("no item 7") in shop::'),
    ("panic", [], {"abort", "panic", "stop"}, "panic: index out of bounds: the len is 1 but the index is 4 in panic::pick"),
    ("ways", ["assert"], {"abort", "assert", "stop"}, "failed assertion `zero == 1' at ways.c:16 in die_assert"),
    ("ways", ["smash"], {"abort", "stack-smash", "stop"}, "stack smashing detected in die_smash"),
    ("ways", ["fortify"], {"abort", "fortify", "stop"}, "buffer overflow detected in die_fortify"),
    ("ways", ["divide"], {"fpe", "stop"}, "integer division by zero in die_divide"),
    ("ways", ["readonly"], {"segv", "write", "stop"}, "not permitted in die_readonly"),
    ("ways", ["noncanonical"], {"segv", "read", "noncanonical", "stop"},
     "read from 0x4141414141414141, no possible address in die_noncanonical"),
    ("ways", ["badjump"], {"segv", "exec", "bad-jump", "stop"}, "jump to 0x414141414140"),
    ("ways", ["datajump"], {"segv", "exec", "bad-jump", "stop"}, "not permitted in die_data_jump"),
    ("ways", ["bus"], {"bus", "read", "stop"}, "in die_bus"),
    ("ways", ["illegal"], {"ill", "stop"}, "illegal instruction in die_illegal"),
    ("ways", ["trap"], {"trap", "stop"}, "in die_trap"),
    ("ways", ["heap"], {"abort", "double-free", "stop"}, "in die_heap"),
    ("ways", ["kill"], {"segv", "stop"}, "SIGSEGV raised by the process itself in die_kill"),
]


@pytest.mark.parametrize("name,arguments,classifiers,verdict", FAULTS,
                         ids=["-".join([f[0], *f[1]]) for f in FAULTS])
def test_a_fault_is_called_what_it_is(dead, run, name, arguments, classifiers, verdict):
    core, _ = dead.core(name, *arguments)
    snapshot = snapshot_of(run, "--core", core)
    assert set(snapshot["classifiers"]) == classifiers
    assert verdict in snapshot["attributes"]["verdict"]


@pytest.mark.parametrize("way", ["assert", "smash", "fortify", "heap"])
def test_a_fault_is_told_without_the_debug_files_of_the_c_library(dead, program, tmp_path, way):
    if os.geteuid() != 0:
        pytest.skip("hides /usr/lib/debug behind a mount: needs root")
    core, _ = dead.core("ways", way)
    subprocess.run(["unshare", "-m", "sh", "-c", "mkdir -p /usr/lib/debug && "
                    'mount -t tmpfs none /usr/lib/debug && exec "$@"', "sh", program("ptrace"),
                    "--format=json", "-o", tmp_path / "s.json", "--core", core],
                   check=True, timeout=60, stdout=subprocess.DEVNULL)
    snapshot = json.loads((tmp_path / "s.json").read_text())
    classifiers, verdict = next(fault[2:] for fault in FAULTS if fault[1] == [way])
    assert set(snapshot["classifiers"]) == classifiers
    assert verdict in snapshot["attributes"]["verdict"]


def test_frames_say_how_they_were_found(dead, run):
    core, _ = dead.core("nocfi-fp")
    snapshot = snapshot_of(run, "--core", core)
    stack = snapshot["threads"][snapshot["mainThread"]]["stack"]
    found = [(frame.get("funcName"), frame.get("unwind")) for frame in stack[:6]]
    assert found[:5] == [("leaf", None), ("level3", "emul"), ("level2", "emul"),
                         ("level1", "emul"), ("main", "emul")]
    assert found[5][1] == "emul" and stack[6]["unwind"] == "cfi"


def test_a_deep_stack_keeps_both_ends(dead, run):
    core, _ = dead.core("overflow")
    thread = next(iter(snapshot_of(run, "--core", core, "--depth", 40)["threads"].values()))
    names = [frame.get("funcName") for frame in oracle.walked(thread["stack"])]
    assert len(names) == 40 and names[0] == names[29] == "descend" and "main" in names[30:]
    assert thread["frames_left_out"] > 10000
    whole = next(iter(snapshot_of(run, "--core", core, "--depth", 0)["threads"].values()))
    assert len(oracle.walked(whole["stack"])) == 40 + thread["frames_left_out"]


def test_a_budget_of_frames_makes_a_partial_snapshot(dead, run):
    core, _ = dead.core("threads", "20")
    result = run("ptrace", "--format=json", "-o", "s.json", "--budget", 30, "--core", core)
    snapshot = json.loads(run("bt", "--json", "s.json").stdout)
    assert result.returncode == 1 and "budget of frames" in result.stderr
    assert len(snapshot["threads"]) == 21
    assert 30 <= sum(len(oracle.walked(thread["stack"]))
                     for thread in snapshot["threads"].values()) <= 51
    assert snapshot["threads"][snapshot["mainThread"]].get("frames_left_out", 0) == 0


# --- outputs ---

def test_the_path_is_printed_and_named_by_comm_pid_and_time(dead, run, tmp_path):
    core, _ = dead.core("nullderef")
    result = run("ptrace", "--core", core)
    name = result.stdout.rstrip("\n")
    assert result.returncode == 0
    assert re.fullmatch(r"nullderef\.\d+\.\d+\.btt", name)
    assert (tmp_path / name).read_bytes()[:4] == bytes.fromhex("502a4d18")
    unpacked = subprocess.run(["zstd", "-dc", tmp_path / name], capture_output=True, check=True)
    assert json.loads(unpacked.stdout)["attributes"]["application"] == "nullderef"
    assert run("bt", name).stdout == run("bt", "--core", core).stdout


def test_output_file_folder_and_prefix(dead, run, tmp_path):
    core, _ = dead.core("nullderef")
    (tmp_path / "folder").mkdir()
    assert run("ptrace", "-oexact", "--core", core).stdout == "exact\n"
    assert re.fullmatch(r"folder/nullderef\.\d+\.\d+\.btt\n",
                        run("ptrace", "-o", "folder", "--core", core).stdout)
    assert re.fullmatch(r"pre\.\d+\.\d+\.json\n",
                        run("ptrace", "-O", "pre", "--format=json", "--core", core).stdout)
    assert not [path for path in tmp_path.rglob("*") if path.suffix == ".part"]


def test_options_become_what_they_say(dead, run, tmp_path):
    core, _ = dead.core("threads", "20")
    (tmp_path / "notes.txt").write_text("left by the operator")
    (tmp_path / "options").write_text("# defaults\nkv=dc:east\n\nclassifier=canary\n")
    snapshot = snapshot_of(run, "--config", "options", "--application", "shop", "--kv",
                           "version:1.2,message:hello, world", "--kv", "commit:a\\,b", "--resource",
                           "notes.txt", "--resource", "missing", "--core", core)
    attributes = snapshot["attributes"]
    assert attributes["application"] == "shop" and attributes["dc"] == "east"
    assert attributes["version"] == "1.2" and attributes["message"] == "hello, world"
    assert attributes["commit"] == "a,b"
    assert "canary" in snapshot["classifiers"]
    assert snapshot["annotations"]["resource/notes.txt"] == "left by the operator"
    tids = list(snapshot["threads"])
    other = next(tid for tid in tids if tid != snapshot["mainThread"])
    only = snapshot_of(run, "--thread", other, "--core", core)
    assert list(only["threads"]) == [other]
    marked = snapshot_of(run, "--fault-thread", other, "--core", core)
    assert marked["mainThread"] == other and marked["threads"][other]["fault"]
    assert list(marked["threads"])[0] == other


def test_faulted_keeps_all_frames_and_the_registers_of_the_faulted_thread(dead, run):
    core, _ = dead.core("threads", "20")
    full, less = snapshot_of(run, "--core", core), snapshot_of(run, "--faulted", "--core", core)
    assert oracle.our_frames(full) == oracle.our_frames(less)
    for tid, thread in less["threads"].items():
        frames = oracle.walked(thread["stack"])
        assert all(("registers" in frame) == (thread["fault"] or level == 0)
                   for level, frame in enumerate(frames))
        assert frames[0]["registers"]["rip"] == frames[0]["address"]
    assert all("rsp" in frame["registers"]
               for frame in oracle.walked(full["threads"][full["mainThread"]]["stack"]))


def test_defaults_of_the_environment_cannot_set_what_is_measured(dead, run):
    core, _ = dead.core("nullderef")
    env = {**os.environ, "BACKTRACE_DEFAULTS": "dc=west\nverdict=fine\nhostname=x\nbad\nversion=1"}
    result = run("ptrace", "--format=json", "-o", "s.json", "--kv", "version:2", "--core", core,
                 env=env)
    snapshot = json.loads(run("bt", "--json", "s.json").stdout)
    assert result.returncode == 0 and result.stderr.count("refused") == 3
    assert snapshot["attributes"]["dc"] == "west" and snapshot["attributes"]["version"] == "2"
    assert snapshot["attributes"]["verdict"] != "fine"


def test_what_comes_later_is_refused_by_name(dead, run):
    core, _ = dead.core("nullderef")
    for option in ("--source",):
        result = run("ptrace", option, "--core", core)
        assert result.returncode == 64 and f"{option}: not in this release" in result.stderr


# --- live processes ---

def stop_and_compare(bt, process):
    """gdb's view and ours of the same stopped process."""
    os.kill(process.pid, signal.SIGSTOP)
    time.sleep(0.1)
    ours = oracle.our_frames(oracle.our_snapshot(bt, process.pid))
    theirs = oracle.gdb_frames("-p", process.pid)
    os.kill(process.pid, signal.SIGSTOP)
    time.sleep(0.1)
    assert oracle.our_frames(oracle.our_snapshot(bt, process.pid)).keys() == ours.keys()
    os.kill(process.pid, signal.SIGCONT)
    return oracle.counters(ours), oracle.counters(theirs)


@pytest.mark.parametrize("threads", [0, 64])
def test_counters_of_a_live_process_are_those_of_gdb(program, sleeper, threads):
    ours, theirs = stop_and_compare(program("bt"), sleeper(threads))
    assert ours == theirs
    assert len(ours) == threads + 1


def test_a_live_process_goes_on_unharmed(run, sleeper, tmp_path):
    process = sleeper(8)
    result = run("ptrace", "-L", "INFO", process.pid)
    assert result.returncode == 0, result.stderr
    assert re.fullmatch(r"sleeper\.%d\.\d+\.btt\n" % process.pid, result.stdout)
    stopped = int(re.search(r"stood still for (\d+) us", result.stderr)[1])
    assert stopped < 500000
    status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
    assert "State:\tS" in status and "TracerPid:\t0" in status
    attributes = json.loads(run("bt", "--json", result.stdout.strip()).stdout)["attributes"]
    assert len(attributes) >= 50
    assert attributes["vm.threads"] == 9 and attributes["process.id"] == process.pid
    assert "verdict" not in attributes


def test_a_stopped_process_stays_stopped(run, sleeper):
    process = sleeper()
    os.kill(process.pid, signal.SIGSTOP)
    time.sleep(0.05)
    assert run("bt", process.pid).returncode == 0
    assert "State:\tT" in pathlib.Path(f"/proc/{process.pid}/status").read_text()


def test_a_process_that_another_one_traces(run, sleeper):
    process = sleeper()
    gdb = subprocess.Popen(["gdb", "-nx", "-q", "-p", str(process.pid)], stdin=subprocess.PIPE,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    status = pathlib.Path(f"/proc/{process.pid}/status")
    try:
        for _ in range(100):
            if f"TracerPid:\t{gdb.pid}" in status.read_text():
                break
            time.sleep(0.1)
        complaint(run("bt", process.pid), 2, f"process {gdb.pid} traces it already")
    finally:
        gdb.communicate(b"quit\n", timeout=20)


def test_a_process_of_somebody_else(run, sleeper, program):
    if os.geteuid() != 0:
        pytest.skip("needs root to become somebody else")
    result = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
                             program("bt"), str(sleeper().pid)], capture_output=True, text=True)
    if "setpriv" in result.stderr or result.returncode in (126, 127):
        pytest.skip("the program cannot be run by others here")
    complaint(result, 2, "permission denied; run as root")


def test_a_process_whose_program_was_deleted_keeps_its_names(dead, run, tmp_path):
    copy = tmp_path / "copy"
    copy.write_bytes(dead.build("sleeper").read_bytes())
    copy.chmod(0o755)
    process = dead.start_sleeper(program=copy)
    try:
        copy.unlink()
        result = run("bt", process.pid)
        assert result.returncode == 0 and "sleep_deep ()" in result.stdout, result.stdout
    finally:
        process.kill()
        process.wait()


def test_no_such_process(run):
    complaint(run("bt", 4194304), 2, "no such process")
    complaint(run("ptrace", "12x"), 64, "not a process id")


def kernel_thread():
    return next((pid for pid in sorted(filter(str.isdigit, os.listdir("/proc")), key=int)
                 if int(open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[6])
                 & 0x00200000), None)


def test_a_thread_of_the_kernel_is_called_one(run):
    pid = kernel_thread()
    if not pid:
        pytest.skip("sees no thread of the kernel (a container)")
    for name in ("bt", "ptrace"):
        complaint(run(name, pid), 2, "a thread of the kernel")


# --- what was typed wrong ---

def test_a_core_without_its_option_is_told_how(dead, run):
    core, _ = dead.core("nullderef")
    complaint(run("bt", core), 64, "for a core write --core before it")


def test_a_wrong_attribute_is_a_usage_error(dead, run):
    core, _ = dead.core("nullderef")
    complaint(run("ptrace", "--kv", "foo", "--core", core), 64, '--kv: "foo" is no pair')


def test_a_device_or_a_pipe_is_never_replaced(dead, run, tmp_path):
    core, _ = dead.core("nullderef")
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    complaint(run("ptrace", "-o", pipe, "--core", core), 64, "no regular file")
    assert pipe.is_fifo()


# --- text ---

def test_bt_tells_threads_with_the_same_stack_once(dead, run):
    core, _ = dead.core("threads", "100")
    text = run("bt", "--core", core).stdout
    heads = [line for line in text.splitlines() if line.startswith("Thread")]
    assert heads[0].endswith(" faulted:") and heads[0].startswith("Thread ")
    assert len(heads) < 15 and any(re.search(r"and \d+ more \(\d+ threads\):$", head) for head in heads)
    told = sum(len(head.split(",")) for head in heads) + sum(
        int(more) for head in heads for more in re.findall(r"and (\d+) more", head))
    assert told == 101
    assert run("bt", "--faulted", "--core", core).stdout.count("Thread") == 1
    assert "rsp=0x" in run("bt", "-v", "--faulted", "--core", core).stdout


def test_colours_only_on_a_terminal(dead, program):
    core, _ = dead.core("nullderef")
    argv = [program("bt"), "--core", str(core)]
    env = {key: value for key, value in os.environ.items() if key != "NO_COLOR"}
    assert b"\x1b" not in subprocess.run(argv, capture_output=True, env=env).stdout
    master, slave = pty.openpty()
    for extra, coloured in (({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)):
        subprocess.run(argv, stdout=slave, env={**env, "TERM": "xterm", **extra}, check=True)
        assert (b"\x1b[" in os.read(master, 65536)) == coloured
    os.close(slave)
    os.close(master)


def test_a_hostile_process_name_stays_one_escaped_line(dead, run, tmp_path):
    evil = tmp_path / "a\nb\x1b[31m'c"
    evil.write_bytes(dead.build("sleeper").read_bytes())
    evil.chmod(0o755)
    process = subprocess.Popen([evil], stdout=subprocess.PIPE, text=True)
    try:
        process.stdout.readline()
        result = run("bt", process.pid)
        assert "\x1b" not in result.stdout and "a\\x0ab\\x1b[31m'c" in result.stdout
        name = run("ptrace", process.pid).stdout
        assert re.fullmatch(r"a_b_\[31m'c\.\d+\.\d+\.btt\n", name)
    finally:
        process.kill()
        process.wait()


# --- bad cores ---

@pytest.mark.parametrize("name", ["bt", "ptrace"])
def test_a_file_that_is_no_core(dead, run, tmp_path, name):
    core, executable = dead.core("nullderef")
    (tmp_path / "text").write_text("hello\n")
    (tmp_path / "empty").write_text("")
    (tmp_path / "head").write_bytes(core.read_bytes()[:200])
    complaint(run(name, "--core", "text"), 2, f"{name}: text: a text file, not a core file;")
    complaint(run(name, "--core", "empty"), 2, "the file is empty")
    complaint(run(name, "--core", "head"), 2, "head: ", "; ")
    complaint(run(name, "--core", executable), 2, "an ELF program or library, not a core file;")
    complaint(run(name, "--core", "nowhere"), 2, "No such file or directory; check the path")
    complaint(run(name, "--core", "."), 2, "not a regular file")


def test_a_truncated_core_gives_what_it_has(dead, run, tmp_path):
    core, _ = dead.core("threads", "20")
    whole = oracle.our_frames(snapshot_of(run, "--core", core))
    (tmp_path / "cut").write_bytes(core.read_bytes()[:core.stat().st_size * 6 // 10])
    result = run("ptrace", "--format=json", "-o", "cut.json", "--core", "cut")
    if not kernel.system_tests_allowed():
        # gdb puts the notes behind the memory: nothing is left of the threads.
        return complaint(result, 2, "the core has no threads: it is cut short")
    assert result.returncode == 1 and "the core is cut short" in result.stderr
    snapshot = json.loads(run("bt", "--json", "cut.json").stdout)
    assert any("cut short" in line for line in snapshot["truncated"])
    for tid, frames in oracle.our_frames(snapshot).items():
        assert frames and [pc for pc, _ in frames] == [pc for pc, _ in whole[tid]][:len(frames)]


def test_a_core_without_its_executable(dead, run, tmp_path):
    core, executable = dead.core("ways", "divide")
    away = executable.with_name("ways-away")
    executable.rename(away)
    try:
        result = run("bt", "--core", core)
        assert result.returncode == 1 and f"not whole: executable {executable}" in result.stdout
        given = run("bt", "--core", core, away)
        assert given.returncode == 0 and "die_divide" in given.stdout
        executable.write_bytes(dead.build("sleeper").read_bytes())
        other = run("bt", "--core", core)
        assert other.returncode == 1 and "die_divide" not in other.stdout
    finally:
        away.rename(executable)


def test_a_wrong_executable_is_reported_and_not_used(dead, run):
    core, executable = dead.core("nullderef")
    result = run("bt", "--core", core, "/bin/ls")
    assert "session_close" in result.stdout
    assert f"warning: /bin/ls is not the program of {core}" in result.stdout
