"""The strongest test of the unwinder: a program is single-stepped, its true stack kept from calls,
returns and signals, and at random instructions the unwinder has to find exactly that stack, end
included.

`make check` takes two of the flag sets for each kind of program, SOAK=SECONDS all of them and more
rounds. A line per program says what was found; STEP_REPORT=FILE collects them."""

import json
import os
import pathlib
import shutil
import subprocess
import typing

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
STEPPER = ROOT / "build/tests/step/stepper"
SAMPLES = ROOT / "tests/step"
SOAK = bool(os.environ.get("SOAK"))

NO_CFI = ["-fno-asynchronous-unwind-tables", "-fno-unwind-tables", "-Wl,--no-eh-frame-hdr"]
DROP_CFI = ["objcopy", "--remove-section", ".eh_frame"]


class Kind(typing.NamedTuple):
    flags: list
    finish: list | None  # what is done to the program or its library
    least: float  # percent of right answers in the program's own code, and behind signals
    source: str = "sample.c"
    library: bool = False  # everything but main is a shared library
    one_signal_in: int = 0  # instructions; 0 none
    rounds: int = 1
    elsewhere: float = 0  # percent everywhere, when it is another


# In C++, libgcc writes the registers of the frame that catches over those that its own frames saved:
# for the few instructions until it jumps there, memory does not have the truth.
KINDS = {
    "cfi": Kind([], None, 99.5),
    "cfi, stripped": Kind(["-s"], None, 99.5),
    "cfi, static": Kind(["-static", "-s"], None, 99.5),
    "cfi, library": Kind([], None, 99.5, library=True),
    "cfi, signals": Kind([], None, 99.5, one_signal_in=300),
    "cfi, C++ exceptions": Kind(["-std=c++17"], None, 99.5, source="sample.cc", elsewhere=98.5),
    "no cfi": Kind(NO_CFI, DROP_CFI, 97),
    "no cfi, stripped": Kind(NO_CFI, [*DROP_CFI, "--strip-all"], 97),
    "no cfi, library, stripped": Kind(NO_CFI, [*DROP_CFI, "--strip-unneeded"], 97, library=True),
    "no cfi, signals": Kind(NO_CFI, DROP_CFI, 97, one_signal_in=300),
}
FLAGS = ["-O0", "-O2", "-Os", "-O2 -fno-omit-frame-pointer", "-O3", "-O2 -fno-pie -no-pie",
         "-O1", "-O3 -fno-pie -no-pie -fno-omit-frame-pointer"]


def build(folder, compiler, kind, flags):
    """The program, in a folder of its own."""
    folder.mkdir()
    program, source = folder / "sample", SAMPLES / kind.source
    flags = [*flags.split(), *kind.flags]
    target = program
    if kind.library:
        target = folder / "libsample.so"
        own = [flag for flag in flags if "pie" not in flag]
        subprocess.run([compiler, *own, "-fPIC", "-shared", "-DLIBRARY", "-o", target, source],
                       check=True)
        subprocess.run([compiler, *flags, "-DMAIN", "-o", program, source, target,
                        f"-Wl,-rpath,{folder}"], check=True)
    else:
        subprocess.run([compiler, *flags, "-o", program, source], check=True)
    if kind.finish:
        for path in {program, target}:
            subprocess.run([*kind.finish, path], check=True)
    return program


def ask(program, kind, seed):
    one_in, rounds = (3, kind.rounds * 3) if SOAK else (10, kind.rounds)
    result = subprocess.run([STEPPER, str(seed), str(one_in), str(10**7), str(kind.one_signal_in),
                             program, str(rounds)], capture_output=True, text=True, timeout=600)
    assert result.returncode == 0, result.stderr
    assert "cannot decode" not in result.stderr, result.stderr
    return json.loads(result.stdout)


def report(line):
    print(line)
    if os.environ.get("STEP_REPORT"):
        with open(os.environ["STEP_REPORT"], "a") as file:
            file.write(line + "\n")


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
@pytest.mark.parametrize("name", KINDS)
def test_the_stack_is_found_at_any_instruction(tmp_path, compiler, name):
    kind = KINDS[name]
    if kind.source.endswith(".cc"):
        compiler = {"gcc": "g++", "clang": "clang++"}[compiler]
    if not shutil.which(compiler):
        pytest.skip(f"{compiler} is not installed")
    # Which two it is differs from kind to kind, so that every flag set is there.
    first = list(KINDS).index(name) * 2 + 4 * (compiler[0] == "c")
    chosen = FLAGS if SOAK else [FLAGS[(first + i) % len(FLAGS)] for i in range(2)]
    for seed, flags in enumerate(chosen):
        found = ask(build(tmp_path / str(seed), compiler, kind, flags), kind, seed)
        parts = {"": "everywhere", "_own": "its own code", "_behind": "behind signals"}
        told = []
        for part, where in parts.items():
            right, asked = found[f"right{part}"], found[f"asked{part}"]
            least = not part and kind.elsewhere or kind.least
            if asked:
                told.append(f"{where} {100 * right / asked:.2f} % of {asked}")
                assert 100 * right / asked >= least, (flags, where, json.dumps(
                    found["wrong"], indent=1))
        ways = ", ".join(f"{way} {found[way]}" for way in ("cfi", "fp", "emul", "scan"))
        report(f"{name}; {compiler} {flags}: {'; '.join(told)}; frames by {ways}")
        assert found["asked_own"] > 100 and found["asked"] > 1000
        assert name.startswith("cfi") or found["emul"] > 100
        assert not kind.one_signal_in or found["signals"] > 20
