"""What gdb says, in the form that tests compare."""

import json
import pathlib
import subprocess

from . import crashers

SCRIPT = pathlib.Path(__file__).with_name("gdb_frames.py")


def gdb_frames(*arguments):
    """{tid: [(pc, name)]} of a core (program, core) or of a process ("-p", pid)."""
    result = crashers.gdb(*map(str, arguments), "-x", str(SCRIPT))
    threads, current = {}, None
    for line in result.stdout.splitlines():
        words = line.split(None, 2)
        if words and words[0] == "thread":
            current = threads.setdefault(int(words[1]), [])
        elif words and words[0] == "pc" and current is not None:
            current.append((int(words[1], 16), words[2]))
    assert threads, result.stdout + result.stderr
    return threads


def our_snapshot(bt, *arguments):
    result = subprocess.run([bt, "--json", "--depth=0", *map(str, arguments)], capture_output=True,
                            text=True, timeout=300)
    assert result.returncode in (0, 1), result.stderr
    return json.loads(result.stdout)


def our_frames(snapshot):
    """Physical frames only, as gdb_frames has them."""
    return {int(tid): [(int(frame["address"], 16), frame.get("funcName", "??"))
                       for frame in thread["stack"] if not frame.get("inlined")]
            for tid, thread in snapshot["threads"].items()}


def counters(threads):
    return {tid: [pc for pc, _ in frames] for tid, frames in threads.items()}
