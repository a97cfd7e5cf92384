"""Secrets of a dying program stay on its host, and the snapshot says what was withheld."""

import json
import os
import subprocess

import pytest

from support import crashers

crashers.RECIPES["secrets"] = ("gcc", "secrets.c", ["-O0", "-g"])
crashers.RECIPES["secrets-what"] = ("g++", "secrets.cc", ["-O0", "-g"])


@pytest.fixture(scope="module")
def dead(tmp_path_factory):
    return crashers.Crashers(tmp_path_factory.mktemp("privacy"))


@pytest.fixture(scope="module")
def ptrace(program):
    return program("ptrace")


def snapshot(ptrace, core, *options, environment=None):
    out = core.parent / "snapshot.json"
    done = subprocess.run([ptrace, "--format=json", "-o", out, *options, "--core", core],
                          capture_output=True, text=True,
                          env={**os.environ, **(environment or {})})
    assert done.returncode in (0, 1), done.stderr
    return out.read_text()


def variables(document, function):
    frames = [f for thread in json.loads(document)["threads"].values() for f in thread["stack"]
              if f.get("funcName", "").startswith(function)]
    return {v["name"]: v for v in frames[0]["variables"]}


def test_nothing_secret_is_in_a_snapshot(dead, ptrace):
    core, _ = dead.core("secrets")
    assert b"hunter" in core.read_bytes()
    text = snapshot(ptrace, core)
    assert "hunter" not in text.lower()
    # The same as numbers.
    assert "104, 117, 110, 116" not in text
    here = variables(text, "log_in")
    assert here["api_key"]["missing"] == "withheld: key"
    assert here["api_key"]["value"].startswith("0x")
    assert "nothing to hide" in here["plain"]["value"]
    assert "Authorization: Bearer <withheld: authorization>" in here["header"]["value"]
    assert "<withheld: json-member>" in here["json"]["value"]
    there = variables(text, "main")
    account = {p["name"]: p for p in there["account"]["parts"]}
    assert '"me"' in account["user"]["value"]
    assert account["password"]["missing"] == "withheld: password"
    assert account["password_len"]["value"] == "17"
    assert there["client_secret"]["missing"] == "withheld: secret"
    session = {p["name"]: p for p in there["session"]["parts"]}
    assert "postgres://app:<withheld: url-password>@db/main" in session["url"]["value"]
    assert session["aes_key"]["missing"] == "withheld: key"
    assert '"while"' in json.dumps(session["tokens"]).replace('\\"', '"')


def test_the_manifest_says_where_and_why(dead, ptrace):
    core, _ = dead.core("secrets")
    document = json.loads(snapshot(ptrace, core))
    rows = {(row["what"], row.get("name"), row["rule"]) for row in document["withheld"]}
    assert {("variable", "api_key", "key"), ("variable", "account.password", "password"),
            ("variable", "client_secret", "secret"),
            ("variable", "session.url", "url-password")} <= rows
    assert all(row["why"] for row in document["withheld"])
    frames = document["threads"][document["withheld"][0]["thread"]]["stack"]
    row = next(row for row in document["withheld"] if row.get("name") == "api_key")
    assert frames[row["frame"]]["funcName"] == "log_in"


def test_the_text_of_an_exception_is_scrubbed(dead, ptrace):
    core, _ = dead.core("secrets-what")
    document = json.loads(snapshot(ptrace, core))
    verdict = document["attributes"]["verdict"]
    assert "connect failed: postgres://app:<withheld: url-password>@db/main" in verdict
    assert "hunter" not in json.dumps(document)


def test_globals_are_no_exception(dead, ptrace):
    core, _ = dead.core("secrets")
    text = snapshot(ptrace, core, "--globals")
    assert "hunter" not in text
    known = {v["name"]: v for group in json.loads(text)["globals"] for v in group["variables"]}
    assert known["root_password"]["missing"] == "withheld: password"
    assert '"welcome"' in known["motd"]["value"]


def test_attributes_are_withheld_too(dead, ptrace):
    core, _ = dead.core("secrets")
    document = json.loads(snapshot(ptrace, core, "--kv", "auth_token:abcd,version:1.2"))
    assert document["attributes"]["auth_token"] == "<withheld: token>"
    assert document["attributes"]["version"] == "1.2"


def test_a_site_has_rules_of_its_own(dead, ptrace, tmp_path):
    core, _ = dead.core("secrets")
    rules = tmp_path / "privacy.rules"
    rules.write_text("# of this site\nname plain ^plain$\noff url-password\n")
    text = snapshot(ptrace, core, f"--privacy={rules}")
    assert "nothing to hide" not in text
    assert "hunter-in-url" in text
    assert "hunter-by-name" in snapshot(ptrace, core, "--privacy=none")


@pytest.mark.parametrize("rules,complaint", [
    ("text x [", "line 1: x: bad pattern"), ("hide me", "line 1: is no rule"),
    ("\noff nobody", "line 2: no rule has the name nobody"), ("text x \0", "it is not text")])
def test_bad_rules_are_refused_before_anything_is_written(dead, ptrace, tmp_path, rules, complaint):
    core, _ = dead.core("secrets")
    (tmp_path / "rules").write_text(rules)
    done = subprocess.run([ptrace, "-o", tmp_path / "out.btt", f"--privacy={tmp_path / 'rules'}",
                           "--core", core], capture_output=True, text=True)
    assert done.returncode == 64
    assert complaint in done.stderr and str(tmp_path / "rules") in done.stderr
    assert not (tmp_path / "out.btt").exists()


def test_missing_rules_are_no_reason_to_go_on_without(dead, ptrace, tmp_path):
    core, _ = dead.core("secrets")
    done = subprocess.run([ptrace, "-o", tmp_path / "out.btt", "--privacy=/nonexistent/rules",
                           "--core", core], capture_output=True, text=True)
    assert done.returncode == 2
    assert "/nonexistent/rules" in done.stderr
    assert not (tmp_path / "out.btt").exists()


def test_bt_tells_how_much_is_withheld(dead, program):
    core, _ = dead.core("secrets")
    text = subprocess.run([program("bt"), "-v", "--core", core], capture_output=True,
                          text=True).stdout
    assert "hunter" not in text
    assert "that look like a secret (" in text
    assert "client_secret = 0x" in text
