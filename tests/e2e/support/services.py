"""Servers of the distribution, started on 127.0.0.1 and killed with a core. Their packages' own
services are not touched."""

import contextlib
import pathlib
import shutil
import signal
import socket
import subprocess
import time

from . import crashers

NGINX = """daemon off;
master_process off;
pid {folder}/pid;
thread_pool default threads=16;
events {{ }}
http {{
	access_log off;
	client_body_temp_path {folder}/body;
	proxy_temp_path {folder}/proxy;
	fastcgi_temp_path {folder}/fastcgi;
	uwsgi_temp_path {folder}/uwsgi;
	scgi_temp_path {folder}/scgi;
	server {{ listen 127.0.0.1:{port}; location / {{ root {folder}; aio threads; }} }}
}}
"""


def installed(program):
    found = shutil.which(program, path="/usr/bin:/usr/sbin")
    if not found:
        raise FileNotFoundError(f"{program} is not installed; make deps")
    return pathlib.Path(found)


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _wait_for_answer(server, port):
    """Until it answers what neither server understands: then its threads are there."""
    end = time.monotonic() + 20
    while time.monotonic() < end:
        assert server.poll() is None, f"{server.args[0]} ended: {server.returncode}"
        with contextlib.suppress(OSError), \
                socket.create_connection(("127.0.0.1", port), 1) as client:
            client.sendall(b"HELLO?\r\n\r\n")
            if client.recv(1):
                return
        time.sleep(0.05)
    raise TimeoutError(f"{server.args[0]} does not answer on port {port}")


def _kill(folder, port, argv):
    """folder/core of a server that answered and got SIGSEGV."""
    with open(folder / "log", "w") as log:
        server = subprocess.Popen([str(word) for word in argv], cwd=folder, stdout=log, stderr=log,
                                  stdin=subprocess.DEVNULL)
        try:
            _wait_for_answer(server, port)
            time.sleep(0.3)  # its threads come to rest
            crashers.Crashers(folder).core_of_child(folder / "core", server.pid, signal.SIGSEGV)
        finally:
            server.kill()
            server.wait()


def redis(folder):
    """(core, program) of a redis with eight threads. One file is all of redis; it is what it is
    called."""
    program, port = installed("redis-check-rdb"), _free_port()
    name = folder / "redis-server"
    if not name.exists():
        name.symlink_to(program)
    _kill(folder, port, [name, "--port", port, "--bind", "127.0.0.1", "--save", "",
                         "--appendonly", "no", "--crash-log-enabled", "no", "--io-threads", "4"])
    return folder / "core", program


def nginx(folder):
    """(core, program) of an nginx with a pool of sixteen threads."""
    program, port = installed("nginx"), _free_port()
    (folder / "conf").write_text(NGINX.format(folder=folder, port=port))
    _kill(folder, port, [program, "-p", folder, "-c", folder / "conf", "-e", "stderr"])
    return folder / "core", program
