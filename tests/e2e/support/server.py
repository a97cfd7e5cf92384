"""A coronerd of its own for a test: started on a free port, set up, asked, killed."""

import http.client
import json
import os
import pathlib
import re
import signal
import subprocess
import time
import urllib.parse
import uuid

PASSWORD = "s3cret"


def report(hostname="h1", function="crash", number=1, identity=None, timestamp=None):
    return {
        "uuid": identity or str(uuid.uuid4()),
        "timestamp": timestamp or int(time.time()),
        "lang": "c", "langVersion": "17", "agent": "test", "agentVersion": "1",
        "mainThread": "1", "classifiers": ["segv"],
        "threads": {"1": {"name": "main", "fault": True, "stack": [
            {"funcName": function, "address": "0x1000"},
            {"funcName": "run_loop", "address": "0x2000"},
            {"funcName": "main", "address": "0x3000"}]}},
        "attributes": {"hostname": hostname, "n": number},
    }


class Server:
    def __init__(self, program, data, *arguments, listen="127.0.0.1:0"):
        self.data = pathlib.Path(data)
        self.arguments = [program("coronerd"), "-f", "--data", str(data), *arguments]
        if listen:
            self.arguments += ["--listen", listen]
        self.token = self.process = None

    run = staticmethod(subprocess.Popen)

    def start(self):
        self.log = open(self.data.parent / "coronerd.log", "a+")
        start = self.log.seek(0, os.SEEK_END)
        self.process = self.run(self.arguments, stdout=self.log, stderr=self.log,
                                stdin=subprocess.DEVNULL)
        deadline = time.monotonic() + 20
        while True:
            self.log.seek(start)
            text = self.log.read()
            urls = re.findall(r"^listening on (https?)://(\S+):(\d+)$", text, re.M)
            if urls:
                break
            assert self.process.poll() is None, text
            assert time.monotonic() < deadline, text
            time.sleep(0.01)
        self.host, self.port = urls[0][1], int(urls[0][2])
        self.output = text
        return self

    def stop(self, how=signal.SIGTERM):
        if self.process and self.process.poll() is None:
            self.process.send_signal(how)
            return self.process.wait(20)
        return None

    def request(self, method, path, body=None, headers=None, **query):
        if query:
            path += "?" + urllib.parse.urlencode(query)
        connection = http.client.HTTPConnection(self.host, self.port, timeout=30)
        try:
            connection.request(method, path, body, headers or {})
            reply = connection.getresponse()
            return reply.status, reply.read(), dict(reply.getheaders())
        finally:
            connection.close()

    def json(self, method, path, body=None, headers=None, **query):
        if isinstance(body, (dict, list)):
            body = json.dumps(body)
        status, text, _ = self.request(method, path, body, headers, **query)
        return status, json.loads(text)

    def bpg(self, *actions, token=None, headers=None):
        return self.json("POST", "/api/bpg", {"actions": list(actions)}, headers,
                         token=token or self.token or "000000000")[1]

    def get(self, kind, **keywords):
        return self.bpg({"action": "get", "type": f"configuration/{kind}"}, **keywords)

    def create(self, kind, **fields):
        result = self.bpg({"action": "create", "type": f"configuration/{kind}",
                           "object": fields})["results"][0]
        assert result["text"] == "success", result
        return result["result"]

    def set_up(self):
        assert self.create("universe", id=0, name="acme")["id"] == 1
        self.create("users", uid=0, superuser=1, method="password", universe=1, username="root",
                    email="r@x.org", password=PASSWORD.encode().hex())
        self.login()
        self.create("project", pid=0, deleted=0, name="demo", owner=1, universe=1)
        return self

    def login(self):
        status, reply = self.json("POST", "/api/login", f"username=root&password={PASSWORD}")
        assert status == 200 and "error" not in reply, reply
        self.token = reply["token"]
        return reply

    def post(self, document, path="/api/post", headers=None, **query):
        if isinstance(document, dict):
            document = json.dumps(document)
        given = {"token": self.token, "universe": "acme", "project": "demo", "format": "json"}
        given.update(query)
        return self.json("POST", path, document, headers, **given)

    def query(self, **body):
        status, reply = self.json("POST", "/api/query", body, token=self.token, universe="acme",
                                  project="demo")
        assert status == 200 and "error" not in reply, reply
        return reply

    def count(self):
        rows = self.query(fold={"timestamp": [["range"]]})["response"]["values"]
        return rows[0][2] if rows else 0


def multipart(parts):
    boundary = "----b" + uuid.uuid4().hex
    out = []
    for name, filename, kind, data in parts:
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"'
        head += f'; filename="{filename}"' if filename else ""
        head += f"\r\nContent-Type: {kind}" if kind else ""
        out.append(head.encode() + b"\r\n\r\n" + data + b"\r\n")
    return b"".join(out) + f"--{boundary}--\r\n".encode(), \
        {"Content-Type": f"multipart/form-data; boundary={boundary}"}
