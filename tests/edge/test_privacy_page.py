"""The SQL with which `docs/how-to/privacy.md` has an entity forgotten, as it stands there."""

from __future__ import annotations

import re
import sqlite3
import tomllib
from contextlib import closing
from pathlib import Path

import pytest

from ingest.cli.main import main
from ingest.config.load import load
from ingest.config.settings import Settings
from ingest.core.point import Attributes, Facts, Point
from ingest.edge.letter_file import Letter, Letters
from tests.cli.stores import DAY, HOUR, NOON, S, run, write
from tests.cli.waiting import opened

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "privacy.md").read_text("utf-8")
SHARED = Attributes('{"editable":true}')
WAY = Attributes('{"latitude":52.37}')


def person(name: str, number: int, state: str, attributes: Attributes, registry_id: str) -> Point:
    return Point(f"person.{name}", NOON + number * S, state, Facts(registry_id), attributes)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Anna was once called Ann; Ben's attributes are like some of hers. What they did in that hour is summed up."""
    points = [
        person("ann", 0, "home", SHARED, "a"),
        person("anna", 1, "not_home", WAY, "a"),
        person("ben", 2, "home", SHARED, "b"),
        person("ben", 3, "not_home", SHARED, "b"),
    ]
    return write(tmp_path / "home.db", points, NOON + HOUR)


def rows(path: Path, statement: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(statement).fetchall()


def test_an_entity_is_forgotten_under_all_of_its_names_and_nobody_else(store: Path) -> None:
    [script] = re.findall(r"^ *```sql\n(.*?)^ *```", PAGE, re.MULTILINE | re.DOTALL)
    others = "SELECT * FROM changes WHERE entity_id = 'person.ben'", "SELECT * FROM hourly WHERE registry_id = 'b'"
    before = [rows(store, each) for each in others]
    with closing(sqlite3.connect(store)) as connection:
        connection.executescript(script)
    assert [rows(store, each) for each in others] == before
    assert rows(store, "SELECT DISTINCT registry_id FROM changes") == [("b",)]
    assert rows(store, "SELECT json FROM attributes") == [(SHARED.json,)]
    for trace in (b"person.ann", b"latitude"):
        assert trace not in store.read_bytes()
    # The service goes on with it, and its next hourly work counts what is left.
    write(store, [person("ben", 4, "home", WAY, "b")], NOON + DAY)
    assert rows(store, "SELECT changes, late FROM hour") == [(3, 0)]
    assert rows(store, "SELECT json FROM attributes ORDER BY id") == [(SHARED.json,), (WAY.json,)]
    assert run(main, "export", "--entity", "person.ann*", "--db", store).stdout == ""


def test_the_state_file_forgets_it_too(tmp_path: Path) -> None:
    [script] = re.findall(r'state\.db "(.*?)"$', PAGE, re.MULTILINE)
    path = tmp_path / "state.db"
    with opened(path) as connection:
        lines = ["m,entity_id=person.anna v=1 1", "m,entity_id=person.ben v=1 1"]
        Letters(connection, path).add([Letter(0, "home", "influxdb", NOON, line, "a reason") for line in lines])
        connection.execute("INSERT INTO mark VALUES ('home', 'influxdb', 'a', 'person.anna', 1, 1)")
        connection.execute("INSERT INTO catalog VALUES ('home', 1, 1, 'person.anna')".replace("'person.anna'", "x'00'"))
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(script)
    assert b"person.anna" not in path.read_bytes()
    assert rows(path, "SELECT line FROM dead_letter") == [(lines[1],)]
    with opened(path):
        pass


def test_the_configurations_on_the_page_are_good_and_keep_the_secrets_out(tmp_path: Path) -> None:
    examples = re.findall(r"^ *```toml\n(.*?)^ *```", PAGE, re.MULTILINE | re.DOTALL)
    assert len(examples) == 3
    for number, example in enumerate(examples):
        assert tomllib.loads(example)
        (tmp_path / f"{number}.toml").write_text(example, "utf-8")
        assert load(tmp_path / f"{number}.toml", {}, {}).warnings == ()
    for secret in Settings().attributes.drop:
        assert f"`{secret}`" in PAGE
