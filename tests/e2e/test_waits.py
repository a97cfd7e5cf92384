"""Threads that wait for each other: who is blamed, of living processes and of cores.

In a sentence "@" stands for an address, "#name" for the number of a thread with its name,
"5204 (io)", and LINE for a line that holds what the sentence says.
"""

import json
import os
import re
import signal
import subprocess

import pytest

from support import capture, crashers

READ = ", in read, called from wait_for_input (waits.c:LINE)"
# way: (classifier, main thread, verdict of a living process, annotations of threads by name)
WAYS = {
    "two": ("hang", "alpha",
            "deadlock: thread #alpha waits for mutex @ (g_second) held by thread #beta, which waits "
            "for mutex @ (g_first) held by thread #alpha, in lock (waits.c:LINE)",
            {"alpha": "mutex @ (g_second) held by thread #beta",
             "beta": "mutex @ (g_first) held by thread #alpha"}),
    "three": ("hang", "alpha",
              "deadlock: thread #alpha waits for mutex @ (g_second) held by thread #beta, which "
              "waits for mutex @ (g_third) held by thread #gamma, which waits for mutex @ (g_first) "
              "held by thread #alpha, in lock (waits.c:LINE)",
              {"alpha": "mutex @ (g_second) held by thread #beta",
               "beta": "mutex @ (g_third) held by thread #gamma",
               "gamma": "mutex @ (g_first) held by thread #alpha"}),
    "self": ("hang", "twice",
             "deadlock: thread #twice waits for mutex @ (g_server+8) that it holds itself, in lock "
             "(waits.c:LINE)",
             {"twice": "mutex @ (g_server+8) that it holds itself"}),
    "join": ("hang", "joiner",
             "deadlock: thread #joiner waits for thread #worker to end, which waits for mutex @ "
             "(g_first) held by thread #joiner, in join_worker (waits.c:LINE)",
             {"joiner": "thread #worker to end",
              "worker": "mutex @ (g_first) held by thread #joiner"}),
    "gone": ("hang", "waiter",
             "thread #waiter waits for mutex @ (g_first) held by thread NUMBER, which is not in this "
             "process, in lock (waits.c:LINE)",
             {"waiter": "mutex @ (g_first) held by thread NUMBER, which is not in this process"}),
    "holder": (None, "holder",
               "5 threads wait for mutex @ (g_first) held by thread #holder" + READ,
               {"waiter": "mutex @ (g_first) held by thread #holder"}),
    "heap": (None, "holder", "2 threads wait for mutex @ held by thread #holder" + READ,
             {"waiter": "mutex @ held by thread #holder"}),
    "recursive": (None, "holder",
                  "2 threads wait for mutex @ (g_special) held by thread #holder" + READ,
                  {"waiter": "mutex @ (g_special) held by thread #holder"}),
    "robust": (None, "holder",
               "2 threads wait for mutex @ (g_special) held by thread #holder" + READ,
               {"waiter": "mutex @ (g_special) held by thread #holder"}),
    "inherit": (None, "holder",
                "2 threads wait for mutex @ (g_special) held by thread #holder" + READ,
                {"waiter": "mutex @ (g_special) held by thread #holder"}),
    "rwlock": (None, "writer",
               "3 threads wait for read-write lock @ (g_table) held by thread #writer" + READ,
               {"reader": "read-write lock @ (g_table) held by thread #writer",
                "second": "read-write lock @ (g_table) held by thread #writer"}),
    "readers": (None, None, None, {"second": "read-write lock @ (g_table) held by 2 readers"}),
    "condition": (None, None, None, {"idle": "condition variable (g_ready)"}),
    "semaphore": (None, None, None, {"slot": "semaphore @ (g_slots)"}),
    "timed": (None, None, None, {"alpha": "mutex @ (g_second) held by thread #timed",
                                 "timed": "mutex @ (g_first) held by thread #alpha"}),
    "nothing": (None, None, None, {}),
}


@pytest.fixture(scope="module")
def dead(tmp_path_factory):
    return crashers.Crashers(tmp_path_factory.mktemp("waits"))


@pytest.fixture
def living(dead):
    started = []

    def start(way, name="waits"):
        started.append(dead.start_sleeper(way, program=dead.build(name), more=["stay"]))
        return started[-1].pid

    yield start
    for process in started:
        process.kill()
        process.wait()


LINES = {"lock": "pthread_mutex_lock(mutex);", "join_worker": "pthread_join(worker",
         "wait_for_input": "read(ends[0]", "watchdog": "abort();", "main": "pause();"}
# Cores do not name threads: the functions that they run do.
NAMES = {"first_then_second": "alpha", "second_then_first": "beta", "second_then_third": "beta",
         "third_then_first": "gamma", "twice": "twice", "wait_and_hold": "holder",
         "wait_for": "waiter", "write_table": "writer", "read_table": "reader",
         "also_write_table": "second", "join_worker": "joiner", "lock_first": "worker",
         "watchdog": "watchdog"}
SOURCE = (crashers.SOURCES / "waits.c").read_text().splitlines()


def name_of(thread):
    if thread.get("name") not in (None, "waits"):
        return thread["name"]
    return next((NAMES[frame["funcName"]] for frame in thread["stack"]
                 if frame.get("funcName") in NAMES), None)


def plain(text, threads):
    """A sentence without what differs from run to run."""
    text = re.sub(r"thread (\d+)(?! \(|\d|, which is not)", lambda m: f"{m[0]} ({name_of(threads[m[1]])})", text)
    for number, name in re.findall(r"thread (\d+) \((\w+)\)", text):
        assert name_of(threads[number]) == name
    for function, line in re.findall(r"(\w+) \(waits\.c:(\d+)\)", text):
        assert LINES[function] in SOURCE[int(line) - 1]
    text = re.sub(r"thread \d+ \((\w+)\)", r"thread #\1", text)
    text = re.sub(r"thread \d+,", "thread NUMBER,", text)
    text = re.sub(r"in \w*(read|pause) \([^)]*\)", r"in \1", text)
    text = re.sub(r"waits\.c:\d+", "waits.c:LINE", text)
    return re.sub(r"0x[0-9a-f]+", "@", text)


def waits_of(snapshot):
    """Annotations by the name of the thread that they are about."""
    notes = snapshot.get("annotations", {}).get("wait", [])
    told = {}
    for note in notes if isinstance(notes, list) else [notes]:
        thread = snapshot["threads"][note["thread"]]
        assert note["frame"] < len(thread["stack"])
        text = plain(note["text"], snapshot["threads"])
        assert text.startswith("waits for ")
        assert told.setdefault(name_of(thread), text) == text
    return told


def check(snapshot, way, hangs, tail=""):
    _, main, verdict, waits = WAYS[way]
    assert ("hang" in snapshot["classifiers"]) == hangs
    assert waits_of(snapshot) == {name: "waits for " + text for name, text in waits.items()}
    assert plain(snapshot["attributes"]["verdict"], snapshot["threads"]) == verdict + tail
    assert name_of(snapshot["threads"][snapshot["mainThread"]]) == main


@pytest.mark.parametrize("way", WAYS)
def test_a_living_process_tells_who_waits_for_whom(living, look, way):
    classifier, main, verdict, waits = WAYS[way]
    pid = living(way)
    snapshot = look(pid)
    if verdict:
        check(snapshot, way, classifier == "hang")
    else:
        assert "hang" not in snapshot["classifiers"]
        assert "verdict" not in snapshot["attributes"]
        assert snapshot["mainThread"] == str(pid)
        assert waits_of(snapshot) == {name: "waits for " + text for name, text in waits.items()}


def test_the_thread_to_blame_groups(living, look):
    """The stack of the snapshot is that of the thread to blame, the same every time."""
    stacks = [json.loads(look(living("two"))["attributes"]["callstack"])["frame"] for _ in range(3)]
    assert "first_then_second" in stacks[0]
    assert stacks[0] == stacks[1] == stacks[2]


def test_a_thread_that_was_chosen_stays_the_main_one(living, look):
    pid = living("two")
    snapshot = look("--fault-thread", pid, pid)
    assert snapshot["mainThread"] == str(pid)
    assert "hang" in snapshot["classifiers"]


def test_without_names_memory_tells(living, look, dead):
    """A static program without symbols."""
    snapshot = look(living("two", "waits-static"))
    assert "hang" in snapshot["classifiers"]
    verdict = plain(snapshot["attributes"]["verdict"], snapshot["threads"])
    assert re.match(r"deadlock: thread #(alpha|beta) waits for mutex @ held by thread #(alpha|beta), "
                    r"which waits for mutex @ held by thread #\1, in ", verdict)


@pytest.mark.system
@pytest.mark.parametrize("way", ["two", "three", "self", "join"])
def test_a_watchdog_that_aborts_because_of_a_deadlock(dead, look, way):
    core, _ = dead.core("waits", way, "abort")
    check(look("--core", core), way, True,
          "; SIGABRT raised by the process itself in watchdog (waits.c:LINE)")


@pytest.mark.system
@pytest.mark.parametrize("way", ["holder", "heap", "recursive", "robust", "inherit", "rwlock"])
def test_an_abort_is_no_proof_that_a_holder_is_to_blame(dead, look, way):
    core, _ = dead.core("waits", way, "abort")
    snapshot = look("--core", core)
    assert "hang" not in snapshot["classifiers"]
    assert name_of(snapshot["threads"][snapshot["mainThread"]]) == "watchdog"
    assert snapshot["attributes"]["verdict"].startswith("SIGABRT raised by the process itself")


@pytest.mark.system
@pytest.mark.parametrize("way", ["two", "holder", "heap", "robust", "inherit", "rwlock"])
def test_a_signal_from_a_watchdog_thread_blames_the_holder(dead, look, way):
    core, _ = dead.core("waits", way, "kill")
    snapshot = look("--core", core)
    verdict = snapshot["attributes"]["verdict"]
    assert "; SIGABRT" in verdict
    snapshot["attributes"]["verdict"] = verdict[:verdict.index("; SIGABRT")]
    check(snapshot, way, True)


@pytest.mark.system
def test_a_signal_from_another_process_blames_the_holder(dead, look):
    process = dead.start_sleeper("holder", program=dead.build("waits"), more=["stay"])
    core = dead.folder / "core-sent"
    dead.core_of_child(core, process.pid, signal.SIGABRT)
    process.wait()
    snapshot = look("--core", core)
    check(snapshot, "holder", True,
          f"; SIGABRT sent by kill(2) from pid {os.getpid()} uid {os.getuid()} in pause, "
          "called from main (waits.c:LINE)")


@pytest.mark.system
def test_a_crash_of_its_own_is_left_alone(dead, look):
    """Nobody steals the thread of a failed assertion, even beside a deadlock."""
    core, _ = dead.core("waits", "two", "assert")
    snapshot = look("--core", core)
    assert "assert" in snapshot["classifiers"] and "hang" not in snapshot["classifiers"]
    assert name_of(snapshot["threads"][snapshot["mainThread"]]) == "watchdog"
    assert "wait" not in snapshot.get("annotations", {})


@pytest.mark.system
@pytest.mark.parametrize("way", ["two", "self", "rwlock", "heap"])
def test_a_minimal_core_has_the_locks(dead, look, program, way):
    with capture.new_spool(program) as spool:
        spool.crash([dead.build("waits"), way, "kill"])
        snapshot = look("--core", spool.core().path)
    verdict = snapshot["attributes"]["verdict"]
    snapshot["attributes"]["verdict"] = verdict[:verdict.index("; SIGABRT")]
    check(snapshot, way, True)


@pytest.mark.system
def test_numbers_of_a_pid_namespace_are_those_of_the_host(dead, look, program):
    """Locks hold the numbers that the process has for its threads."""
    process = subprocess.Popen(["unshare", "--pid", "--fork", dead.build("waits"), "two", "stay"],
                               stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline() == "ready\n"
        (child,) = subprocess.run(["ps", "-o", "pid=", "--ppid", str(process.pid)], text=True,
                                  capture_output=True, check=True).stdout.split()
        crashers.wait_asleep(int(child))
        check(look(child), "two", True)
    finally:
        os.kill(int(child), signal.SIGKILL)
        process.wait()
    with capture.new_spool(program) as spool:
        # Signals of its own do not end the first process of a namespace.
        spool.crash(["unshare", "--pid", "--fork", "sh", "-c", '"$0" "$@"; true',
                     dead.build("waits"), "two", "abort"])
        check(look("--core", spool.core().path), "two", True,
              "; SIGABRT raised by the process itself in watchdog (waits.c:LINE)")


def test_a_futex_of_another_language_has_no_owner(living, look, dead):
    snapshot = look(living("", "waits-rs"))
    (told,) = set(waits_of(snapshot).values())
    assert told.startswith("waits for futex @")
    assert "hang" not in snapshot["classifiers"] and "verdict" not in snapshot["attributes"]
