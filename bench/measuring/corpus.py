"""The programs and cores that are measured, made once and kept in $BENCH_CACHE (default
~/.cache/coresnap-bench), at most CAP bytes in all.

A big C++ program takes no hours of compiling: one unit full of templates is compiled once, and
each further unit is a copy of its object file in which the unit's name, of fixed width, is another;
so every unit has symbols, types, functions and files of its own. Sections other than
.debug_str are compressed in the copies, or 800 of them would need 9 GB.

Everything has a folder with a stamp: a hash of the recipe, its sources, the compiler and libc. What
has another stamp is made anew. Where space would not do, what was not used for longest goes."""

import concurrent.futures
import contextlib
import fcntl
import hashlib
import os
import pathlib
import shutil
import subprocess
import tempfile

from . import ROOT
from support import crashers, services

FOLDER = pathlib.Path(os.environ.get("BENCH_CACHE") or
                      pathlib.Path.home() / ".cache/coresnap-bench").resolve()
CAP = 12 << 30
SOURCES = ROOT / "bench/programs"
PLACEHOLDER = b"unit0000"
COMPILE = ["-std=c++17", "-O2", "-g", "-gdwarf-5", "-fPIC", "-fno-semantic-interposition",
           "-frandom-seed=1", "-pthread"]
OBJECT_BYTES, LINKED_BYTES = 8_100_000, 5_100_000  # of one unit

UNIT_SOURCES = [SOURCES / name for name in ("unit.cc", "main.cc", "walk.h")]
UNITS, LIBRARIES, DOUBLE_LIBRARIES = 400, 110, 56


# --- folders and stamps ---

def _stamp(*recipe):
    """A hash of the recipe, paths in it meaning what the files hold, and of what it runs on."""
    seen = hashlib.sha256()
    for part in recipe:
        seen.update(part.read_bytes() if isinstance(part, pathlib.Path) else repr(part).encode())
    compiler = subprocess.run(["g++", "--version"], capture_output=True, check=True).stdout
    libc = pathlib.Path("/lib/x86_64-linux-gnu/libc.so.6")
    seen.update(compiler + (libc.read_bytes() if libc.exists() else b""))
    return seen.hexdigest()


def size_of(folder):
    return sum(path.lstat().st_blocks * 512 for path in folder.rglob("*"))


def _make_room(needed, keep):
    """Removes large programs, first what was unused for longest, until `needed` more bytes stay
    below the cap."""
    others = sorted((folder for folder in FOLDER.iterdir() if folder != keep and
                     (folder / "stamp").exists() and size_of(folder) > 100 << 20),
                    key=lambda folder: (folder / "stamp").stat().st_mtime)
    for folder in others:
        if size_of(FOLDER) + needed <= CAP:
            break
        shutil.rmtree(folder)
    if shutil.disk_usage(FOLDER).free < needed:
        raise OSError(f"{FOLDER}: needs {needed >> 20} MB of free space")


def made(name, make, *recipe, needed=0):
    """The folder of that name, made by make(folder) unless one of this recipe is there."""
    folder, stamp = FOLDER / name, _stamp(name, *recipe)
    FOLDER.mkdir(parents=True, exist_ok=True)
    with open(FOLDER / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "stamp").exists() or (folder / "stamp").read_text() != stamp:
            shutil.rmtree(folder, ignore_errors=True)
            _make_room(needed, folder)
            folder.mkdir()
            make(folder)
            (folder / "stamp").write_text(stamp)
        os.utime(folder / "stamp")
    return folder


def drop(name):
    shutil.rmtree(FOLDER / name, ignore_errors=True)


# --- programs of many units ---

def _run(*argv, cwd=None):
    subprocess.run([str(word) for word in argv], check=True, cwd=cwd)


def _compile(source, target):
    """Names no folder of this machine in what it makes."""
    _run("g++", *COMPILE, f"-I{SOURCES}", f"-fdebug-prefix-map={SOURCES}=/build",
         f"-fdebug-prefix-map={source.parent}=/build", "-c", source, "-o", target, cwd=SOURCES)


def _template(folder):
    """The bytes of the one unit's object file."""
    path = folder / "template.o"
    _compile(SOURCES / "unit.cc", path)
    # objcopy compresses by name, and names must stay readable.
    _run("objcopy", "--rename-section", ".debug_str=.kept_str", path)
    _run("objcopy", "--compress-debug-sections=zlib", path)
    _run("objcopy", "--rename-section", ".kept_str=.debug_str", path)
    return path.read_bytes()


def _objects(folder, template, numbers):
    paths = []
    for number in numbers:
        paths.append(folder / f"unit{number:04}.o")
        paths[-1].write_bytes(template.replace(PLACEHOLDER, b"unit%04d" % number))
    return paths


def _first_unit(folder, n_units):
    """Objects of main() and of the table of units."""
    numbers = range(n_units)
    (folder / "table.cc").write_text(
        '#include "walk.h"\n' +
        "".join(f"namespace unit{i:04}\n{{\nint visit(walk &);\n}}\n" for i in numbers) +
        "extern int (*const units[])(walk &) = {\n" +
        "".join(f"\tunit{i:04}::visit,\n" for i in numbers) +
        f"}};\nextern const unsigned n_units = {n_units};\n")
    _compile(folder / "table.cc", folder / "table.o")
    _compile(SOURCES / "main.cc", folder / "main.o")
    return [folder / "main.o", folder / "table.o"]


def _link_units(folder, n_units):
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        scratch = pathlib.Path(scratch)
        objects = _first_unit(scratch, n_units)
        objects += _objects(scratch, _template(scratch), range(n_units))
        _run("g++", "-fuse-ld=gold", "-pthread", "-o", folder / "program", *objects)


def units_program(n_units):
    """A program of n_units units and its main()."""
    folder = made(f"units-{n_units}", lambda folder: _link_units(folder, n_units), n_units,
                  *COMPILE, *UNIT_SOURCES, needed=n_units * (OBJECT_BYTES + LINKED_BYTES))
    return folder / "program"


def _link_libraries(folder):
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        scratch = pathlib.Path(scratch)
        template, number, plan = _template(scratch), 0, []
        for library in range(LIBRARIES):
            count = 2 if library < DOUBLE_LIBRARIES else 1
            plan.append((library, list(range(number, number + count))))
            number += count

        def link(job):
            library, numbers = job
            # The linkers split a library into different numbers of mappings.
            linker = "gold" if library % 2 else "bfd"
            objects = _objects(scratch, template, numbers)
            _run("g++", "-shared", f"-fuse-ld={linker}", "-pthread",
                 "-o", folder / f"libunits{library:03}.so", *objects)
            for path in objects:
                path.unlink()

        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(link, plan))
        _run("g++", "-pthread", "-o", folder / "program", *_first_unit(scratch, number),
             f"-L{folder}", "-Wl,--no-as-needed",
             *(f"-lunits{library:03}" for library in range(LIBRARIES)), f"-Wl,-rpath,{folder}")


def libraries_program():
    """A program whose units lie in 110 shared libraries."""
    folder = made("libraries", _link_libraries, LIBRARIES, DOUBLE_LIBRARIES, str(FOLDER),
                  *COMPILE, *UNIT_SOURCES,
                  needed=(LIBRARIES + DOUBLE_LIBRARIES) * LINKED_BYTES + 8 * OBJECT_BYTES)
    return folder / "program"


def walked(name, program, count, stride, threads=17):
    """(core, program) whose threads each stand in `count` units, `stride` apart."""
    def make(folder):
        crashers.Crashers(folder).core_of(folder / "core", program, count, stride, threads)

    folder = made(f"core-{name}", make, count, stride, threads,
                  program.stat().st_mtime_ns)
    return folder / "core", program


# --- small programs ---

def crashed(crasher, *arguments):
    """(core, program) of one of the tests' crashers."""
    compiler, source, flags = crashers.RECIPES[crasher]
    folder = made("-".join(["core", crasher, *arguments]),
                  lambda folder: crashers.Crashers(folder).core(crasher, *arguments),
                  compiler, flags, arguments, crashers.SOURCES / source, str(FOLDER))
    return crashers.Crashers(folder).core(crasher, *arguments)


def descended(frames):
    """(core, program) whose second thread is exactly that many calls deep."""
    def make(folder):
        _run("gcc", "-O1", "-g", "-pthread", "-fno-optimize-sibling-calls", "-o",
             folder / "program", SOURCES / "descend.c")
        crashers.Crashers(folder).core_of(folder / "core", folder / "program", frames)

    folder = made(f"core-descend-{frames}", make, frames, SOURCES / "descend.c",
                  str(FOLDER))
    return folder / "core", folder / "program"


def vim():
    program = services.installed("vim")
    folder = made("core-vim", lambda folder: crashers.Crashers(folder).vim(),
                  program.stat().st_size)
    return folder / "core-vim", program.resolve()


def _service(name, package):
    """(core, program) of a server; package: a program whose size changes when it is upgraded."""
    program = services.installed(package)
    folder = made(f"core-{name}", getattr(services, name), program.stat().st_size)
    return folder / "core", program.resolve()


def go():
    with _environment(GOTRACEBACK="crash"):
        return crashed("go")


@contextlib.contextmanager
def _environment(**variables):
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


CASES = {
    "headline": lambda: walked("headline", units_program(UNITS), 2, 12),
    "big": lambda: walked("big", units_program(UNITS), 24, 1),
    "manyso": lambda: walked("manyso", libraries_program(), 5, 2),
    "deep": lambda: crashed("deep"),
    "threads": lambda: crashed("threads", "1000"),
    "vim": vim,
    "redis": lambda: _service("redis", "redis-check-rdb"),
    "nginx": lambda: _service("nginx", "nginx"),
    "exception": lambda: crashed("exception"),
    "rust": lambda: crashed("panic"),
    "go": go,
}
