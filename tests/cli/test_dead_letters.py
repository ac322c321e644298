from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from attrs import define, field

from ingest.edge.lock import SERVICE, locked
from tests.cli.waiting import TOKEN, buried, letters, lines, run, spooled, waiting_lines
from tests.edge.answering import Peer, Reply, Request, answering

CONFLICT = "field type conflict: input field is type string, already exists as type float"
A, B = (line.decode() for line in lines(2))
CHANGE = ('{"entity_id":"sensor.a"}', "Traceback (most recent call last):\n  …\nZeroDivisionError: division by zero")


@define
class Strict:
    """A database that refuses some lines by name and stores the rest."""

    refused: set[bytes] = field(factory=set)
    stored: list[bytes] = field(factory=list)

    def answer(self, request: Request) -> Reply:
        if request.path != "/api/v2/write":
            return Reply(404)
        found = gzip.decompress(request.body).splitlines()
        bad = [line for line in found if line in self.refused]
        if bad:
            words = "\n".join(f"unable to parse '{line.decode()}': {CONFLICT}" for line in bad)
            return Reply.json(400, {"code": "invalid", "message": words})
        self.stored += found
        return Reply(204)


@pytest.fixture
def database() -> Strict:
    return Strict()


@pytest.fixture
def peer(database: Strict) -> Iterator[Peer]:
    with answering(database.answer) as peer:
        yield peer


def test_what_a_database_refuses_is_listed_and_stored_at_retry(tmp_path: Path, database: Strict, peer: Peer) -> None:
    sent = lines(500)
    database.refused = {sent[7], sent[123], sent[400]}
    path = spooled(tmp_path / "state.db", sent[:250], sent[250:])
    first = run(path, "spool", "replay", url=peer.url)
    assert first.exit_code == 0, first.output
    assert first.stdout == f"497 points stored in {peer.url}, 3 refused, 0 still wait.\n"
    assert sorted(letters(path)) == sorted((line.decode(), CONFLICT) for line in database.refused)
    assert sorted(database.stored) == sorted(set(sent) - database.refused)
    assert TOKEN not in first.output

    database.refused = set()
    again = run(path, "dead-letters", "retry", "--all")
    assert again.stdout.startswith("3 points are back in the spool")
    assert letters(path) == []
    assert run(path, "spool", "replay", url=peer.url).stdout.startswith("3 points stored")
    assert sorted(database.stored) == sorted(sent)


def test_a_terminal_is_not_shown_what_it_would_obey(tmp_path: Path) -> None:
    path = buried(tmp_path / "state.db", ('m state="\x1b]0;owned\x07" 1', "why\x9b2J"))
    for asked in (("list",), ("show", 1)):
        said = run(path, "dead-letters", *asked).stdout
        assert "\ufffd]0;owned\ufffd" in said
        assert "why\ufffd2J" in said


def test_list_shows_what_was_refused_and_why(tmp_path: Path) -> None:
    path = buried(tmp_path / "state.db", (A, CONFLICT))
    buried(path, CHANGE, store="filter")
    buried(path, ("m,entity_id=sensor.b v=1 1", "why"))
    listed = run(path, "dead-letters", "list").stdout.splitlines()
    assert listed[0].split() == ["id", "refused", "store", "entity", "reason", "line"]
    assert " 1  2026-01-01 12:00+00:00  influxdb            field type conflict" in listed[1]
    assert " filter    sensor.a  ZeroDivisionError" in listed[2]
    assert " sensor.b  why " in listed[3]
    assert "…" in listed[1]
    assert "ZeroDivisionError: division by zero" in listed[2]
    assert len(run(path, "dead-letters", "list", "--store", "filter").stdout.splitlines()) == 2
    one, *_ = map(json.loads, run(path, "dead-letters", "list", "--json").stdout.splitlines())
    assert one == {
        "id": 1,
        "home": "home",
        "store": "influxdb",
        "refused": "2026-01-01T12:00:00.000000Z",
        "reason": CONFLICT,
        "line": A,
    }


def test_list_says_when_there_are_none(tmp_path: Path) -> None:
    assert run(spooled(tmp_path / "state.db"), "dead-letters", "list").stdout == "There are no dead letters.\n"


def test_without_a_state_file_it_says_where_it_looked(tmp_path: Path) -> None:
    for command in (("list",), ("retry", "--all"), ("show", "1")):
        result = run(tmp_path / "none.db", "dead-letters", *command)
        assert result.exit_code == 2
        assert "none.db" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_show_shows_all_of_one_beside_a_running_service(tmp_path: Path) -> None:
    path = buried(tmp_path / "state.db", CHANGE, store="filter")
    with locked(path, remedy=""):
        shown = run(path, "dead-letters", "show", 1).stdout
    assert shown == f"home, filter, 2026-01-01 12:00:00+00:00\n\n{CHANGE[1]}\n\n{CHANGE[0]}\n"
    missing = run(path, "dead-letters", "show", 9)
    assert (missing.exit_code, missing.stdout) == (2, "")
    assert "there is no dead letter 9" in missing.stderr


def test_retry_takes_what_is_named_and_leaves_what_is_no_line(tmp_path: Path) -> None:
    path = buried(tmp_path / "state.db", (A, CONFLICT), (B, CONFLICT))
    buried(path, CHANGE, store="influxdb")
    buried(path, (B, "removed long ago"), store="embedded")
    assert run(path, "dead-letters", "retry", 2).stdout.startswith("1 point is back")
    assert waiting_lines(path) == [B.encode()]
    everything = run(path, "dead-letters", "retry", "--all")
    assert everything.stdout.startswith("1 point is back")
    assert "2 letters stay" in everything.stderr
    assert waiting_lines(path) == [B.encode(), A.encode()]
    assert [line for line, _ in letters(path)] == [CHANGE[0], B]


@pytest.mark.parametrize("arguments", [(), ("1", "--all")])
def test_retry_wants_to_know_which(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    path = buried(tmp_path / "state.db", (A, CONFLICT))
    result = run(path, "dead-letters", "retry", *arguments)
    assert result.exit_code == 2
    assert "--all" in result.stderr
    assert len(letters(path)) == 1


def test_nothing_is_retried_while_a_service_holds_the_file(tmp_path: Path) -> None:
    path = buried(tmp_path / "state.db", (A, CONFLICT))
    with locked(path, remedy="", by=SERVICE):
        result = run(path, "dead-letters", "retry", "--all")
    assert result.exit_code == 2
    assert "a running service holds the state file" in result.stderr
    assert "Stop the service" in result.stderr
    assert len(letters(path)) == 1


def test_export_writes_every_letter_with_its_reason(tmp_path: Path) -> None:
    path = buried(tmp_path / "state.db", (A, CONFLICT), (B, "outside of the retention"))
    target = tmp_path / "letters.jsonl"
    assert run(path, "dead-letters", "export", target).stderr == f"2 dead letters in {target}\n"
    found = [json.loads(line) for line in target.read_text("utf-8").splitlines()]
    assert [(each["line"], each["reason"]) for each in found] == letters(path)
    to_stdout = run(path, "dead-letters", "export", "-")
    assert (to_stdout.stdout, to_stdout.stderr) == (target.read_text("utf-8"), "2 dead letters\n")


def test_export_takes_the_place_of_nothing_that_is_needed(tmp_path: Path) -> None:
    before = (path := buried(tmp_path / "state.db", (A, CONFLICT))).read_bytes()
    refused = run(path, "dead-letters", "export", path, "--force")
    assert (refused.exit_code, path.read_bytes()) == (2, before)
    assert "would take the place of a database" in refused.stderr


def test_export_replaces_no_file_unless_it_is_meant(tmp_path: Path) -> None:
    path, target = buried(tmp_path / "state.db", (A, CONFLICT)), tmp_path / "letters.jsonl"
    target.write_text("precious")
    unsure = run(path, "dead-letters", "export", target)
    assert (unsure.exit_code, target.read_text()) == (2, "precious")
    assert "--force" in unsure.stderr
    assert run(path, "dead-letters", "export", target, "--force").stderr == f"1 dead letter in {target}\n"


@pytest.mark.parametrize(
    ("url", "then"),
    [
        ("", "what is there waits until a database is configured (influxdb.url)"),
        ("http://localhost:9", "what is there goes out when the service runs, or with `spool replay`"),
    ],
)
def test_what_comes_back_is_not_promised_to_go_out_where_no_database_is_configured(
    tmp_path: Path, url: str, then: str
) -> None:
    (line,) = lines(1)
    path = buried(tmp_path / "state.db", (line.decode(), "no"))
    assert run(path, "dead-letters", "retry", "--all", url=url).stdout == f"1 point is back in the spool; {then}.\n"
    old = spooled(tmp_path / "old.db", lines(1, 1))
    assert then.capitalize() in run(path, "spool", "recover", old, url=url).stdout


def test_retry_leaves_what_was_refused_of_another_home(tmp_path: Path) -> None:
    path = buried(tmp_path / "state.db", (A, CONFLICT))
    result = run(path, "dead-letters", "retry", "--all", "--set", "home=cottage")
    assert result.stdout == "Nothing was put back.\n"
    assert result.stderr == "1 letter stays: only lines of home cottage that a database refused can be sent again.\n"
    assert [line for line, _ in letters(path)] == [A]


def test_a_line_may_begin_as_json_does_and_its_entity_is_found_in_either_schema(tmp_path: Path) -> None:
    line = "{count},domain=sensor,entity_id=visits value=1 1767268800000000000"
    path = buried(tmp_path / "state.db", (line, CONFLICT))
    assert " sensor.visits " in run(path, "dead-letters", "list").stdout
    assert run(path, "dead-letters", "retry", "--all").stdout.startswith("1 point is back")
    assert waiting_lines(path) == [line.encode()]
