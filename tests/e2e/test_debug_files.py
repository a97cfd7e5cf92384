"""However debug information is stored (in sections of other names, in units of types, split off into
.dwo files and packages, shared by dwz, in a separate file), every frame is the same as gdb's. What
gdb cannot read is compared with our own answer for the same core before it was moved."""

import pathlib
import shutil
import subprocess

import pytest

from support import crashers, oracle

SOURCE = crashers.SOURCES / "units.cc"


@pytest.fixture(scope="module")
def dead(tmp_path_factory):
    return crashers.Crashers(tmp_path_factory.mktemp("debug-files"))


@pytest.fixture(scope="session")
def bt(program):
    return program("bt")


def run(*words, folder=None):
    if not shutil.which(words[0]):
        pytest.skip(f"{words[0]} is not installed")
    result = subprocess.run([str(word) for word in words], cwd=folder, capture_output=True,
                            text=True)
    assert result.returncode == 0, result.stderr
    return result.stdout


def build(dead, name, compiler, flags, link=()):
    """The program of three units, each compiled to an object in a folder of its own."""
    program = dead.folder / name
    if program.exists():
        return program
    folder = dead.folder / f"{name}.objects"
    folder.mkdir()
    for unit in (1, 2, 3):
        run(compiler, *flags, f"-DUNIT={unit}", "-c", SOURCE, "-o", f"{unit}.o", folder=folder)
    run(compiler, *flags, *link, "1.o", "2.o", "3.o", "-o", program, folder=folder)
    crashers.RECIPES[name] = (compiler, "units.cc", flags)
    return program


def stacks(bt, core):
    return oracle.our_stacks(oracle.our_snapshot(bt, "--core", core))


def warnings(bt, core):
    said = oracle.our_snapshot(bt, "--core", core).get("annotations", {}).get("warning", [])
    return [said] if isinstance(said, str) else said


def same_as_gdb(bt, dead, name):
    """Our stacks of the core, which are those of gdb."""
    core, program = dead.core(name)
    ours = stacks(bt, core)
    assert not oracle.difference(ours, oracle.gdb_stacks(program, core))
    assert oracle.positions(ours) >= 10, ours
    return ours


def sections(program):
    return run("readelf", "-SW", program)


COMPILED = [
    ("dw4", "g++", ["-gdwarf-4"], [], ".debug_ranges"),
    ("dw5", "g++", ["-gdwarf-5"], [], ".debug_rnglists"),
    ("clangdw4", "clang++", ["-gdwarf-4"], [], ".debug_ranges"),
    ("clangdw5", "clang++", ["-gdwarf-5"], [], ".debug_rnglists"),
    ("64bit", "clang++", ["-gdwarf-5", "-gdwarf64"], [], ".debug_rnglists"),
    ("every-address", "g++", ["-gdwarf-5", "-gno-as-loc-support", "-ffunction-sections"], [],
     ".debug_rnglists"),
    ("names", "clang++", ["-gdwarf-5", "-gpubnames", "-mllvm", "-accel-tables=Dwarf"], [], ".debug_names"),
    ("gdb-index-gold", "g++", ["-gdwarf-4", "-ggnu-pubnames"],
     ["-fuse-ld=gold", "-Wl,--gdb-index"], ".gdb_index"),
    ("gdb-index-lld", "clang++", ["-gdwarf-5", "-ggnu-pubnames"],
     ["-fuse-ld=lld", "-Wl,--gdb-index"], ".gdb_index"),
    ("types4", "g++", ["-gdwarf-4", "-fdebug-types-section"], [], ".debug_types"),
    ("types5", "g++", ["-gdwarf-5", "-fdebug-types-section"], [], ".debug_info"),
    ("clang-types4", "clang++", ["-gdwarf-4", "-fdebug-types-section"], [], ".debug_types"),
    ("clang-types5", "clang++", ["-gdwarf-5", "-fdebug-types-section"], [], ".debug_info"),
]


@pytest.mark.parametrize("level", ["-O0", "-O2"])
@pytest.mark.parametrize("name,compiler,flags,link,section", COMPILED, ids=[c[0] for c in COMPILED])
def test_frames_are_those_of_gdb(dead, bt, name, compiler, flags, link, section, level):
    program = build(dead, f"{name}{level}", compiler, [level, *flags], link)
    assert section in sections(program)
    same_as_gdb(bt, dead, f"{name}{level}")


SPLIT = [
    ("split4", "g++", ["-gdwarf-4"]),
    ("split5", "g++", ["-gdwarf-5"]),
    ("clang-split4", "clang++", ["-gdwarf-4"]),
    ("clang-split5", "clang++", ["-gdwarf-5"]),
    ("split-types4", "g++", ["-gdwarf-4", "-fdebug-types-section"]),
    ("split-types5", "g++", ["-gdwarf-5", "-fdebug-types-section"]),
    ("clang-split-types4", "clang++", ["-gdwarf-4", "-fdebug-types-section"]),
    ("clang-split-types5", "clang++", ["-gdwarf-5", "-fdebug-types-section"]),
]
IDS = [c[0] for c in SPLIT]


def without_counters(stacks):
    return [[frame[1:] for frame in frames] for frames in stacks.values()]


def split_stacks(bt, dead, name, compiler, flags):
    """Our stacks of a split program, which are those of gdb and of the same program in one piece."""
    unsplit = "-".join(["whole", compiler, *flags])
    build(dead, unsplit, compiler, flags)
    whole = same_as_gdb(bt, dead, unsplit)
    build(dead, name, compiler, ["-gsplit-dwarf", *flags])
    core, program = dead.core(name)
    ours = stacks(bt, core)
    # What gcc writes here (a section for each type) is more than gdb 13 can read.
    if "split-types5" not in name or compiler != "g++":
        assert not oracle.difference(ours, oracle.gdb_stacks(program, core))
    assert without_counters(ours) == without_counters(whole)
    assert not warnings(bt, core)
    return ours


@pytest.mark.parametrize("level", ["-O0", "-O2"])
@pytest.mark.parametrize("name,compiler,flags", SPLIT, ids=IDS)
def test_split_units_are_found_where_they_were_compiled_and_beside_the_program(
        dead, bt, name, compiler, flags, level):
    name += level
    whole = split_stacks(bt, dead, name, compiler, [level, *flags])
    core, program = dead.core(name)
    objects = program.with_name(f"{name}.objects")
    for dwo in objects.glob("*.dwo"):
        dwo.rename(dead.folder / dwo.name)
    assert stacks(bt, core) == whole
    for dwo in dead.folder.glob("*.dwo"):
        dwo.rename(objects / f"moved-{dwo.name}")
    assert stacks(bt, core) != whole
    assert ".dwo, which has debug information of" in warnings(bt, core)[0]


PACKERS = [("dwp", "split4"), ("dwp", "clang-split4"), ("dwp", "split-types4")]
PACKERS += [("llvm-dwp", name) for name in IDS if name != "split-types5"]


@pytest.mark.parametrize("packer,name", PACKERS, ids=["-".join(p) for p in PACKERS])
def test_split_units_are_found_in_packages(dead, bt, packer, name):
    compiler, flags = next(case[1:] for case in SPLIT if case[0] == name)
    name = f"{name}-{packer}"
    whole = split_stacks(bt, dead, name, compiler, ["-O2", *flags])
    core, program = dead.core(name)
    objects = program.with_name(f"{name}.objects")
    run(packer, "-e", program, "-o", f"{program}.dwp", folder=objects)
    shutil.rmtree(objects)
    assert stacks(bt, core) == whole
    # The package of a program without its debug information is beside the debug file.
    run("objcopy", "--only-keep-debug", program, f"{program}.debug")
    run("objcopy", "--strip-all", f"--add-gnu-debuglink={program}.debug", program)
    pathlib.Path(f"{program}.dwp").rename(f"{program}.debug.dwp")
    assert stacks(bt, core) == whole


def test_split_units_of_another_build_are_not_used(dead, bt):
    whole = split_stacks(bt, dead, "stale", "g++", ["-O2", "-gdwarf-5"])
    core, program = dead.core("stale")
    run("g++", "-O2", "-gdwarf-5", "-gsplit-dwarf", "-DUNIT=3", "-Dvalue=number", "-c", SOURCE,
        "-o", "3.o", folder=program.with_name("stale.objects"))
    ours = stacks(bt, core)
    assert ours != whole
    assert [frame.pc for frame in next(iter(ours.values())) if frame.kind == "physical"] == \
           [frame.pc for frame in next(iter(whole.values())) if frame.kind == "physical"]
    assert "3.dwo is of another build than" in warnings(bt, core)[0]
