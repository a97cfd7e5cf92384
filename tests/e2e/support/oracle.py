"""What gdb and eu-stack say of a process, what we say, and how the two are compared.

Conventions: gdb goes on past main; its trailing counters of 0 are no frames; counters and inline
chains are compared frame by frame, tail calls as a set of their own; functions by the last part of
their name without scopes, parameters and clones; aliases (__GI_x, __libc_x, __x) are equal; source
positions where both know one."""

import json
import pathlib
import re
import subprocess
import typing

from . import crashers

SCRIPT = pathlib.Path(__file__).with_name("gdb_frames.py")

# The same function by another of its names.
ALIASES = {"__libc_start_main_impl": "__libc_start_main", "__pthread_create_2_1": "pthread_create",
           "__libc_pause": "pause",
           "rust_begin_unwind": "begin_panic_handler"}


class Frame(typing.NamedTuple):
    pc: int
    kind: str  # "physical", "inline" or "tail"
    name: str | None
    path: str | None
    line: int  # 0 unknown


def gdb_stacks(*arguments, timeout=300):
    """{tid: [Frame]} of a core (program, core) or of a process ("-p", pid)."""
    result = crashers.gdb(*map(str, arguments), "-x", str(SCRIPT), timeout=timeout)
    for line in result.stdout.splitlines():
        if line.startswith("frames "):
            threads = json.loads(line[7:])
            break
    else:
        raise AssertionError(result.stdout + result.stderr)
    found = {int(tid): [Frame(*frame) for frame in frames] for tid, frames in threads.items()}
    for frames in found.values():
        while len(frames) > 1 and frames[-1].pc == 0:
            frames.pop()
    return found


def eu_frames(program, core):
    """{tid: [(pc, name)]} of the physical frames that eu-stack finds."""
    result = subprocess.run(["eu-stack", "-n", "0", "-e", program, "--core", core],
                            capture_output=True, text=True, timeout=300)
    threads, current = {}, []
    for line in result.stdout.splitlines():
        if line.startswith("TID "):
            current = threads.setdefault(int(line[4:].rstrip(":")), [])
        elif line.startswith("#"):
            words = line.split(None, 2)
            current.append((int(words[1], 16), words[2] if len(words) > 2 else "??"))
    return threads


def eu_stacks(program, core):
    """{tid: [Frame]} that eu-stack finds, inlined functions and lines included. It marks no frame
    as inlined: all of one counter but the last are. _start has no line, for it it shows another's."""
    result = subprocess.run(["eu-stack", "-n", "0", "-is", "-e", program, "--core", core],
                            capture_output=True, text=True, timeout=300)
    threads, frames = {}, []
    for line in result.stdout.splitlines():
        if line.startswith("TID "):
            frames = threads.setdefault(int(line[4:].rstrip(":")), [])
        elif line.startswith("#"):
            words = line.split(None, 2)
            frames.append(Frame(int(words[1], 16), "physical",
                                words[2] if len(words) > 2 else None, None, 0))
            if len(frames) > 1 and frames[-2].pc == frames[-1].pc:
                frames[-2] = frames[-2]._replace(kind="inline")
        elif ((position := re.fullmatch(r"    (.+?):(\d+)(:\d+)?", line)) and frames and
              frames[-1].name != "_start"):
            frames[-1] = frames[-1]._replace(path=position[1], line=int(position[2]))
    return threads


def our_snapshot(bt, *arguments):
    result = subprocess.run([bt, "--json", "--depth=0", *map(str, arguments)], capture_output=True,
                            text=True, timeout=300)
    assert result.returncode in (0, 1), result.stderr
    return json.loads(result.stdout)


def walked(stack):
    """The frames of a document's stack without those that are rebuilt: inlined and tail calls."""
    return [frame for frame in stack if frame.get("unwind") not in ("inline", "tail")]


def our_stacks(snapshot):
    """{tid: [Frame]} of a snapshot."""
    sources = {number: source["path"] for number, source in snapshot.get("sourceCode", {}).items()}

    def frame_of(frame):
        unwind = frame.get("unwind")
        return Frame(int(frame["address"], 16), unwind if unwind in ("inline", "tail")
                     else "physical", frame.get("funcName"), sources.get(frame.get("sourceCode")),
                     frame.get("line", 0))

    return {int(tid): [frame_of(frame) for frame in thread["stack"]]
            for tid, thread in snapshot["threads"].items()}


def physical(stacks):
    """{tid: [(pc, name)]} without inlined functions and tail calls."""
    return {tid: [(frame.pc, frame.name or "??") for frame in frames if frame.kind == "physical"]
            for tid, frames in stacks.items()}


def gdb_frames(*arguments):
    return physical(gdb_stacks(*arguments))


def our_frames(snapshot):
    return physical(our_stacks(snapshot))


def counters(threads):
    return {tid: [pc for pc, _ in frames] for tid, frames in threads.items()}


# --- comparing ---

def base_name(name):
    """What is left of a function's name without scopes, arguments, templates and clones."""
    if not name:
        return None
    for old, new in (("operator()", "operator"), ("{{", "{"), ("}}", "}")):
        name = name.replace(old, new)
    name = re.sub(r"\{(lambda|closure)[^}]*\}(::operator\(\))?|<lambda\([^>]*>(::operator ?\(\))?",
                  "operator", name)
    name = re.sub(r"\{vtable[^}]*\}|\.(part|isra|constprop|cold|lto_priv).*| \[clone.*"
                  r"|\(anonymous namespace\)", "", name)
    name = name.replace("{impl#", "<impl").replace("}", ">") if "{impl#" in name else name
    while re.search(r"<[^<>]*>", name):
        name = re.sub(r"<[^<>]*>", "", name)
    while re.search(r"\([^()]*\)", name):
        name = re.sub(r"\([^()]*\)", "", name)
    return re.sub(r" const$", "", name).split("::")[-1].split(" ")[-1]


def _plain(frame):
    """The frame as both sides should have it."""
    name = re.sub(r"^(__GI_|__libc_)+", "", ALIASES.get(frame.name, base_name(frame.name)) or "")
    return frame._replace(name=name.lstrip("_"),
                          path=pathlib.Path(frame.path).name if frame.path else None)


def _same(mine, other):
    # Of an object without debug information gdb takes the nearest symbol, we only one that covers
    # the address.
    return mine == other or (other.path is None and mine.pc == other.pc and
                             mine.kind == other.kind)


def describe(frames):
    return "\n".join(f"  {frame.pc:#x} {frame.kind:8} {frame.name} {frame.path}:{frame.line}"
                     for frame in frames)


def as_gdb_shows(frames):
    """Of a tail call gdb shows only the innermost function that is inlined at its jump, instead of
    all of these and the function that is really left."""
    shown, inlined = [], []
    for frame in frames:
        if frame.kind == "inline":
            inlined.append(frame)
            continue
        if frame.kind == "tail" and inlined:
            shown.append(inlined[0]._replace(kind="tail"))
        else:
            shown += [*inlined, frame]
        inlined = []
    return shown + inlined


def difference(ours, theirs):
    """What differs between two {tid: [Frame]}, tail calls aside; "" nothing."""
    if ours.keys() != theirs.keys():
        return f"threads: {sorted(ours)} and {sorted(theirs)}"
    for tid in theirs:
        mine, other = ([_plain(frame) for frame in as_gdb_shows(side[tid])
                        if frame.kind != "tail"] for side in (ours, theirs))
        for one, two in zip(mine, other):
            if not _same(one, two):
                break
        else:
            if len(mine) == len(other):
                continue
            one, two = len(mine), len(other)
        return (f"thread {tid}: {one}\nand {two}\nours:\n{describe(ours[tid])}\n"
                f"theirs:\n{describe(theirs[tid])}")
    return ""


def tail_calls(stacks):
    """{tid: [(name, line)]}, sorted, of the frames that a jump left."""
    return {tid: sorted((frame.name, frame.line) for frame in map(_plain, as_gdb_shows(frames))
                        if frame.kind == "tail") for tid, frames in stacks.items()}


def lost_tails(ours, theirs):
    """Tail calls that only they have."""
    mine = tail_calls(ours)
    return {tid: left for tid, frames in tail_calls(theirs).items()
            if (left := [frame for frame in frames if frame not in mine[tid]])}


def positions(stacks):
    """How many frames have a source position."""
    return sum(frame.path is not None for frames in stacks.values() for frame in frames)
