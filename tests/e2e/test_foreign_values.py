"""Values of Rust and Go against what the language itself prints of them ({:?} and %#v): the program
prints them, dies, and its core must show the same."""

import json
import os
import re
import subprocess

import pytest

from support import crashers

WAYS = ["plain", "shapes", "library"]
# What the optimiser leaves of Go's values is little; what there is must be right.
LEAST = {"values-rs": 70, "values-rs-O2": 60, "values-go": 30, "values-go-opt": 7}


@pytest.fixture(scope="module")
def dead(tmp_path_factory):
    return crashers.Crashers(tmp_path_factory.mktemp("foreign"))


@pytest.fixture(autouse=True)
def panics_leave_cores(monkeypatch):
    monkeypatch.setenv("GOTRACEBACK", "crash")


def said(output):
    return dict(line.split(" = ", 1) for line in output.splitlines() if " = " in line)


def shown(bt, core, function):
    out = subprocess.run([bt, "-v", "--core", core], capture_output=True, text=True,
                         check=True).stdout
    frame = re.split(r"\n#\d+ ", out.split(f" in {function} ", 1)[1], maxsplit=1)[0]
    return dict(re.findall(r"^        (\w+) = (.*)$", frame, re.M))


def members(text):
    """Of "title{...}": the title and its members, in any order, because maps have none."""
    title, brace, inside = text.partition("{")
    if not brace:
        return text
    parts, depth, start = [], 0, 0
    for at, letter in enumerate(inside):
        depth += (letter in "{[(") - (letter in "}])")
        if letter == "," and depth == 0:
            parts.append(inside[start:at].strip())
            start = at + 1
    return title, sorted([*parts, inside[start:].removesuffix("}").strip()])


def unfolded(text):
    return re.sub(r"(\w+) <repeats (\d+) times>", lambda m: ", ".join([m[1]] * int(m[2])), text)


def as_go(text):
    """Nil is shown bare, and a number of a named type with it."""
    text = re.sub(r"<nil>|(?:interface \{\}|error)\(nil\)", "nil", text)
    return re.sub(r"^main\.number\((\d+)\)$", r"\1", text)


def compare(dead, bt, name, way, tmp_path):
    core, program = dead.core(name, way)
    function = f"values::{way}" if "rs" in name else f"main.{way}"
    printed = subprocess.run([program, way], capture_output=True, text=True, errors="replace",
                             env={**os.environ, "GOTRACEBACK": "none"}).stdout
    want, got = said(printed), shown(bt, core, function)
    equal, wrong = 0, []
    for variable, text in want.items():
        there = got.get(variable)
        if there is None or "optimized out" in there or "not saved" in there:
            continue
        if members(as_go(unfolded(there))) == members(as_go(text)):
            equal += 1
        else:
            wrong.append((variable, text, there))
    return equal, len(want), wrong, got


@pytest.mark.parametrize("name", LEAST)
def test_values_are_what_the_language_prints(dead, program, tmp_path, record_property, name):
    equal = total = 0
    wrong = []
    for way in WAYS:
        some, of, differing, _ = compare(dead, program("bt"), name, way, tmp_path)
        equal, total, wrong = equal + some, total + of, wrong + differing
    record_property("equal", f"{equal} of {total}")
    assert not wrong, "\n".join(map(str, wrong))
    assert equal >= LEAST[name], f"{equal} of {total}"


def test_values_that_go_prints_no_addresses_of(dead, program, tmp_path):
    """nil, pointers, functions, channels, and what interfaces and large elements hold."""
    bt = program("bt")
    plain = compare(dead, bt, "values-go", "plain", tmp_path)[3]
    assert {plain[name] for name in ("noSlice", "noMap", "noPointer", "noFunc")} == {"nil"}
    whole = compare(dead, bt, "values-go", "shapes", tmp_path)[3]["whole"]
    assert whole == ('main.T{A:1, B:"x", c:[]int{4}, P:nil, Any:main.point{X:5, Y:6}, '
                     'Err:main.number(3), M:nil, Next:nil}')
    library = compare(dead, bt, "values-go", "library", tmp_path)[3]
    assert library["large"] == 'map[string][40]int{"wide":[40]int{1, 2, 0 <repeats 38 times>}}'
    assert re.fullmatch(r'\(\*errors.errorString\) 0x[0-9a-f]+ -> errors.errorString\{s:"broken"\}',
                        library["err"])
    assert re.fullmatch(r"\(chan int\) 0x[0-9a-f]+ with 1 of 3", library["ch"])
    assert re.fullmatch(r"\(func\(int\)\) 0x[0-9a-f]+ <main.plain>", library["f"])
    assert re.fullmatch(r"\(\*main.point\) 0x[0-9a-f]+ -> main.point\{X:8, Y:9\}", library["pt"])


def test_the_tree_of_a_value_is_kept(dead, program, tmp_path):
    core, _ = dead.core("values-rs", "shapes")
    out = tmp_path / "out.json"
    subprocess.run([program("ptrace"), "--format=json", "-o", out, "--core", core], check=True,
                   capture_output=True)
    snapshot = json.loads(out.read_text())
    variables = {variable["name"]: variable
                 for frame in snapshot["threads"][snapshot["mainThread"]]["stack"]
                 for variable in frame.get("variables", [])}
    point = variables["point"]
    assert (point["value"], point["form"]) == ("Point", "fields")
    assert [(part["name"], part["value"]) for part in point["parts"]] == [("x", "1"), ("y", "-2")]
    assert variables["number"]["form"] == "tuple"
    assert variables["number"]["type"] == "core::option::Option<i32>"
