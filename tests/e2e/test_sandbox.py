"""The confined process that reads foreign bytes: what it gave up, which system calls it makes, and what is left when it
dies. Faults are real signals: a debugger or strace sends them at a chosen place."""

import json
import pathlib
import re
import shutil
import subprocess

import pytest

from support import crashers

# lib/sandbox/seccomp.c, as it is meant.
ALLOWED = set("""read pread64 write writev lseek fstat newfstatat close sendmsg recvmsg mmap munmap mremap mprotect madvise
brk futex clock_gettime gettimeofday timer_settime timer_delete getrandom uname sysinfo getpid gettid sched_yield
rt_sigaction rt_sigprocmask rt_sigreturn sigaltstack restart_syscall fcntl tgkill exit exit_group""".split())
# Nobody but the confined process makes this one, and each does, near its end.
LATE_CALL = "uname"

pytestmark = pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed")


@pytest.fixture(scope="module")
def dead(tmp_path_factory):
    return crashers.Crashers(tmp_path_factory.mktemp("crashers"))


def run(*words, **keywords):
    return subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=120, **keywords)


def ptrace_with(program, tmp_path, inject, *words):
    """(completed, document) of a ptrace whose confined processes get this signal at that system call."""
    out = tmp_path / "s.json"
    result = run("strace", "-f", "-o", tmp_path / "calls", "-e", f"trace={inject.partition(':')[0]}", "-e",
                 f"inject={inject}", program("ptrace"), "--format=json", "-o", out, *words)
    return result, json.loads(out.read_text()) if out.exists() else None


def ptrace_under_gdb(program, out, core, *commands):
    """The commands are given to gdb when the confined process looks up names."""
    words = [word for command in commands for word in ("-ex", command)]
    return crashers.gdb("-ex", "set startup-with-shell off", "-ex", "set follow-fork-mode child", "-ex",
                        "set breakpoint pending on", "-ex", "break csn_lookup_symbols", "-ex", "run", "-ex",
                        "delete", *words, "--args", program("ptrace"), "--format=json", "-o", str(out), "--kv",
                        "dc:east", "--core", str(core))


# --- what it gave up ---

def test_nothing_is_left_when_the_first_byte_is_read(program, dead):
    core, _ = dead.core("nullderef")
    result = crashers.gdb("-ex", "set startup-with-shell off", "-ex", "set follow-fork-mode child", "-ex",
                          "set breakpoint pending on", "-ex", "break csn_core_open_fd", "-ex", "run", "-ex",
                          "python print(open('/proc/%d/status' % gdb.selected_inferior().pid).read())", "-ex",
                          "python print(open('/proc/%d/limits' % gdb.selected_inferior().pid).read())", "-ex",
                          "python import os; f = '/proc/%d/fd/' % gdb.selected_inferior().pid; "
                          "print('FDS', [os.readlink(f + n) for n in os.listdir(f)])", "-ex", "kill",
                          "--args", program("bt"), "--cache=none", "--core", str(core))
    text = result.stdout
    assert "Seccomp:\t2" in text and "NoNewPrivs:\t1" in text, text + result.stderr
    for kind in ("CapEff", "CapPrm", "CapInh", "CapAmb"):
        assert f"{kind}:\t0000000000000000" in text
    for limit, most in (("Max cpu time", 600), ("Max data size", 8 << 30), ("Max open files", 256),
                        ("Max core file size", 1), ("Max address space", (64 << 30) + core.stat().st_size)):
        assert int(re.search(rf"{limit} +(\d+)", text)[1]) <= most, limit
    descriptors = eval(re.search(r"FDS (.*)", text)[1])
    others = [name for name in descriptors if str(core) not in name and "memfd:" not in name]
    assert sum("socket:" in name for name in others) >= 1
    # Standard input and output, and the socket to the parent.
    assert len(others) <= 4, descriptors


def confined_calls(path):
    """{call: times} of processes after each had loaded its filter."""
    confined, calls = set(), {}
    for line in path.read_text().splitlines():
        pid, _, rest = line.partition(" ")
        call = re.match(r"(?:<\.\.\. )?(\w+)", rest.strip())
        if not call or rest.strip().startswith(("+++", "---")):
            continue
        if pid in confined and not rest.strip().startswith("<..."):
            calls[call[1]] = calls.get(call[1], 0) + 1
        if "SECCOMP_SET_MODE_FILTER" in rest and rest.rstrip().endswith("= 0") and "NULL" not in rest:
            confined.add(pid)
    assert confined
    return calls


FLOWS = ["core", "core-c++", "core-go", "core-rust", "live", "snapshot", "verbose", "ptrace", "cache"]


@pytest.mark.parametrize("flow", FLOWS)
def test_no_call_is_made_that_is_not_on_the_list(program, dead, tmp_path, monkeypatch, flow):
    monkeypatch.setenv("GOTRACEBACK", "crash")
    core, _ = dead.core({"core-c++": "exception", "core-go": "go", "core-rust": "panic"}.get(flow, "nullderef"))
    bt, ptrace = program("bt"), program("ptrace")
    words = [bt, "--core", core]
    if flow == "live":
        sleeper = dead.start_sleeper(3)
        words = [ptrace, "-o", tmp_path / "out.btt", sleeper.pid]
    elif flow == "snapshot":
        assert run(ptrace, "-o", tmp_path / "s.btt", "--core", core).returncode == 0
        words = [bt, tmp_path / "s.btt"]
    elif flow == "verbose":
        words = [bt, "-v", "--core", core]
    elif flow == "ptrace":
        (tmp_path / "note.txt").write_text("hello")
        words = [ptrace, "-o", tmp_path / "out.btt", "--resource", tmp_path / "note.txt", "--core", core]
    elif flow == "cache":
        words = [bt, f"--cache={tmp_path}/answers", "--core", core]
    try:
        result = run("strace", "-f", "-o", tmp_path / "calls", *words)
    finally:
        if flow == "live":
            sleeper.kill()
            sleeper.wait()
    assert result.returncode == 0, result.stdout + result.stderr
    calls = confined_calls(tmp_path / "calls")
    assert set(calls) <= ALLOWED, calls
    # Not even tried: what opens, connects or executes.
    assert not [call for call in calls if "open" in call or "exec" in call or "socket" in call]
    if flow == "cache":
        assert list((tmp_path / "answers").glob("*.idx"))
        again = run("strace", "-f", "-o", tmp_path / "calls", *words)
        assert again.stdout == result.stdout
        assert set(confined_calls(tmp_path / "calls")) <= ALLOWED


def test_the_list_is_that_of_the_source(program):
    source = (pathlib.Path(__file__).resolve().parents[2] / "lib/sandbox/seccomp.c").read_text()
    listed = source[source.index("static const int allowed"):source.index("/* What libc tries")]
    narrow = source[source.index("} narrow[]") if "} narrow[]" in source else source.index("narrow[]"):]
    names = set(re.findall(r"SCMP_SYS\((\w+)\)", listed)) | set(
        re.findall(r"SCMP_SYS\((\w+)\)", narrow[:narrow.index("};")]))
    assert names == ALLOWED


# --- what is left when it dies ---

def test_a_child_that_crashes_leaves_registers_and_stacks(program, dead, tmp_path):
    core, _ = dead.core("nullderef")
    out = tmp_path / "s.json"
    result = ptrace_under_gdb(program, out, core, "signal SIGSEGV")
    assert "killed by signal 11 (Segmentation fault)" in result.stdout + result.stderr
    document = json.loads(out.read_text())
    assert document["truncated"][0].startswith("analysis: the confined process was killed by signal 11")
    assert document["attributes"]["dc"] == "east" and document["attributes"]["signal"] == "SIGSEGV"
    assert {"segv", "stop"} <= set(document["classifiers"])
    (thread,) = document["threads"].values()
    assert thread["fault"] and len(thread["stack"]) == 1
    frame = thread["stack"][0]
    assert "funcName" not in frame and frame["address"]
    assert document["modules"] if "modules" in document else True
    shown = run(program("bt"), out)
    assert shown.returncode == 1 and "killed by signal 11" in shown.stdout


def test_when_both_die_the_command_line_is_left(program, dead, tmp_path):
    core, executable = dead.core("nullderef")
    result, document = ptrace_with(program, tmp_path, f"{LATE_CALL}:signal=KILL", "--kv", "dc:east", "--core", core,
                                   executable)
    assert result.returncode == 1, result.stderr
    assert document["truncated"] == [
        "analysis: the confined process was killed by signal 9 (Killed), twice; nothing of it could be read"]
    assert document["attributes"]["dc"] == "east" and document["attributes"]["application"] == executable.name
    assert "killed by signal 9" in result.stderr and result.stdout == f"{tmp_path}/s.json\n"


def test_a_child_that_does_not_end_is_ended(program, dead, tmp_path):
    core, _ = dead.core("nullderef")
    result, document = ptrace_with(program, tmp_path, f"{LATE_CALL}:signal=STOP", "--kill-after=1", "--core", core)
    assert result.returncode == 1, result.stderr
    assert "was killed because its time was over" in document["truncated"][0]


@pytest.mark.parametrize("call", ["(int)getppid()", "(int)socket(1, 1, 0)", "(int)kill(1, 0)"])
def test_a_call_that_is_not_on_the_list_ends_the_child(program, dead, tmp_path, call):
    core, _ = dead.core("nullderef")
    ptrace_under_gdb(program, tmp_path / "s.json", core, f"print {call}", "continue")
    document = json.loads((tmp_path / "s.json").read_text())
    assert "signal 31 (Bad system call)" in document["truncated"][0]


def test_bt_says_that_the_child_died(program, dead, tmp_path):
    core, _ = dead.core("nullderef")
    result = run("strace", "-f", "-o", tmp_path / "calls", "-e", f"inject={LATE_CALL}:signal=SEGV", program("bt"),
                 "--core", core)
    assert result.returncode == 2 and "killed by signal 11" in result.stderr
    assert len(result.stderr.splitlines()) == 1
