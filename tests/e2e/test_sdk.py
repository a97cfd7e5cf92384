"""A report of the public SDK from npm is accepted, stored and found."""

import json
import pathlib
import shutil
import subprocess

import pytest

from support.world import World

SDK = pathlib.Path(__file__).resolve().parents[1] / "sdk"


@pytest.fixture(scope="module")
def sdk(tmp_path_factory):
    if not shutil.which("npm"):
        pytest.skip("npm is not installed")
    folder = tmp_path_factory.mktemp("sdk")
    for name in ("package.json", "package-lock.json", "report.js"):
        shutil.copy(SDK / name, folder)
    run = subprocess.run(["npm", "ci", "--no-audit", "--no-fund"], cwd=folder, capture_output=True,
                         text=True, timeout=300)
    assert run.returncode == 0, run.stdout + run.stderr
    return folder


@pytest.fixture(scope="module")
def world(stage, tmp_path_factory):
    made = World(stage, tmp_path_factory.mktemp("world") / "root")
    made.start_server()
    made.set_up()
    yield made
    made.close()


def report(sdk, world, url, message):
    run = subprocess.run(["node", "report.js", url, message], cwd=sdk, capture_output=True,
                         text=True, timeout=60)
    assert run.returncode == 0, run.stdout + run.stderr
    return json.loads(run.stdout.splitlines()[-1])


@pytest.mark.parametrize("form", ["/post?format=json&token={token}",
                                  "/api/post?format=json&token={token}",
                                  "/{universe}/{token}/json"])
def test_a_report_of_the_public_sdk_is_found(sdk, world, form):
    before = len(world.select("timestamp")) if form != "/post?format=json&token={token}" else 0
    url = world.url + form.format(token=world.token(), universe=world.universe)
    result = report(sdk, world, url, "it broke")
    assert result["status"] == "Ok"
    rows = world.select("application", "callstack")
    assert len(rows) == before + 1
    assert rows[-1]["application"] == "sdk-test"
    frames = json.loads(rows[-1]["callstack"])["frame"]
    assert any("report.js" in frame or "Object" in frame or "Module" in frame for frame in frames)


def test_the_body_comes_back_as_it_was_sent(sdk, world, tmp_path):
    report(sdk, world, f"{world.url}/post?format=json&token={world.token()}", "again")
    row = world.select("timestamp")[-1]
    world.run("morgue", "get", world.project, row["id"], "-o", tmp_path / "body.json")
    document = json.loads((tmp_path / "body.json").read_text())
    assert document["agent"] == "backtrace-node" or "node" in document["agent"]
    assert document["lang"] == "nodejs"
