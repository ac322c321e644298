"""Tables of the reference that people wrote say what the code says: the state file, the schemas, exit codes, figures.

The columns of the state file are made: `python -m tests.test_reference_tables` prints that part of docs/reference/state-file.md.
"""

from __future__ import annotations

import ast
import re
import sqlite3
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import closing
from functools import cache
from pathlib import Path

import attrs
import msgspec
import pytest
from msgspec import Raw

import ingest
from ingest.actors import batcher, connector, publisher, session, writer
from ingest.actors.connection import Deadlines
from ingest.cli import exits
from ingest.config.schemas import HomeassistantSchema
from ingest.config.settings import KEYS, SECTIONS
from ingest.core import candidate, rule_names
from ingest.core.backoff import backoff
from ingest.core.coverage import Cause, Progress
from ingest.core.gap_points import MEASUREMENT, MERGED, GapPoint, gap_line
from ingest.core.registry_points import DEVICES, ENTITIES, device_points, entity_points, registry_line
from ingest.edge.state_versions import MIGRATIONS, VERSION
from tests.test_reference_pages import part, text

ROOT = Path(ingest.__file__).parent
DOCS = ROOT.parent / "docs"
ADVICE = "run: python -m tests.test_reference_tables, and put what it prints in place of that part of docs/reference/state-file.md"


def rows(page: str, heading: str) -> list[list[str]]:
    """The cells of the tables below a heading, heads included."""
    lines = [line for line in part(page, heading).splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split(" |")] for line in lines]


def quoted(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


# ---- the state file ----------------------------------------------------------------------------------------------


def columns() -> str:
    """What the tables of the present version hold, as Markdown."""
    lines = ["## Columns", "", "<!-- Made from the code: python -m tests.test_reference_tables -->", ""]
    lines += ["| table | columns |", "|---|---|"]
    with closing(sqlite3.connect(":memory:")) as connection:
        for version in sorted(MIGRATIONS):
            connection.executescript(MIGRATIONS[version])
        for table in _tables(connection):
            found = connection.execute(f"SELECT name, type, pk FROM pragma_table_info('{table}')").fetchall()
            told = [f"`{name}` {kind}{' (key)' if key else ''}" for name, kind, key in found]
            lines.append(f"| `{table}` | {', '.join(told)} |")
    return "\n".join([*lines, ""])


def _tables(connection: sqlite3.Connection) -> list[str]:
    query = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY rowid"
    return [name for (name,) in connection.execute(query)]


def test_the_columns_of_the_state_file_are_those_of_the_code() -> None:
    assert columns() in text("reference/state-file.md"), ADVICE


def test_every_table_of_the_state_file_is_told_of() -> None:
    told = {quoted(row[0])[0] for row in rows("reference/state-file.md", "## Tables")[1:]}
    with closing(sqlite3.connect(":memory:")) as connection:
        for version in sorted(MIGRATIONS):
            connection.executescript(MIGRATIONS[version])
        assert sorted(told ^ set(_tables(connection))) == []


def test_every_version_of_the_state_file_names_what_came_with_it() -> None:
    told = {int(row[0]): row[1] for row in rows("reference/state-file.md", "## Versions")[1:]}
    assert told.keys() == MIGRATIONS.keys()
    assert max(told) == VERSION
    for version, sql in MIGRATIONS.items():
        new = re.findall(r"(?:CREATE TABLE|ADD COLUMN) (\w+)", sql)
        assert [name for name in new if f"`{name}`" not in told[version]] == [], version


# ---- the schemas -------------------------------------------------------------------------------------------------


def parts(line: bytes) -> tuple[str, set[str], set[str]]:
    """Measurement, tags and fields of a line without blanks in its values."""
    series, fields, _ = re.sub(r'"[^"]*"', '""', line.decode()).split(" ")
    measurement, *tags = series.split(",")
    return measurement, {tag.partition("=")[0] for tag in tags}, {each.partition("=")[0] for each in fields.split(",")}


def test_the_table_of_gaps_is_what_is_written() -> None:
    point = GapPoint("home", Cause.STOPPED, 1, 2_000_000_000, Progress.OPEN.value, "why", 3, 2, 1)
    measurement, tags, fields = parts(gap_line(point))
    told: dict[str, set[str]] = defaultdict(set)
    cells = {row[1]: row for row in rows("reference/schema.md", "## Gaps")}
    for row in cells.values():
        told[row[0]].update(quoted(row[1]))
    assert (measurement, tags, fields) == (MEASUREMENT, told["tag"], told["field"])
    causes = {cause.name.lower() for cause in Cause if cause is not Cause.FILTERED}
    assert set(quoted(cells["`cause`"][3])) - {"backfill"} == causes
    assert set(quoted(cells["`state`"][3])) == {each.value for each in Progress} | {MERGED}


def test_the_table_of_devices_and_entities_is_what_is_written() -> None:
    device = dict.fromkeys(("id", "name", "manufacturer", "model", "sw_version", "area_id"), "x")
    entity = {"entity_id": "a.b", **dict.fromkeys(("device_id", "platform", "area_id", "unique_id"), "x")}
    (first,) = device_points([_raw(device)], {"x": 4}, 1)
    (second,) = entity_points([_raw(entity)], 1)
    told = {
        (quoted(row[0])[0], row[1]): set(quoted(row[2]))
        for row in rows("reference/schema.md", "## Devices and entities")[1:]
    }
    for name, point in ((DEVICES, first), (ENTITIES, second)):
        assert parts(registry_line(point)) == (name, told[name, "tag"], told[name, "field"])


def _raw(entry: Mapping[str, str]) -> Raw:
    return Raw(msgspec.json.encode(entry))


def test_every_setting_of_the_other_schema_is_in_its_table() -> None:
    (same,) = [row[0] for row in rows("reference/schema-homeassistant.md", "## Settings") if "the same" in row[1]]
    assert sorted(quoted(same)) == sorted(each.name for each in attrs.fields(HomeassistantSchema))


# ---- exit codes --------------------------------------------------------------------------------------------------

CODES = {name for name, code in vars(exits).items() if name.isupper() and isinstance(code, int)}


@cache
def trees() -> Mapping[Path, ast.Module]:
    return {path: ast.parse(path.read_text("utf-8")) for path in sorted(ROOT.rglob("*.py"))}


def ways_out() -> Iterator[tuple[str, ast.expr]]:
    """Where a command ends the process by itself, and with what."""
    for path, tree in trees().items():
        for call in ast.walk(tree):
            if isinstance(call, ast.Call) and ast.unparse(call.func) in {"sys.exit", "exit", "SystemExit", "ctx.exit"}:
                yield from ((f"{path.name}:{call.lineno}", argument) for argument in call.args)


def test_a_command_ends_only_with_a_code_that_is_documented() -> None:
    numbers = [(where, ast.unparse(code)) for where, code in ways_out() for each in ast.walk(code) if _number(each) > 0]
    assert numbers == [], "give the code a name in ingest/cli/exits.py, which docs/reference/exit-codes.md lists"


def _number(node: ast.AST) -> int:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, int) else 0


def test_every_code_that_is_documented_is_returned_somewhere() -> None:
    cli = [tree for path, tree in trees().items() if path.parent.name == "cli" and path.name != "exits.py"]
    used = {node.id for tree in cli for node in ast.walk(tree) if isinstance(node, ast.Name)}
    inside = {"FAILED", "REFUSED"}  # those that `explained` gives for an error
    assert sorted(CODES - used - inside) == []


def test_systemd_is_told_which_code_is_not_to_be_tried_again() -> None:
    assert "RestartPreventExitStatus={refused}" in (ROOT / "cli/systemd_unit.py").read_text("utf-8")
    assert f"`RestartPreventExitStatus={exits.REFUSED}`" in text("reference/exit-codes.md")


# ---- figures of the algorithms -----------------------------------------------------------------------------------


def test_the_batch_algorithm_has_the_figures_of_the_code() -> None:
    page, limits = text("explanation/batching.md"), batcher.Limits()
    told = (
        f"`batch.size` points ({limits.max_points:,}), weighs {limits.max_bytes // 2**20} MiB, or is `batch.timeout` old ({limits.max_age:g} s)",
        f"holds {batcher.MUCH} points for each second",
        f"a tenth of it only ({limits.soon:g} s)",
        f"less than a frame ({session.FRAME_CHANGES} points)",
        f"shielded for at most {batcher.LAST_PUT:g} s",
        f"under the rule `{rule_names.SCHEMA}`",
    )
    assert [sentence for sentence in told if sentence not in page] == []


def test_the_table_of_waits_is_what_the_code_waits() -> None:
    caps = (connector.Persistence().max_delay, writer.CAP, publisher.CAP)
    told = rows_of(text("explanation/retries.md"))
    waits = [[f"{backoff(n, cap, lambda: 1.0):g} s" for n in range(1, 11)] for cap in caps]
    assert [row[1:] for row in told[1:]] == waits


def rows_of(page: str) -> list[list[str]]:
    """The first table of a page."""
    lines = page.partition("\n| ")[2].partition("\n\n")[0].splitlines()
    return [[cell.strip() for cell in line.strip("| ").split(" |")] for line in lines if not line.startswith("|---")]


def test_the_page_of_the_retries_has_the_figures_of_the_code() -> None:
    page, deadlines, persistence = text("explanation/retries.md"), Deadlines(), connector.Persistence()
    told = (
        f"live for {candidate.HEALTHY:g} s or more",
        f"`home_assistant.breaker_threshold` ({persistence.breaker_threshold})",
        f"checked every {connector.TOKEN_CHECK:g} s",
        f"checked every {connector.VERSION_CHECK / 60:g} minutes",
        f"`home_assistant.max_retries` is {persistence.max_retries}: never",
        f"`ping_interval` ({deadlines.ping_interval:g} s)",
        f"`pong_timeout` ({deadlines.pong:g} s)",
        f"a full disk): every {writer.REFUSED_DELAY:g} s",
    )
    assert [sentence for sentence in told if sentence not in page] == []
    assert candidate.REFUSED_DELAY == 3600
    assert "once an hour" in page


# ---- settings ----------------------------------------------------------------------------------------------------

CHECKS = {"rules.py", "warnings.py", "changes.py", "show.py", "write.py"}
"""Modules of the configuration that look at settings to say something of them, which is not to do what they say."""


def readers() -> Mapping[str, set[str]]:
    """By setting the modules that read it: attributes of what is known to be its section."""
    found: dict[str, set[str]] = defaultdict(set)
    for path, tree in trees().items():
        if path.parent.name != "config" or path.name not in CHECKS:
            for name in _read_in(tree, of_the_configuration=path.parent.name == "config"):
                found[name].add(str(path.relative_to(ROOT)))
    return found


def _read_in(tree: ast.Module, *, of_the_configuration: bool) -> Iterator[str]:
    scopes = [
        each for each in ast.walk(tree) if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    ]
    for scope in (tree, *scopes):
        known = dict(_sections_in(scope))
        if isinstance(scope, ast.ClassDef) and of_the_configuration:
            known["self"] = CLASSES.get(scope.name, "")
        for node in ast.walk(scope):
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
                base = ast.unparse(node.value)
                above, _, last = base.rpartition(".")
                section = known.get(base, last if above and last in SECTIONS else "")
                name = node.attr if last == "settings" and not section else f"{section}.{node.attr}"
                if name in KEYS:
                    yield name


CLASSES = {base.__name__: name for name, kind in SECTIONS.items() for base in kind.__mro__[:-1]}
"""The sections by the names of their classes and of what these are made of."""


def _sections_in(scope: ast.AST) -> Iterator[tuple[str, str]]:
    """What is known to be a section: by its annotation, or because it was taken from the settings."""
    for node in ast.walk(scope):
        match node:
            case ast.arg(arg=name, annotation=ast.expr() as kind) if (last := _last(kind)) in CLASSES:
                yield name, CLASSES[last]
            case ast.AnnAssign(target=ast.Name(id=name), annotation=kind) if (last := _last(kind)) in CLASSES:
                yield f"self.{name}", CLASSES[last]
            case ast.Assign(targets=[target], value=value):
                for to, given in _pairs(target, value):
                    if isinstance(to, ast.Name) and isinstance(given, ast.Attribute) and given.attr in SECTIONS:
                        yield to.id, given.attr


def _pairs(target: ast.expr, value: ast.expr) -> Iterator[tuple[ast.expr, ast.expr]]:
    match target, value:
        case ast.Tuple(elts=names), ast.Tuple(elts=values):
            yield from zip(names, values, strict=False)
        case _:
            yield target, value


def _last(annotation: ast.expr) -> str:
    return ast.unparse(annotation).rpartition(".")[2]


def test_every_setting_does_something() -> None:
    """A twin is read when the settings are loaded; `memory.max_mb` scales others, which has tests of its own."""
    elsewhere = {name for name in KEYS if name.endswith("_file")} | {"memory.max_mb"}
    assert sorted(KEYS.keys() - readers().keys() - elsewhere) == [], "these settings are read nowhere"


@pytest.mark.parametrize(
    "page", [path for path in sorted(DOCS.rglob("*.md")) if "decisions" not in path.parts], ids=lambda path: path.stem
)
def test_settings_that_a_page_names_exist(page: Path) -> None:
    named = re.findall(rf"`((?:{'|'.join(SECTIONS)})\.[a-z_]+)(?: = [^`]*)?`", page.read_text("utf-8"))
    files = {"spool.py", "store.db", "home_assistant.py"}
    tables = {f"{name}.{each}" for name in SECTIONS for each in ("json", "toml", "token", "py", "db")}
    assert sorted({name for name in named if name not in KEYS} - tables - files) == []


# ---- what is made ------------------------------------------------------------------------------------------------


def test_what_is_made_from_the_code_is_listed_with_what_makes_it() -> None:
    pages = {
        path: re.findall(r"<!-- Made from the code: (.*?) -->", path.read_text("utf-8")) for path in DOCS.rglob("*.md")
    }
    made = {(path.stem, command) for path, commands in pages.items() for command in commands}
    table = rows("how-to/run-the-tests.md", "## What is made from the code")[1:]
    listed = {(re.findall(r"/([\w-]+)\.md", row[0])[0], quoted(row[1])[0]) for row in table}
    assert sorted(made ^ listed) == []


if __name__ == "__main__":
    sys.stdout.write(columns())
