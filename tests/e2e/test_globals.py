"""Variables outside functions, and what the debug information of other units defines: with an index of
names, without, and in a library."""

import json
import subprocess

import pytest

from support import crashers

OTHER = str(crashers.SOURCES / "globals_other.cc")
BUILDS = {
    "plain": ("g++", ["-g", "-O0", OTHER]),
    "dwarf4-types": ("g++", ["-g", "-gdwarf-4", "-fdebug-types-section", "-O0", OTHER]),
    "clang": ("clang++", ["-g", "-O0", OTHER]),
    "names": ("clang++", ["-g", "-gdwarf-5", "-gpubnames", "-O0", OTHER]),
    "gdb-index": ("g++", ["-g", "-ggnu-pubnames", "-fuse-ld=gold", "-Wl,--gdb-index", "-O0", OTHER]),
    "split": ("g++", ["-g", "-gsplit-dwarf", "-O0", OTHER]),
}
WHOLE = {
    "counter": "42", "limit": "7", "per_thread": "6", "net::connections": "{1, 2, 3}",
    "net::(anonymous namespace)::ratio": "0.25", "net::peer::count": "9", "settings::total": "12",
    "counter_of_other": "77", "of_library": "17",
}


@pytest.fixture(scope="module")
def dead(tmp_path_factory):
    return crashers.Crashers(tmp_path_factory.mktemp("globals"))


@pytest.fixture(scope="session")
def bt(program):
    return program("bt")


def core_of(dead, build):
    compiler, flags = BUILDS[build]
    crashers.RECIPES[f"globals-{build}"] = (compiler, "globals.cc", flags)
    return dead.core(f"globals-{build}")[0]


def look(bt, core, *flags):
    shown = subprocess.run([bt, "-v", "--json", *flags, "--core", core], capture_output=True,
                           text=True)
    assert shown.returncode in (0, 1), shown.stderr
    return json.loads(shown.stdout)


def values(snapshot):
    return {variable["name"]: variable.get("value") for group in snapshot.get("globals", [])
            for variable in group["variables"]}


def local(snapshot, name):
    stack = snapshot["threads"][snapshot["mainThread"]]["stack"]
    return next(variable for frame in stack for variable in frame.get("variables", [])
                if variable["name"] == name)


@pytest.mark.parametrize("build", BUILDS)
def test_all_are_told_when_asked_for(dead, bt, build):
    core = core_of(dead, build)
    assert "globals" not in look(bt, core)
    found = look(bt, core, "--globals")
    told = values(found)
    assert {name: told.get(name) for name in WHOLE} == WHOLE
    files = {group["file"].rsplit("/")[-1] for group in found["globals"]}
    assert files == {"globals.cc", "globals_other.cc"}


@pytest.mark.parametrize("build", BUILDS)
def test_an_expression_chooses(dead, bt, build):
    core = core_of(dead, build)
    assert set(values(look(bt, core, "--globals=^counter"))) == {"counter", "counter_of_other"}
    assert set(values(look(bt, core, "--globals=total$"))) == {"settings::total"}
    assert not values(look(bt, core, "--globals=nothing_like_it"))


def test_a_bad_expression_is_refused(dead, bt):
    core = core_of(dead, "plain")
    wrong = subprocess.run([bt, "--globals=(", "--core", core], capture_output=True, text=True)
    assert wrong.returncode == 64 and "--globals" in wrong.stderr


def test_an_expression_that_explodes_ends(dead, bt):
    core = core_of(dead, "plain")
    assert not values(look(bt, core, "--globals=^(([a-z_]+)*)*$X"))


@pytest.mark.parametrize("build", BUILDS)
def test_types_that_are_only_declared_are_found(dead, bt, build):
    found = look(bt, core_of(dead, build))
    assert [part["value"] for part in local(found, "kept")["target"]] == ["10", "11"]
    assert "sides" in {part["name"] for part in local(found, "drawn")["target"]}


@pytest.mark.parametrize("build", BUILDS)
def test_pointers_to_classes_tell_what_is_there(dead, bt, build):
    found = look(bt, core_of(dead, build))
    pointed = local(found, "pointed")
    assert pointed["type"] == "shape *" and pointed["dynamic_type"] == "drawing::square"
    members = {part["name"]: part for part in pointed["target"]}
    assert members["side"]["value"] == "4"
    named = {part["name"]: part for part in members["drawing::named"]["parts"]}
    assert named["label"]["value"] == "44"
    assert local(found, "drawn")["dynamic_type"] == "drawing::square"
    assert "dynamic_type" not in local(found, "exact")
    assert local(found, "method")["value"] == "&virtual shape::area()"


def test_text_shows_them_behind_the_stacks(dead, bt, program, tmp_path):
    core = core_of(dead, "plain")
    text = subprocess.run([bt, "--globals=^limit$", "--core", core], capture_output=True,
                          text=True).stdout
    assert text.rstrip().endswith("        limit = 7")
    saved = tmp_path / "saved.btt"
    subprocess.run([program("ptrace"), "--globals=^limit$", "-o", saved, "--core", core],
                   check=True, capture_output=True)
    again = subprocess.run([bt, saved], capture_output=True, text=True).stdout
    assert again == text


def test_storage_of_threads_in_libraries_is_found(dead, bt):
    folder = dead.folder
    subprocess.run(["g++", "-g", "-O0", "-fPIC", "-shared", "-o", folder / "libother.so", OTHER],
                   check=True)
    BUILDS["library"] = ("g++", ["-g", "-O0", f"-L{folder}", "-Wl,--no-as-needed", "-lother",
                                 f"-Wl,-rpath,{folder}"])
    told = values(look(bt, core_of(dead, "library"), "--globals"))
    assert {name: told.get(name) for name in WHOLE} == WHOLE
