"""Programs of other runtimes, and of containers, die through the real kernel and become objects of a
real server: the right thread, names, what went wrong, and little of it. docs/runtimes.md says what
each shows."""

import json
import os
import pathlib
import re
import resource
import shutil
import signal
import subprocess
import tempfile

import pytest

from support.crashers import SOURCES, Crashers, task_sleeps
from support.groups import UNIFIED, cgroup
from support.world import World, wait_until

pytestmark = pytest.mark.system

CONTAINER = "fedcba9876543210" * 4
POD = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"
GIVE_UP = """
#[inline(never)]
fn give_up(code: i32) -> i32 { if code > 0 { std::process::abort() } code }
fn main() { println!("{}", give_up(std::env::args().count() as i32)); }
"""
PYTHON = "import ctypes\ndef inner():\n    ctypes.string_at(0)\ninner()"
# A Java program that is part of every runtime, and waits for a line.
KEYTOOL = ["-m", "java.base/sun.security.tools.keytool.Main", "-genkeypair", "-keystore", "ks"]


@pytest.fixture(scope="module")
def crashers(tmp_path_factory):
    return Crashers(tmp_path_factory.mktemp("crashers"))


@pytest.fixture(scope="module")
def world(stage):
    root = pathlib.Path(tempfile.mkdtemp(prefix="t", dir="/tmp"))
    root.chmod(0o755)
    made = World(stage, root, "dump.quota = 1\nkeep.core = all\n")
    try:
        made.start_server()
        made.set_up()
        made.start_daemon()
        wait_until(lambda: " started; " in made.log("coresnapd"), "coresnapd's start")
        yield made
    finally:
        made.close()
        shutil.rmtree(root, ignore_errors=True)


def start(argv, folder, env=None):
    return subprocess.Popen(
        list(map(str, argv)), cwd=folder, env={**os.environ, **(env or {})}, stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY,) * 2))


ATTRIBUTES = ["application", "signal", "classifiers", "callstack", "verdict", "vm.threads",
              "object.size", "coresnap.object", "process.id", "container.id", "container.runtime",
              "pod.uid", "namespace.pid", "namespace.mnt", "namespace.user", "process.namespace.id"]


def is_up(pid, threads=15):
    """A runtime that has all its threads, and waits."""
    tasks = list(pathlib.Path(f"/proc/{pid}/task").iterdir())
    return len(tasks) >= threads and all(map(task_sleeps, tasks))


def object_of(world, argv, folder, env=None, how=None):
    """Lets it die (by itself, or by a signal once it runs), and asks for the newest object."""
    before = world.log("coresnapd").count("processed in")
    process = None
    try:
        if how:
            process = start(argv, folder, env)
            wait_until(lambda: is_up(process.pid), "its threads")
        with world.enabled():
            process = process or start(argv, folder, env)
            if how:
                process.send_signal(how)
            process.wait(15)
    finally:
        if process and process.poll() is None:
            process.kill()
            process.wait()
    wait_until(lambda: world.log("coresnapd").count("processed in") > before, "its object", 60)
    row = world.select(*ATTRIBUTES)[-1]
    row["frames"] = json.loads(row["callstack"])["frame"]
    row["log"] = world.log("coresnapd")
    return row


def tool(path):
    if not shutil.which(path):
        pytest.skip(f"{path} is not installed (tools/install-deps runtimes)")
    return path


def build(crashers, name, argv):
    if not (crashers.folder / name).exists():
        subprocess.run([tool(argv[0]), *argv[1:], "-o", name], check=True, cwd=crashers.folder)
    return crashers.folder / name


def go(crashers):
    return [crashers.build("go")], {"GOTRACEBACK": "crash"}, None


def rust_panic(crashers):
    return [build(crashers, "rs-panic", ["/usr/bin/rustc", "-g", "-Cpanic=abort",
                                         SOURCES / "panic.rs"])], {}, None


def rust_abort(crashers):
    (crashers.folder / "give_up.rs").write_text(GIVE_UP)
    return [build(crashers, "rs-abort", ["/usr/bin/rustc", "-g", "give_up.rs"])], {}, None


def cxx(crashers):
    return [build(crashers, "cxx", ["g++", "-g", "-O1", "-pthread", SOURCES / "exception.cc"])], {}, None


def python(_):
    return ["/usr/bin/python3", "-c", PYTHON], {}, None


def node(_):
    return [tool("/usr/bin/node"), "-e", "process.abort()"], {}, None


def java_abort(_):
    return [tool("java"), *KEYTOOL], {}, signal.SIGABRT


def java_sent_segv(_):
    return [tool("java"), "-XX:ErrorFile=hs_err", *KEYTOOL], {}, signal.SIGSEGV


def java_null(_):
    tool("javac")
    return [tool("java"), "-XX:ErrorFile=hs_err", SOURCES / "NullStore.java"], {}, None


# What dies, its signal, classifiers, frames in this order, verdict, least threads, largest snapshot.
CASES = [
    (go, "SIGABRT", "abort panic", ["main.deref", "main.main"],
     r"panic: .*nil pointer dereference in main\.deref \(fault\.go:9\)", 3, 120_000),
    (rust_panic, "SIGABRT", "abort panic", ["panic::pick", "panic::work"],
     r"panic: index out of bounds: .* in panic::pick \(panic\.rs:6\)", 2, 120_000),
    (rust_abort, "SIGABRT", "abort", ["give_up::give_up", "give_up::main", "main"],
     r"SIGABRT raised by the process itself in give_up::give_up", 1, 120_000),
    (cxx, "SIGABRT", "abort exception", ["shop::Cart::at", "shop::checkout"],
     r'uncaught std::out_of_range \("no item 7"\)', 2, 120_000),
    (python, "SIGSEGV", "segv null", ["strlen", "_PyEval_EvalFrameDefault", "Py_BytesMain"],
     r"access to NULL in __strlen", 1, 200_000),
    (node, "SIGABRT", "abort", ["node::Abort", "node::Start"],
     r"SIGABRT raised by the process itself in node::Abort", 5, 500_000),
    (java_abort, "SIGABRT", "abort", ["CallJavaMainInNewThread", "JLI_Launch"],
     r"SIGABRT sent by kill\(2\) from pid \d+", 10, 500_000),
    (java_sent_segv, "SIGABRT", "abort", ["CallJavaMainInNewThread", "JLI_Launch"],
     r"SIGABRT raised by the process itself in os::abort", 10, 500_000),
    (java_null, "SIGABRT", "abort", [], r"SIGABRT raised by the process itself in os::abort", 10,
     600_000),
]


def in_order(wanted, frames):
    rest = iter(frames)
    return all(name in rest for name in wanted)


@pytest.mark.parametrize("case", CASES, ids=[case[0].__name__ for case in CASES])
def test_a_runtime_dies_and_is_understood(world, crashers, tmp_path, case):
    make, name, classifiers, frames, verdict, threads, largest = case
    argv, env, how = make(crashers)
    row = object_of(world, argv, tmp_path, env, how)
    assert row["signal"] == name
    assert set(classifiers.split()) <= set(row["classifiers"].split()), row
    assert in_order(frames, row["frames"]), row["frames"]
    assert re.search(verdict, row["verdict"]), row["verdict"]
    assert row["vm.threads"] >= threads
    assert row["object.size"] <= largest, row["object.size"]
    core = world.spool / "kept" / row["coresnap.object"]
    print(f"\n{make.__name__}: {row['verdict']} | {row['vm.threads']} threads | snapshot "
          f"{row['object.size']} | core {core.stat().st_blocks * 512}")


@pytest.mark.parametrize("root, names, runtime, pod", [
    (UNIFIED, ["kubepods.slice", f"kubepods-pod{POD.replace('-', '_')}.slice",
              f"cri-containerd-{CONTAINER}.scope"], "containerd", POD),
    (UNIFIED, [f"libpod-{CONTAINER}.scope", "container"], "podman", None),
    (pathlib.Path("/sys/fs/cgroup/pids"), ["docker", CONTAINER], "docker", None),
], ids=["kubernetes", "podman", "docker on cgroup v1"])
def test_a_real_cgroup_names_container_runtime_and_pod(world, crashers, tmp_path, root, names,
                                                       runtime, pod):
    """Attack 12: of a container nothing but its names is looked at."""
    with cgroup(root, *names) as inside:
        object_of(world, [*inside, "unshare", "-Urpf", "--mount-proc", "--kill-child",
                          crashers.build("nullderef")], tmp_path)
    # unshare then dies of the same signal, and is an object as well.
    row, = wait_until(lambda: [
        row for row in world.select(*ATTRIBUTES) if row["container.id"] == CONTAINER
        and row["container.runtime"] == runtime and row["application"] == "nullderef"], "its object")
    assert row["pod.uid"] == pod
    assert row["process.namespace.id"] == 1 and row["process.id"] != 1
    for name in ("pid", "mnt", "user"):
        own = int(re.search(r"\d+", os.readlink(f"/proc/self/ns/{name}"))[0])
        assert row[f"namespace.{name}"] not in (None, own)


LIBRARY = """
__attribute__((noinline)) int only_in_the_library(volatile int *p) { return *p + 1; }
"""
VICTIM = """
#include <stdio.h>
#include <unistd.h>
int only_in_the_library(volatile int *p);
__attribute__((noinline)) int only_in_the_program(int *p) { return only_in_the_library(p) + 1; }
int main(int n, char **v)
{
	for (int i = 1; i < n; i++)
		unlink(v[i]);
	return only_in_the_program((int *)0);
}
"""


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    """A root folder with a program, its library and their loader, and nothing of it outside."""
    folder = tmp_path_factory.mktemp("image")
    root = folder / "root"
    (root / "own/lib").mkdir(parents=True)
    (folder / "lib.c").write_text(LIBRARY)
    (folder / "victim.c").write_text(VICTIM)
    subprocess.run(["gcc", "-O1", "-g", "-shared", "-fPIC", "-Wl,-soname,libown.so", "-o", root / "own/lib/libown.so",
                    folder / "lib.c"], check=True)
    subprocess.run(["gcc", "-O1", "-g", "-o", root / "own/victim", folder / "victim.c",
                    root / "own/lib/libown.so", "-Wl,-rpath,/own/lib",
                    "-Wl,-dynamic-linker,/own/lib/ld.so"], check=True)
    for name, target in (("libc.so.6", "libc.so.6"), ("ld-linux-x86-64.so.2", "ld.so")):
        shutil.copy(os.path.realpath(f"/lib/x86_64-linux-gnu/{name}"), root / "own/lib" / target)
    for path in (root, *root.rglob("*")):
        path.chmod(0o755)
    return root


def check_names(world, row):
    assert row["frames"][:3] == ["only_in_the_library", "only_in_the_program", "main"], row["frames"]
    line, = [line for line in row["log"].splitlines()
             if row["coresnap.object"] in line and "/ptrace --faulted" in line]
    assert f"--resource={world.spool}/assets/{row['coresnap.object']}" in line
    assert list((world.spool / "assets" / row["coresnap.object"]).iterdir())


def victim_row(world, argv, folder):
    def rows():
        return [row for row in world.select(*ATTRIBUTES) if row["application"] == "victim"]

    before = len(rows())
    object_of(world, argv, folder)
    row = wait_until(lambda: len(rows()) > before and rows()[-1], "the victim's object")
    row["frames"] = json.loads(row["callstack"])["frame"]
    row["log"] = world.log("coresnapd")
    return row


def test_names_of_a_program_that_only_its_container_has(world, image, tmp_path):
    """Own user, mount and pid namespaces, own root: nobody outside has these files at their paths."""
    assert not os.path.exists("/own")
    row = victim_row(world, ["unshare", "-Urmpf", "--kill-child", "--root", image, "/own/victim"],
                     tmp_path)
    assert row["process.namespace.id"] == 1
    check_names(world, row)


def test_names_of_a_program_on_a_file_system_of_its_own_that_deleted_itself(world, image, tmp_path):
    """Its files lie on a tmpfs of its own mount namespace, and are removed before it dies."""
    mount = tmp_path / "mount"
    mount.mkdir()
    inside = (f"mount -t tmpfs none {mount} && cp -a {image}/own {mount}/ && "
              f"exec chroot {mount} /own/victim /own/victim /own/lib/libown.so")
    row = victim_row(world, ["unshare", "-Urm", "sh", "-c", inside], tmp_path)
    check_names(world, row)
