"""The expression of the program that a verdict names: of C and C++, by two compilers, optimised and
not. What is not proved must be left out, and a wrong name is an error everywhere."""

import json
import re
import subprocess

import pytest

from support import crashers, kernel

pytestmark = pytest.mark.skipif(not kernel.system_tests_allowed(),
                                reason="the kernel must write the cores: needs root and SYSTEM=1")

# way: expression; None: there is none to be named
C = {
    "member": "conn->peer",
    "inner": "conn->in.state",
    "union": None,
    "array": "conn->peers[2].port",
    "chain": "conn->peer->next->id",
    "element": "peers[100000000].from.port",
    "number": "*number",
    "index": "numbers[100000000]",
    "back": "numbers[-100000000]",
    "local": "room[100000000]",
    "shared": "shared[100000000]",
    "tables": "*table->names[1]",
    "global": "current->peers[1].host[3]",
    "outside": "*outside",
    "static": "*own",
    "call": "conn->close",
    "table_call": "table->conns[1].close",
    "divide": "conn->id",
    "remainder": "peer->counts[3]",
    "other": None,
    "walk": "peer->id",
    "either": None,
}
CC = {
    "this": "this->uses[2]",
    "follow": "this->next->count",
    "virtual": "virtual table of *item",
    "base": "item->count",
    "reference": "number",
    "member": "counted.uses[1]",
    "basket": "basket->items[2]->count",
    "global": "shop::last->count",
    "inlined": "*where",
    "grid": "this->cells[2][1]",
    "lambda": "item->name",
}
VARIANTS = [("gcc", "-O0"), ("gcc", "-O2"), ("clang", "-O0"), ("clang", "-O2")]
# What could be named and is not: the register with the pointer has another value by then; this
# compiler leaves the class out of the debug information; the debug information says of the variable
# what its value was before the loop.
VAGUE = {("gcc", "-O2", "walk"),
         ("gcc", "-O2", "table_call"), ("clang", "-O2", "table_call"),
         ("clang", "-O0", "virtual"), ("clang", "-O2", "virtual"),
         ("clang", "-O0", "lambda"), ("clang", "-O2", "lambda")}
ROWS = [(source, *variant, way, expression)
        for source, table in (("naming.c", C), ("naming.cc", CC))
        for variant in VARIANTS for way, expression in table.items()]


@pytest.fixture(scope="module")
def dead(tmp_path_factory):
    return crashers.Crashers(tmp_path_factory.mktemp("naming"))


@pytest.fixture(scope="module")
def built(dead):
    """A function that builds a source in one variant, once."""
    programs = {}

    def build(source, compiler, level):
        if (source, compiler, level) not in programs:
            name = f"{source.replace('.', '-')}-{compiler}{level}"
            if source.endswith(".cc"):
                compiler_run = {"gcc": "g++", "clang": "clang++"}[compiler]
            else:
                compiler_run = compiler
            programs[source, compiler, level] = dead.folder / name
            subprocess.run([compiler_run, level, "-g", "-w", "-o", dead.folder / name,
                            crashers.SOURCES / source], check=True, timeout=120)
        return programs[source, compiler, level]

    return build


def verdict_of(command, core):
    shown = subprocess.run([*command, "--core", core], capture_output=True, text=True, timeout=60,
                           check=False)
    assert shown.returncode in (0, 1), shown.stderr
    return json.loads(shown.stdout)["attributes"]["verdict"]


@pytest.mark.parametrize("source,compiler,level,way,expression", ROWS,
                         ids=["-".join([row[0], row[1] + row[2], row[3]]) for row in ROWS])
def test_the_expression_is_named(dead, built, program, source, compiler, level, way, expression):
    core = dead.folder / f"core-{source}-{compiler}{level}-{way}"
    dead.core_of(core, built(source, compiler, level), way)
    verdict = verdict_of([program("bt"), "--json"], core)
    # A symbol of these programs has no " in " of its own.
    what = re.match(r"(?:read from|write to|jump to|integer division by zero)[^=]*?"
                    r"(?: = (.*?))?(?:, n[^,]*)? in ", verdict)
    assert what, verdict
    named = what[1]
    if (compiler, level, way) in VAGUE:
        assert named in (None, expression), verdict
    else:
        assert named == expression, verdict


def test_bt_and_ptrace_say_the_same(dead, built, program, tmp_path):
    for way in ("member", "global", "call", "remainder"):
        core = tmp_path / f"core-{way}"
        dead.core_of(core, built("naming.c", "gcc", "-O2"), way)
        stored = subprocess.run([program("ptrace"), "--format=json", "-o", tmp_path / "x.json",
                                 "--core", core], capture_output=True, text=True, timeout=60,
                                check=False)
        assert stored.returncode in (0, 1), stored.stderr
        said = json.loads((tmp_path / "x.json").read_text())["attributes"]["verdict"]
        assert f" = {C[way]}" in said
        assert verdict_of([program("bt"), "--json"], core) == said
