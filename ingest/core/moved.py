"""Marks that moved, before they are rows: packed as one value, and merged without knowing where they moved from. Pure.

What marks do to a row is a ladder: one that is newer, or as new, takes its place and leaves the earlier of both
beginnings; one without an entity takes the row away, unless the row is newer. What makes no difference to any row that may
be there goes when the next one comes, and the others stay in their order.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from operator import itemgetter
from typing import Annotated, Final, NamedTuple, TypeAlias

import msgspec
from attrs import define, field

from ingest.core.coverage import Mark
from ingest.core.sealing import GZIP, compressed

LATEST: Final = 2**63 - 1
"""No row holds a greater number."""

_Number: TypeAlias = Annotated[int, msgspec.Meta(ge=-LATEST - 1, le=LATEST)]


class _Packed(NamedTuple):
    """A `Mark` as it is read back: with numbers that a row can hold."""

    registry_id: str
    entity_id: str
    time_ns: _Number
    first_ns: _Number


class Row(NamedTuple):
    """A mark as its row has it, with its beginning in any case."""

    entity_id: str
    time_ns: int
    first_ns: int


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[_Packed]).decode
_time = itemgetter(2)


def packed(marks: Sequence[Mark]) -> bytes:
    """Marks as one value, with a checksum. Raises `OverflowError` for a time that no row could hold."""
    if max(map(_time, marks), default=0) > LATEST:
        raise OverflowError("a mark's time is too great for the state file")
    return compressed(_encode(marks))


def unpacked(value: object) -> list[Mark]:
    """The marks, in their order. Raises `ValueError` for what `packed` has not made."""
    if not isinstance(value, bytes):
        raise ValueError(f"no bytes: {type(value).__name__}")  # noqa: TRY004  it is the file's value, not our type
    try:
        return [Mark(*each) for each in _decode(zlib.decompress(value, GZIP))]
    except (zlib.error, msgspec.DecodeError) as error:
        raise ValueError(f"no marks: {error}") from error


@define
class Moves:
    """What marks do to rows, one after the other; of each name for life as few as do the same."""

    _of: dict[str, list[Mark]] = field(factory=dict)

    def add(self, marks: Sequence[Mark]) -> None:
        """What is written at once: what goes goes last, whenever it was told."""
        nobodys: dict[str, Mark] = {}
        for mark in marks:
            if mark.entity_id:
                self._add(mark)
            else:
                nobodys[mark.registry_id] = mark
        for mark in nobodys.values():
            self._add(mark)

    def _add(self, mark: Mark) -> None:
        moves = self._of.setdefault(mark.registry_id, [])
        while moves and _outdone(moves[-1], mark):
            moves.pop()
        moves.append(mark)

    def __iter__(self) -> Iterator[Mark]:
        """All of them, those of one name for life in their order."""
        for moves in self._of.values():
            yield from moves

    def onto(self, rows: MutableMapping[str, Row]) -> None:
        """Move the marks of these rows."""
        for mark in self:
            _move(rows, mark)


def _outdone(earlier: Mark, later: Mark) -> bool:
    """True when the later of two that follow each other does by itself what both do, whatever is there before."""
    if earlier.time_ns > later.time_ns:
        return False
    return not later.entity_id or (bool(earlier.entity_id) and later.oldest_ns <= earlier.oldest_ns)


def _move(rows: MutableMapping[str, Row], mark: Mark) -> None:
    row = rows.get(mark.registry_id)
    if row is not None and row.time_ns > mark.time_ns:
        return
    if mark.entity_id:
        first_ns = mark.oldest_ns if row is None else min(row.first_ns, mark.oldest_ns)
        rows[mark.registry_id] = Row(mark.entity_id, mark.time_ns, first_ns)
    elif row is not None:
        del rows[mark.registry_id]


def as_marks(rows: Mapping[str, Row]) -> dict[str, Mark]:
    """As everybody else knows them."""
    return {
        registry_id: Mark(registry_id, entity_id, time_ns, 0 if first_ns == time_ns else first_ns)
        for registry_id, (entity_id, time_ns, first_ns) in rows.items()
    }
