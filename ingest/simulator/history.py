"""What the recorder remembers, and the answers of the history API with all their peculiarities.

Checked against recorded answers of 2025.4.4:

* both bounds are exclusive, and a state at the start is fabricated unless it is declined;
* `significant_changes_only`, on by default, keeps rows whose state changed (or was written by force) and every row of a
  few domains;
* `minimal_response` leaves out repeated states, and all attributes but the first row's, except where they matter;
* `lc` is there only when it differs from `lu`; a removal is `{"s": null, "a": {}, "lu": when}`;
* `lu` is `time.time()` as it was, with digits below the microsecond: `round(lu * 1e6)` is wrong for one in eight.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import takewhile
from math import ceil
from typing import NamedTuple, Protocol

from attrs import frozen

from ingest.simulator.values import EPOCH, SECOND, State, encode, iso, micros, moment

SIGNIFICANT = frozenset({"climate", "device_tracker", "humidifier", "thermostat", "water_heater"})
TELLING = frozenset({"climate", "humidifier", "input_datetime", "thermostat", "water_heater"})
"""Domains whose attributes a minimal response keeps."""


class Row(NamedTuple):
    """A state as recorded at `at`; None: the entity was removed then."""

    at: int
    state: State | None


class Past:
    """The rows of every entity, those of the last `keep` microseconds and the one before them."""

    def __init__(self, keep: int) -> None:
        self.keep = keep
        self._rows: dict[str, deque[Row]] = {}

    def record(self, entity_id: str, row: Row) -> None:
        """Remember a row, and forget what is too old."""
        rows = self._rows.setdefault(entity_id, deque())
        rows.append(row)
        while len(rows) > 1 and rows[1].at < row.at - self.keep:
            rows.popleft()

    def rows(self, entity_id: str) -> Iterable[Row]:
        """Return an entity's rows, oldest first; empty when it is unknown."""
        return self._rows.get(entity_id, ())

    def count(self, after: int) -> int:
        """Return how many rows are newer than `after`."""
        return sum(
            sum(1 for _ in takewhile(lambda row: row.at > after, reversed(rows))) for rows in self._rows.values()
        )


class Rows(Protocol):
    """Where an answer comes from: the past, or what the recorder shows of it."""

    def rows(self, entity_id: str) -> Iterable[Row]:
        """Return an entity's rows, oldest first; empty when it is unknown."""


@frozen
class Question:
    """What a client asks of the history; defaults are Home Assistant's. `part` of the rows is answered: the first."""

    start: int
    end: int
    entity_ids: tuple[str, ...]
    significant: bool = True
    start_state: bool = True
    minimal: bool = False
    no_attributes: bool = False
    part: float = 1.0


def select(past: Rows, question: Question, entity_id: str) -> list[Row]:
    """Return the rows that answer, the fabricated one first; it has the question's start for its time."""
    known = past.rows(entity_id)
    rows = [row for row in known if question.start < row.at < question.end]
    if question.significant:
        rows = [row for row in rows if _significant(entity_id, row)]
    if question.start_state:
        before = list(takewhile(lambda row: row.at <= question.start, known))
        if before and before[-1].state is not None:
            state = before[-1].state._replace(changed=question.start, updated=question.start)
            rows.insert(0, Row(question.start, state))
    rows = rows[: ceil(len(rows) * question.part)]
    return _distinct(rows, entity_id) if question.minimal else rows


def _significant(entity_id: str, row: Row) -> bool:
    if row.state is None or row.state.changed == row.state.updated:
        return True
    return entity_id.partition(".")[0] in SIGNIFICANT


def _distinct(rows: list[Row], entity_id: str) -> list[Row]:
    if entity_id.partition(".")[0] in TELLING:
        return rows
    pairs = zip(rows, [None, *rows], strict=False)
    return [row for row, before in pairs if before is None or _said(row) != _said(before)]


def _said(row: Row) -> str | None:
    return None if row.state is None else row.state.state


def seconds(at: int) -> float:
    """Return the clock's float of a time: with its digits below the microsecond, and the same time when read back."""
    below = at * 2_654_435_761 % 1000 / 1000 - 0.5  # scattered, but the same for the same time
    finer = at / SECOND + below / SECOND
    return finer if datetime.fromtimestamp(finer, UTC) == moment(at) else at / SECOND


def compressed(past: Rows, question: Question) -> bytes:
    """Answer `history/history_during_period`: an object of lists, without the entities that have no row."""
    answers = ((entity_id, select(past, question, entity_id)) for entity_id in question.entity_ids)
    parts = [
        b"%b:[%b]" % (encode(entity_id), b",".join(_compress(question, entity_id, rows)))
        for entity_id, rows in answers
        if rows
    ]
    return b"{%b}" % b",".join(parts)


def _compress(question: Question, entity_id: str, rows: list[Row]) -> Iterator[bytes]:
    brief = question.minimal and entity_id.partition(".")[0] not in TELLING
    for number, (at, state) in enumerate(rows):
        attributes = b"{}" if question.no_attributes or state is None else state.attributes
        a = b"" if brief and number else b',"a":%b' % attributes
        later = state is not None and state.changed != state.updated
        lc = b',"lc":%b' % encode(state.changed / SECOND) if state and later else b""
        yield b'{"s":%b%b,"lu":%b%b}' % (encode(None if state is None else state.state), a, encode(seconds(at)), lc)


def full(past: Rows, question: Question) -> bytes:
    """Answer `GET /api/history/period`: a list of lists with ISO times; a removal's state is the empty string."""
    answers = ((entity_id, select(past, question, entity_id)) for entity_id in question.entity_ids)
    return b"[%b]" % b",".join(
        b"[%b]" % b",".join(_spell_out(question, entity_id, rows)) for entity_id, rows in answers if rows
    )


def _spell_out(question: Question, entity_id: str, rows: list[Row]) -> Iterator[bytes]:
    brief = question.minimal and entity_id.partition(".")[0] not in TELLING
    for number, (at, state) in enumerate(rows):
        changed = iso(at if state is None else state.changed)
        if brief and number:
            yield b'{"state":%b,"last_changed":"%b"}' % (encode(None if state is None else state.state), changed)
            continue
        attributes = b"{}" if question.no_attributes or state is None else state.attributes
        yield b'{"entity_id":"%b","state":%b,"attributes":%b,"last_changed":"%b","last_updated":"%b"}' % (
            entity_id.encode(),
            encode("" if state is None else state.state),
            attributes,
            changed,
            iso(at),
        )


def parse_time(text: object) -> int | None:
    """Read an ISO 8601 time as microseconds; None when it is none. Without an offset it is UTC, the home's zone."""
    try:
        read = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return micros(read if read.tzinfo else read.replace(tzinfo=EPOCH.tzinfo))
