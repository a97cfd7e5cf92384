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


# --- what is done to programs afterwards: our own answer from before is compared, and gdb's where
# it can read the result ---

def whole_program(bt, dead, name, compiler="g++", flags=("-O2", "-g")):
    """(program, core, our stacks)."""
    program = build(dead, name, compiler, list(flags))
    return program, dead.core(name)[0], same_as_gdb(bt, dead, name)


def build_id(program):
    text = run("readelf", "-n", program)
    return next(line.split()[-1] for line in text.splitlines() if "Build ID" in line)


@pytest.fixture
def debug_root():
    """A folder below the one that debuggers look in; emptied afterwards."""
    root = pathlib.Path("/usr/lib/debug")
    made = []

    def place(file, name):
        target = root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        assert not target.exists()
        shutil.copy(file, target)
        made.append(target)
        return target

    if not crashers.kernel.system_tests_allowed():
        pytest.skip("writes below /usr/lib/debug: needs root and SYSTEM=1")
    yield place
    for file in made:
        file.unlink()


@pytest.mark.parametrize("compression", ["zlib", "zlib-gnu", "zstd"])
def test_compressed_debug_files_are_read(dead, bt, compression):
    program, core, whole = whole_program(bt, dead, f"compressed-{compression}")
    debug = f"{program}.debug"
    run("objcopy", "--only-keep-debug", f"--compress-debug-sections={compression}", program, debug)
    run("objcopy", "--strip-all", f"--add-gnu-debuglink={debug}", program)
    assert " .debug_info" not in sections(program)
    assert stacks(bt, core) == whole


@pytest.mark.parametrize("folder", ["", ".debug"])
def test_debug_links_are_followed_and_files_of_another_build_are_not(dead, bt, folder):
    name = f"link{folder}"
    program, core, whole = whole_program(bt, dead, name)
    debug = program.parent / folder / f"{name}.dbg"
    debug.parent.mkdir(exist_ok=True)
    run("objcopy", "--only-keep-debug", program, debug)
    run("objcopy", "--strip-all", f"--add-gnu-debuglink={debug}", program)
    assert stacks(bt, core) == whole
    # Both moved elsewhere, the program given by hand.
    away = dead.folder / f"{name}.away"
    (away / folder).mkdir(parents=True, exist_ok=True)
    shutil.move(debug, away / folder / debug.name)
    shutil.copy(program, away / name)
    assert oracle.our_stacks(oracle.our_snapshot(bt, "--core", core, away / name)) == whole
    other = build(dead, f"{name}-other", "g++", ["-O1", "-g"])
    run("objcopy", "--only-keep-debug", other, debug)
    assert oracle.positions(stacks(bt, core)) < oracle.positions(whole)
    assert f"{debug} is the debug file of another build than" in warnings(bt, core)[0]


def test_debug_files_are_found_by_build_id(dead, bt, debug_root, tmp_path):
    program, core, whole = whole_program(bt, dead, "by-build-id")
    identity = build_id(program)
    run("objcopy", "--only-keep-debug", program, tmp_path / "debug")
    run("strip", program)
    bare = stacks(bt, core)
    assert oracle.positions(bare) < oracle.positions(whole)
    found = debug_root(tmp_path / "debug", f".build-id/{identity[:2]}/{identity[2:]}.debug")
    assert stacks(bt, core) == whole
    other = build(dead, "by-build-id-other", "g++", ["-O1", "-g"])
    run("objcopy", "--only-keep-debug", other, found)
    assert stacks(bt, core) == bare
    assert f"{found} has another build-id than its name says" in warnings(bt, core)


def test_symbols_come_from_packed_debug_data(dead, bt, tmp_path):
    program, core, whole = whole_program(bt, dead, "packed")
    run("objcopy", "--strip-debug", program, tmp_path / "symbols")
    run("xz", "-9", tmp_path / "symbols")
    run("objcopy", "--strip-all", "--add-section", f".gnu_debugdata={tmp_path}/symbols.xz", program)
    ours = stacks(bt, core)
    physical = oracle.physical(ours)
    assert physical.keys() == whole.keys()
    for tid, frames in oracle.physical(whole).items():
        assert [(pc, oracle.base_name(name)) for pc, name in frames] == \
               [(pc, oracle.base_name(name)) for pc, name in physical[tid]]
    assert not oracle.difference(ours, oracle.gdb_stacks(program, core))


DWZ = [("dwz4", ["-gdwarf-4"], []), ("dwz5", ["-gdwarf-5"], []),
       ("dwz5-sup", ["-gdwarf-5"], ["-5"])]


@pytest.mark.parametrize("name,flags,options", DWZ, ids=[c[0] for c in DWZ])
def test_units_that_dwz_merged_are_read(dead, bt, name, flags, options):
    program, core, whole = whole_program(bt, dead, f"{name}-one", flags=["-O2", *flags])
    before = program.stat().st_size
    run("dwz", program)
    assert program.stat().st_size < before
    assert stacks(bt, core) == whole
    assert not oracle.difference(whole, oracle.gdb_stacks(program, core))


@pytest.mark.parametrize("name,flags,options", DWZ, ids=[c[0] for c in DWZ])
@pytest.mark.parametrize("where", ["named", "build-id", ".dwz"])
def test_alternate_files_of_dwz_are_read(dead, bt, debug_root, name, flags, options, where):
    if options and where == "build-id":
        pytest.skip("alternate files of DWARF 5 have a checksum instead")
    name = f"{name}-{where}"
    program, core, whole = whole_program(bt, dead, name, flags=["-O2", *flags])
    twin = program.with_name(f"{name}-twin")
    shutil.copy(program, twin)
    # A file of its own, so that nothing else is there to be found.
    alternate = dead.folder / f"{name}.alt" / f"{name}.common"
    alternate.parent.mkdir()
    run("dwz", *options, "-m", alternate, program, twin)
    text = sections(program)
    assert ".debug_sup" in text or ".gnu_debugaltlink" in text
    if where == "build-id":
        identity = build_id(alternate)
        debug_root(alternate, f".build-id/{identity[:2]}/{identity[2:]}.debug")
        alternate.unlink()
    elif where == ".dwz":
        debug_root(alternate, f".dwz/{alternate.name}")
        alternate.unlink()
    assert stacks(bt, core) == whole
    assert not warnings(bt, core)
    # gdb 13 knows neither .debug_sup nor the folder .dwz.
    if not options and where != ".dwz":
        assert not oracle.difference(whole, oracle.gdb_stacks(program, core))
    if where == "named":
        alternate.unlink()
        assert stacks(bt, core) != whole
        assert "which has debug information of" in warnings(bt, core)[0]


def test_alternate_files_of_another_build_are_not_used(dead, bt):
    made = {}
    for name in ("alt-one", "alt-two"):
        program, core, whole = whole_program(bt, dead, name,
                                             flags=["-O2", "-g"] + ["-fno-ipa-ra"] *
                                             (name == "alt-two"))
        twin = program.with_name(f"{name}-twin")
        shutil.copy(program, twin)
        run("dwz", "-m", f"{program}.common", program, twin)
        made[name] = (program, core, whole)
    program, core, whole = made["alt-one"]
    shutil.copy(f"{made['alt-two'][0]}.common", f"{program}.common")
    assert stacks(bt, core) != whole
    assert "is not the alternate debug file of" in warnings(bt, core)[0]


FRAMES = [(1, "object"), (3, "object"), (4, "object"), (4, "zlib"), (4, "zlib-gnu"), (4, "zstd"),
          (1, "debug file"), (4, "debug file"), (4, "packed debug file")]


@pytest.mark.parametrize("version,store", FRAMES, ids=[f"{c[0]}-{c[1]}" for c in FRAMES])
def test_rules_of_unwinding_come_from_debug_frame(dead, bt, version, store):
    """A program of C without .eh_frame of its own; libc has one."""
    name = f"frame-{version}-{store.replace(' ', '-')}"
    program = dead.folder / name
    # No assembler writes 64-bit tables; test_cfi.c makes one by hand.
    run("gcc", "-O2", "-g", "-fno-asynchronous-unwind-tables", "-fomit-frame-pointer", "-pthread",
        f"-Wa,--gdwarf-cie-version={version}", crashers.SOURCES / "inlined.c", "-o", program)
    crashers.RECIPES[name] = ("gcc", "inlined.c", [])
    core, _ = dead.core(name)
    whole = stacks(bt, core)
    assert not oracle.difference(whole, oracle.gdb_stacks(program, core))
    debug = f"{program}.debug"
    if store in ("zlib", "zlib-gnu", "zstd"):
        run("objcopy", f"--compress-debug-sections={store}", program)
    elif store != "object":
        packed = ["--compress-debug-sections=zlib"] if "packed" in store else []
        run("objcopy", "--only-keep-debug", *packed, program, debug)
        run("objcopy", "--strip-all", f"--add-gnu-debuglink={debug}", program)
    assert stacks(bt, core) == whole
    snapshot = oracle.our_snapshot(bt, "--core", core)
    own = [frame.get("unwind") for thread in snapshot["threads"].values()
           for frame in thread["stack"] if frame.get("sourceCode") and
           snapshot["sourceCode"][frame["sourceCode"]]["path"].endswith("inlined.c")]
    assert own.count("cfi") >= 2 and not {"fp", "emul", "scan"} & set(own), own


def test_an_index_added_by_gdb_is_used_and_a_stale_one_does_no_harm(dead, bt, tmp_path):
    program, core, whole = whole_program(bt, dead, "indexed")
    run("gdb-add-index", program)
    assert ".gdb_index" in sections(program)
    assert stacks(bt, core) == whole
    # The index of one program in another, whose units lie elsewhere.
    other, core, whole = whole_program(bt, dead, "indexed-wrongly", flags=["-O2", "-g3"])
    run("objcopy", "--dump-section", f".gdb_index={tmp_path}/index", program, tmp_path / "copy")
    assert (tmp_path / "index").stat().st_size > 100
    run("objcopy", "--add-section", f".gdb_index={tmp_path}/index", other)
    assert stacks(bt, core) == whole
