"""Home Assistant's history as values: its answers read row by row, and the changes that lie inside a span.

    {"sensor.a": [{"s": "21.5", "a": {…}, "lu": 1795422123.0471582, "lc": …}, …]}

A row is poorer than the event it was: it has no context, lacks attributes that the recorder leaves out, and does not
say what came before. What came before is the row before, where nothing is missing between the two; else it is unknown.
`lc` is left out when it equals `lu`. A removal is `{"s": null, "a": {}, "lu": when}`. The REST API, which writes `""` for it
as for a state that is empty, is not asked.
Source: answers recorded from 2024.3.3, 2025.4.4 and 2026.11.0.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import TypeAlias

import msgspec
from attrs import evolve, frozen
from msgspec import Raw

from ingest.core.coverage import Span
from ingest.core.state import NO_ATTRIBUTES, Change, Previous, State, StateData, nanoseconds
from ingest.core.wire import Malformed, decoded


@frozen
class Row:
    """An entity's state as it was recorded; `state` None: it was removed then. `time_ns` is `updated` in nanoseconds.

    `follows` is False when the row before it could not be read, so that its predecessor is not known.
    """

    state: str | None
    time_ns: int
    updated: datetime
    changed: datetime
    attributes: Raw = NO_ATTRIBUTES
    follows: bool = True


@frozen
class _Compressed:
    s: str | None
    lu: float
    a: Raw = NO_ATTRIBUTES
    lc: float | None = None


Listed: TypeAlias = tuple[str, list[Raw] | Malformed]

_object = msgspec.json.Decoder(dict[str, Raw])
_parts = msgspec.json.Decoder(list[Raw])
_compressed = msgspec.json.Decoder(_Compressed)


def moment(seconds: float) -> datetime:
    """The time of a float of the history, as Home Assistant itself reads it. Nothing else may: rounding is wrong.

    `round(seconds * 1e6)` is off by a microsecond for one float in eight.
    """
    return datetime.fromtimestamp(seconds, UTC)


def listed(result: Raw) -> Iterator[Listed]:
    """Each entity's rows, raw, of an answer to `history/history_during_period`. Raises `Malformed` when it is none."""
    for entity_id, raw in decoded("history", _object, result).items():
        try:
            yield entity_id, decoded("history of an entity", _parts, raw)
        except Malformed as problem:
            yield entity_id, problem


def row(raw: Raw) -> Row:
    """A row, read. Raises `Malformed`."""
    read = decoded("history row", _compressed, raw)
    try:
        updated = moment(read.lu)
        changed = updated if read.lc is None else moment(read.lc)
    except (ValueError, OverflowError, OSError) as problem:
        raise Malformed("history row", f"no time: {problem}", raw) from None
    return Row(read.s, nanoseconds(updated), updated, changed, read.a)


def rows_of(raws: Iterable[Raw]) -> Iterator[Row | Malformed]:
    """The rows, oldest first; what cannot be read costs the next one its predecessor, and nothing else."""
    follows = True
    for raw in raws:
        try:
            read = row(raw)
        except Malformed as problem:
            follows = False
            yield problem
        else:
            yield read if follows else evolve(read, follows=False)
            follows = True


def in_order(rows: Iterable[Row]) -> list[Row]:
    """Sorted by time, each once. Different rows of one time all stay, in the order in which they came."""
    ordered = sorted(rows, key=_time_ns)
    pairs = zip(ordered, [None, *ordered], strict=False)
    return [each for each, before in pairs if before is None or not _same(each, before)]


def changes_of(span: Span, rows: Sequence[Row], before: Row | None = None) -> list[Change]:
    """The changes strictly inside a span, of its entity's rows `in_order`. `before` is the last row before these.

    A predecessor is a row of the span, or the one at its beginning: an older one was not the last before it.
    """
    changes: list[Change] = []
    for each in rows:
        time_ns = each.time_ns
        if time_ns >= span.before_ns:
            break
        if time_ns > span.after_ns:
            known = before if each.follows and before is not None and before.time_ns >= span.after_ns else None
            changes.append(_change(span.entity_id, each, known))
        before = each
    return changes


def _change(entity_id: str, row: Row, before: Row | None) -> Change:
    old = None
    if before is not None and before.state is not None:
        old = Previous(before.state, before.changed, before.attributes)
    new = None
    if row.state is not None:
        new = State(entity_id, row.state, row.changed, row.updated, row.attributes)
    return Change(StateData(entity_id, old, new), row.updated)


def _time_ns(row: Row) -> int:
    return row.time_ns


def _same(row: Row, other: Row) -> bool:
    known = row.time_ns == other.time_ns and row.state == other.state and row.changed == other.changed
    return known and bytes(row.attributes) == bytes(other.attributes)
