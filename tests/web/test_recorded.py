"""Gaps and dead letters over HTTP: what the state file holds, and what is said where it cannot be read."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio
from starlette.routing import BaseRoute

from ingest.config.service import Api
from ingest.core.coverage import Cause, Settled
from ingest.core.ledger import Opening
from ingest.core.secret import Secret
from ingest.edge.letter_file import Letter, Letters
from ingest.edge.spool_rows import Key
from ingest.edge.state_file import open_state
from ingest.edge.state_versions import VERSION
from ingest.runtime.lane import InlineLane, Lane
from ingest.web import gaps, gaps_paths, letters, letters_paths
from ingest.web.app import application
from ingest.web.recorded import PATIENCE, Recorded
from tests.edge.ledgers import KEY, ledger_in, next_spans, opening

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)
LISTS = {gaps.PATH: "gaps", letters.PATH: "dead_letters"}
lists = pytest.mark.parametrize(("path", "name"), list(LISTS.items()))


def routes(state: Path | None, lane: Lane | None = None, key: Key = KEY) -> Sequence[BaseRoute]:
    recorded = Recorded(state, lane or InlineLane(), lambda: NOON)
    return [*gaps.Gaps(recorded, key).routes(), *letters.DeadLetters(recorded).routes()]


async def ask(
    path: str,
    state: Path | None,
    lane: Lane | None = None,
    api: Api = Api(),  # noqa: B008  frozen
    key: Key = KEY,
) -> httpx.Response:
    transport = httpx.ASGITransport(application(routes(state, lane, key), api))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as session:
        return await session.get(path)


def follows(value: Any, schema: Any) -> bool:
    """As much of JSON schema as our descriptions use."""
    kinds = {"object": dict, "array": list, "string": str, "integer": int}
    if not isinstance(value, kinds[schema["type"]]) or value not in schema.get("enum", [value]):
        return False
    if isinstance(value, dict):
        properties = schema["properties"]
        assert schema["additionalProperties"] is False
        return value.keys() == properties.keys() and all(follows(value[name], properties[name]) for name in value)
    if isinstance(value, list):
        return all(follows(each, schema["items"]) for each in value)
    if isinstance(value, str):
        return bool(len(value) <= schema.get("maxLength", len(value)))
    return bool(value >= schema.get("minimum", value))


def answered(path: str, status: int = 200) -> Any:
    found = {**gaps_paths.PATHS, **letters_paths.PATHS}[path]["get"]["responses"][str(status)]
    return found["content"]["application/json"]["schema"]


async def test_gaps_are_told_the_newest_first_as_far_as_they_are_filled(tmp_path: Path) -> None:
    state = tmp_path / "state.db"
    with ledger_in(state) as ledger:
        ledger.open_gap(opening(1_000, 9_000, "a"))
        (first,) = next_spans(ledger, 10)
        ledger.settle([Settled(first.id, 7)])
        ledger.open_gap(opening(20_000_000_000, 30_000_000_000, "b", cause=Cause.KILLED))
        ledger.open_gap(Opening(Cause.EVICTED, 50_000_000_000, 60_000_000_000, why="nobody knows"))
        answer = await ask(gaps.PATH, state)
    assert answer.status_code == 200
    told = answer.json()
    assert follows(told, answered(gaps.PATH))
    assert (told["total"], told["timestamp"]) == (3, "2026-11-26T12:00:00+00:00")
    assert [(each["number"], each["state"], each["states_filled"], each["entities"]) for each in told["gaps"]] == [
        (3, "unfillable", 0, 0),
        (2, "open", 0, 1),
        (1, "filled", 7, 1),
    ]
    assert told["gaps"][0]["reason"] == "nobody knows"
    assert (told["gaps"][1]["cause"], told["gaps"][1]["from"]) == (Cause.KILLED.value, "1970-01-01T00:00:20+00:00")
    fewer = (await ask(f"{gaps.PATH}?limit=1", state)).json()
    assert ([each["number"] for each in fewer["gaps"]], fewer["total"]) == ([3], 3)
    assert (await ask(gaps.PATH, state, key=Key("another", "store"))).json()["gaps"] == []


async def test_dead_letters_are_told_the_newest_first_and_cut(tmp_path: Path) -> None:
    state = tmp_path / "state.db"
    connection, _ = open_state(state, lambda: 0)
    line = "home_assistant_events,entity_id=sensor.a value=1 5"
    Letters(connection, state).add(
        [
            Letter(0, "home", "influxdb", 10**9, line, "field type conflict"),
            Letter(
                0, "home", "filter", 2 * 10**9, '{"entity_id":"sensor.b"}' + "x" * 500, "Traceback\n  …\nKeyError: 'a'"
            ),
        ]
    )
    connection.close()
    told = (await ask(letters.PATH, state)).json()
    assert follows(told, answered(letters.PATH))
    broken, refused = told["dead_letters"]
    assert (broken["number"], broken["stage"], broken["reason"]) == (2, "filter", "KeyError: 'a'")
    assert len(broken["excerpt"]) == letters.EXCERPT
    assert (broken["entity_id"], broken["excerpt"][-1]) == ("sensor.b", "…")
    assert refused == {
        "number": 1,
        "at": "1970-01-01T00:00:01+00:00",
        "stage": "influxdb",
        "reason": "field type conflict",
        "entity_id": "sensor.a",
        "excerpt": line,
    }
    fewer = (await ask(f"{letters.PATH}?limit=1", state)).json()
    assert ([each["number"] for each in fewer["dead_letters"]], fewer["total"]) == ([2], 2)


@lists
@pytest.mark.parametrize("kept", [True, False])
async def test_without_a_state_file_there_is_nothing_to_tell(path: str, name: str, kept: bool, tmp_path: Path) -> None:
    answer = await ask(path, tmp_path / "none.db" if kept else None)
    assert answer.status_code == 200
    assert answer.json() == {name: [], "total": 0, "timestamp": "2026-11-26T12:00:00+00:00"}


@lists
@pytest.mark.parametrize("said", ["0", "-1", "", "1.5", "ten", "1e2", "²", "10000", "+5", "%20 5", "1001"])
async def test_a_limit_that_is_none_is_refused_in_words(path: str, name: str, said: str) -> None:
    answer = await ask(f"{path}?limit={said}", None)
    assert answer.status_code == 400
    assert follows(answer.json(), answered(path, 400))
    assert "whole number from 1 to" in answer.json()["error"]


@lists
async def test_the_bounds_of_a_limit_are_those_of_its_description(path: str, name: str) -> None:
    described = {**gaps_paths.PATHS, **letters_paths.PATHS}[path]["get"]["parameters"][0]["schema"]
    for limit, status in ((1, 200), (described["maximum"], 200), (described["maximum"] + 1, 400)):
        assert (await ask(f"{path}?limit={limit}", None)).status_code == status


@lists
async def test_a_file_that_cannot_be_read_is_said_with_its_reason(path: str, name: str, tmp_path: Path) -> None:
    state = tmp_path / "state.db"
    state.write_bytes(b"SQLite format 3\0" + b"nonsense" * 1000)
    damaged = await ask(path, state)
    assert damaged.status_code == 503
    assert follows(damaged.json(), answered(path, 503))
    assert str(state) in damaged.json()["error"]
    newer = sqlite3.connect(tmp_path / "newer.db")
    newer.execute(f"PRAGMA user_version = {VERSION + 1}")
    newer.close()
    answer = await ask(path, tmp_path / "newer.db")
    assert answer.status_code == 503
    assert "version" in answer.json()["error"]


@lists
async def test_a_disk_that_hangs_costs_the_answer_and_nothing_else(
    path: str, name: str, autojump_clock: object
) -> None:
    began = trio.current_time()
    answer = await ask(path, None, InlineLane(3600.0))
    assert answer.status_code == 503
    assert "could not be read within" in answer.json()["error"]
    assert trio.current_time() - began == PATIENCE


@lists
async def test_they_are_behind_the_guard(path: str, name: str) -> None:
    assert (await ask(path, None, api=Api(token=Secret("let-me-in")))).status_code == 401
