"""Marks that moved, before they are rows: packed as one value, and merged without knowing where they moved from. Pure.

What marks do to a row is a ladder: one that is newer, or as new, takes its place and leaves the earlier of both
beginnings; one without an entity takes the row away, unless the row is newer; one that was turned back takes the place
of any. What makes no difference to any row that may be there goes when the next one comes, and the others stay in their
order.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, MutableMapping, Sequence
from typing import NamedTuple, TypeAlias

import msgspec
from attrs import define, field

from ingest.core.coverage import LATEST, TURNED_BACK, Mark
from ingest.core.sealing import compressed, decompressed

Move: TypeAlias = tuple[str, str, int, int]
"""A mark that moved, with its beginning in any case: of each that is made a thousand times a second, nothing more is kept."""


class Row(NamedTuple):
    """A mark as its row has it, with its beginning in any case."""

    entity_id: str
    time_ns: int
    first_ns: int


class _Columns(NamedTuple):
    """Many marks: so they are read twice as fast as one after the other, and take less."""

    names: list[str]
    entities: list[str]
    times: list[int]
    firsts: list[int]


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Columns).decode


def moves_of(marks: Sequence[Mark]) -> list[Move]:
    """The marks, each with its beginning."""
    return [(mark.registry_id, mark.entity_id, mark.time_ns, mark.oldest_ns) for mark in marks]


def packed(marks: Sequence[Mark]) -> bytes:
    """Marks, one at least, as one value with a checksum. Raises `OverflowError` for a time that no row could hold."""
    names, entities = [mark.registry_id for mark in marks], [mark.entity_id for mark in marks]
    times, firsts = [mark.time_ns for mark in marks], [mark.first_ns or mark.time_ns for mark in marks]
    if max(times) > LATEST:
        raise OverflowError("a mark's time is too great for the state file")
    return compressed(_encode((names, entities, times, firsts)))


def unpacked(value: object) -> Iterator[Move]:
    """The marks, in their order; each is made when it is asked for. Raises `ValueError` for what `packed` has not made."""
    if not isinstance(value, bytes):
        raise ValueError(f"no bytes: {type(value).__name__}")  # noqa: TRY004  it is the file's value, not our type
    names, entities, times, firsts = _decode(decompressed(value))
    if not len(names) == len(entities) == len(times) == len(firsts):
        raise ValueError("columns of different lengths")
    return zip(names, entities, times, firsts, strict=True)


@define
class Moves:
    """What marks do to rows, one after the other; of each name for life as few as do the same: nearly always the last."""

    _last: dict[str, Move] = field(factory=dict)
    _earlier: dict[str, list[Move]] = field(factory=dict)

    def add(self, moves: Iterable[Move]) -> None:
        """What is written at once: what goes goes last, whenever it was told."""
        last, earlier = self._last, self._earlier
        nobodys: dict[str, Move] = {}
        for move in moves:
            name, entity_id, time_ns, first_ns = move
            if not entity_id:
                nobodys[name] = move
                continue
            known = last.get(name)
            # As `_outdone`, for there is one of these for each mark that ever moves.
            if known is None or (
                known[2] <= time_ns
                and first_ns <= known[3] < TURNED_BACK
                and known[1]
                and not (earlier and name in earlier)
            ):
                last[name] = move
            else:
                self._stack(move)
        for move in nobodys.values():
            self._stack(move)

    def _stack(self, move: Move) -> None:
        name = move[0]
        moves = self._earlier.pop(name, [])
        if name in self._last:
            moves.append(self._last[name])
        while moves and _outdone(moves[-1], move):
            moves.pop()
        if moves:
            self._earlier[name] = moves
        self._last[name] = move

    def __iter__(self) -> Iterator[Move]:
        """All of them, those of one name for life in their order."""
        for name, move in self._last.items():
            yield from self._earlier.get(name, ())
            yield move

    def onto(self, rows: MutableMapping[str, Row]) -> None:
        """Move the marks of these rows."""
        for move in self:
            _move(rows, move)


def _outdone(earlier: Move, later: Move) -> bool:
    """True when the later of two that follow each other does by itself what both do, whatever is there before."""
    if earlier[2] > later[2] or TURNED_BACK in {earlier[3], later[3]}:
        return False
    return not later[1] or (bool(earlier[1]) and later[3] <= earlier[3])


def _move(rows: MutableMapping[str, Row], move: Move) -> None:
    name, entity_id, time_ns, first_ns = move
    row = rows.get(name)
    turned_back = bool(entity_id) and first_ns == TURNED_BACK
    first_ns = time_ns if turned_back else first_ns
    if row is not None and row.time_ns > time_ns and not turned_back:
        return
    if entity_id:
        rows[name] = Row(entity_id, time_ns, first_ns if row is None else min(row.first_ns, first_ns))
    elif row is not None:
        del rows[name]


def as_marks(rows: Mapping[str, Row]) -> dict[str, Mark]:
    """As everybody else knows them, by their names for life and in the order of these."""
    return {
        name: Mark(name, entity_id, time_ns, 0 if first_ns == time_ns else first_ns)
        for name, (entity_id, time_ns, first_ns) in sorted(rows.items())
    }
