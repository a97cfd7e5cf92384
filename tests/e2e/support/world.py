"""A whole installation in a folder of its own: object store, host daemon, kernel helper.

The programs find their root from their own location, so a copy of the staged tree is enough."""

import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import time

from support import kernel


def wait_until(condition, what, timeout=20, every=0.02):
    deadline = time.monotonic() + timeout
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not happen within {timeout} s")
        time.sleep(every)
    return value


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class World:
    universe, user, password, project = "yourcompany", "jdoe", "correct horse", "blackhole"

    def __init__(self, stage, root, settings=""):
        self.root = pathlib.Path(root)
        shutil.copytree(stage / "opt", self.root / "opt", symlinks=True)
        self.bin = self.root / "opt/backtrace/bin"
        self.sbin = self.root / "opt/backtrace/sbin"
        self.spool = self.root / "var/coresnap/archive"
        for stage_name in ("pending", "sending", "assets"):
            (self.spool / stage_name).mkdir(parents=True, mode=0o700)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.server = self.daemon = None
        self.settings = settings
        self.env = {**os.environ, "MORGUE_CONFIG_DIR": str(self.root / "morgue"),
                    "MORGUE_USERNAME": self.user, "MORGUE_PASSWORD": self.password, "TZ": "UTC"}

    def run(self, program, *arguments, check=True, **keywords):
        result = subprocess.run([self.bin / program, *arguments], env=self.env, text=True,
                                capture_output=True, timeout=60, stdin=subprocess.DEVNULL, **keywords)
        if check and result.returncode != 0:
            raise AssertionError(f"{program} {' '.join(map(str, arguments))}: exit "
                                 f"{result.returncode}: {result.stdout}{result.stderr}")
        return result

    def _start(self, name, *arguments):
        log = open(self.root / f"{name}.log", "a")
        return subprocess.Popen([self.sbin / name, "-f", *arguments], stdout=log, stderr=log,
                                stdin=subprocess.DEVNULL, env=self.env)

    def log(self, name):
        path = self.root / f"{name}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def start_server(self):
        self.server = self._start("coronerd", "--listen", f"127.0.0.1:{self.port}")

        def answers():
            if self.server.poll() is not None:
                raise AssertionError(f"coronerd left: {self.log('coronerd')[-2000:]}")
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", self.port)) == 0

        wait_until(answers, "coronerd listening")

    def set_up(self):
        answers = self.root / "setup.json"
        answers.write_text(json.dumps({
            "dns_name": "localhost", "universe": self.universe, "username": self.user,
            "email": "jdoe@localhost", "password": self.password}))
        self.run("morgue", "setup", self.url, "--setup_json", answers)
        self.run("morgue", "login", self.url)
        self.run("morgue", "project", "create", self.project)
        token = self.run("morgue", "token", "create", f"--project={self.project}",
                         "--capability=error:post", "--coroner-cf").stdout
        etc = self.root / "usr/local/etc"
        (etc / "coresnap").mkdir(parents=True)
        (etc / "coroner.cf").write_text(token)
        (etc / "coroner.cf").chmod(0o600)
        template = (self.root / "opt/backtrace/etc/coresnap/coresnap.conf").read_text()
        keys = dict(line.split("=", 1) for line in self.settings.split("\n") if "=" in line)
        for key, value in keys.items():
            line = f"{key.strip()} ={value}"
            template, n = re.subn(rf"^#?\s*{re.escape(key.strip())}\s*=.*$",
                                  lambda _: line, template, count=1, flags=re.M)
            assert n, f"{key}: not in the template"
        (etc / "coresnap/coresnap.conf").write_text(template)
        return token

    def add_project(self, project):
        """One more project, and its token in coroner.cf."""
        self.run("morgue", "project", "create", project)
        shown = self.run("morgue", "token", "create", f"--project={project}",
                         "--capability=error:post", "--coroner-cf").stdout
        line = re.search(rf"^{project}\s*=\s*[0-9a-f]{{64}}$", shown, re.M)[0]
        conf = self.root / "usr/local/etc/coroner.cf"
        conf.write_text(re.sub(r"^\[token\]\n", f"[token]\n{line}\n", conf.read_text(), flags=re.M))

    def token(self):
        text = (self.root / "usr/local/etc/coroner.cf").read_text()
        return re.search(rf"^{self.project}\s*=\s*([0-9a-f]{{64}})", text, re.M)[1]

    def start_daemon(self):
        self.daemon = self._start("coresnapd")

    @staticmethod
    def end(process, how=signal.SIGTERM):
        if process and process.poll() is None:
            process.send_signal(how)
            process.wait(20)

    def kill_server(self):
        self.end(self.server, signal.SIGKILL)

    def kill_daemon(self):
        self.end(self.daemon, signal.SIGKILL)

    @contextlib.contextmanager
    def enabled(self):
        """core_pattern is ours for a moment."""
        with kernel.locked():
            self.run("coresnap", "enable")
            try:
                yield
            finally:
                self.run("coresnap", "disable", check=False)

    def close(self):
        self.end(self.daemon)
        self.end(self.server)

    def spooled(self):
        return [path for stage in ("pending", "sending") for path in (self.spool / stage).iterdir()
                if not path.name.startswith(".")]

    def wait_spool_empty(self, timeout=60):
        try:
            wait_until(lambda: not self.spooled(), "an empty spool", timeout)
        except TimeoutError as error:
            raise TimeoutError(f"{error}; left: {self.spooled()}\n"
                               f"{self.log('coresnapd')[-4000:]}\n"
                               f"{self.log('coronerd')[-1000:]}") from None

    def select(self, *attributes):
        """Rows of the project, oldest object first."""
        arguments = [f"--select={name}" for name in attributes]
        reply = json.loads(self.run("morgue", "list", self.project, *arguments, "--json").stdout)
        return sorted(reply["*"], key=lambda row: row["object"])
