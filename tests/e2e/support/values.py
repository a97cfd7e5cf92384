"""Values of variables: ours as text, and compared with gdb's."""

import json
import re
import subprocess

from . import crashers, oracle

# What gdb says where there is no value; our reasons are finer.
MISSING = re.compile(r"<(optimized out|not saved|unavailable|synthetic pointer"
                     r"|optimized out here|register not saved|not in the dump|not understood)>"
                     r"|<error: .*>$")


def text_of(value):
    """A value as gdb prints it: what pointers lead to is ours alone."""
    text = value.get("value")
    if "missing" in value:
        text = f"<{value['missing']}>"
    if text is None:
        text = parts_of(value)
    elif "parts" in value:
        text += " = " + parts_of(value)
    elif text.startswith("@") and "target" in value:
        text += ": " + parts_of({**value, "parts": value["target"]})
    if value.get("repeats", 1) > 1:
        text += f" <repeats {value['repeats']} times>"
    return text


def parts_of(value):
    parts = []
    for part in value.get("parts", []):
        role, name = part.get("role"), part.get("name")
        label = {"base": f"<{name}> = ", "static": f"static {name} = "}.get(
            role, f"{name} = " if name else "")
        parts.append(label + text_of(part))
    if not parts and not value.get("cut"):
        return "{<No data fields>}"
    return "{" + ", ".join(parts) + ("..." if value.get("cut") else "") + "}"


def ours(snapshot):
    """[[function, [[name, text], ...]], ...] of the main thread."""
    stack = snapshot["threads"][snapshot["mainThread"]]["stack"]
    return [[frame.get("funcName"), [[v["name"], text_of(v)] for v in frame.get("variables", [])]]
            for frame in stack if frame.get("unwind") != "tail"]


def gdb(program, core):
    script = crashers.SOURCES.parent / "e2e" / "support" / "gdb_values.py"
    out = crashers.gdb("-iex", "set charset ASCII", str(program), str(core), "-x", str(script)).stdout
    line = next(line for line in out.splitlines() if line.startswith("values "))
    return json.loads(line.removeprefix("values "))


def normal(text):
    """Reasons for no value are one; gdb's are its own. Its printers say "struct" in template arguments
    and which of the library's inline namespaces a type is in, and end a base class twice."""
    text = re.sub(r"\s+", " ", MISSING.sub("<missing>", text))
    text = re.sub(r"(?<=[<,] )(?:struct|class|enum|union) |(?<=<)(?:struct|class|enum|union) ", "", text)
    text = text.replace("std::__cxx11::", "std::").replace(", <No data fields>}", "}")
    # Of a structure of which nothing is left gdb tells all members.
    return re.sub(r"^\{(\w+ = <missing>(, )?)+\}$", "<missing>", text)


def has_value(text):
    return normal(text) != "<missing>"


def base(function):
    """The name of a function without scopes and parameters."""
    name = re.sub(r"\(anonymous namespace\)", "", function or "")
    name = re.sub(r"<.*>", "", name.split("(")[0])
    return name.split("::")[-1].split(".")[0].strip()


class Score:
    """How many of gdb's values are ours, too."""

    def __init__(self):
        self.equal, self.total, self.more, self.differences = 0, 0, 0, []
        # Of a caller's register that calls may change gdb takes what it holds now.
        self.unsaved = 0

    def add(self, ours_frame, gdb_frame):
        ours_by_name = {}
        for name, text in ours_frame[1]:
            ours_by_name.setdefault(name, []).append(text)
        for name, text in gdb_frame[1]:
            texts = ours_by_name.get(name) or []
            mine = texts.pop(0) if texts else None
            if not has_value(text):
                self.more += mine is not None and has_value(mine)
                continue
            # gdb did not find the length of an array and tells only where it is.
            if mine and mine.startswith("{") and re.fullmatch("0x[0-9a-f]+", text):
                self.more += 1
                continue
            # It knows how many elements there are and did not find them.
            if mine and mine.startswith(normal(text) + " = {"):
                self.more += 1
                continue
            if mine == "<register not saved>":
                self.unsaved += 1
                continue
            self.total += 1
            if mine is not None and normal(mine) == normal(text):
                self.equal += 1
            else:
                self.differences.append((gdb_frame[0], name, mine, text))

    @property
    def percent(self):
        return 100 * self.equal / self.total if self.total else 100.0


def compare(bt, program, core):
    score = Score()
    snapshot = oracle.our_snapshot(bt, "-v", "--core", str(core))
    mine, theirs = ours(snapshot), gdb(program, core)
    for gdb_frame in theirs:
        if gdb_frame[2] == str(program):
            # Of some inlined functions only we make frames.
            while mine and base(mine[0][0]) != base(gdb_frame[0]):
                mine.pop(0)
            score.add(mine.pop(0) if mine else [None, []], gdb_frame)
    return score


def snapshot_of(bt, core):
    return json.loads(subprocess.run([bt, "-v", "--json", "--core", core], capture_output=True,
                                     text=True).stdout)
