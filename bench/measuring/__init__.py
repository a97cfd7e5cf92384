"""What the benches share: programs and cores that are made once, and how a command is measured."""

import os
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/e2e"))
os.environ.setdefault("SYSTEM", "1")  # as root the kernel writes the cores

BT = pathlib.Path(os.environ.get("CSN_STAGE", ROOT / "build/stage")) / "opt/backtrace/bin/bt"


def chosen(names):
    """Those of the names that the variable CASES asks for; all without one."""
    asked = os.environ.get("CASES", "").replace(",", " ").split()
    return [name for name in names if not asked or name in asked]
