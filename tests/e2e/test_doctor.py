"""coresnap doctor: nothing to find on a healthy installation; then each thing broken, found and mended.

The real programs, a real coronerd, real commands: what the doctor says is pasted into a shell."""

import json
import os

import pytest

from support import kernel
from support.clinic import Clinic

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root for a mount namespace")


@pytest.fixture(scope="module")
def clinic(stage):
    made = Clinic(stage)
    try:
        made.open()
        yield made
    finally:
        made.close()


def test_a_healthy_installation_has_nothing_to_mend(clinic):
    assert clinic.doctor() == []
    shown = clinic.inside(f"{clinic.bin}/coresnap doctor").stdout
    assert shown.endswith("\nall is well\n") and "\033" not in shown
    assert "takes submissions to 'blackhole' with its token" in shown
    assert clinic.select("coresnap.object") == [], "trying the token made an object"
    ill = clinic.inside(f"echo core >{kernel.PATTERN}; {clinic.bin}/coresnap doctor; "
                        f"{clinic.bin}/coresnap enable").stdout
    assert f" does not run coresnap: core\n         {clinic.bin}/coresnap enable\n" in ill
    assert "\n1 problem, 0 warnings; " in ill


@pytest.mark.system
def test_the_canary_is_followed_to_the_server(clinic):
    with kernel.locked():
        try:
            clinic.run("coresnap", "enable")
            (clinic.root / "var/coresnap/canary").unlink(missing_ok=True)
            run = clinic.run("coresnap", "doctor", "--crash", "--json", check=False)
            again = clinic.run("coresnap", "doctor", "--crash", "--json", check=False)
        finally:
            clinic.run("coresnap", "disable")
    row, = [row for row in json.loads(run.stdout) if row["check"] == "canary"]
    assert row["level"] == "ok", row
    print(row["text"])
    (found,) = clinic.select("coresnap.object", "application")
    assert found["coresnap.object"] in row["text"] and found["application"] == "coresnap"
    row, = [row for row in json.loads(again.stdout) if row["check"] == "canary"]
    assert row["level"] == "warning" and "less than a minute ago" in row["text"]
