from __future__ import annotations

import json
from pathlib import Path

import pytest

from ingest.core.coverage import Cause, Mark, Note, Progress, Settled, Span
from ingest.core.ledger import Opening
from ingest.edge.ledger_file import Due
from ingest.edge.lock import SERVICE, locked
from tests.cli.stores import NOON, S
from tests.cli.test_control import serving
from tests.cli.waiting import run, spooled
from tests.edge.ledgers import ledger_in, next_spans

MINUTE = 60 * S


def missed(name: str, first: int, last: int) -> Span:
    return Span(f"sensor.{name}", name, NOON + first, NOON + last)


def ledger(path: Path) -> Path:
    """Three gaps: filled in part, open, of unknown entities."""
    with ledger_in(path) as made:
        made.write(
            Due(
                [
                    Opening(Cause.CONNECTION, NOON, NOON + 30 * S, [missed("a", -S, 10 * S), missed("b", -S, 20 * S)]),
                    Opening(Cause.KILLED, NOON + MINUTE, NOON + 2 * MINUTE, [missed("a", 10 * S, MINUTE)]),
                    Opening(Cause.EVICTED, NOON + 3 * MINUTE, NOON + 4 * MINUTE, why="nobody knows of whom"),
                ],
                Note([Mark("a", "sensor.a", NOON), Mark("b", "sensor.b", NOON + MINUTE)]),
            )
        )
        one, two = next_spans(made, 2)
        made.settle([Settled(one.id, 7), Settled(two.id, 0, "not recorded")])
    return path


def test_list_shows_when_why_and_how_far(tmp_path: Path) -> None:
    path = ledger(tmp_path / "state.db")
    with locked(path, remedy=""):
        head, *rows = run(path, "gaps", "list").stdout.splitlines()
    assert head.split() == ["id", "home", "store", "from", "to", "cause", "entities", "state", "filled", "why"]
    for row, words in zip(
        rows,
        [
            ("2026-01-01 12:00:00+00:00", "12:00:30", "the connection was lost", " 2 ", "partly", "7", "not recorded (1)"),
            ("12:01:00", "12:02:00", "the service was killed", "open"),
            ("12:03:00", "the spool was full", "unfillable", "nobody knows of whom"),
        ],
        strict=True,
    ):  # fmt: skip
        assert all(word in row for word in words), row


def test_list_says_when_there_are_none(tmp_path: Path) -> None:
    assert run(spooled(tmp_path / "state.db"), "gaps", "list").stdout == "There are no gaps.\n"
    missing = run(tmp_path / "none.db", "gaps", "list")
    assert (missing.exit_code, "none.db" in missing.stderr) == (2, True)


def test_show_shows_what_is_missing_of_each_entity(tmp_path: Path) -> None:
    path = ledger(tmp_path / "state.db")
    shown = run(path, "gaps", "show", 1).stdout.splitlines()
    assert shown[:3] == [
        "home, influxdb: 2026-01-01 12:00:00+00:00 to 2026-01-01 12:00:30+00:00",
        "the connection was lost; partly: not recorded (1)",
        "2 entities, 0 left to fill, 7 states filled",
    ]
    assert shown[4].split() == ["entity", "after", "before", "filled", "why"]
    assert all(word in shown[6] for word in ("sensor.b", "11:59:59.000", "12:00:20.000", "not recorded"))
    assert "to do" in run(path, "gaps", "show", 2).stdout
    assert "unfillable: nobody knows of whom" in run(path, "gaps", "show", 3).stdout
    missing = run(path, "gaps", "show", 9)
    assert (missing.exit_code, "there is no gap 9" in missing.stderr) == (2, True)


def test_show_says_when_the_spans_are_not_kept(tmp_path: Path) -> None:
    path = ledger(tmp_path / "state.db")
    with ledger_in(path) as made:
        made.connection.execute("DELETE FROM span WHERE gap_id = 1")
    assert run(path, "gaps", "show", 1).stdout.endswith("not kept any more.\n")


def test_export_writes_every_gap_with_its_spans(tmp_path: Path) -> None:
    path = ledger(tmp_path / "state.db")
    target = tmp_path / "gaps.jsonl"
    assert run(path, "gaps", "export", target).stderr == f"3 gaps in {target}\n"
    first, second, third = map(json.loads, target.read_text("utf-8").splitlines())
    assert first["spans"][1] == {
        "entity_id": "sensor.b",
        "registry_id": "b",
        "after": "2026-01-01T11:59:59.000000Z",
        "before": "2026-01-01T12:00:20.000000Z",
        "filled": 0,
        "why": "not recorded",
    }
    assert {name: value for name, value in second.items() if name != "spans"} == {
        "id": 2,
        "home": "home",
        "store": "influxdb",
        "from": "2026-01-01T12:01:00.000000Z",
        "to": "2026-01-01T12:02:00.000000Z",
        "cause": "killed",
        "state": "open",
        "why": "",
        "entities": 1,
        "left": 1,
        "filled": 0,
    }
    assert (third["state"], third["spans"]) == ("unfillable", [])
    assert run(path, "gaps", "export", "-").stdout == target.read_text("utf-8")


def reopened(path: Path) -> list[tuple[Progress, int]]:
    with ledger_in(path) as made:
        return [(gap.progress, gap.spans) for gap in made.gaps() if gap.cause is Cause.REOPENED]


URL = "http://localhost:9"


def test_reopen_without_a_service_and_with_one(tmp_path: Path) -> None:
    path = ledger(tmp_path / "state.db")
    result = run(path, "gaps", "reopen", "--since", "2026-01-01T12:00:30Z", url=URL)
    assert result.exit_code == 0, result.output
    assert "from 2026-01-01 12:00:30+00:00 to 2026-01-01 12:01:00+00:00, of 1 entity is open" in result.stdout
    assert result.stdout.endswith("the service fills it when it runs.\n")
    assert reopened(path) == [(Progress.OPEN, 1)]
    with serving(path):
        result = run(path, "gaps", "reopen", "--since", "2026-01-01T12:00:00Z", url=URL)
        assert result.stdout.endswith("of 3 entities is open; the service fills it.\n"), result.output
        nothing = run(path, "gaps", "reopen", "--since", "2026-01-01T12:02:00Z", url=URL)
        assert nothing.stdout == "Nothing was stored since then.\n"
    assert reopened(path) == [(Progress.OPEN, 3)]


def test_reopen_is_of_the_configured_store(tmp_path: Path) -> None:
    """Without an address of a database that is the embedded one, of which nothing is known here."""
    path = ledger(tmp_path / "state.db")
    assert run(path, "gaps", "reopen", "--since", "2026-01-01").stdout == "Nothing was stored since then.\n"


@pytest.mark.parametrize("arguments", [(), ("--since", "yesterday")])
def test_reopen_wants_to_know_since_when(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    result = run(ledger(tmp_path / "state.db"), "gaps", "reopen", *arguments)
    assert (result.exit_code, "--since" in result.stderr) == (2, True)


def test_a_service_that_takes_no_commands_must_be_stopped(tmp_path: Path) -> None:
    path = ledger(tmp_path / "state.db")
    with locked(path, remedy="", by=SERVICE):
        result = run(path, "gaps", "reopen", "--since", "1w", url=URL)
    assert (result.exit_code, "Stop the service" in result.stderr) == (2, True)
