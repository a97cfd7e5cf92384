"""docs/formats/http-api.yaml against the server's table of routes, both ways, and against itself."""

import pathlib
import re

import pytest

yaml = pytest.importorskip("yaml", reason="python3-yaml is not installed")

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def document():
    return yaml.safe_load((ROOT / "docs/formats/http-api.yaml").read_text())


def routes():
    """(method, path) of the table; a path of NULL is the form with the token in it."""
    text = (ROOT / "lib/api/api.c").read_text()
    table = text[text.index("} routes[] = {"):]
    table = table[:table.index("\n};")]
    found = re.findall(r'\{\s*"([A-Z]+)",\s*(?:"([^"]+)"|(NULL)),', table)
    return {(method.lower(), path or "/{universe}/{token}/{format}") for method, path, _ in found}


def test_every_route_is_described_and_the_reverse(document):
    described = {(method, path) for path, item in document["paths"].items()
                 for method in item if method in ("get", "post", "put", "delete", "patch")}
    assert len(routes()) >= 14
    assert described == routes()


def test_references_lead_somewhere(document):
    def walk(node):
        if isinstance(node, dict):
            if "$ref" in node:
                target = document
                for part in node["$ref"].removeprefix("#/").split("/"):
                    target = target[part]
            for value in node.values():
                walk(value)
        elif isinstance(node, list):
            for value in node:
                walk(value)

    walk(document)


def test_operations_are_whole(document):
    assert document["openapi"].startswith("3.1")
    for path, item in document["paths"].items():
        shared = item.get("parameters", [])
        for method, operation in item.items():
            if method == "parameters":
                continue
            assert operation["summary"] and operation["responses"], (method, path)
            assert "200" in operation["responses"], (method, path)
            for status, response in operation["responses"].items():
                assert re.fullmatch(r"\d{3}|[45]XX", status), (path, status)
                assert "$ref" in response or response["description"], (path, status)
            named = {parameter["name"] for parameter in shared if parameter.get("in") == "path"}
            assert named == set(re.findall(r"\{(\w+)\}", path)), path


def test_real_replies_are_as_described(document, server):
    jsonschema = pytest.importorskip("jsonschema")

    def check(schema, value):
        jsonschema.Draft202012Validator(
            {"$ref": f"#/components/schemas/{schema}", "components": document["components"]}
        ).validate(value)

    from support.server import report
    check("Login", server.login())
    check("Receipt", server.post(report())[1])
    check("Envelope", server.query(select=["hostname"])["_"])
    check("Error", server.post(b"junk")[1])
    check("Error", server.json("PUT", "/api/query")[1])
    check("Error", server.json("GET", "/nowhere")[1])
    check("Error", server.json("POST", "/api/login", "username=root&password=bad")[1])
