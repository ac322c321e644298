"""docs/reference/requirements-2025.md: what every row names exists, and no row is there twice."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest
from attrs import frozen

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs/reference/requirements-2025.md"

NO_FILE = {"50.4 graceful degradation", "50.6 critical paths and edge cases"}
"""Rows about how all of it is done: no file alone has that."""


@frozen
class Row:
    """What was asked, where it is, what shows it."""

    name: str
    where: str
    shown: str


def rows() -> list[Row]:
    lines = (line for line in PAGE.read_text("utf-8").splitlines() if line.startswith("| "))
    cells = ([cell.strip() for cell in line.strip("|").split("|")] for line in lines)
    return [Row(*three) for three in cells if len(three) == 3 and three[1] != "where"]


@cache
def names_in(path: str) -> frozenset[str]:
    """The tests of a file: `test_x`, and `Class::test_x`."""
    tree = ast.parse((ROOT / path).read_text("utf-8"))
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    found = {f"{each.name}::{name}" for each in classes for name in _functions(each)} | _functions(tree)
    return frozenset(name for name in found if "test_" in name)


def _functions(node: ast.Module | ast.ClassDef) -> set[str]:
    return {each.name for each in node.body if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)}


every_row = pytest.mark.parametrize("row", rows(), ids=lambda row: row.name)


def test_every_line_of_a_table_is_read_as_a_row_and_none_is_there_twice() -> None:
    names = [row.name for row in rows()]
    lines = [line for line in PAGE.read_text("utf-8").splitlines() if line.startswith("|")]
    tables = [line for line in lines if set(line) <= set("|- ")]
    assert len(names) == len(lines) - 2 * len(tables) > 0
    assert sorted(set(names)) == sorted(names)


@every_row
def test_what_a_row_names_exists(row: Row) -> None:
    paths = re.findall(r"`([\w./-]+/[\w./-]*)`", f"{row.where} {row.shown}")
    assert [path for path in paths if not (ROOT / path).exists()] == []


@every_row
def test_a_row_is_shown_by_a_test_that_exists_or_by_the_decision_not_to_have_it(row: Row) -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)::([\w:]+)`", row.shown)
    decided = re.findall(r"\]\((\.\./decisions/\d{4}[\w-]*\.md)\)", row.shown)
    assert named or decided, "nothing that exists shows it"
    assert [f"{path}::{test}" for path, test in named if test not in names_in(path)] == []
    assert [path for path in decided if not (PAGE.parent / path).exists()] == []


@every_row
def test_nothing_of_a_row_stands_outside_of_what_is_looked_at(row: Row) -> None:
    """What shows a row is a list of tests, or a decision: nothing else, so nothing that nobody checks, and no promise."""
    rest = re.sub(r"`tests/[\w/]+\.py::[\w:]+`|\[[^]]+\]\(\.\./decisions/[^)]+\)", "", row.shown)
    assert rest.strip() == ""
    assert not re.search(r"\b(later|planned|to come|issue \d)\b", f"{row.where} {row.shown}", re.IGNORECASE)


@every_row
def test_where_a_row_is_can_be_looked_up(row: Row) -> None:
    """It names a file, unless it is answered by a decision or only by what the tests do."""
    assert "`" in row.where or "decisions/" in row.shown or row.name in NO_FILE
