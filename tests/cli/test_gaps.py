from __future__ import annotations

import json
from pathlib import Path

import pytest

from ingest.cli.two_series import TWO_SERIES
from ingest.core.coverage import FOREVER, Cause, Mark, Note, Progress, Settled, Span
from ingest.core.ledger import Opening
from ingest.edge.ledger_file import Due
from ingest.edge.lock import SERVICE, locked
from ingest.edge.spool_rows import Key
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


LONG = "sensor." + "a_very_long_name_that_somebody_gave_" * 6 + "end"
REASON = "Home Assistant's recorder has nothing of the entity then: it leaves it out, or was switched off"


def long_ledger(path: Path) -> Path:
    """A gap of a day with a long name, a long reason and large numbers, and one in which nothing was missed."""
    day = 86_400 * S
    spans = [
        Span(LONG, "a", NOON, NOON + day + S // 8),
        Span("sensor.b", "b", NOON + S // 2, NOON + S),
        Span("sensor.c", "c", NOON, FOREVER),
    ]
    with ledger_in(path) as made:
        made.open_gap(Opening(Cause.KILLED, NOON, NOON + day, spans))
        first, second, _ = next_spans(made, 3)
        made.settle([Settled(first.id, 1_234_567, REASON), Settled(second.id, 3)])
        made.open_gap(Opening(Cause.STOPPED, NOON + 2 * day, NOON + 2 * day))
    return path


def on_a_terminal(monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    monkeypatch.setattr("ingest.cli.gaps.terminal", lambda: columns)


def test_a_terminal_of_eighty_columns_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = long_ledger(tmp_path / "state.db")
    piped = run(path, "gaps", "show", 1).stdout
    on_a_terminal(monkeypatch, 80)
    listed = run(path, "gaps", "list").stdout.splitlines()
    assert max(map(len, listed)) <= 80
    assert listed[0].split() == ["id", "from", "lasted", "entities", "state", "filled"]
    assert listed[1:] == [
        " 1  2026-01-01 12:00:00+00:00  1 d            3  filling  1,234,570",
        "    the service was killed",
    ]
    shown = run(path, "gaps", "show", 1).stdout.splitlines()
    assert max(map(len, shown)) <= 80
    assert shown[4].split() == ["entity", "filled"]
    assert shown[5].startswith("sensor.a_very")
    assert shown[5].endswith("gave_end  1,234,567")
    assert shown[6] == "    after 2026-01-01 12:00:00.000+00:00, before 2026-01-02 12:00:00.125+00:00"
    assert " ".join(line.strip() for line in shown[7:9]) == REASON
    assert shown[9:11] == [
        f"sensor.b{'3':>72}",
        "    after 2026-01-01 12:00:00.500+00:00, before 12:00:01.000",
    ]
    assert shown[12] == "    after 2026-01-01 12:00:00.000+00:00, before it is back"
    on_a_terminal(monkeypatch, 600)
    assert run(path, "gaps", "show", 1).stdout == piped
    assert piped.count("\n") == 8
    assert REASON in piped


def test_gaps_of_several_homes_say_whose_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = ledger(tmp_path / "state.db")
    with ledger_in(path, key=Key("cottage", "sqlite")) as made:
        made.open_gap(Opening(Cause.KILLED, NOON, NOON + S, [missed("a", 0, S)]))
    on_a_terminal(monkeypatch, 80)
    listed = run(path, "gaps", "list").stdout
    assert "    cottage, sqlite: the service was killed\n" in listed
    assert "    home, influxdb: the connection was lost; not recorded (1)\n" in listed


def test_a_gap_in_which_nothing_was_missed_is_counted_and_listed_when_asked_for(tmp_path: Path) -> None:
    path = long_ledger(tmp_path / "state.db")
    listed = run(path, "gaps", "list")
    assert listed.stdout.count("\n") == 2
    assert listed.stderr == "In 1 gap nothing was missed (--all lists them).\n"
    whole = run(path, "gaps", "list", "--all")
    assert (whole.stdout.count("\n"), whole.stderr) == (3, "")
    assert "the service was stopped" in whole.stdout
    with ledger_in(path) as made:
        made.connection.execute("DELETE FROM gap WHERE spans > 0")
    assert run(path, "gaps", "list").stdout == "There are no gaps in which anything can have been missed.\n"


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


def test_export_gives_no_time_to_what_has_no_end_yet(tmp_path: Path) -> None:
    path = long_ledger(tmp_path / "state.db")
    gap = json.loads(run(path, "gaps", "export", "-").stdout.splitlines()[0])
    assert [each["before"] for each in gap["spans"]] == [
        "2026-01-02T12:00:00.125000Z",
        "2026-01-01T12:00:01.000000Z",
        None,
    ]


def test_export_takes_the_place_of_nothing_that_is_needed(tmp_path: Path) -> None:
    before = (path := ledger(tmp_path / "state.db")).read_bytes()
    refused = run(path, "gaps", "export", path)
    assert (refused.exit_code, path.read_bytes()) == (2, before)
    assert "would take the place of a database" in refused.stderr


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
    assert result.stderr == TWO_SERIES + "\n"
    assert reopened(path) == [(Progress.OPEN, 1)]
    with serving(path):
        result = run(path, "gaps", "reopen", "--since", "2026-01-01T12:00:00Z", url=URL)
        assert result.stdout.endswith("of 3 entities is open; the service fills it.\n"), result.output
        nothing = run(path, "gaps", "reopen", "--since", "2026-01-01T12:02:00Z", url=URL)
        assert (nothing.stdout, nothing.stderr) == ("Nothing was stored since then.\n", "")
    assert reopened(path) == [(Progress.OPEN, 3)]


@pytest.mark.parametrize("since", ["1000y", "1600-01-01", "0001-01-01"])
def test_reopen_since_ever(tmp_path: Path, since: str) -> None:
    path = ledger(tmp_path / "state.db")
    result = run(path, "gaps", "reopen", "--since", since, url=URL)
    assert result.exit_code == 0, result.output
    assert "from 1970-01-01 00:00:00+00:00 to 2026-01-01 12:01:00+00:00, of 2 entities is open" in result.stdout


def test_reopen_since_a_time_that_no_file_holds(tmp_path: Path) -> None:
    path = ledger(tmp_path / "state.db")
    assert run(path, "gaps", "reopen", "--since", "9999-01-01", url=URL).stdout == "Nothing was stored since then.\n"


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
