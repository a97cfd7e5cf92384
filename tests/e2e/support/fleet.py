"""Machines of one's own, each a network and a name (namespaces), all behind one router.

The kernel has one core_pattern, so one machine at a time has it: its helper enters the machine's
namespaces, as a helper of another kernel would find itself in them."""

import json
import os
import pathlib
import shutil
import subprocess
import tempfile

from support import kernel
from support.world import wait_until

ROUTER = "router"


def _ip(*words):
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


class Place:
    """A network namespace with a host name, kept by a process that sleeps in it."""

    def __init__(self, name, holder):
        self.name, self.holder = name, holder
        self.prefix = ["nsenter", f"-t{holder.pid}", "-n", "-u"]

    def run(self, *argv, **keywords):
        done = subprocess.run([*self.prefix, *map(str, argv)], capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, timeout=60, **keywords)
        assert done.returncode == 0, f"{argv}: {done.stdout}{done.stderr}"
        return done.stdout


class Network:
    """A router and its places: place number n has the address 10.77.n.2."""

    def __init__(self, stack):
        self.stack, self.count = stack, 0
        self.router = self._make(ROUTER)
        self.router.run("sysctl", "-q", "-w", "net.ipv4.ip_forward=1")

    def _make(self, name):
        holder = subprocess.Popen(
            ["unshare", "-n", "-u", "sh", "-c", f"hostname {name} && echo up && exec sleep 3600"],
            stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
        self.stack.callback(holder.wait)
        self.stack.callback(holder.kill)
        assert holder.stdout.readline() == b"up\n"
        place = Place(name, holder)
        place.run("ip", "link", "set", "lo", "up")
        return place

    def add(self, name):
        place = self._make(name)
        self.count += 1
        n = self.count
        _ip("link", "add", "eth0", "netns", str(place.holder.pid), "type", "veth", "peer", "name",
            f"port{n}", "netns", str(self.router.holder.pid))
        for where, link, address in ((place, "eth0", f"10.77.{n}.2/24"),
                                     (self.router, f"port{n}", f"10.77.{n}.1/24")):
            where.run("ip", "address", "add", address, "dev", link)
            where.run("ip", "link", "set", link, "up")
        place.run("ip", "route", "add", "default", "via", f"10.77.{n}.1")
        place.address, place.port = f"10.77.{n}.2", f"port{n}"
        return place

    def cut(self, place):
        self.router.run("ip", "link", "set", place.port, "down")

    def mend(self, place):
        self.router.run("ip", "link", "set", place.port, "up")


class Installation:
    """The staged programs below a short path of their own, run in a place."""

    def __init__(self, stage, place, stack, environment=None):
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="f", dir="/tmp"))
        stack.callback(shutil.rmtree, self.root, ignore_errors=True)
        self.root.chmod(0o755)
        shutil.copytree(stage / "opt", self.root / "opt", symlinks=True)
        self.place, self.stack = place, stack
        self.env = {**os.environ, "TZ": "UTC", **(environment or {})}
        self.log = self.root / "log"

    def program(self, name):
        return next(self.root.glob(f"opt/backtrace/*bin/{name}"))

    def run(self, name, *arguments):
        return self.place.run(self.program(name), *arguments, env=self.env)

    def start(self, name, *arguments):
        with open(self.log, "a") as log:
            process = subprocess.Popen([*self.place.prefix, self.program(name), "-f", *arguments],
                                       stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=self.env)
        self.stack.callback(process.wait)
        self.stack.callback(process.terminate)
        return process


class Store(Installation):
    """A coronerd with a certificate, on the guide's ports."""

    def __init__(self, stage, place, stack, projects):
        super().__init__(stage, place, stack)
        self.env |= {"MORGUE_CONFIG_DIR": str(self.root / "morgue"), "MORGUE_USERNAME": "jdoe",
                     "MORGUE_PASSWORD": "correct horse"}
        ssl = self.root / "etc/coronerd/ssl"
        ssl.mkdir(parents=True)
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
             "/CN=store", "-addext", f"subjectAltName=IP:{place.address},DNS:localhost", "-keyout",
             ssl / "key.pem", "-out", ssl / "certificate.pem"], check=True, capture_output=True)
        self.certificate = ssl / "certificate.pem"
        self.start("coronerd")
        wait_until(lambda: "listening on https://" in self.log.read_text(), "coronerd")
        self._set_up(projects)

    def _set_up(self, projects):
        answers = self.root / "setup.json"
        answers.write_text(json.dumps({
            "dns_name": "store", "universe": "yourcompany", "username": "jdoe",
            "email": "jdoe@localhost", "password": "correct horse"}))
        self.run("morgue", "-k", "setup", "https://localhost", "--setup_json", answers)
        self.run("morgue", "-k", "login", "https://localhost")
        for project in projects:
            self.run("morgue", "-k", "project", "create", project)

    def client_configuration(self):
        """A coroner.cf for the machines: address, tokens, and the certificate to trust."""
        text = self.run("coronerd", "client-config", f"--host={self.place.address}")
        return text.replace("[universe]\n",
                            f"[universe]\ncurl.ca_file = {self.certificate}\n", 1)

    def rows(self, project, *arguments):
        reply = json.loads(self.run("morgue", "-k", "list", project, *arguments, "--json"))
        return reply


class Host(Installation):
    """A machine with helper and daemon."""

    def __init__(self, stage, place, stack, coroner_cf, settings=()):
        super().__init__(stage, place, stack)
        for name in ("pending", "sending", "assets"):
            (self.root / "var/coresnap/archive" / name).mkdir(parents=True, mode=0o700)
        self.archive = self.root / "var/coresnap/archive"
        etc = self.root / "usr/local/etc/coresnap"
        etc.mkdir(parents=True)
        (etc.parent / "coroner.cf").write_text(coroner_cf)
        (etc.parent / "coroner.cf").chmod(0o600)
        template = (self.root / "opt/backtrace/etc/coresnap/coresnap.conf").read_text()
        (etc / "coresnap.conf").write_text("\n".join(settings) + "\n" + template)
        self.daemon = self.start("coresnapd")
        wait_until(lambda: " started; " in self.log.read_text(), "coresnapd")

    def take_core_pattern(self):
        helper = self.program("coresnap-archive")
        line = f"|/usr/bin/nsenter -t{self.place.holder.pid} -n -u {helper} %P %I %s %d %t %u %g %F"
        assert len(line) <= 127, line
        kernel.write(kernel.PIPE_LIMIT, "64")
        kernel.write(kernel.PATTERN, line)

    def archived(self):
        """How many crashes the helper says it has archived."""
        path = self.root / "var/coresnap/log"
        return path.read_text().count("Crash dump archived in ") if path.exists() else 0

    def crash(self, program):
        """The program dies in this machine; returns when its core is in the spool."""
        self.take_core_pattern()
        before = self.archived()
        process = subprocess.Popen([*self.place.prefix, program], stdin=subprocess.DEVNULL)
        _, status = os.waitpid(process.pid, 0)
        process.returncode = -os.WTERMSIG(status)
        assert os.WCOREDUMP(status)
        wait_until(lambda: self.archived() > before, "the crash in the spool")

    def spooled(self):
        return [path for stage in ("pending", "sending")
                for path in (self.archive / stage).iterdir() if path.name[0] != "."]
