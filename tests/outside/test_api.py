"""The API fuzzed from its own document, on a real port: schemathesis finds nothing, and would find what is wrong."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from subprocess import STDOUT
from typing import Any

import pytest
import trio

from ingest.config.service import Api
from ingest.core.secret import Secret
from ingest.web.openapi import document
from tests.web.test_contract import asked

pytestmark = pytest.mark.outside

TOKEN = "let-me-in-0123456789"
EXAMPLES = 25
LONGEST = 60.0
"""Seconds for a whole run."""


async def fuzzed(url: str, told: Mapping[str, Any], place: Path, *options: str) -> tuple[int, str]:
    """The exit code and what was said. As a program of its own, in `place`: its warnings and its files are none of ours."""
    file = place / "openapi.json"  # from its own address it would leave that out
    file.write_text(json.dumps(told), "utf-8")
    (place / "schemathesis.toml").write_text(f'headers = {{ Authorization = "Bearer {TOKEN}" }}\n', "utf-8")
    program = Path(sys.executable).with_name("schemathesis")
    given: Sequence[str] = (
        "run", str(file), "--url", url, "--checks", "all", "--mode", "all",
        "--max-examples", str(EXAMPLES), "--no-color", "--generation-database", "none", "--request-timeout", "5",
    )  # fmt: skip
    with trio.fail_after(LONGEST):
        done = await trio.run_process(
            [program, *given, *options], cwd=place, check=False, capture_stdout=True, stderr=STDOUT
        )
    return done.returncode, done.stdout.decode()


async def test_nothing_is_found(tmp_path: Path) -> None:
    async with asked(Api(port=0, token=Secret(TOKEN)), lasting=2 * LONGEST) as it:
        code, said = await fuzzed(str(it.client.base_url), document(), tmp_path)
        health = (await it.client.get("/health")).json()
    assert code == 0, said
    assert "No issues found" in said
    operations = sum(map(len, document()["paths"].values()))
    assert f"Operations:       {operations} selected / {operations} total" in said
    assert health["status"] == "healthy"
    assert TOKEN not in said


@pytest.mark.parametrize(
    ("path", "wrong"),
    [
        ("/ready", {"200": {"content": {"application/json": {"schema": {"type": "array"}}}, "description": "wrong"}}),
        ("/metrics", {"200": {"content": {"application/json": {"schema": {}}}, "description": "wrong"}}),
        ("/", {"404": {"description": "wrong"}}),
    ],
)
async def test_what_is_described_wrong_is_found(path: str, wrong: object, tmp_path: Path) -> None:
    told = document()
    told["paths"] = {path: {"get": {**told["paths"][path]["get"], "responses": wrong}}}
    async with asked(Api(port=0, token=Secret(TOKEN)), lasting=2 * LONGEST) as it:
        code, said = await fuzzed(str(it.client.base_url), told, tmp_path, "--phases", "coverage")
    assert code == 1, said
