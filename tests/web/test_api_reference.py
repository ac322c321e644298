"""docs/reference/api.md names every endpoint, and its examples are what the OpenAPI document describes."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from ingest.edge.http_server import Limits
from ingest.web.openapi import document
from ingest.web.schemas import ERROR
from tests.support.described import faults

PAGE = (Path(__file__).parents[2] / "docs/reference/api.md").read_text("utf-8")
OPERATIONS = [(method.upper(), path) for path, item in document()["paths"].items() for method in item]
EXAMPLE = re.compile(r"^```json\n(.*?)^```", re.MULTILINE | re.DOTALL)


def section(method: str, path: str) -> str:
    return PAGE.partition(f"\n## `{method} {path}`\n")[2].partition("\n## ")[0]


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_every_endpoint_is_explained_and_its_examples_are_good(method: str, path: str) -> None:
    assert section(method, path).strip()
    responses = document()["paths"][path][method.lower()]["responses"]
    described = [
        each["content"]["application/json"]["schema"]
        for each in responses.values()
        if "application/json" in each["content"]
    ]
    for example in EXAMPLE.findall(section(method, path)):
        assert [schema for schema in described if not list(faults(json.loads(example), schema, ""))]


def test_no_endpoint_is_explained_that_is_not_there() -> None:
    assert set(re.findall(r"^## `([A-Z]+) (/\S*)`$", PAGE, re.MULTILINE)) == set(OPERATIONS)


def test_the_example_of_an_error_is_one() -> None:
    [example] = EXAMPLE.findall(PAGE.partition("\n## Errors\n")[2].partition("\n## ")[0])
    assert list(faults(json.loads(example), ERROR, "")) == []


def test_the_limits_are_those_of_the_code() -> None:
    limits = Limits()
    for said in (
        f"{limits.header // 1024} KiB, within {limits.idle:.0f} s",
        f"{limits.body // 1024} KiB, within {limits.reading:.0f} s",
        f"| {limits.send:.0f} s |",
        f"| {limits.connections} |",
    ):
        assert said in PAGE
