"""Every example of the reference runs as it stands."""

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from ingest.edge.embedded_schema import APPLICATION, VERSION
from tests.cli.stores import DAY, NOON, a_day

TEXT = (Path(__file__).parents[2] / "docs" / "reference" / "embedded-store.md").read_text("utf-8")
EXAMPLES = re.findall(r"```sql\n(.*?)```", TEXT, re.DOTALL)


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_runs(example: str, tmp_path: Path) -> None:
    path = a_day(tmp_path / "home.db", NOON + DAY)
    for there, here in (("living_room_temperature", "room"), ("'now'", f"'{NOON // 10**9 - 1}', 'unixepoch'")):
        example = example.replace(there, here)
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute(example).fetchall()
        assert rows
        asked = [f"EXPLAIN QUERY PLAN {example}"] if "time_ns >" in example else []
        plan = [row[3] for statement in asked for row in connection.execute(statement)]
    assert all("time_ns>?" in " ".join(plan) for _ in asked)


def test_the_views_have_the_columns_that_are_listed(tmp_path: Path) -> None:
    with closing(sqlite3.connect(a_day(tmp_path / "home.db"))) as connection:
        for view in ("changes", "hourly"):
            (row,) = [line for line in TEXT.splitlines() if line.startswith(f"| `{view}`")]
            columns = [column[0] for column in connection.execute(f"SELECT * FROM {view}").description]
            assert re.findall(r"`(\w+)`", row.split("|")[3]) == columns


def test_versions_and_tables_are_those_of_the_code(tmp_path: Path) -> None:
    assert f"version ({VERSION})" in TEXT
    assert f"0x{APPLICATION:X}" in TEXT
    with closing(sqlite3.connect(a_day(tmp_path / "home.db"))) as connection:
        for (table,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'"):
            assert f"| `{table}` |" in TEXT
