"""The document's schema: the golden document and what ptrace writes agree with it."""

import copy
import json
import os
import pathlib
import subprocess
import time

import jsonschema
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCHEMA = json.loads((ROOT / "docs/formats/snapshot.schema.json").read_text())
GOLDEN = json.loads((ROOT / "tests/golden/snapshot.json").read_text())


@pytest.fixture(scope="module")
def validator():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    return jsonschema.Draft202012Validator(SCHEMA)


def test_the_golden_document_is_valid(validator):
    validator.validate(GOLDEN)


@pytest.mark.parametrize("path, value", [
    (("uuid",), "no"),
    (("threads", "42", "stack", 0, "address"), "zero"),
    (("threads", "42", "stack", 0, "unwind"), "luck"),
    (("maps", 0, 2), "rwxp!"),
    (("fault", "access"), "sniff"),
    (("timestamp",), None),
])
def test_the_schema_refuses_what_is_wrong(validator, path, value):
    document = copy.deepcopy(GOLDEN)
    place = document
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    assert not validator.is_valid(document)


@pytest.mark.parametrize("member", SCHEMA["required"])
def test_the_schema_wants_every_required_member(validator, member):
    document = {name: value for name, value in GOLDEN.items() if name != member}
    assert not validator.is_valid(document)


def test_what_ptrace_writes_is_valid_and_zstdcat_reads_it(stage, validator, tmp_path):
    ptrace = stage / "opt/backtrace/bin/ptrace"
    if not ptrace.exists():
        pytest.skip("ptrace is not built")
    victim = subprocess.Popen(["sleep", "60"])
    try:
        time.sleep(0.1)
        out = tmp_path / "sleep.btt"
        run = subprocess.run([ptrace, "-o", out, str(victim.pid)], capture_output=True, text=True,
                             timeout=60, env={**os.environ, "LC_ALL": "C"})
        assert run.returncode in (0, 1), run.stderr
        text = subprocess.run(["zstdcat", out], capture_output=True, check=True).stdout
        document = json.loads(text)
        validator.validate(document)
        assert document["threads"][document["mainThread"]]["stack"]
    finally:
        victim.kill()
        victim.wait()
