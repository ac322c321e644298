"""docs/reference/epic-50.md: every row the review asked for is there, and what it names exists."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest
from attrs import frozen

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs/reference/epic-50.md"

REQUIRED = """
50.1 every datetime aware, UTC
50.1 comparisons aware
50.1 timestamps are ISO 8601 in logs and exports
50.1 timestamps are ISO 8601 in every endpoint
50.1 API contracts unchanged
50.2 WebSocket messages at most 64 KB
50.2 WebSocket messages are JSON objects
50.2 60 messages a minute for each connection, cleaned up
50.2 an actionable error for each
50.2 TLS verification on by default, off by setting
50.2 tests of TLS
50.2 tests of the size limit and the rate limit
50.2 documented
50.3 tests/integration with shared fixtures
50.3 connection establishment
50.3 authentication flow
50.3 reconnection
50.3 subscription
50.3 the pipeline from end to end
50.3 batches
50.3 errors in the pipeline
50.3 device and entity discovery
50.3 cache refresh
50.3 data-api
50.3 independent, parallel-safe, self-contained
50.3 not blocking the unit tests
50.3 documented how to run
50.4 connection failure
50.4 recovery by reconnecting
50.4 infinite retry
50.4 circuit breaker
50.4 InfluxDB write failures
50.4 InfluxDB connection failures
50.4 InfluxDB batch failures
50.4 InfluxDB recovery
50.4 discovery failures
50.4 discovery fallback
50.4 cache kept on failure
50.4 timeouts and recovery from them
50.4 queue at capacity
50.4 every overflow strategy
50.4 dropped events handled and counted
50.4 retry logic
50.4 graceful degradation
50.4 each scenario documented
50.4 messages clear and actionable
50.5 connect and disconnect
50.5 connection state
50.5 ping and pong
50.5 subscribe
50.5 unknown types and echo
50.5 invalid JSON
50.5 WebSocket errors and exceptions
50.6 coverage measured
50.6 gate in the configuration that is read
50.6 critical paths and edge cases
50.6 at least 80 %
50.7 no archives or tests among the sources
50.7 architecture diagram
50.7 docstrings
50.7 page of the state transitions
50.7 page of the batch algorithm
50.7 page of the retry patterns
done: all tests pass in CI
done: documentation updated
done: no regression
connection manager
WebSocket client
token validator
state machine
circuit breaker
event subscription
event processor
event queue
event-rate monitor
historical event counter
batch processor
InfluxDB batch writer
InfluxDB wrapper
InfluxDB schema
discovery service
HTTP client
entity filter
memory manager
error handler
health check
WebSocket handler
weather cache and client
""".strip().splitlines()

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


def test_the_rows_are_those_that_the_review_asked_for() -> None:
    assert [row.name for row in rows()] == REQUIRED


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
