"""What happens to coronerd's data: kills in the middle of attachments, read-only folders, damaged
files. Nothing acknowledged is lost, and nothing is made worse by starting on what is broken."""

import hashlib
import http.client
import json
import os
import random
import re
import signal
import sqlite3
import subprocess
import threading
import time

import pytest

from support.server import Server, multipart, report


def start_fails(program, data):
    """Exit status and the one line that a start on these data prints."""
    run = subprocess.run([program("coronerd"), "-f", "--data", data, "--listen", "127.0.0.1:0"],
                         capture_output=True, text=True, timeout=30)
    lines = run.stderr.splitlines()
    assert len(lines) == 1, run.stderr
    assert lines[0].startswith("coronerd: ") and str(data) in lines[0]
    return run.returncode, lines[0]


def digests(data):
    return {path.relative_to(data): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(data.rglob("*")) if path.is_file()
            and not path.name.endswith(("-shm", "-wal", "lock"))}


def get(server, **query):
    return server.request("GET", "/api/get", token=server.token, project="demo", **query)


def test_kills_amid_attachments_lose_and_double_nothing(server):
    rng = random.Random(20)
    waiting, kept = [], {}
    for number in range(200):
        files = [os.urandom(rng.choice((10, 5000, 300_000))) for _ in range(rng.randrange(3))]
        waiting.append((report(f"h{number}"), files))
    lock = threading.Lock()

    def sender(share):
        for document, files in share:
            body, headers = multipart(
                [("upload_file", "r.json", "application/json", json.dumps(document).encode())] +
                [(f"attachment_f{n}", f"f{n}", None, data) for n, data in enumerate(files)])
            while True:
                try:
                    status, reply = server.post(body, headers=headers)
                except (OSError, http.client.HTTPException, ValueError):
                    time.sleep(0.02)
                    continue
                assert status == 200, reply
                with lock:
                    kept[document["uuid"]] = (reply, document, files)
                break

    threads = [threading.Thread(target=sender, args=(waiting[n::6],)) for n in range(6)]
    for thread in threads:
        thread.start()
    for progress in range(10, 170, 20):
        while len(kept) < progress and any(thread.is_alive() for thread in threads):
            time.sleep(0.001)
        time.sleep(rng.uniform(0, 0.01))
        server.stop(signal.SIGKILL)
        server.start()
    for thread in threads:
        thread.join(90)
        assert not thread.is_alive()
    assert len(kept) == 200 and server.count() == 200
    assert len({reply["object"] for reply, _, _ in kept.values()}) == 200
    for reply, document, files in kept.values():
        assert json.loads(get(server, object=reply["object"])[1]) == document
        listed = server.json("GET", "/api/list", token=server.token, project="demo",
                             object=reply["object"])[1]["attachments"]
        assert sorted(item["name"] for item in listed) == [f"f{n}" for n in range(len(files))]
        for number, data in enumerate(files):
            assert get(server, object=reply["object"], attachment_name=f"f{number}")[1] == data


def test_a_read_only_folder_is_refused_at_the_start_and_survived_later(program, tmp_path):
    if os.geteuid() != 0:
        pytest.skip("mounts a small tmpfs: needs root")
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=60m", "tmpfs", disk]).returncode:
        pytest.skip("cannot mount a tmpfs here")
    server = Server(program, disk / "data")
    try:
        server.start().set_up()
        first = server.post(report())[1]["object"]
        server.stop()
        server.log.close()
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        before = digests(server.data)
        status, line = start_fails(program, server.data)
        assert status == 71 and "Read-only" in line
        assert digests(server.data) == before
        subprocess.run(["mount", "-o", "remount,rw", disk], check=True)
        server.start()
        assert get(server, object=first)[0] == 200 and server.count() == 1
    finally:
        server.stop()
        server.log.close()
        subprocess.run(["umount", "-l", disk], check=True)


@pytest.mark.parametrize("name", ["catalog.db", "index.db"])
@pytest.mark.parametrize("damage", ["header", "middle", "text", "empty folder in its place"])
def test_a_damaged_database_is_refused_and_left_as_it_is(program, server, name, damage):
    for number in range(30):
        server.post(report(f"h{number}"))
    server.stop()
    path = server.data / name
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    whole = path.read_bytes()
    if damage == "header":
        path.write_bytes(os.urandom(100) + whole[100:])
    elif damage == "middle":
        path.write_bytes(whole[:100] + os.urandom(4000) + whole[4100:])
    elif damage == "text":
        path.write_text("this is no database\n" * 100)
    else:
        path.unlink()
        path.mkdir()
    before = digests(server.data)
    status, line = start_fails(program, server.data)
    assert status in (71, 78) and name in line
    other = "catalog.db" if name == "index.db" else "index.db"  # may have been opened, and is whole
    after = digests(server.data)
    assert {path: after[path] for path in after if path.name != other} == \
        {path: before[path] for path in before if path.name != other}
    if damage.startswith("empty"):
        path.rmdir()
    path.write_bytes(whole)
    server.start()
    assert server.count() == 30 and server.post(report())[0] == 200


def test_a_damaged_pack_costs_its_own_objects_only(server):
    ids = [server.post(report(f"h{number}"))[1]["object"] for number in range(10)]
    server.stop()
    pack = max((path for path in server.data.rglob("*") if path.is_file() and ".db" not in path.name),
               key=lambda path: path.stat().st_size)
    data = bytearray(pack.read_bytes())
    at = data.find(b'"h4"')
    assert at > 0
    data[at:at + 4] = b"XXXX"
    pack.write_bytes(bytes(data))
    server.start()
    for number, identity in enumerate(ids):
        status, body, _ = get(server, object=identity)
        if number == 4:
            assert status >= 500 and json.loads(body)["error"]["message"]
        else:
            assert status == 200 and json.loads(body)["attributes"]["hostname"] == f"h{number}"
    assert server.count() == 10 and server.post(report())[0] == 200


def test_a_missing_pack_is_said_and_does_not_stop_the_rest(program, server):
    ids = [server.post(report(f"h{number}"))[1]["object"] for number in range(3)]
    server.stop()
    pack = max((path for path in server.data.rglob("*") if path.is_file() and ".db" not in path.name),
               key=lambda path: path.stat().st_size)
    pack.rename(server.data.parent / "pack")
    run = subprocess.run([program("coronerd"), "-f", "--data", server.data, "--listen",
                          "256.0.0.1:0"], capture_output=True, text=True, timeout=30)
    assert run.returncode != 0 and len(run.stderr.splitlines()) == 1
    assert not pack.exists() or pack.stat().st_size == 0
    (server.data.parent / "pack").rename(pack)
    server.start()
    assert all(get(server, object=identity)[0] == 200 for identity in ids)


def test_data_of_a_newer_server_are_refused_and_of_an_older_one_taken(program, server):
    first = server.post(report())[1]["object"]
    server.stop()
    for name in ("catalog.db", "index.db"):
        with sqlite3.connect(server.data / name) as connection:
            version, = connection.execute("PRAGMA user_version").fetchone()
            connection.execute(f"PRAGMA user_version={version + 50}")
        connection.close()
        assert "newer coronerd" in start_fails(program, server.data)[1]
        with sqlite3.connect(server.data / name) as connection:
            connection.execute(f"PRAGMA user_version={version}")
        connection.close()
    with sqlite3.connect(server.data / "catalog.db") as connection:  # as before these were known
        connection.execute("DROP TABLE cfg_metric")
        connection.execute("ALTER TABLE cfg_api_token DROP COLUMN metadata")
        connection.execute("PRAGMA user_version=0")
    connection.close()
    server.start()
    assert get(server, object=first)[0] == 200
    assert server.create("api_token", id="0", project=1, owner=1, capabilities="error:post",
                         metadata="{}")["metadata"] == "{}"
    assert server.get("metric")["results"][0]["result"] == []


def test_a_clock_that_jumps_back_loses_nothing(server):
    """The document's time, the server's and their order may disagree."""
    now = int(time.time())
    for stamp in (now, now - 10 * 86400, now + 400 * 86400, 1, 0, -5, 2**40, 2**63 - 1, 2**64, 1e300):
        document = report()
        document["timestamp"] = stamp
        status, reply = server.post(document)
        assert status in (200, 400), (stamp, reply)
    kept = server.query(select=["timestamp", "_tx"], order=[
        {"name": "_tx", "ordering": "descending"}])["response"]
    assert kept["objects"]
    reply = server.query(fold={"timestamp": [["range"], ["bin", 32]]})
    assert reply["response"]["values"][0][1][1]
    server.stop()
    server.start()
    assert server.post(report())[0] == 200
    assert re.match(r"\d+ us|\d+ ms", reply["_"]["latency"])
