"""This machine itself, set up by `make install` as the guide's reader would, and left as it was.

Only for tests that may touch the system, and only where nothing of ours is installed: what is found
here belongs to somebody."""

import contextlib
import json
import os
import pathlib
import pwd
import re
import shutil
import signal
import socket
import subprocess
import tempfile

from support import kernel
from support.world import wait_until

ROOT = pathlib.Path(__file__).resolve().parents[3]
OPT = pathlib.Path("/opt/backtrace")
ARCHIVE = pathlib.Path("/var/coresnap/archive")
CORONER_CF = pathlib.Path("/usr/local/etc/coroner.cf")
CONF = pathlib.Path("/usr/local/etc/coresnap/coresnap.conf")
SYSLOG = pathlib.Path("/var/log/syslog")
USERS = ("coresnap", "coronerd")
OURS = (OPT, pathlib.Path("/var/coresnap"), pathlib.Path("/var/lib/coronerd"), CORONER_CF,
        CONF.parent, pathlib.Path("/etc/coresnap"), pathlib.Path("/etc/coronerd"))
PORTS = (6097, 9040)
URL = "http://127.0.0.1:6097"
UNIVERSE, USER, PASSWORD = "yourcompany", "jdoe", "correct horse"


def _exists(user):
    with contextlib.suppress(KeyError):
        return pwd.getpwnam(user) is not None
    return False


def _is_taken(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def why_not():
    """What of somebody else's stands in the way; "" when the machine may be used."""
    if not kernel.system_tests_allowed():
        return "changes core_pattern: needs root and SYSTEM=1"
    found = [str(path) for path in OURS if path.exists()]
    found += [f"user {user}" for user in USERS if _exists(user)]
    found += [f"a listener on port {port}" for port in PORTS if _is_taken(port)]
    return f"an installation is on this machine: {', '.join(found)}" if found else ""


class Machine:
    def __init__(self, folder):
        self.folder = folder
        self.env = {**os.environ, "MORGUE_CONFIG_DIR": str(folder / "morgue"), "TZ": "UTC",
                    "MORGUE_USERNAME": USER, "MORGUE_PASSWORD": PASSWORD,
                    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
        # What tests set for programs of the stage is not for those of the machine.
        self.env.pop("CORESNAP_CACHE", None)
        self.rsyslog = None
        self.log_start = SYSLOG.stat().st_size + 1 if SYSLOG.exists() else 1

    def sh(self, command, check=True, timeout=120):
        """A line as the guide shows it, typed into a shell."""
        done = subprocess.run(["bash", "-c", command], env=self.env, text=True, cwd=self.folder,
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout)
        if check and done.returncode != 0:
            raise AssertionError(f"{command}: exit {done.returncode}: {done.stdout}{done.stderr}")
        return done

    def install(self):
        subprocess.run(["make", "--no-print-directory", "install"], cwd=ROOT, check=True,
                       stdout=subprocess.DEVNULL)
        self.sh("systemd-sysusers /usr/lib/sysusers.d/coresnap.conf /usr/lib/sysusers.d/coronerd.conf")

    def start_rsyslog(self):
        """The distribution's, with its own configuration, unless somebody's runs already."""
        if pathlib.Path("/dev/log").exists():
            return
        self.rsyslog = subprocess.Popen(["rsyslogd", "-n", "-i", "NONE"], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(lambda: pathlib.Path("/dev/log").exists(), "rsyslog's socket")

    def syslog(self):
        """The lines that the guide greps for, of those since the start."""
        return self.sh(f"tail -c +{self.log_start} {SYSLOG} | grep coresnap", check=False).stdout

    def wait_syslog(self, pattern, timeout=30):
        try:
            return wait_until(lambda: re.search(pattern, self.syslog(), re.M), pattern, timeout)
        except TimeoutError as error:
            raise TimeoutError(f"{error}\n{self.syslog()[-4000:]}") from None

    def start_server(self):
        self.sh("service coronerd start")
        answers = self.folder / "setup.json"
        answers.write_text(json.dumps({
            "dns_name": "localhost", "universe": UNIVERSE, "username": USER,
            "email": "jdoe@localhost", "password": PASSWORD}))
        self.sh(f"morgue setup {URL} --setup_json {answers}")
        self.sh(f"morgue login {URL}")

    def names(self, stage):
        return sorted(path.name for path in (ARCHIVE / stage).iterdir()
                      if not path.name.startswith("."))

    def wait_names(self, stage, count, timeout=30):
        """Until a stage holds so many objects; their names."""
        wait_until(lambda: len(self.names(stage)) == count, f"{count} objects in {stage}/", timeout)
        return self.names(stage)

    def wait_empty(self):
        self.wait_names("pending", 0)
        self.wait_names("sending", 0)

    def set_conf(self, *settings):
        """Edits coresnap.conf as its reader would: each "key = value" in the place of its line."""
        text = CONF.read_text()
        for setting in settings:
            key = re.escape(setting.split(" =")[0])
            text, n = re.subn(rf"^#?\s*{key} =.*$", lambda _, line=setting: line, text, count=1,
                              flags=re.M)
            assert n, f"{setting}: no such line in the template"
        CONF.write_text(text)

    def stop(self):
        if OPT.exists():
            self.sh("service coresnapd stop; service coronerd stop", check=False)
        if self.rsyslog:
            self.rsyslog.send_signal(signal.SIGTERM)
            self.rsyslog.wait(20)
            pathlib.Path("/dev/log").unlink(missing_ok=True)

    def uninstall(self):
        subprocess.run(["make", "--no-print-directory", "uninstall"], cwd=ROOT, check=True,
                       stdout=subprocess.DEVNULL)
        left = [path for path in (OPT, pathlib.Path("/etc/init.d/coresnapd")) if path.exists()]
        for path in OURS:
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
        for user in filter(_exists, USERS):
            subprocess.run(["userdel", user], check=True, capture_output=True)
        assert not left, f"make uninstall left {left}"


@contextlib.contextmanager
def installed():
    """The machine with our packages on it, its core_pattern locked, and all taken away again."""
    # Where the daemon's user may read as well.
    folder = pathlib.Path(tempfile.mkdtemp(prefix="machine"))
    folder.chmod(0o755)
    machine = Machine(folder)
    with kernel.locked():
        try:
            machine.install()
            yield machine
        finally:
            machine.stop()
            machine.uninstall()
            shutil.rmtree(folder)
