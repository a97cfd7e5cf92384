"""The strongest test of the unwinder: a program is single-stepped, its true stack kept from calls
and returns, and at random instructions the unwinder has to find exactly that stack, end included."""

import json
import pathlib
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
STEPPER = ROOT / "build/tests/step/stepper"
SAMPLE = ROOT / "tests/step/sample.c"

NO_CFI = ["-fno-asynchronous-unwind-tables", "-fno-unwind-tables", "-Wl,--no-eh-frame-hdr"]
SETS = {
    "cfi": ([], None, 99.5),
    "no-cfi": (NO_CFI, ["objcopy", "--remove-section", ".eh_frame"], 97),
    "no-cfi-stripped": (NO_CFI, ["objcopy", "--remove-section", ".eh_frame", "--strip-all"], 97),
}
FLAGS = ["-O0", "-O2", "-Os", "-O2 -fno-omit-frame-pointer"]


def percent(right, asked):
    return 100 * right / max(asked, 1)


def questions(program, seed, one_in=10, limit=1000):
    result = subprocess.run([STEPPER, str(seed), str(one_in), str(limit), program, "12"],
                            capture_output=True, text=True, timeout=100)
    assert result.returncode == 0, result.stderr
    assert "cannot decode" not in result.stderr, result.stderr
    return json.loads(result.stdout)


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
@pytest.mark.parametrize("kind", SETS)
def test_the_stack_is_found_at_any_instruction(tmp_path, compiler, kind):
    if not shutil.which(compiler):
        pytest.skip(f"{compiler} is not installed")
    flags, strip, least = SETS[kind]
    for seed, optimize in enumerate(FLAGS):
        program = tmp_path / f"sample{seed}"
        subprocess.run([compiler, *optimize.split(), *flags, "-o", program, SAMPLE], check=True)
        if strip:
            subprocess.run([*strip, program], check=True)
        found = questions(program, seed)
        everywhere = percent(found["right"], found["asked"])
        own = percent(found["right_own"], found["asked_own"])
        print(f"{compiler} {optimize} {kind}: {everywhere:.2f} % of {found['asked']}, "
              f"in the program's own code {own:.2f} % of {found['asked_own']}; "
              f"frames by {', '.join(f'{way} {found[way]}' for way in ('cfi', 'fp', 'emul', 'scan'))}")
        if kind != "cfi":
            assert found["emul"] > found["asked"]
        assert found["asked_own"] > 100
        assert everywhere >= least and own >= least, json.dumps(found["wrong"], indent=1)
