"""A program that crashes over and over, and what became of each crash."""

import json
import pathlib
import re
import subprocess
import urllib.parse
import urllib.request

from support import capture, kernel
from support.world import wait_until

SOURCES = pathlib.Path(__file__).resolve().parents[2] / "crashers"
CRASHER = "int main(void) { volatile int *nowhere = 0; return *nowhere; }\n"


class Loop:
    """The program, whatever starts it, and the installation whose helper is asked."""

    def __init__(self, world):
        self.world = world
        self.driver = capture.compile_c(world.root, "loop", (SOURCES / "loop.c").read_text())
        self.crasher = capture.compile_c(world.root, "crasher", CRASHER, "-O1")

    @property
    def pattern(self):
        return f"|{self.world.sbin}/coresnap-archive %P %I %s %d %t %u %g %F"

    def run(self, rate, seconds, pattern=None):
        """Crashes rate times a second; how often it died. Holds the lock of core_pattern."""
        with kernel.core_pattern(pattern or self.pattern, 64):
            out = subprocess.run([self.driver, str(rate), str(seconds), self.crasher],
                                 capture_output=True, text=True, check=True)
            self.wait_helpers()
        return int(out.stdout)

    def wait_helpers(self):
        """The last helpers work on after their process is gone."""
        helper = self.world.sbin / "coresnap-archive"
        wait_until(lambda: not running(helper), "the end of all helpers", every=0.1)


def running(program):
    for process in pathlib.Path("/proc").iterdir():
        try:
            if process.name.isdigit() and (process / "exe").samefile(program):
                return True
        except OSError:
            continue
    return False


class Group:
    """How the server counts."""

    def __init__(self, world):
        self.world = world
        out = world.run("morgue", "login", world.url).stdout
        assert out is not None
        state = json.loads(next(pathlib.Path(world.env["MORGUE_CONFIG_DIR"]).glob("*.json")).read_text())
        self.token = re.search(r'"token":\s*"([0-9a-f]+)"', json.dumps(state))[1]

    def ask(self, **query):
        arguments = urllib.parse.urlencode({"token": self.token, "universe": self.world.universe,
                                            "project": self.world.project})
        request = urllib.request.Request(f"{self.world.url}/api/query?{arguments}",
                                         data=json.dumps(query).encode(),
                                         headers={"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as reply:
            return json.loads(reply.read())["response"]

    def crashes(self):
        values = self.ask()["values"]
        return values[0][2] if values else 0

    def ticks(self):
        values = self.ask(fold={"object.ticks": [["sum"]]})["values"]
        return values[0][1][0][0] if values else 0


def ticks_left(world):
    """Whether anything below ticks/ still waits."""
    folder = world.spool.parent / "ticks"
    return [path.name for path in folder.iterdir()] if folder.exists() else []


def disk_bytes(world):
    return sum(path.stat().st_blocks * 512 for path in world.spool.parent.rglob("*") if path.is_file())
