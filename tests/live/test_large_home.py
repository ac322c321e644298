"""A home of 41,000 entities: 23 MB of registry in one frame, 16 MB of states in another, under 400 MB of memory."""

from __future__ import annotations

import json
import re
import secrets
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.live.lab import end, free_port, launch, tail, wait_for

pytestmark = pytest.mark.live

ENTITIES = 41_000
LIMIT_KB = 400 * 1024


def reports(log: Path, kind: str) -> list[dict[str, Any]]:
    lines = log.read_text("utf-8").splitlines()
    return [entry for line in lines if line.startswith("{") and (entry := json.loads(line))["report"] == kind]


def peak_kb(pid: int) -> int:
    """The most memory the process ever had."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found[1])


def stored(path: Path) -> int:
    """Entities that the embedded store knows."""
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as db:
        (count,) = db.execute("SELECT count(*) FROM entity").fetchone()
    return int(count)


def test_a_home_of_41000_entities_is_stored_within_400_megabytes(tmp_path: Path) -> None:
    port, token = free_port(), secrets.token_hex(32)
    (tmp_path / "token").touch(mode=0o600)
    (tmp_path / "token").write_text(token)
    config = tmp_path / "config.toml"
    config.write_text(
        f'[home_assistant]\nurl = "http://127.0.0.1:{port}"\ntoken_file = "token"\n[embedded]\npath = "home.db"\n'
        '[spool]\npath = "state.db"\n[log]\nformat = "json"\n'
    )
    product = [sys.executable, "-m", "ingest"]
    size = ["--entities", str(ENTITIES), "--replay", "0"]
    simulator = launch([*product, "simulate", "--port", str(port), "--token", token, *size], tmp_path / "simulator.log")
    service = launch([*product, "run", "--config", config], tmp_path / "log")
    try:
        wait_for(lambda: reports(tmp_path / "log", "Snapshot"), f"a snapshot:\n{tail(tmp_path / 'log')}")
        wait_for(
            lambda: stored(tmp_path / "home.db") >= ENTITIES - 100, f"its states are stored:\n{tail(tmp_path / 'log')}"
        )
        peak = peak_kb(service.pid)
    finally:
        code = end(service)
        end(simulator)
    books = reports(tmp_path / "log", "Stopped")[-1]
    loaded = reports(tmp_path / "log", "CatalogLoaded")[0]
    assert code == 0
    assert books["balanced"]
    assert books["books"]["shed"] == books["books"]["evicted"] == 0
    assert loaded["entities"] >= ENTITIES - 100
    assert peak < LIMIT_KB
    print(f"\n{ENTITIES} entities: {peak // 1024} MB at most")  # noqa: T201  a figure to look at
