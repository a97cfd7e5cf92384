"""What values of variables may cost, by flags: what is cut says so, and the stack of a runaway
recursion cannot cost more than the budget."""

import json
import resource
import subprocess
import time

import pytest

from support import crashers

crashers.RECIPES["links"] = ("gcc", "links.c", ["-O0", "-g"])


@pytest.fixture(scope="module")
def core(tmp_path_factory):
    return crashers.Crashers(tmp_path_factory.mktemp("budgets")).core("links")[0]


@pytest.fixture(scope="module")
def deep(tmp_path_factory):
    return crashers.Crashers(tmp_path_factory.mktemp("deep")).core("links", "131000")[0]


@pytest.fixture(scope="session")
def bt(program):
    return program("bt")


def snapshot(bt, core, *flags):
    shown = subprocess.run([bt, "-v", "--json", *flags, "--core", core], capture_output=True,
                           text=True)
    assert shown.returncode in (0, 1), shown.stderr
    return json.loads(shown.stdout)


def variables(snapshot, function):
    stack = snapshot["threads"][snapshot["mainThread"]]["stack"]
    frame = next(frame for frame in stack if frame.get("funcName") == function)
    return {variable["name"]: variable for variable in frame["variables"]}


def filled(snapshot):
    stack = snapshot["threads"][snapshot["mainThread"]]["stack"]
    return sum("variables" in frame for frame in stack)


def member(variable, *path):
    for name in path:
        parts = variable.get("parts") or variable["target"]
        variable = next(part for part in parts if part.get("name") == name)
    return variable


def warnings(snapshot):
    found = snapshot.get("annotations", {}).get("warning", [])
    return found if isinstance(found, list) else [found]


def test_arrays_and_texts_are_cut_with_a_mark(bt, core):
    few = variables(snapshot(bt, core, "--max-elements=3"), "die")
    assert few["numbers"]["value"] == "{0, 1, 2...}"
    assert few["text"]["value"] == '"abc"...'
    all_ = variables(snapshot(bt, core, "--max-elements=0"), "die")
    assert all_["numbers"]["value"].endswith(", 998, 999}")
    assert len(all_["text"]["value"]) == 1002


def test_structures_are_cut_with_a_mark(bt, core):
    cut = variables(snapshot(bt, core, "--max-depth=1"), "die")
    assert member(cut["owner"], "first")["value"] == "{...}"


def test_pointers_are_followed_as_far_as_asked(bt, core):
    none = variables(snapshot(bt, core, "--follow=0"), "die")
    assert "target" not in none["ring"]
    one = variables(snapshot(bt, core), "die")
    assert member(one["ring"], "value")["value"] == "10"
    assert "target" not in member(one["ring"], "next")
    two = variables(snapshot(bt, core, "--follow=2"), "die")
    assert member(two["ring"], "next", "value")["value"] == "11"
    assert "target" not in member(two["ring"], "next", "next")


def test_what_was_told_is_not_told_again(bt, core):
    told = variables(snapshot(bt, core, "--follow=9"), "die")
    ring = told["ring"]
    assert member(ring, "next", "next", "value")["value"] == "12"
    assert member(ring, "next", "next", "next")["same_as"] == "ring"
    assert member(ring, "next", "next", "other")["same_as"] == "ring->next"
    assert member(ring, "other", "value")["value"] == "13"
    assert member(told["owner"], "self")["same_as"] == "owner"
    nodes = told["nodes"]["parts"]
    assert member(nodes[0], "next", "value")["value"] == "11"
    text = subprocess.run([bt, "-v", "--follow=9", "--core", core], capture_output=True,
                          text=True).stdout
    assert " <told as ring>" in text and " <told as owner>" in text


def test_whose_variables_are_told(bt, core):
    assert not filled(snapshot(bt, core, "--variables=none"))
    assert filled(snapshot(bt, core, "--variables=faulted")) == 5
    wrong = subprocess.run([bt, "-v", "--variables=some", "--core", core], capture_output=True,
                           text=True)
    assert wrong.returncode == 64 and "--variables" in wrong.stderr


def test_a_budget_that_is_used_up_says_so(bt, core):
    for flag in ("--max-values=10", "--max-bytes=100"):
        cut = snapshot(bt, core, flag)
        assert any("budget" in text for text in warnings(cut)), flag
    assert not any("budget" in text for text in warnings(snapshot(bt, core)))


def test_a_deep_stack_costs_no_more_than_its_budget(bt, deep):
    usual = snapshot(bt, deep, "--depth=0")
    assert filled(usual) == 256
    assert any("innermost frames" in text for text in warnings(usual))
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    many = snapshot(bt, deep, "--depth=0", "--max-frames=0", "--max-values=20000")
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before < 2
    assert 1000 < filled(many) < 20000
    assert any("budget" in text for text in warnings(many))
    begun = time.monotonic()
    snapshot(bt, deep, "--depth=0", "--max-frames=0", "--max-values=0", "--max-bytes=0",
             "--values-time=1s")
    assert time.monotonic() - begun < 10
